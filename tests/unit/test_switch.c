/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Delivery switched live, by hand and by a policy: nothing lost, and no more done than is needed.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake_dev.h"
#include "ims_wait_private.h"

#define MS 1000000ull

static struct fake_dev *f;
static struct rte_ims_wait *w;
static struct rte_ims_vec *vec;
static struct rte_ims_obj obj;
static atomic_uint_fast64_t calls;

/* What the device has counted before it sent, and what the handler has seen of it. */
static atomic_uint_fast64_t device_count, seen_count;
static atomic_bool stop;

static void
on_event(struct rte_ims_vec *v, void *arg)
{
	atomic_fetch_add(&calls, 1);
	atomic_store(&seen_count, atomic_load(&device_count));
}

static int
setup_dev(bool mapped)
{
	w = rte_ims_wait_create("t", NULL);
	f = fake_dev_create(mapped);
	vec = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), f->store, 1, NULL);
	memset(&obj, 0, sizeof(obj));
	obj.fn = on_event;
	atomic_store(&calls, 0);
	return w == NULL || vec == NULL || rte_ims_vec_attach(vec, &obj) != 0;
}

static int
setup(void **state)
{
	return setup_dev(true);
}

static int
setup_trapped(void **state)
{
	return setup_dev(false);
}

static int
teardown(void **state)
{
	if (rte_ims_vec_free(vec) != 0)
		return -1;
	fake_dev_destroy(f);
	return rte_ims_wait_destroy(w);
}

static void
fire(void)
{
	atomic_fetch_add(&device_count, 1);
	fake_fire(f, 1);
}

static struct rte_ims_wait_info
info(void)
{
	struct rte_ims_wait_info i;

	assert_int_equal(rte_ims_wait_info_get(w, &i), 0);
	return i;
}

static struct rte_ims_wait_stats
stats(void)
{
	struct rte_ims_wait_stats s;

	assert_int_equal(rte_ims_wait_stats_get(w, &s), 0);
	return s;
}

/* There and back, in a set: the end that the message points at is the one that is looked at. */
static void
test_to_and_fro(void **state)
{
	struct rte_ims_vec_stats vs;
	unsigned int i;

	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	for (i = 0; i < 10; i++) {
		assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), 0);
		assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), 0);
		assert_int_equal(info().n_memory, 1);
		assert_int_equal(info().n_eventfd, 0);
		assert_int_equal(rte_ims_vec_fd_get(vec), -ENOTSUP);
		assert_int_equal(rte_ims_wait_poll(w), 1); /* rung by the switch */
		assert_int_equal(rte_ims_wait_poll(w), 0);
		fire();
		assert_int_equal(rte_ims_wait_poll(w), 1);
		assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_EVENTFD), 0);
		assert_int_equal(info().n_memory, 0);
		assert_int_equal(info().n_eventfd, 1);
		assert_int_equal(rte_ims_wait_poll(w), 0);
		fire();
		assert_int_equal(rte_ims_wait_poll(w), 1);
	}
	assert_int_equal(rte_ims_vec_stats_get(vec, &vs), 0);
	assert_int_equal(vs.events, 30);
	assert_int_equal(vs.spurious, 10);
	assert_int_equal(stats().spurious, 10);
	assert_int_equal(calls, 30);
}

/* An event that was in the eventfd at the switch is handled at once, from memory. */
static void
test_left_in_eventfd(void **state)
{
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	fire();
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), 0);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(seen_count, device_count);
	/* The eventfd is looked at when the thread sleeps, or now and then: once too often. */
	rte_ims_wait_sleep(w, MS);
	assert_int_equal(rte_ims_wait_poll(w), 0);
}

/* One that was in the word is found before the thread sleeps. */
static void
test_left_in_word(void **state)
{
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), 0);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	rte_ims_wait_poll(w);
	fire();
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_EVENTFD), 0);
	assert_int_equal(rte_ims_wait_sleep(w, -1), 1);
	assert_int_equal(seen_count, device_count);
}

