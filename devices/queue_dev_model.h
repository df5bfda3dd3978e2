/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _QUEUE_DEV_MODEL_H_
#define _QUEUE_DEV_MODEL_H_

#include <pthread.h>
#include <stdatomic.h>

#include "model.h"
#include "msi_fire.h"
#include "queue_dev_regs.h"
#include "timer_heap.h"

/*
 * State of the model queue_dev. Section numbers are those of its data sheet,
 * doc/guides/drivers/queue_dev.rst.
 *
 *   queue_dev_model.c         its life: keys, memory, reset
 *   queue_dev_model_ctrl.c    control page and the other parts of the BAR (3)
 *   queue_dev_model_db.c      doorbells and portals (4)
 *   queue_dev_model_cmd.c     command ring (5)
 *   queue_dev_model_obj.c     sub-devices, EQs and queues: create, destroy, modify (5, 7.1, 8.1)
 *   queue_dev_model_intr.c    how an object interrupts (6)
 *   queue_dev_model_event.c   arming, EQs, coalescing (7.5, 8)
 *   queue_dev_model_work.c    descriptors and completions (7)
 *   queue_dev_model_mem.c     memory of the client's
 *   queue_dev_model_engine.c  the thread that does the work, and its sleep (4.4)
 *   queue_dev_model_inject.c  hazards, and what happens later (10)
 *
 * The device's lock is held in all functions below, except where it is said. The engine's thread
 * looks at portals and deadlines without it, so what it looks at is atomic.
 */

#define QD_NONE        UINT32_MAX
#define QD_ORPHAN      0xffff /* an EQE whose queue is not attached any more */
#define QD_BOGUS       0xfffe /* an EQE that is a hazard */
#define QD_MAX_ACTIONS 1024   /* things to be done later */

/*
 * Memory of the client's that is used all the time. Where a part of it is mapped is remembered: all
 * of it, if it lies in one map.
 */
struct qd_ring {
	uint64_t iova;
	uint64_t len;
	uint64_t part;     /* offset of the part that is known */
	uint64_t part_len; /* 0: none is */
	uint8_t *addr;     /* of the part */
	uint64_t gen;      /* vfu_dma_gen() for which addr is good */
	uint32_t entry;    /* size of an entry, which a map must not cut */
	bool write;
};

/* Section 6: how an object interrupts, its slot. */
struct qd_intr {
	uint64_t addr;
	uint32_t data;
	uint32_t seq;
	uint16_t intr;
	bool masked;
	bool pending;
	uint64_t events;
	uint64_t messages;
};

/* Sections 7.5 and 8.3: when a queue or an EQ makes an event. */
struct qd_notify {
	bool armed;
	bool always;
	uint16_t coal_count;
	uint16_t coal_usec;
	uint32_t base; /* producer index when it was armed, or at the last event */
};

struct qd_queue {
	uint8_t state; /* QUEUE_DEV_CTX_STATE_* */
	uint8_t sq_log;
	uint8_t cq_log;
	uint8_t deferred; /* types of the EQE to come */
	bool listed;      /* in the list of those with work */
	bool outstanding; /* an EQE of it is not consumed: number eqe_at of its EQ */
	uint16_t eqn;
	uint16_t subdev;
	uint32_t head;
	uint32_t tail;
	uint32_t pi;
	uint32_t ci;
	struct qd_notify notify;
	uint32_t eqe_at;
	uint32_t next_run;
	struct qd_ring sq;
	struct qd_ring cq;
	uint64_t errors;
	uint64_t completions;
	uint32_t next; /* of its sub-device */
	uint32_t prev;
};

struct qd_eq {
	uint8_t state;
	uint8_t log;
	struct qd_notify notify;
	uint32_t pi;
	uint32_t ci;
	uint32_t attached; /* queues */
	uint32_t orphans;
	uint32_t bogus;
	uint16_t *owner; /* of each EQE that is not consumed: a queue, QD_ORPHAN, QD_BOGUS */
	struct qd_ring ring;
	uint64_t eqes;
};

struct qd_subdev {
	bool there;
	uint32_t first; /* queue, QD_NONE */
};

/* Section 5.1. */
struct qd_cmdq {
	uint64_t base;
	uint32_t ctrl;
	uint32_t head;
	uint32_t tail;
	struct qd_ring ring;
	uint32_t held; /* action that waits for the next command, QD_NONE */
};

