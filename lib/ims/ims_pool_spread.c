/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Which CPUs get vectors. CPUs that share a node, package, L3 or core are neighbours in the
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

/* ims_spread_order() */

/*
 * A rank in the upper half of an entry, the CPU in the lower one: IMS_TOPO_MAX_CPUS keeps both
 * within 16 bits. Put the entries in the order of their ranks, CPUs of the same rank in the order
 * of the snapshot, and leave only the CPUs. (Shell's sort: in place, and no worse on any input that
 * comes up than the walks around it.)
 */
static void
sort_by_rank(uint32_t *seq, uint32_t n)
{
	uint32_t gap, i, j, entry;

	for (gap = 1; gap < n / 3; gap = 3 * gap + 1)
		;
	for (; gap > 0; gap /= 3) {
		for (i = gap; i < n; i++) {
			entry = seq[i];
			for (j = i; j >= gap && seq[j - gap] > entry; j -= gap)
				seq[j] = seq[j - gap];
			seq[j] = entry;
		}
	}
	for (i = 0; i < n; i++)
		seq[i] &= UINT16_MAX;
}

/*
 * seq has all CPUs of one package (or L3) after all of another: let these take turns. The k-th CPU
 * of each comes in round k, so none is more than one ahead of another that has not run out.
 */
static void
take_turns(const struct ims_topo *topo, enum ims_topo_level level, uint32_t *seq, uint32_t n)
{
	uint32_t i, cpu, prev = 0, round = 0;

	for (i = 0; i < n; i++) {
		cpu = seq[i];
		round = i > 0 && ims_topo_same(topo, level, prev, cpu) ? round + 1 : 0;
		seq[i] |= round << 16;
		prev = cpu;
	}
	sort_by_rank(seq, n);
}

/* seq has CPUs of one node in the order of the snapshot. */
static void
spread_in_node(const struct ims_topo *topo, uint32_t *seq, uint32_t n)
{
	uint32_t first, end;

	for (first = 0; first < n; first = end) {
		for (end = first + 1; end < n; end++)
			if (!ims_topo_same(topo, IMS_TOPO_PACKAGE, seq[first], seq[end]))
				break;
		take_turns(topo, IMS_TOPO_L3, seq + first, end - first);
	}
	take_turns(topo, IMS_TOPO_PACKAGE, seq, n);
}

/* How many eligible CPUs of its core come before it. */
static uint32_t
thread_of(const struct ims_topo *topo, const bool *eligible, uint32_t cpu)
{
	uint32_t first = cpu;

	while (first > 0 && ims_topo_same(topo, IMS_TOPO_CORE, first - 1, cpu))
		first--;
	return count_eligible(eligible, first, cpu);
}

/* The eligible CPUs of a node: the first ones of all cores, then the second ones ... */
static uint32_t
node_order(const struct ims_topo *topo, const bool *eligible, uint32_t node, uint32_t *seq)
{
	uint32_t first = topo->nodes[node].first_cpu, end = first + topo->nodes[node].n_cpus;
	uint32_t cpu, start, n = 0, thread = 0;

	do {
		start = n;
		for (cpu = first; cpu < end; cpu++)
			if (is_eligible(eligible, cpu) && thread_of(topo, eligible, cpu) == thread)
				seq[n++] = cpu;
		spread_in_node(topo, seq + start, n - start);
		thread++;
	} while (n > start);
	return n;
}

/* A node's part of an order: it has m CPUs from `first` on, `given` of them have their place. */
struct part {
	uint32_t first;
	uint32_t m;
	uint32_t given;
};

/*
 * The part that has the n-th place (n = 1 .. total).
 *
 * The k-th CPU of a part (k = 1 .. m) may come once n * m / total exceeds k - 1, and must come by
 * the first place n with n * m / total >= k. If all do, then for every n the part has less than one
 * more, and less than one fewer, than its share n * m / total.
 *
 * Of those that may come, take the one that must come first. Why this works: cut each place in
 * pieces, m / total to each part. Filled up piece by piece, every CPU gets its whole in pieces of
 * places at which it may come and by which it must, and every place is used up. So any set of CPUs
 * has at least as many places open to it as it has CPUs, which is Hall's condition for giving each
 * CPU a whole place of its own; and if that can be done at all, earliest deadline first does it
 * (exchange: a CPU that must come earlier can swap places with the one taken instead of it).
 * One can always come: if none could, all parts would have their share of n, n in all, but only
 * n - 1 are given.
 */
