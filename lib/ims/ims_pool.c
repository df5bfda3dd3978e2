/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Pools: who gets which vector.
 *
 * The way of a user who is not the first: lock, the lcore by its number or by the topology, its
 * least shared vector, a count, unlock. Nothing of it depends on how many users there are.
 */

#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_lcore.h>
#include <rte_string_fns.h>

#include "ims_pool_private.h"

#define FLAGS_VALID                                                                  \
	(RTE_IMS_POOL_F_IMS_FIRST | RTE_IMS_POOL_F_NO_MSIX | RTE_IMS_POOL_F_NO_IMS | \
		RTE_IMS_POOL_F_FREE_IDLE)

static pthread_mutex_t pools_lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, rte_ims_pool) pools = TAILQ_HEAD_INITIALIZER(pools);
static struct ims_topo *host; /* taken once, kept */

/* pools_lock held */
static const struct ims_topo *
host_topo(void)
{
	if (host == NULL)
		host = ims_topo_new_host();
	return host;
}

static bool
check_conf(const char *name, const struct rte_ims_pool_conf *conf)
{
	static const struct rte_ims_pool_conf zero;

	return name != NULL && strlen(name) < RTE_IMS_NAME_LEN &&
	       conf->delivery <= RTE_IMS_DELIVERY_MEMORY && (conf->flags & ~FLAGS_VALID) == 0 &&
	       conf->reserved32 == 0 &&
	       memcmp(conf->reserved, zero.reserved, sizeof(zero.reserved)) == 0;
}

static bool
wants_store(const struct rte_ims_pool *pool, const struct rte_ims_store *store, bool msix)
{
	if (!store->fungible || (store->type == RTE_IMS_STORE_MSIX) != msix)
		return false;
	return (pool->conf.flags & (msix ? RTE_IMS_POOL_F_NO_MSIX : RTE_IMS_POOL_F_NO_IMS)) == 0;
}

static void
stores_add(struct rte_ims_pool *pool, bool msix)
{
	struct rte_ims_store *store;

	TAILQ_FOREACH(store, &pool->dev->stores, next)
		if (wants_store(pool, store, msix) && pool->n_stores < IMS_POOL_MAX_STORES)
			pool->stores[pool->n_stores++] = store;
}

static uint32_t
table_size(const struct rte_ims_pool *pool)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < pool->n_stores; i++)
		n += pool->stores[i]->n_slots;
	return RTE_MAX(1u, RTE_MIN(n, (uint64_t)IMS_TABLE_MAX));
}

static void
pool_free(struct rte_ims_pool *pool)
{
	if (pool->table != NULL)
		rte_ims_table_free(pool->table);
	pthread_mutex_destroy(&pool->lock);
	free(pool->load);
	free(pool->eligible);
	free(pool);
}

static struct rte_ims_pool *
pool_new(const char *name, struct rte_ims_dev *dev, const struct rte_ims_pool_conf *conf,
	const struct ims_topo *topo)
{
	struct rte_ims_pool *pool;
	bool ims_first = (conf->flags & RTE_IMS_POOL_F_IMS_FIRST) != 0;

	pool = calloc(1, sizeof(*pool));
	if (pool == NULL)
		return ims_err_ptr(-ENOMEM);
	rte_strlcpy(pool->name, name, sizeof(pool->name));
	pool->dev = dev;
	pool->conf = *conf;
	pool->conf.vecs_per_lcore = RTE_MAX(conf->vecs_per_lcore, 1u);
	pool->conf.share_min = RTE_MAX(conf->share_min, 1u);
	pool->topo = topo;
	pthread_mutex_init(&pool->lock, NULL);
	TAILQ_INIT(&pool->lcores);
	TAILQ_INIT(&pool->others);
	TAILQ_INIT(&pool->dying);
	stores_add(pool, !ims_first);
	stores_add(pool, ims_first);
	pool->load = calloc(topo->n_cpus, sizeof(*pool->load));
	pool->eligible = calloc(topo->n_cpus, sizeof(*pool->eligible));
	if (pool->load != NULL && pool->eligible != NULL)
		pool->table = rte_ims_table_create(dev, name, table_size(pool));
	else
		rte_errno = ENOMEM;
	if (pool->table != NULL)
		return pool;
	pool_free(pool);
	return NULL;
}

