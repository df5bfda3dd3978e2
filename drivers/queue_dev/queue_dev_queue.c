/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Queues: section 7. Creating, destroying and attaching; submitting and completing. */

#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "queue_dev_private.h"

/* Section 7.5: ask for the next event, by how far completions have been taken. */
static void
ring_arm(struct rte_pmd_queue_dev_queue *q)
{
	/* After a reset it is armed anew, and counts from 0 when what was aborted has been taken. */
	if (likely(!q->aborting))
		qd_ring(q->qd, QUEUE_DEV_DB(QUEUE_DEV_DB_CQ_ARM, q->number, q->completed));
}

/* In the queue's thread. */
static void
arm(struct rte_pmd_queue_dev_queue *q)
{
	if (unlikely(!qd_enter(q->qd, &q->inside)))
		return; /* the reset does it */
	ring_arm(q);
	qd_leave(&q->inside);
}

/* In any other: the lock keeps resets out. */
static void
arm_from_outside(struct rte_pmd_queue_dev_queue *q)
{
	pthread_mutex_lock(&q->qd->lock);
	ring_arm(q);
	pthread_mutex_unlock(&q->qd->lock);
}

/* What hangs on the vector; the user's handler may destroy the queue, or move it. */
void
qd_queue_run(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_queue *q = arg;
	struct qd *qd = q->qd;
	uint32_t number = q->number;

	q->fn(vec, q->arg);
	if (likely(atomic_load_explicit(&qd->queues[number], memory_order_relaxed) == q))
		arm(q);
}

static bool
check_conf(const struct rte_pmd_queue_dev_queue_conf *conf, const struct qd *qd)
{
	static const struct rte_pmd_queue_dev_queue_conf zero;

	return conf->depth >= 2 && conf->depth <= 1u << QUEUE_DEV_QUEUE_MAX_LOG &&
	       (conf->depth & (conf->depth - 1)) == 0 &&
	       (conf->fn != NULL) == (conf->vec != NULL && !ims_vec_dedicated(conf->vec)) &&
	       (conf->coal_count <= 1 || conf->coal_usec != 0) &&
	       (conf->subdev == NULL || conf->subdev->qd == qd) &&
	       (conf->vec == NULL || rte_ims_vec_dev(conf->vec) == qd->dev) &&
	       memcmp(conf->reserved, zero.reserved, sizeof(zero.reserved)) == 0;
}

void
qd_queue_free(struct rte_pmd_queue_dev_queue *q)
{
	if (q == NULL)
		return;
	rte_free(q->sq);
	rte_free(q->cq);
	free(q->cookies);
	free(q);
}

static struct rte_pmd_queue_dev_queue *
queue_new(struct qd *qd, const struct rte_pmd_queue_dev_queue_conf *conf)
{
	struct rte_pmd_queue_dev_queue *q;

	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return NULL;
	q->qd = qd;
	q->log_size = __builtin_ctz(conf->depth);
	q->sq = rte_zmalloc("queue_dev", conf->depth * sizeof(*q->sq), RTE_CACHE_LINE_SIZE);
	q->cq = rte_zmalloc("queue_dev", conf->depth * sizeof(*q->cq), RTE_CACHE_LINE_SIZE);
	q->cookies = calloc(conf->depth, sizeof(*q->cookies));
	q->fn = conf->fn;
	q->arg = conf->arg;
	q->subdev = conf->subdev;
	q->coal_count = conf->coal_count;
	q->coal_usec = conf->coal_usec;
	q->intr = QUEUE_DEV_INTR_NONE;
	q->obj.fn = qd_queue_run;
	q->obj.arg = q;
	if (q->sq != NULL && q->cq != NULL && q->cookies != NULL)
		return q;
	qd_queue_free(q);
	return NULL;
}

/*
 * A vector of the store "ims-queue" is the message of one queue: its slot says which. All others get
 * an event queue.
 */
static bool
is_own_slot(const struct qd *qd, const struct rte_ims_vec *vec)
{
	return ims_vec_store(vec) == qd->queue_store;
}

