/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _HOSTILE_H_
#define _HOSTILE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A device that means harm: between ims-devsrv and its client stands a thread that passes messages
 * on, and holds, cuts, swaps, adds some, as it is told. One client; all functions from any thread.
 */

struct hostile;

/** What happens to the device's replies. */
enum hostile_replies {
	HOSTILE_PASS,
	HOSTILE_NEVER,    /* they are thrown away */
	HOSTILE_HALF,     /* the first half of the next one, and nothing more until PASS */
	HOSTILE_SWAPPED,  /* each second one before the first */
	HOSTILE_TWICE,    /* and a third time with another command */
	HOSTILE_WITH_FDS, /* with more descriptors than a message can have */
};

/** Start the device, a process of its own; it waits for its client. */
struct hostile *
hostile_start(const char *model);
/** End both, and check that the thread has ended well. */
void
hostile_stop(struct hostile *h);

/** Its name for rte_ims_dev_open(). */
const char *
hostile_name(const struct hostile *h);
pid_t
hostile_pid(const struct hostile *h);

void
hostile_replies(struct hostile *h, enum hostile_replies replies);
/** Replies that something else than PASS has happened to. */
unsigned int
hostile_replies_spoilt(struct hostile *h);
/** Do not read what the client sends. */
void
hostile_deaf(struct hostile *h, bool deaf);

/**
 * Have the next eventfd that the client passes in an epoll instance, whose wait writes to this
 * memory, and no copy of it; the device gets another one. hostile_stop() waits until it is written.
 */
void
hostile_watch(struct hostile *h, void *memory);

/** Bytes of its own, between two messages. @return false: the client has hung up. */
bool
hostile_send(struct hostile *h, const void *buf, size_t len);
/** A DMA_WRITE or DMA_READ of count bytes; data NULL: without payload. */
bool
hostile_dma(struct hostile *h, uint16_t command, uint32_t flags, uint64_t addr, uint64_t count,
	const void *data, size_t len);
/** Have each of these carry a descriptor; -1: not any more. */
void
hostile_surplus(struct hostile *h, int fd);
/** The client's answers to these. */
unsigned int
hostile_good_answers(struct hostile *h);
unsigned int
hostile_refusals(struct hostile *h);

#endif /* _HOSTILE_H_ */
