/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Event queues, section 8: one behind each vector that queues share. An event of the vector costs
 * as much as there are queues with completions, however many hang on it: the device names them.
 *
 * No event is lost. EQEs are consumed until there is none, then EQ_ARM tells how far: if there is
 * one more by now the device interrupts at once, else with the next. Queues are armed by the same
 * rule after their handlers have run (qd_queue_run()).
 *
 * The device is not trusted: a number that is none, or that of a queue which is not on this vector,
 * is counted and dropped.
 *
 * Who may look at a queue. An entry can name any queue, also one that another thread destroys right
 * now. So an event queue's thread first looks at `homes`, an array that is never freed, and at the
 * queue itself only if that is on this very event queue. Who takes a queue off, to destroy it or to
 * move it, clears its home, then drains the sets of the event queue's vector, by
 * rte_ims_vec_detach(). The store of the home and the drain's load of the set's epoch are both
 * sequentially consistent; the set's thread makes its epoch odd, has a full barrier, and then loads
 * the home (lib/ims/ims_wait.c). One of the two sees the other: either the thread finds no home, or
 * the drain waits until it has left the handlers, and with them all that it had found. Threads of
 * other event queues never get beyond the home, which is not theirs. No more than one load is what
 * this costs.
 */

#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "queue_dev_private.h"

/* Then the vectors beside this one get their turn: the arm with what is left fires at once. */
#define BUDGET 256

static struct rte_pmd_queue_dev_queue *
find_queue(struct qd_eq *eq, const struct queue_dev_eqe *eqe)
{
	/* Once: what is checked is what is used, whatever the device does. */
	uint32_t n = __atomic_load_n(&eqe->queue, __ATOMIC_RELAXED);
	struct qd *qd = eq->qd;

	/* Acquire: the home is set after the queue. */
	if (unlikely(n >= qd->n_queues ||
		     atomic_load_explicit(&qd->homes[n], memory_order_acquire) !=
			     QD_HOME(eq->number, eqe->subdev)))
		return NULL;
	return atomic_load_explicit(&qd->queues[n], memory_order_relaxed);
}

/* After a reset: what was under way in the queues is aborted, their handlers are to hear of it. */
static void
run_all(struct qd_eq *eq, struct rte_ims_vec *vec)
{
	struct rte_pmd_queue_dev_queue *q;
	struct qd *qd = eq->qd;
	uint32_t n, home;

	for (n = 0; n < qd->n_queues; n++) {
		home = atomic_load_explicit(&qd->homes[n], memory_order_acquire);
		if (QD_HOME_EQ(home) != QD_HOME(eq->number, 0))
			continue;
		q = atomic_load_explicit(&qd->queues[n], memory_order_relaxed);
		ims_obj_run(vec, &q->obj);
	}
}

/* Is there a next entry? Its queue is *q, NULL: none of ours. False during a reset, too. */
static bool
eq_take(struct qd_eq *eq, struct rte_pmd_queue_dev_queue **q)
{
	const struct queue_dev_eqe *eqe;
	bool found;

	if (unlikely(!qd_enter(eq->qd, &eq->inside)))
		return false;
	eqe = &eq->ring[eq->ci & ((1u << eq->log_size) - 1)];
	/* Acquire: the completions that it tells of are visible after it. */
	found = __atomic_load_n(&eqe->stamp, __ATOMIC_ACQUIRE) >> 63 !=
	        (eq->ci >> eq->log_size & 1);
	if (found) {
		eq->ci++;
		*q = find_queue(eq, eqe);
	}
	qd_leave(&eq->inside);
	return found;
}

static bool
take_look(struct qd_eq *eq)
{
	bool look;

	if (likely(!atomic_load_explicit(&eq->look, memory_order_relaxed)) ||
		!qd_enter(eq->qd, &eq->inside))
		return false;
	look = atomic_exchange(&eq->look, false);
	qd_leave(&eq->inside);
	return look;
}

static void
eq_arm(struct qd_eq *eq, unsigned int n_taken)
{
	if (unlikely(!qd_enter(eq->qd, &eq->inside)))
		return;
	/* One writer, so no locked operation. */
	atomic_store_explicit(&eq->n_taken,
		atomic_load_explicit(&eq->n_taken, memory_order_relaxed) + n_taken,
		memory_order_relaxed);
	qd_ring(eq->qd, QUEUE_DEV_DB(QUEUE_DEV_DB_EQ_ARM, eq->number, eq->ci));
	qd_leave(&eq->inside);
}

