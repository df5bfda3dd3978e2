/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Resets, section 9: everything in the device is gone and made again, while threads go on to
 * submit, to poll and to run handlers.
 *
 * They touch what the reset changes, the indices of queues, event queues and portals, only between
 * qd_enter() and qd_leave(). Each stores that it is inside, then looks whether there is a reset;
 * the reset stores that there is one, then looks whether somebody is inside. One of the two sees
 * the other, if nothing is reordered. For the reset, that is rare, membarrier() puts a barrier
 * into all threads, so that the others need none: `inside` is either visible to the reset, or
 * stored by a thread that loads `resetting` after the barrier.
 *
 * What a thread does meanwhile is refused. It finds operations under way aborted when it polls
 * next; that of an event queue is told by `look` to have all of its queues polled, since the
 * events are gone, and the library runs the handlers of all vectors when the reset is done.
 */

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "queue_dev_private.h"

/* Longer than what somebody inside may wait for, a transaction of the device. */
#define QUIESCE_S 10
/* Without membarrier(): no CPU keeps a store to itself for that long. */
#define STORES_US 10000

void
qd_reset_init(struct qd *qd)
{
	qd->membarrier = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0) == 0;
}

static int
wait_outside(const atomic_bool *inside)
{
	uint64_t end = 0;

	while (unlikely(atomic_load_explicit(inside, memory_order_acquire))) {
		if (end == 0)
			end = rte_rdtsc() + QUIESCE_S * rte_get_tsc_hz();
		if (rte_rdtsc() > end)
			return -ETIMEDOUT;
		rte_pause();
	}
	return 0;
}

/* qd->lock held. From here on nobody is inside, until `resetting` is false again. */
static int
quiesce(struct qd *qd)
{
	struct rte_pmd_queue_dev_queue *q;
	struct qd_eq *eq;
	uint32_t n;
	int rc = 0;

	atomic_store(&qd->resetting, true);
	if (!qd->membarrier || syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0) != 0)
		usleep(STORES_US);
	for (n = 0; n < QUEUE_DEV_N_PORTALS && rc == 0; n++)
		rc = wait_outside(&qd->portals[n].inside);
	for (n = 0; n < qd->n_eqs && rc == 0; n++) {
		eq = qd->eqs[n];
		if (eq != NULL)
			rc = wait_outside(&eq->inside);
	}
	for (n = 0; n < qd->n_queues && rc == 0; n++) {
		q = atomic_load(&qd->queues[n]);
		if (q != NULL)
			rc = wait_outside(&q->inside);
	}
	return rc;
}

uint32_t
qd_intr_select(const struct qd *qd)
{
	return qd->n_msix >= QUEUE_DEV_N_SPECIAL
	               ? 0
	               : QUEUE_DEV_INTR_ERROR_OWN | QUEUE_DEV_INTR_CMD_OWN;
}

static int
subdevs_restore(struct qd *qd)
{
	uint32_t n;
	int rc = 0;

	for (n = 1; n <= qd->n_subdevs && rc == 0; n++)
		if (qd->subdevs[n] != NULL)
			rc = qd_subdev_command(qd, QUEUE_DEV_CMD_SUBDEV_CREATE, n);
	return rc;
}

static int
restore(struct qd *qd)
{
	int rc;

	rc = ims_dev_bar_write32(qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INTR, qd_intr_select(qd));
	if (rc == 0)
		rc = qd_cmd_setup(qd);
	if (rc == 0)
		rc = qd_db_restore(qd);
	if (rc == 0)
		rc = subdevs_restore(qd);
	if (rc == 0)
		rc = qd_eqs_restore(qd);
	if (rc == 0)
		rc = qd_queues_restore(qd);
	return rc;
}

/*
 * A command that the reset takes away would be waited for, and its caller told that it was refused.
 * Whether a reset that fails has taken the ring away nobody knows: it is set up anew either way.
 */
void
qd_reset_prepare(struct rte_ims_dev *dev)
{
	struct qd *qd = ims_dev_priv(dev);

	pthread_mutex_lock(&qd->lock);
	qd->cmd_ready = false;
}

/* Messages are written anew by the library, after this. */
int
qd_reset_done(struct rte_ims_dev *dev, int rc)
{
	struct qd *qd = ims_dev_priv(dev);

	if (rc == 0)
		rc = quiesce(qd);
	if (rc == 0) {
		qd_lost_free(qd);
		rc = restore(qd);
	}
	atomic_store(&qd->resetting, false);
	pthread_mutex_unlock(&qd->lock);
	return rc;
}
