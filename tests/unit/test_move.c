/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Vectors that move between wait sets while events arrive: handlers never run in both, nothing is
 * lost, and what fails leaves the vector where it was. And changes that a device does not answer.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "fake_dev.h"
#include "ims_wait_private.h"

#define Q_SLOTS  4
#define SHORT_NS 100000000ull
#define LONG_NS  20000000000ull

static struct fake_dev *f;
static struct rte_ims_wait *a, *b;

/* A store in queue memory: what the device has, and how it takes the next change. */
enum {
	OBEY,
	REFUSE,
	LOSE_COMMAND,
	LOSE_ANSWER
};
static struct rte_ims_store *queue;
static struct ims_store_queue_ctx ctx[Q_SLOTS];
static int answers[8];
static unsigned int n_answers;

static int
update(struct rte_ims_dev *dev, uint32_t slot, const struct ims_store_queue_ctx *next)
{
	int answer = n_answers != 0 ? answers[--n_answers] : OBEY;

	if (answer == OBEY || answer == LOSE_ANSWER)
		ctx[slot] = *next;
	return answer == OBEY ? 0 : answer == REFUSE ? -EIO : -ETIMEDOUT;
}

/* From the last to the first. */
static void
answer_with(unsigned int n, const int *list)
{
	for (n_answers = 0; n_answers < n; n_answers++)
		answers[n_answers] = list[n - 1 - n_answers];
}
#define ANSWER(...) answer_with(RTE_DIM(((int[]){ __VA_ARGS__ })), (int[]){ __VA_ARGS__ })

/* The device has an event for a slot of the queue store. */
static bool
queue_fire(uint32_t slot)
{
	if (ctx[slot].masked)
		return false;
	atomic_store((_Atomic(uint32_t) *)(uintptr_t)ctx[slot].msg.addr, ctx[slot].msg.data);
	return true;
}

static int
setup(void **state)
{
	struct ims_store_queue_conf conf = { .name = "q", .n_slots = Q_SLOTS, .update = update };

	n_answers = 0;
	f = fake_dev_create(true);
	queue = ims_store_queue_create(f->dev, &conf);
	a = rte_ims_wait_create("a", NULL);
	b = rte_ims_wait_create("b", NULL);
	return queue == NULL || a == NULL || b == NULL;
}

static int
teardown(void **state)
{
	fake_dev_destroy(f);
	return rte_ims_wait_destroy(a) != 0 || rte_ims_wait_destroy(b) != 0;
}

struct counter {
	struct rte_ims_obj obj;
	atomic_uint n;
};

static void
on_event(struct rte_ims_vec *v, void *arg)
{
	struct counter *c = arg;

	atomic_fetch_add(&c->n, 1);
}

static struct rte_ims_vec *
alloc(struct rte_ims_store *store, uint32_t slot, enum rte_ims_delivery delivery, struct counter *c)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };
	struct rte_ims_vec *vec;

	vec = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), store, slot, &conf);
	assert_non_null(vec);
	memset(c, 0, sizeof(*c));
	c->obj.fn = on_event;
	c->obj.arg = c;
	assert_int_equal(rte_ims_vec_attach(vec, &c->obj), 0);
	return vec;
}

static struct rte_ims_wait_info
info(const struct rte_ims_wait *w)
{
	struct rte_ims_wait_info i;

	assert_int_equal(rte_ims_wait_info_get(w, &i), 0);
	return i;
}

