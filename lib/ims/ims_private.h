/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_PRIVATE_H_
#define _IMS_PRIVATE_H_

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "ims_driver.h"
#include "ims_vfio.h"
#include "rte_ims.h"
#include "rte_ims_wait.h"

/*
 * Bodies of the opaque structs, and what the .c files of this folder share.
 *
 * Locks, outermost first:
 *   registry locks              the lists of open devices (ims_dev.c), of pools and of wait sets
 *   rte_ims_pool.lock           lcores and vectors of a pool
 *   rte_ims_dev.lock            stores, tables and vectors of a device; held over accesses to the
 *                               device and over commands of its driver, which are bounded by the
 *                               device's timeout: who waits for this lock can wait that long
 *   rte_ims_wait.lock           which vector has which entry of a wait set
 *   rte_ims_vec.obj_lock        the objects of a vector; a leaf, never held over anything slow
 *   ims_vfio's locks
 * No lock is held while waiting for a handler to return, and none while one runs. The data path
 * takes none; ims_wait.c says how it and the control path agree.
 */

extern int ims_logtype;

#define IMS_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_##level, ims_logtype, "IMS: " fmt "\n", ##__VA_ARGS__)

/* Set rte_errno from a negative errno value and return NULL. */
static inline void *
ims_err_ptr(int err)
{
	rte_errno = -err;
	return NULL;
}

/* Longest wait for a handler to return; tests are in a hurry. */
extern uint64_t ims_sync_timeout_ns;

#define IMS_TABLE_MAX 65536u
#define IMS_WAIT_MAX  65536u

TAILQ_HEAD(ims_store_list, rte_ims_store);
TAILQ_HEAD(ims_table_list, rte_ims_table);

struct rte_ims_dev {
	TAILQ_ENTRY(rte_ims_dev) next;
	char name[RTE_IMS_NAME_LEN];
	struct ims_vfio *vfio;
	const struct ims_driver *driver;
	void *driver_priv;
	uint16_t vendor_id;
	uint16_t device_id;

	pthread_mutex_t lock;
	struct ims_store_list stores;
	uint32_t n_stores;
	struct ims_table_list tables; /* the device's own is the first */
	uint32_t n_tables;
	uint32_t n_vecs;
	atomic_uint n_pools;
	bool unsafe_borrow;
	bool unsafe_told;
	/*
	 * Vectors whose eventfd is reached by messages, and the wait set that reads their source.
	 */
	uint32_t n_msg_fds;
	struct rte_ims_wait *source_wait;
	TAILQ_HEAD(, wait_source) sources; /* of the sets with such vectors */
};

struct rte_ims_store {
	TAILQ_ENTRY(rte_ims_store) next;
	struct rte_ims_dev *dev;
	enum rte_ims_store_type type;
	char name[RTE_IMS_NAME_LEN];
	uint32_t n_slots;
	uint32_t n_special;
	uint32_t n_used;
	uint32_t next_any; /* slots are reused as late as possible */
	const struct ims_store_ops *ops;
	void *priv;
	void (*priv_free)(void *priv);
	bool fungible;
	/*
	 * Stores with set_eventfd whose messages can be known: what reaches the slot's eventfd. On
	 * the kernel's table it is read from the entry, so not while that holds a message of ours.
	 * NULL: the store has none to lend.
	 */
	int (*lend)(struct rte_ims_store *store, uint32_t slot, struct rte_ims_msg *msg);
	bool eventfd_only;
	bool needs_eventfd;        /* also behind a slot whose message points at memory */
	struct rte_ims_vec **vecs; /* by slot */
};

struct rte_ims_table {
	TAILQ_ENTRY(rte_ims_table) next;
	struct rte_ims_dev *dev;
	char name[RTE_IMS_NAME_LEN];
	uint32_t size;
	uint32_t n_used;
	uint32_t first_free; /* no index below is free */
	struct rte_ims_vec **vecs;
	void *driver_priv;
};

/* What the device makes of a slot's events. */
enum ims_slot_state {
	IMS_SLOT_MASKED,
	IMS_SLOT_SENDING,
	IMS_SLOT_UNKNOWN, /* a change was not answered: the next one is made whatever it is */
};

