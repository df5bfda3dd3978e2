/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The functions that the libraries call and that can fail for want of something, or by a signal,
 * each with the errors that it can then give. What is given back is gone also if that is said to
 * have failed.
 */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hwloc.h>
#include <json-c/json.h>

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_telemetry.h>
#include <rte_version.h>

#include "fault.h"
#include "fault_wrap.h"

#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
typedef int64_t tel_int;
#else
typedef int tel_int;
#endif

#define CALLER __builtin_return_address(0)

/* The function that would be called without ours. */
#define REAL(name)                                                            \
	({                                                                    \
		static __typeof__(&(name)) real;                              \
		if (real == NULL)                                             \
			*(void **)(uintptr_t)&real = dlsym(RTLD_NEXT, #name); \
		real;                                                         \
	})

#define FAULT(name, caller, ...)                              \
	({                                                    \
		static const int ways[] = { __VA_ARGS__, 0 }; \
		fault_here(#name, caller, ways);              \
	})

/* One that sets a variable. */
#define WRAP_SETS(var, type, name, params, args, failed, ...) \
	type name params                                      \
	{                                                     \
		int error = FAULT(name, CALLER, __VA_ARGS__); \
                                                              \
		if (error != 0) {                             \
			var = error;                          \
			return failed;                        \
		}                                             \
		return REAL(name) args;                       \
	}
#define WRAP(...)     WRAP_SETS(errno, __VA_ARGS__)
#define WRAP_RTE(...) WRAP_SETS(rte_errno, __VA_ARGS__) /* of DPDK's */

/* One that returns the error: sign 1, or -1 as in DPDK. */
#define WRAP_RETURNS(sign, name, params, args, ...)                 \
	int name params                                             \
	{                                                           \
		int error = FAULT(name, CALLER, __VA_ARGS__);       \
                                                                    \
		return error != 0 ? sign * error : REAL(name) args; \
	}

/* One that gives something back, which has happened when it says that it has failed. */
#define WRAP_BACK(name, params, args, failed, ...)            \
	int name params                                       \
	{                                                     \
		int error = FAULT(name, CALLER, __VA_ARGS__); \
		int rc = REAL(name) args;                     \
                                                              \
		if (error != 0) {                             \
			errno = error;                        \
			rc = failed;                          \
		}                                             \
		return rc;                                    \
	}

/* Descriptors. */
WRAP(int, eventfd, (unsigned int n, int flags), (n, flags), -1, EMFILE, ENFILE, ENOMEM)
WRAP(int, epoll_create1, (int flags), (flags), -1, EMFILE, ENFILE, ENOMEM)
WRAP(int, socket, (int d, int t, int p), (d, t, p), -1, EMFILE, ENFILE, ENOBUFS, ENOMEM)
WRAP(int, socketpair, (int d, int t, int p, int sv[2]), (d, t, p, sv), -1, EMFILE, ENFILE, ENOBUFS)
WRAP(DIR *, opendir, (const char *path), (fault_path(CALLER, path)), NULL, EMFILE, ENFILE, ENOMEM)
WRAP(FILE *, fopen64, (const char *path, const char *mode), (fault_path(CALLER, path), mode), NULL,
	EMFILE, ENOMEM, EINTR)
WRAP(int, accept4, (int s, struct sockaddr *sa, socklen_t *len, int flags), (s, sa, len, flags), -1,
	EMFILE, ENFILE, ENOMEM, EINTR, EAGAIN)
WRAP(int, bind, (int s, const struct sockaddr *sa, socklen_t len), (s, sa, len), -1, ENOMEM, ENOSPC)
WRAP(int, listen, (int s, int n), (s, n), -1, ENOMEM)
WRAP(int, memfd_create, (const char *name, unsigned int flags), (name, flags), -1, EMFILE, ENFILE,
	ENOMEM)
WRAP(int, flock, (int fd, int op), (fd, op), -1, EINTR, ENOLCK)
WRAP(int, ftruncate64, (int fd, off64_t len), (fd, len), -1, EINTR, ENOSPC)
/* jump.c, where it is linked in, has one that looks at the clock. */
#pragma weak timerfd_create
WRAP(int, timerfd_create, (int clock, int flags), (clock, flags), -1, EMFILE, ENFILE, ENOMEM)
WRAP_BACK(close, (int fd), (fd), -1, EINTR)
WRAP_BACK(fclose, (FILE * f), (f), EOF, EINTR, ENOSPC)

/* Files. */
WRAP(int, access, (const char *path, int mode), (fault_path(CALLER, path), mode), -1, ENOMEM)
WRAP(ssize_t, readlink, (const char *path, char *buf, size_t n), (fault_path(CALLER, path), buf, n),
	-1, ENOMEM)
WRAP(int, lstat64, (const char *path, struct stat64 *st), (path, st), -1, ENOMEM)
WRAP(int, fstat64, (int fd, struct stat64 *st), (fd, st), -1, ENOMEM)
WRAP(int, fstatfs64, (int fd, struct statfs64 *st), (fd, st), -1, ENOMEM)
WRAP(struct dirent64 *, readdir64, (DIR * dir), (dir), NULL, ENOMEM)
WRAP(char *, fgets, (char *s, int n, FILE *f), (s, n, f), NULL, ENOMEM)
WRAP(size_t, fwrite, (const void *buf, size_t size, size_t n, FILE *f), (buf, size, n, f), 0,
	ENOSPC)
WRAP(int, fflush, (FILE * f), (f), EOF, ENOSPC, EINTR)
WRAP(ssize_t, pread64, (int fd, void *buf, size_t n, off64_t off), (fd, buf, n, off), -1, EINTR,
	ENOMEM)
WRAP(ssize_t, pwrite64, (int fd, const void *buf, size_t n, off64_t off), (fd, buf, n, off), -1,
	EINTR, ENOMEM)
WRAP(void *, mmap64, (void *addr, size_t len, int prot, int flags, int fd, off64_t off),
	(addr, len, prot, flags, fd, off), MAP_FAILED, ENOMEM, EAGAIN)

/* Sockets, and waiting. */
WRAP(int, connect, (int fd, const struct sockaddr *sa, socklen_t len), (fd, sa, len), -1, EINTR,
	EAGAIN, ENOMEM)
WRAP(int, setsockopt, (int fd, int level, int name, const void *val, socklen_t len),
	(fd, level, name, val, len), -1, ENOBUFS, ENOMEM)
WRAP(int, getsockopt, (int fd, int level, int name, void *val, socklen_t *len),
	(fd, level, name, val, len), -1, ENOMEM)
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags), -1, EINTR, EAGAIN,
	ENOMEM)
