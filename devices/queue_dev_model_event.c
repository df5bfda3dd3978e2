/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Sections 7.5 and 8: who is armed, what an event of a queue becomes, and event queues. */

#include <string.h>

#include "queue_dev_model.h"
#include "ticks.h"

static uint32_t
eq_size(const struct qd_eq *eq)
{
	return 1u << eq->log;
}

/*
 * There is one more entry, pi of them: is it an event? Coalescing may say: not yet, and then the
 * slot's timer runs.
 */
static bool
notify_due(struct queue_dev *d, uint32_t slot, struct qd_notify *n, uint32_t pi)
{
	if (!n->armed && !n->always)
		return false;
	if (n->coal_usec == 0 || (n->coal_count != 0 && pi - n->base >= n->coal_count))
		return true;
	if (d->heap.place[slot] == TIMER_HEAP_NONE)
		qd_timer_set(d, slot, n->coal_usec);
	return false;
}

static void
notify_done(struct queue_dev *d, uint32_t slot, struct qd_notify *n, uint32_t pi)
{
	n->armed = false;
	n->base = pi;
	qd_timer_del(d, slot);
}

static void
eq_fire(struct queue_dev *d, uint32_t eqn)
{
	struct qd_eq *eq = &d->eqs[eqn];

	notify_done(d, qd_slot_eq(eqn), &eq->notify, eq->pi);
	qd_intr_raise(d, qd_slot_eq(eqn));
}

/* Section 8.4. */
static void
eq_error(struct queue_dev *d, uint32_t eqn)
{
	d->eqs[eqn].state = QUEUE_DEV_CTX_STATE_ERROR;
	qd_error(d, QUEUE_DEV_ERROR_RING, (uint64_t)QUEUE_DEV_KIND_EQ << 32 | eqn);
	eq_fire(d, eqn);
}

/* Section 8.2: an entry. There is room for it. */
static void
eqe_write(
	struct qd_eq *eq, struct queue_dev_eqe *to, const struct queue_dev_eqe *eqe, uint16_t owner)
{
	uint64_t stamp = ticks_stamp() & ~QUEUE_DEV_EQE_OWNER;

	if ((eq->pi & eq_size(eq)) == 0)
		stamp |= QUEUE_DEV_EQE_OWNER;
	to->queue = eqe->queue;
	to->subdev = eqe->subdev;
	to->type = eqe->type;
	/* Release: the rest of it, and the CQEs that are the reason, come first. */
	atomic_store_explicit((_Atomic(uint64_t) *)&to->stamp, stamp, memory_order_release);
	eq->owner[eq->pi & (eq_size(eq) - 1)] = owner;
	eq->pi++;
	eq->eqes++;
}

/* Section 10: it may take a place only if all queues still have theirs. */
static void
eqe_bogus(struct queue_dev *d, struct qd_eq *eq)
{
	struct queue_dev_eqe eqe = { .type = QUEUE_DEV_EQE_COMPLETION };
	struct queue_dev_eqe *to = qd_ring_at(d, &eq->ring, eq->pi);
	const struct qd_hazard *hazard;

	if (eq->attached + eq->orphans + eq->bogus == eq_size(eq) || to == NULL)
		return;
	hazard = qd_hazard(d, QUEUE_DEV_INJECT_EQE_BOGUS);
	if (hazard == NULL)
		return;
	eqe.queue = hazard->arg;
	eqe.subdev = hazard->arg >> 32;
	eqe_write(eq, to, &eqe, QD_BOGUS);
	eq->bogus++;
	d->n_eqes++;
}

/*
 * A queue has one entry at a time that is not consumed. An event meanwhile, or one that cannot be
 * written now, waits: eq_consumed(), an attach, or bus mastering bring it on.
 */
static void
eqe_post(struct queue_dev *d, uint32_t qn, uint8_t type)
{
	struct qd_queue *q = &d->queues[qn];
	struct qd_eq *eq = &d->eqs[q->eqn];
	struct queue_dev_eqe eqe = { .queue = qn, .subdev = q->subdev }, *to;

	q->deferred |= type;
	if (q->outstanding || !vfu_bus_master(d->vfu) || eq->state != QUEUE_DEV_CTX_STATE_READY)
		return;
	qd_ring_begin(d, &eq->ring);
	eqe_bogus(d, eq);
	to = qd_ring_at(d, &eq->ring, eq->pi);
	if (to == NULL) {
		eq_error(d, q->eqn);
		return;
	}
	eqe.type = q->deferred;
	q->deferred = 0;
	q->outstanding = true;
	q->eqe_at = eq->pi;
	eqe_write(eq, to, &eqe, qn);
	d->n_eqes++;
	if (notify_due(d, qd_slot_eq(q->eqn), &eq->notify, eq->pi))
		eq_fire(d, q->eqn);
}

static void
queue_event(struct queue_dev *d, uint32_t qn, uint8_t type)
{
	struct qd_queue *q = &d->queues[qn];

	notify_done(d, qd_slot_queue(d, qn), &q->notify, q->pi);
	if (q->eqn == QUEUE_DEV_EQN_NONE) {
		qd_intr_raise(d, qd_slot_queue(d, qn));
		return;
	}
	d->intrs[qd_slot_queue(d, qn)].events++;
	eqe_post(d, qn, type);
}

void
qd_queue_completed(struct queue_dev *d, uint32_t qn)
{
	struct qd_queue *q = &d->queues[qn];

	if (notify_due(d, qd_slot_queue(d, qn), &q->notify, q->pi))
		queue_event(d, qn, QUEUE_DEV_EQE_COMPLETION);
}

