/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* bench timer: what came out, in tables and in JSON, and whether it is right. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench.h"
#include "tp_cmd.h"

const struct bench_timer_mode bench_timer_modes[BENCH_TIMER_MODES] = {
	{ "memory, polled", "memory", RTE_IMS_DELIVERY_MEMORY, false, FLOOR_LINE, "cache line",
		1.5 },
	{ "eventfd, one waiter", "eventfd_socket", RTE_IMS_DELIVERY_EVENTFD, false, FLOOR_SOCKET,
		"socket", 1.2 },
	{ "eventfd, several waiters", "eventfd", RTE_IMS_DELIVERY_EVENTFD, true, FLOOR_EPOLL,
		"epoll+read", 2.5 },
};

static int
compare_double(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double
median_ratio(struct bench_timer_result *r)
{
	if (r->n_rounds == 0)
		return 0;
	qsort(r->ratios, r->n_rounds, sizeof(r->ratios[0]), compare_double);
	return r->ratios[r->n_rounds / 2];
}

static void
print_counts(const struct bench_timer_conf *conf, const struct bench_timer_result *results)
{
	struct tp_table *t = tp_table_new(NULL);
	const struct bench_timer_result *r;
	unsigned int i;

	printf("%u timer%s, every %" PRIu64 " ns\n\n", conf->n_timers,
		conf->n_timers > 1 ? "s" : "", conf->interval_ns);
	tp_cell(t, "DELIVERY");
	tp_cell(t, "EXPIRATIONS");
	tp_cell(t, "ACCOUNTED");
	tp_cell(t, "LOST");
	tp_cell(t, "EVENTS");
	tp_cell(t, "SPURIOUS");
	tp_cell(t, "LATE");
	tp_cell(t, "PER_SECOND");
	tp_row_end(t);
	for (i = 0; i < BENCH_TIMER_MODES; i++) {
		r = &results[i];
		if (!r->done)
			continue;
		tp_cell(t, "%s", bench_timer_modes[i].name);
		tp_cell(t, "%" PRIu64, r->counted);
		tp_cell(t, "%" PRIu64, r->accounted);
		tp_cell(t, "%" PRId64, (int64_t)(r->counted - r->accounted));
		tp_cell(t, "%" PRIu64, r->calls);
		tp_cell(t, "%" PRIu64, r->spurious);
		tp_cell(t, "%" PRIu64, r->late);
		tp_cell(t, "%.0f", r->calls / r->seconds);
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
	printf("\n");
}

static void
cell_ns(struct tp_table *t, double ticks)
{
	tp_cell(t, "%.0f", ticks * TP_NSEC / rte_get_tsc_hz());
}

static void
print_latencies(struct bench_timer_result *results)
{
	static const double quantiles[] = { 0.5, 0.9, 0.99, 0.999 };
	struct tp_table *t = tp_table_new(NULL);
	struct bench_timer_result *r;
	unsigned int i, k;

	tp_cell(t, "LATENCY_ns");
	tp_cell(t, "MIN");
	tp_cell(t, "MEDIAN");
	tp_cell(t, "P90");
	tp_cell(t, "P99");
	tp_cell(t, "P99.9");
	tp_cell(t, "MAX");
	tp_cell(t, "FLOOR");
	tp_cell(t, "MEDIAN");
	tp_cell(t, "RATIO");
	tp_cell(t, "GOAL");
	tp_row_end(t);
	for (i = 0; i < BENCH_TIMER_MODES; i++) {
		r = &results[i];
		if (!r->done || r->latency.n == 0)
			continue;
		tp_cell(t, "%s", bench_timer_modes[i].name);
		cell_ns(t, r->latency.min);
		for (k = 0; k < TP_DIM(quantiles); k++)
			cell_ns(t, hist_quantile(&r->latency, quantiles[k]));
		cell_ns(t, r->latency.max);
		tp_cell(t, "%s", bench_timer_modes[i].floor_name);
		cell_ns(t, hist_quantile(&r->floor, 0.5));
		tp_cell(t, "%.2f", median_ratio(r));
		tp_cell(t, "<= %.1f", bench_timer_modes[i].goal);
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
}

void
bench_timer_print(
	const struct bench_timer_conf *conf, struct bench_timer_result *results, bool same_clock)
{
	unsigned int i;

	print_counts(conf, results);
	if (!same_clock) {
		printf("The device's clock is not this CPU's: no latencies.\n");
		return;
	}
	print_latencies(results);
	for (i = 0; i < BENCH_TIMER_MODES; i++) {
		if (results[i].unsupported)
			printf("\n%s: not measured, %s\n", bench_timer_modes[i].name,
				bench_timer_modes[i].several_waiters
					? "it takes one slot more than there are timers"
					: "the device cannot");
		if (!results[i].done || results[i].latency.n == 0)
			continue;
		printf("\n%s:\n", bench_timer_modes[i].name);
		hist_print(&results[i].latency, (double)TP_NSEC / rte_get_tsc_hz(), stdout);
	}
}

int
bench_timer_json(const char *path, struct bench_timer_result *results)
{
	double ns = (double)TP_NSEC / rte_get_tsc_hz();
	struct bench_timer_result *r;
	const char *comma = "";
	unsigned int i;
	FILE *f;
	int rc;

	rc = tp_json_begin(path, &f);
	if (rc != 0)
		return rc;
	for (i = 0; i < BENCH_TIMER_MODES; i++) {
		r = &results[i];
		if (!r->done)
			continue;
		fprintf(f,
			"%s\n\"%s_counted\": %" PRIu64 ",\n\"%s_lost\": %" PRId64
			",\n\"%s_spurious\": %" PRIu64 ",\n\"%s_late\": %" PRIu64
			",\n\"%s_p50_ns\": %.1f,\n\"%s_p99_ns\": %.1f,\n\"%s_floor_ns\": %.1f,\n\"%s_ratio\": %.3f",
			comma, bench_timer_modes[i].key, r->counted, bench_timer_modes[i].key,
			(int64_t)(r->counted - r->accounted), bench_timer_modes[i].key, r->spurious,
			bench_timer_modes[i].key, r->late, bench_timer_modes[i].key,
			hist_quantile(&r->latency, 0.5) * ns, bench_timer_modes[i].key,
			hist_quantile(&r->latency, 0.99) * ns, bench_timer_modes[i].key,
			hist_quantile(&r->floor, 0.5) * ns, bench_timer_modes[i].key,
			median_ratio(r));
		comma = ",";
	}
	return tp_json_end(path, f);
}

int
bench_timer_judge(const struct bench_timer_result *results)
{
	unsigned int i;

	for (i = 0; i < BENCH_TIMER_MODES; i++) {
		if (!results[i].done)
			continue;
		if (results[i].counted != results[i].accounted)
			return tp_fail(
				-EIO, "%s: expirations were lost", bench_timer_modes[i].name);
		if (results[i].late != 0)
			return tp_fail(
				-EIO, "%s: a vector was not quiet", bench_timer_modes[i].name);
	}
	return 0;
}
