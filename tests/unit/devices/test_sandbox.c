/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What a server in its sandbox can do, and what kills it. Each in a process of its own. */

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
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

#include "sandbox.h"

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
	int fd = fcntl(1, F_DUPFD_CLOEXEC, 3);
	uint8_t *mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mem[0] = write(fd, &one, 0);
	munmap(mem, 4096);
	close(fd);
	free(malloc(1 << 20));
	setsockopt(0, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
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
	connect(1, NULL, 0);
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
	mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
