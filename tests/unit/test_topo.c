/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The snapshot of the machine: of machines that hwloc makes up, and of this one. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <hwloc.h>
#include <rte_common.h>
#include <rte_errno.h>

#include "ims_topo.h"

#define SYSFS_CPU "/sys/devices/system/cpu"

/* What must hold of any snapshot. */
static void
check_sane(const struct ims_topo *t)
{
	const struct ims_topo_cpu *a, *b;
	uint32_t i, j, total = 0;

	assert_non_null(t);
	assert_true(t->n_cpus > 0 && t->n_nodes > 0);
	for (i = 0; i < t->n_nodes; i++) {
		assert_int_equal(ims_topo_node_find(t, t->nodes[i].os), i);
		assert_int_equal(t->nodes[i].distance[i], 10);
		for (j = 0; j < t->n_nodes; j++)
			assert_true(t->nodes[i].distance[j] > 0);
		for (j = 0; j < t->nodes[i].n_cpus; j++)
			assert_int_equal(t->cpus[t->nodes[i].first_cpu + j].node, i);
		total += t->nodes[i].n_cpus;
	}
	assert_int_equal(total, t->n_cpus);
	for (i = 0; i < t->n_cpus; i++) {
		a = &t->cpus[i];
		assert_int_equal(ims_topo_cpu_find(t, a->os), i);
		if (i == 0)
			continue;
		/* Sorted, and cores are numbered without a gap. */
		b = &t->cpus[i - 1];
		assert_true(a->node >= b->node);
		if (a->core == b->core) {
			assert_int_equal(a->smt, b->smt + 1);
			assert_true(
				a->node == b->node && a->package == b->package && a->l3 == b->l3);
		} else {
			assert_int_equal(a->core, b->core + 1);
			assert_int_equal(a->smt, 0);
		}
		if (a->node == b->node)
			assert_true(a->package >= b->package);
		if (a->node == b->node && a->package == b->package)
			assert_true(a->l3 >= b->l3);
	}
}

static struct ims_topo *
synthetic(const char *desc)
{
	struct ims_topo *t = ims_topo_new_synthetic(desc);

	check_sane(t);
	return t;
}

/* An hwloc topology of a description or an XML text. */
static hwloc_topology_t
hw_load(const char *desc, unsigned long flags)
{
	hwloc_topology_t hw;

	assert_int_equal(hwloc_topology_init(&hw), 0);
	assert_int_equal(hwloc_topology_set_flags(hw, flags), 0);
	if (desc[0] == '<')
		assert_int_equal(hwloc_topology_set_xmlbuffer(hw, desc, strlen(desc) + 1), 0);
	else
		assert_int_equal(hwloc_topology_set_synthetic(hw, desc), 0);
	assert_int_equal(hwloc_topology_load(hw), 0);
	return hw;
}

/* The snapshot of a topology, which is freed. */
static struct ims_topo *
snapshot(hwloc_topology_t hw)
{
	struct ims_topo *t = ims_topo_new_hwloc(hw);

	hwloc_topology_destroy(hw);
	check_sane(t);
	return t;
}

/* Leave only CPUs of a list like "0-3,8". */
static void
restrict_to(hwloc_topology_t hw, const char *list)
{
	hwloc_bitmap_t set = hwloc_bitmap_alloc();

	assert_int_equal(hwloc_bitmap_list_sscanf(set, list), 0);
	assert_int_equal(hwloc_topology_restrict(hw, set, 0), 0);
	hwloc_bitmap_free(set);
}

static void
test_regular(void **state)
{
	struct ims_topo *t = synthetic("pack:2 numa:2 l3:2 core:4 pu:2");
	const struct ims_topo_cpu *c;
	uint32_t i;

	assert_int_equal(t->n_nodes, 4);
	assert_int_equal(t->n_cpus, 64);
	for (i = 0; i < t->n_cpus; i++) {
		c = &t->cpus[i];
		assert_int_equal(c->os, i);
		assert_int_equal(c->node, i / 16);
		assert_int_equal(c->package, i / 32);
		assert_int_equal(c->l3, i / 8);
		assert_int_equal(c->core, i / 2);
		assert_int_equal(c->smt, i % 2);
		assert_true(c->in_affinity);
	}
	for (i = 0; i < t->n_nodes; i++) {
		assert_true(t->nodes[i].has_memory);
		assert_int_equal(t->nodes[i].distance[(i + 1) % 4], 20);
	}
	assert_int_equal(ims_topo_cpu_find(t, 64), -1);
	assert_int_equal(ims_topo_cpu_find(t, -1), -1);
	assert_int_equal(ims_topo_node_find(t, 4), -1);
	assert_int_equal(ims_topo_node_find(t, -1), -1);
	ims_topo_free(t);
}

