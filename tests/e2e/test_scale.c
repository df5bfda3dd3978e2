/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Thousands of queues on hundreds of sub-devices, over the vectors of a pool, handled by two
 * lcores: all operations complete, vectors move and are switched at full speed, and the same calls
 * do for a device with MSI-X, with IMS, or both. --ops N: operations, or moves, in all.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include <rte_ims_pool.h>
#include <rte_pmd_queue_dev.h>

#include "e2e.h"

#define SECOND_NS  1000000000ull
#define DEPTH      16
#define TURNS      4
#define MAX_LCORES 2

static struct rte_ims_dev *dev;
static struct rte_ims_pool *pool;
static struct rte_pmd_queue_dev_info info;

/*
 * An lcore that serves its wait set: the second one in EAL's loop, the main one when it is asked.
 */
static struct lcore {
	struct rte_ims_wait *wait;
	unsigned int id;
	bool sleep;
	atomic_bool stop;
	atomic_bool ended; /* what EAL knows too, but not a sanitizer that EAL is not built with */
} lcores[MAX_LCORES];
static unsigned int n_lcores;

static int
lcore_loop(void *arg)
{
	struct lcore *l = arg;

	while (!atomic_load_explicit(&l->stop, memory_order_relaxed))
		if (l->sleep)
			rte_ims_wait_sleep(l->wait, 10000000);
		else
			rte_ims_wait_poll(l->wait);
	atomic_store(&l->ended, true);
	return 0;
}

static void
open_all(enum rte_ims_delivery delivery)
{
	struct rte_ims_pool_conf conf = { .delivery = delivery };
	struct rte_ims_wait_conf wconf = { .flags = RTE_IMS_WAIT_F_LCORE };
	unsigned int lcore;

	dev = e2e_open();
	assert_int_equal(rte_pmd_queue_dev_info_get(dev, &info), 0);
	pool = rte_ims_pool_create("scale", dev, &conf);
	assert_non_null(pool);
	n_lcores = 0;
	RTE_LCORE_FOREACH(lcore) {
		if (n_lcores == MAX_LCORES)
			break;
		wconf.lcore_id = lcore;
		lcores[n_lcores].id = lcore;
		lcores[n_lcores].sleep = delivery == RTE_IMS_DELIVERY_EVENTFD;
		lcores[n_lcores].wait = rte_ims_wait_create("lcore", &wconf);
		assert_non_null(lcores[n_lcores].wait);
		assert_int_equal(rte_ims_pool_lcore_add(pool, lcore, lcores[n_lcores].wait), 0);
		n_lcores++;
	}
	assert_int_equal(n_lcores, 2);
}

static void
workers_start(void)
{
	atomic_store(&lcores[1].stop, false);
	atomic_store(&lcores[1].ended, false);
	assert_int_equal(rte_eal_remote_launch(lcore_loop, &lcores[1], lcores[1].id), 0);
}

static void
workers_stop(void)
{
	atomic_store(&lcores[1].stop, true);
	rte_ims_wait_wake(lcores[1].wait);
	rte_eal_mp_wait_lcore();
	assert_true(atomic_load(&lcores[1].ended));
}

static void
close_all(void)
{
	unsigned int i;

	assert_int_equal(rte_ims_pool_destroy(pool), 0);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	for (i = 0; i < n_lcores; i++)
		assert_int_equal(rte_ims_wait_destroy(lcores[i].wait), 0);
}

/*
 * A queue that keeps itself busy: what completes is submitted again, until it has done its share.
 */
struct sq {
	struct rte_pmd_queue_dev_queue *q;
	struct rte_ims_vec *vec;
	uint64_t submitted;
	uint64_t target;
	_Atomic(uint64_t) done;
	uint64_t sum; /* of results */
	uint64_t failed;
	uint64_t calls;
};

static void
sq_submit(struct sq *s)
{
	struct rte_pmd_queue_dev_op ops[DEPTH];
	unsigned int n = 0;

	memset(ops, 0, sizeof(ops));
	while (n < DEPTH && s->submitted + n < s->target &&
		s->submitted + n - atomic_load_explicit(&s->done, memory_order_relaxed) < DEPTH) {
		ops[n].imm = s->submitted + n;
		n++;
	}
	if (n != 0) {
		assert_int_equal(rte_pmd_queue_dev_submit(s->q, ops, n), n);
		s->submitted += n;
	}
}

