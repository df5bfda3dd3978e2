/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Pools, on machines that this test makes up: who gets which vector, what happens when there are
 * none left, and lcores that come and go. lcore n is CPU n.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_lcore.h>

#include "fake_dev.h"
#include "ims_wait_private.h"

#define ims_lcore_cpu(lcore) ((int)(lcore))
#include "../../lib/ims/ims_pool.c"
#include "../../lib/ims/ims_pool_move.c"
#include "../../lib/ims/ims_pool_vec.c"

#define MAX_LCORES 64
/* A call that waits for a handler in vain need not do so for long; others have all the time. */
#define SHORT_NS 100000000ull
#define LONG_NS  20000000000ull

static struct fake_dev *f;
static struct rte_ims_pool *pool;
static struct rte_ims_wait *waits[MAX_LCORES];

static void
machine(const char *desc)
{
	ims_topo_free(host);
	host = ims_topo_new_synthetic(desc);
	assert_non_null(host);
}

static void
open_pool(const char *desc, const struct rte_ims_pool_conf *conf)
{
	machine(desc);
	f = fake_dev_create(true);
	pool = rte_ims_pool_create("pool", f->dev, conf);
	assert_non_null(pool);
	memset(waits, 0, sizeof(waits));
}

static void
add_lcore(unsigned int lcore)
{
	waits[lcore] = rte_ims_wait_create("w", NULL);
	assert_non_null(waits[lcore]);
	assert_int_equal(rte_ims_pool_lcore_add(pool, lcore, waits[lcore]), 0);
}

static void
close_pool(void)
{
	unsigned int i;

	assert_int_equal(rte_ims_pool_destroy(pool), 0);
	for (i = 0; i < MAX_LCORES; i++)
		if (waits[i] != NULL)
			assert_int_equal(rte_ims_wait_destroy(waits[i]), 0);
	fake_dev_destroy(f);
}

static struct rte_ims_vec *
get(enum rte_ims_place place, unsigned int number, uint32_t flags)
{
	struct rte_ims_want want = { .place = place, .number = number, .flags = flags };

	return rte_ims_pool_get(pool, &want);
}

static struct rte_ims_pool_info
info(void)
{
	struct rte_ims_pool_info i;

	assert_int_equal(rte_ims_pool_info_get(pool, &i), 0);
	return i;
}

static void
put_all(struct rte_ims_vec **vecs, unsigned int n)
{
	while (n-- > 0)
		assert_int_equal(rte_ims_pool_put(pool, vecs[n]), 0);
}

/* One vector per lcore, as it comes into use; then any number of users share it. */
static void
test_one_per_lcore(void **state)
{
	struct rte_ims_vec *vecs[400];
	struct rte_ims_vec_info vinfo;
	unsigned int i;

	open_pool("node:1 core:4 pu:1", NULL);
	for (i = 0; i < 4; i++)
		add_lcore(i);
	assert_int_equal(info().n_vecs, 0);
	for (i = 0; i < 400; i++) {
		vecs[i] = get(RTE_IMS_PLACE_LCORE, i % 4, 0);
		assert_non_null(vecs[i]);
		assert_int_equal(rte_ims_pool_vec_lcore(pool, vecs[i]), i % 4);
		assert_ptr_equal(vecs[i], vecs[i % 4]);
		assert_int_equal(info().n_vecs, RTE_MIN(i + 1, 4u));
		assert_int_equal(rte_ims_vec_info_get(vecs[i], &vinfo), 0);
		assert_true(vinfo.waited);
	}
	assert_int_equal(info().n_users, 400);
	put_all(vecs, 400);
	/* Kept for the next one. */
	assert_int_equal(info().n_vecs, 4);
	assert_ptr_equal(get(RTE_IMS_PLACE_LCORE, 2, 0), vecs[2]);
	assert_int_equal(rte_ims_pool_destroy(pool), -EBUSY);
	assert_int_equal(rte_ims_dev_close(f->dev), -EBUSY);
	assert_int_equal(rte_ims_pool_put(pool, vecs[2]), 0);
	assert_int_equal(rte_ims_pool_put(pool, vecs[2]), -EINVAL);
	close_pool();
}

