/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Rx queues in wait sets: net_ring, whose ports give back what they are sent and have no interrupt.
 * Ports that have one are in the e2e tests.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <rte_ims_ethdev.h>

#define QUEUES 2
#define SECOND 1000000000ll

static struct rte_mempool *mempool;
static struct rte_ims_wait *w;
static uint16_t port;

/* Callbacks of ports, by event: those that there are, and the registration (from 1) to refuse. */
static bool registered[RTE_ETH_EVENT_MAX];
static unsigned int refused;

/* The library's calls come here. */
int
rte_eth_dev_callback_register(
	uint16_t port_id, enum rte_eth_event_type event, rte_eth_dev_cb_fn fn, void *arg)
{
	__typeof__(&rte_eth_dev_callback_register) real;

	if (refused != 0 && --refused == 0)
		return -ENOMEM;
	registered[event] = true;
	*(void **)(uintptr_t)&real = dlsym(RTLD_NEXT, __func__);
	return real(port_id, event, fn, arg);
}

int
rte_eth_dev_callback_unregister(
	uint16_t port_id, enum rte_eth_event_type event, rte_eth_dev_cb_fn fn, void *arg)
{
	__typeof__(&rte_eth_dev_callback_unregister) real;

	registered[event] = false;
	*(void **)(uintptr_t)&real = dlsym(RTLD_NEXT, __func__);
	return real(port_id, event, fn, arg);
}

static unsigned int
count_registered(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < RTE_DIM(registered); i++)
		n += registered[i];
	return n;
}

struct receiver {
	struct rte_ims_ethdev_rxq rxq;
	uint64_t packets;
	uint16_t most;
	int del_rc;
};

static void
on_packets(struct rte_ims_ethdev_rxq *rxq, struct rte_mbuf **pkts, uint16_t n_pkts)
{
	struct receiver *r = rxq->arg;

	r->packets += n_pkts;
	r->most = RTE_MAX(r->most, n_pkts);
	r->del_rc = rte_ims_ethdev_rxq_del(rxq);
	rte_pktmbuf_free_bulk(pkts, n_pkts);
}

static void
receiver_init(struct receiver *r, uint16_t queue)
{
	memset(r, 0, sizeof(*r));
	r->rxq.port_id = port;
	r->rxq.queue_id = queue;
	r->rxq.fn = on_packets;
	r->rxq.arg = r;
}

static void
transmit(uint16_t queue, unsigned int n)
{
	struct rte_mbuf *pkt;

	while (n-- > 0) {
		pkt = rte_pktmbuf_alloc(mempool);
		assert_non_null(pkt);
		assert_int_equal(rte_eth_tx_burst(port, queue, &pkt, 1), 1);
	}
}