/*
 * Out of a set: an event in the eventfd goes with the vector into the word, a masked one stays in
 * the device.
 */
static void
test_out_of_set(void **state)
{
	fire();
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), 0);
	assert_false(fake_fire(f, 1));
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(rte_ims_wait_del(w, vec), 0);
	assert_false(fake_fire(f, 1));
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_EVENTFD), 0);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	assert_int_equal(rte_ims_wait_poll(w), 1);
}

/* A vector that has never had an eventfd gets one at the first switch. */
static void
test_first_eventfd(void **state)
{
	struct rte_ims_vec_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	static struct rte_ims_obj o = { .fn = on_event };
	struct rte_ims_vec *m;

	m = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), f->store, 2, &conf);
	assert_non_null(m);
	assert_int_equal(rte_ims_vec_attach(m, &o), 0);
	assert_int_equal(rte_ims_wait_add(w, m), 0);
	assert_int_equal(f->n_msgs, 1); /* vec's */
	assert_int_equal(rte_ims_vec_delivery_set(m, RTE_IMS_DELIVERY_EVENTFD), 0);
	assert_int_equal(f->n_msgs, 2);
	assert_true(fake_fire(f, 2));
	assert_int_equal(rte_ims_wait_sleep(w, -1), 1);
	assert_int_equal(rte_ims_vec_free(m), 0);
	assert_int_equal(f->n_msgs, 1);
}

/*
 * A table like the MSI-X table of a kernel device: attaching an eventfd writes the kernel's message
 * into the entry, and what the kernel moves it writes anew there.
 */
static struct rte_ims_msg entry, kernel_msg;
static bool entry_masked;
static int kernel_fd;

static void
kernel_moves(uint32_t cpu)
{
	kernel_msg.addr = 0xfee00000 + (cpu << 12);
	kernel_msg.data = 0x20;
	entry = kernel_msg;
}

static int
kernel_set_eventfd(struct rte_ims_store *store, uint32_t slot, int fd)
{
	if (fd != kernel_fd)
		kernel_moves(1);
	kernel_fd = fd;
	return 0;
}

static int
entry_write(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg)
{
	entry = *msg;
	return 0;
}

static int
entry_read(struct rte_ims_store *store, uint32_t slot, struct rte_ims_msg *msg)
{
	*msg = entry;
	return 0;
}

static int
entry_mask(struct rte_ims_store *store, uint32_t slot)
{
	entry_masked = true;
	return 0;
}

static int
entry_unmask(struct rte_ims_store *store, uint32_t slot)
{
	entry_masked = false;
	return 0;
}

static void
entry_shutdown(struct rte_ims_store *store, uint32_t slot)
{
	kernel_fd = -1;
}

static const struct ims_store_ops kernel_ops = {
	.write_msg = entry_write,
	.set_eventfd = kernel_set_eventfd,
	.mask = entry_mask,
	.unmask = entry_unmask,
	.shutdown = entry_shutdown,
};

/* false: the message reaches nobody. */
static bool
entry_fire(void)
{
	const uint64_t one = 1;

	if (entry_masked)
		return false;
	if (entry.addr == kernel_msg.addr)
		return write(kernel_fd, &one, sizeof(one)) > 0;
	if (entry.addr >> 20 == 0xfee)
		return false;
	atomic_store((_Atomic(uint32_t) *)(uintptr_t)entry.addr, entry.data);
	return true;
}

static struct rte_ims_store *
kernel_store(void)
{
	const struct ims_store_conf conf = {
		.type = RTE_IMS_STORE_MSIX,
		.name = "msix",
		.n_slots = 1,
		.ops = &kernel_ops,
	};
	struct rte_ims_store *store = ims_store_create(f->dev, &conf);

	assert_non_null(store);
	store->lend = entry_read;
	store->needs_eventfd = true;
	kernel_fd = -1;
	return store;
}

