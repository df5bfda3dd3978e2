/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* vfio-user client: commands, and the wait for their replies. */

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <rte_common.h>

#include "ims_deadline.h"
#include "ims_vfio_log.h"
#include "ims_vfio_user.h"

static void
call_finish_locked(struct vu_call *call, int rc)
{
	LIST_REMOVE(call, next);
	call->rc = rc;
	call->done = true;
	pthread_cond_signal(&call->cond);
}

void
vu_calls_end_locked(struct ims_vfio_user *c, int rc)
{
	struct vu_call *call;

	while ((call = LIST_FIRST(&c->calls)) != NULL)
		call_finish_locked(call, rc);
}

/* It is not the one that was asked first of those that are not answered yet. */
static bool
is_early_locked(const struct ims_vfio_user *c, const struct vu_call *call)
{
	const struct vu_call *other;

	LIST_FOREACH(other, &c->calls, next)
		if (other->nth != 0 && other->nth < call->nth)
			return true;
	return false;
}

static bool
reply_fits(const struct vu_call *call, const struct vfio_user_header *hdr, size_t len)
{
	if (call->command != hdr->command)
		return false;
	if (hdr->flags & VFIO_USER_F_ERROR)
		return hdr->error > 0 && hdr->error < 4096;
	return len >= call->reply_min && len <= call->reply_cap;
}

/* Of one that fits. */
static int
reply_rc(const struct vfio_user_header *hdr)
{
	return hdr->flags & VFIO_USER_F_ERROR ? -(int)hdr->error : 0;
}

int
vu_call_reply(struct ims_vfio_user *c, const struct vfio_user_header *hdr, const uint8_t *data,
	size_t len, const int *fds, int n_fds)
{
	struct vu_call *call;
	int rc, taken = 0;
	bool fits;

	pthread_mutex_lock(&c->lock);
	c->silent = false;
	LIST_FOREACH(call, &c->calls, next)
		if (call->id == hdr->id)
			break;
	if (call == NULL) {
		pthread_mutex_unlock(&c->lock);
		/* A device that is removed may be answering what was ended with it. */
		ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_LATE_REPLY, !atomic_load(&c->v.removed));
		ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_SURPLUS_FD, n_fds);
		return 0;
	}
	/* Counted before whoever waits for it goes on. */
	ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_REORDERED, is_early_locked(c, call));
	fits = reply_fits(call, hdr, len);
	ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_BAD_REPLY, !fits);
	rc = fits ? reply_rc(hdr) : -EPROTO;
	if (rc == 0) {
		if (len != 0)
			memcpy(call->reply, data, len);
		call->reply_len = len;
		taken = RTE_MIN(n_fds, call->max_reply_fds);
		memcpy(call->reply_fds, fds, taken * sizeof(*fds));
		call->n_reply_fds = taken;
	}
	ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_SURPLUS_FD, n_fds - taken);
	call_finish_locked(call, rc);
	pthread_mutex_unlock(&c->lock);
	return taken;
}

/* Of a device that is being closed nothing is hoped for any more: one timeout is enough. */
static bool
given_up(struct ims_vfio_user *c)
{
	bool silent;

	if (!atomic_load(&c->v.closing))
		return false;
	pthread_mutex_lock(&c->lock);
	silent = c->silent;
	pthread_mutex_unlock(&c->lock);
	return silent;
}

static void
call_begin(struct ims_vfio_user *c, struct vu_call *call)
{
	struct vu_call *other;

	ims_deadline_cond_init(&call->cond);
	call->nth = 0;
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
	vu_watch_update_locked(c);
	pthread_mutex_unlock(&c->lock);
}

/* Before it is sent, for its answer may be here right after; or it was not. tx_lock held. */
static void
call_number(struct ims_vfio_user *c, struct vu_call *call, bool sent)
{
	pthread_mutex_lock(&c->lock);
	call->nth = sent ? ++c->n_sent : 0;
	pthread_mutex_unlock(&c->lock);
}

/* The lock is not held while the socket has no room: replies are kept meanwhile. */
static int
call_send(struct ims_vfio_user *c, struct iovec *iov, int n_iov, struct vu_call *call,
	const struct timespec *deadline)
{
	struct pollfd pfd = { .fd = c->sock, .events = POLLOUT };
	int rc, ms;

	for (;;) {
		pthread_mutex_lock(&c->tx_lock);
		call_number(c, call, true);
		rc = vu_tx_send_locked(c, iov, n_iov, call->fds, call->n_fds);
		if (rc != 0)
			call_number(c, call, false);
		pthread_mutex_unlock(&c->tx_lock);
		if (rc != -EAGAIN)
			return rc;
		ms = ims_left_ms(deadline);
		if (ms == 0)
			return -ETIMEDOUT;
		poll(&pfd, 1, ms);
	}
}

static int
call_wait(struct ims_vfio_user *c, struct vu_call *call, const struct timespec *deadline, int rc)
{
	bool silent;
	int err = 0;

	pthread_mutex_lock(&c->lock);
	while (rc == 0 && !call->done && err == 0)
		err = pthread_cond_timedwait(&call->cond, &c->lock, deadline);
	/* It may answer that it has itself run out of time. */
	silent = !call->done && (rc == 0 || rc == -ETIMEDOUT);
	if (!call->done)
		call_finish_locked(call, rc != 0 ? rc : -ETIMEDOUT);
	if (silent)
		c->silent = true;
	vu_watch_update_locked(c);
	pthread_mutex_unlock(&c->lock);
	pthread_cond_destroy(&call->cond);
	if (silent) {
		ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_TIMEOUT, 1);
		IMS_VFIO_LOG(ERR, "%s: no answer to command %u in %u ms", c->v.name, call->command,
			c->v.timeout_ms);
	}
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
	if (given_up(c))
		return -ETIMEDOUT;
	ims_deadline_in_ms(&deadline, c->v.timeout_ms);
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
	return call_wait(c, call, &deadline, rc);
}