static void
on_sq(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done[DEPTH];
	struct sq *s = arg;
	unsigned int turns = 0;
	int n, i;

	s->calls++;
	/*
	 * The device may be as fast as we are: the other queues have their turn, and what is left
	 * the next.
	 */
	while (turns++ < TURNS && (n = rte_pmd_queue_dev_poll(s->q, done, DEPTH)) > 0) {
		for (i = 0; i < n; i++) {
			s->sum += done[i].result;
			s->failed += done[i].status != 0;
		}
		atomic_store_explicit(&s->done,
			atomic_load_explicit(&s->done, memory_order_relaxed) + n,
			memory_order_release);
		sq_submit(s);
	}
}

static void
sq_open(struct sq *s, struct rte_pmd_queue_dev_subdev *subdev, struct rte_ims_vec *vec)
{
	struct rte_pmd_queue_dev_queue_conf conf = {
		.depth = DEPTH, .subdev = subdev, .vec = vec, .fn = on_sq, .arg = s
	};

	memset(s, 0, sizeof(*s));
	s->vec = vec;
	s->q = rte_pmd_queue_dev_queue_create(dev, &conf);
	if (s->q == NULL)
		print_error("queue: %s\n", rte_strerror(rte_errno));
	assert_non_null(s->q);
}

static bool
all_done(struct sq *s, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (atomic_load_explicit(&s[i].done, memory_order_acquire) < s[i].target)
			return false;
	return true;
}

/* The main lcore serves its own set and looks now and then whether all is done. */
static void
serve_until_done(struct sq *s, unsigned int n, uint64_t timeout_ns)
{
	uint64_t end = e2e_now_ns() + timeout_ns;
	unsigned int i;

	while (!all_done(s, n) && e2e_now_ns() < end)
		for (i = 0; i < 200; i++)
			if (lcores[0].sleep)
				rte_ims_wait_sleep(lcores[0].wait, 1000000);
			else
				rte_ims_wait_poll(lcores[0].wait);
	assert_true(all_done(s, n));
}

/* All queues that the device has, on all its sub-devices: none is lost, and results are right. */
static void
all_queues(enum rte_ims_delivery delivery)
{
	uint64_t ops = e2e_ops != 0 ? e2e_ops : 1000000, start, sum = 0, want = 0, calls = 0, each,
		 k;
	struct rte_pmd_queue_dev_subdev **subdevs;
	struct rte_ims_pool_info pinfo;
	unsigned int i, n;
	struct sq *sqs;
	char name[32];

	open_all(delivery);
	n = info.n_queues;
	sqs = calloc(n, sizeof(*sqs));
	subdevs = calloc(info.n_subdevs, sizeof(*subdevs));
	start = e2e_now_ns();
	for (i = 0; i < info.n_subdevs; i++) {
		snprintf(name, sizeof(name), "sub%u", i);
		subdevs[i] = rte_pmd_queue_dev_subdev_create(dev, name, 4);
		assert_non_null(subdevs[i]);
	}
	assert_true(info.n_subdevs > 0);
	for (i = 0; i < n; i++)
		sq_open(&sqs[i], subdevs[i % info.n_subdevs], rte_ims_pool_get(pool, NULL));
	assert_int_equal(rte_ims_pool_info_get(pool, &pinfo), 0);
	assert_int_equal(pinfo.n_users, n);
	assert_in_range(pinfo.n_vecs, 1, 8);
	print_message("%u queues, %u sub-devices, %u vectors (%u MSI-X): set up in %.2f s\n", n,
		info.n_subdevs, pinfo.n_vecs, pinfo.n_msix, (e2e_now_ns() - start) / 1e9);
	each = (ops + n - 1) / n;
	start = e2e_now_ns();
	/*
	 * The first ones from here, before the other lcore's handlers run: a queue is one thread's.
	 */
	for (i = 0; i < n; i++) {
		sqs[i].target = each;
		sq_submit(&sqs[i]);
	}
	workers_start();
	serve_until_done(sqs, n, 300 * SECOND_NS);
	start = e2e_now_ns() - start;
	workers_stop();
	for (i = 0; i < n; i++) {
		sum += sqs[i].sum;
		calls += sqs[i].calls;
		assert_int_equal(sqs[i].failed, 0);
		assert_int_equal(sqs[i].done, each);
		assert_int_equal(rte_pmd_queue_dev_queue_pending(sqs[i].q), 0);
	}
	for (k = 0; k < each; k++)
		want += k;
	assert_int_equal(sum, want * n);
	print_message("%lu operations, %lu handler calls, %.2f s, %.2f M/s, result %lu\n",
		(unsigned long)(each * n), (unsigned long)calls, start / 1e9,
		each * n * 1e3 / start, (unsigned long)sum);
	start = e2e_now_ns();
	for (i = 0; i < n; i++) {
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(sqs[i].q), 0);
		assert_int_equal(rte_ims_pool_put(pool, sqs[i].vec), 0);
	}
	for (i = 0; i < info.n_subdevs; i++)
		assert_int_equal(rte_pmd_queue_dev_subdev_destroy(subdevs[i]), 0);
	print_message("torn down in %.2f s\n", (e2e_now_ns() - start) / 1e9);
	free(subdevs);
	free(sqs);
	close_all();
}

