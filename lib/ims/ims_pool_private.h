/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_POOL_PRIVATE_H_
#define _IMS_POOL_PRIVATE_H_

#include "ims_pool_spread.h"
#include "ims_private.h"
#include "rte_ims_pool.h"

/*
 * Body of a pool, for ims_pool.c (who gets what), ims_pool_vec.c (vectors come and go) and
 * ims_pool_move.c (lcores come and go).
 *
 * pool->lock is held while a vector is made, which waits for the device at most, and let go of
 * while one is moved or freed, which waits for handlers. Meanwhile one that is moved is `busy`, and
 * the lcore that it goes to is `awaited`; one that is freed is on no list, so that nobody gets it.
 */

#define IMS_POOL_MAX_STORES 8

enum ims_pool_kind {
	IMS_POOL_SHARED,
	IMS_POOL_EXCLUSIVE,
	IMS_POOL_SPECIAL,
	IMS_POOL_DEDICATED,
	IMS_POOL_KINDS,
};

/* A vector of the pool. */
struct ims_pool_vec {
	TAILQ_ENTRY(ims_pool_vec) next;
	struct rte_ims_pool *pool;
	struct rte_ims_vec *vec;
	enum ims_pool_kind kind;
	struct ims_pool_lcore *lcore; /* NULL: special and dedicated ones */
	uint32_t users;
	bool busy; /* being moved */
};
TAILQ_HEAD(ims_pool_vec_list, ims_pool_vec);

struct ims_pool_lcore {
	TAILQ_ENTRY(ims_pool_lcore) next;
	unsigned int id;
	int cpu; /* index in the topology, -1: not in it */
	struct rte_ims_wait *wait;
	struct ims_pool_vec_list vecs; /* shared ones */
	uint32_t n_shared;
	uint32_t n_vecs; /* exclusive ones, too */
	uint32_t users;
	uint32_t awaited; /* vectors that are moving here */
	bool leaving;
};

struct rte_ims_pool {
	TAILQ_ENTRY(rte_ims_pool) next;
	char name[RTE_IMS_NAME_LEN];
	struct rte_ims_dev *dev;
	struct rte_ims_pool_conf conf;
	struct rte_ims_table *table;
	struct rte_ims_store *stores[IMS_POOL_MAX_STORES]; /* in the order they are tried */
	uint32_t n_stores;
	const struct ims_topo *topo;

	pthread_mutex_t lock;
	TAILQ_HEAD(, ims_pool_lcore) lcores; /* by number */
	struct ims_pool_lcore *by_id[RTE_MAX_LCORE];
	struct ims_pool_vec_list others; /* exclusive, special, dedicated */
	struct ims_pool_vec_list dying;  /* nobody's, but a handler has not returned yet */
	uint32_t n_freeing;
	bool closing; /* being destroyed */
	uint32_t n_lcores;
	uint32_t n_kind[IMS_POOL_KINDS];
	uint32_t n_users;
	uint64_t shared_for_want;
	uint64_t moves;
	/* By CPU of the topology: users on it, and scratch for who is eligible. */
	uint32_t *load;
	bool *eligible;
};

/* ims_pool.c: each pool, none of which goes meanwhile; fn returns non-zero to stop. */
void
ims_pool_each(int (*fn)(struct rte_ims_pool *pool, void *arg), void *arg);

/* ims_pool.c; pool->lock held */
/* The least loaded lcore that fits and for which fits() holds; NULL: none. */
struct ims_pool_lcore *
ims_pool_pick_locked(struct rte_ims_pool *pool, int node,
	bool (*fits)(const struct ims_pool_lcore *lc, const void *arg), const void *arg);
/* If the pool frees what nobody uses, and nobody uses this one; lets go of the lock. */
void
ims_pool_free_idle_locked(struct rte_ims_pool *pool, struct ims_pool_vec *pv);
/* users more (or less) on an lcore. */
void
ims_pool_load_locked(struct rte_ims_pool *pool, struct ims_pool_lcore *lc, int users);

/* ims_pool_vec.c; pool->lock held */
/* Make a vector for an lcore, in its wait set. NULL with rte_errno. */
struct ims_pool_vec *
ims_pool_vec_new_locked(
	struct rte_ims_pool *pool, struct ims_pool_lcore *lc, enum ims_pool_kind kind);
/*
 * Free one that is nobody's, or its only user's; lets go of the lock. On failure it is nobody's any
 * more and freed later, by ims_pool_bury_locked().
 */
int
ims_pool_vec_free_locked(struct rte_ims_pool *pool, struct ims_pool_vec *pv);
/* Free what could not be freed before; lets go of the lock. */
int
ims_pool_bury_locked(struct rte_ims_pool *pool);
/* On and off an lcore's list. */
void
ims_pool_vec_link_locked(
	struct rte_ims_pool *pool, struct ims_pool_vec *pv, struct ims_pool_lcore *lc);
void
ims_pool_vec_unlink_locked(struct rte_ims_pool *pool, struct ims_pool_vec *pv);

/* The place of a vector in this pool, NULL: it has none. */
static inline struct ims_pool_vec *
ims_pool_vec_of(const struct rte_ims_pool *pool, const struct rte_ims_vec *vec)
{
	struct ims_pool_vec *pv = vec->pool_vec;

	return pv != NULL && pv->pool == pool ? pv : NULL;
}

#endif /* _IMS_POOL_PRIVATE_H_ */
