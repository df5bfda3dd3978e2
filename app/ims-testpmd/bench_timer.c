/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * bench timer: N periodic timers, each on a vector of its own, in a wait set of the bench's. The
 * device counts expirations and stamps each message right before it sends it; the handler takes the
 * time first and then asks the device. What the device counted and what the handlers accounted for
 * must agree in the end, and then every vector must be quiet.
 */

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <rte_pmd_timer_ims.h>

#include "bench.h"
#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_lcore.h"
#include "tp_service.h"

#define DRAIN_NS 20000000ull
#define DRAINS   250 /* at most: 5 s on a machine that has no time for us */
#define QUIET_NS 50000000ull
/*
 * The machine changes while we measure, above all a virtual one: so in many short rounds, each with
 * the floor before and after it, and the median of the rounds' ratios counts.
 */
#define ROUND_NS         250000000ull
#define LINE_EVENTS      10000u
#define LINE_INTERVAL_NS 2000u
#define SLEEP_EVENTS     1000u
/* Sleeping is only sleeping if there is time for it. */
#define SLEEP_MIN_NS 20000u
#define SLEEP_MAX_NS 200000u

struct bench_timer {
	struct bench *bench;
	uint32_t n;
	struct rte_ims_vec *vec;
	struct rte_ims_obj obj;
	uint64_t accounted;
};

struct bench {
	const struct bench_timer_conf *conf;
	const struct bench_timer_mode *mode;
	struct rte_ims_wait *wait;
	struct rte_ims_vec *elsewhere;
	struct bench_timer *timers;
	struct bench_timer_result *result;
	int floor_cpu;
	_Atomic(uint64_t) progress;
	uint64_t start;
	bool alone; /* the main thread runs it, and shows the progress as well */
};

static void
on_timer(struct rte_ims_vec *vec, void *arg)
{
	uint64_t now = rte_rdtsc(), stamp, count;
	struct bench_timer *t = arg;
	struct bench_timer_result *r = t->bench->result;

	(void)vec;
	count = rte_pmd_timer_ims_count(t->bench->conf->dev->dev, t->n, &stamp);
	r->calls++;
	if (count <= t->accounted) {
		r->spurious++;
		return;
	}
	/* A stamp behind now is that of a message which has not arrived yet. */
	if (stamp < now) {
		hist_add(&r->latency, now - stamp);
		hist_add(&r->round, now - stamp);
	}
	r->accounted += count - t->accounted;
	t->accounted = count;
}

static void
vectors_free(struct bench *b)
{
	uint32_t i;

	for (i = 0; i < b->conf->n_timers; i++) {
		if (b->timers[i].vec == NULL)
			continue;
		rte_pmd_timer_ims_stop(b->conf->dev->dev, i);
		rte_ims_vec_free(b->timers[i].vec);
		b->timers[i].vec = NULL;
	}
	if (b->elsewhere != NULL)
		rte_ims_vec_free(b->elsewhere);
	b->elsewhere = NULL;
}

static struct rte_ims_vec *
vec_new(const struct bench *b)
{
	struct rte_ims_vec_conf conf = { .delivery = b->mode->delivery, .name = "bench" };
	struct tp_dev *dev = b->conf->dev;

	return rte_ims_vec_alloc(
		rte_ims_dev_table(dev->dev), tp_dev_store(dev), RTE_IMS_SLOT_ANY, &conf);
}

static int
vectors_alloc(struct bench *b)
{
	struct bench_timer *t;
	uint32_t i;
	int rc;

	for (i = 0; i < b->conf->n_timers; i++) {
		t = &b->timers[i];
		memset(t, 0, sizeof(*t));
		t->bench = b;
		t->n = i;
		t->vec = vec_new(b);
		if (t->vec == NULL)
			return -rte_errno;
		t->obj.fn = on_timer;
		t->obj.arg = t;
		rc = rte_ims_vec_attach(t->vec, &t->obj);
		if (rc == 0)
			rc = rte_ims_wait_add(b->wait, t->vec);
		if (rc != 0)
			return rc;
	}
	if (b->mode->several_waiters) {
		b->elsewhere = vec_new(b);
		if (b->elsewhere == NULL)
			return rte_errno == ENOSPC ? -ENOTSUP : -rte_errno;
	}
	return 0;
}

