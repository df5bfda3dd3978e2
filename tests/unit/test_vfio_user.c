/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The vfio-user client against a server that this test scripts byte by byte: what it sends, and
 * that nothing it receives is believed. Here: how a device is opened, and its regions.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vfio.h>
#include <rte_common.h>
#include <rte_errno.h>

#include "../count_fds.h"
#include "fake_dev.h"
#include "fake_server.h"
#include "test_vfio_user.h"

static void
expect_failure(enum quirk quirk, int err)
{
	unsigned int fds = count_fds();
	struct ims_vfio *v;
	struct server s;

	v = start(&s, quirk);
	assert_null(v);
	assert_int_equal(rte_errno, err);
	finish(&s, NULL);
	assert_int_equal(count_fds(), fds);
}

static void
expect_success(enum quirk quirk, unsigned int areas)
{
	unsigned int fds = count_fds();
	unsigned int i, commands = 0;
	struct ims_vfio *v;
	struct server s;
	uint32_t val;

	v = start(&s, quirk);
	assert_non_null(v);
	assert_int_equal(v->regions[0].n_areas, areas);
	assert_int_equal(v->regions[0].size, BAR_SIZE);
	assert_int_equal(v->irqs[2].count, 3);
	assert_int_equal(ims_vfio_read(v, 0, 0, &val, 4), 0);
	assert_int_equal(s.maps, 1); /* the MSI window */
	assert_int_equal(s.last_map.addr, 0xfee00000);
	assert_int_equal(s.last_map.size, 0x100000);
	assert_int_equal(s.last_map.flags, VFIO_USER_DMA_F_WRITE);
	assert_int_equal(
		ims_vfio_peer_errors(v, IMS_VFIO_PEER_SURPLUS_FD), quirk == REGION_FDS ? 4 : 0);
	/* Both before each reply, of which each command has one. */
	for (i = 0; i < RTE_DIM(s.commands); i++)
		commands += s.commands[i];
	assert_int_equal(ims_vfio_peer_errors(v, IMS_VFIO_PEER_BAD_REQUEST),
		quirk == DMA_FIRST ? commands : 0);
	assert_int_equal(ims_vfio_peer_errors(v, IMS_VFIO_PEER_DMA_FAULT),
		quirk == DMA_FIRST ? commands : 0);
	finish(&s, v);
	assert_int_equal(count_fds(), fds);
}

static void
test_good(void **state)
{
	expect_success(GOOD, 1);
	expect_success(BYTEWISE, 1);
	expect_success(REGION_FDS, 1);
	expect_success(NO_ROOM, 0);
	expect_success(VERSION_JSON, 1);
	expect_success(REGION_CAP_OUTSIDE, 1);
	expect_success(REGION_CAP_LOOP, 1);
	expect_success(DMA_FIRST, 1);
	expect_success(REGION_READ_ONLY, 0);
}

static void
test_bad(void **state)
{
	expect_failure(VERSION_MAJOR, EPROTONOSUPPORT);
	expect_failure(VERSION_REFUSED, EPROTONOSUPPORT);
	expect_failure(VERSION_SHORT, EPROTONOSUPPORT);
	expect_failure(SILENT, ETIMEDOUT);
	expect_failure(HANG_UP, ENODEV);
	expect_failure(SIZE_SMALL, ENODEV);
	expect_failure(SIZE_HUGE, ENODEV);
	expect_failure(NO_PCI, ENOTSUP);
	expect_failure(WRONG_COMMAND, EPROTO);
	expect_failure(REGION_INDEX, EPROTO);
	expect_failure(REGION_FILE_SHORT, EPROTO);
	expect_failure(REGION_AREA_OUTSIDE, EPROTO);
}

/* As many descriptors in one message as the server takes; one if it does not say. */
static void
test_max_msg_fds(void **state)
{
	static const struct {
		enum quirk quirk;
		unsigned int messages;
	} cases[] = { { GOOD, 1 }, { VERSION_WIDE, 1 }, { VERSION_JSON, 3 } };
	const int fds[3] = { 0, 1, 2 };
	struct ims_vfio *v;
	struct server s;
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		v = start(&s, cases[i].quirk);
		assert_non_null(v);
		assert_int_equal(v->ops->irq_set(v, VFIO_PCI_MSIX_IRQ_INDEX, 0, 3, fds), 0);
		assert_int_equal(s.commands[VFIO_USER_DEVICE_SET_IRQS], cases[i].messages);
		finish(&s, v);
	}
}

