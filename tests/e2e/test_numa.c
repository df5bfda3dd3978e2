/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A machine with two NUMA nodes and hugepages on both: where doorbells lie and interrupts arrive,
 * and memory that DPDK adds while a device is open. Runs in a guest, with --dev pci:... of an NVMe
 * controller on node 1, lcores on both, and EAL's own choice of memory.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/mempolicy.h>

#include <rte_lcore.h>
#include <rte_malloc.h>

#include <rte_ims_pool.h>

#include "e2e_nvme.h"

#define DEV_NODE 1

static int
node_of(const void *addr)
{
	int node = -1;

	assert_int_equal(
		syscall(SYS_get_mempolicy, &node, NULL, 0, addr, MPOL_F_NODE | MPOL_F_ADDR), 0);
	return node;
}

/* The CPU that an interrupt may arrive on. */
static int
irq_cpu(uint32_t vector)
{
	uint64_t count[2];
	char path[64];
	int cpu = -1;
	FILE *f;

	snprintf(
		path, sizeof(path), "/proc/irq/%u/effective_affinity_list", nv_irqs(vector, count));
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &cpu), 1);
	fclose(f);
	return cpu;
}

static void
on_near(struct rte_ims_vec *vec, void *arg)
{
	io_drain(arg);
}

/* One command on a queue whose vector is in a set. */
static void
one_command(struct io *io, struct rte_ims_wait *set)
{
	uint64_t done = io->done + 1;

	assert_int_equal(rte_pmd_nvme_submit(io->queue, RTE_PMD_NVME_READ, 0, 1, nv.buf, NULL), 0);
	while (io->done < done)
		assert_true(rte_ims_wait_sleep(set, 5 * SECOND_NS) >= 0);
}

/*
 * While the kernel still cleans up after the last move of an interrupt, the next one is put off to
 * the next interrupt (kernel/irq/manage.c, irq_try_set_affinity()).
 */
static void
assert_irq_cpu(struct io *io, struct rte_ims_wait *set, int cpu)
{
	struct rte_ims_vec_info vinfo;
	unsigned int i;

	assert_int_equal(rte_ims_vec_info_get(io->vec, &vinfo), 0);
	for (i = 0; i < 100 && irq_cpu(vinfo.slot) != cpu; i++) {
		usleep(10000);
		one_command(io, set);
	}
	assert_int_equal(irq_cpu(vinfo.slot), cpu);
}

