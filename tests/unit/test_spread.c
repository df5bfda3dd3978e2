/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Which CPUs get vectors: what ims_pool_spread.h promises, checked on many machines with many sets
 * of eligible CPUs. The checks count; they call nothing of what they check.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hwloc.h>
#include <rte_common.h>

#include "ims_pool_spread.h"

#define SEED    20260917u
#define THREADS 8 /* most CPUs of a core */

/* What is being tried, for messages. */
static char trying[256];

#define CHECK(cond)                                                \
	do {                                                       \
		if (!(cond))                                       \
			fail_msg("%s: not so: %s", trying, #cond); \
	} while (0)

#define TRYING(...) snprintf(trying, sizeof(trying), __VA_ARGS__)

/* The same numbers every time. */
static uint32_t rng;

static uint32_t
random_below(uint32_t n)
{
	rng = rng * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(rng >> 8) * n >> 24);
}

/* Machines */

enum shape_flags {
	LESS_RANDOM = 1, /* a third of the CPUs is gone */
	LESS_HYBRID = 2, /* the second half of each node's cores has one CPU only */
	LESS_TINY = 4,   /* node 0 has three CPUs left */
	LESS_EMPTY = 8,  /* node 1 has none left */
	FAR_RING = 16,   /* nodes in a ring: 10, 20, 30 ... */
	FAR_RANDOM = 32, /* from any to any: 1 .. 40, itself too */
	REGULAR = 64,    /* nodes, packages, L3s and cores all alike */
};

static const struct shape {
	const char *desc;
	unsigned int flags;
} shapes[] = {
	{ "numa:1 core:1 pu:1", REGULAR },
	{ "numa:1 core:1 pu:2", REGULAR },
	{ "numa:1 core:7 pu:1", REGULAR },
	{ "numa:1 pu:13", REGULAR },
	{ "numa:3 pu:5", REGULAR },
	{ "numa:2 core:8 pu:2", REGULAR },
	{ "numa:2 l3:2 core:4 pu:2(indexes=0,16,1,17,2,18,3,19,4,20,5,21,6,22,7,23,"
	  "8,24,9,25,10,26,11,27,12,28,13,29,14,30,15,31)",
		REGULAR },
	{ "numa:4 l3:2 core:8 pu:2", REGULAR | FAR_RING },
	{ "numa:1 pack:4 l3:2 core:2 pu:2", REGULAR },
	{ "numa:1 pack:8 core:1 pu:1", REGULAR },
	{ "numa:2 core:6 pu:4", REGULAR },
	{ "numa:3 core:2 pu:8", REGULAR },
	{ "pack:2 l3:1 numa:2 core:4 pu:2", REGULAR },
	{ "pack:2 [numa] [numa] l3:2 core:4 pu:2", 0 },
	{ "[numa] pack:2 [numa] core:4 pu:2", 0 },
	{ "[numa] [numa] pack:2 [numa] core:4 pu:2", FAR_RANDOM },
	{ "numa:4 l3:2 core:8 pu:2", LESS_RANDOM },
	{ "numa:5 l3:3 core:3 pu:4", LESS_RANDOM | FAR_RANDOM },
	{ "numa:2 pack:3 l3:2 core:3 pu:2", LESS_RANDOM },
	{ "numa:2 core:8 pu:2", LESS_HYBRID },
	{ "numa:2 l3:2 core:4 pu:4", LESS_HYBRID | LESS_RANDOM },
	{ "numa:3 core:16 pu:2", LESS_TINY },
	{ "numa:7 core:3 pu:2", LESS_TINY | FAR_RING },
	{ "numa:3 core:4 pu:2", LESS_EMPTY },
	{ "numa:6 core:4 pu:2", LESS_EMPTY | LESS_TINY | LESS_RANDOM | FAR_RING },
	{ "numa:16 core:2 pu:1", FAR_RANDOM },
	{ "numa:8 l3:8 core:8 pu:2", REGULAR | FAR_RING },
	{ "numa:8 l3:8 core:8 pu:2", LESS_RANDOM | FAR_RANDOM },
};

static bool
stays(const struct shape *s, const struct ims_topo_cpu *c, const struct ims_topo_node *node,
	uint32_t index)
{
	if ((s->flags & LESS_RANDOM) != 0 && random_below(3) == 0)
		return false;
	if ((s->flags & LESS_HYBRID) != 0 && index >= node->n_cpus / 2 && c->smt > 0)
		return false;
	if ((s->flags & LESS_TINY) != 0 && c->node == 0 && index >= 3)
		return false;
	if ((s->flags & LESS_EMPTY) != 0 && c->node == 1)
		return false;
	return true;
}

