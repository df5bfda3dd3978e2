/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A client's descriptors that the server has no use for are closed by threads that may be lost.
 * Closing one may wait: for the process behind a file system in user space (FUSE_FLUSH), which
 * nothing interrupts. So are its eventfds and pipes, which it may hold as well (vfu_fd.c), and
 * pipes are written to here. The server waits for its thread for a while, so that ordinarily all is
 * closed before the client's next message is looked at; then it drops the client, and the thread
 * stays behind until close() returns. What counts is the time that the thread was at work: not that
 * before it had a CPU, nor that in which the whole process was stopped.
 *
 * It waits with the device's lock held, in the thread that has it, which may be a model's. What a
 * client may have it wait for is bounded: a second in all, some of which is given back as time
 * passes, and COUNTED_NS each time that a thread takes the lock. Then the client is given up,
 * nothing more is signalled to it, and what it leaves is not waited for. After a message that has
 * waited others have the lock first.
 *
 * A thread takes the descriptors of one client at a time, in its slot. A client is let in only if a
 * slot is free, so that there is one when it is needed. Each user may hold VFU_USER_SLOTS of them,
 * and is not let in after that: it takes several users to keep the others out.
 *
 * What is here may be in use when the server is gone: it belongs to the server and to each of its
 * threads, and the last of them frees it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ticks.h"
#include "vfu_priv.h"

/* Those that were too many for a message that was given up, its own, and all vectors'. */
#define SLOT_FDS   (VFU_RECV_FDS + VFU_MAX_FDS + VFU_MAX_MSIX)
#define LONG_NS    10000000ull  /* others may have come for the lock meanwhile */
#define COUNTED_NS 100000000ull /* more than a busy machine makes of a call that does not wait */
#define FORGIVEN   8            /* what is counted is, at this part of the time that passes */
#define STEP_NS    10000000ull  /* of a wait */

struct vfu_slot {
	struct vfu_reject *owner;
	pthread_t thread;
	bool has_thread;
	pthread_cond_t work;
	uid_t uid; /* whose descriptors these are */
	unsigned int n;
	int fds[SLOT_FDS];
	bool at_work; /* at one more, that is not among them any more */
	uint64_t since_ns;
	uint64_t worked_ns; /* before that */
	bool signals;       /* write to this one first */
	int signalled;
	bool written;
};

struct vfu_reject {
	pthread_mutex_t lock; /* for all that is here */
	pthread_cond_t done;
	bool stop;
	unsigned int refs;
	struct vfu_slot *client; /* the present client's, if it has needed one */
	uid_t uid;               /* its user */
	uint64_t charged_ns;     /* to it, as of then */
	uint64_t then_ns;
	struct vfu_slot slots[VFU_MAX_SLOTS];
};

static bool
is_busy(const struct vfu_slot *slot)
{
	return slot->at_work || slot->signals || slot->n != 0;
}

