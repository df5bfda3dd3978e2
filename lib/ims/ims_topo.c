/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The snapshot of the machine, from hwloc. Distances and the node of a CPU are the kernel's own
 * (libnuma) where the topology is that of this machine.
 */

#include <limits.h>
#include <stdlib.h>

#include <hwloc.h>
#include <numa.h>

#include "ims_private.h"
#include "ims_topo.h"

#define DISTANCE_SELF   10
#define DISTANCE_BESIDE 15 /* of two nodes that are local to the same CPUs */
#define DISTANCE_OTHER  20

struct source {
	hwloc_topology_t hw;
	bool kernel;          /* it describes this machine, so libnuma can be asked as well */
	hwloc_cpuset_t bound; /* the CPUs that some thread of the process may run on */
};

static hwloc_obj_t
node_obj(hwloc_topology_t hw, uint32_t node)
{
	return hwloc_get_obj_by_type(hw, HWLOC_OBJ_NUMANODE, node);
}

static void
nodes_fill(struct ims_topo *topo, hwloc_topology_t hw)
{
	hwloc_const_nodeset_t allowed = hwloc_topology_get_allowed_nodeset(hw);
	hwloc_obj_t obj;
	uint32_t i;

	for (i = 0; i < topo->n_nodes; i++) {
		obj = node_obj(hw, i);
		topo->nodes[i].os = obj->os_index;
		topo->nodes[i].has_memory = obj->attr->numanode.local_memory > 0 &&
		                            hwloc_bitmap_isset(allowed, obj->os_index);
		topo->nodes[i].distance = topo->distances + (size_t)i * topo->n_nodes;
	}
}

static void
distance_set(struct ims_topo *topo, uint32_t from, uint32_t to, uint64_t distance)
{
	if (distance > 0 && distance < UINT32_MAX)
		topo->distances[(size_t)from * topo->n_nodes + to] = distance;
}

/* For want of anything better. */
static void
distances_guess(struct ims_topo *topo, hwloc_topology_t hw)
{
	uint32_t i, j, distance;

	for (i = 0; i < topo->n_nodes; i++) {
		for (j = 0; j < topo->n_nodes; j++) {
			distance = DISTANCE_OTHER;
			if (hwloc_bitmap_intersects(
				    node_obj(hw, i)->cpuset, node_obj(hw, j)->cpuset))
				distance = DISTANCE_BESIDE;
			if (i == j)
				distance = DISTANCE_SELF;
			distance_set(topo, i, j, distance);
		}
	}
}

static void
distances_from_kernel(struct ims_topo *topo)
{
	uint32_t i, j;

	for (i = 0; i < topo->n_nodes; i++)
		for (j = 0; j < topo->n_nodes; j++)
			distance_set(
				topo, i, j, numa_distance(topo->nodes[i].os, topo->nodes[j].os));
}

static void
distances_from_hwloc(struct ims_topo *topo, hwloc_topology_t hw)
{
	struct hwloc_distances_s *d;
	unsigned int n = 1, i, j;

	if (hwloc_distances_get_by_type(
		    hw, HWLOC_OBJ_NUMANODE, &n, &d, HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) != 0 ||
		n == 0)
		return;
	for (i = 0; i < d->nbobjs; i++)
		for (j = 0; j < d->nbobjs; j++)
			distance_set(topo, d->objs[i]->logical_index, d->objs[j]->logical_index,
				d->values[i * d->nbobjs + j]);
	hwloc_distances_release(hw, d);
}

/*
 * The node of a CPU: the kernel's word, else the most local node. Several may be equally local, if
 * some of them have no CPUs of their own but memory beside; the first one is the ordinary one. A
 * CPU without any counts as the first node's.
 */
static uint32_t
cpu_node(const struct ims_topo *topo, const struct source *src, unsigned int cpu)
{
	int found = -1, weight, least = INT_MAX;
	hwloc_obj_t obj;
	uint32_t i;

	if (src->kernel)
		found = ims_topo_node_find(topo, numa_node_of_cpu(cpu));
	if (found >= 0)
		return found;
	for (i = 0; i < topo->n_nodes; i++) {
		obj = node_obj(src->hw, i);
		weight = hwloc_bitmap_weight(obj->cpuset);
		if (hwloc_bitmap_isset(obj->cpuset, cpu) && weight < least) {
			least = weight;
			found = i;
		}
	}
	return found >= 0 ? found : 0;
}

