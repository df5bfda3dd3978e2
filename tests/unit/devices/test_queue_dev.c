/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The model queue_dev: registers, command ring, every command with every field that is wrong. */

#include <sys/eventfd.h>
#include <sys/mman.h>

#include "qd_peer.h"
#include "ticks.h"

static int
setup(void **state)
{
	qd_start("");
	return 0;
}

static int
teardown(void **state)
{
	qd_stop();
	return 0;
}

static void
test_registers(void **state)
{
	static const struct {
		uint32_t off;
		uint32_t val;
	} fixed[] = { { 0x00, 0x56454451 }, { 0x04, 1 }, { 0x08, 3 }, { 0x0c, 8 }, { 0x10, 8 },
		{ 0x14, 64 }, { 0x18, 2 + 8 + 64 }, { 0x1c, 16 }, { 0x20, 64 }, { 0x24, 0x40000 },
		{ 0x28, 0x1000 }, { 0x2c, 0x80000 }, { 0x30, 0x100000 }, { 0x34, 0 }, { 0x38, 0 },
		{ 0x3c, 0 }, { 0x40, 0 }, { 0x44, 0 }, { 0x48, 0 }, { 0x4c, 0 }, { 0x50, 0 },
		{ 0x54, 0 }, { 0x58, 0 }, { 0x5c, 0 }, { 0x7c, 0 }, { 0x80, 0 }, { 0x84, 0 },
		{ 0x88, 0 }, { 0x8c, 0 }, { 0x90, 0 }, { 0x94, 0 }, { 0x98, 1 }, { 0x9c, 0 } };
	uint64_t before, now, after, hz;
	uint32_t val = 0, off;
	size_t i;

	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (reg(fixed[i].off) != fixed[i].val)
			fail_msg("register 0x%x: 0x%x", fixed[i].off, reg(fixed[i].off));
	for (off = 0xa0; off < 0x1000; off += 4)
		assert_int_equal(reg(off), 0);
	/* What cannot be written stays as it is. */
	for (off = 0; off < 0x40; off += 4)
		reg_set(off, UINT32_MAX);
	for (off = 0x44; off < 0x4c; off += 4)
		reg_set(off, UINT32_MAX);
	for (off = 0x54; off < 0x70; off += 4)
		reg_set(off, UINT32_MAX);
	reg_set(0x80, 7);
	reg_set(0x98, 0xff);
	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		assert_int_equal(reg(fixed[i].off), fixed[i].val);
	/* The clock. */
	before = ticks_now();
	now = reg64(0x68);
	after = ticks_now();
	assert_true(before <= now && now <= after);
	hz = reg64(0x60);
	assert_true(hz > 1000000 && hz < 100000000000);
	assert_int_equal(reg(0x60), (uint32_t)hz);
	assert_int_equal(reg(0x64), hz >> 32);
	/* Sizes and alignment. */
	assert_int_equal(peer_read(&t.p, 0, 0, &val, 2), EINVAL);
	assert_int_equal(peer_read(&t.p, 0, 0, &val, 1), EINVAL);
	assert_int_equal(peer_read(&t.p, 0, 2, &val, 4), EINVAL);
	assert_int_equal(peer_read(&t.p, 0, 0, &now, 8), EINVAL);
	assert_int_equal(peer_read(&t.p, 0, 0x64, &now, 8), EINVAL);
	assert_int_equal(peer_write(&t.p, 0, 0x40, &val, 1), EINVAL);
	assert_int_equal(peer_write(&t.p, 0, 0x40, &now, 8), EINVAL);
	assert_int_equal(peer_write(&t.p, 0, 0x42, &val, 4), EINVAL);
	assert_int_equal(peer_write(&t.p, 0, 0xc0, &now, 8), EINVAL);
	assert_int_equal(peer_read(&t.p, 0, 0xd4, &now, 8), EINVAL);
	assert_error(0, 0);
	/* 64 bits by halves. */
	reg_set(0x74, 0x12345);
	reg_set(0x70, 0x6789abc0);
	assert_true(reg64(0x70) == 0x123456789abc0);
	assert_int_equal(reg(0x74), 0x12345);
}

/* Without MSI-X, without IMS, without hazards. */
static void
test_registers_options(void **state)
{
	qd_start_plain("queues=16384,subdevs=1024,eqs=256,msix=0");
	assert_int_equal(reg(0x08), 1);
	assert_int_equal(reg(0x18), 16642);
	assert_int_equal(reg(0x1c), 0);
	reg_set(0x4c, 0);
	assert_int_equal(reg(0x4c), 3);
	reg_set(0xc0, 3);
	reg_set(0xc4, 3);
	assert_int_equal(reg(0xc0) | reg(0xc4) | reg(0xcc), 0);
	qd_stop();
	qd_start_plain("queues=1,subdevs=1,eqs=1,msix=2048,ims=0");
	assert_int_equal(reg(0x08), 0);
	assert_int_equal(reg(0x18), 4);
	reg_set(0x4c, 3);
	assert_int_equal(reg(0x4c), 0);
	qd_stop();
	qd_start_plain("msix=1");
	reg_set(0x4c, 2);
	assert_int_equal(reg(0x4c), 2);
	reg_set(0x4c, UINT32_MAX);
	assert_int_equal(reg(0x4c), 3);
	qd_stop();
}

