/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The driver of queue_dev, when a device writes anything to its event queue and its completion
 * rings. The device's side of the driver, and the library, are replaced by what counts.
 *
 * Input: rounds of [what is submitted, what is written where, bytes].
 */

#include <ims_driver.h>

#include "queue_dev_private.h"

static void
note_ring(uint64_t doorbell);
static void
note_event(struct rte_ims_obj *obj);

#define qd_ring(qd, doorbell) note_ring(doorbell)
#define ims_obj_run(vec, obj) note_event(obj)
#define ims_dev_removed(dev)  (RTE_SET_USED(dev), false)
#include "queue_dev_eq.c"
#include "queue_dev_work.c"
#undef ims_obj_run

#include "fuzz.h"

#define N_QUEUES 4
#define LOG      2
#define EQ_LOG   3
#define MAX_DONE 8

static struct queue_dev_eqe ring[1 << EQ_LOG];
static struct queue_dev_cqe cq[N_QUEUES][1 << LOG];
static struct queue_dev_desc sq[N_QUEUES][1 << LOG];
static void *cookies[N_QUEUES][1 << LOG];
static struct rte_pmd_queue_dev_queue queues[N_QUEUES];
static _Atomic(struct rte_pmd_queue_dev_queue *) by_number[N_QUEUES];
static _Atomic(uint32_t) homes[N_QUEUES];
static struct qd qd;
static struct qd_eq eq;
static uint32_t n_rung, n_events;

static void
note_ring(uint64_t doorbell)
{
	n_rung++;
}

/* A queue that is on this event queue takes what it has: never what was not submitted. */
static void
note_event(struct rte_ims_obj *obj)
{
	struct rte_pmd_queue_dev_completion done[MAX_DONE];
	struct rte_pmd_queue_dev_queue *q = NULL;
	int i, n;

	for (i = 0; i < N_QUEUES; i++)
		if (obj == &queues[i].obj)
			q = &queues[i];
	fuzz_check(q != NULL && homes[q->number] != 0);
	n_events++;
	n = rte_pmd_queue_dev_poll(q, done, MAX_DONE);
	fuzz_check(n >= 0 && n <= 1 << LOG && q->submitted - q->completed <= 1u << LOG);
	for (i = 0; i < n; i++)
		fuzz_check(done[i].cookie == q);
}

static void
start(void)
{
	uint32_t i;

	memset(ring, 0, sizeof(ring));
	memset(cq, 0, sizeof(cq));
	memset(queues, 0, sizeof(queues));
	qd = (struct qd){ .n_queues = N_QUEUES, .n_eqs = 2, .queues = by_number, .homes = homes };
	eq = (struct qd_eq){ .qd = &qd, .number = 1, .log_size = EQ_LOG, .ring = ring };
	for (i = 0; i < N_QUEUES; i++) {
		queues[i].qd = &qd;
		queues[i].number = i;
		queues[i].log_size = LOG;
		queues[i].sq = sq[i];
		queues[i].cq = cq[i];
		queues[i].cookies = cookies[i];
		atomic_store(&by_number[i], &queues[i]);
		/* The last one is on another event queue, the one before on none. */
		homes[i] = i < 2 ? QD_HOME(1, i) : i == 3 ? QD_HOME(0, 0) : 0;
	}
}

static void
submit_some(uint8_t what)
{
	struct rte_pmd_queue_dev_queue *q = &queues[what % N_QUEUES];
	struct rte_pmd_queue_dev_op op = { .type = what / 8 % 6, .cookie = q };
	int rc = rte_pmd_queue_dev_submit(q, &op, 1);

	fuzz_check(rc == 0 || rc == 1 || (rc == -EINVAL && op.type > RTE_PMD_QUEUE_DEV_POST));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	uint8_t what, where;
	unsigned int events;

	start();
	while (in.len != 0) {
		what = fuzz_u8(&in);
		where = fuzz_u8(&in);
		submit_some(what);
		if (where % 2 == 0)
			fuzz_take(&in, &ring[where / 2 % (1 << EQ_LOG)], sizeof(ring[0]));
		else
			fuzz_take(
				&in, &cq[where / 2 % 2][where / 4 % (1 << LOG)], sizeof(cq[0][0]));
		if (what % 3 != 0)
			continue;
		events = n_events;
		eq_run(NULL, &eq);
		/* A ring full of the same entry is no endless loop. */
		fuzz_check(n_events - events <= BUDGET);
	}
	return 0;
}
