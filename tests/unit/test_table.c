/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Message tables: an index of their own, freed as a whole. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "fake_dev.h"

static int
setup(void **state)
{
	static bool done;

	if (!done)
		fake_eal_init();
	done = true;
	return 0;
}

static void
test_index(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	struct rte_ims_table *a = rte_ims_table_create(f->dev, "a", 3);
	struct rte_ims_table *b = rte_ims_table_create(f->dev, "b", 2);
	struct rte_ims_vec_info info;
	struct rte_ims_vec *vec[3];
	uint32_t i;

	for (i = 0; i < 3; i++) {
		vec[i] = rte_ims_vec_alloc(a, f->store, 10 + i, NULL);
		assert_non_null(vec[i]);
		assert_int_equal(rte_ims_vec_info_get(vec[i], &info), 0);
		assert_int_equal(info.index, i);
		assert_int_equal(info.slot, 10 + i);
	}
	assert_null(rte_ims_vec_alloc(a, f->store, RTE_IMS_SLOT_ANY, NULL));
	assert_int_equal(rte_errno, ENOSPC);
	/* Another table starts at 0 again, and cannot have a slot that is taken. */
	assert_null(rte_ims_vec_alloc(b, f->store, 11, NULL));
	assert_int_equal(rte_errno, EBUSY);
	assert_non_null(rte_ims_vec_alloc(b, f->store, RTE_IMS_SLOT_ANY, NULL));
	assert_non_null(rte_ims_table_vec_get(b, 0));
	assert_null(rte_ims_table_vec_get(b, 1));
	assert_int_equal(rte_errno, ENOENT);
	assert_null(rte_ims_table_vec_get(b, 2));
	assert_int_equal(rte_errno, EINVAL);
	/* The lowest free index is given next. */
	assert_int_equal(rte_ims_vec_free(vec[1]), 0);
	vec[1] = rte_ims_vec_alloc(a, f->store, 20, NULL);
	assert_ptr_equal(rte_ims_table_vec_get(a, 1), vec[1]);
	assert_ptr_equal(rte_ims_table_next(f->dev, rte_ims_table_next(f->dev, NULL)), a);
	fake_dev_destroy(f);
}

static void
test_free_as_a_whole(void **state)
{
	struct rte_ims_vec_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	struct rte_ims_wait *wait = rte_ims_wait_create("t", NULL);
	struct fake_dev *f = fake_dev_create(true);
	struct rte_ims_table *t = rte_ims_table_create(f->dev, "t", 32);
	struct rte_ims_wait_info winfo;
	struct rte_ims_store_info info;
	uint32_t i;

	for (i = 0; i < 32; i++) {
		conf.delivery = i % 2 == 0 ? RTE_IMS_DELIVERY_MEMORY : RTE_IMS_DELIVERY_EVENTFD;
		assert_non_null(rte_ims_vec_alloc(t, f->store, RTE_IMS_SLOT_ANY, &conf));
		assert_int_equal(rte_ims_wait_add(wait, rte_ims_table_vec_get(t, i)), 0);
	}
	for (i = 1; i < 40; i++)
		fake_fire(f, i);
	assert_int_equal(rte_ims_wait_destroy(wait), -EBUSY);
	assert_int_equal(rte_ims_table_free(t), 0);
	assert_int_equal(rte_ims_store_info_get(f->store, &info), 0);
	assert_int_equal(info.n_used, 0);
	assert_int_equal(rte_ims_wait_info_get(wait, &winfo), 0);
	assert_int_equal(winfo.n_memory + winfo.n_eventfd, 0);
	assert_int_equal(rte_ims_wait_poll(wait), 0);
	/* All slots are masked and hold no message. */
	for (i = 1; i < FAKE_SLOTS; i++) {
		assert_int_equal(f->bar[i * 4], 0);
		assert_int_equal(f->bar[i * 4 + 3] & 1, 1);
	}
	assert_int_equal(rte_ims_wait_destroy(wait), 0);
	fake_dev_destroy(f);
}

/* One call while the device fires at all of it and a thread handles that: then no handler runs. */
#define N_LIVE 32

static atomic_bool stop;
static atomic_bool alive[N_LIVE];
static atomic_uint handled, after_death;