struct rte_ims_vec {
	/*
	 * The data path's: written by the thread that runs the handlers, but for objs and masked.
	 */
	struct rte_ims_obj *objs;
	struct rte_ims_obj *cursor; /* the object to run next */
	/* NULL: run all objects. The driver may set it while the vector runs. */
	void (*_Atomic demux)(struct rte_ims_vec *vec, void *priv);
	void *demux_priv;          /* written before demux */
	atomic_bool masked;        /* by the user */
	bool mutable;              /* EVENTFD: the kernel may change msg, look at each event */
	_Atomic(uint8_t) delivery; /* enum rte_ims_delivery */
	int fd;                    /* -1: it has had no EVENTFD delivery yet */
	atomic_bool fd_given;      /* by rte_ims_vec_fd_get(): the caller may read it */
	atomic_uint_fast64_t events;
	atomic_uint_fast64_t spurious;
	atomic_uint_fast64_t unhandled;

	/* The control path's, under obj_lock ... */
	pthread_mutex_t obj_lock __rte_cache_aligned;
	struct rte_ims_obj *objs_tail;
	struct rte_ims_obj *objs_off; /* taken off, but a handler has not returned yet */
	uint32_t n_objs;

	/* ... and under dev->lock. */
	struct rte_ims_dev *dev;
	struct rte_ims_store *store;
	struct rte_ims_table *table;
	uint64_t id;
	uint32_t index;
	uint32_t slot;
	char name[RTE_IMS_NAME_LEN];
	enum ims_slot_state slot_state;
	bool msg_valid; /* msg is the slot's message, not only what was written there last */
	bool doubt;   /* a change of the message was not answered: the slot may have another one */
	bool msg_fd;  /* fd_msg was handed out by the transport */
	bool carry;   /* an event came while it left a wait set: deliver at the next one */
	bool stopped; /* being freed */
	bool own_fd;  /* fd is the caller's, not in any set of ours */
	bool fd_shared; /* fd may be in the device's process as well: see ops->fd_close */
	bool watched;   /* fd is in the epoll instance of its wait set */
	struct rte_ims_msg msg;
	struct rte_ims_msg fd_msg; /* reaches fd, if there is one; not known: all zero */
	/* In which of the counters of its wait set it is; both: either may be reached. */
	bool in_memory;
	bool in_eventfd;
	/* Where its handlers may run: read by detach without dev->lock, see ims_obj.c. */
	_Atomic(struct rte_ims_wait *) wait;
	_Atomic(struct rte_ims_wait *) left; /* not drained yet */
	uint64_t n_left;                     /* how often it has left a set */
	uint32_t entry;                      /* in wait */
	uint32_t left_entry;                 /* in left */
	bool left_unsafe;                    /* its word may still be written to */
	bool left_source;                    /* and it was counted at the set's source */
	struct rte_ims_wait *moving_to;      /* goes there when left has been drained, into entry */
	struct ims_pool_vec *pool_vec;       /* its place in a pool, NULL: it is in none */
	void *driver_priv;
	/* Told when the message is about to be another one, or none. */
	void (*export_fn)(struct rte_ims_vec *vec, const struct rte_ims_msg *msg, void *arg);
	void *export_arg;
	/* fd_msg is a copy of that of a slot of this store, NULL: it is not. */
	struct rte_ims_store *lender;
	uint32_t lender_slot;
	atomic_uint_fast64_t stale;
};

/* The vector of a slot, NULL: none, or the slot is lent and in use by another store's vector. */
static inline struct rte_ims_vec *
ims_store_vec(const struct rte_ims_store *store, uint32_t slot)
{
	struct rte_ims_vec *vec = store->vecs[slot];

	return vec != NULL && vec->store == store ? vec : NULL;
}

/* ims_lcore.c: the CPU that an lcore runs on, -1: not known. */
int
ims_lcore_cpu(unsigned int lcore_id);

/* ims_dev.c */
/* Each open device, none of which is closed meanwhile; fn returns non-zero to stop. */
void
ims_dev_each(int (*fn)(struct rte_ims_dev *dev, void *arg), void *arg);
/* Address of a kernel device, NULL: it is none. */
const char *
ims_dev_bdf(const struct rte_ims_dev *dev);
const struct ims_driver *
ims_driver_match(uint16_t vendor_id, uint16_t device_id, uint32_t class_code);

