/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _CURVE_H_
#define _CURVE_H_

#include <stdio.h>

#include <rte_ims_wait.h>

/* Latency and CPU use of the policies over the rate of events. */

#define CURVE_POLICIES 3u
#define CURVE_RATES    9u

struct curve_point {
	double rate; /* asked for, per second */
	double events_per_s;
	double p50_ns;
	double p99_ns;
	double cpu_pct;
};

struct curve {
	const char *policy[CURVE_POLICIES];
	struct curve_point point[CURVE_POLICIES][CURVE_RATES];
	unsigned int n_rates;
};
extern struct curve bench_curve;

void
curve_print(const struct curve *c, FILE *f);
/* A page with figures and pictures, in one file. 0 or -errno. */
int
report_write(const char *path, const struct curve *c);

#endif /* _CURVE_H_ */
