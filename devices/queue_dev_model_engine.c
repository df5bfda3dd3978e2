/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The engine: a thread that looks at the portals and does the work, and sleeps when there has been
 * none for a while (section 4.4). It takes the device's lock only when it has found something, for
 * a limited amount of work, and lets others go first.
 */

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "queue_dev_model.h"
#include "ticks.h"

#define BATCH       256 /* descriptors while the lock is held */
#define BATCH_TRAP  32  /* the same for a bus transaction, whose client waits */
#define BATCH_TIMER 256
#define SPINS       64 /* looks between two readings of the clock */

/* The engine's thread is waiting, or about to. */
static void
wake(struct queue_dev *d, bool kick)
{
	pthread_mutex_lock(&d->idle_lock);
	d->kicked |= kick;
	pthread_cond_signal(&d->cond);
	pthread_mutex_unlock(&d->idle_lock);
}

static void
update_deadline(struct queue_dev *d)
{
	uint64_t next = timer_heap_next(&d->heap);
	uint64_t before = atomic_exchange(&d->deadline, next);

	/* It waits for a later one. */
	if (next < before && atomic_load(&d->sleeping))
		wake(d, false);
}

void
qd_timer_set(struct queue_dev *d, uint32_t timer, uint32_t usec)
{
	timer_heap_set(&d->heap, timer, clock_ns() + usec * d->usec_ns);
	update_deadline(d);
}

void
qd_timer_del(struct queue_dev *d, uint32_t timer)
{
	if (d->heap.place[timer] == TIMER_HEAP_NONE)
		return;
	timer_heap_del(&d->heap, timer);
	update_deadline(d);
}

void
qd_timers_run(struct queue_dev *d)
{
	uint64_t now;
	uint32_t timer, n;

	if (timer_heap_next(&d->heap) == UINT64_MAX)
		return;
	now = clock_ns();
	for (n = 0; n < BATCH_TIMER && timer_heap_next(&d->heap) <= now; n++) {
		timer = d->heap.order[0];
		qd_timer_del(d, timer);
		if (timer < d->n_slots)
			qd_notify_expired(d, timer);
		else
			qd_action_run(d, timer - d->n_slots);
	}
}

void
qd_timers_reset(struct queue_dev *d)
{
	while (d->heap.n != 0)
		timer_heap_del(&d->heap, d->heap.order[0]);
	update_deadline(d);
}

/*
 * While the engine sleeps the server's thread does the first bit of the work itself: the client
 * that has woken us has its answer one thread switch earlier. The engine wakes up nevertheless, to
 * find what comes next in the cells.
 */
void
qd_engine_kick(struct queue_dev *d)
{
	if (!atomic_load(&d->sleeping))
		return;
	qd_work(d, BATCH_TRAP);
	if (d->idle_us != 0 || d->engine == QD_ENGINE_POLL || atomic_load(&d->work))
		wake(d, true);
}

static bool
something_due(struct queue_dev *d)
{
	uint64_t deadline = atomic_load_explicit(&d->deadline, memory_order_relaxed);

	return atomic_load_explicit(&d->work, memory_order_relaxed) || qd_cells_peek(d) ||
	       (deadline != UINT64_MAX && deadline <= clock_ns());
}

/*
 * D1 to D3. The driver stores a doorbell (V1), then reads ASLEEP (V3), with a fence between; we
 * store ASLEEP, then read the cells, both sequentially consistent. So either we see the doorbell
 * here, or the driver sees that we sleep and writes WAKE, which the server's thread handles after
 * us, since we hold the lock: it finds `sleeping` set. With the lock held the cells that we look at
 * are the next ones for certain.
 */
static bool
fall_asleep(struct queue_dev *d)
{
	bool idle;

	vfu_lock_last(d->vfu);
	atomic_store(d->asleep, 1);
	atomic_store(&d->sleeping, true);
	/* A portal may have come into use since we last looked, which one that polls waits for. */
	idle = !something_due(d) && (d->engine != QD_ENGINE_POLL || atomic_load(&d->portals) == 0);
	if (idle) {
		d->sleeps++;
	} else {
		atomic_store(&d->sleeping, false);
		atomic_store(d->asleep, 0);
	}
	qd_publish(d);
	vfu_unlock(d->vfu);
	return idle;
}

static void
wait_cond(struct queue_dev *d, uint64_t deadline)
{
	struct timespec ts = {
		.tv_sec = deadline / 1000000000,
		.tv_nsec = deadline % 1000000000,
	};

	if (deadline == UINT64_MAX)
		pthread_cond_wait(&d->cond, &d->idle_lock);
	else
		pthread_cond_timedwait(&d->cond, &d->idle_lock, &ts);
}

/*
 * D4, and awake again. To who has idle_lock, ASLEEP without `kicked` says that it waits, or is
 * about to.
 */
static void
sleep_until_kicked(struct queue_dev *d)
{
	uint64_t deadline;

	pthread_mutex_lock(&d->idle_lock);
	while (!d->kicked && !atomic_load(&d->stop)) {
		deadline = atomic_load(&d->deadline);
		if (deadline != UINT64_MAX && deadline <= clock_ns())
			break;
		wait_cond(d, deadline);
	}
	d->kicked = false;
	atomic_store(&d->sleeping, false);
	atomic_store(d->asleep, 0);
	pthread_mutex_unlock(&d->idle_lock);
}

/* An engine that only polls still sleeps while there is nothing that it could poll. */
static bool
may_sleep(struct queue_dev *d, uint64_t idle_since)
{
	if (d->engine == QD_ENGINE_POLL)
		return atomic_load(&d->portals) == 0;
	return clock_ns() - idle_since >= d->idle_us * 1000ull;
}

static void
pause_cpu(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void *
engine_thread(void *arg)
{
	struct queue_dev *d = arg;
	uint64_t idle_since = clock_ns();
	uint32_t spins = 0;

	while (!atomic_load_explicit(&d->stop, memory_order_relaxed)) {
		if (something_due(d)) {
			vfu_lock_last(d->vfu);
			qd_work(d, BATCH);
			vfu_unlock(d->vfu);
			spins = 0;
			continue;
		}
		if (spins == 0)
			idle_since = clock_ns();
		if (spins++ % SPINS == 0 && may_sleep(d, idle_since) && fall_asleep(d)) {
			sleep_until_kicked(d);
			spins = 0;
		}
		pause_cpu();
	}
	return NULL;
}

static int
pin(struct queue_dev *d)
{
	cpu_set_t set;

	if (d->cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(d->cpu, &set);
	return -pthread_setaffinity_np(d->thread, sizeof(set), &set);
}

int
qd_engine_init(struct queue_dev *d)
{
	int rc;

	pthread_mutex_init(&d->idle_lock, NULL);
	clock_cond_init(&d->cond);
	d->has_cond = true;
	rc = -pthread_create(&d->thread, NULL, engine_thread, d);
	d->has_thread = rc == 0;
	return rc == 0 ? pin(d) : rc;
}

void
qd_engine_fini(struct queue_dev *d)
{
	if (d->has_thread) {
		atomic_store(&d->stop, true);
		wake(d, true);
		pthread_join(d->thread, NULL);
	}
	if (d->has_cond) {
		pthread_cond_destroy(&d->cond);
		pthread_mutex_destroy(&d->idle_lock);
	}
}
