/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* vec: alloc, free, mask, unmask, delivery */

#include <errno.h>
#include <string.h>

#include <rte_errno.h>

#include "tp_cmd.h"
#include "tp_dev.h"

static int
find_store(struct tp_dev *dev, const char *name, struct rte_ims_store **store)
{
	struct rte_ims_store_info info;
	uint32_t i;

	*store = tp_dev_store(dev);
	if (name == NULL)
		return *store != NULL
		               ? 0
		               : tp_fail(-ENOTSUP, "%s has no store for messages", dev->name);
	for (i = 1; (*store = rte_ims_dev_store_at(dev->dev, i)) != NULL; i++)
		if (rte_ims_store_info_get(*store, &info) == 0 && strcmp(info.name, name) == 0)
			return 0;
	return tp_fail(-ENOENT, "%s has no store %s for messages: see show store %u", dev->name,
		name, dev->id);
}

static int
find_table(struct tp_dev *dev, const char *name, struct rte_ims_table **table)
{
	struct rte_ims_table_info info;

	*table = rte_ims_table_next(dev->dev, NULL);
	if (name == NULL)
		return 0;
	for (; *table != NULL; *table = rte_ims_table_next(dev->dev, *table))
		if (rte_ims_table_info_get(*table, &info) == 0 && strcmp(info.name, name) == 0)
			return 0;
	return tp_fail(-ENOENT, "%s has no table %s: see show table %u", dev->name, name, dev->id);
}

static int
cmd_vec_alloc(const struct tp_args *args)
{
	uint64_t slot = tp_arg_num(args, "SLOT", RTE_IMS_SLOT_ANY);
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct tp_vec_want want = {
		.slot = tp_arg_has(args, "any") ? RTE_IMS_SLOT_ANY
		                                : RTE_MIN(slot, RTE_IMS_SLOT_ANY - 1ull),
		.delivery = tp_arg_has(args, "memory") ? RTE_IMS_DELIVERY_MEMORY
		                                       : RTE_IMS_DELIVERY_EVENTFD,
	};
	struct rte_ims_vec_info info;
	struct tp_vec *vec;
	int rc;

	rc = find_store(dev, tp_arg_str(args, "STORE"), &want.store);
	if (rc == 0)
		rc = find_table(dev, tp_arg_str(args, "TABLE"), &want.table);
	if (rc != 0)
		return rc;
	vec = tp_vec_alloc(dev, &want);
	if (vec == NULL)
		return -rte_errno;
	rte_ims_vec_info_get(vec->vec, &info);
	printf("vector %u: slot %u of %s, %s\n", vec->id, info.slot, dev->name,
		tp_delivery_str(info.delivery));
	return 0;
}

static int
cmd_vec_free(const struct tp_args *args)
{
	return tp_vec_free(tp_arg_ptr(args, "VEC"));
}

static int
cmd_vec_mask(const struct tp_args *args)
{
	struct tp_vec *vec = tp_arg_ptr(args, "VEC");

	return tp_arg_has(args, "mask") ? rte_ims_vec_mask(vec->vec) : rte_ims_vec_unmask(vec->vec);
}

static int
cmd_vec_delivery(const struct tp_args *args)
{
	enum rte_ims_delivery delivery =
		tp_arg_has(args, "memory") ? RTE_IMS_DELIVERY_MEMORY : RTE_IMS_DELIVERY_EVENTFD;
	struct tp_vec *vec = tp_arg_ptr(args, "VEC");
	int rc;

	if (vec->kind == TP_VEC_DEDICATED)
		return tp_fail(
			-EINVAL, "vector %u is dedicated: its eventfd is all that it has", vec->id);
	rc = rte_ims_vec_delivery_set(vec->vec, delivery);
	if (rc == -ENOTSUP)
		return tp_fail(
			rc, "vector %u cannot deliver to %s", vec->id, tp_delivery_str(delivery));
	return rc;
}

static const struct tp_cmd vec_cmds[] = {
	{ "vec alloc DEV SLOT|any [eventfd|memory] [store STORE] [table TABLE]", cmd_vec_alloc,
		"Take a slot, its handler counts",
		"    default: eventfd, the first store, the device's own table\n" },
	{ "vec free VEC", cmd_vec_free, "Free a vector", NULL },
	{ "vec mask VEC", cmd_vec_mask, "Mask it in the device: events stay pending", NULL },
	{ "vec unmask VEC", cmd_vec_mask, "Unmask it: a pending event arrives", NULL },
	{ "vec delivery VEC memory|eventfd", cmd_vec_delivery,
		"Switch its delivery, while events arrive", NULL },
};
TP_CMDS_REGISTER(vec, "Vectors: allocate, mask, switch, free");

static const struct tp_cmd set_cmds[] = {
	{ "set delivery VEC memory|eventfd", cmd_vec_delivery, "As vec delivery", NULL },
};
TP_CMDS_REGISTER(set, "Settings");