static void
far_set(const struct shape *s, struct ims_topo *t)
{
	uint32_t i, j, n = t->n_nodes, hops;

	for (i = 0; i < n; i++) {
		for (j = 0; j < n; j++) {
			hops = RTE_MIN((i + n - j) % n, (j + n - i) % n);
			if ((s->flags & FAR_RING) != 0)
				t->distances[i * n + j] = 10 + 10 * hops;
			if ((s->flags & FAR_RANDOM) != 0)
				t->distances[i * n + j] = 1 + random_below(40);
		}
	}
}

/* Take CPUs away in hwloc, as a cpuset would, and make the snapshot of what remains. */
static struct ims_topo *
machine(const struct shape *s)
{
	struct ims_topo *whole = ims_topo_new_synthetic(s->desc), *t;
	hwloc_bitmap_t left = hwloc_bitmap_alloc();
	const struct ims_topo_node *node;
	hwloc_topology_t hw;
	uint32_t i;

	assert_non_null(whole);
	for (i = 0; i < whole->n_cpus; i++) {
		node = &whole->nodes[whole->cpus[i].node];
		if (i == 0 || stays(s, &whole->cpus[i], node, i - node->first_cpu))
			hwloc_bitmap_set(left, whole->cpus[i].os);
	}
	ims_topo_free(whole);
	assert_int_equal(hwloc_topology_init(&hw), 0);
	assert_int_equal(hwloc_topology_set_synthetic(hw, s->desc), 0);
	assert_int_equal(hwloc_topology_load(hw), 0);
	assert_int_equal(hwloc_topology_restrict(hw, left, 0), 0);
	t = ims_topo_new_hwloc(hw);
	assert_non_null(t);
	assert_int_equal(t->n_cpus, hwloc_bitmap_weight(left));
	far_set(s, t);
	hwloc_topology_destroy(hw);
	hwloc_bitmap_free(left);
	return t;
}

/* A machine, which of its CPUs are eligible, and what can be read off from that. */
struct setting {
	const char *name;
	const struct ims_topo *t;
	bool *eligible; /* exactly as long as the function under test may read */
	uint32_t n;     /* eligible CPUs */
	uint32_t *node_n;
	/* By CPU: the lowest CPU with the same core, (node, package), (node, package, L3). */
	uint32_t *core, *package, *l3;
	/* By the lowest CPU of a core: its eligible CPUs. */
	uint32_t *core_n;
};

static void *
array(uint32_t n, size_t size)
{
	void *p = calloc(n > 0 ? n : 1, size);

	assert_non_null(p);
	return p;
}

static void
setting_init(struct setting *s, const char *name, const struct ims_topo *t)
{
	const struct ims_topo_cpu *c = t->cpus;
	uint32_t i, j;

	s->name = name;
	s->t = t;
	s->eligible = array(t->n_cpus, sizeof(bool));
	s->node_n = array(t->n_nodes, sizeof(uint32_t));
	s->core = array(t->n_cpus, sizeof(uint32_t));
	s->package = array(t->n_cpus, sizeof(uint32_t));
	s->l3 = array(t->n_cpus, sizeof(uint32_t));
	s->core_n = array(t->n_cpus, sizeof(uint32_t));
	for (i = 0; i < t->n_cpus; i++) {
		for (j = 0; c[j].core != c[i].core; j++)
			;
		s->core[i] = j;
		for (j = 0; c[j].node != c[i].node || c[j].package != c[i].package; j++)
			;
		s->package[i] = j;
		for (; c[j].node != c[i].node || c[j].package != c[i].package || c[j].l3 != c[i].l3;
			j++)
			;
		s->l3[i] = j;
	}
}

/* eligible[] has changed. */
static void
setting_count(struct setting *s)
{
	uint32_t i;

	s->n = 0;
	memset(s->node_n, 0, s->t->n_nodes * sizeof(uint32_t));
	memset(s->core_n, 0, s->t->n_cpus * sizeof(uint32_t));
	for (i = 0; i < s->t->n_cpus; i++) {
		if (!s->eligible[i])
			continue;
		s->n++;
		s->node_n[s->t->cpus[i].node]++;
		s->core_n[s->core[i]]++;
	}
}

static void
setting_fini(struct setting *s)
{
	free(s->eligible);
	free(s->node_n);
	free(s->core);
	free(s->package);
	free(s->l3);
	free(s->core_n);
}

/* Of all CPUs, of none, of one, and at random with more and more of them: 0 .. SETS - 1. */
#define SETS 9

static void
setting_choose(struct setting *s, uint32_t set)
{
	uint32_t i, n = s->t->n_cpus;

	for (i = 0; i < n; i++)
		s->eligible[i] = set == 0 || (set >= 3 && random_below(SETS) < set);
	if (set == 2)
		s->eligible[random_below(n)] = true;
	setting_count(s);
}

