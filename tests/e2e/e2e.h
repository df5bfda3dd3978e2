/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _E2E_H_
#define _E2E_H_

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <rte_errno.h>

#include <rte_ims.h>
#include <rte_ims_wait.h>
#include <rte_pmd_timer_ims.h>

#include "../count_fds.h"

/*
 * What the end-to-end programs share: EAL without privileges, the device named on the command line,
 * and sums over it all.
 */

/*
 * Command line: [--dev NAME] [--ops N] [--seconds N] [--seed N] [--mem MB | --eal ARG...] [--lcores
 * LIST] [--no-remap] [--test PATTERN]. A failure to start EAL ends the program with 1.
 */
void
e2e_init(int argc, char **argv, const char *dev_default);

extern const char *e2e_lcores; /* "0"; set before e2e_init(): another default, EAL's --lcores */
extern const char *e2e_dev_name;
extern uint64_t e2e_ops;     /* 0: the test's own default */
extern uint64_t e2e_seconds; /* 0: the same */
extern unsigned int e2e_seed;
extern bool e2e_no_remap; /* the machine has no interrupt remapping */

struct rte_ims_dev *
e2e_open(void);
struct rte_ims_dev *
e2e_open_flags(uint32_t flags);

/* Lines of /proc/self/maps that name a file. */
unsigned int
e2e_count_maps(void);
/* Child processes of this one. */
unsigned int
e2e_count_children(void);

uint64_t
e2e_now_ns(void);

/* A kernel device without MSI-X has no eventfds for its IMS: nothing composes a message. */
bool
e2e_can(struct rte_ims_dev *dev, enum rte_ims_delivery delivery);

struct rte_ims_vec *
e2e_vec(struct rte_ims_dev *dev, uint32_t slot, enum rte_ims_delivery delivery);

/* For what must come: a machine that is busy with other things has had time for us by then. */
#define E2E_PATIENCE_NS 20000000000ull
#define E2E_PATIENCE_MS 20000

/* Poll or sleep until fn(arg) or a timeout; returns fn(arg). */
bool
e2e_wait_for(struct rte_ims_wait *wait, bool (*fn)(void *arg), void *arg, uint64_t timeout_ns);

/* Until nothing has come for 50 ms. */
void
e2e_settle(struct rte_ims_wait *wait);

/* No handler runs for that long. */
void
e2e_assert_quiet(struct rte_ims_wait *wait, uint64_t ns);

/* A timer and the handler of its vector. */
struct e2e_timer {
	struct rte_ims_dev *dev;
	uint32_t n;
	struct rte_ims_vec *vec;
	struct rte_ims_obj obj;
	uint64_t accounted; /* expirations */
	uint64_t calls;
	uint64_t empty; /* calls with nothing new */
};

void
e2e_timer_init(struct e2e_timer *t, struct rte_ims_dev *dev, uint32_t n, struct rte_ims_vec *vec);
void
e2e_timer_start(struct e2e_timer *t, uint64_t interval_ns, uint64_t limit, uint32_t flags);
/* Stop timer n; all that timers which have ended or been stopped had to say is here then. */
void
e2e_timer_stop(struct rte_ims_dev *dev, uint32_t n);

#endif /* _E2E_H_ */
