/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The policies of wait sets: what an event costs in latency and in CPU time, from 10 events in a
 * second to as many as there can be. The events are those of a timer device, one vector; the thread
 * calls rte_ims_wait_sleep() all the time, and the policy does the rest. CPU time is the whole
 * process's.
 */

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>

#include <rte_errno.h>
#include <rte_pmd_timer_ims.h>

#include "busy.h"
#include "curve.h"

#define SECOND_NS 1000000000ull
#define ROUNDS    5u

static const enum rte_ims_policy policies[CURVE_POLICIES] = {
	RTE_IMS_POLICY_POLL,
	RTE_IMS_POLICY_INTERRUPT,
	RTE_IMS_POLICY_ADAPTIVE,
};
static const double rates[CURVE_RATES] = { 10, 100, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6 };

struct curve bench_curve = { .policy = { "poll", "interrupt", "adaptive" } };

static struct rte_ims_dev *dev;
static struct rte_ims_wait *wait;
static struct rte_ims_vec *vec;
static uint64_t seen;
static struct samples *out;

static void
on_timer(struct rte_ims_vec *v, void *arg)
{
	uint64_t now = rte_rdtsc(), stamp, count;

	(void)v;
	(void)arg;
	count = rte_pmd_timer_ims_count(dev, 0, &stamp);
	if (count > seen && stamp < now)
		samples_add(out, now - stamp);
	seen = RTE_MAX(count, seen);
}

static void
policy_set(struct rte_ims_wait *w, enum rte_ims_policy policy)
{
	const struct rte_ims_wait_policy conf = { .policy = policy };

	check(rte_ims_wait_policy_set(w, &conf), "policy");
}

static uint64_t
cpu_ns(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * SECOND_NS +
	       (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) * 1000ull;
}

static void
serve(uint64_t ns)
{
	uint64_t end = now_ns() + ns, now;

	while ((now = now_ns()) < end)
		rte_ims_wait_sleep(wait, end - now);
}

static void
measure(enum rte_ims_policy policy, double rate, uint64_t ns, struct samples *s,
	struct curve_point *p)
{
	const struct rte_pmd_timer_ims_conf conf = {
		.interval_ns = SECOND_NS / rate,
		.flags = RTE_PMD_TIMER_IMS_F_PERIODIC,
	};
	uint64_t start, cpu, first;

	out = s;
	seen = 0;
	policy_set(wait, policy);
	check(rte_pmd_timer_ims_start(dev, 0, vec, &conf), "timer");
	serve(ns / 10); /* until the policy has settled */
	s->n = 0;
	first = seen;
	start = now_ns();
	cpu = cpu_ns();
	serve(ns);
	p->cpu_pct = 100.0 * (cpu_ns() - cpu) / (now_ns() - start);
	p->events_per_s = (seen - first) * 1e9 / (now_ns() - start);
	check(rte_pmd_timer_ims_stop(dev, 0), "timer");
	p->rate = rate;
	p->p50_ns = samples_quantile(s, 0.5) * bench.tick_ns;
	p->p99_ns = samples_quantile(s, 0.99) * bench.tick_ns;
}

static void
curve_measure(struct samples *s)
{
	uint64_t ns = bench.quick ? SECOND_NS / 5 : 2 * SECOND_NS;
	unsigned int p, r;

	for (r = 0; r < CURVE_RATES; r++)
		for (p = 0; p < CURVE_POLICIES; p++)
			measure(policies[p], rates[r], ns, s, &bench_curve.point[p][r]);
	bench_curve.n_rates = CURVE_RATES;
}

/* 1,000 events in a second, policy by policy in each round. */
static void
one_k(struct samples *s)
{
	static const char *const p50_keys[] = { "poll_1k_p50_ns", "interrupt_1k_p50_ns",
		"ims_adaptive_p50_ns" };
	static const char *const p99_keys[] = { "poll_1k_p99_ns", "interrupt_1k_p99_ns",
		"adaptive_1k_p99_ns" };
	static const char *const cpu_keys[] = { "cpu_1k_pct_poll", "cpu_1k_pct_interrupt",
		"cpu_1k_pct_adaptive" };
	struct rounds p50[CURVE_POLICIES] = { 0 }, p99[CURVE_POLICIES] = { 0 },
		      cpu[CURVE_POLICIES] = { 0 };
	struct curve_point point;
	unsigned int i, p;

	for (i = 0; i < ROUNDS; i++)
		for (p = 0; p < CURVE_POLICIES; p++) {
			measure(policies[p], 1000, bench.quick ? SECOND_NS / 10 : SECOND_NS, s,
				&point);
			rounds_add_value(&p50[p], point.p50_ns);
			rounds_add_value(&p99[p], point.p99_ns);
			rounds_add_value(&cpu[p], point.cpu_pct);
		}
	for (p = 0; p < CURVE_POLICIES; p++) {
		figure_set_rounds(p50_keys[p], &p50[p]);
		figure_set_rounds(p99_keys[p], &p99[p]);
		figure_set_rounds(cpu_keys[p], &cpu[p]);
	}
}

