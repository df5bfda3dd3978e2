/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Borrowed messages: an IMS that this program owns, sent by an NVMe controller itself as a DMA
 * write of the data word to the message's address. Runs in a guest, with --dev pci:... .
 */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <ims_driver.h>

#include "e2e_nvme.h"

#define POST_LBA 64 /* block n from here on holds the word n in its first 4 bytes */

/*
 * An IMS: messages in memory that this test owns, sent by the controller itself, as a DMA write of
 * the data word to the message's address.
 */
#define N_IMS   4
#define N_WORDS 256
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
	assert_true(ims[slot].msg.data < N_WORDS);
	assert_int_equal(rte_pmd_nvme_post(io->queue, POST_LBA + ims[slot].msg.data,
				 ims[slot].msg.addr, nv.buf, NULL),
		0);
	while (io->done < want)
		io_drain(io);
	assert_int_equal(io->failed, 0);
}

/* A queue to post with, and all words that a message's data can be. */
static void
post_setup(struct io *io)
{
	uint32_t k;

	memset(io, 0, sizeof(*io));
	io->queue = rte_pmd_nvme_queue_create(nv.dev, NV_DEPTH, NULL); /* polled */
	assert_non_null(io->queue);
	for (k = 0; k < N_WORDS; k++) {
		memcpy(nv.buf, &k, sizeof(k));
		assert_int_equal(rte_pmd_nvme_submit(io->queue, RTE_PMD_NVME_WRITE, POST_LBA + k, 1,
					 nv.buf, NULL),
			0);
		while (io->done <= k)
			io_drain(io);
	}
}

/* Vectors on the IMS, in the set. */
struct posts {
	struct rte_ims_vec *vec[N_IMS];
	struct rte_ims_obj obj[N_IMS];
	uint64_t seen[N_IMS];
};

static struct rte_ims_store *
ims_create(void)
{
	struct ims_store_conf conf = {
		.type = RTE_IMS_STORE_QUEUE, .name = "ims-queue", .n_slots = N_IMS, .ops = &ims_ops
	};
	struct rte_ims_store *store;

	store = ims_store_create(nv.dev, &conf);
	assert_non_null(store);
	return store;
}

static void
posts_open(struct posts *p, struct rte_ims_store *store)
{
	uint32_t k;

	memset(p, 0, sizeof(*p));
	for (k = 0; k < N_IMS; k++) {
		p->vec[k] = rte_ims_vec_alloc(rte_ims_dev_table(nv.dev), store, k, NULL);
		assert_non_null(p->vec[k]);
		p->obj[k].fn = on_post;
		p->obj[k].arg = &p->seen[k];
		assert_int_equal(rte_ims_vec_attach(p->vec[k], &p->obj[k]), 0);
		assert_int_equal(rte_ims_wait_add(nv.set, p->vec[k]), 0);
	}
	e2e_assert_quiet(nv.set, 5000000);
}

static void
posts_close(struct posts *p)
{
	uint32_t k;

	e2e_assert_quiet(nv.set, 5000000);
	for (k = 0; k < N_IMS; k++) {
		assert_int_equal(rte_ims_vec_free(p->vec[k]), 0);
		assert_true(ims[k].masked);
	}
}

/* The MSI-X slots whose messages are lent: those behind the admin queue's. Only root can. */
static void
move_lenders(int cpu)
{
	uint64_t count[2];
	uint32_t slot;

	if (geteuid() != 0)
		return;

	for (slot = 1; slot < 64; slot++)
		if (nv_irqs(slot, count) != 0)
			nv_irq_move(slot, cpu);
}

/* One post of a slot, and its event. */
static void
post_and_see(struct io *io, struct posts *p, uint32_t slot)
{
	uint64_t want = p->seen[slot] + 1;

	post(io, slot);
	while (p->seen[slot] < want)
		assert_true(rte_ims_wait_sleep(nv.set, 5 * SECOND_NS) > 0);
	assert_int_equal(p->seen[slot], want);
}

static void
test_borrowed(void **state)
{
	uint64_t n_posts = e2e_ops != 0 ? e2e_ops : 10000, count[2], i;
	struct rte_ims_store *store = ims_create();
	struct rte_ims_msg msg[N_IMS];
	struct posts p;
	struct io io;
	uint32_t k;

	post_setup(&io);
	posts_open(&p, store);
	for (k = 0; k < N_IMS; k++) {
		msg[k] = ims[k].msg;
		assert_int_equal(msg[k].addr >> 20, 0xfee);
		assert_true((msg[k].addr & 0x10) != 0);
	}
	for (i = 0; i < n_posts; i++) {
		/* The interrupts move; the messages must not. */
		if (i % (n_posts / 10) == 0)
			move_lenders(i / (n_posts / 10) % 2);
		post_and_see(&io, &p, i % N_IMS);
	}
	for (k = 0; k < N_IMS; k++) {
		assert_int_equal(p.seen[k], n_posts / N_IMS);
		assert_memory_equal(&msg[k], &ims[k].msg, sizeof(msg[k]));
	}
	for (i = 0, k = 0; k < 64; k++)
		if (nv_irqs(k, count) != 0 && count[0] != 0 && count[1] != 0)
			i++;
	assert_true(geteuid() != 0 || i >= N_IMS); /* they did arrive on both */
	assert_int_equal(rte_ims_dev_audit(nv.dev), 0);
	posts_close(&p);
	assert_int_equal(rte_pmd_nvme_queue_destroy(io.queue), 0);
}