WRAP(int, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms), -1, EINTR, ENOMEM)
WRAP(int, epoll_wait, (int epfd, struct epoll_event *ev, int n, int ms), (epfd, ev, n, ms), -1,
	EINTR)
WRAP(int, epoll_pwait2,
	(int epfd, struct epoll_event *ev, int n, const struct timespec *ts, const sigset_t *s),
	(epfd, ev, n, ts, s), -1, EINTR, ENOSYS)
WRAP(int, nanosleep, (const struct timespec *ts, struct timespec *left), (ts, left), -1, EINTR)
WRAP(int, usleep, (useconds_t us), (us), -1, EINTR)

/* Processes and threads. */
WRAP_RETURNS(1, posix_spawn,
	(pid_t * pid, const char *path, const posix_spawn_file_actions_t *fa,
		const posix_spawnattr_t *attr, char *const argv[], char *const env[]),
	(pid, path, fa, attr, argv, env), EAGAIN, ENOMEM)
WRAP_RETURNS(1, posix_spawn_file_actions_adddup2,
	(posix_spawn_file_actions_t * fa, int fd, int new), (fa, fd, new), ENOMEM)
WRAP_RETURNS(1, posix_spawn_file_actions_addclosefrom_np, (posix_spawn_file_actions_t * fa, int fd),
	(fa, fd), ENOMEM)
