/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * One request, one answer: for each command a request that is good, and what becomes of it when one
 * field of it is not. A case is that request with some fields changed, a length, and descriptors.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conformance.h"

#define MAP_ADDR 0x10000000ull
#define MAP_SIZE 0x1000ull
#define CONFIG   VFIO_PCI_CONFIG_REGION_INDEX
#define TRIGGER  VFIO_IRQ_SET_ACTION_TRIGGER
#define EVENTFD  VFIO_IRQ_SET_DATA_EVENTFD
#define NONE     VFIO_IRQ_SET_DATA_NONE
#define BOOL     VFIO_IRQ_SET_DATA_BOOL

enum expected {
	GOOD,     /* granted, as the specification demands */
	GOOD_TOO, /* granted, though the specification does not say so */
	REFUSED,  /* by the specification */
	BAD,      /* refused by a server that looks at what it gets */
	ANSWERED, /* either: the specification leaves it open */
};

enum carried {
	NO_FD,
	MEMORY,  /* a memfd of MAP_SIZE bytes */
	EVENTS,  /* eventfds */
	USELESS, /* the write end of a pipe */
};

/* A field's value, plus what the device says. */
struct change {
	uint8_t at;
	uint8_t size;
	uint64_t value;
	const uint64_t *plus;
};

#define U32(s, f, ...)                                \
	{                                             \
		offsetof(struct s, f), 4, __VA_ARGS__ \
	}
#define U64(s, f, ...)                                \
	{                                             \
		offsetof(struct s, f), 8, __VA_ARGS__ \
	}

struct request {
	const char *name;
	enum expected expected;
	int32_t longer; /* than the command's good request, in bytes */
	enum carried carried;
	uint8_t n_fds;
	uint32_t error;   /* the errno it must be; 0: any */
	uint32_t vectors; /* that the device must have */
	struct change changes[3];
};

struct command {
	const char *name;
	uint16_t number;
	uint8_t len;   /* of the good request */
	bool optional; /* a server may not know it */
	bool mapped;   /* a map at MAP_ADDR is made first */
	struct change good[5];
	const struct request *requests;
	verdict (*check)(const uint8_t *request); /* a good reply, in `in` */
};

