/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _NVME_PRIVATE_H_
#define _NVME_PRIVATE_H_

#include <stdbool.h>
#include <sys/queue.h>

#include <rte_log.h>

#include <ims_driver.h>

#include "nvme_regs.h"
#include "rte_pmd_nvme.h"

extern int nvme_logtype;

#define NVME_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_##level, nvme_logtype, "NVME: " fmt "\n", ##__VA_ARGS__)

#define NVME_MAX_QUEUES  64
#define NVME_ADMIN_DEPTH 32

/* A queue pair; 0 is the admin queue. */
struct rte_pmd_nvme_queue {
	struct nvme *nvme;
	uint16_t id;
	uint16_t depth;
	struct nvme_cmd *sq;
	struct nvme_cqe *cq;
	uint64_t *prp_lists; /* a page for each command */
	void *sq_doorbell;
	void *cq_doorbell;
	uint16_t sq_tail;
	uint16_t cq_head;
	uint8_t phase;
	uint16_t n_free;
	uint16_t *free_cids;
	void **cookies; /* by cid */
	bool *busy;     /* by cid: submitted, not completed */
	bool aborting;  /* what is busy will never be completed by the controller */
	int64_t vector; /* MSI-X, -1: none */
	bool live;      /* the controller has it, or may: it writes into the rings */
	bool lost;      /* nobody's, but live */
	uint64_t n_bad; /* completions that make no sense */
};

struct nvme {
	struct rte_ims_dev *dev;
	uint64_t cap;
	struct rte_pmd_nvme_info info;
	struct rte_ims_table *table;
	struct rte_ims_vec *admin_vec;
	uint64_t n_admin; /* admin commands so far */
	struct rte_pmd_nvme_queue *queues[NVME_MAX_QUEUES + 1];
	void *page; /* for admin commands' data */
};

/* nvme_queue.c */
struct rte_pmd_nvme_queue *
nvme_queue_new(struct nvme *nvme, uint16_t id, uint16_t depth);
void
nvme_queue_free(struct rte_pmd_nvme_queue *queue);
/* The controller was reset: start anew. What was under way is completed as aborted. */
void
nvme_queue_restart(struct rte_pmd_nvme_queue *queue);
/* All identifiers are free: nobody asks what became of the commands. */
void
nvme_queue_forget(struct rte_pmd_nvme_queue *queue);
/* Submit with a command identifier of the queue's. -EAGAIN: it is full. */
int
nvme_queue_submit(struct rte_pmd_nvme_queue *queue, const struct nvme_cmd *cmd, void *cookie);

/* nvme_admin.c: commands that are waited for. 0, -EIO, -ETIMEDOUT. */
int
nvme_admin(struct nvme *nvme, const struct nvme_cmd *cmd, uint32_t *result);
int
nvme_identify(struct nvme *nvme);
int
nvme_set_n_queues(struct nvme *nvme, uint32_t *n);
/* Where these fail, or the controller does not answer, the queue may be live. */
int
nvme_create_queue(struct rte_pmd_nvme_queue *queue);
void
nvme_delete_queue(struct rte_pmd_nvme_queue *queue);

#endif /* _NVME_PRIVATE_H_ */
