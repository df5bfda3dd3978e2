/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Wait sets, the control path: vectors come and go while the set's thread polls or sleeps.
 *
 * Coming: the entry is ready before the device can send to it. Going: the device is silent (mask
 * and flush), then the entry is emptied, then the set is drained; what arrived in between is
 * remembered in the vector (carry) and delivered again where it goes next.
 *
 * Who reads a transport's message source: the set that has all of the device's message eventfds,
 * else the transport's own thread, see ims_wait_source_check_locked().
 */

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <rte_string_fns.h>

#include "ims_wait_private.h"

static uint64_t
cookie_of(const struct rte_ims_wait *w, uint32_t i)
{
	return (uint64_t)atomic_load(&w->entries[i].gen) << 32 | i;
}

static int64_t
entry_take_locked(struct rte_ims_wait *w)
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

/* Lines of words at the end that nobody has are not looked at any more: polls cost what is in use. */
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

static void
entry_give_locked(struct rte_ims_wait *w, uint32_t i)
{
	w->entries[i].used = false;
	w->n_used--;
	w->first_free = RTE_MIN(w->first_free, i);
	if (i + BELLS_PER_LINE >= atomic_load(&w->n_bells))
		bells_shrink_locked(w);
}

static struct wait_source *
source_find_locked(struct rte_ims_wait *w, const struct rte_ims_dev *dev, uint32_t *slot)
{
	struct wait_source *src;
	uint32_t i;

	*slot = WAIT_SOURCES;
	for (i = 0; i < WAIT_SOURCES; i++) {
		src = atomic_load(&w->sources[i]);
		if (src != NULL && src->dev == dev) {
			*slot = i;
			return src;
		}
		if (src == NULL && *slot == WAIT_SOURCES)
			*slot = i;
	}
	return NULL;
}

static void
source_update_locked(struct rte_ims_wait *w, struct wait_source *src, uint32_t slot)
{
	bool want = src->n_vecs != 0 && src->n_vecs == src->dev->n_msg_fds;
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = EV_SOURCE | slot };

	if (want == src->taken)
		return;
	if (!want) {
		epoll_ctl(w->epfd, EPOLL_CTL_DEL, src->fd, NULL);
		src->vfio->ops->source_give(src->vfio, w);
		src->taken = false;
		src->dev->source_wait = NULL;
		return;
	}
	src->fd = src->vfio->ops->source_take(src->vfio, w);
	if (src->fd < 0)
		return;
	if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, src->fd, &ev) < 0) {
		src->vfio->ops->source_give(src->vfio, w);
		return;
	}
	src->taken = true;
	src->dev->source_wait = w;
}

/* One more (by = 1) or one less (by = -1) message eventfd of a device in the set. */
static void
source_count_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev, int by)
{
	struct wait_source *src;
	uint32_t slot;

	if (dev->vfio->ops->source_take == NULL)
		return;
	src = source_find_locked(w, dev, &slot);
	if (src == NULL) {
		if (by < 0 || slot == WAIT_SOURCES)
			return; /* the transport's thread serves it */
		src = calloc(1, sizeof(*src));
		if (src == NULL)
			return;
		src->dev = dev;
		src->vfio = dev->vfio;
		atomic_store(&w->sources[slot], src);
	}
	src->n_vecs += by;
	dev->source_next = w;
	source_update_locked(w, src, slot);
}

/*
 * After the device's last vector has left and the set has been drained, nobody looks at the source
 * any more.
 */
static void
source_forget_locked(struct rte_ims_wait *w, struct rte_ims_dev *dev)
{
	struct wait_source *src;
	uint32_t slot;

	src = source_find_locked(w, dev, &slot);
	if (src == NULL || src->n_vecs != 0)
		return;
	atomic_store(&w->sources[slot], NULL);
	free(src);
	if (dev->source_next == w)
		dev->source_next = NULL;
}

/*
 * The device has one more message eventfd, which is in no set: its source is for all again. Or it
 * has one less, and the rest may all be in one set.
 */
void
ims_wait_source_check_locked(struct rte_ims_dev *dev)
{
	struct rte_ims_wait *w = dev->source_next;
	struct wait_source *src;
	uint32_t slot;

	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	src = source_find_locked(w, dev, &slot);
	if (src != NULL)
		source_update_locked(w, src, slot);
	pthread_mutex_unlock(&w->lock);
}

