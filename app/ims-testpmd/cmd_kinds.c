/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What the arguments in capitals of a syntax line may be. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_port.h"
#include "tp_queue.h"
#include "tp_service.h"

/* Decimal or 0x... */
static bool
parse_num(const char *str, size_t len, uint64_t *num)
{
	char buf[24], *end;

	if (len == 0 || len >= sizeof(buf) || !isdigit((unsigned char)str[0]))
		return false;
	memcpy(buf, str, len);
	buf[len] = '\0';
	errno = 0;
	*num = strtoull(buf, &end, 0);
	return *end == '\0' && errno == 0;
}

/* A decimal number and a unit, in ns; dflt is what a number without unit counts in. */
static bool
parse_time(const char *str, size_t len, uint64_t *num, double dflt)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	double val, unit = dflt;
	char buf[32], *end;
	unsigned int i;

	if (len == 0 || len >= sizeof(buf) || !isdigit((unsigned char)str[0]))
		return false;
	memcpy(buf, str, len);
	buf[len] = '\0';
	if (strspn(buf, "0123456789.") + strspn(buf + strspn(buf, "0123456789."), "num") + 1 < len)
		return false;
	val = strtod(buf, &end);
	if (*end != '\0') {
		for (i = 0; i < TP_DIM(units) && strcmp(end, units[i].name) != 0; i++)
			;
		if (i == TP_DIM(units))
			return false;
		unit = units[i].ns;
	}
	val *= unit;
	if (val > 1e18)
		return false;
	*num = llround(val);
	return true;
}

static bool
parse_ns(const char *str, size_t len, uint64_t *num)
{
	return parse_time(str, len, num, 1);
}

static bool
parse_seconds(const char *str, size_t len, uint64_t *num)
{
	return parse_time(str, len, num, 1e9);
}

static const char *
arg_copy(const struct tp_arg *arg, char *buf, size_t size)
{
	snprintf(buf, size, "%.*s", (int)arg->len, arg->str);
	return buf;
}

static int
resolve_dev(struct tp_arg *arg)
{
	char buf[RTE_IMS_NAME_LEN + 1];
	const struct tp_dev *last = TAILQ_LAST(&tp_devs, tp_dev_list);

	arg->ptr = tp_dev_find(arg_copy(arg, buf, sizeof(buf)));
	if (arg->ptr != NULL)
		return 0;
	if (last == NULL)
		return tp_fail(-ENODEV, "no device %s: none is open, see dev open", buf);
	return tp_fail(-ENODEV, "no device %s: see show device all", buf);
}

static int
resolve_vec(struct tp_arg *arg)
{
	arg->ptr = tp_vec_find(arg->num);
	if (arg->ptr != NULL)
		return 0;
	if (TAILQ_EMPTY(&tp_vecs))
		return tp_fail(-ENOENT, "no vector %ju: none is allocated, see vec alloc",
			(uintmax_t)arg->num);
	return tp_fail(-ENOENT, "no vector %ju: see show vector all", (uintmax_t)arg->num);
}

static int
resolve_pool(struct tp_arg *arg)
{
	char buf[RTE_IMS_NAME_LEN + 1];

	arg->ptr = tp_pool_find(arg_copy(arg, buf, sizeof(buf)));
	if (arg->ptr != NULL)
		return 0;
	if (TAILQ_EMPTY(&tp_pools))
		return tp_fail(-ENOENT, "no pool %s: there is none, see pool create", buf);
	return tp_fail(-ENOENT, "no pool %s: see show pool all", buf);
}

static int
resolve_lcore(struct tp_arg *arg)
{
	arg->ptr = tp_service_find(arg->num);
	if (arg->ptr != NULL)
		return 0;
	return tp_fail(
		-ENOENT, "lcore %ju has no wait set: see show wait all", (uintmax_t)arg->num);
}

static int
resolve_port(struct tp_arg *arg)
{
	char buf[RTE_ETH_NAME_MAX_LEN];

	arg->ptr = tp_port_find(arg_copy(arg, buf, sizeof(buf)));
	if (arg->ptr != NULL)
		return 0;
	if (TAILQ_EMPTY(&tp_ports))
		return tp_fail(-ENODEV, "no port %s: none is attached, see port attach", buf);
	return tp_fail(-ENODEV, "no port %s: see show port all", buf);
}

/* A name for a pool and the like: not one that means all of them. */
static bool
parse_name(const char *str, size_t len, uint64_t *num)
{
	(void)num;
	return len != 3 || memcmp(str, "all", 3) != 0;
}

