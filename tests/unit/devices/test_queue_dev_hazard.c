/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Hazards of queue_dev, section 10: each happens as often and as late as asked for, and no more. */

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "qd_peer.h"
#include "ticks.h"

#define MASK    1u
#define PENDING 2u

static struct tq q; /* queue 5, SQ and CQ of 8 */

static int
setup(void **state)
{
	struct queue_dev_ctx ctx;

	qd_start("");
	ctx = queue_ctx(5, 3);
	q = tq_create(&ctx);
	return 0;
}

static int
teardown(void **state)
{
	qd_stop();
	return 0;
}

static void
inject(uint32_t kind, uint32_t count, uint32_t usec, uint64_t arg, uint32_t data)
{
	reg_set(0xc0, kind);
	reg_set(0xc8, usec);
	reg64_set(0xd0, arg);
	reg_set(0xd8, data);
	reg_set(0xc4, count);
}

static void
check_inject(uint32_t kind, uint32_t left, uint32_t done)
{
	reg_set(0xc0, kind);
	assert_int_equal(reg(0xc4), left);
	assert_int_equal(reg(0xcc), done);
}

static struct queue_dev_cmd *
post_modify(uint64_t addr, uint32_t data, uint32_t ctrl)
{
	uint64_t iova = QD_MEM + 0x4000 + (t.token % 64) * 64;
	struct queue_dev_ctx ctx = {
		.seq = t.token,
		.msg_addr = addr,
		.msg_data = data,
		.msg_ctrl = ctrl,
		.number = 5,
		.signature = 0x43445102,
	};
	struct queue_dev_cmd cmd = {
		.op = 0x30, .kind = 2, .number = 5, .ctx = iova, .ctx_seq = t.token
	};

	memcpy(at(iova), &ctx, sizeof(ctx));
	return cmd_post(&cmd);
}

static void
wait_done(struct queue_dev_cmd *in_ring, uint32_t status)
{
	uint64_t end = clock_ns() + 20000 * MS;

	while (cmd_poll(in_ring) == UINT32_MAX) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
	assert_int_equal(cmd_poll(in_ring), status);
}

/* An event of queue 5, handled when this returns. */
static void
fire(void)
{
	if (q.tail == 0) {
		tq_nops(&q, 1);
		settle();
	}
	db_trap(QUEUE_DEV_DB(2, 5, 0));
}

static void
test_registers(void **state)
{
	uint32_t kind;

	for (kind = 1; kind <= 13; kind++) {
		check_inject(kind, 0, 0);
		inject(kind, 0, 7, 0x123456789abcdef0, 9);
		check_inject(kind, 0, 0);
	}
	assert_int_equal(reg(0xc8), 7);
	assert_true(reg64(0xd0) == 0x123456789abcdef0);
	assert_int_equal(reg(0xd0), 0x9abcdef0);
	assert_int_equal(reg(0xd4), 0x12345678);
	assert_int_equal(reg(0xd8), 9);
	reg_set(0xd4, 0x77);
	reg_set(0xd0, 0x88);
	assert_true(reg64(0xd0) == 0x7700000088);
	/* Larger than they may be; kinds that are none. */
	inject(1, UINT32_MAX, UINT32_MAX, 0, 0);
	check_inject(1, 1000000, 0);
	assert_int_equal(reg(0xc8), 10000000);
	inject(1, 0, 0, 0, 0);
	for (kind = 0; kind < 3; kind++) {
		inject((uint32_t[]){ 0, 14, UINT32_MAX }[kind], 5, 0, 0, 0);
		assert_int_equal(reg(0xc4), 0);
		assert_int_equal(reg(0xcc), 0);
	}
	/* A reset disarms. */
	inject(2, 5, 0, 0, 0);
	reg_set(0x40, 1);
	check_inject(2, 0, 0);
	assert_error(0, 0);
}

