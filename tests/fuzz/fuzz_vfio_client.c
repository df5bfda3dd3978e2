/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The client: a server that answers anything to each request, or makes requests of its own.
 *
 * Input: records of [flags, number of descriptors, length (16 bits), bytes], see enum below.
 */

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vfio.h>
#include <rte_eal.h>
#include <rte_log.h>

#include "fuzz.h"
#include "ims_vfio_user.h"

#define MAX_FDS    18
#define TIMEOUT_MS 5 /* what most of the time goes to */

enum {
	R_REPLY = 1, /* the bytes are the payload of a reply to the present request */
	R_ERROR = 2, /* it says that it is an error */
	R_MORE = 4,  /* the next record comes at once, not after the next request */
	R_MAP = 8,   /* the descriptors are files, not eventfds */
};

struct server {
	struct fuzz_in in;
	int sock;
};

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char name[] = "fuzz", no_huge[] = "--no-huge", no_pci[] = "--no-pci",
		    no_shconf[] = "--no-shconf", no_telemetry[] = "--no-telemetry", m[] = "-m",
		    mb[] = "16", l[] = "-l", zero[] = "0";
	char *args[] = { name, no_huge, no_pci, no_shconf, no_telemetry, m, mb, l, zero };
	struct rlimit few = { 128, 128 };

	signal(SIGPIPE, SIG_IGN);
	/* The client's thread is a control thread of EAL's. */
	fuzz_check(rte_eal_init(9, args) >= 0);
	rte_log_set_global_level(RTE_LOG_EMERG);
	setrlimit(RLIMIT_NOFILE, &few);
	return 0;
}

static int
make_fd(uint8_t flags)
{
	int fd;

	if ((flags & R_MAP) == 0)
		return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	fuzz_check(fd >= 0 && ftruncate(fd, 0x8000) == 0);
	return fd;
}

static void
send_all(int sock, const void *buf, size_t len, const int *fds, unsigned int n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds != 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, n_fds * sizeof(int));
	}
	if (len != 0)
		sendmsg(sock, &msg, MSG_NOSIGNAL);
}

/* One record; true if one more is to follow at once. */
static bool
answer(struct server *s, const struct vfio_user_header *req)
{
	struct vfio_user_header hdr = *req;
	uint8_t buf[sizeof(hdr) + 4096], flags = fuzz_u8(&s->in);
	uint8_t n_fds = fuzz_u8(&s->in) % (MAX_FDS + 1), i;
	uint16_t len = fuzz_u16(&s->in) % 4096;
	uint8_t *at = buf;
	int fds[MAX_FDS];

	len = fuzz_take(&s->in, buf + sizeof(hdr), len);
	if ((flags & R_REPLY) != 0) {
		hdr.size = sizeof(hdr) + len;
		hdr.flags =
			VFIO_USER_F_TYPE_REPLY | ((flags & R_ERROR) != 0 ? VFIO_USER_F_ERROR : 0);
		hdr.error = (flags & R_ERROR) != 0 ? 22 : 0;
		memcpy(buf, &hdr, sizeof(hdr));
		len += sizeof(hdr);
	} else {
		at += sizeof(hdr);
	}
	for (i = 0; i < n_fds; i++)
		fds[i] = make_fd(flags);
	send_all(s->sock, at, len, fds, n_fds);
	while (n_fds-- != 0)
		close(fds[n_fds]);
	return (flags & R_MORE) != 0;
}

/* The payload of requests, and their descriptors, are of no interest. */
static bool
next_request(int sock, struct vfio_user_header *req)
{
	uint8_t rest[4096];
	uint32_t left;
	ssize_t n;

	if (recv(sock, req, sizeof(*req), MSG_WAITALL) != (ssize_t)sizeof(*req))
		return false;
	for (left = req->size - sizeof(*req); left != 0; left -= n) {
		n = recv(sock, rest, left < sizeof(rest) ? left : sizeof(rest), 0);
		if (n <= 0)
			return false;
	}
	return true;
}

static void *
server_thread(void *arg)
{
	struct vfio_user_header req;
	struct server *s = arg;

	while (s->in.len != 0 && next_request(s->sock, &req))
		while (answer(s, &req) && s->in.len != 0)
			;
	close(s->sock);
	return NULL;
}

/* All that a driver would have it do. */
static void
use(struct ims_vfio *v)
{
	static uint8_t mem[0x1000] __attribute__((aligned(0x1000)));
	struct ims_vfio_event ev[4];
	struct ims_vfio_sink sink = { .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .reader = v };
	struct ims_vfio_msg msg = { 0 };
	volatile uint8_t *bar;
	uint32_t val, i;

	ims_pci_cap_find(v, 0x11);
	for (i = 0; i < v->n_regions && i < 3; i++) {
		ims_vfio_read(v, i, 0, &val, sizeof(val));
		ims_vfio_write(v, i, 8, &val, sizeof(val));
		bar = ims_vfio_region_addr(v, i, 0x1000, 4);
		if (bar != NULL)
			bar[0] = bar[1];
	}
	v->ops->irq_set(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &sink.fd);
	if (v->ops->msg_alloc(v, &sink, &msg) == 0) {
		ims_vfio_dma_map(v, mem, sizeof(mem), -1, 0);
		v->ops->source_take(v, v);
		v->ops->reset(v);
		i = v->ops->source_read(v, v, ev, 4);
		v->ops->source_ack(v, ev, i);
		v->ops->source_give(v, v);
		ims_vfio_dma_unmap(v, mem, sizeof(mem));
		v->ops->msg_free(v, &msg);
	}
	close(sink.fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct server s = { .in = { data, size } };
	struct ims_vfio *v;
	pthread_t thread;
	int socks[2];

	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) == 0);
	s.sock = socks[1];
	fuzz_check(pthread_create(&thread, NULL, server_thread, &s) == 0);
	v = ims_vfio_user_attach("fuzz", socks[0], -1, TIMEOUT_MS);
	if (v != NULL) {
		use(v);
		ims_vfio_close(v);
	}
	pthread_join(thread, NULL);
	return 0;
}
