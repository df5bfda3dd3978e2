/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * vfio-user client: the commands. Nothing that the server answers is believed before it has been
 * checked: sizes, offsets, counts, and that a file is as long as the mapping made of it.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>
#include <linux/magic.h>
#include <linux/vfio.h>

#include <rte_common.h>

#include "ims_deadline.h"
#include "ims_vfio_log.h"
#include "ims_vfio_user.h"

#define PAGE_SIZE       ((uint64_t)sysconf(_SC_PAGESIZE))
#define REGION_INFO_MAX 4096       /* with all capabilities we can make use of */
#define PEER_MAX_DATA   (1u << 20) /* specification: the default of max_data_xfer_size */
#define PEER_MAX_MAPS   65535      /* specification: the default of max_dma_maps */
#define CHILD_EXIT_MS   1000

/* ims-devsrv's exit statuses. */
#define DEVSRV_EXIT_USAGE   2
#define DEVSRV_EXIT_UNKNOWN 3

/* Limits that the server announces; negative or of another type, they keep their defaults. */
static void
version_limit(struct json_object *caps, const char *key, uint64_t max, uint64_t *val)
{
	struct json_object *obj;
	int64_t n;

	if (!json_object_object_get_ex(caps, key, &obj) || !json_object_is_type(obj, json_type_int))
		return;
	n = json_object_get_int64(obj);
	if (n >= 0)
		*val = RTE_MIN((uint64_t)n, max);
}

static void
version_caps(struct ims_vfio_user *c, const char *text)
{
	uint64_t fds = 1, data = PEER_MAX_DATA, maps = PEER_MAX_MAPS;
	struct json_object *root, *caps;

	root = json_tokener_parse(text);
	if (root != NULL && json_object_object_get_ex(root, "capabilities", &caps)) {
		version_limit(caps, "max_msg_fds", VU_MAX_FDS, &fds);
		version_limit(caps, "max_data_xfer_size", VU_MAX_DATA, &data);
		version_limit(caps, "max_dma_maps", UINT32_MAX, &maps);
	}
	json_object_put(root);
	c->peer_max_fds = fds;
	c->peer_max_data = RTE_MIN(data, (uint64_t)VU_MAX_DATA);
	c->peer_max_maps = maps;
}

static int
negotiate(struct ims_vfio_user *c)
{
	struct vfio_user_version ver = { VFIO_USER_MAJOR, VFIO_USER_MINOR };
	char json[256], answer[4096];
	struct iovec iov[2] = {
		{ .iov_base = &ver, .iov_len = sizeof(ver) },
		{ .iov_base = json },
	};
	struct vu_call call = {
		.command = VFIO_USER_VERSION,
		.iov = iov,
		.n_iov = 2,
		.reply = answer,
		.reply_cap = sizeof(answer) - 1,
		.reply_min = sizeof(ver),
	};
	int rc;

	iov[1].iov_len =
		1 + snprintf(json, sizeof(json),
			    "{\"capabilities\":{\"max_msg_fds\":%d,\"max_data_xfer_size\":%u,"
			    "\"max_dma_maps\":%u,\"pgsizes\":%" PRIu64 "}}",
			    VU_MAX_FDS, VU_MAX_DATA, PEER_MAX_MAPS, PAGE_SIZE);
	rc = vu_call(c, &call);
	if (rc == -EPROTO || rc == -ENOTSUP || rc == -EINVAL) {
		IMS_VFIO_LOG(ERR, "%s: the server refused vfio-user version %u.%u", c->v.name,
			VFIO_USER_MAJOR, VFIO_USER_MINOR);
		return -EPROTONOSUPPORT;
	}
	if (rc != 0)
		return rc;
	memcpy(&ver, answer, sizeof(ver));
	if (ver.major != VFIO_USER_MAJOR || ver.minor > VFIO_USER_MINOR) {
		IMS_VFIO_LOG(ERR, "%s: the server speaks vfio-user %u.%u, not %u.%u", c->v.name,
			ver.major, ver.minor, VFIO_USER_MAJOR, VFIO_USER_MINOR);
		return -EPROTONOSUPPORT;
	}
	answer[call.reply_len] = '\0';
	version_caps(c, answer + sizeof(ver));
	return 0;
}

