/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The client as root complex: right messages arrive where they should, no other does. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake_server.h"
#include "test_vfio_user.h"

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

int
vfio_user_msg_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_handles_run_out),
		cmocka_unit_test(test_full_eventfd),
	};

	return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
