/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * What a vector's message reaches, its eventfd or a doorbell word, and the live switch between
 * them.
 *
 * A vector keeps both ends once it has had them: its entry in the wait set has a word and, when
 * there is an eventfd, a place in the set's epoll instance. To switch is to write one message.
 * Towards memory that is stores and a read-back where the device's slots are mapped, no system
 * call; it does not matter how many objects hang on the vector.
 *
 * Nothing is lost:
 *
 *   both ends are watched      counted in n_memory and n_eventfd: polls look at both, and a sleep
 *                              is a row of naps. This comes before the message is touched.
 *   message -> the other end   by the store's rules (ims_store_ops): each event is sent with the
 *                              old or the new one, and on return none with the old one is on its
 *                              way
 *   the old end is looked at   towards memory: what had been sent to the eventfd may still be on
 *                              its way through the kernel, later than we could wait for. The word
 *                              is rung by ourselves instead: the handlers run once more, after the
 *                              device's stores that went before its message, and find what there
 *                              is. What arrives in the eventfd later is one call too many.
 *                              Towards the eventfd: a store to the word is there when the message
 *                              has been changed. The set's thread scans the words once more before
 *                              it sleeps: rte_ims_wait_sleep() begins with that, and a thread that
 *                              sleeps now is woken.
 *   the old end is let go      its count goes down
 *
 * A device that does not answer whether it has taken the new message (-ETIMEDOUT) leaves both ends
 * watched (vec->doubt), also through changes that it refuses, until one succeeds.
 *
 * tests/model/switch.pml checks this protocol, tests/unit/test_switch and test_move against a fake
 * device, tests/e2e against real ones.
 */

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ims_trace.h"
#include "ims_wait_private.h"

/* A message that the transport, playing the root complex, hands out. */
static int
compose(struct rte_ims_vec *vec)
{
	struct ims_vfio *v = vec->dev->vfio;
	struct ims_vfio_sink sink = { .fd = vec->fd };
	struct ims_vfio_msg msg;
	int rc;

	rc = v->ops->msg_alloc(v, &sink, &msg);
	if (rc != 0)
		return rc;
	vec->fd_msg.addr = msg.addr;
	vec->fd_msg.data = msg.data;
	vec->msg_fd = true;
	vec->dev->n_msg_fds++;
	ims_wait_source_check_locked(vec->dev);
	return 0;
}

/*
 * What reaches the eventfd of a slot that takes messages only. The root complex that we play on a
 * vfio-user device signals it itself, in a thread of ours: not for a dedicated vector.
 */
static int
message_setup(struct rte_ims_vec *vec)
{
	if (vec->dev->vfio->ops->msg_alloc != NULL && !vec->own_fd)
		return compose(vec);
	return ims_borrow_locked(vec);
}

/* The message that the store itself has for the eventfd, where it can be known. */
static int
own_message(struct rte_ims_vec *vec)
{
	if (vec->store->lend == NULL || vec->store->eventfd_only)
		return 0;
	return vec->store->lend(vec->store, vec->slot, &vec->fd_msg);
}

static int
attach_fd(struct rte_ims_vec *vec)
{
	int rc;

	if (vec->store->ops->set_eventfd == NULL)
		return message_setup(vec);
	rc = vec->store->ops->set_eventfd(vec->store, vec->slot, vec->fd);
	return rc == 0 ? own_message(vec) : rc;
}

/* Another process gets the eventfd with an MSI-X vector, its own or a borrowed one. */
static int
fd_give(struct rte_ims_vec *vec)
{
	struct ims_vfio *v = vec->dev->vfio;
	int rc;

	if (v->ops->fd_give == NULL || (vec->store->type != RTE_IMS_STORE_MSIX && !vec->own_fd))
		return 0;
	rc = v->ops->fd_give(v);
	vec->fd_shared = rc == 0;
	return rc;
}

static void
fd_close(struct rte_ims_vec *vec)
{
	struct ims_vfio *v = vec->dev->vfio;

	if (vec->fd_shared)
		v->ops->fd_close(v, vec->fd);
	else
		close(vec->fd);
	vec->fd = -1;
}

int
ims_vec_fd_setup_locked(struct rte_ims_vec *vec, int fd)
{
	int rc;

	vec->fd = vec->own_fd ? fcntl(fd, F_DUPFD_CLOEXEC, 0)
	                      : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vec->fd < 0)
		return -errno;
	rc = fd_give(vec);
	if (rc == 0)
		rc = attach_fd(vec);
	if (rc != 0)
		fd_close(vec);
	return rc;
}

