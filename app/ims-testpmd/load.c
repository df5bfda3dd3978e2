/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* How busy the lcores are: between two looks at each. */

#include <rte_ims_wait.h>

#include "testpmd.h"
#include "tp_service.h"

void
tp_set_load(const struct tp_set *set, struct tp_load_mark *mark, struct tp_load *load)
{
	struct tp_load_mark now = { .ns = tp_now_ns(), .cpu_ns = tp_set_cpu_ns(set) };
	struct rte_ims_wait_stats stats = { 0 };
	uint64_t cpu_ns;
	double ns;

	rte_ims_wait_stats_get(set->wait, &stats);
	now.events = stats.events;
	ns = now.ns - (mark->ns != 0 ? mark->ns : set->start_ns);
	/* A thread of its own starts anew after a bench, and counters can be cleared. */
	cpu_ns = now.cpu_ns - (now.cpu_ns < mark->cpu_ns ? 0 : mark->cpu_ns);
	load->events = now.events;
	load->per_second = (now.events - (now.events < mark->events ? 0 : mark->events)) * 1e9 / ns;
	load->cpu_pct = cpu_ns * 100 / ns;
	*mark = now;
}
