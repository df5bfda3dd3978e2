/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Wait sets, the data path: find what has an event, run its handlers.
 *
 * Doorbell words. A device stores a non-zero word; the set's thread takes it by an atomic exchange
 * with 0 and then runs the handlers. The exchange is an acquire: what the device wrote before the
 * message is visible to them. A store that comes after the exchange is found by the next scan; one
 * that comes between seeing the word and the exchange merges with it, and the handlers run after
 * both. So every store is followed by a run of the handlers: nothing is lost.
 *
 * Leaving. The control path must know that no handler of a vector runs or will run. The set's
 * thread makes `epoch` odd before it looks at an entry's vector and even when it has run the
 * handlers; the control path empties the entry and then looks at `epoch`. On both sides a full
 * barrier lies between the store and the load, so that at least one sees the other's store: either
 * the set's thread finds the entry empty, or ims_wait_drain() finds the epoch odd and waits until
 * it has changed. For doorbell words the set's barrier is the exchange that takes the word (on x86
 * a locked instruction is a full barrier; elsewhere there is one beside it). An idle poll does not
 * touch the epoch: it looks at the doorbell words only.
 */

#include <poll.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <rte_atomic.h>
#include <rte_cycles.h>
#include <rte_pause.h>

#include "ims_eventfd.h"
#include "ims_wait_private.h"

#define LOOK_POLLS 65536 /* about a millisecond */

uint64_t ims_sync_timeout_ns = 5000000000;

__thread struct rte_ims_wait *ims_wait_inside IMS_WAIT_TLS;
__thread bool ims_wait_guarded IMS_WAIT_TLS;

/* Only the set's thread writes its epoch. */
static void
epoch_step(struct rte_ims_wait *w, memory_order order)
{
	atomic_store_explicit(
		&w->epoch, atomic_load_explicit(&w->epoch, memory_order_relaxed) + 1, order);
}

bool
ims_wait_run_begin(struct rte_ims_wait *w)
{
	if (unlikely(ims_wait_inside != NULL) && ims_wait_runs_here(w))
		return false;
	if (unlikely(!ims_wait_guarded))
		ims_wait_guard_thread();
	if (unlikely(w->cancel))
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &w->cancel_state);
	w->outer = ims_wait_inside;
	ims_wait_inside = w;
	epoch_step(w, memory_order_release);
	if (atomic_load_explicit(&w->policy, memory_order_relaxed) == RTE_IMS_POLICY_ADAPTIVE)
		w->found = rte_rdtsc();
	return true;
}

void
ims_wait_run_end(struct rte_ims_wait *w, unsigned int n)
{
	bool cancel;
	int state;

	ims_wait_add_to(&w->events, n);
	ims_wait_inside = w->outer;
	/* The set may be another thread's from the step on, or none any more. */
	cancel = w->cancel;
	state = w->cancel_state;
	epoch_step(w, memory_order_release);
	if (unlikely(cancel))
		pthread_setcancelstate(state, NULL);
}

static void
run_vec(struct rte_ims_wait *w, struct rte_ims_vec *vec, bool spurious)
{
	w->running = vec;
	if (unlikely(spurious)) {
		ims_wait_add_to(&vec->spurious, 1);
		ims_wait_add_to(&w->spurious, 1);
	}
	ims_vec_run(vec);
	w->running = NULL;
}

/*
 * It came by the end that the vector has been switched away from: the handlers may have run for it.
 */
static bool
late(struct rte_ims_vec *vec, enum rte_ims_delivery by)
{
	return atomic_load_explicit(&vec->delivery, memory_order_relaxed) != by;
}

static bool
is_word_of(const struct wait_entry *entry, uint32_t data)
{
	data &= ~BELL_OURS;
	return data == 0 || data == atomic_load_explicit(&entry->gen, memory_order_relaxed);
}

struct rte_ims_vec *
ims_wait_missed(struct wait_entry *entry)
{
	atomic_store(&entry->missed, true);
	return atomic_load(&entry->vec);
}

static unsigned int
serve_bell(struct rte_ims_wait *w, uint32_t i)
{
	struct wait_entry *entry = &w->entries[i];
	struct rte_ims_vec *vec;
	uint32_t data;

	data = atomic_exchange(&w->bells[i], 0);
#ifndef RTE_ARCH_X86
	rte_smp_mb();
#endif
	if (data == 0)
		return 0;
	vec = atomic_load(&entry->vec);
	/* A late word of the entry's former owner may have overwritten one of the present one. */
	if (vec == NULL || !is_word_of(entry, data))
		ims_wait_add_to(&w->stray, 1);
	if (vec == NULL)
		vec = ims_wait_missed(entry);
	if (vec == NULL)
		return 0;
	run_vec(w, vec, data == BELL_OURS || late(vec, RTE_IMS_DELIVERY_MEMORY));
	return 1;
}