static uint32_t
ancestor(hwloc_topology_t hw, hwloc_obj_t pu, hwloc_obj_type_t type)
{
	hwloc_obj_t obj = hwloc_get_ancestor_obj_by_type(hw, type, pu);

	return obj != NULL ? obj->logical_index : IMS_TOPO_NONE;
}

/* Where the CPU is. core and smt are hwloc's numbers for now, good for sorting. */
static void
cpu_fill(struct ims_topo *topo, const struct source *src, hwloc_obj_t pu)
{
	struct ims_topo_cpu *cpu = &topo->cpus[topo->n_cpus++];

	cpu->os = pu->os_index;
	cpu->node = cpu_node(topo, src, pu->os_index);
	cpu->package = ancestor(src->hw, pu, HWLOC_OBJ_PACKAGE);
	cpu->l3 = ancestor(src->hw, pu, HWLOC_OBJ_L3CACHE);
	cpu->core = ancestor(src->hw, pu, HWLOC_OBJ_CORE);
	cpu->smt = pu->logical_index;
	cpu->in_affinity = hwloc_bitmap_isset(src->bound, pu->os_index);
}

static int
cpu_compare(const void *a, const void *b)
{
	const struct ims_topo_cpu *x = a, *y = b;
	const uint32_t left[] = { x->node, x->package, x->l3, x->core, x->smt };
	const uint32_t right[] = { y->node, y->package, y->l3, y->core, y->smt };
	size_t i;

	for (i = 0; i < RTE_DIM(left); i++)
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	return 0;
}

/* The CPUs are sorted: number cores and the CPUs in them, note which ones each node has. */
static void
cpus_number(struct ims_topo *topo)
{
	uint32_t i, smt = 0, core = 0, prev = IMS_TOPO_NONE;
	struct ims_topo_node *node;
	struct ims_topo_cpu *cpu;

	for (i = 0; i < topo->n_cpus; i++) {
		cpu = &topo->cpus[i];
		node = &topo->nodes[cpu->node];
		if (node->n_cpus == 0)
			node->first_cpu = i;
		/* Where hwloc sees no cores each CPU is one. */
		smt++;
		if (node->n_cpus == 0 || cpu->core == IMS_TOPO_NONE || cpu->core != prev)
			smt = 0;
		core += i > 0 && smt == 0;
		prev = cpu->core;
		cpu->core = core;
		cpu->smt = smt;
		node->n_cpus++;
	}
}

static int
cpus_fill(struct ims_topo *topo, const struct source *src)
{
	hwloc_const_cpuset_t allowed = hwloc_topology_get_allowed_cpuset(src->hw);
	hwloc_obj_t pu = NULL;

	while ((pu = hwloc_get_next_obj_by_type(src->hw, HWLOC_OBJ_PU, pu)) != NULL)
		if (hwloc_bitmap_isset(allowed, pu->os_index))
			cpu_fill(topo, src, pu);
	if (topo->n_cpus == 0)
		return -EINVAL;
	qsort(topo->cpus, topo->n_cpus, sizeof(*topo->cpus), cpu_compare);
	cpus_number(topo);
	return 0;
}

static struct ims_topo *
topo_alloc(int n_cpus, int n_nodes)
{
	struct ims_topo *topo;

	if (n_cpus <= 0 || n_cpus > (int)IMS_TOPO_MAX_CPUS || n_nodes <= 0 ||
		n_nodes > (int)IMS_TOPO_MAX_NODES)
		return ims_err_ptr(-EINVAL);
	topo = calloc(1, sizeof(*topo));
	if (topo == NULL)
		return ims_err_ptr(-ENOMEM);
	topo->cpus = calloc(n_cpus, sizeof(*topo->cpus));
	topo->nodes = calloc(n_nodes, sizeof(*topo->nodes));
	topo->distances = calloc((size_t)n_nodes * n_nodes, sizeof(*topo->distances));
	if (topo->cpus == NULL || topo->nodes == NULL || topo->distances == NULL) {
		ims_topo_free(topo);
		return ims_err_ptr(-ENOMEM);
	}
	topo->n_nodes = n_nodes;
	return topo;
}

