/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The hostile device: opened, used and looked at. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <ims_driver.h>
#include <queue_dev_regs.h>
#include <vfio_user_proto.h>

#include "hostile_beside.h"

struct bad_dev bad;

void
on_bad(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done[8];
	unsigned int i = (uintptr_t)arg;
	int n;

	(void)vec;
	while ((n = rte_pmd_queue_dev_poll(bad.queues[i], done, 8)) > 0)
		atomic_fetch_add(&bad.done[i], n);
}

static void
on_gone(struct rte_ims_vec *vec, void *arg)
{
	(void)vec;
	(void)arg;
	atomic_fetch_add(&bad.n_gone, 1);
}

void
bad_open(const char *model, uint32_t timeout_ms)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 64, .fn = on_bad };
	struct rte_ims_dev_conf dconf = { .timeout_ms = timeout_ms };
	struct rte_ims_vec *vec;
	uintptr_t i;

	memset(&bad, 0, sizeof(bad));
	bad.fds = count_fds();
	bad.maps = e2e_count_maps();
	bad.children = e2e_count_children();
	bad.h = hostile_start(model);
	bad.dev = rte_ims_dev_open(hostile_name(bad.h), &dconf);
	assert_non_null(bad.dev);
	bad.vecs[0] =
		vec_open(bad.dev, RTE_IMS_STORE_QUEUE, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	bad.vecs[1] =
		vec_open(bad.dev, RTE_IMS_STORE_QUEUE, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	bad.pool = pool_open("bad", bad.dev, &bad.vecs[2]);
	for (i = 0; i < N_BAD; i++) {
		conf.vec = bad.vecs[i];
		conf.arg = (void *)i;
		bad.queues[i] = rte_pmd_queue_dev_queue_create(bad.dev, &conf);
		assert_non_null(bad.queues[i]);
	}
	vec = vec_open(
		bad.dev, RTE_IMS_STORE_DEVICE, RTE_IMS_DEV_EVENT_REMOVED, RTE_IMS_DELIVERY_EVENTFD);
	bad.gone = (struct rte_ims_obj){ .fn = on_gone };
	assert_int_equal(rte_ims_vec_attach(vec, &bad.gone), 0);
}

void
bad_close(void)
{
	unsigned int i;

	for (i = 0; i < N_BAD; i++)
		rte_pmd_queue_dev_queue_destroy(bad.queues[i]);
	assert_int_equal(rte_ims_pool_put(bad.pool, bad.vecs[2]), 0);
	assert_int_equal(dev_close(bad.dev, bad.pool), 0);
	hostile_stop(bad.h);
	bad.h = NULL;
	good_goes_on();
	assert_int_equal(count_fds(), bad.fds);
	assert_int_equal(e2e_count_maps(), bad.maps);
	assert_int_equal(e2e_count_children(), bad.children);
}

int
bad_abandon(void **state)
{
	(void)state;
	if (bad.h == NULL)
		return 0;
	hostile_stop(bad.h);
	bad.h = NULL;
	return bad.dev != NULL ? dev_close(bad.dev, bad.pool) : 0;
}

struct rte_ims_dev_info
bad_info(void)
{
	struct rte_ims_dev_info info;

	assert_int_equal(rte_ims_dev_info_get(bad.dev, &info), 0);
	return info;
}

void
bad_counted(struct rte_ims_dev_stats want)
{
	struct rte_ims_dev_stats stats;

	assert_int_equal(rte_ims_dev_stats_get(bad.dev, &stats), 0);
	if (memcmp(&stats, &want, sizeof(stats)) != 0)
		rte_ims_dev_dump(bad.dev, stderr);
	assert_memory_equal(&stats, &want, sizeof(stats));
}

struct rte_pmd_queue_dev_info
bad_queue_info(void)
{
	struct rte_pmd_queue_dev_info info;

	assert_int_equal(rte_pmd_queue_dev_info_get(bad.dev, &info), 0);
	return info;
}

/* Each of its queues completes one operation more, or does not (it is the device's own fault). */
static void
submit_one(unsigned int i)
{
	const struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };

	bad.submitted[i] += rte_pmd_queue_dev_submit(bad.queues[i], &op, 1);
}

void
bad_submit(unsigned int i)
{
	uint64_t before = bad.submitted[i];

	in_set(submit_one, i);
	assert_int_equal(bad.submitted[i], before + 1);
}

void
bad_works(void)
{
	unsigned int i;

	for (i = 0; i < N_BAD; i++) {
		bad_submit(i);
		AWAIT(atomic_load(&bad.done[i]) == bad.submitted[i]);
	}
}

int
bad_call(void)
{
	uint32_t val = 0;
	int rc = ims_dev_bar_read32(bad.dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_KIND, &val);

	return rc;
}

void
bad_gone(void)
{
	AWAIT(atomic_load(&bad.n_gone) != 0);
	assert_int_equal(atomic_load(&bad.n_gone), 1);
	assert_true(bad_info().removed);
	assert_int_equal(bad_call(), -ENODEV);
}

uint64_t
events_of(const struct rte_ims_vec *vec)
{
	struct rte_ims_vec_stats stats;

	assert_int_equal(rte_ims_vec_stats_get(vec, &stats), 0);
	return stats.events;
}

struct rte_ims_msg
msg_of(const struct rte_ims_vec *vec)
{
	struct rte_ims_vec_info info;

	assert_int_equal(rte_ims_vec_info_get(vec, &info), 0);
	return info.msg;
}

void
message(uint32_t flags, uint64_t addr, uint32_t data)
{
	assert_true(hostile_dma(
		bad.h, VFIO_USER_DMA_WRITE, flags, addr, sizeof(data), &data, sizeof(data)));
}
