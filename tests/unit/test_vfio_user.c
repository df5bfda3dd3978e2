/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The vfio-user client against a server that this test scripts byte by byte: what it sends, and
 * that nothing it receives is believed.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/vfio.h>

#include "../count_fds.h"
#include "fake_dev.h"
#include "ims_vfio_user.h"

#define BAR_SIZE   0x4000
#define TIMEOUT_MS 20000
#define SILENT_MS  200 /* for an answer that does not come */

/* How the scripted server differs from a good one. */
enum quirk {
	GOOD,
	VERSION_MAJOR,      /* answers with version 7.0 */
	VERSION_REFUSED,    /* error reply */
	VERSION_SHORT,      /* 2 bytes of payload */
	VERSION_JSON,       /* limits of the wrong type and negative */
	VERSION_WIDE,       /* limits above ours */
	SILENT,             /* never answers VERSION */
	HANG_UP,            /* closes instead of answering */
	SIZE_SMALL,         /* a message of 8 bytes */
	SIZE_HUGE,          /* a message of 256 MiB */
	NO_PCI,             /* not a PCI device */
	WRONG_COMMAND,      /* the reply is to another command */
	REGION_INDEX,       /* region info of another region */
	REGION_FILE_SHORT,  /* mapping behind the end of the file */
	REGION_CAP_OUTSIDE, /* cap_offset behind the reply: then the region is mapped whole */
	REGION_CAP_LOOP,
	REGION_AREA_OUTSIDE,
	REGION_READ_ONLY, /* no part of it may be mapped: a store would be a SIGSEGV */
	REGION_FDS,       /* five descriptors where one is due */
	NO_ROOM,          /* the client has none left for it */
	BYTEWISE,         /* every reply a byte at a time */
	DMA_FIRST,        /* a DMA_READ and an unknown request before each reply */
	READ_COMMAND,     /* REGION_READ has a reply to another command */
	READ_SHORT,
	READ_LONG,
	READ_NO_ERROR, /* an error that is none */
	READ_TIMED_OUT,
	READ_REGION, /* of another region */
	READ_MALFORMED,
	READ_HOLD, /* not yet: behind the next one */
	READ_HELD,
};

struct server {
	int sock;
	atomic_int quirk;
	int memfd;
	atomic_int lingering; /* goes with the next REGION_READ; -1 */
	struct vfio_user_header held;
	pthread_t thread;
	rlim_t max_fds;
	unsigned int maps;
	atomic_uint commands[32];
	struct vfio_user_dma_map last_map;
	/* Requests to send once, before the next reply. */
	uint8_t inject[4096];
	atomic_size_t inject_len;
	atomic_uint answers;  /* since the last inject_write() */
	unsigned int errors;  /* error replies to the server's own requests */
	unsigned int replies; /* good ones */
	uint8_t last[64];     /* payload of the newest of those */
};

static ssize_t
send_fds(int sock, const void *buf, size_t len, const int *fds, int n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(8 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n != 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, n * sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL);
}

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
	int fds[5] = { s->memfd, s->memfd, s->memfd, s->memfd, s->memfd };
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

