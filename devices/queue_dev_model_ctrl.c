/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Section 3: the control page, errors, the status page, and accesses to the rest of the BAR. */

#include <errno.h>
#include <string.h>

#include "queue_dev_model.h"
#include "ticks.h"

void
qd_error(struct queue_dev *d, uint32_t bit, uint64_t arg)
{
	bool rising = (d->error & bit) == 0;

	d->error |= bit;
	d->error_arg = arg;
	if (rising)
		qd_intr_raise(d, QUEUE_DEV_SLOT_ERROR);
}

static void
put32(struct queue_dev *d, uint32_t off, uint32_t val)
{
	atomic_store_explicit((_Atomic(uint32_t) *)(d->bar + QUEUE_DEV_STATUS_OFF + off), val,
		memory_order_relaxed);
}

static void
put64(struct queue_dev *d, uint32_t off, uint64_t val)
{
	atomic_store_explicit((_Atomic(uint64_t) *)(d->bar + QUEUE_DEV_STATUS_OFF + off), val,
		memory_order_relaxed);
}

void
qd_publish(struct queue_dev *d)
{
	put32(d, QUEUE_DEV_STATUS_RESETS, d->resets);
	put32(d, QUEUE_DEV_STATUS_STATE, d->halted ? QUEUE_DEV_STATUS_HALTED : 0);
	put64(d, QUEUE_DEV_STATUS_COMPLETIONS, d->completions);
	put64(d, QUEUE_DEV_STATUS_EQES, d->n_eqes);
	put64(d, QUEUE_DEV_STATUS_EVENTS, d->events);
	put64(d, QUEUE_DEV_STATUS_DOORBELLS, d->doorbells);
	put64(d, QUEUE_DEV_STATUS_COMMANDS, d->commands);
	put64(d, QUEUE_DEV_STATUS_SLEEPS, d->sleeps);
}

static bool
is_64bit(uint64_t reg)
{
	switch (reg) {
	case QUEUE_DEV_REG_ERROR_ARG:
	case QUEUE_DEV_REG_TICK_HZ:
	case QUEUE_DEV_REG_TIME:
	case QUEUE_DEV_REG_CMDQ_BASE:
	case QUEUE_DEV_REG_DOORBELL:
	case QUEUE_DEV_REG_PORTAL_MASK:
		return true;
	default:
		return false;
	}
}

static uint32_t
intr_read(const struct queue_dev *d)
{
	return (d->intrs[QUEUE_DEV_SLOT_ERROR].intr == QUEUE_DEV_INTR_OWN ? QUEUE_DEV_INTR_ERROR_OWN
									  : 0) |
	       (d->intrs[QUEUE_DEV_SLOT_CMD].intr == QUEUE_DEV_INTR_OWN ? QUEUE_DEV_INTR_CMD_OWN
									: 0);
}

static uint64_t
reg_read(struct queue_dev *d, uint64_t reg)
{
	switch (reg) {
	case QUEUE_DEV_REG_ID:
		return QUEUE_DEV_ID_MAGIC;
	case QUEUE_DEV_REG_VERSION:
		return QUEUE_DEV_VERSION;
	case QUEUE_DEV_REG_FEATURES:
		return (d->ims ? QUEUE_DEV_FEATURES_IMS : 0) |
		       (d->inject ? QUEUE_DEV_FEATURES_INJECT : 0);
	case QUEUE_DEV_REG_SUBDEVS:
		return d->n_subdevs;
	case QUEUE_DEV_REG_EQS:
		return d->n_eqs;
	case QUEUE_DEV_REG_QUEUES:
		return d->n_queues;
	case QUEUE_DEV_REG_SLOTS:
		return d->n_slots;
	case QUEUE_DEV_REG_MSIX:
		return d->n_msix;
	case QUEUE_DEV_REG_PORTALS:
		return QUEUE_DEV_N_PORTALS;
	case QUEUE_DEV_REG_PORTAL_OFF:
		return QUEUE_DEV_PORTALS_OFF;
	case QUEUE_DEV_REG_STATUS_OFF:
		return QUEUE_DEV_STATUS_OFF;
	case QUEUE_DEV_REG_STAMP_OFF:
		return QUEUE_DEV_STAMPS_OFF;
	case QUEUE_DEV_REG_MAX_LEN:
		return QUEUE_DEV_MAX_LEN;
	case QUEUE_DEV_REG_STATUS:
		return d->halted ? QUEUE_DEV_STATUS_HALTED : 0;
	case QUEUE_DEV_REG_RESETS:
		return d->resets;
	case QUEUE_DEV_REG_INTR:
		return intr_read(d);
	case QUEUE_DEV_REG_ERROR:
		return d->error;
	case QUEUE_DEV_REG_ERROR_ARG:
		return d->error_arg;
	case QUEUE_DEV_REG_TICK_HZ:
		return ticks_hz();
	case QUEUE_DEV_REG_TIME:
		return ticks_now();
	case QUEUE_DEV_REG_CMDQ_BASE:
		return d->cmdq.base;
	case QUEUE_DEV_REG_CMDQ_CTRL:
		return d->cmdq.ctrl;
	case QUEUE_DEV_REG_CMDQ_TAIL:
		return d->cmdq.tail;
	case QUEUE_DEV_REG_CMDQ_HEAD:
		return d->cmdq.head;
	case QUEUE_DEV_REG_PORTAL_MASK:
		return atomic_load(&d->portals);
	default:
		return 0;
	}
}

/* Section 4.3: after all that was stored in cells before. */
static void
trapped_doorbell(struct queue_dev *d, uint64_t db)
{
	qd_cells_take(d, QUEUE_DEV_PORTAL_CELLS);
	qd_doorbell(d, db);
	qd_engine_kick(d);
}

