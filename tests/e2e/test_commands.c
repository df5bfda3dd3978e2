/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Commands of queue_dev that the device refuses, does not answer, or answers when nobody waits any
 * more: each command, with and without its effect, and when the device does not say which. Then the
 * caller knows where he stands, the same call works again, and in the end nothing is left over.
 */

#include "e2e_commands.h"

/* The command that makes what a queue needs: of the event queue, or of the queue. */
static void
create(uint32_t op)
{
	struct rte_ims_vec *vec = qc_vec_open();
	enum fate fate;
	struct tq t;
	bool lost;

	for (fate = 0; fate < N_FATES; fate++) {
		lost = fate >= N_KNOWN;
		qc_arm(fate, op);
		assert_int_equal(qc_tq_open(&t, vec), qc_result(fate));
		qc_disarmed();
		if (fate != DONE) {
			/* What the device may have is not given up. */
			assert_int_equal(qc_get_info().used_queues,
				lost && op == QUEUE_DEV_CMD_QUEUE_CREATE);
			assert_int_equal(
				qc_get_info().used_eqs, lost || op == QUEUE_DEV_CMD_QUEUE_CREATE);
			assert_int_equal(qc_tq_open(&t, vec), 0);
		}
		assert_int_equal(qc_get_info().used_queues, 1);
		assert_int_equal(qc_get_info().used_eqs, 1);
		qc_close_all(&t, vec);
		vec = qc_vec_open();
	}
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

static void
test_eq_create(void **state)
{
	create(QUEUE_DEV_CMD_EQ_CREATE);
}

static void
test_queue_create(void **state)
{
	create(QUEUE_DEV_CMD_QUEUE_CREATE);
}

/* The vector of what could not be created goes first; a reset settles what is left. */
static void
test_create_and_give_up(void **state)
{
	static const uint32_t ops[] = { QUEUE_DEV_CMD_EQ_CREATE, QUEUE_DEV_CMD_QUEUE_CREATE };
	struct rte_ims_vec *vec;
	enum fate fate;
	unsigned int i;
	struct tq t;

	for (i = 0; i < 2; i++)
		for (fate = N_KNOWN; fate < N_FATES; fate++) {
			vec = qc_vec_open();
			qc_arm(fate, ops[i]);
			assert_int_equal(qc_tq_open(&t, vec), -ETIMEDOUT);
			assert_int_equal(rte_ims_vec_free(vec), 0);
			/* A queue that the device has holds on to its event queue. */
			assert_true(qc_get_info().used_queues + qc_get_info().used_eqs >= 1);
			assert_int_equal(rte_ims_dev_reset(qc.dev), 0);
			assert_int_equal(qc_get_info().used_queues, 0);
			assert_int_equal(qc_get_info().used_eqs, 0);
		}
}

/* Nobody hears whether it was destroyed: tried once more at once, then with the next command. */
static void
test_eq_destroy(void **state)
{
	struct rte_ims_store *store = rte_ims_dev_store_get(qc.dev, RTE_IMS_STORE_QUEUE);
	struct rte_ims_vec_info info;
	struct rte_ims_vec *vec;
	enum fate fate;
	struct tq t;

	for (fate = 0; fate < N_FATES; fate++) {
		vec = qc_vec_open();
		assert_int_equal(rte_ims_vec_info_get(vec, &info), 0);
		assert_int_equal(qc_tq_open(&t, vec), 0);
		qc_works(&t);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
		qc_arm(fate, QUEUE_DEV_CMD_EQ_DESTROY);
		assert_int_equal(rte_ims_vec_free(vec), 0);
		qc_disarmed();
		assert_int_equal(qc_get_info().used_eqs, fate >= N_KNOWN);
		/* Its slot is nobody's until the device has been heard. */
		if (fate >= N_KNOWN) {
			assert_null(rte_ims_vec_alloc(
				rte_ims_dev_table(qc.dev), store, info.slot, NULL));
			assert_int_equal(rte_errno, EBUSY);
		}
		vec = qc_vec_open();
		assert_int_equal(qc_tq_open(&t, vec), 0);
		assert_int_equal(qc_get_info().used_eqs, 1);
		qc_close_all(&t, vec);
	}
	vec = qc_vec_open();
	assert_int_equal(qc_tq_open(&t, vec), 0);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
	qc_inject(QUEUE_DEV_INJECT_CMD_FAIL, QUEUE_DEV_CMD_EQ_DESTROY, 2, 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_int_equal(qc_get_info().used_eqs, 1);
}

static void
test_queue_destroy(void **state)
{
	struct rte_ims_vec *vec = qc_vec_open();
	enum fate fate;
	struct tq t;

	for (fate = 0; fate < N_FATES; fate++) {
		assert_int_equal(qc_tq_open(&t, vec), 0);
		qc_works(&t);
		qc_arm(fate, QUEUE_DEV_CMD_QUEUE_DESTROY);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), qc_result(fate));
		qc_disarmed();
		assert_int_equal(qc_get_info().used_queues, fate != DONE);
		if (fate == DONE)
			continue;
		if (fate != DONE_UNKNOWN)
			qc_works(&t);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
		assert_int_equal(qc_get_info().used_queues, 0);
	}
	/* It is his until it is destroyed: a reset makes it again. */
	assert_int_equal(qc_tq_open(&t, vec), 0);
	qc_arm(DONE_UNKNOWN, QUEUE_DEV_CMD_QUEUE_DESTROY);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), -ETIMEDOUT);
	assert_int_equal(rte_ims_dev_reset(qc.dev), 0);
	qc_close_all(&t, vec);
}

