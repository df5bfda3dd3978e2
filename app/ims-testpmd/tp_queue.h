/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TP_QUEUE_H_
#define _TP_QUEUE_H_

/*
 * Queues and sub-devices of queue_dev devices that the user created.
 *
 * queues.c has the list, queue_run.c what keeps queues busy: operations are submitted and
 * completions taken by the handler, in the thread of the vector's lcore, or by a job of a thread
 * (tp_service.h) if the queue has no vector or goes at a rate. A lock for each queue makes them
 * agree, with the main thread as well, which starts, stops and counts.
 */

#include <pthread.h>
#include <sys/queue.h>

#include <rte_pmd_queue_dev.h>

#include "tp_service.h"

struct tp_dev;
struct tp_pool;
struct tp_vec;

struct tp_subdev {
	TAILQ_ENTRY(tp_subdev) next;
	char name[RTE_IMS_NAME_LEN];
	struct tp_dev *dev;
	struct rte_pmd_queue_dev_subdev *subdev;
	unsigned int n_queues;
};

struct tp_queue {
	TAILQ_ENTRY(tp_queue) next;
	struct tp_dev *dev;
	struct rte_pmd_queue_dev_queue *q;
	uint32_t number; /* the device's */
	uint32_t depth;
	struct tp_subdev *subdev; /* NULL: the device itself */
	struct tp_vec *vec;       /* NULL: it is polled */
	bool from_pool;           /* it is a user of vec's pool */
	bool polled;              /* no handler runs for it */
	struct tp_set *set;       /* that polls it */

	pthread_mutex_t lock; /* for all that follows, and the data path of q */
	bool busy;
	enum rte_pmd_queue_dev_op_type op;
	uint64_t rate; /* operations per second, 0: as many as it takes */
	uint64_t start_tsc;
	uint64_t due; /* of those at a rate: submitted, or given up for want of room */
	uint64_t submitted;
	uint64_t completed;
	uint64_t errors;
	int rc; /* the device does not take operations any more: why */
	struct tp_job job;
	/* When it was shown last. */
	uint64_t shown_tsc;
	uint64_t shown_completed;
};

TAILQ_HEAD(tp_subdev_list, tp_subdev);
TAILQ_HEAD(tp_queue_list, tp_queue);
extern struct tp_subdev_list tp_subdevs;
extern struct tp_queue_list tp_queues; /* by device and number */

/* queues.c; all return NULL with rte_errno, or a negative errno value, after tp_fail() */
struct tp_queue_want {
	uint32_t depth;
	struct tp_pool *pool;
	struct tp_set *set; /* lcore that is wanted, or NULL */
	struct tp_vec *vec;
	struct tp_subdev *subdev;
};

struct tp_queue *
tp_queue_create(struct tp_dev *dev, const struct tp_queue_want *want);
int
tp_queue_destroy(struct tp_queue *queue);
/* Its lcore, negative: nobody's. */
int
tp_queue_lcore(const struct tp_queue *queue);

struct tp_subdev *
tp_subdev_add(struct tp_dev *dev, const char *name, uint32_t n_vecs);
int
tp_subdev_del(struct tp_subdev *subdev);
/* By name, of a device or, with NULL, the first one of any. */
struct tp_subdev *
tp_subdev_find(const struct tp_dev *dev, const char *name);

/* A list of numbers as the user writes it, "0-9,12", or NULL for all. */
bool
tp_list_has(const char *list, uint32_t number);
bool
tp_list_valid(const char *list, size_t len);

/* queue_run.c */
struct tp_queue_stats {
	bool busy;
	enum rte_pmd_queue_dev_op_type op;
	uint64_t rate;
	uint32_t pending;
	uint64_t submitted;
	uint64_t completed;
	uint64_t errors;
	double per_second; /* completions, since it was asked last */
};

/* The handler of a queue with a vector. */
void
tp_queue_handler(struct rte_ims_vec *vec, void *arg);
int
tp_queue_start(struct tp_queue *queue, enum rte_pmd_queue_dev_op_type op, uint64_t rate);
/* No new operations; those under way go on. */
void
tp_queue_stop(struct tp_queue *queue);
/* Wait until none is under way: 0, or -EINTR, -ETIMEDOUT. */
int
tp_queue_drain(struct tp_queue *queue);
void
tp_queue_stats(struct tp_queue *queue, struct tp_queue_stats *stats);
/* Its vector may be on another lcore: so is what submits to it. */
void
tp_queue_follow(struct tp_queue *queue);

/*
 * Operations: number n of a queue, with a cookie that says so, on memory that all share; and
 * whether a completion is that of n and has the right result.
 */
const char *
tp_op_str(enum rte_pmd_queue_dev_op_type op);
void
tp_op_fill(struct rte_pmd_queue_dev_op *op, enum rte_pmd_queue_dev_op_type type, uint64_t n);
bool
tp_op_right(const struct rte_pmd_queue_dev_completion *done, uint64_t n);
/* The memory; it goes when there are no queues. */
int
tp_op_memory_get(void);
void
tp_op_memory_put(void);

#endif /* _TP_QUEUE_H_ */
