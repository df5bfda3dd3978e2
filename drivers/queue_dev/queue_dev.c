/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Driver of queue_dev: thousands of queues, MSI-X, and IMS in the queues' contexts. Section
 * numbers are those of its data sheet, doc/guides/drivers/queue_dev.rst.
 *
 * Its interrupts: slots 0 and 1 are errors and commands, MSI-X vectors or messages of their own by
 * what the device has. All others are fungible: any vector serves any number of queues, through an
 * event queue. The messages of queues are a store of their own, for queues that want a vector to
 * themselves.
 */

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "queue_dev_private.h"

RTE_LOG_REGISTER(qd_logtype, pmd.queue_dev, NOTICE);

struct reg {
	uint32_t off;
	uint32_t *val;
	uint32_t min;
	uint32_t max;
};

/*
 * MSI-X vectors that are set aside for errors and commands: none if these go by messages of their
 * own. Without IMS a single one is what errors go by, section 3.3.
 */
static uint32_t
msix_special(const struct qd *qd)
{
	bool own = (qd->features & QUEUE_DEV_FEATURES_IMS) != 0 && qd_intr_select(qd) != 0;

	return own ? 0 : RTE_MIN(qd->n_msix, QUEUE_DEV_N_SPECIAL);
}

/* Section 3.1: is it what its ids say, and do its numbers make sense? */
static int
identify(struct qd *qd)
{
	uint32_t id = 0, version = 0, slots = 0, n_msix, i;
	const struct reg regs[] = {
		{ QUEUE_DEV_REG_ID, &id, QUEUE_DEV_ID_MAGIC, QUEUE_DEV_ID_MAGIC },
		{ QUEUE_DEV_REG_VERSION, &version, QUEUE_DEV_VERSION, QUEUE_DEV_VERSION },
		{ QUEUE_DEV_REG_FEATURES, &qd->features, 0, UINT32_MAX },
		{ QUEUE_DEV_REG_SUBDEVS, &qd->n_subdevs, 1, QUEUE_DEV_MAX_SUBDEVS },
		{ QUEUE_DEV_REG_EQS, &qd->n_eqs, 1, QUEUE_DEV_MAX_EQS },
		{ QUEUE_DEV_REG_QUEUES, &qd->n_queues, 1, QUEUE_DEV_MAX_QUEUES },
		{ QUEUE_DEV_REG_MSIX, &qd->n_msix, 0, QUEUE_DEV_MAX_MSIX },
		{ QUEUE_DEV_REG_SLOTS, &slots, 1, QUEUE_DEV_MAX_SLOTS },
	};
	int rc;

	for (i = 0; i < RTE_DIM(regs); i++) {
		rc = ims_dev_bar_read32(qd->dev, QUEUE_DEV_BAR, regs[i].off, regs[i].val);
		if (rc != 0)
			return rc;
		if (*regs[i].val < regs[i].min || *regs[i].val > regs[i].max)
			return -ENODEV;
	}
	if (slots != qd_queue_slot(qd, qd->n_queues))
		return -ENODEV;
	/* An event queue's number decides which message is its own: divided beforehand. */
	if ((qd->features & QUEUE_DEV_FEATURES_IMS) != 0) {
		n_msix = qd->n_msix - msix_special(qd);
		qd->n_ims_eqs = qd->n_eqs - RTE_MIN(n_msix, qd->n_eqs / 2);
	}
	return 0;
}

static int
memory_setup(struct qd *qd)
{
	uint32_t n_slots = qd_queue_slot(qd, qd->n_queues), i;

	qd->ctx = rte_zmalloc("queue_dev", n_slots * sizeof(*qd->ctx), QUEUE_DEV_CTX_ALIGN);
	qd->query = rte_zmalloc("queue_dev", sizeof(*qd->query), QUEUE_DEV_CTX_ALIGN);
	qd->cmds = rte_zmalloc("queue_dev", 256 * sizeof(*qd->cmds), QUEUE_DEV_CTX_ALIGN);
	qd->eqs = calloc(qd->n_eqs, sizeof(*qd->eqs));
	qd->queues = calloc(qd->n_queues, sizeof(*qd->queues));
	qd->homes = calloc(qd->n_queues, sizeof(*qd->homes));
	qd->subdevs = calloc(qd->n_subdevs + 1, sizeof(*qd->subdevs));
	if (qd->ctx == NULL || qd->query == NULL || qd->cmds == NULL || qd->eqs == NULL ||
		qd->queues == NULL || qd->homes == NULL || qd->subdevs == NULL)
		return -ENOMEM;
	for (i = 0; i < n_slots; i++)
		qd->ctx[i].msg_ctrl = QUEUE_DEV_MSG_CTRL_MASK;
	return 0;
}

