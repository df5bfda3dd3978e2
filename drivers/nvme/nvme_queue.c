/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Queue pairs: rings, doorbells, the phase bit. IOVA is the virtual address. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "nvme_private.h"

struct rte_pmd_nvme_queue *
nvme_queue_new(struct nvme *nvme, uint16_t id, uint16_t depth)
{
	uint32_t strd = NVME_CAP_DSTRD(nvme->cap);
	struct rte_pmd_nvme_queue *q;

	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return NULL;
	q->nvme = nvme;
	q->id = id;
	q->depth = depth;
	q->sq = rte_zmalloc("nvme", depth * sizeof(*q->sq), NVME_PAGE_SIZE);
	q->cq = rte_zmalloc("nvme", depth * sizeof(*q->cq), NVME_PAGE_SIZE);
	q->prp_lists = rte_zmalloc("nvme", (size_t)depth * NVME_PAGE_SIZE, NVME_PAGE_SIZE);
	q->free_cids = calloc(depth, sizeof(*q->free_cids));
	q->cookies = calloc(depth, sizeof(*q->cookies));
	q->busy = calloc(depth, sizeof(*q->busy));
	q->vector = -1;
	q->sq_doorbell = ims_dev_bar_map(nvme->dev, NVME_BAR, NVME_REG_SQ_TAIL(id, strd), 4);
	q->cq_doorbell = ims_dev_bar_map(nvme->dev, NVME_BAR, NVME_REG_CQ_HEAD(id, strd), 4);
	if (q->sq == NULL || q->cq == NULL || q->prp_lists == NULL || q->free_cids == NULL ||
		q->cookies == NULL || q->busy == NULL || q->sq_doorbell == NULL ||
		q->cq_doorbell == NULL) {
		nvme_queue_free(q);
		return NULL;
	}
	nvme_queue_restart(q);
	return q;
}

void
nvme_queue_free(struct rte_pmd_nvme_queue *q)
{
	if (q == NULL)
		return;
	rte_free(q->sq);
	rte_free(q->cq);
	rte_free(q->prp_lists);
	free(q->free_cids);
	free(q->cookies);
	free(q->busy);
	free(q);
}

/* One entry of a ring stays empty: a full one would look like an empty one. So there are depth - 1
 * identifiers, and those that are not free are busy.
 */
void
nvme_queue_restart(struct rte_pmd_nvme_queue *q)
{
	uint16_t cid;

	memset(q->cq, 0, q->depth * sizeof(*q->cq));
	q->sq_tail = q->cq_head = 0;
	q->phase = NVME_CQE_PHASE;
	q->n_free = 0;
	for (cid = 0; cid < q->depth - 1; cid++)
		if (!q->busy[cid])
			q->free_cids[q->n_free++] = cid;
	q->aborting = q->n_free != q->depth - 1;
}

void
nvme_queue_forget(struct rte_pmd_nvme_queue *q)
{
	memset(q->busy, 0, q->depth * sizeof(*q->busy));
	nvme_queue_restart(q);
}

static void
cid_give(struct rte_pmd_nvme_queue *q, uint16_t cid)
{
	q->busy[cid] = false;
	q->free_cids[q->n_free++] = cid;
}

/* Complete what no controller will complete any more. */
static unsigned int
abort_busy(struct rte_pmd_nvme_queue *q, struct rte_pmd_nvme_completion *done, unsigned int n)
{
	unsigned int got = 0;
	uint16_t cid;

	for (cid = 0; cid < q->depth - 1 && got < n; cid++) {
		if (!q->busy[cid])
			continue;
		cid_give(q, cid);
		done[got].cookie = q->cookies[cid];
		done[got].status = RTE_PMD_NVME_STATUS_ABORTED;
		done[got++].result = 0;
	}
	q->aborting = q->n_free != q->depth - 1;
	return got;
}

int
nvme_queue_submit(struct rte_pmd_nvme_queue *q, const struct nvme_cmd *cmd, void *cookie)
{
	uint16_t cid;

	/* Until its aborted commands have been taken, a queue that was reset takes no new ones. */
	if (q->n_free == 0 || q->aborting)
		return -EAGAIN;
	if (ims_dev_removed(q->nvme->dev))
		return -ENODEV;
	cid = q->free_cids[--q->n_free];
	q->busy[cid] = true;
	q->cookies[cid] = cookie;
	q->sq[q->sq_tail] = *cmd;
	q->sq[q->sq_tail].cid = cid;
	q->sq_tail = q->sq_tail + 1 == q->depth ? 0 : q->sq_tail + 1;
	/* The entry before the doorbell: rte_write32() has the barrier. */
	rte_write32(q->sq_tail, q->sq_doorbell);
	return 0;
}

static void
bad_completion(struct rte_pmd_nvme_queue *q, uint16_t cid)
{
	if (q->n_bad++ == 0)
		NVME_LOG(ERR, "queue %u: completion of a command that is not under way (%u)", q->id,
			cid);
}

int
rte_pmd_nvme_poll(
	struct rte_pmd_nvme_queue *q, struct rte_pmd_nvme_completion *done, unsigned int n)
{
	struct nvme_cqe *cqe;
	unsigned int got = 0, seen;
	uint16_t status, cid;