/* From line i on, of which these words are rung. */
static __rte_noinline unsigned int
serve_lines(struct rte_ims_wait *w, uint32_t i, uint32_t words, uint32_t n_bells)
{
	unsigned int served = 0;

	if (!ims_wait_run_begin(w))
		return 0;
	for (;;) {
		for (; words != 0; words &= words - 1)
			served += serve_bell(w, i + __builtin_ctz(words));
		i = w->scan(w->bells, i + BELLS_PER_LINE, n_bells);
		if (i >= n_bells)
			break;
		words = ims_bells_line(&w->bells[i]);
	}
	ims_wait_run_end(w, served);
	return served;
}

static inline unsigned int
poll_memory(struct rte_ims_wait *w)
{
	uint32_t n_bells = atomic_load_explicit(&w->n_bells, memory_order_acquire), i = 0, words;

	/* One line is what most sets have. */
	if (unlikely(n_bells != BELLS_PER_LINE)) {
		if (n_bells == 0)
			return 0;
		i = w->scan(w->bells, 0, n_bells);
		if (likely(i >= n_bells))
			return 0;
	}
	words = ims_bells_line(&w->bells[i]);
	return unlikely(words != 0) ? serve_lines(w, i, words, n_bells) : 0;
}

unsigned int
ims_wait_poll_memory(struct rte_ims_wait *w)
{
	return poll_memory(w);
}

/* An eventfd is drained before the handlers run, so that an event during them is seen again. */
static unsigned int
serve_eventfd(struct rte_ims_wait *w, uint32_t i)
{
	struct rte_ims_vec *vec = atomic_load(&w->entries[i].vec);

	if (vec == NULL)
		vec = ims_wait_missed(&w->entries[i]);
	if (vec == NULL || !ims_eventfd_take(vec->fd))
		return 0;
	if (unlikely(vec->mutable))
		ims_vec_audit_event(vec);
	run_vec(w, vec, late(vec, RTE_IMS_DELIVERY_EVENTFD));
	return 1;
}

static unsigned int
serve_cookie(struct rte_ims_wait *w, uint64_t cookie)
{
	struct wait_entry *entry = &w->entries[(uint32_t)cookie];
	struct rte_ims_vec *vec = atomic_load(&entry->vec);
	bool mine = atomic_load_explicit(&entry->gen, memory_order_relaxed) == cookie >> 32;

	if (vec == NULL && mine)
		vec = ims_wait_missed(entry);
	if (vec != NULL && mine) {
		run_vec(w, vec, late(vec, RTE_IMS_DELIVERY_EVENTFD));
		return 1;
	}
	ims_wait_add_to(&w->stray, 1);
	return 0;
}

/* There is more to read, which a loop around us that is edge-triggered has been told of already. */
static bool
source_has_more(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0;
}

/*
 * Messages that this thread reads from the transport itself: handlers first, then the replies. A
 * device that sends without end gets its turn like the others.
 */
static unsigned int
serve_source(struct rte_ims_wait *w, uint32_t i)
{
	struct wait_source *src = atomic_load(&w->sources[i]);
	unsigned int served = 0;
	int n;

	if (src == NULL)
		return 0;
	/*
	 * It stays: no vector is let go of in its own handler, and another thread waits for us.
	 * Also if all leave meanwhile, what has been read is served and answered here.
	 */
	w->batch_src = src;
	n = src->vfio->ops->source_read(src->vfio, w, w->batch, WAIT_BATCH);
	w->batch_n = RTE_MAX(n, 0);
	for (w->batch_next = 0; w->batch_next < w->batch_n;)
		served += serve_cookie(w, w->batch[w->batch_next++].cookie);
	if (n > 0)
		src->vfio->ops->source_ack(src->vfio, w->batch, n);
	w->batch_n = 0;
	w->batch_src = NULL;
	/*
	 * Not ours any more, or the end of a connection, which is readable for ever. Nobody closes
	 * it before we have left.
	 */
	if (n < 0 || (n == 0 && unlikely(atomic_load(&src->vfio->removed))))
		epoll_ctl(w->epfd, EPOLL_CTL_DEL, src->fd, NULL);
	else if (atomic_load(&w->fd_given) && source_has_more(src->fd))
		rte_ims_wait_wake(w);
	return served;
}

static int
epoll_ns(int epfd, struct epoll_event *ev, int n, int64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = timeout_ns / 1000000000,
		.tv_nsec = timeout_ns % 1000000000,
	};
	int rc;

	if (timeout_ns <= 0)
		return epoll_wait(epfd, ev, n, timeout_ns < 0 ? -1 : 0);
	rc = epoll_pwait2(epfd, ev, n, &ts, NULL);
	if (rc < 0 && errno == ENOSYS) /* before Linux 5.11: whole ms, not shorter than asked */
		rc = epoll_wait(epfd, ev, n, RTE_MIN((timeout_ns + 999999) / 1000000, INT32_MAX));
	return rc;
}

