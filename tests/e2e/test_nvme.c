/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * MSI-X vectors and borrowed messages on a device that everyone has. Runs in a guest, with
 * --dev pci:... of an NVMe controller that has 8 I/O queues or more.
 */

#include <errno.h>
#include <stdio.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_malloc.h>

#include <ims_driver.h>
#include <rte_pmd_nvme.h>

#include "e2e.h"

#define SECOND_NS 1000000000ull
#define N_QUEUES  8
#define DEPTH     32
#define POST_LBA  64 /* block n from here on holds the word n in its first 4 bytes */

static struct rte_ims_dev *dev;
static struct rte_ims_wait *set;
static struct rte_pmd_nvme_info info;
static uint8_t *buf; /* 1 MiB of DMA memory */

/* A queue pair on a vector. */
struct io {
	struct rte_pmd_nvme_queue *queue;
	struct rte_ims_vec *vec;
	struct rte_ims_obj obj;
	uint64_t done;
	uint64_t failed;
	uint16_t status;
	uint64_t calls;
};

static int
setup(void **state)
{
	dev = e2e_open();
	assert_int_equal(rte_pmd_nvme_info_get(dev, &info), 0);
	set = rte_ims_wait_create("e2e", NULL);
	buf = rte_zmalloc("e2e", 1 << 20, 4096);
	return set == NULL || buf == NULL;
}

static int
teardown(void **state)
{
	rte_free(buf);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	return rte_ims_wait_destroy(set);
}

static void
io_drain(struct io *io)
{
	struct rte_pmd_nvme_completion done[DEPTH];
	int n, i;

	n = rte_pmd_nvme_poll(io->queue, done, DEPTH);
	for (i = 0; i < n; i++)
		if (done[i].status != 0) {
			io->failed++;
			io->status = done[i].status;
		}
	io->done += n;
}

static void
on_io(struct rte_ims_vec *vec, void *arg)
{
	struct io *io = arg;

	io->calls++;
	io_drain(io);
}

static void
io_open(struct io *io, uint32_t slot, enum rte_ims_delivery delivery)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };

	memset(io, 0, sizeof(*io));
	io->vec = rte_ims_vec_alloc(rte_ims_dev_table(dev),
		rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX), slot, &conf);
	assert_non_null(io->vec);
	io->obj.fn = on_io;
	io->obj.arg = io;
	assert_int_equal(rte_ims_vec_attach(io->vec, &io->obj), 0);
	assert_int_equal(rte_ims_wait_add(set, io->vec), 0);
	io->queue = rte_pmd_nvme_queue_create(dev, DEPTH, io->vec);
	assert_non_null(io->queue);
}

static void
io_close(struct io *io)
{
	assert_int_equal(rte_pmd_nvme_queue_destroy(io->queue), 0);
	assert_int_equal(rte_ims_vec_free(io->vec), 0);
}

struct target {
	struct io *io;
	uint64_t done;
};

static bool
reached(void *arg)
{
	const struct target *t = arg;

	return t->io->done >= t->done;
}

static void
io_wait(struct io *io, uint64_t done)
{
	struct target t = { io, done };

	assert_true(e2e_wait_for(set, reached, &t, 10 * SECOND_NS));
}

static void
io_do(struct io *io, enum rte_pmd_nvme_op op, uint64_t lba, uint32_t n, void *data)
{
	uint64_t want = io->done + 1;

	assert_int_equal(rte_pmd_nvme_submit(io->queue, op, lba, n, data, NULL), 0);
	io_wait(io, want);
}

static void
test_identify(void **state)
{
	struct rte_ims_store_info sinfo;

	assert_true(info.n_blocks > 1024);
	assert_int_equal(info.block_size, 512);
	assert_true(info.max_queues >= N_QUEUES);
	assert_true(strlen(info.model) > 0);
	assert_int_equal(
		rte_ims_store_info_get(rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX), &sinfo), 0);
	assert_true(sinfo.n_slots > N_QUEUES);
	assert_int_equal(sinfo.n_used, 1); /* the admin queue's, at 0 */
	assert_null(rte_ims_vec_alloc(
		rte_ims_dev_table(dev), rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX), 0, NULL));
	assert_int_equal(rte_errno, EBUSY);
}

