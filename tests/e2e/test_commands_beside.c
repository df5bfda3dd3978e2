/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Commands of queue_dev that are not answered, or late, while something else goes on with the same
 * objects: vectors that are freed, sub-devices, a slot that two want, a handler that does not
 * return, the end.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "e2e_commands.h"

/*
 * A vector goes whose queue cannot be told: its event queue stays as long as the device needs it.
 */
static void
test_vec_free_with_queue(void **state)
{
	struct rte_ims_vec *vec;
	enum fate fate;
	struct tq t;

	for (fate = 0; fate < N_FATES; fate++) {
		vec = qc_vec_open();
		assert_int_equal(qc_tq_open(&t, vec), 0);
		qc_arm(fate, QUEUE_DEV_CMD_QUEUE_MODIFY);
		assert_int_equal(rte_ims_vec_free(vec), 0);
		qc_disarmed();
		vec = qc_vec_open();
		assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec), 0);
		assert_int_equal(qc_get_info().used_eqs, 1);
		qc_close_all(&t, vec);
	}
	vec = qc_vec_open();
	assert_int_equal(qc_tq_open(&t, vec), 0);
	qc_inject(QUEUE_DEV_INJECT_CMD_FAIL, QUEUE_DEV_CMD_QUEUE_MODIFY, 2, 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_int_equal(qc_get_info().used_eqs, 1);
	/* It is polled meanwhile. */
	qc_submit(&t);
	while (!qc_all_done(&t))
		qc_on_queue(NULL, &t);
	vec = qc_vec_open();
	assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec), 0);
	assert_int_equal(qc_get_info().used_eqs, 1);
	qc_close_all(&t, vec);
}

static bool
is_set(int fd, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t count;

	return poll(&pfd, 1, timeout_ms) == 1 && read(fd, &count, sizeof(count)) == sizeof(count);
}

/* The same of a vector without an event queue: the next owner of its MSI-X number is left alone. */
static void
test_dedicated_free_with_queue(void **state)
{
	struct rte_ims_store *msix = rte_ims_dev_store_get(qc.dev, RTE_IMS_STORE_MSIX);
	struct rte_ims_vec_conf conf = { .flags = RTE_IMS_VEC_F_FD };
	struct rte_pmd_queue_dev_queue_conf qconf = { .depth = 64 };
	struct rte_ims_vec_info info;
	struct tq t, other;
	enum fate fate;

	conf.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (fate = 0; fate < N_FATES; fate++) {
		qconf.vec =
			rte_ims_vec_alloc(rte_ims_dev_table(qc.dev), msix, RTE_IMS_SLOT_ANY, &conf);
		assert_non_null(qconf.vec);
		assert_int_equal(rte_ims_vec_info_get(qconf.vec, &info), 0);
		t.q = rte_pmd_queue_dev_queue_create(qc.dev, &qconf);
		assert_non_null(t.q);
		assert_int_equal(rte_pmd_queue_dev_arm(t.q), 0);
		qc_submit(&t);
		assert_true(is_set(conf.fd, E2E_PATIENCE_MS));
		qc_arm(fate, QUEUE_DEV_CMD_MODIFY_INTR);
		assert_int_equal(rte_ims_vec_free(qconf.vec), 0);
		qc_disarmed();
		/* What is not known is made sure with the next command. */
		if (fate >= N_KNOWN) {
			assert_int_equal(qc_tq_open(&other, NULL), 0);
			assert_int_equal(rte_pmd_queue_dev_queue_destroy(other.q), 0);
		}
		qconf.vec = rte_ims_vec_alloc(rte_ims_dev_table(qc.dev), msix, info.slot, &conf);
		assert_non_null(qconf.vec);
		assert_int_equal(rte_pmd_queue_dev_arm(t.q), 0); /* one is there */
		assert_false(is_set(conf.fd, 20));
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
		assert_int_equal(rte_ims_vec_free(qconf.vec), 0);
	}
	close(conf.fd);
}

