/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The device's process is killed at a random moment of its life, from its start to full rate, some times
 * after it was stopped for a while: every call returns, in time; who has got as far as to wait for it is
 * told that the device is gone; each operation has completed or is aborted; and the next device starts,
 * with as many descriptors, maps and children as before. --ops N: how often, --seed N: the same moments.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>

#include <rte_pmd_queue_dev.h>

#include "e2e.h"

#define SECOND_NS 1000000000ull
#define DEPTH     16
#define N_QUEUES  8
#define N_VECS    4

/* What is done to the process, and when. */
static struct killer {
	pthread_t thread;
	unsigned int start_us; /* after it is there */
	unsigned int stopped_us;
	unsigned int running_us; /* again */
	pid_t of;
	atomic_bool over; /* no process came */
	atomic_bool done;
} killer;

static pid_t
child_of(pid_t pid)
{
	char path[64];
	int child = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%d", &child) != 1)
		child = 0;
	fclose(f);
	return child;
}

static void *
kill_it(void *arg)
{
	struct killer *k = arg;
	pid_t pid = 0;

	while (pid == 0 && !atomic_load(&k->over))
		pid = child_of(k->of);
	if (pid != 0) {
		usleep(k->start_us);
		if (k->stopped_us != 0) {
			kill(pid, SIGSTOP);
			usleep(k->stopped_us);
			if (k->running_us != 0) {
				kill(pid, SIGCONT);
				usleep(k->running_us);
			}
		}
		kill(pid, SIGKILL);
	}
	atomic_store(&k->done, true);
	return NULL;
}

/* slow: so many times as long, on a machine where no device has got to work before its end. */
static void
killer_start(unsigned int *seed, unsigned int slow)
{
	static const unsigned int most_us[] = { 3000, 30000, 120000 };

	/* From its first step on. */
	killer.start_us = slow * (rand_r(seed) % most_us[rand_r(seed) % RTE_DIM(most_us)]);
	killer.stopped_us = rand_r(seed) % 3 == 0 ? 1 + rand_r(seed) % 30000 : 0;
	killer.running_us = rand_r(seed) % 2 != 0 ? rand_r(seed) % 10000 : 0;
	killer.of = getpid();
	atomic_store(&killer.over, false);
	atomic_store(&killer.done, false);
	assert_int_equal(pthread_create(&killer.thread, NULL, kill_it, &killer), 0);
}

struct queue {
	struct rte_pmd_queue_dev_queue *q;
	uint64_t submitted;
	uint64_t done;
	uint64_t aborted;
};

/* A life of the device. */
static struct life {
	struct rte_ims_dev *dev;
	struct rte_ims_wait *wait;
	struct rte_ims_vec *vecs[N_VECS];
	struct rte_ims_vec *gone_vec;
	struct rte_ims_obj gone_obj;
	struct queue queues[N_QUEUES];
	unsigned int n_queues;
	unsigned int calls_of_gone;
} life;

static struct {
	uint64_t unopened;
	uint64_t unready;
	uint64_t at_work;
	uint64_t done;
	uint64_t aborted;
} sum;

static void
on_gone(struct rte_ims_vec *vec, void *arg)
{
	(void)vec;
	(void)arg;
	life.calls_of_gone++;
}

static void
submit(struct queue *s)
{
	static const struct rte_pmd_queue_dev_op ops[DEPTH];
	int n = DEPTH - (s->submitted - s->done - s->aborted);

	n = rte_pmd_queue_dev_submit(s->q, ops, n);
	assert_true(n >= 0 || n == -ENODEV);
	s->submitted += RTE_MAX(n, 0);
}

static void
on_queue(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion c[DEPTH];
	struct queue *s = arg;
	int n, i;

	(void)vec;
	while ((n = rte_pmd_queue_dev_poll(s->q, c, DEPTH)) > 0)
		for (i = 0; i < n; i++) {
			assert_true(c[i].status == 0 || c[i].status == RTE_PMD_QUEUE_DEV_ABORTED);
			*(c[i].status == 0 ? &s->done : &s->aborted) += 1;
		}
	submit(s);
}

static bool
vec_open(unsigned int i)
{
	struct rte_ims_vec_conf conf = { .delivery = i % 2 };
	struct rte_ims_store *store =
		rte_ims_dev_store_get(life.dev, i < 2 ? RTE_IMS_STORE_MSIX : RTE_IMS_STORE_QUEUE);

	assert_non_null(store);
	life.vecs[i] =
		rte_ims_vec_alloc(rte_ims_dev_table(life.dev), store, RTE_IMS_SLOT_ANY, &conf);
	return life.vecs[i] != NULL && rte_ims_wait_add(life.wait, life.vecs[i]) == 0;
}

