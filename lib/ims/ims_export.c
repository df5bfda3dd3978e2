/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A vector's message in the hands of a peer: another function's DMA engine, a bridge, a second
 * host. The peer is told before the old message loses its meaning, as drivers/ntb/msi.c tells its
 * peer from desc->write_msi_msg(): the call returns when the peer has stopped using it, and only
 * then the old destination is drained. So what the peer sent is handled, whatever happens
 * meanwhile.
 */

#include "ims_private.h"

void
ims_export_changed_locked(struct rte_ims_vec *vec, const struct rte_ims_msg *msg)
{
	if (vec->export_fn != NULL)
		vec->export_fn(vec, msg, vec->export_arg);
}

void
ims_export_revoke_locked(struct rte_ims_vec *vec)
{
	ims_export_changed_locked(vec, NULL);
	vec->export_fn = NULL;
}

/* The message that reaches the vector now. */
static int
current_locked(struct rte_ims_vec *vec, struct rte_ims_msg *msg)
{
	if (vec->msg_valid) {
		*msg = vec->msg;
		return vec->mutable ? -ENOTSUP : 0;
	}
	if (vec->delivery == RTE_IMS_DELIVERY_MEMORY)
		return -EAGAIN; /* in no wait set */
	if (vec->store->lend == NULL)
		return -ENOTSUP;
	return ims_borrow_admit_locked(vec, msg);
}

int
rte_ims_vec_export(struct rte_ims_vec *vec,
	void (*changed)(struct rte_ims_vec *vec, const struct rte_ims_msg *msg, void *arg),
	void *arg, struct rte_ims_msg *msg)
{
	int rc = -EBUSY;

	if (vec == NULL || changed == NULL || msg == NULL)
		return -EINVAL;
	pthread_mutex_lock(&vec->dev->lock);
	if (vec->export_fn == NULL)
		rc = current_locked(vec, msg);
	if (rc == 0) {
		vec->export_fn = changed;
		vec->export_arg = arg;
	}
	pthread_mutex_unlock(&vec->dev->lock);
	return rc;
}

int
rte_ims_vec_export_end(struct rte_ims_vec *vec)
{
	int rc = -ENOENT;

	if (vec == NULL)
		return -EINVAL;
	pthread_mutex_lock(&vec->dev->lock);
	if (vec->export_fn != NULL)
		rc = 0;
	vec->export_fn = NULL;
	pthread_mutex_unlock(&vec->dev->lock);
	return rc;
}
