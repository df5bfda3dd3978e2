/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The wait set of all vectors that the user allocates, and the thread that serves it: the first
 * worker lcore, or a thread of its own when EAL has only the main lcore.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <rte_ims_wait.h>

#include "testpmd.h"

#define SERVICE_MAX_VECS 65536
/* Memory cannot wake a thread; nobody waits for these counters, so look seldom. */
#define SERVICE_NAP_NS 1000000

static struct rte_ims_wait *wait_set;
static unsigned int lcore = RTE_MAX_LCORE;
static pthread_t thread;
static bool running;
static atomic_bool stop;
static atomic_bool polls;

static int
service_loop(void *arg)
{
	(void)arg;
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		if (atomic_load_explicit(&polls, memory_order_relaxed))
			rte_ims_wait_poll(wait_set);
		else
			rte_ims_wait_sleep(wait_set, -1);
	}
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
thread_start(void)
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
	rc = pthread_create(&thread, &attr, service_thread, NULL);
	if (rc != 0)
		rc = pthread_create(&thread, NULL, service_thread, NULL);
	pthread_attr_destroy(&attr);
	return -rc;
}

int
tp_service_resume(void)
{
	int rc;

	if (running)
		return 0;
	atomic_store(&stop, false);
	if (lcore != RTE_MAX_LCORE)
		rc = rte_eal_remote_launch(service_loop, NULL, lcore);
	else
		rc = thread_start();
	running = rc == 0;
	return rc;
}

void
tp_service_pause(void)
{
	if (!running)
		return;
	atomic_store(&stop, true);
	rte_ims_wait_wake(wait_set);
	if (lcore != RTE_MAX_LCORE)
		rte_eal_wait_lcore(lcore);
	else
		pthread_join(thread, NULL);
	running = false;
}

int
tp_service_start(void)
{
	struct rte_ims_wait_conf conf = { .max_vecs = SERVICE_MAX_VECS, .nap_ns = SERVICE_NAP_NS };

	lcore = rte_get_next_lcore(-1, 1, 0);
	if (lcore != RTE_MAX_LCORE) {
		conf.flags = RTE_IMS_WAIT_F_LCORE;
		conf.lcore_id = lcore;
	}
	wait_set = rte_ims_wait_create("testpmd", &conf);
	if (wait_set == NULL)
		return -rte_errno;
	return tp_service_resume();
}

void
tp_service_stop(void)
{
	if (wait_set == NULL)
		return;
	tp_service_pause();
	rte_ims_wait_destroy(wait_set);
	wait_set = NULL;
}

void
tp_service_serve(uint64_t timeout_ns)
{
	if (!running)
		rte_ims_wait_sleep(wait_set, timeout_ns);
	else
		tp_sleep(timeout_ns);
}

struct rte_ims_wait *
tp_service_wait(void)
{
	return wait_set;
}

int
tp_service_lcore(void)
{
	return lcore == RTE_MAX_LCORE ? -1 : (int)lcore;
}

bool
tp_service_polls(void)
{
	return atomic_load(&polls);
}

void
tp_service_set_poll(bool poll)
{
	atomic_store(&polls, poll);
	rte_ims_wait_wake(wait_set);
}

int
tp_sleep(uint64_t ns)
{
	struct timespec end, now, slice = { .tv_nsec = 50000000 };
	int64_t left;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ns / TP_NSEC;
	end.tv_nsec += ns % TP_NSEC;
	while (!atomic_load(&tp_interrupted)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = (int64_t)(end.tv_sec - now.tv_sec) * (int64_t)TP_NSEC + end.tv_nsec -
		       now.tv_nsec;
		if (left <= 0)
			return 0;
		slice.tv_nsec = left < 50000000 ? left : 50000000;
		nanosleep(&slice, NULL);
	}
	return -EINTR;
}
