/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The good device: its chains of operations, in the wait set that it shares. */

#include <string.h>

#include <rte_lcore.h>

#include "hostile_beside.h"

struct rte_ims_wait *set;
struct good_dev good;

static void
chain_step(struct chain *c)
{
	struct rte_pmd_queue_dev_op op = { .cookie = (void *)(uintptr_t)(c->submitted + 1) };

	if (rte_pmd_queue_dev_submit(c->q, &op, 1) == 1)
		c->submitted++;
	else
		atomic_fetch_add(&good.wrong, 1);
}

static void
on_good(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done;
	struct chain *c = arg;

	(void)vec;
	while (rte_pmd_queue_dev_poll(c->q, &done, 1) == 1) {
		if (done.status != 0 || (uintptr_t)done.cookie != c->done + 1)
			atomic_fetch_add(&good.wrong, 1);
		atomic_fetch_add(&c->done, 1);
		if (!atomic_load(&good.stop))
			chain_step(c);
	}
}

/* For queues, which belong to the set's thread. */
static _Atomic(void (*)(unsigned int i)) errand;
static unsigned int errand_arg;

static void *
set_main(void *arg)
{
	void (*fn)(unsigned int i);

	while (!atomic_load(&good.leave)) {
		rte_ims_wait_sleep(arg, -1);
		fn = atomic_load(&errand);
		if (fn == NULL)
			continue;
		fn(errand_arg);
		atomic_store(&errand, NULL);
	}
	return NULL;
}

void
in_set(void (*fn)(unsigned int i), unsigned int i)
{
	uint64_t end = e2e_now_ns() + 100 * SECOND_NS;

	errand_arg = i;
	atomic_store(&errand, fn);
	rte_ims_wait_wake(set);
	while (atomic_load(&errand) != NULL) {
		assert_true(e2e_now_ns() < end);
		usleep(50);
	}
}

void
good_goes_on_by(uint64_t n)
{
	uint64_t want[N_CHAINS], end = e2e_now_ns() + 100 * SECOND_NS;
	unsigned int i;

	for (i = 0; i < N_CHAINS; i++)
		want[i] = atomic_load(&good.chains[i].done) + n;
	for (i = 0; i < N_CHAINS; i++)
		while (atomic_load(&good.chains[i].done) < want[i]) {
			if (e2e_now_ns() > end)
				fail_msg("chain %u of the good device ends at operation %lu", i,
					(unsigned long)atomic_load(&good.chains[i].done));
			usleep(200);
		}
	assert_int_equal(atomic_load(&good.wrong), 0);
}

void
good_goes_on(void)
{
	good_goes_on_by(STEPS);
}

static uint64_t
cpu_ns(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts), 0);
	return ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

bool
set_is_quiet(void)
{
	uint64_t end = e2e_now_ns() + SECOND_NS / 2, cpu = cpu_ns(), now;
	unsigned int wakes = 0;

	while ((now = e2e_now_ns()) < end) {
		rte_ims_wait_sleep(set, end - now);
		wakes++;
	}
	return wakes < 20 && cpu_ns() - cpu < 20000000;
}

struct rte_ims_vec *
vec_open(struct rte_ims_dev *dev, enum rte_ims_store_type type, uint32_t slot,
	enum rte_ims_delivery delivery)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };
	struct rte_ims_vec *vec;

	vec = rte_ims_vec_alloc(
		rte_ims_dev_table(dev), rte_ims_dev_store_get(dev, type), slot, &conf);
	assert_non_null(vec);
	assert_int_equal(rte_ims_wait_add(set, vec), 0);
	return vec;
}

struct rte_ims_pool *
pool_open(const char *name, struct rte_ims_dev *dev, struct rte_ims_vec **vec)
{
	const struct rte_ims_pool_conf conf = { .flags = RTE_IMS_POOL_F_IMS_FIRST };
	struct rte_ims_pool *pool = rte_ims_pool_create(name, dev, &conf);

	assert_non_null(pool);
	assert_int_equal(rte_ims_pool_lcore_add(pool, rte_get_main_lcore(), set), 0);
	*vec = rte_ims_pool_get(pool, NULL);
	assert_non_null(*vec);
	return pool;
}

int
dev_close(struct rte_ims_dev *dev, struct rte_ims_pool *pool)
{
	int rc = pool != NULL ? rte_ims_pool_destroy(pool) : 0;

	return rc == 0 ? rte_ims_dev_close(dev) : rc;
}

int
good_open(void **state)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 2, .fn = on_good };
	struct chain *c = good.chains;
	unsigned int i;

	(void)state;
	memset(&good, 0, sizeof(good));
	set = rte_ims_wait_create("shared", NULL);
	assert_non_null(set);
	good.dev = rte_ims_dev_open("emu:queue_dev,queues=64,subdevs=4", NULL);
	assert_non_null(good.dev);
	c[0].vec =
		vec_open(good.dev, RTE_IMS_STORE_MSIX, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	c[1].vec =
		vec_open(good.dev, RTE_IMS_STORE_MSIX, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	c[2].vec =
		vec_open(good.dev, RTE_IMS_STORE_QUEUE, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	good.pool = pool_open("good", good.dev, &c[3].vec);
	for (i = 0; i < N_CHAINS; i++) {
		conf.vec = c[i].vec;
		conf.arg = &c[i];
		c[i].q = rte_pmd_queue_dev_queue_create(good.dev, &conf);
		assert_non_null(c[i].q);
		chain_step(&c[i]);
	}
	assert_int_equal(pthread_create(&good.thread, NULL, set_main, set), 0);
	good_goes_on();
	return 0;
}

static void
good_look(unsigned int i)
{
	good.pending = rte_pmd_queue_dev_queue_pending(good.chains[i].q);
}

int
good_close(void **state)
{
	struct chain *c;
	unsigned int i;

	(void)state;
	good_goes_on();
	atomic_store(&good.stop, true);
	for (i = 0; i < N_CHAINS; i++) {
		c = &good.chains[i];
		do {
			in_set(good_look, i);
		} while (good.pending != 0);
		assert_int_equal(atomic_load(&c->done), c->submitted);
	}
	assert_int_equal(good.wrong, 0);
	atomic_store(&good.leave, true);
	rte_ims_wait_wake(set);
	assert_int_equal(pthread_join(good.thread, NULL), 0);
	for (c = good.chains; c < good.chains + N_CHAINS; c++)
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(c->q), 0);
	assert_int_equal(rte_ims_pool_put(good.pool, good.chains[3].vec), 0);
	assert_int_equal(dev_close(good.dev, good.pool), 0);
	return rte_ims_wait_destroy(set);
}