static bool
is_free(const struct qd *qd, uint32_t n)
{
	return atomic_load(&qd->queues[n]) == NULL &&
	       (qd->queue_store == NULL || !ims_store_slot_used(qd->queue_store, n));
}

static int64_t
take_number(struct qd *qd, struct rte_ims_vec *vec)
{
	uint32_t i, n;

	if (vec != NULL && is_own_slot(qd, vec)) {
		n = ims_vec_slot(vec, qd->dev, RTE_IMS_STORE_QUEUE);
		return atomic_load(&qd->queues[n]) == NULL ? (int64_t)n : -EBUSY;
	}
	for (i = 0; i < qd->n_queues; i++) {
		n = (qd->next_queue + i) % qd->n_queues;
		if (is_free(qd, n)) {
			/* Reused as late as possible: an event of the last owner may be on its way. */
			qd->next_queue = n + 1;
			return n;
		}
	}
	return -ENOSPC;
}

static int
queue_command(struct rte_pmd_queue_dev_queue *q)
{
	struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_QUEUE_CREATE, .number = q->number };
	struct queue_dev_ctx *ctx;

	ctx = qd_ctx(q->qd, qd_queue_slot(q->qd, q->number), QUEUE_DEV_KIND_QUEUE, q->number);
	ctx->flags = ctx->state = 0;
	ctx->ring = (uintptr_t)q->sq;
	ctx->cq = (uintptr_t)q->cq;
	ctx->log_size = ctx->cq_log_size = q->log_size;
	ctx->intr = q->intr;
	ctx->eqn = q->eq != NULL ? q->eq->number : QUEUE_DEV_EQN_NONE;
	ctx->subdev = q->subdev != NULL ? q->subdev->number : 0;
	ctx->coal_count = q->coal_count;
	ctx->coal_usec = q->coal_usec;
	if (q->intr != QUEUE_DEV_INTR_OWN) {
		ctx->msg_addr = ctx->msg_data = 0;
		ctx->msg_ctrl = QUEUE_DEV_MSG_CTRL_MASK;
	}
	cmd.ctx = (uintptr_t)ctx;
	cmd.ctx_seq = ctx->seq;
	return qd_cmd(q->qd, &cmd, NULL);
}

static int
use_vec(struct rte_pmd_queue_dev_queue *q, struct rte_ims_vec *vec)
{
	struct qd *qd = q->qd;
	int64_t slot;

	q->vec = vec;
	if (vec == NULL)
		return 0;
	if (is_own_slot(qd, vec)) {
		q->intr = QUEUE_DEV_INTR_OWN;
		return 0;
	}
	if (ims_vec_dedicated(vec)) {
		slot = ims_vec_slot(vec, qd->dev, RTE_IMS_STORE_MSIX);
		q->intr = slot >= 0 ? slot : QUEUE_DEV_INTR_NONE;
		return slot >= 0 ? 0 : -EINVAL;
	}
	q->eq = qd_eq_get(qd, vec);
	return q->eq != NULL ? 0 : -rte_errno;
}

static int
create_locked(struct qd *qd, struct rte_pmd_queue_dev_queue *q, struct rte_ims_vec *vec)
{
	int64_t n;
	int rc;

	n = take_number(qd, vec);
	if (n < 0)
		return n;
	q->number = n;
	rc = use_vec(q, vec);
	if (rc == 0)
		rc = queue_command(q);
	if (rc != 0)
		return rc;
	if (q->eq != NULL)
		q->eq->n_queues++;
	if (q->subdev != NULL)
		q->subdev->n_queues++;
	qd->used_queues++;
	atomic_store(&qd->queues[n], q);
	return 0;
}

struct rte_pmd_queue_dev_queue *
rte_pmd_queue_dev_queue_create(
	struct rte_ims_dev *dev, const struct rte_pmd_queue_dev_queue_conf *conf)
{
	struct rte_pmd_queue_dev_queue *q;
	struct qd *qd = qd_from(dev);
	int rc;

