/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _FUSE_HOLD_H_
#define _FUSE_HOLD_H_

#include <pthread.h>

#include "fuse_file.h"

/*
 * Descriptors that hold whoever uses or closes them, in the kernel and out of any signal's reach,
 * until fuse_file_close(). They are not themselves files of a file system in user space.
 */
struct fuse_hold {
	int fd; /* to be passed on, and closed */
	int other;
	void *page;
	pthread_t thread;
};

/*
 * A pipe's end to write to: a thread reads the other one into a page that the file's process does
 * not give, and has the pipe's lock. Who writes to it, or is the last to close it, waits.
 */
void
fuse_hold_pipe(struct fuse_hold *h, struct fuse_file *f);

/*
 * An eventfd in an epoll instance, whose events a thread waits for in such a page, with the
 * instance's lock. Who is the last to close it waits.
 */
void
fuse_hold_epoll(struct fuse_hold *h, struct fuse_file *f);

/* After fuse_file_close(). h->fd has been closed. */
void
fuse_hold_end(struct fuse_hold *h);

#endif /* _FUSE_HOLD_H_ */
