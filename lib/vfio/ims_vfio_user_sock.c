/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Framing, descriptors, commands and replies, and who reads the socket. */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_branch_prediction.h>

#include "ims_thread.h"
#include "ims_vfio_log.h"
#include "ims_vfio_user.h"

/* struct ims_vfio_event.ack: the message's id, and this bit if it wants no reply. */
#define ACK_NO_REPLY 0x10000u

static void
close_fds(const int *fds, int n)
{
	int i;

	for (i = 0; i < n; i++)
		close(fds[i]);
}

/* The thread looks for data when nobody else does, and always for the end of the connection. */
static void
watch_update_locked(struct ims_vfio_user *c)
{
	struct epoll_event ev = { .events = EPOLLRDHUP, .data.fd = c->sock };

	if (c->reader == NULL || !LIST_EMPTY(&c->calls) || c->n_fdless != 0)
		ev.events |= EPOLLIN;
	if (c->tx_waits)
		ev.events |= EPOLLOUT;
	epoll_ctl(c->epfd, EPOLL_CTL_MOD, c->sock, &ev);
}

static void
call_finish_locked(struct vu_call *call, int rc)
{
	LIST_REMOVE(call, next);
	call->rc = rc;
	call->done = true;
	pthread_cond_signal(&call->cond);
}

/* The connection is of no more use: the device is gone, and every command waiting fails. */
static void
broken(struct ims_vfio_user *c, const char *why)
{
	struct vu_call *call;

	if (atomic_load(&c->up) && !atomic_load(&c->v.removed))
		IMS_VFIO_LOG(NOTICE, "%s: device removed: %s", c->v.name, why);
	ims_vfio_set_removed(&c->v);
	shutdown(c->sock, SHUT_RDWR);
	pthread_mutex_lock(&c->lock);
	while ((call = LIST_FIRST(&c->calls)) != NULL)
		call_finish_locked(call, -ENODEV);
	pthread_mutex_unlock(&c->lock);
}

static void
tx_waits_set(struct ims_vfio_user *c, bool waits)
{
	pthread_mutex_lock(&c->lock);
	c->tx_waits = waits;
	watch_update_locked(c);
	pthread_mutex_unlock(&c->lock);
}

/* For the client's thread to send. */
static int
tx_keep_locked(struct ims_vfio_user *c, const struct iovec *iov, size_t n_iov)
{
	size_t len = 0, i;

	for (i = 0; i < n_iov; i++)
		len += iov[i].iov_len;
	if (c->tx_len + len > VU_MAX_TX)
		return -ENOBUFS;
	/* Of twice the size: what is moved to its front is less than what has been sent. */
	if (c->tx_buf == NULL)
		c->tx_buf = malloc(2 * VU_MAX_TX);
	if (c->tx_buf == NULL)
		return -ENOMEM;
	if (c->tx_at + c->tx_len + len > 2 * VU_MAX_TX) {
		memmove(c->tx_buf, c->tx_buf + c->tx_at, c->tx_len);
		c->tx_at = 0;
	}
	for (i = 0; i < n_iov; i++) {
		memcpy(c->tx_buf + c->tx_at + c->tx_len, iov[i].iov_base, iov[i].iov_len);
		c->tx_len += iov[i].iov_len;
	}
	if (!c->tx_waits)
		tx_waits_set(c, true);
	return 0;
}

/* Descriptors travel with the first byte. How much was sent; -EAGAIN: nothing now; -ENODEV. */
static ssize_t
tx_some(struct ims_vfio_user *c, const struct msghdr *msg)
{
	ssize_t n;

	do {
		n = sendmsg(c->sock, msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN)
		return -EAGAIN;
	broken(c, strerror(errno));
	return -ENODEV;
}

/* What has been kept. 0; -EAGAIN: there is more; -ENODEV. */
static int
tx_flush_locked(struct ims_vfio_user *c)
{
	struct iovec iov = { .iov_len = c->tx_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (likely(c->tx_len == 0))
		return 0;
	iov.iov_base = c->tx_buf + c->tx_at;
	n = tx_some(c, &msg);
	if (n < 0)
		return n;
	c->tx_at += n;
	c->tx_len -= n;
	if (c->tx_len != 0)
		return -EAGAIN;
	free(c->tx_buf);
	c->tx_buf = NULL;
	c->tx_at = 0;
	tx_waits_set(c, false);
	return 0;
}

static void
iov_advance(struct msghdr *msg, size_t n)
{
	while (msg->msg_iovlen != 0 && n >= msg->msg_iov->iov_len) {
		n -= msg->msg_iov->iov_len;
		msg->msg_iov++;
		msg->msg_iovlen--;
	}
	if (msg->msg_iovlen != 0) {
		msg->msg_iov->iov_base = (uint8_t *)msg->msg_iov->iov_base + n;
		msg->msg_iov->iov_len -= n;
	}
}

/*
 * Never blocks: the thread may be a wait set's, and have other devices to serve. 0: it is sent, or the
 * rest of it will be; -EAGAIN: the socket has room for nothing; -ENODEV.
 */
static int
tx_send_locked(struct ims_vfio_user *c, struct iovec *iov, int n_iov, const int *fds, int n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VU_MAX_FDS * sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n_iov };
	struct cmsghdr *cm;
	ssize_t n;

	n = tx_flush_locked(c);
	if (n != 0)
		return n;
	if (n_fds != 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, n_fds * sizeof(int));
	}
	n = tx_some(c, &msg);
	if (n < 0)
		return n;
	iov_advance(&msg, n);
	if (msg.msg_iovlen == 0)
		return 0;
	n = tx_keep_locked(c, msg.msg_iov, msg.msg_iovlen);
	if (n != 0)
		broken(c, strerror(-n)); /* half a message is out */
	return n != 0 ? -ENODEV : 0;
}

