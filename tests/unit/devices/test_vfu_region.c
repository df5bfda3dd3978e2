/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Regions: what a client is told of them, the bounds of accesses, and configuration space. */

#include <sys/stat.h>

#include <linux/pci_regs.h>

#include "vfu_peer.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX

static struct plain *m;
static struct peer p;

static int
setup(void **state)
{
	m = plain_create();
	peer_start(&p, m->vfu);
	return 0;
}

static int
teardown(void **state)
{
	peer_stop(&p);
	plain_destroy(m);
	return 0;
}

static uint32_t
region_info(uint32_t index, uint32_t argsz, struct vfio_region_info *info)
{
	struct vfio_region_info req = { .argsz = argsz, .index = index };
	uint32_t error;

	error = peer_call(&p, VFIO_USER_DEVICE_GET_REGION_INFO, &req, sizeof(req));
	if (error == 0) {
		assert_true(p.in.len >= sizeof(*info));
		memcpy(info, p.in.data, sizeof(*info));
		assert_int_equal(info->index, index);
	}
	return error;
}

#define CAPS_LEN                                           \
	(sizeof(struct vfio_region_info_cap_sparse_mmap) + \
		2 * sizeof(struct vfio_region_sparse_mmap_area))

static void
close_passed(void)
{
	struct stat mine, theirs;

	assert_int_equal(p.in.n_fds, 1);
	assert_int_equal(fstat(m->memfd, &mine), 0);
	assert_int_equal(fstat(p.in.fds[0], &theirs), 0);
	assert_true(mine.st_ino == theirs.st_ino);
	close(p.in.fds[0]);
}

static void
test_info_small(void **state)
{
	struct vfio_region_info info;

	/* Room for the plain struct only, and for all but the last byte. */
	assert_int_equal(region_info(0, sizeof(info), &info), 0);
	assert_int_equal(p.in.len, sizeof(info));
	assert_int_equal(info.argsz, sizeof(info) + CAPS_LEN);
	assert_int_equal(info.size, PLAIN_BAR0_SIZE);
	assert_int_equal(info.flags, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
					     VFIO_REGION_INFO_FLAG_MMAP |
					     VFIO_REGION_INFO_FLAG_CAPS);
	assert_int_equal(info.cap_offset, 32);
	close_passed();
	assert_int_equal(region_info(0, sizeof(info) + CAPS_LEN - 1, &info), 0);
	assert_int_equal(p.in.len, sizeof(info));
	assert_int_equal(info.argsz, sizeof(info) + CAPS_LEN);
	close_passed();
}

static void
test_info_full(void **state)
{
	static const struct vfio_region_sparse_mmap_area expected[2] = { { 0x1000, 0x2000 },
		{ 0x8000, 0x4000 } };
	struct vfio_region_info_cap_sparse_mmap cap;
	struct vfio_region_sparse_mmap_area areas[2];
	struct vfio_region_info info;

	assert_int_equal(region_info(0, sizeof(info) + CAPS_LEN, &info), 0);
	assert_int_equal(p.in.len, sizeof(info) + CAPS_LEN);
	assert_int_equal(info.argsz, sizeof(info) + CAPS_LEN);
	assert_int_equal(info.cap_offset, 32);
	memcpy(&cap, p.in.data + info.cap_offset, sizeof(cap));
	assert_int_equal(cap.header.id, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	assert_int_equal(cap.header.version, 1);
	assert_int_equal(cap.header.next, 0);
	assert_int_equal(cap.nr_areas, 2);
	memcpy(areas, p.in.data + info.cap_offset + sizeof(cap), sizeof(areas));
	assert_memory_equal(areas, expected, sizeof(areas));
	close_passed();
	/* More room than needed changes nothing. */
	assert_int_equal(region_info(0, 4096, &info), 0);
	assert_int_equal(p.in.len, sizeof(info) + CAPS_LEN);
	assert_int_equal(info.argsz, sizeof(info) + CAPS_LEN);
	close_passed();
}

static void
test_info_others(void **state)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };
	uint32_t i;

	for (i = 1; i < 9; i++) {
		assert_int_equal(region_info(i, 4096, &info), 0);
		assert_int_equal(p.in.len, sizeof(info));
		assert_int_equal(p.in.n_fds, 0);
		assert_int_equal(info.argsz, sizeof(info));
		assert_int_equal(info.cap_offset, 0);
		assert_int_equal(info.size, i == 2 ? PLAIN_BAR2_SIZE : i == CONFIG ? 256 : 0);
		assert_int_equal(info.flags, i == 2 || i == CONFIG ? 3 : 0);
	}
	assert_int_equal(region_info(9, sizeof(info), &info), EINVAL);
	assert_int_equal(region_info(UINT32_MAX, sizeof(info), &info), EINVAL);
	assert_int_equal(region_info(0, sizeof(info) - 1, &info), EINVAL);
	assert_int_equal(
		peer_call(&p, VFIO_USER_DEVICE_GET_REGION_INFO, &info, sizeof(info) - 1), EINVAL);
}

