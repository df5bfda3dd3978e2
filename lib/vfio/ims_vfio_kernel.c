/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* A device on the kernel's vfio-pci: regions, interrupts, reset. See ims_vfio_kernel.h. */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <rte_common.h>

#include "ims_vfio_kernel.h"
#include "ims_vfio_log.h"

#define INFO_MAX 4096

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

int
vk_sysfs_link(const char *bdf, const char *name, char *val, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s/%s", VK_SYSFS, bdf, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	snprintf(val, size, "%s", basename(target));
	return 0;
}

static int
sysfs_int(const char *bdf, const char *name, int none)
{
	char path[PATH_MAX];
	int val = none;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/%s", VK_SYSFS, bdf, name);
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
check_bound(const char *bdf)
{
	char path[PATH_MAX], driver[64];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", VK_SYSFS, bdf);
	rc = access(path, F_OK) < 0 ? -errno : 0;
	if (rc == -ENOENT) {
		IMS_VFIO_LOG(ERR, "pci:%s: there is no such device; lspci -D lists them", bdf);
		return -ENODEV;
	}
	if (rc == 0)
		rc = vk_sysfs_link(bdf, "driver", driver, sizeof(driver));
	if (rc == -ENOENT) {
		IMS_VFIO_LOG(ERR, "pci:%s: no driver is bound; run: dpdk-devbind.py -b vfio-pci %s",
			bdf, bdf);
		return -ENODEV;
	}
	if (rc != 0) {
		IMS_VFIO_LOG(ERR, "pci:%s: %s: %s", bdf, path, strerror(-rc));
		return rc;
	}
	if (strcmp(driver, "vfio-pci") != 0) {
		IMS_VFIO_LOG(ERR, "pci:%s: driver %s is bound; run: dpdk-devbind.py -b vfio-pci %s",
			bdf, driver, bdf);
		return -EBUSY;
	}
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
			rc = ims_vfio_area_map(&k->v, r, sparse->areas[i].offset,
				sparse->areas[i].size, k->device, k->offset[r]);
		return rc;
	}
	return ims_vfio_area_map(&k->v, r, 0, info->size, k->device, k->offset[r]);
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
device_setup(struct ims_vfio_kernel *k)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint32_t i;
	int rc = 0;

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
	int rc;

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
	rc = ioctl(vk_from(v)->device, VFIO_DEVICE_SET_IRQS, set);
	/* Above 0: so many could have been had, none was enabled (vfio_msi_enable()). */
	rc = rc < 0 ? -errno : rc > 0 ? -ENOSPC : 0;
	free(set);
	return rc;
}

/* Before the kernel says EINVAL: no range that the IOMMU can map holds it. */
static bool
in_range(const struct ims_vfio_kernel *k, uint64_t iova, size_t len)
{
	uint32_t i;

	for (i = 0; i < k->n_ranges; i++)
		if (iova >= k->ranges[i].first && iova <= k->ranges[i].last &&
			len - 1 <= k->ranges[i].last - iova)
			return true;
	return k->n_ranges == 0;
}

/* One line, with as many ranges as it can hold. */
static void
explain_range(const struct ims_vfio_kernel *k, uint64_t iova, size_t len)
{
	char ranges[256] = "";
	size_t used = 0;
	uint32_t i;

	for (i = 0; i < k->n_ranges && used < sizeof(ranges); i++)
		used += snprintf(ranges + used, sizeof(ranges) - used, "%s%#" PRIx64 "-%#" PRIx64,
			i != 0 ? ", " : "", k->ranges[i].first, k->ranges[i].last);
	IMS_VFIO_LOG(ERR,
		"%s: memory at %#" PRIx64 "-%#" PRIx64 " is out of the IOMMU's reach; start with "
		"EAL option --base-virtaddr=ADDRESS to have DPDK's memory in %s",
		k->v.name, iova, iova + len - 1, ranges);
}

static int
vk_dma_map(struct ims_vfio *v, uint64_t iova, void *addr, size_t len, int fd, uint64_t offset)
{
	struct ims_vfio_kernel *k = vk_from(v);
	int rc;

	RTE_SET_USED(fd);
	RTE_SET_USED(offset);
	if (!in_range(k, iova, len)) {
		explain_range(k, iova, len);
		return -EINVAL;
	}
	rc = v->n_dma_maps < k->max_maps ? k->iommu->map(k, iova, addr, len) : -ENOSPC;
	if (rc == -ENOMEM)
		IMS_VFIO_LOG(ERR,
			"%s: not allowed to lock %zu more bytes; raise the limit: ulimit -l",
			v->name, len);
	else if (rc == -ENOSPC)
		IMS_VFIO_LOG(ERR,
			"%s: no map left, the limit is %u; use larger pages, or raise "
			"/sys/module/vfio_iommu_type1/parameters/dma_entry_limit",
			v->name, k->max_maps);
	return rc;
}

static int
vk_dma_unmap(struct ims_vfio *v, const struct ims_vfio_dma_map *map)
{
	struct ims_vfio_kernel *k = vk_from(v);

	return k->iommu->unmap(k, map->iova, map->len);
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

	vk_event_stop(k);
	ims_vfio_fini(v);
	if (k->device >= 0)
		close(k->device);
	k->iommu->close(k);
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

static struct ims_vfio_kernel *
vk_new(const char *name, const char *bdf, uint32_t timeout_ms, const struct vk_iommu_ops *iommu)
{
	struct ims_vfio_kernel *k;

	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return NULL;
	ims_vfio_init(&k->v, &vk_ops, name, timeout_ms);
	k->iommu = iommu;
	k->device = k->group = k->iommu_fd = -1;
	k->err_fd = k->req_fd = k->stop_fd = -1;
	k->v.numa_node = sysfs_int(bdf, "numa_node", -1);
	return k;
}

struct ims_vfio *
ims_vfio_kernel_open(const char *name, const char *bdf, uint32_t timeout_ms)
{
	struct ims_vfio_kernel *k;
	int rc;

	if (!bdf_valid(bdf)) {
		IMS_VFIO_LOG(ERR,
			"%s: expected pci:DOMAIN:BUS:DEVICE.FUNCTION, as in "
			"pci:0000:3b:00.0",
			name);
		return ims_vfio_err_ptr(-EINVAL);
	}
	rc = check_bound(bdf);
	if (rc != 0)
		return ims_vfio_err_ptr(rc);
	/* The other way would have other limits, or none where Linux has no groups. */
	rc = vk_iommufd_present(bdf);
	if (rc < 0)
		return ims_vfio_err_ptr(rc);
	k = vk_new(name, bdf, timeout_ms, rc == 1 ? &vk_iommufd_ops : &vk_container_ops);
	if (k == NULL)
		return ims_vfio_err_ptr(-ENOMEM);
	rc = k->iommu->open(k, bdf);
	if (rc == 0)
		rc = device_setup(k);
	if (rc == 0)
		rc = vk_event_start(k);
	if (rc == 0)
		return &k->v;
	vk_close(&k->v);
	return ims_vfio_err_ptr(rc);
}
