/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Stores, and which vector has which slot. */

#include <stdlib.h>

#include <rte_string_fns.h>

#include "ims_private.h"

static int
check_conf(const struct ims_store_conf *conf)
{
	const struct ims_store_ops *ops = conf->ops;

	if (conf->name == NULL || conf->n_slots == 0 || conf->n_slots == RTE_IMS_SLOT_ANY ||
		conf->n_special > conf->n_slots || ops == NULL)
		return -EINVAL;
	if (ops->write_msg == NULL || ops->mask == NULL || ops->unmask == NULL ||
		(ops->set_eventfd != NULL && ops->shutdown == NULL))
		return -EINVAL;
	return 0;
}

struct rte_ims_store *
ims_store_create(struct rte_ims_dev *dev, const struct ims_store_conf *conf)
{
	struct rte_ims_store *store;

	if (dev == NULL || conf == NULL || check_conf(conf) != 0)
		return ims_err_ptr(-EINVAL);
	store = calloc(1, sizeof(*store));
	if (store == NULL)
		return ims_err_ptr(-ENOMEM);
	store->vecs = calloc(conf->n_slots, sizeof(*store->vecs));
	if (store->vecs == NULL) {
		free(store);
		return ims_err_ptr(-ENOMEM);
	}
	store->dev = dev;
	store->type = conf->type;
	rte_strlcpy(store->name, conf->name, sizeof(store->name));
	store->n_slots = conf->n_slots;
	store->n_special = conf->n_special;
	store->next_any = conf->n_special;
	store->ops = conf->ops;
	store->fungible = conf->fungible;
	store->priv = conf->priv;
	TAILQ_INSERT_TAIL(&dev->stores, store, next);
	dev->n_stores++;
	return store;
}

void
ims_store_destroy(struct rte_ims_store *store)
{
	TAILQ_REMOVE(&store->dev->stores, store, next);
	store->dev->n_stores--;
	if (store->priv_free != NULL)
		store->priv_free(store->priv);
	free(store->vecs);
	free(store);
}

void
ims_store_special_set(struct rte_ims_store *store, uint32_t n)
{
	store->n_special = RTE_MIN(n, store->n_slots);
	store->next_any = store->n_special;
}

void *
ims_store_priv(const struct rte_ims_store *store)
{
	return store->priv;
}

struct rte_ims_dev *
ims_store_dev(const struct rte_ims_store *store)
{
	return store->dev;
}

static bool
is_available(const struct rte_ims_store *store, uint32_t slot)
{
	return store->ops->available == NULL || store->ops->available(store, slot);
}

static int64_t
find_any(const struct rte_ims_store *store)
{
	uint32_t n = store->n_slots - store->n_special, i, slot;

	for (i = 0; i < n; i++) {
		slot = store->n_special + (store->next_any - store->n_special + i) % n;
		if (store->vecs[slot] == NULL && is_available(store, slot))
			return slot;
	}
	return -ENOSPC;
}

int64_t
ims_store_slot_take(struct rte_ims_store *store, uint32_t slot, struct rte_ims_vec *vec)
{
	int64_t found = slot;

	if (slot == RTE_IMS_SLOT_ANY) {
		found = find_any(store);
		if (found < 0)
			return found;
		store->next_any = found + 1;
	} else if (slot >= store->n_slots) {
		return -ERANGE;
	} else if (store->vecs[slot] != NULL || !is_available(store, slot)) {
		return -EBUSY;
	}
	__atomic_store_n(&store->vecs[found], vec, __ATOMIC_RELAXED);
	store->n_used++;
	return found;
}

void
ims_store_slot_give(struct rte_ims_store *store, uint32_t slot)
{
	__atomic_store_n(&store->vecs[slot], NULL, __ATOMIC_RELAXED);
	store->n_used--;
}

bool
ims_store_slot_used(const struct rte_ims_store *store, uint32_t slot)
{
	return slot < store->n_slots &&
	       __atomic_load_n(&store->vecs[slot], __ATOMIC_RELAXED) != NULL;
}

struct rte_ims_store *
rte_ims_dev_store_at(struct rte_ims_dev *dev, uint32_t n)
{
	struct rte_ims_store *store;

	if (dev == NULL)
		return ims_err_ptr(-EINVAL);
	TAILQ_FOREACH(store, &dev->stores, next)
		if (n-- == 0)
			return store;
	return ims_err_ptr(-EINVAL);
}

struct rte_ims_store *
rte_ims_dev_store_get(struct rte_ims_dev *dev, enum rte_ims_store_type type)
{
	struct rte_ims_store *store;

	if (dev == NULL)
		return ims_err_ptr(-EINVAL);
	TAILQ_FOREACH(store, &dev->stores, next)
		if (store->type == type)
			return store;
	return ims_err_ptr(-ENOTSUP);
}

int
rte_ims_store_info_get(const struct rte_ims_store *store, struct rte_ims_store_info *info)
{
	if (store == NULL || info == NULL)
		return -EINVAL;
	info->type = store->type;
	rte_strlcpy(info->name, store->name, sizeof(info->name));
	info->n_slots = store->n_slots;
	pthread_mutex_lock(&store->dev->lock);
	info->n_used = store->n_used;
	pthread_mutex_unlock(&store->dev->lock);
	return 0;
}
