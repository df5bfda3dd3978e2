/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Objects on a vector, and running their handlers.
 *
 * The list is changed under vec->obj_lock and walked without a lock by the one thread that runs the
 * vector's handlers. So links are atomic, a new object is complete before a link leads to it, and
 * an object's own `next` stays as it was when it is taken off: a walk that is already there goes on
 * from it. The object's memory is the caller's again once the wait sets that may be running the
 * vector have been drained.
 *
 * Which sets those are is read without dev->lock, which may be held over a command of the device.
 * A vector's `left` is stored before its `wait` is cleared, and cleared after that set has been
 * drained; detach unlinks, then reads `wait`, then `left`, all sequentially consistent. A set that
 * it does not see either begins to run the vector after the unlinking, and finds the object gone,
 * or has been drained meanwhile. `left` is cleared under obj_lock, and before its entry is given
 * back: so the set that detach has seen is there until obj_lock is let go, and by then held.
 *
 * A handler may take off any object, the next one to run included, and free it when detach returns:
 * the walk keeps its place in vec->cursor, which detach moves on when it runs in the same thread.
 * It also moves on over objects that other threads have taken off and wait for: their `next` may be
 * the one that goes now, and is not kept up to date.
 *
 * An object whose detach was in vain, for a handler did not return, is on the vector's list of
 * those that are off: so that it does not refer to a vector that has been freed meanwhile.
 *
 * A vector whose driver has a way to tell which objects have work (an event queue) does not walk
 * the list: see ims_vec_demux_set().
 */

#include <rte_branch_prediction.h>

#include "ims_private.h"
#include "ims_trace.h"

/* prev of an object that is off the list, but not known to be out of use. */
#define OFF(obj) (obj)

/* The public struct cannot have _Atomic members, C++ includes it. */
static struct rte_ims_obj *
load(struct rte_ims_obj *const *link)
{
	return __atomic_load_n(link, __ATOMIC_SEQ_CST);
}

static void
store(struct rte_ims_obj **link, struct rte_ims_obj *obj)
{
	__atomic_store_n(link, obj, __ATOMIC_SEQ_CST);
}

static void
count(atomic_uint_fast64_t *counter)
{
	/* One writer, so no locked operation. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
		memory_order_relaxed);
}

void
ims_vec_run(struct rte_ims_vec *vec)
{
	struct rte_ims_obj *obj = load(&vec->objs);
	void (*demux)(struct rte_ims_vec * vec, void *priv);

	ims_trace_vec_run(vec->id);
	count(&vec->events);
	if (atomic_load_explicit(&vec->masked, memory_order_relaxed))
		count(&vec->spurious);
	if (obj == NULL)
		count(&vec->unhandled);
	demux = atomic_load_explicit(&vec->demux, memory_order_acquire);
	if (demux != NULL) {
		demux(vec, vec->demux_priv);
		return;
	}
	while (obj != NULL) {
		vec->cursor = load(&obj->next);
		obj->fn(vec, obj->arg);
		obj = vec->cursor;
	}
}

int
rte_ims_vec_attach(struct rte_ims_vec *vec, struct rte_ims_obj *obj)
{
	int rc = -EBUSY;

	if (vec == NULL || obj == NULL || obj->fn == NULL)
		return -EINVAL;
	pthread_mutex_lock(&vec->obj_lock);
	if (obj->vec == NULL) {
		obj->vec = vec;
		store(&obj->next, NULL);
		obj->prev = vec->objs_tail;
		store(obj->prev != NULL ? &obj->prev->next : &vec->objs, obj);
		vec->objs_tail = obj;
		vec->n_objs++;
		rc = 0;
	}
	pthread_mutex_unlock(&vec->obj_lock);
	return rc;
}

static void
unlink_locked(struct rte_ims_vec *vec, struct rte_ims_obj *obj, bool same_thread)
{
	if (obj->prev != NULL)
		store(&obj->prev->next, obj->next);
	else
		store(&vec->objs, obj->next);
	if (obj->next != NULL)
		obj->next->prev = obj->prev;
	else
		vec->objs_tail = obj->prev;
	while (same_thread && vec->cursor != NULL &&
		(vec->cursor == obj || vec->cursor->prev == OFF(vec->cursor)))
		vec->cursor = vec->cursor->next;
	obj->prev = OFF(obj);
	vec->n_objs--;
}

uint32_t
ims_vec_count_objs(const struct rte_ims_vec *vec)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&vec->obj_lock;
	uint32_t n;

	pthread_mutex_lock(lock);
	n = vec->n_objs;
	pthread_mutex_unlock(lock);
	return n;
}

static struct rte_ims_obj **
find_off_locked(struct rte_ims_vec *vec, const struct rte_ims_obj *obj)
{
	struct rte_ims_obj **link = &vec->objs_off;

	while (*link != NULL && *link != obj)
		link = &(*link)->off;
	return link;
}

static void
off_add(struct rte_ims_vec *vec, struct rte_ims_obj *obj)
{
	struct rte_ims_obj **link;

	pthread_mutex_lock(&vec->obj_lock);
	link = find_off_locked(vec, obj);
	if (*link == NULL) {
		obj->off = NULL;
		*link = obj;
	}
	pthread_mutex_unlock(&vec->obj_lock);
}

static void
off_del(struct rte_ims_vec *vec, const struct rte_ims_obj *obj)
{
	struct rte_ims_obj **link;

	pthread_mutex_lock(&vec->obj_lock);
	link = find_off_locked(vec, obj);
	if (*link != NULL)
		*link = obj->off;
	pthread_mutex_unlock(&vec->obj_lock);
}

static void
forget(struct rte_ims_obj *obj)
{
	obj->next = obj->prev = obj->off = NULL;
	obj->vec = NULL;
}

void
ims_vec_objs_forget(struct rte_ims_vec *vec)
{
	struct rte_ims_obj *obj, *next;

	for (obj = vec->objs; obj != NULL; obj = next) {
		next = obj->next;
		forget(obj);
	}
	for (obj = vec->objs_off; obj != NULL; obj = next) {
		next = obj->off;
		forget(obj);
	}
}

/* The set that may be running the vector. While it leaves one, `wait` and `left` are the same. */
static struct rte_ims_wait *
hold_locked(struct rte_ims_vec *vec)
{
	struct rte_ims_wait *wait = atomic_load(&vec->wait);

	if (wait == NULL)
		wait = atomic_load(&vec->left);
	if (wait != NULL)
		ims_wait_hold(wait);
	return wait;
}

int
rte_ims_vec_detach(struct rte_ims_obj *obj)
{
	struct rte_ims_wait *wait;
	struct rte_ims_vec *vec;
	int rc;

	if (obj == NULL || obj->vec == NULL)
		return -EINVAL;
	vec = obj->vec;
	pthread_mutex_lock(&vec->obj_lock);
	if (obj->prev != OFF(obj))
		unlink_locked(vec, obj, ims_vec_runs_here(vec));
	wait = hold_locked(vec);
	pthread_mutex_unlock(&vec->obj_lock);

	rc = wait != NULL ? ims_wait_drain_held(wait) : 0;
	if (rc != 0) {
		off_add(vec, obj);
		return rc;
	}
	if (unlikely(vec->objs_off != NULL))
		off_del(vec, obj);
	forget(obj);
	return 0;
}

void
ims_vec_demux_set(
	struct rte_ims_vec *vec, void (*run)(struct rte_ims_vec *vec, void *priv), void *priv)
{
	vec->demux_priv = priv;
	atomic_store_explicit(&vec->demux, run, memory_order_release);
}