/* ims_store.c; dev->lock held, or in probe */
void
ims_store_destroy(struct rte_ims_store *store);
/* The slot taken by vec, or -ERANGE, -EBUSY, -ENOSPC. */
int64_t
ims_store_slot_take(struct rte_ims_store *store, uint32_t slot, struct rte_ims_vec *vec);
void
ims_store_slot_give(struct rte_ims_store *store, uint32_t slot);

/* ims_store_dev.c */
struct rte_ims_store *
ims_store_dev_create(struct rte_ims_dev *dev);

/* ims_store_msix.c */
struct rte_ims_store *
ims_store_msix_create(struct rte_ims_dev *dev);
/* The function was reset: what does not belong to a vector. */
int
ims_store_msix_reset(struct rte_ims_store *store);

/* ims_store_msi.c */
struct rte_ims_store *
ims_store_msi_create(struct rte_ims_dev *dev);

/* ims_borrow.c; dev->lock held but for audit_event */
/* Give an EVENTFD vector a copy of a message that reaches its fd. */
int
ims_borrow_locked(struct rte_ims_vec *vec);
/* The message of an MSI-X vector itself, if it may be copied. */
int
ims_borrow_admit_locked(struct rte_ims_vec *vec, struct rte_ims_msg *msg);
/* The slot that has the copy is masked and drained by now. */
void
ims_borrow_end_locked(struct rte_ims_vec *vec);
/* The function was reset: attach the lender anew, and copy its message again into vec->msg. */
int
ims_borrow_again_locked(struct rte_ims_vec *vec);
/* 1: the message had changed and was written anew; 0: it had not. */
int
ims_vec_audit_locked(struct rte_ims_vec *vec);
void
ims_vec_audit_event(struct rte_ims_vec *vec);

/* ims_table.c */
struct rte_ims_table *
ims_table_new_locked(struct rte_ims_dev *dev, const char *name, uint32_t size);
/*
 * Free all vectors of a table, and with it itself; the same of all tables. 0; -EDEADLK: all is as
 * before;
 * -ETIMEDOUT: all is there, but the vectors may be stopped.
 */
int
ims_table_remove(struct rte_ims_table *table);
int
ims_table_remove_all(struct rte_ims_dev *dev);
int64_t
ims_table_index_take(struct rte_ims_table *table, struct rte_ims_vec *vec);
void
ims_table_index_give(struct rte_ims_table *table, uint32_t index);

/* ims_vec.c; dev->lock held */
int
ims_vec_stop_locked(struct rte_ims_vec *vec);
void
ims_vec_release_locked(struct rte_ims_vec *vec);
/*
 * Mask or unmask the slot as the vector's state asks for. While its message is in doubt it is not
 * unmasked before the right one has been written.
 */
int
ims_vec_apply_locked(struct rte_ims_vec *vec);
/* Mask the slot whatever it asks for: for a change; ims_vec_apply_locked() after it. */
int
ims_vec_silence_locked(struct rte_ims_vec *vec);
/* Write the message of a slot that is masked, and tell the peer. */
int
ims_vec_message_locked(struct rte_ims_vec *vec, const struct rte_ims_msg *msg);
int
ims_vec_restore_locked(struct rte_ims_vec *vec);
/* The function was reset, and the slot not restored yet. */
void
ims_vec_reset_locked(struct rte_ims_vec *vec);

/*
 * Point the slot at another message, atomically for the device. On failure the old one is in force,
 * but with vec->doubt either may be. The first success after that has the handlers run: set
 * vec->carry.
 */
int
ims_vec_retarget_locked(struct rte_ims_vec *vec, const struct rte_ims_msg *msg);

/* ims_delivery.c; dev->lock held */
/* Give a vector an eventfd (fd: the caller's, or -1) and a message that reaches it. */
int
ims_vec_fd_setup_locked(struct rte_ims_vec *vec, int fd);
/* The slot is masked: have it reach the eventfd from now on. */
int
ims_vec_fd_target_locked(struct rte_ims_vec *vec);
/* The function was reset: attach the eventfd and its message anew. */
int
ims_vec_fd_restore_locked(struct rte_ims_vec *vec);
/* The slot is masked and drained: wipe it, let go of message and eventfd. */
void
ims_vec_fd_release_locked(struct rte_ims_vec *vec);
/* The slot is masked: write the message that the vector's state asks for. */
int
ims_vec_rewrite_locked(struct rte_ims_vec *vec);
/* Change the delivery, in a wait set or out of one. */
int
ims_vec_deliver_locked(struct rte_ims_vec *vec, enum rte_ims_delivery delivery);

