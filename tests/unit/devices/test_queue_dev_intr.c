/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* How queue_dev's objects interrupt: own messages and MSI-X vectors, and changing between them. */

#include <sched.h>
#include <sys/eventfd.h>

#include "qd_peer.h"
#include "ticks.h"

#define MASK    1u
#define PENDING 2u
#define SLOT(n) (2 + 8 + (n)) /* of queue n */

static int efds[16];

static int
setup(void **state)
{
	uint32_t i;

	qd_start("");
	for (i = 0; i < 16; i++) {
		efds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_true(efds[i] >= 0);
	}
	return 0;
}

static int
teardown(void **state)
{
	uint32_t i;

	qd_stop();
	for (i = 0; i < 16; i++)
		close(efds[i]);
	return 0;
}

static void
attach(uint32_t vector, int fd)
{
	assert_int_equal(
		peer_set_irqs(&t.p, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			VFIO_PCI_MSIX_IRQ_INDEX, vector, 1, NULL, 0, &fd, fd >= 0),
		0);
}

static uint64_t
events(uint32_t i)
{
	uint64_t n = 0;

	peer_sync(&t.p);
	return read(efds[i], &n, sizeof(n)) < 0 ? 0 : n;
}

static void
entry(uint32_t vector, uint64_t addr, uint32_t data, uint32_t ctrl)
{
	uint64_t high = (uint64_t)ctrl << 32 | data, masked = 1ull << 32;

	assert_int_equal(peer_write(&t.p, 2, vector * 16 + 8, &masked, 8), 0);
	assert_int_equal(peer_write(&t.p, 2, vector * 16, &addr, 8), 0);
	assert_int_equal(peer_write(&t.p, 2, vector * 16 + 8, &high, 8), 0);
}

static struct tq
create(uint32_t number, uint16_t intr)
{
	struct queue_dev_ctx ctx = queue_ctx(number, 3);

	ctx.intr = intr;
	return tq_create(&ctx);
}

/* An event of a queue, by a doorbell that is handled when this returns. */
static void
fire(uint32_t number)
{
	struct queue_dev_query before = query(2, number);

	if (before.pi == 0) {
		db_trap(QUEUE_DEV_DB(1, number, 1));
		settle();
	}
	db_trap(QUEUE_DEV_DB(2, number, 0)); /* old: at once */
	assert_int_equal(query(2, number).events, before.events + 1);
}

static uint32_t
ctrl(uint32_t number)
{
	return query(2, number).ctx.msg_ctrl;
}

static uint64_t
stamp(uint32_t slot)
{
	return atomic_load((_Atomic(uint64_t) *)(t.bar + 0x80000 + 8 * slot));
}

static void
request_is(struct peer_stash *req, uint64_t addr, uint32_t data)
{
	assert_true(peer_request(&t.p, req, PEER_TIMEOUT_MS));
	assert_int_equal(req->hdr.command, VFIO_USER_DMA_WRITE);
	assert_true(req->acc.addr == addr);
	assert_int_equal(req->acc.count, 4);
	assert_int_equal(req->value, data);
}

static void
no_request(void)
{
	peer_sync(&t.p);
	assert_int_equal(t.p.stash_len, 0);
}

static void
reply(const struct peer_stash *req, uint32_t error)
{
	peer_reply(&t.p, req->hdr.id, VFIO_USER_DMA_WRITE, error, &req->acc,
		error == 0 ? sizeof(req->acc) : 0);
}

static void
test_own_message(void **state)
{
	uint64_t before;

	create(3, 0xffff);
	before = ticks_now();
	fire(3);
	assert_int_equal(word(3), 4);
	assert_true(before <= stamp(SLOT(3)) && stamp(SLOT(3)) <= ticks_now());
	assert_int_equal(query(2, 3).messages, 1);
	assert_int_equal(qd_stats().msgs_memory, 1);
	/* Somewhere else from now on. */
	assert_int_equal(modify_msg(2, 3, QD_WORDS + 4 * 40, 0xabcd, 0), 0);
	assert_int_equal(word(3) | word(40), 0);
	fire(3);
	assert_int_equal(word(3), 0);
	assert_int_equal(word(40), 0xabcd);
	assert_int_equal(stamp(SLOT(2)) | stamp(SLOT(4)), 0);
}

