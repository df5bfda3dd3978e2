/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Vectors that go to others: dedicated ones, whose eventfd is the caller's and is signalled without
 * this library, and exported ones, whose message a peer writes. On a queue_dev with MSI-X.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ims_driver.h>
#include <queue_dev_regs.h>
#include <rte_ims_pool.h>
#include <rte_pmd_queue_dev.h>

#include "e2e.h"

static struct rte_ims_dev *dev;
static struct rte_ims_pool *pool;
static struct rte_ims_wait *set;

static int
setup(void **state)
{
	dev = e2e_open();
	pool = rte_ims_pool_create("dedicated", dev, NULL);
	set = rte_ims_wait_create("e2e", NULL);
	return pool == NULL || set == NULL || rte_ims_pool_lcore_add(pool, 0, set) != 0;
}

static int
teardown(void **state)
{
	assert_int_equal(rte_ims_pool_destroy(pool), 0);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	return rte_ims_wait_destroy(set);
}

/* How often all threads of this process but the caller have run so far. */
static uint64_t
others_ran(void)
{
	char path[64], line[128];
	uint64_t total = 0, n;
	struct dirent *entry;
	DIR *dir;
	FILE *f;

	dir = opendir("/proc/self/task");
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' || atoi(entry->d_name) == (int)syscall(SYS_gettid))
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", entry->d_name);
		f = fopen(path, "r");
		assert_non_null(f);
		while (fgets(line, sizeof(line), f) != NULL)
			if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1 ||
				sscanf(line, "nonvoluntary_ctxt_switches: %lu", &n) == 1)
				total += n;
		fclose(f);
	}
	closedir(dir);
	return total;
}

static bool
fd_wait(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t count;

	return poll(&pfd, 1, ms) == 1 && read(fd, &count, sizeof(count)) == sizeof(count);
}

static void
one_op(struct rte_pmd_queue_dev_queue *q, int fd)
{
	struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };
	struct rte_pmd_queue_dev_completion done;

	assert_int_equal(rte_pmd_queue_dev_submit(q, &op, 1), 1);
	assert_true(fd_wait(fd, E2E_PATIENCE_MS));
	assert_int_equal(rte_pmd_queue_dev_poll(q, &done, 1), 1);
	assert_int_equal(done.status, 0);
	assert_int_equal(rte_pmd_queue_dev_arm(q), 0);
}

/* The device's process, or the kernel, signals the eventfd: no thread of ours runs for it. */
static void
signalled_without_us(struct rte_ims_vec *vec, int fd)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 16, .vec = vec };
	struct rte_pmd_queue_dev_queue *q;
	struct rte_ims_vec_info vinfo;
	uint64_t ran;
	int i;

	assert_int_equal(rte_ims_vec_info_get(vec, &vinfo), 0);
	assert_true(vinfo.dedicated);
	assert_int_equal(rte_ims_wait_add(set, vec), -EINVAL);
	q = rte_pmd_queue_dev_queue_create(dev, &conf);
	assert_non_null(q);
	assert_false(fd_wait(fd, 20)); /* quiet until there is something */
	one_op(q, fd);
	ran = others_ran();
	for (i = 0; i < 300; i++)
		one_op(q, fd);
	/*
	 * Not once for each event; a thread that was still on its way to sleep is none's business.
	 */
	assert_in_range(others_ran() - ran, 0, 100);
	assert_false(fd_wait(fd, 20));
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(q), 0);
}

static void
test_dedicated(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), dup_fd, other;
	struct rte_ims_vec *vec;
	uint64_t one = 1;

	vec = rte_ims_pool_dedicated(pool, fd, "guest");
	assert_non_null(vec);
	/* One vector for an eventfd, whatever it is called. */
	assert_null(rte_ims_pool_dedicated(pool, fd, NULL));
	assert_int_equal(rte_errno, EBUSY);
	dup_fd = dup(fd);
	assert_null(rte_ims_pool_dedicated(pool, dup_fd, NULL));
	assert_int_equal(rte_errno, EBUSY);
	close(dup_fd);
	signalled_without_us(vec, fd);
	assert_int_equal(rte_ims_pool_put(pool, vec), 0);
	/* It is the caller's again, and still works. */
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	assert_true(fd_wait(fd, 0));
	vec = rte_ims_pool_dedicated(pool, fd, NULL);
	assert_non_null(vec);
	assert_int_equal(rte_ims_pool_put(pool, vec), 0);
	/* Not just any descriptor. */
	other = open("/dev/null", 0);
	assert_null(rte_ims_pool_dedicated(pool, other, NULL));
	assert_int_equal(rte_errno, EINVAL);
	close(other);
	assert_null(rte_ims_pool_dedicated(pool, other, NULL));
	assert_int_equal(rte_errno, EBADF);
	close(fd);
}

