/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>

#include "../children.h"
#include "e2e.h"

const char *e2e_lcores = "0";
const char *e2e_dev_name;
uint64_t e2e_ops;
uint64_t e2e_seconds;
unsigned int e2e_seed = 1;
bool e2e_no_remap;

#define EAL_ARGS 32

static char *
arg(const char *text)
{
	return (char *)(uintptr_t)text;
}

void
e2e_init(int argc, char **argv, const char *dev_default)
{
	static const struct option opts[] = {
		{ "dev", required_argument, NULL, 'd' },
		{ "ops", required_argument, NULL, 'o' },
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'S' },
		{ "mem", required_argument, NULL, 'm' },
		{ "no-remap", no_argument, NULL, 'r' },
		{ "lcores", required_argument, NULL, 'l' },
		{ "eal", required_argument, NULL, 'e' },
		{ "test", required_argument, NULL, 't' },
		{ 0 },
	};
	static char mem[16] = "64";
	/* Every DPDK program that starts connects to the telemetry sockets of others. */
	char *eal[EAL_ARGS] = { arg("e2e"), arg("--no-pci"), arg("--no-shconf"),
		arg("--no-telemetry"), arg("--lcores") };
	int c, n_eal = 6, n_own = 0;

	e2e_dev_name = dev_default;
	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		if (c == 'd')
			e2e_dev_name = optarg;
		else if (c == 'o')
			e2e_ops = strtoull(optarg, NULL, 0);
		else if (c == 's')
			e2e_seconds = strtoull(optarg, NULL, 0);
		else if (c == 'S')
			e2e_seed = strtoul(optarg, NULL, 0);
		else if (c == 'r')
			e2e_no_remap = true;
		else if (c == 'l')
			e2e_lcores = optarg;
		else if (c == 'e' && n_own < EAL_ARGS / 2)
			eal[n_eal + n_own++] = optarg;
		else if (c == 't')
			cmocka_set_test_filter(optarg);
		else if (c == 'm')
			snprintf(mem, sizeof(mem), "%s", optarg);
		else
			exit(1);
	}
	eal[5] = arg(e2e_lcores);
	/* Unless the caller says what memory there is. */
	if (n_own == 0) {
		eal[n_eal++] = arg("--no-huge");
		eal[n_eal++] = arg("-m");
		eal[n_eal++] = mem;
	}
	if (rte_eal_init(n_eal + n_own, eal) < 0) {
		fprintf(stderr, "EAL does not start: %s\n", rte_strerror(rte_errno));
		exit(1);
	}
}

struct rte_ims_dev *
e2e_open(void)
{
	return e2e_open_flags(0);
}

struct rte_ims_dev *
e2e_open_flags(uint32_t flags)
{
	struct rte_ims_dev_conf conf = { .flags = flags, .timeout_ms = E2E_PATIENCE_MS };
	struct rte_ims_dev *dev;

	dev = rte_ims_dev_open(e2e_dev_name, &conf);
	if (dev == NULL)
		print_error("%s: %s\n", e2e_dev_name, rte_strerror(rte_errno));
	assert_non_null(dev);
	return dev;
}

unsigned int
e2e_count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned int n = 0;
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n += strchr(line, '/') != NULL;
	fclose(f);
	return n;
}

unsigned int
e2e_count_children(void)
{
	int n = children_of(getpid(), NULL, 0);

	assert_true(n >= 0);
	return n;
}

uint64_t
e2e_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

bool
e2e_can(struct rte_ims_dev *dev, enum rte_ims_delivery delivery)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };
	struct rte_ims_vec *vec;

	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev),
		rte_ims_dev_store_get(dev, RTE_IMS_STORE_BAR), RTE_IMS_SLOT_ANY, &conf);
	if (vec != NULL) {
		assert_int_equal(rte_ims_vec_free(vec), 0);
		return true;
	}
	assert_int_equal(rte_errno, ENOTSUP);
	assert_memory_equal(e2e_dev_name, "pci:", 4);
	return false;
}

struct rte_ims_vec *
e2e_vec(struct rte_ims_dev *dev, uint32_t slot, enum rte_ims_delivery delivery)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };
	struct rte_ims_vec *vec;

	vec = rte_ims_vec_alloc(
		rte_ims_dev_table(dev), rte_ims_dev_store_get(dev, RTE_IMS_STORE_BAR), slot, &conf);
	if (vec == NULL)
		print_error("slot %u: %s\n", slot, rte_strerror(rte_errno));
	assert_non_null(vec);
	return vec;
}

bool
e2e_wait_for(struct rte_ims_wait *wait, bool (*fn)(void *arg), void *arg, uint64_t timeout_ns)
{
	uint64_t end = e2e_now_ns() + timeout_ns;

	while (!fn(arg) && e2e_now_ns() < end)
		assert_true(rte_ims_wait_sleep(wait, 10000000) >= 0);
	return fn(arg);
}

void
e2e_settle(struct rte_ims_wait *wait)
{
	while (rte_ims_wait_sleep(wait, 50000000) > 0)
		;
}

void
e2e_assert_quiet(struct rte_ims_wait *wait, uint64_t ns)
{
	uint64_t end = e2e_now_ns() + ns;

	while (e2e_now_ns() < end) {
		assert_int_equal(rte_ims_wait_poll(wait), 0);
		usleep(100);
	}
}

static void
on_timer(struct rte_ims_vec *vec, void *arg)
{
	struct e2e_timer *t = arg;
	uint64_t count = rte_pmd_timer_ims_count(t->dev, t->n, NULL);

	t->calls++;
	if (count <= t->accounted)
		t->empty++;
	else
		t->accounted = count;
}

void
e2e_timer_init(struct e2e_timer *t, struct rte_ims_dev *dev, uint32_t n, struct rte_ims_vec *vec)
{
	memset(t, 0, sizeof(*t));
	t->dev = dev;
	t->n = n;
	t->vec = vec;
	t->obj.fn = on_timer;
	t->obj.arg = t;
	assert_int_equal(rte_ims_vec_attach(vec, &t->obj), 0);
}

void
e2e_timer_start(struct e2e_timer *t, uint64_t interval_ns, uint64_t limit, uint32_t flags)
{
	struct rte_pmd_timer_ims_conf conf = {
		.interval_ns = interval_ns,
		.limit = limit,
		.flags = flags,
	};

	t->accounted = 0;
	assert_int_equal(rte_pmd_timer_ims_start(t->dev, t->n, t->vec, &conf), 0);
}

/*
 * A request is answered behind the messages that the device has sent before it. A message that was
 * merged goes out when the one under way has been answered, which is done before the next request.
 */
void
e2e_timer_stop(struct rte_ims_dev *dev, uint32_t n)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		assert_int_equal(rte_pmd_timer_ims_stop(dev, n), 0);
}
