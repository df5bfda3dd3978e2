/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Devices: open, close, reset, and the list of those that are open. */

#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_string_fns.h>

#include "ims_private.h"
#include "ims_trace.h"

#define TIMEOUT_MS_DEFAULT 5000u

RTE_LOG_REGISTER(ims_logtype, lib.ims, NOTICE);

static pthread_mutex_t devs_lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, rte_ims_dev) devs = TAILQ_HEAD_INITIALIZER(devs);

static struct rte_ims_dev *
find_locked(const char *name)
{
	struct rte_ims_dev *dev;

	TAILQ_FOREACH(dev, &devs, next)
		if (strcmp(dev->name, name) == 0)
			return dev;
	return NULL;
}

struct rte_ims_dev *
rte_ims_dev_find(const char *name)
{
	struct rte_ims_dev *dev;

	if (name == NULL)
		return ims_err_ptr(-EINVAL);
	pthread_mutex_lock(&devs_lock);
	dev = find_locked(name);
	pthread_mutex_unlock(&devs_lock);
	return dev != NULL ? dev : ims_err_ptr(-ENODEV);
}

struct rte_ims_dev *
rte_ims_dev_next(const struct rte_ims_dev *prev)
{
	struct rte_ims_dev *dev;

	pthread_mutex_lock(&devs_lock);
	dev = prev == NULL ? TAILQ_FIRST(&devs) : TAILQ_NEXT(prev, next);
	pthread_mutex_unlock(&devs_lock);
	return dev;
}

void
ims_dev_each(int (*fn)(struct rte_ims_dev *dev, void *arg), void *arg)
{
	struct rte_ims_dev *dev;

	pthread_mutex_lock(&devs_lock);
	TAILQ_FOREACH(dev, &devs, next)
		if (fn(dev, arg) != 0)
			break;
	pthread_mutex_unlock(&devs_lock);
}

static int
check_open(const char *name, const struct rte_ims_dev_conf *conf)
{
	static const struct rte_ims_dev_conf zero;

	if (name == NULL || strlen(name) >= RTE_IMS_NAME_LEN)
		return -EINVAL;
	if (conf != NULL &&
		((conf->flags & ~RTE_IMS_DEV_F_UNSAFE_BORROW) != 0 ||
			memcmp(conf->reserved, zero.reserved, sizeof(zero.reserved)) != 0))
		return -EINVAL;
	return 0;
}

/* MSI-X; or else MSI, of a kernel device only. */
static int
msi_setup(struct rte_ims_dev *dev)
{
	const struct ims_vfio_irq *irqs = dev->vfio->irqs;

	if (irqs[VFIO_PCI_MSIX_IRQ_INDEX].count == 0) {
		if (irqs[VFIO_PCI_MSI_IRQ_INDEX].count == 0 || dev->vfio->ops->msg_alloc != NULL)
			return 0;
		return ims_store_msi_create(dev) != NULL ? 0 : -rte_errno;
	}
	if (ims_store_msix_create(dev) != NULL)
		return 0;
	if (rte_errno != ENOTSUP)
		return -rte_errno;
	IMS_LOG(WARNING, "%s: its MSI-X table cannot be mapped, MSI-X is not offered", dev->name);
	return 0;
}

const char *
ims_dev_bdf(const struct rte_ims_dev *dev)
{
	return strncmp(dev->name, "pci:", 4) == 0 ? dev->name + 4 : NULL;
}

