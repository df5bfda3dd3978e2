/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Doorbells, section 4. An lcore has a portal of its own, from the first time that it rings; other
 * threads, and lcores that come too late, share the last one.
 */

#include <string.h>

#include "queue_dev_private.h"

#define SHARED (QUEUE_DEV_N_PORTALS - 1u)

static void
trapped(struct qd *qd, uint64_t doorbell)
{
	/* If the device is gone there is nobody to hear it. */
	ims_dev_bar_write(
		qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_DOORBELL, &doorbell, sizeof(doorbell));
}

/* Section 4.4: V1 to V4. */
static inline void
portal_store(struct qd *qd, struct qd_portal *p, uint64_t doorbell)
{
	_Atomic(uint64_t) *cell = &p->cells[p->next];

	if (atomic_load_explicit(cell, memory_order_acquire) != 0) {
		trapped(qd, doorbell);
		return;
	}
	/* Release: the descriptors are visible to who takes the doorbell. */
	atomic_store_explicit(cell, doorbell, memory_order_release);
	p->next = (p->next + 1) % QUEUE_DEV_PORTAL_CELLS;
	/*
	 * The cell before ASLEEP, for the device does it the other way round: if it does not see
	 * the cell before it sleeps, we see that it sleeps.
	 */
	rte_smp_mb();
	if (unlikely(atomic_load_explicit(qd->asleep, memory_order_relaxed) != 0))
		trapped(qd, QUEUE_DEV_DB(QUEUE_DEV_DB_WAKE, 0, 0));
}

static int
portal_enable(struct qd *qd, uint32_t n)
{
	int rc;

	rc = ims_dev_bar_write32(qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_PORTAL_ENABLE, n);
	if (rc != 0)
		return rc;
	qd->portals[n].next = 0;
	qd->portals[n].cells =
		(_Atomic(uint64_t) *)(void *)(qd->portal_pages + (size_t)n * QUEUE_DEV_PORTAL_SIZE);
	return 0;
}

/* The first doorbell of an lcore. A reset comes before it or finds the portal in use. */
static uint8_t
portal_take(struct qd *qd, unsigned int lcore)
{
	uint32_t n = atomic_fetch_add(&qd->n_portals, 1);

	pthread_mutex_lock(&qd->portal_lock);
	if (n >= SHARED || portal_enable(qd, n) != 0)
		n = SHARED;
	pthread_mutex_unlock(&qd->portal_lock);
	atomic_store_explicit(&qd->lcore_portal[lcore], n + 1, memory_order_relaxed);
	return n + 1;
}

/* This thread's portal, NULL: the shared one. */
static inline struct qd_portal *
portal_mine(struct qd *qd)
{
	unsigned int lcore = rte_lcore_id();
	uint8_t n;

	if (unlikely(lcore >= RTE_MAX_LCORE))
		return NULL;
	n = atomic_load_explicit(&qd->lcore_portal[lcore], memory_order_relaxed);
	if (unlikely(n == 0))
		n = portal_take(qd, lcore);
	return likely(n != SHARED + 1) ? &qd->portals[n - 1] : NULL;
}

void
qd_ring(struct qd *qd, uint64_t doorbell)
{
	struct qd_portal *p, *shared = &qd->portals[SHARED];

	if (qd->portal_pages == NULL) {
		trapped(qd, doorbell);
		return;
	}
	p = portal_mine(qd);
	if (unlikely(p == NULL))
		pthread_mutex_lock(&qd->shared_lock);
	/*
	 * During a reset nobody hears it: all is armed anew then, and what was submitted is
	 * aborted.
	 */
	if (likely(qd_enter(qd, p != NULL ? &p->inside : &shared->inside))) {
		portal_store(qd, p != NULL ? p : shared, doorbell);
		qd_leave(p != NULL ? &p->inside : &shared->inside);
	}
	if (unlikely(p == NULL))
		pthread_mutex_unlock(&qd->shared_lock);
}

void
qd_ring_reset(struct qd *qd, uint64_t doorbell)
{
	struct qd_portal *p;

	if (qd->portal_pages == NULL) {
		trapped(qd, doorbell);
		return;
	}
	p = portal_mine(qd);
	/* Nobody else is inside. */
	portal_store(qd, p != NULL ? p : &qd->portals[SHARED], doorbell);
}

int
qd_db_setup(struct qd *qd)
{
	qd->asleep =
		ims_dev_bar_map(qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_STATUS_OFF, QUEUE_DEV_STATUS_LEN);
	qd->portal_pages = ims_dev_bar_map(
		qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_PORTALS_OFF, QUEUE_DEV_PORTALS_LEN);
	if (qd->asleep == NULL)
		qd->portal_pages = NULL;
	return qd->portal_pages != NULL ? portal_enable(qd, SHARED) : 0;
}

int
qd_db_restore(struct qd *qd)
{
	uint32_t n;
	int rc = 0;

	pthread_mutex_lock(&qd->portal_lock);
	for (n = 0; n < QUEUE_DEV_N_PORTALS && rc == 0; n++)
		if (qd->portals[n].cells != NULL)
			rc = portal_enable(qd, n);
	pthread_mutex_unlock(&qd->portal_lock);
	return rc;
}
