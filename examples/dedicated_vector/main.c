/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A vector for somebody else: its eventfd is the caller's own, as KVM's irqfd or vhost's callfd
 * would be. Here a plain poll() loop stands for the guest. The device (or the kernel's vfio-pci)
 * signals the eventfd itself, no thread of rte_ims takes part.
 *
 *   dedicated_vector [EAL options] [-- DEVICE]         DEVICE defaults to emu:queue_dev
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include <rte_ims.h>
#include <rte_ims_pool.h>
#include <rte_pmd_queue_dev.h>

#define ROUNDS 10

/* What the guest does when its interrupt comes. */
static int
guest(struct rte_pmd_queue_dev_queue *queue, int irqfd)
{
	struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };
	struct pollfd pfd = { .fd = irqfd, .events = POLLIN };
	struct rte_pmd_queue_dev_completion done;
	uint64_t count, round;

	for (round = 1; round <= ROUNDS; round++) {
		op.imm = round;
		rte_pmd_queue_dev_submit(queue, &op, 1);
		if (poll(&pfd, 1, 5000) != 1 || read(irqfd, &count, sizeof(count)) < 0)
			return -ETIMEDOUT;
		while (rte_pmd_queue_dev_poll(queue, &done, 1) == 1)
			printf("interrupt: operation %" PRIu64 " is done\n", done.result);
		rte_pmd_queue_dev_arm(queue); /* once more when there is something new */
	}
	return 0;
}

static int
run(struct rte_ims_dev *dev, struct rte_ims_pool *pool)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 16 };
	struct rte_pmd_queue_dev_queue *queue;
	int irqfd, rc;

	irqfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (irqfd < 0)
		return -errno;
	conf.vec = rte_ims_pool_dedicated(pool, irqfd, "guest 1");
	if (conf.vec == NULL) {
		close(irqfd);
		return -rte_errno;
	}
	queue = rte_pmd_queue_dev_queue_create(dev, &conf);
	rc = queue != NULL ? guest(queue, irqfd) : -rte_errno;
	if (queue != NULL)
		rte_pmd_queue_dev_queue_destroy(queue);
	rte_ims_pool_put(pool, conf.vec);
	close(irqfd);
	return rc;
}

int
main(int argc, char **argv)
{
	const char *name = "emu:queue_dev";
	struct rte_ims_pool *pool = NULL;
	struct rte_ims_dev *dev;
	int n, rc;

	n = rte_eal_init(argc, argv);
	if (n < 0) {
		fprintf(stderr, "dedicated_vector: EAL: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	if (argc - n > 1)
		name = argv[n + 1];
	dev = rte_ims_dev_open(name, NULL);
	if (dev != NULL)
		pool = rte_ims_pool_create("example", dev, NULL);
	rc = pool != NULL ? run(dev, pool) : -rte_errno;
	if (rc != 0)
		fprintf(stderr, "dedicated_vector: %s: %s\n", name, rte_strerror(-rc));
	if (pool != NULL)
		rte_ims_pool_destroy(pool);
	if (dev != NULL)
		rte_ims_dev_close(dev);
	rte_eal_cleanup();
	return rc == 0 ? 0 : 1;
}
