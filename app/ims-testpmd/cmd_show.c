/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* show, clear */

#include <errno.h>
#include <inttypes.h>

#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_service.h"

static int
cmd_show_device(const struct tp_args *args)
{
	static const char *const names[] = { "ID", "NAME", "DRIVER", "PCI", "NUMA", "STORES",
		"TABLES", "VECTORS", "STRAY", "FAULTS", "STATE", NULL };
	struct tp_dev *only = tp_arg_ptr(args, "DEV"), *dev;
	struct tp_table *t = tp_table_new();
	struct rte_ims_dev_info info;

	tp_head(t, names);
	TAILQ_FOREACH(dev, &tp_devs, next) {
		if (only != NULL && dev != only)
			continue;
		rte_ims_dev_info_get(dev->dev, &info);
		tp_cell(t, "%u", dev->id);
		tp_cell(t, "%s", dev->name);
		tp_cell(t, "%s", info.driver);
		tp_cell(t, "%04x:%04x", info.vendor_id, info.device_id);
		tp_cell_num(t, info.numa_node);
		tp_cell(t, "%u", info.n_stores);
		tp_cell(t, "%u", info.n_tables);
		tp_cell(t, "%u", info.n_vecs);
		tp_cell(t, "%" PRIu64, info.stray_msgs);
		tp_cell(t, "%" PRIu64, info.dma_faults);
		tp_cell(t, "%s", info.removed ? "removed" : "up");
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
	return 0;
}

static int
cmd_show_store(const struct tp_args *args)
{
	static const char *const names[] = { "DEV", "STORE", "SLOTS", "USED", NULL };
	struct tp_dev *only = tp_arg_ptr(args, "DEV"), *dev;
	struct tp_table *t = tp_table_new();
	struct rte_ims_store_info info;
	struct rte_ims_dev_info dinfo;
	uint32_t i;

	tp_head(t, names);
	TAILQ_FOREACH(dev, &tp_devs, next) {
		if (only != NULL && dev != only)
			continue;
		rte_ims_dev_info_get(dev->dev, &dinfo);
		for (i = 0; i < dinfo.n_stores; i++) {
			rte_ims_store_info_get(rte_ims_dev_store_at(dev->dev, i), &info);
			tp_cell(t, "%u", dev->id);
			tp_cell(t, "%s", info.name);
			tp_cell(t, "%u", info.n_slots);
			tp_cell(t, "%u", info.n_used);
			tp_row_end(t);
		}
	}
	tp_table_print(t, stdout);
	return 0;
}

static int
cmd_show_table(const struct tp_args *args)
{
	static const char *const names[] = { "DEV", "TABLE", "SIZE", "USED", NULL };
	struct tp_dev *only = tp_arg_ptr(args, "DEV"), *dev;
	struct tp_table *t = tp_table_new();
	struct rte_ims_table_info info;
	struct rte_ims_table *table;

	tp_head(t, names);
	TAILQ_FOREACH(dev, &tp_devs, next) {
		if (only != NULL && dev != only)
			continue;
		for (table = rte_ims_table_next(dev->dev, NULL); table != NULL;
			table = rte_ims_table_next(dev->dev, table)) {
			rte_ims_table_info_get(table, &info);
			tp_cell(t, "%u", dev->id);
			tp_cell(t, "%s", info.name);
			tp_cell(t, "%u", info.size);
			tp_cell(t, "%u", info.n_used);
			tp_row_end(t);
		}
	}
	tp_table_print(t, stdout);
	return 0;
}

static int
cmd_show_vector(const struct tp_args *args)
{
	static const char *const names[] = { "ID", "DEV", "NAME", "SLOT", "LCORE", "DELIVERY",
		"MASKED", "PENDING", "ADDRESS", "DATA", "EVENTS", NULL };
	struct tp_vec *only = tp_arg_ptr(args, "VEC"), *vec;
	struct tp_table *t = tp_table_new();
	struct rte_ims_vec_stats stats;
	struct rte_ims_vec_info info;

	tp_head(t, names);
	TAILQ_FOREACH(vec, &tp_vecs, next) {
		if (only != NULL && vec != only)
			continue;
		rte_ims_vec_info_get(vec->vec, &info);
		rte_ims_vec_stats_get(vec->vec, &stats);
		tp_cell(t, "%u", vec->id);
		tp_cell(t, "%u", vec->dev->id);
		tp_cell(t, "%s", info.name);
		tp_cell(t, "%u", info.slot);
		tp_cell_num(t, tp_vec_lcore(vec));
		tp_cell(t, "%s", tp_delivery_str(info.delivery));
		tp_cell(t, "%s", info.masked ? "yes" : "no");
		tp_cell(t, "%s", info.pending ? "yes" : "no");
		tp_cell(t, "0x%" PRIx64, info.msg.addr);
		tp_cell(t, "0x%" PRIx32, info.msg.data);
		tp_cell(t, "%" PRIu64, stats.events);
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
	return 0;
}

static int
cmd_show_stats(const struct tp_args *args)
{
	static const char *const names[] = { "VECTOR", "NAME", "EVENTS", "SPURIOUS", "UNHANDLED",
		NULL };
	struct tp_vec *only = tp_arg_ptr(args, "VEC"), *vec;
	struct tp_table *t = tp_table_new();
	struct rte_ims_vec_stats stats;
	struct rte_ims_vec_info info;

	tp_head(t, names);
	TAILQ_FOREACH(vec, &tp_vecs, next) {
		if (only != NULL && vec != only)
			continue;
		rte_ims_vec_info_get(vec->vec, &info);
		rte_ims_vec_stats_get(vec->vec, &stats);
		tp_cell(t, "%u", vec->id);
		tp_cell(t, "%s", info.name);
		tp_cell(t, "%" PRIu64, stats.events);
		tp_cell(t, "%" PRIu64, stats.spurious);
		tp_cell(t, "%" PRIu64, stats.unhandled);
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
	return 0;
}

static void
wait_row(struct tp_table *t, const struct tp_set *set)
{
	struct rte_ims_wait_stats stats;
	struct rte_ims_wait_info info;

	rte_ims_wait_info_get(set->wait, &info);
	rte_ims_wait_stats_get(set->wait, &stats);
	tp_cell(t, "%s", info.name);
	tp_cell(t, "%s", tp_service_polls() ? "poll" : "sleep");
	tp_cell_num(t, set->own_thread ? -1 : (int64_t)set->lcore);
	tp_cell_num(t, info.numa_node);
	tp_cell(t, "%u", info.n_memory);
	tp_cell(t, "%u", info.n_eventfd);
	tp_cell(t, "%s", info.reads_socket ? "reads" : "-");
	tp_cell(t, "%" PRIu64, stats.events);
	tp_cell(t, "%" PRIu64, stats.sleeps);
	tp_cell(t, "%" PRIu64, stats.wakes);
	tp_cell(t, "%" PRIu64, stats.stray);
	tp_row_end(t);
}

static int
cmd_show_wait(const struct tp_args *args)
{
	static const char *const names[] = { "WAIT", "MODE", "LCORE", "NUMA", "MEMORY", "EVENTFD",
		"SOCKET", "EVENTS", "SLEEPS", "WAKES", "STRAY", NULL };
	struct tp_table *t = tp_table_new();
	unsigned int i;

	(void)args;
	tp_head(t, names);
	for (i = 0; i < tp_service_n_sets(); i++)
		wait_row(t, tp_service_set(i));
	tp_table_print(t, stdout);
	return 0;
}

static int
cmd_clear_stats(const struct tp_args *args)
{
	struct tp_vec *only = tp_arg_ptr(args, "VEC"), *vec;

	TAILQ_FOREACH(vec, &tp_vecs, next)
		if (only == NULL || vec == only)
			rte_ims_vec_stats_reset(vec->vec);
	return 0;
}

static const struct tp_cmd show_cmds[] = {
	{ "show device all|DEV", cmd_show_device, "Devices", NULL },
	{ "show store all|DEV", cmd_show_store, "Where devices keep their messages", NULL },
	{ "show table all|DEV", cmd_show_table, "Message tables: the vectors of one user", NULL },
	{ "show vector all|VEC", cmd_show_vector, "Vectors and their messages", NULL },
	{ "show stats all|VEC", cmd_show_stats, "Counters of vectors", NULL },
	{ "show wait all", cmd_show_wait, "The wait sets, and what serves them", NULL },
};
static struct tp_topic show_topic = {
	.name = "show",
	.help = "What there is, and what it counts",
	.cmds = show_cmds,
	.n_cmds = TP_DIM(show_cmds),
};
TP_TOPIC_REGISTER(show_topic);

static const struct tp_cmd clear_cmds[] = {
	{ "clear stats all|VEC", cmd_clear_stats, "Set counters of vectors to 0", NULL },
};
static struct tp_topic clear_topic = {
	.name = "clear",
	.help = "Set counters to 0",
	.cmds = clear_cmds,
	.n_cmds = TP_DIM(clear_cmds),
};
TP_TOPIC_REGISTER(clear_topic);
