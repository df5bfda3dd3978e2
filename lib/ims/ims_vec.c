/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A vector's life: allocated -> in a wait set, or not -> freed.
 *
 * The slot is unmasked exactly while the vector has a destination (an eventfd, or a doorbell word
 * of the wait set it is in) and the user has not masked it: ims_vec_apply_locked() sees to that.
 *
 * Freeing goes in the order that Linux' free_irq() has: mask and flush (nothing new leaves the
 * device), take it from the data path, drain (handlers that run return), then wipe the message and
 * let go of eventfd, slot and memory.
 */

#include <stdlib.h>
#include <string.h>

#include <rte_string_fns.h>

#include "ims_eventfd.h"
#include "ims_private.h"
#include "ims_trace.h"

static bool
has_destination(const struct rte_ims_vec *vec)
{
	return vec->delivery == RTE_IMS_DELIVERY_EVENTFD || vec->wait != NULL ||
	       vec->moving_to != NULL;
}

int
ims_vec_apply_locked(struct rte_ims_vec *vec)
{
	const struct ims_store_ops *ops = vec->store->ops;
	bool send = has_destination(vec) && !vec->stopped && !atomic_load(&vec->masked);
	bool resolve = send && vec->doubt;
	int rc = 0;

	if (vec->slot_state == (send ? IMS_SLOT_SENDING : IMS_SLOT_MASKED))
		return 0;
	if (resolve) {
		rc = ims_vec_silence_locked(vec);
		if (rc == 0)
			rc = ims_vec_rewrite_locked(vec);
		if (rc != 0)
			return rc;
	}
	rc = send ? ops->unmask(vec->store, vec->slot) : ops->mask(vec->store, vec->slot);
	if (rc != 0)
		vec->slot_state = IMS_SLOT_UNKNOWN;
	else
		vec->slot_state = send ? IMS_SLOT_SENDING : IMS_SLOT_MASKED;
	ims_trace_slot_send(vec->id, send, rc);
	if (rc == 0 && resolve)
		ims_wait_recount_locked(vec);
	return rc;
}

int
ims_vec_silence_locked(struct rte_ims_vec *vec)
{
	int rc;

	if (vec->slot_state == IMS_SLOT_MASKED)
		return 0;
	rc = vec->store->ops->mask(vec->store, vec->slot);
	vec->slot_state = rc == 0 ? IMS_SLOT_MASKED : IMS_SLOT_UNKNOWN;
	ims_trace_slot_send(vec->id, false, rc);
	return rc;
}

static void
vec_forget(struct rte_ims_vec *vec)
{
	ims_vec_fd_release_locked(vec);
	ims_table_index_give(vec->table, vec->index);
	ims_store_slot_give(vec->store, vec->slot);
	vec->dev->n_vecs--;
}

static int
vec_setup(struct rte_ims_vec *vec, int fd)
{
	const struct ims_store_ops *ops = vec->store->ops;
	int rc = 0;

	if (vec->store->eventfd_only && vec->delivery != RTE_IMS_DELIVERY_EVENTFD)
		return -ENOTSUP;
	if (ops->prepare != NULL)
		rc = ops->prepare(vec->store, vec->slot);
	if (rc == 0 && (vec->delivery == RTE_IMS_DELIVERY_EVENTFD || vec->store->needs_eventfd))
		rc = ims_vec_fd_setup_locked(vec, fd);
	if (rc == 0 && vec->delivery == RTE_IMS_DELIVERY_EVENTFD)
		rc = ims_vec_fd_target_locked(vec);
	if (rc == 0)
		rc = ims_vec_apply_locked(vec);
	if (rc != 0)
		ims_vec_silence_locked(vec);
	return rc;
}

static int
vec_alloc_locked(struct rte_ims_vec *vec, uint32_t slot, int fd)
{
	static atomic_uint_fast64_t next_id;
	int64_t n;
	int rc;

	if (atomic_load(&vec->dev->vfio->removed))
		return -ENODEV;
	n = ims_store_slot_take(vec->store, slot, vec);
	if (n < 0)
		return n;
	vec->slot = n;
	n = ims_table_index_take(vec->table, vec);
	if (n < 0) {
		ims_store_slot_give(vec->store, vec->slot);
		return n;
	}
	vec->index = n;
	vec->id = atomic_fetch_add(&next_id, 1);
	vec->dev->n_vecs++;
	rc = vec_setup(vec, fd);
	if (rc != 0)
		vec_forget(vec);
	return rc;
}

