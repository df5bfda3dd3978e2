/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Wait sets and the threads that serve them: the worker lcores, or one thread of its own. */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include <rte_ims_wait.h>

#include "testpmd.h"
#include "tp_lcore.h"
#include "tp_service.h"

/* Doorbell words of all sets together, and the least that one has. */
#define SERVICE_MAX_VECS 65536u
#define SERVICE_MIN_VECS 4096u
/* Memory cannot wake a thread; nobody waits for these counters, so look seldom. */
#define SERVICE_NAP_NS 1000000

const char *const tp_policies[TP_N_POLICIES] = {
	[RTE_IMS_POLICY_MANUAL] = "manual",
	[RTE_IMS_POLICY_POLL] = "poll",
	[RTE_IMS_POLICY_INTERRUPT] = "interrupt",
	[RTE_IMS_POLICY_ADAPTIVE] = "adaptive",
};

static struct tp_set *sets;
static unsigned int n_sets;
static atomic_bool stop;
static atomic_bool polls;

/* The time until the first of the jobs wants to run again, -1: none does. */
static int64_t
jobs_run(struct tp_set *set)
{
	uint64_t next = TP_JOB_IDLE, now, ns;
	struct tp_job *job;

	if (atomic_load_explicit(&set->n_jobs, memory_order_relaxed) == 0)
		return -1;
	now = tp_now_ns();
	if (now < set->due_ns && !atomic_exchange(&set->job_added, false))
		return set->due_ns - now;
	/* A thread that locks and unlocks all the time starves the others. */
	while (atomic_load(&set->n_waiting) != 0)
		sched_yield();
	pthread_mutex_lock(&set->lock);
	TAILQ_FOREACH(job, &set->jobs, next) {
		ns = job->fn(job->arg);
		next = RTE_MIN(next, ns);
	}
	pthread_mutex_unlock(&set->lock);
	set->due_ns = next > INT64_MAX ? INT64_MAX : now + next;
	return next > INT64_MAX ? -1 : (int64_t)next;
}

static int
service_loop(void *arg)
{
	struct tp_set *set = arg;
	int64_t ns;

	if (pthread_getcpuclockid(pthread_self(), &set->clock) == 0)
		atomic_store(&set->clock_known, true);
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		ns = jobs_run(set);
		if (atomic_load_explicit(&polls, memory_order_relaxed))
			rte_ims_wait_poll(set->wait);
		else
			rte_ims_wait_sleep(set->wait, ns);
	}
	if (set->own_thread)
		atomic_store(&set->clock_known, false);
	return 0;
}

static void *
service_thread(void *arg)
{
	pthread_setname_np(pthread_self(), "tp-service");
	service_loop(arg);
	return NULL;
}

/* Not on the main lcore's CPU if there is another one. */
static int
thread_start(struct tp_set *set)
{
	cpu_set_t cpus = tp_cpus;
	pthread_attr_t attr;
	rte_cpuset_t mine = rte_lcore_cpuset(rte_lcore_id());
	int rc, cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &mine) && CPU_COUNT(&cpus) > 1)
			CPU_CLR(cpu, &cpus);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	rc = pthread_create(&set->thread, &attr, service_thread, set);
	if (rc != 0)
		rc = pthread_create(&set->thread, NULL, service_thread, set);
	pthread_attr_destroy(&attr);
	return -rc;
}

int
tp_service_resume(void)
{
	struct tp_set *set;
	unsigned int i;
	int rc = 0;

	atomic_store(&stop, false);
	for (i = 0; i < n_sets && rc == 0; i++) {
		set = &sets[i];
		if (set->running)
			continue;
		rc = set->own_thread ? thread_start(set)
		                     : tp_lcore_launch(service_loop, set, set->lcore);
		set->running = rc == 0;
	}
	if (rc != 0)
		tp_service_pause();
	return rc;
}

void
tp_service_pause(void)
{
	struct tp_set *set;
	unsigned int i;

	atomic_store(&stop, true);
	for (i = 0; i < n_sets; i++)
		rte_ims_wait_wake(sets[i].wait);
	for (i = 0; i < n_sets; i++) {
		set = &sets[i];
		if (!set->running)
			continue;
		if (set->own_thread)
			pthread_join(set->thread, NULL);
		else
			tp_lcore_wait(set->lcore);
		set->running = false;
	}
}

