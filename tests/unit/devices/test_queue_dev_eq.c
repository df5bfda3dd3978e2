/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* queue_dev's event queues: one EQE per queue, room, deferring, moving, arming, coalescing. */

#include <sched.h>

#include "qd_peer.h"
#include "ticks.h"

#define N 4

static struct te e;    /* EQ 1, room for 4 */
static struct tq q[N]; /* queues 10 .. 13 on it, SQ and CQ of 8; sub-device 3 has the last two */

static struct tq
create(uint32_t number, uint16_t eqn)
{
	struct queue_dev_ctx ctx = queue_ctx(number, 3);

	ctx.eqn = eqn;
	ctx.subdev = number >= 12 ? 3 : 0;
	return tq_create(&ctx);
}

static int
setup(void **state)
{
	struct queue_dev_ctx ctx;
	uint32_t i;

	qd_start("");
	assert_int_equal(cmd_number(0x01, 3), 0);
	ctx = eq_ctx(1, 2);
	e = te_create(&ctx);
	for (i = 0; i < N; i++)
		q[i] = create(10 + i, 1);
	return 0;
}

static int
teardown(void **state)
{
	qd_stop();
	return 0;
}

static void
check_eqe(struct te *from, uint32_t queue, uint16_t type)
{
	struct queue_dev_eqe eqe = te_next(from);

	assert_int_equal(eqe.queue, queue);
	assert_int_equal(eqe.subdev, queue >= 12 ? 3 : 0);
	assert_int_equal(eqe.type, type);
}

/* Complete one, armed. */
static void
event(struct tq *of)
{
	tq_arm(of);
	tq_nops(of, 1);
	tq_next(of);
	settle();
}

static void
attach(uint32_t number, uint16_t eqn, uint32_t status)
{
	struct queue_dev_cmd cmd = { .op = 0x22, .number = number, .what = 1, .eqn = eqn };

	assert_int_equal(cmd_do(&cmd), status);
}

static void
test_event(void **state)
{
	uint64_t before;

	/* Not armed: no EQE. */
	tq_nops(&q[0], 1);
	tq_next(&q[0]);
	settle();
	assert_false(te_ready(&e));
	/* Armed: one, however many come. */
	tq_arm(&q[0]);
	before = ticks_now();
	tq_nops(&q[0], 3);
	check_eqe(&e, 10, 1);
	assert_true((e.ring[0].stamp & ~(1ull << 63)) >= before);
	assert_true((e.ring[0].stamp & ~(1ull << 63)) <= ticks_now());
	settle();
	assert_false(te_ready(&e));
	/* The queue's own message is not sent; the EQ's neither, it is not armed. */
	assert_int_equal(word(10) | word(513), 0);
	assert_int_equal(query(2, 10).events, 1);
	assert_int_equal(query(2, 10).messages, 0);
	assert_int_equal(query(1, 1).completions, 1);
	assert_int_equal(query(1, 1).pi, 1);
	te_consumed(&e);
	/* Several queues, in the order of their events. */
	event(&q[3]);
	event(&q[1]);
	event(&q[2]);
	check_eqe(&e, 13, 1);
	check_eqe(&e, 11, 1);
	check_eqe(&e, 12, 1);
	te_consumed(&e);
	/* An old index: at once. */
	tq_next(&q[0]);
	tq_arm(&q[0]);
	check_eqe(&e, 10, 1);
	assert_error(0, 0);
}

/* EQ_ARM: once, and at once if there is something. */
static void
test_eq_arm(void **state)
{
	uint64_t db;

	te_arm(&e);
	settle();
	assert_int_equal(word(513), 0);
	assert_int_equal(query(1, 1).flags, 1);
	event(&q[0]);
	assert_int_equal(word(513), 0x1001);
	event(&q[1]);
	assert_int_equal(word(513), 0); /* once */
	assert_int_equal(query(1, 1).flags, 0);
	te_next(&e);
	te_arm(&e); /* one is left: at once */
	settle();
	assert_int_equal(word(513), 0x1001);
	assert_int_equal(query(1, 1).flags, 0);
	assert_int_equal(query(1, 1).ci, 1);
	te_next(&e);
	te_consumed(&e); /* does not arm */
	event(&q[2]);
	assert_int_equal(word(513), 0);
	/* Impossible: ahead, behind. */
	db = QUEUE_DEV_DB(3, 1, 4);
	db_trap(db);
	assert_error(2, db);
	db = QUEUE_DEV_DB(4, 1, 4);
	db_trap(db);
	assert_error(2, db);
	db = QUEUE_DEV_DB(4, 1, 1);
	db_trap(db);
	assert_error(2, db);
	assert_int_equal(query(1, 1).ci, 2);
	assert_int_equal(query(1, 1).flags, 0);
	te_next(&e);
	te_arm(&e);
	te_arm(&e);
	event(&q[3]);
	assert_int_equal(word(513), 0x1001);
	assert_int_equal(query(1, 1).events, 3);
	assert_error(0, 0);
}

