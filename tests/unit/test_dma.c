/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What is mapped for a device: all DPDK memory once, memory added later, the caller's own. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include <rte_malloc.h>
#include <rte_memory.h>

#include "fake_dev.h"

#define EXT_LEN (4u << 20)
#define PAGE    0x1000u

static int
setup(void **state)
{
	fake_eal_init();
	return 0;
}

static bool
mapped(struct fake_dev *f, const void *addr, size_t len)
{
	uint8_t *copy = malloc(len);
	bool ok;

	ok = ims_vfio_dma_copy(&f->v, (uintptr_t)addr, copy, len, false) == 0 &&
	     memcmp(copy, addr, len) == 0;
	free(copy);
	return ok;
}

static void
test_dpdk_memory(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	uint8_t *mem;

	assert_int_equal(ims_vfio_dma_start(&f->v), 0);
	/* -m 64 without hugepages is one file: neighbouring segments are one map. */
	assert_int_equal(f->n_dma, 1);
	mem = rte_malloc("t", 100000, 0);
	assert_non_null(mem);
	memset(mem, 0x5a, 100000);
	assert_true(mapped(f, mem, 100000));
	assert_false(mapped(f, state, 1));
	assert_int_equal(f->v.peer_errors[IMS_VFIO_PEER_DMA_FAULT], 1);
	rte_free(mem);
	ims_vfio_dma_stop(&f->v);
	assert_int_equal(f->n_dma, 0);
	fake_dev_destroy(f);
}

