/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * What an event costs the thread that handles it when one of N queues has work: the time of the one
 * call of rte_ims_wait_poll() that finds the event, finds the queue, takes its completion and arms
 * it again. The device and what it takes to notice the doorbell are not in it.
 *
 *   eq      the queues share a vector, and the device's event queue names the one
 *   words   each has a vector of its own, and the set scans their doorbell words
 *   all     N objects share a vector without an event queue: each looks at its own line of memory
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_epoll.h>
#include <rte_errno.h>
#include <rte_interrupts.h>

#include "ims_bench.h"

#define ROUNDS 5u
#define MOST   16384u

struct queue {
	struct rte_pmd_queue_dev_queue *q;
	struct rte_ims_vec *vec;
	struct rte_ims_obj obj; /* all: one that hangs there beside */
	uint64_t done;
} __attribute__((aligned(64)));

static struct queue *queues;

static void
take(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done[4];
	struct queue *q = arg;
	int n;

	(void)vec;
	while ((n = rte_pmd_queue_dev_poll(q->q, done, 4)) > 0)
		q->done += n;
}

/* What a driver does whose device does not say who has work. */
static void
look(struct rte_ims_vec *vec, void *arg)
{
	struct queue *q = arg;

	(void)vec;
	if (*(volatile uint64_t *)&q->done == UINT64_MAX)
		abort();
}

static void
measure(struct rig *rig, struct queue *active, struct rounds *rounds)
{
	const struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };
	unsigned int events = bench.quick ? 500 : 5000, warm = events / 10, i;
	struct samples s;
	uint64_t t, want;

	samples_init(&s, events);
	for (i = 0; i < events + warm; i++) {
		want = active->done + 1;
		check(rte_pmd_queue_dev_submit(active->q, &op, 1), "submit");
		do {
			t = rte_rdtsc_precise();
			check(rte_ims_wait_poll(rig->wait), "poll");
			t = rte_rdtsc_precise() - t;
		} while (active->done < want);
		if (i >= warm)
			samples_add(&s, t);
	}
	rounds_add(rounds, &s, bench.tick_ns);
	samples_free(&s);
}

static void
queue_open(struct rig *rig, struct queue *q)
{
	const struct rte_pmd_queue_dev_queue_conf conf = {
		.depth = 2, .vec = q->vec, .fn = take, .arg = q
	};

	q->q = rte_pmd_queue_dev_queue_create(rig->dev, &conf);
	check_ptr(q->q, "queue");
}

/* In the middle, so that what comes before and after it counts. */
static struct queue *
active_of(unsigned int n)
{
	return &queues[n / 2];
}

static void
demux_eq(struct rig *rig, unsigned int n, struct rounds *rounds)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		queues[i].vec = rig_vec(rig);
		queue_open(rig, &queues[i]);
	}
	measure(rig, active_of(n), rounds);
	for (i = 0; i < n; i++) {
		check(rte_pmd_queue_dev_queue_destroy(queues[i].q), "queue");
		check(rte_ims_pool_put(rig->pool, queues[i].vec), "put");
	}
}

static struct rte_ims_vec *
own_slot(struct rig *rig)
{
	const struct rte_ims_vec_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	struct rte_ims_store *store = rte_ims_dev_store_at(rig->dev, 0);
	struct rte_ims_store_info info = { 0 };
	struct rte_ims_vec *vec;
	uint32_t i;

	for (i = 1; store != NULL && strcmp(info.name, "ims-queue") != 0; i++) {
		store = rte_ims_dev_store_at(rig->dev, i);
		check_ptr(store, "ims-queue");
		rte_ims_store_info_get(store, &info);
	}
	vec = rte_ims_vec_alloc(rte_ims_dev_table(rig->dev), store, RTE_IMS_SLOT_ANY, &conf);
	check_ptr(vec, "vector");
	check(rte_ims_wait_add(rig->wait, vec), "wait set");
	return vec;
}

static void
demux_words(struct rig *rig, unsigned int n, struct rounds *rounds)
{
	struct queue *active = active_of(n);
	unsigned int i;

	for (i = 0; i < n; i++)
		queues[i].vec = own_slot(rig);
	queue_open(rig, active);
	measure(rig, active, rounds);
	check(rte_pmd_queue_dev_queue_destroy(active->q), "queue");
	for (i = 0; i < n; i++)
		check(rte_ims_vec_free(queues[i].vec), "vector");
}

