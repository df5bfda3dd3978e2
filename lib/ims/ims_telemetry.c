/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * DPDK telemetry: what dpdk-telemetry.py and its exporters see. Answers are what the library knows,
 * the device itself is not asked. They wait for another thread's command that has the device's
 * lock.
 *
 * The lists' locks are held over an answer, so nothing that it is about goes meanwhile.
 */

#include <stdlib.h>
#include <string.h>

#include <rte_string_fns.h>
#include <rte_telemetry.h>
#include <rte_version.h>

#include "ims_pool_private.h"
#include "ims_wait_private.h"

#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
#define rte_tel_data_add_dict_uint rte_tel_data_add_dict_u64
#endif

/* What a walk looks for, and where the answer goes. */
struct query {
	const char *name;
	uint64_t id;
	struct rte_tel_data *d;
	int rc;
};

static void
add_uint(struct rte_tel_data *d, const char *key, uint64_t val)
{
	rte_tel_data_add_dict_uint(d, key, val);
}

static void
add_string(struct rte_tel_data *d, const char *key, const char *val)
{
	rte_tel_data_add_dict_string(d, key, val);
}

/* A part of an answer under a name of its own: letters, digits and '_'. */
static void
add_part(struct rte_tel_data *d, const char *name, struct rte_tel_data *part)
{
	char key[RTE_IMS_NAME_LEN], *c;

	rte_strlcpy(key, name, sizeof(key));
	for (c = key; (c = strchr(c, '-')) != NULL;)
		*c = '_';
	if (rte_tel_data_add_dict_container(d, key, part, 0) != 0)
		rte_tel_data_free(part);
}

static struct rte_tel_data *
part_new(void)
{
	struct rte_tel_data *part = rte_tel_data_alloc();

	if (part != NULL)
		rte_tel_data_start_dict(part);
	return part;
}

static int
dev_name(struct rte_ims_dev *dev, void *arg)
{
	struct query *q = arg;

	return rte_tel_data_add_array_string(q->d, dev->name);
}

static int
cb_devices(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct query q = { .d = d };

	RTE_SET_USED(cmd);
	RTE_SET_USED(params);
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	ims_dev_each(dev_name, &q);
	return 0;
}

static void
add_stores(struct rte_ims_dev *dev, struct rte_tel_data *d)
{
	const struct rte_ims_store *store;
	struct rte_tel_data *part;

	TAILQ_FOREACH(store, &dev->stores, next) {
		part = part_new();
		if (part == NULL)
			return;
		add_uint(part, "slots", store->n_slots);
		add_uint(part, "used", store->n_used);
		add_uint(part, "special", store->n_special);
		add_part(d, store->name, part);
	}
}

static void
add_peer_errors(const struct rte_ims_dev *dev, struct rte_tel_data *d)
{
	struct rte_ims_dev_stats stats;

	rte_ims_dev_stats_get(dev, &stats);
	add_uint(d, "timeouts", stats.timeouts);
	add_uint(d, "late_replies", stats.late_replies);
	add_uint(d, "reordered_replies", stats.reordered_replies);
	add_uint(d, "bad_replies", stats.bad_replies);
	add_uint(d, "bad_requests", stats.bad_requests);
	add_uint(d, "surplus_fds", stats.surplus_fds);
	add_uint(d, "unread_replies", stats.unread_replies);
	add_uint(d, "malformed", stats.malformed);
	add_uint(d, "stray_messages", stats.stray_msgs);
	add_uint(d, "dma_faults", stats.dma_faults);
}