static void
eq_run(struct rte_ims_vec *vec, void *priv)
{
	struct rte_pmd_queue_dev_queue *q;
	struct qd_eq *eq = priv;
	unsigned int n;

	/*
	 * Its thread ended in a handler: of which queue, and which it had not armed, nobody knows.
	 */
	if (unlikely(eq->running))
		atomic_store(&eq->look, true);
	eq->running = true;
	if (unlikely(take_look(eq)))
		run_all(eq, vec);
	for (n = 0; n < BUDGET && eq_take(eq, &q); n++) {
		if (likely(q != NULL))
			ims_obj_run(vec, &q->obj);
		else
			atomic_fetch_add_explicit(&eq->qd->stray_events, 1, memory_order_relaxed);
	}
	eq_arm(eq, n);
	eq->running = false;
}

/* With MSI-X any number does that is not set aside for own messages. */
static int64_t
take_number(struct qd *qd, struct rte_ims_vec *vec, uint16_t *intr)
{
	int64_t slot = ims_vec_slot(vec, qd->dev, RTE_IMS_STORE_MSIX), n;

	if (slot < 0) {
		if (ims_vec_store(vec) != qd->eq_store)
			return -EINVAL;
		slot = ims_vec_slot(vec, qd->dev, RTE_IMS_STORE_QUEUE);
		if (slot < QUEUE_DEV_N_SPECIAL)
			return -EINVAL;
		*intr = QUEUE_DEV_INTR_OWN;
		n = slot - QUEUE_DEV_N_SPECIAL;
		return qd->eqs[n] == NULL ? n : -EBUSY;
	}
	*intr = slot;
	for (n = qd->n_ims_eqs; n < qd->n_eqs; n++)
		if (qd->eqs[n] == NULL)
			return n;
	return -ENOSPC;
}

static int
eq_command(struct qd_eq *eq)
{
	struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_EQ_CREATE, .number = eq->number };
	struct queue_dev_ctx *ctx;

	memset(eq->ring, 0, (size_t)sizeof(*eq->ring) << eq->log_size);
	eq->ci = 0;
	ctx = qd_ctx(eq->qd, QUEUE_DEV_SLOT_EQ(eq->number), QUEUE_DEV_KIND_EQ, eq->number);
	ctx->flags = ctx->state = 0;
	ctx->ring = (uintptr_t)eq->ring;
	ctx->cq = 0;
	ctx->log_size = eq->log_size;
	ctx->cq_log_size = 0;
	ctx->intr = eq->intr;
	ctx->eqn = ctx->subdev = ctx->coal_count = ctx->coal_usec = 0;
	if (eq->intr != QUEUE_DEV_INTR_OWN) {
		ctx->msg_addr = ctx->msg_data = 0;
		ctx->msg_ctrl = QUEUE_DEV_MSG_CTRL_MASK;
	}
	cmd.ctx = (uintptr_t)ctx;
	cmd.ctx_seq = ctx->seq;
	return qd_cmd_create(eq->qd, &cmd, QUEUE_DEV_KIND_EQ, eq->ring);
}

static void
eq_keep(struct qd_eq *eq)
{
	eq->qd->eqs[eq->number] = eq;
	eq->qd->used_eqs++;
}

/* The device does not have it. */
void
qd_eq_release(struct qd_eq *eq)
{
	eq->qd->eqs[eq->number] = NULL;
	eq->qd->used_eqs--;
	rte_free(eq->ring);
	free(eq);
}

static uint32_t
log2_ceil(uint32_t n)
{
	uint32_t log = QUEUE_DEV_EQ_MIN_LOG;

	while (log < QUEUE_DEV_EQ_MAX_LOG && (1u << log) < n)
		log++;
	return log;
}

static struct qd_eq *
eq_new(struct qd *qd, struct rte_ims_vec *vec)
{
	struct qd_eq *eq;
	int64_t n;
	int rc;

	rc = qd_settle(qd);
	rte_errno = -rc;
	if (qd_silent(qd, rc))
		return NULL;
	rte_errno = ENOMEM;
	eq = calloc(1, sizeof(*eq));
	if (eq == NULL)
		return NULL;
	n = take_number(qd, vec, &eq->intr);
	if (n < 0) {
		free(eq);
		rte_errno = -n;
		return NULL;
	}
	eq->qd = qd;
	eq->number = n;
	eq->vec = vec;
	/* Room for all queues: no one is refused, whatever is moved to this vector. */
	eq->log_size = log2_ceil(qd->n_queues);
	eq->ring = rte_zmalloc(
		"queue_dev", (size_t)sizeof(*eq->ring) << eq->log_size, RTE_CACHE_LINE_SIZE);
	rc = eq->ring != NULL ? eq_command(eq) : -ENOMEM;
	if (rc == 0 || rc == -ETIMEDOUT) {
		eq_keep(eq);
	} else {
		rte_free(eq->ring);
		free(eq);
	}
	if (rc == -ETIMEDOUT)
		qd_eq_lose(eq);
	rte_errno = -rc;
	return rc == 0 ? eq : NULL;
}

