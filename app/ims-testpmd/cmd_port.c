/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* port, show port, show fwd, fwd */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include <rte_dev.h>

#include "tp_cmd.h"
#include "tp_port.h"
#include "tp_service.h"

static int
cmd_port_attach(const struct tp_args *args)
{
	uint64_t n = tp_arg_num(args, "QUEUES", 1);

	if (n > UINT16_MAX)
		return tp_fail(-ERANGE, "no port has %" PRIu64 " queues", n);
	return tp_port_attach(tp_arg_str(args, "NIC"), n);
}

static int
cmd_port_detach(const struct tp_args *args)
{
	return tp_port_detach(tp_arg_ptr(args, "PORT"));
}

static void
port_row(struct tp_table *t, const struct tp_port *port)
{
	struct rte_eth_dev_info info = { 0 };
	char mac[RTE_ETHER_ADDR_FMT_SIZE];
	struct rte_eth_stats stats = { 0 };
	struct rte_eth_link link = { 0 };
	struct rte_eth_conf conf = { 0 };
	struct rte_ether_addr addr = { 0 };

	/* Of a port that is gone nothing is known. */
	if (rte_eth_dev_info_get(port->id, &info) != 0)
		info.driver_name = "-";
	if (rte_eth_link_get_nowait(port->id, &link) != 0)
		link.link_status = RTE_ETH_LINK_DOWN;
	if (rte_eth_dev_conf_get(port->id, &conf) != 0)
		conf.intr_conf.rxq = 0;
	rte_eth_stats_get(port->id, &stats);
	rte_eth_macaddr_get(port->id, &addr);
	rte_ether_format_addr(mac, sizeof(mac), &addr);
	tp_cell(t, "%u", port->id);
	tp_cell(t, "%s", port->name);
	tp_cell(t, "%s", info.driver_name);
	tp_cell(t, "mac %s", mac);
	tp_cell(t, "%s", link.link_status ? "up" : "down");
	tp_cell(t, "%u", port->n_queues);
	tp_cell(t, "%s", conf.intr_conf.rxq ? "yes" : "no");
	tp_cell(t, "%" PRIu64, stats.ipackets);
	tp_cell(t, "%" PRIu64, stats.opackets);
	tp_cell(t, "%" PRIu64, stats.imissed);
	tp_cell(t, "%" PRIu64, stats.ierrors);
	tp_cell(t, "%" PRIu64, stats.rx_nombuf);
	tp_row_end(t);
}

static void
queue_row(struct tp_table *t, const struct tp_rxq *q)
{
	struct rte_ims_source_stats st;

	rte_ims_source_stats_get(&q->rxq.source, &st);
	tp_cell(t, "%u", q->port->id);
	tp_cell(t, "%u", q->rxq.queue_id);
	tp_cell(t, "%u", q->set->lcore);
	tp_cell(t, "%" PRIu64, (uint64_t)atomic_load(&q->rx));
	tp_cell(t, "%" PRIu64, (uint64_t)atomic_load(&q->tx));
	tp_cell(t, "%" PRIu64, (uint64_t)atomic_load(&q->dropped));
	tp_cell(t, "%" PRIu64, st.polls);
	tp_cell(t, "%" PRIu64, st.polls - st.busy_polls);
	tp_cell(t, "%" PRIu64, st.arms);
	tp_cell(t, "%" PRIu64, st.late);
	tp_cell(t, "%" PRIu64, st.wakes);
	tp_cell(t, "%" PRIu64, st.spurious);
	tp_row_end(t);
}

static void
queues_print(const struct tp_port *only)
{
	static const char *const names[] = { "PORT", "QUEUE", "LCORE", "+RX", "+TX", "+DROPPED",
		"+POLLS", "+EMPTY", "+ARMED", "+LATE", "+WAKES", "+SPURIOUS", NULL };
	struct tp_table *t = tp_table_new("queues");
	const struct tp_port *port;
	uint16_t i;

	tp_head(t, names);
	TAILQ_FOREACH(port, &tp_ports, next)
		for (i = 0; i < port->n_queues && (only == NULL || only == port); i++)
			queue_row(t, &port->queues[i]);
	tp_table_print(t, stdout);
}

static int
cmd_show_port(const struct tp_args *args)
{
	static const char *const names[] = { "PORT", "NAME", "DRIVER", "ADDRESS", "LINK", "QUEUES",
		"RX_INTR", "+RX", "+TX", "+MISSED", "+ERRORS", "+NO_MBUF", NULL };
	struct tp_port *only = tp_arg_ptr(args, "PORT"), *port;
	struct tp_table *t = tp_table_new("ports");

	tp_head(t, names);
	TAILQ_FOREACH(port, &tp_ports, next)
		if (only == NULL || only == port)
			port_row(t, port);
	tp_table_print(t, stdout);
	if (only != NULL) {
		tp_text("\n");
		queues_print(only);
	}
	return 0;
}