/* While its EQE is not consumed a queue gets no second one; afterwards it does. */
static void
test_deferred(void **state)
{
	uint32_t i;

	event(&q[0]);
	assert_int_equal(query(2, 10).flags, 2);
	for (i = 0; i < 5; i++)
		event(&q[0]);
	assert_int_equal(query(2, 10).flags, 2 | 4);
	assert_int_equal(query(1, 1).pi, 1);
	check_eqe(&e, 10, 1);
	assert_false(te_ready(&e));
	te_consumed(&e);
	check_eqe(&e, 10, 1);
	settle();
	assert_false(te_ready(&e));
	assert_int_equal(query(2, 10).flags, 2);
	te_consumed(&e);
	settle();
	assert_int_equal(query(2, 10).flags, 0);
	/* Deferred by EQ_ARM: it makes the interrupt, at once, once. */
	event(&q[0]);
	event(&q[0]);
	te_next(&e);
	te_arm(&e);
	settle();
	assert_true(te_ready(&e));
	assert_int_equal(word(513), 0x1001);
	assert_int_equal(query(1, 1).events, 1);
	assert_int_equal(query(1, 1).flags, 0);
	/* By EQ_CONSUMED, with an EQ that is armed. */
	te_next(&e);
	te_arm(&e);
	event(&q[0]);
	assert_int_equal(word(513), 0x1001);
	event(&q[0]);
	te_next(&e);
	te_consumed(&e);
	settle();
	assert_true(te_ready(&e));
	assert_int_equal(word(513), 0);
	assert_error(0, 0);
}

/* All queues have events all the time, nobody consumes: the ring holds one of each. */
static void
test_full(void **state)
{
	uint32_t i, round, seen[N];

	for (round = 0; round < 30; round++) {
		for (i = 0; i < N; i++)
			event(&q[(i + round) % N]);
		for (i = 0; i < N; i++)
			event(&q[i]);
		assert_int_equal(query(1, 1).pi - e.ci, N);
		assert_int_equal(query(1, 1).queues, N);
		memset(seen, 0, sizeof(seen));
		for (i = 0; i < N; i++)
			seen[te_next(&e).queue - 10]++;
		assert_false(te_ready(&e));
		te_consumed(&e);
		/* The deferred ones follow. */
		for (i = 0; i < N; i++)
			seen[te_next(&e).queue - 10]++;
		te_consumed(&e);
		settle();
		assert_false(te_ready(&e));
		for (i = 0; i < N; i++)
			assert_int_equal(seen[i], 2);
	}
	assert_error(0, 0);
}

/* Room: orphans keep theirs until they are consumed. */
static void
test_orphans(void **state)
{
	struct queue_dev_ctx ctx = eq_ctx(2, 2);
	struct te f = te_create(&ctx);

	event(&q[0]);
	event(&q[1]);
	assert_int_equal(cmd_number(0x21, 10), 0);
	attach(11, 2, 0);
	assert_int_equal(query(1, 1).queues, 4); /* two queues, two orphans */
	assert_int_equal(query(2, 11).flags, 0);
	ctx = queue_ctx(20, 3);
	ctx.eqn = 1;
	assert_int_equal(cmd_ctx(0x20, &ctx), 9);
	attach(11, 1, 9);
	assert_int_equal(query(2, 11).ctx.eqn, 2);
	/* Its events go to the new one, and have room there. */
	event(&q[1]);
	check_eqe(&f, 11, 1);
	/* The EQEs are still in the old ring; consumed they make room. */
	check_eqe(&e, 10, 1);
	te_consumed(&e);
	settle();
	assert_int_equal(query(1, 1).queues, 3);
	attach(11, 1, 0);
	assert_int_equal(query(1, 1).queues, 4);
	assert_int_equal(query(1, 2).queues, 1);
	/* The orphan of its former life is consumed, and does nothing to its new one. */
	event(&q[1]);
	event(&q[1]);
	assert_int_equal(query(2, 11).flags, 2 | 4);
	check_eqe(&e, 11, 1);
	te_consumed(&e);
	settle();
	assert_int_equal(query(2, 11).flags, 2 | 4);
	check_eqe(&e, 11, 1);
	te_consumed(&e);
	check_eqe(&e, 11, 1);
	assert_int_equal(query(2, 11).flags, 2);
	/* A new queue of the same number. */
	q[0] = create(10, 1);
	event(&q[0]);
	te_consumed(&e);
	check_eqe(&e, 10, 1);
	settle();
	assert_int_equal(query(1, 2).queues, 1);
	te_consumed(&f);
	settle();
	assert_int_equal(query(1, 2).queues, 0);
	assert_int_equal(cmd_number(0x11, 2), 0);
	assert_error(0, 0);
}

