/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A vector with 64 queues as busy as can be goes to and fro between two lcores, and is switched
 * between memory and its eventfd, for so many operations; in the end no queue may stand still.
 */

#include <stdatomic.h>

#include <rte_errno.h>
#include <rte_lcore.h>

#include "busy.h"

/* n counts the changes. */
static int
move(struct rig *rig, struct rte_ims_vec *vec, unsigned int n)
{
	return rte_ims_pool_move(rig->pool, vec, n % 2 == 0 ? bench.worker : rte_lcore_id());
}

static int
switch_delivery(struct rig *rig, struct rte_ims_vec *vec, unsigned int n)
{
	(void)rig;
	return rte_ims_vec_delivery_set(
		vec, n % 2 == 0 ? RTE_IMS_DELIVERY_EVENTFD : RTE_IMS_DELIVERY_MEMORY);
}

static void
measure(int (*change)(struct rig *rig, struct rte_ims_vec *vec, unsigned int n), const char *key,
	const char *lost_key)
{
	uint64_t ops = bench.quick ? 200000 : 10000000, t;
	unsigned int least = bench.quick ? 500 : 5000, n;
	struct rounds rounds = { 0 };
	struct rte_ims_vec *vec;
	struct samples s;
	struct busy *b;
	struct rig rig;

	samples_init(&s, 1000000);
	/* A third thread on two CPUs: the device runs where it finds room. */
	rig_open(&rig, -1, "", RTE_IMS_DELIVERY_MEMORY);
	vec = rig_vec(&rig);
	b = busy_open(&rig, vec, 16);
	busy_start(b);
	rig_worker_start(&rig);
	for (n = 0; n % 2 != 0 || n < least || busy_done(b) < ops; n++) {
		t = rte_rdtsc_precise();
		check(change(&rig, vec, n), key);
		samples_add(&s, rte_rdtsc_precise() - t);
		rte_ims_wait_poll(rig.wait); /* nobody else does here */
	}
	rounds_add(&rounds, &s, bench.tick_ns);
	figure_set_rounds(key, &rounds);
	rig_worker_stop(&rig);
	figure_set(lost_key, busy_stop(b, &rig));
	busy_close(b);
	check(rte_ims_pool_put(rig.pool, vec), "put");
	rig_close(&rig);
	samples_free(&s);
}

void
bench_move(void)
{
	if (bench.worker == RTE_MAX_LCORE)
		return;
	measure(move, "move_ns", "move_lost");
	measure(switch_delivery, "switch_ns", "switch_lost");
}
