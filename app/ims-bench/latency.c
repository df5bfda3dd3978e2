/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * One-way latency of this library: from right before the device process sends a message, by the
 * time that it stamps, to the first instruction of the handler. In turn with the floors and the
 * peers.
 *
 *   memory    timer_ims, a periodic timer, its slot's message a doorbell word; polled
 *   64vec     64 such timers, each with a vector of its own in the set
 *   eventfd   queue_dev, an MSI-X vector: the device process writes the eventfd. A completion's
 *             event is held back until this thread sleeps (coalescing)
 *   socket    timer_ims, an IMS slot: the message goes over the vfio-user socket
 */

#include <errno.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_pmd_timer_ims.h>

#include "latency.h"

#define ROUNDS 7u
#define VECS   64u

struct timer {
	struct rte_ims_dev *dev;
	uint32_t n;
	struct rte_ims_vec *vec;
	struct rte_ims_obj obj;
	uint64_t seen;
	struct samples *out;
};
static struct timer timers[VECS];

static void
on_timer(struct rte_ims_vec *vec, void *arg)
{
	uint64_t now = rte_rdtsc(), stamp, count;
	struct timer *t = arg;

	(void)vec;
	count = rte_pmd_timer_ims_count(t->dev, t->n, &stamp);
	if (count > t->seen && stamp < now)
		samples_add(t->out, now - stamp);
	t->seen = RTE_MAX(t->seen, count);
}

static struct rte_ims_dev *timer_dev;
static struct rte_ims_wait *timer_wait;

static void
timer_open(struct timer *t, uint32_t n, enum rte_ims_delivery delivery, struct samples *out)
{
	const struct rte_ims_vec_conf conf = { .delivery = delivery };

	memset(t, 0, sizeof(*t));
	t->dev = timer_dev;
	t->n = n;
	t->out = out;
	t->obj.fn = on_timer;
	t->obj.arg = t;
	t->vec = rte_ims_vec_alloc(rte_ims_dev_table(timer_dev),
		rte_ims_dev_store_get(timer_dev, RTE_IMS_STORE_BAR), RTE_IMS_SLOT_ANY, &conf);
	check_ptr(t->vec, "vector");
	check(rte_ims_vec_attach(t->vec, &t->obj), "attach");
	check(rte_ims_wait_add(timer_wait, t->vec), "wait set");
}

/* n timers; together they expire every interval. */
static void
timers_run(unsigned int n, enum rte_ims_delivery delivery, uint64_t interval_ns,
	unsigned int events, struct samples *out)
{
	const struct rte_pmd_timer_ims_conf conf = {
		.interval_ns = interval_ns * n,
		.flags = RTE_PMD_TIMER_IMS_F_PERIODIC,
	};
	uint64_t end = now_ns() + 10000000000ull;
	unsigned int i;

	for (i = 0; i < n; i++)
		timer_open(&timers[i], i, delivery, out);
	for (i = 0; i < n; i++)
		check(rte_pmd_timer_ims_start(timer_dev, i, timers[i].vec, &conf), "timer");
	while (out->n < events && now_ns() < end)
		if (delivery == RTE_IMS_DELIVERY_MEMORY)
			for (i = 0; i < 1000; i++)
				rte_ims_wait_poll(timer_wait);
		else
			rte_ims_wait_sleep(timer_wait, 1000000000);
	for (i = 0; i < n; i++) {
		rte_pmd_timer_ims_stop(timer_dev, i);
		check(rte_ims_vec_free(timers[i].vec), "vector");
	}
}

static void
ims_memory(unsigned int events, struct samples *out)
{
	timers_run(1, RTE_IMS_DELIVERY_MEMORY, LINE_INTERVAL_NS, events, out);
}

static void
ims_memory_64vec(unsigned int events, struct samples *out)
{
	timers_run(VECS, RTE_IMS_DELIVERY_MEMORY, LINE_INTERVAL_NS, events, out);
}

static void
ims_eventfd_socket(unsigned int events, struct samples *out)
{
	timers_run(1, RTE_IMS_DELIVERY_EVENTFD, SLEEP_INTERVAL_NS, events, out);
}

