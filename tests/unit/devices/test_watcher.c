/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Whom the watcher takes for held, how many it leaves behind, and what does not keep it from
 * ending. Its servers are this test's.
 */

#define PATIENCE_MS 200
#define END_MS      400
#define STEP_MS     20

#include "watcher.c"

#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../../children.h"
#include "fuse_hold.h"
#include "vfu_peer.h"

static struct vfu_file file;
static pid_t pid; /* the watcher's */
static FILE *said;
static atomic_uint *n_servers;
static struct watched *watched; /* a server's */
static bool is_unread;          /* what it says */
static struct fuse_hold holds[2];

static int
bind_path(void)
{
	char path[32];
	int listener;

	snprintf(path, sizeof(path), "/tmp/ims-watcher-%d", (int)getpid());
	listener = vfu_bind(path, 0600, &file);
	assert_true(listener >= 0);
	return listener;
}

static void
fill(int fd)
{
	static const char page[4096];

	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while (write(fd, page, sizeof(page)) > 0)
		;
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
}

/* Its servers do this, without accepting the connection that waits. */
static void
start(void (*serve)(void))
{
	int listener = bind_path(), out[2], rc;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	if (is_unread)
		fill(out[1]);
	atomic_store(n_servers, 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_CHILD_SUBREAPER, 1); /* as process 1 is */
		signal(SIGHUP, SIG_DFL);
		dup2(out[1], STDERR_FILENO);
		close(out[0]);
		close(out[1]);
		rc = watcher_run(listener, &file, &watched);
		if (rc == WATCHER_SERVE)
			serve();
		_exit(rc);
	}
	close(listener);
	close(out[1]);
	said = fdopen(out[0], "r");
	assert_non_null(said);
}

static int
connect_server(void)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memcpy(address.sun_path, file.path, sizeof(file.path));
	assert_int_equal(connect(sock, (struct sockaddr *)&address, sizeof(address)), 0);
	return sock;
}

