/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Figures: their keys are a contract, doc/guides/tools/ims_bench.rst says what each of them means.
 */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>
#include <rte_common.h>

#include "ims_bench.h"

enum goal {
	NONE,
	AT_MOST, /* value */
	AT_LEAST,
	RATIO_AT_MOST, /* value / beside */
	RATIO_AT_LEAST,
};

static struct figure {
	const char *key;
	const char *what;
	const char *beside; /* key of what it is compared with */
	enum goal goal;
	double limit;
	double value;
	double p99;
	double spread; /* of the rounds, in % of the value */
	struct rounds rounds;
} figures[] = {
	{ "floor_cacheline_ns", "a store to a line that is polled", NULL },
	{ "floor_exchange_ns", "... and taken by an exchange", "ims_memory_ns" },
	{ "ims_memory_ns", "event to handler, memory", "floor_cacheline_ns", RATIO_AT_MOST, 1.3 },
	{ "ims_memory_64vec_ns", "... of 64 vectors", "floor_cacheline_ns", RATIO_AT_MOST, 2 },
	{ "floor_epoll_ns", "epoll_wait and read of an eventfd", NULL },
	{ "ims_eventfd_ns", "event to handler, MSI-X by eventfd", "floor_epoll_ns", RATIO_AT_MOST,
		1.05 },
	{ "peer_rte_epoll_ns", "rte_epoll_wait and read", "ims_eventfd_ns", RATIO_AT_LEAST, 1 },
	{ "peer_eal_intr_ns", "callback of EAL's interrupt thread", "ims_eventfd_ns" },
	{ "peer_libevent_ns", "libevent's callback", "ims_eventfd_ns" },
	{ "floor_socket_ns", "epoll_wait and recv of a message", NULL },
	{ "ims_eventfd_socket_ns", "event to handler, IMS over vfio-user", "floor_socket_ns" },
	{ "events_per_s_memory", "events of 64 doorbell words", "peer_events_per_s_epoll",
		RATIO_AT_LEAST, 10 },
	{ "events_per_s_eventfd", "... of 64 eventfds in a wait set", "peer_events_per_s_epoll" },
	{ "peer_events_per_s_epoll", "... of 64 eventfds in rte_epoll", NULL },
	{ "queue_events_per_s_memory", "events of queue_dev that does work for each", NULL },
	{ "queue_events_per_s_eventfd", "... by eventfd", "queue_events_per_s_memory" },
	{ "poll_1k_p50_ns", "1,000 events in a second, poll", NULL },
	{ "interrupt_1k_p50_ns", "... interrupt", NULL },
	{ "ims_adaptive_p50_ns", "... adaptive", "interrupt_1k_p50_ns", RATIO_AT_MOST, 1.1 },
	{ "nap_1k_p50_ns", "... asleep with delivery to memory: naps", "interrupt_1k_p50_ns" },
	{ "poll_1k_p99_ns", "their 99th percentile, poll", NULL },
	{ "interrupt_1k_p99_ns", "... interrupt", NULL },
	{ "adaptive_1k_p99_ns", "... adaptive", "interrupt_1k_p99_ns" },
	{ "cpu_1k_pct_poll", "CPU at 1,000 events in a second, poll", NULL },
	{ "cpu_1k_pct_interrupt", "... interrupt", NULL },
	{ "cpu_1k_pct_adaptive", "... adaptive", NULL, AT_MOST, 3 },
	{ "cpu_1k_pct_nap", "... naps", NULL },
	{ "cpu_idle_pct_interrupt", "CPU without events, interrupt", NULL, AT_MOST, 0.05 },
	{ "cpu_idle_pct_adaptive", "... adaptive", NULL, AT_MOST, 0.05 },
	{ "idle_wakes_per_s_interrupt", "wake-ups without events, interrupt", NULL, AT_MOST, 0 },
	{ "idle_wakes_per_s_adaptive", "... adaptive", NULL, AT_MOST, 0 },
	{ "adaptive_sat_ratio", "operations at saturation, adaptive to poll", NULL, AT_LEAST,
		0.98 },
	{ "interrupt_sat_ratio", "... interrupt to poll", NULL },
	{ "pool_getput_ns", "get and put of a shared vector", NULL, AT_MOST, 200 },
	{ "pool_getput_16384_ns", "... with 16,384 users", "pool_getput_ns", RATIO_AT_MOST, 1.5 },
	{ "attach_detach_ns", "attach and detach of an object", NULL, AT_MOST, 100 },
	{ "attach_detach_16384_ns", "... with 16,384 objects", "attach_detach_ns", RATIO_AT_MOST,
		1.5 },
	{ "demux_1_ns", "event, 1 queue on an event queue", NULL },
	{ "demux_64_ns", "... 1 active of 64", "demux_1_ns", RATIO_AT_MOST, 1.5 },
	{ "demux_4096_ns", "... 1 active of 4,096", "demux_1_ns", RATIO_AT_MOST, 1.5 },
	{ "demux_16384_ns", "... 1 active of 16,384", "demux_1_ns", RATIO_AT_MOST, 1.5 },
	{ "demux_words_1_ns", "event, 1 doorbell word", "demux_1_ns" },
	{ "demux_words_64_ns", "... 1 active of 64", "demux_64_ns" },
	{ "demux_words_4096_ns", "... 1 active of 4,096", "demux_4096_ns" },
	{ "demux_words_16384_ns", "... 1 active of 16,384", "demux_16384_ns" },
	{ "demux_all_1_ns", "event, 1 object called", "demux_1_ns" },
	{ "demux_all_64_ns", "... all of 64", "demux_64_ns" },
	{ "demux_all_4096_ns", "... all of 4,096", "demux_4096_ns" },
	{ "demux_all_16384_ns", "... all of 16,384", "demux_16384_ns" },
	{ "peer_epoll_4096_ns", "event, 1 active of 4,096 eventfds, rte_epoll_wait and read",
		"demux_4096_ns" },
	{ "setup_4096_ms", "4,096 queues on vectors of a pool", "peer_setup_4096_ms" },
	{ "peer_setup_4096_ms", "4,096 queues, an eventfd each in rte_epoll", NULL },
	{ "setup_4096_fds", "descriptors", "peer_setup_4096_fds" },
	{ "peer_setup_4096_fds", "descriptors", NULL },
	{ "setup_4096_kib", "memory, the kernel's included", "peer_setup_4096_kib" },
	{ "peer_setup_4096_kib", "memory, the kernel's included", NULL },
	{ "move_ns", "move of a vector with 64 busy queues to another lcore", NULL },
	{ "move_lost", "queues that stood still after it", NULL, AT_MOST, 0 },
	{ "switch_ns", "switch of its delivery", NULL },
	{ "switch_lost", "queues that stood still after it", NULL, AT_MOST, 0 },
};