static uint32_t
get32(const uint8_t *p, size_t at)
{
	uint32_t val;

	memcpy(&val, p + at, sizeof(val));
	return val;
}

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
check_io_fds(const uint8_t *request)
{
	if (in.len < 16 || in.len > get32(request, 0))
		return wrong("%u bytes", in.len);
	if (get32(in.data, 0) < 16 || get32(in.data, 4) != 0 ||
		get32(in.data, 8) != get32(request, 8))
		return wrong("argsz %u, flags %u, index %u", get32(in.data, 0), get32(in.data, 4),
			get32(in.data, 8));
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

static verdict
check_any(const uint8_t *request)
{
	return NULL;
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
	{ 0 },
};

static const struct request info_requests[] = {
	{ "good", GOOD },
	{ "argsz larger", GOOD, .changes = { U32(vfio_user_device_info, argsz, UINT32_MAX) } },
	{ "argsz 0", BAD, .changes = { U32(vfio_user_device_info, argsz, 0) } },
	{ "argsz 15", BAD, .changes = { U32(vfio_user_device_info, argsz, 15) } },
	{ "flags that must be 0", ANSWERED, .changes = { U32(vfio_user_device_info, flags, 1) } },
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
	{ "one byte more", ANSWERED, 1 },
	{ 0 },
};

static const struct request io_fds_requests[] = {
	{ "good", GOOD },
	{ "argsz larger", GOOD, .changes = { U32(vfio_user_region_io_fds, argsz, 4096) } },
	{ "argsz 15", BAD, .changes = { U32(vfio_user_region_io_fds, argsz, 15) } },
	{ "one past the last region", BAD,
		.changes = { U32(vfio_user_region_io_fds, index, 0, &dev.n_regions) } },
	{ "flags that must be 0", BAD, .changes = { U32(vfio_user_region_io_fds, flags, 1) } },
	{ "count that must be 0", ANSWERED, .changes = { U32(vfio_user_region_io_fds, count, 1) } },
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
	{ "fields that must be 0", ANSWERED, .changes = { U32(vfio_irq_info, flags, 1) } },
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

/* Whether a server knows these is its own affair; it has to answer. */
static const struct request optional_requests[] = {
	{ "answered", ANSWERED },
	{ "no payload", BAD, INT32_MIN },
	{ 0 },
};

/* Not for a client to send, or not a command at all. */
static const struct request refused_requests[] = {
	{ "refused", BAD },
	{ "no payload", BAD, INT32_MIN },
	{ 0 },
};

#define MAP_GOOD                                                                     \
	{                                                                            \
		U32(vfio_user_dma_map, argsz, 32), U32(vfio_user_dma_map, flags, 3), \
			U64(vfio_user_dma_map, addr, MAP_ADDR),                      \
			U64(vfio_user_dma_map, size, MAP_SIZE)                       \
	}

static const struct command commands[] = {
	{ "DMA_MAP", VFIO_USER_DMA_MAP, 32, .good = MAP_GOOD, map_requests, check_empty },
	{ "DMA_MAP over a map", VFIO_USER_DMA_MAP, 32, .mapped = true, .good = MAP_GOOD,
		map_again_requests, check_empty },
	{ "DMA_UNMAP", VFIO_USER_DMA_UNMAP, 24, .mapped = true,
		.good = { U32(vfio_user_dma_unmap, argsz, 24),
			U64(vfio_user_dma_unmap, addr, MAP_ADDR),
			U64(vfio_user_dma_unmap, size, MAP_SIZE) },
		unmap_requests, check_unmap },
	{ "DEVICE_GET_INFO", VFIO_USER_DEVICE_GET_INFO, 16,
		.good = { U32(vfio_user_device_info, argsz, 16) }, info_requests, check_info },
	{ "DEVICE_GET_REGION_INFO", VFIO_USER_DEVICE_GET_REGION_INFO, 32,
		.good = { U32(vfio_region_info, argsz, 32), U32(vfio_region_info, index, CONFIG) },
		region_info_requests, check_region_info },
	{ "DEVICE_GET_REGION_IO_FDS", VFIO_USER_DEVICE_GET_REGION_IO_FDS, 16, .optional = true,
		.good = { U32(vfio_user_region_io_fds, argsz, 16) }, io_fds_requests,
		check_io_fds },
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
	{ "REGION_WRITE_MULTI", VFIO_USER_REGION_WRITE_MULTI, 32, .optional = true,
		.good = { { 0, 8, 1 }, { 8, 8, 0x3c }, { 16, 4, CONFIG }, { 20, 4, 1 } },
		optional_requests, check_any },
	{ "DEVICE_FEATURE", VFIO_USER_DEVICE_FEATURE, 8, .optional = true,
		.good = { { 0, 4, 8 }, { 4, 4, 0x10001 } }, optional_requests, check_any },
	{ "MIG_DATA_READ", VFIO_USER_MIG_DATA_READ, 8, .optional = true,
		.good = { { 0, 4, 12 }, { 4, 4, 4 } }, optional_requests, check_any },
	{ "MIG_DATA_WRITE", VFIO_USER_MIG_DATA_WRITE, 12, .optional = true,
		.good = { { 0, 4, 12 }, { 4, 4, 4 } }, optional_requests, check_any },
	{ "DMA_READ from a client", VFIO_USER_DMA_READ, 16, .optional = true,
		.good = { { 0, 8, MAP_ADDR }, { 8, 8, 4 } }, refused_requests, check_any },
	{ "DMA_WRITE from a client", VFIO_USER_DMA_WRITE, 20, .optional = true,
		.good = { { 0, 8, MAP_ADDR }, { 8, 8, 4 } }, refused_requests, check_any },
	{ "command 0", 0, 8, .optional = true, .good = { { 0 } }, refused_requests, check_any },
	{ "command 14", 14, 8, .optional = true, .good = { { 0 } }, refused_requests, check_any },
	{ "command 19", 19, 8, .optional = true, .good = { { 0 } }, refused_requests, check_any },
	{ "command 65535", 65535, 8, .optional = true, .good = { { 0 } }, refused_requests,
		check_any },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
apply(uint8_t *payload, const struct change *c, size_t n)
{
	uint64_t val;

	for (; n-- != 0 && c->size != 0; c++) {
		val = c->value + (c->plus != NULL ? *c->plus : 0);
		memcpy(payload + c->at, &val, c->size);
	}
}

/* Descriptors of the kind. Only the caller's copies are left to close. */
static unsigned int
make_fds(enum carried kind, unsigned int n, int fds[MAX_FDS])
{
	int ends[2];
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (kind == EVENTS) {
			fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		} else if (kind == USELESS && pipe2(ends, O_CLOEXEC) == 0) {
			close(ends[0]);
			fds[i] = ends[1];
		} else {
			fds[i] = memfd_create("conformance", MFD_CLOEXEC);
			if (ftruncate(fds[i], MAP_SIZE) < 0)
				break;
		}
	}
	return i;
}

static verdict
map_first(void)
{
	static const struct change good[5] = MAP_GOOD;
	uint8_t payload[32] = { 0 };
	uint32_t error = 0;
	verdict v;

	apply(payload, good, 5);
	conn_request(2, VFIO_USER_DMA_MAP, 0, payload, sizeof(payload), NULL, 0);
	v = conn_reply(2, VFIO_USER_DMA_MAP, &error);
	return v == NULL && error != 0 ? wrong("a map is refused: %s", strerror(error)) : v;
}

static verdict
judge(const struct command *c, const struct request *r, const uint8_t *payload, uint32_t error)
{
	bool must = r->expected == GOOD || r->expected == GOOD_TOO;

	if (error == 0 && (r->expected == REFUSED || r->expected == BAD))
		return wrong("accepted");
	if (error == 0)
		return c->check(payload);
	if (must && !c->optional)
		return wrong("refused: %s", strerror(error));
	if (r->error != 0 && error != r->error)
		return wrong("refused, but by %s", strerror(error));
	return NULL;
}

static uint32_t
request_len(const struct command *c, const struct request *r)
{
	return r->longer == INT32_MIN ? 0 : c->len + r->longer;
}

static verdict
run(const struct command *c, const struct request *r, uint32_t *error)
{
	uint8_t payload[64] = { 0 };
	int fds[MAX_FDS];
	unsigned int n_fds, i;
	verdict v;

	if (!conn_ready())
		return wrong("no connection");
	v = c->mapped ? map_first() : NULL;
	if (v != NULL)
		return v;
	apply(payload, c->good, 5);
	apply(payload, r->changes, 3);
	n_fds = make_fds(r->carried, r->n_fds, fds);
	conn_request(0xffff, c->number, 0, payload, request_len(c, r), fds, n_fds);
	for (i = 0; i < n_fds; i++)
		close(fds[i]);
	v = conn_reply(0xffff, c->number, error);
	if (v == NULL)
		v = judge(c, r, payload, *error);
	message_drop_fds(&in);
	return v != NULL ? v : conn_alive();
}

static void
run_requests(const struct command *c)
{
	const struct request *r;
	uint32_t error;
	verdict v;

	for (r = c->requests; r->name != NULL; r++) {
		if (!wanted(c->name, r->name))
			continue;
		if (r->vectors > dev.n_vectors) {
			report_skip(c->name, r->name, "the device has too few vectors");
			continue;
		}
		error = 0;
		v = run(c, r, &error);
		report(c->name, r->name, r->expected != BAD && r->expected != GOOD_TOO, v,
			error != 0 ? strerror(error) : NULL);
	}
}

/* A payload that ends early, at each of its bytes. */
static void
run_cut(const struct command *c)
{
	uint8_t payload[64] = { 0 };
	uint32_t len, error = 0;
	verdict v = NULL;

	if (c->len == 0 || !wanted(c->name, "cut short"))
		return;
	apply(payload, c->good, 5);
	for (len = 0; len < c->len && v == NULL; len++) {
		if (!conn_ready()) {
			v = wrong("no connection");
			break;
		}
		conn_request(0, c->number, 0, payload, len, NULL, 0);
		v = conn_reply(0, c->number, &error);
		if (v == NULL && error == 0)
			v = wrong("%u of %u bytes are accepted", len, c->len);
		if (v == NULL)
			v = conn_alive();
	}
	report(c->name, "cut short", false, v, NULL);
}

/* A descriptor that the command does not take: whatever the answer, the server must not keep it. */
static void
run_surplus(const struct command *c)
{
	uint8_t payload[64] = { 0 };
	uint32_t error;
	verdict v;
	int ends[2];

	if (!wanted(c->name, "surplus descriptor"))
		return;
	if (!conn_ready() || pipe2(ends, O_CLOEXEC) < 0) {
		report(c->name, "surplus descriptor", false, wrong("no connection"), NULL);
		return;
	}
	apply(payload, c->good, 5);
	conn_request(7, c->number, 0, payload, c->len, &ends[1], 1);
	close(ends[1]);
	v = conn_reply(7, c->number, &error);
	if (v == NULL)
		v = conn_alive();
	if (v == NULL && !pipe_released(ends[0]))
		v = wrong("the server keeps it");
	close(ends[0]);
	report(c->name, "surplus descriptor", false, v, NULL);
}

/* With No_reply nothing comes, be it granted or refused, and it is done before what comes next. */
static void
run_no_reply(const struct command *c)
{
	uint8_t payload[64] = { 0 };
	verdict v;

	if (!wanted(c->name, "No_reply"))
		return;
	if (!conn_ready()) {
		report(c->name, "No_reply", true, wrong("no connection"), NULL);
		return;
	}
	apply(payload, c->good, 5);
	conn_request(8, c->number, VFIO_USER_F_NO_REPLY, payload, c->len, NULL, 0);
	conn_request(9, c->number, VFIO_USER_F_NO_REPLY, payload, c->len / 2, NULL, 0);
	v = conn_alive();
	report(c->name, "No_reply", true, v, NULL);
}

void
requests_run(void)
{
	size_t i;

	for (i = 0; i < N_COMMANDS; i++) {
		run_requests(&commands[i]);
		if (i != 0 && commands[i].number == commands[i - 1].number)
			continue;
		run_cut(&commands[i]);
		run_surplus(&commands[i]);
		run_no_reply(&commands[i]);
	}
}
