/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* A client's end of the socket: messages made by hand, and checks of what every reply must be. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "../send_fds.h"
#include "conformance.h"

struct message in;

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int sock = -1;

verdict
wrong(const char *fmt, ...)
{
	static char text[256];
	char next[sizeof(text)] = ""; /* an argument may be the last verdict */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(next, sizeof(next), fmt, ap);
	va_end(ap);
	memcpy(text, next, sizeof(text));
	return text;
}

void
conn_path(const char *path)
{
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
}

void
message_drop_fds(struct message *msg)
{
	while (msg->n_fds != 0)
		close(msg->fds[--msg->n_fds]);
}

void
conn_close(void)
{
	message_drop_fds(&in);
	if (sock >= 0)
		close(sock);
	sock = -1;
}

bool
conn_open(void)
{
	/* A server that waits for us to read, while we wait for it to. */
	static const struct timeval most = { .tv_sec = ANSWER_MS / 1000 };
	int tries;

	conn_close();
	/* A server that serves one client at a time may not listen before the last one has gone. */
	for (tries = 0; tries < 2000 && !server_ended(); tries++) {
		sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
		if (connect(sock, (const struct sockaddr *)&address, sizeof(address)) == 0)
			return true;
		conn_close();
		usleep(10000);
	}
	return false;
}

bool
conn_send(const void *buf, size_t len, const int *fds, unsigned int n_fds)
{
	return send_fds(sock, buf, len, fds, n_fds) == (ssize_t)len;
}

bool
conn_request(uint16_t id, uint16_t command, uint32_t flags, const void *data, uint32_t len,
	const int *fds, unsigned int n_fds)
{
	static uint8_t buf[sizeof(struct vfio_user_header) + MAX_DATA + 64];
	struct vfio_user_header hdr = {
		.id = id,
		.command = command,
		.size = sizeof(hdr) + len,
		.flags = flags,
	};

	memcpy(buf, &hdr, sizeof(hdr));
	if (len != 0)
		memcpy(buf + sizeof(hdr), data, len);
	return conn_send(buf, hdr.size, fds, n_fds);
}

static void
take_fds(struct msghdr *msg)
{
	struct cmsghdr *cm = CMSG_FIRSTHDR(msg);
	size_t n;

	if (cm == NULL || cm->cmsg_type != SCM_RIGHTS)
		return;
	n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (n > MAX_FDS - in.n_fds)
		n = MAX_FDS - in.n_fds;
	memcpy(in.fds + in.n_fds, CMSG_DATA(cm), n * sizeof(int));
	in.n_fds += n;
}

/* Exactly len bytes, with the descriptors that come along. 1, 0 or -1 as conn_recv(). */
static int
recv_all(void *buf, size_t len, int timeout_ms)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	size_t done = 0;
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
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
		if (n <= 0)
			return 0;
		done += n;
		take_fds(&msg);
	}
	return 1;
}

int
conn_recv(int timeout_ms)
{
	int rc;

	message_drop_fds(&in);
	rc = recv_all(&in.hdr, sizeof(in.hdr), timeout_ms);
	if (rc != 1)
		return rc;
	if (in.hdr.size < sizeof(in.hdr) || in.hdr.size - sizeof(in.hdr) > sizeof(in.data))
		return -1;
	in.len = in.hdr.size - sizeof(in.hdr);
	return recv_all(in.data, in.len, ANSWER_MS);
}

/*
 * Requests of the server may come in between; nothing here has it send any that it cannot do
 * without.
 */
static int
recv_reply(void)
{
	int rc;

	do {
		rc = conn_recv(ANSWER_MS);
	} while (rc == 1 && (in.hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_COMMAND);
	return rc;
}

verdict
conn_check(uint16_t id, uint16_t command, uint32_t *error)
{
	if (in.hdr.id != id)
		return wrong("the reply has id %u instead of %u", in.hdr.id, id);
	if (in.hdr.command != command)
		return wrong("the reply has command %u instead of %u", in.hdr.command, command);
	if ((in.hdr.flags & ~VFIO_USER_F_ERROR) != VFIO_USER_F_TYPE_REPLY)
		return wrong("the reply has flags %#x", in.hdr.flags);
	*error = 0;
	if ((in.hdr.flags & VFIO_USER_F_ERROR) == 0)
		return NULL;
	/* It may be 0 then. */
	*error = in.hdr.error != 0 ? in.hdr.error : EIO;
	if (in.len != 0 || in.n_fds != 0)
		return wrong("the error reply has %u bytes and %u descriptors", in.len, in.n_fds);
	return NULL;
}

verdict
conn_reply(uint16_t id, uint16_t command, uint32_t *error)
{
	int rc = recv_reply();

	if (rc != 1)
		return rc == 0 ? wrong("the server hung up") : wrong("no answer");
	return conn_check(id, command, error);
}

verdict
conn_alive(void)
{
	struct vfio_user_device_info info = { .argsz = sizeof(info) };
	uint32_t error = 0;
	verdict v;

	if (!conn_request(0xa11e, VFIO_USER_DEVICE_GET_INFO, 0, &info, sizeof(info), NULL, 0))
		return wrong("the server hung up afterwards");
	v = conn_reply(0xa11e, VFIO_USER_DEVICE_GET_INFO, &error);
	if (v != NULL)
		return wrong("afterwards: %s", v);
	return error != 0 ? wrong("afterwards GET_INFO fails: %s", strerror(error)) : NULL;
}

verdict
conn_version(const void *json, uint32_t len, const int *fds, unsigned int n_fds)
{
	static uint8_t payload[4 + 65536] = { 0, 0, VFIO_USER_MINOR };
	uint32_t error = 0;
	verdict v;

	memcpy(payload + 4, json, len);
	if (!conn_open() || !conn_request(1, VFIO_USER_VERSION, 0, payload, 4 + len, fds, n_fds))
		return wrong("no connection");
	v = conn_reply(1, VFIO_USER_VERSION, &error);
	return v == NULL && error != 0 ? wrong("refused: %s", strerror(error)) : v;
}

bool
conn_ready(void)
{
	static const char json[] =
		"{\"capabilities\":{\"max_msg_fds\":16,\"write_multiple\":true}}";

	return conn_version(json, sizeof(json), NULL, 0) == NULL;
}

verdict
conn_refused(uint16_t id, uint16_t command)
{
	uint32_t error = 0;
	int rc = recv_reply();

	if (rc < 0)
		return wrong("neither an error nor the end of the connection");
	if (rc == 1) {
		verdict v = conn_check(id, command, &error);

		if (v != NULL || error == 0)
			return v != NULL ? v : wrong("accepted");
	}
	return conn_ready() ? conn_alive() : wrong("no connection afterwards");
}

bool
pipe_released(int read_end)
{
	struct pollfd pfd = { .fd = read_end };

	return poll(&pfd, 1, ANSWER_MS) == 1 && (pfd.revents & POLLHUP) != 0;
}

bool
memfd_released(int memfd)
{
	int tries;

	/* The kernel refuses the seal (EBUSY) while there is a mapping that can be written to. */
	for (tries = 0; tries < ANSWER_MS / 10; tries++) {
		if (fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE) == 0)
			return true;
		usleep(10000);
	}
	return false;
}
