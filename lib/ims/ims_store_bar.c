/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * IMS in a BAR: 16-byte slots as in Intel's DSA (address low, address high, data, control), the
 * layout that Linux' irq-pci-intel-idxd.c served.
 *
 * Order of a change, and why nothing is torn or lost:
 *   1. control <- MASK                        the device holds later events back as PENDING
 *   2. read control back, sync                all messages sent so far were of the old contents
 *   3. address low, address high, data        nobody looks at them
 *   4. read data back                         they are in the device before ...
 *   5. control <- 0, sync                     ... it may send; PENDING is sent now
 * 1 and 2 are mask(), 3 and 4 write_msg(), 5 unmask(). Control is never read, modified and written:
 * PENDING is the device's to change meanwhile. We write what we want MASK to be.
 */

#include <stdlib.h>

#include <linux/vfio.h>

#include "ims_private.h"

#define SLOT_SIZE         16
#define SLOT_ADDR_LO      0
#define SLOT_ADDR_HI      4
#define SLOT_DATA         8
#define SLOT_CTRL         12
#define SLOT_CTRL_MASK    0x1u
#define SLOT_CTRL_PENDING 0x2u

struct bar_store {
	unsigned int bar;
	uint64_t offset;
	int (*sync)(struct rte_ims_dev *dev, uint32_t slot);
};

static int
slot_write(struct rte_ims_store *store, uint32_t slot, uint32_t field, uint32_t val)
{
	const struct bar_store *b = store->priv;

	return ims_dev_bar_write32(
		store->dev, b->bar, b->offset + (uint64_t)slot * SLOT_SIZE + field, val);
}

static int
slot_read(struct rte_ims_store *store, uint32_t slot, uint32_t field, uint32_t *val)
{
	const struct bar_store *b = store->priv;

	return ims_dev_bar_read32(
		store->dev, b->bar, b->offset + (uint64_t)slot * SLOT_SIZE + field, val);
}

/* Write control and see to it that the device knows. */
static int
slot_ctrl(struct rte_ims_store *store, uint32_t slot, uint32_t ctrl)
{
	const struct bar_store *b = store->priv;
	uint32_t val;
	int rc;

	rc = slot_write(store, slot, SLOT_CTRL, ctrl);
	if (rc == 0)
		rc = slot_read(store, slot, SLOT_CTRL, &val);
	if (rc == 0 && b->sync != NULL)
		rc = b->sync(store->dev, slot);
	return rc;
}

static int
bar_mask(struct rte_ims_store *store, uint32_t slot)
{
	return slot_ctrl(store, slot, SLOT_CTRL_MASK);
}

static int
bar_unmask(struct rte_ims_store *store, uint32_t slot)
{
	return slot_ctrl(store, slot, 0);
}

static int
bar_write_msg(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg)
{
	uint32_t val;
	int rc;

	rc = slot_write(store, slot, SLOT_ADDR_LO, (uint32_t)msg->addr);
	if (rc == 0)
		rc = slot_write(store, slot, SLOT_ADDR_HI, (uint32_t)(msg->addr >> 32));
	if (rc == 0)
		rc = slot_write(store, slot, SLOT_DATA, msg->data);
	if (rc == 0)
		rc = slot_read(store, slot, SLOT_DATA, &val);
	return rc;
}

/* Masked "for paranoia sake", as Linux has it, before the slot is given to anyone. */
static int
bar_prepare(struct rte_ims_store *store, uint32_t slot)
{
	static const struct rte_ims_msg none;
	int rc;

	rc = bar_mask(store, slot);
	return rc != 0 ? rc : bar_write_msg(store, slot, &none);
}

static void
bar_shutdown(struct rte_ims_store *store, uint32_t slot)
{
	static const struct rte_ims_msg none;

	bar_write_msg(store, slot, &none);
}

static int
bar_pending(struct rte_ims_store *store, uint32_t slot)
{
	uint32_t ctrl;
	int rc;

	rc = slot_read(store, slot, SLOT_CTRL, &ctrl);
	return rc != 0 ? rc : (ctrl & SLOT_CTRL_PENDING) != 0;
}

static int
bar_view(struct rte_ims_store *store, uint32_t slot, struct ims_slot_view *view)
{
	uint32_t lo = 0, hi = 0, ctrl = 0;
	int rc;

	rc = slot_read(store, slot, SLOT_ADDR_LO, &lo);
	if (rc == 0)
		rc = slot_read(store, slot, SLOT_ADDR_HI, &hi);
	if (rc == 0)
		rc = slot_read(store, slot, SLOT_DATA, &view->msg.data);
	if (rc == 0)
		rc = slot_read(store, slot, SLOT_CTRL, &ctrl);
	view->msg.addr = (uint64_t)hi << 32 | lo;
	view->masked = (ctrl & SLOT_CTRL_MASK) != 0;
	view->pending = (ctrl & SLOT_CTRL_PENDING) != 0;
	return rc;
}

static const struct ims_store_ops bar_ops = {
	.prepare = bar_prepare,
	.write_msg = bar_write_msg,
	.mask = bar_mask,
	.unmask = bar_unmask,
	.pending = bar_pending,
	.view = bar_view,
	.shutdown = bar_shutdown,
};

static int
check_bar(const struct rte_ims_dev *dev, const struct ims_store_bar_conf *conf)
{
	const struct ims_vfio_region *region;
	uint64_t len = (uint64_t)conf->n_slots * SLOT_SIZE;

	if (conf->bar > VFIO_PCI_BAR5_REGION_INDEX || conf->bar >= dev->vfio->n_regions)
		return -EINVAL;
	region = &dev->vfio->regions[conf->bar];
	if (conf->offset % SLOT_SIZE != 0 || len > region->size ||
		conf->offset > region->size - len)
		return -EINVAL;
	return 0;
}

struct rte_ims_store *
ims_store_bar_create(struct rte_ims_dev *dev, const struct ims_store_bar_conf *conf)
{
	struct ims_store_conf sc = { .type = RTE_IMS_STORE_BAR, .ops = &bar_ops };
	struct rte_ims_store *store;
	struct bar_store *b;

	if (dev == NULL || conf == NULL || check_bar(dev, conf) != 0)
		return ims_err_ptr(-EINVAL);
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return ims_err_ptr(-ENOMEM);
	b->bar = conf->bar;
	b->offset = conf->offset;
	b->sync = conf->sync;
	sc.name = conf->name;
	sc.n_slots = conf->n_slots;
	sc.n_special = conf->n_special;
	sc.fungible = true;
	sc.priv = b;
	store = ims_store_create(dev, &sc);
	if (store == NULL)
		free(b);
	else
		store->priv_free = free;
	return store;
}
