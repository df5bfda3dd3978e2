/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * IMS in queue memory: the message is a field of an object's context, and the device has a copy of
 * its own. What is stored in memory has no effect before a command says so, and that command can be
 * late, fail, or never be done (Linux had irq_bus_lock() and irq_bus_sync_unlock() for this).
 *
 * The shadow is what the slot should be. A change goes shadow -> driver's update() -> wait for the
 * device. The driver waits with a timeout, in the thread that asked, with the device's lock held:
 * other control operations of the device wait with it, handlers and polls never do.
 *
 *   0           the device has it, and messages of the old contents have left it
 *   -EIO ...    refused: the old contents are in force, the shadow goes back to them
 *   -ETIMEDOUT  either may be in force. The slot is in doubt: the caller must take events of both
 *               for possible, and the next change is sent whatever the shadow says
 *
 * While a slot is masked its message does not matter, so write_msg() costs no command: the new
 * message goes to the device together with the unmasking. An unmasked slot is retargeted by one
 * command, as a whole: the device never sends a mixture (section 6.10 of queue_dev's data sheet).
 */

#include <stdlib.h>
#include <string.h>

#include "ims_private.h"

struct queue_store {
	int (*update)(
		struct rte_ims_dev *dev, uint32_t slot, const struct ims_store_queue_ctx *ctx);
	int (*pending)(struct rte_ims_dev *dev, uint32_t slot);
	int (*query)(struct rte_ims_dev *dev, uint32_t slot, struct ims_slot_view *view);
	bool (*available)(const struct rte_ims_dev *dev, uint32_t slot);
	uint32_t first; /* the driver's number of slot 0 */
	struct ims_store_queue_ctx ctx[];
};

static int
apply(struct rte_ims_store *store, uint32_t slot, const struct ims_store_queue_ctx *next)
{
	struct queue_store *q = store->priv;
	struct ims_store_queue_ctx *ctx = &q->ctx[slot], old = *ctx;
	int rc;

	*ctx = *next;
	rc = q->update(store->dev, q->first + slot, ctx);
	if (rc != 0 && rc != -ETIMEDOUT)
		*ctx = old;
	return rc;
}

static int
queue_mask(struct rte_ims_store *store, uint32_t slot)
{
	struct queue_store *q = store->priv;
	struct ims_store_queue_ctx next = q->ctx[slot];

	next.masked = true;
	return apply(store, slot, &next);
}

static int
queue_unmask(struct rte_ims_store *store, uint32_t slot)
{
	struct queue_store *q = store->priv;
	struct ims_store_queue_ctx next = q->ctx[slot];

	next.masked = false;
	return apply(store, slot, &next);
}

static int
queue_write_msg(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg)
{
	struct queue_store *q = store->priv;

	q->ctx[slot].msg = *msg;
	return 0;
}

static int
queue_retarget(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg)
{
	struct queue_store *q = store->priv;
	struct ims_store_queue_ctx next = q->ctx[slot];

	next.msg = *msg;
	return apply(store, slot, &next);
}

static int
queue_wipe(struct rte_ims_store *store, uint32_t slot)
{
	static const struct ims_store_queue_ctx empty = { .masked = true };

	return apply(store, slot, &empty);
}

static void
queue_shutdown(struct rte_ims_store *store, uint32_t slot)
{
	queue_wipe(store, slot);
}

static int
queue_pending(struct rte_ims_store *store, uint32_t slot)
{
	const struct queue_store *q = store->priv;

	return q->pending != NULL ? q->pending(store->dev, q->first + slot) : 0;
}

static int
queue_view(struct rte_ims_store *store, uint32_t slot, struct ims_slot_view *view)
{
	const struct queue_store *q = store->priv;

	if (q->query != NULL)
		return q->query(store->dev, q->first + slot, view);
	view->msg = q->ctx[slot].msg;
	view->masked = q->ctx[slot].masked;
	view->pending = q->pending != NULL ? q->pending(store->dev, q->first + slot) : -1;
	return 0;
}

static bool
queue_available(const struct rte_ims_store *store, uint32_t slot)
{
	const struct queue_store *q = store->priv;

	return q->available == NULL || q->available(store->dev, q->first + slot);
}

static const struct ims_store_ops queue_ops = {
	.available = queue_available,
	.prepare = queue_wipe,
	.write_msg = queue_write_msg,
	.mask = queue_mask,
	.unmask = queue_unmask,
	.retarget = queue_retarget,
	.pending = queue_pending,
	.view = queue_view,
	.shutdown = queue_shutdown,
};

struct rte_ims_store *
ims_store_queue_create(struct rte_ims_dev *dev, const struct ims_store_queue_conf *conf)
{
	struct ims_store_conf sc = { .type = RTE_IMS_STORE_QUEUE, .ops = &queue_ops };
	struct rte_ims_store *store;
	struct queue_store *q;
	uint32_t i;

	if (dev == NULL || conf == NULL || conf->update == NULL || conf->n_slots == 0 ||
		conf->n_slots > UINT32_MAX / 2)
		return ims_err_ptr(-EINVAL);
	q = calloc(1, sizeof(*q) + conf->n_slots * sizeof(q->ctx[0]));
	if (q == NULL)
		return ims_err_ptr(-ENOMEM);
	q->update = conf->update;
	q->pending = conf->pending;
	q->query = conf->query;
	q->available = conf->available;
	q->first = conf->first;
	for (i = 0; i < conf->n_slots; i++)
		q->ctx[i].masked = true;
	sc.name = conf->name;
	sc.n_slots = conf->n_slots;
	sc.n_special = conf->n_special;
	sc.fungible = conf->fungible;
	sc.priv = q;
	store = ims_store_create(dev, &sc);
	if (store == NULL)
		free(q);
	else
		store->priv_free = free;
	return store;
}
