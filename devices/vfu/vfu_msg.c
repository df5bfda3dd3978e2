/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Framing. The socket never blocks: a message comes in piece by piece, and what cannot be sent
 * waits in a queue of bounded size. Everything here runs with the device's lock held.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "vfu_priv.h"

/* Cheap, and exact to a few milliseconds. */
static uint64_t
coarse_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

void
vfu_client_heard(struct vfu *vfu)
{
	vfu->heard_ns = coarse_ns();
}

bool
vfu_client_stalls(const struct vfu *vfu)
{
	bool owes = !vfu->versioned || vfu->in_len != 0 || !STAILQ_EMPTY(&vfu->out);

	return owes && coarse_ns() - vfu->heard_ns > vfu->stall_ns;
}

static void
close_in_fds(struct vfu *vfu)
{
	unsigned int i, n = 0;

	for (i = 0; i < vfu->n_in_fds; i++)
		if (vfu->in_fds[i] >= 0)
			vfu->in_fds[n++] = vfu->in_fds[i];
	vfu_reject_close(vfu, vfu->in_fds, n);
	vfu->n_in_fds = 0;
	vfu->fds_more = vfu->fds_lost = false;
}

static void
watch_output(struct vfu *vfu, bool on)
{
	struct epoll_event ev = { .events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = &vfu->sock };

	epoll_ctl(vfu->epfd, EPOLL_CTL_MOD, vfu->sock, &ev);
}

/* Send what has not been sent of one message. 1: all of it, 0: the socket is full, -1: broken. */
static int
out_send(struct vfu *vfu, struct vfu_out *out)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	while (out->sent < out->len) {
		iov.iov_base = out->data + out->sent;
		iov.iov_len = out->len - out->sent;
		if (out->fd >= 0 && out->sent == 0) {
			memset(&control, 0, sizeof(control));
			msg.msg_control = control.buf;
			msg.msg_controllen = sizeof(control.buf);
			CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
			CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
			CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &out->fd, sizeof(int));
		} else {
			msg.msg_control = NULL;
			msg.msg_controllen = 0;
		}
		n = sendmsg(vfu->sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		out->sent += n;
	}
	return 1;
}

void
vfu_msg_output(struct vfu *vfu)
{
	struct vfu_out *out;
	int rc = 1;

	while ((out = STAILQ_FIRST(&vfu->out)) != NULL && rc == 1) {
		rc = out_send(vfu, out);
		if (rc == 1) {
			STAILQ_REMOVE_HEAD(&vfu->out, next);
			vfu->out_bytes -= out->len;
			free(out);
			vfu_client_heard(vfu);
		}
	}
	if (rc < 0)
		vfu->broken = true;
	else if (STAILQ_EMPTY(&vfu->out))
		watch_output(vfu, false);
}