/* A thread that sleeps while its vectors are delivered to memory: it naps, and looks. */
static void
naps(struct samples *s)
{
	struct rounds p50 = { 0 }, cpu = { 0 };
	struct curve_point point;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		policy_set(wait, RTE_IMS_POLICY_MANUAL);
		check(rte_ims_wait_delivery_set(wait, RTE_IMS_DELIVERY_MEMORY), "delivery");
		measure(RTE_IMS_POLICY_MANUAL, 1000, bench.quick ? SECOND_NS / 10 : SECOND_NS, s,
			&point);
		rounds_add_value(&p50, point.p50_ns);
		rounds_add_value(&cpu, point.cpu_pct);
	}
	figure_set_rounds("nap_1k_p50_ns", &p50);
	figure_set_rounds("cpu_1k_pct_nap", &cpu);
}

/* No events: no wake-ups, and no CPU time. */
static void
idle(enum rte_ims_policy policy, const char *cpu_key, const char *wakes_key)
{
	uint64_t ns = bench.quick ? SECOND_NS / 2 : 3 * SECOND_NS, start, cpu;
	struct rusage before, after;

	policy_set(wait, policy);
	while (rte_ims_wait_sleep(wait, 10000000) > 0)
		;
	rte_ims_wait_sleep(wait, 10000000); /* the wake-up of policy_set() */
	getrusage(RUSAGE_SELF, &before);
	start = now_ns();
	cpu = cpu_ns();
	rte_ims_wait_sleep(wait, ns);
	figure_set(cpu_key, 100.0 * (cpu_ns() - cpu) / (now_ns() - start));
	getrusage(RUSAGE_SELF, &after);
	/* One is the end of the time. */
	figure_set(wakes_key, (after.ru_nvcsw - before.ru_nvcsw - 1) * 1e9 / ns);
}

/* Operations in a second with the policy, of queues that never have nothing to do. */
static double
saturated(struct rig *rig, struct busy *b, enum rte_ims_policy policy)
{
	uint64_t ns = bench.quick ? SECOND_NS / 20 : SECOND_NS / 4, start, done, end;

	policy_set(rig->wait, policy);
	end = now_ns() + ns / 5;
	while (now_ns() < end)
		rte_ims_wait_sleep(rig->wait, SECOND_NS);
	done = busy_done(b);
	start = now_ns();
	end = start + ns;
	while (now_ns() < end)
		rte_ims_wait_sleep(rig->wait, SECOND_NS);
	return (busy_done(b) - done) * 1e9 / (now_ns() - start);
}

static void
saturation(void)
{
	struct rounds ratio = { 0 }, interrupt = { 0 };
	double before, adaptive, after;
	struct rte_ims_vec *v;
	struct busy *b;
	struct rig rig;
	unsigned int i;

	rig_open(&rig, bench.other_cpu, ",engine=poll", RTE_IMS_DELIVERY_MEMORY);
	v = rig_vec(&rig);
	b = busy_open(&rig, v, 16);
	busy_start(b);
	/*
	 * Beside what polling did right before and right after: this machine is another one each
	 * second.
	 */
	before = saturated(&rig, b, RTE_IMS_POLICY_POLL);
	for (i = 0; i < 15; i++) {
		adaptive = saturated(&rig, b, RTE_IMS_POLICY_ADAPTIVE);
		after = saturated(&rig, b, RTE_IMS_POLICY_POLL);
		rounds_add_value(&ratio, 2 * adaptive / (before + after));
		rounds_add_value(&interrupt,
			2 * saturated(&rig, b, RTE_IMS_POLICY_INTERRUPT) / (before + after));
		before = saturated(&rig, b, RTE_IMS_POLICY_POLL);
	}
	figure_set_rounds("adaptive_sat_ratio", &ratio);
	figure_set_rounds("interrupt_sat_ratio", &interrupt);
	check(busy_stop(b, &rig) == 0 ? 0 : -EIO, "queues stand still");
	busy_close(b);
	check(rte_ims_pool_put(rig.pool, v), "put");
	rig_close(&rig);
}

void
bench_adaptive(void)
{
	static struct rte_ims_obj obj = { .fn = on_timer };
	char name[RTE_IMS_NAME_LEN];
	struct samples s;

	snprintf(name, sizeof(name), "emu:timer_ims,engine=spin,cpu=%d", bench.other_cpu);
	dev = rte_ims_dev_open(name, NULL);
	check_ptr(dev, name);
	wait = rte_ims_wait_create("adaptive", NULL);
	check_ptr(wait, "wait set");
	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev),
		rte_ims_dev_store_get(dev, RTE_IMS_STORE_BAR), RTE_IMS_SLOT_ANY, NULL);
	check_ptr(vec, "vector");
	check(rte_ims_vec_attach(vec, &obj), "attach");
	check(rte_ims_wait_add(wait, vec), "wait set");
	samples_init(&s, 4000000);
	one_k(&s);
	naps(&s);
	idle(RTE_IMS_POLICY_INTERRUPT, "cpu_idle_pct_interrupt", "idle_wakes_per_s_interrupt");
	idle(RTE_IMS_POLICY_ADAPTIVE, "cpu_idle_pct_adaptive", "idle_wakes_per_s_adaptive");
	curve_measure(&s);
	check(rte_ims_vec_free(vec), "vector");
	check(rte_ims_dev_close(dev), "close");
	check(rte_ims_wait_destroy(wait), "wait set");
	samples_free(&s);
	saturation();
}
