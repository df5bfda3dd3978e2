/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Everything at once, at full rate: queues that keep themselves busy, on vectors of a pool that two
 * threads serve, while two others do at random whatever one may do to vectors, queues, objects,
 * tables and sub-devices, and the device is reset now and then. Each operation that was submitted
 * has completed or was aborted in the end, objects are not called after they were detached, and
 * neither descriptors nor memory grow. What would make up for a lost event, a reset or attaching
 * anew, comes only after the queue has been seen to go on without.
 *
 * --seconds N: how long, 4 if it is not said; --seed N: the same choices again.
 *
 * Assertions of cmocka are for the main thread: the others end the program.
 */

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include <rte_ims_pool.h>
#include <rte_pmd_queue_dev.h>

#include "e2e.h"

#define SECOND_NS   1000000000ull
#define DEPTH       16
#define N_LCORES    2
#define N_THREADS   2
#define N_QUEUES    32 /* of each thread that changes things, for as long as it runs */
#define MIN_CHANGES 10
#define SLACK       (256 * 1024) /* one moment's queues, tables, sub-devices and another's */
#define N_SHORT     256          /* operations of a queue that comes and goes */

static struct rte_ims_dev *dev;
static struct rte_ims_pool *pool;
static bool has_ims;
static struct rte_ims_store *any_store; /* for vectors of sub-devices */
static atomic_bool stop_changes, stop_queues, stop_servers;

#define must(cond)                                                                    \
	do {                                                                          \
		if (!(cond)) {                                                        \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #cond, \
				rte_strerror(rte_errno));                             \
			abort();                                                      \
		}                                                                     \
	} while (0)

/* What does not come in all that time does not come. */
static void
be_patient(uint64_t end, const char *where)
{
	if (e2e_now_ns() >= end) {
		fprintf(stderr, "an event was lost: a queue stands still %s\n", where);
		abort();
	}
	usleep(100);
}

/* A thread that serves an lcore's vectors, polling and sleeping by turns. */
static struct server {
	struct rte_ims_wait *wait;
	unsigned int lcore;
	pthread_t thread;
} servers[N_LCORES];

static void *
serve(void *arg)
{
	struct server *s = arg;
	unsigned int i;

	while (!atomic_load(&stop_servers)) {
		for (i = 0; i < 1000; i++)
			rte_ims_wait_poll(s->wait);
		for (i = 0; i < 10; i++)
			rte_ims_wait_sleep(s->wait, 1000000);
	}
	return NULL;
}

/* What completes is submitted again, until `target`; the thread that has the queue counts. */
struct queue {
	struct rte_pmd_queue_dev_queue *q;
	struct rte_ims_vec *vec;
	_Atomic(uint64_t) submitted;
	_Atomic(uint64_t) done;
	_Atomic(uint64_t) aborted;
	uint64_t target;
	uint64_t next; /* the number that the next completion has: they come in order */
};

static void
add(_Atomic(uint64_t) *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_release);
}

static uint64_t
ended(struct queue *s)
{
	return atomic_load_explicit(&s->done, memory_order_acquire) +
	       atomic_load_explicit(&s->aborted, memory_order_acquire);
}

/* Nothing is taken during a reset; the handlers run again after it. */
static void
submit(struct queue *s)
{
	struct rte_pmd_queue_dev_op ops[DEPTH];
	uint64_t first = s->submitted;
	int n = 0;

	memset(ops, 0, sizeof(ops));
	while (n < DEPTH && first + n < s->target && first + n - ended(s) < DEPTH) {
		ops[n].imm = first + n;
		ops[n].cookie = (void *)(uintptr_t)(first + n + 1);
		n++;
	}
	if (n == 0)
		return;
	atomic_store(&s->submitted, first + n); /* before it can be done */
	n = rte_pmd_queue_dev_submit(s->q, ops, n);
	must(n >= 0);
	atomic_store(&s->submitted, first + n);
}

static void
on_queue(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion c[DEPTH];
	struct queue *s = arg;
	int n, i;

	(void)vec;
	while ((n = rte_pmd_queue_dev_poll(s->q, c, DEPTH)) > 0) {
		for (i = 0; i < n; i++) {
			must((uintptr_t)c[i].cookie == ++s->next);
			must(c[i].status == 0 || c[i].status == RTE_PMD_QUEUE_DEV_ABORTED);
			must(c[i].status != 0 || c[i].result == s->next - 1);
			add(c[i].status == 0 ? &s->done : &s->aborted, 1);
		}
	}
	if (!atomic_load_explicit(&stop_queues, memory_order_relaxed))
		submit(s);
}

