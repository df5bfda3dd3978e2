/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What models have in common: how their keys are read, and the frequency of their clock. */

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "model.h"
#include "ticks.h"

#define CALIBRATE_NS 5000000

bool
model_number(struct model_opts *opts, const char *key, const char *val, unsigned long min,
	unsigned long max, unsigned long *num)
{
	char *end;

	errno = 0;
	*num = val != NULL ? strtoul(val, &end, 0) : 0;
	if (val != NULL && *val >= '0' && *val <= '9' && *end == '\0' && errno == 0 &&
		*num >= min && *num <= max)
		return true;
	snprintf(opts->error, sizeof(opts->error), "%s=%.60s: expected a number from %lu to %lu",
		key, val != NULL ? val : "", min, max);
	return false;
}

uint64_t
ticks_hz(void)
{
	static _Atomic(uint64_t) known;
	uint64_t hz = atomic_load_explicit(&known, memory_order_relaxed), ns, ticks, passed;

	if (hz != 0)
		return hz;
	ns = clock_ns();
	ticks = ticks_now();
	do {
		passed = clock_ns() - ns;
	} while (passed < CALIBRATE_NS);
	hz = (uint64_t)((double)(ticks_now() - ticks) * 1e9 / passed);
	atomic_store_explicit(&known, hz, memory_order_relaxed);
	return hz;
}