static void
for_each_setting(void (*fn)(struct setting *s, const struct shape *shape))
{
	struct setting s;
	struct ims_topo *t;
	uint32_t i, set;

	rng = SEED;
	print_message("random numbers from %u\n", SEED);
	for (i = 0; i < RTE_DIM(shapes); i++) {
		t = machine(&shapes[i]);
		setting_init(&s, shapes[i].desc, t);
		for (set = 0; set < SETS; set++) {
			setting_choose(&s, set);
			fn(&s, &shapes[i]);
		}
		setting_fini(&s);
		ims_topo_free(t);
	}
}

/* How far a node is, the one asked for being the nearest. */
static uint32_t
far(const struct ims_topo *t, int near, uint32_t node)
{
	if (near == -1 || (uint32_t)near == node)
		return 0;
	return t->nodes[near].distance[node];
}

/* ims_spread_order() */

static void
check_permutation(const struct setting *s, const uint32_t *order, uint32_t n)
{
	bool *seen = array(s->t->n_cpus, sizeof(bool));
	uint32_t i;

	CHECK(n == s->n);
	for (i = 0; i < n; i++) {
		CHECK(order[i] < s->t->n_cpus);
		CHECK(s->eligible[order[i]]);
		CHECK(!seen[order[i]]);
		seen[order[i]] = true;
	}
	free(seen);
}

/* Nearest first; in every part of the order with one distance, every node close to its share. */
static void
check_nodes(const struct setting *s, int near, const uint32_t *order, uint32_t n)
{
	int64_t *given = array(s->t->n_nodes, sizeof(int64_t));
	int64_t total = 0, place = 0, over;
	uint32_t i, node, distance, last = 0;

	for (i = 0; i < n; i++) {
		distance = far(s->t, near, s->t->cpus[order[i]].node);
		if (i == 0 || distance != last) {
			CHECK(i == 0 || distance > last);
			CHECK(place == total);
			for (place = 0, total = 0, node = 0; node < s->t->n_nodes; node++)
				if (far(s->t, near, node) == distance)
					total += s->node_n[node];
			last = distance;
		}
		place++;
		given[s->t->cpus[order[i]].node]++;
		for (node = 0; node < s->t->n_nodes; node++) {
			if (far(s->t, near, node) != distance)
				continue;
			/* given - place * node_n / total, in units of 1 / total */
			over = given[node] * total - place * s->node_n[node];
			CHECK(over < total && over > -total);
			CHECK(given[node] <= s->node_n[node]);
		}
	}
	free(given);
}

/* k CPUs of each core of the node, or all that it has, before the one that is its core's k-th. */
static void
check_cores(const struct setting *s, const uint32_t *order, uint32_t n)
{
	uint32_t *given = array(s->t->n_cpus, sizeof(uint32_t));
	const struct ims_topo_node *node;
	uint32_t i, cpu, core;

	for (i = 0; i < n; i++) {
		node = &s->t->nodes[s->t->cpus[order[i]].node];
		for (cpu = node->first_cpu; cpu < node->first_cpu + node->n_cpus; cpu++) {
			core = s->core[cpu];
			CHECK(given[core] >= RTE_MIN(given[s->core[order[i]]], s->core_n[core]));
		}
		given[s->core[order[i]]]++;
	}
	free(given);
}

/*
 * unit[] is by CPU: the package or the L3 that it is in; outer[]: what the units that take turns
 * are in. Among the k-th CPUs of cores no unit gets two ahead of another that still has some.
 */
static void
check_turns(const struct setting *s, const uint32_t *unit, const uint32_t *outer,
	const uint32_t *order, uint32_t n)
{
	uint32_t(*given)[THREADS] = array(s->t->n_cpus, sizeof(*given));
	uint32_t(*has)[THREADS] = array(s->t->n_cpus, sizeof(*has));
	uint32_t *core_given = array(s->t->n_cpus, sizeof(uint32_t));
	uint32_t i, k, cpu, other;

	for (cpu = 0; cpu < s->t->n_cpus; cpu++)
		for (k = 0; s->core[cpu] == cpu && k < s->core_n[cpu]; k++)
			has[unit[cpu]][k]++;
	for (i = 0; i < n; i++) {
		cpu = order[i];
		k = core_given[s->core[cpu]]++;
		given[unit[cpu]][k]++;
		for (other = outer[cpu]; other < s->t->n_cpus; other++) {
			if (outer[other] != outer[cpu])
				break;
			if (unit[other] == other && given[other][k] < has[other][k])
				CHECK(given[unit[cpu]][k] <= given[other][k] + 1);
		}
	}
	free(given);
	free(has);
	free(core_given);
}

