/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _QUEUE_DEV_PRIVATE_H_
#define _QUEUE_DEV_PRIVATE_H_

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include <ims_driver.h>

#include "queue_dev_regs.h"
#include "rte_pmd_queue_dev.h"

/*
 * The driver. Section numbers are those of the data sheet, doc/guides/drivers/queue_dev.rst.
 *
 *   queue_dev.c         probe, registers, the message stores
 *   queue_dev_cmd.c     the command ring
 *   queue_dev_db.c      doorbells
 *   queue_dev_eq.c      event queues
 *   queue_dev_queue.c   queues: creating, destroying, attaching
 *   queue_dev_work.c    queues: submitting, completing, arming
 *   queue_dev_subdev.c  sub-devices
 *   queue_dev_reset.c   resets
 *   queue_dev_lost.c    objects that the device may or may not have
 *
 * Locks: the library's lock of the device -> qd.lock (objects, contexts,
 * commands). The data path takes none, but for threads that are no lcores, which share a portal.
 */

extern int qd_logtype;

#define QD_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_##level, qd_logtype, "QUEUE_DEV: " fmt "\n", ##__VA_ARGS__)

struct qd;

/* Section 4.2: a page of cells, written by one thread. */
struct qd_portal {
	_Atomic(uint64_t) *cells; /* NULL: not in use */
	uint32_t next;
	atomic_bool inside;
} __rte_cache_aligned;

/* Section 8. */
struct qd_eq {
	struct qd *qd;
	uint32_t number;
	uint32_t log_size;
	struct queue_dev_eqe *ring;
	uint32_t ci;
	atomic_bool inside;
	atomic_uint_fast64_t n_taken; /* written by the vector's thread */
	/* The device was reset: each queue may have completions, without an event. */
	atomic_bool look;
	bool running; /* the vector's thread's */
	struct rte_ims_vec *vec;
	uint16_t intr;
	bool lost; /* queue_dev_lost.c */
	uint32_t n_queues;
};

struct rte_pmd_queue_dev_subdev {
	struct qd *qd;
	uint16_t number;
	struct rte_ims_table *table;
	uint32_t n_queues;
	bool lost;
};

/* Section 7. */
struct rte_pmd_queue_dev_queue {
	/* The data path's. */
	struct qd *qd;
	uint32_t number;
	uint32_t log_size;
	uint32_t submitted;
	uint32_t completed;
	struct queue_dev_desc *sq;
	struct queue_dev_cqe *cq;
	atomic_bool inside;
	void **cookies; /* by position in the ring: the device is not trusted with ours */
	bool aborting;  /* what is under way will not be completed by the device */
	rte_ims_handler_t fn;
	void *arg;

	/* The control path's. */
	struct rte_ims_obj obj;
	struct qd_eq *eq; /* NULL: it interrupts itself, or is polled */
	struct rte_ims_vec *vec;
	struct rte_pmd_queue_dev_subdev *subdev;
	uint16_t intr;
	bool own_slot; /* made for a vector of its slot in the store "ims-queue" */
	uint16_t coal_count;
	uint16_t coal_usec;
	bool dead; /* the device does not have it any more, a handler has not returned yet */
	bool lost; /* nobody's but the device's, perhaps: queue_dev_lost.c */
	/*
	 * The device may have its events go elsewhere than they should. Written under the lock;
	 * attaching looks without it, at what another queue's command, or a reset, may just settle.
	 */
	atomic_bool stale;
	/* Off its vector's list, by a detach that a handler kept from ending. */
	bool leaving;
};

/* A command and its answer: section 5. */
struct qd_cmd {
	struct queue_dev_cmd c;
	const char *what; /* for logs */
};

/*
 * The event queue that a queue is on, and its sub-device: what an entry that names it must agree
 * with.
 */
#define QD_HOME(eqn, subdev) ((uint32_t)(subdev) << 16 | ((eqn) + 1))
#define QD_HOME_EQ(home)     ((home)&0xffff)

struct qd {
	struct rte_ims_dev *dev;
	struct qd *kept; /* another one that is kept, queue_dev.c */
	uint32_t features;
	uint32_t n_subdevs;
	uint32_t n_eqs;
	uint32_t n_ims_eqs; /* the first ones interrupt by their own messages, the rest by MSI-X */
	uint32_t n_queues;
	uint32_t n_msix;
	uint64_t tick_hz;
	bool stamp_is_tsc;
	struct rte_ims_store *eq_store;
	struct rte_ims_store *queue_store;
	const uint64_t *stamps; /* mapped; NULL: by transactions */

