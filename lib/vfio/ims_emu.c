/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * "emu:MODEL[,key=value...]": start ims-devsrv with that model as a child and connect to it by a
 * socket pair. The process ends when the connection does.
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ims_vfio_log.h"
#include "ims_vfio_user.h"

#define CHILD_FD 3

extern char **environ;

/*
 * The program: $IMS_DEVSRV, or where the build tree has it as seen from a program in app/X/,
 * tests/X/ or examples/X/, or where it gets installed.
 */
static int
find_devsrv(char *path, size_t size)
{
	static const char *const near[] = { "ims-devsrv", "../devices/ims-devsrv",
		"../../devices/ims-devsrv" };
	const char *env = getenv("IMS_DEVSRV");
	char exe[PATH_MAX];
	const char *dir;
	unsigned int i;
	ssize_t n;

	if (env != NULL && env[0] != '\0') {
		snprintf(path, size, "%s", env);
		return access(path, X_OK) == 0 ? 0 : -errno;
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = '\0';
		dir = dirname(exe);
		for (i = 0; i < sizeof(near) / sizeof(near[0]); i++)
			if (snprintf(path, size, "%s/%s", dir, near[i]) < (int)size &&
				access(path, X_OK) == 0)
				return 0;
	}
	snprintf(path, size, "%s", IMS_DEVSRV_PATH);
	return access(path, X_OK) == 0 ? 0 : -errno;
}

static int
spawn_devsrv(const char *path, const char *args, int fd, pid_t *child)
{
	char model[] = "--model", fd_opt[] = "--fd", fd_arg[] = "3";
	char *argv[] = { (char *)(uintptr_t)path, model, (char *)(uintptr_t)args, fd_opt, fd_arg,
		NULL };
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none;
	int rc;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	/* dup2() onto itself would leave close-on-exec set; posix_spawn() clears it. */
	rc = posix_spawn_file_actions_adddup2(&fa, fd, CHILD_FD);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(&fa, CHILD_FD + 1);
	if (rc == 0)
		rc = posix_spawnattr_setsigmask(&attr, &none);
	/* A group of its own: a Ctrl-C at our terminal is not for the device. */
	if (rc == 0)
		rc = posix_spawnattr_setpgroup(&attr, 0);
	if (rc == 0)
		rc = posix_spawnattr_setflags(
			&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	if (rc == 0)
		rc = posix_spawn(child, path, &fa, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&fa);
	return -rc;
}

struct ims_vfio *
ims_vfio_emu_open(const char *name, const char *args, uint32_t timeout_ms)
{
	char path[PATH_MAX];
	int sv[2], rc;
	pid_t child = -1;

	rc = find_devsrv(path, sizeof(path));
	if (rc != 0) {
		IMS_VFIO_LOG(ERR,
			"%s: cannot find the program ims-devsrv (tried %s): %s; set "
			"IMS_DEVSRV to its path",
			name, path, strerror(-rc));
		return ims_vfio_err_ptr(rc);
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return ims_vfio_err_ptr(-errno);
	rc = spawn_devsrv(path, args, sv[1], &child);
	close(sv[1]);
	if (rc != 0) {
		IMS_VFIO_LOG(ERR, "%s: cannot start %s: %s", name, path, strerror(-rc));
		close(sv[0]);
		return ims_vfio_err_ptr(rc);
	}
	return ims_vfio_user_attach(name, sv[0], child, timeout_ms);
}
