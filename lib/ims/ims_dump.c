/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* rte_ims_*_dump(): all that is known, for people. */

#include <inttypes.h>

#include "ims_wait_private.h"

const char *
ims_vec_state_name(const struct rte_ims_vec *vec)
{
	static const char *const names[] = { "masked", "unmasked", "in doubt" };

	return names[vec->slot_state];
}

const char *
ims_vec_delivery_name(const struct rte_ims_vec *vec)
{
	return vec->delivery == RTE_IMS_DELIVERY_MEMORY ? "memory" : "eventfd";
}

const char *
ims_vec_demux_name(const struct rte_ims_vec *vec)
{
	return atomic_load(&vec->demux) != NULL ? "event queue" : "all are called";
}

static void
dump_vec(struct rte_ims_vec *vec, FILE *f)
{
	fprintf(f,
		"    vec %" PRIu64 " %s: table %s:%u, slot %u, %s, %s%s, message %#" PRIx64
		" %#" PRIx32 ", wait %s, objects %u (%s), events %" PRIu64 ", spurious %" PRIu64
		", unhandled %" PRIu64 "\n",
		vec->id, vec->name, vec->table->name, vec->index, vec->slot,
		ims_vec_delivery_name(vec), ims_vec_state_name(vec),
		atomic_load(&vec->masked) ? " by user" : "", vec->msg.addr, vec->msg.data,
		vec->wait != NULL ? vec->wait->name : "-", ims_vec_count_objs(vec),
		ims_vec_demux_name(vec), (uint64_t)atomic_load(&vec->events),
		(uint64_t)atomic_load(&vec->spurious), (uint64_t)atomic_load(&vec->unhandled));
}

int
rte_ims_dev_dump(const struct rte_ims_dev *dev, FILE *f)
{
	pthread_mutex_t *lock;
	const struct rte_ims_store *store;
	const struct rte_ims_table *table;
	struct rte_ims_dev_stats stats;
	uint32_t slot;

	if (dev == NULL || f == NULL)
		return -EINVAL;
	rte_ims_dev_stats_get(dev, &stats);
	lock = (pthread_mutex_t *)(uintptr_t)&dev->lock;
	pthread_mutex_lock(lock);
	fprintf(f,
		"device %s: driver %s, %04x:%04x, NUMA node %d, vectors %u%s, stray messages %" PRIu64
		", DMA faults %" PRIu64 "\n",
		dev->name, dev->driver->name, dev->vendor_id, dev->device_id, dev->vfio->numa_node,
		dev->n_vecs, atomic_load(&dev->vfio->removed) ? ", REMOVED" : "", stats.stray_msgs,
		stats.dma_faults);
	fprintf(f,
		"  peer: timeouts %" PRIu64 ", replies late %" PRIu64 ", reordered %" PRIu64
		", bad %" PRIu64 ", unread %" PRIu64 ", bad requests %" PRIu64
		", surplus descriptors %" PRIu64 ", malformed %" PRIu64 "\n",
		stats.timeouts, stats.late_replies, stats.reordered_replies, stats.bad_replies,
		stats.unread_replies, stats.bad_requests, stats.surplus_fds, stats.malformed);
	fprintf(f, "  source read by %s\n",
		dev->source_wait != NULL ? dev->source_wait->name : "the transport");
	TAILQ_FOREACH(table, &dev->tables, next)
		fprintf(f, "  table %s: %u of %u\n", table->name, table->n_used, table->size);
	TAILQ_FOREACH(store, &dev->stores, next) {
		fprintf(f, "  store %s: %u of %u slots, %u special\n", store->name, store->n_used,
			store->n_slots, store->n_special);
		for (slot = 0; slot < store->n_slots; slot++)
			if (ims_store_vec(store, slot) != NULL)
				dump_vec(store->vecs[slot], f);
	}
	pthread_mutex_unlock(lock);
	return 0;
}

int
rte_ims_wait_dump(const struct rte_ims_wait *wait, FILE *f)
{
	pthread_mutex_t *lock;
	const struct rte_ims_vec *vec;
	uint32_t i;

	if (wait == NULL || f == NULL)
		return -EINVAL;
	lock = (pthread_mutex_t *)(uintptr_t)&wait->lock;
	fprintf(f,
		"wait %s: NUMA node %d, memory %u, eventfd %u, of %u, sources %u; events %" PRIu64
		", sleeps %" PRIu64 ", wakes %" PRIu64 ", stray %" PRIu64 "\n",
		wait->name, wait->numa_node, atomic_load(&wait->n_memory),
		atomic_load(&wait->n_eventfd), wait->max_vecs, wait->n_sources,
		(uint64_t)atomic_load(&wait->events), (uint64_t)atomic_load(&wait->sleeps),
		(uint64_t)atomic_load(&wait->wakes), (uint64_t)atomic_load(&wait->stray));
	/* A vector leaves its entry under this lock, so it is there as long as we hold it. */
	pthread_mutex_lock(lock);
	for (i = 0; i < wait->max_vecs; i++) {
		vec = atomic_load(&wait->entries[i].vec);
		if (vec != NULL)
			fprintf(f, "  %u: vec %" PRIu64 " %s\n", i, vec->id, vec->name);
	}
	pthread_mutex_unlock(lock);
	return 0;
}
