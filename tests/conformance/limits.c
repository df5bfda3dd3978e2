/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Limits that the server announces: exactly as much is granted, and one more is not. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "requests.h"

#define ATTACH         (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define KERNEL_MAX_FDS 253u

/* Ask for `count` vectors, with `n` copies of one eventfd. */
static verdict
attach(uint32_t count, uint32_t n)
{
	struct vfio_irq_set set = { sizeof(set), ATTACH, dev.irq, 0, count };
	int fds[KERNEL_MAX_FDS], fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint32_t i;

	if (!conn_ready())
		return wrong("no connection");
	for (i = 0; i < n; i++)
		fds[i] = fd;
	conn_request(3, VFIO_USER_DEVICE_SET_IRQS, 0, &set, sizeof(set), fds, n);
	close(fd);
	return NULL;
}

static verdict
fds_all(void)
{
	uint32_t error = 0, n = dev.max_fds;
	verdict v;

	if (n > KERNEL_MAX_FDS || n > dev.n_vectors || n == 0)
		return NULL;
	v = attach(n, n);
	if (v == NULL)
		v = conn_reply(3, VFIO_USER_DEVICE_SET_IRQS, &error);
	if (v == NULL && error != 0)
		v = wrong("refused: %s", strerror(error));
	return v != NULL ? v : conn_alive();
}

/* Too many for a message: as the vectors need, or as many as the message could have. */
static verdict
fds_more(uint32_t count)
{
	verdict v;

	if (dev.max_fds >= KERNEL_MAX_FDS || count > dev.n_vectors || count == 0)
		return NULL;
	v = attach(count, dev.max_fds + 1);
	return v != NULL ? v : conn_refused(3, VFIO_USER_DEVICE_SET_IRQS);
}

static verdict
fds_one_more(void)
{
	return fds_more(dev.max_fds + 1);
}

static verdict
fds_one_surplus(void)
{
	return fds_more(dev.max_fds);
}

#define BATCH 256u

/* Maps of a page each, n of them from the first on: posted, so that there is no waiting. */
static verdict
map_many(uint32_t first, uint32_t n)
{
	static struct {
		struct vfio_user_header hdr;
		struct vfio_user_dma_map map;
	} batch[BATCH];
	uint32_t i, k;

	for (i = 0; i < n; i += k) {
		for (k = 0; k < BATCH && i + k < n; k++) {
			batch[k].hdr = (struct vfio_user_header){ 9, VFIO_USER_DMA_MAP,
				sizeof(batch[0]), VFIO_USER_F_NO_REPLY, 0 };
			batch[k].map = (struct vfio_user_dma_map){ sizeof(batch[0].map), 3, 0,
				MAP_ADDR + (first + i + k) * MAP_SIZE, MAP_SIZE };
		}
		if (!conn_send(batch, k * sizeof(batch[0]), NULL, 0))
			return wrong("the server hung up");
	}
	return NULL;
}

static uint32_t
map_one(uint32_t n)
{
	struct vfio_user_dma_map map = { sizeof(map), 3, 0, MAP_ADDR + n * MAP_SIZE, MAP_SIZE };
	uint32_t error = 0;
	verdict v;

	conn_request(3, VFIO_USER_DMA_MAP, 0, &map, sizeof(map), NULL, 0);
	v = conn_reply(3, VFIO_USER_DMA_MAP, &error);
	return v != NULL ? EPIPE : error;
}

/* All, and none that was refused among them: each of them is there to be mapped over. */
static verdict
maps_all(void)
{
	static const uint32_t probes = 16;
	uint32_t n = dev.max_maps, i;
	verdict v;

	if (!conn_ready())
		return wrong("no connection");
	v = map_many(0, n - 1);
	if (v == NULL && map_one(n - 1) != 0)
		v = wrong("map %u is refused", n);
	for (i = 0; i < probes && v == NULL; i++)
		if (map_one((uint64_t)i * (n - 1) / probes) == 0)
			v = wrong("one of %u maps was refused", n);
	return v != NULL ? v : conn_alive();
}

static verdict
maps_one_more(void)
{
	struct vfio_user_dma_unmap unmap = { sizeof(unmap), 0, MAP_ADDR, MAP_SIZE };
	uint32_t n = dev.max_maps;
	verdict v;

	if (!conn_ready())
		return wrong("no connection");
	v = map_many(0, n);
	if (v == NULL && map_one(n) == 0)
		v = wrong("%u maps are accepted", n + 1);
	/* There is room again when one goes. */
	if (v == NULL)
		v = granted(VFIO_USER_DMA_UNMAP, &unmap, sizeof(unmap));
	if (v == NULL && map_one(n) != 0)
		v = wrong("no room for another map when one has gone");
	return v != NULL ? v : conn_alive();
}