/* The rest of both BARs, and mapped parts by bus transaction. */
static void
test_bars(void **state)
{
	uint8_t buf[64] = { 0 }, ones[64];
	uint64_t db = QUEUE_DEV_DB(5, 0, 0);
	uint32_t i;

	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(peer_write(&t.p, 0, 0x1000, ones, 64), 0);
	assert_int_equal(peer_write(&t.p, 0, 0x2000, ones, 64), 0);
	assert_int_equal(peer_write(&t.p, 0, 0x80000, ones, 64), 0);
	assert_int_equal(peer_write(&t.p, 0, 0xfffc0, ones, 64), 0);
	assert_int_equal(peer_write(&t.p, 2, 0x4000, ones, 64), 0);
	for (i = 0; i < 5; i++) {
		static const uint64_t offs[] = { 0x1100, 0x2000, 0x80000, 0xfffc0, 0x4000 };

		memset(buf, 0xff, sizeof(buf));
		assert_int_equal(peer_read(&t.p, i == 4 ? 2 : 0, offs[i], buf, 64), 0);
		assert_int_equal(buf[0] | buf[13] | buf[63], 0);
	}
	/* A cell: whole, and it is taken at once. */
	assert_int_equal(peer_write(&t.p, 0, 0x40000, &db, 4), EINVAL);
	assert_int_equal(peer_write(&t.p, 0, 0x40004, &db, 8), EINVAL);
	assert_int_equal(peer_write(&t.p, 0, 0x3fffc, ones, 8), EINVAL);
	assert_int_equal(peer_write(&t.p, 0, 0x7fff8, ones, 16), EINVAL);
	assert_int_equal(peer_write(&t.p, 0, 0x40000, &db, 8), 0);
	assert_int_equal(peer_read(&t.p, 0, 0x40000, buf, 8), 0);
	assert_int_equal(buf[7], 0);
	settle();
	do {
		assert_int_equal(peer_read(&t.p, 0, 0x1098, &db, 8), 0);
	} while (db < 2);
	assert_int_equal(db, 2); /* the other one is settle()'s */
	/* Beside the portals in use it stays there. */
	db = QUEUE_DEV_DB(5, 0, 0);
	assert_int_equal(peer_write(&t.p, 0, 0x41000, &db, 8), 0);
	assert_int_equal(peer_read(&t.p, 0, 0x41000, buf, 8), 0);
	assert_int_equal(buf[7], 5);
	assert_error(0, 0);
	/* The MSI-X table begins masked. */
	assert_int_equal(peer_read(&t.p, 2, 0xc, buf, 4), 0);
	assert_int_equal(buf[0], 1);
	assert_int_equal(peer_read(&t.p, 2, 0x8000, buf, 8), 0);
	assert_int_equal(peer_read(&t.p, 2, 0x8000, buf, 2), EINVAL);
}

static void
test_cmdq_setup(void **state)
{
	static const struct {
		uint64_t base;
		uint32_t ctrl;
		bool good;
	} setups[] = {
		{ QD_MEM, 1 | 1 << 8, true },
		{ QD_MEM, 1 | 8 << 8, true },
		{ QD_MEM + QD_MEM_LEN - 128, 1 | 1 << 8, true },
		{ QD_MEM + QD_MEM_LEN - 64, 1 | 1 << 8, false },
		{ QD_MEM, 1, false },
		{ QD_MEM, 1 | 9 << 8, false },
		{ QD_MEM, 1 | 15 << 8, false },
		{ QD_MEM, 3 | 4 << 8, false },
		{ QD_MEM, 1 | 4 << 8 | 1 << 12, false },
		{ QD_MEM + 32, 1 | 4 << 8, false },
		{ QD_MEM + 8, 1 | 4 << 8, false },
		{ QD_RO, 1 | 4 << 8, false },
		{ QD_NO_FILE, 1 | 4 << 8, false },
		{ QD_NOWHERE, 1 | 4 << 8, false },
		{ UINT64_MAX - 63, 1 | 4 << 8, false },
	};
	size_t i;

	for (i = 0; i < sizeof(setups) / sizeof(setups[0]); i++) {
		reg64_set(0x70, setups[i].base);
		reg_set(0x78, setups[i].ctrl);
		if ((reg(0x78) & 1) != setups[i].good)
			fail_msg("case %zu", i);
		assert_int_equal(reg(0x78), setups[i].good ? setups[i].ctrl : 0);
		assert_error(setups[i].good ? 0 : 8, setups[i].base);
		if (setups[i].good)
			continue;
		reg_set(0x7c, 1);
		assert_error(8, 1);
		assert_int_equal(reg(0x7c), 0);
	}
	/* Off is off, whatever the rest says. */
	reg_set(0x78, 0xfffffffe);
	assert_int_equal(reg(0x78), 0);
	assert_error(0, 0);
}

static void
test_cmdq_tail(void **state)
{
	struct queue_dev_cmd *ring = at(QD_MEM), nop = { .token = 9 };
	uint32_t i;

	reg64_set(0x70, QD_MEM);
	reg_set(0x78, 1 | 2 << 8);
	for (i = 0; i < 4; i++)
		ring[i] = nop;
	reg_set(0x7c, 0); /* nothing new */
	reg_set(0x7c, 5);
	assert_error(8, 5);
	reg_set(0x7c, UINT32_MAX);
	assert_error(8, UINT32_MAX);
	assert_int_equal(reg(0x80), 0);
	assert_int_equal(ring[0].done, 0);
	reg_set(0x7c, 4);
	assert_error(0, 0);
	for (i = 0; i < 4; i++)
		assert_true(ring[i].done == 9ull << 32);
	assert_int_equal(reg(0x80), 4);
	reg_set(0x7c, 3);
	assert_error(8, 3);
	assert_int_equal(reg(0x7c), 4);
	/* Round, and anew. */
	ring[0].token = 10;
	reg_set(0x7c, 5);
	assert_true(ring[0].done == 10ull << 32);
	reg_set(0x78, 1 | 2 << 8);
	assert_int_equal(reg(0x7c) | reg(0x80), 0);
	ring[0].token = 11;
	reg_set(0x7c, 1);
	assert_true(ring[0].done == 11ull << 32);
	/* Behind the last one, though ahead of what was taken. */
	peer_bus_master(&t.p, false);
	reg_set(0x7c, 4);
	reg_set(0x7c, 3);
	assert_error(8, 3);
	reg_set(0x7c, 6);
	assert_error(8, 6);
	assert_int_equal(reg(0x7c), 4);
	assert_int_equal(reg(0x80), 1);
	peer_bus_master(&t.p, true);
	assert_int_equal(reg(0x80), 4);
	/* The ring's memory goes. */
	assert_int_equal(peer_dma_unmap(&t.p, QD_MEM, QD_MEM_LEN, 0), 0);
	reg_set(0x7c, 5);
	assert_error(8, QD_MEM);
	assert_int_equal(reg(0x78), 0);
}

