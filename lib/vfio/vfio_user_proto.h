/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _VFIO_USER_PROTO_H_
#define _VFIO_USER_PROTO_H_

#include <assert.h>
#include <stdint.h>

/*
 * The vfio-user wire format, after the public specification
 * (https://www.qemu.org/docs/master/interop/vfio-user.html). Client and server include this file
 * and share nothing else. All fields are little endian in practice: the specification leaves byte
 * order to the host, both ends run on one machine.
 */

#define VFIO_USER_MAJOR 0
#define VFIO_USER_MINOR 1

enum vfio_user_command {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DMA_MAP = 2,
	VFIO_USER_DMA_UNMAP = 3,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_GET_REGION_IO_FDS = 6,
	VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
	VFIO_USER_DMA_READ = 11,
	VFIO_USER_DMA_WRITE = 12,
	VFIO_USER_DEVICE_RESET = 13,
	VFIO_USER_REGION_WRITE_MULTI = 15,
	VFIO_USER_DEVICE_FEATURE = 16,
	VFIO_USER_MIG_DATA_READ = 17,
	VFIO_USER_MIG_DATA_WRITE = 18,
};

#define VFIO_USER_F_TYPE_MASK    0x0fu
#define VFIO_USER_F_TYPE_COMMAND 0u
#define VFIO_USER_F_TYPE_REPLY   1u
#define VFIO_USER_F_NO_REPLY     0x10u
#define VFIO_USER_F_ERROR        0x20u

struct vfio_user_header {
	uint16_t id;
	uint16_t command;
	uint32_t size; /* of the whole message, this header included */
	uint32_t flags;
	uint32_t error; /* an errno value, valid with VFIO_USER_F_ERROR */
};
static_assert(sizeof(struct vfio_user_header) == 16, "wire format");

struct vfio_user_version {
	uint16_t major;
	uint16_t minor;
	char json[]; /* NUL-terminated; may be missing in a request */
};
static_assert(sizeof(struct vfio_user_version) == 4, "wire format");

#define VFIO_USER_DMA_F_READ  0x1u
#define VFIO_USER_DMA_F_WRITE 0x2u
struct vfio_user_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset;
	uint64_t addr;
	uint64_t size;
};
static_assert(sizeof(struct vfio_user_dma_map) == 32, "wire format");

#define VFIO_USER_UNMAP_F_DIRTY 0x1u
#define VFIO_USER_UNMAP_F_ALL   0x2u
struct vfio_user_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t addr;
	uint64_t size;
};
static_assert(sizeof(struct vfio_user_dma_unmap) == 24, "wire format");

/* DEVICE_GET_INFO, GET_REGION_INFO, GET_IRQ_INFO and SET_IRQS carry <linux/vfio.h> structs. */
struct vfio_user_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t num_regions;
	uint32_t num_irqs;
};
static_assert(sizeof(struct vfio_user_device_info) == 16, "wire format");

struct vfio_user_region_io_fds {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};
static_assert(sizeof(struct vfio_user_region_io_fds) == 16, "wire format");

struct vfio_user_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint8_t data[];
};
static_assert(sizeof(struct vfio_user_region_access) == 16, "wire format");

struct vfio_user_dma_access {
	uint64_t addr;
	uint64_t count;
	uint8_t data[];
};
static_assert(sizeof(struct vfio_user_dma_access) == 16, "wire format");

/* The MSI window of the x86 root complex: a client that takes messages exports it for writing. */
#define VFIO_USER_MSI_WINDOW_BASE 0xfee00000ull
#define VFIO_USER_MSI_WINDOW_SIZE 0x100000ull

#endif /* _VFIO_USER_PROTO_H_ */
