/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Sub-devices, EQs and queues: created, modified, destroyed and shown (sections 5, 6.1, 7.1, 8.1).
 */

#include <stdlib.h>
#include <string.h>

#include "queue_dev_model.h"

bool
qd_coal_good(uint16_t count, uint16_t usec)
{
	return count <= 1 || usec != 0;
}

/*
 * Section 6.1. `seq` is what the command says before and after the rest is read: the driver has not
 * begun to prepare another command in it.
 */
uint32_t
qd_ctx_read(struct queue_dev *d, const struct queue_dev_cmd *cmd, uint32_t kind,
	struct queue_dev_ctx *ctx)
{
	uint8_t *from = NULL;
	_Atomic(uint32_t) *seq;
	uint32_t before;

	if (cmd->ctx % QUEUE_DEV_CTX_ALIGN == 0)
		from = vfu_dma_aligned(d->vfu, cmd->ctx, sizeof(*ctx), sizeof(uint64_t), false);
	if (from == NULL)
		return QUEUE_DEV_CMD_BAD_ADDR;
	seq = (_Atomic(uint32_t) *)(from + offsetof(struct queue_dev_ctx, seq));
	before = atomic_load_explicit(seq, memory_order_acquire);
	memcpy(ctx, from, sizeof(*ctx));
	/* An exchange of nothing would order this better, but the memory may be read-only. */
	if (before != cmd->ctx_seq || ctx->seq != cmd->ctx_seq || atomic_load(seq) != cmd->ctx_seq)
		return QUEUE_DEV_CMD_BAD_SEQ;
	if (ctx->signature != QUEUE_DEV_CTX_SIGNATURE(kind) || ctx->number != cmd->number)
		return QUEUE_DEV_CMD_BAD_CTX;
	return QUEUE_DEV_CMD_OK;
}

uint32_t
qd_subdev_create(struct queue_dev *d, const struct queue_dev_cmd *cmd)
{
	if (cmd->number == 0 || cmd->number > d->n_subdevs)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	if (d->subdevs[cmd->number].there)
		return QUEUE_DEV_CMD_EXISTS;
	d->subdevs[cmd->number].there = true;
	return QUEUE_DEV_CMD_OK;
}

static void
queue_destroy(struct queue_dev *d, uint32_t qn)
{
	struct qd_queue *q = &d->queues[qn];
	bool listed = q->listed;
	uint32_t next_run = q->next_run;

	qd_eq_detach(d, qn);
	qd_timer_del(d, qd_slot_queue(d, qn));
	qd_intr_destroy(d, qd_slot_queue(d, qn));
	if (q->next != QD_NONE)
		d->queues[q->next].prev = q->prev;
	if (q->prev != QD_NONE)
		d->queues[q->prev].next = q->next;
	else
		d->subdevs[q->subdev].first = q->next;
	/* Its place in the list of those with work stays: it is found to be gone there. */
	*q = (struct qd_queue){ .listed = listed, .next_run = next_run };
}

uint32_t
qd_subdev_destroy(struct queue_dev *d, const struct queue_dev_cmd *cmd)
{
	struct qd_subdev *s;

	if (cmd->number == 0 || cmd->number > d->n_subdevs || !d->subdevs[cmd->number].there)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	s = &d->subdevs[cmd->number];
	while (s->first != QD_NONE)
		queue_destroy(d, s->first);
	s->there = false;
	return QUEUE_DEV_CMD_OK;
}

static bool
log_good(uint8_t log, uint8_t min, uint8_t max)
{
	return log >= min && log <= max;
}

static uint32_t
eq_ctx_check(const struct queue_dev *d, const struct queue_dev_ctx *ctx)
{
	if ((ctx->flags & ~QUEUE_DEV_CTX_F_ALWAYS) != 0 || ctx->cq != 0 || ctx->cq_log_size != 0 ||
		ctx->eqn != 0 || ctx->subdev != 0 || ctx->reserved != 0 ||
		!log_good(ctx->log_size, QUEUE_DEV_EQ_MIN_LOG, QUEUE_DEV_EQ_MAX_LOG) ||
		!qd_coal_good(ctx->coal_count, ctx->coal_usec) ||
		qd_msg_check(ctx) != QUEUE_DEV_CMD_OK)
		return QUEUE_DEV_CMD_BAD_FIELD;
	return qd_intr_valid(d, ctx->intr) ? QUEUE_DEV_CMD_OK : QUEUE_DEV_CMD_BAD_INTR;
}

