/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _RTE_PMD_QUEUE_DEV_H_
#define _RTE_PMD_QUEUE_DEV_H_

/**
 * @file
 * Queues of a queue_dev device, doc/guides/drivers/queue_dev.rst: thousands of them, on hundreds of
 * sub-devices, on a handful of vectors.
 *
 *   submit --> queue --> device --> completion --> event queue of a vector --> fn(vec, arg)
 *
 * A queue hangs on a vector: one of a pool (rte_ims_pool_get()), any MSI-X vector or slot of the
 * store "ims-eq" of the device, which it then shares with any number of others by an event queue;
 * or the slot of its own in the store "ims-queue", which it has for itself. Without a vector it is
 * polled. A dedicated vector (rte_ims_pool_dedicated()) it has for itself as well, MSI-X or own
 * slot: its events go to the caller's eventfd, and the caller arms it.
 *
 * Threads: a queue belongs to one thread at a time, its handler's if it has a vector. Different
 * queues may be used concurrently. Creating, destroying and attaching may be done by any thread.
 * EAL's lcores ring doorbells without a lock; other threads share one portal under a lock. All
 * may go on while another thread resets the device: meanwhile there is no room and nothing
 * completes.
 *
 * @warning All of this is EXPERIMENTAL and is not part of DPDK.
 */

#include <rte_ims.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rte_pmd_queue_dev_queue;
struct rte_pmd_queue_dev_subdev;

struct rte_pmd_queue_dev_info {
	uint32_t n_queues;
	uint32_t n_subdevs;
	uint32_t n_eqs;
	uint32_t n_msix;
	/** Objects have messages of their own. */
	bool ims;
	/** Bytes that one operation handles at most. */
	uint32_t max_len;
	/** Queues and event queues that are there. */
	uint32_t used_queues;
	uint32_t used_eqs;
	/** The device's clock, of rte_pmd_queue_dev_stamp(). */
	uint64_t tick_hz;
	/** Its clock is this CPU's: stamps can be compared with rte_rdtsc(). */
	bool stamp_is_tsc;
	/** Events of the device that named no queue of ours: dropped. */
	uint64_t stray_events;
	/**
	 * Commands that were not answered in time, or not sent for want of a command ring, which is
	 * set up anew after one of the former and after a reset.
	 */
	uint64_t cmd_timeouts;
	/**
	 * Completions that the device wrote for operations which nobody had submitted, counted at
	 * each look, or with a head of the submission ring that cannot be. Only their place is
	 * believed: one of the former completes the operation that is submitted there next.
	 */
	uint64_t stray_completions;
};

enum rte_pmd_queue_dev_op_type {
	/** Result: imm. */
	RTE_PMD_QUEUE_DEV_NOP,
	/** len bytes from src to dst. */
	RTE_PMD_QUEUE_DEV_COPY,
	/** len bytes at dst with the 8 bytes of imm. */
	RTE_PMD_QUEUE_DEV_FILL,
	/** Result: CRC-32C of len bytes at src, imm: start value. */
	RTE_PMD_QUEUE_DEV_CRC32C,
	/** Raise the interrupt of queue imm, a number of 32 bits: for tests. */
	RTE_PMD_QUEUE_DEV_POST,
};

struct rte_pmd_queue_dev_op {
	enum rte_pmd_queue_dev_op_type type;
	uint32_t len;
	/** DPDK memory, or mapped by rte_ims_dev_dma_map(). */
	const void *src;
	void *dst;
	uint64_t imm;
	/** Comes back in the completion. */
	void *cookie;
};

/** Status of an operation that the device will never complete: it was reset, or is gone. */
#define RTE_PMD_QUEUE_DEV_ABORTED 0xffff

struct rte_pmd_queue_dev_completion {
	void *cookie;
	uint64_t result;
	/** 0: done; RTE_PMD_QUEUE_DEV_ABORTED; else section 7.3 of the data sheet. */
	uint16_t status;
};

