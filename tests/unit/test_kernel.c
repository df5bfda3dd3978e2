/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The kernel backend on a kernel that this test plays: sysfs and /dev are folders of its own,
 * ioctls are answered here. What a real kernel does is shown in a guest; this is for what no
 * packaged kernel has (iommufd), and for failures that a real one does not produce when asked.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_errno.h>

#include "../count_fds.h"
#include "fake_dev.h"

static char root[] = "/tmp/ims-kernel-XXXXXX";

static int
fake_ioctl(int fd, unsigned long request, ...);

static int
fake_access(const char *path, int mode);

static DIR *
fake_opendir(const char *path);

#define VK_SYSFS root_path("sys")
#define VK_DEV   root_path("dev")
static const char *
root_path(const char *name);
#define ioctl   fake_ioctl
#define access  fake_access
#define opendir fake_opendir

#include "../../lib/vfio/ims_vfio_container.c"
#include "../../lib/vfio/ims_vfio_iommufd.c"
#include "../../lib/vfio/ims_vfio_kernel.c"
#include "../../lib/vfio/ims_vfio_kernel_event.c"
#undef ioctl
#undef access
#undef opendir

#define BDF "0000:3b:00.0"

/* What the kernel is asked for, and what it says. */
static struct {
	int bind_error;
	int attach_error;
	int set_irqs;   /* < 0: -errno, else the ioctl's result */
	uint64_t last;  /* highest address that can be mapped */
	uint32_t avail; /* maps, type 1 */
	unsigned int n_maps;
	unsigned int n_unmaps;
	uint64_t map_iova;
	uint32_t map_flags;
	int err_fd;
	int req_fd;
	uint32_t class_rev;
	unsigned int n_calls;
	unsigned int fail_at; /* of n_calls, with fail_error */
	int fail_error;
	unsigned long failed; /* the request that did */
	bool failed_msix;     /* it asked for MSI-X */
	const char *hidden;   /* how a path ends that cannot be looked at, with hidden_error */
	int hidden_error;
} kernel;

static const char *
root_path(const char *name)
{
	static char path[2][128];
	static int n;

	n ^= 1;
	snprintf(path[n], sizeof(path[n]), "%s/%s", root, name);
	return path[n];
}

static int
answer(int error)
{
	errno = error;
	return error != 0 ? -1 : 0;
}

static bool
is_hidden(const char *path)
{
	size_t n = strlen(path), end = kernel.hidden != NULL ? strlen(kernel.hidden) : SIZE_MAX;

	return n >= end && strcmp(path + n - end, kernel.hidden) == 0;
}

static int
fake_access(const char *path, int mode)
{
	return is_hidden(path) ? answer(kernel.hidden_error) : access(path, mode);
}

static DIR *
fake_opendir(const char *path)
{
	if (!is_hidden(path))
		return opendir(path);
	errno = kernel.hidden_error;
	return NULL;
}

static int
fake_ranges(struct iommufd_ioas_iova_ranges *arg)
{
	struct iommufd_iova_range *range = (void *)(uintptr_t)arg->allowed_iovas;

	assert_true(arg->num_iovas >= 2);
	range[0] = (struct iommufd_iova_range){ 0, 0xfedfffff };
	range[1] = (struct iommufd_iova_range){ 0xfef00000, kernel.last };
	arg->num_iovas = 2;
	return 0;
}

static int
fake_set_irqs(const struct vfio_irq_set *set)
{
	if (set->index == VFIO_PCI_ERR_IRQ_INDEX)
		memcpy(&kernel.err_fd, set->data, sizeof(int));
	else if (set->index == VFIO_PCI_REQ_IRQ_INDEX)
		memcpy(&kernel.req_fd, set->data, sizeof(int));
	else if (kernel.set_irqs < 0)
		return answer(-kernel.set_irqs);
	else
		return kernel.set_irqs;
	return 0;
}