static void
on_live(struct rte_ims_vec *vec, void *arg)
{
	atomic_bool *mine = arg;

	atomic_fetch_add(&handled, 1);
	usleep(100); /* longer than it takes to free the table, but for the wait for handlers */
	if (!atomic_load(mine))
		atomic_fetch_add(&after_death, 1);
}

static void *
poll_thread(void *arg)
{
	while (!atomic_load(&stop))
		rte_ims_wait_poll(arg);
	return NULL;
}

static void *
fire_thread(void *arg)
{
	unsigned int i;

	while (!atomic_load(&stop))
		for (i = 0; i < FAKE_SLOTS; i++)
			fake_fire(arg, i);
	return NULL;
}

static void
table_once(struct fake_dev *f, struct rte_ims_wait *wait, enum rte_ims_delivery delivery)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };
	struct rte_ims_table *t = rte_ims_table_create(f->dev, "t", N_LIVE);
	struct rte_ims_obj *objs = calloc(N_LIVE, sizeof(*objs));
	struct rte_ims_vec *vec;
	unsigned int i, before;

	assert_true(t != NULL && objs != NULL);
	for (i = 0; i < N_LIVE; i++) {
		atomic_store(&alive[i], true);
		vec = rte_ims_vec_alloc(t, f->store, RTE_IMS_SLOT_ANY, &conf);
		assert_non_null(vec);
		objs[i].fn = on_live;
		objs[i].arg = &alive[i];
		assert_int_equal(rte_ims_vec_attach(vec, &objs[i]), 0);
		assert_int_equal(rte_ims_wait_add(wait, vec), 0);
	}
	before = atomic_load(&handled);
	while (atomic_load(&handled) < before + N_LIVE)
		;
	assert_int_equal(rte_ims_table_free(t), 0);
	for (i = 0; i < N_LIVE; i++)
		atomic_store(&alive[i], false);
	free(objs);
}

static void
test_free_live(void **state)
{
	struct rte_ims_wait *wait = rte_ims_wait_create("t", NULL);
	struct fake_dev *f = fake_dev_create(true);
	pthread_t thread[2];
	unsigned int i;

	atomic_store(&stop, false);
	pthread_create(&thread[0], NULL, poll_thread, wait);
	pthread_create(&thread[1], NULL, fire_thread, f);
	for (i = 0; i < 100; i++)
		table_once(
			f, wait, i % 4 == 0 ? RTE_IMS_DELIVERY_EVENTFD : RTE_IMS_DELIVERY_MEMORY);
	atomic_store(&stop, true);
	pthread_join(thread[1], NULL);
	pthread_join(thread[0], NULL);
	assert_int_equal(atomic_load(&after_death), 0);
	assert_int_equal(rte_ims_wait_destroy(wait), 0);
	fake_dev_destroy(f);
}

/* Two tables, a vector each. The one of the device's own has a handler. */
struct two {
	struct fake_dev *f;
	struct rte_ims_wait *wait;
	struct rte_ims_table *sub;
	struct rte_ims_vec *vec;
	struct rte_ims_vec *sub_vec;
	struct rte_ims_obj obj;
	struct rte_ims_obj sub_obj;
	atomic_uint sub_calls;
	int rc;
	atomic_bool inside;
	atomic_bool leave;
};

static void
on_sub(struct rte_ims_vec *vec, void *arg)
{
	struct two *t = arg;

	atomic_fetch_add(&t->sub_calls, 1);
}

static void
two_setup(struct two *t, rte_ims_handler_t fn)
{
	t->f = fake_dev_create(true);
	t->wait = rte_ims_wait_create("t", NULL);
	t->sub = rte_ims_table_create(t->f->dev, "sub", 4);
	t->vec = rte_ims_vec_alloc(rte_ims_dev_table(t->f->dev), t->f->store, 1, NULL);
	t->sub_vec = rte_ims_vec_alloc(t->sub, t->f->store, 2, NULL);
	assert_true(t->vec != NULL && t->sub_vec != NULL);
	t->obj = (struct rte_ims_obj){ .fn = fn, .arg = t };
	t->sub_obj = (struct rte_ims_obj){ .fn = on_sub, .arg = t };
	assert_int_equal(rte_ims_vec_attach(t->vec, &t->obj), 0);
	assert_int_equal(rte_ims_vec_attach(t->sub_vec, &t->sub_obj), 0);
	assert_int_equal(rte_ims_wait_add(t->wait, t->vec), 0);
	assert_int_equal(rte_ims_wait_add(t->wait, t->sub_vec), 0);
}