/*
 * An IMS slot of one queue: its message is borrowed from an MSI-X vector, which signals the
 * eventfd.
 */
static void
test_dedicated_ims(void **state)
{
	struct rte_ims_vec_conf conf = { .flags = RTE_IMS_VEC_F_FD };
	struct rte_pmd_queue_dev_info info;
	struct rte_ims_store_info sinfo;
	struct rte_ims_vec_info vinfo;
	struct rte_ims_store *store;
	struct rte_ims_vec *vec;
	uint32_t i;

	assert_int_equal(rte_pmd_queue_dev_info_get(dev, &info), 0);
	if (!info.ims)
		skip();
	for (i = 0; (store = rte_ims_dev_store_at(dev, i)) != NULL; i++) {
		assert_int_equal(rte_ims_store_info_get(store, &sinfo), 0);
		if (strcmp(sinfo.name, "ims-queue") == 0)
			break;
	}
	assert_non_null(store);
	conf.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), store, RTE_IMS_SLOT_ANY, &conf);
	assert_non_null(vec);
	assert_int_equal(rte_ims_vec_info_get(vec, &vinfo), 0);
	assert_true(vinfo.borrowed);
	assert_int_equal(vinfo.msg.addr >> 20, 0xfee);
	signalled_without_us(vec, conf.fd);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	close(conf.fd);
}

/*
 * A vector that is freed under its queue: the next owner of its number does not hear of the queue.
 */
static void
freed_under_queue(struct rte_ims_store *store)
{
	struct rte_ims_vec_conf conf = { .flags = RTE_IMS_VEC_F_FD };
	struct rte_pmd_queue_dev_queue_conf qconf = { .depth = 16 };
	struct rte_pmd_queue_dev_op op = { .type = RTE_PMD_QUEUE_DEV_NOP };
	struct rte_pmd_queue_dev_completion done;
	struct rte_pmd_queue_dev_queue *q;
	struct rte_ims_vec_info vinfo;
	struct rte_ims_vec *vec;
	int fd[2], i;

	for (i = 0; i < 2; i++)
		fd[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	conf.fd = fd[0];
	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), store, RTE_IMS_SLOT_ANY, &conf);
	assert_non_null(vec);
	assert_int_equal(rte_ims_vec_info_get(vec, &vinfo), 0);
	qconf.vec = vec;
	q = rte_pmd_queue_dev_queue_create(dev, &qconf);
	assert_non_null(q);
	one_op(q, fd[0]);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	conf.fd = fd[1];
	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), store, vinfo.slot, &conf);
	/* A queue's own slot is that queue's. */
	if (store != rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX))
		assert_null(vec);
	else
		assert_non_null(vec);
	for (i = 0; i < 2; i++) {
		assert_int_equal(rte_pmd_queue_dev_arm(q), 0);
		assert_int_equal(rte_pmd_queue_dev_submit(q, &op, 1), 1);
		assert_false(fd_wait(fd[1], 20));
		assert_false(fd_wait(fd[0], 0));
		while (rte_pmd_queue_dev_poll(q, &done, 1) != 1)
			usleep(100);
		/* Nor after a reset, which has all vectors looked at. */
		if (i == 0)
			assert_int_equal(rte_ims_dev_reset(dev), 0);
		fd_wait(fd[1], 0);
	}
	/* Its vector is none. */
	assert_int_equal(rte_pmd_queue_dev_queue_attach(q, NULL), 0);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(q), 0);
	if (vec != NULL)
		assert_int_equal(rte_ims_vec_free(vec), 0);
	for (i = 0; i < 2; i++)
		close(fd[i]);
}