/* A queue that goes to and fro leaves an orphan each time: never more than there is room for. */
static void
test_move_to_and_fro(void **state)
{
	struct queue_dev_cmd cmd = { .op = 0x22, .number = 10, .what = 1 };
	struct queue_dev_ctx ctx = eq_ctx(2, 2);
	struct te f = te_create(&ctx);
	uint32_t i, status, refused = 0;

	for (i = 0; i < 20; i++) {
		event(&q[0]);
		cmd.eqn = 2 - i % 2;
		status = cmd_do(&cmd);
		refused += status == 9;
		assert_true(status == 0 || status == 9);
		assert_true(query(1, 1).queues <= 4 && query(1, 2).queues <= 4);
		assert_true(query(1, 1).pi - query(1, 1).ci <= 4);
		assert_true(query(1, 2).pi - query(1, 2).ci <= 4);
		if (query(2, 10).ctx.eqn == 2)
			break; /* EQ 1 has no room for it any more: at home with the others */
	}
	assert_true(i < 20);
	for (; i < 20; i++) {
		event(&q[0]);
		cmd.eqn = 1;
		refused += cmd_do(&cmd) == 9;
	}
	assert_true(refused != 0);
	while (te_ready(&e))
		te_next(&e);
	te_consumed(&e);
	while (te_ready(&f))
		te_next(&f);
	te_consumed(&f);
	settle();
	assert_int_equal(cmd_do(&cmd), 0);
	assert_error(0, 0);
}

/* A queue is moved with an event under way: to another EQ, or to itself. */
static void
test_move_deferred(void **state)
{
	struct queue_dev_ctx ctx = eq_ctx(2, 2);
	struct te f = te_create(&ctx);

	event(&q[0]);
	event(&q[0]);
	attach(10, 2, 0);
	check_eqe(&f, 10, 1);
	assert_int_equal(query(2, 10).flags, 2);
	event(&q[0]);
	attach(10, 0xffff, 0);
	assert_int_equal(word(10), 11);
	assert_int_equal(query(2, 10).flags, 0);
	event(&q[0]);
	assert_int_equal(word(10), 11);
	/* Armed stays armed. */
	tq_arm(&q[0]);
	attach(10, 2, 0);
	tq_nops(&q[0], 1);
	check_eqe(&f, 10, 1);
	assert_int_equal(word(10), 0);
	assert_error(0, 0);
}

static void
test_always(void **state)
{
	struct queue_dev_ctx ctx = eq_ctx(2, 2);
	struct te f;
	uint32_t i;

	ctx.flags = 1;
	f = te_create(&ctx);
	event(&q[0]);
	te_next(&e);
	te_consumed(&e);
	attach(10, 2, 0);
	attach(11, 2, 0);
	for (i = 0; i < 3; i++) {
		event(&q[0]);
		assert_int_equal(word(514), 0x1002);
		check_eqe(&f, 10, 1);
		event(&q[1]);
		assert_int_equal(word(514), 0x1002);
		check_eqe(&f, 11, 1);
		/* Either doorbell: no interrupt of its own. */
		if (i == 0)
			te_consumed(&f);
		else
			te_arm(&f);
		settle();
		assert_int_equal(word(514), 0);
	}
	assert_int_equal(query(1, 2).flags, 0);
	assert_int_equal(query(1, 2).events, 6);
	/* A deferred one is an event too. */
	event(&q[0]);
	event(&q[0]);
	assert_int_equal(word(514), 0x1002);
	te_next(&f);
	te_consumed(&f);
	settle();
	assert_int_equal(word(514), 0x1002);
	assert_error(0, 0);
}

