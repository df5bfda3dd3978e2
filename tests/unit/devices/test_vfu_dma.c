/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The client's memory: which maps are taken, what a model can reach, and access by message. */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "vfu_peer.h"

#define PAGE 4096u
#define RW   (VFIO_USER_DMA_F_READ | VFIO_USER_DMA_F_WRITE)
#define TOP  0xfffffffffffff000ull /* the last page there is */

static struct plain *m;
static struct peer p;
static int memfd;
static uint8_t *mem; /* 16 pages */

static int
setup(void **state)
{
	m = plain_create();
	peer_start(&p, m->vfu);
	peer_bus_master(&p, true);
	memfd = memfd_create("dma", MFD_CLOEXEC);
	assert_true(memfd >= 0);
	assert_int_equal(ftruncate(memfd, 16 * PAGE), 0);
	mem = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	assert_true(mem != MAP_FAILED);
	return 0;
}

static int
teardown(void **state)
{
	peer_stop(&p);
	plain_destroy(m);
	munmap(mem, 16 * PAGE);
	close(memfd);
	return 0;
}

/* What a model gets. */
static uint8_t *
dma_addr(uint64_t iova, uint64_t len, bool write)
{
	uint8_t *addr;

	vfu_lock(m->vfu);
	addr = vfu_dma_addr(m->vfu, iova, len, write);
	vfu_unlock(m->vfu);
	return addr;
}

static uint32_t
map(uint64_t iova, uint64_t size)
{
	return peer_dma_map(&p, iova, size, RW, memfd, 0);
}

static void
test_map_rules(void **state)
{
	assert_int_equal(map(0x10000, 0), EINVAL);
	assert_int_equal(map(0x10000, 4 * PAGE), 0);
	assert_int_equal(map(0x10000, 4 * PAGE), EEXIST);
	assert_int_equal(peer_dma_map(&p, 0x10000, 4 * PAGE, RW, -1, 0), EEXIST);
	/* Into it from below, from above, around it, inside, same start, same end. */
	assert_int_equal(map(0xf000, 2 * PAGE), EEXIST);
	assert_int_equal(map(0xf000, PAGE + 1), EEXIST);
	assert_int_equal(map(0x13000, 2 * PAGE), EEXIST);
	assert_int_equal(map(0x13fff, PAGE), EEXIST);
	assert_int_equal(map(0xf000, 6 * PAGE), EEXIST);
	assert_int_equal(map(0x11000, PAGE), EEXIST);
	assert_int_equal(map(0x10000, PAGE), EEXIST);
	assert_int_equal(map(0x10000, 5 * PAGE), EEXIST);
	assert_int_equal(map(0x13000, PAGE), EEXIST);
	/* Side by side is no overlap. */
	assert_int_equal(map(0xf000, PAGE), 0);
	assert_int_equal(map(0x14000, PAGE), 0);
	/* Between two. */
	assert_int_equal(map(0x16000, PAGE), 0);
	assert_int_equal(map(0x15000, PAGE + 1), EEXIST);
	assert_int_equal(map(0x15000, PAGE), 0);
}

static void
test_map_arguments(void **state)
{
	struct vfio_user_dma_map cmd = { .argsz = 32, .flags = RW, .addr = PAGE, .size = PAGE };
	int fds[2] = { memfd, memfd };

	assert_int_equal(peer_call(&p, VFIO_USER_DMA_MAP, &cmd, 31), EINVAL);
	cmd.argsz = 31;
	assert_int_equal(peer_call(&p, VFIO_USER_DMA_MAP, &cmd, 32), EINVAL);
	cmd.argsz = 32;
	cmd.flags = 4;
	assert_int_equal(peer_call(&p, VFIO_USER_DMA_MAP, &cmd, 32), EINVAL);
	cmd.flags = RW;
	assert_int_equal(peer_call_fds(&p, VFIO_USER_DMA_MAP, &cmd, 32, fds, 2), EINVAL);
	assert_null(dma_addr(PAGE, 1, false));
	assert_int_equal(peer_call_fds(&p, VFIO_USER_DMA_MAP, &cmd, 32, fds, 1), 0);
	assert_non_null(dma_addr(PAGE, 1, false));
	assert_int_equal(p.in.len, 0);
}

