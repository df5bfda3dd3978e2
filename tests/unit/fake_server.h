/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _FAKE_SERVER_H_
#define _FAKE_SERVER_H_

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "ims_vfio_user.h"

/*
 * A vfio-user server that a test scripts byte by byte, as good as its quirk lets it be, in a thread
 * on the other end of a socket pair.
 */

#define BAR_SIZE   0x4000
#define TIMEOUT_MS 20000
#define SILENT_MS  200 /* for an answer that does not come */

/* How the scripted server differs from a good one. */
enum quirk {
	GOOD,
	VERSION_MAJOR,      /* answers with version 7.0 */
	VERSION_REFUSED,    /* error reply */
	VERSION_SHORT,      /* 2 bytes of payload */
	VERSION_JSON,       /* limits of the wrong type and negative */
	VERSION_WIDE,       /* limits above ours */
	SILENT,             /* never answers VERSION */
	HANG_UP,            /* closes instead of answering */
	SIZE_SMALL,         /* a message of 8 bytes */
	SIZE_HUGE,          /* a message of 256 MiB */
	NO_PCI,             /* not a PCI device */
	WRONG_COMMAND,      /* the reply is to another command */
	REGION_INDEX,       /* region info of another region */
	REGION_FILE_SHORT,  /* mapping behind the end of the file */
	REGION_CAP_OUTSIDE, /* cap_offset behind the reply: then the region is mapped whole */
	REGION_CAP_LOOP,
	REGION_AREA_OUTSIDE,
	REGION_READ_ONLY, /* no part of it may be mapped: a store would be a SIGSEGV */
	REGION_FDS,       /* five descriptors where one is due */
	NO_ROOM,          /* the client has none left for it */
	BYTEWISE,         /* every reply a byte at a time */
	DMA_FIRST,        /* a DMA_READ and an unknown request before each reply */
	READ_COMMAND,     /* REGION_READ has a reply to another command */
	READ_SHORT,
	READ_LONG,
	READ_NO_ERROR,  /* an error that is none */
	READ_TIMED_OUT, /* errors that are some */
	READ_PROTO,
	READ_REGION, /* of another region */
	READ_MALFORMED,
	READ_HOLD, /* not yet: behind the next one */
	READ_HELD,
};

struct server {
	int sock;
	atomic_int quirk;
	int memfd;
	int region_fd;         /* region 0 can be mapped from it */
	atomic_int surplus_fd; /* goes with each answer to REGION_READ, and what is injected; -1 */
	atomic_int lingering;  /* with the next one instead, its last copy; -1 */
	struct vfio_user_header held;
	pthread_t thread;
	rlim_t max_fds;
	unsigned int maps;
	atomic_uint commands[32];
	struct vfio_user_dma_map last_map;
	/* Requests to send once, before the next reply. */
	uint8_t inject[4096];
	atomic_size_t inject_len;
	atomic_uint answers;  /* since the last inject_write() */
	unsigned int errors;  /* error replies to the server's own requests */
	unsigned int replies; /* good ones */
	uint8_t last[64];     /* payload of the newest of those */
};

/* A client of it; NULL with rte_errno if it would not have it. */
struct ims_vfio *
start(struct server *s, enum quirk quirk);
/* A good one whose region 0 is this file. */
struct ims_vfio *
start_file(struct server *s, int fd);
/* v may be NULL. */
void
finish(struct server *s, struct ims_vfio *v);

/* A DMA_WRITE of its own, before its next reply. */
void
inject_write(struct server *s, uint16_t id, uint32_t flags, uint64_t addr, uint64_t count,
	const void *data, size_t len);

/* What has been counted since the last time, and nothing else. */
void
expect_errors(struct ims_vfio *v, enum ims_vfio_peer_error what, uint64_t n);

#endif /* _FAKE_SERVER_H_ */
