/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _FAKE_DEV_H_
#define _FAKE_DEV_H_

#include "ims_private.h"

/*
 * A device in the test's own process: an IMS BAR table in plain memory, and a transport that hands
 * out messages. Tests fire slots as the device would.
 */

#define FAKE_SLOTS 64
#define FAKE_LOG   64

/* One trapped access, in the order made. */
struct fake_access {
	char op; /* 'w', 'r', or 's' for a sync of slot `off` */
	uint64_t off;
	uint32_t val;
};

struct fake_dev {
	struct ims_vfio v; /* first */
	struct rte_ims_dev *dev;
	struct rte_ims_store *store;
	uint32_t bar[FAKE_SLOTS * 4];
	bool pending[FAKE_SLOTS];
	pthread_mutex_t lock; /* the device acts one step at a time */
	bool trap;            /* BAR accesses are logged */
	struct fake_access log[FAKE_LOG];
	unsigned int n_log;
	int fail;  /* every access fails with this */
	bool race; /* a message leaves at the last moment before the next sync */
	uint32_t next_msg;
	struct ims_vfio_sink sinks[4096];
	unsigned int n_msgs; /* given out now */
	bool forgets;        /* the root complex does not know its messages any more */
	const void *reader;
	int source_fd; /* eventfd standing for the socket */
	uint32_t queue
		[256]; /* messages in the socket: whose they are is found out when they are read */
	unsigned int n_queue;
	unsigned int n_acks;
	unsigned int n_dma;
};

/* EAL for unit tests: no hugepages, no devices. */
void
fake_eal_init(void);

struct fake_dev *
fake_dev_create(bool mapped);
/* Also checks that nothing is left over. */
void
fake_dev_destroy(struct fake_dev *f);

/* The device has an event for a slot. Returns true if it sent a message, false if it is pending. */
bool
fake_fire(struct fake_dev *f, uint32_t slot);

#endif /* _FAKE_DEV_H_ */