/* The function is reset: lenders are attached anew, copies are made again. */
static void
test_borrowed_reset(void **state)
{
	struct rte_ims_store *store = ims_create();
	struct posts p;
	struct io io;
	uint32_t i, k;

	post_setup(&io);
	posts_open(&p, store);
	for (i = 0; i < 3; i++) {
		assert_int_equal(rte_ims_dev_reset(nv.dev), 0);
		/* Each handler has had a look. */
		assert_int_equal(rte_ims_wait_sleep(nv.set, SECOND_NS), N_IMS);
		io_drain(&io);
		for (k = 0; k < N_IMS; k++)
			post_and_see(&io, &p, k);
	}
	posts_close(&p);
	assert_int_equal(rte_pmd_nvme_queue_destroy(io.queue), 0);
}

/* A message in the MSI-X table that points at memory is overwritten, as the kernel might do. */
static void
test_audit(void **state)
{
	struct rte_ims_vec_stats stats;
	struct rte_ims_vec_info vinfo;
	uint32_t table = 0;
	struct io io;
	uint8_t cap;

	io_open(&io, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	io_do(&io, RTE_PMD_NVME_READ, 0, 1, nv.buf);
	assert_int_equal(rte_ims_dev_audit(nv.dev), 0);
	assert_int_equal(rte_ims_vec_info_get(io.vec, &vinfo), 0);
	for (cap = 0x34;;) {
		uint8_t next[2];

		assert_int_equal(ims_dev_cfg_read(nv.dev, cap, next, 2), 0);
		if (cap != 0x34 && next[0] == 0x11)
			break;
		cap = cap == 0x34 ? next[0] : next[1];
		assert_true(cap != 0);
	}
	assert_int_equal(ims_dev_cfg_read(nv.dev, cap + 4, &table, sizeof(table)), 0);
	table = (table & ~7u) + vinfo.slot * 16;
	assert_int_equal(ims_dev_bar_write32(nv.dev, 0, table, 0xfee00000), 0);
	assert_int_equal(rte_ims_dev_audit(nv.dev), 1);
	assert_int_equal(rte_ims_dev_audit(nv.dev), 0);
	assert_int_equal(rte_ims_vec_stats_get(io.vec, &stats), 0);
	assert_int_equal(stats.stale, 1);
	io_do(&io, RTE_PMD_NVME_READ, 0, 1, nv.buf);
	io_close(&io);
}

/* No interrupt remapping: a copy would go stale. It is refused, and nothing is taken. */
static void
test_refused(void **state)
{
	struct rte_ims_store *store = ims_create();
	struct rte_ims_store_info sinfo;

	assert_null(rte_ims_vec_alloc(rte_ims_dev_table(nv.dev), store, 0, NULL));
	assert_int_equal(rte_errno, ENOTSUP);
	assert_int_equal(
		rte_ims_store_info_get(rte_ims_dev_store_get(nv.dev, RTE_IMS_STORE_MSIX), &sinfo),
		0);
	assert_int_equal(sinfo.n_used, 1);
}

static int
setup_unsafe(void **state)
{
	return nv_setup_flags(RTE_IMS_DEV_F_UNSAFE_BORROW);
}

/* Taken all the same, pinned and audited: the messages change, and no event is lost. */
static void
test_unsafe(void **state)
{
	uint64_t n_posts = e2e_ops != 0 ? e2e_ops : 2000, stale = 0, i;
	struct rte_ims_store *store = ims_create();
	struct rte_ims_vec_stats stats;
	struct posts p;
	struct io io;
	uint32_t k;

	post_setup(&io);
	posts_open(&p, store);
	for (i = 0; i < n_posts; i++) {
		if (i % 40 == 0)
			move_lenders(i / 40 % 2);
		post_and_see(&io, &p, i % N_IMS);
	}
	for (k = 0; k < N_IMS; k++) {
		assert_int_equal(rte_ims_vec_stats_get(p.vec[k], &stats), 0);
		assert_int_equal(p.seen[k], n_posts / N_IMS);
		stale += stats.stale;
	}
	print_message("%lu posts, %lu messages written anew\n", (unsigned long)n_posts,
		(unsigned long)stale);
	/* Each move but the first changes each message. */
	assert_true(stale >= (n_posts / 40 - 1) * N_IMS);
	posts_close(&p);
	assert_int_equal(rte_pmd_nvme_queue_destroy(io.queue), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest remapped[] = {
		cmocka_unit_test_setup_teardown(test_borrowed, nv_setup, nv_teardown),
		cmocka_unit_test_setup_teardown(test_borrowed_reset, nv_setup, nv_teardown),
		cmocka_unit_test_setup_teardown(test_audit, nv_setup, nv_teardown),
	};
	const struct CMUnitTest not_remapped[] = {
		cmocka_unit_test_setup_teardown(test_refused, nv_setup, nv_teardown),
		cmocka_unit_test_setup_teardown(test_unsafe, setup_unsafe, nv_teardown),
	};

	e2e_init(argc, argv, NULL);
	return e2e_no_remap ? cmocka_run_group_tests(not_remapped, NULL, NULL)
	                    : cmocka_run_group_tests(remapped, NULL, NULL);
}
