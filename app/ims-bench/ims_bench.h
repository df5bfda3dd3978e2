/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_BENCH_H_
#define _IMS_BENCH_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_cycles.h>
#include <rte_ims.h>
#include <rte_ims_pool.h>
#include <rte_ims_wait.h>
#include <rte_pmd_queue_dev.h>

/*
 * ims-bench measures what this library costs, and beside it, in the same run and on the same CPUs,
 * what others cost for the same. One file per subject; each reports figures by their keys.
 *
 * The measuring thread is EAL's main lcore. Device models, child processes and the second lcore run
 * on bench.other_cpu.
 */

struct bench {
	bool quick;
	unsigned int worker; /* second lcore, RTE_MAX_LCORE: none */
	int other_cpu;
	double tick_ns;
};
extern struct bench bench;

/* samples.c: exact quantiles of what was measured, in ticks or anything else. */
struct samples {
	uint64_t *v;
	size_t n;
	size_t size;
};

/* Room for so many; ends the program when there is no memory. */
void
samples_init(struct samples *s, size_t size);
void
samples_free(struct samples *s);
/* What there is no room for is dropped. */
static inline void
samples_add(struct samples *s, uint64_t v)
{
	if (s->n < s->size)
		s->v[s->n++] = v;
}
/* 0 <= q <= 1. Sorts. */
uint64_t
samples_quantile(struct samples *s, double q);

/* figures.c: the results. An unknown key is a mistake of the program's and ends it. */
void
figure_set(const char *key, double value);
/*
 * Several rounds of one measurement: the median of the rounds' medians, and how far they are apart.
 */
struct rounds {
	double median[16];
	double p99[16];
	unsigned int n;
};
void
rounds_add(struct rounds *r, struct samples *s, double scale);
/* A round that is one value. */
void
rounds_add_value(struct rounds *r, double value);
void
figure_set_rounds(const char *key, const struct rounds *r);
/* NAN: not measured. */
double
figure_get(const char *key);
void
figures_print(FILE *f);
/* One flat object of numbers. 0 or -errno. */
int
figures_json(const char *path);
/* Figures that miss their goal. */
unsigned int
figures_missed(void);

/* rig.c: a queue_dev on the other CPU, a pool, and a wait set on each lcore. */
struct rig {
	struct rte_ims_dev *dev;
	struct rte_ims_pool *pool;
	struct rte_ims_wait *wait;        /* of the main lcore */
	struct rte_ims_wait *worker_wait; /* NULL without a second lcore */
};

/* Ends the program with a message: rc is a negative errno value. */
_Noreturn void
give_up(int rc, const char *what);

static inline void
check(int rc, const char *what)
{
	if (rc < 0)
		give_up(rc, what);
}

#define check_ptr(p, what) check((p) != NULL ? 0 : -rte_errno, what)

/* cpu: where the device runs, -1 anywhere. options: of the model, beginning with a comma, or "". */
void
rig_open(struct rig *rig, int cpu, const char *options, enum rte_ims_delivery delivery);
void
rig_close(struct rig *rig);
/* A vector of the main lcore. */
struct rte_ims_vec *
rig_vec(struct rig *rig);
/* The second lcore serves its wait set until it is stopped. */
void
rig_worker_start(struct rig *rig);
void
rig_worker_stop(struct rig *rig);

uint64_t
now_ns(void);
/* Open descriptors. */
unsigned int
count_fds(void);

/* The subjects. */
void
bench_latency(void);
void
bench_rate(void);
void
bench_adaptive(void);
void
bench_objects(void);
void
bench_demux(void);
void
bench_setup(void);
void
bench_move(void);

#endif /* _IMS_BENCH_H_ */
