/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Vectors come and go while their events do. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "test_wait.h"

/* An event that was read from the source, or stored, when the vector had just left. */
static void
test_move_loses_nothing(void **state)
{
	struct rte_ims_wait *other = rte_ims_wait_create("other", NULL);
	struct rte_ims_wait_stats stats;
	struct rte_ims_vec *m, *e;
	static struct counter cm, ce;

	m = alloc(1, RTE_IMS_DELIVERY_MEMORY, &cm);
	e = alloc(2, RTE_IMS_DELIVERY_EVENTFD, &ce);
	assert_int_equal(rte_ims_wait_add(w, m), 0);
	assert_int_equal(rte_ims_wait_add(w, e), 0);
	assert_true(fake_fire(f, 1));
	fake_fire(f, 2);
	assert_int_equal(f->n_queue, 1);
	assert_int_equal(rte_ims_wait_del(w, m), 0);
	assert_int_equal(rte_ims_wait_del(w, m), -ENOENT);
	assert_int_equal(rte_ims_wait_add(other, m), 0);
	assert_int_equal(rte_ims_wait_poll(w), 1); /* e */
	assert_int_equal(rte_ims_wait_poll(other), 1);
	assert_int_equal(rte_ims_wait_poll(other), 0);
	assert_int_equal(cm.n, 1);
	assert_int_equal(ce.n, 1);
	/* A word that its vector's former place gets too late: counted, not delivered elsewhere. */
	atomic_store(&w->bells[0], 77);
	assert_int_equal(rte_ims_wait_poll(w), 0);
	assert_int_equal(rte_ims_wait_stats_get(w, &stats), 0);
	assert_int_equal(stats.stray, 1);
	assert_int_equal(rte_ims_wait_del(other, m), 0);
	assert_int_equal(rte_ims_wait_destroy(other), 0);
}

/* The protection of serve_bell(): the word is taken, then the entry turns out to be empty. */
static void
test_missed_is_carried(void **state)
{
	struct rte_ims_vec *m;
	static struct counter cm;

	m = alloc(1, RTE_IMS_DELIVERY_MEMORY, &cm);
	assert_int_equal(rte_ims_wait_add(w, m), 0);
	assert_true(fake_fire(f, 1));
	/* rte_ims_wait_del() up to its drain, then the poll that loses the race. */
	pthread_mutex_lock(&f->dev->lock);
	ims_wait_leave_locked(m);
	pthread_mutex_unlock(&f->dev->lock);
	assert_int_equal(rte_ims_wait_poll(w), 0);
	assert_int_equal(cm.n, 0);
	assert_int_equal(rte_ims_wait_del(w, m), 0);
	assert_int_equal(rte_ims_wait_del(w, m), -ENOENT);
	assert_int_equal(rte_ims_wait_add(w, m), 0);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(cm.n, 1);
}

/* A poll begins when the set has been drained, and has not marked yet that it took the word. */
static void
test_taken_is_carried(void **state)
{
	static struct counter cm;
	struct rte_ims_vec *m;

	m = alloc(1, RTE_IMS_DELIVERY_MEMORY, &cm);
	assert_int_equal(rte_ims_wait_add(w, m), 0);
	assert_true(fake_fire(f, 1));
	pthread_mutex_lock(&f->dev->lock);
	ims_wait_leave_locked(m);
	assert_int_equal(ims_wait_drain(w), 0);
	atomic_fetch_add(&w->epoch, 1);
	assert_int_not_equal(atomic_exchange(&w->bells[0], 0), 0);
	ims_wait_left_locked(m);
	atomic_store(&w->entries[0].missed, true);
	atomic_fetch_add(&w->epoch, 1);
	pthread_mutex_unlock(&f->dev->lock);
	assert_int_equal(rte_ims_wait_add(w, m), 0);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(cm.n, 1);
}

