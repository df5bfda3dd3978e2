/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Sources: what comes before, while and after they are armed is seen, and costs nothing while
 * nothing comes.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <rte_pause.h>

#include "fake_dev.h"
#include "ims_wait_private.h"

#define SECOND 1000000000ll

/* A queue whose owner is told by an eventfd of what comes while he has asked for that. */
struct fake {
	struct rte_ims_source src;
	struct rte_ims_wait *w;
	atomic_uint queued;
	atomic_bool want;
	uint64_t taken;
	bool edge;    /* nobody reads the eventfd */
	bool refuses; /* to be armed */
	unsigned int
		in_window; /* events that come while it is being armed, before it takes effect */
	unsigned int after_arm; /* and right after it */
	unsigned int arms, disarms;
	int del_rc;
	bool del_itself;
};

static struct rte_ims_wait *w;

static void
put(struct fake *f)
{
	const uint64_t one = 1;

	atomic_fetch_add(&f->queued, 1);
	if (atomic_load(&f->want))
		assert_int_equal(write(f->src.fd, &one, sizeof(one)), sizeof(one));
}

static unsigned int
fake_poll(void *arg)
{
	struct fake *f = arg;
	unsigned int n;
	uint64_t count;

	if (!f->edge && f->src.fd >= 0 && read(f->src.fd, &count, sizeof(count)) < 0)
		count = 0;
	n = atomic_exchange(&f->queued, 0);
	f->taken += n;
	if (f->del_itself)
		f->del_rc = rte_ims_wait_source_del(f->w, &f->src);
	return n;
}

static int
fake_arm(void *arg)
{
	struct fake *f = arg;

	f->arms++;
	for (; f->in_window > 0; f->in_window--)
		put(f);
	if (f->refuses)
		return -ENOTSUP;
	atomic_store(&f->want, true);
	for (; f->after_arm > 0; f->after_arm--)
		put(f);
	return 0;
}

static void
fake_disarm(void *arg)
{
	struct fake *f = arg;

	f->disarms++;
	atomic_store(&f->want, false);
}

static const struct rte_ims_source_ops fake_ops = {
	.poll = fake_poll,
	.arm = fake_arm,
	.disarm = fake_disarm,
};

static void
fake_init(struct fake *f, bool edge)
{
	memset(f, 0, sizeof(*f));
	f->edge = edge;
	f->w = w;
	f->src.ops = &fake_ops;
	f->src.arg = f;
	f->src.flags = edge ? RTE_IMS_SOURCE_F_EDGE : 0;
	f->src.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(f->src.fd >= 0);
}

static void
fake_add(struct fake *f)
{
	assert_int_equal(rte_ims_wait_source_add(w, &f->src), 0);
	/* The wake-up that tells a sleeping thread of it. */
	rte_ims_wait_sleep(w, 0);
}

static void
fake_end(struct fake *f)
{
	if (f->src.wait != NULL)
		assert_int_equal(rte_ims_wait_source_del(f->src.wait, &f->src), 0);
	assert_false(atomic_load(&f->want));
	close(f->src.fd);
}

static struct rte_ims_source_stats
stats_of(const struct fake *f)
{
	struct rte_ims_source_stats st;

	assert_int_equal(rte_ims_source_stats_get(&f->src, &st), 0);
	return st;
}

static void
policy(enum rte_ims_policy p)
{
	struct rte_ims_wait_policy conf = { .policy = p };

	assert_int_equal(rte_ims_wait_policy_set(w, &conf), 0);
	rte_ims_wait_sleep(w, 0);
}

static int
group_setup(void **state)
{
	fake_eal_init();
	return 0;
}

static int
setup(void **state)
{
	w = rte_ims_wait_create("s", NULL);
	return w == NULL;
}

static int
teardown(void **state)
{
	return rte_ims_wait_destroy(w);
}

