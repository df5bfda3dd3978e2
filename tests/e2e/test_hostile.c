/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A device that means harm, and a good one beside it in the same process: in one wait set, whose thread
 * sleeps without a timeout, each with a pool. Whatever the one does is found out, counted and told, and
 * ends with it; of the other each event arrives. On the good one every operation is submitted by the
 * handler of the one before: an event that is lost, or comes too late to be seen, ends its chain.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_lcore.h>

#include <ims_driver.h>
#include <queue_dev_regs.h>
#include <rte_ims_pool.h>
#include <rte_pmd_queue_dev.h>
#include <vfio_user_proto.h>

#include "e2e.h"
#include "hostile.h"

#define SECOND_NS 1000000000ull
#define N_CHAINS  4
#define N_BAD     3
#define STEPS     300    /* of each chain, to show that it goes on */
#define NEVER_MS  600000 /* a wait for the hostile device that would not end within the test */
#define BAD_MODEL "queue_dev,inject=1,queues=64,subdevs=4,eqs=8"

static struct rte_ims_wait *set;

/* Operations of the good device, one after the other. */
struct chain {
	struct rte_pmd_queue_dev_queue *q;
	struct rte_ims_vec *vec;
	uint64_t submitted;
	atomic_uint_fast64_t done;
};

static struct {
	struct rte_ims_dev *dev;
	struct rte_ims_pool *pool;
	struct chain chains[N_CHAINS];
	pthread_t thread;
	atomic_bool stop;  /* chains end */
	atomic_bool leave; /* the thread ends */
	atomic_uint wrong;
	int pending;
} good;

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

static void
in_set(void (*fn)(unsigned int i), unsigned int i)
{
	uint64_t end = e2e_now_ns() + 40 * SECOND_NS;

	errand_arg = i;
	atomic_store(&errand, fn);
	rte_ims_wait_wake(set);
	while (atomic_load(&errand) != NULL) {
		assert_true(e2e_now_ns() < end);
		usleep(50);
	}
}

/* Every chain makes n steps more; without one that waits for the hostile device. */
static void
good_goes_on_by(uint64_t n)
{
	uint64_t want[N_CHAINS], end = e2e_now_ns() + 40 * SECOND_NS;
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

static void
good_goes_on(void)
{
	good_goes_on_by(STEPS);
}

static struct rte_ims_vec *
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

static struct rte_ims_pool *
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

static int
dev_close(struct rte_ims_dev *dev, struct rte_ims_pool *pool)
{
	int rc = pool != NULL ? rte_ims_pool_destroy(pool) : 0;

	return rc == 0 ? rte_ims_dev_close(dev) : rc;
}

static int
good_open(void **state)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 2, .fn = on_good };
	struct chain *c = good.chains;
	unsigned int i;

	(void)state;
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

static int
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

/* The hostile one. */
static struct {
	struct hostile *h;
	struct rte_ims_dev *dev;
	struct rte_ims_pool *pool;
	struct rte_ims_vec *vecs[N_BAD];
	struct rte_pmd_queue_dev_queue *queues[N_BAD];
	atomic_uint_fast64_t done[N_BAD];
	uint64_t submitted[N_BAD];
	struct rte_ims_obj gone;
	atomic_uint n_gone;
	unsigned int fds, maps, children;
	int pending;
} bad;

static void
on_bad(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done[8];
	unsigned int i = (uintptr_t)arg;
	int n;

	(void)vec;
	while ((n = rte_pmd_queue_dev_poll(bad.queues[i], done, 8)) > 0)
		atomic_fetch_add(&bad.done[i], n);
}

static void
on_gone(struct rte_ims_vec *vec, void *arg)
{
	(void)vec;
	(void)arg;
	atomic_fetch_add(&bad.n_gone, 1);
}

