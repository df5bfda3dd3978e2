/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Which memory a device can reach. All memory that DPDK manages is mapped, IOVA = virtual address,
 * at open and whenever DPDK adds some; applications can add their own.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_eal_memconfig.h>
#include <rte_memory.h>

#include "ims_vfio.h"
#include "ims_vfio_log.h"
#include "vfio_user_proto.h"

#define MEM_EVENT_NAME "ims_vfio"

static bool
overlaps(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

static struct ims_vfio_dma_map *
map_find_locked(struct ims_vfio *v, uint64_t iova, uint64_t len)
{
	struct ims_vfio_dma_map *map;

	TAILQ_FOREACH(map, &v->dma_maps, next)
		if (overlaps(map->iova, map->len, iova, len))
			return map;
	return NULL;
}

static int
map_check(struct ims_vfio *v, uint64_t iova, uint64_t len)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	if (len == 0 || iova + len < iova || iova % page != 0 || len % page != 0)
		return -EINVAL;
	/* A store there is an interrupt, IOMMU drivers reserve it (IOMMU_RESV_MSI). */
	if (overlaps(iova, len, VFIO_USER_MSI_WINDOW_BASE, VFIO_USER_MSI_WINDOW_SIZE)) {
		IMS_VFIO_LOG(
			ERR, "%s: memory at %#" PRIx64 " lies in the MSI window", v->name, iova);
		return -EINVAL;
	}
	return 0;
}

static int
map_add(struct ims_vfio *v, void *addr, size_t len, int fd, uint64_t offset, bool user)
{
	uint64_t iova = (uintptr_t)addr;
	struct ims_vfio_dma_map *map, *other;
	int rc;

	rc = map_check(v, iova, len);
	if (rc != 0)
		return rc;
	map = calloc(1, sizeof(*map));
	if (map == NULL)
		return -ENOMEM;
	map->iova = iova;
	map->addr = addr;
	map->len = len;
	map->user = user;
	map->fdless = fd < 0;

	pthread_mutex_lock(&v->dma_ctl);
	pthread_mutex_lock(&v->dma_lock);
	other = map_find_locked(v, iova, len);
	pthread_mutex_unlock(&v->dma_lock);
	if (other != NULL) {
		rc = -EEXIST;
		goto unlock;
	}
	rc = v->ops->dma_map(v, iova, addr, len, fd, offset);
	if (rc != 0) {
		IMS_VFIO_LOG(ERR, "%s: cannot map %zu bytes at %p for DMA: %s", v->name, len, addr,
			strerror(-rc));
		goto unlock;
	}
	pthread_mutex_lock(&v->dma_lock);
	TAILQ_INSERT_TAIL(&v->dma_maps, map, next);
	v->n_dma_maps++;
	pthread_mutex_unlock(&v->dma_lock);
	map = NULL;
unlock:
	pthread_mutex_unlock(&v->dma_ctl);
	free(map);
	return rc;
}

/* The memory may go as soon as this has returned, so it leaves the list before the peer knows. */
static int
map_del_locked(struct ims_vfio *v, struct ims_vfio_dma_map *map)
{
	int rc;

	pthread_mutex_lock(&v->dma_lock);
	TAILQ_REMOVE(&v->dma_maps, map, next);
	v->n_dma_maps--;
	pthread_mutex_unlock(&v->dma_lock);
	rc = v->ops->dma_unmap(v, map);
	if (rc != 0 && rc != -ENODEV)
		IMS_VFIO_LOG(WARNING, "%s: cannot unmap %zu bytes at %p: %s", v->name, map->len,
			(void *)map->addr, strerror(-rc));
	free(map);
	return rc;
}

/*
 * Segments that follow each other in memory and in one file are mapped in one go, if DPDK never
 * frees one of them alone: a part of a map cannot be unmapped, and what its neighbours hold may be
 * in use. Hot-added memory is a map per segment, then. What that costs are maps, which the peer
 * limits: 65535 (type1, dma_entry_limit) of 2 MiB are 128 GiB. Memory reserved at start (-m,
 * --socket-mem) in one file (--single-file-segments) needs few, larger pages fewer.
 */
