/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Framing and the version exchange, from bytes made by hand. */

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "vfu_peer.h"

static struct plain *m;
static struct peer p;

static int
setup(void **state)
{
	m = plain_create();
	peer_start(&p, m->vfu);
	return 0;
}

/* Without the exchange of versions. */
static int
setup_raw(void **state)
{
	m = plain_create();
	peer_attach(&p, m->vfu);
	return 0;
}

static int
teardown(void **state)
{
	peer_stop(&p);
	plain_destroy(m);
	return 0;
}

/* What a good VERSION reply holds. */
static void
check_version_reply(void)
{
	struct vfio_user_version ver;

	assert_int_equal(p.in.hdr.command, VFIO_USER_VERSION);
	assert_int_equal(p.in.hdr.flags, VFIO_USER_F_TYPE_REPLY);
	assert_true(p.in.len > sizeof(ver));
	memcpy(&ver, p.in.data, sizeof(ver));
	assert_int_equal(ver.major, 0);
	assert_int_equal(ver.minor, 1);
	assert_int_equal(p.in.data[p.in.len - 1], '\0');
	assert_int_equal(strlen((char *)p.in.data + sizeof(ver)), p.in.len - sizeof(ver) - 1);
	assert_non_null(strstr((char *)p.in.data + sizeof(ver), "\"max_msg_fds\":8"));
	assert_non_null(strstr((char *)p.in.data + sizeof(ver), "\"max_data_xfer_size\":65536"));
}

static void
test_version_no_json(void **state)
{
	assert_int_equal(peer_version(&p, 0, NULL), 0);
	check_version_reply();
}

static void
test_version_minor(void **state)
{
	const uint16_t newer[2] = { 0, 7 }, older[2] = { 0, 0 };

	/* The lower of the two. */
	assert_int_equal(peer_call(&p, VFIO_USER_VERSION, newer, sizeof(newer)), 0);
	check_version_reply();
	assert_int_equal(p.in.data[2], 1);
	teardown(NULL);
	setup_raw(NULL);
	assert_int_equal(peer_call(&p, VFIO_USER_VERSION, older, sizeof(older)), 0);
	assert_int_equal(p.in.data[2], 0);
}

static void
test_version_refused(void **state)
{
	static const uint8_t no_end[] = { 0, 0, 1, 0, '{', '}' };
	static const uint8_t cut[] = { 0, 0, 1 };
	static const char *const bad[] = { "", "{", "{\"capabilities\":", "nonsense", "null" };
	static const char *const odd[] = { "[]", "3", "{\"capabilities\":[1]}",
		"{\"capabilities\":{\"max_msg_fds\":\"x\",\"max_data_xfer_size\":-1}}",
		"{\"capabilities\":{\"max_msg_fds\":1e99,\"unknown\":{}}}" };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(peer_version(&p, 0, bad[i]), EINVAL);
	assert_int_equal(peer_call(&p, VFIO_USER_VERSION, no_end, sizeof(no_end)), EINVAL);
	assert_int_equal(peer_call(&p, VFIO_USER_VERSION, cut, sizeof(cut)), EINVAL);
	assert_int_equal(peer_call(&p, VFIO_USER_VERSION, NULL, 0), EINVAL);
	assert_int_equal(peer_version(&p, 1, "{}"), EINVAL);
	assert_int_equal(peer_version(&p, 0xffff, NULL), EINVAL);
	/* None of these was taken for a version, so this is the first. */
	assert_int_equal(peer_version(&p, 0, "{}"), 0);
	check_version_reply();
	assert_int_equal(peer_version(&p, 0, "{}"), EINVAL);
	peer_sync(&p);

	/* Valid JSON, whatever it says: limits that make no sense leave the defaults. */
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		teardown(NULL);
		setup_raw(NULL);
		assert_int_equal(peer_version(&p, 0, odd[i]), 0);
	}
}

static void
test_before_version(void **state)
{
	uint8_t zero[64] = { 0 };
	uint16_t command;

	for (command = 2; command < 20; command++)
		assert_int_equal(peer_call(&p, command, zero, sizeof(zero)), EINVAL);
	assert_int_equal(peer_version(&p, 0, "{}"), 0);
	peer_sync(&p);
	assert_int_equal(plain_counts(m).reads, 0);
	assert_int_equal(plain_counts(m).resets, 0);
}

static void
test_unknown_command(void **state)
{
	static const uint16_t commands[] = { 0, VFIO_USER_DMA_READ, VFIO_USER_DMA_WRITE, 14,
		VFIO_USER_REGION_WRITE_MULTI, VFIO_USER_DEVICE_FEATURE, VFIO_USER_MIG_DATA_READ, 19,
		0xffff };
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		assert_int_equal(peer_call(&p, commands[i], "12345678", 8), EOPNOTSUPP);
	peer_sync(&p);
}

