/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Queues of queue_dev: operations, vectors, sub-devices, resets. With IMS, MSI-X or both. */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_lcore.h>
#include <rte_malloc.h>

#include <rte_pmd_queue_dev.h>

#include "e2e.h"

#define SECOND_NS 1000000000ull
#define DEPTH     64

static struct rte_ims_dev *dev;
static struct rte_ims_wait *set;
static struct rte_pmd_queue_dev_info info;
static uint8_t *buf; /* 1 MiB of DMA memory */

/* A queue with a handler that counts. */
struct tq {
	struct rte_pmd_queue_dev_queue *q;
	uint64_t done;
	uint64_t failed;
	uint64_t calls;
	uint64_t empty;
	uint64_t last_result;
	uint16_t last_status;
	void *last_cookie;
};

static int
setup(void **state)
{
	dev = e2e_open();
	assert_int_equal(rte_pmd_queue_dev_info_get(dev, &info), 0);
	set = rte_ims_wait_create("e2e", NULL);
	buf = rte_zmalloc("e2e", 1 << 20, 4096);
	return set == NULL || buf == NULL;
}

static int
teardown(void **state)
{
	rte_free(buf);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	return rte_ims_wait_destroy(set);
}

static void
drain(struct tq *t)
{
	struct rte_pmd_queue_dev_completion done[32];
	int n, i, total = 0;

	do {
		n = rte_pmd_queue_dev_poll(t->q, done, 32);
		assert_true(n >= 0);
		for (i = 0; i < n; i++) {
			t->failed += done[i].status != 0;
			t->last_result = done[i].result;
			t->last_status = done[i].status;
			t->last_cookie = done[i].cookie;
		}
		t->done += n;
		total += n;
	} while (n == 32);
	t->empty += total == 0;
}

static void
on_queue(struct rte_ims_vec *vec, void *arg)
{
	struct tq *t = arg;

	t->calls++;
	drain(t);
}

static void
tq_open(struct tq *t, struct rte_ims_vec *vec, struct rte_pmd_queue_dev_subdev *subdev)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH,
		.vec = vec,
		.subdev = subdev,
		.fn = vec != NULL ? on_queue : NULL,
		.arg = t };

	memset(t, 0, sizeof(*t));
	t->q = rte_pmd_queue_dev_queue_create(dev, &conf);
	if (t->q == NULL)
		print_error("queue: %s\n", rte_strerror(rte_errno));
	assert_non_null(t->q);
}

static void
submit(struct tq *t, enum rte_pmd_queue_dev_op_type type, const void *src, void *dst, uint32_t len,
	uint64_t imm)
{
	struct rte_pmd_queue_dev_op op = {
		.type = type, .src = src, .dst = dst, .len = len, .imm = imm, .cookie = t
	};

	assert_int_equal(rte_pmd_queue_dev_submit(t->q, &op, 1), 1);
}

struct target {
	struct tq *t;
	uint64_t done;
};

static bool
reached(void *arg)
{
	const struct target *x = arg;

	return x->t->done >= x->done;
}

static void
tq_wait(struct tq *t, uint64_t done)
{
	struct target x = { t, done };

	assert_true(e2e_wait_for(set, reached, &x, E2E_PATIENCE_NS));
}

static struct rte_ims_store *
find_store(const char *name)
{
	struct rte_ims_store_info sinfo;
	struct rte_ims_store *store;
	uint32_t i;

	for (i = 0; (store = rte_ims_dev_store_at(dev, i)) != NULL; i++) {
		assert_int_equal(rte_ims_store_info_get(store, &sinfo), 0);
		if (strcmp(sinfo.name, name) == 0)
			return store;
	}
	return NULL;
}

static struct rte_ims_vec *
vec_open(const char *store_name, uint32_t slot, enum rte_ims_delivery delivery)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };
	struct rte_ims_vec *vec;

	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), find_store(store_name), slot, &conf);
	if (vec == NULL && rte_errno == ENOTSUP && delivery == RTE_IMS_DELIVERY_EVENTFD)
		return NULL; /* IMS of a kernel device without MSI-X */
	assert_non_null(vec);
	assert_int_equal(rte_ims_wait_add(set, vec), 0);
	return vec;
}

