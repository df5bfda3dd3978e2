/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What it costs to get a vector of a pool and put it back, and to hang an object on one. */

#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include "ims_bench.h"

#define BATCH  256u
#define ROUNDS 7u
#define MANY   16384u

static void
nothing(struct rte_ims_vec *vec, void *arg)
{
	(void)vec;
	(void)arg;
}

/*
 * Per pair: one to BATCH are got, then put back, so that the number of users changes by that much.
 */
static void
getput(struct rig *rig, const char *key)
{
	unsigned int n = bench.quick ? 200 : 2000, i, k, round;
	struct rte_ims_vec *vecs[BATCH];
	struct rounds rounds = { 0 };
	struct samples s;
	uint64_t t;

	samples_init(&s, n);
	for (round = 0; round < ROUNDS; round++) {
		s.n = 0;
		for (i = 0; i < n; i++) {
			t = rte_rdtsc_precise();
			for (k = 0; k < BATCH; k++)
				vecs[k] = rte_ims_pool_get(rig->pool, NULL);
			for (k = 0; k < BATCH; k++)
				rte_ims_pool_put(rig->pool, vecs[k]);
			samples_add(&s, rte_rdtsc_precise() - t);
		}
		rounds_add(&rounds, &s, bench.tick_ns / BATCH);
	}
	figure_set_rounds(key, &rounds);
	samples_free(&s);
}

static void
attach_detach(struct rte_ims_vec *vec, const char *key)
{
	unsigned int n = bench.quick ? 200 : 2000, i, k, round;
	static struct rte_ims_obj objs[BATCH];
	struct rounds rounds = { 0 };
	struct samples s;
	uint64_t t;

	for (k = 0; k < BATCH; k++)
		objs[k].fn = nothing;
	samples_init(&s, n);
	for (round = 0; round < ROUNDS; round++) {
		s.n = 0;
		for (i = 0; i < n; i++) {
			t = rte_rdtsc_precise();
			for (k = 0; k < BATCH; k++)
				rte_ims_vec_attach(vec, &objs[k]);
			for (k = 0; k < BATCH; k++)
				rte_ims_vec_detach(&objs[k]);
			samples_add(&s, rte_rdtsc_precise() - t);
		}
		rounds_add(&rounds, &s, bench.tick_ns / BATCH);
	}
	figure_set_rounds(key, &rounds);
	samples_free(&s);
}

void
bench_objects(void)
{
	struct rte_ims_obj *objs = calloc(MANY, sizeof(*objs));
	struct rte_ims_vec **vecs = calloc(MANY, sizeof(*vecs)), *vec;
	struct rig rig;
	unsigned int i;

	rig_open(&rig, bench.other_cpu, "", RTE_IMS_DELIVERY_MEMORY);
	vec = rig_vec(&rig);
	getput(&rig, "pool_getput_ns");
	attach_detach(vec, "attach_detach_ns");
	for (i = 0; i < MANY; i++) {
		vecs[i] = rte_ims_pool_get(rig.pool, NULL);
		check_ptr(vecs[i], "vector");
		objs[i].fn = nothing;
		check(rte_ims_vec_attach(vec, &objs[i]), "attach");
	}
	getput(&rig, "pool_getput_16384_ns");
	attach_detach(vec, "attach_detach_16384_ns");
	for (i = 0; i < MANY; i++) {
		check(rte_ims_vec_detach(&objs[i]), "detach");
		check(rte_ims_pool_put(rig.pool, vecs[i]), "put");
	}
	check(rte_ims_pool_put(rig.pool, vec), "put");
	rig_close(&rig);
	free(vecs);
	free(objs);
}
