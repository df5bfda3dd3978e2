/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Clients that pass files of a file system whose process does not answer: the server asks it
 * nothing, and if closing one waits it is for a thread that can be spared.
 */

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "fuse_hold.h"
#include "vfu_box.h"
#include "vfu_priv.h"

#define PAGE  4096ull
#define OTHER 65534 /* a user that has no part in it */

static struct fuse_file f;
static struct box b;
static struct peer p;

/* The process of the file comes first, or it would have copies of the server's descriptors. */
static void
start(void)
{
	fuse_file_open_or_skip(&f);
	box_open(&b);
	assert_int_equal(chmod(b.address.sun_path, 0666), 0);
}

static void
stop(void)
{
	box_close(&b);
	fuse_file_close(&f);
}

static void
come(void)
{
	box_connect(&p, &b);
	assert_int_equal(peer_version(&p, 0, "{\"capabilities\":{\"max_msg_fds\":8}}"), 0);
}

static uint32_t
map(int fd)
{
	return peer_dma_map(&p, 0x10000, PAGE, 3, fd, 0);
}

static uint32_t
set_irq(int fd)
{
	return peer_set_irqs(&p, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, NULL, 0, &fd, 1);
}

/* As a user of that number: of this thread alone. */
static void
be_user(uid_t uid)
{
	assert_int_equal(syscall(SYS_setresuid, -1, uid, -1), 0);
}

/* A client passes the file, and is dropped when closing it has taken too long. */
static void
hold_slot(uint32_t (*pass)(int fd))
{
	unsigned int asked = fuse_file_asked(&f);

	come();
	assert_int_equal(pass(f.fd), EINVAL);
	assert_true(peer_closed(&p));
	assert_int_equal(fuse_file_wait_asked(&f, asked + 1), asked + 1);
	close(p.sock);
}

/* Its process is gone: so is who waits for it. */
static void
check_freed(void)
{
	unsigned int i;

	fuse_file_close(&f);
	for (i = 0; i < 20000 && !box_is_served(&b); i++)
		usleep(1000);
	assert_true(i < 20000);
	box_close(&b);
}

/* Whatever it might be asked. */
static void
test_not_asked(void **state)
{
	static const uint32_t kinds[] = { FUSE_GETATTR, FUSE_STATFS, FUSE_READ, FUSE_WRITE,
		FUSE_POLL, FUSE_IOCTL, FUSE_LSEEK };
	unsigned int i;

	start();
	come();
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		fuse_file_mute(&f, kinds[i]);
		assert_int_equal(map(f.fd), EINVAL);
		assert_int_equal(set_irq(f.fd), EINVAL);
		peer_sync(&p);
		assert_int_equal(fuse_file_asked(&f), 0);
	}
	close(p.sock);
	stop();
}

/* The client is dropped, the next one is served; a user who does it again has to wait. */
static void
test_close_waits(void **state)
{
	start();
	fuse_file_mute(&f, FUSE_FLUSH);
	hold_slot(map);
	box_check_served(&b);
	hold_slot(set_irq);
	box_check_refused(&b);
	if (geteuid() == 0) {
		be_user(OTHER);
		box_check_served(&b);
		be_user(0);
		box_check_refused(&b);
	}
	check_freed();
}

/* A client with this for its vector. */
static void
come_with(struct fuse_hold *h)
{
	come();
	assert_int_equal(set_irq(h->fd), 0);
	close(h->fd);
}

/* It goes, another one is served. */
static void
go_from(struct fuse_hold *h)
{
	close(p.sock);
	box_check_served(&b);
	check_freed();
	fuse_hold_end(h);
}

/* What is a vector's, taken away or left to the server, can be held as well. */
static void
vector_held(void (*hold)(struct fuse_hold *h, struct fuse_file *file), bool taken_away)
{
	const struct vfio_irq_set off = {
		.argsz = sizeof(off),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
	};
	struct fuse_hold h;

	start();
	hold(&h, &f);
	come_with(&h);
	if (taken_away) {
		peer_send(&p, VFIO_USER_DEVICE_SET_IRQS, 0, &off, sizeof(off), NULL, 0);
		assert_true(peer_closed(&p));
	}
	go_from(&h);
}

static void
test_vector_pipe(void **state)
{
	vector_held(fuse_hold_pipe, true);
}

static void
test_vector_epoll(void **state)
{
	vector_held(fuse_hold_epoll, false);
}

/* A pipe that is held when it is written to, by a thread of a model. */
static void
test_vector_signalled(void **state)
{
	struct fuse_hold h;

	start();
	fuse_hold_pipe(&h, &f);
	b.m->vfu->reject_ms = 100;
	come_with(&h);
	peer_bus_master(&p, true);
	vfu_lock(b.m->vfu);
	vfu_msix_fire(b.m->vfu, 0);
	vfu_unlock(b.m->vfu);
	assert_true(peer_closed(&p));
	go_from(&h);
}

/* Descriptors that had come before those which were too many, and are to be closed after them. */
static void
test_pieces(void **state)
{
	int fds[VFU_MAX_FDS];
	unsigned int i;

	start();
	fuse_file_mute(&f, FUSE_FLUSH);
	for (i = 0; i < VFU_MAX_FDS; i++)
		fds[i] = f.fd;
	come();
	peer_send_raw(&p, "x", 1, fds, VFU_MAX_FDS);
	peer_send_raw(&p, "x", 1, fds, VFU_MAX_FDS);
	assert_true(peer_closed(&p));
	close(p.sock);
	box_check_served(&b);
	assert_int_equal(fuse_file_wait_asked(&f, 1), 1);
	check_freed();
}

