/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TICKS_H_
#define _TICKS_H_

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* The clock of stamps: the CPU's counter where there is one that all CPUs share. */
static inline uint64_t
ticks_now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
#endif
}

/*
 * For what is stored with an event: the time when all before it is done. Without the fence the CPU
 * may read its counter while it is still looking for where the event goes.
 */
static inline uint64_t
ticks_stamp(void)
{
#if defined(__x86_64__)
	__builtin_ia32_lfence();
#endif
	return ticks_now();
}

static inline uint64_t
clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* A condition whose waits go by the same clock, which nobody sets. */
static inline void
clock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

/*
 * How fast ticks_now() runs, measured against CLOCK_MONOTONIC when it is first asked (5 ms). In
 * model.c.
 */
uint64_t
ticks_hz(void);

#endif /* _TICKS_H_ */
