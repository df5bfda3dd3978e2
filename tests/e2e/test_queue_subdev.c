/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Sub-devices: their tables, vectors and queues. */

#include <errno.h>
#include <stdio.h>

#include <rte_common.h>

#include "e2e_queue.h"
#include "test_queue.h"

/* Sub-devices have tables of their own, freed as a whole, and queues. */
static void
test_subdevs(void **state)
{
	uint32_t n = RTE_MIN(info.n_subdevs, 64u), i, k;
	struct rte_pmd_queue_dev_subdev *s[64];
	struct rte_ims_table_info tinfo;
	struct rte_ims_vec *vec;
	struct tq t[64];
	char name[32];

	if (!info.ims)
		skip();
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "sub%u", i);
		s[i] = rte_pmd_queue_dev_subdev_create(dev, name, 4);
		assert_non_null(s[i]);
		vec = rte_ims_vec_alloc(rte_pmd_queue_dev_subdev_table(s[i]),
			find_store("ims-queue"), RTE_IMS_SLOT_ANY,
			&(struct rte_ims_vec_conf){ .delivery = RTE_IMS_DELIVERY_MEMORY });
		assert_non_null(vec);
		assert_int_equal(rte_ims_wait_add(set, vec), 0);
		assert_int_equal(
			rte_ims_table_info_get(rte_pmd_queue_dev_subdev_table(s[i]), &tinfo), 0);
		assert_int_equal(tinfo.n_used, 1);
		assert_ptr_equal(
			rte_ims_table_vec_get(rte_pmd_queue_dev_subdev_table(s[i]), 0), vec);
		tq_open(&t[i], vec, s[i]);
	}
	assert_true(n > 0);
	for (k = 1; k <= 3; k++) {
		for (i = 0; i < n; i++)
			submit(&t[i], RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
		for (i = 0; i < n; i++)
			tq_wait(&t[i], k);
	}
	assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s[0]), -EBUSY);
	for (i = 0; i < n; i++) {
		submit(&t[i], RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t[i].q), 0);
		assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s[i]), 0);
	}
	e2e_assert_quiet(set, 5000000);
}

/* A sub-device that cannot be destroyed, for its handler is running, is as it was. */
static int destroy_rc;

static void
on_subdev(struct rte_ims_vec *vec, void *arg)
{
	destroy_rc = rte_pmd_queue_dev_subdev_destroy(*(struct rte_pmd_queue_dev_subdev **)arg);
}

static void
test_subdev_destroy_in_handler(void **state)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = on_subdev };
	struct rte_pmd_queue_dev_subdev *s[2], *more;
	struct rte_ims_vec *vec;
	struct tq t = { 0 }, beside;
	unsigned int i;

	if (!info.ims || info.n_subdevs < 4)
		skip();
	s[0] = rte_pmd_queue_dev_subdev_create(dev, "s0", 4);
	vec = rte_ims_vec_alloc(rte_pmd_queue_dev_subdev_table(s[0]), find_store("ims-queue"),
		RTE_IMS_SLOT_ANY,
		&(struct rte_ims_vec_conf){ .delivery = RTE_IMS_DELIVERY_MEMORY });
	assert_non_null(vec);
	assert_int_equal(rte_ims_wait_add(set, vec), 0);
	conf.subdev = s[0];
	conf.vec = vec;
	conf.arg = &s[0];
	t.q = rte_pmd_queue_dev_queue_create(dev, &conf);
	assert_non_null(t.q);
	destroy_rc = 0;
	submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 0);
	while (destroy_rc == 0)
		rte_ims_wait_poll(set);
	assert_int_equal(destroy_rc, -EBUSY);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
	/* Without queues it is the vector's own handler that is in the way. */
	assert_int_equal(
		rte_ims_vec_attach(vec, &(struct rte_ims_obj){ .fn = on_subdev, .arg = &s[0] }), 0);
	destroy_rc = 0;
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_EVENTFD), 0);
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), 0);
	for (i = 0; i < 100 && destroy_rc == 0; i++)
		rte_ims_wait_poll(set);
	assert_int_equal(destroy_rc, -EDEADLK);
	/* It is there, for queues, and its number is nobody else's. */
	assert_non_null(rte_pmd_queue_dev_subdev_table(s[0]));
	tq_open(&beside, NULL, s[0]);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(beside.q), 0);
	s[1] = rte_pmd_queue_dev_subdev_create(dev, "s1", 4);
	assert_non_null(s[1]);
	assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s[0]), 0);
	/* Of all numbers s1's alone is taken. */
	for (i = 1; i < info.n_subdevs; i++) {
		more = rte_pmd_queue_dev_subdev_create(dev, "more", 1);
		assert_non_null(more);
	}
	assert_null(rte_pmd_queue_dev_subdev_create(dev, "more", 1));
	assert_int_equal(rte_errno, ENOSPC);
	tq_open(&beside, NULL, s[1]);
	submit(&beside, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 0);
	while (beside.done == 0)
		drain(&beside);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(beside.q), 0);
	assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s[1]), 0);
	/* The rest goes with the device. */
}

/* A vector in a sub-device's table goes with it: it is for its queues, not for others. */
static void
test_subdev_vectors(void **state)
{
	const struct rte_ims_vec_conf vconf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	const char *store = info.ims ? "ims-eq" : "msix";
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = on_queue };
	struct rte_pmd_queue_dev_subdev *s[2];
	struct rte_ims_vec *vec[3]; /* of s[0], s[1], and the function */
	struct rte_ims_table *table;
	struct tq t = { 0 };
	unsigned int i, k;
	int rc;

	for (i = 0; i < 3; i++) {
		if (i < 2)
			s[i] = rte_pmd_queue_dev_subdev_create(dev, "sub", 4);
		table = i < 2 ? rte_pmd_queue_dev_subdev_table(s[i]) : rte_ims_dev_table(dev);
		vec[i] = rte_ims_vec_alloc(table, find_store(store), RTE_IMS_SLOT_ANY, &vconf);
		assert_non_null(vec[i]);
		assert_int_equal(rte_ims_wait_add(set, vec[i]), 0);
	}
	conf.arg = &t;
	for (i = 0; i < 3; i++)
		for (k = 0; k < 3; k++) {
			conf.subdev = i < 2 ? s[i] : NULL;
			conf.vec = vec[k];
			rc = i == k || k == 2 ? 0 : -EXDEV;
			t.q = rte_pmd_queue_dev_queue_create(dev, &conf);
			assert_int_equal(t.q != NULL ? 0 : -rte_errno, rc);
			if (t.q != NULL)
				assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
			conf.vec = vec[2];
			t.q = rte_pmd_queue_dev_queue_create(dev, &conf);
			assert_non_null(t.q);
			assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec[k]), rc);
			submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 0);
			tq_wait(&t, t.done + 1);
			assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
		}
	assert_int_equal(rte_ims_vec_free(vec[2]), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s[i]), 0);
}

int
queue_subdev_tests(void)
{
	const struct CMUnitTest tests[] = {
		T(test_subdevs),
		T(test_subdev_destroy_in_handler),
		T(test_subdev_vectors),
	};

	return cmocka_run_group_tests_name("sub-devices", tests, NULL, NULL);
}