	rte_errno = EINVAL;
	if (dev == NULL || conf == NULL)
		return NULL;
	rte_errno = ENODEV;
	if (qd == NULL)
		return NULL;
	rte_errno = EINVAL;
	if (!check_conf(conf, qd))
		return NULL;
	q = queue_new(qd, conf);
	rte_errno = ENOMEM;
	if (q == NULL)
		return NULL;
	pthread_mutex_lock(&qd->lock);
	rc = create_locked(qd, q, conf->vec);
	pthread_mutex_unlock(&qd->lock);
	if (rc != 0) {
		if (rc != -ETIMEDOUT) /* else the device may have it, and its rings */
			qd_queue_free(q);
		rte_errno = -rc;
		return NULL;
	}
	if (conf->fn != NULL)
		rte_ims_vec_attach(conf->vec, &q->obj);
	if (conf->vec != NULL)
		arm_from_outside(q);
	return q;
}

/* Off its vector: when this returns its handler does not run, unless we are in it. */
static int
leave_vec(struct rte_pmd_queue_dev_queue *q)
{
	return q->obj.vec != NULL ? rte_ims_vec_detach(&q->obj) : 0;
}

int
rte_pmd_queue_dev_queue_destroy(struct rte_pmd_queue_dev_queue *queue)
{
	struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_QUEUE_DESTROY };
	struct qd *qd;
	int rc;

	if (queue == NULL)
		return -EINVAL;
	qd = queue->qd;
	pthread_mutex_lock(&qd->lock);
	cmd.number = queue->number;
	rc = qd_cmd(qd, &cmd, NULL);
	if (rc == -ETIMEDOUT) {
		pthread_mutex_unlock(&qd->lock);
		return rc;
	}
	/* From here on nobody finds it: event queues look it up by its number. */
	atomic_store(&qd->queues[queue->number], NULL);
	if (queue->eq != NULL)
		queue->eq->n_queues--;
	if (queue->subdev != NULL)
		queue->subdev->n_queues--;
	qd->used_queues--;
	pthread_mutex_unlock(&qd->lock);
	rc = leave_vec(queue);
	if (rc != 0)
		return rc;
	qd_queue_free(queue);
	return 0;
}

/* QUEUE_MODIFY: from one event queue to another, or to none. */
static int
attach_eq(struct rte_pmd_queue_dev_queue *q, struct rte_ims_vec *vec)
{
	struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_QUEUE_MODIFY,
		.number = q->number,
		.what = QUEUE_DEV_WHAT_EQ,
		.eqn = QUEUE_DEV_EQN_NONE };
	struct qd_eq *eq = NULL;
	int rc;

	if (vec != NULL) {
		eq = qd_eq_get(q->qd, vec);
		if (eq == NULL)
			return -rte_errno;
		cmd.eqn = eq->number;
	}
	rc = qd_cmd(q->qd, &cmd, NULL);
	if (rc != 0)
		return rc;
	if (q->eq != NULL)
		q->eq->n_queues--;
	if (eq != NULL)
		eq->n_queues++;
	__atomic_store_n(&q->eq, eq, __ATOMIC_RELAXED);
	q->vec = vec;
	return 0;
}

/*
 * First off the old vector, so that its handler runs in one thread at a time; then the device is
 * told, and the arm finds what came meanwhile. An event that the old event queue still has names a
 * queue that is not its own any more: it is dropped, the arm makes up for it.
 */
int
rte_pmd_queue_dev_queue_attach(struct rte_pmd_queue_dev_queue *queue, struct rte_ims_vec *vec)
{
	struct rte_ims_vec *old;
	struct qd *qd;
	int rc, rc2;

	if (queue == NULL || (vec != NULL && queue->fn == NULL))
		return -EINVAL;
	qd = queue->qd;
	if (queue->intr != QUEUE_DEV_INTR_NONE || (vec != NULL && ims_vec_dedicated(vec)) ||
		(vec != NULL && (rte_ims_vec_dev(vec) != qd->dev || is_own_slot(qd, vec))))
		return -EINVAL;
	old = queue->vec;
	if (old == vec)
		return 0;
	rc = leave_vec(queue);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&qd->lock);
	rc = attach_eq(queue, vec);
	pthread_mutex_unlock(&qd->lock);
	if (queue->vec != NULL) {
		rc2 = rte_ims_vec_attach(queue->vec, &queue->obj);
		rc = rc != 0 ? rc : rc2;
		arm_from_outside(queue);
	}
	return rc;
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
rte_pmd_queue_dev_queue_number(const struct rte_pmd_queue_dev_queue *queue)
{
	return queue != NULL ? (int)queue->number : -EINVAL;
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
		d->imm |= (uint64_t)QUEUE_DEV_KIND_QUEUE << 32;
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
			q->n_bad++; /* of what nobody submitted */
			break;
		}
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