/* A container's limits, with their capabilities when there is room. */
static int
fake_iommu_info(struct vfio_iommu_type1_info *info)
{
	struct {
		struct vfio_iommu_type1_info info;
		struct vfio_iommu_type1_info_cap_iova_range range;
		struct vfio_iova_range ranges[1];
		struct vfio_iommu_type1_info_dma_avail avail;
	} full = {
		.info = { .argsz = sizeof(full),
			.flags = VFIO_IOMMU_INFO_CAPS,
			.cap_offset = offsetof(typeof(full), range) },
		.range = { .header = { .id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
				   .version = 1,
				   .next = offsetof(typeof(full), avail) },
			.nr_iovas = 1 },
		.ranges = { { 0, kernel.last } },
		.avail = { .header = { .id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .version = 1 },
			.avail = kernel.avail },
	};

	if (info->argsz >= sizeof(full))
		memcpy(info, &full, sizeof(full));
	else
		info->argsz = sizeof(full);
	return 0;
}

static int
fake_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (++kernel.n_calls == kernel.fail_at) {
		kernel.failed = request;
		kernel.failed_msix =
			request == VFIO_DEVICE_GET_IRQ_INFO &&
			((struct vfio_irq_info *)arg)->index == VFIO_PCI_MSIX_IRQ_INDEX;
		return answer(kernel.fail_error);
	}
	switch (request) {
	case VFIO_CDEV_BIND_IOMMUFD:
		return answer(kernel.bind_error);
	case VFIO_CDEV_ATTACH_IOAS:
		assert_int_equal(((struct vfio_cdev_attach *)arg)->pt_id, 7);
		return answer(kernel.attach_error);
	case IOMMUFD_IOAS_ALLOC:
		((struct iommufd_ioas_alloc *)arg)->out_ioas_id = 7;
		return 0;
	case IOMMUFD_IOAS_IOVA_RANGES:
		return fake_ranges(arg);
	case IOMMUFD_IOAS_MAP:
		kernel.n_maps++;
		kernel.map_iova = ((struct iommufd_ioas_map *)arg)->iova;
		kernel.map_flags = ((struct iommufd_ioas_map *)arg)->flags;
		return 0;
	case IOMMUFD_IOAS_UNMAP:
		kernel.n_unmaps++;
		return 0;
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)arg)->flags = VFIO_GROUP_FLAGS_VIABLE;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
	case VFIO_SET_IOMMU:
	case VFIO_GET_API_VERSION:
		return 0;
	case VFIO_CHECK_EXTENSION:
		return 1;
	case VFIO_IOMMU_GET_INFO:
		return fake_iommu_info(arg);
	case VFIO_GROUP_GET_DEVICE_FD:
		return dup(fd);
	case VFIO_IOMMU_MAP_DMA:
		kernel.n_maps++;
		return 0;
	case VFIO_IOMMU_UNMAP_DMA:
		kernel.n_unmaps++;
		return 0;
	case VFIO_DEVICE_RESET:
		return 0;
	case VFIO_DEVICE_GET_INFO:
		((struct vfio_device_info *)arg)->num_regions = 9;
		((struct vfio_device_info *)arg)->num_irqs = 5;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		if (((struct vfio_region_info *)arg)->index == VFIO_PCI_VGA_REGION_INDEX)
			return answer(EINVAL);
		((struct vfio_region_info *)arg)->size =
			((struct vfio_region_info *)arg)->index == VFIO_PCI_CONFIG_REGION_INDEX
				? 4096
				: 0;
		return 0;
	case VFIO_DEVICE_GET_IRQ_INFO:
		((struct vfio_irq_info *)arg)->count =
			((struct vfio_irq_info *)arg)->index == VFIO_PCI_MSIX_IRQ_INDEX ? 16 : 1;
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		return fake_set_irqs(arg);
	}
	fail_msg("ioctl %#lx", request);
	return -1;
}

static void
make(const char *path, bool dir)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	if (dir) {
		assert_int_equal(mkdir(full, 0700), 0);
		return;
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fclose(f);
}

static void
link_to(const char *target, const char *path)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", root, path);
	unlink(full);
	assert_int_equal(symlink(target, full), 0);
}

/* Configuration space is the device's file. */
static void
set_class(uint32_t class_rev)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s/dev/vfio/devices/vfio3", root);
	f = fopen(full, "r+");
	assert_non_null(f);
	fseek(f, PCI_CLASS_REVISION, SEEK_SET);
	assert_int_equal(fwrite(&class_rev, sizeof(class_rev), 1, f), 1);
	fclose(f);
}

