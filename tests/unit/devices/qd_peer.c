/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>

#include "qd_peer.h"
#include "ticks.h"

#define WAIT_NS 20000000000ull

struct qd_test t;

static void
map_bar(void)
{
	struct vfio_region_info info = { .argsz = 4096, .index = 0 };

	assert_int_equal(peer_call(&t.p, VFIO_USER_DEVICE_GET_REGION_INFO, &info, sizeof(info)), 0);
	t.bar = NULL;
	if (t.p.in.n_fds == 0)
		return;
	t.bar = mmap(NULL, 0x100000, PROT_READ | PROT_WRITE, MAP_SHARED, t.p.in.fds[0], 0);
	assert_true(t.bar != MAP_FAILED);
	close(t.p.in.fds[0]);
}

static void
map_memory(void)
{
	uint32_t rw = VFIO_USER_DMA_F_READ | VFIO_USER_DMA_F_WRITE;
	int fd = memfd_create("mem", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, QD_MEM_LEN), 0);
	t.mem = mmap(NULL, QD_MEM_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(t.mem != MAP_FAILED);
	assert_int_equal(peer_dma_map(&t.p, QD_MEM, QD_MEM_LEN, rw, fd, 0), 0);
	assert_int_equal(peer_dma_map(&t.p, QD_RO, 4096, VFIO_USER_DMA_F_READ, fd, 0), 0);
	assert_int_equal(peer_dma_map(&t.p, QD_WO, 4096, VFIO_USER_DMA_F_WRITE, fd, 0), 0);
	assert_int_equal(peer_dma_map(&t.p, QD_NO_FILE, 4096, rw, -1, 0), 0);
	t.memfd = fd;
}

void
qd_again(void)
{
	peer_bus_master(&t.p, true);
	t.brk = QD_MEM + 0x10000;
	t.cmd_tail = t.cell = 0;
	memset(t.mem, 0, 64 << QD_CMD_LOG);
	reg64_set(0x70, QD_MEM + 0x8000);
	memset(at(QD_MEM + 0x8000), 0, 64 << QD_CMD_LOG);
	reg_set(0x78, 1 | QD_CMD_LOG << 8);
	assert_int_equal(reg(0x78), 1 | QD_CMD_LOG << 8);
	if (t.bar != NULL)
		reg_set(0x90, 0);
}

static void
begin(void)
{
	map_bar();
	map_memory();
	t.token = 1;
	qd_again();
}

void
qd_start_plain(const char *keys)
{
	char copy[128];
	struct model_opts opts = { .args = copy };

	assert_true(strlen(keys) < sizeof(copy));
	snprintf(copy, sizeof(copy), "%s", keys);
	memset(&t, 0, sizeof(t));
	t.d = queue_dev_model.create(&opts);
	if (t.d == NULL)
		print_error("%s\n", opts.error);
	assert_non_null(t.d);
	peer_start(&t.p, queue_dev_model.vfu(t.d));
	begin();
}

void
qd_connect(int sock)
{
	memset(&t, 0, sizeof(t));
	t.p.sock = sock;
	t.p.next_id = 1;
	assert_int_equal(peer_version(&t.p, 0, "{\"capabilities\":{\"max_msg_fds\":8}}"), 0);
	begin();
}

void
qd_start(const char *keys)
{
	char all[128];

	snprintf(all, sizeof(all), "queues=64,subdevs=8,eqs=8,msix=16,inject=1%s%s",
		*keys != '\0' ? "," : "", keys);
	qd_start_plain(all);
}

static void
unmap_all(void)
{
	if (t.bar != NULL)
		munmap(t.bar, 0x100000);
	munmap(t.mem, QD_MEM_LEN);
	close(t.memfd);
}

void
qd_stop(void)
{
	peer_stop(&t.p);
	queue_dev_model.destroy(t.d);
	unmap_all();
}

void
qd_disconnect(void)
{
	close(t.p.sock);
	unmap_all();
}

