/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Which CPU gets a vector: what ims_pool_spread.h promises, checked on many machines with many sets
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
	LESS_HALF = 128, /* each node has half as many left as the one before */
	FAR_RING = 16,   /* nodes in a ring: 10, 20, 30 ... */
	FAR_RANDOM = 32, /* from any to any: 1 .. 40, itself too */
	REGULAR = 64,    /* packages, L3s and cores all alike */
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
	{ "numa:2 core:12 pu:2", LESS_HALF },
	{ "numa:5 core:32 pu:1", LESS_HALF },
	{ "numa:4 pack:4 l3:2 core:2 pu:2", LESS_HALF },
	{ "numa:2 pack:3 core:4 pu:2", LESS_HALF },
	{ "numa:3 pack:4 l3:2 core:2 pu:2", LESS_HALF | REGULAR },
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
	if ((s->flags & LESS_HALF) != 0 && index >= node->n_cpus >> c->node)
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

/* ims_spread_pick(), pick after pick */

#define ROUNDS 3

/* Picks from no load at all, one more for each: as many rounds as above. */
struct row {
	const struct setting *s;
	int near;
	bool *in;   /* by CPU: is to be picked from */
	uint32_t n; /* how many are: the picks of a round */
	uint32_t *picks;
	bool cores_alike; /* all that have any of these CPUs have the same number of them */
	bool all_alike;   /* ... and packages and L3s too */
};

/* How often each state of affairs was there. */
static struct {
	uint32_t rows, uneven_cores, uneven_rest, alike, uneven_nodes;
} seen;

/* By CPU, the lowest CPU of its node. */
static uint32_t *
node_units(const struct setting *s)
{
	uint32_t *unit = array(s->t->n_cpus, sizeof(uint32_t)), i;

	for (i = 0; i < s->t->n_cpus; i++)
		unit[i] = s->t->nodes[s->t->cpus[i].node].first_cpu;
	return unit;
}

/* The CPUs to be picked from: of all nodes that are equally near, none being nearer. */
static void
row_choose(struct row *r)
{
	const struct setting *s = r->s;
	uint32_t i, nearest = UINT32_MAX;

	for (i = 0; i < s->t->n_cpus; i++)
		if (s->eligible[i])
			nearest = RTE_MIN(nearest, far(s->t, r->near, s->t->cpus[i].node));
	for (i = 0; i < s->t->n_cpus; i++) {
		r->in[i] = s->eligible[i] && far(s->t, r->near, s->t->cpus[i].node) == nearest;
		r->n += r->in[i];
	}
}

/* All units that have CPUs to be picked from have the same number of them. */
static bool
alike(const struct row *r, const uint32_t *unit)
{
	uint32_t *has = array(r->s->t->n_cpus, sizeof(uint32_t));
	uint32_t i, most = 0;
	bool same = true;

	for (i = 0; i < r->s->t->n_cpus; i++)
		if (r->in[i] && ++has[unit[i]] > most)
			most = has[unit[i]];
	for (i = 0; i < r->s->t->n_cpus; i++)
		same = same && (has[i] == 0 || has[i] == most);
	free(has);
	return same;
}

static void
row_pick(const struct row *r, const bool *eligible, uint32_t *picks)
{
	uint32_t *load = array(r->s->t->n_cpus, sizeof(uint32_t)), i;
	int cpu;

	for (i = 0; i < ROUNDS * r->n; i++) {
		cpu = ims_spread_pick(r->s->t, eligible, load, -1, r->near);
		CHECK(cpu >= 0 && cpu < (int)r->s->t->n_cpus);
		picks[i] = cpu;
		load[cpu]++;
	}
	free(load);
}

/* In each round every CPU once, and no other. */
static void
check_rounds(const struct row *r)
{
	uint32_t *given = array(r->s->t->n_cpus, sizeof(uint32_t)), i;

	for (i = 0; i < ROUNDS * r->n; i++) {
		CHECK(r->in[r->picks[i]]);
		CHECK(given[r->picks[i]]++ == i / r->n);
	}
	free(given);
}

