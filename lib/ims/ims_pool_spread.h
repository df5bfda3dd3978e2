/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_POOL_SPREAD_H_
#define _IMS_POOL_SPREAD_H_

#include "ims_topo.h"

/*
 * The CPU that is to get the next vector, or object. A pure function of the snapshot and the
 * caller's arrays: it allocates nothing, keeps nothing, and gives the same answer every time.
 *
 * CPUs and nodes are indexes in the snapshot. eligible[] is by CPU, NULL: all of them are. `near`
 * is the node to be near to, that of a device for example, with or without CPUs; -1: no preference.
 * load[] is by CPU, in any unit: what counts is which is larger. That of CPUs which are not
 * eligible counts too, they may serve others.
 *
 * cpu >= 0: this one, whatever its load. Else one of the eligible CPUs on the node nearest to
 * `near` that has any (the node itself before all others, whatever the distances say), or on all
 * nodes that are equally near: the one with, in this order,
 *   1. the least load
 *   2. the least load of its core: an idle core before the sibling of a busy CPU
 *   3. the least load of its node for each of the node's eligible CPUs, this one counted in as 1
 *   4. the least load of its package, within the node
 *   5. the least load of its L3, within the node
 *   6. the lowest index
 *
 * Pick after pick, from no load at all and with one more for the CPU on each of them. Say N CPUs
 * are to be picked from, those that are eligible on the nearest node or nodes. What holds on any
 * machine:
 *
 *   rounds         every N picks get each of these CPUs, once
 *   cores first    in the first N, when a CPU comes that is the k-th of its core (k = 0, 1 ...), k
 *                  or more of each core's are there already, or all that it has
 *   packages, L3s  among the first CPUs of their cores, in the first N, those of one package are
 *                  never two ahead of those of another one of the node that still has some; the
 *                  same for the L3s of a package
 *
 * And if all of the cores have the same number of the N CPUs:
 *
 *   cores first    in every N
 *   proportion     of any number n of picks, a node with m of the N CPUs has less than one fewer
 *                  than its share n * m / N. Of k > 1 nodes each has less than k - 1 more, and less
 *                  than one more where they all have the same m
 *
 * And if all packages, and all L3s, each counted within a node, have the same number as well:
 *
 *   packages, L3s  among the k-th CPUs of their cores, for every k and in every N
 *   repetition     every N are in the same order
 */
int
ims_spread_pick(
	const struct ims_topo *topo, const bool *eligible, const uint32_t *load, int cpu, int near);

#endif /* _IMS_POOL_SPREAD_H_ */
