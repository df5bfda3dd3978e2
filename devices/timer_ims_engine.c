/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * What makes timers expire: a timerfd that the server's thread waits for, or a thread that spins
 * until the next deadline while any timer is active (no system call between deadline and message),
 * and sleeps otherwise.
 */

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ticks.h"
#include "timer_ims_model.h"

static void
arm_timerfd(struct timer_ims *t)
{
	uint64_t next = timer_heap_next(&t->heap);
	struct itimerspec its = { 0 };

	if (next != UINT64_MAX) {
		its.it_value.tv_sec = next / 1000000000;
		its.it_value.tv_nsec = next % 1000000000;
	}
	timerfd_settime(t->timerfd, TFD_TIMER_ABSTIME, &its, NULL);
}

/* The heap has changed. */
static void
rearm(struct timer_ims *t)
{
	if (!t->spin) {
		arm_timerfd(t);
		return;
	}
	if (atomic_exchange(&t->next, timer_heap_next(&t->heap)) == UINT64_MAX &&
		timer_heap_next(&t->heap) != UINT64_MAX) {
		pthread_mutex_lock(&t->idle_lock);
		pthread_cond_signal(&t->cond);
		pthread_mutex_unlock(&t->idle_lock);
	}
}

/* Section 5.3: one timer, late by any number of intervals: all are counted, one message is sent. */
static void
expire_one(struct timer_ims *t, uint32_t timer, uint64_t now)
{
	struct timer_ims_timer *tm = &t->timers[timer];
	struct timer_ims_block *block = &t->blocks[timer];
	uint64_t n = 1 + (now - t->heap.deadline[timer]) / tm->interval;

	if (n > tm->limit - tm->count)
		n = tm->limit - tm->count;
	tm->count += n;
	t->expirations += n;
	if (tm->count == tm->limit) {
		timer_heap_del(&t->heap, timer);
		atomic_store_explicit(&block->status, 0, memory_order_relaxed);
	} else {
		timer_heap_set(&t->heap, timer, t->heap.deadline[timer] + n * tm->interval);
	}
	/* Counted before the message leaves; the exchange also makes the block's line ours, so that
	 * the stamp's store does not stand in the message's way.
	 */
	atomic_exchange(&block->count, tm->count);
	timer_ims_fire(t, tm->slot, timer);
}

void
timer_ims_expire(struct timer_ims *t, uint64_t now)
{
	while (timer_heap_next(&t->heap) <= now)
		expire_one(t, t->heap.order[0], now);
	rearm(t);
}

static void
on_timerfd(void *arg)
{
	struct timer_ims *t = arg;
	uint64_t count;

	if (read(t->timerfd, &count, sizeof(count)) > 0)
		timer_ims_expire(t, clock_ns());
}

static void
wait_idle(struct timer_ims *t)
{
	pthread_mutex_lock(&t->idle_lock);
	while (atomic_load(&t->next) == UINT64_MAX && !atomic_load(&t->stop))
		pthread_cond_wait(&t->cond, &t->idle_lock);
	pthread_mutex_unlock(&t->idle_lock);
}

static void *
spin_thread(void *arg)
{
	struct timer_ims *t = arg;
	uint64_t next;

	while (!atomic_load_explicit(&t->stop, memory_order_relaxed)) {
		next = atomic_load_explicit(&t->next, memory_order_acquire);
		if (next == UINT64_MAX) {
			wait_idle(t);
		} else if (next <= clock_ns()) {
			vfu_lock(t->vfu);
			timer_ims_expire(t, clock_ns());
			vfu_unlock(t->vfu);
		}
	}
	return NULL;
}

static int
pin(pthread_t thread, int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return -pthread_setaffinity_np(thread, sizeof(set), &set);
}

int
timer_ims_engine_init(struct timer_ims *t)
{
	int rc;

	pthread_mutex_init(&t->idle_lock, NULL);
	pthread_cond_init(&t->cond, NULL);
	atomic_store(&t->next, UINT64_MAX);
	t->timerfd = -1;
	rc = timer_heap_init(&t->heap, t->n_timers);
	if (rc != 0)
		return rc;
	if (t->spin) {
		rc = -pthread_create(&t->thread, NULL, spin_thread, t);
		t->has_thread = rc == 0;
		return rc == 0 ? pin(t->thread, t->cpu) : rc;
	}
	t->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (t->timerfd < 0)
		return -errno;
	rc = vfu_watch(t->vfu, t->timerfd, on_timerfd, t);
	return rc == 0 ? pin(pthread_self(), t->cpu) : rc;
}

void
timer_ims_engine_fini(struct timer_ims *t)
{
	if (t->has_thread) {
		atomic_store(&t->stop, true);
		pthread_mutex_lock(&t->idle_lock);
		pthread_cond_signal(&t->cond);
		pthread_mutex_unlock(&t->idle_lock);
		pthread_join(t->thread, NULL);
	}
	if (t->timerfd >= 0)
		close(t->timerfd);
	t->timerfd = -1;
	timer_heap_fini(&t->heap);
	pthread_cond_destroy(&t->cond);
	pthread_mutex_destroy(&t->idle_lock);
}

void
timer_ims_engine_start(struct timer_ims *t, uint32_t timer)
{
	timer_heap_set(&t->heap, timer, clock_ns() + t->timers[timer].interval);
	rearm(t);
}

void
timer_ims_engine_stop(struct timer_ims *t, uint32_t timer)
{
	timer_heap_del(&t->heap, timer);
	rearm(t);
}

void
timer_ims_engine_reset(struct timer_ims *t)
{
	while (t->heap.n != 0)
		timer_heap_del(&t->heap, t->heap.order[0]);
	rearm(t);
}
