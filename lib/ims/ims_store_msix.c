/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The MSI-X table, seen as a store.
 *
 * On the kernel's vfio-pci the kernel writes the table's entries (VFIO_DEVICE_SET_IRQS); we write
 * them as well, through the mapped BAR, to mask a vector and to point its message at memory.
 * SET_IRQS has no mask action for MSI-X, so the vector control word in the table is the only mask
 * there is.
 *
 * Adding vectors (Linux 6.5): where NORESIZE is clear, one by one while others run. Elsewhere the
 * first vector enables the whole table with holes (descriptor -1), which take no CPU vector, and
 * holes are filled in place. Each attach has the kernel compose a message and write the entry
 * unmasked, so the entry is read, and masked again, after every attach: never before.
 *
 * With MEMORY delivery the kernel's irq stays, on the vector's eventfd, and the entry holds our
 * message. Whatever makes the kernel write the entry again is followed by ims_vec_restore_locked().
 * So each vector has an eventfd, and what the kernel had been sent before our message was there
 * counts in it.
 *
 * On a vfio-user device we are the kernel: the entry's message comes from our own remap table, the
 * eventfd goes to the device's process with SET_IRQS, and nobody else writes the table.
 */

#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "ims_private.h"

struct msix_store {
	bool own; /* we compose the messages */
	int cap;
	uint32_t bar;
	uint32_t table;
	uint32_t pba;
	bool resizable; /* NORESIZE is clear */
	bool enabled;
	int *fds;                  /* what the kernel signals, by slot; -1 */
	struct ims_vfio_msg *msgs; /* own: by slot, address 0: none */
};

static int
entry_write(struct rte_ims_store *store, uint32_t slot, uint32_t field, uint32_t val)
{
	const struct msix_store *m = store->priv;

	return ims_dev_bar_write32(
		store->dev, m->bar, m->table + (uint64_t)slot * PCI_MSIX_ENTRY_SIZE + field, val);
}

static int
entry_read(struct rte_ims_store *store, uint32_t slot, uint32_t field, uint32_t *val)
{
	const struct msix_store *m = store->priv;

	return ims_dev_bar_read32(
		store->dev, m->bar, m->table + (uint64_t)slot * PCI_MSIX_ENTRY_SIZE + field, val);
}

static int
entry_msg_read(struct rte_ims_store *store, uint32_t slot, struct rte_ims_msg *msg)
{
	uint32_t lo = 0, hi = 0, data = 0;
	int rc;

	rc = entry_read(store, slot, PCI_MSIX_ENTRY_LOWER_ADDR, &lo);
	if (rc == 0)
		rc = entry_read(store, slot, PCI_MSIX_ENTRY_UPPER_ADDR, &hi);
	if (rc == 0)
		rc = entry_read(store, slot, PCI_MSIX_ENTRY_DATA, &data);
	msg->addr = (uint64_t)hi << 32 | lo;
	msg->data = data;
	return rc;
}

/* Control word, and the read that makes it reach the device before anything later. */
static int
entry_ctrl(struct rte_ims_store *store, uint32_t slot, uint32_t ctrl)
{
	uint32_t val;
	int rc;

	rc = entry_write(store, slot, PCI_MSIX_ENTRY_VECTOR_CTRL, ctrl);
	return rc != 0 ? rc : entry_read(store, slot, PCI_MSIX_ENTRY_VECTOR_CTRL, &val);
}

