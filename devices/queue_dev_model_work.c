/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Section 7: queues with work are served in turn; descriptors in, completions out. */

#include <string.h>

#include "queue_dev_model.h"

#define TURN       32   /* descriptors of one queue before it is the next one's turn */
#define DESC_BYTES 8192 /* so many bytes count as one more descriptor */

/* Nothing is done while the function may not access memory. */
static bool
may_work(const struct queue_dev *d)
{
	return !d->halted && vfu_bus_master(d->vfu);
}

void
qd_run(struct queue_dev *d, uint32_t qn)
{
	struct qd_queue *q = &d->queues[qn];

	if (q->listed || q->state != QUEUE_DEV_CTX_STATE_READY)
		return;
	q->listed = true;
	q->next_run = QD_NONE;
	if (d->run_first == QD_NONE)
		d->run_first = qn;
	else
		d->queues[d->run_last].next_run = qn;
	d->run_last = qn;
	atomic_store_explicit(&d->work, may_work(d), memory_order_relaxed);
}

static uint32_t
run_pop(struct queue_dev *d)
{
	uint32_t qn = d->run_first;

	d->run_first = d->queues[qn].next_run;
	d->queues[qn].listed = false;
	return qn;
}

static bool
len_good(const struct queue_dev_desc *desc)
{
	return desc->len != 0 && desc->len <= QUEUE_DEV_MAX_LEN;
}

static uint32_t
op_copy(struct queue_dev *d, const struct queue_dev_desc *desc)
{
	if (desc->imm != 0)
		return QUEUE_DEV_CQE_BAD_FIELD;
	if (!len_good(desc))
		return QUEUE_DEV_CQE_BAD_LEN;
	if (!qd_mem_good(d, desc->src, desc->len, false))
		return QUEUE_DEV_CQE_BAD_SRC;
	if (!qd_mem_good(d, desc->dst, desc->len, true))
		return QUEUE_DEV_CQE_BAD_DST;
	qd_mem_copy(d, desc->dst, desc->src, desc->len);
	return QUEUE_DEV_CQE_OK;
}

static uint32_t
op_fill(struct queue_dev *d, const struct queue_dev_desc *desc)
{
	if (desc->src != 0)
		return QUEUE_DEV_CQE_BAD_FIELD;
	if (!len_good(desc))
		return QUEUE_DEV_CQE_BAD_LEN;
	if (!qd_mem_good(d, desc->dst, desc->len, true))
		return QUEUE_DEV_CQE_BAD_DST;
	qd_mem_fill(d, desc->dst, desc->imm, desc->len);
	return QUEUE_DEV_CQE_OK;
}

static uint32_t
op_crc32c(struct queue_dev *d, const struct queue_dev_desc *desc, uint64_t *result)
{
	if (desc->dst != 0 || desc->imm > UINT32_MAX)
		return QUEUE_DEV_CQE_BAD_FIELD;
	if (!len_good(desc))
		return QUEUE_DEV_CQE_BAD_LEN;
	if (!qd_mem_good(d, desc->src, desc->len, false))
		return QUEUE_DEV_CQE_BAD_SRC;
	*result = qd_mem_crc32c(d, desc->src, desc->imm, desc->len);
	return QUEUE_DEV_CQE_OK;
}

static uint32_t
op_post(struct queue_dev *d, const struct queue_dev_desc *desc)
{
	uint32_t kind = desc->imm >> 32, slot;

	if (desc->len != 0 || desc->src != 0 || desc->dst != 0)
		return QUEUE_DEV_CQE_BAD_FIELD;
	slot = kind != QUEUE_DEV_KIND_SPECIAL ? qd_slot(d, kind, desc->imm) : QD_NONE;
	if (slot == QD_NONE)
		return QUEUE_DEV_CQE_BAD_TARGET;
	qd_intr_raise(d, slot);
	return QUEUE_DEV_CQE_OK;
}

