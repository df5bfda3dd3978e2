/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* queue_dev with all its queues, and with a driver that has gone mad. */

#include <float.h>
#include <sched.h>
#include <stdio.h>

#include <linux/pci_regs.h>

#include "qd_peer.h"
#include "ticks.h"

#define N_QUEUES  16384u
#define N_SUBDEVS 1024u
#define N_EQS     256u

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SLOW 1
#else
#define SLOW 0
#endif

static struct tq queues[N_QUEUES];
static struct te eqs[N_EQS];

static void
check_eq(const struct queue_dev *d, uint32_t eqn, uint32_t attached)
{
	const struct qd_eq *eq = &d->eqs[eqn];
	uint32_t i, orphans = 0, bogus = 0, size = 1u << eq->log;

	if (eq->state == 0) {
		assert_null(eq->owner);
		assert_int_equal(attached, 0);
		return;
	}
	assert_int_equal(eq->attached, attached);
	assert_true(eq->attached + eq->orphans + eq->bogus <= size);
	assert_true(eq->pi - eq->ci <= size);
	for (i = eq->ci; i != eq->pi; i++) {
		uint16_t owner = eq->owner[i & (size - 1)];

		if (owner == QD_ORPHAN) {
			orphans++;
		} else if (owner == QD_BOGUS) {
			bogus++;
		} else {
			assert_true(owner < d->n_queues);
			assert_int_equal(d->queues[owner].eqn, eqn);
			assert_true(d->queues[owner].outstanding);
			assert_int_equal(d->queues[owner].eqe_at, i);
		}
	}
	assert_int_equal(eq->orphans, orphans);
	assert_int_equal(eq->bogus, bogus);
}

static void
check_lists(const struct queue_dev *d)
{
	uint32_t i, qn, n = 0, listed = 0, there = 0, prev;

	for (qn = d->run_first; qn != QD_NONE; qn = d->queues[qn].next_run) {
		assert_true(d->queues[qn].listed);
		assert_true(++n <= d->n_queues);
		if (d->queues[qn].next_run == QD_NONE)
			assert_int_equal(d->run_last, qn);
	}
	for (i = 0; i < d->n_queues; i++) {
		listed += d->queues[i].listed;
		there += d->queues[i].state != 0;
	}
	assert_int_equal(listed, n);
	for (i = 0, n = 0; i <= d->n_subdevs; i++) {
		if (!d->subdevs[i].there)
			assert_int_equal(d->subdevs[i].first, QD_NONE);
		prev = QD_NONE;
		for (qn = d->subdevs[i].first; qn != QD_NONE; qn = d->queues[qn].next) {
			assert_int_equal(d->queues[qn].subdev, i);
			assert_int_equal(d->queues[qn].prev, prev);
			assert_true(d->queues[qn].state != 0);
			assert_true(++n <= there);
			prev = qn;
		}
	}
	assert_int_equal(n, there);
}

static const struct qd_notify *
notify_of(const struct queue_dev *d, uint32_t slot)
{
	return slot - 2 < d->n_eqs ? &d->eqs[slot - 2].notify
	                           : &d->queues[slot - 2 - d->n_eqs].notify;
}

static void
check_timers(const struct queue_dev *d)
{
	uint32_t i, timer;

	for (i = 0; i < d->heap.n; i++) {
		timer = d->heap.order[i];
		assert_int_equal(d->heap.place[timer], i);
		if (timer >= d->n_slots)
			assert_true(d->actions[timer - d->n_slots].kind != QD_ACTION_FREE);
		else
			assert_true(timer >= 2 &&
				    (notify_of(d, timer)->armed || notify_of(d, timer)->always));
	}
	assert_true(atomic_load(&d->deadline) == timer_heap_next(&d->heap));
}

