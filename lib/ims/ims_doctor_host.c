/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The doctor's look at what is in this process: eventfd, wait set, the thread that serves it,
 * objects.
 */

#include <string.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "ims_doctor.h"

#define EVENTFD_MAX 0xfffffffffffffffeull

static int
compare_fd(const void *fd, const void *pair)
{
	int a = *(const int *)fd, b = ((const struct ims_epoll_pair *)pair)->fd;

	return (a > b) - (a < b);
}

/* Of the snapshot: the first pair of a descriptor, NULL: no epoll instance watches it. */
static const struct ims_epoll_pair *
first_pair(const struct doctor *d, int fd)
{
	const struct ims_epoll_pair *pair;

	pair = d->n_pairs == 0 ? NULL
	                       : bsearch(&fd, d->pairs, d->n_pairs, sizeof(*pair), compare_fd);
	while (pair != NULL && pair > d->pairs && pair[-1].fd == fd)
		pair--;
	return pair;
}

/* An epoll instance, but for that of its own set, that watches the vector's eventfd; -1. */
static int
other_watcher(const struct doctor *d, int fd, int epfd)
{
	const struct ims_epoll_pair *pair = first_pair(d, fd), *end = d->pairs + d->n_pairs;

	for (; pair != NULL && pair < end && pair->fd == fd; pair++)
		if (pair->epfd != epfd)
			return pair->epfd;
	return -1;
}

static void
eventfd_unusable(struct doctor_case *c, int rc)
{
	if (rc != -EBADF && rc != -EINVAL) {
		ims_doctor_none(c, RTE_IMS_LINK_EVENTFD, "descriptor %d cannot be looked at: %s",
			c->vec->fd, rte_strerror(-rc));
		return;
	}
	ims_doctor_broken(c, RTE_IMS_LINK_EVENTFD, "descriptor %d %s", c->vec->fd,
		rc == -EBADF ? "has been closed by someone else"
			     : "is not an eventfd any more: someone has closed it");
	ims_doctor_todo(c, RTE_IMS_LINK_EVENTFD,
		"find who closes descriptors that are not his; free the vector and allocate it again");
}

static void
check_eventfd_locked(struct doctor_case *c)
{
	const struct rte_ims_wait *w = ims_doctor_wait(c->vec);
	const struct rte_ims_vec *vec = c->vec;
	uint64_t count = 0;
	int rc, other;

	if (vec->delivery == RTE_IMS_DELIVERY_MEMORY) {
		ims_doctor_none(c, RTE_IMS_LINK_EVENTFD, "it is delivered to memory");
		return;
	}
	rc = ims_fd_count(vec->fd, &count);
	other = w != NULL ? other_watcher(c->doctor, vec->fd, w->epfd) : -1;
	if (rc != 0) {
		eventfd_unusable(c, rc);
	} else if (count >= EVENTFD_MAX) {
		ims_doctor_broken(c, RTE_IMS_LINK_EVENTFD,
			"descriptor %d is full: nobody has read it", vec->fd);
		ims_doctor_todo(c, RTE_IMS_LINK_EVENTFD, "%s",
			ims_doctor_is_callers(vec) ? "read it: it is the application's"
						   : "see wait and thread");
	} else if (other >= 0) {
		ims_doctor_broken(c, RTE_IMS_LINK_EVENTFD,
			"epoll instance %d watches descriptor %d too, and may take its events",
			other, vec->fd);
		ims_doctor_todo(c, RTE_IMS_LINK_EVENTFD,
			"leave it to the wait set, or take the vector out of that");
	} else {
		ims_doctor_ok(c, RTE_IMS_LINK_EVENTFD,
			"descriptor %d, %" PRIu64 " waiting, read by %s", vec->fd, count,
			ims_doctor_is_callers(vec) ? "the application"
			: w != NULL                ? w->name
						   : "nobody: see wait");
	}
}

static bool
is_armed(const struct ims_epoll_pair *pairs, int n, int epfd, int fd)
{
	int i;

	for (i = 0; i < n; i++)
		if (pairs[i].epfd == epfd && pairs[i].fd == fd && (pairs[i].events & EPOLLIN) != 0)
			return true;
	return false;
}