static void
test_subdev_create(void **state)
{
	struct rte_pmd_queue_dev_subdev *s;
	struct rte_ims_dev_info before, after;
	enum fate fate;

	assert_int_equal(rte_ims_dev_info_get(qc.dev, &before), 0);
	for (fate = 0; fate < N_FATES; fate++) {
		qc_arm(fate, QUEUE_DEV_CMD_SUBDEV_CREATE);
		s = rte_pmd_queue_dev_subdev_create(qc.dev, "sub", 4);
		/* What was not answered is asked for again. */
		if (fate == REFUSED || fate >= N_KNOWN) {
			assert_null(s);
			assert_int_equal(rte_errno, fate == REFUSED ? EIO : ETIMEDOUT);
			s = rte_pmd_queue_dev_subdev_create(qc.dev, "sub", 4);
		}
		qc_disarmed();
		assert_non_null(s);
		assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s), 0);
	}
	assert_int_equal(rte_ims_dev_info_get(qc.dev, &after), 0);
	assert_int_equal(after.n_tables, before.n_tables);
	qc_arm(DONE_UNKNOWN, QUEUE_DEV_CMD_SUBDEV_CREATE);
	assert_null(rte_pmd_queue_dev_subdev_create(qc.dev, "sub", 4));
	assert_int_equal(rte_ims_dev_reset(qc.dev), 0);
}

static void
test_subdev_destroy(void **state)
{
	struct rte_pmd_queue_dev_subdev *s;
	enum fate fate;
	int want;

	for (fate = 0; fate < N_FATES; fate++) {
		s = rte_pmd_queue_dev_subdev_create(qc.dev, "sub", 4);
		assert_non_null(s);
		qc_arm(fate, QUEUE_DEV_CMD_SUBDEV_DESTROY);
		want = fate == REFUSED ? -EIO : fate >= N_KNOWN ? -ETIMEDOUT : 0;
		assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s), want);
		qc_disarmed();
		if (want == 0)
			continue;
		assert_null(rte_pmd_queue_dev_subdev_table(s));
		assert_int_equal(rte_errno, ENOENT);
		assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s), 0);
	}
}

static void *
create_slowly(void *arg)
{
	const struct rte_pmd_queue_dev_queue_conf conf = { .depth = 2 };

	qc_inject_us(QUEUE_DEV_INJECT_CMD_DELAY, QUEUE_DEV_CMD_QUEUE_CREATE, 1, 0, 500000);
	return rte_pmd_queue_dev_queue_create(qc.dev, &conf);
}

static uint32_t
commands_taken(void)
{
	uint32_t n = 0;

	assert_int_equal(ims_dev_bar_read32(qc.dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_CMDQ_HEAD, &n), 0);
	return n;
}

/* While a queue is made, a vector is to have the slot of its number: only one of them gets it. */
static void
test_slot_of_new_queue(void **state)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 2 };
	struct rte_pmd_queue_dev_queue *q;
	struct rte_ims_store_info sinfo;
	struct rte_ims_store *store;
	uint32_t i, before;
	pthread_t thread;
	void *made;

	for (i = 0; (store = rte_ims_dev_store_at(qc.dev, i)) != NULL; i++) {
		assert_int_equal(rte_ims_store_info_get(store, &sinfo), 0);
		if (strcmp(sinfo.name, "ims-queue") == 0)
			break;
	}
	assert_non_null(store);
	q = rte_pmd_queue_dev_queue_create(qc.dev, &conf);
	assert_non_null(q);
	i = rte_pmd_queue_dev_queue_number(q) + 1; /* the next one's */
	before = commands_taken();
	assert_int_equal(pthread_create(&thread, NULL, create_slowly, NULL), 0);
	while (commands_taken() == before)
		usleep(1000);
	assert_null(rte_ims_vec_alloc(rte_ims_dev_table(qc.dev), store, i, NULL));
	assert_int_equal(rte_errno, EBUSY);
	pthread_join(thread, &made);
	assert_non_null(made);
	assert_int_equal(rte_pmd_queue_dev_queue_number(made), i);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(made), 0);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(q), 0);
	/* It is free now. */
	conf.vec = rte_ims_vec_alloc(rte_ims_dev_table(qc.dev), store, i, NULL);
	assert_non_null(conf.vec);
	assert_int_equal(rte_ims_vec_free(conf.vec), 0);
}

