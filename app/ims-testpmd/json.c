/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What JSON wants of strings. */

#include "testpmd.h"

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
