/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What a server in its sandbox can do, and what kills it. Each in a process of its own. */

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "sandbox.c"

/* The wait status of a process that does this in the sandbox. */
static int
run(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (sandbox_enter() != 0)
			_exit(1);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
serve(void)
{
	static const struct linger off;
	static uint64_t one = 1;
	char name[32];
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int fd = fcntl(1, F_DUPFD_CLOEXEC, 3);
	uint8_t *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mem[0] = write(fd, &one, 0);
	close(fd);
	free(malloc(1 << 20));
	setsockopt(0, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	getsockopt(0, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	fcntl(0, F_GET_SEALS);
	mem[0] = readlink("/proc/self/fd/0", name, sizeof(name)) > 0;
	munmap(mem, 4096);
	tgkill(getpid(), gettid(), 0);
	fprintf(stderr, "printed\n");
}

static void
do_open(void)
{
	open("/dev/null", O_RDONLY);
}

static void
do_socket(void)
{
	socket(AF_UNIX, SOCK_STREAM, 0);
}

static void
do_connect(void)
{
	(void)connect(1, NULL, 0);
}

static void
do_fork(void)
{
	fork();
}

static void
do_exec(void)
{
	char *none[] = { NULL };

	execve("/bin/true", none, none);
}

static void
do_exec_memory(void)
{
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void
do_make_exec(void)
{
	static uint8_t page[8192];

	mprotect(page, 4096, PROT_EXEC);
}

static void
do_set_flags(void)
{
	fcntl(1, F_SETFL, O_NONBLOCK);
}

static void
do_reuse_port(void)
{
	static const int on = 1;

	setsockopt(0, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
}

static void
do_other_level(void)
{
	static const struct linger off;

	setsockopt(0, IPPROTO_TCP, SO_LINGER, &off, sizeof(off));
}

static void
do_kill_thread(void)
{
	tgkill(getppid(), getppid(), SIGTERM);
}

static void
do_kill(void)
{
	kill(getppid(), SIGTERM);
}

static void
do_prctl(void)
{
	prctl(PR_SET_DUMPABLE, 1);
}

static void
test_allowed(void **state)
{
	int status = run(serve);

	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
test_forbidden(void **state)
{
	static void (*const fns[])(void) = { do_open, do_socket, do_connect, do_fork, do_exec,
		do_exec_memory, do_make_exec, do_set_flags, do_reuse_port, do_other_level,
		do_kill_thread, do_kill, do_prctl };
	size_t i;
	int status;

	for (i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		status = run(fns[i]);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("call %zu: status %#x", i, status);
	}
}

/* What is allowed, and what an attacker in the process gains by it. */
static const struct {
	const char *call;
	const char *gain;
} allowed[] = {
	{ "accept4", "a connection of who may connect anyway" },
	{ "recvmsg", "descriptors that a client gives away" },
	{ "sendmsg", "gives the client what is here, which is the client's" },
	{ "shutdown", "ends a connection" },
	{ "getsockopt", "SO_PEERCRED only: who its client is" },
	{ "setsockopt", "SO_LINGER only: whether closing a socket waits" },
	{ "epoll_ctl", "hears of descriptors that it has" },
	{ "epoll_wait", "the same" },
	{ "epoll_pwait", "the same" },
	{ "read", "of descriptors that it has" },
	{ "write", "the same" },
	{ "close", "the same" },
	{ "poll", "the same" },
	{ "fstat", "the same" },
	{ "fstatfs", "the same" },
	{ "newfstatat", "by path, too: learns that a file is there, not what is in it" },
	{ "timerfd_settime", "of timers that it has" },
	{ "clock_gettime", "the time" },
	{ "clock_nanosleep", "waits" },
	{ "brk", "memory of its own" },
	{ "madvise", "the same" },
	{ "mremap", "the same" },
	{ "munmap", "the same" },
	{ "mmap", "the same, and files that it has; nothing to execute" },
	{ "mprotect", "the same" },
	{ "getrandom", "numbers" },
	{ "futex", "wakes and waits for its own threads" },
	{ "sched_yield", "waits" },
	{ "getpid", "its number" },
	{ "gettid", "the same" },
	{ "rt_sigaction", "handlers of its own" },
	{ "rt_sigprocmask", "the same" },
	{ "rt_sigreturn", "registers, which it has anyway" },
	{ "restart_syscall", "one of these calls again" },
	{ "rseq", "of its own thread" },
	{ "set_robust_list", "the same" },
	{ "exit", "the same" },
	{ "exit_group", "ends" },
	{ "tgkill", "signals to its own threads" },
	{ "readlink", "by path: where symbolic links lead, not what is there" },
	{ "readlinkat", "the same" },
	{ "fcntl", "reads flags and seals, copies a descriptor" },
};

#define N_ALLOWED (sizeof(allowed) / sizeof(allowed[0]))

/* The filter as libseccomp describes it. */
static FILE *
describe(void)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	FILE *f = fdopen(fd, "r");

	assert_non_null(ctx);
	assert_non_null(f);
	assert_int_equal(fill(ctx), 0);
	assert_int_equal(seccomp_export_pfc(ctx, fd), 0);
	seccomp_release(ctx);
	rewind(f);
	return f;
}

/* No call is on the list that is not on the one above, and the other way round. */
static void
test_list(void **state)
{
	bool seen[N_ALLOWED] = { false };
	char line[256], name[64];
	FILE *f = describe();
	size_t i;

	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, " # filter for syscall \"%63[^\"]\"", name) != 1)
			continue;
		for (i = 0; i < N_ALLOWED && strcmp(allowed[i].call, name) != 0; i++)
			continue;
		if (i == N_ALLOWED)
			fail_msg("%s is allowed", name);
		else
			seen[i] = true;
	}
	fclose(f);
	for (i = 0; i < N_ALLOWED; i++)
		if (!seen[i] && seccomp_syscall_resolve_name(allowed[i].call) >= 0)
			fail_msg("%s (%s) is not allowed", allowed[i].call, allowed[i].gain);
}

static int go[2];

static void *
open_later(void *arg)
{
	char c;

	if (read(go[0], &c, 1) == 1)
		do_open();
	return NULL;
}

/* A thread that was there before is in it, too. */
static void
test_threads(void **state)
{
	pthread_t thread;
	int status;
	pid_t pid;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (pthread_create(&thread, NULL, open_later, NULL) != 0 || sandbox_enter() != 0 ||
			write(go[1], "x", 1) != 1)
			_exit(1);
		pthread_join(thread, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	close(go[0]);
	close(go[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
