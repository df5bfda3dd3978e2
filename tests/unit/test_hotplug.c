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

#define WANT_PAGES  64
#define RESERVED_MB 16
#define CHUNK       (16u << 20)
#define EXT_LEN     (4u << 20)

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

/* What the device is told, and what has to stay in its reach meanwhile. */
static struct {
	const struct ims_vfio_ops *real;
	struct ims_vfio_ops ops;
	void (*at_map)(struct ims_vfio *v);
	const void *stays[2];
	unsigned int n_unmaps;
	bool lost;
} spy;

static int
spy_map(struct ims_vfio *v, uint64_t iova, void *addr, size_t len, int fd, uint64_t offset)
{
	if (spy.at_map != NULL)
		spy.at_map(v);
	return spy.real->dma_map(v, iova, addr, len, fd, offset);
}

static int
spy_unmap(struct ims_vfio *v, const struct ims_vfio_dma_map *map)
{
	unsigned int i;

	spy.n_unmaps++;
	for (i = 0; i < RTE_DIM(spy.stays); i++)
		if (spy.stays[i] != NULL && !ims_vfio_dma_is_mapped(v, (uintptr_t)spy.stays[i], 1))
			spy.lost = true;
	return spy.real->dma_unmap(v, map);
}

static struct fake_dev *
spied_dev(void)
{
	struct fake_dev *f = fake_dev_create(true);

	memset(&spy, 0, sizeof(spy));
	spy.real = f->v.ops;
	spy.ops = *f->v.ops;
	spy.ops.dma_map = spy_map;
	spy.ops.dma_unmap = spy_unmap;
	f->v.ops = &spy.ops;
	return f;
}

/* What was there before the device keeps its map, without a break, when its neighbours go. */
static void
test_partly_freed(void **state)
{
	struct fake_dev *f = spied_dev();
	void *a, *b, *c;

	a = rte_malloc("a", CHUNK, 0);
	b = rte_malloc("b", CHUNK, 0);
	c = rte_malloc("c", CHUNK, 0);
	assert_int_equal(ims_vfio_dma_start(&f->v), 0);
	assert_true(reachable(f, a, CHUNK) && reachable(f, b, CHUNK) && reachable(f, c, CHUNK));
	spy.stays[0] = a;
	spy.stays[1] = c;
	rte_free(b);
	assert_true(reachable(f, a, CHUNK) && reachable(f, c, CHUNK));
	spy.stays[0] = NULL;
	rte_free(a);
	assert_true(reachable(f, c, CHUNK));
	assert_true(spy.n_unmaps > 0);
	assert_false(spy.lost);
	spy.stays[1] = NULL;
	rte_free(c);
	ims_vfio_dma_stop(&f->v);
	fake_dev_destroy(f);
}

struct segs {
	unsigned int n;
	unsigned int n_reserved;
};

static int
count_seg(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	struct segs *segs = arg;

	segs->n++;
	segs->n_reserved += (ms->flags & RTE_MEMSEG_FLAG_DO_NOT_FREE) != 0;
	return 0;
}

/* Maps are few: memory reserved at start, which is never freed, has one per file. */
static void
test_reserved_in_one(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	struct segs segs = { 0 };

	assert_int_equal(rte_memseg_walk(count_seg, &segs), 0);
	assert_true(segs.n_reserved > 0);
	assert_int_equal(ims_vfio_dma_start(&f->v), 0);
	assert_true(f->n_dma <= segs.n - segs.n_reserved + rte_socket_count());
	ims_vfio_dma_stop(&f->v);
	fake_dev_destroy(f);
}

static atomic_bool came;

static void
on_memory(enum rte_mem_event event, const void *addr, size_t len, void *arg)
{
	came = true;
}

static void *
grow_heap(void *arg)
{
	return rte_malloc("g", CHUNK, 0);
}

static pthread_t grower;
static unsigned int maps_left;

