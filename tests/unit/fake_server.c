/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vfio.h>
#include <rte_common.h>

#include "../send_fds.h"
#include "fake_server.h"

static void
server_reply(struct server *s, const struct vfio_user_header *req, uint32_t error,
	const void *payload, size_t len, const int *fds, int n_fds)
{
	uint8_t buf[1024];
	struct vfio_user_header hdr = *req;
	size_t i;

	hdr.flags = VFIO_USER_F_TYPE_REPLY | (error != 0 ? VFIO_USER_F_ERROR : 0);
	hdr.error = error;
	hdr.size = sizeof(hdr) + len;
	if (s->quirk == WRONG_COMMAND && hdr.command == VFIO_USER_DEVICE_GET_INFO)
		hdr.command++;
	if (s->quirk == SIZE_SMALL && hdr.command == VFIO_USER_DEVICE_GET_INFO)
		hdr.size = 8;
	if (s->quirk == SIZE_HUGE && hdr.command == VFIO_USER_DEVICE_GET_INFO)
		hdr.size = 256 << 20;
	memcpy(buf, &hdr, sizeof(hdr));
	if (len != 0)
		memcpy(buf + sizeof(hdr), payload, len);
	len += sizeof(hdr);
	if (s->quirk == BYTEWISE) {
		for (i = 0; i < len; i++)
			send_fds(s->sock, buf + i, 1, fds, i == 0 ? n_fds : 0);
		return;
	}
	if (n_fds != 0 && fds[0] == s->lingering) {
		send_last_fd(s->sock, buf, len, fds[0]);
		s->lingering = -1;
		return;
	}
	send_fds(s->sock, buf, len, fds, n_fds);
}

static void
limit_fds(rlim_t max)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void
server_region(struct server *s, const struct vfio_user_header *req, uint32_t index)
{
	struct {
		struct vfio_region_info info;
		struct vfio_region_info_cap_sparse_mmap cap;
		struct vfio_region_sparse_mmap_area area;
	} r = { .info = { .argsz = sizeof(r), .index = index } };
	int fds[5] = { s->region_fd, s->memfd, s->memfd, s->memfd, s->memfd };
	int n_fds = 0;

	r.info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		r.info.size = 256;
	if (index == 0) {
		r.info.size = BAR_SIZE;
		r.info.flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
		r.info.cap_offset = sizeof(r.info);
		r.cap.header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
		r.cap.header.version = 1;
		r.cap.nr_areas = 1;
		r.area.offset = 0x1000;
		r.area.size = 0x2000;
		n_fds = s->quirk == REGION_FDS ? 5 : 1;
	}
	if (s->quirk == REGION_INDEX)
		r.info.index++;
	if (s->quirk == NO_ROOM)
		limit_fds(index == 0 ? 3 : s->max_fds);
	if (s->quirk == REGION_CAP_OUTSIDE)
		r.info.cap_offset = 0x10000;
	if (s->quirk == REGION_CAP_LOOP) {
		r.cap.header.id = 99;
		r.cap.header.next = r.info.cap_offset;
	}
	if (s->quirk == REGION_READ_ONLY)
		r.info.flags &= ~VFIO_REGION_INFO_FLAG_WRITE;
	if (s->quirk == REGION_AREA_OUTSIDE)
		r.area.offset = 0x3000;
	server_reply(s, req, 0, &r, index == 0 ? sizeof(r) : sizeof(r.info), fds, n_fds);
}

