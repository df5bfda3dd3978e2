/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * What takes more than one request, or less: versions, framing, order, eventfds, and a client that
 * goes.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conformance.h"

#define MAP_SIZE 0x1000u

static verdict
need(bool ok)
{
	return ok ? NULL : wrong("the server hung up, or there is no connection");
}

/* A header alone, the rest of the message never comes if it claims any. */
static verdict
bad_header(uint32_t size, uint32_t flags)
{
	struct vfio_user_header hdr = { .id = 3, .command = VFIO_USER_DEVICE_RESET, size, flags };

	if (!conn_ready() || !conn_send(&hdr, sizeof(hdr), NULL, 0))
		return wrong("no connection");
	return conn_refused(3, VFIO_USER_DEVICE_RESET);
}

static verdict
header_size_0(void)
{
	return bad_header(0, 0);
}

static verdict
header_size_15(void)
{
	return bad_header(15, 0);
}

static verdict
header_size_max(void)
{
	return bad_header(UINT32_MAX, 0);
}

static verdict
header_type(void)
{
	return bad_header(16, 2);
}

static verdict
header_type_max(void)
{
	return bad_header(16, 0xf);
}

/* Fields that are reserved in a command: nobody may look at them. */
static verdict
header_reserved(void)
{
	struct vfio_user_header hdr = {
		.id = 3,
		.command = VFIO_USER_DEVICE_RESET,
		.size = sizeof(hdr),
		.error = 0xdeadbeef,
	};
	uint32_t error = 0;
	verdict v;

	if (!conn_ready() || !conn_send(&hdr, sizeof(hdr), NULL, 0))
		return wrong("no connection");
	v = conn_reply(3, VFIO_USER_DEVICE_RESET, &error);
	return v == NULL && error != 0 ? wrong("refused: %s", strerror(error)) : v;
}

/* Hang up within a message, at each byte of its header and some of its payload. */
static verdict
half_message(void)
{
	struct vfio_user_header hdr = { .command = VFIO_USER_DEVICE_GET_INFO, .size = 32 };
	uint8_t msg[32] = { 0 };
	size_t len;

	memcpy(msg, &hdr, sizeof(hdr));
	for (len = 1; len < sizeof(msg); len += 3)
		if (!conn_ready() || !conn_send(msg, len, NULL, 0))
			return wrong("no connection after a message cut at %zu", len);
	return need(conn_ready());
}

struct small_request {
	struct vfio_user_header hdr;
	struct vfio_user_region_access acc;
};

static void
config_read(struct small_request *req, uint16_t id, uint32_t count)
{
	*req = (struct small_request){
		{ id, VFIO_USER_REGION_READ, sizeof(struct small_request), 0, 0 },
		{ .region = VFIO_PCI_CONFIG_REGION_INDEX, .count = count },
	};
}

static verdict
byte_by_byte(void)
{
	struct small_request req;
	uint32_t error = 0;
	size_t i;
	verdict v;

	if (!conn_ready())
		return wrong("no connection");
	config_read(&req, 0, 4);
	for (i = 0; i < sizeof(req); i++)
		if (!conn_send((uint8_t *)&req + i, 1, NULL, 0))
			return wrong("the server hung up");
	v = conn_reply(0, VFIO_USER_REGION_READ, &error);
	return v == NULL && error != 0 ? wrong("refused: %s", strerror(error)) : v;
}

/* Many at once, ids used twice: answered one by one, in order, each with its own length. */
static verdict
pipelined(void)
{
	struct small_request req[64];
	uint32_t i, error = 0;
	verdict v;

	for (i = 0; i < 64; i++)
		config_read(&req[i], i / 2, 1 + i);
	if (!conn_ready() || !conn_send(req, sizeof(req), NULL, 0))
		return wrong("no connection");
	for (i = 0; i < 64; i++) {
		v = conn_reply(i / 2, VFIO_USER_REGION_READ, &error);
		if (v != NULL || error != 0)
			return v != NULL ? v : wrong("refused: %s", strerror(error));
		if (in.len != sizeof(req[i].acc) + 1 + i)
			return wrong("reply %u has %u bytes", i, in.len);
	}
	return NULL;
}

