/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The client's memory. Maps that come with a file are mapped here and used directly; the rest is
 * reached by messages to the client. A client that cuts its file short after the map could still
 * make an access fail with SIGBUS, which ends this process: it harms no other client.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfu_priv.h"

static void
map_free(struct vfu *vfu, struct vfu_map *map)
{
	TAILQ_REMOVE(&vfu->maps, map, next);
	vfu->n_maps--;
	if (vfu->last_map == map)
		vfu->last_map = NULL;
	if (map->base != NULL)
		munmap(map->base, map->base_len);
	free(map);
}

void
vfu_dma_reset(struct vfu *vfu)
{
	struct vfu_map *map;

	while ((map = TAILQ_FIRST(&vfu->maps)) != NULL)
		map_free(vfu, map);
}

/* In order of addresses, so that overlaps are with neighbours. */
static int
map_insert(struct vfu *vfu, struct vfu_map *map)
{
	uint64_t last = map->iova + map->size - 1; /* the end of the last page would be 0 */
	struct vfu_map *after;

	TAILQ_FOREACH_REVERSE(after, &vfu->maps, vfu_map_list, next)
	if (after->iova <= last)
		break;
	if (after != NULL && after->iova == map->iova && after->size == map->size)
		return EEXIST;
	if (after != NULL && after->iova + after->size - 1 >= map->iova)
		return EINVAL;
	if (after != NULL)
		TAILQ_INSERT_AFTER(&vfu->maps, after, map, next);
	else
		TAILQ_INSERT_HEAD(&vfu->maps, map, next);
	vfu->n_maps++;
	return 0;
}

/* Map the file's part; mmap wants whole pages. */
static int
map_file(struct vfu_map *map, int fd, uint64_t offset)
{
	uint64_t page = sysconf(_SC_PAGESIZE), skew = offset % page;
	int prot = 0;
	struct stat st;

	if (offset + map->size < offset || map->size > SIZE_MAX - page)
		return EINVAL;
	if (fstat(fd, &st) < 0)
		return errno;
	if (S_ISREG(st.st_mode) && offset + map->size > (uint64_t)st.st_size)
		return EINVAL;
	if (map->flags & VFIO_USER_DMA_F_READ)
		prot |= PROT_READ;
	if (map->flags & VFIO_USER_DMA_F_WRITE)
		prot |= PROT_WRITE;
	map->base_len = map->size + skew;
	map->base = mmap(NULL, map->base_len, prot, MAP_SHARED, fd, offset - skew);
	if (map->base == MAP_FAILED) {
		map->base = NULL;
		return errno;
	}
	map->addr = (uint8_t *)map->base + skew;
	return 0;
}

int
vfu_cmd_dma_map(struct vfu *vfu, const struct vfu_req *req)
{
	struct vfio_user_dma_map cmd;
	struct vfu_map *map;
	int error;

	if (req->len != sizeof(cmd))
		return EINVAL;
	memcpy(&cmd, req->data, sizeof(cmd));
	if (cmd.argsz < sizeof(cmd) || cmd.size == 0 || cmd.addr + cmd.size - 1 < cmd.addr ||
		(cmd.flags & ~(VFIO_USER_DMA_F_READ | VFIO_USER_DMA_F_WRITE)) != 0 ||
		req->n_fds > 1)
		return EINVAL;
	if (vfu->n_maps == VFU_MAX_MAPS)
		return ENOSPC;
	map = calloc(1, sizeof(*map));
	if (map == NULL)
		return ENOMEM;
	map->iova = cmd.addr;
	map->size = cmd.size;
	map->flags = cmd.flags;
	error = map_insert(vfu, map);
	if (error != 0) {
		free(map);
		return error;
	}
	if (req->n_fds == 1) {
		error = map_file(map, req->fds[0], cmd.offset);
		if (error != 0) {
			map_free(vfu, map);
			return error;
		}
	}
	vfu_reply(vfu, req, NULL, 0, NULL, 0, -1);
	return 0;
}

/*
 * Any range: all maps in it go. The specification wants an exact match, but with a vIOMMU QEMU
 * unmaps ranges that span many maps or none, and a map that stayed would be an access to memory
 * that is the client's no longer. A range that cuts a map is refused.
 */
