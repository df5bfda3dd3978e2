/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* queue_dev's queues: descriptors, completions, submitting, arming, coalescing, doorbells. */

#include <sched.h>
#include <sys/eventfd.h>

#include "crc32c.h"
#include "qd_peer.h"
#include "ticks.h"

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
check(const struct queue_dev_desc *desc, uint16_t status, uint64_t result)
{
	struct queue_dev_desc with = *desc;
	struct queue_dev_cqe cqe;

	with.cookie = 0xc00c1e0000000000 + q.tail;
	cqe = tq_do(&q, &with);
	assert_true(cqe.cookie == with.cookie);
	assert_int_equal(cqe.status & 0x7fffffff, status);
	assert_true(cqe.result == result);
	assert_int_equal(cqe.queue, 5);
	assert_int_equal(cqe.reserved, 0);
	assert_int_equal(cqe.sq_head, q.tail);
}

static void
test_nop(void **state)
{
	struct queue_dev_desc desc = { .op = 0, .imm = 0x1122334455667788 };
	int i;

	for (i = 0; i < 40; i++) /* round and round */
		check(&desc, 0, desc.imm);
	desc.len = 1;
	check(&desc, 2, 0);
	desc.len = 0;
	desc.src = 1ull << 63;
	check(&desc, 2, 0);
	desc.src = 0;
	desc.dst = 1;
	check(&desc, 2, 0);
	assert_int_equal(query(2, 5).errors, 3);
	assert_int_equal(query(2, 5).completions, 43);
}

static void
test_copy(void **state)
{
	uint64_t from = qd_alloc(0x200000), to = qd_alloc(0x200000);
	struct queue_dev_desc desc = { .op = 1, .len = 1000, .src = from + 3, .dst = to + 1 };
	uint8_t *src = at(from), *dst = at(to);
	uint32_t i;

	for (i = 0; i < 0x200000; i++)
		src[i] = i * 31 + (i >> 8);
	check(&desc, 0, 0);
	assert_memory_equal(dst + 1, src + 3, 1000);
	assert_int_equal(dst[0] | dst[1001], 0);
	/* The longest, and one more. */
	desc = (struct queue_dev_desc){ .op = 1, .len = 0x100000, .src = from, .dst = to };
	check(&desc, 0, 0);
	assert_memory_equal(dst, src, 0x100000);
	assert_int_equal(dst[0x100000], 0);
	desc.len++;
	check(&desc, 3, 0);
	desc.len = 0;
	check(&desc, 3, 0);
	desc.len = UINT32_MAX;
	check(&desc, 3, 0);
	assert_error(0, 0);
}

static void
test_bad_memory(void **state)
{
	static const uint64_t bad[] = { 0, QD_MEM - 1, QD_MEM + QD_MEM_LEN - 99,
		QD_MEM + QD_MEM_LEN, QD_RO - 1, QD_RO + 4096 - 99, QD_NO_FILE, QD_NOWHERE,
		UINT64_MAX, UINT64_MAX - 98, UINT64_MAX - 99, 1ull << 63 };
	struct queue_dev_desc desc;
	uint64_t to = qd_alloc(256);
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		desc = (struct queue_dev_desc){ .op = 1, .len = 100, .src = bad[i], .dst = to };
		check(&desc, 4, 0);
		desc.src = to;
		desc.dst = bad[i];
		check(&desc, 5, 0);
		desc = (struct queue_dev_desc){ .op = 2, .len = 100, .dst = bad[i] };
		check(&desc, 5, 0);
		desc = (struct queue_dev_desc){ .op = 3, .len = 100, .src = bad[i] };
		check(&desc, 4, 0);
	}
	/* Rights, and the ends of maps. */
	desc = (struct queue_dev_desc){
		.op = 1, .len = 100, .src = QD_RO + 4096 - 100, .dst = QD_WO + 4096 - 100
	};
	check(&desc, 0, 0);
	desc.src = QD_WO;
	check(&desc, 4, 0);
	desc.src = QD_RO;
	desc.dst = QD_RO;
	check(&desc, 5, 0);
	desc.src = QD_MEM + QD_MEM_LEN - 100;
	desc.dst = QD_MEM + QD_MEM_LEN - 100;
	check(&desc, 0, 0);
	assert_error(0, 0);
	/* A map that goes while the device is open. */
	assert_int_equal(peer_dma_unmap(&t.p, QD_RO, 4096, 0), 0);
	desc.src = QD_RO;
	desc.dst = to;
	check(&desc, 4, 0);
}