	atomic_bool resetting; /* queue_dev_reset.c */
	bool membarrier;

	/* Doorbells. */
	uint8_t *portal_pages; /* NULL: DOORBELL only */
	const _Atomic(uint32_t) *asleep;
	_Atomic(uint8_t) lcore_portal[RTE_MAX_LCORE]; /* number + 1; 0: none yet */
	atomic_uint n_portals;
	pthread_mutex_t portal_lock; /* for portals to come into use */
	pthread_mutex_t shared_lock; /* held over a transaction, so none that is spun on */
	struct qd_portal portals[QUEUE_DEV_N_PORTALS];

	pthread_mutex_t lock;
	struct queue_dev_ctx *ctx; /* by slot, in DMA memory */
	struct queue_dev_query *query;
	struct queue_dev_cmd *cmds;
	uint32_t cmd_tail;
	bool cmd_ready; /* the ring is set up; false: it could not be, next time */
	uint32_t token;
	struct rte_ims_table *table;
	struct rte_ims_vec *cmd_vec; /* NULL: commands are polled for */
	uint64_t cmd_timeouts;
	uint32_t n_lost;              /* objects that are lost or stale */
	_Atomic(struct qd_eq *) *eqs; /* written under the lock */
	uint32_t used_eqs;
	_Atomic(struct rte_pmd_queue_dev_queue *) *queues;
	_Atomic(uint32_t) *homes; /* by queue: QD_HOME(), 0: on no event queue */
	uint32_t next_queue;
	uint32_t used_queues;
	struct rte_pmd_queue_dev_subdev **subdevs; /* by number */

	atomic_uint_fast64_t stray_events;
	atomic_uint_fast64_t stray_completions;
};

extern struct ims_driver qd_driver;

/*
 * The data path is entered with a flag of what it is about to touch: a queue's indices, an event
 * queue's, a portal's. It is refused while the device is being reset: what the reset changes nobody
 * else touches (queue_dev_reset.c). Cheap: no locked operation, no barrier.
 */
static inline bool
qd_enter(const struct qd *qd, atomic_bool *inside)
{
	atomic_store_explicit(inside, true, memory_order_relaxed);
	/* The CPU's barrier is on the other side, that is rare: qd_quiesce(). */
	atomic_signal_fence(memory_order_seq_cst);
	if (likely(!atomic_load_explicit(&qd->resetting, memory_order_acquire)))
		return true;
	atomic_store_explicit(inside, false, memory_order_release);
	return false;
}

static inline void
qd_leave(atomic_bool *inside)
{
	atomic_store_explicit(inside, false, memory_order_release);
}

static inline struct qd *
qd_from(const struct rte_ims_dev *dev)
{
	if (dev == NULL || ims_dev_driver(dev) != &qd_driver)
		return NULL;
	return ims_dev_priv(dev);
}

static inline uint32_t
qd_queue_slot(const struct qd *qd, uint32_t queue)
{
	return QUEUE_DEV_SLOT_QUEUE(qd->n_eqs, queue);
}

/* queue_dev_cmd.c; qd->lock held */
/* Set the command ring up, or anew: commands that are not done are forgotten. */
int
qd_cmd_setup(struct qd *qd);
/*
 * Submit and wait: 0; refused: -ENOENT no such object, -EBUSY, -ENOSPC, -EIO, also if it could not
 * be sent; -ETIMEDOUT not answered, and forgotten by now, or when the ring can be set up again: it
 * has had its effect, or never will; -ENODEV.
 */
int
qd_cmd(struct qd *qd, const struct queue_dev_cmd *cmd);
/* After a command's rc: the next one would be waited for as well. */
static inline bool
qd_silent(const struct qd *qd, int rc)
{
	return rc == -ETIMEDOUT || (rc == -EIO && !qd->cmd_ready);
}
/*
 * What the device has of an object, in qd->query: 0; -ENOENT nothing; -ETIMEDOUT not known;
 * -ENODEV.
 */
