/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _CHILDREN_H_
#define _CHILDREN_H_

#include <stdio.h>
#include <sys/types.h>

/*
 * The children that a thread has started, oldest first: so many, of which max are in pids; -1: it
 * cannot be told.
 */
static inline int
children_of(pid_t tid, pid_t *pids, int max)
{
	int n = 0, pid;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)tid, (int)tid);
	f = fopen(path, "re");
	if (f == NULL)
		return -1;
	while (fscanf(f, "%d", &pid) == 1) {
		if (n < max)
			pids[n] = pid;
		n++;
	}
	fclose(f);
	return n;
}

#endif /* _CHILDREN_H_ */