/* A set made for an lcore has its doorbells on the lcore's node, and interrupts on its CPU. */
static void
test_placement(void **state)
{
	struct rte_ims_wait_conf conf = { .flags = RTE_IMS_WAIT_F_LCORE };
	struct rte_ims_wait_info winfo;
	struct rte_ims_dev_info dinfo;
	struct rte_ims_vec_info vinfo;
	struct rte_ims_wait *set;
	unsigned int lcore, n = 0;
	struct io io[2];

	assert_int_equal(rte_ims_dev_info_get(nv.dev, &dinfo), 0);
	assert_int_equal(dinfo.numa_node, DEV_NODE);
	io_open(&io[0], RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	io_open(&io[1], RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	RTE_LCORE_FOREACH(lcore) {
		conf.lcore_id = lcore;
		set = rte_ims_wait_create("lcore", &conf);
		assert_non_null(set);
		assert_int_equal(rte_ims_wait_info_get(set, &winfo), 0);
		assert_int_equal(winfo.numa_node, rte_lcore_to_socket_id(lcore));
		for (n = 0; n < 2; n++) {
			assert_int_equal(rte_ims_wait_del(nv.set, io[n].vec), 0);
			assert_int_equal(rte_ims_wait_add(set, io[n].vec), 0);
			one_command(&io[n], set);
		}
		assert_irq_cpu(&io[0], set, lcore); /* lcore n is CPU n */
		assert_int_equal(rte_ims_vec_info_get(io[1].vec, &vinfo), 0);
		assert_int_equal(
			node_of((void *)(uintptr_t)vinfo.msg.addr), rte_lcore_to_socket_id(lcore));
		for (n = 0; n < 2; n++) {
			assert_int_equal(rte_ims_wait_del(set, io[n].vec), 0);
			assert_int_equal(rte_ims_wait_add(nv.set, io[n].vec), 0);
		}
		assert_int_equal(rte_ims_wait_destroy(set), 0);
	}
	assert_true(rte_lcore_count() >= 4);
	io_close(&io[0]);
	io_close(&io[1]);
}

/*
 * Users who ask for the device's neighbourhood get vectors of its node's lcores, one after the
 * other.
 */
static void
near_device(enum rte_ims_delivery delivery)
{
	struct rte_ims_pool_conf pconf = { .delivery = delivery };
	struct rte_ims_wait_conf wconf = { .flags = RTE_IMS_WAIT_F_LCORE };
	struct rte_ims_want want = { .place = RTE_IMS_PLACE_NEAR_DEVICE };
	struct rte_ims_wait *sets[RTE_MAX_LCORE] = { NULL };
	struct rte_ims_obj obj[4] = { 0 };
	struct rte_ims_vec_info vinfo;
	struct rte_ims_vec *vecs[4];
	struct rte_ims_pool *pool;
	struct io io[4] = { 0 };
	unsigned int lcore, i, used = 0;
	int at;

	pool = rte_ims_pool_create("numa", nv.dev, &pconf);
	assert_non_null(pool);
	RTE_LCORE_FOREACH(lcore) {
		wconf.lcore_id = lcore;
		sets[lcore] = rte_ims_wait_create("lcore", &wconf);
		assert_int_equal(rte_ims_pool_lcore_add(pool, lcore, sets[lcore]), 0);
	}
	for (i = 0; i < 4; i++) {
		vecs[i] = rte_ims_pool_get(pool, &want);
		assert_non_null(vecs[i]);
		at = rte_ims_pool_vec_lcore(pool, vecs[i]);
		assert_int_equal(rte_lcore_to_socket_id(at), DEV_NODE);
		used |= 1u << at;
		io[i].vec = vecs[i];
		obj[i].fn = on_near;
		obj[i].arg = &io[i];
		assert_int_equal(rte_ims_vec_attach(vecs[i], &obj[i]), 0);
		io[i].queue = rte_pmd_nvme_queue_create(nv.dev, NV_DEPTH, vecs[i]);
		assert_non_null(io[i].queue);
		one_command(&io[i], sets[at]);
		assert_int_equal(rte_ims_vec_info_get(vecs[i], &vinfo), 0);
		if (delivery == RTE_IMS_DELIVERY_MEMORY)
			assert_int_equal(node_of((void *)(uintptr_t)vinfo.msg.addr), DEV_NODE);
		else
			assert_irq_cpu(&io[i], sets[at], at);
	}
	assert_int_equal(used, 1u << 2 | 1u << 3); /* both of the node's, and shared by two each */
	for (i = 0; i < 4; i++) {
		assert_int_equal(rte_pmd_nvme_queue_destroy(io[i].queue), 0);
		assert_int_equal(rte_ims_vec_detach(&obj[i]), 0);
		assert_int_equal(rte_ims_pool_put(pool, vecs[i]), 0);
	}
	assert_int_equal(rte_ims_pool_destroy(pool), 0);
	RTE_LCORE_FOREACH(lcore)
		assert_int_equal(rte_ims_wait_destroy(sets[lcore]), 0);
}

static void
test_pool_near_device(void **state)
{
	near_device(RTE_IMS_DELIVERY_EVENTFD);
	near_device(RTE_IMS_DELIVERY_MEMORY);
}

/* Memory that DPDK adds later is mapped for the device when the allocation returns, on any node. */
static void
test_memory_added(void **state)
{
	size_t size = 16 << 20;
	unsigned int i, node;
	uint8_t *mem[2];
	struct io io;

	io_open(&io, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	memset(nv.buf, 0x5a, 4096);
	io_do(&io, RTE_PMD_NVME_WRITE, 100, 8, nv.buf);
	for (i = 0; i < 3; i++) {
		for (node = 0; node < 2; node++) {
			mem[node] = rte_malloc_socket("hot", size, 2 << 20, node);
			assert_non_null(mem[node]);
			assert_int_equal(node_of(mem[node] + size - 4096), node);
			memset(mem[node] + size - 4096, 0, 4096);
			io_do(&io, RTE_PMD_NVME_READ, 100, 8, mem[node] + size - 4096);
			assert_int_equal(io.failed, 0);
			assert_memory_equal(mem[node] + size - 4096, nv.buf, 4096);
		}
		rte_free(mem[0]);
		rte_free(mem[1]);
	}
	io_close(&io);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_placement, nv_setup, nv_teardown),
		cmocka_unit_test_setup_teardown(test_pool_near_device, nv_setup, nv_teardown),
		cmocka_unit_test_setup_teardown(test_memory_added, nv_setup, nv_teardown),
	};

	e2e_init(argc, argv, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
