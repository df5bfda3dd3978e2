/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * What devices do wrong, or at a bad moment: section 10 of queue_dev's data sheet has each of these
 * and the protection a driver needs. Here the device does it, on request, and the library and its
 * driver must neither lose an interrupt, nor take one for another's, nor hang.
 */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_malloc.h>

#include <ims_driver.h>
#include <queue_dev_regs.h>
#include <rte_pmd_queue_dev.h>

#include "e2e.h"

#define SECOND_NS 1000000000ull

enum inject {
	CMD_DELAY = 1,
	CMD_FAIL,
	CMD_DROP,
	CMD_REORDER,
	MSG_LATE,
	MSG_TWICE,
	MSG_TORN,
	MSG_STRAY,
	RESET,
	HALT,
	EQE_BOGUS,
	CQE_BOGUS,
	ARM_LATE,
};

static struct rte_ims_dev *dev;
static struct rte_ims_wait *sets[2];
static struct rte_pmd_queue_dev_queue *q;
static struct rte_ims_vec *vec;
static uint64_t n_done, n_failed, n_calls;
static uint16_t last_status;

static void
write32(uint64_t reg, uint32_t val)
{
	assert_int_equal(ims_dev_bar_write32(dev, QUEUE_DEV_BAR, reg, val), 0);
}

static void
inject(enum inject kind, uint32_t count, uint32_t usec, uint64_t arg, uint32_t data)
{
	write32(QUEUE_DEV_REG_INJECT_KIND, kind);
	write32(QUEUE_DEV_REG_INJECT_TIME, usec);
	assert_int_equal(
		ims_dev_bar_write(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_ARG, &arg, sizeof(arg)),
		0);
	write32(QUEUE_DEV_REG_INJECT_DATA, data);
	write32(QUEUE_DEV_REG_INJECT_COUNT, count);
}

static uint32_t
injected(enum inject kind)
{
	uint32_t done = 0;

	write32(QUEUE_DEV_REG_INJECT_KIND, kind);
	assert_int_equal(
		ims_dev_bar_read32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_DONE, &done), 0);
	return done;
}

/* Until the device has done it so often. */
static void
wait_injected(enum inject kind, uint32_t n)
{
	uint64_t end = e2e_now_ns() + E2E_PATIENCE_NS;

	while (injected(kind) < n) {
		assert_true(e2e_now_ns() < end);
		usleep(1000);
	}
	assert_int_equal(injected(kind), n);
}

static void
on_queue(struct rte_ims_vec *v, void *arg)
{
	struct rte_pmd_queue_dev_completion done[16];
	int n, i;

	n_calls++;
	while ((n = rte_pmd_queue_dev_poll(q, done, 16)) > 0)
		for (i = 0; i < n; i++) {
			n_done++;
			n_failed += done[i].status != 0;
			last_status = done[i].status;
		}
}

static struct rte_ims_store *
eq_store(void)
{
	return rte_ims_dev_store_get(dev, RTE_IMS_STORE_QUEUE);
}

/* A queue on a vector in memory, by an event queue's own message. */
static int
setup(void **state)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 64, .fn = on_queue };
	struct rte_ims_vec_conf vconf = { .delivery = RTE_IMS_DELIVERY_MEMORY };

	dev = e2e_open();
	sets[0] = rte_ims_wait_create("a", NULL);
	sets[1] = rte_ims_wait_create("b", NULL);
	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), eq_store(), RTE_IMS_SLOT_ANY, &vconf);
	assert_non_null(vec);
	assert_int_equal(rte_ims_wait_add(sets[0], vec), 0);
	conf.vec = vec;
	q = rte_pmd_queue_dev_queue_create(dev, &conf);
	n_done = n_failed = n_calls = 0;
	return q == NULL;
}

static int
teardown(void **state)
{
	assert_int_equal(rte_ims_dev_close(dev), 0);
	assert_int_equal(rte_ims_wait_destroy(sets[0]), 0);
	return rte_ims_wait_destroy(sets[1]);
}

static void
submit(unsigned int n)
{
	struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };

	while (n-- > 0)
		assert_int_equal(rte_pmd_queue_dev_submit(q, &op, 1), 1);
}