unsigned int
ims_wait_poll_fds(struct rte_ims_wait *w, int64_t timeout_ns, bool *woken)
{
	struct epoll_event ev[IMS_WAIT_EPOLL_BATCH];
	unsigned int served = 0;
	uint64_t count;
	int n, i;

	n = epoll_ns(w->epfd, ev, IMS_WAIT_EPOLL_BATCH, timeout_ns);
	if (n <= 0) {
		if (woken != NULL)
			*woken = n < 0; /* a signal */
		return 0;
	}
	/*
	 * What it tells of was set up before: the kernel sees to that, and this is how the language
	 * knows.
	 */
	(void)atomic_load_explicit(&w->n_fds, memory_order_acquire);
	if (!ims_wait_run_begin(w))
		return 0;
	rte_smp_mb();
	for (i = 0; i < n; i++) {
		if ((ev[i].data.u64 & ~(uint64_t)UINT32_MAX) == EV_ENTRY)
			served += serve_eventfd(w, (uint32_t)ev[i].data.u64);
		else if ((ev[i].data.u64 & ~(uint64_t)UINT32_MAX) == EV_SOURCE)
			served += serve_source(w, (uint32_t)ev[i].data.u64);
		else if ((ev[i].data.u64 & ~(uint64_t)UINT32_MAX) == EV_POLLED)
			served += ims_source_fired(
				w, (uint32_t)ev[i].data.u64, (ev[i].events & EPOLLIN) == 0);
		else if (woken != NULL && read(w->wake_fd, &count, sizeof(count)) > 0) {
			atomic_store(&w->woken, false);
			*woken = true;
		}
	}
	ims_wait_run_end(w, served);
	return served;
}

/*
 * Eventfds of vectors whose message points at memory now are in epoll as well. They are looked at
 * now and then: for a late event from before a switch, and for a device that is gone.
 */
unsigned int
ims_wait_poll_once(struct rte_ims_wait *w)
{
	uint64_t polls = atomic_load_explicit(&w->polls, memory_order_relaxed) + 1;
	unsigned int n = poll_memory(w) + ims_wait_poll_sources(w);

	atomic_store_explicit(&w->polls, polls, memory_order_relaxed);
	if (atomic_load_explicit(&w->n_eventfd, memory_order_relaxed) != 0 ||
		(unlikely(polls % LOOK_POLLS == 0) &&
			atomic_load_explicit(&w->n_fds, memory_order_relaxed) != 0))
		n += ims_wait_poll_fds(w, 0, NULL);
	return n;
}

int
rte_ims_wait_poll(struct rte_ims_wait *wait)
{
	unsigned int n;

	if (wait == NULL)
		return -EINVAL;
	n = ims_wait_poll_once(wait);
	if (n != 0)
		ims_wait_add_to(&wait->busy_polls, 1);
	return n;
}

int
rte_ims_wait_wake(struct rte_ims_wait *wait)
{
	const uint64_t one = 1;
	int err = errno; /* for signal handlers */

	if (wait == NULL)
		return -EINVAL;
	atomic_store(&wait->woken, true);
	/* A full counter is a wake-up already. */
	if (write(wait->wake_fd, &one, sizeof(one)) < 0)
		errno = err;
	return 0;
}

int
rte_ims_wait_fd(const struct rte_ims_wait *wait)
{
	if (wait == NULL)
		return -EINVAL;
	atomic_store((atomic_bool *)(uintptr_t)&wait->fd_given, true);
	return wait->epfd;
}

bool
ims_wait_runs_here(const struct rte_ims_wait *w)
{
	const struct rte_ims_wait *in;

	for (in = ims_wait_inside; in != NULL; in = in->outer)
		if (in == w)
			return true;
	return false;
}

bool
ims_vec_runs_here(const struct rte_ims_vec *vec)
{
	const struct rte_ims_wait *in;

	for (in = ims_wait_inside; in != NULL; in = in->outer)
		if (in->running == vec)
			return true;
	return false;
}

int
ims_wait_drain(struct rte_ims_wait *w)
{
	uint64_t epoch = atomic_load(&w->epoch);
	unsigned int spins = 0;
	int64_t end = 0;

	if ((epoch & 1) == 0 || ims_wait_runs_here(w))
		return 0;
	while (atomic_load_explicit(&w->epoch, memory_order_acquire) == epoch) {
		rte_pause();
		if (++spins < 1000)
			continue;
		if (end == 0)
			end = ims_now_ns() + (int64_t)ims_sync_timeout_ns;
		else if (ims_now_ns() > end)
			return -ETIMEDOUT;
		usleep(50);
	}
	return 0;
}

void
ims_wait_hold(struct rte_ims_wait *w)
{
	atomic_fetch_add(&w->n_drains, 1);
}

int
ims_wait_drain_held(struct rte_ims_wait *w)
{
	int rc = ims_wait_drain(w);

	atomic_fetch_sub(&w->n_drains, 1);
	return rc;
}

int
rte_ims_wait_sync(struct rte_ims_wait *wait)
{
	return wait != NULL ? ims_wait_drain(wait) : -EINVAL;
}
