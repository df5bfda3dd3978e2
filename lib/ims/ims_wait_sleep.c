/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Wait sets: sleeping, and how long to poll before it.
 *
 * No wake-up is lost. Eventfds and the vfio-user socket are level-triggered in one epoll instance:
 * an event between the last look and the wait makes epoll_wait() return at once. Memory does not
 * wake a thread, so while the set has vectors whose message may point at memory (n_memory) sleep is
 * a row of naps of nap_ns with a scan of the words after each; n_memory goes up before such a
 * message is written, and when it has gone down the words are scanned once more: by us, if we have
 * switched ourselves, or because the thread that has switched wakes us (ims_delivery.c).
 *
 * Sources (rte_ims_source.h) are armed before a sleep, and looked at once more: ims_source.c.
 *
 * ADAPTIVE is either busy, with its vectors delivered to memory, or not, with eventfds. What counts
 * is the mean gap, the time between the end of the handlers and the next event, over about eight
 * calls:
 *
 *      not busy --- gap < busy_gap, or a probe ---------------------> busy
 *      busy     --- gap > 2 busy_gap, or nothing for a budget -------> not busy
 *
 * The budget is four gaps, within limits. At low rates the set stays with eventfds, sleeps between
 * events, and never switches; at high rates it stays with memory, also where the handlers take
 * long. A gap counts as 6 busy_gap at most: it takes a dozen close events to become busy, but after
 * one long pause among close events, such as that of a device whose CPU was taken away, the next
 * event does.
 *
 * A thread that sleeps measures its own wake-up with the gap, and where that is slow it would never
 * see that it is saturated. So with gaps of less than 4 busy_gap it tries: it is busy for a while,
 * and measures again. If that was for nothing it waits twice as long with the next probe, up to a
 * second.
 */

#include <errno.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_power_intrinsics.h>

#include "ims_trace.h"
#include "ims_wait_private.h"

#define PROBE_EVENTS 16

/* One call of rte_ims_wait_sleep(). */
struct sleeper {
	struct rte_ims_wait *w;
	int64_t timeout_ns;
	int64_t end_ns; /* with timeout_ns > 0 */
	bool woken;
};

/* ns that are left, negative: for ever. */
static int64_t
left_ns(const struct sleeper *s)
{
	return s->timeout_ns < 0 ? -1 : RTE_MAX(s->end_ns - ims_now_ns(), 0);
}

/* A thread that polls has not seen wake_fd; what is in it would wake the next sleep as well. */
static bool
take_wake(struct rte_ims_wait *w)
{
	uint64_t count;

	if (likely(!atomic_load_explicit(&w->woken, memory_order_relaxed)))
		return false;
	atomic_store(&w->woken, false);
	if (read(w->wake_fd, &count, sizeof(count)) < 0)
		count = 0;
	return true;
}

/* rte_power_monitor(): do not sleep if the word is there already. */
static int
bell_rings(const uint64_t value, const uint64_t opaque[RTE_POWER_MONITOR_OPAQUE_SZ])
{
	RTE_SET_USED(opaque);
	return value != 0 ? -1 : 0;
}

/*
 * All words in one cache line, and a CPU that can sleep on it: a store wakes us within the nap.
 * The monitor is armed before the look: a word that comes in between ends the sleep.
 */
static bool
nap_on_line(struct rte_ims_wait *w, int64_t ns)
{
	struct rte_power_monitor_cond cond = {
		.addr = w->bells,
		.size = sizeof(uint64_t),
		.fn = bell_rings,
	};
	uint64_t ticks = ns * (rte_get_tsc_hz() / 1000000) / 1000;

	return w->monitor && atomic_load_explicit(&w->n_bells, memory_order_relaxed) == 16 &&
	       rte_power_monitor(&cond, rte_rdtsc() + ticks) == 0;
}

/* Block until there is something, at most for one nap while there is memory to look at. */
static unsigned int
block(struct sleeper *s, int64_t ns)
{
	struct rte_ims_wait *w = s->w;
	uint64_t start = rte_rdtsc();
	unsigned int n;

	if (atomic_load(&w->n_memory) != 0 || w->deaf != 0) {
		ns = ns < 0 ? w->nap_ns : RTE_MIN(ns, (int64_t)w->nap_ns);
		if (nap_on_line(w, ns))
			ns = 0;
	}
	n = ims_wait_poll_fds(w, ns, &s->woken);
	ims_wait_add_to(&w->asleep, rte_rdtsc() - start);
	return n;
}