/* The end of the address space is an address like others; behind it there is nothing. */
static void
test_wrap_around(void **state)
{
	assert_int_equal(map(TOP, 2 * PAGE), EINVAL);
	assert_int_equal(map(TOP, PAGE + 1), EINVAL);
	assert_int_equal(peer_dma_map(&p, 1, UINT64_MAX, RW, -1, 0), 0);
	assert_int_equal(peer_dma_unmap(&p, 1, UINT64_MAX, 0), 0);
	assert_int_equal(map(PAGE, PAGE), 0);
	assert_int_equal(map(TOP, PAGE), 0);
	assert_int_equal(map(TOP, PAGE), EEXIST);
	assert_int_equal(map(TOP - PAGE, 2 * PAGE), EEXIST);
	assert_int_equal(map(TOP + 1, PAGE - 1), EEXIST);
	assert_int_equal(map(TOP - PAGE, PAGE), 0);
	assert_int_equal(map(0, PAGE), 0);
	assert_ptr_equal(dma_addr(TOP, PAGE, true), dma_addr(UINT64_MAX, 1, true) - (PAGE - 1));
	assert_null(dma_addr(UINT64_MAX, 2, true));
	assert_null(dma_addr(TOP, UINT64_MAX, true));
	assert_int_equal(peer_dma_unmap(&p, TOP, PAGE + 1, 0), EINVAL);
	assert_int_equal(peer_dma_unmap(&p, TOP, UINT64_MAX, 0), EINVAL);
	assert_int_equal(peer_dma_unmap(&p, TOP, PAGE, 0), 0);
	assert_null(dma_addr(TOP, 1, true));
	assert_non_null(dma_addr(TOP - 1, 1, true));
	assert_non_null(dma_addr(0, 1, true));
}

static void
test_unmap(void **state)
{
	struct vfio_user_dma_unmap cmd = { .argsz = sizeof(cmd), .addr = 0x10000, .size = PAGE };

	assert_int_equal(map(0x10000, 2 * PAGE), 0);
	assert_int_equal(map(0x12000, PAGE), 0);
	assert_int_equal(map(0x20000, PAGE), 0);
	assert_int_equal(peer_dma_unmap(&p, 0x10000, 0, 0), EINVAL);
	/* Ranges that cut a map change nothing, though they hold others whole. */
	assert_int_equal(peer_dma_unmap(&p, 0x10000, PAGE, 0), EINVAL);
	assert_int_equal(peer_dma_unmap(&p, 0x11000, PAGE, 0), EINVAL);
	assert_int_equal(peer_dma_unmap(&p, 0x11000, 0xf000 + PAGE, 0), EINVAL);
	assert_int_equal(peer_dma_unmap(&p, 0x10000, 0x10000 + PAGE - 1, 0), EINVAL);
	assert_non_null(dma_addr(0x10000, 2 * PAGE, true));
	assert_non_null(dma_addr(0x12000, PAGE, true));
	assert_non_null(dma_addr(0x20000, PAGE, true));
	/* Any range that holds whole maps, or none at all. */
	assert_int_equal(peer_dma_unmap(&p, 0x30000, PAGE, 0), 0);
	assert_int_equal(peer_dma_unmap(&p, 0x8000, 0xb000, 0), 0);
	assert_int_equal(p.in.len, sizeof(cmd));
	assert_null(dma_addr(0x10000, 1, true));
	assert_null(dma_addr(0x12000, 1, true));
	assert_non_null(dma_addr(0x20000, PAGE, true));
	/* All. */
	assert_int_equal(map(0x10000, 2 * PAGE), 0);
	assert_int_equal(peer_dma_unmap(&p, 0x10000, 0, VFIO_USER_UNMAP_F_ALL), EINVAL);
	assert_int_equal(peer_dma_unmap(&p, 0, PAGE, VFIO_USER_UNMAP_F_ALL), EINVAL);
	assert_int_equal(peer_dma_unmap(&p, 0, 0, VFIO_USER_UNMAP_F_DIRTY), EOPNOTSUPP);
	assert_int_equal(peer_dma_unmap(&p, 0, 0, 4), EINVAL);
	assert_non_null(dma_addr(0x20000, PAGE, true));
	assert_int_equal(peer_dma_unmap(&p, 0, 0, VFIO_USER_UNMAP_F_ALL), 0);
	assert_null(dma_addr(0x10000, 1, true));
	assert_null(dma_addr(0x20000, 1, true));
	assert_int_equal(peer_dma_unmap(&p, 0, 0, VFIO_USER_UNMAP_F_ALL), 0);
	assert_int_equal(peer_call(&p, VFIO_USER_DMA_UNMAP, &cmd, sizeof(cmd) - 1), EINVAL);
	cmd.argsz--; /* no room for the reply */
	assert_int_equal(peer_call(&p, VFIO_USER_DMA_UNMAP, &cmd, sizeof(cmd)), EINVAL);
}

