/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Log-linear histograms: exact below 16 ticks, 6 % wide steps above. */

#include <string.h>

#include <rte_common.h>

#include "bench.h"
#include "testpmd.h"

#define BAR_WIDTH 50

void
hist_reset(struct hist *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

static unsigned int
step_of(uint64_t ticks)
{
	unsigned int shift;

	if (ticks < HIST_STEPS)
		return ticks;
	shift = 63 - __builtin_clzll(ticks) - 4;
	return RTE_MIN((shift + 1ul) * HIST_STEPS + (ticks >> shift) % HIST_STEPS, HIST_SIZE - 1);
}

/* Lowest value of a step. */
static uint64_t
step_low(unsigned int step)
{
	unsigned int shift;

	if (step < HIST_STEPS)
		return step;
	shift = step / HIST_STEPS - 1;
	return (uint64_t)(HIST_STEPS + step % HIST_STEPS) << shift;
}

void
hist_add(struct hist *h, uint64_t ticks)
{
	h->count[step_of(ticks)]++;
	h->n++;
	h->min = RTE_MIN(h->min, ticks);
	h->max = RTE_MAX(h->max, ticks);
}

void
hist_merge(struct hist *a, const struct hist *b)
{
	unsigned int i;

	for (i = 0; i < HIST_SIZE; i++)
		a->count[i] += b->count[i];
	a->n += b->n;
	a->min = RTE_MIN(a->min, b->min);
	a->max = RTE_MAX(a->max, b->max);
}

uint64_t
hist_quantile(const struct hist *h, double q)
{
	uint64_t want = q * h->n, seen = 0, low, high;
	unsigned int i;

	if (h->n == 0)
		return 0;
	for (i = 0; i < HIST_SIZE; i++) {
		seen += h->count[i];
		if (seen > want)
			break;
	}
	if (i >= HIST_SIZE)
		return h->max;
	/* Within the step, as far as the events in it go. */
	low = RTE_MAX(step_low(i), h->min);
	high = RTE_MIN(step_low(i + 1), h->max);
	if (high < low)
		return low;
	return high - (high - low) * (seen - want) / (h->count[i] + 1);
}

void
hist_print(const struct hist *h, double tick_ns, FILE *f)
{
	/* Two lines to each power of two. */
	const unsigned int group = HIST_STEPS / 2;
	unsigned int first = HIST_SIZE, last = 0, i, k;
	uint64_t sum[HIST_SIZE / 8], most = 0;
	char low[32];

	for (i = 0; i < HIST_SIZE / group; i++) {
		sum[i] = 0;
		for (k = 0; k < group; k++)
			sum[i] += h->count[i * group + k];
		most = RTE_MAX(most, sum[i]);
		/* Rare events far out would stretch the picture: they are in the quantiles. */
		if (sum[i] * 1000 >= h->n && sum[i] != 0) {
			first = RTE_MIN(first, i);
			last = i;
		}
	}
	for (i = first; i <= last && most != 0; i++) {
		fprintf(f, "  %10s |", tp_ns_str(low, sizeof(low), step_low(i * group) * tick_ns));
		for (k = 0; k < sum[i] * BAR_WIDTH / most; k++)
			fputc('#', f);
		fprintf(f, " %.1f%%\n", 100.0 * sum[i] / h->n);
	}
}