/* Firmware numbers CPUs as it likes: all first threads before all second ones, for example. */
static void
test_os_numbers(void **state)
{
	struct ims_topo *t = synthetic("numa:2 core:2 pu:2(indexes=0,4,1,5,2,6,3,7)");
	static const uint32_t os[] = { 0, 4, 1, 5, 2, 6, 3, 7 };
	uint32_t i;

	for (i = 0; i < RTE_DIM(os); i++)
		assert_int_equal(t->cpus[i].os, os[i]);
	ims_topo_free(t);
}

/* Virtual machines may show neither cores nor caches nor packages. */
static void
test_bare(void **state)
{
	struct ims_topo *t = synthetic("numa:2 pu:3");
	uint32_t i;

	for (i = 0; i < 6; i++) {
		assert_int_equal(t->cpus[i].core, i);
		assert_int_equal(t->cpus[i].smt, 0);
		assert_int_equal(t->cpus[i].l3, IMS_TOPO_NONE);
		assert_int_equal(t->cpus[i].package, IMS_TOPO_NONE);
	}
	assert_true(ims_topo_same(t, IMS_TOPO_L3, 0, 2));
	assert_false(ims_topo_same(t, IMS_TOPO_CORE, 0, 1));
	assert_false(ims_topo_same(t, IMS_TOPO_L3, 2, 3));
	ims_topo_free(t);
}

/* Sub-NUMA clusters: one L3, two nodes. */
static void
test_l3_over_nodes(void **state)
{
	struct ims_topo *t = synthetic("pack:2 l3:1 numa:2 core:2 pu:1");

	assert_int_equal(t->n_nodes, 4);
	assert_int_equal(t->cpus[0].l3, t->cpus[2].l3);
	assert_int_equal(t->cpus[0].package, t->cpus[2].package);
	assert_int_not_equal(t->cpus[0].node, t->cpus[2].node);
	assert_true(ims_topo_same(t, IMS_TOPO_L3, 0, 1));
	assert_false(ims_topo_same(t, IMS_TOPO_L3, 0, 2));
	ims_topo_free(t);
}

/* Each package has a second node beside its own, and there is one for all. */
static void
test_memory_only(void **state)
{
	struct ims_topo *t = synthetic("[numa] pack:2 [numa] [numa(memory=4GB)] core:2 pu:2");
	uint32_t i, own, beside, everywhere = 0, n_empty = 0;

	assert_int_equal(t->n_nodes, 5);
	for (i = 0; i < t->n_nodes; i++) {
		assert_true(t->nodes[i].n_cpus == 0 || t->nodes[i].n_cpus == 4);
		n_empty += t->nodes[i].n_cpus == 0;
	}
	assert_int_equal(n_empty, 3);
	/* Of a package the node with CPUs is nearer to its memory-only node than to all others. */
	own = t->cpus[0].node;
	beside = own + 1;
	assert_int_equal(t->nodes[beside].n_cpus, 0);
	assert_int_equal(t->nodes[beside].distance[own], 15);
	assert_int_equal(t->nodes[beside].distance[t->cpus[4].node], 20);
	/* The one for all is equally near to all nodes. */
	for (i = 0; i < t->n_nodes; i++)
		if (t->nodes[i].n_cpus == 0 && i != beside && i != t->cpus[4].node + 1)
			everywhere = i;
	for (i = 0; i < t->n_nodes; i++)
		if (i != everywhere)
			assert_int_equal(t->nodes[everywhere].distance[i], 15);
	ims_topo_free(t);
}