/* Section 8.1. */
uint32_t
qd_eq_create(struct queue_dev *d, const struct queue_dev_cmd *cmd)
{
	struct qd_eq eq = { .state = QUEUE_DEV_CTX_STATE_READY };
	struct queue_dev_ctx ctx;
	uint32_t status;

	if (cmd->number >= d->n_eqs)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	if (d->eqs[cmd->number].state != QUEUE_DEV_CTX_STATE_NONE)
		return QUEUE_DEV_CMD_EXISTS;
	status = qd_ctx_read(d, cmd, QUEUE_DEV_KIND_EQ, &ctx);
	if (status == QUEUE_DEV_CMD_OK)
		status = eq_ctx_check(d, &ctx);
	if (status != QUEUE_DEV_CMD_OK)
		return status;
	qd_ring_set(&eq.ring, ctx.ring, sizeof(struct queue_dev_eqe), ctx.log_size, true);
	if (!qd_ring_good(d, &eq.ring))
		return QUEUE_DEV_CMD_BAD_ADDR;
	eq.owner = malloc(sizeof(*eq.owner) << ctx.log_size);
	if (eq.owner == NULL)
		return QUEUE_DEV_CMD_FAILED;
	eq.log = ctx.log_size;
	eq.notify.always = (ctx.flags & QUEUE_DEV_CTX_F_ALWAYS) != 0;
	eq.notify.coal_count = ctx.coal_count;
	eq.notify.coal_usec = ctx.coal_usec;
	d->eqs[cmd->number] = eq;
	qd_intr_create(d, qd_slot_eq(cmd->number), &ctx);
	return QUEUE_DEV_CMD_OK;
}

static void
eq_destroy(struct queue_dev *d, uint32_t eqn)
{
	qd_timer_del(d, qd_slot_eq(eqn));
	qd_intr_destroy(d, qd_slot_eq(eqn));
	free(d->eqs[eqn].owner);
	d->eqs[eqn] = (struct qd_eq){ 0 };
}

uint32_t
qd_eq_destroy(struct queue_dev *d, const struct queue_dev_cmd *cmd)
{
	if (qd_slot(d, QUEUE_DEV_KIND_EQ, cmd->number) == QD_NONE)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	if (d->eqs[cmd->number].attached != 0)
		return QUEUE_DEV_CMD_BUSY;
	eq_destroy(d, cmd->number);
	return QUEUE_DEV_CMD_OK;
}

uint32_t
qd_eq_modify(struct queue_dev *d, const struct queue_dev_cmd *cmd)
{
	uint32_t slot = qd_slot(d, QUEUE_DEV_KIND_EQ, cmd->number);

	if (slot == QD_NONE)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	qd_notify_modify(d, slot, cmd->coal_count, cmd->coal_usec);
	return QUEUE_DEV_CMD_OK;
}

static uint32_t
eqn_check(const struct queue_dev *d, uint16_t eqn)
{
	if (eqn == QUEUE_DEV_EQN_NONE)
		return QUEUE_DEV_CMD_OK;
	if (eqn >= d->n_eqs || d->eqs[eqn].state != QUEUE_DEV_CTX_STATE_READY)
		return QUEUE_DEV_CMD_NO_EQ;
	return qd_eq_has_room(d, eqn) ? QUEUE_DEV_CMD_OK : QUEUE_DEV_CMD_NO_ROOM;
}

