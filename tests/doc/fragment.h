/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What a block of C in the guides may use without saying what it is. */

#ifndef _FRAGMENT_H_
#define _FRAGMENT_H_

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_ethdev.h>

#include <rte_ims.h>
#include <rte_ims_ethdev.h>
#include <rte_ims_pool.h>
#include <rte_ims_wait.h>
#include <rte_pmd_queue_dev.h>
#include <rte_pmd_timer_ims.h>

extern struct rte_ims_dev *dev;
extern struct rte_ims_store *store;
extern struct rte_ims_vec *vec;
extern struct rte_ims_wait *wait;
extern struct rte_ims_pool *pool;
extern struct rte_pmd_queue_dev_queue *queue;
extern struct rte_pmd_timer_ims_conf conf;
extern unsigned int lcore;
extern struct rte_eth_conf port_conf;
extern uint16_t port;
extern bool quit;
extern struct ticker {
	uint64_t ticks;
} ticker;

void
on_packets(struct rte_ims_ethdev_rxq *rxq, struct rte_mbuf **pkts, uint16_t n_pkts);
void
on_tick(struct rte_ims_vec *vec, void *arg);

#endif /* _FRAGMENT_H_ */
