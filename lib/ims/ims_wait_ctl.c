/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Wait sets, the control path: vectors come and go while the set's thread polls or sleeps.
 *
 * Coming: the entry is ready before the device can send to it. Going: the device is silent (mask
 * and flush), then the entry is emptied, then the set is drained; what arrived in between is
 * remembered in the vector (carry) and delivered again where it goes next. A word that a device
 * without an answer may still write to is given to nobody else.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_string_fns.h>

#include "ims_eventfd.h"
#include "ims_trace.h"
#include "ims_wait_private.h"

static uint64_t
cookie_of(const struct rte_ims_wait *w, uint32_t i)
{
	return (uint64_t)atomic_load(&w->entries[i].gen) << 32 | i;
}

int64_t
ims_wait_entry_take_locked(struct rte_ims_wait *w)
{
	struct wait_entry *entry;
	uint32_t i, gen;

	for (i = w->first_free; i < w->max_vecs; i++)
		if (!w->entries[i].used)
			break;
	w->first_free = i;
	if (i == w->max_vecs)
		return -ENOSPC;
	entry = &w->entries[i];
	entry->used = true;
	gen = (atomic_load(&entry->gen) + 1) & ~BELL_OURS;
	atomic_store(&entry->gen, gen != 0 ? gen : 1);
	atomic_store(&entry->missed, false);
	atomic_store(&w->bells[i], 0);
	w->n_used++;
	if (w->n_entries <= i)
		w->n_entries = i + 1;
	return i;
}

/* Polls look at this entry's word from now on. */
static void
bells_grow_locked(struct rte_ims_wait *w, uint32_t i)
{
	uint32_t end = RTE_ALIGN_CEIL(i + 1, BELLS_PER_LINE);

	if (atomic_load(&w->n_bells) < end)
		atomic_store(&w->n_bells, end);
}

/*
 * Lines of words at the end that nobody has are not looked at any more: polls cost what is in use.
 */
static void
bells_shrink_locked(struct rte_ims_wait *w)
{
	uint32_t end = atomic_load(&w->n_bells), i;

	while (end != 0) {
		for (i = end - BELLS_PER_LINE; i < end && i < w->max_vecs; i++)
			if (w->entries[i].used)
				break;
		if (i < end && i < w->max_vecs)
			break;
		end -= BELLS_PER_LINE;
	}
	atomic_store(&w->n_bells, end);
}

void
ims_wait_entry_give_locked(struct rte_ims_wait *w, uint32_t i, bool unsafe)
{
	w->n_used--;
	if (unsafe) {
		w->unsafe = true;
		return;
	}
	w->entries[i].used = false;
	w->first_free = RTE_MIN(w->first_free, i);
	if (i + BELLS_PER_LINE >= atomic_load(&w->n_bells))
		bells_shrink_locked(w);
}

void
ims_wait_word_locked(struct rte_ims_wait *w, uint32_t i, struct rte_ims_msg *msg)
{
	ims_wait_word(w, i, msg);
	bells_grow_locked(w, i);
}

void
ims_wait_ring_locked(struct rte_ims_wait *w, uint32_t i)
{
	/* Beside the device's word, or alone: then the event is one of ours. */
	atomic_fetch_or(&w->bells[i], BELL_OURS);
}

static void
count_one(atomic_uint *counter, bool *counted, bool count)
{
	if (count && !*counted)
		atomic_fetch_add(counter, 1);
	else if (!count && *counted)
		atomic_fetch_sub(counter, 1);
	*counted = count;
}

/* Up before down: in between both ends are watched, never none. */
void
ims_wait_count_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec, bool memory, bool eventfd)
{
	if (memory)
		count_one(&w->n_memory, &vec->in_memory, true);
	count_one(&w->n_eventfd, &vec->in_eventfd, eventfd);
	if (!memory)
		count_one(&w->n_memory, &vec->in_memory, false);
}

void
ims_wait_count_delivery_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	bool memory = vec->delivery == RTE_IMS_DELIVERY_MEMORY;

	ims_wait_count_locked(w, vec, memory, !memory);
}

void
ims_wait_recount_locked(struct rte_ims_vec *vec)
{
	struct rte_ims_wait *w = vec->wait != NULL ? vec->wait : vec->moving_to;

	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	ims_wait_count_delivery_locked(w, vec);
	pthread_mutex_unlock(&w->lock);
}

