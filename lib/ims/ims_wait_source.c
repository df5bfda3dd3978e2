/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Message sources. All messages of a vfio-user device come through one socket, which a thread of
 * the transport reads. If all of the device's message eventfds are in one wait set, the set's
 * thread reads it instead: one hop less for each event.
 */

#include <assert.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "ims_wait_private.h"

static struct wait_source *
source_find_locked(const struct rte_ims_wait *w, struct rte_ims_dev *dev)
{
	struct wait_source *src;

	TAILQ_FOREACH(src, &dev->sources, next)
		if (src->w == w)
			return src;
	return NULL;
}

static void
source_update_locked(struct rte_ims_wait *w, struct wait_source *src)
{
	bool want = src->n_vecs != 0 && src->n_vecs == src->dev->n_msg_fds;
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = EV_SOURCE | src->slot };

	if (want == src->taken)
		return;
	if (!want) {
		epoll_ctl(w->epfd, EPOLL_CTL_DEL, src->fd, NULL);
		atomic_fetch_sub(&w->n_fds, 1);
		src->vfio->ops->source_give(src->vfio, w);
		src->taken = false;
		src->dev->source_wait = NULL;
		return;
	}
	src->fd = src->vfio->ops->source_take(src->vfio, w);
	if (src->fd < 0)
		return;
	if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, src->fd, &ev) < 0) {
		src->vfio->ops->source_give(src->vfio, w);
		return;
	}
	atomic_fetch_add(&w->n_fds, 1);
	src->taken = true;
	src->dev->source_wait = w;
}

static struct wait_source *
source_new_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev)
{
	struct wait_source *src;

	static_assert(WAIT_SOURCES == 64, "a bit of source_slots each");
	if (w->source_slots == UINT64_MAX)
		return NULL;
	src = calloc(1, sizeof(*src));
	if (src == NULL)
		return NULL;
	src->w = w;
	src->dev = dev;
	src->vfio = dev->vfio;
	src->slot = __builtin_ctzll(~w->source_slots);
	w->source_slots |= UINT64_C(1) << src->slot;
	TAILQ_INSERT_TAIL(&dev->sources, src, next);
	return src;
}

void
ims_wait_source_add_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev)
{
	struct wait_source *src;

	if (dev->vfio->ops->source_take == NULL)
		return;
	src = source_find_locked(w, dev);
	if (src == NULL)
		src = source_new_locked(w, dev);
	if (src == NULL)
		return; /* the transport's thread serves it */
	if (src->n_vecs++ == 0)
		atomic_store(&w->sources[src->slot], src);
	source_update_locked(w, src);
}

bool
ims_wait_source_leave_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev)
{
	struct wait_source *src;

	src = source_find_locked(w, dev);
	if (src == NULL || src->n_vecs == 0)
		return false;
	src->n_vecs--;
	src->n_leaving++;
	source_update_locked(w, src);
	/*
	 * Before the set is drained, after which a poll may begin at any time: it must not find it.
	 */
	if (src->n_vecs == 0)
		atomic_store(&w->sources[src->slot], NULL);
	return true;
}

/* After the last one has gone in this way nobody looks at the source any more. */
void
ims_wait_source_left_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev)
{
	struct wait_source *src;

	src = source_find_locked(w, dev);
	if (src == NULL || --src->n_leaving != 0 || src->n_vecs != 0)
		return;
	w->source_slots &= ~(UINT64_C(1) << src->slot);
	TAILQ_REMOVE(&dev->sources, src, next);
	free(src);
}

static void
check_locked(struct wait_source *src)
{
	pthread_mutex_lock(&src->w->lock);
	source_update_locked(src->w, src);
	pthread_mutex_unlock(&src->w->lock);
}

/*
 * The device has one more message eventfd, which is in no set: its source is for all again. Or it
 * has one less, and the rest may all be in one set. One lets go before another one takes.
 */
void
ims_wait_source_check_locked(struct rte_ims_dev *dev)
{
	struct wait_source *src;

	TAILQ_FOREACH(src, &dev->sources, next)
		if (src->taken)
			check_locked(src);
	TAILQ_FOREACH(src, &dev->sources, next)
		if (!src->taken)
			check_locked(src);
}