static void
test_freed_under_queue(void **state)
{
	struct rte_ims_store *store;
	struct rte_ims_store_info sinfo;
	uint32_t i;

	freed_under_queue(rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX));
	for (i = 0; (store = rte_ims_dev_store_at(dev, i)) != NULL; i++) {
		assert_int_equal(rte_ims_store_info_get(store, &sinfo), 0);
		if (strcmp(sinfo.name, "ims-queue") == 0)
			freed_under_queue(store);
	}
}

/* A pool that takes IMS slots first has MSI-X vectors for those who bring an eventfd. */
static void
test_dedicated_ims_first(void **state)
{
	struct rte_ims_pool_conf conf = { .flags = RTE_IMS_POOL_F_IMS_FIRST };
	struct rte_ims_pool *other = rte_ims_pool_create("ims-first", dev, &conf);
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct rte_ims_vec *vec;

	assert_non_null(other);
	vec = rte_ims_pool_dedicated(other, fd, NULL);
	assert_non_null(vec);
	signalled_without_us(vec, fd);
	assert_int_equal(rte_ims_pool_put(other, vec), 0);
	assert_int_equal(rte_ims_pool_destroy(other), 0);
	close(fd);
}

/* A peer with a vector's message. */
struct peer {
	struct rte_ims_msg msg;
	bool has;
	unsigned int changes;
};

static void
on_changed(struct rte_ims_vec *vec, const struct rte_ims_msg *msg, void *arg)
{
	struct peer *p = arg;

	p->changes++;
	p->has = msg != NULL;
	if (msg != NULL)
		p->msg = *msg;
}

static void
peer_post(struct peer *p)
{
	assert_true(p->has);
	__atomic_store_n((uint32_t *)(uintptr_t)p->msg.addr, p->msg.data, __ATOMIC_RELEASE);
}

static void
on_event(struct rte_ims_vec *vec, void *arg)
{
	(*(uint64_t *)arg)++;
}

/* The message follows the vector, and is revoked when it goes. Nothing that was posted is lost. */
static void
test_export(void **state)
{
	struct rte_ims_vec_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	struct rte_ims_store *msix = rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX);
	struct rte_ims_wait *sets[2];
	struct rte_ims_obj obj = { .fn = on_event };
	struct rte_ims_vec_info vinfo;
	struct rte_ims_vec *vec;
	struct peer peer = { 0 };
	struct rte_ims_msg msg;
	uint64_t events = 0, i;

	sets[0] = rte_ims_wait_create("a", NULL);
	sets[1] = rte_ims_wait_create("b", NULL);
	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), msix, RTE_IMS_SLOT_ANY, &conf);
	assert_non_null(vec);
	obj.arg = &events;
	assert_int_equal(rte_ims_vec_attach(vec, &obj), 0);
	assert_int_equal(rte_ims_vec_export(vec, on_changed, &peer, &peer.msg), -EAGAIN);
	assert_int_equal(rte_ims_wait_add(sets[0], vec), 0);
	assert_int_equal(rte_ims_vec_export(vec, on_changed, &peer, &peer.msg), 0);
	assert_int_equal(rte_ims_vec_export(vec, on_changed, &peer, &msg), -EBUSY);
	peer.has = true;
	for (i = 1; i <= 100; i++) {
		msg = peer.msg;
		peer_post(&peer);
		/* Posted, not handled, and it moves on. */
		assert_int_equal(rte_ims_wait_move(sets[i % 2], vec), 0);
		assert_int_equal(peer.changes, i);
		assert_true(msg.addr != peer.msg.addr);
		assert_true(rte_ims_wait_poll(sets[i % 2]) > 0);
		assert_int_equal(events, i);
		assert_int_equal(rte_ims_wait_poll(sets[(i + 1) % 2]), 0);
	}
	assert_int_equal(rte_ims_vec_info_get(vec, &vinfo), 0);
	assert_true(vinfo.exported);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_false(peer.has);
	/* An MSI-X vector's own message, with its eventfd behind it. */
	conf.delivery = RTE_IMS_DELIVERY_EVENTFD;
	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), msix, RTE_IMS_SLOT_ANY, &conf);
	assert_non_null(vec);
	assert_int_equal(rte_ims_vec_export(vec, on_changed, &peer, &msg), 0);
	assert_int_equal(msg.addr >> 20, 0xfee);
	assert_int_equal(rte_ims_vec_export_end(vec), 0);
	assert_int_equal(rte_ims_vec_export_end(vec), -ENOENT);
	assert_int_equal(rte_ims_vec_free(vec), 0);
	assert_int_equal(rte_ims_wait_destroy(sets[0]), 0);
	assert_int_equal(rte_ims_wait_destroy(sets[1]), 0);
}

