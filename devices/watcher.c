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
 *
 * Nothing that a server or a reader of stderr does, or does not, keeps it from ending.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watcher.h"

#ifndef PATIENCE_MS /* a test's are shorter */
#define PATIENCE_MS 5000
#define END_MS      30000 /* to end, whatever it does */
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
	/*
	 * Times are so many of our own steps: while we are stopped or get no CPU, the server may
	 * not get any, either, and that is not to be held against it.
	 */
	unsigned int idle_ms;         /* the server was seen to do nothing */
	unsigned int ending_ms;       /* it was told to end */
	unsigned int progress;        /* at the last step */
	unsigned long long cpu_ticks; /* likewise */
};

static void
say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line; none if that would block: whoever was to read it does not. */
static void
say(const char *format, ...)
{
	struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };
	va_list args;

	if (poll(&pfd, 1, 0) != 1 || (pfd.revents & POLLOUT) == 0)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
}

/* Sleep while there is nothing to watch: no connection waits, and the server is not to end. */
static void
await_work(const struct watcher *w)
{
	struct pollfd pfd[] = {
		{ .fd = w->sigfd, .events = POLLIN },
		{ .fd = w->listener, .events = POLLIN },
	};

	if (!w->ending)
		poll(pfd, 2, -1);
}

/* Wait for a step. False: a signal has come before it was over. */
static bool
step(const struct watcher *w)
{
	struct pollfd pfd = { .fd = w->sigfd, .events = POLLIN };

	return poll(&pfd, 1, STEP_MS) == 0;
}

/*
 * What the server's main thread is about: its state, and the CPU time it has had. They are behind
 * the name, which ends in ")". 0: it cannot be told.
 */
static char
look(pid_t pid, unsigned long long *cpu_ticks)
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
	*cpu_ticks = user + system;
	return state;
}

/*
 * It sleeps, waits in the kernel or is dead but for other threads. One that gets no CPU is ready to
 * run. One that is stopped, by SIGSTOP or a debugger, will be continued by whoever has done it; but
 * that is not waited for if it is to end.
 */
static bool
is_idle(const struct watcher *w, char state)
{
	return state != 0 && strchr(w->ending ? "SDZTt" : "SDZ", state) != NULL;
}

/* A step has passed while a connection waited, or since it was told to end. Is that enough? */
static bool
is_held(struct watcher *w)
{
	unsigned int progress = atomic_load(&w->watched->progress);
	unsigned long long cpu_ticks = w->cpu_ticks;
	char state = look(w->server, &cpu_ticks);

	if (is_idle(w, state) && progress == w->progress && cpu_ticks == w->cpu_ticks)
		w->idle_ms += STEP_MS;
	else
		w->idle_ms = 0;
	if (w->ending)
		w->ending_ms += STEP_MS;
	w->progress = progress;
	w->cpu_ticks = cpu_ticks;
	return w->idle_ms >= PATIENCE_MS || w->ending_ms >= END_MS;
}

/* The path is free for another service, at once. */
static void
begin_end(struct watcher *w)
{
	if (w->ending)
		return;
	atomic_store(&w->watched->announced, true); /* not any more, if it was not yet */
	vfu_file_remove(w->file);
	w->ending = true;
	w->idle_ms = 0;
}

static void
take_signals(struct watcher *w)
{
	struct signalfd_siginfo info;

	while (read(w->sigfd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		if (info.ssi_signo != SIGUSR1)
			begin_end(w);
		kill(w->server, info.ssi_signo == SIGHUP ? SIGTERM : (int)info.ssi_signo);
	}
}

/* If it is one that was held, the kernel has let it go. */
static void
forget_held(struct watcher *w, pid_t pid)
{
	unsigned int i = 0;

	while (i < w->n_held && w->held[i] != pid)
		i++;
	if (i == w->n_held)
		return;
	w->held[i] = w->held[--w->n_held];
	w->full = false;
}

/* All who have ended, also orphans of others if we are process 1. True: the server, with status. */
static bool
reap(struct watcher *w, int *status)
{
	bool ended = false;
	pid_t pid;
	int st;

	while ((pid = waitpid(-1, &st, WNOHANG)) > 0) {
		forget_held(w, pid);
		if (pid != w->server)
			continue;
		*status = st;
		ended = true;
	}
	return ended;
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

static void
say_full(struct watcher *w)
{
	if (!w->full)
		say("ims-devsrv: clients hold %d processes in the kernel; process %d, held too, is "
		    "not replaced until one of them is gone\n",
			MAX_HELD, (int)w->server);
	w->full = true;
}

/* As fork(), -1: it goes on with the one that it has. */
static pid_t
replace(struct watcher *w)
{
	pid_t held = w->server, pid;

	if (w->n_held == MAX_HELD) {
		say_full(w);
		return -1;
	}
	w->idle_ms = 0;
	pid = fork_server(w);
	if (pid == 0)
		return 0;
	if (pid < 0) {
		say("ims-devsrv: a client holds process %d in the kernel; no other one takes its "
		    "place: %s\n",
			(int)held, strerror(errno));
		return -1;
	}
	kill(held, SIGKILL);
	w->held[w->n_held++] = held;
	w->server = pid;
	say("ims-devsrv: a client holds process %d in the kernel; another one takes its place\n",
		(int)held);
	return pid;
}

/* It was killed by this signal: so are we, for whoever waits for us, but without a core. */
static void
die_of(int sig)
{
	sigset_t set;

	prctl(PR_SET_DUMPABLE, 0);
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

/* It is to end, and does not: now it does, as soon as the kernel lets it go. */
static int
leave_server(const struct watcher *w)
{
	kill(w->server, SIGKILL);
	say("ims-devsrv: process %d has not ended; it is killed, and ends when the kernel lets it "
	    "go\n",
		(int)w->server);
	return 0;
}

static int
watch(struct watcher *w)
{
	bool passed;
	int status;

	for (;;) {
		await_work(w);
		passed = step(w);
		take_signals(w);
		if (reap(w, &status))
			return server_ended(w, status);
		if (!passed || !is_held(w))
			continue;
		if (w->ending)
			return leave_server(w);
		if (replace(w) == 0)
			return WATCHER_SERVE;
	}
}

/* Those that are taken here. */
static void
choose_signals(sigset_t *set)
{
	struct sigaction hangup = { 0 };

	signal(SIGCHLD, SIG_DFL); /* ignored, children could not be waited for */
	signal(SIGUSR2, SIG_IGN); /* the servers', who have a handler */
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGCHLD);
	/* After nohup it stays ignored, which it would not if it were blocked. */
	sigaction(SIGHUP, NULL, &hangup);
	if (hangup.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
}

static int
watcher_init(struct watcher *w)
{
	sigset_t set;

	choose_signals(&set);
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
		say("ims-devsrv: %s: %s\n", file->path, strerror(errno));
		vfu_file_remove(file);
		return 1;
	}
	*watched = w.watched;
	return w.server == 0 ? WATCHER_SERVE : watch(&w);
}
