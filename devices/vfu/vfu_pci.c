/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * PCI configuration space: a type 0 header, and a chain of capabilities (power management, PCI
 * Express endpoint, MSI-X if the device has it). Bits that a client may change are in config_mask,
 * everything else is read-only.
 */

#include <string.h>

#include <linux/pci_regs.h>

#include "vfu_priv.h"

#define PM_OFFSET  0x40
#define PM_SIZE    8
#define EXP_OFFSET 0x50
#define EXP_SIZE   0x3c

static void
put8(struct vfu *vfu, uint32_t off, uint8_t val)
{
	vfu->config[off] = val;
}

static void
put16(struct vfu *vfu, uint32_t off, uint16_t val)
{
	memcpy(&vfu->config[off], &val, sizeof(val));
}

static void
put32(struct vfu *vfu, uint32_t off, uint32_t val)
{
	memcpy(&vfu->config[off], &val, sizeof(val));
}

static void
mask16(struct vfu *vfu, uint32_t off, uint16_t mask)
{
	memcpy(&vfu->config_mask[off], &mask, sizeof(mask));
}

static void
mask32(struct vfu *vfu, uint32_t off, uint32_t mask)
{
	memcpy(&vfu->config_mask[off], &mask, sizeof(mask));
}

/* A BAR's size is what its address bits cannot express. */
static void
init_bars(struct vfu *vfu)
{
	const struct vfu_bar *bar;
	uint32_t i, off;
	uint64_t mask;

	for (i = 0; i < VFU_MAX_BARS; i++) {
		bar = &vfu->conf.bars[i];
		if (bar->size == 0)
			continue;
		off = PCI_BASE_ADDRESS_0 + i * 4;
		mask = ~(bar->size - 1);
		put32(vfu, off, bar->is_64bit ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0);
		mask32(vfu, off, (uint32_t)mask);
		if (bar->is_64bit) {
			mask32(vfu, off + 4, (uint32_t)(mask >> 32));
			i++; /* the upper half takes the next register */
		}
	}
}

/* Append to the chain. */
static void
add_cap(struct vfu *vfu, uint8_t *last, uint8_t off, uint8_t id)
{
	put8(vfu, *last, off);
	put8(vfu, off, id);
	*last = off + PCI_CAP_LIST_NEXT;
}

static void
init_caps(struct vfu *vfu)
{
	uint8_t last = PCI_CAPABILITY_LIST;

	put16(vfu, PCI_STATUS, PCI_STATUS_CAP_LIST);
	add_cap(vfu, &last, PM_OFFSET, PCI_CAP_ID_PM);
	put16(vfu, PM_OFFSET + PCI_PM_PMC, 3); /* version 1.2, D0 and D3hot */
	put16(vfu, PM_OFFSET + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
	mask16(vfu, PM_OFFSET + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);

	add_cap(vfu, &last, EXP_OFFSET, PCI_CAP_ID_EXP);
	put16(vfu, EXP_OFFSET + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	put32(vfu, EXP_OFFSET + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER | PCI_EXP_DEVCAP_FLR);
	mask16(vfu, EXP_OFFSET + PCI_EXP_DEVCTL,
		PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE |
			PCI_EXP_DEVCTL_URRE | PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN |
			PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_READRQ);
	put32(vfu, EXP_OFFSET + PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4);
	put16(vfu, EXP_OFFSET + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS_2_5GB | 1 << 4);

	if (vfu->conf.n_msix == 0)
		return;
	add_cap(vfu, &last, VFU_MSIX_CAP, PCI_CAP_ID_MSIX);
	put16(vfu, VFU_MSIX_CAP + PCI_MSIX_FLAGS, vfu->conf.n_msix - 1);
	mask16(vfu, VFU_MSIX_CAP + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	put32(vfu, VFU_MSIX_CAP + PCI_MSIX_TABLE, vfu->conf.msix_table | vfu->conf.msix_bar);
	put32(vfu, VFU_MSIX_CAP + PCI_MSIX_PBA, vfu->conf.msix_pba | vfu->conf.msix_bar);
}

void
vfu_pci_init(struct vfu *vfu)
{
	memset(vfu->config, 0, sizeof(vfu->config));
	memset(vfu->config_mask, 0, sizeof(vfu->config_mask));
	put16(vfu, PCI_VENDOR_ID, vfu->conf.vendor_id);
	put16(vfu, PCI_DEVICE_ID, vfu->conf.device_id);
	put32(vfu, PCI_CLASS_REVISION, vfu->conf.class_code << 8 | vfu->conf.revision);
	put16(vfu, PCI_SUBSYSTEM_VENDOR_ID, vfu->conf.vendor_id);
	put16(vfu, PCI_SUBSYSTEM_ID, vfu->conf.device_id);
	mask16(vfu, PCI_COMMAND,
		PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
			PCI_COMMAND_INTX_DISABLE);
	vfu->config_mask[PCI_CACHE_LINE_SIZE] = 0xff;
	vfu->config_mask[PCI_INTERRUPT_LINE] = 0xff;
	init_bars(vfu);
	init_caps(vfu);
}

bool
vfu_bus_master(const struct vfu *vfu)
{
	return (vfu->config[PCI_COMMAND] & PCI_COMMAND_MASTER) != 0;
}

void
vfu_pci_read(struct vfu *vfu, uint32_t off, void *buf, uint32_t len)
{
	memcpy(buf, vfu->config + off, len);
}

/* Initiate Function Level Reset is in the upper byte of Device Control; it reads as 0. */
static bool
is_flr(uint32_t off, const uint8_t *val, uint32_t len)
{
	uint32_t byte = EXP_OFFSET + PCI_EXP_DEVCTL + 1;

	return off <= byte && byte < off + len &&
	       (val[byte - off] & (PCI_EXP_DEVCTL_BCR_FLR >> 8)) != 0;
}

void
vfu_pci_reset(struct vfu *vfu)
{
	vfu_pci_init(vfu);
	vfu->dma_gen++; /* no bus master any more */
	vfu_msix_reset(vfu);
	vfu->conf.ops->reset(vfu->conf.priv);
}

void
vfu_pci_write(struct vfu *vfu, uint32_t off, const void *buf, uint32_t len)
{
	const uint8_t *val = buf;
	bool was = vfu_bus_master(vfu);
	uint32_t i;

	if (is_flr(off, val, len)) {
		vfu_pci_reset(vfu);
		return;
	}
	for (i = 0; i < len; i++)
		vfu->config[off + i] = (vfu->config[off + i] & ~vfu->config_mask[off + i]) |
		                       (val[i] & vfu->config_mask[off + i]);
	vfu_msix_sync_all(vfu);
	if (was == vfu_bus_master(vfu))
		return;
	vfu->dma_gen++;
	if (vfu->conf.ops->bus_master != NULL)
		vfu->conf.ops->bus_master(vfu->conf.priv, !was);
}

void
vfu_config_get(struct vfu *vfu, uint8_t config[VFU_CONFIG_SIZE])
{
	memcpy(config, vfu->config, VFU_CONFIG_SIZE);
}
