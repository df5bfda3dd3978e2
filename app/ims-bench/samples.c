/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <errno.h>
#include <stdlib.h>

#include "ims_bench.h"

void
samples_init(struct samples *s, size_t size)
{
	s->v = calloc(size, sizeof(*s->v));
	s->n = 0;
	s->size = size;
	check(s->v != NULL ? 0 : -ENOMEM, "samples");
}

void
samples_free(struct samples *s)
{
	free(s->v);
	s->v = NULL;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t
samples_quantile(struct samples *s, double q)
{
	size_t i = q * s->n;

	if (s->n == 0)
		return 0;
	qsort(s->v, s->n, sizeof(*s->v), compare);
	return s->v[i < s->n ? i : s->n - 1];
}