/*
 * A store with eventfds of its own has the message to itself: it is not shown as the slot's, for on
 * the kernel's table it can change.
 */
int
ims_vec_fd_target_locked(struct rte_ims_vec *vec)
{
	const struct ims_store_ops *ops = vec->store->ops;
	int rc = 0;

	if (ops->set_eventfd != NULL)
		rc = ops->set_eventfd(vec->store, vec->slot, vec->fd);
	if (rc == 0 && vec->fd_msg.addr != 0)
		rc = ops->write_msg(vec->store, vec->slot, &vec->fd_msg);
	if (rc != 0)
		return rc;
	vec->msg = vec->fd_msg;
	vec->msg_valid = ops->set_eventfd == NULL;
	vec->carry = vec->carry || vec->doubt;
	vec->doubt = false;
	return 0;
}

int
ims_vec_rewrite_locked(struct rte_ims_vec *vec)
{
	const struct rte_ims_wait *w = vec->wait != NULL ? vec->wait : vec->moving_to;
	struct rte_ims_msg msg;

	if (vec->delivery == RTE_IMS_DELIVERY_EVENTFD)
		return ims_vec_fd_target_locked(vec);
	if (w == NULL)
		return 0; /* it has no destination, and stays masked */
	ims_wait_word(w, vec->entry, &msg);
	return ims_vec_message_locked(vec, &msg);
}

int
ims_vec_fd_restore_locked(struct rte_ims_vec *vec)
{
	int rc;

	rc = vec->lender != NULL ? ims_borrow_again_locked(vec) : own_message(vec);
	if (rc == 0 && vec->delivery == RTE_IMS_DELIVERY_EVENTFD)
		vec->msg = vec->fd_msg;
	return rc;
}

/* Let go of the message that reaches the eventfd. */
static void
message_release(struct rte_ims_vec *vec)
{
	struct ims_vfio *v = vec->dev->vfio;
	struct ims_vfio_msg msg = { .addr = vec->fd_msg.addr, .data = vec->fd_msg.data };

	if (vec->msg_fd) {
		v->ops->msg_free(v, &msg);
		vec->dev->n_msg_fds--;
		ims_wait_source_check_locked(vec->dev);
	} else if (vec->lender != NULL) {
		ims_borrow_end_locked(vec);
	}
}

void
ims_vec_fd_release_locked(struct rte_ims_vec *vec)
{
	message_release(vec);
	if (vec->store->ops->shutdown != NULL)
		vec->store->ops->shutdown(vec->store, vec->slot);
	if (vec->fd >= 0)
		fd_close(vec);
}

/* A change under mask has failed. */
static void
as_it_was(struct rte_ims_vec *vec)
{
	const struct ims_store_ops *ops = vec->store->ops;

	if (vec->slot_state == IMS_SLOT_MASKED && vec->msg_valid &&
		ops->write_msg(vec->store, vec->slot, &vec->msg) != 0)
		vec->doubt = true;
	ims_vec_apply_locked(vec);
}

/*
 * The first switch to EVENTFD. Where the store attaches eventfds itself the slot is masked for it.
 */
static int
first_eventfd(struct rte_ims_vec *vec)
{
	int rc = 0;

	if (vec->store->ops->set_eventfd != NULL)
		rc = ims_vec_silence_locked(vec);
	if (rc == 0)
		rc = ims_vec_fd_setup_locked(vec, -1);
	if (rc != 0)
		as_it_was(vec);
	return rc;
}

static bool
same(const struct rte_ims_msg *a, const struct rte_ims_msg *b)
{
	return a->addr == b->addr && a->data == b->data;
}

/*
 * The kernel may have written its message anew over ours, to move an interrupt that is not
 * remapped: then the entry, not fd_msg, has what reaches the eventfd now. But the word that was
 * written last stays in the entry when the vector leaves its set, and is in vec->msg then.
 */
static int
refresh_message(struct rte_ims_vec *vec)
{
	struct rte_ims_msg now;
	int rc;

	if (!vec->store->needs_eventfd || vec->doubt)
		return 0;
	rc = vec->store->lend(vec->store, vec->slot, &now);
	if (rc != 0)
		return rc;
	if (vec->delivery == RTE_IMS_DELIVERY_EVENTFD)
		vec->msg = vec->fd_msg = now;
	else if (!same(&now, &vec->msg))
		vec->fd_msg = now;
	return 0;
}

