/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Commands from files and pipes: the first one that fails ends them, FILE:LINE says where. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tp_cmd.h"

#define MAX_DEPTH 8

static void
notices_show(void)
{
	char *text;

	while ((text = tp_notice_take()) != NULL) {
		printf("%s\n", text);
		free(text);
	}
}

/* keep_going: the user sits at the other end and sees the errors. */
static int
script_run(FILE *f, const char *name, bool echo, bool keep_going)
{
	unsigned int line_no = 0;
	const char *error;
	char *line = NULL;
	size_t size = 0;
	int rc = 0;

	while (!tp_quit && !atomic_load(&tp_terminated) && getline(&line, &size, f) >= 0) {
		line_no++;
		/* Ctrl-C, while a command ran that does not look at it. */
		if (line_no > 1 && !keep_going && atomic_load(&tp_interrupted)) {
			rc = tp_fail(-EINTR, "interrupted");
			fprintf(stderr, "%s:%u: interrupted (EINTR)\n", name, line_no);
			break;
		}
		line[strcspn(line, "\r\n")] = '\0';
		if (echo)
			printf("%s%s\n", line[strspn(line, " \t")] == '\0' ? "" : TP_PROMPT, line);
		rc = tp_cmdline_exec(line, &error);
		notices_show();
		fflush(stdout);
		if (rc < 0) {
			/* A file loaded by this line has shown its own. */
			if (error != NULL && error[0] != '\0')
				fprintf(stderr, "%s:%u: %s\n", name, line_no, error);
			if (!keep_going)
				break;
			rc = 0;
		}
	}
	if (ferror(f) && rc == 0) {
		rc = -errno;
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
	}
	free(line);
	return rc;
}

int
tp_script_file(const char *path, bool echo)
{
	static unsigned int depth;
	FILE *f;
	int rc;

	if (depth == MAX_DEPTH)
		return tp_fail(-ELOOP, "%s: files load each other", path);
	f = fopen(path, "re");
	if (f == NULL)
		return tp_fail(-errno, "%s: %s", path, strerror(errno));
	depth++;
	rc = script_run(f, path, echo, false);
	depth--;
	fclose(f);
	return rc;
}

int
tp_script_stdin(bool keep_going)
{
	return script_run(stdin, "stdin", true, keep_going);
}
