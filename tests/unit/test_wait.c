/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Wait sets: nothing lost, nothing after the end, whoever comes and goes meanwhile. Here: polls. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <time.h>

#include "test_wait.h"

struct fake_dev *f;
struct rte_ims_wait *w;

static void
on_event(struct rte_ims_vec *vec, void *arg)
{
	atomic_fetch_add((atomic_uint_fast64_t *)arg, 1);
}

int
setup(void **state)
{
	w = rte_ims_wait_create("t", NULL);
	f = fake_dev_create(true);
	return w == NULL;
}

int
teardown(void **state)
{
	fake_dev_destroy(f);
	return rte_ims_wait_destroy(w);
}

struct rte_ims_vec *
alloc(uint32_t slot, enum rte_ims_delivery delivery, struct counter *c)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };
	struct rte_ims_vec *vec;

	vec = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), f->store, slot, &conf);
	assert_non_null(vec);
	memset(c, 0, sizeof(*c));
	c->obj.fn = on_event;
	c->obj.arg = &c->n;
	assert_int_equal(rte_ims_vec_attach(vec, &c->obj), 0);
	return vec;
}

uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void
test_memory(void **state)
{
	struct rte_ims_vec_info info;
	struct rte_ims_vec *vec;
	static struct counter c;

	vec = alloc(1, RTE_IMS_DELIVERY_MEMORY, &c);
	assert_int_equal(rte_ims_vec_fd_get(vec), -ENOTSUP);
	assert_false(fake_fire(f, 1)); /* no destination: pending */
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	assert_int_equal(rte_ims_wait_add(w, vec), -EBUSY);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(rte_ims_wait_poll(w), 0);
	assert_int_equal(c.n, 1);
	assert_int_equal(rte_ims_vec_info_get(vec, &info), 0);
	assert_true(info.waited);
	assert_int_not_equal(info.msg.data, 0);
	assert_true(fake_fire(f, 1));
	assert_true(fake_fire(f, 1)); /* merges */
	assert_int_equal(rte_ims_wait_sleep(w, -1), 1);
	assert_int_equal(c.n, 2);
	assert_int_equal(rte_ims_vec_mask(vec), 0);
	assert_int_equal(rte_ims_vec_mask(vec), 0);
	assert_false(fake_fire(f, 1));
	assert_int_equal(rte_ims_wait_poll(w), 0);
	assert_int_equal(rte_ims_vec_unmask(vec), 0);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(rte_ims_wait_poll(w), 0);
	assert_int_equal(c.n, 3);
}

/* The only message eventfds of the device are in the set: its thread reads the source itself. */
static void
test_eventfd_inline(void **state)
{
	struct rte_ims_wait_info info;
	struct rte_ims_vec *a, *b;
	static struct counter ca, cb;

	a = alloc(1, RTE_IMS_DELIVERY_EVENTFD, &ca);
	assert_true(fake_fire(f, 1)); /* waits in the eventfd */
	assert_int_equal(rte_ims_wait_add(w, a), 0);
	assert_int_equal(rte_ims_wait_info_get(w, &info), 0);
	assert_true(info.reads_socket);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(ca.n, 1);
	fake_fire(f, 1);
	assert_int_equal(f->n_queue, 1);
	assert_int_equal(rte_ims_wait_sleep(w, -1), 1);
	assert_int_equal(ca.n, 2);
	assert_int_equal(f->n_acks, 1);
	/* Another one that is in no set: nobody may hold its events up. */
	b = alloc(2, RTE_IMS_DELIVERY_EVENTFD, &cb);
	assert_null(f->reader);
	fake_fire(f, 1);
	assert_int_equal(f->n_queue, 0);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(ca.n, 3);
	assert_int_equal(rte_ims_wait_add(w, b), 0);
	assert_ptr_equal(f->reader, w);
	fake_fire(f, 1);
	fake_fire(f, 2);
	fake_fire(f, 2);
	assert_int_equal(rte_ims_wait_poll(w), 3);
	assert_int_equal(ca.n, 4);
	assert_int_equal(cb.n, 2);
	assert_int_equal(rte_ims_wait_del(w, b), 0);
	assert_null(f->reader);
	fake_fire(f, 2);
	assert_int_equal(rte_ims_wait_poll(w), 0);
	assert_int_equal(rte_ims_wait_add(w, b), 0);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(cb.n, 3);
	assert_int_equal(rte_ims_wait_poll(w), 0);
	/* One goes, whether it was in the set or not: the rest are all in it. */
	assert_int_equal(rte_ims_vec_free(b), 0);
	assert_ptr_equal(f->reader, w);
	b = alloc(2, RTE_IMS_DELIVERY_EVENTFD, &cb);
	assert_null(f->reader);
	assert_int_equal(rte_ims_vec_free(b), 0);
	assert_ptr_equal(f->reader, w);
}

