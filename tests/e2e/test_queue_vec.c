/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Queues and vectors: many on one, from one to another, and gone in a handler. */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_lcore.h>

#include "e2e_queue.h"
#include "test_queue.h"

/* Many queues on one vector: one event finds the one that has work. */
static void
test_shared(void **state)
{
	const char *store = info.ims ? "ims-eq" : "msix";
	uint32_t n = RTE_MIN(info.n_queues, 1000u), i, k;
	struct rte_ims_vec_info vinfo;
	struct rte_ims_vec *vec;
	struct tq *t;

	t = calloc(n, sizeof(*t));
	vec = vec_open(store, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	for (i = 0; i < n; i++)
		tq_open(&t[i], vec, NULL);
	assert_int_equal(rte_ims_vec_info_get(vec, &vinfo), 0);
	assert_int_equal(vinfo.n_objs, n);
	assert_int_equal(vinfo.demux, RTE_IMS_DEMUX_EVENT_QUEUE);
	for (k = 1; k <= 5; k++) {
		for (i = 0; i < n; i++)
			submit(&t[i], RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
		for (i = 0; i < n; i++) {
			tq_wait(&t[i], k);
			assert_int_equal(t[i].last_result, i);
		}
	}
	for (i = 0; i < n; i++) {
		assert_true(t[i].calls <= 6);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t[i].q), 0);
	}
	assert_int_equal(rte_ims_vec_free(vec), 0);
	free(t);
}

/* Event queues as they are listed: one for each vector, and what went through it. */
static void
test_event_queues(void **state)
{
	const char *store = info.ims ? "ims-eq" : "msix";
	struct rte_pmd_queue_dev_eq_info eqs[3];
	struct rte_ims_vec *vec[2];
	struct tq t[3];
	uint32_t i;

	assert_int_equal(rte_pmd_queue_dev_eqs_get(dev, NULL, 0), 0);
	for (i = 0; i < 2; i++)
		vec[i] = vec_open(store, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	for (i = 0; i < 3; i++)
		tq_open(&t[i], vec[i != 0], NULL);
	memset(eqs, 0, sizeof(eqs));
	assert_int_equal(rte_pmd_queue_dev_eqs_get(dev, eqs, 3), 2);
	assert_true(eqs[0].number < eqs[1].number);
	assert_ptr_equal(eqs[0].vec, vec[0]);
	assert_ptr_equal(eqs[1].vec, vec[1]);
	assert_int_equal(eqs[0].n_queues, 1);
	assert_int_equal(eqs[1].n_queues, 2);
	assert_true(eqs[0].n_entries >= RTE_MIN(info.n_queues, 3u));
	assert_int_equal(eqs[0].n_taken, 0);
	assert_null(eqs[2].vec);
	for (i = 1; i <= 10; i++) {
		submit(&t[1], RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
		tq_wait(&t[1], i);
	}
	/* Room for one: only that is written. */
	memset(eqs, 0, sizeof(eqs));
	assert_int_equal(rte_pmd_queue_dev_eqs_get(dev, eqs, 1), 2);
	assert_null(eqs[1].vec);
	assert_int_equal(rte_pmd_queue_dev_eqs_get(dev, eqs, 3), 2);
	assert_int_equal(eqs[0].n_taken, 0);
	assert_true(eqs[1].n_taken >= 10 && eqs[1].n_taken <= 11);
	assert_int_equal(rte_pmd_queue_dev_eqs_get(dev, NULL, 1), -EINVAL);
	assert_int_equal(rte_pmd_queue_dev_eqs_get(NULL, eqs, 1), -EINVAL);
	for (i = 0; i < 3; i++)
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t[i].q), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(rte_ims_vec_free(vec[i]), 0);
	assert_int_equal(rte_pmd_queue_dev_eqs_get(dev, eqs, 3), 0);
}

/* A queue goes from vector to vector while it works. */
static void
test_attach(void **state)
{
	const char *store = info.ims ? "ims-eq" : "msix";
	struct rte_ims_vec *vec[2];
	uint64_t submitted = 0, i, end;
	struct tq t;

	vec[0] = vec_open(store, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	vec[1] = vec_open(store, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	tq_open(&t, vec[0], NULL);
	for (i = 1; i <= 500; i++) {
		while (submitted - t.done < DEPTH / 2) {
			submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, submitted);
			submitted++;
		}
		assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec[i % 2]), 0);
		rte_ims_wait_poll(set);
	}
	tq_wait(&t, submitted);
	assert_int_equal(t.failed, 0);
	/* Off all vectors: it is polled. */
	assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, NULL), 0);
	submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 0);
	usleep(10000);
	e2e_settle(set);
	assert_int_equal(t.done, submitted);
	end = e2e_now_ns() + E2E_PATIENCE_NS;
	while (t.done < submitted + 1 && e2e_now_ns() < end)
		drain(&t);
	assert_int_equal(t.done, submitted + 1);
	/* A vector goes, its queues stay. */
	assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec[0]), 0);
	assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, NULL), 0);
	assert_int_equal(rte_ims_vec_free(vec[0]), 0);
	assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec[1]), 0);
	submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 0);
	tq_wait(&t, submitted + 2);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
	assert_int_equal(rte_ims_vec_free(vec[1]), 0);
}