void
ims_wait_word_locked(struct rte_ims_wait *w, uint32_t i, struct rte_ims_msg *msg)
{
	msg->addr = (uintptr_t)&w->bells[i];
	msg->data = atomic_load(&w->entries[i].gen);
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

static int
memory_enter_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	struct rte_ims_msg msg;
	uint64_t count;
	int rc;

	ims_wait_word_locked(w, vec->entry, &msg);
	rc = vec->store->ops->write_msg(vec->store, vec->slot, &msg);
	if (rc != 0)
		return rc;
	vec->msg = msg;
	vec->msg_valid = true;
	ims_export_changed_locked(vec, &msg);
	/* What it was sent while its message reached the eventfd, and in no set. */
	if (vec->fd >= 0 && read(vec->fd, &count, sizeof(count)) > 0)
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
ims_wait_fd_enter_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = EV_ENTRY | vec->entry };
	struct ims_vfio_sink sink = {
		.fd = vec->fd,
		.reader = w,
		.cookie = cookie_of(w, vec->entry),
	};
	struct ims_vfio_msg msg = { .addr = vec->fd_msg.addr, .data = vec->fd_msg.data };

	if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, vec->fd, &ev) < 0)
		return -errno;
	atomic_fetch_add(&w->n_fds, 1);
	set_affinity(w, vec);
	if (vec->msg_fd) {
		vec->dev->vfio->ops->msg_retarget(vec->dev->vfio, &msg, &sink);
		source_count_locked(w, vec->dev, 1);
	}
	return 0;
}

/* From here on the eventfd counts. */
static void
fd_leave_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	struct ims_vfio_sink sink = { .fd = vec->fd };
	struct ims_vfio_msg msg = { .addr = vec->fd_msg.addr, .data = vec->fd_msg.data };

	if (vec->fd < 0)
		return;
	if (vec->msg_fd) {
		vec->dev->vfio->ops->msg_retarget(vec->dev->vfio, &msg, &sink);
		source_count_locked(w, vec->dev, -1);
	}
	epoll_ctl(w->epfd, EPOLL_CTL_DEL, vec->fd, NULL);
	atomic_fetch_sub(&w->n_fds, 1);
}

static void
memory_leave_locked(struct rte_ims_vec *vec)
{
	vec->msg_valid = false;
	ims_export_changed_locked(vec, NULL);
	vec->export_fn = NULL;
}

/* An event that the vector had between two sets. */
static void
deliver_carried(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	const uint64_t one = 1;

	if (!vec->carry)
		return;
	vec->carry = false;
	if (vec->delivery == RTE_IMS_DELIVERY_MEMORY)
		ims_wait_ring_locked(w, vec->entry);
	else if (write(vec->fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		IMS_LOG(ERR, "%s: cannot signal its eventfd", vec->name);
}

void
ims_vec_kick_locked(struct rte_ims_vec *vec)
{
	const uint64_t one = 1;

	vec->carry = true;
	if (vec->wait != NULL) {
		pthread_mutex_lock(&vec->wait->lock);
		deliver_carried(vec->wait, vec);
		pthread_mutex_unlock(&vec->wait->lock);
	} else if (vec->fd >= 0 && write(vec->fd, &one, sizeof(one)) > 0) {
		vec->carry = false;
	}
}

/* Both ends that it has: an eventfd stays in epoll while the message points at memory. */
static int
ends_enter_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	bool memory = vec->delivery == RTE_IMS_DELIVERY_MEMORY;
	int rc = 0;

	if (vec->fd >= 0)
		rc = ims_wait_fd_enter_locked(w, vec);
	if (rc != 0)
		return rc;
	if (memory)
		rc = memory_enter_locked(w, vec);
	if (rc == 0) {
		ims_wait_count_locked(w, vec, memory, !memory);
		rc = ims_vec_apply_locked(vec);
	}
	if (rc == 0)
		return 0;
	if (memory)
		memory_leave_locked(vec);
	ims_wait_count_locked(w, vec, false, false);
	fd_leave_locked(w, vec);
	return rc;
}

static int
enter_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	int64_t i;
	int rc;

	i = entry_take_locked(w);
	if (i < 0)
		return i;
	vec->wait = w;
	vec->entry = i;
	atomic_store(&w->entries[i].vec, vec);
	rc = ends_enter_locked(w, vec);
	if (rc == 0) {
		deliver_carried(w, vec);
		return 0;
	}
	/* Nothing has run: the device has been silent all along, or its events are in the eventfd. */
	atomic_store(&w->entries[i].vec, NULL);
	vec->wait = NULL;
	entry_give_locked(w, i);
	return rc;
}

/* A vector that cannot have the delivery that the policy wants keeps its own. */
static void
follow_policy_locked(struct rte_ims_wait *w, struct rte_ims_vec *vec)
{
	enum rte_ims_delivery delivery;

	if (ims_wait_policy_delivery(w, &delivery))
		ims_vec_deliver_locked(vec, delivery);
}

