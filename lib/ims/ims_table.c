/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Message tables: the vectors of one user of a device, by an index of its own, freed as a whole. */

#include <stdlib.h>
#include <string.h>

#include <rte_string_fns.h>

#include "ims_private.h"

struct rte_ims_table *
ims_table_new_locked(struct rte_ims_dev *dev, const char *name, uint32_t size)
{
	struct rte_ims_table *table;

	table = calloc(1, sizeof(*table));
	if (table == NULL)
		return ims_err_ptr(-ENOMEM);
	table->vecs = calloc(size, sizeof(*table->vecs));
	if (table->vecs == NULL) {
		free(table);
		return ims_err_ptr(-ENOMEM);
	}
	table->dev = dev;
	rte_strlcpy(table->name, name, sizeof(table->name));
	table->size = size;
	TAILQ_INSERT_TAIL(&dev->tables, table, next);
	dev->n_tables++;
	return table;
}

struct rte_ims_table *
rte_ims_table_create(struct rte_ims_dev *dev, const char *name, uint32_t size)
{
	struct rte_ims_table *table;

	if (dev == NULL || name == NULL || strlen(name) >= RTE_IMS_NAME_LEN || size == 0 ||
		size > IMS_TABLE_MAX)
		return ims_err_ptr(-EINVAL);
	if (atomic_load(&dev->vfio->removed))
		return ims_err_ptr(-ENODEV);
	pthread_mutex_lock(&dev->lock);
	table = ims_table_new_locked(dev, name, size);
	pthread_mutex_unlock(&dev->lock);
	return table;
}

int64_t
ims_table_index_take(struct rte_ims_table *table, struct rte_ims_vec *vec)
{
	uint32_t i;

	for (i = table->first_free; i < table->size; i++)
		if (table->vecs[i] == NULL)
			break;
	table->first_free = i;
	if (i == table->size)
		return -ENOSPC;
	table->vecs[i] = vec;
	table->n_used++;
	return i;
}

void
ims_table_index_give(struct rte_ims_table *table, uint32_t index)
{
	table->vecs[index] = NULL;
	table->n_used--;
	table->first_free = RTE_MIN(table->first_free, index);
}

/* One of the table's handlers is running in the calling thread. */
static bool
running_locked(const struct rte_ims_table *table)
{
	const struct rte_ims_vec *vec;
	uint32_t i;

	for (i = 0; i < table->size; i++) {
		vec = table->vecs[i];
		if (vec != NULL && ims_vec_runs_here(vec))
			return true;
	}
	return false;
}

/*
 * What can refuse before anything has changed: a handler of this thread's, a move that is not
 * finished.
 */
static int
settle(struct rte_ims_table *table)
{
	struct rte_ims_dev *dev = table->dev;
	bool running;
	uint32_t i;
	int rc = 0;

	pthread_mutex_lock(&dev->lock);
	running = running_locked(table);
	pthread_mutex_unlock(&dev->lock);
	if (running)
		return -EDEADLK;
	for (i = 0; i < table->size && rc == 0; i++)
		if (table->vecs[i] != NULL)
			rc = ims_wait_settle(table->vecs[i]);
	return rc;
}

static void
stop(struct rte_ims_table *table)
{
	uint32_t i;

	pthread_mutex_lock(&table->dev->lock);
	for (i = 0; i < table->size; i++)
		if (table->vecs[i] != NULL)
			ims_vec_stop_locked(table->vecs[i]);
	pthread_mutex_unlock(&table->dev->lock);
}

static int
drain(struct rte_ims_table *table)
{
	struct rte_ims_wait *left;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < table->size && rc == 0; i++) {
		left = table->vecs[i] != NULL ? atomic_load(&table->vecs[i]->left) : NULL;
		if (left != NULL)
			rc = ims_wait_drain(left);
	}
	return rc;
}

static void
release(struct rte_ims_table *table)
{
	struct rte_ims_dev *dev = table->dev;
	struct rte_ims_vec *vec;
	uint32_t i;

	for (i = 0; i < table->size; i++) {
		vec = table->vecs[i];
		if (vec == NULL)
			continue;
		if (dev->driver != NULL && dev->driver->vec_fini != NULL)
			dev->driver->vec_fini(vec);
		pthread_mutex_lock(&dev->lock);
		ims_vec_release_locked(vec);
		pthread_mutex_unlock(&dev->lock);
	}
	pthread_mutex_lock(&dev->lock);
	TAILQ_REMOVE(&dev->tables, table, next);
	dev->n_tables--;
	pthread_mutex_unlock(&dev->lock);
	free(table->vecs);
	free(table);
}

int
ims_table_remove(struct rte_ims_table *table)
{
	int rc;

	rc = settle(table);
	if (rc != 0)
		return rc;
	stop(table);
	rc = drain(table);
	if (rc == 0)
		release(table);
	return rc;
}

int
ims_table_remove_all(struct rte_ims_dev *dev)
{
	struct rte_ims_table *table;
	int rc;

	TAILQ_FOREACH(table, &dev->tables, next) {
		rc = settle(table);
		if (rc != 0)
			return rc;
	}
	TAILQ_FOREACH(table, &dev->tables, next)
		stop(table);
	TAILQ_FOREACH(table, &dev->tables, next) {
		rc = drain(table);
		if (rc != 0)
			return rc;
	}
	while ((table = TAILQ_LAST(&dev->tables, ims_table_list)) != NULL)
		release(table);
	return 0;
}

int
rte_ims_table_free(struct rte_ims_table *table)
{
	if (table == NULL || table == rte_ims_dev_table(table->dev))
		return -EINVAL;
	return ims_table_remove(table);
}

void
ims_table_driver_priv_set(struct rte_ims_table *table, void *priv)
{
	table->driver_priv = priv;
}

struct rte_ims_table *
rte_ims_dev_table(struct rte_ims_dev *dev)
{
	return dev != NULL ? TAILQ_FIRST(&dev->tables) : ims_err_ptr(-EINVAL);
}

struct rte_ims_vec *
rte_ims_table_vec_get(struct rte_ims_table *table, uint32_t index)
{
	struct rte_ims_vec *vec;

	if (table == NULL || index >= table->size)
		return ims_err_ptr(-EINVAL);
	pthread_mutex_lock(&table->dev->lock);
	vec = table->vecs[index];
	pthread_mutex_unlock(&table->dev->lock);
	return vec != NULL ? vec : ims_err_ptr(-ENOENT);
}

int
rte_ims_table_info_get(const struct rte_ims_table *table, struct rte_ims_table_info *info)
{
	if (table == NULL || info == NULL)
		return -EINVAL;
	rte_strlcpy(info->name, table->name, sizeof(info->name));
	info->size = table->size;
	pthread_mutex_lock(&table->dev->lock);
	info->n_used = table->n_used;
	pthread_mutex_unlock(&table->dev->lock);
	return 0;
}

struct rte_ims_table *
rte_ims_table_next(struct rte_ims_dev *dev, const struct rte_ims_table *prev)
{
	struct rte_ims_table *table;

	if (dev == NULL)
		return NULL;
	pthread_mutex_lock(&dev->lock);
	table = prev == NULL ? TAILQ_FIRST(&dev->tables) : TAILQ_NEXT(prev, next);
	pthread_mutex_unlock(&dev->lock);
	return table;
}