static int
msix_mask(struct rte_ims_store *store, uint32_t slot)
{
	return entry_ctrl(store, slot, PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static int
msix_unmask(struct rte_ims_store *store, uint32_t slot)
{
	return entry_ctrl(store, slot, 0);
}

/* Switch MSI-X on: with the first vector only, or the whole table with holes. */
static int
msix_enable(struct rte_ims_store *store, uint32_t slot, int fd)
{
	struct msix_store *m = store->priv;
	struct ims_vfio *v = store->dev->vfio;
	uint32_t n = m->resizable ? 1 : store->n_slots, i;
	int *fds, rc;

	fds = calloc(n, sizeof(*fds));
	if (fds == NULL)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		fds[i] = i == slot ? fd : -1;
	rc = v->ops->irq_set(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, n, fds);
	free(fds);
	if (rc != 0)
		return rc;
	m->enabled = true;
	if (slot < n)
		m->fds[slot] = fd;
	return 0;
}

static int
entry_msg_write(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg)
{
	uint32_t val;
	int rc;

	rc = entry_write(store, slot, PCI_MSIX_ENTRY_LOWER_ADDR, (uint32_t)msg->addr);
	if (rc == 0)
		rc = entry_write(
			store, slot, PCI_MSIX_ENTRY_UPPER_ADDR, (uint32_t)(msg->addr >> 32));
	if (rc == 0)
		rc = entry_write(store, slot, PCI_MSIX_ENTRY_DATA, msg->data);
	return rc != 0 ? rc : entry_read(store, slot, PCI_MSIX_ENTRY_DATA, &val);
}

/* The entry's own message, as the kernel would write it; the slot is masked. */
static int
own_msg_write(struct rte_ims_store *store, uint32_t slot)
{
	const struct msix_store *m = store->priv;
	struct rte_ims_msg msg = { .addr = m->msgs[slot].addr, .data = m->msgs[slot].data };

	return entry_msg_write(store, slot, &msg);
}

static void
own_detach(struct rte_ims_store *store, uint32_t slot)
{
	struct msix_store *m = store->priv;
	struct ims_vfio *v = store->dev->vfio;

	v->ops->irq_set(v, VFIO_PCI_MSIX_IRQ_INDEX, slot, 1, NULL);
	if (m->msgs[slot].addr != 0)
		v->ops->msg_free(v, &m->msgs[slot]);
	m->msgs[slot].addr = 0;
	m->fds[slot] = -1;
}

/* The part of the kernel: compose a message, write it, tell the device what it stands for. */
static int
own_attach(struct rte_ims_store *store, uint32_t slot, int fd)
{
	struct msix_store *m = store->priv;
	struct ims_vfio *v = store->dev->vfio;
	struct ims_vfio_sink sink = { .fd = fd };
	int rc;

	if (m->fds[slot] >= 0)
		own_detach(store, slot);
	if (fd < 0)
		return 0;
	rc = v->ops->msg_alloc(v, &sink, &m->msgs[slot]);
	if (rc != 0)
		return rc;
	m->fds[slot] = fd;
	rc = msix_mask(store, slot);
	if (rc == 0)
		rc = own_msg_write(store, slot);
	if (rc == 0)
		rc = v->ops->irq_set(v, VFIO_PCI_MSIX_IRQ_INDEX, slot, 1, &fd);
	if (rc != 0)
		own_detach(store, slot);
	return rc;
}

/* Have the kernel signal fd, or nothing (-1). -ENOSPC: the CPUs have no vector left. */
static int
msix_attach(struct rte_ims_store *store, uint32_t slot, int fd)
{
	struct msix_store *m = store->priv;
	struct ims_vfio *v = store->dev->vfio;
	int rc = 0;

	if (m->fds[slot] == fd)
		return 0;
	if (m->own)
		return own_attach(store, slot, fd);
	if (!m->enabled)
		rc = msix_enable(store, slot, fd);
	if (rc == 0 && m->fds[slot] != fd)
		rc = v->ops->irq_set(v, VFIO_PCI_MSIX_IRQ_INDEX, slot, 1, &fd);
	if (rc != 0)
		return rc;
	m->fds[slot] = fd;
	return fd < 0 ? 0 : msix_mask(store, slot);
}

/* On the kernel's table: only while no message of ours is in the entry. */
static int
msix_lend(struct rte_ims_store *store, uint32_t slot, struct rte_ims_msg *msg)
{
	const struct msix_store *m = store->priv;

	if (m->fds[slot] < 0)
		return -EINVAL;
	if (!m->own)
		return entry_msg_read(store, slot, msg);
	msg->addr = m->msgs[slot].addr;
	msg->data = m->msgs[slot].data;
	return 0;
}

static int
msix_set_eventfd(struct rte_ims_store *store, uint32_t slot, int fd)
{
	return msix_attach(store, slot, fd);
}

/* Nothing is masked or written before the kernel has the vector: it has no entry of its own yet. */
static int
msix_prepare(struct rte_ims_store *store, uint32_t slot)
{
	struct msix_store *m = store->priv;
	int fd = m->fds[slot], rc = 0;

	if (m->own) {
		rc = msix_mask(store, slot);
		return rc == 0 && fd >= 0 ? own_msg_write(store, slot) : rc;
	}
	/* After a reset the kernel has restored its messages: have it attach anew, so that ours and
	 * its idea of the entry agree.
	 */
	if (fd >= 0) {
		rc = msix_attach(store, slot, -1);
		if (rc == 0)
			rc = msix_attach(store, slot, fd);
	}
	return rc;
}

static int
msix_pending(struct rte_ims_store *store, uint32_t slot)
{
	const struct msix_store *m = store->priv;
	uint32_t word;
	int rc;

	rc = ims_dev_bar_read32(store->dev, m->bar, m->pba + slot / 32 * sizeof(word), &word);
	return rc != 0 ? rc : (int)(word >> (slot % 32) & 1);
}

static int
msix_view(struct rte_ims_store *store, uint32_t slot, struct ims_slot_view *view)
{
	const struct msix_store *m = store->priv;
	uint16_t flags = 0;
	uint32_t ctrl = 0;
	int rc;

	rc = ims_dev_cfg_read(store->dev, m->cap + PCI_MSIX_FLAGS, &flags, sizeof(flags));
	if (rc == 0)
		rc = entry_msg_read(store, slot, &view->msg);
	if (rc == 0)
		rc = entry_read(store, slot, PCI_MSIX_ENTRY_VECTOR_CTRL, &ctrl);
	view->masked = (ctrl & PCI_MSIX_ENTRY_CTRL_MASKBIT) != 0;
	if ((flags & PCI_MSIX_FLAGS_ENABLE) == 0)
		view->off = "MSI-X is disabled in the function";
	else if ((flags & PCI_MSIX_FLAGS_MASKALL) != 0)
		view->off = "all of MSI-X is masked in the function";
	view->pending = rc == 0 ? msix_pending(store, slot) : -1;
	return rc;
}

static void
msix_shutdown(struct rte_ims_store *store, uint32_t slot)
{
	struct msix_store *m = store->priv;

	if (m->enabled || m->own)
		msix_attach(store, slot, -1);
}

static const struct ims_store_ops msix_ops = {
	.prepare = msix_prepare,
	.write_msg = entry_msg_write,
	.set_eventfd = msix_set_eventfd,
	.mask = msix_mask,
	.unmask = msix_unmask,
	.pending = msix_pending,
	.view = msix_view,
	.shutdown = msix_shutdown,
};

static void
msix_free(void *priv)
{
	struct msix_store *m = priv;

	free(m->fds);
	free(m->msgs);
	free(m);
}

/* The device's word for where its table is. */
static int
check_range(const struct rte_ims_dev *dev, const struct msix_store *m, uint32_t n)
{
	uint64_t table = (uint64_t)n * PCI_MSIX_ENTRY_SIZE, pba = RTE_ALIGN_CEIL(n, 64u) / 8, size;

	if (m->bar > VFIO_PCI_BAR5_REGION_INDEX || m->bar >= dev->vfio->n_regions)
		return -EPROTO;
	size = dev->vfio->regions[m->bar].size;
	if (table > size || m->table > size - table || pba > size || m->pba > size - pba)
		return -EPROTO;
	return 0;
}

/*
 * Where the table and the pending bits lie. The kernel shows the table by loads and stores only,
 * its pread() of it returns all ones.
 */
static int
msix_locate(struct rte_ims_dev *dev, struct msix_store *m, uint32_t n)
{
	uint32_t table, pba;
	int cap, rc;

	cap = ims_pci_cap_find(dev->vfio, PCI_CAP_ID_MSIX);
	if (cap <= 0)
		return cap < 0 ? cap : -EPROTO;
	rc = ims_dev_cfg_read(dev, cap + PCI_MSIX_TABLE, &table, sizeof(table));
	if (rc == 0)
		rc = ims_dev_cfg_read(dev, cap + PCI_MSIX_PBA, &pba, sizeof(pba));
	if (rc != 0)
		return rc;
	m->bar = table & PCI_MSIX_TABLE_BIR;
	m->table = table & PCI_MSIX_TABLE_OFFSET;
	m->pba = pba & PCI_MSIX_PBA_OFFSET;
	m->cap = cap;
	if ((pba & PCI_MSIX_PBA_BIR) != m->bar)
		return -ENOTSUP;
	if (m->own)
		return check_range(dev, m, n);
	if (ims_dev_bar_map(dev, m->bar, m->table, (uint64_t)n * PCI_MSIX_ENTRY_SIZE) == NULL)
		return -ENOTSUP;
	return 0;
}

int
ims_store_msix_reset(struct rte_ims_store *store)
{
	const struct msix_store *m = store->priv;
	uint16_t flags;
	int rc;

	if (!m->own)
		return 0;
	rc = ims_dev_cfg_read(store->dev, m->cap + PCI_MSIX_FLAGS, &flags, sizeof(flags));
	flags |= PCI_MSIX_FLAGS_ENABLE;
	if (rc == 0)
		rc = ims_dev_cfg_write(store->dev, m->cap + PCI_MSIX_FLAGS, &flags, sizeof(flags));
	return rc;
}

struct rte_ims_store *
ims_store_msix_create(struct rte_ims_dev *dev)
{
	const struct ims_vfio_irq *irq = &dev->vfio->irqs[VFIO_PCI_MSIX_IRQ_INDEX];
	struct ims_store_conf conf = {
		.type = RTE_IMS_STORE_MSIX,
		.name = "msix",
		.n_slots = irq->count,
		.fungible = true,
		.ops = &msix_ops,
	};
	struct rte_ims_store *store = NULL;
	struct msix_store *m;
	uint32_t i;
	int rc;

	if (irq->count > PCI_MSIX_FLAGS_QSIZE + 1u)
		return ims_err_ptr(-EPROTO);
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return ims_err_ptr(-ENOMEM);
	m->own = dev->vfio->ops->msg_alloc != NULL;
	m->resizable = (irq->flags & VFIO_IRQ_INFO_NORESIZE) == 0;
	m->msgs = calloc(irq->count, sizeof(*m->msgs));
	m->fds = malloc(irq->count * sizeof(*m->fds));
	rc = m->fds != NULL && m->msgs != NULL ? 0 : -ENOMEM;
	if (rc == 0)
		rc = msix_locate(dev, m, irq->count);
	for (i = 0; rc == 0 && i < irq->count; i++)
		m->fds[i] = -1;
	conf.priv = m;
	if (rc == 0) {
		store = ims_store_create(dev, &conf);
		rc = store != NULL ? 0 : -rte_errno;
	}
	if (store == NULL) {
		msix_free(m);
		return ims_err_ptr(rc);
	}
	store->lend = msix_lend;
	store->needs_eventfd = !m->own;
	store->priv_free = msix_free;
	rc = ims_store_msix_reset(store);
	if (rc != 0) {
		ims_store_destroy(store);
		return ims_err_ptr(rc);
	}
	return store;
}
