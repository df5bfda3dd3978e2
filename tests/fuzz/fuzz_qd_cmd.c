/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* How the device does commands: well, late, twice, wrongly, or not. */

#include <string.h>

#include "fuzz_qd.h"

#define NAP 100000 /* what a wait is rounded up to */

uint64_t now;
struct fuzz_qd hw;

static struct object *
object(uint32_t kind, uint32_t number)
{
	if (kind == QUEUE_DEV_KIND_SPECIAL && number < QUEUE_DEV_N_SPECIAL)
		return &hw.special[number];
	if (number >= N_OBJS)
		return NULL;
	if (kind == QUEUE_DEV_KIND_EQ && number < reg_get(QUEUE_DEV_REG_EQS))
		return &hw.eqs[number];
	if (kind == QUEUE_DEV_KIND_QUEUE && number < reg_get(QUEUE_DEV_REG_QUEUES))
		return &hw.queues[number];
	return NULL;
}

/*
 * What was true when the command was given. One that should have been forgotten may come too late.
 */
static bool
is_so(bool holds)
{
	fuzz_check(holds || hw.liar);
	return holds;
}

static const struct queue_dev_ctx *
cmd_ctx(const struct queue_dev_cmd *cmd)
{
	/* The driver has it in memory that the device can reach. */
	fuzz_check(fuzz_dev_memory(cmd->ctx, sizeof(struct queue_dev_ctx)));
	return (const struct queue_dev_ctx *)(uintptr_t)cmd->ctx;
}

static uint32_t
do_create(const struct queue_dev_cmd *cmd, uint32_t kind)
{
	const struct queue_dev_ctx *ctx = cmd_ctx(cmd);
	struct object *o = object(kind, cmd->number);
	size_t entry = kind == QUEUE_DEV_KIND_EQ ? sizeof(struct queue_dev_eqe)
	                                         : sizeof(struct queue_dev_desc);

	if (o == NULL)
		return QUEUE_DEV_CMD_FAILED;
	if (o->there)
		return QUEUE_DEV_CMD_EXISTS;
	if (!is_so(ctx->number == cmd->number && ctx->seq == cmd->ctx_seq &&
		    ctx->signature == QUEUE_DEV_CTX_SIGNATURE(kind)))
		return QUEUE_DEV_CMD_BAD_SEQ;
	if (!is_so(fuzz_dev_memory(ctx->ring, entry << ctx->log_size)))
		return QUEUE_DEV_CMD_BAD_ADDR;
	if (kind == QUEUE_DEV_KIND_QUEUE) {
		if (!is_so(fuzz_dev_memory(
			    ctx->cq, sizeof(struct queue_dev_cqe) << ctx->cq_log_size)))
			return QUEUE_DEV_CMD_BAD_ADDR;
		if (ctx->eqn != QUEUE_DEV_EQN_NONE &&
			(ctx->eqn >= N_OBJS || !hw.eqs[ctx->eqn].there))
			return QUEUE_DEV_CMD_NO_EQ;
		if (ctx->subdev >= N_OBJS || (ctx->subdev != 0 && !hw.subdevs[ctx->subdev]))
			return QUEUE_DEV_CMD_NO_SUBDEV;
	}
	o->ctx = *ctx;
	o->there = true;
	return QUEUE_DEV_CMD_OK;
}

static bool
is_used(uint32_t kind, uint32_t number)
{
	uint32_t i;

	for (i = 0; i < N_OBJS; i++)
		if (hw.queues[i].there &&
			number == (kind == QUEUE_DEV_KIND_EQ ? hw.queues[i].ctx.eqn
							     : hw.queues[i].ctx.subdev))
			return true;
	return false;
}

static uint32_t
do_destroy(const struct queue_dev_cmd *cmd, uint32_t kind)
{
	struct object *o = object(kind, cmd->number);

	if (o == NULL || !o->there)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	if (kind == QUEUE_DEV_KIND_EQ && is_used(kind, cmd->number))
		return QUEUE_DEV_CMD_BUSY;
	o->there = false;
	return QUEUE_DEV_CMD_OK;
}

static uint32_t
do_subdev(const struct queue_dev_cmd *cmd, bool create)
{
	if (cmd->number == 0 || cmd->number >= N_OBJS)
		return create ? QUEUE_DEV_CMD_FAILED : QUEUE_DEV_CMD_BAD_NUMBER;
	if (hw.subdevs[cmd->number] == create)
		return create ? QUEUE_DEV_CMD_EXISTS : QUEUE_DEV_CMD_BAD_NUMBER;
	if (!create && is_used(QUEUE_DEV_KIND_QUEUE, cmd->number))
		return QUEUE_DEV_CMD_BUSY;
	hw.subdevs[cmd->number] = create;
	return QUEUE_DEV_CMD_OK;
}

