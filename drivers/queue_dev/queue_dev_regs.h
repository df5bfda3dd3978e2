/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _QUEUE_DEV_REGS_H_
#define _QUEUE_DEV_REGS_H_

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Registers and memory layouts of queue_dev, a device of thousands of queues whose interrupt
 * messages lie in the queues' contexts in system memory, beside an MSI-X table.
 * The data sheet is doc/guides/drivers/queue_dev.rst; section numbers below are its own.
 * Driver and device model include this file, nothing else is shared between them.
 *
 * Everything is little endian and naturally aligned. BAR0 is a 64-bit memory BAR:
 *
 *   0x00000  control page, trapped: every access is a bus transaction the device sees
 *   0x01000  status page, mappable, written by the device
 *   0x40000  doorbell portals: 64 pages, mappable, written by the driver
 *   0x80000  stamps: 8 bytes per slot, mappable, written by the device
 *   0x100000 end (1 MiB)
 *
 * BAR2 (64-bit, trapped) has the MSI-X table and its pending bits; it is not there if the device
 * has no MSI-X.
 */

#define QUEUE_DEV_PCI_VENDOR_ID 0x1234 /* QEMU's vendor space */
#define QUEUE_DEV_PCI_DEVICE_ID 0x9d0e
#define QUEUE_DEV_PCI_CLASS     0x120000 /* processing accelerator */
#define QUEUE_DEV_PCI_REVISION  0x01

#define QUEUE_DEV_BAR        0
#define QUEUE_DEV_BAR_SIZE   0x100000
#define QUEUE_DEV_MSIX_BAR   2
#define QUEUE_DEV_MSIX_SIZE  0x10000
#define QUEUE_DEV_MSIX_TABLE 0x0
#define QUEUE_DEV_MSIX_PBA   0x8000

#define QUEUE_DEV_MAX_SUBDEVS 1024 /* besides sub-device 0, which is the function itself */
#define QUEUE_DEV_MAX_EQS     256
#define QUEUE_DEV_MAX_QUEUES  16384
#define QUEUE_DEV_MAX_MSIX    2048

/* Section 6.2: slots of the interrupt message store, one per object that interrupts. */
#define QUEUE_DEV_SLOT_ERROR         0
#define QUEUE_DEV_SLOT_CMD           1
#define QUEUE_DEV_N_SPECIAL          2
#define QUEUE_DEV_SLOT_EQ(eq)        (QUEUE_DEV_N_SPECIAL + (eq))
#define QUEUE_DEV_SLOT_QUEUE(eqs, q) (QUEUE_DEV_N_SPECIAL + (eqs) + (q)) /* eqs: register EQS */
#define QUEUE_DEV_MAX_SLOTS          (QUEUE_DEV_N_SPECIAL + QUEUE_DEV_MAX_EQS + QUEUE_DEV_MAX_QUEUES)
/* MSI-X vectors of the two special interrupts, if INTR says so (section 3.3). */
#define QUEUE_DEV_VECTOR_ERROR 0
#define QUEUE_DEV_VECTOR_CMD   1

