/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Driver of timer_ims, a timer that has only IMS. Section numbers are those of its data sheet,
 * doc/guides/drivers/timer_ims.rst.
 *
 * All that it takes for interrupts is timer_ims_sync() and the call of ims_store_bar_create() in
 * probe: where the slots are and how the device is told of a change. The rest is the timer's own.
 */

#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_errno.h>

#include <ims_driver.h>

#include "rte_pmd_timer_ims.h"
#include "timer_ims_regs.h"

struct timer_ims {
	uint32_t n_timers;
	uint32_t n_slots;
	uint64_t stamp_hz; /* 0: not asked for yet */
	bool stamp_is_tsc;
	uint8_t *timers; /* timer blocks, mapped; NULL: by bus transactions */
};

/* Section 4.3: the device looks at a slot again when the slot's number is written to IMS_SYNC. */
static int
timer_ims_sync(struct rte_ims_dev *dev, uint32_t slot)
{
	uint32_t val;
	int rc;

	rc = ims_dev_bar_write32(dev, TIMER_IMS_BAR, TIMER_IMS_REG_IMS_SYNC, slot);
	if (rc != 0)
		return rc;
	/* The read completes after the write, posted or not. */
	return ims_dev_bar_read32(dev, TIMER_IMS_BAR, TIMER_IMS_REG_IMS_SYNC, &val);
}

/* Section 3.1: is it what its ids say, and do its numbers make sense? */
static int
timer_ims_identify(struct rte_ims_dev *dev, struct timer_ims *t)
{
	uint32_t id = 0, version = 0;
	int rc;

	rc = ims_dev_bar_read32(dev, TIMER_IMS_BAR, TIMER_IMS_REG_ID, &id);
	if (rc == 0)
		rc = ims_dev_bar_read32(dev, TIMER_IMS_BAR, TIMER_IMS_REG_VERSION, &version);
	if (rc == 0)
		rc = ims_dev_bar_read32(dev, TIMER_IMS_BAR, TIMER_IMS_REG_TIMERS, &t->n_timers);
	if (rc == 0)
		rc = ims_dev_bar_read32(dev, TIMER_IMS_BAR, TIMER_IMS_REG_SLOTS, &t->n_slots);
	if (rc != 0)
		return rc;
	if (id != TIMER_IMS_ID_MAGIC || version != TIMER_IMS_VERSION || t->n_timers == 0 ||
		t->n_timers > TIMER_IMS_MAX_TIMERS || t->n_slots != t->n_timers + 1)
		return -ENODEV;
	return 0;
}

static int
timer_ims_probe(struct rte_ims_dev *dev)
{
	struct ims_store_bar_conf slots = {
		.name = "ims-bar",
		.bar = TIMER_IMS_BAR,
		.offset = TIMER_IMS_SLOTS_OFF,
		.n_special = TIMER_IMS_SLOT_ERROR + 1,
		.sync = timer_ims_sync,
	};
	struct timer_ims *t;
	int rc;

	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	rc = timer_ims_identify(dev, t);
	if (rc == 0) {
		slots.n_slots = t->n_slots;
		if (ims_store_bar_create(dev, &slots) == NULL)
			rc = -rte_errno;
	}
	if (rc != 0) {
		free(t);
		return rc;
	}
	t->timers = ims_dev_bar_map(dev, TIMER_IMS_BAR, TIMER_IMS_TIMERS_OFF,
		(uint64_t)t->n_timers * TIMER_IMS_TIMER_SIZE);
	ims_dev_priv_set(dev, t);
	return 0;
}

static void
timer_ims_remove(struct rte_ims_dev *dev)
{
	free(ims_dev_priv(dev));
}

/* A device that is in reset, or has no power, answers with all ones. */
static int
timer_ims_check(struct rte_ims_dev *dev, char *what, size_t size)
{
	uint32_t id = 0;
	int rc;

	rc = ims_dev_bar_read32(dev, TIMER_IMS_BAR, TIMER_IMS_REG_ID, &id);
	if (rc != 0 || id == TIMER_IMS_ID_MAGIC)
		return rc;
	snprintf(what, size, "its register ID reads %#x: it is in reset, or has no power", id);
	return 1;
}