/* Bytes of the largest area that can be mapped, i.e. memory. */
static verdict
area_read(uint64_t count, bool good)
{
	struct vfio_user_region_access acc = { dev.area_offset, dev.area_region, count };
	uint32_t error = 0;
	verdict v;

	if (!conn_ready() || !conn_request(3, VFIO_USER_REGION_READ, 0, &acc, sizeof(acc), NULL, 0))
		return wrong("no connection");
	if (!good)
		return conn_refused(3, VFIO_USER_REGION_READ);
	v = conn_reply(3, VFIO_USER_REGION_READ, &error);
	if (v == NULL && error != 0)
		v = wrong("%u bytes are refused: %s", acc.count, strerror(error));
	if (v == NULL && (in.len != sizeof(acc) + count || memcmp(in.data, &acc, sizeof(acc)) != 0))
		v = wrong("%u bytes instead of %u", in.len, (uint32_t)(sizeof(acc) + count));
	return v != NULL ? v : conn_alive();
}

static uint64_t
most_data(void)
{
	return dev.area_size < dev.max_data ? dev.area_size : dev.max_data;
}

static verdict
data_read(void)
{
	return area_read(most_data(), true);
}

static verdict
data_read_more(void)
{
	return dev.area_behind > dev.max_data ? area_read(dev.max_data + 1, false) : NULL;
}

static verdict
data_read_behind(void)
{
	return dev.area_behind < dev.max_data ? area_read(dev.area_behind + 1, false) : NULL;
}

/*
 * As long a message as a request can be: it may be refused, but is taken in, and so is the next
 * one.
 */
static verdict
data_write(uint64_t count, bool good)
{
	uint32_t len = sizeof(struct vfio_user_region_access) + count, error = 0;
	struct vfio_user_region_access acc = { dev.area_offset, dev.area_region, count };
	uint8_t *payload = calloc(1, len);
	verdict v = NULL;

	if (payload == NULL || !conn_ready()) {
		free(payload);
		return wrong("no connection");
	}
	memcpy(payload, &acc, sizeof(acc));
	conn_request(3, VFIO_USER_REGION_WRITE, 0, payload, len, NULL, 0);
	free(payload);
	if (!good)
		return conn_refused(3, VFIO_USER_REGION_WRITE);
	v = conn_reply(3, VFIO_USER_REGION_WRITE, &error);
	if (v == NULL && error == 0 && in.len != sizeof(acc))
		v = wrong("a reply of %u bytes", in.len);
	return v != NULL ? v : conn_alive();
}

static verdict
data_write_all(void)
{
	return data_write(most_data(), true);
}

static verdict
data_write_more(void)
{
	return data_write(dev.max_data + 1, false);
}

/* Many large answers, none of them taken before the last question is asked. */
static verdict
data_read_pipelined(void)
{
	struct vfio_user_region_access acc = { dev.area_offset, dev.area_region, most_data() };
	uint32_t i, error = 0;
	verdict v = NULL;

	if (!conn_ready())
		return wrong("no connection");
	for (i = 0; i < 8; i++)
		conn_request(i, VFIO_USER_REGION_READ, 0, &acc, sizeof(acc), NULL, 0);
	for (i = 0; i < 8 && v == NULL; i++) {
		v = conn_reply(i, VFIO_USER_REGION_READ, &error);
		if (v == NULL && (error != 0 || in.len != sizeof(acc) + acc.count))
			v = wrong("answer %u: %u bytes, %s", i, in.len, strerror(error));
	}
	return v;
}

static const struct sequence sequences[] = {
	{ "limits", "max_msg_fds descriptors", true, fds_all, &dev.n_vectors },
	{ "limits", "one descriptor more", false, fds_one_more, &dev.n_vectors },
	{ "limits", "one descriptor more, surplus", false, fds_one_surplus, &dev.n_vectors },
	{ "limits", "max_dma_maps maps", true, maps_all },
	{ "limits", "one map more", false, maps_one_more },
	{ "limits", "a read of max_data_xfer_size", true, data_read, &dev.area_size },
	{ "limits", "a read of one byte more", true, data_read_more, &dev.area_size },
	{ "limits", "a read beyond the region's end", false, data_read_behind, &dev.area_size },
	{ "limits", "eight large reads at once", true, data_read_pipelined, &dev.area_size },
	{ "limits", "a write of max_data_xfer_size", true, data_write_all, &dev.area_size },
	{ "limits", "a write of one byte more", true, data_write_more },
};

void
limits_run(void)
{
	run_sequences(sequences, sizeof(sequences) / sizeof(sequences[0]));
}