/* k CPUs of each core, or all that it has, before the one that is its core's k-th. */
static void
check_cores(const struct row *r, const uint32_t *picks)
{
	const struct setting *s = r->s;
	uint32_t *given = array(s->t->n_cpus, sizeof(uint32_t)), i, cpu, core;

	for (i = 0; i < r->n; i++) {
		core = s->core[picks[i]];
		for (cpu = 0; cpu < s->t->n_cpus; cpu++)
			if (r->in[cpu])
				CHECK(given[s->core[cpu]] >=
					RTE_MIN(given[core], s->core_n[s->core[cpu]]));
		given[core]++;
	}
	free(given);
}

/* Every node close to its share of any number of picks. */
static void
check_proportion(const struct row *r)
{
	uint32_t n_nodes = r->s->t->n_nodes, *m = array(n_nodes, sizeof(uint32_t));
	int64_t *given = array(n_nodes, sizeof(int64_t));
	int64_t over, most, k = 0;
	uint32_t i, node, widest = 0;
	bool same = true;

	for (i = 0; i < r->s->t->n_cpus; i++)
		if (r->in[i] && m[r->s->t->cpus[i].node]++ == 0)
			k++;
	for (node = 0; node < n_nodes; node++)
		widest = RTE_MAX(widest, m[node]);
	for (node = 0; node < n_nodes; node++)
		same = same && (m[node] == 0 || m[node] == widest);
	seen.uneven_nodes += !same;
	most = same ? 1 : k - 1;
	for (i = 0; i < ROUNDS * r->n; i++) {
		given[r->s->t->cpus[r->picks[i]].node]++;
		for (node = 0; node < n_nodes; node++) {
			/* given - (i + 1) * m / n, in units of 1 / n */
			over = given[node] * r->n - (int64_t)(i + 1) * m[node];
			CHECK(over > -(int64_t)r->n && over < most * r->n);
		}
	}
	free(given);
	free(m);
}

/*
 * unit[] is by CPU: the package or the L3 that it is in; outer[]: what the units that take turns
 * are in. Among the k-th CPUs of cores, k < n_k, no unit gets two ahead of another that still has
 * some.
 */
