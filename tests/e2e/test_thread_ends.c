/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The thread of a wait set ends without a word: cancelled while it sleeps or runs handlers that
 * call the library, or by pthread_exit() in the middle of a handler. Its vectors are moved to
 * another set, or another thread polls the set: no call waits for the dead, every operation
 * completes by an event. The same for the threads of EAL's worker lcores, which for EAL run for
 * ever then.
 */

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <rte_ims_pool.h>
#include <rte_pmd_queue_dev.h>
#include <rte_pmd_timer_ims.h>

#include "e2e.h"

#ifdef __SANITIZE_ADDRESS__
void
__asan_handle_no_return(void);
#endif

#define SECOND_NS 1000000000ull
#define N_QUEUES  6
#define N_VECS    3
#define N_TIMERS  40
#define DEPTH     16

static struct rte_ims_dev *dev;
static struct rte_ims_wait *sets[2];
static struct rte_ims_vec *vecs[N_TIMERS];
static atomic_int end_in; /* so many handlers more, then the thread that runs one ends */
static atomic_bool busy;  /* queues submit again what completes */
static atomic_bool stop;
static pthread_t thread;

struct queue {
	struct rte_pmd_queue_dev_queue *q;
	atomic_uint submitted;
	atomic_uint done;
};
static struct queue queues[N_QUEUES];

/* In the thread that is to end, when its time has come. */
static void
end_here(void)
{
	if (atomic_load(&end_in) != 0 && atomic_fetch_sub(&end_in, 1) == 1)
		pthread_exit(NULL);
}

static void
submit(struct queue *s, unsigned int n)
{
	static const struct rte_pmd_queue_dev_op ops[DEPTH];
	int rc = rte_pmd_queue_dev_submit(s->q, ops, n);

	if (rc > 0)
		atomic_fetch_add(&s->submitted, rc);
}

static void
on_queue(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion c[DEPTH / 2];
	struct queue *s = arg;
	int n;

	(void)vec;
	n = rte_pmd_queue_dev_poll(s->q, c, DEPTH / 2);
	if (n > 0)
		atomic_fetch_add(&s->done, n);
	end_here();
	if (n > 0 && atomic_load(&busy))
		submit(s, n);
}

static void *
sleep_in(void *arg)
{
	while (!atomic_load(&stop))
		rte_ims_wait_sleep(arg, -1);
	return NULL;
}

static void *
poll_in(void *arg)
{
	while (!atomic_load(&stop)) {
		rte_ims_wait_poll(arg);
		pthread_testcancel();
	}
	return NULL;
}

static struct {
	void *(*fn)(void *);
	struct rte_ims_wait *set;
} job;

/*
 * The marks of frames that a cancellation has left stay on the stack: AddressSanitizer is not told
 * of it.
 */
static void
unwound(void *arg)
{
#ifdef __SANITIZE_ADDRESS__
	__asan_handle_no_return();
#endif
}

static void *
run_job(void *arg)
{
	pthread_cleanup_push(unwound, NULL);
	job.fn(job.set);
	pthread_cleanup_pop(0);
	return NULL;
}

static void
start(void *(*fn)(void *), struct rte_ims_wait *set)
{
	atomic_store(&stop, false);
	job.fn = fn;
	job.set = set;
	assert_int_equal(pthread_create(&thread, NULL, run_job, NULL), 0);
}

static void
open_sets(const char *name)
{
	const struct rte_ims_wait_conf conf = { .flags = RTE_IMS_WAIT_F_CANCEL };

	dev = rte_ims_dev_open(name, NULL);
	assert_non_null(dev);
	sets[0] = rte_ims_wait_create("dies", &conf);
	sets[1] = rte_ims_wait_create("lives", NULL);
	assert_true(sets[0] != NULL && sets[1] != NULL);
	atomic_store(&end_in, 0);
	atomic_store(&busy, true);
}

static int
close_all(void **state)
{
	(void)state;
	assert_int_equal(rte_ims_dev_close(dev), 0);
	assert_int_equal(rte_ims_wait_destroy(sets[0]), 0);
	return rte_ims_wait_destroy(sets[1]);
}