	if (q == NULL || (done == NULL && n != 0))
		return -EINVAL;
	if (unlikely(q->aborting))
		return abort_busy(q, done, n);
	/* Nor with an end: it may write entries for as long as somebody takes them. */
	for (seen = 0; got < n && seen < q->depth; seen++) {
		cqe = &q->cq[q->cq_head];
		status = __atomic_load_n(&cqe->status, __ATOMIC_ACQUIRE);
		if ((status & NVME_CQE_PHASE) != q->phase)
			break;
		cid = __atomic_load_n(&cqe->cid, __ATOMIC_RELAXED); /* once: it may change */
		if (++q->cq_head == q->depth) {
			q->cq_head = 0;
			q->phase ^= NVME_CQE_PHASE;
		}
		/* The controller is not trusted with an index. */
		if (cid >= q->depth || !q->busy[cid]) {
			bad_completion(q, cid);
			continue;
		}
		cid_give(q, cid);
		done[got].cookie = q->cookies[cid];
		done[got].status = status >> 1 & 0x7ff;
		done[got].result = cqe->result;
		got++;
	}
	if (seen != 0)
		rte_write32(q->cq_head, q->cq_doorbell);
	else if (unlikely(ims_dev_removed(q->nvme->dev)))
		got = abort_busy(q, done, n);
	return got;
}

/* Section 4.3: two pages by the entries themselves, more by a list. */
static int
set_prps(struct rte_pmd_nvme_queue *q, struct nvme_cmd *cmd, const void *buf, uint32_t len)
{
	uint64_t addr = (uintptr_t)buf, first = NVME_PAGE_SIZE - addr % NVME_PAGE_SIZE;
	uint64_t *list;
	uint32_t i = 0;

	if (addr % 4 != 0)
		return -EINVAL;
	cmd->prp1 = addr;
	if (len <= first)
		return 0;
	addr += first;
	len -= first;
	if (len <= NVME_PAGE_SIZE) {
		cmd->prp2 = addr;
		return 0;
	}
	/* The list of the identifier that the command is about to get. */
	if (q->n_free == 0)
		return -EAGAIN;
	list = q->prp_lists + (size_t)q->free_cids[q->n_free - 1] * (NVME_PAGE_SIZE / 8);
	for (; len != 0; len -= RTE_MIN(len, NVME_PAGE_SIZE), addr += NVME_PAGE_SIZE)
		list[i++] = addr;
	cmd->prp2 = (uintptr_t)list;
	return 0;
}

int
rte_pmd_nvme_submit(struct rte_pmd_nvme_queue *q, enum rte_pmd_nvme_op op, uint64_t lba,
	uint32_t n_blocks, void *buf, void *cookie)
{
	const struct rte_pmd_nvme_info *info;
	struct nvme_cmd cmd = { .nsid = 1 };
	int rc;

	if (q == NULL || op > RTE_PMD_NVME_FLUSH)
		return -EINVAL;
	info = &q->nvme->info;
	if (op == RTE_PMD_NVME_FLUSH) {
		cmd.opcode = NVME_CMD_FLUSH;
		return nvme_queue_submit(q, &cmd, cookie);
	}
	if (buf == NULL || n_blocks == 0 || n_blocks > info->max_transfer / info->block_size)
		return -EINVAL;
	cmd.opcode = op == RTE_PMD_NVME_READ ? NVME_CMD_READ : NVME_CMD_WRITE;
	cmd.cdw10 = (uint32_t)lba;
	cmd.cdw11 = (uint32_t)(lba >> 32);
	cmd.cdw12 = n_blocks - 1;
	rc = set_prps(q, &cmd, buf, n_blocks * info->block_size);
	return rc != 0 ? rc : nvme_queue_submit(q, &cmd, cookie);
}

/* Section 4.4: one segment of two descriptors, 4 bytes to the address and the rest to buf. */
int
rte_pmd_nvme_post(
	struct rte_pmd_nvme_queue *q, uint64_t lba, uint64_t addr, void *buf, void *cookie)
{
	struct nvme_cmd cmd = { .opcode = NVME_CMD_READ, .flags = NVME_CMD_FLAG_SGL, .nsid = 1 };
	uint32_t rest;
	uint64_t *sgl;

	if (q == NULL || buf == NULL)
		return -EINVAL;
	if (!q->nvme->info.sgl)
		return -ENOTSUP;
	if (q->n_free == 0)
		return -EAGAIN;
	rest = q->nvme->info.block_size - 4;
	sgl = q->prp_lists + (size_t)q->free_cids[q->n_free - 1] * (NVME_PAGE_SIZE / 8);
	sgl[0] = addr;
	sgl[1] = 4 | (uint64_t)NVME_SGL_DATA << 56;
	sgl[2] = (uintptr_t)buf;
	sgl[3] = rest | (uint64_t)NVME_SGL_DATA << 56;
	cmd.prp1 = (uintptr_t)sgl;
	cmd.prp2 = 32 | (uint64_t)NVME_SGL_SEGMENT << 56;
	cmd.cdw10 = (uint32_t)lba;
	cmd.cdw11 = (uint32_t)(lba >> 32);
	return nvme_queue_submit(q, &cmd, cookie);
}
