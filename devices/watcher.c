/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A second process, which takes nothing from clients and so cannot be held by one.
 *
 * What a client does with a descriptor can hold whoever has it in the kernel, where no signal
 * reaches: a file of a file system in user space (FUSE) when it is closed, a pipe or an epoll
 * instance that is just copying into a page of such a file, when the other end, or a member of it,
 * is used or closed. The server avoids what it can (vfu_fd.c, vfu_reject.c). For what is left there
 * is this: it sleeps until a connection waits, and if nobody accepts one for PATIENCE_MS, though
 * the server is not stopped (by a debugger), it kills the server, for when the kernel lets it go,
 * and becomes the next one.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "watcher.h"

#define PATIENCE_MS 5000
#define STEP_MS     100

static bool
is_waiting(int listener, int timeout_ms)
{
	struct pollfd pfd = { .fd = listener, .events = POLLIN };

	return poll(&pfd, 1, timeout_ms) == 1;
}

/* Its main thread is, by SIGSTOP or a debugger: the state is behind the name, which ends in ")". */
static bool
is_stopped(const char *stat_path)
{
	char line[512] = { 0 }, *state;
	int fd = open(stat_path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	state = n > 0 ? strrchr(line, ')') : NULL;
	return state != NULL && (state[2] == 'T' || state[2] == 't');
}

/* Returns when a connection has waited for too long. */
static void
watch(struct watched *w, int listener, const char *stat_path)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000l };
	unsigned int seen = 0, ms = 0;

	while (ms < PATIENCE_MS) {
		if (atomic_load(&w->ending))
			_exit(0);
		if (atomic_load(&w->accepted) != seen || !is_waiting(listener, ms == 0 ? -1 : 0) ||
			is_stopped(stat_path)) {
			seen = atomic_load(&w->accepted);
			ms = 0;
		}
		nanosleep(&step, NULL);
		ms += STEP_MS;
	}
}

static void
watcher_main(struct watched *w, int listener, pid_t server, char **argv)
{
	static const char said[] =
		"ims-devsrv: a client holds the server in the kernel; another one takes its place\n";
	char stat_path[32];
	int fd;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != server)
		_exit(1);
	snprintf(stat_path, sizeof(stat_path), "/proc/%d/stat", (int)server);
	for (fd = STDERR_FILENO + 1; fd < listener; fd++)
		close(fd);
	closefrom(listener + 1);
	watch(w, listener, stat_path);
	if (write(STDERR_FILENO, said, sizeof(said) - 1) < 0)
		_exit(1);
	prctl(PR_SET_PDEATHSIG, 0);
	kill(server, SIGKILL);
	fcntl(listener, F_SETFD, 0);
	execv("/proc/self/exe", argv);
	_exit(1);
}

struct watched *
watcher_start(int listener, char **argv)
{
	pid_t server = getpid(), pid;
	struct watched *w;
	int err;

	w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w == MAP_FAILED)
		return NULL;
	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (pid == 0)
		watcher_main(w, listener, server, argv);
	if (pid > 0)
		return w;
	err = errno;
	munmap(w, sizeof(*w));
	errno = err;
	return NULL;
}