/* By CPU, the lowest CPU of its node. */
static uint32_t *
node_units(const struct setting *s)
{
	uint32_t *unit = array(s->t->n_cpus, sizeof(uint32_t)), i;

	for (i = 0; i < s->t->n_cpus; i++)
		unit[i] = s->t->nodes[s->t->cpus[i].node].first_cpu;
	return unit;
}

static void
order_setting(struct setting *s, const struct shape *shape)
{
	uint32_t *order = array(s->n, sizeof(uint32_t));
	uint32_t *again = array(s->t->n_cpus, sizeof(uint32_t));
	uint32_t *node = node_units(s);
	int near, n;

	for (near = -1; near < (int)s->t->n_nodes; near++) {
		TRYING("%s, %u eligible, near %d", s->name, s->n, near);
		n = ims_spread_order(s->t, s->eligible, near, order);
		check_permutation(s, order, n);
		check_nodes(s, near, order, n);
		check_cores(s, order, n);
		check_turns(s, s->package, node, order, n);
		check_turns(s, s->l3, s->package, order, n);
		/* The same again; and no array is the array with all of them. */
		CHECK(ims_spread_order(s->t, s->eligible, near, again) == n);
		CHECK(memcmp(order, again, n * sizeof(*order)) == 0);
		if (s->n == s->t->n_cpus) {
			CHECK(ims_spread_order(s->t, NULL, near, again) == n);
			CHECK(memcmp(order, again, n * sizeof(*order)) == 0);
		}
	}
	free(order);
	free(again);
	free(node);
}

static void
test_order(void **state)
{
	for_each_setting(order_setting);
}

/* The first drawing in the guide, and a few more that can be told by hand. */
static void
check_example(const char *desc, int near, const uint32_t *expected, uint32_t n)
{
	struct ims_topo *t = ims_topo_new_synthetic(desc);
	uint32_t order[64];

	assert_non_null(t);
	assert_int_equal(t->n_cpus, n);
	assert_int_equal(ims_spread_order(t, NULL, near, order), n);
	assert_memory_equal(order, expected, n * sizeof(*order));
	ims_topo_free(t);
}

static void
test_examples(void **state)
{
	static const uint32_t any[] = { 0, 8, 2, 10, 4, 12, 6, 14, 1, 9, 3, 11, 5, 13, 7, 15 };
	static const uint32_t near1[] = { 8, 10, 12, 14, 9, 11, 13, 15, 0, 2, 4, 6, 1, 3, 5, 7 };
	static const uint32_t l3s[] = { 0, 4, 2, 6, 1, 5, 3, 7 };
	static const uint32_t packages[] = { 0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15 };

	check_example("numa:2 core:4 pu:2", -1, any, RTE_DIM(any));
	check_example("numa:2 core:4 pu:2", 1, near1, RTE_DIM(near1));
	check_example("numa:1 l3:2 core:2 pu:2", 0, l3s, RTE_DIM(l3s));
	check_example("numa:1 pack:2 l3:2 core:2 pu:2", -1, packages, RTE_DIM(packages));
}

/* Ranks and CPUs share a word: at the limits of both. */
static void
test_limits(void **state)
{
	static const uint32_t last[] = { 40000, 40001, IMS_TOPO_MAX_CPUS };
	uint32_t distances[9], i, node = 0;
	struct ims_topo_node nodes[3];
	struct ims_topo t = {
		.n_cpus = IMS_TOPO_MAX_CPUS,
		.n_nodes = 3,
		.nodes = nodes,
		.distances = distances,
	};
	uint32_t *order = array(t.n_cpus, sizeof(uint32_t));
	struct setting s = { .t = &t, .node_n = (uint32_t[]){ 40000, 1, t.n_cpus - 40001 } };

	t.cpus = array(t.n_cpus, sizeof(*t.cpus));
	s.eligible = array(t.n_cpus, sizeof(bool));
	s.n = t.n_cpus;
	memset(nodes, 0, sizeof(nodes));
	for (i = 0; i < t.n_cpus; i++) {
		node += i == last[node];
		t.cpus[i] =
			(struct ims_topo_cpu){ .os = i, .node = node, .core = i, .l3 = i / 30000 };
		nodes[node].first_cpu = nodes[node].n_cpus++ == 0 ? i : nodes[node].first_cpu;
		s.eligible[i] = true;
	}
	TRYING("%u CPUs", t.n_cpus);
	check_permutation(&s, order, ims_spread_order(&t, NULL, -1, order));
	check_nodes(&s, -1, order, t.n_cpus);
	free(order);
	free(s.eligible);
	free(t.cpus);
}

