/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* vfio-user client: what is received. Framing, descriptors, the device's requests. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "ims_deadline.h"
#include "ims_vfio_log.h"
#include "ims_vfio_user.h"

/* struct ims_vfio_event.ack: the message's id, and this bit if it wants no reply. */
#define ACK_NO_REPLY 0x10000u
#define CHOKED_MS    10 /* before the client's thread looks about again */
/* A DMA_WRITE of four bytes, which is an event. */
#define EVENT_BYTES \
	(sizeof(struct vfio_user_header) + sizeof(struct vfio_user_dma_access) + sizeof(uint32_t))

/*
 * The device writes memory or, in the MSI window, raises an interrupt. True: ev is for the reader.
 */
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
	if (rc == 1 && ev != NULL) {
		ev->cookie = cookie;
		ev->addr = acc.addr;
		ev->ack = hdr->id | (no_reply ? ACK_NO_REPLY : 0);
		return true;
	}
	ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_BAD_REQUEST, rc == -EINVAL);
	if (!no_reply)
		vu_reply(c, hdr->id, hdr->command, -rc, &acc, sizeof(acc));
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
	ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_BAD_REQUEST, rc == -EINVAL);
	if ((hdr->flags & VFIO_USER_F_NO_REPLY) == 0)
		vu_reply(c, hdr->id, hdr->command, -rc, c->rx_reply,
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
		ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_BAD_REQUEST, 1);
		if ((hdr->flags & VFIO_USER_F_NO_REPLY) == 0)
			vu_reply(c, hdr->id, hdr->command, EOPNOTSUPP, NULL, 0);
		return false;
	}
}

/*
 * When many wait, nothing is received, and from then on by the client's thread only. No event is
 * lost by that: a set lets go of the socket once it has seen `shunned`, the thread watches it,
 * level-triggered, and EPOLL_CTL_MOD looks at what there is already, so it makes no difference
 * which of the two comes first. What the thread reads goes to the eventfds, which are in the set as
 * well.
 */
static void
rx_close_fds(struct ims_vfio_user *c, const int *fds, int n)
{
	if (likely(n == 0) || !vu_close_fds(c, fds, n) || c->rx_choked)
		return;
	c->rx_choked = true;
	ims_deadline_in_ms(&c->rx_choked_until, vu_close_ms(c));
	pthread_mutex_lock(&c->lock);
	atomic_store(&c->shunned, true);
	vu_watch_update_locked(c);
	pthread_mutex_unlock(&c->lock);
}

/*
 * Handle all messages that are there in whole: behind those for a reader, whose handlers come
 * first, may be the reply that another thread waits for, and nothing would tell of it any more.
 * Events that the reader has no room for would go to their eventfds. Returns how many are for the
 * reader.
 */
static unsigned int
rx_parse(struct ims_vfio_user *c, const void *reader, struct ims_vfio_event *ev, unsigned int n)
{
	struct vfio_user_header hdr;
	unsigned int got = 0;
	size_t pos = 0;
	int n_fds, taken;

	while (c->rx_len - pos >= sizeof(hdr)) {
		memcpy(&hdr, c->rx_buf + pos, sizeof(hdr));
		if (hdr.size < sizeof(hdr) || hdr.size > VU_MAX_MSG ||
			(hdr.flags & VFIO_USER_F_TYPE_MASK) > VFIO_USER_F_TYPE_REPLY) {
			ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_MALFORMED, 1);
			vu_broken(c, "it sent a malformed message");
			c->rx_over = true;
			c->rx_len = 0;
			break;
		}
		if (c->rx_len - pos < hdr.size)
			break;
		n_fds = c->rx_fds_at == pos ? c->n_rx_fds : 0;
		taken = 0;
		if ((hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY) {
			taken = vu_call_reply(c, &hdr, c->rx_buf + pos + sizeof(hdr),
				hdr.size - sizeof(hdr), c->rx_fds, n_fds);
		} else {
			ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_SURPLUS_FD, n_fds);
			if (handle_msg(c, &hdr, c->rx_buf + pos + sizeof(hdr),
				    hdr.size - sizeof(hdr), got < n ? reader : NULL,
				    got < n ? &ev[got] : NULL))
				got++;
		}
		rx_close_fds(c, c->rx_fds + taken, n_fds - taken);
		c->n_rx_fds -= n_fds;
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
	int fds[VU_SCM_FDS], n = 0, kept;
	struct cmsghdr *cm;

	for (cm = CMSG_FIRSTHDR(msg); cm != NULL; cm = CMSG_NXTHDR(msg, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(cm), n * sizeof(int));
	}
	/*
	 * The kernel drops those that this process has no room for. Regions are reached by messages
	 * then.
	 */
	if ((msg->msg_flags & MSG_CTRUNC) != 0 && !c->fds_lost) {
		c->fds_lost = true;
		IMS_VFIO_LOG(WARNING, "%s: no descriptor is left for what the device sends: %s",
			c->v.name, strerror(EMFILE));
	}
	if (n == 0)
		return;
	kept = c->n_rx_fds != 0 ? 0 : RTE_MIN(n, VU_MAX_FDS); /* a second lot for one message */
	ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_SURPLUS_FD, n - kept);
	rx_close_fds(c, fds + kept, n - kept);
	if (kept == 0)
		return;
	memcpy(c->rx_fds, fds, kept * sizeof(int));
	c->n_rx_fds = kept;
	c->rx_fds_at = last_begun(c);
}