/* An error of the device's reaches its vector. */
static void
error_arrives(struct rte_ims_vec *vec)
{
	const uint64_t bad = QUEUE_DEV_DB(0xff, 0, 0);
	uint64_t operand = 0;

	assert_int_equal(rte_pmd_queue_dev_error_get(dev, NULL), 0);
	assert_false(fd_wait(rte_ims_vec_fd_get(vec), 20));
	assert_int_equal(
		ims_dev_bar_write(dev, QUEUE_DEV_BAR, QUEUE_DEV_REG_DOORBELL, &bad, sizeof(bad)),
		0);
	assert_true(fd_wait(rte_ims_vec_fd_get(vec), E2E_PATIENCE_MS));
	assert_int_equal(rte_pmd_queue_dev_error_get(dev, &operand), QUEUE_DEV_ERROR_DOORBELL);
	assert_true(operand == bad);
}

/* Error and command interrupts have fixed indexes; the driver has taken the latter. */
static void
test_special(void **state)
{
	struct rte_ims_vec_conf conf = { .name = "error" };
	struct rte_pmd_queue_dev_info info;
	struct rte_ims_vec_info vinfo;
	struct rte_ims_vec *vec;
	bool cmd;

	assert_int_equal(rte_pmd_queue_dev_info_get(dev, &info), 0);
	cmd = info.ims || info.n_msix >= 2; /* else it is polled for */
	vec = rte_ims_pool_special(pool, 0, &conf);
	assert_non_null(vec);
	assert_int_equal(rte_ims_vec_info_get(vec, &vinfo), 0);
	assert_int_equal(vinfo.slot, 0);
	error_arrives(vec);
	assert_null(rte_ims_pool_special(pool, 1, &conf));
	assert_int_equal(rte_errno, cmd ? EBUSY : ERANGE);
	assert_null(rte_ims_pool_special(pool, 2, &conf));
	assert_int_equal(rte_errno, ERANGE);
	assert_int_equal(rte_ims_pool_put(pool, vec), 0);
}

/* An MSI-X vector that is not set aside is as good as any other, the only one too. */
static void
test_not_special(void **state)
{
	struct rte_ims_store *msix = rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX);
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 16, .fn = on_event };
	struct rte_pmd_queue_dev_info info;
	struct rte_pmd_queue_dev_queue *q;
	struct rte_ims_vec_info vinfo;
	uint64_t events = 0;

	assert_int_equal(rte_pmd_queue_dev_info_get(dev, &info), 0);
	if (!info.ims && info.n_msix <= 2)
		skip();
	conf.arg = &events;
	conf.vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), msix, RTE_IMS_SLOT_ANY, NULL);
	assert_non_null(conf.vec);
	assert_int_equal(rte_ims_vec_info_get(conf.vec, &vinfo), 0);
	assert_int_equal(vinfo.slot, info.n_msix >= 2 ? 2 : 0);
	q = rte_pmd_queue_dev_queue_create(dev, &conf);
	assert_non_null(q);
	assert_int_equal(rte_pmd_queue_dev_queue_destroy(q), 0);
	assert_int_equal(rte_ims_vec_free(conf.vec), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_dedicated),
		T(test_dedicated_ims),
		T(test_dedicated_ims_first),
		T(test_freed_under_queue),
		T(test_export),
		T(test_special),
		T(test_not_special),
	};

	/*
	 * A device that slept would have to be woken by a request, whose answer our thread reads.
	 */
	e2e_init(argc, argv, "emu:queue_dev,queues=256,engine=poll");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
