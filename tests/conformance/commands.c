/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The requests that every server grants, and what is wrong in those that it does not. */

#include <errno.h>
#include <stddef.h>

#include "requests.h"

#define CONFIG  VFIO_PCI_CONFIG_REGION_INDEX
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER
#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define NONE    VFIO_IRQ_SET_DATA_NONE
#define BOOL    VFIO_IRQ_SET_DATA_BOOL

static verdict
check_empty(const uint8_t *request)
{
	return in.len == 0 ? NULL : wrong("the reply has a payload of %u bytes", in.len);
}

static verdict
check_unmap(const uint8_t *request)
{
	return in.len == sizeof(struct vfio_user_dma_unmap) &&
	                       memcmp(in.data + 8, request + 8, 16) == 0
	               ? NULL
	               : wrong("the reply is not the entry of the request");
}

static verdict
check_info(const uint8_t *request)
{
	struct vfio_user_device_info info;

	memcpy(&info, in.data, sizeof(info));
	if (in.len != sizeof(info) || info.argsz != sizeof(info))
		return wrong("%u bytes, argsz %u", in.len, info.argsz);
	if ((info.flags & VFIO_DEVICE_FLAGS_PCI) == 0 || info.num_regions < VFIO_PCI_NUM_REGIONS ||
		info.num_irqs == 0)
		return wrong("flags %#x, %u regions, %u interrupts", info.flags, info.num_regions,
			info.num_irqs);
	return NULL;
}

static verdict
check_region_info(const uint8_t *request)
{
	uint32_t asked = get32(request, 0);
	struct vfio_region_info info;

	memcpy(&info, in.data, sizeof(info));
	if (in.len < sizeof(info) || in.len > asked || info.argsz < sizeof(info))
		return wrong("%u bytes, argsz %u, asked for %u", in.len, info.argsz, asked);
	if (info.argsz <= asked && in.len != info.argsz)
		return wrong("%u bytes, but argsz %u", in.len, info.argsz);
	if (info.index != get32(request, 8))
		return wrong("index %u", info.index);
	if ((info.flags & VFIO_REGION_INFO_FLAG_CAPS) != 0 && in.len > sizeof(info) &&
		(info.cap_offset < sizeof(info) || info.cap_offset > in.len - 8))
		return wrong("cap_offset %u of %u bytes", info.cap_offset, in.len);
	if ((info.flags & VFIO_REGION_INFO_FLAG_MMAP) != 0 && in.n_fds == 0)
		return wrong("it can be mapped, but there is no descriptor");
	return NULL;
}

static verdict
check_irq_info(const uint8_t *request)
{
	if (in.len != 16 || get32(in.data, 0) != 16 || get32(in.data, 8) != get32(request, 8))
		return wrong("%u bytes, argsz %u, index %u", in.len, get32(in.data, 0),
			get32(in.data, 8));
	return NULL;
}

static verdict
check_access(uint32_t len, const uint8_t *request)
{
	return in.len == 16 + len && memcmp(in.data, request, 16) == 0
	               ? NULL
	               : wrong("%u bytes, or another access than in the request", in.len);
}

static verdict
check_read(const uint8_t *request)
{
	return check_access(get32(request, 12), request);
}

static verdict
check_write(const uint8_t *request)
{
	return check_access(0, request);
}