static void
bad_open(const char *model, uint32_t timeout_ms)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 64, .fn = on_bad };
	struct rte_ims_dev_conf dconf = { .timeout_ms = timeout_ms };
	struct rte_ims_vec *vec;
	uintptr_t i;

	memset(&bad, 0, sizeof(bad));
	bad.fds = count_fds();
	bad.maps = e2e_count_maps();
	bad.children = e2e_count_children();
	bad.h = hostile_start(model);
	bad.dev = rte_ims_dev_open(hostile_name(bad.h), &dconf);
	assert_non_null(bad.dev);
	bad.vecs[0] =
		vec_open(bad.dev, RTE_IMS_STORE_QUEUE, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	bad.vecs[1] =
		vec_open(bad.dev, RTE_IMS_STORE_QUEUE, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	bad.pool = pool_open("bad", bad.dev, &bad.vecs[2]);
	for (i = 0; i < N_BAD; i++) {
		conf.vec = bad.vecs[i];
		conf.arg = (void *)i;
		bad.queues[i] = rte_pmd_queue_dev_queue_create(bad.dev, &conf);
		assert_non_null(bad.queues[i]);
	}
	vec = vec_open(
		bad.dev, RTE_IMS_STORE_DEVICE, RTE_IMS_DEV_EVENT_REMOVED, RTE_IMS_DELIVERY_EVENTFD);
	bad.gone = (struct rte_ims_obj){ .fn = on_gone };
	assert_int_equal(rte_ims_vec_attach(vec, &bad.gone), 0);
}

/* Nothing of it is left, and nobody has noticed. */
static void
bad_close(void)
{
	unsigned int i;

	for (i = 0; i < N_BAD; i++)
		rte_pmd_queue_dev_queue_destroy(bad.queues[i]);
	assert_int_equal(rte_ims_pool_put(bad.pool, bad.vecs[2]), 0);
	assert_int_equal(dev_close(bad.dev, bad.pool), 0);
	hostile_stop(bad.h);
	bad.h = NULL;
	good_goes_on();
	assert_int_equal(count_fds(), bad.fds);
	assert_int_equal(e2e_count_maps(), bad.maps);
	assert_int_equal(e2e_count_children(), bad.children);
}

/* After a test that has failed. */
static int
bad_abandon(void **state)
{
	(void)state;
	if (bad.h == NULL)
		return 0;
	hostile_stop(bad.h);
	bad.h = NULL;
	return bad.dev != NULL ? dev_close(bad.dev, bad.pool) : 0;
}

static struct rte_ims_dev_info
bad_info(void)
{
	struct rte_ims_dev_info info;

	assert_int_equal(rte_ims_dev_info_get(bad.dev, &info), 0);
	return info;
}

/* What it has done wrong since it was opened: this, and nothing else. */
static void
bad_counted(struct rte_ims_dev_stats want)
{
	struct rte_ims_dev_stats stats;

	assert_int_equal(rte_ims_dev_stats_get(bad.dev, &stats), 0);
	if (memcmp(&stats, &want, sizeof(stats)) != 0)
		rte_ims_dev_dump(bad.dev, stderr);
	assert_memory_equal(&stats, &want, sizeof(stats));
}
#define BAD_COUNTED(...) bad_counted((struct rte_ims_dev_stats){ __VA_ARGS__ })

static struct rte_pmd_queue_dev_info
bad_queue_info(void)
{
	struct rte_pmd_queue_dev_info info;

	assert_int_equal(rte_pmd_queue_dev_info_get(bad.dev, &info), 0);
	return info;
}

static uint64_t
strays(void)
{
	struct rte_ims_wait_stats stats;

	assert_int_equal(rte_ims_wait_stats_get(set, &stats), 0);
	return stats.stray;
}

#define AWAIT(cond)                                                 \
	do {                                                        \
		uint64_t await_end = e2e_now_ns() + 30 * SECOND_NS; \
		while (!(cond) && e2e_now_ns() < await_end)         \
			usleep(200);                                \
		assert_true(cond);                                  \
	} while (0)

/* Each of its queues completes one operation more, or does not (it is the device's own fault). */
static void
submit_one(unsigned int i)
{
	const struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };

	bad.submitted[i] += rte_pmd_queue_dev_submit(bad.queues[i], &op, 1);
}

static void
bad_submit(unsigned int i)
{
	uint64_t before = bad.submitted[i];

	in_set(submit_one, i);
	assert_int_equal(bad.submitted[i], before + 1);
}

static void
bad_look(unsigned int i)
{
	bad.pending = rte_pmd_queue_dev_queue_pending(bad.queues[i]);
}

