/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _HOSTILE_BESIDE_H_
#define _HOSTILE_BESIDE_H_

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include <rte_ims_pool.h>
#include <rte_pmd_queue_dev.h>

#include "e2e.h"
#include "hostile.h"

/*
 * A device that means harm, and a good one beside it in the same process: in one wait set, whose
 * thread sleeps without a timeout, each with a pool. On the good one every operation is submitted
 * by the handler of the one before: an event that is lost, or comes too late to be seen, ends its
 * chain.
 */

#define SECOND_NS 1000000000ull
#define N_CHAINS  4
#define N_BAD     3
#define STEPS     300    /* of each chain, to show that it goes on */
#define NEVER_MS  600000 /* a wait for the hostile device that would not end within the test */
#define SHORT_MS  2000   /* one that does; on a loaded machine, too, an answer takes less */
#define BAD_MODEL "queue_dev,inject=1,queues=64,subdevs=4,eqs=8"

extern struct rte_ims_wait *set;

/* hostile_good.c */

/* Operations of the good device, one after the other. */
struct chain {
	struct rte_pmd_queue_dev_queue *q;
	struct rte_ims_vec *vec;
	uint64_t submitted;
	atomic_uint_fast64_t done;
};

struct good_dev {
	struct rte_ims_dev *dev;
	struct rte_ims_pool *pool;
	struct chain chains[N_CHAINS];
	pthread_t thread;
	atomic_bool stop;  /* chains end */
	atomic_bool leave; /* the thread ends */
	atomic_uint wrong;
	int pending;
};

extern struct good_dev good;

/* Fixtures of a group of tests. */
int
good_open(void **state);
int
good_close(void **state);

/* Every chain makes n steps more; without one that waits for the hostile device. */
void
good_goes_on_by(uint64_t n);
/* STEPS of them */
void
good_goes_on(void);

/* By the set's thread, which queues belong to. */
void
in_set(void (*fn)(unsigned int i), unsigned int i);

/* Half a second, of the thread that serves the set: nothing happens there, and it sleeps. */
bool
set_is_quiet(void);

/* Of either device, in the set. */
struct rte_ims_vec *
vec_open(struct rte_ims_dev *dev, enum rte_ims_store_type type, uint32_t slot,
	enum rte_ims_delivery delivery);
struct rte_ims_pool *
pool_open(const char *name, struct rte_ims_dev *dev, struct rte_ims_vec **vec);
int
dev_close(struct rte_ims_dev *dev, struct rte_ims_pool *pool);

/* hostile_bad.c */

struct bad_dev {
	struct hostile *h;
	struct rte_ims_dev *dev;
	struct rte_ims_pool *pool;
	struct rte_ims_vec *vecs[N_BAD];
	struct rte_pmd_queue_dev_queue *queues[N_BAD];
	atomic_uint_fast64_t done[N_BAD];
	uint64_t submitted[N_BAD];
	struct rte_ims_obj gone;
	atomic_uint n_gone;
	unsigned int fds, maps, children;
	int pending;
};

extern struct bad_dev bad;

/* The handler of its queues; arg is which of them. */
void
on_bad(struct rte_ims_vec *vec, void *arg);

void
bad_open(const char *model, uint32_t timeout_ms);
/* Nothing of it is left, and nobody has noticed. */
void
bad_close(void);
/* After a test that has failed. */
int
bad_abandon(void **state);
#define T(fn) cmocka_unit_test_teardown(fn, bad_abandon)

struct rte_ims_dev_info
bad_info(void);
struct rte_pmd_queue_dev_info
bad_queue_info(void);
/* What it has done wrong since it was opened: this, and nothing else. */
void
bad_counted(struct rte_ims_dev_stats want);
#define BAD_COUNTED(...) bad_counted((struct rte_ims_dev_stats){ __VA_ARGS__ })

/* Each of its queues completes one operation more. */
void
bad_works(void);
void
bad_submit(unsigned int i);
/* A register that is not mapped: a command and its reply. */
int
bad_call(void);
/* It is reported gone, once. */
void
bad_gone(void);

/* A message to a handle or an address, with or without a reply. */
void
message(uint32_t flags, uint64_t addr, uint32_t data);
uint64_t
events_of(const struct rte_ims_vec *vec);
struct rte_ims_msg
msg_of(const struct rte_ims_vec *vec);

#define AWAIT(cond)                                                       \
	do {                                                              \
		uint64_t await_end = e2e_now_ns() + 30 * SECOND_NS;       \
		bool await_met;                                           \
                                                                          \
		while (!(await_met = (cond)) && e2e_now_ns() < await_end) \
			usleep(200);                                      \
		assert_true(await_met);                                   \
	} while (0)

#endif /* _HOSTILE_BESIDE_H_ */