/* The first operations are this thread's: without a vector, or with one that is in no wait set. */
static void
queue_open(struct queue *s, struct rte_pmd_queue_dev_subdev *subdev, struct rte_ims_vec *vec,
	uint64_t target)
{
	struct rte_pmd_queue_dev_queue_conf conf = {
		.depth = DEPTH, .subdev = subdev, .vec = vec, .fn = on_queue, .arg = s
	};

	memset(s, 0, sizeof(*s));
	s->target = target;
	s->q = rte_pmd_queue_dev_queue_create(dev, &conf);
	must(s->q != NULL);
	while (submit(s), s->submitted == 0)
		usleep(100);
}

static void
queue_attach(struct queue *s, struct rte_ims_vec *vec)
{
	must(rte_pmd_queue_dev_queue_attach(s->q, vec) == 0);
	s->vec = vec;
}

static void
queue_end(struct queue *s)
{
	uint64_t end = e2e_now_ns() + E2E_PATIENCE_NS;

	while (ended(s) != atomic_load(&s->submitted) || s->submitted < s->target) {
		if (atomic_load(&stop_queues) && ended(s) == atomic_load(&s->submitted))
			break;
		be_patient(end, "before its end");
	}
}

static void
queue_close(struct queue *s)
{
	must(rte_pmd_queue_dev_queue_destroy(s->q) == 0);
}

/* A thread that changes things; its queues are its own, vectors and wait sets are everybody's. */
static struct changer {
	pthread_t thread;
	unsigned int seed;
	struct queue queues[N_QUEUES];
	_Atomic uint64_t changes;
	uint64_t busy;  /* refused, for another thread was moving the same vector */
	uint64_t ended; /* operations of queues that came and went */
} changers[N_THREADS];

static unsigned int
choose(struct changer *c, unsigned int n)
{
	return rand_r(&c->seed) % n;
}

static struct queue *
some_queue(struct changer *c)
{
	return &c->queues[choose(c, N_QUEUES)];
}

static void
count_busy(struct changer *c, int rc)
{
	must(rc == 0 || rc == -EBUSY);
	c->busy += rc != 0;
}

/* Attaching makes an event of what is there: for a queue that waits for a lost one too. */
static void
must_go_on(struct changer *c, struct queue *s)
{
	uint64_t before = ended(s), end = e2e_now_ns() + E2E_PATIENCE_NS;

	while (ended(s) == before)
		be_patient(end, "before it is attached anew");
	usleep(choose(c, 100));
}

static void
change_vector(struct changer *c)
{
	struct queue *s = some_queue(c);
	struct rte_ims_want want = { .place = RTE_IMS_PLACE_LCORE,
		.number = servers[choose(c, N_LCORES)].lcore };
	struct rte_ims_vec *old = s->vec, *vec = rte_ims_pool_get(pool, &want);

	must(vec != NULL);
	must_go_on(c, s);
	queue_attach(s, vec);
	must(rte_ims_pool_put(pool, old) == 0);
}

static void
change_lcore(struct changer *c)
{
	unsigned int lcore = servers[choose(c, N_LCORES)].lcore;

	count_busy(c, rte_ims_pool_move(pool, some_queue(c)->vec, lcore));
}

static void
change_delivery(struct changer *c)
{
	count_busy(c, rte_ims_vec_delivery_set(some_queue(c)->vec, choose(c, 2)));
}

static void
change_policy(struct changer *c)
{
	struct rte_ims_wait_policy p = { .policy = choose(c, 3) * 2 %
		                                   4 }; /* not POLL, it would stay */

	count_busy(c, rte_ims_wait_policy_set(servers[choose(c, N_LCORES)].wait, &p));
}

static void
change_mask(struct changer *c)
{
	struct rte_ims_vec *vec = some_queue(c)->vec;

	must(rte_ims_vec_mask(vec) == 0);
	usleep(choose(c, 100));
	must(rte_ims_vec_unmask(vec) == 0);
}

static void
on_guest(struct rte_ims_vec *vec, void *arg)
{
	(void)vec;
	must(*(uint64_t *)arg == 0x0b7ec7);
}

/*
 * An object in memory that is gone when it has been detached: the sanitizer would see a late call.
 */
static void
change_object(struct changer *c)
{
	struct {
		struct rte_ims_obj obj;
		uint64_t mark;
	} *guest = calloc(1, sizeof(*guest));
	struct rte_ims_vec *vec = some_queue(c)->vec;

	must(guest != NULL);
	guest->mark = 0x0b7ec7;
	guest->obj.fn = on_guest;
	guest->obj.arg = &guest->mark;
	must(rte_ims_vec_attach(vec, &guest->obj) == 0);
	usleep(choose(c, 200));
	must(rte_ims_vec_detach(&guest->obj) == 0);
	memset(guest, 0xff, sizeof(*guest));
	free(guest);
}

