/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What all backends have in common: names, regions, the end of a device. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/vfio.h>

#include <rte_io.h>
#include <rte_string_fns.h>

#include "ims_vfio.h"
#include "ims_vfio_log.h"

RTE_LOG_REGISTER(ims_vfio_logtype, lib.ims.vfio, NOTICE);

struct ims_vfio *
ims_vfio_open(const char *name, uint32_t timeout_ms)
{
	if (strlen(name) >= sizeof(((struct ims_vfio *)NULL)->name)) {
		IMS_VFIO_LOG(ERR, "device name is too long: %.40s...", name);
		return ims_vfio_err_ptr(-EINVAL);
	}
	if (strncmp(name, "vfio-user:", 10) == 0)
		return ims_vfio_user_open(name, name + 10, timeout_ms);
	if (strncmp(name, "emu:", 4) == 0)
		return ims_vfio_emu_open(name, name + 4, timeout_ms);
	if (strncmp(name, "pci:", 4) == 0)
		return ims_vfio_kernel_open(name, name + 4, timeout_ms);
	IMS_VFIO_LOG(ERR,
		"%s: not a device name: expected emu:MODEL[,key=value...], "
		"vfio-user:PATH or pci:0000:3b:00.0",
		name);
	return ims_vfio_err_ptr(-EINVAL);
}

void
ims_vfio_init(
	struct ims_vfio *v, const struct ims_vfio_ops *ops, const char *name, uint32_t timeout_ms)
{
	v->ops = ops;
	rte_strlcpy(v->name, name, sizeof(v->name));
	v->numa_node = -1;
	v->timeout_ms = timeout_ms;
	TAILQ_INIT(&v->dma_maps);
	pthread_mutex_init(&v->event_lock, NULL);
	pthread_mutex_init(&v->dma_ctl, NULL);
	pthread_mutex_init(&v->dma_lock, NULL);
}

void
ims_vfio_fini(struct ims_vfio *v)
{
	struct ims_vfio_area *area;
	uint32_t r, a;

	for (r = 0; r < v->n_regions; r++)
		for (a = 0; a < v->regions[r].n_areas; a++) {
			area = &v->regions[r].areas[a];
			ims_sigbus_unguard(area->addr);
			munmap(area->addr, area->size);
		}
	pthread_mutex_destroy(&v->dma_lock);
	pthread_mutex_destroy(&v->dma_ctl);
	pthread_mutex_destroy(&v->event_lock);
}

void
ims_vfio_close(struct ims_vfio *v)
{
	if (v == NULL)
		return;
	ims_vfio_dma_stop(v);
	v->ops->close(v);
}

void
ims_vfio_peer_error(struct ims_vfio *v, enum ims_vfio_peer_error what, uint64_t n)
{
	/* NULL: who counts it has a better line of it, each time. */
	static const char *const text[IMS_VFIO_PEER_ERRORS] = {
		[IMS_VFIO_PEER_LATE_REPLY] = "an answer that nobody waits for",
		[IMS_VFIO_PEER_REORDERED] = "an answer before that to an earlier command",
		[IMS_VFIO_PEER_BAD_REPLY] = "an answer that does not fit its command",
		[IMS_VFIO_PEER_BAD_REQUEST] = "a request that is none of a device's, refused",
		[IMS_VFIO_PEER_SURPLUS_FD] = "a descriptor that nobody wants, closed",
		[IMS_VFIO_PEER_UNREAD_REPLY] = "it does not read what it asked for",
		[IMS_VFIO_PEER_STRAY_MSG] = "an interrupt message that is not given out, dropped",
		[IMS_VFIO_PEER_DMA_FAULT] = "DMA to what is not mapped, refused",
	};
	const unsigned int bit = 1u << what;

	if (n == 0)
		return;
	atomic_fetch_add_explicit(&v->peer_errors[what], n, memory_order_relaxed);
	if (text[what] == NULL || !atomic_load(&v->up) ||
		(atomic_load_explicit(&v->peer_errors_told, memory_order_relaxed) & bit) != 0 ||
		(atomic_fetch_or(&v->peer_errors_told, bit) & bit) != 0)
		return;
	IMS_VFIO_LOG(WARNING, "%s: %s; more of these are counted only", v->name, text[what]);
}

static void
notify_locked(struct ims_vfio *v, enum ims_vfio_dev_event event)
{
	if (v->event_fn != NULL)
		v->event_fn(v->event_arg, event);
}