/*
 * Is the eventfd in the epoll instance, and armed? The kernel is asked, not our books: first what
 * it has said once for all vectors, and again if it was not there then. The set's own wake-up is
 * always in it: one that has nothing is one of a kernel that does not tell.
 */
static bool
is_watched(const struct doctor *d, const struct rte_ims_wait *w, int fd)
{
	const struct ims_epoll_pair *pair = first_pair(d, fd), *end = d->pairs + d->n_pairs;
	struct ims_epoll_pair *pairs;
	bool found;
	int n;

	for (; pair != NULL && pair < end && pair->fd == fd; pair++)
		if (is_armed(pair, 1, w->epfd, fd))
			return true;
	n = ims_epoll_pairs(w->epfd, &pairs);
	found = is_armed(pairs, n, w->epfd, fd);
	free(pairs);
	return found || n <= 0;
}

static void
wait_of_none(struct doctor_case *c)
{
	if (c->vec->left != NULL) {
		ims_doctor_broken(
			c, RTE_IMS_LINK_WAIT, "it is leaving a set whose handler has not returned");
		ims_doctor_todo(c, RTE_IMS_LINK_WAIT, "find what that handler waits for");
	} else {
		ims_doctor_broken(c, RTE_IMS_LINK_WAIT, "it is in no wait set");
		ims_doctor_todo(c, RTE_IMS_LINK_WAIT, "rte_ims_wait_add()");
	}
}

/* The set that it moves to does not run its handlers before the old one has been drained. */
static void
wait_of_moving(struct doctor_case *c, const struct rte_ims_wait *w)
{
	ims_doctor_broken(c, RTE_IMS_LINK_WAIT,
		"it is on its way to %s: a handler in the set that it leaves has not returned",
		w->name);
	ims_doctor_todo(c, RTE_IMS_LINK_WAIT,
		"find what that handler waits for, then call rte_ims_wait_move() again");
}

static void
wait_of_set(struct doctor_case *c, struct rte_ims_wait *w)
{
	struct rte_ims_vec *vec = c->vec;
	bool memory = vec->delivery == RTE_IMS_DELIVERY_MEMORY, looks;

	pthread_mutex_lock(&w->lock);
	looks = atomic_load(&w->entries[vec->entry].vec) == vec &&
	        (memory ? atomic_load(&w->n_memory) != 0 && vec->entry < atomic_load(&w->n_bells)
			: atomic_load(&w->n_eventfd) != 0 && is_watched(c->doctor, w, vec->fd));
	pthread_mutex_unlock(&w->lock);
	if (looks && memory) {
		ims_doctor_ok(
			c, RTE_IMS_LINK_WAIT, "%s scans its word, number %u", w->name, vec->entry);
	} else if (looks) {
		ims_doctor_ok(c, RTE_IMS_LINK_WAIT, "%s watches its eventfd%s", w->name,
			vec->dev->source_wait == w ? ", and reads the device's socket itself" : "");
	} else if (c->diag->links[RTE_IMS_LINK_EVENTFD].verdict == RTE_IMS_VERDICT_BROKEN) {
		ims_doctor_none(
			c, RTE_IMS_LINK_WAIT, "%s, without its eventfd: see eventfd", w->name);
	} else {
		ims_doctor_broken(c, RTE_IMS_LINK_WAIT, "%s does not look at %s", w->name,
			memory ? "its word"
			       : "its eventfd: it was closed, or taken out, by someone");
		ims_doctor_todo(c, RTE_IMS_LINK_WAIT, "rte_ims_wait_del() and rte_ims_wait_add()");
	}
}

static void
check_wait_locked(struct doctor_case *c)
{
	struct rte_ims_vec *vec = c->vec;

	if (ims_doctor_is_callers(vec))
		ims_doctor_none(c, RTE_IMS_LINK_WAIT, "the application reads its eventfd");
	else if (vec->wait != NULL)
		wait_of_set(c, vec->wait);
	else if (vec->moving_to != NULL)
		wait_of_moving(c, vec->moving_to);
	else
		wait_of_none(c);
}

