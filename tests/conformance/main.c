/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Does a vfio-user server do what the specification says, and what else a server should do with a
 * client that does not? Knows nothing of the device but that it is a PCI function. Prints TAP.
 */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "conformance.h"

struct device dev;

static struct {
	const char *path;
	const char *only;
	char **server; /* the command that starts it; NULL: it runs already */
	bool strict;
	pid_t pid;
	unsigned int n;
	unsigned int failed;
	unsigned int deviations;
} run;

static const char usage[] =
	"usage: conformance --socket PATH [--only TEXT] [--strict] [-- SERVER ARGUMENT...]\n"
	"Test the vfio-user server that listens on PATH, or that SERVER starts there.\n"
	"  --only TEXT  the cases that have this in their names\n"
	"  --strict     fail as well for what the specification does not say in so many words\n";

static void
server_stop(void)
{
	if (run.pid == 0)
		return;
	kill(run.pid, SIGKILL);
	waitpid(run.pid, NULL, 0);
	run.pid = 0;
	unlink(run.path);
}

static void
server_start(void)
{
	int tries;

	if (run.server == NULL)
		return;
	server_stop();
	run.pid = fork();
	if (run.pid == 0) {
		dup2(STDERR_FILENO, STDOUT_FILENO); /* ours is TAP */
		execvp(run.server[0], run.server);
		fprintf(stderr, "conformance: %s: %s\n", run.server[0], strerror(errno));
		_exit(127);
	}
	for (tries = 0; tries < 2000 && access(run.path, F_OK) < 0; tries++)
		usleep(10000);
}

bool
wanted(const char *group, const char *name)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", group, name);
	return run.only == NULL || strstr(text, run.only) != NULL;
}

/* A server that has ended fails the case, whatever it answered. */
static verdict
server_check(verdict v)
{
	int status;

	if (run.pid == 0 || waitpid(run.pid, &status, WNOHANG) != run.pid)
		return v;
	run.pid = 0;
	return WIFSIGNALED(status) ? wrong("the server was killed by signal %d", WTERMSIG(status))
	                           : wrong("the server has ended, status %d", WEXITSTATUS(status));
}

void
report(const char *group, const char *name, bool by_spec, verdict v, const char *note)
{
	conn_close();
	v = server_check(v);
	printf("%sok %u - %s: %s%s", v != NULL ? "not " : "", ++run.n, group, name,
		v != NULL && !by_spec && !run.strict ? " # TODO not in the specification" : "");
	if (v != NULL)
		printf("\n# %s", v);
	else if (note != NULL)
		printf("\n# %s", note);
	printf("\n");
	fflush(stdout);
	if (v == NULL)
		return;
	if (by_spec || run.strict)
		run.failed++;
	else
		run.deviations++;
	server_start(); /* it may be in any state */
}

void
report_skip(const char *group, const char *name, const char *why)
{
	printf("ok %u - %s: %s # SKIP %s\n", ++run.n, group, name, why);
}

static bool
ask(uint16_t command, const void *payload, uint32_t len)
{
	uint32_t error = 0;

	return conn_request(1, command, 0, payload, len, NULL, 0) &&
	       conn_reply(1, command, &error) == NULL && error == 0;
}

static bool
learn_regions(void)
{
	struct vfio_region_info info;
	uint32_t i;

	dev.empty_region = dev.n_regions;
	for (i = 0; i < dev.n_regions; i++) {
		info = (struct vfio_region_info){ .argsz = sizeof(info), .index = i };
		if (!ask(VFIO_USER_DEVICE_GET_REGION_INFO, &info, sizeof(info)))
			return false;
		memcpy(&info, in.data, sizeof(info));
		if (i == VFIO_PCI_CONFIG_REGION_INDEX)
			dev.config_size = info.size;
		if (info.size == 0)
			dev.empty_region = i;
	}
	return dev.config_size >= 256;
}

static bool
learn_irqs(void)
{
	struct vfio_irq_info info;
	uint32_t i;

	for (i = 0; i < dev.n_irqs; i++) {
		info = (struct vfio_irq_info){ .argsz = sizeof(info), .index = i };
		if (!ask(VFIO_USER_DEVICE_GET_IRQ_INFO, &info, sizeof(info)))
			return false;
		memcpy(&info, in.data, sizeof(info));
		if ((info.flags & VFIO_IRQ_INFO_EVENTFD) != 0 && info.count > dev.n_vectors) {
			dev.n_vectors = info.count;
			dev.irq = i;
		}
	}
	return true;
}

static void
learn_limits(void)
{
	struct json_object *root, *caps, *obj;

	dev.max_data = 1u << 20; /* the specification's default */
	if (in.len <= 4 || in.data[in.len - 1] != '\0')
		return;
	root = json_tokener_parse((const char *)in.data + 4);
	if (json_object_object_get_ex(root, "capabilities", &caps) &&
		json_object_object_get_ex(caps, "max_data_xfer_size", &obj))
		dev.max_data = json_object_get_int64(obj);
	json_object_put(root);
}

/* What the tables need to know of the device. */
static bool
learn(void)
{
	struct vfio_user_device_info info = { .argsz = sizeof(info) };

	if (!conn_ready())
		return false;
	learn_limits();
	if (!ask(VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info)))
		return false;
	memcpy(&info, in.data, sizeof(info));
	dev.n_regions = info.num_regions;
	dev.n_irqs = info.num_irqs;
	return dev.n_regions < 256 && dev.n_irqs < 256 && learn_regions() && learn_irqs();
}

static int
parse(int argc, char **argv)
{
	static const struct option opts[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "only", required_argument, NULL, 'o' },
		{ "strict", no_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "+", opts, NULL)) != -1) {
		switch (c) {
		case 's':
			run.path = optarg;
			break;
		case 'o':
			run.only = optarg;
			break;
		case 'S':
			run.strict = true;
			break;
		case 'h':
			printf("%s", usage);
			exit(0);
		default:
			return -1;
		}
	}
	if (optind < argc)
		run.server = argv + optind;
	return run.path == NULL ? -1 : 0;
}

int
main(int argc, char **argv)
{
	if (parse(argc, argv) < 0) {
		fprintf(stderr, "%s", usage);
		return 2;
	}
	conn_path(run.path);
	server_start();
	if (!learn()) {
		fprintf(stderr, "conformance: %s: no vfio-user server with a PCI device\n",
			run.path);
		server_stop();
		return 1;
	}
	conn_close();
	sequences_run();
	requests_run();
	server_stop();
	printf("1..%u\n# %u cases, %u violations of the specification, %u other deviations\n",
		run.n, run.n, run.failed, run.deviations);
	return run.failed != 0;
}
