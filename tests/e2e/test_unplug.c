/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * An NVMe controller loses its driver, and then is unplugged, while it works. Runs in a guest: a
 * line on its console has the host take the device, whose id is "nv", out of the machine.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "e2e_nvme.h"

static uint64_t n_release;

static void
on_release(struct rte_ims_vec *vec, void *arg)
{
	n_release++;
}

static bool
is_there(void)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", e2e_dev_name + 4);
	return stat(path, &st) == 0;
}

/* Commands go on until the kernel asks for the device, and are all completed. */
static void
work_until_asked(void (*ask)(void))
{
	struct rte_ims_obj obj = { .fn = on_release };
	uint64_t end = e2e_now_ns() + 30 * SECOND_NS, submitted = 0;
	struct rte_ims_vec *release;
	struct io io[2];
	unsigned int i;

	n_release = 0;
	release = rte_ims_vec_alloc(rte_ims_dev_table(nv.dev),
		rte_ims_dev_store_get(nv.dev, RTE_IMS_STORE_DEVICE), RTE_IMS_DEV_EVENT_RELEASE,
		NULL);
	assert_non_null(release);
	assert_int_equal(rte_ims_vec_attach(release, &obj), 0);
	assert_int_equal(rte_ims_wait_add(nv.set, release), 0);
	io_open(&io[0], RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_EVENTFD);
	io_open(&io[1], RTE_IMS_SLOT_ANY, RTE_IMS_DELIVERY_MEMORY);
	while (n_release == 0 && e2e_now_ns() < end) {
		for (i = 0; i < 2; i++)
			assert_int_equal(rte_pmd_nvme_submit(io[i].queue, RTE_PMD_NVME_READ,
						 submitted % 1024, 1, nv.buf + i * 4096, NULL),
				0);
		if (++submitted == 20)
			ask();
		for (i = 0; i < 2; i++)
			io_wait(&io[i], submitted);
	}
	assert_true(n_release > 0);
	print_message("asked for after %lu commands\n", (unsigned long)submitted);
	for (i = 0; i < 2; i++) {
		assert_int_equal(io[i].done, submitted);
		io_close(&io[i]);
	}
}

/* "bind" or "unbind": the latter returns when the device is closed. */
static ssize_t
driver_write(const char *file)
{
	const char *bdf = e2e_dev_name + 4;
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/vfio-pci/%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, bdf, strlen(bdf));
	close(fd);
	return n;
}

static pthread_t unbinder;
static atomic_bool unbound;

static void *
unbinder_main(void *arg)
{
	bool good = driver_write("unbind") > 0;

	atomic_store(&unbound, true);
	return good ? arg : NULL;
}

static void
ask_unbind(void)
{
	atomic_store(&unbound, false);
	assert_int_equal(pthread_create(&unbinder, NULL, unbinder_main, &unbound), 0);
}

/* The driver is taken from the device, as when its module is to go. */
static void
test_unbind(void **state)
{
	void *good;

	assert_int_equal(nv_setup(NULL), 0);
	work_until_asked(ask_unbind);
	assert_false(atomic_load(&unbound));
	assert_int_equal(nv_teardown(NULL), 0);
	assert_int_equal(pthread_join(unbinder, &good), 0);
	assert_non_null(good);
	assert_true(is_there());
	assert_null(rte_ims_dev_open(e2e_dev_name, NULL));
	assert_int_equal(rte_errno, ENODEV);
	/* It is as good as before when it has one again. */
	assert_true(driver_write("bind") > 0);
	assert_int_equal(nv_setup(NULL), 0);
	assert_int_equal(nv_teardown(NULL), 0);
}

static void
ask_unplug(void)
{
	printf("\nguest: qmp {\"execute\": \"device_del\", \"arguments\": {\"id\": \"nv\"}}\n");
	fflush(stdout);
}

/* The device is pulled, and gone when we have closed it. */
static void
test_unplug(void **state)
{
	uint64_t end;

	assert_int_equal(nv_setup(NULL), 0);
	assert_true(is_there());
	work_until_asked(ask_unplug);
	assert_true(is_there());
	assert_int_equal(nv_teardown(NULL), 0);
	end = e2e_now_ns() + 10 * SECOND_NS;
	while (is_there() && e2e_now_ns() < end)
		usleep(10000);
	assert_false(is_there());
	assert_null(rte_ims_dev_open(e2e_dev_name, NULL));
	assert_int_equal(rte_errno, ENODEV);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unbind),
		cmocka_unit_test(test_unplug),
	};

	e2e_init(argc, argv, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
