/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Commands of queue_dev that the device refuses, does not answer, or answers when nobody waits any
 * more: each command, with and without its effect, and when the device does not say which. Then the
 * caller knows where he stands, the same call works again, and in the end nothing is left over.
 */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <ims_driver.h>
#include <queue_dev_regs.h>
#include <rte_pmd_queue_dev.h>

#include "e2e.h"

#define SECOND_NS 1000000000ull
#define ANSWER_US 3000000 /* nobody waits that long */

/* What happens to the command. */
enum fate {
	REFUSED,
	LATE,
	DROPPED,
	DONE, /* but not answered */
	N_KNOWN,
	DROPPED_UNKNOWN = N_KNOWN, /* and the question after it is not answered */
	DONE_UNKNOWN,
	N_FATES,
};

static struct rte_ims_dev *dev;
static struct rte_ims_wait *set;

static void
write32(uint64_t reg, uint32_t val)
{
	assert_int_equal(ims_dev_bar_write32(dev, QUEUE_DEV_BAR, reg, val), 0);
}

static void
inject_us(uint32_t kind, uint32_t op, uint32_t count, uint64_t arg, uint32_t usec)
{
	write32(QUEUE_DEV_REG_INJECT_KIND, kind);
	write32(QUEUE_DEV_REG_INJECT_TIME, usec);
	assert_int_equal(
		ims_dev_bar_write(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_ARG, &arg, sizeof(arg)),
		0);
	write32(QUEUE_DEV_REG_INJECT_DATA, op);
	write32(QUEUE_DEV_REG_INJECT_COUNT, count);
}

static void
inject(uint32_t kind, uint32_t op, uint32_t count, uint64_t arg)
{
	inject_us(kind, op, count, arg, ANSWER_US);
}

/* How often it is still to happen. */
static uint32_t
left(uint32_t kind)
{
	uint32_t n = 0;

	write32(QUEUE_DEV_REG_INJECT_KIND, kind);
	assert_int_equal(ims_dev_bar_read32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_COUNT, &n), 0);
	return n;
}

/* The next command of this kind, and if it is to stay unknown what would tell. */
static void
arm(enum fate fate, uint32_t op)
{
	bool subdev = op == QUEUE_DEV_CMD_SUBDEV_CREATE || op == QUEUE_DEV_CMD_SUBDEV_DESTROY;
	uint32_t n = fate >= N_KNOWN && subdev ? 2 : 1;

	if (fate == REFUSED)
		inject(QUEUE_DEV_INJECT_CMD_FAIL, op, 1, 0);
	else if (fate == LATE)
		inject(QUEUE_DEV_INJECT_CMD_DELAY, op, 1, 0);
	else
		inject(QUEUE_DEV_INJECT_CMD_DROP, op, n, fate == DONE || fate == DONE_UNKNOWN);
	if (fate >= N_KNOWN && !subdev)
		inject(QUEUE_DEV_INJECT_CMD_FAIL, QUEUE_DEV_CMD_QUERY, 1, 0);
}

/* All of it has happened. */
static void
disarmed(void)
{
	assert_int_equal(left(QUEUE_DEV_INJECT_CMD_DELAY), 0);
	assert_int_equal(left(QUEUE_DEV_INJECT_CMD_FAIL), 0);
	assert_int_equal(left(QUEUE_DEV_INJECT_CMD_DROP), 0);
}

/* What a call returns; a command that was forgotten or refused has changed nothing. */
static int
result(enum fate fate)
{
	return fate == DONE ? 0 : fate >= N_KNOWN ? -ETIMEDOUT : -EIO;
}

static int
setup(void **state)
{
	dev = e2e_open();
	set = rte_ims_wait_create("e2e", NULL);
	return set == NULL;
}

static struct rte_pmd_queue_dev_info
get_info(void)
{
	struct rte_pmd_queue_dev_info info;

	assert_int_equal(rte_pmd_queue_dev_info_get(dev, &info), 0);
	return info;
}