/* Ids, driver, memory, bus mastering, stores: in that order, the device is idle until the last. */
static int
dev_setup(struct rte_ims_dev *dev)
{
	uint32_t class_rev = 0;
	int rc;

	rc = ims_dev_cfg_read(dev, PCI_VENDOR_ID, &dev->vendor_id, sizeof(dev->vendor_id));
	if (rc == 0)
		rc = ims_dev_cfg_read(dev, PCI_DEVICE_ID, &dev->device_id, sizeof(dev->device_id));
	if (rc == 0)
		rc = ims_dev_cfg_read(dev, PCI_CLASS_REVISION, &class_rev, sizeof(class_rev));
	if (rc != 0)
		return rc;
	dev->driver = ims_driver_match(dev->vendor_id, dev->device_id, class_rev >> 8);
	if (dev->driver == NULL) {
		IMS_LOG(ERR, "%s: no driver for %04x:%04x is loaded", dev->name, dev->vendor_id,
			dev->device_id);
		return -ENODEV;
	}
	rc = ims_vfio_dma_start(dev->vfio);
	if (rc == 0)
		rc = ims_pci_command(dev->vfio, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
	if (rc != 0)
		return rc;
	if (ims_table_new_locked(dev, "device", IMS_TABLE_MAX) == NULL ||
		ims_store_dev_create(dev) == NULL)
		return -rte_errno;
	rc = msi_setup(dev);
	return rc != 0 ? rc : dev->driver->probe(dev);
}

/* What dev_setup() got to; vectors are gone, or a probe that failed left them. */
static void
dev_destroy(struct rte_ims_dev *dev)
{
	if (dev->vfio != NULL)
		atomic_store(&dev->vfio->closing, true);
	ims_table_remove_all(dev);
	while (!TAILQ_EMPTY(&dev->stores))
		ims_store_destroy(TAILQ_LAST(&dev->stores, ims_store_list));
	if (dev->vfio != NULL && !atomic_load(&dev->vfio->removed))
		ims_pci_command(dev->vfio, 0, PCI_COMMAND_MASTER);
	ims_vfio_close(dev->vfio);
	pthread_mutex_destroy(&dev->lock);
	free(dev);
}

static struct rte_ims_dev *
dev_new(const char *name, uint32_t timeout_ms, uint32_t flags)
{
	struct rte_ims_dev *dev;
	int rc;

	dev = calloc(1, sizeof(*dev));
	if (dev == NULL)
		return ims_err_ptr(-ENOMEM);
	rte_strlcpy(dev->name, name, sizeof(dev->name));
	dev->unsafe_borrow = (flags & RTE_IMS_DEV_F_UNSAFE_BORROW) != 0;
	pthread_mutex_init(&dev->lock, NULL);
	TAILQ_INIT(&dev->stores);
	TAILQ_INIT(&dev->tables);
	TAILQ_INIT(&dev->sources);
	dev->vfio = ims_vfio_open(name, timeout_ms);
	rc = dev->vfio != NULL ? dev_setup(dev) : -rte_errno;
	if (rc == 0)
		return dev;
	dev_destroy(dev);
	return ims_err_ptr(rc);
}

struct rte_ims_dev *
rte_ims_dev_open(const char *name, const struct rte_ims_dev_conf *conf)
{
	uint32_t timeout_ms = TIMEOUT_MS_DEFAULT;
	struct rte_ims_dev *dev = NULL;
	int rc;

	rc = check_open(name, conf);
	if (rc != 0)
		return ims_err_ptr(rc);
	if (conf != NULL && conf->timeout_ms != 0)
		timeout_ms = conf->timeout_ms;
	/* The lock is held throughout: two opens of one name cannot both succeed. */
	pthread_mutex_lock(&devs_lock);
	if (find_locked(name) != NULL) {
		rte_errno = EEXIST;
	} else {
		dev = dev_new(name, timeout_ms, conf != NULL ? conf->flags : 0);
		if (dev != NULL)
			TAILQ_INSERT_TAIL(&devs, dev, next);
	}
	pthread_mutex_unlock(&devs_lock);
	ims_trace_dev_open(name, dev != NULL ? 0 : -rte_errno);
	return dev;
}

int
rte_ims_dev_close(struct rte_ims_dev *dev)
{
	int rc;

	if (dev == NULL)
		return -EINVAL;
	if (atomic_load(&dev->n_pools) != 0)
		return -EBUSY;
	atomic_store(&dev->vfio->closing, true);
	rc = ims_table_remove_all(dev);
	if (rc != 0) {
		atomic_store(&dev->vfio->closing, false);
		return rc;
	}
	pthread_mutex_lock(&devs_lock);
	TAILQ_REMOVE(&devs, dev, next);
	pthread_mutex_unlock(&devs_lock);
	if (dev->driver->remove != NULL)
		dev->driver->remove(dev);
	ims_trace_dev_close(dev->name);
	dev_destroy(dev);
	return 0;
}

/* What was pending in the device is lost, and so may be what was on its way: have a look. */
static int
vec_restore_locked(struct rte_ims_vec *vec)
{
	int rc;

	if (vec->store->type == RTE_IMS_STORE_DEVICE)
		return 0; /* the transport's, not the function's */
	rc = ims_vec_restore_locked(vec);
	if (rc == 0)
		ims_vec_kick_locked(vec);
	return rc;
}

static int
restore_locked(struct rte_ims_dev *dev)
{
	struct rte_ims_vec *vec;
	struct rte_ims_store *store;
	uint32_t slot;
	int rc = 0;

	/* All of them first: one that cannot be restored then leaves none that is taken to send. */
	TAILQ_FOREACH(store, &dev->stores, next)
		for (slot = 0; slot < store->n_slots; slot++) {
			vec = ims_store_vec(store, slot);
			if (vec != NULL && store->type != RTE_IMS_STORE_DEVICE)
				ims_vec_reset_locked(vec);
		}
	TAILQ_FOREACH(store, &dev->stores, next)
		for (slot = 0; slot < store->n_slots && rc == 0; slot++) {
			vec = ims_store_vec(store, slot);
			if (vec != NULL)
				rc = vec_restore_locked(vec);
		}
	return rc;
}

int
rte_ims_dev_reset(struct rte_ims_dev *dev)
{
	struct rte_ims_store *msix;
	int rc;

	if (dev == NULL)
		return -EINVAL;
	msix = rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX);
	pthread_mutex_lock(&dev->lock);
	if (dev->driver->reset_prepare != NULL)
		dev->driver->reset_prepare(dev);
	rc = dev->vfio->ops->reset(dev->vfio);
	if (rc == 0)
		rc = ims_pci_command(dev->vfio, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0);
	if (rc == 0 && msix != NULL)
		rc = ims_store_msix_reset(msix);
	if (dev->driver->reset_done != NULL)
		rc = dev->driver->reset_done(dev, rc);
	if (rc == 0)
		rc = restore_locked(dev);
	pthread_mutex_unlock(&dev->lock);
	ims_trace_dev_reset(dev->name, rc);
	return rc;
}

