/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * What the kernel tells of descriptors in /proc/self/fdinfo.
 *
 * Eventfds of the caller's own behind dedicated vectors. An eventfd has one vector at most: KVM's
 * irqbypass knows an interrupt by its eventfd, and a second producer with the same one silently
 * loses the posting (virt/lib/irqbypass.c). Descriptors are compared by what they refer to, so that
 * a duplicate does not go unnoticed.
 */

#include <ctype.h>
#include <dirent.h>
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

static FILE *
fdinfo_open(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return fopen(path, "re");
}

/*
 * The value of the first line of this form: 0, or -EBADF, -EINVAL there is none, or why it cannot
 * be read.
 */
static int
fdinfo_get(int fd, const char *form, void *val)
{
	int rc = -EINVAL;
	char line[128];
	FILE *f;

	f = fdinfo_open(fd);
	if (f == NULL)
		return fcntl(fd, F_GETFD) < 0 ? -EBADF : -errno;
	errno = 0;
	while (rc != 0 && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, form, val) == 1)
			rc = 0;
	if (rc != 0 && errno != 0)
		rc = -errno;
	fclose(f);
	return rc;
}

/* Number of the eventfd behind a descriptor (Linux 5.2), -EINVAL: it is none. */
static long
eventfd_id(int fd)
{
	long id = -EINVAL;
	int rc;

	rc = fdinfo_get(fd, "eventfd-id: %ld", &id);
	return rc == 0 ? id : rc;
}

int
ims_fd_count(int fd, uint64_t *count)
{
	return fdinfo_get(fd, "eventfd-count: %" SCNx64, count);
}

/* The descriptors that an epoll instance watches; another file has no such lines. */
static int
pairs_add(int epfd, struct ims_epoll_pair **pairs, int n)
{
	struct ims_epoll_pair pair = { .epfd = epfd }, *more;
	char line[128];
	FILE *f;

	f = fdinfo_open(epfd);
	if (f == NULL)
		return n; /* it was closed meanwhile */
	while (n >= 0 && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "tfd: %d events: %" SCNx32, &pair.fd, &pair.events) != 2)
			continue;
		more = realloc(*pairs, (n + 1) * sizeof(pair));
		if (more == NULL) {
			n = -ENOMEM;
			break;
		}
		*pairs = more;
		more[n++] = pair;
	}
	fclose(f);
	return n;
}

static int
compare_fd(const void *a, const void *b)
{
	const struct ims_epoll_pair *x = a, *y = b;

	return (x->fd > y->fd) - (x->fd < y->fd);
}

int
ims_epoll_pairs(int epfd, struct ims_epoll_pair **pairs)
{
	struct dirent *entry;
	DIR *dir = NULL;
	int n = 0;

	*pairs = NULL;
	if (epfd >= 0)
		return pairs_add(epfd, pairs, 0);
	dir = opendir("/proc/self/fd");
	while (dir != NULL && n >= 0 && (entry = readdir(dir)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			n = pairs_add(atoi(entry->d_name), pairs, n);
	if (dir != NULL)
		closedir(dir);
	if (n > 0)
		qsort(*pairs, n, sizeof(**pairs), compare_fd);
	return n;
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