WRAP_RETURNS(
	1, pthread_key_create, (pthread_key_t * key, void (*fn)(void *)), (key, fn), EAGAIN, ENOMEM)
WRAP_RETURNS(1, pthread_create,
	(pthread_t * thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg),
	(thread, attr, fn, arg), EAGAIN)
WRAP_RETURNS(1, pthread_setspecific, (pthread_key_t key, const void *val), (key, val), ENOMEM)
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
WRAP_RETURNS(-1, rte_thread_create_control,
	(rte_thread_t * thread, const char *name, rte_thread_func fn, void *arg),
	(thread, name, fn, arg), EAGAIN, ENOMEM)
#else
WRAP_RETURNS(-1, rte_ctrl_thread_create,
	(pthread_t * thread, const char *name, const pthread_attr_t *attr, void *(*fn)(void *),
		void *arg),
	(thread, name, attr, fn, arg), EAGAIN, ENOMEM)
#endif

/* DPDK. */
WRAP_RTE(void *, rte_zmalloc, (const char *type, size_t size, unsigned int align),
	(type, size, align), NULL, ENOMEM)
WRAP_RTE(void *, rte_zmalloc_socket,
	(const char *type, size_t size, unsigned int align, int socket),
	(type, size, align, socket), NULL, ENOMEM)
WRAP_RTE(int, rte_memseg_get_fd_thread_unsafe, (const struct rte_memseg *ms), (ms), -1, ENOENT)
WRAP_RTE(int, rte_memseg_get_fd_offset_thread_unsafe, (const struct rte_memseg *ms, size_t *off),
	(ms, off), -1, ENOENT)
WRAP(struct rte_tel_data *, rte_tel_data_alloc, (void), (), NULL, ENOMEM)
WRAP_RETURNS(
	-1, rte_tel_data_add_array_int, (struct rte_tel_data * d, tel_int val), (d, val), ENOSPC)
WRAP_RETURNS(-1, rte_tel_data_add_array_string, (struct rte_tel_data * d, const char *val),
	(d, val), ENOSPC)
WRAP_RETURNS(-1, rte_tel_data_add_dict_int,
	(struct rte_tel_data * d, const char *name, tel_int val), (d, name, val), ENOSPC)
WRAP_RETURNS(-1, rte_tel_data_add_dict_string,
	(struct rte_tel_data * d, const char *name, const char *val), (d, name, val), ENOSPC)
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
WRAP_RETURNS(-1, rte_tel_data_add_dict_uint,
	(struct rte_tel_data * d, const char *name, uint64_t val), (d, name, val), ENOSPC)
#else
WRAP_RETURNS(-1, rte_tel_data_add_dict_u64,
	(struct rte_tel_data * d, const char *name, uint64_t val), (d, name, val), ENOSPC)
#endif

/* What the library registers before main(), and when a device is opened: a life calls it itself. */
static struct {
	const char *cmd;
	telemetry_cb fn;
} commands[16];
static struct {
	rte_mem_event_callback_t fn;
	void *arg;
} mem_event;

int
rte_telemetry_register_cmd(const char *cmd, telemetry_cb fn, const char *help)
{
	static unsigned int n;

	if (strncmp(cmd, "/ims/", 5) == 0 && n < RTE_DIM(commands)) {
		commands[n].cmd = cmd;
		commands[n++].fn = fn;
	}
	return REAL(rte_telemetry_register_cmd)(cmd, fn, help);
}

/* Parts of an answer, which DPDK frees when it has sent it. */
static struct rte_tel_data *parts[256];
static unsigned int n_parts;

int
rte_tel_data_add_dict_container(
	struct rte_tel_data *d, const char *name, struct rte_tel_data *val, int keep)
{
	int error = FAULT(rte_tel_data_add_dict_container, CALLER, ENOSPC), rc;

	if (error != 0)
		return -error;
	rc = REAL(rte_tel_data_add_dict_container)(d, name, val, keep);
	if (rc == 0 && fault_is_ours(CALLER) && n_parts < RTE_DIM(parts))
		parts[n_parts++] = val;
	return rc;
}

