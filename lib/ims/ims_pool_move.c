/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Lcores of a pool come and go, and vectors move between them while events arrive. */

#include <stdlib.h>
#include <string.h>

#include <rte_lcore.h>

#include "ims_pool_private.h"

static void
lcore_insert(struct rte_ims_pool *pool, struct ims_pool_lcore *lc)
{
	struct ims_pool_lcore *at;

	TAILQ_FOREACH(at, &pool->lcores, next)
		if (at->id > lc->id)
			break;
	if (at != NULL)
		TAILQ_INSERT_BEFORE(at, lc, next);
	else
		TAILQ_INSERT_TAIL(&pool->lcores, lc, next);
	pool->by_id[lc->id] = lc;
	pool->n_lcores++;
}

int
rte_ims_pool_lcore_add(struct rte_ims_pool *pool, unsigned int lcore_id, struct rte_ims_wait *wait)
{
	struct ims_pool_lcore *lc;
	int rc = -EEXIST;

	if (pool == NULL || wait == NULL || lcore_id >= RTE_MAX_LCORE)
		return -EINVAL;
	lc = calloc(1, sizeof(*lc));
	if (lc == NULL)
		return -ENOMEM;
	lc->id = lcore_id;
	lc->wait = wait;
	lc->cpu = ims_topo_cpu_find(pool->topo, ims_lcore_cpu(lcore_id));
	TAILQ_INIT(&lc->vecs);
	pthread_mutex_lock(&pool->lock);
	if (pool->closing) {
		rc = -ENODEV;
	} else if (pool->by_id[lcore_id] == NULL) {
		lcore_insert(pool, lc);
		rc = 0;
	}
	pthread_mutex_unlock(&pool->lock);
	if (rc != 0)
		free(lc);
	return rc;
}

/* Lets go of the lock while the vector moves, which waits for handlers. */
static int
move_locked(struct rte_ims_pool *pool, struct ims_pool_vec *pv, struct ims_pool_lcore *to)
{
	int rc;

	if (pv->busy)
		return -EBUSY;
	pv->busy = true;
	to->awaited++;
	pthread_mutex_unlock(&pool->lock);
	rc = rte_ims_wait_move(to->wait, pv->vec);
	pthread_mutex_lock(&pool->lock);
	to->awaited--;
	pv->busy = false;
	/* Also one that is on its way, and waits for a handler. */
	if (pv->lcore != to && (rc == 0 || ims_wait_bound_for(pv->vec, to->wait))) {
		ims_pool_vec_unlink_locked(pool, pv);
		ims_pool_vec_link_locked(pool, pv, to);
		pool->moves++;
	}
	ims_pool_free_idle_locked(pool, pv);
	return rc;
}

