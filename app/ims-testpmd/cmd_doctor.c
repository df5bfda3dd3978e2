/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* doctor: where does an interrupt get lost? */

#include <errno.h>
#include <inttypes.h>

#include <rte_ims_doctor.h>

#include "tp_cmd.h"
#include "tp_dev.h"

struct report {
	const struct tp_vec *only;
	bool json;
	unsigned int n;
};

static const char *const verdicts[] = {
	[RTE_IMS_VERDICT_OK] = "ok",
	[RTE_IMS_VERDICT_BROKEN] = "broken",
	[RTE_IMS_VERDICT_NONE] = "-",
};

/* The tool's number of a vector, -1: it is one of the driver's, or of the tool's own. */
static int
number_of(uint64_t id)
{
	struct rte_ims_vec_info info;
	const struct tp_vec *vec;

	TAILQ_FOREACH(vec, &tp_vecs, next)
		if (rte_ims_vec_info_get(vec->vec, &info) == 0 && info.id == id)
			return vec->id;
	return -1;
}

static void
chain_print(const struct rte_ims_diagnosis *diag)
{
	const struct rte_ims_finding *f;
	unsigned int i;

	for (i = 0; i < RTE_IMS_LINK_MAX; i++) {
		f = &diag->links[i];
		printf("  %-10s %-7s %s", rte_ims_link_name(i), verdicts[f->verdict], f->what);
		if (f->verdict == RTE_IMS_VERDICT_BROKEN)
			printf("; to do: %s", f->todo);
		printf("\n");
	}
}

/* Of many vectors only those are shown link by link that have a broken one. */
static void
vec_print(const struct rte_ims_diagnosis *diag, void *arg)
{
	struct report *r = arg;
	int number = number_of(diag->id);

	r->n++;
	if (number >= 0)
		printf("vector %d", number);
	else
		printf("vector -");
	printf(" (%s), slot %u of %s, %s: ", diag->name, diag->slot, diag->store,
		tp_delivery_str(diag->delivery));
	if (diag->broken == RTE_IMS_LINK_MAX)
		printf("ok\n");
	else
		printf("broken at %s\n", rte_ims_link_name(diag->broken));
	if (r->only != NULL || diag->broken != RTE_IMS_LINK_MAX)
		chain_print(diag);
}

static void
link_json(unsigned int link, const struct rte_ims_finding *f)
{
	printf("%s\n    ", link == 0 ? "" : ",");
	tp_json_string(stdout, rte_ims_link_name(link));
	printf(": {\"verdict\": \"%s\", \"what\": ",
		f->verdict == RTE_IMS_VERDICT_NONE ? "none" : verdicts[f->verdict]);
	tp_json_string(stdout, f->what);
	printf(", \"todo\": ");
	tp_json_string(stdout, f->todo);
	printf("}");
}

static void
vec_json(const struct rte_ims_diagnosis *diag, void *arg)
{
	struct report *r = arg;
	int number = number_of(diag->id);
	unsigned int i;

	printf("%s\n  {\"vector\": ", r->n++ == 0 ? "" : ",");
	if (number >= 0)
		printf("%d", number);
	else
		printf("null");
	printf(", \"name\": ");
	tp_json_string(stdout, diag->name);
	printf(", \"store\": ");
	tp_json_string(stdout, diag->store);
	printf(", \"slot\": %u, \"delivery\": \"%s\", \"events\": %" PRIu64
	       ", \"spurious\": %" PRIu64 ", \"unhandled\": %" PRIu64 ", \"stale\": %" PRIu64
	       ", \"broken\": ",
		diag->slot, tp_delivery_str(diag->delivery), diag->stats.events,
		diag->stats.spurious, diag->stats.unhandled, diag->stats.stale);
	if (diag->broken != RTE_IMS_LINK_MAX)
		tp_json_string(stdout, rte_ims_link_name(diag->broken));
	else
		printf("null");
	printf(", \"links\": {");
	for (i = 0; i < RTE_IMS_LINK_MAX; i++)
		link_json(i, &diag->links[i]);
	printf("}}");
}

static int
cmd_doctor(const struct tp_args *args)
{
	struct tp_dev *dev = tp_arg_ptr(args, "DEV");
	struct report r = { .only = tp_arg_ptr(args, "VEC"), .json = tp_arg_has(args, "json") };
	int n;

	if (r.only != NULL && r.only->dev != dev)
		return tp_fail(-EINVAL, "vector %u is not of %s", r.only->id, dev->name);
	if (r.json)
		printf("{\"vectors\": [");
	n = rte_ims_dev_doctor(
		dev->dev, r.only != NULL ? r.only->vec : NULL, r.json ? vec_json : vec_print, &r);
	if (r.json)
		printf("\n]}\n");
	if (n < 0)
		return n;
	if (!r.json && r.only == NULL)
		printf("%d of %u vector%s broken\n", n, r.n, r.n == 1 ? "" : "s");
	return 0;
}

static const struct tp_cmd doctor_cmds[] = {
	{ "doctor DEV [VEC] [json]", cmd_doctor,
		"Where an interrupt gets lost: all links of the chain",
		"    From the device's slot to the handler, each link: ok, broken and what to do, or - if it\n"
		"    does not apply. Of a device, only vectors with a broken link are shown in full.\n" },
};
TP_CMDS_REGISTER(doctor, "Find out where an interrupt gets lost");