/* Handlers that destroy their own queue. */
struct suicide {
	struct tq t;
	bool gone;
};

static void
on_last(struct rte_ims_vec *vec, void *arg)
{
	struct suicide *s = arg;

	drain(&s->t);
	if (s->t.done == 0)
		return;
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(s->t.q), 0);
	s->gone = true;
}

static bool
is_gone(void *arg)
{
	return ((struct suicide *)arg)->gone;
}

static void
test_destroy_in_handler(void **state)
{
	const char *store = info.ims ? "ims-eq" : "msix";
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = on_last };
	struct suicide s[16];
	uint32_t i;

	memset(s, 0, sizeof(s));
	conf.vec = vec_open(store, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	for (i = 0; i < 16; i++) {
		conf.arg = &s[i];
		s[i].t.q = rte_pmd_queue_dev_queue_create(dev, &conf);
		assert_non_null(s[i].t.q);
	}
	for (i = 0; i < 16; i++)
		submit(&s[i].t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 0);
	for (i = 0; i < 16; i++)
		assert_true(e2e_wait_for(set, is_gone, &s[i], E2E_PATIENCE_NS));
	assert_int_equal(rte_ims_vec_free(conf.vec), 0);
}

/*
 * Queues whose handlers attach them to the vector of the other thread: from then on that thread has
 * them, and what the first one still did in a queue would be a race, for a sanitizer to find.
 */
struct rover {
	struct rte_pmd_queue_dev_queue *q;
	atomic_uint_fast64_t done;
	atomic_bool inside;
	atomic_uint twice;
	atomic_uint failed;
};

static struct rte_ims_vec *rove_vec[2];
static atomic_bool rove_stop;

static void
on_rover(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };
	struct rte_pmd_queue_dev_completion done[8];
	struct rover *r = arg;
	int n, rc;

	if (atomic_exchange(&r->inside, true))
		atomic_fetch_add(&r->twice, 1);
	while ((n = rte_pmd_queue_dev_poll(r->q, done, 8)) > 0)
		atomic_fetch_add(&r->done, n);
	if (!atomic_load(&rove_stop))
		rte_pmd_queue_dev_submit(r->q, &op, 1);
	atomic_store(&r->inside, false);
	/*
	 * The last that this thread does with it. Entries of queues that have left may fill the
	 * ring.
	 */
	rc = rte_pmd_queue_dev_queue_attach(r->q, rove_vec[vec == rove_vec[0]]);
	if (rc != 0 && rc != -ENOSPC)
		atomic_fetch_add(&r->failed, 1);
	usleep(10);
}

static void *
rove(void *arg)
{
	rte_thread_register(); /* a portal of its own */
	while (!atomic_load(&rove_stop))
		rte_ims_wait_poll(arg);
	rte_thread_unregister();
	return NULL;
}

/* At least one of them: at once, or when the machine has time for it. */
static bool
rovers_go_on(const struct rover *r, unsigned int n)
{
	uint64_t end = e2e_now_ns() + E2E_PATIENCE_NS, was = 0, total;
	unsigned int i;

	for (i = 0; i < n; i++)
		was += atomic_load(&r[i].done);
	do {
		usleep(1000);
		for (i = 0, total = 0; i < n; i++)
			total += atomic_load(&r[i].done);
	} while (total == was && e2e_now_ns() < end);
	return total != was;
}

static void
test_attach_in_handler(void **state)
{
	const char *store = info.ims ? "ims-eq" : "msix";
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = on_rover };
	struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };
	struct rte_ims_wait *other = rte_ims_wait_create("other", NULL);
	static struct rover r[8];
	uint64_t end = e2e_now_ns() + 2 * SECOND_NS;
	pthread_t thread[2];
	unsigned int i;

	memset(r, 0, sizeof(r));
	atomic_store(&rove_stop, false);
	for (i = 0; i < 2; i++)
		rove_vec[i] = vec_open(store, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	assert_int_equal(rte_ims_wait_move(other, rove_vec[1]), 0);
	for (i = 0; i < 8; i++) {
		conf.vec = rove_vec[i % 2];
		conf.arg = &r[i];
		r[i].q = rte_pmd_queue_dev_queue_create(dev, &conf);
		assert_non_null(r[i].q);
		assert_int_equal(rte_pmd_queue_dev_submit(r[i].q, &op, 1), 1);
	}
	assert_int_equal(pthread_create(&thread[0], NULL, rove, set), 0);
	assert_int_equal(pthread_create(&thread[1], NULL, rove, other), 0);
	/* Each goes on for ever, by its own events. */
	do {
		usleep(200000);
		assert_true(rovers_go_on(r, 8));
	} while (e2e_now_ns() < end);
	atomic_store(&rove_stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; i < 8; i++) {
		assert_int_equal(atomic_load(&r[i].twice), 0);
		assert_int_equal(atomic_load(&r[i].failed), 0);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(r[i].q), 0);
	}
	for (i = 0; i < 2; i++)
		assert_int_equal(rte_ims_vec_free(rove_vec[i]), 0);
	assert_int_equal(rte_ims_wait_destroy(other), 0);
}

int
queue_vec_tests(void)
{
	const struct CMUnitTest tests[] = {
		T(test_shared),
		T(test_event_queues),
		T(test_attach),
		T(test_destroy_in_handler),
		T(test_attach_in_handler),
	};

	return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