static const enum rte_ims_policy sleepers[] = { RTE_IMS_POLICY_MANUAL, RTE_IMS_POLICY_INTERRUPT,
	RTE_IMS_POLICY_ADAPTIVE };

/* The race of every such loop: the queue was empty, then something comes, then it is armed. */
static void
test_event_in_the_arm_window(void **state)
{
	struct fake f;
	unsigned int p, edge, after, i;

	for (p = 0; p < RTE_DIM(sleepers); p++) {
		for (edge = 0; edge < 4; edge++) {
			after = edge / 2;
			fake_init(&f, edge % 2);
			policy(sleepers[p]);
			assert_int_equal(rte_ims_wait_source_add(w, &f.src), 0);
			f.in_window = !after;
			f.after_arm = after;
			/* The wake-up of its coming may have ended the first one. */
			for (i = 0; i < 2 && f.taken == 0; i++)
				rte_ims_wait_sleep(w, SECOND);
			assert_int_equal(f.taken, 1);
			assert_int_equal(stats_of(&f).late, 1);
			assert_int_equal(stats_of(&f).wakes, 0);
			assert_int_equal(stats_of(&f).events, 1);
			fake_end(&f);
		}
	}
}

static void
test_idle_costs_nothing(void **state)
{
	struct rte_ims_source_stats st;
	struct rte_ims_wait_stats ws;
	struct fake f;
	unsigned int i;

	for (i = 0; i < RTE_DIM(sleepers); i++) {
		fake_init(&f, true);
		policy(sleepers[i]);
		fake_add(&f);
		assert_int_equal(rte_ims_wait_sleep(w, SECOND / 100), 0);
		assert_int_equal(rte_ims_wait_sleep(w, SECOND / 100), 0);
		st = stats_of(&f);
		/*
		 * Armed once, and left so: looked at at the begin and the end of each sleep, and
		 * that is all.
		 */
		assert_int_equal(f.arms, 1);
		assert_int_equal(f.disarms, 0);
		assert_int_equal(st.wakes, 0);
		assert_true(st.polls <= 6);
		fake_end(&f);
		assert_int_equal(f.disarms, 1);
	}
	rte_ims_wait_stats_get(w, &ws);
	assert_int_equal(ws.events, 0);
}

/* Without a descriptor, and with one that says no: looked at after each nap. */
static void
test_deaf(void **state)
{
	unsigned int i, tries;
	uint64_t before;
	struct fake f;
	int fd;

	for (i = 0; i < 2; i++) {
		fake_init(&f, true);
		fd = f.src.fd;
		f.refuses = true;
		if (i == 1)
			f.src.fd = -1;
		policy(RTE_IMS_POLICY_INTERRUPT);
		fake_add(&f);
		/* In some sleep at last the CPU is ours for so many. */
		tries = 0;
		do {
			before = stats_of(&f).polls;
			assert_int_equal(rte_ims_wait_sleep(w, SECOND / 5), 0);
		} while (stats_of(&f).polls - before <= 10 && ++tries < 100);
		assert_true(stats_of(&f).polls - before > 10);
		atomic_fetch_add(&f.queued, 3);
		assert_int_equal(rte_ims_wait_sleep(w, 30 * SECOND), 1);
		assert_int_equal(f.taken, 3);
		if (i == 0)
			assert_true(stats_of(&f).arm_errors > 1);
		else
			assert_int_equal(f.arms, 0);
		fake_end(&f);
		if (i == 1)
			close(fd);
	}
}

struct producer {
	struct fake *f;
	unsigned int n;
	atomic_uint_fast64_t *seen;
};

/*
 * Each event goes out when the one before has been seen, so it meets the set on its way to sleep.
 */
static void *
produce(void *arg)
{
	struct producer *p = arg;
	unsigned int i, k;

	for (i = 1; i <= p->n; i++) {
		put(p->f);
		while (atomic_load(p->seen) < i)
			sched_yield();
		/* Now sooner and now later, around the time that it takes to go to sleep. */
		for (k = 0; k < i % 1024; k++)
			rte_pause();
	}
	return NULL;
}

