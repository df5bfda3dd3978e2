/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Latencies of vectors whose device stamps its messages: from the stamp to the handler. Handlers
 * add, in the threads of the wait sets, and the main thread reads: under a lock that nobody else
 * wants.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "tp_dev.h"
#include "tp_latency.h"

struct tp_latency {
	pthread_mutex_t lock;
	tp_stamp_t stamp;
	uint32_t number;
	uint64_t last; /* stamp; the handler may run more than once for a message */
	struct hist hist;
};

int
tp_latency_start(struct tp_vec *vec, tp_stamp_t stamp, uint32_t number)
{
	struct tp_latency *l = atomic_load(&vec->latency);

	if (l == NULL) {
		l = calloc(1, sizeof(*l));
		if (l == NULL)
			return -ENOMEM;
		pthread_mutex_init(&l->lock, NULL);
		hist_reset(&l->hist);
	}
	pthread_mutex_lock(&l->lock);
	l->stamp = stamp;
	l->number = number;
	pthread_mutex_unlock(&l->lock);
	atomic_store(&vec->latency, l);
	return 0;
}

void
tp_latency_add(struct tp_vec *vec, uint64_t now)
{
	struct tp_latency *l = atomic_load_explicit(&vec->latency, memory_order_acquire);
	uint64_t stamp;

	if (l == NULL)
		return;
	pthread_mutex_lock(&l->lock);
	stamp = l->stamp(vec, l->number);
	/* A stamp behind now is that of a message which has not arrived yet. */
	if (stamp != l->last && stamp != 0 && stamp < now)
		hist_add(&l->hist, now - stamp);
	l->last = stamp;
	pthread_mutex_unlock(&l->lock);
}

bool
tp_latency_get(struct tp_vec *vec, struct hist *hist)
{
	struct tp_latency *l = atomic_load(&vec->latency);

	if (l == NULL)
		return false;
	pthread_mutex_lock(&l->lock);
	*hist = l->hist;
	pthread_mutex_unlock(&l->lock);
	return true;
}

void
tp_latency_clear(struct tp_vec *vec)
{
	struct tp_latency *l = atomic_load(&vec->latency);

	if (l == NULL)
		return;
	pthread_mutex_lock(&l->lock);
	hist_reset(&l->hist);
	pthread_mutex_unlock(&l->lock);
}

void
tp_latency_free(struct tp_vec *vec)
{
	struct tp_latency *l = atomic_load(&vec->latency);

	if (l == NULL)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l);
}