static void
check_model(unsigned int reads, unsigned int writes)
{
	assert_int_equal(plain_counts(m).reads, reads);
	assert_int_equal(plain_counts(m).writes, writes);
}

static void
test_access(void **state)
{
	uint8_t out[4096], in[4096];
	uint32_t i;

	for (i = 0; i < sizeof(out); i++)
		out[i] = i * 7 + 1;
	assert_int_equal(peer_write(&p, 0, 0, out, 4), 0);
	assert_int_equal(peer_read(&p, 0, 0, in, 4), 0);
	assert_memory_equal(in, out, 4);
	/* First and last byte, one past, all kinds of over. */
	assert_int_equal(peer_write(&p, 0, PLAIN_BAR0_SIZE - 1, out, 1), 0);
	assert_int_equal(peer_read(&p, 0, PLAIN_BAR0_SIZE - 1, in, 1), 0);
	assert_int_equal(in[0], out[0]);
	assert_int_equal(peer_write(&p, 0, PLAIN_BAR0_SIZE - 4096, out, 4096), 0);
	assert_int_equal(peer_read(&p, 0, PLAIN_BAR0_SIZE - 4096, in, 4096), 0);
	assert_memory_equal(in, out, 4096);
	assert_int_equal(peer_write(&p, 2, PLAIN_BAR2_SIZE - 4, out, 4), 0);
	assert_int_equal(plain_counts(m).last_bar, 2);
	assert_int_equal(plain_counts(m).last_off, PLAIN_BAR2_SIZE - 4);
	assert_int_equal(plain_counts(m).last_len, 4);
	check_model(3, 4);

	assert_int_equal(peer_read(&p, 0, PLAIN_BAR0_SIZE, in, 1), EINVAL);
	assert_int_equal(peer_read(&p, 0, PLAIN_BAR0_SIZE - 1, in, 2), EINVAL);
	assert_int_equal(peer_read(&p, 0, UINT64_MAX, in, 1), EINVAL);
	assert_int_equal(peer_read(&p, 0, UINT64_MAX - 3, in, 8), EINVAL);
	assert_int_equal(peer_read(&p, 0, 0, in, 0), EINVAL);
	assert_int_equal(peer_read(&p, 0, 0, in, 65537), EINVAL);
	assert_int_equal(peer_read(&p, 0, 0, in, UINT32_MAX), EINVAL);
	assert_int_equal(peer_read(&p, 2, PLAIN_BAR2_SIZE - 3, in, 4), EINVAL);
	assert_int_equal(peer_write(&p, 0, PLAIN_BAR0_SIZE, out, 1), EINVAL);
	assert_int_equal(peer_write(&p, 0, UINT64_MAX - 3, out, 8), EINVAL);
	assert_int_equal(peer_write(&p, 0, 0, out, 0), EINVAL);
	/* Regions that are not there, or not at all. */
	assert_int_equal(peer_read(&p, 1, 0, in, 4), EINVAL); /* upper half of BAR 0 */
	assert_int_equal(peer_read(&p, 5, 0, in, 4), EINVAL);
	assert_int_equal(peer_write(&p, 6, 0, out, 4), EINVAL); /* ROM */
	assert_int_equal(peer_read(&p, 8, 0, in, 4), EINVAL);   /* VGA */
	assert_int_equal(peer_read(&p, 9, 0, in, 4), EINVAL);
	assert_int_equal(peer_write(&p, UINT32_MAX, 0, out, 4), EINVAL);
	check_model(3, 4);
}

