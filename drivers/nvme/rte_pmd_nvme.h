/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _RTE_PMD_NVME_H_
#define _RTE_PMD_NVME_H_

/**
 * @file
 * NVMe controllers: the device that everyone has, to see what vectors do for I/O queues. The admin
 * queue has the fixed MSI-X vector 0; each I/O queue pair is given a vector by its user. One
 * namespace, number 1. This is no storage stack.
 *
 * Threads: a queue belongs to one thread at a time; different queues may be used concurrently.
 * Queues are created and destroyed, and the controller is reset, by one thread at a time.
 *
 * @warning All of this is EXPERIMENTAL and is not part of DPDK.
 */

#include <stdbool.h>

#include <rte_ims.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rte_pmd_nvme_queue;

struct rte_pmd_nvme_info {
	char model[41];
	char serial[21];
	/** Bytes of a block, and how many blocks. */
	uint32_t block_size;
	uint64_t n_blocks;
	/** Bytes of the longest transfer. */
	uint32_t max_transfer;
	/** Most I/O queues, and entries of one. */
	uint32_t max_queues;
	uint32_t max_depth;
	/** Scatter-gather lists are supported. */
	bool sgl;
};

enum rte_pmd_nvme_op {
	RTE_PMD_NVME_READ,
	RTE_PMD_NVME_WRITE,
	RTE_PMD_NVME_FLUSH,
};

/** Status of a command that the controller will never complete: it was reset, or is gone. */
#define RTE_PMD_NVME_STATUS_ABORTED 0x007

struct rte_pmd_nvme_completion {
	/** As given to rte_pmd_nvme_submit(). */
	void *cookie;
	/** 0: done; else the status code (bits 7:0) and its type (bits 10:8). */
	uint16_t status;
	/** Doubleword 0 of the completion. */
	uint32_t result;
};

/** @return 0; -EINVAL; -ENODEV not an NVMe controller. */
__rte_experimental
int
rte_pmd_nvme_info_get(struct rte_ims_dev *dev, struct rte_pmd_nvme_info *info);

/**
 * Create an I/O queue pair.
 *
 * @param depth
 *   Entries, 2 .. max_depth; one less can be under way.
 * @param vec
 *   MSI-X vector of this device that its completions raise; NULL: none, the queue is polled. It
 *   must stay allocated as long as the queue is there. Any number of queues may share it.
 * @return
 *   The queue, or NULL with rte_errno EINVAL, ENODEV, ENOSPC no queue is left, ENOMEM, EIO the
 *   controller refuses, ETIMEDOUT it does not answer. What it may have all the same is kept, one
 *   queue fewer, until the controller is reset or the device is closed.
 */
__rte_experimental
struct rte_pmd_nvme_queue *
rte_pmd_nvme_queue_create(struct rte_ims_dev *dev, uint32_t depth, struct rte_ims_vec *vec);

/**
 * Reset the controller (CC.EN) and set it up again: queues stay as they are, and keep their
 * vectors. Commands under way are completed by rte_pmd_nvme_poll() with
 * RTE_PMD_NVME_STATUS_ABORTED. No other thread may use the controller's queues meanwhile.
 * rte_ims_dev_reset() resets the whole PCI function, to the same effect, and raises every vector
 * once.
 *
 * @return 0; -EINVAL; -ENODEV; -EIO the controller refuses; -ETIMEDOUT.
 */
__rte_experimental
int
rte_pmd_nvme_reset(struct rte_ims_dev *dev);

/**
 * Destroy a queue; commands under way are aborted. If the controller refuses or does not answer,
 * its number and its memory are kept until the controller is reset or the device is closed: it may
 * write there. Buffers of commands under way are the caller's to keep for as long.
 *
 * @return 0, the queue is not the caller's any more; -EINVAL.
 */
__rte_experimental
int
rte_pmd_nvme_queue_destroy(struct rte_pmd_nvme_queue *queue);

/**
 * Submit a command.
 *
 * @param buf
 *   DPDK memory, not crossing more than one 4 KiB page boundary unless page aligned; not used for a
 *   flush.
 * @return
 *   0; -EINVAL; -EAGAIN the queue is full; -ENODEV the controller is gone.
 */
__rte_experimental
int
rte_pmd_nvme_submit(struct rte_pmd_nvme_queue *queue, enum rte_pmd_nvme_op op, uint64_t lba,
	uint32_t n_blocks, void *buf, void *cookie);

/**
 * Read, but let the controller store the first 4 bytes of the block at an address of its own, the
 * rest into buf: with the address of a message and its data word on the disk, the controller raises
 * an interrupt by a message it keeps in a queue's memory. For tests of message stores.
 *
 * @return 0; -EINVAL; -EAGAIN; -ENOTSUP no scatter-gather lists.
 */
__rte_experimental
int
rte_pmd_nvme_post(
	struct rte_pmd_nvme_queue *queue, uint64_t lba, uint64_t addr, void *buf, void *cookie);

/**
 * Take completions. Once the controller is gone, what was under way comes as aborted. Completions
 * of commands that are not under way are passed over; no call looks at more entries than the queue
 * has.
 * @return how many, 0 .. n; -EINVAL.
 */
__rte_experimental
int
rte_pmd_nvme_poll(
	struct rte_pmd_nvme_queue *queue, struct rte_pmd_nvme_completion *done, unsigned int n);

#ifdef __cplusplus
}
#endif

#endif /* _RTE_PMD_NVME_H_ */
