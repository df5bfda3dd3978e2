/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Wait sets: nothing lost, nothing after the end, whoever comes and goes meanwhile. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "fake_dev.h"
#include "ims_wait_private.h"

static struct fake_dev *f;
static struct rte_ims_wait *w;

struct counter {
	struct rte_ims_obj obj;
	atomic_uint_fast64_t n;
};

static void
on_event(struct rte_ims_vec *vec, void *arg)
{
	atomic_fetch_add((atomic_uint_fast64_t *)arg, 1);
}

static int
group_setup(void **state)
{
	fake_eal_init();
	return 0;
}

static int
setup(void **state)
{
	w = rte_ims_wait_create("t", NULL);
	f = fake_dev_create(true);
	return w == NULL;
}

static int
teardown(void **state)
{
	fake_dev_destroy(f);
	return rte_ims_wait_destroy(w);
}

static struct rte_ims_vec *
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

static uint64_t
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
 * The device's last vector goes while a handler runs of what was read: the messages are answered all the
 * same, or the device, which has one under way for each slot, would never send again.
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
test_timeout(void **state)
{
	struct rte_ims_vec *vec;
	static struct counter c;
	uint64_t start;

	start = now_ns();
	assert_int_equal(rte_ims_wait_sleep(w, 3000000), 0);
	assert_true(now_ns() - start >= 3000000);
	assert_int_equal(rte_ims_wait_sleep(w, 0), 0);
	vec = alloc(1, RTE_IMS_DELIVERY_MEMORY, &c);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	assert_int_equal(rte_ims_wait_sleep(w, 1), 0); /* the wake-up of add */
	start = now_ns();
	assert_int_equal(rte_ims_wait_sleep(w, 3000000), 0);
	assert_true(now_ns() - start >= 3000000);
}

static void *
waker(void *arg)
{
	usleep(20000);
	rte_ims_wait_wake(w);
	return NULL;
}

static void
test_wake(void **state)
{
	pthread_t thread;

	assert_int_equal(rte_ims_wait_wake(w), 0);
	assert_int_equal(rte_ims_wait_sleep(w, -1), 0);
	assert_int_equal(pthread_create(&thread, NULL, waker, NULL), 0);
	assert_int_equal(rte_ims_wait_sleep(w, -1), 0);
	pthread_join(thread, NULL);
	assert_int_equal(rte_ims_wait_sleep(w, 1000), 0);
}

static void *
late_firer(void *arg)
{
	usleep(20000);
	fake_fire(f, 1);
	return NULL;
}

/* A sleeping thread is told by memory (nap), by eventfd, and by the source. */
static void
test_sleep(void **state)
{
	enum rte_ims_delivery d;
	struct rte_ims_vec *vec;
	pthread_t thread;
	static struct counter c;

	for (d = RTE_IMS_DELIVERY_EVENTFD; d <= RTE_IMS_DELIVERY_MEMORY; d++) {
		vec = alloc(1, d, &c);
		assert_int_equal(rte_ims_wait_add(w, vec), 0);
		while (rte_ims_wait_sleep(w, 1000) != 0)
			;
		assert_int_equal(pthread_create(&thread, NULL, late_firer, NULL), 0);
		assert_int_equal(rte_ims_wait_sleep(w, 20000000000), 1);
		assert_int_equal(c.n, 1);
		pthread_join(thread, NULL);
		assert_int_equal(rte_ims_vec_free(vec), 0);
	}
}

/* Nested in another epoll: readable while there is work, not any more when it is done. */
static void
test_nested_fd(void **state)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0);
	struct rte_ims_vec *vec;
	static struct counter c;

	vec = alloc(1, RTE_IMS_DELIVERY_EVENTFD, &c);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, rte_ims_wait_fd(w), &ev), 0);
	assert_int_equal(epoll_wait(ep, &ev, 1, 0), 0);
	fake_fire(f, 1);
	assert_int_equal(epoll_wait(ep, &ev, 1, 1000), 1);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(epoll_wait(ep, &ev, 1, 0), 0);
	close(ep);
}

/* As much as one look finds, and one more: an edge-triggered loop is not told of what is left. */
static void
test_nested_all(void **state)
{
	struct epoll_event ev = { .events = EPOLLIN };
	static struct counter c[IMS_WAIT_EPOLL_BATCH];
	int ep = epoll_create1(0), i, n_vecs = IMS_WAIT_EPOLL_BATCH - 1;
	struct rte_ims_vec *vec[IMS_WAIT_EPOLL_BATCH];
	const uint64_t one = 1;

	for (i = 0; i < n_vecs; i++) {
		vec[i] = alloc(1 + i, RTE_IMS_DELIVERY_EVENTFD, &c[i]);
		assert_int_equal(rte_ims_wait_add(w, vec[i]), 0);
	}
	assert_ptr_equal(f->reader, w);
	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, rte_ims_wait_fd(w), &ev), 0);
	/* The wake-up, each eventfd, and the socket last. */
	assert_int_equal(rte_ims_wait_wake(w), 0);
	for (i = 0; i < n_vecs; i++)
		assert_int_equal(write(vec[i]->fd, &one, sizeof(one)), sizeof(one));
	fake_fire(f, 1);
	assert_int_equal(rte_ims_wait_sleep(w, 0), n_vecs + 1);
	assert_int_equal(epoll_wait(ep, &ev, 1, 0), 0);
	assert_int_equal(c[0].n, 2);
	for (i = 0; i < n_vecs; i++)
		assert_int_equal(rte_ims_vec_free(vec[i]), 0);
	assert_int_equal(w->n_fds, 0);
	close(ep);
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
fire_again(struct rte_ims_vec *vec, void *arg)
{
	(void)vec;
	fake_fire(f, *(uint32_t *)arg);
}