static void
test_fill(void **state)
{
	static const uint8_t pattern[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	uint64_t to = qd_alloc(64);
	struct queue_dev_desc desc = { .op = 2, .dst = to + 5, .imm = 0x0807060504030201 };
	uint8_t *dst = at(to);
	uint32_t i;

	for (desc.len = 1; desc.len < 40; desc.len++) {
		memset(dst, 0, 64);
		check(&desc, 0, 0);
		for (i = 0; i < desc.len; i++)
			assert_int_equal(dst[5 + i], pattern[i % 8]);
		assert_int_equal(dst[4] | dst[5 + desc.len], 0);
	}
	desc.len = 0;
	check(&desc, 3, 0);
	desc.len = 0x100001;
	check(&desc, 3, 0);
	desc.len = 8;
	desc.src = to;
	check(&desc, 2, 0);
}

static void
test_crc32c(void **state)
{
	uint64_t from = qd_alloc(64);
	struct queue_dev_desc desc = { .op = 3, .len = 9, .src = from };

	memcpy(at(from), "123456789", 9);
	check(&desc, 0, 0xe3069283);
	/* In two parts. */
	desc.len = 4;
	check(&desc, 0, 0xf63af4ee);
	desc.imm = 0xf63af4ee;
	desc.src = from + 4;
	desc.len = 5;
	check(&desc, 0, 0xe3069283);
	desc.imm |= 1ull << 32;
	check(&desc, 2, 0);
	desc.imm = 0;
	desc.dst = from;
	check(&desc, 2, 0);
	desc.dst = 0;
	desc.len = 0;
	check(&desc, 3, 0);
}

static void
test_post(void **state)
{
	struct queue_dev_ctx ctx = eq_ctx(2, 1);
	struct queue_dev_desc desc = { .op = 4 };

	te_create(&ctx);
	desc.imm = 2ull << 32 | 5;
	check(&desc, 0, 0);
	assert_int_equal(word(5), 6);
	desc.imm = 1ull << 32 | 2;
	check(&desc, 0, 0);
	assert_int_equal(word(512 + 2), 0x1002);
	assert_int_equal(query(2, 5).events, 1);
	assert_int_equal(query(2, 5).messages, 1);
	desc.imm = 2ull << 32 | 4;
	check(&desc, 6, 0);
	desc.imm = 2ull << 32 | 64;
	check(&desc, 6, 0);
	desc.imm = 1ull << 32 | 8;
	check(&desc, 6, 0);
	desc.imm = 0;
	check(&desc, 6, 0);
	desc.imm = 3ull << 32;
	check(&desc, 6, 0);
	desc.imm = UINT64_MAX;
	check(&desc, 6, 0);
	desc.imm = 2ull << 32 | 5;
	desc.len = 1;
	check(&desc, 2, 0);
}

static void
test_bad_desc(void **state)
{
	struct queue_dev_desc good = { .imm = 7 }, desc;
	uint32_t op;

	for (op = 5; op < 256; op++) {
		desc = good;
		desc.op = op;
		check(&desc, 1, 0);
	}
	for (op = 0; op < 5; op++) {
		desc = good;
		desc.op = op;
		desc.reserved = 0x80;
		check(&desc, 2, 0);
		desc = good;
		desc.op = op;
		desc.reserved2 = 1;
		check(&desc, 2, 0);
		desc = good;
		desc.op = op;
		desc.reserved3[op % 3] = 1ull << 63;
		check(&desc, 2, 0);
	}
	/* A copy has no imm. */
	desc = (struct queue_dev_desc){ .op = 1, .len = 1, .src = QD_MEM, .dst = QD_MEM, .imm = 1 };
	check(&desc, 2, 0);
}

/* Many at a time, a CQ longer than the SQ, and indices that run over. */
static void
test_wrap(void **state)
{
	struct queue_dev_ctx ctx = queue_ctx(7, 2);
	uint32_t i, n, seen = 0;
	struct tq r;

	ctx.cq = qd_alloc(32 << 5);
	ctx.cq_log_size = 5;
	r = tq_create(&ctx);
	/* Both are at a multiple of the rings' sizes, just before the end. */
	vfu_lock(t.d->vfu);
	t.d->queues[7].head = t.d->queues[7].tail = r.tail = UINT32_MAX - 63;
	t.d->queues[7].pi = t.d->queues[7].ci = r.ci = UINT32_MAX - 63;
	vfu_unlock(t.d->vfu);
	memset(r.cq, 0, 32 << 5);
	for (i = 0; i < 32; i++) /* what the pass before has left behind */
		r.cq[i].status = (r.ci & 32) != 0 ? 1u << 31 : 0;
	for (i = 0; i < 100; i++) {
		n = 1 + i % 4;
		tq_nops(&r, n);
		for (; n != 0; n--) {
			struct queue_dev_cqe cqe = tq_next(&r);

			assert_int_equal(cqe.sq_head, r.ci);
			assert_true(cqe.cookie == (uint32_t)(r.ci - 1));
			seen++;
		}
		assert_false(tq_ready(&r));
	}
	assert_true(r.ci < 1000); /* it has run over */
	assert_int_equal(query(2, 7).completions, seen);
	assert_int_equal(query(2, 7).head, r.tail);
	assert_error(0, 0);
}

static void
test_tail_impossible(void **state)
{
	uint64_t db;

	tq_nops(&q, 3);
	tq_next(&q);
	tq_next(&q);
	tq_next(&q);
	db = QUEUE_DEV_DB(1, 5, 3 + 9);
	db_trap(db);
	assert_error(2, db);
	db = QUEUE_DEV_DB(1, 5, 2);
	db_trap(db);
	assert_error(2, db);
	db = QUEUE_DEV_DB(1, 5, 0x80000003);
	db_trap(db);
	assert_error(2, db);
	settle();
	assert_false(tq_ready(&q));
	assert_int_equal(query(2, 5).tail, 3);
	db_trap(QUEUE_DEV_DB(1, 5, 3));
	assert_error(0, 0);
	tq_nops(&q, 8); /* all of it */
	while (q.ci != q.tail)
		tq_next(&q);
	assert_error(0, 0);
	/* Behind the last one, though it is ahead of what is done. */
	peer_bus_master(&t.p, false);
	tq_nops(&q, 5);
	db = QUEUE_DEV_DB(1, 5, q.tail - 2);
	db_trap(db);
	assert_error(2, db);
	db = QUEUE_DEV_DB(1, 5, q.tail + 4);
	db_trap(db);
	assert_error(2, db);
	tq_nops(&q, 3);
	peer_bus_master(&t.p, true);
	while (q.ci != q.tail)
		tq_next(&q);
	assert_error(0, 0);
}

static void
test_doorbell_wrong(void **state)
{
	static const uint64_t wrong[] = { 1, 0, QUEUE_DEV_DB(6, 0, 0), QUEUE_DEV_DB(255, 5, 0),
		QUEUE_DEV_DB(1, 4, 0), QUEUE_DEV_DB(1, 64, 0), QUEUE_DEV_DB(1, 65535, 0),
		QUEUE_DEV_DB(2, 4, 0), QUEUE_DEV_DB(3, 5, 0), QUEUE_DEV_DB(3, 8, 0),
		QUEUE_DEV_DB(4, 0, 0), QUEUE_DEV_DB(5, 1, 0), QUEUE_DEV_DB(5, 0, 1),
		QUEUE_DEV_DB(1, 5, 0) | 1ull << 48, QUEUE_DEV_DB(5, 0, 0) | 1ull << 55,
		UINT64_MAX };
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		db_trap(wrong[i]);
		assert_error(1, wrong[i]);
	}
	/* By halves: high, then low. */
	tq_push(&q, &(struct queue_dev_desc){ 0 });
	reg_set(0x8c, 0x01000005);
	assert_false(tq_ready(&q));
	reg_set(0x88, 1);
	tq_next(&q);
	reg_set(0x88, 1); /* the half that was kept still is */
	assert_error(0, 0);
}

