/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Resets: what was under way is aborted, and queues work on. */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_lcore.h>

#include "e2e_queue.h"
#include "test_queue.h"

/* What was under way is aborted; then everything works, on the same vectors. */
static void
test_reset(void **state)
{
	static const char *const stores[] = { "msix", "ims-eq", "ims-queue" };
	struct rte_ims_vec *vec[6];
	uint32_t n = 0, i, k, round;
	uint64_t done[6];
	struct tq t[6];

	for (i = 0; i < 3; i++)
		for (k = 0; find_store(stores[i]) != NULL && k < 2; k++) {
			vec[n] = vec_open(stores[i], RTE_IMS_SLOT_ANY, k);
			if (vec[n] != NULL)
				tq_open(&t[n], vec[n], NULL), n++;
		}
	for (round = 0; round < 3; round++) {
		for (i = 0; i < n; i++)
			for (k = 0; k < DEPTH; k++)
				submit(&t[i], RTE_PMD_QUEUE_DEV_FILL, NULL, buf + i * 65536, 65536,
					k);
		assert_int_equal(rte_ims_dev_reset(dev), 0);
		for (i = 0; i < n; i++) {
			tq_wait(&t[i], (round * 2 + 1) * DEPTH);
			assert_true(t[i].failed == 0 || t[i].last_status == 0 ||
				    t[i].last_status == RTE_PMD_QUEUE_DEV_ABORTED);
			done[i] = t[i].failed;
		}
		e2e_settle(set);
		for (i = 0; i < n; i++)
			for (k = 0; k < DEPTH; k++) {
				submit(&t[i], RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, k);
				tq_wait(&t[i], (round * 2 + 1) * DEPTH + k + 1);
				assert_int_equal(t[i].last_result, k);
			}
		for (i = 0; i < n; i++)
			assert_int_equal(t[i].failed, done[i]);
	}
	for (i = 0; i < n; i++) {
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t[i].q), 0);
		assert_int_equal(rte_ims_vec_free(vec[i]), 0);
	}
}

/* A queue that was on no vector during a reset hears of it on the one that it is attached to. */
static void
test_reset_unattached(void **state)
{
	static const char *const stores[] = { "msix", "ims-eq" };
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = on_queue };
	struct rte_ims_vec *vec;
	struct tq t;
	uint32_t i, k;

	for (i = 0; i < 4; i++) {
		vec = find_store(stores[i / 2]) != NULL
		              ? vec_open(stores[i / 2], RTE_IMS_SLOT_ANY, i % 2)
		              : NULL;
		if (vec == NULL)
			continue;
		memset(&t, 0, sizeof(t));
		conf.arg = &t;
		t.q = rte_pmd_queue_dev_queue_create(dev, &conf);
		assert_non_null(t.q);
		for (k = 0; k < DEPTH; k++)
			submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, k);
		assert_int_equal(rte_ims_dev_reset(dev), 0);
		e2e_settle(set);
		assert_int_equal(t.calls, 0);
		assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec), 0);
		tq_wait(&t, DEPTH);
		assert_int_equal(t.failed, DEPTH);
		assert_int_equal(t.last_status, RTE_PMD_QUEUE_DEV_ABORTED);
		submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 7);
		tq_wait(&t, DEPTH + 1);
		assert_int_equal(t.last_status, 0);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
		assert_int_equal(rte_ims_vec_free(vec), 0);
	}
}

/* A queue that a thread keeps full, by its handler or by polling. */
struct busy {
	struct rte_pmd_queue_dev_queue *q;
	uint64_t submitted;
	uint64_t completed;
	uint64_t wrong; /* not the one that was to come, in order */
};

static atomic_bool busy_stop;

static void
busy_turn(struct busy *b)
{
	struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };
	struct rte_pmd_queue_dev_completion done[32];
	int n, i;

	do {
		n = rte_pmd_queue_dev_poll(b->q, done, 32);
		for (i = 0; i < n; i++)
			b->wrong += (uintptr_t)done[i].cookie != b->completed++ ||
			            (done[i].status != 0 &&
					    done[i].status != RTE_PMD_QUEUE_DEV_ABORTED);
	} while (n == 32);
	while (!atomic_load(&busy_stop)) {
		op.imm = b->submitted;
		op.cookie = (void *)(uintptr_t)b->submitted;
		if (rte_pmd_queue_dev_submit(b->q, &op, 1) != 1)
			break;
		b->submitted++;
	}
}

static void
on_busy(struct rte_ims_vec *vec, void *arg)
{
	busy_turn(arg);
}

#define N_BUSY 24

struct busy_thread {
	pthread_t thread;
	bool lcore;                /* with a portal of its own */
	struct rte_ims_wait *wait; /* NULL: it polls its queues */
	struct rte_ims_vec *vec[3];
	struct busy b[N_BUSY];
};

static bool
busy_pending(const struct busy_thread *t)
{
	uint32_t i;

	for (i = 0; i < N_BUSY; i++)
		if (t->b[i].submitted != t->b[i].completed)
			return true;
	return false;
}

