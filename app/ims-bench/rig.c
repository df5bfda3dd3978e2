/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "ims_bench.h"

static atomic_bool worker_stop;

void
give_up(int rc, const char *what)
{
	fprintf(stderr, "ims-bench: %s: %s\n", what, rte_strerror(-rc));
	exit(1);
}

static struct rte_ims_wait *
lcore_open(struct rig *rig, unsigned int lcore)
{
	struct rte_ims_wait_conf conf = {
		.flags = RTE_IMS_WAIT_F_LCORE,
		.lcore_id = lcore,
		.max_vecs = 65536,
	};
	struct rte_ims_wait *wait = rte_ims_wait_create("bench", &conf);

	check_ptr(wait, "wait set");
	check(rte_ims_pool_lcore_add(rig->pool, lcore, wait), "lcore");
	return wait;
}

void
rig_open(struct rig *rig, int cpu, const char *options, enum rte_ims_delivery delivery)
{
	struct rte_ims_pool_conf conf = { .delivery = delivery };
	char name[RTE_IMS_NAME_LEN];

	memset(rig, 0, sizeof(*rig));
	if (cpu >= 0)
		snprintf(name, sizeof(name), "emu:queue_dev,cpu=%d%s", cpu, options);
	else
		snprintf(name, sizeof(name), "emu:queue_dev%s", options);
	rig->dev = rte_ims_dev_open(name, NULL);
	check_ptr(rig->dev, name);
	rig->pool = rte_ims_pool_create("bench", rig->dev, &conf);
	check_ptr(rig->pool, "pool");
	rig->wait = lcore_open(rig, rte_lcore_id());
	if (bench.worker != RTE_MAX_LCORE)
		rig->worker_wait = lcore_open(rig, bench.worker);
}

void
rig_close(struct rig *rig)
{
	check(rte_ims_pool_destroy(rig->pool), "pool");
	check(rte_ims_dev_close(rig->dev), "close");
	check(rte_ims_wait_destroy(rig->wait), "wait set");
	if (rig->worker_wait != NULL)
		check(rte_ims_wait_destroy(rig->worker_wait), "wait set");
}

struct rte_ims_vec *
rig_vec(struct rig *rig)
{
	struct rte_ims_want want = { .place = RTE_IMS_PLACE_LCORE, .number = rte_lcore_id() };
	struct rte_ims_vec *vec = rte_ims_pool_get(rig->pool, &want);

	check_ptr(vec, "vector");
	return vec;
}

static int
worker_loop(void *arg)
{
	while (!atomic_load_explicit(&worker_stop, memory_order_relaxed))
		rte_ims_wait_poll(arg);
	return 0;
}

void
rig_worker_start(struct rig *rig)
{
	atomic_store(&worker_stop, false);
	check(rte_eal_remote_launch(worker_loop, rig->worker_wait, bench.worker), "lcore");
}

void
rig_worker_stop(struct rig *rig)
{
	(void)rig;
	atomic_store(&worker_stop, true);
	rte_eal_wait_lcore(bench.worker);
}

uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

unsigned int
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}
