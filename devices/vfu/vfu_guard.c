/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * What a client can do to a server behind the protocol's back, and must not stop it for those who
 * come after.
 *
 * - It cuts the file behind one of its maps short: the next access is a SIGBUS. The map is replaced
 *   by zeroes and the client is dropped. Accesses are made with the lock held, so the thread that
 *   faults is the one that may look at the maps.
 * - It makes its eventfd block, and fills it, just before the server signals it: the write would
 *   never return. A thread of its own sees that and interrupts it.
 * - It passes a TCP socket with data that nobody reads, and SO_LINGER set: the last one to close it
 *   waits for as long as the client has chosen. What the kernel closes for us, as descriptors that
 *   this process has no room for, is left to that thread. Connections, with what is in their
 *   queues, are closed by another one: vfu_closer.c. What the server has received, by vfu_reject.c.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ticks.h"
#include "vfu_priv.h"

#define MAX_SERVERS 8    /* in one process: tests have a few */
#define SERVER_MS   1000 /* from one look at the server to the next */
#define CLOSER_MS   10   /* at the closer, while it has something to do */

static _Atomic(struct vfu *) servers[MAX_SERVERS];

/* The client has gone as far as we are concerned. Safe in a signal handler. */
static void
give_up_client(struct vfu *vfu)
{
	vfu->broken = true;
	if (vfu->sock >= 0)
		shutdown(vfu->sock, SHUT_RDWR); /* which wakes vfu_run() */
}

/* The map goes, its addresses stay: whoever is using them reads zeroes. */
static bool
replace_map(struct vfu *vfu, uintptr_t addr)
{
	const struct vfu_map *map;
	uint32_t i;

	for (i = 0; i < vfu->n_maps; i++) {
		map = vfu->maps[i];
		if (map->base == NULL || addr < (uintptr_t)map->base ||
			addr - (uintptr_t)map->base >= map->base_len)
			continue;
		if (mmap(map->base, map->base_len, PROT_READ | PROT_WRITE,
			    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			    0) == MAP_FAILED)
			return false;
		give_up_client(vfu);
		return true;
	}
	return false;
}

static void
on_sigbus(int sig, siginfo_t *info, void *context)
{
	struct vfu *vfu;
	int err = errno;
	unsigned int i;

	for (i = 0; i < MAX_SERVERS; i++) {
		vfu = atomic_load(&servers[i]);
		if (vfu != NULL && atomic_load(&vfu->has_holder) &&
			pthread_equal(vfu->holder, pthread_self()) &&
			replace_map(vfu, (uintptr_t)info->si_addr)) {
			errno = err;
			return;
		}
	}
	/* Not ours: the access is made again, and has the effect it always had. */
	signal(SIGBUS, SIG_DFL);
}

/* Its arrival is all that is wanted: the system call returns. */
static void
on_interrupt(int sig)
{
}

static void
install_handlers(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	sigaction(SIGBUS, &sa, NULL);
	sa = (struct sigaction){ .sa_handler = on_interrupt }; /* no SA_RESTART */
	sigaction(VFU_GUARD_SIGNAL, &sa, NULL);
}

/* Who counts has the lock, so no locked operation. */
static void
seq_next(struct vfu *vfu)
{
	uint64_t seq = atomic_load_explicit(&vfu->guard_seq, memory_order_relaxed);

	atomic_store_explicit(&vfu->guard_seq, seq + 1, memory_order_release);
}

void
vfu_guard_begin(struct vfu *vfu)
{
	atomic_store_explicit(&vfu->guarded, pthread_self(), memory_order_relaxed);
	seq_next(vfu);
}

bool
vfu_guard_end(struct vfu *vfu)
{
	uint64_t seq = atomic_load_explicit(&vfu->guard_seq, memory_order_relaxed);

	seq_next(vfu);
	return atomic_load_explicit(&vfu->interrupted, memory_order_relaxed) == seq;
}

void
vfu_guard_close(struct vfu *vfu, int sock)
{
	vfu_guard_begin(vfu);
	close(sock);
	vfu_guard_end(vfu);
}

void
vfu_guard_blocked(struct vfu *vfu)
{
	vfu_trace(vfu, "a descriptor of the client blocks\n");
	give_up_client(vfu);
}

/* A number is odd within a call; one that is the same at the next look has not returned. */
static void
look_at_server(struct vfu *vfu, uint64_t *last)
{
	uint64_t seq = atomic_load_explicit(&vfu->guard_seq, memory_order_acquire);

	if (seq % 2 == 1 && seq == *last) {
		atomic_store_explicit(&vfu->interrupted, seq, memory_order_relaxed);
		pthread_kill(atomic_load_explicit(&vfu->guarded, memory_order_relaxed),
			VFU_GUARD_SIGNAL);
	}
	*last = seq;
}

/* Its close() may be interrupted at any time: the connection is closed all the same. */
static void
look_at_closer(struct vfu *vfu, uint64_t *last)
{
	uint64_t seq = atomic_load(&vfu->closer_seq);

	if (seq % 2 == 1 && seq == *last)
		pthread_kill(vfu->closer, VFU_GUARD_SIGNAL);
	*last = seq;
}

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
wait_until(struct vfu *vfu, uint64_t ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	pthread_cond_timedwait(&vfu->guard_cond, &vfu->guard_lock, &ts);
}

static void *
guard_thread(void *arg)
{
	uint64_t last = 0, closer_last = 0, now = now_ms(), next = now + SERVER_MS;
	struct vfu *vfu = arg;

	pthread_mutex_lock(&vfu->guard_lock);
	while (!vfu->guard_stop) {
		wait_until(vfu, vfu->n_closing != 0 ? now + CLOSER_MS : next);
		now = now_ms();
		if (vfu->n_closing != 0)
			look_at_closer(vfu, &closer_last);
		if (now < next)
			continue;
		look_at_server(vfu, &last);
		next = now + SERVER_MS;
	}
	pthread_mutex_unlock(&vfu->guard_lock);
	return NULL;
}

static int
guard_start(struct vfu *vfu)
{
	int rc;

	clock_cond_init(&vfu->guard_cond);
	pthread_mutex_init(&vfu->guard_lock, NULL);
	rc = pthread_create(&vfu->guard, NULL, guard_thread, vfu);
	if (rc != 0) {
		pthread_mutex_destroy(&vfu->guard_lock);
		pthread_cond_destroy(&vfu->guard_cond);
		return -rc;
	}
	vfu->has_guard = true;
	return 0;
}

int
vfu_guard_init(struct vfu *vfu)
{
	struct vfu *none;
	unsigned int i;
	int rc;

	install_handlers();
	rc = guard_start(vfu);
	if (rc != 0)
		return rc;
	for (i = 0; i < MAX_SERVERS; i++) {
		none = NULL;
		if (atomic_compare_exchange_strong(&servers[i], &none, vfu))
			return 0;
	}
	return -ENOSPC;
}

void
vfu_guard_fini(struct vfu *vfu)
{
	struct vfu *self;
	unsigned int i;

	for (i = 0; i < MAX_SERVERS; i++) {
		self = vfu;
		atomic_compare_exchange_strong(&servers[i], &self, NULL);
	}
	if (!vfu->has_guard)
		return;
	pthread_mutex_lock(&vfu->guard_lock);
	vfu->guard_stop = true;
	pthread_cond_signal(&vfu->guard_cond);
	pthread_mutex_unlock(&vfu->guard_lock);
	pthread_join(vfu->guard, NULL);
	pthread_mutex_destroy(&vfu->guard_lock);
	pthread_cond_destroy(&vfu->guard_cond);
}