/* A posted write, then a read: it is done by then. */
static verdict
posted_in_order(void)
{
	struct vfio_user_region_access acc = {
		.offset = 0x3c, .region = VFIO_PCI_CONFIG_REGION_INDEX, .count = 1
	};
	uint8_t req[sizeof(acc) + 1], i;
	uint32_t error = 0;
	verdict v;

	if (!conn_ready())
		return wrong("no connection");
	memcpy(req, &acc, sizeof(acc));
	for (i = 0; i < 3; i++) {
		req[sizeof(acc)] = 0x51 + i;
		conn_request(
			1, VFIO_USER_REGION_WRITE, VFIO_USER_F_NO_REPLY, req, sizeof(req), NULL, 0);
		conn_request(2, VFIO_USER_REGION_READ, 0, &acc, sizeof(acc), NULL, 0);
		v = conn_reply(2, VFIO_USER_REGION_READ, &error);
		if (v != NULL || error != 0)
			return v != NULL ? v : wrong("refused: %s", strerror(error));
		if (in.data[sizeof(acc)] != 0x51 + i)
			return wrong("the read was answered before the write was done");
	}
	return NULL;
}

static verdict
unasked_replies(void)
{
	static const uint16_t number[] = { VFIO_USER_DMA_READ, VFIO_USER_DMA_WRITE,
		VFIO_USER_DEVICE_GET_INFO, 0xffff };
	size_t i;

	if (!conn_ready())
		return wrong("no connection");
	for (i = 0; i < 4; i++)
		conn_request(i, number[i], VFIO_USER_F_TYPE_REPLY, "0123456789abcdef", 16, NULL, 0);
	return conn_alive();
}

static verdict
call(uint16_t command, const void *payload, uint32_t len, const int *fds, unsigned int n_fds)
{
	uint32_t error = 0;
	verdict v;

	if (!conn_request(4, command, 0, payload, len, fds, n_fds))
		return wrong("the server hung up");
	v = conn_reply(4, command, &error);
	return v == NULL && error != 0 ? wrong("refused: %s", strerror(error)) : v;
}

static verdict
set_irqs(uint32_t flags, uint32_t count, const int *fds, unsigned int n_fds)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = flags,
		.index = dev.irq,
		.count = count,
	};

	return call(VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), fds, n_fds);
}

