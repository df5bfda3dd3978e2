/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The socket at its path, which one service has at a time. */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vfu_priv.h"

#define TRIES 20

static void
pause_between_tries(void)
{
	const struct timespec step = { .tv_nsec = 50000000 };

	nanosleep(&step, NULL);
}

/*
 * Others that start in this directory wait meanwhile: two could find the same file left over, and
 * the second one remove what the first has put in its place. Whoever may read the directory can
 * have this lock, so it is not waited for without end. Close it; -1: it goes without.
 */
static int
lock_dir(const struct sockaddr_un *sa)
{
	char copy[sizeof(sa->sun_path)];
	int fd, tries = TRIES;

	memcpy(copy, sa->sun_path, sizeof(copy));
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK && --tries > 0)
		pause_between_tries();
	return fd;
}

/* 0 if somebody listens there. */
static int
try_connect(const struct sockaddr_un *sa)
{
	int sock, rc;

	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	rc = connect(sock, (const struct sockaddr *)sa, sizeof(*sa)) < 0 ? -errno : 0;
	close(sock);
	return rc == -EAGAIN ? 0 : rc; /* it is busy */
}

/* A socket file that nobody listens on is left over from a service that was killed. */
static int
remove_stale(const struct sockaddr_un *sa)
{
	struct stat st;
	int rc;

	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	rc = try_connect(sa);
	if (rc == 0)
		return -EADDRINUSE;
	if (rc != -ECONNREFUSED)
		return rc;
	return unlink(sa->sun_path) < 0 ? -errno : 0;
}

/* It has its mode from the start: no moment in which others can connect. */
static int
bind_and_listen(int sock, const struct sockaddr_un *sa, unsigned int mode, struct vfu_file *file)
{
	mode_t old = umask(0777 & ~mode);
	int rc = bind(sock, (const struct sockaddr *)sa, sizeof(*sa));
	struct stat st;

	umask(old);
	if (rc < 0)
		return -errno;
	if (lstat(sa->sun_path, &st) < 0 || listen(sock, VFU_BACKLOG) < 0) {
		rc = -errno;
		unlink(sa->sun_path);
		return rc;
	}
	memcpy(file->path, sa->sun_path, sizeof(file->path));
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	return 0;
}

static int
take_path(const struct sockaddr_un *sa, unsigned int mode, struct vfu_file *file)
{
	int dir = lock_dir(sa), rc = remove_stale(sa), sock = -1;

	if (rc == 0) {
		sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		rc = sock < 0 ? -errno : bind_and_listen(sock, sa, mode, file);
	}
	if (dir >= 0)
		close(dir);
	if (rc == 0)
		return sock;
	if (sock >= 0)
		close(sock);
	return rc;
}

/*
 * If who watched a server was killed, that one may be about to end, and listens until then: so look
 * for a while before the path is taken for in use.
 */
int
vfu_bind(const char *path, unsigned int mode, struct vfu_file *file)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int sock, tries = TRIES;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path));
	sock = take_path(&sa, mode, file);
	while (sock == -EADDRINUSE && tries-- > 0) {
		pause_between_tries();
		sock = take_path(&sa, mode, file);
	}
	return sock;
}

void
vfu_file_remove(const struct vfu_file *file)
{
	struct stat st;

	if (lstat(file->path, &st) == 0 && (st.st_dev != file->dev || st.st_ino != file->ino))
		return;
	unlink(file->path);
}
