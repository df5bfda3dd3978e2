/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* nvme: blocks of an NVMe namespace */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include <rte_pmd_nvme.h>

#include "bench.h"
#include "tp_cmd.h"
#include "tp_dev.h"

#define IO_TIMEOUT_NS (5 * TP_NSEC)
#define DUMP_BYTES    256

static int
get_info(const struct tp_dev *dev, struct rte_pmd_nvme_info *info)
{
	int rc;

	rc = rte_pmd_nvme_info_get(dev->dev, info);
	return rc == -ENODEV ? tp_fail(rc, "%s is not an NVMe controller", dev->name) : rc;
}

static int
status_error(uint16_t status)
{
	if (status == RTE_PMD_NVME_STATUS_ABORTED)
		return tp_fail(-ECANCELED, "aborted: the controller was reset, or is gone");
	return tp_fail(-EIO, "the controller answered status type %u, code %#x", status >> 8,
		status & 0xff);
}

/* One command on a queue of its own, which is polled. */
static int
do_io(struct tp_dev *dev, enum rte_pmd_nvme_op op, uint64_t lba, uint32_t n, void *buf)
{
	uint64_t end = rte_rdtsc() + IO_TIMEOUT_NS / 1000 * (rte_get_tsc_hz() / 1000000);
	struct rte_pmd_nvme_completion done;
	struct rte_pmd_nvme_queue *q;
	int rc;

	q = rte_pmd_nvme_queue_create(dev->dev, 2, NULL);
	if (q == NULL)
		return tp_fail(-rte_errno, rte_errno == ENOSPC ? "no queue is left" : NULL);
	rc = rte_pmd_nvme_submit(q, op, lba, n, buf, NULL);
	while (rc == 0 && rte_pmd_nvme_poll(q, &done, 1) == 0)
		if (rte_rdtsc() > end || atomic_load(&tp_interrupted))
			rc = atomic_load(&tp_interrupted) ? -EINTR : -ETIMEDOUT;
	rte_pmd_nvme_queue_destroy(q);
	if (rc == 0 && done.status != 0)
		rc = status_error(done.status);
	return rc;
}

/* Memory for N blocks from LBA on, once both are known to be right. */
static int
get_buf(const struct tp_args *args, uint64_t *lba, uint32_t *n, uint8_t **buf, size_t *len)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	uint64_t blocks = tp_arg_num(args, "BLOCKS", 1);
	struct rte_pmd_nvme_info info;
	int rc;

	rc = get_info(dev, &info);
	if (rc != 0)
		return rc;
	*lba = tp_arg_num(args, "LBA", 0);
	if (blocks == 0 || blocks > info.max_transfer / info.block_size)
		return tp_fail(-EINVAL, "one command takes 1 to %u blocks",
			info.max_transfer / info.block_size);
	if (*lba >= info.n_blocks || blocks > info.n_blocks - *lba)
		return tp_fail(-ERANGE, "%s has blocks 0..%" PRIu64, dev->name, info.n_blocks - 1);
	*n = blocks;
	*len = blocks * info.block_size;
	*buf = rte_zmalloc("nvme", *len, 4096);
	return *buf != NULL ? 0 : -ENOMEM;
}

static void
dump(const uint8_t *buf, size_t len)
{
	size_t i;

	for (i = 0; i < RTE_MIN(len, (size_t)DUMP_BYTES); i++) {
		if (i % 16 == 0)
			printf("%06zx:", i);
		printf(" %02x%s", buf[i], i % 16 == 15 ? "\n" : "");
	}
	if (len > DUMP_BYTES)
		printf("... %zu bytes more; file FILE takes all\n", len - DUMP_BYTES);
}

static int
write_file(const char *path, const uint8_t *buf, size_t len)
{
	FILE *f = fopen(path, "w");
	bool good;

	if (f == NULL)
		return tp_fail(-errno, "%s: %s", path, strerror(errno));
	good = fwrite(buf, 1, len, f) == len;
	if (fclose(f) != 0 || !good)
		return tp_fail(-EIO, "%s: %s", path, strerror(errno));
	printf("%zu bytes to %s\n", len, path);
	return 0;
}

/* What the file does not fill stays zero. */
static int
read_file(const char *path, uint8_t *buf, size_t len)
{
	FILE *f = fopen(path, "r");
	int rc = 0;

	if (f == NULL)
		return tp_fail(-errno, "%s: %s", path, strerror(errno));
	if (fread(buf, 1, len, f) == 0)
		rc = tp_fail(ferror(f) ? -EIO : -EINVAL, "%s: nothing to read", path);
	fclose(f);
	return rc;
}

static int
cmd_nvme_read(const struct tp_args *args)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	const char *path = tp_arg_str(args, "FILE");
	uint8_t *buf = NULL;
	uint64_t lba;
	size_t len;
	uint32_t n;
	int rc;

	rc = get_buf(args, &lba, &n, &buf, &len);
	if (rc == 0)
		rc = do_io(dev, RTE_PMD_NVME_READ, lba, n, buf);
	if (rc == 0 && path != NULL)
		rc = write_file(path, buf, len);
	else if (rc == 0)
		dump(buf, len);
	rte_free(buf);
	return rc;
}

