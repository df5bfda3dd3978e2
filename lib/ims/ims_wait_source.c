/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Message sources. All messages of a vfio-user device come through one socket, which a thread of the
 * transport reads. If all of the device's message eventfds are in one wait set, the set's thread reads
 * it instead: one hop less for each event.
 */

#include <stdlib.h>
#include <sys/epoll.h>

#include "ims_wait_private.h"

static struct wait_source *
source_find_locked(struct rte_ims_wait *w, const struct rte_ims_dev *dev, uint32_t *slot)
{
	struct wait_source *src;
	uint32_t i;

	*slot = WAIT_SOURCES;
	for (i = 0; i < WAIT_SOURCES; i++) {
		src = atomic_load(&w->sources[i]);
		if (src != NULL && src->dev == dev) {
			*slot = i;
			return src;
		}
		if (src == NULL && *slot == WAIT_SOURCES)
			*slot = i;
	}
	return NULL;
}

static void
source_update_locked(struct rte_ims_wait *w, struct wait_source *src, uint32_t slot)
{
	bool want = src->n_vecs != 0 && src->n_vecs == src->dev->n_msg_fds;
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = EV_SOURCE | slot };

	if (want == src->taken)
		return;
	if (!want) {
		epoll_ctl(w->epfd, EPOLL_CTL_DEL, src->fd, NULL);
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
	src->taken = true;
	src->dev->source_wait = w;
}

static struct wait_source *
source_new_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev, uint32_t slot)
{
	struct wait_source *src;

	src = calloc(1, sizeof(*src));
	if (src == NULL)
		return NULL;
	src->w = w;
	src->dev = dev;
	src->vfio = dev->vfio;
	TAILQ_INSERT_TAIL(&dev->sources, src, next);
	atomic_store(&w->sources[slot], src);
	return src;
}

void
ims_wait_source_add_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev)
{
	struct wait_source *src;
	uint32_t slot;

	if (dev->vfio->ops->source_take == NULL)
		return;
	src = source_find_locked(w, dev, &slot);
	if (src == NULL && slot != WAIT_SOURCES)
		src = source_new_locked(w, dev, slot);
	if (src == NULL)
		return; /* the transport's thread serves it */
	src->n_vecs++;
	source_update_locked(w, src, slot);
}

bool
ims_wait_source_leave_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev)
{
	struct wait_source *src;
	uint32_t slot;

	src = source_find_locked(w, dev, &slot);
	if (src == NULL || src->n_vecs == 0)
		return false;
	src->n_vecs--;
	src->n_leaving++;
	source_update_locked(w, src, slot);
	return true;
}

/* After the last one has gone in this way nobody looks at the source any more. */
void
ims_wait_source_left_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev)
{
	struct wait_source *src;
	uint32_t slot;

	src = source_find_locked(w, dev, &slot);
	if (src == NULL || --src->n_leaving != 0 || src->n_vecs != 0)
		return;
	atomic_store(&w->sources[slot], NULL);
	TAILQ_REMOVE(&dev->sources, src, next);
	free(src);
}

static void
check_locked(struct wait_source *src)
{
	uint32_t slot;

	pthread_mutex_lock(&src->w->lock);
	source_find_locked(src->w, src->dev, &slot);
	source_update_locked(src->w, src, slot);
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
