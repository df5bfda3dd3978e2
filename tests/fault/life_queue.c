/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A queue_dev device: vectors of its MSI-X table and of its queues, a pool, queues on a subdevice
 * and without.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_lcore.h>

#include <ims_driver.h>
#include <rte_ims_pool.h>

#include "queue_dev_regs.h"

#include "life.h"
#include "queue.h"

void
queue_on_event(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion c[QUEUE_DEPTH];
	struct queue *s = arg;
	int n, i;

	(void)vec;
	while ((n = rte_pmd_queue_dev_poll(s->q, c, QUEUE_DEPTH)) > 0)
		for (i = 0; i < n; i++)
			*(c[i].status == 0 ? &s->done : &s->aborted) += 1;
}

/*
 * Some operations, until they have been handled. -ENODEV: the device is gone, and they are aborted.
 */
int
queue_operate(struct rte_ims_dev *dev, struct rte_ims_wait *wait, struct queue *s)
{
	static const struct rte_pmd_queue_dev_op ops[QUEUE_DEPTH];
	uint64_t end = e2e_now_ns() + E2E_PATIENCE_NS;
	int n;

	n = rte_pmd_queue_dev_submit(s->q, ops, QUEUE_DEPTH);
	if (n < 0)
		return n;
	s->submitted += n;
	while (s->done + s->aborted != s->submitted && e2e_now_ns() < end && !life_is_removed(dev))
		rte_ims_wait_sleep(wait, 1000000);
	if (life_is_removed(dev))
		queue_on_event(NULL, s);
	expect(s->done + s->aborted == s->submitted);
	return life_is_removed(dev) ? -ENODEV : 0;
}

/* A life: each step's things, NULL while they are not there. */
static struct life {
	struct rte_ims_dev *dev;
	struct rte_ims_wait *waits[2];
	struct rte_ims_pool *pool;
	struct rte_ims_vec *vecs[2]; /* msix, ims-eq; one by eventfd, one in memory */
	struct rte_ims_vec *shared;
	struct rte_ims_vec *dedicated;
	struct rte_pmd_queue_dev_subdev *subdev;
	struct rte_ims_table *table;
	struct queue queues[3];
	void *mem;
	size_t mem_len;
	int fd;
} life;

static int
open_device(void)
{
	struct rte_ims_dev_conf conf = { .timeout_ms = E2E_PATIENCE_MS };
	int rc;

	life.dev = rte_ims_dev_open(e2e_dev_name, &conf);
	rc = life_created(life.dev);
	if (rc == 0) {
		life.waits[0] = rte_ims_wait_create("fault0", NULL);
		rc = life_created(life.waits[0]);
	}
	if (rc == 0) {
		life.waits[1] = rte_ims_wait_create("fault1", NULL);
		rc = life_created(life.waits[1]);
	}
	return rc;
}

static int
make_vectors(void)
{
	static const enum rte_ims_store_type stores[] = { RTE_IMS_STORE_MSIX, RTE_IMS_STORE_QUEUE };
	struct rte_ims_vec_conf conf = { 0 };
	int rc = 0;
	unsigned int i;

	for (i = 0; i < 2 && rc == 0; i++) {
		conf.delivery = i;
		life.vecs[i] = rte_ims_vec_alloc(rte_ims_dev_table(life.dev),
			rte_ims_dev_store_get(life.dev, stores[i]), RTE_IMS_SLOT_ANY, &conf);
		rc = life_created(life.vecs[i]);
		if (rc == 0)
			rc = rte_ims_wait_add(life.waits[0], life.vecs[i]);
	}
	return rc;
}

static int
make_pool(void)
{
	int rc;

	life.pool = rte_ims_pool_create("fault", life.dev, NULL);
	rc = life_created(life.pool);
	if (rc == 0)
		rc = rte_ims_pool_lcore_add(life.pool, rte_get_main_lcore(), life.waits[1]);
	if (rc == 0) {
		life.shared = rte_ims_pool_get(life.pool, NULL);
		rc = life_created(life.shared);
	}
	if (rc == 0) {
		life.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_true(life.fd >= 0);
		life.dedicated = rte_ims_pool_dedicated(life.pool, life.fd, "fault");
		rc = life_created(life.dedicated);
	}
	return rc;
}

static int
make_queues(void)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = QUEUE_DEPTH, .fn = queue_on_event };
	int rc = 0;
	unsigned int i;

	life.subdev = rte_pmd_queue_dev_subdev_create(life.dev, "fault", 4);
	rc = life_created(life.subdev);
	for (i = 0; i < 3 && rc == 0; i++) {
		conf.vec = i < 2 ? life.vecs[0] : life.shared;
		conf.subdev = i == 2 ? life.subdev : NULL;
		conf.arg = &life.queues[i];
		life.queues[i].q = rte_pmd_queue_dev_queue_create(life.dev, &conf);
		rc = life_created(life.queues[i].q);
		if (rc == 0)
			rc = queue_operate(life.dev, life.waits[i / 2], &life.queues[i]);
	}
	return rc;
}