/* Section 7.6. */
void
qd_queue_error(struct queue_dev *d, uint32_t qn)
{
	d->queues[qn].state = QUEUE_DEV_CTX_STATE_ERROR;
	qd_error(d, QUEUE_DEV_ERROR_RING, (uint64_t)QUEUE_DEV_KIND_QUEUE << 32 | qn);
	queue_event(d, qn, QUEUE_DEV_EQE_ERROR);
}

/* Section 7.5: what was completed before the arm was taken is an event now, what comes, later. */
bool
qd_queue_arm(struct queue_dev *d, uint32_t qn, uint32_t ci)
{
	struct qd_queue *q = &d->queues[qn];

	if (q->pi - ci > 1u << q->cq_log)
		return false;
	q->ci = ci;
	if (ci != q->pi) {
		queue_event(d, qn, QUEUE_DEV_EQE_COMPLETION);
		return true;
	}
	notify_done(d, qd_slot_queue(d, qn), &q->notify, q->pi);
	q->notify.armed = true;
	return true;
}

/* Entry number eq->ci is the driver's no more. */
static void
consume_one(struct queue_dev *d, struct qd_eq *eq)
{
	uint16_t owner = eq->owner[eq->ci & (eq_size(eq) - 1)];

	eq->ci++;
	if (owner == QD_ORPHAN) {
		eq->orphans--;
	} else if (owner == QD_BOGUS) {
		eq->bogus--;
	} else {
		d->queues[owner].outstanding = false;
		if (d->queues[owner].deferred != 0)
			eqe_post(d, owner, 0);
	}
}

/* Section 8.3. */
bool
qd_eq_consumed(struct queue_dev *d, uint32_t eqn, uint32_t ci, bool arm)
{
	struct qd_eq *eq = &d->eqs[eqn];

	if (ci - eq->ci > eq->pi - eq->ci)
		return false;
	arm = arm && !eq->notify.always;
	if (arm)
		notify_done(d, qd_slot_eq(eqn), &eq->notify, eq->pi); /* the new arm replaces it */
	while (eq->ci != ci)
		consume_one(d, eq);
	if (!arm || eq->state != QUEUE_DEV_CTX_STATE_READY)
		return true;
	eq->notify.armed = eq->ci == eq->pi;
	if (!eq->notify.armed)
		eq_fire(d, eqn);
	return true;
}

bool
qd_eq_has_room(const struct queue_dev *d, uint32_t eqn)
{
	const struct qd_eq *eq = &d->eqs[eqn];

	return eq->attached + eq->orphans + eq->bogus < eq_size(eq);
}

/* There is room; what the queue had to say to its last EQ and could not, it says to this one. */
void
qd_eq_attach(struct queue_dev *d, uint32_t qn, uint16_t eqn)
{
	struct qd_queue *q = &d->queues[qn];
	uint8_t deferred = q->deferred;

	q->eqn = eqn;
	if (eqn != QUEUE_DEV_EQN_NONE)
		d->eqs[eqn].attached++;
	if (deferred == 0)
		return;
	q->deferred = 0;
	if (eqn != QUEUE_DEV_EQN_NONE)
		eqe_post(d, qn, deferred);
	else
		qd_intr_raise(d, qd_slot_queue(d, qn));
}

void
qd_eq_detach(struct queue_dev *d, uint32_t qn)
{
	struct qd_queue *q = &d->queues[qn];
	struct qd_eq *eq;

	if (q->eqn == QUEUE_DEV_EQN_NONE)
		return;
	eq = &d->eqs[q->eqn];
	eq->attached--;
	if (q->outstanding) {
		eq->owner[q->eqe_at & (eq_size(eq) - 1)] = QD_ORPHAN;
		eq->orphans++;
	}
	q->outstanding = false;
	q->eqn = QUEUE_DEV_EQN_NONE;
}

static struct qd_notify *
notify_of(struct queue_dev *d, uint32_t slot, uint32_t *pi)
{
	uint32_t number = slot - QUEUE_DEV_N_SPECIAL;

	if (number < d->n_eqs) {
		*pi = d->eqs[number].pi;
		return &d->eqs[number].notify;
	}
	*pi = d->queues[number - d->n_eqs].pi;
	return &d->queues[number - d->n_eqs].notify;
}

/* A slot whose timer runs is armed, or ALWAYS: whatever else ends the delay stops the timer. */
void
qd_notify_expired(struct queue_dev *d, uint32_t slot)
{
	uint32_t number = slot - QUEUE_DEV_N_SPECIAL;

	if (number < d->n_eqs)
		eq_fire(d, number);
	else
		queue_event(d, number - d->n_eqs, QUEUE_DEV_EQE_COMPLETION);
}

/* An event that was delayed by the old values is looked at by the new ones, from now on. */
void
qd_notify_modify(struct queue_dev *d, uint32_t slot, uint16_t count, uint16_t usec)
{
	bool delayed = d->heap.place[slot] != TIMER_HEAP_NONE;
	struct qd_notify *n;
	uint32_t pi;

	n = notify_of(d, slot, &pi);
	n->coal_count = count;
	n->coal_usec = usec;
	qd_timer_del(d, slot);
	if (delayed && notify_due(d, slot, n, pi))
		qd_notify_expired(d, slot);
}

void
qd_events_flush(struct queue_dev *d)
{
	uint32_t i;

	for (i = 0; i < d->n_queues; i++)
		if (d->queues[i].deferred != 0)
			eqe_post(d, i, 0);
}