static int
setup_root(void **state)
{
	if (mkdtemp(root) == NULL)
		return -1;
	make("sys", true);
	make("sys/" BDF, true);
	make("sys/" BDF "/vfio-dev", true);
	make("sys/" BDF "/vfio-dev/vfio3", true);
	make("dev", true);
	make("dev/iommu", false);
	make("dev/vfio", true);
	make("dev/vfio/vfio", false);
	make("dev/vfio/11", false);
	make("dev/vfio/devices", true);
	make("dev/vfio/devices/vfio3", false);
	link_to("../drivers/vfio-pci", "sys/" BDF "/driver");
	link_to("../../kernel/iommu_groups/11", "sys/" BDF "/iommu_group");
	set_class(0x01080200);
	return 0;
}

static int
teardown_root(void **state)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	return system(cmd);
}

static int
setup(void **state)
{
	memset(&kernel, 0, sizeof(kernel));
	kernel.last = (1ull << 39) - 1;
	kernel.avail = 2;
	kernel.err_fd = kernel.req_fd = -1;
	return 0;
}

/* One that another thread, of EAL or a sanitizer, has for a moment is not ours. */
static void
no_more_fds(unsigned int fds)
{
	unsigned int tries = 0;

	while (count_fds() > fds && tries++ < 10000)
		usleep(1000);
	assert_int_equal(count_fds(), fds);
}

static struct ims_vfio *
open_dev(void)
{
	return ims_vfio_kernel_open("pci:" BDF, BDF, 1000);
}

/* Where there is a character device, it is taken; no group is. */
static void
test_iommufd(void **state)
{
	const struct ims_vfio_dma_map map = { .iova = 0x100000000, .len = 8192 };
	struct ims_vfio *v = open_dev();

	assert_non_null(v);
	assert_ptr_equal(vk_from(v)->iommu, &vk_iommufd_ops);
	assert_int_equal(vk_from(v)->group, -1);
	assert_int_equal(v->irqs[VFIO_PCI_MSIX_IRQ_INDEX].count, 16);
	assert_int_equal(v->ops->dma_map(v, 0x100000000, (void *)0x100000000, 8192, -1, 0), 0);
	assert_int_equal(kernel.map_iova, 0x100000000);
	assert_int_equal(kernel.map_flags, 7); /* fixed, writeable, readable */
	assert_int_equal(v->ops->dma_unmap(v, &map), 0);
	assert_int_equal(kernel.n_unmaps, 1);
	v->ops->close(v);
}

/* Ranges end where they end, and a map must lie in one of them. */
static void
test_ranges(void **state)
{
	static const struct {
		uint64_t iova;
		size_t len;
		bool good;
	} cases[] = {
		{ 0, 4096, true },
		{ 0xfedff000, 4096, true },
		{ 0xfedff000, 8192, false },
		{ 0xfee00000, 4096, false },
		{ 0xfef00000, 4096, true },
		{ (1ull << 39) - 4096, 4096, true },
		{ (1ull << 39) - 4096, 8192, false },
		{ 1ull << 39, 4096, false },
		{ 0x7f0000000000, 4096, false },
	};
	struct ims_vfio *v = open_dev();
	unsigned int i;

	assert_non_null(v);
	for (i = 0; i < RTE_DIM(cases); i++)
		assert_int_equal(v->ops->dma_map(v, cases[i].iova, NULL, cases[i].len, -1, 0),
			cases[i].good ? 0 : -EINVAL);
	assert_int_equal(kernel.n_maps, 4);
	v->ops->close(v);
}

static void
test_refused(void **state)
{
	static const int errors[] = { EBUSY, EPERM, EINVAL, ENOMEM };
	unsigned int i;

	for (i = 0; i < RTE_DIM(errors); i++) {
		setup(NULL);
		kernel.bind_error = errors[i];
		assert_null(open_dev());
		assert_int_equal(rte_errno, errors[i]);
		setup(NULL);
		kernel.attach_error = errors[i];
		assert_null(open_dev());
		assert_int_equal(rte_errno, errors[i]);
	}
}

