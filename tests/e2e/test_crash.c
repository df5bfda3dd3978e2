/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The device's process is killed at a random moment of its life, from its start to full rate, some
 * times after it was stopped for a while: every call returns, in time; who has got as far as to
 * wait for it is told that the device is gone; each operation has completed or is aborted; and the
 * next device starts, with as many descriptors, maps and children as before. A process of our own
 * (emu:) is a new one each time. A server is started again on its socket, or was only stopped, for
 * longer than its client waits, and the device of the same name is opened again and goes on. A
 * device beside them notices nothing. --ops N: how often, --seed N: the same moments.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_common.h>

#include <rte_pmd_queue_dev.h>

#include "../children.h"
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
	bool spare;              /* it is not killed */
	pid_t of;
	pid_t pid;        /* 0: the next child */
	atomic_bool over; /* no process came */
	atomic_bool done;
} killer;

/* A device in the same process, which is none of theirs. */
static struct {
	struct rte_ims_dev *dev;
	struct rte_ims_wait *wait;
	struct rte_ims_vec *vec;
	struct rte_pmd_queue_dev_queue *q;
	pthread_t thread;
	pid_t pid;
	atomic_uint_fast64_t submitted;
	atomic_uint_fast64_t done;
	atomic_uint wrong;
	atomic_bool stop;
} beside;

/* The first one that is not the other device's. */
static pid_t
child_of(pid_t pid)
{
	pid_t pids[2];
	int i, n;

	n = children_of(pid, pids, RTE_DIM(pids));
	for (i = 0; i < n && i < (int)RTE_DIM(pids); i++)
		if (pids[i] != beside.pid)
			return pids[i];
	return 0;
}

static void *
kill_it(void *arg)
{
	struct killer *k = arg;
	pid_t pid = k->pid;

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
		kill(pid, k->spare ? SIGCONT : SIGKILL);
	}
	atomic_store(&k->done, true);
	return NULL;
}

/*
 * slow: so many times as long, on a machine where no device has got to work before its end.
 * spare_us: not killed, but stopped for that long.
 */
static void
killer_start(unsigned int *seed, unsigned int slow, pid_t pid, unsigned int spare_us)
{
	static const unsigned int most_us[] = { 3000, 30000, 120000 };

	/* From its first step on. */
	killer.start_us = slow * (rand_r(seed) % most_us[rand_r(seed) % RTE_DIM(most_us)]);
	killer.stopped_us = rand_r(seed) % 3 == 0 ? 1 + rand_r(seed) % 30000 : 0;
	killer.running_us = rand_r(seed) % 2 != 0 ? rand_r(seed) % 10000 : 0;
	killer.of = getpid();
	killer.pid = pid;
	killer.spare = spare_us != 0;
	if (killer.spare) {
		killer.stopped_us = spare_us;
		killer.running_us = 0;
	}
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

static const char *dev_name;
static uint64_t n_rounds; /* two thirds of them with processes of our own */

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
	bool resting; /* nothing more is submitted */
} life;

