/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_VFIO_USER_H_
#define _IMS_VFIO_USER_H_

#include <pthread.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <rte_common.h>

#include "ims_vfio.h"
#include "vfio_user_proto.h"

/*
 * The vfio-user client: what VFIO does as commands (ims_vfio_user.c); a command and the wait for
 * its reply (ims_vfio_user_call.c); what is received (ims_vfio_user_rx.c) and sent
 * (ims_vfio_user_tx.c); the thread, and who else reads (ims_vfio_user_sock.c); the thread that
 * closes what the peer can hold up (ims_vfio_user_close.c); the remap table that makes the client
 * the root complex (ims_vfio_user_msi.c).
 *
 * Who reads the socket: the client's own thread, except that one wait set can take the source
 * (source_take) so that its sleeping thread gets the device's messages without a hop. While a
 * command waits for its reply the client's thread reads as well, so that a taker who is busy
 * elsewhere holds up nobody; rx_lock lets only one of them parse. When many of the device's
 * descriptors wait to be closed nothing is received, and a set's thread could not sleep: from then
 * on the client's thread reads alone (shunned).
 *
 * Locks: rx_lock -> tx_lock -> lock; msi_lock and the closing thread's own are leaves. None is held
 * while a reply is awaited, or room in the socket. Replies that find none are kept, and the
 * client's thread sends them: a taker has other devices to serve. Who asks too much and reads too
 * little is given up.
 */

#define VU_MAX_FDS 16
/*
 * What the kernel lets a message have (SCM_MAX_FD): it would close those itself that we have no
 * room for.
 */
#define VU_SCM_FDS  253
#define VU_MAX_DATA 65536u /* payload of one access that we accept */
#define VU_MAX_MSG  (VU_MAX_DATA + 64)
#define VU_MAX_TX   (1ul << 20) /* bytes that wait for a server that does not read */
#define VU_HANDLES  65536u      /* what 16 bits of a remappable-format message can name */

/* A command and its reply. */
struct vu_call {
	uint16_t command;
	const struct iovec *iov;
	int n_iov;
	const int *fds;
	int n_fds;
	/*
	 * Reply payload goes here, at most reply_cap bytes; it must have reply_min or more. Not the
	 * memory that is sent: a peer may answer before it has been asked.
	 */
	void *reply;
	size_t reply_cap;
	size_t reply_min;
	int max_reply_fds; /* descriptors that it is to have */
	/* Out: */
	size_t reply_len;
	int reply_fds[VU_MAX_FDS]; /* the caller's to close */
	int n_reply_fds;
	/* Private to ims_vfio_user_call.c: */
	LIST_ENTRY(vu_call) next;
	uint16_t id;
	uint64_t nth; /* sent as this one of all; 0: not yet */
	bool done;
	int rc;
	pthread_cond_t cond;
};

struct vu_handle {
	bool used;
	uint32_t data; /* changes with every use of the handle, never 0 */
	struct ims_vfio_sink sink;
};

struct ims_vfio_user {
	struct ims_vfio v;
	int sock;
	pid_t child; /* device process that we started, or -1 */

	uint64_t peer_max_data;
	uint32_t peer_max_fds;
	uint32_t peer_max_maps;

	pthread_mutex_t tx_lock;
	uint8_t *tx_buf; /* what the socket had no room for */
	size_t tx_at;    /* where it starts */
	size_t tx_len;

	pthread_mutex_t lock; /* what follows, and the polled events of the socket */
	bool tx_waits;
	bool silent; /* a command found no answer in time, and none has come since */
	LIST_HEAD(, vu_call) calls;
	uint16_t next_id;
	uint64_t n_sent; /* commands */
	const void *reader;
	uint32_t n_fdless; /* maps that the device reaches by messages only */

	pthread_mutex_t rx_lock;
	uint8_t *rx_buf;
	size_t rx_len;
	size_t rx_fds_at; /* the descriptors came with the message that starts here */
	int rx_fds[VU_MAX_FDS];
	int n_rx_fds;
	bool fds_lost;       /* it has been said */
	bool rx_over;        /* bytes that were no message: what follows them is none either */
	bool rx_choked;      /* it passes descriptors faster than they are closed */
	atomic_bool shunned; /* it has done so: no wait set reads the socket any more */
	struct timespec rx_choked_until;
	uint8_t *rx_reply;

	struct vu_closer *closer;
	pthread_t thread;
	int epfd;
	int stop_fd;

	pthread_mutex_t msi_lock;
	struct vu_handle *handles;
	uint32_t next_handle;
	uint32_t n_handles;
};

static inline struct ims_vfio_user *
vu_from(struct ims_vfio *v)
{
	return (struct ims_vfio_user *)v;
}

