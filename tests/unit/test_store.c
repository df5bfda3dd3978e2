/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Which vector has which slot. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "fake_dev.h"

static struct rte_ims_vec *
alloc(struct fake_dev *f, uint32_t slot)
{
	return rte_ims_vec_alloc(rte_ims_dev_table(f->dev), f->store, slot, NULL);
}

static uint32_t
slot_of(const struct rte_ims_vec *vec)
{
	struct rte_ims_vec_info info;

	assert_int_equal(rte_ims_vec_info_get(vec, &info), 0);
	return info.slot;
}

static void
test_fixed(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	struct rte_ims_vec *vec;

	vec = alloc(f, 0);
	assert_non_null(vec);
	assert_int_equal(slot_of(vec), 0);
	assert_null(alloc(f, 0));
	assert_int_equal(rte_errno, EBUSY);
	assert_non_null(alloc(f, FAKE_SLOTS - 1));
	assert_null(alloc(f, FAKE_SLOTS));
	assert_int_equal(rte_errno, ERANGE);
	assert_null(alloc(f, UINT32_MAX - 1));
	assert_int_equal(rte_errno, ERANGE);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_non_null(alloc(f, 0));
	fake_dev_destroy(f);
}

static void
test_any(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	struct rte_ims_vec *vecs[FAKE_SLOTS];
	struct rte_ims_store_info info;
	uint32_t i;

	assert_non_null(alloc(f, 5));
	/* Slot 0 is special, 5 is taken; all others come, each once. */
	for (i = 0; i < FAKE_SLOTS - 2; i++) {
		vecs[i] = alloc(f, RTE_IMS_SLOT_ANY);
		assert_non_null(vecs[i]);
		assert_int_equal(slot_of(vecs[i]), i + 1 < 5 ? i + 1 : i + 2);
	}
	assert_null(alloc(f, RTE_IMS_SLOT_ANY));
	assert_int_equal(rte_errno, ENOSPC);
	assert_int_equal(rte_ims_store_info_get(f->store, &info), 0);
	assert_int_equal(info.n_slots, FAKE_SLOTS);
	assert_int_equal(info.n_used, FAKE_SLOTS - 1);
	assert_int_equal(info.type, RTE_IMS_STORE_BAR);
	assert_int_equal(rte_ims_vec_free(vecs[10]), 0);
	vecs[10] = alloc(f, RTE_IMS_SLOT_ANY);
	assert_non_null(vecs[10]);
	assert_int_equal(slot_of(vecs[10]), 12);
	fake_dev_destroy(f);
}

static void
test_reuse_is_late(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	struct rte_ims_vec *vec;
	uint32_t first;

	vec = alloc(f, RTE_IMS_SLOT_ANY);
	first = slot_of(vec);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_int_not_equal(slot_of(alloc(f, RTE_IMS_SLOT_ANY)), first);
	fake_dev_destroy(f);
}

static void
test_bad_arguments(void **state)
{
	struct rte_ims_vec_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	struct fake_dev *f = fake_dev_create(true), *g = fake_dev_create(true);
	struct rte_ims_table *table = rte_ims_dev_table(f->dev);

	assert_null(rte_ims_vec_alloc(NULL, f->store, 1, NULL));
	assert_int_equal(rte_errno, EINVAL);
	assert_null(rte_ims_vec_alloc(table, NULL, 1, NULL));
	assert_int_equal(rte_errno, EINVAL);
	assert_null(rte_ims_vec_alloc(table, g->store, 1, NULL)); /* another device's */
	assert_int_equal(rte_errno, EINVAL);
	conf.flags = 1;
	assert_null(rte_ims_vec_alloc(table, f->store, 1, &conf));
	assert_int_equal(rte_errno, EINVAL);
	conf.flags = 0;
	conf.reserved[5] = 1;
	assert_null(rte_ims_vec_alloc(table, f->store, 1, &conf));
	assert_int_equal(rte_errno, EINVAL);
	assert_int_equal(rte_ims_vec_free(NULL), -EINVAL);
	assert_int_equal(rte_ims_vec_mask(NULL), -EINVAL);
	assert_null(rte_ims_dev_store_get(f->dev, RTE_IMS_STORE_MSIX));
	assert_int_equal(rte_errno, ENOTSUP);
	assert_ptr_equal(rte_ims_dev_store_at(f->dev, 1), f->store);
	assert_null(rte_ims_dev_store_at(f->dev, 2));
	fake_dev_destroy(g);
	fake_dev_destroy(f);
}