/* An exported message changes with the delivery; one that may change any time is not exported. */
static void
tell_peer(struct rte_ims_vec *vec)
{
	struct rte_ims_msg msg;

	if (vec->export_fn == NULL)
		return;
	if (vec->store->lend != NULL && ims_borrow_admit_locked(vec, &msg) == 0)
		ims_export_changed_locked(vec, &msg);
	else
		ims_export_revoke_locked(vec);
}

/* The message of a slot that may be sending -> the eventfd. */
static int
point_to_fd(struct rte_ims_vec *vec)
{
	const struct ims_store_ops *ops = vec->store->ops;
	int rc = 0;

	if (ops->set_eventfd == NULL) {
		rc = ims_vec_retarget_locked(vec, &vec->fd_msg);
		if (rc == 0 && vec->mutable)
			ims_export_revoke_locked(vec);
		return rc;
	}
	rc = ims_vec_silence_locked(vec);
	if (rc == 0)
		rc = ims_vec_fd_target_locked(vec);
	if (rc != 0) {
		as_it_was(vec);
		return rc;
	}
	rc = ims_vec_apply_locked(vec);
	if (rc == 0)
		tell_peer(vec);
	else
		vec->doubt = true;
	return rc;
}

static int
to_eventfd_in_set(struct rte_ims_vec *vec)
{
	struct rte_ims_wait *w = vec->wait;
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	if (!vec->watched)
		rc = ims_wait_fd_enter_locked(w, vec);
	if (rc == 0)
		ims_wait_count_locked(w, vec, true, true);
	pthread_mutex_unlock(&w->lock);
	if (rc != 0) {
		as_it_was(vec);
		return rc;
	}
	rc = point_to_fd(vec);
	pthread_mutex_lock(&w->lock);
	if (rc == 0) {
		vec->delivery = RTE_IMS_DELIVERY_EVENTFD;
		ims_wait_carried_locked(w, vec);
	}
	if (!vec->doubt)
		ims_wait_count_delivery_locked(w, vec);
	pthread_mutex_unlock(&w->lock);
	return rc;
}

/* In no set: only whether it sends depends on the delivery. */
static int
out_of_set(struct rte_ims_vec *vec, enum rte_ims_delivery delivery)
{
	enum rte_ims_delivery was = vec->delivery;
	int rc;

	vec->delivery = delivery;
	rc = ims_vec_apply_locked(vec);
	if (rc != 0) {
		vec->delivery = was;
		ims_vec_apply_locked(vec);
	}
	return rc;
}

static int
to_eventfd(struct rte_ims_vec *vec)
{
	int rc;

	rc = vec->fd < 0 ? first_eventfd(vec) : refresh_message(vec);
	if (rc != 0)
		return rc;
	if (vec->wait != NULL)
		return to_eventfd_in_set(vec);
	/* In no set it was masked, having no destination. */
	rc = ims_vec_silence_locked(vec);
	if (rc == 0)
		rc = ims_vec_fd_target_locked(vec);
	return rc == 0 ? out_of_set(vec, RTE_IMS_DELIVERY_EVENTFD) : rc;
}

static int
to_memory_in_set(struct rte_ims_vec *vec)
{
	struct rte_ims_wait *w = vec->wait;
	struct rte_ims_msg msg;
	int rc;

	pthread_mutex_lock(&w->lock);
	ims_wait_word_locked(w, vec->entry, &msg);
	ims_wait_count_locked(w, vec, true, true);
	pthread_mutex_unlock(&w->lock);
	rc = ims_vec_retarget_locked(vec, &msg);
	pthread_mutex_lock(&w->lock);
	if (rc == 0) {
		vec->delivery = RTE_IMS_DELIVERY_MEMORY;
		vec->carry = true;
		ims_wait_carried_locked(w, vec);
	}
	if (!vec->doubt)
		ims_wait_count_delivery_locked(w, vec);
	pthread_mutex_unlock(&w->lock);
	return rc;
}

