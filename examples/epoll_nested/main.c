/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * An event loop that the program has already, with a wait set as one more descriptor in it. The
 * loop is level-triggered or edge-triggered: the set does not mind.
 *
 *   epoll_nested [EAL options] [-- level|edge [DEVICE]]         defaults: level emu:timer_ims
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include <rte_ims.h>
#include <rte_ims_wait.h>
#include <rte_pmd_timer_ims.h>

#define TICKS       100
#define INTERVAL_NS 1000000 /* 1 ms */

/* What the loop knows its descriptors by. */
enum {
	OWN_TIMER,
	WAIT_SET
};

struct ticker {
	struct rte_ims_obj obj;
	struct rte_ims_dev *dev;
	struct rte_ims_vec *vec;
	uint64_t ticks;
};

/* Runs inside rte_ims_wait_sleep(wait, 0), in the loop's thread. */
static void
on_tick(struct rte_ims_vec *vec, void *arg)
{
	struct ticker *t = arg;

	(void)vec;
	t->ticks = rte_pmd_timer_ims_count(t->dev, 0, NULL);
}

static int
watch(int epfd, int fd, uint32_t what, bool edge)
{
	struct epoll_event ev = { .events = EPOLLIN | (edge ? EPOLLET : 0), .data.u32 = what };

	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

/* The program's own work: something every 20 ms. */
static int
own_timer(void)
{
	const struct itimerspec every = {
		.it_value.tv_nsec = 20000000,
		.it_interval.tv_nsec = 20000000,
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd >= 0)
		timerfd_settime(fd, 0, &every, NULL);
	return fd;
}

static int
loop(int epfd, int timer, struct rte_ims_wait *wait, const struct ticker *t)
{
	uint64_t own = 0, turns = 0, expired;
	struct epoll_event ev[8];
	int i, n, rc = 0;

	while (t->ticks < TICKS && rc >= 0) {
		n = epoll_wait(epfd, ev, 8, -1);
		turns++;
		for (i = 0; i < n; i++)
			if (ev[i].data.u32 == WAIT_SET)
				rc = rte_ims_wait_sleep(wait, 0);
			else if (read(timer, &expired, sizeof(expired)) > 0)
				own += expired;
	}
	printf("%" PRIu64 " ticks of the device, %" PRIu64 " of the program, %" PRIu64
	       " turns of the loop\n",
		t->ticks, own, turns);
	return rc < 0 ? rc : 0;
}

static int
start(struct ticker *t, struct rte_ims_wait *wait)
{
	const struct rte_pmd_timer_ims_conf conf = {
		.interval_ns = INTERVAL_NS,
		.limit = TICKS,
		.flags = RTE_PMD_TIMER_IMS_F_PERIODIC,
	};
	int rc;

	t->vec = rte_ims_vec_alloc(rte_ims_dev_table(t->dev),
		rte_ims_dev_store_get(t->dev, RTE_IMS_STORE_BAR), RTE_IMS_SLOT_ANY, NULL);
	if (t->vec == NULL)
		return -rte_errno;
	rc = rte_ims_vec_attach(t->vec, &t->obj);
	if (rc == 0)
		rc = rte_ims_wait_add(wait, t->vec);
	return rc == 0 ? rte_pmd_timer_ims_start(t->dev, 0, t->vec, &conf) : rc;
}

static int
run(struct rte_ims_dev *dev, struct rte_ims_wait *wait, bool edge)
{
	struct ticker t = { .obj = { .fn = on_tick, .arg = &t }, .dev = dev };
	int epfd = epoll_create1(EPOLL_CLOEXEC), timer = own_timer(), rc = -errno;

	if (epfd >= 0 && timer >= 0)
		rc = watch(epfd, timer, OWN_TIMER, false);
	if (rc == 0)
		rc = watch(epfd, rte_ims_wait_fd(wait), WAIT_SET, edge);
	if (rc == 0)
		rc = start(&t, wait);
	if (rc == 0)
		rc = loop(epfd, timer, wait, &t);
	if (t.vec != NULL)
		rte_ims_vec_free(t.vec);
	close(timer);
	close(epfd);
	return rc;
}

int
main(int argc, char **argv)
{
	const char *name = "emu:timer_ims";
	struct rte_ims_wait *wait;
	struct rte_ims_dev *dev;
	bool edge = false;
	int n, rc;

	n = rte_eal_init(argc, argv);
	if (n < 0) {
		fprintf(stderr, "epoll_nested: EAL: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	if (argc - n > 1)
		edge = strcmp(argv[n + 1], "edge") == 0;
	if (argc - n > 2)
		name = argv[n + 2];
	dev = rte_ims_dev_open(name, NULL);
	wait = rte_ims_wait_create("epoll_nested", NULL);
	rc = dev != NULL && wait != NULL ? run(dev, wait, edge) : -rte_errno;
	if (rc != 0)
		fprintf(stderr, "epoll_nested: %s: %s\n", name, rte_strerror(-rc));
	if (dev != NULL)
		rte_ims_dev_close(dev);
	if (wait != NULL)
		rte_ims_wait_destroy(wait);
	rte_eal_cleanup();
	return rc == 0 ? 0 : 1;
}
