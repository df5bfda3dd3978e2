/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* SET_IRQS: what is refused, what each form does, and who closes which descriptor. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "vfu_peer.h"

#define MSIX    VFIO_PCI_MSIX_IRQ_INDEX
#define TRIGGER VFIO_IRQ_SET_ACTION_TRIGGER
#define NONE    VFIO_IRQ_SET_DATA_NONE
#define BOOL    VFIO_IRQ_SET_DATA_BOOL
#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define N       PLAIN_VECTORS

static struct plain *m;
static struct peer p;
static int efds[N];
static unsigned int base_fds; /* none taken by the server */

static int
setup(void **state)
{
	int i;

	m = plain_create();
	peer_start(&p, m->vfu);
	for (i = 0; i < N; i++) {
		efds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		assert_true(efds[i] >= 0);
	}
	peer_sync(&p);
	base_fds = peer_count_fds(&p);
	return 0;
}

static int
teardown(void **state)
{
	int i;

	peer_stop(&p);
	/* Its own end of the socket and ours have gone as well. */
	assert_int_equal(peer_count_fds(&p), base_fds - 2);
	plain_destroy(m);
	for (i = 0; i < N; i++)
		close(efds[i]);
	return 0;
}

/* How many descriptors of vectors the server holds. */
static unsigned int
held(void)
{
	peer_sync(&p);
	return peer_count_fds(&p) - base_fds;
}

static uint64_t
events(int i)
{
	uint64_t n = 0;

	return read(efds[i], &n, sizeof(n)) < 0 ? 0 : n;
}

static uint32_t
set_fds(uint32_t start, uint32_t count, const int *fds)
{
	return peer_set_irqs(
		&p, EVENTFD | TRIGGER, MSIX, start, count, NULL, 0, fds, fds != NULL ? count : 0);
}

static uint32_t
trigger(uint32_t start, uint32_t count)
{
	return peer_set_irqs(&p, NONE | TRIGGER, MSIX, start, count, NULL, 0, NULL, 0);
}

static int
irq_fd(uint32_t index, uint32_t vector)
{
	int fd;

	vfu_lock(m->vfu);
	fd = vfu_irq_fd(m->vfu, index, vector);
	vfu_unlock(m->vfu);
	return fd;
}

/* Every vector is enabled, and by its own eventfd. */
static void
check_all_enabled(void)
{
	int i;

	assert_int_equal(trigger(0, N), 0);
	for (i = 0; i < N; i++)
		assert_int_equal(events(i), 1);
	assert_int_equal(held(), N);
}

static void
test_info(void **state)
{
	struct vfio_irq_info info = { .argsz = sizeof(info) };

	for (info.index = 0; info.index < 5; info.index++) {
		assert_int_equal(
			peer_call(&p, VFIO_USER_DEVICE_GET_IRQ_INFO, &info, sizeof(info)), 0);
		assert_int_equal(p.in.len, sizeof(info));
		memcpy(&info, p.in.data, sizeof(info));
		assert_int_equal(info.count, info.index == MSIX ? N : 0);
		assert_int_equal(info.flags, info.index == MSIX ? VFIO_IRQ_INFO_EVENTFD : 0);
	}
	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_GET_IRQ_INFO, &info, sizeof(info)), EINVAL);
	info.index = 0;
	assert_int_equal(
		peer_call(&p, VFIO_USER_DEVICE_GET_IRQ_INFO, &info, sizeof(info) - 1), EINVAL);
	info.argsz--;
	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_GET_IRQ_INFO, &info, sizeof(info)), EINVAL);
}