static void
bad_works(void)
{
	unsigned int i;

	for (i = 0; i < N_BAD; i++) {
		bad_submit(i);
		AWAIT(atomic_load(&bad.done[i]) == bad.submitted[i]);
	}
}

/* A register that is not mapped: a command and its reply. */
static int
bad_call(void)
{
	uint32_t val = 0;
	int rc = ims_dev_bar_read32(bad.dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_KIND, &val);

	return rc;
}

static void
inject(uint32_t kind, uint32_t count, uint64_t arg, uint32_t data)
{
	struct rte_ims_dev *dev = bad.dev;

	assert_int_equal(
		ims_dev_bar_write32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_KIND, kind), 0);
	assert_int_equal(ims_dev_bar_write32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_TIME, 0), 0);
	assert_int_equal(
		ims_dev_bar_write(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_ARG, &arg, sizeof(arg)),
		0);
	assert_int_equal(
		ims_dev_bar_write32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_DATA, data), 0);
	assert_int_equal(
		ims_dev_bar_write32(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_INJECT_COUNT, count), 0);
}

static void
bad_gone(void)
{
	AWAIT(atomic_load(&bad.n_gone) != 0);
	assert_int_equal(atomic_load(&bad.n_gone), 1);
	assert_true(bad_info().removed);
	assert_int_equal(bad_call(), -ENODEV);
}

static uint64_t
events_of(const struct rte_ims_vec *vec)
{
	struct rte_ims_vec_stats stats;

	assert_int_equal(rte_ims_vec_stats_get(vec, &stats), 0);
	return stats.events;
}

static struct rte_ims_msg
msg_of(const struct rte_ims_vec *vec)
{
	struct rte_ims_vec_info info;

	assert_int_equal(rte_ims_vec_info_get(vec, &info), 0);
	return info.msg;
}

/* Event queue entries that name what is foreign, freed, none or out of range. */
static void
test_objects(void **state)
{
	static const uint64_t numbers[] = { 1, 2, 40, 63, 64, 16384, 0x7fffffff, 0xffffffff };
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 2, .fn = on_bad, .arg = (void *)0 };
	struct rte_pmd_queue_dev_queue *freed;
	uint64_t want, number;
	unsigned int i;

	bad_open(BAD_MODEL, 5000);
	bad_works();
	conf.vec = bad.vecs[0];
	freed = rte_pmd_queue_dev_queue_create(bad.dev, &conf);
	assert_non_null(freed);
	number = rte_pmd_queue_dev_queue_number(freed);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(freed), 0);
	for (i = 0; i <= RTE_DIM(numbers); i++) {
		want = bad_queue_info().stray_events + 1;
		inject(QUEUE_DEV_INJECT_EQE_BOGUS, 1, i < RTE_DIM(numbers) ? numbers[i] : number,
			0);
		bad_submit(0);
		AWAIT(bad_queue_info().stray_events == want);
		AWAIT(atomic_load(&bad.done[0]) == bad.submitted[0]);
	}
	good_goes_on();
	bad_works();
	assert_int_equal(bad.n_gone, 0);
	BAD_COUNTED(0); /* the driver has: to the transport they are memory like any other */
	bad_close();
}

/* Completions of what nobody submitted, with consumer indexes that are out of range. */
static void
test_indexes(void **state)
{
	unsigned int i;
	uint64_t want;

	bad_open(BAD_MODEL, 5000);
	for (i = 0; i < 20; i++) {
		want = bad_queue_info().stray_completions + 1;
		inject(QUEUE_DEV_INJECT_CQE_BOGUS, 1, UINT32_MAX - i * 0x01010101ull, 0xffff0000);
		bad_submit(1);
		AWAIT(bad_queue_info().stray_completions >= want);
		AWAIT(atomic_load(&bad.done[1]) == bad.submitted[1]);
	}
	good_goes_on();
	bad_works();
	bad_close();
}

/* A message to a handle or an address, with or without a reply. */
static void
message(uint32_t flags, uint64_t addr, uint32_t data)
{
	assert_true(hostile_dma(
		bad.h, VFIO_USER_DMA_WRITE, flags, addr, sizeof(data), &data, sizeof(data)));
}

