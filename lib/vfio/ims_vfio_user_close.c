/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * vfio-user client: descriptors that the peer has passed, and eventfds that it was given, are
 * closed by a thread of their own. To close one takes as long as the peer likes, and no signal ends
 * that: a socket as its SO_LINGER says, a file of a file system in user space (FUSE) until its
 * process has answered. An eventfd of ours can be in an epoll instance of the peer's, which need
 * not keep a copy of it; if epoll_wait() there writes to memory of such a file, whoever closes the
 * last copy waits for that.
 *
 * Nobody waits for the former, which nobody has asked for. When an eventfd has been closed there is
 * one more to be had, so that is waited for, until the peer has cost us a second.
 *
 * The thread outlives the device if it has to, so what it uses is its own.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "ims_deadline.h"
#include "ims_thread.h"
#include "ims_vfio_log.h"
#include "ims_vfio_user.h"

#define MANY        64 /* with more of them it is behind: nothing is received, no eventfd given */
#define AGAIN_MS    10
#define PATIENCE_MS 1000
#define MAX_GIVEN   (PCI_MSIX_FLAGS_QSIZE + 1) /* vectors that a function has */
#define MAX_LEFT    2                          /* of one device's, and it is not opened any more */

struct vu_closer {
	char name[sizeof(((struct ims_vfio *)NULL)->name)];
	pthread_t thread;
	pthread_mutex_t lock; /* a leaf */
	pthread_cond_t work;
	pthread_cond_t done;
	/*
	 * Never full. Of the peer's descriptors there is room for what comes with one receipt more,
	 * and with the message that it completes, for the files of all regions and for the socket;
	 * of eventfds for all that are given out while MANY of them wait.
	 */
	int fds[MANY + VU_SCM_FDS + VU_MAX_FDS + IMS_VFIO_MAX_REGIONS + 1 + MANY + MAX_GIVEN];
	int n;
	int n_given;
	uint32_t patience_ms; /* as long may an eventfd still be waited for */
	bool closing;
	bool ending;
	bool ended;
	bool left; /* alone, to end when it can */
	LIST_ENTRY(vu_closer) next;
};

/* Those that are: a device that is opened again and again costs no more than some of them. */
static pthread_mutex_t left_lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf, too */
static LIST_HEAD(, vu_closer) all_left = LIST_HEAD_INITIALIZER(all_left);

static void
left_add(struct vu_closer *closer)
{
	pthread_mutex_lock(&left_lock);
	LIST_INSERT_HEAD(&all_left, closer, next);
	pthread_mutex_unlock(&left_lock);
}

static void
left_remove(struct vu_closer *closer)
{
	pthread_mutex_lock(&left_lock);
	LIST_REMOVE(closer, next);
	pthread_mutex_unlock(&left_lock);
}

static bool
left_too_many(const char *name)
{
	const struct vu_closer *closer;
	unsigned int n = 0;

	pthread_mutex_lock(&left_lock);
	LIST_FOREACH(closer, &all_left, next)
		n += strcmp(closer->name, name) == 0;
	pthread_mutex_unlock(&left_lock);
	return n >= MAX_LEFT;
}

static void
closer_free(struct vu_closer *closer)
{
	pthread_cond_destroy(&closer->done);
	pthread_cond_destroy(&closer->work);
	pthread_mutex_destroy(&closer->lock);
	free(closer);
}

/* Less by the whole ms that a descriptor took to close, which an honest peer's does not. */
static void
patience_left_locked(struct vu_closer *closer, const struct timespec *deadline)
{
	uint32_t ms = ims_left_ms(deadline);

	closer->patience_ms = ms == 0 ? 0 : RTE_MIN(closer->patience_ms, ms + 1);
}

