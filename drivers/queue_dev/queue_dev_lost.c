/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * What the device may or may not have: it answered neither a command nor the question after it.
 *
 * An object that its creator was not given, or that the library has freed, is *lost*: nobody's, but
 * its number is in use and its rings stay, for the device may write there. A queue that may be on
 * another event queue than its owner thinks is *stale*: it is its owner's, and works, but events of
 * it may be dropped by the wrong event queue. So is one that may interrupt by an MSI-X vector which
 * it has no more: the vector's next owner may be called for nothing. Both are settled by the next
 * commands that need the device, when it answers again; or by a reset, after which it has nothing.
 * Nothing is freed before.
 */

#include <stdlib.h>

#include "queue_dev_private.h"

void
qd_eq_lose(struct qd_eq *eq)
{
	QD_LOG(WARNING, "the device may have event queue %u: it is kept", eq->number);
	eq->lost = true;
	eq->vec = NULL;
	eq->qd->n_lost++;
}

void
qd_queue_lose(struct rte_pmd_queue_dev_queue *q)
{
	QD_LOG(WARNING, "the device may have queue %u: it is kept", q->number);
	if (q->eq != NULL)
		q->eq->n_queues--;
	if (q->subdev != NULL)
		q->subdev->n_queues--;
	q->eq = NULL;
	q->subdev = NULL;
	q->vec = NULL;
	q->lost = true;
	q->qd->n_lost++;
}

void
qd_subdev_lose(struct rte_pmd_queue_dev_subdev *s)
{
	QD_LOG(WARNING, "the device may have sub-device %u: it is kept", s->number);
	s->table = NULL;
	s->lost = true;
	s->qd->n_lost++;
}

void
qd_queue_stale_set(struct rte_pmd_queue_dev_queue *q, bool stale)
{
	if (atomic_exchange(&q->stale, stale) != stale)
		q->qd->n_lost += stale ? 1 : -1;
}

static void
queue_found(struct rte_pmd_queue_dev_queue *q)
{
	q->qd->n_lost--;
	qd_queue_drop(q);
	qd_queue_free(q);
}

static void
eq_found(struct qd_eq *eq)
{
	eq->qd->n_lost--;
	qd_eq_release(eq);
}

static void
subdev_found(struct rte_pmd_queue_dev_subdev *s)
{
	s->qd->n_lost--;
	s->qd->subdevs[s->number] = NULL;
	free(s);
}

static int
settle_queue(struct rte_pmd_queue_dev_queue *q)
{
	struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_QUEUE_DESTROY, .number = q->number };
	uint64_t arm;
	int rc;

	if (q->lost) {
		rc = qd_cmd_destroy(q->qd, &cmd, QUEUE_DEV_KIND_QUEUE);
		if (rc == 0)
			queue_found(q);
		return rc;
	}
	rc = qd_queue_place(q);
	if (rc == -ENOENT)
		qd_queue_stale_set(q, false); /* it is nowhere */
	/* For what the wrong event queue has dropped. */
	arm = rc == 0 && q->eq != NULL ? qd_queue_arm_doorbell(q) : 0;
	if (arm != 0)
		qd_ring(q->qd, arm);
	return rc == -ENOENT ? 0 : rc;
}

static int
settle_queues(struct qd *qd)
{
	struct rte_pmd_queue_dev_queue *q;
	int rc, result = 0;
	uint32_t n;

	for (n = 0; n < qd->n_queues && !qd_silent(qd, result); n++) {
		q = atomic_load(&qd->queues[n]);
		rc = q != NULL && (q->lost || (q->stale && !q->dead)) ? settle_queue(q) : 0;
		result = rc != 0 ? rc : result;
	}
	return result;
}

static int
settle_eqs(struct qd *qd)
{
	struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_EQ_DESTROY };
	int rc, result = 0;
	struct qd_eq *eq;

	for (cmd.number = 0; cmd.number < qd->n_eqs && !qd_silent(qd, result); cmd.number++) {
		eq = qd->eqs[cmd.number];
		if (eq == NULL || !eq->lost)
			continue;
		rc = qd_cmd_destroy(qd, &cmd, QUEUE_DEV_KIND_EQ);
		if (rc == 0)
			eq_found(eq);
		else
			result = rc;
	}
	return result;
}

static int
settle_subdevs(struct qd *qd)
{
	struct rte_pmd_queue_dev_subdev *s;
	int rc, result = 0;
	uint32_t n;

	for (n = 1; n <= qd->n_subdevs && !qd_silent(qd, result); n++) {
		s = qd->subdevs[n];
		if (s == NULL || !s->lost)
			continue;
		rc = qd_subdev_command(qd, QUEUE_DEV_CMD_SUBDEV_DESTROY, n);
		if (rc == 0)
			subdev_found(s);
		else
			result = rc;
	}
	return result;
}

/* Queues first: an event queue that has some cannot be destroyed. */
int
qd_settle(struct qd *qd)
{
	int rc = 0;

	if (likely(qd->n_lost == 0))
		return 0;
	rc = settle_queues(qd);
	if (!qd_silent(qd, rc))
		rc = settle_eqs(qd);
	if (!qd_silent(qd, rc))
		rc = settle_subdevs(qd);
	return rc == 0 || rc == -ETIMEDOUT ? rc : -EIO;
}

void
qd_lost_free(struct qd *qd)
{
	struct rte_pmd_queue_dev_queue *q;
	struct qd_eq *eq;
	uint32_t n;

	for (n = 0; n < qd->n_queues; n++) {
		q = atomic_load(&qd->queues[n]);
		if (q != NULL && q->lost)
			queue_found(q);
		else if (q != NULL)
			qd_queue_stale_set(q, false);
	}
	for (n = 0; n < qd->n_eqs; n++) {
		eq = qd->eqs[n];
		if (eq != NULL && eq->lost)
			eq_found(eq);
	}
	for (n = 1; n <= qd->n_subdevs; n++)
		if (qd->subdevs[n] != NULL && qd->subdevs[n]->lost)
			subdev_found(qd->subdevs[n]);
}