/* Sizes with one page, two, a list, and none of it aligned. */
static void
read_write(enum rte_ims_delivery delivery)
{
	static const uint32_t blocks[] = { 1, 8, 9, 16, 17, 64, 128 };
	uint8_t *out = buf, *in = buf + (512 << 10);
	struct io io;
	uint32_t i, k, len;

	io_open(&io, RTE_IMS_SLOT_ANY, delivery);
	for (i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		len = blocks[i] * info.block_size;
		if (len > info.max_transfer)
			break;
		for (k = 0; k < len; k++)
			out[k] = k * 7 + i + delivery;
		memset(in, 0, len);
		io_do(&io, RTE_PMD_NVME_WRITE, 8, blocks[i], out);
		io_do(&io, RTE_PMD_NVME_FLUSH, 0, 0, NULL);
		io_do(&io, RTE_PMD_NVME_READ, 8, blocks[i], in + (i % 2) * 512);
		assert_memory_equal(in + (i % 2) * 512, out, len);
	}
	assert_int_equal(io.failed, 0);
	assert_int_equal(io.calls, io.done); /* one at a time: one event each */
	/* The controller's own error: behind the last block. */
	io_do(&io, RTE_PMD_NVME_READ, info.n_blocks, 1, in);
	assert_int_equal(io.failed, 1);
	assert_int_equal(io.status & 0xff, 0x80); /* LBA out of range */
	/* Ours. */
	assert_int_equal(rte_pmd_nvme_submit(io.queue, RTE_PMD_NVME_READ, 0, 0, in, NULL), -EINVAL);
	assert_int_equal(rte_pmd_nvme_submit(io.queue, RTE_PMD_NVME_READ, 0,
				 info.max_transfer / info.block_size + 1, in, NULL),
		-EINVAL);
	io_close(&io);
}

static void
test_read_write_eventfd(void **state)
{
	read_write(RTE_IMS_DELIVERY_EVENTFD);
}

/* An ordinary MSI-X vector, polled in memory: its table entry points at a doorbell word. */
static void
test_read_write_memory(void **state)
{
	read_write(RTE_IMS_DELIVERY_MEMORY);
}

static void
mask(enum rte_ims_delivery delivery)
{
	struct rte_ims_vec_info vinfo;
	struct io io;

	io_open(&io, RTE_IMS_SLOT_ANY, delivery);
	assert_int_equal(rte_ims_vec_mask(io.vec), 0);
	assert_int_equal(rte_pmd_nvme_submit(io.queue, RTE_PMD_NVME_READ, 0, 1, buf, NULL), 0);
	usleep(100000);
	e2e_assert_quiet(set, 5000000);
	assert_int_equal(rte_ims_vec_info_get(io.vec, &vinfo), 0);
	assert_true(vinfo.pending);
	assert_int_equal(rte_ims_vec_unmask(io.vec), 0);
	io_wait(&io, 1);
	io_close(&io);
}

static void
test_mask(void **state)
{
	mask(RTE_IMS_DELIVERY_EVENTFD);
	mask(RTE_IMS_DELIVERY_MEMORY);
}

/* Vectors come and go while the others work: nobody is disturbed. */
static void
test_add_while_running(void **state)
{
	static struct io io[N_QUEUES];
	uint64_t want[N_QUEUES] = { 0 };
	uint32_t n, i, k;

	for (n = 0; n < N_QUEUES; n++) {
		/* Those that are there have a command under way while the next is added. */
		for (i = 0; i < n; i++, want[i - 1]++)
			assert_int_equal(rte_pmd_nvme_submit(io[i].queue, RTE_PMD_NVME_READ, i, 1,
						 buf + i * 4096, NULL),
				0);
		io_open(&io[n], RTE_IMS_SLOT_ANY, n % 2);
		for (k = 0; k < 10; k++)
			for (i = 0; i <= n; i++, want[i - 1]++)
				assert_int_equal(rte_pmd_nvme_submit(io[i].queue, RTE_PMD_NVME_READ,
							 i, 1, buf + i * 4096, NULL),
					0);
		for (i = 0; i <= n; i++)
			io_wait(&io[i], want[i]);
	}
	for (n = 0; n < N_QUEUES; n++) {
		for (i = n; i < N_QUEUES; i++, want[i - 1]++)
			assert_int_equal(rte_pmd_nvme_submit(io[i].queue, RTE_PMD_NVME_READ, i, 1,
						 buf + i * 4096, NULL),
				0);
		for (i = n; i < N_QUEUES; i++)
			io_wait(&io[i], want[i]);
		assert_int_equal(io[n].failed, 0);
		io_close(&io[n]);
	}
}

