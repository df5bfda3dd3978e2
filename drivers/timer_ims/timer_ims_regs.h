/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TIMER_IMS_REGS_H_
#define _TIMER_IMS_REGS_H_

/*
 * Registers of timer_ims, a timer device that has neither MSI nor MSI-X.
 * The data sheet is doc/guides/drivers/timer_ims.rst; section numbers below are its own.
 * Driver and device model include this file, nothing else is shared between them.
 *
 * All registers are little endian and naturally aligned. BAR0 is a 64-bit memory BAR:
 *
 *   0x00000  control page, trapped: every access is a bus transaction the device sees
 *   0x10000  interrupt message store: one 16-byte slot per entry, mappable
 *   0x40000  timer blocks: one 64-byte block per timer, mappable
 *   0x80000  end (512 KiB)
 */

#define TIMER_IMS_PCI_VENDOR_ID 0x1234 /* QEMU's vendor space */
#define TIMER_IMS_PCI_DEVICE_ID 0x71e5
#define TIMER_IMS_PCI_CLASS     0x080200 /* system peripheral, timer, generic */
#define TIMER_IMS_PCI_REVISION  0x01

#define TIMER_IMS_BAR      0
#define TIMER_IMS_BAR_SIZE 0x80000

#define TIMER_IMS_MAX_TIMERS 4096
/* Slot 0 reports device errors, so a device with n timers has n + 1 slots. */
#define TIMER_IMS_MAX_SLOTS  (TIMER_IMS_MAX_TIMERS + 1)
#define TIMER_IMS_SLOT_ERROR 0

/* Section 3: control page. 32-bit accesses, except TIME which is 64-bit. */
#define TIMER_IMS_REG_ID        0x00       /* RO: TIMER_IMS_ID_MAGIC */
#define TIMER_IMS_ID_MAGIC      0x534d4954 /* "TIMS" */
#define TIMER_IMS_REG_VERSION   0x04       /* RO: 1 */
#define TIMER_IMS_VERSION       1
#define TIMER_IMS_REG_TIMERS    0x08 /* RO: number of timers, 1..4096 */
#define TIMER_IMS_REG_SLOTS     0x0c /* RO: number of slots, timers + 1 */
#define TIMER_IMS_REG_IMS_OFF   0x10 /* RO: offset of the slots in BAR0 */
#define TIMER_IMS_REG_TIMER_OFF 0x14 /* RO: offset of the timer blocks in BAR0 */
#define TIMER_IMS_REG_CTRL      0x18 /* RW: CTRL_* */
#define TIMER_IMS_CTRL_RESET    0x1  /* write 1: function reset, reads as 0 */
#define TIMER_IMS_REG_ERROR     0x1c /* RW1C: ERROR_*, any bit rising fires slot 0 */
#define TIMER_IMS_ERROR_KICK    0x1  /* TIMER_KICK named no timer */
#define TIMER_IMS_ERROR_CONF    0x2  /* a timer was started with a bad slot or interval */
#define TIMER_IMS_ERROR_SYNC    0x4  /* IMS_SYNC named no slot */
#define TIMER_IMS_ERROR_MSG     0x8  /* a message could not be written */
#define TIMER_IMS_REG_ERROR_ARG 0x20 /* RO: operand of the newest error */
#define TIMER_IMS_REG_TICK_HZ   0x28 /* RO, 64-bit: frequency of TIME and of the stamps */
#define TIMER_IMS_REG_TIME      0x30 /* RO, 64-bit: the device's clock now, in ticks */
/*
 * WO: a timer's number. The device reads the timer's block and starts or stops the timer.
 * The write has taken effect when it completes.
 */
#define TIMER_IMS_REG_TIMER_KICK 0x40
/*
 * RW: a slot's number. When the write completes the device has seen all that was stored in that
 * slot before, no message of the slot's earlier contents is on its way any more, and if the slot
 * is now unmasked with an event pending its message has been sent, or follows the slot's message
 * that is still unanswered.
 */
#define TIMER_IMS_REG_IMS_SYNC   0x44
#define TIMER_IMS_CTRL_PAGE_SIZE 0x1000

/* Section 4: slots, the layout of Intel DSA's interrupt message storage. */
#define TIMER_IMS_SLOTS_OFF         0x10000
#define TIMER_IMS_SLOTS_LEN         0x11000 /* 4097 slots, rounded up to whole pages */
#define TIMER_IMS_SLOT_SIZE         16
#define TIMER_IMS_SLOT_ADDR_LO      0
#define TIMER_IMS_SLOT_ADDR_HI      4
#define TIMER_IMS_SLOT_DATA         8
#define TIMER_IMS_SLOT_CTRL         12
#define TIMER_IMS_SLOT_CTRL_MASK    0x1
#define TIMER_IMS_SLOT_CTRL_PENDING 0x2 /* RO */

/* Section 5: timer blocks. The driver writes the first half, the device the second. */
#define TIMER_IMS_TIMERS_OFF          0x40000
#define TIMER_IMS_TIMERS_LEN          0x40000
#define TIMER_IMS_TIMER_SIZE          64
#define TIMER_IMS_TIMER_CTRL          0x00 /* RW: TIMER_CTRL_* */
#define TIMER_IMS_TIMER_CTRL_ENABLE   0x1
#define TIMER_IMS_TIMER_CTRL_PERIODIC 0x2
#define TIMER_IMS_TIMER_SLOT          0x04 /* RW: the slot it raises, 1..slots - 1 */
#define TIMER_IMS_TIMER_INTERVAL      0x08 /* RW, 64-bit: ns, 1..TIMER_IMS_MAX_INTERVAL */
#define TIMER_IMS_TIMER_LIMIT         0x10 /* RW, 64-bit: stop after so many expirations, 0 never */
#define TIMER_IMS_TIMER_COUNT         0x20 /* RO, 64-bit: expirations since the start */
#define TIMER_IMS_TIMER_STAMP         0x28 /* RO, 64-bit: TIME when the newest message was sent */
#define TIMER_IMS_TIMER_STATUS        0x30 /* RO: TIMER_STATUS_* */
#define TIMER_IMS_TIMER_STATUS_ACTIVE 0x1
#define TIMER_IMS_MAX_INTERVAL        (3600ULL * 1000 * 1000 * 1000) /* one hour */

#endif /* _TIMER_IMS_REGS_H_ */
