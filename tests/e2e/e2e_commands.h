/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _E2E_COMMANDS_H_
#define _E2E_COMMANDS_H_

#include <ims_driver.h>
#include <queue_dev_regs.h>
#include <rte_pmd_queue_dev.h>

#include "e2e.h"

/*
 * What the programs share whose queue_dev does not do what it is told: it, a wait set, and queues.
 */

/* What happens to the command. */
enum fate {
	REFUSED,
	LATE,
	DROPPED,
	DONE, /* but not answered */
	N_KNOWN,
	DROPPED_UNKNOWN = N_KNOWN, /* and the question after it is not answered */
	DONE_UNKNOWN,
	N_FATES,
};

struct qc {
	struct rte_ims_dev *dev;
	struct rte_ims_wait *set;
};
extern struct qc qc;

/* Fixtures. At the end all that there can be of everything can be made: no number is lost. */
int
qc_setup(void **state);
int
qc_teardown(void **state);

/* Something happens to count commands op, for usec. */
void
qc_inject_us(uint32_t kind, uint32_t op, uint32_t count, uint64_t arg, uint32_t usec);
/* ... for longer than anybody waits. */
void
qc_inject(uint32_t kind, uint32_t op, uint32_t count, uint64_t arg);
/* The next command of this kind, and if it is to stay unknown what would tell. */
void
qc_arm(enum fate fate, uint32_t op);
/* All of it has happened. */
void
qc_disarmed(void);
/* What a call returns; a command that was forgotten or refused has changed nothing. */
int
qc_result(enum fate fate);

struct rte_pmd_queue_dev_info
qc_get_info(void);
struct rte_ims_vec *
qc_vec_open(void);

struct tq {
	struct rte_pmd_queue_dev_queue *q;
	uint64_t done;
};

/* Its handler: takes all completions. */
void
qc_on_queue(struct rte_ims_vec *vec, void *tq);
int
qc_tq_open(struct tq *t, struct rte_ims_vec *vec);
void
qc_submit(struct tq *t);
/* Of a queue, for e2e_wait_for(). */
bool
qc_all_done(void *tq);
/* Operations complete by events. */
void
qc_works(struct tq *t);
/* It works, and then goes with its vector. */
void
qc_close_all(struct tq *t, struct rte_ims_vec *vec);

#endif /* _E2E_COMMANDS_H_ */