static void
test_messages(void **state)
{
	struct rte_ims_msg msg, freed;
	struct rte_ims_vec *vec;
	uint64_t before, events;
	unsigned int i;

	bad_open(BAD_MODEL, 5000);
	bad_works();
	vec = vec_open(bad.dev, RTE_IMS_STORE_QUEUE, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	freed = msg_of(vec);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	msg = msg_of(bad.vecs[0]);
	before = bad_info().stray_msgs;
	events = events_of(bad.vecs[0]);
	for (i = 0; i < 100; i++) {
		uint32_t flags = i % 2 != 0 ? VFIO_USER_F_NO_REPLY : 0;

		message(flags, freed.addr, freed.data);              /* freed */
		message(flags, msg.addr + (1000 << 5), msg.data);    /* never given */
		message(flags, msg.addr, msg.data + 1);              /* given for other data */
		message(flags, VFIO_USER_MSI_WINDOW_BASE, msg.data); /* no handle at all */
	}
	AWAIT(bad_info().stray_msgs == before + 400);
	AWAIT(hostile_refusals(bad.h) == 200);
	assert_int_equal(hostile_good_answers(bad.h), 0);
	assert_int_equal(events_of(bad.vecs[0]), events);
	good_goes_on();
	message(0, msg.addr, msg.data);
	AWAIT(events_of(bad.vecs[0]) == events + 1);
	AWAIT(hostile_good_answers(bad.h) == 1);
	bad_works();
	BAD_COUNTED(.stray_msgs = 400);
	bad_close();
}

/* Words of the set that are the good device's: it is called for nothing, and its own events are not lost. */
static void
test_words(void **state)
{
	struct rte_ims_msg msg;
	uint64_t before = strays();
	unsigned int i, k;

	bad_open(BAD_MODEL, 5000);
	for (i = 0; i < 500; i++)
		for (k = 0; k < N_CHAINS; k++) {
			msg = msg_of(good.chains[k].vec);
			if (msg.addr < VFIO_USER_MSI_WINDOW_BASE ||
				msg.addr >= VFIO_USER_MSI_WINDOW_BASE + VFIO_USER_MSI_WINDOW_SIZE)
				message(VFIO_USER_F_NO_REPLY, msg.addr, 0x7fffff00 + i);
		}
	good_goes_on();
	assert_int_equal(bad_call(), 0);
	AWAIT(strays() > before);
	good_goes_on();
	bad_works();
	bad_close();
}

/* Addresses outside of its maps, lengths that reach out of them or do not fit. */
static void
test_memory(void **state)
{
	static const struct {
		uint64_t addr, count;
		bool fault;
	} cases[] = {
		{ 0x10, 4, true },
		{ 0xfed00000, 4, true },
		{ UINT64_MAX - 1, 4, true },
		{ UINT64_MAX, 65536, true },
		{ 0, UINT64_MAX, false },
		{ 0x1000, 65537, false },
		{ 0x1000, 0xffffffff, false },
	};
	uint64_t before, faults = 0, want;
	uint32_t val = 0xdead;
	unsigned int i, n = 0;

	bad_open(BAD_MODEL, 5000);
	before = bad_info().dma_faults;
	for (i = 0; i < RTE_DIM(cases); i++) {
		assert_true(hostile_dma(
			bad.h, VFIO_USER_DMA_READ, 0, cases[i].addr, cases[i].count, NULL, 0));
		assert_true(hostile_dma(bad.h, VFIO_USER_DMA_WRITE, 0, cases[i].addr,
			cases[i].count, &val, sizeof(val)));
		n += 2;
		faults += cases[i].fault ? 1 + (cases[i].count == sizeof(val)) : 0;
	}
	want = before + faults;
	AWAIT(hostile_refusals(bad.h) == n);
	assert_int_equal(bad_info().dma_faults, want);
	assert_int_equal(hostile_good_answers(bad.h), 0);
	good_goes_on();
	bad_works();
	BAD_COUNTED(.dma_faults = want, .bad_requests = n - faults);
	bad_close();
}

/* Never sent, or half: who asked is told so in time, and a late answer harms nobody. */
static void
unanswered(enum hostile_replies how)
{
	uint64_t start;

	bad_open(BAD_MODEL, 300);
	hostile_replies(bad.h, how);
	start = e2e_now_ns();
	assert_int_equal(bad_call(), -ETIMEDOUT);
	assert_true(e2e_now_ns() - start >= 300000000);
	assert_true(hostile_replies_spoilt(bad.h) > 0);
	good_goes_on();
	assert_false(bad_info().removed);
	BAD_COUNTED(.timeouts = 1);
	hostile_replies(bad.h, HOSTILE_PASS);
	assert_int_equal(bad_call(), 0);
	bad_works();
	BAD_COUNTED(.timeouts = 1, .late_replies = how == HOSTILE_HALF);
	bad_close();
}

static void
test_no_reply(void **state)
{
	unanswered(HOSTILE_NEVER);
}

static void
test_half_reply(void **state)
{
	unanswered(HOSTILE_HALF);
}

/* Two threads ask; each gets its own answer. */
static void *
ask(void *arg)
{
	uint64_t i;

	for (i = 0; i < 200; i++) {
		uint64_t val = 0, reg = *(const uint64_t *)arg;

		if (ims_dev_bar_write(bad.dev, QUEUE_DEV_BAR, reg, &i, 4) != 0 ||
			ims_dev_bar_read(bad.dev, QUEUE_DEV_BAR, reg, &val, 4) != 0 || val != i)
			return arg;
	}
	return NULL;
}

static void
test_reordered(void **state)
{
	static uint64_t regs[2] = { QUEUE_DEV_REG_INJECT_TIME, QUEUE_DEV_REG_INJECT_DATA };
	pthread_t threads[2];
	unsigned int i;
	void *failed[2];

	bad_open(BAD_MODEL, NEVER_MS);
	hostile_replies(bad.h, HOSTILE_SWAPPED);
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &regs[i]), 0);
	good_goes_on();
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], &failed[i]), 0);
	assert_null(failed[0]);
	assert_null(failed[1]);
	assert_int_equal(hostile_replies_spoilt(bad.h), 800);
	BAD_COUNTED(.reordered_replies = 400);
	hostile_replies(bad.h, HOSTILE_TWICE);
	for (i = 0; i < 50; i++)
		assert_int_equal(bad_call(), 0);
	good_goes_on();
	hostile_replies(bad.h, HOSTILE_PASS);
	assert_int_equal(bad_call(), 0); /* behind what came with the last of them */
	bad_works();
	BAD_COUNTED(.reordered_replies = 400, .late_replies = 100);
	bad_close();
}

