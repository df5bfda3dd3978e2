/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* queue, subdev, bench queue: queues of a queue_dev device, and its sub-devices */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include "bench.h"
#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_queue.h"

#define DEPTH_DEFAULT 32
#define DEPTH_MAX     32768
#define RATE_MAX      1000000000

static int
check_dev(const struct tp_dev *dev)
{
	struct rte_pmd_queue_dev_info info;
	int rc;

	rc = rte_pmd_queue_dev_info_get(dev->dev, &info);
	return rc == -ENODEV ? tp_fail(rc, "%s is not a queue_dev device", dev->name) : rc;
}

static int
want_fill(const struct tp_args *args, struct tp_queue_want *want)
{
	const char *subdev = tp_arg_str(args, "SUBDEV");
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	uint64_t depth = tp_arg_num(args, "DEPTH", DEPTH_DEFAULT);

	if (depth == 0 || depth > DEPTH_MAX)
		return tp_fail(-EINVAL, "a queue takes 1 to %u operations at a time", DEPTH_MAX);
	want->depth = depth;
	want->pool = tp_arg_ptr(args, "POOL");
	want->set = tp_arg_ptr(args, "LCORE");
	want->vec = tp_arg_ptr(args, "VEC");
	if (want->pool != NULL && want->pool->dev != dev)
		return tp_fail(-EINVAL, "pool %s is not of %s", want->pool->name, dev->name);
	if (want->vec != NULL && want->vec->dev != dev)
		return tp_fail(-EINVAL, "vector %u is not of %s", want->vec->id, dev->name);
	if (subdev == NULL)
		return 0;
	want->subdev = tp_subdev_find(dev, subdev);
	if (want->subdev == NULL)
		return tp_fail(
			-ENOENT, "%s has no sub-device %s: see subdev add", dev->name, subdev);
	return 0;
}

static void
destroy_some(struct tp_queue **queues, uint64_t n)
{
	while (n-- != 0)
		tp_queue_destroy(queues[n]);
}

static int
create_some(struct tp_dev *dev, const struct tp_queue_want *want, struct tp_queue **queues,
	uint64_t count)
{
	uint64_t i;
	int rc = 0;

	for (i = 0; i < count && rc == 0; i++) {
		queues[i] = tp_queue_create(dev, want);
		if (queues[i] == NULL)
			rc = -rte_errno;
		else if (atomic_load(&tp_interrupted))
			rc = tp_fail(-EINTR, "interrupted");
	}
	if (rc != 0)
		destroy_some(queues, queues[i - 1] != NULL ? i : i - 1);
	return rc;
}

/* Where they are: all on one vector, polled by one lcore, or so many. */
static void
place_print(struct tp_queue *const *queues, uint64_t n)
{
	unsigned int vecs = 0;
	struct tp_vec *vec;
	uint64_t i;

	if (n == 1 && queues[0]->vec == NULL) {
		printf("polled by lcore %d\n", tp_queue_lcore(queues[0]));
	} else if (queues[0]->vec == NULL) {
		printf("polled\n");
	} else if (n == 1) {
		printf("vector %u", queues[0]->vec->id);
		if (!queues[0]->polled)
			printf(", lcore %d", tp_queue_lcore(queues[0]));
		printf("\n");
	} else {
		TAILQ_FOREACH(vec, &tp_vecs, next) {
			for (i = 0; i < n && queues[i]->vec != vec; i++)
				;
			vecs += i < n;
		}
		printf("on %u vector%s\n", vecs, vecs == 1 ? "" : "s");
	}
}

static void
created_print(struct tp_queue *const *queues, uint64_t n)
{
	uint64_t i, first;

	printf("queue%s ", n == 1 ? "" : "s");
	for (i = 0; i < n; i++) {
		first = i;
		while (i + 1 < n && queues[i + 1]->number == queues[i]->number + 1)
			i++;
		printf("%s%u", first != 0 ? "," : "", queues[first]->number);
		if (i != first)
			printf("-%u", queues[i]->number);
	}
	printf(": ");
	place_print(queues, n);
}