static void
progress_show(const struct bench *b)
{
	tp_progress("%s: %.1f s, %" PRIu64 " expirations", b->mode->name,
		(tp_now_ns() - b->start) / 1e9, (uint64_t)atomic_load(&b->progress));
}

static void
serve(struct bench *b, uint64_t ns)
{
	uint64_t end = rte_rdtsc() + ns * rte_get_tsc_hz() / TP_NSEC;
	unsigned int i;

	while (rte_rdtsc() < end && !atomic_load_explicit(&tp_interrupted, memory_order_relaxed)) {
		if (b->mode->delivery == RTE_IMS_DELIVERY_EVENTFD)
			rte_ims_wait_sleep(b->wait, 10000000);
		else
			for (i = 0; i < 256; i++)
				rte_ims_wait_poll(b->wait);
		atomic_store_explicit(&b->progress, b->result->accounted, memory_order_relaxed);
		if (b->alone)
			progress_show(b);
	}
}

static int
timers_start(struct bench *b)
{
	struct rte_pmd_timer_ims_conf conf = {
		.interval_ns = b->conf->interval_ns,
		.flags = RTE_PMD_TIMER_IMS_F_PERIODIC,
	};
	uint32_t i;
	int rc = 0;

	for (i = 0; i < b->conf->n_timers && rc == 0; i++)
		rc = rte_pmd_timer_ims_start(b->conf->dev->dev, i, b->timers[i].vec, &conf);
	return rc;
}

static int
timers_stop(struct bench *b)
{
	uint32_t i;
	int rc = 0;

	for (i = 0; i < b->conf->n_timers && rc == 0; i++)
		rc = rte_pmd_timer_ims_stop(b->conf->dev->dev, i);
	return rc;
}

static uint64_t
counted(const struct bench *b)
{
	uint64_t n = 0;
	uint32_t i;

	for (i = 0; i < b->conf->n_timers; i++)
		n += rte_pmd_timer_ims_count(b->conf->dev->dev, i, NULL);
	return n;
}

/*
 * Until all is accounted for. A stop is answered behind the messages that the device has sent; one
 * that was merged with another goes out when that has been answered, which is done before the next
 * stop.
 */
static int
drain(struct bench *b, uint64_t n)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; i < 2 && rc == 0; i++)
		rc = timers_stop(b);
	for (i = 0; i == 0 || (i < DRAINS && b->result->accounted != n); i++)
		serve(b, DRAIN_NS);
	return rc;
}

/* Let the timers run for a while, then wait until all is accounted for and quiet. */
static int
measure(struct bench *b, uint64_t ns)
{
	struct bench_timer_result *r = b->result;
	uint64_t start, calls;
	uint32_t i;
	int rc;

	for (i = 0; i < b->conf->n_timers; i++)
		b->timers[i].accounted = 0; /* the device counts from the start */
	start = rte_rdtsc();
	rc = timers_start(b);
	if (rc == 0)
		serve(b, ns);
	if (rc == 0)
		rc = timers_stop(b);
	if (rc != 0)
		return rc;
	r->seconds += (double)(rte_rdtsc() - start) / rte_get_tsc_hz();
	r->counted += counted(b);
	rc = drain(b, r->counted);
	if (rc != 0)
		return rc;
	calls = r->calls;
	serve(b, QUIET_NS);
	r->late += r->calls - calls;
	return atomic_load(&tp_interrupted) ? -EINTR : 0;
}

static int
measure_floor(struct bench *b, double *p50)
{
	bool line = b->mode->floor == FLOOR_LINE;
	uint64_t interval = b->conf->interval_ns / b->conf->n_timers;
	struct hist h;
	int rc;

	interval = line ? LINE_INTERVAL_NS : RTE_MAX(SLEEP_MIN_NS, RTE_MIN(interval, SLEEP_MAX_NS));
	rc = floor_measure(
		b->mode->floor, line ? LINE_EVENTS : SLEEP_EVENTS, interval, b->floor_cpu, &h);
	*p50 = hist_quantile(&h, 0.5);
	hist_merge(&b->result->floor, &h);
	return rc;
}

