/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* DPDK's ports: configured with Rx interrupts, started, and stopped. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_mempool.h>

#include "tp_port.h"
#include "tp_service.h"

#define RING_SIZE  1024
#define CACHE_SIZE 256

struct tp_port_list tp_ports = TAILQ_HEAD_INITIALIZER(tp_ports);

static bool
is_number(const char *str)
{
	return str[0] != '\0' && str[strspn(str, "0123456789")] == '\0' && strlen(str) < 6;
}

struct tp_port *
tp_port_find(const char *str)
{
	struct tp_port *port;
	bool number = is_number(str);

	TAILQ_FOREACH(port, &tp_ports, next)
		if (number ? port->id == strtoul(str, NULL, 10) : strcmp(port->name, str) == 0)
			return port;
	return NULL;
}

static struct tp_port *
port_by_id(uint16_t id)
{
	struct tp_port *port;

	TAILQ_FOREACH(port, &tp_ports, next)
		if (port->id == id)
			break;
	return port;
}

static void
port_insert(struct tp_port *port)
{
	struct tp_port *at;

	TAILQ_FOREACH(at, &tp_ports, next)
		if (at->id > port->id)
			break;
	if (at != NULL)
		TAILQ_INSERT_BEFORE(at, port, next);
	else
		TAILQ_INSERT_TAIL(&tp_ports, port, next);
}

/* The port that is named, or that comes with the device that is described. */
static int
port_id_get(const char *name, uint16_t *id, bool *plugged)
{
	char device[RTE_ETH_NAME_MAX_LEN];
	int rc;

	*plugged = false;
	if (is_number(name)) {
		*id = strtoul(name, NULL, 10);
		if (strtoul(name, NULL, 10) < RTE_MAX_ETHPORTS && rte_eth_dev_is_valid_port(*id))
			return 0;
		return tp_fail(-ENODEV, "no port %s: EAL has %u, see --vdev and --allow", name,
			rte_eth_dev_count_avail());
	}
	snprintf(device, sizeof(device), "%.*s", (int)strcspn(name, ","), name);
	if (rte_eth_dev_get_port_by_name(device, id) == 0)
		return 0;
	rc = rte_dev_probe(name);
	if (rc < 0)
		return tp_fail(rc, "no port %s, and no device of that name", name);
	*plugged = true;
	if (rte_eth_dev_get_port_by_name(device, id) == 0)
		return 0;
	return tp_fail(-ENODEV, "%s is a device, but has no port of that name", name);
}

/* Never freed, but found again: packets of it may be in the rings of other ports. */
static int
pool_get(struct tp_port *port, uint16_t n_rxd, uint16_t n_txd)
{
	unsigned int n = port->n_queues * (n_rxd + n_txd + 2 * CACHE_SIZE) + RING_SIZE;
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "port%u_%u", port->id, n);
	port->mempool = rte_mempool_lookup(name);
	if (port->mempool != NULL)
		return 0;
	port->mempool = rte_pktmbuf_pool_create(
		name, n, CACHE_SIZE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, rte_eth_dev_socket_id(port->id));
	if (port->mempool == NULL)
		return tp_fail(-rte_errno, "no memory for %u packets: see EAL's -m", n);
	return 0;
}

static int
queues_setup(struct tp_port *port)
{
	uint16_t n_rxd = RING_SIZE, n_txd = RING_SIZE, q;
	int socket = rte_eth_dev_socket_id(port->id), rc;

	rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &n_rxd, &n_txd);
	if (rc == 0)
		rc = pool_get(port, n_rxd, n_txd);
	for (q = 0; q < port->n_queues && rc == 0; q++) {
		rc = rte_eth_rx_queue_setup(port->id, q, n_rxd, socket, NULL, port->mempool);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(port->id, q, n_txd, socket, NULL);
	}
	return rc;
}

