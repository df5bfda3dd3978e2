/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The way to a device by its own character device and iommufd, from Linux 6.6 on. There is no group
 * to open: whether all devices of the group can be had is found out when the device is bound.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ims_iommufd_abi.h"
#include "ims_vfio_kernel.h"
#include "ims_vfio_log.h"

static void
iommufd_path(char *path, size_t size)
{
	snprintf(path, size, "%s/iommu", VK_DEV);
}

/* "/dev/vfio/devices/vfioN" of a device. 0; -ENOENT it has none; why that cannot be known. */
static int
cdev_path(const char *bdf, char *path, size_t size)
{
	char dir[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *d;
	int rc;

	snprintf(dir, sizeof(dir), "%s/%s/vfio-dev", VK_SYSFS, bdf);
	d = opendir(dir);
	if (d == NULL)
		return -errno;
	errno = 0;
	while (!found && (entry = readdir(d)) != NULL)
		found = strncmp(entry->d_name, "vfio", 4) == 0 &&
		        snprintf(path, size, "%s/vfio/devices/%s", VK_DEV, entry->d_name) <
		                (int)size;
	rc = found ? 0 : errno != 0 ? -errno : -ENOENT;
	closedir(d);
	return rc == 0 && access(path, F_OK) < 0 ? -errno : rc;
}

int
vk_iommufd_present(const char *bdf)
{
	char path[PATH_MAX];
	int rc;

	iommufd_path(path, sizeof(path));
	rc = access(path, F_OK) < 0 ? -errno : cdev_path(bdf, path, sizeof(path));
	if (rc == -ENOENT || rc == -ENOTDIR)
		return 0;
	if (rc == 0)
		return 1;
	IMS_VFIO_LOG(ERR, "pci:%s: no telling whether it has a character device: %s", bdf,
		strerror(-rc));
	return rc;
}

static int
open_node(const char *bdf, const char *path)
{
	int fd, rc;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	rc = -errno;
	if (rc == -EACCES || rc == -EPERM)
		IMS_VFIO_LOG(
			ERR, "pci:%s: no permission for %s; run: chown $USER %s", bdf, path, path);
	else
		IMS_VFIO_LOG(ERR, "pci:%s: %s: %s", bdf, path, strerror(-rc));
	return rc;
}

static int
bind_iommufd(struct ims_vfio_kernel *k, const char *bdf)
{
	struct vfio_cdev_bind bind = { .argsz = sizeof(bind), .iommufd = k->iommu_fd };
	int rc;

	if (ioctl(k->device, VFIO_CDEV_BIND_IOMMUFD, &bind) == 0)
		return 0;
	rc = -errno;
	if (rc == -EBUSY || rc == -EINVAL)
		IMS_VFIO_LOG(ERR,
			"pci:%s: it is in use by another program, or by DPDK in this one (then "
			"start with EAL option -b %s), or a device of its IOMMU group has "
			"another driver: bind all in "
			"/sys/bus/pci/devices/%s/iommu_group/devices to vfio-pci",
			bdf, bdf, bdf);
	else if (rc == -EPERM)
		IMS_VFIO_LOG(ERR,
			"pci:%s: the machine has no interrupt remapping; to go without its "
			"protection load iommufd with allow_unsafe_interrupts=1",
			bdf);
	return rc;
}

static int
attach_ioas(struct ims_vfio_kernel *k, const char *bdf)
{
	struct iommufd_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct vfio_cdev_attach attach = { .argsz = sizeof(attach) };
	int rc;

	if (ioctl(k->iommu_fd, IOMMUFD_IOAS_ALLOC, &alloc) < 0)
		return -errno;
	k->ioas = attach.pt_id = alloc.out_ioas_id;
	if (ioctl(k->device, VFIO_CDEV_ATTACH_IOAS, &attach) == 0)
		return 0;
	rc = -errno;
	if (rc == -EPERM)
		IMS_VFIO_LOG(ERR,
			"pci:%s: the machine has no interrupt remapping; to go without its "
			"protection load iommufd with allow_unsafe_interrupts=1",
			bdf);
	return rc;
}

static int
read_ranges(struct ims_vfio_kernel *k)
{
	struct iommufd_iova_range range[VK_MAX_RANGES] = { 0 };
	struct iommufd_ioas_iova_ranges arg = {
		.size = sizeof(arg),
		.ioas_id = k->ioas,
		.num_iovas = VK_MAX_RANGES,
		.allowed_iovas = (uintptr_t)range,
	};
	uint32_t i;

	k->max_maps = UINT32_MAX;
	/* EMSGSIZE: there are more; what is there is in order, the rest is left to the kernel. */
	if (ioctl(k->iommu_fd, IOMMUFD_IOAS_IOVA_RANGES, &arg) < 0)
		return errno == EMSGSIZE ? 0 : -errno;
	for (i = 0; i < arg.num_iovas && i < VK_MAX_RANGES; i++) {
		k->ranges[i].first = range[i].start;
		k->ranges[i].last = range[i].last;
	}
	k->n_ranges = i;
	return 0;
}

static int
iommufd_open(struct ims_vfio_kernel *k, const char *bdf)
{
	char path[PATH_MAX];
	int rc;

	rc = cdev_path(bdf, path, sizeof(path));
	if (rc != 0)
		return rc == -ENOENT ? -ENODEV : rc;
	k->device = open_node(bdf, path);
	if (k->device < 0)
		return k->device;
	iommufd_path(path, sizeof(path));
	k->iommu_fd = open_node(bdf, path);
	if (k->iommu_fd < 0)
		return k->iommu_fd;
	rc = bind_iommufd(k, bdf);
	if (rc == 0)
		rc = attach_ioas(k, bdf);
	return rc != 0 ? rc : read_ranges(k);
}

static int
iommufd_map(struct ims_vfio_kernel *k, uint64_t iova, void *addr, size_t len)
{
	struct iommufd_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMUFD_MAP_FIXED_IOVA | IOMMUFD_MAP_WRITEABLE | IOMMUFD_MAP_READABLE,
		.ioas_id = k->ioas,
		.user_va = (uintptr_t)addr,
		.length = len,
		.iova = iova,
	};

	return ioctl(k->iommu_fd, IOMMUFD_IOAS_MAP, &map) < 0 ? -errno : 0;
}

static int
iommufd_unmap(struct ims_vfio_kernel *k, uint64_t iova, size_t len)
{
	struct iommufd_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = k->ioas,
		.iova = iova,
		.length = len,
	};

	return ioctl(k->iommu_fd, IOMMUFD_IOAS_UNMAP, &unmap) < 0 ? -errno : 0;
}

static void
iommufd_close(struct ims_vfio_kernel *k)
{
	if (k->iommu_fd >= 0)
		close(k->iommu_fd);
	k->iommu_fd = -1;
}

const struct vk_iommu_ops vk_iommufd_ops = {
	.open = iommufd_open,
	.map = iommufd_map,
	.unmap = iommufd_unmap,
	.close = iommufd_close,
};