static void
test_restricted(void **state)
{
	hwloc_topology_t hw = hw_load("numa:3 core:4 pu:2", 0);
	struct ims_topo *t;

	/* A core has lost its first CPU, one its second one; the last node has lost all. */
	restrict_to(hw, "1-2,8-11");
	t = snapshot(hw);
	assert_int_equal(t->n_nodes, 3);
	assert_int_equal(t->n_cpus, 6);
	assert_int_equal(t->nodes[0].n_cpus, 2);
	assert_int_equal(t->nodes[1].n_cpus, 4);
	assert_int_equal(t->nodes[2].n_cpus, 0);
	assert_int_equal(t->cpus[0].os, 1);
	assert_int_equal(t->cpus[0].smt, 0);
	assert_int_not_equal(t->cpus[0].core, t->cpus[1].core);
	assert_int_equal(t->cpus[3].smt, 1);
	assert_int_equal(ims_topo_cpu_find(t, 0), -1);
	ims_topo_free(t);
}

/* As a cgroup does it: the CPUs are gone, but how far their node is remains known. */
static void
test_disallowed(void **state)
{
	hwloc_topology_t hw = hw_load("numa:2 core:2 pu:2", HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
	hwloc_bitmap_t cpus = hwloc_bitmap_alloc(), nodes = hwloc_bitmap_alloc();
	struct ims_topo *t;

	hwloc_bitmap_set_range(cpus, 5, 6);
	hwloc_bitmap_set(nodes, 1);
	assert_int_equal(hwloc_topology_allow(hw, cpus, nodes, HWLOC_ALLOW_FLAG_CUSTOM), 0);
	t = snapshot(hw);
	assert_int_equal(t->n_cpus, 2);
	assert_int_equal(t->cpus[0].os, 5);
	assert_int_equal(t->cpus[1].os, 6);
	assert_int_equal(t->n_nodes, 2);
	assert_false(t->nodes[0].has_memory);
	assert_int_equal(t->nodes[0].n_cpus, 0);
	assert_int_equal(t->nodes[0].distance[1], 20);
	assert_true(t->nodes[1].has_memory);
	hwloc_bitmap_free(cpus);
	hwloc_bitmap_free(nodes);
	ims_topo_free(t);
}

/*
 * Two cores with two CPUs and two with one, on a node without memory; a node that has only memory
 * and is beside nobody; distances that depend on the direction.
 */
/* clang-format off */
#define XML_OBJ(type, os, cpus, nodes, more)                                   \
	"<object type=\"" type "\" os_index=\"" os                             \
	"\" cpuset=\"" cpus "\" complete_cpuset=\"" cpus                       \
	"\" nodeset=\"" nodes "\" complete_nodeset=\"" nodes "\" " more ">"
#define XML_PU(os, cpus) XML_OBJ("PU", os, cpus, "0x5", "/")
#define XML_CORE(os, cpus, pus) XML_OBJ("Core", os, cpus, "0x5", "") pus "</object>"

static const char hybrid_xml[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
	"<topology version=\"2.0\">"
	XML_OBJ("Machine", "0", "0x3f", "0x5", "allowed_cpuset=\"0x3f\" allowed_nodeset=\"0x5\"")
	XML_OBJ("NUMANode", "0", "0x3f", "0x1", "local_memory=\"0\"/")
	XML_OBJ("NUMANode", "2", "0x0", "0x4", "local_memory=\"1073741824\"/")
	XML_CORE("0", "0x3", XML_PU("0", "0x1") XML_PU("1", "0x2"))
	XML_CORE("4", "0xc", XML_PU("2", "0x4") XML_PU("3", "0x8"))
	XML_CORE("8", "0x10", XML_PU("4", "0x10"))
	XML_CORE("9", "0x20", XML_PU("5", "0x20"))
	"</object>"
	"<distances2 type=\"NUMANode\" nbobjs=\"2\" kind=\"5\" indexing=\"os\">"
	"<indexes length=\"4\">0 2 </indexes>"
	"<u64values length=\"12\">10 40 35 10 </u64values>"
	"</distances2>"
	"</topology>\n";
/* clang-format on */

static void
test_xml(void **state)
{
	static const uint32_t core[] = { 0, 0, 1, 1, 2, 3 }, smt[] = { 0, 1, 0, 1, 0, 0 };
	struct ims_topo *t = snapshot(hw_load(hybrid_xml, 0));
	uint32_t i, memory;

	assert_int_equal(t->n_nodes, 2);
	assert_int_equal(t->n_cpus, 6);
	for (i = 0; i < t->n_cpus; i++) {
		assert_int_equal(t->cpus[i].core, core[i]);
		assert_int_equal(t->cpus[i].smt, smt[i]);
		assert_int_equal(t->nodes[t->cpus[i].node].os, 0);
	}
	memory = ims_topo_node_find(t, 2);
	assert_true(t->nodes[memory].has_memory);
	assert_false(t->nodes[1 - memory].has_memory);
	assert_int_equal(t->nodes[memory].n_cpus, 0);
	/* From the row's node to the column's. */
	assert_int_equal(t->nodes[1 - memory].distance[memory], 40);
	assert_int_equal(t->nodes[memory].distance[1 - memory], 35);
	ims_topo_free(t);
}

static void
test_bad_arguments(void **state)
{
	static const char *const bad[] = { NULL, "", "core:", "numa:2 pu:0", "no such thing",
		"numa:2 core:2", "numa:1025 pu:1" };
	size_t i;

	for (i = 0; i < RTE_DIM(bad); i++) {
		rte_errno = 0;
		assert_null(ims_topo_new_synthetic(bad[i]));
		assert_int_equal(rte_errno, EINVAL);
	}
	assert_null(ims_topo_new_hwloc(NULL));
	assert_int_equal(rte_errno, EINVAL);
	assert_int_equal(ims_topo_cpu_find(NULL, 0), -1);
	assert_int_equal(ims_topo_node_find(NULL, 0), -1);
	ims_topo_free(NULL);
}

/* This machine */

/* First line of a file of a CPU's folder in sysfs; false: there is no such file. */
static bool
sysfs_line(uint32_t cpu, const char *name, char *line, size_t size)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), SYSFS_CPU "/cpu%u/%s", cpu, name);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	if (fgets(line, size, f) == NULL)
		line[0] = '\0';
	fclose(f);
	return true;
}