static void
dev_dict(struct rte_ims_dev *dev, struct rte_tel_data *d)
{
	struct rte_tel_data *stores = part_new();

	add_string(d, "name", dev->name);
	add_string(d, "driver", dev->driver->name);
	add_uint(d, "vendor", dev->vendor_id);
	add_uint(d, "device", dev->device_id);
	rte_tel_data_add_dict_int(d, "numa_node", dev->vfio->numa_node);
	add_uint(d, "model_pid", dev->vfio->model_pid);
	add_uint(d, "removed", atomic_load(&dev->vfio->removed));
	add_peer_errors(dev, d);
	pthread_mutex_lock(&dev->lock);
	add_uint(d, "vectors", dev->n_vecs);
	add_uint(d, "tables", dev->n_tables);
	add_string(d, "source_read_by",
		dev->source_wait != NULL ? dev->source_wait->name : "transport");
	if (stores != NULL)
		add_stores(dev, stores);
	pthread_mutex_unlock(&dev->lock);
	if (stores != NULL)
		add_part(d, "stores", stores);
}

static int
dev_if_named(struct rte_ims_dev *dev, void *arg)
{
	struct query *q = arg;

	if (strcmp(dev->name, q->name) != 0)
		return 0;
	dev_dict(dev, q->d);
	q->rc = 0;
	return 1;
}

static int
cb_device(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct query q = { .name = params, .d = d, .rc = -ENODEV };

	RTE_SET_USED(cmd);
	if (params == NULL)
		return -EINVAL;
	rte_tel_data_start_dict(d);
	ims_dev_each(dev_if_named, &q);
	return q.rc;
}

/* Each vector of a device once; fn returns non-zero to stop. */
static int
vec_each_locked(struct rte_ims_dev *dev, int (*fn)(struct rte_ims_vec *vec, void *arg), void *arg)
{
	struct rte_ims_store *store;
	uint32_t slot;
	int rc = 0;

	TAILQ_FOREACH(store, &dev->stores, next)
		for (slot = 0; slot < store->n_slots && rc == 0; slot++)
			if (ims_store_vec(store, slot) != NULL)
				rc = fn(store->vecs[slot], arg);
	return rc;
}

/* Ids from the given one on, as many as there is room for: the caller asks again from the last. */
static int
vec_id(struct rte_ims_vec *vec, void *arg)
{
	struct query *q = arg;

	if (vec->id < q->id)
		return 0;
	return rte_tel_data_add_array_int(q->d, vec->id) != 0;
}

static int
vec_ids_if_named(struct rte_ims_dev *dev, void *arg)
{
	struct query *q = arg;

	if (strcmp(dev->name, q->name) != 0)
		return 0;
	pthread_mutex_lock(&dev->lock);
	vec_each_locked(dev, vec_id, q);
	pthread_mutex_unlock(&dev->lock);
	q->rc = 0;
	return 1;
}

/* DEVICE or DEVICE@ID; a device's name may have commas in it. */
static int
cb_vectors(const char *cmd, const char *params, struct rte_tel_data *d)
{
	char name[RTE_IMS_NAME_LEN];
	struct query q = { .name = name, .d = d, .rc = -ENODEV };
	char *from, *end;

	RTE_SET_USED(cmd);
	if (params == NULL || strlen(params) >= sizeof(name))
		return -EINVAL;
	rte_strlcpy(name, params, sizeof(name));
	from = strrchr(name, '@');
	if (from != NULL) {
		*from++ = '\0';
		q.id = strtoull(from, &end, 10);
		if (end == from || *end != '\0')
			return -EINVAL;
	}
	rte_tel_data_start_array(d, RTE_TEL_INT_VAL);
	ims_dev_each(vec_ids_if_named, &q);
	return q.rc;
}