static void
demux_all(struct rig *rig, unsigned int n, struct rounds *rounds)
{
	struct queue *active = active_of(n);
	unsigned int i;

	active->vec = own_slot(rig);
	queue_open(rig, active);
	for (i = 0; i < n; i++) {
		queues[i].obj.fn = look;
		queues[i].obj.arg = &queues[i];
		if (&queues[i] != active)
			check(rte_ims_vec_attach(active->vec, &queues[i].obj), "attach");
	}
	measure(rig, active, rounds);
	for (i = 0; i < n; i++)
		if (&queues[i] != active)
			check(rte_ims_vec_detach(&queues[i].obj), "detach");
	check(rte_pmd_queue_dev_queue_destroy(active->q), "queue");
	check(rte_ims_vec_free(active->vec), "vector");
}

/* DPDK's way: the call that finds one of N eventfds readable, and the read that makes it not so. */
static void
peer_epoll(struct rig *rig, unsigned int n, struct rounds *rounds)
{
	static struct rte_epoll_event evs[MOST];
	unsigned int events = bench.quick ? 500 : 5000, i;
	int *fds = calloc(n, sizeof(*fds));
	struct rte_epoll_event got;
	const uint64_t one = 1;
	struct samples s;
	uint64_t t, count;

	(void)rig;
	check(fds != NULL ? 0 : -ENOMEM, "eventfds");
	samples_init(&s, events);
	for (i = 0; i < n; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		check(fds[i] >= 0 ? 0 : -errno, "eventfd");
		memset(&evs[i], 0, sizeof(evs[i]));
		evs[i].epdata.event = EPOLLIN;
		check(rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_ADD, fds[i], &evs[i]),
			"rte_epoll_ctl");
	}
	for (i = 0; i < events; i++) {
		check(write(fds[n / 2], &one, sizeof(one)) < 0 ? -errno : 0, "eventfd");
		t = rte_rdtsc_precise();
		check(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &got, 1, 0), "rte_epoll_wait");
		check(read(got.fd, &count, sizeof(count)) < 0 ? -errno : 0, "eventfd");
		samples_add(&s, rte_rdtsc_precise() - t);
	}
	rounds_add(rounds, &s, bench.tick_ns);
	for (i = 0; i < n; i++) {
		rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_DEL, fds[i], &evs[i]);
		close(fds[i]);
	}
	samples_free(&s);
	free(fds);
}

static struct kind {
	const char *key;
	unsigned int n;
	void (*fn)(struct rig *rig, unsigned int n, struct rounds *rounds);
	struct rounds rounds;
} kinds[] = {
	{ "demux_1_ns", 1, demux_eq },
	{ "demux_64_ns", 64, demux_eq },
	{ "demux_4096_ns", 4096, demux_eq },
	{ "demux_16384_ns", MOST, demux_eq },
	{ "demux_words_1_ns", 1, demux_words },
	{ "demux_words_64_ns", 64, demux_words },
	{ "demux_words_4096_ns", 4096, demux_words },
	{ "demux_words_16384_ns", MOST, demux_words },
	{ "demux_all_1_ns", 1, demux_all },
	{ "demux_all_64_ns", 64, demux_all },
	{ "demux_all_4096_ns", 4096, demux_all },
	{ "demux_all_16384_ns", MOST, demux_all },
	{ "peer_epoll_4096_ns", 4096, peer_epoll },
};

/* Round by round: what slows the machine down for a second slows all of a round's figures down. */
void
bench_demux(void)
{
	struct rig rig;
	unsigned int i;
	size_t k;

	queues = aligned_alloc(64, MOST * sizeof(*queues));
	check(queues != NULL ? 0 : -ENOMEM, "queues");
	memset(queues, 0, MOST * sizeof(*queues));
	rig_open(&rig, bench.other_cpu, ",engine=poll", RTE_IMS_DELIVERY_MEMORY);
	for (i = 0; i < ROUNDS; i++)
		for (k = 0; k < RTE_DIM(kinds); k++)
			kinds[k].fn(&rig, kinds[k].n, &kinds[k].rounds);
	for (k = 0; k < RTE_DIM(kinds); k++)
		figure_set_rounds(kinds[k].key, &kinds[k].rounds);
	rig_close(&rig);
	free(queues);
}