int
rte_ims_dev_info_get(const struct rte_ims_dev *dev, struct rte_ims_dev_info *info)
{
	if (dev == NULL || info == NULL)
		return -EINVAL;
	rte_strlcpy(info->name, dev->name, sizeof(info->name));
	rte_strlcpy(info->driver, dev->driver->name, sizeof(info->driver));
	info->vendor_id = dev->vendor_id;
	info->device_id = dev->device_id;
	info->numa_node = dev->vfio->numa_node;
	pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)&dev->lock);
	info->n_stores = dev->n_stores;
	info->n_tables = dev->n_tables;
	info->n_vecs = dev->n_vecs;
	pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&dev->lock);
	info->removed = atomic_load(&dev->vfio->removed);
	info->stray_msgs = ims_vfio_peer_errors(dev->vfio, IMS_VFIO_PEER_STRAY_MSG);
	info->dma_faults = ims_vfio_peer_errors(dev->vfio, IMS_VFIO_PEER_DMA_FAULT);
	return 0;
}

int
rte_ims_dev_stats_get(const struct rte_ims_dev *dev, struct rte_ims_dev_stats *stats)
{
	const struct ims_vfio *v;

	if (dev == NULL || stats == NULL)
		return -EINVAL;
	v = dev->vfio;
	memset(stats, 0, sizeof(*stats));
	stats->timeouts = ims_vfio_peer_errors(v, IMS_VFIO_PEER_TIMEOUT);
	stats->late_replies = ims_vfio_peer_errors(v, IMS_VFIO_PEER_LATE_REPLY);
	stats->reordered_replies = ims_vfio_peer_errors(v, IMS_VFIO_PEER_REORDERED);
	stats->bad_replies = ims_vfio_peer_errors(v, IMS_VFIO_PEER_BAD_REPLY);
	stats->bad_requests = ims_vfio_peer_errors(v, IMS_VFIO_PEER_BAD_REQUEST);
	stats->surplus_fds = ims_vfio_peer_errors(v, IMS_VFIO_PEER_SURPLUS_FD);
	stats->unread_replies = ims_vfio_peer_errors(v, IMS_VFIO_PEER_UNREAD_REPLY);
	stats->malformed = ims_vfio_peer_errors(v, IMS_VFIO_PEER_MALFORMED);
	stats->stray_msgs = ims_vfio_peer_errors(v, IMS_VFIO_PEER_STRAY_MSG);
	stats->dma_faults = ims_vfio_peer_errors(v, IMS_VFIO_PEER_DMA_FAULT);
	return 0;
}

int
rte_ims_dev_dma_map(struct rte_ims_dev *dev, void *addr, size_t len, int fd, uint64_t offset)
{
	if (dev == NULL || addr == NULL)
		return -EINVAL;
	return ims_vfio_dma_map(dev->vfio, addr, len, fd, offset);
}

int
rte_ims_dev_dma_unmap(struct rte_ims_dev *dev, void *addr, size_t len)
{
	if (dev == NULL || addr == NULL)
		return -EINVAL;
	return ims_vfio_dma_unmap(dev->vfio, addr, len);
}
