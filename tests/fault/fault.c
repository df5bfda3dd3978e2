/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_lcore.h>
#include <rte_malloc.h>

#include "fault.h"

#define MAX_SITES     1024
#define MAX_LIBRARIES 8
#define MAX_PIECES    65536 /* a power of 2 */

static struct {
	uintptr_t begin, end;
} libraries[MAX_LIBRARIES];
static unsigned int n_libraries;

static struct {
	const char *function;
	_Atomic(const void *) caller;
	const int *ways; /* errors, ended by 0 */
	atomic_uint calls;
} sites[MAX_SITES];

static atomic_uint armed_site = MAX_SITES, armed_nth, armed_way;
static atomic_bool armed_came;

static int
add_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *const *names = arg, *base = strrchr(info->dlpi_name, '/');
	unsigned int i;

	(void)size;
	base = base != NULL ? base + 1 : info->dlpi_name;
	for (; *names != NULL; names++)
		if (strncmp(base, *names, strlen(*names)) == 0 && n_libraries < MAX_LIBRARIES)
			for (i = 0; i < info->dlpi_phnum; i++)
				if (info->dlpi_phdr[i].p_type == PT_LOAD &&
					(info->dlpi_phdr[i].p_flags & PF_X) != 0) {
					libraries[n_libraries].begin =
						info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
					libraries[n_libraries].end = libraries[n_libraries].begin +
					                             info->dlpi_phdr[i].p_memsz;
					n_libraries++;
				}
	return 0;
}

void
fault_init(const char *const *names)
{
	dl_iterate_phdr(add_library, (void *)(uintptr_t)names);
}

static bool
is_ours(const void *caller)
{
	unsigned int i;

	for (i = 0; i < n_libraries; i++)
		if ((uintptr_t)caller >= libraries[i].begin && (uintptr_t)caller < libraries[i].end)
			return true;
	return false;
}

/* Several threads may come to a new one at once. */
static unsigned int
find_site(const char *function, const void *caller, const int *ways)
{
	const void *none = NULL;
	unsigned int i;

	for (i = 0; i < MAX_SITES; i++) {
		if (atomic_load(&sites[i].caller) == caller)
			return i;
		none = NULL;
		if (atomic_compare_exchange_strong(&sites[i].caller, &none, caller)) {
			sites[i].function = function;
			sites[i].ways = ways;
			return i;
		}
		if (none == caller)
			return i;
	}
	abort();
}

/* 0: go on; or the error to fail with. */
static int
fault_here(const char *function, const void *caller, const int *ways)
{
	unsigned int i, n;

	if (!is_ours(caller))
		return 0;
	i = find_site(function, caller, ways);
	n = atomic_fetch_add(&sites[i].calls, 1) + 1;
	if (i != atomic_load(&armed_site) || n != atomic_load(&armed_nth))
		return 0;
	atomic_store(&armed_came, true);
	return ways[atomic_load(&armed_way)];
}

unsigned int
fault_n_sites(void)
{
	unsigned int n = 0;

	while (n < MAX_SITES && atomic_load(&sites[n].caller) != NULL)
		n++;
	return n;
}

struct fault_site
fault_site_get(unsigned int i)
{
	return (struct fault_site){ sites[i].function, atomic_load(&sites[i].caller),
		atomic_load(&sites[i].calls) };
}

void
fault_count_from_0(void)
{
	unsigned int i;

	for (i = 0; i < MAX_SITES; i++)
		atomic_store(&sites[i].calls, 0);
}

void
fault_arm(unsigned int i, unsigned int nth, unsigned int way)
{
	fault_count_from_0();
	atomic_store(&armed_came, false);
	atomic_store(&armed_nth, nth);
	atomic_store(&armed_way, way);
	atomic_store(&armed_site, i);
}

unsigned int
fault_n_ways(unsigned int i)
{
	unsigned int n = 0;

	while (sites[i].ways[n] != 0)
		n++;
	return n;
}

bool
fault_disarm(void)
{
	atomic_store(&armed_site, MAX_SITES);
	return atomic_load(&armed_came);
}

const char *
fault_site_name(unsigned int i)
{
	static char name[256];
	const void *caller = atomic_load(&sites[i].caller);
	const char *base;
	Dl_info info;

	if (dladdr(caller, &info) == 0)
		return sites[i].function;
	base = strrchr(info.dli_fname, '/');
	snprintf(name, sizeof(name), "%s (%s+%#lx)", sites[i].function,
		base != NULL ? base + 1 : info.dli_fname,
		(unsigned long)((uintptr_t)caller - (uintptr_t)info.dli_fbase));
	return name;
}