static int
port_start(struct tp_port *port, bool intr)
{
	struct rte_eth_conf conf = { .intr_conf.rxq = intr };
	struct rte_eth_dev_info info;
	int rc;

	rc = rte_eth_dev_info_get(port->id, &info);
	if (rc != 0)
		return rc;
	if (port->n_queues > RTE_MIN(info.max_rx_queues, info.max_tx_queues))
		return tp_fail(-ERANGE, "port %u has up to %u queues", port->id,
			RTE_MIN(info.max_rx_queues, info.max_tx_queues));
	if (port->n_queues > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info.flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP);
		if (conf.rx_adv_conf.rss_conf.rss_hf == 0)
			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
	}
	rc = rte_eth_dev_configure(port->id, port->n_queues, port->n_queues, &conf);
	if (rc == 0)
		rc = queues_setup(port);
	if (rc == 0)
		rc = rte_eth_dev_start(port->id);
	/* Not all can. */
	if (rc == 0)
		rte_eth_promiscuous_enable(port->id);
	return rc;
}

static int
queues_alloc(struct tp_port *port)
{
	static unsigned int next;
	struct tp_rxq *q;
	uint16_t i;

	port->queues = calloc(port->n_queues, sizeof(*port->queues));
	if (port->queues == NULL)
		return -ENOMEM;
	for (i = 0; i < port->n_queues; i++) {
		q = &port->queues[i];
		q->port = port;
		q->set = tp_service_set(next++ % tp_service_n_sets());
		q->latency = calloc(1, sizeof(*q->latency));
		if (q->latency == NULL)
			return -ENOMEM;
		q->rxq.port_id = port->id;
		q->rxq.queue_id = i;
	}
	return 0;
}

static void
port_free(struct tp_port *port)
{
	uint16_t i;

	for (i = 0; port->queues != NULL && i < port->n_queues; i++)
		free(port->queues[i].latency);
	free(port->queues);
	free(port);
}

/* Of a port that is stopped. */
static int
unplug(uint16_t id)
{
	struct rte_eth_dev_info info;
	int rc;

	rc = rte_eth_dev_info_get(id, &info);
	if (rc == 0)
		rc = rte_eth_dev_close(id);
	if (rc == 0)
		rc = rte_dev_remove(info.device);
	return rc;
}

static int
port_new(uint16_t id, bool plugged, uint16_t n_queues)
{
	struct tp_port *port = calloc(1, sizeof(*port));
	int rc;

	if (port == NULL)
		return -ENOMEM;
	port->id = id;
	port->plugged = plugged;
	port->n_queues = n_queues;
	rte_eth_dev_get_name_by_port(id, port->name);
	rc = queues_alloc(port);
	if (rc == 0)
		rc = port_start(port, true);
	if (rc == 0 && rte_eth_dev_rx_intr_ctl_q_get_fd(id, 0) < 0) {
		rte_eth_dev_stop(id);
		rc = -ENOTSUP;
	}
	/* There are drivers without, and they say so here or there. */
	if (rc != 0 && rc != -ERANGE && rc != -ENOMEM) {
		tp_report_forget();
		rc = port_start(port, false);
	}
	if (rc != 0) {
		port_free(port);
		return rc;
	}
	port_insert(port);
	return 0;
}

int
tp_port_attach(const char *name, uint16_t n_queues)
{
	bool plugged;
	uint16_t id;
	int rc;

	if (n_queues == 0)
		return tp_fail(-EINVAL, "a port has one queue or more");
	if (tp_fwd_mode() != TP_FWD_NONE)
		return tp_fail(-EBUSY, "packets are being forwarded, see fwd stop");
	rc = port_id_get(name, &id, &plugged);
	if (rc != 0)
		return rc;
	if (port_by_id(id) != NULL)
		return tp_fail(-EEXIST, "port %u is attached already", id);
	rc = port_new(id, plugged, n_queues);
	if (rc != 0 && plugged)
		unplug(id);
	return rc;
}

int
tp_port_detach(struct tp_port *port)
{
	int rc;

	if (tp_fwd_mode() != TP_FWD_NONE)
		return tp_fail(-EBUSY, "packets are being forwarded, see fwd stop");
	rc = rte_eth_dev_stop(port->id);
	if (rc != 0)
		return rc;
	TAILQ_REMOVE(&tp_ports, port, next);
	rc = port->plugged ? unplug(port->id) : 0;
	port_free(port);
	return rc;
}

void
tp_ports_close(void)
{
	struct tp_port *port;

	if (tp_fwd_mode() != TP_FWD_NONE)
		tp_fwd_stop();
	/* The last one first: it may be connected to one that was there before. */
	while ((port = TAILQ_LAST(&tp_ports, tp_port_list)) != NULL)
		if (tp_port_detach(port) != 0)
			break;
}