/* All that there can be of everything can be made: no number is lost. */
static int
teardown(void **state)
{
	struct rte_pmd_queue_dev_info info = get_info();
	const struct rte_pmd_queue_dev_queue_conf conf = { .depth = 2 };
	struct rte_pmd_queue_dev_subdev *subdevs[16];
	struct rte_pmd_queue_dev_queue *queues[64];
	uint32_t i;

	disarmed();
	for (i = 0; i < info.n_subdevs; i++) {
		subdevs[i] = rte_pmd_queue_dev_subdev_create(dev, "sub", 1);
		assert_non_null(subdevs[i]);
	}
	for (i = 0; i < info.n_queues; i++) {
		queues[i] = rte_pmd_queue_dev_queue_create(dev, &conf);
		assert_non_null(queues[i]);
	}
	for (i = 0; i < info.n_queues; i++)
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(queues[i]), 0);
	for (i = 0; i < info.n_subdevs; i++)
		assert_int_equal(rte_pmd_queue_dev_subdev_destroy(subdevs[i]), 0);
	info = get_info();
	assert_int_equal(info.used_queues, 0);
	assert_int_equal(info.used_eqs, 0);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	return rte_ims_wait_destroy(set);
}

struct tq {
	struct rte_pmd_queue_dev_queue *q;
	uint64_t done;
};

static void
on_queue(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done[8];
	struct tq *t = arg;
	int n;

	while ((n = rte_pmd_queue_dev_poll(t->q, done, 8)) > 0)
		t->done += n;
}

static struct rte_ims_vec *
vec_open(void)
{
	struct rte_ims_vec_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	struct rte_ims_vec *vec;

	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev),
		rte_ims_dev_store_get(dev, RTE_IMS_STORE_QUEUE), RTE_IMS_SLOT_ANY, &conf);
	assert_non_null(vec);
	assert_int_equal(rte_ims_wait_add(set, vec), 0);
	return vec;
}

static int
tq_open(struct tq *t, struct rte_ims_vec *vec)
{
	struct rte_pmd_queue_dev_queue_conf conf = {
		.depth = 64, .vec = vec, .fn = vec != NULL ? on_queue : NULL, .arg = t
	};

	t->done = 0;
	t->q = rte_pmd_queue_dev_queue_create(dev, &conf);
	return t->q != NULL ? 0 : -rte_errno;
}

static void
submit(struct tq *t)
{
	struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };

	assert_int_equal(rte_pmd_queue_dev_submit(t->q, &op, 1), 1);
}

static bool
all_done(void *arg)
{
	return rte_pmd_queue_dev_queue_pending(((struct tq *)arg)->q) == 0;
}

/* Operations complete by events. */
static void
works(struct tq *t)
{
	unsigned int i;

	for (i = 0; i < 10; i++) {
		submit(t);
		assert_true(e2e_wait_for(set, all_done, t, 5 * SECOND_NS));
	}
}

static void
close_all(struct tq *t, struct rte_ims_vec *vec)
{
	works(t);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t->q), 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_int_equal(get_info().used_queues, 0);
	assert_int_equal(get_info().used_eqs, 0);
}

/* The command that makes what a queue needs: of the event queue, or of the queue. */
static void
create(uint32_t op)
{
	struct rte_ims_vec *vec = vec_open();
	enum fate fate;
	struct tq t;
	bool lost;

	for (fate = 0; fate < N_FATES; fate++) {
		lost = fate >= N_KNOWN;
		arm(fate, op);
		assert_int_equal(tq_open(&t, vec), result(fate));
		disarmed();
		if (fate != DONE) {
			/* What the device may have is not given up. */
			assert_int_equal(
				get_info().used_queues, lost && op == QUEUE_DEV_CMD_QUEUE_CREATE);
			assert_int_equal(
				get_info().used_eqs, lost || op == QUEUE_DEV_CMD_QUEUE_CREATE);
			assert_int_equal(tq_open(&t, vec), 0);
		}
		assert_int_equal(get_info().used_queues, 1);
		assert_int_equal(get_info().used_eqs, 1);
		close_all(&t, vec);
		vec = vec_open();
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
			vec = vec_open();
			arm(fate, ops[i]);
			assert_int_equal(tq_open(&t, vec), -ETIMEDOUT);
			assert_int_equal(rte_ims_vec_free(vec), 0);
			/* A queue that the device has holds on to its event queue. */
			assert_true(get_info().used_queues + get_info().used_eqs >= 1);
			assert_int_equal(rte_ims_dev_reset(dev), 0);
			assert_int_equal(get_info().used_queues, 0);
			assert_int_equal(get_info().used_eqs, 0);
		}
}