static int
to_memory(struct rte_ims_vec *vec)
{
	int rc;

	rc = refresh_message(vec);
	if (rc != 0)
		return rc;
	if (vec->wait != NULL)
		return to_memory_in_set(vec);
	ims_export_revoke_locked(vec);
	/*
	 * It has no destination until it is in a set; events that are in the eventfd go there with
	 * it.
	 */
	rc = out_of_set(vec, RTE_IMS_DELIVERY_MEMORY);
	if (rc == 0)
		vec->msg_valid = false;
	return rc;
}

/* It sends nothing any more, so all that counts is what the set does not have to look at. */
static int
of_removed(struct rte_ims_vec *vec, enum rte_ims_delivery delivery)
{
	if (delivery == RTE_IMS_DELIVERY_EVENTFD && vec->fd < 0)
		return -ENODEV;
	vec->delivery = delivery;
	vec->doubt = false;
	ims_wait_recount_locked(vec);
	return 0;
}

int
ims_vec_deliver_locked(struct rte_ims_vec *vec, enum rte_ims_delivery delivery)
{
	int rc;

	if (vec->own_fd)
		return -EINVAL;
	if (vec->stopped || vec->left != NULL)
		return -EBUSY;
	if (vec->delivery == delivery && !vec->doubt)
		return ims_vec_apply_locked(vec);
	if (vec->store->eventfd_only)
		return -ENOTSUP;
	if (vec->store->type != RTE_IMS_STORE_DEVICE && atomic_load(&vec->dev->vfio->removed))
		return of_removed(vec, delivery);
	rc = delivery == RTE_IMS_DELIVERY_MEMORY ? to_memory(vec) : to_eventfd(vec);
	ims_trace_vec_deliver(vec->id, delivery, rc);
	return rc;
}

int
rte_ims_vec_delivery_set(struct rte_ims_vec *vec, enum rte_ims_delivery delivery)
{
	struct rte_ims_wait *w;
	int rc;

	if (vec == NULL || delivery > RTE_IMS_DELIVERY_MEMORY)
		return -EINVAL;
	rc = ims_wait_settle(vec);
	/* In its own handler, while another thread moves it. */
	if (rc != 0)
		return rc == -EDEADLK ? -EBUSY : rc;
	pthread_mutex_lock(&vec->dev->lock);
	rc = ims_vec_deliver_locked(vec, delivery);
	/* Its thread may be asleep, having looked at the word before the switch. */
	w = vec->wait;
	if (w != NULL && !ims_wait_runs_here(w))
		rte_ims_wait_wake(w);
	pthread_mutex_unlock(&vec->dev->lock);
	return rc;
}

/*
 * The vector of an entry with its device locked. Locks are taken in the order device, set; here we
 * come from the set, so the device's is only tried. NULL: none; *again: it was busy.
 */
static struct rte_ims_vec *
lock_entry(struct rte_ims_wait *w, uint32_t i, bool *again)
{
	struct rte_ims_vec *vec;

	*again = false;
	pthread_mutex_lock(&w->lock);
	vec = i < w->n_entries ? atomic_load(&w->entries[i].vec) : NULL;
	if (vec != NULL && pthread_mutex_trylock(&vec->dev->lock) != 0) {
		*again = true;
		vec = NULL;
	}
	pthread_mutex_unlock(&w->lock);
	return vec;
}

int
ims_wait_deliver(struct rte_ims_wait *w, enum rte_ims_delivery delivery)
{
	uint32_t i, n = atomic_load(&w->n_entries), spins = 0;
	struct rte_ims_vec *vec;
	int rc, first = 0;
	bool again;

	for (i = 0; i < n; i++) {
		vec = lock_entry(w, i, &again);
		if (again) {
			/*
			 * Whoever has it waits for a device's answer, a bounded time for each
			 * vector.
			 */
			if (++spins > 100)
				usleep(50);
			i--;
			continue;
		}
		if (vec == NULL)
			continue;
		rc = ims_vec_deliver_locked(vec, delivery);
		if (rc != 0 && first == 0)
			first = rc;
		pthread_mutex_unlock(&vec->dev->lock);
	}
	return first;
}

int
rte_ims_wait_delivery_set(struct rte_ims_wait *wait, enum rte_ims_delivery delivery)
{
	int rc;

	if (wait == NULL || delivery > RTE_IMS_DELIVERY_MEMORY)
		return -EINVAL;
	rc = ims_wait_deliver(wait, delivery);
	if (!ims_wait_runs_here(wait))
		rte_ims_wait_wake(wait);
	return rc;
}
