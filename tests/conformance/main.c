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

#include "conformance.h"

static struct {
	const char *path;
	const char *only;
	const char *but;
	char **server; /* the command that starts it; NULL: it runs already */
	bool strict;
	bool matrix; /* cases are counted, not run */
	pid_t pid;
	bool ended; /* by itself, */
	int status; /* so */
	unsigned int n;
	unsigned int failed;
	unsigned int deviations;
} run;

static const char usage[] =
	"usage: conformance --socket PATH [--only TEXT] [--strict] [--but TEXT] [--dma-read RECIPE]\n"
	"                   [--dma-write RECIPE] [-- SERVER ARGUMENT...]\n"
	"Test the vfio-user server that listens on PATH, or that SERVER starts there.\n"
	"  --only TEXT  the cases that have this in their names\n"
	"  --strict     fail as well for what the specification does not say in so many words\n"
	"  --but TEXT   do not for cases that have this in their names\n"
	"  --dma-read RECIPE, --dma-write RECIPE\n"
	"               what makes the device send such a request: writes to its registers,\n"
	"               REGION:OFFSET/SIZE=VALUE,... (VALUE: a number, IOVA, COUNT), and\n"
	"               REGION:OFFSET/SIZE? that reads 0 while it waits, 1 when it is done\n"
	"       conformance --matrix\n"
	"Print how many cases look at what of each message.\n";

bool
server_ended(void)
{
	if (run.pid != 0 && !run.ended)
		run.ended = waitpid(run.pid, &run.status, WNOHANG) == run.pid;
	return run.ended;
}

static void
server_stop(void)
{
	if (run.server == NULL)
		return;
	if (!server_ended()) {
		kill(run.pid, SIGKILL);
		waitpid(run.pid, NULL, 0);
	}
	unlink(run.path);
}

static void
server_start(void)
{
	int tries;

	if (run.server == NULL)
		return;
	if (run.pid != 0)
		server_stop();
	run.ended = false;
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

/* A server that has ended fails the case, whatever it answered. */
static verdict
server_check(verdict v)
{
	if (!server_ended())
		return v;
	return WIFSIGNALED(run.status)
	               ? wrong("the server was killed by signal %d", WTERMSIG(run.status))
	               : wrong("the server has ended, status %d", WEXITSTATUS(run.status));
}

static bool
named(const char *group, const char *name, const char *what)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", group, name);
	return strstr(text, what) != NULL;
}

bool
wanted(const char *group, const char *name)
{
	if (run.matrix) {
		matrix_count(group);
		return false;
	}
	return run.only == NULL || named(group, name, run.only);
}

void
report(const char *group, const char *name, bool by_spec, verdict v, const char *note)
{
	bool excused = run.but != NULL && named(group, name, run.but);
	bool counts = (by_spec || run.strict) && !excused;

	conn_close();
	v = server_check(v);
	printf("%sok %u - %s: %s%s", v != NULL ? "not " : "", ++run.n, group, name,
		v == NULL || counts ? ""
		: excused           ? " # TODO known"
				    : " # TODO not in the specification");
	if (v != NULL)
		printf("\n# %s", v);
	else if (note != NULL)
		printf("\n# %s", note);
	printf("\n");
	fflush(stdout);
	if (v == NULL)
		return;
	if (counts)
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

void
run_sequences(const struct sequence *s, size_t n)
{
	for (; n-- != 0; s++) {
		if (!wanted(s->group, s->name))
			continue;
		if (s->needs != NULL && *s->needs == 0)
			report_skip(s->group, s->name, "the device has nothing of it");
		else
			report(s->group, s->name, s->by_spec, s->run(), NULL);
	}
}

static int
parse(int argc, char **argv)
{
	static const struct option opts[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "only", required_argument, NULL, 'o' },
		{ "strict", no_argument, NULL, 'S' },
		{ "but", required_argument, NULL, 'b' },
		{ "dma-read", required_argument, NULL, 'R' },
		{ "dma-write", required_argument, NULL, 'W' },
		{ "matrix", no_argument, NULL, 'm' },
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
		case 'b':
			run.but = optarg;
			break;
		case 'R':
			if (!dma_recipe(VFIO_USER_DMA_READ, optarg))
				return -1;
			break;
		case 'W':
			if (!dma_recipe(VFIO_USER_DMA_WRITE, optarg))
				return -1;
			break;
		case 'm':
			run.matrix = true;
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
	if (run.matrix)
		return dma_recipe(VFIO_USER_DMA_READ, "0:0/1=0") &&
		                       dma_recipe(VFIO_USER_DMA_WRITE, "0:0/1=0")
		               ? 0
		               : -1;
	return run.path == NULL ? -1 : 0;
}

static void
run_all(void)
{
	version_run();
	sequences_run();
	limits_run();
	requests_run();
	dma_run();
}

int
main(int argc, char **argv)
{
	if (parse(argc, argv) < 0) {
		fprintf(stderr, "%s", usage);
		return 2;
	}
	if (run.matrix) {
		run_all();
		matrix_print();
		return 0;
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
	run_all();
	server_stop();
	printf("1..%u\n# %u cases, %u violations of the specification, %u other deviations\n",
		run.n, run.n, run.failed, run.deviations);
	return run.failed != 0;
}
