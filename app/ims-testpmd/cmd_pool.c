/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* pool: shared, exclusive, special and dedicated vectors; move; show pool */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_lcore.h>

#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_service.h"

static const char *const kinds[] = {
	[TP_VEC_OWN] = "own",
	[TP_VEC_SHARED] = "shared",
	[TP_VEC_EXCLUSIVE] = "exclusive",
	[TP_VEC_SPECIAL] = "special",
	[TP_VEC_DEDICATED] = "dedicated",
};

static int
cmd_pool_create(const struct tp_args *args)
{
	uint64_t per_lcore = tp_arg_num(args, "N", 1);
	struct rte_ims_pool_conf conf = {
		.delivery = tp_arg_has(args, "memory") ? RTE_IMS_DELIVERY_MEMORY
		                                       : RTE_IMS_DELIVERY_EVENTFD,
		.flags = tp_arg_has(args, "ims-first") ? RTE_IMS_POOL_F_IMS_FIRST : 0,
		.vecs_per_lcore = per_lcore,
	};
	const char *name = tp_arg_str(args, "NAME");

	if (strlen(name) >= RTE_IMS_NAME_LEN)
		return tp_fail(
			-ENAMETOOLONG, "a name has up to %u characters", RTE_IMS_NAME_LEN - 1);
	if (per_lcore == 0 || per_lcore > UINT16_MAX)
		return tp_fail(-EINVAL, "an lcore has 1 to %u shared vectors", UINT16_MAX);
	return tp_pool_create(name, tp_arg_ptr(args, "DEV"), &conf) != NULL ? 0 : -rte_errno;
}

static int
cmd_pool_destroy(const struct tp_args *args)
{
	return tp_pool_destroy(tp_arg_ptr(args, "POOL"));
}

static void
got_print(const struct tp_vec *vec)
{
	struct rte_ims_store_info store;
	struct rte_ims_vec_info info;
	int lcore = tp_vec_lcore(vec);

	rte_ims_vec_info_get(vec->vec, &info);
	rte_ims_store_info_get(rte_ims_vec_store(vec->vec), &store);
	printf("vector %u: %s, slot %u of %s, %s", vec->id, kinds[vec->kind], info.slot, store.name,
		tp_delivery_str(info.delivery));
	if (lcore >= 0)
		printf(", lcore %d", lcore);
	if (vec->kind == TP_VEC_SHARED)
		printf(", %u user%s", vec->users, vec->users == 1 ? "" : "s");
	printf("\n");
}

static int
got(struct tp_vec *vec)
{
	if (vec == NULL)
		return -rte_errno;
	vec->gets++;
	got_print(vec);
	return 0;
}

/* A kernel without NUMA has no directory of nodes, and one node. */
static bool
node_exists(uint64_t node)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%" PRIu64, node);
	return access(path, F_OK) == 0 ||
	       (node == 0 && access("/sys/devices/system/node", F_OK) != 0);
}

static int
cmd_pool_get(const struct tp_args *args)
{
	struct rte_ims_want want = {
		.flags = tp_arg_has(args, "exclusive") ? RTE_IMS_WANT_F_EXCLUSIVE : 0,
	};
	uint64_t number = tp_arg_num(args, "LCORE", tp_arg_num(args, "NODE", 0));

	if (tp_arg_has(args, "lcore"))
		want.place = RTE_IMS_PLACE_LCORE;
	else if (tp_arg_has(args, "node"))
		want.place = RTE_IMS_PLACE_NODE;
	else if (tp_arg_has(args, "near"))
		want.place = RTE_IMS_PLACE_NEAR_DEVICE;
	want.number = RTE_MIN(number, (uint64_t)INT_MAX);
	if (want.place == RTE_IMS_PLACE_NODE && !node_exists(number))
		return tp_fail(-ENOENT, "no NUMA node %" PRIu64 ": see show topology", number);
	return got(tp_pool_get(tp_arg_ptr(args, "POOL"), &want));
}

