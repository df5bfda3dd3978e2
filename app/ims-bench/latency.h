/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _LATENCY_H_
#define _LATENCY_H_

#include "child.h"

/* Sleeping is only sleeping if there is time for it. */
#define LINE_INTERVAL_NS  2000u
#define SLEEP_INTERVAL_NS 200000u

/* peers.c: so many events, their latencies in ticks. */
void
floor_line(unsigned int events, struct samples *out);
void
floor_exchange(unsigned int events, struct samples *out);
void
floor_epoll(unsigned int events, struct samples *out);
void
floor_socket(unsigned int events, struct samples *out);
void
peer_rte_epoll(unsigned int events, struct samples *out);
void
peer_eal_intr(unsigned int events, struct samples *out);
void
peer_libevent(unsigned int events, struct samples *out);

#endif /* _LATENCY_H_ */