static const struct ims_driver_id timer_ims_ids[] = {
	{ TIMER_IMS_PCI_VENDOR_ID, TIMER_IMS_PCI_DEVICE_ID },
	{ 0 },
};

static struct ims_driver timer_ims_driver = {
	.name = "timer_ims",
	.ids = timer_ims_ids,
	.probe = timer_ims_probe,
	.remove = timer_ims_remove,
	.check = timer_ims_check,
};

IMS_DRIVER_REGISTER(timer_ims_driver)

/* The rest is the timer's own. */

static struct timer_ims *
timer_ims_from(const struct rte_ims_dev *dev)
{
	if (dev == NULL || ims_dev_driver(dev) != &timer_ims_driver)
		return NULL;
	return ims_dev_priv(dev);
}

static uint64_t
block_offset(uint32_t timer, uint32_t reg)
{
	return TIMER_IMS_TIMERS_OFF + (uint64_t)timer * TIMER_IMS_TIMER_SIZE + reg;
}

static int
block_write(struct rte_ims_dev *dev, uint32_t timer, uint32_t reg, const void *val, size_t len)
{
	return ims_dev_bar_write(dev, TIMER_IMS_BAR, block_offset(timer, reg), val, len);
}

/* Section 3.3: the stamps' clock is ours if it lies between two of our readings. */
static int
clock_setup(struct rte_ims_dev *dev, struct timer_ims *t)
{
	uint64_t hz, device, before, after;
	int rc;

	rc = ims_dev_bar_read(dev, TIMER_IMS_BAR, TIMER_IMS_REG_TICK_HZ, &hz, sizeof(hz));
	if (rc != 0)
		return rc;
	before = rte_rdtsc();
	rc = ims_dev_bar_read(dev, TIMER_IMS_BAR, TIMER_IMS_REG_TIME, &device, sizeof(device));
	after = rte_rdtsc();
	if (rc != 0)
		return rc;
	t->stamp_is_tsc = before <= device && device <= after;
	t->stamp_hz = t->stamp_is_tsc ? rte_get_tsc_hz() : hz;
	return 0;
}

int
rte_pmd_timer_ims_info_get(struct rte_ims_dev *dev, struct rte_pmd_timer_ims_info *info)
{
	struct timer_ims *t = timer_ims_from(dev);
	int rc;

	if (dev == NULL || info == NULL)
		return -EINVAL;
	if (t == NULL)
		return -ENODEV;
	if (t->stamp_hz == 0) {
		rc = clock_setup(dev, t);
		if (rc != 0)
			return rc;
	}
	info->n_timers = t->n_timers;
	info->error_slot = TIMER_IMS_SLOT_ERROR;
	info->stamp_hz = t->stamp_hz;
	info->stamp_is_tsc = t->stamp_is_tsc;
	return 0;
}

static int
check_start(const struct timer_ims *t, uint32_t timer, const struct rte_pmd_timer_ims_conf *conf)
{
	if (timer >= t->n_timers || conf->interval_ns == 0 ||
		conf->interval_ns > TIMER_IMS_MAX_INTERVAL ||
		(conf->flags & ~RTE_PMD_TIMER_IMS_F_PERIODIC) != 0 || conf->reserved != 0)
		return -EINVAL;
	return 0;
}