/* Touching a page behind the file's end would be a SIGBUS. */
static int
area_map(struct ims_vfio_user *c, uint32_t r, uint64_t offset, uint64_t size, uint64_t file_offset,
	int fd)
{
	uint64_t region_size = c->v.regions[r].size;
	struct stat st;

	if (size == 0 || size > region_size || offset > region_size - size ||
		offset % PAGE_SIZE != 0 || file_offset + offset < file_offset)
		return -EPROTO;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < size || file_offset + offset > (uint64_t)st.st_size - size)
		return -EPROTO;
	return ims_vfio_area_map(&c->v, r, offset, size, fd, file_offset);
}

/* Find the sparse mmap capability in a reply of len bytes. NULL: none, or not a sound one. */
static const struct vfio_region_info_cap_sparse_mmap *
sparse_cap(const uint8_t *reply, size_t len, const struct vfio_region_info *info)
{
	const struct vfio_region_info_cap_sparse_mmap *cap;
	struct vfio_info_cap_header hdr;
	uint32_t pos = info->cap_offset;
	unsigned int hops;

	if ((info->flags & VFIO_REGION_INFO_FLAG_CAPS) == 0)
		return NULL;
	for (hops = 0; hops < 16 && pos >= sizeof(*info) && pos % 8 == 0 &&
		       pos <= len - sizeof(*cap) && len >= sizeof(*cap);
		hops++) {
		memcpy(&hdr, reply + pos, sizeof(hdr));
		cap = (const struct vfio_region_info_cap_sparse_mmap *)(const void *)(reply + pos);
		if (hdr.id == VFIO_REGION_INFO_CAP_SPARSE_MMAP)
			return cap->nr_areas <= (len - pos - sizeof(*cap)) / sizeof(cap->areas[0])
			               ? cap
			               : NULL;
		pos = hdr.next;
	}
	return NULL;
}

/*
 * Made by memfd_create(), shm_open(), on tmpfs or hugetlbfs. To ask for seals asks no file system:
 * of any other file a page, or even its size, may be a request to a process of the peer's that does
 * not answer (FUSE).
 */
static bool
is_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

/*
 * To be asked of memory only, as its size. One small page cannot be put in the place of a huge one,
 * which is what saves the application when the peer cuts the file short (ims_sigbus.c).
 */
static bool
has_huge_pages(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) < 0 || st.f_type == HUGETLBFS_MAGIC;
}

static int
region_map(struct ims_vfio_user *c, uint32_t r, const uint8_t *reply, size_t len,
	const struct vfio_region_info *info, int fd)
{
	const struct vfio_region_info_cap_sparse_mmap *cap;
	uint32_t i;
	int rc = 0;

	if ((info->flags & VFIO_REGION_INFO_FLAG_MMAP) == 0 || fd < 0 || info->size == 0)
		return 0;
	if (!is_memory(fd) || has_huge_pages(fd)) {
		IMS_VFIO_LOG(INFO, "%s: region %u is no memory to map, it is reached by messages",
			c->v.name, r);
		return 0;
	}
	cap = sparse_cap(reply, len, info);
	if (cap == NULL)
		return area_map(c, r, 0, info->size, info->offset, fd);
	for (i = 0; i < cap->nr_areas && rc == 0; i++)
		if (cap->areas[i].size != 0)
			rc = area_map(
				c, r, cap->areas[i].offset, cap->areas[i].size, info->offset, fd);
	return rc;
}

static int
region_setup(struct ims_vfio_user *c, uint32_t r)
{
	struct vfio_region_info info = { .argsz = REGION_INFO_MAX, .index = r };
	struct iovec iov = { .iov_base = &info, .iov_len = sizeof(info) };
	uint8_t answer[REGION_INFO_MAX] __rte_aligned(8) = { 0 };
	struct vu_call call = {
		.command = VFIO_USER_DEVICE_GET_REGION_INFO,
		.iov = &iov,
		.n_iov = 1,
		.reply = answer,
		.reply_cap = sizeof(answer),
		.reply_min = sizeof(info),
		.max_reply_fds = 1,
	};
	int fd, rc;

	rc = vu_call(c, &call);
	if (rc != 0)
		return rc;
	fd = call.n_reply_fds != 0 ? call.reply_fds[0] : -1;
	memcpy(&info, answer, sizeof(info));
	if (info.index != r || info.size > INT64_MAX) {
		rc = -EPROTO;
	} else {
		c->v.regions[r].size = info.size;
		c->v.regions[r].flags = info.flags;
		rc = region_map(c, r, answer, call.reply_len, &info, fd);
	}
	if (rc != 0)
		IMS_VFIO_LOG(
			ERR, "%s: region %u is described wrongly: %s", c->v.name, r, strerror(-rc));
	/* Nobody is asked about memory when it is closed, either. */
	if (fd >= 0 && is_memory(fd))
		close(fd);
	else if (fd >= 0)
		vu_close_fds(c, &fd, 1);
	return rc;
}

