/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Every call that the libraries make into the system fails once: a life of a device, from open to close,
 * with all that its user does in between, is lived once for each place in the libraries that makes such a
 * call (the first time that it is come by, and the last), and each error that it can give. After it nothing
 * is left behind, no operation is lost, and a device that was there before works as before.
 *
 * A step of a life may fail, with an error; then the life ends. What undoes a step may fail once as well,
 * and does not when it is called again.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include <rte_ims_pool.h>
#include <rte_pmd_queue_dev.h>

#include "e2e.h"
#include "fault.h"

#define DEPTH 8

struct queue {
	struct rte_pmd_queue_dev_queue *q;
	unsigned int submitted;
	unsigned int done;
	unsigned int aborted;
};

static const char *where; /* the fault, for messages */

#define expect(cond)                                                                 \
	do {                                                                         \
		if (!(cond)) {                                                       \
			print_error("%s fails at %s: %s\n", where, __func__, #cond); \
			fail();                                                      \
		}                                                                    \
	} while (0)

static void
on_queue(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion c[DEPTH];
	struct queue *s = arg;
	int n, i;

	(void)vec;
	while ((n = rte_pmd_queue_dev_poll(s->q, c, DEPTH)) > 0)
		for (i = 0; i < n; i++)
			*(c[i].status == 0 ? &s->done : &s->aborted) += 1;
}

static bool
is_removed(const struct rte_ims_dev *dev)
{
	struct rte_ims_dev_info info;

	return rte_ims_dev_info_get(dev, &info) != 0 || info.removed;
}

/* Some operations, until they have been handled. -ENODEV: the device is gone, and they are aborted. */
static int
operate(struct rte_ims_dev *dev, struct rte_ims_wait *wait, struct queue *s)
{
	static const struct rte_pmd_queue_dev_op ops[DEPTH];
	uint64_t end = e2e_now_ns() + E2E_PATIENCE_NS;
	int n;

	n = rte_pmd_queue_dev_submit(s->q, ops, DEPTH);
	if (n < 0)
		return n;
	s->submitted += n;
	while (s->done + s->aborted != s->submitted && e2e_now_ns() < end && !is_removed(dev))
		rte_ims_wait_sleep(wait, 1000000);
	if (is_removed(dev))
		on_queue(NULL, s);
	expect(s->done + s->aborted == s->submitted);
	return is_removed(dev) ? -ENODEV : 0;
}

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
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = on_queue };
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
		expect(operate(resident.dev, resident.wait, &resident.queues[i]) == 0);
	expect(!is_removed(resident.dev));
}

static void
resident_close(void)
{
	assert_int_equal(rte_ims_dev_close(resident.dev), 0);
	assert_int_equal(rte_ims_wait_destroy(resident.wait), 0);
}

/* A life: each step's things, NULL while they are not there. */
static struct life {
	struct rte_ims_dev *dev;
	struct rte_ims_wait *waits[2];
	struct rte_ims_pool *pool;
	struct rte_ims_vec *vecs[2]; /* msix, ims-eq; one by eventfd, one in memory */
	struct rte_ims_vec *shared;
	struct rte_ims_vec *dedicated;
	struct rte_pmd_queue_dev_subdev *subdev;
	struct rte_ims_table *table;
	struct queue queues[3];
	void *mem;
	size_t mem_len;
	int fd;
} life;

static int
created(const void *p)
{
	expect(p != NULL || rte_errno != 0);
	return p != NULL ? 0 : -rte_errno;
}

static int
open_device(void)
{
	struct rte_ims_dev_conf conf = { .timeout_ms = 1000 };
	int rc;

	life.dev = rte_ims_dev_open(e2e_dev_name, &conf);
	rc = created(life.dev);
	if (rc == 0) {
		life.waits[0] = rte_ims_wait_create("fault0", NULL);
		rc = created(life.waits[0]);
	}
	if (rc == 0) {
		life.waits[1] = rte_ims_wait_create("fault1", NULL);
		rc = created(life.waits[1]);
	}
	return rc;
}

static int
make_vectors(void)
{
	static const enum rte_ims_store_type stores[] = { RTE_IMS_STORE_MSIX, RTE_IMS_STORE_QUEUE };
	struct rte_ims_vec_conf conf = { 0 };
	int rc = 0;
	unsigned int i;

	for (i = 0; i < 2 && rc == 0; i++) {
		conf.delivery = i;
		life.vecs[i] = rte_ims_vec_alloc(rte_ims_dev_table(life.dev),
			rte_ims_dev_store_get(life.dev, stores[i]), RTE_IMS_SLOT_ANY, &conf);
		rc = created(life.vecs[i]);
		if (rc == 0)
			rc = rte_ims_wait_add(life.waits[0], life.vecs[i]);
	}
	return rc;
}

