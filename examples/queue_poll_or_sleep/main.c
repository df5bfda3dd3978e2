/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A thousand queues on one vector, handled by this lcore: polled in memory, or slept on. The
 * queues, their handlers and the pool are the same; only the pool's delivery and the loop differ.
 *
 *   queue_poll_or_sleep [EAL options] [-- poll|sleep [DEVICE]]      defaults: sleep emu:queue_dev
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include <rte_ims.h>
#include <rte_ims_pool.h>
#include <rte_ims_wait.h>
#include <rte_pmd_queue_dev.h>

#define N_QUEUES 1000
#define ROUNDS   100

struct worker {
	struct rte_pmd_queue_dev_queue *queue;
	struct rte_ims_vec *vec;
	uint64_t done;
};

static uint64_t total;

/* Called when the device's event queue names this queue: take all that it has completed. */
static void
on_completions(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done[16];
	struct worker *w = arg;
	int n;

	(void)vec;
	while ((n = rte_pmd_queue_dev_poll(w->queue, done, 16)) > 0) {
		w->done += n;
		total += n;
	}
}

static int
workers_open(struct worker *w, struct rte_ims_dev *dev, struct rte_ims_pool *pool)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 16, .fn = on_completions };
	unsigned int i;

	for (i = 0; i < N_QUEUES; i++) {
		w[i].vec = rte_ims_pool_get(pool, NULL); /* the same one for all: one lcore */
		if (w[i].vec == NULL)
			return -rte_errno;
		conf.vec = w[i].vec;
		conf.arg = &w[i];
		w[i].queue = rte_pmd_queue_dev_queue_create(dev, &conf);
		if (w[i].queue == NULL)
			return -rte_errno;
	}
	return 0;
}

static void
workers_close(struct worker *w, struct rte_ims_pool *pool)
{
	unsigned int i;

	for (i = 0; i < N_QUEUES; i++) {
		if (w[i].queue != NULL)
			rte_pmd_queue_dev_queue_destroy(w[i].queue);
		if (w[i].vec != NULL)
			rte_ims_pool_put(pool, w[i].vec);
	}
}

static int
work(struct worker *w, struct rte_ims_wait *wait, bool poll)
{
	struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };
	unsigned int round, i;
	int rc = 0;

	for (round = 1; round <= ROUNDS && rc >= 0; round++) {
		/* All 16 places are free: each round is waited for. */
		for (i = 0; i < N_QUEUES; i++)
			rte_pmd_queue_dev_submit(w[i].queue, &op, 1);
		while (total < (uint64_t)round * N_QUEUES && rc >= 0)
			rc = poll ? rte_ims_wait_poll(wait) : rte_ims_wait_sleep(wait, -1);
	}
	return rc < 0 ? rc : 0;
}

static int
run(struct rte_ims_dev *dev, struct rte_ims_wait *wait, bool poll)
{
	struct rte_ims_pool_conf conf = {
		.delivery = poll ? RTE_IMS_DELIVERY_MEMORY : RTE_IMS_DELIVERY_EVENTFD,
	};
	static struct worker w[N_QUEUES];
	struct rte_ims_pool_info info;
	struct rte_ims_pool *pool;
	int rc;

	pool = rte_ims_pool_create("example", dev, &conf);
	if (pool == NULL)
		return -rte_errno;
	rc = rte_ims_pool_lcore_add(pool, rte_lcore_id(), wait);
	if (rc == 0)
		rc = workers_open(w, dev, pool);
	if (rc == 0)
		rc = work(w, wait, poll);
	rte_ims_pool_info_get(pool, &info);
	printf("%u queues, %u vector, %" PRIu64 " operations, %s: %.2f s of CPU\n", info.n_users,
		info.n_vecs, total, poll ? "polled" : "slept on", (double)clock() / CLOCKS_PER_SEC);
	workers_close(w, pool);
	rte_ims_pool_destroy(pool);
	return rc;
}

int
main(int argc, char **argv)
{
	const char *name = "emu:queue_dev";
	struct rte_ims_wait *wait;
	struct rte_ims_dev *dev;
	bool poll = false;
	int n, rc = -1;

	n = rte_eal_init(argc, argv);
	if (n < 0) {
		fprintf(stderr, "queue_poll_or_sleep: EAL: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	if (argc - n > 1)
		poll = strcmp(argv[n + 1], "poll") == 0;
	if (argc - n > 2)
		name = argv[n + 2];
	dev = rte_ims_dev_open(name, NULL);
	wait = rte_ims_wait_create("example", NULL);
	if (dev != NULL && wait != NULL)
		rc = run(dev, wait, poll);
	else
		rc = -rte_errno;
	if (rc != 0)
		fprintf(stderr, "queue_poll_or_sleep: %s: %s\n", name, rte_strerror(-rc));
	if (dev != NULL)
		rte_ims_dev_close(dev);
	if (wait != NULL)
		rte_ims_wait_destroy(wait);
	rte_eal_cleanup();
	return rc == 0 ? 0 : 1;
}
