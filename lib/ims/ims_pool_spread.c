/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Which CPU gets a vector. CPUs that share a node, package, L3 or core are neighbours in the
 * snapshot, so each of these is a run of CPUs, and everything here is done by walking over runs.
 */

#include <errno.h>
#include <stddef.h>

#include <rte_common.h>

#include "ims_pool_spread.h"

static bool
is_eligible(const bool *eligible, uint32_t cpu)
{
	return eligible == NULL || eligible[cpu];
}

/* Number of eligible CPUs from first up to end. */
static uint32_t
count_eligible(const bool *eligible, uint32_t first, uint32_t end)
{
	uint32_t cpu, n = 0;

	for (cpu = first; cpu < end; cpu++)
		n += is_eligible(eligible, cpu);
	return n;
}

/* End of the run that starts with CPU first. */
static uint32_t
run_end(const struct ims_topo *topo, enum ims_topo_level level, uint32_t first)
{
	uint32_t end = first + 1;

	while (end < topo->n_cpus && ims_topo_same(topo, level, first, end))
		end++;
	return end;
}

static bool
near_valid(const struct ims_topo *topo, int near)
{
	return near >= -1 && near < (int)topo->n_nodes;
}

static uint32_t
node_distance(const struct ims_topo *topo, int near, uint32_t node)
{
	if (near < 0 || (uint32_t)near == node)
		return 0;
	return RTE_MAX(topo->nodes[near].distance[node], 1u);
}

struct candidate {
	uint32_t cpu;
	uint32_t n_node; /* eligible CPUs of its node */
	/* Of the node, package, L3 and core that it is in, and its own. */
	uint64_t load[IMS_TOPO_LEVELS];
};

static uint64_t
run_load(const struct ims_topo *topo, const uint32_t *load, enum ims_topo_level level,
	uint32_t first)
{
	uint32_t cpu, end = run_end(topo, level, first);
	uint64_t sum = 0;

	for (cpu = first; cpu < end; cpu++)
		sum += load[cpu];
	return sum;
}

/*
 * a is to be picked rather than b, if not the lowest index decides. The products fit: a node's load
 * is less than 2^16 CPUs times 2^32.
 */
static bool
better(const struct candidate *a, const struct candidate *b)
{
	uint64_t node_a = (a->load[IMS_TOPO_NODE] + 1) * b->n_node;
	uint64_t node_b = (b->load[IMS_TOPO_NODE] + 1) * a->n_node;

	if (a->load[IMS_TOPO_CPU] != b->load[IMS_TOPO_CPU])
		return a->load[IMS_TOPO_CPU] < b->load[IMS_TOPO_CPU];
	if (a->load[IMS_TOPO_CORE] != b->load[IMS_TOPO_CORE])
		return a->load[IMS_TOPO_CORE] < b->load[IMS_TOPO_CORE];
	if (node_a != node_b)
		return node_a < node_b;
	if (a->load[IMS_TOPO_PACKAGE] != b->load[IMS_TOPO_PACKAGE])
		return a->load[IMS_TOPO_PACKAGE] < b->load[IMS_TOPO_PACKAGE];
	return a->load[IMS_TOPO_L3] < b->load[IMS_TOPO_L3];
}

/* Offer all of a node's eligible CPUs. */
static void
pick_in_node(const struct ims_topo *topo, const bool *eligible, const uint32_t *load, uint32_t node,
	struct candidate *best)
{
	uint32_t first = topo->nodes[node].first_cpu, end = first + topo->nodes[node].n_cpus;
	struct candidate c = { .n_node = count_eligible(eligible, first, end) };
	enum ims_topo_level level;

	for (c.cpu = first; c.cpu < end; c.cpu++) {
		for (level = IMS_TOPO_NODE; level < IMS_TOPO_LEVELS; level++)
			if (c.cpu == first || !ims_topo_same(topo, level, c.cpu - 1, c.cpu))
				c.load[level] = run_load(topo, load, level, c.cpu);
		if (is_eligible(eligible, c.cpu) && (best->n_node == 0 || better(&c, best)))
			*best = c;
	}
}

/* Distance of the nearest node that has eligible CPUs, UINT32_MAX: none has. */
static uint32_t
nearest(const struct ims_topo *topo, const bool *eligible, int near)
{
	uint32_t node, first, distance, least = UINT32_MAX;

	for (node = 0; node < topo->n_nodes; node++) {
		first = topo->nodes[node].first_cpu;
		distance = node_distance(topo, near, node);
		if (distance < least &&
			count_eligible(eligible, first, first + topo->nodes[node].n_cpus) > 0)
			least = distance;
	}
	return least;
}

int
ims_spread_pick(
	const struct ims_topo *topo, const bool *eligible, const uint32_t *load, int cpu, int near)
{
	struct candidate best = { .n_node = 0 };
	uint32_t node, distance;

	if (topo == NULL || load == NULL || cpu < -1 || cpu >= (int)topo->n_cpus ||
		!near_valid(topo, near))
		return -EINVAL;
	if (cpu >= 0)
		return is_eligible(eligible, cpu) ? cpu : -ENOENT;
	distance = nearest(topo, eligible, near);
	for (node = 0; node < topo->n_nodes; node++)
		if (node_distance(topo, near, node) == distance)
			pick_in_node(topo, eligible, load, node, &best);
	return best.n_node > 0 ? (int)best.cpu : -ENOENT;
}