/* There is more to be sent than anyone takes, and close() waits for that. */
static int
lingering_socket(int *peer)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 60 };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), sock;
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	static const char bytes[65536];

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(sock, (struct sockaddr *)&sa, len), 0);
	*peer = accept(listener, NULL, NULL);
	assert_true(*peer >= 0);
	close(listener);
	while (send(sock, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(setsockopt(sock, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return sock;
}

static void
server_read(struct server *s, const struct vfio_user_header *req, const uint8_t *data)
{
	struct vfio_user_header hdr = *req;
	uint8_t buf[256] = { 0 };
	int fd = s->lingering;
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
	if (fd >= 0)
		close(fd);
	s->lingering = -1;
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
		/* As it was when the command came: the test may change it as soon as it is counted. */
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
		if (s->inject_len != 0)
			send(s->sock, s->inject, s->inject_len, MSG_NOSIGNAL);
		s->inject_len = 0;
		server_answer(s, &hdr, data);
		s->answers++;
	}
	close(s->sock);
	return NULL;
}

static struct ims_vfio *
start(struct server *s, enum quirk quirk)
{
	struct rlimit limit;
	int sv[2];

	memset(s, 0, sizeof(*s));
	s->quirk = quirk;
	s->lingering = -1;
	getrlimit(RLIMIT_NOFILE, &limit);
	s->max_fds = limit.rlim_cur;
	s->memfd = memfd_create("bar", MFD_CLOEXEC);
	assert_int_equal(ftruncate(s->memfd, quirk == REGION_FILE_SHORT ? 0x2000 : BAR_SIZE), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	s->sock = sv[1];
	assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
	return ims_vfio_user_attach("test", sv[0], -1, quirk == SILENT ? SILENT_MS : TIMEOUT_MS);
}

/* What has been counted since the last time, and nothing else. */
static void
expect_errors(struct ims_vfio *v, enum ims_vfio_peer_error what, uint64_t n)
{
	unsigned int i;

	for (i = 0; i < IMS_VFIO_PEER_ERRORS; i++)
		if (atomic_exchange(&v->peer_errors[i], 0) != (i == what ? n : 0))
			fail_msg("peer error %u, not %lu of %u", i, (unsigned long)n, what);
}

static void
finish(struct server *s, struct ims_vfio *v)
{
	ims_vfio_close(v);
	pthread_join(s->thread, NULL);
	close(s->memfd);
}

static void
expect_failure(enum quirk quirk, int err)
{
	unsigned int fds = count_fds();
	struct ims_vfio *v;
	struct server s;

	v = start(&s, quirk);
	assert_null(v);
	assert_int_equal(rte_errno, err);
	finish(&s, NULL);
	assert_int_equal(count_fds(), fds);
}

static void
expect_success(enum quirk quirk, unsigned int areas)
{
	unsigned int fds = count_fds();
	unsigned int i, commands = 0;
	struct ims_vfio *v;
	struct server s;
	uint32_t val;

	v = start(&s, quirk);
	assert_non_null(v);
	assert_int_equal(v->regions[0].n_areas, areas);
	assert_int_equal(v->regions[0].size, BAR_SIZE);
	assert_int_equal(v->irqs[2].count, 3);
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	assert_int_equal(s.maps, 1); /* the MSI window */
	assert_int_equal(s.last_map.addr, 0xfee00000);
	assert_int_equal(s.last_map.size, 0x100000);
	assert_int_equal(s.last_map.flags, VFIO_USER_DMA_F_WRITE);
	assert_int_equal(
		ims_vfio_peer_errors(v, IMS_VFIO_PEER_SURPLUS_FD), quirk == REGION_FDS ? 4 : 0);
	/* Both before each reply, of which each command has one. */
	for (i = 0; i < RTE_DIM(s.commands); i++)
		commands += s.commands[i];
	assert_int_equal(ims_vfio_peer_errors(v, IMS_VFIO_PEER_BAD_REQUEST),
		quirk == DMA_FIRST ? commands : 0);
	assert_int_equal(ims_vfio_peer_errors(v, IMS_VFIO_PEER_DMA_FAULT),
		quirk == DMA_FIRST ? commands : 0);
	finish(&s, v);
	assert_int_equal(count_fds(), fds);
}

static void
test_good(void **state)
{
	expect_success(GOOD, 1);
	expect_success(BYTEWISE, 1);
	expect_success(REGION_FDS, 1);
	expect_success(NO_ROOM, 0);
	expect_success(VERSION_JSON, 1);
	expect_success(REGION_CAP_OUTSIDE, 1);
	expect_success(REGION_CAP_LOOP, 1);
	expect_success(DMA_FIRST, 1);
	expect_success(REGION_READ_ONLY, 0);
}

static void
test_bad(void **state)
{
	expect_failure(VERSION_MAJOR, EPROTONOSUPPORT);
	expect_failure(VERSION_REFUSED, EPROTONOSUPPORT);
	expect_failure(VERSION_SHORT, EPROTONOSUPPORT);
	expect_failure(SILENT, ETIMEDOUT);
	expect_failure(HANG_UP, ENODEV);
	expect_failure(SIZE_SMALL, ENODEV);
	expect_failure(SIZE_HUGE, ENODEV);
	expect_failure(NO_PCI, ENOTSUP);
	expect_failure(WRONG_COMMAND, EPROTO);
	expect_failure(REGION_INDEX, EPROTO);
	expect_failure(REGION_FILE_SHORT, EPROTO);
	expect_failure(REGION_AREA_OUTSIDE, EPROTO);
}

/* As many descriptors in one message as the server takes; one if it does not say. */
static void
test_max_msg_fds(void **state)
{
	static const struct {
		enum quirk quirk;
		unsigned int messages;
	} cases[] = { { GOOD, 1 }, { VERSION_WIDE, 1 }, { VERSION_JSON, 3 } };
	const int fds[3] = { 0, 1, 2 };
	struct ims_vfio *v;
	struct server s;
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		v = start(&s, cases[i].quirk);
		assert_non_null(v);
		assert_int_equal(v->ops->irq_set(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, 3, fds), 0);
		assert_int_equal(s.commands[VFIO_USER_DEVICE_SET_IRQS], cases[i].messages);
		finish(&s, v);
	}
}

static void
test_mapping(void **state)
{
	struct ims_vfio *v;
	uint32_t val = 0x01020304, back = 0;
	struct server s;

	v = start(&s, GOOD);
	assert_non_null(v);
	assert_null(ims_vfio_region_addr(v, 0, 0xffc, 8)); /* half of it is not mapped */
	assert_null(ims_vfio_region_addr(v, 0, 0x3000, 4));
	assert_null(ims_vfio_region_addr(v, 0, UINT64_MAX - 3, 8));
	assert_null(ims_vfio_region_addr(v, 99, 0x1000, 4));
	assert_non_null(ims_vfio_region_addr(v, 0, 0x2ffc, 4));
	assert_int_equal(ims_vfio_write(v, 0, 0x1008, &val, 4), 0);
	assert_int_equal(pread(s.memfd, &back, 4, 0x1008), 4);
	assert_int_equal(back, val);
	assert_int_equal(s.commands[VFIO_USER_REGION_WRITE], 0);
	assert_int_equal(ims_vfio_write(v, 0, 8, &val, 4), 0);
	assert_int_equal(s.commands[VFIO_USER_REGION_WRITE], 1);
	assert_int_equal(ims_vfio_write(v, 0, 0x1001, &val, 4), -EINVAL);
	assert_int_equal(ims_vfio_write(v, 0, BAR_SIZE - 3, &val, 4), -EINVAL);
	assert_int_equal(ims_vfio_write(v, 9, 0, &val, 4), -EINVAL);
	finish(&s, v);
}

static void
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

static uint64_t
fd_count(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n = 0;

	if (poll(&p, 1, 0) == 1)
		assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	return n;
}

/* The root complex: right messages arrive, all others are counted and dropped. */
static void
test_messages(void **state)
{
	int fd[2] = { eventfd(0, 0), eventfd(0, 0) };
	struct ims_vfio_sink sink[2] = { { .fd = fd[0] }, { .fd = fd[1] } };
	struct ims_vfio_msg msg[2], again;
	struct ims_vfio *v;
	struct server s;
	uint32_t val;

	v = start(&s, GOOD);
	assert_non_null(v);
	assert_int_equal(v->ops->msg_alloc(v, &sink[0], &msg[0]), 0);
	assert_int_equal(v->ops->msg_alloc(v, &sink[1], &msg[1]), 0);
	assert_int_not_equal(msg[0].addr, msg[1].addr);
	assert_int_equal(msg[0].addr & 0xfff00018, 0xfee00010); /* remappable format, SHV 0 */
	assert_int_not_equal(msg[0].data, 0);

	inject_write(&s, 1, 0, msg[1].addr, 4, &msg[1].data, 4);
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	assert_int_equal(fd_count(fd[0]), 0);
	assert_int_equal(fd_count(fd[1]), 1);
	expect_errors(v, IMS_VFIO_PEER_STRAY_MSG, 0);

	/* Wrong data, handle never given, compatibility format, wrong length, posted. */
	val = msg[0].data + 1;
	inject_write(&s, 2, 0, msg[0].addr, 4, &val, 4);
	inject_write(&s, 3, 0, msg[0].addr + (5 << 5), 4, &msg[0].data, 4);
	inject_write(&s, 4, 0, 0xfee00000, 4, &msg[0].data, 4);
	inject_write(&s, 5, 0, msg[0].addr, 2, &msg[0].data, 2);
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	inject_write(&s, 6, VFIO_USER_F_NO_REPLY, msg[0].addr + (5 << 5), 4, &msg[0].data, 4);
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	assert_int_equal(fd_count(fd[0]) + fd_count(fd[1]), 0);
	expect_errors(v, IMS_VFIO_PEER_STRAY_MSG, 5);

	/* A freed message, and the handle's next owner has another one. */
	v->ops->msg_free(v, &msg[0]);
	inject_write(&s, 7, 0, msg[0].addr, 4, &msg[0].data, 4);
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	expect_errors(v, IMS_VFIO_PEER_STRAY_MSG, 1);
	assert_int_equal(v->ops->msg_alloc(v, &sink[0], &again), 0);
	assert_int_not_equal(again.addr, msg[0].addr);
	v->ops->msg_free(v, &again);
	v->ops->msg_free(v, &msg[1]);

	/* count and payload disagree; too short for a header of its own. */
	inject_write(&s, 8, 0, msg[1].addr, 400, &val, 4);
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	expect_errors(v, IMS_VFIO_PEER_BAD_REQUEST, 1);
	/* Memory that is not mapped. */
	inject_write(&s, 9, 0, 0x1000, 4, &val, 4);
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	expect_errors(v, IMS_VFIO_PEER_DMA_FAULT, 1);
	finish(&s, v);
	assert_int_equal(s.replies, 1);
	assert_int_equal(s.errors, 7);
	close(fd[0]);
	close(fd[1]);
}

static void
test_handles_run_out(void **state)
{
	struct ims_vfio_msg *msg = calloc(VU_HANDLES, sizeof(*msg));
	struct ims_vfio_sink sink = { .fd = -1 };
	struct ims_vfio_msg more;
	struct ims_vfio *v;
	struct server s;
	uint32_t i;

	v = start(&s, GOOD);
	for (i = 0; i < VU_HANDLES; i++)
		assert_int_equal(v->ops->msg_alloc(v, &sink, &msg[i]), 0);
	assert_int_equal(v->ops->msg_alloc(v, &sink, &more), -ENOSPC);
	v->ops->msg_free(v, &msg[40000]);
	assert_int_equal(v->ops->msg_alloc(v, &sink, &more), 0);
	assert_int_equal(more.addr, msg[40000].addr);
	assert_int_not_equal(more.data, msg[40000].data);
	finish(&s, v);
	free(msg);
}

static void *
read_it(void *arg)
{
	uint32_t val;

	return (void *)(intptr_t)ims_vfio_read(arg, 0, 0, &val, sizeof(val));
}

/*
 * Behind the events of a reader, which handles them first, is the reply that another thread waits for, who may hold
 * what a handler wants: it is not left for the reader's next turn.
 */
static void
test_reply_behind_events(void **state)
{
	struct ims_vfio_sink sink = { .fd = eventfd(0, EFD_CLOEXEC), .reader = &sink, .cookie = 7 };
	struct ims_vfio_event ev[3];
	struct ims_vfio_msg msg;
	struct ims_vfio *v;
	struct server s;
	pthread_t thread;
	unsigned int i;
	void *rc;

	v = start(&s, GOOD);
	assert_int_equal(v->ops->msg_alloc(v, &sink, &msg), 0);
	assert_true(v->ops->source_take(v, &sink) >= 0);
	for (i = 0; i < 3; i++)
		inject_write(&s, i, VFIO_USER_F_NO_REPLY, msg.addr, 4, &msg.data, 4);
	/* The client's own thread stays out. */
	pthread_mutex_lock(&vu_from(v)->rx_lock);
	assert_int_equal(pthread_create(&thread, NULL, read_it, v), 0);
	for (i = 0; i < 20000 && s.answers == 0; i++)
		usleep(1000);
	assert_int_equal(vu_rx_locked(vu_from(v), &sink, ev, RTE_DIM(ev)), 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(ev[i].cookie, 7);
	pthread_mutex_unlock(&vu_from(v)->rx_lock);
	/* Their handlers run, and the reader does not come back. */
	pthread_join(thread, &rc);
	assert_null(rc);
	v->ops->source_give(v, &sink);
	finish(&s, v);
	close(sink.fd);
}

/* An eventfd that the device has, too, and made to block and filled: nobody waits for it. */
static void
test_full_eventfd(void **state)
{
	struct ims_vfio_sink sink = { .fd = eventfd(0, EFD_CLOEXEC) };
	const uint64_t most = UINT64_MAX - 1;
	struct ims_vfio_msg msg;
	struct ims_vfio *v;
	struct server s;
	uint32_t val;

	assert_int_equal(write(sink.fd, &most, sizeof(most)), sizeof(most));
	v = start(&s, GOOD);
	assert_int_equal(v->ops->msg_alloc(v, &sink, &msg), 0);
	inject_write(&s, 1, 0, msg.addr, 4, &msg.data, 4);
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	assert_true(fd_count(sink.fd) == most);
	v->ops->msg_free(v, &msg);
	finish(&s, v);
	close(sink.fd);
}

/* Nobody wants the socket that came with an answer: to close it takes no time, whatever the server has made of it. */
static void
test_lingering_socket(void **state)
{
	struct timespec begin, end;
	struct ims_vfio *v;
	struct server s;
	uint32_t val;
	int peer;

	v = start(&s, GOOD);
	s.lingering = lingering_socket(&peer);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	/* The first of them closes what the answer to it carries; the server's own end is closed by then. */
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	expect_errors(v, IMS_VFIO_PEER_SURPLUS_FD, 1);
	assert_true(end.tv_sec - begin.tv_sec < 30);
	finish(&s, v);
	close(peer);
}

/* What is wrong with a call is no reason to give the device up. */
static void
test_bad_descriptor(void **state)
{
	void *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ims_vfio *v;
	struct server s;

	v = start(&s, GOOD);
	assert_int_equal(ims_vfio_dma_map(v, mem, 4096, 9999, 0), -EBADF);
	assert_false(v->removed);
	assert_int_equal(ims_vfio_dma_map(v, mem, 4096, -1, 0), 0);
	assert_int_equal(ims_vfio_dma_unmap(v, mem, 4096), 0);
	finish(&s, v);
	munmap(mem, 4096);
}

/* Memory without a file behind it is reached by messages. */
static void
test_dma_by_message(void **state)
{
	void *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t val = 0xcafe, word;
	struct ims_vfio *v;
	struct server s;

	v = start(&s, GOOD);
	assert_int_equal(ims_vfio_dma_map(v, mem, 4096, -1, 0), 0);
	assert_int_equal(s.last_map.addr, (uintptr_t)mem);
	inject_write(&s, 1, 0, (uintptr_t)mem + 4092, 4, &val, 4);
	assert_int_equal(ims_vfio_read(v, 0, 0, &word, 4), 0);
	assert_memory_equal((uint8_t *)mem + 4092, &val, 4);
	inject_write(&s, 2, 0, (uintptr_t)mem + 4093, 4, &val, 4);
	assert_int_equal(ims_vfio_read(v, 0, 0, &word, 4), 0);
	expect_errors(v, IMS_VFIO_PEER_DMA_FAULT, 1);
	assert_int_equal(ims_vfio_dma_unmap(v, mem, 4096), 0);
	inject_write(&s, 3, 0, (uintptr_t)mem, 4, &val, 4);
	assert_int_equal(ims_vfio_read(v, 0, 0, &word, 4), 0);
	expect_errors(v, IMS_VFIO_PEER_DMA_FAULT, 1);
	finish(&s, v);
	assert_int_equal(s.replies, 1);
	assert_int_equal(s.errors, 2);
	munmap(mem, 4096);
}

/* As many maps as the server has room for; the MSI window is one of them. */
static void
test_max_maps(void **state)
{
	uint8_t *mem =
		mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ims_vfio *v;
	struct server s;

	v = start(&s, GOOD);
	assert_int_equal(ims_vfio_dma_map(v, mem, 4096, -1, 0), 0);
	assert_int_equal(ims_vfio_dma_map(v, mem + 4096, 4096, -1, 0), 0);
	assert_int_equal(s.maps, 3);
	assert_int_equal(ims_vfio_dma_map(v, mem + 8192, 4096, -1, 0), -ENOSPC);
	assert_int_equal(s.commands[VFIO_USER_DMA_MAP], 3); /* it was not asked */
	assert_int_equal(ims_vfio_dma_unmap(v, mem, 4096), 0);
	assert_int_equal(ims_vfio_dma_map(v, mem + 8192, 4096, -1, 0), 0);
	finish(&s, v);
	munmap(mem, 3 * 4096);
}

/* The client's thread waits for data: the kernel's view of its epoll set. */
static bool
thread_reads(struct ims_vfio *v)
{
	char path[64], line[256];
	unsigned int fd, events = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", vu_from(v)->epfd);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "tfd: %u events: %x", &fd, &events) == 2 &&
			(int)fd == vu_from(v)->sock)
			break;
	assert_false(feof(f));
	fclose(f);
	return events & EPOLLIN;
}

/* Who takes the source reads alone, except while memory is reached by messages. */
static void
test_thread_reads(void **state)
{
	uint8_t *mem =
		mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ims_vfio *v;
	struct server s;

	v = start(&s, GOOD);
	assert_true(thread_reads(v));
	assert_true(v->ops->source_take(v, &s) >= 0);
	assert_false(thread_reads(v));
	assert_int_equal(ims_vfio_dma_map(v, mem, 4096, s.memfd, 0), 0);
	assert_false(thread_reads(v));
	assert_int_equal(ims_vfio_dma_unmap(v, mem, 4096), 0);
	assert_int_equal(ims_vfio_dma_map(v, mem, 4096, -1, 0), 0);
	assert_int_equal(ims_vfio_dma_map(v, mem + 4096, 4096, -1, 0), 0);
	assert_true(thread_reads(v));
	assert_int_equal(ims_vfio_dma_unmap(v, mem, 4096), 0);
	assert_true(thread_reads(v));
	assert_int_equal(ims_vfio_dma_unmap(v, mem + 4096, 4096), 0);
	assert_false(thread_reads(v));
	v->ops->source_give(v, &s);
	assert_true(thread_reads(v));
	finish(&s, v);
	munmap(mem, 3 * 4096);
}

static void
on_removed(void *arg, enum ims_vfio_dev_event event)
{
	assert_int_equal(event, IMS_VFIO_EVENT_REMOVED);
	(*(atomic_int *)arg)++;
}

/* The server dies while a command waits, and before one is sent. */
static void
test_removed(void **state)
{
	atomic_int removed = 0;
	struct ims_vfio *v;
	struct server s;
	uint32_t val, i;

	v = start(&s, GOOD);
	ims_vfio_event_notify(v, on_removed, &removed);
	s.quirk = HANG_UP;
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), -ENODEV);
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), -ENODEV);
	assert_true(v->removed);
	for (i = 0; i < 20000 && removed == 0; i++)
		usleep(1000); /* another thread is telling */
	assert_int_equal(removed, 1);
	/* What is mapped stays readable, whatever it says. */
	assert_int_equal(ims_vfio_read(v, 0, 0x1000, &val, 4), 0);
	finish(&s, v);
}

