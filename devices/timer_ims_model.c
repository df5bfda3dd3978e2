/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Device model timer_ims: a timer device that has neither MSI nor MSI-X. Section numbers are those
 * of its data sheet, doc/guides/drivers/timer_ims.rst.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ticks.h"
#include "timer_ims_model.h"

_Static_assert(sizeof(struct timer_ims_slot) == TIMER_IMS_SLOT_SIZE, "layout");
_Static_assert(sizeof(struct timer_ims_block) == TIMER_IMS_TIMER_SIZE, "layout");
_Static_assert(offsetof(struct timer_ims_slot, ctrl) == TIMER_IMS_SLOT_CTRL, "layout");
_Static_assert(offsetof(struct timer_ims_block, interval) == TIMER_IMS_TIMER_INTERVAL, "layout");
_Static_assert(offsetof(struct timer_ims_block, count) == TIMER_IMS_TIMER_COUNT, "layout");
_Static_assert(offsetof(struct timer_ims_block, stamp) == TIMER_IMS_TIMER_STAMP, "layout");
_Static_assert(offsetof(struct timer_ims_block, status) == TIMER_IMS_TIMER_STATUS, "layout");

#define READ_ATTEMPTS 100

static void
raise_error(struct timer_ims *t, uint32_t bit, uint32_t arg)
{
	bool rising = (t->error & bit) == 0;

	t->error |= bit;
	t->error_arg = arg;
	if (rising)
		timer_ims_fire(t, TIMER_IMS_SLOT_ERROR, TIMER_HEAP_NONE);
}

struct slot_value {
	uint32_t addr_lo;
	uint32_t addr_hi;
	uint32_t data;
	uint32_t ctrl;
};

static void
slot_read_once(struct timer_ims_slot *slot, struct slot_value *val)
{
	val->ctrl = atomic_load(&slot->ctrl) & TIMER_IMS_SLOT_CTRL_MASK;
	val->addr_lo = atomic_load(&slot->addr_lo);
	val->addr_hi = atomic_load(&slot->addr_hi);
	val->data = atomic_load(&slot->data);
}

/*
 * Section 4.2: the driver stores into the mapped slot while we read it. Two readings that agree are
 * of one message: the driver changes address and data only while the slot is masked, in the order
 * low, high, data, so a mixture has a field that the second reading finds changed. A slot that
 * does not come to rest counts as masked; the driver is about to write IMS_SYNC.
 */
static void
slot_read(struct timer_ims *t, uint32_t i, struct slot_value *val)
{
	struct slot_value again;
	int n;

	slot_read_once(&t->slots[i], val);
	for (n = 0; n < READ_ATTEMPTS; n++) {
		slot_read_once(&t->slots[i], &again);
		if (memcmp(val, &again, sizeof(again)) == 0)
			return;
		*val = again;
	}
	val->ctrl = TIMER_IMS_SLOT_CTRL_MASK;
}

static void
set_pending(struct timer_ims *t, uint32_t slot, bool pending)
{
	t->pending[slot] = pending;
	if (pending)
		atomic_fetch_or(&t->slots[slot].ctrl, TIMER_IMS_SLOT_CTRL_PENDING);
	else
		atomic_fetch_and(&t->slots[slot].ctrl, ~TIMER_IMS_SLOT_CTRL_PENDING);
}

void
timer_ims_fire(struct timer_ims *t, uint32_t slot, uint32_t timer)
{
	_Atomic(uint64_t) *stamp = timer != TIMER_HEAP_NONE ? &t->blocks[timer].stamp : NULL;
	struct slot_value val;

	slot_read(t, slot, &val);
	if ((val.ctrl & TIMER_IMS_SLOT_CTRL_MASK) != 0 ||
		!msi_fire(
			&t->port, slot, (uint64_t)val.addr_hi << 32 | val.addr_lo, val.data, stamp))
		set_pending(t, slot, true);
}