static void
test_arm(void **state)
{
	uint64_t db;

	/* Nothing before it is armed. */
	tq_nops(&q, 2);
	tq_next(&q);
	tq_next(&q);
	settle();
	assert_int_equal(word(5), 0);
	/* Armed with all consumed: the next one, once. */
	tq_arm(&q);
	settle();
	assert_int_equal(word(5), 0);
	assert_int_equal(query(2, 5).flags, 1);
	tq_nops(&q, 2);
	settle();
	assert_int_equal(word(5), 6);
	assert_int_equal(query(2, 5).flags, 0);
	assert_int_equal(query(2, 5).events, 1);
	tq_next(&q);
	/* Armed with one that is not consumed: at once, and not armed. */
	tq_arm(&q);
	settle();
	assert_int_equal(word(5), 6);
	assert_int_equal(query(2, 5).flags, 0);
	assert_int_equal(query(2, 5).ci, 3);
	tq_next(&q);
	tq_arm(&q);
	tq_arm(&q); /* twice is once */
	tq_nops(&q, 1);
	tq_next(&q);
	settle();
	assert_int_equal(word(5), 6);
	tq_nops(&q, 1);
	tq_next(&q);
	settle();
	assert_int_equal(word(5), 0);
	assert_int_equal(query(2, 5).events, 3);
	/* Impossible: ahead, and behind by more than the CQ has. */
	db = QUEUE_DEV_DB(2, 5, q.ci + 1);
	db_trap(db);
	assert_error(2, db);
	tq_nops(&q, 8);
	settle();
	db = QUEUE_DEV_DB(2, 5, q.tail - 9);
	db_trap(db);
	assert_error(2, db);
	assert_int_equal(query(2, 5).flags, 0);
	assert_int_equal(word(5), 0);
	db_trap(QUEUE_DEV_DB(2, 5, q.tail - 8));
	assert_int_equal(word(5), 6);
	assert_error(0, 0);
}