static void
test_masked(void **state)
{
	create(3, 0xffff);
	assert_int_equal(modify_msg(2, 3, QD_WORDS, 1, MASK), 0);
	fire(3);
	fire(3);
	assert_int_equal(ctrl(3), MASK | PENDING);
	assert_int_equal(word(0) | word(3), 0);
	assert_int_equal(stamp(SLOT(3)), 0);
	/* Changed while it is masked: the event stays. PENDING in the context says nothing. */
	assert_int_equal(modify_msg(2, 3, QD_WORDS + 4, 2, MASK), 0);
	assert_int_equal(ctrl(3), MASK | PENDING);
	assert_int_equal(modify_msg(2, 3, QD_WORDS + 8, 3, 0), 0);
	assert_int_equal(word(0) | word(1), 0);
	assert_int_equal(word(2), 3);
	assert_int_equal(ctrl(3), 0);
	assert_int_not_equal(stamp(SLOT(3)), 0);
	assert_int_equal(modify_msg(2, 3, QD_WORDS + 8, 3, MASK | PENDING), 0);
	assert_int_equal(ctrl(3), MASK);
	assert_int_equal(modify_msg(2, 3, QD_WORDS + 8, 3, PENDING), 0);
	assert_int_equal(word(2), 0);
	assert_int_equal(query(2, 3).events, 2);
	assert_int_equal(query(2, 3).messages, 1);
	/* A command that is refused changes nothing. */
	assert_int_equal(modify_msg(2, 3, QD_WORDS + 6, 3, 0), 2);
	fire(3);
	assert_int_equal(word(2), 3);
	/* Another slot was never touched. */
	create(4, 0xffff);
	fire(4);
	assert_int_equal(word(4), 5);
}

static void
test_dma_write(void **state)
{
	struct peer_stash req;
	uint32_t i;

	create(3, 0xffff);
	assert_int_equal(modify_msg(2, 3, QD_WINDOW + 0x1f8, 7, 0), 0);
	fire(3);
	request_is(&req, QD_WINDOW + 0x1f8, 7);
	/* Merged while it is under way, and sent once more after the reply, as the slot is then. */
	for (i = 0; i < 5; i++)
		fire(3);
	no_request();
	assert_int_equal(modify_msg(2, 3, QD_WINDOW + 0x208, 8, 0), 0);
	no_request();
	reply(&req, 0);
	request_is(&req, QD_WINDOW + 0x208, 8);
	fire(3);
	assert_int_equal(modify_msg(2, 3, QD_WINDOW + 0x208, 9, MASK), 0);
	reply(&req, 0);
	no_request();
	assert_int_equal(ctrl(3), MASK | PENDING);
	assert_int_equal(modify_msg(2, 3, QD_WORDS, 10, 0), 0);
	assert_int_equal(word(0), 10);
	no_request();
	assert_error(0, 0);
	assert_int_equal(qd_stats().msgs_merged, 6);
}

static void
test_refused(void **state)
{
	struct peer_stash req;

	create(3, 0xffff);
	reg_set(0x4c, 1);
	assert_int_equal(modify_msg(0, 0, QD_WORDS, 0xe0, 0), 0);
	assert_int_equal(modify_msg(2, 3, QD_NOWHERE, 7, 0), 0);
	fire(3);
	request_is(&req, QD_NOWHERE, 7);
	reply(&req, EFAULT);
	no_request();
	assert_error(0x20, SLOT(3));
	assert_int_equal(word(0), 0xe0);
	assert_int_equal(ctrl(3), 0);
	assert_int_equal(qd_stats().msgs_faulted, 1);
	/* The error's own message, refused, is not reported. */
	assert_int_equal(modify_msg(0, 0, QD_NOWHERE + 4, 0xe1, 0), 0);
	db_trap(1);
	request_is(&req, QD_NOWHERE + 4, 0xe1);
	reply(&req, EFAULT);
	no_request();
	assert_error(1, 1);
}

/* Slot 0 and INTR: by vector 0, or by its own message. */
static void
test_error_interrupt(void **state)
{
	attach(0, efds[0]);
	db_trap(1);
	assert_int_equal(events(0), 1);
	db_trap(2);
	assert_int_equal(events(0), 0); /* up already */
	assert_error(1, 2);
	reg_set(0x4c, 1);
	db_trap(3);
	assert_int_equal(events(0), 0);
	assert_int_equal(query(0, 0).ctx.msg_ctrl, MASK | PENDING);
	assert_int_equal(modify_msg(0, 0, QD_WORDS, 0xe0, 0), 0);
	assert_int_equal(word(0), 0xe0);
	reg_set(0x50, 1);
	db_trap(3);
	assert_int_equal(word(0), 0xe0);
	/* A bit that rises beside others. */
	reg_set(0x90, 99);
	assert_int_equal(word(0), 0xe0);
	assert_int_equal(reg(0x50), 5);
	reg_set(0x50, 4);
	assert_error(1, 99);
	/* Held, and then sent by the vector. */
	assert_int_equal(modify_msg(0, 0, QD_WORDS, 0xe0, MASK), 0);
	db_trap(3);
	assert_int_equal(events(0), 0);
	reg_set(0x4c, 0);
	assert_int_equal(events(0), 1);
	assert_int_equal(query(0, 0).ctx.msg_ctrl, MASK);
	assert_int_not_equal(stamp(0), 0);
}