/* The device refuses while a vector is made: everything taken for it comes back. */
static void
test_failure_takes_nothing(void **state)
{
	struct fake_dev *f = fake_dev_create(false);
	struct rte_ims_store_info info;

	f->fail = -ETIMEDOUT;
	assert_null(alloc(f, 3));
	assert_int_equal(rte_errno, ETIMEDOUT);
	assert_int_equal(f->n_msgs, 0);
	f->fail = 0;
	assert_int_equal(rte_ims_store_info_get(f->store, &info), 0);
	assert_int_equal(info.n_used, 0);
	assert_non_null(alloc(f, 3));
	fake_dev_destroy(f);
}

/* Device events: a slot whose sender is the transport itself. */
static void
test_removed_event(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	struct rte_ims_store *events = rte_ims_dev_store_get(f->dev, RTE_IMS_STORE_DEVICE);
	struct rte_ims_vec_info info;
	struct rte_ims_vec *vec;
	uint64_t count;
	int fd;

	vec = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), events, RTE_IMS_DEV_EVENT_REMOVED, NULL);
	assert_non_null(vec);
	fd = rte_ims_vec_fd_get(vec);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, &count, sizeof(count)), -1);
	assert_int_equal(rte_ims_vec_mask(vec), 0);
	ims_vfio_set_removed(&f->v);
	ims_vfio_set_removed(&f->v);
	assert_int_equal(read(fd, &count, sizeof(count)), -1);
	assert_int_equal(rte_ims_vec_info_get(vec, &info), 0);
	assert_true(info.pending);
	assert_int_equal(rte_ims_vec_unmask(vec), 0);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
	assert_null(alloc(f, 1));
	assert_int_equal(rte_errno, ENODEV);
	fake_dev_destroy(f);
}

static atomic_bool told;

static void *
remove_device(void *arg)
{
	ims_vfio_set_removed(arg);
	atomic_store(&told, true);
	return NULL;
}

/*
 * The application's eventfd may block. Who tells it, the transport's thread, is not to wait for its
 * reader.
 */
static void
test_event_into_full_eventfd(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	struct rte_ims_vec_conf conf = { .flags = RTE_IMS_VEC_F_FD };
	const uint64_t full = UINT64_MAX - 1;
	pthread_t thread;
	uint64_t count;
	unsigned int i;

	conf.fd = eventfd(0, EFD_CLOEXEC);
	assert_true(conf.fd >= 0);
	assert_int_equal(write(conf.fd, &full, sizeof(full)), sizeof(full));
	assert_non_null(rte_ims_vec_alloc(rte_ims_dev_table(f->dev),
		rte_ims_dev_store_get(f->dev, RTE_IMS_STORE_DEVICE), RTE_IMS_DEV_EVENT_REMOVED,
		&conf));
	assert_int_equal(pthread_create(&thread, NULL, remove_device, &f->v), 0);
	for (i = 0; i < 20000 && !atomic_load(&told); i++)
		usleep(1000);
	assert_true(atomic_load(&told));
	pthread_join(thread, NULL);
	assert_int_equal(read(conf.fd, &count, sizeof(count)), sizeof(count));
	close(conf.fd);
	fake_dev_destroy(f);
}