static bool
queue_open(unsigned int i)
{
	struct queue *s = &life.queues[i];
	struct rte_pmd_queue_dev_queue_conf conf = {
		.depth = DEPTH, .vec = life.vecs[i % 2], .fn = on_queue, .arg = s
	};

	s->q = rte_pmd_queue_dev_queue_create(life.dev, &conf);
	if (s->q == NULL)
		return false;
	life.n_queues++;
	submit(s);
	return true;
}

/* false: the device went away before it was at work. */
static bool
begin(void)
{
	unsigned int i;

	life.gone_vec = rte_ims_vec_alloc(rte_ims_dev_table(life.dev),
		rte_ims_dev_store_get(life.dev, RTE_IMS_STORE_DEVICE), RTE_IMS_DEV_EVENT_REMOVED,
		NULL);
	if (life.gone_vec == NULL)
		return false;
	life.gone_obj = (struct rte_ims_obj){ .fn = on_gone };
	assert_int_equal(rte_ims_vec_attach(life.gone_vec, &life.gone_obj), 0);
	if (rte_ims_wait_add(life.wait, life.gone_vec) != 0)
		return false;
	for (i = 0; i < N_VECS; i++)
		if (!vec_open(i))
			return false;
	for (i = 0; i < N_QUEUES; i++)
		if (!queue_open(i))
			return false;
	return true;
}

static void
work_until_gone(void)
{
	uint64_t end = e2e_now_ns() + 20 * SECOND_NS;

	while (life.calls_of_gone == 0) {
		rte_ims_wait_sleep(life.wait, 1000000);
		assert_true(e2e_now_ns() < end);
	}
	assert_int_equal(life.calls_of_gone, 1);
}

static void
end(void)
{
	struct queue *s;
	unsigned int i;

	for (i = 0; i < life.n_queues; i++) {
		s = &life.queues[i];
		on_queue(NULL, s);
		assert_int_equal(s->done + s->aborted, s->submitted);
		assert_int_equal(rte_pmd_queue_dev_queue_pending(s->q), 0);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(s->q), 0);
		sum.done += s->done;
		sum.aborted += s->aborted;
	}
}

static void
live(uint32_t timeout_ms, bool killed_at_work)
{
	struct rte_ims_dev_conf conf = { .timeout_ms = timeout_ms };
	struct rte_ims_dev_info info;

	memset(&life, 0, sizeof(life));
	life.dev = rte_ims_dev_open(e2e_dev_name, &conf);
	if (life.dev == NULL) {
		assert_int_not_equal(rte_errno, 0);
		sum.unopened++;
		return;
	}
	life.wait = rte_ims_wait_create("crash", NULL);
	assert_non_null(life.wait);
	if (begin()) {
		if (killed_at_work)
			assert_int_equal(kill(child_of(getpid()), SIGKILL), 0);
		work_until_gone();
		sum.at_work++;
	} else {
		sum.unready++;
	}
	/* Who was refused for a process that was stopped may be here before it is killed. */
	while (rte_ims_dev_info_get(life.dev, &info) == 0 && !info.removed)
		usleep(100);
	end();
	assert_int_equal(rte_ims_dev_close(life.dev), 0);
	assert_int_equal(rte_ims_wait_destroy(life.wait), 0);
}

/* What the first device that gets to work leaves for the ones after it is none of theirs. */
static void
first_life(void)
{
	live(E2E_PATIENCE_MS, true);
	assert_int_equal(sum.at_work, 1);
	memset(&sum, 0, sizeof(sum));
}

static void
test_crash(void **state)
{
	uint64_t n = e2e_ops != 0 ? e2e_ops : 60, i, start = e2e_now_ns(), begun, longest = 0;
	unsigned int fds, maps, seed = e2e_seed, slow = 1;

	(void)state;
	first_life();
	fds = count_fds();
	maps = e2e_count_maps();
	for (i = 0; i < n; i++) {
		if (i % 10 == 9 && (sum.at_work == 0 || sum.done == 0) && slow < 64)
			slow *= 2;
		killer_start(&seed, slow);
		begun = e2e_now_ns();
		live(500 * slow, false);
		longest = RTE_MAX(longest, e2e_now_ns() - begun);
		atomic_store(&killer.over, true);
		assert_int_equal(pthread_join(killer.thread, NULL), 0);
		assert_int_equal(e2e_count_children(), 0);
		assert_int_equal(count_fds(), fds);
		assert_int_equal(e2e_count_maps(), maps);
	}
	print_message(
		"%lu devices killed in %.1f s: %lu while they were opened, %lu while they were "
		"set up, %lu at work; %lu operations, %lu aborted; the longest took %.2f s\n",
		(unsigned long)n, (e2e_now_ns() - start) / 1e9, (unsigned long)sum.unopened,
		(unsigned long)sum.unready, (unsigned long)sum.at_work, (unsigned long)sum.done,
		(unsigned long)sum.aborted, longest / 1e9);
	assert_true(sum.at_work > 0 && sum.done > 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crash),
	};

	e2e_init(argc, argv, "emu:queue_dev,queues=64,subdevs=4");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
