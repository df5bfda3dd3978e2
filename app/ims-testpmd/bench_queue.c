/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * bench queue: queues on the shared vectors of a pool over all worker lcores, or the main lcore if
 * that is the only one. Each queue is kept full by its handler, in the thread of its vector's
 * lcore; a lane is what such a thread has. Nothing but the handlers looks for completions, so an
 * interrupt that is lost leaves operations that never complete.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include "bench.h"
#include "tp_dev.h"
#include "tp_lcore.h"
#include "tp_queue.h"

#define POOL_NAME "(bench)"
#define BATCH     32
#define NAP_NS    10000000
#define DRAIN_S   5

struct bench;
struct lane;

struct bench_queue {
	struct rte_pmd_queue_dev_queue *q;
	struct rte_ims_vec *vec;
	struct lane *lane;
	uint64_t submitted;
	uint64_t completed;
	uint64_t *starts; /* by place in the ring; NULL: latency is not taken here */
};

struct lane {
	struct bench *bench;
	unsigned int lcore;
	struct rte_ims_wait *wait;
	bool stopping;
	int rc;
	uint64_t completed;
	uint64_t failed;
	_Atomic(uint64_t) progress;
	/* While it was measured. */
	double seconds;
	double cpu;
	uint64_t ops;
	uint64_t events;
	struct bench_queue *sampled;
	struct hist latency;
} __rte_cache_aligned;

struct bench {
	const struct bench_queue_conf *conf;
	unsigned int mode;
	uint32_t ring; /* a power of two */
	struct rte_ims_pool *pool;
	struct lane *lanes;
	unsigned int n_lanes;
	struct bench_queue *queues;
	uint64_t start;
	atomic_bool stop;
};

static void
submit(struct bench_queue *bq, uint64_t n)
{
	const struct bench *b = bq->lane->bench;
	struct rte_pmd_queue_dev_op op[BATCH];
	uint64_t now = rte_rdtsc();
	unsigned int want, i;
	int rc;

	for (; n != 0; n -= want) {
		want = RTE_MIN(n, (uint64_t)BATCH);
		for (i = 0; i < want; i++) {
			tp_op_fill(&op[i], b->conf->op, bq->submitted + i);
			if (unlikely(bq->starts != NULL))
				bq->starts[(bq->submitted + i) & (b->ring - 1)] = now;
		}
		rc = rte_pmd_queue_dev_submit(bq->q, op, want);
		if (unlikely(rc != (int)want)) {
			bq->lane->rc = rc < 0 ? rc : -EIO;
			bq->submitted += RTE_MAX(rc, 0);
			return;
		}
		bq->submitted += want;
	}
}

static void
on_queue(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done[BATCH];
	struct bench_queue *bq = arg;
	struct lane *lane = bq->lane;
	uint64_t now = rte_rdtsc(), total = 0;
	int n, i;

	(void)vec;
	do {
		n = rte_pmd_queue_dev_poll(bq->q, done, BATCH);
		for (i = 0; i < n; i++) {
			lane->failed += !tp_op_right(&done[i], bq->completed);
			if (unlikely(bq->starts != NULL))
				hist_add(&lane->latency,
					now - bq->starts[bq->completed & (lane->bench->ring - 1)]);
			bq->completed++;
		}
		total += RTE_MAX(n, 0);
	} while (n == BATCH);
	lane->completed += total;
	if (!lane->stopping && total != 0)
		submit(bq, total);
}

static double
cpu_seconds(void)
{
	struct rusage ru;

	getrusage(RUSAGE_THREAD, &ru);
	return ru.ru_utime.tv_sec + ru.ru_stime.tv_sec +
	       (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

static void
progress_show(const struct bench *b)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < b->n_lanes; i++)
		sum += atomic_load_explicit(&b->lanes[i].progress, memory_order_relaxed);
	tp_progress("%s: %.1f s, %" PRIu64 " completions", bench_queue_modes[b->mode],
		(double)(rte_rdtsc() - b->start) / rte_get_tsc_hz(), sum);
}

static bool
is_gone(const struct bench *b)
{
	struct rte_ims_dev_info info;

	return rte_ims_dev_info_get(b->conf->dev->dev, &info) != 0 || info.removed;
}