static int
cmd_pool_special(const struct tp_args *args)
{
	uint64_t index = tp_arg_num(args, "INDEX", 0);

	return got(tp_pool_special(tp_arg_ptr(args, "POOL"), RTE_MIN(index, UINT32_MAX - 1ull)));
}

static int
cmd_pool_dedicated(const struct tp_args *args)
{
	return got(tp_pool_dedicated(tp_arg_ptr(args, "POOL")));
}

static int
cmd_pool_put(const struct tp_args *args)
{
	const struct tp_pool *pool = tp_arg_ptr(args, "POOL");
	struct tp_vec *vec = tp_arg_ptr(args, "VEC");
	int rc = 0;

	if (vec->pool != pool)
		return tp_fail(-EINVAL, "vector %u is not of pool %s", vec->id, pool->name);
	if (vec->gets == 0)
		return tp_fail(-EBUSY, "only queues use vector %u, see queue destroy", vec->id);
	if (vec->users == 1)
		rc = tp_vec_check_unused(vec);
	if (rc != 0)
		return rc;
	vec->gets--;
	rc = tp_pool_put(vec);
	if (rc != 0)
		vec->gets++;
	return rc;
}

/* What works for vectors that moved follows them. */
static void
moved(void)
{
	const struct tp_topic *topic;

	for (topic = tp_topics(); topic != NULL; topic = topic->next)
		if (topic->vecs_moved != NULL)
			topic->vecs_moved();
}

static int
cmd_pool_lcore_add(const struct tp_args *args)
{
	struct tp_pool *pool = tp_arg_ptr(args, "POOL");
	struct tp_set *set = tp_arg_ptr(args, "LCORE");
	int rc;

	rc = rte_ims_pool_lcore_add(pool->pool, set->lcore, set->wait);
	return rc == -EEXIST ? tp_fail(rc, "lcore %u is in pool %s", set->lcore, pool->name) : rc;
}

static int
cmd_pool_lcore_del(const struct tp_args *args)
{
	struct tp_pool *pool = tp_arg_ptr(args, "POOL");
	struct tp_set *set = tp_arg_ptr(args, "LCORE");
	int rc;

	rc = rte_ims_pool_lcore_del(pool->pool, set->lcore);
	moved();
	if (rc == -ENOENT)
		return tp_fail(rc, "lcore %u is not in pool %s", set->lcore, pool->name);
	if (rc == -EBUSY)
		return tp_fail(rc, "lcore %u is the last one of pool %s, and has vectors",
			set->lcore, pool->name);
	if (rc >= 0)
		printf("%d vector%s moved\n", rc, rc == 1 ? "" : "s");
	return RTE_MIN(rc, 0);
}

static int
cmd_pool_rebalance(const struct tp_args *args)
{
	struct tp_pool *pool = tp_arg_ptr(args, "POOL");
	int rc;

	rc = rte_ims_pool_rebalance(pool->pool);
	moved();
	if (rc >= 0)
		printf("%d vector%s moved\n", rc, rc == 1 ? "" : "s");
	return RTE_MIN(rc, 0);
}

static int
cmd_move(const struct tp_args *args)
{
	struct tp_set *set = tp_arg_ptr(args, "LCORE");
	int rc;

	rc = tp_vec_move(tp_arg_ptr(args, "VEC"), set);
	moved();
	return rc;
}

