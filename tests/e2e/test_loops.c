/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A wait set in other loops: epoll, level-triggered and edge-triggered, poll(), DPDK's rte_epoll,
 * libevent. Each runs the same events, of more vectors than one look at epoll tells of, and of
 * wake-ups: all are handled, and the loop turns no more often than it has to.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_epoll.h>
#ifdef HAVE_LIBEVENT
#include <event2/event.h>
#endif

#include <rte_pmd_timer_ims.h>

#include "e2e.h"

#define N_TIMERS 150u
#define LIMIT    40u
#define TURN_MS  E2E_PATIENCE_MS
#define N_WAKES  10u

static struct rte_ims_dev *dev;
static struct rte_ims_wait *wait, *other;
static struct e2e_timer timers[N_TIMERS], elsewhere;

static int
setup(void **state)
{
	unsigned int i;

	dev = e2e_open();
	wait = rte_ims_wait_create("nested", NULL);
	other = rte_ims_wait_create("other", NULL);
	if (dev == NULL || wait == NULL || other == NULL)
		return -1;
	if (!e2e_can(dev, RTE_IMS_DELIVERY_EVENTFD))
		return 0;
	for (i = 0; i < N_TIMERS; i++) {
		e2e_timer_init(&timers[i], dev, i, e2e_vec(dev, i + 1, RTE_IMS_DELIVERY_EVENTFD));
		assert_int_equal(rte_ims_wait_add(wait, timers[i].vec), 0);
	}
	/*
	 * With one vector in another set the eventfds are signalled one by one, not read from the
	 * socket.
	 */
	e2e_timer_init(&elsewhere, dev, i, e2e_vec(dev, i + 1, RTE_IMS_DELIVERY_EVENTFD));
	return rte_ims_wait_add(other, elsewhere.vec);
}

static int
teardown(void **state)
{
	assert_int_equal(rte_ims_dev_close(dev), 0);
	return rte_ims_wait_destroy(wait) != 0 || rte_ims_wait_destroy(other) != 0;
}

static bool
all_done(void)
{
	unsigned int i;

	for (i = 0; i < N_TIMERS; i++)
		if (timers[i].accounted < LIMIT)
			return false;
	return true;
}

/* A loop around the set: returns after one turn whether the set was readable within the time. */
struct loop {
	bool (*turn)(struct loop *l, int ms);
	int epfd;
	bool edge;
	void *event;
};

/* The event of each timer is in its eventfd. */
static void
wait_signalled(void)
{
	struct pollfd pfd = { .events = POLLIN };
	unsigned int i;

	for (i = 0; i < N_TIMERS; i++) {
		pfd.fd = rte_ims_vec_fd_get(timers[i].vec);
		assert_int_equal(poll(&pfd, 1, E2E_PATIENCE_MS), 1);
	}
}

/* All at once: one turn takes all of it, for an edge-triggered loop is not told again. */
static void
run_burst(struct loop *l)
{
	unsigned int i;

	for (i = 0; i < N_TIMERS; i++)
		e2e_timer_start(&timers[i], 20000000, 1, RTE_PMD_TIMER_IMS_F_PERIODIC);
	wait_signalled();
	assert_true(l->turn(l, TURN_MS));
	for (i = 0; i < N_TIMERS; i++)
		assert_int_equal(timers[i].accounted, 1);
	e2e_timer_stop(dev, elsewhere.n);
	while (l->turn(l, 20))
		;
}

static void
run(struct loop *l)
{
	uint64_t end = e2e_now_ns() + 60000000000ull, events;
	struct rte_ims_wait_stats before, after;
	unsigned int turns = 0, wakes = 0, i;

	run_burst(l);
	for (i = 0; i < N_TIMERS; i++)
		e2e_timer_start(&timers[i], 500000 + 1000 * i, LIMIT, RTE_PMD_TIMER_IMS_F_PERIODIC);
	assert_int_equal(rte_ims_wait_stats_get(wait, &before), 0);
	while (!all_done()) {
		assert_true(e2e_now_ns() < end);
		if (turns % 20 == 0 && wakes < N_WAKES) {
			rte_ims_wait_wake(wait);
			wakes++;
		}
		assert_true(
			l->turn(l, TURN_MS)); /* an event that is not told of is one that is lost */
		turns++;
	}
	assert_int_equal(rte_ims_wait_stats_get(wait, &after), 0);
	events = after.events - before.events;
	/*
	 * Each turn had a reason: one look may find nothing where the one before it took that as
	 * well.
	 */
	assert_true(turns <= 2 * events + wakes);
	e2e_timer_stop(dev, elsewhere.n);
	while (l->turn(l, 20))
		assert_true(turns++ <= 3 * events + wakes);
	/* And is quiet when there is none. */
	assert_false(l->turn(l, 50));
	assert_int_equal(rte_ims_wait_wake(wait), 0);
	assert_true(l->turn(l, TURN_MS));
	assert_false(l->turn(l, 50));
}