static int
cmd_queue_create(const struct tp_args *args)
{
	uint64_t count = tp_arg_num(args, "COUNT", 1);
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct rte_pmd_queue_dev_info info;
	struct tp_queue_want want = { 0 };
	struct tp_queue **queues;
	int rc;

	rc = check_dev(dev);
	if (rc == 0)
		rc = want_fill(args, &want);
	if (rc != 0)
		return rc;
	rte_pmd_queue_dev_info_get(dev->dev, &info);
	if (count == 0 || count > info.n_queues)
		return tp_fail(-EINVAL, "%s has 1 to %u queues", dev->name, info.n_queues);
	queues = calloc(count, sizeof(*queues));
	if (queues == NULL)
		return -ENOMEM;
	rc = create_some(dev, &want, queues, count);
	if (rc == 0)
		created_print(queues, count);
	free(queues);
	return rc;
}

/* Call fn for the queues of a list; gives how many there are, or what fn failed with. */
static int
for_each(const struct tp_args *args, int (*fn)(struct tp_queue *queue, void *arg), void *arg)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	const char *list = tp_arg_str(args, "LIST");
	struct tp_queue *queue, *next;
	int n = 0, rc;

	rc = check_dev(dev);
	for (queue = TAILQ_FIRST(&tp_queues); queue != NULL && rc == 0; queue = next) {
		next = TAILQ_NEXT(queue, next);
		if (queue->dev != dev || !tp_list_has(list, queue->number))
			continue;
		rc = atomic_load(&tp_interrupted) ? tp_fail(-EINTR, "interrupted") : fn(queue, arg);
		n++;
	}
	if (rc == 0 && n == 0)
		rc = list == NULL
		             ? tp_fail(-ENOENT, "%s has no queues: see queue create", dev->name)
		             : tp_fail(-ENOENT, "%s has no queue %s: see show queue %u", dev->name,
				       list, dev->id);
	return rc != 0 ? rc : n;
}

static int
destroy_one(struct tp_queue *queue, void *arg)
{
	(void)arg;
	return tp_queue_destroy(queue);
}

static int
cmd_queue_destroy(const struct tp_args *args)
{
	return RTE_MIN(for_each(args, destroy_one, NULL), 0);
}

static enum rte_pmd_queue_dev_op_type
arg_op(const struct tp_args *args)
{
	enum rte_pmd_queue_dev_op_type op = RTE_PMD_QUEUE_DEV_NOP;

	while (!tp_arg_has(args, tp_op_str(op)))
		op++;
	return op;
}

static int
check_there(const struct tp_args *args)
{
	const struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct rte_ims_dev_info info;

	if (rte_ims_dev_info_get(dev->dev, &info) == 0 && info.removed)
		return tp_fail(-ENODEV, "%s is gone", dev->name);
	return 0;
}

struct work {
	enum rte_pmd_queue_dev_op_type op;
	uint64_t rate;
};

static int
start_one(struct tp_queue *queue, void *arg)
{
	const struct work *work = arg;
	int rc = tp_queue_start(queue, work->op, work->rate);

	return rc == -ENOMEM ? tp_fail(rc, "no memory to work on: EAL's -m gives more") : rc;
}

static int
cmd_queue_start(const struct tp_args *args)
{
	struct work work = { .op = arg_op(args), .rate = tp_arg_num(args, "RATE", 0) };
	int n;

	if (tp_arg_has(args, "rate") && (work.rate == 0 || work.rate > RATE_MAX))
		return tp_fail(-EINVAL, "a rate is 1 to %u operations per second", RATE_MAX);
	n = check_there(args);
	if (n == 0)
		n = for_each(args, start_one, &work);
	if (n > 0)
		printf("%d queue%s started\n", n, n == 1 ? "" : "s");
	return RTE_MIN(n, 0);
}

struct total {
	uint64_t completed;
	uint64_t errors;
};

static int
stop_one(struct tp_queue *queue, void *arg)
{
	(void)arg;
	tp_queue_stop(queue);
	return 0;
}