/* Section 3: control page. 32-bit accesses; those marked 64 also by 64 bits. */
#define QUEUE_DEV_REG_ID              0x00       /* RO: QUEUE_DEV_ID_MAGIC */
#define QUEUE_DEV_ID_MAGIC            0x56454451 /* "QDEV" */
#define QUEUE_DEV_REG_VERSION         0x04       /* RO: 1 */
#define QUEUE_DEV_VERSION             1
#define QUEUE_DEV_REG_FEATURES        0x08 /* RO: FEATURES_* */
#define QUEUE_DEV_FEATURES_IMS        0x1  /* objects have messages of their own */
#define QUEUE_DEV_FEATURES_INJECT     0x2  /* section 10 */
#define QUEUE_DEV_REG_SUBDEVS         0x0c /* RO: sub-devices are 1..SUBDEVS, and 0 */
#define QUEUE_DEV_REG_EQS             0x10 /* RO: event queues are 0..EQS - 1 */
#define QUEUE_DEV_REG_QUEUES          0x14 /* RO: queues are 0..QUEUES - 1 */
#define QUEUE_DEV_REG_SLOTS           0x18 /* RO: 2 + EQS + QUEUES */
#define QUEUE_DEV_REG_MSIX            0x1c /* RO: number of MSI-X vectors, 0: none */
#define QUEUE_DEV_REG_PORTALS         0x20 /* RO: number of portals */
#define QUEUE_DEV_REG_PORTAL_OFF      0x24 /* RO: offset of portal 0 in BAR0 */
#define QUEUE_DEV_REG_STATUS_OFF      0x28 /* RO: offset of the status page in BAR0 */
#define QUEUE_DEV_REG_STAMP_OFF       0x2c /* RO: offset of the stamps in BAR0 */
#define QUEUE_DEV_REG_MAX_LEN         0x30 /* RO: largest length of a descriptor, bytes */
#define QUEUE_DEV_REG_CTRL            0x40 /* RW: CTRL_* */
#define QUEUE_DEV_CTRL_RESET          0x1  /* write 1: reset, reads as 0 */
#define QUEUE_DEV_REG_STATUS          0x44 /* RO: STATUS_* */
#define QUEUE_DEV_STATUS_HALTED       0x1  /* nothing is done until a reset */
#define QUEUE_DEV_REG_RESETS          0x48 /* RO: number of resets since power-on */
#define QUEUE_DEV_REG_INTR            0x4c /* RW: INTR_* */
#define QUEUE_DEV_INTR_ERROR_OWN      0x1  /* errors: 1 message of slot 0, 0 MSI-X vector 0 */
#define QUEUE_DEV_INTR_CMD_OWN        0x2  /* commands: 1 message of slot 1, 0 MSI-X vector 1 */
#define QUEUE_DEV_REG_ERROR           0x50 /* RW1C: ERROR_*, any bit rising is an event */
#define QUEUE_DEV_ERROR_DOORBELL      0x01 /* a doorbell for nothing that is there */
#define QUEUE_DEV_ERROR_INDEX         0x02 /* a doorbell with an impossible index */
#define QUEUE_DEV_ERROR_PORTAL        0x04 /* PORTAL_ENABLE or PORTAL_DISABLE named no portal */
#define QUEUE_DEV_ERROR_CMDQ          0x08 /* the command queue cannot be used */
#define QUEUE_DEV_ERROR_RING          0x10 /* a ring cannot be reached */
#define QUEUE_DEV_ERROR_MSG           0x20 /* a message was refused */
#define QUEUE_DEV_ERROR_HALT          0x40 /* the device has halted */
#define QUEUE_DEV_ERROR_RESET         0x80 /* the device has reset itself */
#define QUEUE_DEV_REG_ERROR_ARG       0x58 /* RO, 64: operand of the newest error */
#define QUEUE_DEV_REG_TICK_HZ         0x60 /* RO, 64: frequency of TIME and of the stamps */
#define QUEUE_DEV_REG_TIME            0x68 /* RO, 64: the device's clock now, in ticks */
#define QUEUE_DEV_REG_CMDQ_BASE       0x70 /* RW, 64: IOVA of the command ring */
#define QUEUE_DEV_REG_CMDQ_CTRL       0x78 /* RW: CMDQ_CTRL_* */
#define QUEUE_DEV_CMDQ_CTRL_ENABLE    0x1
#define QUEUE_DEV_CMDQ_CTRL_LOG_SHIFT 8 /* bits 11:8, log2 of the number of commands */
#define QUEUE_DEV_CMDQ_CTRL_LOG_MASK  0xf
#define QUEUE_DEV_REG_CMDQ_TAIL       0x7c /* RW: doorbell, commands submitted since ENABLE */
#define QUEUE_DEV_REG_CMDQ_HEAD       0x80 /* RO: commands taken since ENABLE */
#define QUEUE_DEV_REG_DOORBELL        0x88 /* WO, 64: a doorbell, section 4.3 */
#define QUEUE_DEV_REG_PORTAL_ENABLE   0x90 /* WO: a portal's number */
#define QUEUE_DEV_REG_PORTAL_DISABLE  0x94 /* WO: a portal's number */
#define QUEUE_DEV_REG_PORTAL_MASK     0x98 /* RO, 64: a bit per portal, 1 in use */
#define QUEUE_DEV_REG_INJECT_KIND     0xc0 /* RW: INJECT_*, section 10 */
#define QUEUE_DEV_REG_INJECT_COUNT    0xc4 /* RW: write: arm, how often; read: what is left */
#define QUEUE_DEV_REG_INJECT_TIME     0xc8 /* RW: microseconds */
#define QUEUE_DEV_REG_INJECT_DONE     0xcc /* RO: how often it has happened since the reset */
#define QUEUE_DEV_REG_INJECT_ARG      0xd0 /* RW, 64 */
#define QUEUE_DEV_REG_INJECT_DATA     0xd8 /* RW */
#define QUEUE_DEV_CTRL_PAGE_SIZE      0x1000

