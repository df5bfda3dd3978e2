/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The model timer_ims as its client sees it: registers by message, slots and timer blocks in the
 * mapped BAR, offsets written out as in the data sheet. Time is the test's where that helps: the
 * intervals are an hour long, and expire() says that they have passed.
 */

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

#include "ticks.h"
#include "timer_ims_model.h"
#include "vfu_peer.h"
#include "vfu_priv.h"

#define HOUR    3600000000000ull
#define PAGE    4096u
#define WINDOW  0xfee00000u /* of messages, mapped */
#define NOWHERE 0xabc00000u /* not mapped: messages go out as DMA_WRITE */

#define ENABLE   1u
#define PERIODIC 2u
#define MASK     1u
#define PENDING  2u

static struct timer_ims *t;
static struct peer p;
static uint8_t *bar; /* the client's mapping */
static _Atomic(uint32_t) *window;

static void
map_bar(void)
{
	struct vfio_region_info info = { .argsz = 4096, .index = 0 };

	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_GET_REGION_INFO, &info, sizeof(info)), 0);
	bar = NULL;
	if (p.in.n_fds == 0)
		return;
	bar = mmap(NULL, 0x80000, PROT_READ | PROT_WRITE, MAP_SHARED, p.in.fds[0], 0);
	assert_true(bar != MAP_FAILED);
	close(p.in.fds[0]);
}

/* Memory that messages are stored to, two pages at WINDOW, without files of our own left over. */
static void
map_window(void)
{
	int fd = memfd_create("window", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 2 * PAGE), 0);
	window = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(window != MAP_FAILED);
	assert_int_equal(peer_dma_map(&p, WINDOW, PAGE, VFIO_USER_DMA_F_WRITE, fd, 0), 0);
	assert_int_equal(
		peer_dma_map(&p, 1ull << 32 | WINDOW, PAGE, VFIO_USER_DMA_F_WRITE, fd, PAGE), 0);
	close(fd);
}

static void
start(const char *args)
{
	char copy[64];
	struct model_opts opts = { .args = copy };

	snprintf(copy, sizeof(copy), "%s", args);
	t = timer_ims_model.create(&opts);
	if (t == NULL)
		print_error("%s\n", opts.error);
	assert_non_null(t);
	peer_start(&p, timer_ims_model.vfu(t));
	map_bar();
	map_window();
	peer_bus_master(&p, true);
}

static void
unmap(void)
{
	if (bar != NULL)
		munmap(bar, 0x80000);
	munmap((void *)(uintptr_t)window, 2 * PAGE);
}

static int
setup(void **state)
{
	start("timers=8");
	return 0;
}

static int
teardown(void **state)
{
	peer_stop(&p);
	timer_ims_model.destroy(t);
	unmap();
	return 0;
}

static uint32_t
reg(uint32_t off)
{
	uint32_t val;

	assert_int_equal(peer_read(&p, 0, off, &val, 4), 0);
	return val;
}

static void
reg_set(uint32_t off, uint32_t val)
{
	assert_int_equal(peer_write(&p, 0, off, &val, 4), 0);
}

static void
sync_slot(uint32_t slot)
{
	reg_set(0x44, slot);
}

static _Atomic(uint32_t) *
slot_word(uint32_t slot, uint32_t off)
{
	return (_Atomic(uint32_t) *)(bar + 0x10000 + slot * 16 + off);
}

static uint32_t
slot_ctrl(uint32_t slot)
{
	return atomic_load(slot_word(slot, 12));
}

/* Plain stores, as a driver makes them: a whole word each. */
static void
slot_set(uint32_t slot, uint64_t addr, uint32_t data, uint32_t ctrl)
{
	atomic_store(slot_word(slot, 12), MASK);
	atomic_store(slot_word(slot, 0), (uint32_t)addr);
	atomic_store(slot_word(slot, 4), addr >> 32);
	atomic_store(slot_word(slot, 8), data);
	atomic_store(slot_word(slot, 12), ctrl);
	sync_slot(slot);
}

static uint64_t
block64(uint32_t timer, uint32_t off)
{
	return atomic_load((_Atomic(uint64_t) *)(bar + 0x40000 + timer * 64 + off));
}

static uint32_t
block32(uint32_t timer, uint32_t off)
{
	return atomic_load((_Atomic(uint32_t) *)(bar + 0x40000 + timer * 64 + off));
}

#define COUNT(timer)  block64(timer, 0x20)
#define STAMP(timer)  block64(timer, 0x28)
#define STATUS(timer) block32(timer, 0x30)

static void
kick(uint32_t timer, uint32_t ctrl, uint32_t slot, uint64_t interval, uint64_t limit)
{
	uint8_t *block = bar + 0x40000 + timer * 64;

	atomic_store((_Atomic(uint32_t) *)(block + 0x04), slot);
	atomic_store((_Atomic(uint64_t) *)(block + 0x08), interval);
	atomic_store((_Atomic(uint64_t) *)(block + 0x10), limit);
	atomic_store((_Atomic(uint32_t) *)block, ctrl);
	reg_set(0x40, timer);
}

/* The time of this timer's expiry has come, `late` intervals and a bit ago. */
static void
expire(uint32_t timer, uint64_t late)
{
	vfu_lock(t->vfu);
	timer_ims_expire(t, t->heap.deadline[timer] + late * t->timers[timer].interval + 12345);
	vfu_unlock(t->vfu);
}

