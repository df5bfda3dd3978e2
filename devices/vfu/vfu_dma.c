/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The client's memory. Maps that come with a file are mapped here and used directly; the rest is
 * reached by messages to the client. For a client that cuts its file short after the map see
 * vfu_guard.c.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "vfu_priv.h"

static uint64_t
map_last(const struct vfu_map *map)
{
	return map->iova + map->size - 1;
}

static void
map_destroy(struct vfu_map *map)
{
	if (map->base != NULL)
		munmap(map->base, map->base_len);
	free(map);
}

/* Addresses that models have got may be valid no longer. */
static void
forget_addrs(struct vfu *vfu)
{
	vfu->dma_gen++;
	memset(vfu->map_cache, 0, sizeof(vfu->map_cache));
}

void
vfu_dma_reset(struct vfu *vfu)
{
	uint32_t i;

	forget_addrs(vfu);
	for (i = 0; i < vfu->n_maps; i++)
		map_destroy(vfu->maps[i]);
	free(vfu->maps);
	vfu->maps = NULL;
	vfu->n_maps = vfu->maps_room = 0;
}

/* The number of maps that begin at iova or below: the last of them is the one that may hold it. */
static uint32_t
maps_up_to(const struct vfu *vfu, uint64_t iova)
{
	uint32_t low = 0, high = vfu->n_maps, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (vfu->maps[mid]->iova <= iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int
maps_grow(struct vfu *vfu)
{
	uint32_t room = vfu->maps_room != 0 ? 2 * vfu->maps_room : 64;
	struct vfu_map **maps;

	if (vfu->n_maps < vfu->maps_room)
		return 0;
	maps = realloc(vfu->maps, room * sizeof(*maps));
	if (maps == NULL)
		return ENOMEM;
	vfu->maps = maps;
	vfu->maps_room = room;
	return 0;
}

/* Where in the order of addresses a map belongs, so that overlaps are with neighbours. */
static int
map_place(const struct vfu *vfu, uint64_t iova, uint64_t size, uint32_t *place)
{
	uint64_t last = iova + size - 1; /* the end of the last page would be 0 */
	const struct vfu_map *before;

	*place = maps_up_to(vfu, last);
	if (*place == 0)
		return 0;
	before = vfu->maps[*place - 1];
	return map_last(before) >= iova ? EEXIST : 0;
}

/*
 * What memory is mapped and unmapped in units of. Nothing else is mapped: a page of a file comes
 * from whoever is behind it, of a device it is anything, and munmap() would close a TCP socket.
 */
static uint64_t
page_size(int fd)
{
	struct statfs fs;

	if (!vfu_fd_is_memory(fd) || fstatfs(fd, &fs) < 0)
		return 0;
	return fs.f_type == HUGETLBFS_MAGIC ? fs.f_bsize : sysconf(_SC_PAGESIZE);
}

/* Map the file's part, in whole pages: munmap() wants as many as mmap() has taken. */
static int
map_file(struct vfu_map *map, int fd, uint64_t offset)
{
	uint64_t page = page_size(fd), skew;
	struct stat st;
	int prot = 0;

	if (page == 0 || fstat(fd, &st) < 0)
		return EINVAL;
	if (offset + map->size < offset || map->size > SIZE_MAX - 2 * page ||
		offset + map->size > (uint64_t)st.st_size)
		return EINVAL;
	skew = offset % page;
	if (map->flags & VFIO_USER_DMA_F_READ)
		prot |= PROT_READ;
	if (map->flags & VFIO_USER_DMA_F_WRITE)
		prot |= PROT_WRITE;
	map->base_len = (skew + map->size + page - 1) / page * page;
	map->base = mmap(NULL, map->base_len, prot, MAP_SHARED, fd, offset - skew);
	if (map->base == MAP_FAILED) {
		map->base = NULL;
		return errno;
	}
	map->addr = (uint8_t *)map->base + skew;
	return 0;
}

int
vfu_cmd_dma_map(struct vfu *vfu, struct vfu_req *req)
{
	struct vfio_user_dma_map cmd;
	struct vfu_map *map;
	uint32_t place;
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
	error = map_place(vfu, cmd.addr, cmd.size, &place);
	if (error == 0)
		error = maps_grow(vfu);
	if (error != 0)
		return error;
	map = calloc(1, sizeof(*map));
	if (map == NULL)
		return ENOMEM;
	map->iova = cmd.addr;
	map->size = cmd.size;
	map->flags = cmd.flags;
	error = req->n_fds == 1 ? map_file(map, req->fds[0], cmd.offset) : 0;
	if (error != 0) {
		free(map);
		return error;
	}
	if (req->n_fds == 1) {
		close(req->fds[0]); /* memory: nobody is waited for */
		req->fds[0] = -1;
	}
	memmove(&vfu->maps[place + 1], &vfu->maps[place],
		(vfu->n_maps - place) * sizeof(vfu->maps[0]));
	vfu->maps[place] = map;
	vfu->n_maps++;
	vfu_reply(vfu, req, NULL, 0, NULL, 0, -1);
	return 0;
}

/* All maps in the range go. Closes the gap, keeps the order. */
static void
maps_remove(struct vfu *vfu, uint32_t first, uint32_t end)
{
	uint32_t i;

	if (first == end)
		return;
	forget_addrs(vfu);
	for (i = first; i < end; i++)
		map_destroy(vfu->maps[i]);
	memmove(&vfu->maps[first], &vfu->maps[end], (vfu->n_maps - end) * sizeof(vfu->maps[0]));
	vfu->n_maps -= end - first;
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
	uint32_t first, end;
	uint64_t last;
	bool all;

	if (req->len < sizeof(cmd))
		return EINVAL;
	memcpy(&cmd, req->data, sizeof(cmd));
	all = (cmd.flags & VFIO_USER_UNMAP_F_ALL) != 0;
	if (cmd.argsz < sizeof(cmd))
		return EINVAL;
	if ((cmd.flags & ~VFIO_USER_UNMAP_F_ALL) != 0)
		return cmd.flags & VFIO_USER_UNMAP_F_DIRTY ? EOPNOTSUPP : EINVAL;
	if (all ? cmd.addr != 0 || cmd.size != 0 : cmd.size == 0)
		return EINVAL;
	last = all ? UINT64_MAX : cmd.addr + cmd.size - 1;
	if (last < cmd.addr)
		return EINVAL;
	first = maps_up_to(vfu, cmd.addr);
	if (first > 0 && vfu->maps[first - 1]->iova == cmd.addr)
		first--; /* it begins the range, so it may be in it */
	else if (first > 0 && map_last(vfu->maps[first - 1]) >= cmd.addr)
		return EINVAL;
	end = maps_up_to(vfu, last);
	if (end > first && map_last(vfu->maps[end - 1]) > last)
		return EINVAL;
	maps_remove(vfu, first, end);
	vfu_reply(vfu, req, &cmd, sizeof(cmd), NULL, 0, -1);
	return 0;
}

static bool
map_holds(const struct vfu_map *map, uint64_t iova, uint64_t len)
{
	return iova >= map->iova && len <= map->size && iova - map->iova <= map->size - len;
}

/*
 * A model goes back and forth between a few maps, so those of late are remembered by address. What
 * is remembered is only a guess: map_holds() decides.
 */
static struct vfu_map *
map_find(struct vfu *vfu, uint64_t iova, uint64_t len)
{
	struct vfu_map **guess = &vfu->map_cache[(iova >> 21 ^ iova >> 32) % VFU_MAP_CACHE];
	uint32_t n;

	if (*guess != NULL && map_holds(*guess, iova, len))
		return *guess;
	n = maps_up_to(vfu, iova);
	if (n == 0 || !map_holds(vfu->maps[n - 1], iova, len))
		return NULL;
	return *guess = vfu->maps[n - 1];
}

/* A map that may be accessed, or NULL. */
static const struct vfu_map *
map_for(struct vfu *vfu, uint64_t iova, uint64_t len, bool write)
{
	uint32_t need = write ? VFIO_USER_DMA_F_WRITE : VFIO_USER_DMA_F_READ;
	const struct vfu_map *map;

	if (!vfu_bus_master(vfu))
		return NULL;
	map = map_find(vfu, iova, len);
	return map != NULL && map->addr != NULL && (map->flags & need) != 0 ? map : NULL;
}

void *
vfu_dma_addr(struct vfu *vfu, uint64_t iova, uint64_t len, bool write)
{
	const struct vfu_map *map = map_for(vfu, iova, len, write);

	return map != NULL ? map->addr + (iova - map->iova) : NULL;
}

void *
vfu_dma_extent(struct vfu *vfu, uint64_t iova, uint64_t *len, bool write)
{
	const struct vfu_map *map = map_for(vfu, iova, 1, write);

	if (map == NULL)
		return NULL;
	if (*len > map->size - (iova - map->iova))
		*len = map->size - (iova - map->iova);
	return map->addr + (iova - map->iova);
}

void *
vfu_dma_aligned(struct vfu *vfu, uint64_t iova, uint64_t len, uint32_t align, bool write)
{
	void *addr = vfu_dma_addr(vfu, iova, len, write);

	return (uintptr_t)addr % align == 0 ? addr : NULL;
}

uint64_t
vfu_dma_gen(const struct vfu *vfu)
{
	return vfu->dma_gen;
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
	call->iova = iova;
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

/*
 * A good reply is of all that was asked for. That of a write may have a count of four bytes, which
 * is the specification's, or of eight, which is that of everybody else; older QEMU sends nothing at
 * all.
 */
static bool
reply_fits(const struct vfu_call *call, const struct vfu_req *req)
{
	struct vfio_user_dma_access acc = { 0 };
	bool good;

	if (call->command == VFIO_USER_DMA_READ)
		good = req->len == sizeof(acc) + call->len;
	else
		good = req->len == sizeof(acc) || req->len == sizeof(acc) - 4 || req->len == 0;
	if (!good || req->len == 0)
		return good;
	memcpy(&acc, req->data, req->len < sizeof(acc) ? req->len : sizeof(acc));
	return acc.addr == call->iova && acc.count == call->len;
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
	else if (!reply_fits(call, req))
		error = EPROTO;
	call->used = false;
	vfu->n_calls--;
	vfu_trace(vfu, "reply %u: %s\n", req->hdr.id, error != 0 ? strerror(error) : "good");
	call->done(call->arg, error, error == 0 && req->len > head ? req->data + head : NULL,
		error == 0 && req->len > head ? req->len - head : 0);
}