static void
test_delay(void **state)
{
	struct queue_dev_cmd *in_ring, *in_ring2;
	uint64_t began;

	stretch_time(LONG);
	inject(1, 1, 20000, 0, 0);
	in_ring = post_modify(QD_WORDS, 0x11, 0);
	check_inject(1, 0, 1);
	assert_int_equal(cmd_poll(in_ring), UINT32_MAX);
	/* Until then the old message is in force, and others overtake. */
	fire();
	assert_int_equal(word(5), 6);
	assert_int_equal(word(0), 0);
	assert_int_equal(query(2, 5).ctx.msg_data, 6);
	reg_set(0x78, reg(0x78)); /* forgotten by a new command ring */
	t.cmd_tail = 0;
	stretch_time(NORMAL);
	inject(1, 1, 20000, 0, 0);
	began = clock_ns();
	in_ring = post_modify(QD_WORDS, 0x11, 0);
	wait_done(in_ring, 0);
	assert_true(clock_ns() - began >= 20 * MS);
	assert_int_equal(timers_n(), 0);
	fire();
	assert_int_equal(word(5), 0);
	assert_int_equal(word(0), 0x11);
	/* Its context has been used for something else meanwhile: not that command's. */
	stretch_time(LONG);
	inject(1, 1, 50000, 0, 0);
	in_ring = post_modify(QD_WORDS, 0x12, 0);
	((struct queue_dev_ctx *)at(in_ring->ctx))->seq++;
	time_passes();
	wait_done(in_ring, 8);
	/* The object is gone meanwhile. */
	inject(1, 1, 50000, 0, 0);
	in_ring = post_modify(QD_WORDS, 0x13, 0);
	assert_int_equal(cmd_number(0x21, 5), 0);
	time_passes();
	wait_done(in_ring, 3);
	/* Two, of which the second was not to be delayed. */
	inject(1, 1, 5000, 0, 0);
	in_ring = post_modify(QD_WORDS, 0x14, 0);
	in_ring2 = post_modify(QD_WORDS, 0x15, 0);
	wait_done(in_ring2, 3);
	assert_int_equal(cmd_poll(in_ring), UINT32_MAX);
	/* Forgotten by a reset. */
	reg_set(0x40, 1);
	assert_int_equal(timers_n(), 0);
	assert_int_equal(cmd_poll(in_ring), UINT32_MAX);
	assert_error(0, 0);
}

/* The command ring's memory goes before the command is done. */
static void
test_delay_ring_gone(void **state)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	struct queue_dev_cmd *ring;

	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(peer_dma_map(&t.p, 0x300000000, 4096, 3, fd, 0), 0);
	ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(ring != MAP_FAILED);
	close(fd);
	reg64_set(0x70, 0x300000000);
	reg_set(0x78, 1 | 4 << 8);
	stretch_time(LONG);
	inject(1, 2, 30000, 0, 0);
	ring[0] = (struct queue_dev_cmd){
		.op = 0x30, .kind = 2, .number = 5, .ctx = QD_MEM, .token = 1
	};
	ring[1] = ring[0];
	reg_set(0x7c, 2);
	assert_int_equal(peer_dma_unmap(&t.p, 0x300000000, 4096, 0), 0);
	time_passes();
	assert_error(8, 0x300000000);
	assert_int_equal(reg(0x78), 0);
	assert_true(ring[0].done == 0 && ring[1].done == 0);
	munmap(ring, 4096);
}

static void
test_fail(void **state)
{
	inject(2, 2, 0, 0, 0);
	wait_done(post_modify(QD_WORDS, 0x11, 0), 13);
	assert_int_equal(query(2, 5).ctx.msg_data, 6);
	wait_done(post_modify(QD_WORDS, 0x12, MASK), 13);
	fire();
	assert_int_equal(word(5), 6);
	wait_done(post_modify(QD_WORDS, 0x13, 0), 0);
	check_inject(2, 0, 2);
	fire();
	assert_int_equal(word(0), 0x13);
}

static void
test_drop(void **state)
{
	struct queue_dev_cmd *in_ring;
	struct queue_dev_cmd nop = { 0 };

	inject(3, 1, 0, 0, 0);
	in_ring = post_modify(QD_WORDS, 0x11, 0);
	assert_int_equal(cmd_do(&nop), 0); /* life goes on */
	assert_int_equal(cmd_poll(in_ring), UINT32_MAX);
	assert_int_equal(query(2, 5).ctx.msg_data, 6);
	inject(3, 1, 0, 1, 0); /* with its effect */
	in_ring = post_modify(QD_WORDS, 0x12, 0);
	assert_int_equal(query(2, 5).ctx.msg_data, 0x12);
	assert_int_equal(cmd_poll(in_ring), UINT32_MAX);
	check_inject(3, 0, 2);
	wait_done(post_modify(QD_WORDS, 0x13, 0), 0);
	assert_int_equal(cmd_poll(in_ring), UINT32_MAX);
}