/* Whoever wants the lock, as a model does: when it had it, by how often the file was asked. */
struct other {
	pthread_t thread;
	void (*lock)(struct vfu *vfu);
	atomic_bool stop;
	bool had_at[16];
};

static void *
other_main(void *arg)
{
	struct other *other = arg;

	while (!atomic_load(&other->stop)) {
		other->lock(b.m->vfu);
		other->had_at[fuse_file_asked(&f) % 16] = true;
		vfu_unlock(b.m->vfu);
	}
	return NULL;
}

/*
 * Each of many messages waits, though not for long: others have the lock in between, and it is for
 * all of them that the client may take so much time.
 */
static void
slow(void (*lock)(struct vfu *vfu))
{
	const struct vfio_user_dma_map map = { .argsz = sizeof(map), .size = PAGE };
	struct other other = { .lock = lock };
	unsigned int asked, between = 0, i;

	start();
	b.m->vfu->reject_ms = 500;
	come();
	fuse_file_delay(&f, FUSE_FLUSH, 150);
	vfu_lock(b.m->vfu);
	for (i = 0; i < 16; i++)
		peer_send(&p, VFIO_USER_DMA_MAP, 0, &map, sizeof(map), &f.fd, 1);
	vfu_unlock(b.m->vfu);
	assert_int_equal(pthread_create(&other.thread, NULL, other_main, &other), 0);
	assert_true(peer_closed(&p));
	asked = fuse_file_asked(&f);
	atomic_store(&other.stop, true);
	pthread_join(other.thread, NULL);
	assert_in_range(asked, 1, 8);
	for (i = 1; i < asked; i++)
		between += other.had_at[i];
	assert_true(between != 0 || asked == 1);
	close(p.sock);
	box_check_served(&b);
	stop();
}

static void
test_slow(void **state)
{
	slow(vfu_lock);
}

static void
test_slow_last(void **state)
{
	slow(vfu_lock_last);
}

/* A pipe for each vector, and in the server a file in its place: writes to that wait for sure. */
static void
attach_files(void)
{
	int ends[2], fds[PLAIN_VECTORS], i;

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	for (i = 0; i < PLAIN_VECTORS; i++)
		fds[i] = ends[1];
	assert_int_equal(
		peer_set_irqs(&p, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			VFIO_PCI_MSIX_IRQ_INDEX, 0, PLAIN_VECTORS, NULL, 0, fds, PLAIN_VECTORS),
		0);
	vfu_lock(b.m->vfu);
	for (i = 0; i < PLAIN_VECTORS; i++)
		assert_true(dup3(f.fd, b.m->vfu->vectors[i].fd, O_CLOEXEC) >= 0);
	vfu_unlock(b.m->vfu);
	close(ends[0]);
	close(ends[1]);
}

/* One message waits for each of the vectors, though not for long. */
static void
test_slow_vectors(void **state)
{
	const struct vfio_irq_set all = {
		.argsz = sizeof(all),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.count = PLAIN_VECTORS,
	};

	start();
	b.m->vfu->reject_ms = 100;
	come();
	attach_files();
	fuse_file_delay(&f, FUSE_WRITE, 40);
	peer_send(&p, VFIO_USER_DEVICE_SET_IRQS, 0, &all, sizeof(all), NULL, 0);
	assert_int_equal(peer_recv(&p, PEER_TIMEOUT_MS), 0); /* it is dropped, without a reply */
	assert_in_range(fuse_file_asked(&f), 1, PLAIN_VECTORS - 1);
	close(p.sock);
	box_check_served(&b);
	stop();
}

/* Users who conspire can keep others out, for as long as the process does not answer. */
static void
test_all_slots(void **state)
{
	unsigned int i;

	if (geteuid() != 0)
		skip(); /* there is one user */
	start();
	fuse_file_mute(&f, FUSE_FLUSH);
	b.m->vfu->reject_ms = 10;
	for (i = 0; i < VFU_MAX_SLOTS; i++) {
		be_user(OTHER - 1 - i / VFU_USER_SLOTS);
		hold_slot(map);
		be_user(0);
	}
	box_check_refused(&b);
	check_freed();
}

/* A server that ends leaves the thread alone. */
static void
test_end(void **state)
{
	struct timespec from, to;

	start();
	fuse_file_mute(&f, FUSE_FLUSH);
	hold_slot(map);
	clock_gettime(CLOCK_MONOTONIC, &from);
	box_close(&b);
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_true(to.tv_sec - from.tv_sec < FUSE_FILE_ENDS_S / 2);
	assert_int_equal(fuse_file_asked(&f), 1);
	fuse_file_close(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_not_asked),
		cmocka_unit_test(test_close_waits),
		cmocka_unit_test(test_vector_pipe),
		cmocka_unit_test(test_vector_epoll),
		cmocka_unit_test(test_vector_signalled),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_slow_last),
		cmocka_unit_test(test_slow_vectors),
		cmocka_unit_test(test_all_slots),
		cmocka_unit_test(test_end),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