static void
test_user_memory(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	uint8_t *mem =
		mmap(NULL, 0x3000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t word = 0x12345678;

	assert_int_equal(rte_ims_dev_dma_map(f->dev, mem + 1, 0x1000, -1, 0), -EINVAL);
	assert_int_equal(rte_ims_dev_dma_map(f->dev, mem, 0x1001, -1, 0), -EINVAL);
	assert_int_equal(rte_ims_dev_dma_map(f->dev, mem, 0, -1, 0), -EINVAL);
	assert_int_equal(
		rte_ims_dev_dma_map(f->dev, (void *)(uintptr_t)0xfee00000, 0x1000, -1, 0), -EINVAL);
	assert_int_equal(
		rte_ims_dev_dma_map(f->dev, (void *)(uintptr_t)0xfedff000, 0x2000, -1, 0), -EINVAL);
	assert_int_equal(rte_ims_dev_dma_map(f->dev, mem, 0x2000, -1, 0), 0);
	assert_int_equal(rte_ims_dev_dma_map(f->dev, mem + 0x1000, 0x2000, -1, 0), -EEXIST);
	assert_int_equal(rte_ims_dev_dma_map(f->dev, mem, 0x2000, -1, 0), -EEXIST);
	/* The last byte, one past it, and across the end. */
	assert_int_equal(ims_vfio_dma_copy(&f->v, (uintptr_t)mem + 0x1ffc, &word, 4, true), 0);
	assert_memory_equal(mem + 0x1ffc, &word, 4);
	assert_int_equal(
		ims_vfio_dma_copy(&f->v, (uintptr_t)mem + 0x1ffd, &word, 4, true), -EFAULT);
	assert_int_equal(
		ims_vfio_dma_copy(&f->v, (uintptr_t)mem + 0x2000, &word, 1, true), -EFAULT);
	assert_int_equal(ims_vfio_dma_copy(&f->v, UINT64_MAX - 1, &word, 4, true), -EFAULT);
	assert_int_equal(rte_ims_dev_dma_unmap(f->dev, mem, 0x1000), -ENOENT);
	assert_int_equal(rte_ims_dev_dma_unmap(f->dev, mem, 0x2000), 0);
	assert_int_equal(rte_ims_dev_dma_unmap(f->dev, mem, 0x2000), -ENOENT);
	/* The device's answer is told; the map is gone whatever it is. */
	assert_int_equal(rte_ims_dev_dma_map(f->dev, mem, 0x1000, -1, 0), 0);
	f->fail = -ETIMEDOUT;
	assert_int_equal(rte_ims_dev_dma_unmap(f->dev, mem, 0x1000), -ETIMEDOUT);
	assert_int_equal(rte_ims_dev_dma_unmap(f->dev, mem, 0x1000), -ENOENT);
	assert_int_equal(ims_vfio_dma_copy(&f->v, (uintptr_t)mem, &word, 4, true), -EFAULT);
	f->fail = -ENOSPC;
	assert_int_equal(rte_ims_dev_dma_map(f->dev, mem, 0x1000, -1, 0), -ENOSPC);
	f->fail = 0;
	assert_false(mapped(f, mem, 1));
	munmap(mem, 0x3000);
	fake_dev_destroy(f);
}

/* Maps that follow each other, whoever made them first, are one piece of memory for the device. */
static void
test_across_maps(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	uint8_t *mem =
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t out[PAGE + 8], in[PAGE + 8] = { 0 }, zero[PAGE + 8] = { 0 };
	uint64_t at = (uintptr_t)mem + PAGE - 4;
	unsigned int i;

	for (i = 0; i < sizeof(out); i++)
		out[i] = i % 251 + 1;
	assert_int_equal(rte_ims_dev_dma_map(f->dev, mem + PAGE, PAGE, -1, 0), 0);
	assert_int_equal(rte_ims_dev_dma_map(f->dev, mem, PAGE, -1, 0), 0);
	/* 4 bytes, a page, and 4 bytes that are not mapped yet: refused, and nothing is changed. */
	assert_int_equal(ims_vfio_dma_copy(&f->v, at, out, sizeof(out), true), -EFAULT);
	assert_memory_equal(mem + PAGE - 4, zero, sizeof(zero));
	memset(mem, 0x5a, 3 * PAGE);
	assert_int_equal(ims_vfio_dma_copy(&f->v, at, in, sizeof(in), false), -EFAULT);
	assert_memory_equal(in, zero, sizeof(in));
	assert_int_equal(f->v.peer_errors[IMS_VFIO_PEER_DMA_FAULT], 2);
	assert_false(ims_vfio_dma_is_mapped(&f->v, at, sizeof(out)));
	assert_true(ims_vfio_dma_is_mapped(&f->v, at, sizeof(out) - 4));

	assert_int_equal(rte_ims_dev_dma_map(f->dev, mem + 2 * PAGE, PAGE, -1, 0), 0);
	assert_true(ims_vfio_dma_is_mapped(&f->v, at, sizeof(out)));
	assert_int_equal(ims_vfio_dma_copy(&f->v, at, out, sizeof(out), true), 0);
	assert_memory_equal(mem + PAGE - 4, out, sizeof(out));
	assert_int_equal(mem[PAGE - 5], 0x5a);
	assert_int_equal(mem[2 * PAGE + 4], 0x5a);
	assert_int_equal(ims_vfio_dma_copy(&f->v, at, in, sizeof(in), false), 0);
	assert_memory_equal(in, out, sizeof(in));
	/* To the last byte, and one past it. */
	assert_int_equal(ims_vfio_dma_copy(&f->v, at + PAGE + 4, in, PAGE, false), 0);
	assert_int_equal(ims_vfio_dma_copy(&f->v, at + PAGE + 5, in, PAGE, false), -EFAULT);
	/* Nothing is everywhere. */
	assert_int_equal(ims_vfio_dma_copy(&f->v, at, in, 0, false), 0);
	assert_int_equal(f->v.peer_errors[IMS_VFIO_PEER_DMA_FAULT], 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(rte_ims_dev_dma_unmap(f->dev, mem + i * PAGE, PAGE), 0);
	munmap(mem, 4 * PAGE);
	fake_dev_destroy(f);
}

/* External memory that is registered before the device is opened is found by the walk. */
static void
test_external_memory(void **state)
{
	struct fake_dev *f = fake_dev_create(true);
	void *mem = mmap(NULL, EXT_LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_int_equal(rte_extmem_register(mem, EXT_LEN, NULL, EXT_LEN / 4096, 4096), 0);
	assert_int_equal(ims_vfio_dma_start(&f->v), 0);
	assert_true(mapped(f, mem, EXT_LEN));
	ims_vfio_dma_stop(&f->v);
	assert_int_equal(rte_extmem_unregister(mem, EXT_LEN), 0);
	munmap(mem, EXT_LEN);
	fake_dev_destroy(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dpdk_memory),
		cmocka_unit_test(test_user_memory),
		cmocka_unit_test(test_across_maps),
		cmocka_unit_test(test_external_memory),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
