/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* vfio-user client: its thread, who reads the socket, and the end of the connection. */

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ims_thread.h"
#include "ims_vfio_log.h"
#include "ims_vfio_user.h"

void
vu_watch_update_locked(struct ims_vfio_user *c)
{
	struct epoll_event ev = { .events = EPOLLRDHUP, .data.fd = c->sock };

	if (c->reader == NULL || !LIST_EMPTY(&c->calls) || c->n_fdless != 0 || c->shunned)
		ev.events |= EPOLLIN;
	if (c->tx_waits)
		ev.events |= EPOLLOUT;
	epoll_ctl(c->epfd, EPOLL_CTL_MOD, c->sock, &ev);
}

void
vu_broken(struct ims_vfio_user *c, const char *why)
{
	if (atomic_load(&c->v.up) && !atomic_load(&c->v.removed))
		IMS_VFIO_LOG(NOTICE, "%s: device removed: %s", c->v.name, why);
	ims_vfio_set_removed(&c->v);
	shutdown(c->sock, SHUT_RDWR);
	pthread_mutex_lock(&c->lock);
	vu_calls_end_locked(c, -ENODEV);
	pthread_mutex_unlock(&c->lock);
}

int
vu_source_take(struct ims_vfio *v, const void *reader)
{
	struct ims_vfio_user *c = vu_from(v);
	int rc = -EBUSY;

	pthread_mutex_lock(&c->lock);
	if (c->reader == NULL && !c->shunned) {
		c->reader = reader;
		vu_watch_update_locked(c);
		rc = c->sock;
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

void
vu_source_give(struct ims_vfio *v, const void *reader)
{
	struct ims_vfio_user *c = vu_from(v);

	pthread_mutex_lock(&c->lock);
	if (c->reader == reader) {
		c->reader = NULL;
		vu_watch_update_locked(c);
	}
	pthread_mutex_unlock(&c->lock);
}

static IMS_THREAD_RET
sock_thread(void *arg)
{
	struct ims_vfio_user *c = arg;
	struct epoll_event ev;
	int n;

	while (!atomic_load(&c->v.removed)) {
		n = epoll_wait(c->epfd, &ev, 1, -1);
		if (n < 0 && errno != EINTR)
			break;
		if (n <= 0)
			continue;
		if (ev.data.fd == c->stop_fd)
			break;
		if (ev.events & EPOLLOUT) {
			pthread_mutex_lock(&c->tx_lock);
			vu_tx_flush_locked(c);
			pthread_mutex_unlock(&c->tx_lock);
		}
		if ((ev.events & ~EPOLLOUT) == 0)
			continue;
		pthread_mutex_lock(&c->rx_lock);
		vu_rx_locked(c, NULL, NULL, 0);
		pthread_mutex_unlock(&c->rx_lock);
	}
	return IMS_THREAD_RET_NONE;
}

static int
watch_start(struct ims_vfio_user *c)
{
	struct epoll_event sock = { .events = EPOLLIN, .data.fd = c->sock };
	struct epoll_event stop = { .events = EPOLLIN, .data.fd = c->stop_fd };

	if (epoll_ctl(c->epfd, EPOLL_CTL_ADD, c->sock, &sock) < 0 ||
		epoll_ctl(c->epfd, EPOLL_CTL_ADD, c->stop_fd, &stop) < 0)
		return -errno;
	return 0;
}

int
vu_sock_init(struct ims_vfio_user *c)
{
	int rc;

	LIST_INIT(&c->calls);
	c->epfd = epoll_create1(EPOLL_CLOEXEC);
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	c->rx_buf = malloc(VU_MAX_MSG);
	c->rx_reply = malloc(VU_MAX_MSG);
	rc = -errno;
	if (c->epfd < 0 || c->stop_fd < 0 || c->rx_buf == NULL || c->rx_reply == NULL)
		goto fail;
	rc = watch_start(c);
	if (rc != 0)
		goto fail;
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->rx_lock, NULL);
	pthread_mutex_init(&c->tx_lock, NULL);
	rc = vu_closer_start(c);
	if (rc != 0)
		goto fail_locks;
	rc = ims_thread_create(&c->thread, "ims-vfio-user", sock_thread, c);
	if (rc == 0)
		return 0;
	vu_closer_stop(c);
fail_locks:
	pthread_mutex_destroy(&c->tx_lock);
	pthread_mutex_destroy(&c->rx_lock);
	pthread_mutex_destroy(&c->lock);
fail:
	if (c->epfd >= 0)
		close(c->epfd);
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	free(c->rx_buf);
	free(c->rx_reply);
	return rc != 0 ? rc : -EIO;
}

void
vu_sock_fini(struct ims_vfio_user *c)
{
	uint64_t one = 1;

	if (write(c->stop_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		vu_broken(c, "it is being closed"); /* ends the thread as well */
	pthread_join(c->thread, NULL);
	/* In it may be what nobody has received, and that is closed with it. */
	shutdown(c->sock, SHUT_RDWR);
	vu_close_fds(c, &c->sock, 1);
	c->sock = -1;
	vu_close_fds(c, c->rx_fds, c->n_rx_fds);
	vu_closer_stop(c);
	pthread_mutex_destroy(&c->tx_lock);
	pthread_mutex_destroy(&c->rx_lock);
	pthread_mutex_destroy(&c->lock);
	close(c->epfd);
	close(c->stop_fd);
	free(c->rx_buf);
	free(c->rx_reply);
	free(c->tx_buf);
}
