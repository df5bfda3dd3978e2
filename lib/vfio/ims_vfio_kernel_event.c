/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * What the kernel tells of a device: VFIO_PCI_ERR_IRQ_INDEX, an uncorrectable error that the PCI
 * Express port reported, and VFIO_PCI_REQ_IRQ_INDEX, that the device is wanted back: unplugged, or
 * to be unbound. The latter comes again every ten seconds until the device is closed, the kernel
 * waits for that. Both are rare, so one thread turns them into events of the device.
 */

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "ims_thread.h"
#include "ims_vfio_kernel.h"
#include "ims_vfio_log.h"

/* A function that is not there any more reads as all ones, in configuration space too. */
static bool
reads_as_gone(struct ims_vfio_kernel *k)
{
	uint32_t class_rev = 0;
	int rc;

	rc = k->v.ops->region_read(&k->v, VFIO_PCI_CONFIG_REGION_INDEX, PCI_CLASS_REVISION,
		&class_rev, sizeof(class_rev));
	return rc != 0 || class_rev == UINT32_MAX;
}

static bool
fired(const struct pollfd *pfd)
{
	uint64_t count;

	return (pfd->revents & POLLIN) != 0 && read(pfd->fd, &count, sizeof(count)) > 0;
}

static IMS_THREAD_RET
event_thread(void *arg)
{
	struct ims_vfio_kernel *k = arg;
	struct pollfd pfd[3] = {
		{ .fd = k->stop_fd, .events = POLLIN },
		{ .fd = k->err_fd, .events = POLLIN },
		{ .fd = k->req_fd, .events = POLLIN },
	};

	for (;;) {
		if (poll(pfd, 3, -1) < 0)
			continue;
		if (pfd[0].revents != 0)
			return IMS_THREAD_RET_NONE;
		if (fired(&pfd[1])) {
			IMS_VFIO_LOG(WARNING, "%s: uncorrectable error; reset it", k->v.name);
			ims_vfio_event(&k->v, IMS_VFIO_EVENT_ERROR);
		}
		if (!fired(&pfd[2]))
			continue;
		IMS_VFIO_LOG(NOTICE, "%s: it is to be unplugged or unbound; close it", k->v.name);
		if (reads_as_gone(k))
			ims_vfio_set_removed(&k->v);
		ims_vfio_event(&k->v, IMS_VFIO_EVENT_RELEASE);
	}
}

/* An eventfd that the kernel signals, -1 if the device has no such interrupt. */
static int
attach(struct ims_vfio_kernel *k, uint32_t index, int *fd)
{
	int rc;

	if (index >= k->v.n_irqs || k->v.irqs[index].count == 0)
		return 0;
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd < 0)
		return -errno;
	rc = k->v.ops->irq_set(&k->v, index, 0, 1, fd);
	if (rc != 0)
		IMS_VFIO_LOG(ERR, "%s: cannot be told of errors and removal", k->v.name);
	return rc;
}

int
vk_event_start(struct ims_vfio_kernel *k)
{
	int rc;

	rc = attach(k, VFIO_PCI_ERR_IRQ_INDEX, &k->err_fd);
	if (rc == 0)
		rc = attach(k, VFIO_PCI_REQ_IRQ_INDEX, &k->req_fd);
	if (rc != 0 || (k->err_fd < 0 && k->req_fd < 0))
		return rc;
	k->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (k->stop_fd < 0)
		return -errno;
	rc = ims_thread_create(&k->thread, "ims-kdev", event_thread, k);
	k->has_thread = rc == 0;
	return rc;
}

void
vk_event_stop(struct ims_vfio_kernel *k)
{
	const uint64_t one = 1;

	if (k->has_thread) {
		/* Into an empty counter: it cannot fail. */
		if (write(k->stop_fd, &one, sizeof(one)) > 0)
			pthread_join(k->thread, NULL);
		k->has_thread = false;
	}
	if (k->err_fd >= 0)
		close(k->err_fd);
	if (k->req_fd >= 0)
		close(k->req_fd);
	if (k->stop_fd >= 0)
		close(k->stop_fd);
	k->err_fd = k->req_fd = k->stop_fd = -1;
}
