/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _MSI_FIRE_H_
#define _MSI_FIRE_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vfu.h"

/*
 * How a message leaves the device: as the eventfd of the MSI-X vector whose message it is, as a
 * store into memory that the client has mapped, else as a DMA_WRITE to the client, who is the root
 * complex.
 *
 * A slot has at most one DMA_WRITE under way. An event meanwhile is remembered and makes the model
 * look at the slot again when the reply is there: messages merge as MSIs do, none is lost, and a
 * client that is slow gets no backlog. All calls are made with the device's lock held.
 */

struct msi_slot {
	bool in_flight;
	bool again;               /* an event came meanwhile */
	bool queued;              /* in the queue of those that wait for room */
	bool waiting;             /* and has an event that does */
	_Atomic(uint64_t) *stamp; /* of the newest event that waits, or NULL */
	bool stale; /* the slot was reset since: what becomes of the message is of no interest */
};

struct msi_port {
	struct vfu *vfu;
	/* Look at a slot again: it has an event that is not sent yet. */
	void (*refire)(void *priv, uint32_t slot);
	/* A message was refused. */
	void (*fault)(void *priv, uint32_t slot);
	void *priv;
	uint32_t n_slots;
	struct msi_slot *slots;
	uint32_t *queue; /* slots that wait for room */
	uint32_t queue_head;
	uint32_t queue_len;
};

/* 0 or -ENOMEM. The caller has filled in vfu, refire, fault, priv and n_slots. */
int
msi_port_init(struct msi_port *port);
void
msi_port_fini(struct msi_port *port);

/* The function was reset: nothing is to be sent again. */
void
msi_port_reset(struct msi_port *port);

/* The slot's object is gone: what becomes of its messages is of no interest, and none follows. */
void
msi_port_forget(struct msi_port *port, uint32_t slot);

/*
 * Send a slot's message. stamp, if not NULL, is set to the time right before it leaves. False: the
 * function may not master the bus now, or nobody is there; the model keeps the event.
 */
bool
msi_fire(struct msi_port *port, uint32_t slot, uint64_t addr, uint32_t data,
	_Atomic(uint64_t) *stamp);

/*
 * Send a message that no slot stands for, if that is possible now: what a device should not do.
 * Nobody is told when it is refused.
 */
void
msi_fire_raw(struct msi_port *port, uint64_t addr, uint32_t data);

#endif /* _MSI_FIRE_H_ */
