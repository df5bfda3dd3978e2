/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The wall clock of a program that this is linked into jumps, an hour to or fro each time that it
 * is read: somebody sets it. DPDK and the others live with that. What is ours does not read it at
 * all, nor waits by it: the program aborts if it does. A timeout by that clock, as those of a
 * semaphore, a lock, or a condition that was not made for another one, would end at once or an hour
 * too late.
 */

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define HOUR           3600
#define COND_MONOTONIC 2 /* in __wrefs of the GNU C library's conditions */

static int (*libc_clock_gettime)(clockid_t id, struct timespec *ts);

/* All is linked into the program, or the program, a test's, asks the libraries. */
static bool
is_ours(const char *file)
{
	static const char *const names[] = { "librte_ims", "librte_pmd_", "test_" };
	const char *base = strrchr(file, '/');
	unsigned int i;

	base = base != NULL ? base + 1 : file;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(base, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void
not_ours(const void *caller, const char *function)
{
	Dl_info info;

	if (dladdr(caller, &info) != 0 && is_ours(info.dli_fname)) {
		fprintf(stderr, "%s() in %s+%#lx: anybody may set that clock\n", function,
			info.dli_fname,
			(unsigned long)((const char *)caller - (const char *)info.dli_fbase));
		abort();
	}
}

static time_t
jump(const void *caller, const char *function)
{
	static atomic_uint n;

	not_ours(caller, function);
	return atomic_fetch_add(&n, 1) % 2 != 0 ? HOUR : -HOUR;
}

static int
read_clock(clockid_t id, struct timespec *ts)
{
	/* Before the constructor below has run. */
	if (libc_clock_gettime == NULL)
		return syscall(SYS_clock_gettime, id, ts);
	return libc_clock_gettime(id, ts);
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = read_clock(id, ts);

	if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_TAI))
		ts->tv_sec += jump(__builtin_return_address(0), "clock_gettime");
	return rc;
}

time_t
time(time_t *t)
{
	struct timespec ts;

	read_clock(CLOCK_REALTIME, &ts);
	ts.tv_sec += jump(__builtin_return_address(0), "time");
	if (t != NULL)
		*t = ts.tv_sec;
	return ts.tv_sec;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	struct timespec ts;

	(void)tz;
	read_clock(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec + jump(__builtin_return_address(0), "gettimeofday");
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

int
timespec_get(struct timespec *ts, int base)
{
	if (base != TIME_UTC || read_clock(CLOCK_REALTIME, ts) != 0)
		return 0;
	ts->tv_sec += jump(__builtin_return_address(0), "timespec_get");
	return base;
}

/* The function that would be called without ours; threads may look for it at once. */
#define LIBC(name)                                                            \
	({                                                                    \
		static _Atomic(void *) cache;                                 \
		void *libc = atomic_load(&cache);                             \
                                                                              \
		if (libc == NULL)                                             \
			atomic_store(&cache, libc = dlsym(RTLD_NEXT, #name)); \
		(__typeof__(&(name)))(uintptr_t)libc;                         \
	})

/* By the clock that the condition was made for: the wall clock, if nobody has said so. */
int
pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
	const struct timespec *restrict until)
{
	bool monotonic = cond->__data.__wrefs & COND_MONOTONIC;

	if (!monotonic)
		not_ours(__builtin_return_address(0), "pthread_cond_timedwait");
	return LIBC(pthread_cond_clockwait)(
		cond, mutex, monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, until);
}

/* By the wall clock, or by the one that the caller names. */
#define UNTIL(name, by_wall_clock, params, args)                      \
	int name params                                               \
	{                                                             \
		if (by_wall_clock)                                    \
			not_ours(__builtin_return_address(0), #name); \
		return LIBC(name) args;                               \
	}
#define IS_WALL(id) ((id) == CLOCK_REALTIME || (id) == CLOCK_TAI)

UNTIL(sem_timedwait, true, (sem_t *restrict s, const struct timespec *restrict t), (s, t))
UNTIL(sem_clockwait, IS_WALL(id),
	(sem_t *restrict s, clockid_t id, const struct timespec *restrict t), (s, id, t))
UNTIL(pthread_mutex_timedlock, true,
	(pthread_mutex_t *restrict m, const struct timespec *restrict t), (m, t))
UNTIL(pthread_mutex_clocklock, IS_WALL(id),
	(pthread_mutex_t *restrict m, clockid_t id, const struct timespec *restrict t), (m, id, t))
UNTIL(pthread_rwlock_timedrdlock, true,
	(pthread_rwlock_t *restrict l, const struct timespec *restrict t), (l, t))
UNTIL(pthread_rwlock_timedwrlock, true,
	(pthread_rwlock_t *restrict l, const struct timespec *restrict t), (l, t))
UNTIL(pthread_rwlock_clockrdlock, IS_WALL(id),
	(pthread_rwlock_t *restrict l, clockid_t id, const struct timespec *restrict t), (l, id, t))
UNTIL(pthread_rwlock_clockwrlock, IS_WALL(id),
	(pthread_rwlock_t *restrict l, clockid_t id, const struct timespec *restrict t), (l, id, t))
UNTIL(pthread_cond_clockwait, IS_WALL(id),
	(pthread_cond_t *restrict c, pthread_mutex_t *restrict m, clockid_t id,
		const struct timespec *restrict t),
	(c, m, id, t))
/* A length of time is no matter: Linux measures it by another clock. */
UNTIL(clock_nanosleep, IS_WALL(id) && (flags & TIMER_ABSTIME) != 0,
	(clockid_t id, int flags, const struct timespec *t, struct timespec *left),
	(id, flags, t, left))
UNTIL(timerfd_create, IS_WALL(id) || id == CLOCK_REALTIME_ALARM, (clockid_t id, int flags),
	(id, flags))

static bool
knows_conditions(void)
{
	pthread_cond_t wall = PTHREAD_COND_INITIALIZER, monotonic;
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&monotonic, &attr);
	return (monotonic.__data.__wrefs & COND_MONOTONIC) != 0 &&
	       (wall.__data.__wrefs & COND_MONOTONIC) == 0;
}

/* It would help nobody if the libraries had others. */
static bool
is_in_place(const char *function)
{
	return dlsym(RTLD_DEFAULT, function) != dlsym(RTLD_NEXT, function);
}

__attribute__((constructor)) static void
jump_init(void)
{
	static const char *const names[] = { "clock_gettime", "time", "gettimeofday",
		"timespec_get", "pthread_cond_timedwait", "pthread_cond_clockwait", "sem_timedwait",
		"sem_clockwait", "pthread_mutex_timedlock", "pthread_mutex_clocklock",
		"pthread_rwlock_timedrdlock", "pthread_rwlock_timedwrlock",
		"pthread_rwlock_clockrdlock", "pthread_rwlock_clockwrlock", "clock_nanosleep",
		"timerfd_create" };
	void *next = dlsym(RTLD_NEXT, "clock_gettime");
	bool all = true;
	unsigned int i;

	memcpy(&libc_clock_gettime, &next, sizeof(next));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		all = all && is_in_place(names[i]);
	if (next == NULL || !all || !knows_conditions()) {
		fprintf(stderr, "jump.c is not in the C library's place\n");
		_exit(1);
	}
}
