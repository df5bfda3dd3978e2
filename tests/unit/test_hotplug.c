/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Memory that DPDK adds while a device is open. Only its dynamic mode does that, which needs
 * hugepages: without any, and no right to ask for some, this is skipped (77).
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include <rte_eal.h>
#include <rte_malloc.h>
#include <rte_memory.h>

#include "fake_dev.h"

#define WANT_PAGES 64
#define CHUNK      (16u << 20)
#define EXT_LEN    (4u << 20)

static int
free_pages(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	int n = 0;

	if (f == NULL || fscanf(f, "%d", &n) != 1)
		n = 0;
	if (f != NULL)
		fclose(f);
	return n;
}

static void
ask_for_pages(int n)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "w");

	if (f == NULL)
		return;
	fprintf(f, "%d\n", n);
	fclose(f);
}

static bool
byte_reachable(struct fake_dev *f, uint64_t iova)
{
	uint8_t byte;

	return ims_vfio_dma_copy(&f->v, iova, &byte, 1, false) == 0;
}

static bool
reachable(struct fake_dev *f, void *mem, size_t len)
{
	return byte_reachable(f, (uintptr_t)mem) && byte_reachable(f, (uintptr_t)mem + len - 1);
}

static void
test_heap_grows_and_shrinks(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	unsigned int before;
	uint64_t iova;
	void *mem;
	int i;

	assert_int_equal(ims_vfio_dma_start(&f->v), 0);
	assert_true(f->v.dma_hotplug);
	before = f->n_dma;
	for (i = 0; i < 5; i++) {
		mem = rte_malloc("t", CHUNK, 0);
		assert_non_null(mem);
		assert_true(f->n_dma > before);
		assert_true(reachable(f, mem, CHUNK));
		iova = (uintptr_t)mem;
		rte_free(mem);
		assert_int_equal(f->n_dma, before);
		assert_false(byte_reachable(f, iova) || byte_reachable(f, iova + CHUNK - 1));
	}
	ims_vfio_dma_stop(&f->v);
	assert_int_equal(f->n_dma, 0);
	/* Nobody listens any more. */
	mem = rte_malloc("t", CHUNK, 0);
	assert_int_equal(f->n_dma, 0);
	rte_free(mem);
	fake_dev_destroy(f);
}

/* What was there before the device keeps its map when its neighbours go. */
static void
test_partly_freed(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	void *a, *b, *c;

	a = rte_malloc("a", CHUNK, 0);
	b = rte_malloc("b", CHUNK, 0);
	c = rte_malloc("c", CHUNK, 0);
	assert_int_equal(ims_vfio_dma_start(&f->v), 0);
	assert_true(reachable(f, a, CHUNK) && reachable(f, b, CHUNK) && reachable(f, c, CHUNK));
	rte_free(b);
	assert_true(reachable(f, a, CHUNK) && reachable(f, c, CHUNK));
	rte_free(a);
	assert_true(reachable(f, c, CHUNK));
	rte_free(c);
	ims_vfio_dma_stop(&f->v);
	fake_dev_destroy(f);
}

/* A heap of the application's own memory. */
static void
test_external_heap(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	void *mem = mmap(NULL, EXT_LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_int_equal(ims_vfio_dma_start(&f->v), 0);
	assert_int_equal(rte_malloc_heap_create("ext"), 0);
	assert_int_equal(
		rte_malloc_heap_memory_add("ext", mem, EXT_LEN, NULL, EXT_LEN / 4096, 4096), 0);
	assert_true(reachable(f, mem, EXT_LEN));
	assert_int_equal(rte_malloc_heap_memory_remove("ext", mem, EXT_LEN), 0);
	assert_false(reachable(f, mem, EXT_LEN));
	assert_int_equal(rte_malloc_heap_destroy("ext"), 0);
	ims_vfio_dma_stop(&f->v);
	munmap(mem, EXT_LEN);
	fake_dev_destroy(f);
}

static int
eal_init(void)
{
	char *argv[] = { (char *)(uintptr_t) "hotplug", (char *)(uintptr_t) "--no-pci",
		(char *)(uintptr_t) "--in-memory", (char *)(uintptr_t) "--single-file-segments",
		(char *)(uintptr_t) "-l", (char *)(uintptr_t) "0",
		(char *)(uintptr_t) "--log-level=lib.ims*:critical", NULL };

	return rte_eal_init(7, argv);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heap_grows_and_shrinks),
		cmocka_unit_test(test_partly_freed),
		cmocka_unit_test(test_external_heap),
	};
	bool asked = false;
	int rc;

	if (free_pages() < WANT_PAGES) {
		ask_for_pages(WANT_PAGES);
		asked = true;
	}
	if (free_pages() < WANT_PAGES) {
		printf("skipped: %d free hugepages of 2 MiB, %d are needed\n", free_pages(),
			WANT_PAGES);
		return 77;
	}
	if (eal_init() < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rte_eal_cleanup();
	if (asked)
		ask_for_pages(0);
	return rc;
}
