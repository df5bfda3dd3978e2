/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* show, clear */

#include <errno.h>
#include <inttypes.h>

#include "tp_cmd.h"
#include "tp_dev.h"

/* What their peers have done wrong; for people only if there is any. */
static void
show_peers(const struct tp_dev *only)
{
	static const char *const names[] = { "DEV", "+TIMEOUTS", "+LATE", "+REORDERED",
		"+BAD_REPLIES", "+BAD_REQUESTS", "+SURPLUS_FDS", "+UNREAD", "+MALFORMED", NULL };
	struct tp_table *t = tp_table_new("peers");
	struct rte_ims_dev_stats s;
	struct tp_dev *dev;
	uint64_t sum = 0;

	tp_head(t, names);
	TAILQ_FOREACH(dev, &tp_devs, next) {
		if (only != NULL && dev != only)
			continue;
		rte_ims_dev_stats_get(dev->dev, &s);
		tp_cell(t, "%u", dev->id);
		tp_cell(t, "%" PRIu64, s.timeouts);
		tp_cell(t, "%" PRIu64, s.late_replies);
		tp_cell(t, "%" PRIu64, s.reordered_replies);
		tp_cell(t, "%" PRIu64, s.bad_replies);
		tp_cell(t, "%" PRIu64, s.bad_requests);
		tp_cell(t, "%" PRIu64, s.surplus_fds);
		tp_cell(t, "%" PRIu64, s.unread_replies);
		tp_cell(t, "%" PRIu64, s.malformed);
		tp_row_end(t);
		sum += s.timeouts + s.late_replies + s.reordered_replies + s.bad_replies +
		       s.bad_requests + s.surplus_fds + s.unread_replies + s.malformed;
	}
	if (sum != 0 || tp_output_is_json()) {
		tp_text("\n");
		tp_table_print(t, stdout);
	} else {
		tp_table_free(t);
	}
}

static int
cmd_show_device(const struct tp_args *args)
{
	static const char *const names[] = { "ID", "NAME", "DRIVER", "PCI", "NUMA", "STORES",
		"TABLES", "VECTORS", "+STRAY", "+FAULTS", "STATE", NULL };
	struct tp_dev *only = tp_arg_ptr(args, "DEV"), *dev;
	struct tp_table *t = tp_table_new("devices");
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
	show_peers(only);
	return 0;
}

static int
cmd_show_store(const struct tp_args *args)
{
	static const char *const names[] = { "DEV", "STORE", "SLOTS", "USED", NULL };
	struct tp_dev *only = tp_arg_ptr(args, "DEV"), *dev;
	struct tp_table *t = tp_table_new("stores");
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
	struct tp_table *t = tp_table_new("tables");
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

/* How an event finds the objects that have work. */
static const char *const demuxes[] = {
	[RTE_IMS_DEMUX_ALL] = "every object",
	[RTE_IMS_DEMUX_EVENT_QUEUE] = "event queue",
};

/* Of an MSI-X vector with an eventfd it is the kernel's, or the device's peer's: not known. */
static void
msg_cells(struct tp_table *t, const struct rte_ims_msg *msg)
{
	if (msg->addr == 0 && msg->data == 0) {
		tp_cell(t, "-");
		tp_cell(t, "-");
		return;
	}
	tp_cell(t, "0x%" PRIx64, msg->addr);
	tp_cell(t, "0x%" PRIx32, msg->data);
}

static int
cmd_show_vector(const struct tp_args *args)
{
	static const char *const names[] = { "ID", "DEV", "NAME", "SLOT", "LCORE", "DELIVERY",
		"MASKED", "PENDING", "ADDRESS", "DATA", "OBJECTS", "DEMUX", "+EVENTS", NULL };
	struct tp_vec *only = tp_arg_ptr(args, "VEC"), *vec;
	struct tp_table *t = tp_table_new("vectors");
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
		tp_cell_bool(t, info.masked);
		tp_cell_bool(t, info.pending);
		msg_cells(t, &info.msg);
		tp_cell(t, "%u", info.n_objs);
		tp_cell(t, "%s", demuxes[info.demux]);
		tp_cell(t, "%" PRIu64, stats.events);
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
	return 0;
}

static int
cmd_show_stats(const struct tp_args *args)
{
	static const char *const names[] = { "VECTOR", "NAME", "+EVENTS", "+SPURIOUS", "+UNHANDLED",
		"STALE", NULL };
	struct tp_vec *only = tp_arg_ptr(args, "VEC"), *vec;
	struct tp_table *t = tp_table_new("stats");
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
		tp_cell(t, "%" PRIu64, stats.stale);
		tp_row_end(t);
	}
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
	{ "show device all|DEV [json]", cmd_show_device, "Devices", NULL },
	{ "show store all|DEV [json]", cmd_show_store, "Where devices keep their messages", NULL },
	{ "show table all|DEV [json]", cmd_show_table, "Message tables: the vectors of one user",
		NULL },
	{ "show vector all|VEC [json]", cmd_show_vector, "Vectors and their messages",
		"    DEMUX: how an event finds the objects that have work\n" },
	{ "show stats all|VEC [json]", cmd_show_stats, "Counters of vectors", NULL },
};
TP_CMDS_REGISTER(show, "What there is, and what it counts");

static const struct tp_cmd clear_cmds[] = {
	{ "clear stats all|VEC", cmd_clear_stats, "Set counters of vectors to 0", NULL },
};
TP_CMDS_REGISTER(clear, "Set counters to 0");
