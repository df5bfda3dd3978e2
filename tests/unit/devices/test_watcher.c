/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Whom the watcher takes for held, and how many it leaves behind. Its servers are this test's. */

#define PATIENCE_MS 200
#define STEP_MS     20

#include "watcher.c"

#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "../../children.h"
#include "fuse_hold.h"
#include "vfu_peer.h"

static struct vfu_file file;
static pid_t pid; /* the watcher's */
static FILE *said;
static atomic_uint *n_servers;
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

/* Its servers do this, without accepting the connection that waits. */
static void
start(void (*serve)(void))
{
	struct watched *watched;
	int listener, out[2], rc;

	listener = bind_path();
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	atomic_store(n_servers, 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
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

	strcpy(address.sun_path, file.path);
	assert_int_equal(connect(sock, (struct sockaddr *)&address, sizeof(address)), 0);
	return sock;
}

static int
ends(void)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
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

	for (i = 0; i < 20000 && atomic_load(n_servers) != n; i++)
		usleep(1000);
	assert_int_equal(atomic_load(n_servers), n);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_many_held),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_path_of_another),
	};

	n_servers = mmap(NULL, sizeof(*n_servers), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (n_servers == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
