/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* dev: open, close, reset */

#include <errno.h>

#include <rte_errno.h>

#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_service.h"

static int
cmd_dev_open(const struct tp_args *args)
{
	struct rte_ims_dev_info info;
	struct tp_dev *dev;

	dev = tp_dev_open(tp_arg_str(args, "DEVICE"));
	if (dev == NULL)
		return -rte_errno;
	rte_ims_dev_info_get(dev->dev, &info);
	printf("device %u: %s, driver %s\n", dev->id, dev->name, info.driver);
	return 0;
}

static int
cmd_dev_close(const struct tp_args *args)
{
	return tp_dev_close(tp_arg_ptr(args, "DEV"));
}

static int
cmd_dev_reset(const struct tp_args *args)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");

	return rte_ims_dev_reset(dev->dev);
}

static int
cmd_dump_dev(const struct tp_args *args)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");

	return rte_ims_dev_dump(dev->dev, stdout);
}

static int
cmd_dump_wait(const struct tp_args *args)
{
	unsigned int i;
	int rc = 0;

	(void)args;
	for (i = 0; i < tp_service_n_sets() && rc == 0; i++)
		rc = rte_ims_wait_dump(tp_service_set(i)->wait, stdout);
	return rc;
}

static const struct tp_cmd dev_cmds[] = {
	{ "dev open DEVICE", cmd_dev_open, "Open a device",
		"    DEVICE: emu:timer_ims[,timers=N][,engine=timerfd|spin][,cpu=N][,mmap=0|1],\n"
		"            emu:queue_dev[,queues=N][,subdevs=N][,eqs=N][,msix=N][,ims=0|1],\n"
		"            vfio-user:/path/to.sock, or pci:0000:3b:00.0\n" },
	{ "dev close DEV", cmd_dev_close, "Close it, and free its vectors", NULL },
	{ "dev reset DEV", cmd_dev_reset, "Reset its function; vectors stay", NULL },
};
TP_CMDS_REGISTER(dev, "Open and close devices");

static const struct tp_cmd dump_cmds[] = {
	{ "dump device DEV", cmd_dump_dev, "All that the library knows of a device", NULL },
	{ "dump wait", cmd_dump_wait, "All that the library knows of the wait sets", NULL },
};
TP_CMDS_REGISTER(dump, "The library's own view, for debugging");