/* The common case allocates nothing: the socket takes the message at once. */
static size_t
send_now(struct vfu *vfu, struct iovec *iov, int n_iov)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n_iov };
	ssize_t n;

	do {
		n = sendmsg(vfu->sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		vfu->broken = true;
	return n < 0 ? 0 : n;
}

static void
out_queue(struct vfu *vfu, const struct iovec *iov, int n_iov, uint32_t len, uint32_t sent, int fd)
{
	struct vfu_out *out;
	uint32_t pos = 0;
	int i;

	if (vfu->out_bytes + len > VFU_MAX_QUEUE) {
		/* It asks, but does not read the answers. A model's thread may be the one to find
		 * out: the end of the connection wakes the server's.
		 */
		vfu->broken = true;
		shutdown(vfu->sock, SHUT_RDWR);
		return;
	}
	out = malloc(sizeof(*out) + len);
	if (out == NULL) {
		vfu->broken = true;
		return;
	}
	for (i = 0; i < n_iov; i++) {
		if (iov[i].iov_len != 0)
			memcpy(out->data + pos, iov[i].iov_base, iov[i].iov_len);
		pos += iov[i].iov_len;
	}
	out->fd = fd;
	out->len = len;
	out->sent = sent;
	if (STAILQ_EMPTY(&vfu->out))
		vfu_client_heard(vfu);
	vfu->out_bytes += len;
	STAILQ_INSERT_TAIL(&vfu->out, out, next);
	watch_output(vfu, true);
}

void
vfu_send(struct vfu *vfu, const struct vfio_user_header *hdr, const void *head, uint32_t head_len,
	const void *data, uint32_t data_len, int fd)
{
	struct iovec iov[3] = {
		{ .iov_base = (void *)(uintptr_t)hdr, .iov_len = sizeof(*hdr) },
		{ .iov_base = (void *)(uintptr_t)head, .iov_len = head_len },
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = data_len },
	};
	uint32_t len = sizeof(*hdr) + head_len + data_len, sent = 0;

	if (vfu->sock < 0 || vfu->broken)
		return;
	if (fd < 0 && STAILQ_EMPTY(&vfu->out)) {
		sent = send_now(vfu, iov, 3);
		if (sent == len || vfu->broken)
			return;
	}
	out_queue(vfu, iov, 3, len, sent, fd);
	if (fd >= 0 && !vfu->broken)
		vfu_msg_output(vfu);
}

void
vfu_reply(struct vfu *vfu, const struct vfu_req *req, const void *head, uint32_t head_len,
	const void *data, uint32_t data_len, int fd)
{
	struct vfio_user_header hdr = {
		.id = req->hdr.id,
		.command = req->hdr.command,
		.size = sizeof(hdr) + head_len + data_len,
		.flags = VFIO_USER_F_TYPE_REPLY,
	};

	vfu_trace(vfu, "reply %u: command %u, size %u\n", hdr.id, hdr.command, hdr.size);
	if ((req->hdr.flags & VFIO_USER_F_NO_REPLY) == 0)
		vfu_send(vfu, &hdr, head, head_len, data, data_len, fd);
}

void
vfu_reply_error(struct vfu *vfu, const struct vfu_req *req, int error)
{
	struct vfio_user_header hdr = {
		.id = req->hdr.id,
		.command = req->hdr.command,
		.size = sizeof(hdr),
		.flags = VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR,
		.error = error,
	};

	vfu->stats.errors++;
	vfu_trace(vfu, "reply %u: command %u, error %s\n", hdr.id, hdr.command, strerror(error));
	if ((req->hdr.flags & VFIO_USER_F_NO_REPLY) == 0)
		vfu_send(vfu, &hdr, NULL, 0, NULL, 0, -1);
}

/*
 * Descriptors come with the bytes of the message they belong to; more than the limit are closed.
 * The kernel drops those that this process has no room for, in this thread, which may have to wait
 * for that: so there is room for as many as can come.
 */
static void
take_fds(struct vfu *vfu, struct msghdr *msg)
{
	int fd, surplus[VFU_RECV_FDS];
	unsigned int n, i, n_surplus = 0;
	struct cmsghdr *cm;

	for (cm = CMSG_FIRSTHDR(msg); cm != NULL; cm = CMSG_NXTHDR(msg, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(int));
			if (vfu->n_in_fds < VFU_MAX_FDS)
				vfu->in_fds[vfu->n_in_fds++] = fd;
			else
				surplus[n_surplus++] = fd;
		}
	}
	vfu->fds_more |= n_surplus != 0;
	vfu_reject_close(vfu, surplus, n_surplus);
	if ((msg->msg_flags & MSG_CTRUNC) == 0)
		return;
	if (vfu->n_in_fds < VFU_MAX_FDS)
		vfu->fds_lost = true;
	else
		vfu->fds_more = true;
}