static int
check_alloc(const struct rte_ims_table *table, const struct rte_ims_store *store,
	const struct rte_ims_vec_conf *conf)
{
	static const struct rte_ims_vec_conf zero;

	if (table == NULL || store == NULL || table->dev != store->dev)
		return -EINVAL;
	if (conf == NULL)
		return 0;
	if ((conf->flags & ~RTE_IMS_VEC_F_FD) != 0 || conf->delivery > RTE_IMS_DELIVERY_MEMORY ||
		((conf->flags & RTE_IMS_VEC_F_FD) != 0 &&
			conf->delivery != RTE_IMS_DELIVERY_EVENTFD) ||
		(conf->name != NULL && strlen(conf->name) >= RTE_IMS_NAME_LEN) ||
		memcmp(conf->reserved, zero.reserved, sizeof(zero.reserved)) != 0)
		return -EINVAL;
	return 0;
}

static void
vec_destroy(struct rte_ims_vec *vec)
{
	pthread_mutex_destroy(&vec->obj_lock);
	free(vec);
}

struct rte_ims_vec *
rte_ims_vec_alloc(struct rte_ims_table *table, struct rte_ims_store *store, uint32_t slot,
	const struct rte_ims_vec_conf *conf)
{
	bool own_fd = conf != NULL && (conf->flags & RTE_IMS_VEC_F_FD) != 0;
	int fd = conf != NULL && own_fd ? conf->fd : -1;
	struct rte_ims_vec *vec;
	int rc;

	rc = check_alloc(table, store, conf);
	if (rc != 0)
		return ims_err_ptr(rc);
	if (posix_memalign((void **)&vec, RTE_CACHE_LINE_SIZE, sizeof(*vec)) != 0)
		return ims_err_ptr(-ENOMEM);
	memset(vec, 0, sizeof(*vec));
	vec->dev = store->dev;
	vec->store = store;
	vec->table = table;
	vec->fd = -1;
	vec->delivery = conf != NULL ? conf->delivery : RTE_IMS_DELIVERY_EVENTFD;
	vec->own_fd = own_fd;
	pthread_mutex_init(&vec->obj_lock, NULL);
	rc = own_fd ? ims_fd_claim(vec, fd) : 0;
	if (rc != 0) {
		vec_destroy(vec);
		return ims_err_ptr(rc);
	}
	pthread_mutex_lock(&store->dev->lock);
	rc = vec_alloc_locked(vec, slot, fd);
	if (rc == 0 && conf != NULL && conf->name != NULL)
		rte_strlcpy(vec->name, conf->name, sizeof(vec->name));
	else if (rc == 0)
		snprintf(vec->name, sizeof(vec->name), "%.100s:%u", store->name, vec->slot);
	if (rc == 0)
		ims_trace_vec_alloc(vec->id, store->name, vec->slot, vec->delivery);
	pthread_mutex_unlock(&store->dev->lock);
	if (rc == 0)
		return vec;
	if (own_fd)
		ims_fd_release(vec);
	vec_destroy(vec);
	return ims_err_ptr(rc);
}

/*
 * Silence a vector that is to be freed. A device that is gone sends nothing, so its answer does not
 * matter; one that does not answer keeps the wait set's memory from being freed.
 */
int
ims_vec_stop_locked(struct rte_ims_vec *vec)
{
	vec->stopped = true;
	ims_export_revoke_locked(vec);
	if (vec->wait != NULL)
		ims_wait_leave_locked(vec);
	return ims_vec_apply_locked(vec);
}

void
ims_vec_release_locked(struct rte_ims_vec *vec)
{
	ims_trace_vec_free(vec->id);
	if (vec->left != NULL)
		ims_wait_left_locked(vec);
	ims_vec_objs_forget(vec);
	vec_forget(vec);
	if (vec->own_fd)
		ims_fd_release(vec);
	vec_destroy(vec);
}

int
rte_ims_vec_free(struct rte_ims_vec *vec)
{
	struct rte_ims_wait *left;
	struct rte_ims_dev *dev;
	int rc = 0;

	if (vec == NULL)
		return -EINVAL;
	dev = vec->dev;
	if (ims_vec_runs_here(vec))
		return -EDEADLK;
	rc = ims_wait_settle(vec);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&dev->lock);
	ims_vec_stop_locked(vec);
	left = vec->left;
	pthread_mutex_unlock(&dev->lock);

	if (left != NULL)
		rc = ims_wait_drain(left);
	if (rc != 0)
		return rc;

	if (dev->driver != NULL && dev->driver->vec_fini != NULL)
		dev->driver->vec_fini(vec);
	pthread_mutex_lock(&dev->lock);
	ims_vec_release_locked(vec);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