static void
test_file(void **state)
{
	unsigned int before;

	peer_sync(&p);
	before = peer_count_fds(&p);
	mem[PAGE] = 0x11;
	mem[PAGE + 0x123] = 0x22;
	/* Longer than the file, or behind its end. */
	assert_int_equal(peer_dma_map(&p, 0, 17 * PAGE, RW, memfd, 0), EINVAL);
	assert_int_equal(peer_dma_map(&p, 0, PAGE, RW, memfd, 15 * PAGE + 1), EINVAL);
	assert_int_equal(peer_dma_map(&p, 0, PAGE, RW, memfd, 16 * PAGE), EINVAL);
	assert_int_equal(peer_dma_map(&p, 0, PAGE, RW, memfd, UINT64_MAX - 7), EINVAL);
	assert_int_equal(peer_dma_map(&p, 0, UINT64_MAX, RW, memfd, 0), EINVAL);
	/* No file that can be mapped; the range stays free. */
	assert_int_not_equal(peer_dma_map(&p, 0, PAGE, RW, p.sock, 0), 0);
	assert_null(dma_addr(0, 1, true));
	assert_int_equal(peer_dma_map(&p, 0, PAGE, RW, memfd, 15 * PAGE), 0);
	assert_int_equal(peer_dma_map(&p, 0x100000, 16 * PAGE, RW, memfd, 0), 0);
	assert_int_equal(*dma_addr(0x101000, 1, false), 0x11);
	/* The offset need not be a page's. */
	assert_int_equal(peer_dma_map(&p, 0x200123, 2 * PAGE, RW, memfd, PAGE + 0x123), 0);
	assert_int_equal(*dma_addr(0x200123, 1, false), 0x22);
	*dma_addr(0x200123 + 2 * PAGE - 1, 1, true) = 0x33;
	assert_int_equal(mem[PAGE + 0x123 + 2 * PAGE - 1], 0x33);
	assert_int_equal(peer_dma_unmap(&p, 0x200123, 2 * PAGE, 0), 0);
	assert_null(dma_addr(0x200123, 1, false));
	/* The maps need no descriptors. */
	peer_sync(&p);
	assert_int_equal(peer_count_fds(&p), before);
}

/* Not a page that somebody else gives when he likes. */
static void
test_no_memory(void **state)
{
	/* A device, and regular files of a page or more; this program is perhaps in memory. */
	static const char *const paths[] = { "/dev/zero", "/sys/kernel/uevent_seqnum",
		"/proc/self/exe" };
	unsigned int i, n_files = 0;
	struct statfs fs;
	int fd;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue; /* no sysfs here */
		assert_int_equal(fstatfs(fd, &fs), 0);
		if (i == 0 || (fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)) {
			assert_int_equal(
				peer_dma_map(&p, 0, PAGE, VFIO_USER_DMA_F_READ, fd, 0), EINVAL);
			n_files++;
		}
		close(fd);
	}
	assert_true(n_files >= 2);
	assert_int_equal(peer_dma_map(&p, 0, PAGE, VFIO_USER_DMA_F_READ, p.sock, 0), EINVAL);
}

static void
test_access_rights(void **state)
{
	assert_int_equal(peer_dma_map(&p, 0x1000, PAGE, VFIO_USER_DMA_F_READ, memfd, 0), 0);
	assert_int_equal(peer_dma_map(&p, 0x2000, PAGE, VFIO_USER_DMA_F_WRITE, memfd, 0), 0);
	assert_int_equal(peer_dma_map(&p, 0x3000, PAGE, RW, -1, 0), 0);
	assert_int_equal(peer_dma_map(&p, 0x4000, PAGE, 0, memfd, 0), 0);
	assert_non_null(dma_addr(0x1000, PAGE, false));
	assert_null(dma_addr(0x1000, PAGE, true));
	assert_null(dma_addr(0x2000, PAGE, false));
	assert_non_null(dma_addr(0x2000, PAGE, true));
	/* Without a file: by message only. Without rights: not at all. */
	assert_null(dma_addr(0x3000, 4, false));
	assert_null(dma_addr(0x3000, 4, true));
	assert_null(dma_addr(0x4000, 4, false));
	assert_null(dma_addr(0x4000, 4, true));
}

