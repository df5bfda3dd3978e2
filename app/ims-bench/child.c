/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The other side of the floors and peers: a child process on the other CPU, as a device process is.
 * It owns the stamp's line before it takes the time, as the device models do.
 */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_pause.h>

#include "child.h"

static void
send_message(const struct rte_ims_msg *msg)
{
	atomic_store_explicit(
		(_Atomic(uint32_t) *)(uintptr_t)msg->addr, msg->data, memory_order_release);
}

static void
send_one(const struct child_conf *conf, struct child_shared *s, uint32_t seq)
{
	const uint8_t msg[CHILD_MSG_SIZE] = { 0 };
	const uint64_t one = 1;
	ssize_t n = 1;

	atomic_fetch_add(&s->ready, 1); /* the line is ours */
	atomic_store_explicit(&s->stamp, rte_rdtsc(), memory_order_relaxed);
	if (conf->how == CHILD_LINE)
		atomic_store_explicit(&s->flag, seq, memory_order_release);
	else if (conf->how == CHILD_MESSAGE)
		send_message(&conf->msgs[seq % conf->n_fds]);
	else if (conf->how == CHILD_SOCKET)
		n = send(conf->fds[0], msg, sizeof(msg), MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = write(conf->fds[seq % conf->n_fds], &one, sizeof(one));
	if (n < 0 && errno != EAGAIN)
		_exit(1);
}

static void
run(const struct child_conf *conf, struct child_shared *s)
{
	uint64_t step = conf->interval_ns / bench.tick_ns, next;
	cpu_set_t set;
	uint32_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&set);
	CPU_SET(bench.other_cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	next = rte_rdtsc() + 10 * step;
	for (i = 1; conf->events == 0 || i <= conf->events; i++, next += step) {
		while (step != 0 && rte_rdtsc() < next)
			rte_pause();
		send_one(conf, s, i);
	}
	_exit(0);
}

struct child_shared *
child_start(const struct child_conf *conf, pid_t *pid)
{
	struct child_shared *s;

	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(s != MAP_FAILED ? 0 : -errno, "shared memory");
	*pid = fork();
	check(*pid >= 0 ? 0 : -errno, "fork");
	if (*pid == 0)
		run(conf, s);
	return s;
}

void
child_end(struct child_shared *s, pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	munmap(s, sizeof(*s));
}
