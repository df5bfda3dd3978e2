/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Queues and sub-devices that the user created. */

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_errno.h>

#include "tp_dev.h"
#include "tp_latency.h"
#include "tp_queue.h"

struct tp_subdev_list tp_subdevs = TAILQ_HEAD_INITIALIZER(tp_subdevs);
struct tp_queue_list tp_queues = TAILQ_HEAD_INITIALIZER(tp_queues);

/* Numbers mostly rise, so from the end. */
static void
queue_insert(struct tp_queue *queue)
{
	struct tp_queue *at;

	TAILQ_FOREACH_REVERSE(at, &tp_queues, tp_queue_list, next)
	if (at->dev->id < queue->dev->id || (at->dev == queue->dev && at->number < queue->number))
		break;
	if (at != NULL)
		TAILQ_INSERT_AFTER(&tp_queues, at, queue, next);
	else
		TAILQ_INSERT_HEAD(&tp_queues, queue, next);
}

/* One after the other, for queues that are polled and said nothing of an lcore. */
static struct tp_set *
next_set(void)
{
	static unsigned int turn;

	return tp_service_set(turn++ % tp_service_n_sets());
}

static int
find_vec(struct tp_queue *queue, const struct tp_queue_want *want)
{
	struct rte_ims_want place = { .place = RTE_IMS_PLACE_ANY };

	if (want->pool != NULL) {
		if (want->set != NULL) {
			place.place = RTE_IMS_PLACE_LCORE;
			place.number = want->set->lcore;
		}
		queue->vec = tp_pool_get(want->pool, &place);
		if (queue->vec == NULL)
			return -rte_errno;
		queue->from_pool = true;
	} else {
		queue->vec = want->vec;
	}
	queue->polled = queue->vec == NULL || queue->vec->kind == TP_VEC_DEDICATED;
	if (queue->polled)
		queue->set = want->set != NULL ? want->set : next_set();
	return 0;
}

/* In the user's words what rte_pmd_queue_dev_queue_create() says with a number. */
static int
create_failed(const struct tp_queue *queue, int rc)
{
	struct rte_pmd_queue_dev_info info;

	if (rte_pmd_queue_dev_info_get(queue->dev->dev, &info) != 0)
		return rc;
	if (rc == -ENOSPC && info.used_queues == info.n_queues)
		return tp_fail(
			rc, "no queue of %s is left: it has %u", queue->dev->name, info.n_queues);
	if (rc == -ENOSPC)
		return tp_fail(rc, "no event queue of %s is left for vector %u: it has %u",
			queue->dev->name, queue->vec != NULL ? queue->vec->id : 0, info.n_eqs);
	if (rc == -EXDEV)
		return tp_fail(rc, "vector %u is in the table of %s sub-device, for its queues",
			queue->vec->id, queue->subdev != NULL ? "another" : "a");
	if (rc == -ENOMEM)
		return tp_fail(
			rc, "no memory for a queue of depth %u: EAL's -m gives more", queue->depth);
	if (rc == -EINVAL && queue->vec != NULL && queue->polled)
		return tp_fail(rc,
			"dedicated vector %u is neither an MSI-X vector nor a queue's own",
			queue->vec->id);
	if (rc == -EBUSY)
		return tp_fail(rc, "vector %u is the message of one queue, which is there",
			queue->vec->id);
	return rc;
}

static uint64_t
queue_stamp(const struct tp_vec *vec, uint32_t number)
{
	(void)number;
	return rte_pmd_queue_dev_stamp(vec->vec);
}

/* Where the device's clock is this CPU's. It is only for show: without memory there is none. */
static void
measure_latency(struct tp_queue *queue)
{
	struct rte_pmd_queue_dev_info info;

	if (!queue->polled && rte_pmd_queue_dev_info_get(queue->dev->dev, &info) == 0 &&
		info.stamp_is_tsc)
		tp_latency_start(queue->vec, queue_stamp, 0);
}

static int
create(struct tp_queue *queue, const struct tp_queue_want *want)
{
	struct rte_pmd_queue_dev_queue_conf conf = {
		.depth = rte_align32pow2(RTE_MAX(want->depth, 2u)),
	};
	int rc;

	rc = find_vec(queue, want);
	if (rc != 0)
		return rc;
	if (queue->vec != NULL)
		conf.vec = queue->vec->vec;
	if (!queue->polled) {
		conf.fn = tp_queue_handler;
		conf.arg = queue;
	}
	if (want->subdev != NULL)
		conf.subdev = want->subdev->subdev;
	queue->q = rte_pmd_queue_dev_queue_create(queue->dev->dev, &conf);
	if (queue->q != NULL) {
		measure_latency(queue);
		return 0;
	}
	rc = create_failed(queue, -rte_errno);
	if (queue->from_pool)
		tp_pool_put(queue->vec);
	return rc;
}

