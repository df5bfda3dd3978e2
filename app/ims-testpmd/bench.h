/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _BENCH_H_
#define _BENCH_H_

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_ims.h>
#include <rte_pmd_nvme.h>
#include <rte_pmd_queue_dev.h>

struct tp_dev;

/* histogram.c: latencies in ticks, 16 steps to each power of two. */
#define HIST_STEPS 16
#define HIST_SIZE  (48ul * HIST_STEPS)

struct hist {
	uint64_t n;
	uint64_t min;
	uint64_t max;
	uint64_t count[HIST_SIZE];
};

void
hist_reset(struct hist *h);
void
hist_add(struct hist *h, uint64_t ticks);
/* Add all of b to a. */
void
hist_merge(struct hist *a, const struct hist *b);
/* 0 <= q <= 1 */
uint64_t
hist_quantile(const struct hist *h, double q);
/* Bars, with tick_ns ns to a tick. */
void
hist_print(const struct hist *h, double tick_ns, FILE *f);

/*
 * floor.c: what the machine can do without us, between a child process on another CPU and the
 * calling thread. Events come interval_ns apart; h gets the latency of each.
 */
enum floor_kind {
	FLOOR_LINE,   /* a store, seen by a thread that polls the cache line */
	FLOOR_SOCKET, /* a message of 36 bytes, received by a thread that sleeps in epoll_wait */
	FLOOR_EPOLL,  /* an eventfd, read by a thread that sleeps in epoll_wait */
};

/* 0, -EINTR, or -errno. cpu: where the child runs, -1 anywhere. */
int
floor_measure(enum floor_kind kind, uint32_t events, uint64_t interval_ns, int cpu, struct hist *h);

/* bench_timer.c */
struct bench_timer_conf {
	struct tp_dev *dev;
	uint32_t n_timers;
	uint64_t interval_ns;
	uint64_t duration_ns;
	bool memory;
	bool eventfd;
	const char *json; /* NULL: none */
};

int
bench_timer(const struct bench_timer_conf *conf);

/* bench_timer_report.c */
#define BENCH_TIMER_MODES  3
#define BENCH_TIMER_ROUNDS 40

/* One kind of delivery, with what it is compared to. */
struct bench_timer_mode {
	const char *name;
	const char *key; /* in JSON */
	enum rte_ims_delivery delivery;
	bool several_waiters; /* an eventfd is elsewhere: the device's thread reads the socket */
	enum floor_kind floor;
	const char *floor_name;
	double goal;
};
extern const struct bench_timer_mode bench_timer_modes[BENCH_TIMER_MODES];

struct bench_timer_result {
	bool done;
	bool unsupported;
	uint64_t counted;   /* by the device */
	uint64_t accounted; /* by handlers */
	uint64_t calls;
	uint64_t spurious; /* calls that found nothing new */
	uint64_t late;     /* calls when all should be quiet */
	double seconds;
	struct hist latency;
	struct hist floor;
	struct hist round; /* latencies of this round */
	double ratios[BENCH_TIMER_ROUNDS];
	unsigned int n_rounds;
};

void
bench_timer_print(
	const struct bench_timer_conf *conf, struct bench_timer_result *results, bool same_clock);
int
bench_timer_json(const char *path, struct bench_timer_result *results);
/* 0, or -EIO if something was lost, or came when all was over. */
int
bench_timer_judge(const struct bench_timer_result *results);

/* bench_nvme.c */
#define BENCH_NVME_DEPTH 256u

struct bench_nvme_conf {
	struct tp_dev *dev;
	struct rte_pmd_nvme_info info;
	uint32_t n_queues;
	uint32_t depth;
	uint64_t duration_ns;
	bool write;
	const char *json; /* NULL: none */
};

int
bench_nvme(const struct bench_nvme_conf *conf);

/* bench_queue.c */
struct bench_queue_conf {
	struct tp_dev *dev;
	uint32_t n_queues;
	uint32_t depth;
	enum rte_pmd_queue_dev_op_type op;
	uint64_t duration_ns;
	const char *json; /* NULL: none */
};

int
bench_queue(const struct bench_queue_conf *conf);

/* bench_queue_report.c */
struct bench_queue_result {
	bool done;
	bool unsupported; /* no vector of the device can be delivered that way */
	unsigned int n_lcores;
	unsigned int n_vecs;
	/* While it was measured. */
	double seconds;
	double cpu; /* CPUs that our threads used */
	uint64_t ops;
	uint64_t events;
	struct hist latency;
	/* In all, when it had been drained. */
	uint64_t submitted;
	uint64_t completed;
	uint64_t failed;
};

enum {
	BENCH_QUEUE_MEMORY,
	BENCH_QUEUE_EVENTFD,
	BENCH_QUEUE_MODES,
};
extern const char *const bench_queue_modes[BENCH_QUEUE_MODES];

void
bench_queue_print(const struct bench_queue_conf *conf, const struct bench_queue_result *results);
int
bench_queue_json(const char *path, const struct bench_queue_result *results);

#endif /* _BENCH_H_ */
