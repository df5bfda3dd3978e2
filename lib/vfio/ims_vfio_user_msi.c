/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The client as root complex: a remap table that turns messages into events.
 *
 * Messages have the VT-d remappable format (Intel VT-d specification, section 5.1.2.2): address
 * 0xfee, handle[14:0] in bits 19:5, format 1 in bit 4, SHV 0 in bit 3, handle[15] in bit 2. VT-d
 * ignores the data word then; we check it. It is different for every use of a handle, so that a
 * message of a former owner of the handle is told from one of the present owner, and handles are
 * reused as late as possible.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ims_eventfd.h"
#include "ims_vfio_log.h"
#include "ims_vfio_user.h"

#define MSG_BASE   0xfee00000u
#define MSG_FORMAT 0x10u
#define MSG_FIXED  (0xfff00000u | MSG_FORMAT | 0x08u | 0x03u) /* bits that are the same in all */

static uint64_t
msg_addr(uint32_t handle)
{
	return MSG_BASE | (uint64_t)(handle & 0x7fff) << 5 | MSG_FORMAT | (handle >> 15) << 2;
}

/* The handle an address names, or -1. */
static int
msg_handle(uint64_t addr)
{
	if (addr > UINT32_MAX || (addr & MSG_FIXED) != (MSG_BASE | MSG_FORMAT))
		return -1;
	return (addr >> 5 & 0x7fff) | (addr >> 2 & 1) << 15;
}

int
vu_msi_init(struct ims_vfio_user *c)
{
	c->handles = calloc(VU_HANDLES, sizeof(*c->handles));
	if (c->handles == NULL)
		return -ENOMEM;
	pthread_mutex_init(&c->msi_lock, NULL);
	return 0;
}

void
vu_msi_fini(struct ims_vfio_user *c)
{
	pthread_mutex_destroy(&c->msi_lock);
	free(c->handles);
}

int
vu_msg_alloc(struct ims_vfio *v, const struct ims_vfio_sink *sink, struct ims_vfio_msg *msg)
{
	struct ims_vfio_user *c = vu_from(v);
	struct vu_handle *h;
	int rc = -ENOSPC;

	pthread_mutex_lock(&c->msi_lock);
	if (c->n_handles < VU_HANDLES) {
		while (c->handles[c->next_handle].used)
			c->next_handle = (c->next_handle + 1) % VU_HANDLES;
		h = &c->handles[c->next_handle];
		h->used = true;
		h->data = h->data == UINT32_MAX ? 1 : h->data + 1;
		h->sink = *sink;
		msg->addr = msg_addr(c->next_handle);
		msg->data = h->data;
		c->next_handle = (c->next_handle + 1) % VU_HANDLES;
		c->n_handles++;
		rc = 0;
	}
	pthread_mutex_unlock(&c->msi_lock);
	return rc;
}

void
vu_msg_retarget(
	struct ims_vfio *v, const struct ims_vfio_msg *msg, const struct ims_vfio_sink *sink)
{
	struct ims_vfio_user *c = vu_from(v);

	pthread_mutex_lock(&c->msi_lock);
	c->handles[msg_handle(msg->addr)].sink = *sink;
	pthread_mutex_unlock(&c->msi_lock);
}

/* Once this has returned nothing is written to the sink's descriptor any more. */
void
vu_msg_free(struct ims_vfio *v, const struct ims_vfio_msg *msg)
{
	struct ims_vfio_user *c = vu_from(v);

	pthread_mutex_lock(&c->msi_lock);
	c->handles[msg_handle(msg->addr)].used = false;
	c->n_handles--;
	pthread_mutex_unlock(&c->msi_lock);
}

int
vu_msg_sink(struct ims_vfio *v, const struct ims_vfio_msg *msg, struct ims_vfio_sink *sink)
{
	struct ims_vfio_user *c = vu_from(v);
	int handle = msg_handle(msg->addr), rc = -ENOENT;
	const struct vu_handle *h;

	if (handle < 0)
		return rc;
	pthread_mutex_lock(&c->msi_lock);
	h = &c->handles[handle];
	if (h->used && h->data == msg->data) {
		*sink = h->sink;
		rc = 0;
	}
	pthread_mutex_unlock(&c->msi_lock);
	return rc;
}

int
vu_msi_deliver(struct ims_vfio_user *c, uint64_t addr, const void *data, uint64_t len,
	const void *reader, uint64_t *cookie)
{
	int handle = msg_handle(addr), rc = -EFAULT;
	struct vu_handle *h;
	uint32_t word;

	if (handle >= 0 && len == sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		pthread_mutex_lock(&c->msi_lock);
		h = &c->handles[handle];
		if (h->used && h->data == word) {
			rc = reader != NULL && h->sink.reader == reader;
			*cookie = h->sink.cookie;
			if (rc == 0 && !ims_eventfd_signal(h->sink.fd))
				IMS_VFIO_LOG(ERR, "%s: cannot signal an eventfd: %s", c->v.name,
					strerror(errno));
		}
		pthread_mutex_unlock(&c->msi_lock);
	}
	if (rc < 0)
		ims_vfio_peer_error(&c->v, IMS_VFIO_PEER_STRAY_MSG, 1);
	return rc;
}
