/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* show queue, show eq */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_queue.h"

#define ROWS_MAX 32

static void
stats_cells(struct tp_table *t, const struct tp_queue_stats *s)
{
	tp_cell(t, "%u", s->pending);
	tp_cell(t, "%" PRIu64, s->submitted);
	tp_cell(t, "%" PRIu64, s->completed);
	tp_cell(t, "%" PRIu64, s->errors);
	tp_cell(t, "%.0f", s->per_second);
	tp_row_end(t);
}

static void
queue_row(struct tp_table *t, const struct tp_queue *queue, const struct tp_queue_stats *s)
{
	tp_cell(t, "%u", queue->dev->id);
	tp_cell(t, "%u", queue->number);
	tp_cell(t, "%s", queue->subdev != NULL ? queue->subdev->name : "-");
	tp_cell(t, "%u", queue->depth);
	tp_cell_num(t, queue->vec != NULL ? (int64_t)queue->vec->id : -1);
	tp_cell_num(t, tp_queue_lcore(queue));
	tp_cell(t, "%s", s->busy ? tp_op_str(s->op) : "-");
	if (s->busy && s->rate != 0)
		tp_cell(t, "%" PRIu64, s->rate);
	else
		tp_cell(t, "%s", s->busy ? "full" : "-");
	stats_cells(t, s);
}

static void
stats_add(struct tp_queue_stats *sum, const struct tp_queue_stats *s)
{
	sum->pending += s->pending;
	sum->submitted += s->submitted;
	sum->completed += s->completed;
	sum->errors += s->errors;
	sum->per_second += s->per_second;
}

/* n queues, of which not all are shown. */
static void
sum_row(struct tp_table *t, unsigned int n, const struct tp_queue_stats *sum)
{
	unsigned int i;

	tp_cell(t, "sum");
	tp_cell(t, "%u", n);
	for (i = 0; i < 6; i++)
		tp_cell(t, "-");
	stats_cells(t, sum);
}

static int
cmd_show_queue(const struct tp_args *args)
{
	static const char *const names[] = { "DEV", "QUEUE", "SUBDEV", "DEPTH", "VECTOR", "LCORE",
		"OP", "RATE", "PENDING", "+SUBMITTED", "+COMPLETED", "+ERRORS", "PER_S", NULL };
	struct tp_dev *only = tp_arg_ptr(args, "DEV");
	struct tp_queue_stats stats, sum = { 0 };
	struct tp_table *t = tp_table_new("queues");
	struct tp_queue *queue;
	unsigned int n = 0;

	tp_head(t, names);
	TAILQ_FOREACH(queue, &tp_queues, next) {
		if (only != NULL && queue->dev != only)
			continue;
		tp_queue_stats(queue, &stats);
		stats_add(&sum, &stats);
		if (only == NULL || n < ROWS_MAX || tp_output_is_json())
			queue_row(t, queue, &stats);
		n++;
	}
	if (n > 1 && !tp_output_is_json())
		sum_row(t, n, &sum);
	tp_table_print(t, stdout);
	if (only != NULL && n > ROWS_MAX)
		tp_text("The first %u of %u: show queue all lists them all.\n", ROWS_MAX, n);
	return 0;
}

static void
eq_row(struct tp_table *t, const struct rte_pmd_queue_dev_eq_info *eq)
{
	const struct tp_vec *vec = tp_vec_of(eq->vec);
	struct rte_ims_store_info store;
	struct rte_ims_vec_stats stats;
	struct rte_ims_vec_info info;

	rte_ims_vec_info_get(eq->vec, &info);
	rte_ims_vec_stats_get(eq->vec, &stats);
	rte_ims_store_info_get(rte_ims_vec_store(eq->vec), &store);
	tp_cell(t, "%u", eq->number);
	tp_cell(t, "%u", eq->n_entries);
	tp_cell_num(t, vec != NULL ? (int64_t)vec->id : -1);
	tp_cell(t, "%s", info.name);
	tp_cell(t, "%s", store.name);
	tp_cell(t, "%u", info.slot);
	tp_cell(t, "%s", tp_delivery_str(info.delivery));
	tp_cell(t, "%u", eq->n_queues);
	tp_cell(t, "%" PRIu64, stats.events);
	tp_cell(t, "%" PRIu64, eq->n_taken);
	tp_row_end(t);
}

static int
cmd_show_eq(const struct tp_args *args)
{
	static const char *const names[] = { "EQ", "ENTRIES", "VECTOR", "NAME", "STORE", "SLOT",
		"DELIVERY", "QUEUES", "+EVENTS", "+TAKEN", NULL };
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct rte_pmd_queue_dev_eq_info *eqs;
	struct rte_pmd_queue_dev_info info;
	struct tp_table *t;
	int rc, n, i;

	rc = rte_pmd_queue_dev_info_get(dev->dev, &info);
	if (rc != 0)
		return rc == -ENODEV ? tp_fail(rc, "%s is not a queue_dev device", dev->name) : rc;
	eqs = calloc(info.n_eqs, sizeof(*eqs));
	if (eqs == NULL)
		return -ENOMEM;
	n = rte_pmd_queue_dev_eqs_get(dev->dev, eqs, info.n_eqs);
	t = tp_table_new("event_queues");
	tp_head(t, names);
	for (i = 0; i < n; i++)
		eq_row(t, &eqs[i]);
	tp_table_print(t, stdout);
	free(eqs);
	tp_text("%u of %u event queues, %u of %u queues; stray events %" PRIu64
		", stray completions %" PRIu64 ", commands without an answer %" PRIu64 "\n",
		info.used_eqs, info.n_eqs, info.used_queues, info.n_queues, info.stray_events,
		info.stray_completions, info.cmd_timeouts);
	return 0;
}

static const struct tp_cmd show_cmds[] = {
	{ "show queue all|DEV [json]", cmd_show_queue,
		"Queues; of a device the first 32 and the sum",
		"    PER_S: completions per second since they were shown last\n" },
	{ "show eq DEV [json]", cmd_show_eq, "Event queues: how vectors find queues with work",
		NULL },
};
TP_CMDS_REGISTER(show, "What there is, and what it counts");
