/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_TOPO_H_
#define _IMS_TOPO_H_

#include <stdbool.h>
#include <stdint.h>

/*
 * A snapshot of the machine: the CPUs that the process may use, where they are, and how far its
 * NUMA nodes are from each other.
 *
 * To take one costs about a millisecond, more on large machines: take one and keep it. It never
 * changes, so any number of threads may read it; it is freed by who took it. CPUs that go offline
 * or come online later, and a cpuset that changes, need a new one.
 *
 * CPUs and nodes are known by their index in it, 0 .. n - 1. CPUs are sorted by node, package, L3,
 * core: those of a node are neighbours, and so are those of an L3 within the node and of a core.
 */

struct hwloc_topology;

#define IMS_TOPO_MAX_CPUS  65535u
#define IMS_TOPO_MAX_NODES 1024u

/* No such thing: a CPU without L3, or whose package is not known. */
#define IMS_TOPO_NONE UINT32_MAX

/* What contains what, from the outside in. */
enum ims_topo_level {
	IMS_TOPO_NODE,
	IMS_TOPO_PACKAGE,
	IMS_TOPO_L3,
	IMS_TOPO_CORE,
	IMS_TOPO_CPU,
	IMS_TOPO_LEVELS,
};

struct ims_topo_cpu {
	uint32_t os;      /* the kernel's number */
	uint32_t node;    /* index of its node */
	uint32_t package; /* these are unique in the machine: CPUs with the same number share one */
	uint32_t l3;
	uint32_t core;
	uint32_t smt;     /* which of its core's CPUs in the snapshot it is: 0, 1 ... */
	bool in_affinity; /* some thread of the process was allowed to run on it */
};

struct ims_topo_node {
	uint32_t os;              /* the kernel's number */
	bool has_memory;          /* memory that the process may use */
	uint32_t first_cpu;       /* its CPUs are first_cpu .. first_cpu + n_cpus - 1 */
	uint32_t n_cpus;          /* 0: memory only, or none of its CPUs may be used */
	const uint32_t *distance; /* to each node: 10 = itself, 20 = twice as far */
};

struct ims_topo {
	uint32_t n_cpus;
	uint32_t n_nodes;
	struct ims_topo_cpu *cpus;
	struct ims_topo_node *nodes;
	uint32_t *distances; /* rows of all nodes */
};

/*
 * All of these return NULL with rte_errno on failure: ENOMEM; EINVAL bad description, no CPU, or
 * more CPUs or nodes than the limits above; or what hwloc met.
 *
 * This machine. CPUs that are offline or that the cgroup forbids are left out; all nodes are there,
 * so that the distance of a device on a node that the process must not use is known as well.
 * Threads' affinity leaves nothing out: a thread may be moved, and EAL has pinned the caller to a
 * single CPU already. It is in_affinity.
 */
struct ims_topo *
ims_topo_new_host(void);

/* Of a synthetic description as hwloc takes it, "node:2 core:8 pu:2" for example. */
struct ims_topo *
ims_topo_new_synthetic(const char *desc);

/* Of a loaded hwloc topology, restricted to its allowed CPUs. The topology stays the caller's. */
struct ims_topo *
ims_topo_new_hwloc(struct hwloc_topology *hw);

void
ims_topo_free(struct ims_topo *topo);

/* Index of a CPU or a node by the kernel's number; -1: not in the snapshot. */
int
ims_topo_cpu_find(const struct ims_topo *topo, int os);
int
ims_topo_node_find(const struct ims_topo *topo, int os);

/* Two CPUs are in the same node, package of a node, L3 of a package of a node ... */
static inline bool
ims_topo_same(const struct ims_topo *topo, enum ims_topo_level level, uint32_t a, uint32_t b)
{
	const struct ims_topo_cpu *x = &topo->cpus[a], *y = &topo->cpus[b];

	return x->node == y->node && (level < IMS_TOPO_PACKAGE || x->package == y->package) &&
	       (level < IMS_TOPO_L3 || x->l3 == y->l3) &&
	       (level < IMS_TOPO_CORE || x->core == y->core) && (level < IMS_TOPO_CPU || a == b);
}

#endif /* _IMS_TOPO_H_ */