/* Each kind of operation, and its errors, on a queue that is polled. */
static void
test_operations(void **state)
{
	uint32_t crc;
	struct tq t;
	uint64_t i;

	tq_open(&t, NULL, NULL);
	for (i = 0; i < 8192; i++)
		buf[i] = i * 7;
	submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 0x1234567890);
	while (t.done < 1)
		drain(&t);
	assert_int_equal(t.last_result, 0x1234567890);
	assert_ptr_equal(t.last_cookie, &t);
	submit(&t, RTE_PMD_QUEUE_DEV_COPY, buf, buf + 65536, 8192, 0);
	submit(&t, RTE_PMD_QUEUE_DEV_FILL, NULL, buf + 131072, 4096, 0x0807060504030201);
	submit(&t, RTE_PMD_QUEUE_DEV_CRC32C, buf, NULL, 8192, 0);
	while (t.done < 4)
		drain(&t);
	assert_int_equal(t.failed, 0);
	assert_memory_equal(buf, buf + 65536, 8192);
	for (i = 0; i < 4096; i++)
		assert_int_equal(buf[131072 + i], i % 8 + 1);
	crc = t.last_result;
	submit(&t, RTE_PMD_QUEUE_DEV_CRC32C, buf + 65536, NULL, 8192, 0);
	while (t.done < 5)
		drain(&t);
	assert_int_equal(t.last_result, crc);
	/* Memory that is not mapped for the device, and too much of it. */
	submit(&t, RTE_PMD_QUEUE_DEV_COPY, (void *)0x1000, buf, 64, 0);
	submit(&t, RTE_PMD_QUEUE_DEV_FILL, NULL, (void *)0x1000, 64, 0);
	submit(&t, RTE_PMD_QUEUE_DEV_FILL, NULL, buf, info.max_len + 1, 0);
	submit(&t, RTE_PMD_QUEUE_DEV_POST, NULL, NULL, 0, UINT32_MAX);
	while (t.done < 9)
		drain(&t);
	assert_int_equal(t.failed, 4);
	/* Only a queue's number counts: what is above it must not make another kind of it. */
	submit(&t, RTE_PMD_QUEUE_DEV_POST, NULL, NULL, 0,
		0xffffffff00000000 | rte_pmd_queue_dev_queue_number(t.q));
	while (t.done < 10)
		drain(&t);
	assert_int_equal(t.failed, 4);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
}

/* One operation at a time: one event each, whatever carries it. */
static void
events(const char *store, enum rte_ims_delivery delivery)
{
	struct rte_ims_vec *vec;
	struct tq t;
	uint64_t i;

	if (find_store(store) == NULL)
		return;
	vec = vec_open(store, RTE_IMS_SLOT_ANY, delivery);
	if (vec == NULL)
		return;
	tq_open(&t, vec, NULL);
	for (i = 1; i <= 200; i++) {
		submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
		tq_wait(&t, i);
		assert_int_equal(t.last_result, i);
	}
	assert_int_equal(t.failed, 0);
	assert_true(t.calls >= 200 && t.calls <= 202);
	assert_int_equal(rte_ims_vec_mask(vec), 0);
	submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 0);
	usleep(20000);
	e2e_assert_quiet(set, 5000000);
	assert_int_equal(rte_ims_vec_unmask(vec), 0);
	tq_wait(&t, 201);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

static void
test_events(void **state)
{
	static const char *const stores[] = { "msix", "ims-eq", "ims-queue" };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		events(stores[i], RTE_IMS_DELIVERY_EVENTFD);
		events(stores[i], RTE_IMS_DELIVERY_MEMORY);
	}
}

/*
 * Delivery switched between two operations, with one under way, and while the thread sleeps for
 * ever: each is completed without another one's help.
 */
