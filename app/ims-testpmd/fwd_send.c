/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A source of packets: UDP with a stamp of the time stamp counter, which one machine has in common.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "tp_port.h"

#define BURST      32
#define STAMP_WORD 0x7374616d702d3144ull
/*
 * Rounds of waiting for room after which to look at the clock, and the times after which it is in
 * vain.
 */
#define ROUNDS       4096
#define STUCK_NS     (5 * TP_NSEC)
#define STUCK_CPU_NS TP_NSEC

struct stamp {
	uint64_t word;
	uint64_t tsc;
};

struct packet {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
	uint8_t stamp[sizeof(struct stamp)]; /* not aligned */
};

_Static_assert(sizeof(struct packet) <= TP_SEND_SIZE_MIN, "the smallest packet has room for it");

uint64_t
tp_send_stamp(const struct rte_mbuf *pkt)
{
	const struct packet *p = rte_pktmbuf_mtod(pkt, const struct packet *);
	struct stamp stamp;

	if (rte_pktmbuf_data_len(pkt) < sizeof(*p))
		return 0;
	memcpy(&stamp, p->stamp, sizeof(stamp));
	return stamp.word == STAMP_WORD ? stamp.tsc : 0;
}

static void
packet_fill(struct packet *p, const struct tp_send *send)
{
	uint16_t ip_len = send->size - sizeof(p->eth);

	memset(p, 0, sizeof(*p));
	memset(&p->eth.dst_addr, 0xff, sizeof(p->eth.dst_addr));
	rte_eth_macaddr_get(send->port->id, &p->eth.src_addr);
	p->eth.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	p->ip.version_ihl = RTE_IPV4_VHL_DEF;
	p->ip.total_length = rte_cpu_to_be_16(ip_len);
	p->ip.time_to_live = 64;
	p->ip.next_proto_id = IPPROTO_UDP;
	/* 198.18.0.0/15 is for benchmarks (RFC 2544), port 9 is discard. */
	p->ip.src_addr = rte_cpu_to_be_32(RTE_IPV4(198, 18, 0, 1));
	p->ip.dst_addr = rte_cpu_to_be_32(RTE_IPV4(198, 19, 0, 1));
	p->ip.hdr_checksum = rte_ipv4_cksum(&p->ip);
	p->udp.dst_port = rte_cpu_to_be_16(9);
	p->udp.dgram_len = rte_cpu_to_be_16(ip_len - sizeof(p->ip));
}

/* A source port for each, so that they spread over queues. */
static int
burst_make(const struct tp_send *send, struct packet *model, struct rte_mbuf **pkts, uint16_t n)
{
	struct stamp stamp = { .word = STAMP_WORD, .tsc = rte_rdtsc() };
	struct packet *p;
	uint16_t i;

	if (rte_pktmbuf_alloc_bulk(send->port->mempool, pkts, n) != 0)
		return -ENOMEM;
	memcpy(model->stamp, &stamp, sizeof(stamp));
	for (i = 0; i < n; i++) {
		model->udp.src_port = rte_cpu_to_be_16(1024 + (send->sent + i) % 4096);
		p = rte_pktmbuf_mtod(pkts[i], struct packet *);
		*p = *model;
		memset(p + 1, 0, send->size - sizeof(*p));
		pkts[i]->data_len = send->size;
		pkts[i]->pkt_len = send->size;
	}
	return 0;
}

/* Since when it has been waiting for room. */
struct wait {
	uint64_t ns; /* 0: it is not */
	uint64_t cpu_ns;
};

static uint64_t
cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * TP_NSEC + ts.tv_nsec;
}

/* By CPU time as well: on a busy machine the other side has its turns later too. */
static int
stuck(struct wait *since)
{
	if (atomic_load(&tp_interrupted))
		return -EINTR;
	if (since->ns == 0) {
		since->ns = tp_now_ns();
		since->cpu_ns = cpu_ns();
	}
	return tp_now_ns() - since->ns > STUCK_NS && cpu_ns() - since->cpu_ns > STUCK_CPU_NS ? -EIO
	                                                                                     : 0;
}