static void
test_vector(void **state)
{
	struct queue_dev_ctx ctx = eq_ctx(0, 1);
	uint64_t before;

	ctx.intr = 9;
	te_create(&ctx);
	create(3, 9);
	create(4, 15);
	attach(9, efds[9]);
	fire(3);
	assert_int_equal(events(9), 1);
	assert_int_not_equal(stamp(SLOT(3)), 0);
	/* No eventfd yet. */
	fire(4);
	attach(15, efds[15]);
	assert_int_equal(events(15), 1);
	db_trap(QUEUE_DEV_DB(2, 4, 0));
	assert_int_equal(events(15), 1);
	/* Several objects on one vector. */
	before = ticks_now();
	tq_do(&(struct tq){ .number = 4,
		      .size = 8,
		      .cq_size = 8,
		      .tail = 1,
		      .ci = 1,
		      .sq = at(t.d->queues[4].sq.iova),
		      .cq = at(t.d->queues[4].cq.iova) },
		&(struct queue_dev_desc){ .op = 4, .imm = 1ull << 32 });
	assert_int_equal(events(9), 1);
	assert_true(stamp(2) >= before);
	assert_int_equal(word(3) | word(4) | word(512), 0);
	/* The entry is obeyed once it is written. */
	entry(9, QD_WORDS, 0x99, 0);
	fire(3);
	assert_int_equal(word(0), 0x99);
	assert_int_equal(events(9), 0);
	entry(9, QD_WINDOW, 0x99, 1);
	fire(3);
	assert_int_equal(events(9), 0);
	entry(9, QD_WINDOW, 0x99, 0);
	assert_int_equal(events(9), 1);
	assert_int_equal(query(2, 3).messages, 0);
	assert_int_equal(query(2, 3).events, 3);
}

/* An own message that is an MSI-X entry's: that vector's eventfd, and no request. */
static void
test_same_message(void **state)
{
	struct peer_stash req;

	create(3, 0xffff);
	attach(7, efds[7]);
	entry(7, QD_WINDOW + 0x40, 0x1234, 0);
	assert_int_equal(modify_msg(2, 3, QD_WINDOW + 0x40, 0x1234, 0), 0);
	fire(3);
	fire(3);
	no_request();
	assert_int_equal(events(7), 2);
	assert_int_equal(query(2, 3).messages, 2);
	assert_int_not_equal(stamp(SLOT(3)), 0);
	/* Other data, masked, no eventfd: not that vector's message any more. */
	assert_int_equal(modify_msg(2, 3, QD_WINDOW + 0x40, 0x1235, 0), 0);
	fire(3);
	request_is(&req, QD_WINDOW + 0x40, 0x1235);
	reply(&req, 0);
	assert_int_equal(modify_msg(2, 3, QD_WINDOW + 0x40, 0x1234, 0), 0);
	entry(7, QD_WINDOW + 0x40, 0x1234, 1);
	fire(3);
	request_is(&req, QD_WINDOW + 0x40, 0x1234);
	reply(&req, 0);
	entry(7, QD_WINDOW + 0x40, 0x1234, 0);
	attach(7, -1);
	fire(3);
	request_is(&req, QD_WINDOW + 0x40, 0x1234);
	reply(&req, 0);
	attach(7, efds[6]);
	fire(3);
	no_request();
	assert_int_equal(events(6), 1);
	assert_int_equal(events(7), 0);
}