/* A late reply does not end a later command. */
static void
test_timeout(void **state)
{
	struct vfio_user_header late = { .id = 0,
		.command = VFIO_USER_REGION_READ,
		.size = 36,
		.flags = VFIO_USER_F_TYPE_REPLY };
	struct ims_vfio *v;
	struct server s;
	uint32_t val = 1;

	v = start(&s, GOOD);
	s.quirk = SILENT;
	v->timeout_ms = SILENT_MS;
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), -ETIMEDOUT);
	expect_errors(v, IMS_VFIO_PEER_TIMEOUT, 1);
	v->timeout_ms = TIMEOUT_MS;
	assert_false(v->removed);
	s.quirk = GOOD;
	late.id = s.commands[1] + s.commands[2] + s.commands[4] + s.commands[5] + s.commands[7];
	memcpy(s.inject, &late, sizeof(late));
	memset(s.inject + 16, 0xff, 20);
	s.inject_len = 36;
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	assert_int_equal(val, 0);
	expect_errors(v, IMS_VFIO_PEER_LATE_REPLY, 1);
	finish(&s, v);
}

/* Each is the error that it is, counted once, and no other. */
static void
test_bad_replies(void **state)
{
	static const struct {
		enum quirk quirk;
		int rc;
		enum ims_vfio_peer_error error;
	} cases[] = {
		{ READ_COMMAND, -EPROTO, IMS_VFIO_PEER_BAD_REPLY },
		{ READ_SHORT, -EPROTO, IMS_VFIO_PEER_BAD_REPLY },
		{ READ_LONG, -EPROTO, IMS_VFIO_PEER_BAD_REPLY },
		{ READ_NO_ERROR, -EPROTO, IMS_VFIO_PEER_BAD_REPLY },
		{ READ_REGION, -EPROTO, IMS_VFIO_PEER_BAD_REPLY },
		{ READ_TIMED_OUT, -ETIMEDOUT, IMS_VFIO_PEER_ERRORS }, /* it has answered */
		{ READ_MALFORMED, -ENODEV, IMS_VFIO_PEER_MALFORMED },
	};
	struct ims_vfio *v;
	struct server s;
	unsigned int i;
	uint32_t val;

	v = start(&s, GOOD);
	assert_non_null(v);
	for (i = 0; i < RTE_DIM(cases); i++) {
		s.quirk = cases[i].quirk;
		assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), cases[i].rc);
		expect_errors(v, cases[i].error, 1);
		assert_int_equal(v->removed, cases[i].rc == -ENODEV);
		assert_false(vu_from(v)->silent);
	}
	finish(&s, v);
}

