/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * bench nic: what one port receives by each policy, and what that costs. The packets come from
 * another port of ours, with time stamps, or from wherever they come.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "tp_cmd.h"
#include "tp_port.h"
#include "tp_service.h"

/* Under way at most: there is room for so many in any ring. */
#define WINDOW 256
/* How long packets under way may take, until all is as it stays, and to look at an idle thread. */
#define DRAIN_NS  (2 * TP_NSEC)
#define SETTLE_NS (TP_NSEC / 4)
#define IDLE_NS   (TP_NSEC / 2)

static const struct {
	enum rte_ims_policy policy;
	const char *name;
} runs[] = {
	{ RTE_IMS_POLICY_POLL, "poll" },
	{ RTE_IMS_POLICY_INTERRUPT, "interrupt" },
	{ RTE_IMS_POLICY_ADAPTIVE, "adaptive" },
};

struct conf {
	struct tp_port *port;
	struct tp_port *from; /* NULL: packets come from elsewhere */
	enum tp_fwd_mode mode;
	const char *policy; /* NULL: by each */
	uint64_t rate;
	uint64_t duration_ns;
	const char *json;
};

/* Counters at one time; what was between two. */
struct count {
	uint64_t ns;
	uint64_t cpu_ns;
	uint64_t rx;
	uint64_t missed;
	uint64_t switches;
	struct rte_ims_source_stats source;
};

struct result {
	const char *name; /* NULL: it was not wanted */
	struct count got;
	double idle_pct;
	uint64_t sent;
	struct hist latency;
};

static void
source_add(struct rte_ims_source_stats *sum, const struct tp_rxq *q)
{
	struct rte_ims_source_stats st;

	rte_ims_source_stats_get(&q->rxq.source, &st);
	sum->polls += st.polls;
	sum->late += st.late;
	sum->wakes += st.wakes;
	sum->spurious += st.spurious;
}

static void
count_now(const struct tp_port *port, struct count *c)
{
	struct rte_ims_wait_stats wait;
	struct rte_eth_stats eth;
	const struct tp_set *set;
	unsigned int i, k;

	memset(c, 0, sizeof(*c));
	c->ns = tp_now_ns();
	for (i = 0; i < port->n_queues; i++) {
		c->rx += atomic_load(&port->queues[i].rx);
		source_add(&c->source, &port->queues[i]);
	}
	for (i = 0; i < tp_service_n_sets(); i++) {
		set = tp_service_set(i);
		for (k = 0; k < port->n_queues && port->queues[k].set != set; k++)
			;
		if (k == port->n_queues)
			continue;
		rte_ims_wait_stats_get(set->wait, &wait);
		c->cpu_ns += tp_set_cpu_ns(set);
		c->switches += wait.switches;
	}
	if (rte_eth_stats_get(port->id, &eth) == 0)
		c->missed = eth.imissed;
}

static void
count_since(const struct tp_port *port, const struct count *from, struct count *c)
{
	count_now(port, c);
	c->ns -= from->ns;
	c->cpu_ns -= from->cpu_ns;
	c->rx -= from->rx;
	c->missed -= from->missed;
	c->switches -= from->switches;
	c->source.polls -= from->source.polls;
	c->source.late -= from->source.late;
	c->source.wakes -= from->source.wakes;
	c->source.spurious -= from->source.spurious;
}

static double
pct(const struct count *c)
{
	return c->ns != 0 ? 100.0 * c->cpu_ns / c->ns : 0;
}

static int
idle_measure(const struct conf *conf, struct result *r)
{
	struct count start, c;
	int rc;

	count_now(conf->port, &start);
	rc = tp_sleep(IDLE_NS);
	count_since(conf->port, &start, &c);
	r->idle_pct = pct(&c);
	return rc;
}

/* Gives what has been received in the end. */
static uint64_t
drain(const struct conf *conf, const struct count *start, uint64_t sent)
{
	uint64_t end = tp_now_ns() + DRAIN_NS;
	struct count c;

	do
		count_since(conf->port, start, &c);
	while (c.rx < sent && tp_now_ns() < end);
	return c.rx;
}

/* What comes from elsewhere. */
static int
listen_to(const struct conf *conf, const struct count *start, const char *name)
{
	uint64_t end = start->ns + conf->duration_ns, now;
	struct count c;
	int rc = 0;

	for (now = tp_now_ns(); rc == 0 && now < end; now = tp_now_ns()) {
		count_since(conf->port, start, &c);
		tp_progress("%s: %.1f s, %" PRIu64 " packets", name, c.ns / 1e9, c.rx);
		rc = tp_sleep(RTE_MIN(end - now, TP_NSEC / 10));
	}
	tp_progress_end();
	return rc;
}

