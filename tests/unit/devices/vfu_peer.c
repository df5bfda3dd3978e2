/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <linux/pci_regs.h>

#include "../../count_fds.h"
#include "../../send_fds.h"
#include "vfu_peer.h"
#include "vfu_priv.h"

static void *
server_thread(void *arg)
{
	vfu_run(arg);
	return NULL;
}

void
peer_attach(struct peer *p, struct vfu *vfu)
{
	int socks[2];

	memset(p, 0, sizeof(*p));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	p->vfu = vfu;
	p->sock = socks[0];
	p->next_id = 1;
	assert_int_equal(vfu_attach(vfu, socks[1]), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, server_thread, vfu), 0);
}

void
peer_start(struct peer *p, struct vfu *vfu)
{
	peer_attach(p, vfu);
	assert_int_equal(peer_version(p, 0, "{\"capabilities\":{\"max_msg_fds\":8}}"), 0);
}

void
peer_stop(struct peer *p)
{
	close(p->sock);
	pthread_join(p->thread, NULL);
}

void
peer_send_raw(struct peer *p, const void *buf, size_t len, const int *fds, unsigned int n_fds)
{
	assert_int_equal(send_fds(p->sock, buf, len, fds, n_fds), (ssize_t)len);
}

uint16_t
peer_send(struct peer *p, uint16_t command, uint32_t flags, const void *data, uint32_t len,
	const int *fds, unsigned int n_fds)
{
	struct vfio_user_header hdr = {
		.id = p->next_id++,
		.command = command,
		.size = sizeof(hdr) + len,
		.flags = flags,
	};
	uint8_t *buf = malloc(hdr.size);

	assert_non_null(buf);
	memcpy(buf, &hdr, sizeof(hdr));
	if (len != 0)
		memcpy(buf + sizeof(hdr), data, len);
	peer_send_raw(p, buf, hdr.size, fds, n_fds);
	free(buf);
	return hdr.id;
}

void
peer_reply(struct peer *p, uint16_t id, uint16_t command, uint32_t error, const void *data,
	uint32_t len)
{
	uint8_t buf[4096];
	struct vfio_user_header hdr = {
		.id = id,
		.command = command,
		.size = sizeof(hdr) + len,
		.flags = VFIO_USER_F_TYPE_REPLY | (error != 0 ? VFIO_USER_F_ERROR : 0),
		.error = error,
	};

	assert_true(hdr.size <= sizeof(buf));
	memcpy(buf, &hdr, sizeof(hdr));
	if (len != 0)
		memcpy(buf + sizeof(hdr), data, len);
	peer_send_raw(p, buf, hdr.size, NULL, 0);
}

/* Exactly len bytes, with the descriptors that come along. 1, 0 or -1 as peer_recv(). */
static int
recv_all(struct peer *p, void *buf, size_t len, int timeout_ms)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(PEER_MAX_FDS * sizeof(int))];
	} control;
	struct pollfd pfd = { .fd = p->sock, .events = POLLIN };
	struct cmsghdr *cm;
	size_t done = 0, n_fds;
	ssize_t n;

	while (done < len) {
		struct iovec iov = { .iov_base = (uint8_t *)buf + done, .iov_len = len - done };
		struct msghdr msg = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control),
		};

		if (poll(&pfd, 1, timeout_ms) != 1)
			return -1;
		n = recvmsg(p->sock, &msg, MSG_CMSG_CLOEXEC);
		if (n <= 0)
			return 0;
		done += n;
		cm = CMSG_FIRSTHDR(&msg);
		if (cm != NULL && cm->cmsg_type == SCM_RIGHTS) {
			n_fds = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(p->in.fds + p->in.n_fds, CMSG_DATA(cm), n_fds * sizeof(int));
			p->in.n_fds += n_fds;
		}
	}
	return 1;
}

int
peer_recv(struct peer *p, int timeout_ms)
{
	int rc;

	p->in.n_fds = 0;
	rc = recv_all(p, &p->in.hdr, sizeof(p->in.hdr), timeout_ms);
	if (rc != 1)
		return rc;
	assert_in_range(p->in.hdr.size, sizeof(p->in.hdr), sizeof(p->in.hdr) + PEER_MAX_DATA);
	p->in.len = p->in.hdr.size - sizeof(p->in.hdr);
	return recv_all(p, p->in.data, p->in.len, PEER_TIMEOUT_MS);
}