static const struct request map_requests[] = {
	{ "no descriptor", GOOD },
	{ "a descriptor", GOOD, 0, MEMORY, 1 },
	{ "the last page there is", GOOD_TOO,
		.changes = { U64(vfio_user_dma_map, addr, -MAP_SIZE) } },
	{ "readable only", GOOD, 0, MEMORY, 1, .changes = { U32(vfio_user_dma_map, flags, 1) } },
	{ "neither readable nor writeable", ANSWERED,
		.changes = { U32(vfio_user_dma_map, flags, 0) } },
	{ "argsz 0", BAD, .changes = { U32(vfio_user_dma_map, argsz, 0) } },
	{ "argsz 31", BAD, .changes = { U32(vfio_user_dma_map, argsz, 31) } },
	{ "argsz larger", ANSWERED, .changes = { U32(vfio_user_dma_map, argsz, 4096) } },
	{ "flags bit 2", BAD, .changes = { U32(vfio_user_dma_map, flags, 7) } },
	{ "flags bit 31", BAD, .changes = { U32(vfio_user_dma_map, flags, 0x80000003) } },
	{ "size 0", BAD, .changes = { U64(vfio_user_dma_map, size, 0) } },
	{ "one byte beyond the address space", BAD,
		.changes = { U64(vfio_user_dma_map, addr, -MAP_SIZE),
			U64(vfio_user_dma_map, size, MAP_SIZE + 1) } },
	{ "size of all bits", BAD, .changes = { U64(vfio_user_dma_map, size, UINT64_MAX) } },
	{ "offset without a descriptor", ANSWERED,
		.changes = { U64(vfio_user_dma_map, offset, MAP_SIZE) } },
	{ "offset at the file's end", BAD, 0, MEMORY, 1,
		.changes = { U64(vfio_user_dma_map, offset, MAP_SIZE) } },
	{ "offset that wraps", BAD, 0, MEMORY, 1,
		.changes = { U64(vfio_user_dma_map, offset, -MAP_SIZE + 1) } },
	{ "longer than the file", BAD, 0, MEMORY, 1,
		.changes = { U64(vfio_user_dma_map, size, 2 * MAP_SIZE) } },
	{ "two descriptors", BAD, 0, MEMORY, 2 },
	{ "a descriptor that cannot be mapped", BAD, 0, USELESS, 1 },
	{ "address of part of a page", ANSWERED,
		.changes = { U64(vfio_user_dma_map, addr, MAP_ADDR + 1) } },
	{ "size of part of a page", ANSWERED, .changes = { U64(vfio_user_dma_map, size, 1) } },
	{ "one byte more", ANSWERED, 1 },
	{ 0 },
};

static const struct request map_again_requests[] = {
	{ "the same again", REFUSED, .error = EEXIST },
	{ "its last byte again", REFUSED, .error = EEXIST,
		.changes = { U64(vfio_user_dma_map, addr, MAP_ADDR + MAP_SIZE - 1) } },
	{ "one that holds it", REFUSED, .error = EEXIST,
		.changes = { U64(vfio_user_dma_map, addr, MAP_ADDR - MAP_SIZE),
			U64(vfio_user_dma_map, size, 3 * MAP_SIZE) } },
	{ "the next page", GOOD, .changes = { U64(vfio_user_dma_map, addr, MAP_ADDR + MAP_SIZE) } },
	{ "the page before", GOOD,
		.changes = { U64(vfio_user_dma_map, addr, MAP_ADDR - MAP_SIZE) } },
	{ 0 },
};

static const struct request unmap_requests[] = {
	{ "what was mapped", GOOD },
	{ "what was not", ANSWERED, .changes = { U64(vfio_user_dma_unmap, addr, 4 * MAP_ADDR) } },
	{ "a part", REFUSED, .changes = { U64(vfio_user_dma_unmap, size, MAP_SIZE / 2) } },
	{ "its second half", REFUSED,
		.changes = { U64(vfio_user_dma_unmap, addr, MAP_ADDR + MAP_SIZE / 2),
			U64(vfio_user_dma_unmap, size, MAP_SIZE / 2) } },
	{ "more than it", ANSWERED, .changes = { U64(vfio_user_dma_unmap, size, 2 * MAP_SIZE) } },
	{ "size 0", BAD, .changes = { U64(vfio_user_dma_unmap, size, 0) } },
	{ "an end that wraps", BAD, .changes = { U64(vfio_user_dma_unmap, size, UINT64_MAX) } },
	{ "argsz 0", BAD, .changes = { U32(vfio_user_dma_unmap, argsz, 0) } },
	{ "argsz 23", BAD, .changes = { U32(vfio_user_dma_unmap, argsz, 23) } },
	{ "dirty pages", ANSWERED, .changes = { U32(vfio_user_dma_unmap, flags, 1) } },
	{ "all, by a flag", ANSWERED,
		.changes = { U32(vfio_user_dma_unmap, flags, 2), U64(vfio_user_dma_unmap, addr, 0),
			U64(vfio_user_dma_unmap, size, 0) } },
	{ "flags bit 2", BAD, .changes = { U32(vfio_user_dma_unmap, flags, 4) } },
	{ "flags bit 31", BAD, .changes = { U32(vfio_user_dma_unmap, flags, 0x80000000) } },
	{ "one byte more", ANSWERED, 1 },
	{ 0 },
};