/* Section 3.5: status page. */
#define QUEUE_DEV_STATUS_OFF         0x1000
#define QUEUE_DEV_STATUS_LEN         0x1000
#define QUEUE_DEV_STATUS_ASLEEP      0x00 /* 32-bit: 1: cells are not looked at, section 4.4 */
#define QUEUE_DEV_STATUS_RESETS      0x40 /* 32-bit: as the register */
#define QUEUE_DEV_STATUS_STATE       0x44 /* 32-bit: as the register STATUS */
#define QUEUE_DEV_STATUS_COMPLETIONS 0x80 /* 64-bit counters since the reset, all of these */
#define QUEUE_DEV_STATUS_EQES        0x88
#define QUEUE_DEV_STATUS_EVENTS      0x90
#define QUEUE_DEV_STATUS_DOORBELLS   0x98
#define QUEUE_DEV_STATUS_COMMANDS    0xa0
#define QUEUE_DEV_STATUS_SLEEPS      0xa8

/* Section 4: doorbells and portals. */
#define QUEUE_DEV_N_PORTALS   64
#define QUEUE_DEV_PORTALS_OFF 0x40000
#define QUEUE_DEV_PORTAL_SIZE 0x1000
#define QUEUE_DEV_PORTALS_LEN 0x40000
static_assert(QUEUE_DEV_PORTALS_LEN == QUEUE_DEV_N_PORTALS * QUEUE_DEV_PORTAL_SIZE, "layout");
#define QUEUE_DEV_PORTAL_CELLS    512
#define QUEUE_DEV_DB_KIND_SHIFT   56
#define QUEUE_DEV_DB_NUMBER_SHIFT 32
#define QUEUE_DEV_DB_NUMBER_MASK  0xffffULL
#define QUEUE_DEV_DB_RESERVED     0x00ff000000000000ULL
#define QUEUE_DEV_DB_INDEX_MASK   0xffffffffULL
#define QUEUE_DEV_DB_SQ_TAIL      1 /* a queue: descriptors submitted */
#define QUEUE_DEV_DB_CQ_ARM       2 /* a queue: interrupt me, I have consumed up to index */
#define QUEUE_DEV_DB_EQ_ARM       3 /* an event queue: the same */
#define QUEUE_DEV_DB_EQ_CONSUMED  4 /* an event queue: I have consumed up to index */
#define QUEUE_DEV_DB_WAKE         5 /* look at the portals; number and index 0 */
#define QUEUE_DEV_DB(kind, number, index)              \
	((uint64_t)(kind) << QUEUE_DEV_DB_KIND_SHIFT | \
		(uint64_t)(number) << QUEUE_DEV_DB_NUMBER_SHIFT | (uint32_t)(index))

/* Section 6.9: stamps. */
#define QUEUE_DEV_STAMPS_OFF 0x80000
#define QUEUE_DEV_STAMPS_LEN 0x21000 /* of 16642 slots, rounded up to whole pages */
#define QUEUE_DEV_STAMP_SIZE 8

/* Section 5: commands. Kinds of objects are used in doorbells' errors and POST as well. */
#define QUEUE_DEV_KIND_SPECIAL 0 /* numbers 0 and 1: slots 0 and 1 */
#define QUEUE_DEV_KIND_EQ      1
#define QUEUE_DEV_KIND_QUEUE   2