/* Look at a slot that has an event, or may have one. */
static void
slot_sync(struct timer_ims *t, uint32_t slot)
{
	struct slot_value val;

	if (!t->pending[slot])
		return;
	slot_read(t, slot, &val);
	set_pending(t, slot, false);
	if ((val.ctrl & TIMER_IMS_SLOT_CTRL_MASK) != 0)
		set_pending(t, slot, true); /* a store of the driver may have wiped the bit */
	else
		timer_ims_fire(t, slot, TIMER_HEAP_NONE);
}

static void
on_refire(void *priv, uint32_t slot)
{
	timer_ims_fire(priv, slot, TIMER_HEAP_NONE);
}

static void
on_fault(void *priv, uint32_t slot)
{
	/* An error message that goes nowhere is not reported by another one. */
	if (slot != TIMER_IMS_SLOT_ERROR)
		raise_error(priv, TIMER_IMS_ERROR_MSG, slot);
}

/* Section 5.2. */
static void
timer_kick(struct timer_ims *t, uint32_t timer)
{
	struct timer_ims_block *block;
	struct timer_ims_timer *tm;
	uint32_t ctrl;

	if (timer >= t->n_timers) {
		raise_error(t, TIMER_IMS_ERROR_KICK, timer);
		return;
	}
	block = &t->blocks[timer];
	tm = &t->timers[timer];
	timer_ims_engine_stop(t, timer);
	atomic_store(&block->status, 0);
	ctrl = atomic_load(&block->ctrl);
	if ((ctrl & TIMER_IMS_TIMER_CTRL_ENABLE) == 0)
		return;
	tm->slot = atomic_load(&block->slot);
	tm->interval = atomic_load(&block->interval);
	tm->limit = atomic_load(&block->limit);
	tm->count = 0;
	if (tm->slot == TIMER_IMS_SLOT_ERROR || tm->slot >= t->n_slots || tm->interval == 0 ||
		tm->interval > TIMER_IMS_MAX_INTERVAL) {
		raise_error(t, TIMER_IMS_ERROR_CONF, timer);
		return;
	}
	if (tm->limit == 0)
		tm->limit = UINT64_MAX;
	if ((ctrl & TIMER_IMS_TIMER_CTRL_PERIODIC) == 0)
		tm->limit = 1;
	atomic_store(&block->count, 0);
	atomic_store(&block->status, TIMER_IMS_TIMER_STATUS_ACTIVE);
	timer_ims_engine_start(t, timer);
}

static void
timer_ims_reset(void *priv)
{
	struct timer_ims *t = priv;
	uint32_t i;

	timer_ims_engine_reset(t);
	msi_port_reset(&t->port);
	memset(t->bar + TIMER_IMS_TIMERS_OFF, 0, TIMER_IMS_TIMERS_LEN);
	for (i = 0; i < t->n_slots; i++) {
		t->pending[i] = false;
		atomic_store(&t->slots[i].ctrl, TIMER_IMS_SLOT_CTRL_MASK);
		atomic_store(&t->slots[i].addr_lo, 0);
		atomic_store(&t->slots[i].addr_hi, 0);
		atomic_store(&t->slots[i].data, 0);
	}
	t->error = t->error_arg = t->sync = 0;
}

/* Section 2.3: what was held back while the function was no bus master goes out now. */
static void
timer_ims_bus_master(void *priv, bool on)
{
	struct timer_ims *t = priv;
	uint32_t i;

	for (i = 0; on && i < t->n_slots; i++)
		slot_sync(t, i);
}