static void
test_modify_intr(void **state)
{
	struct queue_dev_ctx ctx = eq_ctx(0, 1);

	create(3, 0xffff);
	attach(5, efds[5]);
	assert_int_equal(modify_intr(2, 3, 5), 0);
	fire(3);
	assert_int_equal(events(5), 1);
	assert_int_equal(word(3), 0);
	assert_int_equal(modify_intr(2, 3, 0xffff), 0);
	fire(3);
	assert_int_equal(events(5), 0);
	assert_int_equal(word(3), 4);
	/* An event that is held goes along. */
	assert_int_equal(modify_msg(2, 3, QD_WORDS, 1, MASK), 0);
	fire(3);
	fire(3);
	assert_int_equal(modify_intr(2, 3, 5), 0);
	assert_int_equal(events(5), 1);
	assert_int_equal(ctrl(3), MASK);
	/* Over "none" it stays held. */
	assert_int_equal(modify_intr(2, 3, 0xffff), 0);
	fire(3);
	assert_int_equal(modify_intr(2, 3, 0xfffe), 0);
	assert_int_equal(ctrl(3), MASK | PENDING);
	fire(3);
	assert_int_equal(events(5), 0);
	assert_int_equal(modify_intr(2, 3, 0xffff), 0);
	assert_int_equal(ctrl(3), MASK | PENDING);
	assert_int_equal(modify_intr(2, 3, 5), 0);
	assert_int_equal(events(5), 1);
	/* In the vector it stays: masked there. */
	entry(5, QD_WINDOW, 0, 1);
	fire(3);
	assert_int_equal(modify_intr(2, 3, 0xffff), 0);
	assert_int_equal(ctrl(3), MASK);
	entry(5, QD_WINDOW, 0, 0);
	assert_int_equal(events(5), 1);
	/* An EQ. */
	te_create(&ctx);
	assert_int_equal(modify_intr(1, 0, 5), 0);
	assert_int_equal(query(1, 0).ctx.intr, 5);
	assert_error(0, 0);
}

/* While a request is under way the binding changes: the event that waits goes to the new place. */
static void
test_modify_in_flight(void **state)
{
	struct peer_stash req;

	create(3, 0xffff);
	attach(5, efds[5]);
	assert_int_equal(modify_msg(2, 3, QD_WINDOW, 1, 0), 0);
	fire(3);
	request_is(&req, QD_WINDOW, 1);
	fire(3);
	assert_int_equal(modify_intr(2, 3, 5), 0);
	assert_int_equal(events(5), 0);
	reply(&req, 0);
	assert_int_equal(events(5), 1);
	no_request();
}

/* A queue goes while its request is under way or waits for room: its successor has none of it. */
static void
test_destroy_in_flight(void **state)
{
	struct peer_stash req, req2;

	create(3, 0xffff);
	assert_int_equal(modify_msg(2, 3, QD_WINDOW, 1, 0), 0);
	fire(3);
	request_is(&req, QD_WINDOW, 1);
	fire(3);
	assert_int_equal(cmd_number(0x21, 3), 0);
	create(3, 0xffff);
	assert_int_equal(modify_msg(2, 3, QD_WINDOW + 4, 2, 0), 0);
	reply(&req, EFAULT);
	no_request();
	assert_error(0, 0);
	/* And once more, with an event of the successor's before the answer. */
	fire(3);
	request_is(&req, QD_WINDOW + 4, 2);
	assert_int_equal(cmd_number(0x21, 3), 0);
	create(3, 0xffff);
	assert_int_equal(modify_msg(2, 3, QD_WINDOW + 8, 3, 0), 0);
	fire(3);
	no_request();
	reply(&req, EFAULT);
	request_is(&req2, QD_WINDOW + 8, 3);
	assert_error(0, 0);
	reply(&req2, EFAULT);
	peer_sync(&t.p);
	assert_error(0x20, SLOT(3));
}

static void
test_no_room(void **state)
{
	struct peer_stash req;
	bool seen[300] = { false };
	uint32_t i, n;

	teardown(NULL);
	qd_start_plain("queues=300,eqs=8,subdevs=1");
	for (i = 0; i < 300; i++) {
		struct queue_dev_ctx ctx = queue_ctx(i, 1);

		ctx.msg_addr = QD_WINDOW + 4 * i;
		tq_create(&ctx);
		db_trap(QUEUE_DEV_DB(1, i, 1));
		settle();
		db_trap(QUEUE_DEV_DB(2, i, 0));
	}
	peer_sync(&t.p);
	assert_int_equal(t.p.stash_len, 256);
	/* Of those that wait one is destroyed, one is replaced, one is masked. */
	assert_int_equal(cmd_number(0x21, 270), 0);
	assert_int_equal(cmd_number(0x21, 280), 0);
	create(280, 0xffff);
	assert_int_equal(modify_msg(2, 290, QD_WINDOW, 1, MASK), 0);
	for (n = 0; t.p.stash_len != 0; n++) {
		assert_true(peer_request(&t.p, &req, PEER_TIMEOUT_MS));
		assert_in_range(req.value, 1, 300);
		assert_true(req.acc.addr == QD_WINDOW + 4 * (req.value - 1));
		assert_false(seen[req.value - 1]);
		seen[req.value - 1] = true;
		reply(&req, 0);
		peer_sync(&t.p);
	}
	assert_int_equal(n, 297);
	for (i = 0; i < 300; i++)
		assert_int_equal(seen[i], i != 270 && i != 280 && i != 290);
	assert_int_equal(ctrl(290), MASK | PENDING);
	assert_int_equal(word(280), 0);
	assert_error(0, 0);
	teardown(NULL);
	setup(NULL);
}

