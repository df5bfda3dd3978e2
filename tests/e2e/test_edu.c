/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * MSI, and a borrowed MSI message, on QEMU's device "edu" (docs/specs/edu.rst there): its DMA
 * engine writes a word wherever it is told to, so it can send a message by itself. It takes 100 ms
 * for each transfer. Runs in a guest, with --dev pci:..., as root: an MSI message can be read from
 * sysfs only.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_malloc.h>

#include <ims_driver.h>

#include "e2e.h"

#define EDU_RAISE      0x60
#define EDU_ACK        0x64
#define EDU_DMA_SRC    0x80 /* 64-bit, as are the other two */
#define EDU_DMA_DST    0x88
#define EDU_DMA_COUNT  0x90
#define EDU_DMA_CMD    0x98
#define EDU_DMA_START  0x1
#define EDU_DMA_TO_RAM 0x2
#define EDU_DMA_BUF    0x40000

/* The test's IMS: one message in its own memory. */
static struct rte_ims_msg slot_msg;
static bool slot_masked = true;

static int
slot_write(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg)
{
	assert_true(slot_masked);
	slot_msg = *msg;
	return 0;
}

static int
slot_mask(struct rte_ims_store *store, uint32_t slot)
{
	slot_masked = true;
	return 0;
}

static int
slot_unmask(struct rte_ims_store *store, uint32_t slot)
{
	slot_masked = false;
	return 0;
}

static const struct ims_store_ops slot_ops = {
	.write_msg = slot_write,
	.mask = slot_mask,
	.unmask = slot_unmask,
};

static int
edu_probe(struct rte_ims_dev *dev)
{
	struct ims_store_conf conf = {
		.type = RTE_IMS_STORE_QUEUE, .name = "ims", .n_slots = 1, .ops = &slot_ops
	};

	return ims_store_create(dev, &conf) != NULL ? 0 : -rte_errno;
}

static const struct ims_driver_id edu_ids[] = { { 0x1234, 0x11e8 }, { 0 } };
static struct ims_driver edu_driver = { .name = "edu", .ids = edu_ids, .probe = edu_probe };
IMS_DRIVER_REGISTER(edu_driver)

static struct rte_ims_dev *dev;
static struct rte_ims_wait *set;
static uint32_t *word; /* DMA memory */
static uint64_t events;

static void
on_event(struct rte_ims_vec *vec, void *arg)
{
	uint32_t ack = UINT32_MAX;

	events++;
	assert_int_equal(ims_dev_bar_write32(dev, 0, EDU_ACK, ack), 0);
}

static void
edu_open(uint32_t flags)
{
	dev = e2e_open_flags(flags);
	set = rte_ims_wait_create("edu", NULL);
	word = rte_zmalloc("edu", 4096, 4096);
	assert_non_null(set);
	assert_non_null(word);
	events = 0;
}

static void
edu_close(void)
{
	assert_int_equal(rte_ims_dev_close(dev), 0);
	assert_int_equal(rte_ims_wait_destroy(set), 0);
	rte_free(word);
}

static void
dma(uint64_t src, uint64_t dst, uint64_t count, uint64_t cmd)
{
	unsigned int i;

	assert_int_equal(ims_dev_bar_write(dev, 0, EDU_DMA_SRC, &src, 8), 0);
	assert_int_equal(ims_dev_bar_write(dev, 0, EDU_DMA_DST, &dst, 8), 0);
	assert_int_equal(ims_dev_bar_write(dev, 0, EDU_DMA_COUNT, &count, 8), 0);
	cmd |= EDU_DMA_START;
	assert_int_equal(ims_dev_bar_write(dev, 0, EDU_DMA_CMD, &cmd, 8), 0);
	for (i = 0; i < 1000 && (cmd & EDU_DMA_START) != 0; i++) {
		usleep(1000);
		assert_int_equal(ims_dev_bar_read(dev, 0, EDU_DMA_CMD, &cmd, 8), 0);
	}
	assert_int_equal(cmd & EDU_DMA_START, 0);
}

/* The device sends the slot's message. */
static void
post(void)
{
	assert_false(slot_masked);
	*word = slot_msg.data;
	dma((uintptr_t)word, EDU_DMA_BUF, 4, 0);
	dma(EDU_DMA_BUF, slot_msg.addr, 4, EDU_DMA_TO_RAM);
}

static bool
seen(void *arg)
{
	return events >= *(uint64_t *)arg;
}

static void
wait_events(uint64_t n)
{
	assert_true(e2e_wait_for(set, seen, &n, E2E_PATIENCE_NS));
	assert_int_equal(events, n);
}

static struct rte_ims_vec *
vec_open(enum rte_ims_store_type type, struct rte_ims_obj *obj)
{
	struct rte_ims_vec *vec;

	vec = rte_ims_vec_alloc(
		rte_ims_dev_table(dev), rte_ims_dev_store_get(dev, type), RTE_IMS_SLOT_ANY, NULL);
	assert_non_null(vec);
	memset(obj, 0, sizeof(*obj));
	obj->fn = on_event;
	assert_int_equal(rte_ims_vec_attach(vec, obj), 0);
	assert_int_equal(rte_ims_wait_add(set, vec), 0);
	return vec;
}

