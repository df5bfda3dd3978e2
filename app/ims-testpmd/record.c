/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What the user typed, in a file that "load" runs again. */

#include <errno.h>
#include <string.h>

#include "tp_cmd.h"

static FILE *file;

int
tp_record_start(const char *path)
{
	if (file != NULL)
		return tp_fail(-EBUSY, "it is on already: record stop");
	file = fopen(path, "we");
	if (file == NULL)
		return tp_fail(-errno, "%s: %s", path, strerror(errno));
	/* Whole lines, also if the program does not come to its end. */
	setvbuf(file, NULL, _IOLBF, BUFSIZ);
	return 0;
}

int
tp_record_stop(void)
{
	FILE *f = file;

	if (f == NULL)
		return tp_fail(-EINVAL, "it is not on: record FILE");
	file = NULL;
	if (fclose(f) != 0)
		return tp_fail(-errno, "the file could not be written: %s", strerror(errno));
	return 0;
}

/* Commands about the recording, and the end, are none of the session's. */
static bool
is_worth(const char *line)
{
	size_t len;

	line += strspn(line, " \t");
	len = strcspn(line, " \t#");
	return len != 0 && !(len == 4 && memcmp(line, "quit", 4) == 0) &&
	       !(len == 6 && memcmp(line, "record", 6) == 0);
}

void
tp_record_line(const char *line, const char *error)
{
	if (file == NULL || !is_worth(line))
		return;
	if (error != NULL)
		fprintf(file, "# %s: %s\n", line, error);
	else
		fprintf(file, "%s\n", line);
}

void
tp_record_end(void)
{
	if (file != NULL)
		fclose(file);
	file = NULL;
}