static struct rte_ims_vec *
kernel_vec(enum rte_ims_delivery delivery, struct rte_ims_obj *o)
{
	struct rte_ims_vec_conf vconf = { .delivery = delivery };
	struct rte_ims_store *store = kernel_store();
	struct rte_ims_vec *v;

	v = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), store, 0, &vconf);
	assert_non_null(v);
	assert_int_equal(rte_ims_vec_attach(v, o), 0);
	return v;
}

/* A word that it has left is not taken for the kernel's message: nobody looks at it any more. */
static void
test_kernel_left_word(void **state)
{
	struct rte_ims_obj o = { .fn = on_event };
	struct rte_ims_vec *v = kernel_vec(RTE_IMS_DELIVERY_MEMORY, &o);

	assert_int_equal(rte_ims_wait_add(w, v), 0);
	assert_true(entry_fire());
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(rte_ims_wait_del(w, v), 0);
	assert_int_equal(rte_ims_vec_delivery_set(v, RTE_IMS_DELIVERY_EVENTFD), 0);
	assert_int_equal(entry.addr, kernel_msg.addr);
	assert_int_equal(rte_ims_wait_add(w, v), 0);
	assert_true(entry_fire());
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(calls, 2);
	assert_int_equal(rte_ims_vec_free(v), 0);
}

/* The kernel moves the interrupt, there and back, with the vector in a set and in none. */
static void
test_kernel_moves(void **state)
{
	struct rte_ims_obj o = { .fn = on_event };
	struct rte_ims_vec *v = kernel_vec(RTE_IMS_DELIVERY_EVENTFD, &o);
	int in_set;

	for (in_set = 0; in_set < 2; in_set++) {
		kernel_moves(2);
		assert_int_equal(rte_ims_vec_delivery_set(v, RTE_IMS_DELIVERY_MEMORY), 0);
		kernel_moves(1);
		assert_int_equal(rte_ims_vec_delivery_set(v, RTE_IMS_DELIVERY_EVENTFD), 0);
		if (!in_set)
			assert_int_equal(rte_ims_wait_add(w, v), 0);
		rte_ims_wait_poll(w);
		assert_true(entry_fire());
		assert_int_equal(rte_ims_wait_poll(w), 1);
	}
	assert_int_equal(rte_ims_vec_free(v), 0);
}

static uint64_t lent;

static int
lend(struct rte_ims_store *store, uint32_t slot, struct rte_ims_msg *msg)
{
	*msg = (struct rte_ims_msg){ .addr = lent, .data = 0x20 };
	return 0;
}

static uint64_t
slot_addr(uint32_t slot)
{
	return f->bar[slot * 4] | (uint64_t)f->bar[slot * 4 + 1] << 32;
}

/*
 * What the kernel's table shows is no interrupt, of which x86 has one range: it does not get into a
 * slot, neither at first nor when what was there has changed.
 */
static void
test_borrow_interrupts_only(void **state)
{
	static const uint64_t bad[] = { 0,
#ifdef RTE_ARCH_X86
		0x10, 0x7ffff010, 0xfedffffc, 0xfef00000, 0x1fee00010, 0xfee0001000000000,
		UINT64_MAX
#endif
	};
	static const uint64_t good[] = { 0xfee00000, 0xfee01004, 0xfee00018, 0xfeeffffc };
	const struct ims_vfio_ops *was = f->v.ops;
	struct ims_vfio_ops ops = *was;
	struct rte_ims_vec *v;
	unsigned int i, k;

	ops.msg_alloc = NULL; /* the kernel's device, of which we have no messages to give */
	f->v.ops = &ops;
	f->dev->unsafe_borrow = true;
	kernel_store()->lend = lend;
	for (i = 0; i < RTE_DIM(bad); i++) {
		lent = bad[i];
		assert_null(rte_ims_vec_alloc(rte_ims_dev_table(f->dev), f->store, 2, NULL));
		assert_int_equal(rte_errno, EIO);
		assert_int_equal(slot_addr(2), 0);
	}
	for (i = 0; i < RTE_DIM(good); i++) {
		lent = good[i];
		v = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), f->store, 2, NULL);
		assert_non_null(v);
		assert_int_equal(slot_addr(2), lent);
		for (k = 0; k < RTE_DIM(bad); k++) {
			lent = bad[k];
			assert_int_equal(rte_ims_dev_audit(f->dev), -EIO);
			assert_int_equal(slot_addr(2), good[i]);
		}
		assert_int_equal(rte_ims_vec_free(v), 0);
	}
	f->v.ops = was;
}