/* The main thread's: time is up, the user does not want any more, or the device is gone. */
static bool
is_over(struct bench *b)
{
	uint64_t ticks = b->conf->duration_ns / 1e9 * rte_get_tsc_hz();

	progress_show(b);
	return rte_rdtsc() - b->start >= ticks || atomic_load(&tp_interrupted) || is_gone(b);
}

static void
serve(struct lane *lane)
{
	unsigned int i;

	if (lane->bench->mode == BENCH_QUEUE_EVENTFD)
		rte_ims_wait_sleep(lane->wait, NAP_NS);
	else
		for (i = 0; i < 64; i++)
			rte_ims_wait_poll(lane->wait);
	atomic_store_explicit(&lane->progress, lane->completed, memory_order_relaxed);
}

static bool
is_idle(const struct lane *lane)
{
	const struct bench *b = lane->bench;
	uint32_t i;

	for (i = 0; i < b->conf->n_queues; i++)
		if (b->queues[i].lane == lane && b->queues[i].submitted != b->queues[i].completed)
			return false;
	return true;
}

/* What is under way comes in, or is lost. */
static void
drain(struct lane *lane)
{
	uint64_t end = rte_rdtsc() + DRAIN_S * rte_get_tsc_hz();

	lane->stopping = true;
	while (lane->rc == 0 && !is_idle(lane) && rte_rdtsc() < end) {
		serve(lane);
		if (is_gone(lane->bench))
			lane->rc = -ENODEV;
	}
}

static uint64_t
events_of(const struct lane *lane)
{
	struct rte_ims_wait_stats stats;

	return rte_ims_wait_stats_get(lane->wait, &stats) == 0 ? stats.events : 0;
}

/* alone: the main thread, which sees to the time as well. */
static void
lane_measure(struct lane *lane, bool alone)
{
	struct bench *b = lane->bench;
	uint64_t start = rte_rdtsc(), events = events_of(lane);
	double cpu = cpu_seconds();
	uint32_t i;

	for (i = 0; i < b->conf->n_queues && lane->rc == 0; i++)
		if (b->queues[i].lane == lane)
			submit(&b->queues[i], b->conf->depth);
	while (lane->rc == 0 && !(alone ? is_over(b) : atomic_load(&b->stop)))
		serve(lane);
	lane->seconds = (double)(rte_rdtsc() - start) / rte_get_tsc_hz();
	lane->cpu = (cpu_seconds() - cpu) / lane->seconds;
	lane->ops = lane->completed;
	lane->events = events_of(lane) - events;
	drain(lane);
}

static int
lane_run(void *arg)
{
	lane_measure(arg, false);
	return 0;
}

static int
measure(struct bench *b)
{
	unsigned int i, running = 0;
	int rc = 0;

	atomic_store(&b->stop, false);
	b->start = rte_rdtsc();
	if (b->lanes[0].lcore == rte_get_main_lcore()) {
		lane_measure(&b->lanes[0], true);
	} else {
		while (running < b->n_lanes && rc == 0) {
			rc = tp_lcore_launch(lane_run, &b->lanes[running], b->lanes[running].lcore);
			running += rc == 0;
		}
		while (rc == 0 && !is_over(b))
			usleep(10000);
		atomic_store(&b->stop, true);
		for (i = 0; i < running; i++)
			tp_lcore_wait(b->lanes[i].lcore);
	}
	tp_progress_end();
	for (i = 0; i < b->n_lanes && rc == 0; i++)
		rc = b->lanes[i].rc;
	return rc == 0 && atomic_load(&tp_interrupted) ? -EINTR : rc;
}

static void
sum_up(const struct bench *b, struct bench_queue_result *r)
{
	struct rte_ims_pool_info info;
	const struct lane *lane;
	uint32_t i;

	hist_reset(&r->latency);
	for (i = 0; i < b->n_lanes; i++) {
		lane = &b->lanes[i];
		r->seconds = RTE_MAX(r->seconds, lane->seconds);
		r->cpu += lane->cpu;
		r->ops += lane->ops;
		r->events += lane->events;
		r->failed += lane->failed;
		hist_merge(&r->latency, &lane->latency);
		r->n_lcores += lane->sampled != NULL;
	}
	for (i = 0; i < b->conf->n_queues; i++) {
		r->submitted += b->queues[i].submitted;
		r->completed += b->queues[i].completed;
	}
	if (rte_ims_pool_info_get(b->pool, &info) == 0)
		r->n_vecs = info.n_vecs;
}