int
rte_ims_wait_add(struct rte_ims_wait *wait, struct rte_ims_vec *vec)
{
	int rc = -EBUSY;

	if (wait == NULL || vec == NULL)
		return -EINVAL;
	pthread_mutex_lock(&vec->dev->lock);
	if (vec->own_fd)
		rc = -EINVAL;
	else if (vec->wait == NULL && vec->left == NULL && !vec->stopped && !vec->moving) {
		pthread_mutex_lock(&wait->lock);
		rc = enter_locked(wait, vec);
		pthread_mutex_unlock(&wait->lock);
		if (rc == 0)
			follow_policy_locked(wait, vec);
	}
	pthread_mutex_unlock(&vec->dev->lock);
	/* A sleeping thread must learn that there is memory to look at. */
	if (rc == 0 && vec->delivery == RTE_IMS_DELIVERY_MEMORY)
		rte_ims_wait_wake(wait);
	return rc;
}

void
ims_wait_leave_locked(struct rte_ims_vec *vec)
{
	struct rte_ims_wait *w = vec->wait;
	int rc = 0;

	/* In this order: see ims_obj.c. */
	atomic_store(&vec->left, w);
	vec->left_entry = vec->entry;
	atomic_store(&vec->wait, NULL);
	/* MEMORY has lost its destination, so this masks; EVENTFD goes on into its eventfd. */
	rc = ims_vec_apply_locked(vec);
	pthread_mutex_lock(&w->lock);
	if (rc != 0 && rc != -ENODEV && vec->in_memory)
		w->unsafe = true;
	if (vec->delivery == RTE_IMS_DELIVERY_MEMORY)
		memory_leave_locked(vec);
	ims_wait_count_locked(w, vec, false, false);
	fd_leave_locked(w, vec);
	atomic_store(&w->entries[vec->entry].vec, NULL);
	/* Called from a handler, events already read may lie ahead of it: assume one. */
	if (ims_wait_runs_here(w))
		vec->carry = true;
	pthread_mutex_unlock(&w->lock);
}

void
ims_wait_left_locked(struct rte_ims_vec *vec)
{
	struct rte_ims_wait *w = vec->left;
	uint32_t i = vec->left_entry;

	pthread_mutex_lock(&w->lock);
	if (atomic_exchange(&w->bells[i], 0) != 0 || atomic_exchange(&w->entries[i].missed, false))
		vec->carry = true;
	entry_give_locked(w, i);
	source_forget_locked(w, vec->dev);
	pthread_mutex_unlock(&w->lock);
	atomic_store(&vec->left, NULL);
}

/*
 * Move a vector with MEMORY delivery, live. The new entry is closed until the old set has been
 * drained, so that the handlers never run in both: what the device sends there meanwhile stays in
 * the word, or is marked as missed by a poll that took it, and is rung again when the entry opens.
 *
 *   message -> new word        from here on events go there; the old word gets no more once the
 *                              store says that the change is complete
 *   old entry emptied, drained what was in the old word has been served, or is found in it now
 *   new entry opened, drained  a poll that took the word before it saw the vector has marked that
 *   left over -> new word      at worst once too often
 */
struct move {
	struct rte_ims_vec *vec;
	struct rte_ims_wait *from;
	struct rte_ims_wait *to;
	uint32_t entry; /* in to */
	struct rte_ims_msg msg;
};

static int
move_take(struct move *m)
{
	int64_t i;

	pthread_mutex_lock(&m->to->lock);
	i = entry_take_locked(m->to);
	if (i >= 0) {
		m->entry = i;
		ims_wait_word_locked(m->to, i, &m->msg);
		atomic_fetch_add(&m->to->n_memory, 1);
	}
	pthread_mutex_unlock(&m->to->lock);
	return RTE_MIN(i, 0);
}

/* An entry that the device may still write to is nobody's, but never given to anyone else. */
static void
move_give(struct move *m, bool unsafe)
{
	pthread_mutex_lock(&m->to->lock);
	atomic_fetch_sub(&m->to->n_memory, 1);
	if (unsafe) {
		m->to->unsafe = true;
		m->to->n_used--;
	} else {
		entry_give_locked(m->to, m->entry);
	}
	pthread_mutex_unlock(&m->to->lock);
}

static int
move_message(struct move *m)
{
	struct rte_ims_vec *vec = m->vec;
	int rc;

	rc = ims_vec_retarget_locked(vec, &m->msg);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&m->from->lock);
	atomic_store(&vec->left, m->from);
	vec->left_entry = vec->entry;
	atomic_store(&vec->wait, NULL);
	atomic_store(&m->from->entries[vec->left_entry].vec, NULL);
	/* in_memory stays: it is counted in the new set already */
	atomic_fetch_sub(&m->from->n_memory, 1);
	if (vec->in_eventfd)
		atomic_fetch_sub(&m->from->n_eventfd, 1);
	vec->in_eventfd = false;
	fd_leave_locked(m->from, vec);
	if (ims_wait_runs_here(m->from))
		vec->carry = true;
	vec->entry = m->entry;
	pthread_mutex_unlock(&m->from->lock);
	return 0;
}