/* All of them, however long it takes to have room. */
static int
burst_send(struct tp_send *send, struct rte_mbuf **pkts, uint16_t n)
{
	struct wait since = { 0 };
	unsigned int rounds = 0;
	uint16_t done = 0;
	int rc = 0;

	while (rc == 0) {
		done += rte_eth_tx_burst(send->port->id, 0, pkts + done, n - done);
		if (done == n)
			break;
		send->full++;
		if (++rounds % ROUNDS == 0)
			rc = stuck(&since);
	}
	rte_pktmbuf_free_bulk(pkts + done, n - done);
	send->sent += done;
	return rc;
}

/* How many are due by now. */
static uint16_t
due(const struct tp_send *send, uint64_t start)
{
	uint64_t left = send->count == 0 ? BURST : send->count - send->sent, n;

	if (send->rate != 0) {
		n = (double)(rte_rdtsc() - start) * send->rate / rte_get_tsc_hz();
		left = RTE_MIN(left, n > send->sent ? n - send->sent : 0);
	}
	return RTE_MIN(left, BURST);
}

/* Room for so many more on their way. */
static uint16_t
window(const struct tp_send *send, uint64_t received)
{
	uint64_t under_way;

	if (send->window == 0)
		return BURST;
	received = tp_fwd_received(send->to) - received;
	under_way = send->sent > received ? send->sent - received : 0;
	return under_way < send->window ? RTE_MIN(send->window - under_way, BURST) : 0;
}

static bool
over(const struct tp_send *send, uint64_t end)
{
	return (send->count != 0 && send->sent == send->count) ||
	       (send->duration_ns != 0 && rte_rdtsc() >= end);
}

/* They are in the ring still. An empty burst has some drivers look which have been sent. */
static void
reclaim(const struct tp_send *send)
{
	struct rte_mbuf *none;

	rte_eth_tx_burst(send->port->id, 0, &none, 0);
}

static void
progress_show(const struct tp_send *send, uint64_t start)
{
	tp_progress("%s: %.1f s, %" PRIu64 " packets", send->name,
		(double)(rte_rdtsc() - start) / rte_get_tsc_hz(), send->sent);
}

/*
 * Of n that are due. Gives how many have been taken care of: 0: there is no room, or no packet is
 * free.
 */
static uint16_t
send_some(struct tp_send *send, struct packet *model, uint16_t n, int *rc)
{
	struct rte_mbuf *pkts[BURST];

	if (n == 0)
		return 0;
	if (burst_make(send, model, pkts, n) != 0) {
		reclaim(send);
		return 0;
	}
	*rc = burst_send(send, pkts, n);
	return n;
}

int
tp_send_run(struct tp_send *send)
{
	uint64_t received = tp_fwd_received(send->to), start = rte_rdtsc(), end;
	struct wait since = { 0 };
	unsigned int rounds = 0, turns = 0;
	struct packet model;
	uint16_t n;
	int rc = 0;

	send->sent = 0;
	send->full = 0;
	end = start + (double)send->duration_ns * rte_get_tsc_hz() / TP_NSEC;
	packet_fill(&model, send);
	while (rc == 0 && !over(send, end)) {
		if (atomic_load_explicit(&tp_interrupted, memory_order_relaxed)) {
			rc = -EINTR;
			break;
		}
		if (++turns % 1024 == 0)
			progress_show(send, start);
		n = due(send, start);
		if (send_some(send, &model, RTE_MIN(n, window(send, received)), &rc) != 0) {
			since.ns = 0;
			continue;
		}
		rte_pause();
		if (n != 0 && ++rounds % ROUNDS == 0)
			rc = stuck(&since);
	}
	tp_progress_end();
	return rc;
}