static struct rig rig;
static struct {
	struct rte_pmd_queue_dev_queue *q;
	struct rte_ims_vec *vec;
	struct samples *out;
	uint64_t done;
} queue;

static void
on_queue(struct rte_ims_vec *vec, void *arg)
{
	uint64_t now = rte_rdtsc(), stamp = rte_pmd_queue_dev_stamp(vec);
	struct rte_pmd_queue_dev_completion done[4];
	int n;

	(void)arg;
	if (stamp != 0 && stamp < now)
		samples_add(queue.out, now - stamp);
	while ((n = rte_pmd_queue_dev_poll(queue.q, done, 4)) > 0)
		queue.done += n;
}

static void
queue_open(void)
{
	struct rte_pmd_queue_dev_queue_conf conf = {
		.depth = 4,
		.fn = on_queue,
		.coal_count = 4,
		.coal_usec = SLEEP_INTERVAL_NS / 1000,
	};

	queue.vec = conf.vec = rig_vec(&rig);
	queue.q = rte_pmd_queue_dev_queue_create(rig.dev, &conf);
	check_ptr(queue.q, "queue");
}

static void
ims_eventfd(unsigned int events, struct samples *out)
{
	const struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };
	uint64_t want;

	queue.out = out;
	while (out->n < events) {
		want = queue.done + 1;
		check(rte_pmd_queue_dev_submit(queue.q, &op, 1), "submit");
		while (queue.done < want)
			check(rte_ims_wait_sleep(rig.wait, 1000000000) > 0 ? 0 : -ETIMEDOUT,
				"queue");
	}
}

static struct kind {
	const char *key;
	void (*fn)(unsigned int events, struct samples *out);
	bool line; /* polled: many events in little time */
	struct rounds rounds;
} kinds[] = {
	{ "floor_cacheline_ns", floor_line, true },
	{ "floor_exchange_ns", floor_exchange, true },
	{ "ims_memory_ns", ims_memory, true },
	{ "ims_memory_64vec_ns", ims_memory_64vec, true },
	{ "floor_epoll_ns", floor_epoll },
	{ "ims_eventfd_ns", ims_eventfd },
	{ "peer_rte_epoll_ns", peer_rte_epoll },
	{ "peer_eal_intr_ns", peer_eal_intr },
#ifdef HAVE_LIBEVENT
	{ "peer_libevent_ns", peer_libevent },
#endif
	{ "floor_socket_ns", floor_socket },
	{ "ims_eventfd_socket_ns", ims_eventfd_socket },
};

void
bench_latency(void)
{
	unsigned int lines = bench.quick ? 5000 : 50000, sleeps = bench.quick ? 300 : 1500, i, n;
	char name[RTE_IMS_NAME_LEN];
	struct samples s;
	size_t k;

	snprintf(name, sizeof(name), "emu:timer_ims,engine=spin,cpu=%d", bench.other_cpu);
	timer_dev = rte_ims_dev_open(name, NULL);
	check_ptr(timer_dev, name);
	timer_wait = rte_ims_wait_create("latency", NULL);
	check_ptr(timer_wait, "wait set");
	/* It looks at its clock until it sends, as the floors' process does. */
	rig_open(&rig, bench.other_cpu, ",idle_us=1000", RTE_IMS_DELIVERY_EVENTFD);
	queue_open();
	for (i = 0; i < (bench.quick ? 3 : ROUNDS); i++)
		for (k = 0; k < RTE_DIM(kinds); k++) {
			n = kinds[k].line ? lines : sleeps;
			samples_init(&s, n);
			kinds[k].fn(n, &s);
			rounds_add(&kinds[k].rounds, &s, bench.tick_ns);
			samples_free(&s);
		}
	for (k = 0; k < RTE_DIM(kinds); k++)
		figure_set_rounds(kinds[k].key, &kinds[k].rounds);
	check(rte_pmd_queue_dev_queue_destroy(queue.q), "queue");
	check(rte_ims_pool_put(rig.pool, queue.vec), "put");
	rig_close(&rig);
	check(rte_ims_dev_close(timer_dev), "close");
	check(rte_ims_wait_destroy(timer_wait), "wait set");
}