static void
test_all_queues_memory(void **state)
{
	all_queues(RTE_IMS_DELIVERY_MEMORY);
}

static void
test_all_queues_eventfd(void **state)
{
	all_queues(RTE_IMS_DELIVERY_EVENTFD);
}

/* Queues on one vector that keep themselves as busy as can be, while something is done to it. */
#define N_BUSY 64
static struct sq busy[N_BUSY];

static uint64_t
busy_done(void)
{
	uint64_t done = 0;
	unsigned int i;

	for (i = 0; i < N_BUSY; i++)
		done += atomic_load_explicit(&busy[i].done, memory_order_relaxed);
	return done;
}

static struct rte_ims_vec *
busy_open(const struct lcore *l)
{
	struct rte_ims_want want = { .place = RTE_IMS_PLACE_LCORE, .number = l->id };
	struct rte_ims_vec *vec = rte_ims_pool_get(pool, &want);
	unsigned int i;

	assert_non_null(vec);
	for (i = 0; i < N_BUSY; i++) {
		sq_open(&busy[i], NULL, vec);
		busy[i].target = UINT64_MAX;
	}
	for (i = 0; i < N_BUSY; i++)
		sq_submit(&busy[i]);
	return vec;
}

/* It goes on, and each queue comes to its end: a lost event would leave one standing still. */
static void
busy_end(void)
{
	uint64_t done = busy_done(), end = e2e_now_ns() + 20 * SECOND_NS;
	unsigned int i;

	while (busy_done() <= done + N_BUSY && e2e_now_ns() < end) {
		rte_ims_wait_poll(lcores[0].wait);
		usleep(10);
	}
	assert_true(busy_done() > done);
	workers_stop();
	for (i = 0; i < N_BUSY; i++)
		busy[i].target = busy[i].submitted;
	workers_start();
	serve_until_done(busy, N_BUSY, 20 * SECOND_NS);
	workers_stop();
}

static void
busy_close(struct rte_ims_vec *vec)
{
	unsigned int i;

	for (i = 0; i < N_BUSY; i++) {
		assert_int_equal(busy[i].failed, 0);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(busy[i].q), 0);
	}
	assert_int_equal(rte_ims_pool_put(pool, vec), 0);
}

static void
busy_report(struct rte_ims_vec *vec, const char *what, uint64_t n, uint64_t ns)
{
	struct rte_ims_vec_stats stats;

	assert_int_equal(rte_ims_vec_stats_get(vec, &stats), 0);
	print_message("%lu %s, %.2f us each, %lu operations, %lu events, %lu spurious, lost 0\n",
		(unsigned long)n, what, ns / 1e3 / n, (unsigned long)busy_done(),
		(unsigned long)stats.events, (unsigned long)stats.spurious);
}

/* The vector goes to and fro between two lcores. */
static void
moves(enum rte_ims_delivery delivery, uint64_t n_moves)
{
	struct rte_ims_vec *vec;
	uint64_t start, i;

	open_all(delivery);
	vec = busy_open(&lcores[0]);
	workers_start();
	start = e2e_now_ns();
	for (i = 0; i < n_moves; i++) {
		assert_int_equal(rte_ims_pool_move(pool, vec, lcores[(i + 1) % 2].id), 0);
		/* On the main lcore nobody else polls. */
		if (i % 2 != 0)
			rte_ims_wait_poll(lcores[0].wait);
	}
	start = e2e_now_ns() - start;
	busy_end();
	busy_report(vec, "moves", n_moves, start);
	busy_close(vec);
	close_all();
}

