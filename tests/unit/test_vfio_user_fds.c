/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Descriptors of the server's that hold up whoever looks at them or closes them. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rte_errno.h>

#include "../count_fds.h"
#include "../fuse_file.h"
#include "../send_fds.h"
#include "fake_server.h"
#include "test_vfio_user.h"

#define HELD_S 60 /* so long, then whoever waits goes on */
static_assert(FUSE_FILE_ENDS_S == HELD_S, "when its process ends");

static struct {
	struct fuse_file file;
	unsigned int fds;
	struct timespec begin;
} t;

static void
begin(void)
{
	t.fds = count_fds();
	clock_gettime(CLOCK_MONOTONIC, &t.begin);
}

static void
nobody_waited(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_true(now.tv_sec - t.begin.tv_sec < HELD_S / 2);
}

/* All is closed, some of it by another thread. */
static void
end(void)
{
	unsigned int i;

	nobody_waited();
	for (i = 0; i < 20000 && count_fds() != t.fds; i++)
		usleep(1000);
	assert_int_equal(count_fds(), t.fds);
}

static void
fuse_begin(uint32_t mute)
{
	begin();
	fuse_file_open_or_skip(&t.file);
	fuse_file_mute(&t.file, mute);
}

static void
fuse_end(void)
{
	nobody_waited();
	fuse_file_close(&t.file);
	end();
}

static void
wait_asked(void)
{
	assert_int_equal(fuse_file_wait_asked(&t.file, 1), 1);
}

/* What cannot be closed is waited for as long as an answer is, a second at least. */
static void
finish_soon(struct server *s, struct ims_vfio *v)
{
	v->timeout_ms = SILENT_MS;
	finish(s, v);
}

/* There is more to be sent than anyone takes, and close() waits for that. */
static int
lingering_socket(int *peer)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = HELD_S };
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

/*
 * Nobody wants the socket that came with an answer: to close it takes no time, whatever the server
 * has made of it.
 */
static void
test_lingering_socket(void **state)
{
	struct ims_vfio *v;
	struct server s;
	uint32_t val;
	int peer;

	begin();
	v = start(&s, GOOD);
	s.lingering = lingering_socket(&peer);
	/* The library closes what the first answer carries, and has the last copy of it. */
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	expect_errors(v, IMS_VFIO_PEER_SURPLUS_FD, 1);
	finish_soon(&s, v);
	close(peer);
	end();
}

/* Nor the one that came with what nobody has read when the device is closed. */
static void
test_lingering_unread(void **state)
{
	struct vfio_user_header hdr = { .command = VFIO_USER_DMA_WRITE, .size = sizeof(hdr) };
	struct ims_vfio *v;
	struct server s;
	int peer, fd;

	begin();
	v = start(&s, GOOD);
	assert_non_null(v);
	assert_true(v->ops->source_take(v, &s) >= 0);
	fd = lingering_socket(&peer);
	assert_int_equal(send_last_fd(s.sock, &hdr, sizeof(hdr), fd), sizeof(hdr));
	finish_soon(&s, v);
	close(peer);
	end();
}

static struct ims_vfio *
start_unmapped(struct server *s, int fd)
{
	struct ims_vfio *v = start_file(s, fd);
	uint32_t val, i;

	assert_non_null(v);
	assert_int_equal(v->regions[0].size, BAR_SIZE);
	assert_int_equal(v->regions[0].n_areas, 0);
	for (i = 1; i <= 3; i++) {
		assert_int_equal(ims_vfio_read(v, 0, 0x1000, &val, 4), 0);
		assert_int_equal(s->commands[VFIO_USER_REGION_READ], i);
	}
	expect_errors(v, IMS_VFIO_PEER_ERRORS, 0);
	return v;
}

/*
 * Only memory is mapped: of any other file nobody asks the size, nor a page, nor waits until it is
 * closed.
 */
static void
fuse_region(uint32_t mute, unsigned int asked)
{
	struct ims_vfio *v;
	struct server s;

	fuse_begin(mute);
	v = start_unmapped(&s, t.file.fd);
	if (asked != 0)
		wait_asked();
	finish_soon(&s, v);
	assert_int_equal(fuse_file_asked(&t.file), asked);
	fuse_end();
}

static void
test_fuse_region(void **state)
{
	fuse_region(FUSE_GETATTR, 0);
	fuse_region(FUSE_STATFS, 0);
	fuse_region(FUSE_READ, 0);
	fuse_region(FUSE_FLUSH, 1);
}

/*
 * Nor is memory of huge pages: when it is cut short, none of them can be replaced. A file of them
 * can be made without there being any.
 */
