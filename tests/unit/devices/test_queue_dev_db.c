/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* queue_dev's portals, and how it falls asleep and is woken. */

#include <sched.h>

#include "qd_peer.h"
#include "ticks.h"

static struct tq q; /* queue 5, SQ and CQ of 8 */

static void
start(const char *keys)
{
	struct queue_dev_ctx ctx;

	qd_start(keys);
	ctx = queue_ctx(5, 3);
	q = tq_create(&ctx);
}

static int
setup(void **state)
{
	start("");
	return 0;
}

static int
teardown(void **state)
{
	qd_stop();
	return 0;
}

static _Atomic(uint64_t) *
cell(uint32_t portal, uint32_t i)
{
	return (_Atomic(uint64_t) *)(t.bar + 0x40000 + portal * 0x1000 + i * 8);
}

static uint32_t
asleep(void)
{
	return atomic_load((_Atomic(uint32_t) *)(t.bar + 0x1000));
}

static uint64_t
counter(uint32_t off)
{
	return atomic_load((_Atomic(uint64_t) *)(t.bar + 0x1000 + off));
}

static void
wait_slept(uint64_t sleeps)
{
	uint64_t end = clock_ns() + 20000 * MS;

	while (counter(0xa8) == sleeps) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
}

/* CPU time of the engine's thread. */
static uint64_t
engine_ns(void)
{
	struct timespec ts;
	clockid_t clock;

	assert_int_equal(pthread_getcpuclockid(t.d->thread, &clock), 0);
	assert_int_equal(clock_gettime(clock, &ts), 0);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void
test_portal(void **state)
{
	uint32_t mine = 0, i;

	assert_true(reg64(0x98) == 1);
	reg_set(0x90, 63);
	assert_true(reg64(0x98) == (1ull << 63 | 1));
	assert_int_equal(reg(0x9c), 0x80000000);
	/* Every cell in turn, more than once round. */
	for (i = 0; i < 1100; i++) {
		while (!db_store(63, &mine, QUEUE_DEV_DB(1, 5, i + 1)))
			sched_yield();
		tq_next(&q);
	}
	assert_int_equal(mine, 1100 % 512);
	/* Out of turn: not seen, also by a trapped doorbell. */
	atomic_store(cell(63, mine + 1), QUEUE_DEV_DB(1, 5, 1101));
	db_trap(QUEUE_DEV_DB(5, 0, 0));
	settle();
	assert_false(tq_ready(&q));
	/* In turn it is, with the one behind. */
	while (!db_store(63, &mine, QUEUE_DEV_DB(5, 0, 0)))
		;
	tq_next(&q);
	/* Garbage in a cell is an error, and the next cell has its turn. */
	mine++;
	while (!db_store(63, &mine, 77))
		;
	while (!db_store(63, &mine, QUEUE_DEV_DB(1, 5, 1102)))
		;
	tq_next(&q);
	assert_error(1, 77);
}

static void
test_portal_enable(void **state)
{
	uint32_t mine = 0;

	/* Not in use: nobody looks. */
	atomic_store(cell(7, 0), QUEUE_DEV_DB(1, 5, 1));
	db_trap(QUEUE_DEV_DB(5, 0, 0));
	settle();
	assert_false(tq_ready(&q));
	/* Enabled, it begins empty. */
	reg_set(0x90, 7);
	assert_true(atomic_load(cell(7, 0)) == 0);
	settle();
	assert_false(tq_ready(&q));
	assert_true(db_store(7, &mine, QUEUE_DEV_DB(1, 5, 1)));
	tq_next(&q);
	/* Enabled again: what is in it is taken, then it begins anew. */
	vfu_lock(t.d->vfu);
	atomic_store(cell(7, 1), QUEUE_DEV_DB(1, 5, 2));
	vfu_unlock(t.d->vfu);
	reg_set(0x90, 7);
	tq_next(&q);
	mine = 0;
	assert_true(db_store(7, &mine, QUEUE_DEV_DB(1, 5, 3)));
	tq_next(&q);
	/* Disabled: taken, and then not looked at. */
	wait_asleep();
	atomic_store(cell(7, 1), QUEUE_DEV_DB(1, 5, 4));
	reg_set(0x94, 7);
	tq_next(&q);
	assert_true(reg64(0x98) == 1);
	atomic_store(cell(7, 2), QUEUE_DEV_DB(1, 5, 5));
	db_trap(QUEUE_DEV_DB(5, 0, 0));
	settle();
	assert_false(tq_ready(&q));
	reg_set(0x94, 7);
	assert_false(tq_ready(&q));
	/* No such portal. */
	reg_set(0x90, 64);
	assert_error(4, 64);
	reg_set(0x94, UINT32_MAX);
	assert_error(4, UINT32_MAX);
	assert_true(reg64(0x98) == 1);
}

/* More doorbells than cells: the next one goes by DOORBELL, in order, and all cells are free. */
static void
test_full(void **state)
{
	uint32_t i;

	wait_asleep(); /* it does not look, and nobody wakes it */
	for (i = 0; i < 512; i++)
		atomic_store(cell(0, i), QUEUE_DEV_DB(1, 5, 1 + i / 100));
	assert_false(db_store(0, &t.cell, QUEUE_DEV_DB(1, 5, 8)));
	db_trap(QUEUE_DEV_DB(1, 5, 8));
	for (i = 0; i < 512; i++)
		assert_true(atomic_load(cell(0, i)) == 0);
	q.tail = 8;
	for (i = 0; i < 8; i++)
		tq_next(&q);
	/* Its next cell is still the same one. */
	tq_nops(&q, 1);
	tq_next(&q);
	assert_error(0, 0);
}

/* A command comes after the doorbells that were stored before it. */
static void
test_command_order(void **state)
{
	struct queue_dev_cmd nop = { 0 };
	uint32_t i, tail;

	for (i = 0; i < 200; i++) {
		wait_asleep();
		/* Without waking it. */
		atomic_store(cell(0, t.cell), QUEUE_DEV_DB(1, 5, i + 1));
		t.cell = (t.cell + 1) % 512;
		assert_int_equal(cmd_do(&nop), 0);
		vfu_lock(t.d->vfu);
		tail = t.d->queues[5].tail;
		vfu_unlock(t.d->vfu);
		assert_int_equal(tail, i + 1);
		tq_next(&q);
	}
	/* The other way round it would be a doorbell for nothing. */
	wait_asleep();
	atomic_store(cell(0, t.cell), QUEUE_DEV_DB(1, 5, i + 1));
	assert_int_equal(cmd_number(0x21, 5), 0);
	assert_error(0, 0);
}

/* A device that has nothing to do sleeps and takes no CPU; any doorbell wakes it. */
static void
test_sleep(void **state)
{
	uint64_t sleeps, cpu;
	uint32_t i;

	wait_asleep();
	sleeps = counter(0xa8);
	cpu = engine_ns();
	usleep(100000);
	assert_int_equal(asleep(), 1);
	assert_true(counter(0xa8) == sleeps);
	assert_true(engine_ns() - cpu < MS);
	for (i = 0; i < 20; i++) {
		wait_asleep();
		sleeps = counter(0xa8);
		tq_nops(&q, 1);
		tq_next(&q);
		wait_slept(sleeps);
	}
	assert_true(counter(0x80) == 20); /* COMPLETIONS, up to date */
	/* A cell alone does not: the driver has to say so. */
	wait_asleep();
	atomic_store(cell(0, t.cell), QUEUE_DEV_DB(1, 5, 21));
	usleep(20000);
	q.tail++;
	assert_false(tq_ready(&q));
	db_trap(QUEUE_DEV_DB(5, 0, 0));
	tq_next(&q);
	t.cell = (t.cell + 1) % 512;
	assert_error(0, 0);
}

/* idle_us=0: asleep at once, and short work is done by the one who wakes it. */
static void
test_sleep_at_once(void **state)
{
	uint64_t sleeps;
	uint32_t i;

	teardown(NULL);
	start("idle_us=0");
	wait_asleep();
	sleeps = counter(0xa8);
	for (i = 0; i < 100; i++) {
		tq_push(&q, &(struct queue_dev_desc){ 0 });
		db_trap(QUEUE_DEV_DB(1, 5, q.tail));
		assert_true(tq_ready(&q)); /* when the write has completed */
		tq_next(&q);
		assert_int_equal(asleep(), 1);
	}
	assert_true(counter(0xa8) == sleeps);
	/* More than a bit of work wakes the engine. */
	{
		struct queue_dev_ctx ctx = queue_ctx(6, 10);
		struct tq r = tq_create(&ctx);

		tq_nops(&r, 1024);
		while (r.ci != 1024)
			tq_next(&r);
	}
	wait_slept(sleeps);
}

/* engine=poll: awake as long as there is a portal, and only then. */
static void
test_poll(void **state)
{
	uint64_t cpu;

	teardown(NULL);
	start("engine=poll");
	wait_awake();
	cpu = engine_ns();
	do {
		usleep(30000);
	} while (engine_ns() - cpu < MS); /* never, if it slept */
	assert_int_equal(asleep(), 0);
	tq_nops(&q, 1);
	tq_next(&q);
	reg_set(0x94, 0);
	wait_asleep();
	cpu = engine_ns();
	usleep(50000);
	assert_true(engine_ns() - cpu < MS);
	db_trap(QUEUE_DEV_DB(1, 5, 2));
	q.tail++;
	tq_next(&q);
	wait_asleep();
	reg_set(0x90, 0);
	t.cell = 0;
	wait_awake();
	tq_nops(&q, 1);
	tq_next(&q);
}

/* Asleep it still knows when coalescing is over, also if that is sooner than it thought. */
static void
test_sleep_with_deadline(void **state)
{
	struct queue_dev_cmd coal = { .op = 0x22, .number = 5, .what = 2, .coal_usec = 50000 };
	struct queue_dev_ctx ctx;
	uint64_t began;
	struct tq r;

	teardown(NULL);
	start("idle_us=0");
	ctx = queue_ctx(6, 3);
	r = tq_create(&ctx);
	assert_int_equal(cmd_do(&coal), 0);
	coal.number = 6;
	coal.coal_usec = 10000;
	assert_int_equal(cmd_do(&coal), 0);
	tq_arm(&q);
	tq_arm(&r);
	wait_asleep();
	began = clock_ns();
	tq_nops(&q, 1);
	assert_true(word_wait(5, 6));
	assert_true(clock_ns() - began >= 50 * MS);
	tq_next(&q);
	tq_arm(&q);
	/* Asleep until a far one, then there is a near one. */
	stretch_time(LONG);
	tq_nops(&q, 1);
	wait_asleep();
	stretch_time(NORMAL);
	began = clock_ns();
	tq_nops(&r, 1);
	assert_true(word_wait(6, 7));
	assert_true(clock_ns() - began >= 10 * MS);
	assert_int_equal(word(5), 0);
	assert_int_equal(timers_n(), 1);
	wait_asleep();
	time_passes();
	assert_int_equal(word(5), 6);
	assert_error(0, 0);
}

/*
 * Section 4.4. Doorbells at every moment of the device's falling asleep, and nobody rings twice:
 * each has its completion. Lost wake-ups hang here.
 */
static void
wake_ups(const char *keys, uint32_t rounds)
{
	uint64_t until;
	uint32_t i;

	teardown(NULL);
	start(keys);
	srand(1);
	for (i = 0; i < rounds; i++) {
		tq_nops(&q, 1);
		tq_next(&q);
		until = ticks_now() + (uint64_t)rand() % 60000;
		while (ticks_now() < until)
			;
	}
	assert_error(0, 0);
	assert_true(counter(0xa8) != 0);
}

static void
test_wake_ups(void **state)
{
	wake_ups("idle_us=0", 1000);
	wake_ups("idle_us=1", 4000);
	wake_ups("idle_us=5", 4000);
	wake_ups("idle_us=15", 4000);
}

/* Several threads, a portal each; who finds the device asleep wakes it, one at a time. */
#define THREADS 3
#define SUBMITS 700

static pthread_mutex_t socket_lock = PTHREAD_MUTEX_INITIALIZER;
static struct tq of_thread[THREADS];

static void *
submit_thread(void *arg)
{
	uint32_t i = (uintptr_t)arg, mine = 0, n, unused;
	struct tq *r = &of_thread[i];
	uint64_t db, until;

	for (n = 1; n <= SUBMITS; n++) {
		db = QUEUE_DEV_DB(1, r->number, n);
		while (atomic_load(cell(i + 1, mine)) != 0)
			sched_yield();
		atomic_store(cell(i + 1, mine), db);
		mine = (mine + 1) % 512;
		if (asleep() != 0) {
			pthread_mutex_lock(&socket_lock);
			db_trap(QUEUE_DEV_DB(5, 0, 0));
			pthread_mutex_unlock(&socket_lock);
		}
		while (!tq_ready(r))
			sched_yield();
		r->ci++;
		unused = n * 2654435761u;
		until = ticks_now() + unused % 40000;
		while (ticks_now() < until)
			;
	}
	return NULL;
}

static void
test_threads(void **state)
{
	pthread_t threads[THREADS];
	struct queue_dev_ctx ctx;
	uint32_t i;

	teardown(NULL);
	start("idle_us=3");
	for (i = 0; i < THREADS; i++) {
		ctx = queue_ctx(20 + i, 3);
		of_thread[i] = tq_create(&ctx);
		reg_set(0x90, i + 1);
	}
	for (i = 0; i < THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, submit_thread, (void *)(uintptr_t)i), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(query(2, 20 + i).completions, SUBMITS);
	assert_error(0, 0);
}

/* Nothing mapped: doorbells by bus transaction, no looking at ASLEEP. */
static void
test_trapped(void **state)
{
	uint64_t val = 0;
	uint32_t i;

	teardown(NULL);
	start("mmap=0");
	assert_null(t.bar);
	for (i = 0; i < 30; i++) {
		tq_arm(&q);
		tq_nops(&q, 1);
		tq_next(&q);
		assert_true(word_wait(5, 6));
	}
	settle();
	assert_int_equal(peer_read(&t.p, 0, 0x1080, &val, 8), 0);
	assert_int_equal(val, 30);
	assert_int_equal(peer_read(&t.p, 0, 0x80000 + 8 * (2 + 8 + 5), &val, 8), 0);
	assert_true(val != 0 && val <= ticks_now());
	/* A portal can be used this way too. */
	reg_set(0x90, 9);
	val = QUEUE_DEV_DB(1, 5, 31);
	assert_int_equal(peer_write(&t.p, 0, 0x49000, &val, 8), 0);
	tq_next(&q);
	val = QUEUE_DEV_DB(1, 5, 32);
	assert_int_equal(peer_write(&t.p, 0, 0x49008, &val, 8), 0);
	tq_next(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_portal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_portal_enable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_command_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sleep, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sleep_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_poll, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sleep_with_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wake_ups, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trapped, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
