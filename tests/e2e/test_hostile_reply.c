/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Replies that never come, come half, out of order, more than once, with descriptors. */

#include <errno.h>
#include <unistd.h>

#include <ims_driver.h>
#include <queue_dev_regs.h>

#include "hostile_beside.h"
#include "test_hostile.h"

/*
 * Not answered in time, and nothing else is wrong. So many have come late, and so many have not
 * come at all; where the machine is loaded, honest answers may be late as well.
 */
static void
expect_unanswered(unsigned int late, unsigned int never)
{
	struct rte_ims_dev_stats stats;

	assert_int_equal(rte_ims_dev_stats_get(bad.dev, &stats), 0);
	assert_true(stats.late_replies >= late);
	assert_true(stats.timeouts >= stats.late_replies + never);
	BAD_COUNTED(.timeouts = stats.timeouts, .late_replies = stats.late_replies);
}

/* Never sent, or half: who asked is told so in time, and a late answer harms nobody. */
static void
unanswered(enum hostile_replies how)
{
	bool half = how == HOSTILE_HALF;
	uint64_t start;

	bad_open(BAD_MODEL, SHORT_MS);
	hostile_replies(bad.h, how);
	start = e2e_now_ns();
	assert_int_equal(bad_call(), -ETIMEDOUT);
	assert_true(e2e_now_ns() - start >= SHORT_MS * 1000000ull);
	AWAIT(hostile_replies_spoilt(bad.h) > 0);
	good_goes_on();
	assert_false(bad_info().removed);
	expect_unanswered(0, 1);
	hostile_replies(bad.h, HOSTILE_PASS);
	AWAIT(bad_call() == 0);
	bad_works();
	expect_unanswered(half, !half);
	bad_close();
}

static void
test_no_reply(void **state)
{
	unanswered(HOSTILE_NEVER);
}

static void
test_half_reply(void **state)
{
	unanswered(HOSTILE_HALF);
}

/* Two threads ask; each gets its own answer. */
static void *
ask(void *arg)
{
	uint64_t i;

	for (i = 0; i < 200; i++) {
		uint64_t val = 0, reg = *(const uint64_t *)arg;

		if (ims_dev_bar_write(bad.dev, QUEUE_DEV_BAR, reg, &i, 4) != 0 ||
			ims_dev_bar_read(bad.dev, QUEUE_DEV_BAR, reg, &val, 4) != 0 || val != i)
			return arg;
	}
	return NULL;
}

static void
test_reordered(void **state)
{
	static uint64_t regs[2] = { QUEUE_DEV_REG_INJECT_TIME, QUEUE_DEV_REG_INJECT_DATA };
	pthread_t threads[2];
	unsigned int i;
	void *failed[2];

	bad_open(BAD_MODEL, NEVER_MS);
	hostile_replies(bad.h, HOSTILE_SWAPPED);
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &regs[i]), 0);
	good_goes_on();
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], &failed[i]), 0);
	assert_null(failed[0]);
	assert_null(failed[1]);
	assert_int_equal(hostile_replies_spoilt(bad.h), 800);
	BAD_COUNTED(.reordered_replies = 400);
	hostile_replies(bad.h, HOSTILE_TWICE);
	for (i = 0; i < 50; i++)
		assert_int_equal(bad_call(), 0);
	good_goes_on();
	hostile_replies(bad.h, HOSTILE_PASS);
	assert_int_equal(bad_call(), 0); /* behind what came with the last of them */
	bad_works();
	BAD_COUNTED(.reordered_replies = 400, .late_replies = 100);
	bad_close();
}

static void
test_extra_descriptors(void **state)
{
	unsigned int i, fds;

	bad_open(BAD_MODEL, 5000);
	fds = count_fds();
	hostile_replies(bad.h, HOSTILE_WITH_FDS);
	for (i = 0; i < 200; i++)
		assert_int_equal(bad_call(), 0);
	good_goes_on();
	hostile_replies(bad.h, HOSTILE_PASS);
	assert_int_equal(bad_call(), 0);
	/* A thread of the library's closes them. */
	for (i = 0; i < 20000 && count_fds() != fds; i++)
		usleep(1000);
	assert_int_equal(count_fds(), fds);
	bad_works();
	BAD_COUNTED(.surplus_fds = 200 * 64);
	bad_close();
}

int
hostile_reply_tests(void)
{
	const struct CMUnitTest tests[] = {
		T(test_no_reply),
		T(test_half_reply),
		T(test_reordered),
		T(test_extra_descriptors),
	};

	return cmocka_run_group_tests_name("replies", tests, good_open, good_close);
}
