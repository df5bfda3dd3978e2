/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _DEVSRV_H_
#define _DEVSRV_H_

#include <sys/types.h>
#include <sys/un.h>

/* The program as it is run, IMS_DEVSRV, with a socket of its own. */
struct devsrv {
	pid_t pid;
	struct sockaddr_un address;
};

/* Returns when it listens. */
void
devsrv_start(struct devsrv *d);
int
devsrv_connect(const struct devsrv *d);
/* The processes that serve, or did, oldest first: one or two. */
int
devsrv_servers(const struct devsrv *d, pid_t pids[2]);
/* It ends as it should. */
void
devsrv_check_ends(const struct devsrv *d);

#endif /* _DEVSRV_H_ */