static const struct request info_requests[] = {
	{ "good", GOOD },
	{ "argsz larger", GOOD, .changes = { U32(vfio_user_device_info, argsz, UINT32_MAX) } },
	{ "argsz 0", BAD, .changes = { U32(vfio_user_device_info, argsz, 0) } },
	{ "argsz 15", BAD, .changes = { U32(vfio_user_device_info, argsz, 15) } },
	{ "flags that must be 0", ANSWERED, .changes = { U32(vfio_user_device_info, flags, 1) } },
	{ "counts that must be 0", ANSWERED,
		.changes = { U32(vfio_user_device_info, num_regions, UINT32_MAX),
			U32(vfio_user_device_info, num_irqs, UINT32_MAX) } },
	{ "one byte more", ANSWERED, 1 },
	{ 0 },
};

/* QEMU asks a second time with the fields of the first answer, so what must be 0 may not be. */
static const struct request region_info_requests[] = {
	{ "configuration space", GOOD },
	{ "argsz larger", GOOD, .changes = { U32(vfio_region_info, argsz, 4096) } },
	{ "BAR 0, argsz of the plain struct", GOOD,
		.changes = { U32(vfio_region_info, index, 0) } },
	{ "BAR 0, argsz larger", GOOD,
		.changes = { U32(vfio_region_info, index, 0),
			U32(vfio_region_info, argsz, 4096) } },
	{ "BAR 0, one byte for capabilities", GOOD,
		.changes = { U32(vfio_region_info, index, 0), U32(vfio_region_info, argsz, 33) } },
	{ "the last region", GOOD,
		.changes = { U32(vfio_region_info, index, -1, &dev.n_regions) } },
	{ "one past the last", BAD,
		.changes = { U32(vfio_region_info, index, 0, &dev.n_regions) } },
	{ "index of all bits", BAD, .changes = { U32(vfio_region_info, index, UINT32_MAX) } },
	{ "argsz 0", BAD, .changes = { U32(vfio_region_info, argsz, 0) } },
	{ "argsz 31", BAD, .changes = { U32(vfio_region_info, argsz, 31) } },
	{ "fields that must be 0", ANSWERED,
		.changes = { U32(vfio_region_info, flags, 0xf), U64(vfio_region_info, size, 1) } },
	{ "cap_offset and offset that must be 0", ANSWERED,
		.changes = { U32(vfio_region_info, cap_offset, UINT32_MAX),
			U64(vfio_region_info, offset, UINT64_MAX) } },
	{ "one byte more", ANSWERED, 1 },
	{ 0 },
};

static const struct request irq_info_requests[] = {
	{ "good", GOOD },
	{ "argsz larger", GOOD, .changes = { U32(vfio_irq_info, argsz, 4096) } },
	{ "the last index", GOOD, .changes = { U32(vfio_irq_info, index, -1, &dev.n_irqs) } },
	{ "one past the last", BAD, .changes = { U32(vfio_irq_info, index, 0, &dev.n_irqs) } },
	{ "index of all bits", BAD, .changes = { U32(vfio_irq_info, index, UINT32_MAX) } },
	{ "argsz 0", BAD, .changes = { U32(vfio_irq_info, argsz, 0) } },
	{ "argsz 15", BAD, .changes = { U32(vfio_irq_info, argsz, 15) } },
	{ "fields that must be 0", ANSWERED,
		.changes = { U32(vfio_irq_info, flags, 1), U32(vfio_irq_info, count, 1) } },
	{ "one byte more", ANSWERED, 1 },
	{ 0 },
};