static uint32_t
execute(struct queue_dev *d, const struct queue_dev_desc *desc, uint64_t *result)
{
	if (desc->op > QUEUE_DEV_OP_POST)
		return QUEUE_DEV_CQE_BAD_OP;
	if ((desc->reserved | desc->reserved2) != 0 ||
		(desc->reserved3[0] | desc->reserved3[1] | desc->reserved3[2]) != 0)
		return QUEUE_DEV_CQE_BAD_FIELD;
	switch (desc->op) {
	case QUEUE_DEV_OP_NOP:
		if (desc->len != 0 || (desc->src | desc->dst) != 0)
			return QUEUE_DEV_CQE_BAD_FIELD;
		*result = desc->imm;
		return QUEUE_DEV_CQE_OK;
	case QUEUE_DEV_OP_COPY:
		return op_copy(d, desc);
	case QUEUE_DEV_OP_FILL:
		return op_fill(d, desc);
	case QUEUE_DEV_OP_CRC32C:
		return op_crc32c(d, desc, result);
	default:
		return op_post(d, desc);
	}
}

/* Section 7.3. */
static void
complete(struct queue_dev *d, uint32_t qn, struct queue_dev_cqe *cqe,
	const struct queue_dev_desc *desc, uint64_t result, uint32_t status)
{
	struct qd_queue *q = &d->queues[qn];
	uint32_t sq_head = q->head;
	const struct qd_hazard *hazard = qd_hazard(d, QUEUE_DEV_INJECT_CQE_BOGUS);

	if (hazard != NULL)
		sq_head += hazard->data;
	if (status != QUEUE_DEV_CQE_OK)
		q->errors++;
	if ((q->pi & 1u << q->cq_log) == 0)
		status |= QUEUE_DEV_CQE_OWNER;
	cqe->cookie = desc->cookie;
	cqe->result = result;
	cqe->queue = qn;
	cqe->reserved = 0;
	/* Release: the rest of it, and what the operation has written, come first. */
	atomic_store_explicit((_Atomic(uint64_t) *)&cqe->sq_head, (uint64_t)status << 32 | sq_head,
		memory_order_release);
	q->pi++;
	q->completions++;
	d->completions++;
}

/* A turn of a queue. Returns what it has cost, in descriptors. */
static uint32_t
run_queue(struct queue_dev *d, uint32_t qn, uint32_t budget)
{
	struct qd_queue *q = &d->queues[qn];
	const struct queue_dev_desc *sqe;
	struct queue_dev_desc desc;
	struct queue_dev_cqe *cqe;
	uint32_t cost = 0, status;
	uint64_t result;

	qd_ring_begin(d, &q->sq);
	qd_ring_begin(d, &q->cq);
	while (q->head != q->tail && cost < budget) {
		sqe = qd_ring_at(d, &q->sq, q->head);
		cqe = qd_ring_at(d, &q->cq, q->pi);
		if (sqe == NULL || cqe == NULL) {
			qd_queue_error(d, qn);
			return cost + 1;
		}
		/* A copy: what is checked is what is executed, whatever the driver does. */
		memcpy(&desc, sqe, sizeof(desc));
		q->head++;
		result = 0;
		status = execute(d, &desc, &result);
		complete(d, qn, cqe, &desc, result, status);
		qd_queue_completed(d, qn);
		cost += 1 + (status == QUEUE_DEV_CQE_OK ? desc.len / DESC_BYTES : 0);
	}
	return cost;
}

void
qd_work(struct queue_dev *d, uint32_t budget)
{
	uint32_t qn, cost;

	qd_timers_run(d);
	qd_cells_take(d, 64);
	while (d->run_first != QD_NONE && may_work(d) && !vfu_lock_wanted(d->vfu)) {
		qn = run_pop(d);
		if (d->queues[qn].state != QUEUE_DEV_CTX_STATE_READY)
			continue; /* destroyed since */
		cost = run_queue(d, qn, budget < TURN ? budget : TURN);
		if (d->queues[qn].head != d->queues[qn].tail)
			qd_run(d, qn);
		if (cost >= budget)
			break;
		budget -= cost;
	}
	atomic_store_explicit(
		&d->work, d->run_first != QD_NONE && may_work(d), memory_order_relaxed);
	qd_publish(d);
}