static void
unref_unlock(struct vfu_reject *r)
{
	bool last = --r->refs == 0;
	unsigned int i;

	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	for (i = 0; i < VFU_MAX_SLOTS; i++)
		pthread_cond_destroy(&r->slots[i].work);
	pthread_cond_destroy(&r->done);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void
close_any(int fd)
{
	static const struct linger off;

	/* Nobody waits for what a socket has to send. Of anything else this fails. */
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	close(fd);
}

static bool
signal_any(int fd)
{
	const uint64_t one = 1;

	return write(fd, &one, sizeof(one)) > 0;
}

static void
do_one(struct vfu_slot *slot)
{
	struct vfu_reject *r = slot->owner;
	bool signals = slot->signals, written = false;
	int fd = signals ? slot->signalled : slot->fds[--slot->n];

	slot->signals = false;
	slot->at_work = true;
	slot->since_ns = clock_ns();
	pthread_mutex_unlock(&r->lock);
	if (signals)
		written = signal_any(fd);
	else
		close_any(fd);
	pthread_mutex_lock(&r->lock);
	slot->at_work = false;
	slot->worked_ns += clock_ns() - slot->since_ns;
	slot->written = written;
	if (!is_busy(slot))
		pthread_cond_broadcast(&r->done);
}

static void *
slot_thread(void *arg)
{
	struct vfu_slot *slot = arg;
	struct vfu_reject *r = slot->owner;

	pthread_mutex_lock(&r->lock);
	while (is_busy(slot) || !r->stop) {
		if (is_busy(slot))
			do_one(slot);
		else
			pthread_cond_wait(&slot->work, &r->lock);
	}
	unref_unlock(r);
	return NULL;
}

static uint64_t
worked_ns(const struct vfu_slot *slot)
{
	return slot->worked_ns + (slot->at_work ? clock_ns() - slot->since_ns : 0);
}

/*
 * Wait for the slot's thread, a step at the most: how long of that it was at work. If this process
 * was stopped or had no CPU meanwhile that is a step, too, and nothing if only the thread had none.
 */
static uint64_t
wait_step(struct vfu *vfu, const struct vfu_slot *slot)
{
	uint64_t until = clock_ns() + STEP_NS, before = worked_ns(slot), worked;
	const struct timespec ts = {
		.tv_sec = until / 1000000000,
		.tv_nsec = until % 1000000000,
	};

	pthread_cond_timedwait(&vfu->reject->done, &vfu->reject->lock, &ts);
	vfu_progress(vfu);
	worked = worked_ns(slot) - before;
	return worked < STEP_NS ? worked : STEP_NS;
}

/* False: it is not done after so much work, which becomes what is left of it, and may never be. */
static bool
wait_done(struct vfu *vfu, const struct vfu_slot *slot, uint64_t *left_ns)
{
	uint64_t worked;

	while (is_busy(slot) && *left_ns != 0) {
		worked = wait_step(vfu, slot);
		*left_ns -= worked < *left_ns ? worked : *left_ns;
	}
	return !is_busy(slot);
}

/*
 * The same for as long as the present client may have others wait. Many short waits with the lock
 * held are one that is long.
 */
static bool
wait_for_client(struct vfu *vfu)
{
	struct vfu_reject *r = vfu->reject;
	uint64_t start = clock_ns(), forgiven = (start - r->then_ns) / FORGIVEN, most, left;
	bool done;

	r->charged_ns -= forgiven < r->charged_ns ? forgiven : r->charged_ns;
	left = most = vfu->reject_ms * 1000000ull - r->charged_ns;
	done = wait_done(vfu, r->client, &left);
	r->then_ns = clock_ns();
	vfu->waited_ns += r->then_ns - start;
	if (vfu->waited_ns > COUNTED_NS)
		r->charged_ns += most - left;
	if (vfu->waited_ns > LONG_NS)
		atomic_store_explicit(&vfu->gives_way, true, memory_order_relaxed);
	return done;
}

static struct vfu_slot *
free_slot(struct vfu_reject *r)
{
	unsigned int i;

	for (i = 0; i < VFU_MAX_SLOTS; i++)
		if (r->slots[i].has_thread && !is_busy(&r->slots[i]))
			return &r->slots[i];
	return NULL;
}

static unsigned int
slots_of(const struct vfu_reject *r, uid_t uid)
{
	unsigned int i, n = 0;

	for (i = 0; i < VFU_MAX_SLOTS; i++)
		n += is_busy(&r->slots[i]) && r->slots[i].uid == uid;
	return n;
}

bool
vfu_reject_admits(struct vfu *vfu, int sock)
{
	struct vfu_reject *r = vfu->reject;
	struct ucred peer = { .uid = -1 };
	socklen_t len = sizeof(peer);
	bool admits;

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	pthread_mutex_lock(&r->lock);
	admits = free_slot(r) != NULL && slots_of(r, peer.uid) < VFU_USER_SLOTS;
	if (admits) {
		r->client = NULL;
		r->uid = peer.uid;
		r->charged_ns = 0;
	}
	pthread_mutex_unlock(&r->lock);
	return admits;
}

/* The present client's, which is free; false: it is not, and the client is given up. */
static bool
take_slot(struct vfu_reject *r)
{
	if (r->client != NULL && is_busy(r->client))
		return false;
	r->client = free_slot(r);
	r->client->uid = r->uid;
	return true;
}

bool
vfu_reject_signal(struct vfu *vfu, int fd)
{
	struct vfu_reject *r = vfu->reject;
	bool done = false, written = false;

	pthread_mutex_lock(&r->lock);
	if (take_slot(r)) {
		r->client->signals = true;
		r->client->signalled = fd;
		pthread_cond_signal(&r->client->work);
		done = wait_for_client(vfu);
		written = done && r->client->written;
	}
	pthread_mutex_unlock(&r->lock);
	if (!done)
		vfu_guard_blocked(vfu);
	return written;
}

void
vfu_reject_close(struct vfu *vfu, const int *fds, unsigned int n)
{
	struct vfu_reject *r = vfu->reject;
	bool given_up, done;

	if (n == 0)
		return;
	pthread_mutex_lock(&r->lock);
	given_up = !take_slot(r);
	memcpy(&r->client->fds[r->client->n], fds, n * sizeof(*fds));
	r->client->n += n;
	pthread_cond_signal(&r->client->work);
	done = !given_up && wait_for_client(vfu);
	pthread_mutex_unlock(&r->lock);
	if (!done)
		vfu_guard_blocked(vfu);
}

static int
slot_start(struct vfu_reject *r, struct vfu_slot *slot)
{
	int rc;

	slot->owner = r;
	r->refs++;
	rc = pthread_create(&slot->thread, NULL, slot_thread, slot);
	slot->has_thread = rc == 0;
	r->refs -= rc != 0;
	return -rc;
}

static struct vfu_reject *
reject_create(void)
{
	struct vfu_reject *r = calloc(1, sizeof(*r));
	unsigned int i;

	if (r == NULL)
		return NULL;
	r->refs = 1;
	pthread_mutex_init(&r->lock, NULL);
	clock_cond_init(&r->done);
	for (i = 0; i < VFU_MAX_SLOTS; i++)
		pthread_cond_init(&r->slots[i].work, NULL);
	return r;
}

/* Have so many slots. */
static int
slots_start(struct vfu_reject *r, unsigned int n)
{
	unsigned int i;
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	for (i = 0; i < n && rc == 0; i++)
		if (!r->slots[i].has_thread)
			rc = slot_start(r, &r->slots[i]);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

int
vfu_reject_init(struct vfu *vfu)
{
	vfu->reject_ms = VFU_REJECT_MS;
	vfu->reject = reject_create();
	return vfu->reject != NULL ? slots_start(vfu->reject, 1) : -ENOMEM;
}

int
vfu_reject_listen(struct vfu *vfu)
{
	return slots_start(vfu->reject, VFU_MAX_SLOTS);
}

/* Threads that are at close() still are left alone. */
void
vfu_reject_fini(struct vfu *vfu)
{
	uint64_t left = vfu->reject_ms * 1000000ull;
	struct vfu_reject *r = vfu->reject;
	struct vfu_slot *slot;
	bool done;

	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	for (slot = r->slots; slot < r->slots + VFU_MAX_SLOTS; slot++) {
		if (!slot->has_thread)
			continue;
		pthread_cond_signal(&slot->work);
		done = wait_done(vfu, slot, &left);
		pthread_mutex_unlock(&r->lock);
		if (done)
			pthread_join(slot->thread, NULL);
		else
			pthread_detach(slot->thread);
		pthread_mutex_lock(&r->lock);
	}
	vfu->reject = NULL;
	unref_unlock(r);
}