/* The numbers run over. */
static void
test_cmdq_wrap(void **state)
{
	struct queue_dev_cmd nop = { 0 };
	uint32_t i;

	for (i = 0; i < 3; i++) {
		vfu_lock(t.d->vfu);
		t.d->cmdq.head = t.d->cmdq.tail = t.cmd_tail = UINT32_MAX - 255 + 256 * i;
		vfu_unlock(t.d->vfu);
		assert_int_equal(cmd_do(&nop), 0);
	}
	vfu_lock(t.d->vfu);
	t.d->cmdq.head = t.d->cmdq.tail = t.cmd_tail = UINT32_MAX;
	vfu_unlock(t.d->vfu);
	assert_int_equal(cmd_do(&nop), 0);
	assert_int_equal(cmd_do(&nop), 0);
	assert_int_equal(reg(0x80), 1);
}

static void
test_cmd_intr(void **state)
{
	struct queue_dev_cmd nop = { .flags = 1 };
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint64_t n;

	assert_int_equal(
		peer_set_irqs(&t.p, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			VFIO_PCI_MSIX_IRQ_INDEX, 1, 1, NULL, 0, &fd, 1),
		0);
	assert_int_equal(cmd_do(&nop), 0);
	peer_sync(&t.p);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(n, 1);
	nop.flags = 0;
	assert_int_equal(cmd_do(&nop), 0);
	peer_sync(&t.p);
	assert_true(read(fd, &n, sizeof(n)) < 0);
	/* By its own message, which is masked at first. */
	reg_set(0x4c, 2);
	nop.flags = 1;
	assert_int_equal(cmd_do(&nop), 0);
	assert_int_equal(query(0, 1).ctx.msg_ctrl, 3);
	assert_int_equal(modify_msg(0, 1, QD_WORDS, 0x77, 0), 0);
	assert_int_equal(word(0), 0x77);
	nop.op = 0xff;
	assert_int_equal(cmd_do(&nop), 1);
	peer_sync(&t.p);
	assert_int_equal(word(0), 0x77);
	assert_true(read(fd, &n, sizeof(n)) < 0);
	/* An event that its slot holds goes with it. */
	assert_int_equal(modify_msg(0, 1, QD_WORDS, 0x78, 1), 0);
	nop.op = 0;
	assert_int_equal(cmd_do(&nop), 0);
	peer_sync(&t.p);
	reg_set(0x4c, 0);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	close(fd);
}

/* Fields that a command does not use have to be 0. */
static void
test_cmd_fields(void **state)
{
	enum {
		KIND = 1,
		NUMBER = 2,
		CTX = 4,
		SEQ = 8,
		INTR = 16,
		EQN = 32,
		COAL = 64,
		WHAT = 128,
	};
	static const struct {
		uint8_t op;
		uint8_t uses;
	} ops[] = { { 0x00, 0 }, { 0x01, NUMBER }, { 0x02, NUMBER }, { 0x10, NUMBER | CTX | SEQ },
		{ 0x11, NUMBER }, { 0x12, NUMBER | COAL | WHAT }, { 0x20, NUMBER | CTX | SEQ },
		{ 0x21, NUMBER }, { 0x22, NUMBER | EQN | COAL | WHAT },
		{ 0x30, KIND | NUMBER | CTX | SEQ }, { 0x31, KIND | NUMBER | INTR },
		{ 0x32, KIND | NUMBER | CTX } };
	size_t i, k;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		/* In case it is taken for good: nothing there has this number. */
		struct queue_dev_cmd good = { .op = ops[i].op }, bad;

		if ((ops[i].uses & NUMBER) != 0)
			good.number = 99999;
		if ((ops[i].uses & WHAT) != 0)
			good.what = 2;
		assert_int_equal(cmd_do(&good), ops[i].op == 0 ? 0 : 3);
		for (k = 0; k < 17; k++) {
			uint8_t field = 0;

			bad = good;
			switch (k) {
			case 0:
				bad.flags = 2;
				break;
			case 1:
				bad.flags = 0x80;
				break;
			case 2:
				bad.reserved[0] = 1ull << 63;
				break;
			case 3:
				bad.reserved[1] = 1;
				break;
			case 4:
				bad.reserved2 = 1;
				break;
			case 5:
				bad.kind = 2, field = KIND;
				break;
			case 6:
				bad.number = 1, field = NUMBER;
				break;
			case 7:
				bad.ctx = QD_MEM, field = CTX;
				break;
			case 8:
				bad.ctx_seq = 1, field = SEQ;
				break;
			case 9:
				bad.intr = 1, field = INTR;
				break;
			case 10:
				bad.eqn = 1; /* bit 0 of what is missing */
				break;
			case 11:
				bad.coal_usec = 1, field = COAL;
				break;
			case 12:
				bad.coal_count = 2; /* without a time */
				break;
			case 13:
				bad.what = 4;
				break;
			case 14:
				bad.what ^= 2;
				break;
			case 15:
				bad.what |= 1, field = EQN;
				break;
			case 16:
				bad.what |= 0x80000000;
				break;
			}
			if ((ops[i].uses & field) != 0)
				continue;
			if (cmd_do(&bad) != 2)
				fail_msg("op 0x%x, case %zu", ops[i].op, k);
		}
	}
	/* A token of 0 is no token; the answer has it all the same. */
	{
		struct queue_dev_cmd *ring = at(QD_MEM + 0x8000);

		ring[t.cmd_tail % 256] = (struct queue_dev_cmd){ 0 };
		reg_set(0x7c, t.cmd_tail + 1);
		assert_true(ring[t.cmd_tail % 256].done == 2);
		t.cmd_tail++;
	}
	assert_error(0, 0);
}

