/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* wait policy, set wait, show wait */

#include <errno.h>
#include <inttypes.h>

#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_service.h"

static int
time_arg(const struct tp_args *args, const char *name, uint32_t *ns)
{
	uint64_t num = tp_arg_num(args, name, 0);

	if (num > UINT32_MAX)
		return tp_fail(-EINVAL, "a time of a policy is up to 4s");
	*ns = num;
	return 0;
}

static int
policy_fill(const struct tp_args *args, struct rte_ims_wait_policy *conf)
{
	unsigned int i;
	int rc;

	for (i = 0; i < TP_N_POLICIES; i++)
		if (tp_arg_has(args, tp_policies[i]))
			conf->policy = i;
	rc = time_arg(args, "MIN", &conf->budget_min_ns);
	if (rc == 0)
		rc = time_arg(args, "MAX", &conf->budget_max_ns);
	if (rc == 0)
		rc = time_arg(args, "GAP", &conf->busy_gap_ns);
	return rc;
}

/* Vectors that cannot have what the policy wants are served all the same. */
static void
others_print(const struct tp_set *set, enum rte_ims_policy policy)
{
	enum rte_ims_delivery want =
		policy == RTE_IMS_POLICY_POLL ? RTE_IMS_DELIVERY_MEMORY : RTE_IMS_DELIVERY_EVENTFD;
	struct rte_ims_vec_info info;
	struct tp_vec *vec;

	if (policy != RTE_IMS_POLICY_POLL && policy != RTE_IMS_POLICY_INTERRUPT)
		return;
	TAILQ_FOREACH(vec, &tp_vecs, next)
		if (vec->kind != TP_VEC_DEDICATED && tp_vec_lcore(vec) == (int)set->lcore &&
			rte_ims_vec_info_get(vec->vec, &info) == 0 && info.delivery != want)
			printf("vector %u cannot deliver to %s, it keeps %s\n", vec->id,
				tp_delivery_str(want), tp_delivery_str(info.delivery));
}

static int
policy_set(struct tp_set *set, const struct rte_ims_wait_policy *conf)
{
	int rc;

	rc = rte_ims_wait_policy_set(set->wait, conf);
	if (rc == -EINVAL)
		return tp_fail(rc, "the longest time is not shorter than the shortest");
	rte_ims_wait_wake(set->wait);
	others_print(set, conf->policy);
	/*
	 * Said above of the user's vectors; the tool has one for each device that is an eventfd's.
	 */
	return rc == -ENOTSUP || rc == -ENOSPC || rc == -EMFILE ? 0 : rc;
}

static int
cmd_wait_policy(const struct tp_args *args)
{
	struct tp_set *only = tp_arg_ptr(args, "LCORE");
	struct rte_ims_wait_policy conf = { 0 };
	unsigned int i;
	int rc;

	rc = policy_fill(args, &conf);
	for (i = 0; i < tp_service_n_sets() && rc == 0; i++)
		if (only == NULL || tp_service_set(i) == only)
			rc = policy_set(tp_service_set(i), &conf);
	return rc;
}

static int
cmd_set_wait(const struct tp_args *args)
{
	tp_service_set_poll(tp_arg_has(args, "poll"));
	return 0;
}

static void
wait_row(struct tp_table *t, const struct tp_set *set)
{
	struct rte_ims_wait_policy policy;
	struct rte_ims_wait_stats stats;
	struct rte_ims_wait_info info;

	rte_ims_wait_info_get(set->wait, &info);
	rte_ims_wait_stats_get(set->wait, &stats);
	rte_ims_wait_policy_get(set->wait, &policy);
	tp_cell(t, "%s", info.name);
	tp_cell(t, "%s", tp_service_polls() ? "poll" : "sleep");
	tp_cell(t, "%s", tp_policies[policy.policy]);
	tp_cell_num(t, set->own_thread ? -1 : (int64_t)set->lcore);
	tp_cell_num(t, info.numa_node);
	tp_cell(t, "%u", info.n_memory);
	tp_cell(t, "%u", info.n_eventfd);
	tp_cell(t, "%s", info.reads_socket ? "reads" : "-");
	tp_cell(t, "%" PRIu64, stats.events);
	tp_cell(t, "%" PRIu64, stats.spurious);
	tp_cell(t, "%" PRIu64, stats.polls);
	tp_cell(t, "%" PRIu64, stats.sleeps);
	tp_cell(t, "%" PRIu64, stats.wakes);
	tp_cell(t, "%" PRIu64, stats.asleep_ns / 1000000);
	tp_cell(t, "%" PRIu64, stats.switches);
	tp_cell(t, "%" PRIu64, stats.stray);
	tp_row_end(t);
}

static int
cmd_show_wait(const struct tp_args *args)
{
	static const char *const names[] = { "WAIT", "MODE", "POLICY", "LCORE", "NUMA", "MEMORY",
		"EVENTFD", "SOCKET", "+EVENTS", "SPURIOUS", "+POLLS", "+SLEEPS", "WAKES",
		"ASLEEP_MS", "SWITCHES", "STRAY", NULL };
	struct tp_table *t = tp_table_new("waits");
	unsigned int i;

	(void)args;
	tp_head(t, names);
	for (i = 0; i < tp_service_n_sets(); i++)
		wait_row(t, tp_service_set(i));
	tp_table_print(t, stdout);
	return 0;
}

static int
cmd_clear_wait(const struct tp_args *args)
{
	struct tp_set *only = tp_arg_ptr(args, "LCORE");
	unsigned int i;

	for (i = 0; i < tp_service_n_sets(); i++)
		if (only == NULL || tp_service_set(i) == only)
			rte_ims_wait_stats_reset(tp_service_set(i)->wait);
	return 0;
}

static const struct tp_cmd wait_cmds[] = {
	{ "wait policy all|LCORE manual|poll|interrupt", cmd_wait_policy,
		"What the thread of a wait set does without events",
		"    manual: vectors keep their delivery; poll: all to memory, and poll; interrupt: all to\n"
		"    eventfds, and sleep. Takes effect while events arrive. After set wait poll the threads\n"
		"    poll whatever the policy.\n" },
	{ "wait policy all|LCORE adaptive [min MIN] [max MAX] [gap GAP]", cmd_wait_policy,
		"Poll while events come close to one another, else sleep",
		"    MIN, MAX: shortest and longest time without events to go to sleep after;\n"
		"    GAP: mean time between events below which to poll. Default: 100us, 200us, 50us\n" },
};
TP_CMDS_REGISTER(wait, "Policies of the wait sets");

static const struct tp_cmd set_cmds[] = {
	{ "set wait poll|sleep", cmd_set_wait,
		"How the threads behind the wait sets wait; default: sleep", NULL },
	{ "set policy all|LCORE manual|poll|interrupt", cmd_wait_policy, "As wait policy", NULL },
	{ "set policy all|LCORE adaptive [min MIN] [max MAX] [gap GAP]", cmd_wait_policy,
		"As wait policy", NULL },
};
TP_CMDS_REGISTER(set, "Settings");

static const struct tp_cmd show_cmds[] = {
	{ "show wait all [json]", cmd_show_wait, "The wait sets, and what serves them",
		"    ASLEEP_MS: how long the thread has slept; SWITCHES: of adaptive\n" },
};
TP_CMDS_REGISTER(show, "What there is, and what it counts");

static const struct tp_cmd clear_cmds[] = {
	{ "clear wait all|LCORE", cmd_clear_wait, "Set counters of wait sets to 0", NULL },
};
TP_CMDS_REGISTER(clear, "Set counters to 0");