/* The model's state makes sense. */
static void
check_model(void)
{
	struct queue_dev *d = t.d;
	static uint32_t attached[N_EQS];
	uint32_t i;

	memset(attached, 0, sizeof(attached));
	vfu_lock(d->vfu);
	for (i = 0; i < d->n_queues; i++) {
		const struct qd_queue *q = &d->queues[i];

		if (q->state == 0) {
			assert_int_equal(d->intrs[qd_slot_queue(d, i)].intr, 0xfffe);
			assert_false(d->intrs[qd_slot_queue(d, i)].pending);
			continue;
		}
		assert_true(q->tail - q->head <= 1u << q->sq_log);
		assert_true(q->eqn == 0xffff || q->eqn < d->n_eqs);
		if (q->eqn != 0xffff)
			attached[q->eqn]++;
		else
			assert_false(q->outstanding);
	}
	for (i = 0; i < d->n_eqs; i++)
		check_eq(d, i, attached[i]);
	check_lists(d);
	check_timers(d);
	vfu_unlock(d->vfu);
}

/* Everything there is, by batches of commands: two per queue. */
static void
create_all(void)
{
	struct queue_dev_ctx ctx;
	uint32_t i;

	for (i = 1; i <= N_SUBDEVS; i++)
		assert_int_equal(cmd_number(0x01, i), 0);
	for (i = 0; i < N_EQS; i++) {
		ctx = eq_ctx(i, 6);
		ctx.msg_addr = QD_MEM + 0x20000 + 4 * i;
		eqs[i] = te_create(&ctx);
	}
	for (i = 0; i < N_QUEUES; i++) {
		ctx = queue_ctx(i, 1);
		ctx.msg_addr = QD_MEM + 0x30000 + 4 * i;
		ctx.eqn = i % N_EQS;
		ctx.subdev = 1 + i % N_SUBDEVS;
		queues[i] = tq_create(&ctx);
	}
}

static void
test_all(void **state)
{
	struct queue_dev_ctx ctx;
	struct queue_dev_eqe eqe;
	uint32_t i, k;

	qd_start_plain("msix=2048");
	qd_alloc(0x40000); /* messages */
	create_all();
	check_model();
	ctx = queue_ctx(0, 1);
	assert_int_equal(cmd_ctx(0x20, &ctx), 4);
	ctx.number = N_QUEUES;
	assert_int_equal(cmd_ctx(0x20, &ctx), 3);
	assert_int_equal(query(1, 255).queues, 64);
	for (i = 0; i < N_EQS; i++)
		te_arm(&eqs[i]);
	for (i = 0; i < N_QUEUES; i++)
		tq_arm(&queues[i]);
	for (i = 0; i < N_QUEUES; i++)
		tq_nops(&queues[i], 1);
	for (i = 0; i < N_QUEUES; i++)
		assert_int_equal(tq_next(&queues[i]).queue, i);
	settle();
	for (i = 0; i < N_EQS; i++) {
		assert_int_equal(*(uint32_t *)at(QD_MEM + 0x20000 + 4 * i), 0x1000 + i);
		for (k = 0; k < 64; k++) {
			eqe = te_next(&eqs[i]);
			assert_int_equal(eqe.queue % N_EQS, i);
			assert_int_equal(eqe.subdev, 1 + eqe.queue % N_SUBDEVS);
		}
		assert_false(te_ready(&eqs[i]));
	}
	assert_error(0, 0);
	check_model();
	/* A sub-device takes its 16 queues with it, a reset the rest. */
	assert_int_equal(cmd_number(0x02, 5), 0);
	assert_int_equal(cmd_number(0x21, 4), 3);
	assert_int_equal(cmd_number(0x21, 5), 0);
	check_model();
	reg_set(0x40, 1);
	check_model();
	qd_again();
	qd_alloc(0x40000);
	create_all();
	check_model();
	qd_stop();
}

/*
 * What nops of one queue take, in ns each: the best of several goes, and of more while that is more
 * than `enough` and others may have had the CPU.
 */
