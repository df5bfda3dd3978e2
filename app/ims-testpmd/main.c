/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* ims-testpmd: open devices, allocate vectors, watch interrupts arrive. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "tp_cmd.h"
#include "tp_dev.h"
#include "tp_port.h"
#include "tp_service.h"

cpu_set_t tp_cpus;
atomic_bool tp_interrupted;
atomic_bool tp_terminated;
bool tp_quit;

static void
on_signal(int sig)
{
	atomic_store(&tp_interrupted, true);
	if (sig != SIGINT) {
		atomic_store(&tp_terminated, true);
		tp_notice_wake();
	}
}

static void
signals_init(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int
devs_open(const struct tp_params *params)
{
	const char *error;
	unsigned int i;

	for (i = 0; i < params->n_devs; i++) {
		tp_report_begin();
		if (tp_dev_open(params->devs[i]) == NULL) {
			error = tp_report_end(-rte_errno, "--dev");
			fprintf(stderr, "ims-testpmd: %s\n", error);
			return -1;
		}
		tp_report_end(0, NULL);
	}
	return 0;
}

static int
files_run(const struct tp_params *params)
{
	unsigned int i;
	int rc;

	for (i = 0; i < params->n_files && !tp_quit; i++) {
		if (access(params->files[i], R_OK) < 0) {
			rc = -errno;
			fprintf(stderr, "ims-testpmd: --cmdline-file %s: %s\n", params->files[i],
				strerror(-rc));
			return rc;
		}
		rc = tp_script_file(params->files[i], true);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
commands_run(const struct tp_params *params)
{
	int rc;

	rc = files_run(params);
	if (rc < 0 || tp_quit || atomic_load(&tp_terminated))
		return rc;
	if (params->interactive || (params->n_files == 0 && isatty(STDIN_FILENO)))
		return tp_prompt_run();
	if (params->n_files == 0)
		return tp_script_stdin(false);
	return 0;
}

static int
testpmd_run(const struct tp_params *params)
{
	int rc;

	rc = tp_cmdline_init();
	if (rc == 0)
		rc = tp_service_start();
	if (rc != 0) {
		fprintf(stderr, "ims-testpmd: cannot start: %s\n", strerror(-rc));
		return rc;
	}
	rc = devs_open(params);
	if (rc == 0)
		rc = commands_run(params);
	tp_ports_close();
	tp_dev_close_all();
	tp_service_stop();
	tp_cmdline_free();
	if (rc == 0 && atomic_load(&tp_terminated))
		rc = -EINTR;
	return rc;
}

int
main(int argc, char **argv)
{
	struct tp_params params;
	char *prgname = argv[0];
	int rc;

	sched_getaffinity(0, sizeof(tp_cpus), &tp_cpus);
	rte_set_application_usage_hook(tp_usage);
	rc = tp_report_init();
	if (rc == 0)
		rc = rte_eal_init(argc, argv);
	else
		rte_errno = -rc;
	if (rc < 0) {
		fprintf(stderr, "ims-testpmd: cannot start EAL: %s\n", rte_strerror(rte_errno));
		return EXIT_FAILURE;
	}
	argc -= rc;
	argv += rc;
	argv[0] = prgname;
	rc = tp_params_parse(&params, argc, argv);
	if (rc == 0) {
		signals_init();
		rc = testpmd_run(&params);
	}
	fflush(stdout);
	rte_eal_cleanup();
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
