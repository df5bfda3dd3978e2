/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Vectors that the user allocated, or got from pools. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>

#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_latency.h"
#include "tp_service.h"

struct tp_vec_list tp_vecs = TAILQ_HEAD_INITIALIZER(tp_vecs);

static void
vec_handler(struct rte_ims_vec *rte_vec, void *arg)
{
	uint64_t now = rte_rdtsc();
	struct tp_vec *vec = arg;

	(void)rte_vec;
	atomic_store_explicit(&vec->last_tsc, now, memory_order_relaxed);
	atomic_fetch_add_explicit(&vec->handled, 1, memory_order_relaxed);
	tp_latency_add(vec, now);
}

static void
vec_insert(struct tp_vec *vec)
{
	struct tp_vec *at;

	TAILQ_FOREACH(at, &tp_vecs, next) {
		if (at->id != vec->id)
			break;
		vec->id++;
	}
	if (at != NULL)
		TAILQ_INSERT_BEFORE(at, vec, next);
	else
		TAILQ_INSERT_TAIL(&tp_vecs, vec, next);
}

/* The vector that holds a slot of a store, or NULL: not one of the tool's. */
static const struct tp_vec *
slot_owner(const struct rte_ims_store *store, uint32_t slot)
{
	struct rte_ims_vec_info info;
	struct tp_vec *vec;

	TAILQ_FOREACH(vec, &tp_vecs, next)
		if (rte_ims_vec_store(vec->vec) == store &&
			rte_ims_vec_info_get(vec->vec, &info) == 0 && info.slot == slot)
			return vec;
	return NULL;
}

/* In the user's words what rte_ims_vec_alloc() says with a number. */
static void
alloc_failed(const struct tp_dev *dev, const struct tp_vec_want *want, int err)
{
	struct rte_ims_table_info table;
	struct rte_ims_store_info info;
	const struct tp_vec *owner;

	if (rte_ims_store_info_get(want->store, &info) != 0 ||
		rte_ims_table_info_get(want->table, &table) != 0)
		return;
	if (err == ERANGE) {
		tp_fail(-err, "slot %u does not exist: %s has slots 0..%u", want->slot, dev->name,
			info.n_slots - 1);
	} else if (err == EBUSY) {
		owner = slot_owner(want->store, want->slot);
		if (owner != NULL)
			tp_fail(-err, "slot %u of %s is taken by vector %u", want->slot, dev->name,
				owner->id);
		else
			tp_fail(-err, "slot %u of %s is taken", want->slot, dev->name);
	} else if (err == ENOSPC && table.n_used == table.size) {
		tp_fail(-err, "table %s of %s is full: it has room for %u vector%s", table.name,
			dev->name, table.size, table.size == 1 ? "" : "s");
	} else if (err == ENOSPC) {
		tp_fail(-err, "no free slot: %u of %u in store %s of %s are taken", info.n_used,
			info.n_slots, info.name, dev->name);
	} else if (err == ENOTSUP) {
		tp_fail(-err, "store %s of %s cannot deliver to %s", info.name, dev->name,
			tp_delivery_str(want->delivery));
	}
}

static struct tp_vec *
vec_new(struct tp_dev *dev)
{
	struct tp_vec *vec = calloc(1, sizeof(*vec));

	if (vec == NULL)
		return NULL;
	vec->dev = dev;
	vec->fd = -1;
	vec->obj.fn = vec_handler;
	vec->obj.arg = vec;
	return vec;
}

