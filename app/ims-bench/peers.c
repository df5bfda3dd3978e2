/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * How long an event takes from a process to the first instruction of who handles it, by the bare
 * mechanisms and by the event loops that people use.
 */

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_epoll.h>
#include <rte_errno.h>
#include <rte_interrupts.h>

#ifdef HAVE_LIBEVENT
#include <event2/event.h>
#endif

#include "latency.h"

static int
eventfd_new(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	check(fd >= 0 ? 0 : -errno, "eventfd");
	return fd;
}

/* A process that writes this eventfd while we are asleep. */
static struct child_conf
eventfd_conf(const int *fd, unsigned int events)
{
	return (struct child_conf){
		.how = CHILD_EVENTFD,
		.fds = fd,
		.n_fds = 1,
		.events = events,
		.interval_ns = SLEEP_INTERVAL_NS,
	};
}

/*
 * The time is taken behind the branch: ahead of it the CPU could take it before the load is done.
 */
static void
line(unsigned int events, struct samples *out, bool take)
{
	const struct child_conf conf = {
		.how = CHILD_LINE, .events = events, .interval_ns = LINE_INTERVAL_NS
	};
	uint64_t limit = now_ns() + 10000000000ull;
	uint32_t last = 0, flag, spins = 0;
	struct child_shared *s;
	pid_t pid;

	s = child_start(&conf, &pid);
	while (last < events) {
		flag = atomic_load_explicit(&s->flag, memory_order_acquire);
		if (flag != last && flag != 0) {
			if (take)
				flag = atomic_exchange(&s->flag, 0);
			child_sample(s, rte_rdtsc(), out);
			last = flag;
		} else if (++spins % 65536 == 0 && now_ns() > limit) {
			break;
		}
	}
	child_end(s, pid);
}

void
floor_line(unsigned int events, struct samples *out)
{
	line(events, out, false);
}

/*
 * A word that can be raised again has to be taken before it is handled: the line is fetched twice.
 */
void
floor_exchange(unsigned int events, struct samples *out)
{
	line(events, out, true);
}

void
floor_epoll(unsigned int events, struct samples *out)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = eventfd_new(), ep = epoll_create1(EPOLL_CLOEXEC);
	const struct child_conf conf = eventfd_conf(&fd, events);
	struct child_shared *s;
	uint64_t got = 0, count;
	pid_t pid;

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	s = child_start(&conf, &pid);
	while (got < events && epoll_wait(ep, &ev, 1, 1000) > 0 &&
		read(fd, &count, sizeof(count)) > 0) {
		child_sample(s, rte_rdtsc(), out);
		got += count;
	}
	child_end(s, pid);
	close(ep);
	close(fd);
}

void
floor_socket(unsigned int events, struct samples *out)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int fds[2], ep = epoll_create1(EPOLL_CLOEXEC);
	struct child_conf conf = {
		.how = CHILD_SOCKET, .n_fds = 1, .events = events, .interval_ns = SLEEP_INTERVAL_NS
	};
	uint8_t buf[CHILD_MSG_SIZE * 64];
	struct child_shared *s;
	uint64_t got = 0;
	ssize_t n;
	pid_t pid;

	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : 0, "socket");
	conf.fds = &fds[1];
	epoll_ctl(ep, EPOLL_CTL_ADD, fds[0], &ev);
	s = child_start(&conf, &pid);
	while (got < events && epoll_wait(ep, &ev, 1, 1000) > 0) {
		n = recv(fds[0], buf, sizeof(buf), MSG_DONTWAIT);
		child_sample(s, rte_rdtsc(), out);
		got += n > 0 ? n / CHILD_MSG_SIZE : 0;
	}
	child_end(s, pid);
	close(ep);
	close(fds[0]);
	close(fds[1]);
}