static void
test_refused(void **state)
{
	static const struct {
		uint32_t flags;
		uint32_t index;
		uint32_t start;
		uint32_t count;
		uint32_t data_len;
		unsigned int n_fds;
	} bad[] = {
		/* Ranges. */
		{ EVENTFD | TRIGGER, MSIX, N, 1, 0, 1 },
		{ EVENTFD | TRIGGER, MSIX, N - 1, 2, 0, 2 },
		{ EVENTFD | TRIGGER, MSIX, 0, N + 1, 0, 0 },
		{ EVENTFD | TRIGGER, MSIX, 1, UINT32_MAX, 0, 0 },
		{ EVENTFD | TRIGGER, MSIX, UINT32_MAX, 1, 0, 1 },
		{ EVENTFD | TRIGGER, MSIX, UINT32_MAX, 2, 0, 2 },
		{ EVENTFD | TRIGGER, MSIX, UINT32_MAX - 3, 8, 0, 8 },
		{ NONE | TRIGGER, MSIX, N, 1, 0, 0 },
		{ NONE | TRIGGER, MSIX, N + 1, 0, 0, 0 },
		{ NONE | TRIGGER, MSIX, 2, UINT32_MAX - 1, 0, 0 },
		/* Count 0 means all; a start makes no sense with it. */
		{ NONE | TRIGGER, MSIX, 1, 0, 0, 0 },
		{ EVENTFD | TRIGGER, MSIX, 0, 0, 0, 0 },
		{ BOOL | TRIGGER, MSIX, 0, 0, 0, 0 },
		/* Descriptors: none, or one each. */
		{ EVENTFD | TRIGGER, MSIX, 0, 3, 0, 1 },
		{ EVENTFD | TRIGGER, MSIX, 0, 3, 0, 2 },
		{ EVENTFD | TRIGGER, MSIX, 0, 3, 0, 4 },
		{ EVENTFD | TRIGGER, MSIX, 0, 1, 4, 1 },
		{ NONE | TRIGGER, MSIX, 0, 1, 0, 1 },
		{ NONE | TRIGGER, MSIX, 0, 0, 0, 1 },
		{ NONE | TRIGGER, MSIX, 0, 1, 1, 0 },
		{ BOOL | TRIGGER, MSIX, 0, 2, 2, 2 },
		/* Bytes of BOOL. */
		{ BOOL | TRIGGER, MSIX, 0, 2, 1, 0 },
		{ BOOL | TRIGGER, MSIX, 0, 2, 3, 0 },
		{ BOOL | TRIGGER, MSIX, 0, 2, 0, 0 },
		/* Actions and types. */
		{ NONE | VFIO_IRQ_SET_ACTION_MASK, MSIX, 0, 1, 0, 0 },
		{ NONE | VFIO_IRQ_SET_ACTION_UNMASK, MSIX, 0, 1, 0, 0 },
		{ EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, MSIX, 0, 1, 0, 1 },
		{ BOOL | VFIO_IRQ_SET_ACTION_MASK, MSIX, 0, 1, 1, 0 },
		{ EVENTFD | TRIGGER | VFIO_IRQ_SET_ACTION_MASK, MSIX, 0, 1, 0, 1 },
		{ NONE, MSIX, 0, 1, 0, 0 },
		{ TRIGGER, MSIX, 0, 1, 0, 0 },
		{ NONE | BOOL | TRIGGER, MSIX, 0, 1, 1, 0 },
		{ NONE | EVENTFD | TRIGGER, MSIX, 0, 1, 0, 1 },
		{ EVENTFD | TRIGGER | 0x40, MSIX, 0, 1, 0, 1 },
		{ EVENTFD | TRIGGER | 0x80000000, MSIX, 0, 1, 0, 1 },
		/* Other interrupts, of which there are none. */
		{ EVENTFD | TRIGGER, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, 0, 1 },
		{ EVENTFD | TRIGGER, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, 0, 1 },
		{ EVENTFD | TRIGGER, VFIO_PCI_ERR_IRQ_INDEX, 0, 1, 0, 1 },
		{ NONE | TRIGGER, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, 0, 0 },
		{ NONE | TRIGGER, 5, 0, 0, 0, 0 },
		{ NONE | TRIGGER, UINT32_MAX, 0, 0, 0, 0 },
	};
	static const uint8_t ones[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
	int other[N];
	size_t i;

	for (i = 0; i < N; i++)
		other[i] = m->memfd;
	assert_int_equal(set_fds(0, N, efds), 0);
	check_all_enabled();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint32_t error = peer_set_irqs(&p, bad[i].flags, bad[i].index, bad[i].start,
			bad[i].count, ones, bad[i].data_len, other, bad[i].n_fds);

		if (error != EINVAL)
			print_error("case %zu: error %u\n", i, error);
		assert_int_equal(error, EINVAL);
		/* Nothing changed, nothing fired, nothing kept. */
		assert_int_equal(
			poll(&(struct pollfd){ .fd = efds[0], .events = POLLIN }, 1, 0), 0);
		check_all_enabled();
	}
}

