/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Devices that come, go, die and never were: nothing hangs, nothing is left behind. */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../children.h"
#include "e2e.h"

#define CYCLES 1000
#define EMU    "emu:timer_ims,timers=64"

static struct rte_ims_wait *set;

/* The first time, libraries open things of their own: descriptors and maps are counted after it. */
static unsigned int fds, maps;

static int
setup(void **state)
{
	struct rte_ims_dev *dev;

	dev = rte_ims_dev_open(EMU, NULL);
	if (dev == NULL || rte_ims_dev_close(dev) != 0)
		return -1;
	fds = count_fds();
	maps = e2e_count_maps();
	set = rte_ims_wait_create("e2e", NULL);
	return set == NULL;
}

static int
teardown(void **state)
{
	assert_int_equal(rte_ims_wait_destroy(set), 0);
	assert_int_equal(count_fds(), fds);
	assert_int_equal(e2e_count_maps(), maps);
	assert_int_equal(e2e_count_children(), 0);
	return 0;
}

static void
expect_error(const char *name, int err)
{
	assert_null(rte_ims_dev_open(name, NULL));
	if (rte_errno != err)
		print_error("%s: %s, expected %s\n", name, strerror(rte_errno), strerror(err));
	assert_int_equal(rte_errno, err);
}

static void
test_bad_names(void **state)
{
	char longer[400] = "vfio-user:";

	expect_error("timer", EINVAL);
	expect_error("", EINVAL);
	expect_error("emu:", ENODEV);
	expect_error("emu:toaster", ENODEV);
	expect_error("emu:timer_ims,timers=0", EINVAL);
	expect_error("emu:timer_ims,timers=4097", EINVAL);
	expect_error("emu:timer_ims,timers=many", EINVAL);
	expect_error("emu:timer_ims,colour=red", EINVAL);
	expect_error("vfio-user:", EINVAL);
	expect_error("vfio-user:/nowhere/at/all.sock", ENOENT);
	memset(longer + 10, 'x', 300);
	expect_error(longer, EINVAL); /* longer than a device name */
	longer[120] = '\0';
	expect_error(longer, ENAMETOOLONG); /* longer than a socket's path */
}

static void
test_open_twice(void **state)
{
	struct rte_ims_dev *dev;

	dev = rte_ims_dev_open(EMU, NULL);
	assert_non_null(dev);
	expect_error(EMU, EEXIST);
	assert_ptr_equal(rte_ims_dev_find(EMU), dev);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	assert_null(rte_ims_dev_find(EMU));
}

static void
test_open_close(void **state)
{
	struct rte_ims_vec_conf conf = { .delivery = RTE_IMS_DELIVERY_MEMORY };
	struct rte_ims_dev *dev;
	struct rte_ims_vec *vec;
	int i;

	for (i = 0; i < CYCLES; i++) {
		dev = rte_ims_dev_open(EMU, NULL);
		assert_non_null(dev);
		conf.delivery = i % 2;
		vec = rte_ims_vec_alloc(rte_ims_dev_table(dev),
			rte_ims_dev_store_get(dev, RTE_IMS_STORE_BAR), RTE_IMS_SLOT_ANY, &conf);
		assert_non_null(vec);
		assert_int_equal(rte_ims_wait_add(set, vec), 0);
		/* Every other time with the vector left to rte_ims_dev_close(). */
		if (i % 4 < 2)
			assert_int_equal(rte_ims_vec_free(vec), 0);
		assert_int_equal(rte_ims_dev_close(dev), 0);
	}
}

/* The only child of this process. */
static pid_t
child_pid(void)
{
	pid_t pid = 0;

	assert_int_equal(children_of(getpid(), &pid, 1), 1);
	return pid;
}

static void
on_removed(struct rte_ims_vec *vec, void *arg)
{
	*(bool *)arg = true;
}

static bool
is_true(void *arg)
{
	return *(bool *)arg;
}

static bool
some_expired(void *arg)
{
	return ((struct e2e_timer *)arg)->accounted > 100;
}

