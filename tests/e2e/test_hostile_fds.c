/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Descriptors of which the library has the last copy, and that cannot be closed. */

#include <string.h>
#include <sys/mman.h>

#include <fuse_file.h>
#include <vfio_user_proto.h>

#include "hostile_beside.h"
#include "test_hostile.h"

#define HELD_NS (FUSE_FILE_ENDS_S * SECOND_NS) /* so long, then whoever waits goes on */
#define TICKS   20

/* The good device, in a set that the test's thread serves. */
static struct rte_ims_dev *dev;
static struct e2e_timer timer;
static unsigned int fds;

static int
setup(void **state)
{
	fds = count_fds();
	memset(&bad, 0, sizeof(bad));
	set = rte_ims_wait_create("shared", NULL);
	assert_non_null(set);
	dev = rte_ims_dev_open("emu:timer_ims,timers=8", NULL);
	assert_non_null(dev);
	e2e_timer_init(&timer, dev, 0,
		vec_open(dev, RTE_IMS_STORE_BAR, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD));
	return 0;
}

/* Nothing is left; some of it another thread closes. */
static int
teardown(void **state)
{
	assert_int_equal(bad_abandon(state), 0);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	assert_int_equal(rte_ims_wait_destroy(set), 0);
	AWAIT(count_fds() == fds);
	return 0;
}

static bool
has_ticked(void *arg)
{
	return timer.accounted == TICKS;
}

static void
other_goes_on(void)
{
	e2e_timer_start(&timer, 1000000, TICKS, RTE_PMD_TIMER_IMS_F_PERIODIC);
	assert_true(e2e_wait_for(set, has_ticked, NULL, E2E_PATIENCE_NS));
}

static void
open_beside(const char *model, uint32_t timeout_ms)
{
	const struct rte_ims_dev_conf conf = { .timeout_ms = timeout_ms };

	bad.h = hostile_start(model);
	bad.dev = rte_ims_dev_open(hostile_name(bad.h), &conf);
	assert_non_null(bad.dev);
}

/*
 * A vector's eventfd that the device's process has in an epoll instance, whose wait does not come
 * to its end: who frees the vector, and closes the device, does not wait for that.
 */
static void
test_watched_eventfd(void **state)
{
	struct rte_ims_vec *vec;
	struct fuse_file file;
	uint64_t start;
	void *memory;

	open_beside(BAD_MODEL, SHORT_MS);
	fuse_file_open_or_skip(&file);
	memory = mmap(NULL, FUSE_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
	assert_true(memory != MAP_FAILED);
	fuse_file_mute(&file, FUSE_READ);
	hostile_watch(bad.h, memory);
	vec = vec_open(bad.dev, RTE_IMS_STORE_MSIX, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	assert_true(fuse_file_wait_asked(&file, 1) >= 1);
	start = e2e_now_ns();
	assert_int_equal(rte_ims_vec_free(vec), 0);
	other_goes_on();
	assert_int_equal(rte_ims_dev_close(bad.dev), 0);
	bad.dev = NULL;
	other_goes_on();
	assert_true(e2e_now_ns() - start < HELD_NS / 2);
	fuse_file_close(&file);
	munmap(memory, FUSE_FILE_SIZE);
}

static uint64_t
surplus_fds(void)
{
	struct rte_ims_dev_stats stats;

	assert_int_equal(rte_ims_dev_stats_get(bad.dev, &stats), 0);
	return stats.surplus_fds;
}

/*
 * More descriptors than may wait to be closed, with messages that the set itself reads: it sleeps
 * meanwhile, and what the device sends then arrives when they are closed.
 */
static void
test_behind_is_silent(void **state)
{
	struct rte_ims_wait_info info;
	struct rte_ims_vec *vec;
	struct fuse_file file;
	struct rte_ims_msg msg;
	unsigned int i;
	uint64_t before;

	open_beside("timer_ims,timers=8", NEVER_MS);
	vec = vec_open(bad.dev, RTE_IMS_STORE_BAR, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	assert_int_equal(rte_ims_wait_info_get(set, &info), 0);
	assert_true(info.reads_socket);
	msg = msg_of(vec);
	fuse_file_open_or_skip(&file);
	fuse_file_mute(&file, FUSE_FLUSH);
	hostile_surplus(bad.h, file.fd);
	for (i = 0; i < 70; i++)
		message(VFIO_USER_F_NO_REPLY, msg.addr, msg.data);
	hostile_surplus(bad.h, -1);
	AWAIT((rte_ims_wait_poll(set), surplus_fds() > 64));
	rte_ims_wait_sleep(set, 1000000);
	assert_true(set_is_quiet());
	assert_in_range(surplus_fds(), 65, 69);
	other_goes_on();
	before = events_of(vec);
	fuse_file_close(&file);
	AWAIT((rte_ims_wait_sleep(set, 1000000), events_of(vec) > before));
	assert_false(bad_info().removed);
	AWAIT(surplus_fds() == 70);
}

int
hostile_fds_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_watched_eventfd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_behind_is_silent, setup, teardown),
	};

	return cmocka_run_group_tests_name("descriptors", tests, NULL, NULL);
}