/* What is to be done later. */
enum qd_action_kind {
	QD_ACTION_FREE,
	QD_ACTION_CMD,
	QD_ACTION_DOORBELL,
	QD_ACTION_MESSAGE,
	QD_ACTION_HAZARD,
};

struct qd_action {
	enum qd_action_kind kind;
	uint32_t index; /* CMD: of the entry; HAZARD: its kind */
	struct queue_dev_cmd cmd;
	uint64_t db;
	uint64_t addr;
	uint32_t data;
};

/* Section 10: one kind of hazard. */
struct qd_hazard {
	uint32_t left;
	uint32_t done;
	uint32_t usec;
	uint64_t arg;
	uint32_t data;
};

enum qd_engine {
	QD_ENGINE_SLEEP,
	QD_ENGINE_POLL,
};

struct queue_dev {
	struct vfu *vfu;
	struct msi_port port;
	uint32_t n_subdevs;
	uint32_t n_eqs;
	uint32_t n_queues;
	uint32_t n_slots;
	uint32_t n_msix;
	bool ims;
	bool inject;
	bool mappable;

	int memfd;
	uint8_t *bar; /* all of it, the control page unused */
	_Atomic(uint64_t) *cells;
	_Atomic(uint64_t) *stamps;
	_Atomic(uint32_t) *asleep;

	/* Registers. */
	bool halted;
	uint32_t resets;
	uint32_t error;
	uint64_t error_arg;
	uint32_t db_high; /* upper half of DOORBELL */
	struct qd_cmdq cmdq;

	struct qd_subdev *subdevs; /* n_subdevs + 1 */
	struct qd_eq *eqs;
	struct qd_queue *queues;
	struct qd_intr *intrs; /* by slot */
	uint32_t run_first;    /* queues with work; QD_NONE */
	uint32_t run_last;

	_Atomic(uint64_t) portals; /* those in use, a bit each */
	_Atomic(uint32_t) next_cell[QUEUE_DEV_N_PORTALS];

	/* Timers: those of slots (coalescing), behind them those of actions. */
	struct timer_heap heap;
	_Atomic(uint64_t) deadline; /* the next one, ns */
	uint64_t usec_ns;           /* a microsecond; tests make it longer */
	struct qd_action actions[QD_MAX_ACTIONS];
	struct qd_hazard hazards[QUEUE_DEV_N_INJECT];
	uint32_t inject_kind;
	struct qd_hazard inject_regs; /* TIME, ARG and DATA as written */

	uint64_t completions;
	uint64_t n_eqes;
	uint64_t events;
	uint64_t doorbells;
	uint64_t commands;
	uint64_t sleeps;

	/* The engine. */
	enum qd_engine engine;
	int cpu; /* -1: any */
	uint32_t idle_us;
	pthread_t thread;
	bool has_thread;
	bool has_cond;
	atomic_bool stop;
	atomic_bool work;     /* queues have work, as seen without the lock */
	atomic_bool sleeping; /* set with the lock held */
	bool kicked;          /* under idle_lock */
	pthread_mutex_t idle_lock;
	pthread_cond_t cond;
};

static inline uint32_t
qd_slot_eq(uint32_t eqn)
{
	return QUEUE_DEV_SLOT_EQ(eqn);
}

static inline uint32_t
qd_slot_queue(const struct queue_dev *d, uint32_t qn)
{
	return QUEUE_DEV_SLOT_QUEUE(d->n_eqs, qn);
}

/* The slot of an object, QD_NONE if there is no such object. */
uint32_t
qd_slot(const struct queue_dev *d, uint32_t kind, uint32_t number);

/* queue_dev_model.c */
void
qd_reset(struct queue_dev *d);

/* queue_dev_model_mem.c */
void
qd_ring_set(struct qd_ring *ring, uint64_t iova, uint32_t entry, uint8_t log_size, bool write);
/* All of it can be reached, and is aligned as it has to be. */
bool
qd_ring_good(struct queue_dev *d, const struct qd_ring *ring);
void *
qd_ring_find(struct queue_dev *d, struct qd_ring *ring, uint64_t off);