/* Which command it happens to: the one that is named, or any; others are left alone. */
static void
test_which_command(void **state)
{
	static const uint8_t ops[] = { 0x01, 0x02, 0x10, 0x11, 0x12, 0x20, 0x21, 0x22, 0x30, 0x32 };
	struct queue_dev_cmd nop = { 0 }, add = { .op = 0x01, .number = 2 }, *in_ring;
	struct queue_dev_cmd del = { .op = 0x02, .number = 2 };
	unsigned int i;

	for (i = 0; i < sizeof(ops); i++) {
		inject(2, 1, 0, 0, ops[i]);
		assert_int_equal(cmd_do(&nop), 0);
		check_inject(2, 1, i);
		in_ring = cmd_post(&(struct queue_dev_cmd){ .op = ops[i], .number = 77 });
		assert_int_equal(cmd_poll(in_ring), 13);
		check_inject(2, 0, i + 1);
	}
	inject(2, 1, 0, 0, 0xff);
	assert_int_equal(cmd_do(&nop), 13);
	inject(3, 1, 0, 0, 0x01); /* without its effect */
	in_ring = cmd_post(&add);
	assert_int_equal(cmd_do(&del), 3);
	assert_int_equal(cmd_poll(in_ring), UINT32_MAX);
	inject(3, 1, 0, 1, 0x01); /* and with it */
	in_ring = cmd_post(&add);
	assert_int_equal(cmd_do(&del), 0);
	assert_int_equal(cmd_poll(in_ring), UINT32_MAX);
	stretch_time(LONG);
	inject(1, 1, 20000, 0, 0x01);
	in_ring = cmd_post(&add);
	assert_int_equal(cmd_do(&del), 3);
	time_passes();
	wait_done(in_ring, 0);
	assert_int_equal(cmd_do(&del), 0);
	/* A selector that is no command's: it waits for ever. */
	inject(3, 1, 0, 0, 0x77);
	assert_int_equal(cmd_do(&nop), 0);
	wait_done(post_modify(QD_WORDS, 0x11, 0), 0);
	check_inject(3, 1, 2);
	assert_error(0, 0);
}

static void
test_reorder(void **state)
{
	struct queue_dev_cmd cmd = { .op = 0x01, .number = 3 }, *first, *second;
	uint64_t began;

	/* Create waits for destroy, which then finds nothing. */
	stretch_time(LONG);
	inject(4, 1, 1000000, 0, 0);
	first = cmd_post(&cmd);
	assert_int_equal(cmd_poll(first), UINT32_MAX);
	cmd.op = 0x02;
	second = cmd_post(&cmd);
	assert_int_equal(cmd_poll(second), 3);
	assert_int_equal(cmd_poll(first), 0);
	/* Nobody follows. */
	stretch_time(NORMAL);
	inject(4, 1, 10000, 0, 0);
	began = clock_ns();
	first = cmd_post(&cmd);
	wait_done(first, 0);
	assert_true(clock_ns() - began >= 10 * MS);
	/* Twice, in one go of four. */
	inject(4, 2, 1000000, 0, 0);
	{
		struct queue_dev_cmd *ring = at(QD_MEM + 0x8000), *in_ring[4];
		uint32_t i;

		for (i = 0; i < 4; i++) {
			in_ring[i] = &ring[t.cmd_tail++ % 256];
			*in_ring[i] = (struct queue_dev_cmd){
				.op = i % 2 == 0 ? 0x01 : 0x02, .number = 4, .token = t.token++
			};
		}
		reg_set(0x7c, t.cmd_tail);
		assert_int_equal(cmd_poll(in_ring[1]), 3);
		assert_int_equal(cmd_poll(in_ring[0]), 0);
		assert_int_equal(cmd_poll(in_ring[3]), 0);
		assert_int_equal(cmd_poll(in_ring[2]), 0);
	}
	check_inject(4, 0, 4);
	assert_error(0, 0);
}

static void
test_late(void **state)
{
	uint64_t began;

	inject(5, 1, 10000, 0, 0);
	began = clock_ns();
	wait_done(post_modify(QD_WORDS, 0x11, 0), 0);
	fire();
	assert_int_equal(word(0), 0x11);
	assert_true(word_wait(5, 6)); /* the old one, once more */
	assert_true(clock_ns() - began >= 10 * MS);
	usleep(15000);
	assert_int_equal(word(5) | word(0), 0);
	check_inject(5, 0, 1);
	/* One that was masked has nothing to say. */
	wait_done(post_modify(QD_WORDS, 0x11, MASK), 0);
	inject(5, 1, 0, 0, 0);
	wait_done(post_modify(QD_WORDS + 4, 0x12, 0), 0);
	usleep(2000);
	assert_int_equal(word(0), 0);
	check_inject(5, 1, 1);
}