/* Without the character device: group and container, whose limits come from there. */
static void
test_container(void **state)
{
	char node[256], away[256];
	struct ims_vfio *v;

	snprintf(node, sizeof(node), "%s/dev/iommu", root);
	snprintf(away, sizeof(away), "%s/dev/away", root);
	assert_int_equal(rename(node, away), 0);
	v = open_dev();
	assert_int_equal(rename(away, node), 0);
	assert_non_null(v);
	assert_ptr_equal(vk_from(v)->iommu, &vk_container_ops);
	assert_int_equal(vk_from(v)->max_maps, 2);
	assert_int_equal(v->ops->dma_map(v, 1ull << 39, NULL, 4096, -1, 0), -EINVAL);
	assert_int_equal(v->ops->dma_map(v, 0, NULL, 4096, -1, 0), 0);
	v->n_dma_maps = 2; /* as ims_vfio_dma.c counts */
	assert_int_equal(v->ops->dma_map(v, 8192, NULL, 4096, -1, 0), -ENOSPC);
	assert_int_equal(kernel.n_maps, 1);
	v->ops->close(v);
}

/* Only where one of its parts is not there; why that cannot be known is told. */
static void
test_way_unknown(void **state)
{
	static const char *const parts[] = { "/dev/iommu", "/vfio-dev", "/devices/vfio3" };
	static const struct {
		int error;
		int rc;
	} cases[] = {
		{ ENOENT, 0 },
		{ ENOTDIR, 0 },
		{ EACCES, EACCES },
		{ EMFILE, EMFILE },
		{ ENOMEM, ENOMEM },
	};
	unsigned int i, n, fds = count_fds();
	struct ims_vfio *v;

	for (i = 0; i < RTE_DIM(parts); i++)
		for (n = 0; n < RTE_DIM(cases); n++) {
			kernel.hidden = parts[i];
			kernel.hidden_error = cases[n].error;
			rte_errno = 0;
			v = open_dev();
			assert_int_equal(rte_errno, cases[n].rc);
			assert_int_equal(v != NULL, cases[n].rc == 0);
			if (v == NULL)
				continue;
			assert_ptr_equal(vk_from(v)->iommu, &vk_container_ops);
			v->ops->close(v);
		}
	no_more_fds(fds);
}

/* A positive answer is how many vectors could have been had; none is enabled. */
static void
test_too_many_vectors(void **state)
{
	struct ims_vfio *v = open_dev();
	int fds[4] = { -1, -1, -1, -1 };

	assert_non_null(v);
	kernel.set_irqs = 2;
	assert_int_equal(v->ops->irq_set(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, 4, fds), -ENOSPC);
	kernel.set_irqs = -EBUSY;
	assert_int_equal(v->ops->irq_set(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, 4, fds), -EBUSY);
	kernel.set_irqs = 0;
	assert_int_equal(v->ops->irq_set(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, 4, fds), 0);
	assert_int_equal(v->ops->irq_set(v, VFIO_PCI_MSIX_IRQ_INDEX, 13, 4, fds), -EINVAL);
	v->ops->close(v);
}

static atomic_int events[IMS_VFIO_EVENT_MAX];

static void
on_event(void *arg, enum ims_vfio_dev_event event)
{
	events[event]++;
}

static void
await(atomic_int *n, int want)
{
	int i;

	for (i = 0; i < 20000 && *n < want; i++)
		usleep(1000);
	assert_int_equal(*n, want);
}

/* Errors and requests to release, again and again; removed only when it reads as gone. */
static void
test_events(void **state)
{
	struct ims_vfio *v = open_dev();
	const uint64_t one = 1;

	assert_non_null(v);
	assert_true(kernel.err_fd >= 0 && kernel.req_fd >= 0);
	vk_from(v)->offset[VFIO_PCI_CONFIG_REGION_INDEX] = 0;
	ims_vfio_event_notify(v, on_event, NULL);
	assert_int_equal(write(kernel.err_fd, &one, sizeof(one)), sizeof(one));
	await(&events[IMS_VFIO_EVENT_ERROR], 1);
	assert_int_equal(write(kernel.req_fd, &one, sizeof(one)), sizeof(one));
	await(&events[IMS_VFIO_EVENT_RELEASE], 1);
	assert_int_equal(events[IMS_VFIO_EVENT_REMOVED], 0);
	set_class(UINT32_MAX);
	assert_int_equal(write(kernel.req_fd, &one, sizeof(one)), sizeof(one));
	await(&events[IMS_VFIO_EVENT_RELEASE], 2);
	assert_int_equal(events[IMS_VFIO_EVENT_REMOVED], 1);
	assert_true(v->removed);
	set_class(0x01080200);
	v->ops->close(v);
}