/* A device that has halted knows only these. */
static bool
works_halted(uint64_t reg)
{
	return reg == QUEUE_DEV_REG_CTRL || reg == QUEUE_DEV_REG_ERROR || reg == QUEUE_DEV_REG_INTR;
}

static void
reg_write(struct queue_dev *d, uint64_t reg, uint64_t val)
{
	if (d->halted && !works_halted(reg))
		return;
	switch (reg) {
	case QUEUE_DEV_REG_CTRL:
		if ((val & QUEUE_DEV_CTRL_RESET) != 0)
			qd_reset(d);
		break;
	case QUEUE_DEV_REG_INTR:
		qd_intr_select(d, val);
		break;
	case QUEUE_DEV_REG_ERROR:
		d->error &= ~val;
		break;
	case QUEUE_DEV_REG_CMDQ_BASE:
		d->cmdq.base = val;
		break;
	case QUEUE_DEV_REG_CMDQ_CTRL:
		qd_cmdq_setup(d, val);
		break;
	case QUEUE_DEV_REG_CMDQ_TAIL:
		qd_cells_take(d, QUEUE_DEV_PORTAL_CELLS);
		qd_cmdq_tail(d, val);
		qd_engine_kick(d);
		break;
	case QUEUE_DEV_REG_DOORBELL:
		trapped_doorbell(d, val);
		break;
	case QUEUE_DEV_REG_PORTAL_ENABLE:
		qd_portal_enable(d, val);
		qd_engine_kick(d);
		break;
	case QUEUE_DEV_REG_PORTAL_DISABLE:
		qd_portal_disable(d, val);
		qd_engine_kick(d);
		break;
	}
}

static bool
is_inject(uint64_t off)
{
	return off >= QUEUE_DEV_REG_INJECT_KIND && off < QUEUE_DEV_REG_INJECT_DATA + 4;
}

/* 64-bit registers may be read by halves. */
static int
ctrl_page_read(struct queue_dev *d, uint64_t off, void *buf, uint32_t len)
{
	uint64_t reg = is_64bit(off & ~7ull) ? off & ~7ull : off, val;

	if ((len != 4 && len != 8) || off % len != 0)
		return EINVAL;
	if (is_inject(off))
		return qd_inject_read(d, off, buf, len);
	if (len == 8 && !is_64bit(off))
		return EINVAL;
	val = reg_read(d, reg) >> (off - reg) * 8;
	memcpy(buf, &val, len);
	return 0;
}

/* A half of a 64-bit register: the upper half of DOORBELL is kept, the lower one rings it. */
static void
half_write(struct queue_dev *d, uint64_t off, uint32_t val)
{
	uint64_t reg = off & ~7ull, old = d->cmdq.base;

	if (reg == QUEUE_DEV_REG_CMDQ_BASE)
		reg_write(d, reg,
			off == reg ? (old & ~0xffffffffull) | val
				   : (old & 0xffffffffull) | (uint64_t)val << 32);
	else if (reg == QUEUE_DEV_REG_DOORBELL && off != reg)
		d->db_high = val;
	else if (reg == QUEUE_DEV_REG_DOORBELL)
		reg_write(d, reg, (uint64_t)d->db_high << 32 | val);
}

static int
ctrl_page_write(struct queue_dev *d, uint64_t off, const void *buf, uint32_t len)
{
	uint64_t val = 0;

	if ((len != 4 && len != 8) || off % len != 0)
		return EINVAL;
	memcpy(&val, buf, len);
	if (is_inject(off))
		return qd_inject_write(d, off, val, len);
	if (len == 8 && !is_64bit(off))
		return EINVAL;
	if (len == 4 && is_64bit(off & ~7ull))
		half_write(d, off, val);
	else
		reg_write(d, off, val);
	return 0;
}

/* Byte by byte and atomic: other threads store there. */
static void
mapped_read(struct queue_dev *d, uint64_t off, uint8_t *buf, uint32_t len)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		buf[i] = atomic_load_explicit(
			(_Atomic(uint8_t) *)d->bar + off + i, memory_order_relaxed);
}

int
qd_bar_read(void *priv, uint32_t bar, uint64_t off, void *buf, uint32_t len)
{
	struct queue_dev *d = priv;

	if (bar != QUEUE_DEV_BAR)
		return 0; /* beside the MSI-X table: zeros */
	if (off < QUEUE_DEV_CTRL_PAGE_SIZE)
		return ctrl_page_read(d, off, buf, len);
	mapped_read(d, off, buf, len);
	return 0;
}

/* Section 2.2: a cell by bus transaction, the device looks at once. */
static int
cell_write(struct queue_dev *d, uint64_t off, const void *buf, uint32_t len)
{
	uint64_t db;

	if (len != sizeof(db) || off % sizeof(db) != 0)
		return EINVAL;
	memcpy(&db, buf, sizeof(db));
	atomic_store((_Atomic(uint64_t) *)(d->bar + off), db);
	if (d->halted)
		return 0;
	qd_cells_take(d, QUEUE_DEV_PORTAL_CELLS);
	qd_engine_kick(d);
	return 0;
}

int
qd_bar_write(void *priv, uint32_t bar, uint64_t off, const void *buf, uint32_t len)
{
	struct queue_dev *d = priv;

	if (bar != QUEUE_DEV_BAR)
		return 0;
	if (off < QUEUE_DEV_CTRL_PAGE_SIZE)
		return ctrl_page_write(d, off, buf, len);
	if (off + len > QUEUE_DEV_PORTALS_OFF &&
		off < QUEUE_DEV_PORTALS_OFF + QUEUE_DEV_PORTALS_LEN)
		return cell_write(d, off, buf, len);
	return 0; /* the rest is the device's, or reserved: ignored */
}
