/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A device that means harm, and a good one beside it in the same process: in one wait set, whose
 * thread sleeps without a timeout, each with a pool. Whatever the one does is found out, counted
 * and told, and ends with it; of the other each event arrives. On the good one every operation is
 * submitted by the handler of the one before: an event that is lost, or comes too late to be seen,
 * ends its chain.
 *
 * Here: what the device writes, to its queues, as messages, to memory.
 */

#include <rte_common.h>

#include <ims_driver.h>
#include <queue_dev_regs.h>
#include <vfio_user_proto.h>

#include "hostile_beside.h"
#include "test_hostile.h"

static uint64_t
strays(void)
{
	struct rte_ims_wait_stats stats;

	assert_int_equal(rte_ims_wait_stats_get(set, &stats), 0);
	return stats.stray;
}

static void
inject(uint32_t kind, uint32_t count, uint64_t arg, uint32_t data)
{
	struct rte_ims_dev *dev = bad.dev;

	assert_int_equal(
		ims_dev_bar_write32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_KIND, kind), 0);
	assert_int_equal(ims_dev_bar_write32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_TIME, 0), 0);
	assert_int_equal(
		ims_dev_bar_write(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_ARG, &arg, sizeof(arg)),
		0);
	assert_int_equal(
		ims_dev_bar_write32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_DATA, data), 0);
	assert_int_equal(
		ims_dev_bar_write32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_COUNT, count), 0);
}

/* Event queue entries that name what is foreign, freed, none or out of range. */
static void
test_objects(void **state)
{
	static const uint64_t numbers[] = { 1, 2, 40, 63, 64, 16384, 0x7fffffff, 0xffffffff };
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 2, .fn = on_bad, .arg = (void *)0 };
	struct rte_pmd_queue_dev_queue *freed;
	uint64_t want, number;
	unsigned int i;

	bad_open(BAD_MODEL, 5000);
	bad_works();
	conf.vec = bad.vecs[0];
	freed = rte_pmd_queue_dev_queue_create(bad.dev, &conf);
	assert_non_null(freed);
	number = rte_pmd_queue_dev_queue_number(freed);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(freed), 0);
	for (i = 0; i <= RTE_DIM(numbers); i++) {
		want = bad_queue_info().stray_events + 1;
		inject(QUEUE_DEV_INJECT_EQE_BOGUS, 1, i < RTE_DIM(numbers) ? numbers[i] : number,
			0);
		bad_submit(0);
		AWAIT(bad_queue_info().stray_events == want);
		AWAIT(atomic_load(&bad.done[0]) == bad.submitted[0]);
	}
	good_goes_on();
	bad_works();
	assert_int_equal(bad.n_gone, 0);
	BAD_COUNTED(0); /* the driver has: to the transport they are memory like any other */
	bad_close();
}

/* Completions of what nobody submitted, with consumer indexes that are out of range. */
static void
test_indexes(void **state)
{
	unsigned int i;
	uint64_t want;

	bad_open(BAD_MODEL, 5000);
	for (i = 0; i < 20; i++) {
		want = bad_queue_info().stray_completions + 1;
		inject(QUEUE_DEV_INJECT_CQE_BOGUS, 1, UINT32_MAX - i * 0x01010101ull, 0xffff0000);
		bad_submit(1);
		AWAIT(bad_queue_info().stray_completions >= want);
		AWAIT(atomic_load(&bad.done[1]) == bad.submitted[1]);
	}
	good_goes_on();
	bad_works();
	bad_close();
}

