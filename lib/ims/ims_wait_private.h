/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_WAIT_PRIVATE_H_
#define _IMS_WAIT_PRIVATE_H_

#include "ims_private.h"

/* Body of a wait set, for ims_wait.c (data path) and ims_wait_ctl.c (control path). */

#define BELLS_PER_LINE (RTE_CACHE_LINE_SIZE / sizeof(uint32_t))
#define WAIT_SOURCES   64 /* devices whose message source one set reads itself */

/* What an epoll event is about: kind in the high half, index in the low one. */
#define EV_WAKE   0ull
#define EV_ENTRY  (1ull << 32)
#define EV_SOURCE (2ull << 32)

/* A vector's place in the set; its doorbell word has the same index. */
struct wait_entry {
	_Atomic(struct rte_ims_vec *) vec; /* NULL: none, or none any more */
	atomic_uint gen;                   /* of the present owner, never 0 */
	atomic_bool missed;                /* an event came, but the vector had just left */
	bool used;                         /* under wait->lock */
};

/* A device with message eventfds in the set. */
struct wait_source {
	struct rte_ims_dev *dev;
	struct ims_vfio *vfio;
	uint32_t n_vecs;
	bool taken;
	int fd;
};

struct rte_ims_wait {
	/* Read by the data path, written by the control path. */
	atomic_uint *bells; /* DMA memory; written by devices */
	struct wait_entry *entries;
	atomic_uint n_bells;   /* words to scan: no entry in use with MEMORY has a higher index */
	atomic_uint n_memory;  /* MEMORY vectors in the set */
	atomic_uint n_eventfd; /* EVENTFD vectors in the set */
	int epfd;
	int wake_fd;
	uint32_t nap_ns;
	_Atomic(struct wait_source *) sources[WAIT_SOURCES];

	/* The polling thread's. epoch is odd while it may run handlers; see ims_wait.c. */
	atomic_uint_fast64_t epoch __rte_cache_aligned;
	_Atomic(pthread_t) runner;
	_Atomic(struct rte_ims_vec *) running;
	atomic_uint_fast64_t events;
	atomic_uint_fast64_t busy_polls;
	atomic_uint_fast64_t sleeps;
	atomic_uint_fast64_t wakes;
	atomic_uint_fast64_t stray;

	/* The control path's. */
	pthread_mutex_t lock __rte_cache_aligned;
	char name[RTE_IMS_NAME_LEN];
	uint32_t max_vecs;
	uint32_t n_used;
	uint32_t first_free;
	int numa_node;
	int cpu;     /* of the lcore it was made for; -1 */
	bool unsafe; /* a device that did not answer may still write a doorbell: never free them */
};

#endif /* _IMS_WAIT_PRIVATE_H_ */
