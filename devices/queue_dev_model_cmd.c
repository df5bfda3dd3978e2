/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Section 5: the command ring. */

#include <string.h>

#include "queue_dev_model.h"

/* Fields of a command; those that it does not use are 0. */
enum {
	F_KIND = 1,
	F_NUMBER = 2,
	F_CTX = 4,
	F_SEQ = 8,
	F_INTR = 16,
	F_WHAT_EQ = 32,
	F_WHAT_COAL = 64,
};

struct command {
	uint8_t op;
	uint8_t fields;
	uint32_t (*fn)(struct queue_dev *d, const struct queue_dev_cmd *cmd);
};

static uint32_t
nop(struct queue_dev *d, const struct queue_dev_cmd *cmd)
{
	return QUEUE_DEV_CMD_OK;
}

static const struct command commands[] = {
	{ QUEUE_DEV_CMD_NOP, 0, nop },
	{ QUEUE_DEV_CMD_SUBDEV_CREATE, F_NUMBER, qd_subdev_create },
	{ QUEUE_DEV_CMD_SUBDEV_DESTROY, F_NUMBER, qd_subdev_destroy },
	{ QUEUE_DEV_CMD_EQ_CREATE, F_NUMBER | F_CTX | F_SEQ, qd_eq_create },
	{ QUEUE_DEV_CMD_EQ_DESTROY, F_NUMBER, qd_eq_destroy },
	{ QUEUE_DEV_CMD_EQ_MODIFY, F_NUMBER | F_WHAT_COAL, qd_eq_modify },
	{ QUEUE_DEV_CMD_QUEUE_CREATE, F_NUMBER | F_CTX | F_SEQ, qd_queue_create },
	{ QUEUE_DEV_CMD_QUEUE_DESTROY, F_NUMBER, qd_queue_destroy },
	{ QUEUE_DEV_CMD_QUEUE_MODIFY, F_NUMBER | F_WHAT_EQ | F_WHAT_COAL, qd_queue_modify },
	{ QUEUE_DEV_CMD_MODIFY_MSG, F_KIND | F_NUMBER | F_CTX | F_SEQ, qd_modify_msg },
	{ QUEUE_DEV_CMD_MODIFY_INTR, F_KIND | F_NUMBER | F_INTR, qd_modify_intr },
	{ QUEUE_DEV_CMD_QUERY, F_KIND | F_NUMBER | F_CTX, qd_query },
};

static const struct command *
command_of(uint8_t op)
{
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].op == op)
			return &commands[i];
	return NULL;
}

/* `what` selects from what the command can modify, and there has to be something. */
static bool
what_good(const struct queue_dev_cmd *cmd, uint8_t fields)
{
	uint32_t can = 0;

	if ((fields & F_WHAT_EQ) != 0)
		can |= QUEUE_DEV_WHAT_EQ;
	if ((fields & F_WHAT_COAL) != 0)
		can |= QUEUE_DEV_WHAT_COAL;
	if ((cmd->what & ~can) != 0 || (can != 0 && cmd->what == 0))
		return false;
	if ((cmd->what & QUEUE_DEV_WHAT_EQ) == 0 && cmd->eqn != 0)
		return false;
	if ((cmd->what & QUEUE_DEV_WHAT_COAL) == 0)
		return cmd->coal_count == 0 && cmd->coal_usec == 0;
	return qd_coal_good(cmd->coal_count, cmd->coal_usec);
}

static bool
fields_good(const struct queue_dev_cmd *cmd, uint8_t fields)
{
	return (cmd->flags & ~QUEUE_DEV_CMD_F_INTR) == 0 && cmd->token != 0 &&
	       (cmd->kind == 0 || (fields & F_KIND) != 0) &&
	       (cmd->number == 0 || (fields & F_NUMBER) != 0) &&
	       (cmd->ctx == 0 || (fields & F_CTX) != 0) &&
	       (cmd->ctx_seq == 0 || (fields & F_SEQ) != 0) &&
	       (cmd->intr == 0 || (fields & F_INTR) != 0) && cmd->reserved[0] == 0 &&
	       cmd->reserved[1] == 0 && cmd->reserved2 == 0 && what_good(cmd, fields);
}

static uint32_t
execute(struct queue_dev *d, const struct queue_dev_cmd *cmd)
{
	const struct command *command = command_of(cmd->op);

	if (command == NULL)
		return QUEUE_DEV_CMD_BAD_OP;
	if (!fields_good(cmd, command->fields))
		return QUEUE_DEV_CMD_BAD_FIELD;
	return command->fn(d, cmd);
}

static void
cmdq_fail(struct queue_dev *d, uint64_t arg)
{
	d->cmdq.ctrl = 0;
	qd_actions_forget_cmds(d);
	qd_error(d, QUEUE_DEV_ERROR_CMDQ, arg);
}

static void
complete(struct queue_dev *d, uint32_t index, const struct queue_dev_cmd *cmd, uint32_t status)
{
	struct queue_dev_cmd *entry;

	qd_ring_begin(d, &d->cmdq.ring);
	entry = qd_ring_at(d, &d->cmdq.ring, index);
	if (entry == NULL) {
		cmdq_fail(d, d->cmdq.base);
		return;
	}
	d->commands++;
	/* Release: what the command has done is seen by who sees that it is done. */
	atomic_store_explicit((_Atomic(uint64_t) *)&entry->done,
		(uint64_t)cmd->token << 32 | status, memory_order_release);
	if ((cmd->flags & QUEUE_DEV_CMD_F_INTR) != 0)
		qd_intr_raise(d, QUEUE_DEV_SLOT_CMD);
}