uint32_t
reg(uint32_t off)
{
	uint32_t val;

	assert_int_equal(peer_read(&t.p, 0, off, &val, 4), 0);
	return val;
}

void
reg_set(uint32_t off, uint32_t val)
{
	assert_int_equal(peer_write(&t.p, 0, off, &val, 4), 0);
}

uint64_t
reg64(uint32_t off)
{
	uint64_t val;

	assert_int_equal(peer_read(&t.p, 0, off, &val, 8), 0);
	return val;
}

void
reg64_set(uint32_t off, uint64_t val)
{
	assert_int_equal(peer_write(&t.p, 0, off, &val, 8), 0);
}

uint32_t
take_error(uint64_t *arg)
{
	uint32_t bits = reg(0x50);

	*arg = reg64(0x58);
	reg_set(0x50, bits);
	return bits;
}

uint64_t
qd_alloc(uint64_t size)
{
	uint64_t iova = t.brk;

	t.brk += (size + 63) & ~63ull;
	assert_true(t.brk <= QD_MEM + QD_MEM_LEN);
	memset(at(iova), 0, size);
	return iova;
}

void *
at(uint64_t iova)
{
	return t.mem + (iova - QD_MEM);
}

uint32_t
word(uint32_t i)
{
	return atomic_exchange((_Atomic(uint32_t) *)at(QD_WORDS + 4 * i), 0);
}

bool
word_wait(uint32_t i, uint32_t val)
{
	uint64_t end = clock_ns() + WAIT_NS;
	uint32_t got;

	do {
		got = word(i);
		if (got != 0)
			return got == val;
		sched_yield();
	} while (clock_ns() < end);
	return false;
}

struct vfu_stats
qd_stats(void)
{
	struct vfu_stats copy;

	vfu_lock(t.d->vfu);
	copy = *vfu_stats(t.d->vfu);
	vfu_unlock(t.d->vfu);
	return copy;
}

struct queue_dev_cmd *
cmd_post(const struct queue_dev_cmd *cmd)
{
	struct queue_dev_cmd *ring = at(QD_MEM + 0x8000);
	struct queue_dev_cmd *to = &ring[t.cmd_tail++ % (1 << QD_CMD_LOG)];

	*to = *cmd;
	to->done = 0;
	if (to->token == 0)
		to->token = t.token++;
	reg_set(0x7c, t.cmd_tail);
	return to;
}

uint32_t
cmd_poll(const struct queue_dev_cmd *in_ring)
{
	uint64_t done = atomic_load((const _Atomic(uint64_t) *)&in_ring->done);

	if (done == 0)
		return UINT32_MAX;
	assert_int_equal(done >> 32, in_ring->token);
	return done;
}

uint32_t
cmd_do(const struct queue_dev_cmd *cmd)
{
	struct queue_dev_cmd *in_ring = cmd_post(cmd);
	uint64_t end = clock_ns() + WAIT_NS;

	while (cmd_poll(in_ring) == UINT32_MAX) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
	return cmd_poll(in_ring);
}

uint32_t
cmd_ctx(uint8_t op, const struct queue_dev_ctx *ctx)
{
	uint64_t iova = QD_MEM + 0x4000 + (t.token % 64) * 64;
	struct queue_dev_cmd cmd = { .op = op, .number = ctx->number, .ctx = iova };

	memcpy(at(iova), ctx, sizeof(*ctx));
	((struct queue_dev_ctx *)at(iova))->seq = cmd.ctx_seq = t.token;
	if (op == 0x30)
		cmd.kind = ctx->signature & 0xff;
	return cmd_do(&cmd);
}

uint32_t
cmd_number(uint8_t op, uint32_t number)
{
	struct queue_dev_cmd cmd = { .op = op, .number = number };

	return cmd_do(&cmd);
}

uint32_t
modify_msg(uint32_t kind, uint32_t number, uint64_t addr, uint32_t data, uint32_t ctrl)
{
	struct queue_dev_ctx ctx = {
		.msg_addr = addr,
		.msg_data = data,
		.msg_ctrl = ctrl,
		.number = number,
		.signature = 0x43445100 + kind,
	};

	return cmd_ctx(0x30, &ctx);
}