static void *
dma_aligned(uint64_t iova, uint32_t align)
{
	void *addr;

	vfu_lock(m->vfu);
	addr = vfu_dma_aligned(m->vfu, iova, 8, align, true);
	vfu_unlock(m->vfu);
	return addr;
}

/* Aligned in the client's space is not aligned here. */
static void
test_aligned(void **state)
{
	assert_int_equal(map(0x10000, PAGE), 0);
	assert_int_equal(map(0x20004, PAGE), 0);
	assert_non_null(dma_aligned(0x10000, 8));
	assert_non_null(dma_aligned(0x10004, 4));
	assert_null(dma_aligned(0x10004, 8));
	assert_null(dma_aligned(0x20008, 8));
	assert_non_null(dma_aligned(0x20008, 4));
	assert_non_null(dma_aligned(0x2000c, 8));
	assert_null(dma_aligned(0x10ffc, 4));
	assert_null(dma_aligned(0x30000, 4));
}

/* How far one map goes; 0: nowhere. */
static uint64_t
extent(uint64_t iova, uint64_t len, bool write)
{
	uint8_t *addr;

	vfu_lock(m->vfu);
	addr = vfu_dma_extent(m->vfu, iova, &len, write);
	vfu_unlock(m->vfu);
	if (addr != NULL)
		assert_ptr_equal(addr, dma_addr(iova, len, write));
	return addr != NULL ? len : 0;
}

static void
test_extent(void **state)
{
	assert_int_equal(map(0x10000, 2 * PAGE), 0);
	assert_int_equal(peer_dma_map(&p, 0x12000, PAGE, VFIO_USER_DMA_F_READ, memfd, 0), 0);
	assert_int_equal(map(TOP, PAGE), 0);
	assert_int_equal(extent(0x10000, 100, true), 100);
	assert_int_equal(extent(0x10000, UINT64_MAX, true), 2 * PAGE);
	assert_int_equal(extent(0x11fff, 2, true), 1);
	assert_int_equal(extent(0x11ff0, 16, true), 16);
	assert_int_equal(extent(0x12000, 2 * PAGE, true), 0);
	assert_int_equal(extent(0x12000, 2 * PAGE, false), PAGE);
	assert_int_equal(extent(0x13000, 1, false), 0);
	assert_int_equal(extent(0xffff, 2, false), 0);
	assert_int_equal(extent(UINT64_MAX, UINT64_MAX, true), 1);
	peer_bus_master(&p, false);
	assert_int_equal(extent(0x10000, 100, true), 0);
}

static void
test_edges(void **state)
{
	assert_int_equal(map(0x10000, 2 * PAGE), 0);
	assert_int_equal(peer_dma_map(&p, 0x12000, PAGE, RW, memfd, 8 * PAGE), 0);
	assert_non_null(dma_addr(0x10000, 1, true));
	assert_non_null(dma_addr(0x11fff, 1, true));
	assert_non_null(dma_addr(0x10000, 2 * PAGE, true));
	assert_non_null(dma_addr(0x11ffc, 4, true));
	assert_null(dma_addr(0xffff, 1, true));
	assert_null(dma_addr(0xffff, 2, true));
	assert_null(dma_addr(0x13000, 1, true));
	assert_null(dma_addr(0x12fff, 2, true));
	/* One map holds it all, or it is not reached. */
	assert_null(dma_addr(0x11fff, 2, true));
	assert_null(dma_addr(0x10000, 2 * PAGE + 1, true));
	assert_null(dma_addr(0x11000, UINT64_MAX, true));
	*dma_addr(0x12000, 1, true) = 0x77;
	assert_int_equal(mem[8 * PAGE], 0x77);
}

static void
test_bus_master(void **state)
{
	assert_int_equal(map(0x10000, PAGE), 0);
	assert_non_null(dma_addr(0x10000, 1, true));
	peer_bus_master(&p, false);
	assert_null(dma_addr(0x10000, 1, true));
	assert_null(dma_addr(0x10000, 1, false));
	peer_bus_master(&p, true);
	assert_non_null(dma_addr(0x10000, 1, true));
	/* A reset takes the right away, the map stays. */
	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	assert_null(dma_addr(0x10000, 1, true));
	peer_bus_master(&p, true);
	assert_non_null(dma_addr(0x10000, 1, true));
}

