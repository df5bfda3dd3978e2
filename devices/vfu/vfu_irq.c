/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Interrupts by eventfd: GET_IRQ_INFO and SET_IRQS. Only MSI-X has vectors here. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "vfu_priv.h"

static uint32_t
irq_count(const struct vfu *vfu, uint32_t index)
{
	return index == VFIO_PCI_MSIX_IRQ_INDEX ? vfu->conf.n_msix : 0;
}

/* To a vector that has none, or -1. */
static void
irq_attach(struct vfu *vfu, uint32_t vector, int fd)
{
	struct vfu_vector *v = &vfu->vectors[vector];
	int flags;

	v->fd = fd;
	flags = fd >= 0 ? fcntl(fd, F_GETFL) : -1;
	v->nonblock = flags >= 0 && (flags & O_NONBLOCK) != 0;
	v->is_pipe = fd >= 0 && vfu_fd_is_pipe(fd);
	vfu_msix_sync(vfu, vector);
}

static void
irq_disable(struct vfu *vfu, uint32_t start, uint32_t count)
{
	int fds[VFU_MAX_MSIX];
	uint32_t i, n = 0;

	for (i = start; i < start + count; i++) {
		if (vfu->vectors[i].fd < 0)
			continue;
		fds[n++] = vfu->vectors[i].fd;
		irq_attach(vfu, i, -1);
	}
	vfu_reject_close(vfu, fds, n);
}

void
vfu_irq_reset(struct vfu *vfu)
{
	irq_disable(vfu, 0, vfu->conf.n_msix);
}

int
vfu_irq_fd(const struct vfu *vfu, uint32_t index, uint32_t subindex)
{
	return subindex < irq_count(vfu, index) ? vfu->vectors[subindex].fd : -1;
}

int
vfu_cmd_irq_info(struct vfu *vfu, const struct vfu_req *req)
{
	struct vfio_irq_info info;

	if (req->len < sizeof(info))
		return EINVAL;
	memcpy(&info, req->data, sizeof(info));
	if (info.argsz < sizeof(info) || info.index >= VFU_N_IRQS)
		return EINVAL;
	info.argsz = sizeof(info);
	info.count = irq_count(vfu, info.index);
	info.flags = info.count != 0 ? VFIO_IRQ_INFO_EVENTFD : 0;
	vfu_reply(vfu, req, &info, sizeof(info), NULL, 0, -1);
	return 0;
}

static bool
are_events(const struct vfu_req *req)
{
	unsigned int i;

	for (i = 0; i < req->n_fds; i++)
		if (!vfu_fd_is_event(req->fds[i]))
			return false;
	return true;
}

/* All rules of a request, before anything is changed. */
static int
check_set(const struct vfu *vfu, const struct vfu_req *req, struct vfio_irq_set *set)
{
	uint32_t type, action, max, data_len;

	if (req->len < sizeof(*set))
		return EINVAL;
	memcpy(set, req->data, sizeof(*set));
	if (set->argsz < sizeof(*set) || set->index >= VFU_N_IRQS ||
		(set->flags & ~(VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK)) != 0)
		return EINVAL;
	type = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	action = set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	/* Vectors are masked in the device, as with the kernel's vfio-pci. */
	if (action != VFIO_IRQ_SET_ACTION_TRIGGER)
		return EINVAL;
	max = irq_count(vfu, set->index);
	if (set->start > max || set->count > max - set->start)
		return EINVAL;
	data_len = req->len - sizeof(*set);
	switch (type) {
	case VFIO_IRQ_SET_DATA_NONE:
		/* count 0 disables all, and start has no meaning then. */
		return data_len != 0 || req->n_fds != 0 || (set->count == 0 && set->start != 0)
		               ? EINVAL
		               : 0;
	case VFIO_IRQ_SET_DATA_BOOL:
		return data_len != set->count || set->count == 0 || req->n_fds != 0 ? EINVAL : 0;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		/* No descriptors: take those of the range away. */
		return data_len != 0 || set->count == 0 || req->fds_more ||
		                       (req->n_fds != 0 && req->n_fds != set->count) ||
		                       !are_events(req)
		               ? EINVAL
		               : 0;
	default:
		return EINVAL; /* none, or more than one */
	}
}

int
vfu_cmd_set_irqs(struct vfu *vfu, struct vfu_req *req)
{
	const uint8_t *bools = req->data + sizeof(struct vfio_irq_set);
	struct vfio_irq_set set;
	uint32_t i, type;
	int error;

	error = check_set(vfu, req, &set);
	if (error != 0)
		return error;
	type = set.flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	if (type == VFIO_IRQ_SET_DATA_NONE && set.count == 0)
		irq_disable(vfu, 0, irq_count(vfu, set.index));
	if (type == VFIO_IRQ_SET_DATA_EVENTFD)
		irq_disable(vfu, set.start, set.count);
	for (i = 0; i < set.count; i++) {
		if (type == VFIO_IRQ_SET_DATA_NONE ||
			(type == VFIO_IRQ_SET_DATA_BOOL && bools[i] != 0)) {
			vfu_msix_signal(vfu, set.start + i);
		} else if (type == VFIO_IRQ_SET_DATA_EVENTFD && i < req->n_fds) {
			irq_attach(vfu, set.start + i, req->fds[i]);
			req->fds[i] = -1;
		}
	}
	vfu_reply(vfu, req, NULL, 0, NULL, 0, -1);
	return 0;
}