static struct figure *
find(const char *key)
{
	size_t i;

	for (i = 0; i < RTE_DIM(figures); i++)
		if (strcmp(figures[i].key, key) == 0)
			return &figures[i];
	fprintf(stderr, "ims-bench: no figure %s\n", key);
	exit(2);
}

__attribute__((constructor)) static void
figures_clear(void)
{
	size_t i;

	for (i = 0; i < RTE_DIM(figures); i++)
		figures[i].value = figures[i].p99 = figures[i].spread = NAN;
}

void
figure_set(const char *key, double value)
{
	find(key)->value = value;
}

void
rounds_add(struct rounds *r, struct samples *s, double scale)
{
	if (r->n == RTE_DIM(r->median))
		return;
	r->median[r->n] = samples_quantile(s, 0.5) * scale;
	r->p99[r->n] = samples_quantile(s, 0.99) * scale;
	r->n++;
}

void
rounds_add_value(struct rounds *r, double value)
{
	if (r->n == RTE_DIM(r->median))
		return;
	r->median[r->n] = value;
	r->p99[r->n] = NAN;
	r->n++;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void
figure_set_rounds(const char *key, const struct rounds *rounds)
{
	struct figure *f = find(key);
	struct rounds r = *rounds;

	if (r.n == 0)
		return;
	f->rounds = r;
	qsort(r.median, r.n, sizeof(r.median[0]), compare);
	qsort(r.p99, r.n, sizeof(r.p99[0]), compare);
	f->value = r.median[r.n / 2];
	f->p99 = r.p99[r.n / 2];
	f->spread = 100 * (r.median[r.n - 1] - r.median[0]) / f->value;
}

double
figure_get(const char *key)
{
	return find(key)->value;
}

/*
 * NAN: it has none, or something was not measured. Of rounds that were taken in turn, the median of
 * their ratios: a CPU that is slow for a while is so for both.
 */
static double
compared(const struct figure *f)
{
	double ratios[RTE_DIM(f->rounds.median)];
	const struct figure *other;
	unsigned int i;

	if (f->beside == NULL)
		return NAN;
	other = find(f->beside);
	if (f->rounds.n == 0 || f->rounds.n != other->rounds.n)
		return f->value / other->value;
	for (i = 0; i < f->rounds.n; i++)
		ratios[i] = f->rounds.median[i] / other->rounds.median[i];
	qsort(ratios, f->rounds.n, sizeof(ratios[0]), compare);
	return ratios[f->rounds.n / 2];
}

static bool
missed(const struct figure *f)
{
	switch (f->goal) {
	case AT_MOST:
		return f->value > f->limit;
	case AT_LEAST:
		return f->value < f->limit;
	case RATIO_AT_MOST:
		return compared(f) > f->limit;
	case RATIO_AT_LEAST:
		return compared(f) < f->limit;
	default:
		return false;
	}
}

unsigned int
figures_missed(void)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < RTE_DIM(figures); i++)
		n += missed(&figures[i]);
	return n;
}