static void
test_cmd_ops(void **state)
{
	struct queue_dev_cmd cmd = { 0 };
	uint32_t op, known = 0;

	for (op = 0; op < 256; op++) {
		cmd.op = op;
		known += cmd_do(&cmd) != 1;
	}
	assert_int_equal(known, 12);
}

static void
test_subdevs(void **state)
{
	struct queue_dev_ctx ctx;
	uint32_t i;

	assert_int_equal(cmd_number(0x01, 0), 3);
	assert_int_equal(cmd_number(0x02, 0), 3);
	assert_int_equal(cmd_number(0x01, 9), 3);
	assert_int_equal(cmd_number(0x01, UINT32_MAX), 3);
	assert_int_equal(cmd_number(0x02, 9), 3);
	assert_int_equal(cmd_number(0x02, 5), 3);
	assert_int_equal(cmd_number(0x01, 5), 0);
	assert_int_equal(cmd_number(0x01, 5), 4);
	assert_int_equal(cmd_number(0x01, 8), 0);
	/* Its queues go with it, in whatever order they came and went. */
	for (i = 0; i < 6; i++) {
		ctx = queue_ctx(i, 2);
		ctx.subdev = i == 0 ? 0 : i == 5 ? 8 : 5;
		tq_create(&ctx);
	}
	assert_int_equal(cmd_number(0x21, 2), 0);
	ctx = queue_ctx(2, 2);
	ctx.subdev = 5;
	tq_create(&ctx);
	assert_int_equal(cmd_number(0x21, 3), 0);
	assert_int_equal(cmd_number(0x21, 1), 0);
	ctx = queue_ctx(1, 2);
	ctx.subdev = 5;
	tq_create(&ctx);
	assert_int_equal(cmd_number(0x02, 5), 0);
	assert_int_equal(cmd_number(0x02, 5), 3);
	for (i = 0; i < 6; i++)
		assert_int_equal(cmd_number(0x21, i), i == 0 || i == 5 ? 0 : 3);
	assert_int_equal(cmd_number(0x01, 5), 0);
	assert_int_equal(cmd_number(0x02, 5), 0);
	assert_int_equal(cmd_number(0x02, 8), 0);
	ctx = queue_ctx(1, 2);
	ctx.subdev = 5;
	assert_int_equal(cmd_ctx(0x20, &ctx), 10);
}

/* Every field of an EQ's context, one after the other, and what comes of each. */
static void
test_eq_ctx(void **state)
{
	struct queue_dev_ctx good = eq_ctx(3, 4), ctx;
	struct queue_dev_query q;

#define TRY(change, status)                                    \
	do {                                                   \
		ctx = good;                                    \
		change;                                        \
		assert_int_equal(cmd_ctx(0x10, &ctx), status); \
	} while (0)
	TRY(ctx.flags = 2, 2);
	TRY(ctx.flags = 0x8001, 2);
	TRY(ctx.msg_addr |= 1, 2);
	TRY(ctx.msg_addr |= 2, 2);
	TRY(ctx.msg_ctrl = 4, 2);
	TRY(ctx.msg_ctrl = 0x80000001, 2);
	TRY(ctx.cq = 64, 2);
	TRY(ctx.log_size = 0, 2);
	TRY(ctx.log_size = 16, 2);
	TRY(ctx.log_size = 255, 2);
	TRY(ctx.cq_log_size = 4, 2);
	TRY(ctx.eqn = 1, 2);
	TRY(ctx.subdev = 1, 2);
	TRY(ctx.coal_count = 2, 2);
	TRY(ctx.coal_count = 0xffff, 2);
	TRY(ctx.reserved = 1, 2);
	TRY(ctx.number = 8, 3);
	TRY(ctx.number = UINT32_MAX, 3);
	TRY(ctx.signature = 0x43445102, 7);
	TRY(ctx.signature = 0, 7);
	TRY(ctx.intr = 16, 12);
	TRY(ctx.intr = 0xfffd, 12);
	TRY(ctx.ring += 32, 6);
	TRY(ctx.ring += 1, 6);
	TRY(ctx.ring = QD_RO, 6);
	TRY(ctx.ring = QD_NO_FILE, 6);
	TRY(ctx.ring = QD_NOWHERE, 6);
	TRY(ctx.ring = QD_WO + 4096 - 192, 6);
	TRY(ctx.ring = UINT64_MAX - 63, 6);
	TRY((ctx.ring = QD_MEM + QD_MEM_LEN - 0x80000 + 64, ctx.log_size = 15), 6);
	TRY(, 0);
	TRY(, 4);
	TRY((ctx.number = 0, ctx.ring = QD_WO + 4096 - 256, ctx.intr = 15), 0);
	TRY((ctx.number = 7, ctx.log_size = 1, ctx.coal_count = 1, ctx.intr = 0xfffe), 0);
	TRY((ctx.number = 6, ctx.log_size = 15, ctx.ring = QD_MEM + QD_MEM_LEN - 0x80000,
		    ctx.coal_count = 9, ctx.coal_usec = 77, ctx.flags = 1, ctx.msg_ctrl = 3),
		0);
	q = query(1, 6);
	assert_int_equal(q.ctx.flags, 1);
	assert_int_equal(q.ctx.state, 1);
	assert_true(q.ctx.msg_addr == good.msg_addr);
	assert_int_equal(q.ctx.msg_data, good.msg_data);
	assert_int_equal(q.ctx.msg_ctrl, 1); /* PENDING is not the driver's */
	assert_true(q.ctx.ring == QD_MEM + QD_MEM_LEN - 0x80000);
	assert_int_equal(q.ctx.log_size, 15);
	assert_int_equal(q.ctx.intr, 0xffff);
	assert_int_equal(q.ctx.coal_count, 9);
	assert_int_equal(q.ctx.coal_usec, 77);
	assert_int_equal(q.ctx.number, 6);
	assert_int_equal(q.ctx.signature, 0x43445101);
	assert_int_equal(q.pi | q.ci | q.queues | q.flags, 0);
	/* Gone, and there again. */
	assert_int_equal(cmd_number(0x11, 6), 0);
	assert_int_equal(cmd_number(0x11, 6), 3);
	assert_int_equal(cmd_number(0x11, 8), 3);
	TRY(ctx.number = 6, 0);
	assert_error(0, 0);
}