static int
irq_setup(struct ims_vfio_user *c, uint32_t index)
{
	struct vfio_irq_info ask = { .argsz = sizeof(ask), .index = index }, info = { 0 };
	struct iovec iov = { .iov_base = &ask, .iov_len = sizeof(ask) };
	struct vu_call call = {
		.command = VFIO_USER_DEVICE_GET_IRQ_INFO,
		.iov = &iov,
		.n_iov = 1,
		.reply = &info,
		.reply_cap = sizeof(info),
		.reply_min = sizeof(info),
	};
	int rc;

	rc = vu_call(c, &call);
	if (rc != 0)
		return rc;
	if (info.index != index)
		return -EPROTO;
	c->v.irqs[index].flags = info.flags;
	c->v.irqs[index].count = info.count;
	return 0;
}

static int
device_setup(struct ims_vfio_user *c)
{
	struct vfio_user_device_info ask = { .argsz = sizeof(ask) }, info = { 0 };
	struct iovec iov = { .iov_base = &ask, .iov_len = sizeof(ask) };
	struct vu_call call = {
		.command = VFIO_USER_DEVICE_GET_INFO,
		.iov = &iov,
		.n_iov = 1,
		.reply = &info,
		.reply_cap = sizeof(info),
		.reply_min = sizeof(info),
	};
	uint32_t i;
	int rc;

	rc = vu_call(c, &call);
	if (rc != 0)
		return rc;
	if ((info.flags & VFIO_DEVICE_FLAGS_PCI) == 0 ||
		info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX) {
		IMS_VFIO_LOG(ERR, "%s: not a PCI device", c->v.name);
		return -ENOTSUP;
	}
	c->v.n_regions = RTE_MIN(info.num_regions, (uint32_t)IMS_VFIO_MAX_REGIONS);
	c->v.n_irqs = RTE_MIN(info.num_irqs, (uint32_t)IMS_VFIO_MAX_IRQS);
	for (i = 0; i < c->v.n_regions && rc == 0; i++)
		rc = region_setup(c, i);
	for (i = 0; i < c->v.n_irqs && rc == 0; i++)
		rc = irq_setup(c, i);
	return rc;
}

static int
region_access(struct ims_vfio_user *c, uint16_t command, uint32_t region, uint64_t off, void *in,
	const void *out, size_t len)
{
	struct vfio_user_region_access acc = { .offset = off, .region = region, .count = len };
	uint8_t answer[sizeof(acc) + 256];
	struct iovec iov[2] = {
		{ .iov_base = &acc, .iov_len = sizeof(acc) },
		{ .iov_base = (void *)(uintptr_t)out, .iov_len = len },
	};
	size_t want = sizeof(acc) + (in != NULL ? len : 0);
	struct vu_call call = {
		.command = command,
		.iov = iov,
		.n_iov = out != NULL ? 2 : 1,
		.reply = answer,
		.reply_cap = want,
		.reply_min = want,
	};
	int rc;

	if (len > sizeof(answer) - sizeof(acc) || len > c->peer_max_data)
		return -EINVAL;
	rc = vu_call(c, &call);
	if (rc != 0)
		return rc;
	memcpy(&acc, answer, sizeof(acc));
	if (acc.offset != off || acc.region != region || acc.count != len) {
		ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_BAD_REPLY, 1);
		return -EPROTO;
	}
	if (in != NULL)
		memcpy(in, answer + sizeof(acc), len);
	return 0;
}

static int
vu_region_read(struct ims_vfio *v, uint32_t region, uint64_t off, void *buf, size_t len)
{
	return region_access(vu_from(v), VFIO_USER_REGION_READ, region, off, buf, NULL, len);
}

static int
vu_region_write(struct ims_vfio *v, uint32_t region, uint64_t off, const void *buf, size_t len)
{
	return region_access(vu_from(v), VFIO_USER_REGION_WRITE, region, off, NULL, buf, len);
}

static int
irq_set_block(struct ims_vfio_user *c, uint32_t index, uint32_t start, uint32_t count,
	uint32_t data_flag, const int *fds)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = data_flag | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
		.start = start,
		.count = count,
	};
	struct iovec iov = { .iov_base = &set, .iov_len = sizeof(set) };
	struct vu_call call = {
		.command = VFIO_USER_DEVICE_SET_IRQS,
		.iov = &iov,
		.n_iov = 1,
		.fds = fds,
		.n_fds = fds != NULL ? (int)count : 0,
	};

	return vu_call(c, &call);
}

