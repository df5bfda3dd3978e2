/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A million expirations, none lost: what the device has counted is what the handlers have accounted
 * for, and after the last one every vector is quiet. While they come in, another thread masks,
 * unmasks, takes vectors out of the wait set and puts them back.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "e2e.h"

#define SECOND_NS  1000000000ull
#define N_TIMERS   16u
#define OPS        1000000ull
#define OPS_SOCKET 250000ull /* with eventfd delivery, each message is a socket's round trip */

static struct rte_ims_dev *dev;
static struct rte_ims_wait *set;
static struct e2e_timer timers[N_TIMERS];
static atomic_bool stop;

static void *
disturb(void *arg)
{
	unsigned int i, seed = 1;
	struct rte_ims_vec *vec;

	for (i = 0; !atomic_load(&stop); i++) {
		vec = timers[rand_r(&seed) % N_TIMERS].vec;
		if (i % 2 == 0) {
			rte_ims_vec_mask(vec);
			rte_ims_vec_unmask(vec);
		} else {
			rte_ims_wait_del(set, vec);
			rte_ims_wait_add(set, vec);
		}
		usleep(200);
	}
	return NULL;
}

static uint64_t
accounted(void)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < N_TIMERS; i++)
		sum += timers[i].accounted;
	return sum;
}

static uint64_t
counted(void)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < N_TIMERS; i++)
		sum += rte_pmd_timer_ims_count(dev, i, NULL);
	return sum;
}

static void
soak(enum rte_ims_delivery delivery, uint64_t ops, bool disturbed)
{
	uint64_t each = ops / N_TIMERS, end = e2e_now_ns() + 60 * SECOND_NS, calls = 0, empty = 0;
	struct rte_ims_dev_info info;
	pthread_t thread;
	uint32_t i;

	dev = e2e_open();
	if (!e2e_can(dev, delivery)) {
		assert_int_equal(rte_ims_dev_close(dev), 0);
		skip();
	}
	set = rte_ims_wait_create("soak", NULL);
	assert_non_null(set);
	for (i = 0; i < N_TIMERS; i++) {
		e2e_timer_init(&timers[i], dev, i, e2e_vec(dev, RTE_IMS_SLOT_ANY, delivery));
		assert_int_equal(rte_ims_wait_add(set, timers[i].vec), 0);
	}
	atomic_store(&stop, false);
	if (disturbed)
		assert_int_equal(pthread_create(&thread, NULL, disturb, NULL), 0);
	for (i = 0; i < N_TIMERS; i++)
		e2e_timer_start(&timers[i], 10000 + i * 7, each, RTE_PMD_TIMER_IMS_F_PERIODIC);
	while (accounted() < each * N_TIMERS && e2e_now_ns() < end)
		assert_true(rte_ims_wait_sleep(set, 1000000) >= 0);
	atomic_store(&stop, true);
	if (disturbed)
		pthread_join(thread, NULL);
	assert_int_equal(counted(), each * N_TIMERS);
	assert_int_equal(accounted(), counted());
	e2e_timer_stop(dev, 0);
	while (rte_ims_wait_sleep(set, 20000000) > 0)
		; /* what the disturbing thread left over: carried events */
	e2e_assert_quiet(set, 50000000);
	assert_int_equal(rte_ims_dev_info_get(dev, &info), 0);
	assert_int_equal(info.stray_msgs, 0);
	assert_int_equal(info.dma_faults, 0);
	for (i = 0; i < N_TIMERS; i++) {
		calls += timers[i].calls;
		empty += timers[i].empty;
	}
	print_message("%lu expirations, %lu handler calls, %lu of them found nothing new\n",
		(unsigned long)(each * N_TIMERS), (unsigned long)calls, (unsigned long)empty);
	if (!disturbed && delivery == RTE_IMS_DELIVERY_MEMORY)
		assert_true(calls - empty > 0);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	assert_int_equal(rte_ims_wait_destroy(set), 0);
}

static void
test_memory(void **state)
{
	soak(RTE_IMS_DELIVERY_MEMORY, e2e_ops != 0 ? e2e_ops : OPS, false);
}

static void
test_memory_disturbed(void **state)
{
	soak(RTE_IMS_DELIVERY_MEMORY, e2e_ops != 0 ? e2e_ops : OPS, true);
}

static void
test_eventfd(void **state)
{
	soak(RTE_IMS_DELIVERY_EVENTFD, e2e_ops != 0 ? e2e_ops : OPS_SOCKET, false);
}

static void
test_eventfd_disturbed(void **state)
{
	soak(RTE_IMS_DELIVERY_EVENTFD, e2e_ops != 0 ? e2e_ops : OPS_SOCKET, true);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_memory_disturbed),
		cmocka_unit_test(test_eventfd),
		cmocka_unit_test(test_eventfd_disturbed),
	};

	e2e_init(argc, argv, "emu:timer_ims,timers=64");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
