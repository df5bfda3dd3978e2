/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A file of a file system in user space, by /dev/fuse alone.
 *
 * The test's child serves the file system and shall never wait for it itself. So the child's child
 * opens the file, hands it over and ends.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fuse_file.h"
#include "send_fds.h"

#define MOUNT_POINT "/tmp" /* of the child's namespace: any directory will do */
#define MAX_WRITE   4096   /* the least that the kernel takes */
#define FILE_NODE   2
#define CHILD_SOCK  3

static void
attr_fill(struct fuse_attr *attr, uint64_t node)
{
	attr->ino = node;
	attr->mode = node == FILE_NODE ? S_IFREG | 0666 : S_IFDIR | 0777;
	attr->nlink = 1;
	attr->size = node == FILE_NODE ? FUSE_FILE_SIZE : 0;
	attr->uid = getuid();
	attr->gid = getgid();
}

/* The payload of a good answer, in memory that is zero, or a negative errno value. */
static ssize_t
answer(const struct fuse_in_header *in, void *out, bool writeback)
{
	const void *arg = in + 1;

	switch (in->opcode) {
	case FUSE_INIT: {
		struct fuse_init_out *init = out;

		init->major = FUSE_KERNEL_VERSION;
		init->minor = FUSE_KERNEL_MINOR_VERSION;
		init->max_write = MAX_WRITE;
		init->flags = writeback ? FUSE_WRITEBACK_CACHE : 0;
		return sizeof(*init);
	}
	case FUSE_LOOKUP: {
		struct fuse_entry_out *entry = out;

		entry->nodeid = FILE_NODE;
		attr_fill(&entry->attr, FILE_NODE);
		return sizeof(*entry);
	}
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		attr_fill(&((struct fuse_attr_out *)out)->attr, in->nodeid);
		return sizeof(struct fuse_attr_out);
	case FUSE_OPEN:
		return sizeof(struct fuse_open_out);
	case FUSE_READ:
		return ((const struct fuse_read_in *)arg)->size;
	case FUSE_WRITE: {
		struct fuse_write_out *done = out;

		done->size = ((const struct fuse_write_in *)arg)->size;
		return sizeof(*done);
	}
	case FUSE_STATFS:
		((struct fuse_statfs_out *)out)->st.bsize = MAX_WRITE;
		return sizeof(struct fuse_statfs_out);
	case FUSE_POLL:
		((struct fuse_poll_out *)out)->revents = POLLIN | POLLOUT;
		return sizeof(struct fuse_poll_out);
	case FUSE_FLUSH:
	case FUSE_FSYNC:
	case FUSE_RELEASE:
		return 0;
	default:
		return -ENOSYS;
	}
}

/* Until the file system is gone. */
static void
serve(int dev, struct fuse_file_shared *shared)
{
	static uint64_t in[(FUSE_MIN_READ_BUFFER + MAX_WRITE) / 8];
	static struct {
		struct fuse_out_header hdr;
		uint64_t payload[(1 << 20) / 8];
	} out;
	const struct fuse_in_header *hdr = (const void *)in;
	ssize_t n;

	for (;;) {
		n = read(dev, in, sizeof(in));
		if (n < 0 && errno != EINTR && errno != ENOENT && errno != EAGAIN)
			return;
		if (n < (ssize_t)sizeof(*hdr))
			continue;
		if (hdr->opcode == atomic_load(&shared->mute)) {
			atomic_fetch_add(&shared->asked, 1);
			if (atomic_load(&shared->delay_ms) == 0)
				continue;
			usleep(1000 * atomic_load(&shared->delay_ms));
		}
		if (hdr->opcode == FUSE_FORGET || hdr->opcode == FUSE_BATCH_FORGET ||
			hdr->opcode == FUSE_INTERRUPT)
			continue;
		memset(&out, 0, sizeof(out));
		n = answer(hdr, out.payload, shared->writeback);
		out.hdr.unique = hdr->unique;
		out.hdr.error = n < 0 ? n : 0;
		out.hdr.len = sizeof(out.hdr) + (n < 0 ? 0 : n);
		/* ENOENT: nobody waits for it any more. */
		if (write(dev, &out, out.hdr.len) < 0 && errno == ENODEV)
			return;
	}
}

/* Now, or when the parent ends. */
static void
die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
}

/* The result, and the file if it is good. */
static void
hand_over(int err, int fd)
{
	send_fds(CHILD_SOCK, &err, sizeof(err), &fd, fd >= 0 ? 1 : 0);
}

static int
write_file(const char *path, const char *text)
{
	ssize_t n = -1;
	int fd;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = write(fd, text, strlen(text));
		close(fd);
	}
	return n < 0 ? -errno : 0;
}