/* A device that refuses, or does not answer. */
static void
test_refused(void **state)
{
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	f->fail = -EIO;
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), -EIO);
	f->fail = 0;
	assert_int_equal(info().n_memory, 0);
	assert_int_equal(info().n_eventfd, 1);
	fire();
	assert_int_equal(rte_ims_wait_poll(w), 1);

	f->fail = -ETIMEDOUT;
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), -ETIMEDOUT);
	f->fail = 0;
	/* The mask was not answered, so the message has not been touched. */
	assert_int_equal(info().n_memory, 0);
	assert_int_equal(info().n_eventfd, 1);
	fire();
	rte_ims_wait_poll(w);
	assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), 0);
	assert_int_equal(info().n_memory, 1);
	assert_int_equal(info().n_eventfd, 0);
	fire();
	assert_true(rte_ims_wait_poll(w) >= 1);
	assert_int_equal(seen_count, device_count);
}

/* Runs where the set's own thread can be caught, in a handler. */
static void
on_switch(struct rte_ims_vec *v, void *arg)
{
	int i, rc = 0;

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
		syscall(SYS_exit, 77);
	for (i = 0; i < 10; i++) {
		rc |= rte_ims_wait_delivery_set(w, RTE_IMS_DELIVERY_MEMORY);
		rc |= rte_ims_vec_delivery_set(v, RTE_IMS_DELIVERY_EVENTFD);
	}
	syscall(SYS_exit, rc == 0 ? 42 : 1);
}

