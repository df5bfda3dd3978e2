/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Section 6: how an object interrupts, by an MSI-X vector or by the message in its slot. */

#include <errno.h>
#include <stdlib.h>

#include "queue_dev_model.h"
#include "ticks.h"

uint32_t
qd_slot(const struct queue_dev *d, uint32_t kind, uint32_t number)
{
	switch (kind) {
	case QUEUE_DEV_KIND_SPECIAL:
		return number < QUEUE_DEV_N_SPECIAL ? number : QD_NONE;
	case QUEUE_DEV_KIND_EQ:
		if (number < d->n_eqs && d->eqs[number].state != QUEUE_DEV_CTX_STATE_NONE)
			return qd_slot_eq(number);
		return QD_NONE;
	case QUEUE_DEV_KIND_QUEUE:
		if (number < d->n_queues && d->queues[number].state != QUEUE_DEV_CTX_STATE_NONE)
			return qd_slot_queue(d, number);
		return QD_NONE;
	default:
		return QD_NONE;
	}
}

bool
qd_intr_valid(const struct queue_dev *d, uint32_t intr)
{
	if (intr == QUEUE_DEV_INTR_OWN)
		return d->ims;
	return intr == QUEUE_DEV_INTR_NONE || intr < d->n_msix;
}

/* The message of a context: a status. PENDING is not the driver's, and not looked at. */
uint32_t
qd_msg_check(const struct queue_dev_ctx *ctx)
{
	if (ctx->msg_addr % sizeof(uint32_t) != 0 ||
		(ctx->msg_ctrl & ~(QUEUE_DEV_MSG_CTRL_MASK | QUEUE_DEV_MSG_CTRL_PENDING)) != 0)
		return QUEUE_DEV_CMD_BAD_FIELD;
	return QUEUE_DEV_CMD_OK;
}

/* Section 6.4: the slot has an event. */
static void
slot_send(struct queue_dev *d, uint32_t slot)
{
	struct qd_intr *in = &d->intrs[slot];

	in->pending = in->masked || !msi_fire(&d->port, slot, in->addr, in->data, &d->stamps[slot]);
	if (in->pending)
		return;
	in->messages++;
	if (qd_hazard(d, QUEUE_DEV_INJECT_MSG_TWICE) != NULL)
		msi_fire(&d->port, slot, in->addr, in->data, NULL);
}

static void
vector_send(struct queue_dev *d, uint32_t slot)
{
	atomic_store_explicit(&d->stamps[slot], ticks_stamp(), memory_order_relaxed);
	vfu_msix_fire(d->vfu, d->intrs[slot].intr);
}

/* Section 9: of a device that has halted only the error interrupt comes. */
static void
send_event(struct queue_dev *d, uint32_t slot)
{
	if (d->halted && slot != QUEUE_DEV_SLOT_ERROR)
		return;
	if (d->intrs[slot].intr == QUEUE_DEV_INTR_OWN)
		slot_send(d, slot);
	else if (d->intrs[slot].intr != QUEUE_DEV_INTR_NONE)
		vector_send(d, slot);
}

void
qd_intr_raise(struct queue_dev *d, uint32_t slot)
{
	d->intrs[slot].events++;
	d->events++;
	send_event(d, slot);
}

/* What stood in the way of a slot's event may be gone. */
static void
slot_sync(struct queue_dev *d, uint32_t slot)
{
	struct qd_intr *in = &d->intrs[slot];

	if (!in->pending || in->intr == QUEUE_DEV_INTR_NONE ||
		(in->intr == QUEUE_DEV_INTR_OWN && in->masked))
		return;
	in->pending = false;
	send_event(d, slot);
}

void
qd_intr_flush(struct queue_dev *d)
{
	uint32_t i;

	for (i = 0; i < d->n_slots; i++)
		slot_sync(d, i);
}

void
qd_intr_bind(struct queue_dev *d, uint32_t slot, uint16_t intr)
{
	d->intrs[slot].intr = intr;
	slot_sync(d, slot);
}

void
qd_intr_create(struct queue_dev *d, uint32_t slot, const struct queue_dev_ctx *ctx)
{
	d->intrs[slot] = (struct qd_intr){
		.addr = ctx->msg_addr,
		.data = ctx->msg_data,
		.seq = ctx->seq,
		.intr = ctx->intr,
		.masked = (ctx->msg_ctrl & QUEUE_DEV_MSG_CTRL_MASK) != 0,
	};
}

void
qd_intr_destroy(struct queue_dev *d, uint32_t slot)
{
	d->intrs[slot] = (struct qd_intr){ .masked = true, .intr = QUEUE_DEV_INTR_NONE };
	msi_port_forget(&d->port, slot);
}

