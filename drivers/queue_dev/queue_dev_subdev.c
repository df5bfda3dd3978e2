/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Sub-devices: a message table each, and queues (section 5.3). */

#include <stdlib.h>

#include <rte_errno.h>

#include "queue_dev_private.h"

/* A sub-device's table says whose it is; those of the function and of pools are for all. */
int
qd_subdev_vec_check(const struct rte_pmd_queue_dev_subdev *s, const struct rte_ims_vec *vec)
{
	const void *owner = ims_vec_table_priv(vec);

	return owner == NULL || owner == s ? 0 : -EXDEV;
}

/* There is no QUERY of them: asked once more, the device says what it has. */
int
qd_subdev_command(struct qd *qd, uint8_t op, uint32_t number)
{
	struct queue_dev_cmd cmd = { .op = op, .number = number };
	int rc;

	rc = qd_cmd(qd, &cmd);
	if (rc == -ETIMEDOUT) {
		rc = qd_cmd(qd, &cmd);
		if (op == QUEUE_DEV_CMD_SUBDEV_CREATE && rc == -EBUSY)
			rc = 0;
		else if (rc != 0 && rc != -ENOENT && rc != -ENODEV)
			rc = -ETIMEDOUT;
	}
	if (op == QUEUE_DEV_CMD_SUBDEV_DESTROY && (rc == -ENOENT || rc == -ENODEV))
		rc = 0;
	return rc;
}

static int
create_locked(struct qd *qd, struct rte_pmd_queue_dev_subdev *s)
{
	uint32_t n;
	int rc;

	rc = qd_settle(qd);
	if (qd_silent(qd, rc))
		return rc;
	for (n = 1; n <= qd->n_subdevs && qd->subdevs[n] != NULL; n++)
		;
	if (n > qd->n_subdevs)
		return -ENOSPC;
	s->number = n;
	rc = qd_subdev_command(qd, QUEUE_DEV_CMD_SUBDEV_CREATE, n);
	if (rc == 0 || rc == -ETIMEDOUT)
		qd->subdevs[n] = s;
	if (rc == -ETIMEDOUT)
		qd_subdev_lose(s);
	return rc;
}

struct rte_pmd_queue_dev_subdev *
rte_pmd_queue_dev_subdev_create(struct rte_ims_dev *dev, const char *name, uint32_t n_vecs)
{
	struct rte_pmd_queue_dev_subdev *s;
	struct rte_ims_table *table;
	struct qd *qd = qd_from(dev);
	bool ours;
	int rc;

	rte_errno = dev == NULL ? EINVAL : ENODEV;
	if (qd == NULL)
		return NULL;
	s = calloc(1, sizeof(*s));
	rte_errno = ENOMEM;
	if (s == NULL)
		return NULL;
	s->qd = qd;
	s->table = table = rte_ims_table_create(dev, name, n_vecs);
	if (table == NULL) {
		free(s);
		return NULL;
	}
	pthread_mutex_lock(&qd->lock);
	rc = create_locked(qd, s);
	ours = !s->lost;
	pthread_mutex_unlock(&qd->lock);
	if (rc == 0) {
		ims_table_driver_priv_set(table, s);
		return s;
	}
	if (ours)
		free(s);
	rte_ims_table_free(table);
	rte_errno = -rc;
	return NULL;
}

static int
destroy_locked(struct rte_pmd_queue_dev_subdev *s)
{
	int rc = -EBUSY;

	if (s->n_queues == 0)
		rc = qd_subdev_command(s->qd, QUEUE_DEV_CMD_SUBDEV_DESTROY, s->number);
	if (rc == 0)
		s->qd->subdevs[s->number] = NULL;
	return rc;
}

/*
 * The table first, that may fail: the device has all as before until it has gone, but vectors may
 * be silent or freed by then. There is no way back, only on.
 */
int
rte_pmd_queue_dev_subdev_destroy(struct rte_pmd_queue_dev_subdev *subdev)
{
	struct qd *qd;
	int rc = 0;

	if (subdev == NULL)
		return -EINVAL;
	qd = subdev->qd;
	pthread_mutex_lock(&qd->lock);
	if (subdev->n_queues != 0)
		rc = -EBUSY;
	pthread_mutex_unlock(&qd->lock);
	if (rc == 0 && subdev->table != NULL)
		rc = rte_ims_table_free(subdev->table);
	if (rc != 0)
		return rc;
	subdev->table = NULL;
	pthread_mutex_lock(&qd->lock);
	rc = destroy_locked(subdev);
	pthread_mutex_unlock(&qd->lock);
	if (rc == 0)
		free(subdev);
	return rc;
}

struct rte_ims_table *
rte_pmd_queue_dev_subdev_table(struct rte_pmd_queue_dev_subdev *subdev)
{
	rte_errno = subdev == NULL ? EINVAL : ENOENT;
	return subdev != NULL ? subdev->table : NULL;
}
