/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The device: registers, configuration space, and what it writes by itself. */

#include <string.h>

#include <linux/vfio.h>
#include <rte_common.h>

#include "fuzz_qd.h"

#define MSIX_CAP 0x40

uint32_t
reg_get(uint32_t off)
{
	uint32_t val;

	memcpy(&val, hw.regs + off, sizeof(val));
	return val;
}

static void
reg_set(uint32_t off, uint32_t val)
{
	memcpy(hw.regs + off, &val, sizeof(val));
}

static void
hw_reset(void)
{
	uint32_t i;

	cmds_forget(true);
	for (i = 0; i < N_OBJS; i++)
		hw.eqs[i].there = hw.queues[i].there = hw.subdevs[i] = false;
	for (i = 0; i < QUEUE_DEV_N_SPECIAL; i++)
		hw.special[i].ctx.msg_ctrl = QUEUE_DEV_MSG_CTRL_MASK;
}

/* One more command, and a token that is new. */
static void
on_tail(uint32_t tail)
{
	struct queue_dev_cmd *entry;

	if (hw.cmds == NULL)
		return;
	fuzz_check(tail == ++hw.tail);
	entry = &hw.cmds[(tail - 1) % hw.n_cmds];
	fuzz_check(entry->token != 0 && entry->token != hw.token && entry->done == 0);
	hw.token = entry->token;
	take_cmd(entry);
}

static void
on_cmdq_ctrl(uint32_t ctrl)
{
	uint64_t base;

	cmds_forget(false);
	if ((ctrl & QUEUE_DEV_CMDQ_CTRL_ENABLE) == 0)
		return;
	memcpy(&base, hw.regs + QUEUE_DEV_REG_CMDQ_BASE, sizeof(base));
	hw.n_cmds = 1u << (ctrl >> QUEUE_DEV_CMDQ_CTRL_LOG_SHIFT & QUEUE_DEV_CMDQ_CTRL_LOG_MASK);
	fuzz_check(fuzz_dev_memory(base, sizeof(struct queue_dev_cmd) * hw.n_cmds));
	hw.cmds = (struct queue_dev_cmd *)(uintptr_t)base;
	hw.tail = 0;
}

static void
on_doorbell(uint64_t doorbell)
{
	uint64_t kind = doorbell >> QUEUE_DEV_DB_KIND_SHIFT;

	fuzz_check(kind >= QUEUE_DEV_DB_SQ_TAIL && kind <= QUEUE_DEV_DB_WAKE &&
		   (doorbell & QUEUE_DEV_DB_RESERVED) == 0);
}

static int
hw_access(uint32_t bar, uint64_t off, void *buf, size_t len, bool write)
{
	uint64_t val = 0;

	if (bar != QUEUE_DEV_BAR || off + len > sizeof(hw.regs)) {
		if (write)
			memcpy(fuzz_dev.mem[bar] + off, buf, len);
		else
			memcpy(buf, fuzz_dev.mem[bar] + off, len);
		return 0;
	}
	if (!write) {
		memcpy(buf, hw.regs + off, len);
		return 0;
	}
	memcpy(&val, buf, len);
	memcpy(hw.regs + off, buf, len);
	switch (off) {
	case QUEUE_DEV_REG_CTRL:
		hw_reset();
		break;
	case QUEUE_DEV_REG_CMDQ_CTRL:
		on_cmdq_ctrl(val);
		break;
	case QUEUE_DEV_REG_CMDQ_TAIL:
		on_tail(val);
		break;
	case QUEUE_DEV_REG_DOORBELL:
		on_doorbell(val);
		break;
	case QUEUE_DEV_REG_PORTAL_ENABLE:
		fuzz_check(val < QUEUE_DEV_N_PORTALS);
		break;
	}
	return 0;
}

/* The kernel's part of MSI-X: an entry with a message, not masked. */
static int
irq_set(uint32_t index, uint32_t start, uint32_t count, const int *fds)
{
	uint32_t i, entry[4] = { 0xfee00010, 0, 0, 0 };

	if (index != VFIO_PCI_MSIX_IRQ_INDEX || fds == NULL || fuzz_dev.v.ops->msg_alloc != NULL)
		return 0;
	for (i = 0; i < count; i++) {
		entry[2] = start + i;
		if (fds[i] >= 0)
			memcpy(fuzz_dev.mem[2] + (start + i) * sizeof(entry), entry, sizeof(entry));
	}
	return 0;
}

static void
shape_regs(struct fuzz_in *in, uint32_t n_msix, bool few)
{
	static const uint16_t patched[] = { QUEUE_DEV_REG_ID, QUEUE_DEV_REG_VERSION,
		QUEUE_DEV_REG_FEATURES, QUEUE_DEV_REG_SUBDEVS, QUEUE_DEV_REG_EQS,
		QUEUE_DEV_REG_QUEUES, QUEUE_DEV_REG_MSIX, QUEUE_DEV_REG_SLOTS };
	uint8_t n_subdevs = fuzz_u8(in), n_eqs = fuzz_u8(in), n = fuzz_u8(in) % 8;
	uint16_t n_queues = few ? fuzz_u8(in) : fuzz_u16(in);

	reg_set(QUEUE_DEV_REG_ID, QUEUE_DEV_ID_MAGIC);
	reg_set(QUEUE_DEV_REG_VERSION, QUEUE_DEV_VERSION);
	reg_set(QUEUE_DEV_REG_FEATURES, n_eqs >> 7);
	reg_set(QUEUE_DEV_REG_SUBDEVS, n_subdevs);
	reg_set(QUEUE_DEV_REG_EQS, n_eqs & 0x7f);
	reg_set(QUEUE_DEV_REG_QUEUES, n_queues);
	reg_set(QUEUE_DEV_REG_MSIX, n_msix);
	reg_set(QUEUE_DEV_REG_SLOTS, QUEUE_DEV_N_SPECIAL + (n_eqs & 0x7f) + n_queues);
	reg_set(QUEUE_DEV_REG_TICK_HZ, FAKE_HZ);
	for (; n != 0; n--)
		reg_set(patched[fuzz_u8(in) % RTE_DIM(patched)], fuzz_u32(in));
}

