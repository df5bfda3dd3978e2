/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * An Rx queue as a source of a wait set: a burst, and the port's Rx interrupt.
 *
 * What tells of packets is the descriptor that DPDK would have its own epoll thread watch
 * (rte_eth_dev_rx_intr_ctl_q_get_fd()), and there are two sorts. An eventfd, or an epoll instance
 * around one, is written to and read by nobody: of some drivers it may not be read, and DPDK does
 * not say of which. So it is watched edge-triggered. Any other descriptor is the queue itself,
 * readable while it holds packets: it is watched level-triggered, which matters with net_tap. That
 * receives nothing until a signal, behind the packet, has told it of one, and the last look may
 * come in between; the edge would be gone by then.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>

#include "ims_driver.h"
#include "rte_ims_ethdev.h"

#define BURST_DEFAULT 32u

static unsigned int
rxq_poll(void *arg)
{
	struct rte_mbuf *pkts[RTE_IMS_ETHDEV_BURST_MAX];
	struct rte_ims_ethdev_rxq *rxq = arg;
	uint16_t n;

	n = rte_eth_rx_burst(rxq->port_id, rxq->queue_id, pkts, rxq->burst);
	if (n != 0)
		rxq->fn(rxq, pkts, n);
	return n;
}

/*
 * A driver that cannot switch it has it on all the time: net_tap. Others leave it on when the port
 * starts, and a thread that polls would have an interrupt for each packet: it is off until it is
 * armed (source_init()).
 */
static int
rxq_arm(void *arg)
{
	struct rte_ims_ethdev_rxq *rxq = arg;
	int rc;

	if (rxq->always_on)
		return 0;
	rc = rte_eth_dev_rx_intr_enable(rxq->port_id, rxq->queue_id);
	rxq->always_on = rc == -ENOTSUP;
	return rxq->always_on ? 0 : rc;
}

static void
rxq_disarm(void *arg)
{
	struct rte_ims_ethdev_rxq *rxq = arg;

	if (!rxq->always_on)
		rte_eth_dev_rx_intr_disable(rxq->port_id, rxq->queue_id);
}

static const struct rte_ims_source_ops rxq_ops = {
	.poll = rxq_poll,
	.arm = rxq_arm,
	.disarm = rxq_disarm,
};

/*
 * The other end has come, or come back: a driver forgets with the old one what it was told
 * (net_vhost).
 */
static int
on_port_event(uint16_t port_id, enum rte_eth_event_type event, void *arg, void *ret)
{
	struct rte_ims_ethdev_rxq *rxq = arg;

	RTE_SET_USED(port_id);
	RTE_SET_USED(event);
	RTE_SET_USED(ret);
	rte_ims_wait_source_rearm(rxq->wait, &rxq->source);
	return 0;
}

static const enum rte_eth_event_type events[] = { RTE_ETH_EVENT_INTR_LSC,
	RTE_ETH_EVENT_QUEUE_STATE };

static void
events_off(struct rte_ims_ethdev_rxq *rxq)
{
	unsigned int i;

	/* -EAGAIN: it runs. */
	for (i = 0; i < RTE_DIM(events); i++)
		while (rte_eth_dev_callback_unregister(
			       rxq->port_id, events[i], on_port_event, rxq) == -EAGAIN)
			usleep(50);
}

static int
events_on(struct rte_ims_ethdev_rxq *rxq)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(events); i++) {
		if (rte_eth_dev_callback_register(rxq->port_id, events[i], on_port_event, rxq) !=
			0) {
			events_off(rxq);
			return -ENOMEM;
		}
	}
	return 0;
}

static bool
is_only_a_signal(int fd)
{
	char path[32], target[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return true;
	target[len] = '\0';
	return strncmp(target, "anon_inode:", strlen("anon_inode:")) == 0;
}

static void
source_init(struct rte_ims_ethdev_rxq *rxq)
{
	struct rte_eth_conf conf;

	rxq->source.ops = &rxq_ops;
	rxq->source.arg = rxq;
	rxq->source.fd = -1;
	rxq->source.flags = 0;
	rxq->always_on = false;
	/* Asked first, for ethdev logs an error where there is none. */
	if (rte_eth_dev_conf_get(rxq->port_id, &conf) == 0 && conf.intr_conf.rxq != 0)
		rxq->source.fd = rte_eth_dev_rx_intr_ctl_q_get_fd(rxq->port_id, rxq->queue_id);
	if (rxq->source.fd < 0)
		rxq->source.fd = -1;
	else if (is_only_a_signal(rxq->source.fd))
		rxq->source.flags = RTE_IMS_SOURCE_F_EDGE;
	/* Of net_vhost without a guest it fails: on_port_event() has it armed anew. */
	if (rxq->source.fd >= 0)
		rxq->always_on =
			rte_eth_dev_rx_intr_disable(rxq->port_id, rxq->queue_id) == -ENOTSUP;
}

static int
check(struct rte_ims_ethdev_rxq *rxq)
{
	struct rte_eth_dev_info info;

	if (rxq->fn == NULL || rxq->burst > RTE_IMS_ETHDEV_BURST_MAX)
		return -EINVAL;
	if (rxq->wait != NULL)
		return -EBUSY;
	if (!rte_eth_dev_is_valid_port(rxq->port_id) ||
		rte_eth_dev_info_get(rxq->port_id, &info) != 0)
		return -ENODEV;
	return rxq->queue_id < info.nb_rx_queues ? 0 : -ERANGE;
}

/*
 * DPDK's PCI drivers have the interrupt of queue n behind vector RTE_INTR_VEC_RXTX_OFFSET + n, or
 * all interrupts behind the only one. Its name in /proc/interrupts tells.
 */
static void
irq_follow(struct rte_ims_wait *wait, const struct rte_ims_ethdev_rxq *rxq)
{
	struct rte_eth_dev_info info;
	const char *name;

	if (rxq->source.fd < 0 || rte_eth_dev_info_get(rxq->port_id, &info) != 0 ||
		info.device == NULL)
		return;
	name = rte_dev_name(info.device);
	if (ims_wait_irq_set(wait, name, true, RTE_INTR_VEC_RXTX_OFFSET + rxq->queue_id) ==
			-ENOENT &&
		ims_wait_irq_set(wait, name, true, 0) == -ENOENT)
		ims_wait_irq_set(wait, name, false, 0);
}

int
rte_ims_ethdev_rxq_add(struct rte_ims_wait *wait, struct rte_ims_ethdev_rxq *rxq)
{
	int rc;

	if (wait == NULL || rxq == NULL)
		return -EINVAL;
	rc = check(rxq);
	if (rc != 0)
		return rc;
	if (rxq->burst == 0)
		rxq->burst = BURST_DEFAULT;
	source_init(rxq);
	irq_follow(wait, rxq);
	rxq->wait = wait;
	rc = events_on(rxq);
	if (rc == 0) {
		rc = rte_ims_wait_source_add(wait, &rxq->source);
		if (rc != 0)
			events_off(rxq);
	}
	if (rc != 0)
		rxq->wait = NULL;
	return rc;
}

int
rte_ims_ethdev_rxq_del(struct rte_ims_ethdev_rxq *rxq)
{
	int rc;

	if (rxq == NULL)
		return -EINVAL;
	if (rxq->wait == NULL)
		return -ENOENT;
	rc = rte_ims_wait_source_del(rxq->wait, &rxq->source);
	if (rc != 0)
		return rc;
	events_off(rxq);
	rxq->wait = NULL;
	return 0;
}