static double
cost(struct tq *q, double enough)
{
	uint64_t began, ns, best = UINT64_MAX, end = clock_ns() + 10000 * MS;
	const struct queue_dev_desc nop = { 0 };
	uint32_t i, k;

	for (i = 0; i < 40 || ((double)best / q->size > enough && clock_ns() < end); i++) {
		for (k = 0; k < q->size; k++)
			tq_push(q, &nop);
		began = clock_ns();
		tq_ring(q);
		while (!tq_ready(
			&(struct tq){ .ci = q->tail - 1, .cq_size = q->cq_size, .cq = q->cq }))
			if (clock_ns() - began > 20000 * MS)
				fail_msg("no completion");
		ns = clock_ns() - began;
		best = ns < best ? ns : best;
		q->ci = q->tail;
	}
	return (double)best / q->size;
}

/* Queues that are idle cost nothing, armed or not. */
static void
test_idle_queues(void **state)
{
	struct queue_dev_ctx ctx;
	double alone, among;
	struct tq q;
	uint32_t i;

	qd_start_plain("idle_us=1000");
	ctx = queue_ctx(0, 12);
	q = tq_create(&ctx);
	alone = cost(&q, DBL_MAX);
	for (i = 1; i < N_QUEUES; i++) {
		ctx = queue_ctx(i, 1);
		queues[i] = tq_create(&ctx);
		tq_arm(&queues[i]);
	}
	among = cost(&q, 3 * alone + 50);
	print_message("nop: %.1f ns with 1 queue, %.1f ns with %u\n", alone, among, N_QUEUES);
	if (!SLOW)
		assert_true(among < 3 * alone + 50);
	qd_stop();
}

static uint64_t seed;

static uint64_t
rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t
rnd_iova(void)
{
	static const uint64_t some[] = { QD_RO, QD_WO, QD_NO_FILE, QD_NOWHERE, 0, UINT64_MAX,
		QD_WINDOW, QD_MEM + QD_MEM_LEN - 64 };

	switch (rnd() % 32) {
	case 0:
		return some[rnd() % 8] + rnd() % 4096;
	case 1:
		return rnd();
	case 2:
		return QD_MEM + rnd() % QD_MEM_LEN;
	case 3:
	case 4:
		return QD_WINDOW + rnd() % 64 * 4;
	default:
		return QD_MEM + 0x100000 + rnd() % 0x1000 * 64; /* aligned, and no harm */
	}
}

/* Mostly of what is there, sometimes not. */
static uint32_t
rnd_number(void)
{
	switch (rnd() % 16) {
	case 0:
		return rnd();
	case 1:
		return rnd() % 80;
	default:
		return rnd() % 8;
	}
}

static uint16_t
rnd16(uint16_t special, uint16_t max)
{
	uint32_t r = rnd() % 8;

	return r == 0 ? rnd() : r < 3 ? special : rnd() % max;
}

static void
rnd_ctx(uint64_t iova, uint32_t number, uint32_t kind)
{
	struct queue_dev_ctx *ctx = at(iova);

	*ctx = (struct queue_dev_ctx){
		.flags = rnd() % 4 == 0 ? rnd() % 3 : 0,
		.state = rnd(),
		.seq = 7,
		.msg_addr = rnd_iova() & ~3ull,
		.msg_data = rnd(),
		.msg_ctrl = rnd() % 3,
		.ring = rnd_iova() & ~63ull,
		.cq = kind == 1 ? 0 : rnd_iova() & ~63ull,
		.log_size = 1 + rnd() % 5,
		.cq_log_size = kind == 1 ? 0 : 1 + rnd() % 8,
		.intr = rnd16(0xffff, 20),
		.eqn = kind == 1 ? 0 : rnd16(0xffff, 8),
		.subdev = kind == 1 ? 0 : rnd() % 4,
		.coal_count = rnd() % 4,
		.coal_usec = rnd() % 300,
		.number = number,
		.signature = 0x43445100 + kind,
	};
	if (rnd() % 16 == 0)
		((uint8_t *)ctx)[rnd() % 64] = rnd();
}