static bool
reached(void *arg)
{
	return n_done >= *(uint64_t *)arg;
}

/* n more operations are completed, by events in this set. */
static void
works(struct rte_ims_wait *set, unsigned int n)
{
	uint64_t want = n_done;

	while (n-- > 0) {
		want++;
		submit(1);
		assert_true(e2e_wait_for(set, reached, &want, E2E_PATIENCE_NS));
		assert_int_equal(n_done, want);
	}
}

static struct rte_pmd_queue_dev_info
get_info(void)
{
	struct rte_pmd_queue_dev_info info;

	assert_int_equal(rte_pmd_queue_dev_info_get(dev, &info), 0);
	return info;
}

/* The change is late: until then the old message is in force; who asked has waited for it. */
static void
test_delayed(void **state)
{
	uint64_t start = e2e_now_ns(), want;

	inject(CMD_DELAY, 3, 30000, 0, 0);
	submit(10);
	assert_int_equal(rte_ims_wait_move(sets[1], vec), 0);
	assert_int_equal(injected(CMD_DELAY), 1);
	assert_true(e2e_now_ns() - start >= 30000000);
	want = 10;
	assert_true(e2e_wait_for(sets[1], reached, &want, E2E_PATIENCE_NS));
	e2e_settle(sets[1]);
	works(sets[1], 10);
	assert_int_equal(rte_ims_vec_mask(vec), 0);
	assert_int_equal(rte_ims_vec_unmask(vec), 0);
	works(sets[1], 10);
}

/* So late that nobody waits any more: it is cleared up, the vector is where it was, and works. */
static void
test_too_late(void **state)
{
	inject(CMD_DELAY, 1, 3000000, 0, 0);
	assert_int_equal(rte_ims_wait_move(sets[1], vec), -EIO);
	assert_int_equal(get_info().cmd_timeouts, 1);
	works(sets[0], 10);
	/* Also after the moment when it would have come. */
	sleep(3);
	works(sets[0], 10);
	assert_int_equal(rte_ims_wait_poll(sets[1]), 0);
	assert_int_equal(rte_ims_wait_move(sets[1], vec), 0);
	works(sets[1], 10);
}

/* Refused: the old message stays in force, and the caller learns it. */
static void
test_failed(void **state)
{
	struct rte_ims_vec_info before, after;

	assert_int_equal(rte_ims_vec_info_get(vec, &before), 0);
	inject(CMD_FAIL, 1, 0, 0, 0);
	assert_int_equal(rte_ims_wait_move(sets[1], vec), -EIO);
	assert_int_equal(rte_ims_vec_info_get(vec, &after), 0);
	assert_true(before.msg.addr == after.msg.addr && before.msg.data == after.msg.data);
	works(sets[0], 10);
	inject(CMD_FAIL, 1, 0, 0, 0);
	assert_int_equal(rte_ims_vec_mask(vec), -EIO);
	assert_int_equal(rte_ims_vec_info_get(vec, &after), 0);
	assert_false(after.masked);
	works(sets[0], 10);
	assert_int_equal(rte_ims_wait_move(sets[1], vec), 0);
	works(sets[1], 10);
}

/* Never answered, without effect and with it: the device is asked which message it has. */
static void
test_dropped(void **state)
{
	inject(CMD_DROP, 1, 0, 0, 0);
	assert_int_equal(rte_ims_wait_move(sets[1], vec), -EIO);
	works(sets[0], 10);
	inject(CMD_DROP, 1, 0, 1, 0);
	assert_int_equal(rte_ims_wait_move(sets[1], vec), 0);
	works(sets[1], 10);
	assert_int_equal(rte_ims_wait_poll(sets[0]), 0);
	assert_int_equal(get_info().cmd_timeouts, 2);
}

/* Answers in another order than the questions. */
static void
test_reordered(void **state)
{
	unsigned int i;

	for (i = 0; i < 5; i++) {
		inject(CMD_REORDER, 1, 20000, 0, 0);
		assert_int_equal(rte_ims_wait_move(sets[(i + 1) % 2], vec), 0);
		works(sets[(i + 1) % 2], 5);
	}
}