/* VERSION and a BAR read, cut in two at every byte. */
static void
test_split(void **state)
{
	struct vfio_user_header hdr = {
		.id = 77,
		.command = VFIO_USER_REGION_READ,
		.size = sizeof(hdr) + sizeof(struct vfio_user_region_access),
	};
	struct vfio_user_region_access acc = { .offset = 0x10, .region = 0, .count = 4 };
	uint8_t msg[sizeof(hdr) + sizeof(acc)];
	struct pollfd pfd = { .fd = p.sock, .events = POLLIN };
	size_t cut;

	memcpy(msg, &hdr, sizeof(hdr));
	memcpy(msg + sizeof(hdr), &acc, sizeof(acc));
	vfu_lock(m->vfu);
	memcpy(m->mem + 0x10, "abcd", 4);
	vfu_unlock(m->vfu);
	for (cut = 1; cut < sizeof(msg); cut++) {
		peer_send_raw(&p, msg, cut, NULL, 0);
		assert_int_equal(poll(&pfd, 1, 3), 0); /* no answer to half a request */
		peer_send_raw(&p, msg + cut, sizeof(msg) - cut, NULL, 0);
		assert_int_equal(peer_reply_wait(&p, 77), 0);
		assert_memory_equal(p.in.data + sizeof(acc), "abcd", 4);
	}
	for (cut = 0; cut < sizeof(msg); cut++)
		peer_send_raw(&p, msg + cut, 1, NULL, 0);
	assert_int_equal(peer_reply_wait(&p, 77), 0);
	assert_int_equal(plain_counts(m).reads, sizeof(msg));
}

static void
test_two_in_one(void **state)
{
	struct {
		struct vfio_user_header hdr;
		struct vfio_user_device_info info;
	} req[40] = { 0 };
	size_t i, n = sizeof(req) / sizeof(req[0]);

	for (i = 0; i < n; i++) {
		req[i].hdr.id = i;
		req[i].hdr.command = VFIO_USER_DEVICE_GET_INFO;
		req[i].hdr.size = sizeof(req[i]);
		req[i].info.argsz = sizeof(req[i].info);
	}
	peer_send_raw(&p, req, 2 * sizeof(req[0]), NULL, 0);
	assert_int_equal(peer_reply_wait(&p, 0), 0);
	assert_int_equal(peer_reply_wait(&p, 1), 0);
	/* More than the server handles at a time. */
	peer_send_raw(&p, req, sizeof(req), NULL, 0);
	for (i = 0; i < n; i++)
		assert_int_equal(peer_reply_wait(&p, i), 0);
}

static void
check_closes(uint32_t size, uint32_t flags)
{
	struct vfio_user_header hdr = {
		.id = 1,
		.command = VFIO_USER_DEVICE_GET_INFO,
		.size = size,
		.flags = flags,
	};

	setup(NULL);
	peer_send_raw(&p, &hdr, sizeof(hdr), NULL, 0);
	assert_true(peer_closed(&p));
	teardown(NULL);
}

static void
test_malformed(void **state)
{
	check_closes(0, 0);
	check_closes(15, 0);
	check_closes(65536 + 64 + 1, 0);
	check_closes(UINT32_MAX, 0);
	check_closes(32, 2);
	check_closes(32, 0xf);
	check_closes(32, 0x22);
	check_closes(16, 0xfffffff2);
}

/* At the limit a message is still read to its end, and refused for what it says. */
static void
test_biggest(void **state)
{
	static uint8_t data[65536 + 64 - 16];

	assert_int_equal(peer_call(&p, 99, data, sizeof(data)), EOPNOTSUPP);
	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_RESET, data, sizeof(data)), EINVAL);
	peer_sync(&p);
}

static void
test_unasked_reply(void **state)
{
	uint32_t i;

	for (i = 0; i < 600; i++)
		peer_reply(&p, i, VFIO_USER_DMA_WRITE, i % 3, "0123456789abcdef", 16);
	peer_sync(&p);
}