/* Both deliveries, with an event that waits in the old place. */
static void
test_simple(void **state)
{
	struct rte_ims_vec *vec;
	struct counter c;
	int i;

	for (i = RTE_IMS_DELIVERY_EVENTFD; i <= RTE_IMS_DELIVERY_MEMORY; i++) {
		vec = alloc(f->store, 1, i, &c);
		assert_int_equal(rte_ims_wait_move(b, vec), -ENOENT);
		assert_int_equal(rte_ims_wait_add(a, vec), 0);
		assert_true(fake_fire(f, 1));
		assert_int_equal(rte_ims_wait_move(b, vec), 0);
		assert_int_equal(rte_ims_wait_poll(a), 0);
		assert_int_equal(rte_ims_wait_poll(b), 1);
		assert_int_equal(rte_ims_wait_poll(b), 0);
		assert_int_equal(atomic_load(&c.n), 1);
		assert_true(fake_fire(f, 1));
		assert_int_equal(rte_ims_wait_poll(b), 1);
		assert_int_equal(info(a).n_memory + info(a).n_eventfd, 0);
		assert_int_equal(info(b).n_memory, i == RTE_IMS_DELIVERY_MEMORY);
		assert_int_equal(info(b).n_eventfd, i == RTE_IMS_DELIVERY_EVENTFD);
		assert_int_equal(rte_ims_wait_move(b, vec), 0);
		assert_int_equal(rte_ims_vec_free(vec), 0);
	}
}

/* No room in the new set: the vector is where it was, and works. */
static void
test_full(void **state)
{
	struct rte_ims_wait_conf conf = { .max_vecs = 1 };
	struct rte_ims_wait *small = rte_ims_wait_create("small", &conf);
	struct rte_ims_vec *vec, *other;
	struct counter c, d;
	int i;

	other = alloc(f->store, 2, RTE_IMS_DELIVERY_MEMORY, &d);
	assert_int_equal(rte_ims_wait_add(small, other), 0);
	for (i = RTE_IMS_DELIVERY_EVENTFD; i <= RTE_IMS_DELIVERY_MEMORY; i++) {
		vec = alloc(f->store, 1, i, &c);
		assert_int_equal(rte_ims_wait_add(a, vec), 0);
		assert_int_equal(rte_ims_wait_move(small, vec), -ENOSPC);
		assert_true(fake_fire(f, 1));
		assert_int_equal(rte_ims_wait_poll(a), 1);
		assert_int_equal(rte_ims_vec_free(vec), 0);
	}
	assert_int_equal(rte_ims_vec_free(other), 0);
	assert_int_equal(rte_ims_wait_destroy(small), 0);
}

/*
 * The new set's thread finds the word before the entry is open, and then opens: either sees the
 * other.
 */
