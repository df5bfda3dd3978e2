/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The server, from its socket to the registers of a model: a client that sends any bytes, in any
 * pieces, with any descriptors, reads nothing, and hangs up.
 *
 * Input: [model], then pieces of [kind of descriptors, how many, length (16 bits), bytes].
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "model.h"
#include "vfu_priv.h"

#define MAX_FDS 12

static struct vfu *servers[2];

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char timer_keys[] = "timers=8";
	static char queue_keys[] = "queues=16,subdevs=4,eqs=4,msix=8,inject=1,mmap=0";
	struct model_opts timer = { .args = timer_keys }, queue = { .args = queue_keys };
	/* A descriptor that is kept each time will soon be one too many. */
	struct rlimit few = { 128, 128 };
	void *priv;

	signal(SIGPIPE, SIG_IGN);
	priv = timer_ims_model.create(&timer);
	fuzz_check(priv != NULL);
	servers[0] = timer_ims_model.vfu(priv);
	priv = queue_dev_model.create(&queue);
	fuzz_check(priv != NULL);
	servers[1] = queue_dev_model.vfu(priv);
	setrlimit(RLIMIT_NOFILE, &few);
	return 0;
}

static int
make_fd(uint8_t kind)
{
	int fd, ends[2];

	switch (kind % 4) {
	case 0:
		return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	case 1:
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		fuzz_check(fd >= 0 && ftruncate(fd, 64 << 20) == 0);
		return fd;
	case 2:
		fuzz_check(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
		close(ends[0]);
		return ends[1];
	default:
		return fcntl(0, F_DUPFD_CLOEXEC, 0);
	}
}

static void
send_piece(int sock, struct fuzz_in *in)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control = { 0 };
	static uint8_t buf[4096];
	uint8_t kind = fuzz_u8(in), n_fds = fuzz_u8(in) % (MAX_FDS + 1), i;
	uint16_t len = fuzz_u16(in) % sizeof(buf);
	struct iovec iov = { .iov_base = buf, .iov_len = fuzz_take(in, buf, len) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[MAX_FDS];

	if (iov.iov_len == 0)
		return;
	for (i = 0; i < n_fds; i++) {
		fds[i] = make_fd(kind >> (2 * (i % 4)));
		fuzz_check(fds[i] >= 0);
	}
	if (n_fds != 0) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, n_fds * sizeof(int));
	}
	sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (i = 0; i < n_fds; i++)
		close(fds[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct vfu *vfu = servers[fuzz_u8(&in) % 2];
	int socks[2];

	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) == 0);
	while (in.len != 0)
		send_piece(socks[0], &in);
	shutdown(socks[0], SHUT_WR);
	fuzz_check(vfu_attach(vfu, socks[1]) == 0);
	vfu_run(vfu);
	close(socks[0]);
	/* Nothing of the client is left. */
	fuzz_check(vfu->sock < 0 && vfu->n_maps == 0 && vfu->n_calls == 0 && vfu->out_bytes == 0 &&
		   vfu->n_in_fds == 0 && vfu->n_pending == 0);
	return 0;
}