static void
test_twice(void **state)
{
	struct peer_stash req;

	inject(6, 1, 0, 0, 0);
	fire();
	assert_int_equal(qd_stats().msgs_memory, 2);
	fire();
	assert_int_equal(qd_stats().msgs_memory, 3);
	check_inject(6, 0, 1);
	/* By request: one after the other. */
	wait_done(post_modify(QD_WINDOW, 0x11, 0), 0);
	inject(6, 1, 0, 0, 0);
	fire();
	assert_true(peer_request(&t.p, &req, PEER_TIMEOUT_MS));
	peer_sync(&t.p);
	assert_int_equal(t.p.stash_len, 0);
	peer_reply(&t.p, req.hdr.id, VFIO_USER_DMA_WRITE, 0, &req.acc, sizeof(req.acc));
	assert_true(peer_request(&t.p, &req, PEER_TIMEOUT_MS));
	assert_int_equal(req.value, 0x11);
	peer_reply(&t.p, req.hdr.id, VFIO_USER_DMA_WRITE, 0, &req.acc, sizeof(req.acc));
	peer_sync(&t.p);
	assert_int_equal(t.p.stash_len, 0);
}

static void
test_torn(void **state)
{
	inject(7, 1, 0, 0, 0);
	wait_done(post_modify(QD_WORDS, 0x11, 0), 0);
	assert_int_equal(word(5), 0x11); /* old address, new data */
	assert_int_equal(word(0), 0);
	check_inject(7, 0, 1);
	/* Not if it is masked first. */
	inject(7, 1, 0, 0, 0);
	wait_done(post_modify(QD_WORDS, 0x11, MASK), 0);
	wait_done(post_modify(QD_WORDS + 4, 0x12, 0), 0);
	assert_int_equal(word(0) | word(1), 0);
	check_inject(7, 1, 1);
}

static void
test_stray(void **state)
{
	struct peer_stash req;
	uint64_t began = clock_ns();

	inject(8, 3, 5000, QD_WORDS + 4 * 200, 0x5757);
	/* Counted: the word merges them while we do not run. */
	wait_timers();
	assert_true(clock_ns() - began >= 15 * MS);
	assert_int_equal(qd_stats().msgs_memory, 3);
	assert_int_equal(word(200), 0x5757);
	usleep(10000);
	assert_int_equal(word(200), 0);
	assert_int_equal(qd_stats().msgs_memory, 3);
	check_inject(8, 0, 3);
	/* To a handle of nobody's; refused, nobody is told. */
	inject(8, 1, 0, QD_WINDOW + 0x1f0, 3);
	assert_true(peer_request(&t.p, &req, PEER_TIMEOUT_MS));
	assert_true(req.acc.addr == QD_WINDOW + 0x1f0);
	peer_reply(&t.p, req.hdr.id, VFIO_USER_DMA_WRITE, EFAULT, NULL, 0);
	peer_sync(&t.p);
	assert_error(0, 0);
	assert_int_equal(qd_stats().msgs_faulted, 1);
	/* Disarmed before it happens; armed anew, once. */
	stretch_time(LONG);
	inject(8, 1000, 3000, QD_WORDS, 1);
	inject(8, 0, 0, 0, 0);
	assert_int_equal(timers_n(), 0);
	stretch_time(NORMAL);
	inject(8, 1, 3000, QD_WORDS + 4, 2);
	assert_true(word_wait(1, 2));
	usleep(10000);
	assert_int_equal(word(0) | word(1), 0);
	/* Nowhere at all while there is no bus mastering. */
	peer_bus_master(&t.p, false);
	inject(8, 1, 0, QD_WORDS, 1);
	wait_timers();
	peer_bus_master(&t.p, true);
	assert_int_equal(word(0), 0);
	check_inject(8, 0, 6);
}

static void
attach(uint32_t vector, int fd)
{
	assert_int_equal(
		peer_set_irqs(&t.p, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			VFIO_PCI_MSIX_IRQ_INDEX, vector, 1, NULL, 0, &fd, 1),
		0);
}

