/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The server's life: create, listen, one client after the other, stop. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfu_priv.h"

static int
parts_init(struct vfu *vfu)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &vfu->stop_fd };
	int rc;

	vfu->in = malloc(VFU_MAX_MSG);
	vfu->scratch = malloc(VFU_MAX_DATA);
	if (vfu->in == NULL || vfu->scratch == NULL)
		return -ENOMEM;
	vfu->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (vfu->epfd < 0)
		return -errno;
	vfu->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vfu->stop_fd < 0 || epoll_ctl(vfu->epfd, EPOLL_CTL_ADD, vfu->stop_fd, &ev) < 0)
		return -errno;
	rc = vfu_msix_init(vfu);
	if (rc == 0)
		rc = vfu_guard_init(vfu);
	if (rc == 0)
		rc = vfu_closer_init(vfu);
	return rc == 0 ? vfu_reject_init(vfu) : rc;
}

struct vfu *
vfu_create(const struct vfu_conf *conf)
{
	struct vfu *vfu;
	int rc;

	if (!vfu_msix_conf_good(conf)) {
		errno = EINVAL;
		return NULL;
	}
	vfu = calloc(1, sizeof(*vfu));
	if (vfu == NULL)
		return NULL;
	vfu->conf = *conf;
	vfu->stall_ns = VFU_STALL_MS * 1000000ull;
	vfu->epfd = vfu->stop_fd = vfu->sock = vfu->listener = vfu->spare_fd = -1;
	STAILQ_INIT(&vfu->out);
	pthread_mutex_init(&vfu->lock, NULL);
	vfu_pci_init(vfu);
	rc = parts_init(vfu);
	if (rc != 0) {
		vfu_destroy(vfu);
		errno = -rc;
		return NULL;
	}
	return vfu;
}

void
vfu_destroy(struct vfu *vfu)
{
	/* First, whatever a client's descriptors hold up: another server can take its place. */
	if (vfu->file.path[0] != '\0') /* else no call for it: there may be a sandbox */
		vfu_file_remove(&vfu->file);
	if (vfu->sock >= 0)
		vfu_client_drop(vfu);
	/* With it go connections that wait, and what clients have put into them. */
	if (vfu->listener >= 0)
		vfu_guard_close(vfu, vfu->listener);
	vfu_reject_fini(vfu);
	vfu_closer_fini(vfu);
	vfu_guard_fini(vfu);
	if (vfu->spare_fd >= 0)
		close(vfu->spare_fd);
	if (vfu->epfd >= 0)
		close(vfu->epfd);
	if (vfu->stop_fd >= 0)
		close(vfu->stop_fd);
	vfu_msix_fini(vfu);
	pthread_mutex_destroy(&vfu->lock);
	free(vfu->in);
	free(vfu->scratch);
	free(vfu);
}

int
vfu_listen_on(struct vfu *vfu, int listener)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &vfu->listener };
	int rc;

	vfu->listener = listener;
	rc = vfu_reject_listen(vfu);
	if (rc != 0)
		return rc;
	vfu->spare_fd = fcntl(vfu->stop_fd, F_DUPFD_CLOEXEC, 0);
	if (vfu->spare_fd < 0 || epoll_ctl(vfu->epfd, EPOLL_CTL_ADD, vfu->listener, &ev) < 0)
		return -errno;
	return 0;
}

int
vfu_listen(struct vfu *vfu, const char *path, unsigned int mode)
{
	int listener = vfu_bind(path, mode, &vfu->file);

	return listener < 0 ? listener : vfu_listen_on(vfu, listener);
}

void
vfu_count_progress(struct vfu *vfu, atomic_uint *progress)
{
	vfu->progress = progress;
}

void
vfu_progress(struct vfu *vfu)
{
	if (vfu->progress != NULL)
		atomic_fetch_add_explicit(vfu->progress, 1, memory_order_relaxed);
}

int
vfu_attach(struct vfu *vfu, int sock)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &vfu->sock };

	if (epoll_ctl(vfu->epfd, EPOLL_CTL_ADD, sock, &ev) < 0)
		return -errno;
	vfu->sock = sock;
	vfu->one_client = true;
	vfu_client_heard(vfu);
	return 0;
}

/* Without a descriptor for it a connection cannot even be refused, and would wake us for ever. */
static int
accept_any(struct vfu *vfu)
{
	int sock = accept4(vfu->listener, NULL, NULL, SOCK_CLOEXEC);

	if (sock >= 0 || (errno != EMFILE && errno != ENFILE) || vfu->spare_fd < 0)
		return sock;
	close(vfu->spare_fd);
	sock = accept4(vfu->listener, NULL, NULL, SOCK_CLOEXEC);
	if (sock >= 0)
		vfu_guard_close(vfu, sock);
	vfu->spare_fd = fcntl(vfu->stop_fd, F_DUPFD_CLOEXEC, 0);
	return -1;
}

/*
 * One client at a time: others are told at once, by the end of their connection. But first see
 * whether the present one has gone: its end and the next one's beginning may come together. One
 * that stalls has to go: else it would keep the device from all others by doing nothing.
 */
