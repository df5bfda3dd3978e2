/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Connections are closed by a thread of their own. A connection may have descriptors in its queue
 * that nobody has received; the kernel closes them with it, and one that is a TCP socket with
 * SO_LINGER set is waited for, for as long as whoever sent it has chosen. The guard cuts that
 * short; meanwhile the server does not wait, and so neither does the client that it has.
 *
 * The other side sees the end of its connection before it is closed. While as many wait as there
 * may be, no more are accepted.
 */

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfu_priv.h"

static void
listener_watch(struct vfu *vfu, bool on)
{
	struct epoll_event ev = { .events = on ? EPOLLIN : 0, .data.ptr = &vfu->listener };

	epoll_ctl(vfu->epfd, EPOLL_CTL_MOD, vfu->listener, &ev);
	vfu->listener_waits = !on;
}

/* Who looks at the number sees that it is odd while close() has not returned. */
static void
close_one(struct vfu *vfu, int fd)
{
	pthread_mutex_unlock(&vfu->guard_lock);
	atomic_fetch_add(&vfu->closer_seq, 1);
	close(fd);
	atomic_fetch_add(&vfu->closer_seq, 1);
	pthread_mutex_lock(&vfu->guard_lock);
}

static void *
closer_thread(void *arg)
{
	struct vfu *vfu = arg;

	pthread_mutex_lock(&vfu->guard_lock);
	while (vfu->n_closing != 0 || !vfu->closer_stop) {
		if (vfu->n_closing == 0) {
			pthread_cond_wait(&vfu->closer_cond, &vfu->guard_lock);
			continue;
		}
		close_one(vfu, vfu->closing[vfu->next_closing]);
		vfu->next_closing = (vfu->next_closing + 1) % VFU_MAX_CLOSING;
		vfu->n_closing--;
		if (vfu->listener_waits)
			listener_watch(vfu, true);
	}
	pthread_mutex_unlock(&vfu->guard_lock);
	return NULL;
}

/* Room for the present client's connection and the one that is about to be accepted. */
bool
vfu_closer_has_room(struct vfu *vfu)
{
	bool room;

	pthread_mutex_lock(&vfu->guard_lock);
	room = vfu->n_closing + 2 <= VFU_MAX_CLOSING;
	if (!room)
		listener_watch(vfu, false);
	pthread_mutex_unlock(&vfu->guard_lock);
	return room;
}

void
vfu_closer_put(struct vfu *vfu, int sock)
{
	bool room;

	shutdown(sock, SHUT_RDWR);
	pthread_mutex_lock(&vfu->guard_lock);
	room = vfu->has_closer && vfu->n_closing < VFU_MAX_CLOSING;
	if (room) {
		vfu->closing[(vfu->next_closing + vfu->n_closing++) % VFU_MAX_CLOSING] = sock;
		pthread_cond_signal(&vfu->closer_cond);
		pthread_cond_signal(&vfu->guard_cond); /* it looks more often now */
	}
	pthread_mutex_unlock(&vfu->guard_lock);
	if (!room)
		vfu_guard_close(vfu, sock);
}

int
vfu_closer_init(struct vfu *vfu)
{
	int rc;

	pthread_cond_init(&vfu->closer_cond, NULL);
	rc = pthread_create(&vfu->closer, NULL, closer_thread, vfu);
	if (rc != 0)
		pthread_cond_destroy(&vfu->closer_cond);
	vfu->has_closer = rc == 0;
	return -rc;
}

void
vfu_closer_fini(struct vfu *vfu)
{
	if (!vfu->has_closer)
		return;
	pthread_mutex_lock(&vfu->guard_lock);
	vfu->closer_stop = true;
	pthread_cond_signal(&vfu->closer_cond);
	pthread_mutex_unlock(&vfu->guard_lock);
	pthread_join(vfu->closer, NULL);
	pthread_cond_destroy(&vfu->closer_cond);
	vfu->has_closer = false;
}