static void
change_queue(struct changer *c)
{
	struct rte_ims_vec *vec = rte_ims_pool_get(pool, NULL);
	struct queue s;

	must(vec != NULL);
	queue_open(&s, NULL, NULL, N_SHORT);
	queue_attach(&s, vec);
	if (choose(c, 4) != 0) /* else with operations under way */
		queue_end(&s);
	queue_close(&s);
	must(rte_ims_pool_put(pool, vec) == 0);
	c->ended += ended(&s);
}

/* Its table is freed as a whole, while its vector has events. */
static void
change_subdev(struct changer *c)
{
	struct rte_ims_vec_conf conf = { .delivery = choose(c, 2) };
	struct rte_pmd_queue_dev_subdev *subdev;
	struct rte_ims_vec *vec;
	struct queue s;

	subdev = rte_pmd_queue_dev_subdev_create(dev, "soak", 4);
	must(subdev != NULL);
	vec = rte_ims_vec_alloc(
		rte_pmd_queue_dev_subdev_table(subdev), any_store, RTE_IMS_SLOT_ANY, &conf);
	must(vec != NULL);
	queue_open(&s, subdev, vec, N_SHORT);
	must(rte_ims_wait_add(servers[choose(c, N_LCORES)].wait, vec) == 0);
	if (choose(c, 4) != 0)
		queue_end(&s);
	queue_close(&s);
	must(rte_pmd_queue_dev_subdev_destroy(subdev) == 0);
	c->ended += ended(&s);
}

static void
look(struct changer *c)
{
	struct rte_ims_vec_stats stats;
	struct rte_ims_vec_info info;
	struct rte_ims_vec *vec = some_queue(c)->vec;

	must(rte_ims_vec_info_get(vec, &info) == 0);
	must(rte_ims_vec_stats_get(vec, &stats) == 0);
	must(rte_ims_dev_audit(dev) >= 0);
	must(rte_ims_wait_wake(servers[choose(c, N_LCORES)].wait) == 0);
	must(rte_ims_pool_rebalance(pool) >= -EBUSY);
}

static void *
change(void *arg)
{
	static void (*const what[])(struct changer *) = { change_vector, change_lcore,
		change_delivery, change_policy, change_mask, change_object, change_queue,
		change_subdev, look };
	struct changer *c = arg;

	while (!atomic_load(&stop_changes)) {
		what[choose(c, RTE_DIM(what))](c);
		c->changes++;
	}
	return NULL;
}

static void
servers_start(void)
{
	struct rte_ims_wait_conf conf = { .flags = RTE_IMS_WAIT_F_LCORE };
	unsigned int lcore, n = 0;

	RTE_LCORE_FOREACH(lcore) {
		if (n == N_LCORES)
			break;
		conf.lcore_id = lcore;
		servers[n].lcore = lcore;
		servers[n].wait = rte_ims_wait_create("soak", &conf);
		assert_non_null(servers[n].wait);
		assert_int_equal(rte_ims_pool_lcore_add(pool, lcore, servers[n].wait), 0);
		assert_int_equal(pthread_create(&servers[n].thread, NULL, serve, &servers[n]), 0);
		n++;
	}
	assert_int_equal(n, N_LCORES);
}

static void
changers_start(void)
{
	struct rte_ims_vec *vec;
	unsigned int i, k;

	for (i = 0; i < N_THREADS; i++) {
		for (k = 0; k < N_QUEUES; k++) {
			vec = rte_ims_pool_get(pool, NULL);
			assert_non_null(vec);
			queue_open(&changers[i].queues[k], NULL, NULL, UINT64_MAX);
			queue_attach(&changers[i].queues[k], vec);
		}
		changers[i].seed = e2e_seed + i;
	}
	for (i = 0; i < N_THREADS; i++)
		assert_int_equal(
			pthread_create(&changers[i].thread, NULL, change, &changers[i]), 0);
}

/* Resident memory in KiB. */
static uint64_t
resident(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
	fclose(f);
	return pages * sysconf(_SC_PAGESIZE) / 1024;
}

/*
 * What malloc() has given out and DPDK's heaps have, in bytes; 0 where a sanitizer's malloc() does
 * not tell.
 */
static size_t
in_use(void)
{
	struct mallinfo2 mi = mallinfo2();
	struct rte_malloc_socket_stats heap = { 0 };

	rte_malloc_get_socket_stats(0, &heap);
	return mi.uordblks + mi.hblkhd + heap.heap_allocsz_bytes;
}

/*
 * Nothing stands still from here on: a reset makes up for events that were lost. A changer that
 * makes no change waits for a queue of its own.
 */
