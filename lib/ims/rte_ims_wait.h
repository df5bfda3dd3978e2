/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _RTE_IMS_WAIT_H_
#define _RTE_IMS_WAIT_H_

/**
 * @file
 * Wait sets: what one thread polls or sleeps on.
 *
 *   vectors with MEMORY delivery  ->  doorbell words, 16 to a cache line  \
 *   vectors with EVENTFD delivery ->  eventfds in one epoll instance       >  handlers
 *   rte_ims_wait_wake()           ->  one more eventfd                    /
 *
 * poll never blocks: it scans the doorbell words, and only if the set has vectors with EVENTFD
 * delivery it also asks the kernel. sleep blocks until there is work, a timeout or a wake-up. fd is
 * the epoll instance, to nest the set into another loop.
 *
 * Things that are polled by calling a function join a set as sources: rte_ims_source.h.
 *
 * A policy (rte_ims_wait_policy_set()) says what sleep does and which delivery the set's vectors
 * have: a thread that always calls sleep can poll, sleep, or do either as the load asks, changed
 * live.
 *
 * A set belongs to one thread at a time: poll and sleep on the same set must not run concurrently.
 * All other functions may be called from any thread, also while that thread polls, sleeps or
 * runs a handler; from handlers too, unless they say otherwise.
 *
 * A thread may end in poll or sleep, by pthread_exit() in a handler, or with RTE_IMS_WAIT_F_CANCEL
 * by pthread_cancel(). Its vectors are moved to another set, or once it has been joined another
 * thread takes the set over, or destroys it: no call waits for the dead, no event is lost, and
 * handlers of vectors that it had begun to serve run once more.
 *
 * @warning All of this is EXPERIMENTAL and is not part of DPDK.
 */

#include <rte_ims.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rte_ims_wait;

/** Place the set for conf.lcore_id, not for the calling thread. */
#define RTE_IMS_WAIT_F_LCORE 0x1u
/**
 * The set's thread may be cancelled (pthread_cancel(), deferred): it is not while handlers run,
 * which costs some 20 ns each time, but where it sleeps. While it calls other functions of this
 * library outside of handlers it must not be cancelled.
 */
#define RTE_IMS_WAIT_F_CANCEL 0x2u

/** Settings of rte_ims_wait_create(). All zero is the default. */
struct rte_ims_wait_conf {
	/** Most vectors at one time, 0 = 1024, at most 65536. */
	uint32_t max_vecs;
	/** RTE_IMS_WAIT_F_*. */
	uint32_t flags;
	/** The lcore that will poll: doorbells are placed on its NUMA node. Needs the flag. */
	unsigned int lcore_id;
	/**
	 * Memory cannot wake a sleeping thread: while the set has vectors with MEMORY delivery,
	 * sleep looks at the doorbells at intervals of this many ns; 0 = 50000.
	 */
	uint32_t nap_ns;
	uint64_t reserved[6];
};

enum rte_ims_policy {
	/** Vectors keep the delivery that they have; sleep sleeps. */
	RTE_IMS_POLICY_MANUAL,
	/** All vectors to memory; sleep polls. */
	RTE_IMS_POLICY_POLL,
	/** All vectors to eventfds; sleep sleeps. */
	RTE_IMS_POLICY_INTERRUPT,
	/** Polls memory while events come close to one another, else sleeps on eventfds. */
	RTE_IMS_POLICY_ADAPTIVE,
};

/** Settings of rte_ims_wait_policy_set(). Times of 0 are the defaults. */
struct rte_ims_wait_policy {
	enum rte_ims_policy policy;
	/**
	 * ADAPTIVE: a set that polls goes to sleep when nothing has come for four times as long as
	 * usual, but not before min and not after max ns. Default 100000 and 200000.
	 */
	uint32_t budget_min_ns;
	uint32_t budget_max_ns;
	/**
	 * ADAPTIVE: a set that sleeps begins to poll when it has, on average, less time than this
	 * between the end of its handlers and the next event. Default 50000.
	 */
	uint32_t busy_gap_ns;
	uint64_t reserved[4];
};

