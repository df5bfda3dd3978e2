/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_POOL_SPREAD_H_
#define _IMS_POOL_SPREAD_H_

#include "ims_topo.h"

/*
 * Which CPUs get vectors. Pure functions of the snapshot and the caller's arrays: they allocate
 * nothing, keep nothing, and give the same answer every time.
 *
 * CPUs and nodes are indexes in the snapshot. An array of bool by CPU tells which CPUs are
 * eligible, NULL: all of them. `near` is the node to be near to, that of a device for example, with
 * or without CPUs; -1: no preference.
 */

/*
 * The order in which CPUs are to be given vectors: the first n of it are the ones to take for n.
 *
 * The nearest nodes come first, by their distance from `near` (the node itself before all others
 * whatever the distances say). Nodes at the same distance, or all nodes if `near` is -1, take turns
 * in proportion to their numbers of eligible CPUs. Within a node one CPU of every core comes before
 * the second one of any; of those, packages take turns, and so do the L3s of a package.
 *
 * What holds, for the eligible CPUs:
 *
 *   permutation    each of them is there, once
 *   nearness       distances from `near` never decrease along the order
 *   proportion     of the first n CPUs of those at one distance, a node with m of all N has less
 *                  than one more, and less than one fewer, than its share n * m / N, and so never
 *                  more than m
 *   cores first    when a CPU comes that is the k-th of its core (k = 0, 1 ...), k or more of
 *                  each of the node's cores are there already, or all that it has
 *   packages, L3s  among the k-th CPUs of their cores, those of one package are never two ahead of
 *                  those of another one of the node that still has some; the same for the L3s of
 *                  a package
 *   determinism    it depends on the arguments only; ties go to the lowest index
 *
 * order[] has room for all CPUs of the snapshot.
 * Returns how many it got; -EINVAL.
 */
int
ims_spread_order(const struct ims_topo *topo, const bool *eligible, int near, uint32_t *order);

/* A CPU that is not eligible has no group. */
#define IMS_SPREAD_NONE UINT32_MAX

struct ims_spread_group {
	uint32_t n_cpus;
	int node;      /* of all its CPUs; -1: they are of several */
	uint32_t take; /* scratch */
};

/*
 * Divide the CPUs into groups, each to be served by one vector. There are as many groups as CPUs
 * where more are asked for. What holds, for the eligible CPUs:
 *
 *   all, once     each of them is in one group, no group is empty
 *   nodes         no group has CPUs of two nodes, unless there are fewer groups than nodes with
 *                 CPUs: then none has a part of a node
 *   proportion    let s be the least size such that groups of s CPUs at most suffice, cut within
 *                 nodes: a node of m has no fewer than m / s groups and no more than m / (s - 1),
 *                 rounded up both. So the largest group is as small as can be, where cores are
 *                 of one width and not cut: it has no more than s CPUs rounded up to whole cores
 *   cores         no core is in two groups, unless its node has more groups than cores: then no
 *                 group has CPUs of two cores
 *   balance       of a node's groups none is larger than another by more than the node's widest
 *                 core, and by less than that where cores are cut: by one CPU with two to a core.
 *                 Of groups of whole nodes none is larger by more than the widest node
 *   locality      where all cores of a node are of one width its groups are runs in the snapshot's
 *                 order, so that they share an L3 as far as that goes
 *
 * group_of_cpu[] is by CPU of the snapshot; groups[] has n_groups entries. Groups of a node have
 * successive numbers where there are enough for all nodes.
 * Returns the number of groups that have CPUs; -EINVAL.
 */
int
ims_spread_groups(const struct ims_topo *topo, const bool *eligible, uint32_t n_groups,
	uint32_t *group_of_cpu, struct ims_spread_group *groups);

/*
 * The CPU that is to get the next vector, or object.
 *
 * load[] is by CPU, in any unit: what counts is which is larger. That of CPUs which are not
 * eligible counts too, they may serve others.
 *
 * cpu >= 0: this one, whatever its load. Else one of the eligible CPUs on the node nearest to
 * `near` that has any, or on all nodes that are equally near: the one with, in this order,
 *   1. the least load
 *   2. the least load of its core: an idle core before the sibling of a busy CPU
 *   3. the least load of its node for each of the node's eligible CPUs, this one counted in as 1
 *   4. the least load of its package, within the node
 *   5. the least load of its L3, within the node
 *   6. the lowest index
 * On a machine with nodes, L3s and cores all alike, one more of load for each pick makes this the
 * order of ims_spread_order().
 *
 * Returns the CPU; -EINVAL; -ENOENT cpu is not eligible, or no CPU is.
 */
int
ims_spread_pick(
	const struct ims_topo *topo, const bool *eligible, const uint32_t *load, int cpu, int near);

#endif /* _IMS_POOL_SPREAD_H_ */
