/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Wait sets: the end of the thread that polls. While it runs handlers its set's epoch is odd, and
 * whoever moves, takes out or frees a vector waits for it. So a thread must not end there without a
 * word.
 *
 * pthread_cancel(), of a set that is made for it: not while handlers run, or what they call in the
 * library, with locks held. It is disabled there, and takes effect where the thread sleeps, which
 * holds nothing.
 *
 * pthread_exit() in a handler: the destructor of a key of the thread's ends what it was in. What it
 * had taken and not served is given back: to the vector whose handlers it was running, which may
 * have been in the middle, and to those whose messages it had read. Their handlers run, in this set
 * if another thread polls it, or in the one that they are moved to; at worst once too often.
 */

#include "ims_wait_private.h"

static pthread_key_t exit_key;
static bool has_key;

static void
give_back(struct rte_ims_wait *w, uint64_t cookie)
{
	struct wait_entry *entry = &w->entries[(uint32_t)cookie];
	struct rte_ims_vec *vec = atomic_load(&entry->vec);

	if (atomic_load(&entry->gen) != cookie >> 32)
		return;
	if (vec == NULL)
		vec = ims_wait_missed(entry);
	if (vec != NULL)
		ims_vec_kick(vec);
}

static void
give_back_messages(struct rte_ims_wait *w)
{
	struct wait_source *src = w->batch_src;

	if (src == NULL)
		return;
	for (; w->batch_next < w->batch_n; w->batch_next++)
		give_back(w, w->batch[w->batch_next].cookie);
	if (w->batch_n != 0)
		src->vfio->ops->source_ack(src->vfio, w->batch, w->batch_n);
	w->batch_n = 0;
	w->batch_src = NULL;
}

/* The set cannot be drained before, so what it refers to is there. */
static void
end_run(struct rte_ims_wait *w)
{
	struct rte_ims_source *polling = (struct rte_ims_source *)(uintptr_t)w->polling;

	IMS_LOG(WARNING, "wait %s: its thread ends in a handler", w->name);
	if (w->running != NULL)
		ims_vec_kick((struct rte_ims_vec *)(uintptr_t)w->running);
	w->running = NULL;
	give_back_messages(w);
	if (polling != NULL)
		__atomic_store_n(&polling->rearm, true, __ATOMIC_SEQ_CST);
	w->polling = NULL;
	/* What epoll has told of once, it has told the dead: a loop around the set looks again. */
	rte_ims_wait_wake(w);
	ims_wait_run_end(w, 0);
}

static void
on_exit_of_thread(void *arg)
{
	RTE_SET_USED(arg);
	while (ims_wait_inside != NULL)
		end_run(ims_wait_inside);
}

__attribute__((constructor)) static void
make_key(void)
{
	has_key = pthread_key_create(&exit_key, on_exit_of_thread) == 0;
}

void
ims_wait_guard_thread(void)
{
	ims_wait_guarded = true;
	if (!has_key || pthread_setspecific(exit_key, &has_key) != 0)
		IMS_LOG(WARNING, "the end of a thread in a handler would not be noticed");
}