static void
rnd_cmd(void)
{
	static const uint8_t ops[] = { 0x00, 0x01, 0x02, 0x10, 0x11, 0x12, 0x12, 0x20, 0x20, 0x20,
		0x20, 0x20, 0x21, 0x22, 0x22, 0x22, 0x30, 0x30, 0x30, 0x30, 0x31, 0x31, 0x32 };
	struct queue_dev_cmd *cmd =
		(struct queue_dev_cmd *)at(QD_MEM + 0x8000) + t.cmd_tail++ % 256;
	uint64_t iova = QD_MEM + 0x4000 + rnd() % 64 * 64;
	uint32_t i;

	*cmd = (struct queue_dev_cmd){
		.op = ops[rnd() % sizeof(ops)],
		.flags = rnd() % 2,
		.number = rnd_number(),
		.token = t.token++,
	};
	if (cmd->op >= 0x30)
		cmd->kind = rnd() % 3;
	if (cmd->op == 0x10 || cmd->op == 0x20 || cmd->op == 0x30 || cmd->op == 0x32)
		cmd->ctx = iova;
	if (cmd->op == 0x10 || cmd->op == 0x20 || cmd->op == 0x30) {
		cmd->ctx_seq = 7;
		rnd_ctx(iova, cmd->number, cmd->op == 0x30 ? cmd->kind : cmd->op >> 4);
	}
	if (cmd->op == 0x31)
		cmd->intr = rnd16(0xffff, 20);
	if (cmd->op == 0x12 || cmd->op == 0x22) {
		cmd->what = cmd->op == 0x12 ? 2 : 1 + rnd() % 3;
		if (cmd->what & 1)
			cmd->eqn = rnd16(0xffff, 8);
		if (cmd->what & 2)
			cmd->coal_usec = 1 + rnd() % 300;
	}
	for (i = rnd() % 16; i == 0; i = rnd() % 4)
		((uint8_t *)cmd)[rnd() % 64] = rnd();
	if (cmd->op == 0x32 && rnd() % 2 == 0)
		cmd->ctx = rnd_iova();
	reg_set(0x7c, t.cmd_tail);
}

static uint64_t
rnd_db(void)
{
	uint32_t number = rnd() % 8, index = rnd() % 64;
	const struct qd_queue *q = &t.d->queues[number];
	const struct qd_eq *eq = &t.d->eqs[number];
	uint32_t kind = 1 + rnd() % 5;

	if (rnd() % 32 == 0)
		return rnd() | 1;
	if (rnd() % 32 == 0)
		return QUEUE_DEV_DB(rnd() % 7, rnd_number() & 0xffff, index) | 1ull << 56;
	/* Near to what is possible; the model's own numbers say what that is. */
	vfu_lock(t.d->vfu);
	switch (kind) {
	case 1:
		index = q->tail + rnd() % ((1u << q->sq_log) + 1);
		break;
	case 2:
		index = q->pi - rnd() % 3;
		break;
	case 3:
	case 4:
		index = eq->ci + rnd() % (eq->pi - eq->ci + 1);
		break;
	default:
		number = index = 0;
		break;
	}
	vfu_unlock(t.d->vfu);
	if (rnd() % 64 == 0)
		index += rnd() % 5;
	return QUEUE_DEV_DB(kind, number, index);
}

static void
rnd_desc(struct queue_dev_desc *desc)
{
	*desc = (struct queue_dev_desc){ .op = rnd() % 5, .cookie = rnd() };
	if (desc->op != 0 && desc->op != 4)
		desc->len = rnd() % 16 == 0 ? rnd() : rnd() % 4096;
	if (desc->op == 1 || desc->op == 3)
		desc->src = rnd_iova();
	if (desc->op == 1 || desc->op == 2)
		desc->dst = rnd() % 4 == 0 ? rnd_iova() : QD_MEM + 0x200000 + rnd() % 0x100000;
	if (desc->op == 4)
		desc->imm = (1 + rnd() % 2) << 32 | rnd_number();
	if (rnd() % 16 == 0)
		((uint8_t *)desc)[rnd() % 64] = rnd();
}

