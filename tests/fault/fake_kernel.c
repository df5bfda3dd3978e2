/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A kernel with one PCI device, bound to vfio-pci: files in a folder of ours in the place of those
 * in /sys, /dev and /proc, and answers to ioctl(). The device has MSI or MSI-X, and IMS in a BAR.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../../lib/vfio/ims_iommufd_abi.h"

#include "fake_kernel.h"
#include "fault.h"

#define NODE       "/dev/vfio/devices/vfio3"
#define SYSFS      "/sys/bus/pci/devices/" FAKE_BDF
#define CFG_SIZE   4096
#define BAR_SIZE   4096
#define MSI_CAP    0x40
#define MSIX_CAP   0x60
#define MSIX_TABLE 0x800 /* in the BAR */

static char root[] = "/tmp/ims-kernel-XXXXXX";

struct fake_kernel fake_kernel;

static void
full_path(char *full, const char *path)
{
	snprintf(full, PATH_MAX, "%s%s", root, path);
}

static void
make_file(const char *path, const void *data, size_t len)
{
	char full[PATH_MAX], *slash;
	FILE *f;

	full_path(full, path);
	for (slash = full + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	f = fopen(full, "w");
	if (f == NULL || fwrite(data, 1, len, f) != len || fclose(f) != 0)
		abort();
}

static void
make_text(const char *path, const char *text)
{
	make_file(path, text, strlen(text));
}

static void
make_link(const char *path, const char *target)
{
	char full[PATH_MAX];

	full_path(full, path);
	if (symlink(target, full) != 0)
		abort();
}

/* Configuration space, and the BAR behind it. */
static void
make_device(void)
{
	static uint8_t mem[CFG_SIZE + BAR_SIZE];
	const uint32_t addr = 0xfee00010; /* the remappable format */
	uint16_t *cfg = (uint16_t *)(void *)mem;
	unsigned int i;

	cfg[PCI_VENDOR_ID / 2] = FAKE_VENDOR;
	cfg[PCI_DEVICE_ID / 2] = FAKE_DEVICE;
	cfg[PCI_STATUS / 2] = PCI_STATUS_CAP_LIST;
	mem[PCI_CAPABILITY_LIST] = MSI_CAP;
	mem[MSI_CAP] = PCI_CAP_ID_MSI;
	cfg[(MSI_CAP + PCI_MSI_FLAGS) / 2] = PCI_MSI_FLAGS_64BIT;
	memcpy(mem + MSI_CAP + PCI_MSI_ADDRESS_LO, &addr, sizeof(addr));
	mem[MSI_CAP + PCI_CAP_LIST_NEXT] = MSIX_CAP;
	mem[MSIX_CAP] = PCI_CAP_ID_MSIX;
	cfg[(MSIX_CAP + PCI_MSIX_FLAGS) / 2] = FAKE_N_VECS - 1;
	cfg[(MSIX_CAP + PCI_MSIX_TABLE) / 2] = MSIX_TABLE;
	cfg[(MSIX_CAP + PCI_MSIX_PBA) / 2] = MSIX_TABLE + 0x100;
	for (i = 0; i < FAKE_N_VECS; i++)
		memcpy(mem + CFG_SIZE + MSIX_TABLE + i * PCI_MSIX_ENTRY_SIZE, &addr, sizeof(addr));
	make_file(NODE, mem, sizeof(mem));
}

void
fake_kernel_make(void)
{
	char target[PATH_MAX];

	if (mkdtemp(root) == NULL)
		abort();
	make_device();
	make_text("/dev/iommu", "");
	make_text("/dev/vfio/vfio", "");
	make_text("/dev/vfio/11", "");
	make_text(SYSFS "/numa_node", "0\n");
	make_text(SYSFS "/vfio-dev/vfio3/uevent", "");
	make_link(SYSFS "/driver", "../drivers/vfio-pci");
	make_link(SYSFS "/iommu_group", "../../kernel/iommu_groups/11");
	full_path(target, NODE);
	make_link(SYSFS "/config", target);
	make_text("/proc/interrupts",
		"           CPU0\n 24:  7  IR-PCI-MSI  524288-edge  vfio-msi[0](" FAKE_BDF ")\n"
		" 25:  7  IR-PCI-MSIX  0-edge  vfio-msix[0](" FAKE_BDF ")\n");
	make_text("/proc/irq/24/smp_affinity_list", "0\n");
	make_text("/proc/irq/24/effective_affinity_list", "0\n");
}

void
fake_kernel_remove(void)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	if (system(cmd) != 0)
		abort();
}