/* The good one disables all vectors of an index, which it may also if there are none. */
static const struct request set_irqs_requests[] = {
	{ "disable all", GOOD },
	{ "an eventfd", GOOD, 0, EVENTS, 1, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, EVENTFD | TRIGGER),
			U32(vfio_irq_set, count, 1) } },
	{ "the last vector", GOOD, 0, EVENTS, 1, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, EVENTFD | TRIGGER),
			U32(vfio_irq_set, count, 1),
			U32(vfio_irq_set, start, -1, &dev.n_vectors) } },
	{ "two eventfds", GOOD, 0, EVENTS, 2, .vectors = 2,
		.changes = { U32(vfio_irq_set, flags, EVENTFD | TRIGGER),
			U32(vfio_irq_set, count, 2) } },
	{ "no descriptor", GOOD, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, EVENTFD | TRIGGER),
			U32(vfio_irq_set, count, 1) } },
	{ "a descriptor too few", BAD, 0, EVENTS, 1, .vectors = 2,
		.changes = { U32(vfio_irq_set, flags, EVENTFD | TRIGGER),
			U32(vfio_irq_set, count, 2) } },
	{ "a descriptor too many", BAD, 0, EVENTS, 2, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, EVENTFD | TRIGGER),
			U32(vfio_irq_set, count, 1) } },
	{ "one past the last", BAD, 0, EVENTS, 1, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, EVENTFD | TRIGGER),
			U32(vfio_irq_set, count, 1),
			U32(vfio_irq_set, start, 0, &dev.n_vectors) } },
	{ "more than there are", BAD, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, NONE | TRIGGER),
			U32(vfio_irq_set, count, 1, &dev.n_vectors) } },
	{ "a range that wraps", BAD, .vectors = 1,
		.changes = { U32(vfio_irq_set, count, 2), U32(vfio_irq_set, start, UINT32_MAX) } },
	{ "a range that wraps to an end", BAD, .vectors = 1,
		.changes = { U32(vfio_irq_set, count, UINT32_MAX), U32(vfio_irq_set, start, 1) } },
	{ "trigger one", GOOD, .vectors = 1, .changes = { U32(vfio_irq_set, count, 1) } },
	{ "trigger by boolean", GOOD, 1, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, BOOL | TRIGGER), U32(vfio_irq_set, count, 1),
			U32(vfio_irq_set, argsz, 21) } },
	{ "booleans missing", BAD, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, BOOL | TRIGGER),
			U32(vfio_irq_set, count, 1) } },
	{ "a boolean too few", BAD, 1, .vectors = 2,
		.changes = { U32(vfio_irq_set, flags, BOOL | TRIGGER), U32(vfio_irq_set, count, 2),
			U32(vfio_irq_set, argsz, 22) } },
	{ "argsz 0", BAD, .changes = { U32(vfio_irq_set, argsz, 0) } },
	{ "argsz 19", BAD, .changes = { U32(vfio_irq_set, argsz, 19) } },
	{ "flags 0", REFUSED, .changes = { U32(vfio_irq_set, flags, 0) } },
	{ "no data type", REFUSED, .changes = { U32(vfio_irq_set, flags, TRIGGER) } },
	{ "two data types", REFUSED,
		.changes = { U32(vfio_irq_set, flags, NONE | BOOL | TRIGGER) } },
	{ "no action", REFUSED, .changes = { U32(vfio_irq_set, flags, NONE) } },
	{ "two actions", REFUSED,
		.changes = { U32(
			vfio_irq_set, flags, NONE | TRIGGER | VFIO_IRQ_SET_ACTION_MASK) } },
	{ "flags bit 6", BAD, .changes = { U32(vfio_irq_set, flags, NONE | TRIGGER | 0x40) } },
	{ "mask", ANSWERED, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, NONE | VFIO_IRQ_SET_ACTION_MASK),
			U32(vfio_irq_set, count, 1) } },
	{ "an index that is not there", BAD,
		.changes = { U32(vfio_irq_set, index, 0, &dev.n_irqs) } },
	{ "index of all bits", BAD, .changes = { U32(vfio_irq_set, index, UINT32_MAX) } },
	{ "count 0 and start 1", BAD, .vectors = 1, .changes = { U32(vfio_irq_set, start, 1) } },
	{ "start of all bits", BAD, .vectors = 1,
		.changes = { U32(vfio_irq_set, start, UINT32_MAX), U32(vfio_irq_set, count, 1) } },
	{ "no descriptor, for more than there are", BAD, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, EVENTFD | TRIGGER),
			U32(vfio_irq_set, count, 1, &dev.n_vectors) } },
	{ "no descriptor, for a range that wraps", BAD, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, EVENTFD | TRIGGER),
			U32(vfio_irq_set, count, UINT32_MAX), U32(vfio_irq_set, start, 1) } },
	{ "booleans of a range that wraps", BAD, 1, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, BOOL | TRIGGER),
			U32(vfio_irq_set, count, UINT32_MAX), U32(vfio_irq_set, start, 2) } },
	{ "booleans, and a descriptor", BAD, 1, EVENTS, 1, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, BOOL | TRIGGER), U32(vfio_irq_set, count, 1),
			U32(vfio_irq_set, argsz, 21) } },
	{ "a descriptor that cannot be an event's", ANSWERED, 0, USELESS, 1, .vectors = 1,
		.changes = { U32(vfio_irq_set, flags, EVENTFD | TRIGGER),
			U32(vfio_irq_set, count, 1) } },
	{ 0 },
};