/* The CPUs that share the L3; false: there is none. */
static bool
sysfs_l3(uint32_t cpu, char *line, size_t size)
{
	char name[64], level[16];
	int i;

	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "cache/index%d/level", i);
		if (sysfs_line(cpu, name, level, sizeof(level)) && atoi(level) == 3) {
			snprintf(name, sizeof(name), "cache/index%d/shared_cpu_list", i);
			return sysfs_line(cpu, name, line, size);
		}
	}
	return false;
}

/* The number of the node whose folder is linked in the CPU's; -1: a kernel without NUMA. */
static int
sysfs_node(uint32_t cpu)
{
	struct dirent *e;
	char path[64];
	int node = -1;
	DIR *d;

	snprintf(path, sizeof(path), SYSFS_CPU "/cpu%u", cpu);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (sscanf(e->d_name, "node%d", &node) == 1)
			break;
	if (d != NULL)
		closedir(d);
	return node;
}

/* All that the kernel lets a thread of this process have, whatever its affinity is now. */
static void *
allowed_thread(void *arg)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	if (sched_setaffinity(0, sizeof(all), &all) != 0 ||
		sched_getaffinity(0, sizeof(all), arg) != 0)
		return arg;
	return NULL;
}

static struct ims_topo *
host(void)
{
	struct ims_topo *t;

	unsetenv("HWLOC_SYNTHETIC");
	unsetenv("HWLOC_XMLFILE");
	unsetenv("HWLOC_FSROOT");
	t = ims_topo_new_host();
	check_sane(t);
	return t;
}

/* Of all threads: a sanitizer may have one of its own. */
static void
pin_process(const cpu_set_t *set)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc/self/task");

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' &&
			sched_setaffinity(atoi(entry->d_name), sizeof(*set), set) != 0)
			assert_int_equal(errno, ESRCH); /* it is about to end */
	closedir(dir);
}

