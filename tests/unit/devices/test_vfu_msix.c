/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The MSI-X table: accesses, what an event of a vector becomes, and look-up by message. */

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>

#include <linux/pci_regs.h>

#include "vfu_peer.h"
#include "vfu_priv.h"

#define N       PLAIN_VECTORS
#define BAR     2
#define PBA     0x800
#define CONFIG  VFIO_PCI_CONFIG_REGION_INDEX
#define FLAGS   (0x90 + PCI_MSIX_FLAGS)
#define MASK    1u
#define WINDOW  0xfee00000ull
#define MEM     0x7000000000ull /* a page for messages */
#define MEM_RO  0x7000001000ull /* a page that may not be written */
#define NOWHERE 0x123000ull

static struct plain *m;
static struct peer p;
static int efds[N];
static _Atomic(uint32_t) *mem;

static void
map_memory(void)
{
	int fd = memfd_create("mem", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8192), 0);
	mem = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(mem != MAP_FAILED);
	assert_int_equal(peer_dma_map(&p, MEM, 4096, VFIO_USER_DMA_F_WRITE, fd, 0), 0);
	assert_int_equal(peer_dma_map(&p, MEM_RO, 4096, VFIO_USER_DMA_F_READ, fd, 4096), 0);
	close(fd);
}

static int
setup(void **state)
{
	int i;

	m = plain_create();
	peer_start(&p, m->vfu);
	map_memory();
	peer_bus_master(&p, true);
	for (i = 0; i < N; i++) {
		efds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_true(efds[i] >= 0);
	}
	return 0;
}

static int
teardown(void **state)
{
	int i;

	peer_stop(&p);
	plain_destroy(m);
	for (i = 0; i < N; i++)
		close(efds[i]);
	munmap((void *)(uintptr_t)mem, 8192);
	return 0;
}

static void
attach(uint32_t vector, int fd)
{
	uint32_t flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;

	assert_int_equal(
		peer_set_irqs(&p, flags, VFIO_PCI_MSIX_IRQ_INDEX, vector, 1, NULL, 0, &fd, fd >= 0),
		0);
}

static void
attach_all(void)
{
	uint32_t i;

	for (i = 0; i < N; i++)
		attach(i, efds[i]);
}

static uint64_t
events(int i)
{
	uint64_t n = 0;

	return read(efds[i], &n, sizeof(n)) < 0 ? 0 : n;
}

/* As a model does. */
static void
fire(uint32_t vector)
{
	vfu_lock(m->vfu);
	vfu_msix_fire(m->vfu, vector);
	vfu_unlock(m->vfu);
}

static uint32_t
get(uint32_t off)
{
	uint32_t val;

	assert_int_equal(peer_read(&p, BAR, off, &val, 4), 0);
	return val;
}

static void
set(uint32_t off, uint32_t val)
{
	assert_int_equal(peer_write(&p, BAR, off, &val, 4), 0);
}

static void
entry(uint32_t vector, uint64_t addr, uint32_t data, uint32_t ctrl)
{
	set(vector * 16 + 12, MASK);
	set(vector * 16, addr);
	set(vector * 16 + 4, addr >> 32);
	set(vector * 16 + 8, data);
	set(vector * 16 + 12, ctrl);
}

static struct vfu_stats
stats(void)
{
	struct vfu_stats copy;

	vfu_lock(m->vfu);
	copy = *vfu_stats(m->vfu);
	vfu_unlock(m->vfu);
	return copy;
}

static int
find(uint64_t addr, uint32_t data)
{
	int vector;

	vfu_lock(m->vfu);
	vector = vfu_msix_find(m->vfu, addr, data);
	vfu_unlock(m->vfu);
	return vector;
}

static uint32_t
word(uint32_t i)
{
	return atomic_exchange(&mem[i], 0);
}

static void
check_reset_state(void)
{
	uint32_t i;

	for (i = 0; i < N; i++) {
		assert_int_equal(get(i * 16), 0);
		assert_int_equal(get(i * 16 + 4), 0);
		assert_int_equal(get(i * 16 + 8), 0);
		assert_int_equal(get(i * 16 + 12), MASK);
	}
	assert_int_equal(get(PBA), 0);
	assert_int_equal(get(PBA + 4), 0);
}