/* ims_fd.c */
/* The caller's eventfd is this vector's alone: 0, -EBUSY, -EINVAL it is no eventfd, -EBADF. */
int
ims_fd_claim(const struct rte_ims_vec *vec, int fd);
void
ims_fd_release(const struct rte_ims_vec *vec);
/* What an eventfd counts now: 0; -EBADF it is closed; -EINVAL it is no eventfd. */
int
ims_fd_count(int fd, uint64_t *count);

/* Which epoll instance of this process watches which descriptor for what. */
struct ims_epoll_pair {
	int epfd;
	int fd;
	uint32_t events;
};
/* Those of one instance, or of all (-1): their number, and *pairs to be freed; or -ENOMEM. */
int
ims_epoll_pairs(int epfd, struct ims_epoll_pair **pairs);

/* ims_export.c: tell the peer that has the vector's message; NULL: it has none any more. */
void
ims_export_changed_locked(struct rte_ims_vec *vec, const struct rte_ims_msg *msg);
void
ims_export_revoke_locked(struct rte_ims_vec *vec);

/* ims_dump.c: words for listings */
const char *
ims_vec_state_name(const struct rte_ims_vec *vec);
const char *
ims_vec_delivery_name(const struct rte_ims_vec *vec);
const char *
ims_vec_demux_name(const struct rte_ims_vec *vec);

/* ims_obj.c */
uint32_t
ims_vec_count_objs(const struct rte_ims_vec *vec);
/* The vector goes, nobody runs it: its objects are free. */
void
ims_vec_objs_forget(struct rte_ims_vec *vec);
void
ims_vec_run(struct rte_ims_vec *vec);

/* ims_wait.c */
/* The calling thread is running the set's handlers, or those of the vector. */
bool
ims_wait_runs_here(const struct rte_ims_wait *wait);
bool
ims_vec_runs_here(const struct rte_ims_vec *vec);
/* Wait until the handlers running in the set now have returned; -ETIMEDOUT. */
int
ims_wait_drain(struct rte_ims_wait *wait);
/*
 * The same of a set whose last vector another thread may take out meanwhile, and destroy it: it is
 * held while it has the vector, and stays until the drain has ended.
 */
void
ims_wait_hold(struct rte_ims_wait *wait);
int
ims_wait_drain_held(struct rte_ims_wait *wait);

/* ims_wait_move.c */
/*
 * Drain and forget the set that a vector has not quite left, and let it into the one that it moves
 * to; dev->lock not held. 0; -ETIMEDOUT; -EDEADLK called from the vector's own handler.
 */
int
ims_wait_settle(struct rte_ims_vec *vec);

/* The vector is in the set, or on its way there. */
bool
ims_wait_bound_for(const struct rte_ims_vec *vec, const struct rte_ims_wait *wait);

/* ims_wait_ctl.c; no lock held */
/* As rte_ims_wait_add(), but waits for no handler: on failure ims_wait_settle() has to. */
int
ims_wait_add_begin(struct rte_ims_wait *wait, struct rte_ims_vec *vec);

/* ims_wait_ctl.c; vec->dev->lock held */
/* The message is not in doubt any more: watch what it points at, and nothing else. */
void
ims_wait_recount_locked(struct rte_ims_vec *vec);
void
ims_wait_leave_locked(struct rte_ims_vec *vec);
/* The set has been drained: learn whether an event came meanwhile, let go of the entry. */
void
ims_wait_left_locked(struct rte_ims_vec *vec);
/* Have the handlers run once, whatever the device does. */
void
ims_vec_kick_locked(struct rte_ims_vec *vec);
/* ims_wait_source.c; dev->lock held */
void
ims_wait_source_check_locked(struct rte_ims_dev *dev);

#endif /* _IMS_PRIVATE_H_ */
