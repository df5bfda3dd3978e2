/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _QUEUE_H_
#define _QUEUE_H_

#include <rte_ims_wait.h>
#include <rte_pmd_queue_dev.h>

#define QUEUE_DEPTH 8

/* A queue, and what it was given and has done. */
struct queue {
	struct rte_pmd_queue_dev_queue *q;
	unsigned int submitted;
	unsigned int done;
	unsigned int aborted;
};

/** Its handler; arg: struct queue. */
void
queue_on_event(struct rte_ims_vec *vec, void *arg);

/**
 * Some operations, until they have been handled. -ENODEV: the device is gone, and they are aborted.
 */
int
queue_operate(struct rte_ims_dev *dev, struct rte_ims_wait *wait, struct queue *s);

#endif /* _QUEUE_H_ */