/* What was remembered of it may be out of date; so may the rest, once the lock was let go. */
static inline void
qd_ring_begin(struct queue_dev *d, struct qd_ring *ring)
{
	uint64_t gen = vfu_dma_gen(d->vfu);

	if (ring->gen != gen)
		ring->part_len = 0;
	ring->gen = gen;
}

/* Entry number i, counted without end; NULL: it cannot be reached now. */
static inline void *
qd_ring_at(struct queue_dev *d, struct qd_ring *ring, uint32_t i)
{
	uint64_t off = (uint64_t)i * ring->entry & (ring->len - 1);

	if (off - ring->part < ring->part_len)
		return ring->addr + (off - ring->part);
	return qd_ring_find(d, ring, off);
}

/* All of a range can be accessed. */
bool
qd_mem_good(struct queue_dev *d, uint64_t iova, uint64_t len, bool write);
/* Of ranges that are. */
void
qd_mem_copy(struct queue_dev *d, uint64_t dst, uint64_t src, uint32_t len);
void
qd_mem_fill(struct queue_dev *d, uint64_t dst, uint64_t pattern, uint32_t len);
uint32_t
qd_mem_crc32c(struct queue_dev *d, uint64_t src, uint32_t crc, uint32_t len);
void
qd_mem_write(struct queue_dev *d, uint64_t dst, const void *data, uint32_t len);

/* queue_dev_model_ctrl.c */
int
qd_bar_read(void *priv, uint32_t bar, uint64_t off, void *buf, uint32_t len);
int
qd_bar_write(void *priv, uint32_t bar, uint64_t off, const void *buf, uint32_t len);
void
qd_error(struct queue_dev *d, uint32_t bit, uint64_t arg);
/* Bring the status page up to date. */
void
qd_publish(struct queue_dev *d);

/* queue_dev_model_db.c */
/* The next cell of some portal is not 0. Also without the lock; then it may be out of date. */
bool
qd_cells_peek(struct queue_dev *d);
/* Take up to max doorbells from each portal. False: there was none. */
bool
qd_cells_take(struct queue_dev *d, uint32_t max);
void
qd_doorbell(struct queue_dev *d, uint64_t db);
/* One that was put off. */
void
qd_doorbell_later(struct queue_dev *d, uint64_t db);
void
qd_portal_enable(struct queue_dev *d, uint32_t portal);
void
qd_portal_disable(struct queue_dev *d, uint32_t portal);
void
qd_portals_reset(struct queue_dev *d);

/* queue_dev_model_cmd.c */
void
qd_cmdq_setup(struct queue_dev *d, uint32_t ctrl);
void
qd_cmdq_tail(struct queue_dev *d, uint32_t tail);
/* Commands that wait, now that they can be executed. */
void
qd_cmdq_run(struct queue_dev *d);
/* A command that was put off. */
void
qd_cmd_later(struct queue_dev *d, uint32_t index, const struct queue_dev_cmd *cmd);

/* queue_dev_model_obj.c: a status, QUEUE_DEV_CMD_* */
uint32_t
qd_subdev_create(struct queue_dev *d, const struct queue_dev_cmd *cmd);
uint32_t
qd_subdev_destroy(struct queue_dev *d, const struct queue_dev_cmd *cmd);
uint32_t
qd_eq_create(struct queue_dev *d, const struct queue_dev_cmd *cmd);
uint32_t
qd_eq_destroy(struct queue_dev *d, const struct queue_dev_cmd *cmd);
uint32_t
qd_eq_modify(struct queue_dev *d, const struct queue_dev_cmd *cmd);
uint32_t
qd_queue_create(struct queue_dev *d, const struct queue_dev_cmd *cmd);
uint32_t
qd_queue_destroy(struct queue_dev *d, const struct queue_dev_cmd *cmd);
uint32_t
qd_queue_modify(struct queue_dev *d, const struct queue_dev_cmd *cmd);
uint32_t
qd_query(struct queue_dev *d, const struct queue_dev_cmd *cmd);
/* The context of a command, checked to be the object's. */
uint32_t
qd_ctx_read(struct queue_dev *d, const struct queue_dev_cmd *cmd, uint32_t kind,
	struct queue_dev_ctx *ctx);
/* Section 7.5: a count alone could delay an event for ever. */
bool
qd_coal_good(uint16_t count, uint16_t usec);
void
qd_objects_reset(struct queue_dev *d);

