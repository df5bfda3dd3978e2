/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The loop of an lcore that has more to do than interrupts. Each worker lcore takes jobs from a
 * ring, as DPDK programs do, and handles the completions of a device's queues; when it has neither
 * it sleeps, and is woken by both. How well it sleeps is the policy's business, see adaptive.
 *
 *   lcore_loop [EAL options, -l 0,1 for example] [-- DEVICE]     DEVICE defaults to emu:queue_dev
 */

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_atomic.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_ring.h>

#include <rte_ims.h>
#include <rte_ims_pool.h>
#include <rte_ims_wait.h>
#include <rte_pmd_queue_dev.h>

#define JOBS  20000
#define BURST 32
#define DEPTH 256
#define IDLE  100 /* turns without work before a sleep */

struct worker {
	unsigned int lcore;
	struct rte_ring *jobs;
	struct rte_ims_wait *wait;
	struct rte_ims_vec *vec;
	struct rte_pmd_queue_dev_queue *queue;
	atomic_bool asleep; /* or about to be: who gives it a job wakes it */
	atomic_uint_fast64_t done;
};

static struct worker workers[RTE_MAX_LCORE];
static unsigned int n_workers;
static atomic_bool stop;

static void
on_completions(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done[BURST];
	struct worker *w = arg;
	int n;

	(void)vec;
	while ((n = rte_pmd_queue_dev_poll(w->queue, done, BURST)) > 0)
		atomic_fetch_add(&w->done, n);
}

/* A job is an operation of the device; those for which the queue has no place stay in the ring. */
static unsigned int
take_jobs(struct worker *w)
{
	const struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };
	unsigned int n = 0;
	void *job;

	while (n < BURST && !rte_ring_empty(w->jobs) &&
		rte_pmd_queue_dev_submit(w->queue, &op, 1) == 1) {
		rte_ring_dequeue(w->jobs, &job);
		n++;
	}
	return n;
}

/* What the loop could do now is found before it says that it sleeps, or once more after that. */
static void
sleep_well(struct worker *w)
{
	atomic_store(&w->asleep, true);
	if (rte_ring_empty(w->jobs) || rte_pmd_queue_dev_queue_pending(w->queue) == DEPTH)
		rte_ims_wait_sleep(w->wait, -1);
	atomic_store(&w->asleep, false);
}

static int
worker_loop(void *arg)
{
	struct worker *w = arg;
	unsigned int idle = 0;

	while (!atomic_load(&stop)) {
		if (take_jobs(w) + rte_ims_wait_poll(w->wait) > 0)
			idle = 0;
		else if (++idle >= IDLE)
			sleep_well(w);
	}
	return 0;
}

/*
 * The job is in the ring before we look whether the worker sleeps, as it does it the other way
 * round.
 */
static void
give_job(struct worker *w)
{
	static int job;

	while (rte_ring_enqueue(w->jobs, &job) != 0)
		usleep(100);
	rte_smp_mb();
	if (atomic_load(&w->asleep))
		rte_ims_wait_wake(w->wait);
}

static uint64_t
all_done(void)
{
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < n_workers; i++)
		n += atomic_load(&workers[i].done);
	return n;
}

/* Full speed and pauses, in turn. */
static void
give_jobs(void)
{
	unsigned int i;

	for (i = 0; i < JOBS; i++) {
		give_job(&workers[i % n_workers]);
		if (i % 2000 == 1999)
			usleep(10000);
	}
	while (all_done() < JOBS)
		usleep(1000);
}

static int
worker_open(
	struct worker *w, unsigned int lcore, struct rte_ims_dev *dev, struct rte_ims_pool *pool)
{
	const struct rte_ims_wait_policy adaptive = { .policy = RTE_IMS_POLICY_ADAPTIVE };
	struct rte_ims_wait_conf conf = { .flags = RTE_IMS_WAIT_F_LCORE, .lcore_id = lcore };
	struct rte_ims_want want = { .place = RTE_IMS_PLACE_LCORE, .number = lcore };
	struct rte_pmd_queue_dev_queue_conf qconf = {
		.depth = DEPTH, .fn = on_completions, .arg = w
	};
	char name[32];
	int rc;