/* Unlike removal, errors and requests to release come more than once, and wait for a reader. */
static void
test_repeated_events(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	struct rte_ims_store *events = rte_ims_dev_store_get(f->dev, RTE_IMS_STORE_DEVICE);
	struct rte_ims_vec *vec;
	uint64_t count;
	uint32_t slot;
	int fd, i;

	for (slot = RTE_IMS_DEV_EVENT_ERROR; slot < RTE_IMS_DEV_EVENT_MAX; slot++) {
		/* Nobody is there yet. */
		ims_vfio_event(&f->v, (enum ims_vfio_dev_event)slot);
		vec = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), events, slot, NULL);
		assert_non_null(vec);
		fd = rte_ims_vec_fd_get(vec);
		for (i = 0; i < 3; i++) {
			assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
			assert_int_equal(count, 1);
			assert_int_equal(read(fd, &count, sizeof(count)), -1);
			ims_vfio_event(&f->v, (enum ims_vfio_dev_event)slot);
		}
		assert_int_equal(rte_ims_vec_free(vec), 0);
	}
	assert_false(f->v.removed);
	fake_dev_destroy(f);
}

/* What the kernel was told to signal for an MSI vector. */
static struct {
	uint8_t cfg[PCI_CFG_SPACE_SIZE];
	int fds[16];
	unsigned int n_fds;
} msi;

static int
msi_cfg_read(struct ims_vfio *v, uint32_t region, uint64_t off, void *buf, size_t len)
{
	assert_int_equal(region, VFIO_PCI_CONFIG_REGION_INDEX);
	memcpy(buf, msi.cfg + off, len);
	return 0;
}

static int
msi_cfg_write(struct ims_vfio *v, uint32_t region, uint64_t off, const void *buf, size_t len)
{
	assert_int_equal(region, VFIO_PCI_CONFIG_REGION_INDEX);
	memcpy(msi.cfg + off, buf, len);
	return 0;
}

static int
msi_irq_set(struct ims_vfio *v, uint32_t index, uint32_t start, uint32_t count, const int *fds)
{
	assert_int_equal(index, VFIO_PCI_MSI_IRQ_INDEX);
	assert_int_equal(count, 1);
	assert_true(msi.n_fds < RTE_DIM(msi.fds));
	msi.fds[msi.n_fds++] = fds[0];
	return 0;
}

/* MSI without mask: from one user to the next its message never has nobody to go to. */
static void
test_msi_stays_attached(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	struct ims_vfio_ops ops = *f->v.ops;
	struct rte_ims_store *store;
	struct rte_ims_vec *vec;
	unsigned int i;

	memset(&msi, 0, sizeof(msi));
	msi.cfg[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	msi.cfg[PCI_CAPABILITY_LIST] = 0x40;
	msi.cfg[0x40] = PCI_CAP_ID_MSI;
	ops.region_read = msi_cfg_read;
	ops.region_write = msi_cfg_write;
	ops.irq_set = msi_irq_set;
	f->v.ops = &ops;
	f->v.n_regions = VFIO_PCI_NUM_REGIONS;
	f->v.regions[VFIO_PCI_CONFIG_REGION_INDEX].size = sizeof(msi.cfg);
	f->v.irqs[VFIO_PCI_MSI_IRQ_INDEX].count = 1;
	store = ims_store_msi_create(f->dev);
	assert_non_null(store);

	vec = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), store, 0, NULL);
	assert_non_null(vec);
	assert_int_equal(msi.fds[0], rte_ims_vec_fd_get(vec));
	assert_int_equal(rte_ims_vec_free(vec), 0);
	vec = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), store, 0, NULL);
	assert_non_null(vec);
	/* The first user's, one that nobody reads, the second's. */
	assert_int_equal(msi.n_fds, 3);
	for (i = 0; i < 3; i++)
		assert_true(msi.fds[i] >= 0);
	assert_int_equal(msi.fds[2], rte_ims_vec_fd_get(vec));
	/* A reset sends nothing: there it is attached anew. */
	assert_int_equal(rte_ims_dev_reset(f->dev), 0);
	assert_int_equal(msi.n_fds, 5);
	assert_int_equal(msi.fds[3], -1);
	assert_int_equal(msi.fds[4], rte_ims_vec_fd_get(vec));
	fake_dev_destroy(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_reuse_is_late),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_failure_takes_nothing),
		cmocka_unit_test(test_removed_event),
		cmocka_unit_test(test_event_into_full_eventfd),
		cmocka_unit_test(test_repeated_events),
		cmocka_unit_test(test_msi_stays_attached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
