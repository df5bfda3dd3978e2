/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Commands: one at a time, waited for. They are microseconds to the device; who waits does so a
 * short while by looking, then on the command interrupt.
 *
 * A command that is not answered in time is cleared up rather than guessed about: the command ring
 * is set up anew, which makes the device forget what it has not done (section 5.1), and the device
 * is then asked what it has (QUERY). So the caller learns that the change has taken place, or that
 * it has not; only a device that does not answer at all leaves it in doubt (queue_dev_lost.c).
 */

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_pause.h>

#include "queue_dev_private.h"

#define CMDQ_LOG   8
#define CMDQ_SIZE  (1u << CMDQ_LOG)
#define TIMEOUT_MS 1000
#define LOOK_US    20
#define NAP_US     50

int
qd_cmd_setup(struct qd *qd)
{
	uint64_t base = (uintptr_t)qd->cmds;
	uint32_t ctrl = QUEUE_DEV_CMDQ_CTRL_ENABLE | CMDQ_LOG << QUEUE_DEV_CMDQ_CTRL_LOG_SHIFT;
	int rc;

	rc = ims_dev_bar_write32(qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_CMDQ_CTRL, 0);
	if (rc == 0)
		rc = ims_dev_bar_write(
			qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_CMDQ_BASE, &base, sizeof(base));
	if (rc == 0)
		rc = ims_dev_bar_write32(qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_CMDQ_CTRL, ctrl);
	if (rc == 0)
		rc = ims_dev_bar_read32(qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_CMDQ_CTRL, &ctrl);
	if (rc == 0 && (ctrl & QUEUE_DEV_CMDQ_CTRL_ENABLE) == 0)
		rc = -EIO;
	qd->cmd_tail = 0;
	qd->cmd_ready = rc == 0;
	return rc;
}

/* Its own token: anything else there is not its answer. */
static bool
is_done(const struct queue_dev_cmd *entry, uint32_t token, uint32_t *status)
{
	uint64_t done = __atomic_load_n(&entry->done, __ATOMIC_ACQUIRE);

	*status = (uint32_t)done;
	return done >> 32 == token;
}

static void
nap(struct qd *qd)
{
	struct pollfd pfd = { .fd = -1, .events = POLLIN };

	if (qd->cmd_vec != NULL)
		pfd.fd = rte_ims_vec_fd_get(qd->cmd_vec);
	if (pfd.fd < 0)
		usleep(NAP_US);
	else if (poll(&pfd, 1, 1) > 0 && ims_vec_fd_take(qd->cmd_vec) < 0)
		usleep(NAP_US);
}

static int
await(struct qd *qd, const struct queue_dev_cmd *entry, uint32_t token, uint32_t *status)
{
	uint64_t hz = rte_get_tsc_hz(), start = rte_rdtsc();

	while (!is_done(entry, token, status)) {
		if (rte_rdtsc() - start < LOOK_US * hz / 1000000) {
			rte_pause();
			continue;
		}
		if (ims_dev_removed(qd->dev))
			return -ENODEV;
		if (rte_rdtsc() - start > TIMEOUT_MS * hz / 1000)
			return -ETIMEDOUT;
		nap(qd);
	}
	return 0;
}

static int
status_error(uint32_t status)
{
	switch (status) {
	case QUEUE_DEV_CMD_OK:
		return 0;
	case QUEUE_DEV_CMD_BAD_NUMBER:
		return -ENOENT;
	case QUEUE_DEV_CMD_NO_ROOM:
		return -ENOSPC;
	case QUEUE_DEV_CMD_EXISTS:
	case QUEUE_DEV_CMD_BUSY:
		return -EBUSY;
	default:
		return -EIO;
	}
}

/* The device knows nothing of it: nothing has changed. */
static int
not_sent(struct qd *qd, const struct queue_dev_cmd *cmd, int rc)
{
	if (rc == -ENODEV)
		return rc;
	qd->cmd_timeouts++;
	QD_LOG(ERR, "command %#x of %u:%u is not sent: the command ring cannot be set up: %s",
		cmd->op, cmd->kind, cmd->number, strerror(-rc));
	return -EIO;
}

int
qd_cmd(struct qd *qd, const struct queue_dev_cmd *cmd)
{
	struct queue_dev_cmd *entry;
	uint32_t st = 0;
	int rc;

	/* The device may count from elsewhere than we do. */
	if (unlikely(!qd->cmd_ready)) {
		rc = qd_cmd_setup(qd);
		if (rc != 0)
			return not_sent(qd, cmd, rc);
	}
	entry = &qd->cmds[qd->cmd_tail % CMDQ_SIZE];
	*entry = *cmd;
	entry->flags = qd->cmd_vec != NULL ? QUEUE_DEV_CMD_F_INTR : 0;
	entry->token = ++qd->token != 0 ? qd->token : ++qd->token;
	entry->done = 0;
	/* The entry before the tail: the write is a transaction, or has the barrier in it. */
	rc = ims_dev_bar_write32(qd->dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_CMDQ_TAIL, ++qd->cmd_tail);
	if (rc == 0)
		rc = await(qd, entry, qd->token, &st);
	else if (rc != -ENODEV)
		rc = -ETIMEDOUT; /* who knows whether the device has seen it */
	if (rc == -ETIMEDOUT) {
		qd->cmd_timeouts++;
		QD_LOG(WARNING, "command %#x of %u:%u is not answered", cmd->op, cmd->kind,
			cmd->number);
		if (qd_cmd_setup(qd) != 0)
			QD_LOG(ERR, "the command ring cannot be set up anew");
		return rc;
	}
	if (rc == 0)
		rc = status_error(st);
	if (rc == -EIO)
		QD_LOG(ERR, "command %#x of %u:%u: status %u", cmd->op, cmd->kind, cmd->number, st);
	return rc;
}

