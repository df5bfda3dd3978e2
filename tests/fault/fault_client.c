/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/vfio.h>

#include "../send_fds.h"
#include "fault_client.h"

#define WAIT_MS 20000

static void
close_fds(struct client *c)
{
	while (c->n_fds > 0)
		close(c->fds[--c->n_fds]);
}

static bool
receive(struct client *c, void *buf, size_t len)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(c->fds))];
	} control;
	struct pollfd pfd = { .fd = c->sock, .events = POLLIN };
	struct iovec iov = { buf, len };
	struct msghdr msg;
	struct cmsghdr *cm;
	ssize_t n;

	while (iov.iov_len > 0) {
		msg = (struct msghdr){ .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control) };
		assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
		n = recvmsg(c->sock, &msg, MSG_CMSG_CLOEXEC);
		if (n <= 0)
			return false;
		cm = CMSG_FIRSTHDR(&msg);
		if (cm != NULL) {
			close_fds(c);
			c->n_fds = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(c->fds, CMSG_DATA(cm), c->n_fds * sizeof(int));
		}
		iov.iov_base = (uint8_t *)iov.iov_base + n;
		iov.iov_len -= n;
	}
	return true;
}

static bool
transmit(struct client *c, const struct vfio_user_header *hdr, const void *data, const int *fds,
	unsigned int n_fds)
{
	ssize_t len = hdr->size - sizeof(*hdr);

	return send_fds(c->sock, hdr, sizeof(*hdr), fds, n_fds) == sizeof(*hdr) &&
	       (len == 0 || send_fds(c->sock, data, len, NULL, 0) == len);
}

/* A request of the server's: all memory without a file reads as zeros. */
static bool
answer(struct client *c, const struct vfio_user_header *req)
{
	struct vfio_user_dma_access *acc = (void *)c->data;
	struct vfio_user_header hdr = { .id = req->id,
		.command = req->command,
		.flags = VFIO_USER_F_TYPE_REPLY,
		.size = sizeof(hdr) + sizeof(*acc) };

	c->n_requests++;
	if (!receive(c, c->data, req->size - sizeof(*req)))
		return false;
	if (req->command == VFIO_USER_DMA_READ) {
		memset(acc->data, 0, acc->count);
		hdr.size += acc->count;
	}
	return transmit(c, &hdr, c->data, NULL, 0);
}

static int
call_fds(struct client *c, uint16_t command, const void *data, uint32_t len, const int *fds,
	unsigned int n_fds)
{
	struct vfio_user_header hdr = {
		.id = c->id++, .command = command, .size = sizeof(hdr) + len
	};

	close_fds(c);
	if (!transmit(c, &hdr, data, fds, n_fds))
		return -1;
	for (;;) {
		if (!receive(c, &c->hdr, sizeof(c->hdr)))
			return -1;
		if ((c->hdr.flags & VFIO_USER_F_TYPE_REPLY) != 0)
			break;
		if (!answer(c, &c->hdr))
			return -1;
	}
	if (!receive(c, c->data, c->hdr.size - sizeof(c->hdr)))
		return -1;
	return (c->hdr.flags & VFIO_USER_F_ERROR) != 0 ? (int)c->hdr.error : 0;
}

int
client_call(struct client *c, uint16_t command, const void *data, uint32_t len)
{
	return call_fds(c, command, data, len, NULL, 0);
}

int
client_reg_write(struct client *c, uint32_t region, uint64_t off, const void *val, uint32_t len)
{
	union {
		struct vfio_user_region_access acc;
		uint8_t buf[sizeof(struct vfio_user_region_access) + 64];
	} m = { .acc = { .offset = off, .region = region, .count = len } };

	memcpy(m.acc.data, val, len);
	return client_call(c, VFIO_USER_REGION_WRITE, &m, sizeof(m.acc) + len);
}

int
client_reg_write32(struct client *c, uint64_t off, uint32_t val)
{
	return client_reg_write(c, 0, off, &val, 4);
}

int
client_dma_map(struct client *c, uint64_t iova, int fd)
{
	const struct vfio_user_dma_map map = { .argsz = sizeof(map),
		.flags = VFIO_USER_DMA_F_READ | VFIO_USER_DMA_F_WRITE,
		.addr = iova,
		.size = CLIENT_MEM_SIZE };

	return call_fds(c, VFIO_USER_DMA_MAP, &map, sizeof(map), &fd, fd >= 0);
}

int
client_irqs_set(struct client *c, uint32_t what, const int *fds, uint32_t n)
{
	const struct vfio_irq_set set = { .argsz = sizeof(set),
		.flags = what | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.count = n };

	return call_fds(c, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), fds, fds != NULL ? n : 0);
}

int
client_open(struct client *c, const char *path, int sock)
{
	static const struct {
		uint16_t major, minor;
		char json[64];
	} version = { 0, VFIO_USER_MINOR, "{\"capabilities\":{\"max_msg_fds\":8}}" };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	memset(c, 0, sizeof(*c));
	c->sock = sock;
	if (sock < 0) {
		c->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_true(c->sock >= 0);
		snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
		assert_int_equal(connect(c->sock, (struct sockaddr *)&sa, sizeof(sa)), 0);
	}
	return client_call(c, VFIO_USER_VERSION, &version, 4 + strlen(version.json) + 1);
}

void
client_close(struct client *c)
{
	close_fds(c);
	close(c->sock);
}
