/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A timer_ims device: vectors in a BAR, wait sets with policies, a thread that serves one, sources,
 * listings.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_lcore.h>

#include <rte_ims_doctor.h>
#include <rte_ims_pool.h>
#include <rte_ims_source.h>

#include "fault_wrap.h"
#include "life.h"

#define DEVICE  "emu:timer_ims,timers=4"
#define EXT_LEN (2u << 20)
#define MS      1000000

static struct {
	struct rte_ims_dev *dev;
	struct rte_ims_wait *waits[2];
	struct rte_ims_vec *vecs[3]; /* by eventfd, in memory, told when the device is gone */
	struct rte_ims_obj objs[3];
	atomic_uint calls[3];
	struct rte_ims_pool *pool;
	struct rte_ims_vec *shared;
	struct rte_ims_source sources[2];
	int fds[2];
	pthread_t thread;
	atomic_bool has_thread, stop;
	atomic_bool dawdle, dawdles;
} t;

/* Long enough for another thread to get tired of looking. */
static void
dawdle(void)
{
	if (!atomic_exchange(&t.dawdle, false))
		return;
	atomic_store(&t.dawdles, true);
	usleep(20000);
	atomic_store(&t.dawdles, false);
}

static void
on_event(struct rte_ims_vec *vec, void *arg)
{
	(void)vec;
	dawdle();
	atomic_fetch_add((atomic_uint *)arg, 1);
}

static int
open_device(void)
{
	static const struct rte_ims_dev_conf conf = { .timeout_ms = E2E_PATIENCE_MS };
	static const struct rte_ims_wait_conf wait_confs[] = {
		{ .flags = RTE_IMS_WAIT_F_CANCEL, .max_vecs = 16 },
		{ .flags = RTE_IMS_WAIT_F_LCORE, .max_vecs = 16 },
	};
	const char *env = getenv("IMS_DEVSRV");
	char *program = env != NULL ? strdup(env) : NULL;
	unsigned int i;
	int rc;

	/* The program is where the build has it, for once. */
	unsetenv("IMS_DEVSRV");
	t.dev = rte_ims_dev_open(DEVICE, &conf);
	if (program != NULL)
		setenv("IMS_DEVSRV", program, 1);
	free(program);
	rc = life_created(t.dev);
	for (i = 0; i < 2 && rc == 0; i++) {
		t.waits[i] = rte_ims_wait_create("timer", &wait_confs[i]);
		rc = life_created(t.waits[i]);
	}
	return rc;
}

static int
make_vector(unsigned int i, enum rte_ims_store_type store, uint32_t slot,
	enum rte_ims_delivery delivery)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };
	int rc;

	t.vecs[i] = rte_ims_vec_alloc(
		rte_ims_dev_table(t.dev), rte_ims_dev_store_get(t.dev, store), slot, &conf);
	rc = life_created(t.vecs[i]);
	if (rc != 0)
		return rc;
	t.objs[i].fn = on_event;
	t.objs[i].arg = &t.calls[i];
	assert_int_equal(rte_ims_vec_attach(t.vecs[i], &t.objs[i]), 0);
	return rte_ims_wait_add(t.waits[0], t.vecs[i]);
}

