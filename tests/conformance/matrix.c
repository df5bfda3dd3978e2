/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The table of doc/guides/tools/conformance.rst: messages, and how many cases look at what of them.
 */

#include <stdio.h>
#include <string.h>

#include "conformance.h"

#define MAX_GROUPS 64

static struct {
	const char *name;
	unsigned int n;
} groups[MAX_GROUPS];
static unsigned int n_groups;

void
matrix_count(const char *group)
{
	unsigned int i;

	for (i = 0; i < n_groups; i++)
		if (strcmp(groups[i].name, group) == 0)
			break;
	if (i == MAX_GROUPS)
		return;
	if (i == n_groups)
		groups[n_groups++].name = group;
	groups[i].n++;
}

void
cover_field(struct coverage *cov, const char *name, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < MAX_FIELDS - 1 && cov->fields[i].n != 0; i++)
		if (cov->fields[i].len == len && memcmp(cov->fields[i].name, name, len) == 0)
			break;
	cov->fields[i].name = name;
	cov->fields[i].len = len;
	cov->fields[i].n++;
}

static void
print_coverage(const struct coverage *cov)
{
	unsigned int i;

	printf("%u, \"", cov->valid);
	for (i = 0; i < MAX_FIELDS && cov->fields[i].n != 0; i++)
		printf("%s%.*s %u", i != 0 ? ", " : "", (int)cov->fields[i].len,
			cov->fields[i].name, cov->fields[i].n);
	printf("\", %u, %u\n", cov->sizes, cov->descriptors);
}

void
matrix_print(void)
{
	struct coverage cov;
	unsigned int i, n = 0;

	for (i = 0; i < n_groups; i++) {
		n += groups[i].n;
		printf("\"%s\", %u, ", groups[i].name, groups[i].n);
		memset(&cov, 0, sizeof(cov));
		if (requests_cover(groups[i].name, &cov) || version_cover(groups[i].name, &cov) ||
			dma_cover(groups[i].name, &cov))
			print_coverage(&cov);
		else
			printf("\"\", \"\", \"\", \"\"\n");
	}
	printf("\"all\", %u, \"\", \"\", \"\", \"\"\n", n);
}