#define ACCESS vfio_user_region_access
static const struct request read_requests[] = {
	{ "four bytes", GOOD },
	{ "the first byte", GOOD, .changes = { U32(ACCESS, count, 1) } },
	{ "the last byte", GOOD,
		.changes = { U64(ACCESS, offset, -1, &dev.config_size), U32(ACCESS, count, 1) } },
	{ "all", GOOD, .changes = { U32(ACCESS, count, 0, &dev.config_size) } },
	{ "no byte", ANSWERED, .changes = { U32(ACCESS, count, 0) } },
	{ "the byte behind the end", BAD,
		.changes = { U64(ACCESS, offset, 0, &dev.config_size), U32(ACCESS, count, 1) } },
	{ "one byte beyond the end", BAD,
		.changes = { U64(ACCESS, offset, -3, &dev.config_size) } },
	{ "one byte more than all", BAD, .changes = { U32(ACCESS, count, 1, &dev.config_size) } },
	{ "two bytes across a word's end", ANSWERED,
		.changes = { U64(ACCESS, offset, 3), U32(ACCESS, count, 2) } },
	{ "four bytes, unaligned", ANSWERED, .changes = { U64(ACCESS, offset, 1) } },
	{ "three bytes", ANSWERED, .changes = { U32(ACCESS, count, 3) } },
	{ "an offset of all bits", BAD,
		.changes = { U64(ACCESS, offset, UINT64_MAX), U32(ACCESS, count, 1) } },
	{ "an end that wraps", BAD, .changes = { U64(ACCESS, offset, -2) } },
	{ "one more than max_data_xfer_size", REFUSED,
		.changes = { U32(ACCESS, count, 1, &dev.max_data) } },
	{ "count of all bits", REFUSED, .changes = { U32(ACCESS, count, UINT32_MAX) } },
	{ "a region of size 0", BAD, .changes = { U32(ACCESS, region, 0, &dev.empty_region) } },
	{ "one past the last region", BAD, .changes = { U32(ACCESS, region, 0, &dev.n_regions) } },
	{ "region of all bits", BAD, .changes = { U32(ACCESS, region, UINT32_MAX) } },
	{ "one byte more", ANSWERED, 1 },
	{ 0 },
};