static struct rte_ims_pool *
find_locked(const char *name)
{
	struct rte_ims_pool *pool;

	TAILQ_FOREACH(pool, &pools, next)
		if (strcmp(pool->name, name) == 0)
			return pool;
	return NULL;
}

struct rte_ims_pool *
rte_ims_pool_create(const char *name, struct rte_ims_dev *dev, const struct rte_ims_pool_conf *conf)
{
	static const struct rte_ims_pool_conf dflt;
	const struct ims_topo *topo;
	struct rte_ims_pool *pool = NULL;

	if (dev == NULL || !check_conf(name, conf != NULL ? conf : &dflt))
		return ims_err_ptr(-EINVAL);
	pthread_mutex_lock(&pools_lock);
	topo = host_topo();
	if (find_locked(name) != NULL)
		rte_errno = EEXIST;
	else if (topo != NULL)
		pool = pool_new(name, dev, conf != NULL ? conf : &dflt, topo);
	if (pool != NULL) {
		TAILQ_INSERT_TAIL(&pools, pool, next);
		atomic_fetch_add(&dev->n_pools, 1);
	}
	pthread_mutex_unlock(&pools_lock);
	return pool;
}

/* Vectors that nobody uses. */
static int
free_idle_locked(struct rte_ims_pool *pool)
{
	struct ims_pool_vec *pv;
	struct ims_pool_lcore *lc;
	int rc;

	TAILQ_FOREACH(lc, &pool->lcores, next)
		while ((pv = TAILQ_FIRST(&lc->vecs)) != NULL) {
			rc = ims_pool_vec_free_locked(pool, pv);
			if (rc != 0)
				return rc;
		}
	return 0;
}

int
rte_ims_pool_destroy(struct rte_ims_pool *pool)
{
	struct ims_pool_lcore *lc;
	int rc = -EBUSY;

	if (pool == NULL)
		return -EINVAL;
	pthread_mutex_lock(&pool->lock);
	if (pool->n_users == 0 && pool->n_freeing == 0 && !pool->closing) {
		pool->closing = true; /* nobody gets a vector any more */
		rc = free_idle_locked(pool);
		if (rc == 0)
			rc = ims_pool_bury_locked(pool);
		pool->closing = rc == 0;
	}
	pthread_mutex_unlock(&pool->lock);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&pools_lock);
	TAILQ_REMOVE(&pools, pool, next);
	pthread_mutex_unlock(&pools_lock);
	atomic_fetch_sub(&pool->dev->n_pools, 1);
	while ((lc = TAILQ_FIRST(&pool->lcores)) != NULL) {
		TAILQ_REMOVE(&pool->lcores, lc, next);
		free(lc);
	}
	pool_free(pool);
	return 0;
}

struct rte_ims_pool *
rte_ims_pool_find(const char *name)
{
	struct rte_ims_pool *pool;

	if (name == NULL)
		return ims_err_ptr(-EINVAL);
	pthread_mutex_lock(&pools_lock);
	pool = find_locked(name);
	pthread_mutex_unlock(&pools_lock);
	return pool != NULL ? pool : ims_err_ptr(-ENOENT);
}

struct rte_ims_pool *
rte_ims_pool_next(const struct rte_ims_pool *prev)
{
	struct rte_ims_pool *pool;

	pthread_mutex_lock(&pools_lock);
	pool = prev == NULL ? TAILQ_FIRST(&pools) : TAILQ_NEXT(prev, next);
	pthread_mutex_unlock(&pools_lock);
	return pool;
}

void
ims_pool_each(int (*fn)(struct rte_ims_pool *pool, void *arg), void *arg)
{
	struct rte_ims_pool *pool;

	pthread_mutex_lock(&pools_lock);
	TAILQ_FOREACH(pool, &pools, next)
		if (fn(pool, arg) != 0)
			break;
	pthread_mutex_unlock(&pools_lock);
}

void
ims_pool_load_locked(struct rte_ims_pool *pool, struct ims_pool_lcore *lc, int users)
{
	/* It is NULL if a NULL comes without an rte_errno. */
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	lc->users += users;
	if (lc->cpu >= 0)
		pool->load[lc->cpu] += users;
}