static int
drain_one(struct tp_queue *queue, void *arg)
{
	struct tp_queue_stats stats;
	struct total *total = arg;
	int rc = tp_queue_drain(queue);

	tp_queue_stats(queue, &stats);
	total->completed += stats.completed;
	total->errors += stats.errors;
	if (rc == -ETIMEDOUT)
		return tp_fail(rc, "queue %u: %u operations did not complete", queue->number,
			stats.pending);
	return rc == -EINTR ? tp_fail(rc, "interrupted") : rc;
}

static int
cmd_queue_stop(const struct tp_args *args)
{
	struct total total = { 0 };
	int n;

	n = for_each(args, stop_one, NULL);
	if (n > 0)
		n = check_there(args);
	if (n == 0)
		n = for_each(args, drain_one, &total);
	if (n > 0)
		printf("%d queue%s stopped: %" PRIu64 " operations completed, %" PRIu64 " errors\n",
			n, n == 1 ? "" : "s", total.completed, total.errors);
	return RTE_MIN(n, 0);
}

static int
cmd_subdev_add(const struct tp_args *args)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	uint64_t n = tp_arg_num(args, "N", 1);
	int rc;

	rc = check_dev(dev);
	if (rc != 0)
		return rc;
	if (n == 0 || n > 65536)
		return tp_fail(-EINVAL, "a sub-device's table has 1 to 65536 vectors");
	return tp_subdev_add(dev, tp_arg_str(args, "NAME"), n) != NULL ? 0 : -rte_errno;
}

static int
cmd_subdev_del(const struct tp_args *args)
{
	const char *name = tp_arg_str(args, "SUBDEV");
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct tp_subdev *subdev;
	int rc;

	rc = check_dev(dev);
	if (rc != 0)
		return rc;
	subdev = tp_subdev_find(dev, name);
	if (subdev == NULL)
		return tp_fail(-ENOENT, "%s has no sub-device %s: see subdev add", dev->name, name);
	return tp_subdev_del(subdev);
}

static int
queue_vec_free(struct tp_vec *vec)
{
	const struct tp_queue *queue;

	TAILQ_FOREACH(queue, &tp_queues, next)
		if (queue->vec == vec)
			return tp_fail(-EBUSY, "queue %u of %s hangs on it, see queue destroy",
				queue->number, vec->dev->name);
	return 0;
}

/* A queue that the device does not let go of is the driver's, and never seen again. */
static void
queue_abandon(struct tp_queue *queue)
{
	TAILQ_REMOVE(&tp_queues, queue, next);
	if (queue->from_pool)
		tp_pool_put(queue->vec);
}

static void
queue_dev_close(struct tp_dev *dev)
{
	struct tp_subdev *subdev, *next_subdev;
	struct tp_queue *queue, *next;

	for (queue = TAILQ_FIRST(&tp_queues); queue != NULL; queue = next) {
		next = TAILQ_NEXT(queue, next);
		if (queue->dev == dev && tp_queue_destroy(queue) != 0)
			queue_abandon(queue);
	}
	for (subdev = TAILQ_FIRST(&tp_subdevs); subdev != NULL; subdev = next_subdev) {
		next_subdev = TAILQ_NEXT(subdev, next);
		if (subdev->dev != dev)
			continue;
		TAILQ_REMOVE(&tp_subdevs, subdev, next);
		free(subdev);
	}
}

static void
queue_vecs_moved(void)
{
	struct tp_queue *queue;

	TAILQ_FOREACH(queue, &tp_queues, next)
		tp_queue_follow(queue);
}

static bool
any_busy(void)
{
	struct tp_queue_stats stats;
	struct tp_queue *queue;

	TAILQ_FOREACH(queue, &tp_queues, next) {
		tp_queue_stats(queue, &stats);
		if (stats.busy || stats.pending != 0)
			return true;
	}
	return false;
}