/* Idle cores before the siblings of busy ones, nodes in turn. */
static void
test_spread(void **state)
{
	/* node:2 core:2 pu:2: CPUs 0 1 | 2 3 are node 0's cores, 4 5 | 6 7 node 1's */
	struct rte_ims_vec *vecs[24];
	unsigned int users[8] = { 0 }, i, core;
	int lcore;

	open_pool("node:2 core:2 pu:2", NULL);
	for (i = 0; i < 8; i++)
		add_lcore(i);
	for (i = 0; i < 24; i++) {
		vecs[i] = get(RTE_IMS_PLACE_ANY, 0, 0);
		lcore = rte_ims_pool_vec_lcore(pool, vecs[i]);
		users[lcore]++;
		if (i == 3)
			for (core = 0; core < 4; core++)
				assert_int_equal(users[core * 2] + users[core * 2 + 1], 1);
	}
	for (i = 0; i < 8; i++)
		assert_int_equal(users[i], 3);
	put_all(vecs, 24);
	close_pool();
}

/* A node's lcores, and the nearest ones where the node has none in the pool. */
static void
test_nodes(void **state)
{
	struct rte_ims_vec *vecs[8];
	unsigned int i;

	open_pool("node:2 core:4 pu:1", NULL);
	for (i = 0; i < 8; i++)
		add_lcore(i);
	for (i = 0; i < 8; i++) {
		vecs[i] = get(RTE_IMS_PLACE_NODE, i < 4 ? 1 : 0, 0);
		assert_int_equal(rte_ims_pool_vec_lcore(pool, vecs[i]) / 4, i < 4 ? 1 : 0);
	}
	assert_int_equal(info().n_vecs, 8);
	put_all(vecs, 8);
	f->v.numa_node = 1;
	vecs[0] = get(RTE_IMS_PLACE_NEAR_DEVICE, 0, 0);
	assert_int_equal(rte_ims_pool_vec_lcore(pool, vecs[0]) / 4, 1);
	put_all(vecs, 1);
	for (i = 4; i < 8; i++) /* with what the earlier ones left */
		assert_true(rte_ims_pool_lcore_del(pool, i) >= 1);
	vecs[0] = get(RTE_IMS_PLACE_NODE, 1, 0);
	assert_int_equal(rte_ims_pool_vec_lcore(pool, vecs[0]) / 4, 0);
	assert_null(get(RTE_IMS_PLACE_LCORE, 5, 0));
	assert_int_equal(rte_errno, ENOENT);
	put_all(vecs, 1);
	close_pool();
}

/* More vectors on an lcore once those that it has are shared by share_min each. */
static void
test_thresholds(void **state)
{
	struct rte_ims_pool_conf conf = { .vecs_per_lcore = 3, .share_min = 4 };
	static const unsigned int want[] = { 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3 };
	struct rte_ims_vec *vecs[15];
	unsigned int i;

	open_pool("node:1 core:2 pu:1", &conf);
	add_lcore(0);
	for (i = 0; i < 15; i++) {
		vecs[i] = get(RTE_IMS_PLACE_LCORE, 0, 0);
		assert_int_equal(info().n_vecs, want[i]);
	}
	put_all(vecs, 15);
	close_pool();
}

/* No vector left: users share, on another lcore if need be; who wants one alone is told. */
static void
test_exhausted(void **state)
{
	struct rte_ims_vec *vecs[FAKE_SLOTS + 8], *shared[2];
	unsigned int n, i;

	open_pool("node:1 core:4 pu:1", NULL);
	for (i = 0; i < 4; i++)
		add_lcore(i);
	shared[0] = get(RTE_IMS_PLACE_LCORE, 0, 0);
	for (n = 0; n < FAKE_SLOTS; n++) {
		vecs[n] = get(RTE_IMS_PLACE_LCORE, n % 4, RTE_IMS_WANT_F_EXCLUSIVE);
		if (vecs[n] == NULL)
			break;
		assert_int_equal(rte_ims_pool_vec_lcore(pool, vecs[n]), n % 4);
	}
	assert_int_equal(rte_errno, ENOSPC);
	assert_int_equal(info().n_exclusive, n);
	assert_int_equal(info().shared_for_want, 0);
	shared[1] = get(RTE_IMS_PLACE_LCORE, 3, 0);
	assert_ptr_equal(shared[1], shared[0]);
	assert_int_equal(info().shared_for_want, 1);
	put_all(vecs, n);
	put_all(shared, 2);
	/* There are some again. */
	shared[0] = get(RTE_IMS_PLACE_LCORE, 3, 0);
	assert_int_equal(rte_ims_pool_vec_lcore(pool, shared[0]), 3);
	put_all(shared, 1);
	close_pool();
}

