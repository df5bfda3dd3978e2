/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * vfio-user client: the peer's descriptors are closed by a thread that nobody waits for. To close
 * one takes as long as the peer likes: a socket as its SO_LINGER says, a file of a file system in
 * user space (FUSE) until its process has answered, and no signal ends that.
 *
 * The thread outlives the device if it has to, so what it uses is its own.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ims_deadline.h"
#include "ims_thread.h"
#include "ims_vfio_log.h"
#include "ims_vfio_user.h"

#define MANY     64 /* with more of them it is behind, and nothing is received */
#define AGAIN_MS 10
#define MAX_LEFT 2 /* of one device's, and it is not opened any more */

struct vu_closer {
	char name[sizeof(((struct ims_vfio *)NULL)->name)];
	pthread_t thread;
	pthread_mutex_t lock; /* a leaf */
	pthread_cond_t work;
	pthread_cond_t done;
	/*
	 * Never full: there is room for what comes with one receipt more, and with the message that
	 * it completes, for the files of all regions and for the socket.
	 */
	int fds[MANY + VU_SCM_FDS + VU_MAX_FDS + IMS_VFIO_MAX_REGIONS + 1];
	int n;
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

static IMS_THREAD_RET
closer_main(void *arg)
{
	struct vu_closer *closer = arg;
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
		pthread_mutex_unlock(&closer->lock);
		close(fd);
		pthread_mutex_lock(&closer->lock);
		closer->closing = false;
		pthread_cond_signal(&closer->done);
	}
	closer->ended = true;
	left = closer->left;
	pthread_cond_signal(&closer->done);
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