struct run {
	struct ims_vfio *v;
	const struct rte_memseg_list *msl;
	uint8_t *addr;
	size_t len;
	int fd;
	uint64_t offset;
	bool grows; /* the next segment may join it */
	int rc;
};

static int
run_flush(struct run *run)
{
	int rc = 0;

	if (run->len != 0)
		rc = map_add(run->v, run->addr, run->len, run->fd, run->offset, false);
	run->len = 0;
	return rc;
}

/* External memory goes as a whole list; without hot-plug, and what was reserved at start, never. */
static bool
never_freed_alone(
	const struct ims_vfio *v, const struct rte_memseg_list *msl, const struct rte_memseg *ms)
{
	return !v->dma_hotplug || msl->external || (ms->flags & RTE_MEMSEG_FLAG_DO_NOT_FREE) != 0;
}

/* Called with DPDK's memory lock held, hence the thread-unsafe variants. */
static int
run_add_seg(struct run *run, const struct rte_memseg_list *msl, const struct rte_memseg *ms)
{
	bool grows = never_freed_alone(run->v, msl, ms);
	size_t offset = 0;
	int fd, rc;

	fd = rte_memseg_get_fd_thread_unsafe(ms);
	if (fd < 0 || rte_memseg_get_fd_offset_thread_unsafe(ms, &offset) < 0) {
		fd = -1; /* no file behind it: the device reaches it by messages */
		offset = 0;
	}
	if (run->len != 0 && run->grows && grows && run->msl == msl &&
		run->addr + run->len == ms->addr && run->fd == fd &&
		(fd < 0 || run->offset + run->len == offset)) {
		run->len += ms->len;
		return 0;
	}
	rc = run_flush(run);
	run->msl = msl;
	run->addr = ms->addr;
	run->len = ms->len;
	run->fd = fd;
	run->offset = offset;
	run->grows = grows;
	return rc;
}

/* Memory came: cut into the segments it is made of. */
static void
mem_added(struct ims_vfio *v, const uint8_t *addr, size_t len)
{
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(addr);
	struct run run = { .v = v };
	const struct rte_memseg *ms;
	size_t done;
	int rc = 0;

	for (done = 0; msl != NULL && done < len && rc == 0; done += ms->len) {
		ms = rte_mem_virt2memseg(addr + done, msl);
		if (ms == NULL || ms->len == 0)
			break;
		rc = run_add_seg(&run, msl, ms);
	}
	if (rc == 0)
		rc = run_flush(&run);
	if (rc != 0 && rc != -ENODEV)
		IMS_VFIO_LOG(ERR, "%s: new memory at %p is out of the device's reach", v->name,
			(const void *)addr);
}

/* Memory goes: every map in it. None holds memory that stays, see struct run. */
static void
mem_removed(struct ims_vfio *v, const uint8_t *addr, size_t len)
{
	struct ims_vfio_dma_map *map;

	pthread_mutex_lock(&v->dma_ctl);
	do {
		pthread_mutex_lock(&v->dma_lock);
		map = map_find_locked(v, (uintptr_t)addr, len);
		pthread_mutex_unlock(&v->dma_lock);
		if (map != NULL)
			map_del_locked(v, map);
	} while (map != NULL);
	pthread_mutex_unlock(&v->dma_ctl);
}

static void
mem_event(enum rte_mem_event event, const void *addr, size_t len, void *arg)
{
	if (event == RTE_MEM_EVENT_ALLOC)
		mem_added(arg, addr, len);
	else
		mem_removed(arg, addr, len);
}

static int
hotplug_register(struct ims_vfio *v)
{
	if (rte_mem_event_callback_register(MEM_EVENT_NAME, mem_event, v) == 0)
		v->dma_hotplug = true;
	else if (rte_errno != ENOTSUP) /* --no-huge and --legacy-mem never add memory */
		return -rte_errno;
	return 0;
}

static int
walk_seg(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	struct run *run = arg;

	run->rc = run_add_seg(run, msl, ms);
	return run->rc == 0 ? 0 : -1;
}

/*
 * Registering and walking under DPDK's memory lock leave no gap and no overlap: memory can neither
 * come nor go, so every segment is either walked or announced, and none is both.
 */
