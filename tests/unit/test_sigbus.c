/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A mapped BAR goes from under its user: a file that is cut short stands for it, the fault is the
 * same SIGBUS.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "ims_vfio.h"

#define PAGES 4

static const struct ims_vfio_ops no_ops;
static volatile sig_atomic_t foreign_hits;
static sigjmp_buf foreign_jump;

struct bar {
	struct ims_vfio v;
	int fd;
	size_t page;
	atomic_int removed;
};

static void
on_event(void *arg, enum ims_vfio_dev_event event)
{
	if (event == IMS_VFIO_EVENT_REMOVED)
		(*(atomic_int *)arg)++;
}

static void
bar_open(struct bar *b)
{
	memset(b, 0, sizeof(*b));
	b->page = sysconf(_SC_PAGESIZE);
	b->fd = memfd_create("bar", MFD_CLOEXEC);
	assert_true(b->fd >= 0);
	assert_int_equal(ftruncate(b->fd, PAGES * b->page), 0);
	ims_vfio_init(&b->v, &no_ops, "test", 1000);
	b->v.n_regions = 1;
	b->v.regions[0].size = PAGES * b->page;
	b->v.regions[0].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	assert_int_equal(ims_vfio_area_map(&b->v, 0, 0, PAGES * b->page, b->fd, 0), 0);
	ims_vfio_event_notify(&b->v, on_event, &b->removed);
}

static void
bar_close(struct bar *b)
{
	ims_vfio_fini(&b->v);
	close(b->fd);
}

/* Reads are all ones, writes go nowhere, the device counts as removed: once. */
static void
test_gone(void **state)
{
	uint32_t val = 0x1234;
	struct bar b, other;

	bar_open(&b);
	bar_open(&other);
	assert_int_equal(ims_vfio_write(&b.v, 0, 0, &val, sizeof(val)), 0);
	assert_int_equal(ftruncate(b.fd, b.page), 0);
	val = 0;
	assert_int_equal(ims_vfio_read(&b.v, 0, 0, &val, sizeof(val)), 0);
	assert_int_equal(val, 0x1234);
	assert_int_equal(b.removed, 0);
	assert_int_equal(ims_vfio_read(&b.v, 0, b.page + 8, &val, sizeof(val)), 0);
	assert_int_equal(val, UINT32_MAX);
	assert_int_equal(b.removed, 1);
	assert_true(b.v.removed);
	assert_int_equal(ims_vfio_write(&b.v, 0, 3 * b.page, &val, sizeof(val)), 0);
	assert_int_equal(b.removed, 1);
	/* What is still there stays as it is, and so do other devices. */
	assert_int_equal(ims_vfio_read(&b.v, 0, 0, &val, sizeof(val)), 0);
	assert_int_equal(val, 0x1234);
	assert_int_equal(ims_vfio_read(&other.v, 0, b.page, &val, sizeof(val)), 0);
	assert_int_equal(val, 0);
	assert_false(other.v.removed);
	bar_close(&b);
	bar_close(&other);
}

static void
foreign(int sig, siginfo_t *info, void *context)
{
	foreign_hits++;
	siglongjmp(foreign_jump, 1);
}

/* Touch a page of a mapping that is none of ours, behind the end of its file. */
static void
touch_foreign(void)
{
	size_t page = sysconf(_SC_PAGESIZE);
	int fd = memfd_create("foreign", MFD_CLOEXEC);
	volatile char *mem;

	assert_true(fd >= 0);
	mem = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(mem != MAP_FAILED);
	if (sigsetjmp(foreign_jump, 1) == 0)
		(void)mem[0];
	munmap((void *)(uintptr_t)mem, page);
	close(fd);
}

/* A fault elsewhere is the application's own, before, while and after devices are open. */
static void
test_foreign(void **state)
{
	struct sigaction sa = { .sa_sigaction = foreign, .sa_flags = SA_SIGINFO }, now, old;
	struct bar b;

	assert_int_equal(sigaction(SIGBUS, &sa, &old), 0);
	bar_open(&b);
	touch_foreign();
	assert_int_equal(foreign_hits, 1);
	assert_false(b.v.removed);
	bar_close(&b);
	touch_foreign();
	assert_int_equal(foreign_hits, 2);
	/* With the last device the handler is as it was. */
	assert_int_equal(sigaction(SIGBUS, NULL, &now), 0);
	assert_true(now.sa_sigaction == foreign);
	sigaction(SIGBUS, &old, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
