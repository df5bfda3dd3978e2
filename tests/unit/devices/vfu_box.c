/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <stdio.h>
#include <sys/socket.h>

#include "vfu_box.h"
#include "vfu_priv.h"

static void *
server_thread(void *arg)
{
	vfu_run(arg);
	return NULL;
}

void
box_open(struct box *box)
{
	static int n;

	box->m = plain_create();
	box->address.sun_family = AF_UNIX;
	snprintf(box->address.sun_path, sizeof(box->address.sun_path), "/tmp/ims-vfu-%d-%d",
		getpid(), n++);
	assert_int_equal(vfu_listen(box->m->vfu, box->address.sun_path, 0600), 0);
	assert_int_equal(pthread_create(&box->thread, NULL, server_thread, box->m->vfu), 0);
}

void
box_close(struct box *box)
{
	vfu_stop(box->m->vfu);
	pthread_join(box->thread, NULL);
	plain_destroy(box->m);
}

void
box_connect(struct peer *p, const struct box *box)
{
	memset(p, 0, sizeof(*p));
	p->vfu = box->m->vfu;
	p->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(p->sock >= 0);
	assert_int_equal(
		connect(p->sock, (const struct sockaddr *)&box->address, sizeof(box->address)), 0);
}

void
box_check_served(const struct box *box)
{
	static struct peer p;

	box_connect(&p, box);
	assert_int_equal(peer_version(&p, 0, NULL), 0);
	peer_sync(&p);
	close(p.sock);
}

bool
box_is_served(const struct box *box)
{
	static struct peer other;
	static const struct {
		struct vfio_user_header hdr;
		uint16_t major, minor;
	} version = { .hdr = { .command = VFIO_USER_VERSION, .size = sizeof(version) },
		.minor = VFIO_USER_MINOR };
	int rc;

	box_connect(&other, box);
	/* Refused, it may be closed by now. */
	send(other.sock, &version, sizeof(version), MSG_NOSIGNAL);
	rc = peer_recv(&other, PEER_TIMEOUT_MS);
	assert_true(rc >= 0); /* one or the other is told at once */
	close(other.sock);
	return rc == 1;
}

void
box_check_refused(const struct box *box)
{
	static struct peer p;

	box_connect(&p, box);
	assert_true(peer_closed(&p));
	close(p.sock);
}