int
fault_telemetry(const char *cmd, const char *params)
{
	struct rte_tel_data *data = rte_tel_data_alloc();
	unsigned int i;
	int rc = -ENOENT;

	for (i = 0; i < RTE_DIM(commands) && commands[i].cmd != NULL; i++)
		if (strcmp(commands[i].cmd, cmd) == 0)
			rc = commands[i].fn(cmd, params, data);
	while (n_parts > 0)
		rte_tel_data_free(parts[--n_parts]);
	rte_tel_data_free(data);
	return rc;
}

int
rte_mem_event_callback_register(const char *name, rte_mem_event_callback_t fn, void *arg)
{
	int error = FAULT(rte_mem_event_callback_register, CALLER, ENOMEM);

	if (fault_is_ours(CALLER)) {
		mem_event.fn = fn;
		mem_event.arg = arg;
	}
	if (error != 0) {
		rte_errno = error;
		return -1;
	}
	return REAL(rte_mem_event_callback_register)(name, fn, arg);
}

void
fault_mem_event(enum rte_mem_event event, const void *addr, size_t len)
{
	mem_event.fn(event, addr, len, mem_event.arg);
}

/* hwloc and json-c: memory. */
WRAP(int, hwloc_topology_init, (hwloc_topology_t * hw), (hw), -1, ENOMEM)
WRAP(int, hwloc_topology_load, (hwloc_topology_t hw), (hw), -1, ENOMEM)
WRAP(int, hwloc_topology_set_synthetic, (hwloc_topology_t hw, const char *desc), (hw, desc), -1,
	ENOMEM)
WRAP(int, hwloc_topology_set_components,
	(hwloc_topology_t hw, unsigned long flags, const char *name), (hw, flags, name), -1, ENOMEM)
WRAP(hwloc_bitmap_t, hwloc_bitmap_alloc, (void), (), NULL, ENOMEM)
WRAP(int, hwloc_get_cpubind, (hwloc_topology_t hw, hwloc_bitmap_t set, int flags), (hw, set, flags),
	-1, ENOMEM)
WRAP(int, hwloc_distances_get_by_type,
	(hwloc_topology_t hw, hwloc_obj_type_t type, unsigned int *n, struct hwloc_distances_s **d,
		unsigned long kind, unsigned long flags),
	(hw, type, n, d, kind, flags), -1, ENOMEM)
WRAP(struct json_object *, json_tokener_parse, (const char *text), (text), NULL, ENOMEM)

/* An eventfd that does not block, and has room, does not fail. */
static bool
blocks(int fd)
{
	return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

ssize_t
write(int fd, const void *buf, size_t n)
{
	static const int ways[] = { EINTR, 0 };
	int error = fault_here("write", CALLER, fault_is_ours(CALLER) && blocks(fd) ? ways : NULL);

	if (error != 0) {
		errno = error;
		return -1;
	}
	return REAL(write)(fd, buf, n);
}

ssize_t
read(int fd, void *buf, size_t n)
{
	static const int ways[] = { EINTR, 0 }, nonblock[] = { EAGAIN, 0 };
	int error =
		fault_here("read", CALLER, fault_is_ours(CALLER) && blocks(fd) ? ways : nonblock);

	if (error != 0) {
		errno = error;
		return -1;
	}
	return REAL(read)(fd, buf, n);
}

/* A socket that has room for the header only takes that. */
#define SHORT_OF_ROOM (-1)
ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	int error = FAULT(sendmsg, CALLER, EINTR, EAGAIN, ENOBUFS, ENOMEM, SHORT_OF_ROOM);
	struct msghdr part = *m;

	if (error == SHORT_OF_ROOM) {
		part.msg_iovlen = 1;
		return REAL(sendmsg)(fd, &part, flags);
	}
	if (error != 0) {
		errno = error;
		return -1;
	}
	return REAL(sendmsg)(fd, m, flags);
}

