/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The vectors of a pool: where they are taken from, and given back to. */

#include <stdlib.h>
#include <string.h>

#include "ims_pool_private.h"

void
ims_pool_vec_link_locked(
	struct rte_ims_pool *pool, struct ims_pool_vec *pv, struct ims_pool_lcore *lc)
{
	pv->lcore = lc;
	if (pv->kind == IMS_POOL_SHARED)
		TAILQ_INSERT_TAIL(&lc->vecs, pv, next);
	else
		TAILQ_INSERT_TAIL(&pool->others, pv, next);
	if (lc == NULL)
		return;
	lc->n_shared += pv->kind == IMS_POOL_SHARED;
	lc->n_vecs++;
	ims_pool_load_locked(pool, lc, pv->users);
}

void
ims_pool_vec_unlink_locked(struct rte_ims_pool *pool, struct ims_pool_vec *pv)
{
	struct ims_pool_lcore *lc = pv->lcore;

	if (pv->kind == IMS_POOL_SHARED)
		TAILQ_REMOVE(&lc->vecs, pv, next);
	else
		TAILQ_REMOVE(&pool->others, pv, next);
	if (lc == NULL)
		return;
	lc->n_shared -= pv->kind == IMS_POOL_SHARED;
	lc->n_vecs--;
	ims_pool_load_locked(pool, lc, -(int)pv->users);
	pv->lcore = NULL;
}

/* Let the driver make it ready for many objects, and the lcore's set look at it. */
static int
vec_up(struct rte_ims_pool *pool, struct ims_pool_lcore *lc, struct rte_ims_vec *vec)
{
	const struct ims_driver *driver = pool->dev->driver;
	int rc = 0;

	if (driver != NULL && driver->vec_init != NULL)
		rc = driver->vec_init(vec);
	return rc == 0 ? ims_wait_add_begin(lc->wait, vec) : rc;
}

/*
 * From one store. A vector that cannot be made ready is freed later: that waits for handlers, which
 * is not done with the pool's lock held.
 */
static int
take_from(struct rte_ims_pool *pool, struct ims_pool_lcore *lc, struct rte_ims_store *store,
	struct ims_pool_vec *pv)
{
	struct rte_ims_vec_conf conf = { .delivery = pool->conf.delivery };
	char name[64];
	int rc;

	snprintf(name, sizeof(name), "%.40s:lcore%u", pool->name, lc->id);
	conf.name = name;
	pv->vec = rte_ims_vec_alloc(pool->table, store, RTE_IMS_SLOT_ANY, &conf);
	if (pv->vec == NULL)
		return -rte_errno;
	rc = vec_up(pool, lc, pv->vec);
	pool->n_kind[rc == 0 ? pv->kind : IMS_POOL_SHARED]++;
	if (rc == 0) {
		pv->vec->pool_vec = pv;
		ims_pool_vec_link_locked(pool, pv, lc);
	} else {
		pv->kind = IMS_POOL_SHARED;
		TAILQ_INSERT_TAIL(&pool->dying, pv, next);
	}
	return rc;
}

struct ims_pool_vec *
ims_pool_vec_new_locked(
	struct rte_ims_pool *pool, struct ims_pool_lcore *lc, enum ims_pool_kind kind)
{
	struct ims_pool_vec *pv;
	int rc = -ENOSPC;
	uint32_t i;

	if (kind == IMS_POOL_SHARED && pool->conf.max_vecs != 0 &&
		pool->n_kind[IMS_POOL_SHARED] >= pool->conf.max_vecs)
		return ims_err_ptr(-ENOSPC);
	/* From the first that has one; a store that cannot, or has none left, is no failure yet. */
	for (i = 0; i < pool->n_stores; i++) {
		pv = calloc(1, sizeof(*pv));
		if (pv == NULL)
			return ims_err_ptr(-ENOMEM);
		pv->pool = pool;
		pv->kind = kind;
		rc = take_from(pool, lc, pool->stores[i], pv);
		if (rc == 0)
			return pv;
		if (pv->vec == NULL)
			free(pv);
		if (rc != -ENOSPC && rc != -ENOTSUP)
			break;
	}
	return ims_err_ptr(rc == -ENOTSUP ? -ENOSPC : rc);
}