int
qd_query(struct qd *qd, uint32_t kind, uint32_t number)
{
	struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_QUERY,
		.kind = kind,
		.number = number,
		.ctx = (uintptr_t)qd->query };
	int rc;

	rc = qd_cmd(qd, &cmd);
	return rc == 0 || rc == -ENOENT || rc == -ENODEV ? rc : -ETIMEDOUT;
}

int
qd_cmd_create(struct qd *qd, const struct queue_dev_cmd *cmd, uint32_t kind, const void *ring)
{
	int rc;

	rc = qd_cmd(qd, cmd);
	if (rc == -ETIMEDOUT) {
		rc = qd_query(qd, kind, cmd->number);
		if (rc == 0 && qd->query->ctx.ring != (uintptr_t)ring)
			rc = -EIO;
	}
	return rc == -ENOENT ? -EIO : rc;
}

int
qd_cmd_destroy(struct qd *qd, const struct queue_dev_cmd *cmd, uint32_t kind)
{
	int rc;

	rc = qd_cmd(qd, cmd);
	if (rc == -ETIMEDOUT) {
		rc = qd_query(qd, kind, cmd->number);
		if (rc == 0)
			rc = -EIO;
	}
	return rc == -ENOENT || rc == -ENODEV ? 0 : rc;
}

struct queue_dev_ctx *
qd_ctx(struct qd *qd, uint32_t slot, uint32_t kind, uint32_t number)
{
	struct queue_dev_ctx *ctx = &qd->ctx[slot];

	ctx->seq++;
	ctx->number = number;
	ctx->signature = QUEUE_DEV_CTX_SIGNATURE(kind);
	return ctx;
}

/* Whose slot it is, and whether it is there; *lost: perhaps. */
static bool
slot_object(const struct qd *qd, uint32_t slot, uint32_t *kind, uint32_t *number, bool *lost)
{
	struct rte_pmd_queue_dev_queue *q;
	struct qd_eq *eq;

	*lost = false;
	if (slot < QUEUE_DEV_N_SPECIAL) {
		*kind = QUEUE_DEV_KIND_SPECIAL;
		*number = slot;
		return true;
	}
	if (slot < qd_queue_slot(qd, 0)) {
		*kind = QUEUE_DEV_KIND_EQ;
		*number = slot - QUEUE_DEV_SLOT_EQ(0);
		eq = atomic_load(&qd->eqs[*number]);
		*lost = eq != NULL && eq->lost;
		return eq != NULL && eq->intr == QUEUE_DEV_INTR_OWN;
	}
	*kind = QUEUE_DEV_KIND_QUEUE;
	*number = slot - qd_queue_slot(qd, 0);
	q = atomic_load(&qd->queues[*number]);
	*lost = q != NULL && q->lost;
	return q != NULL && !q->dead;
}

/* The command was not answered, and is forgotten now: which message does the device have? */
static int
find_out(struct qd *qd, uint32_t kind, uint32_t number, const struct queue_dev_ctx *ctx)
{
	const struct queue_dev_ctx *has = &qd->query->ctx;
	int rc;

	rc = qd_query(qd, kind, number);
	if (rc != 0)
		return rc;
	if (has->msg_addr == ctx->msg_addr && has->msg_data == ctx->msg_data &&
		((has->msg_ctrl ^ ctx->msg_ctrl) & QUEUE_DEV_MSG_CTRL_MASK) == 0)
		return 0;
	return -EIO;
}

int
qd_modify_msg(struct qd *qd, uint32_t slot, const struct ims_store_queue_ctx *want)
{
	struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_MODIFY_MSG };
	struct queue_dev_ctx *ctx, old;
	uint32_t kind, number;
	bool there, lost;
	int rc;

	there = slot_object(qd, slot, &kind, &number, &lost);
	old = qd->ctx[slot];
	ctx = qd_ctx(qd, slot, kind, number);
	ctx->msg_addr = want->msg.addr;
	ctx->msg_data = want->msg.data;
	ctx->msg_ctrl = want->masked ? QUEUE_DEV_MSG_CTRL_MASK : 0;
	if (!there)
		return 0;
	cmd.kind = kind;
	cmd.number = number;
	cmd.ctx = (uintptr_t)ctx;
	cmd.ctx_seq = ctx->seq;
	rc = qd_cmd(qd, &cmd);
	if (rc == -ETIMEDOUT)
		rc = find_out(qd, kind, number, ctx);
	if (rc == -ENOENT)
		rc = lost ? 0 : -EIO; /* it was not there */
	if (rc != 0 && rc != -ETIMEDOUT) {
		/* The count goes on: a command that comes late must not find its number again. */
		ctx->msg_addr = old.msg_addr;
		ctx->msg_data = old.msg_data;
		ctx->msg_ctrl = old.msg_ctrl;
		ctx->seq++;
	}
	return rc;
}

int
qd_query_msg(struct qd *qd, uint32_t slot, struct ims_slot_view *view)
{
	const struct queue_dev_ctx *has = &qd->query->ctx;
	uint32_t kind, number;
	bool there, lost;
	int rc;

	there = slot_object(qd, slot, &kind, &number, &lost);
	if (!there)
		return -ENOENT;
	rc = qd_query(qd, kind, number);
	if (rc != 0)
		return rc;
	view->msg.addr = has->msg_addr;
	view->msg.data = has->msg_data;
	view->masked = (has->msg_ctrl & QUEUE_DEV_MSG_CTRL_MASK) != 0;
	view->pending = (has->msg_ctrl & QUEUE_DEV_MSG_CTRL_PENDING) != 0;
	return 0;
}