/* ims_spread_groups() */

struct outcome {
	uint32_t n_asked;
	uint32_t n;
	uint32_t *of; /* by CPU */
	struct ims_spread_group *groups;
};

static uint32_t
round_up(uint32_t a, uint32_t b)
{
	return (a + b - 1) / b;
}

static uint32_t
nodes_with_cpus(const struct setting *s)
{
	uint32_t node, n = 0;

	for (node = 0; node < s->t->n_nodes; node++)
		n += s->node_n[node] > 0;
	return n;
}

/* Every eligible CPU in one group, none empty, and the groups' own figures right. */
static void
check_all_once(const struct setting *s, const struct outcome *o)
{
	uint32_t *size = array(o->n_asked, sizeof(uint32_t));
	int *node = array(o->n_asked, sizeof(int));
	uint32_t i, g;

	CHECK(o->n == RTE_MIN(o->n_asked, s->n));
	for (g = 0; g < o->n_asked; g++)
		node[g] = -2;
	for (i = 0; i < s->t->n_cpus; i++) {
		g = o->of[i];
		CHECK(s->eligible[i] ? g < o->n : g == IMS_SPREAD_NONE);
		if (!s->eligible[i])
			continue;
		size[g]++;
		if (node[g] != -2 && node[g] != (int)s->t->cpus[i].node)
			node[g] = -1;
		else
			node[g] = s->t->cpus[i].node;
	}
	for (g = 0; g < o->n_asked; g++) {
		CHECK(size[g] == o->groups[g].n_cpus);
		CHECK((size[g] > 0) == (g < o->n));
		CHECK(o->groups[g].node == (size[g] > 0 ? node[g] : -1));
	}
	free(size);
	free(node);
}

/*
 * Enough groups for all nodes: each in one node, as many as its size asks for, in order. Returns
 * the least size that groups can have.
 */
static uint32_t
check_proportion(const struct setting *s, const struct outcome *o)
{
	uint32_t *n_groups = array(s->t->n_nodes, sizeof(uint32_t));
	uint32_t node, g, m, size, needed;

	for (g = 0; g < o->n; g++) {
		CHECK(o->groups[g].node >= 0);
		CHECK(g == 0 || o->groups[g].node >= o->groups[g - 1].node);
		n_groups[o->groups[g].node]++;
	}
	for (size = 1;; size++) {
		for (node = 0, needed = 0; node < s->t->n_nodes; node++)
			needed += round_up(s->node_n[node], size);
		if (needed <= o->n)
			break;
	}
	for (node = 0; node < s->t->n_nodes; node++) {
		m = s->node_n[node];
		CHECK(n_groups[node] >= round_up(m, size));
		CHECK(n_groups[node] <= (size > 1 ? round_up(m, size - 1) : m));
	}
	free(n_groups);
	return size;
}

/* A node's groups: whole cores or parts of one, alike in size, none too large, neighbours. */
static void
check_node_groups(const struct setting *s, const struct outcome *o, uint32_t node, uint32_t size)
{
	uint32_t first = s->t->nodes[node].first_cpu, end = first + s->t->nodes[node].n_cpus;
	uint32_t cpu, other, g, n_groups = 0, n_cores = 0, widest = 0, narrowest = UINT32_MAX;
	uint32_t largest = 0, least = UINT32_MAX, last = 0;
	bool cut;

	for (g = 0; g < o->n; g++) {
		if (o->groups[g].node != (int)node)
			continue;
		n_groups++;
		largest = RTE_MAX(largest, o->groups[g].n_cpus);
		least = RTE_MIN(least, o->groups[g].n_cpus);
	}
	for (cpu = first; cpu < end; cpu++) {
		if (s->core[cpu] != cpu || s->core_n[cpu] == 0)
			continue;
		n_cores++;
		widest = RTE_MAX(widest, s->core_n[cpu]);
		narrowest = RTE_MIN(narrowest, s->core_n[cpu]);
	}
	if (n_groups == 0)
		return;
	cut = n_groups > n_cores;
	for (cpu = first; cpu < end; cpu++) {
		for (other = cpu + 1; other < end; other++) {
			if (!s->eligible[cpu] || !s->eligible[other])
				continue;
			if (cut && s->core[cpu] != s->core[other])
				CHECK(o->of[cpu] != o->of[other]);
			if (!cut && s->core[cpu] == s->core[other])
				CHECK(o->of[cpu] == o->of[other]);
		}
	}
	CHECK(largest - least <= (cut ? widest - 1 : widest));
	if (widest != narrowest)
		return;
	CHECK(cut || largest <= round_up(size, widest) * widest);
	for (cpu = first; cpu < end; cpu++) {
		if (!s->eligible[cpu])
			continue;
		CHECK(o->of[cpu] >= last);
		last = o->of[cpu];
	}
}

