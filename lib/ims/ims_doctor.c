/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Where does an interrupt get lost? All vectors of a device, link by link.
 *
 * Whether anyone serves a wait set is seen by its counters: they are noted, and looked at again
 * until they have moved or a second has gone. A set cannot be destroyed while a vector is in it,
 * and vectors leave their sets under dev->lock; so sets are reached through the device's vectors,
 * with that lock held, and it is let go between two looks.
 */

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_string_fns.h>

#include "ims_doctor.h"

#define LOOK_US 5000

static const char *const link_names[RTE_IMS_LINK_MAX] = {
	[RTE_IMS_LINK_DEVICE] = "device",
	[RTE_IMS_LINK_SLOT] = "slot",
	[RTE_IMS_LINK_MESSAGE] = "message",
	[RTE_IMS_LINK_FORMAT] = "format",
	[RTE_IMS_LINK_REMAPPING] = "remapping",
	[RTE_IMS_LINK_MASK] = "mask",
	[RTE_IMS_LINK_PENDING] = "pending",
	[RTE_IMS_LINK_IRQ] = "irq",
	[RTE_IMS_LINK_EVENTFD] = "eventfd",
	[RTE_IMS_LINK_WAIT] = "wait",
	[RTE_IMS_LINK_THREAD] = "thread",
	[RTE_IMS_LINK_OBJECTS] = "objects",
};

const char *
rte_ims_link_name(enum rte_ims_link link)
{
	return link < RTE_IMS_LINK_MAX ? link_names[link] : NULL;
}

static void
write_finding(struct doctor_case *c, enum rte_ims_link link, enum rte_ims_verdict verdict,
	const char *fmt, va_list ap)
{
	struct rte_ims_finding *f = &c->diag->links[link];

	f->verdict = verdict;
	vsnprintf(f->what, sizeof(f->what), fmt, ap);
	f->todo[0] = '\0';
}

void
ims_doctor_ok(struct doctor_case *c, enum rte_ims_link link, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_finding(c, link, RTE_IMS_VERDICT_OK, fmt, ap);
	va_end(ap);
}

void
ims_doctor_none(struct doctor_case *c, enum rte_ims_link link, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_finding(c, link, RTE_IMS_VERDICT_NONE, fmt, ap);
	va_end(ap);
}

void
ims_doctor_broken(struct doctor_case *c, enum rte_ims_link link, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_finding(c, link, RTE_IMS_VERDICT_BROKEN, fmt, ap);
	va_end(ap);
}

void
ims_doctor_todo(struct doctor_case *c, enum rte_ims_link link, const char *fmt, ...)
{
	struct rte_ims_finding *f = &c->diag->links[link];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->todo, sizeof(f->todo), fmt, ap);
	va_end(ap);
}

/* Vectors of a device in the order of their slots. */
struct cursor {
	struct rte_ims_store *store;
	uint32_t slot; /* to look at next */
};

static struct rte_ims_vec *
next_vec_locked(struct cursor *at)
{
	struct rte_ims_vec *vec = NULL;

	while (at->store != NULL && vec == NULL) {
		if (at->slot < at->store->n_slots) {
			vec = ims_store_vec(at->store, at->slot++);
		} else {
			at->store = TAILQ_NEXT(at->store, next);
			at->slot = 0;
		}
	}
	return vec;
}

static struct cursor
first_vec(const struct rte_ims_dev *dev)
{
	return (struct cursor){ .store = TAILQ_FIRST(&dev->stores) };
}