/* How much more the message needs: first its header, then what that says. -1: it is malformed. */
static int64_t
in_missing(const struct vfu *vfu)
{
	struct vfio_user_header hdr;

	if (vfu->in_len < sizeof(hdr))
		return sizeof(hdr) - vfu->in_len;
	memcpy(&hdr, vfu->in, sizeof(hdr));
	if (hdr.size < sizeof(hdr) || hdr.size > VFU_MAX_MSG ||
		(hdr.flags & VFIO_USER_F_TYPE_MASK) > VFIO_USER_F_TYPE_REPLY)
		return -1;
	return hdr.size - vfu->in_len;
}

/* Receive some of the message. False: nothing there, or broken. */
static bool
in_recv(struct vfu *vfu, uint32_t missing)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VFU_RECV_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = vfu->in + vfu->in_len, .iov_len = missing };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;

	/* The kernel closes descriptors that there is no room for. */
	vfu_guard_begin(vfu);
	n = recvmsg(vfu->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (vfu_guard_end(vfu))
		vfu_guard_blocked(vfu);
	if (n > 0) {
		if (vfu->in_len == 0)
			vfu_client_heard(vfu);
		vfu->in_len += n;
		take_fds(vfu, &msg);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		vfu->broken = true;
	return false;
}

static void
in_handle(struct vfu *vfu)
{
	struct vfu_req req = {
		.fds = vfu->in_fds,
		.n_fds = vfu->n_in_fds,
		.fds_more = vfu->fds_more,
	};
	int error;

	memcpy(&req.hdr, vfu->in, sizeof(req.hdr));
	req.data = vfu->in + sizeof(req.hdr);
	req.len = req.hdr.size - sizeof(req.hdr);
	vfu->in_len = 0;
	vfu_client_heard(vfu);
	if ((req.hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY) {
		vfu_dma_reply(vfu, &req);
	} else {
		vfu->stats.requests++;
		vfu_trace(vfu, "request %u: command %u, size %u, fds %u\n", req.hdr.id,
			req.hdr.command, req.hdr.size, req.n_fds);
		error = vfu->fds_lost ? EMFILE : vfu_cmd(vfu, &req);
		if (error != 0)
			vfu_reply_error(vfu, &req, error);
	}
	close_in_fds(vfu);
}

static bool
gives_way(const struct vfu *vfu)
{
	return atomic_load_explicit(&vfu->gives_way, memory_order_relaxed);
}

/*
 * A few messages at a time: neither the model's own events nor others are to wait for a busy
 * client.
 */
void
vfu_msg_input(struct vfu *vfu)
{
	int64_t missing;
	int n = 0;

	atomic_store_explicit(&vfu->gives_way, false, memory_order_relaxed);
	while (n < 16 && !vfu->broken && !gives_way(vfu)) {
		missing = in_missing(vfu);
		if (missing < 0) {
			vfu_trace(vfu, "malformed message\n");
			vfu->broken = true;
		} else if (missing == 0) {
			in_handle(vfu);
			n++;
		} else if (!in_recv(vfu, missing)) {
			return;
		}
	}
}

/* The client is gone: so is everything it gave us. */
void
vfu_client_drop(struct vfu *vfu)
{
	struct vfu_out *out;
	unsigned int i;

	epoll_ctl(vfu->epfd, EPOLL_CTL_DEL, vfu->sock, NULL);
	vfu_closer_put(vfu, vfu->sock);
	vfu->sock = -1;
	vfu->versioned = false;
	vfu->in_len = 0;
	close_in_fds(vfu);
	while ((out = STAILQ_FIRST(&vfu->out)) != NULL) {
		STAILQ_REMOVE_HEAD(&vfu->out, next);
		free(out);
	}
	vfu->out_bytes = 0;
	vfu_pci_reset(vfu);
	for (i = 0; i < VFU_MAX_CALLS; i++) {
		if (!vfu->calls[i].used)
			continue;
		vfu->calls[i].used = false;
		vfu->n_calls--;
		vfu->calls[i].done(vfu->calls[i].arg, ECANCELED, NULL, 0);
	}
	vfu_irq_reset(vfu);
	vfu_dma_reset(vfu);
	vfu->broken = false;
	vfu_trace(vfu, "client has gone\n");
}
