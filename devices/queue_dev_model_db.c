/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Section 4: doorbells, and the portals that they are stored in. */

#include "queue_dev_model.h"

static _Atomic(uint64_t) *
cell_of(struct queue_dev *d, uint32_t portal, uint32_t cell)
{
	return &d->cells[portal * QUEUE_DEV_PORTAL_CELLS + cell];
}

/*
 * Without the lock this may look at a cell that another thread has just taken. It costs a round:
 * the engine, which calls it so, looks once more with the lock held before it sleeps.
 */
bool
qd_cells_peek(struct queue_dev *d)
{
	uint64_t mask = atomic_load_explicit(&d->portals, memory_order_relaxed);
	uint32_t portal, next;

	for (; mask != 0; mask &= mask - 1) {
		portal = __builtin_ctzll(mask);
		next = atomic_load_explicit(&d->next_cell[portal], memory_order_relaxed);
		if (atomic_load(cell_of(d, portal, next)) != 0)
			return true;
	}
	return false;
}

static bool
portal_take(struct queue_dev *d, uint32_t portal, uint32_t max)
{
	uint32_t next = atomic_load_explicit(&d->next_cell[portal], memory_order_relaxed), n;
	_Atomic(uint64_t) *cell;
	uint64_t db;

	for (n = 0; n < max; n++) {
		cell = cell_of(d, portal, next);
		/* Acquire: what was in memory before the doorbell is seen after it. */
		db = atomic_load_explicit(cell, memory_order_acquire);
		if (db == 0)
			break;
		atomic_store_explicit(cell, 0, memory_order_relaxed);
		next = (next + 1) % QUEUE_DEV_PORTAL_CELLS;
		atomic_store_explicit(&d->next_cell[portal], next, memory_order_relaxed);
		qd_doorbell(d, db);
	}
	return n != 0;
}

/* A client that stores as fast as we take holds up nobody: the number is limited. */
bool
qd_cells_take(struct queue_dev *d, uint32_t max)
{
	uint64_t mask = atomic_load_explicit(&d->portals, memory_order_relaxed);
	bool any = false;

	for (; mask != 0; mask &= mask - 1)
		any |= portal_take(d, __builtin_ctzll(mask), max);
	return any;
}

static void
portal_clear(struct queue_dev *d, uint32_t portal)
{
	uint32_t i;

	for (i = 0; i < QUEUE_DEV_PORTAL_CELLS; i++)
		atomic_store_explicit(cell_of(d, portal, i), 0, memory_order_relaxed);
	atomic_store_explicit(&d->next_cell[portal], 0, memory_order_relaxed);
}

void
qd_portal_enable(struct queue_dev *d, uint32_t portal)
{
	if (portal >= QUEUE_DEV_N_PORTALS) {
		qd_error(d, QUEUE_DEV_ERROR_PORTAL, portal);
		return;
	}
	qd_portal_disable(d, portal);
	portal_clear(d, portal);
	atomic_fetch_or(&d->portals, 1ull << portal);
}

void
qd_portal_disable(struct queue_dev *d, uint32_t portal)
{
	if (portal >= QUEUE_DEV_N_PORTALS) {
		qd_error(d, QUEUE_DEV_ERROR_PORTAL, portal);
		return;
	}
	if ((atomic_load(&d->portals) >> portal & 1) != 0)
		portal_take(d, portal, QUEUE_DEV_PORTAL_CELLS);
	atomic_fetch_and(&d->portals, ~(1ull << portal));
}

void
qd_portals_reset(struct queue_dev *d)
{
	uint32_t i;

	atomic_store(&d->portals, 0);
	for (i = 0; i < QUEUE_DEV_N_PORTALS; i++)
		portal_clear(d, i);
}

/* Section 7.4. False: an impossible index. */
static bool
sq_tail(struct queue_dev *d, uint32_t qn, uint32_t tail)
{
	struct qd_queue *q = &d->queues[qn];

	if (tail - q->tail > q->head + (1u << q->sq_log) - q->tail)
		return false;
	q->tail = tail;
	if (q->tail != q->head)
		qd_run(d, qn);
	return true;
}

/* Section 10, ARM_LATE. */
static bool
put_off(struct queue_dev *d, uint64_t db)
{
	const struct qd_hazard *hazard = qd_hazard(d, QUEUE_DEV_INJECT_ARM_LATE);
	struct qd_action *action;

	if (hazard == NULL)
		return false;
	action = qd_action(d, QD_ACTION_DOORBELL, hazard->usec);
	if (action == NULL)
		return false;
	action->db = db;
	return true;
}

static void
ring(struct queue_dev *d, uint64_t db)
{
	uint32_t number = db >> QUEUE_DEV_DB_NUMBER_SHIFT & QUEUE_DEV_DB_NUMBER_MASK;
	uint32_t index = db & QUEUE_DEV_DB_INDEX_MASK, slot = QD_NONE;
	uint8_t kind = db >> QUEUE_DEV_DB_KIND_SHIFT;
	bool good;

	if (kind == QUEUE_DEV_DB_WAKE && db == QUEUE_DEV_DB(QUEUE_DEV_DB_WAKE, 0, 0))
		return;
	if (kind == QUEUE_DEV_DB_SQ_TAIL || kind == QUEUE_DEV_DB_CQ_ARM)
		slot = qd_slot(d, QUEUE_DEV_KIND_QUEUE, number);
	else if (kind == QUEUE_DEV_DB_EQ_ARM || kind == QUEUE_DEV_DB_EQ_CONSUMED)
		slot = qd_slot(d, QUEUE_DEV_KIND_EQ, number);
	if (slot == QD_NONE || (db & QUEUE_DEV_DB_RESERVED) != 0) {
		qd_error(d, QUEUE_DEV_ERROR_DOORBELL, db);
		return;
	}
	if (kind == QUEUE_DEV_DB_SQ_TAIL)
		good = sq_tail(d, number, index);
	else if (kind == QUEUE_DEV_DB_CQ_ARM)
		good = qd_queue_arm(d, number, index);
	else
		good = qd_eq_consumed(d, number, index, kind == QUEUE_DEV_DB_EQ_ARM);
	if (!good)
		qd_error(d, QUEUE_DEV_ERROR_INDEX, db);
}

void
qd_doorbell(struct queue_dev *d, uint64_t db)
{
	uint8_t kind = db >> QUEUE_DEV_DB_KIND_SHIFT;

	d->doorbells++;
	if ((kind != QUEUE_DEV_DB_CQ_ARM && kind != QUEUE_DEV_DB_EQ_ARM) || !put_off(d, db))
		ring(d, db);
}

void
qd_doorbell_later(struct queue_dev *d, uint64_t db)
{
	ring(d, db);
}
