/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Move a vector from one wait set to another, live. Its handlers never run in both: the new entry
 * is closed until the old set has been drained. What the device sends meanwhile stays where it is,
 * in the word or the eventfd, or is marked as missed by a poll that took it.
 *
 *   entry in the new set       all that can fail for want of room fails here, and nothing has
 *                              changed
 *   message -> new word        (MEMORY) from here on events go there; the old word gets no more
 *                              once the store says that the change is complete
 *   old entry emptied, drained what was in the old place has been served, or is found in it now
 *   new entry opened           a poll that takes the word before it sees the vector marks that
 *                              first and then looks again: so either it sees the vector, or we see
 *                              the mark
 *   left over -> new place     at worst once too often
 *
 * A handler that does not return in time leaves the vector on its way: the next call that concerns
 * it goes on from there, see ims_wait_settle(). tests/model/move.pml checks this protocol.
 */

#include <string.h>
#include <sys/epoll.h>

#include "ims_trace.h"
#include "ims_wait_private.h"

struct move {
	struct rte_ims_vec *vec;
	struct rte_ims_wait *from;
	struct rte_ims_wait *to;
	uint32_t entry; /* in to */
	bool memory;
	struct rte_ims_msg msg;
};

static atomic_uint *
counter_of(const struct move *m)
{
	return m->memory ? &m->to->n_memory : &m->to->n_eventfd;
}

static int
take_locked(struct move *m)
{
	int64_t i;
	int rc = 0;

	i = ims_wait_entry_take_locked(m->to);
	if (i < 0)
		return i;
	m->entry = i;
	if (m->vec->watched)
		rc = ims_wait_fd_watch_locked(m->to, m->vec, m->entry);
	if (rc != 0) {
		ims_wait_entry_give_locked(m->to, m->entry, false);
		return rc;
	}
	if (m->memory)
		ims_wait_word_locked(m->to, m->entry, &m->msg);
	atomic_fetch_add(counter_of(m), 1);
	return 0;
}

static int
move_take(struct move *m)
{
	int rc;

	pthread_mutex_lock(&m->to->lock);
	rc = take_locked(m);
	pthread_mutex_unlock(&m->to->lock);
	return rc;
}

/* unsafe: the device may still write to the entry's word. */
static void
move_give(struct move *m, bool unsafe)
{
	pthread_mutex_lock(&m->to->lock);
	atomic_fetch_sub(counter_of(m), 1);
	if (m->vec->watched)
		ims_wait_fd_unwatch_locked(m->to, m->vec);
	ims_wait_entry_give_locked(m->to, m->entry, unsafe);
	pthread_mutex_unlock(&m->to->lock);
}

/*
 * A change that may or may not have happened is made undone. If that is in doubt as well, both
 * words may be written: handlers run for the new one when a later change succeeds.
 */
static int
move_message(struct move *m)
{
	struct rte_ims_vec *vec = m->vec;
	struct rte_ims_msg old = vec->msg;
	int rc;

	rc = ims_vec_retarget_locked(vec, &m->msg);
	if (rc != 0 && vec->doubt && ims_vec_retarget_locked(vec, &old) == 0)
		ims_vec_kick_locked(vec);
	return rc;
}

/* From here on it is in no set, but on its way to one. */
static void
move_leave(struct move *m)
{
	struct rte_ims_vec *vec = m->vec;

	pthread_mutex_lock(&m->from->lock);
	/* In this order: see ims_obj.c. */
	atomic_store(&vec->left, m->from);
	vec->n_left++;
	vec->left_entry = vec->entry;
	vec->left_unsafe = false;
	atomic_store(&vec->wait, NULL);
	ims_wait_count_locked(m->from, vec, false, false);
	if (vec->watched) {
		ims_wait_fd_unroute_locked(m->from, vec);
		ims_wait_fd_unwatch_locked(m->from, vec);
	}
	atomic_store(&m->from->entries[vec->left_entry].vec, NULL);
	/* Called from a handler, events already read may lie ahead of it: assume one. */
	if (ims_wait_runs_here(m->from))
		vec->carry = true;
	pthread_mutex_unlock(&m->from->lock);
	vec->entry = m->entry;
	vec->in_memory = m->memory; /* counted by move_take() */
	vec->in_eventfd = !m->memory;
	vec->moving_to = m->to;
}