/* Of an old kernel; EAGAIN comes by itself. */
WRAP(ssize_t, preadv64v2, (int fd, const struct iovec *iov, int n, off64_t off, int flags),
	(fd, iov, n, off, flags), -1, EOPNOTSUPP, ENOSYS)

/* A look, without waiting, is not interrupted. */
pid_t
waitpid(pid_t pid, int *status, int options)
{
	static const int ways[] = { EINTR, 0 };
	int error = fault_here("waitpid", CALLER, (options & WNOHANG) == 0 ? ways : NULL);

	if (error != 0) {
		errno = error;
		return -1;
	}
	return REAL(waitpid)(pid, status, options);
}

/* Taking something out does not fail. */
int
epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	static const int ways[] = { ENOSPC, ENOMEM, 0 };
	int error = fault_here("epoll_ctl", CALLER, op == EPOLL_CTL_ADD ? ways : NULL);

	if (error != 0) {
		errno = error;
		return -1;
	}
	return REAL(epoll_ctl)(epfd, op, fd, ev);
}

/* It has its buffer before it reads, and that is the caller's, whatever comes. */
ssize_t
getdelim(char **line, size_t *n, int delim, FILE *f)
{
	int error = FAULT(getdelim, CALLER, ENOMEM, EINTR);

	if (error == 0)
		return REAL(getdelim)(line, n, delim, f);
	if (*line == NULL) {
		*n = 120;
		*line = malloc(*n);
	}
	errno = error;
	return -1;
}

/* Only what makes a descriptor. */
int
fcntl64(int fd, int cmd, ...)
{
	static const int ways[] = { EMFILE, 0 };
	bool makes = cmd == F_DUPFD_CLOEXEC || cmd == F_DUPFD;
	int error = fault_here("fcntl64", CALLER, makes ? ways : NULL);
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	if (error != 0) {
		errno = error;
		return -1;
	}
	return REAL(fcntl64)(fd, cmd, arg);
}

int
open64(const char *path, int flags, ...)
{
	int error = FAULT(open64, CALLER, EMFILE, ENFILE, EINTR, ENOMEM);
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	if (error != 0) {
		errno = error;
		return -1;
	}
	return REAL(open64)(fault_path(CALLER, path), flags, mode);
}

/* Those that wait for memory are membarrier()s here. */
long
syscall(long number, ...)
{
	int error = FAULT(syscall, CALLER, ENOMEM);
	long a[6];
	unsigned int i;
	va_list ap;

	va_start(ap, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (error != 0) {
		errno = error;
		return -1;
	}
	return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#define WRAP_FSCANF(name)                                \
	int name(FILE *f, const char *form, ...)         \
	{                                                \
		int error = FAULT(name, CALLER, ENOMEM); \
		va_list ap;                              \
		int n;                                   \
                                                         \
		if (error != 0) {                        \
			errno = error;                   \
			return EOF;                      \
		}                                        \
		va_start(ap, form);                      \
		n = vfscanf(f, form, ap);                \
		va_end(ap);                              \
		return n;                                \
	}

WRAP_FSCANF(__isoc99_fscanf)
int
__isoc23_fscanf(FILE *f, const char *form, ...);
WRAP_FSCANF(__isoc23_fscanf)

static int
print(const void *caller, const char *name, FILE *f, const char *form, va_list ap)
{
	static const int ways[] = { ENOSPC, EINTR, 0 };
	int error = fault_here(name, caller, ways);

	if (error != 0) {
		errno = error;
		return -1;
	}
	return vfprintf(f, form, ap);
}

int
fprintf(FILE *f, const char *form, ...)
{
	va_list ap;
	int n;

	va_start(ap, form);
	n = print(CALLER, "fprintf", f, form, ap);
	va_end(ap);
	return n;
}

int
__fprintf_chk(FILE *f, int flag, const char *form, ...);

int
__fprintf_chk(FILE *f, int flag, const char *form, ...)
{
	va_list ap;
	int n;

	(void)flag;
	va_start(ap, form);
	n = print(CALLER, "__fprintf_chk", f, form, ap);
	va_end(ap);
	return n;
}
