/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* vec: alloc, free, mask, unmask; set wait */

#include <errno.h>

#include <rte_errno.h>

#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_service.h"

static int
cmd_vec_alloc(const struct tp_args *args)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct rte_ims_vec_info info;
	struct tp_vec *vec;

	if (tp_dev_store(dev) == NULL)
		return tp_fail(-ENOTSUP, "%s has no store for messages", dev->name);
	vec = tp_vec_alloc(dev, tp_dev_store(dev), tp_arg_num(args, "SLOT", RTE_IMS_SLOT_ANY),
		tp_arg_has(args, "memory") ? RTE_IMS_DELIVERY_MEMORY : RTE_IMS_DELIVERY_EVENTFD,
		NULL);
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
cmd_set_wait(const struct tp_args *args)
{
	tp_service_set_poll(tp_arg_has(args, "poll"));
	return 0;
}

static const struct tp_cmd vec_cmds[] = {
	{ "vec alloc DEV SLOT|any [eventfd|memory]", cmd_vec_alloc,
		"Take a slot, its handler counts", "    default: eventfd\n" },
	{ "vec free VEC", cmd_vec_free, "Free a vector", NULL },
	{ "vec mask VEC", cmd_vec_mask, "Mask it in the device: events stay pending", NULL },
	{ "vec unmask VEC", cmd_vec_mask, "Unmask it: a pending event arrives", NULL },
};
static struct tp_topic vec_topic = {
	.name = "vec",
	.help = "Vectors: allocate, mask, free",
	.cmds = vec_cmds,
	.n_cmds = TP_DIM(vec_cmds),
};
TP_TOPIC_REGISTER(vec_topic);

static const struct tp_cmd set_cmds[] = {
	{ "set wait poll|sleep", cmd_set_wait,
		"How the threads behind the wait sets wait; default: sleep", NULL },
};
static struct tp_topic set_topic = {
	.name = "set",
	.help = "Settings",
	.cmds = set_cmds,
	.n_cmds = TP_DIM(set_cmds),
};
TP_TOPIC_REGISTER(set_topic);