static void
shape_config(uint32_t n_msix)
{
	const uint16_t ids[] = { QUEUE_DEV_PCI_VENDOR_ID, QUEUE_DEV_PCI_DEVICE_ID };
	const uint32_t table = QUEUE_DEV_MSIX_BAR, pba = QUEUE_DEV_MSIX_PBA | QUEUE_DEV_MSIX_BAR;

	memcpy(fuzz_dev.cfg, ids, sizeof(ids));
	fuzz_dev.v.irqs[VFIO_PCI_MSIX_IRQ_INDEX].count = n_msix;
	if (n_msix == 0)
		return;
	fuzz_dev.cfg[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	fuzz_dev.cfg[PCI_CAPABILITY_LIST] = MSIX_CAP;
	fuzz_dev.cfg[MSIX_CAP] = PCI_CAP_ID_MSIX;
	memcpy(fuzz_dev.cfg + MSIX_CAP + PCI_MSIX_TABLE, &table, sizeof(table));
	memcpy(fuzz_dev.cfg + MSIX_CAP + PCI_MSIX_PBA, &pba, sizeof(pba));
}

void
shape(struct fuzz_in *in)
{
	struct ims_vfio_region *region = &fuzz_dev.v.regions[QUEUE_DEV_BAR];
	uint8_t kind = fuzz_u8(in), n_msix = fuzz_u8(in) % 65;

	fuzz_dev_start(in, kind & 1);
	memset(&hw, 0, sizeof(hw));
	hw.special[0].there = hw.special[1].there = true;
	hw_reset();
	shape_config(n_msix);
	shape_regs(in, n_msix, kind & 0x10);
	fuzz_dev.access = hw_access;
	fuzz_dev.irq_set = irq_set;
	fuzz_dev.reset = hw_reset;
	/* The library's word for the regions is the transport's, not the driver's. */
	fuzz_dev_bar(QUEUE_DEV_BAR, kind & 8 ? QUEUE_DEV_BAR_SIZE / 2 : QUEUE_DEV_BAR_SIZE, 0);
	fuzz_dev_bar(QUEUE_DEV_MSIX_BAR, QUEUE_DEV_MSIX_SIZE, kind & 1 ? 0 : QUEUE_DEV_MSIX_SIZE);
	if ((kind & 2) == 0)
		return;
	/* Status, portals, stamps: all but what is trapped. */
	region->n_areas = 1;
	region->areas[0].offset = QUEUE_DEV_STATUS_OFF;
	region->areas[0].size = region->size - QUEUE_DEV_STATUS_OFF;
	region->areas[0].addr = fuzz_dev.mem[QUEUE_DEV_BAR] + QUEUE_DEV_STATUS_OFF;
}

/*
 * A ring that the driver took for not created is nothing to write to: it may be another one's by
 * now.
 */
static void
ring_write(struct fuzz_in *in, bool there, uint64_t ring, size_t len)
{
	if (there && fuzz_dev_memory(ring, len))
		fuzz_take(in, (uint8_t *)(uintptr_t)ring, len);
}

void
hw_write(struct fuzz_in *in, uint8_t which, uint8_t n)
{
	const struct object *eq = &hw.eqs[n % N_OBJS], *q = &hw.queues[n % N_OBJS];

	fuzz_dev.honest = false;
	switch (which % 4) {
	case 0:
		ring_write(in, eq->there, eq->ctx.ring, sizeof(struct queue_dev_eqe));
		break;
	case 1:
		ring_write(in, q->there, q->ctx.cq, sizeof(struct queue_dev_cqe));
		break;
	case 2:
		if (hw.cmds != NULL)
			fuzz_take(in, &hw.cmds[n % hw.n_cmds], sizeof(hw.cmds[0]));
		break;
	default:
		fuzz_take(in, fuzz_dev.mem[QUEUE_DEV_BAR] + QUEUE_DEV_STATUS_OFF, 1);
		fuzz_take(in, hw.regs + n, 4);
		hw.liar = true;
		break;
	}
}

void
portals_take(void)
{
	const size_t page[] = { 0, QUEUE_DEV_N_PORTALS - 1 };
	unsigned int i;

	if (fuzz_dev.v.regions[QUEUE_DEV_BAR].n_areas == 0)
		return;
	for (i = 0; i < RTE_DIM(page); i++)
		memset(fuzz_dev.mem[QUEUE_DEV_BAR] + QUEUE_DEV_PORTALS_OFF +
				page[i] * QUEUE_DEV_PORTAL_SIZE,
			0, 16 * sizeof(uint64_t));
}
