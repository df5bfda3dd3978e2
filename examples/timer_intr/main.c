/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A timer that has only IMS: one interrupt, from opening the device to its handler.
 *
 *   timer_intr [EAL options] [-- DEVICE]         DEVICE defaults to emu:timer_ims
 */

#include <inttypes.h>
#include <stdio.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include <rte_ims.h>
#include <rte_ims_wait.h>
#include <rte_pmd_timer_ims.h>

#define TICKS       10
#define INTERVAL_NS 100000000 /* 0.1 s */

struct ticker {
	struct rte_ims_obj obj;
	struct rte_ims_dev *dev;
	uint64_t ticks;
};

/* Runs in the thread that sleeps on the wait set. */
static void
on_tick(struct rte_ims_vec *vec, void *arg)
{
	struct ticker *t = arg;

	(void)vec;
	t->ticks = rte_pmd_timer_ims_count(t->dev, 0, NULL); /* ticks may merge: ask the device */
	printf("tick %" PRIu64 "\n", t->ticks);
}

static int
run(struct rte_ims_dev *dev, struct rte_ims_wait *wait)
{
	struct rte_pmd_timer_ims_conf conf = {
		.interval_ns = INTERVAL_NS,
		.limit = TICKS,
		.flags = RTE_PMD_TIMER_IMS_F_PERIODIC,
	};
	struct ticker t = { .obj = { .fn = on_tick, .arg = &t }, .dev = dev };
	struct rte_ims_vec *vec;
	int rc;

	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev),
		rte_ims_dev_store_get(dev, RTE_IMS_STORE_BAR), RTE_IMS_SLOT_ANY, NULL);
	if (vec == NULL)
		return -rte_errno;
	rc = rte_ims_vec_attach(vec, &t.obj);
	if (rc == 0)
		rc = rte_ims_wait_add(wait, vec);
	if (rc == 0)
		rc = rte_pmd_timer_ims_start(dev, 0, vec, &conf);
	while (rc >= 0 && t.ticks < TICKS)
		rc = rte_ims_wait_sleep(wait, -1);
	rte_ims_vec_free(vec); /* detaches, leaves the wait set, masks the slot */
	return rc < 0 ? rc : 0;
}

int
main(int argc, char **argv)
{
	const char *name = "emu:timer_ims";
	struct rte_ims_wait *wait;
	struct rte_ims_dev *dev;
	int n, rc = -1;

	n = rte_eal_init(argc, argv);
	if (n < 0) {
		fprintf(stderr, "timer_intr: EAL: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	if (argc - n > 1)
		name = argv[n + 1];
	dev = rte_ims_dev_open(name, NULL);
	if (dev == NULL) {
		fprintf(stderr, "timer_intr: %s: %s\n", name, rte_strerror(rte_errno));
		goto cleanup;
	}
	wait = rte_ims_wait_create("timer_intr", NULL);
	if (wait != NULL) {
		rc = run(dev, wait);
		if (rc != 0)
			fprintf(stderr, "timer_intr: %s\n", rte_strerror(-rc));
		rte_ims_wait_destroy(wait);
	}
	rte_ims_dev_close(dev);
cleanup:
	rte_eal_cleanup();
	return rc == 0 ? 0 : 1;
}