/* Only the set's thread writes its counters: a reset takes nothing from them. */
static void
test_stats_reset(void **state)
{
	struct rte_ims_wait_stats stats;
	static struct counter c;

	assert_int_equal(rte_ims_wait_add(w, alloc(1, RTE_IMS_DELIVERY_MEMORY, &c)), 0);
	fake_fire(f, 1);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(rte_ims_wait_stats_reset(NULL), -EINVAL);
	assert_int_equal(rte_ims_wait_stats_reset(w), 0);
	assert_int_equal(rte_ims_wait_stats_get(w, &stats), 0);
	assert_int_equal(stats.events, 0);
	assert_int_equal(stats.polls, 0);
	fake_fire(f, 1);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(rte_ims_wait_stats_get(w, &stats), 0);
	assert_int_equal(stats.events, 1);
	assert_int_equal(stats.busy_polls, 1);
	assert_int_equal(w->events, 2);
}

/* A message that is astray rings a word behind the set's last one. */
static void
test_stray_behind_the_last(void **state)
{
	struct rte_ims_wait_conf conf = { .max_vecs = 1 };
	struct rte_ims_wait *small = rte_ims_wait_create("small", &conf);
	struct rte_ims_wait_stats stats;
	static struct counter c;
	struct rte_ims_vec *vec;

	vec = alloc(1, RTE_IMS_DELIVERY_MEMORY, &c);
	assert_int_equal(rte_ims_wait_add(small, vec), 0);
	atomic_store(&small->bells[1], 77);
	assert_int_equal(rte_ims_wait_poll(small), 0);
	assert_int_equal(rte_ims_wait_stats_get(small, &stats), 0);
	assert_int_equal(stats.stray, 1);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_int_equal(rte_ims_wait_destroy(small), 0);
}

static void
test_many(void **state)
{
	struct rte_ims_vec *vec[FAKE_SLOTS];
	static struct counter c[FAKE_SLOTS];
	uint32_t i, k;

	for (i = 0; i < FAKE_SLOTS; i++) {
		vec[i] = alloc(i, RTE_IMS_DELIVERY_MEMORY, &c[i]);
		assert_int_equal(rte_ims_wait_add(w, vec[i]), 0);
	}
	for (k = 0; k < FAKE_SLOTS; k++) {
		assert_true(fake_fire(f, k));
		assert_int_equal(rte_ims_wait_poll(w), 1);
		for (i = 0; i < FAKE_SLOTS; i++)
			assert_int_equal(c[i].n, i <= k);
	}
	for (i = 0; i < FAKE_SLOTS; i++)
		fake_fire(f, i);
	assert_int_equal(rte_ims_wait_poll(w), FAKE_SLOTS);
}

/* Polls look at no more lines of words than are in use, whoever leaves first. */
static void
test_lines_scanned(void **state)
{
	struct rte_ims_vec *vec[FAKE_SLOTS];
	static struct counter c[FAKE_SLOTS];
	uint32_t i;

	for (i = 0; i < FAKE_SLOTS; i++) {
		vec[i] = alloc(i, RTE_IMS_DELIVERY_MEMORY, &c[i]);
		assert_int_equal(rte_ims_wait_add(w, vec[i]), 0);
	}
	assert_int_equal(w->n_bells, FAKE_SLOTS);
	for (i = 1; i < FAKE_SLOTS - 1; i++)
		assert_int_equal(rte_ims_wait_del(w, vec[i]), 0);
	assert_int_equal(w->n_bells, FAKE_SLOTS);
	assert_int_equal(rte_ims_wait_del(w, vec[FAKE_SLOTS - 1]), 0);
	assert_int_equal(w->n_bells, BELLS_PER_LINE);
	for (i = 1; i < FAKE_SLOTS; i++)
		assert_int_equal(rte_ims_wait_add(w, vec[i]), 0);
	for (i = 0; i < FAKE_SLOTS; i++)
		assert_true(fake_fire(f, i));
	assert_int_equal(rte_ims_wait_poll(w), FAKE_SLOTS);
	for (i = 0; i < FAKE_SLOTS; i++)
		assert_int_equal(rte_ims_vec_free(vec[i]), 0);
	assert_int_equal(w->n_bells, 0);
}