static void
eq_coalesce(uint32_t number, uint16_t count, uint16_t usec)
{
	struct queue_dev_cmd cmd = {
		.op = 0x12, .number = number, .what = 2, .coal_count = count, .coal_usec = usec
	};

	assert_int_equal(cmd_do(&cmd), 0);
}

static void
test_coalesce(void **state)
{
	uint64_t began;

	stretch_time(LONG);
	eq_coalesce(1, 3, 60000);
	te_arm(&e);
	event(&q[0]);
	event(&q[1]);
	assert_int_equal(word(513), 0);
	event(&q[2]);
	assert_int_equal(word(513), 0x1001);
	event(&q[3]);
	assert_int_equal(word(513), 0);
	assert_int_equal(timers_n(), 0);
	while (te_ready(&e))
		te_next(&e);
	stretch_time(NORMAL);
	eq_coalesce(1, 3, 20000);
	te_arm(&e);
	began = clock_ns();
	event(&q[0]);
	assert_true(word_wait(513, 0x1001));
	assert_true(clock_ns() - began >= 20 * MS);
	stretch_time(LONG);
	te_next(&e);
	te_arm(&e);
	event(&q[0]);
	event(&q[1]);
	assert_int_equal(word(513), 0);
	eq_coalesce(1, 2, 60000);
	assert_int_equal(word(513), 0x1001);
	/* Both at once: the queue delays its EQE, the EQ its interrupt. */
	while (te_ready(&e))
		te_next(&e);
	te_arm(&e);
	settle();
	assert_int_equal(word(513), 0);
	{
		struct queue_dev_cmd cmd = {
			.op = 0x22, .number = 12, .what = 2, .coal_count = 2, .coal_usec = 60000
		};

		assert_int_equal(cmd_do(&cmd), 0);
	}
	event(&q[2]);
	assert_false(te_ready(&e));
	tq_nops(&q[2], 1);
	check_eqe(&e, 12, 1);
	settle();
	assert_int_equal(word(513), 0);
	event(&q[3]);
	assert_int_equal(word(513), 0x1001);
	assert_error(0, 0);
}

/* With ALWAYS the count is from one interrupt to the next. */
static void
test_coalesce_always(void **state)
{
	struct queue_dev_ctx ctx = eq_ctx(2, 2);
	uint32_t i;

	stretch_time(LONG);
	ctx.flags = 1;
	ctx.coal_count = 2;
	ctx.coal_usec = 60000;
	te_create(&ctx);
	for (i = 0; i < N; i++)
		attach(10 + i, 2, 0);
	for (i = 0; i < N; i++) {
		event(&q[i]);
		assert_int_equal(word(514), i % 2 != 0 ? 0x1002 : 0);
	}
	assert_int_equal(timers_n(), 0);
}

/* A queue in state ERROR says so in its EQ, armed or not, together with what was deferred. */
static void
test_queue_error(void **state)
{
	struct queue_dev_ctx ctx;

	assert_int_equal(cmd_number(0x21, 10), 0);
	assert_int_equal(cmd_number(0x21, 11), 0);
	ctx = queue_ctx(10, 3);
	ctx.ring = QD_RO;
	ctx.eqn = 1;
	tq_create(&ctx); /* of zeros: nops */
	ctx = queue_ctx(11, 3);
	ctx.ring = QD_RO + 512;
	ctx.eqn = 1;
	tq_create(&ctx);
	db_ring(QUEUE_DEV_DB(2, 11, 0));
	db_ring(QUEUE_DEV_DB(1, 11, 1));
	settle();
	db_trap(QUEUE_DEV_DB(2, 11, 0)); /* deferred */
	assert_int_equal(query(2, 11).flags, 2 | 4);
	assert_int_equal(peer_dma_unmap(&t.p, QD_RO, 4096, 0), 0);
	db_ring(QUEUE_DEV_DB(1, 10, 1));
	db_ring(QUEUE_DEV_DB(1, 11, 2));
	settle();
	assert_error(0x10, 2ull << 32 | 11);
	check_eqe(&e, 11, 1);
	check_eqe(&e, 10, 2);
	te_consumed(&e);
	check_eqe(&e, 11, 1 | 2);
	settle();
	assert_false(te_ready(&e));
	assert_int_equal(query(2, 10).ctx.state, 2);
	assert_int_equal(cmd_number(0x21, 10), 0);
	assert_int_equal(cmd_number(0x21, 11), 0);
}

