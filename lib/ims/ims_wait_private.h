/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_WAIT_PRIVATE_H_
#define _IMS_WAIT_PRIVATE_H_

#include <time.h>

#include <rte_branch_prediction.h>

#include "ims_bells.h"
#include "ims_private.h"
#include "rte_ims_source.h"

/*
 * Body of a wait set: ims_wait.c, ims_wait_sleep.c and ims_source.c are its data path, the others
 * its control path.
 */

#define IMS_WAIT_EPOLL_BATCH 64
#define WAIT_BATCH           32 /* messages of a source in one turn of the set */
#define WAIT_SOURCES         64 /* devices whose message source one set reads itself */

/*
 * A doorbell word: the generation of its entry's owner, which the device writes, and this bit,
 * which we set beside it or alone to have the handlers run.
 */
#define BELL_OURS 0x80000000u

/* What an epoll event is about: kind in the high half, index in the low one. */
#define EV_WAKE   0ull
#define EV_ENTRY  (1ull << 32)
#define EV_SOURCE (2ull << 32)
#define EV_POLLED (3ull << 32)

/* A vector's place in the set; its doorbell word has the same index. */
struct wait_entry {
	_Atomic(struct rte_ims_vec *) vec; /* NULL: none, or none any more */
	atomic_uint gen;                   /* of the present owner, never 0 */
	atomic_bool missed;                /* an event came, but the vector had just left */
	bool used;                         /* under wait->lock */
};

/* A device with message eventfds in the set. */
struct wait_source {
	TAILQ_ENTRY(wait_source) next; /* of the device's */
	struct rte_ims_wait *w;
	struct rte_ims_dev *dev;
	struct ims_vfio *vfio;
	uint32_t slot;
	uint32_t n_vecs;
	uint32_t n_leaving; /* left, but the set has not been drained yet */
	bool taken;
	atomic_int fd; /* the set's thread looks at it when the device is gone */
};

struct rte_ims_wait {
	/* Read by the data path, written by the control path. */
	_Atomic(uint32_t) *bells; /* DMA memory; written by devices */
	ims_bells_scan_t scan;
	struct wait_entry *entries;
	atomic_uint n_bells;   /* words to scan: no entry in use with MEMORY has a higher index */
	atomic_uint n_memory;  /* MEMORY vectors in the set */
	atomic_uint n_eventfd; /* EVENTFD vectors in the set */
	/* In epoll: eventfds, also of MEMORY vectors, and sockets that the set reads. */
	atomic_uint n_fds;
	int epfd;
	int wake_fd;
	atomic_bool woken; /* by rte_ims_wait_wake(), for a thread that does not look at wake_fd */
	bool monitor;      /* the CPU can sleep on a cache line */
	bool cancel;       /* RTE_IMS_WAIT_F_CANCEL */
	uint32_t nap_ns;
	/* The policy, in ticks of the time stamp counter; written under policy_lock. */
	atomic_int policy;
	atomic_uint_fast64_t budget_min;
	atomic_uint_fast64_t budget_max;
	atomic_uint_fast64_t busy_gap;
	_Atomic(struct wait_source *) sources[WAIT_SOURCES];
	/* What is polled by calling it: rte_ims_source.h. */
	_Atomic(struct rte_ims_source *) polled[RTE_IMS_SOURCES_MAX];
	atomic_uint n_polled; /* none has a higher place */