static bool
is_readable(const struct rte_ims_wait *w)
{
	struct pollfd pfd = { .fd = w->epfd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static void
watch_begin(struct doctor_watch *watch, const struct rte_ims_wait *w)
{
	watch->w = w;
	watch->polls = atomic_load(&w->polls);
	watch->events = atomic_load(&w->events);
	watch->sleeps = atomic_load(&w->sleeps);
	watch->epoch = atomic_load(&w->epoch);
	watch->stuck = (watch->epoch & 1) != 0;
	watch->readable = true;
}

/*
 * One more look. A thread that goes to sleep counts that before it blocks, and again when it is
 * back.
 */
static void
watch_look(struct doctor_watch *watch)
{
	const struct rte_ims_wait *w = watch->w;

	watch->moved = watch->moved || atomic_load(&w->polls) != watch->polls ||
	               atomic_load(&w->events) != watch->events ||
	               atomic_load(&w->sleeps) != watch->sleeps;
	watch->stuck = watch->stuck && atomic_load(&w->epoch) == watch->epoch;
	watch->asleep = atomic_load(&w->wakes) != atomic_load(&w->sleeps);
	watch->readable = watch->readable && is_readable(w);
}

/* Nothing more is to be learned of it. A thread asleep may be one that is in a handler. */
static bool
watch_done(const struct doctor_watch *watch)
{
	return !watch->stuck && (watch->moved || watch->asleep ||
					(!watch->readable && atomic_load(&watch->w->fd_given)));
}

const struct doctor_watch *
ims_doctor_watch_of(const struct doctor *d, const struct rte_ims_wait *w)
{
	unsigned int i;

	for (i = 0; i < d->n_watches; i++)
		if (d->watches[i].w == w)
			return &d->watches[i];
	return NULL;
}

static int
watch_add(struct doctor *d, const struct rte_ims_wait *w)
{
	struct doctor_watch *more;

	if (w == NULL || ims_doctor_watch_of(d, w) != NULL)
		return 0;
	more = realloc(d->watches, (d->n_watches + 1) * sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	d->watches = more;
	memset(&more[d->n_watches], 0, sizeof(*more));
	watch_begin(&more[d->n_watches++], w);
	return 0;
}

/* The sets of the vectors that are examined. */
static int
watches_begin(struct doctor *d, const struct rte_ims_vec *only)
{
	struct cursor at = first_vec(d->dev);
	const struct rte_ims_vec *vec;
	int rc = 0;

	pthread_mutex_lock(&d->dev->lock);
	while (rc == 0 && (vec = next_vec_locked(&at)) != NULL)
		if (only == NULL || vec == only)
			rc = watch_add(d, ims_doctor_wait(vec));
	pthread_mutex_unlock(&d->dev->lock);
	return rc;
}

/* A set that none of our vectors is in any more may be gone: it is not looked at. */
static bool
watches_look(struct doctor *d)
{
	struct cursor at = first_vec(d->dev);
	const struct rte_ims_vec *vec;
	const struct rte_ims_wait *w, *last = NULL;
	struct doctor_watch *watch;
	bool done = true;

	pthread_mutex_lock(&d->dev->lock);
	while ((vec = next_vec_locked(&at)) != NULL) {
		w = ims_doctor_wait(vec);
		if (w == NULL || w == last)
			continue;
		last = w;
		watch = (struct doctor_watch *)(uintptr_t)ims_doctor_watch_of(d, w);
		if (watch == NULL)
			continue;
		watch_look(watch);
		done = done && watch_done(watch);
	}
	pthread_mutex_unlock(&d->dev->lock);
	return done;
}

static void
watch_all(struct doctor *d)
{
	int64_t end = ims_now_ns() + (int64_t)DOCTOR_WATCH_NS;

	while (!watches_look(d) && ims_now_ns() < end)
		usleep(LOOK_US);
}

static void
examine_locked(struct doctor *d, struct rte_ims_vec *vec, struct rte_ims_diagnosis *diag)
{
	struct doctor_case c = { .doctor = d, .vec = vec, .diag = diag };
	unsigned int link;

	diag->id = vec->id;
	rte_strlcpy(diag->name, vec->name, sizeof(diag->name));
	rte_strlcpy(diag->store, vec->store->name, sizeof(diag->store));
	diag->slot = vec->slot;
	diag->delivery = vec->delivery;
	rte_ims_vec_stats_get(vec, &diag->stats);
	ims_doctor_dev_links_locked(&c);
	ims_doctor_host_links_locked(&c);
	for (link = 0; link < RTE_IMS_LINK_MAX; link++)
		if (diag->links[link].verdict == RTE_IMS_VERDICT_BROKEN)
			break;
	diag->broken = link;
}

/* Vectors come and go between two calls of fn: the cursor stands on a slot, not on a vector. */
static int
examine_all(struct doctor *d, const struct rte_ims_vec *only, rte_ims_doctor_t fn, void *arg)
{
	struct cursor at = first_vec(d->dev);
	struct rte_ims_diagnosis *diag;
	struct rte_ims_vec *vec;
	int n_broken = 0;

	diag = malloc(sizeof(*diag));
	if (diag == NULL)
		return -ENOMEM;
	do {
		memset(diag, 0, sizeof(*diag));
		pthread_mutex_lock(&d->dev->lock);
		do
			vec = next_vec_locked(&at);
		while (vec != NULL && only != NULL && vec != only);
		if (vec != NULL)
			examine_locked(d, vec, diag);
		pthread_mutex_unlock(&d->dev->lock);
		if (vec != NULL) {
			n_broken += diag->broken != RTE_IMS_LINK_MAX;
			fn(diag, arg);
		}
	} while (vec != NULL);
	free(diag);
	return n_broken;
}

int
rte_ims_dev_doctor(
	struct rte_ims_dev *dev, const struct rte_ims_vec *vec, rte_ims_doctor_t fn, void *arg)
{
	struct doctor d = { .dev = dev };
	int rc;

	if (dev == NULL || fn == NULL || (vec != NULL && vec->dev != dev))
		return -EINVAL;
	d.n_pairs = ims_epoll_pairs(-1, &d.pairs);
	rc = d.n_pairs < 0 ? d.n_pairs : watches_begin(&d, vec);
	if (rc == 0) {
		watch_all(&d);
		if (ims_dev_bdf(dev) != NULL)
			ims_irqs_read(&d.irqs);
		rc = examine_all(&d, vec, fn, arg);
	}
	free(d.watches);
	free(d.pairs);
	free(d.irqs);
	return rc;
}
