/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What JSON wants of strings, and the files that benches write. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "testpmd.h"

int
tp_json_begin(const char *path, FILE **f)
{
	*f = fopen(path, "we");
	if (*f == NULL)
		return tp_fail(-errno, "%s: %s", path, strerror(errno));
	fprintf(*f, "{");
	return 0;
}

int
tp_json_end(const char *path, FILE *f)
{
	fprintf(f, "\n}\n");
	return fclose(f) == 0 ? 0 : tp_fail(-errno, "%s: %s", path, strerror(errno));
}

void
tp_json_string(FILE *f, const char *text)
{
	const unsigned char *c;

	fputc('"', f);
	for (c = (const unsigned char *)text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(f, "\\%c", *c);
		else if (*c < ' ' || *c >= 0x7f)
			fprintf(f, "\\u%04x",
				*c); /* also of UTF-8: it stays JSON, whatever it is */
		else
			fputc(*c, f);
	}
	fputc('"', f);
}
