/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Clients that hold the server in the kernel, each a server of its own, beside each other: it takes
 * seconds to see.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "devsrv.h"
#include "fuse_hold.h"
#include "vfu_peer.h"
#include "vfu_priv.h"

#define PAGE 4096

enum outcome {
	REPLACED, /* by another process */
	SERVES,   /* the same one */
	ENDED,
};

struct attack {
	const char *name;
	void (*hold)(struct attack *a);
	enum outcome outcome;
	bool cached; /* the file is one of those */
	struct devsrv d;
	pid_t server; /* the first one */
	int next;     /* the connection that waits, unless it ends */
	struct fuse_file f;
	struct fuse_hold h; /* if its page is not NULL */
	struct peer p;
};

static void
greet(struct attack *a, int sock)
{
	memset(&a->p, 0, sizeof(a->p));
	a->p.sock = sock;
	assert_int_equal(peer_version(&a->p, 0, "{\"capabilities\":{\"max_msg_fds\":8}}"), 0);
}

static void
come(struct attack *a)
{
	greet(a, devsrv_connect(&a->d));
}

static void
set_fd(struct attack *a)
{
	assert_int_equal(
		peer_set_irqs(&a->p, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
			VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, NULL, 0, &a->h.fd, 1),
		0);
	close(a->h.fd);
}

static char
state_of(pid_t pid)
{
	char path[32], state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %*s %c", &state), 1);
	fclose(f);
	return state;
}

/* It is to see what comes when all is there, and not before. */
static void
stop(const struct attack *a)
{
	assert_int_equal(kill(a->server, SIGSTOP), 0);
	while (state_of(a->server) != 'T')
		usleep(1000);
}

static void
go_on(const struct attack *a)
{
	assert_int_equal(kill(a->server, SIGCONT), 0);
}

/* It signals what it was given: a pipe whose other end is read meanwhile. */
static void
hold_write(struct attack *a)
{
	const struct vfio_irq_set now = {
		.argsz = sizeof(now),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.count = 1,
	};

	fuse_hold_pipe(&a->h, &a->f);
	come(a);
	set_fd(a);
	/* It reads all that this one has sent before it looks at the next. */
	peer_send(&a->p, VFIO_USER_DEVICE_SET_IRQS, 0, &now, sizeof(now), NULL, 0);
	close(a->p.sock);
}

/* What it was given it closes when its client goes. */
static void
close_held(struct attack *a, void (*hold)(struct fuse_hold *h, struct fuse_file *file))
{
	hold(&a->h, &a->f);
	come(a);
	set_fd(a);
	close(a->p.sock);
}

static void
hold_close_pipe(struct attack *a)
{
	close_held(a, fuse_hold_pipe);
}

static void
hold_close_eventfd(struct attack *a)
{
	close_held(a, fuse_hold_epoll);
}

/* More descriptors than a message may have. */
static void
hold_surplus(struct attack *a)
{
	int fds[VFU_MAX_FDS + 1], i;

	for (i = 0; i < VFU_MAX_FDS; i++)
		fds[i] = STDIN_FILENO;
	fds[VFU_MAX_FDS] = fuse_file_again(&a->f);
	come(a);
	stop(a);
	peer_send_raw(&a->p, "x", 1, fds, VFU_MAX_FDS + 1);
	close(fds[VFU_MAX_FDS]);
	fuse_file_soil(&a->f);
	go_on(a);
	assert_int_equal(fuse_file_wait_asked(&a->f, 1), 1);
	close(a->p.sock);
}

/* There is no room for it: the kernel closes it when it would be received. */
static void
hold_lost(struct attack *a)
{
	static const struct rlimit none;
	int fd = fuse_file_again(&a->f);

	come(a);
	stop(a);
	assert_int_equal(prlimit(a->server, RLIMIT_NOFILE, &none, NULL), 0);
	peer_send_raw(&a->p, "x", 1, &fd, 1);
	close(fd);
	fuse_file_soil(&a->f);
	go_on(a);
	assert_int_equal(fuse_file_wait_asked(&a->f, 1), 1);
	close(a->p.sock);
}