static void
test_queue_modify(void **state)
{
	struct rte_ims_vec *vec[2] = { qc_vec_open(), qc_vec_open() };
	struct tq t, other;
	enum fate fate;
	int again;

	assert_int_equal(qc_tq_open(&other, vec[1]), 0);
	for (fate = 0; fate < N_FATES; fate++)
		for (again = 0; again < (fate >= N_KNOWN ? 2 : 1); again++) {
			assert_int_equal(qc_tq_open(&t, vec[0]), 0);
			qc_works(&t);
			qc_arm(fate, QUEUE_DEV_CMD_QUEUE_MODIFY);
			assert_int_equal(
				rte_pmd_queue_dev_queue_attach(t.q, vec[1]), qc_result(fate));
			qc_disarmed();
			/* Where it was, or where it was to go: the caller makes it sure. */
			if (fate >= N_KNOWN)
				assert_int_equal(
					rte_pmd_queue_dev_queue_attach(t.q, vec[again]), 0);
			qc_works(&t);
			qc_works(&other);
			assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec[1]), 0);
			qc_works(&t);
			assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
		}
	assert_int_equal(rte_ims_vec_free(vec[0]), 0);
	qc_close_all(&other, vec[1]);
}

/* Events that went to the wrong event queue meanwhile: they come again with the next command. */
static void
test_queue_modify_events(void **state)
{
	struct rte_ims_vec *vec[2] = { qc_vec_open(), qc_vec_open() };
	struct tq t, other;
	enum fate fate;

	for (fate = N_KNOWN; fate < N_FATES; fate++) {
		assert_int_equal(qc_tq_open(&t, vec[0]), 0);
		assert_int_equal(qc_tq_open(&other, vec[1]), 0);
		qc_arm(fate, QUEUE_DEV_CMD_QUEUE_MODIFY);
		assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec[1]), -ETIMEDOUT);
		qc_submit(&t);
		if (fate == DROPPED_UNKNOWN)
			assert_true(e2e_wait_for(qc.set, qc_all_done, &t, E2E_PATIENCE_NS));
		else
			assert_false(e2e_wait_for(qc.set, qc_all_done, &t, 50000000));
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(other.q), 0);
		assert_int_equal(qc_tq_open(&other, NULL), 0);
		assert_true(e2e_wait_for(qc.set, qc_all_done, &t, E2E_PATIENCE_NS));
		qc_works(&t);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(other.q), 0);
	}
	assert_int_equal(rte_ims_vec_free(vec[0]), 0);
	assert_int_equal(rte_ims_vec_free(vec[1]), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, qc_setup, qc_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_eq_create),
		T(test_queue_create),
		T(test_create_and_give_up),
		T(test_eq_destroy),
		T(test_queue_destroy),
		T(test_queue_modify),
		T(test_queue_modify_events),
	};

	e2e_init(argc, argv, "emu:queue_dev,inject=1,queues=64,subdevs=4,eqs=8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
