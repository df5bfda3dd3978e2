/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TP_DEV_H_
#define _TP_DEV_H_

/*
 * The devices and vectors that the user opened and allocated. They have small numbers for the
 * command line: the lowest that is free, like file descriptors. Only the main thread comes here,
 * handlers only touch what is atomic.
 */

#include <sys/queue.h>

#include <rte_ims.h>
#include <rte_ims_wait.h>

#include "testpmd.h"

struct tp_dev {
	TAILQ_ENTRY(tp_dev) next;
	unsigned int id;
	char name[RTE_IMS_NAME_LEN];
	struct rte_ims_dev *dev;
	/* Tells the user when the device goes away. */
	struct rte_ims_vec *removed_vec;
	struct rte_ims_obj removed_obj;
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
};

TAILQ_HEAD(tp_dev_list, tp_dev);
TAILQ_HEAD(tp_vec_list, tp_vec);
/* In the order of their numbers. */
extern struct tp_dev_list tp_devs;
extern struct tp_vec_list tp_vecs;

/* These return NULL or a negative errno value after tp_fail(). */
struct tp_dev *
tp_dev_open(const char *name);
int
tp_dev_close(struct tp_dev *dev);
void
tp_dev_close_all(void);
/* By number or name. */
struct tp_dev *
tp_dev_find(const char *str);

struct tp_vec *
tp_vec_alloc(struct tp_dev *dev, struct rte_ims_store *store, uint32_t slot,
	enum rte_ims_delivery delivery, const char *name);
int
tp_vec_free(struct tp_vec *vec);
struct tp_vec *
tp_vec_find(uint64_t id);
/* The tool's vector of a library's one, or NULL. */
struct tp_vec *
tp_vec_of(const struct rte_ims_vec *vec);

/* The store that "vec alloc" takes when none is named: the first that takes messages. */
struct rte_ims_store *
tp_dev_store(struct tp_dev *dev);
const char *
tp_delivery_str(enum rte_ims_delivery delivery);

#endif /* _TP_DEV_H_ */