static int
traffic_measure(const struct conf *conf, struct result *r)
{
	struct tp_send send = {
		.name = r->name,
		.port = conf->from,
		.to = conf->port, /* others may hear the same packets */
		.duration_ns = conf->duration_ns,
		.rate = conf->rate,
		.window = WINDOW,
		.size = TP_SEND_SIZE_MIN,
	};
	struct count start;
	int rc;

	count_now(conf->port, &start);
	rc = conf->from != NULL ? tp_send_run(&send) : listen_to(conf, &start, r->name);
	count_since(conf->port, &start, &r->got);
	/* -EIO: what it has waited for in vain is lost. */
	if (conf->from == NULL || (rc != 0 && rc != -EIO))
		return rc;
	r->sent = send.sent;
	r->got.rx = drain(conf, &start, r->sent);
	return 0;
}

static void
stamps_set(const struct tp_port *port, bool on)
{
	uint16_t i;

	for (i = 0; i < port->n_queues; i++) {
		port->queues[i].stamps = on;
		hist_reset(port->queues[i].latency);
	}
}

static int
run(const struct conf *conf, enum rte_ims_policy policy, struct result *r)
{
	uint16_t i;
	int rc, stopped;

	hist_reset(&r->latency);
	stamps_set(conf->port, conf->from != NULL);
	rc = tp_fwd_start(conf->mode, policy);
	if (rc != 0) {
		stamps_set(conf->port, false);
		return rc;
	}
	/* The policy settles first, and what has waited in the rings is received. */
	rc = tp_sleep(SETTLE_NS);
	if (rc == 0 && conf->from != NULL)
		rc = idle_measure(conf, r);
	if (rc == 0)
		rc = traffic_measure(conf, r);
	stopped = tp_fwd_stop();
	if (stopped != 0)
		return stopped; /* the queues are still their threads' */
	for (i = 0; i < conf->port->n_queues; i++)
		hist_merge(&r->latency, conf->port->queues[i].latency);
	stamps_set(conf->port, false);
	return rc;
}

static int64_t
lost(const struct conf *conf, const struct result *r)
{
	return conf->from == NULL ? -1 : (int64_t)(r->sent - RTE_MIN(r->sent, r->got.rx));
}

