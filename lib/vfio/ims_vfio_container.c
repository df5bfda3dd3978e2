/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The way to a device by IOMMU group and container (type 1), which every kernel has. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <rte_common.h>

#include "ims_vfio_kernel.h"
#include "ims_vfio_log.h"

static int
open_group(struct ims_vfio_kernel *k, const char *bdf)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char group[16], path[64];
	int rc;

	rc = vk_sysfs_link(bdf, "iommu_group", group, sizeof(group));
	if (rc == -ENOENT) {
		IMS_VFIO_LOG(ERR,
			"pci:%s: it has no IOMMU group; enable the IOMMU in the firmware and "
			"with intel_iommu=on or amd_iommu=on",
			bdf);
		return -ENODEV;
	}
	if (rc != 0)
		return rc;
	snprintf(path, sizeof(path), "%s/vfio/%s", VK_DEV, group);
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
	char path[64];
	int rc;

	snprintf(path, sizeof(path), "%s/vfio/vfio", VK_DEV);
	k->iommu_fd = open(path, O_RDWR | O_CLOEXEC);
	if (k->iommu_fd < 0) {
		rc = -errno;
		IMS_VFIO_LOG(ERR, "pci:%s: %s: %s; is the module vfio loaded?", bdf, path,
			strerror(-rc));
		return rc;
	}
	if (ioctl(k->iommu_fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
		ioctl(k->iommu_fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1) {
		IMS_VFIO_LOG(ERR,
			"pci:%s: the kernel has no VFIO type 1 IOMMU; is the module "
			"vfio_iommu_type1 loaded?",
			bdf);
		return -ENOTSUP;
	}
	if (ioctl(k->group, VFIO_GROUP_SET_CONTAINER, &k->iommu_fd) < 0)
		return -errno;
	if (ioctl(k->iommu_fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0) {
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

static void
take_ranges(struct ims_vfio_kernel *k, const struct vfio_iommu_type1_info_cap_iova_range *cap)
{
	uint32_t i;

	for (i = 0; i < cap->nr_iovas && k->n_ranges < VK_MAX_RANGES; i++) {
		k->ranges[k->n_ranges].first = cap->iova_ranges[i].start;
		k->ranges[k->n_ranges].last = cap->iova_ranges[i].end;
		k->n_ranges++;
	}
}

/* What the IOMMU can map, and how many maps it takes (Linux 5.10). */
static int
read_limits(struct ims_vfio_kernel *k)
{
	struct vfio_iommu_type1_info head = { .argsz = sizeof(head) }, *info;
	const struct vfio_info_cap_header *cap;
	uint32_t pos;

	k->max_maps = UINT32_MAX;
	if (ioctl(k->iommu_fd, VFIO_IOMMU_GET_INFO, &head) < 0)
		return -errno;
	info = calloc(1, RTE_MAX(head.argsz, sizeof(*info)));
	if (info == NULL)
		return -ENOMEM;
	info->argsz = RTE_MAX(head.argsz, sizeof(*info));
	if (ioctl(k->iommu_fd, VFIO_IOMMU_GET_INFO, info) < 0) {
		free(info);
		return -errno;
	}
	pos = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;
	for (; pos != 0; pos = cap->next) {
		cap = RTE_PTR_ADD(info, pos);
		if (cap->id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			take_ranges(k, (const void *)cap);
		else if (cap->id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL)
			k->max_maps =
				((const struct vfio_iommu_type1_info_dma_avail *)(const void *)cap)
					->avail;
	}
	free(info);
	return 0;
}

static int
container_open(struct ims_vfio_kernel *k, const char *bdf)
{
	int rc;

	rc = open_group(k, bdf);
	if (rc == 0)
		rc = open_container(k, bdf);
	if (rc == 0)
		rc = read_limits(k);
	if (rc != 0)
		return rc;
	k->device = ioctl(k->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	return k->device < 0 ? -errno : 0;
}

static int
container_map(struct ims_vfio_kernel *k, uint64_t iova, void *addr, size_t len)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)addr,
		.iova = iova,
		.size = len,
	};

	return ioctl(k->iommu_fd, VFIO_IOMMU_MAP_DMA, &map) < 0 ? -errno : 0;
}

static int
container_unmap(struct ims_vfio_kernel *k, uint64_t iova, size_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = len,
	};

	if (ioctl(k->iommu_fd, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
		return -errno;
	return unmap.size == len ? 0 : -ENOENT;
}

static void
container_close(struct ims_vfio_kernel *k)
{
	if (k->group >= 0)
		close(k->group);
	if (k->iommu_fd >= 0)
		close(k->iommu_fd);
	k->group = k->iommu_fd = -1;
}

const struct vk_iommu_ops vk_container_ops = {
	.open = container_open,
	.map = container_map,
	.unmap = container_unmap,
	.close = container_close,
};