static int
rounds(struct bench *b)
{
	uint64_t ns = RTE_MAX(ROUND_NS, b->conf->duration_ns / BENCH_TIMER_ROUNDS), left;
	struct bench_timer_result *r = b->result;
	double before = 0, after = 0, mine;
	int rc;

	rc = measure_floor(b, &before);
	for (left = b->conf->duration_ns; left != 0 && rc == 0; left -= RTE_MIN(left, ns)) {
		hist_reset(&r->round);
		rc = measure(b, RTE_MIN(left, ns));
		if (rc == 0)
			rc = measure_floor(b, &after);
		mine = hist_quantile(&r->round, 0.5);
		if (rc == 0 && mine > 0 && before + after > 0 && r->n_rounds < BENCH_TIMER_ROUNDS)
			r->ratios[r->n_rounds++] = 2 * mine / (before + after);
		before = after;
	}
	return rc;
}

/* One mode, in the thread that polls or sleeps. */
static int
run_mode(struct bench *b)
{
	struct bench_timer_result *r = b->result;
	int rc;

	memset(r, 0, sizeof(*r));
	hist_reset(&r->latency);
	hist_reset(&r->floor);
	rc = vectors_alloc(b);
	if (rc == -ENOTSUP) {
		r->unsupported = true;
		rc = 0;
	} else if (rc == 0) {
		rc = rounds(b);
		r->done = rc == 0;
	}
	vectors_free(b);
	return rc;
}

static int
run_mode_lcore(void *arg)
{
	return run_mode(arg);
}

/* Let a worker run it, and show that something happens. */
static int
run_mode_on(struct bench *b, int lcore)
{
	int rc;

	atomic_store(&b->progress, 0);
	b->start = tp_now_ns();
	b->alone = lcore < 0;
	if (b->alone) {
		rc = run_mode(b);
	} else {
		rc = tp_lcore_launch(run_mode_lcore, b, lcore);
		while (rc == 0 && rte_eal_get_lcore_state(lcore) == RUNNING) {
			usleep(20000);
			progress_show(b);
		}
		if (rc == 0)
			rc = tp_lcore_wait(lcore);
	}
	tp_progress_end();
	return rc;
}

/* The child that sends for the floors must not be where we wait. */
static int
other_cpu(int lcore)
{
	rte_cpuset_t mine = rte_lcore_cpuset(lcore >= 0 ? (unsigned int)lcore : rte_lcore_id());
	unsigned int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &tp_cpus) && !CPU_ISSET(cpu, &mine))
			return cpu;
	return -1;
}

static int
run_all(struct bench *b, int lcore, struct bench_timer_result *results)
{
	const struct bench_timer_conf *conf = b->conf;
	unsigned int i;
	int rc = 0;

	for (i = 0; i < BENCH_TIMER_MODES && rc == 0; i++) {
		if (bench_timer_modes[i].delivery == RTE_IMS_DELIVERY_MEMORY ? !conf->memory
									     : !conf->eventfd)
			continue;
		b->mode = &bench_timer_modes[i];
		b->result = &results[i];
		rc = run_mode_on(b, lcore);
	}
	return rc;
}

int
bench_timer(const struct bench_timer_conf *conf)
{
	struct rte_ims_wait_conf wconf = { .max_vecs = conf->n_timers };
	struct bench_timer_result *results = calloc(BENCH_TIMER_MODES, sizeof(*results));
	struct bench b = { .conf = conf };
	struct rte_pmd_timer_ims_info info;
	int lcore = tp_service_lcore(), rc;

	b.timers = calloc(conf->n_timers, sizeof(*b.timers));
	b.floor_cpu = other_cpu(lcore);
	if (lcore >= 0) {
		wconf.flags = RTE_IMS_WAIT_F_LCORE;
		wconf.lcore_id = lcore;
	}
	b.wait = rte_ims_wait_create("bench", &wconf);
	rc = results != NULL && b.timers != NULL && b.wait != NULL ? 0 : -ENOMEM;
	if (b.floor_cpu < 0)
		printf("Only one CPU: both sides share it, the figures say little.\n");
	if (rc == 0)
		rc = rte_pmd_timer_ims_info_get(conf->dev->dev, &info);
	if (rc == 0) {
		tp_service_pause();
		rc = run_all(&b, lcore, results);
		tp_service_resume();
	}
	if (rc == 0 || rc == -EINTR)
		bench_timer_print(conf, results, info.stamp_is_tsc);
	if (rc == -EINTR)
		rc = tp_fail(rc, "interrupted");
	if (rc == 0 && conf->json != NULL)
		rc = bench_timer_json(conf->json, results);
	if (rc == 0)
		rc = bench_timer_judge(results);
	rte_ims_wait_destroy(b.wait);
	free(b.timers);
	free(results);
	return rc;
}