static int
ends(void)
{
	int status, i;
	pid_t ended = 0;

	for (i = 0; i < 20000 && ended == 0; i++) {
		usleep(1000);
		ended = waitpid(pid, &status, WNOHANG);
	}
	assert_int_equal(ended, pid);
	fclose(said);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
check_path_is_free(void)
{
	assert_int_equal(access(file.path, F_OK), -1);
}

static void
compute(void)
{
	volatile unsigned int n = 0;

	atomic_fetch_add(n_servers, 1);
	for (;;)
		n++;
}

/* One that does something is not held, however long that takes. */
static void
test_busy(void **state)
{
	pid_t server = 0, same = 0;
	int sock;

	start(compute);
	sock = connect_server();
	while (children_of(pid, &server, 1) != 1)
		usleep(1000);
	usleep(3000 * PATIENCE_MS);
	assert_int_equal(children_of(pid, &same, 1), 1);
	assert_int_equal(same, server);
	kill(server, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	fclose(said);
	close(sock);
}

static void
be_held(void)
{
	unsigned int n = atomic_fetch_add(n_servers, 1);

	for (;;)
		if (write(holds[n != 0].fd, "x", 1) < 0)
			pause();
}

static void
await_said(const char *what)
{
	char line[256];

	do {
		assert_non_null(fgets(line, sizeof(line), said));
	} while (strstr(line, what) == NULL);
}

static void
await_servers(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < 20000 && atomic_load(n_servers) < n; i++)
		usleep(1000);
	assert_true(atomic_load(n_servers) >= n);
}

/* So many may be held; one more is replaced when one of them is gone. */
static void
test_many_held(void **state)
{
	struct fuse_file files[2];
	unsigned int i;
	int sock;

	fuse_file_open_or_skip(&files[0]);
	fuse_file_open_or_skip(&files[1]);
	for (i = 0; i < 2; i++)
		fuse_hold_pipe(&holds[i], &files[i]);
	start(be_held);
	sock = connect_server();
	await_said("is not replaced");
	await_servers(MAX_HELD + 1);
	assert_int_equal(children_of(pid, NULL, 0), MAX_HELD + 1);
	fuse_file_close(&files[0]);
	await_said("is not replaced");
	await_servers(MAX_HELD + 2);
	assert_int_equal(children_of(pid, NULL, 0), MAX_HELD + 1);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(ends(), 0);
	check_path_is_free();
	fuse_file_close(&files[1]);
	for (i = 0; i < 2; i++) {
		fuse_hold_end(&holds[i]);
		close(holds[i].fd);
	}
	close(sock);
}

static void
leave(void)
{
	_exit(7);
}

/* It does not even end when it is told to: that signal is blocked. */
static void
sleep_on(void)
{
	atomic_fetch_add(n_servers, 1);
	for (;;)
		pause();
}

/* Whoever has started us may have its children reaped by themselves. */
static void
test_status(void **state)
{
	void (*old)(int) = signal(SIGCHLD, SIG_IGN);

	start(leave);
	signal(SIGCHLD, old);
	assert_int_equal(ends(), 7);
	check_path_is_free();
}

/* Another service has the path by now, and keeps it. */
static void
test_path_of_another(void **state)
{
	int listener;

	start(sleep_on);
	await_servers(1);
	assert_int_equal(unlink(file.path), 0);
	listener = bind_path();
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(ends(), 0);
	assert_int_equal(access(file.path, F_OK), 0);
	vfu_file_remove(&file);
	close(listener);
}

static pid_t
server_of(pid_t watcher)
{
	pid_t server = 0;

	await_servers(1);
	assert_int_equal(children_of(watcher, &server, 1), 1);
	return server;
}

static void
check_is_ended_by(int sig)
{
	assert_int_equal(kill(pid, sig), 0);
	assert_int_equal(ends(), 0);
	check_path_is_free();
}

static void
test_end_stopped(void **state)
{
	start(sleep_on);
	assert_int_equal(kill(server_of(pid), SIGSTOP), 0);
	check_is_ended_by(SIGTERM);
}

static void
test_end_busy(void **state)
{
	start(compute);
	await_servers(1);
	check_is_ended_by(SIGTERM);
}

/* It does not wait for who reads what it says, neither to replace a server nor to end. */
static void
test_unread(void **state)
{
	int sock;

	is_unread = true;
	start(sleep_on);
	is_unread = false;
	sock = connect_server();
	await_servers(3);
	check_is_ended_by(SIGTERM);
	close(sock);
}

/* The server's own signal does not hurt it; the end of a terminal ends it. */
static void
test_other_signals(void **state)
{
	start(sleep_on);
	await_servers(1);
	assert_int_equal(kill(pid, SIGUSR2), 0);
	check_is_ended_by(SIGHUP);
}

static void
announce_late(void)
{
	atomic_fetch_add(n_servers, 1);
	while (access(file.path, F_OK) == 0)
		usleep(1000);
	_exit(atomic_exchange(&watched->announced, true) ? 0 : 9);
}

/* Nobody is told that it is ready when its path is gone. */
static void
test_end_early(void **state)
{
	start(announce_late);
	await_servers(1);
	check_is_ended_by(SIGTERM);
}

/* The child's child ends when the watcher is its parent; then its number is told. */
static void
leave_orphan(void)
{
	pid_t watcher = getppid(), child = fork();

	if (child == 0 && fork() == 0) {
		while (getppid() != watcher)
			usleep(1000);
		atomic_store(n_servers, getpid());
		_exit(0);
	}
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
	for (;;)
		pause();
}

static void
test_orphan(void **state)
{
	pid_t orphan = 0;
	int i;

	start(leave_orphan);
	for (i = 0; i < 20000 && orphan == 0; i++) {
		usleep(1000);
		orphan = atomic_load(n_servers);
	}
	assert_int_not_equal(orphan, 0);
	for (i = 0; i < 20000 && kill(orphan, 0) == 0; i++)
		usleep(1000);
	assert_int_equal(kill(orphan, 0), -1);
	check_is_ended_by(SIGTERM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_many_held),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_path_of_another),
		cmocka_unit_test(test_end_stopped),
		cmocka_unit_test(test_end_busy),
		cmocka_unit_test(test_unread),
		cmocka_unit_test(test_other_signals),
		cmocka_unit_test(test_end_early),
		cmocka_unit_test(test_orphan),
	};

	n_servers = mmap(NULL, sizeof(*n_servers), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (n_servers == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
