/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Memory of the client's: rings, and what descriptors name. It may be spread over any number of
 * maps, a page each if the client is a guest's; each has to have a file and to allow the access.
 */

#include <string.h>

#include "crc32c.h"
#include "queue_dev_model.h"

void
qd_ring_set(struct qd_ring *ring, uint64_t iova, uint32_t entry, uint8_t log_size, bool write)
{
	*ring = (struct qd_ring){
		.iova = iova,
		.len = (uint64_t)entry << log_size,
		.entry = entry,
		.write = write,
	};
}

/* From an entry on, as much as its map holds of whole ones. 0: it cannot be reached. */
static uint64_t
ring_part(struct queue_dev *d, const struct qd_ring *ring, uint64_t off, uint8_t **addr)
{
	uint64_t len = ring->len - off;

	if (ring->iova + off < off)
		return 0;
	*addr = vfu_dma_extent(d->vfu, ring->iova + off, &len, ring->write);
	/* Words of entries are accessed at once. */
	if (*addr == NULL || (uintptr_t)*addr % sizeof(uint64_t) != 0)
		return 0;
	return len - len % ring->entry;
}

bool
qd_ring_good(struct queue_dev *d, const struct qd_ring *ring)
{
	uint64_t off, len;
	uint8_t *addr;

	if (ring->iova % QUEUE_DEV_RING_ALIGN != 0)
		return false;
	for (off = 0; off < ring->len; off += len) {
		len = ring_part(d, ring, off, &addr);
		if (len == 0)
			return false;
	}
	return true;
}

void *
qd_ring_find(struct queue_dev *d, struct qd_ring *ring, uint64_t off)
{
	ring->part = off;
	ring->part_len = ring_part(d, ring, off, &ring->addr);
	return ring->part_len != 0 ? ring->addr : NULL;
}

bool
qd_mem_good(struct queue_dev *d, uint64_t iova, uint64_t len, bool write)
{
	uint64_t part;

	if (iova + len - 1 < iova)
		return false;
	for (; len != 0; iova += part, len -= part) {
		part = len;
		if (vfu_dma_extent(d->vfu, iova, &part, write) == NULL)
			return false;
	}
	return true;
}

void
qd_mem_copy(struct queue_dev *d, uint64_t dst, uint64_t src, uint32_t len)
{
	uint8_t *from, *to;
	uint64_t part;

	for (; len != 0; dst += part, src += part, len -= part) {
		part = len;
		from = vfu_dma_extent(d->vfu, src, &part, false);
		to = vfu_dma_extent(d->vfu, dst, &part, true);
		memmove(to, from, part);
	}
}

void
qd_mem_write(struct queue_dev *d, uint64_t dst, const void *data, uint32_t len)
{
	const uint8_t *from = data;
	uint64_t part;
	uint8_t *to;

	for (; len != 0; dst += part, from += part, len -= part) {
		part = len;
		to = vfu_dma_extent(d->vfu, dst, &part, true);
		memcpy(to, from, part);
	}
}

/* The pattern goes on from one part to the next. */
void
qd_mem_fill(struct queue_dev *d, uint64_t dst, uint64_t pattern, uint32_t len)
{
	uint64_t part, i;
	uint32_t bits;
	uint8_t *to;

	for (; len != 0; dst += part, len -= part) {
		part = len;
		to = vfu_dma_extent(d->vfu, dst, &part, true);
		for (i = 0; i + sizeof(pattern) <= part; i += sizeof(pattern))
			memcpy(to + i, &pattern, sizeof(pattern));
		memcpy(to + i, &pattern, part - i);
		bits = (part - i) * 8;
		if (bits != 0)
			pattern = pattern >> bits | pattern << (64 - bits);
	}
}

uint32_t
qd_mem_crc32c(struct queue_dev *d, uint64_t src, uint32_t crc, uint32_t len)
{
	const uint8_t *from;
	uint64_t part;

	for (; len != 0; src += part, len -= part) {
		part = len;
		from = vfu_dma_extent(d->vfu, src, &part, false);
		crc = crc32c(crc, from, part);
	}
	return crc;
}