	snprintf(name, sizeof(name), "lcore%u", lcore);
	w->lcore = lcore;
	w->jobs = rte_ring_create(
		name, 1024, rte_lcore_to_socket_id(lcore), RING_F_SP_ENQ | RING_F_SC_DEQ);
	w->wait = rte_ims_wait_create(name, &conf);
	if (w->jobs == NULL || w->wait == NULL)
		return -rte_errno;
	rc = rte_ims_wait_policy_set(w->wait, &adaptive);
	if (rc == 0)
		rc = rte_ims_pool_lcore_add(pool, lcore, w->wait);
	if (rc != 0)
		return rc;
	w->vec = rte_ims_pool_get(pool, &want);
	if (w->vec == NULL)
		return -rte_errno;
	qconf.vec = w->vec;
	w->queue = rte_pmd_queue_dev_queue_create(dev, &qconf);
	return w->queue != NULL ? 0 : -rte_errno;
}

static int
workers_open(struct rte_ims_dev *dev, struct rte_ims_pool *pool)
{
	unsigned int lcore;
	int rc = 0;

	RTE_LCORE_FOREACH_WORKER(lcore) {
		rc = worker_open(&workers[n_workers++], lcore, dev, pool);
		if (rc != 0)
			break;
	}
	return n_workers != 0 ? rc : -ENODEV;
}

static void
workers_close(struct rte_ims_pool *pool)
{
	unsigned int i;

	for (i = 0; i < n_workers; i++) {
		if (workers[i].queue != NULL)
			rte_pmd_queue_dev_queue_destroy(workers[i].queue);
		if (workers[i].vec != NULL)
			rte_ims_pool_put(pool, workers[i].vec);
	}
	rte_ims_pool_destroy(pool);
	for (i = 0; i < n_workers; i++) {
		if (workers[i].wait != NULL)
			rte_ims_wait_destroy(workers[i].wait);
		rte_ring_free(workers[i].jobs);
	}
}

static int
run(struct rte_ims_dev *dev)
{
	struct rte_ims_pool *pool = rte_ims_pool_create("lcore_loop", dev, NULL);
	struct rte_ims_wait_stats stats;
	unsigned int i;
	int rc;

	if (pool == NULL)
		return -rte_errno;
	rc = workers_open(dev, pool);
	if (rc == 0) {
		for (i = 0; i < n_workers; i++)
			rte_eal_remote_launch(worker_loop, &workers[i], workers[i].lcore);
		give_jobs();
		atomic_store(&stop, true);
		for (i = 0; i < n_workers; i++)
			rte_ims_wait_wake(workers[i].wait);
		rte_eal_mp_wait_lcore();
		for (i = 0; i < n_workers; i++) {
			rte_ims_wait_stats_get(workers[i].wait, &stats);
			printf("lcore %u: %" PRIu64 " jobs, asleep %" PRIu64 " times, %" PRIu64
			       " ms\n",
				workers[i].lcore, (uint64_t)atomic_load(&workers[i].done),
				stats.sleeps, stats.asleep_ns / 1000000);
		}
		printf("%" PRIu64 " jobs done\n", all_done());
	}
	workers_close(pool);
	return rc;
}

int
main(int argc, char **argv)
{
	const char *name = "emu:queue_dev";
	struct rte_ims_dev *dev;
	int n, rc;

	n = rte_eal_init(argc, argv);
	if (n < 0) {
		fprintf(stderr, "lcore_loop: EAL: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	if (argc - n > 1)
		name = argv[n + 1];
	if (rte_lcore_count() < 2) {
		fprintf(stderr, "lcore_loop: it takes a worker lcore: -l 0,1\n");
		rte_eal_cleanup();
		return 1;
	}
	dev = rte_ims_dev_open(name, NULL);
	rc = dev != NULL ? run(dev) : -rte_errno;
	if (rc != 0)
		fprintf(stderr, "lcore_loop: %s: %s\n", name, rte_strerror(-rc));
	if (dev != NULL)
		rte_ims_dev_close(dev);
	rte_eal_cleanup();
	return rc == 0 ? 0 : 1;
}