/* Behind bytes that are no message there is none, whatever a reader has taken before them in the same turn. */
static void
test_end_of_messages(void **state)
{
	struct ims_vfio_sink sink = { .fd = eventfd(0, EFD_CLOEXEC), .reader = &sink, .cookie = 7 };
	struct ims_vfio_event ev[4];
	struct ims_vfio_msg msg;
	struct ims_vfio *v;
	struct server s;

	v = start(&s, GOOD);
	assert_non_null(v);
	assert_int_equal(v->ops->msg_alloc(v, &sink, &msg), 0);
	assert_true(v->ops->source_take(v, &sink) >= 0);
	inject_write(&s, 1, VFIO_USER_F_NO_REPLY, msg.addr, 4, &msg.data, 4);
	memset(s.inject + s.inject_len, 0, 36); /* as long as a message */
	s.inject_len += 36;
	inject_write(&s, 2, VFIO_USER_F_NO_REPLY, msg.addr, 4, &msg.data, 4);
	assert_int_equal(send(s.sock, s.inject, s.inject_len, MSG_NOSIGNAL), s.inject_len);
	assert_int_equal(v->ops->source_read(v, &sink, ev, 2), 1);
	assert_true(v->removed);
	assert_int_equal(v->ops->source_read(v, &sink, ev, 2), 0);
	expect_errors(v, IMS_VFIO_PEER_MALFORMED, 1);
	v->ops->source_give(v, &sink);
	finish(&s, v);
	close(sink.fd);
}

