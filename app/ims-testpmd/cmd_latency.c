/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* show latency, clear latency: from the device's message to the handler */

#include <errno.h>
#include <inttypes.h>

#include <rte_cycles.h>

#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_latency.h"

static void
cell_ns(struct tp_table *t, uint64_t ticks)
{
	tp_cell(t, "%.0f", (double)ticks * TP_NSEC / rte_get_tsc_hz());
}

static void
latency_row(struct tp_table *t, const struct tp_vec *vec, const struct hist *h)
{
	static const double quantiles[] = { 0.5, 0.9, 0.99, 0.999 };
	struct rte_ims_vec_info info;
	unsigned int i;

	rte_ims_vec_info_get(vec->vec, &info);
	tp_cell(t, "%u", vec->id);
	tp_cell(t, "%s", info.name);
	tp_cell(t, "%s", tp_delivery_str(info.delivery));
	tp_cell(t, "%" PRIu64, h->n);
	if (h->n == 0) {
		tp_row_end(t);
		return;
	}
	cell_ns(t, h->min);
	for (i = 0; i < TP_DIM(quantiles); i++)
		cell_ns(t, hist_quantile(h, quantiles[i]));
	cell_ns(t, h->max);
	tp_row_end(t);
}

static int
cmd_show_latency(const struct tp_args *args)
{
	static const char *const names[] = { "VECTOR", "NAME", "DELIVERY", "+MESSAGES", "MIN_ns",
		"MEDIAN", "P90", "P99", "P99.9", "MAX", NULL };
	struct tp_vec *only = tp_arg_ptr(args, "VEC"), *vec;
	struct tp_table *t = tp_table_new("latencies");
	static struct hist h, sum;

	hist_reset(&sum);
	tp_head(t, names);
	TAILQ_FOREACH(vec, &tp_vecs, next) {
		if ((only != NULL && vec != only) || !tp_latency_get(vec, &h))
			continue;
		latency_row(t, vec, &h);
		hist_merge(&sum, &h);
	}
	tp_table_print(t, stdout);
	if (only != NULL && !tp_latency_get(only, &h))
		return tp_fail(-ENOTSUP, "nothing stamps the messages of vector %u", only->id);
	if (sum.n != 0 && !tp_output_is_json()) {
		printf("\n");
		hist_print(&sum, (double)TP_NSEC / rte_get_tsc_hz(), stdout);
	}
	return 0;
}

static int
cmd_clear_latency(const struct tp_args *args)
{
	struct tp_vec *only = tp_arg_ptr(args, "VEC"), *vec;

	TAILQ_FOREACH(vec, &tp_vecs, next)
		if (only == NULL || vec == only)
			tp_latency_clear(vec);
	return 0;
}

static const struct tp_cmd show_cmds[] = {
	{ "show latency all|VEC [json]", cmd_show_latency,
		"From the device's message to the handler, with a histogram",
		"    Of vectors that a timer or a queue_dev queue raises, if the device's clock is this CPU's.\n"
		"    To see it live: clear latency all, then watch 1 show latency all\n" },
};
TP_CMDS_REGISTER(show, "What there is, and what it counts");

static const struct tp_cmd clear_cmds[] = {
	{ "clear latency all|VEC", cmd_clear_latency, "Forget the latencies so far", NULL },
};
TP_CMDS_REGISTER(clear, "Set counters to 0");