/*
 * The driver's loop: consume, arm, sleep. Whatever the moment, an event comes; the submitting side
 * is another thread, so completions come at any time.
 */
static void *
submit_thread(void *arg)
{
	uint32_t cell = 0, i, sent = 0;

	for (i = 0; i < 3000; i++) {
		/*
		 * Never more than the consumer is done with, which is at least what was armed for.
		 */
		while (sent - atomic_load((_Atomic(uint32_t) *)arg) >= 8)
			sched_yield();
		sent++;
		while (!db_store(1, &cell, QUEUE_DEV_DB(1, 5, sent)))
			sched_yield();
	}
	return NULL;
}

static void
test_arm_race(void **state)
{
	_Atomic(uint32_t) consumed = 0;
	uint32_t events = 0;
	pthread_t thread;

	/*
	 * db_store() writes the doorbell itself only when asleep; keep the socket for one thread.
	 */
	qd_stop();
	qd_start("engine=poll");
	{
		struct queue_dev_ctx ctx = queue_ctx(5, 3);

		q = tq_create(&ctx);
	}
	reg_set(0x90, 1);
	wait_awake();
	tq_arm(&q);
	assert_int_equal(pthread_create(&thread, NULL, submit_thread, &consumed), 0);
	while (q.ci < 3000) {
		assert_true(word_wait(5, 6));
		events++;
		while (tq_ready(&q))
			tq_next(&q);
		atomic_store(&consumed, q.ci);
		while (!db_store(0, &t.cell, QUEUE_DEV_DB(2, 5, q.ci)))
			;
	}
	pthread_join(thread, NULL);
	assert_in_range(events, 1, 3001);
	assert_error(0, 0);
}

static void
coalesce(uint16_t count, uint16_t usec)
{
	struct queue_dev_cmd cmd = {
		.op = 0x22, .number = 5, .what = 2, .coal_count = count, .coal_usec = usec
	};

	assert_int_equal(cmd_do(&cmd), 0);
}

