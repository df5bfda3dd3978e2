/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * bench nvme: queues that are kept full by one thread, which finds completions in three ways: by
 * looking into every queue, by polling the doorbell words of their vectors, or by sleeping on their
 * eventfds. Latency is from submission to the handler.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "bench.h"
#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_service.h"

#define BATCH 32

enum mode_kind {
	MODE_QUEUES,
	MODE_MEMORY,
	MODE_EVENTFD,
	MODE_MAX,
};

static const struct {
	const char *name;
	const char *key; /* in JSON */
} modes[MODE_MAX] = {
	[MODE_QUEUES] = { "queues polled", "queues" },
	[MODE_MEMORY] = { "memory, polled", "memory" },
	[MODE_EVENTFD] = { "eventfd, slept on", "eventfd" },
};

struct result {
	bool done;
	uint64_t commands;
	uint64_t failed;
	double seconds;
	double cpu; /* of the thread's time */
	struct hist latency;
};

struct bench;

/* A command's place in its queue. */
struct place {
	struct bench_queue *queue;
	uint64_t start;
	void *buf;
};

struct bench_queue {
	struct bench *bench;
	struct rte_pmd_nvme_queue *q;
	struct rte_ims_vec *vec;
	struct rte_ims_obj obj;
	unsigned int under_way;
	struct place places[BENCH_NVME_DEPTH];
};

struct bench {
	const struct bench_nvme_conf *conf;
	enum mode_kind mode;
	struct result *result;
	struct rte_ims_wait *wait;
	struct bench_queue *queues;
	uint8_t *buf;
	uint64_t next_lba;
	bool stopping;
	int rc;
};

static void
submit(struct bench *b, struct place *p)
{
	const struct bench_nvme_conf *conf = b->conf;
	int rc;

	p->start = rte_rdtsc();
	rc = rte_pmd_nvme_submit(p->queue->q, conf->write ? RTE_PMD_NVME_WRITE : RTE_PMD_NVME_READ,
		b->next_lba++ % conf->info.n_blocks, 1, p->buf, p);
	if (rc == 0)
		p->queue->under_way++;
	else
		b->rc = rc;
}

static void
take_completions(struct bench_queue *bq)
{
	struct rte_pmd_nvme_completion done[BATCH];
	struct bench *b = bq->bench;
	struct place *p;
	uint64_t now;
	int n, i;

	do {
		n = rte_pmd_nvme_poll(bq->q, done, BATCH);
		now = rte_rdtsc();
		for (i = 0; i < n; i++) {
			p = done[i].cookie;
			bq->under_way--;
			b->result->commands++;
			b->result->failed += done[i].status != 0;
			hist_add(&b->result->latency, now - p->start);
			if (!b->stopping)
				submit(b, p);
		}
	} while (n == BATCH);
}

static void
on_completion(struct rte_ims_vec *vec, void *arg)
{
	(void)vec;
	take_completions(arg);
}

static int
queue_open(struct bench *b, struct bench_queue *bq, uint8_t *buf)
{
	struct rte_ims_vec_conf conf = { .name = "bench" };
	struct rte_ims_dev *dev = b->conf->dev->dev;
	unsigned int i;
	int rc;

	bq->bench = b;
	for (i = 0; i < b->conf->depth; i++) {
		bq->places[i].queue = bq;
		bq->places[i].buf = buf + (size_t)i * b->conf->info.block_size;
	}
	if (b->mode != MODE_QUEUES) {
		conf.delivery =
			b->mode == MODE_MEMORY ? RTE_IMS_DELIVERY_MEMORY : RTE_IMS_DELIVERY_EVENTFD;
		bq->vec = rte_ims_vec_alloc(rte_ims_dev_table(dev),
			rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX), RTE_IMS_SLOT_ANY, &conf);
		if (bq->vec == NULL)
			return -rte_errno;
		bq->obj.fn = on_completion;
		bq->obj.arg = bq;
		rc = rte_ims_vec_attach(bq->vec, &bq->obj);
		if (rc == 0)
			rc = rte_ims_wait_add(b->wait, bq->vec);
		if (rc != 0)
			return rc;
	}
	bq->q = rte_pmd_nvme_queue_create(dev, b->conf->depth + 1, bq->vec);
	return bq->q != NULL ? 0 : -rte_errno;
}

