/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Admin commands: submitted one at a time, their completion waited for on the fixed vector 0. */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "nvme_private.h"

#define ADMIN_TIMEOUT_MS 5000
#define ADMIN_LOOK_MS    20 /* while the function is being reset its interrupts are not set up */

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/*
 * Wait for more completions. Whether there is one is seen in the queue, not by the interrupt; nor
 * does an interrupt give the controller more time.
 */
static int
admin_wait(struct nvme *nvme, uint64_t end_ms)
{
	struct pollfd pfd = { .fd = rte_ims_vec_fd_get(nvme->admin_vec), .events = POLLIN };
	int rc = 0;

	if (now_ms() >= end_ms)
		return -ETIMEDOUT;
	if (poll(&pfd, 1, ADMIN_LOOK_MS) > 0)
		rc = ims_vec_fd_take(nvme->admin_vec);
	return rc < 0 ? rc : 0;
}

int
nvme_admin(struct nvme *nvme, const struct nvme_cmd *cmd, uint32_t *result)
{
	void *cookie = (void *)(uintptr_t)++nvme->n_admin;
	struct rte_pmd_nvme_completion done = { 0 };
	uint64_t end_ms;
	int rc;

	rc = nvme_queue_submit(nvme->queues[0], cmd, cookie);
	if (rc != 0)
		return rc;
	end_ms = now_ms() + ADMIN_TIMEOUT_MS;
	/* A completion of an earlier command that was given up is not ours. */
	while (rte_pmd_nvme_poll(nvme->queues[0], &done, 1) == 0 || done.cookie != cookie) {
		rc = admin_wait(nvme, end_ms);
		if (rc != 0)
			return rc;
	}
	if (result != NULL)
		*result = done.result;
	if (done.status == RTE_PMD_NVME_STATUS_ABORTED && ims_dev_removed(nvme->dev))
		return -ENODEV;
	if (done.status != 0)
		NVME_LOG(ERR, "admin command %#x: status %#x", cmd->opcode, done.status);
	return done.status == 0 ? 0 : -EIO;
}

static void
copy_text(char *to, const uint8_t *from, size_t len)
{
	memcpy(to, from, len);
	to[len] = '\0';
	while (len > 0 && to[len - 1] == ' ')
		to[--len] = '\0';
}

int
nvme_identify(struct nvme *nvme)
{
	struct nvme_cmd cmd = { .opcode = NVME_ADMIN_IDENTIFY, .prp1 = (uintptr_t)nvme->page };
	struct rte_pmd_nvme_info *info = &nvme->info;
	const uint8_t *data = nvme->page;
	uint32_t lbaf, mdts, lbads, sgls;
	int rc;

	cmd.cdw10 = NVME_CNS_CONTROLLER;
	rc = nvme_admin(nvme, &cmd, NULL);
	if (rc != 0)
		return rc;
	copy_text(info->serial, data + NVME_ID_CTRL_SN, NVME_ID_CTRL_SN_LEN);
	copy_text(info->model, data + NVME_ID_CTRL_MN, NVME_ID_CTRL_MN_LEN);
	mdts = data[NVME_ID_CTRL_MDTS];
	memcpy(&sgls, data + NVME_ID_CTRL_SGLS, sizeof(sgls));
	info->sgl = (sgls & NVME_SGLS_SUPPORTED) != 0;
	/* A list of one page has 512 entries: 2 MiB, our limit. */
	info->max_transfer = NVME_PAGE_SIZE << (mdts == 0 || mdts > 9 ? 9 : mdts);

	cmd.cdw10 = NVME_CNS_NAMESPACE;
	cmd.nsid = 1;
	rc = nvme_admin(nvme, &cmd, NULL);
	if (rc != 0)
		return rc;
	memcpy(&info->n_blocks, data + NVME_ID_NS_NSZE, sizeof(info->n_blocks));
	memcpy(&lbaf, data + NVME_ID_NS_LBAF + (data[NVME_ID_NS_FLBAS] & 0xf) * sizeof(lbaf),
		sizeof(lbaf));
	lbads = NVME_LBAF_LBADS(lbaf);
	if (lbads < 9 || lbads > 12 || info->n_blocks == 0) {
		NVME_LOG(ERR, "namespace 1 has blocks of 2^%u bytes, %lu of them", lbads,
			(unsigned long)info->n_blocks);
		return -ENOTSUP;
	}
	info->block_size = 1u << lbads;
	return 0;
}

/* Section 5.21.1.7: numbers are 0-based, the controller may grant fewer. */
int
nvme_set_n_queues(struct nvme *nvme, uint32_t *n)
{
	struct nvme_cmd cmd = {
		.opcode = NVME_ADMIN_SET_FEATURES,
		.cdw10 = NVME_FEATURE_N_QUEUES,
		.cdw11 = (*n - 1) << 16 | (*n - 1),
	};
	uint32_t result = 0;
	int rc;

	rc = nvme_admin(nvme, &cmd, &result);
	if (rc == 0)
		*n = RTE_MIN(*n, RTE_MIN(result & 0xffff, result >> 16) + 1);
	return rc;
}

/*
 * The controller has not done it, and will not: it has refused, never got the command, or is gone.
 */
static bool
is_not_done(int rc)
{
	return rc == -EIO || rc == -EAGAIN || rc == -ENODEV;
}

/* What it does not say that it has deleted, it may have. */
static void
delete_cq(struct rte_pmd_nvme_queue *q)
{
	struct nvme_cmd cmd = { .opcode = NVME_ADMIN_DELETE_CQ, .cdw10 = q->id };
	int rc;

	rc = nvme_admin(q->nvme, &cmd, NULL);
	q->live = rc != 0 && rc != -ENODEV;
}

/* Sections 5.3 and 5.4: the completion queue first, it carries the vector. */
int
nvme_create_queue(struct rte_pmd_nvme_queue *q)
{
	struct nvme_cmd cmd = {
		.opcode = NVME_ADMIN_CREATE_CQ,
		.prp1 = (uintptr_t)q->cq,
		.cdw10 = (uint32_t)(q->depth - 1) << 16 | q->id,
		.cdw11 = NVME_QUEUE_PC,
	};
	int rc;

	if (q->vector >= 0)
		cmd.cdw11 |= NVME_CQ_IEN | (uint32_t)q->vector << 16;
	rc = nvme_admin(q->nvme, &cmd, NULL);
	q->live = !is_not_done(rc);
	if (rc != 0)
		return rc;
	cmd.opcode = NVME_ADMIN_CREATE_SQ;
	cmd.prp1 = (uintptr_t)q->sq;
	cmd.cdw11 = (uint32_t)q->id << 16 | NVME_QUEUE_PC;
	rc = nvme_admin(q->nvme, &cmd, NULL);
	/* Else the completion queue cannot be deleted: it may be in use. */
	if (is_not_done(rc))
		delete_cq(q);
	return rc;
}

void
nvme_delete_queue(struct rte_pmd_nvme_queue *q)
{
	struct nvme_cmd cmd = { .opcode = NVME_ADMIN_DELETE_SQ, .cdw10 = q->id };
	int rc;

	rc = nvme_admin(q->nvme, &cmd, NULL);
	if (rc == 0 || is_not_done(rc))
		delete_cq(q);
}