static uint64_t
ctrl_page_read(struct timer_ims *t, uint64_t reg)
{
	switch (reg) {
	case TIMER_IMS_REG_ID:
		return TIMER_IMS_ID_MAGIC;
	case TIMER_IMS_REG_VERSION:
		return TIMER_IMS_VERSION;
	case TIMER_IMS_REG_TIMERS:
		return t->n_timers;
	case TIMER_IMS_REG_SLOTS:
		return t->n_slots;
	case TIMER_IMS_REG_IMS_OFF:
		return TIMER_IMS_SLOTS_OFF;
	case TIMER_IMS_REG_TIMER_OFF:
		return TIMER_IMS_TIMERS_OFF;
	case TIMER_IMS_REG_ERROR:
		return t->error;
	case TIMER_IMS_REG_ERROR_ARG:
		return t->error_arg;
	case TIMER_IMS_REG_IMS_SYNC:
		return t->sync;
	case TIMER_IMS_REG_TICK_HZ:
		return ticks_hz();
	case TIMER_IMS_REG_TIME:
		return ticks_now();
	default:
		return 0;
	}
}

static void
ctrl_page_write(struct timer_ims *t, uint64_t reg, uint32_t val)
{
	switch (reg) {
	case TIMER_IMS_REG_CTRL:
		if (val & TIMER_IMS_CTRL_RESET)
			timer_ims_reset(t);
		break;
	case TIMER_IMS_REG_ERROR:
		t->error &= ~val;
		break;
	case TIMER_IMS_REG_TIMER_KICK:
		timer_kick(t, val);
		break;
	case TIMER_IMS_REG_IMS_SYNC:
		if (val >= t->n_slots) {
			raise_error(t, TIMER_IMS_ERROR_SYNC, val);
			break;
		}
		t->sync = val;
		slot_sync(t, val);
		break;
	}
}

static bool
inside(uint64_t off, uint64_t len, uint64_t start, uint64_t size)
{
	return off >= start && len <= size && off - start <= size - len;
}

/* 64-bit registers may be read by halves; the clock's then belong to different moments. */
static int
timer_ims_bar_read(void *priv, uint32_t bar, uint64_t off, void *buf, uint32_t len)
{
	struct timer_ims *t = priv;
	uint64_t val;

	if (off >= TIMER_IMS_CTRL_PAGE_SIZE) {
		memcpy(buf, t->bar + off, len);
		return 0;
	}
	if ((len != 4 && len != 8) || off % len != 0)
		return EINVAL;
	val = ctrl_page_read(t, off);
	if (len == 4 && (off == TIMER_IMS_REG_TICK_HZ + 4 || off == TIMER_IMS_REG_TIME + 4))
		val = ctrl_page_read(t, off - 4) >> 32;
	memcpy(buf, &val, len);
	return 0;
}

/* A slot's field by message: PENDING is not the driver's, and the device sees it at once. */
static int
slot_write(struct timer_ims *t, uint64_t off, const void *buf, uint32_t len)
{
	uint32_t slot = off / TIMER_IMS_SLOT_SIZE, val;

	if (len != 4 || off % 4 != 0 || slot >= t->n_slots)
		return EINVAL;
	memcpy(&val, buf, sizeof(val));
	switch (off % TIMER_IMS_SLOT_SIZE) {
	case TIMER_IMS_SLOT_ADDR_LO:
		atomic_store(&t->slots[slot].addr_lo, val);
		break;
	case TIMER_IMS_SLOT_ADDR_HI:
		atomic_store(&t->slots[slot].addr_hi, val);
		break;
	case TIMER_IMS_SLOT_DATA:
		atomic_store(&t->slots[slot].data, val);
		break;
	case TIMER_IMS_SLOT_CTRL:
		atomic_store(&t->slots[slot].ctrl,
			(val & TIMER_IMS_SLOT_CTRL_MASK) |
				(t->pending[slot] ? TIMER_IMS_SLOT_CTRL_PENDING : 0));
		slot_sync(t, slot);
		break;
	}
	return 0;
}

