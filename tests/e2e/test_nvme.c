/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * MSI-X vectors of a device that everyone has. Runs in a guest, with --nv.dev pci:... of an NVMe
 * controller that has 8 I/O queues or more.
 */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <ims_driver.h>

#include "e2e_nvme.h"

static void
test_identify(void **state)
{
	struct rte_ims_store_info sinfo;

	assert_true(nv.info.n_blocks > 1024);
	assert_int_equal(nv.info.block_size, 512);
	assert_true(nv.info.max_queues >= NV_N_QUEUES);
	assert_true(strlen(nv.info.model) > 0);
	assert_int_equal(
		rte_ims_store_info_get(rte_ims_dev_store_get(nv.dev, RTE_IMS_STORE_MSIX), &sinfo),
		0);
	assert_true(sinfo.n_slots > NV_N_QUEUES);
	assert_int_equal(sinfo.n_used, 1); /* the admin queue's, at 0 */
	assert_null(rte_ims_vec_alloc(rte_ims_dev_table(nv.dev),
		rte_ims_dev_store_get(nv.dev, RTE_IMS_STORE_MSIX), 0, NULL));
	assert_int_equal(rte_errno, EBUSY);
}

/* Sizes with one page, two, a list, and none of it aligned. */
static void
read_write(enum rte_ims_delivery delivery)
{
	static const uint32_t blocks[] = { 1, 8, 9, 16, 17, 64, 128 };
	uint8_t *out = nv.buf, *in = nv.buf + (512 << 10);
	struct io io;
	uint32_t i, k, len;

	io_open(&io, RTE_IMS_SLOT_ANY, delivery);
	for (i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		len = blocks[i] * nv.info.block_size;
		if (len > nv.info.max_transfer)
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
	io_do(&io, RTE_PMD_NVME_READ, nv.info.n_blocks, 1, in);
	assert_int_equal(io.failed, 1);
	assert_int_equal(io.status & 0xff, 0x80); /* LBA out of range */
	/* Ours. */
	assert_int_equal(rte_pmd_nvme_submit(io.queue, RTE_PMD_NVME_READ, 0, 0, in, NULL), -EINVAL);
	assert_int_equal(rte_pmd_nvme_submit(io.queue, RTE_PMD_NVME_READ, 0,
				 nv.info.max_transfer / nv.info.block_size + 1, in, NULL),
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
	assert_int_equal(rte_pmd_nvme_submit(io.queue, RTE_PMD_NVME_READ, 0, 1, nv.buf, NULL), 0);
	usleep(100000);
	e2e_assert_quiet(nv.set, 5000000);
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
	static struct io io[NV_N_QUEUES];
	uint64_t want[NV_N_QUEUES] = { 0 };
	uint32_t n, i, k;

	for (n = 0; n < NV_N_QUEUES; n++) {
		/* Those that are there have a command under way while the next is added. */
		for (i = 0; i < n; i++, want[i - 1]++)
			assert_int_equal(rte_pmd_nvme_submit(io[i].queue, RTE_PMD_NVME_READ, i, 1,
						 nv.buf + i * 4096, NULL),
				0);
		io_open(&io[n], RTE_IMS_SLOT_ANY, n % 2);
		for (k = 0; k < 10; k++)
			for (i = 0; i <= n; i++, want[i - 1]++)
				assert_int_equal(rte_pmd_nvme_submit(io[i].queue, RTE_PMD_NVME_READ,
							 i, 1, nv.buf + i * 4096, NULL),
					0);
		for (i = 0; i <= n; i++)
			io_wait(&io[i], want[i]);
	}
	for (n = 0; n < NV_N_QUEUES; n++) {
		for (i = n; i < NV_N_QUEUES; i++, want[i - 1]++)
			assert_int_equal(rte_pmd_nvme_submit(io[i].queue, RTE_PMD_NVME_READ, i, 1,
						 nv.buf + i * 4096, NULL),
				0);
		for (i = n; i < NV_N_QUEUES; i++)
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
		rc = rte_pmd_nvme_submit(io.queue, RTE_PMD_NVME_READ, i % 1024, 1,
			nv.buf + (i % NV_DEPTH) * 4096, NULL);
		if (rc == -EAGAIN) {
			rte_ims_wait_sleep(nv.set, SECOND_NS);
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

	if (geteuid() != 0)
		skip(); /* only root can move interrupts */
	conf.lcore_id = 0;
	here = rte_ims_wait_create("lcore0", &conf);
	assert_non_null(here);
	io_open(&io, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	assert_int_equal(rte_ims_vec_info_get(io.vec, &vinfo), 0);
	msg = vinfo.msg;
	assert_int_equal(rte_ims_wait_del(nv.set, io.vec), 0);
	assert_int_equal(rte_ims_wait_add(here, io.vec), 0);
	nv_irqs(vinfo.slot, before);
	for (i = 0; i < 20; i++) {
		assert_int_equal(
			rte_pmd_nvme_submit(io.queue, RTE_PMD_NVME_READ, i, 1, nv.buf, NULL), 0);
		while (io.done <= (uint64_t)i)
			assert_true(rte_ims_wait_sleep(here, 5 * SECOND_NS) > 0);
	}
	nv_irqs(vinfo.slot, after);
	assert_int_equal(after[0] - before[0], 20);
	assert_int_equal(after[1] - before[1], 0);
	assert_int_equal(rte_ims_vec_info_get(io.vec, &vinfo), 0);
	assert_memory_equal(&msg, &vinfo.msg, sizeof(msg));
	io_close(&io);
	assert_int_equal(rte_ims_wait_destroy(here), 0);
}

/* A queue that keeps itself busy: the handler submits as much as has been completed. */
struct busy {
	struct io io;
	uint64_t submitted;
	uint64_t target;
};

static void
busy_submit(struct busy *b)
{
	while (b->submitted < b->target &&
		rte_pmd_nvme_submit(b->io.queue, RTE_PMD_NVME_READ, b->submitted % 1024, 1,
			nv.buf + (b->submitted % NV_DEPTH) * 4096, NULL) == 0)
		b->submitted++;
}

static void
on_busy(struct rte_ims_vec *vec, void *arg)
{
	struct busy *b = arg;

	b->io.calls++;
	io_drain(&b->io);
	busy_submit(b);
}

static void
busy_open(struct busy *b, enum rte_ims_delivery delivery)
{
	io_open(&b->io, RTE_IMS_SLOT_ANY, delivery);
	assert_int_equal(rte_ims_vec_detach(&b->io.obj), 0);
	b->io.obj.fn = on_busy;
	b->io.obj.arg = b;
	assert_int_equal(rte_ims_vec_attach(b->io.vec, &b->io.obj), 0);
	b->submitted = b->target = 0;
}

/* A thread with a wait set of its own. */
struct sleeper {
	pthread_t thread;
	struct rte_ims_wait *set;
	atomic_bool stop;
};

static void *
sleeper_main(void *arg)
{
	struct sleeper *s = arg;

	while (!atomic_load(&s->stop))
		rte_ims_wait_sleep(s->set, SECOND_NS);
	return NULL;
}

static void
sleeper_start(struct sleeper *s, unsigned int lcore)
{
	struct rte_ims_wait_conf conf = { .flags = RTE_IMS_WAIT_F_LCORE, .lcore_id = lcore };

	s->set = rte_ims_wait_create("sleeper", &conf);
	assert_non_null(s->set);
	atomic_store(&s->stop, false);
	assert_int_equal(pthread_create(&s->thread, NULL, sleeper_main, s), 0);
}

static void
sleeper_end(struct sleeper *s)
{
	atomic_store(&s->stop, true);
	assert_int_equal(rte_ims_wait_wake(s->set), 0);
	pthread_join(s->thread, NULL);
	assert_int_equal(rte_ims_wait_destroy(s->set), 0);
}

/*
 * Vectors go from one lcore's set to the other's, and their interrupts from one CPU to the other,
 * while their queues are busy: every command is completed. A lost event would leave its queue with
 * all commands completed and no handler to see it.
 */
static void
test_move(void **state)
{
	static struct busy busy[NV_N_QUEUES];
	uint64_t n = e2e_ops != 0 ? e2e_ops : 1500, count[2], moves = 0, end, used = 0;
	struct rte_ims_vec_info vinfo;
	struct sleeper sleeper[2];
	unsigned int i, left;

	sleeper_start(&sleeper[0], 0);
	sleeper_start(&sleeper[1], 1);
	for (i = 0; i < NV_N_QUEUES; i++) {
		busy_open(&busy[i], i % 2);
		assert_int_equal(rte_ims_wait_del(nv.set, busy[i].io.vec), 0);
		busy[i].target = n;
		busy_submit(&busy[i]);
		assert_int_equal(rte_ims_wait_add(sleeper[0].set, busy[i].io.vec), 0);
	}
	end = e2e_now_ns() + 60 * SECOND_NS;
	do {
		left = 0;
		for (i = 0; i < NV_N_QUEUES; i++) {
			assert_int_equal(rte_ims_wait_del(sleeper[moves / NV_N_QUEUES % 2].set,
						 busy[i].io.vec),
				0);
			left += busy[i].io.done < n; /* nobody handles it now */
			assert_int_equal(
				rte_ims_wait_add(
					sleeper[(moves / NV_N_QUEUES + 1) % 2].set, busy[i].io.vec),
				0);
			moves++;
		}
		usleep(2000);
	} while (left != 0 && e2e_now_ns() < end);
	assert_int_equal(left, 0);
	for (i = 0; i < NV_N_QUEUES; i++) {
		assert_int_equal(busy[i].io.failed, 0);
		assert_int_equal(rte_ims_vec_info_get(busy[i].io.vec, &vinfo), 0);
		nv_irqs(vinfo.slot, count);
		used += i % 2 == RTE_IMS_DELIVERY_EVENTFD && count[0] != 0 && count[1] != 0;
		assert_int_equal(
			rte_ims_wait_del(sleeper[moves / NV_N_QUEUES % 2].set, busy[i].io.vec), 0);
		io_close(&busy[i].io);
	}
	/*
	 * The interrupts did arrive on both CPUs, for those that have any; only root can move them.
	 */
	assert_true(geteuid() != 0 || used >= NV_N_QUEUES / 2 - 1);
	print_message("%lu commands on %u queues, %lu moves\n", (unsigned long)n, NV_N_QUEUES,
		(unsigned long)moves);
	sleeper_end(&sleeper[0]);
	sleeper_end(&sleeper[1]);
}

/*
 * A set that sleeps and polls by turns: the vectors of its queues go from their eventfds to memory
 * and back all along, by a third thread, and every command is completed. --ops N: commands in all.
 */
static void
test_switch(void **state)
{
	static struct busy busy[NV_N_QUEUES];
	uint64_t n = (e2e_ops != 0 ? e2e_ops : 10000) / NV_N_QUEUES, switches = 0, end, events = 0;
	struct rte_ims_wait_stats stats;
	struct sleeper sleeper;
	unsigned int i, left;

	sleeper_start(&sleeper, 1);
	for (i = 0; i < NV_N_QUEUES; i++) {
		busy_open(&busy[i], i % 2);
		assert_int_equal(rte_ims_wait_del(nv.set, busy[i].io.vec), 0);
		busy[i].target = n;
		busy_submit(&busy[i]);
		assert_int_equal(rte_ims_wait_add(sleeper.set, busy[i].io.vec), 0);
	}
	end = e2e_now_ns() + 100 * SECOND_NS;
	do {
		assert_int_equal(rte_ims_wait_delivery_set(sleeper.set, switches % 2), 0);
		switches++;
		usleep(500);
		for (i = left = 0; i < NV_N_QUEUES; i++)
			left += __atomic_load_n(&busy[i].io.done, __ATOMIC_ACQUIRE) < n;
	} while (left != 0 && e2e_now_ns() < end);
	assert_int_equal(left, 0);
	assert_int_equal(rte_ims_wait_stats_get(sleeper.set, &stats), 0);
	for (i = 0; i < NV_N_QUEUES; i++) {
		assert_int_equal(busy[i].io.failed, 0);
		events += busy[i].io.calls;
		assert_int_equal(rte_ims_wait_del(sleeper.set, busy[i].io.vec), 0);
		io_close(&busy[i].io);
	}
	print_message(
		"%lu commands, %lu events, %lu switches of %u vectors, %lu spurious, lost 0\n",
		(unsigned long)n * NV_N_QUEUES, (unsigned long)events, (unsigned long)switches,
		NV_N_QUEUES, (unsigned long)stats.spurious);
	sleeper_end(&sleeper);
}

/*
 * Commands under way when the controller is reset are completed, well or as aborted; then it works.
 */
static void
reset_while_busy(int (*reset)(struct rte_ims_dev *dev))
{
	uint64_t aborted, before;
	struct busy busy[2];
	unsigned int i, k;

	memset(busy, 0, sizeof(busy));
	busy_open(&busy[0], RTE_IMS_DELIVERY_EVENTFD);
	busy_open(&busy[1], RTE_IMS_DELIVERY_MEMORY);
	for (k = 0; k < 10; k++) {
		aborted = 0;
		for (i = 0; i < 2; i++) {
			busy[i].io.failed = 0;
			busy[i].target += NV_DEPTH - 1;
			busy_submit(&busy[i]);
			assert_int_equal(busy[i].submitted, busy[i].target);
		}
		/* They may be done, but nobody has looked: QEMU 7.2 crashes when a controller is
		 * disabled while it works.
		 */
		usleep(50000);
		assert_int_equal(reset(nv.dev), 0);
		for (i = 0; i < 2; i++) {
			/* Completions of before the reset are gone with the queue. */
			io_drain(&busy[i].io);
			assert_int_equal(busy[i].io.done, busy[i].target);
			aborted += busy[i].io.failed;
			assert_true(busy[i].io.failed == 0 ||
				    busy[i].io.status == RTE_PMD_NVME_STATUS_ABORTED);
		}
		assert_true(aborted > 0);
		for (i = 0; i < 2; i++) {
			before = busy[i].io.failed;
			io_do(&busy[i].io, RTE_PMD_NVME_READ, k, 1, nv.buf);
			busy[i].submitted = busy[i].target = busy[i].io.done;
			assert_int_equal(busy[i].io.failed, before);
		}
	}
	io_close(&busy[0].io);
	io_close(&busy[1].io);
}

static void
test_controller_reset(void **state)
{
	reset_while_busy(rte_pmd_nvme_reset);
}

static void
test_function_reset(void **state)
{
	reset_while_busy(rte_ims_dev_reset);
}

/*
 * The function's memory goes from under us, as when it is unplugged: loads return all ones, the
 * device counts as removed, what was under way is aborted, and closing it works.
 */
static void
test_memory_gone(void **state)
{
	struct rte_ims_dev_info dinfo;
	uint16_t cmd = 0;
	struct io io;
	uint32_t val;
	int n;

	/* Before each test cmocka puts its own handler of SIGBUS over ours: open it anew. */
	assert_int_equal(nv_teardown(NULL), 0);
	assert_int_equal(nv_setup(NULL), 0);
	io_open(&io, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	assert_int_equal(ims_dev_cfg_read(nv.dev, 4, &cmd, sizeof(cmd)), 0);
	cmd &= ~2;
	assert_int_equal(ims_dev_cfg_write(nv.dev, 4, &cmd, sizeof(cmd)), 0);
	/* The doorbell is an ordinary store by the driver: no SIGBUS. */
	for (n = 0;
		n < 3 && rte_pmd_nvme_submit(io.queue, RTE_PMD_NVME_READ, 0, 1, nv.buf, NULL) == 0;
		n++)
		;
	assert_int_equal(n, 1);
	assert_int_equal(rte_ims_dev_info_get(nv.dev, &dinfo), 0);
	assert_true(dinfo.removed);
	assert_int_equal(ims_dev_bar_read32(nv.dev, 0, 0, &val), -ENODEV);
	io_drain(&io);
	assert_int_equal(io.done, 1);
	assert_int_equal(io.status, RTE_PMD_NVME_STATUS_ABORTED);
	assert_null(rte_pmd_nvme_queue_create(nv.dev, NV_DEPTH, NULL));
	assert_int_equal(rte_errno, ENODEV);
	assert_int_equal(rte_pmd_nvme_queue_destroy(io.queue), 0);
	assert_int_equal(rte_ims_vec_free(io.vec), 0);
}

/* More vectors than the CPUs have: a clean ENOSPC, and those that are there go on. */
static void
test_exhaustion(void **state)
{
	static struct rte_ims_vec *vecs[2048];
	struct rte_ims_store *msix = rte_ims_dev_store_get(nv.dev, RTE_IMS_STORE_MSIX);
	struct rte_ims_table *table = rte_ims_table_create(nv.dev, "many", 2048);
	struct rte_ims_store_info sinfo;
	struct io io;
	uint32_t n;

	assert_int_equal(rte_ims_store_info_get(msix, &sinfo), 0);
	io_open(&io, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	io_do(&io, RTE_PMD_NVME_READ, 0, 1, nv.buf);
	for (n = 0; n < 2048; n++) {
		vecs[n] = rte_ims_vec_alloc(table, msix, RTE_IMS_SLOT_ANY, NULL);
		if (vecs[n] == NULL)
			break;
	}
	assert_int_equal(rte_errno, ENOSPC);
	print_message("%u vectors of %u slots\n", n + 2, sinfo.n_slots);
	io_do(&io, RTE_PMD_NVME_READ, 0, 1, nv.buf);
	assert_int_equal(rte_ims_vec_free(vecs[n / 2]), 0);
	io_do(&io, RTE_PMD_NVME_READ, 0, 1, nv.buf);
	assert_int_equal(rte_ims_table_free(table), 0);
	io_do(&io, RTE_PMD_NVME_READ, 0, 1, nv.buf);
	assert_int_equal(io.calls, 4);
	io_close(&io);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, nv_setup, nv_teardown)

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
		T(test_affinity),
		T(test_move),
		T(test_switch),
		T(test_controller_reset),
		T(test_function_reset),
		T(test_memory_gone),
		T(test_exhaustion),
	};

	e2e_init(argc, argv, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
