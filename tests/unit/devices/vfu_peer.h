/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _VFU_PEER_H_
#define _VFU_PEER_H_

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/vfio.h>

#include "vfio_user_proto.h"
#include "vfu.h"

/*
 * The other end of a server's socket: messages made by hand, and nothing checked for the test. The
 * server runs in a thread of this process.
 */

#define PEER_TIMEOUT_MS 20000
#define PEER_MAX_FDS    16
#define PEER_MAX_DATA   70000
#define PEER_MAX_STASH  600

struct peer_msg {
	struct vfio_user_header hdr;
	uint32_t len; /* of data */
	uint8_t data[PEER_MAX_DATA];
	int fds[PEER_MAX_FDS];
	unsigned int n_fds;
};

/* A request of the server that came while a reply was waited for. */
struct peer_stash {
	struct vfio_user_header hdr;
	struct vfio_user_dma_access acc;
	uint32_t value;
};

struct peer {
	struct vfu *vfu;
	int sock;
	pthread_t thread;
	uint16_t next_id;
	struct peer_msg in; /* the newest message */
	struct peer_stash stash[PEER_MAX_STASH];
	unsigned int stash_head;
	unsigned int stash_len;
};

/* Attach to the server and have it run. peer_start() also exchanges versions. */
void
peer_attach(struct peer *p, struct vfu *vfu);
void
peer_start(struct peer *p, struct vfu *vfu);
/* Hang up and wait until the server's thread has ended; the server itself stays. */
void
peer_stop(struct peer *p);

void
peer_send_raw(struct peer *p, const void *buf, size_t len, const int *fds, unsigned int n_fds);
/* Returns the request's id. */
uint16_t
peer_send(struct peer *p, uint16_t command, uint32_t flags, const void *data, uint32_t len,
	const int *fds, unsigned int n_fds);
/* A reply to a request of the server. error 0: a good one. */
void
peer_reply(struct peer *p, uint16_t id, uint16_t command, uint32_t error, const void *data,
	uint32_t len);

/* Receive any message into p->in. 1, 0: the server has hung up, -1: nothing within the time. */
int
peer_recv(struct peer *p, int timeout_ms);
/* Receive the reply to `id` into p->in; requests of the server go to the stash. Its errno. */
uint32_t
peer_reply_wait(struct peer *p, uint16_t id);
/* Send and wait for the reply. */
uint32_t
peer_call(struct peer *p, uint16_t command, const void *data, uint32_t len);
uint32_t
peer_call_fds(struct peer *p, uint16_t command, const void *data, uint32_t len, const int *fds,
	unsigned int n_fds);
/* The server's next request, from the stash or the socket. False: none within the time. */
bool
peer_request(struct peer *p, struct peer_stash *req, int timeout_ms);

uint32_t
peer_version(struct peer *p, uint16_t major, const char *json);
/* A request that always succeeds: all that was sent before has been handled when it returns. */
void
peer_sync(struct peer *p);
bool
peer_closed(struct peer *p);

uint32_t
peer_dma_map(struct peer *p, uint64_t iova, uint64_t size, uint32_t flags, int fd, uint64_t offset);
uint32_t
peer_dma_unmap(struct peer *p, uint64_t iova, uint64_t size, uint32_t flags);
uint32_t
peer_set_irqs(struct peer *p, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
	const void *data, uint32_t len, const int *fds, unsigned int n_fds);
uint32_t
peer_read(struct peer *p, uint32_t region, uint64_t off, void *buf, uint32_t len);
uint32_t
peer_write(struct peer *p, uint32_t region, uint64_t off, const void *buf, uint32_t len);
/* Descriptors of this process, when the server has closed the connections that it has ended. */
unsigned int
peer_count_fds(struct peer *p);
/* Read-modify-write of the command register's bus master bit. */
void
peer_bus_master(struct peer *p, bool on);

/* A model without any behaviour: one 64-bit BAR 0 with two areas, BAR 2 trapped, 8 vectors. */
#define PLAIN_BAR0_SIZE 0x10000
#define PLAIN_BAR2_SIZE 0x1000
#define PLAIN_VECTORS   8

/* What the model was asked for. */
struct plain_counts {
	unsigned int reads;
	unsigned int writes;
	unsigned int resets;
	unsigned int bus_master_on;
	unsigned int bus_master_off;
	uint64_t last_off;
	uint32_t last_len;
	uint32_t last_bar;
};

struct plain {
	struct vfu *vfu;
	int memfd;
	uint8_t mem[PLAIN_BAR0_SIZE];
	int refuse; /* errno for every access */
	struct plain_counts counts;
};

struct plain *
plain_create(void);
void
plain_destroy(struct plain *m);
struct plain_counts
plain_counts(struct plain *m);

#endif /* _VFU_PEER_H_ */