/* Two vectors, one eventfd and one in memory, both sharing a queue's fate with a deep queue. */
static void
test_deep(void **state)
{
	uint64_t want = 0;
	struct io io;
	int rc, i;

	io_open(&io, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	for (i = 0; i < 2000;) {
		rc = rte_pmd_nvme_submit(
			io.queue, RTE_PMD_NVME_READ, i % 1024, 1, buf + (i % DEPTH) * 4096, NULL);
		if (rc == -EAGAIN) {
			rte_ims_wait_sleep(set, SECOND_NS);
			continue;
		}
		assert_int_equal(rc, 0);
		want++;
		i++;
	}
	io_wait(&io, want);
	assert_int_equal(io.failed, 0);
	print_message(
		"%lu commands, %lu events\n", (unsigned long)io.done, (unsigned long)io.calls);
	io_close(&io);
}

/*
 * An IMS: messages in memory that this test owns, sent by the controller itself, as a DMA write of
 * the data word to the message's address.
 */
#define N_IMS 4
struct ims_slot {
	struct rte_ims_msg msg;
	bool masked;
};
static struct ims_slot ims[N_IMS];

static int
ims_write_msg(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg)
{
	assert_true(ims[slot].masked);
	ims[slot].msg = *msg;
	return 0;
}

static int
ims_mask(struct rte_ims_store *store, uint32_t slot)
{
	ims[slot].masked = true;
	return 0;
}

static int
ims_unmask(struct rte_ims_store *store, uint32_t slot)
{
	ims[slot].masked = false;
	return 0;
}

static const struct ims_store_ops ims_ops = {
	.prepare = ims_mask,
	.write_msg = ims_write_msg,
	.mask = ims_mask,
	.unmask = ims_unmask,
};

static void
on_post(struct rte_ims_vec *vec, void *arg)
{
	(*(uint64_t *)arg)++;
}

/* The controller posts a slot's message. The data word must be on the disk. */
static void
post(struct io *io, uint32_t slot)
{
	uint64_t want = io->done + 1;

	assert_false(ims[slot].masked);
	assert_true(ims[slot].msg.data < 64);
	assert_int_equal(rte_pmd_nvme_post(io->queue, POST_LBA + ims[slot].msg.data,
				 ims[slot].msg.addr, buf, NULL),
		0);
	while (io->done < want)
		io_drain(io);
	assert_int_equal(io->failed, 0);
}

static void
test_borrowed(void **state)
{
	struct ims_store_conf conf = {
		.type = RTE_IMS_STORE_QUEUE, .name = "ims-queue", .n_slots = N_IMS, .ops = &ims_ops
	};
	uint64_t n_posts = e2e_ops != 0 ? e2e_ops : 10000, seen[N_IMS] = { 0 }, i;
	struct rte_ims_obj obj[N_IMS] = { 0 };
	struct rte_ims_vec *vec[N_IMS];
	struct rte_ims_store_info sinfo;
	struct rte_ims_store *store;
	struct rte_ims_msg msg[N_IMS];
	struct io io = { 0 };
	uint32_t k;

	store = ims_store_create(dev, &conf);
	assert_non_null(store);
	if (e2e_no_remap) {
		/* A copy would go stale: refused, and nothing is taken. */
		assert_null(rte_ims_vec_alloc(rte_ims_dev_table(dev), store, 0, NULL));
		assert_int_equal(rte_errno, ENOTSUP);
		assert_int_equal(rte_ims_store_info_get(
					 rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX), &sinfo),
			0);
		assert_int_equal(sinfo.n_used, 1);
		return;
	}
	io.queue = rte_pmd_nvme_queue_create(dev, DEPTH, NULL); /* polled */
	assert_non_null(io.queue);
	for (k = 0; k < 64; k++) {
		memcpy(buf, &k, sizeof(k));
		assert_int_equal(rte_pmd_nvme_submit(
					 io.queue, RTE_PMD_NVME_WRITE, POST_LBA + k, 1, buf, NULL),
			0);
		while (io.done <= k)
			io_drain(&io);
	}
	for (k = 0; k < N_IMS; k++) {
		vec[k] = rte_ims_vec_alloc(rte_ims_dev_table(dev), store, k, NULL);
		assert_non_null(vec[k]);
		obj[k].fn = on_post;
		obj[k].arg = &seen[k];
		assert_int_equal(rte_ims_vec_attach(vec[k], &obj[k]), 0);
		assert_int_equal(rte_ims_wait_add(set, vec[k]), 0);
		msg[k] = ims[k].msg;
		assert_int_equal(msg[k].addr >> 20, 0xfee);
		assert_true(msg[k].addr & 0x10);
	}
	e2e_assert_quiet(set, 5000000);
	for (i = 0; i < n_posts; i++) {
		k = i % N_IMS;
		post(&io, k);
		while (seen[k] <= i / N_IMS)
			assert_true(rte_ims_wait_sleep(set, 5 * SECOND_NS) > 0);
	}
	for (k = 0; k < N_IMS; k++) {
		assert_int_equal(seen[k], n_posts / N_IMS);
		assert_memory_equal(&msg[k], &ims[k].msg, sizeof(msg[k]));
	}
	e2e_assert_quiet(set, 5000000);
	/* Its vector is gone: the message is nobody's any more. */
	msg[0] = ims[0].msg;
	assert_int_equal(rte_ims_vec_free(vec[0]), 0);
	assert_true(ims[0].masked);
	for (k = 1; k < N_IMS; k++)
		assert_int_equal(rte_ims_vec_free(vec[k]), 0);
	assert_int_equal(rte_pmd_nvme_queue_destroy(io.queue), 0);
}

