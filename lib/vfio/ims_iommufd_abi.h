/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_IOMMUFD_ABI_H_
#define _IMS_IOMMUFD_ABI_H_

#include <assert.h>
#include <stdint.h>

#include <linux/vfio.h>

/*
 * What is used of Linux' iommufd interface (from 6.2 on) and of VFIO's character devices (6.6). The
 * kernel headers of Debian 12 are older. Documentation/userspace-api/iommufd.rst, vfio.rst.
 */

#define IOMMUFD_IOAS_ALLOC       _IO(';', 0x81)
#define IOMMUFD_IOAS_IOVA_RANGES _IO(';', 0x84)
#define IOMMUFD_IOAS_MAP         _IO(';', 0x85)
#define IOMMUFD_IOAS_UNMAP       _IO(';', 0x86)

struct iommufd_ioas_alloc {
	uint32_t size; /* of this struct, as in all of them */
	uint32_t flags;
	uint32_t out_ioas_id;
};
static_assert(sizeof(struct iommufd_ioas_alloc) == 12, "kernel interface");

struct iommufd_iova_range {
	uint64_t start;
	uint64_t last; /* inclusive */
};

struct iommufd_ioas_iova_ranges {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas; /* in: room; out: how many there are */
	uint32_t reserved;
	uint64_t allowed_iovas; /* address of an array of struct iommufd_iova_range */
	uint64_t out_iova_alignment;
};
static_assert(sizeof(struct iommufd_ioas_iova_ranges) == 32, "kernel interface");

#define IOMMUFD_MAP_FIXED_IOVA 0x1u
#define IOMMUFD_MAP_WRITEABLE  0x2u
#define IOMMUFD_MAP_READABLE   0x4u

struct iommufd_ioas_map {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t reserved;
	uint64_t user_va;
	uint64_t length;
	uint64_t iova;
};
static_assert(sizeof(struct iommufd_ioas_map) == 40, "kernel interface");

struct iommufd_ioas_unmap {
	uint32_t size;
	uint32_t ioas_id;
	uint64_t iova;
	uint64_t length;
};
static_assert(sizeof(struct iommufd_ioas_unmap) == 24, "kernel interface");

#define VFIO_CDEV_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
#define VFIO_CDEV_ATTACH_IOAS  _IO(VFIO_TYPE, VFIO_BASE + 19)

struct vfio_cdev_bind {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
};
static_assert(sizeof(struct vfio_cdev_bind) == 16, "kernel interface");

struct vfio_cdev_attach {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pt_id;
};
static_assert(sizeof(struct vfio_cdev_attach) == 12, "kernel interface");

#endif /* _IMS_IOMMUFD_ABI_H_ */
