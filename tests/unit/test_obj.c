/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Objects on a vector: attach, detach, from handlers and while another thread runs them. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fake_dev.h"

#define ROUNDS  20000
#define LONG_NS 20000000000ull

static struct rte_ims_wait *wait_set;
static struct fake_dev *f;
static struct rte_ims_vec *vec;

static int
group_setup(void **state)
{
	fake_eal_init();
	return 0;
}

static int
setup(void **state)
{
	struct rte_ims_vec_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };

	wait_set = rte_ims_wait_create("t", NULL);
	f = fake_dev_create(true);
	vec = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), f->store, 1, &conf);
	return rte_ims_wait_add(wait_set, vec);
}

static int
teardown(void **state)
{
	fake_dev_destroy(f);
	return rte_ims_wait_destroy(wait_set);
}

struct order {
	struct rte_ims_obj obj;
	char name;
	struct rte_ims_obj *detach; /* in the handler */
};

static char ran[16];

static void
on_event(struct rte_ims_vec *v, void *arg)
{
	struct order *o = arg;
	size_t n = strlen(ran);

	assert_ptr_equal(v, vec);
	ran[n] = o->name;
	ran[n + 1] = '\0';
	if (o->detach != NULL)
		assert_int_equal(rte_ims_vec_detach(o->detach), 0);
	o->detach = NULL;
}

static void
fire(void)
{
	ran[0] = '\0';
	assert_true(fake_fire(f, 1));
	assert_int_equal(rte_ims_wait_poll(wait_set), 1);
}

static void
attach(struct order *o, char name)
{
	memset(o, 0, sizeof(*o));
	o->obj.fn = on_event;
	o->obj.arg = o;
	o->name = name;
	assert_int_equal(rte_ims_vec_attach(vec, &o->obj), 0);
}

static void
test_order(void **state)
{
	struct rte_ims_vec_stats stats;
	struct rte_ims_obj none = { 0 };
	static struct order a, b, c;

	fire();
	attach(&a, 'a');
	attach(&b, 'b');
	attach(&c, 'c');
	fire();
	assert_string_equal(ran, "abc");
	assert_int_equal(rte_ims_vec_attach(vec, &a.obj), -EBUSY);
	assert_int_equal(rte_ims_vec_attach(vec, &none), -EINVAL);
	assert_int_equal(rte_ims_vec_detach(&none), -EINVAL);
	assert_int_equal(rte_ims_vec_detach(&b.obj), 0);
	assert_int_equal(rte_ims_vec_detach(&b.obj), -EINVAL);
	fire();
	assert_string_equal(ran, "ac");
	assert_int_equal(rte_ims_vec_detach(&a.obj), 0);
	fire();
	assert_string_equal(ran, "c");
	assert_int_equal(rte_ims_vec_attach(vec, &a.obj), 0);
	fire();
	assert_string_equal(ran, "ca");
	assert_int_equal(rte_ims_vec_detach(&a.obj), 0);
	assert_int_equal(rte_ims_vec_detach(&c.obj), 0);
	fire();
	assert_string_equal(ran, "");
	assert_int_equal(rte_ims_vec_stats_get(vec, &stats), 0);
	assert_int_equal(stats.events, 6);
	assert_int_equal(stats.unhandled, 2);
	assert_int_equal(stats.spurious, 0);
}

/* Oneself, the next one (its memory is the caller's at once), the one before. */
static void
test_detach_in_handler(void **state)
{
	struct order *b = malloc(sizeof(*b));
	static struct order a, c;

	assert_non_null(b);
	attach(&a, 'a');
	attach(b, 'b');
	attach(&c, 'c');
	a.detach = &b->obj;
	fire();
	assert_string_equal(ran, "ac");
	free(b);
	c.detach = &c.obj;
	fire();
	assert_string_equal(ran, "ac");
	fire();
	assert_string_equal(ran, "a");
	attach(&c, 'c');
	c.detach = &a.obj;
	fire();
	assert_string_equal(ran, "ac");
	fire();
	assert_string_equal(ran, "c");
}