static void
rates_print(const struct conf *conf, const struct result *results)
{
	static const char *const names[] = { "POLICY", "PACKETS", "LOST", "MISSED", "PPS", "CPU_%",
		"IDLE_CPU_%", "POLLS", "LATE", "WAKES", "SPURIOUS", "SWITCHES", NULL };
	struct tp_table *t = tp_table_new(NULL);
	const struct result *r;
	unsigned int i;

	tp_head(t, names);
	for (i = 0; i < TP_DIM(runs); i++) {
		r = &results[i];
		if (r->name == NULL)
			continue;
		tp_cell(t, "%s", runs[i].name);
		tp_cell(t, "%" PRIu64, r->got.rx);
		tp_cell_num(t, lost(conf, r));
		tp_cell(t, "%" PRIu64, r->got.missed);
		tp_cell(t, "%.0f", r->got.rx * 1e9 / r->got.ns);
		tp_cell(t, "%.1f", pct(&r->got));
		if (conf->from != NULL)
			tp_cell(t, "%.1f", r->idle_pct);
		else
			tp_cell(t, "-");
		tp_cell(t, "%" PRIu64, r->got.source.polls);
		tp_cell(t, "%" PRIu64, r->got.source.late);
		tp_cell(t, "%" PRIu64, r->got.source.wakes);
		tp_cell(t, "%" PRIu64, r->got.source.spurious);
		tp_cell(t, "%" PRIu64, r->got.switches);
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
}

static double
us(uint64_t tsc)
{
	return tsc * 1e6 / rte_get_tsc_hz();
}

static void
latency_print(const struct result *results)
{
	static const char *const names[] = { "LATENCY_us", "MIN", "MEDIAN", "P90", "P99", "P99.9",
		"MAX", NULL };
	static const double quantiles[] = { 0.5, 0.9, 0.99, 0.999 };
	struct tp_table *t = tp_table_new(NULL);
	unsigned int i, k;

	printf("\n");
	tp_head(t, names);
	for (i = 0; i < TP_DIM(runs); i++) {
		if (results[i].latency.n == 0)
			continue;
		tp_cell(t, "%s", runs[i].name);
		tp_cell(t, "%.1f", us(results[i].latency.min));
		for (k = 0; k < TP_DIM(quantiles); k++)
			tp_cell(t, "%.1f", us(hist_quantile(&results[i].latency, quantiles[k])));
		tp_cell(t, "%.1f", us(results[i].latency.max));
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
}

static int
json_write(const struct conf *conf, const struct result *results)
{
	const struct result *r;
	const char *sep = "";
	unsigned int i;
	FILE *f;
	int rc;

	rc = tp_json_begin(conf->json, &f);
	if (rc != 0)
		return rc;
	for (i = 0; i < TP_DIM(runs); i++) {
		r = &results[i];
		if (r->name == NULL)
			continue;
		fprintf(f, "%s\n  \"nic_%s_packets\": %" PRIu64, sep, runs[i].name, r->got.rx);
		sep = ",";
		fprintf(f, ",\n  \"nic_%s_pps\": %.0f", runs[i].name, r->got.rx * 1e9 / r->got.ns);
		fprintf(f, ",\n  \"nic_%s_cpu_pct\": %.1f", runs[i].name, pct(&r->got));
		if (conf->from == NULL)
			continue;
		fprintf(f, ",\n  \"nic_%s_lost\": %" PRIi64, runs[i].name, lost(conf, r));
		fprintf(f, ",\n  \"nic_%s_idle_cpu_pct\": %.1f", runs[i].name, r->idle_pct);
		fprintf(f, ",\n  \"nic_%s_p50_ns\": %.0f", runs[i].name,
			1e3 * us(hist_quantile(&r->latency, 0.5)));
		fprintf(f, ",\n  \"nic_%s_p99_ns\": %.0f", runs[i].name,
			1e3 * us(hist_quantile(&r->latency, 0.99)));
	}
	return tp_json_end(conf->json, f);
}

static int
bench(const struct conf *conf, struct result *results)
{
	unsigned int i;
	int rc;

	for (i = 0; i < TP_DIM(runs); i++) {
		if (conf->policy != NULL && strcmp(conf->policy, runs[i].name) != 0)
			continue;
		results[i].name = runs[i].name;
		rc = run(conf, runs[i].policy, &results[i]);
		if (rc != 0)
			return rc == -EINTR ? tp_fail(rc, "interrupted") : rc;
	}
	rates_print(conf, results);
	if (conf->from != NULL)
		latency_print(results);
	rc = conf->json != NULL ? json_write(conf, results) : 0;
	for (i = 0; i < TP_DIM(runs) && rc == 0; i++)
		if (lost(conf, &results[i]) > 0)
			rc = tp_fail(-EIO, "%s: %" PRIi64 " packets were lost", runs[i].name,
				lost(conf, &results[i]));
	return rc;
}

static const char *
policy_arg(const struct tp_args *args)
{
	unsigned int i;

	for (i = 0; i < TP_DIM(runs); i++)
		if (tp_arg_has(args, runs[i].name))
			return runs[i].name;
	return NULL;
}

static int
cmd_bench_nic(const struct tp_args *args)
{
	const char *from = tp_arg_str(args, "FROM");
	struct conf conf = {
		.port = tp_arg_ptr(args, "PORT"),
		.from = from != NULL ? tp_port_find(from) : NULL,
		.mode = tp_arg_has(args, "io")    ? TP_FWD_IO
		        : tp_arg_has(args, "mac") ? TP_FWD_MAC
		                                  : TP_FWD_RXONLY,
		.policy = policy_arg(args),
		.rate = tp_arg_num(args, "RATE", 0),
		.duration_ns = tp_arg_num(args, "SECONDS", 0),
		.json = tp_arg_str(args, "FILE"),
	};
	struct result *results;
	int rc;

	if (from != NULL && conf.from == NULL)
		return tp_fail(-ENODEV, "no port %s: see show port all", from);
	if (conf.from != NULL && conf.mode != TP_FWD_RXONLY)
		return tp_fail(-EINVAL, "a port of ours sends or forwards");
	if (conf.from == NULL && conf.rate != 0)
		return tp_fail(-EINVAL, "a rate is for packets from a port of ours");
	if (conf.duration_ns == 0 || conf.duration_ns > 86400 * TP_NSEC)
		return tp_fail(-EINVAL, "a bench takes up to 86400 seconds");
	results = calloc(TP_DIM(runs), sizeof(*results));
	if (results == NULL)
		return -ENOMEM;
	rc = bench(&conf, results);
	free(results);
	return rc;
}

static const struct tp_cmd bench_cmds[] = {
	{ "bench nic PORT SECONDS [from FROM] [rate RATE] [fwd io|mac|rxonly]"
	  " [policy poll|interrupt|adaptive] [json FILE]",
		cmd_bench_nic, "Packets per second, latency and CPU, by each policy or by one",
		"    FROM: another attached port, which sends to this one; else packets come from elsewhere.\n"
		"    All of these must arrive, so no more than 256 are under way.\n"
		"    fwd: what becomes of them, as in fwd start; default: rxonly\n" },
};
TP_CMDS_REGISTER(bench, "Measure");