static void
accept_client(struct vfu *vfu)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &vfu->sock };
	int sock;

	if (vfu->sock >= 0)
		vfu_msg_input(vfu);
	if (vfu->sock >= 0 && (vfu->broken || vfu_client_stalls(vfu)))
		vfu_client_drop(vfu);

	if (!vfu_closer_has_room(vfu))
		return;
	sock = accept_any(vfu);
	vfu_progress(vfu);
	if (sock < 0)
		return;
	if (vfu->sock >= 0 || !vfu_reject_admits(vfu, sock) ||
		epoll_ctl(vfu->epfd, EPOLL_CTL_ADD, sock, &ev) < 0) {
		vfu_closer_put(vfu, sock);
		return;
	}
	vfu->sock = sock;
	vfu_client_heard(vfu);
	vfu_trace(vfu, "client has come\n");
}

int
vfu_watch(struct vfu *vfu, int fd, void (*fn)(void *arg), void *arg)
{
	struct vfu_watch *watch = &vfu->watches[vfu->n_watches];
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = watch };

	if (vfu->n_watches == VFU_MAX_WATCHES)
		return -ENOSPC;
	if (epoll_ctl(vfu->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return -errno;
	watch->fd = fd;
	watch->fn = fn;
	watch->arg = arg;
	vfu->n_watches++;
	return 0;
}

static void
handle_event(struct vfu *vfu, const struct epoll_event *ev)
{
	struct vfu_watch *watch;

	if (ev->data.ptr == &vfu->stop_fd) {
		vfu->running = false;
	} else if (ev->data.ptr == &vfu->listener) {
		accept_client(vfu);
	} else if (ev->data.ptr != &vfu->sock) {
		watch = ev->data.ptr;
		watch->fn(watch->arg);
	} else if (vfu->sock >= 0) {
		if (ev->events & EPOLLOUT)
			vfu_msg_output(vfu);
		if (ev->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			vfu_msg_input(vfu);
	}
}

static bool
lock_awaited(const struct vfu *vfu)
{
	return vfu_lock_wanted(vfu) ||
	       atomic_load_explicit(&vfu->lock_last, memory_order_relaxed) != 0;
}

/*
 * Until all who wait for the lock have had it: it goes to whoever asks, and that would be us again.
 * One of them may hold it for long, so this sleeps; others may come for ever, so it ends.
 */
static void
give_way(const struct vfu *vfu)
{
	const struct timespec nap = { .tv_nsec = 100000 };
	int i;

	for (i = 0; i < 1000 && lock_awaited(vfu); i++)
		nanosleep(&nap, NULL);
}

void
vfu_run(struct vfu *vfu)
{
	struct epoll_event ev[8];
	int n, i;

	vfu->running = true;
	while (vfu->running) {
		n = epoll_wait(vfu->epfd, ev, 8, -1);
		if (atomic_exchange_explicit(&vfu->gives_way, false, memory_order_relaxed))
			give_way(vfu);
		vfu_lock(vfu);
		for (i = 0; i < n; i++)
			handle_event(vfu, &ev[i]);
		if (vfu->sock >= 0 && vfu->broken) {
			vfu_client_drop(vfu);
			if (vfu->one_client)
				vfu->running = false;
		}
		vfu_unlock(vfu);
	}
}

void
vfu_stop(struct vfu *vfu)
{
	uint64_t one = 1;

	/* Nothing to be done if it fails: the counter is full, so a stop is pending. */
	if (write(vfu->stop_fd, &one, sizeof(one)) < 0)
		return;
}

/* For the handler of a signal, which arrives in the holder's own thread. */
static void
set_holder(struct vfu *vfu)
{
	vfu->waited_ns = 0;
	vfu->holder = pthread_self();
	atomic_store_explicit(&vfu->has_holder, true, memory_order_relaxed);
}

void
vfu_lock(struct vfu *vfu)
{
	if (pthread_mutex_trylock(&vfu->lock) != 0) {
		atomic_fetch_add(&vfu->lock_wanted, 1);
		pthread_mutex_lock(&vfu->lock);
		atomic_fetch_sub(&vfu->lock_wanted, 1);
	}
	set_holder(vfu);
}

bool
vfu_lock_wanted(const struct vfu *vfu)
{
	return atomic_load_explicit(&vfu->lock_wanted, memory_order_relaxed) != 0;
}

void
vfu_lock_last(struct vfu *vfu)
{
	if (vfu_lock_wanted(vfu) || pthread_mutex_trylock(&vfu->lock) != 0) {
		atomic_fetch_add(&vfu->lock_last, 1);
		while (vfu_lock_wanted(vfu))
			sched_yield();
		pthread_mutex_lock(&vfu->lock);
		atomic_fetch_sub(&vfu->lock_last, 1);
	}
	set_holder(vfu);
}

void
vfu_unlock(struct vfu *vfu)
{
	atomic_store_explicit(&vfu->has_holder, false, memory_order_relaxed);
	pthread_mutex_unlock(&vfu->lock);
}

struct vfu_stats *
vfu_stats(struct vfu *vfu)
{
	return &vfu->stats;
}
