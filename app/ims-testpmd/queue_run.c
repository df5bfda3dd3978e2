/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What keeps queues busy: submit, take completions, check them, count. */

#include <errno.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_malloc.h>

#include "tp_dev.h"
#include "tp_latency.h"
#include "tp_queue.h"

#define BATCH    32
#define OP_BYTES 4096u
#define DRAIN_NS (5 * TP_NSEC)
/* Operations at a rate are submitted in turns that are so far apart. */
#define RATE_TURN_NS 200000u

/* The same for all: what they write is alike, and nobody reads it. */
static struct {
	uint8_t *src;
	uint8_t *dst;
	uint32_t crc; /* of src */
} memory;

static const char *const ops[] = {
	[RTE_PMD_QUEUE_DEV_NOP] = "nop",
	[RTE_PMD_QUEUE_DEV_COPY] = "copy",
	[RTE_PMD_QUEUE_DEV_FILL] = "fill",
	[RTE_PMD_QUEUE_DEV_CRC32C] = "crc32c",
};

const char *
tp_op_str(enum rte_pmd_queue_dev_op_type op)
{
	return ops[op];
}

static uint32_t
crc32c(const uint8_t *data, size_t len)
{
	uint32_t crc = UINT32_MAX;
	unsigned int bit;

	while (len-- != 0) {
		crc ^= *data++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

int
tp_op_memory_get(void)
{
	unsigned int i;

	if (memory.src != NULL)
		return 0;
	memory.src = rte_malloc("queue", 2ul * OP_BYTES, 4096);
	if (memory.src == NULL)
		return -ENOMEM;
	memory.dst = memory.src + OP_BYTES;
	for (i = 0; i < OP_BYTES; i++)
		memory.src[i] = i * 7;
	memory.crc = crc32c(memory.src, OP_BYTES);
	return 0;
}

void
tp_op_memory_put(void)
{
	if (!TAILQ_EMPTY(&tp_queues))
		return;
	rte_free(memory.src);
	memory.src = NULL;
}

/* A cookie says which operation it was, and of what type. */
static uint64_t
cookie_of(uint64_t n, enum rte_pmd_queue_dev_op_type type)
{
	return n << 3 | type;
}

void
tp_op_fill(struct rte_pmd_queue_dev_op *op, enum rte_pmd_queue_dev_op_type type, uint64_t n)
{
	uint64_t cookie = cookie_of(n, type);

	op->type = type;
	op->len = OP_BYTES;
	op->src = memory.src;
	op->dst = memory.dst;
	op->imm = type == RTE_PMD_QUEUE_DEV_NOP || type == RTE_PMD_QUEUE_DEV_FILL ? cookie : 0;
	op->cookie = (void *)(uintptr_t)cookie;
}

static void
submit_locked(struct tp_queue *queue, uint64_t n)
{
	struct rte_pmd_queue_dev_op op[BATCH];
	unsigned int want, i;
	int rc;

	for (; n != 0 && queue->rc == 0; n -= rc) {
		want = RTE_MIN(n, (uint64_t)BATCH);
		for (i = 0; i < want; i++)
			tp_op_fill(&op[i], queue->op, queue->submitted + i);
		rc = rte_pmd_queue_dev_submit(queue->q, op, want);
		if (rc < 0)
			queue->rc = rc;
		if (rc <= 0)
			return;
		queue->submitted += rc;
	}
}

bool
tp_op_right(const struct rte_pmd_queue_dev_completion *done, uint64_t n)
{
	uint64_t cookie = (uintptr_t)done->cookie;

	if (done->status != 0 || cookie >> 3 != n)
		return false;
	switch (cookie & 7) {
	case RTE_PMD_QUEUE_DEV_NOP:
		return done->result == cookie;
	case RTE_PMD_QUEUE_DEV_CRC32C:
		return done->result == memory.crc;
	default:
		return done->result == 0;
	}
}

/*
 * All that there are: not more than were submitted, so it comes to an end. True: there were some.
 */
static bool
take_locked(struct tp_queue *queue)
{
	struct rte_pmd_queue_dev_completion done[BATCH];
	uint64_t before = queue->completed;
	int n, i;

	do {
		n = rte_pmd_queue_dev_poll(queue->q, done, BATCH);
		for (i = 0; i < n; i++) {
			queue->errors += !tp_op_right(&done[i], queue->completed);
			queue->completed++;
		}
	} while (n == BATCH);
	return queue->completed != before;
}

static uint64_t
room_locked(const struct tp_queue *queue)
{
	return queue->depth - (queue->submitted - queue->completed);
}

void
tp_queue_handler(struct rte_ims_vec *vec, void *arg)
{
	struct tp_queue *queue = arg;

	(void)vec;
	tp_latency_add(queue->vec, rte_rdtsc());
	pthread_mutex_lock(&queue->lock);
	take_locked(queue);
	if (queue->busy && queue->rate == 0)
		submit_locked(queue, room_locked(queue));
	pthread_mutex_unlock(&queue->lock);
}

/* As many as are due by now; gives the ns until the next one is. */
static uint64_t
submit_due_locked(struct tp_queue *queue)
{
	double hz = rte_get_tsc_hz(), since = (rte_rdtsc() - queue->start_tsc) / hz;
	uint64_t due = since * queue->rate, n = due - queue->due, next;

	/* What there is no room for will not be made up for. */
	submit_locked(queue, RTE_MIN(n, room_locked(queue)));
	queue->due = due;
	next = ((due + 1.0) / queue->rate - since) * TP_NSEC + 1;
	/* With many queues there is always one that is due: let some come together. */
	return RTE_MAX(next, RATE_TURN_NS);
}

static uint64_t
job_run(void *arg)
{
	struct tp_queue *queue = arg;
	uint64_t ns = TP_JOB_IDLE;

	pthread_mutex_lock(&queue->lock);
	/* On a dedicated vector: what asks for the next event is not a handler. */
	if (queue->polled && take_locked(queue) && queue->vec != NULL)
		rte_pmd_queue_dev_arm(queue->q);
	if (queue->busy && queue->rate != 0)
		ns = submit_due_locked(queue);
	else if (queue->busy && queue->polled)
		submit_locked(queue, room_locked(queue));
	if (queue->polled && queue->submitted != queue->completed)
		ns = 0;
	pthread_mutex_unlock(&queue->lock);
	return ns;
}

void
tp_queue_follow(struct tp_queue *queue)
{
	struct tp_set *set = tp_service_find(tp_queue_lcore(queue));

	if (queue->job.set == NULL || set == NULL || set == queue->job.set)
		return;
	tp_job_del(&queue->job);
	tp_job_add(set, &queue->job);
}

int
tp_queue_start(struct tp_queue *queue, enum rte_pmd_queue_dev_op_type op, uint64_t rate)
{
	struct tp_set *set = tp_service_find(tp_queue_lcore(queue));
	int rc;

	rc = tp_op_memory_get();
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&queue->lock);
	queue->busy = true;
	queue->op = op;
	queue->rate = rate;
	queue->start_tsc = rte_rdtsc();
	queue->due = 0;
	queue->rc = 0;
	if (rate == 0)
		submit_locked(queue, room_locked(queue));
	rc = queue->rc;
	pthread_mutex_unlock(&queue->lock);
	if (rc != 0) {
		tp_queue_stop(queue);
		return rc;
	}
	/* Anew, so that it is looked at now. */
	tp_job_del(&queue->job);
	if (queue->polled || rate != 0) {
		queue->job.fn = job_run;
		queue->job.arg = queue;
		tp_job_add(set, &queue->job);
	}
	return 0;
}

void
tp_queue_stop(struct tp_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->busy = false;
	pthread_mutex_unlock(&queue->lock);
}

static uint64_t
pending(struct tp_queue *queue)
{
	uint64_t n;

	pthread_mutex_lock(&queue->lock);
	n = queue->submitted - queue->completed;
	pthread_mutex_unlock(&queue->lock);
	return n;
}

int
tp_queue_drain(struct tp_queue *queue)
{
	uint64_t end = rte_rdtsc() + DRAIN_NS / TP_NSEC * rte_get_tsc_hz();
	int rc = 0;

	while (pending(queue) != 0 && rc == 0) {
		rc = tp_sleep(1000000);
		if (rc == 0 && rte_rdtsc() > end)
			rc = -ETIMEDOUT;
	}
	if (rc == 0)
		tp_job_del(&queue->job);
	return rc;
}

void
tp_queue_stats(struct tp_queue *queue, struct tp_queue_stats *stats)
{
	uint64_t now;

	pthread_mutex_lock(&queue->lock);
	now = rte_rdtsc();
	stats->busy = queue->busy;
	stats->op = queue->op;
	stats->rate = queue->rate;
	stats->pending = queue->submitted - queue->completed;
	stats->submitted = queue->submitted;
	stats->completed = queue->completed;
	stats->errors = queue->errors;
	if (queue->shown_tsc < queue->start_tsc)
		queue->shown_tsc = queue->start_tsc;
	stats->per_second = (double)(queue->completed - queue->shown_completed) * rte_get_tsc_hz() /
	                    RTE_MAX(now - queue->shown_tsc, 1u);
	queue->shown_tsc = now;
	queue->shown_completed = queue->completed;
	pthread_mutex_unlock(&queue->lock);
}
