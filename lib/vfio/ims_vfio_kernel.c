/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The kernel's vfio-pci, by group and container: a container of its own for each device, so that
 * nobody else's maps or limits are in the way, DPDK's own VFIO included.
 */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_common.h>

#include "ims_vfio.h"
#include "ims_vfio_log.h"

#define SYSFS_PCI "/sys/bus/pci/devices"
#define INFO_MAX  4096

struct ims_vfio_kernel {
	struct ims_vfio v; /* first */
	int container;
	int group;
	int device;
	uint64_t offset[IMS_VFIO_MAX_REGIONS]; /* of each region in the device's file */
};

static struct ims_vfio_kernel *
vk_from(struct ims_vfio *v)
{
	return (struct ims_vfio_kernel *)v;
}

/* "0000:3b:00.0": four hexadecimal digits, two, two, one octal. */
static bool
bdf_valid(const char *bdf)
{
	static const char form[] = "xxxx:xx:xx.o";
	size_t i;

	for (i = 0; i < sizeof(form) - 1; i++) {
		if (form[i] == 'x'       ? !isxdigit((unsigned char)bdf[i])
			: form[i] == 'o' ? bdf[i] < '0' || bdf[i] > '7'
					 : bdf[i] != form[i])
			return false;
	}
	return bdf[i] == '\0';
}

/* The last part of what a device's link points to; false if there is no such link. */
static bool
sysfs_link(const char *bdf, const char *name, char *val, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/%s", bdf, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	snprintf(val, size, "%s", basename(target));
	return true;
}

static int
sysfs_int(const char *bdf, const char *name, int none)
{
	char path[PATH_MAX];
	int val = none;
	FILE *f;

	snprintf(path, sizeof(path), SYSFS_PCI "/%s/%s", bdf, name);
	f = fopen(path, "re");
	if (f == NULL)
		return none;
	if (fscanf(f, "%d", &val) != 1)
		val = none;
	fclose(f);
	return val;
}

/* Is it there, and vfio-pci's? What to do if not. */
static int
check_bound(const char *bdf, char *group, size_t size)
{
	char path[PATH_MAX], driver[64];

	snprintf(path, sizeof(path), SYSFS_PCI "/%s", bdf);
	if (access(path, F_OK) < 0) {
		IMS_VFIO_LOG(ERR, "pci:%s: there is no such device; lspci -D lists them", bdf);
		return -ENODEV;
	}
	if (!sysfs_link(bdf, "driver", driver, sizeof(driver))) {
		IMS_VFIO_LOG(ERR, "pci:%s: no driver is bound; run: dpdk-devbind.py -b vfio-pci %s",
			bdf, bdf);
		return -ENODEV;
	}
	if (strcmp(driver, "vfio-pci") != 0) {
		IMS_VFIO_LOG(ERR, "pci:%s: driver %s is bound; run: dpdk-devbind.py -b vfio-pci %s",
			bdf, driver, bdf);
		return -EBUSY;
	}
	if (!sysfs_link(bdf, "iommu_group", group, size)) {
		IMS_VFIO_LOG(ERR,
			"pci:%s: it has no IOMMU group; enable the IOMMU in the firmware and "
			"with intel_iommu=on or amd_iommu=on",
			bdf);
		return -ENODEV;
	}
	return 0;
}

static int
open_group(struct ims_vfio_kernel *k, const char *bdf, const char *group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[64];
	int rc;

	snprintf(path, sizeof(path), "/dev/vfio/%s", group);
	k->group = open(path, O_RDWR | O_CLOEXEC);
	if (k->group < 0) {
		rc = -errno;
		if (rc == -EBUSY)
			IMS_VFIO_LOG(ERR,
				"pci:%s: IOMMU group %s is in use by another program, or by "
				"DPDK in this one (then start with EAL option -b %s)",
				bdf, group, bdf);
		else if (rc == -EACCES || rc == -EPERM)
			IMS_VFIO_LOG(ERR, "pci:%s: no permission for %s; run: chown $USER %s", bdf,
				path, path);
		else
			IMS_VFIO_LOG(ERR, "pci:%s: %s: %s", bdf, path, strerror(-rc));
		return rc;
	}
	if (ioctl(k->group, VFIO_GROUP_GET_STATUS, &status) < 0)
		return -errno;
	if ((status.flags & VFIO_GROUP_FLAGS_VIABLE) == 0) {
		IMS_VFIO_LOG(ERR,
			"pci:%s: IOMMU group %s is not viable; bind all devices in "
			"/sys/kernel/iommu_groups/%s/devices to vfio-pci",
			bdf, group, group);
		return -EBUSY;
	}
	return 0;
}