static int
timer_ims_bar_write(void *priv, uint32_t bar, uint64_t off, const void *buf, uint32_t len)
{
	struct timer_ims *t = priv;
	uint64_t in_block;
	uint32_t val;

	if (off < TIMER_IMS_CTRL_PAGE_SIZE) {
		if (len != 4 || off % 4 != 0)
			return EINVAL;
		memcpy(&val, buf, sizeof(val));
		ctrl_page_write(t, off, val);
		return 0;
	}
	if (inside(off, len, TIMER_IMS_SLOTS_OFF, TIMER_IMS_SLOTS_LEN))
		return slot_write(t, off - TIMER_IMS_SLOTS_OFF, buf, len);
	if (inside(off, len, TIMER_IMS_TIMERS_OFF, TIMER_IMS_TIMERS_LEN)) {
		in_block = off % TIMER_IMS_TIMER_SIZE;
		if (in_block + len <= TIMER_IMS_TIMER_COUNT)
			memcpy(t->bar + off, buf, len);
		return 0; /* the rest is the device's: ignored */
	}
	return 0;
}

static void
timer_ims_dump(void *priv)
{
	struct timer_ims *t = priv;
	const struct vfu_stats *s = vfu_stats(t->vfu);

	fprintf(stderr,
		"timer_ims: timers %u, active %u, expirations %" PRIu64
		", messages: memory %" PRIu64 ", socket %" PRIu64 ", merged %" PRIu64
		", faulted %" PRIu64 "; requests %" PRIu64 ", refused %" PRIu64 "\n",
		t->n_timers, t->heap.n, t->expirations, s->msgs_memory, s->msgs_socket,
		s->msgs_merged, s->msgs_faulted, s->requests, s->errors);
}

static const struct vfu_model_ops timer_ims_ops = {
	.bar_read = timer_ims_bar_read,
	.bar_write = timer_ims_bar_write,
	.reset = timer_ims_reset,
	.bus_master = timer_ims_bus_master,
};