static uint64_t
strays(struct rte_ims_wait *set)
{
	struct rte_ims_wait_stats stats;

	assert_int_equal(rte_ims_wait_stats_get(set, &stats), 0);
	return stats.stray;
}

static void
wait_stray(struct rte_ims_wait *set, uint64_t before)
{
	uint64_t end = e2e_now_ns() + E2E_PATIENCE_NS;

	while (strays(set) == before) {
		assert_true(e2e_now_ns() < end);
		rte_ims_wait_poll(set);
		usleep(100);
	}
}

/*
 * A message of the old contents after the change: it finds a word that is nobody's. Every second
 * one is to come when the move is over, which takes as long as it takes.
 */
static void
test_late_message(void **state)
{
	const struct rte_ims_vec_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	struct rte_ims_vec *beside;
	uint64_t want, before, late_us, start, longest_us = 300000;
	unsigned int i, n_strays = 0;
	bool over;

	/* Words beside this one's are looked at, those of a line that nobody uses are not. */
	beside = rte_ims_vec_alloc(rte_ims_dev_table(dev),
		rte_ims_dev_store_get(dev, RTE_IMS_STORE_DEVICE), RTE_IMS_DEV_EVENT_REMOVED, &conf);
	assert_non_null(beside);
	assert_int_equal(rte_ims_wait_add(sets[0], beside), 0);
	for (i = 0; i < 5 || n_strays == 0; i++) {
		assert_true(i < 16);
		before = strays(sets[0]);
		late_us = i % 2 == 0 ? longest_us : 5000;
		inject(MSG_LATE, 1, late_us, 0, 0);
		start = e2e_now_ns();
		assert_int_equal(rte_ims_wait_move(sets[(i + 1) % 2], vec), 0);
		/*
		 * It is astray if it comes when the move is over; before, the move takes it along.
		 */
		over = e2e_now_ns() - start < late_us * 1000;
		submit(1);
		want = i * 4 + 1;
		assert_true(e2e_wait_for(sets[(i + 1) % 2], reached, &want, E2E_PATIENCE_NS));
		if (i % 2 == 0 && over) {
			wait_stray(sets[0], before);
			n_strays++;
		} else {
			usleep(20000);
		}
		if (i % 2 == 0 && !over)
			longest_us = RTE_MIN(longest_us * 2, 10000000u);
		rte_ims_wait_poll(sets[i % 2]);
		rte_ims_wait_poll(sets[(i + 1) % 2]);
		assert_int_equal(n_done, want);
		works(sets[(i + 1) % 2], 3);
	}
	assert_int_equal(injected(MSG_LATE), i);
	assert_int_equal(rte_ims_vec_free(beside), 0);
}

/* Late messages must not be taken for those of the slot's and the word's next owner. */
static void
test_late_message_next_owner(void **state)
{
	struct rte_ims_vec_conf vconf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	struct rte_ims_vec *other;
	uint64_t before;

	inject(MSG_LATE, 1, 1000000, 0, 0); /* a second to make it another's */
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(q), 0);
	assert_int_equal(rte_ims_vec_free(vec), 0); /* masks: a change of the message */
	other = rte_ims_vec_alloc(rte_ims_dev_table(dev), eq_store(), RTE_IMS_SLOT_ANY, &vconf);
	assert_non_null(other);
	assert_int_equal(rte_ims_wait_add(sets[0], other), 0); /* the same word */
	before = strays(sets[0]);
	assert_int_equal(injected(MSG_LATE), 1);
	wait_stray(sets[0], before);
	/*
	 * Seen for what it is; its handlers may run for nothing, it might have hidden a good one.
	 */
	assert_int_equal(strays(sets[0]), before + 1);
	assert_int_equal(rte_ims_vec_free(other), 0);
}

static void
test_twice(void **state)
{
	inject(MSG_TWICE, 50, 0, 0, 0);
	works(sets[0], 50);
	assert_true(injected(MSG_TWICE) > 0);
	assert_int_equal(n_failed, 0);
}

/*
 * A mixture of old address and new data while an unmasked message is changed. Retargeting relies on
 * the device to change it as a whole; if it does not, the word of the old set gets data that is not
 * its own, which is told from a good one, and the event comes again by the right way.
 */