static struct lane *
lane_of(struct bench *b, const struct rte_ims_vec *vec)
{
	int lcore = rte_ims_pool_vec_lcore(b->pool, vec);
	unsigned int i;

	for (i = 0; i < b->n_lanes && (int)b->lanes[i].lcore != lcore; i++)
		;
	return &b->lanes[i];
}

static int
queue_open(struct bench *b, struct bench_queue *bq)
{
	struct rte_pmd_queue_dev_queue_conf conf = {
		.depth = b->ring,
		.fn = on_queue,
		.arg = bq,
	};

	bq->vec = rte_ims_pool_get(b->pool, NULL);
	if (bq->vec == NULL)
		return -rte_errno;
	bq->lane = lane_of(b, bq->vec);
	if (bq->lane->sampled == NULL) {
		bq->starts = calloc(b->ring, sizeof(*bq->starts));
		if (bq->starts == NULL)
			return -ENOMEM;
		bq->lane->sampled = bq;
	}
	conf.vec = bq->vec;
	bq->q = rte_pmd_queue_dev_queue_create(b->conf->dev->dev, &conf);
	return bq->q != NULL ? 0 : -rte_errno;
}

static int
queues_open(struct bench *b)
{
	struct rte_pmd_queue_dev_info info;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < b->conf->n_queues && rc == 0; i++)
		rc = atomic_load(&tp_interrupted) ? -EINTR : queue_open(b, &b->queues[i]);
	if (rc == -ENOMEM)
		tp_fail(rc, "no memory for %u queues of depth %u: EAL's -m gives more",
			b->conf->n_queues, b->ring);
	/* Not even one vector: the device has none for this delivery. */
	if (rc == -ENOSPC && i == 1)
		return -ENOTSUP;
	if (rc == -ENOSPC && rte_pmd_queue_dev_info_get(b->conf->dev->dev, &info) == 0)
		tp_fail(rc, "%s has %u %s left", b->conf->dev->name,
			info.used_queues == info.n_queues ? i - 1 : 0,
			info.used_queues == info.n_queues ? "queues" : "event queues");
	return rc;
}

static int
queues_close(struct bench *b)
{
	struct bench_queue *bq;
	int rc = 0, rc2 = 0;
	uint32_t i;

	for (i = 0; i < b->conf->n_queues; i++) {
		bq = &b->queues[i];
		if (bq->q != NULL)
			rc2 = rte_pmd_queue_dev_queue_destroy(bq->q);
		rc = rc != 0 ? rc : rc2;
		if (bq->vec != NULL)
			rte_ims_pool_put(b->pool, bq->vec);
		free(bq->starts);
	}
	return rc;
}

static int
pool_open(struct bench *b)
{
	struct rte_ims_pool_conf conf = {
		.delivery = b->mode == BENCH_QUEUE_MEMORY ? RTE_IMS_DELIVERY_MEMORY
		                                          : RTE_IMS_DELIVERY_EVENTFD,
	};
	unsigned int i;
	int rc = 0;

	b->pool = rte_ims_pool_create(POOL_NAME, b->conf->dev->dev, &conf);
	if (b->pool == NULL)
		return -rte_errno;
	for (i = 0; i < b->n_lanes && rc == 0; i++)
		rc = rte_ims_pool_lcore_add(b->pool, b->lanes[i].lcore, b->lanes[i].wait);
	return rc;
}

static void
lanes_reset(struct bench *b)
{
	struct rte_ims_wait *wait;
	unsigned int i, lcore;

	for (i = 0; i < b->n_lanes; i++) {
		wait = b->lanes[i].wait;
		lcore = b->lanes[i].lcore;
		memset(&b->lanes[i], 0, sizeof(b->lanes[i]));
		b->lanes[i].bench = b;
		b->lanes[i].wait = wait;
		b->lanes[i].lcore = lcore;
		hist_reset(&b->lanes[i].latency);
	}
	memset(b->queues, 0, b->conf->n_queues * sizeof(*b->queues));
}