static void
run_storm(enum rte_ims_policy pol, bool edge, unsigned int n)
{
	atomic_uint_fast64_t seen = 0;
	struct producer p = { .n = n, .seen = &seen };
	pthread_t thread;
	struct fake f;
	int rc;

	fake_init(&f, edge);
	p.f = &f;
	policy(pol);
	fake_add(&f);
	assert_int_equal(pthread_create(&thread, NULL, produce, &p), 0);
	while (f.taken < n) {
		rc = rte_ims_wait_sleep(w, 30 * SECOND);
		assert_true(rc > 0);
		atomic_store(&seen, f.taken);
	}
	pthread_join(thread, NULL);
	assert_int_equal(f.taken, n);
	assert_int_equal(stats_of(&f).events, n);
	fake_end(&f);
}

static void
test_none_slept_over(void **state)
{
	unsigned int p;

	for (p = 0; p < RTE_DIM(sleepers); p++) {
		run_storm(sleepers[p], false, 5000);
		run_storm(sleepers[p], true, 5000);
	}
	/* Both spin: with one CPU for the two each takes turns of milliseconds. */
	run_storm(RTE_IMS_POLICY_POLL, true, 200);
}

/* A loop around the set is told by the set's descriptor. */
static void
test_nested(void **state)
{
	struct epoll_event ev = { .events = EPOLLIN }, out;
	int ep = epoll_create1(0);
	struct fake f;
	unsigned int i;

	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, rte_ims_wait_fd(w), &ev), 0);
	fake_init(&f, true);
	policy(RTE_IMS_POLICY_INTERRUPT);
	fake_add(&f);
	for (i = 1; i <= 100; i++) {
		assert_int_equal(epoll_wait(ep, &out, 1, 0), 0);
		/* Every other time a second one comes while it is armed again. */
		f.in_window = i % 2;
		put(&f);
		while (epoll_wait(ep, &out, 1, 0) == 1)
			assert_true(rte_ims_wait_sleep(w, 0) >= 0);
		assert_int_equal(f.taken, i + (i + 1) / 2);
	}
	fake_end(&f);
	close(ep);
}

static void
test_rearm(void **state)
{
	struct fake f;

	fake_init(&f, true);
	policy(RTE_IMS_POLICY_INTERRUPT);
	assert_int_equal(rte_ims_wait_source_rearm(w, &f.src), -ENOENT);
	fake_add(&f);
	assert_int_equal(f.arms, 1);
	/* The device was reset: what it was told is forgotten. */
	atomic_store(&f.want, false);
	assert_int_equal(rte_ims_wait_source_rearm(w, &f.src), 0);
	assert_int_equal(rte_ims_wait_sleep(w, 30 * SECOND), 0);
	assert_int_equal(rte_ims_wait_sleep(w, SECOND / 1000), 0);
	assert_int_equal(f.arms, 2);
	assert_true(atomic_load(&f.want));
	fake_end(&f);
}

static void *
sleep_once(void *arg)
{
	atomic_int *rc = arg;

	atomic_store(rc, rte_ims_wait_sleep(w, 30 * SECOND));
	return NULL;
}

/* To a set whose thread sleeps, for ever as far as it knows. */
static void
test_added_to_a_sleeper(void **state)
{
	atomic_int rc = -1;
	pthread_t thread;
	struct fake f;

	fake_init(&f, true);
	policy(RTE_IMS_POLICY_INTERRUPT);
	put(&f);
	assert_int_equal(pthread_create(&thread, NULL, sleep_once, &rc), 0);
	assert_int_equal(rte_ims_wait_source_add(w, &f.src), 0);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&rc) >= 0);
	if (f.taken == 0)
		assert_int_equal(rte_ims_wait_sleep(w, 30 * SECOND), 1);
	assert_int_equal(f.taken, 1);
	fake_end(&f);
}