static struct part *
part_next(struct part *parts, uint32_t n_parts, uint32_t n, uint32_t total)
{
	uint64_t due, first_due = UINT64_MAX;
	struct part *p, *next = NULL;

	for (p = parts; p < parts + n_parts; p++) {
		if ((uint64_t)p->given * total >= (uint64_t)n * p->m)
			continue;
		due = ((uint64_t)(p->given + 1) * total + p->m - 1) / p->m;
		if (due < first_due) {
			first_due = due;
			next = p;
		}
	}
	return next;
}

/* The eligible CPUs of all nodes at one distance. */
static uint32_t
distance_order(const struct ims_topo *topo, const bool *eligible, int near, uint32_t distance,
	uint32_t *seq)
{
	struct part parts[IMS_TOPO_MAX_NODES], *p;
	uint32_t node, m, i, total = 0, n_parts = 0;

	for (node = 0; node < topo->n_nodes; node++) {
		if (node_distance(topo, near, node) != distance)
			continue;
		m = node_order(topo, eligible, node, seq + total);
		if (m > 0)
			parts[n_parts++] = (struct part){ .first = total, .m = m };
		total += m;
	}
	if (n_parts < 2)
		return total;
	for (i = 1; i <= total; i++) {
		p = part_next(parts, n_parts, i, total);
		seq[p->first + p->given++] |= i << 16;
	}
	sort_by_rank(seq, total);
	return total;
}

/* The least distance of a node that is more than `distance`, or -1. */
static int64_t
next_distance(const struct ims_topo *topo, int near, int64_t distance)
{
	int64_t d, next = -1;
	uint32_t node;

	for (node = 0; node < topo->n_nodes; node++) {
		d = node_distance(topo, near, node);
		if (d > distance && (next < 0 || d < next))
			next = d;
	}
	return next;
}

int
ims_spread_order(const struct ims_topo *topo, const bool *eligible, int near, uint32_t *order)
{
	int64_t distance;
	uint32_t n = 0;

	if (topo == NULL || order == NULL || !near_valid(topo, near))
		return -EINVAL;
	for (distance = next_distance(topo, near, -1); distance >= 0;
		distance = next_distance(topo, near, distance))
		n += distance_order(topo, eligible, near, distance, order + n);
	return n;
}

/* ims_spread_groups() */

struct division {
	const struct ims_topo *topo;
	const bool *eligible;
	uint32_t *group_of_cpu;
	struct ims_spread_group *groups;
};

/* CPUs first .. end - 1, to be divided by runs of a level. */
struct range {
	enum ims_topo_level level;
	uint32_t first;
	uint32_t end;
};

/* The next run of a range that has eligible CPUs, and how many. To start, *end is the first CPU. */
static bool
run_next(const struct division *d, const struct range *r, uint32_t *first, uint32_t *end,
	uint32_t *width)
{
	do {
		*first = *end;
		if (*first >= r->end)
			return false;
		*end = run_end(d->topo, r->level, *first);
		*width = count_eligible(d->eligible, *first, *end);
	} while (*width == 0);
	return true;
}

/* How many groups it takes if none may have CPUs of two runs or more than size. */
static uint32_t
groups_needed(const struct division *d, const struct range *r, uint32_t size)
{
	uint32_t first, end = r->first, width, n = 0;

	while (run_next(d, r, &first, &end, &width))
		n += (width + size - 1) / size;
	return n;
}

/* The widest run that is narrower than this, 0: none. */
static uint32_t
narrower(const struct division *d, const struct range *r, uint32_t than)
{
	uint32_t first, end = r->first, width, widest = 0;

	while (run_next(d, r, &first, &end, &width))
		if (width < than)
			widest = RTE_MAX(widest, width);
	return widest;
}

static struct ims_spread_group *
smallest_group(struct ims_spread_group *groups, uint32_t n)
{
	struct ims_spread_group *g, *least = groups;

	for (g = groups + 1; g < groups + n; g++)
		if (g->n_cpus < least->n_cpus)
			least = g;
	return least;
}

static void
run_to_group(struct division *d, uint32_t first, uint32_t end, uint32_t group)
{
	uint32_t cpu;

	for (cpu = first; cpu < end; cpu++)
		if (is_eligible(d->eligible, cpu))
			d->group_of_cpu[cpu] = group;
}

