/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * MSI of a device on the kernel's vfio-pci that has no MSI-X, seen as a store.
 *
 * The message lies in configuration space, which vfio-pci shows to us with its own values: it can
 * neither be pointed elsewhere nor masked, and read only from sysfs, with privileges. So MSI
 * vectors have eventfd delivery, and no mask; an IMS of such a device can borrow their message.
 *
 * A vector without mask that nobody wants any more must not go back to the kernel while the device
 * may still send its message: that would be an IOMMU fault, the kernel takes the message away while
 * MSI stays enabled. So its message stays good, and reaches an eventfd that nobody reads.
 *
 * All vectors are switched on by the first one (VFIO_IRQ_INFO_NORESIZE, on all kernels), with holes
 * (descriptor -1) that are filled in place. A device that asks for more than the CPUs can give gets
 * half as many, down to one, as pci_alloc_irq_vectors() would.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "ims_private.h"

struct msi_store {
	uint32_t n_slots;
	uint32_t n_enabled;
	int *fds;    /* what the kernel signals, by slot; -1 */
	int *parked; /* eventfds of ours, by slot, for vectors without a user; -1 */
	int cap;     /* offset of the capability */
	int cfg;     /* sysfs' view of configuration space, -1: not opened yet */
};

static int
msi_enable(struct rte_ims_store *store, uint32_t slot, int fd)
{
	struct msi_store *m = store->priv;
	struct ims_vfio *v = store->dev->vfio;
	uint32_t n = store->n_slots, i;
	int *fds, rc = -ENOSPC;

	fds = malloc(n * sizeof(*fds));
	if (fds == NULL)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		fds[i] = i == slot ? fd : -1;
	for (; n > slot && rc == -ENOSPC; n /= 2) {
		rc = v->ops->irq_set(v, VFIO_PCI_MSI_IRQ_INDEX, 0, n, fds);
		if (rc == 0)
			m->n_enabled = n;
	}
	free(fds);
	return rc;
}

static int
msi_set_eventfd(struct rte_ims_store *store, uint32_t slot, int fd)
{
	struct msi_store *m = store->priv;
	struct ims_vfio *v = store->dev->vfio;
	int rc;

	if (m->fds[slot] == fd)
		return 0;
	if (m->n_enabled == 0)
		rc = msi_enable(store, slot, fd);
	else if (slot >= m->n_enabled)
		rc = -ENOSPC;
	else
		rc = v->ops->irq_set(v, VFIO_PCI_MSI_IRQ_INDEX, slot, 1, &fd);
	if (rc == 0)
		m->fds[slot] = fd;
	return rc;
}

static int
msi_write_msg(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg)
{
	RTE_SET_USED(store);
	RTE_SET_USED(slot);
	RTE_SET_USED(msg);
	return -ENOTSUP;
}

static int
msi_mask(struct rte_ims_store *store, uint32_t slot)
{
	RTE_SET_USED(store);
	RTE_SET_USED(slot);
	return -ENOTSUP;
}

static int
msi_unmask(struct rte_ims_store *store, uint32_t slot)
{
	RTE_SET_USED(store);
	RTE_SET_USED(slot);
	return 0;
}

static void
msi_shutdown(struct rte_ims_store *store, uint32_t slot)
{
	struct msi_store *m = store->priv;

	if (m->fds[slot] < 0)
		return;
	if (m->parked[slot] < 0)
		m->parked[slot] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	msi_set_eventfd(store, slot, m->parked[slot]);
}

/*
 * After a reset the kernel has restored its message: attach anew, as with MSI-X. For a new user
 * that is done by attaching his eventfd in the place of ours, which is not taken away before.
 */
static int
msi_prepare(struct rte_ims_store *store, uint32_t slot)
{
	const struct msi_store *m = store->priv;
	int fd = m->fds[slot], rc = 0;

	if (fd >= 0 && fd != m->parked[slot]) {
		rc = msi_set_eventfd(store, slot, -1);
		if (rc == 0)
			rc = msi_set_eventfd(store, slot, fd);
	}
	return rc;
}