static unsigned int
sleep_until(struct sleeper *s)
{
	struct rte_ims_wait *w = s->w;
	int64_t ns = s->timeout_ns;
	unsigned int n;

	n = ims_wait_arm_sources(w);
	if (n != 0)
		return n;
	ims_wait_add_to(&w->sleeps, 1);
	ims_trace_wait_sleep(w->name, ns);
	do {
		n = block(s, ns);
		n += ims_wait_poll_memory(w);
		if (n != 0 || s->woken)
			break;
		ns = left_ns(s);
		n = ims_wait_arm_sources(w);
	} while (n == 0 && ns != 0);
	ims_wait_add_to(&w->wakes, 1);
	ims_trace_wait_awake(w->name, n);
	return n;
}

/* Poll until there is something, or until a time of the time stamp counter; 0: for ever. */
static unsigned int
spin_until(struct sleeper *s, uint64_t tsc)
{
	struct rte_ims_wait *w = s->w;
	unsigned int n, i = 0;

	while ((n = ims_wait_poll_once(w)) == 0) {
		if (take_wake(w)) {
			s->woken = true;
			break;
		}
		if (tsc != 0 && rte_rdtsc() >= tsc)
			break;
		if (likely(++i % 1024 != 0))
			continue;
		if (w->cancel)
			pthread_testcancel(); /* nothing is held here, and no system call made */
		if (s->timeout_ns > 0 && left_ns(s) == 0)
			break;
	}
	return n;
}

static uint64_t
clamp(uint64_t v, uint64_t low, uint64_t high)
{
	return v < low ? low : v > high ? high : v;
}

/* Events have been handled: how long was there nothing to do before them? */
static void
pace(struct rte_ims_wait *w)
{
	uint64_t most = 6 * atomic_load_explicit(&w->busy_gap, memory_order_relaxed), gap = 0;

	if (w->last == 0)
		w->gap = most;
	else if (w->found > w->last)
		gap = RTE_MIN(w->found - w->last, most);
	w->last = rte_rdtsc();
	w->gap = w->gap - w->gap / 8 + gap / 8;
}

static void
switch_to(struct rte_ims_wait *w, bool busy)
{
	int cancel_state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	pthread_mutex_lock(&w->policy_lock);
	/* Another thread may have set another policy meanwhile: its delivery stays. */
	if (atomic_load(&w->policy) == RTE_IMS_POLICY_ADAPTIVE) {
		atomic_store(&w->busy, busy);
		ims_trace_wait_busy(w->name, busy);
		ims_wait_add_to(&w->switches, 1);
		ims_wait_deliver(w, busy ? RTE_IMS_DELIVERY_MEMORY : RTE_IMS_DELIVERY_EVENTFD);
	}
	pthread_mutex_unlock(&w->policy_lock);
	pthread_setcancelstate(cancel_state, NULL);
}

static void
become_busy(struct rte_ims_wait *w, bool probe)
{
	w->probes = probe ? PROBE_EVENTS : 0;
	switch_to(w, true);
}

static void
become_idle(struct rte_ims_wait *w)
{
	uint64_t hz = rte_get_tsc_hz();

	/* probe_wait is 0 where being busy was worth it. */
	w->probe_wait = clamp(2 * w->probe_wait, hz / 1000, hz);
	w->probe_at = rte_rdtsc() + w->probe_wait;
	switch_to(w, false);
}

/* Events have come to a set that sleeps. */
static void
pace_idle(struct rte_ims_wait *w)
{
	uint64_t busy_gap = atomic_load_explicit(&w->busy_gap, memory_order_relaxed);

	pace(w);
	if (w->gap < busy_gap)
		become_busy(w, false);
	else if (w->gap < 4 * busy_gap && w->last >= w->probe_at)
		become_busy(w, true);
}

