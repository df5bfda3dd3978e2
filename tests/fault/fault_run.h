/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _FAULT_RUN_H_
#define _FAULT_RUN_H_

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

/*
 * Lives, lived once for each place that makes a call in them which can fail, and the call fails
 * there, in each of its ways. A place that only a failure leads to fails after that failure.
 */

#define FAULT_MAX_LIVES 8

struct fault_life {
	const char *name;
	int (*live)(void); /* 0, or what has ended it early */
	enum {
		FAULT_MORE,
		FAULT_EACH,
		FAULT_SLOW
	} at; /* at places that none before it comes to, at each, at those that no other does */
};

/* A call that fails, of a life; nth: which one of the site. */
struct fault {
	const struct fault_life *life;
	unsigned int site;
	unsigned int nth;
	unsigned int way;
};

struct fault_run {
	const struct fault_life *lives;
	unsigned int n_lives;
	bool full; /* in each life that comes to a place, and each call */
	/* All have been lived twice without a fault: what is there now is what has to be there. */
	void (*settled)(void);
	/* A life has ended so; also: another call that was to fail, or NULL. */
	void (*check)(const struct fault *f, const struct fault *also, int rc);
};

struct fault_sum {
	unsigned int lives; /* with a fault */
	unsigned int ended_early;
	unsigned int not_met; /* they did not come to it */
};

struct fault_sum
fault_run(const struct fault_run *run);

/** How many calls are to fail in this life. */
extern unsigned int fault_n_armed;

/** For messages: the fault. */
extern const char *life_where;

#define expect(cond)                                                                      \
	do {                                                                              \
		if (!(cond)) {                                                            \
			print_error("%s fails at %s: %s\n", life_where, __func__, #cond); \
			fail();                                                           \
		}                                                                         \
	} while (0)

/** No memory that a life has taken is left. */
void
fault_expect_no_memory_left(void);

#endif /* _FAULT_RUN_H_ */
