/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * queue_dev as a guest sees it: through the guest kernel's vfio-pci, with nothing of the library in
 * between. What is QEMU's part is looked at here: the MSI-X table that the device never sees,
 * memory that reaches it a page at a time, trapped and mapped parts of the BAR, messages by
 * DMA_WRITE.
 *
 *   queue_dev_raw BDF
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "queue_dev_regs.h"

#define IOVA      0x100000000ull
#define MEM_LEN   0x400000u
#define N_VECTORS 4
#define LOG       9 /* rings of more pages than one */

#define CHECK(expr)                                                                 \
	do {                                                                        \
		if (!(expr)) {                                                      \
			printf("line %d: %s (errno %d)\n", __LINE__, #expr, errno); \
			exit(1);                                                    \
		}                                                                   \
	} while (0)

static int device;
static uint8_t *bar;
static uint8_t *msix;
static uint8_t *mem;
static int efds[N_VECTORS];
static uint32_t cmd_tail;
static uint32_t cell;
static uint32_t seq;

static _Atomic(uint32_t) *
reg(uint32_t off)
{
	return (_Atomic(uint32_t) *)(bar + off);
}

static _Atomic(uint64_t) *
reg64(uint32_t off)
{
	return (_Atomic(uint64_t) *)(bar + off);
}

static void *
at(uint64_t iova)
{
	return mem + (iova - IOVA);
}

static uint64_t
config_offset(void)
{
	struct vfio_region_info info = { .argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX };

	CHECK(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) == 0);
	return info.offset;
}

static void *
map_region(uint32_t index, size_t len)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };
	void *addr;

	CHECK(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info) == 0);
	CHECK(info.size >= len && (info.flags & VFIO_REGION_INFO_FLAG_MMAP) != 0);
	addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, device, info.offset);
	CHECK(addr != MAP_FAILED);
	return addr;
}

static void
open_device(const char *bdf)
{
	int container = open("/dev/vfio/vfio", O_RDWR), group;
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = IOVA,
		.size = MEM_LEN };
	char path[128], link[128] = { 0 };
	uint16_t command;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	CHECK(container >= 0 && readlink(path, link, sizeof(link) - 1) > 0);
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);
	group = open(path, O_RDWR);
	CHECK(group >= 0 && ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) == 0);
	CHECK(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU) == 0);
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	CHECK(device >= 0);
	/* Small pages, so that the device gets each by itself. */
	mem = mmap(NULL, MEM_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED && madvise(mem, MEM_LEN, MADV_NOHUGEPAGE) == 0);
	memset(mem, 0, MEM_LEN);
	map.vaddr = (uintptr_t)mem;
	CHECK(ioctl(container, VFIO_IOMMU_MAP_DMA, &map) == 0);
	CHECK(pread(device, &command, 2, config_offset() + PCI_COMMAND) == 2);
	command |= PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	CHECK(pwrite(device, &command, 2, config_offset() + PCI_COMMAND) == 2);
	bar = map_region(QUEUE_DEV_BAR, QUEUE_DEV_BAR_SIZE);
	msix = map_region(QUEUE_DEV_MSIX_BAR, 4096);
}

static void
enable_vectors(void)
{
	struct {
		struct vfio_irq_set set;
		int32_t fds[N_VECTORS];
	} irqs = {
		.set = { .argsz = sizeof(irqs),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_MSIX_IRQ_INDEX,
			.count = N_VECTORS },
	};
	uint32_t i;

	for (i = 0; i < N_VECTORS; i++)
		irqs.fds[i] = efds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	CHECK(ioctl(device, VFIO_DEVICE_SET_IRQS, &irqs) == 0);
}

/* Events of a vector, waiting for the first. */
static uint64_t
events(uint32_t vector, int timeout_ms)
{
	struct pollfd pfd = { .fd = efds[vector], .events = POLLIN };
	uint64_t n = 0;

	if (poll(&pfd, 1, timeout_ms) == 1)
		CHECK(read(efds[vector], &n, sizeof(n)) == sizeof(n));
	return n;
}

static bool
wait64(_Atomic(uint64_t) *word, uint64_t mask, uint64_t val)
{
	int i;

	for (i = 0; i < 10000; i++) {
		if ((atomic_load(word) & mask) == val)
			return true;
		usleep(1000);
	}
	return false;
}

