/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The driver of NVMe controllers with a controller that answers badly or not at all. This file is
 * that controller, in the place of the library: it acts when it is asked whether it is still there,
 * which the driver does when it finds nothing. Time is the test's own.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include <ims_driver.h>

#include "nvme_private.h"

#define N_QUEUES 16

static struct {
	struct ims_driver *driver;
	void *priv;
	int fd; /* of vector 0 */
	bool running;
	uint64_t now_ms;
	unsigned int polls, raise_ms; /* vector 0 is raised that often, 0: not at all */
	uint8_t bar[0x2000];
	uint16_t sq_head, cq_tail, cq_phase;
	bool silent[256], refuses[256]; /* admin commands, by opcode */
	uint16_t last_id;               /* of the last CREATE_CQ */
	bool stuck;                     /* is not disabled */
	bool removed;
	bool no_master;
	unsigned int fail_alloc; /* the nth from now on, 0: none */
} nv;

/* Handles that are only compared. */
static char dev_handle, store_handle, table_handle, vec_handle;
static struct rte_ims_dev *const dev = (struct rte_ims_dev *)(void *)&dev_handle;

int
__real_clock_gettime(clockid_t clock, struct timespec *ts);
int
__wrap_clock_gettime(clockid_t clock, struct timespec *ts);
int
__real_poll(struct pollfd *fds, nfds_t n, int ms);
int
__wrap_poll(struct pollfd *fds, nfds_t n, int ms);
void *
__real_calloc(size_t n, size_t size);
void *
__wrap_calloc(size_t n, size_t size);
void *
__real_rte_zmalloc(const char *type, size_t size, unsigned int align);
void *
__wrap_rte_zmalloc(const char *type, size_t size, unsigned int align);

int
__wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (!nv.running)
		return __real_clock_gettime(clock, ts);
	ts->tv_sec = nv.now_ms / 1000;
	ts->tv_nsec = nv.now_ms % 1000 * 1000000;
	return 0;
}

int
__wrap_poll(struct pollfd *fds, nfds_t n, int ms)
{
	uint64_t one = 1;

	if (!nv.running)
		return __real_poll(fds, n, ms);
	assert_true(nv.polls++ < 100000); /* else it waits for ever */
	if (nv.raise_ms == 0 || nv.raise_ms > (unsigned int)ms) {
		nv.now_ms += ms;
		return 0;
	}
	nv.now_ms += nv.raise_ms;
	assert_int_equal(write(nv.fd, &one, sizeof(one)), sizeof(one));
	return 1;
}

/* The driver's memory, of which some allocation fails. */
static bool
alloc_fails(void)
{
	return nv.fail_alloc != 0 && --nv.fail_alloc == 0;
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return alloc_fails() ? NULL : __real_calloc(n, size);
}

void *
__wrap_rte_zmalloc(const char *type, size_t size, unsigned int align)
{
	return alloc_fails() ? NULL : __real_rte_zmalloc(type, size, align);
}

static void
reg_get(uint32_t reg, void *val, size_t len)
{
	memcpy(val, nv.bar + reg, len);
}

static void
identify(const struct nvme_cmd *cmd)
{
	uint8_t *data = (uint8_t *)(uintptr_t)cmd->prp1;
	uint64_t n_blocks = 1000;
	uint32_t lbaf = 9 << 16;

	memset(data, 0, NVME_PAGE_SIZE);
	if (cmd->cdw10 == NVME_CNS_CONTROLLER)
		return;
	memcpy(data + NVME_ID_NS_NSZE, &n_blocks, sizeof(n_blocks));
	memcpy(data + NVME_ID_NS_LBAF, &lbaf, sizeof(lbaf));
}