static uint32_t
queue_ctx_check(const struct queue_dev *d, const struct queue_dev_ctx *ctx)
{
	uint32_t status;

	if (ctx->flags != 0 || ctx->reserved != 0 ||
		!log_good(ctx->log_size, QUEUE_DEV_QUEUE_MIN_LOG, QUEUE_DEV_QUEUE_MAX_LOG) ||
		!log_good(ctx->cq_log_size, ctx->log_size, QUEUE_DEV_QUEUE_MAX_LOG) ||
		!qd_coal_good(ctx->coal_count, ctx->coal_usec) ||
		qd_msg_check(ctx) != QUEUE_DEV_CMD_OK)
		return QUEUE_DEV_CMD_BAD_FIELD;
	if (ctx->subdev > d->n_subdevs || !d->subdevs[ctx->subdev].there)
		return QUEUE_DEV_CMD_NO_SUBDEV;
	status = eqn_check(d, ctx->eqn);
	if (status != QUEUE_DEV_CMD_OK)
		return status;
	return qd_intr_valid(d, ctx->intr) ? QUEUE_DEV_CMD_OK : QUEUE_DEV_CMD_BAD_INTR;
}

static void
queue_fill(struct queue_dev *d, uint32_t qn, const struct queue_dev_ctx *ctx)
{
	struct qd_subdev *s = &d->subdevs[ctx->subdev];
	struct qd_queue *q = &d->queues[qn];

	q->sq_log = ctx->log_size;
	q->cq_log = ctx->cq_log_size;
	q->notify.coal_count = ctx->coal_count;
	q->notify.coal_usec = ctx->coal_usec;
	q->subdev = ctx->subdev;
	q->prev = QD_NONE;
	q->next = s->first;
	if (s->first != QD_NONE)
		d->queues[s->first].prev = qn;
	s->first = qn;
	q->state = QUEUE_DEV_CTX_STATE_READY;
	qd_intr_create(d, qd_slot_queue(d, qn), ctx);
	qd_eq_attach(d, qn, ctx->eqn);
}

/* Section 7.1. */
uint32_t
qd_queue_create(struct queue_dev *d, const struct queue_dev_cmd *cmd)
{
	struct queue_dev_ctx ctx;
	struct qd_ring sq, cq;
	uint32_t status;

	if (cmd->number >= d->n_queues)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	if (d->queues[cmd->number].state != QUEUE_DEV_CTX_STATE_NONE)
		return QUEUE_DEV_CMD_EXISTS;
	status = qd_ctx_read(d, cmd, QUEUE_DEV_KIND_QUEUE, &ctx);
	if (status == QUEUE_DEV_CMD_OK)
		status = queue_ctx_check(d, &ctx);
	if (status != QUEUE_DEV_CMD_OK)
		return status;
	qd_ring_set(&sq, ctx.ring, sizeof(struct queue_dev_desc), ctx.log_size, false);
	qd_ring_set(&cq, ctx.cq, sizeof(struct queue_dev_cqe), ctx.cq_log_size, true);
	if (!qd_ring_good(d, &sq) || !qd_ring_good(d, &cq))
		return QUEUE_DEV_CMD_BAD_ADDR;
	d->queues[cmd->number].sq = sq;
	d->queues[cmd->number].cq = cq;
	queue_fill(d, cmd->number, &ctx);
	return QUEUE_DEV_CMD_OK;
}

uint32_t
qd_queue_destroy(struct queue_dev *d, const struct queue_dev_cmd *cmd)
{
	if (qd_slot(d, QUEUE_DEV_KIND_QUEUE, cmd->number) == QD_NONE)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	queue_destroy(d, cmd->number);
	return QUEUE_DEV_CMD_OK;
}

uint32_t
qd_queue_modify(struct queue_dev *d, const struct queue_dev_cmd *cmd)
{
	uint32_t slot = qd_slot(d, QUEUE_DEV_KIND_QUEUE, cmd->number);
	struct qd_queue *q;
	uint32_t status;

	if (slot == QD_NONE)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	q = &d->queues[cmd->number];
	if ((cmd->what & QUEUE_DEV_WHAT_EQ) != 0 && cmd->eqn != q->eqn) {
		status = eqn_check(d, cmd->eqn);
		if (status != QUEUE_DEV_CMD_OK)
			return status;
		qd_eq_detach(d, cmd->number);
		qd_eq_attach(d, cmd->number, cmd->eqn);
	}
	if ((cmd->what & QUEUE_DEV_WHAT_COAL) != 0)
		qd_notify_modify(d, slot, cmd->coal_count, cmd->coal_usec);
	return QUEUE_DEV_CMD_OK;
}

