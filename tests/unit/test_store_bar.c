/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* IMS slots in a BAR: the bytes, and the order in which they are written. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "fake_dev.h"

static const struct rte_ims_msg msg = { .addr = 0x1122334455667788, .data = 0xdeadbeef };

static void
test_bytes(void **state)
{
	/* address low, address high, data, control; little endian */
	static const uint8_t masked[16] = { 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xef,
		0xbe, 0xad, 0xde, 0x01, 0x00, 0x00, 0x00 };
	static const uint8_t unmasked[16] = { 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xef,
		0xbe, 0xad, 0xde, 0x00, 0x00, 0x00, 0x00 };
	static const uint8_t empty[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0 };
	struct fake_dev *f = fake_dev_create(true);
	const struct ims_store_ops *ops = f->store->ops;
	const uint8_t *bar = (const uint8_t *)f->bar;

	assert_int_equal(ops->mask(f->store, 3), 0);
	assert_int_equal(ops->write_msg(f->store, 3, &msg), 0);
	assert_memory_equal(bar + 3 * 16, masked, 16);
	assert_int_equal(ops->unmask(f->store, 3), 0);
	assert_memory_equal(bar + 3 * 16, unmasked, 16);
	/* Neighbours are as reset left them. */
	assert_memory_equal(bar + 2 * 16, empty, 16);
	assert_memory_equal(bar + 4 * 16, empty, 16);
	assert_int_equal(ops->mask(f->store, 3), 0);
	ops->shutdown(f->store, 3);
	assert_memory_equal(bar + 3 * 16, empty, 16);
	fake_dev_destroy(f);
}

/* Mask, read back, sync; low, high, data, read back; unmask, read back, sync. */
static void
test_order(void **state)
{
	static const struct fake_access want[] = {
		{ 'w', 2 * 16 + 12, 1 },
		{ 'r', 2 * 16 + 12, 0 },
		{ 's', 2, 0 },
		{ 'w', 2 * 16 + 0, 0x55667788 },
		{ 'w', 2 * 16 + 4, 0x11223344 },
		{ 'w', 2 * 16 + 8, 0xdeadbeef },
		{ 'r', 2 * 16 + 8, 0 },
		{ 'w', 2 * 16 + 12, 0 },
		{ 'r', 2 * 16 + 12, 0 },
		{ 's', 2, 0 },
	};
	struct fake_dev *f = fake_dev_create(false);
	const struct ims_store_ops *ops = f->store->ops;
	unsigned int i;

	f->n_log = 0;
	assert_int_equal(ops->mask(f->store, 2), 0);
	assert_int_equal(ops->write_msg(f->store, 2, &msg), 0);
	assert_int_equal(ops->unmask(f->store, 2), 0);
	assert_int_equal(f->n_log, sizeof(want) / sizeof(want[0]));
	for (i = 0; i < f->n_log; i++) {
		assert_int_equal(f->log[i].op, want[i].op);
		assert_int_equal(f->log[i].off, want[i].off);
		assert_int_equal(f->log[i].val, want[i].val);
	}
	fake_dev_destroy(f);
}

static void
test_pending(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	const struct ims_store_ops *ops = f->store->ops;
	atomic_uint word = 0;
	struct rte_ims_msg to_word = { .addr = (uintptr_t)&word, .data = 7 };

	assert_int_equal(ops->mask(f->store, 1), 0);
	assert_int_equal(ops->write_msg(f->store, 1, &to_word), 0);
	assert_int_equal(ops->pending(f->store, 1), 0);
	assert_false(fake_fire(f, 1));
	assert_false(fake_fire(f, 1));
	assert_int_equal(ops->pending(f->store, 1), 1);
	assert_int_equal(atomic_load(&word), 0);
	assert_int_equal(ops->unmask(f->store, 1), 0);
	assert_int_equal(atomic_load(&word), 7);
	assert_int_equal(ops->pending(f->store, 1), 0);
	fake_dev_destroy(f);
}

static void
test_errors_come_through(void **state)
{
	struct fake_dev *f = fake_dev_create(false);
	const struct ims_store_ops *ops = f->store->ops;

	f->fail = -ETIMEDOUT;
	assert_int_equal(ops->mask(f->store, 1), -ETIMEDOUT);
	assert_int_equal(ops->unmask(f->store, 1), -ETIMEDOUT);
	assert_int_equal(ops->write_msg(f->store, 1, &msg), -ETIMEDOUT);
	assert_int_equal(ops->pending(f->store, 1), -ETIMEDOUT);
	f->fail = 0;
	ims_vfio_set_removed(&f->v);
	assert_int_equal(ops->mask(f->store, 1), -ENODEV);
	fake_dev_destroy(f);
}

static void
test_bad_conf(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	struct ims_store_bar_conf conf = { .name = "x", .n_slots = FAKE_SLOTS };

	conf.n_slots = FAKE_SLOTS + 1;
	assert_null(ims_store_bar_create(f->dev, &conf));
	assert_int_equal(rte_errno, EINVAL);
	conf.n_slots = FAKE_SLOTS;
	conf.offset = 16; /* the last slot lies behind the BAR */
	assert_null(ims_store_bar_create(f->dev, &conf));
	conf.offset = 8;
	conf.n_slots = 1;
	assert_null(ims_store_bar_create(f->dev, &conf));
	conf.offset = UINT64_MAX - 15;
	assert_null(ims_store_bar_create(f->dev, &conf));
	conf.offset = 0;
	conf.n_slots = 0;
	assert_null(ims_store_bar_create(f->dev, &conf));
	conf.n_slots = 1;
	conf.bar = 1; /* it has no such region */
	assert_null(ims_store_bar_create(f->dev, &conf));
	conf.bar = 0;
	conf.n_special = 2;
	assert_null(ims_store_bar_create(f->dev, &conf));
	conf.n_special = 0;
	conf.offset = (FAKE_SLOTS - 1) * 16;
	assert_non_null(ims_store_bar_create(f->dev, &conf));
	fake_dev_destroy(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_errors_come_through),
		cmocka_unit_test(test_bad_conf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
