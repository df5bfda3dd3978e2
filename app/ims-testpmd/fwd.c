/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Forwarding. Two ports that follow each other in the list are peers, a port without one is its
 * own. Queue n of a port sends on queue n of the peer, so each Tx queue has one thread.
 */

#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include "tp_port.h"
#include "tp_service.h"

static enum tp_fwd_mode mode;
/* What the wait sets had before. */
static struct rte_ims_wait_policy *saved;

enum tp_fwd_mode
tp_fwd_mode(void)
{
	return mode;
}

const char *
tp_fwd_mode_str(void)
{
	static const char *const names[] = { "-", "io", "mac", "rxonly" };

	return names[mode];
}

static void
count(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

uint64_t
tp_fwd_received(const struct tp_port *only)
{
	struct tp_port *port;
	uint64_t n = 0;
	uint16_t i;

	TAILQ_FOREACH(port, &tp_ports, next)
		for (i = 0; i < port->n_queues && (only == NULL || only == port); i++)
			n += atomic_load_explicit(&port->queues[i].rx, memory_order_relaxed);
	return n;
}

static void
latency_take(struct tp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t now = rte_rdtsc(), stamp;
	uint16_t i;

	for (i = 0; i < n; i++) {
		stamp = tp_send_stamp(pkts[i]);
		if (stamp != 0 && stamp < now)
			hist_add(q->latency, now - stamp);
	}
}

static void
on_rxonly(struct rte_ims_ethdev_rxq *rxq, struct rte_mbuf **pkts, uint16_t n)
{
	struct tp_rxq *q = rxq->arg;

	if (q->stamps)
		latency_take(q, pkts, n);
	rte_pktmbuf_free_bulk(pkts, n);
	count(&q->rx, n);
}

static void
on_io(struct rte_ims_ethdev_rxq *rxq, struct rte_mbuf **pkts, uint16_t n)
{
	struct tp_rxq *q = rxq->arg;
	uint16_t sent;

	sent = rte_eth_tx_burst(q->tx_port, rxq->queue_id, pkts, n);
	if (sent < n)
		rte_pktmbuf_free_bulk(pkts + sent, n - sent);
	count(&q->rx, n);
	count(&q->tx, sent);
	count(&q->dropped, n - sent);
}

/* The packet goes back where it came from, by way of the peer. */
static void
on_mac(struct rte_ims_ethdev_rxq *rxq, struct rte_mbuf **pkts, uint16_t n)
{
	struct tp_rxq *q = rxq->arg;
	struct rte_ether_hdr *eth;
	uint16_t i;

	for (i = 0; i < n; i++) {
		eth = rte_pktmbuf_mtod(pkts[i], struct rte_ether_hdr *);
		rte_ether_addr_copy(&eth->src_addr, &eth->dst_addr);
		rte_ether_addr_copy(&q->tx_addr, &eth->src_addr);
	}
	on_io(rxq, pkts, n);
}

static struct tp_port *
peer_of(struct tp_port *port)
{
	struct tp_port *other = TAILQ_FIRST(&tp_ports);
	unsigned int i = 0;

	for (; other != port; other = TAILQ_NEXT(other, next))
		i++;
	other = i % 2 == 0 ? TAILQ_NEXT(port, next) : TAILQ_PREV(port, tp_port_list, next);
	return other != NULL ? other : port;
}

static int
check(enum tp_fwd_mode want)
{
	struct tp_port *port, *peer;

	if (mode != TP_FWD_NONE)
		return tp_fail(-EBUSY, "packets are being forwarded already, see fwd stop");
	if (TAILQ_EMPTY(&tp_ports))
		return tp_fail(-ENODEV, "no port is attached, see port attach");
	TAILQ_FOREACH(port, &tp_ports, next) {
		peer = peer_of(port);
		if (want != TP_FWD_RXONLY && peer->n_queues != port->n_queues)
			return tp_fail(-EINVAL, "ports %u and %u are peers with %u and %u queues",
				port->id, peer->id, port->n_queues, peer->n_queues);
	}
	return 0;
}

static int
queue_add(struct tp_rxq *q, enum tp_fwd_mode want)
{
	static void (*const fns[])(
		struct rte_ims_ethdev_rxq * rxq, struct rte_mbuf * *pkts, uint16_t n) = {
		[TP_FWD_IO] = on_io,
		[TP_FWD_MAC] = on_mac,
		[TP_FWD_RXONLY] = on_rxonly,
	};
	int rc;

	q->tx_port = peer_of(q->port)->id;
	rte_eth_macaddr_get(q->tx_port, &q->tx_addr);
	q->rxq.fn = fns[want];
	q->rxq.arg = q;
	rc = rte_ims_ethdev_rxq_add(q->set->wait, &q->rxq);
	if (rc == 0)
		q->added = true;
	return rc;
}

static int
queues_add(enum tp_fwd_mode want)
{
	struct tp_port *port;
	uint16_t i;
	int rc = 0;

	TAILQ_FOREACH(port, &tp_ports, next)
		for (i = 0; i < port->n_queues && rc == 0; i++)
			rc = queue_add(&port->queues[i], want);
	return rc;
}

static int
queues_del(void)
{
	struct tp_port *port;
	struct tp_rxq *q;
	uint16_t i;
	int rc;

	TAILQ_FOREACH(port, &tp_ports, next) {
		for (i = 0; i < port->n_queues; i++) {
			q = &port->queues[i];
			rc = q->added ? rte_ims_ethdev_rxq_del(&q->rxq) : 0;
			if (rc != 0)
				return rc;
			q->added = false;
		}
	}
	return 0;
}

static int
policies_save(void)
{
	unsigned int i;

	saved = calloc(tp_service_n_sets(), sizeof(*saved));
	if (saved == NULL)
		return -ENOMEM;
	for (i = 0; i < tp_service_n_sets(); i++)
		rte_ims_wait_policy_get(tp_service_set(i)->wait, &saved[i]);
	return 0;
}

static void
policies_restore(void)
{
	unsigned int i;

	if (saved == NULL)
		return;
	for (i = 0; i < tp_service_n_sets(); i++)
		rte_ims_wait_policy_set(tp_service_set(i)->wait, &saved[i]);
	free(saved);
	saved = NULL;
}

static bool
has_queues(const struct tp_set *set)
{
	struct rte_ims_wait_info info;

	return rte_ims_wait_info_get(set->wait, &info) == 0 && info.n_sources != 0;
}

/* Vectors in these sets that cannot follow keep their delivery: wait policy says which. */
static int
policies_set(enum rte_ims_policy policy)
{
	struct rte_ims_wait_policy conf = { .policy = policy };
	unsigned int i;
	int rc, first = 0;

	for (i = 0; i < tp_service_n_sets(); i++) {
		rc = has_queues(tp_service_set(i))
		             ? rte_ims_wait_policy_set(tp_service_set(i)->wait, &conf)
		             : 0;
		if (first == 0)
			first = rc;
	}
	return first;
}

int
tp_fwd_start(enum tp_fwd_mode want, enum rte_ims_policy policy)
{
	int rc;

	rc = check(want);
	if (rc == 0)
		rc = policies_save();
	if (rc != 0)
		return rc;
	rc = queues_add(want);
	if (rc == 0)
		rc = policies_set(policy);
	mode = want;
	/* A queue that does not come out yet stays, and fwd stop takes it out. */
	if (rc != 0)
		tp_fwd_stop();
	return rc;
}

int
tp_fwd_stop(void)
{
	int rc;

	if (mode == TP_FWD_NONE)
		return tp_fail(-ENOENT, "no packets are being forwarded, see fwd start");
	/* First, so that no thread polls a set that has nothing any more. */
	policies_restore();
	rc = queues_del();
	if (rc == 0)
		mode = TP_FWD_NONE;
	return rc;
}

int
tp_fwd_policy(enum rte_ims_policy policy)
{
	if (mode == TP_FWD_NONE)
		return tp_fail(-ENOENT, "no packets are being forwarded, see fwd start");
	return policies_set(policy);
}
