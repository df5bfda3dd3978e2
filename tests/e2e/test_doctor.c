/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The doctor at real devices: what goes wrong is done to the device behind the library's back, and
 * the link that breaks is named, and no other. What is to be done by its word is done, and helps.
 * tests/unit/test_doctor has the links in the process.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include <ims_driver.h>
#include <queue_dev_regs.h>
#include <rte_ims_doctor.h>
#include <rte_pmd_queue_dev.h>
#include <timer_ims_regs.h>

#include "e2e.h"

#define FOREIGN_MSG 0xfee00010u /* a remappable message, but whose? */

static struct rte_ims_dev *dev;
static struct rte_ims_wait *wait;
static struct rte_ims_vec *vec;
static struct rte_ims_obj obj;
static pthread_t thread;
static atomic_bool stop;
static struct rte_ims_diagnosis diag;

static void
on_event(struct rte_ims_vec *v, void *arg)
{
}

static void *
serve(void *arg)
{
	while (!atomic_load(&stop))
		rte_ims_wait_sleep(wait, 10000000);
	return NULL;
}

static int
setup(void **state)
{
	dev = e2e_open();
	wait = rte_ims_wait_create("t", NULL);
	assert_non_null(wait);
	atomic_store(&stop, false);
	return pthread_create(&thread, NULL, serve, NULL);
}

static int
teardown(void **state)
{
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	return rte_ims_wait_destroy(wait);
}

static void
vec_make(enum rte_ims_store_type type, enum rte_ims_delivery delivery)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };

	vec = rte_ims_vec_alloc(
		rte_ims_dev_table(dev), rte_ims_dev_store_get(dev, type), RTE_IMS_SLOT_ANY, &conf);
	assert_non_null(vec);
	obj = (struct rte_ims_obj){ .fn = on_event };
	assert_int_equal(rte_ims_vec_attach(vec, &obj), 0);
	assert_int_equal(rte_ims_wait_add(wait, vec), 0);
}

static uint32_t
slot(void)
{
	struct rte_ims_vec_info info;

	rte_ims_vec_info_get(vec, &info);
	return info.slot;
}

static void
keep(const struct rte_ims_diagnosis *d, void *arg)
{
	diag = *d;
}

static const char *
broken(void)
{
	const char *name;

	assert_true(rte_ims_dev_doctor(dev, vec, keep, NULL) >= 0);
	name = rte_ims_link_name(diag.broken);
	return name != NULL ? name : "none";
}

static void
expect(enum rte_ims_link link, const char *what)
{
	unsigned int i;

	assert_string_equal(broken(), rte_ims_link_name(link));
	assert_non_null(strstr(diag.links[link].what, what));
	for (i = 0; i < RTE_IMS_LINK_MAX; i++)
		if (i != link && diag.links[i].verdict == RTE_IMS_VERDICT_BROKEN)
			fail_msg("%s: %s", rte_ims_link_name(i), diag.links[i].what);
}

static void
expect_whole(void)
{
	const char *name = broken();

	if (strcmp(name, "none") != 0)
		fail_msg("%s: %s", name, diag.links[diag.broken].what);
}

static void
reg_write(unsigned int bar, uint64_t off, uint32_t val)
{
	assert_int_equal(ims_dev_bar_write32(dev, bar, off, val), 0);
}

static void
bus_master(bool on)
{
	assert_int_equal(ims_dev_bus_master(dev, on), 0);
}

static void
timer_slot_write(uint32_t field, uint32_t val)
{
	reg_write(TIMER_IMS_BAR, TIMER_IMS_SLOTS_OFF + slot() * TIMER_IMS_SLOT_SIZE + field, val);
	reg_write(TIMER_IMS_BAR, TIMER_IMS_REG_IMS_SYNC, slot());
}

static void
delivery_there_and_back(enum rte_ims_delivery delivery)
{
	assert_int_equal(rte_ims_vec_delivery_set(vec, !delivery), 0);
	assert_int_equal(rte_ims_vec_delivery_set(vec, delivery), 0);
}

static void
timer_breaks(enum rte_ims_delivery delivery)
{
	vec_make(RTE_IMS_STORE_BAR, delivery);
	expect_whole();
	timer_slot_write(TIMER_IMS_SLOT_ADDR_LO, FOREIGN_MSG);
	timer_slot_write(TIMER_IMS_SLOT_DATA, 4711);
	expect(RTE_IMS_LINK_MESSAGE, "0x1267");
	delivery_there_and_back(delivery);
	expect_whole();
	timer_slot_write(TIMER_IMS_SLOT_CTRL, TIMER_IMS_SLOT_CTRL_MASK);
	expect(RTE_IMS_LINK_MASK, "behind the library's back");
	assert_int_equal(rte_ims_vec_mask(vec), 0);
	assert_int_equal(rte_ims_vec_unmask(vec), 0);
	expect_whole();
	bus_master(false);
	expect(RTE_IMS_LINK_DEVICE, "bus mastering is off");
	bus_master(true);
	expect_whole();
	/* The device's own reset: its slots are masked, and hold nothing. */
	reg_write(TIMER_IMS_BAR, TIMER_IMS_REG_CTRL, TIMER_IMS_CTRL_RESET);
	assert_string_equal(broken(), "message");
	assert_int_equal(rte_ims_dev_reset(dev), 0);
	expect_whole();
}