uint32_t
modify_intr(uint32_t kind, uint32_t number, uint16_t intr)
{
	struct queue_dev_cmd cmd = { .op = 0x31, .kind = kind, .number = number, .intr = intr };

	return cmd_do(&cmd);
}

struct queue_dev_query
query(uint32_t kind, uint32_t number)
{
	struct queue_dev_cmd cmd = {
		.op = 0x32,
		.kind = kind,
		.number = number,
		.ctx = QD_MEM + 0x6000,
	};

	memset(at(cmd.ctx), 0xee, 192);
	assert_int_equal(cmd_do(&cmd), 0);
	assert_int_equal(((uint8_t *)at(cmd.ctx))[128], 0xee);
	return *(struct queue_dev_query *)at(cmd.ctx);
}

struct queue_dev_ctx
eq_ctx(uint32_t number, uint32_t log)
{
	return (struct queue_dev_ctx){
		.msg_addr = QD_WORDS + 4 * (512 + number),
		.msg_data = 0x1000 + number,
		.ring = qd_alloc(16u << log),
		.log_size = log,
		.intr = 0xffff,
		.number = number,
		.signature = 0x43445101,
	};
}

struct queue_dev_ctx
queue_ctx(uint32_t number, uint32_t log)
{
	return (struct queue_dev_ctx){
		.msg_addr = QD_WORDS + 4 * number,
		.msg_data = number + 1,
		.ring = qd_alloc(64u << log),
		.cq = qd_alloc(32u << log),
		.log_size = log,
		.cq_log_size = log,
		.intr = 0xffff,
		.eqn = 0xffff,
		.number = number,
		.signature = 0x43445102,
	};
}

struct tq
tq_create(const struct queue_dev_ctx *ctx)
{
	assert_int_equal(cmd_ctx(0x20, ctx), 0);
	return (struct tq){
		.number = ctx->number,
		.size = 1u << ctx->log_size,
		.cq_size = 1u << ctx->cq_log_size,
		.sq = at(ctx->ring),
		.cq = at(ctx->cq),
	};
}

struct te
te_create(const struct queue_dev_ctx *ctx)
{
	assert_int_equal(cmd_ctx(0x10, ctx), 0);
	return (struct te){
		.number = ctx->number,
		.size = 1u << ctx->log_size,
		.ring = at(ctx->ring),
	};
}

void
tq_push(struct tq *q, const struct queue_dev_desc *desc)
{
	q->sq[q->tail++ & (q->size - 1)] = *desc;
}

void
tq_nops(struct tq *q, uint32_t n)
{
	struct queue_dev_desc desc = { 0 };

	while (n-- != 0) {
		desc.cookie = q->tail;
		tq_push(q, &desc);
	}
	tq_ring(q);
}

void
tq_ring(struct tq *q)
{
	db_ring(QUEUE_DEV_DB(1, q->number, q->tail));
}

bool
tq_ready(const struct tq *q)
{
	const struct queue_dev_cqe *cqe = &q->cq[q->ci & (q->cq_size - 1)];
	uint64_t last = atomic_load_explicit(
		(const _Atomic(uint64_t) *)&cqe->sq_head, memory_order_acquire);

	return last >> 63 != ((q->ci & q->cq_size) != 0);
}

struct queue_dev_cqe
tq_next(struct tq *q)
{
	uint64_t end = clock_ns() + WAIT_NS;

	while (!tq_ready(q)) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
	return q->cq[q->ci++ & (q->cq_size - 1)];
}

void
tq_arm(struct tq *q)
{
	db_ring(QUEUE_DEV_DB(2, q->number, q->ci));
}

struct queue_dev_cqe
tq_do(struct tq *q, const struct queue_dev_desc *desc)
{
	tq_push(q, desc);
	tq_ring(q);
	return tq_next(q);
}