struct rte_ims_wait_info {
	char name[RTE_IMS_NAME_LEN];
	uint32_t max_vecs;
	uint32_t n_memory;
	uint32_t n_eventfd;
	/** See rte_ims_source.h. */
	uint32_t n_sources;
	/** NUMA node of the doorbells, -1 = any. */
	int numa_node;
	/** The set's thread itself reads a vfio-user device's socket: one hop less. */
	bool reads_socket;
};

struct rte_ims_wait_stats {
	/** Vectors whose handlers were run, and times that a source had something. */
	uint64_t events;
	/** Calls of rte_ims_wait_poll(), counted when they find something. */
	uint64_t busy_polls;
	/** Calls of rte_ims_wait_sleep() that blocked. */
	uint64_t sleeps;
	/** Times a sleeping thread came back: for events, timeouts and rte_ims_wait_wake(). */
	uint64_t wakes;
	/** Deliveries for a vector that had left the set: dropped. */
	uint64_t stray;
	/** Calls of rte_ims_wait_poll(), and looks of a sleep that polls or has a timeout of 0. */
	uint64_t polls;
	/** Of events: those from before a switch or a move that may have been handled already. */
	uint64_t spurious;
	/** Times that ADAPTIVE has switched between polling and sleeping. */
	uint64_t switches;
	/** Time that sleep has blocked, in ns. */
	uint64_t asleep_ns;
};

/**
 * Create a wait set.
 *
 * @param name
 *   For listings, shorter than RTE_IMS_NAME_LEN. Copied.
 * @param conf
 *   Settings, NULL for the defaults.
 * @return
 *   The set, or NULL with rte_errno EINVAL, EMFILE, ENOMEM.
 */
__rte_experimental
struct rte_ims_wait *
rte_ims_wait_create(const char *name, const struct rte_ims_wait_conf *conf);

/**
 * Destroy an empty set. Not from its handlers. Waits until no other call waits for a handler of the
 * set, at most 5 s: calls for a vector that has left it need not have returned before.
 * @return 0; -EINVAL; -EBUSY it has vectors or sources.
 */
__rte_experimental
int
rte_ims_wait_destroy(struct rte_ims_wait *wait);

/**
 * Set the policy of a set, live: its vectors are switched, and its thread goes on by the new one. A
 * vector that cannot have the delivery (no eventfd is left for it, MSI cannot point at memory)
 * keeps the one it has, and is served all the same: sleep then naps, or asks the kernel as well.
 *
 * @return
 *   0; -EINVAL; or the first error of rte_ims_vec_delivery_set(): the policy is set all the same.
 */
__rte_experimental
int
rte_ims_wait_policy_set(struct rte_ims_wait *wait, const struct rte_ims_wait_policy *conf);

/** The policy with its times filled in. @return 0; -EINVAL. */
__rte_experimental
int
rte_ims_wait_policy_get(const struct rte_ims_wait *wait, struct rte_ims_wait_policy *conf);

/**
 * Switch all vectors of a set, see rte_ims_vec_delivery_set(). With a policy it does the same by
 * itself.
 * @return 0; -EINVAL; or the first error: the other vectors have been switched.
 */
__rte_experimental
int
rte_ims_wait_delivery_set(struct rte_ims_wait *wait, enum rte_ims_delivery delivery);

/**
 * Add a vector: point its message at the set and let the device send.
 *
 * @return
 *   0; -EINVAL, or the vector's eventfd is the caller's; -EBUSY the vector is in a set, or
 *   on its way, or being freed; -ENOSPC the set is full; -ENODEV; -EIO the device refused;
 *   -ETIMEDOUT it did not answer, or a handler in the set that the vector has left did not return
 *   in 5 s. Unless 0 it has not been added.
 */
__rte_experimental
int
rte_ims_wait_add(struct rte_ims_wait *wait, struct rte_ims_vec *vec);

/**
 * Take a vector out. A MEMORY vector is masked first, having no destination any more; an EVENTFD
 * vector's events go on into its eventfd. When this has returned the set runs no handler of the
 * vector any more. No event is lost: one that the handlers have not seen is delivered by the set
 * that the vector is added to next, perhaps once too often.
 *
 * @return
 *   0; -EINVAL; -ENOENT not in this set; -EDEADLK called from one of its own handlers;
 *   -ETIMEDOUT a handler did not return in time: the vector is out of the set, call again to wait
 *   longer.
 */