static void
test_coalesce(void **state)
{
	uint64_t began;

	/* By count: long before the time. */
	stretch_time(LONG);
	coalesce(3, 60000);
	tq_arm(&q);
	tq_nops(&q, 2);
	tq_next(&q);
	tq_next(&q);
	settle();
	assert_int_equal(word(5), 0);
	tq_nops(&q, 1);
	tq_next(&q);
	settle();
	assert_int_equal(word(5), 6);
	/* The time of the event before does not run on. */
	assert_int_equal(timers_n(), 0);
	/* By time: after the first one. */
	stretch_time(NORMAL);
	coalesce(3, 20000);
	tq_arm(&q);
	settle();
	began = clock_ns();
	tq_nops(&q, 1);
	assert_true(word_wait(5, 6));
	assert_true(clock_ns() - began >= 20 * MS);
	tq_next(&q);
	/* By time only. */
	coalesce(0, 20000);
	tq_arm(&q);
	began = clock_ns();
	tq_nops(&q, 7);
	assert_true(word_wait(5, 6));
	assert_true(clock_ns() - began >= 20 * MS);
	assert_int_equal(query(2, 5).events, 3);
	/* An old index does not wait. */
	tq_arm(&q);
	settle();
	assert_int_equal(word(5), 6);
	while (q.ci != q.tail)
		tq_next(&q);
	/* A count of 1 does not either. */
	stretch_time(LONG);
	coalesce(1, 60000);
	tq_arm(&q);
	tq_nops(&q, 1);
	tq_next(&q);
	settle();
	assert_int_equal(word(5), 6);
	/* Changed while it waits: by the new values. */
	coalesce(8, 60000);
	tq_arm(&q);
	tq_nops(&q, 2);
	tq_next(&q);
	tq_next(&q);
	settle();
	assert_int_equal(word(5), 0);
	coalesce(3, 60000);
	assert_int_equal(word(5), 0);
	coalesce(2, 60000);
	assert_int_equal(word(5), 6);
	tq_arm(&q);
	tq_nops(&q, 1);
	tq_next(&q);
	settle();
	coalesce(0, 0);
	assert_int_equal(word(5), 6);
	/* Gone with its queue. */
	coalesce(8, 60000);
	tq_arm(&q);
	tq_nops(&q, 1);
	tq_next(&q);
	settle();
	assert_int_equal(timers_n(), 1);
	assert_int_equal(cmd_number(0x21, 5), 0);
	assert_int_equal(timers_n(), 0);
	assert_int_equal(word(5), 0);
}

/* Neither ring can be reached any more: state ERROR, said once. */
static void
ring_gone(bool sq)
{
	struct queue_dev_ctx ctx = queue_ctx(1, 3);
	struct tq r;

	if (sq)
		ctx.ring = QD_RO;
	else
		ctx.cq = QD_WO;
	r = tq_create(&ctx);
	r.sq = t.mem ? at(ctx.ring == QD_RO ? QD_MEM : ctx.ring) : NULL; /* the same file */
	r.cq = at(ctx.cq == QD_WO ? QD_MEM : ctx.cq);
	tq_nops(&r, 1);
	settle();
	assert_int_equal(peer_dma_unmap(&t.p, sq ? QD_RO : QD_WO, 4096, 0), 0);
	tq_nops(&r, 3);
	settle();
	assert_error(0x10, 2ull << 32 | 1);
	assert_int_equal(word(1), 2);
	assert_int_equal(query(2, 1).ctx.state, 2);
	assert_int_equal(query(2, 1).pi, 1);
	tq_nops(&r, 1);
	settle();
	assert_error(0, 0);
	assert_int_equal(word(1), 0);
	/* The others go on, and it can be destroyed. */
	check(&(struct queue_dev_desc){ 0 }, 0, 0);
	assert_int_equal(cmd_number(0x21, 1), 0);
	assert_error(0, 0);
}

static void
test_sq_gone(void **state)
{
	ring_gone(true);
}

static void
test_cq_gone(void **state)
{
	ring_gone(false);
}

/* Other maps come and go: the rings stay where they are. */
static void
test_maps_change(void **state)
{
	uint32_t i;

	for (i = 0; i < 20; i++) {
		check(&(struct queue_dev_desc){ .imm = i }, 0, i);
		assert_int_equal(peer_dma_map(&t.p, 0x5000000000 + i * 4096, 4096, 3, -1, 0), 0);
		check(&(struct queue_dev_desc){ .imm = i }, 0, i);
		if (i % 2 == 0)
			assert_int_equal(peer_dma_unmap(&t.p, 0x5000000000 + i * 4096, 4096, 0), 0);
	}
}

/*
 * Memory as a guest has it: a map per page, in any order of the file's pages. spread() is what the
 * device sees at an IOVA.
 */
#define SPREAD  0x4000000000ull
#define N_PAGES 64u

static uint8_t *
spread_page(uint64_t iova)
{
	uint32_t page = (iova - SPREAD) / 4096;

	return t.mem + QD_MEM_LEN / 2 + page * 29 % N_PAGES * 4096;
}

static void
map_spread(int fd, uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = first; i < first + n; i++)
		assert_int_equal(peer_dma_map(&t.p, SPREAD + i * 4096, 4096, 3, fd,
					 QD_MEM_LEN / 2 + i * 29 % N_PAGES * 4096),
			0);
}

static uint8_t *
spread(uint64_t iova)
{
	return spread_page(iova) + iova % 4096;
}