/* Section 10: hazards that are meant for one command say for which. */
static const struct qd_hazard *
cmd_hazard(struct queue_dev *d, uint32_t kind, const struct queue_dev_cmd *cmd)
{
	uint32_t op = d->hazards[kind].data & 0xff;

	if (kind == QUEUE_DEV_INJECT_CMD_REORDER)
		op = QUEUE_DEV_INJECT_OP_ANY;
	else if (op == 0)
		op = QUEUE_DEV_CMD_MODIFY_MSG;
	return op == cmd->op || op == QUEUE_DEV_INJECT_OP_ANY ? qd_hazard(d, kind) : NULL;
}

/* True if the command is not to be executed now. */
static bool
put_off(struct queue_dev *d, uint32_t index, const struct queue_dev_cmd *cmd, uint32_t kind)
{
	const struct qd_hazard *hazard = cmd_hazard(d, kind, cmd);
	struct qd_action *action;

	if (hazard == NULL)
		return false;
	action = qd_action(d, QD_ACTION_CMD, hazard->usec);
	if (action == NULL)
		return false;
	action->index = index;
	action->cmd = *cmd;
	if (kind == QUEUE_DEV_INJECT_CMD_REORDER)
		d->cmdq.held = action - d->actions;
	return true;
}

static void
perform(struct queue_dev *d, uint32_t index, const struct queue_dev_cmd *cmd)
{
	const struct qd_hazard *hazard;

	hazard = cmd_hazard(d, QUEUE_DEV_INJECT_CMD_DROP, cmd);
	if (hazard != NULL) {
		if ((hazard->arg & 1) != 0)
			execute(d, cmd);
		return;
	}
	if (cmd_hazard(d, QUEUE_DEV_INJECT_CMD_FAIL, cmd) != NULL)
		complete(d, index, cmd, QUEUE_DEV_CMD_FAILED);
	else if (!put_off(d, index, cmd, QUEUE_DEV_INJECT_CMD_DELAY))
		complete(d, index, cmd, execute(d, cmd));
}

static void
take(struct queue_dev *d, uint32_t index, const struct queue_dev_cmd *cmd)
{
	uint32_t held = d->cmdq.held;

	if (held == QD_NONE && put_off(d, index, cmd, QUEUE_DEV_INJECT_CMD_REORDER))
		return;
	perform(d, index, cmd);
	/* The one that had to let this one go first, unless the ring has broken down. */
	if (held != QD_NONE && d->cmdq.held == held)
		qd_action_run(d, held);
}

void
qd_cmd_later(struct queue_dev *d, uint32_t index, const struct queue_dev_cmd *cmd)
{
	if (!d->halted && vfu_bus_master(d->vfu))
		complete(d, index, cmd, execute(d, cmd));
}

/* Bounded by the ring's size: no command submits others. */
void
qd_cmdq_run(struct queue_dev *d)
{
	struct qd_cmdq *c = &d->cmdq;
	const struct queue_dev_cmd *entry;
	struct queue_dev_cmd cmd;

	while (c->head != c->tail && (c->ctrl & QUEUE_DEV_CMDQ_CTRL_ENABLE) != 0 && !d->halted &&
		vfu_bus_master(d->vfu)) {
		qd_ring_begin(d, &c->ring);
		entry = qd_ring_at(d, &c->ring, c->head);
		if (entry == NULL) {
			cmdq_fail(d, c->base);
			return;
		}
		/* A copy: what is checked is what is executed, whatever the driver does. */
		memcpy(&cmd, entry, sizeof(cmd));
		c->head++;
		take(d, c->head - 1, &cmd);
	}
}

void
qd_cmdq_tail(struct queue_dev *d, uint32_t tail)
{
	struct qd_cmdq *c = &d->cmdq;
	uint32_t size = c->ring.len / sizeof(struct queue_dev_cmd);

	if ((c->ctrl & QUEUE_DEV_CMDQ_CTRL_ENABLE) == 0 ||
		tail - c->tail > c->head + size - c->tail) {
		qd_error(d, QUEUE_DEV_ERROR_CMDQ, tail);
		return;
	}
	c->tail = tail;
	qd_cmdq_run(d);
}

void
qd_cmdq_setup(struct queue_dev *d, uint32_t ctrl)
{
	uint32_t log = ctrl >> QUEUE_DEV_CMDQ_CTRL_LOG_SHIFT & QUEUE_DEV_CMDQ_CTRL_LOG_MASK;
	uint32_t all = QUEUE_DEV_CMDQ_CTRL_ENABLE | QUEUE_DEV_CMDQ_CTRL_LOG_MASK
	                                                    << QUEUE_DEV_CMDQ_CTRL_LOG_SHIFT;
	struct qd_cmdq *c = &d->cmdq;

	qd_actions_forget_cmds(d);
	c->head = c->tail = 0;
	c->ctrl = 0;
	if ((ctrl & QUEUE_DEV_CMDQ_CTRL_ENABLE) == 0)
		return;
	qd_ring_set(&c->ring, c->base, sizeof(struct queue_dev_cmd), log, true);
	if ((ctrl & ~all) != 0 || log == 0 || log > QUEUE_DEV_CMDQ_MAX_LOG ||
		c->base % QUEUE_DEV_RING_ALIGN != 0 ||
		(vfu_bus_master(d->vfu) && !qd_ring_good(d, &c->ring)))
		qd_error(d, QUEUE_DEV_ERROR_CMDQ, c->base);
	else
		c->ctrl = ctrl;
}
