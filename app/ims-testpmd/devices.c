/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Devices that the user opened, vectors that he allocated. */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>

#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_service.h"

struct tp_dev_list tp_devs = TAILQ_HEAD_INITIALIZER(tp_devs);
struct tp_vec_list tp_vecs = TAILQ_HEAD_INITIALIZER(tp_vecs);

static void
removed_handler(struct rte_ims_vec *vec, void *arg)
{
	const struct tp_dev *dev = arg;

	(void)vec;
	tp_notice("device %u (%s) is gone: what remains is dev close %u", dev->id, dev->name,
		dev->id);
}

static void
vec_handler(struct rte_ims_vec *rte_vec, void *arg)
{
	struct tp_vec *vec = arg;

	(void)rte_vec;
	atomic_store_explicit(&vec->last_tsc, rte_rdtsc(), memory_order_relaxed);
	atomic_fetch_add_explicit(&vec->handled, 1, memory_order_relaxed);
}

static int
removed_watch(struct tp_dev *dev)
{
	struct rte_ims_vec_conf conf = { .name = "removed" };
	struct rte_ims_store *store;
	int rc;

	store = rte_ims_dev_store_get(dev->dev, RTE_IMS_STORE_DEVICE);
	if (store == NULL)
		return -rte_errno;
	dev->removed_vec = rte_ims_vec_alloc(
		rte_ims_dev_table(dev->dev), store, RTE_IMS_DEV_EVENT_REMOVED, &conf);
	if (dev->removed_vec == NULL)
		return -rte_errno;
	dev->removed_obj.fn = removed_handler;
	dev->removed_obj.arg = dev;
	rc = rte_ims_vec_attach(dev->removed_vec, &dev->removed_obj);
	if (rc == 0)
		rc = rte_ims_wait_add(tp_service_wait(), dev->removed_vec);
	return rc;
}

/* Keeps the list in order and takes the lowest free number. */
static void
dev_insert(struct tp_dev *dev)
{
	struct tp_dev *at;

	TAILQ_FOREACH(at, &tp_devs, next) {
		if (at->id != dev->id)
			break;
		dev->id++;
	}
	if (at != NULL)
		TAILQ_INSERT_BEFORE(at, dev, next);
	else
		TAILQ_INSERT_TAIL(&tp_devs, dev, next);
}

struct tp_dev *
tp_dev_open(const char *name)
{
	struct tp_dev *dev;
	int rc;

	dev = calloc(1, sizeof(*dev));
	if (dev == NULL) {
		tp_fail(-ENOMEM, NULL);
		return NULL;
	}
	dev->dev = rte_ims_dev_open(name, NULL);
	if (dev->dev == NULL) {
		rc = rte_errno;
		if (rc == EEXIST)
			tp_fail(-rc, "%s is open already", name);
		free(dev);
		rte_errno = rc;
		return NULL;
	}
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	rc = removed_watch(dev);
	if (rc != 0) {
		rte_ims_dev_close(dev->dev);
		free(dev);
		rte_errno = -rc;
		return NULL;
	}
	dev_insert(dev);
	return dev;
}

static void
vec_forget(struct tp_vec *vec)
{
	TAILQ_REMOVE(&tp_vecs, vec, next);
	free(vec);
}

int
tp_dev_close(struct tp_dev *dev)
{
	const struct tp_topic *topic;
	struct tp_vec *vec, *next;
	int rc;

	for (topic = tp_topics(); topic != NULL; topic = topic->next)
		if (topic->dev_close != NULL)
			topic->dev_close(dev);
	rc = rte_ims_dev_close(dev->dev);
	if (rc != 0)
		return tp_fail(rc, NULL);
	for (vec = TAILQ_FIRST(&tp_vecs); vec != NULL; vec = next) {
		next = TAILQ_NEXT(vec, next);
		if (vec->dev == dev)
			vec_forget(vec);
	}
	TAILQ_REMOVE(&tp_devs, dev, next);
	free(dev);
	return 0;
}

