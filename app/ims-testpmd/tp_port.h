/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TP_PORT_H_
#define _TP_PORT_H_

/*
 * DPDK's ethdev ports that the user attached, and the forwarding between them: ports.c has the
 * list, fwd.c what becomes of packets, in the threads of the wait sets, fwd_send.c a source of
 * packets, in the main one.
 */

#include <sys/queue.h>

#include <rte_ethdev.h>

#include <rte_ims_ethdev.h>

#include "bench.h"
#include "testpmd.h"

struct tp_set;
struct tp_port;

enum tp_fwd_mode {
	TP_FWD_NONE,
	TP_FWD_IO,     /* to the peer, as they are */
	TP_FWD_MAC,    /* the same, back to the sender's address */
	TP_FWD_RXONLY, /* counted and dropped */
};

struct tp_rxq {
	struct rte_ims_ethdev_rxq rxq;
	struct tp_port *port;
	struct tp_set *set; /* whose thread receives */
	uint16_t tx_port;   /* of the peer; the queue has the same number */
	bool added;
	bool stamps; /* take the latency of packets of fwd_send.c */
	struct rte_ether_addr tx_addr;
	struct hist *latency;
	/* One thread counts. */
	atomic_uint_fast64_t rx;
	atomic_uint_fast64_t tx;
	atomic_uint_fast64_t dropped; /* the peer had no room */
};

struct tp_port {
	TAILQ_ENTRY(tp_port) next;
	uint16_t id;
	char name[RTE_ETH_NAME_MAX_LEN];
	uint16_t n_queues;
	bool plugged; /* by "port attach": goes with "port detach" */
	struct rte_mempool *mempool;
	struct tp_rxq *queues;
};

TAILQ_HEAD(tp_port_list, tp_port);
/* In the order of their numbers. */
extern struct tp_port_list tp_ports;

/* ports.c. These return a negative errno value after tp_fail(). */
/* An attached one, by number or name, or NULL. */
struct tp_port *
tp_port_find(const char *str);
/* name: the number or name of a port, or what EAL's --vdev and --allow take. */
int
tp_port_attach(const char *name, uint16_t n_queues);
int
tp_port_detach(struct tp_port *port);
void
tp_ports_close(void);

/* fwd.c */
enum tp_fwd_mode
tp_fwd_mode(void);
const char *
tp_fwd_mode_str(void);
/* Queues join the wait sets of their lcores, which get the policy. */
int
tp_fwd_start(enum tp_fwd_mode mode, enum rte_ims_policy policy);
/* They leave them, which get back the policy that they had. */
int
tp_fwd_stop(void);
/* While packets flow. */
int
tp_fwd_policy(enum rte_ims_policy policy);
/* By all queues of a port so far; NULL: of all attached ones. */
uint64_t
tp_fwd_received(const struct tp_port *only);

/* fwd_send.c */
struct tp_send {
	const char *name; /* of what shows the progress */
	struct tp_port *port;
	const struct tp_port *to; /* whose queues receive; NULL: those of all attached ports */
	uint64_t count;           /* 0: until duration_ns is over */
	uint64_t duration_ns;     /* 0: for ever */
	uint64_t rate;            /* packets per second; 0: as fast as there is room */
	uint64_t window;          /* most that no queue has received yet; 0: no limit */
	uint16_t size;            /* of a packet in bytes, without FCS */

	uint64_t sent;
	uint64_t full; /* times that there was no room */
};

#define TP_SEND_SIZE_MIN 60

/*
 * Packets with a time stamp on queue 0, from the calling thread. Waits for room. -EINTR, -EIO: in
 * vain.
 */
int
tp_send_run(struct tp_send *send);
/* The stamp of a packet of such, in ticks; 0: it has none. */
uint64_t
tp_send_stamp(const struct rte_mbuf *pkt);

#endif /* _TP_PORT_H_ */