struct tp_queue *
tp_queue_create(struct tp_dev *dev, const struct tp_queue_want *want)
{
	struct tp_queue *queue = calloc(1, sizeof(*queue));
	int rc;

	if (queue == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	queue->dev = dev;
	queue->depth = want->depth;
	queue->subdev = want->subdev;
	pthread_mutex_init(&queue->lock, NULL);
	rc = create(queue, want);
	if (rc != 0) {
		pthread_mutex_destroy(&queue->lock);
		free(queue);
		rte_errno = -rc;
		return NULL;
	}
	queue->number = rte_pmd_queue_dev_queue_number(queue->q);
	if (queue->subdev != NULL)
		queue->subdev->n_queues++;
	queue_insert(queue);
	return queue;
}

int
tp_queue_destroy(struct tp_queue *queue)
{
	int rc;

	tp_queue_stop(queue);
	tp_job_del(&queue->job);
	rc = rte_pmd_queue_dev_queue_destroy(queue->q);
	if (rc != 0)
		return rc;
	TAILQ_REMOVE(&tp_queues, queue, next);
	tp_op_memory_put();
	if (queue->subdev != NULL)
		queue->subdev->n_queues--;
	if (queue->from_pool)
		rc = tp_pool_put(queue->vec);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
	return rc;
}

int
tp_queue_lcore(const struct tp_queue *queue)
{
	return queue->polled ? (int)queue->set->lcore : tp_vec_lcore(queue->vec);
}

struct tp_subdev *
tp_subdev_add(struct tp_dev *dev, const char *name, uint32_t n_vecs)
{
	struct tp_subdev *subdev;

	if (tp_subdev_find(dev, name) != NULL) {
		rte_errno = -tp_fail(-EEXIST, "%s has a sub-device %s already", dev->name, name);
		return NULL;
	}
	subdev = calloc(1, sizeof(*subdev));
	if (subdev == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	snprintf(subdev->name, sizeof(subdev->name), "%s", name);
	subdev->dev = dev;
	subdev->subdev = rte_pmd_queue_dev_subdev_create(dev->dev, name, n_vecs);
	if (subdev->subdev == NULL) {
		free(subdev);
		if (rte_errno == ENOSPC)
			tp_fail(-rte_errno, "no sub-device of %s is left", dev->name);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&tp_subdevs, subdev, next);
	return subdev;
}

/* The vectors in its table go with it, unless something raises them. */
static int
check_vecs(const struct tp_subdev *subdev, const struct rte_ims_table *table)
{
	struct tp_vec *vec;
	int rc = 0;

	TAILQ_FOREACH(vec, &tp_vecs, next)
		if (rc == 0 && vec->dev == subdev->dev && vec->table == table)
			rc = tp_vec_check_unused(vec);
	return rc;
}

int
tp_subdev_del(struct tp_subdev *subdev)
{
	const struct rte_ims_table *table = rte_pmd_queue_dev_subdev_table(subdev->subdev);
	int rc;

	if (subdev->n_queues != 0)
		return tp_fail(-EBUSY, "%s has %u queue%s, see queue destroy", subdev->name,
			subdev->n_queues, subdev->n_queues == 1 ? "" : "s");
	rc = check_vecs(subdev, table);
	if (rc != 0)
		return rc;
	rc = rte_pmd_queue_dev_subdev_destroy(subdev->subdev);
	if (rc != 0)
		return rc;
	tp_vecs_forget(subdev->dev, table);
	TAILQ_REMOVE(&tp_subdevs, subdev, next);
	free(subdev);
	return 0;
}

struct tp_subdev *
tp_subdev_find(const struct tp_dev *dev, const char *name)
{
	struct tp_subdev *subdev;

	TAILQ_FOREACH(subdev, &tp_subdevs, next)
		if ((dev == NULL || subdev->dev == dev) && strcmp(subdev->name, name) == 0)
			return subdev;
	return NULL;
}

/* The next "first" or "first-last" of a list, and the comma after it. */
static bool
list_next(const char **list, uint64_t *first, uint64_t *last)
{
	char *end;

	if (!isdigit((unsigned char)**list))
		return false;
	*first = *last = strtoull(*list, &end, 10);
	if (*end == '-') {
		if (!isdigit((unsigned char)end[1]))
			return false;
		*last = strtoull(end + 1, &end, 10);
	}
	*list = end;
	return *first <= *last && *last <= UINT32_MAX;
}

bool
tp_list_valid(const char *list, size_t len)
{
	uint64_t first, last;
	char buf[256];
	const char *at = buf;

	if (len >= sizeof(buf))
		return false;
	memcpy(buf, list, len);
	buf[len] = '\0';
	while (list_next(&at, &first, &last)) {
		if (*at == '\0')
			return true;
		if (*at++ != ',')
			return false;
	}
	return false;
}

bool
tp_list_has(const char *list, uint32_t number)
{
	uint64_t first, last;

	if (list == NULL)
		return true;
	while (list_next(&list, &first, &last)) {
		if (number >= first && number <= last)
			return true;
		if (*list++ != ',')
			break;
	}
	return false;
}