/* The device's process is killed while timers fire. */
static void
killed(enum rte_ims_delivery delivery)
{
	static struct rte_ims_obj obj;
	static struct e2e_timer t[8];
	/* Who waits for an answer shows by that. */
	struct rte_ims_dev_conf dconf = { .timeout_ms = 3 * E2E_PATIENCE_MS };
	struct rte_ims_vec_conf conf = { .delivery = delivery };
	struct rte_ims_dev_info info;
	struct rte_ims_vec *vec;
	struct rte_ims_dev *dev;
	bool removed = false;
	uint64_t start;
	uint32_t i;

	dev = rte_ims_dev_open(EMU, &dconf);
	assert_non_null(dev);
	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev),
		rte_ims_dev_store_get(dev, RTE_IMS_STORE_DEVICE), RTE_IMS_DEV_EVENT_REMOVED, &conf);
	assert_non_null(vec);
	obj.fn = on_removed;
	obj.arg = &removed;
	assert_int_equal(rte_ims_vec_attach(vec, &obj), 0);
	assert_int_equal(rte_ims_wait_add(set, vec), 0);
	for (i = 0; i < 8; i++) {
		e2e_timer_init(&t[i], dev, i, e2e_vec(dev, RTE_IMS_SLOT_ANY, delivery));
		assert_int_equal(rte_ims_wait_add(set, t[i].vec), 0);
		e2e_timer_start(&t[i], 50000, 0, RTE_PMD_TIMER_IMS_F_PERIODIC);
	}
	assert_true(e2e_wait_for(set, some_expired, &t[0], E2E_PATIENCE_NS));
	assert_false(removed);
	assert_int_equal(kill(child_pid(), SIGKILL), 0);
	assert_true(e2e_wait_for(set, is_true, &removed, E2E_PATIENCE_NS));
	assert_int_equal(rte_ims_dev_info_get(dev, &info), 0);
	assert_true(info.removed);
	start = e2e_now_ns();
	assert_int_equal(rte_pmd_timer_ims_stop(dev, 0), -ENODEV);
	assert_int_equal(rte_ims_vec_mask(t[1].vec), -ENODEV);
	assert_null(rte_ims_table_create(dev, "late", 1));
	assert_int_equal(rte_errno, ENODEV);
	assert_int_equal(rte_ims_vec_free(t[0].vec), 0);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	assert_true(e2e_now_ns() - start < E2E_PATIENCE_NS); /* nothing waited for an answer */
}

static void
test_killed(void **state)
{
	int i;

	for (i = 0; i < 10; i++)
		killed(i % 2);
}

/* A process that is stopped answers nothing: calls end in time, and the device can be closed. */
static void
test_stopped(void **state)
{
	struct rte_ims_dev_conf conf = { .timeout_ms = 2000 }; /* also for what it does answer */
	struct rte_ims_dev *dev;
	struct rte_ims_vec *vec;
	uint64_t start;
	pid_t pid;

	dev = rte_ims_dev_open(EMU, &conf);
	assert_non_null(dev);
	vec = e2e_vec(dev, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	pid = child_pid();
	assert_int_equal(kill(pid, SIGSTOP), 0);
	start = e2e_now_ns();
	assert_int_equal(rte_ims_vec_mask(vec), -ETIMEDOUT);
	assert_true(e2e_now_ns() - start < E2E_PATIENCE_NS);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(rte_ims_vec_mask(vec), 0); /* the late answer does no harm */
	assert_int_equal(kill(pid, SIGSTOP), 0);
	start = e2e_now_ns();
	assert_int_equal(rte_ims_dev_close(dev), 0);
	assert_true(e2e_now_ns() - start < 2 * E2E_PATIENCE_NS);
}

/* A server started by hand, found by its socket. */
static void
test_by_socket(void **state)
{
	const char *program = getenv("IMS_DEVSRV");
	char dir[] = "/tmp/ims-e2e-XXXXXX", path[64], name[96];
	struct rte_ims_dev *dev = NULL;
	int status, i;
	pid_t pid;

	assert_non_null(program);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/t.sock", dir);
	snprintf(name, sizeof(name), "vfio-user:%s", path);
	pid = fork();
	if (pid == 0) {
		execl(program, program, "--model", "timer_ims,timers=8", "--socket", path, NULL);
		_exit(127);
	}
	for (i = 0; i < 2000 && access(path, F_OK) != 0; i++)
		usleep(10000);
	/* Its socket is there, and then it listens. */
	for (i = 0; i < 2000 && dev == NULL; i++) {
		dev = rte_ims_dev_open(name, NULL);
		if (dev == NULL)
			assert_int_equal(rte_errno, ECONNREFUSED);
		usleep(10000);
	}
	/* One client after the other. */
	for (i = 0; i < 3; i++) {
		assert_non_null(dev);
		assert_int_equal(rte_ims_dev_close(dev), 0);
		dev = rte_ims_dev_open(name, NULL);
	}
	assert_non_null(dev);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	expect_error(name, ENOENT); /* it took its socket away */
	assert_int_equal(rmdir(dir), 0);
}

/* A second thread of the application uses the device while the first one sleeps. */
static void
test_wait_left_alone(void **state)
{
	struct rte_ims_dev *dev;
	struct rte_ims_vec *vec;

	dev = rte_ims_dev_open(EMU, NULL);
	assert_non_null(dev);
	vec = e2e_vec(dev, RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	assert_int_equal(rte_ims_wait_add(set, vec), 0);
	/* The set has taken the socket, but nobody sleeps: commands are answered all the same. */
	assert_int_equal(rte_ims_vec_mask(vec), 0);
	assert_int_equal(rte_ims_dev_reset(dev), 0);
	assert_int_equal(rte_ims_dev_close(dev), 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_bad_names),
		T(test_open_twice),
		T(test_open_close),
		T(test_killed),
		T(test_stopped),
		T(test_by_socket),
		T(test_wait_left_alone),
	};

	e2e_init(argc, argv, EMU);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
