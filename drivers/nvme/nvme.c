/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Driver of NVMe controllers. Its interrupts: MSI-X vector 0 is the admin queue's, by its fixed
 * index; all others are the users', for their I/O queues.
 */

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "nvme_private.h"

RTE_LOG_REGISTER(nvme_logtype, pmd.nvme, NOTICE);

#define SHUTDOWN_MS 5000

/* Section 3.1.6: wait until the controller is ready, or is not. */
static int
wait_ready(struct nvme *nvme, uint32_t want)
{
	uint32_t csts = 0, ms, limit = (NVME_CAP_TO(nvme->cap) + 1) * 500;
	int rc;

	for (ms = 0; ms < limit; ms++) {
		rc = ims_dev_bar_read32(nvme->dev, NVME_BAR, NVME_REG_CSTS, &csts);
		if (rc != 0)
			return rc;
		if (csts == UINT32_MAX)
			return -ENODEV; /* what a device that is not there reads as */
		if ((csts & NVME_CSTS_CFS) != 0 && want != 0)
			return -EIO;
		if ((csts & NVME_CSTS_RDY) == want)
			return 0;
		usleep(1000);
	}
	return -ETIMEDOUT;
}

/* Then it has no queues: those that it may have had are free. */
static int
controller_disable(struct nvme *nvme)
{
	struct rte_pmd_nvme_queue *q;
	uint32_t id;
	int rc;

	rc = ims_dev_bar_write32(nvme->dev, NVME_BAR, NVME_REG_CC, 0);
	if (rc == 0)
		rc = wait_ready(nvme, 0);
	for (id = 1; id <= NVME_MAX_QUEUES && rc == 0; id++) {
		q = nvme->queues[id];
		if (q == NULL)
			continue;
		q->live = false;
		if (q->lost) {
			nvme->queues[id] = NULL;
			nvme_queue_free(q);
		}
	}
	return rc;
}

/* It writes nowhere after this. */
static void
controller_stop(struct nvme *nvme)
{
	if (controller_disable(nvme) != 0)
		ims_dev_bus_master(nvme->dev, false);
}

/* Section 7.6.2: the controller writes back what it caches. */
static void
controller_shutdown(struct nvme *nvme)
{
	uint32_t csts = 0, ms;

	if (ims_dev_bar_write32(nvme->dev, NVME_BAR, NVME_REG_CC,
		    NVME_CC_EN | NVME_CC_IOSQES | NVME_CC_IOCQES | NVME_CC_SHN_NORMAL) != 0)
		return;
	for (ms = 0; ms < SHUTDOWN_MS; ms++) {
		if (ims_dev_bar_read32(nvme->dev, NVME_BAR, NVME_REG_CSTS, &csts) != 0 ||
			NVME_CSTS_SHST(csts) == NVME_CSTS_SHST_DONE)
			break;
		usleep(1000);
	}
	controller_stop(nvme);
}

/* Section 7.6.1: admin queue, configuration, enable. */
static int
controller_enable(struct nvme *nvme)
{
	uint32_t aqa = (NVME_ADMIN_DEPTH - 1) << 16 | (NVME_ADMIN_DEPTH - 1);
	uint64_t asq = (uintptr_t)nvme->queues[0]->sq, acq = (uintptr_t)nvme->queues[0]->cq;
	struct rte_ims_dev *dev = nvme->dev;
	int rc;

	rc = ims_dev_bar_write32(dev, NVME_BAR, NVME_REG_AQA, aqa);
	if (rc == 0)
		rc = ims_dev_bar_write(dev, NVME_BAR, NVME_REG_ASQ, &asq, sizeof(asq));
	if (rc == 0)
		rc = ims_dev_bar_write(dev, NVME_BAR, NVME_REG_ACQ, &acq, sizeof(acq));
	if (rc == 0)
		rc = ims_dev_bar_write32(
			dev, NVME_BAR, NVME_REG_CC, NVME_CC_EN | NVME_CC_IOSQES | NVME_CC_IOCQES);
	return rc != 0 ? rc : wait_ready(nvme, NVME_CSTS_RDY);
}

