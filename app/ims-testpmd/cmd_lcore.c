/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* show lcore: what the lcores do, and how busy they are */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include <rte_ims_wait.h>

#include "tp_cmd.h"
#include "tp_service.h"

#define BAR_WIDTH 40

static void
bar_cell(struct tp_table *t, double pct)
{
	char bar[BAR_WIDTH + 1];
	unsigned int n = lround(pct * BAR_WIDTH / 100), i;

	for (i = 0; i < BAR_WIDTH; i++)
		bar[i] = i < n ? '#' : '.';
	bar[i] = '\0';
	tp_cell(t, "%s", bar);
}

static void
lcore_row(struct tp_table *t, const struct tp_set *set, struct tp_load_mark *mark)
{
	struct rte_ims_wait_info info;
	struct tp_load load;

	rte_ims_wait_info_get(set->wait, &info);
	tp_set_load(set, mark, &load);
	tp_cell(t, "%u", set->lcore);
	tp_cell(t, "%s", info.name);
	tp_cell(t, "%u", info.n_memory + info.n_eventfd);
	tp_cell(t, "%u", info.n_sources);
	tp_cell(t, "%" PRIu64, load.events);
	tp_cell(t, "%.0f", load.per_second);
	tp_cell(t, "%.1f", load.cpu_pct);
	if (!tp_output_is_json())
		bar_cell(t, load.cpu_pct);
	tp_row_end(t);
}

static int
cmd_show_lcore(const struct tp_args *args)
{
	static const char *const plain[] = { "LCORE", "WAIT", "VECS", "QUEUES", "EVENTS", "PER_S",
		"LOAD_%", NULL };
	static const char *const drawn[] = { "LCORE", "WAIT", "VECS", "QUEUES", "EVENTS", "PER_S",
		"LOAD_%", "LOAD", NULL };
	static struct tp_load_mark *marks; /* by index of the set */
	struct tp_table *t;
	unsigned int i;

	(void)args;
	if (marks == NULL)
		marks = calloc(tp_service_n_sets(), sizeof(*marks));
	if (marks == NULL)
		return -ENOMEM;
	t = tp_table_new("lcores");
	tp_head(t, tp_output_is_json() ? plain : drawn);
	for (i = 0; i < tp_service_n_sets(); i++)
		lcore_row(t, tp_service_set(i), &marks[i]);
	tp_table_print(t, stdout);
	return 0;
}

static const struct tp_cmd show_cmds[] = {
	{ "show lcore [json]", cmd_show_lcore, "What the lcores do, and how busy they are",
		"    QUEUES: Rx queues of DPDK's ports, in sets that forward; an event of one is a burst.\n"
		"    PER_S, LOAD_%: events per second and CPU use since they were shown last. To see them\n"
		"    live: watch 1 show lcore\n" },
};
TP_CMDS_REGISTER(show, "What there is, and what it counts");