/** Settings of rte_pmd_queue_dev_queue_create(). */
struct rte_pmd_queue_dev_queue_conf {
	/** Operations at one time: a power of two, 2 .. 32768. */
	uint32_t depth;
	/** NULL: the function itself. */
	struct rte_pmd_queue_dev_subdev *subdev;
	/**
	 * NULL: it is polled. A vector in the table of a sub-device is for queues of that one
	 * alone. When it is freed the queue goes on without one, as after
	 * rte_pmd_queue_dev_queue_attach() to NULL; not while a call for the queue is under way.
	 */
	struct rte_ims_vec *vec;
	/**
	 * With vec, unless that is dedicated, and for vectors that the queue is attached to later:
	 * called when there are completions. It takes them; the driver then asks the device for the
	 * next event, which comes at once if some were left. Who submits what completes had
	 * better leave some: the device may be as fast, and the vector's other queues wait. It
	 * may destroy the queue, or attach it to another vector; after that the queue is gone, or
	 * another thread's.
	 */
	rte_ims_handler_t fn;
	void *arg;
	/** An event for so many completions, or so many us after the first one; 0, 0: for each. */
	uint16_t coal_count;
	uint16_t coal_usec;
	uint64_t reserved[4];
};

/** An event queue, for listings. */
struct rte_pmd_queue_dev_eq_info {
	uint32_t number;
	uint32_t n_entries;
	/** The vector that it is of. */
	struct rte_ims_vec *vec;
	/** Queues that hang on the vector. */
	uint32_t n_queues;
	uint32_t reserved;
	/** Entries taken so far: each names a queue that had completions. */
	uint64_t n_taken;
};

/** @return 0; -EINVAL; -ENODEV not a queue_dev device. */
__rte_experimental
int
rte_pmd_queue_dev_info_get(struct rte_ims_dev *dev, struct rte_pmd_queue_dev_info *info);

/**
 * Fill in up to n event queues, by number. The caller sees to it that no vector is freed meanwhile.
 * @return how many there are; -EINVAL; -ENODEV not a queue_dev device.
 */
__rte_experimental
int
rte_pmd_queue_dev_eqs_get(
	struct rte_ims_dev *dev, struct rte_pmd_queue_dev_eq_info *eqs, unsigned int n);

/**
 * Read and clear the device's errors, after an event of its error interrupt (slot 0).
 * @return
 *   Bits of section 3.2 of the data sheet. Bit 31, which is no error of it, is cleared in the
 *   device as well, and left out here: a negative result is an error of the call. -EINVAL; -ENODEV;
 *   -EIO; -ETIMEDOUT.
 */
__rte_experimental
int
rte_pmd_queue_dev_error_get(struct rte_ims_dev *dev, uint64_t *operand);

/**
 * Create a sub-device: a message table of its own, and queues.
 *
 * @param n_vecs
 *   Indexes of its table, 1 .. 65536.
 * @return
 *   It, or NULL with rte_errno EINVAL, ENODEV, ENOSPC, ENOMEM, EIO the device refuses, ETIMEDOUT.
 */
__rte_experimental
struct rte_pmd_queue_dev_subdev *
rte_pmd_queue_dev_subdev_create(struct rte_ims_dev *dev, const char *name, uint32_t n_vecs);

/**
 * Destroy a sub-device: free its table with all vectors in it, then have the device forget it.
 *
 * @return
 *   0; -EINVAL; -EBUSY it has queues, -EDEADLK called from a handler of one of its vectors: all is
 *   as before; -ETIMEDOUT a handler did not return in time: its vectors may be silent, while
 *   rte_pmd_queue_dev_subdev_table() still gives the table, call again; -EIO, -ETIMEDOUT the device
 *   did not do it: the table is gone, call again.
 */
__rte_experimental
int
rte_pmd_queue_dev_subdev_destroy(struct rte_pmd_queue_dev_subdev *subdev);