static int
memory_enter_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	struct rte_ims_msg msg;
	int rc;

	ims_wait_word_locked(w, vec->entry, &msg);
	rc = ims_vec_silence_locked(vec);
	if (rc == 0)
		rc = ims_vec_message_locked(vec, &msg);
	if (rc != 0)
		return rc;
	/* What it was sent while its message reached the eventfd, and in no set. */
	if (vec->fd >= 0 && ims_eventfd_take(vec->fd))
		vec->carry = true;
	return 0;
}

/* The kernel's irq behind an eventfd goes where the eventfd is read. */
static void
set_affinity(const struct rte_ims_wait *w, const struct rte_ims_vec *vec)
{
	const struct rte_ims_store *store = vec->lender != NULL ? vec->lender : vec->store;
	uint32_t slot = vec->lender != NULL ? vec->lender_slot : vec->slot;
	const char *bdf = ims_dev_bdf(vec->dev);

	/* A copy of a message that changes with the CPU stays where it is. */
	if (w->cpu >= 0 && bdf != NULL && store->lend != NULL && !vec->mutable)
		ims_irq_set_cpu(bdf, store->type == RTE_IMS_STORE_MSIX, slot, w->cpu);
}

int
ims_wait_irq_set(const struct rte_ims_wait *wait, const char *bdf, bool msix, uint32_t vector)
{
	return wait->cpu < 0 ? -ENOTSUP : ims_irq_set_cpu(bdf, msix, vector, wait->cpu);
}

int
ims_wait_fd_watch_locked(struct rte_ims_wait *w, const struct rte_ims_vec *vec, uint32_t entry)
{
	struct epoll_event ev = { .data.u64 = EV_ENTRY | entry };

	atomic_fetch_add(&w->n_fds, 1);
	if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, vec->fd, &ev) == 0)
		return 0;
	atomic_fetch_sub(&w->n_fds, 1);
	return -errno;
}

void
ims_wait_fd_unwatch_locked(struct rte_ims_wait *w, const struct rte_ims_vec *vec)
{
	epoll_ctl(w->epfd, EPOLL_CTL_DEL, vec->fd, NULL);
	atomic_fetch_sub(&w->n_fds, 1);
}

void
ims_wait_fd_route_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	struct ims_vfio_sink sink = {
		.fd = vec->fd,
		.reader = w,
		.cookie = cookie_of(w, vec->entry),
	};
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = EV_ENTRY | vec->entry };
	struct ims_vfio_msg msg = { .addr = vec->fd_msg.addr, .data = vec->fd_msg.data };

	epoll_ctl(w->epfd, EPOLL_CTL_MOD, vec->fd, &ev);
	set_affinity(w, vec);
	if (vec->msg_fd) {
		vec->dev->vfio->ops->msg_retarget(vec->dev->vfio, &msg, &sink);
		ims_wait_source_add_locked(w, vec->dev);
	}
}

int
ims_wait_fd_enter_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	int rc;

	rc = ims_wait_fd_watch_locked(w, vec, vec->entry);
	vec->watched = rc == 0;
	if (rc == 0)
		ims_wait_fd_route_locked(w, vec);
	return rc;
}

void
ims_wait_fd_unroute_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	struct ims_vfio_sink sink = { .fd = vec->fd };
	struct ims_vfio_msg msg = { .addr = vec->fd_msg.addr, .data = vec->fd_msg.data };

	if (vec->msg_fd) {
		vec->dev->vfio->ops->msg_retarget(vec->dev->vfio, &msg, &sink);
		vec->left_source = ims_wait_source_leave_locked(w, vec->dev);
	}
}

static void
fd_leave_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	if (!vec->watched)
		return;
	ims_wait_fd_unroute_locked(w, vec);
	ims_wait_fd_unwatch_locked(w, vec);
	vec->watched = false;
}

static void
memory_leave_locked(struct rte_ims_vec *vec)
{
	vec->msg_valid = false;
	ims_export_revoke_locked(vec);
}

void
ims_wait_carried_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	if (!vec->carry)
		return;
	vec->carry = false;
	if (vec->delivery == RTE_IMS_DELIVERY_MEMORY)
		ims_wait_ring_locked(w, vec->entry);
	else if (!ims_eventfd_signal(vec->fd))
		IMS_LOG(ERR, "%s: cannot signal its eventfd", vec->name);
}