static void
test_queue_ctx(void **state)
{
	struct queue_dev_ctx good = queue_ctx(3, 4), eq = eq_ctx(2, 1), ctx;
	struct queue_dev_query q;

	te_create(&eq);
	assert_int_equal(cmd_number(0x01, 7), 0);
#undef TRY
#define TRY(change, status)                                    \
	do {                                                   \
		ctx = good;                                    \
		change;                                        \
		assert_int_equal(cmd_ctx(0x20, &ctx), status); \
	} while (0)
	TRY(ctx.flags = 1, 2);
	TRY(ctx.msg_addr |= 2, 2);
	TRY(ctx.msg_ctrl = 4, 2);
	TRY(ctx.log_size = 0, 2);
	TRY(ctx.log_size = 16, 2);
	TRY(ctx.cq_log_size = 3, 2);
	TRY(ctx.cq_log_size = 16, 2);
	TRY((ctx.log_size = 16, ctx.cq_log_size = 16), 2);
	TRY((ctx.log_size = 0, ctx.cq_log_size = 0), 2);
	TRY(ctx.coal_count = 2, 2);
	TRY(ctx.reserved = 1, 2);
	TRY(ctx.number = 64, 3);
	TRY(ctx.signature = 0x43445101, 7);
	TRY(ctx.subdev = 1, 10);
	TRY(ctx.subdev = 9, 10);
	TRY(ctx.subdev = 0xffff, 10);
	TRY(ctx.eqn = 1, 11);
	TRY(ctx.eqn = 8, 11);
	TRY(ctx.eqn = 0xfffe, 11);
	TRY(ctx.intr = 16, 12);
	TRY(ctx.ring += 32, 6);
	TRY(ctx.ring = QD_WO, 6);
	TRY(ctx.ring = QD_NO_FILE, 6);
	TRY(ctx.ring = QD_RO + 4096 - 512, 6);
	TRY(ctx.ring = QD_NOWHERE, 6);
	TRY(ctx.cq += 32, 6);
	TRY(ctx.cq = QD_RO, 6);
	TRY(ctx.cq = QD_NOWHERE, 6);
	TRY(ctx.cq = QD_WO + 4096 - 512 + 64, 6);
	TRY(, 0);
	TRY(, 4);
	/* Rings where they can just be. */
	TRY((ctx.number = 0, ctx.ring = QD_RO + 4096 - 1024, ctx.cq = QD_WO + 4096 - 512), 0);
	/* Two queues fit into the EQ. */
	TRY((ctx.number = 1, ctx.eqn = 2, ctx.subdev = 7), 0);
	TRY((ctx.number = 63, ctx.eqn = 2, ctx.cq_log_size = 15, ctx.intr = 15,
		    ctx.cq = QD_MEM + QD_MEM_LEN - 0x100000, ctx.coal_usec = 5),
		0);
	TRY((ctx.number = 4, ctx.eqn = 2), 9);
	q = query(2, 63);
	assert_int_equal(q.ctx.flags, 0);
	assert_int_equal(q.ctx.state, 1);
	assert_true(q.ctx.ring == good.ring);
	assert_true(q.ctx.cq == QD_MEM + QD_MEM_LEN - 0x100000);
	assert_int_equal(q.ctx.log_size, 4);
	assert_int_equal(q.ctx.cq_log_size, 15);
	assert_int_equal(q.ctx.intr, 15);
	assert_int_equal(q.ctx.eqn, 2);
	assert_int_equal(q.ctx.subdev, 0);
	assert_int_equal(q.ctx.coal_usec, 5);
	assert_int_equal(q.ctx.number, 63);
	assert_int_equal(q.ctx.signature, 0x43445102);
	assert_int_equal(query(1, 2).queues, 2);
	/* An EQ with queues stays. */
	assert_int_equal(cmd_number(0x11, 2), 5);
	assert_int_equal(cmd_number(0x21, 63), 0);
	assert_int_equal(cmd_number(0x21, 63), 3);
	assert_int_equal(cmd_number(0x11, 2), 5);
	assert_int_equal(cmd_number(0x02, 7), 0);
	assert_int_equal(query(1, 2).queues, 0);
	assert_int_equal(cmd_number(0x11, 2), 0);
	TRY((ctx.number = 4, ctx.eqn = 2), 11);
	assert_error(0, 0);
}

