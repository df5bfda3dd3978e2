/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TP_LATENCY_H_
#define _TP_LATENCY_H_

#include "bench.h"

struct tp_vec;

/* rte_rdtsc() right before the newest message of a vector, 0: there is none. Any thread. */
typedef uint64_t (*tp_stamp_t)(const struct tp_vec *vec, uint32_t number);

/* Measure the vector from here on, whose messages are stamped so: 0 or -ENOMEM. */
int
tp_latency_start(struct tp_vec *vec, tp_stamp_t stamp, uint32_t number);
/* Its handler runs, since now. In any thread. */
void
tp_latency_add(struct tp_vec *vec, uint64_t now);
/* False: nothing stamps its messages. */
bool
tp_latency_get(struct tp_vec *vec, struct hist *hist);
void
tp_latency_clear(struct tp_vec *vec);
/* The vector is gone. */
void
tp_latency_free(struct tp_vec *vec);

#endif /* _TP_LATENCY_H_ */