/* A switch is stores and loads: a child that calls the kernel for it dies. */
static void
test_no_system_call(void **state)
{
	static struct rte_ims_obj o = { .fn = on_switch };
	int status;
	pid_t pid;

	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (rte_ims_vec_attach(vec, &o) == 0) {
			fire();
			rte_ims_wait_poll(w);
		}
		_exit(2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* the kernel has no seccomp */
	assert_int_equal(WEXITSTATUS(status), 42);
}

static void *
device_thread(void *arg)
{
	while (!atomic_load(&stop))
		fire();
	return NULL;
}

static void *
set_thread(void *arg)
{
	bool sleeps = *(bool *)arg;

	while (!atomic_load(&stop))
		if (sleeps)
			rte_ims_wait_sleep(w, -1);
		else
			rte_ims_wait_poll(w);
	return NULL;
}

/*
 * The device sends, the set's thread sleeps or polls, a third one switches. The last count of each
 * round must be seen: by a sleep without a timeout, which would not return if an event had been
 * lost.
 */
static void
soak(bool sleeps)
{
	struct timespec pause = { 0 };
	pthread_t dev, set;
	unsigned int i, k;

	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	for (i = 0; i < 100; i++) {
		atomic_store(&stop, false);
		assert_int_equal(pthread_create(&dev, NULL, device_thread, NULL), 0);
		assert_int_equal(pthread_create(&set, NULL, set_thread, &sleeps), 0);
		for (k = 0; k < 40; k++) {
			assert_int_equal(rte_ims_vec_delivery_set(vec, k % 2 == 0), 0);
			nanosleep(&pause, NULL);
		}
		atomic_store(&stop, true);
		pthread_join(dev, NULL);
		rte_ims_wait_wake(w);
		pthread_join(set, NULL);
		fire();
		while (atomic_load(&seen_count) != atomic_load(&device_count))
			rte_ims_wait_sleep(w, -1);
	}
	assert_true(stats().spurious > 0);
}

static void
test_soak_sleeping(void **state)
{
	soak(true);
}

static void
test_soak_polling(void **state)
{
	soak(false);
}

/*
 * One event at a time, a switch beside it, a thread that sleeps for ever: each must be seen without
 * the next one's help.
 */
static atomic_bool sleeper_stop;

static void *
sleeper_thread(void *arg)
{
	while (!atomic_load(&sleeper_stop))
		rte_ims_wait_sleep(w, -1);
	return NULL;
}

static void
test_each_is_seen(void **state)
{
	struct timespec pause = { .tv_nsec = 20000 };
	int64_t end;
	pthread_t set;
	unsigned int i;

	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	atomic_store(&sleeper_stop, false);
	assert_int_equal(pthread_create(&set, NULL, sleeper_thread, NULL), 0);
	for (i = 0; i < 3000; i++) {
		if (i % 3 != 0)
			fire();
		assert_int_equal(rte_ims_vec_delivery_set(vec, i % 2), 0);
		if (i % 3 == 0)
			fire();
		end = ims_now_ns() + 20000 * MS;
		while (atomic_load(&seen_count) != atomic_load(&device_count)) {
			assert_true(ims_now_ns() < end);
			nanosleep(&pause, NULL);
		}
	}
	atomic_store(&sleeper_stop, true);
	rte_ims_wait_wake(w);
	pthread_join(set, NULL);
}

static void
policy_set(enum rte_ims_policy policy)
{
	struct rte_ims_wait_policy p = { .policy = policy };

	assert_int_equal(rte_ims_wait_policy_set(w, &p), 0);
}

/* Each policy has its delivery, for vectors that are there and for those that come. */
static void
test_policy_delivery(void **state)
{
	static const struct {
		enum rte_ims_policy policy;
		uint32_t n_memory;
	} is[] = {
		{ RTE_IMS_POLICY_POLL, 1 },
		{ RTE_IMS_POLICY_INTERRUPT, 0 },
		{ RTE_IMS_POLICY_POLL, 1 },
		{ RTE_IMS_POLICY_MANUAL, 1 },
		{ RTE_IMS_POLICY_ADAPTIVE, 0 },
	};
	struct rte_ims_wait_policy p;
	unsigned int i;

	for (i = 0; i < RTE_DIM(is); i++) {
		assert_int_equal(rte_ims_wait_add(w, vec), 0);
		policy_set(is[i].policy);
		assert_int_equal(info().n_memory, is[i].n_memory);
		assert_int_equal(info().n_eventfd, 1 - is[i].n_memory);
		assert_int_equal(rte_ims_wait_del(w, vec), 0);
		assert_int_equal(rte_ims_vec_delivery_set(vec, !is[i].n_memory), 0);
		assert_int_equal(rte_ims_wait_add(w, vec), 0);
		if (is[i].policy != RTE_IMS_POLICY_MANUAL)
			assert_int_equal(info().n_memory, is[i].n_memory);
		assert_int_equal(rte_ims_wait_del(w, vec), 0);
	}
	assert_int_equal(rte_ims_wait_policy_get(w, &p), 0);
	assert_int_equal(p.policy, RTE_IMS_POLICY_ADAPTIVE);
	assert_true(p.budget_min_ns > 0 && p.budget_max_ns > p.budget_min_ns && p.busy_gap_ns > 0);
}

/*
 * A sleep that polls ends with an event, its time, or a wake-up; one that is woken first, at once.
 */
static void
test_poll_ends(void **state)
{
	int64_t start;

	policy_set(RTE_IMS_POLICY_POLL);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	while (rte_ims_wait_sleep(w, MS) > 0)
		;
	start = ims_now_ns();
	assert_int_equal(rte_ims_wait_sleep(w, 20 * MS), 0);
	assert_in_range(ims_now_ns() - start, 20 * MS, 20000 * MS);
	fire();
	assert_int_equal(rte_ims_wait_sleep(w, -1), 1);
	assert_int_equal(rte_ims_wait_wake(w), 0);
	assert_int_equal(rte_ims_wait_sleep(w, -1), 0);
	start = ims_now_ns();
	assert_int_equal(rte_ims_wait_sleep(w, 5 * MS), 0); /* that wake-up is used up */
	assert_true(ims_now_ns() - start >= 5 * (int64_t)MS);
}

/* A change of policy reaches a thread that is in the middle of the old one. */
static void
test_policy_live(void **state)
{
	struct timespec pause = { .tv_nsec = 2000000 };
	pthread_t set;
	int64_t end;
	int i;

	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	atomic_store(&sleeper_stop, false);
	assert_int_equal(pthread_create(&set, NULL, sleeper_thread, NULL), 0);
	for (i = 0; i < 60; i++) {
		policy_set(i % 4);
		nanosleep(&pause, NULL);
		fire();
		end = ims_now_ns() + 20000 * MS;
		while (atomic_load(&seen_count) != atomic_load(&device_count))
			assert_true(ims_now_ns() < end);
	}
	atomic_store(&sleeper_stop, true);
	rte_ims_wait_wake(w);
	pthread_join(set, NULL);
}

/*
 * A vector comes with an event that the device has held, to a thread that sleeps: the word is rung
 * when it is unmasked, then the policy has it switched to its eventfd.
 */
static void
test_add_to_sleeper(void **state)
{
	struct timespec pause = { .tv_nsec = 20000000 };
	pthread_t set;
	int64_t end;
	int i;

	policy_set(RTE_IMS_POLICY_INTERRUPT);
	atomic_store(&sleeper_stop, false);
	assert_int_equal(pthread_create(&set, NULL, sleeper_thread, NULL), 0);
	for (i = 0; i < 5; i++) {
		assert_int_equal(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY), 0);
		nanosleep(&pause, NULL);
		fire();
		assert_int_equal(rte_ims_wait_add(w, vec), 0);
		assert_int_equal(info().n_memory, 0);
		end = ims_now_ns() + 20000 * MS;
		while (atomic_load(&seen_count) != atomic_load(&device_count))
			assert_true(ims_now_ns() < end);
		assert_int_equal(rte_ims_wait_del(w, vec), 0);
	}
	atomic_store(&sleeper_stop, true);
	rte_ims_wait_wake(w);
	pthread_join(set, NULL);
}