static void
switched(const char *store, enum rte_ims_delivery first)
{
	struct rte_ims_vec_stats stats;
	struct rte_ims_vec *vec;
	struct tq t;
	uint64_t i;

	if (find_store(store) == NULL)
		return;
	vec = vec_open(store, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	if (vec == NULL)
		return;
	assert_int_equal(rte_ims_vec_free(vec), 0);
	vec = vec_open(store, RTE_IMS_SLOT_ANY, first);
	tq_open(&t, vec, NULL);
	for (i = 1; i <= 100; i++) {
		if (i % 3 == 0)
			submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
		assert_int_equal(rte_ims_vec_delivery_set(vec, (i + first) % 2), 0);
		if (i % 3 != 0)
			submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
		tq_wait(&t, i);
	}
	assert_int_equal(rte_ims_dev_reset(dev), 0);
	submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
	tq_wait(&t, i);
	assert_int_equal(rte_ims_vec_delivery_set(vec, first), 0);
	submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
	tq_wait(&t, i + 1);
	assert_int_equal(t.failed, 0);
	assert_int_equal(rte_ims_vec_stats_get(vec, &stats), 0);
	/* No more calls than operations and switches, and the reset's. */
	assert_true(stats.events <= 2 * i + 8);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

static void
test_switch(void **state)
{
	static const char *const stores[] = { "msix", "ims-eq", "ims-queue" };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		switched(stores[i], RTE_IMS_DELIVERY_EVENTFD);
		switched(stores[i], RTE_IMS_DELIVERY_MEMORY);
	}
}

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

/* Sub-devices have tables of their own, freed as a whole, and queues. */
static void
test_subdevs(void **state)
{
	uint32_t n = RTE_MIN(info.n_subdevs, 64u), i, k;
	struct rte_pmd_queue_dev_subdev *s[64];
	struct rte_ims_table_info tinfo;
	struct rte_ims_vec *vec;
	struct tq t[64];
	char name[32];

	if (!info.ims)
		skip();
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "sub%u", i);
		s[i] = rte_pmd_queue_dev_subdev_create(dev, name, 4);
		assert_non_null(s[i]);
		vec = rte_ims_vec_alloc(rte_pmd_queue_dev_subdev_table(s[i]),
			find_store("ims-queue"), RTE_IMS_SLOT_ANY,
			&(struct rte_ims_vec_conf){ .delivery = RTE_IMS_DELIVERY_MEMORY });
		assert_non_null(vec);
		assert_int_equal(rte_ims_wait_add(set, vec), 0);
		assert_int_equal(
			rte_ims_table_info_get(rte_pmd_queue_dev_subdev_table(s[i]), &tinfo), 0);
		assert_int_equal(tinfo.n_used, 1);
		assert_ptr_equal(
			rte_ims_table_vec_get(rte_pmd_queue_dev_subdev_table(s[i]), 0), vec);
		tq_open(&t[i], vec, s[i]);
	}
	assert_true(n > 0);
	for (k = 1; k <= 3; k++) {
		for (i = 0; i < n; i++)
			submit(&t[i], RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
		for (i = 0; i < n; i++)
			tq_wait(&t[i], k);
	}
	assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s[0]), -EBUSY);
	for (i = 0; i < n; i++) {
		submit(&t[i], RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, i);
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(t[i].q), 0);
		assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s[i]), 0);
	}
	e2e_assert_quiet(set, 5000000);
}

/* A sub-device that cannot be destroyed, for its handler is running, is as it was. */
static int destroy_rc;

static void
on_subdev(struct rte_ims_vec *vec, void *arg)
{
	destroy_rc = rte_pmd_queue_dev_subdev_destroy(*(struct rte_pmd_queue_dev_subdev **)arg);
}

static void
test_subdev_destroy_in_handler(void **state)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = on_subdev };
	struct rte_pmd_queue_dev_subdev *s[2], *more;
	struct rte_ims_vec *vec;
	struct tq t = { 0 }, beside;
	unsigned int i;

	if (!info.ims || info.n_subdevs < 4)
		skip();
	s[0] = rte_pmd_queue_dev_subdev_create(dev, "s0", 4);
	vec = rte_ims_vec_alloc(rte_pmd_queue_dev_subdev_table(s[0]), find_store("ims-queue"),
		RTE_IMS_SLOT_ANY,
		&(struct rte_ims_vec_conf){ .delivery = RTE_IMS_DELIVERY_MEMORY });
	assert_non_null(vec);
	assert_int_equal(rte_ims_wait_add(set, vec), 0);
	conf.subdev = s[0];
	conf.vec = vec;
	conf.arg = &s[0];
	t.q = rte_pmd_queue_dev_queue_create(dev, &conf);
	assert_non_null(t.q);
	destroy_rc = 0;
	submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 0);
	while (destroy_rc == 0)
		rte_ims_wait_poll(set);
	assert_int_equal(destroy_rc, -EBUSY);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
	/* Without queues it is the vector's own handler that is in the way. */
	assert_int_equal(
		rte_ims_vec_attach(vec, &(struct rte_ims_obj){ .fn = on_subdev, .arg = &s[0] }), 0);
	destroy_rc = 0;
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_EVENTFD), 0);
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), 0);
	for (i = 0; i < 100 && destroy_rc == 0; i++)
		rte_ims_wait_poll(set);
	assert_int_equal(destroy_rc, -EDEADLK);
	/* It is there, for queues, and its number is nobody else's. */
	assert_non_null(rte_pmd_queue_dev_subdev_table(s[0]));
	tq_open(&beside, NULL, s[0]);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(beside.q), 0);
	s[1] = rte_pmd_queue_dev_subdev_create(dev, "s1", 4);
	assert_non_null(s[1]);
	assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s[0]), 0);
	/* Of all numbers s1's alone is taken. */
	for (i = 1; i < info.n_subdevs; i++) {
		more = rte_pmd_queue_dev_subdev_create(dev, "more", 1);
		assert_non_null(more);
	}
	assert_null(rte_pmd_queue_dev_subdev_create(dev, "more", 1));
	assert_int_equal(rte_errno, ENOSPC);
	tq_open(&beside, NULL, s[1]);
	submit(&beside, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 0);
	while (beside.done == 0)
		drain(&beside);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(beside.q), 0);
	assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s[1]), 0);
	/* The rest goes with the device. */
}