static void
vec_dict_locked(struct rte_ims_vec *vec, struct rte_tel_data *d)
{
	char addr[32];

	snprintf(addr, sizeof(addr), "%#" PRIx64, vec->msg.addr);
	add_string(d, "name", vec->name);
	add_string(d, "device", vec->dev->name);
	add_string(d, "store", vec->store->name);
	add_uint(d, "slot", vec->slot);
	add_string(d, "table", vec->table->name);
	add_uint(d, "index", vec->index);
	add_string(d, "delivery", ims_vec_delivery_name(vec));
	add_string(d, "state", ims_vec_state_name(vec));
	add_uint(d, "masked_by_user", atomic_load(&vec->masked));
	add_uint(d, "message_in_doubt", vec->doubt);
	add_string(d, "message_address", vec->msg_valid ? addr : "-");
	add_uint(d, "message_data", vec->msg_valid ? vec->msg.data : 0);
	add_string(d, "wait", vec->wait != NULL ? vec->wait->name : "-");
	add_string(d, "demux", ims_vec_demux_name(vec));
	add_uint(d, "objects", ims_vec_count_objs(vec));
	add_uint(d, "events", atomic_load(&vec->events));
	add_uint(d, "spurious", atomic_load(&vec->spurious));
	add_uint(d, "unhandled", atomic_load(&vec->unhandled));
	add_uint(d, "stale", atomic_load(&vec->stale));
}

static int
vec_if_id(struct rte_ims_vec *vec, void *arg)
{
	struct query *q = arg;

	if (vec->id != q->id)
		return 0;
	vec_dict_locked(vec, q->d);
	q->rc = 0;
	return 1;
}

static int
vec_of_dev(struct rte_ims_dev *dev, void *arg)
{
	int rc;

	pthread_mutex_lock(&dev->lock);
	rc = vec_each_locked(dev, vec_if_id, arg);
	pthread_mutex_unlock(&dev->lock);
	return rc;
}

static int
cb_vector(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct query q = { .d = d, .rc = -ENOENT };
	char *end;

	RTE_SET_USED(cmd);
	if (params == NULL)
		return -EINVAL;
	q.id = strtoull(params, &end, 10);
	if (end == params || *end != '\0')
		return -EINVAL;
	rte_tel_data_start_dict(d);
	ims_dev_each(vec_of_dev, &q);
	return q.rc;
}

static int
pool_name(struct rte_ims_pool *pool, void *arg)
{
	struct query *q = arg;

	return rte_tel_data_add_array_string(q->d, pool->name);
}

static int
cb_pools(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct query q = { .d = d };

	RTE_SET_USED(cmd);
	RTE_SET_USED(params);
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	ims_pool_each(pool_name, &q);
	return 0;
}

static void
add_lcores(const struct rte_ims_pool *pool, struct rte_tel_data *d)
{
	struct rte_ims_pool_lcore lcores[RTE_MAX_LCORE];
	struct rte_tel_data *part;
	char key[16];
	int i, n;

	n = rte_ims_pool_lcores_get(pool, lcores, RTE_DIM(lcores));
	for (i = 0; i < n; i++) {
		part = part_new();
		if (part == NULL)
			return;
		add_uint(part, "vectors", lcores[i].n_vecs);
		add_uint(part, "users", lcores[i].n_users);
		add_uint(part, "events", lcores[i].events);
		rte_tel_data_add_dict_int(part, "cpu", lcores[i].cpu);
		rte_tel_data_add_dict_int(part, "numa_node", lcores[i].numa_node);
		snprintf(key, sizeof(key), "%u", lcores[i].lcore_id);
		add_part(d, key, part);
	}
}

static int
pool_if_named(struct rte_ims_pool *pool, void *arg)
{
	struct rte_ims_pool_info info;
	struct rte_tel_data *lcores;
	struct query *q = arg;

	if (strcmp(pool->name, q->name) != 0)
		return 0;
	q->rc = rte_ims_pool_info_get(pool, &info);
	if (q->rc != 0)
		return 1;
	add_string(q->d, "name", info.name);
	add_string(q->d, "device", info.dev);
	add_uint(q->d, "shared", info.n_vecs);
	add_uint(q->d, "shared_msix", info.n_msix);
	add_uint(q->d, "exclusive", info.n_exclusive);
	add_uint(q->d, "special", info.n_special);
	add_uint(q->d, "dedicated", info.n_dedicated);
	add_uint(q->d, "users", info.n_users);
	add_uint(q->d, "shared_for_want", info.shared_for_want);
	add_uint(q->d, "moves", info.moves);
	lcores = part_new();
	if (lcores != NULL) {
		add_lcores(pool, lcores);
		add_part(q->d, "lcores", lcores);
	}
	return 1;
}