static int
make_pool(void)
{
	int rc;

	life.pool = rte_ims_pool_create("fault", life.dev, NULL);
	rc = created(life.pool);
	if (rc == 0)
		rc = rte_ims_pool_lcore_add(life.pool, rte_get_main_lcore(), life.waits[1]);
	if (rc == 0) {
		life.shared = rte_ims_pool_get(life.pool, NULL);
		rc = created(life.shared);
	}
	if (rc == 0) {
		life.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_true(life.fd >= 0);
		life.dedicated = rte_ims_pool_dedicated(life.pool, life.fd, "fault");
		rc = created(life.dedicated);
	}
	return rc;
}

static int
make_queues(void)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH, .fn = on_queue };
	int rc = 0;
	unsigned int i;

	life.subdev = rte_pmd_queue_dev_subdev_create(life.dev, "fault", 4);
	rc = created(life.subdev);
	for (i = 0; i < 3 && rc == 0; i++) {
		conf.vec = i < 2 ? life.vecs[0] : life.shared;
		conf.subdev = i == 2 ? life.subdev : NULL;
		conf.arg = &life.queues[i];
		life.queues[i].q = rte_pmd_queue_dev_queue_create(life.dev, &conf);
		rc = created(life.queues[i].q);
		if (rc == 0)
			rc = operate(life.dev, life.waits[i / 2], &life.queues[i]);
	}
	return rc;
}

static int
change_them(void)
{
	int rc;

	rc = rte_ims_vec_delivery_set(life.vecs[0], RTE_IMS_DELIVERY_MEMORY);
	if (rc == 0)
		rc = operate(life.dev, life.waits[0], &life.queues[0]);
	if (rc == 0)
		rc = rte_ims_vec_delivery_set(life.vecs[0], RTE_IMS_DELIVERY_EVENTFD);
	if (rc == 0)
		rc = operate(life.dev, life.waits[0], &life.queues[0]);
	if (rc == 0)
		rc = rte_ims_wait_move(life.waits[1], life.vecs[0]);
	if (rc == 0)
		rc = operate(life.dev, life.waits[1], &life.queues[0]);
	if (rc == 0)
		rc = rte_pmd_queue_dev_queue_attach(life.queues[1].q, life.shared);
	if (rc == 0)
		rc = operate(life.dev, life.waits[1], &life.queues[1]);
	if (rc == 0)
		rc = rte_ims_vec_mask(life.vecs[1]);
	if (rc == 0)
		rc = rte_ims_vec_unmask(life.vecs[1]);
	return rc;
}

static int
map_memory(void)
{
	void *mem = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	assert_true(mem != MAP_FAILED);
	rc = rte_ims_dev_dma_map(life.dev, mem, 65536, -1, 0);
	if (rc != 0) {
		munmap(mem, 65536);
		return rc;
	}
	life.mem = mem;
	life.table = rte_ims_table_create(life.dev, "more", 8);
	return created(life.table);
}

static int
look_and_reset(void)
{
	FILE *f = fopen("/dev/null", "we");
	int rc;

	assert_non_null(f);
	rc = rte_ims_dev_dump(life.dev, f);
	fclose(f);
	if (rc == 0)
		rc = rte_ims_dev_reset(life.dev);
	if (rc == 0)
		rc = rte_ims_dev_audit(life.dev);
	return rc >= 0 ? operate(life.dev, life.waits[1], &life.queues[0]) : rc;
}

/* Whatever fails in it, it has not failed when it has been called once more. */
static void
surely(int (*undo)(void *arg), void *arg)
{
	int rc = undo(arg);

	if (rc != 0) {
		expect(rc < 0);
		rc = undo(arg);
	}
	if (rc != 0)
		print_error("%d: %s\n", rc, rte_strerror(-rc));
	expect(rc == 0);
}

static int
queue_destroy(void *arg)
{
	return rte_pmd_queue_dev_queue_destroy(arg);
}

static int
pool_put(void *arg)
{
	return rte_ims_pool_put(life.pool, arg);
}

static int
pool_destroy(void *arg)
{
	return rte_ims_pool_destroy(arg);
}