static int
group_setup(void **state)
{
	static const char *const args[] = { "test_ethdev", "--no-huge", "--no-pci", "--no-shconf",
		"--no-telemetry", "-m", "32", "-l", "0", "--vdev=net_ring0" };
	char *argv[RTE_DIM(args) + 1] = { NULL };
	struct rte_eth_conf conf = { 0 };
	unsigned int i;
	uint16_t q;

	for (i = 0; i < RTE_DIM(args); i++)
		argv[i] = (char *)(uintptr_t)args[i];
	if (rte_eal_init(RTE_DIM(args), argv) < 0 ||
		rte_eth_dev_get_port_by_name("net_ring0", &port) != 0)
		return -1;
	mempool = rte_pktmbuf_pool_create("pkts", 511, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	if (mempool == NULL || rte_eth_dev_configure(port, QUEUES, QUEUES, &conf) != 0)
		return -1;
	for (q = 0; q < QUEUES; q++)
		if (rte_eth_rx_queue_setup(port, q, 64, 0, NULL, mempool) != 0 ||
			rte_eth_tx_queue_setup(port, q, 64, 0, NULL) != 0)
			return -1;
	return rte_eth_dev_start(port);
}

static int
group_teardown(void **state)
{
	rte_eth_dev_stop(port);
	rte_eth_dev_close(port);
	return rte_eal_cleanup();
}

static int
setup(void **state)
{
	w = rte_ims_wait_create("rx", NULL);
	return w == NULL;
}

static int
teardown(void **state)
{
	return rte_ims_wait_destroy(w);
}

static void
policy(enum rte_ims_policy p)
{
	struct rte_ims_wait_policy conf = { .policy = p };

	assert_int_equal(rte_ims_wait_policy_set(w, &conf), 0);
}

/*
 * Each queue's packets reach its own function, in bursts, whatever the thread does when there are
 * none.
 */
static void
test_packets(void **state)
{
	struct rte_ims_source_stats st;
	struct receiver r[QUEUES];
	unsigned int p, i;

	for (p = RTE_IMS_POLICY_MANUAL; p <= RTE_IMS_POLICY_ADAPTIVE; p++) {
		policy(p);
		for (i = 0; i < QUEUES; i++) {
			receiver_init(&r[i], i);
			r[i].rxq.burst = 16;
			transmit(i, 40 + i);
			assert_int_equal(rte_ims_ethdev_rxq_add(w, &r[i].rxq), 0);
			assert_int_equal(r[i].rxq.source.fd, -1);
		}
		while (r[0].packets + r[1].packets < 81)
			assert_true(rte_ims_wait_sleep(w, SECOND) >= 0);
		for (i = 0; i < QUEUES; i++) {
			assert_int_equal(r[i].packets, 40 + i);
			assert_int_equal(r[i].most, 16);
			assert_int_equal(r[i].del_rc, -EDEADLK);
			assert_int_equal(rte_ims_source_stats_get(&r[i].rxq.source, &st), 0);
			assert_int_equal(st.events, 40 + i);
			assert_int_equal(st.busy_polls, 3);
			assert_int_equal(rte_ims_ethdev_rxq_del(&r[i].rxq), 0);
		}
	}
}

/* Slept on where there is no interrupt, it is looked at after each nap. */
static void
test_without_interrupt(void **state)
{
	struct rte_ims_source_stats st;
	struct receiver r;
	unsigned int i = 0;
	uint64_t before;

	policy(RTE_IMS_POLICY_INTERRUPT);
	receiver_init(&r, 1);
	assert_int_equal(rte_ims_ethdev_rxq_add(w, &r.rxq), 0);
	assert_int_equal(rte_ims_wait_sleep(w, 0), 0);
	/* In some sleep at last the CPU is ours for so many. */
	assert_int_equal(rte_ims_source_stats_get(&r.rxq.source, &st), 0);
	do {
		before = st.polls;
		assert_int_equal(rte_ims_wait_sleep(w, SECOND / 5), 0);
		assert_int_equal(rte_ims_source_stats_get(&r.rxq.source, &st), 0);
	} while (st.polls - before <= 5 && ++i < 100);
	assert_true(st.polls - before > 5);
	assert_int_equal(st.arms + st.wakes, 0);
	transmit(1, 1);
	assert_int_equal(rte_ims_wait_sleep(w, 20 * SECOND), 1);
	assert_int_equal(r.packets, 1);
	assert_int_equal(rte_ims_ethdev_rxq_del(&r.rxq), 0);
}

/* To another lcore's set, with what has come meanwhile. */
static void
test_from_set_to_set(void **state)
{
	struct rte_ims_wait *other = rte_ims_wait_create("rx2", NULL);
	struct receiver r;

	assert_non_null(other);
	receiver_init(&r, 0);
	assert_int_equal(rte_ims_ethdev_rxq_add(w, &r.rxq), 0);
	assert_int_equal(rte_ims_ethdev_rxq_add(other, &r.rxq), -EBUSY);
	assert_int_equal(rte_ims_wait_destroy(w), -EBUSY);
	assert_int_equal(rte_ims_ethdev_rxq_del(&r.rxq), 0);
	transmit(0, 5);
	assert_int_equal(rte_ims_wait_poll(w), 0);
	assert_int_equal(rte_ims_ethdev_rxq_add(other, &r.rxq), 0);
	assert_int_equal(rte_ims_wait_poll(other), 1);
	assert_int_equal(r.packets, 5);
	assert_int_equal(rte_ims_ethdev_rxq_del(&r.rxq), 0);
	assert_int_equal(rte_ims_wait_destroy(other), 0);
}

static void
test_refused(void **state)
{
	struct receiver r;

	receiver_init(&r, 0);
	assert_int_equal(rte_ims_ethdev_rxq_add(NULL, &r.rxq), -EINVAL);
	assert_int_equal(rte_ims_ethdev_rxq_add(w, NULL), -EINVAL);
	assert_int_equal(rte_ims_ethdev_rxq_del(NULL), -EINVAL);
	assert_int_equal(rte_ims_ethdev_rxq_del(&r.rxq), -ENOENT);
	r.rxq.fn = NULL;
	assert_int_equal(rte_ims_ethdev_rxq_add(w, &r.rxq), -EINVAL);
	r.rxq.fn = on_packets;
	r.rxq.burst = RTE_IMS_ETHDEV_BURST_MAX + 1;
	assert_int_equal(rte_ims_ethdev_rxq_add(w, &r.rxq), -EINVAL);
	r.rxq.burst = RTE_IMS_ETHDEV_BURST_MAX;
	r.rxq.port_id = port + 1;
	assert_int_equal(rte_ims_ethdev_rxq_add(w, &r.rxq), -ENODEV);
	r.rxq.port_id = port;
	r.rxq.queue_id = QUEUES;
	assert_int_equal(rte_ims_ethdev_rxq_add(w, &r.rxq), -ERANGE);
	r.rxq.queue_id = QUEUES - 1;
	assert_int_equal(rte_ims_ethdev_rxq_add(w, &r.rxq), 0);
	assert_int_equal(rte_ims_ethdev_rxq_del(&r.rxq), 0);
}

/* Without memory for a callback nothing is left of the others, and the set is as before. */
static void
test_no_memory(void **state)
{
	struct receiver r;
	unsigned int i;

	receiver_init(&r, 0);
	for (i = 1; i <= 2; i++) {
		refused = i;
		assert_int_equal(rte_ims_ethdev_rxq_add(w, &r.rxq), -ENOMEM);
		assert_int_equal(refused, 0);
		assert_int_equal(count_registered(), 0);
		assert_int_equal(rte_ims_ethdev_rxq_del(&r.rxq), -ENOENT);
	}
	assert_int_equal(rte_ims_ethdev_rxq_add(w, &r.rxq), 0);
	assert_int_equal(count_registered(), 2);
	transmit(0, 3);
	assert_int_equal(rte_ims_wait_poll(w), 1);
	assert_int_equal(r.packets, 3);
	assert_int_equal(rte_ims_ethdev_rxq_del(&r.rxq), 0);
	assert_int_equal(count_registered(), 0);
}

int
main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(test_packets),
		T(test_without_interrupt),
		T(test_from_set_to_set),
		T(test_refused),
		T(test_no_memory),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