static bool
turn_epoll(struct loop *l, int ms)
{
	struct epoll_event ev;
	int n = epoll_wait(l->epfd, &ev, 1, ms);

	if (n == 1)
		rte_ims_wait_sleep(wait, 0);
	return n == 1;
}

static void
run_epoll(bool edge)
{
	struct epoll_event ev = { .events = EPOLLIN | (edge ? EPOLLET : 0) };
	struct loop l = { .turn = turn_epoll, .epfd = epoll_create1(0) };

	if (!e2e_can(dev, RTE_IMS_DELIVERY_EVENTFD))
		skip();
	assert_int_equal(epoll_ctl(l.epfd, EPOLL_CTL_ADD, rte_ims_wait_fd(wait), &ev), 0);
	run(&l);
	close(l.epfd);
}

static void
test_epoll_level(void **state)
{
	run_epoll(false);
}

static void
test_epoll_edge(void **state)
{
	run_epoll(true);
}

static bool
turn_poll(struct loop *l, int ms)
{
	struct pollfd pfd = { .fd = rte_ims_wait_fd(wait), .events = POLLIN };
	int n = poll(&pfd, 1, ms);

	if (n == 1)
		rte_ims_wait_sleep(wait, 0);
	return n == 1;
}

static void
test_poll(void **state)
{
	struct loop l = { .turn = turn_poll };

	if (!e2e_can(dev, RTE_IMS_DELIVERY_EVENTFD))
		skip();
	run(&l);
}

static bool
turn_rte_epoll(struct loop *l, int ms)
{
	struct rte_epoll_event ev;
	int n = rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, ms);

	if (n == 1)
		rte_ims_wait_sleep(ev.epdata.data, 0);
	return n == 1;
}

static void
test_rte_epoll(void **state)
{
	static struct rte_epoll_event ev;
	struct loop l = { .turn = turn_rte_epoll };

	if (!e2e_can(dev, RTE_IMS_DELIVERY_EVENTFD))
		skip();
	ev.epdata.event = EPOLLIN;
	ev.epdata.data = wait;
	assert_int_equal(
		rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_ADD, rte_ims_wait_fd(wait), &ev), 0);
	run(&l);
	assert_int_equal(
		rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_DEL, rte_ims_wait_fd(wait), &ev), 0);
}

#ifdef HAVE_LIBEVENT
static bool libevent_told;

static void
on_libevent(evutil_socket_t fd, short what, void *arg)
{
	libevent_told = (what & EV_READ) != 0;
	if (libevent_told)
		rte_ims_wait_sleep(arg, 0);
}

static bool
turn_libevent(struct loop *l, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	struct event *event;

	libevent_told = false;
	event = event_new(l->event, rte_ims_wait_fd(wait), EV_READ | (l->edge ? EV_ET : 0),
		on_libevent, wait);
	assert_non_null(event);
	assert_int_equal(event_add(event, &tv), 0);
	assert_true(event_base_loop(l->event, EVLOOP_ONCE) >= 0);
	event_free(event);
	return libevent_told;
}

static void
test_libevent(void **state)
{
	struct loop l = { .turn = turn_libevent };

	if (!e2e_can(dev, RTE_IMS_DELIVERY_EVENTFD))
		skip();
	l.event = event_base_new();
	assert_non_null(l.event);
	run(&l);
	l.edge = true;
	run(&l);
	event_base_free(l.event);
}
#endif

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_epoll_level),
		cmocka_unit_test(test_epoll_edge),
		cmocka_unit_test(test_poll),
		cmocka_unit_test(test_rte_epoll),
#ifdef HAVE_LIBEVENT
		cmocka_unit_test(test_libevent),
#endif
	};

	e2e_init(argc, argv, "emu:timer_ims,timers=256");
	return cmocka_run_group_tests(tests, setup, teardown);
}
