/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _SEND_FDS_H_
#define _SEND_FDS_H_

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SEND_FDS_MAX 253 /* SCM_MAX_FD of the kernel: it refuses more */

/* Send bytes, with descriptors beside the first one; what sendmsg() returns. */
static inline ssize_t
send_fds(int sock, const void *buf, size_t len, const int *fds, unsigned int n_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(SEND_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cm = &control.align;

	if (n_fds != 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, n_fds * sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_NOSIGNAL);
}

/*
 * Send bytes of one message with a descriptor, and close it. Whoever keeps it until the message is
 * whole has the last copy.
 */
static inline ssize_t
send_last_fd(int sock, const void *buf, size_t len, int fd)
{
	ssize_t n = send_fds(sock, buf, 1, &fd, 1), rest;

	close(fd);
	if (n != 1)
		return n;
	rest = send_fds(sock, (const char *)buf + 1, len - 1, NULL, 0);
	return rest < 0 ? rest : n + rest;
}

#endif /* _SEND_FDS_H_ */
