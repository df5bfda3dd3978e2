/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "e2e_nvme.h"

struct nv nv;

int
nv_setup_flags(uint32_t flags)
{
	nv.dev = e2e_open_flags(flags);
	assert_int_equal(rte_pmd_nvme_info_get(nv.dev, &nv.info), 0);
	nv.set = rte_ims_wait_create("e2e", NULL);
	nv.buf = rte_zmalloc("e2e", 1 << 20, 4096);
	return nv.set == NULL || nv.buf == NULL;
}

int
nv_setup(void **state)
{
	return nv_setup_flags(0);
}

int
nv_teardown(void **state)
{
	rte_free(nv.buf);
	assert_int_equal(rte_ims_dev_close(nv.dev), 0);
	return rte_ims_wait_destroy(nv.set);
}

void
io_drain(struct io *io)
{
	struct rte_pmd_nvme_completion done[NV_DEPTH];
	int n, i;

	n = rte_pmd_nvme_poll(io->queue, done, NV_DEPTH);
	for (i = 0; i < n; i++)
		if (done[i].status != 0) {
			io->failed++;
			io->status = done[i].status;
		}
	io->done += n;
}

static void
on_io(struct rte_ims_vec *vec, void *arg)
{
	struct io *io = arg;

	io->calls++;
	io_drain(io);
}

void
io_open(struct io *io, uint32_t slot, enum rte_ims_delivery delivery)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };

	memset(io, 0, sizeof(*io));
	io->vec = rte_ims_vec_alloc(rte_ims_dev_table(nv.dev),
		rte_ims_dev_store_get(nv.dev, RTE_IMS_STORE_MSIX), slot, &conf);
	assert_non_null(io->vec);
	io->obj.fn = on_io;
	io->obj.arg = io;
	assert_int_equal(rte_ims_vec_attach(io->vec, &io->obj), 0);
	assert_int_equal(rte_ims_wait_add(nv.set, io->vec), 0);
	io->queue = rte_pmd_nvme_queue_create(nv.dev, NV_DEPTH, io->vec);
	assert_non_null(io->queue);
}

void
io_close(struct io *io)
{
	assert_int_equal(rte_pmd_nvme_queue_destroy(io->queue), 0);
	assert_int_equal(rte_ims_vec_free(io->vec), 0);
}

struct target {
	struct io *io;
	uint64_t done;
};

static bool
reached(void *arg)
{
	const struct target *t = arg;

	return t->io->done >= t->done;
}

void
io_wait(struct io *io, uint64_t done)
{
	struct target t = { io, done };

	assert_true(e2e_wait_for(nv.set, reached, &t, 10 * SECOND_NS));
}

void
io_do(struct io *io, enum rte_pmd_nvme_op op, uint64_t lba, uint32_t n, void *data)
{
	uint64_t want = io->done + 1;

	assert_int_equal(rte_pmd_nvme_submit(io->queue, op, lba, n, data, NULL), 0);
	io_wait(io, want);
}

unsigned int
nv_irqs(uint32_t vector, uint64_t count[2])
{
	char line[512], action[64], *p;
	unsigned int irq = 0;
	FILE *f;

	f = fopen("/proc/interrupts", "r");
	assert_non_null(f);
	count[0] = count[1] = 0;
	snprintf(action, sizeof(action), "vfio-msix[%u](%s)", vector, e2e_dev_name + 4);
	while (fgets(line, sizeof(line), f) != NULL) {
		p = strchr(line, ':');
		if (p == NULL || strstr(line, action) == NULL)
			continue;
		irq = atoi(line);
		count[0] = strtoull(p + 1, &p, 10);
		count[1] = strtoull(p, &p, 10);
	}
	fclose(f);
	return irq;
}

void
nv_irq_move(uint32_t vector, int cpu)
{
	uint64_t count[2];
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/irq/%u/smp_affinity_list", nv_irqs(vector, count));
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fprintf(f, "%d\n", cpu) > 0);
	assert_int_equal(fclose(f), 0);
}