static int
vec_free(void *arg)
{
	return rte_ims_vec_free(arg);
}

static int
table_free(void *arg)
{
	return rte_ims_table_free(arg);
}

static int
subdev_destroy(void *arg)
{
	return rte_pmd_queue_dev_subdev_destroy(arg);
}

static int
dma_unmap(void *arg)
{
	return rte_ims_dev_dma_unmap(life.dev, arg, 65536);
}

static int
dev_close(void *arg)
{
	return rte_ims_dev_close(arg);
}

static int
wait_destroy(void *arg)
{
	return rte_ims_wait_destroy(arg);
}

static void
undo(int (*fn)(void *arg), void *arg)
{
	if (arg != NULL)
		surely(fn, arg);
}

/* All that there is, from the last to the first. */
static void
end(void)
{
	unsigned int i;

	undo(table_free, life.table);
	undo(dma_unmap, life.mem);
	if (life.mem != NULL)
		munmap(life.mem, 65536);
	for (i = 3; i-- > 0;)
		undo(queue_destroy, life.queues[i].q);
	undo(subdev_destroy, life.subdev);
	undo(pool_put, life.dedicated);
	undo(pool_put, life.shared);
	undo(pool_destroy, life.pool);
	for (i = 0; i < 2; i++)
		undo(vec_free, life.vecs[i]);
	undo(dev_close, life.dev);
	for (i = 0; i < 2; i++)
		undo(wait_destroy, life.waits[i]);
	if (life.fd >= 0)
		close(life.fd);
}

/* 0, or the error that has ended it early. */
static int
live(void)
{
	static int (*const steps[])(void) = { open_device, make_vectors, make_pool, make_queues,
		change_them, map_memory, look_and_reset };
	unsigned int i;
	int rc = 0;

	memset(&life, 0, sizeof(life));
	life.fd = -1;
	for (i = 0; i < RTE_DIM(steps) && rc == 0; i++)
		rc = steps[i]();
	expect(rc <= 0);
	end();
	return rc;
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
		print_error("%s memory is left of %s\n", where, site);
	expect(site == NULL);
}

static unsigned int fds, maps, dpdk_pieces, lives, ended_early, not_met;

static void
live_with_fault(unsigned int site, unsigned int nth, unsigned int way)
{
	char name[320];
	bool came;
	int rc;

	snprintf(name, sizeof(name), "%s, call %u, error %u:", fault_site_name(site), nth, way);
	where = name;
	fault_life_begins();
	fault_arm(site, nth, way);
	rc = live();
	came = fault_disarm();
	lives++;
	not_met += !came;
	ended_early += rc != 0;
	expect(came || rc == 0);
	expect(count_fds() == fds);
	expect(e2e_count_maps() == maps);
	expect(count_dpdk_pieces() == dpdk_pieces);
	expect_no_memory_left();
	expect(e2e_count_children() == 1);
	resident_works();
}

static void
test_faults(void **state)
{
	unsigned int i, n, way, k, sites, calls[1024];
	struct rte_ims_dev *dev;

	(void)state;
	resident_open();
	where = "nothing";
	assert_int_equal(live(), 0); /* what is made once, for ever */
	fault_count_from_0();
	assert_int_equal(live(), 0);
	sites = fault_n_sites();
	for (i = 0; i < sites; i++)
		calls[i] = fault_site_get(i).calls;
	fds = count_fds();
	maps = e2e_count_maps();
	dpdk_pieces = count_dpdk_pieces();
	resident_works();
	for (i = 0; i < sites; i++)
		for (way = 0; way < fault_n_ways(i); way++)
			for (k = 0; k < RTE_MIN(calls[i], 2u); k++) {
				n = k == 0 ? 1 : calls[i];
				live_with_fault(i, n, way);
			}
	dev = rte_ims_dev_next(NULL);
	assert_ptr_equal(dev, resident.dev);
	assert_null(rte_ims_dev_next(dev));
	resident_close();
	print_message(
		"%u places that call the system, %u lives with a fault, %u ended early, %u did "
		"not come to it\n",
		sites, lives, ended_early, not_met);
	/* A sanitizer has its own malloc(). */
	assert_true(sites > 25 && ended_early > 25 && not_met < lives / 4);
}

int
main(int argc, char **argv)
{
	static const char *const libraries[] = { "librte_ims.so", "librte_pmd_queue_dev.so", NULL };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults),
	};

	fault_init(libraries);
	e2e_init(argc, argv, "emu:queue_dev,queues=64,subdevs=4");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