/* At the last map: another thread has the heap grow, which must not be let in. */
static void
grow_at_last(struct ims_vfio *v)
{
	int i;

	if (--maps_left != 0)
		return;
	spy.at_map = NULL;
	assert_int_equal(pthread_create(&grower, NULL, grow_heap, NULL), 0);
	for (i = 0; i < 100 && !came; i++)
		usleep(1000);
	spy.lost = came;
}

/* Memory neither comes nor goes until all of it is mapped. */
static void
test_grows_at_start(void **state)
{
	struct fake_dev *f = spied_dev();
	void *mem;

	assert_int_equal(ims_vfio_dma_start(&f->v), 0);
	maps_left = f->n_dma;
	ims_vfio_dma_stop(&f->v);
	assert_true(maps_left > 0);
	assert_int_equal(rte_mem_event_callback_register("test", on_memory, NULL), 0);
	spy.at_map = grow_at_last;
	assert_int_equal(ims_vfio_dma_start(&f->v), 0);
	pthread_join(grower, &mem);
	assert_true(came);
	assert_false(spy.lost);
	assert_non_null(mem);
	assert_true(reachable(f, mem, CHUNK));
	rte_mem_event_callback_unregister("test", NULL);
	ims_vfio_dma_stop(&f->v);
	rte_free(mem);
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

/* Two lists of external memory that follow each other: one stays when the other goes. */
static void
test_external_neighbours(void **state)
{
	struct fake_dev *f = spied_dev();
	uint8_t *mem =
		mmap(NULL, 2 * EXT_LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_int_equal(rte_malloc_heap_create("ext0"), 0);
	assert_int_equal(rte_malloc_heap_create("ext1"), 0);
	assert_int_equal(
		rte_malloc_heap_memory_add("ext0", mem, EXT_LEN, NULL, EXT_LEN / 4096, 4096), 0);
	assert_int_equal(rte_malloc_heap_memory_add(
				 "ext1", mem + EXT_LEN, EXT_LEN, NULL, EXT_LEN / 4096, 4096),
		0);
	assert_int_equal(ims_vfio_dma_start(&f->v), 0);
	assert_true(reachable(f, mem, 2 * EXT_LEN));
	spy.stays[0] = mem + EXT_LEN;
	assert_int_equal(rte_malloc_heap_memory_remove("ext0", mem, EXT_LEN), 0);
	assert_int_equal(spy.n_unmaps, 1);
	assert_false(spy.lost);
	assert_false(reachable(f, mem, EXT_LEN));
	assert_true(reachable(f, mem + EXT_LEN, EXT_LEN));
	spy.stays[0] = NULL;
	ims_vfio_dma_stop(&f->v);
	assert_int_equal(rte_malloc_heap_memory_remove("ext1", mem + EXT_LEN, EXT_LEN), 0);
	assert_int_equal(rte_malloc_heap_destroy("ext0"), 0);
	assert_int_equal(rte_malloc_heap_destroy("ext1"), 0);
	munmap(mem, 2 * EXT_LEN);
	fake_dev_destroy(f);
}

static int
eal_init(void)
{
	char *argv[] = { (char *)(uintptr_t) "hotplug", (char *)(uintptr_t) "--no-pci",
		(char *)(uintptr_t) "--in-memory", (char *)(uintptr_t) "--single-file-segments",
		(char *)(uintptr_t) "-l", (char *)(uintptr_t) "0", (char *)(uintptr_t) "-m",
		(char *)(uintptr_t)RTE_STR(RESERVED_MB),
		(char *)(uintptr_t) "--log-level=lib.ims*:critical", NULL };

	return rte_eal_init(RTE_DIM(argv) - 1, argv);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heap_grows_and_shrinks),
		cmocka_unit_test(test_partly_freed),
		cmocka_unit_test(test_reserved_in_one),
		cmocka_unit_test(test_grows_at_start),
		cmocka_unit_test(test_external_heap),
		cmocka_unit_test(test_external_neighbours),
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