/* Memory that rings may lie in: descriptors. What the device writes there makes others of them. */
static void
rnd_memory(void)
{
	struct queue_dev_desc *descs = at(QD_MEM + 0x100000);
	uint32_t i;

	for (i = 0; i < 0x1000; i++)
		rnd_desc(&descs[i]);
}

/* Any register, but not the command ring away for long. */
static void
rnd_register(void)
{
	static const uint8_t len[] = { 4, 4, 4, 8, 1, 2 };
	uint32_t off = rnd() % 0x100 & ~3u, n = len[rnd() % 6];
	uint64_t val = rnd() % 2 == 0 ? rnd() : rnd() % 70;
	uint8_t buf[8];

	if (off == 0xc8)
		val %= 2000; /* soon */
	memcpy(buf, &val, 8);
	if (rnd() % 2 == 0)
		peer_read(&t.p, 0, off, buf, n);
	else if (off != 0x40 || rnd() % 8 == 0)
		peer_write(&t.p, 0, off, buf, n);
}

static void
rnd_msix(void)
{
	uint64_t val = rnd() % 4 == 0 ? rnd() : rnd() % 3 == 0 ? QD_WORDS : QD_WINDOW;
	uint32_t off = rnd() % 20 * 16;

	if (rnd() % 2 == 0)
		peer_write(&t.p, 2, off, &val, 8);
	val = rnd() % 8 | (rnd() % 4 == 0 ? 1ull << 32 : 0);
	peer_write(&t.p, 2, off + 8, &val, 8);
	peer_read(&t.p, 2, rnd() % 0x8100 & ~7u, &val, 8);
}

static void
answer_requests(void)
{
	struct peer_stash req;

	while (t.p.stash_len != 0 && peer_request(&t.p, &req, 0))
		peer_reply(&t.p, req.hdr.id, req.hdr.command, rnd() % 4 == 0 ? EFAULT : 0, &req.acc,
			0);
}

static void
rnd_step(void)
{
	uint16_t command;
	uint32_t i;

	switch (rnd() % 64) {
	case 0:
		rnd_register();
		break;
	case 1:
		rnd_msix();
		break;
	case 2:
		peer_bus_master(&t.p, false);
		for (i = rnd() % 8; i != 0; i--)
			db_trap(rnd_db());
		peer_bus_master(&t.p, true);
		break;
	case 3:
		command = rnd();
		peer_write(&t.p, VFIO_PCI_CONFIG_REGION_INDEX, 0x90 + PCI_MSIX_FLAGS, &command, 2);
		break;
	case 4:
		db_trap(rnd_db());
		break;
	case 5:
		if (rnd() % 16 == 0)
			peer_dma_unmap(&t.p, rnd() % 2 == 0 ? QD_RO : QD_WO, 4096, 0);
		break;
	case 6:
		check_model();
		break;
	default:
		if (rnd() % 8 == 0)
			rnd_cmd();
		else
			db_ring(rnd_db());
	}
	answer_requests();
}

/* It still is a device: after a reset everything works. */
static void
check_alive(void)
{
	struct queue_dev_ctx ctx;
	struct tq q;

	reg_set(0x40, 1);
	check_model();
	qd_again();
	assert_error(0, 0);
	ctx = queue_ctx(0, 3);
	q = tq_create(&ctx);
	tq_arm(&q);
	tq_nops(&q, 1);
	tq_next(&q);
	assert_true(word_wait(0, 1));
	reg_set(0x40, 1);
	qd_again();
}

/* Something to begin with. */
static void
world(void)
{
	struct queue_dev_ctx ctx;
	uint32_t k;

	for (k = 1; k < 4; k++)
		assert_int_equal(cmd_number(0x01, k), 0);
	for (k = 0; k < 8; k++) {
		ctx = eq_ctx(k, 1 + k % 3);
		ctx.flags = k == 7;
		te_create(&ctx);
	}
	for (k = 0; k < 8; k++) {
		ctx = queue_ctx(k, 3);
		ctx.ring = QD_MEM + 0x100000 + (rnd() & 0x3fe00);
		ctx.eqn = k % 4 == 3 ? 0xffff : k / 2;
		ctx.subdev = k % 4;
		ctx.intr = k % 3 == 0 ? k : 0xffff;
		tq_create(&ctx);
	}
}

