/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Queues, the control path: creating, destroying and attaching (section 7.1); after a reset. */

#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "queue_dev_private.h"

static int
check_conf(const struct rte_pmd_queue_dev_queue_conf *conf, struct qd *qd)
{
	static const struct rte_pmd_queue_dev_queue_conf zero;

	if (conf->depth < 2 || conf->depth > 1u << QUEUE_DEV_QUEUE_MAX_LOG ||
		(conf->depth & (conf->depth - 1)) != 0 ||
		(conf->vec != NULL && (conf->fn != NULL) == ims_vec_dedicated(conf->vec)) ||
		(conf->coal_count > 1 && conf->coal_usec == 0) ||
		(conf->subdev != NULL && conf->subdev->qd != qd) ||
		(conf->vec != NULL && rte_ims_vec_dev(conf->vec) != qd->dev) ||
		memcmp(conf->reserved, zero.reserved, sizeof(zero.reserved)) != 0)
		return -EINVAL;
	return conf->vec != NULL ? qd_subdev_vec_check(conf->subdev, conf->vec) : 0;
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

static void
obj_init(struct rte_pmd_queue_dev_queue *q)
{
	q->obj = (struct rte_ims_obj){ .fn = qd_queue_run, .arg = q };
}

/* Off its event queue: no thread begins to look at the queue any more, see queue_dev_eq.c. */
static void
home_leave(struct rte_pmd_queue_dev_queue *q)
{
	atomic_store(&q->qd->homes[q->number], 0);
}

void
qd_queue_vec_gone(struct rte_pmd_queue_dev_queue *q)
{
	home_leave(q);
	if (q->eq != NULL)
		q->eq->n_queues--;
	q->eq = NULL;
	q->vec = NULL;
	/* The library detaches what is on the vector's list. */
	if (q->leaving)
		obj_init(q);
	q->leaving = false;
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
	obj_init(q);
	if (q->sq != NULL && q->cq != NULL && q->cookies != NULL)
		return q;
	qd_queue_free(q);
	return NULL;
}

/*
 * A vector of the store "ims-queue" is the message of one queue: its slot says which. All others
 * get an event queue.
 */
static bool
is_own_slot(const struct qd *qd, const struct rte_ims_vec *vec)
{
	return ims_vec_store(vec) == qd->queue_store;
}

/* A vector may be about to take the slot all the same: see update(). */
static bool
is_free(const struct qd *qd, uint32_t n)
{
	return atomic_load(&qd->queues[n]) == NULL &&
	       (qd->queue_store == NULL || !ims_store_slot_used(qd->queue_store, n));
}

/*
 * Its handler may run from here on, so this is the last that we do with it. What came before, or
 * was dropped by an event queue that had no home for it, the arm makes an event of. What a reset
 * has aborted meanwhile the device knows nothing of: when that had the queues looked through
 * (`look`) this one was nowhere, so they are once more, after its home is there.
 */
static void
go_live(struct rte_pmd_queue_dev_queue *q)
{
	struct rte_ims_vec *vec = q->vec;
	struct qd_eq *eq = q->eq;
	struct qd *qd = q->qd;
	uint32_t home = 0;
	bool aborting;
	uint64_t arm;

	if (vec == NULL)
		return;
	/* While it is leaving it cannot be listed: its event queue finds it by its home alone. */
	if (q->fn != NULL && !q->leaving)
		rte_ims_vec_attach(vec, &q->obj);
	/* The lock keeps resets out, they arm by themselves. */
	pthread_mutex_lock(&qd->lock);
	arm = qd_queue_arm_doorbell(q);
	aborting = q->aborting;
	if (eq != NULL)
		home = QD_HOME(eq->number, q->subdev != NULL ? q->subdev->number : 0);
	atomic_store_explicit(&qd->homes[q->number], home, memory_order_release);
	if (arm != 0)
		qd_ring(qd, arm);
	if (aborting && eq != NULL)
		atomic_store(&eq->look, true);
	pthread_mutex_unlock(&qd->lock);
	if (aborting && eq != NULL)
		ims_vec_kick(vec);
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
			/*
			 * Reused as late as possible: an event of the last owner may be on its
			 * way.
			 */
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
	return qd_cmd_create(q->qd, &cmd, QUEUE_DEV_KIND_QUEUE, q->sq);
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
		q->own_slot = true;
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

static void
queue_keep(struct rte_pmd_queue_dev_queue *q)
{
	if (q->eq != NULL)
		q->eq->n_queues++;
	if (q->subdev != NULL)
		q->subdev->n_queues++;
	q->qd->used_queues++;
	atomic_store(&q->qd->queues[q->number], q);
}

void
qd_queue_drop(struct rte_pmd_queue_dev_queue *q)
{
	qd_queue_stale_set(q, false);
	atomic_store(&q->qd->queues[q->number], NULL);
	if (q->eq != NULL)
		q->eq->n_queues--;
	if (q->subdev != NULL)
		q->subdev->n_queues--;
	q->qd->used_queues--;
}

static int
create_locked(struct qd *qd, struct rte_pmd_queue_dev_queue *q, struct rte_ims_vec *vec)
{
	int64_t n;
	int rc;

	rc = qd_settle(qd);
	if (qd_silent(qd, rc))
		return rc;
	n = take_number(qd, vec);
	if (n < 0)
		return n;
	q->number = n;
	rc = use_vec(q, vec);
	if (rc != 0)
		return rc;
	rc = queue_command(q);
	if (rc == 0 || rc == -ETIMEDOUT)
		queue_keep(q);
	if (rc == -ETIMEDOUT)
		qd_queue_lose(q);
	return rc;
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
	rc = check_conf(conf, qd);
	rte_errno = -rc;
	if (rc != 0)
		return NULL;
	/*
	 * Rings are taken and given back under the lock: that of DPDK's heap is one ThreadSanitizer
	 * does not see, and one queue's ring is the next one's.
	 */
	pthread_mutex_lock(&qd->lock);
	q = queue_new(qd, conf);
	rc = q != NULL ? create_locked(qd, q, conf->vec) : -ENOMEM;
	if (rc != 0 && q != NULL && !q->lost) /* else the device may have it, and its rings */
		qd_queue_free(q);
	pthread_mutex_unlock(&qd->lock);
	if (rc != 0) {
		rte_errno = -rc;
		return NULL;
	}
	go_live(q);
	return q;
}

/*
 * Off its vector: when this returns its handler does not run, unless we are in it, and no thread
 * looks at the queue. In this order: queue_dev_eq.c says why.
 */
static int
leave_vec(struct rte_pmd_queue_dev_queue *q)
{
	int rc;

	home_leave(q);
	rc = q->obj.vec != NULL ? rte_ims_vec_detach(&q->obj) : 0;
	q->leaving = rc != 0;
	if (rc == 0)
		qd_queue_left(q);
	return rc;
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
	rc = queue->dead ? 0 : qd_cmd_destroy(qd, &cmd, QUEUE_DEV_KIND_QUEUE);
	queue->dead = rc == 0;
	pthread_mutex_unlock(&qd->lock);
	if (rc == 0)
		rc = leave_vec(queue);
	if (rc != 0)
		return rc;
	/* Nobody looks at it any more. */
	pthread_mutex_lock(&qd->lock);
	qd_queue_drop(queue);
	qd_queue_free(queue);
	pthread_mutex_unlock(&qd->lock);
	return 0;
}

int
qd_queue_eq_set(struct rte_pmd_queue_dev_queue *q, uint16_t eqn)
{
	struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_QUEUE_MODIFY,
		.number = q->number,
		.what = QUEUE_DEV_WHAT_EQ,
		.eqn = eqn };
	int rc;

	rc = qd_cmd(q->qd, &cmd);
	if (rc == -ETIMEDOUT) {
		rc = qd_query(q->qd, QUEUE_DEV_KIND_QUEUE, q->number);
		if (rc == 0 && q->qd->query->ctx.eqn != eqn)
			rc = -EIO;
	}
	/* Refused: it is where it was, whatever is known of that. */
	if (rc == -ETIMEDOUT || rc == 0)
		qd_queue_stale_set(q, rc != 0);
	return rc;
}

/* MODIFY_INTR: it interrupts nobody by itself any more. As qd_queue_eq_set(). */
static int
intr_clear(struct rte_pmd_queue_dev_queue *q)
{
	struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_MODIFY_INTR,
		.kind = QUEUE_DEV_KIND_QUEUE,
		.number = q->number,
		.intr = QUEUE_DEV_INTR_NONE };
	int rc;

	rc = qd_cmd(q->qd, &cmd);
	if (rc == -ETIMEDOUT) {
		rc = qd_query(q->qd, QUEUE_DEV_KIND_QUEUE, q->number);
		if (rc == 0 && q->qd->query->ctx.intr != QUEUE_DEV_INTR_NONE)
			rc = -EIO;
	}
	if (rc == 0)
		q->intr = QUEUE_DEV_INTR_NONE;
	if (rc == -ETIMEDOUT || rc == 0)
		qd_queue_stale_set(q, rc != 0);
	return rc;
}