/* It is on no list, so only this thread knows it. */
static int
free_unlinked(struct rte_ims_pool *pool, struct ims_pool_vec *pv)
{
	int rc;

	pool->n_freeing++;
	pthread_mutex_unlock(&pool->lock);
	rc = rte_ims_vec_free(pv->vec);
	pthread_mutex_lock(&pool->lock);
	pool->n_freeing--;
	if (rc == 0) {
		pool->n_kind[pv->kind]--;
		free(pv);
	} else if (pv->kind == IMS_POOL_SHARED) {
		TAILQ_INSERT_TAIL(&pool->dying, pv, next);
	} else {
		ims_pool_vec_link_locked(pool, pv, NULL);
	}
	return rc;
}

int
ims_pool_vec_free_locked(struct rte_ims_pool *pool, struct ims_pool_vec *pv)
{
	if (pv->busy)
		return -EBUSY;
	if (pv->kind != IMS_POOL_SHARED && ims_vec_runs_here(pv->vec))
		return -EDEADLK;
	ims_pool_vec_unlink_locked(pool, pv);
	return free_unlinked(pool, pv);
}

int
ims_pool_bury_locked(struct rte_ims_pool *pool)
{
	struct ims_pool_vec *pv;
	int rc = 0;

	while (rc == 0 && (pv = TAILQ_FIRST(&pool->dying)) != NULL) {
		TAILQ_REMOVE(&pool->dying, pv, next);
		rc = free_unlinked(pool, pv);
	}
	return rc;
}

/* A vector that is on no lcore. */
static struct rte_ims_vec *
outside(struct rte_ims_pool *pool, struct rte_ims_vec *vec, enum ims_pool_kind kind)
{
	struct ims_pool_vec *pv;

	if (vec == NULL)
		return NULL;
	pv = calloc(1, sizeof(*pv));
	if (pv == NULL) {
		rte_ims_vec_free(vec);
		return ims_err_ptr(-ENOMEM);
	}
	pv->pool = pool;
	pv->vec = vec;
	pv->kind = kind;
	pv->users = 1;
	vec->pool_vec = pv;
	pthread_mutex_lock(&pool->lock);
	if (!pool->closing) {
		ims_pool_vec_link_locked(pool, pv, NULL);
		pool->n_kind[kind]++;
		pool->n_users++;
		pv = NULL;
	}
	pthread_mutex_unlock(&pool->lock);
	if (pv == NULL)
		return vec;
	free(pv);
	rte_ims_vec_free(vec);
	return ims_err_ptr(-ENODEV);
}

struct rte_ims_vec *
rte_ims_pool_special(struct rte_ims_pool *pool, uint32_t index, const struct rte_ims_vec_conf *conf)
{
	struct rte_ims_store *store;

	if (pool == NULL)
		return ims_err_ptr(-EINVAL);
	TAILQ_FOREACH(store, &pool->dev->stores, next)
		if (store->type != RTE_IMS_STORE_DEVICE && index < store->n_special)
			break;
	if (store == NULL)
		return ims_err_ptr(-ERANGE);
	return outside(pool, rte_ims_vec_alloc(pool->table, store, index, conf), IMS_POOL_SPECIAL);
}

/*
 * From the stores that take an eventfd themselves, or from those where a vector of these stands
 * behind. rc changes if one fails: that some have none left tells more than that others cannot.
 */
static struct rte_ims_vec *
dedicated_from(struct rte_ims_pool *pool, bool direct, const struct rte_ims_vec_conf *conf, int *rc)
{
	struct rte_ims_vec *vec = NULL;
	uint32_t i;

	for (i = 0; i < pool->n_stores && vec == NULL; i++) {
		if ((pool->stores[i]->ops->set_eventfd != NULL) != direct)
			continue;
		vec = rte_ims_vec_alloc(pool->table, pool->stores[i], RTE_IMS_SLOT_ANY, conf);
		if (vec != NULL || rte_errno == ENOTSUP)
			continue;
		*rc = -rte_errno;
		if (*rc != -ENOSPC)
			break;
	}
	return vec;
}

struct rte_ims_vec *
rte_ims_pool_dedicated(struct rte_ims_pool *pool, int fd, const char *name)
{
	struct rte_ims_vec_conf conf = { .flags = RTE_IMS_VEC_F_FD, .fd = fd, .name = name };
	struct rte_ims_vec *vec;
	int rc = -ENOTSUP;

	if (pool == NULL)
		return ims_err_ptr(-EINVAL);
	vec = dedicated_from(pool, true, &conf, &rc);
	if (vec == NULL && (rc == -ENOSPC || rc == -ENOTSUP))
		vec = dedicated_from(pool, false, &conf, &rc);
	if (vec == NULL)
		return ims_err_ptr(rc);
	return outside(pool, vec, IMS_POOL_DEDICATED);
}
