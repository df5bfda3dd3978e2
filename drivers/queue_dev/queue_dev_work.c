/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Queues, the data path: submitting, completing, arming, and running handlers (section 7). A queue
 * is one thread's at a time.
 */

#include <pthread.h>
#include <string.h>

#include "queue_dev_private.h"

/* Section 7.5: by how far completions have been taken. */
uint64_t
qd_queue_arm_doorbell(const struct rte_pmd_queue_dev_queue *q)
{
	/*
	 * After a reset it is armed anew, and counts from 0 when what was aborted has been taken.
	 */
	return likely(!q->aborting) ? QUEUE_DEV_DB(QUEUE_DEV_DB_CQ_ARM, q->number, q->completed)
	                            : 0;
}

/* In the queue's thread. */
static void
arm(struct rte_pmd_queue_dev_queue *q)
{
	uint64_t doorbell;

	if (unlikely(!qd_enter(q->qd, &q->inside)))
		return; /* the reset does it */
	doorbell = qd_queue_arm_doorbell(q);
	if (likely(doorbell != 0))
		qd_ring(q->qd, doorbell);
	qd_leave(&q->inside);
}

/* A handler that is running, and the one that has called it by polling another set. */
struct frame {
	struct rte_pmd_queue_dev_queue *q; /* NULL: destroyed, or another thread's */
	struct frame *outer;
};

static __thread struct frame *frames;

static void
frame_end(void *arg)
{
	struct frame *frame = arg;

	frames = frame->outer;
}

/*
 * What hangs on the vector; the user's handler may destroy the queue, or move it. Then it is not
 * ours to arm: its memory is gone, or another thread is at work in it, and has been given an
 * event.
 *
 * It may also end the thread. What runs after that, a destructor of a key, may destroy queues as
 * well. With
 * -fexceptions the push and the pop cost nothing.
 */
void
qd_queue_run(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_queue *q = arg;
	struct frame frame = { .q = q, .outer = frames };

	frames = &frame;
	pthread_cleanup_push(frame_end, &frame);
	q->fn(vec, q->arg);
	pthread_cleanup_pop(1);
	if (likely(frame.q != NULL))
		arm(q);
}

void
qd_queue_left(const struct rte_pmd_queue_dev_queue *q)
{
	struct frame *f;

	for (f = frames; f != NULL; f = f->outer)
		if (f->q == q)
			f->q = NULL;
}

int
rte_pmd_queue_dev_arm(struct rte_pmd_queue_dev_queue *queue)
{
	if (queue == NULL)
		return -EINVAL;
	if (ims_dev_removed(queue->qd->dev))
		return -ENODEV;
	arm(queue);
	return 0;
}

int
rte_pmd_queue_dev_queue_pending(const struct rte_pmd_queue_dev_queue *queue)
{
	return queue != NULL ? (int)(queue->submitted - queue->completed) : -EINVAL;
}

static const uint8_t op_codes[] = {
	[RTE_PMD_QUEUE_DEV_NOP] = QUEUE_DEV_OP_NOP,
	[RTE_PMD_QUEUE_DEV_COPY] = QUEUE_DEV_OP_COPY,
	[RTE_PMD_QUEUE_DEV_FILL] = QUEUE_DEV_OP_FILL,
	[RTE_PMD_QUEUE_DEV_CRC32C] = QUEUE_DEV_OP_CRC32C,
	[RTE_PMD_QUEUE_DEV_POST] = QUEUE_DEV_OP_POST,
};

static void
fill_desc(struct queue_dev_desc *d, const struct rte_pmd_queue_dev_op *op)
{
	memset(d, 0, sizeof(*d));
	d->op = op_codes[op->type];
	d->imm = op->imm;
	if (op->type == RTE_PMD_QUEUE_DEV_POST)
		d->imm = QUEUE_DEV_POST(QUEUE_DEV_KIND_QUEUE, op->imm);
	if (op->type == RTE_PMD_QUEUE_DEV_COPY || op->type == RTE_PMD_QUEUE_DEV_CRC32C)
		d->src = (uintptr_t)op->src;
	if (op->type == RTE_PMD_QUEUE_DEV_COPY || op->type == RTE_PMD_QUEUE_DEV_FILL)
		d->dst = (uintptr_t)op->dst;
	if (op->type != RTE_PMD_QUEUE_DEV_NOP && op->type != RTE_PMD_QUEUE_DEV_POST)
		d->len = op->len;
}