/* ADAPTIVE: busy when events are close, asleep when they are not, and no flapping in between. */
static void
test_adaptive(void **state)
{
	struct rte_ims_wait_policy p = {
		.policy = RTE_IMS_POLICY_ADAPTIVE,
		.budget_min_ns = 1000000,
		.budget_max_ns = 2000000,
		.busy_gap_ns = 500000, /* this machine may be busy with other tests */
	};
	struct timespec pause = { .tv_nsec = 4000000 };
	uint64_t asleep, polls;
	unsigned int i;

	assert_int_equal(rte_ims_wait_policy_set(w, &p), 0);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	/* Far apart: it never polls. */
	for (i = 0; i < 20; i++) {
		fire();
		assert_int_equal(rte_ims_wait_sleep(w, -1), 1);
		nanosleep(&pause, NULL);
	}
	assert_int_equal(stats().switches, 0);
	assert_int_equal(stats().polls, 0);
	/* Close. */
	for (i = 0; i < 1000; i++) {
		fire();
		assert_int_equal(rte_ims_wait_sleep(w, -1), 1);
	}
	assert_int_equal(stats().switches, 1);
	assert_int_equal(info().n_memory, 1);
	/* A pause: it polls for its budget, and sleeps for the rest. */
	asleep = stats().asleep_ns;
	polls = stats().polls;
	while (rte_ims_wait_sleep(w, 500 * MS) != 0)
		;
	assert_int_equal(stats().switches, 2);
	assert_int_equal(info().n_memory, 0);
	assert_true(stats().polls > polls);
	assert_true(stats().asleep_ns - asleep > 20 * MS);
	/* Idle it does nothing at all. */
	polls = stats().polls;
	assert_int_equal(rte_ims_wait_sleep(w, 50 * MS), 0);
	assert_int_equal(stats().polls, polls);
	assert_int_equal(stats().switches, 2);
}

