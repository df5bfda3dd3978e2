/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <fcntl.h>
#include <unistd.h>

#include <linux/vfio.h>
#include <rte_eal.h>
#include <rte_malloc.h>

#include "fuzz_dev.h"

#define MSG_BASE   0xfee00000u
#define MAX_PIECES 512
#define MAX_MEMORY (64u << 20)
#define TABLE_MAX \
	64 /* vectors of the device's own table: one for each index costs more than the rest */
#define MAX_BAR_MEM (1u << 20)

struct fuzz_dev fuzz_dev;

/* DPDK memory: what is in use, from an allocator that a sanitizer sees. */
static struct piece {
	void *addr; /* NULL: not in use */
	size_t len;
} pieces[MAX_PIECES];
static unsigned int n_pieces; /* none in use has a higher place */
static size_t in_use;

struct ims_vfio *
__wrap_ims_vfio_open(const char *name, uint32_t timeout_ms);
int
__wrap_ims_vfio_dma_start(struct ims_vfio *v);
struct rte_ims_table *
__wrap_ims_table_new_locked(struct rte_ims_dev *dev, const char *name, uint32_t size);
struct rte_ims_table *
__real_ims_table_new_locked(struct rte_ims_dev *dev, const char *name, uint32_t size);
void *
__wrap_rte_zmalloc(const char *type, size_t size, unsigned int align);
void *
__wrap_rte_zmalloc_socket(const char *type, size_t size, unsigned int align, int socket);
void
__wrap_rte_free(void *addr);

struct ims_vfio *
__wrap_ims_vfio_open(const char *name, uint32_t timeout_ms)
{
	return &fuzz_dev.v;
}

/* A walk through all of DPDK's segments, each time: not for this. */
int
__wrap_ims_vfio_dma_start(struct ims_vfio *v)
{
	return fuzz_dev_answer();
}

struct rte_ims_table *
__wrap_ims_table_new_locked(struct rte_ims_dev *dev, const char *name, uint32_t size)
{
	return __real_ims_table_new_locked(dev, name, RTE_MIN(size, (uint32_t)TABLE_MAX));
}

/* The one at addr; NULL: one that is not in use. */
static struct piece *
piece_find(const void *addr)
{
	unsigned int i;

	for (i = 0; i < MAX_PIECES; i++)
		if (pieces[i].addr == addr)
			return &pieces[i];
	abort(); /* freed, or never allocated; or too many */
}

void *
__wrap_rte_zmalloc(const char *type, size_t size, unsigned int align)
{
	struct piece *piece = piece_find(NULL);
	void *addr;

	fuzz_check(size <= MAX_MEMORY - in_use);
	if (size == 0 || posix_memalign(&addr, RTE_MAX(align, 64u), size) != 0)
		return NULL;
	memset(addr, 0, size);
	piece->addr = addr;
	piece->len = size;
	in_use += size;
	n_pieces = RTE_MAX(n_pieces, (unsigned int)(piece - pieces) + 1);
	return addr;
}

void *
__wrap_rte_zmalloc_socket(const char *type, size_t size, unsigned int align, int socket)
{
	return __wrap_rte_zmalloc(type, size, align);
}

void
__wrap_rte_free(void *addr)
{
	struct piece *piece;

	if (addr == NULL)
		return;
	piece = piece_find(addr);
	in_use -= piece->len;
	piece->addr = NULL;
	free(addr);
}

bool
fuzz_dev_memory(uint64_t addr, size_t len)
{
	unsigned int i;

	for (i = 0; i < n_pieces; i++)
		if (pieces[i].addr != NULL && addr >= (uintptr_t)pieces[i].addr &&
			len <= pieces[i].len &&
			addr - (uintptr_t)pieces[i].addr <= pieces[i].len - len)
			return true;
	return false;
}

int
fuzz_dev_answer(void)
{
	if (atomic_load(&fuzz_dev.v.removed))
		return -ENODEV;
	if (fuzz_dev.n_fail == 0)
		return 0;
	fuzz_dev.n_fail--;
	return fuzz_dev.fail;
}