static void
complete(const struct nvme_cmd *cmd, uint32_t result)
{
	struct nvme_cqe *cqe;
	uint64_t acq;

	reg_get(NVME_REG_ACQ, &acq, sizeof(acq));
	cqe = (struct nvme_cqe *)(uintptr_t)acq + nv.cq_tail;
	cqe->result = result;
	cqe->cid = cmd->cid;
	cqe->status = (nv.refuses[cmd->opcode] ? 2 : 0) | nv.cq_phase;
	nv.cq_tail = (nv.cq_tail + 1) % NVME_ADMIN_DEPTH;
	if (nv.cq_tail == 0)
		nv.cq_phase ^= NVME_CQE_PHASE;
}

static void
act(void)
{
	const struct nvme_cmd *cmd;
	uint32_t tail;
	uint64_t asq;

	reg_get(NVME_REG_SQ_TAIL(0, 0), &tail, sizeof(tail));
	reg_get(NVME_REG_ASQ, &asq, sizeof(asq));
	while (nv.sq_head != tail) {
		cmd = (const struct nvme_cmd *)(uintptr_t)asq + nv.sq_head;
		nv.sq_head = (nv.sq_head + 1) % NVME_ADMIN_DEPTH;
		if (cmd->opcode == NVME_ADMIN_IDENTIFY)
			identify(cmd);
		if (cmd->opcode == NVME_ADMIN_CREATE_CQ)
			nv.last_id = cmd->cdw10 & 0xffff;
		if (!nv.silent[cmd->opcode])
			complete(cmd, (N_QUEUES - 1) << 16 | (N_QUEUES - 1));
	}
}

/* The library. */

void
ims_driver_register(struct ims_driver *driver)
{
	nv.driver = driver;
}

void
ims_driver_unregister(struct ims_driver *driver)
{
}

const struct ims_driver *
ims_dev_driver(const struct rte_ims_dev *d)
{
	return nv.driver;
}

void
ims_dev_priv_set(struct rte_ims_dev *d, void *priv)
{
	nv.priv = priv;
}

void *
ims_dev_priv(const struct rte_ims_dev *d)
{
	return nv.priv;
}

bool
ims_dev_removed(const struct rte_ims_dev *d)
{
	act();
	return nv.removed;
}

void *
ims_dev_bar_map(struct rte_ims_dev *d, unsigned int bar, uint64_t offset, uint64_t len)
{
	assert_true(offset + len <= sizeof(nv.bar));
	return nv.bar + offset;
}

int
ims_dev_bar_read(struct rte_ims_dev *d, unsigned int bar, uint64_t offset, void *buf, size_t len)
{
	reg_get(offset, buf, len);
	return 0;
}

int
ims_dev_bar_write(
	struct rte_ims_dev *d, unsigned int bar, uint64_t offset, const void *buf, size_t len)
{
	uint32_t cc;

	memcpy(nv.bar + offset, buf, len);
	if (offset != NVME_REG_CC || nv.stuck)
		return 0;
	memcpy(&cc, buf, sizeof(cc));
	nv.bar[NVME_REG_CSTS] = cc & NVME_CC_EN ? NVME_CSTS_RDY | NVME_CSTS_SHST_DONE << 2 : 0;
	if ((cc & NVME_CC_EN) == 0) {
		memset(nv.bar + NVME_REG_DOORBELLS, 0, sizeof(nv.bar) - NVME_REG_DOORBELLS);
		nv.sq_head = nv.cq_tail = 0;
		nv.cq_phase = NVME_CQE_PHASE;
	}
	return 0;
}

int
ims_dev_bus_master(struct rte_ims_dev *d, bool on)
{
	nv.no_master = !on;
	return 0;
}

struct rte_ims_store *
rte_ims_dev_store_get(struct rte_ims_dev *d, enum rte_ims_store_type type)
{
	return (struct rte_ims_store *)(void *)&store_handle;
}

void
ims_store_special_set(struct rte_ims_store *store, uint32_t n)
{
}

struct rte_ims_table *
rte_ims_table_create(struct rte_ims_dev *d, const char *name, uint32_t n_vecs)
{
	return (struct rte_ims_table *)(void *)&table_handle;
}