/* A vector in a sub-device's table goes with it: it is for its queues, not for others. */
static void
test_subdev_vectors(void **state)
{
	const struct rte_ims_vec_conf vconf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	const char *store = info.ims ? "ims-eq" : "msix";
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = on_queue };
	struct rte_pmd_queue_dev_subdev *s[2];
	struct rte_ims_vec *vec[3]; /* of s[0], s[1], and the function */
	struct rte_ims_table *table;
	struct tq t = { 0 };
	unsigned int i, k;
	int rc;

	for (i = 0; i < 3; i++) {
		if (i < 2)
			s[i] = rte_pmd_queue_dev_subdev_create(dev, "sub", 4);
		table = i < 2 ? rte_pmd_queue_dev_subdev_table(s[i]) : rte_ims_dev_table(dev);
		vec[i] = rte_ims_vec_alloc(table, find_store(store), RTE_IMS_SLOT_ANY, &vconf);
		assert_non_null(vec[i]);
		assert_int_equal(rte_ims_wait_add(set, vec[i]), 0);
	}
	conf.arg = &t;
	for (i = 0; i < 3; i++)
		for (k = 0; k < 3; k++) {
			conf.subdev = i < 2 ? s[i] : NULL;
			conf.vec = vec[k];
			rc = i == k || k == 2 ? 0 : -EXDEV;
			t.q = rte_pmd_queue_dev_queue_create(dev, &conf);
			assert_int_equal(t.q != NULL ? 0 : -rte_errno, rc);
			if (t.q != NULL)
				assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
			conf.vec = vec[2];
			t.q = rte_pmd_queue_dev_queue_create(dev, &conf);
			assert_non_null(t.q);
			assert_int_equal(rte_pmd_queue_dev_queue_attach(t.q, vec[k]), rc);
			submit(&t, RTE_PMD_QUEUE_DEV_NOP, NULL, NULL, 0, 0);
			tq_wait(&t, t.done + 1);
			assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
		}
	assert_int_equal(rte_ims_vec_free(vec[2]), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(rte_pmd_queue_dev_subdev_destroy(s[i]), 0);
}

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

static void
test_bad_arguments(void **state)
{
	static const uint32_t depths[] = { 0, 1, 3, 65536 };
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH };
	struct rte_pmd_queue_dev_op op = { .type = 77 };
	struct tq t;
	uint32_t i;

	for (i = 0; i < 4; i++) {
		conf.depth = depths[i];
		assert_null(rte_pmd_queue_dev_queue_create(dev, &conf));
		assert_int_equal(rte_errno, EINVAL);
	}
	conf.depth = DEPTH;
	assert_null(rte_pmd_queue_dev_queue_create(NULL, &conf));
	assert_int_equal(rte_errno, EINVAL);
	tq_open(&t, NULL, NULL);
	assert_int_equal(rte_pmd_queue_dev_submit(t.q, &op, 1), -EINVAL);
	assert_int_equal(rte_pmd_queue_dev_queue_pending(t.q), 0);
	op.type = RTE_PMD_QUEUE_DEV_NOP;
	for (i = 0; i < DEPTH; i++)
		assert_int_equal(rte_pmd_queue_dev_submit(t.q, &op, 1), 1);
	assert_int_equal(rte_pmd_queue_dev_submit(t.q, &op, 1), 0); /* full */
	while (t.done < DEPTH)
		drain(&t);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(t.q), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_operations),
		T(test_events),
		T(test_switch),
		T(test_shared),
		T(test_event_queues),
		T(test_attach),
		T(test_destroy_in_handler),
		T(test_attach_in_handler),
		T(test_subdevs),
		T(test_subdev_destroy_in_handler),
		T(test_subdev_vectors),
		T(test_reset),
		T(test_reset_unattached),
		T(test_reset_busy),
		T(test_bad_arguments),
	};

	e2e_init(argc, argv, "emu:queue_dev");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