/* Fewer groups than nodes: none has a part of a node. */
static void
check_whole_nodes(const struct setting *s, const struct outcome *o)
{
	uint32_t *group = array(s->t->n_nodes, sizeof(uint32_t));
	uint32_t i, g, node, widest = 0, largest = 0, least = UINT32_MAX;

	for (node = 0; node < s->t->n_nodes; node++) {
		group[node] = IMS_SPREAD_NONE;
		widest = RTE_MAX(widest, s->node_n[node]);
	}
	for (i = 0; i < s->t->n_cpus; i++) {
		node = s->t->cpus[i].node;
		if (!s->eligible[i])
			continue;
		CHECK(group[node] == IMS_SPREAD_NONE || group[node] == o->of[i]);
		group[node] = o->of[i];
	}
	for (g = 0; g < o->n; g++) {
		largest = RTE_MAX(largest, o->groups[g].n_cpus);
		least = RTE_MIN(least, o->groups[g].n_cpus);
	}
	CHECK(largest - least <= widest);
	free(group);
}

static void
groups_check(const struct setting *s, uint32_t n_asked)
{
	struct outcome o = {
		.n_asked = n_asked,
		.of = array(s->t->n_cpus, sizeof(uint32_t)),
		.groups = array(n_asked, sizeof(*o.groups)),
	};
	uint32_t node, size;

	TRYING("%s, %u eligible, %u groups", s->name, s->n, n_asked);
	o.n = ims_spread_groups(s->t, s->eligible, n_asked, o.of, o.groups);
	check_all_once(s, &o);
	if (o.n < nodes_with_cpus(s)) {
		check_whole_nodes(s, &o);
	} else if (o.n > 0) {
		size = check_proportion(s, &o);
		for (node = 0; node < s->t->n_nodes; node++)
			check_node_groups(s, &o, node, size);
	}
	free(o.of);
	free(o.groups);
}

/* All numbers of groups up to some more than CPUs; of large machines, some of them. */
static void
groups_setting(struct setting *s, const struct shape *shape)
{
	uint32_t n, nodes = nodes_with_cpus(s);

	for (n = 1; n <= s->n + 2; n++)
		if (n <= nodes + 2 || n < 80 || n >= s->n - 2 || random_below(s->n) < 20)
			groups_check(s, n);
}

static void
test_groups(void **state)
{
	for_each_setting(groups_setting);
}

/* One letter for each CPU: its group. */
static void
check_groups_example(const char *desc, uint32_t n, const char *letters)
{
	struct ims_topo *t = ims_topo_new_synthetic(desc);
	struct ims_spread_group groups[64];
	uint32_t of[64], i;

	assert_non_null(t);
	assert_int_equal(ims_spread_groups(t, NULL, n, of, groups), n);
	assert_int_equal(t->n_cpus, strlen(letters));
	for (i = 0; i < t->n_cpus; i++)
		assert_int_equal(of[i], letters[i] - 'A');
	ims_topo_free(t);
}

/* The second drawing. */
static void
test_groups_examples(void **state)
{
	check_groups_example("numa:2 core:4 pu:2", 1, "AAAAAAAAAAAAAAAA");
	check_groups_example("numa:2 core:4 pu:2", 3, "AAAABBBBCCCCCCCC");
	check_groups_example("numa:2 core:4 pu:2", 6, "AAAABBCCDDDDEEFF");
	check_groups_example("numa:2 core:4 pu:2", 9, "ABCCDDEEFFGGHHII");
	check_groups_example("numa:4 core:2 pu:1", 2, "AAAABBBB");
	check_groups_example("numa:1 core:2 pu:4", 3, "AABBCCCC");
}

/* ims_spread_pick() */

static uint64_t
load_of(const struct setting *s, const uint32_t *load, const uint32_t *unit, uint32_t cpu)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < s->t->n_cpus; i++)
		if (unit[i] == unit[cpu])
			sum += load[i];
	return sum;
}