	/* The polling thread's. epoch is odd while it may run handlers; see ims_wait.c. */
	atomic_uint_fast64_t epoch __rte_cache_aligned;
	const struct rte_ims_vec *running; /* whose handlers run */
	const struct rte_ims_source *polling;
	struct rte_ims_wait *outer; /* a handler of that set polls this one */
	int cancel_state;           /* with `cancel`: as it was outside of the handlers */
	/* Messages read from this source; those from batch_next on have not been served. */
	struct wait_source *batch_src;
	struct ims_vfio_event batch[WAIT_BATCH];
	uint32_t batch_n;
	uint32_t batch_next;
	uint32_t deaf; /* sources that would not end a sleep */
	atomic_uint_fast64_t events;
	atomic_uint_fast64_t busy_polls;
	atomic_uint_fast64_t sleeps;
	atomic_uint_fast64_t wakes;
	atomic_uint_fast64_t stray;
	atomic_uint_fast64_t polls;
	atomic_uint_fast64_t spurious;
	atomic_uint_fast64_t switches;
	atomic_uint_fast64_t asleep; /* ticks */
	/*
	 * ADAPTIVE: when it last found events and had handled them, and the mean time without any.
	 */
	uint64_t found;
	uint64_t last;
	uint64_t gap;
	uint64_t probe_wait; /* ticks between two tries to be busy */
	uint64_t probe_at;
	uint32_t probes;  /* calls with events that are left of a try */
	atomic_bool busy; /* its vectors are delivered to memory; written under policy_lock */

	/* The control path's. */
	pthread_mutex_t policy_lock
		__rte_cache_aligned; /* over a switch of all vectors; taken first */
	struct rte_ims_wait_policy conf;
	pthread_mutex_t lock;
	TAILQ_ENTRY(rte_ims_wait) next;
	char name[RTE_IMS_NAME_LEN];
	struct rte_ims_wait_stats
		zero; /* counters at the last reset: only their thread writes them */
	uint32_t max_vecs;
	uint32_t n_used;
	atomic_uint n_drains; /* under way, of threads without an entry: destroy waits for them */
	uint32_t n_sources;
	uint64_t source_slots; /* of message sources, also of those that leave */
	uint32_t n_sources_ever;
	bool place_used[RTE_IMS_SOURCES_MAX];
	atomic_uint n_entries; /* no entry has ever had a higher index */
	uint32_t first_free;
	int numa_node;
	int cpu;              /* of the lcore it was made for; -1 */
	int lcore;            /* -1 */
	atomic_bool fd_given; /* by rte_ims_wait_fd(): another loop may watch the set */
	bool unsafe; /* a device that did not answer may still write a doorbell: never free them */
};

/* ims_wait_set.c: each set, none of which goes meanwhile; fn returns non-zero to stop. */
void
ims_wait_each(int (*fn)(struct rte_ims_wait *w, void *arg), void *arg);

/* ims_wait.c: what has an event now; returns how many vectors were served. */
unsigned int
ims_wait_poll_memory(struct rte_ims_wait *w);
/* Wait for descriptors. woken, if not NULL, tells of rte_ims_wait_wake() and signals. */
unsigned int
ims_wait_poll_fds(struct rte_ims_wait *w, int64_t timeout_ns, bool *woken);
/* As rte_ims_wait_poll(), without its count of busy polls. */
unsigned int
ims_wait_poll_once(struct rte_ims_wait *w);

/*
 * ims_wait.c: around whatever runs handlers. The epoch is odd between the two; a full barrier must
 * follow begin before an entry or a source is looked at. false: a handler of the set polls the set.
 */
bool
ims_wait_run_begin(struct rte_ims_wait *w);
void
ims_wait_run_end(struct rte_ims_wait *w, unsigned int n);

/*
 * ims_wait.c: whose handlers this thread is running, the innermost set, and from there on
 * rte_ims_wait.outer; and that its end would be noticed. The model makes an access a load; of the
 * static TLS that is left for libraries loaded late it takes a pointer and a byte.
 */
#define IMS_WAIT_TLS __attribute__((tls_model("initial-exec")))
extern __thread struct rte_ims_wait *ims_wait_inside IMS_WAIT_TLS;
extern __thread bool ims_wait_guarded IMS_WAIT_TLS;

/*
 * ims_wait.c: an event of an entry that is empty: its vector has left, or moves here and is not
 * open yet. The mark comes before the second look, as the opening comes before the look at the mark
 * (ims_wait_move.c).
 */
struct rte_ims_vec *
ims_wait_missed(struct wait_entry *entry);

/* ims_wait_thread.c: see to it that the end of this thread is noticed. */
void
ims_wait_guard_thread(void);