static void
test_reset(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	uint64_t n;

	attach(0, fd);
	assert_int_equal(reg(0x48), 0);
	inject(9, 1, 5000, 0, 0);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n)); /* waits for it */
	assert_int_equal(reg(0x48), 1);
	assert_int_equal(*(uint32_t *)(t.bar + 0x1040), 1);
	assert_error(0x80, 0);
	assert_int_equal(reg(0x78), 0);
	check_inject(9, 0, 0);
	qd_again();
	assert_int_equal(cmd_number(0x21, 5), 3);
	/* Without MSI-X nothing tells: slot 0 is masked after a reset. */
	reg_set(0x4c, 1);
	assert_int_equal(modify_msg(0, 0, QD_WORDS, 0xe0, 0), 0);
	inject(9, 1, 0, 0, 0);
	while (reg(0x48) == 1)
		;
	assert_int_equal(word(0), 0);
	assert_int_equal(reg(0x50), 0x80);
	close(fd);
}

static void
test_halt(void **state)
{
	struct queue_dev_cmd nop = { 0 }, *in_ring;
	int fd = eventfd(0, EFD_CLOEXEC);
	struct peer_stash req;
	uint64_t n;

	attach(0, fd);
	fire();
	assert_int_equal(word(5), 6);
	/* A request is under way, and has another event to follow. */
	assert_int_equal(modify_msg(2, 5, QD_WINDOW, 1, 0), 0);
	fire();
	fire();
	assert_true(peer_request(&t.p, &req, PEER_TIMEOUT_MS));
	inject(10, 1, 3000, 0, 0);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	peer_reply(&t.p, req.hdr.id, VFIO_USER_DMA_WRITE, 0, &req.acc, sizeof(req.acc));
	peer_sync(&t.p);
	assert_int_equal(t.p.stash_len, 0);
	assert_int_equal(reg(0x44), 1);
	assert_int_equal(*(uint32_t *)(t.bar + 0x1044), 1);
	assert_error(0x40, 0);
	/* Nothing is taken or done. */
	tq_next(&q);
	tq_push(&q, &(struct queue_dev_desc){ 0 });
	assert_true(db_store(0, &t.cell, QUEUE_DEV_DB(1, 5, 2)) || true);
	db_trap(QUEUE_DEV_DB(1, 5, 2));
	db_trap(QUEUE_DEV_DB(2, 5, 0));
	in_ring = cmd_post(&nop);
	usleep(5000);
	assert_false(tq_ready(&q));
	assert_int_equal(cmd_poll(in_ring), UINT32_MAX);
	assert_int_equal(word(5), 0);
	reg_set(0x90, 5);
	assert_true(reg64(0x98) == 0);
	inject(8, 1, 0, QD_WORDS, 1);
	peer_bus_master(&t.p, false);
	peer_bus_master(&t.p, true);
	usleep(2000);
	assert_int_equal(word(0) | word(5), 0);
	assert_error(0, 0);
	/* Registers can be read, and it takes no CPU; a reset helps. */
	assert_int_equal(reg(0x00), 0x56454451);
	reg_set(0x4c, 1);
	assert_int_equal(reg(0x4c), 1);
	reg_set(0x40, 1);
	assert_int_equal(reg(0x44), 0);
	assert_int_equal(*(uint32_t *)(t.bar + 0x1044), 0);
	qd_again();
	assert_int_equal(cmd_do(&nop), 0);
	close(fd);
}

static void
test_eqe_bogus(void **state)
{
	struct queue_dev_cmd cmd = { .op = 0x22, .number = 5, .what = 1, .eqn = 1 };
	struct queue_dev_ctx ctx = eq_ctx(1, 2);
	struct te e = te_create(&ctx);
	struct queue_dev_eqe eqe;
	uint32_t i;

	assert_int_equal(cmd_do(&cmd), 0);
	inject(11, 1, 0, 0x7abcdeadbeefull, 0);
	fire();
	eqe = te_next(&e);
	assert_int_equal(eqe.queue, 0xdeadbeef);
	assert_int_equal(eqe.subdev, 0x7abc);
	assert_int_equal(eqe.type, 1);
	eqe = te_next(&e);
	assert_int_equal(eqe.queue, 5);
	check_inject(11, 0, 1);
	te_consumed(&e);
	settle();
	assert_int_equal(query(1, 1).queues, 1);
	/* Never into the place of a queue: the ring of 4 has room for 3 of them. */
	inject(11, 100, 0, 6, 0);
	for (i = 0; i < 10; i++)
		fire();
	assert_int_equal(query(1, 1).queues, 2);
	assert_int_equal(te_next(&e).queue, 6);
	assert_int_equal(te_next(&e).queue, 5);
	settle();
	assert_false(te_ready(&e));
	for (i = 0; i < 5; i++) {
		/*
		 * What was consumed makes room; the deferred one follows, with another bogus one.
		 */
		te_consumed(&e);
		settle();
		assert_int_equal(te_next(&e).queue, 6);
		assert_int_equal(te_next(&e).queue, 5);
		fire();
		settle();
	}
	assert_error(0, 0);
	/* With all places taken: none. */
	inject(11, 100, 0, 6, 0);
	for (i = 0; i < 3; i++) {
		ctx = queue_ctx(10 + i, 1);
		ctx.eqn = 1;
		while (cmd_ctx(0x20, &ctx) != 0) {
			while (te_ready(&e))
				te_next(&e);
			te_consumed(&e);
			settle();
		}
	}
	for (i = 0; i < 5; i++)
		fire();
	assert_true(query(1, 1).pi - query(1, 1).ci <= 4);
	assert_true(query(1, 1).queues <= 4);
}

