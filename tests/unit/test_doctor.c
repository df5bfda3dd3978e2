/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The doctor: each link of the chain is broken in turn, and that one, and no other, is named. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_dev.h"
#include "ims_wait_private.h"
#include "rte_ims_doctor.h"

#define BDF "0000:00:04.0"

static struct fake_dev *f;
static struct rte_ims_wait *w;
static struct rte_ims_vec *e, *m; /* slots 1 and 2: eventfd, memory */
static struct rte_ims_obj oe, om;
static pthread_t thread;
static atomic_bool stop, hold, held; /* hold: handlers do not return; held: one does not */

/* What the last examination found. */
static struct rte_ims_diagnosis got[4];
static unsigned int n_got;

static void
on_event(struct rte_ims_vec *vec, void *arg)
{
	atomic_store(&held, atomic_load(&hold));
	while (atomic_load(&hold))
		usleep(100);
}

static void *
serve(void *arg)
{
	while (!atomic_load(&stop))
		rte_ims_wait_sleep(w, 1000000);
	return NULL;
}

static void
thread_start(void)
{
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
}

static void
thread_stop(void)
{
	if (atomic_exchange(&stop, true))
		return;
	rte_ims_wait_wake(w);
	pthread_join(thread, NULL);
}

static struct rte_ims_vec *
add(uint32_t slot, enum rte_ims_delivery delivery, struct rte_ims_obj *obj)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };
	struct rte_ims_vec *vec;

	vec = rte_ims_vec_alloc(rte_ims_dev_table(f->dev), f->store, slot, &conf);
	assert_non_null(vec);
	*obj = (struct rte_ims_obj){ .fn = on_event };
	assert_int_equal(rte_ims_vec_attach(vec, obj), 0);
	assert_int_equal(rte_ims_wait_add(w, vec), 0);
	return vec;
}

static int
group_setup(void **state)
{
	fake_eal_init();
	return 0;
}

/*
 * With lower numbers free, what another thread opens does not get that of e's eventfd when it is
 * closed.
 */
static int
setup_mapped(bool mapped)
{
	int low[8];
	unsigned int i;

	for (i = 0; i < RTE_DIM(low); i++)
		low[i] = dup(STDERR_FILENO);
	w = rte_ims_wait_create("t", NULL);
	f = fake_dev_create(mapped);
	assert_int_equal(ims_vfio_dma_start(&f->v), 0);
	e = add(1, RTE_IMS_DELIVERY_EVENTFD, &oe);
	m = add(2, RTE_IMS_DELIVERY_MEMORY, &om);
	for (i = 0; i < RTE_DIM(low); i++)
		close(low[i]);
	atomic_store(&held, false);
	thread_start();
	return 0;
}

static int
setup(void **state)
{
	return setup_mapped(true);
}

static int
setup_unmapped(void **state)
{
	return setup_mapped(false);
}

static int
teardown(void **state)
{
	atomic_store(&hold, false);
	thread_stop();
	ims_vfio_dma_stop(&f->v);
	fake_dev_destroy(f);
	return rte_ims_wait_destroy(w);
}

static void
keep(const struct rte_ims_diagnosis *diag, void *arg)
{
	assert_ptr_equal(arg, &n_got);
	assert_true(n_got < RTE_DIM(got));
	got[n_got++] = *diag;
}

static int
examine(const struct rte_ims_vec *vec)
{
	n_got = 0;
	return rte_ims_dev_doctor(f->dev, vec, keep, &n_got);
}

/* This link of the vector is broken, for this reason, and nothing else is. */
static void
expect_broken(const struct rte_ims_vec *vec, enum rte_ims_link link, const char *what)
{
	const struct rte_ims_finding *found = got[0].links;
	unsigned int i;

	assert_int_equal(examine(vec), 1);
	assert_int_equal(n_got, 1);
	assert_int_equal(got[0].id, vec->id);
	assert_string_equal(
		rte_ims_link_name(got[0].broken) != NULL ? rte_ims_link_name(got[0].broken) : "-",
		rte_ims_link_name(link));
	assert_non_null(strstr(found[link].what, what));
	assert_true(found[link].todo[0] != '\0');
	for (i = 0; i < RTE_IMS_LINK_MAX; i++) {
		if (i == link)
			continue;
		if (found[i].verdict == RTE_IMS_VERDICT_BROKEN)
			fail_msg("%s: %s", rte_ims_link_name(i), found[i].what);
		assert_true(found[i].what[0] != '\0');
		assert_int_equal(found[i].todo[0], '\0');
	}
}