static void
test_table(void **state)
{
	uint64_t both = 0;

	check_reset_state();
	set(0x30, 0xfee0123f);
	set(0x34, 0xabcd);
	set(0x38, 0x55aa);
	set(0x3c, UINT32_MAX & ~MASK);
	/* Bits that are reserved are 0. */
	assert_int_equal(get(0x30), 0xfee0123c);
	assert_int_equal(get(0x34), 0xabcd);
	assert_int_equal(get(0x38), 0x55aa);
	assert_int_equal(get(0x3c), 0);
	assert_int_equal(peer_read(&p, BAR, 0x30, &both, 8), 0);
	assert_true(both == 0xabcdfee0123cull);
	both = 0x100000077ull;
	assert_int_equal(peer_write(&p, BAR, 0x38, &both, 8), 0);
	assert_int_equal(get(0x38), 0x77);
	assert_int_equal(get(0x3c), MASK);
	/* Neighbours, and the last one. */
	assert_int_equal(get(0x20), 0);
	assert_int_equal(get(0x40), 0);
	set((N - 1) * 16 + 8, 3);
	assert_int_equal(get((N - 1) * 16 + 8), 3);
	assert_int_equal(plain_counts(m).reads + plain_counts(m).writes, 0);
}

static void
test_table_refused(void **state)
{
	static const struct {
		uint32_t off;
		uint32_t len;
	} bad[] = { { 0, 1 }, { 0, 2 }, { 2, 4 }, { 1, 4 }, { 4, 8 }, { 12, 8 }, { 0, 12 },
		{ 0, 16 }, { 0, 4096 }, { N * 16 - 1, 1 }, { N * 16 - 4, 8 }, { PBA, 1 },
		{ PBA, 2 }, { PBA + 4, 8 }, { PBA - 4, 8 }, { PBA, 16 }, { PBA + 7, 1 } };
	uint8_t buf[4096] = { 0 };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(peer_read(&p, BAR, bad[i].off, buf, bad[i].len), EINVAL);
		assert_int_equal(peer_write(&p, BAR, bad[i].off, buf, bad[i].len), EINVAL);
	}
	check_reset_state();
	assert_int_equal(plain_counts(m).reads + plain_counts(m).writes, 0);
	/* What lies beside is the model's. */
	assert_int_equal(peer_read(&p, BAR, N * 16, buf, 1), 0);
	assert_int_equal(peer_read(&p, BAR, PBA + 8, buf, 3), 0);
	assert_int_equal(peer_write(&p, BAR, PBA - 4, buf, 4), 0);
	assert_int_equal(plain_counts(m).reads, 2);
	assert_int_equal(plain_counts(m).writes, 1);
	/* So is the same place of another BAR. */
	assert_int_equal(peer_read(&p, 0, 0, buf, 1), 0);
	assert_int_equal(plain_counts(m).reads, 3);
}

/* QEMU's way: nobody writes the table. */
static void
test_never_written(void **state)
{
	attach_all();
	fire(0);
	fire(N - 1);
	fire(N - 1);
	fire(N); /* not there */
	fire(UINT32_MAX);
	assert_int_equal(events(0), 1);
	assert_int_equal(events(1), 0);
	assert_int_equal(events(N - 1), 2);
	assert_int_equal(get(PBA), 0);
	assert_int_equal(stats().msgs_eventfd, 3);
	/* Looking at it is not writing it. */
	assert_int_equal(get(12), MASK);
	set(PBA, UINT32_MAX);
	set(PBA + 4, UINT32_MAX);
	fire(0);
	assert_int_equal(events(0), 1);
	assert_int_equal(get(PBA), 0);
}

