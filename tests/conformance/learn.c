/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What the tables need to know of the server and its device. */

#include <string.h>

#include <json-c/json.h>

#include "requests.h"

struct device dev;

static bool
learn_capabilities(void)
{
	struct json_object *root, *caps, *obj;

	/* The specification's defaults. */
	dev.max_fds = 1;
	dev.max_data = 1u << 20;
	dev.max_maps = 65535;
	if (in.len <= 4)
		return true;
	if (in.data[in.len - 1] != '\0')
		return false;
	root = json_tokener_parse((const char *)in.data + 4);
	if (json_object_object_get_ex(root, "capabilities", &caps)) {
		if (json_object_object_get_ex(caps, "max_msg_fds", &obj))
			dev.max_fds = json_object_get_int64(obj);
		if (json_object_object_get_ex(caps, "max_data_xfer_size", &obj))
			dev.max_data = json_object_get_int64(obj);
		if (json_object_object_get_ex(caps, "max_dma_maps", &obj))
			dev.max_maps = json_object_get_int64(obj);
		if (json_object_object_get_ex(caps, "write_multiple", &obj))
			dev.write_multi = json_object_get_boolean(obj) != 0;
	}
	json_object_put(root);
	return true;
}

static void
learn_area(uint32_t region, const struct vfio_region_info *info, uint64_t offset, uint64_t size)
{
	if (size <= dev.area_size || offset >= info->size)
		return;
	dev.area_region = region;
	dev.area_offset = offset;
	dev.area_size = size;
	dev.area_behind = info->size - offset;
}

/* The reply of GET_REGION_INFO in `in`: all of the region, or the areas of its capability. */
static void
learn_areas(uint32_t region, const struct vfio_region_info *info)
{
	uint32_t at = info->cap_offset, n, i;

	if ((info->flags & VFIO_REGION_INFO_FLAG_MMAP) == 0)
		return;
	if ((info->flags & VFIO_REGION_INFO_FLAG_CAPS) == 0) {
		learn_area(region, info, 0, info->size);
		return;
	}
	/* The one capability that there is; a server with more of them has this one first. */
	if (at + 16 > in.len || (get32(in.data, at) & 0xffff) != VFIO_REGION_INFO_CAP_SPARSE_MMAP)
		return;
	n = get32(in.data, at + 8);
	for (i = 0; i < n && at + 32 + 16 * i <= in.len; i++)
		learn_area(region, info, get64(in.data, at + 16 + 16 * i),
			get64(in.data, at + 24 + 16 * i));
}

static bool
learn_regions(void)
{
	struct vfio_region_info info;
	uint32_t i;

	dev.empty_region = dev.n_regions;
	for (i = 0; i < dev.n_regions; i++) {
		info = (struct vfio_region_info){ .argsz = 4096, .index = i };
		if (granted(VFIO_USER_DEVICE_GET_REGION_INFO, &info, sizeof(info)) != NULL)
			return false;
		memcpy(&info, in.data, sizeof(info));
		if (i == 0)
			dev.region0_size = info.size;
		if (i == VFIO_PCI_CONFIG_REGION_INDEX)
			dev.config_size = info.size;
		if (info.size == 0)
			dev.empty_region = i;
		learn_areas(i, &info);
	}
	return dev.config_size >= 256;
}

static bool
learn_irqs(void)
{
	struct vfio_irq_info info;
	uint32_t i;

	for (i = 0; i < dev.n_irqs; i++) {
		info = (struct vfio_irq_info){ .argsz = sizeof(info), .index = i };
		if (granted(VFIO_USER_DEVICE_GET_IRQ_INFO, &info, sizeof(info)) != NULL)
			return false;
		memcpy(&info, in.data, sizeof(info));
		if ((info.flags & VFIO_IRQ_INFO_EVENTFD) != 0 && info.count > dev.n_vectors) {
			dev.n_vectors = info.count;
			dev.irq = i;
		}
	}
	return true;
}

/* Optional commands are known if one good request of them is granted. */
static void
learn_optional(void)
{
	static const struct vfio_user_region_io_fds io_fds = { .argsz = 4096 };
	static const uint32_t migration[2] = { 8,
		VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | 1 };
	static const uint32_t logging[2] = { 8,
		VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | 6 };

	dev.io_fds = granted(VFIO_USER_DEVICE_GET_REGION_IO_FDS, &io_fds, sizeof(io_fds)) == NULL;
	dev.migration = granted(VFIO_USER_DEVICE_FEATURE, migration, sizeof(migration)) == NULL;
	dev.logging = granted(VFIO_USER_DEVICE_FEATURE, logging, sizeof(logging)) == NULL;
}

bool
learn(void)
{
	struct vfio_user_device_info info = { .argsz = sizeof(info) };

	if (!conn_ready() || !learn_capabilities() ||
		granted(VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info)) != NULL)
		return false;
	memcpy(&info, in.data, sizeof(info));
	dev.n_regions = info.num_regions;
	dev.n_irqs = info.num_irqs;
	if (dev.n_regions >= 256 || dev.n_irqs >= 256 || !learn_regions() || !learn_irqs())
		return false;
	learn_optional();
	return true;
}
