/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Events that one thread can handle in a second. The sender is a process that raises 64 interrupts
 * by turns as fast as it can: by a device's messages, as stores to doorbell words; by eventfds that
 * are in a wait set; by eventfds in rte_epoll. A device that does work for each event is in
 * queue_events_*.
 */

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_epoll.h>
#include <rte_errno.h>

#include "busy.h"
#include "child.h"

#define ROUNDS 5u
#define FDS    64u

static uint64_t
span_ns(void)
{
	return bench.quick ? 100000000 : 500000000;
}

static double
queues(enum rte_ims_delivery delivery)
{
	struct rte_ims_vec *vec;
	uint64_t start, end;
	struct busy *b;
	struct rig rig;
	double rate;
	int i;

	rig_open(&rig, bench.other_cpu, ",engine=poll", delivery);
	vec = rig_vec(&rig);
	b = busy_open(&rig, vec, 1);
	busy_start(b);
	start = now_ns();
	end = start + span_ns();
	while (now_ns() < end)
		for (i = 0; i < 100; i++)
			if (delivery == RTE_IMS_DELIVERY_MEMORY)
				rte_ims_wait_poll(rig.wait);
			else
				rte_ims_wait_sleep(rig.wait, 1000000000);
	rate = busy_calls(b) * 1e9 / (now_ns() - start);
	check(busy_stop(b, &rig) == 0 ? 0 : -EIO, "queues stand still");
	busy_close(b);
	check(rte_ims_pool_put(rig.pool, vec), "put");
	rig_close(&rig);
	return rate;
}

static struct rte_ims_dev *dev;
static struct rte_ims_wait *wait;

struct source {
	struct rte_ims_vec *vec;
	struct rte_ims_obj obj;
	uint64_t events;
} __rte_cache_aligned;
static struct source sources[FDS];

static void
on_source(struct rte_ims_vec *vec, void *arg)
{
	struct source *s = arg;

	(void)vec;
	s->events++;
}

static void
source_open(struct source *s, enum rte_ims_delivery delivery)
{
	const struct rte_ims_vec_conf conf = { .delivery = delivery };

	memset(s, 0, sizeof(*s));
	s->vec = rte_ims_vec_alloc(rte_ims_dev_table(dev),
		rte_ims_dev_store_get(dev, RTE_IMS_STORE_BAR), RTE_IMS_SLOT_ANY, &conf);
	check_ptr(s->vec, "vector");
	s->obj.fn = on_source;
	s->obj.arg = s;
	check(rte_ims_vec_attach(s->vec, &s->obj), "attach");
	check(rte_ims_wait_add(wait, s->vec), "wait set");
}

static double
ours(enum rte_ims_delivery delivery)
{
	struct child_conf conf = { .how = CHILD_EVENTFD, .n_fds = FDS };
	struct rte_ims_msg msgs[FDS];
	struct rte_ims_vec_info info;
	struct child_shared *shared;
	uint64_t start, end, n = 0;
	int fds[FDS], i;
	double rate;
	pid_t pid;

	for (i = 0; i < (int)FDS; i++) {
		source_open(&sources[i], delivery);
		check(rte_ims_vec_info_get(sources[i].vec, &info), "vector");
		msgs[i] = info.msg;
		fds[i] = rte_ims_vec_fd_get(sources[i].vec);
	}
	if (delivery == RTE_IMS_DELIVERY_MEMORY)
		conf.how = CHILD_MESSAGE;
	conf.fds = fds;
	conf.msgs = msgs;
	shared = child_start(&conf, &pid);
	start = now_ns();
	end = start + span_ns();
	while (now_ns() < end)
		for (i = 0; i < 100; i++)
			rte_ims_wait_poll(wait);
	for (i = 0; i < (int)FDS; i++)
		n += sources[i].events;
	rate = n * 1e9 / (now_ns() - start);
	child_end(shared, pid);
	for (i = 0; i < (int)FDS; i++)
		check(rte_ims_vec_free(sources[i].vec), "vector");
	return rate;
}

static double
peer(void)
{
	static struct rte_epoll_event evs[FDS], got[FDS];
	struct child_conf conf = { .how = CHILD_EVENTFD, .n_fds = FDS };
	uint64_t n = 0, count, start, end;
	struct child_shared *s;
	int fds[FDS], rc, i;
	double rate;
	pid_t pid;

	for (i = 0; i < (int)FDS; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		check(fds[i] >= 0 ? 0 : -errno, "eventfd");
		memset(&evs[i], 0, sizeof(evs[i]));
		evs[i].epdata.event = EPOLLIN;
		check(rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_ADD, fds[i], &evs[i]),
			"rte_epoll_ctl");
	}
	conf.fds = fds;
	s = child_start(&conf, &pid);
	start = now_ns();
	end = start + span_ns();
	while (now_ns() < end) {
		rc = rte_epoll_wait(RTE_EPOLL_PER_THREAD, got, FDS, 1000);
		for (i = 0; i < rc; i++)
			n += read(got[i].fd, &count, sizeof(count)) > 0;
	}
	rate = n * 1e9 / (now_ns() - start);
	child_end(s, pid);
	for (i = 0; i < (int)FDS; i++) {
		rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_DEL, fds[i], &evs[i]);
		close(fds[i]);
	}
	return rate;
}

void
bench_rate(void)
{
	struct rounds memory = { 0 }, eventfd = { 0 }, epoll = { 0 }, qmemory = { 0 }, qfd = { 0 };
	unsigned int i;

	dev = rte_ims_dev_open("emu:timer_ims", NULL);
	check_ptr(dev, "emu:timer_ims");
	wait = rte_ims_wait_create("rate", NULL);
	check_ptr(wait, "wait set");
	for (i = 0; i < ROUNDS; i++) {
		rounds_add_value(&memory, ours(RTE_IMS_DELIVERY_MEMORY));
		rounds_add_value(&epoll, peer());
		rounds_add_value(&eventfd, ours(RTE_IMS_DELIVERY_EVENTFD));
		rounds_add_value(&qmemory, queues(RTE_IMS_DELIVERY_MEMORY));
		rounds_add_value(&qfd, queues(RTE_IMS_DELIVERY_EVENTFD));
	}
	figure_set_rounds("events_per_s_memory", &memory);
	figure_set_rounds("events_per_s_eventfd", &eventfd);
	figure_set_rounds("peer_events_per_s_epoll", &epoll);
	figure_set_rounds("queue_events_per_s_memory", &qmemory);
	figure_set_rounds("queue_events_per_s_eventfd", &qfd);
	check(rte_ims_dev_close(dev), "close");
	check(rte_ims_wait_destroy(wait), "wait set");
}