/* Section 3.3. */
void
qd_intr_select(struct queue_dev *d, uint32_t own)
{
	static const uint32_t bits[] = { QUEUE_DEV_INTR_ERROR_OWN, QUEUE_DEV_INTR_CMD_OWN };
	uint32_t slot;
	uint16_t intr;

	for (slot = 0; slot < QUEUE_DEV_N_SPECIAL; slot++) {
		intr = slot < d->n_msix ? slot : 0;
		if (d->n_msix == 0 || (d->ims && (own & bits[slot]) != 0))
			intr = QUEUE_DEV_INTR_OWN;
		qd_intr_bind(d, slot, intr);
	}
}

void
qd_intr_reset(struct queue_dev *d)
{
	uint32_t i;

	msi_port_reset(&d->port);
	for (i = 0; i < d->n_slots; i++) {
		d->intrs[i] = (struct qd_intr){ .masked = true, .intr = QUEUE_DEV_INTR_NONE };
		atomic_store_explicit(&d->stamps[i], 0, memory_order_relaxed);
	}
	qd_intr_select(d, 0);
}

/* A request has been answered, and the slot has had an event meanwhile: its object is there. */
static void
on_refire(void *priv, uint32_t slot)
{
	send_event(priv, slot);
}

static void
on_fault(void *priv, uint32_t slot)
{
	/* An error message that goes nowhere is not reported by another one. */
	if (slot != QUEUE_DEV_SLOT_ERROR)
		qd_error(priv, QUEUE_DEV_ERROR_MSG, slot);
}

int
qd_intr_init(struct queue_dev *d)
{
	d->intrs = calloc(d->n_slots, sizeof(*d->intrs));
	d->port.vfu = d->vfu;
	d->port.refire = on_refire;
	d->port.fault = on_fault;
	d->port.priv = d;
	d->port.n_slots = d->n_slots;
	return d->intrs != NULL ? msi_port_init(&d->port) : -ENOMEM;
}

/* Section 10: what a bad device sends while its message is being changed, or afterwards. */
static void
modify_hazards(struct queue_dev *d, const struct qd_intr *old, const struct qd_intr *in)
{
	const struct qd_hazard *hazard;
	struct qd_action *action;

	if (old->masked)
		return;
	if (!in->masked && qd_hazard(d, QUEUE_DEV_INJECT_MSG_TORN) != NULL)
		msi_fire_raw(&d->port, old->addr, in->data);
	hazard = qd_hazard(d, QUEUE_DEV_INJECT_MSG_LATE);
	action = hazard != NULL ? qd_action(d, QD_ACTION_MESSAGE, hazard->usec) : NULL;
	if (action != NULL) {
		action->addr = old->addr;
		action->data = old->data;
	}
}

/* Section 6.5: address, data and mask at once. */
uint32_t
qd_modify_msg(struct queue_dev *d, const struct queue_dev_cmd *cmd)
{
	uint32_t slot = qd_slot(d, cmd->kind, cmd->number), status;
	struct queue_dev_ctx ctx;
	struct qd_intr *in, old;

	if (slot == QD_NONE)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	status = qd_ctx_read(d, cmd, cmd->kind, &ctx);
	if (status == QUEUE_DEV_CMD_OK)
		status = qd_msg_check(&ctx);
	if (status == QUEUE_DEV_CMD_OK && !d->ims)
		status = QUEUE_DEV_CMD_BAD_INTR;
	if (status != QUEUE_DEV_CMD_OK)
		return status;
	in = &d->intrs[slot];
	old = *in;
	in->addr = ctx.msg_addr;
	in->data = ctx.msg_data;
	in->masked = (ctx.msg_ctrl & QUEUE_DEV_MSG_CTRL_MASK) != 0;
	in->seq = ctx.seq;
	modify_hazards(d, &old, in);
	slot_sync(d, slot);
	return QUEUE_DEV_CMD_OK;
}

/* Section 6.6. */
uint32_t
qd_modify_intr(struct queue_dev *d, const struct queue_dev_cmd *cmd)
{
	uint32_t slot = qd_slot(d, cmd->kind, cmd->number);

	if (slot == QD_NONE || cmd->kind == QUEUE_DEV_KIND_SPECIAL)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	if (!qd_intr_valid(d, cmd->intr))
		return QUEUE_DEV_CMD_BAD_INTR;
	qd_intr_bind(d, slot, cmd->intr);
	return QUEUE_DEV_CMD_OK;
}