/* A set that a vector could not enter is not referred to any more. */
static void
test_add_in_vain(void **state)
{
	struct fake_dev *g = fake_dev_create(false);
	struct rte_ims_wait *other = rte_ims_wait_create("other", NULL);
	struct rte_ims_vec *vec;

	vec = rte_ims_vec_alloc(rte_ims_dev_table(g->dev), g->store, 1, NULL);
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), 0);
	g->fail = -EIO;
	assert_int_equal(rte_ims_wait_add(other, vec), -EIO);
	g->fail = 0;
	assert_int_equal(rte_ims_wait_destroy(other), 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	fake_dev_destroy(g);
}

/* What is left of the device's eventfds is all in one set: that set's thread reads the socket. */
static void
test_source_goes_over(void **state)
{
	struct rte_ims_wait *other = rte_ims_wait_create("other", NULL);
	struct rte_ims_wait_info i;
	static struct counter c[2];
	struct rte_ims_vec *v[2];

	v[0] = alloc(1, RTE_IMS_DELIVERY_EVENTFD, &c[0]);
	v[1] = alloc(2, RTE_IMS_DELIVERY_EVENTFD, &c[1]);
	assert_int_equal(rte_ims_wait_add(other, v[1]), 0);
	assert_int_equal(rte_ims_wait_add(w, v[0]), 0);
	assert_int_equal(rte_ims_vec_free(v[0]), 0);
	assert_int_equal(rte_ims_wait_info_get(other, &i), 0);
	assert_true(i.reads_socket);
	assert_int_equal(rte_ims_vec_free(v[1]), 0);
	assert_int_equal(rte_ims_wait_destroy(other), 0);
}

static atomic_bool in_handler;

/* Until the set has let go of the source: whoever frees the vector waits for us then. */
static void
on_event_until_left(struct rte_ims_vec *vec, void *arg)
{
	uint64_t end = now_ns() + 20000000000;

	atomic_store(&in_handler, true);
	while (atomic_load(&w->sources[0]) != NULL && now_ns() < end)
		usleep(100);
	atomic_fetch_add((atomic_uint_fast64_t *)arg, 1);
}

static void *
free_in_handler(void *arg)
{
	while (!atomic_load(&in_handler))
		usleep(100);
	return (void *)(intptr_t)rte_ims_vec_free(arg);
}

/*
 * The device's last vector goes while a handler runs of what was read: the messages are answered
 * all the same, or the device, which has one under way for each slot, would never send again.
 */
static void
test_answered_though_left(void **state)
{
	static struct counter c;
	struct rte_ims_vec *vec;
	pthread_t thread;
	void *rc;

	vec = alloc(1, RTE_IMS_DELIVERY_EVENTFD, &c);
	c.obj.fn = on_event_until_left;
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	fake_fire(f, 1);
	fake_fire(f, 1);
	atomic_store(&in_handler, false);
	assert_int_equal(pthread_create(&thread, NULL, free_in_handler, vec), 0);
	rte_ims_wait_poll(w);
	assert_int_equal(pthread_join(thread, &rc), 0);
	assert_null(rc);
	assert_int_equal(c.n, 1);
	assert_int_equal(f->n_acks, 2);
	assert_null(f->reader);
}

/* Reset wipes the slots: messages are written anew and vectors go on. */
static void
test_reset(void **state)
{
	static const struct ims_driver quiet = { .name = "quiet" };
	struct rte_ims_vec *m, *e;
	static struct counter cm, ce;

	f->dev->driver = &quiet;
	f->v.n_regions = 1;
	m = alloc(1, RTE_IMS_DELIVERY_MEMORY, &cm);
	e = alloc(2, RTE_IMS_DELIVERY_EVENTFD, &ce);
	assert_int_equal(rte_ims_wait_add(w, m), 0);
	assert_int_equal(rte_ims_wait_add(w, e), 0);
	assert_int_equal(f->v.ops->reset(&f->v), 0);
	assert_false(fake_fire(f, 1));
	pthread_mutex_lock(&f->dev->lock);
	assert_int_equal(ims_vec_restore_locked(m), 0);
	assert_int_equal(ims_vec_restore_locked(e), 0);
	pthread_mutex_unlock(&f->dev->lock);
	assert_int_equal(rte_ims_wait_poll(w), 1); /* pending since the reset */
	assert_true(fake_fire(f, 1));
	assert_true(fake_fire(f, 2));
	assert_int_equal(rte_ims_wait_poll(w), 2);
	assert_int_equal(cm.n, 2);
	assert_int_equal(ce.n, 1);
}

