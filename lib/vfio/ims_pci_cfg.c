/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* PCI configuration space as a device presents it: nothing read from it is trusted. */

#include <errno.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "ims_vfio.h"

/* Each capability takes 4 bytes or more of the 192 behind the header: a longer chain is a loop. */
#define MAX_CAPS ((PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF) / 4)

static int
cfg_read(struct ims_vfio *v, uint64_t off, void *buf, size_t len)
{
	return ims_vfio_read(v, VFIO_PCI_CONFIG_REGION_INDEX, off, buf, len);
}

int
ims_pci_cap_find(struct ims_vfio *v, uint8_t id)
{
	uint8_t pos, cap[2];
	uint16_t status;
	int rc, i;

	rc = cfg_read(v, PCI_STATUS, &status, sizeof(status));
	if (rc != 0)
		return rc;
	if ((status & PCI_STATUS_CAP_LIST) == 0)
		return 0;
	rc = cfg_read(v, PCI_CAPABILITY_LIST, &pos, sizeof(pos));
	if (rc != 0)
		return rc;
	for (i = 0; i < MAX_CAPS; i++) {
		pos &= ~3;
		if (pos == 0)
			return 0;
		if (pos < PCI_STD_HEADER_SIZEOF)
			return -EPROTO;
		rc = cfg_read(v, pos, cap, sizeof(cap));
		if (rc != 0)
			return rc;
		if (cap[0] == id)
			return pos;
		pos = cap[1];
	}
	return -EPROTO;
}

int
ims_pci_command(struct ims_vfio *v, uint16_t set, uint16_t clear)
{
	uint16_t cmd, next;
	int rc;

	rc = cfg_read(v, PCI_COMMAND, &cmd, sizeof(cmd));
	if (rc != 0)
		return rc;
	next = (cmd | set) & ~clear;
	if (next == cmd)
		return 0;
	return ims_vfio_write(v, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, &next, sizeof(next));
}