/* Nobody hears whether it was destroyed: tried once more at once, then with the next command. */
static void
test_eq_destroy(void **state)
{
	struct rte_ims_store *store = rte_ims_dev_store_get(dev, RTE_IMS_STORE_QUEUE);
	struct rte_ims_vec_info info;
	struct rte_ims_vec *vec;
	enum fate fate;
	struct tq t;

	for (fate = 0; fate < N_FATES; fate++) {
		vec = vec_open();
		assert_int_equal(rte_ims_vec_info_get(vec, &info), 0);
		assert_int_equal(tq_open(&t, vec), 0);
		works(&t);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
		arm(fate, QUEUE_DEV_CMD_EQ_DESTROY);
		assert_int_equal(rte_ims_vec_free(vec), 0);
		disarmed();
		assert_int_equal(get_info().used_eqs, fate >= N_KNOWN);
		/* Its slot is nobody's until the device has been heard. */
		if (fate >= N_KNOWN) {
			assert_null(
				rte_ims_vec_alloc(rte_ims_dev_table(dev), store, info.slot, NULL));
			assert_int_equal(rte_errno, EBUSY);
		}
		vec = vec_open();
		assert_int_equal(tq_open(&t, vec), 0);
		assert_int_equal(get_info().used_eqs, 1);
		close_all(&t, vec);
	}
	vec = vec_open();
	assert_int_equal(tq_open(&t, vec), 0);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
	inject(QUEUE_DEV_INJECT_CMD_FAIL, QUEUE_DEV_CMD_EQ_DESTROY, 2, 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_int_equal(get_info().used_eqs, 1);
}

static void
test_queue_destroy(void **state)
{
	struct rte_ims_vec *vec = vec_open();
	enum fate fate;
	struct tq t;

	for (fate = 0; fate < N_FATES; fate++) {
		assert_int_equal(tq_open(&t, vec), 0);
		works(&t);
		arm(fate, QUEUE_DEV_CMD_QUEUE_DESTROY);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), result(fate));
		disarmed();
		assert_int_equal(get_info().used_queues, fate != DONE);
		if (fate == DONE)
			continue;
		if (fate != DONE_UNKNOWN)
			works(&t);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
		assert_int_equal(get_info().used_queues, 0);
	}
	/* It is his until it is destroyed: a reset makes it again. */
	assert_int_equal(tq_open(&t, vec), 0);
	arm(DONE_UNKNOWN, QUEUE_DEV_CMD_QUEUE_DESTROY);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), -ETIMEDOUT);
	assert_int_equal(rte_ims_dev_reset(dev), 0);
	close_all(&t, vec);
}

static void
test_queue_modify(void **state)
{
	struct rte_ims_vec *vec[2] = { vec_open(), vec_open() };
	struct tq t, other;
	enum fate fate;
	int again;

	assert_int_equal(tq_open(&other, vec[1]), 0);
	for (fate = 0; fate < N_FATES; fate++)
		for (again = 0; again < (fate >= N_KNOWN ? 2 : 1); again++) {
			assert_int_equal(tq_open(&t, vec[0]), 0);
			works(&t);
			arm(fate, QUEUE_DEV_CMD_QUEUE_MODIFY);
			assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec[1]), result(fate));
			disarmed();
			/* Where it was, or where it was to go: the caller makes it sure. */
			if (fate >= N_KNOWN)
				assert_int_equal(
					rte_pmd_queue_dev_queue_attach(t.q, vec[again]), 0);
			works(&t);
			works(&other);
			assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec[1]), 0);
			works(&t);
			assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
		}
	assert_int_equal(rte_ims_vec_free(vec[0]), 0);
	close_all(&other, vec[1]);
}