static int
topo_fill(struct ims_topo *topo, hwloc_topology_t hw)
{
	struct source src = { .hw = hw };
	int rc;

	src.kernel = hwloc_topology_is_thissystem(hw) && numa_available() >= 0;
	src.bound = hwloc_bitmap_alloc();
	if (src.bound == NULL)
		return -ENOMEM;
	if (hwloc_get_cpubind(hw, src.bound, HWLOC_CPUBIND_PROCESS) != 0)
		hwloc_bitmap_fill(src.bound);
	nodes_fill(topo, hw);
	distances_guess(topo, hw);
	if (src.kernel)
		distances_from_kernel(topo);
	else
		distances_from_hwloc(topo, hw);
	rc = cpus_fill(topo, &src);
	hwloc_bitmap_free(src.bound);
	return rc;
}

struct ims_topo *
ims_topo_new_hwloc(struct hwloc_topology *hw)
{
	struct ims_topo *topo;
	int rc;

	if (hw == NULL)
		return ims_err_ptr(-EINVAL);
	topo = topo_alloc(hwloc_get_nbobjs_by_type(hw, HWLOC_OBJ_PU),
		hwloc_get_nbobjs_by_type(hw, HWLOC_OBJ_NUMANODE));
	if (topo == NULL)
		return NULL;
	rc = topo_fill(topo, hw);
	if (rc < 0) {
		ims_topo_free(topo);
		return ims_err_ptr(rc);
	}
	return topo;
}

/* Look only for what the snapshot has. */
static int
hw_configure(hwloc_topology_t hw)
{
	static const hwloc_obj_type_t types[] = { HWLOC_OBJ_PACKAGE, HWLOC_OBJ_L3CACHE,
		HWLOC_OBJ_CORE };
	size_t i;

	if (hwloc_topology_set_all_types_filter(hw, HWLOC_TYPE_FILTER_KEEP_NONE) != 0 ||
		hwloc_topology_set_type_filter(
			hw, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE) != 0)
		return -errno;
	for (i = 0; i < RTE_DIM(types); i++)
		if (hwloc_topology_set_type_filter(hw, types[i], HWLOC_TYPE_FILTER_KEEP_ALL) != 0)
			return -errno;
	/* Nodes that the process must not use are wanted, for their distances. */
	if (hwloc_topology_set_flags(hw, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) != 0)
		return -errno;
	/*
	 * This component would move the calling thread over all CPUs, those of busy lcores too, to
	 * learn what sysfs has anyway. hwloc for other architectures does not have it.
	 */
	errno = 0;
	if (hwloc_topology_set_components(hw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86") !=
			0 &&
		errno == ENOMEM)
		return -ENOMEM;
	return 0;
}

/* desc: NULL for this machine. */
static struct ims_topo *
topo_load(const char *desc)
{
	struct ims_topo *topo = NULL;
	hwloc_topology_t hw;
	int rc;

	if (hwloc_topology_init(&hw) != 0)
		return ims_err_ptr(-ENOMEM);
	rc = hw_configure(hw);
	errno = 0;
	if (rc == 0 && desc != NULL && hwloc_topology_set_synthetic(hw, desc) != 0)
		rc = errno == ENOMEM ? -ENOMEM : -EINVAL;
	errno = EIO;
	if (rc == 0 && hwloc_topology_load(hw) != 0)
		rc = -errno;
	if (rc == 0)
		topo = ims_topo_new_hwloc(hw);
	else
		ims_err_ptr(rc);
	hwloc_topology_destroy(hw);
	return topo;
}

struct ims_topo *
ims_topo_new_host(void)
{
	struct ims_topo *topo = topo_load(NULL);

	if (topo == NULL)
		IMS_LOG(ERR, "cannot learn the machine's topology: %s", rte_strerror(rte_errno));
	return topo;
}

struct ims_topo *
ims_topo_new_synthetic(const char *desc)
{
	return desc != NULL ? topo_load(desc) : ims_err_ptr(-EINVAL);
}

void
ims_topo_free(struct ims_topo *topo)
{
	if (topo == NULL)
		return;
	free(topo->distances);
	free(topo->nodes);
	free(topo->cpus);
	free(topo);
}

int
ims_topo_cpu_find(const struct ims_topo *topo, int os)
{
	uint32_t i;

	for (i = 0; topo != NULL && os >= 0 && i < topo->n_cpus; i++)
		if (topo->cpus[i].os == (uint32_t)os)
			return i;
	return -1;
}

int
ims_topo_node_find(const struct ims_topo *topo, int os)
{
	uint32_t i;

	for (i = 0; topo != NULL && os >= 0 && i < topo->n_nodes; i++)
		if (topo->nodes[i].os == (uint32_t)os)
			return i;
	return -1;
}