static void
test_moves_memory(void **state)
{
	moves(RTE_IMS_DELIVERY_MEMORY, e2e_ops != 0 ? e2e_ops : 20000);
}

static void
test_moves_eventfd(void **state)
{
	moves(RTE_IMS_DELIVERY_EVENTFD, e2e_ops != 0 ? e2e_ops / 10 : 5000);
}

/*
 * The vector's delivery is switched all along, for so many operations, while the other lcore polls
 * or sleeps. Now and then there is a pause, for the switches to meet a device that is idle as well.
 */
static void
switches(bool sleep)
{
	uint64_t ops = e2e_ops != 0 ? e2e_ops : 1000000, start, n;
	struct rte_ims_vec *vec;

	open_all(RTE_IMS_DELIVERY_MEMORY);
	lcores[1].sleep = sleep;
	vec = busy_open(&lcores[1]);
	workers_start();
	start = e2e_now_ns();
	for (n = 0; busy_done() < ops || n < 1000; n++) {
		assert_int_equal(rte_ims_vec_delivery_set(vec, n % 2), 0);
		if (n % 64 == 0)
			usleep(1000);
		assert_true(e2e_now_ns() < start + 200 * SECOND_NS);
	}
	start = e2e_now_ns() - start;
	busy_end();
	busy_report(vec, sleep ? "switches under a sleeper" : "switches under a poller", n, start);
	busy_close(vec);
	close_all();
}

static void
test_switches_polling(void **state)
{
	switches(false);
}

static void
test_switches_sleeping(void **state)
{
	switches(true);
}

/* The other lcore's set has got so far: it polls memory, or sleeps on eventfds. */
static void
wait_memory(bool polls)
{
	uint64_t end = e2e_now_ns() + E2E_PATIENCE_NS;
	struct rte_ims_wait_info winfo;

	do {
		assert_true(e2e_now_ns() < end);
		usleep(100);
		assert_int_equal(rte_ims_wait_info_get(lcores[1].wait, &winfo), 0);
	} while ((winfo.n_memory != 0) != polls);
}

/* The other lcore's set is adaptive, and the load goes from full to none and back. */
static void
test_adaptive(void **state)
{
	struct rte_ims_wait_policy policy = { .policy = RTE_IMS_POLICY_ADAPTIVE };
	uint64_t ops = (e2e_ops != 0 ? e2e_ops : 1000000) / 100, target = 0;
	struct rte_ims_wait_stats stats;
	struct rte_ims_vec *vec;
	unsigned int i, k;

	open_all(RTE_IMS_DELIVERY_MEMORY);
	lcores[1].sleep = true;
	assert_int_equal(rte_ims_wait_policy_set(lcores[1].wait, &policy), 0);
	vec = busy_open(&lcores[1]);
	workers_start();
	for (i = 0; i < 100; i++) {
		/*
		 * Nobody submits while the queues are at their target: only the handlers do else.
		 */
		target = busy_done() + ops;
		while (busy_done() < target)
			usleep(100);
		if (i % 10 == 0)
			wait_memory(true);
		workers_stop();
		for (k = 0; k < N_BUSY; k++)
			busy[k].target = busy[k].submitted;
		workers_start();
		serve_until_done(busy, N_BUSY, 20 * SECOND_NS);
		if (i % 10 == 0)
			wait_memory(false);
		workers_stop();
		for (k = 0; k < N_BUSY; k++) {
			busy[k].target = UINT64_MAX;
			sq_submit(&busy[k]);
		}
		workers_start();
	}
	busy_end();
	assert_int_equal(rte_ims_wait_stats_get(lcores[1].wait, &stats), 0);
	print_message("%lu operations, %lu switches, %lu sleeps, lost 0\n",
		(unsigned long)busy_done(), (unsigned long)stats.switches,
		(unsigned long)stats.sleeps);
	assert_true(stats.switches > 10);
	busy_close(vec);
	close_all();
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_queues_memory),
		cmocka_unit_test(test_all_queues_eventfd),
		cmocka_unit_test(test_moves_memory),
		cmocka_unit_test(test_moves_eventfd),
		cmocka_unit_test(test_switches_polling),
		cmocka_unit_test(test_switches_sleeping),
		cmocka_unit_test(test_adaptive),
	};

	e2e_init(argc, argv, "emu:queue_dev");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