static struct vfu_stats
stats(void)
{
	struct vfu_stats copy;

	vfu_lock(t->vfu);
	copy = *vfu_stats(t->vfu);
	vfu_unlock(t->vfu);
	return copy;
}

/* Messages stored since the last call, and to where the newest ones went. */
static uint64_t
arrived(void)
{
	static uint64_t before;
	static struct timer_ims *of;
	uint64_t now = stats().msgs_memory, n;

	n = now - (of == t ? before : 0);
	of = t;
	before = now;
	return n;
}

static uint32_t
word(uint32_t i)
{
	return atomic_exchange(&window[i], 0);
}

static int
setup_fresh(void **state)
{
	setup(state);
	arrived();
	return 0;
}

static void
test_registers(void **state)
{
	uint64_t before, now, after, hz;
	uint32_t val = 0, off, time_lo, time_hi;

	assert_int_equal(reg(0x00), 0x534d4954);
	assert_int_equal(reg(0x04), 1);
	assert_int_equal(reg(0x08), 8);
	assert_int_equal(reg(0x0c), 9);
	assert_int_equal(reg(0x10), 0x10000);
	assert_int_equal(reg(0x14), 0x40000);
	for (off = 0x18; off < 0x28; off += 4)
		assert_int_equal(reg(off), 0);
	for (off = 0x38; off < 0x1000; off += 4)
		assert_int_equal(reg(off), 0);
	/* What cannot be written stays as it is. */
	for (off = 0; off < 0x18; off += 4)
		reg_set(off, UINT32_MAX);
	for (off = 0x28; off < 0x40; off += 4)
		reg_set(off, UINT32_MAX);
	assert_int_equal(reg(0x00), 0x534d4954);
	assert_int_equal(reg(0x0c), 9);
	/* The clock. */
	before = ticks_now();
	assert_int_equal(peer_read(&p, 0, 0x30, &now, 8), 0);
	after = ticks_now();
	assert_true(before <= now && now <= after);
	assert_int_equal(peer_read(&p, 0, 0x28, &hz, 8), 0);
	assert_true(hz > 1000000 && hz < 100000000000);
	assert_int_equal(reg(0x28), (uint32_t)hz);
	assert_int_equal(reg(0x2c), hz >> 32);
	time_hi = reg(0x34);
	time_lo = reg(0x30);
	assert_true((uint64_t)time_hi << 32 <= ticks_now());
	assert_true(time_lo != 0 || time_hi != 0);
	/* Sizes and alignment. */
	assert_int_equal(peer_read(&p, 0, 0, &val, 2), EINVAL);
	assert_int_equal(peer_read(&p, 0, 2, &val, 4), EINVAL);
	assert_int_equal(peer_read(&p, 0, 0x34, &now, 8), EINVAL);
	assert_int_equal(peer_write(&p, 0, 0x18, &val, 1), EINVAL);
	assert_int_equal(peer_write(&p, 0, 0x18, &now, 8), EINVAL);
	assert_int_equal(peer_write(&p, 0, 0x1a, &val, 4), EINVAL);
}

/* A slot's 16 bytes, one by one as the data sheet has them. */
static void
test_slot_bytes(void **state)
{
	static const uint8_t slot5[16] = { 0x08, 0x00, 0xe0, 0xfe, 0x01, 0x00, 0x00, 0x00, 0x78,
		0x56, 0x34, 0x12, 0x00, 0x00, 0x00, 0x00 };

	memcpy(bar + 0x10050, slot5, 16);
	sync_slot(5);
	assert_int_equal(reg(0x44), 5);
	kick(0, ENABLE, 5, HOUR, 0);
	expire(0, 0);
	assert_int_equal(word(PAGE / 4 + 2), 0x12345678); /* 0x1fee00008 */
	assert_int_equal(arrived(), 1);
}