/* Two queues on each vector: MSI-X, an event queue's own message by eventfd, and in memory. */
static int
open_queues(void **state)
{
	static const enum rte_ims_store_type stores[N_VECS] = { RTE_IMS_STORE_MSIX,
		RTE_IMS_STORE_QUEUE, RTE_IMS_STORE_QUEUE };
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = on_queue };
	struct rte_ims_vec_conf vconf = { 0 };
	unsigned int i;

	(void)state;
	open_sets("emu:queue_dev,queues=16,subdevs=1");
	memset(queues, 0, sizeof(queues));
	for (i = 0; i < N_VECS; i++) {
		vconf.delivery = i == 2;
		vecs[i] = rte_ims_vec_alloc(rte_ims_dev_table(dev),
			rte_ims_dev_store_get(dev, stores[i]), RTE_IMS_SLOT_ANY, &vconf);
		assert_non_null(vecs[i]);
		assert_int_equal(rte_ims_wait_add(sets[0], vecs[i]), 0);
	}
	for (i = 0; i < N_QUEUES; i++) {
		conf.vec = vecs[i / 2];
		conf.arg = &queues[i];
		queues[i].q = rte_pmd_queue_dev_queue_create(dev, &conf);
		assert_non_null(queues[i].q);
		submit(&queues[i], DEPTH);
	}
	return 0;
}

static bool
all_done(void *arg)
{
	unsigned int i;

	(void)arg;
	for (i = 0; i < N_QUEUES; i++)
		if (atomic_load(&queues[i].done) != atomic_load(&queues[i].submitted))
			return false;
	return true;
}

/* Each queue has completed n more; any thread may be in the handlers. */
static void
await_done(unsigned int n)
{
	uint64_t end = e2e_now_ns() + 30 * SECOND_NS;
	unsigned int i, want[N_QUEUES];

	for (i = 0; i < N_QUEUES; i++)
		want[i] = atomic_load(&queues[i].done) + n;
	for (i = 0; i < N_QUEUES; i++)
		while (atomic_load(&queues[i].done) < want[i]) {
			assert_true(e2e_now_ns() < end);
			usleep(100);
		}
}

/* What the dead thread was asked for by others ends in time, and does what it is to do. */
static void
move_all(unsigned int n)
{
	uint64_t start_ns = e2e_now_ns();
	unsigned int i;

	assert_int_equal(rte_ims_wait_sync(sets[0]), 0);
	for (i = 0; i < n; i++)
		assert_int_equal(rte_ims_wait_move(sets[1], vecs[i]), 0);
	print_message("moved in %.3f ms\n", (e2e_now_ns() - start_ns) / 1e6);
}

/* All that was submitted, by events in this set; then more. */
static void
goes_on_in(struct rte_ims_wait *set)
{
	unsigned int i;

	atomic_store(&busy, false);
	if (!e2e_wait_for(set, all_done, NULL, 20 * SECOND_NS))
		for (i = 0; i < N_QUEUES; i++)
			print_error("queue %u: %u of %u\n", i, queues[i].done, queues[i].submitted);
	assert_true(all_done(NULL));
	for (i = 0; i < N_QUEUES; i++)
		submit(&queues[i], DEPTH);
	assert_true(e2e_wait_for(set, all_done, NULL, 20 * SECOND_NS));
	for (i = 0; i < N_QUEUES; i++)
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(queues[i].q), 0);
	for (i = 0; i < N_VECS; i++)
		assert_int_equal(rte_ims_vec_free(vecs[i]), 0);
}

/* Once after each of so many handlers; the threads that follow each other poll or sleep. */
static void
ends_in_handler(bool move)
{
	unsigned int k, i;

	for (k = 1; k < 12; k++) {
		open_queues(NULL);
		atomic_store(&end_in, k);
		start(k % 2 != 0 ? sleep_in : poll_in, sets[0]);
		assert_int_equal(pthread_join(thread, NULL), 0);
		/* One that it replaced, and that ends as well. */
		for (i = 0; i < 3 && !move; i++) {
			atomic_store(&end_in, 5);
			start(sleep_in, sets[0]);
			assert_int_equal(pthread_join(thread, NULL), 0);
		}
		if (move)
			move_all(N_VECS);
		goes_on_in(sets[move]);
		close_all(NULL);
	}
}

static void
test_exit_moved(void **state)
{
	ends_in_handler(true);
}

static void
test_exit_replaced(void **state)
{
	ends_in_handler(false);
}

static pthread_key_t last_key;

/* On the stack where the handlers were. */
static void
destroy_last(void *arg)
{
	volatile uint8_t dirt[16384];
	struct queue *s = arg;
	unsigned int i;

	for (i = 0; i < sizeof(dirt); i++)
		dirt[i] = 0x5a;
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(s->q), 0);
}

