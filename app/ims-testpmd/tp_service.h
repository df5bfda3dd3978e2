/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TP_SERVICE_H_
#define _TP_SERVICE_H_

/*
 * The threads that run the handlers: a wait set and a loop for each worker lcore. If EAL has only
 * the main lcore one set stands for that, with a thread of its own behind it.
 *
 * Only the main thread calls this; jobs and handlers run in the sets' threads.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

struct rte_ims_wait;
struct tp_set;

/* What a set's thread does beside its handlers, over and over. */
struct tp_job {
	TAILQ_ENTRY(tp_job) next;
	/* Gives the ns after which it wants to be called again: 0 at once, TP_JOB_IDLE whenever. */
	uint64_t (*fn)(void *arg);
	void *arg;
	struct tp_set *set; /* NULL: it does not run */
};

#define TP_JOB_IDLE UINT64_MAX

struct tp_set {
	struct rte_ims_wait *wait;
	unsigned int lcore; /* that it stands for */
	bool own_thread;    /* instead of the lcore */
	uint64_t start_ns;  /* when it was made */

	/* Below: service.c's. */
	pthread_t thread;
	bool running;
	atomic_bool clock_known;
	clockid_t clock; /* CPU time of the thread */
	pthread_mutex_t lock;
	TAILQ_HEAD(, tp_job) jobs;
	atomic_uint n_jobs;
	atomic_bool job_added;
	uint64_t due_ns;       /* when the first job wants to run */
	atomic_uint n_waiting; /* for the lock */
};

/* The words for enum rte_ims_policy. */
#define TP_N_POLICIES 4
extern const char *const tp_policies[TP_N_POLICIES];

int
tp_service_start(void);
/* Frees the sets: no vector is in them any more. */
void
tp_service_stop(void);
/* Take the worker lcores away from the service and give them back. */
void
tp_service_pause(void);
int
tp_service_resume(void);

unsigned int
tp_service_n_sets(void);
struct tp_set *
tp_service_set(unsigned int i);
/* The set that stands for an lcore, or NULL. */
struct tp_set *
tp_service_find(uint64_t lcore);

/* Of the first set, where vectors go that are not asked to be elsewhere. */
struct rte_ims_wait *
tp_service_wait(void);
/* The first worker lcore, or -1: the main lcore is the only one. */
int
tp_service_lcore(void);

bool
tp_service_polls(void);
void
tp_service_set_poll(bool poll);
/* CPU time of a set's thread so far, in ns. */
uint64_t
tp_set_cpu_ns(const struct tp_set *set);

/* load.c: of a set's thread since the mark, all zero: since it was made; and a new mark. */
struct tp_load_mark {
	uint64_t ns;
	uint64_t cpu_ns;
	uint64_t events;
};

struct tp_load {
	uint64_t events; /* in all */
	double per_second;
	double cpu_pct;
};

void
tp_set_load(const struct tp_set *set, struct tp_load_mark *mark, struct tp_load *load);

/* A job runs from here on, in one thread at a time; when del returns it does not run any more. */
void
tp_job_add(struct tp_set *set, struct tp_job *job);
void
tp_job_del(struct tp_job *job);

#endif /* _TP_SERVICE_H_ */