/* The old set has been drained. */
static void
open_locked(struct rte_ims_vec *vec)
{
	struct rte_ims_wait *to = vec->moving_to;
	struct wait_entry *entry = &to->entries[vec->entry];
	bool memory = vec->delivery == RTE_IMS_DELIVERY_MEMORY;

	vec->moving_to = NULL;
	atomic_store(&vec->wait, to);
	pthread_mutex_lock(&to->lock);
	atomic_store(&entry->vec, vec);
	if (vec->watched)
		ims_wait_fd_route_locked(to, vec);
	if (atomic_exchange(&entry->missed, false))
		vec->carry = true;
	ims_wait_carried_locked(to, vec);
	pthread_mutex_unlock(&to->lock);
	ims_wait_policy_follow_locked(to, vec);
	/* A sleeping thread must learn of memory to look at, also if the policy has switched it. */
	if (memory || vec->delivery == RTE_IMS_DELIVERY_MEMORY)
		rte_ims_wait_wake(to);
}

int
ims_wait_settle(struct rte_ims_vec *vec)
{
	struct rte_ims_wait *left;
	uint64_t n_left;
	int rc;

	if (atomic_load(&vec->left) == NULL)
		return 0;
	if (ims_vec_runs_here(vec))
		return -EDEADLK;
	/*
	 * Under the lock: `left` is stored before the entry is emptied, and a drain must come
	 * after.
	 */
	pthread_mutex_lock(&vec->dev->lock);
	left = atomic_load(&vec->left);
	n_left = vec->n_left;
	/* Another thread may let go of its entry, the last one, while we wait. */
	if (left != NULL)
		ims_wait_hold(left);
	pthread_mutex_unlock(&vec->dev->lock);
	if (left == NULL)
		return 0;
	rc = ims_wait_drain_held(left);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&vec->dev->lock);
	/*
	 * Another thread may have been here meanwhile, and the vector may have left the same set
	 * again.
	 */
	if (atomic_load(&vec->left) == left && vec->n_left == n_left) {
		ims_wait_left_locked(vec);
		if (vec->moving_to != NULL)
			open_locked(vec);
	}
	pthread_mutex_unlock(&vec->dev->lock);
	return 0;
}

bool
ims_wait_bound_for(const struct rte_ims_vec *vec, const struct rte_ims_wait *wait)
{
	bool is;

	pthread_mutex_lock(&vec->dev->lock);
	is = vec->wait == wait || vec->moving_to == wait;
	pthread_mutex_unlock(&vec->dev->lock);
	return is;
}

static int
move_begin_locked(struct move *m)
{
	struct rte_ims_vec *vec = m->vec;
	int rc;

	/* In doubt, an EVENTFD vector may send to its word in the old set. */
	rc = vec->doubt ? ims_vec_deliver_locked(vec, vec->delivery) : 0;
	if (rc != 0)
		return rc;
	m->memory = vec->delivery == RTE_IMS_DELIVERY_MEMORY;
	rc = move_take(m);
	if (rc != 0)
		return rc;
	rc = m->memory ? move_message(m) : 0;
	if (rc != 0)
		move_give(m, vec->doubt);
	else
		move_leave(m);
	return rc;
}

static int
move_check(const struct rte_ims_vec *vec)
{
	if (vec->own_fd)
		return -EINVAL;
	if (vec->stopped || vec->left != NULL)
		return -EBUSY;
	if (vec->wait == NULL)
		return -ENOENT;
	return ims_vec_runs_here(vec) ? -EDEADLK : 0;
}

int
rte_ims_wait_move(struct rte_ims_wait *to, struct rte_ims_vec *vec)
{
	struct move m = { .vec = vec, .to = to };
	int rc;

	if (to == NULL || vec == NULL)
		return -EINVAL;
	rc = ims_wait_settle(vec);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&vec->dev->lock);
	m.from = vec->wait;
	rc = move_check(vec);
	if (rc == 0 && m.from != to)
		rc = move_begin_locked(&m);
	pthread_mutex_unlock(&vec->dev->lock);
	if (rc != 0 || m.from == to)
		return rc;
	rc = ims_wait_settle(vec);
	ims_trace_wait_move(to->name, vec->id, rc);
	return rc;
}
