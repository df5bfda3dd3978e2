/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The model of queue_dev: registers, commands, contexts, descriptors and doorbells of a driver that
 * writes anything anywhere, its rings included while the device reads them.
 *
 * Input: operations of [what, ...], see run(). Memory is one file, mapped for the device at 0; a
 * command ring is set up before.
 */

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "fuzz.h"
#include "queue_dev_model.h"
#include "queue_dev_regs.h"
#include "vfu_priv.h"

#define MEM_LEN  0x10000u
#define RING_LOG 4

static struct queue_dev *d;
static struct vfu *vfu;
static uint8_t *mem;
static int memfd;
static uint32_t tail;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char keys[] = "queues=16,subdevs=4,eqs=4,msix=4,inject=1,mmap=0";
	struct model_opts opts = { .args = keys };

	signal(SIGPIPE, SIG_IGN);
	d = queue_dev_model.create(&opts);
	fuzz_check(d != NULL);
	vfu = queue_dev_model.vfu(d);
	memfd = memfd_create("fuzz", MFD_CLOEXEC);
	fuzz_check(memfd >= 0 && ftruncate(memfd, MEM_LEN) == 0);
	mem = mmap(NULL, MEM_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	fuzz_check(mem != MAP_FAILED);
	return 0;
}

static void
reg_write(uint32_t bar, uint32_t off, const void *val, uint32_t len)
{
	if (!vfu_msix_owns(vfu, bar, off, len))
		vfu->conf.ops->bar_write(vfu->conf.priv, bar, off, val, len);
}

static void
reg32(uint32_t off, uint32_t val)
{
	reg_write(QUEUE_DEV_BAR, off, &val, sizeof(val));
}

static void
start(void)
{
	struct vfio_user_dma_map map = { sizeof(map), 3, 0, 0, MEM_LEN };
	int fd = dup(memfd); /* taken */
	struct vfu_req req = {
		.data = (const uint8_t *)&map,
		.len = sizeof(map),
		.fds = &fd,
		.n_fds = 1,
	};
	uint16_t master = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	uint64_t base = 0;

	memset(mem, 0, MEM_LEN);
	tail = 0;
	fuzz_check(vfu_cmd_dma_map(vfu, &req) == 0);
	vfu_pci_write(vfu, PCI_COMMAND, &master, sizeof(master));
	reg_write(QUEUE_DEV_BAR, QUEUE_DEV_REG_CMDQ_BASE, &base, sizeof(base));
	reg32(QUEUE_DEV_REG_CMDQ_CTRL,
		QUEUE_DEV_CMDQ_CTRL_ENABLE | RING_LOG << QUEUE_DEV_CMDQ_CTRL_LOG_SHIFT);
}

/* A command as it comes, but for the fields whose only good value is one. */
static void
command(struct fuzz_in *in, bool plausible)
{
	struct queue_dev_cmd cmd;
	struct queue_dev_ctx *ctx;

	fuzz_take(in, &cmd, sizeof(cmd));
	if (plausible) {
		cmd.op %= 12;
		cmd.number %= 8;
		cmd.token |= 1;
		cmd.flags &= 1;
		cmd.reserved[0] = cmd.reserved[1] = cmd.reserved2 = 0;
		cmd.ctx = cmd.ctx == 0 ? 0 : cmd.ctx % (MEM_LEN / 64) * 64;
		ctx = (struct queue_dev_ctx *)(void *)(mem + cmd.ctx % MEM_LEN / 64 * 64);
		if (cmd.ctx != 0) {
			cmd.ctx_seq = ctx->seq;
			ctx->number = cmd.number;
			ctx->ring = ctx->ring % MEM_LEN / 64 * 64;
			ctx->cq = ctx->cq % MEM_LEN / 64 * 64;
			ctx->log_size = ctx->log_size % 5;
			ctx->cq_log_size = ctx->cq_log_size % 5;
			ctx->reserved = 0;
			ctx->signature = QUEUE_DEV_CTX_SIGNATURE(cmd.op == QUEUE_DEV_CMD_EQ_CREATE
									 ? QUEUE_DEV_KIND_EQ
									 : QUEUE_DEV_KIND_QUEUE);
		}
	}
	memcpy(mem + tail % (1u << RING_LOG) * sizeof(cmd), &cmd, sizeof(cmd));
	reg32(QUEUE_DEV_REG_CMDQ_TAIL, ++tail);
}

static void
run(struct fuzz_in *in)
{
	uint64_t val;
	uint32_t off;
	uint8_t what = fuzz_u8(in), buf[64];

	switch (what % 8) {
	case 0: /* any register */
		off = fuzz_u32(in) % QUEUE_DEV_BAR_SIZE;
		val = fuzz_u64(in);
		reg_write(QUEUE_DEV_BAR, what & 8 ? off / 8 * 8 : off / 4 * 4 % 0x200, &val,
			what & 8 ? 8 : 4);
		break;
	case 1: /* memory */
		off = fuzz_u16(in) % (MEM_LEN - sizeof(buf));
		fuzz_take(in, buf, sizeof(buf));
		memcpy(mem + off, buf, 1 + what / 8 * 2);
		break;
	case 2:
		command(in, false);
		break;
	case 3:
		command(in, true);
		break;
	case 4: /* a doorbell */
		val = QUEUE_DEV_DB(what / 8 % 8, fuzz_u8(in) % 20, fuzz_u16(in));
		reg_write(QUEUE_DEV_BAR, QUEUE_DEV_REG_DOORBELL, &val, sizeof(val));
		break;
	case 5: /* a small word somewhere: indexes and lengths */
		off = fuzz_u16(in) % (MEM_LEN - 8);
		mem[off] = fuzz_u8(in);
		break;
	case 6:
		off = fuzz_u32(in) % 0x200 / 4 * 4;
		vfu->conf.ops->bar_read(vfu->conf.priv, QUEUE_DEV_BAR, off, buf, 4);
		break;
	default:
		qd_work(d, 64);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };

	vfu_lock(vfu);
	start();
	while (in.len != 0)
		run(&in);
	qd_work(d, 1024);
	vfu_pci_reset(vfu);
	vfu_dma_reset(vfu);
	vfu_unlock(vfu);
	return 0;
}