static verdict
events_are(int fd, uint64_t expected)
{
	uint64_t n = 0;

	if (read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return wrong("%s", strerror(errno));
	return n == expected ? NULL
	                     : wrong("%llu events instead of %llu", (unsigned long long)n,
				       (unsigned long long)expected);
}

#define ATTACH  (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define TRIGGER (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER)

static verdict
loopback(int fd)
{
	verdict v = need(conn_ready());

	if (v == NULL)
		v = set_irqs(ATTACH, 1, &fd, 1);
	if (v == NULL)
		v = events_are(fd, 0);
	if (v == NULL)
		v = set_irqs(TRIGGER, 1, NULL, 0);
	if (v == NULL)
		v = events_are(fd, 1);
	/* De-assigned, it stays silent. */
	if (v == NULL)
		v = set_irqs(ATTACH, 1, NULL, 0);
	if (v == NULL && set_irqs(TRIGGER, 1, NULL, 0) != NULL)
		v = conn_alive();
	return v != NULL ? v : events_are(fd, 0);
}

static verdict
irq_loopback(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	verdict v = loopback(fd);

	close(fd);
	return v;
}

/* A pipe in place of an eventfd: when the server has closed its end, ours tells. */
static verdict
irq_pipe(verdict (*then)(void), const char *what)
{
	int ends[2];
	verdict v;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return wrong("%s", strerror(errno));
	v = need(conn_ready());
	if (v == NULL)
		v = set_irqs(ATTACH, 1, &ends[1], 1);
	close(ends[1]);
	if (v == NULL)
		v = then();
	if (v == NULL && !pipe_released(ends[0]))
		v = wrong("the descriptor is kept after %s", what);
	close(ends[0]);
	return v;
}

static verdict
disable(void)
{
	return set_irqs(TRIGGER, 0, NULL, 0);
}

static verdict
hang_up(void)
{
	conn_close();
	return NULL;
}

static verdict
irq_disable_closes(void)
{
	return irq_pipe(disable, "the vectors were disabled");
}

static verdict
irq_client_goes(void)
{
	return irq_pipe(hang_up, "its client has gone");
}

/* SET_IRQS with these flags, and what they say goes along. Its error, or EPIPE. */
static uint32_t
set_flags(uint32_t flags)
{
	struct {
		struct vfio_irq_set set;
		uint8_t boolean;
	} req = { { 20, flags, dev.irq, 0, 1 }, 0 };
	uint32_t len = sizeof(req.set), error = 0;
	verdict v;

	if ((flags & VFIO_IRQ_SET_DATA_BOOL) != 0)
		req.set.argsz = ++len;
	conn_request(4, VFIO_USER_DEVICE_SET_IRQS, 0, &req, len, NULL, 0);
	v = conn_reply(4, VFIO_USER_DEVICE_SET_IRQS, &error);
	return v != NULL ? EPIPE : error;
}

static bool
one_bit(uint32_t bits)
{
	return bits != 0 && (bits & (bits - 1)) == 0;
}

/* "The flags are mutually exclusive for both sets." */
static verdict
irq_flags(void)
{
	uint32_t flags, error;
	bool good;

	if (!conn_ready())
		return wrong("no connection");
	for (flags = 0; flags < 64; flags++) {
		good = one_bit(flags & VFIO_IRQ_SET_DATA_TYPE_MASK) &&
		       one_bit(flags & VFIO_IRQ_SET_ACTION_TYPE_MASK);
		error = set_flags(flags);
		if (error == EPIPE || (!good && error == 0))
			return wrong("flags %#x: %s", flags, error != 0 ? "no answer" : "accepted");
		if (good && (flags & VFIO_IRQ_SET_ACTION_TRIGGER) != 0 && error != 0)
			return wrong("flags %#x: %s", flags, strerror(error));
	}
	return conn_alive();
}

static verdict
irq_flags_unknown(void)
{
	uint32_t bit;

	if (!conn_ready())
		return wrong("no connection");
	for (bit = 6; bit < 32; bit++)
		if (set_flags(TRIGGER | 1u << bit) == 0)
			return wrong("bit %u is accepted", bit);
	return conn_alive();
}

static verdict
map_memfd(int *memfd)
{
	struct vfio_user_dma_map map = { sizeof(map), 3, 0, 0x10000000, MAP_SIZE };

	*memfd = memfd_create("conformance", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*memfd < 0 || ftruncate(*memfd, MAP_SIZE) < 0)
		return wrong("%s", strerror(errno));
	return conn_ready() ? call(VFIO_USER_DMA_MAP, &map, sizeof(map), memfd, 1)
	                    : wrong("no connection");
}

/* "the server must release all references to that DMA region before replying" */
static verdict
unmap_releases(void)
{
	struct vfio_user_dma_unmap unmap = { sizeof(unmap), 0, 0x10000000, MAP_SIZE };
	int memfd;
	verdict v;

	v = map_memfd(&memfd);
	if (v == NULL)
		v = call(VFIO_USER_DMA_UNMAP, &unmap, sizeof(unmap), NULL, 0);
	if (v == NULL && fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE) < 0)
		v = wrong("it is still mapped when the reply comes");
	close(memfd);
	return v;
}

static verdict
map_client_goes(void)
{
	int memfd;
	verdict v;

	v = map_memfd(&memfd);
	conn_close();
	if (v == NULL && !memfd_released(memfd))
		v = wrong("it is still mapped");
	close(memfd);
	return v;
}