static void
test_many(void **state)
{
	uint32_t i;

	for (i = 0; i < 1000; i++)
		assert_int_equal(peer_dma_map(&p, (i * 7919ull % 1000) * 2 * PAGE, PAGE, RW, memfd,
					 i % 16 * PAGE),
			0);
	for (i = 0; i < 1000; i++) {
		assert_non_null(dma_addr(i * 2ull * PAGE, PAGE, true));
		assert_null(dma_addr((i * 2ull + 1) * PAGE, 1, true));
	}
	assert_int_equal(map(999 * 2ull * PAGE, PAGE), EEXIST);
	assert_int_equal(peer_dma_unmap(&p, 0, 1000ull * PAGE, 0), 0);
	assert_null(dma_addr(499 * 2ull * PAGE, 1, true));
	assert_non_null(dma_addr(500 * 2ull * PAGE, 1, true));
}

/* Addresses that a model has kept are good as long as the number is the same. */
static uint64_t
dma_gen(void)
{
	uint64_t gen;

	vfu_lock(m->vfu);
	gen = vfu_dma_gen(m->vfu);
	vfu_unlock(m->vfu);
	return gen;
}

static void
test_gen(void **state)
{
	uint64_t gen;

	assert_int_equal(map(0x10000, PAGE), 0);
	gen = dma_gen();
	assert_int_equal(map(0x20000, PAGE), 0);
	assert_int_equal(map(0x20000, PAGE), EEXIST);
	assert_int_equal(peer_dma_unmap(&p, 0x30000, PAGE, 0), 0);
	assert_int_equal(peer_dma_unmap(&p, 0x20000, 1, 0), EINVAL);
	peer_bus_master(&p, true);
	assert_int_equal(dma_gen(), gen);
	assert_int_equal(peer_dma_unmap(&p, 0x20000, PAGE, 0), 0);
	assert_int_not_equal(dma_gen(), gen);
	gen = dma_gen();
	peer_bus_master(&p, false);
	assert_int_not_equal(dma_gen(), gen);
	peer_bus_master(&p, true);
	gen = dma_gen();
	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	assert_int_not_equal(dma_gen(), gen);
}

#define AREA 48u /* pages */

static uint8_t naive[AREA]; /* 0: not mapped, else 1 + the file's page, | 0x80: first of its map */

/* What the naive table says of [page, page + n). */
static uint32_t
naive_map(uint32_t page, uint32_t n, uint32_t file_page)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (naive[page + i] != 0)
			return EEXIST;
	for (i = 0; i < n; i++)
		naive[page + i] = (1 + file_page + i) | (i == 0 ? 0x80 : 0);
	return 0;
}

static uint32_t
naive_unmap(uint32_t page, uint32_t n)
{
	if ((naive[page] != 0 && (naive[page] & 0x80) == 0) ||
		(page + n < AREA && naive[page + n] != 0 && (naive[page + n] & 0x80) == 0))
		return EINVAL;
	memset(naive + page, 0, n);
	return 0;
}

static void
check_naive(void)
{
	uint32_t i, n, len;
	uint8_t *addr;

	for (i = 0; i < AREA; i++) {
		for (len = 1;
			i + len < AREA && (naive[i + len] & 0x80) == 0 && naive[i + len] != 0;)
			len++;
		addr = naive[i] != 0 ? dma_addr(i * PAGE, len * PAGE, true) : NULL;
		assert_true((naive[i] != 0) == (addr != NULL));
		if (addr == NULL) {
			assert_null(dma_addr(i * PAGE, 1, true));
			continue;
		}
		for (n = 0; n < len; n++)
			assert_int_equal(addr[n * PAGE], (naive[i + n] & 0x7f) - 1);
		assert_null(dma_addr(i * PAGE, len * PAGE + 1, true));
	}
}

