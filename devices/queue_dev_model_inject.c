/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Section 10: hazards, and what is done later than it should be. */

#include <errno.h>
#include <string.h>

#include "queue_dev_model.h"

static bool
kind_good(uint32_t kind)
{
	return kind > 0 && kind < QUEUE_DEV_N_INJECT;
}

const struct qd_hazard *
qd_hazard_take(struct queue_dev *d, uint32_t kind)
{
	struct qd_hazard *h = &d->hazards[kind];

	if (h->left == 0)
		return NULL;
	h->left--;
	h->done++;
	return h;
}

struct qd_action *
qd_action(struct queue_dev *d, enum qd_action_kind kind, uint32_t usec)
{
	uint32_t i;

	for (i = 0; i < QD_MAX_ACTIONS; i++)
		if (d->actions[i].kind == QD_ACTION_FREE)
			break;
	if (i == QD_MAX_ACTIONS)
		return NULL;
	d->actions[i] = (struct qd_action){ .kind = kind };
	qd_timer_set(d, d->n_slots + i, usec);
	return &d->actions[i];
}

static void
action_free(struct queue_dev *d, uint32_t i)
{
	d->actions[i].kind = QD_ACTION_FREE;
	qd_timer_del(d, d->n_slots + i);
	if (d->cmdq.held == i)
		d->cmdq.held = QD_NONE;
}

void
qd_actions_forget_cmds(struct queue_dev *d)
{
	uint32_t i;

	for (i = 0; i < QD_MAX_ACTIONS; i++)
		if (d->actions[i].kind == QD_ACTION_CMD)
			action_free(d, i);
}

static void
halt(struct queue_dev *d)
{
	d->halted = true;
	qd_timers_reset(d);
	atomic_store(&d->portals, 0);
	qd_error(d, QUEUE_DEV_ERROR_HALT, 0);
	qd_publish(d);
}

/* MSG_STRAY, RESET and HALT happen by themselves, the first one again and again. */
static void
spontaneous(struct queue_dev *d, uint32_t kind)
{
	const struct qd_hazard *h = qd_hazard(d, kind);
	struct qd_action *action;

	if (h == NULL)
		return;
	if (kind == QUEUE_DEV_INJECT_MSG_STRAY) {
		msi_fire_raw(&d->port, h->arg, h->data);
		action = h->left != 0 ? qd_action(d, QD_ACTION_HAZARD, h->usec) : NULL;
		if (action != NULL)
			action->index = kind;
	} else if (kind == QUEUE_DEV_INJECT_RESET) {
		qd_reset(d);
		qd_error(d, QUEUE_DEV_ERROR_RESET, 0);
	} else {
		halt(d);
	}
}

void
qd_action_run(struct queue_dev *d, uint32_t i)
{
	struct qd_action action = d->actions[i];

	action_free(d, i);
	switch (action.kind) {
	case QD_ACTION_CMD:
		qd_cmd_later(d, action.index, &action.cmd);
		break;
	case QD_ACTION_DOORBELL:
		qd_doorbell_later(d, action.db);
		break;
	case QD_ACTION_MESSAGE:
		msi_fire_raw(&d->port, action.addr, action.data);
		break;
	case QD_ACTION_HAZARD:
		spontaneous(d, action.index);
		break;
	default:
		break;
	}
}

void
qd_inject_reset(struct queue_dev *d)
{
	memset(d->actions, 0, sizeof(d->actions));
	memset(d->hazards, 0, sizeof(d->hazards));
	memset(&d->inject_regs, 0, sizeof(d->inject_regs));
	d->inject_kind = 0;
	d->cmdq.held = QD_NONE;
}

static bool
is_spontaneous(uint32_t kind)
{
	return kind == QUEUE_DEV_INJECT_MSG_STRAY || kind == QUEUE_DEV_INJECT_RESET ||
	       kind == QUEUE_DEV_INJECT_HALT;
}

/* INJECT_COUNT was written. */
static void
arm(struct queue_dev *d, uint32_t count)
{
	struct qd_action *action;
	struct qd_hazard *h;
	uint32_t i;

	if (!kind_good(d->inject_kind))
		return;
	h = &d->hazards[d->inject_kind];
	h->left = count < QUEUE_DEV_INJECT_MAX_COUNT ? count : QUEUE_DEV_INJECT_MAX_COUNT;
	h->usec = d->inject_regs.usec;
	h->arg = d->inject_regs.arg;
	h->data = d->inject_regs.data;
	if (!is_spontaneous(d->inject_kind))
		return;
	for (i = 0; i < QD_MAX_ACTIONS; i++)
		if (d->actions[i].kind == QD_ACTION_HAZARD && d->actions[i].index == d->inject_kind)
			action_free(d, i);
	action = count != 0 ? qd_action(d, QD_ACTION_HAZARD, h->usec) : NULL;
	if (action != NULL)
		action->index = d->inject_kind;
	qd_engine_kick(d);
}

static uint64_t
reg_read(const struct queue_dev *d, uint64_t reg)
{
	const struct qd_hazard *h = &d->hazards[kind_good(d->inject_kind) ? d->inject_kind : 0];

	switch (reg) {
	case QUEUE_DEV_REG_INJECT_KIND:
		return d->inject_kind;
	case QUEUE_DEV_REG_INJECT_COUNT:
		return h->left;
	case QUEUE_DEV_REG_INJECT_TIME:
		return d->inject_regs.usec;
	case QUEUE_DEV_REG_INJECT_DONE:
		return h->done;
	case QUEUE_DEV_REG_INJECT_ARG:
		return d->inject_regs.arg;
	case QUEUE_DEV_REG_INJECT_ARG + 4:
		return d->inject_regs.arg >> 32;
	case QUEUE_DEV_REG_INJECT_DATA:
		return d->inject_regs.data;
	default:
		return 0;
	}
}

int
qd_inject_read(const struct queue_dev *d, uint64_t reg, void *buf, uint32_t len)
{
	uint64_t val;

	if (len == 8 && reg != QUEUE_DEV_REG_INJECT_ARG)
		return EINVAL;
	val = d->inject ? reg_read(d, reg) : 0;
	memcpy(buf, &val, len);
	return 0;
}

int
qd_inject_write(struct queue_dev *d, uint64_t reg, uint64_t val, uint32_t len)
{
	struct qd_hazard *r = &d->inject_regs;

	if (len == 8 && reg != QUEUE_DEV_REG_INJECT_ARG)
		return EINVAL;
	if (!d->inject || d->halted)
		return 0;
	switch (reg) {
	case QUEUE_DEV_REG_INJECT_KIND:
		d->inject_kind = val;
		break;
	case QUEUE_DEV_REG_INJECT_COUNT:
		arm(d, val);
		break;
	case QUEUE_DEV_REG_INJECT_TIME:
		r->usec = val < QUEUE_DEV_INJECT_MAX_TIME ? val : QUEUE_DEV_INJECT_MAX_TIME;
		break;
	case QUEUE_DEV_REG_INJECT_ARG:
		r->arg = len == 8 ? val : (r->arg & ~0xffffffffull) | val;
		break;
	case QUEUE_DEV_REG_INJECT_ARG + 4:
		r->arg = (r->arg & 0xffffffffull) | val << 32;
		break;
	case QUEUE_DEV_REG_INJECT_DATA:
		r->data = val;
		break;
	}
	return 0;
}