static void
test_extra_descriptors(void **state)
{
	unsigned int i, fds;

	bad_open(BAD_MODEL, 5000);
	fds = count_fds();
	hostile_replies(bad.h, HOSTILE_WITH_FDS);
	for (i = 0; i < 200; i++)
		assert_int_equal(bad_call(), 0);
	good_goes_on();
	hostile_replies(bad.h, HOSTILE_PASS);
	assert_int_equal(bad_call(), 0);
	assert_int_equal(count_fds(), fds);
	bad_works();
	BAD_COUNTED(.surplus_fds = 200 * 64);
	bad_close();
}

/* Messages as fast as they can be sent, good ones or strays. */
static struct {
	struct rte_ims_msg msg;
	atomic_bool stop;
	atomic_uint_fast64_t sent;
} flood;

static void *
flood_main(void *arg)
{
	static const struct {
		struct vfio_user_header hdr;
		uint64_t addr, count;
		uint32_t data;
	} __attribute__((packed)) one = { .hdr = { .command = VFIO_USER_DMA_WRITE,
						  .flags = VFIO_USER_F_NO_REPLY,
						  .size = sizeof(one) },
		.count = sizeof(one.data) };
	static uint8_t buf[1000 * sizeof(one)];
	size_t i;

	(void)arg;
	for (i = 0; i < 1000; i++) {
		memcpy(buf + i * sizeof(one), &one, sizeof(one));
		memcpy(buf + i * sizeof(one) + 16, &flood.msg.addr, 8);
		memcpy(buf + i * sizeof(one) + 32, &flood.msg.data, 4);
	}
	while (!atomic_load(&flood.stop) && hostile_send(bad.h, buf, sizeof(buf)))
		atomic_fetch_add(&flood.sent, 1000);
	return NULL;
}

