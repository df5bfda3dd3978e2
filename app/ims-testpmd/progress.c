/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* One line at a terminal that says how far a long command is. */

#include <stdarg.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "testpmd.h"

static uint64_t shown_tsc; /* 0: there is no line */

void
tp_progress(const char *fmt, ...)
{
	uint64_t now = rte_rdtsc();
	va_list ap;

	if (now - shown_tsc < rte_get_tsc_hz() / 10 || !isatty(STDERR_FILENO))
		return;
	shown_tsc = now;
	fflush(stdout);
	fputc('\r', stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\033[K", stderr);
	fflush(stderr);
}

void
tp_progress_end(void)
{
	if (shown_tsc == 0)
		return;
	shown_tsc = 0;
	fputs("\r\033[K", stderr);
	fflush(stderr);
}