void
ims_vfio_set_removed(struct ims_vfio *v)
{
	pthread_mutex_lock(&v->event_lock);
	if (!atomic_exchange(&v->removed, true))
		notify_locked(v, IMS_VFIO_EVENT_REMOVED);
	pthread_mutex_unlock(&v->event_lock);
}

void
ims_vfio_event(struct ims_vfio *v, enum ims_vfio_dev_event event)
{
	pthread_mutex_lock(&v->event_lock);
	notify_locked(v, event);
	pthread_mutex_unlock(&v->event_lock);
}

void
ims_vfio_event_notify(
	struct ims_vfio *v, void (*fn)(void *arg, enum ims_vfio_dev_event event), void *arg)
{
	pthread_mutex_lock(&v->event_lock);
	v->event_fn = fn;
	v->event_arg = arg;
	if (atomic_load(&v->removed))
		notify_locked(v, IMS_VFIO_EVENT_REMOVED);
	pthread_mutex_unlock(&v->event_lock);
}

int
ims_vfio_area_map(struct ims_vfio *v, uint32_t r, uint64_t offset, uint64_t size, int fd,
	uint64_t file_offset)
{
	struct ims_vfio_region *region = &v->regions[r];
	struct ims_vfio_area *area = &region->areas[region->n_areas];
	const uint32_t both = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

	if (size == 0 || region->n_areas == IMS_VFIO_MAX_AREAS)
		return 0;
	/*
	 * An access that its page does not allow would end the process; by message it is refused.
	 */
	if ((region->flags & both) != both)
		return 0;
	area->addr = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, file_offset + offset);
	if (area->addr == MAP_FAILED) {
		area->addr = NULL;
		return -errno;
	}
	area->offset = offset;
	area->size = size;
	region->n_areas++;
	ims_sigbus_guard(v, area->addr, size);
	return 0;
}

void *
ims_vfio_region_addr(const struct ims_vfio *v, uint32_t region, uint64_t off, uint64_t len)
{
	const struct ims_vfio_area *area;
	uint32_t a;

	if (region >= v->n_regions)
		return NULL;
	for (a = 0; a < v->regions[region].n_areas; a++) {
		area = &v->regions[region].areas[a];
		if (area->addr != NULL && off >= area->offset && len <= area->size &&
			off - area->offset <= area->size - len)
			return (uint8_t *)area->addr + (off - area->offset);
	}
	return NULL;
}

static int
check_access(const struct ims_vfio *v, uint32_t region, uint64_t off, size_t len)
{
	if (region >= v->n_regions || len == 0 || len > v->regions[region].size ||
		off > v->regions[region].size - len)
		return -EINVAL;
	return 0;
}

int
ims_vfio_read(struct ims_vfio *v, uint32_t region, uint64_t off, void *buf, size_t len)
{
	const void *addr;
	int rc;

	rc = check_access(v, region, off, len);
	if (rc != 0)
		return rc;
	addr = ims_vfio_region_addr(v, region, off, len);
	if (addr == NULL)
		return v->ops->region_read(v, region, off, buf, len);
	if (off % len != 0)
		return -EINVAL;
	switch (len) {
	case 1:
		*(uint8_t *)buf = rte_read8(addr);
		return 0;
	case 2:
		*(uint16_t *)buf = rte_read16(addr);
		return 0;
	case 4:
		*(uint32_t *)buf = rte_read32(addr);
		return 0;
	case 8:
		*(uint64_t *)buf = rte_read64(addr);
		return 0;
	}
	return -EINVAL;
}

int
ims_vfio_write(struct ims_vfio *v, uint32_t region, uint64_t off, const void *buf, size_t len)
{
	void *addr;
	int rc;

	rc = check_access(v, region, off, len);
	if (rc != 0)
		return rc;
	addr = ims_vfio_region_addr(v, region, off, len);
	if (addr == NULL)
		return v->ops->region_write(v, region, off, buf, len);
	if (off % len != 0)
		return -EINVAL;
	switch (len) {
	case 1:
		rte_write8(*(const uint8_t *)buf, addr);
		return 0;
	case 2:
		rte_write16(*(const uint16_t *)buf, addr);
		return 0;
	case 4:
		rte_write32(*(const uint32_t *)buf, addr);
		return 0;
	case 8:
		rte_write64(*(const uint64_t *)buf, addr);
		return 0;
	}
	return -EINVAL;
}
