/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Thousands of queues on hundreds of sub-devices, over the vectors of a pool, handled by two lcores:
 * all operations complete, vectors move at full speed, and the same calls do for a device with MSI-X,
 * with IMS, or both. --ops N: operations, or moves, in all.
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
#define MAX_LCORES 2

static struct rte_ims_dev *dev;
static struct rte_ims_pool *pool;
static struct rte_pmd_queue_dev_info info;

/* An lcore that serves its wait set: the second one in EAL's loop, the main one when it is asked. */
static struct lcore {
	struct rte_ims_wait *wait;
	unsigned int id;
	bool sleep;
	atomic_bool stop;
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
	assert_int_equal(rte_eal_remote_launch(lcore_loop, &lcores[1], lcores[1].id), 0);
}

static void
workers_stop(void)
{
	atomic_store(&lcores[1].stop, true);
	rte_ims_wait_wake(lcores[1].wait);
	rte_eal_mp_wait_lcore();
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

/* A queue that keeps itself busy: what completes is submitted again, until it has done its share. */
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
	int n, i;

	s->calls++;
	while ((n = rte_pmd_queue_dev_poll(s->q, done, DEPTH)) > 0) {
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
	for (i = 0; i < n; i++)
		sq_open(&sqs[i], subdevs[i % info.n_subdevs], rte_ims_pool_get(pool, NULL));
	assert_int_equal(rte_ims_pool_info_get(pool, &pinfo), 0);
	assert_int_equal(pinfo.n_users, n);
	assert_in_range(pinfo.n_vecs, 1, 8);
	print_message("%u queues, %u sub-devices, %u vectors (%u MSI-X): set up in %.2f s\n", n,
		info.n_subdevs, pinfo.n_vecs, pinfo.n_msix, (e2e_now_ns() - start) / 1e9);
	each = (ops + n - 1) / n;
	start = e2e_now_ns();
	/* The first ones from here, before the other lcore's handlers run: a queue is one thread's. */
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

/*
 * Vectors go to and fro between two lcores while their queues are as busy as can be. A lost event
 * would leave a queue standing still with all of its operations completed.
 */
static void
moves(enum rte_ims_delivery delivery, uint64_t n_moves)
{
	enum {
		N_QUEUES = 64
	};
	static struct sq sqs[N_QUEUES];
	struct rte_ims_vec_stats stats;
	uint64_t start, done[2] = { 0 }, i;
	struct rte_ims_vec *vec;
	struct rte_ims_want want = { .place = RTE_IMS_PLACE_LCORE, .number = lcores[0].id };

	open_all(delivery);
	want.number = lcores[0].id;
	vec = rte_ims_pool_get(pool, &want);
	assert_non_null(vec);
	for (i = 0; i < N_QUEUES; i++) {
		sq_open(&sqs[i], NULL, vec);
		sqs[i].target = UINT64_MAX;
	}
	for (i = 0; i < N_QUEUES; i++)
		sq_submit(&sqs[i]);
	workers_start();
	start = e2e_now_ns();
	for (i = 0; i < n_moves; i++) {
		assert_int_equal(rte_ims_pool_move(pool, vec, lcores[(i + 1) % 2].id), 0);
		/* On the main lcore nobody else polls. */
		if (i % 2 != 0)
			rte_ims_wait_poll(lcores[0].wait);
	}
	start = e2e_now_ns() - start;
	/* It is on one of the two: everything is still going on. */
	for (i = 0; i < N_QUEUES; i++)
		done[0] += atomic_load(&sqs[i].done);
	for (i = 0; i < 1000 || (done[1] <= done[0] + N_QUEUES && i < 100000); i++) {
		rte_ims_wait_poll(lcores[0].wait);
		usleep(10);
		if (i % 100 == 0) {
			unsigned int k;

			for (done[1] = 0, k = 0; k < N_QUEUES; k++)
				done[1] += atomic_load(&sqs[k].done);
		}
	}
	assert_true(done[1] > done[0]);
	/* Each queue comes to its end: none of them has lost its event. */
	workers_stop();
	for (i = 0; i < N_QUEUES; i++)
		sqs[i].target = sqs[i].submitted;
	workers_start();
	serve_until_done(sqs, N_QUEUES, 20 * SECOND_NS);
	workers_stop();
	assert_int_equal(rte_ims_vec_stats_get(vec, &stats), 0);
	print_message("%lu moves, %.2f us each, %lu operations meanwhile, %lu events, lost 0\n",
		(unsigned long)n_moves, start / 1e3 / n_moves, (unsigned long)done[0],
		(unsigned long)stats.events);
	for (i = 0; i < N_QUEUES; i++) {
		assert_int_equal(sqs[i].failed, 0);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(sqs[i].q), 0);
	}
	assert_int_equal(rte_ims_pool_put(pool, vec), 0);
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

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_queues_memory),
		cmocka_unit_test(test_all_queues_eventfd),
		cmocka_unit_test(test_moves_memory),
		cmocka_unit_test(test_moves_eventfd),
	};

	e2e_init(argc, argv, "emu:queue_dev");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
