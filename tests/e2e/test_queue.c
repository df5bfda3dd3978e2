/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Queues of queue_dev, with IMS, MSI-X or both. Here: operations and their events. */

#include <errno.h>
#include <unistd.h>

#include "e2e_queue.h"
#include "test_queue.h"

/* Each kind of operation, and its errors, on a queue that is polled. */
static void
test_operations(void **state)
{
	uint32_t crc;
	struct tq t;
	uint64_t i;

	tq_open(&t, NULL, NULL);
	for (i = 0; i < 8192; i++)
		buf[i] = i * 7;
	submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 0x1234567890);
	while (t.done < 1)
		drain(&t);
	assert_int_equal(t.last_result, 0x1234567890);
	assert_ptr_equal(t.last_cookie, &t);
	submit(&t, RTE_PMD_QUEUE_DEV_COPY, buf, buf + 65536, 8192, 0);
	submit(&t, RTE_PMD_QUEUE_DEV_FILL, NULL, buf + 131072, 4096, 0x0807060504030201);
	submit(&t, RTE_PMD_QUEUE_DEV_CRC32C, buf, NULL, 8192, 0);
	while (t.done < 4)
		drain(&t);
	assert_int_equal(t.failed, 0);
	assert_memory_equal(buf, buf + 65536, 8192);
	for (i = 0; i < 4096; i++)
		assert_int_equal(buf[131072 + i], i % 8 + 1);
	crc = t.last_result;
	submit(&t, RTE_PMD_QUEUE_DEV_CRC32C, buf + 65536, NULL, 8192, 0);
	while (t.done < 5)
		drain(&t);
	assert_int_equal(t.last_result, crc);
	/* Memory that is not mapped for the device, and too much of it. */
	submit(&t, RTE_PMD_QUEUE_DEV_COPY, (void *)0x1000, buf, 64, 0);
	submit(&t, RTE_PMD_QUEUE_DEV_FILL, NULL, (void *)0x1000, 64, 0);
	submit(&t, RTE_PMD_QUEUE_DEV_FILL, NULL, buf, info.max_len + 1, 0);
	submit(&t, RTE_PMD_QUEUE_DEV_POST, NULL, NULL, 0, UINT32_MAX);
	while (t.done < 9)
		drain(&t);
	assert_int_equal(t.failed, 4);
	/* Only a queue's number counts: what is above it must not make another kind of it. */
	submit(&t, RTE_PMD_QUEUE_DEV_POST, NULL, NULL, 0,
		0xffffffff00000000 | rte_pmd_queue_dev_queue_number(t.q));
	while (t.done < 10)
		drain(&t);
	assert_int_equal(t.failed, 4);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
}

/* One operation at a time: one event each, whatever carries it. */
static void
events(const char *store, enum rte_ims_delivery delivery)
{
	struct rte_ims_vec *vec;
	struct tq t;
	uint64_t i;

	if (find_store(store) == NULL)
		return;
	vec = vec_open(store, RTE_IMS_SLOT_ANY, delivery);
	if (vec == NULL)
		return;
	tq_open(&t, vec, NULL);
	for (i = 1; i <= 200; i++) {
		submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
		tq_wait(&t, i);
		assert_int_equal(t.last_result, i);
	}
	assert_int_equal(t.failed, 0);
	assert_true(t.calls >= 200 && t.calls <= 202);
	assert_int_equal(rte_ims_vec_mask(vec), 0);
	submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 0);
	usleep(20000);
	e2e_assert_quiet(set, 5000000);
	assert_int_equal(rte_ims_vec_unmask(vec), 0);
	tq_wait(&t, 201);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

static void
test_events(void **state)
{
	static const char *const stores[] = { "msix", "ims-eq", "ims-queue" };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		events(stores[i], RTE_IMS_DELIVERY_EVENTFD);
		events(stores[i], RTE_IMS_DELIVERY_MEMORY);
	}
}

/*
 * Delivery switched between two operations, with one under way, and while the thread sleeps for
 * ever: each is completed without another one's help.
 */
static void
switched(const char *store, enum rte_ims_delivery first)
{
	struct rte_ims_vec_stats stats;
	struct rte_ims_vec *vec;
	struct tq t;
	uint64_t i;

	if (find_store(store) == NULL)
		return;
	vec = vec_open(store, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	if (vec == NULL)
		return;
	assert_int_equal(rte_ims_vec_free(vec), 0);
	vec = vec_open(store, RTE_IMS_SLOT_ANY, first);
	tq_open(&t, vec, NULL);
	for (i = 1; i <= 100; i++) {
		if (i % 3 == 0)
			submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
		assert_int_equal(rte_ims_vec_delivery_set(vec, (i + first) % 2), 0);
		if (i % 3 != 0)
			submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
		tq_wait(&t, i);
	}
	assert_int_equal(rte_ims_dev_reset(dev), 0);
	submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
	tq_wait(&t, i);
	assert_int_equal(rte_ims_vec_delivery_set(vec, first), 0);
	submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
	tq_wait(&t, i + 1);
	assert_int_equal(t.failed, 0);
	assert_int_equal(rte_ims_vec_stats_get(vec, &stats), 0);
	/* No more calls than operations and switches, and the reset's. */
	assert_true(stats.events <= 2 * i + 8);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

static void
test_switch(void **state)
{
	static const char *const stores[] = { "msix", "ims-eq", "ims-queue" };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		switched(stores[i], RTE_IMS_DELIVERY_EVENTFD);
		switched(stores[i], RTE_IMS_DELIVERY_MEMORY);
	}
}

static void
test_bad_arguments(void **state)
{
	static const uint32_t depths[] = { 0, 1, 3, 65536 };
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH };
	struct rte_pmd_queue_dev_op op = { .type = 77 };
	struct tq t;
	uint32_t i;

	for (i = 0; i < 4; i++) {
		conf.depth = depths[i];
		assert_null(rte_pmd_queue_dev_queue_create(dev, &conf));
		assert_int_equal(rte_errno, EINVAL);
	}
	conf.depth = DEPTH;
	assert_null(rte_pmd_queue_dev_queue_create(NULL, &conf));
	assert_int_equal(rte_errno, EINVAL);
	tq_open(&t, NULL, NULL);
	assert_int_equal(rte_pmd_queue_dev_submit(t.q, &op, 1), -EINVAL);
	assert_int_equal(rte_pmd_queue_dev_queue_pending(t.q), 0);
	op.type = RTE_PMD_QUEUE_DEV_NOP;
	for (i = 0; i < DEPTH; i++)
		assert_int_equal(rte_pmd_queue_dev_submit(t.q, &op, 1), 1);
	assert_int_equal(rte_pmd_queue_dev_submit(t.q, &op, 1), 0); /* full */
	while (t.done < DEPTH)
		drain(&t);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_operations),
		T(test_events),
		T(test_switch),
		T(test_bad_arguments),
	};
	int failed;

	e2e_init(argc, argv, "emu:queue_dev");
	failed = cmocka_run_group_tests_name("operations", tests, NULL, NULL);
	failed += queue_vec_tests();
	failed += queue_subdev_tests();
	failed += queue_reset_tests();
	return failed;
}
