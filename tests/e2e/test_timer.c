/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* timer_ims from the driver's API down to the device: every kind of vector, every kind of timer. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include "e2e.h"

#define SECOND_NS 1000000000ull

static struct rte_ims_dev *dev;
static struct rte_ims_wait *set;
static uint32_t n_timers;
static enum rte_ims_delivery sleepable; /* EVENTFD where the device can */

static int
setup(void **state)
{
	struct rte_ims_wait_conf conf = { .max_vecs = 8192 };
	struct rte_pmd_timer_ims_info info;

	dev = e2e_open();
	assert_int_equal(rte_pmd_timer_ims_info_get(dev, &info), 0);
	n_timers = info.n_timers;
	sleepable = e2e_can(dev, RTE_IMS_DELIVERY_EVENTFD) ? RTE_IMS_DELIVERY_EVENTFD
	                                                   : RTE_IMS_DELIVERY_MEMORY;
	set = rte_ims_wait_create("e2e", &conf);
	return set == NULL;
}

static int
teardown(void **state)
{
	assert_int_equal(rte_ims_dev_close(dev), 0);
	return rte_ims_wait_destroy(set);
}

static bool
expired(void *arg)
{
	return ((struct e2e_timer *)arg)->accounted >= 1;
}

static void
one_shot(uint32_t slot, enum rte_ims_delivery delivery)
{
	static struct e2e_timer t;
	struct rte_ims_vec *vec;
	uint64_t start;

	if (!e2e_can(dev, delivery))
		return;
	vec = e2e_vec(dev, slot, delivery);
	e2e_timer_init(&t, dev, 0, vec);
	assert_int_equal(rte_ims_wait_add(set, vec), 0);
	e2e_assert_quiet(set, 5000000);
	start = e2e_now_ns();
	e2e_timer_start(&t, 3000000, 0, 0);
	assert_true(e2e_wait_for(set, expired, &t, E2E_PATIENCE_NS));
	assert_true(e2e_now_ns() - start >= 3000000);
	assert_int_equal(t.calls, 1);
	assert_int_equal(t.empty, 0);
	e2e_assert_quiet(set, 5000000);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

static void
test_one_shot(void **state)
{
	one_shot(RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	one_shot(RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	one_shot(1, RTE_IMS_DELIVERY_EVENTFD);
	one_shot(n_timers, RTE_IMS_DELIVERY_MEMORY); /* the last slot */
	one_shot(n_timers, RTE_IMS_DELIVERY_EVENTFD);
}

/* An eventfd that nobody waits for but the caller. */
static void
test_bare_fd(void **state)
{
	static struct e2e_timer t;
	uint64_t count = 0, end;
	struct rte_ims_vec *vec;

	if (!e2e_can(dev, RTE_IMS_DELIVERY_EVENTFD))
		skip();
	vec = e2e_vec(dev, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	e2e_timer_init(&t, dev, 0, vec);
	assert_int_equal(read(rte_ims_vec_fd_get(vec), &count, 8), -1);
	e2e_timer_start(&t, 1000000, 0, 0);
	end = e2e_now_ns() + E2E_PATIENCE_NS;
	while (read(rte_ims_vec_fd_get(vec), &count, 8) != 8 && e2e_now_ns() < end)
		usleep(100);
	assert_int_equal(count, 1);
	assert_int_equal(t.calls, 0);
}

static void
mask_pending(enum rte_ims_delivery delivery)
{
	static struct e2e_timer t;
	struct rte_ims_vec_info info;
	struct rte_ims_vec *vec;

	if (!e2e_can(dev, delivery))
		return;
	vec = e2e_vec(dev, RTE_IMS_SLOT_ANY, delivery);
	e2e_timer_init(&t, dev, 7 % n_timers, vec);
	assert_int_equal(rte_ims_wait_add(set, vec), 0);
	assert_int_equal(rte_ims_vec_info_get(vec, &info), 0);
	assert_false(info.pending);
	assert_int_equal(rte_ims_vec_mask(vec), 0);
	e2e_timer_start(&t, 200000, 3, RTE_PMD_TIMER_IMS_F_PERIODIC);
	while (rte_pmd_timer_ims_count(dev, t.n, NULL) < 3)
		usleep(1000);
	e2e_assert_quiet(set, 5000000);
	assert_int_equal(rte_ims_vec_info_get(vec, &info), 0);
	assert_true(info.masked);
	assert_true(info.pending);
	assert_int_equal(rte_ims_vec_unmask(vec), 0);
	/* Three events merged into one message. */
	assert_true(e2e_wait_for(set, expired, &t, E2E_PATIENCE_NS));
	assert_int_equal(t.accounted, 3);
	assert_int_equal(t.calls, 1);
	assert_int_equal(rte_ims_vec_info_get(vec, &info), 0);
	assert_false(info.pending);
	e2e_assert_quiet(set, 5000000);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

static void
test_mask_pending(void **state)
{
	mask_pending(RTE_IMS_DELIVERY_MEMORY);
	mask_pending(RTE_IMS_DELIVERY_EVENTFD);
}

struct all {
	struct e2e_timer *t;
	uint32_t n;
	uint64_t want;
	uint32_t done; /* those below have expired as often as wanted */
};

static bool
all_expired(void *arg)
{
	struct all *a = arg;

	while (a->done < a->n && a->t[a->done].accounted >= a->want)
		a->done++;
	return a->done == a->n;
}

/* n timers, each with a vector of its own, half of the slots chosen, half any. */
static void
many(uint32_t n, enum rte_ims_delivery delivery)
{
	struct e2e_timer *t = calloc(n, sizeof(*t));
	struct all a = { .t = t, .n = n, .want = 5 };
	struct rte_ims_table *table = rte_ims_table_create(dev, "many", n);
	struct rte_ims_vec_conf conf = { .delivery = delivery };
	struct rte_ims_vec *vec;
	uint32_t i;

	assert_non_null(t);
	assert_non_null(table);
	for (i = 0; i < n; i++) {
		vec = rte_ims_vec_alloc(table, rte_ims_dev_store_get(dev, RTE_IMS_STORE_BAR),
			i < n / 2 ? n_timers - i : RTE_IMS_SLOT_ANY, &conf);
		assert_non_null(vec);
		e2e_timer_init(&t[i], dev, i, vec);
		assert_int_equal(rte_ims_wait_add(set, vec), 0);
	}
	for (i = 0; i < n; i++)
		e2e_timer_start(&t[i], 2000000 + i * 100, 5, RTE_PMD_TIMER_IMS_F_PERIODIC);
	assert_true(e2e_wait_for(set, all_expired, &a, 60 * SECOND_NS));
	for (i = 0; i < n; i++)
		assert_int_equal(t[i].accounted, 5);
	/* The device counts before it sends: a handler may have accounted for an expiration whose
	 * message is still to come.
	 */
	e2e_timer_stop(dev, 0);
	e2e_settle(set);
	e2e_assert_quiet(set, 5000000);
	assert_int_equal(rte_ims_table_free(table), 0);
	free(t);
}

static void
test_many(void **state)
{
	static const uint32_t counts[] = { 1, 2, 64, 512, 4096 };
	unsigned int i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]) && counts[i] <= n_timers; i++) {
		many(counts[i], RTE_IMS_DELIVERY_MEMORY);
		if (e2e_can(dev, RTE_IMS_DELIVERY_EVENTFD))
			many(counts[i], RTE_IMS_DELIVERY_EVENTFD);
	}
}

/* A set's vectors go from memory to eventfds and back while their timers run, and it sleeps. */
static void
test_switch(void **state)
{
	enum {
		N = 32,
		TICKS = 200
	};
	static struct e2e_timer t[N];
	struct all a = { .t = t, .n = RTE_MIN((uint32_t)N, n_timers), .want = TICKS };
	uint64_t end = e2e_now_ns() + 60 * SECOND_NS;
	struct rte_ims_vec *vec;
	uint64_t switches;
	uint32_t i;

	if (!e2e_can(dev, RTE_IMS_DELIVERY_EVENTFD))
		skip();
	for (i = 0; i < a.n; i++) {
		vec = e2e_vec(dev, RTE_IMS_SLOT_ANY, i % 2);
		assert_int_equal(rte_ims_wait_add(set, vec), 0);
		e2e_timer_init(&t[i], dev, i, vec);
	}
	for (i = 0; i < a.n; i++)
		e2e_timer_start(&t[i], 5000000 + i * 100, TICKS, RTE_PMD_TIMER_IMS_F_PERIODIC);
	for (switches = 0; !all_expired(&a) && e2e_now_ns() < end; switches++) {
		assert_int_equal(rte_ims_wait_delivery_set(set, switches % 2), 0);
		rte_ims_wait_sleep(set, 3000000);
		rte_ims_wait_sleep(set, 3000000);
	}
	assert_true(all_expired(&a));
	assert_true(switches > 4);
}

/* Many timers on one vector: each handler looks after its own. */
static void
test_shared(void **state)
{
	static struct e2e_timer t[16];
	struct all a = { .t = t, .n = RTE_MIN(16u, n_timers), .want = 10 };
	struct rte_ims_vec *vec;
	uint32_t i;

	vec = e2e_vec(dev, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	assert_int_equal(rte_ims_wait_add(set, vec), 0);
	for (i = 0; i < a.n; i++)
		e2e_timer_init(&t[i], dev, i, vec);
	for (i = 0; i < a.n; i++)
		e2e_timer_start(&t[i], 500000, 10, RTE_PMD_TIMER_IMS_F_PERIODIC);
	assert_true(e2e_wait_for(set, all_expired, &a, E2E_PATIENCE_NS));
	for (i = 0; i < a.n; i++)
		assert_int_equal(t[i].accounted, 10);
}

static void
on_error(struct rte_ims_vec *vec, void *arg)
{
	uint32_t operand;

	*(int *)arg = rte_pmd_timer_ims_error_get(dev, &operand);
}

static bool
error_seen(void *arg)
{
	return *(int *)arg != 0;
}

/* The special vector at its fixed slot: the device complains of a timer on a slot it has not. */
static void
test_error_slot(void **state)
{
	static struct rte_ims_obj obj;
	static struct e2e_timer t;
	struct rte_pmd_timer_ims_conf conf = { .interval_ns = 1 };
	struct rte_pmd_timer_ims_info info;
	struct rte_ims_vec *error, *vec;
	int bits = 0;

	assert_int_equal(rte_pmd_timer_ims_info_get(dev, &info), 0);
	error = e2e_vec(dev, info.error_slot, sleepable);
	obj.fn = on_error;
	obj.arg = &bits;
	assert_int_equal(rte_ims_vec_attach(error, &obj), 0);
	assert_int_equal(rte_ims_wait_add(set, error), 0);
	vec = e2e_vec(dev, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	e2e_timer_init(&t, dev, 0, vec);
	/* The driver refuses what the device would not do ... */
	assert_int_equal(rte_pmd_timer_ims_start(dev, 0, error, &conf), -EINVAL);
	conf.interval_ns = 0;
	assert_int_equal(rte_pmd_timer_ims_start(dev, 0, vec, &conf), -EINVAL);
	conf.interval_ns = 1;
	assert_int_equal(rte_pmd_timer_ims_start(dev, n_timers, vec, &conf), -EINVAL);
	assert_int_equal(rte_pmd_timer_ims_stop(dev, n_timers), -EINVAL);
	assert_int_equal(rte_pmd_timer_ims_error_get(dev, NULL), 0);
	/* ... and the device reports a message that goes nowhere: the vector is in no wait set, so
	 * its slot is masked and nothing is sent at all.
	 */
	e2e_timer_start(&t, 1000, 0, 0);
	while (rte_pmd_timer_ims_count(dev, 0, NULL) == 0)
		usleep(100);
	e2e_assert_quiet(set, 5000000);
	assert_false(error_seen(&bits));
}

static void
test_stop(void **state)
{
	static struct e2e_timer t;
	struct rte_ims_vec *vec;
	uint64_t count;

	vec = e2e_vec(dev, RTE_IMS_SLOT_ANY, sleepable);
	e2e_timer_init(&t, dev, 3 % n_timers, vec);
	assert_int_equal(rte_ims_wait_add(set, vec), 0);
	e2e_timer_start(&t, 300000, 0, RTE_PMD_TIMER_IMS_F_PERIODIC);
	assert_true(e2e_wait_for(set, expired, &t, E2E_PATIENCE_NS));
	e2e_timer_stop(dev, t.n);
	count = rte_pmd_timer_ims_count(dev, t.n, NULL);
	while (rte_ims_wait_sleep(set, 5000000) > 0)
		;
	assert_int_equal(t.accounted, count);
	e2e_assert_quiet(set, 5000000);
	assert_int_equal(rte_pmd_timer_ims_count(dev, t.n, NULL), count);
}

static void
test_reset(void **state)
{
	static struct e2e_timer m, e;
	struct rte_ims_vec *mv, *ev;

	mv = e2e_vec(dev, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	ev = e2e_vec(dev, RTE_IMS_SLOT_ANY, sleepable);
	e2e_timer_init(&m, dev, 0, mv);
	e2e_timer_init(&e, dev, 1 % n_timers, ev);
	assert_int_equal(rte_ims_wait_add(set, mv), 0);
	assert_int_equal(rte_ims_wait_add(set, ev), 0);
	e2e_timer_start(&m, 500000, 0, RTE_PMD_TIMER_IMS_F_PERIODIC);
	assert_true(e2e_wait_for(set, expired, &m, E2E_PATIENCE_NS));
	assert_int_equal(rte_ims_dev_reset(dev), 0);
	while (rte_ims_wait_sleep(set, 5000000) > 0)
		;
	e2e_assert_quiet(set, 5000000); /* reset stopped the timer */
	e2e_timer_start(&m, 500000, 0, 0);
	e2e_timer_start(&e, 500000, 0, 0);
	assert_true(e2e_wait_for(set, expired, &m, E2E_PATIENCE_NS));
	assert_true(e2e_wait_for(set, expired, &e, E2E_PATIENCE_NS));
}

static void
test_bad_slots(void **state)
{
	struct rte_ims_store *store = rte_ims_dev_store_get(dev, RTE_IMS_STORE_BAR);
	struct rte_ims_table *table = rte_ims_dev_table(dev);
	struct rte_ims_vec_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };

	assert_null(rte_ims_vec_alloc(table, store, n_timers + 1, &conf));
	assert_int_equal(rte_errno, ERANGE);
	assert_non_null(rte_ims_vec_alloc(table, store, 1, &conf));
	assert_null(rte_ims_vec_alloc(table, store, 1, &conf));
	assert_int_equal(rte_errno, EBUSY);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_one_shot),
		T(test_bare_fd),
		T(test_mask_pending),
		T(test_many),
		T(test_switch),
		T(test_shared),
		T(test_error_slot),
		T(test_stop),
		T(test_reset),
		T(test_bad_slots),
	};

	e2e_init(argc, argv, "emu:timer_ims,timers=64");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
