/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _E2E_NVME_H_
#define _E2E_NVME_H_

#include <rte_pmd_nvme.h>

#include "e2e.h"

/* What the programs share that run on an NVMe controller: it, a wait set, and queues on vectors. */

#define SECOND_NS   1000000000ull
#define NV_N_QUEUES 8
#define NV_DEPTH    32

struct nv {
	struct rte_ims_dev *dev;
	struct rte_ims_wait *set;
	struct rte_pmd_nvme_info info;
	uint8_t *buf; /* 1 MiB of DMA memory */
};
extern struct nv nv;

/* Fixtures; RTE_IMS_DEV_F_* flags. */
int
nv_setup_flags(uint32_t flags);
int
nv_setup(void **state);
int
nv_teardown(void **state);

/* A queue pair on a vector. */
struct io {
	struct rte_pmd_nvme_queue *queue;
	struct rte_ims_vec *vec;
	struct rte_ims_obj obj;
	uint64_t done;
	uint64_t failed;
	uint16_t status; /* of the last that failed */
	uint64_t calls;
};

void
io_open(struct io *io, uint32_t slot, enum rte_ims_delivery delivery);
void
io_close(struct io *io);
/* Take completions, in the handler or without one. */
void
io_drain(struct io *io);
/* Sleep on the set until so many are done. */
void
io_wait(struct io *io, uint64_t done);
/* One command, from submission to completion. */
void
io_do(struct io *io, enum rte_pmd_nvme_op op, uint64_t lba, uint32_t n, void *data);

/* The Linux irq of an MSI-X vector, and its interrupts by CPU, from /proc/interrupts. 0: none. */
unsigned int
nv_irqs(uint32_t vector, uint64_t count[2]);
/* Move it, as an administrator would. */
void
nv_irq_move(uint32_t vector, int cpu);

#endif /* _E2E_NVME_H_ */
