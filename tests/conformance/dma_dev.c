/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A device whose registers are DMA itself: what the models' server sends of DMA_READ and DMA_WRITE,
 * and what it makes of the replies, for conformance.
 *
 * BAR 0: 0x00 address (64 bits), 0x08 count, 0x0c command (1: read, 2: write: it starts), 0x10
 * result (0: under way, 1: done, else 0x10000 | errno).
 */

#include <stdio.h>
#include <string.h>

#include "vfu.h"

#define BAR_SIZE 0x1000

enum {
	REG_ADDR = 0x00,
	REG_COUNT = 0x08,
	REG_COMMAND = 0x0c,
	REG_RESULT = 0x10,
};

static struct vfu *vfu;
static uint8_t regs[BAR_SIZE];

static uint32_t
get(uint32_t reg)
{
	uint32_t val;

	memcpy(&val, regs + reg, sizeof(val));
	return val;
}

static void
set(uint32_t reg, uint32_t val)
{
	memcpy(regs + reg, &val, sizeof(val));
}

/* A read that has other bytes than conformance sends is as bad as one that failed. */
static void
done(void *arg, int error, const void *data, uint32_t len)
{
	const uint8_t *byte = data;
	uint32_t i;

	for (i = 0; i < len && error == 0; i++)
		if (byte[i] != 0x5a)
			error = 1;
	set(REG_RESULT, error == 0 ? 1 : 0x10000 | error);
}

static void
start(void)
{
	static const uint8_t zeros[65536];
	uint64_t addr;
	int rc;

	memcpy(&addr, regs + REG_ADDR, sizeof(addr));
	set(REG_RESULT, 0);
	rc = get(REG_COMMAND) == 1 ? vfu_dma_read(vfu, addr, get(REG_COUNT), done, NULL)
	                           : vfu_dma_write(vfu, addr, zeros, get(REG_COUNT), done, NULL);
	if (rc < 0)
		set(REG_RESULT, 0x10000 | -rc);
}

static int
bar_read(void *priv, uint32_t bar, uint64_t off, void *buf, uint32_t len)
{
	memcpy(buf, regs + off, len);
	return 0;
}

static int
bar_write(void *priv, uint32_t bar, uint64_t off, const void *buf, uint32_t len)
{
	memcpy(regs + off, buf, len);
	if (off == REG_COMMAND)
		start();
	return 0;
}

static void
reset(void *priv)
{
	memset(regs, 0, sizeof(regs));
}

int
main(int argc, char **argv)
{
	static const struct vfu_model_ops ops = {
		.bar_read = bar_read,
		.bar_write = bar_write,
		.reset = reset,
	};
	struct vfu_conf conf = {
		.name = "dma_dev",
		.vendor_id = 0x1234,
		.device_id = 0x1,
		.bars = { { .size = BAR_SIZE, .fd = -1 } },
		.n_msix = 16,
		.msix_bar = 1,
		.msix_pba = 0x800,
		.ops = &ops,
	};

	conf.bars[1] = (struct vfu_bar){ .size = 0x1000, .fd = -1 };
	vfu = vfu_create(&conf);
	if (vfu == NULL || argc != 2 || vfu_listen(vfu, argv[1], 0600) < 0) {
		fprintf(stderr, "usage: dma_dev SOCKET\n");
		return 2;
	}
	vfu_run(vfu);
	vfu_destroy(vfu);
	return 0;
}