static void
test_torn(void **state)
{
	unsigned int i;
	uint64_t want;

	for (i = 0; i < 10; i++) {
		inject(MSG_TORN, 1, 0, 0, 0);
		submit(1);
		assert_int_equal(rte_ims_wait_move(sets[(i + 1) % 2], vec), 0);
		rte_ims_wait_poll(sets[i % 2]);
		want = i * 4 + 1;
		assert_true(e2e_wait_for(sets[(i + 1) % 2], reached, &want, E2E_PATIENCE_NS));
		works(sets[(i + 1) % 2], 3);
		assert_int_equal(n_done, (i + 1) * 4);
	}
	assert_int_equal(injected(MSG_TORN), 10);
}

/* Handles that were never given out, an address that is not mapped, a word that is nobody's. */
static void
test_stray(void **state)
{
	uint64_t end = e2e_now_ns() + E2E_PATIENCE_NS;
	struct rte_ims_dev_info before, after;
	struct rte_ims_vec_info vinfo;

	assert_int_equal(rte_ims_dev_info_get(dev, &before), 0);
	inject(MSG_STRAY, 1, 0, 0xfee12350, 77);
	wait_injected(MSG_STRAY, 1);
	inject(MSG_STRAY, 1, 0, 0x10, 77);
	wait_injected(MSG_STRAY, 2);
	works(sets[0], 5);
	do {
		assert_true(e2e_now_ns() < end);
		assert_int_equal(rte_ims_dev_info_get(dev, &after), 0);
	} while (after.stray_msgs == before.stray_msgs || after.dma_faults == before.dma_faults);
	assert_int_equal(rte_ims_vec_info_get(vec, &vinfo), 0);
	inject(MSG_STRAY, 1, 0, vinfo.msg.addr + 4, 77); /* the next vector's word, free now */
	wait_injected(MSG_STRAY, 3);
	works(sets[0], 5);
}

/* It forgets everything, at a bad moment; the error interrupt tells, and a reset makes it good. */
static void
test_spontaneous_reset(void **state)
{
	uint64_t want, end = e2e_now_ns() + E2E_PATIENCE_NS;

	submit(20);
	inject(RESET, 1, 0, 0, 0);
	while ((rte_pmd_queue_dev_error_get(dev, NULL) & QUEUE_DEV_ERROR_RESET) == 0)
		assert_true(e2e_now_ns() < end);
	submit(20);
	assert_int_equal(rte_ims_dev_reset(dev), 0);
	want = 40;
	assert_true(e2e_wait_for(sets[0], reached, &want, E2E_PATIENCE_NS));
	assert_int_equal(n_done, 40); /* well, or as aborted */
	works(sets[0], 20);
	assert_int_equal(last_status, 0);
}

static void
test_halt(void **state)
{
	uint64_t want = 20, start;
	uint32_t status = 0;

	submit(20);
	assert_true(e2e_wait_for(sets[0], reached, &want, E2E_PATIENCE_NS));
	inject(HALT, 1, 0, 0, 0);
	start = e2e_now_ns();
	while (status != QUEUE_DEV_STATUS_HALTED) {
		assert_true(e2e_now_ns() - start < E2E_PATIENCE_NS);
		assert_int_equal(
			ims_dev_bar_read32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_STATUS, &status), 0);
	}
	submit(10);
	start = e2e_now_ns();
	/* Nobody answers, and nobody waits for ever: a second for each command. */
	assert_int_equal(rte_ims_wait_move(sets[1], vec), -ETIMEDOUT);
	assert_true(e2e_now_ns() - start < 2 * E2E_PATIENCE_NS);
	assert_true(rte_pmd_queue_dev_error_get(dev, NULL) & QUEUE_DEV_ERROR_HALT);
	assert_int_equal(rte_ims_dev_reset(dev), 0);
	want = 30;
	assert_true(e2e_wait_for(sets[0], reached, &want, E2E_PATIENCE_NS));
	works(sets[0], 10);
}

/* Events that name queues which are not there, not on this vector, or out of range. */
static void
test_bogus_events(void **state)
{
	static const uint32_t numbers[] = { 5, 0xffffffff, 16384, 0x7fffffff, 0 };
	uint64_t before = get_info().stray_events;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		inject(EQE_BOGUS, 1, 0, numbers[i] | (uint64_t)(i + 1) << 32, 0);
		works(sets[0], 3);
	}
	assert_int_equal(injected(EQE_BOGUS), 5);
	assert_int_equal(get_info().stray_events, before + 5);
}

