/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The client's memory: mapped for the server, or reached by its messages; and who reads these. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "fake_server.h"
#include "test_vfio_user.h"

/* What is wrong with a call is no reason to give the device up. */
static void
test_bad_descriptor(void **state)
{
	void *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ims_vfio *v;
	struct server s;

	v = start(&s, GOOD);
	assert_int_equal(ims_vfio_dma_map(v, mem, 4096, 9999, 0), -EBADF);
	assert_false(v->removed);
	assert_int_equal(ims_vfio_dma_map(v, mem, 4096, -1, 0), 0);
	assert_int_equal(ims_vfio_dma_unmap(v, mem, 4096), 0);
	finish(&s, v);
	munmap(mem, 4096);
}

/* Memory without a file behind it is reached by messages. */
static void
test_dma_by_message(void **state)
{
	void *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t val = 0xcafe, word;
	struct ims_vfio *v;
	struct server s;

	v = start(&s, GOOD);
	assert_int_equal(ims_vfio_dma_map(v, mem, 4096, -1, 0), 0);
	assert_int_equal(s.last_map.addr, (uintptr_t)mem);
	inject_write(&s, 1, 0, (uintptr_t)mem + 4092, 4, &val, 4);
	assert_int_equal(ims_vfio_read(v, 0, 0, &word, 4), 0);
	assert_memory_equal((uint8_t *)mem + 4092, &val, 4);
	inject_write(&s, 2, 0, (uintptr_t)mem + 4093, 4, &val, 4);
	assert_int_equal(ims_vfio_read(v, 0, 0, &word, 4), 0);
	expect_errors(v, IMS_VFIO_PEER_DMA_FAULT, 1);
	assert_int_equal(ims_vfio_dma_unmap(v, mem, 4096), 0);
	inject_write(&s, 3, 0, (uintptr_t)mem, 4, &val, 4);
	assert_int_equal(ims_vfio_read(v, 0, 0, &word, 4), 0);
	expect_errors(v, IMS_VFIO_PEER_DMA_FAULT, 1);
	finish(&s, v);
	assert_int_equal(s.replies, 1);
	assert_int_equal(s.errors, 2);
	munmap(mem, 4096);
}

/* As many maps as the server has room for; the MSI window is one of them. */
static void
test_max_maps(void **state)
{
	uint8_t *mem =
		mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ims_vfio *v;
	struct server s;

	v = start(&s, GOOD);
	assert_int_equal(ims_vfio_dma_map(v, mem, 4096, -1, 0), 0);
	assert_int_equal(ims_vfio_dma_map(v, mem + 4096, 4096, -1, 0), 0);
	assert_int_equal(s.maps, 3);
	assert_int_equal(ims_vfio_dma_map(v, mem + 8192, 4096, -1, 0), -ENOSPC);
	assert_int_equal(s.commands[VFIO_USER_DMA_MAP], 3); /* it was not asked */
	assert_int_equal(ims_vfio_dma_unmap(v, mem, 4096), 0);
	assert_int_equal(ims_vfio_dma_map(v, mem + 8192, 4096, -1, 0), 0);
	finish(&s, v);
	munmap(mem, 3 * 4096);
}

/* The client's thread waits for data: the kernel's view of its epoll set. */
static bool
thread_reads(struct ims_vfio *v)
{
	char path[64], line[256];
	unsigned int fd, events = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", vu_from(v)->epfd);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "tfd: %u events: %x", &fd, &events) == 2 &&
			(int)fd == vu_from(v)->sock)
			break;
	assert_false(feof(f));
	fclose(f);
	return events & EPOLLIN;
}

/* Who takes the source reads alone, except while memory is reached by messages. */
static void
test_thread_reads(void **state)
{
	uint8_t *mem =
		mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ims_vfio *v;
	struct server s;

	v = start(&s, GOOD);
	assert_true(thread_reads(v));
	assert_true(v->ops->source_take(v, &s) >= 0);
	assert_false(thread_reads(v));
	assert_int_equal(ims_vfio_dma_map(v, mem, 4096, s.memfd, 0), 0);
	assert_false(thread_reads(v));
	assert_int_equal(ims_vfio_dma_unmap(v, mem, 4096), 0);
	assert_int_equal(ims_vfio_dma_map(v, mem, 4096, -1, 0), 0);
	assert_int_equal(ims_vfio_dma_map(v, mem + 4096, 4096, -1, 0), 0);
	assert_true(thread_reads(v));
	assert_int_equal(ims_vfio_dma_unmap(v, mem, 4096), 0);
	assert_true(thread_reads(v));
	assert_int_equal(ims_vfio_dma_unmap(v, mem + 4096, 4096), 0);
	assert_false(thread_reads(v));
	v->ops->source_give(v, &s);
	assert_true(thread_reads(v));
	finish(&s, v);
	munmap(mem, 3 * 4096);
}

int
vfio_user_dma_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_descriptor),
		cmocka_unit_test(test_dma_by_message),
		cmocka_unit_test(test_max_maps),
		cmocka_unit_test(test_thread_reads),
	};

	return cmocka_run_group_tests_name("DMA", tests, NULL, NULL);
}