/* Who is not root mounts in a user namespace as well, in which he is who he was. */
static int
unshare_mounts(void)
{
	char uids[32], gids[32];
	int rc;

	if (unshare(CLONE_NEWNS) == 0)
		return 0;
	snprintf(uids, sizeof(uids), "%u %u 1", getuid(), getuid());
	snprintf(gids, sizeof(gids), "%u %u 1", getgid(), getgid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return -EPERM; /* whichever limit it was */
	rc = write_file("/proc/self/setgroups", "deny");
	if (rc == 0)
		rc = write_file("/proc/self/uid_map", uids);
	if (rc == 0)
		rc = write_file("/proc/self/gid_map", gids);
	return rc;
}

static int
mount_own(int *dev)
{
	char options[128];
	int rc;

	rc = unshare_mounts();
	if (rc != 0)
		return rc;
	/* Of the same user namespace. */
	*dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (*dev < 0)
		return -errno;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%u,group_id=%u", *dev,
		getuid(), getgid());
	if (mount("", "/", "", MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("fuse_file", MOUNT_POINT, "fuse", MS_NODEV | MS_NOSUID, options) < 0)
		return -errno;
	return 0;
}

static void
open_and_pass(int dev, pid_t parent)
{
	int fd;

	die_with(parent);
	/* Or the file system would outlive its process. */
	close(dev);
	fd = open(MOUNT_POINT "/file", O_RDWR | O_CLOEXEC);
	hand_over(fd < 0 ? -errno : 0, fd);
	/* Its FUSE_FLUSH comes before the end of the socket, so none is muted. */
	if (fd >= 0)
		close(fd);
	_exit(0);
}

static void
child_main(int sock, pid_t parent, struct fuse_file_shared *shared)
{
	pid_t opener;
	int dev, rc;

	die_with(parent);
	signal(SIGALRM, SIG_DFL);
	signal(SIGCHLD, SIG_IGN);
	alarm(FUSE_FILE_ENDS_S);
	/* Sockets and pipes of the test's shall end when it closes them. */
	if (dup2(sock, CHILD_SOCK) < 0)
		_exit(1);
	closefrom(CHILD_SOCK + 1);
	rc = mount_own(&dev);
	if (rc != 0) {
		hand_over(rc, -1);
		_exit(1);
	}
	parent = getpid();
	opener = fork();
	if (opener < 0)
		hand_over(-errno, -1);
	if (opener == 0)
		open_and_pass(dev, parent);
	close(CHILD_SOCK);
	if (opener > 0)
		serve(dev, shared);
	_exit(0);
}

static int
take_over(int sock, int *fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	int err = 0;
	struct iovec iov = { .iov_base = &err, .iov_len = sizeof(err) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;

	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(err))
		return n < 0 ? -errno : -EIO;
	if (err != 0)
		return err;
	if (CMSG_FIRSTHDR(&msg) == NULL)
		return -EMFILE;
	memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(*fd));
	while (recv(sock, &err, sizeof(err), 0) < 0 && errno == EINTR)
		;
	return 0;
}

static void
end_process(struct fuse_file *f)
{
	kill(f->pid, SIGKILL);
	while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
		;
	munmap(f->shared, sizeof(*f->shared));
}

static int
file_open(struct fuse_file *f, bool writeback)
{
	pid_t parent = getpid();
	int sv[2], rc;

	f->shared = mmap(NULL, sizeof(*f->shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (f->shared == MAP_FAILED)
		return -errno;
	f->shared->writeback = writeback;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0) {
		rc = -errno;
		munmap(f->shared, sizeof(*f->shared));
		return rc;
	}
	f->pid = fork();
	if (f->pid == 0)
		child_main(sv[1], parent, f->shared);
	rc = f->pid < 0 ? -errno : 0;
	close(sv[1]);
	if (rc == 0)
		rc = take_over(sv[0], &f->fd);
	close(sv[0]);
	if (f->pid < 0)
		munmap(f->shared, sizeof(*f->shared));
	else if (rc != 0)
		end_process(f);
	return rc;
}

static bool
is_missing(int rc)
{
	return rc == -EPERM || rc == -EACCES || rc == -ENODEV || rc == -ENOENT;
}

static void
open_or_skip(struct fuse_file *f, bool writeback)
{
	int rc = file_open(f, writeback);

	if (is_missing(rc)) {
		print_message("no file system in user space: %s\n", strerror(-rc));
		skip();
	}
	assert_int_equal(rc, 0);
}

void
fuse_file_open_or_skip(struct fuse_file *f)
{
	open_or_skip(f, false);
}

void
fuse_file_open_cached_or_skip(struct fuse_file *f)
{
	open_or_skip(f, true);
}

int
fuse_file_again(const struct fuse_file *f)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

void
fuse_file_soil(struct fuse_file *f)
{
	fuse_file_mute(f, FUSE_SETATTR);
	assert_int_equal(pwrite(f->fd, "x", 1, 0), 1);
}

void
fuse_file_delay(struct fuse_file *f, uint32_t opcode, unsigned int ms)
{
	atomic_store(&f->shared->asked, 0);
	atomic_store(&f->shared->delay_ms, ms);
	atomic_store(&f->shared->mute, opcode);
}

void
fuse_file_mute(struct fuse_file *f, uint32_t opcode)
{
	fuse_file_delay(f, opcode, 0);
}

unsigned int
fuse_file_asked(const struct fuse_file *f)
{
	return atomic_load(&f->shared->asked);
}

unsigned int
fuse_file_wait_asked(const struct fuse_file *f, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < 20000 && fuse_file_asked(f) < n; i++)
		usleep(1000);
	return fuse_file_asked(f);
}

void
fuse_file_close(struct fuse_file *f)
{
	end_process(f);
	close(f->fd);
}