static int
cb_pool(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct query q = { .name = params, .d = d, .rc = -ENOENT };

	RTE_SET_USED(cmd);
	if (params == NULL)
		return -EINVAL;
	rte_tel_data_start_dict(d);
	ims_pool_each(pool_if_named, &q);
	return q.rc;
}

static int
wait_name(struct rte_ims_wait *wait, void *arg)
{
	struct query *q = arg;

	return rte_tel_data_add_array_string(q->d, wait->name);
}

static int
cb_waits(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct query q = { .d = d };

	RTE_SET_USED(cmd);
	RTE_SET_USED(params);
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	ims_wait_each(wait_name, &q);
	return 0;
}

static void
wait_dict(const struct rte_ims_wait *wait, struct rte_tel_data *d)
{
	static const char *const policies[] = { "manual", "poll", "interrupt", "adaptive" };
	struct rte_ims_wait_policy policy;
	struct rte_ims_wait_stats stats;
	struct rte_ims_wait_info info;

	if (rte_ims_wait_info_get(wait, &info) != 0 || rte_ims_wait_stats_get(wait, &stats) != 0 ||
		rte_ims_wait_policy_get(wait, &policy) != 0)
		return;
	add_string(d, "name", info.name);
	add_string(d, "policy", policies[policy.policy]);
	add_uint(d, "memory_vectors", info.n_memory);
	add_uint(d, "eventfd_vectors", info.n_eventfd);
	add_uint(d, "sources", info.n_sources);
	rte_tel_data_add_dict_int(d, "numa_node", info.numa_node);
	add_uint(d, "reads_socket", info.reads_socket);
	add_uint(d, "events", stats.events);
	add_uint(d, "polls", stats.polls);
	add_uint(d, "busy_polls", stats.busy_polls);
	add_uint(d, "sleeps", stats.sleeps);
	add_uint(d, "wakes", stats.wakes);
	add_uint(d, "switches", stats.switches);
	add_uint(d, "spurious", stats.spurious);
	add_uint(d, "stray", stats.stray);
	add_uint(d, "asleep_ns", stats.asleep_ns);
}

static int
wait_if_named(struct rte_ims_wait *wait, void *arg)
{
	struct query *q = arg;

	if (strcmp(wait->name, q->name) != 0)
		return 0;
	wait_dict(wait, q->d);
	q->rc = 0;
	return 1;
}

static int
cb_wait(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct query q = { .name = params, .d = d, .rc = -ENOENT };

	RTE_SET_USED(cmd);
	if (params == NULL)
		return -EINVAL;
	rte_tel_data_start_dict(d);
	ims_wait_each(wait_if_named, &q);
	return q.rc;
}

RTE_INIT(ims_telemetry_init)
{
	rte_telemetry_register_cmd("/ims/devices", cb_devices, "Names of open devices.");
	rte_telemetry_register_cmd("/ims/device", cb_device, "A device. Parameter: its name");
	rte_telemetry_register_cmd("/ims/vectors", cb_vectors,
		"Ids of a device's vectors. Parameter: DEVICE, or DEVICE@ID for those from ID on");
	rte_telemetry_register_cmd("/ims/vector", cb_vector, "A vector. Parameter: its id");
	rte_telemetry_register_cmd("/ims/pools", cb_pools, "Names of pools.");
	rte_telemetry_register_cmd("/ims/pool", cb_pool, "A pool. Parameter: its name");
	rte_telemetry_register_cmd("/ims/waits", cb_waits, "Names of wait sets.");
	rte_telemetry_register_cmd("/ims/wait", cb_wait, "A wait set. Parameter: its name");
}
