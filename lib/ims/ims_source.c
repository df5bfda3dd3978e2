/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Sources of a wait set: what is polled by calling a function, and armed by calling another one.
 *
 *	the set's thread             whoever makes events, a device for example
 *	arm(): want = 1              event: queue it
 *	full barrier                 full barrier, its own
 *	poll(): queue empty?         want? then make the descriptor readable
 *	epoll_wait()
 *
 * Of the two loads at least one sees the other side's store: either the poll finds the event, or
 * the descriptor becomes readable, before epoll_wait() or in it. Not every arm() ends with a
 * barrier (an Rx queue of net_vhost is armed by a plain store), so there is one here. An
 * edge-triggered descriptor is armed only after a poll that comes after its last edge was taken, so
 * an edge that is still to come is for something new, or for nothing.
 *
 * A source stays armed until it has something: a sleep that ends for another reason costs it
 * nothing. While it has something it is disarmed, and the thread polls it at the begin of each
 * sleep.
 *
 * Leaving is as with vectors (ims_wait.c): its place is emptied, then the set is drained. The place
 * is given to nobody before that.
 *
 * tests/model/source.pml has the protocol.
 *
 * (Not to be confused with ims_wait_source.c: a device's source of messages, which has vectors
 * behind it.)
 */

#include <errno.h>
#include <sys/epoll.h>

#include <rte_atomic.h>

#include "ims_trace.h"
#include "ims_wait_private.h"

/* Fields that threads share: a public struct has no C11 atomics, for C++ has others. One writer. */
static void
count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* A place is an index, and above that a number that makes it another one for each source. */
static uint32_t
place_index(uint32_t place)
{
	return place % RTE_IMS_SOURCES_MAX;
}

static void
disarm(struct rte_ims_source *src)
{
	if (!src->armed)
		return;
	src->armed = false;
	src->ops->disarm(src->arg);
}

static unsigned int
poll_one(struct rte_ims_wait *w, struct rte_ims_source *src)
{
	const struct rte_ims_source *outer = w->polling;
	unsigned int n;

	w->polling = src;
	n = src->ops->poll(src->arg);
	w->polling = outer;
	count(&src->stats.polls, 1);
	if (n == 0)
		return 0;
	count(&src->stats.busy_polls, 1);
	count(&src->stats.events, n);
	disarm(src);
	return 1;
}

static unsigned int
arm_one(struct rte_ims_wait *w, struct rte_ims_source *src)
{
	bool armed;
	unsigned int n;

	if (__atomic_load_n(&src->rearm, __ATOMIC_RELAXED) &&
		__atomic_exchange_n(&src->rearm, false, __ATOMIC_SEQ_CST))
		disarm(src);
	if (src->armed)
		return 0;
	if (src->fd >= 0 && !src->broken) {
		src->armed = src->ops->arm(src->arg) == 0;
		count(src->armed ? &src->stats.arms : &src->stats.arm_errors, 1);
		rte_smp_mb();
	}
	armed = src->armed;
	if (!armed)
		w->deaf++;
	n = poll_one(w, src);
	if (n != 0 && armed)
		count(&src->stats.late, 1);
	return n;
}

static unsigned int
each(struct rte_ims_wait *w, unsigned int (*fn)(struct rte_ims_wait *w, struct rte_ims_source *src))
{
	uint32_t n = atomic_load_explicit(&w->n_polled, memory_order_acquire), i;
	struct rte_ims_source *src;
	unsigned int served = 0;

	if (!ims_wait_run_begin(w))
		return 0;
	rte_smp_mb();
	for (i = 0; i < n; i++) {
		src = atomic_load_explicit(&w->polled[i], memory_order_acquire);
		if (src != NULL)
			served += fn(w, src);
	}
	ims_wait_run_end(w, served);
	return served;
}

unsigned int
ims_source_poll_all(struct rte_ims_wait *w)
{
	return each(w, poll_one);
}

unsigned int
ims_source_arm_all(struct rte_ims_wait *w)
{
	return each(w, arm_one);
}

unsigned int
ims_source_fired(struct rte_ims_wait *w, uint32_t place, bool broken)
{
	struct rte_ims_source *src = atomic_load(&w->polled[place_index(place)]);
	bool armed;
	unsigned int n;

	/* epoll may have told of one that has left, before the set was drained of it. */
	if (src == NULL || src->place != place)
		return 0;
	armed = src->armed;
	if (armed)
		count(&src->stats.wakes, 1);
	disarm(src);
	/* It would end every sleep from now on. */
	if (broken && !src->broken) {
		epoll_ctl(w->epfd, EPOLL_CTL_DEL, src->fd, NULL);
		IMS_LOG(WARNING, "wait %s: descriptor %d of a source is broken: it is polled now",
			w->name, src->fd);
		src->broken = true;
	}
	n = poll_one(w, src);
	if (n == 0 && armed)
		count(&src->stats.spurious, 1);
	return n;
}

