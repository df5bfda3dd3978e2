/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_BELLS_H_
#define _IMS_BELLS_H_

#include <stdint.h>

#include <rte_atomic.h>
#include <rte_common.h>
#include <rte_vect.h>

/* Doorbell words in lines of 16, and which of them are rung. */

#define BELLS_PER_LINE (RTE_CACHE_LINE_SIZE / sizeof(uint32_t))

/* Words are looked at by vector loads while devices write them: no data race in hardware. */
#define IMS_BELLS_RACY __attribute__((no_sanitize("thread")))

/*
 * The first word of the first line, from word `from` on, in which a word is rung; `to` or more:
 * none. Both are multiples of 16. It may miss what is rung meanwhile.
 */
typedef uint32_t (*ims_bells_scan_t)(const _Atomic(uint32_t) *bells, uint32_t from, uint32_t to);

uint32_t
ims_bells_scan_scalar(const _Atomic(uint32_t) *bells, uint32_t from, uint32_t to);

/* The best that this CPU, and EAL's --force-max-simd-bitwidth, allow. */
ims_bells_scan_t
ims_bells_scan_best(void);

/* Which words of a line are rung, a bit each. */
static inline IMS_BELLS_RACY uint32_t
ims_bells_line(const _Atomic(uint32_t) *bells)
{
#ifdef __SSE2__
	const __m128i *line = (const __m128i *)(uintptr_t)bells, zero = _mm_setzero_si128();
	__m128i a, b;

	rte_compiler_barrier();
	a = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_load_si128(&line[0]), zero),
		_mm_cmpeq_epi32(_mm_load_si128(&line[1]), zero));
	b = _mm_packs_epi32(_mm_cmpeq_epi32(_mm_load_si128(&line[2]), zero),
		_mm_cmpeq_epi32(_mm_load_si128(&line[3]), zero));
	return ~_mm_movemask_epi8(_mm_packs_epi16(a, b)) & 0xffff;
#else
	uint32_t words = 0, i;

	for (i = 0; i < BELLS_PER_LINE; i++)
		words |= (uint32_t)(__atomic_load_n((const uint32_t *)(uintptr_t)&bells[i],
					    __ATOMIC_RELAXED) != 0)
		         << i;
	return words;
#endif
}

#endif /* _IMS_BELLS_H_ */