static uint32_t
do_modify(const struct queue_dev_cmd *cmd)
{
	uint32_t kind = cmd->op == QUEUE_DEV_CMD_QUEUE_MODIFY ? QUEUE_DEV_KIND_QUEUE : cmd->kind;
	struct object *o = object(kind, cmd->number);
	const struct queue_dev_ctx *ctx;

	if (o == NULL || !o->there)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	if (cmd->op == QUEUE_DEV_CMD_MODIFY_INTR) {
		o->ctx.intr = cmd->intr;
		return QUEUE_DEV_CMD_OK;
	}
	if (cmd->op == QUEUE_DEV_CMD_QUEUE_MODIFY) {
		if (cmd->eqn != QUEUE_DEV_EQN_NONE &&
			(cmd->eqn >= N_OBJS || !hw.eqs[cmd->eqn].there))
			return QUEUE_DEV_CMD_NO_EQ;
		o->ctx.eqn = cmd->eqn;
		return QUEUE_DEV_CMD_OK;
	}
	ctx = cmd_ctx(cmd);
	if (!is_so(ctx->number == cmd->number && ctx->seq == cmd->ctx_seq))
		return QUEUE_DEV_CMD_BAD_SEQ;
	o->ctx.msg_addr = ctx->msg_addr;
	o->ctx.msg_data = ctx->msg_data;
	o->ctx.msg_ctrl = ctx->msg_ctrl;
	return QUEUE_DEV_CMD_OK;
}

static uint32_t
do_query(const struct queue_dev_cmd *cmd, bool lie)
{
	struct queue_dev_query *to = (struct queue_dev_query *)(uintptr_t)cmd->ctx;
	struct object *o = object(cmd->kind, cmd->number);

	fuzz_check(fuzz_dev_memory(cmd->ctx, sizeof(*to)));
	if (lie) {
		fuzz_take(fuzz_dev.in, to, sizeof(*to));
		return QUEUE_DEV_CMD_OK;
	}
	if (o == NULL || !o->there)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	memset(to, 0, sizeof(*to));
	to->ctx = o->ctx;
	return QUEUE_DEV_CMD_OK;
}

static uint32_t
do_cmd(const struct queue_dev_cmd *cmd, bool lie)
{
	switch (cmd->op) {
	case QUEUE_DEV_CMD_EQ_CREATE:
		return do_create(cmd, QUEUE_DEV_KIND_EQ);
	case QUEUE_DEV_CMD_QUEUE_CREATE:
		return do_create(cmd, QUEUE_DEV_KIND_QUEUE);
	case QUEUE_DEV_CMD_EQ_DESTROY:
		return do_destroy(cmd, QUEUE_DEV_KIND_EQ);
	case QUEUE_DEV_CMD_QUEUE_DESTROY:
		return do_destroy(cmd, QUEUE_DEV_KIND_QUEUE);
	case QUEUE_DEV_CMD_SUBDEV_CREATE:
	case QUEUE_DEV_CMD_SUBDEV_DESTROY:
		return do_subdev(cmd, cmd->op == QUEUE_DEV_CMD_SUBDEV_CREATE);
	case QUEUE_DEV_CMD_QUEUE_MODIFY:
	case QUEUE_DEV_CMD_MODIFY_MSG:
	case QUEUE_DEV_CMD_MODIFY_INTR:
		return do_modify(cmd);
	case QUEUE_DEV_CMD_QUERY:
		return do_query(cmd, lie);
	}
	fuzz_check(0); /* none that the driver has */
	return 0;
}

static void
answer(struct queue_dev_cmd *entry, uint32_t token, uint32_t status)
{
	entry->done = (uint64_t)token << 32 | status;
}

static void
later(struct queue_dev_cmd *entry, bool stays)
{
	unsigned int i;

	for (i = 0; i < N_LATE && hw.late[i].entry != NULL; i++)
		;
	if (i == N_LATE)
		return; /* not done, then */
	hw.late[i].entry = entry;
	hw.late[i].cmd = *entry;
	hw.late[i].naps = hw.how_arg % 16;
	hw.late[i].stays = stays;
}

void
take_cmd(struct queue_dev_cmd *entry)
{
	enum how how = hw.n_how != 0 ? hw.how : HOW_WELL;
	uint32_t token = entry->token;

	if (hw.n_how != 0)
		hw.n_how--;
	hw.liar = hw.liar || how > HOW_LAST_HONEST;
	fuzz_dev.honest = fuzz_dev.honest && how == HOW_WELL;
	switch (how) {
	case HOW_NOT:
		break;
	case HOW_SILENTLY:
		do_cmd(entry, false);
		break;
	case HOW_LATE:
	case HOW_TOO_LATE:
		later(entry, how == HOW_TOO_LATE);
		break;
	case HOW_FAILED:
		answer(entry, token, QUEUE_DEV_CMD_FAILED);
		break;
	case HOW_WRONG_TOKEN:
		answer(entry, token + 1 + hw.how_arg, 0);
		break;
	case HOW_DENIED:
		do_cmd(entry, false);
		/* fallthrough */
	case HOW_REFUSED:
		answer(entry, token, hw.how_arg);
		break;
	case HOW_GARBAGE:
		fuzz_take(fuzz_dev.in, &entry->done, sizeof(entry->done));
		break;
	default:
		answer(entry, token, do_cmd(entry, how == HOW_WRONGLY));
		break;
	}
}

int
fake_nap(void)
{
	unsigned int i;

	now += NAP;
	for (i = 0; i < N_LATE; i++) {
		if (hw.late[i].entry == NULL || hw.late[i].naps-- != 0)
			continue;
		answer(hw.late[i].entry, hw.late[i].cmd.token, do_cmd(&hw.late[i].cmd, false));
		hw.late[i].entry = NULL;
	}
	return 0;
}

void
cmds_forget(bool all)
{
	unsigned int i;

	hw.cmds = NULL;
	for (i = 0; i < N_LATE; i++)
		if (all || !hw.late[i].stays)
			hw.late[i].entry = NULL;
}