/* One pause among close events costs ADAPTIVE its sleep, not a dozen events by eventfd after it. */
static void
test_adaptive_pause(void **state)
{
	struct rte_ims_wait_policy p = {
		.policy = RTE_IMS_POLICY_ADAPTIVE,
		.budget_min_ns = 1000000,
		.budget_max_ns = 2000000,
		.busy_gap_ns = 500000,
	};
	int i;

	assert_int_equal(rte_ims_wait_policy_set(w, &p), 0);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	/* To a mean gap that is small, whatever pauses this thread had to make itself. */
	for (i = 0; i < 1000 || (i < 1000000 && w->gap > atomic_load(&w->busy_gap) / 8); i++) {
		fire();
		assert_int_equal(rte_ims_wait_sleep(w, -1), 1);
	}
	while (rte_ims_wait_sleep(w, 30 * MS) != 0)
		;
	assert_int_equal(info().n_memory, 0);
	fire();
	assert_int_equal(rte_ims_wait_sleep(w, -1), 1);
	assert_int_equal(info().n_memory, 1);
	assert_int_equal(w->probes, 0); /* for good, not to try */
}

/* A word that is rung while ADAPTIVE switches to its eventfds is found before it sleeps. */
static void
test_adaptive_race(void **state)
{
	struct rte_ims_wait_policy p = {
		.policy = RTE_IMS_POLICY_ADAPTIVE,
		.budget_min_ns = 1000000,
		.budget_max_ns = 2000000,
		.busy_gap_ns = 500000,
	};
	int64_t start;
	int i;

	assert_int_equal(rte_ims_wait_policy_set(w, &p), 0);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	for (i = 0; i < 1000; i++) {
		fire();
		assert_int_equal(rte_ims_wait_sleep(w, -1), 1);
	}
	rte_ims_wait_poll(w);
	assert_int_equal(info().n_memory, 1);
	atomic_fetch_add(&device_count, 1);
	f->race = true;
	start = ims_now_ns();
	assert_int_equal(rte_ims_wait_sleep(w, 40000 * MS), 1);
	assert_false(f->race);
	assert_int_equal(info().n_memory, 0);
	assert_int_equal(seen_count, device_count);
	assert_true(ims_now_ns() - start < 20000 * (int64_t)MS);
}

static void
test_bad_arguments(void **state)
{
	struct rte_ims_wait_policy p = { .policy = 4 };

	assert_int_equal(rte_ims_wait_policy_set(w, &p), -EINVAL);
	p.policy = RTE_IMS_POLICY_ADAPTIVE;
	p.budget_min_ns = 5;
	assert_int_equal(rte_ims_wait_policy_set(w, &p), -EINVAL);
	assert_int_equal(rte_ims_wait_policy_set(w, NULL), -EINVAL);
	assert_int_equal(rte_ims_wait_policy_get(NULL, &p), -EINVAL);
	assert_int_equal(rte_ims_vec_delivery_set(NULL, RTE_IMS_DELIVERY_MEMORY), -EINVAL);
	assert_int_equal(rte_ims_vec_delivery_set(vec, 7), -EINVAL);
	assert_int_equal(rte_ims_wait_delivery_set(w, 7), -EINVAL);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_to_and_fro),
		T(test_left_in_eventfd),
		T(test_left_in_word),
		T(test_out_of_set),
		T(test_first_eventfd),
		T(test_kernel_left_word),
		T(test_borrow_interrupts_only),
		T(test_kernel_moves),
		cmocka_unit_test_setup_teardown(test_refused, setup_trapped, teardown),
		T(test_no_system_call),
		T(test_soak_sleeping),
		T(test_soak_polling),
		T(test_each_is_seen),
		T(test_policy_delivery),
		T(test_poll_ends),
		T(test_policy_live),
		T(test_add_to_sleeper),
		T(test_adaptive),
		T(test_adaptive_pause),
		T(test_adaptive_race),
		T(test_bad_arguments),
	};

	fake_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