static void
test_slot_by_message(void **state)
{
	uint32_t val[4] = { WINDOW + 12, 0, 0xcafe, 0 }, back[4], i;
	uint64_t two = 0;

	kick(0, ENABLE | PERIODIC, 3, HOUR, 0);
	expire(0, 0);
	assert_int_equal(arrived(), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(peer_write(&p, 0, 0x10030 + 4 * i, &val[i], 4), 0);
	assert_int_equal(arrived(), 0);
	/* The device sees this store as it happens: no IMS_SYNC. PENDING is not the driver's. */
	val[3] = MASK;
	assert_int_equal(peer_write(&p, 0, 0x1003c, &val[3], 4), 0);
	assert_int_equal(slot_ctrl(3), MASK | PENDING);
	val[3] = 0;
	assert_int_equal(peer_write(&p, 0, 0x1003c, &val[3], 4), 0);
	assert_int_equal(arrived(), 1);
	assert_int_equal(word(3), 0xcafe);
	val[3] = UINT32_MAX & ~MASK;
	assert_int_equal(peer_write(&p, 0, 0x1003c, &val[3], 4), 0);
	assert_int_equal(slot_ctrl(3), 0);
	assert_int_equal(arrived(), 0);
	assert_int_equal(peer_read(&p, 0, 0x10030, back, 16), 0);
	assert_int_equal(back[0], WINDOW + 12);
	assert_int_equal(back[2], 0xcafe);
	/* The last slot, one past, other sizes. */
	assert_int_equal(peer_write(&p, 0, 0x10000 + 16 * 8, val, 4), 0);
	assert_int_equal(peer_write(&p, 0, 0x10000 + 16 * 9, val, 4), EINVAL);
	assert_int_equal(peer_write(&p, 0, 0x20ffc, val, 4), EINVAL);
	assert_int_equal(peer_write(&p, 0, 0x10030, &two, 8), EINVAL);
	assert_int_equal(peer_write(&p, 0, 0x10031, &two, 4), EINVAL);
	assert_int_equal(peer_write(&p, 0, 0x1003c, &two, 2), EINVAL);
}

static void
test_message(void **state)
{
	uint64_t before;

	slot_set(1, WINDOW + 4, 0x41, 0);
	kick(2, ENABLE, 1, HOUR, 0);
	assert_int_equal(STATUS(2), 1);
	assert_int_equal(COUNT(2), 0);
	assert_int_equal(arrived(), 0);
	before = ticks_now();
	expire(2, 0);
	assert_int_equal(arrived(), 1);
	assert_int_equal(word(1), 0x41);
	assert_int_equal(COUNT(2), 1);
	assert_int_equal(STATUS(2), 0);
	assert_true(before <= STAMP(2) && STAMP(2) <= ticks_now());
	/* Stopping and syncing what has expired does nothing more. */
	kick(2, 0, 1, HOUR, 0);
	sync_slot(1);
	assert_int_equal(arrived(), 0);
	assert_int_equal(COUNT(2), 1);
}

static void
test_masked(void **state)
{
	slot_set(1, WINDOW, 0x77, MASK);
	assert_int_equal(slot_ctrl(1), MASK);
	kick(0, ENABLE | PERIODIC, 1, HOUR, 0);
	expire(0, 0);
	assert_int_equal(slot_ctrl(1), MASK | PENDING);
	expire(0, 0);
	expire(0, 3);
	assert_int_equal(COUNT(0), 6);
	assert_int_equal(arrived(), 0);
	sync_slot(1);
	assert_int_equal(slot_ctrl(1), MASK | PENDING);
	assert_int_equal(arrived(), 0);
	/* Unmasked by a plain store, which wipes PENDING: nothing until the device is told. */
	atomic_store(slot_word(1, 12), 0);
	usleep(2000);
	assert_int_equal(arrived(), 0);
	sync_slot(1);
	assert_int_equal(arrived(), 1);
	assert_int_equal(word(0), 0x77);
	assert_int_equal(slot_ctrl(1), 0);
	sync_slot(1);
	assert_int_equal(arrived(), 0);
	/* Slots next to it have seen nothing. */
	assert_int_equal(slot_ctrl(0), MASK);
	assert_int_equal(slot_ctrl(2), MASK);
}

static void
test_pending_again(void **state)
{
	slot_set(1, WINDOW, 1, MASK);
	kick(0, ENABLE, 1, HOUR, 0);
	expire(0, 0);
	assert_int_equal(slot_ctrl(1), MASK | PENDING);
	/*
	 * The driver changes the message of a masked slot: its store wipes the bit, not the event.
	 */
	slot_set(1, WINDOW + 8, 2, MASK);
	assert_int_equal(slot_ctrl(1), MASK | PENDING);
	assert_int_equal(arrived(), 0);
	slot_set(1, WINDOW + 8, 2, 0);
	assert_int_equal(arrived(), 1);
	assert_int_equal(word(0), 0);
	assert_int_equal(word(2), 2);
	assert_int_equal(slot_ctrl(1), 0);
}

/* PENDING stored by the driver is no event. */
static void
test_pending_forged(void **state)
{
	slot_set(1, WINDOW, 1, MASK | PENDING);
	slot_set(1, WINDOW, 1, PENDING);
	assert_int_equal(arrived(), 0);
}

static void
test_limits(void **state)
{
	slot_set(1, WINDOW, 1, 0);
	/* One shot, whatever the limit says. */
	kick(0, ENABLE, 1, HOUR, 5);
	expire(0, 0);
	assert_int_equal(COUNT(0), 1);
	assert_int_equal(STATUS(0), 0);
	/* Late one shot. */
	kick(0, ENABLE, 1, HOUR, 0);
	expire(0, 7);
	assert_int_equal(COUNT(0), 1);
	assert_int_equal(STATUS(0), 0);
	assert_int_equal(arrived(), 2);
	/* Three times. */
	kick(0, ENABLE | PERIODIC, 1, HOUR, 3);
	assert_int_equal(COUNT(0), 0);
	expire(0, 0);
	expire(0, 0);
	assert_int_equal(STATUS(0), 1);
	expire(0, 0);
	assert_int_equal(COUNT(0), 3);
	assert_int_equal(STATUS(0), 0);
	assert_int_equal(arrived(), 3);
	/* Without a limit. */
	kick(0, ENABLE | PERIODIC, 1, HOUR, 0);
	expire(0, 0);
	expire(0, 999);
	assert_int_equal(COUNT(0), 1001);
	assert_int_equal(STATUS(0), 1);
	assert_int_equal(arrived(), 2);
}

static void
test_catch_up(void **state)
{
	uint64_t deadline;

	slot_set(1, WINDOW, 1, 0);
	kick(0, ENABLE | PERIODIC, 1, HOUR, 0);
	vfu_lock(t->vfu);
	deadline = t->heap.deadline[0];
	vfu_unlock(t->vfu);
	expire(0, 4);
	assert_int_equal(COUNT(0), 5);
	assert_int_equal(arrived(), 1);
	/* In step with the start, not with the moment it was late. */
	vfu_lock(t->vfu);
	deadline = t->heap.deadline[0] - deadline;
	vfu_unlock(t->vfu);
	assert_true(deadline == 5 * HOUR);
	/* No further than the limit. */
	kick(0, ENABLE | PERIODIC, 1, HOUR, 4);
	expire(0, 0);
	expire(0, 1000000);
	assert_int_equal(COUNT(0), 4);
	assert_int_equal(STATUS(0), 0);
	assert_int_equal(arrived(), 2);
	/* A nanosecond before the next one. */
	kick(0, ENABLE | PERIODIC, 1, HOUR, 0);
	vfu_lock(t->vfu);
	timer_ims_expire(t, t->heap.deadline[0] - 1);
	timer_ims_expire(t, t->heap.deadline[0] + HOUR - 1);
	vfu_unlock(t->vfu);
	assert_int_equal(COUNT(0), 1);
	assert_int_equal(arrived(), 1);
}

/* A block is read when its timer is kicked, not otherwise. */
static void
test_kick(void **state)
{
	slot_set(1, WINDOW, 1, 0);
	slot_set(2, WINDOW + 4, 2, 0);
	kick(0, ENABLE | PERIODIC, 1, HOUR, 0);
	expire(0, 0);
	memset(bar + 0x40000, 0, 0x20);
	expire(0, 0);
	assert_int_equal(word(0), 1);
	assert_int_equal(arrived(), 2);
	/* Started anew it counts from 0. */
	kick(0, ENABLE | PERIODIC, 2, HOUR, 0);
	assert_int_equal(COUNT(0), 0);
	expire(0, 0);
	assert_int_equal(word(1), 2);
	assert_int_equal(COUNT(0), 1);
	/* Stopped it is not active, and its count can be read. */
	kick(0, 0, 2, HOUR, 0);
	assert_int_equal(STATUS(0), 0);
	assert_int_equal(COUNT(0), 1);
	vfu_lock(t->vfu);
	assert_int_equal(t->heap.n, 0);
	vfu_unlock(t->vfu);
	/* Block fields that are the device's cannot be written by message. */
	assert_int_equal(peer_write(&p, 0, 0x40020, (uint64_t[]){ 99 }, 8), 0);
	assert_int_equal(COUNT(0), 1);
	/* The last timer has a block of its own. */
	kick(7, ENABLE, 8, HOUR, 0);
	assert_int_equal(STATUS(7), 1);
}

static void
test_shared_slot(void **state)
{
	slot_set(4, WINDOW, 4, 0);
	kick(0, ENABLE, 4, HOUR, 0);
	kick(1, ENABLE, 4, HOUR, 0);
	kick(2, ENABLE, 4, HOUR, 0);
	expire(2, 0); /* the latest: all of them */
	assert_int_equal(COUNT(0) + COUNT(1) + COUNT(2), 3);
	assert_int_equal(arrived(), 3);
}

static void
check_error(uint32_t bits, uint32_t arg, uint64_t messages)
{
	assert_int_equal(reg(0x1c), bits);
	assert_int_equal(reg(0x20), arg);
	assert_int_equal(arrived(), messages);
	assert_int_equal(word(0), messages != 0 ? 0xe0 : 0);
}

static void
test_errors(void **state)
{
	static const struct {
		uint32_t slot;
		uint64_t interval;
	} bad[] = { { 0, HOUR }, { 9, HOUR }, { UINT32_MAX, HOUR }, { 1, 0 }, { 1, HOUR + 1 },
		{ 1, UINT64_MAX } };
	size_t i;

	slot_set(0, WINDOW, 0xe0, 0);
	reg_set(0x40, 8);
	check_error(1, 8, 1);
	/* The bit is up already: the operand is new, the message is not repeated. */
	reg_set(0x40, UINT32_MAX);
	check_error(1, UINT32_MAX, 0);
	reg_set(0x44, 9);
	check_error(5, 9, 1);
	assert_int_equal(reg(0x44), 0); /* keeps the last good one */
	reg_set(0x1c, 0);
	assert_int_equal(reg(0x1c), 5);
	reg_set(0x1c, 1);
	check_error(4, 9, 0);
	reg_set(0x1c, UINT32_MAX);
	check_error(0, 9, 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		kick(3, ENABLE | PERIODIC, bad[i].slot, bad[i].interval, 0);
		check_error(2, 3, 1);
		assert_int_equal(STATUS(3), 0);
		reg_set(0x1c, 2);
	}
	/* A timer that ran is stopped by a bad start. */
	kick(3, ENABLE | PERIODIC, 1, HOUR, 0);
	kick(3, ENABLE | PERIODIC, 0, HOUR, 0);
	check_error(2, 3, 1);
	assert_int_equal(STATUS(3), 0);
	reg_set(0x1c, 2);
	/* Stopping is never wrong; nor are the last slot and an hour. */
	kick(3, 0, 99, 0, 0);
	kick(3, ENABLE, 8, HOUR, UINT64_MAX);
	check_error(0, 3, 0);
	assert_int_equal(STATUS(3), 1);
}

/* Slot 0 masks and pends as others do. */
static void
test_error_masked(void **state)
{
	reg_set(0x40, 8);
	assert_int_equal(slot_ctrl(0), MASK | PENDING);
	slot_set(0, WINDOW, 0xe0, 0);
	check_error(1, 8, 1);
}

static void
request_is(struct peer_stash *req, uint64_t addr, uint32_t data)
{
	assert_true(peer_request(&p, req, PEER_TIMEOUT_MS));
	assert_int_equal(req->hdr.command, VFIO_USER_DMA_WRITE);
	assert_true(req->acc.addr == addr);
	assert_int_equal(req->acc.count, 4);
	assert_int_equal(req->value, data);
}

static void
no_request(void)
{
	peer_sync(&p);
	assert_int_equal(p.stash_len, 0);
}

static void
reply(const struct peer_stash *req, uint32_t error)
{
	peer_reply(&p, req->hdr.id, VFIO_USER_DMA_WRITE, error, &req->acc,
		error == 0 ? sizeof(req->acc) : 0);
}

static void
test_dma_write(void **state)
{
	struct peer_stash req;
	int i;

	slot_set(1, NOWHERE, 0x31, 0);
	kick(0, ENABLE | PERIODIC, 1, HOUR, 0);
	expire(0, 0);
	assert_true(STAMP(0) != 0);
	request_is(&req, NOWHERE, 0x31);
	/* Merged while it is under way, and sent once more after the reply. */
	for (i = 0; i < 5; i++)
		expire(0, 0);
	no_request();
	assert_int_equal(stats().msgs_merged, 5);
	reply(&req, 0);
	request_is(&req, NOWHERE, 0x31);
	reply(&req, 0);
	no_request();
	assert_int_equal(COUNT(0), 6);
	assert_int_equal(stats().msgs_socket, 2);
	assert_int_equal(slot_ctrl(1), 0);
	assert_int_equal(arrived(), 0);
}

/* What was merged follows the slot: to its new message, or into PENDING. */
static void
test_dma_write_changed(void **state)
{
	struct peer_stash req;

	slot_set(1, NOWHERE, 0x31, 0);
	kick(0, ENABLE | PERIODIC, 1, HOUR, 0);
	expire(0, 0);
	request_is(&req, NOWHERE, 0x31);
	expire(0, 0);
	slot_set(1, NOWHERE + 4, 0x32, 0);
	no_request();
	reply(&req, 0);
	request_is(&req, NOWHERE + 4, 0x32);
	expire(0, 0);
	slot_set(1, NOWHERE + 8, 0x33, MASK);
	reply(&req, 0);
	no_request();
	assert_int_equal(slot_ctrl(1), MASK | PENDING);
	slot_set(1, WINDOW, 0x34, 0);
	no_request();
	assert_int_equal(word(0), 0x34);
	assert_int_equal(arrived(), 1);
}

static void
test_where_messages_go(void **state)
{
	struct peer_stash req;

	kick(0, ENABLE | PERIODIC, 1, HOUR, 0);
	/* Not a word of its own: the client may sort that out. */
	slot_set(1, WINDOW + 2, 1, 0);
	expire(0, 0);
	request_is(&req, WINDOW + 2, 1);
	reply(&req, 0);
	/* The last word of the map, and the one behind. */
	slot_set(1, WINDOW + PAGE - 4, 2, 0);
	expire(0, 0);
	assert_int_equal(word(PAGE / 4 - 1), 2);
	slot_set(1, WINDOW + PAGE, 3, 0);
	expire(0, 0);
	request_is(&req, WINDOW + PAGE, 3);
	reply(&req, 0);
	/* The whole address counts. */
	slot_set(1, 2ull << 32 | WINDOW, 4, 0);
	expire(0, 0);
	request_is(&req, 2ull << 32 | WINDOW, 4);
	reply(&req, 0);
	slot_set(1, UINT64_MAX, 5, 0);
	expire(0, 0);
	request_is(&req, UINT64_MAX, 5);
	reply(&req, 0);
	assert_int_equal(arrived(), 1);
	/* The map goes: so do the messages, the other way. */
	slot_set(1, WINDOW, 6, 0);
	assert_int_equal(peer_dma_unmap(&p, WINDOW, PAGE, 0), 0);
	expire(0, 0);
	request_is(&req, WINDOW, 6);
}

static void
test_refused(void **state)
{
	struct peer_stash req;

	slot_set(0, WINDOW, 0xe0, 0);
	slot_set(6, NOWHERE, 1, 0);
	kick(0, ENABLE | PERIODIC, 6, HOUR, 0);
	expire(0, 0);
	request_is(&req, NOWHERE, 1);
	expire(0, 0);
	reply(&req, EFAULT);
	check_error(8, 6, 1);
	assert_int_equal(stats().msgs_faulted, 1);
	/* The merged event is sent all the same; refused again it says nothing new. */
	request_is(&req, NOWHERE, 1);
	reply(&req, EFAULT);
	check_error(8, 6, 0);
	no_request();
	assert_int_equal(slot_ctrl(6), 0);
	/* An error message that is refused is not reported by another one. */
	reg_set(0x1c, 8);
	slot_set(0, NOWHERE + 4, 0xe1, 0);
	reg_set(0x40, 8);
	request_is(&req, NOWHERE + 4, 0xe1);
	reply(&req, EFAULT);
	no_request();
	assert_int_equal(reg(0x1c), 1);
}

static void
test_bus_master(void **state)
{
	peer_bus_master(&p, false);
	slot_set(1, WINDOW, 1, 0);
	slot_set(2, WINDOW + 4, 2, MASK);
	slot_set(3, WINDOW + 8, 3, 0);
	kick(0, ENABLE | PERIODIC, 1, HOUR, 0);
	kick(1, ENABLE | PERIODIC, 2, HOUR, 0);
	expire(1, 0);
	expire(1, 0);
	assert_int_equal(COUNT(0), 2);
	assert_int_equal(arrived(), 0);
	assert_int_equal(slot_ctrl(1), PENDING);
	assert_int_equal(slot_ctrl(2), MASK | PENDING);
	assert_int_equal(slot_ctrl(3), 0);
	sync_slot(1);
	assert_int_equal(slot_ctrl(1), PENDING);
	/* Held back, not lost, and not more than one. */
	peer_bus_master(&p, true);
	assert_int_equal(arrived(), 1);
	assert_int_equal(word(0), 1);
	assert_int_equal(slot_ctrl(1), 0);
	assert_int_equal(slot_ctrl(2), MASK | PENDING);
	peer_bus_master(&p, false);
	peer_bus_master(&p, true);
	assert_int_equal(arrived(), 0);
}

static void
check_reset_state(void)
{
	uint32_t i;

	for (i = 0; i < 0x40000; i++)
		if (bar[0x40000 + i] != 0)
			fail_msg("timer blocks: offset 0x%x", i);
	for (i = 0; i < 9; i++) {
		assert_int_equal(slot_ctrl(i), MASK);
		assert_int_equal(atomic_load(slot_word(i, 0)), 0);
		assert_int_equal(atomic_load(slot_word(i, 4)), 0);
		assert_int_equal(atomic_load(slot_word(i, 8)), 0);
	}
	assert_int_equal(reg(0x18), 0);
	assert_int_equal(reg(0x1c), 0);
	assert_int_equal(reg(0x20), 0);
	assert_int_equal(reg(0x44), 0);
	vfu_lock(t->vfu);
	i = t->heap.n;
	vfu_unlock(t->vfu);
	assert_int_equal(i, 0);
}

static void
disturb(void)
{
	uint32_t i;

	for (i = 0; i < 9; i++)
		slot_set(i, WINDOW + 16 * i, i, i % 2);
	for (i = 0; i < 8; i++)
		kick(i, ENABLE | PERIODIC, i + 1, HOUR, 0);
	expire(7, 0);
	reg_set(0x40, 77);
	assert_int_not_equal(reg(0x1c), 0);
}

static void
test_reset(void **state)
{
	uint8_t flr = 0x80;

	check_reset_state();
	disturb();
	reg_set(0x18, 0xfffffffe); /* reserved bits do nothing */
	assert_int_not_equal(reg(0x1c), 0);
	reg_set(0x18, 1);
	check_reset_state();
	disturb();
	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	check_reset_state();
	peer_bus_master(&p, true);
	disturb();
	assert_int_equal(peer_write(&p, VFIO_PCI_CONFIG_REGION_INDEX, 0x59, &flr, 1), 0);
	check_reset_state();
	/* No event of before the reset is sent later. */
	arrived();
	peer_bus_master(&p, true);
	slot_set(1, WINDOW, 1, 0);
	slot_set(2, WINDOW, 2, 0);
	assert_int_equal(arrived(), 0);
}

static void
test_reset_in_flight(void **state)
{
	struct peer_stash req;

	slot_set(0, WINDOW, 0xe0, 0);
	slot_set(1, NOWHERE, 1, 0);
	kick(0, ENABLE | PERIODIC, 1, HOUR, 0);
	expire(0, 0);
	expire(0, 0);
	request_is(&req, NOWHERE, 1);
	reg_set(0x18, 1);
	arrived();
	/* Refused after the reset: that message is not the function's any more. */
	reply(&req, EFAULT);
	no_request();
	check_reset_state();
	assert_int_equal(arrived(), 0);
	slot_set(1, NOWHERE, 2, 0);
	kick(0, ENABLE | PERIODIC, 1, HOUR, 0);
	expire(0, 0);
	request_is(&req, NOWHERE, 2);
}

/* The client goes while timers run and messages are under way. */
static void
test_client_gone(void **state)
{
	struct peer_stash req;

	slot_set(1, NOWHERE, 1, 0);
	slot_set(2, NOWHERE, 1, 0);
	kick(0, ENABLE | PERIODIC, 1, HOUR, 0);
	kick(1, ENABLE | PERIODIC, 2, HOUR, 0);
	expire(1, 0);
	expire(1, 0);
	request_is(&req, NOWHERE, 1);
	peer_stop(&p);
	assert_int_equal(t->heap.n, 0);
	assert_int_equal(slot_ctrl(1), MASK);
	assert_int_equal(slot_ctrl(2), MASK);
	assert_int_equal(t->error, 0);
	timer_ims_model.destroy(t);
	unmap();
	setup(NULL);
}

/* The server ends while timers run, as by SIGTERM. */
static void
end_while_running(const char *args)
{
	start(args);
	slot_set(1, WINDOW, 1, 0);
	kick(0, ENABLE | PERIODIC, 1, 100000, 0);
	kick(1, ENABLE | PERIODIC, 1, HOUR, 0);
	vfu_stop(t->vfu);
	pthread_join(p.thread, NULL);
	timer_ims_model.destroy(t);
	close(p.sock);
	unmap();
}

static void
test_end_while_running(void **state)
{
	end_while_running("");
	end_while_running("engine=spin");
}

/*
 * More messages than may be under way: the rest waits for room. What finds its slot masked then
 * takes no room, so the next one has to have its turn.
 */
static void
test_no_room(void **state)
{
	struct peer_stash req;
	bool seen[601] = { false };
	uint32_t i, n;

	start("timers=600");
	for (i = 1; i <= 600; i++) {
		slot_set(i, NOWHERE + 4 * i, i, 0);
		kick(i - 1, ENABLE, i, HOUR, 0);
	}
	expire(599, 0);
	peer_sync(&p);
	assert_int_equal(p.stash_len, 256);
	/* 300 of those that wait get masked. */
	for (i = 257; i <= 556; i++)
		atomic_store(slot_word(i, 12), MASK);
	for (n = 0; p.stash_len != 0; n++) {
		assert_true(peer_request(&p, &req, PEER_TIMEOUT_MS));
		assert_in_range(req.value, 1, 600);
		assert_true(req.acc.addr == NOWHERE + 4 * req.value);
		assert_false(seen[req.value]);
		seen[req.value] = true;
		reply(&req, 0);
		peer_sync(&p);
	}
	assert_int_equal(n, 300);
	for (i = 1; i <= 600; i++) {
		assert_int_equal(seen[i], i <= 256 || i > 556);
		assert_int_equal(slot_ctrl(i), seen[i] ? 0 : MASK | PENDING);
	}
	teardown(NULL);
}

static void
wait_status(uint32_t timer, uint32_t status)
{
	uint64_t end = clock_ns() + 20000000000;

	while (STATUS(timer) != status && clock_ns() < end)
		usleep(1000);
	assert_int_equal(STATUS(timer), status);
}

/* The engines themselves. */
static void
run_engine(const char *args)
{
	uint64_t began;

	start(args);
	arrived();
	slot_set(1, WINDOW, 1, 0);
	began = clock_ns();
	kick(0, ENABLE | PERIODIC, 1, 1000000, 20);
	wait_status(0, 0);
	assert_true(clock_ns() - began >= 20000000);
	peer_sync(&p);
	assert_int_equal(COUNT(0), 20);
	assert_in_range(arrived(), 1, 20);
	/* A long one does not hold up a short one, a shorter one not itself. */
	kick(0, ENABLE, 1, HOUR, 0);
	kick(1, ENABLE, 1, 2000000, 0);
	wait_status(1, 0);
	kick(2, ENABLE | PERIODIC, 1, 1, 1000000);
	wait_status(2, 0);
	assert_int_equal(COUNT(2), 1000000);
	assert_int_equal(STATUS(0), 1);
	assert_int_equal(COUNT(0), 0);
	teardown(NULL);
}

static void
test_engine_timerfd(void **state)
{
	run_engine("engine=timerfd");
}

static void
test_engine_spin(void **state)
{
	run_engine("engine=spin");
}

static void
test_trapped(void **state)
{
	uint32_t val = MASK, ctrl;
	uint64_t interval = HOUR;

	start("mmap=0");
	assert_null(bar);
	arrived();
	assert_int_equal(peer_read(&p, 0, 0x1001c, &ctrl, 4), 0);
	assert_int_equal(ctrl, MASK);
	val = WINDOW;
	assert_int_equal(peer_write(&p, 0, 0x10010, &val, 4), 0);
	val = 9;
	assert_int_equal(peer_write(&p, 0, 0x10018, &val, 4), 0);
	val = 1;
	assert_int_equal(peer_write(&p, 0, 0x40004, &val, 4), 0);
	assert_int_equal(peer_write(&p, 0, 0x40008, &interval, 8), 0);
	assert_int_equal(peer_write(&p, 0, 0x40000, &val, 4), 0);
	reg_set(0x40, 0);
	expire(0, 0);
	assert_int_equal(peer_read(&p, 0, 0x1001c, &ctrl, 4), 0);
	assert_int_equal(ctrl, MASK | PENDING);
	val = 0;
	assert_int_equal(peer_write(&p, 0, 0x1001c, &val, 4), 0);
	assert_int_equal(arrived(), 1);
	assert_int_equal(word(0), 9);
	teardown(NULL);
}

/* Message k goes to a place, with a datum, that no other message shares half of. */
static uint64_t
tear_addr(uint32_t k)
{
	return (uint64_t)(k >> 10 & 1) << 32 | (WINDOW + 4 * (k % 1024));
}

static uint32_t
tear_word(uint32_t k)
{
	return (k >> 10 & 1) * 1024 + k % 1024;
}

/* Every word in the window is 0 or a message that belongs there. */
static void
check_not_torn(void)
{
	uint32_t i, k;

	for (i = 0; i < 2048; i++) {
		k = atomic_load(&window[i]);
		if (k != 0 && tear_word(k) != i)
			fail_msg("message %u arrived at word %u", k, i);
	}
}

/* Another message, different in every field, written as a driver does: then IMS_SYNC is due. */
static uint32_t
tear_next(uint32_t old)
{
	uint32_t k = (old * 1103515245 + 12345) & 0x7fffffff;

	k = (k & ~0x400u) | (~old & 0x400u);
	atomic_store_explicit(slot_word(1, 12), MASK, memory_order_release);
	atomic_store_explicit(slot_word(1, 0), (uint32_t)tear_addr(k), memory_order_release);
	atomic_store_explicit(slot_word(1, 4), tear_addr(k) >> 32, memory_order_release);
	atomic_store_explicit(slot_word(1, 8), k, memory_order_release);
	atomic_store_explicit(slot_word(1, 12), 0, memory_order_release);
	return k;
}

/*
 * Section 4.2. A thread of the device fires slot 1 all the time while this one changes it by plain
 * stores. After IMS_SYNC no message of the earlier contents comes any more.
 */
static void
test_tear(void **state)
{
	uint64_t end, last, came;
	uint32_t k = 1, old, rounds = 0;

	start("engine=spin,timers=4");
	arrived();
	slot_set(1, tear_addr(k), k, 0);
	kick(0, ENABLE | PERIODIC, 1, 1000, 0);
	kick(1, ENABLE | PERIODIC, 1, 1700, 0);
	end = clock_ns() + 700000000;
	last = end + 20000000000;
	while (clock_ns() < end || (rounds <= 10 && clock_ns() < last)) {
		old = k;
		k = tear_next(old);
		sync_slot(1);
		atomic_store(&window[tear_word(old)], 0);
		if (++rounds % 64 == 0)
			check_not_torn();
		assert_int_equal(atomic_load(&window[tear_word(old)]), 0);
	}
	check_not_torn();
	assert_true(rounds > 10);
	for (came = arrived(); came <= 10 && clock_ns() < last; came += arrived())
		sched_yield();
	assert_true(came > 10);
	kick(0, 0, 0, 0, 0);
	kick(1, 0, 0, 0, 0);
	teardown(NULL);
}

static atomic_bool tear_stop;
static atomic_bool tear_wait; /* the other thread wants the lock */

static void *
fire_thread(void *arg)
{
	int i;

	while (!atomic_load(&tear_stop)) {
		vfu_lock(t->vfu);
		for (i = 0; i < 100; i++)
			timer_ims_fire(t, 1, 0);
		vfu_unlock(t->vfu);
		while (atomic_load(&tear_wait))
			sched_yield();
	}
	return NULL;
}

/* The same without a socket between, so that each change meets a reading. */
static void
test_tear_fast(void **state)
{
	uint64_t end, last;
	uint32_t k = 1, old, one = 1, rounds = 0;
	pthread_t thread;

	start("timers=4");
	arrived();
	slot_set(1, tear_addr(k), k, 0);
	atomic_store(&tear_stop, false);
	assert_int_equal(pthread_create(&thread, NULL, fire_thread, NULL), 0);
	end = clock_ns() + 1000000000;
	last = end + 20000000000;
	while (clock_ns() < end || (rounds <= 100 && clock_ns() < last)) {
		old = k;
		k = tear_next(old);
		atomic_store(&tear_wait, true);
		vfu_lock(t->vfu);
		atomic_store(&tear_wait, false);
		t->vfu->conf.ops->bar_write(t, 0, 0x44, &one, sizeof(one));
		vfu_unlock(t->vfu);
		atomic_store(&window[tear_word(old)], 0);
		if (++rounds % 1024 == 0)
			check_not_torn();
	}
	atomic_store(&tear_stop, true);
	pthread_join(thread, NULL);
	check_not_torn();
	assert_true(rounds > 100);
	teardown(NULL);
}

static void
test_keys(void **state)
{
	static const struct {
		const char *args;
		const char *error;
	} bad[] = {
		{ "timers=0", "timers=0: expected a number from 1 to 4096" },
		{ "timers=4097", "timers=4097: expected a number from 1 to 4096" },
		{ "timers", "timers=: expected a number from 1 to 4096" },
		{ "timers=", "timers=: expected a number from 1 to 4096" },
		{ "timers=8x", "timers=8x: expected a number from 1 to 4096" },
		{ "timers=-1", "timers=-1: expected a number from 1 to 4096" },
		{ "timers=99999999999999999999",
			"timers=99999999999999999999: expected a number from 1 to 4096" },
		{ "mmap=2", "mmap=2: expected a number from 0 to 1" },
		{ "cpu=1024", "cpu=1024: expected a number from 0 to 1023" },
		{ "engine=", "engine=: expected timerfd or spin" },
		{ "engine", "engine=: expected timerfd or spin" },
		{ "engine=fast", "engine=fast: expected timerfd or spin" },
		{ "timer=4", "unknown key 'timer=4', expected timers, engine, cpu or mmap" },
		{ "timers=4,x", "unknown key 'x', expected timers, engine, cpu or mmap" },
	};
	size_t i;
	char args[64];

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct model_opts opts = { .args = args };

		snprintf(args, sizeof(args), "%s", bad[i].args);
		assert_null(timer_ims_model.create(&opts));
		assert_string_equal(opts.error, bad[i].error);
	}
	start("timers=4096,engine=timerfd,mmap=1,cpu=0");
	assert_int_equal(reg(0x0c), 4097);
	slot_set(4096, WINDOW, 0x1000, 0);
	kick(4095, ENABLE, 4096, HOUR, 0);
	expire(4095, 0);
	assert_int_equal(word(0), 0x1000);
	sync_slot(4097);
	assert_int_equal(reg(0x1c), 4);
	teardown(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_registers, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_slot_bytes, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_slot_by_message, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_message, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_masked, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_pending_again, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_pending_forged, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_catch_up, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_kick, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_shared_slot, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_error_masked, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_dma_write, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_dma_write_changed, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_where_messages_go, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_bus_master, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_reset_in_flight, setup_fresh, teardown),
		cmocka_unit_test_setup_teardown(test_client_gone, setup_fresh, teardown),
		cmocka_unit_test(test_end_while_running),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_engine_timerfd),
		cmocka_unit_test(test_engine_spin),
		cmocka_unit_test(test_trapped),
		cmocka_unit_test(test_tear),
		cmocka_unit_test(test_tear_fast),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