/* queue_dev_model_intr.c */
bool
qd_intr_valid(const struct queue_dev *d, uint32_t intr);
uint32_t
qd_msg_check(const struct queue_dev_ctx *ctx);
/* The object is there, with the message and the binding of its context. */
void
qd_intr_create(struct queue_dev *d, uint32_t slot, const struct queue_dev_ctx *ctx);
void
qd_intr_destroy(struct queue_dev *d, uint32_t slot);
void
qd_intr_bind(struct queue_dev *d, uint32_t slot, uint16_t intr);
/* An event of the object. */
void
qd_intr_raise(struct queue_dev *d, uint32_t slot);
/* Look at all slots again: bus mastering is allowed now. */
void
qd_intr_flush(struct queue_dev *d);
void
qd_intr_reset(struct queue_dev *d);
int
qd_intr_init(struct queue_dev *d);
/* INTR: which of the two interrupts by its own message. */
void
qd_intr_select(struct queue_dev *d, uint32_t own);
uint32_t
qd_modify_msg(struct queue_dev *d, const struct queue_dev_cmd *cmd);
uint32_t
qd_modify_intr(struct queue_dev *d, const struct queue_dev_cmd *cmd);

/* queue_dev_model_event.c */
/* The queue has one more completion. */
void
qd_queue_completed(struct queue_dev *d, uint32_t qn);
void
qd_queue_error(struct queue_dev *d, uint32_t qn);
/* The index is possible, or false. */
bool
qd_queue_arm(struct queue_dev *d, uint32_t qn, uint32_t ci);
bool
qd_eq_consumed(struct queue_dev *d, uint32_t eqn, uint32_t ci, bool arm);
void
qd_eq_attach(struct queue_dev *d, uint32_t qn, uint16_t eqn);
void
qd_eq_detach(struct queue_dev *d, uint32_t qn);
bool
qd_eq_has_room(const struct queue_dev *d, uint32_t eqn);
/* A coalescing time is over. */
void
qd_notify_expired(struct queue_dev *d, uint32_t slot);
/* The coalescing was changed. */
void
qd_notify_modify(struct queue_dev *d, uint32_t slot, uint16_t count, uint16_t usec);
/* Events of all queues that had to wait for bus mastering. */
void
qd_events_flush(struct queue_dev *d);

/* queue_dev_model_work.c */
/* The queue has work: let it have its turn. */
void
qd_run(struct queue_dev *d, uint32_t qn);
/* Do some of what is to be done, about as many descriptors. */
void
qd_work(struct queue_dev *d, uint32_t budget);

/* queue_dev_model_engine.c; init and fini without the lock */
int
qd_engine_init(struct queue_dev *d);
void
qd_engine_fini(struct queue_dev *d);
/* There is something to do, found by a bus transaction. */
void
qd_engine_kick(struct queue_dev *d);
/* The timer expires so many microseconds from now. */
void
qd_timer_set(struct queue_dev *d, uint32_t timer, uint32_t usec);
void
qd_timer_del(struct queue_dev *d, uint32_t timer);
void
qd_timers_reset(struct queue_dev *d);
/* What is due now. */
void
qd_timers_run(struct queue_dev *d);

/* queue_dev_model_inject.c */
/* 0 or a positive errno. */
int
qd_inject_read(const struct queue_dev *d, uint64_t reg, void *buf, uint32_t len);
int
qd_inject_write(struct queue_dev *d, uint64_t reg, uint64_t val, uint32_t len);
const struct qd_hazard *
qd_hazard_take(struct queue_dev *d, uint32_t kind);

/* The hazard is to happen now: counts it, and gives its operands; NULL: it is not. */
static inline const struct qd_hazard *
qd_hazard(struct queue_dev *d, uint32_t kind)
{
	return d->inject ? qd_hazard_take(d, kind) : NULL;
}

/* Do it later; the caller fills it in. NULL: too much is under way. */
struct qd_action *
qd_action(struct queue_dev *d, enum qd_action_kind kind, uint32_t usec);
void
qd_action_run(struct queue_dev *d, uint32_t action);
/* Commands that were put off are forgotten. */
void
qd_actions_forget_cmds(struct queue_dev *d);
void
qd_inject_reset(struct queue_dev *d);

#endif /* _QUEUE_DEV_MODEL_H_ */
