/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* A device that ends: by what is no message, stopped, killed. */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include <vfio_user_proto.h>

#include "hostile_beside.h"
#include "test_hostile.h"

/* What is no message ends it. */
static void
test_malformed(void **state)
{
	struct vfio_user_header hdr = { .command = VFIO_USER_DMA_WRITE, .size = 256 << 20 };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		bad_open(BAD_MODEL, NEVER_MS);
		bad_works();
		hdr.size = i == 0 ? 256 << 20 : i == 1 ? 4 : sizeof(hdr);
		hdr.flags = i == 2 ? 0xf : 0;
		assert_true(hostile_send(bad.h, &hdr, sizeof(hdr)));
		bad_gone();
		good_goes_on();
		BAD_COUNTED(.malformed = 1);
		bad_close();
	}
}

/* Stopped, it answers nothing for a while, then goes on where it was; or it is killed meanwhile. */
static void
test_stopped(void **state)
{
	struct rte_ims_dev_stats stats;

	bad_open(BAD_MODEL, SHORT_MS);
	bad_works();
	assert_int_equal(kill(hostile_pid(bad.h), SIGSTOP), 0);
	assert_int_equal(bad_call(), -ETIMEDOUT);
	good_goes_on();
	assert_int_equal(bad.n_gone, 0);
	assert_int_equal(kill(hostile_pid(bad.h), SIGCONT), 0);
	AWAIT(bad_call() == 0);
	bad_works();
	/*
	 * Awake, it answered what it was asked while it was not; no more than one on a machine that
	 * is idle.
	 */
	assert_int_equal(rte_ims_dev_stats_get(bad.dev, &stats), 0);
	assert_true(stats.timeouts != 0);
	BAD_COUNTED(.timeouts = stats.timeouts, .late_replies = stats.timeouts);
	assert_int_equal(kill(hostile_pid(bad.h), SIGSTOP), 0);
	bad_submit(0);
	good_goes_on();
	assert_int_equal(kill(hostile_pid(bad.h), SIGKILL), 0);
	bad_gone();
	bad_close();
}

static void
bad_look(unsigned int i)
{
	bad.pending = rte_pmd_queue_dev_queue_pending(bad.queues[i]);
}

/* Killed at work: what it had not done is aborted, each operation is accounted for. */
static void
test_killed(void **state)
{
	unsigned int i, k;

	for (k = 0; k < 5; k++) {
		bad_open(BAD_MODEL, NEVER_MS);
		for (i = 0; i < 30 * N_BAD; i++)
			bad_submit(i % N_BAD);
		assert_int_equal(kill(hostile_pid(bad.h), SIGKILL), 0);
		bad_gone();
		good_goes_on();
		for (i = 0; i < N_BAD; i++) {
			in_set(bad_look, i);
			assert_int_equal(bad.done[i] + bad.pending, bad.submitted[i]);
		}
		bad_close();
	}
}

/*
 * A device that is gone and not closed yet, whose socket the set itself has read: it sleeps all the
 * same, also if there is more to be read than it has, which is no message.
 */
static void
gone_is_silent(bool killed)
{
	static const uint8_t bytes[65536];
	struct rte_ims_wait *shared = set;
	struct rte_ims_dev_stats stats;
	struct rte_ims_wait_info info;
	bool quiet;

	set = rte_ims_wait_create("quiet", NULL);
	assert_non_null(set);
	memset(&bad, 0, sizeof(bad));
	bad.h = hostile_start("timer_ims,timers=8");
	bad.dev = rte_ims_dev_open(hostile_name(bad.h), NULL);
	assert_non_null(bad.dev);
	vec_open(bad.dev, RTE_IMS_STORE_BAR, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	assert_int_equal(rte_ims_wait_info_get(set, &info), 0);
	assert_true(info.reads_socket);
	if (killed)
		assert_int_equal(kill(hostile_pid(bad.h), SIGKILL), 0);
	else
		assert_true(hostile_send(bad.h, bytes, sizeof(bytes)));
	AWAIT((rte_ims_wait_poll(set), bad_info().removed));
	rte_ims_wait_sleep(set, 1000000);
	quiet = set_is_quiet();
	assert_int_equal(rte_ims_dev_stats_get(bad.dev, &stats), 0);
	bad_abandon(NULL);
	assert_int_equal(rte_ims_wait_destroy(set), 0);
	set = shared;
	assert_true(quiet);
	assert_int_equal(stats.malformed, !killed);
}

static void
test_gone_is_silent(void **state)
{
	gone_is_silent(true);
}

static void
test_malformed_is_silent(void **state)
{
	gone_is_silent(false);
}

int
hostile_gone_tests(void)
{
	const struct CMUnitTest tests[] = {
		T(test_malformed),
		T(test_stopped),
		T(test_killed),
		T(test_gone_is_silent),
		T(test_malformed_is_silent),
	};

	return cmocka_run_group_tests_name("gone", tests, good_open, good_close);
}
