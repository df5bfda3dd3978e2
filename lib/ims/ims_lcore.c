/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <rte_lcore.h>

#include "ims_private.h"

/*
 * rte_lcore_to_cpu_id() is not it: it gives the core's number within its package, the same for CPUs
 * of different packages (lib/eal/common/eal_common_lcore.c). An lcore that may run on several CPUs
 * is taken for the first one of them.
 */
int
ims_lcore_cpu(unsigned int lcore_id)
{
	rte_cpuset_t cpus = rte_lcore_cpuset(lcore_id);
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			return cpu;
	return -1;
}