static void
test_no_reply(void **state)
{
	struct vfio_user_region_access acc = { .offset = 8, .region = 0, .count = 4 };
	uint8_t req[sizeof(acc) + 4];
	uint16_t id;

	memcpy(req, &acc, sizeof(acc));
	/* Bytes, no string. NOLINTNEXTLINE(bugprone-not-null-terminated-result) */
	memcpy(req + sizeof(acc), "wxyz", 4);
	peer_send(&p, VFIO_USER_REGION_WRITE, VFIO_USER_F_NO_REPLY, req, sizeof(req), NULL, 0);
	/* Errors are not replied to either. */
	peer_send(&p, VFIO_USER_REGION_WRITE, VFIO_USER_F_NO_REPLY, req, 3, NULL, 0);
	peer_send(&p, 99, VFIO_USER_F_NO_REPLY, NULL, 0, NULL, 0);
	peer_send(&p, VFIO_USER_VERSION, VFIO_USER_F_NO_REPLY, NULL, 0, NULL, 0);
	id = peer_send(&p, VFIO_USER_REGION_READ, 0, &acc, sizeof(acc), NULL, 0);
	/* So the first reply is this one's. */
	assert_int_equal(peer_reply_wait(&p, id), 0);
	assert_memory_equal(p.in.data + sizeof(acc), "wxyz", 4);
	assert_int_equal(peer_recv(&p, 5), -1);
}

static void
test_surplus_fds(void **state)
{
	struct vfio_user_device_info info = { .argsz = sizeof(info) };
	uint8_t map[32] = { 0 };
	struct vfio_user_header hdr = {
		.command = VFIO_USER_DEVICE_GET_INFO,
		.size = sizeof(hdr) + sizeof(info),
	};
	int fds[PEER_MAX_FDS];
	unsigned int before, i;

	for (i = 0; i < PEER_MAX_FDS; i++)
		fds[i] = m->memfd;
	peer_sync(&p);
	before = peer_count_fds(&p);
	/* With a command that takes none, as many as it takes, and many more. */
	for (i = 1; i <= PEER_MAX_FDS; i += 5) {
		assert_int_equal(
			peer_call_fds(&p, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info), fds, i),
			0);
		assert_int_equal(
			peer_call_fds(&p, VFIO_USER_DMA_MAP, map, sizeof(map), fds, i), EINVAL);
		assert_int_equal(peer_call_fds(&p, 99, map, sizeof(map), fds, i), EOPNOTSUPP);
		peer_sync(&p);
		assert_int_equal(peer_count_fds(&p), before);
	}
	/* A few with each piece of a message. */
	peer_send_raw(&p, &hdr, 4, fds, 6);
	peer_send_raw(&p, (uint8_t *)&hdr + 4, 12, fds, 6);
	peer_send_raw(&p, &info, sizeof(info), fds, 6);
	assert_int_equal(peer_reply_wait(&p, 0), 0);
	peer_sync(&p);
	assert_int_equal(peer_count_fds(&p), before);
	/* With a message that is never completed. */
	peer_send_raw(&p, &hdr, 8, fds, 8);
	close(p.sock);
	pthread_join(p.thread, NULL);
	assert_int_equal(peer_count_fds(&p), before - 2);
	p.sock = -1;
	plain_destroy(m);
	setup(NULL);
}

#define MIB (1u << 20)

/* Send without end and never read: the server gives up on such a client, in bounded memory. */
static void
test_never_reads(void **state)
{
	struct vfio_user_header hdr = {
		.command = VFIO_USER_REGION_READ,
		.size = sizeof(hdr) + sizeof(struct vfio_user_region_access),
	};
	struct vfio_user_region_access acc = { .offset = 0, .region = 0, .count = 4096 };
	uint8_t msg[sizeof(hdr) + sizeof(acc)];
	struct pollfd pfd = { .fd = p.sock, .events = POLLOUT };
	const size_t reply = sizeof(msg) + acc.count;
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd, sent = 0, queued;
	ssize_t n = 0;
	int unread;

	memcpy(msg, &hdr, sizeof(hdr));
	memcpy(msg + sizeof(hdr), &acc, sizeof(acc));
	while (sent < 100000) {
		n = send(p.sock, msg, sizeof(msg), MSG_NOSIGNAL);
		if (n != (ssize_t)sizeof(msg))
			break;
		sent++;
	}
	assert_int_equal(n, -1);
	assert_true(errno == EPIPE || errno == ECONNRESET);
	assert_true(sent > 256); /* the bound is 1 MiB, not a few messages */
	poll(&pfd, 1, 100);
	pthread_join(p.thread, NULL); /* it was attached, so its run ends with its client */
	/* What the socket has not taken: 1 MiB, and the reply that was too much. */
	assert_int_equal(ioctl(p.sock, FIONREAD, &unread), 0);
	queued = plain_counts(m).reads * reply - unread;
	assert_in_range(queued, MIB - reply, MIB + reply);
	assert_true(mallinfo2().uordblks + mallinfo2().hblkhd <= before + 65536);
	close(p.sock);
	plain_destroy(m);
	setup(NULL);
}

