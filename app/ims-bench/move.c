/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* A vector goes to and fro between two lcores while 64 queues on it are as busy as can be. */

#include <stdatomic.h>

#include <rte_errno.h>
#include <rte_lcore.h>

#include "ims_bench.h"

#define N_QUEUES 64u
#define DEPTH    8u

static struct queue {
	struct rte_pmd_queue_dev_queue *q;
	_Atomic(uint64_t) done;
} __attribute__((aligned(64))) queues[N_QUEUES];
static atomic_bool stop;

static void
submit(struct queue *q, unsigned int n)
{
	static const struct rte_pmd_queue_dev_op ops[DEPTH];

	check(rte_pmd_queue_dev_submit(q->q, ops, n), "submit");
}

static void
again(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done[DEPTH];
	struct queue *q = arg;
	int n;

	(void)vec;
	while ((n = rte_pmd_queue_dev_poll(q->q, done, DEPTH)) > 0) {
		atomic_store_explicit(&q->done,
			atomic_load_explicit(&q->done, memory_order_relaxed) + n,
			memory_order_release);
		if (!atomic_load_explicit(&stop, memory_order_relaxed))
			submit(q, n);
	}
}

/* All that was submitted comes back: a lost event would leave a queue where it is. */
static unsigned int
standing_still(struct rig *rig)
{
	uint64_t end = now_ns() + 2000000000ull;
	unsigned int i, n;

	do {
		rte_ims_wait_poll(rig->wait);
		for (i = n = 0; i < N_QUEUES; i++)
			n += rte_pmd_queue_dev_queue_pending(queues[i].q) != 0;
	} while (n != 0 && now_ns() < end);
	return n;
}

void
bench_move(void)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = again };
	unsigned int moves = bench.quick ? 1000 : 10000, i;
	struct rounds rounds = { 0 };
	struct rte_ims_vec *vec;
	struct samples s;
	struct rig rig;
	uint64_t t;

	if (bench.worker == RTE_MAX_LCORE)
		return;
	samples_init(&s, moves);
	/* A third thread on two CPUs: the device runs where it finds room. */
	rig_open(&rig, -1, "", RTE_IMS_DELIVERY_MEMORY);
	vec = rig_vec(&rig);
	conf.vec = vec;
	for (i = 0; i < N_QUEUES; i++) {
		conf.arg = &queues[i];
		queues[i].q = rte_pmd_queue_dev_queue_create(rig.dev, &conf);
		check_ptr(queues[i].q, "queue");
		submit(&queues[i], DEPTH);
	}
	rig_worker_start(&rig);
	for (i = 0; i < moves; i++) {
		t = rte_rdtsc_precise();
		check(rte_ims_pool_move(rig.pool, vec, i % 2 == 0 ? bench.worker : rte_lcore_id()),
			"move");
		samples_add(&s, rte_rdtsc_precise() - t);
		if (i % 2 != 0) /* nobody else polls here */
			rte_ims_wait_poll(rig.wait);
	}
	rounds_add(&rounds, &s, bench.tick_ns);
	figure_set_rounds("move_ns", &rounds);
	check(rte_ims_pool_move(rig.pool, vec, rte_lcore_id()), "move");
	rig_worker_stop(&rig);
	atomic_store(&stop, true);
	figure_set("move_lost", standing_still(&rig));
	for (i = 0; i < N_QUEUES; i++)
		check(rte_pmd_queue_dev_queue_destroy(queues[i].q), "queue");
	check(rte_ims_pool_put(rig.pool, vec), "put");
	rig_close(&rig);
	samples_free(&s);
}
