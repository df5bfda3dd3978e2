/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The driver of queue_dev, on the library, with a device that answers its commands late, twice,
 * wrongly or not at all, and reports any numbers. Time is the target's own: who waits finds it
 * passed.
 *
 * A device that fails to answer, but does not lie, must agree with the driver on what there is once
 * it answers again; one that has lied, after a reset.
 *
 * Input: the device, see shape(); then operations of [what, which, how, more], see run().
 */

#include <poll.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "fuzz_qd.h"

static uint64_t
fake_tsc(void)
{
	return now++;
}

#define rte_rdtsc        fake_tsc
#define rte_get_tsc_hz() FAKE_HZ
#define usleep(us)       fake_nap()
#define poll(fds, n, ms) fake_nap()
#include "queue_dev_cmd.c"
#undef rte_rdtsc
#undef rte_get_tsc_hz
#undef usleep
#undef poll

#define MAX_WAIT (200ull * TIMEOUT_MS * 1000)

static struct qd *
qd_now(void)
{
	return ims_dev_priv(app.dev);
}

/* Driver and device have the same objects, and queues are where the driver thinks. */
static void
check_agree(void)
{
	const struct rte_pmd_queue_dev_queue *q;
	struct qd *qd = qd_now();
	uint32_t i;

	fuzz_check(qd->n_lost == 0);
	for (i = 0; i < N_OBJS; i++) {
		if (i < qd->n_eqs)
			fuzz_check(hw.eqs[i].there == (qd->eqs[i] != NULL));
		if (i != 0 && i <= qd->n_subdevs)
			fuzz_check(hw.subdevs[i] == (qd->subdevs[i] != NULL));
		q = i < qd->n_queues ? atomic_load(&qd->queues[i]) : NULL;
		fuzz_check(hw.queues[i].there == (q != NULL && !q->dead));
		if (hw.queues[i].there)
			fuzz_check(hw.queues[i].ctx.eqn ==
				   (q->eq != NULL ? q->eq->number : QUEUE_DEV_EQN_NONE));
	}
}

static void
check_counts(void)
{
	uint32_t i, n_queues = 0, n_eqs = 0;
	struct qd *qd = qd_now();

	for (i = 0; i < qd->n_queues; i++)
		n_queues += atomic_load(&qd->queues[i]) != NULL;
	for (i = 0; i < qd->n_eqs; i++)
		n_eqs += qd->eqs[i] != NULL;
	fuzz_check(qd->used_queues == n_queues && qd->used_eqs == n_eqs);
}

/* From now on it answers. */
static void
settle(void)
{
	struct qd *qd = qd_now();
	bool liar = hw.liar;
	uint64_t timeouts;
	int rc;

	hw.n_how = 0;
	fuzz_dev_misbehave(0, 0, 0);
	portals_take();
	check_counts();
	if (atomic_load(&fuzz_dev.v.removed))
		return;
	timeouts = qd->cmd_timeouts;
	destroy_again(liar);
	pthread_mutex_lock(&qd->lock);
	fuzz_check(qd_query(qd, QUEUE_DEV_KIND_SPECIAL, 0) == 0);
	rc = qd_settle(qd);
	fuzz_check(qd->cmd_timeouts == timeouts);
	if (!liar) {
		fuzz_check(rc == 0);
		check_agree();
	}
	pthread_mutex_unlock(&qd->lock);
	rc = rte_ims_dev_reset(app.dev);
	fuzz_check_rc(rc);
	if (rc == 0)
		check_agree();
	fuzz_check(rc == 0 || liar);
}

static void
close_all(void)
{
	uint64_t begin = now;

	settle();
	fuzz_check(rte_ims_dev_close(app.dev) == 0);
	fuzz_check(rte_ims_wait_destroy(app.wait) == 0);
	fuzz_check(now - begin <= MAX_WAIT);
	app_forget();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fuzz_dev_init();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rte_ims_wait_conf wait_conf = { .max_vecs = N_VECS };
	struct fuzz_in in = { data, size };
	uint64_t begin;

	now = 1;
	shape(&in);
	app.dev = fuzz_dev_open(NULL);
	if (app.dev != NULL) {
		app.wait = rte_ims_wait_create("fuzz", &wait_conf);
		fuzz_check(app.wait != NULL);
		while (in.len != 0) {
			begin = now;
			run(&in);
			/* However it answers, nobody waits for ever. */
			fuzz_check(now - begin <= MAX_WAIT);
		}
		close_all();
	}
	fuzz_dev_end();
	return 0;
}
