/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fuse_hold.h"

#define PAGE 4096

/* EFAULT, when the file's process has ended. */
static void *
pipe_main(void *arg)
{
	const struct fuse_hold *h = arg;

	return read(h->other, h->page, 1) > 0 ? NULL : arg;
}

static void *
epoll_main(void *arg)
{
	const struct fuse_hold *h = arg;

	return epoll_wait(h->other, h->page, 1, -1) > 0 ? NULL : arg;
}

/* Returns when the thread waits for the page. */
static void
start(struct fuse_hold *h, struct fuse_file *f, void *(*thread_main)(void *))
{
	h->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	assert_true(h->page != MAP_FAILED);
	fuse_file_mute(f, FUSE_READ);
	assert_int_equal(pthread_create(&h->thread, NULL, thread_main, h), 0);
	assert_int_equal(fuse_file_wait_asked(f, 1), 1);
}

void
fuse_hold_pipe(struct fuse_hold *h, struct fuse_file *f)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	h->other = ends[0];
	h->fd = ends[1];
	assert_int_equal(write(h->fd, "x", 1), 1);
	start(h, f, pipe_main);
}

void
fuse_hold_epoll(struct fuse_hold *h, struct fuse_file *f)
{
	struct epoll_event ev = { .events = EPOLLIN };

	h->other = epoll_create1(EPOLL_CLOEXEC);
	h->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(h->other >= 0 && h->fd >= 0);
	assert_int_equal(epoll_ctl(h->other, EPOLL_CTL_ADD, h->fd, &ev), 0);
	start(h, f, epoll_main);
}

void
fuse_hold_end(struct fuse_hold *h)
{
	pthread_join(h->thread, NULL);
	munmap(h->page, PAGE);
	close(h->other);
}