#define QUEUE_DEV_CMDQ_MAX_LOG       8
#define QUEUE_DEV_CMD_NOP            0x00
#define QUEUE_DEV_CMD_SUBDEV_CREATE  0x01
#define QUEUE_DEV_CMD_SUBDEV_DESTROY 0x02
#define QUEUE_DEV_CMD_EQ_CREATE      0x10
#define QUEUE_DEV_CMD_EQ_DESTROY     0x11
#define QUEUE_DEV_CMD_EQ_MODIFY      0x12
#define QUEUE_DEV_CMD_QUEUE_CREATE   0x20
#define QUEUE_DEV_CMD_QUEUE_DESTROY  0x21
#define QUEUE_DEV_CMD_QUEUE_MODIFY   0x22
#define QUEUE_DEV_CMD_MODIFY_MSG     0x30
#define QUEUE_DEV_CMD_MODIFY_INTR    0x31
#define QUEUE_DEV_CMD_QUERY          0x32

#define QUEUE_DEV_CMD_F_INTR 0x1 /* flags: raise the command interrupt when it is done */

#define QUEUE_DEV_WHAT_EQ   0x1 /* what: QUEUE_MODIFY attaches to the event queue eqn */
#define QUEUE_DEV_WHAT_COAL 0x2 /* what: EQ_MODIFY, QUEUE_MODIFY set coal_count, coal_usec */

/* Section 5.2 */
struct queue_dev_cmd {
	uint8_t op;
	uint8_t flags;
	uint16_t kind;
	uint32_t number;
	uint64_t ctx;     /* IOVA of a context */
	uint32_t ctx_seq; /* that it has */
	uint16_t intr;
	uint16_t eqn;
	uint16_t coal_count;
	uint16_t coal_usec;
	uint32_t what;
	uint64_t reserved[2];
	uint32_t reserved2;
	uint32_t token; /* not 0 */
	uint64_t done;  /* written by the device: token << 32 | status */
};
static_assert(sizeof(struct queue_dev_cmd) == 64, "layout");
static_assert(offsetof(struct queue_dev_cmd, ctx) == 0x08, "layout");
static_assert(offsetof(struct queue_dev_cmd, intr) == 0x14, "layout");
static_assert(offsetof(struct queue_dev_cmd, what) == 0x1c, "layout");
static_assert(offsetof(struct queue_dev_cmd, token) == 0x34, "layout");
static_assert(offsetof(struct queue_dev_cmd, done) == 0x38, "layout");

/* Section 5.4: status of a command. */
#define QUEUE_DEV_CMD_OK         0
#define QUEUE_DEV_CMD_BAD_OP     1  /* no such command */
#define QUEUE_DEV_CMD_BAD_FIELD  2  /* a reserved field is not 0, or a value is out of range */
#define QUEUE_DEV_CMD_BAD_NUMBER 3  /* no such object */
#define QUEUE_DEV_CMD_EXISTS     4  /* it is there already */
#define QUEUE_DEV_CMD_BUSY       5  /* in use by others */
#define QUEUE_DEV_CMD_BAD_ADDR   6  /* the context, or a ring, cannot be reached */
#define QUEUE_DEV_CMD_BAD_CTX    7  /* the context is another object's */
#define QUEUE_DEV_CMD_BAD_SEQ    8  /* the context is not the one that was meant */
#define QUEUE_DEV_CMD_NO_ROOM    9  /* the event queue has no room for one more queue */
#define QUEUE_DEV_CMD_NO_SUBDEV  10 /* no such sub-device */
#define QUEUE_DEV_CMD_NO_EQ      11 /* no such event queue */
#define QUEUE_DEV_CMD_BAD_INTR   12 /* no such vector, or no IMS */
#define QUEUE_DEV_CMD_FAILED     13 /* the device could not do it */