/* Two ask, and the second has its answer first, which is no error of the first. */
static void
test_reordered(void **state)
{
	struct ims_vfio *v;
	pthread_t thread;
	struct server s;
	uint32_t val;
	unsigned int i;
	void *rc;

	v = start(&s, GOOD);
	assert_non_null(v);
	s.quirk = READ_HOLD;
	assert_int_equal(pthread_create(&thread, NULL, read_it, v), 0);
	for (i = 0; i < 20000 && s.quirk == READ_HOLD; i++)
		usleep(1000);
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	expect_errors(v, IMS_VFIO_PEER_REORDERED, 1);
	pthread_join(thread, &rc);
	assert_null(rc);
	expect_errors(v, IMS_VFIO_PEER_REORDERED, 0);
	finish(&s, v);
}

/* Who does not read has the answers kept, and each is counted that found no room. */
static void
test_unread(void **state)
{
	int sv[2], size = 4096, n, room;
	struct ims_vfio_user c = { 0 };
	uint8_t data[512] = { 0 };

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	c.sock = sv[0];
	c.epfd = epoll_create1(EPOLL_CLOEXEC);
	pthread_mutex_init(&c.lock, NULL);
	pthread_mutex_init(&c.tx_lock, NULL);
	for (room = 0; c.tx_len == 0; room++)
		vu_reply(&c, room, VFIO_USER_DMA_READ, 0, data, sizeof(data));
	for (n = 1; n < 100; n++)
		vu_reply(&c, room + n, VFIO_USER_DMA_READ, 0, data, sizeof(data));
	/* What was sent in part has had some. */
	assert_in_range(ims_vfio_peer_errors(&c.v, IMS_VFIO_PEER_UNREAD_REPLY), 99, 100);
	assert_int_equal(c.tx_len / (sizeof(data) + sizeof(struct vfio_user_header)),
		ims_vfio_peer_errors(&c.v, IMS_VFIO_PEER_UNREAD_REPLY));
	free(c.tx_buf);
	close(c.epfd);
	close(sv[0]);
	close(sv[1]);
}