static struct {
	uint64_t unopened;
	uint64_t unready;
	uint64_t at_work;
	uint64_t unanswered;
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
	if (!life.resting)
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

/* Changes that are answered, or not: what is in doubt then is set right when it can be. */
static void
ask(void)
{
	int rc = rte_ims_vec_mask(life.vecs[0]);

	assert_true(rc == 0 || rc == -ETIMEDOUT || rc == -ENODEV);
	rc = rte_ims_vec_unmask(life.vecs[0]);
	assert_true(rc == 0 || rc == -ETIMEDOUT || rc == -ENODEV);
}

static bool
all_done(void *arg)
{
	const uint64_t *want = arg; /* NULL: what was submitted */
	unsigned int i;

	for (i = 0; i < N_QUEUES; i++)
		if (life.queues[i].done < (want != NULL ? want[i] : life.queues[i].submitted))
			return false;
	return true;
}

/*
 * It was stopped, and answers again: what it was asked meanwhile, too. Each queue goes on, by
 * events.
 */
static void
goes_on(void)
{
	uint64_t want[N_QUEUES], end = e2e_now_ns() + 20 * SECOND_NS;
	struct rte_ims_dev_stats stats;
	unsigned int i;

	while (rte_ims_vec_unmask(life.vecs[0]) != 0)
		assert_true(e2e_now_ns() < end);
	assert_int_equal(rte_ims_dev_stats_get(life.dev, &stats), 0);
	/* A time-out may also be that of a command which could not be sent. */
	assert_true(stats.late_replies <= stats.timeouts);
	for (i = 0; i < N_QUEUES; i++)
		want[i] = life.queues[i].done + DEPTH;
	assert_true(e2e_wait_for(life.wait, all_done, want, 20 * SECOND_NS));
	life.resting = true;
	assert_true(e2e_wait_for(life.wait, all_done, NULL, 20 * SECOND_NS));
	assert_int_equal(life.calls_of_gone, 0);
}

/* Until it is gone, or has been stopped for long. */
static void
work(void)
{
	uint64_t end = e2e_now_ns() + 20 * SECOND_NS;

	while (life.calls_of_gone == 0 && !(killer.spare && atomic_load(&killer.done))) {
		rte_ims_wait_sleep(life.wait, 1000000);
		ask();
		assert_true(e2e_now_ns() < end);
	}
	if (life.calls_of_gone == 0)
		goes_on();
	else
		assert_int_equal(life.calls_of_gone, 1);
}

static void
end_queue(struct queue *s)
{
	uint64_t end = e2e_now_ns() + 20 * SECOND_NS;
	int rc;

	/* One that was not set up has perhaps no events. */
	do {
		on_queue(NULL, s);
		assert_true(e2e_now_ns() < end);
	} while (life.resting && s->done + s->aborted != s->submitted);
	assert_int_equal(s->done + s->aborted, s->submitted);
	assert_int_equal(rte_pmd_queue_dev_queue_pending(s->q), 0);
	do {
		rc = rte_pmd_queue_dev_queue_destroy(s->q);
		assert_true(e2e_now_ns() < end);
	} while (rc == -ETIMEDOUT);
	assert_int_equal(rc, 0);
	sum.done += s->done;
	sum.aborted += s->aborted;
}

static void
end(void)
{
	struct rte_ims_dev_stats stats;
	struct rte_ims_dev_info info;
	unsigned int i;

	/* Who was refused for a process that was stopped may be here before that is over. */
	while (rte_ims_dev_info_get(life.dev, &info) == 0 && !info.removed &&
		!(killer.spare && atomic_load(&killer.done)))
		usleep(100);
	life.resting = !info.removed;
	for (i = 0; i < life.n_queues; i++)
		end_queue(&life.queues[i]);
	assert_int_equal(rte_ims_dev_stats_get(life.dev, &stats), 0);
	sum.unanswered += stats.timeouts;
	assert_int_equal(stats.bad_replies + stats.bad_requests + stats.surplus_fds +
				 stats.malformed + stats.dma_faults,
		0);
	assert_int_equal(rte_ims_dev_close(life.dev), 0);
	assert_int_equal(rte_ims_wait_destroy(life.wait), 0);
}

static void
live(uint32_t timeout_ms, bool killed_at_work)
{
	struct rte_ims_dev_conf conf = { .timeout_ms = timeout_ms };

	memset(&life, 0, sizeof(life));
	life.dev = rte_ims_dev_open(dev_name, &conf);
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
		work();
		sum.at_work++;
	} else {
		sum.unready++;
	}
	end();
}

/* What the first device that gets to work leaves for the ones after it is none of theirs. */
static void
first_life(void)
{
	killer.spare = false;
	live(E2E_PATIENCE_MS, true);
	assert_int_equal(sum.at_work, 1);
	memset(&sum, 0, sizeof(sum));
}

/* Slowly, for all the time. */
static void
on_beside(struct rte_ims_vec *vec, void *arg)
{
	static const struct rte_pmd_queue_dev_op op;
	struct rte_pmd_queue_dev_completion c;

	(void)vec;
	(void)arg;
	while (rte_pmd_queue_dev_poll(beside.q, &c, 1) == 1) {
		beside.done++;
		beside.wrong += c.status != 0;
		usleep(1000);
		if (!atomic_load(&beside.stop) && rte_pmd_queue_dev_submit(beside.q, &op, 1) == 1)
			beside.submitted++;
	}
}

