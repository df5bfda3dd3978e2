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

void
ims_wait_source_count_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev, int by)
{
	struct wait_source *src;
	uint32_t slot;

	if (dev->vfio->ops->source_take == NULL)
		return;
	src = source_find_locked(w, dev, &slot);
	if (src == NULL) {
		if (by < 0 || slot == WAIT_SOURCES)
			return; /* the transport's thread serves it */
		src = calloc(1, sizeof(*src));
		if (src == NULL)
			return;
		src->dev = dev;
		src->vfio = dev->vfio;
		atomic_store(&w->sources[slot], src);
	}
	src->n_vecs += by;
	dev->source_next = w;
	source_update_locked(w, src, slot);
}

void
ims_wait_source_forget_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev)
{
	struct wait_source *src;
	uint32_t slot;

	src = source_find_locked(w, dev, &slot);
	if (src == NULL || src->n_vecs != 0)
		return;
	atomic_store(&w->sources[slot], NULL);
	free(src);
	if (dev->source_next == w)
		dev->source_next = NULL;
}

/*
 * The device has one more message eventfd, which is in no set: its source is for all again. Or it
 * has one less, and the rest may all be in one set.
 */
void
ims_wait_source_check_locked(struct rte_ims_dev *dev)
{
	struct rte_ims_wait *w = dev->source_next;
	struct wait_source *src;
	uint32_t slot;

	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	src = source_find_locked(w, dev, &slot);
	if (src != NULL)
		source_update_locked(w, src, slot);
	pthread_mutex_unlock(&w->lock);
}