/* All that is asked of a device, until something fails. */
static int
live(void)
{
	const struct ims_vfio_dma_map map = { .iova = 0x1000, .len = 4096 };
	struct ims_vfio *v = open_dev();
	int fds[4] = { -1, -1, -1, -1 }, rc;

	if (v == NULL)
		return -rte_errno;
	rc = v->ops->irq_set(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, 4, fds);
	if (rc == 0)
		rc = v->ops->irq_set(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0, NULL);
	if (rc == 0)
		rc = v->ops->dma_map(v, 0x1000, NULL, 4096, -1, 0);
	if (rc == 0)
		rc = v->ops->dma_unmap(v, &map);
	if (rc == 0)
		rc = v->ops->reset(v);
	v->ops->close(v);
	return rc;
}

/* What an error means that is more than "it failed". */
static int
expected(unsigned long request, int error)
{
	switch (request) {
	case VFIO_GET_API_VERSION:
	case VFIO_CHECK_EXTENSION:
		return -ENOTSUP;
	case VFIO_DEVICE_GET_REGION_INFO:
	case VFIO_DEVICE_GET_IRQ_INFO:
		return error == EINVAL && !kernel.failed_msix ? 0 : -error; /* there is none */
	case VFIO_DEVICE_RESET:
		return error == EINVAL ? -ENOTSUP : -error;
	default:
		return -error;
	}
}

/* Each call of the kernel fails once with each error: told, and nothing is left. */
static void
fail_each(void)
{
	static const int errors[] = { EINVAL, ENOMEM, ENOSPC, EMFILE, EINTR, EAGAIN, EBUSY, EPERM,
		ENODEV, EIO };
	unsigned int n, i, calls, fds;
	int rc;

	setup(NULL);
	assert_int_equal(live(), 0);
	calls = kernel.n_calls;
	assert_true(calls > 20);
	fds = count_fds();
	for (n = 1; n <= calls; n++)
		for (i = 0; i < RTE_DIM(errors); i++) {
			setup(NULL);
			kernel.fail_at = n;
			kernel.fail_error = errors[i];
			rc = live();
			assert_true(kernel.failed != 0);
			if (rc != expected(kernel.failed, errors[i]))
				fail_msg("ioctl %#lx, error %d: %d", kernel.failed, errors[i], rc);
			no_more_fds(fds);
		}
	print_message("%u calls of the kernel, %u failures\n", calls,
		calls * (unsigned int)RTE_DIM(errors));
}

static void
test_failures_iommufd(void **state)
{
	fail_each();
}

static void
test_failures_container(void **state)
{
	char node[256], away[256];

	snprintf(node, sizeof(node), "%s/dev/iommu", root);
	snprintf(away, sizeof(away), "%s/dev/away", root);
	assert_int_equal(rename(node, away), 0);
	fail_each();
	assert_int_equal(rename(away, node), 0);
}

static void
test_bad_names(void **state)
{
	static const char *const bad[] = { "", "3b:00.0", "0000:3b:00", "0000:3b:00.8",
		"0000:3b:00.0x", "0000:3g:00.0", "../../etc" };
	unsigned int i;

	for (i = 0; i < RTE_DIM(bad); i++) {
		assert_null(ims_vfio_kernel_open("pci:bad", bad[i], 1000));
		assert_int_equal(rte_errno, EINVAL);
	}
	assert_null(ims_vfio_kernel_open("pci:none", "0000:3c:00.0", 1000));
	assert_int_equal(rte_errno, ENODEV);
	link_to("../drivers/e1000e", "sys/" BDF "/driver");
	assert_null(open_dev());
	assert_int_equal(rte_errno, EBUSY);
	link_to("../drivers/vfio-pci", "sys/" BDF "/driver");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_iommufd, setup),
		cmocka_unit_test_setup(test_ranges, setup),
		cmocka_unit_test_setup(test_refused, setup),
		cmocka_unit_test_setup(test_container, setup),
		cmocka_unit_test_setup(test_way_unknown, setup),
		cmocka_unit_test_setup(test_too_many_vectors, setup),
		cmocka_unit_test_setup(test_events, setup),
		cmocka_unit_test_setup(test_failures_iommufd, setup),
		cmocka_unit_test_setup(test_failures_container, setup),
		cmocka_unit_test_setup(test_bad_names, setup),
	};

	fake_eal_init();
	return cmocka_run_group_tests(tests, setup_root, teardown_root);
}