static bool
is_reply(const struct peer *p)
{
	return (p->in.hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY;
}

static void
stash_put(struct peer *p)
{
	struct peer_stash *s = &p->stash[(p->stash_head + p->stash_len++) % PEER_MAX_STASH];

	assert_true(p->stash_len <= PEER_MAX_STASH);
	memset(s, 0, sizeof(*s));
	s->hdr = p->in.hdr;
	memcpy(&s->acc, p->in.data, sizeof(s->acc));
	if (p->in.len >= sizeof(s->acc) + sizeof(s->value))
		memcpy(&s->value, p->in.data + sizeof(s->acc), sizeof(s->value));
}

uint32_t
peer_reply_wait(struct peer *p, uint16_t id)
{
	for (;;) {
		assert_int_equal(peer_recv(p, PEER_TIMEOUT_MS), 1);
		if (is_reply(p))
			break;
		stash_put(p);
	}
	assert_int_equal(p->in.hdr.id, id);
	if ((p->in.hdr.flags & VFIO_USER_F_ERROR) == 0)
		return 0;
	assert_int_not_equal(p->in.hdr.error, 0);
	assert_int_equal(p->in.len, 0);
	return p->in.hdr.error;
}

uint32_t
peer_call_fds(struct peer *p, uint16_t command, const void *data, uint32_t len, const int *fds,
	unsigned int n_fds)
{
	return peer_reply_wait(p, peer_send(p, command, 0, data, len, fds, n_fds));
}

uint32_t
peer_call(struct peer *p, uint16_t command, const void *data, uint32_t len)
{
	return peer_call_fds(p, command, data, len, NULL, 0);
}

bool
peer_request(struct peer *p, struct peer_stash *req, int timeout_ms)
{
	if (p->stash_len == 0) {
		if (peer_recv(p, timeout_ms) != 1)
			return false;
		assert_false(is_reply(p));
		stash_put(p);
	}
	*req = p->stash[p->stash_head];
	p->stash_head = (p->stash_head + 1) % PEER_MAX_STASH;
	p->stash_len--;
	return true;
}

uint32_t
peer_version(struct peer *p, uint16_t major, const char *json)
{
	struct vfio_user_version ver = { .major = major, .minor = VFIO_USER_MINOR };
	uint8_t buf[512];
	size_t len = sizeof(ver);

	memcpy(buf, &ver, sizeof(ver));
	if (json != NULL) {
		snprintf((char *)buf + len, sizeof(buf) - len, "%s", json);
		len += strlen(json) + 1;
	}
	return peer_call(p, VFIO_USER_VERSION, buf, len);
}

void
peer_sync(struct peer *p)
{
	struct vfio_user_device_info info = { .argsz = sizeof(info) };

	assert_int_equal(peer_call(p, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info)), 0);
}

/* Whatever is still under way may come first. */
bool
peer_closed(struct peer *p)
{
	int rc;

	do {
		rc = peer_recv(p, PEER_TIMEOUT_MS);
	} while (rc == 1);
	return rc == 0;
}

static bool
is_closing(struct vfu *vfu)
{
	bool closing;

	pthread_mutex_lock(&vfu->guard_lock);
	closing = vfu->n_closing != 0;
	pthread_mutex_unlock(&vfu->guard_lock);
	return closing;
}

unsigned int
peer_count_fds(struct peer *p)
{
	unsigned int tries;

	for (tries = 0; is_closing(p->vfu) && tries < PEER_TIMEOUT_MS; tries++)
		usleep(1000);
	return count_fds();
}

uint32_t
peer_dma_map(struct peer *p, uint64_t iova, uint64_t size, uint32_t flags, int fd, uint64_t offset)
{
	struct vfio_user_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.offset = offset,
		.addr = iova,
		.size = size,
	};

	return peer_call_fds(p, VFIO_USER_DMA_MAP, &map, sizeof(map), &fd, fd >= 0);
}

uint32_t
peer_dma_unmap(struct peer *p, uint64_t iova, uint64_t size, uint32_t flags)
{
	struct vfio_user_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = flags,
		.addr = iova,
		.size = size,
	};

	return peer_call(p, VFIO_USER_DMA_UNMAP, &unmap, sizeof(unmap));
}

uint32_t
peer_set_irqs(struct peer *p, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	const void *data, uint32_t len, const int *fds, unsigned int n_fds)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set) + len,
		.flags = flags,
		.index = index,
		.start = start,
		.count = count,
	};
	uint8_t buf[256];

	assert_true(sizeof(set) + len <= sizeof(buf));
	memcpy(buf, &set, sizeof(set));
	if (len != 0)
		memcpy(buf + sizeof(set), data, len);
	return peer_call_fds(p, VFIO_USER_DEVICE_SET_IRQS, buf, sizeof(set) + len, fds, n_fds);
}

