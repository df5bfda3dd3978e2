/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <send_fds.h>
#include <vfio_user_proto.h>

#include "e2e.h"
#include "hostile.h"

#define MAX_DATA 70000
#define MAX_FDS  16

struct message {
	struct vfio_user_header hdr;
	uint8_t data[MAX_DATA];
	int fds[MAX_FDS];
	unsigned int n_fds;
};

struct hostile {
	char name[128];
	struct sockaddr_un address;
	int listener;
	int device;
	atomic_int client; /* -1: not yet */
	int wake_fd;
	pid_t pid;
	pthread_t thread;
	atomic_bool deaf;
	atomic_bool stop;
	atomic_uint good_answers;
	atomic_uint refusals;
	atomic_uint spoilt;

	/* Over what is sent to the client, so that messages stay whole, and what is below. */
	pthread_mutex_t lock;
	enum hostile_replies replies;
	uint8_t *held; /* not sent yet */
	size_t held_len;
	bool cut; /* all is held, from the middle of a message on */
	uint16_t next_id;
	int surplus_fd;
	void *watch_memory;
	int watch_fd; /* the epoll instance, -1: none */
	pthread_t watcher;
	bool asked[65536]; /* the device has sent a request of this id, and has no answer */
	struct message in;
};

static void
wake(struct hostile *h)
{
	const uint64_t one = 1;

	assert_int_equal(write(h->wake_fd, &one, sizeof(one)), sizeof(one));
}

/* A message as a whole; false: the end. */
static bool
receive(int sock, struct message *m)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = &m->hdr, .iov_len = sizeof(m->hdr) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *cm;
	size_t len;

	m->n_fds = 0;
	if (recvmsg(sock, &msg, MSG_WAITALL | MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(m->hdr))
		return false;
	cm = CMSG_FIRSTHDR(&msg);
	if (cm != NULL && cm->cmsg_type == SCM_RIGHTS) {
		m->n_fds = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(m->fds, CMSG_DATA(cm), m->n_fds * sizeof(int));
	}
	len = m->hdr.size - sizeof(m->hdr);
	return len == 0 || recv(sock, m->data, len, MSG_WAITALL) == (ssize_t)len;
}

static bool
send_rest(int sock, const uint8_t *buf, size_t len)
{
	ssize_t n;

	for (; len != 0; buf += n, len -= n) {
		n = send(sock, buf, len, MSG_NOSIGNAL);
		if (n < 0)
			return false;
	}
	return true;
}

static bool
send_whole(int sock, const void *buf, size_t len, const int *fds, unsigned int n_fds)
{
	ssize_t n = send_fds(sock, buf, len, fds, n_fds);

	return n >= 0 && send_rest(sock, (const uint8_t *)buf + n, len - n);
}

static void
hold_locked(struct hostile *h, const void *buf, size_t len)
{
	h->held = realloc(h->held, h->held_len + len);
	assert_non_null(h->held);
	memcpy(h->held + h->held_len, buf, len);
	h->held_len += len;
}

static bool
let_go_locked(struct hostile *h)
{
	bool good = send_rest(h->client, h->held, h->held_len);

	h->held_len = 0;
	h->cut = false;
	return good;
}

static bool
to_client_locked(struct hostile *h, const void *buf, size_t len, const int *fds, unsigned int n_fds)
{
	if (!h->cut)
		return send_whole(h->client, buf, len, fds, n_fds);
	hold_locked(h, buf, len);
	return true;
}

static bool
reply_twice_locked(struct hostile *h, struct message *m)
{
	bool good = to_client_locked(h, m, m->hdr.size, m->fds, m->n_fds) &&
	            to_client_locked(h, m, m->hdr.size, NULL, 0);

	m->hdr.command ^= 1;
	return good && to_client_locked(h, m, m->hdr.size, NULL, 0);
}

static bool
reply_with_fds_locked(struct hostile *h, struct message *m)
{
	int fds[64];
	unsigned int i;

	for (i = 0; i < 64; i++)
		fds[i] = i < m->n_fds ? m->fds[i] : h->wake_fd;
	return to_client_locked(h, m, m->hdr.size, fds, 64);
}