/* The line of the device's Linux interrupt. */
static void
irq_line(char *line, size_t size)
{
	bool found = false;
	FILE *f;

	f = fopen("/proc/interrupts", "r");
	assert_non_null(f);
	while (!found && fgets(line, size, f) != NULL)
		found = strstr(line, "vfio-msi[0]") != NULL &&
		        strstr(line, e2e_dev_name + 4) != NULL;
	fclose(f);
	assert_true(found);
}

/* How often a CPU has taken it. */
static uint64_t
irq_count(void)
{
	char line[512], *pos, *end;
	uint64_t n, sum = 0;

	irq_line(line, sizeof(line));
	pos = strchr(line, ':');
	assert_non_null(pos);
	for (pos++; n = strtoull(pos, &end, 10), end != pos; pos = end)
		sum += n;
	return sum;
}

/* MSI is a store like the others, but for mask and memory. */
static void
test_msi(void **state)
{
	struct rte_ims_vec_conf memory = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	struct rte_ims_store *msi;
	struct rte_ims_vec *vec;
	struct rte_ims_obj obj;
	uint64_t i, taken;

	edu_open(0);
	msi = rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSI);
	assert_non_null(msi);
	assert_null(rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX));
	assert_null(rte_ims_vec_alloc(rte_ims_dev_table(dev), msi, RTE_IMS_SLOT_ANY, &memory));
	assert_int_equal(rte_errno, ENOTSUP);
	vec = vec_open(RTE_IMS_STORE_MSI, &obj);
	assert_int_equal(rte_ims_vec_mask(vec), -ENOTSUP);
	for (i = 1; i <= 20; i++) {
		assert_int_equal(ims_dev_bar_write32(dev, 0, EDU_RAISE, 1), 0);
		wait_events(i);
	}
	assert_null(rte_ims_vec_alloc(rte_ims_dev_table(dev), msi, RTE_IMS_SLOT_ANY, NULL));
	assert_int_equal(rte_errno, ENOSPC);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	/* Nobody is told, and once a CPU has taken it nothing is left behind for the next one. */
	taken = irq_count();
	assert_int_equal(ims_dev_bar_write32(dev, 0, EDU_RAISE, 1), 0);
	for (i = 0; i < 5000 && irq_count() == taken; i++)
		usleep(1000);
	assert_int_equal(irq_count(), taken + 1);
	assert_int_equal(ims_dev_bar_write32(dev, 0, EDU_ACK, UINT32_MAX), 0);
	vec = vec_open(RTE_IMS_STORE_MSI, &obj);
	e2e_assert_quiet(set, 5000000);
	assert_int_equal(ims_dev_bar_write32(dev, 0, EDU_RAISE, 1), 0);
	wait_events(21);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	edu_close();
}

static void
move_irq(int cpu)
{
	char line[512], path[64];
	unsigned int irq;
	FILE *f;

	irq_line(line, sizeof(line));
	assert_int_equal(sscanf(line, "%u", &irq), 1);
	snprintf(path, sizeof(path), "/proc/irq/%u/smp_affinity_list", irq);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fprintf(f, "%d", cpu) > 0);
	assert_int_equal(fclose(f), 0);
}

/* The interrupt moves every third message. Remapped: the message stays; unsafe: it is repaired. */
static void
borrow(uint32_t flags, bool immutable)
{
	struct rte_ims_vec_stats stats;
	struct rte_ims_vec *vec;
	struct rte_ims_obj obj;
	struct rte_ims_msg msg;
	uint64_t i;

	edu_open(flags);
	vec = vec_open(RTE_IMS_STORE_QUEUE, &obj);
	msg = slot_msg;
	for (i = 1; i <= 10; i++) {
		if (i % 3 == 0)
			move_irq(i % 2);
		post();
		wait_events(i);
	}
	assert_int_equal(rte_ims_vec_stats_get(vec, &stats), 0);
	if (immutable) {
		assert_memory_equal(&msg, &slot_msg, sizeof(msg));
		assert_int_equal(stats.stale, 0);
	} else {
		assert_true(stats.stale >= 2);
	}
	print_message("10 messages, written anew %lu times\n", (unsigned long)stats.stale);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	edu_close();
}

static void
test_borrowed(void **state)
{
	borrow(0, true);
}

static void
test_refused(void **state)
{
	edu_open(0);
	assert_null(rte_ims_vec_alloc(rte_ims_dev_table(dev),
		rte_ims_dev_store_get(dev, RTE_IMS_STORE_QUEUE), RTE_IMS_SLOT_ANY, NULL));
	assert_int_equal(rte_errno, ENOTSUP);
	edu_close();
}

static void
test_unsafe(void **state)
{
	borrow(RTE_IMS_DEV_F_UNSAFE_BORROW, false);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest remapped[] = {
		cmocka_unit_test(test_msi),
		cmocka_unit_test(test_borrowed),
	};
	const struct CMUnitTest not_remapped[] = {
		cmocka_unit_test(test_msi),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unsafe),
	};

	e2e_init(argc, argv, NULL);
	return e2e_no_remap ? cmocka_run_group_tests(not_remapped, NULL, NULL)
	                    : cmocka_run_group_tests(remapped, NULL, NULL);
}
