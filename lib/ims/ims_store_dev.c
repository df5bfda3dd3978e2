/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * What the transport has to say of the device itself, seen as a store: slot n is event n of enum
 * rte_ims_dev_event. The sender is a thread of this process, so a message is a store to memory and
 * an eventfd is written directly.
 */

#include <assert.h>
#include <stdlib.h>

#include "ims_eventfd.h"
#include "ims_private.h"

struct dev_slot {
	bool masked;
	bool pending; /* an event not sent yet */
	int fd;
	struct rte_ims_msg msg;
};

struct dev_store {
	struct rte_ims_dev *dev;
	pthread_mutex_t lock; /* a leaf */
	bool removed;
	struct dev_slot slots[RTE_IMS_DEV_EVENT_MAX];
};

static_assert((int)RTE_IMS_DEV_EVENT_REMOVED == IMS_VFIO_EVENT_REMOVED, "slots are events");
static_assert((int)RTE_IMS_DEV_EVENT_ERROR == IMS_VFIO_EVENT_ERROR, "slots are events");
static_assert((int)RTE_IMS_DEV_EVENT_RELEASE == IMS_VFIO_EVENT_RELEASE, "slots are events");
static_assert((int)RTE_IMS_DEV_EVENT_MAX == IMS_VFIO_EVENT_MAX, "slots are events");

static void
send_locked(struct dev_slot *s)
{
	if (!s->pending || s->masked || (s->fd < 0 && s->msg.addr == 0))
		return;
	if (s->fd >= 0) {
		s->pending = !ims_eventfd_signal(s->fd);
		return;
	}
	atomic_store_explicit(
		(_Atomic(uint32_t) *)(uintptr_t)s->msg.addr, s->msg.data, memory_order_release);
	s->pending = false;
}

/* Called by the transport, from any thread. */
static void
on_event(void *arg, enum ims_vfio_dev_event event)
{
	struct dev_store *d = arg;

	pthread_mutex_lock(&d->lock);
	if (event == IMS_VFIO_EVENT_REMOVED)
		d->removed = true;
	d->slots[event].pending = true;
	send_locked(&d->slots[event]);
	pthread_mutex_unlock(&d->lock);
}

static int
dev_prepare(struct rte_ims_store *store, uint32_t slot)
{
	struct dev_store *d = store->priv;
	struct dev_slot *s = &d->slots[slot];

	pthread_mutex_lock(&d->lock);
	s->masked = true;
	s->fd = -1;
	s->msg.addr = 0;
	/* It stays gone: the next user wants to know too. */
	if (slot == RTE_IMS_DEV_EVENT_REMOVED)
		s->pending = d->removed;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int
dev_write_msg(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg)
{
	struct dev_store *d = store->priv;

	pthread_mutex_lock(&d->lock);
	d->slots[slot].msg = *msg;
	d->slots[slot].fd = -1;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int
dev_set_eventfd(struct rte_ims_store *store, uint32_t slot, int fd)
{
	struct dev_store *d = store->priv;

	pthread_mutex_lock(&d->lock);
	d->slots[slot].fd = fd;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int
dev_mask(struct rte_ims_store *store, uint32_t slot)
{
	struct dev_store *d = store->priv;

	pthread_mutex_lock(&d->lock);
	d->slots[slot].masked = true;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int
dev_unmask(struct rte_ims_store *store, uint32_t slot)
{
	struct dev_store *d = store->priv;

	pthread_mutex_lock(&d->lock);
	d->slots[slot].masked = false;
	send_locked(&d->slots[slot]);
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static int
dev_pending(struct rte_ims_store *store, uint32_t slot)
{
	struct dev_store *d = store->priv;
	bool pending;

	pthread_mutex_lock(&d->lock);
	pending = d->slots[slot].pending;
	pthread_mutex_unlock(&d->lock);
	return pending;
}

static int
dev_view(struct rte_ims_store *store, uint32_t slot, struct ims_slot_view *view)
{
	struct dev_store *d = store->priv;

	pthread_mutex_lock(&d->lock);
	view->msg = d->slots[slot].msg;
	view->masked = d->slots[slot].masked;
	view->pending = d->slots[slot].pending;
	pthread_mutex_unlock(&d->lock);
	return 0;
}

static void
dev_shutdown(struct rte_ims_store *store, uint32_t slot)
{
	dev_prepare(store, slot);
}

static const struct ims_store_ops dev_ops = {
	.prepare = dev_prepare,
	.write_msg = dev_write_msg,
	.set_eventfd = dev_set_eventfd,
	.mask = dev_mask,
	.unmask = dev_unmask,
	.pending = dev_pending,
	.view = dev_view,
	.shutdown = dev_shutdown,
};

static void
dev_store_free(void *priv)
{
	struct dev_store *d = priv;

	ims_vfio_event_notify(d->dev->vfio, NULL, NULL);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

struct rte_ims_store *
ims_store_dev_create(struct rte_ims_dev *dev)
{
	struct ims_store_conf conf = {
		.type = RTE_IMS_STORE_DEVICE,
		.name = "device",
		.n_slots = RTE_IMS_DEV_EVENT_MAX,
		.n_special = RTE_IMS_DEV_EVENT_MAX,
		.ops = &dev_ops,
	};
	struct rte_ims_store *store;
	struct dev_store *d;
	uint32_t i;

	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return ims_err_ptr(-ENOMEM);
	d->dev = dev;
	pthread_mutex_init(&d->lock, NULL);
	for (i = 0; i < RTE_IMS_DEV_EVENT_MAX; i++) {
		d->slots[i].masked = true;
		d->slots[i].fd = -1;
	}
	conf.priv = d;
	store = ims_store_create(dev, &conf);
	if (store == NULL) {
		pthread_mutex_destroy(&d->lock);
		free(d);
		return NULL;
	}
	store->priv_free = dev_store_free;
	ims_vfio_event_notify(dev->vfio, on_event, d);
	return store;
}