/* count and what the message carries have to agree. */
static void
test_access_lengths(void **state)
{
	struct vfio_user_region_access acc = { .offset = 0, .region = 0, .count = 8 };
	uint8_t req[sizeof(acc) + 16] = { 0 };

	memcpy(req, &acc, sizeof(acc));
	assert_int_equal(peer_call(&p, VFIO_USER_REGION_READ, req, sizeof(acc) - 1), EINVAL);
	assert_int_equal(peer_call(&p, VFIO_USER_REGION_READ, req, sizeof(acc) + 8), EINVAL);
	assert_int_equal(peer_call(&p, VFIO_USER_REGION_WRITE, req, sizeof(acc)), EINVAL);
	assert_int_equal(peer_call(&p, VFIO_USER_REGION_WRITE, req, sizeof(acc) + 7), EINVAL);
	assert_int_equal(peer_call(&p, VFIO_USER_REGION_WRITE, req, sizeof(acc) + 9), EINVAL);
	assert_int_equal(peer_call(&p, VFIO_USER_REGION_WRITE, req, 3), EINVAL);
	check_model(0, 0);
	assert_int_equal(peer_call(&p, VFIO_USER_REGION_WRITE, req, sizeof(acc) + 8), 0);
	check_model(0, 1);
}

static void
test_access_refused(void **state)
{
	uint8_t buf[4] = { 0 };

	vfu_lock(m->vfu);
	m->refuse = ENXIO;
	vfu_unlock(m->vfu);
	assert_int_equal(peer_read(&p, 0, 0, buf, 4), ENXIO);
	assert_int_equal(peer_write(&p, 0, 0, buf, 4), ENXIO);
	assert_int_equal(peer_read(&p, CONFIG, 0, buf, 4), 0);
}

static uint32_t
cfg(uint32_t off, uint32_t len)
{
	uint32_t val = 0;

	assert_int_equal(peer_read(&p, CONFIG, off, &val, len), 0);
	return val;
}

static void
cfg_set(uint32_t off, uint32_t val, uint32_t len)
{
	assert_int_equal(peer_write(&p, CONFIG, off, &val, len), 0);
}