/* The context itself: where it lies, whose it is, and which one. */
static void
test_ctx_memory(void **state)
{
	uint64_t iova = QD_MEM + 0x4000;
	struct queue_dev_ctx good = eq_ctx(3, 4);
	struct queue_dev_cmd cmd = { .op = 0x10, .number = 3, .ctx = iova, .ctx_seq = 5 };

	good.seq = 5;
	memcpy(at(iova), &good, sizeof(good));
	cmd.ctx = iova + 32;
	assert_int_equal(cmd_do(&cmd), 6);
	cmd.ctx = QD_WO;
	assert_int_equal(cmd_do(&cmd), 6);
	cmd.ctx = QD_NO_FILE;
	assert_int_equal(cmd_do(&cmd), 6);
	cmd.ctx = QD_NOWHERE;
	assert_int_equal(cmd_do(&cmd), 6);
	cmd.ctx = UINT64_MAX - 63;
	assert_int_equal(cmd_do(&cmd), 6);
	cmd.ctx = QD_MEM + QD_MEM_LEN;
	assert_int_equal(cmd_do(&cmd), 6);
	cmd.ctx = iova;
	cmd.ctx_seq = 4;
	assert_int_equal(cmd_do(&cmd), 8);
	cmd.ctx_seq = 6;
	assert_int_equal(cmd_do(&cmd), 8);
	cmd.ctx_seq = 5;
	cmd.number = 2;
	assert_int_equal(cmd_do(&cmd), 7);
	cmd.number = 3;
	assert_int_equal(cmd_do(&cmd), 0);
	assert_int_equal(query(1, 3).ctx.seq, 5);
	/* Read-only memory will do. */
	memcpy(t.mem, &good, sizeof(good));
	cmd.ctx = QD_RO;
	assert_int_equal(cmd_do(&cmd), 4);
	assert_int_equal(cmd_number(0x11, 3), 0);
	assert_int_equal(cmd_do(&cmd), 0);
	/* QUERY writes: 128 bytes. */
	cmd = (struct queue_dev_cmd){ .op = 0x32, .kind = 1, .number = 3, .ctx = QD_RO };
	assert_int_equal(cmd_do(&cmd), 6);
	cmd.ctx = QD_WO + 4096 - 64;
	assert_int_equal(cmd_do(&cmd), 6);
	cmd.ctx = QD_WO + 4096 - 128;
	assert_int_equal(cmd_do(&cmd), 0);
	cmd.ctx = QD_WO + 32;
	assert_int_equal(cmd_do(&cmd), 6);
	assert_error(0, 0);
}

/* Memory that the client has put where words are not aligned here. */
static void
test_odd_map(void **state)
{
	int fd = memfd_create("odd", MFD_CLOEXEC);
	struct queue_dev_ctx eq = eq_ctx(3, 4), ctx = queue_ctx(0, 1);
	struct queue_dev_cmd cmd = { .op = 0x10, .number = 3, .ctx = 0x300000040 };
	struct peer_stash req;

	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(peer_dma_map(&t.p, 0x300000001, 4096, 3, fd, 0), 0);
	close(fd);
	assert_int_equal(cmd_do(&cmd), 6);
	eq.ring = 0x300000080;
	assert_int_equal(cmd_ctx(0x10, &eq), 6);
	reg64_set(0x70, 0x300000080);
	reg_set(0x78, 1 | 1 << 8);
	assert_error(8, 0x300000080);
	qd_again();
	/* A message goes by request then. */
	ctx.msg_addr = 0x300000100;
	tq_create(&ctx);
	db_trap(QUEUE_DEV_DB(1, 0, 1));
	settle();
	db_trap(QUEUE_DEV_DB(2, 0, 0));
	assert_true(peer_request(&t.p, &req, PEER_TIMEOUT_MS));
	assert_true(req.acc.addr == 0x300000100);
}

/* QUERY, MODIFY_MSG and MODIFY_INTR of what is not there. */
static void
test_no_object(void **state)
{
	static const struct {
		uint16_t kind;
		uint32_t number;
		bool special;
	} objects[] = { { 0, 0, true }, { 0, 1, true }, { 0, 2, false }, { 0, UINT32_MAX, false },
		{ 1, 0, false }, { 1, 7, false }, { 1, 8, false }, { 1, UINT32_MAX, false },
		{ 2, 0, false }, { 2, 63, false }, { 2, 64, false }, { 2, UINT32_MAX, false },
		{ 3, 0, false }, { 0xffff, 0, false } };
	struct queue_dev_cmd cmd;
	size_t i;

	for (i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		cmd = (struct queue_dev_cmd){ .op = 0x32,
			.kind = objects[i].kind,
			.number = objects[i].number,
			.ctx = QD_MEM };
		assert_int_equal(cmd_do(&cmd), objects[i].special ? 0 : 3);
		cmd.op = 0x30;
		cmd.ctx = QD_MEM + 0x800;
		assert_int_equal(cmd_do(&cmd), objects[i].special ? 7 : 3);
		cmd.op = 0x31;
		cmd.ctx = 0;
		assert_int_equal(cmd_do(&cmd), 3);
	}
	assert_int_equal(modify_msg(0, 0, 2, 0, 0), 2);
	assert_int_equal(modify_msg(0, 0, 4, 0, 4), 2);
	assert_int_equal(modify_msg(0, 0, 4, 0, 0), 0);
}

static void
test_modify_refused(void **state)
{
	struct queue_dev_ctx eq = eq_ctx(0, 1), ctx = queue_ctx(0, 1);
	struct queue_dev_cmd cmd = { .op = 0x22, .what = 1, .eqn = 0 };

	te_create(&eq);
	tq_create(&ctx);
	ctx = queue_ctx(1, 1);
	tq_create(&ctx);
	ctx = queue_ctx(2, 1);
	tq_create(&ctx);
	assert_int_equal(cmd_do(&cmd), 0);
	assert_int_equal(cmd_do(&cmd), 0); /* where it is already */
	assert_int_equal(query(1, 0).queues, 1);
	cmd.number = 1;
	assert_int_equal(cmd_do(&cmd), 0);
	cmd.number = 2;
	cmd.what = 3;
	cmd.coal_usec = 5;
	assert_int_equal(cmd_do(&cmd), 9);
	assert_int_equal(query(2, 2).ctx.coal_usec, 0); /* all or nothing */
	cmd.eqn = 1;
	assert_int_equal(cmd_do(&cmd), 11);
	cmd.eqn = 0xffff;
	assert_int_equal(cmd_do(&cmd), 0);
	assert_int_equal(query(2, 2).ctx.coal_usec, 5);
	cmd.number = 3;
	assert_int_equal(cmd_do(&cmd), 3);
	assert_int_equal(modify_intr(2, 0, 16), 12);
	assert_int_equal(modify_intr(2, 0, 15), 0);
	assert_int_equal(modify_intr(2, 0, 0xfffe), 0);
	assert_int_equal(modify_intr(1, 0, 0xffff), 0);
	assert_int_equal(query(2, 0).ctx.intr, 0xfffe);
	cmd = (struct queue_dev_cmd){ .op = 0x12, .what = 2, .coal_count = 4, .coal_usec = 9 };
	assert_int_equal(cmd_do(&cmd), 0);
	assert_int_equal(query(1, 0).ctx.coal_count, 4);
}

