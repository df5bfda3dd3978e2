/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * What a client's descriptor is, found out without asking whoever is behind it. A file of a file
 * system in user space (FUSE) has a process of the client's behind it: fstat(), fstatfs(), poll(),
 * write() and a page of it are requests to that process, which nothing interrupts, not even
 * SIGKILL, if it does not answer. So a descriptor has to be shown to be the kernel's own before
 * anything else is done with it. What is not is closed by vfu_reject.c. So are eventfds and pipes,
 * whose close, and a pipe's write, take locks that their client can hold.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vfu_priv.h"

/*
 * Seals are what the kernel's own two file systems of memory have, tmpfs and hugetlbfs, and looked
 * up in their inodes; any other file is told by its operations (memfd_fcntl() in mm/memfd.c).
 */
bool
vfu_fd_is_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

/*
 * The kernel names what has no path by its kind, and a path begins with a slash
 * (proc_fd_link() in fs/proc/fd.c, d_path() in fs/d_path.c).
 */
static bool
is_kind(int fd, const char *kind)
{
	char path[32], name[64] = { 0 };

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, name, sizeof(name) - 1) < 0)
		return false;
	return strncmp(name, kind, strlen(kind)) == 0;
}

bool
vfu_fd_is_pipe(int fd)
{
	return is_kind(fd, "pipe:[");
}

/* A pipe will do: it is what programs that have no eventfd take. */
bool
vfu_fd_is_event(int fd)
{
	return is_kind(fd, "anon_inode:[eventfd]") || vfu_fd_is_pipe(fd);
}