static void
test_max_and_idle(void **state)
{
	struct rte_ims_pool_conf conf = { .max_vecs = 2, .flags = RTE_IMS_POOL_F_FREE_IDLE };
	struct rte_ims_vec *vecs[4];
	unsigned int i;

	open_pool("node:1 core:4 pu:1", &conf);
	for (i = 0; i < 4; i++) {
		add_lcore(i);
		vecs[i] = get(RTE_IMS_PLACE_LCORE, i, 0);
		assert_non_null(vecs[i]);
	}
	assert_int_equal(info().n_vecs, 2);
	assert_int_equal(info().shared_for_want, 2);
	put_all(vecs, 4);
	assert_int_equal(info().n_vecs, 0);
	close_pool();
}

/* Special vectors by index, and dedicated ones on the caller's eventfd. */
static void
test_special_dedicated(void **state)
{
	struct rte_ims_vec *vec, *other;
	struct rte_ims_vec_info vinfo;

	open_pool("node:1 core:1 pu:1", NULL);
	vec = rte_ims_pool_special(pool, 0, NULL);
	assert_non_null(vec);
	assert_int_equal(rte_ims_vec_info_get(vec, &vinfo), 0);
	assert_int_equal(vinfo.slot, 0);
	assert_null(rte_ims_pool_special(pool, 0, NULL));
	assert_int_equal(rte_errno, EBUSY);
	assert_null(rte_ims_pool_special(pool, 9999, NULL));
	assert_int_equal(rte_errno, ERANGE);
	assert_int_equal(info().n_special, 1);
	assert_int_equal(rte_ims_pool_put(pool, vec), 0);
	/* Without MSI-X nothing but a thread of ours could signal it: refused. */
	other = rte_ims_pool_dedicated(pool, 0, NULL);
	assert_null(other);
	assert_int_equal(rte_errno, EINVAL); /* and that is no eventfd */
	close_pool();
}

static int
take_eventfd(struct rte_ims_store *store, uint32_t slot, int fd)
{
	return 0;
}

static int
take_slot(struct rte_ims_store *store, uint32_t slot)
{
	return 0;
}

static int
no_message(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg)
{
	return -ENOTSUP;
}

static void
forget_slot(struct rte_ims_store *store, uint32_t slot)
{
}

static const struct ims_store_ops msix_ops = {
	.write_msg = no_message,
	.set_eventfd = take_eventfd,
	.mask = take_slot,
	.unmask = take_slot,
	.shutdown = forget_slot,
};

static struct rte_ims_vec *
dedicated(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct rte_ims_vec *vec;

	vec = rte_ims_pool_dedicated(pool, fd, NULL);
	close(fd); /* a vector has its own copy */
	return vec;
}

/*
 * A kernel's device: two MSI-X vectors; IMS slots beside them have no message that they could
 * borrow.
 */
static void
dedicated_run_out(bool msix, bool ims, int err)
{
	struct ims_store_conf conf = {
		.type = RTE_IMS_STORE_MSIX,
		.name = "msix",
		.n_slots = 2,
		.fungible = true,
		.ops = &msix_ops,
	};
	struct rte_ims_vec *vecs[2] = { NULL };
	struct ims_vfio_ops ops;
	unsigned int i;

	machine("node:1 core:1 pu:1");
	f = fake_dev_create(true);
	ops = *f->v.ops;
	ops.msg_alloc = NULL;
	f->v.ops = &ops;
	if (msix)
		assert_non_null(ims_store_create(f->dev, &conf));
	if (!ims)
		ims_store_destroy(f->store);
	pool = rte_ims_pool_create("pool", f->dev, NULL);
	assert_non_null(pool);
	for (i = 0; msix && i < 2; i++) {
		vecs[i] = dedicated();
		assert_non_null(vecs[i]);
	}
	assert_null(dedicated());
	assert_int_equal(rte_errno, err);
	for (i = 0; msix && i < 2; i++)
		assert_int_equal(rte_ims_pool_put(pool, vecs[i]), 0);
	memset(waits, 0, sizeof(waits));
	close_pool();
}