int
vfu_cmd_dma_unmap(struct vfu *vfu, const struct vfu_req *req)
{
	struct vfio_user_dma_unmap cmd;
	struct vfu_map *map, *next;
	uint64_t last;
	bool all;

	if (req->len < sizeof(cmd))
		return EINVAL;
	memcpy(&cmd, req->data, sizeof(cmd));
	all = (cmd.flags & VFIO_USER_UNMAP_F_ALL) != 0;
	if ((cmd.flags & ~VFIO_USER_UNMAP_F_ALL) != 0)
		return cmd.flags & VFIO_USER_UNMAP_F_DIRTY ? EOPNOTSUPP : EINVAL;
	if (all ? cmd.addr != 0 || cmd.size != 0 : cmd.size == 0)
		return EINVAL;
	last = all ? UINT64_MAX : cmd.addr + cmd.size - 1;
	if (last < cmd.addr)
		return EINVAL;
	TAILQ_FOREACH(map, &vfu->maps, next) {
		uint64_t map_last = map->iova + map->size - 1;

		if (map->iova <= last && map_last >= cmd.addr &&
			(map->iova < cmd.addr || map_last > last))
			return EINVAL;
	}
	for (map = TAILQ_FIRST(&vfu->maps); map != NULL; map = next) {
		next = TAILQ_NEXT(map, next);
		if (map->iova >= cmd.addr && map->iova <= last)
			map_free(vfu, map);
	}
	vfu_reply(vfu, req, &cmd, sizeof(cmd), NULL, 0, -1);
	return 0;
}

static bool
map_holds(const struct vfu_map *map, uint64_t iova, uint64_t len)
{
	return iova >= map->iova && len <= map->size && iova - map->iova <= map->size - len;
}

void *
vfu_dma_addr(struct vfu *vfu, uint64_t iova, uint64_t len, bool write)
{
	uint32_t need = write ? VFIO_USER_DMA_F_WRITE : VFIO_USER_DMA_F_READ;
	struct vfu_map *map = vfu->last_map;

	if (!vfu_bus_master(vfu))
		return NULL;
	if (map == NULL || !map_holds(map, iova, len)) {
		TAILQ_FOREACH(map, &vfu->maps, next)
			if (map_holds(map, iova, len))
				break;
		if (map == NULL)
			return NULL;
		vfu->last_map = map;
	}
	if (map->addr == NULL || (map->flags & need) == 0)
		return NULL;
	return map->addr + (iova - map->iova);
}

static int
call_start(struct vfu *vfu, uint16_t command, uint64_t iova, const void *data, uint32_t len,
	vfu_dma_fn done, void *arg)
{
	struct vfio_user_dma_access acc = { .addr = iova, .count = len };
	struct vfio_user_header hdr = { .command = command, .size = sizeof(hdr) + sizeof(acc) };
	struct vfu_call *call;

	if (vfu->sock < 0 || !vfu->versioned || vfu->broken)
		return -ENOTCONN;
	if (len == 0 || len > VFU_MAX_DATA || len > vfu->client_max_data)
		return -EINVAL;
	if (!vfu_bus_master(vfu))
		return -EACCES;
	if (vfu->n_calls == VFU_MAX_CALLS)
		return -EAGAIN;
	while (vfu->calls[vfu->next_call].used)
		vfu->next_call = (vfu->next_call + 1) % VFU_MAX_CALLS;
	call = &vfu->calls[vfu->next_call];
	call->used = true;
	call->gen++;
	call->command = command;
	call->len = len;
	call->done = done;
	call->arg = arg;
	vfu->n_calls++;
	hdr.id = call->gen << 8 | vfu->next_call;
	hdr.size += data != NULL ? len : 0;
	vfu_send(vfu, &hdr, &acc, sizeof(acc), data, data != NULL ? len : 0, -1);
	return 0;
}

int
vfu_dma_write(
	struct vfu *vfu, uint64_t iova, const void *data, uint32_t len, vfu_dma_fn done, void *arg)
{
	return call_start(vfu, VFIO_USER_DMA_WRITE, iova, data, len, done, arg);
}

int
vfu_dma_read(struct vfu *vfu, uint64_t iova, uint32_t len, vfu_dma_fn done, void *arg)
{
	return call_start(vfu, VFIO_USER_DMA_READ, iova, NULL, len, done, arg);
}

/* A client's reply. One that was not asked for is ignored. */
void
vfu_dma_reply(struct vfu *vfu, const struct vfu_req *req)
{
	struct vfu_call *call = &vfu->calls[req->hdr.id % VFU_MAX_CALLS];
	uint32_t head = sizeof(struct vfio_user_dma_access);
	int error = 0;

	if (!call->used || call->gen != req->hdr.id >> 8 || call->command != req->hdr.command) {
		vfu_trace(vfu, "reply %u was not asked for\n", req->hdr.id);
		return;
	}
	if (req->hdr.flags & VFIO_USER_F_ERROR)
		error = req->hdr.error != 0 && req->hdr.error < 4096 ? (int)req->hdr.error : EIO;
	else if (call->command == VFIO_USER_DMA_READ && req->len != head + call->len)
		error = EPROTO;
	call->used = false;
	vfu->n_calls--;
	vfu_trace(vfu, "reply %u: %s\n", req->hdr.id, error != 0 ? strerror(error) : "good");
	call->done(call->arg, error, error == 0 && req->len > head ? req->data + head : NULL,
		error == 0 && req->len > head ? req->len - head : 0);
}
