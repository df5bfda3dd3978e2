/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * What 4,096 queues that can interrupt take to set up: on shared vectors of a pool; and, beside it,
 * the same queues with an eventfd each in an epoll instance, as DPDK's PMDs have them (rx
 * interrupts: rte_intr_efd_enable(), rte_intr_rx_ctl()). For the peer the work of the device and of
 * VFIO_DEVICE_ SET_IRQS for 4,096 vectors is left out, and that MSI-X and DPDK's
 * RTE_MAX_RXTX_INTR_VEC_ID end before: its figures are a lower bound.
 */

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_epoll.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "ims_bench.h"

#define N_QUEUES 4096u
#define ROUNDS   3u

static struct rte_pmd_queue_dev_queue *queues[N_QUEUES];
static struct rte_ims_vec *vecs[N_QUEUES];

struct used {
	uint64_t ns;
	unsigned int fds;
	uint64_t bytes;
};

static void
nothing(struct rte_ims_vec *vec, void *arg)
{
	(void)vec;
	(void)arg;
}

/* The kernel's slabs, of which eventfds, files and epoll's entries are: for the whole machine. */
static uint64_t
slab_bytes(void)
{
	unsigned long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "SUnreclaim: %lu kB", &kib) == 1)
			break;
	fclose(f);
	return kib * 1024ull;
}

static void
used_now(struct used *u)
{
	struct rte_malloc_socket_stats stats;
	struct mallinfo2 m = mallinfo2();
	int socket;

	u->fds = count_fds();
	u->bytes = m.uordblks + m.hblkhd + slab_bytes();
	for (socket = 0; socket < RTE_MAX_NUMA_NODES; socket++)
		if (rte_malloc_get_socket_stats(socket, &stats) == 0)
			u->bytes += stats.heap_allocsz_bytes;
	u->ns = now_ns();
}

static void
ours(struct rig *rig)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 16, .fn = nothing };
	unsigned int i;

	for (i = 0; i < N_QUEUES; i++) {
		vecs[i] = rte_ims_pool_get(rig->pool, NULL);
		check_ptr(vecs[i], "vector");
		conf.vec = vecs[i];
		queues[i] = rte_pmd_queue_dev_queue_create(rig->dev, &conf);
		check_ptr(queues[i], "queue");
	}
}

static void
ours_undo(struct rig *rig)
{
	unsigned int i;

	for (i = 0; i < N_QUEUES; i++) {
		check(rte_pmd_queue_dev_queue_destroy(queues[i]), "queue");
		check(rte_ims_pool_put(rig->pool, vecs[i]), "put");
	}
}

static int fds[N_QUEUES];
static struct rte_epoll_event evs[N_QUEUES];

static void
peer(struct rig *rig)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = 16 };
	unsigned int i;

	for (i = 0; i < N_QUEUES; i++) {
		queues[i] = rte_pmd_queue_dev_queue_create(rig->dev, &conf);
		check_ptr(queues[i], "queue");
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		check(fds[i] >= 0 ? 0 : -errno, "eventfd");
		memset(&evs[i], 0, sizeof(evs[i]));
		evs[i].epdata.event = EPOLLIN;
		check(rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_ADD, fds[i], &evs[i]),
			"rte_epoll_ctl");
	}
}

static void
peer_undo(struct rig *rig)
{
	unsigned int i;

	(void)rig;
	for (i = 0; i < N_QUEUES; i++) {
		rte_epoll_ctl(RTE_EPOLL_PER_THREAD, EPOLL_CTL_DEL, fds[i], &evs[i]);
		close(fds[i]);
		check(rte_pmd_queue_dev_queue_destroy(queues[i]), "queue");
	}
}

/*
 * Each time on a device of its own: what is kept for the next queue would flatter the second round.
 */
static void
measure(void (*setup)(struct rig *rig), void (*undo)(struct rig *rig), struct samples *ms,
	struct samples *n_fds, struct samples *kib)
{
	struct used before, after;
	struct rig rig;

	rig_open(&rig, bench.other_cpu, "", RTE_IMS_DELIVERY_EVENTFD);
	used_now(&before);
	setup(&rig);
	used_now(&after);
	samples_add(ms, after.ns - before.ns);
	samples_add(n_fds, after.fds - before.fds);
	samples_add(kib, after.bytes > before.bytes ? after.bytes - before.bytes : 0);
	undo(&rig);
	rig_close(&rig);
}

static void
report(const char *prefix, struct samples *s)
{
	static const char *const keys[] = { "ms", "fds", "kib" };
	static const double scale[] = { 1e-6, 1, 1.0 / 1024 };
	char key[64];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		snprintf(key, sizeof(key), "%ssetup_4096_%s", prefix, keys[i]);
		figure_set(key, samples_quantile(&s[i], 0.5) * scale[i]);
		samples_free(&s[i]);
	}
}

void
bench_setup(void)
{
	struct samples a[3], b[3];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		samples_init(&a[i], ROUNDS);
		samples_init(&b[i], ROUNDS);
	}
	for (i = 0; i < ROUNDS; i++) {
		measure(ours, ours_undo, &a[0], &a[1], &a[2]);
		measure(peer, peer_undo, &b[0], &b[1], &b[2]);
	}
	report("", a);
	report("peer_", b);
}
