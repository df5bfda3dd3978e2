/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Requests of the client: which there are, and the version that comes first. */

#include <errno.h>
#include <string.h>

#include <json-c/json.h>

#include "vfu_priv.h"

/* A limit that the client announces; out of range or of another type, the default stays. */
static void
version_limit(struct json_object *caps, const char *key, int64_t max, uint64_t *val)
{
	struct json_object *obj;
	int64_t n;

	if (!json_object_object_get_ex(caps, key, &obj) || !json_object_is_type(obj, json_type_int))
		return;
	n = json_object_get_int64(obj);
	if (n >= 0 && n <= max)
		*val = n;
}

static int
version_caps(struct vfu *vfu, const char *text, uint32_t len)
{
	uint64_t fds = 1, data = 1u << 20; /* the specification's defaults */
	struct json_object *root, *caps;

	if (len != 0) {
		if (text[len - 1] != '\0')
			return EINVAL;
		root = json_tokener_parse(text);
		if (root == NULL)
			return EINVAL;
		if (json_object_object_get_ex(root, "capabilities", &caps)) {
			version_limit(caps, "max_msg_fds", INT32_MAX, &fds);
			version_limit(caps, "max_data_xfer_size", INT64_MAX, &data);
		}
		json_object_put(root);
	}
	vfu->client_max_fds = fds;
	vfu->client_max_data = data;
	return 0;
}

static int
cmd_version(struct vfu *vfu, const struct vfu_req *req)
{
	struct vfio_user_version ver;
	char json[256];
	int len, error;

	if (vfu->versioned || req->len < sizeof(ver))
		return EINVAL;
	memcpy(&ver, req->data, sizeof(ver));
	if (ver.major != VFIO_USER_MAJOR)
		return EINVAL;
	error = version_caps(vfu, (const char *)req->data + sizeof(ver), req->len - sizeof(ver));
	if (error != 0)
		return error;
	if (ver.minor > VFIO_USER_MINOR)
		ver.minor = VFIO_USER_MINOR;
	len = snprintf(json, sizeof(json),
		"{\"capabilities\":{\"max_msg_fds\":%d,"
		"\"max_data_xfer_size\":%u,\"max_dma_maps\":%u,\"pgsizes\":4096}}",
		VFU_MAX_FDS, VFU_MAX_DATA, VFU_MAX_MAPS);
	vfu->versioned = true;
	vfu_reply(vfu, req, &ver, sizeof(ver), json, len + 1, -1);
	return 0;
}

static int
cmd_device_info(struct vfu *vfu, const struct vfu_req *req)
{
	struct vfio_user_device_info info;

	if (req->len < sizeof(info))
		return EINVAL;
	memcpy(&info, req->data, sizeof(info));
	if (info.argsz < sizeof(info))
		return EINVAL;
	info.argsz = sizeof(info);
	info.flags = VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI;
	info.num_regions = VFU_N_REGIONS;
	info.num_irqs = VFU_N_IRQS;
	vfu_reply(vfu, req, &info, sizeof(info), NULL, 0, -1);
	return 0;
}

/* No region has doorbells that are eventfds. */
static int
cmd_region_io_fds(struct vfu *vfu, const struct vfu_req *req)
{
	struct vfio_user_region_io_fds fds;

	if (req->len < sizeof(fds))
		return EINVAL;
	memcpy(&fds, req->data, sizeof(fds));
	if (fds.argsz < sizeof(fds) || fds.flags != 0 || fds.index >= VFU_N_REGIONS)
		return EINVAL;
	fds.argsz = sizeof(fds);
	fds.count = 0;
	vfu_reply(vfu, req, &fds, sizeof(fds), NULL, 0, -1);
	return 0;
}

static int
cmd_reset(struct vfu *vfu, const struct vfu_req *req)
{
	if (req->len != 0)
		return EINVAL;
	vfu_pci_reset(vfu);
	vfu_reply(vfu, req, NULL, 0, NULL, 0, -1);
	return 0;
}

int
vfu_cmd(struct vfu *vfu, struct vfu_req *req)
{
	if (req->hdr.command == VFIO_USER_VERSION)
		return cmd_version(vfu, req);
	if (!vfu->versioned)
		return EINVAL;
	switch (req->hdr.command) {
	case VFIO_USER_DMA_MAP:
		return vfu_cmd_dma_map(vfu, req);
	case VFIO_USER_DMA_UNMAP:
		return vfu_cmd_dma_unmap(vfu, req);
	case VFIO_USER_DEVICE_GET_INFO:
		return cmd_device_info(vfu, req);
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		return vfu_cmd_region_info(vfu, req);
	case VFIO_USER_DEVICE_GET_REGION_IO_FDS:
		return cmd_region_io_fds(vfu, req);
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		return vfu_cmd_irq_info(vfu, req);
	case VFIO_USER_DEVICE_SET_IRQS:
		return vfu_cmd_set_irqs(vfu, req);
	case VFIO_USER_REGION_READ:
		return vfu_cmd_region_read(vfu, req);
	case VFIO_USER_REGION_WRITE:
		return vfu_cmd_region_write(vfu, req);
	case VFIO_USER_DEVICE_RESET:
		return cmd_reset(vfu, req);
	default:
		return EOPNOTSUPP;
	}
}