int
qd_queue_place(struct rte_pmd_queue_dev_queue *q)
{
	if (q->vec == NULL && q->intr != QUEUE_DEV_INTR_NONE)
		return intr_clear(q);
	return qd_queue_eq_set(q, q->eq != NULL ? q->eq->number : QUEUE_DEV_EQN_NONE);
}

/* From one event queue to another, or to none. */
static int
attach_eq(struct rte_pmd_queue_dev_queue *q, struct rte_ims_vec *vec)
{
	struct qd_eq *eq = NULL;
	int rc;

	/* Left over from a vector of its own that has gone. */
	rc = q->intr != QUEUE_DEV_INTR_NONE ? qd_queue_place(q) : 0;
	if (rc != 0)
		return rc == -ENOENT ? -EIO : rc;
	if (vec != NULL) {
		eq = qd_eq_get(q->qd, vec);
		if (eq == NULL)
			return -rte_errno;
	}
	rc = qd_queue_eq_set(q, eq != NULL ? eq->number : QUEUE_DEV_EQN_NONE);
	if (rc != 0)
		return rc == -ENOENT ? -EIO : rc;
	if (q->eq != NULL)
		q->eq->n_queues--;
	if (eq != NULL)
		eq->n_queues++;
	q->eq = eq;
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
	int rc;

	if (queue == NULL || (vec != NULL && queue->fn == NULL))
		return -EINVAL;
	qd = queue->qd;
	/* Not from a vector of its own, while that is there. */
	if ((queue->vec != NULL && queue->eq == NULL) || (vec != NULL && ims_vec_dedicated(vec)) ||
		(vec != NULL && (rte_ims_vec_dev(vec) != qd->dev || is_own_slot(qd, vec))))
		return -EINVAL;
	old = queue->vec;
	if (old == vec && !queue->stale && !queue->leaving)
		return 0;
	rc = vec != NULL ? qd_subdev_vec_check(queue->subdev, vec) : 0;
	if (rc != 0)
		return rc;
	rc = leave_vec(queue);
	if (rc == 0) {
		pthread_mutex_lock(&qd->lock);
		rc = attach_eq(queue, vec);
		pthread_mutex_unlock(&qd->lock);
	}
	go_live(queue);
	return rc;
}

int
rte_pmd_queue_dev_queue_number(const struct rte_pmd_queue_dev_queue *queue)
{
	return queue != NULL ? (int)queue->number : -EINVAL;
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
		if (q == NULL || q->dead)
			continue;
		if (q->vec == NULL)
			q->intr = QUEUE_DEV_INTR_NONE;
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
