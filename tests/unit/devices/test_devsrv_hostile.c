/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Clients that mean harm, and the program as it is run: in its sandbox, what saves it from them are
 * system calls, too.
 */

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "../../children.h"
#include "fuse_file.h"
#include "qd_peer.h"

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static pid_t pid;

/* Returns when the server listens. */
static int
setup(void **state)
{
	const char *program = getenv("IMS_DEVSRV");
	int out[2];
	char c;

	assert_non_null(program);
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/ims-devsrv-%d", (int)getpid());
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		execl(program, program, "--model", "queue_dev,queues=64,eqs=16,inject=1",
			"--socket", address.sun_path, NULL);
		_exit(127);
	}
	close(out[1]);
	assert_int_equal(read(out[0], &c, 1), 1);
	close(out[0]);
	return 0;
}

static int
connect_server(void)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(sock >= 0);
	assert_int_equal(connect(sock, (const struct sockaddr *)&address, sizeof(address)), 0);
	return sock;
}

/* It serves, and ends when it is told to rather than by a signal. */
static int
teardown(void **state)
{
	int status;

	qd_connect(connect_server());
	assert_int_equal(cmd_number(QUEUE_DEV_CMD_NOP, 0), 0);
	qd_disconnect();
	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return 0;
}

/* A file is cut short while it is used as memory. */
static void
test_file_cut_short(void **state)
{
	const uint32_t one = 1;
	struct vfio_user_region_access acc = { .offset = QUEUE_DEV_REG_CMDQ_TAIL, .count = 4 };
	uint8_t msg[sizeof(acc) + sizeof(one)];

	qd_connect(connect_server());
	memcpy(msg, &acc, sizeof(acc));
	memcpy(msg + sizeof(acc), &one, sizeof(one));
	assert_int_equal(ftruncate(t.memfd, 0), 0);
	peer_send(&t.p, VFIO_USER_REGION_WRITE, 0, msg, sizeof(msg), NULL, 0);
	assert_true(peer_closed(&t.p));
	qd_disconnect();
}

static uint32_t
set_fd(int fd)
{
	return peer_set_irqs(&t.p, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, NULL, 0, &fd, 1);
}

/* The server is to signal what it was given. Its answer is not waited for. */
static void
trigger(void)
{
	const struct vfio_irq_set now = {
		.argsz = sizeof(now),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.count = 1,
	};

	peer_send(&t.p, VFIO_USER_DEVICE_SET_IRQS, 0, &now, sizeof(now), NULL, 0);
}

/* An eventfd is made to block, and full, before it is signalled. */
static void
test_eventfd_blocks(void **state)
{
	const uint64_t full = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	qd_connect(connect_server());
	assert_int_equal(set_fd(fd), 0);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	trigger();
	assert_true(peer_closed(&t.p));
	qd_disconnect();
	close(fd);
}

/* A file whose process does not answer is given as memory, and as an eventfd. */
static void
test_file_asks(void **state)
{
	struct fuse_file f;

	fuse_file_open_or_skip(&f);
	fuse_file_mute(&f, FUSE_GETATTR);
	qd_connect(connect_server());
	assert_int_equal(peer_dma_map(&t.p, 1ull << 40, 4096, 3, f.fd, 0), EINVAL);
	peer_sync(&t.p); /* it has closed it */
	assert_int_equal(fuse_file_asked(&f), 0);
	fuse_file_mute(&f, FUSE_FLUSH);
	assert_int_equal(set_fd(f.fd), EINVAL);
	assert_true(peer_closed(&t.p));
	qd_disconnect();
	qd_connect(connect_server());
	assert_int_equal(cmd_number(QUEUE_DEV_CMD_NOP, 0), 0);
	qd_disconnect();
	assert_int_equal(fuse_file_wait_asked(&f, 1), 1);
	fuse_file_close(&f); /* or the server could not end */
}

/* The other end of a pipe, for a thread that reads it into a page of a file. */
struct reader {
	int pipe;
	void *page;
};

static void *
reader_main(void *arg)
{
	const struct reader *r = arg;

	/* EFAULT, when the file's process has ended. */
	if (read(r->pipe, r->page, 1) > 0)
		return NULL;
	return arg;
}

/* Servers that there are, the one that serves last. */
static int
servers(pid_t pids[2])
{
	int n = children_of(pid, pids, 2);

	assert_in_range(n, 1, 2);
	return n;
}

/*
 * What holds the server's own thread in the kernel: it writes to a pipe as to an eventfd, while the
 * client's read of it waits for a page, with the pipe's lock. Another server takes its place, with
 * the same process to signal.
 */
static void
test_held(void **state)
{
	struct fuse_file f;
	pid_t pids[2], first;
	int ends[2];
	struct reader r;
	pthread_t thread;

	fuse_file_open_or_skip(&f);
	assert_int_equal(servers(pids), 1);
	first = pids[0];
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	r.pipe = ends[0];
	r.page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f.fd, 0);
	assert_true(r.page != MAP_FAILED);
	fuse_file_mute(&f, FUSE_READ);
	qd_connect(connect_server());
	assert_int_equal(set_fd(ends[1]), 0);
	assert_int_equal(pthread_create(&thread, NULL, reader_main, &r), 0);
	while (fuse_file_asked(&f) == 0)
		usleep(1000);
	trigger();
	qd_disconnect();
	/* It reads all that this one has sent before it looks at the next. */
	qd_connect(connect_server());
	assert_int_equal(cmd_number(QUEUE_DEV_CMD_NOP, 0), 0);
	qd_disconnect();
	assert_int_equal(servers(pids), 2);
	assert_int_equal(pids[0], first);
	fuse_file_close(&f);
	while (servers(pids) == 2)
		usleep(1000);
	assert_int_not_equal(pids[0], first);
	pthread_join(thread, NULL);
	munmap(r.page, 4096);
	close(ends[0]);
	close(ends[1]);
}

/* Commands that are executed late allocate in another thread than the reset frees in. */
static void
test_late_commands(void **state)
{
	struct queue_dev_ctx ctx;
	uint32_t i;

	qd_connect(connect_server());
	reg_set(QUEUE_DEV_REG_INJECT_KIND, QUEUE_DEV_INJECT_CMD_DELAY);
	reg_set(QUEUE_DEV_REG_INJECT_TIME, 1);
	reg_set(QUEUE_DEV_REG_INJECT_DATA, QUEUE_DEV_INJECT_OP_ANY);
	reg_set(QUEUE_DEV_REG_INJECT_COUNT, QUEUE_DEV_INJECT_MAX_COUNT);
	for (i = 0; i < 16; i++) {
		ctx = eq_ctx(i, 15);
		assert_int_equal(cmd_ctx(QUEUE_DEV_CMD_EQ_CREATE, &ctx), QUEUE_DEV_CMD_OK);
	}
	reg_set(QUEUE_DEV_REG_CTRL, QUEUE_DEV_CTRL_RESET);
	peer_sync(&t.p);
	qd_disconnect();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_file_cut_short, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eventfd_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_asks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late_commands, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