static void
test_config_header(void **state)
{
	uint8_t all[256], direct[256];

	assert_int_equal(cfg(PCI_VENDOR_ID, 2), 0x1234);
	assert_int_equal(cfg(PCI_DEVICE_ID, 2), 0x5678);
	assert_int_equal(cfg(PCI_REVISION_ID, 1), 9);
	assert_int_equal(cfg(PCI_CLASS_REVISION, 4), 0x08800009);
	assert_int_equal(cfg(PCI_HEADER_TYPE, 1), PCI_HEADER_TYPE_NORMAL);
	assert_int_equal(cfg(PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	assert_int_equal(cfg(PCI_COMMAND, 2), 0);
	assert_int_equal(cfg(PCI_INTERRUPT_PIN, 1), 0);
	assert_int_equal(peer_read(&p, CONFIG, 0, all, 256), 0);
	vfu_lock(m->vfu);
	vfu_config_get(m->vfu, direct);
	vfu_unlock(m->vfu);
	assert_memory_equal(all, direct, 256);
	assert_int_equal(peer_read(&p, CONFIG, 255, all, 1), 0);
	assert_int_equal(peer_read(&p, CONFIG, 256, all, 1), EINVAL);
	assert_int_equal(peer_read(&p, CONFIG, 255, all, 2), EINVAL);
	assert_int_equal(peer_write(&p, CONFIG, 256, all, 1), EINVAL);
}

static void
test_config_caps(void **state)
{
	static const uint8_t expected[] = { PCI_CAP_ID_PM, PCI_CAP_ID_EXP, PCI_CAP_ID_MSIX };
	uint32_t pos = cfg(PCI_CAPABILITY_LIST, 1), n, msix = 0;

	for (n = 0; pos != 0; n++) {
		assert_true(n < sizeof(expected));
		assert_in_range(pos, 0x40, 0xfc);
		assert_int_equal(pos % 4, 0);
		assert_int_equal(cfg(pos, 1), expected[n]);
		if (expected[n] == PCI_CAP_ID_MSIX)
			msix = pos;
		pos = cfg(pos + PCI_CAP_LIST_NEXT, 1);
	}
	assert_int_equal(n, sizeof(expected));
	assert_int_equal(cfg(msix + PCI_MSIX_FLAGS, 2), PLAIN_VECTORS - 1);
	assert_int_equal(cfg(msix + PCI_MSIX_TABLE, 4), 2);
	assert_int_equal(cfg(msix + PCI_MSIX_PBA, 4), 0x802);
	cfg_set(msix + PCI_MSIX_FLAGS, 0xffff, 2);
	assert_int_equal(cfg(msix + PCI_MSIX_FLAGS, 2),
		PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL | (PLAIN_VECTORS - 1));
}

static void
test_config_bars(void **state)
{
	uint32_t i;

	for (i = 0; i < 6; i++)
		cfg_set(PCI_BASE_ADDRESS_0 + 4 * i, UINT32_MAX, 4);
	cfg_set(PCI_ROM_ADDRESS, UINT32_MAX, 4);
	assert_int_equal(cfg(PCI_BASE_ADDRESS_0, 4),
		(uint32_t) ~(PLAIN_BAR0_SIZE - 1) | PCI_BASE_ADDRESS_MEM_TYPE_64);
	assert_int_equal(cfg(PCI_BASE_ADDRESS_1, 4), UINT32_MAX);
	assert_int_equal(cfg(PCI_BASE_ADDRESS_2, 4), (uint32_t) ~(PLAIN_BAR2_SIZE - 1));
	assert_int_equal(cfg(PCI_BASE_ADDRESS_3, 4), 0);
	assert_int_equal(cfg(PCI_BASE_ADDRESS_4, 4), 0);
	assert_int_equal(cfg(PCI_BASE_ADDRESS_5, 4), 0);
	assert_int_equal(cfg(PCI_ROM_ADDRESS, 4), 0);
	/* An address sticks, as far as the size lets it. */
	cfg_set(PCI_BASE_ADDRESS_0, 0xabcdef01, 4);
	cfg_set(PCI_BASE_ADDRESS_1, 0x12, 4);
	assert_int_equal(cfg(PCI_BASE_ADDRESS_0, 4), 0xabcd0004);
	assert_int_equal(cfg(PCI_BASE_ADDRESS_1, 4), 0x12);
	/* Byte by byte, too. */
	cfg_set(PCI_BASE_ADDRESS_2 + 1, 0xff, 1);
	assert_int_equal(cfg(PCI_BASE_ADDRESS_2, 4), 0xfffff000);
	cfg_set(PCI_BASE_ADDRESS_2 + 1, 0, 1);
	assert_int_equal(cfg(PCI_BASE_ADDRESS_2, 4), 0xffff0000);
}

static void
test_config_read_only(void **state)
{
	static const uint8_t rw[] = { /* bytes that hold anything a client may change */
		PCI_COMMAND, PCI_COMMAND + 1, PCI_CACHE_LINE_SIZE, PCI_INTERRUPT_LINE, 0x12, 0x13,
		0x14, 0x15, 0x16, 0x17, 0x19, 0x1a, 0x1b, 0x44, 0x58, 0x59, 0x93
	};
	uint8_t before[256], after[256], ones[256];
	uint32_t i, j;

	memset(ones, 0xff, sizeof(ones));
	/* Not Device Control's upper byte: that would reset the function. */
	ones[0x59] = 0x7f;
	assert_int_equal(peer_read(&p, CONFIG, 0, before, 256), 0);
	assert_int_equal(peer_write(&p, CONFIG, 0, ones, 256), 0);
	assert_int_equal(peer_read(&p, CONFIG, 0, after, 256), 0);
	for (i = 0; i < 256; i++) {
		for (j = 0; j < sizeof(rw) && rw[j] != i; j++)
			;
		if ((before[i] != after[i]) != (j < sizeof(rw)))
			print_error("byte 0x%02x: 0x%02x, 0x%02x\n", i, before[i], after[i]);
		assert_true((before[i] != after[i]) == (j < sizeof(rw)));
	}
	/* Status has no bit that could be cleared by writing 1. */
	assert_int_equal(cfg(PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
}

static bool
bus_master(void)
{
	bool on;

	vfu_lock(m->vfu);
	on = vfu_bus_master(m->vfu);
	vfu_unlock(m->vfu);
	return on;
}

static void
check_bus_master(unsigned int on, unsigned int off, bool now)
{
	assert_int_equal(plain_counts(m).bus_master_on, on);
	assert_int_equal(plain_counts(m).bus_master_off, off);
	assert_int_equal(bus_master(), now);
}

static void
test_config_command(void **state)
{
	/* No I/O space, no special cycles: those bits stay 0. */
	cfg_set(PCI_COMMAND, 0xffff, 2);
	assert_int_equal(cfg(PCI_COMMAND, 2), PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
						      PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
						      PCI_COMMAND_INTX_DISABLE);
	check_bus_master(1, 0, true);
	cfg_set(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	check_bus_master(1, 0, true); /* no change, no call */
	cfg_set(PCI_COMMAND + 1, 0xff, 1);
	check_bus_master(1, 0, true);
	cfg_set(PCI_COMMAND, PCI_COMMAND_MEMORY, 1);
	check_bus_master(1, 1, false);
	cfg_set(PCI_STATUS, PCI_COMMAND_MASTER, 2);
	check_bus_master(1, 1, false);
	cfg_set(PCI_COMMAND, PCI_COMMAND_MASTER, 4); /* with the status behind it */
	check_bus_master(2, 1, true);
}

static void
test_config_flr(void **state)
{
	uint16_t flr = PCI_EXP_DEVCTL_BCR_FLR, other = PCI_EXP_DEVCTL_RELAX_EN;

	assert_true(cfg(0x50 + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR);
	cfg_set(PCI_COMMAND, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY, 2);
	cfg_set(PCI_BASE_ADDRESS_0, 0xabcd0000, 4);
	cfg_set(0x50 + PCI_EXP_DEVCTL, other, 2);
	cfg_set(0x50 + PCI_EXP_DEVCTL, flr >> 8, 1); /* the lower byte */
	assert_int_equal(plain_counts(m).resets, 0);
	cfg_set(0x50 + PCI_EXP_DEVCTL, flr, 2);
	assert_int_equal(plain_counts(m).resets, 1);
	assert_false(bus_master());
	assert_int_equal(cfg(PCI_COMMAND, 2), 0);
	assert_int_equal(cfg(PCI_BASE_ADDRESS_0, 4), PCI_BASE_ADDRESS_MEM_TYPE_64);
	assert_int_equal(cfg(0x50 + PCI_EXP_DEVCTL, 2), 0); /* reads as 0 */
	cfg_set(0x50 + PCI_EXP_DEVCTL + 1, flr >> 8, 1);
	assert_int_equal(plain_counts(m).resets, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_info_small, setup, teardown),
		cmocka_unit_test_setup_teardown(test_info_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_info_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_access, setup, teardown),
		cmocka_unit_test_setup_teardown(test_access_lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_access_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config_header, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config_caps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config_bars, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config_read_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config_command, setup, teardown),
		cmocka_unit_test_setup_teardown(test_config_flr, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