/* None left is not the same as none possible, whatever another store says. */
static void
test_dedicated_run_out(void **state)
{
	dedicated_run_out(true, false, ENOSPC);
	dedicated_run_out(true, true, ENOSPC);
	dedicated_run_out(false, true, ENOTSUP);
}

/* An lcore goes, with vectors, users and events: they are on the others then. */
static uint64_t handled[8];

static void
on_event(struct rte_ims_vec *vec, void *arg)
{
	handled[*(unsigned int *)arg]++;
}

static void
test_lcores_go(void **state)
{
	static unsigned int numbers[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	struct rte_ims_pool_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	struct rte_ims_obj obj[8] = { 0 };
	struct rte_ims_vec_info vinfo;
	struct rte_ims_vec *vecs[8];
	unsigned int i;

	open_pool("node:2 core:4 pu:1", &conf);
	memset(handled, 0, sizeof(handled));
	for (i = 0; i < 8; i++) {
		add_lcore(i);
		vecs[i] = get(RTE_IMS_PLACE_LCORE, i, 0);
		obj[i].fn = on_event;
		obj[i].arg = &numbers[i];
		assert_int_equal(rte_ims_vec_attach(vecs[i], &obj[i]), 0);
	}
	/* An event that nobody has served yet. */
	assert_int_equal(rte_ims_vec_info_get(vecs[0], &vinfo), 0);
	assert_true(fake_fire(f, vinfo.slot));
	assert_int_equal(rte_ims_pool_lcore_del(pool, 0), 1);
	/* Node 0's vector went to node 0. */
	assert_int_equal(rte_ims_pool_vec_lcore(pool, vecs[0]) / 4, 0);
	i = rte_ims_pool_vec_lcore(pool, vecs[0]);
	assert_int_equal(rte_ims_wait_poll(waits[0]), 0);
	assert_true(rte_ims_wait_poll(waits[i]) > 0);
	assert_int_equal(handled[0], 1);
	for (i = 1; i < 7; i++)
		assert_true(rte_ims_pool_lcore_del(pool, i) >= 1);
	/* All are on the last one, and it cannot go. */
	for (i = 0; i < 8; i++) {
		assert_int_equal(rte_ims_pool_vec_lcore(pool, vecs[i]), 7);
		assert_int_equal(rte_ims_vec_info_get(vecs[i], &vinfo), 0);
		assert_true(fake_fire(f, vinfo.slot));
	}
	assert_int_equal(rte_ims_pool_lcore_del(pool, 7), -EBUSY);
	assert_int_equal(rte_ims_wait_poll(waits[7]), 8);
	for (i = 0; i < 8; i++)
		assert_int_equal(handled[i], i == 0 ? 2 : 1);
	/* They come back. */
	for (i = 0; i < 7; i++)
		assert_int_equal(rte_ims_pool_lcore_add(pool, i, waits[i]), 0);
	assert_int_equal(rte_ims_pool_lcore_add(pool, 3, waits[3]), -EEXIST);
	assert_int_equal(rte_ims_pool_rebalance(pool), 7);
	assert_int_equal(rte_ims_pool_rebalance(pool), 0);
	for (i = 0; i < 8; i++) {
		struct rte_ims_pool_lcore lc[8];

		assert_int_equal(rte_ims_pool_lcores_get(pool, lc, 8), 8);
		assert_int_equal(lc[i].n_vecs, 1);
		assert_int_equal(lc[i].lcore_id, i);
	}
	for (i = 0; i < 8; i++) {
		assert_int_equal(rte_ims_pool_move(pool, vecs[i], (i + 3) % 8), 0);
		assert_int_equal(rte_ims_pool_vec_lcore(pool, vecs[i]), (i + 3) % 8);
		assert_int_equal(rte_ims_vec_detach(&obj[i]), 0);
	}
	assert_int_equal(rte_ims_pool_move(pool, vecs[0], 40), -ENOENT);
	put_all(vecs, 8);
	close_pool();
}

/* 16,384 users: the vectors are as many as lcores, the counts add up. */
static void
test_many_users(void **state)
{
	enum {
		N = 16384
	};
	static struct rte_ims_vec *vecs[N];
	struct rte_ims_pool_lcore lc[64];
	unsigned int i;

	open_pool("node:8 core:4 pu:2", NULL);
	for (i = 0; i < 50; i++)
		add_lcore(i);
	for (i = 0; i < N; i++) {
		vecs[i] = get(RTE_IMS_PLACE_ANY, 0, 0);
		assert_non_null(vecs[i]);
	}
	assert_int_equal(info().n_vecs, 50);
	assert_int_equal(rte_ims_pool_lcores_get(pool, lc, 64), 50);
	for (i = 0; i < 50; i++)
		assert_in_range(lc[i].n_users, N / 50, N / 50 + 1);
	put_all(vecs, N);
	assert_int_equal(rte_ims_pool_lcores_get(pool, lc, 64), 50);
	for (i = 0; i < 50; i++)
		assert_int_equal(lc[i].n_users, 0);
	close_pool();
}

static void
getput_confined(bool kernel)
{
	struct rte_ims_vec *vec;
	unsigned int i;

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
		syscall(SYS_exit, 77);
	for (i = 0; i < 1000; i++) {
		vec = rte_ims_pool_get(pool, NULL);
		rte_ims_pool_put(pool, vec);
	}
	if (kernel)
		syscall(SYS_getppid);
	syscall(SYS_exit, 0); /* exit_group would be one more */
}

/* A child that may do nothing but read, write and exit: what else it calls kills it. */
static void
test_no_system_call(void **state)
{
	struct rte_ims_vec *vec;
	int i, status;
	pid_t pid;

	open_pool("node:1 core:2 pu:1", NULL);
	add_lcore(0);
	vec = get(RTE_IMS_PLACE_ANY, 0, 0);
	for (i = 0; i < 2; i++) {
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			getput_confined(i == 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			skip(); /* the kernel has no seccomp */
		/* The second one does call the kernel: the confinement works. */
		assert_int_equal(WIFSIGNALED(status), i == 1);
	}
	assert_int_equal(rte_ims_pool_put(pool, vec), 0);
	close_pool();
}

static void
test_bad_arguments(void **state)
{
	struct rte_ims_want want = { .place = 77 };
	struct rte_ims_pool_conf conf = { .flags = 1u << 31 };
	struct rte_ims_vec *vec;

	open_pool("node:1 core:2 pu:1", NULL);
	assert_null(rte_ims_pool_create("other", f->dev, &conf));
	assert_int_equal(rte_errno, EINVAL);
	assert_null(rte_ims_pool_create("pool", f->dev, NULL));
	assert_int_equal(rte_errno, EEXIST);
	assert_ptr_equal(rte_ims_pool_find("pool"), pool);
	assert_null(rte_ims_pool_find("none"));
	assert_null(rte_ims_pool_get(pool, NULL)); /* no lcore yet */
	assert_int_equal(rte_errno, ENOENT);
	assert_null(rte_ims_pool_get(pool, &want));
	assert_int_equal(rte_errno, EINVAL);
	assert_int_equal(rte_ims_pool_lcore_add(pool, RTE_MAX_LCORE, (void *)1), -EINVAL);
	assert_int_equal(rte_ims_pool_lcore_del(pool, 1), -ENOENT);
	/* A vector that is not the pool's. */
	vec = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), f->store, 5, NULL);
	assert_non_null(vec);
	assert_int_equal(rte_ims_pool_put(pool, vec), -EINVAL);
	assert_int_equal(rte_ims_pool_move(pool, vec, 0), -ENOENT);
	assert_int_equal(rte_ims_pool_vec_lcore(pool, vec), -EINVAL);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	close_pool();
}