/* Take what the socket has, at most so many bytes: false if nothing. */
static bool
rx_recv(struct ims_vfio_user *c, size_t most)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VU_SCM_FDS * sizeof(int))];
	} control;
	struct iovec iov = {
		.iov_base = c->rx_buf + c->rx_len,
		.iov_len = RTE_MIN(most, VU_MAX_MSG - c->rx_len),
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
		vu_broken(c, "its process closed the connection");
	else if (errno != EAGAIN && errno != EINTR)
		vu_broken(c, strerror(errno));
	return false;
}

/* What the message that has begun to come still lacks. */
static size_t
rx_missing(const struct ims_vfio_user *c)
{
	struct vfio_user_header hdr;

	if (c->rx_len < sizeof(hdr))
		return 0;
	memcpy(&hdr, c->rx_buf, sizeof(hdr));
	return hdr.size - c->rx_len;
}

/*
 * Who passes descriptors that take long to close is left alone, in the end for ever: what waits to
 * be closed has a bound. Nobody is held up but the client's own thread, which has nothing else to
 * do.
 */
static bool
rx_is_choked(struct ims_vfio_user *c, const void *reader)
{
	if (likely(!c->rx_choked))
		return false;
	c->rx_choked = vu_closer_behind(c, reader == NULL ? CHOKED_MS : 0);
	if (c->rx_choked && ims_left_ms(&c->rx_choked_until) == 0) {
		c->rx_over = true;
		vu_broken(c, "it passes descriptors that take too long to close");
	}
	return c->rx_choked;
}

unsigned int
vu_rx_locked(struct ims_vfio_user *c, const void *reader, struct ims_vfio_event *ev, unsigned int n)
{
	size_t most = VU_MAX_MSG;

	if (unlikely(c->rx_over) || rx_is_choked(c, reader))
		return 0;
	/*
	 * No more than the reader has room for: what is in the socket still, it is told of again.
	 */
	if (reader != NULL)
		most = RTE_MAX(n * EVENT_BYTES, rx_missing(c));
	return rx_recv(c, most) ? rx_parse(c, reader, ev, n) : 0;
}

int
vu_source_read(struct ims_vfio *v, const void *reader, struct ims_vfio_event *ev, unsigned int n)
{
	struct ims_vfio_user *c = vu_from(v);
	int got;

	if (unlikely(atomic_load(&c->shunned)))
		return -EAGAIN;
	/* Another thread that reads delivers to the eventfds of all: nothing to do here. */
	if (pthread_mutex_trylock(&c->rx_lock) != 0)
		return 0;
	got = vu_rx_locked(c, reader, ev, n);
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
		vu_reply(vu_from(v), ev[i].ack & 0xffff, VFIO_USER_DMA_WRITE, 0, &acc, sizeof(acc));
	}
}
