/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Sleeping, alone or in another loop, for memory and eventfds. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "test_wait.h"

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

int
wait_sleep_tests(void)
{
	const struct CMUnitTest tests[] = {
		T(test_timeout),
		T(test_wake),
		T(test_sleep),
		T(test_nested_fd),
		T(test_nested_all),
		T(test_emptied_eventfd),
		T(test_emptied_eventfd_of_a_driver),
		T(test_eventfd_beside_busy_memory),
	};

	return cmocka_run_group_tests_name("sleep", tests, NULL, NULL);
}
