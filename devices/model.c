/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* What models have in common: how their keys are read. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

bool
model_number(struct model_opts *opts, const char *key, const char *val, unsigned long min,
	unsigned long max, unsigned long *num)
{
	char *end;

	errno = 0;
	*num = val != NULL ? strtoul(val, &end, 0) : 0;
	if (val != NULL && *val >= '0' && *val <= '9' && *end == '\0' && errno == 0 &&
		*num >= min && *num <= max)
		return true;
	snprintf(opts->error, sizeof(opts->error), "%s=%.60s: expected a number from %lu to %lu",
		key, val != NULL ? val : "", min, max);
	return false;
}
