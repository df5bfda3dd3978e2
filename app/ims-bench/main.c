/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* ims-bench: figures of this library and of its peers, side by side in one run. */

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include "curve.h"
#include "ims_bench.h"

struct bench bench;

static const struct subject {
	const char *name;
	void (*fn)(void);
	const char *what;
} subjects[] = {
	{ "latency", bench_latency, "one event, beside floors and other event loops" },
	{ "rate", bench_rate, "as many events as one thread can handle" },
	{ "adaptive", bench_adaptive, "latency and CPU of the policies over the rate" },
	{ "objects", bench_objects, "vectors of a pool and objects on them" },
	{ "demux", bench_demux, "1 active of N queues" },
	{ "setup", bench_setup, "4,096 queues and one eventfd per queue" },
	{ "move", bench_move, "a busy vector between two lcores, and switched" },
};

static void
usage(FILE *f)
{
	size_t i;

	fprintf(f, "usage: ims-bench [EAL options] -- [--quick] [--json FILE] [--report FILE.html] "
		   "[SUBJECT...]\n"
		   "       ims-bench [EAL options] -- -h | --help\n"
		   "  --quick      fewer events: a look, not a measurement\n"
		   "  --json FILE  the figures as one flat object\n"
		   "  --report FILE.html  figures and pictures on one page\n"
		   "Ends with 3 if a figure misses its goal. Subjects, all if none is named:\n");
	for (i = 0; i < RTE_DIM(subjects); i++)
		fprintf(f, "  %-12s %s\n", subjects[i].name, subjects[i].what);
}

static const struct subject *
subject_find(const char *name)
{
	size_t i;

	for (i = 0; i < RTE_DIM(subjects); i++)
		if (strcmp(subjects[i].name, name) == 0)
			return &subjects[i];
	fprintf(stderr, "ims-bench: unknown subject '%s'\n", name);
	usage(stderr);
	exit(2);
}

static void
machine_init(void)
{
	struct rlimit files;
	rte_cpuset_t cpus;
	int cpu;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	bench.tick_ns = 1e9 / rte_get_tsc_hz();
	bench.worker = rte_get_next_lcore(-1, 1, 0);
	cpus = rte_lcore_cpuset(bench.worker != RTE_MAX_LCORE ? bench.worker : rte_lcore_id());
	for (cpu = 0; cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &cpus); cpu++)
		;
	bench.other_cpu = cpu;
}

static void
run(const struct subject *subject)
{
	uint64_t start = now_ns();

	fprintf(stderr, "ims-bench: %s: %s ...", subject->name, subject->what);
	subject->fn();
	fprintf(stderr, " %.1f s\n", (now_ns() - start) / 1e9);
}

int
main(int argc, char **argv)
{
	static const struct option opts[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "json", required_argument, NULL, 'j' },
		{ "report", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *json = NULL, *report = NULL;
	int c, n;
	size_t i;

	n = rte_eal_init(argc, argv);
	if (n < 0) {
		fprintf(stderr, "ims-bench: EAL: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	argc -= n;
	argv += n;
	optind = 1;
	while ((c = getopt_long(argc, argv, "h", opts, NULL)) != -1) {
		if (c == 'q')
			bench.quick = true;
		else if (c == 'j')
			json = optarg;
		else if (c == 'r')
			report = optarg;
		else {
			usage(c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	for (n = optind; n < argc; n++)
		subject_find(argv[n]);
	machine_init();
	for (n = optind; n < argc; n++)
		run(subject_find(argv[n]));
	for (i = 0; optind == argc && i < RTE_DIM(subjects); i++)
		run(&subjects[i]);
	figures_print(stdout);
	curve_print(&bench_curve, stdout);
	if (json != NULL)
		check(figures_json(json), json);
	if (report != NULL)
		check(report_write(report, &bench_curve), report);
	rte_eal_cleanup();
	return figures_missed() != 0 ? 3 : 0;
}