/*
 * The device fires all the time; one thread polls, this one takes the vector out and puts it in,
 * masks and unmasks. Fired counts and handled counts are compared by a sequence: the handler reads
 * what the device counted before it sent, and must have read the last count in the end.
 */
static atomic_bool stop;
static atomic_uint_fast64_t device_count, seen_count;

static void
on_count(struct rte_ims_vec *vec, void *arg)
{
	atomic_store(&seen_count, atomic_load(&device_count));
}

static void *
device_thread(void *arg)
{
	while (!atomic_load(&stop)) {
		atomic_fetch_add(&device_count, 1);
		fake_fire(f, 1);
	}
	return NULL;
}

static void *
poll_thread(void *arg)
{
	while (!atomic_load(&stop))
		rte_ims_wait_poll(w);
	return NULL;
}

static void
churn(enum rte_ims_delivery delivery)
{
	static struct rte_ims_obj obj = { .fn = on_count };
	pthread_t dev, pol;
	struct rte_ims_vec *vec;
	static struct counter c;
	unsigned int i, k;

	vec = alloc(1, delivery, &c);
	assert_int_equal(rte_ims_vec_attach(vec, &obj), 0);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	for (i = 0; i < 200; i++) {
		atomic_store(&stop, false);
		assert_int_equal(pthread_create(&dev, NULL, device_thread, NULL), 0);
		assert_int_equal(pthread_create(&pol, NULL, poll_thread, NULL), 0);
		for (k = 0; k < 20; k++) {
			assert_int_equal(rte_ims_wait_del(w, vec), 0);
			assert_int_equal(rte_ims_wait_add(w, vec), 0);
			assert_int_equal(rte_ims_vec_mask(vec), 0);
			assert_int_equal(rte_ims_vec_unmask(vec), 0);
		}
		atomic_store(&stop, true);
		pthread_join(dev, NULL);
		pthread_join(pol, NULL);
		while (rte_ims_wait_poll(w) > 0)
			;
		assert_int_equal(atomic_load(&seen_count), atomic_load(&device_count));
	}
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

static void
test_churn_memory(void **state)
{
	churn(RTE_IMS_DELIVERY_MEMORY);
}

static void
test_churn_eventfd(void **state)
{
	churn(RTE_IMS_DELIVERY_EVENTFD);
}

static void
on_slow(struct rte_ims_vec *vec, void *arg)
{
	atomic_store((atomic_bool *)arg, true);
	usleep(30000);
	atomic_store((atomic_bool *)arg, false);
}

/* Free waits for the handler that runs in another thread. */
static void
test_free_drains(void **state)
{
	atomic_bool inside = false;
	struct rte_ims_obj obj = { .fn = on_slow, .arg = &inside };
	struct rte_ims_vec *vec;
	pthread_t pol;
	static struct counter c;

	vec = alloc(1, RTE_IMS_DELIVERY_MEMORY, &c);
	assert_int_equal(rte_ims_vec_attach(vec, &obj), 0);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&pol, NULL, poll_thread, NULL), 0);
	fake_fire(f, 1);
	while (!atomic_load(&inside))
		usleep(100);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_false(atomic_load(&inside));
	atomic_store(&stop, true);
	pthread_join(pol, NULL);
}

int
wait_change_tests(void)
{
	const struct CMUnitTest tests[] = {
		T(test_move_loses_nothing),
		T(test_missed_is_carried),
		T(test_taken_is_carried),
		T(test_add_in_vain),
		T(test_source_goes_over),
		T(test_answered_though_left),
		T(test_churn_memory),
		T(test_churn_eventfd),
		T(test_free_drains),
		T(test_reset),
	};

	return cmocka_run_group_tests_name("changes", tests, NULL, NULL);
}