static void
test_full(void **state)
{
	struct rte_ims_wait_conf conf = { .max_vecs = 2 };
	struct rte_ims_wait *small = rte_ims_wait_create("small", &conf);
	static struct counter c[3];

	assert_int_equal(rte_ims_wait_add(small, alloc(1, RTE_IMS_DELIVERY_MEMORY, &c[0])), 0);
	assert_int_equal(rte_ims_wait_add(small, alloc(2, RTE_IMS_DELIVERY_EVENTFD, &c[1])), 0);
	assert_int_equal(
		rte_ims_wait_add(small, alloc(3, RTE_IMS_DELIVERY_MEMORY, &c[2])), -ENOSPC);
	assert_false(fake_fire(f, 3));
	assert_int_equal(rte_ims_wait_destroy(small), -EBUSY);
	assert_int_equal(rte_ims_vec_free(rte_ims_table_vec_get(rte_ims_dev_table(f->dev), 0)), 0);
	assert_int_equal(rte_ims_vec_free(rte_ims_table_vec_get(rte_ims_dev_table(f->dev), 1)), 0);
	assert_int_equal(rte_ims_wait_destroy(small), 0);
}

static void
on_refire(struct rte_ims_vec *vec, void *arg)
{
	unsigned int *left = arg;

	if (*left > 0) {
		(*left)--;
		fake_fire(f, 1);
	}
}

/* The device has its next event while the handler of the last one runs. */
static void
event_during_handler(enum rte_ims_delivery delivery, bool elsewhere)
{
	static struct rte_ims_obj obj;
	static struct counter c, other;
	unsigned int left = 3, i;
	struct rte_ims_vec *vec;

	vec = alloc(1, delivery, &c);
	memset(&obj, 0, sizeof(obj));
	obj.fn = on_refire;
	obj.arg = &left;
	assert_int_equal(rte_ims_vec_attach(vec, &obj), 0);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	if (elsewhere)
		alloc(2, delivery, &other);
	while (rte_ims_wait_sleep(w, 1000) != 0)
		;
	fake_fire(f, 1);
	for (i = 1; i <= 4; i++) {
		assert_int_equal(rte_ims_wait_poll(w), 1);
		assert_int_equal(c.n, i);
	}
	assert_int_equal(rte_ims_wait_poll(w), 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

static void
test_event_during_handler(void **state)
{
	event_during_handler(RTE_IMS_DELIVERY_MEMORY, false);
	event_during_handler(RTE_IMS_DELIVERY_EVENTFD, false);
	event_during_handler(RTE_IMS_DELIVERY_EVENTFD, true);
}

static void
test_bad_arguments(void **state)
{
	struct rte_ims_wait_conf conf = { .max_vecs = IMS_WAIT_MAX + 1 };

	assert_null(rte_ims_wait_create(NULL, NULL));
	assert_null(rte_ims_wait_create("x", &conf));
	assert_int_equal(rte_errno, EINVAL);
	conf.max_vecs = 0;
	conf.flags = 0x80;
	assert_null(rte_ims_wait_create("x", &conf));
	conf.flags = RTE_IMS_WAIT_F_LCORE;
	conf.lcore_id = RTE_MAX_LCORE - 1;
	assert_null(rte_ims_wait_create("x", &conf));
	assert_int_equal(rte_ims_wait_poll(NULL), -EINVAL);
	assert_int_equal(rte_ims_wait_sleep(NULL, 0), -EINVAL);
	assert_int_equal(rte_ims_wait_fd(NULL), -EINVAL);
	assert_int_equal(rte_ims_wait_add(w, NULL), -EINVAL);
	assert_int_equal(rte_ims_wait_destroy(NULL), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_memory),
		T(test_stats_reset),
		T(test_eventfd_inline),
		T(test_stray_behind_the_last),
		T(test_many),
		T(test_lines_scanned),
		T(test_full),
		T(test_event_during_handler),
		T(test_bad_arguments),
	};
	int failed;

	fake_eal_init();
	failed = cmocka_run_group_tests_name("poll", tests, NULL, NULL);
	failed += wait_sleep_tests();
	failed += wait_change_tests();
	return failed;
}
