/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Floors: the bare mechanism, measured between two processes as the device and we are, and with the
 * same clock. The child owns the stamp's line before it takes the time, as the device model does.
 */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_pause.h>

#include "bench.h"
#include "testpmd.h"

#define MSG_SIZE 36 /* of a DMA_WRITE with 4 bytes */

struct shared {
	_Atomic(uint64_t) stamp __rte_cache_aligned;
	_Atomic(uint64_t) ready;
	_Atomic(uint32_t) flag __rte_cache_aligned;
};

static void
child_send(enum floor_kind kind, struct shared *s, int fd, uint32_t seq)
{
	const uint8_t msg[MSG_SIZE] = { 0 };
	const uint64_t one = 1;
	ssize_t n = 1;

	atomic_fetch_add(&s->ready, 1); /* the line is ours */
	atomic_store_explicit(&s->stamp, rte_rdtsc(), memory_order_relaxed);
	if (kind == FLOOR_LINE)
		atomic_store_explicit(&s->flag, seq, memory_order_release);
	else if (kind == FLOOR_SOCKET)
		n = send(fd, msg, sizeof(msg), MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = write(fd, &one, sizeof(one));
	if (n < 0)
		_exit(1);
}

static void
child_run(enum floor_kind kind, struct shared *s, int fd, uint32_t events, uint64_t step, int cpu)
{
	uint64_t next;
	cpu_set_t set;
	uint32_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	next = rte_rdtsc() + 10 * step;
	for (i = 1; i <= events; i++, next += step) {
		while (rte_rdtsc() < next)
			rte_pause();
		child_send(kind, s, fd, i);
	}
	_exit(0);
}

static void
take(struct shared *s, uint64_t now, struct hist *h)
{
	uint64_t stamp = atomic_load_explicit(&s->stamp, memory_order_relaxed);

	/* A later stamp than now: the next event has overwritten it. */
	if (now > stamp)
		hist_add(h, now - stamp);
}

/*
 * The time is taken behind the branch: ahead of it the CPU could take it before the load is done.
 */
static void
poll_line(struct shared *s, uint32_t events, struct hist *h)
{
	uint64_t limit = rte_rdtsc() + 10 * rte_get_tsc_hz();
	uint32_t last = 0, flag, spins = 0;

	while (last < events && !atomic_load_explicit(&tp_interrupted, memory_order_relaxed)) {
		flag = atomic_load_explicit(&s->flag, memory_order_acquire);
		if (flag != last) {
			take(s, rte_rdtsc(), h);
			last = flag;
		} else if (++spins % 4096 == 0 && rte_rdtsc() > limit) {
			return; /* the child is gone */
		}
	}
}

static void
sleep_fd(enum floor_kind kind, struct shared *s, int fd, uint32_t events, struct hist *h)
{
	struct epoll_event ev = { .events = EPOLLIN };
	uint8_t buf[MSG_SIZE * 64];
	uint64_t got = 0, count, now;
	int ep = epoll_create1(EPOLL_CLOEXEC);
	ssize_t n;

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	while (got < events && !atomic_load(&tp_interrupted)) {
		if (epoll_wait(ep, &ev, 1, 1000) <= 0)
			break;
		if (kind == FLOOR_SOCKET) {
			n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
			now = rte_rdtsc();
			got += n > 0 ? n / MSG_SIZE : 0;
		} else {
			n = read(fd, &count, sizeof(count));
			now = rte_rdtsc();
			got += n > 0 ? count : 0;
		}
		take(s, now, h);
	}
	close(ep);
}

int
floor_measure(enum floor_kind kind, uint32_t events, uint64_t interval_ns, int cpu, struct hist *h)
{
	uint64_t step = interval_ns * rte_get_tsc_hz() / TP_NSEC;
	struct shared *s;
	int fds[2], status;
	pid_t pid;

	hist_reset(h);
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		return -errno;
	if (kind == FLOOR_EPOLL)
		fds[0] = fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		fds[0] = -1;
	if (fds[0] < 0) {
		munmap(s, sizeof(*s));
		return -errno;
	}
	pid = fork();
	if (pid == 0)
		child_run(kind, s, fds[1], events, step, cpu);
	if (pid > 0) {
		if (kind == FLOOR_LINE)
			poll_line(s, events, h);
		else
			sleep_fd(kind, s, fds[0], events, h);
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	close(fds[0]);
	if (fds[1] != fds[0])
		close(fds[1]);
	munmap(s, sizeof(*s));
	if (pid < 0)
		return -EAGAIN;
	return atomic_load(&tp_interrupted) ? -EINTR : 0;
}