static void
reply(struct ims_vfio_user *c, uint16_t id, uint16_t command, int error, const void *data,
	size_t len)
{
	struct vfio_user_header hdr = {
		.id = id,
		.command = command,
		.size = sizeof(hdr) + (error == 0 ? len : 0),
		.flags = VFIO_USER_F_TYPE_REPLY | (error == 0 ? 0 : VFIO_USER_F_ERROR),
		.error = error,
	};
	struct iovec iov[2] = {
		{ .iov_base = &hdr, .iov_len = sizeof(hdr) },
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = len },
	};
	int n = error == 0 && len != 0 ? 2 : 1, rc;

	pthread_mutex_lock(&c->tx_lock);
	rc = tx_send_locked(c, iov, n, NULL, 0);
	if (rc == -EAGAIN)
		rc = tx_keep_locked(c, iov, n);
	if (rc != 0)
		broken(c, "its process does not read the replies it asked for");
	pthread_mutex_unlock(&c->tx_lock);
}

static void
handle_reply(struct ims_vfio_user *c, const struct vfio_user_header *hdr, const uint8_t *data,
	size_t len, int *fds, int *n_fds)
{
	struct vu_call *call;
	int rc;

	pthread_mutex_lock(&c->lock);
	LIST_FOREACH(call, &c->calls, next)
		if (call->id == hdr->id)
			break;
	if (call == NULL) {
		pthread_mutex_unlock(&c->lock);
		IMS_VFIO_LOG(DEBUG, "%s: reply %u came too late or was not asked for", c->v.name,
			hdr->id);
		return;
	}
	if (call->command != hdr->command)
		rc = -EPROTO;
	else if (hdr->flags & VFIO_USER_F_ERROR)
		rc = hdr->error > 0 && hdr->error < 4096 ? -(int)hdr->error : -EPROTO;
	else if (len < call->reply_min || len > call->reply_cap)
		rc = -EPROTO;
	else
		rc = 0;
	if (rc == 0) {
		if (len != 0)
			memcpy(call->reply, data, len);
		call->reply_len = len;
		memcpy(call->reply_fds, fds, *n_fds * sizeof(*fds));
		call->n_reply_fds = *n_fds;
		*n_fds = 0;
	}
	call_finish_locked(call, rc);
	pthread_mutex_unlock(&c->lock);
}

/* The device writes memory or, in the MSI window, raises an interrupt. True: ev is for the reader. */
static bool
handle_dma_write(struct ims_vfio_user *c, const struct vfio_user_header *hdr, uint8_t *data,
	size_t len, const void *reader, struct ims_vfio_event *ev)
{
	bool no_reply = hdr->flags & VFIO_USER_F_NO_REPLY;
	struct vfio_user_dma_access acc = { 0 };
	uint64_t cookie = 0;
	int rc = -EINVAL;

	if (len >= sizeof(acc)) {
		memcpy(&acc, data, sizeof(acc));
		data += sizeof(acc);
		if (acc.count != len - sizeof(acc))
			rc = -EINVAL;
		else if (acc.addr >= VFIO_USER_MSI_WINDOW_BASE &&
			 acc.addr < VFIO_USER_MSI_WINDOW_BASE + VFIO_USER_MSI_WINDOW_SIZE)
			rc = vu_msi_deliver(c, acc.addr, data, acc.count, reader, &cookie);
		else
			rc = ims_vfio_dma_copy(&c->v, acc.addr, data, acc.count, true);
	}
	if (rc == 1) {
		ev->cookie = cookie;
		ev->addr = acc.addr;
		ev->ack = hdr->id | (no_reply ? ACK_NO_REPLY : 0);
		return true;
	}
	if (!no_reply)
		reply(c, hdr->id, hdr->command, -rc, &acc, sizeof(acc));
	return false;
}

