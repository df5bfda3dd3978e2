/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A device of the kernel's: MSI or MSI-X, a message that is borrowed from it for IMS, its irq, its
 * errors.
 */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_lcore.h>

#include <ims_driver.h>
#include <rte_ims_doctor.h>

#include "fake_kernel.h"
#include "life.h"

#define MS  1000000
#define LEN 65536

enum {
	OWN,
	BORROWED,
	ERROR,
	N_VECS
};

static struct {
	struct rte_ims_dev *dev;
	struct rte_ims_wait *wait;
	struct rte_ims_vec *vecs[N_VECS];
	struct rte_ims_obj objs[N_VECS];
	unsigned int calls[N_VECS];
	void *mem;
} k;

static int
probe(struct rte_ims_dev *dev)
{
	static const struct ims_store_bar_conf conf = { .name = "ims", .n_slots = 4 };

	return ims_store_bar_create(dev, &conf) != NULL ? 0 : -rte_errno;
}

static const struct ims_driver_id ids[] = { { FAKE_VENDOR, FAKE_DEVICE }, { 0 } };
static struct ims_driver fake_driver = { .name = "fake", .ids = ids, .probe = probe };
IMS_DRIVER_REGISTER(fake_driver)

static void
on_event(struct rte_ims_vec *vec, void *arg)
{
	(void)vec;
	++*(unsigned int *)arg;
}

static int
open_device(void)
{
	static const struct rte_ims_wait_conf conf = { .flags = RTE_IMS_WAIT_F_LCORE,
		.max_vecs = 16 };
	struct rte_ims_wait_conf wait_conf = conf;
	int rc;

	wait_conf.lcore_id = rte_get_main_lcore();
	k.dev = rte_ims_dev_open("pci:" FAKE_BDF, NULL);
	rc = life_created(k.dev);
	if (rc == 0) {
		k.wait = rte_ims_wait_create("kernel", &wait_conf);
		rc = life_created(k.wait);
	}
	return rc;
}

static int
make_vectors(void)
{
	const enum rte_ims_store_type stores[] = {
		fake_kernel.msix ? RTE_IMS_STORE_MSIX : RTE_IMS_STORE_MSI,
		RTE_IMS_STORE_BAR,
		RTE_IMS_STORE_DEVICE,
	};
	static const uint32_t slots[] = { RTE_IMS_SLOT_ANY, RTE_IMS_SLOT_ANY,
		RTE_IMS_DEV_EVENT_ERROR };
	unsigned int i;
	int rc = 0;

	for (i = 0; i < N_VECS && rc == 0; i++) {
		k.vecs[i] = rte_ims_vec_alloc(rte_ims_dev_table(k.dev),
			rte_ims_dev_store_get(k.dev, stores[i]), slots[i], NULL);
		rc = life_created(k.vecs[i]);
		if (rc != 0)
			break;
		k.objs[i].fn = on_event;
		k.objs[i].arg = &k.calls[i];
		assert_int_equal(rte_ims_vec_attach(k.vecs[i], &k.objs[i]), 0);
		rc = rte_ims_wait_add(k.wait, k.vecs[i]);
	}
	return rc;
}

static void
raise_vec(unsigned int i, int fd)
{
	uint64_t end = e2e_now_ns() + E2E_PATIENCE_NS;
	const uint64_t one = 1;
	unsigned int calls = k.calls[i];

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	while (k.calls[i] == calls) {
		expect(e2e_now_ns() < end);
		expect(rte_ims_wait_sleep(k.wait, MS) >= 0);
	}
}

/* They are taken in their order. */
static int
raise_all(void)
{
	raise_vec(OWN, fake_kernel.fds[0]);
	raise_vec(BORROWED, fake_kernel.fds[1]);
	raise_vec(ERROR, fake_kernel.err_fd);
	return 0;
}

static void
on_diagnosis(const struct rte_ims_diagnosis *diag, void *arg)
{
	(void)arg;
	expect(diag->links[RTE_IMS_LINK_EVENTFD].verdict != RTE_IMS_VERDICT_BROKEN);
}

/*
 * Another loop has the set's descriptor, in which nothing waits: the doctor need not look for long.
 */
static int
examine(void)
{
	int rc;

	expect(rte_ims_wait_fd(k.wait) >= 0);
	rc = rte_ims_dev_doctor(k.dev, NULL, on_diagnosis, NULL);
	return rc < 0 ? rc : 0;
}

static int
map_memory(void)
{
	void *mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	assert_true(mem != MAP_FAILED);
	rc = rte_ims_dev_dma_map(k.dev, mem, LEN, -1, 0);
	if (rc == 0)
		k.mem = mem;
	else
		munmap(mem, LEN);
	return rc;
}

static int
reset(void)
{
	int rc = rte_ims_dev_reset(k.dev);

	if (rc == 0)
		rc = rte_ims_dev_audit(k.dev);
	return rc < 0 ? rc : raise_all();
}

static int
dma_unmap(void *arg)
{
	return rte_ims_dev_dma_unmap(k.dev, arg, LEN);
}

static void
end(void)
{
	unsigned int i;

	/* What the kernel refuses to unmap stays mapped until the device is closed. */
	if (k.mem != NULL && dma_unmap(k.mem) != 0)
		expect(dma_unmap(k.mem) == -ENOENT);
	for (i = 0; i < N_VECS; i++) {
		if (k.objs[i].vec != NULL)
			assert_int_equal(rte_ims_vec_detach(&k.objs[i]), 0);
		life_undo(undo_vec, k.vecs[i]);
	}
	life_undo(undo_dev, k.dev);
	life_undo(undo_wait, k.wait);
	if (k.mem != NULL)
		munmap(k.mem, LEN);
}

static int
live(bool iommufd, bool msix)
{
	static int (*const steps[])(
		void) = { open_device, make_vectors, raise_all, examine, map_memory, reset };
	unsigned int i;
	int rc = 0;

	memset(&k, 0, sizeof(k));
	fake_kernel.no_iommufd = !iommufd;
	fake_kernel.msix = msix;
	for (i = 0; i < RTE_DIM(steps) && rc == 0; i++)
		rc = steps[i]();
	expect(rc <= 0);
	end();
	return rc;
}

int
life_iommufd(void)
{
	return live(true, false);
}

int
life_container(void)
{
	return live(false, true);
}
