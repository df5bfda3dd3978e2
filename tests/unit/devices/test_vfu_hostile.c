/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Clients that mean harm: what they get is bounded, and the next client is served. */

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "vfu_box.h"
#include "vfu_priv.h"

#define PAGE 4096ull
#define HUGE 0x200000ull

static struct box b;
static struct peer p;

static int
setup(void **state)
{
	box_open(&b);
	box_connect(&p, &b);
	assert_int_equal(peer_version(&p, 0, "{\"capabilities\":{\"max_msg_fds\":8}}"), 0);
	return 0;
}

static int
teardown(void **state)
{
	close(p.sock);
	box_close(&b);
	return 0;
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int
make_memfd(uint64_t size)
{
	int fd = memfd_create("hostile", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

/* Each map is a mapping of its own, all of the same page. */
static void
test_many_maps(void **state)
{
	int fd = make_memfd(PAGE);
	uint64_t i;

	for (i = 0; i < VFU_MAX_MAPS; i++)
		assert_int_equal(peer_dma_map(&p, i * PAGE, PAGE, 3, fd, 0), 0);
	assert_int_equal(peer_dma_map(&p, i * PAGE, PAGE, 3, fd, 0), ENOSPC);
	assert_int_equal(peer_dma_map(&p, i * PAGE, PAGE, 3, -1, 0), ENOSPC);
	assert_int_equal(peer_dma_unmap(&p, 0, PAGE, 0), 0);
	assert_int_equal(peer_dma_map(&p, i * PAGE, PAGE, 3, fd, 0), 0);
	close(p.sock);
	box_check_served(&b);
	p.sock = -1;
	close(fd);
}

static void
test_many_connections(void **state)
{
	unsigned int before = peer_count_fds(&p), i;

	for (i = 0; i < 200; i++)
		box_check_refused(&b);
	peer_sync(&p);
	assert_int_equal(peer_count_fds(&p), before);
}

/* No descriptor is left in this process, the server's as well as the client's. */
static void
test_no_descriptors(void **state)
{
	struct rlimit old, low;
	int memfd = make_memfd(PAGE), fds[256], n = 0;
	struct peer other = { .sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = 128;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (n < 256 && (fds[n] = dup(memfd)) >= 0)
		n++;
	assert_int_equal(peer_dma_map(&p, 0, PAGE, 3, memfd, 0), EMFILE);
	assert_int_equal(peer_dma_map(&p, 0, PAGE, 3, -1, 0), 0);
	/* The other one is refused, rather than left waiting. */
	assert_int_equal(
		connect(other.sock, (const struct sockaddr *)&b.address, sizeof(b.address)), 0);
	assert_true(peer_closed(&other));
	peer_sync(&p);
	while (n > 0)
		close(fds[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(peer_dma_map(&p, PAGE, PAGE, 3, memfd, 0), 0);
	close(other.sock);
	close(memfd);
}

static uint8_t
touch(volatile uint8_t *mem)
{
	mem[1] = 1;
	return mem[0];
}

/* The file behind a map is cut short: the model reads zeroes, the client is dropped. */
static void
test_file_cut_short(void **state)
{
	int fd = make_memfd(4 * PAGE);
	uint8_t *mem, seen[3];

	setup(NULL); /* here, or cmocka's handler of SIGBUS would be over the server's */
	assert_int_equal(pwrite(fd, "x", 1, 2 * PAGE), 1);
	assert_int_equal(peer_dma_map(&p, 0x10000, 4 * PAGE, 3, fd, 0), 0);
	peer_bus_master(&p, true);
	vfu_lock(b.m->vfu);
	mem = vfu_dma_addr(b.m->vfu, 0x10000 + 2 * PAGE, PAGE, true);
	seen[0] = touch(mem);
	assert_int_equal(ftruncate(fd, 0), 0);
	seen[1] = touch(mem);
	seen[2] = touch(mem + PAGE);
	vfu_unlock(b.m->vfu);
	assert_memory_equal(seen, "x\0", 3);
	assert_true(peer_closed(&p));
	box_check_served(&b);
	close(fd);
	teardown(NULL);
}

/* Mappings of this process of a memory file with huge pages. */
static unsigned int
count_huge(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[4096];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, "/memfd:huge") != NULL;
	fclose(f);
	return n;
}

/* -1: this machine has none. */
static int
make_huge(void)
{
	int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	void *mem;

	if (fd < 0)
		return -1;
	if (ftruncate(fd, HUGE) == 0) {
		mem = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (mem != MAP_FAILED) {
			munmap(mem, HUGE);
			return fd;
		}
	}
	close(fd);
	return -1;
}

/* Huge pages, of which the client maps small parts: they are unmapped, and may be cut short. */
static void
test_huge_pages(void **state)
{
	int fd = make_huge();
	uint8_t *mem, seen[2];

	if (fd < 0) {
		print_message("no huge pages\n");
		skip();
	}
	setup(NULL);
	peer_bus_master(&p, true);
	assert_int_equal(peer_dma_map(&p, 0, PAGE, 3, fd, 0), 0);
	assert_int_equal(peer_dma_map(&p, PAGE, 2 * PAGE, 3, fd, HUGE - 2 * PAGE), 0);
	assert_int_equal(count_huge(), 2);
	vfu_lock(b.m->vfu);
	*(uint8_t *)vfu_dma_addr(b.m->vfu, 0, 1, true) = 'x';
	*(uint8_t *)vfu_dma_addr(b.m->vfu, 2 * PAGE, 1, true) = 'y';
	vfu_unlock(b.m->vfu);
	assert_int_equal(peer_dma_unmap(&p, 0, 3 * PAGE, 0), 0);
	assert_int_equal(count_huge(), 0);
	assert_int_equal(peer_dma_map(&p, 0, HUGE, 3, fd, 0), 0);
	vfu_lock(b.m->vfu);
	mem = vfu_dma_addr(b.m->vfu, 0, HUGE, true);
	seen[0] = mem[0];
	seen[1] = mem[HUGE - PAGE];
	vfu_unlock(b.m->vfu);
	assert_memory_equal(seen, "xy", 2);
	assert_int_equal(peer_dma_unmap(&p, 0, HUGE, 0), 0);
	assert_int_equal(peer_dma_map(&p, 0, PAGE, 3, fd, 0), 0);
	vfu_lock(b.m->vfu);
	mem = vfu_dma_addr(b.m->vfu, 0, PAGE, true);
	assert_int_equal(ftruncate(fd, 0), 0);
	seen[0] = touch(mem);
	vfu_unlock(b.m->vfu);
	assert_int_equal(seen[0], 0);
	assert_true(peer_closed(&p));
	box_check_served(&b);
	assert_int_equal(count_huge(), 0);
	close(fd);
	teardown(NULL);
}

/* An eventfd that is made to block, and filled, after the server has looked at it. */
static void
test_eventfd_blocks(void **state)
{
	const uint64_t full = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_int_equal(peer_set_irqs(&p, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
				 VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, NULL, 0, &fd, 1),
		0);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	/* From a thread of a model, which has the lock; the server's waits for it meanwhile. */
	peer_bus_master(&p, true);
	vfu_lock(b.m->vfu);
	vfu_msix_fire(b.m->vfu, 0);
	vfu_unlock(b.m->vfu);
	assert_true(peer_closed(&p));
	box_check_served(&b);
	close(fd);
}

#define LINGER_S  60 /* three times as long as PEER_TIMEOUT_MS */
#define N_REFUSED (VFU_MAX_CLOSING + 4)

/* What keeps a socket's data unread. */
struct unread {
	int listener;
	int accepted;
};

/*
 * A socket that whoever closes it last waits for, three times as long as a peer here does; -1:
 * none.
 */
static int
make_linger(struct unread *unread)
{
	const struct linger on = { .l_onoff = 1, .l_linger = LINGER_S };
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	static uint8_t zeroes[65536];
	const int small = 4096;
	int fd;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	unread->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(unread->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	if (bind(unread->listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
		listen(unread->listener, 1) < 0 ||
		getsockname(unread->listener, (struct sockaddr *)&sa, &len) < 0 ||
		connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		close(unread->listener);
		close(fd);
		return -1;
	}
	unread->accepted = accept(unread->listener, NULL, NULL);
	assert_true(unread->accepted >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &on, sizeof(on)), 0);
	while (send(fd, zeroes, sizeof(zeroes), MSG_DONTWAIT) > 0)
		continue;
	assert_int_equal(errno, EAGAIN);
	return fd;
}

static void
make_lingers(struct unread *unread, int *fds, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		fds[i] = make_linger(&unread[i]);
		if (fds[i] < 0) {
			print_message("no loopback interface\n");
			skip();
		}
	}
}

static void
close_all(const int *fds, unsigned int n)
{
	while (n > 0)
		close(fds[--n]);
}

static void
unread_close(struct unread *unread, unsigned int n)
{
	while (n-- > 0) {
		close(unread[n].listener);
		close(unread[n].accepted);
	}
}

/* The server is the last one to close them: it has what was sent when it gets the lock. */
static void
close_before_server(const int *fds, unsigned int n)
{
	close_all(fds, n);
	vfu_unlock(b.m->vfu);
}

/*
 * Sockets where memory, and where eventfds are expected, and too many of them. It is not dropped,
 * as if they waited.
 */
static void
test_close_waits(void **state)
{
	const struct vfio_user_dma_map map = { .argsz = sizeof(map), .size = PAGE };
	const struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.count = PLAIN_VECTORS,
	};
	struct unread unread[1 + PLAIN_VECTORS + VFU_MAX_FDS + 2];
	const unsigned int n = sizeof(unread) / sizeof(unread[0]);
	int fds[sizeof(unread) / sizeof(unread[0])];
	uint16_t map_id, set_id, many_id;

	make_lingers(unread, fds, n);
	vfu_lock(b.m->vfu);
	map_id = peer_send(&p, VFIO_USER_DMA_MAP, 0, &map, sizeof(map), fds, 1);
	set_id = peer_send(
		&p, VFIO_USER_DEVICE_SET_IRQS, 0, &set, sizeof(set), fds + 1, PLAIN_VECTORS);
	many_id = peer_send(&p, VFIO_USER_DMA_MAP, 0, &map, sizeof(map), fds + 1 + PLAIN_VECTORS,
		VFU_MAX_FDS + 2);
	close_before_server(fds, n);
	assert_int_equal(peer_reply_wait(&p, map_id), EINVAL);
	assert_int_equal(peer_reply_wait(&p, set_id), EINVAL);
	assert_int_equal(peer_reply_wait(&p, many_id), EINVAL);
	peer_sync(&p); /* it has closed them */
	unread_close(unread, n);
}

/*
 * One that has come with half a message, and goes with the client, of which more do so than may
 * wait for it.
 */
static void
test_half_message_waits(void **state)
{
	struct unread unread[VFU_USER_SLOTS + 1];
	int fds[VFU_USER_SLOTS + 1], i;
	double start;

	make_lingers(unread, fds, VFU_USER_SLOTS + 1);
	start = now();
	for (i = 0; i < VFU_USER_SLOTS + 1; i++) {
		vfu_lock(b.m->vfu);
		peer_send_raw(&p, "x", 1, &fds[i], 1);
		close_before_server(&fds[i], 1);
		close(p.sock);
		while (!box_is_served(&b)) /* while the last one has not been seen to go */
			usleep(1000);
		box_connect(&p, &b);
		assert_int_equal(peer_version(&p, 0, NULL), 0);
	}
	assert_true(now() - start < LINGER_S);
	unread_close(unread, VFU_USER_SLOTS + 1);
}

/* There is no room for it in this process, the server's too: the kernel closes it. */
static void
test_recv_waits(void **state)
{
	struct rlimit old, none;
	struct unread unread;
	int fd;

	make_lingers(&unread, &fd, 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 3; /* they are open */
	vfu_lock(b.m->vfu);
	peer_send_raw(&p, "x", 1, &fd, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	close_before_server(&fd, 1);
	assert_true(peer_closed(&p));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	box_check_served(&b);
	unread_close(&unread, 1);
}

/* One that is refused has such a socket in its queue, which goes with the connection. */
static void
test_refusal_waits(void **state)
{
	static struct peer other;
	struct unread unread;
	int fd;

	make_lingers(&unread, &fd, 1);
	vfu_lock(b.m->vfu);
	box_connect(&other, &b);
	peer_send_raw(&other, "x", 1, &fd, 1);
	close(fd);
	vfu_unlock(b.m->vfu);
	assert_true(peer_closed(&other));
	peer_sync(&p);
	close(other.sock);
	unread_close(&unread, 1);
}

/*
 * Many such: the client that is there waits for none of them, who is refused is told at once, and
 * all are closed, more than may wait for that at a time.
 */
static void
test_refusals_wait(void **state)
{
	static struct peer others[N_REFUSED];
	struct unread unread[N_REFUSED];
	unsigned int before;
	int fds[N_REFUSED], i;
	double start;

	make_lingers(unread, fds, N_REFUSED);
	before = peer_count_fds(&p);
	start = now();
	for (i = 0; i < N_REFUSED; i++) {
		vfu_lock(b.m->vfu);
		box_connect(&others[i], &b);
		peer_send_raw(&others[i], "x", 1, &fds[i], 1);
		close(fds[i]);
		vfu_unlock(b.m->vfu);
		peer_sync(&p);
	}
	/* The guard lets the server's thread wait for a second or two each time. */
	assert_true(now() - start < N_REFUSED / 2.0);
	for (i = 0; i < N_REFUSED; i++) {
		assert_true(peer_closed(&others[i]));
		close(others[i].sock);
	}
	assert_int_equal(peer_count_fds(&p), before - N_REFUSED);
	unread_close(unread, N_REFUSED);
}

/* A server ends while connections with such sockets have not been accepted. */
static void
test_end_waits(void **state)
{
	struct unread unread[2];
	struct peer other[2];
	int fds[2], i;
	double start;

	make_lingers(unread, fds, 2);
	vfu_lock(b.m->vfu);
	vfu_stop(b.m->vfu);
	for (i = 0; i < 2; i++) {
		box_connect(&other[i], &b);
		peer_send_raw(&other[i], "x", 1, &fds[i], 1);
		close(fds[i]);
	}
	vfu_unlock(b.m->vfu);
	start = now();
	box_close(&b);
	assert_true(now() - start < PEER_TIMEOUT_MS / 1000.0);
	box_open(&b);
	for (i = 0; i < 2; i++)
		close(other[i].sock);
	unread_close(unread, 2);
}

static void
set_stall(struct box *box, uint64_t ns)
{
	vfu_lock(box->m->vfu);
	box->m->vfu->stall_ns = ns;
	vfu_unlock(box->m->vfu);
}

/* Until its client has been read to the end, and been silent for long enough. */
static void
wait_stalls(struct box *box)
{
	struct vfu *vfu = box->m->vfu;
	int tries, unread = 1;
	bool stalls = false;

	for (tries = 0; tries < 20000 && !stalls; tries++) {
		usleep(1000);
		vfu_lock(vfu);
		assert_int_equal(ioctl(vfu->sock, FIONREAD, &unread), 0);
		stalls = unread == 0 && vfu_client_stalls(vfu);
		vfu_unlock(vfu);
	}
	assert_true(stalls);
}

/* Three ways of doing nothing: one client waits, until the first has had its time. */
static void
test_stalls(void **state)
{
	struct vfio_user_header hdr = { .command = VFIO_USER_DEVICE_GET_INFO, .size = 32 };
	struct vfio_user_region_access acc = { .count = 32768 };
	static struct peer mute, half, deaf;
	static struct box boxes[3];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		box_open(&boxes[i]);
		assert_true(boxes[i].m->vfu->stall_ns == VFU_STALL_MS * 1000000ull);
		set_stall(&boxes[i], UINT64_MAX);
	}
	box_connect(&mute, &boxes[0]);
	box_connect(&half, &boxes[1]);
	box_connect(&deaf, &boxes[2]);
	assert_int_equal(peer_version(&half, 0, NULL), 0);
	peer_send_raw(&half, &hdr, 10, NULL, 0);
	assert_int_equal(peer_version(&deaf, 0, NULL), 0);
	for (i = 0; i < 16; i++)
		peer_send(&deaf, VFIO_USER_REGION_READ, 0, &acc, sizeof(acc), NULL, 0);
	for (i = 0; i < 3; i++)
		box_check_refused(&boxes[i]);
	/* One that stalls nothing keeps its device for as long as it likes. */
	set_stall(&b, 0);
	usleep(50000); /* the clock that is looked at has moved on */
	box_check_refused(&b);
	peer_sync(&p);
	for (i = 0; i < 3; i++) {
		set_stall(&boxes[i], 10000000);
		wait_stalls(&boxes[i]);
		box_check_served(&boxes[i]);
	}
	assert_true(peer_closed(&mute));
	assert_true(peer_closed(&half));
	assert_true(peer_closed(&deaf));
	close(mute.sock);
	close(half.sock);
	close(deaf.sock);
	for (i = 0; i < 3; i++)
		box_close(&boxes[i]);
}

/* A byte now and then is no progress. */
static void
test_drips(void **state)
{
	const struct vfio_user_header hdr = { .command = VFIO_USER_DEVICE_GET_INFO, .size = 32 };
	bool served = false;
	unsigned int i;

	for (i = 0; i < sizeof(hdr) && !served; i++) {
		send(p.sock, (const uint8_t *)&hdr + i, 1, MSG_NOSIGNAL);
		usleep(VFU_STALL_MS * 1000 / 8);
		served = box_is_served(&b);
	}
	assert_true(served);
	assert_true(peer_closed(&p));
}

/* Descriptors with each piece of a message: what is more than the limit is closed at once. */
static void
test_many_descriptors(void **state)
{
	struct vfio_user_dma_map map = { .argsz = sizeof(map), .flags = 3, .size = PAGE };
	struct {
		struct vfio_user_header hdr;
		uint8_t map[sizeof(struct vfio_user_dma_map)];
	} m = { .hdr = { .id = 7, .command = VFIO_USER_DMA_MAP, .size = sizeof(m) } };
	unsigned int before = peer_count_fds(&p), i;
	int fds[8], memfd = make_memfd(PAGE);

	memcpy(m.map, &map, sizeof(map));
	for (i = 0; i < 8; i++)
		fds[i] = memfd;
	for (i = 0; i < sizeof(m) - 1; i++)
		peer_send_raw(&p, (uint8_t *)&m + i, 1, fds, 8);
	box_check_refused(&b); /* the server has been at work since */
	vfu_lock(b.m->vfu);    /* it is not in the middle of one */
	assert_true(peer_count_fds(&p) <= before + 1 + VFU_MAX_FDS);
	vfu_unlock(b.m->vfu);
	peer_send_raw(&p, (uint8_t *)&m + i, 1, fds, 8);
	assert_int_equal(peer_reply_wait(&p, 7), EINVAL);
	peer_sync(&p);
	close(memfd);
	assert_int_equal(peer_count_fds(&p), before);
}

static atomic_bool flood_stop;
static atomic_uint flood_sent;

static void *
flood(void *arg)
{
	/*
	 * Many at once: faster than the server takes them one by one; in one piece, beside other
	 * threads.
	 */
	struct {
		struct vfio_user_header hdr;
		struct vfio_user_device_info info;
	} many[400];
	unsigned int i;

	for (i = 0; i < 400; i++) {
		many[i].hdr = (struct vfio_user_header){ .command = VFIO_USER_DEVICE_GET_INFO,
			.flags = VFIO_USER_F_NO_REPLY,
			.size = sizeof(many[0]) };
		many[i].info.argsz = sizeof(many[0].info);
	}
	while (!atomic_load(&flood_stop) && send(p.sock, many, sizeof(many), MSG_NOSIGNAL) > 0)
		atomic_fetch_add(&flood_sent, 1);
	return NULL;
}

/*
 * Requests without end: others are told at once that it is taken, the model has its lock and its
 * events.
 */
static void
test_flood(void **state)
{
	pthread_t threads[4];
	unsigned int i;

	atomic_store(&flood_stop, false);
	atomic_store(&flood_sent, 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, flood, NULL), 0);
	while (atomic_load(&flood_sent) < 10)
		usleep(100);
	for (i = 0; i < 20; i++) {
		box_check_refused(&b);
		vfu_lock(b.m->vfu);
		assert_true(b.m->vfu->out_bytes <= VFU_MAX_QUEUE);
		vfu_unlock(b.m->vfu);
	}
	atomic_store(&flood_stop, true);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	shutdown(p.sock, SHUT_RDWR);
	/* What it has sent comes before its end. */
	for (i = 0; i < 1000 && !box_is_served(&b); i++)
		usleep(5000);
	assert_true(i < 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_maps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_descriptors, setup, teardown),
		cmocka_unit_test(test_file_cut_short),
		cmocka_unit_test(test_huge_pages),
		cmocka_unit_test_setup_teardown(test_eventfd_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_message_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recv_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusal_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stalls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drips, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_descriptors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flood, setup, teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