static void *
beside_main(void *arg)
{
	(void)arg;
	on_beside(NULL, NULL);
	while (!atomic_load(&beside.stop) || beside.done != beside.submitted)
		rte_ims_wait_sleep(beside.wait, -1);
	return NULL;
}

static int
beside_open(void **state)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 2, .fn = on_beside };
	static const struct rte_pmd_queue_dev_op op;
	struct rte_ims_vec_conf vconf = { 0 };

	(void)state;
	beside.dev = rte_ims_dev_open("emu:queue_dev,queues=16,subdevs=1", NULL);
	assert_non_null(beside.dev);
	beside.pid = child_of(getpid());
	beside.wait = rte_ims_wait_create("beside", NULL);
	assert_non_null(beside.wait);
	beside.vec = rte_ims_vec_alloc(rte_ims_dev_table(beside.dev),
		rte_ims_dev_store_get(beside.dev, RTE_IMS_STORE_MSIX), RTE_IMS_SLOT_ANY, &vconf);
	assert_non_null(beside.vec);
	assert_int_equal(rte_ims_wait_add(beside.wait, beside.vec), 0);
	conf.vec = beside.vec;
	beside.q = rte_pmd_queue_dev_queue_create(beside.dev, &conf);
	assert_non_null(beside.q);
	assert_int_equal(rte_pmd_queue_dev_submit(beside.q, &op, 1), 1);
	beside.submitted = 1;
	return pthread_create(&beside.thread, NULL, beside_main, NULL);
}

static void
beside_goes_on(void)
{
	uint64_t want = beside.done + 3, end = e2e_now_ns() + 20 * SECOND_NS;

	while (beside.done < want) {
		assert_true(e2e_now_ns() < end);
		usleep(500);
	}
	assert_int_equal(beside.wrong, 0);
}

static int
beside_close(void **state)
{
	const struct rte_ims_dev_stats none = { 0 };
	struct rte_ims_dev_stats stats;

	(void)state;
	atomic_store(&beside.stop, true);
	rte_ims_wait_wake(beside.wait);
	assert_int_equal(pthread_join(beside.thread, NULL), 0);
	assert_int_equal(beside.done, beside.submitted);
	assert_int_equal(rte_ims_dev_stats_get(beside.dev, &stats), 0);
	assert_memory_equal(&stats, &none, sizeof(none));
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(beside.q), 0);
	assert_int_equal(rte_ims_dev_close(beside.dev), 0);
	return rte_ims_wait_destroy(beside.wait);
}

/* What there was before the first of them, of which no round leaves more. */
static struct {
	unsigned int fds, maps, children;
} before;

static void
count_before(void)
{
	before.fds = count_fds();
	before.maps = e2e_count_maps();
	before.children = e2e_count_children();
}

static void
nothing_is_left(void)
{
	beside_goes_on();
	assert_int_equal(e2e_count_children(), before.children);
	assert_int_equal(count_fds(), before.fds);
	assert_int_equal(e2e_count_maps(), before.maps);
}

static void
test_crash(void **state)
{
	uint64_t n = n_rounds - n_rounds / 3, i, start = e2e_now_ns(), begun, longest = 0;
	unsigned int seed = e2e_seed, slow = 1;

	(void)state;
	dev_name = e2e_dev_name;
	first_life();
	count_before();
	for (i = 0; i < n; i++) {
		if (i % 6 == 5 && (sum.at_work == 0 || sum.done == 0) && slow < 64)
			slow *= 2;
		killer_start(&seed, slow, 0, 0);
		begun = e2e_now_ns();
		live(500 * slow, false);
		longest = RTE_MAX(longest, e2e_now_ns() - begun);
		atomic_store(&killer.over, true);
		assert_int_equal(pthread_join(killer.thread, NULL), 0);
		nothing_is_left();
	}
	print_message(
		"%lu devices killed in %.1f s: %lu while they were opened, %lu while they were "
		"set up, %lu at work; %lu operations, %lu aborted; the longest took %.2f s\n",
		(unsigned long)n, (e2e_now_ns() - start) / 1e9, (unsigned long)sum.unopened,
		(unsigned long)sum.unready, (unsigned long)sum.at_work, (unsigned long)sum.done,
		(unsigned long)sum.aborted, longest / 1e9);
	assert_true(sum.at_work > 0 && sum.done > 0);
}