static void
test_missed(void **state)
{
	struct rte_ims_vec *vec;
	struct counter c;

	vec = alloc(f->store, 1, RTE_IMS_DELIVERY_MEMORY, &c);
	assert_int_equal(rte_ims_wait_add(a, vec), 0);
	/* A move up to its drain. */
	pthread_mutex_lock(&f->dev->lock);
	ims_wait_leave_locked(vec);
	pthread_mutex_lock(&b->lock);
	vec->entry = ims_wait_entry_take_locked(b);
	ims_wait_word_locked(b, vec->entry, &vec->msg);
	atomic_fetch_add(&b->n_memory, 1);
	vec->in_memory = true;
	vec->moving_to = b;
	pthread_mutex_unlock(&b->lock);
	assert_int_equal(ims_vec_retarget_locked(vec, &vec->msg), 0);
	pthread_mutex_unlock(&f->dev->lock);
	assert_true(fake_fire(f, 1));
	assert_int_equal(rte_ims_wait_poll(b), 0);
	assert_int_equal(ims_wait_settle(vec), 0);
	assert_int_equal(rte_ims_wait_poll(b), 1);
	assert_int_equal(atomic_load(&c.n), 1);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

/* A handler that takes its time. */
static atomic_bool in_handler, leave_handler;

static void
on_slow(struct rte_ims_vec *v, void *arg)
{
	atomic_store(&in_handler, true);
	while (!atomic_load(&leave_handler))
		usleep(100);
}

static void *
poll_once(void *arg)
{
	rte_ims_wait_poll(arg);
	return NULL;
}

/* A vector in set a whose handler `slow` does not return before leave_handler. */
static struct rte_ims_vec *
stuck(enum rte_ims_delivery delivery, struct counter *c, struct rte_ims_obj *slow,
	pthread_t *thread)
{
	struct rte_ims_vec *vec = alloc(f->store, 1, delivery, c);

	atomic_store(&in_handler, false);
	atomic_store(&leave_handler, false);
	assert_int_equal(rte_ims_vec_attach(vec, slow), 0);
	assert_int_equal(rte_ims_wait_add(a, vec), 0);
	assert_true(fake_fire(f, 1));
	assert_int_equal(pthread_create(thread, NULL, poll_once, a), 0);
	while (!atomic_load(&in_handler))
		;
	return vec;
}

/* A call that waits for a handler in vain need not do so for long; others have all the time. */
static int
move_in_vain(struct rte_ims_wait *to, struct rte_ims_vec *vec)
{
	int rc;

	ims_sync_timeout_ns = SHORT_NS;
	rc = rte_ims_wait_move(to, vec);
	ims_sync_timeout_ns = LONG_NS;
	return rc;
}

/*
 * While a handler does not return the vector is on its way; then the next call goes on from there.
 */
static void
test_slow_handler(void **state)
{
	struct rte_ims_obj slow = { .fn = on_slow };
	struct rte_ims_vec *vec;
	struct counter c;
	pthread_t thread;
	int i;

	for (i = RTE_IMS_DELIVERY_EVENTFD; i <= RTE_IMS_DELIVERY_MEMORY; i++) {
		vec = stuck(i, &c, &slow, &thread);
		assert_int_equal(move_in_vain(b, vec), -ETIMEDOUT);
		fake_fire(f, 1);
		assert_int_equal(rte_ims_wait_poll(b), 0); /* not in two threads */
		atomic_store(&leave_handler, true);
		pthread_join(thread, NULL);
		assert_int_equal(atomic_load(&c.n), 1);
		assert_int_equal(rte_ims_wait_move(b, vec), 0);
		assert_int_equal(rte_ims_wait_poll(b), 1);
		assert_int_equal(atomic_load(&c.n), 2);
		assert_int_equal(rte_ims_wait_move(a, vec), 0);
		assert_true(fake_fire(f, 1));
		assert_int_equal(rte_ims_wait_poll(a), 1);
		assert_int_equal(rte_ims_vec_free(vec), 0);
	}
}

/* The answer to a mask is lost: whatever the device has, the next change is made. */
static void
test_doubt_mask(void **state)
{
	struct rte_ims_vec *vec;
	struct counter c;

	vec = alloc(queue, 1, RTE_IMS_DELIVERY_MEMORY, &c);
	assert_int_equal(rte_ims_wait_add(a, vec), 0);
	ANSWER(LOSE_ANSWER);
	assert_int_equal(rte_ims_vec_mask(vec), -ETIMEDOUT);
	assert_int_equal(rte_ims_vec_unmask(vec), 0);
	assert_true(queue_fire(1));
	assert_int_equal(rte_ims_wait_poll(a), 1);
	assert_int_equal(rte_ims_vec_mask(vec), 0);
	ANSWER(LOSE_COMMAND);
	assert_int_equal(rte_ims_vec_unmask(vec), -ETIMEDOUT);
	assert_int_equal(rte_ims_vec_mask(vec), 0);
	assert_false(queue_fire(1));
	assert_int_equal(rte_ims_vec_unmask(vec), 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

/* It goes out of a set unmasked, and into the next one. Its old word is nobody else's. */
static void
test_doubt_leave(void **state)
{
	struct rte_ims_vec *vec, *next;
	struct counter c, d;

	vec = alloc(queue, 1, RTE_IMS_DELIVERY_MEMORY, &c);
	next = alloc(queue, 2, RTE_IMS_DELIVERY_MEMORY, &d);
	assert_int_equal(rte_ims_wait_add(a, vec), 0);
	ANSWER(LOSE_COMMAND);
	assert_int_equal(rte_ims_wait_del(a, vec), 0);
	assert_int_equal(rte_ims_wait_add(a, next), 0);
	assert_true(queue_fire(1));
	rte_ims_wait_poll(a);
	assert_int_equal(atomic_load(&d.n), 0);
	assert_int_equal(rte_ims_wait_add(b, vec), 0);
	assert_int_equal(rte_ims_wait_poll(b), 1); /* what was lost in between */
	assert_true(queue_fire(1));
	assert_int_equal(rte_ims_wait_poll(b), 1);
	assert_int_equal(atomic_load(&c.n), 2);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_int_equal(rte_ims_vec_free(next), 0);
}

/*
 * Moves and switches with each answer: it works before and after, and the handlers run for all
 * events.
 */
static void
test_doubt_move(void **state)
{
	static const int twice[][2] = { { LOSE_ANSWER, OBEY }, { LOSE_COMMAND, OBEY },
		{ LOSE_ANSWER, LOSE_ANSWER }, { LOSE_ANSWER, LOSE_COMMAND },
		{ LOSE_COMMAND, LOSE_ANSWER }, { LOSE_ANSWER, REFUSE }, { REFUSE, OBEY } };
	struct rte_ims_vec *vec;
	struct counter c;
	unsigned int i, n;

	for (i = 0; i < RTE_DIM(twice); i++) {
		vec = alloc(queue, 1, RTE_IMS_DELIVERY_MEMORY, &c);
		assert_int_equal(rte_ims_wait_add(a, vec), 0);
		ANSWER(twice[i][0], twice[i][1]);
		assert_true(rte_ims_wait_move(b, vec) < 0);
		n_answers = 0;
		assert_true(queue_fire(1));
		/* Undone, it is where it was. */
		if (twice[i][1] == OBEY)
			assert_int_equal(rte_ims_wait_poll(a), 1);
		assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_EVENTFD), 0);
		rte_ims_wait_poll(a);
		assert_true(atomic_load(&c.n) >= 1);
		assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), 0);
		assert_int_equal(rte_ims_wait_move(b, vec), 0);
		rte_ims_wait_poll(b);
		n = atomic_load(&c.n);
		assert_true(queue_fire(1));
		assert_int_equal(rte_ims_wait_poll(b), 1);
		assert_int_equal(atomic_load(&c.n), n + 1);
		assert_int_equal(rte_ims_vec_free(vec), 0);
		assert_int_equal(info(a).n_memory + info(b).n_memory, 0);
		assert_int_equal(info(a).n_eventfd + info(b).n_eventfd, 0);
	}
}