static int
set_masked(struct rte_ims_vec *vec, bool masked)
{
	bool was;
	int rc;

	if (vec == NULL)
		return -EINVAL;
	pthread_mutex_lock(&vec->dev->lock);
	was = atomic_exchange(&vec->masked, masked);
	rc = ims_vec_apply_locked(vec);
	if (rc != 0) {
		/* It may have been done all the same. */
		atomic_store(&vec->masked, was);
		ims_vec_apply_locked(vec);
	} else if (vec->carry && vec->wait != NULL) {
		ims_vec_kick_locked(vec);
	}
	pthread_mutex_unlock(&vec->dev->lock);
	return rc;
}

int
rte_ims_vec_mask(struct rte_ims_vec *vec)
{
	return set_masked(vec, true);
}

int
rte_ims_vec_unmask(struct rte_ims_vec *vec)
{
	return set_masked(vec, false);
}

/* The slot has this message now, and no other. */
static void
message_set(struct rte_ims_vec *vec, const struct rte_ims_msg *msg)
{
	vec->msg = *msg;
	vec->msg_valid = true;
	/* Events may have gone to where it only might have pointed. */
	vec->carry = vec->carry || vec->doubt;
	vec->doubt = false;
	ims_export_changed_locked(vec, msg);
}

int
ims_vec_message_locked(struct rte_ims_vec *vec, const struct rte_ims_msg *msg)
{
	int rc;

	rc = vec->store->ops->write_msg(vec->store, vec->slot, msg);
	if (rc == 0)
		message_set(vec, msg);
	ims_trace_slot_message(vec->id, msg->addr, msg->data, rc);
	return rc;
}

/*
 * Where the store has no better way: under mask, and on failure back to what was there. A slot
 * whose message may be half written stays masked.
 */
static int
retarget_masked(struct rte_ims_vec *vec, const struct rte_ims_msg *msg)
{
	const struct ims_store_ops *ops = vec->store->ops;
	int rc;

	rc = ims_vec_silence_locked(vec);
	if (rc != 0) {
		ims_vec_apply_locked(vec); /* it may be masked all the same */
		return rc;
	}
	rc = ops->write_msg(vec->store, vec->slot, msg);
	if (rc == 0) {
		message_set(vec, msg);
		rc = ims_vec_apply_locked(vec);
		vec->doubt = rc != 0;
		return rc;
	}
	if (vec->msg_valid && ops->write_msg(vec->store, vec->slot, &vec->msg) == 0)
		ims_vec_apply_locked(vec);
	else
		vec->doubt = true;
	return rc;
}

int
ims_vec_retarget_locked(struct rte_ims_vec *vec, const struct rte_ims_msg *msg)
{
	const struct ims_store_ops *ops = vec->store->ops;
	int rc;

	if (vec->slot_state != IMS_SLOT_SENDING || ops->retarget == NULL) {
		rc = retarget_masked(vec, msg);
	} else {
		rc = ops->retarget(vec->store, vec->slot, msg);
		if (rc == 0)
			message_set(vec, msg);
		else if (rc == -ETIMEDOUT)
			vec->doubt = true;
	}
	ims_trace_slot_message(vec->id, msg->addr, msg->data, rc);
	return rc;
}

void
ims_vec_reset_locked(struct rte_ims_vec *vec)
{
	vec->slot_state = IMS_SLOT_MASKED;
	vec->doubt = true;
}

/* The function was reset: what its slots held is lost, they are masked. */
int
ims_vec_restore_locked(struct rte_ims_vec *vec)
{
	const struct ims_store_ops *ops = vec->store->ops;
	int rc = 0;

	ims_vec_reset_locked(vec);
	if (ops->prepare != NULL)
		rc = ops->prepare(vec->store, vec->slot);
	if (rc == 0 && vec->fd >= 0)
		rc = ims_vec_fd_restore_locked(vec);
	/* What the kernel attaches by itself is there. */
	if (rc == 0 && (vec->delivery == RTE_IMS_DELIVERY_MEMORY || ops->set_eventfd == NULL))
		rc = ims_vec_rewrite_locked(vec);
	if (rc != 0)
		return rc;
	vec->doubt = false;
	ims_wait_recount_locked(vec);
	return ims_vec_apply_locked(vec);
}