static void
test_huge_region(void **state)
{
	struct ims_vfio *v;
	struct server s;
	struct stat st;
	int fd;

	begin();
	fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	if (fd < 0 && (errno == ENOSYS || errno == EINVAL || errno == EPERM)) {
		print_message("no file of huge pages: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(fd, st.st_blksize), 0);
	v = start_unmapped(&s, fd);
	finish(&s, v);
	close(fd);
	end();
}

static void *
read_often(void *arg)
{
	uint32_t val, i;
	int rc = 0;

	for (i = 0; i < 10 && rc == 0; i++)
		rc = ims_vfio_read(arg, 0, 0, &val, 4);
	return (void *)(intptr_t)rc;
}

/* It comes with the answers to two threads, and with an event. */
static void
test_fuse_surplus(void **state)
{
	struct ims_vfio_sink sink = { .cookie = 7 };
	struct ims_vfio_msg msg;
	struct ims_vfio *v;
	pthread_t thread;
	struct server s;
	eventfd_t events;
	void *rc;

	fuse_begin(FUSE_FLUSH);
	v = start(&s, GOOD);
	assert_non_null(v);
	sink.fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(v->ops->msg_alloc(v, &sink, &msg), 0);
	s.surplus_fd = t.file.fd;
	assert_int_equal(pthread_create(&thread, NULL, read_often, v), 0);
	assert_null(read_often(v));
	pthread_join(thread, &rc);
	assert_null(rc);
	wait_asked();
	expect_errors(v, IMS_VFIO_PEER_SURPLUS_FD, 20);
	inject_write(&s, 1, VFIO_USER_F_NO_REPLY, msg.addr, 4, &msg.data, 4);
	assert_null(read_often(v));
	assert_int_equal(eventfd_read(sink.fd, &events), 0);
	assert_int_equal(events, 1);
	expect_errors(v, IMS_VFIO_PEER_SURPLUS_FD, 11);
	finish_soon(&s, v);
	close(sink.fd);
	fuse_end();
}

/*
 * More than may wait to be closed: the device is given up after the time that an answer may take,
 * and another one goes on.
 */
static void
test_fuse_too_many(void **state)
{
	struct ims_vfio *v, *other;
	struct server s, other_s;
	uint32_t val, i;
	int rc = 0;

	fuse_begin(FUSE_FLUSH);
	other = start(&other_s, GOOD);
	v = start(&s, GOOD);
	assert_non_null(other);
	assert_non_null(v);
	v->timeout_ms = SILENT_MS;
	s.surplus_fd = t.file.fd;
	for (i = 0; i < 1000 && (rc == 0 || rc == -ETIMEDOUT); i++)
		rc = ims_vfio_read(v, 0, 0, &val, 4);
	assert_int_equal(rc, -ENODEV);
	assert_true(v->removed);
	assert_in_range(ims_vfio_peer_errors(v, IMS_VFIO_PEER_SURPLUS_FD), 64, 68);
	wait_asked();
	assert_null(read_often(other));
	finish(&s, v);
	assert_null(read_often(other));
	expect_errors(other, IMS_VFIO_PEER_ERRORS, 0);
	finish(&other_s, other);
	fuse_end();
}

/* It reads as a wait set's thread does, and is sent more descriptors than may wait. */
static unsigned int
read_until_told(struct ims_vfio *v, struct server *s, const void *reader)
{
	struct ims_vfio_event ev[1];
	unsigned int i, got = 0;
	int n = 0;

	for (i = 0; i < 70; i++)
		assert_int_equal(
			send_fds(s->sock, s->inject, s->inject_len, &t.file.fd, 1), s->inject_len);
	for (i = 0; i < 20000 && n >= 0; i++) {
		n = v->ops->source_read(v, reader, ev, 1);
		got += n > 0;
		usleep(1000);
	}
	assert_int_equal(n, -EAGAIN);
	assert_in_range(got, 65, 67);
	return got;
}

/*
 * The thread of a wait set reads: it is not held up either, nor has to look again and again. The
 * device is given up by the client's own thread.
 */
static void
test_fuse_reader(void **state)
{
	struct ims_vfio_sink sink = { .reader = &sink, .cookie = 7 };
	struct ims_vfio_msg msg;
	unsigned int i, got;
	struct ims_vfio *v;
	struct server s;

	fuse_begin(FUSE_FLUSH);
	v = start(&s, GOOD);
	assert_non_null(v);
	v->timeout_ms = SILENT_MS;
	sink.fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(v->ops->msg_alloc(v, &sink, &msg), 0);
	assert_true(v->ops->source_take(v, &sink) >= 0);
	inject_write(&s, 1, VFIO_USER_F_NO_REPLY, msg.addr, 4, &msg.data, 4);
	got = read_until_told(v, &s, &sink);
	for (i = 0; i < 20000 && !v->removed; i++)
		usleep(1000);
	assert_true(v->removed);
	assert_int_equal(v->ops->source_read(v, &sink, NULL, 0), -EAGAIN);
	expect_errors(v, IMS_VFIO_PEER_SURPLUS_FD, got);
	v->ops->source_give(v, &sink);
	finish(&s, v);
	close(sink.fd);
	fuse_end();
}

/* When they are closed in time the device goes on, its messages come by that thread. */
static void
test_fuse_reader_goes_on(void **state)
{
	struct ims_vfio_sink sink = { .reader = &sink, .cookie = 7 }, last = { .cookie = 8 };
	struct ims_vfio_msg msg, last_msg;
	struct ims_vfio *v;
	struct pollfd pfd;
	struct server s;

	fuse_begin(FUSE_FLUSH);
	v = start(&s, GOOD);
	assert_non_null(v);
	sink.fd = eventfd(0, EFD_CLOEXEC);
	last.fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(v->ops->msg_alloc(v, &sink, &msg), 0);
	assert_int_equal(v->ops->msg_alloc(v, &last, &last_msg), 0);
	assert_true(v->ops->source_take(v, &sink) >= 0);
	inject_write(&s, 1, VFIO_USER_F_NO_REPLY, msg.addr, 4, &msg.data, 4);
	read_until_told(v, &s, &sink);
	s.inject_len = 0;
	inject_write(&s, 1, VFIO_USER_F_NO_REPLY, last_msg.addr, 4, &last_msg.data, 4);
	assert_int_equal(send_fds(s.sock, s.inject, s.inject_len, NULL, 0), s.inject_len);
	s.inject_len = 0;
	fuse_file_close(&t.file);
	pfd = (struct pollfd){ .fd = last.fd, .events = POLLIN };
	assert_int_equal(poll(&pfd, 1, TIMEOUT_MS), 1);
	expect_errors(v, IMS_VFIO_PEER_SURPLUS_FD, 70);
	v->ops->source_give(v, &sink);
	assert_int_equal(v->ops->source_take(v, &sink), -EBUSY);
	finish(&s, v);
	close(last.fd);
	close(sink.fd);
	end();
}

/* What irq_set may pass to the server. */
static int
give(struct ims_vfio *v)
{
	return v->ops->fd_give(v);
}

static void
close_given(struct ims_vfio *v)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_true(fd >= 0);
	v->ops->fd_close(v, fd);
}

/* An eventfd is closed when fd_close returns. A function has so many vectors. */
static void
test_given(void **state)
{
	unsigned int i, fds;
	struct ims_vfio *v;
	struct server s;

	begin();
	v = start(&s, GOOD);
	assert_non_null(v);
	fds = count_fds();
	assert_int_equal(give(v), 0);
	close_given(v);
	assert_int_equal(count_fds(), fds);
	for (i = 0; i < 2048; i++)
		assert_int_equal(give(v), 0);
	assert_int_equal(give(v), -ENOSPC);
	for (i = 0; i < 2048; i++)
		close_given(v);
	assert_int_equal(give(v), 0);
	close_given(v);
	finish(&s, v);
	end();
}

/*
 * While one cannot be closed: that costs a second, once. When many wait none is given any more
 * until they are closed, and who asks does not wait either.
 */
static void
test_fuse_given(void **state)
{
	struct ims_vfio *v;
	struct server s;
	unsigned int i;
	uint32_t val;

	fuse_begin(FUSE_FLUSH);
	v = start(&s, GOOD);
	assert_non_null(v);
	s.surplus_fd = t.file.fd;
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	wait_asked();
	for (i = 0; i < 1000 && give(v) == 0; i++)
		close_given(v);
	assert_in_range(i, 64, 65);
	for (i = 0; i < 10; i++)
		assert_int_equal(give(v), -ETIMEDOUT);
	nobody_waited();
	fuse_file_close(&t.file);
	for (i = 0; i < 20000 && give(v) != 0; i++)
		usleep(1000);
	assert_true(i < 20000);
	close_given(v);
	finish(&s, v);
	end();
}

/* One that does so again and again: its device is not opened until what it has passed is closed. */
static void
test_fuse_again(void **state)
{
	struct ims_vfio *v;
	struct server s;
	uint32_t val, i;

	fuse_begin(FUSE_FLUSH);
	for (i = 1; i <= 2; i++) {
		v = start(&s, GOOD);
		assert_non_null(v);
		s.surplus_fd = t.file.fd;
		assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
		finish_soon(&s, v);
	}
	assert_null(start(&s, GOOD));
	assert_int_equal(rte_errno, EBUSY);
	finish(&s, NULL);
	fuse_end();
	for (i = 0; i < 20000; i++) {
		v = start(&s, GOOD);
		if (v != NULL)
			break;
		finish(&s, NULL);
		usleep(1000);
	}
	assert_non_null(v);
	finish(&s, v);
}

int
vfio_user_fds_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lingering_socket),
		cmocka_unit_test(test_lingering_unread),
		cmocka_unit_test(test_fuse_region),
		cmocka_unit_test(test_huge_region),
		cmocka_unit_test(test_fuse_surplus),
		cmocka_unit_test(test_fuse_too_many),
		cmocka_unit_test(test_fuse_reader),
		cmocka_unit_test(test_fuse_reader_goes_on),
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_fuse_given),
		cmocka_unit_test(test_fuse_again),
	};

	return cmocka_run_group_tests_name("descriptors", tests, NULL, NULL);
}
