/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* More messages than are handled, and answers that are not read. */

#include <string.h>

#include <vfio_user_proto.h>

#include "hostile_beside.h"
#include "test_hostile.h"

/* Messages as fast as they can be sent, good ones or strays. */
static struct {
	struct rte_ims_msg msg;
	atomic_bool stop;
	atomic_uint_fast64_t sent;
} flood;

static void *
flood_main(void *arg)
{
	static const struct {
		struct vfio_user_header hdr;
		uint64_t addr, count;
		uint32_t data;
	} __attribute__((packed)) one = { .hdr = { .command = VFIO_USER_DMA_WRITE,
						  .flags = VFIO_USER_F_NO_REPLY,
						  .size = sizeof(one) },
		.count = sizeof(one.data) };
	static uint8_t buf[1000 * sizeof(one)];
	size_t i;

	(void)arg;
	for (i = 0; i < 1000; i++) {
		memcpy(buf + i * sizeof(one), &one, sizeof(one));
		memcpy(buf + i * sizeof(one) + 16, &flood.msg.addr, 8);
		memcpy(buf + i * sizeof(one) + 32, &flood.msg.data, 4);
	}
	while (!atomic_load(&flood.stop) && hostile_send(bad.h, buf, sizeof(buf)))
		atomic_fetch_add(&flood.sent, 1000);
	return NULL;
}

/* Slower than its device. */
static void
on_flood(struct rte_ims_vec *vec, void *arg)
{
	uint64_t end = e2e_now_ns() + 5000;

	(void)vec;
	(void)arg;
	while (e2e_now_ns() < end)
		;
}

static void
flooded(struct rte_ims_msg msg, unsigned int steps)
{
	pthread_t thread;

	flood.msg = msg;
	atomic_store(&flood.stop, false);
	atomic_store(&flood.sent, 0);
	assert_int_equal(pthread_create(&thread, NULL, flood_main, NULL), 0);
	AWAIT(atomic_load(&flood.sent) != 0);
	good_goes_on_by(steps);
	atomic_store(&flood.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* The set's thread itself reads what this one sends: each message is a call of the handlers. */
static void
test_flood(void **state)
{
	struct rte_ims_wait_info info;
	uint64_t before, events;
	struct rte_ims_vec *vec;

	memset(&bad, 0, sizeof(bad));
	bad.h = hostile_start("timer_ims,timers=8");
	bad.dev = rte_ims_dev_open(hostile_name(bad.h), NULL);
	assert_non_null(bad.dev);
	vec = vec_open(bad.dev, RTE_IMS_STORE_BAR, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	assert_int_equal(rte_ims_wait_info_get(set, &info), 0);
	assert_true(info.reads_socket);
	bad.gone = (struct rte_ims_obj){ .fn = on_flood };
	assert_int_equal(rte_ims_vec_attach(vec, &bad.gone), 0);
	events = events_of(vec);
	flooded(msg_of(vec), 10);
	AWAIT(events_of(vec) == events + flood.sent);
	before = bad_info().stray_msgs;
	flooded((struct rte_ims_msg){ VFIO_USER_MSI_WINDOW_BASE, 1 }, STEPS);
	AWAIT(bad_info().stray_msgs == before + flood.sent);
	bad_abandon(NULL);
}

/* The same by way of the transport's thread and eventfds, where events merge. */
static void
test_flood_beside(void **state)
{
	bad_open(BAD_MODEL, 5000);
	flooded(msg_of(bad.vecs[0]), 10);
	bad_works();
	bad_close();
}

/* It asks, and does not read the answers: nobody waits for it, and in the end it is given up. */
static void
test_deaf(void **state)
{
	struct rte_ims_dev_stats stats;
	uint64_t word = 0;
	unsigned int i;

	bad_open(BAD_MODEL, NEVER_MS);
	hostile_deaf(bad.h, true);
	for (i = 0; i < 2000; i++)
		message(0, VFIO_USER_MSI_WINDOW_BASE, 1);
	good_goes_on();
	assert_false(bad_info().removed); /* it might come to them yet */
	AWAIT(bad_info().stray_msgs == 2000);
	assert_int_equal(rte_ims_dev_stats_get(bad.dev, &stats), 0);
	assert_in_range(stats.unread_replies, 1, 2000);
	hostile_deaf(bad.h, false);
	AWAIT(hostile_refusals(bad.h) == 2000);
	bad_works();
	BAD_COUNTED(.stray_msgs = 2000, .unread_replies = stats.unread_replies);
	hostile_deaf(bad.h, true);
	while (hostile_dma(
		bad.h, VFIO_USER_DMA_READ, 0, msg_of(bad.vecs[1]).addr & ~7ull, 4, NULL, 0))
		word++;
	/* Refusals of 16 bytes each, of which a MiB is kept, and what the sockets hold besides. */
	assert_in_range(word, 2001, 4 * (1 << 20) / 16);
	good_goes_on();
	bad_gone();
	bad_close();
}

int
hostile_flood_tests(void)
{
	const struct CMUnitTest tests[] = {
		T(test_flood),
		T(test_flood_beside),
		T(test_deaf),
	};

	return cmocka_run_group_tests_name("flood", tests, good_open, good_close);
}