/*
 * Nine descriptors for eight vectors: the ninth is beyond what a message may have, and yet one too
 * many.
 */
static void
test_refused_more(void **state)
{
	int fds[N + 1];
	size_t i;

	for (i = 0; i < N + 1; i++)
		fds[i] = m->memfd;
	assert_int_equal(set_fds(0, N, efds), 0);
	assert_int_equal(
		peer_set_irqs(&p, EVENTFD | TRIGGER, MSIX, 0, N, NULL, 0, fds, N + 1), EINVAL);
	check_all_enabled();
	/* It is that message's alone. */
	assert_int_equal(set_fds(0, N, efds), 0);
	check_all_enabled();
}

static void
test_refused_short(void **state)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = NONE | TRIGGER,
		.index = MSIX,
	};

	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set) - 1), EINVAL);
	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_SET_IRQS, NULL, 0), EINVAL);
	set.argsz--;
	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set)), EINVAL);
	set.argsz++;
	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set)), 0);
}

/* A vector in the middle is taken away: only its own descriptor goes. */
static void
test_single_away(void **state)
{
	int i;

	assert_int_equal(set_fds(0, N, efds), 0);
	assert_int_equal(set_fds(3, 1, NULL), 0);
	assert_int_equal(held(), N - 1);
	assert_int_equal(irq_fd(MSIX, 3), -1);
	assert_int_equal(trigger(0, N), 0);
	for (i = 0; i < N; i++)
		assert_int_equal(events(i), i != 3);
	/* Twice does no harm, nor does the last one, nor a few. */
	assert_int_equal(set_fds(3, 1, NULL), 0);
	assert_int_equal(set_fds(N - 1, 1, NULL), 0);
	assert_int_equal(held(), N - 2);
	assert_int_equal(set_fds(2, 4, NULL), 0);
	assert_int_equal(held(), N - 5);
	/* And back. */
	assert_int_equal(set_fds(3, 1, &efds[3]), 0);
	assert_int_equal(trigger(0, N), 0);
	for (i = 0; i < N; i++)
		assert_int_equal(events(i), i == 0 || i == 1 || i == 3 || i == 6);
}

static void
test_replace(void **state)
{
	assert_int_equal(set_fds(2, 1, &efds[2]), 0);
	assert_int_equal(held(), 1);
	assert_int_equal(set_fds(2, 1, &efds[5]), 0);
	assert_int_equal(held(), 1);
	assert_int_equal(trigger(2, 1), 0);
	assert_int_equal(events(2), 0);
	assert_int_equal(events(5), 1);
	/* Several vectors may share one eventfd. */
	assert_int_equal(set_fds(0, 2, (int[]){ efds[5], efds[5] }), 0);
	assert_int_equal(trigger(0, 3), 0);
	assert_int_equal(events(5), 3);
}