/* ims_source.c: look at all sources; returns how many had something. */
unsigned int
ims_source_poll_all(struct rte_ims_wait *w);
/* Before a sleep: arm all, look once more, and count those in w->deaf that are so all the same. */
unsigned int
ims_source_arm_all(struct rte_ims_wait *w);
/* The descriptor of the one at this place is readable, or broken. Between begin and end. */
unsigned int
ims_source_fired(struct rte_ims_wait *w, uint32_t place, bool broken);

static inline unsigned int
ims_wait_poll_sources(struct rte_ims_wait *w)
{
	if (likely(atomic_load_explicit(&w->n_polled, memory_order_relaxed) == 0))
		return 0;
	return ims_source_poll_all(w);
}

static inline unsigned int
ims_wait_arm_sources(struct rte_ims_wait *w)
{
	w->deaf = 0;
	if (likely(atomic_load_explicit(&w->n_polled, memory_order_relaxed) == 0))
		return 0;
	return ims_source_arm_all(w);
}

/* What a message must be to reach the word of an entry that is in use. */
static inline void
ims_wait_word(const struct rte_ims_wait *w, uint32_t i, struct rte_ims_msg *msg)
{
	msg->addr = (uintptr_t)&w->bells[i];
	msg->data = atomic_load(&w->entries[i].gen);
}

static inline int64_t
ims_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static inline void
ims_wait_add_to(atomic_uint_fast64_t *counter, uint64_t n)
{
	/* One writer, so no locked operation. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

/* ims_wait_policy.c */
/* The delivery that the set's policy wants now; false: it does not care. */
bool
ims_wait_policy_delivery(const struct rte_ims_wait *w, enum rte_ims_delivery *delivery);

/* ims_wait_ctl.c; dev->lock and w->lock held */
/* The same, and polls look at the word from now on. */
void
ims_wait_word_locked(struct rte_ims_wait *w, uint32_t i, struct rte_ims_msg *msg);
/* Have the handlers of an entry run. */
void
ims_wait_ring_locked(struct rte_ims_wait *w, uint32_t i);
int64_t
ims_wait_entry_take_locked(struct rte_ims_wait *w);
/* unsafe: the device may still write to its word, nobody gets it again. */
void
ims_wait_entry_give_locked(struct rte_ims_wait *w, uint32_t i, bool unsafe);
/* Watch the vector's eventfd, for an entry that is the vector's or will be. */
int
ims_wait_fd_watch_locked(struct rte_ims_wait *w, const struct rte_ims_vec *vec, uint32_t entry);
void
ims_wait_fd_unwatch_locked(struct rte_ims_wait *w, const struct rte_ims_vec *vec);
/*
 * Messages for it go to the set's own reading of the source, and its irq to the set's CPU; or not.
 */
void
ims_wait_fd_route_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec);
void
ims_wait_fd_unroute_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec);
/* Watch and route. */
int
ims_wait_fd_enter_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec);
/*
 * Have the handlers run for what the vector had between two sets, or while its message was in
 * doubt.
 */
void
ims_wait_carried_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec);
/* Which of its ends polls and sleeps must look at. */
void
ims_wait_count_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec, bool memory, bool eventfd);
/* The end that its delivery says, and no other. */
void
ims_wait_count_delivery_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec);

/* ims_wait_ctl.c; dev->lock held: the delivery that the set's policy wants. */
void
ims_wait_policy_follow_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec);

/* ims_wait_source.c; dev->lock and w->lock held */
/* One more message eventfd of a device in the set. */
void
ims_wait_source_add_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev);
/* One less. true: the set is to be drained, and then ims_wait_source_left_locked() called. */
bool
ims_wait_source_leave_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev);
void
ims_wait_source_left_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev);

/* ims_delivery.c: all vectors of a set; no lock held. 0, or the first error. */
int
ims_wait_deliver(struct rte_ims_wait *w, enum rte_ims_delivery delivery);

#endif /* _IMS_WAIT_PRIVATE_H_ */