bool
te_ready(const struct te *e)
{
	const struct queue_dev_eqe *eqe = &e->ring[e->ci & (e->size - 1)];
	uint64_t last =
		atomic_load_explicit((const _Atomic(uint64_t) *)&eqe->stamp, memory_order_acquire);

	return last >> 63 != ((e->ci & e->size) != 0);
}

struct queue_dev_eqe
te_next(struct te *e)
{
	uint64_t end = clock_ns() + WAIT_NS;

	while (!te_ready(e)) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
	return e->ring[e->ci++ & (e->size - 1)];
}

void
te_arm(struct te *e)
{
	db_ring(QUEUE_DEV_DB(3, e->number, e->ci));
}

void
te_consumed(struct te *e)
{
	db_ring(QUEUE_DEV_DB(4, e->number, e->ci));
}

/* Sequentially consistent accesses, which ThreadSanitizer understands, in place of fences. */
bool
db_store(uint32_t portal, uint32_t *cell, uint64_t db)
{
	_Atomic(uint64_t) *cells = (_Atomic(uint64_t) *)(t.bar + 0x40000 + portal * 0x1000);

	if (atomic_load_explicit(&cells[*cell], memory_order_relaxed) != 0)
		return false;
	atomic_store(&cells[*cell], db);
	*cell = (*cell + 1) % 512;
	if (atomic_load((_Atomic(uint32_t) *)(t.bar + 0x1000)) != 0)
		db_trap(QUEUE_DEV_DB(5, 0, 0));
	return true;
}

void
db_ring(uint64_t db)
{
	if (t.bar == NULL || !db_store(0, &t.cell, db))
		db_trap(db);
}

void
db_trap(uint64_t db)
{
	reg64_set(0x88, db);
}

void
wait_awake(void)
{
	uint64_t end = clock_ns() + WAIT_NS;

	while (atomic_load((_Atomic(uint32_t) *)(t.bar + 0x1000)) != 0) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
}

/*
 * With the device's lock held it is not just about to, with the other nobody has kicked it
 * meanwhile.
 */
static bool
sleeps(void)
{
	bool is;

	vfu_lock(t.d->vfu);
	pthread_mutex_lock(&t.d->idle_lock);
	is = atomic_load(t.d->asleep) != 0 && !t.d->kicked;
	pthread_mutex_unlock(&t.d->idle_lock);
	vfu_unlock(t.d->vfu);
	return is;
}

void
wait_asleep(void)
{
	uint64_t end = clock_ns() + WAIT_NS;

	while (!sleeps()) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
}

void
settle(void)
{
	uint64_t end = clock_ns() + WAIT_NS;
	bool busy = true;

	db_trap(QUEUE_DEV_DB(5, 0, 0));
	while (busy) {
		assert_true(clock_ns() < end);
		vfu_lock(t.d->vfu);
		busy = t.d->run_first != QD_NONE;
		vfu_unlock(t.d->vfu);
		if (busy)
			sched_yield();
	}
}

void
stretch_time(uint64_t usec_ns)
{
	vfu_lock(t.d->vfu);
	t.d->usec_ns = usec_ns;
	vfu_unlock(t.d->vfu);
}

uint32_t
timers_n(void)
{
	uint32_t n;

	vfu_lock(t.d->vfu);
	n = t.d->heap.n;
	vfu_unlock(t.d->vfu);
	return n;
}

void
wait_timers(void)
{
	uint64_t end = clock_ns() + WAIT_NS;

	while (timers_n() != 0) {
		assert_true(clock_ns() < end);
		sched_yield();
	}
}

void
time_passes(void)
{
	uint32_t i;

	vfu_lock(t.d->vfu);
	for (i = 0; i < t.d->n_slots + QD_MAX_ACTIONS; i++)
		if (t.d->heap.place[i] != TIMER_HEAP_NONE)
			qd_timer_set(t.d, i, 0);
	vfu_unlock(t.d->vfu);
	wait_timers();
}