/* A vector in memory that always has something does not keep one with an eventfd waiting. */
static void
test_eventfd_beside_busy_memory(void **state)
{
	static struct counter busy, c;
	static uint32_t slot = 1;
	struct rte_ims_vec *vec;
	unsigned int i;

	vec = alloc(slot, RTE_IMS_DELIVERY_MEMORY, &busy);
	assert_int_equal(rte_ims_vec_detach(&busy.obj), 0);
	busy.obj = (struct rte_ims_obj){ .fn = fire_again, .arg = &slot };
	assert_int_equal(rte_ims_vec_attach(vec, &busy.obj), 0);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	assert_int_equal(rte_ims_wait_add(w, alloc(2, RTE_IMS_DELIVERY_EVENTFD, &c)), 0);
	fake_fire(f, slot);
	fake_fire(f, 2);
	for (i = 0; i < 10 && c.n == 0; i++)
		assert_true(rte_ims_wait_sleep(w, -1) > 0);
	assert_int_equal(c.n, 1);
}

struct thief {
	struct rte_ims_obj obj;
	struct rte_ims_vec *other;
	unsigned int n;
};

/* As the device could, which has a duplicate: the event is taken away, and the eventfd blocks. */
static void
on_theft(struct rte_ims_vec *vec, void *arg)
{
	struct thief *t = arg;
	int fd = rte_ims_vec_fd_get(t->other);
	uint64_t count;

	(void)vec;
	t->n++;
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
}

/* An eventfd that was readable and is empty now: the set's thread does not wait for it. */
static void
test_emptied_eventfd(void **state)
{
	struct rte_ims_vec_conf conf = { .delivery = RTE_IMS_DELIVERY_EVENTFD };
	static struct counter elsewhere; /* so that the set does not read the messages itself */
	static struct thief t[2];
	struct rte_ims_vec *vec[2];
	unsigned int i;

#ifdef __SANITIZE_THREAD__
	skip(); /* it does not know preadv2() */
#endif
	alloc(3, RTE_IMS_DELIVERY_EVENTFD, &elsewhere);
	for (i = 0; i < 2; i++) {
		vec[i] = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), f->store, 1 + i, &conf);
		assert_non_null(vec[i]);
		t[i].obj = (struct rte_ims_obj){ .fn = on_theft, .arg = &t[i] };
		assert_int_equal(rte_ims_vec_attach(vec[i], &t[i].obj), 0);
		assert_int_equal(rte_ims_wait_add(w, vec[i]), 0);
	}
	t[0].other = vec[1];
	t[1].other = vec[0];
	fake_fire(f, 1);
	fake_fire(f, 2);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(t[0].n + t[1].n, 1);
}

/* The same for a driver that waits for an event itself. */
static void
test_emptied_eventfd_of_a_driver(void **state)
{
	static struct counter c;
	struct rte_ims_vec *vec = alloc(1, RTE_IMS_DELIVERY_EVENTFD, &c);

#ifdef __SANITIZE_THREAD__
	skip(); /* it does not know preadv2() */
#endif
	assert_int_equal(fcntl(rte_ims_vec_fd_get(vec), F_SETFL, 0), 0);
	assert_int_equal(ims_vec_fd_take(vec), 0);
	fake_fire(f, 1);
	assert_int_equal(ims_vec_fd_take(vec), 1);
	assert_int_equal(ims_vec_fd_take(vec), 0);
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

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_memory),
		T(test_stats_reset),
		T(test_eventfd_inline),
		T(test_move_loses_nothing),
		T(test_missed_is_carried),
		T(test_taken_is_carried),
		T(test_add_in_vain),
		T(test_source_goes_over),
		T(test_answered_though_left),
		T(test_stray_behind_the_last),
		T(test_many),
		T(test_lines_scanned),
		T(test_full),
		T(test_timeout),
		T(test_wake),
		T(test_sleep),
		T(test_nested_fd),
		T(test_nested_all),
		T(test_reset),
		T(test_churn_memory),
		T(test_churn_eventfd),
		T(test_free_drains),
		T(test_event_during_handler),
		T(test_eventfd_beside_busy_memory),
		T(test_emptied_eventfd),
		T(test_emptied_eventfd_of_a_driver),
		T(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
