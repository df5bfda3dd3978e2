/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Devices that the user opened. */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_service.h"

struct tp_dev_list tp_devs = TAILQ_HEAD_INITIALIZER(tp_devs);

/* Handlers may run for nothing, when their vector's delivery is switched for example. */
static void
removed_handler(struct rte_ims_vec *vec, void *arg)
{
	const struct tp_dev *dev = arg;
	struct rte_ims_dev_info info;

	if (rte_ims_dev_info_get(rte_ims_vec_dev(vec), &info) != 0 || !info.removed)
		return;
	tp_notice("device %u (%s) is gone: what remains is dev close %u", dev->id, dev->name,
		dev->id);
}

static int
removed_watch(struct tp_dev *dev)
{
	struct rte_ims_vec_conf conf = { .name = "removed" };
	struct rte_ims_store *store;
	int rc;

	store = rte_ims_dev_store_get(dev->dev, RTE_IMS_STORE_DEVICE);
	if (store == NULL)
		return -rte_errno;
	dev->removed_vec = rte_ims_vec_alloc(
		rte_ims_dev_table(dev->dev), store, RTE_IMS_DEV_EVENT_REMOVED, &conf);
	if (dev->removed_vec == NULL)
		return -rte_errno;
	dev->removed_obj.fn = removed_handler;
	dev->removed_obj.arg = dev;
	rc = rte_ims_vec_attach(dev->removed_vec, &dev->removed_obj);
	if (rc == 0)
		rc = rte_ims_wait_add(tp_service_wait(), dev->removed_vec);
	return rc;
}

/* Keeps the list in order and takes the lowest free number. */
static void
dev_insert(struct tp_dev *dev)
{
	struct tp_dev *at;

	TAILQ_FOREACH(at, &tp_devs, next) {
		if (at->id != dev->id)
			break;
		dev->id++;
	}
	if (at != NULL)
		TAILQ_INSERT_BEFORE(at, dev, next);
	else
		TAILQ_INSERT_TAIL(&tp_devs, dev, next);
}

struct tp_dev *
tp_dev_open(const char *name)
{
	struct tp_dev *dev;
	int rc;

	if (strlen(name) >= RTE_IMS_NAME_LEN) {
		rte_errno = -tp_fail(-ENAMETOOLONG, "the name of a device has up to %u characters",
			RTE_IMS_NAME_LEN - 1);
		return NULL;
	}
	dev = calloc(1, sizeof(*dev));
	if (dev == NULL) {
		tp_fail(-ENOMEM, NULL);
		return NULL;
	}
	dev->dev = rte_ims_dev_open(name, NULL);
	if (dev->dev == NULL) {
		rc = rte_errno;
		if (rc == EEXIST)
			tp_fail(-rc, "%s is open already", name);
		else if (tp_report_silent())
			tp_fail(-rc, "%s: %s", name, rte_strerror(rc));
		free(dev);
		rte_errno = rc;
		return NULL;
	}
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	rc = removed_watch(dev);
	if (rc != 0) {
		rte_ims_dev_close(dev->dev);
		free(dev);
		rte_errno = -rc;
		return NULL;
	}
	dev_insert(dev);
	return dev;
}

int
tp_dev_close(struct tp_dev *dev)
{
	const struct tp_topic *topic;
	int rc;

	for (topic = tp_topics(); topic != NULL; topic = topic->next)
		if (topic->dev_close != NULL)
			topic->dev_close(dev);
	rc = tp_pools_close(dev);
	if (rc == 0)
		rc = rte_ims_dev_close(dev->dev);
	if (rc != 0)
		return tp_fail(rc, NULL);
	tp_vecs_forget(dev, NULL);
	TAILQ_REMOVE(&tp_devs, dev, next);
	free(dev);
	return 0;
}

void
tp_dev_close_all(void)
{
	struct tp_dev *dev;

	while ((dev = TAILQ_FIRST(&tp_devs)) != NULL)
		if (tp_dev_close(dev) != 0)
			break;
}

struct tp_dev *
tp_dev_find(const char *str)
{
	struct tp_dev *dev;
	char *end;
	unsigned long id = strtoul(str, &end, 10);
	bool is_id = isdigit((unsigned char)str[0]) && *end == '\0';

	TAILQ_FOREACH(dev, &tp_devs, next)
		if (is_id ? dev->id == id : strcmp(dev->name, str) == 0)
			return dev;
	return NULL;
}

struct rte_ims_store *
tp_dev_store(struct tp_dev *dev)
{
	return rte_ims_dev_store_at(dev->dev, 1);
}