int
rte_ims_vec_fd_get(const struct rte_ims_vec *vec)
{
	if (vec == NULL)
		return -EINVAL;
	if (vec->delivery != RTE_IMS_DELIVERY_EVENTFD)
		return -ENOTSUP;
	atomic_store((atomic_bool *)(uintptr_t)&vec->fd_given, true);
	return vec->fd;
}

int
ims_vec_fd_take(const struct rte_ims_vec *vec)
{
	if (vec->fd < 0)
		return -ENOTSUP;
	if (ims_eventfd_take(vec->fd))
		return 1;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

struct rte_ims_dev *
rte_ims_vec_dev(const struct rte_ims_vec *vec)
{
	return vec != NULL ? vec->dev : ims_err_ptr(-EINVAL);
}

struct rte_ims_store *
rte_ims_vec_store(const struct rte_ims_vec *vec)
{
	return vec != NULL ? vec->store : ims_err_ptr(-EINVAL);
}

struct rte_ims_store *
ims_vec_store(const struct rte_ims_vec *vec)
{
	return vec->store;
}

void *
ims_vec_table_priv(const struct rte_ims_vec *vec)
{
	return vec->table->driver_priv;
}

bool
ims_vec_dedicated(const struct rte_ims_vec *vec)
{
	return vec->own_fd;
}

void
ims_vec_driver_priv_set(struct rte_ims_vec *vec, void *priv)
{
	vec->driver_priv = priv;
}

void *
ims_vec_driver_priv(const struct rte_ims_vec *vec)
{
	return vec->driver_priv;
}

int64_t
ims_vec_slot(
	const struct rte_ims_vec *vec, const struct rte_ims_dev *dev, enum rte_ims_store_type type)
{
	if (vec == NULL || vec->dev != dev || vec->store->type != type)
		return -EINVAL;
	return vec->slot;
}

int
rte_ims_vec_info_get(const struct rte_ims_vec *vec, struct rte_ims_vec_info *info)
{
	const struct ims_store_ops *ops;
	int rc = 0;

	if (vec == NULL || info == NULL)
		return -EINVAL;
	memset(info, 0, sizeof(*info));
	ops = vec->store->ops;
	pthread_mutex_lock(&vec->dev->lock);
	rte_strlcpy(info->name, vec->name, sizeof(info->name));
	info->id = vec->id;
	info->index = vec->index;
	info->slot = vec->slot;
	info->delivery = vec->delivery;
	info->masked = atomic_load(&vec->masked);
	info->waited = vec->wait != NULL;
	info->dedicated = vec->own_fd;
	info->borrowed = vec->lender != NULL;
	info->exported = vec->export_fn != NULL;
	info->demux =
		atomic_load(&vec->demux) != NULL ? RTE_IMS_DEMUX_EVENT_QUEUE : RTE_IMS_DEMUX_ALL;
	info->n_objs = ims_vec_count_objs(vec);
	if (vec->msg_valid)
		info->msg = vec->msg;
	if (ops->pending != NULL)
		rc = ops->pending(vec->store, vec->slot);
	info->pending = rc > 0;
	pthread_mutex_unlock(&vec->dev->lock);
	return RTE_MIN(rc, 0);
}

int
rte_ims_vec_stats_get(const struct rte_ims_vec *vec, struct rte_ims_vec_stats *stats)
{
	if (vec == NULL || stats == NULL)
		return -EINVAL;
	stats->events = atomic_load_explicit(&vec->events, memory_order_relaxed);
	stats->spurious = atomic_load_explicit(&vec->spurious, memory_order_relaxed);
	stats->unhandled = atomic_load_explicit(&vec->unhandled, memory_order_relaxed);
	stats->stale = atomic_load_explicit(&vec->stale, memory_order_relaxed);
	return 0;
}

int
rte_ims_vec_stats_reset(struct rte_ims_vec *vec)
{
	if (vec == NULL)
		return -EINVAL;
	atomic_store_explicit(&vec->events, 0, memory_order_relaxed);
	atomic_store_explicit(&vec->spurious, 0, memory_order_relaxed);
	atomic_store_explicit(&vec->unhandled, 0, memory_order_relaxed);
	atomic_store_explicit(&vec->stale, 0, memory_order_relaxed);
	return 0;
}