static void
test_spread(void **state)
{
	uint64_t sq = SPREAD, cq = SPREAD + 16 * 4096, data = SPREAD + 32 * 4096;
	struct queue_dev_ctx ctx = queue_ctx(7, 9); /* 8 pages of descriptors, 4 of completions */
	struct queue_dev_cmd cmd = { .op = 0x32, .kind = 2, .number = 7, .ctx = data + 4096 - 64 };
	struct queue_dev_desc desc = { 0 };
	uint8_t expected[4 * 4096];
	uint32_t i, k;

	assert_true(t.memfd >= 0);
	map_spread(t.memfd, 0, N_PAGES);
	ctx.ring = sq;
	ctx.cq = cq;
	assert_int_equal(cmd_ctx(0x20, &ctx), 0);
	for (i = 0; i < 1500; i++) {
		desc.cookie = i;
		memcpy(spread(sq + i % 512 * 64), &desc, 64);
		if (i % 100 != 99)
			continue;
		db_ring(QUEUE_DEV_DB(1, 7, i + 1));
		for (k = i - 99; k <= i; k++) {
			struct queue_dev_cqe *cqe = (void *)spread(cq + k % 512 * 32);

			while (atomic_load((_Atomic(uint64_t) *)&cqe->sq_head) >> 63 ==
				(k >> 9 & 1))
				sched_yield();
			assert_true(cqe->cookie == k);
			assert_int_equal(cqe->sq_head, k + 1);
		}
	}
	/* Operations over the borders of pages. */
	for (i = 0; i < sizeof(expected); i++) {
		expected[i] = i * 31 + (i >> 8);
		*spread(data + i) = expected[i];
	}
	check(&(struct queue_dev_desc){ .op = 3, .len = sizeof(expected), .src = data }, 0,
		crc32c(0, expected, sizeof(expected)));
	check(&(struct queue_dev_desc){ .op = 3, .len = 5000, .src = data + 4095 }, 0,
		crc32c(0, expected + 4095, 5000));
	check(
		&(struct queue_dev_desc){
			.op = 1, .len = 9000, .src = data + 77, .dst = data + 8 * 4096 + 4000 },
		0, 0);
	for (i = 0; i < 9000; i++)
		assert_int_equal(*spread(data + 8 * 4096 + 4000 + i), expected[77 + i]);
	for (k = 1; k < 20; k++) {
		check(&(struct queue_dev_desc){ .op = 2,
			      .len = 4096 + k,
			      .dst = data + 4096 - k,
			      .imm = 0x0807060504030201 },
			0, 0);
		for (i = 0; i < 4096 + k; i++)
			assert_int_equal(*spread(data + 4096 - k + i), 1 + i % 8);
	}
	/* QUERY's answer, half in one page, half in the next. */
	assert_int_equal(cmd_do(&cmd), 0);
	assert_int_equal(*(uint32_t *)spread(cmd.ctx + 0x38), 7);
	assert_int_equal(*(uint32_t *)spread(cmd.ctx + 0x48), 1500);
	assert_int_equal(*(uint64_t *)spread(cmd.ctx + 0x58), 1500);
	/* A page is missing: no effect at all. */
	assert_int_equal(peer_dma_unmap(&t.p, data + 2 * 4096, 4096, 0), 0);
	memcpy(expected, spread_page(data + 8 * 4096), 4096);
	check(
		&(struct queue_dev_desc){
			.op = 1, .len = 3 * 4096, .src = data, .dst = data + 8 * 4096 },
		4, 0);
	check(
		&(struct queue_dev_desc){
			.op = 1, .len = 3 * 4096, .src = data + 8 * 4096, .dst = data },
		5, 0);
	check(&(struct queue_dev_desc){ .op = 2, .len = 2 * 4096, .dst = data + 4097 }, 5, 0);
	check(&(struct queue_dev_desc){ .op = 3, .len = 2 * 4096, .src = data + 4097 }, 4, 0);
	assert_memory_equal(expected, spread_page(data + 8 * 4096), 4096);
	cmd.ctx = data + 2 * 4096 - 64;
	assert_int_equal(cmd_do(&cmd), 6);
	/* So it is for rings, at the beginning and later. */
	ctx = queue_ctx(8, 9);
	ctx.ring = data;
	ctx.cq = cq;
	assert_int_equal(cmd_ctx(0x20, &ctx), 6);
	ctx.ring = sq;
	ctx.cq = data;
	assert_int_equal(cmd_ctx(0x20, &ctx), 6);
	assert_error(0, 0);
	assert_int_equal(peer_dma_unmap(&t.p, sq + 7 * 4096, 4096, 0), 0);
	db_ring(QUEUE_DEV_DB(1, 7, 1536)); /* the last 64 lie there, of 1472 .. 1535 */
	settle();
	assert_error(0x10, 2ull << 32 | 7);
	assert_int_equal(query(2, 7).pi, 1500);
}

