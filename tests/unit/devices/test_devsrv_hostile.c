/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Clients that mean harm, and the program as it is run: in its sandbox, what saves it from them are
 * system calls, too.
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "devsrv.h"
#include "fuse_file.h"
#include "qd_peer.h"
#include "vfu_priv.h"

static struct devsrv d;

static int
setup(void **state)
{
	devsrv_start(&d);
	return 0;
}

/* It serves, and ends when it is told to rather than by a signal. */
static int
teardown(void **state)
{
	qd_connect(devsrv_connect(&d));
	assert_int_equal(cmd_number(QUEUE_DEV_CMD_NOP, 0), 0);
	qd_disconnect();
	devsrv_check_ends(&d);
	return 0;
}

/* A file is cut short while it is used as memory. */
static void
test_file_cut_short(void **state)
{
	const uint32_t one = 1;
	struct vfio_user_region_access acc = { .offset = QUEUE_DEV_REG_CMDQ_TAIL, .count = 4 };
	uint8_t msg[sizeof(acc) + sizeof(one)];

	qd_connect(devsrv_connect(&d));
	memcpy(msg, &acc, sizeof(acc));
	memcpy(msg + sizeof(acc), &one, sizeof(one));
	assert_int_equal(ftruncate(t.memfd, 0), 0);
	peer_send(&t.p, VFIO_USER_REGION_WRITE, 0, msg, sizeof(msg), NULL, 0);
	assert_true(peer_closed(&t.p));
	qd_disconnect();
}

static uint32_t
set_fd(int fd)
{
	return peer_set_irqs(&t.p, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, NULL, 0, &fd, 1);
}

/* The server is to signal what it was given. Its answer is not waited for. */
static void
trigger(void)
{
	const struct vfio_irq_set now = {
		.argsz = sizeof(now),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.count = 1,
	};

	peer_send(&t.p, VFIO_USER_DEVICE_SET_IRQS, 0, &now, sizeof(now), NULL, 0);
}

/* An eventfd is made to block, and full, before it is signalled. */
static void
test_eventfd_blocks(void **state)
{
	const uint64_t full = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	qd_connect(devsrv_connect(&d));
	assert_int_equal(set_fd(fd), 0);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	trigger();
	assert_true(peer_closed(&t.p));
	qd_disconnect();
	close(fd);
}

/* A file whose process does not answer is given as memory, and as an eventfd. */
static void
test_file_asks(void **state)
{
	struct fuse_file f;

	fuse_file_open_or_skip(&f);
	fuse_file_mute(&f, FUSE_GETATTR);
	qd_connect(devsrv_connect(&d));
	assert_int_equal(peer_dma_map(&t.p, 1ull << 40, 4096, 3, f.fd, 0), EINVAL);
	peer_sync(&t.p); /* it has closed it */
	assert_int_equal(fuse_file_asked(&f), 0);
	fuse_file_mute(&f, FUSE_FLUSH);
	assert_int_equal(set_fd(f.fd), EINVAL);
	assert_true(peer_closed(&t.p));
	qd_disconnect();
	qd_connect(devsrv_connect(&d));
	assert_int_equal(cmd_number(QUEUE_DEV_CMD_NOP, 0), 0);
	qd_disconnect();
	assert_int_equal(fuse_file_wait_asked(&f, 1), 1);
	fuse_file_close(&f); /* or the server could not end */
}

/*
 * A client means no harm, and the server is stopped while it closes what that has passed, for
 * longer than it would wait for one that does.
 */
static void
test_stopped(void **state)
{
	const struct vfio_user_dma_map map = { .argsz = sizeof(map), .flags = 3, .size = 4096 };
	struct fuse_file f;
	pid_t pids[2];
	uint16_t id;

	fuse_file_open_or_skip(&f);
	assert_int_equal(devsrv_servers(&d, pids), 1);
	qd_connect(devsrv_connect(&d));
	fuse_file_delay(&f, FUSE_FLUSH, 100);
	id = peer_send(&t.p, VFIO_USER_DMA_MAP, 0, &map, sizeof(map), &f.fd, 1);
	assert_int_equal(fuse_file_wait_asked(&f, 1), 1);
	assert_int_equal(kill(pids[0], SIGSTOP), 0);
	usleep((VFU_REJECT_MS + 200) * 1000);
	assert_int_equal(kill(pids[0], SIGCONT), 0);
	assert_int_equal(peer_reply_wait(&t.p, id), EINVAL);
	/* That was not the client's: closing another one may take as long as ever. */
	assert_int_equal(peer_dma_map(&t.p, 1ull << 40, 4096, 3, f.fd, 0), EINVAL);
	peer_sync(&t.p);
	qd_disconnect();
	fuse_file_close(&f);
}

/* Commands that are executed late allocate in another thread than the reset frees in. */
static void
test_late_commands(void **state)
{
	struct queue_dev_ctx ctx;
	uint32_t i;

	qd_connect(devsrv_connect(&d));
	reg_set(QUEUE_DEV_REG_INJECT_KIND, QUEUE_DEV_INJECT_CMD_DELAY);
	reg_set(QUEUE_DEV_REG_INJECT_TIME, 1);
	reg_set(QUEUE_DEV_REG_INJECT_DATA, QUEUE_DEV_INJECT_OP_ANY);
	reg_set(QUEUE_DEV_REG_INJECT_COUNT, QUEUE_DEV_INJECT_MAX_COUNT);
	for (i = 0; i < 16; i++) {
		ctx = eq_ctx(i, 15);
		assert_int_equal(cmd_ctx(QUEUE_DEV_CMD_EQ_CREATE, &ctx), QUEUE_DEV_CMD_OK);
	}
	reg_set(QUEUE_DEV_REG_CTRL, QUEUE_DEV_CTRL_RESET);
	peer_sync(&t.p);
	qd_disconnect();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_file_cut_short, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eventfd_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_asks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stopped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late_commands, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