static int
cmd_nvme_write(const struct tp_args *args)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	const char *path = tp_arg_str(args, "FILE");
	uint64_t byte = tp_arg_num(args, "BYTE", 0), lba;
	uint8_t *buf = NULL;
	size_t len;
	uint32_t n;
	int rc;

	if (byte > 255)
		return tp_fail(-EINVAL, "a byte is 0 to 255");
	rc = get_buf(args, &lba, &n, &buf, &len);
	if (rc == 0 && path != NULL)
		rc = read_file(path, buf, len);
	else if (rc == 0)
		memset(buf, byte, len);
	if (rc == 0)
		rc = do_io(dev, RTE_PMD_NVME_WRITE, lba, n, buf);
	if (rc == 0)
		printf("%u block%s written from %" PRIu64 " on\n", n, n > 1 ? "s" : "", lba);
	rte_free(buf);
	return rc;
}

static int
cmd_nvme_flush(const struct tp_args *args)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct rte_pmd_nvme_info info;
	int rc;

	rc = get_info(dev, &info);
	return rc != 0 ? rc : do_io(dev, RTE_PMD_NVME_FLUSH, 0, 0, NULL);
}

static int
cmd_nvme_reset(const struct tp_args *args)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct rte_pmd_nvme_info info;
	int rc;

	rc = get_info(dev, &info);
	return rc != 0 ? rc : rte_pmd_nvme_reset(dev->dev);
}

static int
cmd_show_nvme(const struct tp_args *args)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct rte_pmd_nvme_info info;
	struct tp_table *t;
	int rc;

	rc = get_info(dev, &info);
	if (rc != 0)
		return rc;
	t = tp_table_new("nvme");
	tp_cell(t, "MODEL");
	tp_cell(t, "SERIAL");
	tp_cell(t, "BLOCKS");
	tp_cell(t, "BLOCK_SIZE");
	tp_cell(t, "MAX_TRANSFER");
	tp_cell(t, "QUEUES");
	tp_cell(t, "DEPTH");
	tp_cell(t, "SGL");
	tp_row_end(t);
	tp_cell(t, "%s", info.model);
	tp_cell(t, "%s", info.serial);
	tp_cell(t, "%" PRIu64, info.n_blocks);
	tp_cell(t, "%u", info.block_size);
	tp_cell(t, "%u", info.max_transfer);
	tp_cell(t, "%u", info.max_queues);
	tp_cell(t, "%u", info.max_depth);
	tp_cell_bool(t, info.sgl);
	tp_row_end(t);
	tp_table_print(t, stdout);
	return 0;
}

static int
cmd_bench_nvme(const struct tp_args *args)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct bench_nvme_conf conf = {
		.dev = dev,
		.n_queues = tp_arg_num(args, "QUEUES", 1),
		.depth = tp_arg_num(args, "DEPTH", 1),
		.duration_ns = tp_arg_num(args, "SECONDS", 2 * TP_NSEC),
		.write = tp_arg_has(args, "write"),
		.json = tp_arg_str(args, "FILE"),
	};
	int rc;

	rc = get_info(dev, &conf.info);
	if (rc != 0)
		return rc;
	if (conf.n_queues == 0 || conf.n_queues > conf.info.max_queues)
		return tp_fail(-EINVAL, "%s has 1 to %u queues", dev->name, conf.info.max_queues);
	if (conf.depth == 0 || conf.depth > conf.info.max_depth - 1 ||
		conf.depth > BENCH_NVME_DEPTH)
		return tp_fail(-EINVAL, "a queue takes 1 to %u commands at a time",
			RTE_MIN(conf.info.max_depth - 1, BENCH_NVME_DEPTH));
	if (conf.duration_ns == 0 || conf.duration_ns > 3600 * TP_NSEC)
		return tp_fail(-EINVAL, "a bench takes up to 3600 seconds");
	return bench_nvme(&conf);
}

static const struct tp_cmd nvme_cmds[] = {
	{ "nvme read DEV LBA [blocks BLOCKS] [file FILE]", cmd_nvme_read,
		"Read blocks, to the screen or into a file", NULL },
	{ "nvme write DEV LBA [blocks BLOCKS] [byte BYTE] [file FILE]", cmd_nvme_write,
		"Write blocks: a byte over and over, or a file", "    without either: zeroes\n" },
	{ "nvme flush DEV", cmd_nvme_flush, "Have the controller write back what it caches", NULL },
	{ "nvme reset DEV", cmd_nvme_reset, "Reset the controller, and set it up again", NULL },
};
TP_CMDS_REGISTER(nvme, "Blocks of an NVMe namespace");

static const struct tp_cmd show_cmds[] = {
	{ "show nvme DEV [json]", cmd_show_nvme, "The controller and its namespace", NULL },
};
TP_CMDS_REGISTER(show, "What there is, and what it counts");

static const struct tp_cmd bench_cmds[] = {
	{ "bench nvme DEV [queues QUEUES] [depth DEPTH] [seconds SECONDS] [write] [json FILE]",
		cmd_bench_nvme, "Reads of one block: IOPS, latency and CPU use by delivery",
		"    Each queue has depth DEPTH, default 1. With write it overwrites the namespace.\n" },
};
TP_CMDS_REGISTER(bench, "Measure");