/* The other end has closed it: no sleep is cut short for that, over and over. */
static void
test_broken_descriptor(void **state)
{
	int fds[2];
	struct fake f;
	uint64_t polls;

	fake_init(&f, true);
	close(f.src.fd);
	assert_int_equal(pipe(fds), 0);
	f.src.fd = fds[0];
	f.src.flags = 0;
	policy(RTE_IMS_POLICY_INTERRUPT);
	fake_add(&f);
	close(fds[1]);
	assert_int_equal(rte_ims_wait_sleep(w, SECOND / 100), 0);
	assert_int_equal(stats_of(&f).wakes, 1);
	polls = stats_of(&f).polls;
	assert_int_equal(rte_ims_wait_sleep(w, SECOND / 100), 0);
	assert_true(stats_of(&f).polls - polls < 1000);
	assert_int_equal(stats_of(&f).wakes, 1);
	assert_int_equal(rte_ims_wait_source_del(w, &f.src), 0);
	close(fds[0]);
}

static void
test_refused(void **state)
{
	struct fake f[RTE_IMS_SOURCES_MAX + 1], g;
	struct rte_ims_wait_info info;
	struct rte_ims_source_ops ops = fake_ops;
	unsigned int i;

	fake_init(&g, true);
	assert_int_equal(rte_ims_wait_source_add(NULL, &g.src), -EINVAL);
	assert_int_equal(rte_ims_wait_source_add(w, NULL), -EINVAL);
	assert_int_equal(rte_ims_wait_source_del(w, &g.src), -ENOENT);
	assert_int_equal(rte_ims_wait_source_del(w, NULL), -EINVAL);
	assert_int_equal(rte_ims_source_stats_get(NULL, NULL), -EINVAL);
	g.src.flags = 2;
	assert_int_equal(rte_ims_wait_source_add(w, &g.src), -EINVAL);
	g.src.flags = 0;
	ops.disarm = NULL;
	g.src.ops = &ops;
	assert_int_equal(rte_ims_wait_source_add(w, &g.src), -EINVAL);
	g.src.ops = &fake_ops;
	assert_int_equal(rte_ims_wait_source_add(w, &g.src), 0);
	assert_int_equal(rte_ims_wait_source_add(w, &g.src), -EBUSY);
	assert_int_equal(rte_ims_wait_destroy(w), -EBUSY);
	for (i = 0; i < RTE_IMS_SOURCES_MAX; i++) {
		memset(&f[i], 0, sizeof(f[i]));
		f[i].src.ops = &fake_ops;
		f[i].src.arg = &f[i];
		f[i].src.fd = i == 0 ? g.src.fd : -1;
		assert_int_equal(rte_ims_wait_source_add(w, &f[i].src), i == 0 ? -EEXIST : 0);
	}
	memset(&f[i], 0, sizeof(f[i]));
	f[i].src.ops = &fake_ops;
	f[i].src.fd = -1;
	assert_int_equal(rte_ims_wait_source_add(w, &f[i].src), -ENOSPC);
	assert_int_equal(rte_ims_wait_info_get(w, &info), 0);
	assert_int_equal(info.n_sources, RTE_IMS_SOURCES_MAX);
	for (i = 1; i < RTE_IMS_SOURCES_MAX; i++)
		assert_int_equal(rte_ims_wait_source_del(w, &f[i].src), 0);
	fake_end(&g);
}

static void
test_del_from_its_own_poll(void **state)
{
	struct fake f;

	fake_init(&f, true);
	fake_add(&f);
	f.del_itself = true;
	put(&f);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(f.del_rc, -EDEADLK);
	f.del_itself = false;
	fake_end(&f);
}

struct churn {
	atomic_bool stop;
	struct fake *f;
};

static void *
sleep_on(void *arg)
{
	struct churn *c = arg;

	while (!atomic_load(&c->stop))
		rte_ims_wait_sleep(w, SECOND);
	return NULL;
}