static uint32_t
command(struct queue_dev_cmd cmd)
{
	struct queue_dev_cmd *entry = (struct queue_dev_cmd *)at(IOVA) + cmd_tail++ % 256;
	_Atomic(uint64_t) *done = (_Atomic(uint64_t) *)&entry->done;

	cmd.token = cmd_tail;
	*entry = cmd;
	atomic_store(reg(QUEUE_DEV_REG_CMDQ_TAIL), cmd_tail);
	CHECK(wait64(done, 0xffffffffull << 32, (uint64_t)cmd.token << 32));
	return atomic_load(done);
}

static uint32_t
with_ctx(uint8_t op, struct queue_dev_ctx ctx)
{
	struct queue_dev_cmd cmd = {
		.op = op, .number = ctx.number, .ctx = IOVA + 0x5000, .ctx_seq = ++seq
	};

	if (op == QUEUE_DEV_CMD_MODIFY_MSG)
		cmd.kind = QUEUE_DEV_KIND_QUEUE;
	ctx.seq = seq;
	memcpy(at(cmd.ctx), &ctx, sizeof(ctx));
	return command(cmd);
}

static uint32_t
message(uint64_t addr, uint32_t data)
{
	struct queue_dev_ctx ctx = { .msg_addr = addr,
		.msg_data = data,
		.number = 3,
		.signature = QUEUE_DEV_CTX_SIGNATURE(QUEUE_DEV_KIND_QUEUE) };

	return with_ctx(QUEUE_DEV_CMD_MODIFY_MSG, ctx);
}

static uint32_t
bind_intr(uint16_t intr)
{
	return command((struct queue_dev_cmd){ .op = QUEUE_DEV_CMD_MODIFY_INTR,
		.kind = QUEUE_DEV_KIND_QUEUE,
		.number = 3,
		.intr = intr });
}

/* V1 to V4 of the data sheet. */
static void
ring(uint64_t db)
{
	_Atomic(uint64_t) *cells = reg64(QUEUE_DEV_PORTALS_OFF);

	CHECK(wait64(&cells[cell], UINT64_MAX, 0));
	atomic_store_explicit(&cells[cell], db, memory_order_release);
	cell = (cell + 1) % QUEUE_DEV_PORTAL_CELLS;
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(reg(QUEUE_DEV_STATUS_OFF), memory_order_relaxed) != 0)
		atomic_store(reg64(QUEUE_DEV_REG_DOORBELL), QUEUE_DEV_DB(QUEUE_DEV_DB_WAKE, 0, 0));
}

static struct queue_dev_desc *sq;
static struct queue_dev_cqe *cq;
static uint32_t tail;

/* Submit, and wait until it is done. */
static uint32_t
submit(struct queue_dev_desc desc)
{
	uint32_t i = tail++ % (1 << LOG);
	uint64_t owner = (tail - 1) >> LOG & 1 ? 0 : 1ull << 63;

	sq[i] = desc;
	ring(QUEUE_DEV_DB(QUEUE_DEV_DB_SQ_TAIL, 3, tail));
	CHECK(wait64((_Atomic(uint64_t) *)&cq[i].sq_head, 1ull << 63, owner));
	CHECK(cq[i].sq_head == tail);
	return cq[i].status & QUEUE_DEV_CQE_STATUS_MASK;
}

static void
event(void)
{
	ring(QUEUE_DEV_DB(QUEUE_DEV_DB_CQ_ARM, 3, tail));
	CHECK(submit((struct queue_dev_desc){ 0 }) == 0);
}

static void
test_queue(void)
{
	struct queue_dev_ctx ctx = { .msg_addr = IOVA + 0x7000,
		.msg_data = 0x77,
		.ring = IOVA + 0x20000,
		.cq = IOVA + 0x40000,
		.log_size = LOG,
		.cq_log_size = LOG,
		.intr = QUEUE_DEV_INTR_OWN,
		.eqn = QUEUE_DEV_EQN_NONE,
		.number = 3,
		.signature = QUEUE_DEV_CTX_SIGNATURE(QUEUE_DEV_KIND_QUEUE) };
	struct queue_dev_desc copy = { .op = QUEUE_DEV_OP_COPY,
		.len = 0x100000,
		.src = IOVA + 0x100003,
		.dst = IOVA + 0x200001 };
	uint8_t *from = at(IOVA + 0x100000);
	uint32_t i;

	sq = at(ctx.ring);
	cq = at(ctx.cq);
	CHECK(with_ctx(QUEUE_DEV_CMD_QUEUE_CREATE, ctx) == 0);
	for (i = 0; i < 3 << LOG; i++)
		CHECK(submit((struct queue_dev_desc){ .cookie = i }) == 0);
	for (i = 0; i < 0x100010; i++)
		from[i] = i * 31 + (i >> 8);
	CHECK(submit(copy) == 0);
	CHECK(memcmp(from + 3, at(IOVA + 0x200001), 0x100000) == 0);
	/* A message to memory. */
	event();
	CHECK(wait64(at(IOVA + 0x7000), UINT64_MAX, 0x77));
	CHECK(atomic_load(reg(QUEUE_DEV_REG_ERROR)) == 0);
}