/*
 * A switch in doubt, then one that is refused: the device may have either message, and both are
 * looked at.
 */
static void
test_doubt_switch(void **state)
{
	static const int first[] = { LOSE_ANSWER, LOSE_COMMAND };
	struct rte_ims_vec *vec;
	struct counter c;
	unsigned int i;

	for (i = 0; i < RTE_DIM(first); i++) {
		vec = alloc(queue, 1, RTE_IMS_DELIVERY_MEMORY, &c);
		assert_int_equal(rte_ims_wait_add(a, vec), 0);
		ANSWER(first[i]);
		assert_int_equal(
			rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_EVENTFD), -ETIMEDOUT);
		ANSWER(REFUSE);
		assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), -EIO);
		ANSWER(REFUSE);
		assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_EVENTFD), -EIO);
		assert_int_equal(info(a).n_memory, 1);
		assert_int_equal(info(a).n_eventfd, 1);
		assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), 0);
		assert_int_equal(info(a).n_eventfd, 0);
		assert_int_equal(rte_ims_vec_free(vec), 0);
	}
}

/*
 * In doubt after a move, then masked and unmasked: that is a change as well, and puts the right
 * message there.
 */
static void
test_doubt_unmask(void **state)
{
	struct rte_ims_vec *vec;
	struct counter c;

	vec = alloc(queue, 1, RTE_IMS_DELIVERY_MEMORY, &c);
	assert_int_equal(rte_ims_wait_add(a, vec), 0);
	ANSWER(LOSE_COMMAND, REFUSE);
	assert_int_equal(rte_ims_wait_move(b, vec), -ETIMEDOUT);
	assert_int_equal(rte_ims_vec_mask(vec), 0);
	assert_int_equal(rte_ims_vec_unmask(vec), 0);
	assert_true(queue_fire(1));
	assert_int_equal(rte_ims_wait_poll(b), 0);
	assert_int_equal(rte_ims_wait_poll(a), 1);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

/*
 * What was masked without an answer is unmasked again: the call has failed, so nothing has changed.
 */
static void
test_mask_undone(void **state)
{
	struct rte_ims_vec *vec;
	struct counter c;

	vec = alloc(queue, 1, RTE_IMS_DELIVERY_MEMORY, &c);
	assert_int_equal(rte_ims_wait_add(a, vec), 0);
	ANSWER(LOSE_ANSWER);
	assert_int_equal(rte_ims_vec_mask(vec), -ETIMEDOUT);
	assert_true(queue_fire(1));
	assert_int_equal(rte_ims_wait_poll(a), 1);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

/* A store that has no way to change a message but under mask, as one in a BAR. */
static struct rte_ims_msg bar_msg[Q_SLOTS];
static bool bar_masked[Q_SLOTS];
static unsigned int half_writes, unmasked_writes;

static int
bar_answer(uint32_t slot, bool masked)
{
	int answer = n_answers != 0 ? answers[--n_answers] : OBEY;

	if (answer == OBEY || answer == LOSE_ANSWER)
		bar_masked[slot] = masked;
	return answer == OBEY ? 0 : answer == REFUSE ? -EIO : -ETIMEDOUT;
}

static int
bar_mask(struct rte_ims_store *store, uint32_t slot)
{
	return bar_answer(slot, true);
}

static int
bar_unmask(struct rte_ims_store *store, uint32_t slot)
{
	return bar_answer(slot, false);
}

static int
bar_write(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg)
{
	unmasked_writes += !bar_masked[slot];
	if (half_writes != 0) {
		half_writes--;
		bar_msg[slot].data = msg->data + 1;
		return -EIO;
	}
	bar_msg[slot] = *msg;
	return 0;
}

static struct rte_ims_store *
bar_store(void)
{
	static const struct ims_store_ops ops = {
		.write_msg = bar_write,
		.mask = bar_mask,
		.unmask = bar_unmask,
	};
	const struct ims_store_conf conf = {
		.type = RTE_IMS_STORE_BAR,
		.name = "bar",
		.n_slots = Q_SLOTS,
		.ops = &ops,
	};

	memset(bar_masked, 1, sizeof(bar_masked));
	unmasked_writes = 0;
	return ims_store_create(f->dev, &conf);
}

static bool
bar_fire(uint32_t slot)
{
	if (bar_masked[slot])
		return false;
	atomic_store((_Atomic(uint32_t) *)(uintptr_t)bar_msg[slot].addr, bar_msg[slot].data);
	return true;
}

/* A message that is written by half is not in force before it is whole. */
static void
test_half_written(void **state)
{
	struct rte_ims_vec *vec;
	struct counter c;

	vec = alloc(bar_store(), 1, RTE_IMS_DELIVERY_MEMORY, &c);
	assert_int_equal(rte_ims_wait_add(a, vec), 0);
	half_writes = 4; /* the new one, the old one, and both tries to undo that */
	assert_int_equal(rte_ims_wait_move(b, vec), -EIO);
	assert_true(bar_masked[1]);
	half_writes = 0;
	assert_int_equal(rte_ims_vec_unmask(vec), 0);
	rte_ims_wait_poll(a);
	assert_true(bar_fire(1));
	assert_int_equal(rte_ims_wait_poll(a), 1);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

static void
reset(struct rte_ims_vec *vec)
{
	memset(bar_masked, 1, sizeof(bar_masked));
	memset(bar_msg, 0, sizeof(bar_msg));
	pthread_mutex_lock(&f->dev->lock);
	ims_vec_reset_locked(vec);
	assert_int_equal(ims_vec_restore_locked(vec), 0);
	ims_vec_kick_locked(vec);
	pthread_mutex_unlock(&f->dev->lock);
}

/*
 * The device falls silent during a move, and is reset: the vector is where it was, and is reached
 * there.
 */
static void
test_doubt_reset(void **state)
{
	struct rte_ims_vec *vec;
	struct counter c;

	vec = alloc(bar_store(), 1, RTE_IMS_DELIVERY_MEMORY, &c);
	assert_int_equal(rte_ims_wait_add(a, vec), 0);
	ANSWER(OBEY, LOSE_COMMAND, LOSE_COMMAND, LOSE_COMMAND, LOSE_COMMAND, LOSE_COMMAND);
	assert_int_equal(rte_ims_wait_move(b, vec), -ETIMEDOUT);
	n_answers = 0;
	reset(vec);
	rte_ims_wait_poll(a);
	assert_true(bar_fire(1));
	assert_int_equal(rte_ims_wait_poll(a), 1);
	assert_int_equal(rte_ims_vec_free(vec), 0);

	/* The same of a switch: nothing is in doubt after a reset, so one end is watched. */
	vec = alloc(queue, 1, RTE_IMS_DELIVERY_EVENTFD, &c);
	assert_int_equal(rte_ims_wait_add(a, vec), 0);
	ANSWER(LOSE_COMMAND);
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), -ETIMEDOUT);
	reset(vec);
	assert_int_equal(info(a).n_memory, 0);
	assert_int_equal(info(a).n_eventfd, 1);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

/*
 * No descriptor is left for the first switch: the slot was not masked for it, so nothing is written
 * there.
 */
static void
test_no_eventfd(void **state)
{
	struct rlimit limit, none;
	struct rte_ims_vec *vec;
	struct counter c;
	int fd;

	vec = alloc(bar_store(), 1, RTE_IMS_DELIVERY_MEMORY, &c);
	assert_int_equal(rte_ims_wait_add(a, vec), 0);
	fd = dup(0);
	close(fd);
	getrlimit(RLIMIT_NOFILE, &limit);
	none = limit;
	none.rlim_cur = fd;
	setrlimit(RLIMIT_NOFILE, &none);
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_EVENTFD), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(unmasked_writes, 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

/*
 * While its vector is on the way the new set is quiet; then an edge-triggered loop around it is
 * told.
 */
static void
test_slow_handler_nested(void **state)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	struct rte_ims_obj slow = { .fn = on_slow };
	int ep = epoll_create1(0);
	struct rte_ims_vec *vec;
	struct counter c;
	pthread_t thread;

	assert_int_equal(epoll_ctl(ep, EPOLL_CTL_ADD, rte_ims_wait_fd(b), &ev), 0);
	vec = stuck(RTE_IMS_DELIVERY_EVENTFD, &c, &slow, &thread);
	assert_int_equal(move_in_vain(b, vec), -ETIMEDOUT);
	assert_true(fake_fire(f, 1));
	assert_int_equal(epoll_wait(ep, &ev, 1, 50), 0);
	atomic_store(&leave_handler, true);
	pthread_join(thread, NULL);
	assert_int_equal(rte_ims_wait_move(b, vec), 0);
	while (epoll_wait(ep, &ev, 1, 100) > 0)
		rte_ims_wait_sleep(b, 0);
	assert_int_equal(atomic_load(&c.n), 2);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	close(ep);
}

/* While another thread moves the vector it is busy, also for its own handler. */
static atomic_int set_rc, add_rc;

static void
on_moved(struct rte_ims_vec *v, void *arg)
{
	int64_t end = ims_now_ns() + (int64_t)LONG_NS;

	atomic_store(&in_handler, true);
	while (atomic_load(&v->left) == NULL && ims_now_ns() < end)
		usleep(100);
	atomic_store(&set_rc, rte_ims_vec_delivery_set(v, RTE_IMS_DELIVERY_EVENTFD));
	atomic_store(&add_rc, rte_ims_wait_add(a, v));
}

static void
test_busy_in_handler(void **state)
{
	static struct rte_ims_obj obj = { .fn = on_moved };
	struct rte_ims_vec *vec;
	static struct counter c;
	pthread_t thread;

	vec = stuck(RTE_IMS_DELIVERY_MEMORY, &c, &obj, &thread);
	assert_int_equal(rte_ims_wait_move(b, vec), 0);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&set_rc), -EBUSY);
	assert_int_equal(atomic_load(&add_rc), -EBUSY);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

/*
 * A vector that is on its way to set b, in vain: a switch, or an addition, waits for the handler as
 * well.
 */
static void
test_on_its_way(void **state)
{
	struct rte_ims_obj slow = { .fn = on_slow };
	struct rte_ims_vec *vec;
	struct counter c;
	pthread_t thread;

	vec = stuck(RTE_IMS_DELIVERY_MEMORY, &c, &slow, &thread);
	assert_int_equal(move_in_vain(b, vec), -ETIMEDOUT);
	ims_sync_timeout_ns = SHORT_NS;
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_EVENTFD), -ETIMEDOUT);
	assert_int_equal(rte_ims_wait_add(a, vec), -ETIMEDOUT);
	ims_sync_timeout_ns = LONG_NS;
	atomic_store(&leave_handler, true);
	pthread_join(thread, NULL);
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_EVENTFD), 0);
	assert_true(fake_fire(f, 1));
	assert_int_equal(rte_ims_wait_poll(b), 1);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