/* And to one that polls. By the end of a probe the mean is what has been measured in it. */
static void
pace_busy(struct rte_ims_wait *w)
{
	uint64_t busy_gap = atomic_load_explicit(&w->busy_gap, memory_order_relaxed);

	pace(w);
	if (w->probes != 0 && --w->probes != 0)
		return;
	if (w->gap > 2 * busy_gap)
		become_idle(w);
	else if (w->gap < busy_gap)
		w->probe_wait = 0;
}

static void
pace_found(struct rte_ims_wait *w)
{
	if (atomic_load(&w->busy))
		pace_busy(w);
	else
		pace_idle(w);
}

/* The end of the budget: as much later than the last event as the rate says. */
static uint64_t
budget_end(const struct rte_ims_wait *w)
{
	uint64_t low = atomic_load_explicit(&w->budget_min, memory_order_relaxed);
	uint64_t high = atomic_load_explicit(&w->budget_max, memory_order_relaxed);

	return w->last + clamp(4 * w->gap, low, high);
}

static unsigned int
sleep_adaptive(struct sleeper *s)
{
	struct rte_ims_wait *w = s->w;
	unsigned int n;

	if (atomic_load_explicit(&w->busy, memory_order_relaxed)) {
		n = spin_until(s, budget_end(w));
		if (n != 0)
			pace_busy(w);
		if (n != 0 || s->woken || left_ns(s) == 0)
			return n;
		become_idle(w);
		n = ims_wait_poll_memory(w);
		if (n != 0)
			return n;
	}
	n = sleep_until(s);
	if (n != 0)
		pace_idle(w);
	return n;
}

static bool
sleeps_by_policy(const struct rte_ims_wait *w)
{
	int policy = atomic_load_explicit(&w->policy, memory_order_relaxed);

	return policy != RTE_IMS_POLICY_POLL &&
	       !(policy == RTE_IMS_POLICY_ADAPTIVE && atomic_load(&w->busy));
}

/*
 * A look at everything, for a loop around ours: all that is readable, for an edge-triggered one is
 * told only once, and the wake-up, for a level-triggered one is told until it has been read. The
 * loop sleeps then, so sources are armed; one that had something after that has been disarmed, and
 * is looked at again in the turn that the wake-up makes.
 */
static unsigned int
sleep_not_at_all(struct sleeper *s)
{
	struct rte_ims_wait *w = s->w;
	uint32_t n_fds = atomic_load(&w->n_fds) + atomic_load(&w->n_polled);
	uint32_t looks = 1 + n_fds / IMS_WAIT_EPOLL_BATCH;
	unsigned int n = 0, late;

	ims_wait_add_to(&w->polls, 1);
	while (looks-- > 0)
		n += ims_wait_poll_fds(w, 0, &s->woken);
	if (!sleeps_by_policy(w))
		return n;
	late = ims_wait_arm_sources(w);
	if (late != 0)
		rte_ims_wait_wake(w);
	return n + late;
}

int
rte_ims_wait_sleep(struct rte_ims_wait *wait, int64_t timeout_ns)
{
	struct sleeper s = { .w = wait, .timeout_ns = timeout_ns };
	unsigned int n;
	int policy;

	if (wait == NULL)
		return -EINVAL;
	policy = atomic_load_explicit(&wait->policy, memory_order_relaxed);
	n = ims_wait_poll_memory(wait) + ims_wait_poll_sources(wait);
	if (timeout_ns == 0)
		return n + sleep_not_at_all(&s);
	if (n == 0) {
		if (timeout_ns > 0)
			s.end_ns = ims_now_ns() + timeout_ns;
		if (policy == RTE_IMS_POLICY_POLL)
			return spin_until(&s, 0);
		return policy == RTE_IMS_POLICY_ADAPTIVE ? sleep_adaptive(&s) : sleep_until(&s);
	}
	/* Vectors in memory that always have something do not keep those with eventfds waiting. */
	if (atomic_load_explicit(&wait->n_eventfd, memory_order_relaxed) != 0)
		n += ims_wait_poll_fds(wait, 0, &s.woken);
	if (policy == RTE_IMS_POLICY_ADAPTIVE)
		pace_found(wait);
	return n;
}