/* A queue that another thread keeps busy by its handler. */
static atomic_bool stop;

static void
on_busy(struct rte_ims_vec *v, void *arg)
{
	struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };
	struct rte_pmd_queue_dev_completion done[8];
	struct rte_pmd_queue_dev_queue **busy = arg;

	while (rte_pmd_queue_dev_poll(*busy, done, 8) > 0)
		;
	if (!atomic_load(&stop))
		rte_pmd_queue_dev_submit(*busy, &op, 1);
}

static void *
poll_set(void *arg)
{
	while (!atomic_load(&stop))
		rte_ims_wait_poll(arg);
	return NULL;
}

/*
 * Events that name a queue of somebody else's, while that comes and goes: their thread must not
 * touch what is being freed. Only a sanitizer can tell.
 */
static void
test_bogus_events_of_the_dying(void **state)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 2, .fn = on_busy, .vec = vec };
	const struct rte_pmd_queue_dev_queue_conf polled = { .depth = 2 };
	struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };
	struct rte_pmd_queue_dev_queue *busy[64], *dying;
	uint32_t n = get_info().n_queues - 2, i;
	uint64_t end, last;
	pthread_t thread;

	assert_true(n <= 64);
	atomic_store(&stop, false);
	/* All but one, that is the same number each time. */
	for (i = 0; i < n; i++) {
		conf.arg = &busy[i];
		busy[i] = rte_pmd_queue_dev_queue_create(dev, &conf);
		assert_non_null(busy[i]);
	}
	inject(EQE_BOGUS, 1000000, 0, n + 1, 0);
	for (i = 0; i < n; i++)
		assert_int_equal(rte_pmd_queue_dev_submit(busy[i], &op, 1), 1);
	assert_int_equal(pthread_create(&thread, NULL, poll_set, sets[0]), 0);
	end = e2e_now_ns() + 3 * SECOND_NS;
	last = end + E2E_PATIENCE_NS;
	while (e2e_now_ns() < end || (injected(EQE_BOGUS) <= 100 && e2e_now_ns() < last)) {
		dying = rte_pmd_queue_dev_queue_create(dev, &polled);
		assert_non_null(dying);
		assert_int_equal(rte_pmd_queue_dev_queue_number(dying), n + 1);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(dying), 0);
	}
	assert_true(injected(EQE_BOGUS) > 100);
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	inject(EQE_BOGUS, 0, 0, 0, 0);
	for (i = 0; i < n; i++)
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(busy[i]), 0);
	works(sets[0], 10);
}

static void
test_bogus_completions(void **state)
{
	inject(CQE_BOGUS, 20, 0, 0, 0x10000);
	works(sets[0], 30);
	assert_int_equal(injected(CQE_BOGUS), 20);
	assert_int_equal(get_info().stray_completions, 20);
	assert_int_equal(rte_pmd_queue_dev_queue_pending(q), 0);
}

/* The arm takes effect late, completions come meanwhile: the arm finds them. */
static void
test_late_arm(void **state)
{
	unsigned int i;
	uint64_t want = 0;

	inject(ARM_LATE, 100, 2000, 0, 0);
	for (i = 0; i < 20; i++) {
		submit(3);
		want += 3;
		assert_true(e2e_wait_for(sets[0], reached, &want, E2E_PATIENCE_NS));
	}
	assert_true(injected(ARM_LATE) > 0);
	assert_int_equal(n_done, want);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_delayed),
		T(test_too_late),
		T(test_failed),
		T(test_dropped),
		T(test_reordered),
		T(test_late_message),
		T(test_late_message_next_owner),
		T(test_twice),
		T(test_torn),
		T(test_stray),
		T(test_spontaneous_reset),
		T(test_halt),
		T(test_bogus_events),
		T(test_bogus_events_of_the_dying),
		T(test_bogus_completions),
		T(test_late_arm),
	};

	e2e_init(argc, argv, "emu:queue_dev,inject=1,queues=64,subdevs=4,eqs=8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