static void
server_version(struct server *s, const struct vfio_user_header *req)
{
	static const char json[] = "{\"capabilities\":{\"max_msg_fds\":4,"
				   "\"max_data_xfer_size\":4096,\"max_dma_maps\":3}}";
	static const char bad_json[] = "{\"capabilities\":{\"max_msg_fds\":\"many\","
				       "\"max_data_xfer_size\":-5,\"max_dma_maps\":1e30}}";
	static const char wide_json[] = "{\"capabilities\":{\"max_msg_fds\":253,"
					"\"max_data_xfer_size\":4294967296}}";
	const char *text = s->quirk == VERSION_JSON   ? bad_json
	                   : s->quirk == VERSION_WIDE ? wide_json
	                                              : json;
	uint8_t buf[256] = { 0 };

	buf[0] = s->quirk == VERSION_MAJOR ? 7 : 0;
	buf[2] = s->quirk == VERSION_MAJOR ? 0 : 1;
	snprintf((char *)buf + 4, sizeof(buf) - 4, "%s", text);
	if (s->quirk == VERSION_REFUSED)
		server_reply(s, req, EINVAL, NULL, 0, NULL, 0);
	else
		server_reply(
			s, req, 0, buf, s->quirk == VERSION_SHORT ? 2 : 5 + strlen(text), NULL, 0);
}

static void
server_read(struct server *s, const struct vfio_user_header *req, const uint8_t *data)
{
	struct vfio_user_header hdr = *req;
	uint8_t buf[256] = { 0 };
	int fd = s->lingering >= 0 ? s->lingering : s->surplus_fd;
	uint32_t count, error = 0;

	memcpy(buf, data, 16);
	memcpy(&count, data + 12, sizeof(count));
	switch (atomic_load(&s->quirk)) {
	case READ_COMMAND:
		hdr.command++;
		break;
	case READ_SHORT:
		count--;
		break;
	case READ_LONG:
		count++;
		break;
	case READ_NO_ERROR:
		error = 4096;
		break;
	case READ_TIMED_OUT:
		error = ETIMEDOUT;
		break;
	case READ_PROTO:
		error = EPROTO;
		break;
	case READ_REGION:
		buf[8]++;
		break;
	case READ_MALFORMED:
		send(s->sock, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, MSG_NOSIGNAL);
		break;
	case READ_HOLD:
		s->held = *req;
		s->quirk = READ_HELD;
		return;
	default:
		break;
	}
	server_reply(s, &hdr, error, buf, 16 + count, &fd, fd >= 0);
	if (s->quirk == READ_HELD)
		server_reply(s, &s->held, 0, buf, 16 + count, NULL, 0);
}

static void
server_answer(struct server *s, const struct vfio_user_header *req, const uint8_t *data)
{
	struct vfio_user_device_info info = { 16, VFIO_DEVICE_FLAGS_PCI, 9, 5 };
	struct vfio_irq_info irq;
	uint32_t index;

	switch (req->command) {
	case VFIO_USER_VERSION:
		server_version(s, req);
		return;
	case VFIO_USER_DEVICE_GET_INFO:
		if (s->quirk == NO_PCI)
			info.flags = 0;
		server_reply(s, req, 0, &info, sizeof(info), NULL, 0);
		return;
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		memcpy(&index, data + offsetof(struct vfio_region_info, index), sizeof(index));
		server_region(s, req, index);
		return;
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		memcpy(&irq, data, sizeof(irq));
		irq.count = 3;
		server_reply(s, req, 0, &irq, sizeof(irq), NULL, 0);
		return;
	case VFIO_USER_REGION_READ:
		server_read(s, req, data);
		return;
	case VFIO_USER_REGION_WRITE:
		server_reply(s, req, 0, data, 16, NULL, 0);
		return;
	case VFIO_USER_DMA_MAP:
		memcpy(&s->last_map, data, sizeof(s->last_map));
		s->maps++;
		server_reply(s, req, 0, NULL, 0, NULL, 0);
		return;
	case VFIO_USER_DMA_UNMAP:
		s->maps--;
		server_reply(s, req, 0, data, 24, NULL, 0);
		return;
	default:
		server_reply(s, req, 0, NULL, 0, NULL, 0);
	}
}

static void
server_own_request(struct server *s, uint16_t command, uint64_t addr, uint64_t count)
{
	uint8_t buf[32];
	struct vfio_user_header hdr = { .id = 9, .command = command, .size = sizeof(buf) };

	memcpy(buf, &hdr, sizeof(hdr));
	memcpy(buf + 16, &addr, 8);
	memcpy(buf + 24, &count, 8);
	send(s->sock, buf, sizeof(buf), MSG_NOSIGNAL);
}

