/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "e2e_commands.h"

#define ANSWER_US 10000000 /* nobody waits that long */

struct qc qc;

static void
qc_write32(uint64_t reg, uint32_t val)
{
	assert_int_equal(ims_dev_bar_write32(qc.dev, QUEUE_DEV_BAR, reg, val), 0);
}

void
qc_inject_us(uint32_t kind, uint32_t op, uint32_t count, uint64_t arg, uint32_t usec)
{
	qc_write32(QUEUE_DEV_REG_INJECT_KIND, kind);
	qc_write32(QUEUE_DEV_REG_INJECT_TIME, usec);
	assert_int_equal(ims_dev_bar_write(qc.dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_ARG, &arg,
				 sizeof(arg)),
		0);
	qc_write32(QUEUE_DEV_REG_INJECT_DATA, op);
	qc_write32(QUEUE_DEV_REG_INJECT_COUNT, count);
}

void
qc_inject(uint32_t kind, uint32_t op, uint32_t count, uint64_t arg)
{
	qc_inject_us(kind, op, count, arg, ANSWER_US);
}

/* How often it is still to happen. */
static uint32_t
qc_left(uint32_t kind)
{
	uint32_t n = 0;

	qc_write32(QUEUE_DEV_REG_INJECT_KIND, kind);
	assert_int_equal(
		ims_dev_bar_read32(qc.dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_COUNT, &n), 0);
	return n;
}

/* The next command of this kind, and if it is to stay unknown what would tell. */
void
qc_arm(enum fate fate, uint32_t op)
{
	bool subdev = op == QUEUE_DEV_CMD_SUBDEV_CREATE || op == QUEUE_DEV_CMD_SUBDEV_DESTROY;
	uint32_t n = fate >= N_KNOWN && subdev ? 2 : 1;

	if (fate == REFUSED)
		qc_inject(QUEUE_DEV_INJECT_CMD_FAIL, op, 1, 0);
	else if (fate == LATE)
		qc_inject(QUEUE_DEV_INJECT_CMD_DELAY, op, 1, 0);
	else
		qc_inject(QUEUE_DEV_INJECT_CMD_DROP, op, n, fate == DONE || fate == DONE_UNKNOWN);
	if (fate >= N_KNOWN && !subdev)
		qc_inject(QUEUE_DEV_INJECT_CMD_FAIL, QUEUE_DEV_CMD_QUERY, 1, 0);
}

/* All of it has happened. */
void
qc_disarmed(void)
{
	assert_int_equal(qc_left(QUEUE_DEV_INJECT_CMD_DELAY), 0);
	assert_int_equal(qc_left(QUEUE_DEV_INJECT_CMD_FAIL), 0);
	assert_int_equal(qc_left(QUEUE_DEV_INJECT_CMD_DROP), 0);
}

/* What a call returns; a command that was forgotten or refused has changed nothing. */
int
qc_result(enum fate fate)
{
	return fate == DONE ? 0 : fate >= N_KNOWN ? -ETIMEDOUT : -EIO;
}

int
qc_setup(void **state)
{
	qc.dev = e2e_open();
	qc.set = rte_ims_wait_create("e2e", NULL);
	return qc.set == NULL;
}

struct rte_pmd_queue_dev_info
qc_get_info(void)
{
	struct rte_pmd_queue_dev_info info;

	assert_int_equal(rte_pmd_queue_dev_info_get(qc.dev, &info), 0);
	return info;
}

/* All that there can be of everything can be made: no number is lost. */
int
qc_teardown(void **state)
{
	struct rte_pmd_queue_dev_info info = qc_get_info();
	const struct rte_pmd_queue_dev_queue_conf conf = { .depth = 2 };
	struct rte_pmd_queue_dev_subdev *subdevs[16];
	struct rte_pmd_queue_dev_queue *queues[64];
	uint32_t i;

	qc_disarmed();
	for (i = 0; i < info.n_subdevs; i++) {
		subdevs[i] = rte_pmd_queue_dev_subdev_create(qc.dev, "sub", 1);
		assert_non_null(subdevs[i]);
	}
	for (i = 0; i < info.n_queues; i++) {
		queues[i] = rte_pmd_queue_dev_queue_create(qc.dev, &conf);
		assert_non_null(queues[i]);
	}
	for (i = 0; i < info.n_queues; i++)
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(queues[i]), 0);
	for (i = 0; i < info.n_subdevs; i++)
		assert_int_equal(rte_pmd_queue_dev_subdev_destroy(subdevs[i]), 0);
	info = qc_get_info();
	assert_int_equal(info.used_queues, 0);
	assert_int_equal(info.used_eqs, 0);
	assert_int_equal(rte_ims_dev_close(qc.dev), 0);
	return rte_ims_wait_destroy(qc.set);
}

void
qc_on_queue(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done[8];
	struct tq *t = arg;
	int n;

	while ((n = rte_pmd_queue_dev_poll(t->q, done, 8)) > 0)
		t->done += n;
}

struct rte_ims_vec *
qc_vec_open(void)
{
	struct rte_ims_vec_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	struct rte_ims_vec *vec;

	vec = rte_ims_vec_alloc(rte_ims_dev_table(qc.dev),
		rte_ims_dev_store_get(qc.dev, RTE_IMS_STORE_QUEUE), RTE_IMS_SLOT_ANY, &conf);
	assert_non_null(vec);
	assert_int_equal(rte_ims_wait_add(qc.set, vec), 0);
	return vec;
}

int
qc_tq_open(struct tq *t, struct rte_ims_vec *vec)
{
	struct rte_pmd_queue_dev_queue_conf conf = {
		.depth = 64, .vec = vec, .fn = vec != NULL ? qc_on_queue : NULL, .arg = t
	};

	t->done = 0;
	t->q = rte_pmd_queue_dev_queue_create(qc.dev, &conf);
	return t->q != NULL ? 0 : -rte_errno;
}

void
qc_submit(struct tq *t)
{
	struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };

	assert_int_equal(rte_pmd_queue_dev_submit(t->q, &op, 1), 1);
}

bool
qc_all_done(void *arg)
{
	return rte_pmd_queue_dev_queue_pending(((struct tq *)arg)->q) == 0;
}

/* Operations complete by events. */
void
qc_works(struct tq *t)
{
	unsigned int i;

	for (i = 0; i < 10; i++) {
		qc_submit(t);
		assert_true(e2e_wait_for(qc.set, qc_all_done, t, E2E_PATIENCE_NS));
	}
}

void
qc_close_all(struct tq *t, struct rte_ims_vec *vec)
{
	qc_works(t);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t->q), 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_int_equal(qc_get_info().used_queues, 0);
	assert_int_equal(qc_get_info().used_eqs, 0);
}