/* No eventfd yet: held, and sent when there is one, once. */
static void
test_no_eventfd(void **state)
{
	fire(3);
	fire(3);
	fire(5);
	assert_int_equal(get(PBA), 1u << 3 | 1u << 5);
	attach(2, efds[2]);
	attach(3, efds[3]);
	assert_int_equal(events(2), 0);
	assert_int_equal(events(3), 1);
	assert_int_equal(get(PBA), 1u << 5);
	/* Taken away, and given back. */
	attach(3, -1);
	fire(3);
	assert_int_equal(events(3), 0);
	attach(3, efds[4]);
	assert_int_equal(events(4), 1);
	assert_int_equal(get(PBA), 1u << 5);
	/* The same for one whose entry is written. */
	entry(5, WINDOW, 5, 0);
	assert_int_equal(get(PBA), 1u << 5);
	attach(5, efds[5]);
	assert_int_equal(events(5), 1);
	assert_int_equal(get(PBA), 0);
}

static void
test_masked(void **state)
{
	attach_all();
	entry(1, WINDOW, 1, MASK);
	fire(1);
	fire(1);
	assert_int_equal(events(1), 0);
	assert_int_equal(get(PBA), 1u << 1);
	set(1 * 16 + 12, MASK); /* again */
	assert_int_equal(events(1), 0);
	set(1 * 16 + 12, 0);
	assert_int_equal(events(1), 1);
	assert_int_equal(get(PBA), 0);
	set(1 * 16 + 12, 0);
	assert_int_equal(events(1), 0);
	fire(1);
	assert_int_equal(events(1), 1);
	/* The others were not touched. */
	fire(2);
	assert_int_equal(events(2), 1);
	/* Masked by a client that writes no address. */
	set(2 * 16 + 12, MASK);
	fire(2);
	assert_int_equal(events(2), 0);
	set(2 * 16 + 12, 0);
	assert_int_equal(events(2), 1);
	fire(2);
	assert_int_equal(events(2), 1);
}

static void
test_memory(void **state)
{
	attach_all();
	entry(0, MEM + 8, 0xabc, 0);
	fire(0);
	assert_int_equal(word(2), 0xabc);
	assert_int_equal(events(0), 0);
	assert_int_equal(stats().msgs_memory, 1);
	/* The last word, one behind, and where it may not write. */
	entry(0, MEM + 4092, 2, 0);
	fire(0);
	assert_int_equal(word(1023), 2);
	entry(0, MEM_RO, 3, 0);
	fire(0);
	entry(0, NOWHERE, 3, 0);
	fire(0);
	assert_int_equal(stats().msgs_faulted, 2);
	assert_int_equal(stats().msgs_memory, 2);
	assert_int_equal(get(PBA), 0);
	assert_int_equal(p.stash_len, 0);
	/* Masked, moved and unmasked: to the new place only. */
	entry(0, WINDOW, 4, MASK);
	fire(0);
	entry(0, MEM, 5, MASK);
	assert_int_equal(word(0), 0);
	entry(0, MEM, 6, 0);
	assert_int_equal(word(0), 6);
	assert_int_equal(events(0), 0);
	/* Held for want of an eventfd, then moved to memory while it is not masked. */
	attach(1, -1);
	entry(1, WINDOW, 1, 0);
	fire(1);
	set(16 + 8, 7);
	assert_int_equal(get(PBA), 2);
	set(16 + 4, MEM >> 32);
	assert_int_equal(get(PBA), 0); /* to nowhere: half of the address is the old one */
	assert_int_equal(stats().msgs_faulted, 3);
}

static void
test_window(void **state)
{
	static const struct {
		uint64_t addr;
		bool inside;
	} edges[] = { { WINDOW - 4, false }, { WINDOW, true }, { WINDOW + 0xffffc, true },
		{ WINDOW + 0x100000, false }, { 1ull << 32 | WINDOW, false }, { 0, false },
		{ UINT64_MAX, false } };
	uint64_t faults = 0;
	size_t i;

	attach_all();
	for (i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
		entry(4, edges[i].addr, 9, 0);
		fire(4);
		faults += !edges[i].inside;
		assert_int_equal(events(4), edges[i].inside);
		assert_int_equal(stats().msgs_faulted, faults);
		assert_int_equal(find(edges[i].addr & ~3ull, 9), edges[i].inside ? 4 : -1);
	}
}

static void
config_flags(uint16_t flags)
{
	assert_int_equal(peer_write(&p, CONFIG, FLAGS, &flags, 2), 0);
}