/* The EQ's ring goes: one interrupt, and its queues can be saved into another one. */
static void
test_eq_error(void **state)
{
	struct queue_dev_ctx ctx = eq_ctx(2, 2);
	struct te f;

	ctx.ring = QD_WO;
	te_create(&ctx);
	attach(10, 2, 0);
	attach(11, 2, 0);
	event(&q[0]);
	assert_int_equal(peer_dma_unmap(&t.p, QD_WO, 4096, 0), 0);
	event(&q[1]);
	assert_error(0x10, 1ull << 32 | 2);
	assert_int_equal(word(514), 0x1002);
	assert_int_equal(query(1, 2).ctx.state, 2);
	event(&q[1]);
	event(&q[0]);
	db_trap(QUEUE_DEV_DB(3, 2, 1));
	assert_error(0, 0);
	assert_int_equal(word(514), 0);
	/* Nobody new is attached to it. */
	attach(12, 2, 11);
	/* Nothing is lost: elsewhere it comes. */
	ctx = eq_ctx(3, 2);
	f = te_create(&ctx);
	attach(11, 3, 0);
	check_eqe(&f, 11, 1);
	attach(10, 3, 0);
	settle();
	assert_true(te_ready(&f));
	assert_int_equal(cmd_number(0x11, 2), 0);
	assert_error(0, 0);
}

/* Two threads submit to all queues, one serves the EQ as section 8.3 says. */
struct load {
	struct tq *q;
	uint32_t portal;
	_Atomic(uint32_t) consumed[2]; /* of its two queues */
};

#define ROUNDS 1500

static void *
load_thread(void *arg)
{
	struct load *load = arg;
	uint32_t i, k, cell = 0, sent[2] = { 0 };

	for (i = 0; i < 2 * ROUNDS; i++) {
		k = i % 2;
		while (sent[k] - atomic_load(&load->consumed[k]) >= 8)
			sched_yield();
		sent[k]++;
		while (!db_store(load->portal, &cell, QUEUE_DEV_DB(1, load->q[k].number, sent[k])))
			sched_yield();
	}
	return NULL;
}

static void
serve_queue(struct load *load, uint32_t k)
{
	while (tq_ready(&load->q[k]))
		tq_next(&load->q[k]);
	atomic_store(&load->consumed[k], load->q[k].ci);
	tq_arm(&load->q[k]);
}

static void
test_load(void **state)
{
	struct load loads[2] = { { .q = &q[0], .portal = 1 }, { .q = &q[2], .portal = 2 } };
	struct queue_dev_eqe eqe;
	pthread_t threads[2];
	uint32_t i;

	/* The socket is for one thread at a time: nobody has to wake the device. */
	teardown(NULL);
	qd_start("engine=poll");
	assert_int_equal(cmd_number(0x01, 3), 0);
	{
		struct queue_dev_ctx ctx = eq_ctx(1, 2);

		e = te_create(&ctx);
	}
	for (i = 0; i < N; i++) {
		q[i] = create(10 + i, 1);
		tq_arm(&q[i]);
	}
	te_arm(&e);
	for (i = 0; i < 2; i++)
		reg_set(0x90, i + 1);
	wait_awake();
	for (i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, load_thread, &loads[i]), 0);
	}
	while (q[0].ci + q[1].ci + q[2].ci + q[3].ci < N * ROUNDS) {
		assert_true(word_wait(513, 0x1001));
		while (te_ready(&e)) {
			eqe = te_next(&e);
			serve_queue(&loads[(eqe.queue - 10) / 2], (eqe.queue - 10) % 2);
		}
		te_arm(&e);
	}
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_error(0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_event, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eq_arm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deferred, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_orphans, setup, teardown),
		cmocka_unit_test_setup_teardown(test_move_to_and_fro, setup, teardown),
		cmocka_unit_test_setup_teardown(test_move_deferred, setup, teardown),
		cmocka_unit_test_setup_teardown(test_always, setup, teardown),
		cmocka_unit_test_setup_teardown(test_coalesce, setup, teardown),
		cmocka_unit_test_setup_teardown(test_coalesce_always, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eq_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_load, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