/* Slower than its device. */
static void
on_flood(struct rte_ims_vec *vec, void *arg)
{
	uint64_t end = e2e_now_ns() + 5000;

	(void)vec;
	(void)arg;
	while (e2e_now_ns() < end)
		;
}

static void
flooded(struct rte_ims_msg msg, unsigned int steps)
{
	pthread_t thread;

	flood.msg = msg;
	atomic_store(&flood.stop, false);
	atomic_store(&flood.sent, 0);
	assert_int_equal(pthread_create(&thread, NULL, flood_main, NULL), 0);
	AWAIT(atomic_load(&flood.sent) != 0);
	good_goes_on_by(steps);
	atomic_store(&flood.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* The set's thread itself reads what this one sends: each message is a call of the handlers. */
static void
test_flood(void **state)
{
	struct rte_ims_wait_info info;
	uint64_t before, events;
	struct rte_ims_vec *vec;

	memset(&bad, 0, sizeof(bad));
	bad.h = hostile_start("timer_ims,timers=8");
	bad.dev = rte_ims_dev_open(hostile_name(bad.h), NULL);
	assert_non_null(bad.dev);
	vec = vec_open(bad.dev, RTE_IMS_STORE_BAR, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	assert_int_equal(rte_ims_wait_info_get(set, &info), 0);
	assert_true(info.reads_socket);
	bad.gone = (struct rte_ims_obj){ .fn = on_flood };
	assert_int_equal(rte_ims_vec_attach(vec, &bad.gone), 0);
	events = events_of(vec);
	flooded(msg_of(vec), 10);
	AWAIT(events_of(vec) == events + flood.sent);
	before = bad_info().stray_msgs;
	flooded((struct rte_ims_msg){ VFIO_USER_MSI_WINDOW_BASE, 1 }, STEPS);
	AWAIT(bad_info().stray_msgs == before + flood.sent);
	bad_abandon(NULL);
}

/* The same by way of the transport's thread and eventfds, where events merge. */
static void
test_flood_beside(void **state)
{
	bad_open(BAD_MODEL, 5000);
	flooded(msg_of(bad.vecs[0]), 10);
	bad_works();
	bad_close();
}

/* It asks, and does not read the answers: nobody waits for it, and in the end it is given up. */
static void
test_deaf(void **state)
{
	struct rte_ims_dev_stats stats;
	uint64_t word = 0;
	unsigned int i;

	bad_open(BAD_MODEL, NEVER_MS);
	hostile_deaf(bad.h, true);
	for (i = 0; i < 2000; i++)
		message(0, VFIO_USER_MSI_WINDOW_BASE, 1);
	good_goes_on();
	assert_false(bad_info().removed); /* it might come to them yet */
	AWAIT(bad_info().stray_msgs == 2000);
	assert_int_equal(rte_ims_dev_stats_get(bad.dev, &stats), 0);
	assert_in_range(stats.unread_replies, 1, 2000);
	hostile_deaf(bad.h, false);
	AWAIT(hostile_refusals(bad.h) == 2000);
	bad_works();
	BAD_COUNTED(.stray_msgs = 2000, .unread_replies = stats.unread_replies);
	hostile_deaf(bad.h, true);
	while (hostile_dma(
		bad.h, VFIO_USER_DMA_READ, 0, msg_of(bad.vecs[1]).addr & ~7ull, 4, NULL, 0))
		word++;
	/* Refusals of 16 bytes each, of which a MiB is kept, and what the sockets hold besides. */
	assert_in_range(word, 2001, 4 * (1 << 20) / 16);
	good_goes_on();
	bad_gone();
	bad_close();
}

/* What is no message ends it. */
static void
test_malformed(void **state)
{
	struct vfio_user_header hdr = { .command = VFIO_USER_DMA_WRITE, .size = 256 << 20 };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		bad_open(BAD_MODEL, NEVER_MS);
		bad_works();
		hdr.size = i == 0 ? 256 << 20 : i == 1 ? 4 : sizeof(hdr);
		hdr.flags = i == 2 ? 0xf : 0;
		assert_true(hostile_send(bad.h, &hdr, sizeof(hdr)));
		bad_gone();
		good_goes_on();
		BAD_COUNTED(.malformed = 1);
		bad_close();
	}
}

/* Stopped, it answers nothing for a while, then goes on where it was; or it is killed meanwhile. */
static void
test_stopped(void **state)
{
	struct rte_ims_dev_stats stats;

	bad_open(BAD_MODEL, 300);
	bad_works();
	assert_int_equal(kill(hostile_pid(bad.h), SIGSTOP), 0);
	assert_int_equal(bad_call(), -ETIMEDOUT);
	good_goes_on();
	assert_int_equal(bad.n_gone, 0);
	assert_int_equal(kill(hostile_pid(bad.h), SIGCONT), 0);
	AWAIT(bad_call() == 0);
	bad_works();
	/* Awake, it answered what it was asked while it was not; no more than one on a machine that is idle. */
	assert_int_equal(rte_ims_dev_stats_get(bad.dev, &stats), 0);
	assert_true(stats.timeouts != 0);
	BAD_COUNTED(.timeouts = stats.timeouts, .late_replies = stats.timeouts);
	assert_int_equal(kill(hostile_pid(bad.h), SIGSTOP), 0);
	bad_submit(0);
	good_goes_on();
	assert_int_equal(kill(hostile_pid(bad.h), SIGKILL), 0);
	bad_gone();
	bad_close();
}

/* Killed at work: what it had not done is aborted, each operation is accounted for. */
static void
test_killed(void **state)
{
	unsigned int i, k;

	for (k = 0; k < 5; k++) {
		bad_open(BAD_MODEL, NEVER_MS);
		for (i = 0; i < 30 * N_BAD; i++)
			bad_submit(i % N_BAD);
		assert_int_equal(kill(hostile_pid(bad.h), SIGKILL), 0);
		bad_gone();
		good_goes_on();
		for (i = 0; i < N_BAD; i++) {
			in_set(bad_look, i);
			assert_int_equal(bad.done[i] + bad.pending, bad.submitted[i]);
		}
		bad_close();
	}
}

static uint64_t
cpu_ns(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts), 0);
	return ts.tv_sec * SECOND_NS + ts.tv_nsec;
}