/* The slot is that of a queue which was made without it. qd->lock held. */
static bool
is_taken(const struct qd *qd, uint32_t slot)
{
	const struct rte_pmd_queue_dev_queue *q = NULL;

	if (slot >= qd_queue_slot(qd, 0))
		q = atomic_load(&qd->queues[slot - qd_queue_slot(qd, 0)]);
	return q != NULL && !q->own_slot;
}

/*
 * The first one for a vector comes after it has got the slot. A queue of that number may have been
 * made since the slot was found available; one that is made later finds the slot used (is_free()).
 */
static int
update(struct rte_ims_dev *dev, uint32_t slot, const struct ims_store_queue_ctx *ctx)
{
	struct qd *qd = ims_dev_priv(dev);
	int rc;

	pthread_mutex_lock(&qd->lock);
	rc = is_taken(qd, slot) ? -EBUSY : qd_modify_msg(qd, slot, ctx);
	pthread_mutex_unlock(&qd->lock);
	return rc;
}

static int
query(struct rte_ims_dev *dev, uint32_t slot, struct ims_slot_view *view)
{
	struct qd *qd = ims_dev_priv(dev);
	int rc;

	pthread_mutex_lock(&qd->lock);
	rc = qd_query_msg(qd, slot, view);
	pthread_mutex_unlock(&qd->lock);
	return rc;
}

/* A queue that is there hangs on another vector, or none. One may be in the making: update(). */
static bool
queue_available(const struct rte_ims_dev *dev, uint32_t slot)
{
	struct qd *qd = ims_dev_priv(dev);

	return atomic_load(&qd->queues[slot - qd_queue_slot(qd, 0)]) == NULL;
}

/* One that is there without a vector is the device's, perhaps: queue_dev_lost.c. */
static bool
eq_available(const struct rte_ims_dev *dev, uint32_t slot)
{
	struct qd *qd = ims_dev_priv(dev);

	return slot < QUEUE_DEV_N_SPECIAL ||
	       atomic_load(&qd->eqs[slot - QUEUE_DEV_SLOT_EQ(0)]) == NULL;
}

static int
stores_setup(struct qd *qd)
{
	struct ims_store_queue_conf eqs = {
		.name = "ims-eq",
		.n_slots = QUEUE_DEV_SLOT_EQ(qd->n_ims_eqs),
		.n_special = QUEUE_DEV_N_SPECIAL,
		.fungible = true,
		.update = update,
		.query = query,
		.available = eq_available,
	};
	struct ims_store_queue_conf queues = {
		.name = "ims-queue",
		.n_slots = qd->n_queues,
		.first = qd_queue_slot(qd, 0),
		.update = update,
		.query = query,
		.available = queue_available,
	};
	struct rte_ims_store *msix;

	msix = rte_ims_dev_store_get(qd->dev, RTE_IMS_STORE_MSIX);
	if (msix != NULL)
		ims_store_special_set(msix, msix_special(qd));
	if ((qd->features & QUEUE_DEV_FEATURES_IMS) == 0)
		return msix != NULL ? 0 : -ENODEV;
	qd->eq_store = ims_store_queue_create(qd->dev, &eqs);
	if (qd->eq_store == NULL)
		return -rte_errno;
	qd->queue_store = ims_store_queue_create(qd->dev, &queues);
	return qd->queue_store != NULL ? 0 : -rte_errno;
}

/*
 * The command interrupt, at its fixed index. Commands work without it, they are looked for then: on
 * a kernel device without MSI-X nothing reaches an eventfd.
 */