int
rte_ims_pool_move(struct rte_ims_pool *pool, struct rte_ims_vec *vec, unsigned int lcore_id)
{
	struct ims_pool_lcore *to;
	struct ims_pool_vec *pv;
	int rc = -EINVAL;

	if (pool == NULL || vec == NULL)
		return -EINVAL;
	pthread_mutex_lock(&pool->lock);
	pv = ims_pool_vec_of(pool, vec);
	to = lcore_id < RTE_MAX_LCORE ? pool->by_id[lcore_id] : NULL;
	if (pool->closing)
		rc = -ENODEV;
	else if (to == NULL || to->leaving)
		rc = -ENOENT;
	else if (pv != NULL && pv->lcore != NULL)
		rc = move_locked(pool, pv, to);
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

static bool
is_other(const struct ims_pool_lcore *lc, const void *arg)
{
	return lc != arg;
}

static struct ims_pool_vec *
first_on(struct rte_ims_pool *pool, struct ims_pool_lcore *lc)
{
	struct ims_pool_vec *pv = TAILQ_FIRST(&lc->vecs);

	if (pv != NULL)
		return pv;
	TAILQ_FOREACH(pv, &pool->others, next)
		if (pv->lcore == lc)
			return pv;
	return NULL;
}

static int
node_of(const struct rte_ims_pool *pool, const struct ims_pool_lcore *lc)
{
	return lc->cpu >= 0 ? (int)pool->topo->nodes[pool->topo->cpus[lc->cpu].node].os : -1;
}

/* Everything off an lcore that is leaving, to the nearest ones. */
static int
empty_locked(struct rte_ims_pool *pool, struct ims_pool_lcore *lc)
{
	struct ims_pool_lcore *to;
	struct ims_pool_vec *pv;
	int moved = 0, rc;

	while ((pv = first_on(pool, lc)) != NULL) {
		to = ims_pool_pick_locked(pool, node_of(pool, lc), is_other, lc);
		rc = to != NULL ? move_locked(pool, pv, to) : -EBUSY;
		if (rc != 0)
			return rc;
		moved++;
	}
	return moved;
}

int
rte_ims_pool_lcore_del(struct rte_ims_pool *pool, unsigned int lcore_id)
{
	struct ims_pool_lcore *lc;
	int rc = -ENOENT;

	if (pool == NULL)
		return -EINVAL;
	pthread_mutex_lock(&pool->lock);
	lc = lcore_id < RTE_MAX_LCORE ? pool->by_id[lcore_id] : NULL;
	if (pool->closing) {
		rc = -ENODEV;
	} else if (lc != NULL && lc->awaited != 0) {
		rc = -EBUSY;
	} else if (lc != NULL && !lc->leaving) {
		lc->leaving = true; /* nobody gets a vector here any more */
		rc = empty_locked(pool, lc);
		lc->leaving = rc >= 0;
	}
	if (rc >= 0) {
		TAILQ_REMOVE(&pool->lcores, lc, next);
		pool->by_id[lcore_id] = NULL;
		pool->n_lcores--;
		free(lc);
	}
	pthread_mutex_unlock(&pool->lock);
	return rc;
}

/* The lcores with the most vectors and with the fewest. */
static void
extremes(struct rte_ims_pool *pool, struct ims_pool_lcore **most, struct ims_pool_lcore **least)
{
	struct ims_pool_lcore *lc;

	*most = *least = NULL;
	TAILQ_FOREACH(lc, &pool->lcores, next) {
		if (lc->leaving)
			continue;
		if (*most == NULL || lc->n_vecs > (*most)->n_vecs)
			*most = lc;
		if (*least == NULL || lc->n_vecs < (*least)->n_vecs)
			*least = lc;
	}
}

int
rte_ims_pool_rebalance(struct rte_ims_pool *pool)
{
	struct ims_pool_lcore *most, *least;
	int moved = 0, rc = 0;

	if (pool == NULL)
		return -EINVAL;
	pthread_mutex_lock(&pool->lock);
	while (rc == 0 && !pool->closing) {
		extremes(pool, &most, &least);
		if (most == NULL || most->n_vecs <= least->n_vecs + 1)
			break;
		rc = move_locked(pool, first_on(pool, most), least);
		moved += rc == 0;
	}
	pthread_mutex_unlock(&pool->lock);
	return rc != 0 ? rc : moved;
}

int
rte_ims_pool_vec_lcore(const struct rte_ims_pool *pool, const struct rte_ims_vec *vec)
{
	struct rte_ims_pool *p = (struct rte_ims_pool *)(uintptr_t)pool;
	const struct ims_pool_vec *pv;
	int rc = -EINVAL;

	if (pool == NULL || vec == NULL)
		return -EINVAL;
	pthread_mutex_lock(&p->lock);
	pv = ims_pool_vec_of(pool, vec);
	if (pv != NULL)
		rc = pv->lcore != NULL ? (int)pv->lcore->id : -ENOENT;
	pthread_mutex_unlock(&p->lock);
	return rc;
}

static void
fill_lcore(const struct rte_ims_pool *pool, const struct ims_pool_lcore *lc,
	struct rte_ims_pool_lcore *out)
{
	struct rte_ims_wait_stats stats;

	memset(out, 0, sizeof(*out));
	out->lcore_id = lc->id;
	out->cpu = lc->cpu >= 0 ? (int)pool->topo->cpus[lc->cpu].os : -1;
	out->numa_node = node_of(pool, lc);
	out->n_vecs = lc->n_vecs;
	out->n_users = lc->users;
	if (rte_ims_wait_stats_get(lc->wait, &stats) == 0)
		out->events = stats.events;
}

int
rte_ims_pool_lcores_get(
	const struct rte_ims_pool *pool, struct rte_ims_pool_lcore *lcores, unsigned int n)
{
	struct rte_ims_pool *p = (struct rte_ims_pool *)(uintptr_t)pool;
	const struct ims_pool_lcore *lc;
	unsigned int i = 0;

	if (pool == NULL || (lcores == NULL && n != 0))
		return -EINVAL;
	pthread_mutex_lock(&p->lock);
	TAILQ_FOREACH(lc, &pool->lcores, next) {
		if (i < n)
			fill_lcore(pool, lc, &lcores[i]);
		i++;
	}
	pthread_mutex_unlock(&p->lock);
	return i;
}

static void
dump_vec(const struct ims_pool_vec *pv, FILE *f)
{
	static const char *const kinds[] = { "shared", "exclusive", "special", "dedicated" };

	fprintf(f, "    vec %" PRIu64 " %s: %s, store %s slot %u, %u user%s\n", pv->vec->id,
		pv->vec->name, kinds[pv->kind], pv->vec->store->name, pv->vec->slot, pv->users,
		pv->users == 1 ? "" : "s");
}

int
rte_ims_pool_dump(const struct rte_ims_pool *pool, FILE *f)
{
	struct rte_ims_pool *p = (struct rte_ims_pool *)(uintptr_t)pool;
	const struct ims_pool_lcore *lc;
	const struct ims_pool_vec *pv;

	if (pool == NULL || f == NULL)
		return -EINVAL;
	pthread_mutex_lock(&p->lock);
	fprintf(f,
		"pool %s of %s: lcores %u, shared %u, users %u, shared for want %" PRIu64
		", moves %" PRIu64 "\n",
		pool->name, pool->dev->name, pool->n_lcores, pool->n_kind[IMS_POOL_SHARED],
		pool->n_users, pool->shared_for_want, pool->moves);
	TAILQ_FOREACH(lc, &pool->lcores, next) {
		fprintf(f, "  lcore %u: node %d, vectors %u, users %u\n", lc->id, node_of(pool, lc),
			lc->n_vecs, lc->users);
		TAILQ_FOREACH(pv, &lc->vecs, next)
			dump_vec(pv, f);
	}
	TAILQ_FOREACH(pv, &pool->others, next)
		dump_vec(pv, f);
	pthread_mutex_unlock(&p->lock);
	return 0;
}
