/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TP_DEV_H_
#define _TP_DEV_H_

/*
 * The devices and vectors that the user opened and allocated, and his pools. Devices and vectors
 * have small numbers for the command line: the lowest that is free, like file descriptors. Only
 * the main thread comes here, handlers only touch what is atomic.
 */

#include <sys/queue.h>

#include <rte_ims.h>
#include <rte_ims_pool.h>
#include <rte_ims_wait.h>

#include "testpmd.h"

struct tp_latency;
struct tp_set;

struct tp_dev {
	TAILQ_ENTRY(tp_dev) next;
	unsigned int id;
	char name[RTE_IMS_NAME_LEN];
	struct rte_ims_dev *dev;
	/* Tells the user when the device goes away. */
	struct rte_ims_vec *removed_vec;
	struct rte_ims_obj removed_obj;
};

enum tp_vec_kind {
	TP_VEC_OWN, /* of "vec alloc" */
	TP_VEC_SHARED,
	TP_VEC_EXCLUSIVE,
	TP_VEC_SPECIAL,
	TP_VEC_DEDICATED,
};

struct tp_pool {
	TAILQ_ENTRY(tp_pool) next;
	char name[RTE_IMS_NAME_LEN];
	struct tp_dev *dev;
	struct rte_ims_pool *pool;
};

struct tp_vec {
	TAILQ_ENTRY(tp_vec) next;
	unsigned int id;
	struct tp_dev *dev;
	struct rte_ims_vec *vec;
	struct rte_ims_obj obj;
	/* Times that the handler ran, and rte_rdtsc() of the last one. */
	atomic_uint_fast64_t handled;
	atomic_uint_fast64_t last_tsc;
	_Atomic(struct tp_latency *) latency; /* NULL: nothing stamps its messages */
	enum tp_vec_kind kind;
	struct rte_ims_table *table; /* of a vector of "vec alloc" */
	struct tp_set *set;          /* NULL: its pool's business, or nobody's */
	struct tp_pool *pool;        /* NULL: of none */
	unsigned int users;          /* times that it was got from the pool */
	unsigned int gets;           /* of these, by "pool get" and the like */
	int fd;                      /* of a dedicated vector: the eventfd; -1: none */
	uint64_t fd_count;           /* read from it so far */
};

TAILQ_HEAD(tp_dev_list, tp_dev);
TAILQ_HEAD(tp_vec_list, tp_vec);
TAILQ_HEAD(tp_pool_list, tp_pool);
/* In the order of their numbers, pools in that of their creation. */
extern struct tp_dev_list tp_devs;
extern struct tp_vec_list tp_vecs;
extern struct tp_pool_list tp_pools;

/* All of these return NULL with rte_errno, or a negative errno value, after tp_fail(). */

/* devices.c */
struct tp_dev *
tp_dev_open(const char *name);
int
tp_dev_close(struct tp_dev *dev);
void
tp_dev_close_all(void);
/* By number or name. */
struct tp_dev *
tp_dev_find(const char *str);
/* The store that "vec alloc" takes when none is named: the first that takes messages. */
struct rte_ims_store *
tp_dev_store(struct tp_dev *dev);

/* vectors.c */
struct tp_vec_want {
	struct rte_ims_table *table;
	struct rte_ims_store *store;
	uint32_t slot;
	enum rte_ims_delivery delivery;
	const char *name; /* NULL: the library's choice */
};

struct tp_vec *
tp_vec_alloc(struct tp_dev *dev, const struct tp_vec_want *want);
int
tp_vec_free(struct tp_vec *vec);
/* Is it raised by something, a timer for example? 0 or tp_fail(). */
int
tp_vec_check_unused(struct tp_vec *vec);
/* A number for a vector that the library gave, with an object that counts. */
struct tp_vec *
tp_vec_adopt(struct tp_dev *dev, struct rte_ims_vec *vec);
/* The library's vector is gone, or others use it. */
void
tp_vec_gone(struct tp_vec *vec);
/* All vectors of a device, or of a table of it, are gone. */
void
tp_vecs_forget(const struct tp_dev *dev, const struct rte_ims_table *table);
struct tp_vec *
tp_vec_find(uint64_t id);
/* The tool's vector of a library's one, or NULL. */
struct tp_vec *
tp_vec_of(const struct rte_ims_vec *vec);
/* The lcore whose wait set it is in, negative: none. */
int
tp_vec_lcore(const struct tp_vec *vec);
int
tp_vec_move(struct tp_vec *vec, struct tp_set *set);
const char *
tp_delivery_str(enum rte_ims_delivery delivery);

/* pools.c */

/* Over all lcores that have a wait set. */
struct tp_pool *
tp_pool_create(const char *name, struct tp_dev *dev, const struct rte_ims_pool_conf *conf);
int
tp_pool_destroy(struct tp_pool *pool);
/* Put all vectors back and destroy the pools of a device. */
int
tp_pools_close(struct tp_dev *dev);
struct tp_pool *
tp_pool_find(const char *name);
/* One more user of a vector, which may be one that has users already. */
struct tp_vec *
tp_pool_get(struct tp_pool *pool, const struct rte_ims_want *want);
struct tp_vec *
tp_pool_special(struct tp_pool *pool, uint32_t index);
struct tp_vec *
tp_pool_dedicated(struct tp_pool *pool);
/* One user less: the vector may be gone then. */
int
tp_pool_put(struct tp_vec *vec);
/* Events that a dedicated vector's eventfd has counted so far. */
uint64_t
tp_vec_fd_count(struct tp_vec *vec);

#endif /* _TP_DEV_H_ */