static bool
runs_here(const struct rte_ims_wait *w, const struct rte_ims_source *src)
{
	return ims_wait_runs_here(w) && w->polling == src;
}

static bool
check(const struct rte_ims_source *src)
{
	return src->ops != NULL && src->ops->poll != NULL && src->ops->arm != NULL &&
	       src->ops->disarm != NULL && src->fd >= -1 &&
	       (src->flags & ~RTE_IMS_SOURCE_F_EDGE) == 0;
}

static int
add_locked(struct rte_ims_wait *w, struct rte_ims_source *src)
{
	struct epoll_event ev = { .events = EPOLLIN };
	uint32_t i, place;

	for (i = 0; i < RTE_IMS_SOURCES_MAX && w->place_used[i]; i++)
		;
	if (i == RTE_IMS_SOURCES_MAX)
		return -ENOSPC;
	if ((src->flags & RTE_IMS_SOURCE_F_EDGE) != 0)
		ev.events |= EPOLLET;
	place = ++w->n_sources_ever * RTE_IMS_SOURCES_MAX + i;
	ev.data.u64 = EV_POLLED | place;
	if (src->fd >= 0 && epoll_ctl(w->epfd, EPOLL_CTL_ADD, src->fd, &ev) < 0)
		return -errno;
	__atomic_store_n(&src->wait, w, __ATOMIC_RELAXED);
	src->place = place;
	src->armed = false;
	src->rearm = false;
	src->broken = false;
	w->place_used[i] = true;
	w->n_sources++;
	atomic_store(&w->polled[i], src);
	if (atomic_load(&w->n_polled) <= i)
		atomic_store(&w->n_polled, i + 1);
	return 0;
}

int
rte_ims_wait_source_add(struct rte_ims_wait *wait, struct rte_ims_source *source)
{
	int rc;

	if (wait == NULL || source == NULL || !check(source))
		return -EINVAL;
	if (__atomic_load_n(&source->wait, __ATOMIC_RELAXED) != NULL)
		return -EBUSY;
	pthread_mutex_lock(&wait->lock);
	rc = add_locked(wait, source);
	pthread_mutex_unlock(&wait->lock);
	ims_trace_source_add(wait->name, source->fd, rc);
	/* A thread that sleeps has not armed it. */
	if (rc == 0 && !ims_wait_runs_here(wait))
		rte_ims_wait_wake(wait);
	return rc;
}

/* Again after a drain that took too long: then its place is empty already. */
static void
leave_locked(struct rte_ims_wait *w, struct rte_ims_source *src)
{
	if (atomic_load(&w->polled[place_index(src->place)]) != src)
		return;
	atomic_store(&w->polled[place_index(src->place)], NULL);
	if (src->fd >= 0)
		epoll_ctl(w->epfd, EPOLL_CTL_DEL, src->fd, NULL);
}

static void
left_locked(struct rte_ims_wait *w, struct rte_ims_source *src)
{
	uint32_t n = atomic_load(&w->n_polled);

	w->place_used[place_index(src->place)] = false;
	w->n_sources--;
	__atomic_store_n(&src->wait, NULL, __ATOMIC_RELAXED);
	while (n > 0 && !w->place_used[n - 1])
		n--;
	atomic_store(&w->n_polled, n);
}

int
rte_ims_wait_source_del(struct rte_ims_wait *wait, struct rte_ims_source *source)
{
	int rc;

	if (wait == NULL || source == NULL)
		return -EINVAL;
	if (__atomic_load_n(&source->wait, __ATOMIC_RELAXED) != wait)
		return -ENOENT;
	if (runs_here(wait, source))
		return -EDEADLK;
	pthread_mutex_lock(&wait->lock);
	leave_locked(wait, source);
	pthread_mutex_unlock(&wait->lock);
	rc = ims_wait_drain(wait);
	if (rc == 0) {
		disarm(source);
		pthread_mutex_lock(&wait->lock);
		left_locked(wait, source);
		pthread_mutex_unlock(&wait->lock);
	}
	ims_trace_source_del(wait->name, source->fd, rc);
	return rc;
}

int
rte_ims_wait_source_rearm(struct rte_ims_wait *wait, struct rte_ims_source *source)
{
	if (wait == NULL || source == NULL)
		return -EINVAL;
	if (__atomic_load_n(&source->wait, __ATOMIC_RELAXED) != wait)
		return -ENOENT;
	__atomic_store_n(&source->rearm, true, __ATOMIC_SEQ_CST);
	return rte_ims_wait_wake(wait);
}

int
rte_ims_source_stats_get(const struct rte_ims_source *source, struct rte_ims_source_stats *stats)
{
	const uint64_t *from;
	uint64_t *to = (uint64_t *)stats;
	unsigned int i;

	if (source == NULL || stats == NULL)
		return -EINVAL;
	from = (const uint64_t *)&source->stats;
	for (i = 0; i < sizeof(*stats) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
	return 0;
}