static void
pools_print(const struct tp_pool *only)
{
	static const char *const names[] = { "POOL", "DEV", "LCORES", "SHARED", "MSI-X",
		"EXCLUSIVE", "SPECIAL", "DEDICATED", "USERS", "SHORT", "MOVES", NULL };
	struct tp_table *t = tp_table_new("pools");
	struct rte_ims_pool_info info;
	const struct tp_pool *pool;

	tp_head(t, names);
	TAILQ_FOREACH(pool, &tp_pools, next) {
		if (only != NULL && pool != only)
			continue;
		rte_ims_pool_info_get(pool->pool, &info);
		tp_cell(t, "%s", pool->name);
		tp_cell(t, "%u", pool->dev->id);
		tp_cell(t, "%u", info.n_lcores);
		tp_cell(t, "%u", info.n_vecs);
		tp_cell(t, "%u", info.n_msix);
		tp_cell(t, "%u", info.n_exclusive);
		tp_cell(t, "%u", info.n_special);
		tp_cell(t, "%u", info.n_dedicated);
		tp_cell(t, "%u", info.n_users);
		tp_cell(t, "%" PRIu64, info.shared_for_want);
		tp_cell(t, "%" PRIu64, info.moves);
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
}

static void
lcores_print(const struct tp_pool *pool)
{
	static const char *const names[] = { "LCORE", "CPU", "NUMA", "VECTORS", "USERS", "+EVENTS",
		NULL };
	struct rte_ims_pool_lcore lcores[RTE_MAX_LCORE];
	struct tp_table *t = tp_table_new("lcores");
	int n, i;

	n = rte_ims_pool_lcores_get(pool->pool, lcores, RTE_DIM(lcores));
	tp_head(t, names);
	for (i = 0; i < n; i++) {
		tp_cell(t, "%u", lcores[i].lcore_id);
		tp_cell_num(t, lcores[i].cpu);
		tp_cell_num(t, lcores[i].numa_node);
		tp_cell(t, "%u", lcores[i].n_vecs);
		tp_cell(t, "%u", lcores[i].n_users);
		tp_cell(t, "%" PRIu64, lcores[i].events);
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
}

/* Those that somebody has; events of dedicated ones are what their eventfds say. */
static void
vecs_print(const struct tp_pool *pool)
{
	static const char *const names[] = { "VECTOR", "KIND", "STORE", "SLOT", "LCORE", "USERS",
		"+EVENTS", NULL };
	struct tp_table *t = tp_table_new("vectors");
	struct rte_ims_store_info store;
	struct rte_ims_vec_stats stats;
	struct rte_ims_vec_info info;
	struct tp_vec *vec;

	tp_head(t, names);
	TAILQ_FOREACH(vec, &tp_vecs, next) {
		if (vec->pool != pool)
			continue;
		rte_ims_vec_info_get(vec->vec, &info);
		rte_ims_vec_stats_get(vec->vec, &stats);
		rte_ims_store_info_get(rte_ims_vec_store(vec->vec), &store);
		tp_cell(t, "%u", vec->id);
		tp_cell(t, "%s", kinds[vec->kind]);
		tp_cell(t, "%s", store.name);
		tp_cell(t, "%u", info.slot);
		tp_cell_num(t, tp_vec_lcore(vec));
		tp_cell(t, "%u", vec->users);
		tp_cell(t, "%" PRIu64, vec->fd >= 0 ? tp_vec_fd_count(vec) : stats.events);
		tp_row_end(t);
	}
	tp_table_print(t, stdout);
}

static int
cmd_show_pool(const struct tp_args *args)
{
	const struct tp_pool *only = tp_arg_ptr(args, "POOL");
	struct rte_ims_pool_info info;

	pools_print(only);
	if (only == NULL)
		return 0;
	tp_text("\n");
	lcores_print(only);
	rte_ims_pool_info_get(only->pool, &info);
	if (info.n_special + info.n_dedicated != 0)
		tp_text("VECTORS and USERS are of shared and exclusive vectors: %u special and "
			"%u dedicated beside them.\n",
			info.n_special, info.n_dedicated);
	tp_text("\n");
	vecs_print(only);
	return 0;
}

/* The tool's number of a vector that the library knows by its id, or NULL. */
static const struct tp_vec *
find_id(uint64_t id)
{
	struct rte_ims_vec_info info;
	const struct tp_vec *vec;

	TAILQ_FOREACH(vec, &tp_vecs, next)
		if (rte_ims_vec_info_get(vec->vec, &info) == 0 && info.id == id)
			return vec;
	return NULL;
}

/* A line of the library's, with the user's number of a vector instead of its id. */
static void
dump_line(const char *line)
{
	const struct tp_vec *vec = NULL;
	uint64_t id;
	int n = 0;

	if (sscanf(line, " vec %" SCNu64 "%n", &id, &n) == 1)
		vec = find_id(id);
	if (vec != NULL)
		printf("    vector %u%s", vec->id, line + n);
	else
		printf("%s", line);
}

static int
cmd_dump_pool(const struct tp_args *args)
{
	struct tp_pool *pool = tp_arg_ptr(args, "POOL");
	char *text = NULL, *line = NULL;
	size_t len = 0, size = 0;
	FILE *f;
	int rc;

	f = open_memstream(&text, &len);
	if (f == NULL)
		return -errno;
	rc = rte_ims_pool_dump(pool->pool, f);
	fclose(f);
	f = rc == 0 && len != 0 ? fmemopen(text, len, "r") : NULL;
	while (f != NULL && getline(&line, &size, f) > 0)
		dump_line(line);
	if (f != NULL)
		fclose(f);
	free(line);
	free(text);
	return rc;
}

static const struct tp_cmd pool_cmds[] = {
	{ "pool create NAME DEV [memory|eventfd] [per-lcore N] [ims-first]", cmd_pool_create,
		"Make a pool of a device's vectors, over all lcores",
		"    default: eventfd, one shared vector per lcore, MSI-X vectors before IMS slots\n" },
	{ "pool destroy POOL", cmd_pool_destroy, "Destroy it: nobody uses a vector of it", NULL },
	{ "pool get POOL [exclusive]", cmd_pool_get, "Get a vector, on the least loaded lcore",
		NULL },
	{ "pool get POOL any|near [exclusive]", cmd_pool_get,
		"on any lcore, or on one near the device", NULL },
	{ "pool get POOL lcore LCORE [exclusive]", cmd_pool_get, "on this lcore", NULL },
	{ "pool get POOL node NODE [exclusive]", cmd_pool_get, "near this NUMA node",
		"    A vector that others have too, unless exclusive. It counts, see show vector.\n" },
	{ "pool put POOL VEC", cmd_pool_put, "Put a vector back", NULL },
	{ "pool special POOL INDEX", cmd_pool_special, "Get the one of an index that has a meaning",
		NULL },
	{ "pool dedicated POOL", cmd_pool_dedicated,
		"Get one whose events go straight to an eventfd",
		"    show pool POOL reads it.\n" },
	{ "pool lcore add POOL LCORE", cmd_pool_lcore_add, "Let an lcore have vectors of it",
		NULL },
	{ "pool lcore del POOL LCORE", cmd_pool_lcore_del,
		"Move all vectors of an lcore to the others", NULL },
	{ "pool rebalance POOL", cmd_pool_rebalance, "Move vectors until all lcores have as many",
		NULL },
};
TP_CMDS_REGISTER(pool, "Pools: vectors per lcore, shared by many queues");

static const struct tp_cmd move_cmds[] = {
	{ "move VEC lcore LCORE", cmd_move, "Move a vector to another lcore, while events arrive",
		NULL },
};
TP_CMDS_REGISTER(move, "Move a vector to another lcore");

static const struct tp_cmd show_cmds[] = {
	{ "show pool all|POOL [json]", cmd_show_pool, "Pools; of one also its lcores and vectors",
		NULL },
};
TP_CMDS_REGISTER(show, "What there is, and what it counts");

static const struct tp_cmd dump_cmds[] = {
	{ "dump pool POOL", cmd_dump_pool, "All that the library knows of a pool", NULL },
};
TP_CMDS_REGISTER(dump, "The library's own view, for debugging");