static bool
recv_all(int sock, void *buf, size_t len)
{
	return len == 0 || recv(sock, buf, len, MSG_WAITALL) == (ssize_t)len;
}

static void *
server_main(void *arg)
{
	struct server *s = arg;
	struct vfio_user_header hdr;
	uint8_t data[4096];
	bool silent;
	int fd;

	while (recv_all(s->sock, &hdr, sizeof(hdr))) {
		if (hdr.size < sizeof(hdr) || hdr.size > sizeof(data) ||
			!recv_all(s->sock, data, hdr.size - sizeof(hdr)))
			break;
		if ((hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY) {
			if (hdr.flags & VFIO_USER_F_ERROR)
				s->errors++;
			else
				s->replies++;
			memcpy(s->last, data, RTE_MIN(hdr.size - sizeof(hdr), sizeof(s->last)));
			continue;
		}
		/*
		 * As it was when the command came: the test may change it as soon as it is counted.
		 */
		silent = s->quirk == SILENT;
		if (hdr.command < 32)
			s->commands[hdr.command]++;
		if (silent)
			continue;
		if (s->quirk == HANG_UP)
			break;
		if (s->quirk == DMA_FIRST) {
			server_own_request(s, VFIO_USER_DMA_READ, 0x1000, 16);
			server_own_request(s, 77, 0, 0);
		}
		fd = s->surplus_fd;
		if (s->inject_len != 0)
			send_fds(s->sock, s->inject, s->inject_len, &fd, fd >= 0);
		s->inject_len = 0;
		server_answer(s, &hdr, data);
		s->answers++;
	}
	/* Closed by whoever joins: the test's thread sends by it, too. */
	shutdown(s->sock, SHUT_RDWR);
	return NULL;
}

static struct ims_vfio *
start_with(struct server *s, enum quirk quirk, int region_fd)
{
	struct rlimit limit;
	int sv[2];

	memset(s, 0, sizeof(*s));
	s->quirk = quirk;
	s->surplus_fd = -1;
	s->lingering = -1;
	getrlimit(RLIMIT_NOFILE, &limit);
	s->max_fds = limit.rlim_cur;
	s->memfd = memfd_create("bar", MFD_CLOEXEC);
	assert_int_equal(ftruncate(s->memfd, quirk == REGION_FILE_SHORT ? 0x2000 : BAR_SIZE), 0);
	s->region_fd = region_fd >= 0 ? region_fd : s->memfd;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	s->sock = sv[1];
	assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
	return ims_vfio_user_attach("test", sv[0], -1, quirk == SILENT ? SILENT_MS : TIMEOUT_MS);
}

struct ims_vfio *
start(struct server *s, enum quirk quirk)
{
	return start_with(s, quirk, -1);
}

struct ims_vfio *
start_file(struct server *s, int fd)
{
	return start_with(s, GOOD, fd);
}

void
finish(struct server *s, struct ims_vfio *v)
{
	ims_vfio_close(v);
	pthread_join(s->thread, NULL);
	close(s->sock);
	close(s->memfd);
}

void
inject_write(struct server *s, uint16_t id, uint32_t flags, uint64_t addr, uint64_t count,
	const void *data, size_t len)
{
	struct vfio_user_header hdr = { .id = id, .command = VFIO_USER_DMA_WRITE, .flags = flags };
	uint8_t *p = s->inject + s->inject_len;

	hdr.size = sizeof(hdr) + 16 + len;
	memcpy(p, &hdr, sizeof(hdr));
	memcpy(p + 16, &addr, 8);
	memcpy(p + 24, &count, 8);
	memcpy(p + 32, data, len);
	s->inject_len += hdr.size;
	s->answers = 0;
}

void
expect_errors(struct ims_vfio *v, enum ims_vfio_peer_error what, uint64_t n)
{
	unsigned int i;

	for (i = 0; i < IMS_VFIO_PEER_ERRORS; i++)
		if (atomic_exchange(&v->peer_errors[i], 0) != (i == what ? n : 0))
			fail_msg("peer error %u, not %lu of %u", i, (unsigned long)n, what);
}
