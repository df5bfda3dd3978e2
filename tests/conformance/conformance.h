/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _CONFORMANCE_H_
#define _CONFORMANCE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vfio.h>

#include "vfio_user_proto.h"

/* How long a server may take for an answer. */
#define ANSWER_MS 20000
#define MAX_FDS   16
#define MAX_DATA  (1u << 20)

struct message {
	struct vfio_user_header hdr;
	uint32_t len; /* of data */
	uint8_t data[MAX_DATA + 64];
	int fds[MAX_FDS]; /* ours to close: message_drop_fds() */
	unsigned int n_fds;
};

/* What the server has said of its device; 64 bits each, so that a table can point at any of it. */
struct device {
	uint64_t n_regions;
	uint64_t n_irqs;
	uint64_t config_size;
	uint64_t empty_region; /* a region of size 0; n_regions: there is none */
	uint64_t irq;          /* the interrupt index with the most vectors that have eventfds */
	uint64_t n_vectors;    /* 0: there is none */
	/*
	 * The largest part of a region that can be mapped: memory, of which any size can be read.
	 */
	uint64_t area_region;
	uint64_t area_offset;
	uint64_t area_size;   /* 0: there is none */
	uint64_t area_behind; /* bytes of the region from area_offset on */
	uint64_t region0_size;
	/* Limits that it announces. */
	uint64_t max_data;
	uint64_t max_fds;
	uint64_t max_maps;
	/* Optional commands that it knows: 0 or 1. */
	uint64_t io_fds;
	uint64_t write_multi;
	uint64_t migration;
	uint64_t logging;
};
extern struct device dev;

/* What a case comes to: NULL, or what was wrong with the answer, in a few words. */
typedef const char *verdict;

/* The words of a verdict, in a buffer that the next call overwrites. */
verdict
wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* conn.c: the one connection, and the newest message that came in by it. */
extern struct message in;

/* The socket's path, for all that follows. */
void
conn_path(const char *path);
/* Connect, without a VERSION. False: nobody answers. */
bool
conn_open(void);
/* And with one, of these bytes behind the version's number (0.1); the reply is in `in`. */
verdict
conn_version(const void *json, uint32_t len, const int *fds, unsigned int n_fds);
/* And with a good one. */
bool
conn_ready(void);
void
conn_close(void);
/* Bytes as they are. False: the server has hung up. */
bool
conn_send(const void *buf, size_t len, const int *fds, unsigned int n_fds);
/* A request. False: the server has hung up. */
bool
conn_request(uint16_t id, uint16_t command, uint32_t flags, const void *data, uint32_t len,
	const int *fds, unsigned int n_fds);
/* Receive one message into `in`. 1; 0: the server has hung up; -1: nothing came, or no message. */
int
conn_recv(int timeout_ms);
/*
 * Receive the reply to a request and check its header. *error: 0, or the reply's errno (EIO if 0).
 */
verdict
conn_reply(uint16_t id, uint16_t command, uint32_t *error);
/* The same of the message that is in `in` already. */
verdict
conn_check(uint16_t id, uint16_t command, uint32_t *error);
/* A request that any server grants: it still serves this connection. */
verdict
conn_alive(void);
/* The server answers with an error, or hangs up, and serves the next connection. */
verdict
conn_refused(uint16_t id, uint16_t command);
void
message_drop_fds(struct message *msg);

/* True if all copies of a pipe's write end are closed within the time: its read end tells. */
bool
pipe_released(int read_end);
/*
 * True if nobody has the memfd mapped for writing any more. Once only: it cannot be written to
 * then.
 */
bool
memfd_released(int memfd);

/* A case that is a function. Skipped if `needs` points at 0, a number in `dev`; NULL: never. */
struct sequence {
	const char *group;
	const char *name;
	bool by_spec;
	verdict (*run)(void);
	const uint64_t *needs;
};
void
run_sequences(const struct sequence *s, size_t n);

/* matrix.c: what is looked at of each message, by the tables themselves. */
#define MAX_FIELDS 16
struct coverage {
	unsigned int valid;
	struct {
		const char *name;
		unsigned int len; /* of the name */
		unsigned int n;   /* cases in which it is wrong, or at its limit */
	} fields[MAX_FIELDS];
	unsigned int sizes;
	unsigned int descriptors;
};
void
cover_field(struct coverage *cov, const char *name, unsigned int len);
/* A case of the group. The groups are printed in the order in which they came first. */
void
matrix_count(const char *group);
void
matrix_print(void);
/* False: not a group of this file's. */
bool
requests_cover(const char *group, struct coverage *cov);
bool
version_cover(const char *group, struct coverage *cov);
bool
dma_cover(const char *group, struct coverage *cov);

/* learn.c: fill `dev` in. False: no server, or not one of a PCI device. */
bool
learn(void);

/* Run all cases, by report(). */
void
version_run(void);
void
sequences_run(void);
void
limits_run(void);
void
requests_run(void);
void
dma_run(void);

/* dma.c: how to make the device read or write memory; see usage. False: that makes no sense. */
bool
dma_recipe(uint16_t command, const char *text);

/*
 * main.c: one case. by_spec: the specification's text demands it, else it is what a server should
 * do with a client that is out of order. `note` is printed; may be NULL.
 */
void
report(const char *group, const char *name, bool by_spec, verdict v, const char *note);
void
report_skip(const char *group, const char *name, const char *why);
/* The server that we have started has ended by itself: there is no use in waiting for it. */
bool
server_ended(void);
/* Whether to run the case at all (--only). */
bool
wanted(const char *group, const char *name);

#endif /* _CONFORMANCE_H_ */