uint32_t
peer_read(struct peer *p, uint32_t region, uint64_t off, void *buf, uint32_t len)
{
	struct vfio_user_region_access acc = { .offset = off, .region = region, .count = len };
	uint32_t error;

	error = peer_call(p, VFIO_USER_REGION_READ, &acc, sizeof(acc));
	if (error != 0)
		return error;
	assert_int_equal(p->in.len, sizeof(acc) + len);
	assert_memory_equal(p->in.data, &acc, sizeof(acc));
	memcpy(buf, p->in.data + sizeof(acc), len);
	return 0;
}

uint32_t
peer_write(struct peer *p, uint32_t region, uint64_t off, const void *buf, uint32_t len)
{
	struct vfio_user_region_access acc = { .offset = off, .region = region, .count = len };
	uint8_t *msg = malloc(sizeof(acc) + len);
	uint32_t error;

	assert_non_null(msg);
	memcpy(msg, &acc, sizeof(acc));
	if (len != 0)
		memcpy(msg + sizeof(acc), buf, len);
	error = peer_call(p, VFIO_USER_REGION_WRITE, msg, sizeof(acc) + len);
	free(msg);
	if (error != 0)
		return error;
	assert_int_equal(p->in.len, sizeof(acc));
	assert_memory_equal(p->in.data, &acc, sizeof(acc));
	return 0;
}

void
peer_bus_master(struct peer *p, bool on)
{
	uint16_t command;

	assert_int_equal(peer_read(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, &command, 2), 0);
	command = on ? command | PCI_COMMAND_MASTER : command & ~PCI_COMMAND_MASTER;
	assert_int_equal(peer_write(p, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, &command, 2), 0);
}

static int
plain_note(struct plain *m, uint32_t bar, uint64_t off, uint32_t len)
{
	m->counts.last_bar = bar;
	m->counts.last_off = off;
	m->counts.last_len = len;
	return m->refuse;
}

static int
plain_read(void *priv, uint32_t bar, uint64_t off, void *buf, uint32_t len)
{
	struct plain *m = priv;

	m->counts.reads++;
	memcpy(buf, m->mem + off, len);
	return plain_note(m, bar, off, len);
}

static int
plain_write(void *priv, uint32_t bar, uint64_t off, const void *buf, uint32_t len)
{
	struct plain *m = priv;

	m->counts.writes++;
	memcpy(m->mem + off, buf, len);
	return plain_note(m, bar, off, len);
}

static void
plain_reset(void *priv)
{
	((struct plain *)priv)->counts.resets++;
}

static void
plain_bus_master(void *priv, bool on)
{
	struct plain *m = priv;

	if (on)
		m->counts.bus_master_on++;
	else
		m->counts.bus_master_off++;
}

struct plain *
plain_create(void)
{
	static const struct vfu_model_ops ops = {
		.bar_read = plain_read,
		.bar_write = plain_write,
		.reset = plain_reset,
		.bus_master = plain_bus_master,
	};
	struct vfu_conf conf = {
		.name = "plain",
		.vendor_id = 0x1234,
		.device_id = 0x5678,
		.revision = 9,
		.class_code = 0x088000,
		.bars[0] = {
			.size = PLAIN_BAR0_SIZE,
			.is_64bit = true,
			.n_areas = 2,
			.areas = { { 0x1000, 0x2000 }, { 0x8000, 0x4000 } },
		},
		.bars[2] = { .size = PLAIN_BAR2_SIZE, .fd = -1 },
		.n_msix = PLAIN_VECTORS,
		.msix_bar = 2,
		.msix_table = 0x0,
		.msix_pba = 0x800,
		.ops = &ops,
	};
	struct plain *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->memfd = memfd_create("plain", MFD_CLOEXEC);
	assert_true(m->memfd >= 0);
	assert_int_equal(ftruncate(m->memfd, PLAIN_BAR0_SIZE), 0);
	conf.bars[0].fd = m->memfd;
	conf.priv = m;
	m->vfu = vfu_create(&conf);
	assert_non_null(m->vfu);
	return m;
}

void
plain_destroy(struct plain *m)
{
	vfu_destroy(m->vfu);
	close(m->memfd);
	free(m);
}

struct plain_counts
plain_counts(struct plain *m)
{
	struct plain_counts counts;

	vfu_lock(m->vfu);
	counts = m->counts;
	vfu_unlock(m->vfu);
	return counts;
}