static void
test_mapping(void **state)
{
	struct ims_vfio *v;
	uint32_t val = 0x01020304, back = 0;
	struct server s;

	v = start(&s, GOOD);
	assert_non_null(v);
	assert_null(ims_vfio_region_addr(v, 0, 0xffc, 8)); /* half of it is not mapped */
	assert_null(ims_vfio_region_addr(v, 0, 0x3000, 4));
	assert_null(ims_vfio_region_addr(v, 0, UINT64_MAX - 3, 8));
	assert_null(ims_vfio_region_addr(v, 99, 0x1000, 4));
	assert_non_null(ims_vfio_region_addr(v, 0, 0x2ffc, 4));
	assert_int_equal(ims_vfio_write(v, 0, 0x1008, &val, 4), 0);
	assert_int_equal(pread(s.memfd, &back, 4, 0x1008), 4);
	assert_int_equal(back, val);
	assert_int_equal(s.commands[VFIO_USER_REGION_WRITE], 0);
	assert_int_equal(ims_vfio_write(v, 0, 8, &val, 4), 0);
	assert_int_equal(s.commands[VFIO_USER_REGION_WRITE], 1);
	assert_int_equal(ims_vfio_write(v, 0, 0x1001, &val, 4), -EINVAL);
	assert_int_equal(ims_vfio_write(v, 0, BAR_SIZE - 3, &val, 4), -EINVAL);
	assert_int_equal(ims_vfio_write(v, 9, 0, &val, 4), -EINVAL);
	finish(&s, v);
}

/* A server whose backlog is full, and that takes nobody: the wait is bounded. */
static void
test_full(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), other, n;
	char name[64];

	snprintf(name, sizeof(name), "vfio-user:/tmp/ims-full-%d", getpid());
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", name + strlen("vfio-user:"));
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(listener, 0), 0);
	other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(other, (struct sockaddr *)&sa, sizeof(sa)), 0);
	n = count_fds();
	assert_null(ims_vfio_user_open(name, sa.sun_path, 100));
	assert_int_equal(rte_errno, ETIMEDOUT);
	assert_int_equal(count_fds(), n);
	close(other);
	close(listener);
	unlink(sa.sun_path);
}

static void
ends_by_abort(void (*fn)(void))
{
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
ask_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
}

/* Each of them ends at once where nobody minds: that time is over. */
static const struct timespec long_ago;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;

static void
wait_for_condition(void)
{
	pthread_mutex_lock(&mutex);
	pthread_cond_timedwait(&cond, &mutex, &long_ago);
}

static void
wait_for_condition_by_clock(void)
{
	pthread_mutex_lock(&mutex);
	pthread_cond_clockwait(&cond, &mutex, CLOCK_REALTIME, &long_ago);
}

static void
wait_for_semaphore(void)
{
	sem_timedwait(&sem, &long_ago);
}

static void
wait_for_semaphore_by_clock(void)
{
	sem_clockwait(&sem, CLOCK_REALTIME, &long_ago);
}

static void
wait_for_mutex(void)
{
	pthread_mutex_timedlock(&mutex, &long_ago);
}

static void
wait_for_mutex_by_clock(void)
{
	pthread_mutex_clocklock(&mutex, CLOCK_REALTIME, &long_ago);
}

static void
wait_for_readers(void)
{
	pthread_rwlock_timedwrlock(&rwlock, &long_ago);
}

static void
wait_for_writer_by_clock(void)
{
	pthread_rwlock_clockrdlock(&rwlock, CLOCK_REALTIME, &long_ago);
}

static void
sleep_until(void)
{
	clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &long_ago, NULL);
}

static void
make_timer(void)
{
	close(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC));
}

/*
 * No test program of the library and the server goes by the clock that somebody sets: jump.c sees
 * to it.
 */
static void
test_wall_clock(void **state)
{
	static void (*const by_wall_clock[])(void) = { ask_time, wait_for_condition,
		wait_for_condition_by_clock, wait_for_semaphore, wait_for_semaphore_by_clock,
		wait_for_mutex, wait_for_mutex_by_clock, wait_for_readers, wait_for_writer_by_clock,
		sleep_until, make_timer };
	unsigned int i;

	for (i = 0; i < RTE_DIM(by_wall_clock); i++)
		ends_by_abort(by_wall_clock[i]);
	/* By another clock they end at once. */
	assert_int_equal(sem_clockwait(&sem, CLOCK_MONOTONIC, &long_ago), -1);
	assert_int_equal(errno, ETIMEDOUT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_max_msg_fds),
		cmocka_unit_test(test_mapping),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_wall_clock),
	};
	int failed;

	fake_eal_init();
	failed = cmocka_run_group_tests_name("open", tests, NULL, NULL);
	failed += vfio_user_msg_tests();
	failed += vfio_user_dma_tests();
	failed += vfio_user_reply_tests();
	failed += vfio_user_fds_tests();
	return failed;
}