/* First the numbers, then the names. */
static bool
choice_dev(unsigned int i, char *buf, size_t size)
{
	const struct tp_dev *dev;
	unsigned int n = 0;

	TAILQ_FOREACH(dev, &tp_devs, next) {
		if (n++ == i) {
			snprintf(buf, size, "%u", dev->id);
			return true;
		}
	}
	TAILQ_FOREACH(dev, &tp_devs, next) {
		if (n++ == i) {
			snprintf(buf, size, "%s", dev->name);
			return true;
		}
	}
	return false;
}

static bool
choice_vec(unsigned int i, char *buf, size_t size)
{
	const struct tp_vec *vec;
	unsigned int n = 0;

	TAILQ_FOREACH(vec, &tp_vecs, next) {
		if (n++ == i) {
			snprintf(buf, size, "%u", vec->id);
			return true;
		}
	}
	return false;
}

static bool
choice_pool(unsigned int i, char *buf, size_t size)
{
	const struct tp_pool *pool;

	TAILQ_FOREACH(pool, &tp_pools, next) {
		if (i-- == 0) {
			snprintf(buf, size, "%s", pool->name);
			return true;
		}
	}
	return false;
}

static bool
choice_lcore(unsigned int i, char *buf, size_t size)
{
	if (i >= tp_service_n_sets())
		return false;
	snprintf(buf, size, "%u", tp_service_set(i)->lcore);
	return true;
}

static bool
choice_port(unsigned int i, char *buf, size_t size)
{
	const struct tp_port *port;

	TAILQ_FOREACH(port, &tp_ports, next) {
		if (i-- == 0) {
			snprintf(buf, size, "%u", port->id);
			return true;
		}
	}
	return false;
}

/* Those that EAL has already. */
static bool
choice_nic(unsigned int i, char *buf, size_t size)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	uint16_t id;

	RTE_ETH_FOREACH_DEV(id)
	{
		if (i-- == 0 && rte_eth_dev_get_name_by_port(id, name) == 0) {
			snprintf(buf, size, "%s", name);
			return true;
		}
	}
	return false;
}

static bool
choice_store(unsigned int i, char *buf, size_t size)
{
	struct rte_ims_store_info info;
	struct rte_ims_store *store;
	const struct tp_dev *dev;
	uint32_t k;

	TAILQ_FOREACH(dev, &tp_devs, next) {
		for (k = 1; (store = rte_ims_dev_store_at(dev->dev, k)) != NULL; k++) {
			if (i-- != 0 || rte_ims_store_info_get(store, &info) != 0)
				continue;
			snprintf(buf, size, "%s", info.name);
			return true;
		}
	}
	return false;
}

static bool
choice_table(unsigned int i, char *buf, size_t size)
{
	struct rte_ims_table_info info;
	struct rte_ims_table *table = NULL;
	const struct tp_dev *dev;

	TAILQ_FOREACH(dev, &tp_devs, next) {
		while ((table = rte_ims_table_next(dev->dev, table)) != NULL) {
			if (i-- != 0 || rte_ims_table_info_get(table, &info) != 0)
				continue;
			snprintf(buf, size, "%s", info.name);
			return true;
		}
	}
	return false;
}

static bool
parse_list(const char *str, size_t len, uint64_t *num)
{
	(void)num;
	return tp_list_valid(str, len);
}

static bool
choice_subdev(unsigned int i, char *buf, size_t size)
{
	const struct tp_subdev *subdev;

	TAILQ_FOREACH(subdev, &tp_subdevs, next) {
		if (i-- == 0) {
			snprintf(buf, size, "%s", subdev->name);
			return true;
		}
	}
	return false;
}

static bool
choice_topic(unsigned int i, char *buf, size_t size)
{
	const struct tp_topic *topic = tp_topics();

	for (; topic != NULL; topic = topic->next) {
		if (topic->next != NULL && strcmp(topic->name, topic->next->name) == 0)
			continue; /* several files have commands of this topic */
		if (i-- == 0) {
			snprintf(buf, size, "%s", topic->name);
			return true;
		}
	}
	return false;
}

/* A command; none begins with a digit, so it is not taken for the number before it. */
static bool
parse_line(const char *str, size_t len, uint64_t *num)
{
	(void)num;
	return len != 0 && !isdigit((unsigned char)str[0]);
}

static bool
choice_model(unsigned int i, char *buf, size_t size)
{
	static const char *const names[] = { "emu:queue_dev", "emu:timer_ims",
		"pci:", "vfio-user:" };

	if (i >= TP_DIM(names))
		return false;
	snprintf(buf, size, "%s", names[i]);
	return true;
}

/*
 * The i-th file whose path begins with the word that is to be completed; hidden ones if it says so.
 */