static atomic_bool blocked, go_on;

static void
on_blocked(struct rte_ims_vec *vec, void *arg)
{
	qc_on_queue(vec, arg);
	atomic_store(&blocked, true);
	while (!atomic_load(&go_on))
		usleep(1000);
}

/* Not just for any event: what the vector had to say before may come now. */
static void *
poll_until_blocked(void *arg)
{
	while (!atomic_load(&blocked)) {
		rte_ims_wait_poll(qc.set);
		usleep(1000);
	}
	return NULL;
}

static uint32_t
count_objs(struct rte_ims_vec *vec)
{
	struct rte_ims_vec_info info;

	assert_int_equal(rte_ims_vec_info_get(vec, &info), 0);
	return info.n_objs;
}

/*
 * Queues are to move while a handler of their vector does not return: they stay, have their events,
 * and the same call works when it has returned, or when the vector has been freed meanwhile.
 */
static void
test_attach_blocked(void **state)
{
	struct rte_ims_vec *vec[2] = { qc_vec_open(), qc_vec_open() };
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 2, .vec = vec[0], .fn = on_blocked };
	struct tq t[2], block;
	pthread_t thread;
	unsigned int i;

	atomic_store(&blocked, false);
	atomic_store(&go_on, false);
	conf.arg = &block;
	block.q = rte_pmd_queue_dev_queue_create(qc.dev, &conf);
	assert_non_null(block.q);
	for (i = 0; i < 2; i++)
		assert_int_equal(qc_tq_open(&t[i], vec[0]), 0);
	e2e_settle(qc.set);
	qc_submit(&block);
	assert_int_equal(pthread_create(&thread, NULL, poll_until_blocked, NULL), 0);
	while (!atomic_load(&blocked))
		usleep(1000);
	for (i = 0; i < 2; i++)
		assert_int_equal(rte_pmd_queue_dev_queue_attach(t[i].q, vec[1]), -ETIMEDOUT);
	atomic_store(&go_on, true);
	pthread_join(thread, NULL);
	for (i = 0; i < 2; i++)
		qc_works(&t[i]);
	assert_int_equal(rte_pmd_queue_dev_queue_attach(t[0].q, vec[0]), 0);
	assert_int_equal(count_objs(vec[0]), 2); /* it and what blocked */
	qc_works(&t[0]);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(block.q), 0);
	assert_int_equal(rte_ims_vec_free(vec[0]), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(rte_pmd_queue_dev_queue_attach(t[i].q, vec[1]), 0);
		qc_works(&t[i]);
	}
	assert_int_equal(count_objs(vec[1]), 2);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t[0].q), 0);
	qc_close_all(&t[1], vec[1]);
}

/*
 * A device is closed with a queue and its vector: commands that the driver waits for when its own
 * vector has gone.
 */
static void
test_close(void **state)
{
	struct rte_ims_vec *vec;
	struct tq t;

	qc.dev = e2e_open();
	qc.set = rte_ims_wait_create("e2e", NULL);
	assert_non_null(qc.set);
	vec = qc_vec_open();
	assert_int_equal(qc_tq_open(&t, vec), 0);
	qc_inject_us(QUEUE_DEV_INJECT_CMD_DELAY, 0xff, 100, 0, 5000);
	assert_int_equal(rte_ims_dev_close(qc.dev), 0);
	assert_int_equal(rte_ims_wait_destroy(qc.set), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, qc_setup, qc_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_vec_free_with_queue),
		T(test_dedicated_free_with_queue),
		T(test_subdev_create),
		T(test_subdev_destroy),
		T(test_slot_of_new_queue),
		T(test_attach_blocked),
		cmocka_unit_test(test_close),
	};

	e2e_init(argc, argv, "emu:queue_dev,inject=1,queues=64,subdevs=4,eqs=8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
