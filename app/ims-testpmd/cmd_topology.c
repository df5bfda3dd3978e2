/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* show topology: where the CPUs are, and what their lcores do */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>
#include <rte_lcore.h>

#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_service.h"

/* Of a larger machine only the cores with lcores are listed. */
#define CPUS_MAX 64

/* When they were shown last, by index of the set. */
static struct tp_load_mark *shown;

static int
topology_load(hwloc_topology_t *hw)
{
	if (hwloc_topology_init(hw) != 0)
		return -ENOMEM;
	hwloc_topology_set_flags(*hw, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
	/* This component would move the calling thread over all CPUs. */
	hwloc_topology_set_components(*hw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
	if (hwloc_topology_load(*hw) == 0)
		return 0;
	hwloc_topology_destroy(*hw);
	return tp_fail(-EIO, "the machine's topology cannot be read");
}

static void
cell_set(struct tp_table *t, hwloc_const_bitmap_t set)
{
	char buf[256];

	hwloc_bitmap_list_snprintf(buf, sizeof(buf), set);
	tp_cell(t, "%s", buf[0] != '\0' ? buf : "-");
}

/* The kernel's number of the first node of a set. */
static int
node_of(hwloc_const_nodeset_t set)
{
	return set != NULL ? hwloc_bitmap_first(set) : -1;
}

static void
cell_devices(struct tp_table *t, int node)
{
	struct rte_ims_dev_info info;
	const struct tp_dev *dev;
	char buf[128] = "";
	size_t len = 0;

	TAILQ_FOREACH(dev, &tp_devs, next)
		if (rte_ims_dev_info_get(dev->dev, &info) == 0 && info.numa_node == node &&
			len < sizeof(buf))
			len += snprintf(
				buf + len, sizeof(buf) - len, "%s%u", len != 0 ? "," : "", dev->id);
	tp_cell(t, "%s", len != 0 ? buf : "-");
}

/* The CPU that an lcore is pinned to, -1: it may run on several. */
static int
cpu_of(unsigned int lcore)
{
	rte_cpuset_t set = rte_lcore_cpuset(lcore);
	int cpu = 0;

	if (CPU_COUNT(&set) != 1)
		return -1;
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

/* Lcores that are pinned to a CPU of the set. */
static void
cell_lcores(struct tp_table *t, hwloc_const_cpuset_t cpus)
{
	hwloc_bitmap_t lcores = hwloc_bitmap_alloc();
	unsigned int lcore;
	int cpu;

	RTE_LCORE_FOREACH(lcore) {
		cpu = cpu_of(lcore);
		if (cpu >= 0 && hwloc_bitmap_isset(cpus, cpu))
			hwloc_bitmap_set(lcores, lcore);
	}
	cell_set(t, lcores);
	hwloc_bitmap_free(lcores);
}

/* To each of the nodes, in their order: as the firmware says, 10 is the node itself. */
static void
cell_distances(struct tp_table *t, hwloc_topology_t hw, unsigned int from)
{
	int n = hwloc_get_nbobjs_by_type(hw, HWLOC_OBJ_NUMANODE), k;
	struct hwloc_distances_s *d = NULL;
	unsigned int found = 1;
	uint64_t distance;
	char buf[256] = "";
	size_t len = 0;

	if (hwloc_distances_get_by_type(hw, HWLOC_OBJ_NUMANODE, &found, &d,
		    HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) != 0 ||
		found == 0 || (int)d->nbobjs != n)
		d = NULL;
	for (k = 0; k < n && len < sizeof(buf); k++) {
		distance = d != NULL ? d->values[from * n + k] : (int)from == k ? 10 : 20;
		len += snprintf(
			buf + len, sizeof(buf) - len, "%s%" PRIu64, k != 0 ? " " : "", distance);
	}
	if (d != NULL)
		hwloc_distances_release(hw, d);
	tp_cell(t, "%s", buf);
}

static void
nodes_print(hwloc_topology_t hw)
{
	static const char *const names[] = { "NODE", "MEMORY_MB", "CORES", "CPUS", "LCORES",
		"DEVICES", "DISTANCES", NULL };
	hwloc_const_cpuset_t allowed = hwloc_topology_get_allowed_cpuset(hw);
	int n = hwloc_get_nbobjs_by_type(hw, HWLOC_OBJ_NUMANODE), i;
	hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
	struct tp_table *t = tp_table_new("nodes");
	hwloc_obj_t node;

	tp_head(t, names);
	for (i = 0; i < n; i++) {
		node = hwloc_get_obj_by_type(hw, HWLOC_OBJ_NUMANODE, i);
		hwloc_bitmap_and(cpus, node->cpuset, allowed);
		tp_cell(t, "%u", node->os_index);
		tp_cell(t, "%" PRIu64, node->attr->numanode.local_memory >> 20);
		tp_cell(t, "%d", hwloc_get_nbobjs_inside_cpuset_by_type(hw, cpus, HWLOC_OBJ_CORE));
		cell_set(t, cpus);
		cell_lcores(t, cpus);
		cell_devices(t, node->os_index);
		cell_distances(t, hw, i);
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
	hwloc_bitmap_free(cpus);
}

/* Of all pools together. */
static uint32_t
users_of(unsigned int lcore)
{
	struct rte_ims_pool_lcore lcores[RTE_MAX_LCORE];
	const struct tp_pool *pool;
	uint32_t users = 0;
	int n, i;

	TAILQ_FOREACH(pool, &tp_pools, next) {
		n = rte_ims_pool_lcores_get(pool->pool, lcores, RTE_DIM(lcores));
		for (i = 0; i < n; i++)
			users += lcores[i].lcore_id == lcore ? lcores[i].n_users : 0;
	}
	return users;
}

/* What an lcore's set has, and has done since it was shown last. */
static void
set_cells(struct tp_table *t, const struct tp_set *set)
{
	struct rte_ims_wait_info info;
	struct tp_load load;

	rte_ims_wait_info_get(set->wait, &info);
	tp_set_load(set, &shown[set - tp_service_set(0)], &load);
	tp_cell(t, "%s", info.name);
	tp_cell(t, "%u", info.n_memory + info.n_eventfd);
	tp_cell(t, "%u", users_of(set->lcore));
	tp_cell(t, "%" PRIu64, load.events);
	tp_cell(t, "%.0f", load.per_second);
	tp_cell(t, "%.1f", load.cpu_pct);
}

/* lcore: RTE_MAX_LCORE for none. */
static void
lcore_cells(struct tp_table *t, unsigned int lcore)
{
	const struct tp_set *set = tp_service_find(lcore);
	unsigned int i;

	if (lcore == RTE_MAX_LCORE) {
		tp_cell(t, "-");
		tp_cell(t, "-");
	} else {
		tp_cell(t, "%u", lcore);
		tp_cell(t, "%s", lcore == rte_get_main_lcore() ? "main" : "worker");
	}
	if (set != NULL)
		set_cells(t, set);
	for (i = 0; set == NULL && i < 6; i++)
		tp_cell(t, "-");
	tp_row_end(t);
}

static int64_t
ancestor(hwloc_topology_t hw, hwloc_obj_t pu, hwloc_obj_type_t type)
{
	hwloc_obj_t obj = hwloc_get_ancestor_obj_by_type(hw, type, pu);

	return obj != NULL ? (int64_t)obj->logical_index : -1;
}

static void
cpu_cells(struct tp_table *t, hwloc_topology_t hw, hwloc_obj_t pu)
{
	hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(hw, HWLOC_OBJ_CORE, pu);
	hwloc_bitmap_t siblings = hwloc_bitmap_alloc();

	if (core != NULL)
		hwloc_bitmap_copy(siblings, core->cpuset);
	hwloc_bitmap_clr(siblings, pu->os_index);
	tp_cell(t, "%u", pu->os_index);
	tp_cell_num(t, node_of(pu->nodeset));
	tp_cell_num(t, ancestor(hw, pu, HWLOC_OBJ_PACKAGE));
	tp_cell_num(t, ancestor(hw, pu, HWLOC_OBJ_L3CACHE));
	tp_cell_num(t, ancestor(hw, pu, HWLOC_OBJ_CORE));
	cell_set(t, siblings);
	hwloc_bitmap_free(siblings);
}

/* A row for each lcore on a CPU, or one without. */
static void
cpu_rows(struct tp_table *t, hwloc_topology_t hw, hwloc_obj_t pu)
{
	unsigned int lcore;
	bool any = false;

	RTE_LCORE_FOREACH(lcore) {
		if (cpu_of(lcore) != (int)pu->os_index)
			continue;
		cpu_cells(t, hw, pu);
		lcore_cells(t, lcore);
		any = true;
	}
	if (any)
		return;
	cpu_cells(t, hw, pu);
	lcore_cells(t, RTE_MAX_LCORE);
}

/* Lcores that may run on several CPUs. */
static void
floating_rows(struct tp_table *t)
{
	hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
	rte_cpuset_t set;
	unsigned int lcore;
	int cpu, i;

	RTE_LCORE_FOREACH(lcore) {
		if (cpu_of(lcore) >= 0)
			continue;
		set = rte_lcore_cpuset(lcore);
		hwloc_bitmap_zero(cpus);
		for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &set))
				hwloc_bitmap_set(cpus, cpu);
		cell_set(t, cpus);
		for (i = 0; i < 5; i++)
			tp_cell(t, "-");
		lcore_cells(t, lcore);
	}
	hwloc_bitmap_free(cpus);
}

/* All CPUs that are allowed, or those of cores that have an lcore. */
static void
listed(hwloc_topology_t hw, hwloc_bitmap_t cpus)
{
	hwloc_obj_t core = NULL;
	unsigned int lcore;
	hwloc_bitmap_t used;
	int cpu;

	hwloc_bitmap_copy(cpus, hwloc_topology_get_allowed_cpuset(hw));
	if (hwloc_bitmap_weight(cpus) <= CPUS_MAX)
		return;
	used = hwloc_bitmap_alloc();
	RTE_LCORE_FOREACH(lcore) {
		cpu = cpu_of(lcore);
		if (cpu >= 0)
			hwloc_bitmap_set(used, cpu);
	}
	while ((core = hwloc_get_next_obj_by_type(hw, HWLOC_OBJ_CORE, core)) != NULL)
		if (hwloc_bitmap_intersects(core->cpuset, used))
			hwloc_bitmap_or(used, used, core->cpuset);
	hwloc_bitmap_and(cpus, cpus, used);
	hwloc_bitmap_free(used);
}

static void
cpus_print(hwloc_topology_t hw)
{
	static const char *const names[] = { "CPU", "NODE", "PKG", "L3", "CORE", "SIBLINGS",
		"LCORE", "ROLE", "WAIT", "VECS", "USERS", "EVENTS", "PER_S", "LOAD_%", NULL };
	int n_all = hwloc_bitmap_weight(hwloc_topology_get_allowed_cpuset(hw)), n;
	hwloc_bitmap_t cpus = hwloc_bitmap_alloc();
	struct tp_table *t = tp_table_new("cpus");
	hwloc_obj_t pu = NULL;

	listed(hw, cpus);
	tp_head(t, names);
	while ((pu = hwloc_get_next_obj_by_type(hw, HWLOC_OBJ_PU, pu)) != NULL)
		if (hwloc_bitmap_isset(cpus, pu->os_index))
			cpu_rows(t, hw, pu);
	floating_rows(t);
	tp_table_print(t, stdout);
	n = hwloc_bitmap_weight(cpus);
	if (n < n_all)
		tp_text("%d more CPUs are on cores without lcores.\n", n_all - n);
	hwloc_bitmap_free(cpus);
}

static int
cmd_show_topology(const struct tp_args *args)
{
	hwloc_topology_t hw;
	int rc;

	(void)args;
	if (shown == NULL)
		shown = calloc(tp_service_n_sets(), sizeof(*shown));
	if (shown == NULL)
		return -ENOMEM;
	rc = topology_load(&hw);
	if (rc != 0)
		return rc;
	nodes_print(hw);
	tp_text("\n");
	cpus_print(hw);
	hwloc_topology_destroy(hw);
	return 0;
}

static const struct tp_cmd show_cmds[] = {
	{ "show topology [json]", cmd_show_topology,
		"NUMA nodes, CPUs, and the load of their lcores",
		"    PER_S, LOAD_%: events per second and CPU use since it was shown last\n" },
};
TP_CMDS_REGISTER(show, "What there is, and what it counts");