static void
test_cqe_bogus(void **state)
{
	struct queue_dev_cqe cqe;

	inject(12, 2, 0, 0, 1000);
	tq_nops(&q, 3);
	assert_int_equal(tq_next(&q).sq_head, 1001);
	assert_int_equal(tq_next(&q).sq_head, 1002);
	cqe = tq_next(&q);
	assert_int_equal(cqe.sq_head, 3);
	check_inject(12, 0, 2);
	inject(12, 1, 0, 0, UINT32_MAX);
	tq_nops(&q, 1);
	assert_int_equal(tq_next(&q).sq_head, 3);
}

static void
test_arm_late(void **state)
{
	struct queue_dev_ctx ctx = eq_ctx(1, 2);
	struct te e = te_create(&ctx);
	uint64_t began;

	stretch_time(LONG);
	inject(13, 2, 20000, 0, 0);
	tq_arm(&q);
	te_arm(&e);
	settle();
	assert_int_equal(query(2, 5).flags, 0);
	assert_int_equal(query(1, 1).flags, 0);
	tq_nops(&q, 1);
	tq_next(&q);
	settle();
	assert_int_equal(word(5), 0);
	/* The arm finds it when it takes effect; the EQ is armed. */
	time_passes();
	assert_int_equal(word(5), 6);
	assert_int_equal(query(2, 5).flags, 0);
	assert_int_equal(query(1, 1).flags, 1);
	/* Not before its time. */
	stretch_time(NORMAL);
	inject(13, 1, 20000, 0, 0);
	began = clock_ns();
	db_ring(QUEUE_DEV_DB(2, 5, 0));
	assert_true(word_wait(5, 6));
	assert_true(clock_ns() - began >= 20 * MS);
	check_inject(13, 0, 3);
	/* Its object goes meanwhile. */
	stretch_time(LONG);
	inject(13, 1, 100000, 0, 0);
	tq_arm(&q);
	settle();
	assert_int_equal(cmd_number(0x21, 5), 0);
	assert_error(0, 0);
	time_passes();
	assert_error(1, QUEUE_DEV_DB(2, 5, 1));
}

/* More is put off than there is room for: what does not fit happens at once. */
static void
test_too_much(void **state)
{
	uint32_t i;

	stretch_time(LONG);
	inject(13, 5000, 5000000, 0, 0);
	for (i = 0; i < 3000; i++)
		db_trap(QUEUE_DEV_DB(2, 5, 0));
	assert_int_equal(query(2, 5).flags, 1);
	reg_set(0x40, 1);
	qd_again();
	assert_int_equal(timers_n(), 0);
	assert_error(0, 0);
}

/* A model that was not told to is not armed. */
static void
test_without(void **state)
{
	uint32_t kind;

	teardown(NULL);
	qd_start("inject=0");
	for (kind = 1; kind <= 13; kind++)
		inject(kind, 5, 0, QD_WORDS, 7);
	usleep(2000);
	assert_int_equal(reg(0xc0) | reg(0xc4) | reg(0xc8) | reg(0xcc) | reg(0xd0) | reg(0xd8), 0);
	assert_int_equal(reg(0x44) | reg(0x48) | word(0), 0);
	assert_error(0, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_delay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_delay_ring_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_which_command, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reorder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stray, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_halt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eqe_bogus, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cqe_bogus, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arm_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_much, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
