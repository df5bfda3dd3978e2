/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A driver that the program is not linked with: unknown, and known once EAL has loaded it with -d.
 *
 *   test_plugin [DRIVER.so]
 */

#include <errno.h>
#include <stdio.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include <rte_ims.h>

int
main(int argc, char **argv)
{
	char *eal[] = { argv[0], (char *)(uintptr_t) "--no-huge", (char *)(uintptr_t) "--no-pci",
		(char *)(uintptr_t) "--no-shconf", (char *)(uintptr_t) "-m",
		(char *)(uintptr_t) "64", (char *)(uintptr_t) "-d", argc > 1 ? argv[1] : NULL,
		NULL };
	struct rte_ims_dev_info info;
	struct rte_ims_dev *dev;
	int rc;

	if (rte_eal_init(argc > 1 ? 8 : 6, eal) < 0)
		return 1;
	dev = rte_ims_dev_open("emu:timer_ims", NULL);
	if (argc == 1) {
		rc = dev == NULL && rte_errno == ENODEV ? 0 : 1;
	} else {
		rc = dev != NULL && rte_ims_dev_info_get(dev, &info) == 0 ? 0 : 1;
		if (rc == 0)
			printf("driver %s\n", info.driver);
	}
	if (dev != NULL)
		rte_ims_dev_close(dev);
	rte_eal_cleanup();
	return rc;
}