/* Give all runs of one width away, each to the group that is smallest then. */
static void
divide_width(struct division *d, const struct range *r, uint32_t width, uint32_t group, uint32_t n)
{
	uint32_t first, end, w, g = group;
	struct ims_spread_group *least;

	for (end = r->first; run_next(d, r, &first, &end, &w);) {
		if (w != width)
			continue;
		least = smallest_group(d->groups + group, n);
		least->n_cpus += width;
		least->take++;
	}
	/* Which ones each group gets makes no difference to its size: let it be neighbours. */
	for (end = r->first; run_next(d, r, &first, &end, &w);) {
		if (w != width)
			continue;
		while (d->groups[g].take == 0)
			g++;
		d->groups[g].take--;
		run_to_group(d, first, end, g);
	}
}

/*
 * Give whole runs to n groups from `group` on, no more groups than runs. The widest come first.
 * When a group got its last run none was smaller than it, so at the end it is larger than another
 * one by that run at most; and the first n runs go to n empty groups.
 */
static void
divide_whole(struct division *d, const struct range *r, uint32_t group, uint32_t n)
{
	uint32_t width;

	for (width = narrower(d, r, UINT32_MAX); width > 0; width = narrower(d, r, width))
		divide_width(d, r, width, group, n);
}

/* The least size of which n groups are enough, n being no less than the number of runs. */
static uint32_t
least_size(const struct division *d, const struct range *r, uint32_t n)
{
	uint32_t low = 1, high = r->end - r->first, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (groups_needed(d, r, mid) <= n)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static void
divide(struct division *d, const struct range *r, uint32_t group, uint32_t n);

/*
 * Cut runs: n groups from `group` on, no fewer than runs and no more than CPUs. A run gets as many
 * groups as it needs if none is to be larger than the least size of which n are enough; those to
 * spare go to the first runs that become one smaller by them. They all find a run: if every run got
 * what it needs for groups that are one smaller it would take more than n.
 */
static void
divide_cut(struct division *d, const struct range *r, uint32_t group, uint32_t n)
{
	uint32_t size = least_size(d, r, n), spare = n - groups_needed(d, r, size);
	uint32_t first, end = r->first, width, share, more;
	struct range run;

	while (run_next(d, r, &first, &end, &width)) {
		share = (width + size - 1) / size;
		/* With groups of one CPU each there are none to spare. */
		if (spare > 0 && size > 1) {
			more = RTE_MIN((width + size - 2) / (size - 1) - share, spare);
			share += more;
			spare -= more;
		}
		run.level = r->level == IMS_TOPO_NODE ? IMS_TOPO_CORE : IMS_TOPO_CPU;
		run.first = first;
		run.end = end;
		divide(d, &run, group, share);
		group += share;
	}
}

/* Nodes, then each node's cores, then each core's CPUs. A run of one CPU is never cut. */
static void
divide(struct division *d, const struct range *r, uint32_t group, uint32_t n)
{
	if (r->level == IMS_TOPO_CPU || n < groups_needed(d, r, r->end - r->first))
		divide_whole(d, r, group, n);
	else
		divide_cut(d, r, group, n);
}

/* The node that all CPUs of a group are of. */
static void
groups_node(const struct division *d)
{
	struct ims_spread_group *g;
	uint32_t cpu;
	int node;

	for (cpu = 0; cpu < d->topo->n_cpus; cpu++) {
		if (d->group_of_cpu[cpu] == IMS_SPREAD_NONE)
			continue;
		g = &d->groups[d->group_of_cpu[cpu]];
		node = d->topo->cpus[cpu].node;
		if (g->take++ == 0)
			g->node = node;
		else if (g->node != node)
			g->node = -1;
	}
}

int
ims_spread_groups(const struct ims_topo *topo, const bool *eligible, uint32_t n_groups,
	uint32_t *group_of_cpu, struct ims_spread_group *groups)
{
	struct division d = {
		.topo = topo,
		.eligible = eligible,
		.group_of_cpu = group_of_cpu,
		.groups = groups,
	};
	struct range all = { .level = IMS_TOPO_NODE };
	uint32_t i, n;

	if (topo == NULL || n_groups == 0 || group_of_cpu == NULL || groups == NULL)
		return -EINVAL;
	for (i = 0; i < n_groups; i++)
		groups[i] = (struct ims_spread_group){ .node = -1 };
	for (i = 0; i < topo->n_cpus; i++)
		group_of_cpu[i] = IMS_SPREAD_NONE;
	n = RTE_MIN(n_groups, count_eligible(eligible, 0, topo->n_cpus));
	if (n == 0)
		return 0;
	all.end = topo->n_cpus;
	divide(&d, &all, 0, n);
	groups_node(&d);
	return n;
}

/* ims_spread_pick() */

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