static void
handle_dma_read(struct ims_vfio_user *c, const struct vfio_user_header *hdr, const uint8_t *data,
	size_t len)
{
	struct vfio_user_dma_access acc;
	int rc = -EINVAL;

	if (len == sizeof(acc)) {
		memcpy(&acc, data, sizeof(acc));
		if (acc.count <= VU_MAX_DATA) {
			memcpy(c->rx_reply, &acc, sizeof(acc));
			rc = ims_vfio_dma_copy(
				&c->v, acc.addr, c->rx_reply + sizeof(acc), acc.count, false);
		}
	}
	if ((hdr->flags & VFIO_USER_F_NO_REPLY) == 0)
		reply(c, hdr->id, hdr->command, -rc, c->rx_reply,
			rc == 0 ? sizeof(acc) + acc.count : 0);
}

static bool
handle_msg(struct ims_vfio_user *c, const struct vfio_user_header *hdr, uint8_t *data, size_t len,
	const void *reader, struct ims_vfio_event *ev)
{
	switch (hdr->command) {
	case VFIO_USER_DMA_WRITE:
		return handle_dma_write(c, hdr, data, len, reader, ev);
	case VFIO_USER_DMA_READ:
		handle_dma_read(c, hdr, data, len);
		return false;
	default:
		if ((hdr->flags & VFIO_USER_F_NO_REPLY) == 0)
			reply(c, hdr->id, hdr->command, EOPNOTSUPP, NULL, 0);
		return false;
	}
}

/* Handle the messages that are there in whole. Returns how many events are for the reader. */
static unsigned int
rx_parse(struct ims_vfio_user *c, const void *reader, struct ims_vfio_event *ev, unsigned int n)
{
	struct vfio_user_header hdr;
	unsigned int got = 0;
	size_t pos = 0;
	int none = 0, *n_fds;

	while (c->rx_len - pos >= sizeof(hdr) && (reader == NULL || got < n)) {
		memcpy(&hdr, c->rx_buf + pos, sizeof(hdr));
		if (hdr.size < sizeof(hdr) || hdr.size > VU_MAX_MSG ||
			(hdr.flags & VFIO_USER_F_TYPE_MASK) > VFIO_USER_F_TYPE_REPLY) {
			broken(c, "it sent a malformed message");
			c->rx_len = 0;
			break;
		}
		if (c->rx_len - pos < hdr.size)
			break;
		n_fds = c->n_rx_fds != 0 && c->rx_fds_at == pos ? &c->n_rx_fds : &none;
		if ((hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY)
			handle_reply(c, &hdr, c->rx_buf + pos + sizeof(hdr), hdr.size - sizeof(hdr),
				c->rx_fds, n_fds);
		else if (handle_msg(c, &hdr, c->rx_buf + pos + sizeof(hdr), hdr.size - sizeof(hdr),
				 reader, &ev[got]))
			got++;
		close_fds(c->rx_fds, *n_fds); /* nobody wanted them */
		*n_fds = 0;
		pos += hdr.size;
	}
	if (c->rx_len != 0 && pos != 0) {
		c->rx_len -= pos;
		memmove(c->rx_buf, c->rx_buf + pos, c->rx_len);
		c->rx_fds_at -= c->n_rx_fds != 0 ? pos : 0;
	}
	return got;
}

/*
 * recvmsg() never returns bytes from behind those that descriptors came with, so descriptors belong
 * to the message that began last in what was received.
 */
static size_t
last_begun(const struct ims_vfio_user *c)
{
	struct vfio_user_header hdr;
	size_t pos = 0;

	while (c->rx_len - pos >= sizeof(hdr)) {
		memcpy(&hdr, c->rx_buf + pos, sizeof(hdr));
		if (hdr.size < sizeof(hdr) || hdr.size >= c->rx_len - pos)
			break;
		pos += hdr.size;
	}
	return pos;
}

static void
rx_take_fds(struct ims_vfio_user *c, struct msghdr *msg)
{
	int fds[VU_MAX_FDS], n = 0;
	struct cmsghdr *cm;

	for (cm = CMSG_FIRSTHDR(msg); cm != NULL; cm = CMSG_NXTHDR(msg, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cm), n * sizeof(int));
	}
	/* The kernel drops those that this process has no room for. Regions are reached by messages then. */
	if ((msg->msg_flags & MSG_CTRUNC) != 0 && n < VU_MAX_FDS && !c->fds_lost) {
		c->fds_lost = true;
		IMS_VFIO_LOG(WARNING, "%s: no descriptor is left for what the device sends: %s",
			c->v.name, strerror(EMFILE));
	}
	if (n == 0)
		return;
	if (c->n_rx_fds != 0) {
		close_fds(fds, n); /* a second lot for one message */
		return;
	}
	memcpy(c->rx_fds, fds, n * sizeof(int));
	c->n_rx_fds = n;
	c->rx_fds_at = last_begun(c);
}

