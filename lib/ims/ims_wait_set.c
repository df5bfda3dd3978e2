/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Wait sets: made, listed, counted, freed. */

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_cpuflags.h>
#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_string_fns.h>

#include "ims_wait_private.h"

#define MAX_VECS_DEFAULT 1024u
#define NAP_NS_DEFAULT   50000u
#define FLAGS            (RTE_IMS_WAIT_F_LCORE | RTE_IMS_WAIT_F_CANCEL)

static pthread_mutex_t waits_lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, rte_ims_wait) waits = TAILQ_HEAD_INITIALIZER(waits);

void
ims_wait_each(int (*fn)(struct rte_ims_wait *w, void *arg), void *arg)
{
	struct rte_ims_wait *w;

	pthread_mutex_lock(&waits_lock);
	TAILQ_FOREACH(w, &waits, next)
		if (fn(w, arg) != 0)
			break;
	pthread_mutex_unlock(&waits_lock);
}

static int
check_conf(const char *name, const struct rte_ims_wait_conf *conf)
{
	static const struct rte_ims_wait_conf zero;

	if (name == NULL || strlen(name) >= RTE_IMS_NAME_LEN)
		return -EINVAL;
	if (conf == NULL)
		return 0;
	if (conf->max_vecs > IMS_WAIT_MAX || (conf->flags & ~FLAGS) != 0 ||
		memcmp(conf->reserved, zero.reserved, sizeof(zero.reserved)) != 0)
		return -EINVAL;
	if ((conf->flags & RTE_IMS_WAIT_F_LCORE) != 0 && !rte_lcore_is_enabled(conf->lcore_id))
		return -EINVAL;
	return 0;
}

/* Doorbells near the thread that will poll them. They are DMA memory: DPDK's. */
static int
alloc_bells(struct rte_ims_wait *w, const struct rte_ims_wait_conf *conf)
{
	size_t size = RTE_ALIGN_CEIL(w->max_vecs * sizeof(*w->bells), RTE_CACHE_LINE_SIZE);

	w->numa_node = conf != NULL && (conf->flags & RTE_IMS_WAIT_F_LCORE) != 0
	                       ? (int)rte_lcore_to_socket_id(conf->lcore_id)
	                       : (int)rte_socket_id();
	w->bells = rte_zmalloc_socket("ims_wait", size, RTE_CACHE_LINE_SIZE, w->numa_node);
	if (w->bells == NULL && w->numa_node != SOCKET_ID_ANY) {
		IMS_LOG(NOTICE, "wait %s: no memory on NUMA node %d for doorbells", w->name,
			w->numa_node);
		w->numa_node = SOCKET_ID_ANY;
		w->bells = rte_zmalloc_socket("ims_wait", size, RTE_CACHE_LINE_SIZE, SOCKET_ID_ANY);
	}
	/* One for each word that is scanned: a message that is astray can ring any of them. */
	w->entries = calloc(size / sizeof(*w->bells), sizeof(*w->entries));
	return w->bells != NULL && w->entries != NULL ? 0 : -ENOMEM;
}

static int
open_fds(struct rte_ims_wait *w)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = EV_WAKE };

	w->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epfd < 0)
		return -errno;
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd < 0 || epoll_ctl(w->epfd, EPOLL_CTL_ADD, w->wake_fd, &ev) < 0)
		return -errno;
	return 0;
}

static void
wait_free(struct rte_ims_wait *w)
{
	if (w->epfd >= 0)
		close(w->epfd);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	if (w->unsafe)
		IMS_LOG(WARNING,
			"wait %s: its doorbells are not freed, a device that does not answer "
			"could still write there",
			w->name);
	else
		rte_free(w->bells);
	pthread_mutex_destroy(&w->policy_lock);
	pthread_mutex_destroy(&w->lock);
	free(w->entries);
	free(w);
}