static bool
choice_file(unsigned int i, char *buf, size_t size)
{
	const char *word = tp_complete_word(), *name = strrchr(word, '/');
	size_t dir_len = name != NULL ? name + 1 - word : 0;
	struct dirent *entry = NULL;
	char dir[PATH_MAX];
	DIR *d;

	name = word + dir_len;
	if (dir_len >= sizeof(dir))
		return false;
	snprintf(dir, sizeof(dir), "%.*s", (int)dir_len, word);
	d = opendir(dir_len != 0 ? dir : ".");
	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (strncmp(entry->d_name, name, strlen(name)) != 0 ||
			(entry->d_name[0] == '.' && name[0] != '.'))
			continue;
		if (i-- == 0)
			break;
	}
	if (entry != NULL)
		snprintf(buf, size, "%s%s%s", dir, entry->d_name,
			entry->d_type == DT_DIR ? "/" : "");
	if (d != NULL)
		closedir(d);
	return entry != NULL;
}

static const struct tp_kind tp_kinds[] = {
	{ "BLOCKS", "a number of blocks", parse_num, NULL, NULL },
	{ "BYTE", "a byte: 0 to 255, or 0x00 to 0xff", parse_num, NULL, NULL },
	{ "COUNT", "a number", parse_num, NULL, NULL },
	{ "CPU", "number of a CPU", parse_num, NULL, NULL },
	{ "DEPTH", "operations of a queue at a time", parse_num, NULL, NULL },
	{ "DEV", "number or name of an open device", NULL, resolve_dev, choice_dev },
	{ "DEVICE", "emu:MODEL[,key=value...], vfio-user:PATH or pci:0000:3b:00.0", NULL, NULL,
		choice_model },
	{ "FILE", "path of a file", NULL, NULL, choice_file },
	{ "FROM", "number or name of an attached port", NULL, NULL, choice_port },
	{ "GAP", "a time: ns, or with a unit as in 50us", parse_ns, NULL, NULL },
	{ "INDEX", "number of a slot with a meaning of its own", parse_num, NULL, NULL },
	{ "LBA", "number of a block", parse_num, NULL, NULL },
	{ "LCORE", "number of an lcore that has a wait set", parse_num, resolve_lcore,
		choice_lcore },
	{ "LINE", "a command", parse_line, NULL, NULL, true },
	{ "LIST", "numbers of queues: 3, 0-99 or 0-9,20", parse_list, NULL, NULL },
	{ "MAX", "a time: ns, or with a unit as in 200us", parse_ns, NULL, NULL },
	{ "MIN", "a time: ns, or with a unit as in 10us", parse_ns, NULL, NULL },
	{ "N", "a number", parse_num, NULL, NULL },
	{ "NAME", "a name, to be chosen", parse_name, NULL, NULL },
	{ "NIC", "a DPDK port by number or name, or a device: net_tap0,iface=ims0", NULL, NULL,
		choice_nic },
	{ "NODE", "number of a NUMA node", parse_num, NULL, NULL },
	{ "NS", "a time: ns, or with a unit as in 100us 2.5ms 1s", parse_ns, NULL, NULL },
	{ "POOL", "name of a pool", NULL, resolve_pool, choice_pool },
	{ "PORT", "number or name of an attached port", NULL, resolve_port, choice_port },
	{ "QUEUES", "a number of queues", parse_num, NULL, NULL },
	{ "RATE", "operations or packets per second", parse_num, NULL, NULL },
	{ "SECONDS", "a time: seconds, or with a unit as in 200ms", parse_seconds, NULL, NULL },
	{ "SIZE", "bytes of a packet, without FCS", parse_num, NULL, NULL },
	{ "SLOT", "number of a slot", parse_num, NULL, NULL },
	{ "STORE", "name of a store", NULL, NULL, choice_store },
	{ "SUBDEV", "name of a sub-device", NULL, NULL, choice_subdev },
	{ "TABLE", "name of a message table", NULL, NULL, choice_table },
	{ "TIMER", "number of a timer", parse_num, NULL, NULL },
	{ "TOPIC", "first word of a command", NULL, NULL, choice_topic },
	{ "VEC", "number of a vector", parse_num, resolve_vec, choice_vec },
	{ "WINDOW", "a number of packets", parse_num, NULL, NULL },
	{ "WORD", "second word of a command", NULL, NULL, NULL },
};

const struct tp_kind *
tp_kind_find(const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < TP_DIM(tp_kinds); i++)
		if (strlen(tp_kinds[i].name) == len && memcmp(tp_kinds[i].name, name, len) == 0)
			return &tp_kinds[i];
	return NULL;
}