/* Take what the socket has: false if nothing. */
static bool
rx_recv(struct ims_vfio_user *c)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VU_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {
		.iov_base = c->rx_buf + c->rx_len,
		.iov_len = VU_MAX_MSG - c->rx_len,
	};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;

	n = recvmsg(c->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n > 0) {
		c->rx_len += n;
		rx_take_fds(c, &msg);
		return true;
	}
	if (n == 0)
		broken(c, "its process closed the connection");
	else if (errno != EAGAIN && errno != EINTR)
		broken(c, strerror(errno));
	return false;
}

static unsigned int
rx_locked(struct ims_vfio_user *c, const void *reader, struct ims_vfio_event *ev, unsigned int n,
	bool recv)
{
	unsigned int got;

	/* What an earlier call had no room for comes first. */
	got = rx_parse(c, reader, ev, n);
	if (recv && (reader == NULL || got < n) && rx_recv(c))
		got += rx_parse(c, reader, ev + got, n - got);
	return got;
}

int
vu_source_read(struct ims_vfio *v, const void *reader, struct ims_vfio_event *ev, unsigned int n,
	bool recv)
{
	struct ims_vfio_user *c = vu_from(v);
	int got;

	/* Another thread that reads delivers to the eventfds of all: nothing to do here. */
	if (pthread_mutex_trylock(&c->rx_lock) != 0)
		return 0;
	got = rx_locked(c, reader, ev, n, recv);
	pthread_mutex_unlock(&c->rx_lock);
	return got;
}

void
vu_source_ack(struct ims_vfio *v, const struct ims_vfio_event *ev, unsigned int n)
{
	struct vfio_user_dma_access acc;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (ev[i].ack & ACK_NO_REPLY)
			continue;
		acc.addr = ev[i].addr;
		acc.count = sizeof(uint32_t);
		reply(vu_from(v), ev[i].ack & 0xffff, VFIO_USER_DMA_WRITE, 0, &acc, sizeof(acc));
	}
}

int
vu_source_take(struct ims_vfio *v, const void *reader)
{
	struct ims_vfio_user *c = vu_from(v);
	int rc = -EBUSY;

	pthread_mutex_lock(&c->lock);
	if (c->reader == NULL) {
		c->reader = reader;
		watch_update_locked(c);
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
		watch_update_locked(c);
	}
	pthread_mutex_unlock(&c->lock);
}

static void
call_begin(struct ims_vfio_user *c, struct vu_call *call)
{
	struct vu_call *other;
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&call->cond, &attr);
	pthread_condattr_destroy(&attr);
	call->done = false;
	call->rc = 0;
	call->reply_len = 0;
	call->n_reply_fds = 0;
	pthread_mutex_lock(&c->lock);
	do {
		call->id = c->next_id++;
		LIST_FOREACH(other, &c->calls, next)
			if (other->id == call->id)
				break;
	} while (other != NULL);
	LIST_INSERT_HEAD(&c->calls, call, next);
	watch_update_locked(c);
	pthread_mutex_unlock(&c->lock);
}

static void
deadline_in_ms(struct timespec *deadline, uint32_t ms)
{
	clock_gettime(CLOCK_MONOTONIC, deadline);
	deadline->tv_sec += ms / 1000;
	deadline->tv_nsec += ms % 1000 * 1000000L;
	if (deadline->tv_nsec >= 1000000000L) {
		deadline->tv_sec++;
		deadline->tv_nsec -= 1000000000L;
	}
}