/* Of the lcores on one CPU, or on none that is known, the one with the fewest users. */
static struct ims_pool_lcore *
least_on(struct rte_ims_pool *pool, int cpu,
	bool (*fits)(const struct ims_pool_lcore *lc, const void *arg), const void *arg)
{
	struct ims_pool_lcore *lc, *best = NULL;

	TAILQ_FOREACH(lc, &pool->lcores, next)
		if (lc->cpu == cpu && !lc->leaving && fits(lc, arg) &&
			(best == NULL || lc->users < best->users))
			best = lc;
	return best;
}

struct ims_pool_lcore *
ims_pool_pick_locked(struct rte_ims_pool *pool, int node,
	bool (*fits)(const struct ims_pool_lcore *lc, const void *arg), const void *arg)
{
	int near = ims_topo_node_find(pool->topo, node), cpu;
	struct ims_pool_lcore *lc;

	memset(pool->eligible, 0, pool->topo->n_cpus * sizeof(*pool->eligible));
	TAILQ_FOREACH(lc, &pool->lcores, next)
		if (lc->cpu >= 0 && !lc->leaving && fits(lc, arg))
			pool->eligible[lc->cpu] = true;
	cpu = ims_spread_pick(pool->topo, pool->eligible, pool->load, -1, near);
	return least_on(pool, RTE_MAX(cpu, -1), fits, arg);
}

static bool
any_lcore(const struct ims_pool_lcore *lc, const void *arg)
{
	RTE_SET_USED(lc);
	RTE_SET_USED(arg);
	return true;
}

static bool
has_shared(const struct ims_pool_lcore *lc, const void *arg)
{
	RTE_SET_USED(arg);
	return lc->n_shared != 0;
}

static struct ims_pool_lcore *
lcore_for(struct rte_ims_pool *pool, const struct rte_ims_want *want, int *node)
{
	struct ims_pool_lcore *lc;

	*node = -1;
	switch (want->place) {
	case RTE_IMS_PLACE_LCORE:
		lc = want->number < RTE_MAX_LCORE ? pool->by_id[want->number] : NULL;
		if (lc != NULL && lc->cpu >= 0)
			*node = pool->topo->nodes[pool->topo->cpus[lc->cpu].node].os;
		return lc != NULL && !lc->leaving ? lc : NULL;
	case RTE_IMS_PLACE_NODE:
		*node = want->number;
		break;
	case RTE_IMS_PLACE_NEAR_DEVICE:
		*node = pool->dev->vfio->numa_node;
		break;
	default:
		break;
	}
	return ims_pool_pick_locked(pool, *node, any_lcore, NULL);
}

static struct ims_pool_vec *
least_shared(const struct ims_pool_lcore *lc)
{
	struct ims_pool_vec *pv, *best = NULL;

	TAILQ_FOREACH(pv, &lc->vecs, next)
		if (best == NULL || pv->users < best->users)
			best = pv;
	return best;
}

/* The vector for one more user of an lcore. */
static struct ims_pool_vec *
shared_vec(struct rte_ims_pool *pool, struct ims_pool_lcore *lc, int node)
{
	struct ims_pool_vec *pv = least_shared(lc), *made;

	if (pv != NULL &&
		(pv->users < pool->conf.share_min || lc->n_shared >= pool->conf.vecs_per_lcore))
		return pv;
	made = ims_pool_vec_new_locked(pool, lc, IMS_POOL_SHARED);
	if (made != NULL || (pv == NULL && rte_errno != ENOSPC))
		return made;
	/* There is none to be had: share, on this lcore or else on the nearest that has one. */
	if (pv == NULL) {
		lc = ims_pool_pick_locked(pool, node, has_shared, NULL);
		pv = lc != NULL ? least_shared(lc) : NULL;
	}
	pool->shared_for_want += pv != NULL;
	return pv != NULL ? pv : ims_err_ptr(-ENOSPC);
}

static bool
check_want(const struct rte_ims_want *want)
{
	return want->place <= RTE_IMS_PLACE_NEAR_DEVICE && want->reserved == 0 &&
	       (want->flags & ~RTE_IMS_WANT_F_EXCLUSIVE) == 0;
}

