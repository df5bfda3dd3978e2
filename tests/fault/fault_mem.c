/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* malloc() and its like: refused once, and what is not freed again is found. */

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "fault.h"

#define MAX_PIECES 65536 /* a power of 2 */

/*
 * Memory that the libraries have and nobody has freed, by address: open addressing, each near its
 * place.
 */
static struct piece {
	const void *addr; /* NULL: free */
	const void *caller;
	unsigned int life;
} pieces[MAX_PIECES];
static atomic_flag pieces_lock = ATOMIC_FLAG_INIT;
static unsigned int this_life;

static void
pieces_lock_take(void)
{
	while (atomic_flag_test_and_set_explicit(&pieces_lock, memory_order_acquire))
		sched_yield();
}

static void
pieces_lock_give(void)
{
	atomic_flag_clear_explicit(&pieces_lock, memory_order_release);
}

void
fault_life_begins(void)
{
	pieces_lock_take();
	this_life++;
	pieces_lock_give();
}

const char *
fault_left(void)
{
	const void *caller = NULL;
	unsigned int i;

	pieces_lock_take();
	for (i = 0; i < MAX_PIECES && caller == NULL; i++)
		if (pieces[i].addr != NULL && pieces[i].life == this_life)
			caller = pieces[i].caller;
	pieces_lock_give();
	for (i = 0; caller != NULL && i < fault_n_sites(); i++)
		if (fault_site_get(i).caller == caller)
			return fault_site_name(i);
	return NULL;
}

static unsigned int
place(const void *addr)
{
	return (uintptr_t)addr / 16 * 2654435761u % MAX_PIECES;
}

static void *
remember(void *addr, const void *caller)
{
	unsigned int i, n;

	if (addr == NULL || !fault_is_ours(caller))
		return addr;
	pieces_lock_take();
	i = place(addr);
	for (n = 0; pieces[i].addr != NULL; n++, i = (i + 1) % MAX_PIECES)
		if (n == MAX_PIECES)
			abort();
	pieces[i] = (struct piece){ addr, caller, this_life };
	pieces_lock_give();
	return addr;
}

/* Those behind it come nearer to their places. */
static void
forget(const void *addr)
{
	unsigned int i, k;

	pieces_lock_take();
	for (i = place(addr); pieces[i].addr != NULL && pieces[i].addr != addr;)
		i = (i + 1) % MAX_PIECES;
	for (k = i; pieces[i].addr != NULL;) {
		k = (k + 1) % MAX_PIECES;
		if (pieces[k].addr == NULL) {
			pieces[i].addr = NULL;
		} else if ((k - place(pieces[k].addr)) % MAX_PIECES >= (k - i) % MAX_PIECES) {
			pieces[i] = pieces[k];
			i = k;
		}
	}
	pieces_lock_give();
}

/*
 * dlsym() may allocate, so these do not ask it. AddressSanitizer has them by names of its own; it
 * has to see who calls, so those who are not ours are passed on by a jump.
 */
#ifdef FAULT_ASAN
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif
extern void *REAL(malloc)(size_t size);
extern void *REAL(calloc)(size_t n, size_t size);
extern void *REAL(memalign)(size_t align, size_t size);
extern void *REAL(realloc)(void *addr, size_t size);
extern void REAL(free)(void *addr);

static const int no_memory[] = { ENOMEM, 0 };

void *
malloc(size_t size)
{
	if (!fault_is_ours(__builtin_return_address(0)))
		return REAL(malloc)(size);
	if (fault_here("malloc", __builtin_return_address(0), no_memory) != 0) {
		errno = ENOMEM;
		return NULL;
	}
	return remember(REAL(malloc)(size), __builtin_return_address(0));
}

void *
calloc(size_t n, size_t size)
{
	if (!fault_is_ours(__builtin_return_address(0)))
		return REAL(calloc)(n, size);
	if (fault_here("calloc", __builtin_return_address(0), no_memory) != 0) {
		errno = ENOMEM;
		return NULL;
	}
	return remember(REAL(calloc)(n, size), __builtin_return_address(0));
}

void *
realloc(void *addr, size_t size)
{
	const void *caller = __builtin_return_address(0);
	void *more;

	if (fault_here("realloc", caller, no_memory) != 0) {
		errno = ENOMEM;
		return NULL;
	}
	/* Before the address is another's. */
	if (addr != NULL)
		forget(addr);
	more = REAL(realloc)(addr, size);
	remember(more != NULL || size == 0 ? more : addr, caller);
	return more;
}

int
posix_memalign(void **p, size_t align, size_t size)
{
	if (fault_here("posix_memalign", __builtin_return_address(0), no_memory) != 0)
		return ENOMEM;
	*p = remember(REAL(memalign)(align, size), __builtin_return_address(0));
	return *p != NULL ? 0 : ENOMEM;
}

void
free(void *addr)
{
	if (addr != NULL)
		forget(addr);
	REAL(free)(addr);
}