/* ms, not more than poll() takes and not less than 0. */
static int
left_ms(const struct timespec *deadline)
{
	struct timespec now;
	int64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (deadline->tv_sec - now.tv_sec) * INT64_C(1000) +
	     (deadline->tv_nsec - now.tv_nsec) / 1000000;
	return ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* The lock is not held while the socket has no room: replies are kept meanwhile. */
static int
call_send(struct ims_vfio_user *c, struct iovec *iov, int n_iov, const struct vu_call *call,
	const struct timespec *deadline)
{
	struct pollfd pfd = { .fd = c->sock, .events = POLLOUT };
	int rc, ms;

	for (;;) {
		pthread_mutex_lock(&c->tx_lock);
		rc = tx_send_locked(c, iov, n_iov, call->fds, call->n_fds);
		pthread_mutex_unlock(&c->tx_lock);
		if (rc != -EAGAIN)
			return rc;
		ms = left_ms(deadline);
		if (ms == 0)
			return -ETIMEDOUT;
		poll(&pfd, 1, ms);
	}
}

static int
call_wait(struct ims_vfio_user *c, struct vu_call *call, const struct timespec *deadline, int rc)
{
	int err = 0;

	pthread_mutex_lock(&c->lock);
	while (rc == 0 && !call->done && err == 0)
		err = pthread_cond_timedwait(&call->cond, &c->lock, deadline);
	if (!call->done)
		call_finish_locked(call, rc != 0 ? rc : -ETIMEDOUT);
	watch_update_locked(c);
	pthread_mutex_unlock(&c->lock);
	pthread_cond_destroy(&call->cond);
	return call->rc;
}

int
vu_call(struct ims_vfio_user *c, struct vu_call *call)
{
	struct vfio_user_header hdr = { .command = call->command, .size = sizeof(hdr) };
	struct iovec iov[4] = { { .iov_base = &hdr, .iov_len = sizeof(hdr) } };
	struct timespec deadline;
	int i, rc;

	if (atomic_load(&c->v.removed))
		return -ENODEV;
	deadline_in_ms(&deadline, c->v.timeout_ms);
	for (i = 0; i < call->n_iov; i++) {
		iov[i + 1] = call->iov[i];
		hdr.size += call->iov[i].iov_len;
	}
	call_begin(c, call);
	hdr.id = call->id;
	rc = call_send(c, iov, call->n_iov + 1, call, &deadline);
	/* Gone between the check above and call_begin(): nobody else would end the wait. */
	if (rc == 0 && atomic_load(&c->v.removed))
		rc = -ENODEV;
	rc = call_wait(c, call, &deadline, rc);
	if (rc == -ETIMEDOUT)
		IMS_VFIO_LOG(ERR, "%s: no answer to command %u in %u ms", c->v.name, call->command,
			c->v.timeout_ms);
	return rc;
}

static IMS_THREAD_RET
sock_thread(void *arg)
{
	struct ims_vfio_user *c = arg;
	struct ims_vfio_event none; /* are for us */
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
			tx_flush_locked(c);
			pthread_mutex_unlock(&c->tx_lock);
		}
		if ((ev.events & ~EPOLLOUT) == 0)
			continue;
		pthread_mutex_lock(&c->rx_lock);
		rx_locked(c, NULL, &none, 0, true);
		pthread_mutex_unlock(&c->rx_lock);
	}
	return IMS_THREAD_RET_NONE;
}

int
vu_sock_init(struct ims_vfio_user *c)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int rc;

	LIST_INIT(&c->calls);
	c->epfd = epoll_create1(EPOLL_CLOEXEC);
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	c->rx_buf = malloc(VU_MAX_MSG);
	c->rx_reply = malloc(VU_MAX_MSG);
	rc = -errno;
	if (c->epfd < 0 || c->stop_fd < 0 || c->rx_buf == NULL || c->rx_reply == NULL)
		goto fail;
	rc = -EIO;
	ev.data.fd = c->sock;
	if (epoll_ctl(c->epfd, EPOLL_CTL_ADD, c->sock, &ev) < 0)
		goto fail;
	ev.data.fd = c->stop_fd;
	if (epoll_ctl(c->epfd, EPOLL_CTL_ADD, c->stop_fd, &ev) < 0)
		goto fail;
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->rx_lock, NULL);
	pthread_mutex_init(&c->tx_lock, NULL);
	rc = ims_thread_create(&c->thread, "ims-vfio-user", sock_thread, c);
	if (rc == 0)
		return 0;
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
		broken(c, "it is being closed"); /* ends the thread as well */
	pthread_join(c->thread, NULL);
	close_fds(c->rx_fds, c->n_rx_fds);
	pthread_mutex_destroy(&c->tx_lock);
	pthread_mutex_destroy(&c->rx_lock);
	pthread_mutex_destroy(&c->lock);
	close(c->epfd);
	close(c->stop_fd);
	free(c->rx_buf);
	free(c->rx_reply);
	free(c->tx_buf);
}
