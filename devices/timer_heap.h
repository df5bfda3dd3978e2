/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TIMER_HEAP_H_
#define _TIMER_HEAP_H_

#include <stdbool.h>
#include <stdint.h>

/* Which timer expires next: a binary heap of timer numbers by deadline. */

#define TIMER_HEAP_NONE UINT32_MAX

struct timer_heap {
	uint32_t n;
	uint32_t *order;    /* heap of timer numbers */
	uint32_t *place;    /* of each timer in order; TIMER_HEAP_NONE */
	uint64_t *deadline; /* of each timer, ns */
};

/* 0 or -ENOMEM. */
int
timer_heap_init(struct timer_heap *heap, uint32_t n_timers);
void
timer_heap_fini(struct timer_heap *heap);
/* Add a timer, or change its deadline. */
void
timer_heap_set(struct timer_heap *heap, uint32_t timer, uint64_t deadline);
/* No harm if it is not there. */
void
timer_heap_del(struct timer_heap *heap, uint32_t timer);

/* The next deadline, UINT64_MAX if there is none. */
static inline uint64_t
timer_heap_next(const struct timer_heap *heap)
{
	return heap->n == 0 ? UINT64_MAX : heap->deadline[heap->order[0]];
}

#endif /* _TIMER_HEAP_H_ */