/* One is closed with a connection, by the thread for that; others are refused until it has room. */
static void
hold_connection(struct attack *a)
{
	static const struct vfio_user_header bad = { .size = 1 };
	int fd = fuse_file_again(&a->f), i;
	struct peer *other = calloc(1, sizeof(*other));

	assert_non_null(other);
	come(a);
	stop(a);
	peer_send_raw(&a->p, &bad, sizeof(bad), NULL, 0);
	peer_send_raw(&a->p, "x", 1, &fd, 1);
	close(fd);
	close(a->p.sock);
	fuse_file_soil(&a->f);
	go_on(a);
	assert_int_equal(fuse_file_wait_asked(&a->f, 1), 1);
	come(a);
	for (i = 0; i < VFU_MAX_CLOSING - 2; i++) {
		other->sock = devsrv_connect(&a->d);
		assert_int_equal(peer_recv(other, PEER_TIMEOUT_MS), 0);
		close(other->sock);
	}
	close(a->p.sock);
	free(other);
}

/* The operator wants it to end, and whatever the server does the path is free at once. */
static void
hold_end(struct attack *a)
{
	hold_lost(a);
	assert_int_equal(kill(a->d.pid, SIGTERM), 0);
	while (access(a->d.address.sun_path, F_OK) == 0)
		usleep(1000);
}

/* By a debugger, say. */
static void
hold_stop(struct attack *a)
{
	stop(a);
}

static struct attack attacks[] = {
	{ "there is no room for a file", hold_lost, REPLACED, .cached = true },
	{ "a file goes with a connection", hold_connection, REPLACED, .cached = true },
	{ "it is told to end", hold_end, ENDED, .cached = true },
	{ "a pipe is written to", hold_write, SERVES },
	{ "a pipe is closed", hold_close_pipe, SERVES },
	{ "an eventfd is closed", hold_close_eventfd, SERVES },
	{ "a file is too much for a message", hold_surplus, SERVES, .cached = true },
	{ "it is stopped", hold_stop, SERVES },
};

#define N_ATTACKS (sizeof(attacks) / sizeof(attacks[0]))

/* On the connection that has waited, or another one. */
static void
check_served(struct attack *a, int sock)
{
	greet(a, sock);
	peer_sync(&a->p);
	close(a->p.sock);
}

/* The file's process is gone, so is who was held. */
static void
let_go(struct attack *a)
{
	fuse_file_close(&a->f);
	if (a->h.page != NULL)
		fuse_hold_end(&a->h);
}

static void
check_replaced(struct attack *a)
{
	pid_t pids[2];

	check_served(a, a->next);
	assert_int_equal(devsrv_servers(&a->d, pids), 2);
	assert_int_equal(pids[0], a->server);
	let_go(a);
	while (devsrv_servers(&a->d, pids) == 2)
		usleep(1000);
	assert_int_not_equal(pids[0], a->server);
	check_served(a, devsrv_connect(&a->d));
	devsrv_check_ends(&a->d);
}

static void
check_serves(struct attack *a)
{
	pid_t pids[2];

	go_on(a); /* if it was stopped */
	check_served(a, a->next);
	assert_int_equal(devsrv_servers(&a->d, pids), 1);
	assert_int_equal(pids[0], a->server);
	let_go(a);
	devsrv_check_ends(&a->d);
}

static void
check_ended(struct attack *a)
{
	int status;

	assert_int_equal(waitpid(a->d.pid, &status, 0), a->d.pid);
	assert_int_equal(status, 0);
	let_go(a);
}

static void
test_held(void **state)
{
	static void (*const checks[])(struct attack * a) = {
		[REPLACED] = check_replaced,
		[SERVES] = check_serves,
		[ENDED] = check_ended,
	};
	struct attack *a;
	pid_t pids[2];

	/* All processes are there before anything is held. */
	for (a = attacks; a < attacks + N_ATTACKS; a++) {
		if (a->cached)
			fuse_file_open_cached_or_skip(&a->f);
		else
			fuse_file_open_or_skip(&a->f);
		devsrv_start(&a->d);
		assert_int_equal(devsrv_servers(&a->d, pids), 1);
		a->server = pids[0];
	}
	for (a = attacks; a < attacks + N_ATTACKS; a++)
		a->hold(a);
	for (a = attacks; a < attacks + N_ATTACKS; a++)
		a->next = a->outcome != ENDED ? devsrv_connect(&a->d) : -1;
	for (a = attacks; a < attacks + N_ATTACKS; a++) {
		print_message("%s\n", a->name);
		checks[a->outcome](a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
