/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The first process, which takes nothing from clients and so cannot be held by one. It has the
 * socket, starts the server, and ends with it; who sends signals sends them here.
 *
 * What a client does with a descriptor can hold whoever has it in the kernel, where no signal
 * reaches: a file of a file system in user space (FUSE) when it is closed, a pipe or an epoll
 * instance that is just copying into a page of such a file, when the other end, or a member of it,
 * is used or closed. The server avoids what it can (vfu_fd.c, vfu_reject.c). For what is left there
 * is this: it sleeps until a connection waits, and if nobody accepts one for PATIENCE_MS, in which
 * the server's main thread was seen to do nothing at all, it kills the server, for when the kernel
 * lets it go, and starts another one.
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
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watcher.h"

#ifndef PATIENCE_MS /* a test's are shorter */
#define PATIENCE_MS 5000
#define STEP_MS     100
#endif
#define MAX_HELD 8 /* killed, and not gone yet */

struct watcher {
	struct watched *watched;
	int listener;
	const struct vfu_file *file;
	int sigfd;
	bool ending; /* it was told to */
	pid_t server;
	pid_t held[MAX_HELD];
	unsigned int n_held;
	bool full; /* and has said so */
	/* Since when the server does nothing, by our own steps: we may be stopped, or wait, too. */
	unsigned int idle_ms;
	unsigned int accepted;
	unsigned long long ticks;
};

/*
 * Until a signal has come or, if it is not to end and no connection waits, one does. True: that is
 * what it waits for, and a step has passed.
 */
static bool
step(const struct watcher *w)
{
	struct pollfd pfd[] = {
		{ .fd = w->sigfd, .events = POLLIN },
		{ .fd = w->listener, .events = POLLIN },
	};
	int n = poll(pfd, 2, w->ending ? 0 : -1);

	if (n < 0 || pfd[0].revents != 0)
		return false;
	return poll(pfd, 1, STEP_MS) == 0 && (w->ending || (pfd[1].revents & POLLIN) != 0);
}

/*
 * What the server's main thread is about: its state, and the CPU time it has had. They are behind
 * the name, which ends in ")". 0: it cannot be told.
 */
static char
look(pid_t pid, unsigned long long *ticks)
{
	char path[48], line[512] = { 0 }, *rest, state = 0;
	unsigned long long user, system;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)pid, (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, line, sizeof(line) - 1);
	close(fd);
	rest = n > 0 ? strrchr(line, ')') : NULL;
	if (rest == NULL || sscanf(rest, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
				    &state, &user, &system) != 3)
		return 0;
	*ticks = user + system;
	return state;
}

/*
 * It sleeps, waits in the kernel or is dead but for other threads. One that gets no CPU is ready to
 * run, one that is stopped, by SIGSTOP or a debugger, will be continued by whoever has done it.
 */
static bool
is_idle(char state)
{
	return state != 0 && strchr("SDZ", state) != NULL;
}

/* After a step: it is held. */
static bool
is_held(struct watcher *w)
{
	unsigned int accepted = atomic_load(&w->watched->accepted);
	unsigned long long ticks = w->ticks;
	char state = look(w->server, &ticks);

	if (is_idle(state) && accepted == w->accepted && ticks == w->ticks)
		w->idle_ms += STEP_MS;
	else
		w->idle_ms = 0;
	w->accepted = accepted;
	w->ticks = ticks;
	return w->idle_ms >= PATIENCE_MS;
}

static void
take_signals(struct watcher *w)
{
	struct signalfd_siginfo info;

	while (read(w->sigfd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		if (info.ssi_signo != SIGUSR1 && !w->ending) {
			vfu_file_remove(w->file); /* another service can take its place */
			w->ending = true;
			w->idle_ms = 0;
		}
		kill(w->server, info.ssi_signo);
	}
}

/* Those that the kernel has let go. */
static void
reap_held(struct watcher *w)
{
	unsigned int i = 0;

	while (i < w->n_held) {
		if (waitpid(w->held[i], NULL, WNOHANG) == w->held[i]) {
			w->held[i] = w->held[--w->n_held];
			w->full = false;
		} else {
			i++;
		}
	}
}

static void
be_server(const struct watcher *w, pid_t watcher)
{
	sigset_t set;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != watcher)
		_exit(1);
	close(w->sigfd);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* As fork(): in the new one the watcher's part ends. */
static pid_t
fork_server(const struct watcher *w)
{
	pid_t watcher = getpid(), pid = fork();

	if (pid == 0)
		be_server(w, watcher);
	return pid;
}

/* As fork(), -1: it goes on with the one that it has. */
static pid_t
replace(struct watcher *w)
{
	pid_t pid;

	if (w->n_held == MAX_HELD) {
		if (!w->full)
			fprintf(stderr,
				"ims-devsrv: clients hold %d processes in the kernel; process %d, "
				"held too, is not replaced until one of them is gone\n",
				MAX_HELD, (int)w->server);
		w->full = true;
		return -1;
	}
	fprintf(stderr,
		"ims-devsrv: a client holds process %d in the kernel; another one takes its "
		"place\n",
		(int)w->server);
	w->idle_ms = 0;
	pid = fork_server(w);
	if (pid < 0)
		fprintf(stderr, "ims-devsrv: none does: %s\n", strerror(errno));
	if (pid <= 0)
		return pid;
	kill(w->server, SIGKILL);
	w->held[w->n_held++] = w->server;
	w->server = pid;
	return pid;
}

/* It was killed by this signal: so are we, for whoever waits for us, but without a core. */
static void
die_of(int sig)
{
	const struct rlimit none = { 0 };
	sigset_t set;

	setrlimit(RLIMIT_CORE, &none);
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	kill(getpid(), sig);
}

/* The server has ended with this wait status. */
static int
server_ended(const struct watcher *w, int status)
{
	vfu_file_remove(w->file);
	if (WIFSIGNALED(status))
		die_of(WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* It is to end, and does not: it will when the kernel lets it go. */
static int
leave_server(const struct watcher *w)
{
	fprintf(stderr, "ims-devsrv: process %d ends when the kernel lets it go\n", (int)w->server);
	kill(w->server, SIGKILL);
	return 0;
}

static int
watch(struct watcher *w)
{
	bool stepped;
	int status;

	for (;;) {
		stepped = step(w);
		take_signals(w);
		reap_held(w);
		if (waitpid(w->server, &status, WNOHANG) == w->server)
			return server_ended(w, status);
		if (!stepped || !is_held(w))
			continue;
		if (w->ending)
			return leave_server(w);
		if (replace(w) == 0)
			return WATCHER_SERVE;
	}
}

static int
watcher_init(struct watcher *w)
{
	sigset_t set;

	signal(SIGCHLD, SIG_DFL); /* ignored, children could not be waited for */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	w->watched = mmap(NULL, sizeof(*w->watched), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (w->watched == MAP_FAILED)
		return -1;
	w->sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return w->sigfd < 0 ? -1 : 0;
}

int
watcher_run(int listener, const struct vfu_file *file, struct watched **watched)
{
	struct watcher w = { .listener = listener, .file = file };
	int rc = watcher_init(&w);

	if (rc == 0)
		w.server = fork_server(&w);
	if (rc < 0 || w.server < 0) {
		fprintf(stderr, "ims-devsrv: %s: %s\n", file->path, strerror(errno));
		vfu_file_remove(file);
		return 1;
	}
	*watched = w.watched;
	return w.server == 0 ? WATCHER_SERVE : watch(&w);
}