/* A set with a handler that does not return stays `left`: ims_wait_settle() waits for it later. */
static void
move_open(struct move *m, bool drained)
{
	struct rte_ims_vec *vec = m->vec;
	int rc = 0;

	if (drained)
		ims_wait_left_locked(vec);
	atomic_store(&vec->wait, m->to);
	pthread_mutex_lock(&m->to->lock);
	atomic_store(&m->to->entries[m->entry].vec, vec);
	if (vec->fd >= 0)
		rc = ims_wait_fd_enter_locked(m->to, vec);
	pthread_mutex_unlock(&m->to->lock);
	/* It has no place for the eventfd, which is not what the message points at now. */
	if (rc != 0)
		IMS_LOG(ERR, "%s: cannot be watched: %s", vec->name, strerror(-rc));
}

static void
move_finish(struct move *m)
{
	struct rte_ims_vec *vec = m->vec;

	pthread_mutex_lock(&m->to->lock);
	if (atomic_exchange(&m->to->entries[m->entry].missed, false))
		vec->carry = true;
	deliver_carried(m->to, vec);
	pthread_mutex_unlock(&m->to->lock);
	vec->moving = false;
	follow_policy_locked(m->to, vec);
}

/* Called and returns with dev->lock held; lets go of it while it waits for handlers. */
static int
move_memory(struct move *m)
{
	struct rte_ims_dev *dev = m->vec->dev;
	int rc;

	rc = move_take(m);
	if (rc != 0)
		return rc;
	rc = move_message(m);
	if (rc != 0) {
		move_give(m, rc == -ETIMEDOUT);
		return rc;
	}
	m->vec->moving = true;
	pthread_mutex_unlock(&dev->lock);
	rc = ims_wait_drain(m->from);
	pthread_mutex_lock(&dev->lock);
	move_open(m, rc == 0);
	pthread_mutex_unlock(&dev->lock);
	if (rc == 0)
		rc = ims_wait_drain(m->to);
	pthread_mutex_lock(&dev->lock);
	move_finish(m);
	return rc;
}

int
ims_wait_settle(struct rte_ims_vec *vec)
{
	struct rte_ims_wait *left = atomic_load(&vec->left);
	int rc;

	if (left == NULL || atomic_load(&vec->wait) == NULL)
		return 0;
	rc = ims_wait_drain(left);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&vec->dev->lock);
	if (atomic_load(&vec->left) == left)
		ims_wait_left_locked(vec);
	pthread_mutex_unlock(&vec->dev->lock);
	return 0;
}

static int
move_check(const struct rte_ims_vec *vec, const struct rte_ims_wait *from)
{
	if (vec->own_fd)
		return -EINVAL;
	if (from == NULL)
		return -ENOENT;
	return vec->left != NULL || vec->stopped || vec->moving ? -EBUSY : 0;
}

int
rte_ims_wait_move(struct rte_ims_wait *to, struct rte_ims_vec *vec)
{
	struct move m = { .vec = vec, .to = to };
	int rc;

	if (to == NULL || vec == NULL)
		return -EINVAL;
	pthread_mutex_lock(&vec->dev->lock);
	m.from = vec->wait;
	rc = move_check(vec, m.from);
	if (rc == 0 && m.from != to && vec->delivery == RTE_IMS_DELIVERY_MEMORY) {
		rc = move_memory(&m);
		pthread_mutex_unlock(&vec->dev->lock);
		rte_ims_wait_wake(to);
		return rc;
	}
	pthread_mutex_unlock(&vec->dev->lock);
	/* An eventfd keeps what comes while it is in no set. */
	if (rc == 0 && m.from != to) {
		rc = rte_ims_wait_del(m.from, vec);
		if (rc == 0)
			rc = rte_ims_wait_add(to, vec);
	}
	return rc;
}

int
rte_ims_wait_del(struct rte_ims_wait *wait, struct rte_ims_vec *vec)
{
	int rc = 0;

	if (wait == NULL || vec == NULL)
		return -EINVAL;
	rc = ims_wait_settle(vec);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&vec->dev->lock);
	if (vec->moving)
		rc = -EBUSY;
	else if (vec->wait == wait)
		ims_wait_leave_locked(vec);
	else if (vec->left != wait)
		rc = -ENOENT;
	pthread_mutex_unlock(&vec->dev->lock);
	if (rc == 0)
		rc = ims_wait_drain(wait);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&vec->dev->lock);
	if (vec->left == wait)
		ims_wait_left_locked(vec);
	pthread_mutex_unlock(&vec->dev->lock);
	return 0;
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
	for (i = 0; i < WAIT_SOURCES; i++) {
		src = atomic_load(&wait->sources[i]);
		if (src != NULL && src->taken)
			info->reads_socket = true;
	}
	pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&wait->lock);
	return 0;
}