/* Maps that come and go, against a table of pages; look-ups in between fill what is remembered. */
static void
test_random(void **state)
{
	uint32_t i, page, n, file_page;

	memset(naive, 0, sizeof(naive));
	for (i = 0; i < 16; i++)
		mem[i * PAGE] = i;
	srand(1);
	for (i = 0; i < 4000; i++) {
		page = rand() % AREA;
		n = 1 + rand() % 4;
		if (page + n > AREA)
			continue;
		file_page = rand() % (17 - n);
		if (rand() % 3 != 0)
			assert_int_equal(peer_dma_map(&p, page * PAGE, n * PAGE, RW, memfd,
						 file_page * PAGE),
				naive_map(page, n, file_page));
		else
			assert_int_equal(
				peer_dma_unmap(&p, page * PAGE, n * PAGE, 0), naive_unmap(page, n));
		if (i % 8 == 0)
			check_naive();
	}
}

/* How calls by message ended. */
static struct outcome {
	unsigned int n;
	int error[512];
	uint32_t len[512];
	uint8_t data[64];
} out;

/* Called with the lock held. */
static void
on_done(void *arg, int error, const void *data, uint32_t len)
{
	size_t i = (uintptr_t)arg;

	assert_true((data == NULL) == (len == 0));
	out.n++;
	out.error[i] = error;
	out.len[i] = len;
	if (len != 0 && len <= sizeof(out.data))
		memcpy(out.data, data, len);
}

static int
dma_write(size_t i, uint64_t iova, const void *data, uint32_t len)
{
	int rc;

	vfu_lock(m->vfu);
	rc = vfu_dma_write(m->vfu, iova, data, len, on_done, (void *)(uintptr_t)i);
	vfu_unlock(m->vfu);
	return rc;
}

static int
dma_read(size_t i, uint64_t iova, uint32_t len)
{
	int rc;

	vfu_lock(m->vfu);
	rc = vfu_dma_read(m->vfu, iova, len, on_done, (void *)(uintptr_t)i);
	vfu_unlock(m->vfu);
	return rc;
}

/* After all that was sent has been handled. */
static struct outcome
outcome(void)
{
	struct outcome copy;

	peer_sync(&p);
	vfu_lock(m->vfu);
	copy = out;
	vfu_unlock(m->vfu);
	return copy;
}

static void
good_reply(const struct peer_stash *req, const void *data, uint32_t len)
{
	uint8_t buf[256];

	memcpy(buf, &req->acc, sizeof(req->acc));
	if (len != 0)
		memcpy(buf + sizeof(req->acc), data, len);
	peer_reply(&p, req->hdr.id, req->hdr.command, 0, buf, sizeof(req->acc) + len);
}

static int
setup_calls(void **state)
{
	memset(&out, 0xff, sizeof(out));
	out.n = 0;
	return setup(state);
}

static void
test_call_write(void **state)
{
	uint32_t val = 0x12345678;
	struct peer_stash req;

	assert_int_equal(dma_write(0, 0xfee01000, &val, sizeof(val)), 0);
	assert_true(peer_request(&p, &req, PEER_TIMEOUT_MS));
	assert_int_equal(req.hdr.command, VFIO_USER_DMA_WRITE);
	assert_int_equal(req.hdr.flags, VFIO_USER_F_TYPE_COMMAND);
	assert_int_equal(req.hdr.size, 16 + 16 + 4);
	assert_int_equal(req.acc.addr, 0xfee01000);
	assert_int_equal(req.acc.count, 4);
	assert_int_equal(req.value, val);
	assert_int_equal(outcome().n, 0);
	good_reply(&req, NULL, 0);
	assert_int_equal(outcome().n, 1);
	assert_int_equal(outcome().error[0], 0);
	/* The same reply once more is nobody's. */
	good_reply(&req, NULL, 0);
	assert_int_equal(outcome().n, 1);
}

static void
test_call_read(void **state)
{
	struct peer_stash req[3];
	size_t i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(dma_read(i, 0x1000 * i, 8), 0);
		assert_true(peer_request(&p, &req[i], PEER_TIMEOUT_MS));
		assert_int_equal(req[i].hdr.command, VFIO_USER_DMA_READ);
		assert_int_equal(req[i].hdr.size, 32);
		assert_int_equal(req[i].acc.addr, 0x1000 * i);
		assert_int_equal(req[i].acc.count, 8);
	}
	/* In another order: replies are matched by id. */
	good_reply(&req[2], "CCCCCCCC", 8);
	assert_int_equal(outcome().error[2], 0);
	assert_int_equal(outcome().len[2], 8);
	assert_memory_equal(outcome().data, "CCCCCCCC", 8);
	good_reply(&req[0], "AAAAAAAA", 8);
	assert_int_equal(outcome().error[0], 0);
	assert_memory_equal(outcome().data, "AAAAAAAA", 8);
	assert_int_equal(outcome().error[1], -1);
	good_reply(&req[1], "BBBBBBBB", 8);
	assert_int_equal(outcome().error[1], 0);
	assert_int_equal(outcome().n, 3);
}

