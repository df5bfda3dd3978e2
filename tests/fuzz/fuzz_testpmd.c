/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A line of ims-testpmd: whether it is a command and which, what its arguments are, what is said of
 * one that is none, and the completion at each place of it. Commands are not run.
 */

#include <sched.h>
#include <stdio.h>

#include <rte_eal.h>

#include "tp_cmd.h"

static void
on_match(void *result, struct cmdline *cl, void *data);

#define tp_syntax_expand(syntax, fn, ctx, n) \
	(tp_syntax_expand)(syntax, ((void)(fn), on_match), ctx, n)
#include "cmdline.c"

#include "fuzz.h"

cpu_set_t tp_cpus;
atomic_bool tp_interrupted;
atomic_bool tp_terminated;
bool tp_quit;

/* In the place of dispatch(): all but the last step. */
static void
on_match(void *result, struct cmdline *cl, void *data)
{
	const struct tp_syntax *syntax = data;
	struct tp_args args = { .syntax = syntax, .arg = result };
	unsigned int i;

	last_syntax = syntax;
	for (i = 0; i < syntax->n_tokens; i++) {
		if (args.arg[i].alt == NULL)
			continue;
		fuzz_check(tp_arg_has(&args, args.arg[i].alt->text));
		tp_arg_num(&args, args.arg[i].alt->text, 0);
		tp_arg_str(&args, args.arg[i].alt->text);
		if (args.arg[i].alt->kind != NULL && args.arg[i].alt->kind->resolve != NULL)
			last_rc = args.arg[i].alt->kind->resolve(&args.arg[i]);
	}
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char name[] = "fuzz", no_huge[] = "--no-huge", no_pci[] = "--no-pci",
		    no_shconf[] = "--no-shconf", no_telemetry[] = "--no-telemetry", m[] = "-m",
		    mb[] = "16", l[] = "-l", zero[] = "0";
	char *args[] = { name, no_huge, no_pci, no_shconf, no_telemetry, m, mb, l, zero };

	sched_getaffinity(0, sizeof(tp_cpus), &tp_cpus);
	fuzz_check(tp_report_init() == 0 && rte_eal_init(9, args) >= 0 && tp_cmdline_init() == 0);
	return 0;
}

static void
complete(const char *line)
{
	char dst[256];
	int state = 0, n = 0;

	/* 2: all that can be added, 1: one of the choices, and there may be more. */
	while (n++ < 16 && tp_complete(NULL, line, dst, sizeof(dst), &state) == 1)
		fuzz_check(memchr(dst, '\0', sizeof(dst)) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *error;
	char *line;
	int rc;

	if (size > 4096)
		return 0;
	line = malloc(size + 1);
	fuzz_check(line != NULL);
	memcpy(line, data, size);
	line[size] = '\0';
	rc = tp_cmdline_exec(line, &error);
	fuzz_check(rc == 0 || (error != NULL && strchr(error, '\n') == NULL));
	/* The editor has one line of so much, and no control characters in it. */
	line[strcspn(line, "\r\n")] = '\0';
	if (strlen(line) < 128)
		complete(line);
	free(line);
	return 0;
}