/* ims_vfio_user_sock.c */
int
vu_sock_init(struct ims_vfio_user *c);
/* The socket is closed as well, or will be. */
void
vu_sock_fini(struct ims_vfio_user *c);
/* The connection is of no more use: the device is gone, and every command waiting fails. */
void
vu_broken(struct ims_vfio_user *c, const char *why);
/*
 * The client's thread looks for data when nobody else does, and always for the end of the
 * connection.
 */
void
vu_watch_update_locked(struct ims_vfio_user *c);
int
vu_source_take(struct ims_vfio *v, const void *reader);
void
vu_source_give(struct ims_vfio *v, const void *reader);

/* ims_vfio_user_tx.c */
/*
 * Never blocks. 0: it is sent, or the rest of it will be; -EAGAIN: the socket has room for nothing;
 * -ENODEV; or the errno value of sendmsg(), for example of a descriptor that is none. tx_lock held;
 * iov is written to.
 */
int
vu_tx_send_locked(struct ims_vfio_user *c, struct iovec *iov, int n_iov, const int *fds, int n_fds);
/* What has been kept. 0; -EAGAIN: there is more; -ENODEV. */
int
vu_tx_flush_locked(struct ims_vfio_user *c);
/* Answer the device; error is an errno value, or 0 and there is data. */
void
vu_reply(struct ims_vfio_user *c, uint16_t id, uint16_t command, int error, const void *data,
	size_t len);

/* ims_vfio_user_rx.c */
/*
 * Take what has come and handle it. Returns how many events are for the reader, at most n; all
 * others are delivered. rx_lock held.
 */
unsigned int
vu_rx_locked(
	struct ims_vfio_user *c, const void *reader, struct ims_vfio_event *ev, unsigned int n);
int
vu_source_read(struct ims_vfio *v, const void *reader, struct ims_vfio_event *ev, unsigned int n);
void
vu_source_ack(struct ims_vfio *v, const struct ims_vfio_event *ev, unsigned int n);

/* ims_vfio_user_call.c */
/* Send a command and wait for its reply: 0, or the errno value of the reply, of a bad reply
 * (-EPROTO), of sendmsg(), -ETIMEDOUT, -ENODEV. Without success there are no reply_fds.
 */
int
vu_call(struct ims_vfio_user *c, struct vu_call *call);
/*
 * The device answers. Returns how many of the first fds are taken by whoever waits for it; the
 * others are counted as surplus.
 */
int
vu_call_reply(struct ims_vfio_user *c, const struct vfio_user_header *hdr, const uint8_t *data,
	size_t len, const int *fds, int n_fds);
void
vu_calls_end_locked(struct ims_vfio_user *c, int rc);

/* ims_vfio_user_close.c */
/* How long descriptors may take to be closed: as long as a reply, but this machine is busy, too. */
static inline uint32_t
vu_close_ms(const struct ims_vfio_user *c)
{
	return RTE_MAX(c->v.timeout_ms, 1000u);
}

/* 0; -EBUSY threads of the same device's are left from before; -ENOMEM, -EAGAIN. */
int
vu_closer_start(struct ims_vfio_user *c);
/* Waits so long, then leaves the thread to itself, which ends when all is closed. */
void
vu_closer_stop(struct ims_vfio_user *c);
/*
 * For descriptors of the peer's. Does not wait. True: many wait, and whoever receives messages
 * leaves off until vu_closer_behind() is false.
 */
bool
vu_close_fds(struct ims_vfio_user *c, const int *fds, int n);
bool
vu_closer_behind(struct ims_vfio_user *c, uint32_t wait_ms);
/* As in struct ims_vfio_ops. */
int
vu_fd_give(struct ims_vfio *v);
void
vu_fd_close(struct ims_vfio *v, int fd);

/* ims_vfio_user_msi.c */
int
vu_msi_init(struct ims_vfio_user *c);
void
vu_msi_fini(struct ims_vfio_user *c);
/*
 * The device wrote len bytes at an address of the MSI window. 1: the event is for the reader, who
 * gets its cookie; 0: delivered to an eventfd; -EFAULT: no such message is given out, counted.
 */
int
vu_msi_deliver(struct ims_vfio_user *c, uint64_t addr, const void *data, uint64_t len,
	const void *reader, uint64_t *cookie);
int
vu_msg_alloc(struct ims_vfio *v, const struct ims_vfio_sink *sink, struct ims_vfio_msg *msg);
void
vu_msg_retarget(
	struct ims_vfio *v, const struct ims_vfio_msg *msg, const struct ims_vfio_sink *sink);
void
vu_msg_free(struct ims_vfio *v, const struct ims_vfio_msg *msg);
int
vu_msg_sink(struct ims_vfio *v, const struct ims_vfio_msg *msg, struct ims_vfio_sink *sink);

/* For ims_emu.c: make a client of a connected socket, which it then owns, as it does the child. */
struct ims_vfio *
ims_vfio_user_attach(const char *name, int sock, pid_t child, uint32_t timeout_ms);

#endif /* _IMS_VFIO_USER_H_ */