/* Events that went to the wrong event queue meanwhile: they come again with the next command. */
static void
test_queue_modify_events(void **state)
{
	struct rte_ims_vec *vec[2] = { vec_open(), vec_open() };
	struct tq t, other;
	enum fate fate;

	for (fate = N_KNOWN; fate < N_FATES; fate++) {
		assert_int_equal(tq_open(&t, vec[0]), 0);
		assert_int_equal(tq_open(&other, vec[1]), 0);
		arm(fate, QUEUE_DEV_CMD_QUEUE_MODIFY);
		assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec[1]), -ETIMEDOUT);
		submit(&t);
		if (fate == DROPPED_UNKNOWN)
			assert_true(e2e_wait_for(set, all_done, &t, 5 * SECOND_NS));
		else
			assert_false(e2e_wait_for(set, all_done, &t, SECOND_NS / 20));
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(other.q), 0);
		assert_int_equal(tq_open(&other, NULL), 0);
		assert_true(e2e_wait_for(set, all_done, &t, 5 * SECOND_NS));
		works(&t);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(other.q), 0);
	}
	assert_int_equal(rte_ims_vec_free(vec[0]), 0);
	assert_int_equal(rte_ims_vec_free(vec[1]), 0);
}

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
		vec = vec_open();
		assert_int_equal(tq_open(&t, vec), 0);
		arm(fate, QUEUE_DEV_CMD_QUEUE_MODIFY);
		assert_int_equal(rte_ims_vec_free(vec), 0);
		disarmed();
		vec = vec_open();
		assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec), 0);
		assert_int_equal(get_info().used_eqs, 1);
		close_all(&t, vec);
	}
	vec = vec_open();
	assert_int_equal(tq_open(&t, vec), 0);
	inject(QUEUE_DEV_INJECT_CMD_FAIL, QUEUE_DEV_CMD_QUEUE_MODIFY, 2, 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_int_equal(get_info().used_eqs, 1);
	/* It is polled meanwhile. */
	submit(&t);
	while (!all_done(&t))
		on_queue(NULL, &t);
	vec = vec_open();
	assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec), 0);
	assert_int_equal(get_info().used_eqs, 1);
	close_all(&t, vec);
}

static bool
is_set(int fd)
{
	uint64_t count;

	usleep(20000);
	return read(fd, &count, sizeof(count)) == sizeof(count);
}

/* The same of a vector without an event queue: the next owner of its MSI-X number is left alone. */
static void
test_dedicated_free_with_queue(void **state)
{
	struct rte_ims_store *msix = rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX);
	struct rte_ims_vec_conf conf = { .flags = RTE_IMS_VEC_F_FD };
	struct rte_pmd_queue_dev_queue_conf qconf = { .depth = 64 };
	struct rte_ims_vec_info info;
	struct tq t, other;
	enum fate fate;

	conf.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	for (fate = 0; fate < N_FATES; fate++) {
		qconf.vec =
			rte_ims_vec_alloc(rte_ims_dev_table(dev), msix, RTE_IMS_SLOT_ANY, &conf);
		assert_non_null(qconf.vec);
		assert_int_equal(rte_ims_vec_info_get(qconf.vec, &info), 0);
		t.q = rte_pmd_queue_dev_queue_create(dev, &qconf);
		assert_non_null(t.q);
		assert_int_equal(rte_pmd_queue_dev_arm(t.q), 0);
		submit(&t);
		assert_true(is_set(conf.fd));
		arm(fate, QUEUE_DEV_CMD_MODIFY_INTR);
		assert_int_equal(rte_ims_vec_free(qconf.vec), 0);
		disarmed();
		/* What is not known is made sure with the next command. */
		if (fate >= N_KNOWN) {
			assert_int_equal(tq_open(&other, NULL), 0);
			assert_int_equal(rte_pmd_queue_dev_queue_destroy(other.q), 0);
		}
		qconf.vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), msix, info.slot, &conf);
		assert_non_null(qconf.vec);
		assert_int_equal(rte_pmd_queue_dev_arm(t.q), 0); /* one is there */
		assert_false(is_set(conf.fd));
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

	assert_int_equal(rte_ims_dev_info_get(dev, &before), 0);
	for (fate = 0; fate < N_FATES; fate++) {
		arm(fate, QUEUE_DEV_CMD_SUBDEV_CREATE);
		s = rte_pmd_queue_dev_subdev_create(dev, "sub", 4);
		/* What was not answered is asked for again. */
		if (fate == REFUSED || fate >= N_KNOWN) {
			assert_null(s);
			assert_int_equal(rte_errno, fate == REFUSED ? EIO : ETIMEDOUT);
			s = rte_pmd_queue_dev_subdev_create(dev, "sub", 4);
		}
		disarmed();
		assert_non_null(s);
		assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s), 0);
	}
	assert_int_equal(rte_ims_dev_info_get(dev, &after), 0);
	assert_int_equal(after.n_tables, before.n_tables);
	arm(DONE_UNKNOWN, QUEUE_DEV_CMD_SUBDEV_CREATE);
	assert_null(rte_pmd_queue_dev_subdev_create(dev, "sub", 4));
	assert_int_equal(rte_ims_dev_reset(dev), 0);
}