static const struct request write_requests[] = {
	{ "one byte", GOOD },
	{ "no byte", ANSWERED, -1, .changes = { U32(ACCESS, count, 0) } },
	{ "the byte behind the end", BAD, .changes = { U64(ACCESS, offset, 0, &dev.config_size) } },
	{ "an end that wraps", BAD, 1,
		.changes = { U64(ACCESS, offset, -1), U32(ACCESS, count, 2) } },
	{ "one byte beyond the end", BAD, 1,
		.changes = { U64(ACCESS, offset, -1, &dev.config_size), U32(ACCESS, count, 2) } },
	{ "two bytes, unaligned, over what is fixed", ANSWERED, 1,
		.changes = { U64(ACCESS, offset, 1), U32(ACCESS, count, 2) } },
	{ "region of all bits", BAD, .changes = { U32(ACCESS, region, UINT32_MAX) } },
	{ "less data than count", BAD, .changes = { U32(ACCESS, count, 2) } },
	{ "more data than count", BAD, 1 },
	{ "count of all bits", REFUSED, .changes = { U32(ACCESS, count, UINT32_MAX) } },
	{ "a region of size 0", BAD, .changes = { U32(ACCESS, region, 0, &dev.empty_region) } },
	{ "one past the last region", BAD, .changes = { U32(ACCESS, region, 0, &dev.n_regions) } },
	{ 0 },
};

static const struct request reset_requests[] = {
	{ "good", GOOD },
	{ "a payload", BAD, 4 },
	{ 0 },
};

#define MAP_GOOD                                                                     \
	{                                                                            \
		U32(vfio_user_dma_map, argsz, 32), U32(vfio_user_dma_map, flags, 3), \
			U64(vfio_user_dma_map, addr, MAP_ADDR),                      \
			U64(vfio_user_dma_map, size, MAP_SIZE)                       \
	}

const struct command commands[] = {
	{ "DMA_MAP", VFIO_USER_DMA_MAP, 32, .good = MAP_GOOD, map_requests, check_empty },
	{ "DMA_MAP over a map", VFIO_USER_DMA_MAP, 32, .before = map_first, .good = MAP_GOOD,
		map_again_requests, check_empty },
	{ "DMA_UNMAP", VFIO_USER_DMA_UNMAP, 24, .before = map_first,
		.good = { U32(vfio_user_dma_unmap, argsz, 24),
			U64(vfio_user_dma_unmap, addr, MAP_ADDR),
			U64(vfio_user_dma_unmap, size, MAP_SIZE) },
		unmap_requests, check_unmap },
	{ "DEVICE_GET_INFO", VFIO_USER_DEVICE_GET_INFO, 16,
		.good = { U32(vfio_user_device_info, argsz, 16) }, info_requests, check_info },
	{ "DEVICE_GET_REGION_INFO", VFIO_USER_DEVICE_GET_REGION_INFO, 32,
		.good = { U32(vfio_region_info, argsz, 32), U32(vfio_region_info, index, CONFIG) },
		region_info_requests, check_region_info },
	{ "DEVICE_GET_IRQ_INFO", VFIO_USER_DEVICE_GET_IRQ_INFO, 16,
		.good = { U32(vfio_irq_info, argsz, 16), U32(vfio_irq_info, index, 0, &dev.irq) },
		irq_info_requests, check_irq_info },
	{ "DEVICE_SET_IRQS", VFIO_USER_DEVICE_SET_IRQS, 20,
		.good = { U32(vfio_irq_set, argsz, 20), U32(vfio_irq_set, flags, NONE | TRIGGER),
			U32(vfio_irq_set, index, 0, &dev.irq) },
		set_irqs_requests, check_empty },
	{ "REGION_READ", VFIO_USER_REGION_READ, 16,
		.good = { U32(ACCESS, region, CONFIG), U32(ACCESS, count, 4) }, read_requests,
		check_read },
	/* The interrupt line: any value may be kept there. */
	{ "REGION_WRITE", VFIO_USER_REGION_WRITE, 17,
		.good = { U64(ACCESS, offset, 0x3c), U32(ACCESS, region, CONFIG),
			U32(ACCESS, count, 1) },
		write_requests, check_write },
	{ "DEVICE_RESET", VFIO_USER_DEVICE_RESET, 0, .good = { { 0 } }, reset_requests,
		check_empty },
};

const size_t n_commands = sizeof(commands) / sizeof(commands[0]);