/** @return its message table, or NULL with rte_errno EINVAL, ENOENT it has been freed. */
__rte_experimental
struct rte_ims_table *
rte_pmd_queue_dev_subdev_table(struct rte_pmd_queue_dev_subdev *subdev);

/**
 * Create a queue.
 *
 * @return
 *   The queue, or NULL with rte_errno: EINVAL; ENODEV; ENOSPC no queue or event queue is left;
 *   EBUSY the slot is another queue's; ENOMEM; EXDEV the vector is in the table of another
 *   sub-device; EIO the device refuses; ETIMEDOUT.
 */
__rte_experimental
struct rte_pmd_queue_dev_queue *
rte_pmd_queue_dev_queue_create(
	struct rte_ims_dev *dev, const struct rte_pmd_queue_dev_queue_conf *conf);

/**
 * Destroy a queue; operations under way are forgotten, and when this returns the device does not
 * touch their memory any more. Its handler does not run and will not run, except that a handler may
 * destroy its own queue.
 *
 * @return
 *   0; -EINVAL; -ETIMEDOUT the device did not answer, and may still use it and the memory of its
 *   operations, until the device is reset or closed; -EIO the device refuses. The queue is as
 *   before then, and this may be called again. -ETIMEDOUT also if a handler does not return: the
 *   device does not have the queue any more, nothing but this may be called for it, again.
 */
__rte_experimental
int
rte_pmd_queue_dev_queue_destroy(struct rte_pmd_queue_dev_queue *queue);

/**
 * Hang a queue on another vector, or on none (NULL), while operations go on. No completion is left
 * without an event; the handler may run once more for nothing. The queue's thread changes with the
 * vector: its handler does not run in the old one when this returns.
 *
 * @return
 *   0; -EINVAL; -EXDEV as above; -ENOSPC the vector's event queue is full; -EIO the device
 *   refuses: it is where it was; -ETIMEDOUT the device did not answer: it may be on either, and
 *   events may be missed until this is called again, the device answers another command, or is
 *   reset. -ETIMEDOUT also if a handler does not return: it is where it was, and has its events,
 *   but is not counted among the vector's objects until this is called again.
 */
__rte_experimental
int
rte_pmd_queue_dev_queue_attach(struct rte_pmd_queue_dev_queue *queue, struct rte_ims_vec *vec);

/** @return its number in the device, or -EINVAL. */
__rte_experimental
int
rte_pmd_queue_dev_queue_number(const struct rte_pmd_queue_dev_queue *queue);

/** @return operations submitted and not taken from poll yet, or -EINVAL. */
__rte_experimental
int
rte_pmd_queue_dev_queue_pending(const struct rte_pmd_queue_dev_queue *queue);

/** Submit up to n operations and ring. @return how many there was room for; -EINVAL; -ENODEV. */
__rte_experimental
int
rte_pmd_queue_dev_submit(struct rte_pmd_queue_dev_queue *queue,
	const struct rte_pmd_queue_dev_op *ops, unsigned int n);

/** Take up to n completions, in the order of submission. @return how many; -EINVAL. */
__rte_experimental
int
rte_pmd_queue_dev_poll(struct rte_pmd_queue_dev_queue *queue,
	struct rte_pmd_queue_dev_completion *done, unsigned int n);

/**
 * Ask for the next event: at once if there are completions that have not been taken. For queues on
 * dedicated vectors, before waiting for the eventfd; after a handler the driver does it.
 * @return 0; -EINVAL; -ENODEV.
 */
__rte_experimental
int
rte_pmd_queue_dev_arm(struct rte_pmd_queue_dev_queue *queue);

/**
 * Time, in the device's clock, right before the newest event of what interrupts for this vector
 * left the device: 0 if it is not known.
 */
__rte_experimental
uint64_t
rte_pmd_queue_dev_stamp(const struct rte_ims_vec *vec);

#ifdef __cplusplus
}
#endif

#endif /* _RTE_PMD_QUEUE_DEV_H_ */