static int
make_vectors(void)
{
	int rc;

	rc = make_vector(0, RTE_IMS_STORE_BAR, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	if (rc == 0)
		rc = make_vector(1, RTE_IMS_STORE_BAR, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	if (rc == 0)
		rc = make_vector(2, RTE_IMS_STORE_DEVICE, RTE_IMS_DEV_EVENT_REMOVED,
			RTE_IMS_DELIVERY_EVENTFD);
	return rc;
}

/*
 * The timer of a vector expires once, and somebody is told: this thread, if it serves the set, or
 * another.
 */
static int
fire(unsigned int i, struct rte_ims_wait *wait)
{
	static const struct rte_pmd_timer_ims_conf conf = { .interval_ns = 1000 };
	uint64_t end = e2e_now_ns() + E2E_PATIENCE_NS;
	unsigned int calls = atomic_load(&t.calls[i]);
	int rc;

	rc = rte_pmd_timer_ims_start(t.dev, i, t.vecs[i], &conf);
	while (rc == 0 && atomic_load(&t.calls[i]) == calls && !life_is_removed(t.dev)) {
		expect(e2e_now_ns() < end);
		if (wait != NULL)
			expect(rte_ims_wait_sleep(wait, MS) >= 0);
		else
			usleep(100);
	}
	return rc == 0 && life_is_removed(t.dev) ? -ENODEV : rc;
}

static int
fire_all(void)
{
	int rc = fire(0, t.waits[0]);

	return rc == 0 ? fire(1, t.waits[0]) : rc;
}

static int
set_policies(void)
{
	struct rte_ims_wait_policy policy = { 0 };
	unsigned int p;
	int rc = 0;

	for (p = RTE_IMS_POLICY_POLL; p <= RTE_IMS_POLICY_ADAPTIVE && rc == 0; p++) {
		policy.policy = p;
		rc = rte_ims_wait_policy_set(t.waits[0], &policy);
		if (rc == 0)
			rc = fire_all();
		/* A thread that polls is woken as well as one that sleeps. */
		if (rc == 0)
			rc = rte_ims_wait_wake(t.waits[0]);
		if (rc == 0)
			expect(rte_ims_wait_sleep(t.waits[0], MS) >= 0);
	}
	policy.policy = RTE_IMS_POLICY_MANUAL;
	if (rc == 0)
		rc = rte_ims_wait_policy_set(t.waits[0], &policy);
	if (rc == 0)
		rc = rte_ims_wait_delivery_set(t.waits[0], RTE_IMS_DELIVERY_MEMORY);
	if (rc == 0)
		rc = fire_all();
	if (rc == 0)
		rc = rte_ims_wait_delivery_set(t.waits[0], RTE_IMS_DELIVERY_EVENTFD);
	return rc == 0 ? fire_all() : rc;
}

static void *
serve(void *arg)
{
	while (!atomic_load(&t.stop))
		rte_ims_wait_sleep(arg, MS);
	return NULL;
}

static void
await_dawdler(void)
{
	uint64_t end = e2e_now_ns() + 100 * MS;

	/* It may fail before it gets there, or be done already. */
	while (!atomic_load(&t.dawdles) && e2e_now_ns() < end && atomic_load(&t.dawdle))
		sched_yield();
}

/* Handlers that take their time are waited for. */
static int
wait_for_handler(void)
{
	static const struct rte_pmd_timer_ims_conf conf = { .interval_ns = 1000 };
	int rc;

	atomic_store(&t.dawdle, true);
	rc = rte_pmd_timer_ims_start(t.dev, 0, t.vecs[0], &conf);
	if (rc != 0)
		return rc;
	await_dawdler();
	expect(rte_ims_wait_sync(t.waits[1]) == 0);
	return 0;
}

static int
move_to_thread(void)
{
	unsigned int i;
	int rc = 0;

	assert_int_equal(pthread_create(&t.thread, NULL, serve, t.waits[1]), 0);
	atomic_store(&t.has_thread, true);
	for (i = 0; i < 2 && rc == 0; i++)
		rc = rte_ims_wait_move(t.waits[1], t.vecs[i]);
	for (i = 0; i < 2 && rc == 0; i++)
		rc = fire(i, NULL);
	/* A descriptor that another loop watches. */
	if (rc == 0)
		expect(rte_ims_wait_fd(t.waits[1]) >= 0);
	return rc == 0 ? fire(0, NULL) : rc;
}

static void
on_diagnosis(const struct rte_ims_diagnosis *diag, void *arg)
{
	const struct rte_ims_finding *eventfd = &diag->links[RTE_IMS_LINK_EVENTFD];

	(void)arg;
	if (eventfd->verdict == RTE_IMS_VERDICT_BROKEN)
		print_error("%s: %s\n", diag->name, eventfd->what);
	expect(eventfd->verdict != RTE_IMS_VERDICT_BROKEN);
}

/* While its thread serves it, nothing is wrong with its eventfd. */
static int
examine(void)
{
	int rc = rte_ims_dev_doctor(t.dev, t.vecs[0], on_diagnosis, NULL);

	return rc < 0 ? rc : 0;
}

static void
on_change(struct rte_ims_vec *vec, const struct rte_ims_msg *msg, void *arg)
{
	(void)vec;
	(void)msg;
	(void)arg;
	dawdle();
}

static void *
to_memory(void *arg)
{
	return (void *)(intptr_t)rte_ims_vec_delivery_set(arg, RTE_IMS_DELIVERY_MEMORY);
}

/*
 * While the peer is told of the new message the device is locked, which a switch of all the set's
 * vectors waits for.
 */
static int
switch_at_once(void)
{
	pthread_t thread;
	void *error;
	int rc;

	atomic_store(&t.dawdle, true);
	assert_int_equal(pthread_create(&thread, NULL, to_memory, t.vecs[0]), 0);
	await_dawdler();
	rc = rte_ims_wait_delivery_set(t.waits[1], RTE_IMS_DELIVERY_EVENTFD);
	pthread_join(thread, &error);
	atomic_store(&t.dawdle, false);
	return (intptr_t)error != 0 ? (int)(intptr_t)error : rc;
}

static int
export_message(void)
{
	struct rte_ims_msg msg;
	int rc;

	rc = rte_ims_vec_export(t.vecs[0], on_change, NULL, &msg);
	if (rc == 0)
		rc = switch_at_once();
	if (rc == 0)
		rc = rte_ims_wait_move(t.waits[0], t.vecs[0]);
	if (rc == 0)
		rc = rte_ims_vec_export_end(t.vecs[0]);
	if (rc == 0)
		rc = rte_ims_vec_mask(t.vecs[0]);
	if (rc == 0)
		rc = rte_ims_vec_unmask(t.vecs[0]);
	return rc == 0 ? fire(0, t.waits[0]) : rc;
}

static unsigned int
source_poll(void *arg)
{
	uint64_t count;

	return read(*(int *)arg, &count, sizeof(count)) > 0;
}

static int
source_arm(void *arg)
{
	(void)arg;
	return 0;
}

static void
source_disarm(void *arg)
{
	(void)arg;
}

/* One that fires, and one that is broken: a pipe without a writer. */
static int
watch_sources(void)
{
	static const struct rte_ims_source_ops ops = { source_poll, source_arm, source_disarm };
	const uint64_t one = 1;
	int fds[2], rc = 0;
	unsigned int i;

	assert_int_equal(pipe(fds), 0);
	close(fds[1]);
	t.fds[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t.fds[1] = fds[0];
	for (i = 0; i < 2 && rc == 0; i++) {
		t.sources[i] = (struct rte_ims_source){ &ops, &t.fds[i], t.fds[i], 0 };
		rc = rte_ims_wait_source_add(t.waits[0], &t.sources[i]);
	}
	if (rc != 0)
		return rc;
	assert_int_equal(write(t.fds[0], &one, sizeof(one)), sizeof(one));
	while (t.sources[0].stats.events == 0)
		expect(rte_ims_wait_sleep(t.waits[0], MS) >= 0);
	return 0;
}

static int
list(void)
{
	FILE *f = fopen("/dev/null", "we");
	struct rte_ims_vec_info info;
	char id[32];
	int rc;

	assert_non_null(f);
	t.pool = rte_ims_pool_create("timer", t.dev, NULL);
	rc = life_created(t.pool);
	if (rc == 0)
		rc = rte_ims_pool_lcore_add(t.pool, rte_get_main_lcore(), t.waits[1]);
	if (rc == 0) {
		t.shared = rte_ims_pool_get(t.pool, NULL);
		rc = life_created(t.shared);
	}
	if (rc == 0) {
		rte_ims_dev_dump(t.dev, f);
		rte_ims_wait_dump(t.waits[0], f);
		rte_ims_pool_dump(t.pool, f);
	}
	fclose(f);
	if (rc != 0)
		return rc;
	expect(rte_ims_vec_info_get(t.vecs[0], &info) == 0 || life_is_removed(t.dev));
	snprintf(id, sizeof(id), "%u", (unsigned int)info.id);
	expect(fault_telemetry("/ims/devices", NULL) == 0);
	expect(fault_telemetry("/ims/device", DEVICE) == 0);
	expect(fault_telemetry("/ims/vectors", DEVICE) == 0);
	expect(fault_telemetry("/ims/vector", id) == 0);
	expect(fault_telemetry("/ims/pools", NULL) == 0);
	expect(fault_telemetry("/ims/pool", "timer") == 0);
	expect(fault_telemetry("/ims/waits", NULL) == 0);
	expect(fault_telemetry("/ims/wait", "timer") == 0);
	return 0;
}

/* DPDK has more memory, and less again. What of it could not be mapped is out of reach, no more. */
static int
grow(void)
{
	void *mem = mmap(NULL, EXT_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(mem != MAP_FAILED);
	assert_int_equal(rte_extmem_register(mem, EXT_LEN, NULL, 0, 4096), 0);
	fault_mem_event(RTE_MEM_EVENT_ALLOC, mem, EXT_LEN);
	fault_mem_event(RTE_MEM_EVENT_FREE, mem, EXT_LEN);
	assert_int_equal(rte_extmem_unregister(mem, EXT_LEN), 0);
	munmap(mem, EXT_LEN);
	return life_is_removed(t.dev) ? -ENODEV : fire(0, t.waits[0]);
}

static int
pool_put(void *arg)
{
	return rte_ims_pool_put(t.pool, arg);
}

static int
source_del(void *arg)
{
	return rte_ims_wait_source_del(t.waits[0], arg);
}

static void
end(void)
{
	unsigned int i;

	if (atomic_load(&t.has_thread)) {
		atomic_store(&t.stop, true);
		pthread_join(t.thread, NULL);
	}
	for (i = 0; i < 2; i++) {
		if (t.sources[i].wait != NULL)
			life_undo(source_del, &t.sources[i]);
		if (t.fds[i] > 0)
			close(t.fds[i]);
	}
	life_undo(pool_put, t.shared);
	life_undo(undo_pool, t.pool);
	for (i = 0; i < 3; i++) {
		if (t.objs[i].vec != NULL)
			assert_int_equal(rte_ims_vec_detach(&t.objs[i]), 0);
		life_undo(undo_vec, t.vecs[i]);
	}
	life_undo(undo_dev, t.dev);
	for (i = 0; i < 2; i++)
		life_undo(undo_wait, t.waits[i]);
}

int
life_timer(void)
{
	static int (*const steps[])(void) = { open_device, make_vectors, fire_all, set_policies,
		move_to_thread, wait_for_handler, examine, export_message, watch_sources, list,
		grow };
	unsigned int i;
	int rc = 0;

	memset(&t, 0, sizeof(t));
	for (i = 0; i < RTE_DIM(steps) && rc == 0; i++)
		rc = steps[i]();
	expect(rc <= 0);
	end();
	return rc;
}
