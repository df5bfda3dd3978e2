/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _BUSY_H_
#define _BUSY_H_

#include "ims_bench.h"

/* Queues on one vector that keep themselves busy: what completes is submitted again. */

#define BUSY_QUEUES 64u

struct busy;

/* depth: operations of each queue under way, 1 .. 16. */
struct busy *
busy_open(struct rig *rig, struct rte_ims_vec *vec, unsigned int depth);
/* Submit the first operations; from here on it goes by itself, where the vector is served. */
void
busy_start(struct busy *b);
/* Operations completed, and times that a handler ran. Any thread. */
uint64_t
busy_done(const struct busy *b);
uint64_t
busy_calls(const struct busy *b);
/*
 * Let it come to its end while this thread serves the main lcore's set, with a second one that is
 * not running. Returns the queues that stand still with operations under way: those have lost an
 * event.
 */
unsigned int
busy_stop(struct busy *b, struct rig *rig);
void
busy_close(struct busy *b);

#endif /* _BUSY_H_ */