/*
 * A call that waits for a handler in set a, which another thread takes the vector out of, and
 * destroys.
 */
static struct counter counted;
static atomic_int call_rc;
static atomic_bool destroyed;

/* A run of handlers, with no poll around it that would look at the set once more. */
static void *
run_slowly(void *arg)
{
	assert_true(ims_wait_run_begin(a));
	on_slow(NULL, NULL);
	ims_wait_run_end(a, 0);
	return NULL;
}

static void *
detach_it(void *arg)
{
	atomic_store(&call_rc, rte_ims_vec_detach(&counted.obj));
	return NULL;
}

static void *
del_it(void *arg)
{
	atomic_store(&call_rc, rte_ims_wait_del(a, arg));
	return NULL;
}

static void *
destroy_it(void *arg)
{
	int rc = rte_ims_wait_destroy(arg);

	atomic_store(&destroyed, true);
	return (void *)(intptr_t)rc;
}

static void
destroy_during(void *(*call)(void *))
{
	int64_t end = ims_now_ns() + (int64_t)LONG_NS;
	pthread_t handler, caller, destroyer;
	struct rte_ims_vec *vec;
	void *rc;

	vec = alloc(f->store, 1, RTE_IMS_DELIVERY_MEMORY, &counted);
	assert_int_equal(rte_ims_wait_add(a, vec), 0);
	atomic_store(&in_handler, false);
	atomic_store(&leave_handler, false);
	assert_int_equal(pthread_create(&handler, NULL, run_slowly, NULL), 0);
	while (!atomic_load(&in_handler))
		usleep(100);
	atomic_store(&call_rc, 1);
	atomic_store(&destroyed, false);
	assert_int_equal(pthread_create(&caller, NULL, call, vec), 0);
	while (atomic_load(&a->n_drains) == 0 && ims_now_ns() < end)
		usleep(100);
	assert_int_equal(atomic_load(&a->n_drains), 1);
	/* As if a call of this thread had seen the handler return, and the other one not yet. */
	pthread_mutex_lock(&f->dev->lock);
	if (vec->left == NULL)
		ims_wait_leave_locked(vec);
	ims_wait_left_locked(vec);
	pthread_mutex_unlock(&f->dev->lock);
	assert_int_equal(pthread_create(&destroyer, NULL, destroy_it, a), 0);
	usleep(20000);
	assert_false(atomic_load(&destroyed));
	atomic_store(&leave_handler, true);
	pthread_join(handler, NULL);
	pthread_join(caller, NULL);
	assert_int_equal(atomic_load(&call_rc), 0);
	assert_int_equal(pthread_join(destroyer, &rc), 0);
	assert_null(rc);
	a = rte_ims_wait_create("a", NULL);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

/*
 * The set stays until the call does not look at it any more, and destroying it does not fail for
 * that.
 */
static void
test_destroy_drained(void **state)
{
	destroy_during(detach_it);
	destroy_during(del_it);
}

/*
 * Two threads poll a set each, the device fires, this one moves: the handlers see all that the
 * device has counted, and never run in both threads.
 */
static atomic_bool stop;
static atomic_uint device_count, seen_count, inside, overlaps;

static void
on_count(struct rte_ims_vec *v, void *arg)
{
	if (atomic_fetch_add(&inside, 1) != 0)
		atomic_fetch_add(&overlaps, 1);
	atomic_store(&seen_count, atomic_load(&device_count));
	atomic_fetch_sub(&inside, 1);
}

static void *
poll_all(void *arg)
{
	while (!atomic_load(&stop))
		rte_ims_wait_poll(arg);
	return NULL;
}

static void *
fire_all(void *arg)
{
	while (!atomic_load(&stop)) {
		atomic_fetch_add(&device_count, 1);
		fake_fire(f, 1);
		usleep(20);
	}
	return NULL;
}

static void
moves(enum rte_ims_delivery delivery, unsigned int n)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };
	struct rte_ims_obj obj = { .fn = on_count };
	struct rte_ims_vec *vec;
	pthread_t thread[3];
	int64_t end;
	unsigned int i;

	atomic_store(&stop, false);
	vec = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), f->store, 1, &conf);
	assert_non_null(vec);
	assert_int_equal(rte_ims_vec_attach(vec, &obj), 0);
	assert_int_equal(rte_ims_wait_add(a, vec), 0);
	pthread_create(&thread[0], NULL, poll_all, a);
	pthread_create(&thread[1], NULL, poll_all, b);
	pthread_create(&thread[2], NULL, fire_all, NULL);
	for (i = 0; i < n; i++)
		assert_int_equal(rte_ims_wait_move(i % 2 == 0 ? b : a, vec), 0);
	atomic_store(&stop, true);
	pthread_join(thread[2], NULL);
	pthread_join(thread[1], NULL);
	pthread_join(thread[0], NULL);
	end = ims_now_ns() + (int64_t)LONG_NS;
	while (atomic_load(&seen_count) != atomic_load(&device_count) && ims_now_ns() < end) {
		rte_ims_wait_poll(a);
		rte_ims_wait_poll(b);
	}
	assert_int_equal(atomic_load(&seen_count), atomic_load(&device_count));
	assert_int_equal(atomic_load(&overlaps), 0);
	assert_int_equal(rte_ims_vec_free(vec), 0);
}

static void
test_moves_memory(void **state)
{
	moves(RTE_IMS_DELIVERY_MEMORY, 20000);
}

static void
test_moves_eventfd(void **state)
{
	moves(RTE_IMS_DELIVERY_EVENTFD, 5000);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_simple),
		T(test_full),
		T(test_missed),
		T(test_slow_handler),
		T(test_doubt_mask),
		T(test_doubt_leave),
		T(test_doubt_move),
		T(test_doubt_switch),
		T(test_doubt_unmask),
		T(test_mask_undone),
		T(test_half_written),
		T(test_doubt_reset),
		T(test_no_eventfd),
		T(test_slow_handler_nested),
		T(test_busy_in_handler),
		T(test_on_its_way),
		T(test_destroy_drained),
		T(test_moves_memory),
		T(test_moves_eventfd),
	};

	ims_sync_timeout_ns = LONG_NS;
	fake_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