static void
test_timer_eventfd(void **state)
{
	timer_breaks(RTE_IMS_DELIVERY_EVENTFD);
}

static void
test_timer_memory(void **state)
{
	timer_breaks(RTE_IMS_DELIVERY_MEMORY);
}

static void
msix_flag(uint16_t bit, bool on)
{
	uint16_t flags = 0;
	uint8_t pos = 0;
	uint32_t cap;

	assert_int_equal(ims_dev_cfg_read(dev, PCI_CAPABILITY_LIST, &pos, sizeof(pos)), 0);
	while (pos != 0) {
		assert_int_equal(ims_dev_cfg_read(dev, pos, &cap, sizeof(cap)), 0);
		if ((cap & 0xff) == PCI_CAP_ID_MSIX)
			break;
		pos = cap >> 8 & 0xff;
	}
	assert_int_not_equal(pos, 0);
	assert_int_equal(ims_dev_cfg_read(dev, pos + PCI_MSIX_FLAGS, &flags, sizeof(flags)), 0);
	flags = on ? flags | bit : flags & ~bit;
	assert_int_equal(ims_dev_cfg_write(dev, pos + PCI_MSIX_FLAGS, &flags, sizeof(flags)), 0);
}

static void
entry_write(uint32_t field, uint32_t val)
{
	reg_write(QUEUE_DEV_MSIX_BAR, QUEUE_DEV_MSIX_TABLE + slot() * PCI_MSIX_ENTRY_SIZE + field,
		val);
}

static void
test_queue_msix(void **state)
{
	vec_make(RTE_IMS_STORE_MSIX, RTE_IMS_DELIVERY_EVENTFD);
	expect_whole();
	entry_write(PCI_MSIX_ENTRY_LOWER_ADDR, FOREIGN_MSG + 0xf0000);
	expect(RTE_IMS_LINK_MESSAGE, "0xfeef0010");
	delivery_there_and_back(RTE_IMS_DELIVERY_EVENTFD);
	expect_whole();
	entry_write(PCI_MSIX_ENTRY_VECTOR_CTRL, PCI_MSIX_ENTRY_CTRL_MASKBIT);
	expect(RTE_IMS_LINK_MASK, "behind the library's back");
	entry_write(PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
	msix_flag(PCI_MSIX_FLAGS_MASKALL, true);
	expect(RTE_IMS_LINK_MASK, "all of MSI-X is masked");
	msix_flag(PCI_MSIX_FLAGS_MASKALL, false);
	msix_flag(PCI_MSIX_FLAGS_ENABLE, false);
	expect(RTE_IMS_LINK_MASK, "MSI-X is disabled");
	msix_flag(PCI_MSIX_FLAGS_ENABLE, true);
	expect_whole();
}

static void
halt(void)
{
	uint32_t status = 0;
	unsigned int i;

	reg_write(QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_KIND, QUEUE_DEV_INJECT_HALT);
	reg_write(QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_COUNT, 1);
	for (i = 0; i < 5000 && status != QUEUE_DEV_STATUS_HALTED; i++) {
		usleep(1000);
		assert_int_equal(
			ims_dev_bar_read32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_STATUS, &status), 0);
	}
	assert_int_equal(status, QUEUE_DEV_STATUS_HALTED);
}

/* The message of a queue: the device is asked what it has. */
static void
test_queue_ims(void **state)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 64, .fn = on_event };
	struct rte_ims_store *store = NULL;
	struct rte_ims_store_info info;
	struct rte_pmd_queue_dev_queue *q;
	uint32_t i;

	for (i = 1; (store = rte_ims_dev_store_at(dev, i)) != NULL; i++)
		if (rte_ims_store_info_get(store, &info) == 0 &&
			strcmp(info.name, "ims-queue") == 0)
			break;
	assert_non_null(store);
	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), store, 7, NULL);
	assert_non_null(vec);
	assert_int_equal(rte_ims_wait_add(wait, vec), 0);
	obj = (struct rte_ims_obj){ .fn = on_event };
	assert_int_equal(rte_ims_vec_attach(vec, &obj), 0);
	expect(RTE_IMS_LINK_SLOT, "no object");
	conf.vec = vec;
	q = rte_pmd_queue_dev_queue_create(dev, &conf);
	assert_non_null(q);
	expect_whole();
	assert_non_null(strstr(diag.links[RTE_IMS_LINK_MESSAGE].what, "the device has 0xfee"));
	halt();
	expect(RTE_IMS_LINK_DEVICE, "halted");
	assert_int_equal(rte_ims_dev_reset(dev), 0);
	expect_whole();
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(q), 0);
	expect(RTE_IMS_LINK_SLOT, "no object");
}

/* The command vector is the driver's own business: no link of it is missing. */
static void
test_queue_driver(void **state)
{
	vec = NULL;
	assert_int_equal(rte_ims_dev_doctor(dev, NULL, keep, NULL), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_timer_eventfd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timer_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_msix, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_ims, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queue_driver, setup, teardown),
	};

	e2e_init(argc, argv, "emu:timer_ims");
	return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