static const struct ims_store_ops msi_ops = {
	.prepare = msi_prepare,
	.write_msg = msi_write_msg,
	.set_eventfd = msi_set_eventfd,
	.mask = msi_mask,
	.unmask = msi_unmask,
	.shutdown = msi_shutdown,
};

static int
cfg_open(struct rte_ims_store *store)
{
	struct msi_store *m = store->priv;
	char path[128];

	if (m->cfg >= 0)
		return 0;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", ims_dev_bdf(store->dev));
	m->cfg = open(path, O_RDONLY | O_CLOEXEC);
	return m->cfg < 0 ? -errno : 0;
}

static int
cfg_read(const struct msi_store *m, uint32_t reg, void *val, size_t len)
{
	ssize_t n = pread(m->cfg, val, len, m->cap + reg);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EACCES; /* without privileges the first 64 bytes are all */
}

/* Vectors of a function share address and high data bits (PCI Local Bus 3.0, section 6.8.1.6). */
static int
msi_lend(struct rte_ims_store *store, uint32_t slot, struct rte_ims_msg *msg)
{
	const struct msi_store *m = store->priv;
	uint16_t flags = 0, data = 0;
	uint32_t lo = 0, hi = 0;
	int rc;

	if (m->fds[slot] < 0)
		return -EINVAL;
	rc = cfg_open(store);
	if (rc == 0)
		rc = cfg_read(m, PCI_MSI_FLAGS, &flags, sizeof(flags));
	if (rc == 0)
		rc = cfg_read(m, PCI_MSI_ADDRESS_LO, &lo, sizeof(lo));
	if (rc == 0 && (flags & PCI_MSI_FLAGS_64BIT) != 0)
		rc = cfg_read(m, PCI_MSI_ADDRESS_HI, &hi, sizeof(hi));
	if (rc == 0)
		rc = cfg_read(m, flags & PCI_MSI_FLAGS_64BIT ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32,
			&data, sizeof(data));
	if (rc == -EACCES)
		IMS_LOG(ERR,
			"%s: its MSI message can be read with privileges only (CAP_SYS_ADMIN), so "
			"its IMS cannot borrow it; use memory delivery",
			store->dev->name);
	msg->addr = (uint64_t)hi << 32 | lo;
	msg->data = data + slot;
	return rc;
}

static void
msi_free(void *priv)
{
	struct msi_store *m = priv;
	uint32_t i;

	for (i = 0; m->parked != NULL && i < m->n_slots; i++)
		if (m->parked[i] >= 0)
			close(m->parked[i]);
	free(m->parked);
	if (m->cfg >= 0)
		close(m->cfg);
	free(m->fds);
	free(m);
}

struct rte_ims_store *
ims_store_msi_create(struct rte_ims_dev *dev)
{
	struct ims_store_conf conf = {
		.type = RTE_IMS_STORE_MSI,
		.name = "msi",
		.n_slots = dev->vfio->irqs[VFIO_PCI_MSI_IRQ_INDEX].count,
		.ops = &msi_ops,
	};
	struct rte_ims_store *store;
	struct msi_store *m;
	int cap;

	cap = ims_pci_cap_find(dev->vfio, PCI_CAP_ID_MSI);
	if (cap <= 0)
		return ims_err_ptr(cap < 0 ? cap : -EPROTO);
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return ims_err_ptr(-ENOMEM);
	m->cap = cap;
	m->cfg = -1;
	m->n_slots = conf.n_slots;
	m->fds = malloc(m->n_slots * sizeof(*m->fds));
	m->parked = malloc(m->n_slots * sizeof(*m->parked));
	if (m->fds == NULL || m->parked == NULL) {
		free(m->fds);
		free(m->parked);
		free(m);
		return ims_err_ptr(-ENOMEM);
	}
	memset(m->fds, 0xff, m->n_slots * sizeof(*m->fds)); /* -1 */
	memset(m->parked, 0xff, m->n_slots * sizeof(*m->parked));
	conf.priv = m;
	store = ims_store_create(dev, &conf);
	if (store == NULL) {
		msi_free(m);
		return NULL;
	}
	store->lend = msi_lend;
	store->eventfd_only = true;
	store->priv_free = msi_free;
	return store;
}