int
qd_query(struct qd *qd, uint32_t kind, uint32_t number);
/* Create: 0: it is there, with this ring; -ETIMEDOUT: not known; other errors: it is not. */
int
qd_cmd_create(struct qd *qd, const struct queue_dev_cmd *cmd, uint32_t kind, const void *ring);
/* Destroy: 0: it is not there; -ETIMEDOUT: not known; other errors: it is. */
int
qd_cmd_destroy(struct qd *qd, const struct queue_dev_cmd *cmd, uint32_t kind);
/* Make a slot's context effective. As update() of struct ims_store_queue_conf. */
int
qd_modify_msg(struct qd *qd, uint32_t slot, const struct ims_store_queue_ctx *want);

/* What the device has in a slot. As query() of struct ims_store_queue_conf. */
int
qd_query_msg(struct qd *qd, uint32_t slot, struct ims_slot_view *view);

/* queue_dev_db.c */
void
qd_ring(struct qd *qd, uint64_t doorbell);
/* The same, for who does the reset. */
void
qd_ring_reset(struct qd *qd, uint64_t doorbell);
int
qd_db_setup(struct qd *qd);
/* After a reset no portal is in use. */
int
qd_db_restore(struct qd *qd);

/* queue_dev_eq.c */
/* The event queue of a vector, made if it has none. NULL with rte_errno. */
struct qd_eq *
qd_eq_get(struct qd *qd, struct rte_ims_vec *vec);
int
qd_vec_init(struct rte_ims_vec *vec);
void
qd_vec_fini(struct rte_ims_vec *vec);
void
qd_eq_release(struct qd_eq *eq);
int
qd_eqs_restore(struct qd *qd);

/* queue_dev_lost.c; qd->lock held */
/* The device may have it, and nobody else has: keep it until that is settled. */
void
qd_eq_lose(struct qd_eq *eq);
void
qd_queue_lose(struct rte_pmd_queue_dev_queue *q);
void
qd_subdev_lose(struct rte_pmd_queue_dev_subdev *s);
void
qd_queue_stale_set(struct rte_pmd_queue_dev_queue *q, bool stale);
/* Settle what can be: 0; -ETIMEDOUT the device does not answer; -EIO it refuses, or qd_silent(). */
int
qd_settle(struct qd *qd);
/* The device has been reset: it has nothing. */
void
qd_lost_free(struct qd *qd);

/* queue_dev_reset.c */
void
qd_reset_init(struct qd *qd);
void
qd_reset_prepare(struct rte_ims_dev *dev);
int
qd_reset_done(struct rte_ims_dev *dev, int rc);
/* INTR, section 3.3: errors and commands by MSI-X where there is any. */
uint32_t
qd_intr_select(const struct qd *qd);

/* queue_dev_queue.c */
/* Its vector is being freed, and runs no handlers any more; the device is still to be told. */
void
qd_queue_vec_gone(struct rte_pmd_queue_dev_queue *q);
int
qd_queues_restore(struct qd *qd);
void
qd_queue_free(struct rte_pmd_queue_dev_queue *queue);
/* Its number is free again. */
void
qd_queue_drop(struct rte_pmd_queue_dev_queue *q);
/*
 * QUEUE_MODIFY, which also says whether the queue is stale. -ENOENT: the device has no such queue.
 */
int
qd_queue_eq_set(struct rte_pmd_queue_dev_queue *q, uint16_t eqn);
/* Have the device interrupt for it as its vector says: by the event queue, or not at all. */
int
qd_queue_place(struct rte_pmd_queue_dev_queue *q);

/* queue_dev_subdev.c */
/* A vector in the table of a sub-device is for that one alone: 0; -EXDEV it is another one's. */
int
qd_subdev_vec_check(const struct rte_pmd_queue_dev_subdev *s, const struct rte_ims_vec *vec);
/* SUBDEV_CREATE or _DESTROY; qd->lock held. As qd_cmd_create() and qd_cmd_destroy(). */
int
qd_subdev_command(struct qd *qd, uint8_t op, uint32_t number);

/* queue_dev_work.c */
/* Handler of what hangs on a vector, a queue. */
void
qd_queue_run(struct rte_ims_vec *vec, void *arg);
/* The handler that called us, if it is the queue's, is not to touch the queue when it returns. */
void
qd_queue_left(const struct rte_pmd_queue_dev_queue *q);
/* The doorbell that asks for the next event, 0: not now. */
uint64_t
qd_queue_arm_doorbell(const struct rte_pmd_queue_dev_queue *q);

/* Fill in what all contexts have; qd->lock held. */
struct queue_dev_ctx *
qd_ctx(struct qd *qd, uint32_t slot, uint32_t kind, uint32_t number);

#endif /* _QUEUE_DEV_PRIVATE_H_ */
