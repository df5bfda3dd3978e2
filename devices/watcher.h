/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _WATCHER_H_
#define _WATCHER_H_

#include <stdatomic.h>

/* What the server tells the process that watches it. */
struct watched {
	atomic_uint accepted; /* connections */
	atomic_bool ending;   /* it has been told to: it is not to be replaced */
};

/*
 * Start it, before the server is in its sandbox. It ends with the server; or it takes its place, as
 * this program with argv, the listener being open. argv is not copied. NULL with errno.
 */
struct watched *
watcher_start(int listener, char **argv);

#endif /* _WATCHER_H_ */