/* The admin queue's interrupt: a fixed slot, so it is nobody's by chance. */
static int
admin_vector(struct nvme *nvme)
{
	struct rte_ims_vec_conf conf = { .name = "nvme-admin" };
	struct rte_ims_store *msix;

	msix = rte_ims_dev_store_get(nvme->dev, RTE_IMS_STORE_MSIX);
	if (msix == NULL)
		return -ENOTSUP;
	ims_store_special_set(msix, 1);
	nvme->table = rte_ims_table_create(nvme->dev, "nvme", 1);
	if (nvme->table == NULL)
		return -rte_errno;
	nvme->admin_vec = rte_ims_vec_alloc(nvme->table, msix, 0, &conf);
	return nvme->admin_vec != NULL ? 0 : -rte_errno;
}

static int
controller_start(struct nvme *nvme)
{
	uint32_t n = NVME_MAX_QUEUES;
	int rc;

	rc = controller_disable(nvme);
	if (rc == 0)
		rc = controller_enable(nvme);
	if (rc == 0)
		rc = nvme_identify(nvme);
	if (rc == 0)
		rc = nvme_set_n_queues(nvme, &n);
	nvme->info.max_queues = n;
	nvme->info.max_depth = RTE_MIN(NVME_CAP_MQES(nvme->cap) + 1, (uint32_t)UINT16_MAX);
	return rc;
}

static void
nvme_free(struct nvme *nvme)
{
	uint32_t i;

	for (i = 0; i <= NVME_MAX_QUEUES; i++)
		nvme_queue_free(nvme->queues[i]);
	rte_free(nvme->page);
	free(nvme);
}

static int
nvme_probe(struct rte_ims_dev *dev)
{
	struct nvme *nvme;
	int rc;

	nvme = calloc(1, sizeof(*nvme));
	if (nvme == NULL)
		return -ENOMEM;
	nvme->dev = dev;
	rc = ims_dev_bar_read(dev, NVME_BAR, NVME_REG_CAP, &nvme->cap, sizeof(nvme->cap));
	if (rc == 0 && (NVME_CAP_MPSMIN(nvme->cap) != 0 || nvme->cap == UINT64_MAX))
		rc = -ENOTSUP; /* pages larger than 4 KiB */
	if (rc == 0) {
		nvme->page = rte_zmalloc("nvme", NVME_PAGE_SIZE, NVME_PAGE_SIZE);
		nvme->queues[0] = nvme_queue_new(nvme, 0, NVME_ADMIN_DEPTH);
		if (nvme->page == NULL || nvme->queues[0] == NULL)
			rc = -ENOMEM;
	}
	if (rc == 0)
		rc = admin_vector(nvme);
	if (rc == 0)
		rc = controller_start(nvme);
	if (rc != 0) {
		controller_stop(nvme);
		nvme_free(nvme);
		return rc;
	}
	ims_dev_priv_set(dev, nvme);
	return 0;
}

static void
nvme_remove(struct rte_ims_dev *dev)
{
	struct nvme *nvme = ims_dev_priv(dev);

	controller_shutdown(nvme);
	nvme_free(nvme);
}

/* The controller has forgotten its queues: make them again, as they were. */
static int
controller_restart(struct nvme *nvme)
{
	uint32_t n = NVME_MAX_QUEUES, id;
	int rc;

	rc = controller_disable(nvme);
	for (id = 0; id <= NVME_MAX_QUEUES; id++)
		if (nvme->queues[id] != NULL && !nvme->queues[id]->lost)
			nvme_queue_restart(nvme->queues[id]);
	/* Nobody takes the admin queue's aborted commands: their callers have gone. */
	nvme_queue_forget(nvme->queues[0]);
	if (rc == 0)
		rc = controller_enable(nvme);
	if (rc == 0)
		rc = nvme_set_n_queues(nvme, &n);
	for (id = 1; id <= NVME_MAX_QUEUES && rc == 0; id++)
		if (nvme->queues[id] != NULL)
			rc = nvme_create_queue(nvme->queues[id]);
	return rc;
}

static int
nvme_reset_done(struct rte_ims_dev *dev, int rc)
{
	return rc == 0 ? controller_restart(ims_dev_priv(dev)) : rc;
}