static void
query_intr(const struct qd_intr *in, struct queue_dev_query *query)
{
	query->ctx.seq = in->seq;
	query->ctx.msg_addr = in->addr;
	query->ctx.msg_data = in->data;
	query->ctx.msg_ctrl = (in->masked ? QUEUE_DEV_MSG_CTRL_MASK : 0) |
	                      (in->pending ? QUEUE_DEV_MSG_CTRL_PENDING : 0);
	query->ctx.intr = in->intr;
	query->events = in->events;
	query->messages = in->messages;
}

static void
query_notify(const struct qd_notify *n, struct queue_dev_query *query)
{
	query->ctx.coal_count = n->coal_count;
	query->ctx.coal_usec = n->coal_usec;
	if (n->always)
		query->ctx.flags = QUEUE_DEV_CTX_F_ALWAYS;
	if (n->armed)
		query->flags |= QUEUE_DEV_QUERY_ARMED;
}

static void
query_eq(const struct qd_eq *eq, struct queue_dev_query *query)
{
	query_notify(&eq->notify, query);
	query->ctx.state = eq->state;
	query->ctx.ring = eq->ring.iova;
	query->ctx.log_size = eq->log;
	query->pi = eq->pi;
	query->ci = eq->ci;
	query->queues = eq->attached + eq->orphans + eq->bogus;
	query->completions = eq->eqes;
}

static void
query_queue(const struct qd_queue *q, struct queue_dev_query *query)
{
	query_notify(&q->notify, query);
	query->ctx.state = q->state;
	query->ctx.ring = q->sq.iova;
	query->ctx.cq = q->cq.iova;
	query->ctx.log_size = q->sq_log;
	query->ctx.cq_log_size = q->cq_log;
	query->ctx.eqn = q->eqn;
	query->ctx.subdev = q->subdev;
	query->head = q->head;
	query->tail = q->tail;
	query->pi = q->pi;
	query->ci = q->ci;
	query->flags |= (q->outstanding ? QUEUE_DEV_QUERY_OUTSTANDING : 0) |
	                (q->deferred != 0 ? QUEUE_DEV_QUERY_DEFERRED : 0);
	query->completions = q->completions;
	query->errors = q->errors;
}

/* Section 5.5. */
uint32_t
qd_query(struct queue_dev *d, const struct queue_dev_cmd *cmd)
{
	uint32_t slot = qd_slot(d, cmd->kind, cmd->number);
	struct queue_dev_query query = { 0 };

	if (slot == QD_NONE)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	if (cmd->ctx % QUEUE_DEV_CTX_ALIGN != 0 || !qd_mem_good(d, cmd->ctx, sizeof(query), true))
		return QUEUE_DEV_CMD_BAD_ADDR;
	if (cmd->kind == QUEUE_DEV_KIND_EQ)
		query_eq(&d->eqs[cmd->number], &query);
	else if (cmd->kind == QUEUE_DEV_KIND_QUEUE)
		query_queue(&d->queues[cmd->number], &query);
	else
		query.ctx.state = QUEUE_DEV_CTX_STATE_READY;
	query_intr(&d->intrs[slot], &query);
	query.ctx.number = cmd->number;
	query.ctx.signature = QUEUE_DEV_CTX_SIGNATURE(cmd->kind);
	qd_mem_write(d, cmd->ctx, &query, sizeof(query));
	return QUEUE_DEV_CMD_OK;
}

void
qd_objects_reset(struct queue_dev *d)
{
	uint32_t i;

	for (i = 0; i < d->n_eqs; i++)
		free(d->eqs[i].owner);
	memset(d->eqs, 0, d->n_eqs * sizeof(*d->eqs));
	memset(d->queues, 0, d->n_queues * sizeof(*d->queues));
	for (i = 0; i <= d->n_subdevs; i++)
		d->subdevs[i] = (struct qd_subdev){ .there = i == 0, .first = QD_NONE };
	d->run_first = d->run_last = QD_NONE;
}