/* Those of the port: what the queues of fwd have counted stays. */
static int
cmd_clear_port(const struct tp_args *args)
{
	struct tp_port *only = tp_arg_ptr(args, "PORT"), *port;
	int rc = 0;

	TAILQ_FOREACH(port, &tp_ports, next)
		if (rc == 0 && (only == NULL || only == port))
			rc = rte_eth_stats_reset(port->id);
	return rc;
}

/* The share of a CPU that the thread has used since it was shown last. */
static double
load_pct(const struct tp_set *set, unsigned int i)
{
	static struct {
		uint64_t cpu_ns;
		uint64_t ns;
	} seen[RTE_MAX_LCORE];
	uint64_t cpu = tp_set_cpu_ns(set), now = tp_now_ns(), since;
	double load;

	since = seen[i].ns != 0 ? seen[i].ns : set->start_ns;
	load = now > since && cpu >= seen[i].cpu_ns ? 100.0 * (cpu - seen[i].cpu_ns) / (now - since)
	                                            : 0;
	seen[i].cpu_ns = cpu;
	seen[i].ns = now;
	return load;
}

static void
lcores_print(void)
{
	static const char *const names[] = { "LCORE", "QUEUES", "POLICY", "+POLLS", "+SLEEPS",
		"+WAKES", "+SWITCHES", "ASLEEP_MS", "LOAD_%", NULL };
	struct tp_table *t = tp_table_new("lcores");
	struct rte_ims_wait_policy policy;
	struct rte_ims_wait_stats stats;
	struct rte_ims_wait_info info;
	const struct tp_set *set;
	unsigned int i;

	tp_head(t, names);
	for (i = 0; i < tp_service_n_sets(); i++) {
		set = tp_service_set(i);
		rte_ims_wait_info_get(set->wait, &info);
		rte_ims_wait_stats_get(set->wait, &stats);
		rte_ims_wait_policy_get(set->wait, &policy);
		tp_cell(t, "%u", set->lcore);
		tp_cell(t, "%u", info.n_sources);
		tp_cell(t, "%s", tp_service_polls() ? "poll" : tp_policies[policy.policy]);
		tp_cell(t, "%" PRIu64, stats.polls);
		tp_cell(t, "%" PRIu64, stats.sleeps);
		tp_cell(t, "%" PRIu64, stats.wakes);
		tp_cell(t, "%" PRIu64, stats.switches);
		tp_cell(t, "%" PRIu64, stats.asleep_ns / 1000000);
		tp_cell(t, "%.1f", load_pct(set, i));
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
}

static int
cmd_show_fwd(const struct tp_args *args)
{
	(void)args;
	tp_text("forwarding: %s\n\n", tp_fwd_mode_str());
	queues_print(NULL);
	tp_text("\n");
	lcores_print();
	return 0;
}

static enum rte_ims_policy
policy_arg(const struct tp_args *args)
{
	unsigned int i;

	for (i = 0; i < TP_N_POLICIES; i++)
		if (tp_arg_has(args, tp_policies[i]))
			return i;
	return RTE_IMS_POLICY_ADAPTIVE;
}

static int
cmd_fwd_start(const struct tp_args *args)
{
	return tp_fwd_start(tp_arg_has(args, "io")    ? TP_FWD_IO
			    : tp_arg_has(args, "mac") ? TP_FWD_MAC
						      : TP_FWD_RXONLY,
		policy_arg(args));
}

static int
cmd_fwd_stop(const struct tp_args *args)
{
	uint64_t rx = 0, tx = 0, dropped = 0;
	struct tp_port *port;
	uint16_t i;
	int rc;

	(void)args;
	rc = tp_fwd_stop();
	if (rc != 0)
		return rc;
	TAILQ_FOREACH(port, &tp_ports, next) {
		for (i = 0; i < port->n_queues; i++) {
			rx += atomic_load(&port->queues[i].rx);
			tx += atomic_load(&port->queues[i].tx);
			dropped += atomic_load(&port->queues[i].dropped);
		}
	}
	printf("%" PRIu64 " packets received, %" PRIu64 " sent, %" PRIu64
	       " dropped for want of room\n",
		rx, tx, dropped);
	return 0;
}

static int
cmd_fwd_policy(const struct tp_args *args)
{
	return tp_fwd_policy(policy_arg(args));
}

static int
cmd_fwd_send(const struct tp_args *args)
{
	uint64_t size = tp_arg_num(args, "SIZE", TP_SEND_SIZE_MIN), start = tp_now_ns();
	struct tp_send send = {
		.name = "fwd send",
		.port = tp_arg_ptr(args, "PORT"),
		.count = tp_arg_num(args, "COUNT", 0),
		.rate = tp_arg_num(args, "RATE", 0),
		.window = tp_arg_num(args, "WINDOW", 0),
		.size = size,
	};
	int rc;

	if (size < TP_SEND_SIZE_MIN || size > RTE_ETHER_MAX_LEN - RTE_ETHER_CRC_LEN)
		return tp_fail(-EINVAL, "a packet has %u to %u bytes", TP_SEND_SIZE_MIN,
			RTE_ETHER_MAX_LEN - RTE_ETHER_CRC_LEN);
	if (send.count == 0)
		return tp_fail(-EINVAL, "one packet or more");
	if (send.window != 0 && tp_fwd_mode() == TP_FWD_NONE)
		return tp_fail(-EINVAL, "a window is for packets that come back, see fwd start");
	if (tp_fwd_mode() == TP_FWD_IO || tp_fwd_mode() == TP_FWD_MAC)
		return tp_fail(-EBUSY, "fwd %s sends on port %u, see fwd stop", tp_fwd_mode_str(),
			send.port->id);
	rc = tp_send_run(&send);
	printf("%" PRIu64 " packets sent in %.2f s, no room %" PRIu64 " times\n", send.sent,
		(tp_now_ns() - start) / 1e9, send.full);
	if (rc == -EIO)
		return tp_fail(rc, "port %u has had no room for 5 s%s", send.port->id,
			send.window != 0 ? ", or packets have not arrived" : "");
	return rc == -EINTR ? tp_fail(rc, "interrupted") : rc;
}

static const struct tp_cmd port_cmds[] = {
	{ "port attach NIC QUEUES", cmd_port_attach,
		"Configure a DPDK port with so many queues, and start it",
		"    NIC: number or name of a port (EAL's --vdev and --allow), or a device to plug in, as in\n"
		"    net_tap0,iface=ims0\n" },
	{ "port detach PORT", cmd_port_detach, "Stop a port", NULL },
};
TP_CMDS_REGISTER(port, "DPDK's ethdev ports");

static const struct tp_cmd fwd_cmds[] = {
	{ "fwd start io|mac|rxonly [policy poll|interrupt|adaptive]", cmd_fwd_start,
		"Forward packets in the wait sets of the worker lcores; default: adaptive",
		"    io: to the peer; mac: to the peer, addressed to the sender; rxonly: count and drop.\n"
		"    Ports 0 and 1, 2 and 3, ... are peers, as they are listed; one without is its own.\n" },
	{ "fwd stop", cmd_fwd_stop, "Stop that", NULL },
	{ "fwd policy poll|interrupt|adaptive", cmd_fwd_policy,
		"Another policy, while packets flow", NULL },
	{ "fwd send PORT COUNT [rate RATE] [size SIZE] [window WINDOW]", cmd_fwd_send,
		"Send packets on queue 0, waiting for room",
		"    RATE: packets per second, else as many as there is room for; WINDOW: most of them under\n"
		"    way to the attached ports, so that none is lost for want of room in between\n" },
};
TP_CMDS_REGISTER(fwd, "Forward packets between DPDK's ports");

static const struct tp_cmd show_cmds[] = {
	{ "show port all|PORT [json]", cmd_show_port, "Attached ports; of one also its queues",
		NULL },
	{ "show fwd [json]", cmd_show_fwd, "Queues and lcores of the forwarding",
		"    LATE: packets were there right after the interrupt was enabled; LOAD_%: of a CPU, since it\n"
		"    was shown last\n" },
};
TP_CMDS_REGISTER(show, "What there is, and what it counts");

static const struct tp_cmd start_cmds[] = {
	{ "start fwd io|mac|rxonly [policy poll|interrupt|adaptive]", cmd_fwd_start, "As fwd start",
		NULL },
};
TP_CMDS_REGISTER(start, "Start something: timer, queue, fwd");

static const struct tp_cmd stop_cmds[] = {
	{ "stop fwd", cmd_fwd_stop, "As fwd stop", NULL },
};
TP_CMDS_REGISTER(stop, "Stop it");

static const struct tp_cmd set_cmds[] = {
	{ "set fwd policy poll|interrupt|adaptive", cmd_fwd_policy, "As fwd policy", NULL },
};
TP_CMDS_REGISTER(set, "Settings");

static const struct tp_cmd clear_cmds[] = {
	{ "clear port all|PORT", cmd_clear_port, "Set what ports count to 0", NULL },
};
TP_CMDS_REGISTER(clear, "Set counters to 0");