static int
change_them(void)
{
	int rc;

	rc = rte_ims_vec_delivery_set(life.vecs[0], RTE_IMS_DELIVERY_MEMORY);
	if (rc == 0)
		rc = queue_operate(life.dev, life.waits[0], &life.queues[0]);
	if (rc == 0)
		rc = rte_ims_vec_delivery_set(life.vecs[0], RTE_IMS_DELIVERY_EVENTFD);
	if (rc == 0)
		rc = queue_operate(life.dev, life.waits[0], &life.queues[0]);
	if (rc == 0)
		rc = rte_ims_wait_move(life.waits[1], life.vecs[0]);
	if (rc == 0)
		rc = queue_operate(life.dev, life.waits[1], &life.queues[0]);
	if (rc == 0)
		rc = rte_pmd_queue_dev_queue_attach(life.queues[1].q, life.shared);
	if (rc == 0)
		rc = queue_operate(life.dev, life.waits[1], &life.queues[1]);
	if (rc == 0)
		rc = rte_ims_vec_mask(life.vecs[1]);
	if (rc == 0)
		rc = rte_ims_vec_unmask(life.vecs[1]);
	return rc;
}

/*
 * A command that the device takes its time for: the driver waits for the vector that tells of it.
 */
static int
delay_command(void)
{
	const uint32_t delay = 1, us = 5000, once = 1; /* see the register guide, injection */
	int rc;

	rc = rte_pmd_queue_dev_queue_attach(life.queues[1].q, life.vecs[1]);
	if (rc == 0)
		rc = ims_dev_bar_write32(life.dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_KIND, delay);
	if (rc == 0)
		rc = ims_dev_bar_write32(life.dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_TIME, us);
	if (rc == 0)
		rc = ims_dev_bar_write32(life.dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_COUNT, once);
	if (rc == 0)
		rc = rte_ims_vec_mask(life.vecs[1]);
	return rc == 0 ? rte_ims_vec_unmask(life.vecs[1]) : rc;
}

static int
map_memory(void)
{
	void *mem = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	assert_true(mem != MAP_FAILED);
	rc = rte_ims_dev_dma_map(life.dev, mem, 65536, -1, 0);
	if (rc != 0) {
		munmap(mem, 65536);
		return rc;
	}
	life.mem = mem;
	life.table = rte_ims_table_create(life.dev, "more", 8);
	return life_created(life.table);
}

static int
look_and_reset(void)
{
	FILE *f = fopen("/dev/null", "we");
	int rc;

	assert_non_null(f);
	rc = rte_ims_dev_dump(life.dev, f);
	fclose(f);
	if (rc == 0)
		rc = rte_ims_dev_reset(life.dev);
	if (rc == 0)
		rc = rte_ims_dev_audit(life.dev);
	return rc >= 0 ? queue_operate(life.dev, life.waits[1], &life.queues[0]) : rc;
}

static int
queue_destroy(void *arg)
{
	return rte_pmd_queue_dev_queue_destroy(arg);
}

static int
pool_put(void *arg)
{
	return rte_ims_pool_put(life.pool, arg);
}

static int
subdev_destroy(void *arg)
{
	return rte_pmd_queue_dev_subdev_destroy(arg);
}

static int
dma_unmap(void *arg)
{
	return rte_ims_dev_dma_unmap(life.dev, arg, 65536);
}

/* All that there is, from the last to the first. */
static void
end(void)
{
	unsigned int i;

	life_undo(undo_table, life.table);
	life_undo(dma_unmap, life.mem);
	if (life.mem != NULL)
		munmap(life.mem, 65536);
	for (i = 3; i-- > 0;)
		life_undo(queue_destroy, life.queues[i].q);
	life_undo(subdev_destroy, life.subdev);
	life_undo(pool_put, life.dedicated);
	life_undo(pool_put, life.shared);
	life_undo(undo_pool, life.pool);
	for (i = 0; i < 2; i++)
		life_undo(undo_vec, life.vecs[i]);
	life_undo(undo_dev, life.dev);
	for (i = 0; i < 2; i++)
		life_undo(undo_wait, life.waits[i]);
	if (life.fd >= 0)
		close(life.fd);
}

/* 0, or the error that has ended it early. */
int
life_queue(void)
{
	static int (*const steps[])(void) = { open_device, make_vectors, make_pool, make_queues,
		change_them, delay_command, map_memory, look_and_reset };
	unsigned int i;
	int rc = 0;

	memset(&life, 0, sizeof(life));
	life.fd = -1;
	for (i = 0; i < RTE_DIM(steps) && rc == 0; i++)
		rc = steps[i]();
	expect(rc <= 0);
	end();
	return rc;
}