/* No IMS: no own messages. No MSI-X: no vectors. */
static void
test_without(void **state)
{
	struct queue_dev_ctx ctx;

	qd_start_plain("ims=0,msix=2,queues=4,eqs=2");
	ctx = eq_ctx(0, 1);
	assert_int_equal(cmd_ctx(0x10, &ctx), 12);
	ctx.intr = 1;
	assert_int_equal(cmd_ctx(0x10, &ctx), 0);
	ctx = queue_ctx(0, 1);
	assert_int_equal(cmd_ctx(0x20, &ctx), 12);
	ctx.intr = 0xfffe;
	assert_int_equal(cmd_ctx(0x20, &ctx), 0);
	assert_int_equal(modify_intr(1, 0, 0xffff), 12);
	assert_int_equal(modify_msg(1, 0, QD_WORDS, 1, 0), 12);
	assert_int_equal(modify_msg(0, 0, QD_WORDS, 1, 0), 12);
	qd_stop();
	qd_start_plain("msix=0,queues=4,eqs=2");
	ctx = eq_ctx(0, 1);
	ctx.intr = 0;
	assert_int_equal(cmd_ctx(0x10, &ctx), 12);
	ctx.intr = 0xffff;
	assert_int_equal(cmd_ctx(0x10, &ctx), 0);
	assert_int_equal(modify_intr(1, 0, 0), 12);
	qd_stop();
}

/* The layouts, byte by byte. */
static void
test_bytes(void **state)
{
	static const uint8_t ctx[64] = { [4] = 0x44,
		0x33,
		0x22,
		0x11,
		[8] = 0x08,
		0x10,
		0x00,
		0x10,
		[16] = 0x55,
		0xaa,
		[0x18] = 0x00,
		0x00,
		0x04,
		0x10,
		[0x20] = 0x00,
		0x10,
		0x04,
		0x10,
		[0x28] = 2,
		3,
		0xff,
		0xff,
		0xff,
		0xff,
		5,
		0,
		7,
		0,
		9,
		0,
		[0x38] = 6,
		0,
		0,
		0,
		0x02,
		0x51,
		0x44,
		0x43 };
	static const uint8_t cmd[64] = { 0x20, 0, 0, 0, 6, 0, 0, 0, [8] = 0x00, 0x40, 0x00,
		0x10, [0x10] = 0x44, 0x33, 0x22, 0x11, [0x34] = 0x78, 0x56, 0x34, 0x12 };
	static const uint8_t nop[64] = {
		[0x18] = 1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18
	};
	static const uint8_t cqe[32] = { 1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16,
		0x17, 0x18, 6, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x80 };
	static const uint8_t done[8] = { 0, 0, 0, 0, 0x78, 0x56, 0x34, 0x12 };
	struct tq q = { .number = 6, .cq_size = 8, .cq = at(QD_MEM + 0x41000) };

	assert_int_equal(cmd_number(0x01, 5), 0);
	memcpy(at(QD_MEM + 0x4000), ctx, 64);
	memcpy(at(QD_MEM + 0x8000 + 64), cmd, 64);
	reg_set(0x7c, 2);
	assert_memory_equal(at(QD_MEM + 0x8000 + 64 + 56), done, 8);
	t.cmd_tail = 2;
	memcpy(at(QD_MEM + 0x40000), nop, 64);
	db_ring(0x0100000600000001);
	tq_next(&q);
	assert_memory_equal(at(QD_MEM + 0x41000), cqe, 32);
	/* It comes back as it went in. */
	{
		struct queue_dev_query out = query(2, 6);

		out.ctx.state = 0;
		assert_memory_equal(&out.ctx, ctx, 64);
	}
	/* Armed with an old index: an event at once, to where the context says. */
	db_ring(0x0200000600000000);
	settle();
	assert_int_equal(word(2), 0xaa55);
}

static void
check_reset_state(uint32_t resets)
{
	uint32_t i;

	assert_int_equal(reg(0x44), 0);
	assert_int_equal(reg(0x48), resets);
	assert_int_equal(reg(0x50) | reg(0x58) | reg(0x5c), 0);
	assert_int_equal(reg(0x70) | reg(0x78) | reg(0x7c) | reg(0x80), 0);
	assert_int_equal(reg(0x98) | reg(0x9c), 0);
	assert_int_equal(reg(0xc0) | reg(0xc4) | reg(0xc8) | reg(0xcc) | reg(0xd0) | reg(0xd8), 0);
	assert_int_equal(reg(0x4c), 0);
	assert_int_equal(*(uint32_t *)(t.bar + 0x1040), resets);
	for (i = 0x1080; i < 0x10a8; i++)
		assert_int_equal(t.bar[i], 0);
	for (i = 0x40000; i < 0xa1000; i++)
		if (t.bar[i] != 0)
			fail_msg("offset 0x%x of the BAR", i);
	qd_again();
	assert_int_equal(cmd_number(0x21, 1), 3);
	assert_int_equal(cmd_number(0x11, 1), 3);
	assert_int_equal(cmd_number(0x02, 1), 3);
	assert_int_equal(query(0, 0).ctx.msg_ctrl, 1);
	assert_true(query(0, 0).ctx.msg_addr == 0);
}

