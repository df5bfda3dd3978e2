/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _WATCHER_H_
#define _WATCHER_H_

#include <stdatomic.h>

#include "vfu.h"

/* What the process that watches shares with its servers. */
struct watched {
	atomic_uint progress; /* of all servers: they count what shows that they are not held */
	/* Whoever sets it says that the service is ready. If that is told to end: nobody. */
	atomic_bool announced;
};

#define WATCHER_SERVE (-1)

/*
 * Start a server, a child of this process, and watch it. Returns in each server that is started,
 * with WATCHER_SERVE: it is to serve the listener, and to count in *watched. Returns here when the
 * last one has ended, with its exit status, and the socket's file is removed, unless another
 * service has put its own there.
 *
 * SIGTERM, SIGINT, SIGUSR1 and SIGHUP are blocked, in servers too, to which they are passed on, the
 * last one as SIGTERM. No thread has been started.
 */
int
watcher_run(int listener, const struct vfu_file *file, struct watched **watched);

#endif /* _WATCHER_H_ */