const char *
fault_path(const void *caller, const char *path)
{
	static const char *const ours[] = { "/sys/bus/pci/", "/dev/vfio/", "/dev/iommu",
		"/proc/interrupts", "/proc/irq/" };
	static __thread char full[PATH_MAX];
	unsigned int i;

	if (!fault_is_ours(caller) || (fake_kernel.no_iommufd && strcmp(path, "/dev/iommu") == 0))
		return path;
	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strncmp(path, ours[i], strlen(ours[i])) == 0) {
			full_path(full, path);
			return full;
		}
	return path;
}

static int
region_info(struct vfio_region_info *info)
{
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	info->size = 0;
	if (info->index == VFIO_PCI_CONFIG_REGION_INDEX) {
		info->size = CFG_SIZE;
		info->offset = 0;
	} else if (info->index == VFIO_PCI_BAR0_REGION_INDEX) {
		info->size = BAR_SIZE;
		info->offset = CFG_SIZE;
		info->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	}
	return 0;
}

static int
irq_info(struct vfio_irq_info *info)
{
	info->flags = VFIO_IRQ_INFO_EVENTFD;
	info->count = 0;
	if (info->index == (fake_kernel.msix ? VFIO_PCI_MSIX_IRQ_INDEX : VFIO_PCI_MSI_IRQ_INDEX))
		info->count = FAKE_N_VECS;
	else if (info->index == VFIO_PCI_ERR_IRQ_INDEX || info->index == VFIO_PCI_REQ_IRQ_INDEX)
		info->count = 1;
	return 0;
}

static int
set_irqs(const struct vfio_irq_set *set)
{
	int *fds = set->index == VFIO_PCI_ERR_IRQ_INDEX ? &fake_kernel.err_fd : fake_kernel.fds;
	uint32_t i;

	for (i = 0; i < set->count && set->index != VFIO_PCI_REQ_IRQ_INDEX; i++)
		memcpy(&fds[set->start + i], set->data + i * sizeof(int), sizeof(int));
	return 0;
}

static int
iova_ranges(struct iommufd_ioas_iova_ranges *arg)
{
	struct iommufd_iova_range *range = (void *)(uintptr_t)arg->allowed_iovas;

	range->start = 0;
	range->last = (1ull << 48) - 1;
	arg->num_iovas = 1;
	return 0;
}

static int
open_node(void)
{
	char full[PATH_MAX];

	full_path(full, NODE);
	return open(full, O_RDWR | O_CLOEXEC);
}

static int
answer(unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return 1;
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags = VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		return open_node();
	case IOMMUFD_IOAS_IOVA_RANGES:
		return iova_ranges(arg);
	case VFIO_DEVICE_GET_INFO:
		((struct vfio_device_info *)arg)->num_regions = VFIO_PCI_NUM_REGIONS;
		((struct vfio_device_info *)arg)->num_irqs = VFIO_PCI_NUM_IRQS;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return irq_info(arg);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(arg);
	}
	return 0; /* what the fields of its argument say is right already */
}

int
ioctl(int fd, unsigned long request, ...)
{
	static const int ways[] = { ENOMEM, EINTR, 0 };
	const void *caller = __builtin_return_address(0);
	int error = fault_here("ioctl", caller, ways);
	int (*real)(int, unsigned long, ...);
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (error != 0) {
		errno = error;
		return -1;
	}
	if (fault_is_ours(caller))
		return answer(request, arg);
	*(void **)(uintptr_t)&real = dlsym(RTLD_NEXT, "ioctl");
	return real(fd, request, arg);
}
