/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* timer: the timers of a timer_ims device */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include <rte_pmd_timer_ims.h>

#include "bench.h"
#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_latency.h"

/* A timer that was started, and the vector it raises. */
struct timer {
	TAILQ_ENTRY(timer) next;
	struct tp_dev *dev;
	uint32_t n;
	struct tp_vec *vec;
	bool own; /* allocated by "timer start", freed by "timer stop" */
};

static TAILQ_HEAD(, timer) timers = TAILQ_HEAD_INITIALIZER(timers);

static struct timer *
timer_find(const struct tp_dev *dev, uint32_t n)
{
	struct timer *t;

	TAILQ_FOREACH(t, &timers, next)
		if (t->dev == dev && t->n == n)
			return t;
	return NULL;
}

static void
timer_forget(struct timer *t)
{
	struct tp_vec *vec = t->own ? t->vec : NULL;

	TAILQ_REMOVE(&timers, t, next);
	free(t);
	if (vec != NULL)
		tp_vec_free(vec);
}

static int
timer_vec_free(struct tp_vec *vec)
{
	struct timer *t;

	TAILQ_FOREACH(t, &timers, next)
		if (t->vec == vec)
			return tp_fail(-EBUSY, "timer %u of %s raises it, see timer stop", t->n,
				t->dev->name);
	return 0;
}

static void
timer_dev_close(struct tp_dev *dev)
{
	struct timer *t, *next;

	for (t = TAILQ_FIRST(&timers); t != NULL; t = next) {
		next = TAILQ_NEXT(t, next);
		if (t->dev != dev)
			continue;
		rte_pmd_timer_ims_stop(dev->dev, t->n);
		TAILQ_REMOVE(&timers, t, next);
		free(t);
	}
}

static int
check_timer(const struct tp_dev *dev, uint64_t n)
{
	struct rte_pmd_timer_ims_info info;
	int rc;

	rc = rte_pmd_timer_ims_info_get(dev->dev, &info);
	if (rc == -ENODEV)
		return tp_fail(rc, "%s is not a timer_ims device, or is gone", dev->name);
	if (rc != 0)
		return rc;
	if (n >= info.n_timers)
		return tp_fail(-ERANGE, "timer %" PRIu64 " does not exist: %s has timers 0..%u", n,
			dev->name, info.n_timers - 1);
	return 0;
}

/* A vector of its own: by eventfd, or by memory where the device cannot. */
static struct tp_vec *
own_vec(struct tp_dev *dev, uint32_t n)
{
	struct tp_vec_want want = {
		.table = rte_ims_dev_table(dev->dev),
		.store = tp_dev_store(dev),
		.slot = RTE_IMS_SLOT_ANY,
	};
	struct tp_vec *vec;
	char name[32];

	snprintf(name, sizeof(name), "timer%u", n);
	want.name = name;
	vec = tp_vec_alloc(dev, &want);
	if (vec == NULL && rte_errno == ENOTSUP) {
		want.delivery = RTE_IMS_DELIVERY_MEMORY;
		vec = tp_vec_alloc(dev, &want);
	}
	return vec;
}

/* The vector named, the one the timer had, or a new one. */
static struct timer *
timer_get(struct tp_dev *dev, uint32_t n, struct tp_vec *vec)
{
	struct timer *t = timer_find(dev, n);

	if (t != NULL && (vec == NULL || vec == t->vec))
		return t;
	if (t != NULL)
		timer_forget(t);
	t = calloc(1, sizeof(*t));
	if (t == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	t->own = vec == NULL;
	t->vec = vec != NULL ? vec : own_vec(dev, n);
	if (t->vec == NULL) {
		free(t);
		return NULL;
	}
	t->dev = dev;
	t->n = n;
	TAILQ_INSERT_TAIL(&timers, t, next);
	return t;
}

static uint64_t
timer_stamp(const struct tp_vec *vec, uint32_t n)
{
	uint64_t stamp = 0;

	rte_pmd_timer_ims_count(vec->dev->dev, n, &stamp);
	return stamp;
}

/* Where the device's clock is this CPU's. */
static int
measure_latency(struct timer *t)
{
	struct rte_pmd_timer_ims_info info;
	int rc;

	rc = rte_pmd_timer_ims_info_get(t->dev->dev, &info);
	return rc == 0 && info.stamp_is_tsc ? tp_latency_start(t->vec, timer_stamp, t->n) : rc;
}

static int
cmd_timer_start(const struct tp_args *args)
{
	struct rte_pmd_timer_ims_conf conf = {
		.interval_ns = tp_arg_num(args, "NS", 0),
		.flags = tp_arg_has(args, "periodic") ? RTE_PMD_TIMER_IMS_F_PERIODIC : 0,
	};
	struct tp_vec *vec = tp_arg_ptr(args, "VEC");
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	uint64_t n = tp_arg_num(args, "TIMER", 0);
	struct timer *t;
	int rc;

	rc = check_timer(dev, n);
	if (rc != 0)
		return rc;
	if (conf.interval_ns == 0 || conf.interval_ns > 3600 * TP_NSEC)
		return tp_fail(-EINVAL, "a timer takes 1ns to 3600s");
	if (vec != NULL && vec->dev != dev)
		return tp_fail(-EINVAL, "vector %u is not of %s", vec->id, dev->name);
	t = timer_get(dev, n, vec);
	if (t == NULL)
		return -rte_errno;
	rc = measure_latency(t);
	if (rc == 0)
		rc = rte_pmd_timer_ims_start(dev->dev, n, t->vec->vec, &conf);
	if (rc == 0) {
		printf("timer %" PRIu64 " raises vector %u\n", n, t->vec->id);
		return 0;
	}
	timer_forget(t);
	return rc == -EINVAL ? tp_fail(rc, "a timer cannot raise the slot of device errors") : rc;
}

static int
cmd_timer_stop(const struct tp_args *args)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	uint64_t n = tp_arg_num(args, "TIMER", 0), count;
	struct timer *t;
	int rc;

	rc = check_timer(dev, n);
	if (rc != 0)
		return rc;
	rc = rte_pmd_timer_ims_stop(dev->dev, n);
	if (rc != 0)
		return rc;
	count = rte_pmd_timer_ims_count(dev->dev, n, NULL);
	printf("timer %" PRIu64 " expired %" PRIu64 " times\n", n, count);
	t = timer_find(dev, n);
	if (t != NULL)
		timer_forget(t);
	return 0;
}