/* Blocks of as many descriptors as one message carries; on failure the earlier blocks stand. */
static int
vu_irq_set(struct ims_vfio *v, uint32_t index, uint32_t start, uint32_t count, const int *fds)
{
	struct ims_vfio_user *c = vu_from(v);
	uint32_t done, n;
	int rc = 0;

	if (index >= v->n_irqs || start > v->irqs[index].count ||
		count > v->irqs[index].count - start)
		return -EINVAL;
	if (count == 0)
		return irq_set_block(c, index, 0, 0, VFIO_IRQ_SET_DATA_NONE, NULL);
	if (fds == NULL)
		return irq_set_block(c, index, start, count, VFIO_IRQ_SET_DATA_EVENTFD, NULL);
	if (c->peer_max_fds == 0)
		return -ENOTSUP;
	for (done = 0; done < count && rc == 0; done += n) {
		n = RTE_MIN(count - done, c->peer_max_fds);
		rc = irq_set_block(
			c, index, start + done, n, VFIO_IRQ_SET_DATA_EVENTFD, fds + done);
	}
	return rc;
}

static int
dma_map_raw(struct ims_vfio_user *c, uint64_t iova, uint64_t len, uint32_t flags, int fd,
	uint64_t offset)
{
	struct vfio_user_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.offset = offset,
		.addr = iova,
		.size = len,
	};
	struct iovec iov = { .iov_base = &map, .iov_len = sizeof(map) };
	struct vu_call call = {
		.command = VFIO_USER_DMA_MAP,
		.iov = &iov,
		.n_iov = 1,
		.fds = &fd,
		.n_fds = fd >= 0 ? 1 : 0,
	};

	return vu_call(c, &call);
}

static void
count_fdless(struct ims_vfio_user *c, int by)
{
	pthread_mutex_lock(&c->lock);
	c->n_fdless += by;
	vu_watch_update_locked(c);
	pthread_mutex_unlock(&c->lock);
}

static int
vu_dma_map(struct ims_vfio *v, uint64_t iova, void *addr, size_t len, int fd, uint64_t offset)
{
	struct ims_vfio_user *c = vu_from(v);
	int rc;

	RTE_SET_USED(addr);
	/* For the server the MSI window is one more. */
	if (v->n_dma_maps + 1 >= c->peer_max_maps)
		return -ENOSPC;
	/* Counted first: the device may use it before we have its reply. */
	if (fd < 0)
		count_fdless(c, 1);
	rc = dma_map_raw(c, iova, len, VFIO_USER_DMA_F_READ | VFIO_USER_DMA_F_WRITE, fd, offset);
	if (rc != 0 && fd < 0)
		count_fdless(c, -1);
	return rc;
}

static int
vu_dma_unmap(struct ims_vfio *v, const struct ims_vfio_dma_map *map)
{
	struct vfio_user_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.addr = map->iova,
		.size = map->len,
	};
	struct vfio_user_dma_unmap answer;
	struct iovec iov = { .iov_base = &unmap, .iov_len = sizeof(unmap) };
	struct vu_call call = {
		.command = VFIO_USER_DMA_UNMAP,
		.iov = &iov,
		.n_iov = 1,
		.reply = &answer,
		.reply_cap = sizeof(answer),
	};
	int rc;

	rc = vu_call(vu_from(v), &call);
	/* A server that has not agreed may still use it. */
	if (rc == 0 && map->fdless)
		count_fdless(vu_from(v), -1);
	return rc;
}

static int
vu_reset(struct ims_vfio *v)
{
	struct vu_call call = { .command = VFIO_USER_DEVICE_RESET };

	return vu_call(vu_from(v), &call);
}

