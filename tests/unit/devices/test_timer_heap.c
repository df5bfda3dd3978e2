/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The heap of deadlines against a model that looks at all timers each time. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "timer_heap.h"

#define N 4096

static uint64_t naive[N]; /* UINT64_MAX: not set */
static struct timer_heap heap;

static int
setup(void **state)
{
	uint32_t i;

	for (i = 0; i < N; i++)
		naive[i] = UINT64_MAX;
	srand(1);
	return timer_heap_init(&heap, N);
}

static int
teardown(void **state)
{
	timer_heap_fini(&heap);
	return 0;
}

static void
set(uint32_t timer, uint64_t deadline)
{
	naive[timer] = deadline;
	timer_heap_set(&heap, timer, deadline);
}

static void
del(uint32_t timer)
{
	naive[timer] = UINT64_MAX;
	timer_heap_del(&heap, timer);
}

/* Same number, same next deadline, and the first timer is one that has it. */
static void
check(uint32_t n_timers)
{
	uint64_t next = UINT64_MAX;
	uint32_t i, n = 0;

	for (i = 0; i < n_timers; i++) {
		n += naive[i] != UINT64_MAX;
		next = naive[i] < next ? naive[i] : next;
	}
	assert_int_equal(heap.n, n);
	assert_true(timer_heap_next(&heap) == next);
	if (n != 0)
		assert_true(naive[heap.order[0]] == next);
}

/* Every timer is at the place that is noted, and none before its parent. */
static void
check_inside(void)
{
	uint32_t i;

	for (i = 0; i < heap.n; i++) {
		assert_int_equal(heap.place[heap.order[i]], i);
		assert_true(heap.deadline[heap.order[i]] == naive[heap.order[i]]);
		if (i > 0)
			assert_true(heap.deadline[heap.order[(i - 1) / 2]] <=
				    heap.deadline[heap.order[i]]);
	}
	for (i = 0; i < N; i++)
		assert_true((heap.place[i] == TIMER_HEAP_NONE) == (naive[i] == UINT64_MAX));
}

static void
test_empty(void **state)
{
	assert_true(timer_heap_next(&heap) == UINT64_MAX);
	del(0);
	del(N - 1);
	check(N);
	set(5, 0);
	check(N);
	del(4);
	check(N);
	del(5);
	del(5);
	check(N);
}

/* Few timers and few deadlines: ties, and every shape of a small heap. */
static void
test_small(void **state)
{
	uint32_t i, t;

	for (i = 0; i < 50000; i++) {
		t = rand() % 9;
		if (rand() % 3 == 0)
			del(t);
		else
			set(t, rand() % 6);
		check(9);
		if (i % 64 == 0)
			check_inside();
	}
}

static void
test_random(void **state)
{
	uint32_t i, t, grow;

	for (i = 0; i < 60000; i++) {
		grow = i / 15000 % 2 == 0 ? 4 : 1; /* mostly full, then mostly empty */
		t = rand() % N;
		if ((uint32_t)rand() % 5 < grow)
			set(t, ((uint64_t)rand() << 20 ^ rand()) % 1000000007);
		else
			del(t);
		if (i % 16 == 0)
			check(N);
		if (i % 1024 == 0)
			check_inside();
	}
}

/* As the engine does: the first expires and gets a later deadline, or none. */
static void
test_in_order(void **state)
{
	uint64_t last = 0, next;
	uint32_t i;

	for (i = 0; i < N; i++)
		set(i, (i * 2654435761u) % 100000);
	check(N);
	check_inside();
	for (i = 0; i < 100000; i++) {
		next = timer_heap_next(&heap);
		assert_true(next >= last);
		last = next;
		set(heap.order[0], next + 1 + rand() % 5000);
	}
	check_inside();
	for (i = 0; i < N; i++) {
		assert_true(timer_heap_next(&heap) >= last);
		last = timer_heap_next(&heap);
		del(heap.order[0]);
	}
	assert_int_equal(heap.n, 0);
	assert_true(timer_heap_next(&heap) == UINT64_MAX);
}

/* Nothing is left that could be taken for a timer. */
static void
test_after_fini(void **state)
{
	set(7, 1);
	timer_heap_fini(&heap);
	assert_int_equal(heap.n, 0);
	assert_true(timer_heap_next(&heap) == UINT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_small, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_after_fini, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