static int
set_create(struct tp_set *set, unsigned int lcore, unsigned int max_vecs)
{
	struct rte_ims_wait_conf conf = { .max_vecs = max_vecs, .nap_ns = SERVICE_NAP_NS };
	char name[32];

	set->lcore = lcore;
	set->start_ns = tp_now_ns();
	set->own_thread = lcore == rte_get_main_lcore();
	TAILQ_INIT(&set->jobs);
	pthread_mutex_init(&set->lock, NULL);
	if (!set->own_thread) {
		conf.flags = RTE_IMS_WAIT_F_LCORE;
		conf.lcore_id = lcore;
	}
	snprintf(name, sizeof(name), "lcore%u", lcore);
	set->wait = rte_ims_wait_create(name, &conf);
	return set->wait != NULL ? 0 : -rte_errno;
}

int
tp_service_start(void)
{
	unsigned int n = RTE_MAX(1u, rte_lcore_count() - 1), lcore;
	unsigned int max_vecs = RTE_MAX(SERVICE_MAX_VECS / n, SERVICE_MIN_VECS);
	int rc = 0;

	sets = calloc(n, sizeof(*sets));
	if (sets == NULL)
		return -ENOMEM;
	RTE_LCORE_FOREACH_WORKER(lcore)
		if (rc == 0 && n_sets < n)
			rc = set_create(&sets[n_sets++], lcore, max_vecs);
	if (n_sets == 0)
		rc = set_create(&sets[n_sets++], rte_get_main_lcore(), max_vecs);
	if (rc == 0)
		rc = tp_service_resume();
	if (rc != 0)
		tp_service_stop();
	return rc;
}

void
tp_service_stop(void)
{
	unsigned int i;

	if (n_sets == 0)
		return;
	tp_service_pause();
	for (i = 0; i < n_sets; i++)
		if (sets[i].wait != NULL)
			rte_ims_wait_destroy(sets[i].wait);
	free(sets);
	sets = NULL;
	n_sets = 0;
}

unsigned int
tp_service_n_sets(void)
{
	return n_sets;
}

struct tp_set *
tp_service_set(unsigned int i)
{
	return &sets[i];
}

struct tp_set *
tp_service_find(uint64_t lcore)
{
	unsigned int i;

	for (i = 0; i < n_sets; i++)
		if (sets[i].lcore == lcore)
			return &sets[i];
	return NULL;
}

struct rte_ims_wait *
tp_service_wait(void)
{
	return sets[0].wait;
}

int
tp_service_lcore(void)
{
	return sets[0].own_thread ? -1 : (int)sets[0].lcore;
}

bool
tp_service_polls(void)
{
	return atomic_load(&polls);
}

void
tp_service_set_poll(bool poll)
{
	unsigned int i;

	atomic_store(&polls, poll);
	for (i = 0; i < n_sets; i++)
		rte_ims_wait_wake(sets[i].wait);
}

uint64_t
tp_set_cpu_ns(const struct tp_set *set)
{
	struct timespec ts;

	if (!atomic_load(&set->clock_known) || clock_gettime(set->clock, &ts) != 0)
		return 0;
	return ts.tv_sec * TP_NSEC + ts.tv_nsec;
}

static void
set_lock(struct tp_set *set)
{
	atomic_fetch_add(&set->n_waiting, 1);
	pthread_mutex_lock(&set->lock);
	atomic_fetch_sub(&set->n_waiting, 1);
}

void
tp_job_add(struct tp_set *set, struct tp_job *job)
{
	set_lock(set);
	TAILQ_INSERT_TAIL(&set->jobs, job, next);
	job->set = set;
	atomic_fetch_add(&set->n_jobs, 1);
	atomic_store(&set->job_added, true);
	pthread_mutex_unlock(&set->lock);
	rte_ims_wait_wake(set->wait);
}

void
tp_job_del(struct tp_job *job)
{
	struct tp_set *set = job->set;

	if (set == NULL)
		return;
	set_lock(set);
	TAILQ_REMOVE(&set->jobs, job, next);
	atomic_fetch_sub(&set->n_jobs, 1);
	job->set = NULL;
	pthread_mutex_unlock(&set->lock);
}

uint64_t
tp_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * TP_NSEC + ts.tv_nsec;
}

int
tp_sleep(uint64_t ns)
{
	uint64_t end = tp_now_ns() + ns, now;
	struct timespec slice = { 0 };

	while (!atomic_load(&tp_interrupted)) {
		now = tp_now_ns();
		if (now >= end)
			return 0;
		slice.tv_nsec = RTE_MIN(end - now, 50000000u);
		nanosleep(&slice, NULL);
	}
	return -EINTR;
}