static void
look_at_queues(void)
{
	uint64_t queues[N_THREADS][N_QUEUES], changes[N_THREADS],
		end = e2e_now_ns() + E2E_PATIENCE_NS;
	unsigned int i, k;

	for (i = 0; i < N_THREADS; i++) {
		changes[i] = atomic_load(&changers[i].changes);
		for (k = 0; k < N_QUEUES; k++)
			queues[i][k] = ended(&changers[i].queues[k]);
	}
	for (i = 0; i < N_THREADS; i++) {
		for (k = 0; k < N_QUEUES; k++)
			while (ended(&changers[i].queues[k]) == queues[i][k])
				be_patient(end, "before a reset");
		while (atomic_load(&changers[i].changes) == changes[i])
			be_patient(end, "before a reset");
	}
}

static uint64_t
changes_made(void)
{
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < N_THREADS; i++)
		n += atomic_load(&changers[i].changes);
	return n;
}

/* Longer where changes are slow: under valgrind, on a machine with other work. */
static unsigned int
soak(uint64_t seconds)
{
	uint64_t end = e2e_now_ns() + seconds * SECOND_NS,
		 settled = e2e_now_ns() + seconds * SECOND_NS / 4, before = 0;
	unsigned int resets = 0;
	size_t given = 0;

	while (e2e_now_ns() < end || changes_made() <= MIN_CHANGES) {
		usleep(200000);
		look_at_queues();
		assert_int_equal(rte_ims_dev_reset(dev), 0);
		resets++;
		if (before == 0 && e2e_now_ns() > settled)
			before = resident(), given = in_use();
	}
	print_message(
		"in use %zu, resident %lu KiB, a quarter of the time later than the start, then %zu and "
		"%lu\n",
		given, (unsigned long)before, in_use(), (unsigned long)resident());
	assert_true(in_use() < given + SLACK);
	/*
	 * Messages' handles are taken in turn, so the pages of their table come in one by one: 2.5
	 * MiB.
	 */
	assert_true(resident() < before + before / 20 + 4096);
	return resets;
}

static void
test_soak(void **state)
{
	uint64_t ops = 0, aborted = 0, changes, busy = 0;
	struct rte_pmd_queue_dev_info info;
	unsigned int i, k, fds, resets;
	struct queue *s;

	(void)state;
	dev = e2e_open();
	assert_int_equal(rte_pmd_queue_dev_info_get(dev, &info), 0);
	has_ims = info.ims;
	any_store = rte_ims_dev_store_get(dev, has_ims ? RTE_IMS_STORE_QUEUE : RTE_IMS_STORE_MSIX);
	assert_non_null(any_store);
	pool = rte_ims_pool_create("soak", dev, NULL);
	assert_non_null(pool);
	servers_start();
	changers_start();
	fds = count_fds();
	resets = soak(e2e_seconds != 0 ? e2e_seconds : 4);
	atomic_store(&stop_changes, true);
	for (i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_join(changers[i].thread, NULL), 0);
	atomic_store(&stop_queues, true);
	for (i = 0; i < N_THREADS; i++) {
		for (k = 0; k < N_QUEUES; k++) {
			s = &changers[i].queues[k];
			queue_end(s);
			assert_int_equal(s->done + s->aborted, s->submitted);
			assert_int_equal(rte_pmd_queue_dev_queue_pending(s->q), 0);
			ops += s->done;
			aborted += s->aborted;
			queue_close(s);
			assert_int_equal(rte_ims_pool_put(pool, s->vec), 0);
		}
		ops += changers[i].ended;
		busy += changers[i].busy;
	}
	/* A vector that has had eventfd delivery keeps its descriptor. */
	assert_in_range(count_fds(), fds > 64 ? fds - 64 : 0, fds + 64);
	atomic_store(&stop_servers, true);
	for (i = 0; i < N_LCORES; i++) {
		rte_ims_wait_wake(servers[i].wait);
		assert_int_equal(pthread_join(servers[i].thread, NULL), 0);
	}
	changes = changes_made();
	assert_int_equal(rte_ims_pool_destroy(pool), 0);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	for (i = 0; i < N_LCORES; i++)
		assert_int_equal(rte_ims_wait_destroy(servers[i].wait), 0);
	print_message(
		"%lu operations, %lu aborted by %u resets, %lu changes, %lu refused for another "
		"thread's move, lost 0\n",
		(unsigned long)ops, (unsigned long)aborted, resets, (unsigned long)changes,
		(unsigned long)busy);
	assert_true(ops > 0 && changes > MIN_CHANGES);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_soak),
	};

	e2e_init(argc, argv, "emu:queue_dev,queues=1024,subdevs=64");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