static const struct ims_driver_id nvme_ids[] = {
	{ 0x1b36, 0x0010 }, /* QEMU; all others by their class */
	{ 0 },
};

/* Section 3.1.6. */
static int
nvme_check(struct rte_ims_dev *dev, char *what, size_t size)
{
	uint32_t csts = 0;
	int rc;

	rc = ims_dev_bar_read32(dev, NVME_BAR, NVME_REG_CSTS, &csts);
	if (rc != 0 || (csts & (NVME_CSTS_CFS | NVME_CSTS_RDY)) == NVME_CSTS_RDY)
		return rc;
	snprintf(what, size, "the controller is %s (register CSTS %#x)",
		csts == UINT32_MAX            ? "in reset, or has no power"
		: (csts & NVME_CSTS_CFS) != 0 ? "in fatal status"
					      : "not ready",
		csts);
	return 1;
}

static struct ims_driver nvme_driver = {
	.name = "nvme",
	.ids = nvme_ids,
	.class_code = 0x010802,
	.probe = nvme_probe,
	.remove = nvme_remove,
	.reset_done = nvme_reset_done,
	.check = nvme_check,
};

IMS_DRIVER_REGISTER(nvme_driver)

static struct nvme *
nvme_from(const struct rte_ims_dev *dev)
{
	if (dev == NULL || ims_dev_driver(dev) != &nvme_driver)
		return NULL;
	return ims_dev_priv(dev);
}

int
rte_pmd_nvme_info_get(struct rte_ims_dev *dev, struct rte_pmd_nvme_info *info)
{
	struct nvme *nvme = nvme_from(dev);

	if (dev == NULL || info == NULL)
		return -EINVAL;
	if (nvme == NULL)
		return -ENODEV;
	*info = nvme->info;
	return 0;
}

/*
 * Nobody's any more. What the controller may have keeps its number and its rings until it is
 * disabled, since it may write there.
 */
static void
queue_drop(struct rte_pmd_nvme_queue *q)
{
	q->lost = q->live;
	q->nvme->queues[q->id] = q->lost ? q : NULL;
	if (q->lost)
		NVME_LOG(WARNING, "the controller may have queue %u: it is kept", q->id);
	else
		nvme_queue_free(q);
}

struct rte_pmd_nvme_queue *
rte_pmd_nvme_queue_create(struct rte_ims_dev *dev, uint32_t depth, struct rte_ims_vec *vec)
{
	struct nvme *nvme = nvme_from(dev);
	struct rte_pmd_nvme_queue *q;
	int64_t vector = -1;
	uint32_t id;
	int rc;

	if (vec != NULL)
		vector = ims_vec_slot(vec, dev, RTE_IMS_STORE_MSIX);
	rte_errno = EINVAL;
	if (dev == NULL || (vec != NULL && vector < 0))
		return NULL;
	rte_errno = ENODEV;
	if (nvme == NULL)
		return NULL;
	rte_errno = EINVAL;
	if (depth < 2 || depth > nvme->info.max_depth)
		return NULL;
	for (id = 1; id <= nvme->info.max_queues && nvme->queues[id] != NULL; id++)
		;
	rte_errno = ENOSPC;
	if (id > nvme->info.max_queues)
		return NULL;
	rte_errno = ENOMEM;
	q = nvme_queue_new(nvme, id, depth);
	if (q == NULL)
		return NULL;
	q->vector = vector;
	rc = nvme_create_queue(q);
	if (rc != 0) {
		queue_drop(q);
		rte_errno = -rc;
		return NULL;
	}
	nvme->queues[id] = q;
	return q;
}

int
rte_pmd_nvme_reset(struct rte_ims_dev *dev)
{
	struct nvme *nvme = nvme_from(dev);

	if (dev == NULL)
		return -EINVAL;
	return nvme != NULL ? controller_restart(nvme) : -ENODEV;
}

int
rte_pmd_nvme_queue_destroy(struct rte_pmd_nvme_queue *queue)
{
	if (queue == NULL)
		return -EINVAL;
	if (queue->live)
		nvme_delete_queue(queue);
	queue_drop(queue);
	return 0;
}