static void
test_all_away(void **state)
{
	assert_int_equal(set_fds(0, N, efds), 0);
	assert_int_equal(held(), N);
	assert_int_equal(trigger(0, 0), 0); /* NONE, count 0 */
	assert_int_equal(held(), 0);
	assert_int_equal(irq_fd(MSIX, 0), -1);
	assert_int_equal(trigger(0, N), 0); /* into the void */
	assert_int_equal(events(0), 0);
	assert_int_equal(trigger(0, 0), 0);
	/* With a kind of interrupt that has no vectors: nothing to be done. */
	assert_int_equal(set_fds(0, 1, efds), 0);
	assert_int_equal(
		peer_set_irqs(&p, NONE | TRIGGER, VFIO_PCI_INTX_IRQ_INDEX, 0, 0, NULL, 0, NULL, 0),
		0);
	assert_int_equal(held(), 1);
}

static void
test_loopback(void **state)
{
	static const uint8_t some[] = { 1, 0, 0xff, 0 };
	int i;

	assert_int_equal(set_fds(0, N, efds), 0);
	assert_int_equal(trigger(N - 1, 1), 0);
	assert_int_equal(events(N - 1), 1);
	assert_int_equal(trigger(2, 3), 0);
	for (i = 0; i < N; i++)
		assert_int_equal(events(i), i >= 2 && i < 5);
	assert_int_equal(peer_set_irqs(&p, BOOL | TRIGGER, MSIX, 4, 4, some, 4, NULL, 0), 0);
	for (i = 0; i < N; i++)
		assert_int_equal(events(i), i == 4 || i == 6);
	peer_sync(&p);
	assert_int_equal(vfu_stats(m->vfu)->msgs_eventfd, 6);
}

static void
test_irq_fd(void **state)
{
	const uint64_t one = 1;
	int fd;

	assert_int_equal(irq_fd(MSIX, 0), -1);
	assert_int_equal(set_fds(1, 1, &efds[1]), 0);
	assert_int_equal(irq_fd(MSIX, 0), -1);
	fd = irq_fd(MSIX, 1);
	assert_true(fd >= 0 && fd != efds[1]);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(events(1), 1);
	assert_int_equal(irq_fd(MSIX, N), -1);
	assert_int_equal(irq_fd(MSIX, UINT32_MAX), -1);
	assert_int_equal(irq_fd(VFIO_PCI_INTX_IRQ_INDEX, 0), -1);
}

/* A reset of the function leaves the client's eventfds alone, as the kernel's vfio-pci does. */
static void
test_reset_keeps(void **state)
{
	assert_int_equal(set_fds(0, N, efds), 0);
	assert_int_equal(peer_call(&p, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	check_all_enabled();
}

/* What is passed as an eventfd may be anything: the server neither waits for it nor dies of it. */
static void
test_odd_descriptors(void **state)
{
	const uint64_t full = UINT64_MAX - 1;
	int pipes[2], blocking = eventfd(0, EFD_CLOEXEC);
	char block[4096] = { 0 };

	assert_int_equal(write(blocking, &full, sizeof(full)), sizeof(full));
	assert_int_equal(set_fds(0, 1, &blocking), 0);
	assert_int_equal(trigger(0, 1), 0);
	close(blocking);

	/* A pipe that is full, then one that nobody reads. */
	assert_int_equal(pipe2(pipes, O_NONBLOCK | O_CLOEXEC), 0);
	while (write(pipes[1], block, sizeof(block)) > 0)
		;
	assert_int_equal(fcntl(pipes[1], F_SETFL, 0), 0);
	assert_int_equal(set_fds(0, 1, &pipes[1]), 0);
	assert_int_equal(trigger(0, 1), 0);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(trigger(0, 1), 0);
	assert_int_equal(set_fds(0, 1, NULL), 0);
	assert_int_equal(held(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_info, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_more, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_short, setup, teardown),
		cmocka_unit_test_setup_teardown(test_single_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loopback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq_fd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_keeps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd_descriptors, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN); /* as ims-devsrv does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
