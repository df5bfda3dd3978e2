/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The capability walk, on configuration spaces that a device could make up. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "ims_vfio.h"

static uint8_t cfg[256];
static int fail;

static int
cfg_read(struct ims_vfio *v, uint32_t region, uint64_t off, void *buf, size_t len)
{
	assert_int_equal(region, VFIO_PCI_CONFIG_REGION_INDEX);
	assert_true(off + len <= sizeof(cfg));
	memcpy(buf, cfg + off, len);
	return fail;
}

static int
cfg_write(struct ims_vfio *v, uint32_t region, uint64_t off, const void *buf, size_t len)
{
	memcpy(cfg + off, buf, len);
	return fail;
}

static const struct ims_vfio_ops ops = { .region_read = cfg_read, .region_write = cfg_write };
static struct ims_vfio v = {
	.ops = &ops,
	.n_regions = IMS_VFIO_MAX_REGIONS,
	.regions[VFIO_PCI_CONFIG_REGION_INDEX].size = sizeof(cfg),
};

static int
setup(void **state)
{
	memset(cfg, 0, sizeof(cfg));
	cfg[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	fail = 0;
	return 0;
}

static void
cap(uint8_t pos, uint8_t id, uint8_t next)
{
	cfg[pos] = id;
	cfg[pos + 1] = next;
}

static void
test_found(void **state)
{
	cfg[PCI_CAPABILITY_LIST] = 0x40;
	cap(0x40, PCI_CAP_ID_PM, 0x50);
	cap(0x50, PCI_CAP_ID_MSIX, 0x60);
	cap(0x60, PCI_CAP_ID_EXP, 0);
	assert_int_equal(ims_pci_cap_find(&v, PCI_CAP_ID_PM), 0x40);
	assert_int_equal(ims_pci_cap_find(&v, PCI_CAP_ID_MSIX), 0x50);
	assert_int_equal(ims_pci_cap_find(&v, PCI_CAP_ID_EXP), 0x60);
	assert_int_equal(ims_pci_cap_find(&v, PCI_CAP_ID_MSI), 0);
}

static void
test_no_list(void **state)
{
	cfg[PCI_STATUS] = 0;
	cfg[PCI_CAPABILITY_LIST] = 0x40;
	cap(0x40, PCI_CAP_ID_PM, 0);
	assert_int_equal(ims_pci_cap_find(&v, PCI_CAP_ID_PM), 0);
}

static void
test_loop(void **state)
{
	cfg[PCI_CAPABILITY_LIST] = 0x40;
	cap(0x40, PCI_CAP_ID_PM, 0x50);
	cap(0x50, PCI_CAP_ID_EXP, 0x40);
	assert_int_equal(ims_pci_cap_find(&v, PCI_CAP_ID_MSIX), -EPROTO);
	cap(0x50, PCI_CAP_ID_EXP, 0x50);
	assert_int_equal(ims_pci_cap_find(&v, PCI_CAP_ID_MSIX), -EPROTO);
}

static void
test_into_header(void **state)
{
	cfg[PCI_CAPABILITY_LIST] = 0x10;
	assert_int_equal(ims_pci_cap_find(&v, PCI_CAP_ID_PM), -EPROTO);
	cfg[PCI_CAPABILITY_LIST] = 0x3c;
	assert_int_equal(ims_pci_cap_find(&v, PCI_CAP_ID_PM), -EPROTO);
}

static void
test_last_position(void **state)
{
	cfg[PCI_CAPABILITY_LIST] = 0xff; /* the two low bits are reserved: 0xfc */
	cap(0xfc, PCI_CAP_ID_PM, 0);
	assert_int_equal(ims_pci_cap_find(&v, PCI_CAP_ID_PM), 0xfc);
}

static void
test_command(void **state)
{
	assert_int_equal(ims_pci_command(&v, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY, 0), 0);
	assert_int_equal(cfg[PCI_COMMAND], 6);
	assert_int_equal(ims_pci_command(&v, 0, PCI_COMMAND_MASTER), 0);
	assert_int_equal(cfg[PCI_COMMAND], 2);
	fail = -EIO;
	assert_int_equal(ims_pci_command(&v, PCI_COMMAND_MASTER, 0), -EIO);
	assert_int_equal(ims_pci_cap_find(&v, PCI_CAP_ID_PM), -EIO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_found, setup),
		cmocka_unit_test_setup(test_no_list, setup),
		cmocka_unit_test_setup(test_loop, setup),
		cmocka_unit_test_setup(test_into_header, setup),
		cmocka_unit_test_setup(test_last_position, setup),
		cmocka_unit_test_setup(test_command, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