/* DPDK's event loop for lcores: rte_epoll_wait() reads nothing, the caller does. */
void
peer_rte_epoll(unsigned int events, struct samples *out)
{
	struct rte_epoll_event ev = { .epdata.event = EPOLLIN }, got_ev;
	int fd = eventfd_new();
	const struct child_conf conf = eventfd_conf(&fd, events);
	struct child_shared *s;
	uint64_t got = 0, count;
	pid_t pid;

	check(rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_ADD, fd, &ev), "rte_epoll_ctl");
	s = child_start(&conf, &pid);
	while (got < events && rte_epoll_wait(RTE_EPOLL_PER_THREAD, &got_ev, 1, 1000) > 0 &&
		read(fd, &count, sizeof(count)) > 0) {
		child_sample(s, rte_rdtsc(), out);
		got += count;
	}
	child_end(s, pid);
	rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_DEL, fd, &ev);
	close(fd);
}

/* DPDK's interrupt thread: on this CPU, as we are, while this thread sleeps. */
static void
intr_thread_here(void)
{
	char path[64], comm[32];
	struct dirent *e;
	cpu_set_t here;
	DIR *dir;
	FILE *f;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	dir = opendir("/proc/self/task");
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "/proc/self/task/%.16s/comm", e->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		if (fgets(comm, sizeof(comm), f) != NULL &&
			(strncmp(comm, "eal-intr", 8) == 0 || strncmp(comm, "dpdk-intr", 9) == 0))
			sched_setaffinity(atoi(e->d_name), sizeof(here), &here);
		fclose(f);
	}
	if (dir != NULL)
		closedir(dir);
}

struct intr {
	int fd;
	struct child_shared *s;
	struct samples *out;
	_Atomic(uint64_t) got;
};

static void
on_intr(void *arg)
{
	uint64_t now = rte_rdtsc(), count;
	struct intr *i = arg;

	child_sample(i->s, now, i->out);
	if (read(i->fd, &count, sizeof(count)) > 0)
		atomic_fetch_add(&i->got, count);
}

void
peer_eal_intr(unsigned int events, struct samples *out)
{
	struct rte_intr_handle *h = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	struct intr i = { .fd = eventfd_new(), .out = out };
	const struct child_conf conf = eventfd_conf(&i.fd, events);
	uint64_t end = now_ns() + 10000000000ull;
	pid_t pid;

	check_ptr(h, "interrupt handle");
	rte_intr_fd_set(h, i.fd);
	rte_intr_type_set(h, RTE_INTR_HANDLE_EXT);
	intr_thread_here();
	i.s = child_start(&conf, &pid);
	check(rte_intr_callback_register(h, on_intr, &i), "rte_intr_callback_register");
	while (atomic_load(&i.got) < events && now_ns() < end)
		usleep(20000);
	while (rte_intr_callback_unregister(h, on_intr, &i) == -EAGAIN)
		usleep(100);
	child_end(i.s, pid);
	rte_intr_instance_free(h);
	close(i.fd);
}

#ifdef HAVE_LIBEVENT
struct loop {
	struct event_base *base;
	struct child_shared *s;
	struct samples *out;
	uint64_t got;
	uint64_t want;
};

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	uint64_t count;

	(void)what;
	child_sample(l->s, rte_rdtsc(), l->out);
	if (read(fd, &count, sizeof(count)) > 0)
		l->got += count;
	if (l->got >= l->want)
		event_base_loopbreak(l->base);
}

void
peer_libevent(unsigned int events, struct samples *out)
{
	const struct timeval limit = { .tv_sec = 10 };
	struct loop l = { .base = event_base_new(), .out = out, .want = events };
	int fd = eventfd_new();
	const struct child_conf conf = eventfd_conf(&fd, events);
	struct event *ev;
	pid_t pid;

	ev = event_new(l.base, fd, EV_READ | EV_PERSIST, on_readable, &l);
	event_add(ev, NULL);
	event_base_loopexit(l.base, &limit);
	l.s = child_start(&conf, &pid);
	event_base_dispatch(l.base);
	child_end(l.s, pid);
	event_free(ev);
	event_base_free(l.base);
	close(fd);
}
#endif
