/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include "busy.h"

#define MAX_DEPTH 16u
#define TURNS     64u

struct queue {
	struct busy *busy;
	struct rte_pmd_queue_dev_queue *q;
	/* Written by the one thread that has the queue. */
	_Atomic(uint64_t) done;
	_Atomic(uint64_t) calls;
} __rte_cache_aligned;

struct busy {
	struct queue queues[BUSY_QUEUES];
	unsigned int depth;
	atomic_bool stop;
};

static void
submit(struct queue *q, unsigned int n)
{
	static const struct rte_pmd_queue_dev_op ops[MAX_DEPTH];

	check(rte_pmd_queue_dev_submit(q->q, ops, n), "submit");
}

static void
add(_Atomic(uint64_t) *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

static void
on_queue(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done[MAX_DEPTH];
	struct queue *q = arg;
	unsigned int turns = 0;
	int n;

	(void)vec;
	add(&q->calls, 1);
	/*
	 * The device may be as fast as we are: the other queues have their turn, and what is left
	 * the next.
	 */
	while (turns++ < TURNS && (n = rte_pmd_queue_dev_poll(q->q, done, MAX_DEPTH)) > 0) {
		add(&q->done, n);
		if (!atomic_load_explicit(&q->busy->stop, memory_order_relaxed))
			submit(q, n);
	}
}

struct busy *
busy_open(struct rig *rig, struct rte_ims_vec *vec, unsigned int depth)
{
	struct rte_pmd_queue_dev_queue_conf conf = {
		.depth = MAX_DEPTH, .vec = vec, .fn = on_queue
	};
	struct busy *b = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*b));
	unsigned int i;

	check(b != NULL ? 0 : -ENOMEM, "queues");
	memset(b, 0, sizeof(*b));
	b->depth = depth;
	for (i = 0; i < BUSY_QUEUES; i++) {
		conf.arg = &b->queues[i];
		b->queues[i].busy = b;
		b->queues[i].q = rte_pmd_queue_dev_queue_create(rig->dev, &conf);
		check_ptr(b->queues[i].q, "queue");
	}
	return b;
}

void
busy_start(struct busy *b)
{
	unsigned int i;

	for (i = 0; i < BUSY_QUEUES; i++)
		submit(&b->queues[i], b->depth);
}

uint64_t
busy_done(const struct busy *b)
{
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < BUSY_QUEUES; i++)
		n += atomic_load_explicit(&b->queues[i].done, memory_order_relaxed);
	return n;
}

uint64_t
busy_calls(const struct busy *b)
{
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < BUSY_QUEUES; i++)
		n += atomic_load_explicit(&b->queues[i].calls, memory_order_relaxed);
	return n;
}

unsigned int
busy_stop(struct busy *b, struct rig *rig)
{
	uint64_t end = now_ns() + 2000000000ull;
	unsigned int i, n;

	atomic_store(&b->stop, true);
	do {
		rte_ims_wait_poll(rig->wait);
		for (i = n = 0; i < BUSY_QUEUES; i++)
			n += rte_pmd_queue_dev_queue_pending(b->queues[i].q) != 0;
	} while (n != 0 && now_ns() < end);
	return n;
}

void
busy_close(struct busy *b)
{
	unsigned int i;

	for (i = 0; i < BUSY_QUEUES; i++)
		check(rte_pmd_queue_dev_queue_destroy(b->queues[i].q), "queue");
	free(b);
}
