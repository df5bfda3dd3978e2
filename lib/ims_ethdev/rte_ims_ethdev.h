/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _RTE_IMS_ETHDEV_H_
#define _RTE_IMS_ETHDEV_H_

/**
 * @file
 * Rx queues of DPDK's ethdev ports in wait sets, beside vectors of this library.
 *
 *	conf.intr_conf.rxq = 1;
 *	rte_eth_dev_configure(port, ...);  queues;  rte_eth_dev_start(port);
 *
 *	struct rte_ims_ethdev_rxq rxq = { .port_id = port, .queue_id = 0, .fn = on_packets };
 *	rte_ims_ethdev_rxq_add(wait, &rxq);
 *	for (;;)
 *		rte_ims_wait_sleep(wait, -1);    // or _poll(), by the lcore that the set is of
 *
 *	rte_ims_ethdev_rxq_del(&rxq);  rte_eth_dev_stop(port);
 *
 * The set's thread receives and calls fn with each burst. What it does when there is none is the
 * set's policy, changed live: poll, sleep until the port's Rx interrupt, or either as the load
 * asks. No packet is slept over (rte_ims_source.h has the protocol): the interrupt is enabled, the
 * queue is looked at once more, and only then the thread sleeps.
 *
 * A port without Rx interrupts, or that was configured without, is polled at intervals of
 * rte_ims_wait_conf.nap_ns where others are slept on.
 *
 * A queue is received from by nobody else while it is in a set. The functions may be called from
 * any thread, one at a time for each queue.
 *
 * @warning All of this is EXPERIMENTAL and is not part of DPDK.
 */

#include <rte_ims_source.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rte_mbuf;

/** Largest rte_ims_ethdev_rxq.burst. */
#define RTE_IMS_ETHDEV_BURST_MAX 256

/** An Rx queue in a wait set, embedded in the caller's own. All zero but for the first five. */
struct rte_ims_ethdev_rxq {
	uint16_t port_id;
	uint16_t queue_id;
	/** Most packets at a time, 0 = 32. */
	uint16_t burst;
	/**
	 * Takes over all the packets. Runs in the set's thread, like the handlers of vectors. It
	 * must not take out its own queue.
	 */
	void (*fn)(struct rte_ims_ethdev_rxq *rxq, struct rte_mbuf **pkts, uint16_t n_pkts);
	/** The caller's. */
	void *arg;

	/**
	 * What there is to count: rte_ims_source_stats_get(&rxq->source, ...); its events are
	 * packets. source.fd is -1 while the queue has no interrupt.
	 */
	struct rte_ims_source source;

	/* Below: the library's. */
	struct rte_ims_wait *wait;
	bool always_on;
};

/**
 * Add an Rx queue of a started port. Packets that it has already are found. The port's irq, if it
 * is one of vfio-pci's and /proc/irq can be written, goes to the CPU of the set's lcore
 * (RTE_IMS_WAIT_F_LCORE). The queue's Rx interrupt, which drivers leave on at start, is off from
 * here on but for sleep; also when this fails.
 *
 * @return
 *   0; -EINVAL; -ENODEV no such port; -ERANGE no such queue; -EBUSY it is in a set; -ENOSPC the set
 *   is full;
 *   -ENOMEM; -EEXIST the set has another queue with the same descriptor.
 */
__rte_experimental
int
rte_ims_ethdev_rxq_add(struct rte_ims_wait *wait, struct rte_ims_ethdev_rxq *rxq);

/**
 * Take a queue out, before its port is stopped: when this has returned 0 fn does not run any more,
 * and the interrupt is disabled. To move it to another lcore, add it to that one's set: what has
 * come meanwhile is found there.
 *
 * @return
 *   0; -EINVAL; -ENOENT it is in no set; -EDEADLK called from its own fn; -ETIMEDOUT fn did not
 *   return in time: call again to wait longer.
 */
__rte_experimental
int
rte_ims_ethdev_rxq_del(struct rte_ims_ethdev_rxq *rxq);

#ifdef __cplusplus
}
#endif

#endif /* _RTE_IMS_ETHDEV_H_ */
