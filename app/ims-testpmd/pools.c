/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Pools that the user created. Vectors got from them are vectors like any other. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_errno.h>

#include "tp_dev.h"
#include "tp_service.h"

struct tp_pool_list tp_pools = TAILQ_HEAD_INITIALIZER(tp_pools);

/* All lcores there are. */
static int
lcores_add(struct tp_pool *pool)
{
	struct tp_set *set;
	unsigned int i;
	int rc = 0;

	for (i = 0; i < tp_service_n_sets() && rc == 0; i++) {
		set = tp_service_set(i);
		rc = rte_ims_pool_lcore_add(pool->pool, set->lcore, set->wait);
	}
	return rc;
}

struct tp_pool *
tp_pool_create(const char *name, struct tp_dev *dev, const struct rte_ims_pool_conf *conf)
{
	struct tp_pool *pool = calloc(1, sizeof(*pool));
	int rc;

	if (pool == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	snprintf(pool->name, sizeof(pool->name), "%s", name);
	pool->dev = dev;
	pool->pool = rte_ims_pool_create(name, dev->dev, conf);
	rc = pool->pool != NULL ? lcores_add(pool) : -rte_errno;
	if (rc == 0) {
		TAILQ_INSERT_TAIL(&tp_pools, pool, next);
		return pool;
	}
	if (rc == -EEXIST)
		tp_fail(rc, "there is a pool %s already", name);
	if (pool->pool != NULL)
		rte_ims_pool_destroy(pool->pool);
	free(pool);
	rte_errno = -rc;
	return NULL;
}

int
tp_pool_destroy(struct tp_pool *pool)
{
	struct rte_ims_pool_info info;
	int rc;

	rc = rte_ims_pool_destroy(pool->pool);
	if (rc == -EBUSY && rte_ims_pool_info_get(pool->pool, &info) == 0)
		return tp_fail(rc, "%u user%s of pool %s, see pool put and queue destroy",
			info.n_users, info.n_users == 1 ? "" : "s", pool->name);
	if (rc != 0)
		return rc;
	TAILQ_REMOVE(&tp_pools, pool, next);
	free(pool);
	return 0;
}

static int
pool_close(struct tp_pool *pool)
{
	struct tp_vec *vec, *next;
	int rc = 0;

	for (vec = TAILQ_FIRST(&tp_vecs); vec != NULL && rc == 0; vec = next) {
		next = TAILQ_NEXT(vec, next);
		while (vec->pool == pool && rc == 0 && vec->users > 1)
			rc = tp_pool_put(vec);
		if (vec->pool == pool && rc == 0)
			rc = tp_pool_put(vec);
	}
	return rc != 0 ? rc : tp_pool_destroy(pool);
}

int
tp_pools_close(struct tp_dev *dev)
{
	struct tp_pool *pool, *next;
	int rc = 0;

	for (pool = TAILQ_FIRST(&tp_pools); pool != NULL && rc == 0; pool = next) {
		next = TAILQ_NEXT(pool, next);
		if (pool->dev == dev)
			rc = pool_close(pool);
	}
	return rc;
}

struct tp_pool *
tp_pool_find(const char *name)
{
	struct tp_pool *pool;

	TAILQ_FOREACH(pool, &tp_pools, next)
		if (strcmp(pool->name, name) == 0)
			return pool;
	return NULL;
}

/* The tool's vector for one more user of a library's one. */
static struct tp_vec *
take(struct tp_pool *pool, struct rte_ims_vec *rte_vec, enum tp_vec_kind kind)
{
	struct tp_vec *vec = tp_vec_of(rte_vec);
	int rc;

	if (vec == NULL)
		vec = tp_vec_adopt(pool->dev, rte_vec);
	if (vec == NULL) {
		rc = rte_errno;
		rte_ims_pool_put(pool->pool, rte_vec);
		rte_errno = rc;
		return NULL;
	}
	vec->pool = pool;
	vec->kind = kind;
	vec->users++;
	return vec;
}

struct tp_vec *
tp_pool_get(struct tp_pool *pool, const struct rte_ims_want *want)
{
	bool exclusive = (want->flags & RTE_IMS_WANT_F_EXCLUSIVE) != 0;
	struct rte_ims_vec *vec = rte_ims_pool_get(pool->pool, want);
	int rc = rte_errno;

	if (vec != NULL)
		return take(pool, vec, exclusive ? TP_VEC_EXCLUSIVE : TP_VEC_SHARED);
	if (rc == ENOENT && want->place == RTE_IMS_PLACE_LCORE)
		tp_fail(-rc, "lcore %u is not in pool %s: see show pool %s", want->number,
			pool->name, pool->name);
	else if (rc == ENOENT)
		tp_fail(-rc, "no lcore of pool %s fits", pool->name);
	else if (rc == ENOSPC)
		tp_fail(-rc, "no vector of %s is left%s", pool->dev->name,
			exclusive ? " for one user alone" : "");
	rte_errno = rc;
	return NULL;
}

/* Raised by the device for a purpose of its own, so it goes to the first set, whatever lcore. */
static int
special_serve(struct rte_ims_pool *pool, uint32_t index, struct rte_ims_vec **vec)
{
	struct rte_ims_vec_conf conf = { .name = NULL };
	char name[32];
	int rc;

	snprintf(name, sizeof(name), "special%u", index);
	conf.name = name;
	*vec = rte_ims_pool_special(pool, index, &conf);
	if (*vec == NULL && rte_errno == ENOTSUP) {
		conf.delivery = RTE_IMS_DELIVERY_MEMORY;
		*vec = rte_ims_pool_special(pool, index, &conf);
	}
	if (*vec == NULL)
		return -rte_errno;
	rc = rte_ims_wait_add(tp_service_wait(), *vec);
	if (rc != 0)
		rte_ims_pool_put(pool, *vec);
	return rc;
}

struct tp_vec *
tp_pool_special(struct tp_pool *pool, uint32_t index)
{
	struct rte_ims_vec *rte_vec;
	struct tp_vec *vec;
	int rc;

	rc = special_serve(pool->pool, index, &rte_vec);
	if (rc == -ERANGE)
		tp_fail(rc, "index %u of %s has no meaning of its own", index, pool->dev->name);
	else if (rc == -EBUSY)
		tp_fail(rc, "special index %u of %s is taken, by its driver or another user", index,
			pool->dev->name);
	if (rc != 0) {
		rte_errno = -rc;
		return NULL;
	}
	vec = take(pool, rte_vec, TP_VEC_SPECIAL);
	if (vec != NULL)
		vec->set = tp_service_set(0);
	return vec;
}

struct tp_vec *
tp_pool_dedicated(struct tp_pool *pool)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), rc;
	struct rte_ims_vec *rte_vec = NULL;
	struct tp_vec *vec = NULL;

	rte_errno = errno;
	if (fd >= 0)
		rte_vec = rte_ims_pool_dedicated(pool->pool, fd, "dedicated");
	rc = rte_errno;
	if (rte_vec != NULL)
		vec = take(pool, rte_vec, TP_VEC_DEDICATED);
	else if (rc == ENOTSUP)
		tp_fail(-rc, "%s has no MSI-X that could stand behind a dedicated vector",
			pool->dev->name);
	else if (rc == ENOSPC)
		tp_fail(-rc, "no MSI-X vector of %s is left", pool->dev->name);
	if (vec != NULL) {
		vec->fd = fd;
		return vec;
	}
	if (fd >= 0)
		close(fd);
	rte_errno = rc;
	return NULL;
}

int
tp_pool_put(struct tp_vec *vec)
{
	struct rte_ims_pool *pool = vec->pool->pool;
	struct rte_ims_vec *rte_vec = vec->vec;
	int rc;

	/* First off the vector: it may be gone, or another one's, as soon as it is put back. */
	if (vec->users == 1) {
		rc = rte_ims_vec_detach(&vec->obj);
		if (rc != 0)
			return rc;
	}
	rc = rte_ims_pool_put(pool, rte_vec);
	if (rc != 0 && vec->users == 1)
		rte_ims_vec_attach(rte_vec, &vec->obj);
	if (rc != 0)
		return rc;
	if (--vec->users == 0)
		tp_vec_gone(vec);
	return 0;
}

uint64_t
tp_vec_fd_count(struct tp_vec *vec)
{
	uint64_t n;

	if (vec->fd >= 0 && read(vec->fd, &n, sizeof(n)) == sizeof(n))
		vec->fd_count += n;
	return vec->fd_count;
}
