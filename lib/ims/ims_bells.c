/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Scanning doorbell words, a cache line at a time. Few lines are a matter of latency, many a matter
 * of throughput: with AVX2 four lines are or'ed together before there is a branch.
 */

#include <rte_cpuflags.h>

#include "ims_bells.h"

uint32_t
ims_bells_scan_scalar(const _Atomic(uint32_t) *bells, uint32_t from, uint32_t to)
{
	const uint64_t *w;
	uint64_t any;
	unsigned int k;

	for (; from < to; from += BELLS_PER_LINE) {
		w = (const uint64_t *)(uintptr_t)&bells[from];
		for (any = 0, k = 0; k < RTE_CACHE_LINE_SIZE / sizeof(*w); k++)
			any |= __atomic_load_n(&w[k], __ATOMIC_RELAXED);
		if (any != 0)
			break;
	}
	return from;
}

#ifdef RTE_ARCH_X86_64

__attribute__((target("avx2"))) IMS_BELLS_RACY static inline __m256i
line_or(const __m256i *line)
{
	return _mm256_or_si256(_mm256_load_si256(&line[0]), _mm256_load_si256(&line[1]));
}

__attribute__((target("avx2"))) IMS_BELLS_RACY static uint32_t
scan_avx2(const _Atomic(uint32_t) *bells, uint32_t from, uint32_t to)
{
	const __m256i *w = (const __m256i *)(uintptr_t)&bells[from];
	__m256i four;

	rte_compiler_barrier();
	for (; from + 4 * BELLS_PER_LINE <= to; from += 4 * BELLS_PER_LINE, w += 8) {
		four = _mm256_or_si256(_mm256_or_si256(line_or(w), line_or(w + 2)),
			_mm256_or_si256(line_or(w + 4), line_or(w + 6)));
		if (!_mm256_testz_si256(four, four))
			break;
	}
	for (; from < to; from += BELLS_PER_LINE, w += 2) {
		four = line_or(w);
		if (!_mm256_testz_si256(four, four))
			break;
	}
	return from;
}

ims_bells_scan_t
ims_bells_scan_best(void)
{
	if (rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) == 1 &&
		rte_vect_get_max_simd_bitwidth() >= RTE_VECT_SIMD_256)
		return scan_avx2;
	return ims_bells_scan_scalar;
}

#else

ims_bells_scan_t
ims_bells_scan_best(void)
{
	return ims_bells_scan_scalar;
}

#endif