static void
on_last(struct rte_ims_vec *vec, void *arg)
{
	(void)vec;
	pthread_setspecific(last_key, arg);
	pthread_exit(NULL);
}

/* The thread that has ended in a queue's handler destroys that queue in a destructor. */
static void
test_exit_destroys(void **state)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = on_last };
	static const struct rte_pmd_queue_dev_op op;

	assert_int_equal(pthread_key_create(&last_key, destroy_last), 0);
	open_queues(NULL);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(queues[0].q), 0);
	conf.vec = vecs[0];
	conf.arg = &queues[0];
	queues[0] = (struct queue){ 0 };
	queues[0].q = rte_pmd_queue_dev_queue_create(dev, &conf);
	assert_non_null(queues[0].q);
	assert_int_equal(rte_pmd_queue_dev_submit(queues[0].q, &op, 1), 1);
	start(sleep_in, sets[0]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_key_delete(last_key);
	close_all(NULL);
}

/* Asleep, or anywhere on the way to it. */
static void
test_cancel(void **state)
{
	unsigned int k;

	for (k = 0; k < 12; k++) {
		open_queues(NULL);
		if (k % 3 == 0)
			atomic_store(&busy, false); /* it sleeps soon */
		start(k % 2 != 0 ? poll_in : sleep_in, sets[0]);
		if (k % 3 != 0)
			await_done(10);
		assert_int_equal(pthread_cancel(thread), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		move_all(N_VECS);
		goes_on_in(sets[1]);
		close_all(NULL);
	}
}

static void
on_caller(struct rte_ims_vec *vec, void *arg)
{
	/* Commands of the device, under its lock: each sleeps for the answer. */
	rte_ims_vec_mask(vec);
	rte_ims_vec_unmask(vec);
	on_queue(vec, arg);
}

/* In a handler that is in the library, with locks held: it takes effect after it. */
static void
test_cancel_in_call(void **state)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = on_caller };
	unsigned int k;

	for (k = 0; k < 10; k++) {
		open_queues(NULL);
		conf.vec = vecs[1 + k % 2];
		conf.arg = &queues[0];
		assert_int_equal(rte_pmd_queue_dev_queue_destroy(queues[0].q), 0);
		queues[0] = (struct queue){ 0 };
		queues[0].q = rte_pmd_queue_dev_queue_create(dev, &conf);
		assert_non_null(queues[0].q);
		submit(&queues[0], DEPTH);
		start(sleep_in, sets[0]);
		await_done(10);
		assert_int_equal(pthread_cancel(thread), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		move_all(N_VECS);
		goes_on_in(sets[1]);
		close_all(NULL);
	}
}

/* The set reads the device's socket: messages that it had read, and not served. */
static struct e2e_timer timers[N_TIMERS];

static void
on_timer(struct rte_ims_vec *vec, void *arg)
{
	struct e2e_timer *t = arg;

	(void)vec;
	t->accounted = rte_pmd_timer_ims_count(t->dev, t->n, NULL);
	end_here();
}

static bool
all_fired(void *arg)
{
	unsigned int i;

	(void)arg;
	for (i = 0; i < N_TIMERS; i++)
		if (timers[i].accounted != 1)
			return false;
	return true;
}