/* Users come and go in two threads, in a pool that frees what nobody uses. */
static atomic_bool stop;

static void *
getput_thread(void *arg)
{
	struct rte_ims_vec_info vinfo;
	struct rte_ims_vec *vec;
	atomic_uint *n = arg;

	while (!atomic_load(&stop)) {
		vec = rte_ims_pool_get(pool, NULL);
		if (vec == NULL)
			continue; /* all are being freed */
		if (rte_ims_vec_info_get(vec, &vinfo) != 0 || !vinfo.waited ||
			rte_ims_pool_put(pool, vec) != 0)
			break;
		atomic_fetch_add(n, 1);
	}
	return NULL;
}

static void
test_free_idle_threads(void **state)
{
	struct rte_ims_pool_conf conf = {
		.flags = RTE_IMS_POOL_F_FREE_IDLE,
		.delivery = RTE_IMS_DELIVERY_MEMORY,
	};
	int64_t least = ims_now_ns() + 300000000, most = ims_now_ns() + 20000000000;
	atomic_uint n[2] = { 0 };
	pthread_t thread[2];

	open_pool("node:1 core:2 pu:1", &conf);
	add_lcore(0);
	atomic_store(&stop, false);
	pthread_create(&thread[0], NULL, getput_thread, &n[0]);
	pthread_create(&thread[1], NULL, getput_thread, &n[1]);
	while (ims_now_ns() < least || ((n[0] == 0 || n[1] == 0) && ims_now_ns() < most))
		usleep(1000);
	atomic_store(&stop, true);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	assert_true(n[0] > 0 && n[1] > 0);
	assert_int_equal(info().n_users, 0);
	assert_int_equal(info().n_vecs, 0);
	close_pool();
}

