/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _RTE_IMS_SOURCE_H_
#define _RTE_IMS_SOURCE_H_

/**
 * @file
 * Sources: what is in a wait set beside vectors, because it is not rte_ims that drives it.
 *
 * A source is looked at by calling a function, an Rx burst for example, and can be told to make a
 * descriptor readable when there is something new:
 *
 *	disarmed: poll() finds events, the set's thread goes on without sleep
 *	   |  ^
 *	   |  |  poll() found something, or the descriptor became readable: disarm()
 *	   v  |
 *	armed:    arm(), then poll() once more, and only if that finds nothing the thread sleeps
 *
 * What comes before that last poll() is found by it, what comes later makes the descriptor
 * readable: nothing is slept over, as long as arm() has its effect before it returns or on the far
 * side of a full memory barrier, which the set has between the two.
 *
 * By the set's policy: POLL only calls poll(); MANUAL and INTERRUPT arm before each sleep; ADAPTIVE
 * polls while events come close to one another, else it arms and sleeps. A source without a
 * descriptor, or that could not be armed, is polled at intervals of rte_ims_wait_conf.nap_ns
 * instead.
 *
 * Poll, arm and disarm of a source are called by the set's thread, one at a time, and by the caller
 * of rte_ims_wait_source_del() at the end. They are to a source what handlers are to a vector. All
 * functions below may be called from any thread.
 *
 * @warning All of this is EXPERIMENTAL and is not part of DPDK.
 */

#include <rte_ims_wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most sources in one set. */
#define RTE_IMS_SOURCES_MAX 256

/**
 * The descriptor tells of events by what is written to it, and nobody reads it: an eventfd or epoll
 * instance of another library's. It is watched edge-triggered. Without this flag it is watched
 * level-triggered: poll() makes it unreadable by taking what is there, as with a socket, or by
 * reading it.
 */
#define RTE_IMS_SOURCE_F_EDGE 0x1u

/** What a source can be asked. All are needed. */
struct rte_ims_source_ops {
	/**
	 * Handle what there is, at most a batch. Never blocks. @return number of events, 0: none.
	 */
	unsigned int (*poll)(void *arg);
	/**
	 * From now on an event makes the descriptor readable. @return 0, or negative: it will not.
	 */
	int (*arm)(void *arg);
	/** No more, for the sake of speed: it may still do so. */
	void (*disarm)(void *arg);
};

/** Counted since the source was zeroed, through all sets it was in. */
struct rte_ims_source_stats {
	/** What poll() returned, summed up. */
	uint64_t events;
	/** Calls of poll(), and those that found something. */
	uint64_t polls;
	uint64_t busy_polls;
	/** Times that it was armed, and that it could not be. */
	uint64_t arms;
	uint64_t arm_errors;
	/**
	 * Of arms: those after which there was something already, that the thread would have slept
	 * over.
	 */
	uint64_t late;
	/**
	 * Times that its descriptor became readable while it was armed, and that this was for
	 * nothing.
	 */
	uint64_t wakes;
	uint64_t spurious;
};

/** Embedded in the caller's own. All zero but for the first four before it is added. */
struct rte_ims_source {
	const struct rte_ims_source_ops *ops;
	/** Passed to ops. */
	void *arg;
	/**
	 * The caller's; -1: none. It stays open while the source is in a set. One that breaks is
	 * let go.
	 */
	int fd;
	/** RTE_IMS_SOURCE_F_*. */
	uint32_t flags;

	/* Below: the library's. */
	struct rte_ims_wait *wait;
	uint32_t place;
	bool armed;
	bool rearm;
	bool broken;
	struct rte_ims_source_stats stats;
};

/**
 * Add a source. Events that it has already are found.
 *
 * @return
 *   0; -EINVAL; -EBUSY it is in a set; -ENOSPC the set is full; -EPERM, -EEXIST and others of
 *   epoll_ctl(): the descriptor cannot be watched, or is in the set.
 */
__rte_experimental
int
rte_ims_wait_source_add(struct rte_ims_wait *wait, struct rte_ims_source *source);

/**
 * Take a source out: when this has returned 0 the set calls none of its functions any more, and it
 * is disarmed. Events that it has stay with it: the set that it is added to next finds them.
 *
 * @return
 *   0; -EINVAL; -ENOENT not in this set; -EDEADLK called from its own poll(); -ETIMEDOUT a handler
 *   did not return in time: call again to wait longer.
 */
__rte_experimental
int
rte_ims_wait_source_del(struct rte_ims_wait *wait, struct rte_ims_source *source);

/**
 * What arm() did may have been undone, by a reset for example: have it called again before the next
 * sleep, and end a sleep that goes on.
 * @return 0; -EINVAL; -ENOENT not in this set.
 */
__rte_experimental
int
rte_ims_wait_source_rearm(struct rte_ims_wait *wait, struct rte_ims_source *source);

/** @return 0; -EINVAL. */
__rte_experimental
int
rte_ims_source_stats_get(const struct rte_ims_source *source, struct rte_ims_source_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* _RTE_IMS_SOURCE_H_ */