int
ims_vfio_dma_start(struct ims_vfio *v)
{
	struct run run = { .v = v };

	rte_mcfg_mem_read_lock();
	run.rc = hotplug_register(v);
	if (run.rc == 0 && rte_memseg_walk_thread_unsafe(walk_seg, &run) < 0 && run.rc == 0)
		run.rc = -EIO;
	if (run.rc == 0)
		run.rc = run_flush(&run);
	rte_mcfg_mem_read_unlock();
	if (run.rc != 0)
		ims_vfio_dma_stop(v);
	return run.rc;
}

void
ims_vfio_dma_stop(struct ims_vfio *v)
{
	struct ims_vfio_dma_map *map;

	if (v->dma_hotplug)
		rte_mem_event_callback_unregister(MEM_EVENT_NAME, v);
	v->dma_hotplug = false;
	pthread_mutex_lock(&v->dma_ctl);
	while ((map = TAILQ_FIRST(&v->dma_maps)) != NULL)
		map_del_locked(v, map);
	pthread_mutex_unlock(&v->dma_ctl);
}

int
ims_vfio_dma_map(struct ims_vfio *v, void *addr, size_t len, int fd, uint64_t offset)
{
	return map_add(v, addr, len, fd, offset, true);
}

int
ims_vfio_dma_unmap(struct ims_vfio *v, void *addr, size_t len)
{
	struct ims_vfio_dma_map *map;
	int rc = -ENOENT;

	pthread_mutex_lock(&v->dma_ctl);
	pthread_mutex_lock(&v->dma_lock);
	map = map_find_locked(v, (uintptr_t)addr, len);
	pthread_mutex_unlock(&v->dma_lock);
	if (map != NULL && map->user && map->addr == addr && map->len == len) {
		rc = map_del_locked(v, map);
		if (rc == -ENODEV)
			rc = 0; /* gone, and its maps with it */
	}
	pthread_mutex_unlock(&v->dma_ctl);
	return rc;
}

/* How much of [iova, iova + len), from iova on, one map has: it is at addr; 0: none has any. */
static size_t
part_locked(struct ims_vfio *v, uint64_t iova, size_t len, uint8_t **addr)
{
	const struct ims_vfio_dma_map *map;

	TAILQ_FOREACH(map, &v->dma_maps, next) {
		if (iova < map->iova || iova - map->iova >= map->len)
			continue;
		*addr = map->addr + (iova - map->iova);
		return RTE_MIN(len, map->len - (iova - map->iova));
	}
	return 0;
}

static bool
is_mapped_locked(struct ims_vfio *v, uint64_t iova, size_t len)
{
	uint8_t *addr;
	size_t part;

	for (; len != 0; len -= part) {
		part = part_locked(v, iova, len, &addr);
		if (part == 0)
			return false;
		iova += part;
	}
	return true;
}

bool
ims_vfio_dma_is_mapped(struct ims_vfio *v, uint64_t iova, size_t len)
{
	bool mapped;

	pthread_mutex_lock(&v->dma_lock);
	mapped = is_mapped_locked(v, iova, len);
	pthread_mutex_unlock(&v->dma_lock);
	return mapped;
}

/* Most accesses lie in one map, which is looked up once. The rest is checked before any is done. */
int
ims_vfio_dma_copy(struct ims_vfio *v, uint64_t iova, void *buf, size_t len, bool to_memory)
{
	uint8_t *addr, *at = buf;
	size_t part;
	int rc = -EFAULT;

	pthread_mutex_lock(&v->dma_lock);
	part = part_locked(v, iova, len, &addr);
	if (part == len || (part != 0 && is_mapped_locked(v, iova + part, len - part)))
		rc = 0;
	while (rc == 0 && part != 0) {
		if (to_memory)
			memcpy(addr, at, part);
		else
			memcpy(at, addr, part);
		iova += part;
		at += part;
		len -= part;
		part = len != 0 ? part_locked(v, iova, len, &addr) : 0;
	}
	pthread_mutex_unlock(&v->dma_lock);
	if (rc != 0)
		ims_vfio_peer_error(v, IMS_VFIO_PEER_DMA_FAULT, 1);
	return rc;
}