static int
cmd_show_timer(const struct tp_args *args)
{
	static const char *const names[] = { "DEV", "TIMER", "VECTOR", "+EXPIRATIONS", NULL };
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct tp_table *table;
	struct timer *t;
	int rc;

	rc = dev != NULL ? check_timer(dev, 0) : 0;
	if (rc != 0)
		return rc;
	table = tp_table_new("timers");
	tp_head(table, names);
	TAILQ_FOREACH(t, &timers, next) {
		if (dev != NULL && t->dev != dev)
			continue;
		tp_cell(table, "%u", t->dev->id);
		tp_cell(table, "%u", t->n);
		tp_cell(table, "%u", t->vec->id);
		tp_cell(table, "%" PRIu64, rte_pmd_timer_ims_count(t->dev->dev, t->n, NULL));
		tp_row_end(table);
	}
	tp_table_print(table, stdout);
	return 0;
}

static int
cmd_bench_timer(const struct tp_args *args)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct bench_timer_conf conf = {
		.dev = dev,
		.n_timers = tp_arg_num(args, "N", 1),
		.interval_ns = tp_arg_num(args, "NS", 0),
		.duration_ns = tp_arg_num(args, "SECONDS", 0),
		.memory = !tp_arg_has(args, "eventfd"),
		.eventfd = !tp_arg_has(args, "memory"),
		.json = tp_arg_str(args, "FILE"),
	};
	struct rte_ims_dev_info info;
	int rc;

	if (conf.n_timers == 0)
		return tp_fail(-EINVAL, "a bench takes one timer or more");
	rc = check_timer(dev, conf.n_timers - 1);
	if (rc != 0)
		return rc;
	if (conf.interval_ns == 0 || conf.interval_ns > 3600 * TP_NSEC)
		return tp_fail(-EINVAL, "a timer takes 1ns to 3600s");
	if (conf.duration_ns == 0 || conf.duration_ns > 86400 * TP_NSEC)
		return tp_fail(-EINVAL, "a bench takes up to 86400 seconds");
	if (rte_ims_dev_info_get(dev->dev, &info) == 0 && info.removed)
		return tp_fail(-ENODEV, "%s is gone", dev->name);
	if (!TAILQ_EMPTY(&timers))
		return tp_fail(
			-EBUSY, "timers are running, see timer stop: they would be measured too");
	return bench_timer(&conf);
}

static const struct tp_cmd timer_cmds[] = {
	{ "timer start DEV TIMER NS [periodic] [vec VEC]", cmd_timer_start, "Start a timer",
		"    without vec: on a vector of its own, which timer stop frees\n" },
	{ "timer stop DEV TIMER", cmd_timer_stop, "Stop a timer", NULL },
};
static struct tp_topic timer_topic = {
	.name = "timer",
	.help = "Timers of a timer_ims device",
	.cmds = timer_cmds,
	.n_cmds = TP_DIM(timer_cmds),
	.vec_free = timer_vec_free,
	.dev_close = timer_dev_close,
};
TP_TOPIC_REGISTER(timer_topic);

static const struct tp_cmd show_cmds[] = {
	{ "show timer all|DEV [json]", cmd_show_timer, "The timers started here", NULL },
};
TP_CMDS_REGISTER(show, "What there is, and what it counts");

static const struct tp_cmd bench_cmds[] = {
	{ "bench timer DEV N NS SECONDS [eventfd|memory] [json FILE]", cmd_bench_timer,
		"Latency and loss of N periodic timers, beside the bare floors",
		"    The device should spin on a CPU of its own: emu:timer_ims,engine=spin,cpu=0 with\n"
		"    EAL -l 0,1, so that the bench has lcore 1.\n" },
};
TP_CMDS_REGISTER(bench, "Measure");

static const struct tp_cmd start_cmds[] = {
	{ "start timer DEV TIMER NS [periodic] [vec VEC]", cmd_timer_start, "As timer start",
		NULL },
};
TP_CMDS_REGISTER(start, "Start something: timer, queue, fwd");

static const struct tp_cmd stop_cmds[] = {
	{ "stop timer DEV TIMER", cmd_timer_stop, "As timer stop", NULL },
};
TP_CMDS_REGISTER(stop, "Stop it");
