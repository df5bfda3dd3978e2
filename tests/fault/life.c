/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <rte_ims_pool.h>

#include "life.h"

int
life_created(const void *made)
{
	expect(made != NULL || rte_errno != 0);
	return made != NULL ? 0 : -rte_errno;
}

/* One time for each fault there can be. */
void
life_undo(int (*fn)(void *arg), void *arg)
{
	int rc = arg != NULL ? fn(arg) : 0, tries;

	for (tries = 0; tries < 2 && rc != 0; tries++) {
		expect(rc < 0);
		rc = fn(arg);
	}
	if (rc != 0)
		print_error("%d: %s\n", rc, rte_strerror(-rc));
	expect(rc == 0);
}

int
undo_dev(void *arg)
{
	return rte_ims_dev_close(arg);
}

int
undo_wait(void *arg)
{
	return rte_ims_wait_destroy(arg);
}

int
undo_vec(void *arg)
{
	return rte_ims_vec_free(arg);
}

int
undo_table(void *arg)
{
	return rte_ims_table_free(arg);
}

int
undo_pool(void *arg)
{
	return rte_ims_pool_destroy(arg);
}

bool
life_is_removed(const struct rte_ims_dev *dev)
{
	struct rte_ims_dev_info info;

	return rte_ims_dev_info_get(dev, &info) != 0 || info.removed;
}