/* ims-devsrv on a socket's path, which stays the same. */
static struct {
	char path[64];
	char name[80];
	pid_t pid;
} server;

/* Returns when it listens. */
static void
server_start(void)
{
	const char *program = getenv("IMS_DEVSRV"), *model = strchr(e2e_dev_name, ':') + 1;
	int out[2];
	char c;

	assert_non_null(program);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	server.pid = fork();
	assert_true(server.pid >= 0);
	if (server.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], STDOUT_FILENO);
		execl(program, program, "--model", model, "--socket", server.path, NULL);
		_exit(127);
	}
	close(out[1]);
	assert_int_equal(read(out[0], &c, 1), 1);
	close(out[0]);
}

static void
server_open(void)
{
	snprintf(server.path, sizeof(server.path), "/tmp/ims-crash-%d.sock", (int)getpid());
	snprintf(server.name, sizeof(server.name), "vfio-user:%s", server.path);
	server_start();
}

static void
server_close(void)
{
	int status;

	assert_int_equal(kill(server.pid, SIGTERM), 0);
	assert_int_equal(waitpid(server.pid, &status, 0), server.pid);
	assert_int_equal(status, 0);
	assert_int_equal(access(server.path, F_OK), -1);
}

/* If it was killed another one is there, and the application opens it by the same name. */
static void
come_back(void)
{
	uint64_t at_work = sum.at_work;
	int status;

	assert_int_equal(pthread_join(killer.thread, NULL), 0);
	if (!killer.spare) {
		assert_int_equal(waitpid(server.pid, &status, 0), server.pid);
		assert_true(WIFSIGNALED(status));
		server_start();
	}
	killer.spare = true; /* there is none any more: it goes on, and is closed */
	live(E2E_PATIENCE_MS, false);
	assert_int_equal(sum.at_work, at_work + 1);
}

static void
test_reconnect(void **state)
{
	uint64_t n = n_rounds / 3, i, start = e2e_now_ns(), spared = 0;
	unsigned int seed = e2e_seed, slow = 1, timeout_ms, spare_us;

	(void)state;
	memset(&sum, 0, sizeof(sum));
	server_open();
	dev_name = server.name;
	killer.spare = true;
	atomic_store(&killer.done, true); /* nothing happens to the first */
	live(E2E_PATIENCE_MS, false);
	count_before();
	for (i = 0; i < n; i++) {
		if (i % 3 == 2 && sum.at_work == i + 1 && slow < 64)
			slow *= 2;
		timeout_ms = 30 * slow;
		spare_us = i % 3 == 0 ? timeout_ms * 1000 + rand_r(&seed) % 20000 : 0;
		spared += spare_us != 0;
		killer_start(&seed, slow, child_of(server.pid), spare_us);
		live(timeout_ms, false);
		come_back();
		nothing_is_left();
	}
	server_close();
	print_message(
		"%lu servers in %.1f s: %lu stopped for longer than their client waits, the "
		"others killed: %lu while they were opened, %lu while they were set up, %lu at "
		"work; %lu commands not answered; %lu operations, %lu aborted\n",
		(unsigned long)n, (e2e_now_ns() - start) / 1e9, (unsigned long)spared,
		(unsigned long)sum.unopened, (unsigned long)sum.unready,
		(unsigned long)(sum.at_work - n - 1), (unsigned long)sum.unanswered,
		(unsigned long)sum.done, (unsigned long)sum.aborted);
	assert_true(sum.at_work > n + 1);
}

/* A device that cannot be reset keeps what it may write to: nothing is lost, says ASan. */
static void
test_not_reset(void **state)
{
	struct rte_ims_dev_conf conf = { .timeout_ms = 1000 };
	struct rte_ims_dev *dev;

	(void)state;
	dev = rte_ims_dev_open("emu:queue_dev,queues=16", &conf);
	assert_non_null(dev);
	assert_int_equal(kill(child_of(getpid()), SIGSTOP), 0);
	assert_int_equal(rte_ims_dev_close(dev), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_reconnect),
		cmocka_unit_test(test_not_reset),
	};

	e2e_init(argc, argv, "emu:queue_dev,queues=64,subdevs=4");
	n_rounds = e2e_ops != 0 ? e2e_ops : 60;
	return cmocka_run_group_tests(tests, beside_open, beside_close);
}