static void
test_host_affinity(void **state)
{
	struct ims_topo *t = host();
	cpu_set_t allowed, own, one;
	void *failed;
	pthread_t th;
	uint32_t i, n;

	assert_int_equal(pthread_create(&th, NULL, allowed_thread, &allowed), 0);
	assert_int_equal(pthread_join(th, &failed), 0);
	assert_null(failed);
	/* Every CPU that may be used is there, and no other one unless hwloc sees no cgroup. */
	for (i = 0, n = 0; i < CPU_SETSIZE; i++) {
		n += ims_topo_cpu_find(t, i) >= 0;
		if (CPU_ISSET(i, &allowed))
			assert_true(ims_topo_cpu_find(t, i) >= 0);
	}
	if (n != (uint32_t)CPU_COUNT(&allowed))
		print_message("hwloc sees %u CPUs, the kernel allows %d\n", n, CPU_COUNT(&allowed));

	assert_int_equal(sched_getaffinity(0, sizeof(own), &own), 0);
	for (i = 0; i < t->n_cpus; i++)
		assert_int_equal(t->cpus[i].in_affinity, CPU_ISSET(t->cpus[i].os, &own) != 0);
	n = t->n_cpus;
	ims_topo_free(t);

	/* Pinned, as EAL does it: the snapshot has all CPUs nonetheless. */
	for (i = 0; !CPU_ISSET(i, &own); i++)
		;
	CPU_ZERO(&one);
	CPU_SET(i, &one);
	pin_process(&one);
	t = host();
	assert_int_equal(t->n_cpus, n);
	for (i = 0; i < t->n_cpus; i++)
		assert_int_equal(t->cpus[i].in_affinity, CPU_ISSET(t->cpus[i].os, &one) != 0);
	pin_process(&own);
	ims_topo_free(t);
}

/* Takes the place of the C library's, for hwloc as well. */
static int n_moves;

int
sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set)
{
	n_moves++;
	return syscall(SYS_sched_setaffinity, pid, size, set) < 0 ? -1 : 0;
}

/* The thread that takes the snapshot does not visit other CPUs for it. */
static void
test_host_stays(void **state)
{
	int before = n_moves;

	ims_topo_free(host());
	assert_int_equal(n_moves, before);
}

/* Two CPUs share a core, package, L3 if and only if sysfs says the same of both. */
static void
test_host_sysfs(void **state)
{
	struct ims_topo *t = host();
	const struct ims_topo_cpu *a, *b;
	char x[4096], y[4096];
	uint32_t i, j;
	bool l3;

	if (!sysfs_line(t->cpus[0].os, "topology/core_id", x, sizeof(x))) {
		print_message("no topology in " SYSFS_CPU "\n");
		ims_topo_free(t);
		skip();
	}
	for (i = 0; i < t->n_cpus; i++) {
		a = &t->cpus[i];
		if (sysfs_node(a->os) >= 0)
			assert_int_equal(t->nodes[a->node].os, sysfs_node(a->os));
		for (j = 0; j < t->n_cpus; j++) {
			b = &t->cpus[j];
			sysfs_line(a->os, "topology/thread_siblings_list", x, sizeof(x));
			sysfs_line(b->os, "topology/thread_siblings_list", y, sizeof(y));
			assert_int_equal(a->core == b->core, strcmp(x, y) == 0);
			sysfs_line(a->os, "topology/physical_package_id", x, sizeof(x));
			sysfs_line(b->os, "topology/physical_package_id", y, sizeof(y));
			assert_int_equal(a->package == b->package, strcmp(x, y) == 0);
			l3 = sysfs_l3(a->os, x, sizeof(x));
			assert_int_equal(a->l3 != IMS_TOPO_NONE, l3);
			if (l3 && sysfs_l3(b->os, y, sizeof(y)))
				assert_int_equal(a->l3 == b->l3, strcmp(x, y) == 0);
		}
	}
	ims_topo_free(t);
}

/* hwloc can be told to show another machine: this one's distances and affinity do not count. */
static void
test_host_other(void **state)
{
	struct ims_topo *t;

	setenv("HWLOC_SYNTHETIC", "numa:3 core:5 pu:2", 1);
	t = ims_topo_new_host();
	unsetenv("HWLOC_SYNTHETIC");
	check_sane(t);
	assert_int_equal(t->n_cpus, 30);
	assert_true(t->cpus[29].in_affinity);
	assert_int_equal(t->nodes[0].distance[2], 20);
	ims_topo_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regular),
		cmocka_unit_test(test_os_numbers),
		cmocka_unit_test(test_bare),
		cmocka_unit_test(test_l3_over_nodes),
		cmocka_unit_test(test_memory_only),
		cmocka_unit_test(test_restricted),
		cmocka_unit_test(test_disallowed),
		cmocka_unit_test(test_xml),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_host_affinity),
		cmocka_unit_test(test_host_stays),
		cmocka_unit_test(test_host_sysfs),
		cmocka_unit_test(test_host_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