__rte_experimental
int
rte_ims_wait_del(struct rte_ims_wait *wait, struct rte_ims_vec *vec);

/**
 * Move a vector from the set it is in to another one, and so to another thread, while its device
 * goes on. The message is rewritten, then the old set is drained; the handlers run in one of the
 * sets at a time. No event is lost; some may be handled twice.
 *
 * @return
 *   0, also if it is there already; -EINVAL; -ENOENT in no set; -EDEADLK called from one of its own
 *   handlers; -EBUSY another thread is moving it; -ENOSPC the set is full, -EMFILE, -ENOMEM, -EIO
 *   the device refused: it stays where it is; -ENODEV; -ETIMEDOUT the device did not answer: it
 *   stays, and events may wait for the next call that succeeds; or a handler did not return in
 *   time: it is on its way, and the next call to add, take out, move, switch or free it takes it
 *   there.
 */
__rte_experimental
int
rte_ims_wait_move(struct rte_ims_wait *wait, struct rte_ims_vec *vec);

/**
 * Wait until the handler that is running in the set now, if any, has returned.
 * @return 0, also from a handler of the set; -EINVAL; -ETIMEDOUT after 5 s.
 */
__rte_experimental
int
rte_ims_wait_sync(struct rte_ims_wait *wait);

/**
 * Run the handlers of all vectors that have an event now, and look at all sources. Never blocks. A
 * handler of the set finds nothing, a handler of another set may poll this one.
 * @return number of vectors and sources served; -EINVAL.
 */
__rte_experimental
int
rte_ims_wait_poll(struct rte_ims_wait *wait);

/**
 * Wait for an event, by the set's policy, and run the handlers. Returns at once if there is one.
 *
 * @param timeout_ns
 *   Longest wait in ns, negative: for ever. 0: look at everything once, and take a wake-up; this is
 *   what a loop calls that watches rte_ims_wait_fd().
 * @return
 *   Number of vectors and sources served, 0 on timeout, wake-up or a signal; -EINVAL.
 */
__rte_experimental
int
rte_ims_wait_sleep(struct rte_ims_wait *wait, int64_t timeout_ns);

/**
 * End the sleep of the set's thread, the current or else the next one. Can be called from a signal
 * handler.
 * @return 0; -EINVAL.
 */
__rte_experimental
int
rte_ims_wait_wake(struct rte_ims_wait *wait);

/**
 * A descriptor that is readable while vectors with EVENTFD delivery or sources have events, or
 * rte_ims_wait_wake() was called: to be watched for input by another loop, level-triggered or
 * edge-triggered, which then calls rte_ims_wait_sleep(wait, 0). Vectors with MEMORY delivery do not
 * make it readable, so a policy for such a set is RTE_IMS_POLICY_INTERRUPT or _MANUAL.
 * @return the descriptor, the library's: not to be read, nor closed; -EINVAL.
 */
__rte_experimental
int
rte_ims_wait_fd(const struct rte_ims_wait *wait);

/** @return 0; -EINVAL. */
__rte_experimental
int
rte_ims_wait_info_get(const struct rte_ims_wait *wait, struct rte_ims_wait_info *info);

/** @return 0; -EINVAL. */
__rte_experimental
int
rte_ims_wait_stats_get(const struct rte_ims_wait *wait, struct rte_ims_wait_stats *stats);

/**
 * Count from 0 on, also while the set's thread counts: no event is counted twice or not at all.
 * @return 0; -EINVAL.
 */
__rte_experimental
int
rte_ims_wait_stats_reset(struct rte_ims_wait *wait);

/** Write the set's vectors and counters. @return 0; -EINVAL. */
__rte_experimental
int
rte_ims_wait_dump(const struct rte_ims_wait *wait, FILE *f);

#ifdef __cplusplus
}
#endif

#endif /* _RTE_IMS_WAIT_H_ */
