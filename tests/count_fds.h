/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _COUNT_FDS_H_
#define _COUNT_FDS_H_

#include <dirent.h>

/*
 * Descriptors that this process has now, and a few more, always the same number; 0: it cannot be
 * told.
 */
static inline unsigned int
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

#endif /* _COUNT_FDS_H_ */