void
ims_vec_kick_locked(struct rte_ims_vec *vec)
{
	vec->carry = true;
	if (vec->wait != NULL) {
		pthread_mutex_lock(&vec->wait->lock);
		ims_wait_carried_locked(vec->wait, vec);
		pthread_mutex_unlock(&vec->wait->lock);
	} else if (vec->fd >= 0 && ims_eventfd_signal(vec->fd)) {
		vec->carry = false;
	}
}

void
ims_vec_kick(struct rte_ims_vec *vec)
{
	pthread_mutex_lock(&vec->dev->lock);
	ims_vec_kick_locked(vec);
	pthread_mutex_unlock(&vec->dev->lock);
}

/*
 * Both ends that it has: an eventfd stays in epoll while the message points at memory. The entry is
 * closed and the device silent, or its events are in the eventfd.
 */
static int
ends_enter_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	int rc = 0;

	if (vec->fd >= 0)
		rc = ims_wait_fd_enter_locked(w, vec);
	if (rc != 0 || vec->delivery != RTE_IMS_DELIVERY_MEMORY)
		return rc;
	rc = memory_enter_locked(w, vec);
	if (rc != 0)
		fd_leave_locked(w, vec);
	return rc;
}

static int
enter_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	int64_t i;
	int rc;

	i = ims_wait_entry_take_locked(w);
	if (i < 0)
		return i;
	vec->entry = i;
	rc = ends_enter_locked(w, vec);
	if (rc != 0) {
		/* A poll may have seen its eventfd or its source: it is on its way out. */
		vec->left_entry = i;
		vec->left_unsafe = false;
		vec->n_left++;
		atomic_store(&vec->left, w);
		return rc;
	}
	ims_wait_count_delivery_locked(w, vec);
	atomic_store(&vec->wait, w);
	atomic_store(&w->entries[i].vec, vec);
	if (atomic_exchange(&w->entries[i].missed, false))
		vec->carry = true;
	return 0;
}

/* A vector that cannot have the delivery that the policy wants keeps its own. */
void
ims_wait_policy_follow_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	enum rte_ims_delivery delivery;

	if (ims_wait_policy_delivery(w, &delivery))
		ims_vec_deliver_locked(vec, delivery);
}

/* Let the device send. On failure the vector is on its way out: ims_wait_settle(). */
static int
start_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	int rc;

	rc = ims_vec_apply_locked(vec);
	if (rc == 0 && vec->doubt)
		rc = ims_vec_deliver_locked(vec, vec->delivery);
	if (rc != 0) {
		ims_wait_leave_locked(vec);
		return rc;
	}
	pthread_mutex_lock(&w->lock);
	ims_wait_carried_locked(w, vec);
	pthread_mutex_unlock(&w->lock);
	ims_wait_policy_follow_locked(w, vec);
	return 0;
}

static int
add_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	int rc;

	if (vec->own_fd)
		return -EINVAL;
	if (vec->wait != NULL || vec->left != NULL || vec->stopped)
		return -EBUSY;
	pthread_mutex_lock(&w->lock);
	rc = enter_locked(w, vec);
	pthread_mutex_unlock(&w->lock);
	return rc == 0 ? start_locked(w, vec) : rc;
}

int
ims_wait_add_begin(struct rte_ims_wait *wait, struct rte_ims_vec *vec)
{
	bool memory;
	int rc;

	pthread_mutex_lock(&vec->dev->lock);
	memory = vec->delivery == RTE_IMS_DELIVERY_MEMORY;
	rc = add_locked(wait, vec);
	memory = memory || vec->delivery == RTE_IMS_DELIVERY_MEMORY;
	pthread_mutex_unlock(&vec->dev->lock);
	ims_trace_wait_add(wait->name, vec->id, rc);
	/* A sleeping thread must learn of memory to look at, also if the policy has switched it. */
	if (rc == 0 && memory)
		rte_ims_wait_wake(wait);
	return rc;
}

int
rte_ims_wait_add(struct rte_ims_wait *wait, struct rte_ims_vec *vec)
{
	int rc;

	if (wait == NULL || vec == NULL)
		return -EINVAL;
	rc = ims_wait_settle(vec);
	/* In its own handler, while another thread moves it or takes it out. */
	if (rc != 0)
		return rc == -EDEADLK ? -EBUSY : rc;
	rc = ims_wait_add_begin(wait, vec);
	if (rc != 0)
		ims_wait_settle(vec);
	return rc;
}

/* The device may go on writing to the word. */
static bool
word_unsafe(const struct rte_ims_vec *vec)
{
	return vec->in_memory && vec->slot_state != IMS_SLOT_MASKED &&
	       !atomic_load(&vec->dev->vfio->removed);
}

