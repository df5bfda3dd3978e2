/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../../children.h"
#include "devsrv.h"
#include "vfu_peer.h"

void
devsrv_start(struct devsrv *d)
{
	const char *program = getenv("IMS_DEVSRV");
	static int n;
	int out[2];
	char c;

	assert_non_null(program);
	d->address.sun_family = AF_UNIX;
	snprintf(d->address.sun_path, sizeof(d->address.sun_path), "/tmp/ims-devsrv-%d-%d",
		(int)getpid(), n++);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	d->pid = fork();
	assert_true(d->pid >= 0);
	if (d->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], STDOUT_FILENO);
		execl(program, program, "--model", "queue_dev,queues=64,eqs=16,inject=1",
			"--socket", d->address.sun_path, NULL);
		_exit(127);
	}
	close(out[1]);
	assert_int_equal(read(out[0], &c, 1), 1);
	close(out[0]);
}

int
devsrv_connect(const struct devsrv *d)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(sock >= 0);
	assert_int_equal(
		connect(sock, (const struct sockaddr *)&d->address, sizeof(d->address)), 0);
	return sock;
}

int
devsrv_servers(const struct devsrv *d, pid_t pids[2])
{
	int n = children_of(d->pid, pids, 2);

	assert_in_range(n, 1, 2);
	return n;
}

void
devsrv_check_ends(const struct devsrv *d)
{
	int status;

	assert_int_equal(kill(d->pid, SIGTERM), 0);
	assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
	assert_int_equal(status, 0);
	assert_int_equal(access(d->address.sun_path, F_OK), -1);
}