static void
expect_whole(const struct rte_ims_vec *vec)
{
	int rc = examine(vec);

	if (rc != 0)
		fail_msg("%s: %s", rte_ims_link_name(got[0].broken),
			got[0].links[got[0].broken].what);
	assert_int_equal(n_got, 1);
	assert_int_equal(got[0].broken, RTE_IMS_LINK_MAX);
}

static enum rte_ims_verdict
verdict(enum rte_ims_link link)
{
	return got[0].links[link].verdict;
}

static void
test_whole(void **state)
{
	unsigned int i;

	expect_whole(e);
	for (i = 0; i < RTE_IMS_LINK_MAX; i++)
		if (i != RTE_IMS_LINK_IRQ)
			assert_int_equal(verdict(i), RTE_IMS_VERDICT_OK);
	expect_whole(m);
	assert_int_equal(verdict(RTE_IMS_LINK_MESSAGE), RTE_IMS_VERDICT_OK);
	assert_int_equal(verdict(RTE_IMS_LINK_FORMAT), RTE_IMS_VERDICT_OK);
	assert_int_equal(verdict(RTE_IMS_LINK_REMAPPING), RTE_IMS_VERDICT_NONE);
	assert_int_equal(verdict(RTE_IMS_LINK_EVENTFD), RTE_IMS_VERDICT_NONE);
	assert_int_equal(verdict(RTE_IMS_LINK_WAIT), RTE_IMS_VERDICT_OK);
	assert_int_equal(verdict(RTE_IMS_LINK_THREAD), RTE_IMS_VERDICT_OK);
	assert_int_equal(examine(NULL), 0);
	assert_int_equal(n_got, 2);
	assert_int_equal(got[0].slot, 1);
	assert_string_equal(got[1].store, "ims-bar");
	assert_int_equal(got[1].slot, 2);
}