void
ims_wait_leave_locked(struct rte_ims_vec *vec)
{
	struct rte_ims_wait *w = vec->wait;

	/* An EVENTFD vector in doubt may have its word as destination: once more. */
	if (vec->doubt && !vec->stopped && vec->delivery == RTE_IMS_DELIVERY_EVENTFD)
		ims_vec_deliver_locked(vec, RTE_IMS_DELIVERY_EVENTFD);
	/* In this order: see ims_obj.c. */
	atomic_store(&vec->left, w);
	vec->n_left++;
	vec->left_entry = vec->entry;
	atomic_store(&vec->wait, NULL);
	/* MEMORY has lost its destination, so this masks; EVENTFD goes on into its eventfd. */
	ims_vec_apply_locked(vec);
	vec->left_unsafe = word_unsafe(vec);
	pthread_mutex_lock(&w->lock);
	if (vec->delivery == RTE_IMS_DELIVERY_MEMORY)
		memory_leave_locked(vec);
	ims_wait_count_locked(w, vec, false, false);
	fd_leave_locked(w, vec);
	atomic_store(&w->entries[vec->entry].vec, NULL);
	/* Called from a handler, events already read may lie ahead of it: assume one. */
	if (ims_wait_runs_here(w) || vec->left_unsafe)
		vec->carry = true;
	pthread_mutex_unlock(&w->lock);
}

void
ims_wait_left_locked(struct rte_ims_vec *vec)
{
	struct rte_ims_wait *w = vec->left;
	uint32_t i = vec->left_entry;
	bool carry;

	/* In this order: see ims_obj.c. */
	pthread_mutex_lock(&vec->obj_lock);
	atomic_store(&vec->left, NULL);
	pthread_mutex_unlock(&vec->obj_lock);
	pthread_mutex_lock(&w->lock);
	/*
	 * A poll that has begun since the set was drained may have taken the word already, and not
	 * have marked that yet: the epoch, looked at after the word and before the mark, tells.
	 */
	carry = atomic_exchange(&w->bells[i], 0) != 0;
	carry = (atomic_load(&w->epoch) & 1) != 0 || carry;
	if (atomic_exchange(&w->entries[i].missed, false) || carry)
		vec->carry = true;
	ims_wait_entry_give_locked(w, i, vec->left_unsafe);
	if (vec->left_source)
		ims_wait_source_left_locked(w, vec->dev);
	vec->left_source = false;
	pthread_mutex_unlock(&w->lock);
}

static int
del_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	if (vec->wait != w)
		return -ENOENT;
	if (ims_vec_runs_here(vec))
		return -EDEADLK;
	ims_wait_leave_locked(vec);
	return 0;
}

int
rte_ims_wait_del(struct rte_ims_wait *wait, struct rte_ims_vec *vec)
{
	bool leaving;
	int rc;

	if (wait == NULL || vec == NULL)
		return -EINVAL;
	pthread_mutex_lock(&vec->dev->lock);
	leaving = vec->left == wait && vec->moving_to == NULL;
	pthread_mutex_unlock(&vec->dev->lock);
	rc = ims_wait_settle(vec);
	if (rc != 0 || leaving)
		return rc;
	pthread_mutex_lock(&vec->dev->lock);
	rc = del_locked(wait, vec);
	pthread_mutex_unlock(&vec->dev->lock);
	if (rc == 0)
		rc = ims_wait_settle(vec);
	ims_trace_wait_del(wait->name, vec->id, rc);
	return rc;
}

int
rte_ims_wait_info_get(const struct rte_ims_wait *wait, struct rte_ims_wait_info *info)
{
	const struct wait_source *src;
	uint32_t i;

	if (wait == NULL || info == NULL)
		return -EINVAL;
	rte_strlcpy(info->name, wait->name, sizeof(info->name));
	info->max_vecs = wait->max_vecs;
	info->n_memory = atomic_load(&wait->n_memory);
	info->n_eventfd = atomic_load(&wait->n_eventfd);
	info->numa_node = wait->numa_node;
	info->reads_socket = false;
	pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)&wait->lock);
	info->n_sources = wait->n_sources;
	for (i = 0; i < WAIT_SOURCES; i++) {
		src = atomic_load(&wait->sources[i]);
		if (src != NULL && src->taken)
			info->reads_socket = true;
	}
	pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&wait->lock);
	return 0;
}