struct rte_ims_vec *
rte_ims_pool_get(struct rte_ims_pool *pool, const struct rte_ims_want *want)
{
	static const struct rte_ims_want anything;
	struct ims_pool_vec *pv = NULL;
	struct rte_ims_vec *vec = NULL;
	struct ims_pool_lcore *lc;
	int node, rc;

	if (want == NULL)
		want = &anything;
	if (pool == NULL || !check_want(want))
		return ims_err_ptr(-EINVAL);
	pthread_mutex_lock(&pool->lock);
	lc = lcore_for(pool, want, &node);
	if (pool->closing)
		rte_errno = ENODEV;
	else if (lc == NULL)
		rte_errno = ENOENT;
	else if ((want->flags & RTE_IMS_WANT_F_EXCLUSIVE) != 0)
		pv = ims_pool_vec_new_locked(pool, lc, IMS_POOL_EXCLUSIVE);
	else
		pv = shared_vec(pool, lc, node);
	if (pv != NULL) {
		pv->users++;
		pool->n_users++;
		ims_pool_load_locked(pool, pv->lcore, 1);
		vec = pv->vec;
	}
	rc = rte_errno;
	if (unlikely(!TAILQ_EMPTY(&pool->dying)))
		ims_pool_bury_locked(pool);
	rte_errno = rc;
	pthread_mutex_unlock(&pool->lock);
	return vec;
}

/* It is no user's any more, whatever comes of it. */
void
ims_pool_free_idle_locked(struct rte_ims_pool *pool, struct ims_pool_vec *pv)
{
	if (pv->kind != IMS_POOL_SHARED || pv->users != 0 || pv->busy ||
		(pool->conf.flags & RTE_IMS_POOL_F_FREE_IDLE) == 0)
		return;
	ims_pool_vec_free_locked(pool, pv);
	ims_pool_bury_locked(pool);
}

int
rte_ims_pool_put(struct rte_ims_pool *pool, struct rte_ims_vec *vec)
{
	struct ims_pool_vec *pv;
	int rc = 0;

	if (pool == NULL || vec == NULL)
		return -EINVAL;
	pthread_mutex_lock(&pool->lock);
	pv = ims_pool_vec_of(pool, vec);
	if (pv == NULL || pv->users == 0) {
		pthread_mutex_unlock(&pool->lock);
		return -EINVAL;
	}
	pv->users--;
	pool->n_users--;
	if (pv->lcore != NULL)
		ims_pool_load_locked(pool, pv->lcore, -1);
	if (pv->kind != IMS_POOL_SHARED)
		rc = ims_pool_vec_free_locked(pool, pv);
	else
		ims_pool_free_idle_locked(pool, pv);
	if (rc != 0) {
		pv->users++;
		pool->n_users++;
		if (pv->lcore != NULL)
			ims_pool_load_locked(pool, pv->lcore, 1);
	}
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

int
rte_ims_pool_info_get(const struct rte_ims_pool *pool, struct rte_ims_pool_info *info)
{
	struct rte_ims_pool *p = (struct rte_ims_pool *)(uintptr_t)pool;
	const struct ims_pool_lcore *lc;
	const struct ims_pool_vec *pv;

	if (pool == NULL || info == NULL)
		return -EINVAL;
	memset(info, 0, sizeof(*info));
	rte_strlcpy(info->name, pool->name, sizeof(info->name));
	rte_strlcpy(info->dev, pool->dev->name, sizeof(info->dev));
	pthread_mutex_lock(&p->lock);
	info->n_lcores = pool->n_lcores;
	info->n_vecs = pool->n_kind[IMS_POOL_SHARED];
	info->n_exclusive = pool->n_kind[IMS_POOL_EXCLUSIVE];
	info->n_special = pool->n_kind[IMS_POOL_SPECIAL];
	info->n_dedicated = pool->n_kind[IMS_POOL_DEDICATED];
	info->n_users = pool->n_users;
	info->shared_for_want = pool->shared_for_want;
	info->moves = pool->moves;
	TAILQ_FOREACH(lc, &pool->lcores, next)
		TAILQ_FOREACH(pv, &lc->vecs, next)
			info->n_msix += pv->vec->store->type == RTE_IMS_STORE_MSIX;
	pthread_mutex_unlock(&p->lock);
	return 0;
}