static void
queue_close(struct bench_queue *bq)
{
	if (bq->q != NULL)
		rte_pmd_nvme_queue_destroy(bq->q);
	if (bq->vec != NULL)
		rte_ims_vec_free(bq->vec);
	memset(bq, 0, sizeof(*bq));
}

static void
serve(struct bench *b)
{
	unsigned int i;

	switch (b->mode) {
	case MODE_QUEUES:
		for (i = 0; i < b->conf->n_queues; i++)
			take_completions(&b->queues[i]);
		break;
	case MODE_MEMORY:
		rte_ims_wait_poll(b->wait);
		break;
	default:
		rte_ims_wait_sleep(b->wait, 10000000);
	}
}

static bool
idle(const struct bench *b)
{
	unsigned int i;

	for (i = 0; i < b->conf->n_queues; i++)
		if (b->queues[i].under_way != 0)
			return false;
	return true;
}

static double
cpu_seconds(void)
{
	struct rusage ru;

	getrusage(RUSAGE_THREAD, &ru);
	return ru.ru_utime.tv_sec + ru.ru_stime.tv_sec +
	       (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
}

/* Every command that was submitted must come back, and be seen by the handlers. */
static int
drain(struct bench *b)
{
	uint64_t end = rte_rdtsc() + 5 * rte_get_tsc_hz();

	b->stopping = true;
	while (!idle(b))
		if (rte_rdtsc() > end)
			return tp_fail(-ETIMEDOUT, "%s: commands were lost", modes[b->mode].name);
		else
			serve(b);
	return 0;
}

static int
measure(struct bench *b)
{
	uint64_t hz = rte_get_tsc_hz(), start, now;
	uint64_t ticks = b->conf->duration_ns / 1e9 * hz;
	struct result *r = b->result;
	unsigned int i, k;
	double cpu;

	b->stopping = false;
	b->rc = 0;
	cpu = cpu_seconds();
	start = now = rte_rdtsc();
	for (i = 0; i < b->conf->n_queues; i++)
		for (k = 0; k < b->conf->depth; k++)
			submit(b, &b->queues[i].places[k]);
	while (now - start < ticks && b->rc == 0 &&
		!atomic_load_explicit(&tp_interrupted, memory_order_relaxed)) {
		for (i = 0; i < 64; i++)
			serve(b);
		now = rte_rdtsc();
		tp_progress("%s: %.1f s, %" PRIu64 " commands", modes[b->mode].name,
			(double)(now - start) / hz, r->commands);
	}
	r->seconds = (double)(rte_rdtsc() - start) / hz;
	r->cpu = (cpu_seconds() - cpu) / r->seconds;
	tp_progress_end();
	if (atomic_load(&tp_interrupted))
		return -EINTR;
	return b->rc;
}

static int
run_mode(struct bench *b)
{
	size_t per_queue = (size_t)b->conf->depth * b->conf->info.block_size;
	unsigned int i;
	int rc = 0, rc2;

	hist_reset(&b->result->latency);
	for (i = 0; i < b->conf->n_queues && rc == 0; i++)
		rc = queue_open(b, &b->queues[i], b->buf + i * per_queue);
	if (rc == 0) {
		rc = measure(b);
		rc2 = drain(b);
		rc = rc != 0 ? rc : rc2;
		b->result->done = rc == 0;
	}
	for (i = 0; i < b->conf->n_queues; i++)
		queue_close(&b->queues[i]);
	return rc;
}

static void
cell_us(struct tp_table *t, double ticks)
{
	tp_cell(t, "%.1f", ticks * 1e6 / rte_get_tsc_hz());
}

static void
print_results(const struct bench_nvme_conf *conf, const struct result *results)
{
	struct tp_table *t = tp_table_new(NULL);
	const struct result *r;
	unsigned int i;

	printf("%u queue%s of depth %u, one block of %u bytes a %s\n\n", conf->n_queues,
		conf->n_queues > 1 ? "s" : "", conf->depth, conf->info.block_size,
		conf->write ? "write" : "read");
	tp_cell(t, "DELIVERY");
	tp_cell(t, "COMMANDS");
	tp_cell(t, "FAILED");
	tp_cell(t, "IOPS");
	tp_cell(t, "MIN_us");
	tp_cell(t, "MEDIAN");
	tp_cell(t, "P99");
	tp_cell(t, "P99.9");
	tp_cell(t, "MAX");
	tp_cell(t, "CPU_%%");
	tp_row_end(t);
	for (i = 0; i < MODE_MAX; i++) {
		r = &results[i];
		if (!r->done)
			continue;
		tp_cell(t, "%s", modes[i].name);
		tp_cell(t, "%" PRIu64, r->commands);
		tp_cell(t, "%" PRIu64, r->failed);
		tp_cell(t, "%.0f", r->commands / r->seconds);
		cell_us(t, r->latency.min);
		cell_us(t, hist_quantile(&r->latency, 0.5));
		cell_us(t, hist_quantile(&r->latency, 0.99));
		cell_us(t, hist_quantile(&r->latency, 0.999));
		cell_us(t, r->latency.max);
		tp_cell(t, "%.1f", r->cpu * 100);
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
}

static int
write_json(const struct bench_nvme_conf *conf, const struct result *results)
{
	double ns = 1e9 / rte_get_tsc_hz();
	const struct result *r;
	const char *comma = "";
	unsigned int i;
	FILE *f;
	int rc;

	rc = tp_json_begin(conf->json, &f);
	if (rc != 0)
		return rc;
	for (i = 0; i < MODE_MAX; i++) {
		r = &results[i];
		if (!r->done)
			continue;
		fprintf(f,
			"%s\n\"nvme_%s_iops\": %.0f,\n\"nvme_%s_p50_ns\": %.0f,\n"
			"\"nvme_%s_p99_ns\": %.0f,\n\"nvme_%s_cpu_pct\": %.1f,\n"
			"\"nvme_%s_failed\": %" PRIu64,
			comma, modes[i].key, r->commands / r->seconds, modes[i].key,
			hist_quantile(&r->latency, 0.5) * ns, modes[i].key,
			hist_quantile(&r->latency, 0.99) * ns, modes[i].key, r->cpu * 100,
			modes[i].key, r->failed);
		comma = ",";
	}
	return tp_json_end(conf->json, f);
}

static int
run_all(struct bench *b, struct result *results)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; i < MODE_MAX && rc == 0; i++) {
		b->mode = i;
		b->result = &results[i];
		rc = run_mode(b);
	}
	return rc;
}

int
bench_nvme(const struct bench_nvme_conf *conf)
{
	size_t size = (size_t)conf->n_queues * conf->depth * conf->info.block_size;
	struct result *results = calloc(MODE_MAX, sizeof(*results));
	struct bench b = { .conf = conf };
	int rc;

	b.queues = calloc(conf->n_queues, sizeof(*b.queues));
	b.buf = rte_zmalloc("bench", size, 4096);
	b.wait = rte_ims_wait_create("bench", NULL);
	rc = results != NULL && b.queues != NULL && b.buf != NULL && b.wait != NULL ? 0 : -ENOMEM;
	if (rc == 0) {
		tp_service_pause();
		rc = run_all(&b, results);
		tp_service_resume();
		print_results(conf, results);
	}
	if (rc == -EINTR)
		rc = tp_fail(rc, "interrupted");
	if (rc == 0 && conf->json != NULL)
		rc = write_json(conf, results);
	if (b.wait != NULL)
		rte_ims_wait_destroy(b.wait);
	rte_free(b.buf);
	free(b.queues);
	free(results);
	return rc;
}