static void
test_call_wrong_id(void **state)
{
	struct peer_stash req, wrong;
	uint32_t i;

	assert_int_equal(dma_read(0, 0, 4), 0);
	assert_true(peer_request(&p, &req, PEER_TIMEOUT_MS));
	for (i = 0; i < 65536; i += 257) {
		wrong = req;
		wrong.hdr.id = i;
		if (i != req.hdr.id)
			good_reply(&wrong, "xxxx", 4);
	}
	wrong = req;
	wrong.hdr.id += 256; /* the same place, another generation */
	good_reply(&wrong, "xxxx", 4);
	wrong = req;
	wrong.hdr.command = VFIO_USER_DMA_WRITE;
	good_reply(&wrong, "xxxx", 4);
	assert_int_equal(outcome().n, 0);
	good_reply(&req, "good", 4);
	assert_int_equal(outcome().n, 1);
	assert_memory_equal(outcome().data, "good", 4);
}

static void
test_call_errors(void **state)
{
	static const struct {
		uint32_t sent;
		int seen;
	} errors[] = { { EFAULT, EFAULT }, { ENXIO, ENXIO }, { 4095, 4095 }, { 4096, EIO },
		{ UINT32_MAX, EIO } };
	struct peer_stash req;
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		assert_int_equal(dma_read(i, 0, 4), 0);
		assert_true(peer_request(&p, &req, PEER_TIMEOUT_MS));
		peer_reply(&p, req.hdr.id, VFIO_USER_DMA_READ, errors[i].sent, NULL, 0);
		assert_int_equal(outcome().error[i], errors[i].seen);
	}
	/* Short, long and empty replies to a read of 4 bytes. */
	for (i = 10; i < 13; i++) {
		assert_int_equal(dma_read(i, 0, 4), 0);
		assert_true(peer_request(&p, &req, PEER_TIMEOUT_MS));
		if (i == 12)
			peer_reply(&p, req.hdr.id, VFIO_USER_DMA_READ, 0, NULL, 0);
		else
			good_reply(&req, "xxxxx", i == 10 ? 3 : 5);
		assert_int_equal(outcome().error[i], EPROTO);
		assert_int_equal(outcome().len[i], 0);
	}
}

/* A client that has done less than it was asked for, or something else, has not done it. */
static void
test_call_other_reply(void **state)
{
	static const struct {
		bool write;
		int error;
		uint32_t len; /* of the reply */
		uint64_t addr;
		uint64_t count;
	} replies[] = {
		{ false, EPROTO, 20, 1, 0 },
		{ false, EPROTO, 20, 0, UINT64_MAX },
		{ false, EPROTO, 20, 0, 1ull << 32 },
		{ true, EPROTO, 16, 1, 0 },
		{ true, EPROTO, 16, 0, UINT64_MAX },
		{ true, EPROTO, 16, 0, 1 },
		{ true, EPROTO, 16, 0, 1ull << 32 },
		{ true, EPROTO, 11, 0, 0 },
		{ true, EPROTO, 1, 0, 0 },
		{ true, EPROTO, 13, 0, 0 },
		{ true, EPROTO, 20, 0, 0 },
		{ true, 0, 12, 0, 1ull << 32 }, /* the upper half is not there */
		{ true, 0, 0, 0, 0 },
		{ false, 0, 20, 0, 0 },
	};
	struct vfio_user_dma_access acc[2] = { 0 };
	struct peer_stash req;
	size_t i;

	for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		assert_int_equal(
			replies[i].write ? dma_write(i, 0x8000, "abcd", 4) : dma_read(i, 0x8000, 4),
			0);
		assert_true(peer_request(&p, &req, PEER_TIMEOUT_MS));
		acc[0].addr = req.acc.addr + replies[i].addr;
		acc[0].count = req.acc.count + replies[i].count;
		peer_reply(&p, req.hdr.id, req.hdr.command, 0, acc, replies[i].len);
		assert_int_equal(outcome().error[i], replies[i].error);
	}
}