/* Of a device that is being closed, and once has not answered, nothing more is asked. */
static void
test_closing(void **state)
{
	struct ims_vfio *v;
	struct server s;
	uint32_t val, before, n, i;

	v = start(&s, GOOD);
	before = s.commands[VFIO_USER_REGION_READ];
	s.quirk = SILENT;
	v->timeout_ms = SILENT_MS;
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), -ETIMEDOUT);
	/* It may have been slow to read even that. */
	n = before + 1;
	for (i = 0; i < 20000 && s.commands[VFIO_USER_REGION_READ] != n; i++)
		usleep(1000);
	v->closing = true;
	s.quirk = GOOD;
	v->timeout_ms = TIMEOUT_MS;
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), -ETIMEDOUT);
	assert_int_equal(s.commands[VFIO_USER_REGION_READ], n);
	/* It is not closed after all, and answers again. */
	v->closing = false;
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	v->closing = true;
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	assert_int_equal(s.commands[VFIO_USER_REGION_READ], n + 2);
	finish(&s, v);
}

/* A server whose backlog is full, and that takes nobody: the wait is bounded. */
static void
test_full(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), other, n;
	char name[64];

	snprintf(name, sizeof(name), "vfio-user:/tmp/ims-full-%d", getpid());
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", name + strlen("vfio-user:"));
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(listener, 0), 0);
	other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(other, (struct sockaddr *)&sa, sizeof(sa)), 0);
	n = count_fds();
	assert_null(ims_vfio_user_open(name, sa.sun_path, 100));
	assert_int_equal(rte_errno, ETIMEDOUT);
	assert_int_equal(count_fds(), n);
	close(other);
	close(listener);
	unlink(sa.sun_path);
}

static void
ends_by_abort(void (*fn)(void))
{
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
ask_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
}

static void
wait_by_wall_clock(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	pthread_mutex_lock(&mutex);
	pthread_cond_timedwait(&cond, &mutex, &until);
}

/* No test program of the library and the server goes by the clock that somebody sets: jump.c sees to it. */
static void
test_wall_clock(void **state)
{
	ends_by_abort(ask_time);
	ends_by_abort(wait_by_wall_clock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_max_msg_fds),
		cmocka_unit_test(test_mapping),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_handles_run_out),
		cmocka_unit_test(test_reply_behind_events),
		cmocka_unit_test(test_full_eventfd),
		cmocka_unit_test(test_lingering_socket),
		cmocka_unit_test(test_bad_descriptor),
		cmocka_unit_test(test_dma_by_message),
		cmocka_unit_test(test_max_maps),
		cmocka_unit_test(test_thread_reads),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_bad_replies),
		cmocka_unit_test(test_end_of_messages),
		cmocka_unit_test(test_reordered),
		cmocka_unit_test(test_unread),
		cmocka_unit_test(test_closing),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_wall_clock),
	};

	fake_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