/* A device that is gone and not closed yet, whose socket the set itself has read: it sleeps all the same. */
static void
test_gone_is_silent(void **state)
{
	struct rte_ims_wait *shared = set;
	struct rte_ims_wait_info info;
	uint64_t cpu;

	set = rte_ims_wait_create("quiet", NULL);
	assert_non_null(set);
	memset(&bad, 0, sizeof(bad));
	bad.h = hostile_start("timer_ims,timers=8");
	bad.dev = rte_ims_dev_open(hostile_name(bad.h), NULL);
	assert_non_null(bad.dev);
	vec_open(bad.dev, RTE_IMS_STORE_BAR, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	assert_int_equal(rte_ims_wait_info_get(set, &info), 0);
	assert_true(info.reads_socket);
	assert_int_equal(kill(hostile_pid(bad.h), SIGKILL), 0);
	AWAIT(bad_info().removed);
	rte_ims_wait_sleep(set, 1000000);
	cpu = cpu_ns();
	rte_ims_wait_sleep(set, SECOND_NS);
	cpu = cpu_ns() - cpu;
	bad_abandon(NULL);
	assert_int_equal(rte_ims_wait_destroy(set), 0);
	set = shared;
	assert_true(cpu < 20000000);
}

#define T(fn) cmocka_unit_test_teardown(fn, bad_abandon)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_objects),
		T(test_indexes),
		T(test_messages),
		T(test_words),
		T(test_memory),
		T(test_no_reply),
		T(test_half_reply),
		T(test_reordered),
		T(test_extra_descriptors),
		T(test_flood),
		T(test_flood_beside),
		T(test_deaf),
		T(test_malformed),
		T(test_stopped),
		T(test_killed),
		T(test_gone_is_silent),
	};

	e2e_init(argc, argv, "");
	return cmocka_run_group_tests(tests, good_open, good_close);
}