/* A handler that takes its time holds up a move. */
static atomic_bool in_handler, leave_handler;
static int move_rc;

static void
on_slow(struct rte_ims_vec *vec, void *arg)
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

static void *
move_thread(void *arg)
{
	move_rc = rte_ims_pool_move(pool, arg, 1);
	return NULL;
}

static struct rte_ims_vec *
busy_vec(struct rte_ims_obj *slow, pthread_t *poller)
{
	struct rte_ims_vec *vec = get(RTE_IMS_PLACE_LCORE, 0, 0);

	assert_non_null(vec);
	slow->fn = on_slow;
	assert_int_equal(rte_ims_vec_attach(vec, slow), 0);
	atomic_store(&in_handler, false);
	atomic_store(&leave_handler, false);
	fake_fire(f, vec->slot);
	pthread_create(poller, NULL, poll_once, waits[0]);
	while (!atomic_load(&in_handler))
		usleep(10);
	return vec;
}

static bool
awaited(unsigned int lcore)
{
	bool is;

	pthread_mutex_lock(&pool->lock);
	is = pool->by_id[lcore]->awaited != 0;
	pthread_mutex_unlock(&pool->lock);
	return is;
}

/* An lcore that a vector is moving to does not go. */
static void
test_move_to_leaving(void **state)
{
	struct rte_ims_pool_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	struct rte_ims_obj slow = { 0 };
	pthread_t poller, mover;
	struct rte_ims_vec *vec;

	open_pool("node:1 core:2 pu:1", &conf);
	add_lcore(0);
	add_lcore(1);
	vec = busy_vec(&slow, &poller);
	pthread_create(&mover, NULL, move_thread, vec);
	while (!awaited(1))
		usleep(10);
	assert_int_equal(rte_ims_pool_lcore_del(pool, 1), -EBUSY);
	assert_int_equal(rte_ims_pool_lcore_del(pool, 0), -EBUSY);
	assert_int_equal(rte_ims_pool_move(pool, vec, 0), -EBUSY);
	atomic_store(&leave_handler, true);
	pthread_join(poller, NULL);
	pthread_join(mover, NULL);
	assert_int_equal(move_rc, 0);
	assert_int_equal(rte_ims_pool_vec_lcore(pool, vec), 1);
	assert_int_equal(rte_ims_pool_lcore_del(pool, 0), 0);
	put_all(&vec, 1);
	close_pool();
}

/* The pool knows where a vector is that a slow handler has on its way, and it can be moved on. */
static void
test_move_late(void **state)
{
	struct rte_ims_pool_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	struct rte_ims_obj slow = { 0 };
	struct rte_ims_vec *vec;
	pthread_t poller;

	open_pool("node:1 core:2 pu:1", &conf);
	add_lcore(0);
	add_lcore(1);
	vec = busy_vec(&slow, &poller);
	ims_sync_timeout_ns = SHORT_NS;
	assert_int_equal(rte_ims_pool_move(pool, vec, 1), -ETIMEDOUT);
	ims_sync_timeout_ns = LONG_NS;
	assert_int_equal(rte_ims_pool_vec_lcore(pool, vec), 1);
	atomic_store(&leave_handler, true);
	pthread_join(poller, NULL);
	assert_int_equal(rte_ims_pool_move(pool, vec, 0), 0);
	assert_int_equal(rte_ims_pool_vec_lcore(pool, vec), 0);
	fake_fire(f, vec->slot);
	assert_int_equal(rte_ims_wait_poll(waits[0]), 1);
	put_all(&vec, 1);
	close_pool();
}