/* Section 6.1: context of a queue, an event queue, or a special slot. */
#define QUEUE_DEV_CTX_SIGNATURE(kind) (0x43445100u | (kind)) /* "\kind QDC" */
#define QUEUE_DEV_CTX_F_ALWAYS        0x1 /* flags of an event queue: interrupt without arm */
#define QUEUE_DEV_CTX_STATE_NONE      0
#define QUEUE_DEV_CTX_STATE_READY     1
#define QUEUE_DEV_CTX_STATE_ERROR     2
#define QUEUE_DEV_MSG_CTRL_MASK       0x1
#define QUEUE_DEV_MSG_CTRL_PENDING    0x2    /* RO */
#define QUEUE_DEV_INTR_OWN            0xffff /* intr: the object's own message */
#define QUEUE_DEV_INTR_NONE           0xfffe /* intr: none; else an MSI-X vector */
#define QUEUE_DEV_EQN_NONE            0xffff /* eqn: the queue interrupts itself */
#define QUEUE_DEV_RING_ALIGN          64
#define QUEUE_DEV_QUEUE_MIN_LOG       1
#define QUEUE_DEV_QUEUE_MAX_LOG       15
#define QUEUE_DEV_EQ_MIN_LOG          1
#define QUEUE_DEV_EQ_MAX_LOG          15
#define QUEUE_DEV_CTX_ALIGN           64
struct queue_dev_ctx {
	uint16_t flags;
	uint16_t state; /* RO */
	uint32_t seq;
	uint64_t msg_addr;
	uint32_t msg_data;
	uint32_t msg_ctrl;
	uint64_t ring; /* IOVA of the submission ring, or the event ring */
	uint64_t cq;   /* IOVA of a queue's completion ring */
	uint8_t log_size;
	uint8_t cq_log_size;
	uint16_t intr;
	uint16_t eqn;
	uint16_t subdev;
	uint16_t coal_count;
	uint16_t coal_usec;
	uint32_t reserved;
	uint32_t number;
	uint32_t signature;
};
static_assert(sizeof(struct queue_dev_ctx) == 64, "layout");
static_assert(offsetof(struct queue_dev_ctx, msg_addr) == 0x08, "layout");
static_assert(offsetof(struct queue_dev_ctx, msg_data) == 0x10, "layout");
static_assert(offsetof(struct queue_dev_ctx, msg_ctrl) == 0x14, "layout");
static_assert(offsetof(struct queue_dev_ctx, ring) == 0x18, "layout");
static_assert(offsetof(struct queue_dev_ctx, log_size) == 0x28, "layout");
static_assert(offsetof(struct queue_dev_ctx, eqn) == 0x2c, "layout");
static_assert(offsetof(struct queue_dev_ctx, coal_count) == 0x30, "layout");
static_assert(offsetof(struct queue_dev_ctx, number) == 0x38, "layout");

/* Section 5.5.9: what QUERY writes. */
#define QUEUE_DEV_QUERY_ARMED       0x1 /* the next completion, or EQE, is an event */
#define QUEUE_DEV_QUERY_OUTSTANDING 0x2 /* an EQE names the queue and is not consumed */
#define QUEUE_DEV_QUERY_DEFERRED    0x4 /* there is another one to come after that */
struct queue_dev_query {
	struct queue_dev_ctx ctx;
	uint32_t head;        /* queue: descriptors taken */
	uint32_t tail;        /* queue: descriptors submitted, as the device knows */
	uint32_t pi;          /* completions, or EQEs, written */
	uint32_t ci;          /* of them consumed, as the device knows */
	uint32_t flags;       /* QUERY_* */
	uint32_t queues;      /* event queue: room taken, by attached queues and orphans */
	uint64_t completions; /* or EQEs; counters since it was created, all of these */
	uint64_t errors;      /* completions with a status that is not OK */
	uint64_t events;      /* reasons to interrupt */
	uint64_t messages;    /* own messages that have left */
	uint64_t reserved;
};
static_assert(sizeof(struct queue_dev_query) == 128, "layout");

/* Section 7.2: descriptors. */
#define QUEUE_DEV_OP_NOP             0 /* result: imm */
#define QUEUE_DEV_OP_COPY            1 /* len bytes from src to dst */
#define QUEUE_DEV_OP_FILL            2 /* len bytes at dst with the 8 bytes of imm */
#define QUEUE_DEV_OP_CRC32C          3 /* of len bytes at src, imm: start value; result: the CRC */
#define QUEUE_DEV_OP_POST            4 /* raise the interrupt of an object, imm: QUEUE_DEV_POST() */
#define QUEUE_DEV_POST(kind, number) ((uint64_t)(kind) << 32 | (uint32_t)(number))
struct queue_dev_desc {
	uint8_t op;
	uint8_t reserved;
	uint16_t reserved2;
	uint32_t len;
	uint64_t src;
	uint64_t dst;
	uint64_t cookie;
	uint64_t imm;
	uint64_t reserved3[3];
};
static_assert(sizeof(struct queue_dev_desc) == 64, "layout");
static_assert(offsetof(struct queue_dev_desc, imm) == 0x20, "layout");
#define QUEUE_DEV_MAX_LEN (1u << 20)