static int
cmd_vector(struct qd *qd)
{
	struct rte_ims_vec_conf conf = { .name = "queue_dev-cmd" };
	struct rte_ims_store *store = qd->eq_store;

	if (qd_intr_select(qd) == 0)
		store = rte_ims_dev_store_get(qd->dev, RTE_IMS_STORE_MSIX);
	if (store == NULL)
		return 0;
	qd->table = rte_ims_table_create(qd->dev, "queue_dev", 1);
	if (qd->table == NULL)
		return -rte_errno;
	qd->cmd_vec = rte_ims_vec_alloc(qd->table, store, QUEUE_DEV_SLOT_CMD, &conf);
	if (qd->cmd_vec == NULL && rte_errno != ENOTSUP)
		return -rte_errno;
	/* No wait set has it: its eventfd is read by who waits for a command. */
	return qd->cmd_vec != NULL ? RTE_MIN(rte_ims_vec_fd_get(qd->cmd_vec), 0) : 0;
}

static void
clock_setup(struct qd *qd)
{
	uint64_t before, time = 0;

	ims_dev_bar_read(
		qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_TICK_HZ, &qd->tick_hz, sizeof(qd->tick_hz));
	before = rte_rdtsc();
	ims_dev_bar_read(qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_TIME, &time, sizeof(time));
	qd->stamp_is_tsc = time >= before && time <= rte_rdtsc();
	qd->stamps = ims_dev_bar_map(qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_STAMPS_OFF,
		(uint64_t)qd_queue_slot(qd, qd->n_queues) * QUEUE_DEV_STAMP_SIZE);
}

static void
qd_free(struct qd *qd)
{
	rte_free(qd->ctx);
	rte_free(qd->query);
	rte_free(qd->cmds);
	free(qd->eqs);
	free(qd->queues);
	free(qd->homes);
	free(qd->subdevs);
	pthread_mutex_destroy(&qd->lock);
	pthread_mutex_destroy(&qd->portal_lock);
	pthread_mutex_destroy(&qd->shared_lock);
	free(qd);
}

/*
 * The device may still write to what is here, now that it cannot be reset: it stays for good, and
 * where it is found, so that nobody takes it for lost.
 */
static void
qd_keep(struct qd *qd)
{
	static _Atomic(struct qd *) all;

	qd->kept = atomic_load(&all);
	while (!atomic_compare_exchange_weak(&all, &qd->kept, qd))
		continue;
}

static int
device_reset(struct qd *qd)
{
	int rc;

	rc = ims_dev_bar_write32(qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_CTRL, QUEUE_DEV_CTRL_RESET);
	if (rc == 0)
		rc = ims_dev_bar_write32(
			qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INTR, qd_intr_select(qd));
	return rc;
}

static int
qd_probe(struct rte_ims_dev *dev)
{
	struct qd *qd;
	int rc, rc2;

	if (posix_memalign((void **)&qd, RTE_CACHE_LINE_SIZE, sizeof(*qd)) != 0)
		return -ENOMEM;
	memset(qd, 0, sizeof(*qd));
	qd->dev = dev;
	pthread_mutex_init(&qd->lock, NULL);
	pthread_mutex_init(&qd->portal_lock, NULL);
	pthread_mutex_init(&qd->shared_lock, NULL);
	qd_reset_init(qd);
	ims_dev_priv_set(dev, qd);
	rc = identify(qd);
	if (rc == 0)
		rc = memory_setup(qd);
	if (rc == 0)
		rc = device_reset(qd);
	if (rc == 0)
		rc = qd_cmd_setup(qd);
	if (rc == 0)
		rc = qd_db_setup(qd);
	if (rc == 0)
		rc = stores_setup(qd);
	if (rc == 0)
		rc = cmd_vector(qd);
	if (rc != 0) {
		rc2 = device_reset(qd);
		if (rc2 == 0 || rc2 == -ENODEV)
			qd_free(qd);
		else
			qd_keep(qd);
		return rc;
	}
	clock_setup(qd);
	return 0;
}

/* Vectors are gone, and event queues with them; what else the user has left behind goes now. */
static void
qd_remove(struct rte_ims_dev *dev)
{
	struct qd *qd = ims_dev_priv(dev);
	uint32_t n;
	int rc;

	rc = device_reset(qd);
	if (rc != 0 && rc != -ENODEV) {
		QD_LOG(ERR, "the device cannot be reset: what it may write to is not freed");
		qd_keep(qd);
		return;
	}
	/* It touches no memory of ours any more. */
	qd_lost_free(qd);
	for (n = 1; n <= qd->n_subdevs; n++)
		free(qd->subdevs[n]);
	for (n = 0; n < qd->n_queues; n++)
		qd_queue_free(atomic_load(&qd->queues[n]));
	qd_free(qd);
}