/* < 0: a is to be picked rather than b. */
static int
compare(const struct setting *s, const uint32_t *load, const uint32_t *node, uint32_t a, uint32_t b)
{
	uint64_t a_node = (load_of(s, load, node, a) + 1) * s->node_n[s->t->cpus[b].node];
	uint64_t b_node = (load_of(s, load, node, b) + 1) * s->node_n[s->t->cpus[a].node];
	const uint64_t x[] = { load[a], load_of(s, load, s->core, a), a_node,
		load_of(s, load, s->package, a), load_of(s, load, s->l3, a), a };
	const uint64_t y[] = { load[b], load_of(s, load, s->core, b), b_node,
		load_of(s, load, s->package, b), load_of(s, load, s->l3, b), b };
	size_t i;

	for (i = 0; i < RTE_DIM(x); i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

static int
expected_pick(const struct setting *s, const uint32_t *load, const uint32_t *node, int near)
{
	uint32_t i, nearest = UINT32_MAX;
	int best = -1;

	for (i = 0; i < s->t->n_cpus; i++)
		if (s->eligible[i])
			nearest = RTE_MIN(nearest, far(s->t, near, s->t->cpus[i].node));
	for (i = 0; i < s->t->n_cpus; i++)
		if (s->eligible[i] && far(s->t, near, s->t->cpus[i].node) == nearest &&
			(best == -1 || compare(s, load, node, i, best) < 0))
			best = i;
	return best == -1 ? -ENOENT : best;
}

/* Loads with many ties. */
static void
pick_setting(struct setting *s, const struct shape *shape)
{
	uint32_t *load = array(s->t->n_cpus, sizeof(uint32_t)), *node = node_units(s);
	uint32_t i, round, rounds = s->t->n_cpus > 200 ? 1 : 10;
	int near;

	for (near = -1; near < (int)s->t->n_nodes; near++) {
		for (round = 0; round < rounds; round++) {
			for (i = 0; i < s->t->n_cpus; i++)
				load[i] = random_below(2 + round / 2);
			TRYING("%s, %u eligible, near %d", s->name, s->n, near);
			CHECK(ims_spread_pick(s->t, s->eligible, load, -1, near) ==
				expected_pick(s, load, node, near));
		}
	}
	for (i = 0; i < s->t->n_cpus; i++)
		CHECK(ims_spread_pick(s->t, s->eligible, load, i, -1) ==
			(s->eligible[i] ? (int)i : -ENOENT));
	free(load);
	free(node);
}

static void
test_pick(void **state)
{
	for_each_setting(pick_setting);
}

/* How many CPUs an order begins with that are equally near. */
static uint32_t
nearest_part(const struct setting *s, int near, const uint32_t *order)
{
	uint32_t i;

	for (i = 1; i < s->n; i++)
		if (far(s->t, near, s->t->cpus[order[i]].node) !=
			far(s->t, near, s->t->cpus[order[0]].node))
			break;
	return i;
}

/*
 * Pick after pick from zero: loads never differ by more than one, no core gets a second before all
 * have one; and where everything is alike, it is the order of ims_spread_order(), over and over.
 */
static void
sequence_setting(struct setting *s, const struct shape *shape)
{
	uint32_t *load = array(s->t->n_cpus, sizeof(uint32_t));
	uint32_t *order = array(s->t->n_cpus, sizeof(uint32_t));
	bool regular = (shape->flags & REGULAR) != 0 && s->n == s->t->n_cpus;
	uint32_t i, j, part, n_cores;
	int near, cpu;

	for (near = -1; s->n > 0 && near < (int)s->t->n_nodes; near++) {
		TRYING("%s, %u eligible, near %d", s->name, s->n, near);
		assert_int_equal(ims_spread_order(s->t, s->eligible, near, order), s->n);
		part = nearest_part(s, near, order);
		for (i = 0, n_cores = 0; i < part; i++) {
			for (j = 0; j < i && s->core[order[j]] != s->core[order[i]]; j++)
				;
			n_cores += j == i;
		}
		memset(load, 0, s->t->n_cpus * sizeof(*load));
		for (i = 0; i < 3 * part; i++) {
			cpu = ims_spread_pick(s->t, s->eligible, load, -1, near);
			CHECK(cpu >= 0);
			CHECK(load[cpu] == i / part);
			CHECK(!regular || (uint32_t)cpu == order[i % part]);
			load[cpu]++;
			for (j = 0; i < n_cores && j < s->t->n_cpus; j++)
				CHECK((int)j == cpu || s->core[j] != s->core[cpu] || load[j] == 0);
		}
		for (i = 0; i < s->t->n_cpus; i++)
			CHECK(load[i] == 0 || load[i] == 3);
	}
	free(load);
	free(order);
}

static void
test_pick_sequence(void **state)
{
	for_each_setting(sequence_setting);
}

static void
test_pick_examples(void **state)
{
	struct ims_topo *t = ims_topo_new_synthetic("numa:2 l3:2 core:2 pu:2");
	bool eligible[16];
	uint32_t load[16] = { 0 };

	/* The sibling of a busy CPU is no better than an idle core elsewhere, near or not. */
	memset(eligible, true, sizeof(eligible));
	load[0] = 1;
	assert_int_equal(ims_spread_pick(t, eligible, load, -1, 0), 4);
	load[4] = 1;
	assert_int_equal(ims_spread_pick(t, eligible, load, -1, 0), 2);
	load[2] = load[6] = 1;
	assert_int_equal(ims_spread_pick(t, eligible, load, -1, 0), 1);
	assert_int_equal(ims_spread_pick(t, eligible, load, -1, -1), 8);
	/* ... but it is better than a busy CPU, and the less busy its core the better. */
	load[0] = 9;
	assert_int_equal(ims_spread_pick(t, eligible, load, -1, 0), 5);
	/* Near means near: the other node is idle, and stays so. */
	load[1] = load[3] = load[5] = load[7] = 5;
	assert_int_equal(ims_spread_pick(t, eligible, load, -1, 0), 4);
	/* A CPU that is not eligible makes its core busy all the same. */
	memset(load, 0, sizeof(load));
	eligible[8] = false;
	load[8] = 1;
	assert_int_equal(ims_spread_pick(t, eligible, load, -1, 1), 12);
	assert_int_equal(ims_spread_pick(t, eligible, load, 8, 1), -ENOENT);
	assert_int_equal(ims_spread_pick(t, eligible, load, 9, 0), 9);
	/* Sums of the largest loads: of the first L3 of node 0, then of the second one. */
	memset(load, 0xff, sizeof(load));
	load[0] = load[4] = 1;
	load[2] = load[3] = load[6] = 2;
	assert_int_equal(ims_spread_pick(t, NULL, load, -1, 0), 0);
	load[2] = UINT32_MAX;
	load[7] = 3;
	assert_int_equal(ims_spread_pick(t, NULL, load, -1, 0), 4);
	/* Nobody on the near node: the next one. */
	memset(load, 0, sizeof(load));
	memset(eligible, false, 8);
	assert_int_equal(ims_spread_pick(t, eligible, load, -1, 0), 9);
	memset(eligible, false, sizeof(eligible));
	assert_int_equal(ims_spread_pick(t, eligible, load, -1, 0), -ENOENT);
	ims_topo_free(t);
}

/* A device on a node that has only memory: its CPUs are those that the distances say. */
static void
test_memory_only_node(void **state)
{
	struct ims_topo *t = ims_topo_new_synthetic("pack:2 [numa] [numa] core:2 pu:1");
	uint32_t i, order[4], load[4] = { 0 };

	for (i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].n_cpus == 0 && t->nodes[i].distance[t->cpus[2].node] < 20)
			break;
	assert_true(i < t->n_nodes);
	assert_int_equal(ims_spread_order(t, NULL, i, order), 4);
	assert_int_equal(order[0], 2);
	assert_int_equal(order[1], 3);
	load[2] = 7;
	load[3] = 5;
	assert_int_equal(ims_spread_pick(t, NULL, load, -1, i), 3);
	ims_topo_free(t);
}

static void
test_bad_arguments(void **state)
{
	struct ims_topo *t = ims_topo_new_synthetic("numa:2 core:2 pu:1");
	struct ims_spread_group groups[4];
	uint32_t a[4] = { 0 };

	assert_int_equal(ims_spread_order(NULL, NULL, -1, a), -EINVAL);
	assert_int_equal(ims_spread_order(t, NULL, -1, NULL), -EINVAL);
	assert_int_equal(ims_spread_order(t, NULL, -2, a), -EINVAL);
	assert_int_equal(ims_spread_order(t, NULL, 2, a), -EINVAL);
	assert_int_equal(ims_spread_groups(NULL, NULL, 1, a, groups), -EINVAL);
	assert_int_equal(ims_spread_groups(t, NULL, 0, a, groups), -EINVAL);
	assert_int_equal(ims_spread_groups(t, NULL, 1, NULL, groups), -EINVAL);
	assert_int_equal(ims_spread_groups(t, NULL, 1, a, NULL), -EINVAL);
	assert_int_equal(ims_spread_pick(NULL, NULL, a, -1, -1), -EINVAL);
	assert_int_equal(ims_spread_pick(t, NULL, NULL, -1, -1), -EINVAL);
	assert_int_equal(ims_spread_pick(t, NULL, a, 4, -1), -EINVAL);
	assert_int_equal(ims_spread_pick(t, NULL, a, -2, -1), -EINVAL);
	assert_int_equal(ims_spread_pick(t, NULL, a, -1, 2), -EINVAL);
	assert_int_equal(ims_spread_pick(t, NULL, a, -1, -2), -EINVAL);
	ims_topo_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_groups_examples),
		cmocka_unit_test(test_pick),
		cmocka_unit_test(test_pick_sequence),
		cmocka_unit_test(test_pick_examples),
		cmocka_unit_test(test_memory_only_node),
		cmocka_unit_test(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
