/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * How fast the model queue_dev is, in this process and with a peer that keeps up: nop completions
 * per second, and the way from a doorbell to a message in memory. Not a test: meson test
 * --benchmark.
 */

#include <stdio.h>

#include "qd_peer.h"
#include "ticks.h"

#define RUN_NS  300000000ull
#define ROUNDS  6
#define LOG     10
#define SAMPLES 100000

static struct tq queues[16384];

/* Keep n_active queues, `step` apart, full for a while. */
static double
run(uint32_t n_active, uint32_t step)
{
	uint64_t began = clock_ns(), now = began, done = 0;
	uint32_t k;

	for (k = 0; now - began < RUN_NS; k = (k + 1) % n_active) {
		struct tq *q = &queues[k * step];

		while (tq_ready(q)) {
			q->ci++;
			done++;
		}
		if (q->tail - q->ci <= q->size / 2)
			tq_nops(q, q->size - (q->tail - q->ci));
		if (k % 64 == 0)
			now = clock_ns();
	}
	return done * 1e3 / (now - began);
}

/* The best round: in others the two threads may have had to share a CPU, or to wait for one. */
static void
throughput(const char *name, uint32_t n, uint32_t n_active)
{
	double best = 0, rate;
	struct queue_dev_ctx ctx;
	uint32_t i, log;

	qd_start_plain("idle_us=1000");
	for (i = 0; i < n; i++) {
		log = i % (n / n_active) == 0 && n_active < 1024 ? LOG : 2;
		ctx = queue_ctx(i, log);
		queues[i] = tq_create(&ctx);
	}
	for (i = 0; i < ROUNDS; i++) {
		rate = run(n_active, n / n_active);
		best = rate > best ? rate : best;
	}
	printf("%-34s %6.2f M completions/s\n", name, best);
	qd_stop();
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * Submit, doorbell, completion, message to memory: one at a time. pause_us: between two of them, so
 * that the device falls asleep, or 0.
 */
static void
round_trip(const char *name, const char *keys, uint32_t n, uint32_t pause_us)
{
	static uint64_t ns[SAMPLES];
	struct queue_dev_ctx ctx;
	_Atomic(uint32_t) *msg;
	struct tq q;
	uint32_t i;

	qd_start_plain(keys);
	ctx = queue_ctx(0, LOG);
	q = tq_create(&ctx);
	msg = at(QD_WORDS);
	for (i = 0; i < n; i++) {
		tq_arm(&q);
		if (pause_us != 0)
			usleep(pause_us);
		ns[i] = clock_ns();
		tq_nops(&q, 1);
		while (atomic_load_explicit(msg, memory_order_acquire) == 0)
			;
		atomic_store_explicit(msg, 0, memory_order_relaxed);
		ns[i] = clock_ns() - ns[i];
		tq_next(&q);
	}
	qsort(ns, n, sizeof(ns[0]), compare);
	printf("%-34s %6lu ns median, %lu ns of 99 %%\n", name, (unsigned long)ns[n / 2],
		(unsigned long)ns[n * 99 / 100]);
	qd_stop();
}

/* Bytes per second of an operation on 64 KiB. */
static void
bandwidth(const char *name, uint8_t op)
{
	struct queue_dev_desc desc = { .op = op, .len = 65536 };
	uint64_t began, ns, best = UINT64_MAX;
	struct queue_dev_ctx ctx;
	uint32_t i, k;
	struct tq q;

	qd_start_plain("idle_us=1000");
	ctx = queue_ctx(0, 6);
	q = tq_create(&ctx);
	if (op != QUEUE_DEV_OP_CRC32C)
		desc.dst = qd_alloc(desc.len);
	if (op != QUEUE_DEV_OP_FILL)
		desc.src = qd_alloc(desc.len);
	for (i = 0; i < 200; i++) {
		for (k = 0; k < 64; k++)
			tq_push(&q, &desc);
		began = clock_ns();
		tq_ring(&q);
		for (k = 0; k < 64; k++)
			assert_int_equal(tq_next(&q).status & 0xffff, 0);
		ns = clock_ns() - began;
		best = ns < best ? ns : best;
	}
	printf("%-34s %6.2f GB/s\n", name, 64.0 * desc.len / best);
	qd_stop();
}

static void
bench(void **state)
{
	throughput("1 queue", 1, 1);
	throughput("16 queues", 16, 16);
	throughput("16 of 16384 queues", 16384, 16);
	throughput("16384 queues, all busy", 16384, 16384);
	bandwidth("copy, 64 KiB", QUEUE_DEV_OP_COPY);
	bandwidth("fill, 64 KiB", QUEUE_DEV_OP_FILL);
	bandwidth("crc32c, 64 KiB", QUEUE_DEV_OP_CRC32C);
	round_trip("doorbell to message, awake", "idle_us=1000", SAMPLES, 0);
	round_trip("doorbell to message, asleep", "idle_us=50", 5000, 200);
	round_trip("the same, idle_us=0", "idle_us=0", 5000, 200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(bench) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
