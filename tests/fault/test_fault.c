/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Every call that the libraries make into the system fails once: each life (life.h) is lived once
 * for each place in the libraries that makes such a call in it, and the call fails there. A place
 * that only a failure leads to fails after that failure. Then nothing is left behind, no operation
 * is lost, and a device that was there before works as before. fault.py sees that no place is
 * missing.
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

#define MAX_CALLS 300u /* looked at one by one */

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

static void
expect_no_memory_left(void)
{
	const char *site = fault_left();

	if (site != NULL)
		print_error("%s memory is left of %s\n", life_where, site);
	expect(site == NULL);
}

static const struct life {
	const char *name;
	int (*live)(void);
	enum {
		MORE,
		EACH,
		SLOW
	} at; /* at places that none before it comes to, at each, at those that no other does */
} lives[] = {
	{ "socket", life_socket, EACH },
	{ "gone", life_gone, EACH },
	{ "iommufd", life_iommufd, MORE },
	{ "container", life_container, MORE },
	{ "timer_ims", life_timer, MORE },
	{ "queue_dev", life_queue, MORE },
	{ "unserved", life_unserved, SLOW },
	{ "stopped", life_stopped, SLOW },
};

/* A call that fails, of a life; nth: which one of the site. */
struct fault {
	const struct life *life;
	unsigned int site;
	unsigned int nth;
	unsigned int way;
};

/*
 * By site: how often the lives come to it without a fault, and the fault that leads to it, where
 * none does.
 */
static unsigned int calls[RTE_DIM(lives)][FAULT_MAX_SITES];
static struct fault leads_to[FAULT_MAX_SITES];

static unsigned int fds, maps, children, dpdk_pieces, n_lives, ended_early, not_met;

static void
describe(char *text, size_t size, const struct fault *f, const struct fault *also)
{
	int n = snprintf(text, size, "%s, %s, call %u, error %u", f->life->name,
		fault_site_name(f->site), f->nth, f->way);

	if (also != NULL)
		snprintf(text + n, size - n, " and %s, error %u", fault_site_name(also->site),
			also->way);
}

/* Places that nothing but this has led to. */
static void
note_led_to(const struct fault *f)
{
	unsigned int i, k;

	for (i = 0; i < fault_n_sites(); i++) {
		for (k = 0; k < RTE_DIM(lives) && calls[k][i] == 0; k++)
			;
		if (k == RTE_DIM(lives) && leads_to[i].life == NULL && fault_site_get(i).calls != 0)
			leads_to[i] = *f;
	}
}

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
live_with(const struct fault *f, const struct fault *also)
{
	char text[512];
	bool came;
	int rc;

	describe(text, sizeof(text), f, also);
	life_where = text;
	fault_life_begins();
	fault_count_from_0();
	fault_arm(0, f->site, f->nth, f->way);
	if (also != NULL)
		fault_arm(1, also->site, also->nth, also->way);
	rc = f->life->live();
	came = fault_disarm(0);
	fault_disarm(1);
	note_led_to(f);
	n_lives++;
	not_met += !came;
	ended_early += rc != 0;
	expect(came || rc == 0);
	expect(also != NULL || is_told(f, rc));
	expect_descriptors(fds);
	expect(e2e_count_maps() == maps);
	expect(count_dpdk_pieces() == dpdk_pieces);
	expect_no_memory_left();
	expect(e2e_count_children() == children);
	resident_works();
}

/* Twice: what is made once, for ever, is made, and threads have taken turns. */
static void
live_without(void)
{
	unsigned int turn, k, i;

	life_where = "nothing";
	for (turn = 0; turn < 2; turn++)
		for (k = 0; k < RTE_DIM(lives); k++) {
			fault_count_from_0();
			assert_int_equal(lives[k].live(), 0);
			for (i = 0; i < fault_n_sites(); i++)
				calls[k][i] = RTE_MAX(calls[k][i], fault_site_get(i).calls);
		}
	fds = count_fds();
	maps = e2e_count_maps();
	children = e2e_count_children();
	dpdk_pieces = count_dpdk_pieces();
	resident_works();
}

static void
fail_all_ways(struct fault *f)
{
	unsigned int n = fault_n_ways(f->site);

	for (f->way = 0; f->way < n; f->way++)
		live_with(f, NULL);
}

/* Each call: what has been done before it differs. */
static void
fail_each_call(struct fault *f)
{
	f->way = 0;
	for (f->nth = 2; f->nth <= RTE_MIN(calls[f->life - lives][f->site], MAX_CALLS); f->nth++)
		live_with(f, NULL);
}

/* In the first life that comes there. */
static void
fail_in_lives(unsigned int i)
{
	struct fault f = { .site = i };
	bool some = false;
	unsigned int k;

	for (k = 0; k < RTE_DIM(lives); k++) {
		if (calls[k][i] == 0 ||
			(some && lives[k].at != EACH && (!full || lives[k].at == SLOW)))
			continue;
		some = true;
		f.life = &lives[k];
		f.nth = 1;
		fail_all_ways(&f);
		if (full && lives[k].at != SLOW)
			fail_each_call(&f);
	}
}

/* There are more of them at the end than at the beginning. */
static void
fail_where_led(void)
{
	struct fault also = { .nth = 1 };
	unsigned int i;

	for (i = 0; i < fault_n_sites(); i++) {
		also.site = i;
		for (also.way = 0; leads_to[i].life != NULL && also.way < fault_n_ways(i);
			also.way++)
			live_with(&leads_to[i], &also);
	}
}

static bool
has_failed(const struct fault *f)
{
	return (fault_site_get(f->site).failed >> f->way & 1) != 0;
}

/* In whatever life comes there, until it has. */
static void
fail_missed(struct fault *f)
{
	unsigned int k;

	for (k = 0; k < RTE_DIM(lives) && !has_failed(f); k++) {
		f->life = &lives[k];
		if (calls[k][f->site] != 0)
			live_with(f, NULL);
	}
	if (leads_to[f->site].life != NULL && !has_failed(f))
		live_with(&leads_to[f->site], f);
}

/* Threads take turns: what a life came to once, it may not have come to in its turn. */
static void
fail_what_was_missed(void)
{
	struct fault f = { .nth = 1 };
	unsigned int tries;

	for (tries = 0; tries < 5; tries++)
		for (f.site = 0; f.site < fault_n_sites(); f.site++)
			for (f.way = 0; f.way < fault_n_ways(f.site); f.way++)
				fail_missed(&f);
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
	unsigned int i, sites;
	struct rte_ims_dev *dev;

	(void)state;
	resident_open();
	fail_first_pool();
	live_without();
	sites = fault_n_sites();
	for (i = 0; i < sites; i++)
		fail_in_lives(i);
	fail_where_led();
	fail_what_was_missed();
	dev = rte_ims_dev_next(NULL);
	assert_ptr_equal(dev, resident.dev);
	assert_null(rte_ims_dev_next(dev));
	resident_close();
	print_message(
		"%u places that call the system, %u lives with a fault, %u ended early, %u did "
		"not come to it\n",
		fault_n_sites(), n_lives, ended_early, not_met);
	assert_true(fault_n_sites() > 200 && ended_early > 100 && not_met < n_lives / 4);
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