/* A map cuts an entry: it cannot be used; between entries it can. */
static void
test_cut(void **state)
{
	struct queue_dev_ctx ctx = queue_ctx(7, 3);
	struct tq r;
	uint32_t i;

	assert_int_equal(peer_dma_map(&t.p, SPREAD, 4096 + 32, 3, t.memfd, QD_MEM_LEN / 2), 0);
	assert_int_equal(peer_dma_map(&t.p, SPREAD + 4096 + 32, 4096, 3, t.memfd,
				 QD_MEM_LEN / 2 + 4096 + 32),
		0);
	ctx.ring = SPREAD + 4096 - 128;
	assert_int_equal(cmd_ctx(0x20, &ctx), 6);
	ctx = queue_ctx(7, 3);
	ctx.cq = SPREAD + 4096 - 128; /* 5 completions before, 3 behind */
	r = tq_create(&ctx);
	r.cq = at(QD_MEM + QD_MEM_LEN / 2 + 4096 - 128);
	for (i = 0; i < 20; i++) {
		tq_nops(&r, 5);
		while (r.ci != r.tail)
			tq_next(&r);
	}
	assert_error(0, 0);
}

/* What was submitted and not done goes with the queue; a new one of its number begins anew. */
static void
test_destroy_busy(void **state)
{
	struct queue_dev_ctx ctx = queue_ctx(5, 3);
	uint64_t big = qd_alloc(0x200000);
	struct queue_dev_desc copy = {
		.op = 1, .len = 0x100000, .src = big, .dst = big + 0x100000
	};
	uint32_t i, round;

	for (round = 0; round < 20; round++) {
		for (i = 0; i < 8; i++)
			tq_push(&q, &copy);
		tq_ring(&q);
		assert_int_equal(cmd_number(0x21, 5), 0);
		memset(q.cq, 0xff, q.cq_size * 32);
		usleep(100);
		for (i = 0; i < q.cq_size * 32; i++)
			assert_int_equal(((uint8_t *)q.cq)[i], 0xff);
		memset(q.cq, 0, q.cq_size * 32);
		q = tq_create(&ctx);
		tq_arm(&q);
		tq_nops(&q, 1);
		assert_int_equal(tq_next(&q).sq_head, 1);
		assert_true(word_wait(5, 6));
	}
	assert_error(0, 0);
}

/* Every queue has its turn, whatever the others do. */
static void
test_turns(void **state)
{
	uint64_t big = qd_alloc(0x200000);
	struct queue_dev_desc copy = {
		.op = 1, .len = 0x100000, .src = big, .dst = big + 0x100000
	};
	struct queue_dev_ctx ctx = queue_ctx(6, 7);
	struct tq greedy = tq_create(&ctx);
	uint32_t i;

	for (i = 0; i < 128; i++)
		tq_push(&greedy, &copy);
	tq_push(&q, &(struct queue_dev_desc){ 0 });
	/* As the engine does, a batch. */
	vfu_lock(t.d->vfu);
	qd_doorbell(t.d, QUEUE_DEV_DB(1, 6, greedy.tail));
	qd_doorbell(t.d, QUEUE_DEV_DB(1, 5, q.tail));
	qd_work(t.d, 256);
	assert_true(tq_ready(&q));
	assert_in_range(t.d->queues[6].completions, 1, 2);
	vfu_unlock(t.d->vfu);
	db_trap(QUEUE_DEV_DB(5, 0, 0));
	while (greedy.ci != 128)
		tq_next(&greedy);
	assert_int_equal(query(2, 6).completions, 128);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fill, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crc32c, setup, teardown),
		cmocka_unit_test_setup_teardown(test_post, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_desc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tail_impossible, setup, teardown),
		cmocka_unit_test_setup_teardown(test_doorbell_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arm_race, setup, teardown),
		cmocka_unit_test_setup_teardown(test_coalesce, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sq_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cq_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_maps_change, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_destroy_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