static void
test_bus_master(void **state)
{
	create(3, 0xffff);
	create(4, 0xffff);
	create(5, 0xffff);
	assert_int_equal(modify_msg(2, 4, QD_WORDS + 4 * 4, 5, MASK), 0);
	fire(3);
	fire(4);
	assert_int_equal(word(3), 4);
	peer_bus_master(&t.p, false);
	db_trap(QUEUE_DEV_DB(2, 3, 0));
	db_trap(QUEUE_DEV_DB(2, 3, 0));
	db_trap(QUEUE_DEV_DB(2, 4, 0));
	assert_int_equal(word(3), 0);
	peer_bus_master(&t.p, true);
	assert_int_equal(word(3), 4);
	assert_int_equal(word(4) | word(5), 0);
	assert_int_equal(ctrl(3), 0);
	assert_int_equal(ctrl(4), MASK | PENDING);
	peer_bus_master(&t.p, false);
	peer_bus_master(&t.p, true);
	assert_int_equal(word(3) | word(4), 0);
}

static void
test_no_interrupt(void **state)
{
	create(3, 0xfffe);
	fire(3);
	fire(3);
	assert_int_equal(word(3), 0);
	assert_int_equal(query(2, 3).events, 2);
	assert_int_equal(query(2, 3).messages, 0);
	assert_int_equal(stamp(SLOT(3)), 0);
}

/* Message k goes to a place, with a datum, that no other message shares half of. */
static uint64_t
tear_addr(uint32_t k)
{
	return QD_MEM + 0x200000 + 4 * (k % 4096);
}

static _Atomic(uint32_t) *
tear_word(uint32_t k)
{
	return at(tear_addr(k));
}

static atomic_bool tear_stop;

static void *
tear_thread(void *arg)
{
	uint32_t cell = 0;

	while (!atomic_load(&tear_stop)) {
		while (!db_store(1, &cell, QUEUE_DEV_DB(2, 3, 0)))
			sched_yield();
	}
	return NULL;
}

/*
 * Section 6.5. A queue's events come all the time, from another thread; MODIFY_MSG moves its
 * message about. When it is done nothing of the old message comes any more, and never a mixture.
 */
static void
test_tear(void **state)
{
	uint32_t i, k = 1, old, round = 0, moved = 0;
	uint64_t end, last;
	pthread_t thread;

	teardown(NULL);
	qd_start("engine=poll");
	atomic_store(&tear_stop, false);
	create(3, 0xffff);
	db_trap(QUEUE_DEV_DB(1, 3, 1));
	settle();
	reg_set(0x90, 1);
	wait_awake();
	assert_int_equal(modify_msg(2, 3, tear_addr(k), k, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, tear_thread, NULL), 0);
	end = clock_ns() + 500 * MS;
	last = end + 20000 * MS;
	while (clock_ns() < end || (moved <= 5 && clock_ns() < last)) {
		sched_yield(); /* let it come */
		old = k;
		k = (k * 1103515245 + 12345) & 0x7fffffff;
		if (k % 4096 == old % 4096)
			k ^= 1;
		assert_int_equal(modify_msg(2, 3, tear_addr(k), k, round++ % 7 == 0), 0);
		moved += atomic_exchange(tear_word(old), 0) != 0;
		sched_yield();
		assert_int_equal(atomic_load(tear_word(old)), 0);
	}
	atomic_store(&tear_stop, true);
	pthread_join(thread, NULL);
	for (i = 0; i < 4096; i++)
		if (atomic_load(tear_word(i)) != 0)
			assert_int_equal(atomic_load(tear_word(i)) % 4096, i);
	assert_true(moved > 5);
	qd_stop();
	setup(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_own_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_masked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dma_write, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_error_interrupt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vector, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_modify_intr, setup, teardown),
		cmocka_unit_test_setup_teardown(test_modify_in_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(test_destroy_in_flight, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bus_master, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_interrupt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tear, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
