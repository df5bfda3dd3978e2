/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _VFU_BOX_H_
#define _VFU_BOX_H_

#include <pthread.h>
#include <stdbool.h>
#include <sys/un.h>

#include "vfu_peer.h"

/* A server that listens, for clients who come and go. */
struct box {
	struct plain *m;
	struct sockaddr_un address;
	pthread_t thread;
};

void
box_open(struct box *box);
void
box_close(struct box *box);
void
box_connect(struct peer *p, const struct box *box);

/* A client that is well behaved comes, and gets what it asks for. */
void
box_check_served(const struct box *box);
/* The same is refused at once. */
void
box_check_refused(const struct box *box);
/* It is told one or the other. */
bool
box_is_served(const struct box *box);

#endif /* _VFU_BOX_H_ */
