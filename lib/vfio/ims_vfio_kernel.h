/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_VFIO_KERNEL_H_
#define _IMS_VFIO_KERNEL_H_

#include <pthread.h>

#include "ims_vfio.h"

/*
 * A device on the kernel's vfio-pci, in four files: regions, interrupts and reset
 * (ims_vfio_kernel.c), what it tells of itself (ims_vfio_kernel_event.c), and the two ways to it
 * and to its IOMMU: group and container (ims_vfio_container.c), or its own character device and
 * iommufd (ims_vfio_iommufd.c), from Linux 6.6 on.
 *
 * Each device has an IOMMU context of its own, so that nobody else's maps or limits are in the way,
 * DPDK's own VFIO included.
 */

#define VK_MAX_RANGES 32

/* Where the kernel shows its devices. */
#ifndef VK_SYSFS
#define VK_SYSFS "/sys/bus/pci/devices"
#define VK_DEV   "/dev"
#endif

struct ims_vfio_kernel;

/* Addresses that the IOMMU can map, both inclusive. */
struct vk_range {
	uint64_t first;
	uint64_t last;
};

struct vk_iommu_ops {
	/*
	 * Open k->device and give it an IOMMU context; fill in k->ranges. Says what to do if not.
	 */
	int (*open)(struct ims_vfio_kernel *k, const char *bdf);
	int (*map)(struct ims_vfio_kernel *k, uint64_t iova, void *addr, size_t len);
	int (*unmap)(struct ims_vfio_kernel *k, uint64_t iova, size_t len);
	/* After k->device is closed; also after an open() that failed. Maps go with it. */
	void (*close)(struct ims_vfio_kernel *k);
};

struct ims_vfio_kernel {
	struct ims_vfio v; /* first */
	const struct vk_iommu_ops *iommu;
	int device;
	int group;    /* -1: reached by its own character device */
	int iommu_fd; /* container, or /dev/iommu */
	uint32_t ioas;
	struct vk_range ranges[VK_MAX_RANGES];
	uint32_t n_ranges; /* 0: not known */
	uint32_t max_maps; /* most maps at one time; UINT32_MAX: no such limit */
	uint64_t offset[IMS_VFIO_MAX_REGIONS]; /* of each region in the device's file */

	/* ims_vfio_kernel_event.c */
	pthread_t thread;
	bool has_thread;
	int err_fd;
	int req_fd;
	int stop_fd;
};

static inline struct ims_vfio_kernel *
vk_from(struct ims_vfio *v)
{
	return (struct ims_vfio_kernel *)v;
}

extern const struct vk_iommu_ops vk_container_ops;
extern const struct vk_iommu_ops vk_iommufd_ops;

/*
 * Linux has the device's own character device, and iommufd: 1; 0: no; why that cannot be known:
 * -EACCES, -EMFILE, -ENFILE, -ENOMEM.
 */
int
vk_iommufd_present(const char *bdf);

/*
 * The last part of what a link of the device in sysfs points to. 0; -ENOENT there is no such link;
 * why it cannot be read.
 */
int
vk_sysfs_link(const char *bdf, const char *name, char *val, size_t size);

/* Hear of errors of the device, and of requests to release it. 0 or a negative errno value. */
int
vk_event_start(struct ims_vfio_kernel *k);
void
vk_event_stop(struct ims_vfio_kernel *k);

#endif /* _IMS_VFIO_KERNEL_H_ */