struct rte_ims_vec *
rte_ims_vec_alloc(struct rte_ims_table *table, struct rte_ims_store *store, uint32_t slot,
	const struct rte_ims_vec_conf *conf)
{
	return (struct rte_ims_vec *)(void *)&vec_handle;
}

int
rte_ims_vec_fd_get(const struct rte_ims_vec *vec)
{
	return nv.fd;
}

int
ims_vec_fd_take(const struct rte_ims_vec *vec)
{
	uint64_t count;

	if (read(nv.fd, &count, sizeof(count)) > 0)
		return 1;
	return errno == EAGAIN ? 0 : -errno;
}

int64_t
ims_vec_slot(
	const struct rte_ims_vec *vec, const struct rte_ims_dev *d, enum rte_ims_store_type type)
{
	return 1;
}

/* Pieces of DPDK memory that are in use. */
static unsigned int
in_use(void)
{
	struct rte_malloc_socket_stats stats = { 0 };

	assert_int_equal(rte_malloc_get_socket_stats(0, &stats), 0);
	return stats.alloc_count;
}

static unsigned int in_use_before;

static int
setup(void **state)
{
	uint64_t cap = 1023; /* entries of a queue, less 1 */
	struct ims_driver *driver = nv.driver;

	memset(&nv, 0, sizeof(nv));
	nv.driver = driver;
	memcpy(nv.bar + NVME_REG_CAP, &cap, sizeof(cap));
	nv.fd = eventfd(0, EFD_NONBLOCK);
	assert_true(nv.fd >= 0);
	in_use_before = in_use();
	nv.running = true;
	assert_int_equal(nv.driver->probe(dev), 0);
	return 0;
}

/* Whatever was kept is free when the device has been given back. */
static int
teardown(void **state)
{
	nv.driver->remove(dev);
	nv.running = false;
	close(nv.fd);
	assert_int_equal(in_use(), in_use_before);
	assert_true(nv.no_master == nv.stuck);
	return 0;
}

static struct rte_pmd_nvme_queue *
create(void)
{
	struct rte_pmd_nvme_queue *q = rte_pmd_nvme_queue_create(dev, 512, NULL);

	assert_non_null(q);
	return q;
}

/* It is waited for 5 s, however often the controller interrupts meanwhile. */
static void
test_deadline(void **state)
{
	static const unsigned int raise_ms[] = { 0, 1, 5, 19 };
	uint64_t begin;
	unsigned int i;

	nv.silent[NVME_ADMIN_CREATE_CQ] = true;
	for (i = 0; i < RTE_DIM(raise_ms); i++) {
		nv.raise_ms = raise_ms[i];
		nv.polls = 0;
		begin = nv.now_ms;
		assert_null(rte_pmd_nvme_queue_create(dev, 512, NULL));
		assert_int_equal(rte_errno, ETIMEDOUT);
		assert_in_range(nv.now_ms - begin, 5000, 5000 + 20);
	}
}

/*
 * The controller writes half a ring of completions that make no sense while the driver is in the
 * other half: its access to a half that it may not touch yet is when. It tires after 8 halves.
 */
static struct {
	struct nvme_cqe *half[2];
	struct nvme_cqe *next;
	uint16_t phase;
	unsigned int written;
} flood;

static void
flood_half(void)
{
	unsigned int i;

	mprotect(flood.next, NVME_PAGE_SIZE, PROT_READ | PROT_WRITE);
	for (i = 0; i < NVME_PAGE_SIZE / sizeof(*flood.next); i++) {
		flood.next[i].cid = 7; /* nothing was submitted */
		flood.next[i].status = flood.phase;
	}
	if (flood.next == flood.half[1])
		flood.phase ^= NVME_CQE_PHASE;
	flood.next = flood.half[flood.next == flood.half[0]];
	mprotect(flood.next, NVME_PAGE_SIZE,
		++flood.written < 8 ? PROT_NONE : PROT_READ | PROT_WRITE);
}