static struct rte_ims_wait *second;

static void
on_free(struct rte_ims_vec *v, void *arg)
{
	int *rc = arg;

	rc[0] = rte_ims_vec_free(v);
	rc[1] = rte_ims_wait_del(wait_set, v);
	rc[2] = rte_ims_wait_move(second, v);
	rc[3] = rte_ims_wait_poll(wait_set);
}

/* A vector stays where it is while its handlers run. */
static void
test_free_in_handler(void **state)
{
	int rc[4] = { 1, 1, 1, 1 };
	struct rte_ims_obj obj = { .fn = on_free, .arg = rc };

	second = rte_ims_wait_create("second", NULL);
	assert_int_equal(rte_ims_vec_attach(vec, &obj), 0);
	fire();
	assert_int_equal(rc[0], -EDEADLK);
	assert_int_equal(rc[1], -EDEADLK);
	assert_int_equal(rc[2], -EDEADLK);
	assert_int_equal(rc[3], 0);
	rte_ims_vec_detach(&obj);
	assert_true(fake_fire(f, 1));
	assert_int_equal(rte_ims_wait_poll(wait_set), 1);
	assert_int_equal(rte_ims_wait_destroy(second), 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_null(obj.vec);
}

/*
 * While a handler runs, another thread waits for an object to be out of use, and the handler takes
 * off the one after it: the walk must not go there by the first one's link.
 */
static struct rte_ims_obj first, second_obj, third;
static atomic_int third_is_off, third_ran;
static pthread_t other_thread;

static void *
detach_second(void *arg)
{
	rte_ims_vec_detach(&second_obj);
	return NULL;
}

static bool
second_is_off(void)
{
	bool is;

	pthread_mutex_lock(&vec->obj_lock);
	is = second_obj.prev == &second_obj;
	pthread_mutex_unlock(&vec->obj_lock);
	return is;
}

static void
on_first(struct rte_ims_vec *v, void *arg)
{
	pthread_create(&other_thread, NULL, detach_second, NULL);
	while (!second_is_off())
		usleep(100);
	assert_int_equal(rte_ims_vec_detach(&third), 0);
	atomic_store(&third_is_off, 1);
}

static void
on_nothing(struct rte_ims_vec *v, void *arg)
{
}

static void
on_third(struct rte_ims_vec *v, void *arg)
{
	atomic_fetch_add(&third_ran, atomic_load(&third_is_off));
}

static void
test_detach_behind_one_that_goes(void **state)
{
	first.fn = on_first;
	second_obj.fn = on_nothing;
	third.fn = on_third;
	assert_int_equal(rte_ims_vec_attach(vec, &first), 0);
	assert_int_equal(rte_ims_vec_attach(vec, &second_obj), 0);
	assert_int_equal(rte_ims_vec_attach(vec, &third), 0);
	fire();
	pthread_join(other_thread, NULL);
	assert_int_equal(atomic_load(&third_ran), 0);
	assert_int_equal(rte_ims_vec_detach(&first), 0);
}

/*
 * A detach that a slow handler made fail, and then the vector goes: the object refers to nothing.
 */
static atomic_bool in_slow, leave_slow;

static void
on_slower(struct rte_ims_vec *v, void *arg)
{
	atomic_store(&in_slow, true);
	while (!atomic_load(&leave_slow))
		usleep(100);
}

static void *
poll_set(void *arg)
{
	rte_ims_wait_poll(wait_set);
	return NULL;
}

static void
test_detach_in_vain(void **state)
{
	struct rte_ims_obj slow = { .fn = on_slower }, again = { .fn = on_nothing };
	pthread_t thread;

	assert_int_equal(rte_ims_vec_attach(vec, &slow), 0);
	assert_int_equal(rte_ims_vec_attach(vec, &again), 0);
	assert_true(fake_fire(f, 1));
	pthread_create(&thread, NULL, poll_set, NULL);
	while (!atomic_load(&in_slow))
		usleep(100);
	ims_sync_timeout_ns = 100000000;
	assert_int_equal(rte_ims_vec_detach(&slow), -ETIMEDOUT);
	assert_int_equal(rte_ims_vec_detach(&again), -ETIMEDOUT);
	assert_int_equal(rte_ims_vec_detach(&again), -ETIMEDOUT);
	ims_sync_timeout_ns = LONG_NS;
	atomic_store(&leave_slow, true);
	pthread_join(thread, NULL);
	assert_int_equal(rte_ims_vec_detach(&again), 0);
	assert_int_equal(rte_ims_vec_attach(vec, &again), 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_null(again.vec);
	assert_null(slow.vec);
	assert_int_equal(rte_ims_vec_detach(&slow), -EINVAL);
	vec = NULL;
}

/*
 * One thread polls, this one attaches and detaches: after detach the handler does not run. Each
 * object's memory is poisoned as soon as detach has returned.
 */
struct guarded {
	struct rte_ims_obj obj;
	atomic_int alive;
	atomic_int inside;
};

static atomic_bool stop;
static atomic_uint after_death;

static void
on_guarded(struct rte_ims_vec *v, void *arg)
{
	struct guarded *g = arg;

	atomic_store(&g->inside, 1);
	if (!atomic_load(&g->alive))
		atomic_fetch_add(&after_death, 1);
	atomic_store(&g->inside, 0);
}

static void *
poller(void *arg)
{
	while (!atomic_load(&stop)) {
		fake_fire(f, 1);
		rte_ims_wait_poll(wait_set);
	}
	return NULL;
}

static void
test_detach_while_running(void **state)
{
	static struct guarded g[4];
	pthread_t thread;
	unsigned int i, k;

	memset(g, 0, sizeof(g));
	for (k = 0; k < 4; k++) {
		g[k].obj.fn = on_guarded;
		g[k].obj.arg = &g[k];
	}
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, poller, NULL), 0);
	for (i = 0; i < ROUNDS; i++) {
		k = i % 4;
		if (g[k].obj.vec != NULL) {
			assert_int_equal(rte_ims_vec_detach(&g[k].obj), 0);
			assert_int_equal(atomic_load(&g[k].inside), 0);
			atomic_store(&g[k].alive, 0);
		}
		if (i % 3 != 0) {
			atomic_store(&g[k].alive, 1);
			assert_int_equal(rte_ims_vec_attach(vec, &g[k].obj), 0);
		}
	}
	for (k = 0; k < 4; k++)
		if (g[k].obj.vec != NULL)
			assert_int_equal(rte_ims_vec_detach(&g[k].obj), 0);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&after_death), 0);
}

static void
on_slow(struct rte_ims_vec *v, void *arg)
{
	atomic_store((atomic_bool *)arg, true);
	usleep(30000);
	atomic_store((atomic_bool *)arg, false);
}

/* Detach waits for the handler that runs in another thread. */
static void
test_detach_drains(void **state)
{
	static atomic_bool inside;
	static struct rte_ims_obj obj = { .fn = on_slow, .arg = &inside };
	pthread_t thread;
	int i;

	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, poller, NULL), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(rte_ims_vec_attach(vec, &obj), 0);
		while (!atomic_load(&inside))
			usleep(100);
		assert_int_equal(rte_ims_vec_detach(&obj), 0);
		assert_false(atomic_load(&inside));
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_detach_in_handler, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_in_handler, setup, teardown),
		cmocka_unit_test_setup_teardown(test_detach_while_running, setup, teardown),
		cmocka_unit_test_setup_teardown(test_detach_drains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_detach_behind_one_that_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_detach_in_vain, setup, teardown),
	};

	ims_sync_timeout_ns = LONG_NS;
	return cmocka_run_group_tests(tests, group_setup, NULL);
}