static int
submit(struct rte_pmd_queue_dev_queue *q, const struct rte_pmd_queue_dev_op *ops, unsigned int n)
{
	uint32_t mask, room, i;

	if (unlikely(q->aborting))
		return 0; /* take what was aborted first */
	mask = (1u << q->log_size) - 1;
	room = mask + 1 - (q->submitted - q->completed);
	n = RTE_MIN(n, room);
	for (i = 0; i < n; i++) {
		if (unlikely(ops[i].type > RTE_PMD_QUEUE_DEV_POST))
			return -EINVAL; /* none was rung */
		fill_desc(&q->sq[(q->submitted + i) & mask], &ops[i]);
		q->cookies[(q->submitted + i) & mask] = ops[i].cookie;
	}
	if (n == 0)
		return 0;
	q->submitted += n;
	qd_ring(q->qd, QUEUE_DEV_DB(QUEUE_DEV_DB_SQ_TAIL, q->number, q->submitted));
	return n;
}

int
rte_pmd_queue_dev_submit(
	struct rte_pmd_queue_dev_queue *q, const struct rte_pmd_queue_dev_op *ops, unsigned int n)
{
	int rc;

	if (q == NULL || (ops == NULL && n != 0))
		return -EINVAL;
	if (unlikely(ims_dev_removed(q->qd->dev)))
		return -ENODEV;
	if (unlikely(!qd_enter(q->qd, &q->inside)))
		return 0;
	rc = submit(q, ops, n);
	qd_leave(&q->inside);
	return rc;
}

static unsigned int
take_aborted(struct rte_pmd_queue_dev_queue *q, struct rte_pmd_queue_dev_completion *done,
	unsigned int n)
{
	uint32_t mask = (1u << q->log_size) - 1;
	unsigned int got;

	for (got = 0; got < n && q->completed != q->submitted; got++) {
		done[got].cookie = q->cookies[q->completed++ & mask];
		done[got].result = 0;
		done[got].status = RTE_PMD_QUEUE_DEV_ABORTED;
	}
	/* The device counts from 0 again. */
	if (q->aborting && q->completed == q->submitted) {
		q->completed = q->submitted = 0;
		q->aborting = false;
	}
	return got;
}

static void
count_stray(struct rte_pmd_queue_dev_queue *q)
{
	atomic_fetch_add_explicit(&q->qd->stray_completions, 1, memory_order_relaxed);
}

/* The device has taken the one that it completes, and none that was not submitted. */
static bool
is_head(const struct rte_pmd_queue_dev_queue *q, uint32_t sq_head)
{
	return sq_head - q->completed - 1 < q->submitted - q->completed;
}

/* Section 7.3. Completions come in order, so whose they are is known without the device's word. */
static unsigned int
poll_cq(struct rte_pmd_queue_dev_queue *q, struct rte_pmd_queue_dev_completion *done,
	unsigned int n)
{
	uint32_t mask = (1u << q->log_size) - 1;
	const struct queue_dev_cqe *cqe;
	unsigned int got;
	uint64_t last;

	for (got = 0; got < n; got++) {
		cqe = &q->cq[q->completed & mask];
		/* sq_head and status, the last to be written; acquire: result is before them. */
		last = __atomic_load_n(
			(const uint64_t *)(const void *)&cqe->sq_head, __ATOMIC_ACQUIRE);
		if (last >> 63 == (q->completed >> q->log_size & 1))
			break;
		if (unlikely(q->completed == q->submitted)) {
			count_stray(q); /* of what nobody submitted */
			break;
		}
		if (unlikely(!is_head(q, last)))
			count_stray(q);
		done[got].cookie = q->cookies[q->completed & mask];
		done[got].result = cqe->result;
		done[got].status = last >> 32 & QUEUE_DEV_CQE_STATUS_MASK;
		q->completed++;
	}
	return got;
}

int
rte_pmd_queue_dev_poll(struct rte_pmd_queue_dev_queue *q, struct rte_pmd_queue_dev_completion *done,
	unsigned int n)
{
	unsigned int got = 0;

	if (q == NULL || (done == NULL && n != 0))
		return -EINVAL;
	if (unlikely(!qd_enter(q->qd, &q->inside)))
		return 0;
	if (likely(!q->aborting))
		got = poll_cq(q, done, n);
	if (unlikely(q->aborting) || (got == 0 && unlikely(ims_dev_removed(q->qd->dev))))
		got = take_aborted(q, done, n);
	qd_leave(&q->inside);
	return got;
}