static void
check_turns(const struct row *r, const uint32_t *unit, const uint32_t *outer, const uint32_t *picks,
	uint32_t n_k)
{
	const struct setting *s = r->s;
	uint32_t(*given)[THREADS] = array(s->t->n_cpus, sizeof(*given));
	uint32_t(*has)[THREADS] = array(s->t->n_cpus, sizeof(*has));
	uint32_t *core_given = array(s->t->n_cpus, sizeof(uint32_t));
	uint32_t i, k, cpu, other;

	for (cpu = 0; cpu < s->t->n_cpus; cpu++)
		for (k = 0; s->core[cpu] == cpu && k < s->core_n[cpu]; k++)
			has[unit[cpu]][k]++;
	for (i = 0; i < r->n; i++) {
		cpu = picks[i];
		k = core_given[s->core[cpu]]++;
		if (k >= n_k)
			continue;
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

static void
check_row(const struct row *r, const uint32_t *node)
{
	const struct setting *s = r->s;
	uint32_t round;

	check_rounds(r);
	check_cores(r, r->picks);
	check_turns(r, s->package, node, r->picks, 1);
	check_turns(r, s->l3, s->package, r->picks, 1);
	if (!r->cores_alike)
		return;
	for (round = 1; round < ROUNDS; round++)
		check_cores(r, r->picks + round * r->n);
	check_proportion(r);
	if (!r->all_alike)
		return;
	check_turns(r, s->package, node, r->picks, THREADS);
	check_turns(r, s->l3, s->package, r->picks, THREADS);
	for (round = 1; round < ROUNDS; round++)
		CHECK(memcmp(r->picks, r->picks + round * r->n, r->n * sizeof(*r->picks)) == 0);
}

static void
row_try(const struct setting *s, const struct shape *shape, const uint32_t *node, int near)
{
	struct row r = { .s = s, .near = near, .in = array(s->t->n_cpus, sizeof(bool)) };
	uint32_t *again;

	TRYING("%s, %u eligible, near %d", s->name, s->n, near);
	row_choose(&r);
	r.cores_alike = alike(&r, s->core);
	r.all_alike = r.cores_alike && alike(&r, s->package) && alike(&r, s->l3);
	CHECK(r.all_alike || (shape->flags & REGULAR) == 0 || s->n < s->t->n_cpus);
	seen.rows++;
	seen.uneven_cores += !r.cores_alike;
	seen.uneven_rest += r.cores_alike && !r.all_alike;
	seen.alike += r.all_alike;
	r.picks = array(ROUNDS * r.n, sizeof(uint32_t));
	again = array(ROUNDS * r.n, sizeof(uint32_t));
	row_pick(&r, s->eligible, r.picks);
	check_row(&r, node);
	/* No array is the array with all of them. */
	row_pick(&r, s->n == s->t->n_cpus ? NULL : s->eligible, again);
	CHECK(memcmp(r.picks, again, ROUNDS * r.n * sizeof(*again)) == 0);
	free(r.in);
	free(r.picks);
	free(again);
}

static void
row_setting(struct setting *s, const struct shape *shape)
{
	uint32_t *node = node_units(s);
	int near;

	for (near = -1; s->n > 0 && near < (int)s->t->n_nodes; near++)
		row_try(s, shape, node, near);
	free(node);
}

static void
test_row(void **state)
{
	for_each_setting(row_setting);
	print_message(
		"%u rows: cores uneven in %u, packages or L3s in %u, nothing in %u; nodes uneven "
		"where cores are not: %u\n",
		seen.rows, seen.uneven_cores, seen.uneven_rest, seen.alike, seen.uneven_nodes);
	assert_true(seen.uneven_cores > 0 && seen.uneven_rest > 0 && seen.alike > 0 &&
		    seen.uneven_nodes > 0);
}

/* The drawing in the guide, and a few more that can be told by hand. */
static void
check_example(const char *desc, int near, const uint32_t *expected, uint32_t n)
{
	struct ims_topo *t = ims_topo_new_synthetic(desc);
	uint32_t load[64] = { 0 }, i;

	assert_non_null(t);
	assert_true(t->n_cpus <= RTE_DIM(load));
	for (i = 0; i < n; i++) {
		assert_int_equal(ims_spread_pick(t, NULL, load, -1, near), expected[i]);
		load[expected[i]]++;
	}
	ims_topo_free(t);
}

static void
test_row_examples(void **state)
{
	static const uint32_t any[] = { 0, 8, 2, 10, 4, 12, 6, 14, 1, 9, 3, 11, 5, 13, 7, 15, 0 };
	static const uint32_t near1[] = { 8, 10, 12, 14, 9, 11, 13, 15, 8, 10, 12, 14, 9, 11 };
	static const uint32_t l3s[] = { 0, 4, 2, 6, 1, 5, 3, 7 };
	static const uint32_t packages[] = { 0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15 };

	check_example("numa:2 core:4 pu:2", -1, any, RTE_DIM(any));
	check_example("numa:2 core:4 pu:2", 1, near1, RTE_DIM(near1));
	check_example("numa:1 l3:2 core:2 pu:2", 0, l3s, RTE_DIM(l3s));
	check_example("numa:1 pack:2 l3:2 core:2 pu:2", -1, packages, RTE_DIM(packages));
}

/* ims_spread_pick(), with any load */

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
	uint32_t i, load[4] = { 0 };

	for (i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].n_cpus == 0 && t->nodes[i].distance[t->cpus[2].node] < 20)
			break;
	assert_true(i < t->n_nodes);
	load[2] = 7;
	load[3] = 5;
	assert_int_equal(ims_spread_pick(t, NULL, load, -1, i), 3);
	ims_topo_free(t);
}

static void
test_bad_arguments(void **state)
{
	struct ims_topo *t = ims_topo_new_synthetic("numa:2 core:2 pu:1");
	uint32_t a[4] = { 0 };

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
		cmocka_unit_test(test_row),
		cmocka_unit_test(test_row_examples),
		cmocka_unit_test(test_pick),
		cmocka_unit_test(test_pick_examples),
		cmocka_unit_test(test_memory_only_node),
		cmocka_unit_test(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