void
fuzz_dev_misbehave(uint8_t n_fail, uint8_t fail, uint8_t n_lies)
{
	static const int errors[] = { -ETIMEDOUT, -EIO, -EINVAL, -ENOSPC, -EPROTO };

	fuzz_dev.n_fail = n_fail;
	fuzz_dev.fail = errors[fail % RTE_DIM(errors)];
	fuzz_dev.n_lies = n_lies;
	fuzz_dev.honest = fuzz_dev.honest && n_fail == 0 && n_lies == 0;
}

/* Nothing beyond a region is asked for. */
static void
check_range(const struct ims_vfio *v, uint32_t region, uint64_t off, size_t len)
{
	fuzz_check(region < v->n_regions && len <= v->regions[region].size &&
		   off <= v->regions[region].size - len);
}

static uint8_t *
at(uint32_t region, uint64_t off)
{
	if (region == VFIO_PCI_CONFIG_REGION_INDEX)
		return fuzz_dev.cfg + off;
	return region < PCI_STD_NUM_BARS ? fuzz_dev.mem[region] + off : NULL;
}

static int
dev_read(struct ims_vfio *v, uint32_t region, uint64_t off, void *buf, size_t len)
{
	int rc;

	check_range(v, region, off, len);
	rc = fuzz_dev_answer();
	if (rc != 0)
		return rc;
	if (fuzz_dev.n_lies != 0) {
		fuzz_dev.n_lies--;
		fuzz_take(fuzz_dev.in, buf, len);
		return 0;
	}
	if (region < PCI_STD_NUM_BARS && fuzz_dev.access != NULL)
		return fuzz_dev.access(region, off, buf, len, false);
	memcpy(buf, at(region, off), len);
	return 0;
}

static int
dev_write(struct ims_vfio *v, uint32_t region, uint64_t off, const void *buf, size_t len)
{
	uint8_t copy[8];
	int rc;

	check_range(v, region, off, len);
	fuzz_check(len <= sizeof(copy));
	rc = fuzz_dev_answer();
	if (rc != 0)
		return rc;
	memcpy(copy, buf, len);
	if (region < PCI_STD_NUM_BARS && fuzz_dev.access != NULL)
		return fuzz_dev.access(region, off, copy, len, true);
	memcpy(at(region, off), buf, len);
	return 0;
}

static int
dev_irq_set(struct ims_vfio *v, uint32_t index, uint32_t start, uint32_t count, const int *fds)
{
	int rc = fuzz_dev_answer();

	fuzz_check(index < v->n_irqs && count <= v->irqs[index].count &&
		   start <= v->irqs[index].count - count);
	if (rc == 0 && fuzz_dev.irq_set != NULL)
		rc = fuzz_dev.irq_set(index, start, count, fds);
	return rc;
}

static int
dev_reset(struct ims_vfio *v)
{
	int rc = fuzz_dev_answer();

	/* Not answered: done all the same. */
	if ((rc == 0 || rc == -ETIMEDOUT) && fuzz_dev.reset != NULL)
		fuzz_dev.reset();
	return rc;
}

static int
dev_msg_alloc(struct ims_vfio *v, const struct ims_vfio_sink *sink, struct ims_vfio_msg *msg)
{
	int rc = fuzz_dev_answer();

	if (rc != 0)
		return rc;
	msg->addr = MSG_BASE + 16 * ++fuzz_dev.next_msg;
	msg->data = fuzz_dev.next_msg;
	fuzz_dev.n_msgs++;
	return 0;
}

static void
dev_msg_retarget(
	struct ims_vfio *v, const struct ims_vfio_msg *msg, const struct ims_vfio_sink *sink)
{
}

/* Only what has been given out comes back. */
static void
dev_msg_free(struct ims_vfio *v, const struct ims_vfio_msg *msg)
{
	fuzz_check(fuzz_dev.n_msgs-- != 0 && msg->addr > MSG_BASE && msg->data != 0 &&
		   msg->data <= fuzz_dev.next_msg && msg->addr == MSG_BASE + 16 * msg->data);
}