static void
two_are_there(const struct two *t)
{
	struct rte_ims_dev_info info;

	assert_int_equal(rte_ims_dev_info_get(t->f->dev, &info), 0);
	assert_int_equal(info.n_tables, 2);
	assert_int_equal(info.n_vecs, 2);
	assert_ptr_equal(rte_ims_table_vec_get(t->sub, 0), t->sub_vec);
}

static void
two_teardown(struct two *t)
{
	assert_int_equal(rte_ims_table_free(t->sub), 0);
	fake_dev_destroy(t->f);
	assert_int_equal(rte_ims_wait_destroy(t->wait), 0);
}

static void
on_close(struct rte_ims_vec *vec, void *arg)
{
	struct two *t = arg;

	t->rc = rte_ims_dev_close(t->f->dev);
}

/* A handler of the device cannot close it: nothing of it has gone, nor been stopped. */
static void
test_close_in_handler(void **state)
{
	static struct two t;

	two_setup(&t, on_close);
	fake_fire(t.f, 1);
	assert_int_equal(rte_ims_wait_poll(t.wait), 1);
	assert_int_equal(t.rc, -EDEADLK);
	two_are_there(&t);
	fake_fire(t.f, 2);
	assert_int_equal(rte_ims_wait_poll(t.wait), 1);
	assert_int_equal(atomic_load(&t.sub_calls), 1);
	two_teardown(&t);
}

static void
on_slow(struct rte_ims_vec *vec, void *arg)
{
	struct two *t = arg;

	atomic_store(&t->inside, true);
	while (!atomic_load(&t->leave))
		usleep(100);
}

static void *
poll_once(void *arg)
{
	rte_ims_wait_poll(arg);
	return NULL;
}

/* A handler does not return: the vectors are silent, but the tables can be used, and freed. */
static void
test_close_in_vain(void **state)
{
	uint64_t timeout_ns = ims_sync_timeout_ns;
	static struct two t;
	pthread_t thread;

	two_setup(&t, on_slow);
	fake_fire(t.f, 1);
	pthread_create(&thread, NULL, poll_once, t.wait);
	while (!atomic_load(&t.inside))
		usleep(100);
	ims_sync_timeout_ns = 100000000;
	assert_int_equal(rte_ims_dev_close(t.f->dev), -ETIMEDOUT);
	assert_int_equal(rte_ims_dev_close(t.f->dev), -ETIMEDOUT);
	ims_sync_timeout_ns = timeout_ns;
	two_are_there(&t);
	assert_false(fake_fire(t.f, 1));
	assert_false(fake_fire(t.f, 2));
	atomic_store(&t.leave, true);
	pthread_join(thread, NULL);
	assert_int_equal(rte_ims_wait_add(t.wait, t.sub_vec), -EBUSY);
	two_teardown(&t);
}

static void
test_bad_arguments(void **state)
{
	struct fake_dev *f = fake_dev_create(true);

	assert_null(rte_ims_table_create(NULL, "x", 1));
	assert_null(rte_ims_table_create(f->dev, NULL, 1));
	assert_null(rte_ims_table_create(f->dev, "x", 0));
	assert_null(rte_ims_table_create(f->dev, "x", IMS_TABLE_MAX + 1));
	assert_int_equal(rte_errno, EINVAL);
	assert_int_equal(rte_ims_table_free(NULL), -EINVAL);
	assert_int_equal(rte_ims_table_free(rte_ims_dev_table(f->dev)), -EINVAL);
	fake_dev_destroy(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_index),
		cmocka_unit_test(test_free_as_a_whole),
		cmocka_unit_test(test_free_live),
		cmocka_unit_test(test_close_in_handler),
		cmocka_unit_test(test_close_in_vain),
		cmocka_unit_test(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