static bool
reply_locked(struct hostile *h, struct message *m)
{
	bool good;

	if (h->cut || h->replies == HOSTILE_PASS)
		return to_client_locked(h, m, m->hdr.size, m->fds, m->n_fds);
	h->spoilt++;
	switch (h->replies) {
	case HOSTILE_HALF:
		good = send_whole(h->client, m, m->hdr.size / 2, m->fds, m->n_fds);
		hold_locked(h, (uint8_t *)m + m->hdr.size / 2, m->hdr.size - m->hdr.size / 2);
		h->cut = true;
		return good;
	case HOSTILE_SWAPPED:
		if (h->held_len != 0)
			return to_client_locked(h, m, m->hdr.size, m->fds, m->n_fds) &&
			       let_go_locked(h);
		hold_locked(h, m, m->hdr.size);
		return true;
	case HOSTILE_TWICE:
		return reply_twice_locked(h, m);
	case HOSTILE_WITH_FDS:
		return reply_with_fds_locked(h, m);
	default:
		return true; /* never */
	}
}

static bool
from_device_locked(struct hostile *h, struct message *m)
{
	if ((m->hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY)
		return reply_locked(h, m);
	h->asked[m->hdr.id] = (m->hdr.flags & VFIO_USER_F_NO_REPLY) == 0;
	return to_client_locked(h, m, m->hdr.size, m->fds, m->n_fds);
}

static void *
watcher_main(void *arg)
{
	struct hostile *h = arg;

	epoll_wait(h->watch_fd, h->watch_memory, 1, -1);
	return NULL;
}

/* It can be written to, so the wait is over at once, but for its result. */
static bool
watch_locked(struct hostile *h, struct message *m)
{
	struct epoll_event ev = { .events = EPOLLOUT };

	h->watch_fd = epoll_create1(EPOLL_CLOEXEC);
	if (h->watch_fd < 0 || epoll_ctl(h->watch_fd, EPOLL_CTL_ADD, m->fds[0], &ev) < 0 ||
		pthread_create(&h->watcher, NULL, watcher_main, h) != 0)
		return false;
	close(m->fds[0]);
	m->fds[0] = fcntl(h->wake_fd, F_DUPFD_CLOEXEC, 0);
	return m->fds[0] >= 0;
}

/* Of the answers those to our own requests are not for the device. */
static bool
from_client_locked(struct hostile *h, struct message *m)
{
	if ((m->hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY) {
		if (!h->asked[m->hdr.id]) {
			atomic_fetch_add(
				m->hdr.flags & VFIO_USER_F_ERROR ? &h->refusals : &h->good_answers,
				1);
			return true;
		}
		h->asked[m->hdr.id] = false;
	}
	if (h->watch_memory != NULL && h->watch_fd < 0 && m->n_fds == 1 &&
		m->hdr.command == VFIO_USER_DEVICE_SET_IRQS && !watch_locked(h, m))
		return false;
	return send_whole(h->device, m, m->hdr.size, m->fds, m->n_fds);
}

static bool
pass(struct hostile *h, int from, bool (*fn)(struct hostile *h, struct message *m))
{
	bool good = receive(from, &h->in);
	unsigned int i;

	if (good) {
		pthread_mutex_lock(&h->lock);
		good = fn(h, &h->in);
		pthread_mutex_unlock(&h->lock);
	}
	for (i = 0; i < h->in.n_fds; i++)
		close(h->in.fds[i]);
	return good;
}

static void *
hostile_main(void *arg)
{
	struct hostile *h = arg;
	struct pollfd p[3] = { { .fd = h->wake_fd, .events = POLLIN },
		{ .fd = h->device, .events = POLLIN }, { .events = POLLIN } };
	bool good = true;
	uint64_t count;

	atomic_store(&h->client, accept4(h->listener, NULL, NULL, SOCK_CLOEXEC));
	while (good && !atomic_load(&h->stop)) {
		p[2].fd = atomic_load(&h->deaf) ? -1 : h->client;
		if (poll(p, 3, -1) < 0)
			break;
		if (p[0].revents != 0)
			good = read(h->wake_fd, &count, sizeof(count)) > 0;
		if (good && p[1].revents != 0)
			good = pass(h, h->device, from_device_locked);
		if (good && p[2].fd >= 0 && p[2].revents != 0)
			good = pass(h, h->client, from_client_locked);
	}
	if (h->client >= 0)
		shutdown(h->client, SHUT_RDWR);
	shutdown(h->device, SHUT_RDWR);
	return NULL;
}

static void
start_process(struct hostile *h, const char *model)
{
	const char *program = getenv("IMS_DEVSRV");
	char fd[16];
	int sv[2];

	assert_non_null(program);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	h->device = sv[0];
	h->pid = fork();
	assert_true(h->pid >= 0);
	if (h->pid == 0) {
		snprintf(fd, sizeof(fd), "%d", dup(sv[1]));
		execl(program, program, "--model", model, "--fd", fd, NULL);
		_exit(127);
	}
	close(sv[1]);
}

struct hostile *
hostile_start(const char *model)
{
	struct hostile *h = calloc(1, sizeof(*h));
	static unsigned int n;

	assert_non_null(h);
	atomic_store(&h->client, -1);
	h->watch_fd = -1;
	h->surplus_fd = -1;
	pthread_mutex_init(&h->lock, NULL);
	h->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	start_process(h, model);
	h->address.sun_family = AF_UNIX;
	snprintf(h->address.sun_path, sizeof(h->address.sun_path), "/tmp/ims-hostile-%d-%u.sock",
		(int)getpid(), n++);
	snprintf(h->name, sizeof(h->name), "vfio-user:%s", h->address.sun_path);
	h->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(h->listener >= 0);
	assert_int_equal(bind(h->listener, (struct sockaddr *)&h->address, sizeof(h->address)), 0);
	assert_int_equal(listen(h->listener, 1), 0);
	assert_int_equal(pthread_create(&h->thread, NULL, hostile_main, h), 0);
	return h;
}

void
hostile_stop(struct hostile *h)
{
	atomic_store(&h->stop, true);
	shutdown(h->listener, SHUT_RDWR); /* nobody may have come */
	wake(h);
	assert_int_equal(pthread_join(h->thread, NULL), 0);
	if (h->watch_fd >= 0) {
		pthread_join(h->watcher, NULL);
		close(h->watch_fd);
	}
	if (h->client >= 0)
		close(h->client);
	close(h->listener);
	unlink(h->address.sun_path);
	close(h->device);
	kill(h->pid, SIGKILL);
	assert_int_equal(waitpid(h->pid, NULL, 0), h->pid);
	close(h->wake_fd);
	pthread_mutex_destroy(&h->lock);
	free(h->held);
	free(h);
}

const char *
hostile_name(const struct hostile *h)
{
	return h->name;
}

pid_t
hostile_pid(const struct hostile *h)
{
	return h->pid;
}

void
hostile_replies(struct hostile *h, enum hostile_replies replies)
{
	pthread_mutex_lock(&h->lock);
	h->replies = replies;
	if (replies == HOSTILE_PASS && h->held_len != 0)
		let_go_locked(h);
	pthread_mutex_unlock(&h->lock);
}

unsigned int
hostile_replies_spoilt(struct hostile *h)
{
	return atomic_load(&h->spoilt);
}

void
hostile_deaf(struct hostile *h, bool deaf)
{
	atomic_store(&h->deaf, deaf);
	wake(h);
}

void
hostile_watch(struct hostile *h, void *memory)
{
	pthread_mutex_lock(&h->lock);
	h->watch_memory = memory;
	pthread_mutex_unlock(&h->lock);
}

bool
hostile_send(struct hostile *h, const void *buf, size_t len)
{
	bool good;

	pthread_mutex_lock(&h->lock);
	good = to_client_locked(h, buf, len, NULL, 0);
	pthread_mutex_unlock(&h->lock);
	return good;
}

bool
hostile_dma(struct hostile *h, uint16_t command, uint32_t flags, uint64_t addr, uint64_t count,
	const void *data, size_t len)
{
	struct {
		struct vfio_user_header hdr;
		uint64_t addr, count;
		uint8_t data[64];
	} m = { .hdr = { .command = command, .flags = flags }, .addr = addr, .count = count };
	bool good;

	assert_true(len <= sizeof(m.data));
	m.hdr.size = offsetof(typeof(m), data) + len;
	if (len != 0)
		memcpy(m.data, data, len);
	pthread_mutex_lock(&h->lock);
	do {
		m.hdr.id = h->next_id++;
	} while (h->asked[m.hdr.id]);
	good = to_client_locked(h, &m, m.hdr.size, &h->surplus_fd, h->surplus_fd >= 0);
	pthread_mutex_unlock(&h->lock);
	return good;
}

void
hostile_surplus(struct hostile *h, int fd)
{
	pthread_mutex_lock(&h->lock);
	h->surplus_fd = fd;
	pthread_mutex_unlock(&h->lock);
}

unsigned int
hostile_good_answers(struct hostile *h)
{
	return atomic_load(&h->good_answers);
}

unsigned int
hostile_refusals(struct hostile *h)
{
	return atomic_load(&h->refusals);
}