/* The device was reset: it has no queues. Each is made again, what was under way is aborted. */
int
qd_queues_restore(struct qd *qd)
{
	struct rte_pmd_queue_dev_queue *q;
	uint32_t n;
	int rc = 0;

	for (n = 0; n < qd->n_queues && rc == 0; n++) {
		q = atomic_load(&qd->queues[n]);
		if (q == NULL)
			continue;
		memset(q->cq, 0, sizeof(*q->cq) << q->log_size);
		q->aborting = q->completed != q->submitted;
		if (!q->aborting)
			q->completed = q->submitted = 0;
		rc = queue_command(q);
		if (rc == 0 && q->vec != NULL)
			qd_ring_reset(qd, QUEUE_DEV_DB(QUEUE_DEV_DB_CQ_ARM, n, 0));
	}
	return rc;
}

struct rte_pmd_queue_dev_subdev *
rte_pmd_queue_dev_subdev_create(struct rte_ims_dev *dev, const char *name, uint32_t n_vecs)
{
	struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_SUBDEV_CREATE };
	struct rte_pmd_queue_dev_subdev *s;
	struct qd *qd = qd_from(dev);
	uint32_t n;
	int rc = -ENOSPC;

	rte_errno = dev == NULL ? EINVAL : ENODEV;
	if (qd == NULL)
		return NULL;
	s = calloc(1, sizeof(*s));
	rte_errno = ENOMEM;
	if (s == NULL)
		return NULL;
	s->qd = qd;
	s->table = rte_ims_table_create(dev, name, n_vecs);
	if (s->table == NULL) {
		free(s);
		return NULL;
	}
	pthread_mutex_lock(&qd->lock);
	for (n = 1; n <= qd->n_subdevs && qd->subdevs[n] != NULL; n++)
		;
	if (n <= qd->n_subdevs) {
		cmd.number = s->number = n;
		rc = qd_cmd(qd, &cmd, NULL);
	}
	if (rc == 0)
		qd->subdevs[n] = s;
	pthread_mutex_unlock(&qd->lock);
	if (rc == 0)
		return s;
	rte_ims_table_free(s->table);
	free(s);
	rte_errno = -rc;
	return NULL;
}

int
rte_pmd_queue_dev_subdev_destroy(struct rte_pmd_queue_dev_subdev *subdev)
{
	struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_SUBDEV_DESTROY };
	struct qd *qd;
	int rc = -EBUSY;

	if (subdev == NULL)
		return -EINVAL;
	qd = subdev->qd;
	pthread_mutex_lock(&qd->lock);
	if (subdev->n_queues == 0) {
		cmd.number = subdev->number;
		rc = subdev->number != 0 && qd->subdevs[subdev->number] == subdev
		             ? qd_cmd(qd, &cmd, NULL)
		             : 0;
		if (rc == -ENODEV)
			rc = 0;
		if (rc == 0)
			qd->subdevs[subdev->number] = NULL;
	}
	pthread_mutex_unlock(&qd->lock);
	if (rc == 0)
		rc = rte_ims_table_free(subdev->table);
	if (rc == 0)
		free(subdev);
	return rc;
}

struct rte_ims_table *
rte_pmd_queue_dev_subdev_table(struct rte_pmd_queue_dev_subdev *subdev)
{
	if (subdev != NULL)
		return subdev->table;
	rte_errno = EINVAL;
	return NULL;
}