/* The table is QEMU's: the device signals eventfds. */
static void
test_msix(void)
{
	uint32_t i;

	CHECK(bind_intr(2) == 0);
	for (i = 0; i < 20; i++) {
		event();
		CHECK(events(2, 5000) == 1);
	}
	CHECK(events(1, 0) == 0 && events(3, 0) == 0);
	CHECK(command((struct queue_dev_cmd){ .flags = QUEUE_DEV_CMD_F_INTR }) == 0);
	CHECK(events(1, 5000) == 1);
	atomic_store(reg64(QUEUE_DEV_REG_DOORBELL), 99);
	CHECK(events(0, 5000) == 1);
	CHECK(atomic_load(reg(QUEUE_DEV_REG_ERROR)) == QUEUE_DEV_ERROR_DOORBELL);
	CHECK(atomic_load(reg64(QUEUE_DEV_REG_ERROR_ARG)) == 99);
	atomic_store(reg(QUEUE_DEV_REG_ERROR), QUEUE_DEV_ERROR_DOORBELL);
}

/* The message that the guest kernel composed for vector 3, borrowed by the queue. */
static void
test_borrowed(void)
{
	_Atomic(uint32_t) *entry = (_Atomic(uint32_t) *)(msix + 3 * PCI_MSIX_ENTRY_SIZE);
	uint64_t addr = atomic_load(&entry[0]) | (uint64_t)atomic_load(&entry[1]) << 32;
	uint32_t i;

	CHECK(addr >> 20 == 0xfee);
	CHECK(message(addr, atomic_load(&entry[2])) == 0);
	CHECK(bind_intr(QUEUE_DEV_INTR_OWN) == 0);
	for (i = 0; i < 20; i++) {
		event();
		CHECK(events(3, 5000) == 1);
	}
	CHECK(events(2, 0) == 0);
	CHECK(atomic_load(reg(QUEUE_DEV_REG_ERROR)) == 0);
	/* And to memory again. */
	CHECK(message(IOVA + 0x7008, 0x88) == 0);
	event();
	CHECK(wait64(at(IOVA + 0x7008), UINT64_MAX, 0x88));
	CHECK(events(3, 0) == 0);
}

static void
test_reset(void)
{
	uint32_t resets = atomic_load(reg(QUEUE_DEV_REG_RESETS));

	CHECK(ioctl(device, VFIO_DEVICE_RESET) == 0);
	CHECK(atomic_load(reg(QUEUE_DEV_REG_RESETS)) > resets);
	CHECK(atomic_load(reg(QUEUE_DEV_REG_CMDQ_CTRL)) == 0);
	CHECK(atomic_load(reg64(QUEUE_DEV_REG_PORTAL_MASK)) == 0);
}

int
main(int argc, char **argv)
{
	CHECK(argc == 2);
	open_device(argv[1]);
	CHECK(atomic_load(reg(QUEUE_DEV_REG_ID)) == QUEUE_DEV_ID_MAGIC);
	CHECK(atomic_load(reg(QUEUE_DEV_REG_VERSION)) == QUEUE_DEV_VERSION);
	atomic_store(reg64(QUEUE_DEV_REG_CMDQ_BASE), IOVA);
	atomic_store(reg(QUEUE_DEV_REG_CMDQ_CTRL),
		QUEUE_DEV_CMDQ_CTRL_ENABLE | 8 << QUEUE_DEV_CMDQ_CTRL_LOG_SHIFT);
	CHECK(atomic_load(reg(QUEUE_DEV_REG_CMDQ_CTRL)) != 0);
	atomic_store(reg(QUEUE_DEV_REG_PORTAL_ENABLE), 0);
	enable_vectors();
	test_queue();
	test_msix();
	test_borrowed();
	test_reset();
	printf("queue_dev_raw: good\n");
	return 0;
}
