/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The drivers that are loaded, and what they may do with a device. */

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "ims_private.h"

static pthread_mutex_t drivers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ims_driver *drivers;

void
ims_driver_register(struct ims_driver *driver)
{
	pthread_mutex_lock(&drivers_lock);
	driver->next = drivers;
	drivers = driver;
	pthread_mutex_unlock(&drivers_lock);
}

void
ims_driver_unregister(struct ims_driver *driver)
{
	struct ims_driver **link;

	pthread_mutex_lock(&drivers_lock);
	for (link = &drivers; *link != NULL; link = &(*link)->next)
		if (*link == driver) {
			*link = driver->next;
			break;
		}
	pthread_mutex_unlock(&drivers_lock);
}

static bool
has_id(const struct ims_driver *driver, uint16_t vendor_id, uint16_t device_id)
{
	const struct ims_driver_id *id;

	for (id = driver->ids; id->vendor_id != 0; id++)
		if (id->vendor_id == vendor_id && id->device_id == device_id)
			return true;
	return false;
}

/* A driver that names the device goes before one that serves its class. */
const struct ims_driver *
ims_driver_match(uint16_t vendor_id, uint16_t device_id, uint32_t class_code)
{
	struct ims_driver *driver;

	pthread_mutex_lock(&drivers_lock);
	for (driver = drivers; driver != NULL; driver = driver->next)
		if (has_id(driver, vendor_id, device_id))
			break;
	for (driver = driver != NULL ? driver : drivers; driver != NULL; driver = driver->next)
		if (has_id(driver, vendor_id, device_id) ||
			(class_code != 0 && driver->class_code == class_code))
			break;
	pthread_mutex_unlock(&drivers_lock);
	return driver;
}

const struct ims_driver *
ims_dev_driver(const struct rte_ims_dev *dev)
{
	return dev->driver;
}

void
ims_dev_priv_set(struct rte_ims_dev *dev, void *priv)
{
	dev->driver_priv = priv;
}

void *
ims_dev_priv(const struct rte_ims_dev *dev)
{
	return dev->driver_priv;
}

bool
ims_dev_removed(const struct rte_ims_dev *dev)
{
	return atomic_load_explicit(&dev->vfio->removed, memory_order_relaxed);
}

void *
ims_dev_bar_map(struct rte_ims_dev *dev, unsigned int bar, uint64_t offset, uint64_t len)
{
	const struct ims_vfio_region *region;
	void *addr;

	if (bar > VFIO_PCI_BAR5_REGION_INDEX || bar >= dev->vfio->n_regions)
		return ims_err_ptr(-EINVAL);
	region = &dev->vfio->regions[bar];
	if (len == 0 || len > region->size || offset > region->size - len)
		return ims_err_ptr(-EINVAL);
	addr = ims_vfio_region_addr(dev->vfio, bar, offset, len);
	return addr != NULL ? addr : ims_err_ptr(-ENOTSUP);
}

int
ims_dev_bar_read(struct rte_ims_dev *dev, unsigned int bar, uint64_t offset, void *buf, size_t len)
{
	if (bar > VFIO_PCI_BAR5_REGION_INDEX)
		return -EINVAL;
	if (ims_dev_removed(dev))
		return -ENODEV;
	return ims_vfio_read(dev->vfio, bar, offset, buf, len);
}

int
ims_dev_bar_write(
	struct rte_ims_dev *dev, unsigned int bar, uint64_t offset, const void *buf, size_t len)
{
	if (bar > VFIO_PCI_BAR5_REGION_INDEX)
		return -EINVAL;
	if (ims_dev_removed(dev))
		return -ENODEV;
	return ims_vfio_write(dev->vfio, bar, offset, buf, len);
}

int
ims_dev_cfg_read(struct rte_ims_dev *dev, uint64_t offset, void *buf, size_t len)
{
	return ims_vfio_read(dev->vfio, VFIO_PCI_CONFIG_REGION_INDEX, offset, buf, len);
}

int
ims_dev_cfg_write(struct rte_ims_dev *dev, uint64_t offset, const void *buf, size_t len)
{
	return ims_vfio_write(dev->vfio, VFIO_PCI_CONFIG_REGION_INDEX, offset, buf, len);
}

int
ims_dev_bus_master(struct rte_ims_dev *dev, bool on)
{
	return ims_pci_command(dev->vfio, on ? PCI_COMMAND_MASTER : 0, on ? 0 : PCI_COMMAND_MASTER);
}
