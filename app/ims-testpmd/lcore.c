/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <errno.h>
#include <stdatomic.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "tp_lcore.h"

static struct run {
	int (*fn)(void *arg);
	void *arg;
	atomic_uint given;
	atomic_uint returned;
} runs[RTE_MAX_LCORE];

static int
run(void *arg)
{
	struct run *r = arg;
	int rc;

	atomic_load_explicit(&r->given, memory_order_acquire);
	rc = r->fn(r->arg);
	atomic_fetch_add_explicit(&r->returned, 1, memory_order_release);
	return rc;
}

int
tp_lcore_launch(int (*fn)(void *arg), void *arg, unsigned int lcore)
{
	struct run *r = &runs[lcore];

	if (rte_eal_get_lcore_state(lcore) != WAIT)
		return -EBUSY;
	r->fn = fn;
	r->arg = arg;
	atomic_fetch_add_explicit(&r->given, 1, memory_order_release);
	return rte_eal_remote_launch(run, r, lcore);
}

int
tp_lcore_wait(unsigned int lcore)
{
	int rc = rte_eal_wait_lcore(lcore);

	atomic_load_explicit(&runs[lcore].returned, memory_order_acquire);
	return rc;
}