static void
test_arguments(void **state)
{
	struct fake_dev *other = fake_dev_create(true);

	assert_int_equal(rte_ims_dev_doctor(NULL, NULL, keep, NULL), -EINVAL);
	assert_int_equal(rte_ims_dev_doctor(f->dev, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(rte_ims_dev_doctor(other->dev, e, keep, NULL), -EINVAL);
	n_got = 0;
	assert_int_equal(rte_ims_dev_doctor(other->dev, NULL, keep, &n_got), 0);
	assert_int_equal(n_got, 0);
	assert_null(rte_ims_link_name(RTE_IMS_LINK_MAX));
	fake_dev_destroy(other);
}

static int
halted(struct rte_ims_dev *dev, char *what, size_t size)
{
	snprintf(what, size, "it has halted");
	return 1;
}

static void
test_device(void **state)
{
	static const struct ims_driver driver = { .name = "halted", .check = halted };
	const struct ims_driver *was = f->dev->driver;

	f->dev->driver = &driver;
	expect_broken(e, RTE_IMS_LINK_DEVICE, "halted");
	assert_int_equal(verdict(RTE_IMS_LINK_MESSAGE), RTE_IMS_VERDICT_NONE);
	f->dev->driver = was;
	atomic_store(&f->v.removed, true);
	expect_broken(m, RTE_IMS_LINK_DEVICE, "gone");
	atomic_store(&f->v.removed, false);
}

static void
test_slot(void **state)
{
	unsigned int n;

	f->fail = -EIO;
	expect_broken(e, RTE_IMS_LINK_SLOT, "cannot be read");
	/* Each question would take as long as the device has to answer: it is asked one. */
	f->fail = -ETIMEDOUT;
	f->n_log = 0;
	expect_broken(e, RTE_IMS_LINK_SLOT, "cannot be read");
	n = f->n_log;
	f->n_log = 0;
	assert_int_equal(examine(NULL), 2);
	assert_int_equal(f->n_log, n);
	f->fail = 0;
	pthread_mutex_lock(&f->dev->lock);
	m->doubt = true;
	pthread_mutex_unlock(&f->dev->lock);
	expect_broken(m, RTE_IMS_LINK_SLOT, "has not answered");
	m->doubt = false;
	expect_whole(m);
}

static void
test_message(void **state)
{
	uint32_t addr = f->bar[4], was;

	f->bar[4] = 0xfee01004; /* a message of somebody else's */
	expect_broken(e, RTE_IMS_LINK_MESSAGE, "0xfee01004");
	/* What is recommended helps. */
	assert_int_equal(rte_ims_vec_delivery_set(e, RTE_IMS_DELIVERY_MEMORY), 0);
	assert_int_equal(rte_ims_vec_delivery_set(e, RTE_IMS_DELIVERY_EVENTFD), 0);
	expect_whole(e);
	assert_int_equal(f->bar[4], addr);
	was = f->bar[2 * 4 + 2];
	f->bar[2 * 4 + 2] = was + 1; /* one bit of data is enough */
	expect_broken(m, RTE_IMS_LINK_MESSAGE, "the slot holds");
	f->bar[2 * 4 + 2] = was;
	expect_whole(m);
}

/* The original of the copy that slot 1 has. */
static int
lend(struct rte_ims_store *store, uint32_t slot, struct rte_ims_msg *msg)
{
	*msg = e->fd_msg;
	msg->data += slot - 1;
	return 0;
}

/* The kernel has moved the interrupt that the slot has a copy of. */
static void
test_message_stale(void **state)
{
	f->store->lend = lend;
	e->lender = f->store;
	e->lender_slot = 2;
	expect_broken(e, RTE_IMS_LINK_MESSAGE, "original");
	e->lender = NULL;
	f->store->lend = NULL;
}

static void
test_reset_behind_our_back(void **state)
{
	memset(&f->bar[4], 0, 16);
	expect_broken(e, RTE_IMS_LINK_MESSAGE, "reset behind");
}

static void
test_format(void **state)
{
	ims_vfio_dma_stop(&f->v);
	expect_broken(m, RTE_IMS_LINK_FORMAT, "not mapped");
	expect_whole(e);
	assert_int_equal(ims_vfio_dma_start(&f->v), 0);
	expect_whole(m);
}

static void
test_remapping(void **state)
{
	f->forgets = true;
	expect_broken(e, RTE_IMS_LINK_REMAPPING, "remap table");
	expect_whole(m);
	f->forgets = false;
}

static void
test_mask(void **state)
{
	assert_int_equal(rte_ims_vec_mask(e), 0);
	expect_broken(e, RTE_IMS_LINK_MASK, "rte_ims_vec_mask()");
	/* An event that waits for that is no fault of its own. */
	assert_false(fake_fire(f, 1));
	expect_broken(e, RTE_IMS_LINK_MASK, "rte_ims_vec_mask()");
	assert_non_null(strstr(got[0].links[RTE_IMS_LINK_PENDING].what, "held back"));
	assert_int_equal(rte_ims_vec_unmask(e), 0);
	expect_whole(e);
	f->bar[2 * 4 + 3] = 1;
	expect_broken(m, RTE_IMS_LINK_MASK, "behind the library's back");
	assert_int_equal(rte_ims_vec_mask(m), 0);
	assert_int_equal(rte_ims_vec_unmask(m), 0);
	expect_whole(m);
}

static void
test_pending(void **state)
{
	f->bar[1 * 4 + 3] = 2;
	expect_broken(e, RTE_IMS_LINK_PENDING, "not masked");
	f->bar[1 * 4 + 3] = 0;
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void
remove_tree(const char *dir)
{
	static const char *const names[] = { "irq/33/effective_affinity_list", "irq/33", "irq",
		"interrupts", "" };
	char path[256];
	unsigned int i;

	for (i = 0; i < RTE_DIM(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		assert_int_equal(remove(path), 0);
	}
}

/* However many vectors are examined. */
static void
expect_read_once(const char *dir)
{
	struct inotify_event ev[16]; /* none has a name */
	struct rte_ims_obj obj;
	struct rte_ims_vec *other = add(3, RTE_IMS_DELIVERY_EVENTFD, &obj);
	char path[64];
	int fd = inotify_init1(IN_NONBLOCK);

	write_file(dir, "interrupts",
		"  33:   40   2  IR-PCI-MSI 65537-edge  vfio-msi[1](" BDF ")\n"
		"  34:    7   0  IR-PCI-MSI 65538-edge  vfio-msi[3](" BDF ")\n");
	snprintf(path, sizeof(path), "%s/interrupts", dir);
	assert_true(inotify_add_watch(fd, path, IN_OPEN | IN_CLOSE_NOWRITE) >= 0);
	assert_int_equal(examine(NULL), 0);
	assert_int_equal(n_got, 3);
	assert_non_null(strstr(got[2].links[RTE_IMS_LINK_IRQ].what, "irq 34 to CPU ?, 7 so far"));
	assert_int_equal(read(fd, ev, sizeof(ev)), 2 * sizeof(ev[0]));
	close(fd);
	assert_int_equal(rte_ims_wait_del(w, other), 0);
	assert_int_equal(rte_ims_vec_detach(&obj), 0);
	assert_int_equal(rte_ims_vec_free(other), 0);
}

/* A device of the kernel's, by its name; /proc is one of ours. */
static void
test_irq(void **state)
{
	char dir[] = "/tmp/ims-doctor-XXXXXX", path[64];

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/irq", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/irq/33", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	strcpy(f->dev->name, "pci:" BDF);
	ims_irq_proc = dir;
	write_file(dir, "interrupts",
		"           CPU0  CPU1\n  33:   40   2  IR-PCI-MSI 65537-edge  vfio-msi[1](" BDF
		")\n");
	write_file(dir, "irq/33/effective_affinity_list", "1\n");
	expect_whole(e);
	assert_non_null(strstr(got[0].links[RTE_IMS_LINK_IRQ].what, "irq 33 to CPU 1, 42 so far"));
	assert_non_null(strstr(got[0].links[RTE_IMS_LINK_REMAPPING].what, "IR-PCI-MSI"));
	expect_read_once(dir);
	write_file(dir, "interrupts", "  33:   40   2  PCI-MSI 65537-edge  vfio-msi[1](" BDF ")\n");
	expect_whole(e);
	assert_non_null(strstr(got[0].links[RTE_IMS_LINK_REMAPPING].what, "none (PCI-MSI)"));
	/* A copy of a message that is not remapped. */
	f->store->lend = lend;
	e->lender = f->store;
	e->lender_slot = 1;
	expect_broken(e, RTE_IMS_LINK_REMAPPING, "copy");
	e->lender = NULL;
	f->store->lend = NULL;
	write_file(dir, "interrupts", "  34:   40   2  IR-PCI-MSI 65537-edge  eth0\n");
	expect_broken(e, RTE_IMS_LINK_IRQ, "vfio-msi[1](" BDF ")");
	ims_irq_proc = "/proc";
	strcpy(f->dev->name, "fake");
	remove_tree(dir);
}

static void
test_eventfd_closed(void **state)
{
	int copy = dup(e->fd), fd = e->fd;

	assert_int_equal(close(fd), 0);
	expect_broken(e, RTE_IMS_LINK_EVENTFD, "closed by someone else");
	/* The number is a file's now. */
	assert_int_equal(dup2(STDERR_FILENO, fd), fd);
	expect_broken(e, RTE_IMS_LINK_EVENTFD, "not an eventfd");
	assert_int_equal(dup2(copy, fd), fd);
	close(copy);
	expect_whole(e);
}

static void
test_eventfd_full(void **state)
{
	uint64_t most = 0xfffffffffffffffe;

	/* Held up, and in no set: nobody may read it meanwhile. */
	assert_int_equal(rte_ims_wait_del(w, e), 0);
	assert_int_equal(rte_ims_vec_fd_get(e), e->fd);
	assert_int_equal(write(e->fd, &most, sizeof(most)), sizeof(most));
	expect_broken(e, RTE_IMS_LINK_EVENTFD, "full");
	assert_int_equal(read(e->fd, &most, sizeof(most)), sizeof(most));
	expect_whole(e);
	assert_non_null(strstr(got[0].links[RTE_IMS_LINK_EVENTFD].what, "the application"));
}

/* Somebody else drains it. */
static void
test_eventfd_stolen(void **state)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int epfd = epoll_create1(0);

	assert_int_equal(epoll_ctl(epfd, EPOLL_CTL_ADD, e->fd, &ev), 0);
	expect_broken(e, RTE_IMS_LINK_EVENTFD, "too, and may take its events");
	close(epfd);
	expect_whole(e);
}

static void
test_wait_none(void **state)
{
	assert_int_equal(rte_ims_wait_del(w, e), 0);
	expect_broken(e, RTE_IMS_LINK_WAIT, "in no wait set");
	assert_int_equal(rte_ims_wait_add(w, e), 0);
	expect_whole(e);
	assert_int_equal(rte_ims_wait_del(w, m), 0);
	expect_broken(m, RTE_IMS_LINK_WAIT, "in no wait set");
}

static void
test_wait_not_armed(void **state)
{
	struct epoll_event ev = { .events = 0 };
	int fd;

	assert_int_equal(epoll_ctl(w->epfd, EPOLL_CTL_MOD, e->fd, &ev), 0);
	expect_broken(e, RTE_IMS_LINK_WAIT, "does not look at");
	/* Another eventfd under the same number. */
	fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(dup2(fd, e->fd), e->fd);
	close(fd);
	expect_broken(e, RTE_IMS_LINK_WAIT, "does not look at");
	atomic_store(&w->n_bells, 0);
	expect_broken(m, RTE_IMS_LINK_WAIT, "its word");
	atomic_store(&w->n_bells, 16);
}

static void
test_wait_on_its_way(void **state)
{
	struct rte_ims_wait *to = rte_ims_wait_create("to", NULL);
	uint64_t timeout = ims_sync_timeout_ns;

	ims_sync_timeout_ns = 10000000;
	atomic_store(&hold, true);
	fake_fire(f, 2);
	while (!atomic_load(&held))
		usleep(100);
	assert_int_equal(rte_ims_wait_move(to, e), -ETIMEDOUT);
	expect_broken(e, RTE_IMS_LINK_WAIT, "on its way to to");
	atomic_store(&hold, false);
	ims_sync_timeout_ns = timeout;
	assert_int_equal(rte_ims_wait_move(w, e), 0);
	expect_whole(e);
	assert_int_equal(rte_ims_wait_destroy(to), 0);
}

static void
test_thread_nobody(void **state)
{
	thread_stop();
	expect_broken(e, RTE_IMS_LINK_THREAD, "nobody polls t");
	thread_start();
	expect_whole(e);
}

static void
test_thread_stuck(void **state)
{
	atomic_store(&hold, true);
	fake_fire(f, 2);
	while (!atomic_load(&held))
		usleep(100);
	expect_broken(e, RTE_IMS_LINK_THREAD, "has not returned");
	atomic_store(&hold, false);
	expect_whole(e);
}

/* Another loop watches the set's descriptor, and calls it only when that is readable. */
static void
test_thread_nested(void **state)
{
	thread_stop();
	assert_true(rte_ims_wait_fd(w) >= 0);
	while (rte_ims_wait_sleep(w, 0) > 0)
		;
	expect_whole(e);
	assert_non_null(strstr(got[0].links[RTE_IMS_LINK_THREAD].what, "another loop"));
	expect_broken(m, RTE_IMS_LINK_THREAD, "memory does not make");
	fake_fire(f, 1);
	expect_broken(e, RTE_IMS_LINK_THREAD, "is readable");
}

static void
test_objects(void **state)
{
	assert_int_equal(rte_ims_vec_detach(&oe), 0);
	expect_broken(e, RTE_IMS_LINK_OBJECTS, "no object");
	assert_int_equal(rte_ims_vec_attach(e, &oe), 0);
	expect_whole(e);
}

/* Vectors come and go while they are examined: for ThreadSanitizer. */
static void *
come_and_go(void *arg)
{
	struct rte_ims_obj obj;
	unsigned int i;

	for (i = 0; i < 200; i++)
		rte_ims_vec_free(add(5 + i % 3, i & 1, &obj));
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

static void
count(const struct rte_ims_diagnosis *diag, void *arg)
{
	++*(unsigned int *)arg;
}

static void
test_while_vectors_go(void **state)
{
	atomic_bool done = false;
	unsigned int n = 0;
	pthread_t other;

	assert_int_equal(pthread_create(&other, NULL, come_and_go, &done), 0);
	while (!atomic_load(&done))
		assert_true(rte_ims_dev_doctor(f->dev, NULL, count, &n) >= 0);
	pthread_join(other, NULL);
	assert_int_equal(examine(NULL), 0);
	assert_int_equal(n_got, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slot, setup_unmapped, teardown),
		cmocka_unit_test_setup_teardown(test_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_message_stale, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_behind_our_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_format, setup, teardown),
		cmocka_unit_test_setup_teardown(test_remapping, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mask, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pending, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irq, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eventfd_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eventfd_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eventfd_stolen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wait_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wait_not_armed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wait_on_its_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thread_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thread_stuck, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thread_nested, setup, teardown),
		cmocka_unit_test_setup_teardown(test_objects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_while_vectors_go, setup, teardown),
	};

	return cmocka_run_group_tests_name("doctor", tests, group_setup, NULL);
}