struct qd_eq *
qd_eq_get(struct qd *qd, struct rte_ims_vec *vec)
{
	struct qd_eq *eq = ims_vec_driver_priv(vec);

	if (eq != NULL)
		return eq;
	eq = eq_new(qd, vec);
	if (eq == NULL)
		return NULL;
	ims_vec_driver_priv_set(vec, eq);
	ims_vec_demux_set(vec, eq_run, eq);
	qd_ring(qd, QUEUE_DEV_DB(QUEUE_DEV_DB_EQ_ARM, eq->number, 0));
	return eq;
}

int
qd_vec_init(struct rte_ims_vec *vec)
{
	struct qd *qd = qd_from(rte_ims_vec_dev(vec));
	struct qd_eq *eq;

	pthread_mutex_lock(&qd->lock);
	eq = qd_eq_get(qd, vec);
	pthread_mutex_unlock(&qd->lock);
	return eq != NULL ? 0 : -rte_errno;
}

/*
 * Queues that still hang on it go on without: they can be polled, or attached to another vector.
 * A device that does not answer is waited for once.
 */
static void
orphan(struct qd *qd, const struct rte_ims_vec *vec)
{
	struct rte_pmd_queue_dev_queue *q;
	int rc = 0;
	uint32_t i;

	for (i = 0; i < qd->n_queues; i++) {
		q = atomic_load(&qd->queues[i]);
		if (q == NULL || q->vec != vec)
			continue;
		qd_queue_vec_gone(q);
		if (q->dead)
			continue;
		if (!qd_silent(qd, rc))
			rc = qd_queue_place(q);
		if (rc == -EIO && !qd_silent(qd, rc)) /* nobody is there to try again */
			rc = qd_queue_place(q);
		if (rc == -EIO || rc == -ETIMEDOUT)
			qd_queue_stale_set(q, true);
	}
}

void
qd_vec_fini(struct rte_ims_vec *vec)
{
	struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_EQ_DESTROY };
	struct qd *qd = qd_from(rte_ims_vec_dev(vec));
	struct qd_eq *eq = ims_vec_driver_priv(vec);
	int rc;

	pthread_mutex_lock(&qd->lock);
	/* Closing, the tables of others go after the driver's: their commands are polled for. */
	if (vec == qd->cmd_vec)
		qd->cmd_vec = NULL;
	orphan(qd, vec);
	if (eq == NULL) {
		pthread_mutex_unlock(&qd->lock);
		return;
	}
	cmd.number = eq->number;
	rc = qd_cmd_destroy(qd, &cmd, QUEUE_DEV_KIND_EQ);
	if (rc != 0 && !qd_silent(qd, rc))
		rc = qd_cmd_destroy(qd, &cmd, QUEUE_DEV_KIND_EQ);
	if (rc == 0)
		qd_eq_release(eq);
	else
		qd_eq_lose(eq); /* it may still write to the ring */
	pthread_mutex_unlock(&qd->lock);
	ims_vec_driver_priv_set(vec, NULL);
}

int
qd_eqs_restore(struct qd *qd)
{
	struct qd_eq *eq;
	uint32_t n;
	int rc = 0;

	for (n = 0; n < qd->n_eqs && rc == 0; n++) {
		eq = qd->eqs[n];
		if (eq == NULL)
			continue;
		rc = eq_command(eq);
		atomic_store(&eq->look, true);
		if (rc == 0)
			qd_ring_reset(qd, QUEUE_DEV_DB(QUEUE_DEV_DB_EQ_ARM, n, 0));
	}
	return rc;
}

int
rte_pmd_queue_dev_eqs_get(
	struct rte_ims_dev *dev, struct rte_pmd_queue_dev_eq_info *eqs, unsigned int n)
{
	struct qd *qd = qd_from(dev);
	const struct qd_eq *eq;
	unsigned int found = 0;
	uint32_t i;

	if (dev == NULL || (eqs == NULL && n != 0))
		return -EINVAL;
	if (qd == NULL)
		return -ENODEV;
	pthread_mutex_lock(&qd->lock);
	for (i = 0; i < qd->n_eqs; i++) {
		eq = qd->eqs[i];
		if (eq == NULL || eq->lost || found++ >= n)
			continue;
		eqs[found - 1] = (struct rte_pmd_queue_dev_eq_info){
			.number = eq->number,
			.n_entries = 1u << eq->log_size,
			.vec = eq->vec,
			.n_queues = eq->n_queues,
			.n_taken = atomic_load_explicit(&eq->n_taken, memory_order_relaxed),
		};
	}
	pthread_mutex_unlock(&qd->lock);
	return found;
}