/* Section 7.3: completions. The last 8 bytes are written last, at once. */
#define QUEUE_DEV_CQE_STATUS_MASK 0xffffu
#define QUEUE_DEV_CQE_OWNER       0x80000000u /* 1 in the ring's first pass, then 0, 1, ... */
#define QUEUE_DEV_CQE_OK          0
#define QUEUE_DEV_CQE_BAD_OP      1
#define QUEUE_DEV_CQE_BAD_FIELD   2
#define QUEUE_DEV_CQE_BAD_LEN     3
#define QUEUE_DEV_CQE_BAD_SRC     4
#define QUEUE_DEV_CQE_BAD_DST     5
#define QUEUE_DEV_CQE_BAD_TARGET  6
struct queue_dev_cqe {
	uint64_t cookie;
	uint64_t result;
	uint32_t queue;
	uint32_t reserved;
	uint32_t sq_head; /* descriptors taken, this one included */
	uint32_t status;  /* CQE_STATUS_MASK, CQE_OWNER */
};
static_assert(sizeof(struct queue_dev_cqe) == 32, "layout");
static_assert(offsetof(struct queue_dev_cqe, sq_head) == 24, "layout");

/* Section 8.2: events. The last 8 bytes are written last, at once. */
#define QUEUE_DEV_EQE_COMPLETION 0x1          /* type: the queue has completions */
#define QUEUE_DEV_EQE_ERROR      0x2          /* type: the queue is in state ERROR */
#define QUEUE_DEV_EQE_OWNER      (1ULL << 63) /* of stamp; 1 in the ring's first pass, then 0, 1 */
struct queue_dev_eqe {
	uint32_t queue;
	uint16_t subdev;
	uint16_t type;  /* EQE_*, both may be set */
	uint64_t stamp; /* TIME when it was written, and EQE_OWNER */
};
static_assert(sizeof(struct queue_dev_eqe) == 16, "layout");
static_assert(offsetof(struct queue_dev_eqe, stamp) == 8, "layout");

/* Section 10: hazards that can be injected. */
#define QUEUE_DEV_INJECT_CMD_DELAY   1  /* a command is executed TIME later */
#define QUEUE_DEV_INJECT_CMD_FAIL    2  /* a command fails */
#define QUEUE_DEV_INJECT_CMD_DROP    3  /* a command is never completed */
#define QUEUE_DEV_INJECT_CMD_REORDER 4  /* a command is executed after the one behind it */
#define QUEUE_DEV_INJECT_MSG_LATE    5  /* one more old message TIME after MODIFY_MSG */
#define QUEUE_DEV_INJECT_MSG_TWICE   6  /* a message is sent twice */
#define QUEUE_DEV_INJECT_MSG_TORN    7  /* old address, new data, during MODIFY_MSG */
#define QUEUE_DEV_INJECT_MSG_STRAY   8  /* a message to any address */
#define QUEUE_DEV_INJECT_RESET       9  /* the device resets itself */
#define QUEUE_DEV_INJECT_HALT        10 /* the device stops */
#define QUEUE_DEV_INJECT_EQE_BOGUS   11 /* an EQE names a wrong queue */
#define QUEUE_DEV_INJECT_CQE_BOGUS   12 /* a completion has a wrong sq_head */
#define QUEUE_DEV_INJECT_ARM_LATE    13 /* an arm doorbell takes effect TIME later */
#define QUEUE_DEV_N_INJECT           14
#define QUEUE_DEV_INJECT_OP_ANY      0xff /* DATA of the first three; else an op, 0: MODIFY_MSG */
#define QUEUE_DEV_INJECT_MAX_COUNT   1000000
#define QUEUE_DEV_INJECT_MAX_TIME    10000000 /* microseconds */

#endif /* _QUEUE_DEV_REGS_H_ */
