/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* bench queue: tables and JSON. */

#include <inttypes.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench.h"
#include "testpmd.h"
#include "tp_queue.h"

const char *const bench_queue_modes[BENCH_QUEUE_MODES] = {
	[BENCH_QUEUE_MEMORY] = "memory, polled",
	[BENCH_QUEUE_EVENTFD] = "eventfd, slept on",
};

static const char *const keys[BENCH_QUEUE_MODES] = {
	[BENCH_QUEUE_MEMORY] = "memory",
	[BENCH_QUEUE_EVENTFD] = "eventfd",
};

static const double quantiles[] = { 0.5, 0.9, 0.99, 0.999 };

static double
per_event(const struct bench_queue_result *r)
{
	return r->events != 0 ? (double)r->ops / r->events : 0;
}

static void
counts_print(const struct bench_queue_result *results)
{
	static const char *const names[] = { "DELIVERY", "LCORES", "VECTORS", "COMPLETIONS", "LOST",
		"FAILED", "OPS_PER_S", "EVENTS_PER_S", "OPS_PER_EVENT", "CPU_%", NULL };
	struct tp_table *t = tp_table_new(NULL);
	const struct bench_queue_result *r;
	unsigned int i;

	tp_head(t, names);
	for (i = 0; i < BENCH_QUEUE_MODES; i++) {
		r = &results[i];
		if (!r->done)
			continue;
		tp_cell(t, "%s", bench_queue_modes[i]);
		tp_cell(t, "%u", r->n_lcores);
		tp_cell(t, "%u", r->n_vecs);
		tp_cell(t, "%" PRIu64, r->completed);
		tp_cell(t, "%" PRIu64, r->submitted - r->completed);
		tp_cell(t, "%" PRIu64, r->failed);
		tp_cell(t, "%.0f", r->ops / r->seconds);
		tp_cell(t, "%.0f", r->events / r->seconds);
		tp_cell(t, "%.1f", per_event(r));
		tp_cell(t, "%.0f", r->cpu * 100);
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
}

static void
latencies_print(const struct bench_queue_result *results)
{
	static const char *const names[] = { "LATENCY_us", "MIN", "MEDIAN", "P90", "P99", "P99.9",
		"MAX", NULL };
	double us = 1e6 / rte_get_tsc_hz();
	struct tp_table *t = tp_table_new(NULL);
	const struct hist *h;
	unsigned int i, k;

	tp_head(t, names);
	for (i = 0; i < BENCH_QUEUE_MODES; i++) {
		h = &results[i].latency;
		if (!results[i].done || h->n == 0)
			continue;
		tp_cell(t, "%s", bench_queue_modes[i]);
		tp_cell(t, "%.1f", h->min * us);
		for (k = 0; k < TP_DIM(quantiles); k++)
			tp_cell(t, "%.1f", hist_quantile(h, quantiles[k]) * us);
		tp_cell(t, "%.1f", h->max * us);
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
}

void
bench_queue_print(const struct bench_queue_conf *conf, const struct bench_queue_result *results)
{
	unsigned int i;

	printf("%u queue%s, %u operation%s at a time in each: %s\n\n", conf->n_queues,
		conf->n_queues == 1 ? "" : "s", conf->depth, conf->depth == 1 ? "" : "s",
		tp_op_str(conf->op));
	counts_print(results);
	printf("\n");
	latencies_print(results);
	for (i = 0; i < BENCH_QUEUE_MODES; i++)
		if (results[i].unsupported)
			printf("\n%s: not measured, no vector of the device can do that\n",
				bench_queue_modes[i]);
}

static void
json_mode(FILE *f, const char *key, const struct bench_queue_result *r)
{
	double ns = 1e9 / rte_get_tsc_hz();

	fprintf(f, "\n\"queue_%s_ops_per_s\": %.0f,", key, r->ops / r->seconds);
	fprintf(f, "\n\"queue_%s_events_per_s\": %.0f,", key, r->events / r->seconds);
	fprintf(f, "\n\"queue_%s_ops_per_event\": %.2f,", key, per_event(r));
	fprintf(f, "\n\"queue_%s_completed\": %" PRIu64 ",", key, r->completed);
	fprintf(f, "\n\"queue_%s_lost\": %" PRIu64 ",", key, r->submitted - r->completed);
	fprintf(f, "\n\"queue_%s_failed\": %" PRIu64 ",", key, r->failed);
	fprintf(f, "\n\"queue_%s_p50_ns\": %.0f,", key, hist_quantile(&r->latency, 0.5) * ns);
	fprintf(f, "\n\"queue_%s_p99_ns\": %.0f,", key, hist_quantile(&r->latency, 0.99) * ns);
	fprintf(f, "\n\"queue_%s_p999_ns\": %.0f,", key, hist_quantile(&r->latency, 0.999) * ns);
	fprintf(f, "\n\"queue_%s_cpu_pct\": %.1f", key, r->cpu * 100);
}

int
bench_queue_json(const char *path, const struct bench_queue_result *results)
{
	const char *comma = "";
	unsigned int i;
	FILE *f;
	int rc;

	rc = tp_json_begin(path, &f);
	if (rc != 0)
		return rc;
	for (i = 0; i < BENCH_QUEUE_MODES; i++) {
		if (!results[i].done)
			continue;
		fputs(comma, f);
		json_mode(f, keys[i], &results[i]);
		comma = ",";
	}
	return tp_json_end(path, f);
}