static void
thread_is_missing(struct doctor_case *c, const struct rte_ims_wait *w)
{
	bool idle = w->lcore >= 0 && w->lcore != (int)rte_get_main_lcore() &&
	            rte_eal_get_lcore_state(w->lcore) == WAIT;

	if (idle)
		ims_doctor_broken(c, RTE_IMS_LINK_THREAD,
			"nobody polls %s or sleeps on it: lcore %d runs nothing", w->name,
			w->lcore);
	else
		ims_doctor_broken(
			c, RTE_IMS_LINK_THREAD, "nobody polls %s or sleeps on it", w->name);
	ims_doctor_todo(c, RTE_IMS_LINK_THREAD,
		"call rte_ims_wait_poll() or rte_ims_wait_sleep() in a loop");
}

/* Its descriptor was handed out: another loop may watch that. Memory does not make it readable. */
static void
thread_is_elsewhere(
	struct doctor_case *c, const struct rte_ims_wait *w, const struct doctor_watch *watch)
{
	if (c->vec->delivery == RTE_IMS_DELIVERY_MEMORY) {
		ims_doctor_broken(c, RTE_IMS_LINK_THREAD,
			"nobody polls %s, and memory does not make its descriptor readable",
			w->name);
		ims_doctor_todo(c, RTE_IMS_LINK_THREAD,
			"deliver to eventfds, RTE_IMS_POLICY_INTERRUPT for example, or poll the set");
	} else if (watch->readable) {
		ims_doctor_broken(c, RTE_IMS_LINK_THREAD,
			"the descriptor of %s is readable, and nobody serves it", w->name);
		ims_doctor_todo(c, RTE_IMS_LINK_THREAD,
			"have the loop around it call rte_ims_wait_sleep(wait, 0)");
	} else {
		ims_doctor_ok(c, RTE_IMS_LINK_THREAD,
			"another loop has the descriptor of %s, nothing waits in it", w->name);
	}
}

static void
thread_of_set(struct doctor_case *c, const struct rte_ims_wait *w)
{
	const struct doctor_watch *watch = ims_doctor_watch_of(c->doctor, w);

	if (watch == NULL) {
		ims_doctor_none(c, RTE_IMS_LINK_THREAD, "it has just come into %s", w->name);
	} else if (watch->stuck) {
		ims_doctor_broken(c, RTE_IMS_LINK_THREAD,
			"a handler of %s has not returned for a second", w->name);
		ims_doctor_todo(
			c, RTE_IMS_LINK_THREAD, "a handler must not wait: find what it waits for");
	} else if (watch->asleep) {
		ims_doctor_ok(c, RTE_IMS_LINK_THREAD, "one sleeps on %s", w->name);
	} else if (watch->moved) {
		ims_doctor_ok(c, RTE_IMS_LINK_THREAD, "one polls %s", w->name);
	} else if (atomic_load(&w->fd_given)) {
		thread_is_elsewhere(c, w, watch);
	} else {
		thread_is_missing(c, w);
	}
}

static void
check_thread_locked(struct doctor_case *c)
{
	if (ims_doctor_is_callers(c->vec))
		ims_doctor_none(c, RTE_IMS_LINK_THREAD, "the application's");
	else if (c->vec->wait == NULL)
		ims_doctor_none(c, RTE_IMS_LINK_THREAD, "it is in no wait set: see wait");
	else
		thread_of_set(c, c->vec->wait);
}

static void
check_objects_locked(struct doctor_case *c)
{
	bool demux = atomic_load(&c->vec->demux) != NULL;
	uint32_t n = ims_vec_count_objs(c->vec);

	if (ims_doctor_is_callers(c->vec)) {
		ims_doctor_none(c, RTE_IMS_LINK_OBJECTS, "the application reads its eventfd");
	} else if (n == 0 && !demux) {
		ims_doctor_broken(c, RTE_IMS_LINK_OBJECTS,
			"no object is attached: %" PRIu64 " events went to nobody",
			c->diag->stats.unhandled);
		ims_doctor_todo(c, RTE_IMS_LINK_OBJECTS, "rte_ims_vec_attach()");
	} else {
		ims_doctor_ok(c, RTE_IMS_LINK_OBJECTS, "%u, %s; events so far: %" PRIu64, n,
			demux ? "found by an event queue" : "all are run", c->diag->stats.events);
	}
}

void
ims_doctor_host_links_locked(struct doctor_case *c)
{
	check_eventfd_locked(c);
	check_wait_locked(c);
	check_thread_locked(c);
	check_objects_locked(c);
}