static void
test_exit_with_messages(void **state)
{
	unsigned int k, i;

	for (k = 1; k < 6; k++) {
		open_sets("emu:timer_ims,timers=64");
		for (i = 0; i < N_TIMERS; i++) {
			vecs[i] = e2e_vec(dev, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
			e2e_timer_init(&timers[i], dev, i, vecs[i]);
			assert_int_equal(rte_ims_vec_detach(&timers[i].obj), 0);
			timers[i].obj.fn = on_timer;
			assert_int_equal(rte_ims_vec_attach(vecs[i], &timers[i].obj), 0);
			assert_int_equal(rte_ims_wait_add(sets[0], vecs[i]), 0);
		}
		for (i = 0; i < N_TIMERS; i++)
			e2e_timer_start(&timers[i], 50000000, 1, 0);
		/* All in the socket: nobody reads it, unless a command waits for its answer. */
		for (i = 0; i < N_TIMERS; i++)
			while (rte_pmd_timer_ims_count(dev, i, NULL) == 0)
				usleep(100);
		atomic_store(&end_in, k);
		start(sleep_in, sets[0]);
		assert_int_equal(pthread_join(thread, NULL), 0);
		if (k % 2 != 0)
			move_all(N_TIMERS);
		assert_true(e2e_wait_for(sets[k % 2], all_fired, NULL, 20 * SECOND_NS));
		close_all(NULL);
	}
}

/* Worker lcores, of which each ends once: EAL starts their threads at its own start only. */
static unsigned int lcore; /* the newest, the main lcore at first */
static atomic_bool on_lcore;

static int
lcore_main(void *arg)
{
	thread = pthread_self();
	atomic_store(&on_lcore, true);
	run_job(arg);
	return 0;
}

static void
next_lcore(void)
{
	lcore = rte_get_next_lcore(lcore, 1, 0);
	assert_int_not_equal(lcore, RTE_MAX_LCORE);
}

static void
start_on_lcore(void *(*fn)(void *), struct rte_ims_wait *set)
{
	atomic_store(&stop, false);
	atomic_store(&on_lcore, false);
	job.fn = fn;
	job.set = set;
	assert_int_equal(rte_eal_remote_launch(lcore_main, NULL, lcore), 0);
	while (!atomic_load(&on_lcore))
		usleep(100);
}

/*
 * rte_eal_wait_lcore() would not return: what EAL says is not to be relied on. The thread has
 * ended.
 */
static void
lcore_ends(void)
{
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(rte_eal_get_lcore_state(lcore), RUNNING);
	assert_int_equal(rte_eal_remote_launch(lcore_main, NULL, lcore), -EBUSY);
}

/*
 * In a handler; its vectors are moved, or the next lcore has the set, is cancelled, and the main
 * lcore has it.
 */
static void
test_lcore(void **state)
{
	unsigned int move;

	for (move = 0; move < 2; move++) {
		open_queues(NULL);
		atomic_store(&end_in, 5);
		next_lcore();
		start_on_lcore(move ? poll_in : sleep_in, sets[0]);
		lcore_ends();
		if (move) {
			move_all(N_VECS);
		} else {
			next_lcore();
			start_on_lcore(sleep_in, sets[0]);
			await_done(10);
			assert_int_equal(pthread_cancel(thread), 0);
			lcore_ends();
		}
		goes_on_in(sets[move]);
		close_all(NULL);
	}
}

/* One of a pool's: it is taken out, and what was its is the others'. */
static void
test_lcore_of_pool(void **state)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = on_queue };
	struct rte_ims_pool *pool;
	struct rte_ims_vec *vec;

	open_sets("emu:queue_dev,queues=16,subdevs=1");
	pool = rte_ims_pool_create("lcores", dev, NULL);
	assert_non_null(pool);
	next_lcore();
	assert_int_equal(rte_ims_pool_lcore_add(pool, lcore, sets[0]), 0);
	vec = rte_ims_pool_get(pool, NULL);
	assert_non_null(vec);
	assert_int_equal(rte_ims_pool_lcore_add(pool, rte_get_main_lcore(), sets[1]), 0);
	conf.vec = vec;
	memset(queues, 0, sizeof(queues));
	conf.arg = &queues[0];
	queues[0].q = rte_pmd_queue_dev_queue_create(dev, &conf);
	assert_non_null(queues[0].q);
	submit(&queues[0], DEPTH);
	start_on_lcore(sleep_in, sets[0]);
	while (atomic_load(&queues[0].done) < 10 * DEPTH)
		usleep(100);
	atomic_store(&end_in, 1);
	lcore_ends();
	assert_int_equal(rte_ims_pool_vec_lcore(pool, vec), lcore);
	assert_int_equal(rte_ims_pool_lcore_del(pool, lcore), 1);
	assert_int_equal(rte_ims_pool_vec_lcore(pool, vec), rte_get_main_lcore());
	atomic_store(&busy, false);
	assert_true(e2e_wait_for(sets[1], all_done, NULL, 20 * SECOND_NS));
	submit(&queues[0], DEPTH);
	assert_true(e2e_wait_for(sets[1], all_done, NULL, 20 * SECOND_NS));
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(queues[0].q), 0);
	assert_int_equal(rte_ims_pool_put(pool, vec), 0);
	assert_int_equal(rte_ims_pool_destroy(pool), 0);
	close_all(NULL);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_moved),
		cmocka_unit_test(test_exit_replaced),
		cmocka_unit_test(test_exit_with_messages),
		cmocka_unit_test(test_exit_destroys),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_in_call),
		cmocka_unit_test(test_lcore),
		cmocka_unit_test(test_lcore_of_pool),
	};

	e2e_lcores = "0,(1-4)@0";
	e2e_init(argc, argv, "");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