static void
mad_driver(uint64_t start, uint32_t rounds, uint32_t steps, bool memory)
{
	uint32_t i, k;

	seed = start;
	for (i = 0; i < rounds; i++) {
		if (memory)
			rnd_memory();
		world();
		for (k = 0; k < steps; k++)
			rnd_step();
		peer_bus_master(&t.p, true);
		answer_requests();
		check_model();
		check_alive();
	}
}

/* Everything random, within reason, so that it gets far; with hazards, and the model checked. */
static void
test_mad_driver(void **state)
{
	qd_start("idle_us=20");
	memset(at(QD_MEM + 0x100000), 0, 0x200000);
	mad_driver(1, SLOW ? 10 : 30, 1000, true);
	qd_stop();
	qd_start("engine=poll");
	mad_driver(2, SLOW ? 5 : 10, 1000, true);
	qd_stop();
}

/* Nothing but noise: whole ring, contexts and cells. */
static void
test_noise(void **state)
{
	uint32_t i, k, round;

	qd_start("");
	seed = 3;
	for (round = 0; round < (SLOW ? 20u : 50u); round++) {
		for (i = 0; i < 0x4000; i += 8)
			*(uint64_t *)at(QD_MEM + 0x8000 + i) = rnd();
		for (i = 0; i < 0x1000; i += 8)
			*(uint64_t *)at(QD_MEM + 0x4000 + i) = rnd();
		for (i = 0; i < 256; i++) {
			uint64_t *cmd = at(QD_MEM + 0x8000 + 64 * i);

			if (i % 2 == 0)
				((uint8_t *)cmd)[0] = rnd() % 0x34;
		}
		t.cmd_tail += 256;
		reg_set(0x7c, t.cmd_tail);
		for (k = 0; k < 64; k++)
			reg_set(0x90, k);
		for (i = 0; i < 64 * 512; i++)
			atomic_store((_Atomic(uint64_t) *)(t.bar + 0x40000 + 8 * i), rnd());
		db_trap(rnd());
		check_model();
		take_error(&(uint64_t){ 0 });
		check_alive();
	}
	qd_stop();
}

static atomic_bool scribble_stop;

/* A driver's thread that changes what the device is reading. */
static void *
scribble_thread(void *arg)
{
	uint64_t x = 88172645463325252ull;

	while (!atomic_load(&scribble_stop)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		/* Rings, contexts, commands, the status page, stamps and cells. */
		*(volatile uint32_t *)at(QD_MEM + 0x100000 + (x & 0x3fffc)) = x >> 32;
		*(volatile uint32_t *)at(QD_MEM + 0x4000 + (x >> 20 & 0x7ffc)) = x >> 30;
		if ((x & 0xff) == 0)
			*(volatile uint32_t *)(t.bar + 0x1000 + (x >> 32 & 0xffc)) = x >> 8;
		if ((x & 0xff) == 1)
			*(volatile uint32_t *)(t.bar + 0x40000 + (x >> 32 & 0x3fffc)) = x >> 8;
	}
	return NULL;
}

/* Under a checker of races this is one, of the driver's. */
static void
test_scribble(void **state)
{
	pthread_t thread;

#if defined(__SANITIZE_THREAD__)
	skip();
#endif
	qd_start("idle_us=20");
	atomic_store(&scribble_stop, false);
	assert_int_equal(pthread_create(&thread, NULL, scribble_thread, NULL), 0);
	seed = 4;
	{
		uint32_t k;

		for (k = 0; k < (SLOW ? 5000u : 20000u); k++)
			rnd_step();
	}
	atomic_store(&scribble_stop, true);
	pthread_join(thread, NULL);
	peer_bus_master(&t.p, true);
	answer_requests();
	check_model();
	check_alive();
	qd_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_idle_queues),
		cmocka_unit_test(test_mad_driver),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_scribble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
