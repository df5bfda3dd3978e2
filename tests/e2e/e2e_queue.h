/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _E2E_QUEUE_H_
#define _E2E_QUEUE_H_

#include <rte_pmd_queue_dev.h>

#include "e2e.h"

/* What the tests of queues share: the device, a wait set, and queues of which a handler counts. */

#define SECOND_NS 1000000000ull
#define DEPTH     64

extern struct rte_ims_dev *dev;
extern struct rte_ims_wait *set;
extern struct rte_pmd_queue_dev_info info;
extern uint8_t *buf; /* 1 MiB of DMA memory */

/* A queue with a handler that counts. */
struct tq {
	struct rte_pmd_queue_dev_queue *q;
	uint64_t done;
	uint64_t failed;
	uint64_t calls;
	uint64_t empty;
	uint64_t last_result;
	uint16_t last_status;
	void *last_cookie;
};

/* Fixtures of each test. */
int
setup(void **state);
int
teardown(void **state);
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* Without a vector it is polled: by drain(). */
void
tq_open(struct tq *t, struct rte_ims_vec *vec, struct rte_pmd_queue_dev_subdev *subdev);
void
drain(struct tq *t);
void
submit(struct tq *t, enum rte_pmd_queue_dev_op_type type, const void *src, void *dst, uint32_t len,
	uint64_t imm);
/* Until so many have been completed, by the handler. */
void
tq_wait(struct tq *t, uint64_t done);
/* The handler; arg is a struct tq. */
void
on_queue(struct rte_ims_vec *vec, void *arg);

/* NULL: the device has none of that name. */
struct rte_ims_store *
find_store(const char *name);
/* In the set. NULL: the store cannot have that delivery. */
struct rte_ims_vec *
vec_open(const char *store_name, uint32_t slot, enum rte_ims_delivery delivery);

#endif /* _E2E_QUEUE_H_ */