/* Give the process that we started time to end by itself: the end of the connection tells it to. */
static int
child_reap(pid_t child)
{
	int status = 0, ms;

	for (ms = 0; ms < CHILD_EXIT_MS; ms++) {
		if (waitpid(child, &status, WNOHANG) != 0)
			return status;
		usleep(1000);
	}
	kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void
vu_close(struct ims_vfio *v)
{
	struct ims_vfio_user *c = vu_from(v);

	vu_sock_fini(c);
	if (c->child >= 0)
		child_reap(c->child);
	vu_msi_fini(c);
	ims_vfio_fini(v);
	free(c);
}

static const struct ims_vfio_ops vu_ops = {
	.close = vu_close,
	.region_read = vu_region_read,
	.region_write = vu_region_write,
	.irq_set = vu_irq_set,
	.dma_map = vu_dma_map,
	.dma_unmap = vu_dma_unmap,
	.reset = vu_reset,
	.fd_give = vu_fd_give,
	.fd_close = vu_fd_close,
	.msg_alloc = vu_msg_alloc,
	.msg_retarget = vu_msg_retarget,
	.msg_free = vu_msg_free,
	.msg_sink = vu_msg_sink,
	.source_take = vu_source_take,
	.source_give = vu_source_give,
	.source_read = vu_source_read,
	.source_ack = vu_source_ack,
};

/* What the exit of a process that never answered says. */
static int
child_error(struct ims_vfio_user *c, int rc)
{
	int status;

	if (c->sock >= 0)
		close(c->sock);
	c->sock = -1;
	status = child_reap(c->child);
	c->child = -1;
	/* These two it has explained on stderr. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == DEVSRV_EXIT_UNKNOWN)
		return -ENODEV;
	if (WIFEXITED(status) && WEXITSTATUS(status) == DEVSRV_EXIT_USAGE)
		return -EINVAL;
	IMS_VFIO_LOG(ERR, "%s: the device process gave up: %s", c->v.name, strerror(-rc));
	return rc;
}

struct ims_vfio *
ims_vfio_user_attach(const char *name, int sock, pid_t child, uint32_t timeout_ms)
{
	struct ims_vfio_user *c;
	int rc;

	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		close(sock);
		if (child >= 0)
			child_reap(child);
		return ims_vfio_err_ptr(-ENOMEM);
	}
	ims_vfio_init(&c->v, &vu_ops, name, timeout_ms);
	c->sock = sock;
	c->child = child;
	c->v.model_pid = child > 0 ? child : 0;
	rc = vu_msi_init(c);
	if (rc != 0)
		goto fini;
	rc = vu_sock_init(c);
	if (rc != 0)
		goto msi_fini;
	rc = negotiate(c);
	if (rc == 0)
		rc = device_setup(c);
	/* The root complex takes messages: write only, no file behind it. */
	if (rc == 0)
		rc = dma_map_raw(c, VFIO_USER_MSI_WINDOW_BASE, VFIO_USER_MSI_WINDOW_SIZE,
			VFIO_USER_DMA_F_WRITE, -1, 0);
	if (rc == 0) {
		atomic_store(&c->v.up, true);
		return &c->v;
	}
	vu_sock_fini(c);
msi_fini:
	vu_msi_fini(c);
fini:
	if (c->child >= 0)
		rc = child_error(c, rc);
	if (c->sock >= 0)
		close(c->sock);
	ims_vfio_fini(&c->v);
	free(c);
	return ims_vfio_err_ptr(rc);
}

/* The send timeout is also how long connect() waits for room in the server's backlog. */
static int
connect_within(int sock, const struct sockaddr_un *sa, uint32_t timeout_ms)
{
	struct timespec deadline;
	struct timeval tv;
	int ms;

	ims_deadline_in_ms(&deadline, timeout_ms);
	do {
		ms = ims_left_ms(&deadline);
		if (ms == 0)
			return -ETIMEDOUT;
		tv.tv_sec = ms / 1000;
		tv.tv_usec = ms % 1000 * 1000L;
		if (setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
			return -errno;
		if (connect(sock, (const struct sockaddr *)sa, sizeof(*sa)) == 0)
			return 0;
	} while (errno == EINTR);
	return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

struct ims_vfio *
ims_vfio_user_open(const char *name, const char *path, uint32_t timeout_ms)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct ims_vfio *v;
	int sock, rc;

	if (path[0] == '\0' || strlen(path) >= sizeof(sa.sun_path)) {
		IMS_VFIO_LOG(ERR, "%s: a socket's path has 1 to %zu characters", name,
			sizeof(sa.sun_path) - 1);
		return ims_vfio_err_ptr(path[0] == '\0' ? -EINVAL : -ENAMETOOLONG);
	}
	memcpy(sa.sun_path, path, strlen(path));
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return ims_vfio_err_ptr(-errno);
	rc = connect_within(sock, &sa, timeout_ms);
	if (rc != 0) {
		IMS_VFIO_LOG(ERR, "%s: cannot connect: %s", name, strerror(-rc));
		close(sock);
		return ims_vfio_err_ptr(rc);
	}
	v = ims_vfio_user_attach(name, sock, -1, timeout_ms);
	if (v == NULL)
		IMS_VFIO_LOG(ERR, "%s: cannot use the server: %s", name, strerror(rte_errno));
	return v;
}