static void *
busy_run(void *arg)
{
	struct busy_thread *t = arg;
	uint64_t end = UINT64_MAX;
	uint32_t i;

	if (t->lcore)
		rte_thread_register();
	for (i = 0; i < N_BUSY; i++)
		busy_turn(&t->b[i]);
	while (end == UINT64_MAX || (busy_pending(t) && e2e_now_ns() < end)) {
		if (t->wait != NULL)
			rte_ims_wait_sleep(t->wait, 1000000);
		for (i = 0; t->wait == NULL && i < N_BUSY; i++)
			busy_turn(&t->b[i]);
		if (end == UINT64_MAX && atomic_load(&busy_stop))
			end = e2e_now_ns() + E2E_PATIENCE_NS;
	}
	if (t->lcore)
		rte_thread_unregister();
	return NULL;
}

static void
busy_open(struct busy_thread *t)
{
	static const char *const stores[] = { "msix", "ims-eq", "ims-queue" };
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH };
	struct rte_ims_vec *vecs[3], *vec;
	uint32_t i, n = 0;

	for (i = 0; t->wait != NULL && i < 3; i++) {
		if (find_store(stores[i]) == NULL)
			continue;
		vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), find_store(stores[i]),
			RTE_IMS_SLOT_ANY,
			&(struct rte_ims_vec_conf){ .delivery = RTE_IMS_DELIVERY_MEMORY });
		assert_non_null(vec);
		assert_int_equal(rte_ims_wait_add(t->wait, vec), 0);
		t->vec[i] = vec;
		vecs[n++] = vec;
	}
	for (i = 0; i < N_BUSY; i++) {
		/* That of a store ims-queue is for one. */
		if (n != 0)
			conf.vec = i == 0 ? vecs[n - 1] : vecs[i % RTE_MAX(n - 1, 1u)];
		conf.fn = n != 0 ? on_busy : NULL;
		conf.arg = &t->b[i];
		t->b[i].q = rte_pmd_queue_dev_queue_create(dev, &conf);
		assert_non_null(t->b[i].q);
	}
	assert_int_equal(pthread_create(&t->thread, NULL, busy_run, t), 0);
}

static void
busy_close(struct busy_thread *t)
{
	uint64_t done = 0;
	uint32_t i;

	pthread_join(t->thread, NULL);
	for (i = 0; i < N_BUSY; i++) {
		assert_int_equal(t->b[i].completed, t->b[i].submitted);
		assert_int_equal(t->b[i].wrong, 0);
		done += t->b[i].completed;
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t->b[i].q), 0);
	}
	assert_true(done > 0);
	for (i = 0; i < 3; i++)
		if (t->vec[i] != NULL)
			assert_int_equal(rte_ims_vec_free(t->vec[i]), 0);
	if (t->wait != NULL)
		assert_int_equal(rte_ims_wait_destroy(t->wait), 0);
}

/*
 * Resets while threads submit, poll and run handlers: each operation completes or is aborted, in
 * order, and queues work on.
 */
static void
test_reset_busy(void **state)
{
	static struct busy_thread t[4];
	uint32_t i;

	if (info.n_queues < 4 * N_BUSY)
		skip();
	memset(t, 0, sizeof(t));
	atomic_store(&busy_stop, false);
	for (i = 0; i < 4; i++) {
		t[i].lcore = i % 2;
		t[i].wait = i / 2 ? rte_ims_wait_create("busy", NULL) : NULL;
		busy_open(&t[i]);
	}
	for (i = 0; i < 100; i++) {
		assert_int_equal(rte_ims_dev_reset(dev), 0);
		usleep(i % 4 * 1000);
	}
	atomic_store(&busy_stop, true);
	for (i = 0; i < 4; i++)
		busy_close(&t[i]);
}

struct attacher {
	struct rte_pmd_queue_dev_queue *q;
	struct rte_ims_vec *vec;
	atomic_uint attached;
	atomic_int rc;
};

static void *
attach_again(void *arg)
{
	struct attacher *a = arg;
	int rc = 0;

	while (!atomic_load(&busy_stop) && rc == 0) {
		rc = rte_pmd_queue_dev_queue_attach(a->q, a->vec);
		atomic_fetch_add(&a->attached, 1);
	}
	atomic_store(&a->rc, rc);
	return NULL;
}

/* Attaching a queue where it is needs no lock, whatever a reset does (for ThreadSanitizer). */
static void
test_reset_attach(void **state)
{
	const char *store = find_store("msix") != NULL ? "msix" : "ims-eq";
	static struct attacher a;
	unsigned int i, attached;
	pthread_t thread;
	struct tq t;

	memset(&a, 0, sizeof(a));
	a.vec = vec_open(store, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	tq_open(&t, a.vec, NULL);
	a.q = t.q;
	atomic_store(&busy_stop, false);
	assert_int_equal(pthread_create(&thread, NULL, attach_again, &a), 0);
	for (i = 0; i < 10; i++) {
		attached = atomic_load(&a.attached);
		while (atomic_load(&a.attached) == attached && atomic_load(&a.rc) == 0)
			sched_yield();
		assert_int_equal(rte_ims_dev_reset(dev), 0);
	}
	atomic_store(&busy_stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&a.rc), 0);
	submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 7);
	tq_wait(&t, 1);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
	assert_int_equal(rte_ims_vec_free(a.vec), 0);
}

int
queue_reset_tests(void)
{
	const struct CMUnitTest tests[] = {
		T(test_reset),
		T(test_reset_unattached),
		T(test_reset_busy),
		T(test_reset_attach),
	};

	return cmocka_run_group_tests_name("resets", tests, NULL, NULL);
}