void
tp_dev_close_all(void)
{
	struct tp_dev *dev;

	while ((dev = TAILQ_FIRST(&tp_devs)) != NULL)
		if (tp_dev_close(dev) != 0)
			break;
}

struct tp_dev *
tp_dev_find(const char *str)
{
	struct tp_dev *dev;
	char *end;
	unsigned long id = strtoul(str, &end, 10);
	bool is_id = isdigit((unsigned char)str[0]) && *end == '\0';

	TAILQ_FOREACH(dev, &tp_devs, next)
		if (is_id ? dev->id == id : strcmp(dev->name, str) == 0)
			return dev;
	return NULL;
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
alloc_failed(const struct tp_dev *dev, const struct rte_ims_store *store, uint32_t slot,
	enum rte_ims_delivery delivery, int err)
{
	struct rte_ims_store_info info;
	const struct tp_vec *owner;

	if (rte_ims_store_info_get(store, &info) != 0)
		return;
	if (err == ERANGE) {
		tp_fail(-err, "slot %u does not exist: %s has slots 0..%u", slot, dev->name,
			info.n_slots - 1);
	} else if (err == EBUSY) {
		owner = slot_owner(store, slot);
		if (owner != NULL)
			tp_fail(-err, "slot %u of %s is taken by vector %u", slot, dev->name,
				owner->id);
		else
			tp_fail(-err, "slot %u of %s is taken", slot, dev->name);
	} else if (err == ENOSPC) {
		tp_fail(-err, "no free slot: %u of %u of %s are taken", info.n_used, info.n_slots,
			dev->name);
	} else if (err == ENOTSUP) {
		tp_fail(-err, "store %s of %s cannot deliver to %s", info.name, dev->name,
			tp_delivery_str(delivery));
	}
}

struct tp_vec *
tp_vec_alloc(struct tp_dev *dev, struct rte_ims_store *store, uint32_t slot,
	enum rte_ims_delivery delivery, const char *name)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery, .name = name };
	struct tp_vec *vec;
	int rc;

	vec = calloc(1, sizeof(*vec));
	if (vec == NULL) {
		rte_errno = -tp_fail(-ENOMEM, NULL);
		return NULL;
	}
	vec->dev = dev;
	vec->obj.fn = vec_handler;
	vec->obj.arg = vec;
	vec->vec = rte_ims_vec_alloc(rte_ims_dev_table(dev->dev), store, slot, &conf);
	if (vec->vec == NULL) {
		rc = rte_errno;
		alloc_failed(dev, store, slot, delivery, rc);
		goto fail;
	}
	rc = -rte_ims_vec_attach(vec->vec, &vec->obj);
	if (rc == 0)
		rc = -rte_ims_wait_add(tp_service_wait(), vec->vec);
	if (rc == 0) {
		vec_insert(vec);
		return vec;
	}
	rte_ims_vec_free(vec->vec);
fail:
	free(vec);
	rte_errno = rc;
	return NULL;
}

int
tp_vec_free(struct tp_vec *vec)
{
	const struct tp_topic *topic;
	int rc;

	for (topic = tp_topics(); topic != NULL; topic = topic->next) {
		rc = topic->vec_free == NULL ? 0 : topic->vec_free(vec);
		if (rc != 0)
			return rc;
	}
	rc = rte_ims_vec_free(vec->vec);
	if (rc != 0)
		return tp_fail(rc, NULL);
	vec_forget(vec);
	return 0;
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

struct rte_ims_store *
tp_dev_store(struct tp_dev *dev)
{
	return rte_ims_dev_store_at(dev->dev, 1);
}

const char *
tp_delivery_str(enum rte_ims_delivery delivery)
{
	return delivery == RTE_IMS_DELIVERY_MEMORY ? "memory" : "eventfd";
}
