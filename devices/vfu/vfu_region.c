/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Regions: what they are, and accesses by message, which work for mappable parts as well. */

#include <errno.h>
#include <string.h>

#include "vfu_priv.h"

static uint64_t
region_size(const struct vfu *vfu, uint32_t index)
{
	if (index == VFIO_PCI_CONFIG_REGION_INDEX)
		return VFU_CONFIG_SIZE;
	return index < VFU_MAX_BARS ? vfu->conf.bars[index].size : 0;
}

/*
 * A client that knows only the plain struct asks with its size: it gets that, with argsz telling
 * what the capabilities take and cap_offset where they would be, and asks again. QEMU insists on a
 * cap_offset behind the struct even then.
 */
int
vfu_cmd_region_info(struct vfu *vfu, const struct vfu_req *req)
{
	struct {
		struct vfio_region_info_cap_sparse_mmap cap;
		struct vfio_region_sparse_mmap_area areas[VFU_MAX_AREAS];
	} caps = { 0 };
	struct vfio_region_info info;
	const struct vfu_bar *bar;
	uint32_t asked, caps_len = 0, i;
	int fd = -1;

	if (req->len < sizeof(info))
		return EINVAL;
	memcpy(&info, req->data, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= VFU_N_REGIONS)
		return EINVAL;
	asked = info.argsz;
	info.argsz = sizeof(info);
	info.cap_offset = 0;
	info.offset = 0;
	info.size = region_size(vfu, info.index);
	info.flags = info.size != 0 ? VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE : 0;
	bar = info.index < VFU_MAX_BARS ? &vfu->conf.bars[info.index] : NULL;
	if (bar != NULL && bar->n_areas != 0) {
		caps.cap.header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
		caps.cap.header.version = 1;
		caps.cap.nr_areas = bar->n_areas;
		for (i = 0; i < bar->n_areas; i++) {
			caps.areas[i].offset = bar->areas[i].offset;
			caps.areas[i].size = bar->areas[i].size;
		}
		caps_len = sizeof(caps.cap) + i * sizeof(caps.areas[0]);
		info.flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
		info.cap_offset = sizeof(info);
		info.argsz += caps_len;
		/* A client that takes no descriptors reaches all of it by messages. */
		fd = vfu->client_max_fds != 0 ? bar->fd : -1;
	}
	vfu_reply(vfu, req, &info, sizeof(info), &caps, asked >= info.argsz ? caps_len : 0, fd);
	return 0;
}

/* Sizes and offsets of an access; data_len is what the message carries besides. */
static int
check_access(const struct vfu *vfu, const struct vfu_req *req, bool write,
	struct vfio_user_region_access *acc)
{
	uint64_t size;

	if (req->len < sizeof(*acc))
		return EINVAL;
	memcpy(acc, req->data, sizeof(*acc));
	if (req->len - sizeof(*acc) != (write ? acc->count : 0))
		return EINVAL;
	if (acc->region >= VFU_N_REGIONS)
		return EINVAL;
	size = region_size(vfu, acc->region);
	if (acc->count == 0 || acc->count > VFU_MAX_DATA || acc->count > size ||
		acc->offset > size - acc->count)
		return EINVAL;
	return 0;
}

int
vfu_cmd_region_read(struct vfu *vfu, const struct vfu_req *req)
{
	struct vfio_user_region_access acc;
	uint8_t *buf = vfu->scratch;
	int error;

	error = check_access(vfu, req, false, &acc);
	if (error != 0)
		return error;
	memset(buf, 0, acc.count);
	if (acc.region == VFIO_PCI_CONFIG_REGION_INDEX)
		vfu_pci_read(vfu, acc.offset, buf, acc.count);
	else if (vfu_msix_owns(vfu, acc.region, acc.offset, acc.count))
		error = vfu_msix_read(vfu, acc.offset, buf, acc.count);
	else
		error = vfu->conf.ops->bar_read(
			vfu->conf.priv, acc.region, acc.offset, buf, acc.count);
	if (error == 0)
		vfu_reply(vfu, req, &acc, sizeof(acc), buf, acc.count, -1);
	return error;
}

int
vfu_cmd_region_write(struct vfu *vfu, const struct vfu_req *req)
{
	struct vfio_user_region_access acc;
	const uint8_t *data = req->data + sizeof(acc);
	int error;

	error = check_access(vfu, req, true, &acc);
	if (error != 0)
		return error;
	if (acc.region == VFIO_PCI_CONFIG_REGION_INDEX)
		vfu_pci_write(vfu, acc.offset, data, acc.count);
	else if (vfu_msix_owns(vfu, acc.region, acc.offset, acc.count))
		error = vfu_msix_write(vfu, acc.offset, data, acc.count);
	else
		error = vfu->conf.ops->bar_write(
			vfu->conf.priv, acc.region, acc.offset, data, acc.count);
	if (error == 0)
		vfu_reply(vfu, req, &acc, sizeof(acc), NULL, 0, -1);
	return error;
}
