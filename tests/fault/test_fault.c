/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Every call that the libraries make into the system fails once, in the lives of life.h
 * (fault_run.h). Then nothing is left behind, no operation is lost, and a device that was there
 * before works as before. fault.py sees that no place is missing.
 *
 * --full: in each life that comes there, and each call.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_malloc.h>

#include <rte_ims_pool.h>

#include "fake_kernel.h"
#include "fault.h"
#include "life.h"
#include "queue.h"

static bool full;

/* The device that was there before, and is not to notice. */
static struct {
	struct rte_ims_dev *dev;
	struct rte_ims_wait *wait;
	struct rte_ims_vec *vecs[2];
	struct queue queues[2];
} resident;

static void
resident_open(void)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = QUEUE_DEPTH, .fn = queue_on_event };
	unsigned int i;

	resident.dev = rte_ims_dev_open("emu:queue_dev,queues=16,subdevs=1,eqs=8", NULL);
	assert_non_null(resident.dev);
	resident.wait = rte_ims_wait_create("resident", NULL);
	assert_non_null(resident.wait);
	for (i = 0; i < 2; i++) {
		resident.vecs[i] = rte_ims_vec_alloc(rte_ims_dev_table(resident.dev),
			rte_ims_dev_store_get(resident.dev, RTE_IMS_STORE_MSIX), RTE_IMS_SLOT_ANY,
			&(struct rte_ims_vec_conf){ .delivery = i });
		assert_non_null(resident.vecs[i]);
		assert_int_equal(rte_ims_wait_add(resident.wait, resident.vecs[i]), 0);
		conf.vec = resident.vecs[i];
		conf.arg = &resident.queues[i];
		resident.queues[i].q = rte_pmd_queue_dev_queue_create(resident.dev, &conf);
		assert_non_null(resident.queues[i].q);
	}
}

static void
resident_works(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		expect(queue_operate(resident.dev, resident.wait, &resident.queues[i]) == 0);
	expect(!life_is_removed(resident.dev));
}

static void
resident_close(void)
{
	assert_int_equal(rte_ims_dev_close(resident.dev), 0);
	assert_int_equal(rte_ims_wait_destroy(resident.wait), 0);
}

/* What those are that are there now, to tell which is one too many, or has gone. */
static void
print_fds(void)
{
	char path[64], target[256];
	ssize_t n;
	int fd;

	for (fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = 0;
		print_error("descriptor %d: %s\n", fd, target);
	}
}

static void
expect_descriptors(unsigned int n)
{
	unsigned int now = count_fds();

	if (now != n) {
		print_error("%u descriptors, and not %u\n", now, n);
		print_fds();
	}
	expect(now == n);
}

/* Pieces of DPDK's memory. */
static unsigned int
count_dpdk_pieces(void)
{
	struct rte_malloc_socket_stats stats = { 0 };

	expect(rte_malloc_get_socket_stats(0, &stats) == 0);
	return stats.alloc_count;
}

static const struct fault_life lives[] = {
	{ "socket", life_socket, FAULT_EACH },
	{ "gone", life_gone, FAULT_EACH },
	{ "iommufd", life_iommufd, FAULT_MORE },
	{ "container", life_container, FAULT_MORE },
	{ "timer_ims", life_timer, FAULT_MORE },
	{ "queue_dev", life_queue, FAULT_MORE },
	{ "unserved", life_unserved, FAULT_SLOW },
	{ "stopped", life_stopped, FAULT_SLOW },
};

static unsigned int fds, maps, children, dpdk_pieces;

/*
 * What has ended a life is what failed in it, but for what is tried again until it is too late, and
 * for what has a meaning of its own where it failed.
 */
static bool
is_told(const struct fault *f, int rc)
{
	static const struct {
		const char *function;
		int told;
	} others[] = {
		{ "recvmsg", -ENODEV },  /* the connection is of no more use */
		{ "sendmsg", -ENODEV },  /* half a message is out */
		{ "ioctl", -ENOTSUP },   /* a kernel that does not know what it is asked */
		{ "readlink", -ENOENT }, /* then the program is where it gets installed, or not */
		{ "access", -ENOENT },   /* the same */
	};
	const char *function = fault_site_get(f->site).function;
	int error = fault_error(f->site, f->way);
	unsigned int i;

	for (i = 0; i < RTE_DIM(others); i++)
		if (strcmp(others[i].function, function) == 0 && rc == others[i].told)
			return true;
	return rc == 0 || rc == -error || error == EINTR || error == EAGAIN;
}

static void
check(const struct fault *f, const struct fault *also, int rc)
{
	expect(also != NULL || is_told(f, rc));
	expect_descriptors(fds);
	expect(e2e_count_maps() == maps);
	expect(count_dpdk_pieces() == dpdk_pieces);
	fault_expect_no_memory_left();
	expect(e2e_count_children() == children);
	resident_works();
}

static void
settled(void)
{
	fds = count_fds();
	maps = e2e_count_maps();
	children = e2e_count_children();
	dpdk_pieces = count_dpdk_pieces();
	resident_works();
}

static void
make_first_pool(unsigned int site, unsigned int way)
{
	static unsigned int kept;
	struct rte_ims_pool *pool;
	bool came;

	life_where = "the first pool";
	fault_count_from_0();
	fault_life_begins();
	fault_arm(0, site, 1, way);
	pool = rte_ims_pool_create("first", resident.dev, NULL);
	came = fault_disarm(0);
	expect(came || pool != NULL);
	expect(pool == NULL || rte_ims_pool_destroy(pool) == 0);
	kept += fault_left() != NULL;
	expect(kept <= 1);
}

/*
 * What the first pool of a process asks of the machine is kept: each site is the one that fails in
 * its turn, until there is no new one.
 */
static void
fail_first_pool(void)
{
	unsigned int i, way;

	resident_works(); /* its sites are known then */
	for (i = fault_n_sites(); i <= fault_n_sites(); i++) {
		way = 0;
		do
			make_first_pool(i, way);
		while (++way < fault_n_ways(i));
	}
	resident_works();
}

static int
setup(void **state)
{
	(void)state;
	life_socket_begin();
	fake_kernel_make();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fake_kernel_remove();
	life_socket_end();
	return 0;
}

static void
test_faults(void **state)
{
	const struct fault_run run = { lives, RTE_DIM(lives), full, settled, check };
	struct rte_ims_dev *dev;
	struct fault_sum sum;

	(void)state;
	resident_open();
	fail_first_pool();
	sum = fault_run(&run);
	dev = rte_ims_dev_next(NULL);
	assert_ptr_equal(dev, resident.dev);
	assert_null(rte_ims_dev_next(dev));
	resident_close();
	assert_true(fault_n_sites() > 200 && sum.ended_early > 100 && sum.not_met < sum.lives / 4);
}

int
main(int argc, char **argv)
{
	static const char *const libraries[] = { "librte_ims.so", "librte_pmd_", NULL };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
	};
	static char mem[] = "--mem=16";
	char *args[] = { argv[0], mem, NULL };
	const char *report = getenv("FAULT_REPORT");
	int rc;

	full = argc > 1 && strcmp(argv[1], "--full") == 0;
	fault_init(libraries);
	e2e_init(2, args, "emu:queue_dev,queues=64,subdevs=4,inject=1");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	if (report != NULL)
		fault_report(report);
	return rc;
}
