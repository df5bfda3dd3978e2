/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A device behind a socket by its path; one whose process ends; one whose process does not when it
 * should.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_common.h>

#include <rte_ims_doctor.h>

#include "../children.h"
#include "life.h"

#define MS 1000000

static struct {
	struct rte_ims_dev *dev;
	struct rte_ims_wait *wait;
	struct rte_ims_vec *vecs[2];
	struct rte_ims_obj objs[2];
	unsigned int calls[2];
} d;

static char dir[] = "/tmp/ims-fault-XXXXXX";
static char device[64];
static pid_t server;

static void
on_event(struct rte_ims_vec *vec, void *arg)
{
	(void)vec;
	++*(unsigned int *)arg;
}

/* A vector of a timer, and one that tells that the device is gone. */
static int
begin(const char *name, uint32_t timeout_ms)
{
	static const enum rte_ims_store_type stores[] = { RTE_IMS_STORE_BAR, RTE_IMS_STORE_DEVICE };
	static const uint32_t slots[] = { RTE_IMS_SLOT_ANY, RTE_IMS_DEV_EVENT_REMOVED };
	const struct rte_ims_dev_conf conf = { .timeout_ms = timeout_ms };
	unsigned int i;
	int rc;

	memset(&d, 0, sizeof(d));
	d.dev = rte_ims_dev_open(name, &conf);
	rc = life_created(d.dev);
	if (rc == 0) {
		d.wait = rte_ims_wait_create("ends", NULL);
		rc = life_created(d.wait);
	}
	for (i = 0; i < 2 && rc == 0; i++) {
		d.vecs[i] = rte_ims_vec_alloc(rte_ims_dev_table(d.dev),
			rte_ims_dev_store_get(d.dev, stores[i]), slots[i], NULL);
		rc = life_created(d.vecs[i]);
		if (rc != 0)
			break;
		d.objs[i].fn = on_event;
		d.objs[i].arg = &d.calls[i];
		assert_int_equal(rte_ims_vec_attach(d.vecs[i], &d.objs[i]), 0);
		rc = rte_ims_wait_add(d.wait, d.vecs[i]);
	}
	return rc;
}

static void
end_vectors(void)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		if (d.objs[i].vec != NULL)
			assert_int_equal(rte_ims_vec_detach(&d.objs[i]), 0);
		life_undo(undo_vec, d.vecs[i]);
	}
}

static void
end(void)
{
	end_vectors();
	life_undo(undo_dev, d.dev);
	life_undo(undo_wait, d.wait);
}

static void
await_call(unsigned int i)
{
	uint64_t end_ns = e2e_now_ns() + E2E_PATIENCE_NS;

	while (d.calls[i] == 0 && !(i == 0 && life_is_removed(d.dev))) {
		expect(e2e_now_ns() < end_ns);
		expect(rte_ims_wait_sleep(d.wait, MS) >= 0);
	}
}

static int
timer_fires(void)
{
	static const struct rte_pmd_timer_ims_conf conf = { .interval_ns = 1000 };
	int rc;

	rc = rte_pmd_timer_ims_start(d.dev, 0, d.vecs[0], &conf);
	if (rc != 0)
		return rc;
	await_call(0);
	return d.calls[0] != 0 ? 0 : -ENODEV;
}

void
life_socket_begin(void)
{
	const char *program = getenv("IMS_DEVSRV");
	char path[sizeof(dir) + 8];

	if (program == NULL)
		return;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(device, sizeof(device), "vfio-user:%s", path);
	server = fork();
	if (server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(program, program, "--model", "timer_ims,timers=4", "--socket", path, NULL);
		_exit(1);
	}
	while (access(path, F_OK) != 0) {
		assert_int_equal(waitpid(server, NULL, WNOHANG), 0);
		usleep(1000);
	}
}

void
life_socket_end(void)
{
	if (server == 0)
		return;
	kill(server, SIGTERM);
	waitpid(server, NULL, 0);
	rmdir(dir);
}

int
life_socket(void)
{
	int rc;

	if (server == 0)
		return 0;
	rc = begin(device, E2E_PATIENCE_MS);
	if (rc == 0)
		rc = timer_fires();
	end();
	return rc;
}

/* The youngest child. */
static pid_t
process_of_device(void)
{
	pid_t pids[16];
	int n = children_of(getpid(), pids, RTE_DIM(pids));

	assert_in_range(n, 1, RTE_DIM(pids));
	return pids[n - 1];
}

int
life_gone(void)
{
	int rc = begin("emu:timer_ims,timers=4", E2E_PATIENCE_MS);

	if (rc == 0)
		rc = timer_fires();
	if (rc == 0) {
		kill(process_of_device(), SIGKILL);
		await_call(1);
		expect(life_is_removed(d.dev));
	}
	end();
	return rc;
}

static void
on_diagnosis(const struct rte_ims_diagnosis *diag, void *arg)
{
	(void)arg;
	expect(diag->links[RTE_IMS_LINK_THREAD].verdict == RTE_IMS_VERDICT_BROKEN);
}

/* Nobody serves its set, which the doctor has to look at for a second. */
int
life_unserved(void)
{
	int rc = begin("emu:timer_ims,timers=4", E2E_PATIENCE_MS);

	if (rc == 0)
		rc = rte_ims_dev_doctor(d.dev, d.vecs[0], on_diagnosis, NULL);
	end();
	return rc < 0 ? rc : 0;
}

/* It does not answer, and is killed when it has had a second to end. */
int
life_stopped(void)
{
	int rc = begin("emu:timer_ims,timers=4", 2000);

	if (rc == 0) {
		end_vectors();
		memset(d.vecs, 0, sizeof(d.vecs));
		kill(process_of_device(), SIGSTOP);
	}
	end();
	return rc;
}