static int
memory_init(struct timer_ims *t)
{
	t->memfd = memfd_create("timer_ims", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (t->memfd < 0 || ftruncate(t->memfd, TIMER_IMS_BAR_SIZE) < 0)
		return -errno;
	/* A client that maps it need not fear that it gets shorter. */
	if (fcntl(t->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	t->bar = mmap(NULL, TIMER_IMS_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, t->memfd, 0);
	if (t->bar == MAP_FAILED) {
		t->bar = NULL;
		return -errno;
	}
	t->slots = (struct timer_ims_slot *)(t->bar + TIMER_IMS_SLOTS_OFF);
	t->blocks = (struct timer_ims_block *)(t->bar + TIMER_IMS_TIMERS_OFF);
	t->pending = calloc(t->n_slots, sizeof(*t->pending));
	t->timers = calloc(t->n_timers, sizeof(*t->timers));
	return t->pending != NULL && t->timers != NULL ? 0 : -ENOMEM;
}

static int
vfu_init(struct timer_ims *t, bool mappable, bool trace)
{
	struct vfu_conf conf = {
		.name = "timer_ims",
		.vendor_id = TIMER_IMS_PCI_VENDOR_ID,
		.device_id = TIMER_IMS_PCI_DEVICE_ID,
		.revision = TIMER_IMS_PCI_REVISION,
		.class_code = TIMER_IMS_PCI_CLASS,
		.ops = &timer_ims_ops,
		.priv = t,
		.trace = trace,
	};
	struct vfu_bar *bar = &conf.bars[TIMER_IMS_BAR];

	bar->size = TIMER_IMS_BAR_SIZE;
	bar->is_64bit = true;
	bar->fd = t->memfd;
	if (mappable) {
		bar->n_areas = 2;
		bar->areas[0] = (struct vfu_area){ TIMER_IMS_SLOTS_OFF, TIMER_IMS_SLOTS_LEN };
		bar->areas[1] = (struct vfu_area){ TIMER_IMS_TIMERS_OFF, TIMER_IMS_TIMERS_LEN };
	}
	t->vfu = vfu_create(&conf);
	if (t->vfu == NULL)
		return -errno;
	t->port.vfu = t->vfu;
	t->port.refire = on_refire;
	t->port.fault = on_fault;
	t->port.priv = t;
	t->port.n_slots = t->n_slots;
	return msi_port_init(&t->port);
}

static void
timer_ims_destroy(void *priv)
{
	struct timer_ims *t = priv;

	timer_ims_engine_fini(t);
	if (t->vfu != NULL)
		vfu_destroy(t->vfu);
	msi_port_fini(&t->port);
	if (t->bar != NULL)
		munmap(t->bar, TIMER_IMS_BAR_SIZE);
	if (t->memfd >= 0)
		close(t->memfd);
	free(t->pending);
	free(t->timers);
	free(t);
}

static bool
parse(struct timer_ims *t, struct model_opts *opts, bool *mappable)
{
	enum {
		TIMERS,
		ENGINE,
		CPU,
		MMAP
	};
	static char *const keys[] = { (char *)(uintptr_t) "timers", (char *)(uintptr_t) "engine",
		(char *)(uintptr_t) "cpu", (char *)(uintptr_t) "mmap", NULL };
	unsigned long n = 0;
	char *args = opts->args, *val;
	int key;

	t->n_timers = 64;
	t->cpu = -1;
	*mappable = true;
	while (args != NULL && *args != '\0') {
		char *word = args;

		key = getsubopt(&args, keys, &val);
		if (key < 0) {
			snprintf(opts->error, sizeof(opts->error),
				"unknown key '%.60s', expected "
				"timers, engine, cpu or mmap",
				word);
			return false;
		}
		if (key == ENGINE) {
			t->spin = val != NULL && strcmp(val, "spin") == 0;
			if (!t->spin && (val == NULL || strcmp(val, "timerfd") != 0)) {
				snprintf(opts->error, sizeof(opts->error),
					"engine=%.60s: expected "
					"timerfd or spin",
					val != NULL ? val : "");
				return false;
			}
			continue;
		}
		if (!model_number(opts, keys[key], val, key == TIMERS,
			    key == TIMERS ? TIMER_IMS_MAX_TIMERS
			    : key == CPU  ? 1023
					  : 1,
			    &n))
			return false;
		if (key == TIMERS)
			t->n_timers = n;
		else if (key == CPU)
			t->cpu = n;
		else
			*mappable = n != 0;
	}
	t->n_slots = t->n_timers + 1;
	return true;
}

static void *
timer_ims_create(struct model_opts *opts)
{
	struct timer_ims *t;
	bool mappable;
	int rc;

	t = calloc(1, sizeof(*t));
	if (t == NULL) {
		snprintf(opts->error, sizeof(opts->error), "out of memory");
		return NULL;
	}
	t->memfd = t->timerfd = -1;
	if (!parse(t, opts, &mappable)) {
		free(t);
		return NULL;
	}
	rc = memory_init(t);
	if (rc == 0)
		rc = vfu_init(t, mappable, opts->trace);
	if (rc == 0)
		rc = timer_ims_engine_init(t);
	if (rc != 0) {
		snprintf(opts->error, sizeof(opts->error), "timer_ims: %s", strerror(-rc));
		timer_ims_destroy(t);
		return NULL;
	}
	timer_ims_reset(t);
	return t;
}

static struct vfu *
timer_ims_vfu(void *priv)
{
	return ((struct timer_ims *)priv)->vfu;
}

const struct model timer_ims_model = {
	.name = "timer_ims",
	.help = "  timers=N         1..4096, default 64\n"
		"  engine=timerfd   timers by timerfd (default: no CPU while idle) or\n"
		"  engine=spin      by a thread that spins while a timer is active\n"
		"  cpu=N            pin what drives the timers to this CPU\n"
		"  mmap=0           trap all of the BAR, default 1: slots and timers can be mapped\n",
	.create = timer_ims_create,
	.destroy = timer_ims_destroy,
	.dump = timer_ims_dump,
	.vfu = timer_ims_vfu,
};