static void
disturb(void)
{
	struct queue_dev_ctx eq = eq_ctx(1, 3), ctx = queue_ctx(1, 3);
	struct queue_dev_cmd nop = { 0 };
	struct tq q;
	struct te e;

	assert_int_equal(cmd_number(0x01, 1), 0);
	e = te_create(&eq);
	ctx.subdev = 1;
	ctx.eqn = 1;
	ctx.coal_usec = 1000;
	q = tq_create(&ctx);
	te_arm(&e);
	tq_arm(&q);
	tq_nops(&q, 3);
	tq_next(&q);
	reg_set(0x90, 63);
	reg_set(0x90, 64);
	reg_set(0x4c, 3);
	assert_int_equal(modify_msg(0, 0, QD_WORDS, 1, 0), 0);
	*(uint64_t *)(t.bar + 0x7f008) = 77; /* out of turn: it stays */
	reg_set(0xc0, 1);
	reg_set(0xc8, 1000);
	reg_set(0xc4, 1);
	nop.op = 0x30;
	cmd_post(&nop);
	reg_set(0x8c, 0x01000001);
}

static void
test_reset(void **state)
{
	uint8_t flr = 0x80;

	disturb();
	reg_set(0x40, 0xfffffffe); /* reserved bits do nothing */
	assert_int_not_equal(reg(0x50), 0);
	reg_set(0x40, 1);
	check_reset_state(1);
	disturb();
	assert_int_equal(peer_call(&t.p, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	check_reset_state(2);
	disturb();
	assert_int_equal(peer_write(&t.p, VFIO_PCI_CONFIG_REGION_INDEX, 0x59, &flr, 1), 0);
	check_reset_state(3);
	/* What was to come later does not. */
	usleep(5000);
	settle();
	assert_int_equal(word(0) | word(1) | word(513), 0);
	/* The kept half of a doorbell is gone too. */
	reg_set(0x88, 1);
	assert_error(1, 1);
}

/* The client goes in the middle of it all; the server ends in the middle of it all. */
static void
test_client_gone(void **state)
{
	disturb();
	peer_stop(&t.p);
	assert_int_equal(t.d->resets, 1);
	assert_int_equal(t.d->run_first, QD_NONE);
	assert_int_equal(t.d->queues[1].state, 0);
	queue_dev_model.destroy(t.d);
	munmap(t.bar, 0x100000);
	munmap(t.mem, QD_MEM_LEN);
	close(t.memfd);
	qd_start("");
	disturb();
	vfu_stop(t.d->vfu);
	pthread_join(t.p.thread, NULL);
	queue_dev_model.destroy(t.d);
	close(t.p.sock);
	munmap(t.bar, 0x100000);
	munmap(t.mem, QD_MEM_LEN);
	close(t.memfd);
	qd_start("");
}

/* Section 2.3: doorbells and commands are kept, events are held. */
static void
test_bus_master(void **state)
{
	struct queue_dev_ctx eq = eq_ctx(0, 2), ctx = queue_ctx(0, 3);
	struct queue_dev_cmd nop = { .flags = 1 }, *in_ring;
	struct tq q, own;
	struct te e = te_create(&eq);

	ctx.eqn = 0;
	q = tq_create(&ctx);
	ctx = queue_ctx(1, 3);
	own = tq_create(&ctx);
	tq_nops(&q, 1);
	tq_nops(&own, 1);
	tq_next(&q);
	tq_next(&own);
	te_arm(&e);
	reg_set(0x4c, 2);
	assert_int_equal(modify_msg(0, 1, QD_WORDS + 4 * 100, 100, 0), 0);
	settle();
	peer_bus_master(&t.p, false);
	tq_nops(&q, 2);
	tq_nops(&own, 1);
	db_trap(QUEUE_DEV_DB(2, 0, 0)); /* old: events at once */
	db_trap(QUEUE_DEV_DB(2, 1, 0));
	in_ring = cmd_post(&nop);
	usleep(2000);
	assert_false(tq_ready(&q) || tq_ready(&own) || te_ready(&e));
	assert_int_equal(cmd_poll(in_ring), UINT32_MAX);
	assert_int_equal(word(1) | word(512) | word(100), 0);
	peer_bus_master(&t.p, true);
	assert_true(word_wait(1, 2));
	assert_true(word_wait(512, 0x1000));
	assert_int_equal(te_next(&e).queue, 0);
	tq_next(&q);
	tq_next(&q);
	tq_next(&own);
	assert_int_equal(cmd_poll(in_ring), 0);
	assert_int_equal(word(100), 100);
	assert_false(tq_ready(&q) || tq_ready(&own) || te_ready(&e));
	assert_int_equal(word(1) | word(512), 0);
	/* A ring that is set up meanwhile is looked at when it is used. */
	peer_bus_master(&t.p, false);
	reg64_set(0x70, QD_NOWHERE);
	reg_set(0x78, 1 | 4 << 8);
	assert_error(0, 0);
	reg_set(0x7c, 1);
	assert_error(0, 0);
	peer_bus_master(&t.p, true);
	assert_error(8, QD_NOWHERE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_registers, setup, teardown),
		cmocka_unit_test(test_registers_options),
		cmocka_unit_test_setup_teardown(test_bars, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cmdq_setup, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cmdq_tail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cmdq_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cmd_intr, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cmd_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cmd_ops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_subdevs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eq_ctx, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_ctx, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ctx_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_map, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_object, setup, teardown),
		cmocka_unit_test_setup_teardown(test_modify_refused, setup, teardown),
		cmocka_unit_test(test_without),
		cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bus_master, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