static int
run_mode(struct bench *b, struct bench_queue_result *r)
{
	int rc, rc2;

	lanes_reset(b);
	rc = pool_open(b);
	if (rc == 0)
		rc = queues_open(b);
	if (rc == -ENOTSUP) {
		r->unsupported = true;
		rc = 0;
	} else if (rc == 0) {
		rc = measure(b);
		sum_up(b, r);
		r->done = rc == 0;
	}
	rc2 = queues_close(b);
	rc = rc != 0 ? rc : rc2;
	if (b->pool != NULL) {
		rc2 = rte_ims_pool_destroy(b->pool);
		rc = rc != 0 ? rc : rc2;
	}
	b->pool = NULL;
	return rc;
}

static int
judge(const struct bench_queue_result *results)
{
	const struct bench_queue_result *r;
	bool any = false;
	unsigned int i;

	for (i = 0; i < BENCH_QUEUE_MODES; i++) {
		r = &results[i];
		any |= r->done;
		if (r->done && r->submitted != r->completed)
			return tp_fail(-EIO, "%s: %" PRIu64 " of %" PRIu64 " operations were lost",
				bench_queue_modes[i], r->submitted - r->completed, r->submitted);
		if (r->done && r->failed != 0)
			return tp_fail(-EIO, "%s: %" PRIu64 " operations failed",
				bench_queue_modes[i], r->failed);
	}
	return any ? 0 : tp_fail(-ENOSPC, "no vector of the device is left");
}

static int
lanes_open(struct bench *b)
{
	struct rte_ims_wait_conf conf = { .flags = RTE_IMS_WAIT_F_LCORE };
	unsigned int i;

	b->n_lanes = tp_service_n_sets();
	if (posix_memalign(
		    (void **)&b->lanes, RTE_CACHE_LINE_SIZE, b->n_lanes * sizeof(*b->lanes)) != 0)
		b->lanes = NULL;
	if (b->lanes == NULL)
		return -ENOMEM;
	memset(b->lanes, 0, b->n_lanes * sizeof(*b->lanes));
	for (i = 0; i < b->n_lanes; i++) {
		b->lanes[i].lcore = conf.lcore_id = tp_service_set(i)->lcore;
		b->lanes[i].wait = rte_ims_wait_create("bench", &conf);
		if (b->lanes[i].wait == NULL)
			return -rte_errno;
	}
	return 0;
}

static void
lanes_close(struct bench *b)
{
	unsigned int i;

	for (i = 0; b->lanes != NULL && i < b->n_lanes; i++)
		if (b->lanes[i].wait != NULL)
			rte_ims_wait_destroy(b->lanes[i].wait);
	free(b->lanes);
}

static int
run_all(struct bench *b, struct bench_queue_result *results)
{
	int rc = 0;

	tp_service_pause();
	for (b->mode = 0; b->mode < BENCH_QUEUE_MODES && rc == 0; b->mode++)
		rc = run_mode(b, &results[b->mode]);
	tp_service_resume();
	return rc;
}

int
bench_queue(const struct bench_queue_conf *conf)
{
	struct bench_queue_result *results = calloc(BENCH_QUEUE_MODES, sizeof(*results));
	struct bench b = { .conf = conf, .ring = rte_align32pow2(RTE_MAX(conf->depth, 2u)) };
	int rc;

	b.queues = calloc(conf->n_queues, sizeof(*b.queues));
	rc = results != NULL && b.queues != NULL ? tp_op_memory_get() : -ENOMEM;
	if (rc == 0)
		rc = lanes_open(&b);
	if (rc == 0) {
		rc = run_all(&b, results);
		if (results[0].done || results[1].done)
			bench_queue_print(conf, results);
	}
	if (rc == -EINTR)
		rc = tp_fail(rc, "interrupted");
	if (rc == 0 && conf->json != NULL)
		rc = bench_queue_json(conf->json, results);
	if (rc == 0)
		rc = judge(results);
	lanes_close(&b);
	tp_op_memory_put();
	free(b.queues);
	free(results);
	return rc;
}
