/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The wall clock of a program that this is linked into jumps, an hour to or fro each time that it
 * is read: somebody sets it. DPDK and the others live with that. What is ours does not read it at
 * all, nor waits by it: the program aborts if it does. A timeout by that clock, or a timed wait for
 * a condition that was not made for another one, would end at once or an hour too late.
 */

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
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

/* By the clock that the condition was made for: the wall clock, if nobody has said so. */
int
pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
	const struct timespec *restrict until)
{
	bool monotonic = cond->__data.__wrefs & COND_MONOTONIC;

	if (!monotonic)
		not_ours(__builtin_return_address(0), "pthread_cond_timedwait");
	return pthread_cond_clockwait(
		cond, mutex, monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, until);
}

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
	void *next = dlsym(RTLD_NEXT, "clock_gettime");

	memcpy(&libc_clock_gettime, &next, sizeof(next));
	if (next == NULL || !is_in_place("clock_gettime") || !is_in_place("time") ||
		!is_in_place("gettimeofday") || !is_in_place("timespec_get") ||
		!is_in_place("pthread_cond_timedwait") || !knows_conditions()) {
		fprintf(stderr, "jump.c is not in the C library's place\n");
		_exit(1);
	}
}