/* A slow client that does read gets all of it, in order. */
static void
test_reads_late(void **state)
{
	struct vfio_user_region_access acc = { .offset = 0, .region = 0, .count = 4096 };
	struct vfio_user_header hdr = {
		.command = VFIO_USER_REGION_READ,
		.size = sizeof(hdr) + sizeof(acc),
	};
	uint8_t msg[sizeof(hdr) + sizeof(acc)];
	uint32_t i;

	for (i = 0; i < 200; i++) {
		hdr.id = i;
		acc.offset = i % 8 * 4096;
		memcpy(msg, &hdr, sizeof(hdr));
		memcpy(msg + sizeof(hdr), &acc, sizeof(acc));
		peer_send_raw(&p, msg, sizeof(msg), NULL, 0);
	}
	usleep(20000);
	for (i = 0; i < 200; i++) {
		assert_int_equal(peer_reply_wait(&p, i), 0);
		assert_int_equal(p.in.len, sizeof(acc) + 4096);
		memcpy(&acc, p.in.data, sizeof(acc));
		assert_int_equal(acc.offset, i % 8 * 4096);
	}
}

static struct {
	int fd;
	uint64_t requests_before; /* the model's event was seen */
} own_event;

static void
on_own_event(void *arg)
{
	uint64_t count;

	assert_int_equal(read(own_event.fd, &count, sizeof(count)), sizeof(count));
	own_event.requests_before = vfu_stats(m->vfu)->requests;
}

/* A client that sends without end: the model's own events get their turn. */
static void
test_flood(void **state)
{
	const unsigned int n = 200; /* fit into the socket */
	const uint64_t one = 1;
	uint64_t before, after;
	unsigned int i;

	own_event.fd = eventfd(0, EFD_CLOEXEC);
	vfu_lock(m->vfu);
	before = vfu_stats(m->vfu)->requests;
	assert_int_equal(vfu_watch(m->vfu, own_event.fd, on_own_event, NULL), 0);
	for (i = 0; i < n; i++)
		peer_send(&p, VFIO_USER_DEVICE_RESET, VFIO_USER_F_NO_REPLY, NULL, 0, NULL, 0);
	assert_int_equal(write(own_event.fd, &one, sizeof(one)), sizeof(one));
	vfu_unlock(m->vfu);
	peer_sync(&p);
	vfu_lock(m->vfu);
	after = vfu_stats(m->vfu)->requests;
	vfu_unlock(m->vfu);
	close(own_event.fd);
	assert_true(after >= before + n);
	assert_in_range(own_event.requests_before, before, before + n / 4);
}

static void
test_device_info(void **state)
{
	struct vfio_user_device_info info = { .argsz = sizeof(info) - 1 };
	struct vfio_user_region_io_fds io = { .argsz = sizeof(io), .index = 2 };

	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info)), EINVAL);
	info.argsz = sizeof(info);
	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info) - 1), EINVAL);
	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info)), 0);
	assert_int_equal(p.in.len, sizeof(info));
	memcpy(&info, p.in.data, sizeof(info));
	assert_int_equal(info.flags, VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI);
	assert_int_equal(info.num_regions, 9);
	assert_int_equal(info.num_irqs, 5);

	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_GET_REGION_IO_FDS, &io, sizeof(io)), 0);
	memcpy(&io, p.in.data, sizeof(io));
	assert_int_equal(io.count, 0);
	io.index = 9;
	assert_int_equal(
		peer_call(&p, VFIO_USER_DEVICE_GET_REGION_IO_FDS, &io, sizeof(io)), EINVAL);
	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	assert_int_equal(plain_counts(m).resets, 1);
}

/* The client's end resets the function. */
static void
test_hang_up(void **state)
{
	peer_stop(&p);
	assert_int_equal(plain_counts(m).resets, 1);
	plain_destroy(m);
	setup(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_version_no_json, setup_raw, teardown),
		cmocka_unit_test_setup_teardown(test_version_minor, setup_raw, teardown),
		cmocka_unit_test_setup_teardown(test_version_refused, setup_raw, teardown),
		cmocka_unit_test_setup_teardown(test_before_version, setup_raw, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_command, setup, teardown),
		cmocka_unit_test_setup_teardown(test_split, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_in_one, setup, teardown),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test_setup_teardown(test_biggest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unasked_reply, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_reply, setup, teardown),
		cmocka_unit_test_setup_teardown(test_surplus_fds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reads_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_device_info, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hang_up, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