/* Section 9; all ones: it is in reset, or has no power. */
static int
qd_check(struct rte_ims_dev *dev, char *what, size_t size)
{
	uint32_t status = 0;
	int rc;

	rc = ims_dev_bar_read32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_STATUS, &status);
	if (rc != 0 || status == 0)
		return rc;
	if (status == UINT32_MAX)
		snprintf(what, size,
			"its register STATUS reads all ones: it is in reset, or has no power");
	else
		snprintf(what, size, "it has halted (register STATUS %#x)", status);
	return 1;
}

static const struct ims_driver_id qd_ids[] = {
	{ QUEUE_DEV_PCI_VENDOR_ID, QUEUE_DEV_PCI_DEVICE_ID },
	{ 0 },
};

struct ims_driver qd_driver = {
	.name = "queue_dev",
	.ids = qd_ids,
	.probe = qd_probe,
	.remove = qd_remove,
	.reset_prepare = qd_reset_prepare,
	.reset_done = qd_reset_done,
	.vec_init = qd_vec_init,
	.vec_fini = qd_vec_fini,
	.check = qd_check,
};

IMS_DRIVER_REGISTER(qd_driver)

int
rte_pmd_queue_dev_info_get(struct rte_ims_dev *dev, struct rte_pmd_queue_dev_info *info)
{
	struct qd *qd = qd_from(dev);

	if (dev == NULL || info == NULL)
		return -EINVAL;
	if (qd == NULL)
		return -ENODEV;
	memset(info, 0, sizeof(*info));
	info->n_queues = qd->n_queues;
	info->n_subdevs = qd->n_subdevs;
	info->n_eqs = qd->n_eqs;
	info->n_msix = qd->n_msix;
	info->ims = (qd->features & QUEUE_DEV_FEATURES_IMS) != 0;
	info->max_len = QUEUE_DEV_MAX_LEN;
	info->tick_hz = qd->tick_hz;
	info->stamp_is_tsc = qd->stamp_is_tsc;
	pthread_mutex_lock(&qd->lock);
	info->used_queues = qd->used_queues;
	info->used_eqs = qd->used_eqs;
	info->cmd_timeouts = qd->cmd_timeouts;
	pthread_mutex_unlock(&qd->lock);
	info->stray_events = atomic_load_explicit(&qd->stray_events, memory_order_relaxed);
	info->stray_completions =
		atomic_load_explicit(&qd->stray_completions, memory_order_relaxed);
	return 0;
}

int
rte_pmd_queue_dev_error_get(struct rte_ims_dev *dev, uint64_t *operand)
{
	uint32_t error = 0;
	int rc;

	if (dev == NULL)
		return -EINVAL;
	if (qd_from(dev) == NULL)
		return -ENODEV;
	rc = ims_dev_bar_read32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_ERROR, &error);
	if (rc == 0 && operand != NULL)
		rc = ims_dev_bar_read(
			dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_ERROR_ARG, operand, sizeof(*operand));
	if (rc == 0)
		rc = ims_dev_bar_write32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_ERROR, error);
	/* Not an errno value, whatever it reads. */
	return rc != 0 ? rc : (int)(error & INT32_MAX);
}

uint64_t
rte_pmd_queue_dev_stamp(const struct rte_ims_vec *vec)
{
	struct rte_ims_dev *dev = vec != NULL ? rte_ims_vec_dev(vec) : NULL;
	const struct qd *qd = qd_from(dev);
	const struct qd_eq *eq;
	int64_t slot;

	if (qd == NULL || qd->stamps == NULL)
		return 0;
	eq = ims_vec_driver_priv(vec);
	if (eq != NULL) {
		slot = QUEUE_DEV_SLOT_EQ(eq->number);
	} else {
		slot = ims_vec_slot(vec, dev, RTE_IMS_STORE_QUEUE);
		if (slot < 0)
			return 0;
		if (ims_vec_store(vec) != qd->eq_store)
			slot = qd_queue_slot(qd, slot);
	}
	return __atomic_load_n(&qd->stamps[slot], __ATOMIC_RELAXED);
}
