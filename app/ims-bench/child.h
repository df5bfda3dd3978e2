/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _CHILD_H_
#define _CHILD_H_

#include <stdatomic.h>
#include <sys/types.h>

#include "ims_bench.h"

#define CHILD_MSG_SIZE 36 /* of a vfio-user DMA_WRITE with 4 bytes */

struct child_shared {
	_Atomic(uint64_t) stamp __rte_cache_aligned;
	_Atomic(uint64_t) ready;
	_Atomic(uint32_t) flag __rte_cache_aligned;
};

struct child_conf {
	enum {
		CHILD_LINE,   /* a store to flag */
		CHILD_SOCKET, /* a message of CHILD_MSG_SIZE bytes */
		CHILD_EVENTFD,
		CHILD_MESSAGE, /* a device's: the data at the address */
	} how;
	const int *fds; /* it writes to them by turns, or to msgs */
	const struct rte_ims_msg *msgs;
	unsigned int n_fds;
	uint32_t events;      /* 0: until it is ended */
	uint64_t interval_ns; /* 0: as fast as it can */
};

struct child_shared *
child_start(const struct child_conf *conf, pid_t *pid);
void
child_end(struct child_shared *s, pid_t pid);

/* The latency of what has just arrived: a later stamp is that of the next one. */
static inline void
child_sample(struct child_shared *s, uint64_t now, struct samples *out)
{
	uint64_t stamp = atomic_load_explicit(&s->stamp, memory_order_relaxed);

	if (now > stamp)
		samples_add(out, now - stamp);
}

#endif /* _CHILD_H_ */