/* A shared vector whose last user goes while its handler runs is freed when that has returned. */
static void
test_put_late(void **state)
{
	struct rte_ims_pool_conf conf = { .flags = RTE_IMS_POOL_F_FREE_IDLE };
	struct rte_ims_obj slow = { 0 };
	struct rte_ims_vec *vec;
	pthread_t poller;

	open_pool("node:1 core:2 pu:1", &conf);
	add_lcore(0);
	vec = busy_vec(&slow, &poller);
	ims_sync_timeout_ns = SHORT_NS;
	assert_int_equal(rte_ims_pool_put(pool, vec), 0);
	ims_sync_timeout_ns = LONG_NS;
	assert_int_equal(info().n_vecs, 1);
	assert_int_not_equal(get(RTE_IMS_PLACE_ANY, 0, 0), vec);
	atomic_store(&leave_handler, true);
	pthread_join(poller, NULL);
	assert_int_equal(rte_ims_pool_destroy(pool), -EBUSY);
	vec = TAILQ_FIRST(&pool->by_id[0]->vecs)->vec;
	put_all(&vec, 1);
	assert_int_equal(info().n_vecs, 0);
	close_pool();
}

/*
 * A vector that cannot be made ready is freed without the pool's lock: its set's handlers may want
 * that.
 */
static int
on_vec_init(struct rte_ims_vec *vec)
{
	if (atomic_load(&in_handler)) {
		f->fail = -EIO; /* from now on the device does not take its message */
		atomic_store(&leave_handler, true);
		usleep(20000);
	}
	return 0;
}

static void
on_pool(struct rte_ims_vec *vec, void *arg)
{
	struct rte_ims_pool_info i;

	atomic_store(&in_handler, true);
	while (!atomic_load(&leave_handler))
		usleep(100);
	rte_ims_pool_info_get(pool, &i);
}

static void
test_make_in_vain(void **state)
{
	static const struct ims_driver driver = { .name = "fake", .vec_init = on_vec_init };
	struct rte_ims_pool_conf conf = {
		.delivery = RTE_IMS_DELIVERY_MEMORY,
		.vecs_per_lcore = 2,
	};
	struct rte_ims_obj obj = { .fn = on_pool };
	struct rte_ims_vec *vec[2];
	pthread_t poller;

	open_pool("node:1 core:2 pu:1", &conf);
	f->dev->driver = &driver;
	add_lcore(0);
	atomic_store(&in_handler, false);
	atomic_store(&leave_handler, false);
	vec[0] = get(RTE_IMS_PLACE_ANY, 0, 0);
	assert_int_equal(rte_ims_vec_attach(vec[0], &obj), 0);
	fake_fire(f, vec[0]->slot);
	pthread_create(&poller, NULL, poll_once, waits[0]);
	while (!atomic_load(&in_handler))
		usleep(100);
	/* It shares, then. */
	vec[1] = get(RTE_IMS_PLACE_ANY, 0, 0);
	assert_ptr_equal(vec[1], vec[0]);
	pthread_join(poller, NULL);
	f->fail = 0;
	put_all(vec, 2);
	close_pool();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_per_lcore),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_thresholds),
		cmocka_unit_test(test_exhausted),
		cmocka_unit_test(test_max_and_idle),
		cmocka_unit_test(test_special_dedicated),
		cmocka_unit_test(test_dedicated_run_out),
		cmocka_unit_test(test_lcores_go),
		cmocka_unit_test(test_many_users),
		cmocka_unit_test(test_no_system_call),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_free_idle_threads),
		cmocka_unit_test(test_move_to_leaving),
		cmocka_unit_test(test_move_late),
		cmocka_unit_test(test_put_late),
		cmocka_unit_test(test_make_in_vain),
	};

	ims_sync_timeout_ns = LONG_NS;
	fake_eal_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