static void
test_subdev_destroy(void **state)
{
	struct rte_pmd_queue_dev_subdev *s;
	enum fate fate;
	int want;

	for (fate = 0; fate < N_FATES; fate++) {
		s = rte_pmd_queue_dev_subdev_create(dev, "sub", 4);
		assert_non_null(s);
		arm(fate, QUEUE_DEV_CMD_SUBDEV_DESTROY);
		want = fate == REFUSED ? -EIO : fate >= N_KNOWN ? -ETIMEDOUT : 0;
		assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s), want);
		disarmed();
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

	inject_us(QUEUE_DEV_INJECT_CMD_DELAY, QUEUE_DEV_CMD_QUEUE_CREATE, 1, 0, 500000);
	return rte_pmd_queue_dev_queue_create(dev, &conf);
}

static uint32_t
commands_taken(void)
{
	uint32_t n = 0;

	assert_int_equal(ims_dev_bar_read32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_CMDQ_HEAD, &n), 0);
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

	for (i = 0; (store = rte_ims_dev_store_at(dev, i)) != NULL; i++) {
		assert_int_equal(rte_ims_store_info_get(store, &sinfo), 0);
		if (strcmp(sinfo.name, "ims-queue") == 0)
			break;
	}
	assert_non_null(store);
	q = rte_pmd_queue_dev_queue_create(dev, &conf);
	assert_non_null(q);
	i = rte_pmd_queue_dev_queue_number(q) + 1; /* the next one's */
	before = commands_taken();
	assert_int_equal(pthread_create(&thread, NULL, create_slowly, NULL), 0);
	while (commands_taken() == before)
		usleep(1000);
	assert_null(rte_ims_vec_alloc(rte_ims_dev_table(dev), store, i, NULL));
	assert_int_equal(rte_errno, EBUSY);
	pthread_join(thread, &made);
	assert_non_null(made);
	assert_int_equal(rte_pmd_queue_dev_queue_number(made), i);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(made), 0);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(q), 0);
	/* It is free now. */
	conf.vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), store, i, NULL);
	assert_non_null(conf.vec);
	assert_int_equal(rte_ims_vec_free(conf.vec), 0);
}

static atomic_bool blocked, go_on;

static void
on_blocked(struct rte_ims_vec *vec, void *arg)
{
	on_queue(vec, arg);
	atomic_store(&blocked, true);
	while (!atomic_load(&go_on))
		usleep(1000);
}

static void *
poll_once(void *arg)
{
	while (rte_ims_wait_poll(set) == 0)
		usleep(1000);
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
	struct rte_ims_vec *vec[2] = { vec_open(), vec_open() };
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 2, .vec = vec[0], .fn = on_blocked };
	struct tq t[2], block;
	pthread_t thread;
	unsigned int i;

	atomic_store(&blocked, false);
	atomic_store(&go_on, false);
	conf.arg = &block;
	block.q = rte_pmd_queue_dev_queue_create(dev, &conf);
	assert_non_null(block.q);
	for (i = 0; i < 2; i++)
		assert_int_equal(tq_open(&t[i], vec[0]), 0);
	e2e_settle(set);
	submit(&block);
	assert_int_equal(pthread_create(&thread, NULL, poll_once, NULL), 0);
	while (!atomic_load(&blocked))
		usleep(1000);
	for (i = 0; i < 2; i++)
		assert_int_equal(rte_pmd_queue_dev_queue_attach(t[i].q, vec[1]), -ETIMEDOUT);
	atomic_store(&go_on, true);
	pthread_join(thread, NULL);
	for (i = 0; i < 2; i++)
		works(&t[i]);
	assert_int_equal(rte_pmd_queue_dev_queue_attach(t[0].q, vec[0]), 0);
	assert_int_equal(count_objs(vec[0]), 2); /* it and what blocked */
	works(&t[0]);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(block.q), 0);
	assert_int_equal(rte_ims_vec_free(vec[0]), 0);
	for (i = 0; i < 2; i++) {
		assert_int_equal(rte_pmd_queue_dev_queue_attach(t[i].q, vec[1]), 0);
		works(&t[i]);
	}
	assert_int_equal(count_objs(vec[1]), 2);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t[0].q), 0);
	close_all(&t[1], vec[1]);
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

	dev = e2e_open();
	set = rte_ims_wait_create("e2e", NULL);
	assert_non_null(set);
	vec = vec_open();
	assert_int_equal(tq_open(&t, vec), 0);
	inject_us(QUEUE_DEV_INJECT_CMD_DELAY, 0xff, 100, 0, 5000);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	assert_int_equal(rte_ims_wait_destroy(set), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

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