static const char *
number(char buf[static 32], double v, const char *format)
{
	if (isnan(v))
		return "-";
	snprintf(buf, 32, format, v);
	return buf;
}

void
figures_print(FILE *f)
{
	const char *sign[] = { "", "<=", ">=", "<=", ">=" };
	char b[4][32];
	size_t i;

	fprintf(f, "%-26s %12s %12s %8s  %-24s %8s  %-8s %s\n", "FIGURE", "MEDIAN", "P99", "SPREAD",
		"BESIDE", "RATIO", "GOAL", "WHAT");
	for (i = 0; i < RTE_DIM(figures); i++) {
		const struct figure *g = &figures[i];

		if (isnan(g->value))
			continue;
		fprintf(f, "%-26s %12.1f %12s %8s  %-24s %8s  ", g->key, g->value,
			number(b[0], g->p99, "%.1f"), number(b[1], g->spread, "%.0f %%"),
			g->beside != NULL ? g->beside : "-", number(b[2], compared(g), "%.2f"));
		snprintf(b[3], sizeof(b[3]), "%s %g", sign[g->goal], g->limit);
		fprintf(f, "%-8s %s%s\n", g->goal != NONE ? b[3] : "-", missed(g) ? "MISSED: " : "",
			g->what);
	}
}

int
figures_json(const char *path)
{
	struct json_object *o = json_object_new_object();
	size_t i;
	int rc;

	for (i = 0; i < RTE_DIM(figures); i++)
		if (!isnan(figures[i].value))
			json_object_object_add(
				o, figures[i].key, json_object_new_double(figures[i].value));
	rc = json_object_to_file_ext(path, o, JSON_C_TO_STRING_PRETTY);
	json_object_put(o);
	return rc < 0 ? (errno != 0 ? -errno : -EIO) : 0;
}
