/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* load, record, sleep, watch: sessions, and commands about commands */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tp_cmd.h"

static int
cmd_load(const struct tp_args *args)
{
	char *path = strdup(tp_arg_str(args, "FILE")); /* its commands have arguments too */
	int rc;

	if (path == NULL)
		return -ENOMEM;
	rc = tp_script_file(path, true);
	free(path);
	return rc;
}

static int
cmd_record(const struct tp_args *args)
{
	const char *path = tp_arg_str(args, "FILE");

	return path != NULL ? tp_record_start(path) : tp_record_stop();
}

static int
cmd_sleep(const struct tp_args *args)
{
	int rc = tp_sleep(tp_arg_num(args, "SECONDS", 0));

	return rc == 0 ? 0 : tp_fail(rc, "interrupted");
}

/* What is on the screen is written over; not so in a pipe or a file. */
static void
watch_head(const char *line, uint64_t ns, unsigned int n)
{
	char buf[32];

	if (isatty(STDOUT_FILENO))
		printf("\033[H\033[2Jevery %s: %s%s\n\n", tp_ns_str(buf, sizeof(buf), ns), line,
			tp_prompt_is_on() ? "   (any key ends it)" : "");
	else if (n != 0)
		printf("\n");
}

/* Until the next time: 0, or 1 to go no further. */
static int
watch_pause(uint64_t ns)
{
	uint64_t end = tp_now_ns() + ns, now;

	fflush(stdout);
	while ((now = tp_now_ns()) < end) {
		if (tp_sleep(RTE_MIN(end - now, 50000000u)) != 0 || tp_prompt_key())
			return 1;
	}
	return 0;
}

static int
watch_run(const char *line, uint64_t ns, uint64_t count)
{
	const char *error;
	unsigned int n;
	int rc;

	for (n = 0; count == 0 || n < count; n++) {
		if (n != 0 && watch_pause(ns) != 0)
			return 0;
		watch_head(line, ns, n);
		rc = tp_cmdline_exec(line, &error);
		/* Of a command that was run the cause is known; the others are explained. */
		if (rc < 0)
			return tp_report_silent() ? tp_fail(rc, "%s", error) : rc;
		if (tp_quit || atomic_load(&tp_interrupted))
			return 0;
	}
	return 0;
}

static int
cmd_watch(const struct tp_args *args)
{
	uint64_t ns = tp_arg_num(args, "SECONDS", 0), count = tp_arg_num(args, "COUNT", 0);
	static bool watching;
	char *line;
	int rc;

	if (watching)
		return tp_fail(-EINVAL, "a watch does not watch another one");
	if (ns < 10000000 || ns > 86400 * TP_NSEC)
		return tp_fail(-EINVAL, "10ms to 86400s lie between two times");
	line = strdup(tp_arg_str(args, "LINE"));
	if (line == NULL)
		return -ENOMEM;
	watching = true;
	tp_rates_begin();
	rc = watch_run(line, ns, count);
	tp_rates_end();
	watching = false;
	free(line);
	/* That is how it is ended: what comes after it in a file goes on. */
	if (rc == 0 && !atomic_load(&tp_terminated))
		atomic_store(&tp_interrupted, false);
	return rc;
}

static const struct tp_cmd load_cmds[] = {
	{ "load FILE", cmd_load, "Run the commands in a file", NULL },
};
TP_CMDS_REGISTER(load, "Run the commands in a file");

static const struct tp_cmd record_cmds[] = {
	{ "record stop|FILE", cmd_record, "Write the commands of this session to a file, for load",
		"    Those that fail are comments in it, with the reason.\n" },
};
TP_CMDS_REGISTER(record, "Write the commands of this session to a file");

static const struct tp_cmd sleep_cmds[] = {
	{ "sleep SECONDS", cmd_sleep, "Do nothing for a while, for scripts", NULL },
};
TP_CMDS_REGISTER(sleep, "Do nothing for a while");

static const struct tp_cmd watch_cmds[] = {
	{ "watch SECONDS LINE", cmd_watch, "Run a command again and again",
		"    until Ctrl-C or, at the prompt, any key. LINE is a command: watch 1 show vector all.\n"
		"    Counters in its tables get a column beside them, with their rates per second.\n" },
	{ "watch SECONDS COUNT LINE", cmd_watch, "so many times", NULL },
};
TP_CMDS_REGISTER(watch, "Run a command again and again, with rates");