static void
test_messages(void **state)
{
	struct rte_ims_msg msg, freed;
	struct rte_ims_vec *vec;
	uint64_t before, events;
	unsigned int i;

	bad_open(BAD_MODEL, 5000);
	bad_works();
	vec = vec_open(bad.dev, RTE_IMS_STORE_QUEUE, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	freed = msg_of(vec);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	msg = msg_of(bad.vecs[0]);
	before = bad_info().stray_msgs;
	events = events_of(bad.vecs[0]);
	for (i = 0; i < 100; i++) {
		uint32_t flags = i % 2 != 0 ? VFIO_USER_F_NO_REPLY : 0;

		message(flags, freed.addr, freed.data);              /* freed */
		message(flags, msg.addr + (1000 << 5), msg.data);    /* never given */
		message(flags, msg.addr, msg.data + 1);              /* given for other data */
		message(flags, VFIO_USER_MSI_WINDOW_BASE, msg.data); /* no handle at all */
	}
	AWAIT(bad_info().stray_msgs == before + 400);
	AWAIT(hostile_refusals(bad.h) == 200);
	assert_int_equal(hostile_good_answers(bad.h), 0);
	assert_int_equal(events_of(bad.vecs[0]), events);
	good_goes_on();
	message(0, msg.addr, msg.data);
	AWAIT(events_of(bad.vecs[0]) == events + 1);
	AWAIT(hostile_good_answers(bad.h) == 1);
	bad_works();
	BAD_COUNTED(.stray_msgs = 400);
	bad_close();
}

/*
 * Words of the set that are the good device's: it is called for nothing, and its own events are not
 * lost.
 */
static void
test_words(void **state)
{
	struct rte_ims_msg msg;
	uint64_t before = strays();
	unsigned int i, k;

	bad_open(BAD_MODEL, 5000);
	for (i = 0; i < 500; i++)
		for (k = 0; k < N_CHAINS; k++) {
			msg = msg_of(good.chains[k].vec);
			if (msg.addr < VFIO_USER_MSI_WINDOW_BASE ||
				msg.addr >= VFIO_USER_MSI_WINDOW_BASE + VFIO_USER_MSI_WINDOW_SIZE)
				message(VFIO_USER_F_NO_REPLY, msg.addr, 0x7fffff00 + i);
		}
	good_goes_on();
	assert_int_equal(bad_call(), 0);
	AWAIT(strays() > before);
	good_goes_on();
	bad_works();
	bad_close();
}

/* Addresses outside of its maps, lengths that reach out of them or do not fit. */
static void
test_memory(void **state)
{
	static const struct {
		uint64_t addr, count;
		bool fault;
	} cases[] = {
		{ 0x10, 4, true },
		{ 0xfed00000, 4, true },
		{ UINT64_MAX - 1, 4, true },
		{ UINT64_MAX, 65536, true },
		{ 0, UINT64_MAX, false },
		{ 0x1000, 65537, false },
		{ 0x1000, 0xffffffff, false },
	};
	uint64_t before, faults = 0, want;
	uint32_t val = 0xdead;
	unsigned int i, n = 0;

	bad_open(BAD_MODEL, 5000);
	before = bad_info().dma_faults;
	for (i = 0; i < RTE_DIM(cases); i++) {
		assert_true(hostile_dma(
			bad.h, VFIO_USER_DMA_READ, 0, cases[i].addr, cases[i].count, NULL, 0));
		assert_true(hostile_dma(bad.h, VFIO_USER_DMA_WRITE, 0, cases[i].addr,
			cases[i].count, &val, sizeof(val)));
		n += 2;
		faults += cases[i].fault ? 1 + (cases[i].count == sizeof(val)) : 0;
	}
	want = before + faults;
	AWAIT(hostile_refusals(bad.h) == n);
	assert_int_equal(bad_info().dma_faults, want);
	assert_int_equal(hostile_good_answers(bad.h), 0);
	good_goes_on();
	bad_works();
	BAD_COUNTED(.dma_faults = want, .bad_requests = n - faults);
	bad_close();
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_objects),
		T(test_indexes),
		T(test_messages),
		T(test_words),
		T(test_memory),
	};
	int failed;

	e2e_init(argc, argv, "");
	failed = cmocka_run_group_tests_name("writes", tests, good_open, good_close);
	failed += hostile_fds_tests();
	failed += hostile_reply_tests();
	failed += hostile_flood_tests();
	failed += hostile_gone_tests();
	return failed;
}