static void
on_fault(int sig, siginfo_t *info, void *ctx)
{
	if ((uintptr_t)info->si_addr - (uintptr_t)flood.next >= NVME_PAGE_SIZE)
		abort();
	flood_half();
}

static void
test_flood(void **state)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO }, old;
	struct rte_pmd_nvme_queue *q = create();
	struct rte_pmd_nvme_completion done;
	unsigned int i;

	assert_int_equal(512 * sizeof(*q->cq), 2 * NVME_PAGE_SIZE);
	assert_int_equal(sysconf(_SC_PAGESIZE), NVME_PAGE_SIZE);
	flood.half[0] = q->cq;
	flood.half[1] = q->cq + 256;
	flood.next = q->cq;
	flood.phase = NVME_CQE_PHASE;
	flood.written = 0;
	assert_int_equal(sigaction(SIGSEGV, &sa, &old), 0);
	flood_half();
	for (i = 1; i <= 3; i++) {
		assert_int_equal(rte_pmd_nvme_poll(q, &done, 1), 0);
		assert_int_equal(q->n_bad, i * 512);
	}
	assert_int_equal(mprotect(q->cq, 2 * NVME_PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
	assert_int_equal(sigaction(SIGSEGV, &old, NULL), 0);
	assert_int_equal(rte_pmd_nvme_queue_destroy(q), 0);
}

/* What a queue that could not be created leaves: nothing that is used again before a reset. */
static void
create_unanswered(uint8_t opcode)
{
	unsigned int before = in_use(), kept;
	struct rte_pmd_nvme_queue *q;
	uint16_t id;

	nv.silent[opcode] = true;
	assert_null(rte_pmd_nvme_queue_create(dev, 512, NULL));
	assert_int_equal(rte_errno, ETIMEDOUT);
	nv.silent[opcode] = false;
	id = nv.last_id;
	kept = in_use();
	assert_true(kept > before);
	q = create();
	assert_int_not_equal(nv.last_id, id);
	assert_int_equal(rte_pmd_nvme_queue_destroy(q), 0);
	assert_int_equal(in_use(), kept);
	assert_int_equal(rte_pmd_nvme_reset(dev), 0);
	assert_int_equal(in_use(), before);
	q = create();
	assert_int_equal(nv.last_id, id);
	assert_int_equal(rte_pmd_nvme_queue_destroy(q), 0);
	assert_int_equal(in_use(), before);
}

static void
test_create_unanswered(void **state)
{
	unsigned int before = in_use();

	create_unanswered(NVME_ADMIN_CREATE_CQ);
	create_unanswered(NVME_ADMIN_CREATE_SQ);
	/* The completion queue is there, and stays. */
	nv.refuses[NVME_ADMIN_CREATE_SQ] = true;
	nv.silent[NVME_ADMIN_DELETE_CQ] = true;
	assert_null(rte_pmd_nvme_queue_create(dev, 512, NULL));
	assert_int_equal(rte_errno, EIO);
	assert_true(in_use() > before);
}

/* The controller says that it has nothing: nothing is kept. */
static void
test_create_refused(void **state)
{
	static const uint8_t opcodes[] = { NVME_ADMIN_CREATE_CQ, NVME_ADMIN_CREATE_SQ };
	unsigned int before = in_use(), i;

	for (i = 0; i < RTE_DIM(opcodes); i++) {
		nv.refuses[opcodes[i]] = true;
		assert_null(rte_pmd_nvme_queue_create(dev, 512, NULL));
		assert_int_equal(rte_errno, EIO);
		assert_int_equal(nv.last_id, 1);
		assert_int_equal(in_use(), before);
		nv.refuses[opcodes[i]] = false;
	}
}

/* As if it were destroyed, for the caller; but its rings and its number are not used again. */
static void
destroy_unanswered(bool *answers)
{
	unsigned int before = in_use(), kept;
	struct rte_pmd_nvme_queue *q = create();
	uint16_t id = nv.last_id;

	kept = in_use();
	*answers = true;
	assert_int_equal(rte_pmd_nvme_queue_destroy(q), 0);
	*answers = false;
	assert_int_equal(in_use(), kept);
	q = create();
	assert_int_not_equal(nv.last_id, id);
	assert_int_equal(rte_pmd_nvme_queue_destroy(q), 0);
	assert_int_equal(in_use(), kept);
	/* Not made again by the reset, unlike those that are somebody's. */
	nv.last_id = 0;
	assert_int_equal(rte_pmd_nvme_reset(dev), 0);
	assert_int_equal(nv.last_id, 0);
	assert_int_equal(in_use(), before);
}

static void
test_destroy_unanswered(void **state)
{
	destroy_unanswered(&nv.silent[NVME_ADMIN_DELETE_SQ]);
	destroy_unanswered(&nv.silent[NVME_ADMIN_DELETE_CQ]);
	destroy_unanswered(&nv.refuses[NVME_ADMIN_DELETE_CQ]);
}

/* A controller that is gone writes nowhere. */
static void
test_removed(void **state)
{
	unsigned int before = in_use();
	struct rte_pmd_nvme_queue *q = create();

	nv.removed = true;
	assert_int_equal(rte_pmd_nvme_queue_destroy(q), 0);
	assert_int_equal(in_use(), before);
	assert_null(rte_pmd_nvme_queue_create(dev, 512, NULL));
	assert_int_equal(rte_errno, ENODEV);
	assert_int_equal(in_use(), before);
}

/* A reset that fails frees nothing; in the end, what cannot be disabled does not master the bus. */
static void
test_stuck(void **state)
{
	unsigned int before = in_use(), kept;

	nv.silent[NVME_ADMIN_CREATE_CQ] = true;
	assert_null(rte_pmd_nvme_queue_create(dev, 512, NULL));
	kept = in_use();
	assert_true(kept > before);
	nv.stuck = true;
	assert_int_equal(rte_pmd_nvme_reset(dev), -ETIMEDOUT);
	assert_int_equal(in_use(), kept);
}

/* Each allocation fails once: nothing is kept, and the next try has what it needs. */
static void
test_no_memory(void **state)
{
	unsigned int before = in_use(), n = 0;
	struct rte_pmd_nvme_queue *q;
	int rc;

	do {
		nv.fail_alloc = ++n;
		q = rte_pmd_nvme_queue_create(dev, 512, NULL);
		assert_true(q != NULL || rte_errno == ENOMEM);
		assert_true(q != NULL || in_use() == before);
	} while (q == NULL);
	assert_int_equal(n, 8);
	nv.fail_alloc = 0;
	assert_int_equal(rte_pmd_nvme_queue_destroy(q), 0);
	nv.driver->remove(dev);
	n = 0;
	do {
		nv.fail_alloc = ++n;
		rc = nv.driver->probe(dev);
		assert_true(rc == 0 || rc == -ENOMEM);
		assert_true(rc == 0 || in_use() == in_use_before);
	} while (rc != 0);
	assert_int_equal(n, 10);
	nv.fail_alloc = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_unanswered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_destroy_unanswered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stuck, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
	};
	char *eal[] = { (char *)(uintptr_t) "unit", (char *)(uintptr_t) "--no-huge",
		(char *)(uintptr_t) "--no-pci", (char *)(uintptr_t) "--no-shconf",
		(char *)(uintptr_t) "-m", (char *)(uintptr_t) "64", (char *)(uintptr_t) "-l",
		(char *)(uintptr_t) "0", (char *)(uintptr_t) "--log-level=pmd.nvme:critical",
		NULL };

	if (rte_eal_init(9, eal) < 0)
		return 1; /* a failure, not a skip */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