/*
 * Comes and goes while the set's thread sleeps and polls; what it had in between it has the next
 * time.
 */
static void
test_churn(void **state)
{
	unsigned int i, p, n = 0;
	struct churn c = { 0 };
	pthread_t thread;
	struct fake f;

	for (p = 0; p < RTE_DIM(sleepers); p++) {
		policy(sleepers[p]);
		fake_init(&f, p % 2);
		atomic_store(&c.stop, false);
		assert_int_equal(pthread_create(&thread, NULL, sleep_on, &c), 0);
		for (i = n = 0; i < 2000; i++) {
			assert_int_equal(rte_ims_wait_source_add(w, &f.src), 0);
			put(&f);
			n++;
			assert_int_equal(rte_ims_wait_source_del(w, &f.src), 0);
			/* Nobody looks at it: plain accesses are ours alone. */
			assert_false(atomic_load(&f.want));
			f.del_rc++;
		}
		assert_int_equal(rte_ims_wait_source_add(w, &f.src), 0);
		while (atomic_load(&f.queued) != 0)
			usleep(100);
		atomic_store(&c.stop, true);
		rte_ims_wait_wake(w);
		pthread_join(thread, NULL);
		assert_int_equal(f.taken, n);
		fake_end(&f);
	}
}

struct freer {
	struct rte_ims_vec *vec;
	unsigned int handled;
	int rc;
};

static void
on_vec(struct rte_ims_vec *vec, void *arg)
{
	struct freer *f = arg;

	(void)vec;
	f->handled++;
}

static unsigned int
free_it(void *arg)
{
	struct freer *f = arg;

	if (f->vec == NULL)
		return 0;
	f->rc = rte_ims_vec_free(f->vec);
	f->vec = NULL;
	return 1;
}

static int
arm_none(void *arg)
{
	(void)arg;
	return 0;
}

static void
disarm_none(void *arg)
{
	(void)arg;
}

/* A source's poll() is no handler of the vector whose handler ran before it. */
static void
test_frees_a_vector(void **state)
{
	static const struct rte_ims_source_ops ops = {
		.poll = free_it,
		.arm = arm_none,
		.disarm = disarm_none,
	};
	struct rte_ims_vec_conf conf = { .delivery = RTE_IMS_DELIVERY_EVENTFD };
	struct fake_dev *dev = fake_dev_create(true);
	struct freer f = { .rc = 1 };
	struct rte_ims_source src = { .ops = &ops, .arg = &f, .fd = eventfd(0, EFD_CLOEXEC) };
	struct rte_ims_obj obj = { .fn = on_vec, .arg = &f };
	struct rte_ims_vec *vec;
	const uint64_t one = 1;

	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev->dev), dev->store, 1, &conf);
	assert_non_null(vec);
	assert_int_equal(rte_ims_vec_attach(vec, &obj), 0);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	assert_int_equal(rte_ims_wait_source_add(w, &src), 0);
	rte_ims_wait_sleep(w, 0); /* armed, and nothing there */
	/* Both are found by one look at the descriptors. */
	fake_fire(dev, 1);
	assert_int_equal(write(src.fd, &one, sizeof(one)), sizeof(one));
	f.vec = vec;
	assert_int_equal(ims_wait_poll_fds(w, 0, NULL), 2);
	assert_int_equal(f.handled, 1);
	assert_int_equal(f.rc, 0);
	assert_int_equal(rte_ims_wait_source_del(w, &src), 0);
	close(src.fd);
	fake_dev_destroy(dev);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(test_event_in_the_arm_window),
		T(test_idle_costs_nothing),
		T(test_deaf),
		T(test_none_slept_over),
		T(test_nested),
		T(test_rearm),
		T(test_added_to_a_sleeper),
		T(test_broken_descriptor),
		T(test_refused),
		T(test_del_from_its_own_poll),
		T(test_churn),
		T(test_frees_a_vector),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