struct tp_vec *
tp_vec_adopt(struct tp_dev *dev, struct rte_ims_vec *rte_vec)
{
	struct tp_vec *vec = vec_new(dev);
	int rc;

	if (vec == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	vec->vec = rte_vec;
	rc = rte_ims_vec_attach(rte_vec, &vec->obj);
	if (rc != 0) {
		free(vec);
		rte_errno = -rc;
		return NULL;
	}
	vec_insert(vec);
	return vec;
}

void
tp_vec_gone(struct tp_vec *vec)
{
	TAILQ_REMOVE(&tp_vecs, vec, next);
	if (vec->fd >= 0)
		close(vec->fd);
	tp_latency_free(vec);
	free(vec);
}

void
tp_vecs_forget(const struct tp_dev *dev, const struct rte_ims_table *table)
{
	struct tp_vec *vec, *next;

	for (vec = TAILQ_FIRST(&tp_vecs); vec != NULL; vec = next) {
		next = TAILQ_NEXT(vec, next);
		if (vec->dev == dev && (table == NULL || vec->table == table))
			tp_vec_gone(vec);
	}
}

struct tp_vec *
tp_vec_alloc(struct tp_dev *dev, const struct tp_vec_want *want)
{
	struct rte_ims_vec_conf conf = { .delivery = want->delivery, .name = want->name };
	struct tp_vec *vec = NULL;
	struct rte_ims_vec *rte_vec;
	int rc;

	rte_vec = rte_ims_vec_alloc(want->table, want->store, want->slot, &conf);
	if (rte_vec == NULL) {
		rc = rte_errno;
		alloc_failed(dev, want, rc);
		rte_errno = rc;
		return NULL;
	}
	rc = -rte_ims_wait_add(tp_service_wait(), rte_vec);
	if (rc == 0) {
		vec = tp_vec_adopt(dev, rte_vec);
		rc = rte_errno;
	}
	if (vec == NULL) {
		rte_ims_vec_free(rte_vec);
		rte_errno = rc;
		return NULL;
	}
	vec->table = want->table;
	vec->set = tp_service_set(0);
	return vec;
}

int
tp_vec_check_unused(struct tp_vec *vec)
{
	const struct tp_topic *topic;
	int rc = 0;

	for (topic = tp_topics(); topic != NULL && rc == 0; topic = topic->next)
		rc = topic->vec_free == NULL ? 0 : topic->vec_free(vec);
	return rc;
}

int
tp_vec_free(struct tp_vec *vec)
{
	int rc;

	if (vec->pool != NULL)
		return tp_fail(
			-EBUSY, "vector %u is of pool %s, see pool put", vec->id, vec->pool->name);
	rc = tp_vec_check_unused(vec);
	if (rc != 0)
		return rc;
	rc = rte_ims_vec_free(vec->vec);
	if (rc != 0)
		return tp_fail(rc, NULL);
	tp_vec_gone(vec);
	return 0;
}

int
tp_vec_lcore(const struct tp_vec *vec)
{
	return vec->set != NULL ? (int)vec->set->lcore
	                        : rte_ims_pool_vec_lcore(vec->pool->pool, vec->vec);
}

int
tp_vec_move(struct tp_vec *vec, struct tp_set *set)
{
	int rc;

	if (vec->kind == TP_VEC_DEDICATED)
		return tp_fail(-EINVAL, "vector %u is dedicated: no lcore serves it", vec->id);
	if (vec->set == NULL) {
		rc = rte_ims_pool_move(vec->pool->pool, vec->vec, set->lcore);
		if (rc == -ENOENT)
			return tp_fail(
				rc, "lcore %u is not in pool %s", set->lcore, vec->pool->name);
		return rc;
	}
	rc = rte_ims_wait_move(set->wait, vec->vec);
	if (rc == 0)
		vec->set = set;
	return rc;
}

struct tp_vec *
tp_vec_find(uint64_t id)
{
	struct tp_vec *vec;

	TAILQ_FOREACH(vec, &tp_vecs, next)
		if (vec->id == id)
			return vec;
	return NULL;
}

struct tp_vec *
tp_vec_of(const struct rte_ims_vec *rte_vec)
{
	struct tp_vec *vec;

	TAILQ_FOREACH(vec, &tp_vecs, next)
		if (vec->vec == rte_vec)
			return vec;
	return NULL;
}

const char *
tp_delivery_str(enum rte_ims_delivery delivery)
{
	return delivery == RTE_IMS_DELIVERY_MEMORY ? "memory" : "eventfd";
}