/* Interrupts of a vector by CPU, from /proc/interrupts. */
static void
irq_counts(uint32_t vector, uint64_t count[2])
{
	char line[512], action[64], *p;
	FILE *f = fopen("/proc/interrupts", "r");

	count[0] = count[1] = 0;
	snprintf(action, sizeof(action), "vfio-msix[%u](%s)", vector, e2e_dev_name + 4);
	while (fgets(line, sizeof(line), f) != NULL) {
		p = strchr(line, ':');
		if (p == NULL || strstr(line, action) == NULL)
			continue;
		count[0] = strtoull(p + 1, &p, 10);
		count[1] = strtoull(p, &p, 10);
	}
	fclose(f);
}

/*
 * A wait set that is made for an lcore has its eventfds' interrupts on that lcore's CPU; a borrowed
 * message stays the same when they move.
 */
static void
test_affinity(void **state)
{
	struct rte_ims_wait_conf conf = { .flags = RTE_IMS_WAIT_F_LCORE };
	uint64_t before[2], after[2];
	struct rte_ims_vec_info vinfo;
	struct rte_ims_wait *here;
	struct rte_ims_msg msg;
	struct io io;
	int i;

	conf.lcore_id = 0; /* EAL's only one */
	here = rte_ims_wait_create("lcore0", &conf);
	assert_non_null(here);
	io_open(&io, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	assert_int_equal(rte_ims_vec_info_get(io.vec, &vinfo), 0);
	msg = vinfo.msg;
	assert_int_equal(rte_ims_wait_del(set, io.vec), 0);
	assert_int_equal(rte_ims_wait_add(here, io.vec), 0);
	irq_counts(vinfo.slot, before);
	for (i = 0; i < 20; i++) {
		assert_int_equal(
			rte_pmd_nvme_submit(io.queue, RTE_PMD_NVME_READ, i, 1, buf, NULL), 0);
		while (io.done <= (uint64_t)i)
			assert_true(rte_ims_wait_sleep(here, 5 * SECOND_NS) > 0);
	}
	irq_counts(vinfo.slot, after);
	assert_int_equal(after[0] - before[0], 20);
	assert_int_equal(after[1] - before[1], 0);
	assert_int_equal(rte_ims_vec_info_get(io.vec, &vinfo), 0);
	assert_memory_equal(&msg, &vinfo.msg, sizeof(msg));
	io_close(&io);
	assert_int_equal(rte_ims_wait_destroy(here), 0);
}

/* More vectors than the CPUs have: a clean ENOSPC, and those that are there go on. */
static void
test_exhaustion(void **state)
{
	static struct rte_ims_vec *vecs[2048];
	struct rte_ims_store *msix = rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX);
	struct rte_ims_table *table = rte_ims_table_create(dev, "many", 2048);
	struct rte_ims_store_info sinfo;
	struct io io;
	uint32_t n;

	assert_int_equal(rte_ims_store_info_get(msix, &sinfo), 0);
	io_open(&io, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	io_do(&io, RTE_PMD_NVME_READ, 0, 1, buf);
	for (n = 0; n < 2048; n++) {
		vecs[n] = rte_ims_vec_alloc(table, msix, RTE_IMS_SLOT_ANY, NULL);
		if (vecs[n] == NULL)
			break;
	}
	assert_int_equal(rte_errno, ENOSPC);
	print_message("%u vectors of %u slots\n", n + 2, sinfo.n_slots);
	io_do(&io, RTE_PMD_NVME_READ, 0, 1, buf);
	assert_int_equal(rte_ims_vec_free(vecs[n / 2]), 0);
	io_do(&io, RTE_PMD_NVME_READ, 0, 1, buf);
	assert_int_equal(rte_ims_table_free(table), 0);
	io_do(&io, RTE_PMD_NVME_READ, 0, 1, buf);
	assert_int_equal(io.calls, 4);
	io_close(&io);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_identify),
		T(test_read_write_eventfd),
		T(test_read_write_memory),
		T(test_mask),
		T(test_add_while_running),
		T(test_deep),
		T(test_borrowed),
		T(test_affinity),
		T(test_exhaustion),
	};

	e2e_init(argc, argv, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