/* Every region that can be mapped can be: its file is long enough at the offset that was told. */
static verdict
regions_map(void)
{
	struct vfio_region_info info;
	struct stat st;
	uint32_t i;
	verdict v = need(conn_ready());

	for (i = 0; i < dev.n_regions && v == NULL; i++) {
		info = (struct vfio_region_info){ .argsz = 4096, .index = i };
		v = call(VFIO_USER_DEVICE_GET_REGION_INFO, &info, sizeof(info), NULL, 0);
		if (v != NULL)
			break;
		memcpy(&info, in.data, sizeof(info));
		if ((info.flags & VFIO_REGION_INFO_FLAG_MMAP) == 0)
			continue;
		if (in.n_fds == 0 || fstat(in.fds[0], &st) < 0)
			v = wrong("region %u has no descriptor", i);
		else if (S_ISREG(st.st_mode) && info.offset >= (uint64_t)st.st_size)
			v = wrong("region %u lies behind the end of its file", i);
		message_drop_fds(&in);
	}
	return v;
}

/* One register is the same byte in an access of any size at any offset. */
static verdict
config_agrees(void)
{
	struct vfio_user_region_access acc = { 0, VFIO_PCI_CONFIG_REGION_INDEX, 64 };
	uint8_t all[64];
	uint32_t error;
	verdict v;

	if (!conn_ready())
		return wrong("no connection");
	v = call(VFIO_USER_REGION_READ, &acc, sizeof(acc), NULL, 0);
	if (v != NULL)
		return v;
	memcpy(all, in.data + sizeof(acc), sizeof(all));
	for (acc.count = 1; acc.count <= 8; acc.count++) {
		for (acc.offset = 0; acc.offset + acc.count <= 64; acc.offset += 3) {
			conn_request(8, VFIO_USER_REGION_READ, 0, &acc, sizeof(acc), NULL, 0);
			v = conn_reply(8, VFIO_USER_REGION_READ, &error);
			if (v != NULL)
				return v;
			if (error == 0 && (in.len != sizeof(acc) + acc.count ||
						  memcmp(in.data + sizeof(acc), all + acc.offset,
							  acc.count) != 0))
				return wrong(
					"%u bytes at %u differ", acc.count, (uint32_t)acc.offset);
		}
	}
	return NULL;
}

static const struct sequence sequences[] = {
	{ "header", "size 0", false, header_size_0 },
	{ "header", "size 15", false, header_size_15 },
	{ "header", "size of all bits", false, header_size_max },
	{ "header", "type 2", false, header_type },
	{ "header", "type 15", false, header_type_max },
	{ "header", "error number in a command", true, header_reserved },
	{ "framing", "the client goes within a message", false, half_message },
	{ "framing", "byte by byte", false, byte_by_byte },
	{ "order", "64 requests at once, ids used twice", true, pipelined },
	{ "order", "posted writes before a read", true, posted_in_order },
	{ "order", "replies that nobody asked for", false, unasked_replies },
	{ "interrupts", "triggered by the client, and taken away", true, irq_loopback,
		&dev.n_vectors },
	{ "interrupts", "disabled, the descriptor is closed", false, irq_disable_closes,
		&dev.n_vectors },
	{ "interrupts", "the client goes", true, irq_client_goes, &dev.n_vectors },
	{ "interrupts", "each of 64 combinations of flags", true, irq_flags, &dev.n_vectors },
	{ "interrupts", "each flag that there is not", false, irq_flags_unknown, &dev.n_vectors },
	{ "memory", "unmapped before the reply", true, unmap_releases },
	{ "memory", "the client goes", true, map_client_goes },
	{ "regions", "reads of any size and alignment agree", true, config_agrees },
	{ "regions", "descriptors of those that can be mapped", true, regions_map },
};

void
sequences_run(void)
{
	run_sequences(sequences, sizeof(sequences) / sizeof(sequences[0]));
}
