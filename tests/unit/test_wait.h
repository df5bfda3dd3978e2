/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TEST_WAIT_H_
#define _TEST_WAIT_H_

#include <stdatomic.h>

#include "fake_dev.h"
#include "ims_wait_private.h"

/* What the tests of wait sets share: a device, a set, handlers that count. */

extern struct fake_dev *f;
extern struct rte_ims_wait *w;

struct counter {
	struct rte_ims_obj obj;
	atomic_uint_fast64_t n;
};

/* Fixtures of each test. */
int
setup(void **state);
int
teardown(void **state);
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* A vector of f, in no set, with a handler that counts in c. */
struct rte_ims_vec *
alloc(uint32_t slot, enum rte_ims_delivery delivery, struct counter *c);

uint64_t
now_ns(void);

/* Run the tests of a file. @return how many have failed */
int
wait_sleep_tests(void);
int
wait_change_tests(void);

#endif /* _TEST_WAIT_H_ */