/* Enable alone means nothing; Function Mask counts with it. */
static void
test_function_mask(void **state)
{
	attach_all();
	entry(1, WINDOW, 1, 0);
	entry(2, MEM, 2, 0);
	config_flags(PCI_MSIX_FLAGS_MASKALL);
	fire(0);
	assert_int_equal(events(0), 1);
	config_flags(PCI_MSIX_FLAGS_ENABLE);
	fire(0);
	assert_int_equal(events(0), 1);
	config_flags(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_int_equal(find(WINDOW, 1), -1);
	fire(0);
	fire(1);
	fire(2);
	fire(2);
	assert_int_equal(events(0) + events(1) + word(0), 0);
	assert_int_equal(get(PBA), 7);
	/* Writing entries, or attaching, does not get round it. */
	entry(1, WINDOW, 1, 0);
	attach(0, efds[0]);
	assert_int_equal(events(0) + events(1), 0);
	config_flags(PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(events(0), 1);
	assert_int_equal(events(1), 1);
	assert_int_equal(word(0), 2);
	assert_int_equal(get(PBA), 0);
	/* What is masked by itself stays so. */
	entry(1, WINDOW, 1, MASK);
	config_flags(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	fire(1);
	fire(3);
	config_flags(0);
	assert_int_equal(events(3), 1);
	assert_int_equal(events(1), 0);
	assert_int_equal(get(PBA), 2);
}

static void
test_bus_master(void **state)
{
	attach_all();
	entry(2, MEM, 2, 0);
	peer_bus_master(&p, false);
	fire(0);
	fire(0);
	fire(2);
	assert_int_equal(events(0), 0);
	assert_int_equal(word(0), 0);
	assert_int_equal(get(PBA), 5);
	peer_bus_master(&p, true);
	assert_int_equal(events(0), 1);
	assert_int_equal(word(0), 2);
	assert_int_equal(get(PBA), 0);
}

static void
test_reset(void **state)
{
	uint8_t flr = 0x80;
	int i;

	for (i = 0; i < 2; i++) {
		attach_all();
		entry(0, WINDOW, 1, MASK);
		entry(1, MEM, 2, 0);
		entry(2, WINDOW, 3, 0);
		config_flags(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
		fire(0);
		fire(7);
		if (i == 0)
			assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
		else
			assert_int_equal(peer_write(&p, CONFIG, 0x59, &flr, 1), 0);
		check_reset_state();
		peer_bus_master(&p, true);
		assert_int_equal(find(WINDOW, 3), -1);
		/* Eventfds are as before, and entries as if never written. */
		fire(1);
		assert_int_equal(events(0), 0);
		assert_int_equal(events(1), 1);
		assert_int_equal(events(7), 0);
		assert_int_equal(word(0), 0);
	}
	/* A model that resets itself leaves the table alone. */
	entry(0, WINDOW, 1, MASK);
	attach(3, -1);
	fire(0);
	fire(3);
	vfu_lock(m->vfu);
	vfu_msix_forget(m->vfu);
	vfu_unlock(m->vfu);
	assert_int_equal(get(PBA), 0);
	set(12, 0);
	attach(3, efds[3]);
	assert_int_equal(events(0) + events(3), 0);
	assert_int_equal(get(0), WINDOW);
}

/* A message is found by an entry that could send it now, and by no other. */
static void
test_find(void **state)
{
	assert_int_equal(find(WINDOW, 0), -1);
	attach(1, efds[1]);
	assert_int_equal(find(0, 0), -1); /* not written */
	entry(1, WINDOW + 0x1f8, 7, 0);
	assert_int_equal(find(WINDOW + 0x1f8, 7), 1);
	assert_int_equal(find(WINDOW + 0x1f8, 6), -1);
	assert_int_equal(find(WINDOW + 0x1fc, 7), -1);
	assert_int_equal(find(1ull << 32 | (WINDOW + 0x1f8), 7), -1);
	set(16 + 12, MASK);
	assert_int_equal(find(WINDOW + 0x1f8, 7), -1);
	set(16 + 12, 0);
	attach(1, -1);
	assert_int_equal(find(WINDOW + 0x1f8, 7), -1);
	attach(1, efds[1]);
	assert_int_equal(find(WINDOW + 0x1f8, 7), 1);
	peer_bus_master(&p, false);
	assert_int_equal(find(WINDOW + 0x1f8, 7), -1);
	peer_bus_master(&p, true);
	/* Two of the same; one changes. */
	attach(4, efds[4]);
	entry(4, WINDOW + 0x1f8, 7, 0);
	assert_true(find(WINDOW + 0x1f8, 7) > 0);
	set(16 + 8, 8);
	assert_int_equal(find(WINDOW + 0x1f8, 7), 4);
	assert_int_equal(find(WINDOW + 0x1f8, 8), 1);
	entry(4, MEM, 7, 0);
	assert_int_equal(find(WINDOW + 0x1f8, 7), -1);
	assert_int_equal(find(MEM, 7), -1);
}

/* Against a model that looks at all entries each time. */
static void
test_find_random(void **state)
{
	struct {
		uint32_t addr, data, ctrl;
		bool fd;
	} naive[N] = { { 0 } };
	uint32_t i, v, addr, data;
	int found;

	for (v = 0; v < N; v++)
		naive[v].ctrl = MASK;
	srand(1);
	for (i = 0; i < 3000; i++) {
		v = rand() % N;
		switch (rand() % 4) {
		case 0:
			naive[v].addr = WINDOW + rand() % 3 * 4;
			set(v * 16, naive[v].addr);
			break;
		case 1:
			naive[v].data = rand() % 3;
			set(v * 16 + 8, naive[v].data);
			break;
		case 2:
			naive[v].ctrl = rand() % 4 == 0;
			set(v * 16 + 12, naive[v].ctrl);
			break;
		default:
			naive[v].fd = rand() % 4 != 0;
			attach(v, naive[v].fd ? efds[v] : -1);
		}
		addr = WINDOW + rand() % 3 * 4;
		data = rand() % 3;
		found = find(addr, data);
		if (found >= 0)
			assert_true(naive[found].addr == addr && naive[found].data == data &&
				    naive[found].ctrl == 0 && naive[found].fd);
		for (v = 0; v < N && found < 0; v++)
			assert_false(naive[v].addr == addr && naive[v].data == data &&
				     naive[v].ctrl == 0 && naive[v].fd);
	}
}

/* Full counters, with and without O_NONBLOCK: an event is there already, and nobody waits. */
static void
test_full_counter(void **state)
{
	const uint64_t full = UINT64_MAX - 1;
	uint64_t n;
	int i, fds[2] = { eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), eventfd(0, EFD_CLOEXEC) };

	for (i = 0; i < 2; i++) {
		assert_int_equal(write(fds[i], &full, sizeof(full)), sizeof(full));
		attach(0, fds[i]);
		fire(0);
		assert_int_equal(get(PBA), 0);
		assert_int_equal(read(fds[i], &n, sizeof(n)), sizeof(n));
		assert_true(n == full);
		fire(0);
		assert_int_equal(read(fds[i], &n, sizeof(n)), sizeof(n));
		assert_int_equal(n, 1);
		/* The flag is the client's. */
		assert_int_equal((fcntl(fds[i], F_GETFL) & O_NONBLOCK) != 0, i == 0);
		close(fds[i]);
	}
}

/* Where the table may lie. */
static void
test_conf(void **state)
{
	static const struct vfu_model_ops ops = { .reset = NULL };
	static const struct {
		uint16_t n;
		uint8_t bar;
		uint32_t table;
		uint32_t pba;
		bool good;
	} confs[] = {
		{ 8, 2, 0, 0x800, true }, { 8, 2, 0, 0x80, true }, { 8, 2, 0x8, 0, true },
		{ 8, 2, 0xf80, 0xf78, true }, { 8, 2, 0, 0x78, false }, /* one into the other */
		{ 8, 2, 0x8, 0x4, false },                              /* not aligned */
		{ 8, 2, 0x4, 0x800, false }, { 8, 2, 0xf88, 0, false }, /* over the end */
		{ 8, 2, 0, 0x1000, false }, { 8, 2, 0, 0xfffffff8, false },
		{ 65, 2, 0, 0xff0, true }, { 65, 2, 0, 0xff8, false },
		{ 8, 3, 0, 0x800, false }, /* no such BAR */
		{ 8, 6, 0, 0x800, false }, { 8, 255, 0, 0x800, false },
		{ 2049, 0, 0x10000, 0x8000, false }, { 2048, 0, 0x10000, 0x8000, true },
		{ 8, 0, 0x1000, 0x8000, false }, /* mappable */
		{ 8, 0, 0xf88, 0x8000, false }, { 8, 0, 0x8000, 0x1ff8, false },
		{ 8, 0, 0xf80, 0x2000, true }, { 0, 255, 1, 1, true }, /* none */
	};
	size_t i;

	for (i = 0; i < sizeof(confs) / sizeof(confs[0]); i++) {
		struct vfu_conf conf = {
			.bars[0] = { .size = 0x20000,
				.fd = -1,
				.n_areas = 1,
				.areas = { { 0x1000, 0x1000 } } },
			.bars[2] = { .size = 0x1000, .fd = -1 },
			.n_msix = confs[i].n,
			.msix_bar = confs[i].bar,
			.msix_table = confs[i].table,
			.msix_pba = confs[i].pba,
			.ops = &ops,
		};
		struct vfu *vfu = vfu_create(&conf);

		if ((vfu != NULL) != confs[i].good)
			fail_msg("case %zu", i);
		if (vfu != NULL)
			vfu_destroy(vfu);
		else
			assert_int_equal(errno, EINVAL);
	}
}

static atomic_bool hog_stop;

/* A model's thread that always has work. */
static void *
hog_thread(void *arg)
{
	uint32_t i;

	while (!atomic_load(&hog_stop)) {
		vfu_lock_last(m->vfu);
		for (i = 0; i < 1000 && !vfu_lock_wanted(m->vfu); i++)
			vfu_msix_fire(m->vfu, i % N);
		vfu_unlock(m->vfu);
	}
	return NULL;
}

static atomic_bool hog_has;

static void *
last_thread(void *arg)
{
	vfu_lock_last(m->vfu);
	atomic_store(&hog_has, true);
	vfu_unlock(m->vfu);
	return NULL;
}

/* A thread that always has work does not get the lock, free or not, while another one wants it. */
static void
test_lock_last(void **state)
{
	pthread_t thread;

	atomic_store(&hog_has, false);
	atomic_fetch_add(&m->vfu->lock_wanted, 1);
	assert_int_equal(pthread_create(&thread, NULL, last_thread, NULL), 0);
	usleep(20000);
	assert_false(atomic_load(&hog_has));
	atomic_fetch_sub(&m->vfu->lock_wanted, 1);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&hog_has));
}

/* It fires vectors all the time, and the client still gets through, to change them. */
static void
test_threads(void **state)
{
	pthread_t thread;
	uint32_t i;

	atomic_store(&hog_stop, false);
	attach_all();
	assert_int_equal(pthread_create(&thread, NULL, hog_thread, NULL), 0);
	for (i = 0; i < 500; i++) {
		entry(i % N, i % 3 == 0 ? MEM + 4 * (i % N) : WINDOW, i, i % 5 == 0);
		attach(i % N, i % 7 == 0 ? -1 : efds[i % N]);
	}
	atomic_store(&hog_stop, true);
	pthread_join(thread, NULL);
	for (i = 0; i < N; i++) {
		attach(i, efds[i]);
		entry(i, WINDOW, i, 0);
		events(i);
	}
	assert_int_equal(get(PBA), 0);
	for (i = 0; i < N; i++) {
		fire(i);
		assert_int_equal(events(i), 1);
		assert_int_equal(find(WINDOW, i), i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_table, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_eventfd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_masked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_window, setup, teardown),
		cmocka_unit_test_setup_teardown(test_function_mask, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bus_master, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find_random, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_counter, setup, teardown),
		cmocka_unit_test(test_conf),
		cmocka_unit_test_setup_teardown(test_lock_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