/* A function that sets errno. */
#define WRAP(type, name, params, args, failed, ...)                               \
	type name params                                                          \
	{                                                                         \
		static type(*real) params;                                        \
		static const int ways[] = { __VA_ARGS__, 0 };                     \
		int error = fault_here(#name, __builtin_return_address(0), ways); \
                                                                                  \
		if (error != 0) {                                                 \
			errno = error;                                            \
			return failed;                                            \
		}                                                                 \
		if (real == NULL)                                                 \
			real = (type(*) params)dlsym(RTLD_NEXT, #name);           \
		return real args;                                                 \
	}

WRAP(int, eventfd, (unsigned int n, int flags), (n, flags), -1, EMFILE, ENFILE, ENOMEM)
WRAP(int, epoll_create1, (int flags), (flags), -1, EMFILE, ENFILE, ENOMEM)
WRAP(int, socketpair, (int d, int t, int p, int sv[2]), (d, t, p, sv), -1, EMFILE, ENFILE, ENOBUFS)
WRAP(FILE *, fopen64, (const char *path, const char *mode), (path, mode), NULL, EMFILE, ENOMEM,
	EINTR)
WRAP(void *, mmap64, (void *addr, size_t len, int prot, int flags, int fd, off_t off),
	(addr, len, prot, flags, fd, off), MAP_FAILED, ENOMEM, EAGAIN)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags), -1, EINTR,
	EAGAIN, ENOBUFS, ENOMEM)
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags), -1, EINTR, EAGAIN,
	ENOMEM)
WRAP(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n), -1, EINTR, EAGAIN)
WRAP(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n), -1, EINTR)
WRAP(int, poll, (struct pollfd * fds, nfds_t n, int ms), (fds, n, ms), -1, EINTR, ENOMEM)
WRAP(int, epoll_wait, (int epfd, struct epoll_event *ev, int n, int ms), (epfd, ev, n, ms), -1,
	EINTR)
WRAP(int, epoll_pwait2,
	(int epfd, struct epoll_event *ev, int n, const struct timespec *ts, const sigset_t *s),
	(epfd, ev, n, ts, s), -1, EINTR)
WRAP(void *, rte_zmalloc, (const char *type, size_t size, unsigned int align), (type, size, align),
	NULL, ENOMEM)
WRAP(void *, rte_zmalloc_socket, (const char *type, size_t size, unsigned int align, int socket),
	(type, size, align, socket), NULL, ENOMEM)

/* Taking something out does not fail. */
int
epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	static int (*real)(int, int, int, struct epoll_event *);
	static const int ways[] = { ENOSPC, ENOMEM, 0 };
	int error = 0;

	if (op == EPOLL_CTL_ADD)
		error = fault_here("epoll_ctl", __builtin_return_address(0), ways);
	if (error != 0) {
		errno = error;
		return -1;
	}
	if (real == NULL)
		real = (int (*)(int, int, int, struct epoll_event *))dlsym(RTLD_NEXT, "epoll_ctl");
	return real(epfd, op, fd, ev);
}

/* Only what makes a descriptor. */
int
fcntl64(int fd, int cmd, ...)
{
	static int (*real)(int, int, ...);
	static const int ways[] = { EMFILE, 0 };
	int error = 0;
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	if (cmd == F_DUPFD_CLOEXEC || cmd == F_DUPFD)
		error = fault_here("fcntl", __builtin_return_address(0), ways);
	if (error != 0) {
		errno = error;
		return -1;
	}
	if (real == NULL)
		real = (int (*)(int, int, ...))dlsym(RTLD_NEXT, "fcntl64");
	return real(fd, cmd, arg);
}

int
open64(const char *path, int flags, ...)
{
	static int (*real)(const char *, int, ...);
	static const int ways[] = { EMFILE, ENFILE, EINTR, ENOMEM, 0 };
	int error = fault_here("open", __builtin_return_address(0), ways);
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int);
	va_end(ap);
	if (error != 0) {
		errno = error;
		return -1;
	}
	if (real == NULL)
		real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
	return real(path, flags, mode);
}

/* These return the error. */
int
posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,
	const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	static int (*real)(pid_t *, const char *, const posix_spawn_file_actions_t *,
		const posix_spawnattr_t *, char *const[], char *const[]);
	static const int ways[] = { EAGAIN, ENOMEM, 0 };
	int error = fault_here("posix_spawn", __builtin_return_address(0), ways);

	if (error != 0)
		return error;
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "posix_spawn");
	return real(pid, path, fa, attr, argv, env);
}

