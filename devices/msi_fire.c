/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "msi_fire.h"
#include "ticks.h"

int
msi_port_init(struct msi_port *port)
{
	port->slots = calloc(port->n_slots, sizeof(*port->slots));
	port->queue = calloc(port->n_slots, sizeof(*port->queue));
	if (port->slots != NULL && port->queue != NULL)
		return 0;
	msi_port_fini(port);
	return -ENOMEM;
}

void
msi_port_fini(struct msi_port *port)
{
	free(port->slots);
	free(port->queue);
	port->slots = NULL;
	port->queue = NULL;
}

void
msi_port_reset(struct msi_port *port)
{
	uint32_t i;

	for (i = 0; i < port->n_slots; i++) {
		port->slots[i] = (struct msi_slot){ .in_flight = port->slots[i].in_flight };
		port->slots[i].stale = port->slots[i].in_flight;
	}
	port->queue_len = 0;
}

void
msi_port_forget(struct msi_port *port, uint32_t slot)
{
	port->slots[slot].stale = port->slots[slot].in_flight;
	port->slots[slot].again = port->slots[slot].waiting = false;
	port->slots[slot].stamp = NULL;
}

static void
enqueue(struct msi_port *port, uint32_t slot)
{
	struct msi_slot *s = &port->slots[slot];

	s->waiting = true;
	if (s->queued)
		return;
	s->queued = true;
	port->queue[(port->queue_head + port->queue_len++) % port->n_slots] = slot;
}

/*
 * There is room for one more: the slot that has waited longest, and the next if that one has
 * nothing to send any more. Ends where a reply is to come, which calls this again.
 */
static void
dequeue(struct msi_port *port)
{
	uint32_t slot, n;

	for (n = port->queue_len; n != 0 && port->queue_len != 0; n--) {
		slot = port->queue[port->queue_head];
		port->queue_head = (port->queue_head + 1) % port->n_slots;
		port->queue_len--;
		port->slots[slot].queued = false;
		if (!port->slots[slot].waiting)
			continue; /* forgotten */
		port->slots[slot].waiting = false;
		port->refire(port->priv, slot);
		if (port->slots[slot].in_flight || port->slots[slot].queued)
			return;
	}
}

/* `done` of a DMA_WRITE gets the slot's own struct: which slot it is follows from where it lies. */
struct flight {
	struct msi_port *port;
	uint32_t slot;
};

static void
on_reply(void *arg, int error, const void *data, uint32_t len)
{
	struct flight flight = *(struct flight *)arg;
	struct msi_port *port = flight.port;
	struct msi_slot *s = &port->slots[flight.slot];
	bool again = s->again, stale = s->stale;

	free(arg);
	s->in_flight = s->again = s->stale = false;
	if (error == ECANCELED)
		return;
	if (error != 0 && !stale) {
		vfu_stats(port->vfu)->msgs_faulted++;
		port->fault(port->priv, flight.slot);
	}
	/* Behind those that wait for room already. */
	if (again)
		enqueue(port, flight.slot);
	dequeue(port);
}

static bool
send_dma_write(struct msi_port *port, uint32_t slot, uint64_t addr, uint32_t data,
	_Atomic(uint64_t) *stamp)
{
	struct msi_slot *s = &port->slots[slot];
	struct flight *flight;
	int rc;

	/* An event that waits is stamped when its message is sent, later. */
	if (stamp != NULL)
		s->stamp = stamp;
	if (s->in_flight) {
		s->again = true;
		vfu_stats(port->vfu)->msgs_merged++;
		return true;
	}
	flight = malloc(sizeof(*flight));
	if (flight == NULL)
		return false;
	flight->port = port;
	flight->slot = slot;
	if (s->stamp != NULL)
		atomic_store_explicit(s->stamp, ticks_stamp(), memory_order_relaxed);
	rc = vfu_dma_write(port->vfu, addr, &data, sizeof(data), on_reply, flight);
	if (rc == 0) {
		s->in_flight = true;
		s->stamp = NULL;
		vfu_stats(port->vfu)->msgs_socket++;
		return true;
	}
	free(flight);
	if (rc != -EAGAIN)
		return false;
	enqueue(port, slot);
	return true;
}

/* Where the device can deliver a message by itself. False: it cannot. */
static bool
deliver(struct msi_port *port, uint64_t addr, uint32_t data, _Atomic(uint64_t) *stamp)
{
	_Atomic(uint32_t) *word = NULL;
	int vector;

	/* The same message as an MSI-X entry's is the same interrupt: one hop less. */
	vector = vfu_msix_find(port->vfu, addr, data);
	if (vector < 0)
		word = vfu_dma_aligned(port->vfu, addr, sizeof(*word), sizeof(*word), true);
	if (vector < 0 && word == NULL)
		return false;
	if (stamp != NULL)
		atomic_store_explicit(stamp, ticks_stamp(), memory_order_relaxed);
	if (vector >= 0) {
		vfu_msix_signal(port->vfu, vector);
		return true;
	}
	vfu_stats(port->vfu)->msgs_memory++;
	/* Release: whoever sees the word sees what the device did before. */
	atomic_store_explicit(word, data, memory_order_release);
	return true;
}

bool
msi_fire(struct msi_port *port, uint32_t slot, uint64_t addr, uint32_t data,
	_Atomic(uint64_t) *stamp)
{
	if (!vfu_bus_master(port->vfu))
		return false;
	return deliver(port, addr, data, stamp) || send_dma_write(port, slot, addr, data, stamp);
}

static void
on_raw_reply(void *arg, int error, const void *data, uint32_t len)
{
	struct msi_port *port = arg;

	if (error != 0 && error != ECANCELED)
		vfu_stats(port->vfu)->msgs_faulted++;
}

void
msi_fire_raw(struct msi_port *port, uint64_t addr, uint32_t data)
{
	if (!deliver(port, addr, data, NULL) &&
		vfu_dma_write(port->vfu, addr, &data, sizeof(data), on_raw_reply, port) == 0)
		vfu_stats(port->vfu)->msgs_socket++;
}