static int
open_container(struct ims_vfio_kernel *k, const char *bdf)
{
	int rc;

	k->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (k->container < 0) {
		rc = -errno;
		IMS_VFIO_LOG(ERR, "pci:%s: /dev/vfio/vfio: %s; is the module vfio loaded?", bdf,
			strerror(-rc));
		return rc;
	}
	if (ioctl(k->container, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
		ioctl(k->container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1) {
		IMS_VFIO_LOG(ERR, "pci:%s: the kernel has no VFIO type 1 IOMMU", bdf);
		return -ENOTSUP;
	}
	if (ioctl(k->group, VFIO_GROUP_SET_CONTAINER, &k->container) < 0)
		return -errno;
	if (ioctl(k->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0) {
		rc = -errno;
		if (rc == -EPERM)
			IMS_VFIO_LOG(ERR,
				"pci:%s: the machine has no interrupt remapping; to go "
				"without its protection load vfio_iommu_type1 with "
				"allow_unsafe_interrupts=1",
				bdf);
		return rc;
	}
	return 0;
}

static int
area_map(struct ims_vfio_kernel *k, uint32_t r, uint64_t offset, uint64_t size)
{
	struct ims_vfio_region *region = &k->v.regions[r];
	struct ims_vfio_area *area = &region->areas[region->n_areas];
	int prot = 0;

	if (size == 0 || region->n_areas == IMS_VFIO_MAX_AREAS)
		return 0; /* reached by pread and pwrite */
	if (region->flags & VFIO_REGION_INFO_FLAG_READ)
		prot |= PROT_READ;
	if (region->flags & VFIO_REGION_INFO_FLAG_WRITE)
		prot |= PROT_WRITE;
	area->addr = mmap(NULL, size, prot, MAP_SHARED, k->device, k->offset[r] + offset);
	if (area->addr == MAP_FAILED) {
		area->addr = NULL;
		return -errno;
	}
	area->offset = offset;
	area->size = size;
	region->n_areas++;
	return 0;
}

static int
region_map(struct ims_vfio_kernel *k, uint32_t r, const struct vfio_region_info *info)
{
	const struct vfio_region_info_cap_sparse_mmap *sparse;
	const struct vfio_info_cap_header *cap;
	uint32_t pos, i;
	int rc = 0;

	if ((info->flags & VFIO_REGION_INFO_FLAG_MMAP) == 0)
		return 0;
	pos = info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0;
	for (; pos != 0; pos = cap->next) {
		cap = RTE_PTR_ADD(info, pos);
		if (cap->id != VFIO_REGION_INFO_CAP_SPARSE_MMAP)
			continue;
		sparse = (const void *)cap;
		for (i = 0; i < sparse->nr_areas && rc == 0; i++)
			rc = area_map(k, r, sparse->areas[i].offset, sparse->areas[i].size);
		return rc;
	}
	return area_map(k, r, 0, info->size);
}

static int
region_setup(struct ims_vfio_kernel *k, uint32_t r)
{
	uint64_t buf[INFO_MAX / sizeof(uint64_t)] = { 0 };
	struct vfio_region_info *info = (struct vfio_region_info *)buf;

	info->argsz = sizeof(buf);
	info->index = r;
	if (ioctl(k->device, VFIO_DEVICE_GET_REGION_INFO, info) < 0)
		return errno == EINVAL ? 0 : -errno; /* the VGA region of what is no VGA */
	k->v.regions[r].size = info->size;
	k->v.regions[r].flags = info->flags;
	k->offset[r] = info->offset;
	return info->size != 0 ? region_map(k, r, info) : 0;
}

static int
irq_setup(struct ims_vfio_kernel *k, uint32_t index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

	if (ioctl(k->device, VFIO_DEVICE_GET_IRQ_INFO, &info) < 0)
		return errno == EINVAL ? 0 : -errno; /* ERR of a device that is not PCI Express */
	k->v.irqs[index].flags = info.flags;
	k->v.irqs[index].count = info.count;
	return 0;
}

static int
open_device(struct ims_vfio_kernel *k, const char *bdf)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint32_t i;
	int rc = 0;

	k->device = ioctl(k->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	if (k->device < 0)
		return -errno;
	if (ioctl(k->device, VFIO_DEVICE_GET_INFO, &info) < 0)
		return -errno;
	k->v.n_regions = RTE_MIN(info.num_regions, (uint32_t)IMS_VFIO_MAX_REGIONS);
	k->v.n_irqs = RTE_MIN(info.num_irqs, (uint32_t)IMS_VFIO_MAX_IRQS);
	for (i = 0; i < k->v.n_regions && rc == 0; i++)
		rc = region_setup(k, i);
	for (i = 0; i < k->v.n_irqs && rc == 0; i++)
		rc = irq_setup(k, i);
	return rc;
}

static int
vk_region_read(struct ims_vfio *v, uint32_t region, uint64_t off, void *buf, size_t len)
{
	struct ims_vfio_kernel *k = vk_from(v);
	ssize_t n;

	n = pread(k->device, buf, len, k->offset[region] + off);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int
vk_region_write(struct ims_vfio *v, uint32_t region, uint64_t off, const void *buf, size_t len)
{
	struct ims_vfio_kernel *k = vk_from(v);
	ssize_t n;

	n = pwrite(k->device, buf, len, k->offset[region] + off);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

static int
vk_irq_set(struct ims_vfio *v, uint32_t index, uint32_t start, uint32_t count, const int *fds)
{
	size_t size = sizeof(struct vfio_irq_set) + count * sizeof(int);
	struct vfio_irq_set *set;
	uint32_t i;
	int rc = 0;

	if (index >= v->n_irqs || start > v->irqs[index].count ||
		count > v->irqs[index].count - start)
		return -EINVAL;
	set = calloc(1, size);
	if (set == NULL)
		return -ENOMEM;
	set->argsz = size;
	set->index = index;
	set->start = start;
	set->count = count;
	set->flags = VFIO_IRQ_SET_ACTION_TRIGGER |
	             (count == 0 ? VFIO_IRQ_SET_DATA_NONE : VFIO_IRQ_SET_DATA_EVENTFD);
	for (i = 0; i < count; i++)
		((int *)(void *)set->data)[i] = fds != NULL ? fds[i] : -1;
	if (ioctl(vk_from(v)->device, VFIO_DEVICE_SET_IRQS, set) < 0)
		rc = -errno;
	free(set);
	return rc;
}

static int
vk_dma_map(struct ims_vfio *v, uint64_t iova, void *addr, size_t len, int fd, uint64_t offset)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)addr,
		.iova = iova,
		.size = len,
	};
	int rc;

	RTE_SET_USED(fd);
	RTE_SET_USED(offset);
	if (ioctl(vk_from(v)->container, VFIO_IOMMU_MAP_DMA, &map) == 0)
		return 0;
	rc = -errno;
	if (rc == -ENOMEM)
		IMS_VFIO_LOG(ERR,
			"%s: not allowed to lock %zu more bytes; raise the limit: ulimit -l",
			v->name, len);
	else if (rc == -ENOSPC)
		IMS_VFIO_LOG(ERR,
			"%s: the container has no map left; use larger pages, or raise "
			"vfio_iommu_type1's dma_entry_limit",
			v->name);
	else if (rc == -EINVAL)
		IMS_VFIO_LOG(ERR,
			"%s: IOVA %#" PRIx64 " is out of what the IOMMU can map; start with "
			"EAL option --base-virtaddr to have memory lower",
			v->name, iova);
	return rc;
}

static int
vk_dma_unmap(struct ims_vfio *v, uint64_t iova, size_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = len,
	};

	if (ioctl(vk_from(v)->container, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
		return -errno;
	return unmap.size == len ? 0 : -ENOENT;
}

static int
vk_reset(struct ims_vfio *v)
{
	if (ioctl(vk_from(v)->device, VFIO_DEVICE_RESET) < 0)
		return errno == ENOTTY || errno == EINVAL ? -ENOTSUP : -errno;
	return 0;
}

static void
vk_close(struct ims_vfio *v)
{
	struct ims_vfio_kernel *k = vk_from(v);

	ims_vfio_fini(v);
	if (k->device >= 0)
		close(k->device);
	/* The container's maps go with it. */
	if (k->group >= 0)
		close(k->group);
	if (k->container >= 0)
		close(k->container);
	free(k);
}

static const struct ims_vfio_ops vk_ops = {
	.close = vk_close,
	.region_read = vk_region_read,
	.region_write = vk_region_write,
	.irq_set = vk_irq_set,
	.dma_map = vk_dma_map,
	.dma_unmap = vk_dma_unmap,
	.reset = vk_reset,
};

struct ims_vfio *
ims_vfio_kernel_open(const char *name, const char *bdf, uint32_t timeout_ms)
{
	struct ims_vfio_kernel *k;
	char group[16];
	int rc;

	if (!bdf_valid(bdf)) {
		IMS_VFIO_LOG(ERR,
			"%s: expected pci:DOMAIN:BUS:DEVICE.FUNCTION, as in "
			"pci:0000:3b:00.0",
			name);
		return ims_vfio_err_ptr(-EINVAL);
	}
	rc = check_bound(bdf, group, sizeof(group));
	if (rc != 0)
		return ims_vfio_err_ptr(rc);
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return ims_vfio_err_ptr(-ENOMEM);
	ims_vfio_init(&k->v, &vk_ops, name, timeout_ms);
	k->container = k->group = k->device = -1;
	k->v.numa_node = sysfs_int(bdf, "numa_node", -1);
	rc = open_group(k, bdf, group);
	if (rc == 0)
		rc = open_container(k, bdf);
	if (rc == 0)
		rc = open_device(k, bdf);
	if (rc == 0)
		return &k->v;
	vk_close(&k->v);
	return ims_vfio_err_ptr(rc);
}