/* The library's own thread reads the source. */
static int
dev_source_take(struct ims_vfio *v, const void *reader)
{
	return -EBUSY;
}

static void
dev_close(struct ims_vfio *v)
{
	fuzz_check(fuzz_dev.n_msgs == 0);
}

#define KERNEL_OPS                                                              \
	.close = dev_close, .region_read = dev_read, .region_write = dev_write, \
	.irq_set = dev_irq_set, .reset = dev_reset

static const struct ims_vfio_ops kernel_ops = { KERNEL_OPS };
static const struct ims_vfio_ops own_ops = {
	KERNEL_OPS,
	.msg_alloc = dev_msg_alloc,
	.msg_retarget = dev_msg_retarget,
	.msg_free = dev_msg_free,
	.source_take = dev_source_take,
};

void
fuzz_dev_init(void)
{
	static char name[] = "fuzz", no_huge[] = "--no-huge", no_pci[] = "--no-pci",
		    no_shconf[] = "--no-shconf", no_telemetry[] = "--no-telemetry", m[] = "-m",
		    mb[] = "16", l[] = "-l", zero[] = "0";
	char *args[] = { name, no_huge, no_pci, no_shconf, no_telemetry, m, mb, l, zero };

	rte_log_set_global_level(RTE_LOG_EMERG);
	fuzz_check(rte_eal_init(RTE_DIM(args), args) >= 0);
	rte_log_set_global_level(RTE_LOG_EMERG);
	ims_irq_proc = "/nonexistent";
}

static int
free_fd(void)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

	fuzz_check(fd >= 0);
	close(fd);
	return fd;
}

void
fuzz_dev_start(struct fuzz_in *in, bool own)
{
	memset(&fuzz_dev, 0, sizeof(fuzz_dev));
	fuzz_dev.in = in;
	fuzz_dev.honest = true;
	fuzz_dev.first_fd = free_fd();
	ims_vfio_init(&fuzz_dev.v, own ? &own_ops : &kernel_ops, "fuzz", 1000);
	fuzz_dev.v.n_regions = VFIO_PCI_CONFIG_REGION_INDEX + 1;
	fuzz_dev.v.n_irqs = VFIO_PCI_MSIX_IRQ_INDEX + 1;
	fuzz_dev.v.regions[VFIO_PCI_CONFIG_REGION_INDEX].size = sizeof(fuzz_dev.cfg);
}

void
fuzz_dev_bar(uint32_t bar, uint64_t size, uint64_t mapped)
{
	struct ims_vfio_region *region = &fuzz_dev.v.regions[bar];

	fuzz_check(size <= MAX_BAR_MEM && mapped <= size && fuzz_dev.mem[bar] == NULL);
	region->size = size;
	fuzz_dev.mem[bar] = calloc(1, size);
	fuzz_check(fuzz_dev.mem[bar] != NULL);
	if (mapped == 0)
		return;
	region->n_areas = 1;
	region->areas[0].size = mapped;
	region->areas[0].addr = fuzz_dev.mem[bar];
}

struct rte_ims_dev *
fuzz_dev_open(const struct rte_ims_dev_conf *conf)
{
	struct rte_ims_dev *dev = rte_ims_dev_open("pci:fuzz", conf);

	fuzz_check(dev != NULL || (rte_errno > 0 && rte_errno < 4096));
	return dev;
}

void
fuzz_dev_end(void)
{
	uint32_t i;

	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		free(fuzz_dev.mem[i]);
		fuzz_dev.v.regions[i].n_areas = 0; /* no mapping of the kernel's */
	}
	ims_vfio_fini(&fuzz_dev.v);
	fuzz_check(free_fd() == fuzz_dev.first_fd);
	/* A device that may still write there keeps it. */
	fuzz_check(!fuzz_dev.honest || in_use == 0);
	for (i = 0; i < n_pieces; i++)
		if (pieces[i].addr != NULL)
			__wrap_rte_free(pieces[i].addr);
	n_pieces = 0;
}