static IMS_THREAD_RET
closer_main(void *arg)
{
	struct vu_closer *closer = arg;
	struct timespec deadline;
	sigset_t all;
	bool left;
	int fd;

	/* A signal that the kernel gave to this thread would wait with it. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_mutex_lock(&closer->lock);
	for (;;) {
		while (closer->n == 0 && !closer->ending)
			pthread_cond_wait(&closer->work, &closer->lock);
		if (closer->n == 0)
			break;
		fd = closer->fds[--closer->n];
		closer->closing = true;
		ims_deadline_in_ms(&deadline, closer->patience_ms);
		pthread_mutex_unlock(&closer->lock);
		close(fd);
		pthread_mutex_lock(&closer->lock);
		closer->closing = false;
		patience_left_locked(closer, &deadline);
		pthread_cond_broadcast(&closer->done);
	}
	closer->ended = true;
	left = closer->left;
	pthread_cond_broadcast(&closer->done);
	pthread_mutex_unlock(&closer->lock);
	if (left) {
		left_remove(closer);
		closer_free(closer);
	}
	return IMS_THREAD_RET_NONE;
}

int
vu_closer_start(struct ims_vfio_user *c)
{
	struct vu_closer *closer;
	int rc;

	if (left_too_many(c->v.name)) {
		IMS_VFIO_LOG(ERR, "%s: descriptors of its process from before are not closed yet",
			c->v.name);
		return -EBUSY;
	}
	closer = calloc(1, sizeof(*closer));
	if (closer == NULL)
		return -ENOMEM;
	snprintf(closer->name, sizeof(closer->name), "%s", c->v.name);
	closer->patience_ms = PATIENCE_MS;
	pthread_mutex_init(&closer->lock, NULL);
	pthread_cond_init(&closer->work, NULL);
	ims_deadline_cond_init(&closer->done);
	rc = ims_thread_create(&closer->thread, "ims-vfio-close", closer_main, closer);
	if (rc != 0)
		closer_free(closer);
	else
		c->closer = closer;
	return rc;
}

/* False: it is at one that takes too long. That it has not had a CPU yet is no reason. */
static bool
closer_wait_locked(struct vu_closer *closer, uint32_t ms)
{
	struct timespec deadline;

	ims_deadline_in_ms(&deadline, ms);
	while (!closer->ended) {
		if (pthread_cond_timedwait(&closer->done, &closer->lock, &deadline) == 0)
			continue;
		if (closer->closing)
			return false;
		ims_deadline_in_ms(&deadline, AGAIN_MS);
	}
	return true;
}

void
vu_closer_stop(struct ims_vfio_user *c)
{
	struct vu_closer *closer = c->closer;
	pthread_t thread = closer->thread;
	bool left;

	pthread_mutex_lock(&closer->lock);
	closer->ending = true;
	pthread_cond_signal(&closer->work);
	left = !closer_wait_locked(closer, vu_close_ms(c));
	closer->left = left;
	if (left)
		left_add(closer);
	pthread_mutex_unlock(&closer->lock);
	if (left) {
		pthread_detach(thread);
	} else {
		pthread_join(thread, NULL);
		closer_free(closer);
	}
}

bool
vu_close_fds(struct ims_vfio_user *c, const int *fds, int n)
{
	struct vu_closer *closer = c->closer;
	bool behind;

	pthread_mutex_lock(&closer->lock);
	memcpy(closer->fds + closer->n, fds, n * sizeof(*fds));
	closer->n += n;
	behind = closer->n > MANY;
	pthread_cond_signal(&closer->work);
	pthread_mutex_unlock(&closer->lock);
	return behind;
}

bool
vu_closer_behind(struct ims_vfio_user *c, uint32_t wait_ms)
{
	struct vu_closer *closer = c->closer;
	struct timespec deadline;
	int err = 0;
	bool behind;

	ims_deadline_in_ms(&deadline, wait_ms);
	pthread_mutex_lock(&closer->lock);
	while (closer->n > MANY && wait_ms != 0 && err == 0)
		err = pthread_cond_timedwait(&closer->done, &closer->lock, &deadline);
	behind = closer->n > MANY;
	pthread_mutex_unlock(&closer->lock);
	return behind;
}

/*
 * Until no more than so many are left. False: they take too long, or have done so before; then
 * nobody waits any more, for a set's thread may be here, once for each vector.
 */
static bool
wait_patiently_locked(struct ims_vfio *v, struct vu_closer *closer, int left)
{
	struct timespec deadline;
	int err = 0;

	ims_deadline_in_ms(&deadline, closer->patience_ms);
	while (closer->n + closer->closing > left && closer->patience_ms != 0 && err == 0)
		err = pthread_cond_timedwait(&closer->done, &closer->lock, &deadline);
	/* Not if it only has had no CPU. */
	if (err != 0 && closer->closing) {
		closer->patience_ms = 0;
		IMS_VFIO_LOG(WARNING,
			"%s: eventfds that its process was given take long to close, nobody waits "
			"for that any more",
			v->name);
	}
	return closer->n + closer->closing <= left;
}

int
vu_fd_give(struct ims_vfio *v)
{
	struct vu_closer *closer = vu_from(v)->closer;
	int rc = 0;

	pthread_mutex_lock(&closer->lock);
	if (!wait_patiently_locked(v, closer, MANY))
		rc = -ETIMEDOUT;
	else if (closer->n_given == MAX_GIVEN)
		rc = -ENOSPC;
	else
		closer->n_given++;
	pthread_mutex_unlock(&closer->lock);
	return rc;
}

void
vu_fd_close(struct ims_vfio *v, int fd)
{
	struct vu_closer *closer = vu_from(v)->closer;

	pthread_mutex_lock(&closer->lock);
	closer->n_given--;
	closer->fds[closer->n++] = fd;
	pthread_cond_signal(&closer->work);
	wait_patiently_locked(v, closer, 0);
	pthread_mutex_unlock(&closer->lock);
}