struct rte_ims_wait *
rte_ims_wait_create(const char *name, const struct rte_ims_wait_conf *conf)
{
	struct rte_cpu_intrinsics power = { 0 };
	struct rte_ims_wait *w;
	int rc;

	rc = check_conf(name, conf);
	if (rc != 0)
		return ims_err_ptr(rc);
	if (posix_memalign((void **)&w, RTE_CACHE_LINE_SIZE, sizeof(*w)) != 0)
		return ims_err_ptr(-ENOMEM);
	memset(w, 0, sizeof(*w));
	rte_strlcpy(w->name, name, sizeof(w->name));
	w->epfd = w->wake_fd = -1;
	w->max_vecs = conf != NULL && conf->max_vecs != 0 ? conf->max_vecs : MAX_VECS_DEFAULT;
	w->cpu = conf != NULL && (conf->flags & RTE_IMS_WAIT_F_LCORE) != 0
	                 ? ims_lcore_cpu(conf->lcore_id)
	                 : -1;
	w->lcore = conf != NULL && (conf->flags & RTE_IMS_WAIT_F_LCORE) != 0 ? (int)conf->lcore_id
	                                                                     : -1;
	w->nap_ns = conf != NULL && conf->nap_ns != 0 ? conf->nap_ns : NAP_NS_DEFAULT;
	rte_cpu_get_intrinsics_support(&power);
	w->cancel = conf != NULL && (conf->flags & RTE_IMS_WAIT_F_CANCEL) != 0;
	w->scan = ims_bells_scan_best();
	w->monitor = power.power_monitor != 0;
	pthread_mutex_init(&w->policy_lock, NULL);
	pthread_mutex_init(&w->lock, NULL);
	rc = alloc_bells(w, conf);
	if (rc == 0)
		rc = open_fds(w);
	if (rc != 0) {
		wait_free(w);
		return ims_err_ptr(rc);
	}
	pthread_mutex_lock(&waits_lock);
	TAILQ_INSERT_TAIL(&waits, w, next);
	pthread_mutex_unlock(&waits_lock);
	return w;
}

int
rte_ims_wait_destroy(struct rte_ims_wait *wait)
{
	bool used;

	if (wait == NULL)
		return -EINVAL;
	pthread_mutex_lock(&wait->lock);
	used = wait->n_used != 0 || wait->n_sources != 0;
	pthread_mutex_unlock(&wait->lock);
	if (used)
		return -EBUSY;
	/* Nobody begins a drain of an empty set, and those under way are bounded. */
	while (atomic_load(&wait->n_drains) != 0)
		usleep(50);
	pthread_mutex_lock(&waits_lock);
	TAILQ_REMOVE(&waits, wait, next);
	pthread_mutex_unlock(&waits_lock);
	wait_free(wait);
	return 0;
}

static uint64_t
ticks_to_ns(uint64_t ticks)
{
	uint64_t hz = rte_get_tsc_hz();

	return ticks / hz * 1000000000 + ticks % hz * 1000000000 / hz;
}

static void
stats_read(const struct rte_ims_wait *wait, struct rte_ims_wait_stats *stats)
{
	stats->events = atomic_load_explicit(&wait->events, memory_order_relaxed);
	stats->busy_polls = atomic_load_explicit(&wait->busy_polls, memory_order_relaxed);
	stats->sleeps = atomic_load_explicit(&wait->sleeps, memory_order_relaxed);
	stats->wakes = atomic_load_explicit(&wait->wakes, memory_order_relaxed);
	stats->stray = atomic_load_explicit(&wait->stray, memory_order_relaxed);
	stats->polls = atomic_load_explicit(&wait->polls, memory_order_relaxed);
	stats->spurious = atomic_load_explicit(&wait->spurious, memory_order_relaxed);
	stats->switches = atomic_load_explicit(&wait->switches, memory_order_relaxed);
	stats->asleep_ns = ticks_to_ns(atomic_load_explicit(&wait->asleep, memory_order_relaxed));
}

int
rte_ims_wait_stats_get(const struct rte_ims_wait *wait, struct rte_ims_wait_stats *stats)
{
	pthread_mutex_t *lock;

	if (wait == NULL || stats == NULL)
		return -EINVAL;
	lock = (pthread_mutex_t *)(uintptr_t)&wait->lock;
	pthread_mutex_lock(lock);
	stats_read(wait, stats);
	stats->events -= wait->zero.events;
	stats->busy_polls -= wait->zero.busy_polls;
	stats->sleeps -= wait->zero.sleeps;
	stats->wakes -= wait->zero.wakes;
	stats->stray -= wait->zero.stray;
	stats->polls -= wait->zero.polls;
	stats->spurious -= wait->zero.spurious;
	stats->switches -= wait->zero.switches;
	stats->asleep_ns -= wait->zero.asleep_ns;
	pthread_mutex_unlock(lock);
	return 0;
}

int
rte_ims_wait_stats_reset(struct rte_ims_wait *wait)
{
	if (wait == NULL)
		return -EINVAL;
	pthread_mutex_lock(&wait->lock);
	stats_read(wait, &wait->zero);
	pthread_mutex_unlock(&wait->lock);
	return 0;
}
