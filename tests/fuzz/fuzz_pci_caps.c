/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The walk through the capabilities of any configuration space. Input: id, how many reads succeed,
 * space.
 */

#include <errno.h>

#include <linux/vfio.h>

#include "fuzz.h"
#include "ims_vfio.h"

static uint8_t cfg[256];
static unsigned int reads, good_reads;

static int
cfg_read(struct ims_vfio *v, uint32_t region, uint64_t off, void *buf, size_t len)
{
	fuzz_check(region == VFIO_PCI_CONFIG_REGION_INDEX && off + len <= sizeof(cfg));
	memcpy(buf, cfg + off, len);
	return ++reads <= good_reads ? 0 : -EIO;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ims_vfio_ops ops = { .region_read = cfg_read };
	static struct ims_vfio v = {
		.ops = &ops,
		.n_regions = IMS_VFIO_MAX_REGIONS,
		.regions[VFIO_PCI_CONFIG_REGION_INDEX].size = sizeof(cfg),
	};
	struct fuzz_in in = { data, size };
	uint8_t id = fuzz_u8(&in);
	int pos;

	good_reads = fuzz_u8(&in);
	reads = 0;
	fuzz_take(&in, cfg, sizeof(cfg));
	pos = ims_pci_cap_find(&v, id);
	fuzz_check(reads < 64);
	fuzz_check(pos < 0 || pos == 0 || (pos >= 0x40 && pos % 4 == 0 && cfg[pos] == id));
	return 0;
}
