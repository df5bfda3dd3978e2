/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Wait sets: the policy, and what it makes of the vectors. ims_wait_sleep.c lives by it. */

#include <string.h>

#include <rte_cycles.h>

#include "ims_trace.h"
#include "ims_wait_private.h"

/* What a sleep that was not worth it costs: two switches, and a wake-up by the kernel. */
#define BUDGET_MIN_NS 100000u
#define BUDGET_MAX_NS 200000u
#define BUSY_GAP_NS   50000u

static uint64_t
ticks(uint32_t ns)
{
	return (double)ns * rte_get_tsc_hz() / 1e9;
}

/*
 * A vector that enters asks for this after it has its entry, and whoever changes the policy walks
 * the entries after that: so at least one of the two sees the other.
 */
bool
ims_wait_policy_delivery(const struct rte_ims_wait *w, enum rte_ims_delivery *delivery)
{
	int policy = atomic_load(&w->policy);

	*delivery = policy == RTE_IMS_POLICY_POLL ||
	                            (policy == RTE_IMS_POLICY_ADAPTIVE && atomic_load(&w->busy))
	                    ? RTE_IMS_DELIVERY_MEMORY
	                    : RTE_IMS_DELIVERY_EVENTFD;
	return policy != RTE_IMS_POLICY_MANUAL;
}

static bool
check_conf(const struct rte_ims_wait_policy *conf)
{
	static const struct rte_ims_wait_policy zero;

	return conf->policy <= RTE_IMS_POLICY_ADAPTIVE &&
	       conf->budget_min_ns <= conf->budget_max_ns &&
	       memcmp(conf->reserved, zero.reserved, sizeof(zero.reserved)) == 0;
}

static void
apply_conf(struct rte_ims_wait *w, const struct rte_ims_wait_policy *conf)
{
	w->conf = *conf;
	if (conf->budget_max_ns == 0) {
		w->conf.budget_min_ns = BUDGET_MIN_NS;
		w->conf.budget_max_ns = BUDGET_MAX_NS;
	}
	if (conf->busy_gap_ns == 0)
		w->conf.busy_gap_ns = BUSY_GAP_NS;
	atomic_store(&w->budget_min, ticks(w->conf.budget_min_ns));
	atomic_store(&w->budget_max, ticks(w->conf.budget_max_ns));
	atomic_store(&w->busy_gap, ticks(w->conf.busy_gap_ns));
	atomic_store(&w->policy, conf->policy);
}

int
rte_ims_wait_policy_set(struct rte_ims_wait *wait, const struct rte_ims_wait_policy *conf)
{
	enum rte_ims_delivery delivery;
	int rc = 0;

	if (wait == NULL || conf == NULL || !check_conf(conf))
		return -EINVAL;
	pthread_mutex_lock(&wait->policy_lock);
	apply_conf(wait, conf);
	if (ims_wait_policy_delivery(wait, &delivery))
		rc = ims_wait_deliver(wait, delivery);
	pthread_mutex_unlock(&wait->policy_lock);
	ims_trace_wait_policy(wait->name, conf->policy);
	/* Its thread may be polling, or asleep, by another policy. */
	if (!ims_wait_runs_here(wait))
		rte_ims_wait_wake(wait);
	return rc == -ENOTSUP ? 0 : rc;
}

int
rte_ims_wait_policy_get(const struct rte_ims_wait *wait, struct rte_ims_wait_policy *conf)
{
	struct rte_ims_wait *w = (struct rte_ims_wait *)(uintptr_t)wait;

	if (wait == NULL || conf == NULL)
		return -EINVAL;
	pthread_mutex_lock(&w->policy_lock);
	*conf = w->conf;
	pthread_mutex_unlock(&w->policy_lock);
	return 0;
}
