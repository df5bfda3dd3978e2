/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <errno.h>
#include <stdlib.h>

#include "timer_heap.h"

int
timer_heap_init(struct timer_heap *heap, uint32_t n_timers)
{
	uint32_t i;

	heap->n = 0;
	heap->order = calloc(n_timers, sizeof(*heap->order));
	heap->place = calloc(n_timers, sizeof(*heap->place));
	heap->deadline = calloc(n_timers, sizeof(*heap->deadline));
	if (heap->order == NULL || heap->place == NULL || heap->deadline == NULL) {
		timer_heap_fini(heap);
		return -ENOMEM;
	}
	for (i = 0; i < n_timers; i++)
		heap->place[i] = TIMER_HEAP_NONE;
	return 0;
}

void
timer_heap_fini(struct timer_heap *heap)
{
	free(heap->order);
	free(heap->place);
	free(heap->deadline);
	heap->order = heap->place = NULL;
	heap->deadline = NULL;
	heap->n = 0;
}

static void
put(struct timer_heap *heap, uint32_t place, uint32_t timer)
{
	heap->order[place] = timer;
	heap->place[timer] = place;
}

static bool
before(const struct timer_heap *heap, uint32_t a, uint32_t b)
{
	return heap->deadline[heap->order[a]] < heap->deadline[heap->order[b]];
}

static void
swap(struct timer_heap *heap, uint32_t a, uint32_t b)
{
	uint32_t timer = heap->order[a];

	put(heap, a, heap->order[b]);
	put(heap, b, timer);
}

/* Move what is at a place up or down to where it belongs. */
static void
settle(struct timer_heap *heap, uint32_t i)
{
	uint32_t child;

	while (i > 0 && before(heap, i, (i - 1) / 2)) {
		swap(heap, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
	for (;;) {
		child = 2 * i + 1;
		if (child >= heap->n)
			return;
		if (child + 1 < heap->n && before(heap, child + 1, child))
			child++;
		if (!before(heap, child, i))
			return;
		swap(heap, i, child);
		i = child;
	}
}

void
timer_heap_set(struct timer_heap *heap, uint32_t timer, uint64_t deadline)
{
	heap->deadline[timer] = deadline;
	if (heap->place[timer] == TIMER_HEAP_NONE)
		put(heap, heap->n++, timer);
	settle(heap, heap->place[timer]);
}

void
timer_heap_del(struct timer_heap *heap, uint32_t timer)
{
	uint32_t i = heap->place[timer];

	if (i == TIMER_HEAP_NONE)
		return;
	heap->place[timer] = TIMER_HEAP_NONE;
	heap->n--;
	if (i == heap->n)
		return;
	put(heap, i, heap->order[heap->n]);
	settle(heap, i);
}
