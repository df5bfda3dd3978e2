/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Eventfds of the caller's own behind dedicated vectors. An eventfd has one vector at most: KVM's
 * irqbypass knows an interrupt by its eventfd, and a second producer with the same one silently
 * loses the posting (virt/lib/irqbypass.c). Descriptors are compared by what they refer to, so that
 * a duplicate does not go unnoticed.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "ims_private.h"

struct claim {
	LIST_ENTRY(claim) next;
	const struct rte_ims_vec *vec;
	long id;
};

static LIST_HEAD(, claim) claims = LIST_HEAD_INITIALIZER(claims);
static pthread_mutex_t claims_lock = PTHREAD_MUTEX_INITIALIZER;

/* Number of the eventfd behind a descriptor (Linux 5.2), -EINVAL: it is none. */
static long
eventfd_id(int fd)
{
	char path[64], line[128];
	long id = -EINVAL;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (f == NULL)
		return fcntl(fd, F_GETFD) < 0 ? -EBADF : -errno;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "eventfd-id: %ld", &id) == 1)
			break;
	fclose(f);
	return id;
}

int
ims_fd_claim(const struct rte_ims_vec *vec, int fd)
{
	struct claim *claim, *other;
	long id = eventfd_id(fd);

	if (id < 0)
		return id;
	claim = malloc(sizeof(*claim));
	if (claim == NULL)
		return -ENOMEM;
	claim->vec = vec;
	claim->id = id;
	pthread_mutex_lock(&claims_lock);
	LIST_FOREACH(other, &claims, next)
		if (other->id == id)
			break;
	if (other == NULL)
		LIST_INSERT_HEAD(&claims, claim, next);
	pthread_mutex_unlock(&claims_lock);
	if (other == NULL)
		return 0;
	free(claim);
	return -EBUSY;
}

void
ims_fd_release(const struct rte_ims_vec *vec)
{
	struct claim *claim;

	pthread_mutex_lock(&claims_lock);
	LIST_FOREACH(claim, &claims, next)
		if (claim->vec == vec)
			break;
	if (claim != NULL)
		LIST_REMOVE(claim, next);
	pthread_mutex_unlock(&claims_lock);
	free(claim);
}