int
rte_ctrl_thread_create(pthread_t *thread, const char *name, const pthread_attr_t *attr,
	void *(*start)(void *), void *arg)
{
	static int (*real)(
		pthread_t *, const char *, const pthread_attr_t *, void *(*)(void *), void *);
	static const int ways[] = { EAGAIN, ENOMEM, 0 };
	int error = fault_here("rte_ctrl_thread_create", __builtin_return_address(0), ways);

	if (error != 0)
		return -error;
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "rte_ctrl_thread_create");
	return real(thread, name, attr, start, arg);
}

/* Memory that the libraries have and nobody has freed, by address: open addressing, each near its place. */
static struct piece {
	const void *addr; /* NULL: free */
	const void *caller;
	unsigned int life;
} pieces[MAX_PIECES];
static atomic_flag pieces_lock = ATOMIC_FLAG_INIT;
static unsigned int this_life;

static void
pieces_lock_take(void)
{
	while (atomic_flag_test_and_set_explicit(&pieces_lock, memory_order_acquire))
		sched_yield();
}

static void
pieces_lock_give(void)
{
	atomic_flag_clear_explicit(&pieces_lock, memory_order_release);
}

void
fault_life_begins(void)
{
	pieces_lock_take();
	this_life++;
	pieces_lock_give();
}

const char *
fault_left(void)
{
	const void *caller = NULL;
	unsigned int i;

	pieces_lock_take();
	for (i = 0; i < MAX_PIECES && caller == NULL; i++)
		if (pieces[i].addr != NULL && pieces[i].life == this_life)
			caller = pieces[i].caller;
	pieces_lock_give();
	for (i = 0; caller != NULL && i < MAX_SITES; i++)
		if (atomic_load(&sites[i].caller) == caller)
			return fault_site_name(i);
	return NULL;
}

#ifndef __SANITIZE_ADDRESS__
static unsigned int
place(const void *addr)
{
	return (uintptr_t)addr / 16 * 2654435761u % MAX_PIECES;
}

static void *
remember(void *addr, const void *caller)
{
	unsigned int i, n;

	if (addr == NULL || !is_ours(caller))
		return addr;
	pieces_lock_take();
	i = place(addr);
	for (n = 0; pieces[i].addr != NULL; n++, i = (i + 1) % MAX_PIECES)
		if (n == MAX_PIECES)
			abort();
	pieces[i] = (struct piece){ addr, caller, this_life };
	pieces_lock_give();
	return addr;
}

/* Those behind it come nearer to their places. */
static void
forget(const void *addr)
{
	unsigned int i, k;

	pieces_lock_take();
	for (i = place(addr); pieces[i].addr != NULL && pieces[i].addr != addr;)
		i = (i + 1) % MAX_PIECES;
	for (k = i; pieces[i].addr != NULL;) {
		k = (k + 1) % MAX_PIECES;
		if (pieces[k].addr == NULL) {
			pieces[i].addr = NULL;
		} else if ((k - place(pieces[k].addr)) % MAX_PIECES >= (k - i) % MAX_PIECES) {
			pieces[i] = pieces[k];
			i = k;
		}
	}
	pieces_lock_give();
}

/* dlsym() may allocate, so these do not ask it. */
extern void *
__libc_malloc(size_t size);
extern void *
__libc_calloc(size_t n, size_t size);
extern void *
__libc_memalign(size_t align, size_t size);
extern void *
__libc_realloc(void *addr, size_t size);
extern void
__libc_free(void *addr);

static const int no_memory[] = { ENOMEM, 0 };

void *
malloc(size_t size)
{
	if (fault_here("malloc", __builtin_return_address(0), no_memory) != 0) {
		errno = ENOMEM;
		return NULL;
	}
	return remember(__libc_malloc(size), __builtin_return_address(0));
}

void *
calloc(size_t n, size_t size)
{
	if (fault_here("calloc", __builtin_return_address(0), no_memory) != 0) {
		errno = ENOMEM;
		return NULL;
	}
	return remember(__libc_calloc(n, size), __builtin_return_address(0));
}

void *
realloc(void *addr, size_t size)
{
	const void *caller = __builtin_return_address(0);
	void *more;

	if (fault_here("realloc", caller, no_memory) != 0) {
		errno = ENOMEM;
		return NULL;
	}
	/* Before the address is another's. */
	if (addr != NULL)
		forget(addr);
	more = __libc_realloc(addr, size);
	remember(more != NULL || size == 0 ? more : addr, caller);
	return more;
}

int
posix_memalign(void **p, size_t align, size_t size)
{
	if (fault_here("posix_memalign", __builtin_return_address(0), no_memory) != 0)
		return ENOMEM;
	*p = remember(__libc_memalign(align, size), __builtin_return_address(0));
	return *p != NULL ? 0 : ENOMEM;
}

void
free(void *addr)
{
	if (addr != NULL)
		forget(addr);
	__libc_free(addr);
}
#endif
