/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * vfio-user client: what is sent. Nothing here blocks, for the thread may be a wait set's and have
 * other devices to serve: what the socket has no room for is kept, and the client's thread sends
 * it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_branch_prediction.h>

#include "ims_vfio_user.h"

static void
tx_waits_set(struct ims_vfio_user *c, bool waits)
{
	pthread_mutex_lock(&c->lock);
	c->tx_waits = waits;
	vu_watch_update_locked(c);
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

/*
 * Descriptors travel with the first byte. How much was sent; -EAGAIN: nothing now; -ENODEV; or the
 * errno value of what is wrong with these bytes or descriptors, of which nothing was sent.
 */
static ssize_t
tx_some(struct ims_vfio_user *c, const struct msghdr *msg)
{
	ssize_t n;

	do {
		n = sendmsg(c->sock, msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno != EPIPE && errno != ECONNRESET && errno != ENOTCONN)
		return -errno;
	vu_broken(c, strerror(errno));
	return -ENODEV;
}

int
vu_tx_flush_locked(struct ims_vfio_user *c)
{
	struct iovec iov = { .iov_len = c->tx_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (likely(c->tx_len == 0))
		return 0;
	iov.iov_base = c->tx_buf + c->tx_at;
	n = tx_some(c, &msg);
	if (n < 0 && n != -EAGAIN && n != -ENODEV) {
		vu_broken(c, strerror(-n)); /* half a message may be out */
		n = -ENODEV;
	}
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

int
vu_tx_send_locked(struct ims_vfio_user *c, struct iovec *iov, int n_iov, const int *fds, int n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VU_MAX_FDS * sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n_iov };
	struct cmsghdr *cm;
	ssize_t n;

	n = vu_tx_flush_locked(c);
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
		vu_broken(c, strerror(-n)); /* half a message is out */
	return n != 0 ? -ENODEV : 0;
}

void
vu_reply(struct ims_vfio_user *c, uint16_t id, uint16_t command, int error, const void *data,
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
	rc = vu_tx_send_locked(c, iov, n, NULL, 0);
	if (rc == -EAGAIN) {
		ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_UNREAD_REPLY, 1);
		rc = tx_keep_locked(c, iov, n);
	}
	if (rc != 0)
		vu_broken(c, "its process does not read the replies it asked for");
	pthread_mutex_unlock(&c->tx_lock);
}