static int
cmd_bench_queue(const struct tp_args *args)
{
	uint64_t n = tp_arg_num(args, "QUEUES", 1), depth = tp_arg_num(args, "DEPTH", 1);
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct rte_pmd_queue_dev_info info;
	struct bench_queue_conf conf = {
		.dev = dev,
		.op = arg_op(args),
		.duration_ns = tp_arg_num(args, "SECONDS", 0),
		.json = tp_arg_str(args, "FILE"),
	};
	int rc;

	rc = check_dev(dev);
	if (rc == 0)
		rc = check_there(args);
	if (rc != 0)
		return rc;
	rte_pmd_queue_dev_info_get(dev->dev, &info);
	if (n == 0 || n > info.n_queues)
		return tp_fail(-EINVAL, "%s has 1 to %u queues", dev->name, info.n_queues);
	if (depth == 0 || depth > DEPTH_MAX)
		return tp_fail(-EINVAL, "a queue takes 1 to %u operations at a time", DEPTH_MAX);
	if (conf.duration_ns == 0 || conf.duration_ns > 86400 * TP_NSEC)
		return tp_fail(-EINVAL, "a bench takes up to 86400 seconds");
	if (any_busy())
		return tp_fail(
			-EBUSY, "queues are busy, see queue stop: they would be measured too");
	conf.n_queues = n;
	conf.depth = depth;
	return bench_queue(&conf);
}

static const struct tp_cmd queue_cmds[] = {
	{ "queue create DEV [depth DEPTH] [pool POOL] [lcore LCORE] [subdev SUBDEV] [count COUNT]",
		cmd_queue_create, "Create queues, on vectors of a pool or polled",
		"    default: depth 32, one queue, polled, any lcore\n" },
	{ "queue create DEV vec VEC [depth DEPTH] [subdev SUBDEV] [count COUNT]", cmd_queue_create,
		"Create queues on a vector", NULL },
	{ "queue start DEV all|LIST nop|copy|fill|crc32c [rate RATE]", cmd_queue_start,
		"Keep queues busy",
		"    LIST: 3, 0-99 or 0-9,20; RATE: operations per second of each, default: full\n" },
	{ "queue stop DEV all|LIST", cmd_queue_stop,
		"Stop that, wait for what is under way, and count", NULL },
	{ "queue destroy DEV all|LIST", cmd_queue_destroy, "Destroy queues", NULL },
};
static struct tp_topic queue_topic = {
	.name = "queue",
	.help = "Queues of a queue_dev device",
	.cmds = queue_cmds,
	.n_cmds = TP_DIM(queue_cmds),
	.vec_free = queue_vec_free,
	.dev_close = queue_dev_close,
	.vecs_moved = queue_vecs_moved,
};
TP_TOPIC_REGISTER(queue_topic);

static const struct tp_cmd subdev_cmds[] = {
	{ "subdev add DEV NAME [vecs N]", cmd_subdev_add,
		"Make a sub-device, with a message table of so many vectors", "    default: 1\n" },
	{ "subdev del DEV SUBDEV", cmd_subdev_del, "Remove it, and the vectors in its table",
		NULL },
};
TP_CMDS_REGISTER(subdev, "Sub-devices of a queue_dev device");

static const struct tp_cmd bench_cmds[] = {
	{ "bench queue DEV QUEUES nop|copy|fill|crc32c DEPTH SECONDS [json FILE]", cmd_bench_queue,
		"Queues on shared vectors, kept full: rates, latency, loss",
		"    On all worker lcores, with DEPTH operations at a time in each queue, for SECONDS by\n"
		"    each way of delivery.\n" },
};
TP_CMDS_REGISTER(bench, "Measure");

static const struct tp_cmd start_cmds[] = {
	{ "start queue DEV all|LIST nop|copy|fill|crc32c [rate RATE]", cmd_queue_start,
		"As queue start", NULL },
};
TP_CMDS_REGISTER(start, "Start something: timer, queue, fwd");

static const struct tp_cmd stop_cmds[] = {
	{ "stop queue DEV all|LIST", cmd_queue_stop, "As queue stop", NULL },
};
TP_CMDS_REGISTER(stop, "Stop it");