/* Section 5.2: stop it, write its block, kick it. */
int
rte_pmd_timer_ims_start(struct rte_ims_dev *dev, uint32_t timer, struct rte_ims_vec *vec,
	const struct rte_pmd_timer_ims_conf *conf)
{
	struct timer_ims *t = timer_ims_from(dev);
	uint32_t slot, ctrl = TIMER_IMS_TIMER_CTRL_ENABLE;
	int64_t n;
	int rc;

	if (dev == NULL || vec == NULL || conf == NULL)
		return -EINVAL;
	if (t == NULL)
		return -ENODEV;
	n = ims_vec_slot(vec, dev, RTE_IMS_STORE_BAR);
	if (n <= TIMER_IMS_SLOT_ERROR || check_start(t, timer, conf) != 0)
		return -EINVAL;
	slot = n;
	if (conf->flags & RTE_PMD_TIMER_IMS_F_PERIODIC)
		ctrl |= TIMER_IMS_TIMER_CTRL_PERIODIC;
	rc = rte_pmd_timer_ims_stop(dev, timer);
	if (rc == 0)
		rc = block_write(dev, timer, TIMER_IMS_TIMER_SLOT, &slot, sizeof(slot));
	if (rc == 0)
		rc = block_write(dev, timer, TIMER_IMS_TIMER_INTERVAL, &conf->interval_ns,
			sizeof(conf->interval_ns));
	if (rc == 0)
		rc = block_write(
			dev, timer, TIMER_IMS_TIMER_LIMIT, &conf->limit, sizeof(conf->limit));
	if (rc == 0)
		rc = block_write(dev, timer, TIMER_IMS_TIMER_CTRL, &ctrl, sizeof(ctrl));
	if (rc == 0)
		rc = ims_dev_bar_write32(dev, TIMER_IMS_BAR, TIMER_IMS_REG_TIMER_KICK, timer);
	return rc;
}

int
rte_pmd_timer_ims_stop(struct rte_ims_dev *dev, uint32_t timer)
{
	struct timer_ims *t = timer_ims_from(dev);
	const uint32_t off = 0;
	uint32_t val;
	int rc;

	if (dev == NULL || (t != NULL && timer >= t->n_timers))
		return -EINVAL;
	if (t == NULL)
		return -ENODEV;
	rc = block_write(dev, timer, TIMER_IMS_TIMER_CTRL, &off, sizeof(off));
	if (rc == 0)
		rc = ims_dev_bar_write32(dev, TIMER_IMS_BAR, TIMER_IMS_REG_TIMER_KICK, timer);
	/* The read completes after the write, posted or not. */
	if (rc == 0)
		rc = ims_dev_bar_read32(dev, TIMER_IMS_BAR, TIMER_IMS_REG_CTRL, &val);
	return rc;
}

uint64_t
rte_pmd_timer_ims_count(struct rte_ims_dev *dev, uint32_t timer, uint64_t *stamp)
{
	struct timer_ims *t = timer_ims_from(dev);
	uint64_t count = 0, when = 0;
	const uint8_t *block;

	if (t == NULL || timer >= t->n_timers)
		return 0;
	if (t->timers != NULL) {
		block = t->timers + (size_t)timer * TIMER_IMS_TIMER_SIZE;
		count = rte_read64(block + TIMER_IMS_TIMER_COUNT);
		when = rte_read64(block + TIMER_IMS_TIMER_STAMP);
	} else {
		ims_dev_bar_read(dev, TIMER_IMS_BAR, block_offset(timer, TIMER_IMS_TIMER_COUNT),
			&count, sizeof(count));
		if (stamp != NULL)
			ims_dev_bar_read(dev, TIMER_IMS_BAR,
				block_offset(timer, TIMER_IMS_TIMER_STAMP), &when, sizeof(when));
	}
	if (stamp != NULL)
		*stamp = when;
	return count;
}

/* Section 3.2: ERROR is cleared by writing its bits back. */
int
rte_pmd_timer_ims_error_get(struct rte_ims_dev *dev, uint32_t *arg)
{
	struct timer_ims *t = timer_ims_from(dev);
	uint32_t bits, operand;
	int rc;

	if (dev == NULL)
		return -EINVAL;
	if (t == NULL)
		return -ENODEV;
	rc = ims_dev_bar_read32(dev, TIMER_IMS_BAR, TIMER_IMS_REG_ERROR, &bits);
	if (rc == 0)
		rc = ims_dev_bar_read32(dev, TIMER_IMS_BAR, TIMER_IMS_REG_ERROR_ARG, &operand);
	if (rc == 0 && bits != 0)
		rc = ims_dev_bar_write32(dev, TIMER_IMS_BAR, TIMER_IMS_REG_ERROR, bits);
	if (rc != 0)
		return rc;
	if (arg != NULL)
		*arg = operand;
	return bits & INT32_MAX; /* not an errno value, whatever it reads */
}
