/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Replies: late, wrong, out of order, behind something else, or never. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_common.h>

#include "fake_server.h"
#include "test_vfio_user.h"

static void *
read_it(void *arg)
{
	uint32_t val;

	return (void *)(intptr_t)ims_vfio_read(arg, 0, 0, &val, sizeof(val));
}

/*
 * Behind the events of a reader, which handles them first, is the reply that another thread waits
 * for, who may hold what a handler wants: it is not left for the reader's next turn.
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
		/* It has answered, and rightly. */
		{ READ_TIMED_OUT, -ETIMEDOUT, IMS_VFIO_PEER_ERRORS },
		{ READ_PROTO, -EPROTO, IMS_VFIO_PEER_ERRORS },
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

/*
 * Behind bytes that are no message there is none, whatever a reader has taken before them in the
 * same turn.
 */
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

int
vfio_user_reply_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply_behind_events),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_bad_replies),
		cmocka_unit_test(test_end_of_messages),
		cmocka_unit_test(test_reordered),
		cmocka_unit_test(test_unread),
		cmocka_unit_test(test_closing),
	};

	return cmocka_run_group_tests_name("replies", tests, NULL, NULL);
}