static void
test_call_arguments(void **state)
{
	static uint8_t big[65537];

	assert_int_equal(dma_write(0, 0, big, 0), -EINVAL);
	assert_int_equal(dma_write(0, 0, big, 65537), -EINVAL);
	assert_int_equal(dma_read(0, 0, 0), -EINVAL);
	assert_int_equal(dma_read(0, 0, 65537), -EINVAL);
	peer_bus_master(&p, false);
	assert_int_equal(dma_write(0, 0, big, 4), -EACCES);
	peer_bus_master(&p, true);
	assert_int_equal(dma_write(0, 0, big, 65536), 0);
	assert_int_equal(peer_recv(&p, PEER_TIMEOUT_MS), 1);
	assert_int_equal(p.in.len, 16 + 65536);
}

/* The client's own limit counts too. */
static void
test_call_client_limit(void **state)
{
	m = plain_create();
	peer_attach(&p, m->vfu);
	assert_int_equal(dma_read(0, 0, 4), -ENOTCONN);
	assert_int_equal(peer_version(&p, 0, "{\"capabilities\":{\"max_data_xfer_size\":64}}"), 0);
	peer_bus_master(&p, true);
	assert_int_equal(dma_read(0, 0, 65), -EINVAL);
	assert_int_equal(dma_read(0, 0, 64), 0);
	memset(&out, 0, sizeof(out));
	peer_stop(&p);
	assert_int_equal(dma_read(0, 0, 4), -ENOTCONN);
	plain_destroy(m);
}

static void
test_call_cancelled(void **state)
{
	assert_int_equal(dma_read(0, 0, 4), 0);
	assert_int_equal(dma_write(1, 0, "abcd", 4), 0);
	close(p.sock);
	pthread_join(p.thread, NULL);
	assert_int_equal(out.n, 2);
	assert_int_equal(out.error[0], ECANCELED);
	assert_int_equal(out.error[1], ECANCELED);
	assert_int_equal(out.len[0], 0);
	plain_destroy(m);
	m = plain_create();
	peer_start(&p, m->vfu);
}

static void
test_call_limit(void **state)
{
	struct peer_stash req[256];
	uint32_t i, j;

	for (i = 0; i < 256; i++)
		assert_int_equal(dma_write(i, i * 4ull, &i, sizeof(i)), 0);
	assert_int_equal(dma_write(256, 0, &i, sizeof(i)), -EAGAIN);
	assert_int_equal(dma_read(256, 0, 4), -EAGAIN);
	/* A request of the client is answered meanwhile. */
	peer_sync(&p);
	for (i = 0; i < 256; i++) {
		assert_true(peer_request(&p, &req[i], PEER_TIMEOUT_MS));
		assert_int_equal(req[i].value, i);
		for (j = 0; j < i; j++)
			assert_int_not_equal(req[i].hdr.id, req[j].hdr.id);
	}
	/* One reply makes room for one more. */
	good_reply(&req[100], NULL, 0);
	assert_int_equal(outcome().n, 1);
	assert_int_equal(dma_write(256, 0, &i, sizeof(i)), 0);
	assert_int_equal(dma_write(257, 0, &i, sizeof(i)), -EAGAIN);
	for (i = 0; i < 256; i++)
		if (i != 100)
			good_reply(&req[i], NULL, 0);
	assert_int_equal(outcome().n, 256);
	for (i = 0; i < 256; i++)
		assert_int_equal(outcome().error[i], 0);
	assert_int_equal(outcome().error[256], -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_map_rules, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrap_around, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unmap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_access_rights, setup, teardown),
		cmocka_unit_test_setup_teardown(test_aligned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_extent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_edges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bus_master, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_call_write, setup_calls, teardown),
		cmocka_unit_test_setup_teardown(test_call_read, setup_calls, teardown),
		cmocka_unit_test_setup_teardown(test_call_wrong_id, setup_calls, teardown),
		cmocka_unit_test_setup_teardown(test_call_errors, setup_calls, teardown),
		cmocka_unit_test_setup_teardown(test_call_other_reply, setup_calls, teardown),
		cmocka_unit_test_setup_teardown(test_call_arguments, setup_calls, teardown),
		cmocka_unit_test(test_call_client_limit),
		cmocka_unit_test_setup_teardown(test_call_cancelled, setup_calls, teardown),
		cmocka_unit_test_setup_teardown(test_call_limit, setup_calls, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
