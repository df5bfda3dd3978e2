/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Tables for the show commands. */

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "testpmd.h"

#define MAX_COLS 20

struct tp_table {
	char **cells;
	unsigned int n_cells;
	unsigned int room;
	unsigned int n_cols; /* of the first row */
	unsigned int col;    /* of the row being written */
};

struct tp_table *
tp_table_new(void)
{
	return calloc(1, sizeof(struct tp_table));
}

static void
cell_add(struct tp_table *table, char *text)
{
	char **cells;

	if (table->n_cells == table->room) {
		cells = realloc(table->cells, (table->room + 256) * sizeof(*cells));
		if (cells == NULL) {
			free(text);
			return;
		}
		table->cells = cells;
		table->room += 256;
	}
	table->cells[table->n_cells++] = text;
	table->col++;
}

void
tp_cell(struct tp_table *table, const char *fmt, ...)
{
	char *text;
	va_list ap;
	int rc;

	if (table == NULL)
		return;
	va_start(ap, fmt);
	rc = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (rc >= 0)
		cell_add(table, text);
}

void
tp_cell_num(struct tp_table *table, int64_t num)
{
	if (num >= 0)
		tp_cell(table, "%" PRId64, num);
	else
		tp_cell(table, "-");
}

void
tp_row_end(struct tp_table *table)
{
	if (table == NULL)
		return;
	if (table->n_cols == 0)
		table->n_cols = RTE_MIN(table->col, MAX_COLS);
	while (table->col < table->n_cols)
		tp_cell(table, "%s", "");
	table->col = 0;
}

void
tp_head(struct tp_table *table, const char *const *names)
{
	for (; *names != NULL; names++)
		tp_cell(table, "%s", *names);
	tp_row_end(table);
}

static bool
is_number(const char *text)
{
	return isdigit((unsigned char)text[0]) || strcmp(text, "-") == 0;
}

void
tp_table_print(struct tp_table *table, FILE *f)
{
	bool right[MAX_COLS];
	int width[MAX_COLS];
	unsigned int i, col;

	if (table == NULL)
		return;
	for (col = 0; col < table->n_cols; col++) {
		width[col] = 0;
		right[col] = table->n_cells > table->n_cols;
	}
	for (i = 0; i < table->n_cells; i++) {
		col = i % table->n_cols;
		width[col] = RTE_MAX(width[col], (int)strlen(table->cells[i]));
		if (i >= table->n_cols && !is_number(table->cells[i]))
			right[col] = false;
	}
	for (i = 0; i < table->n_cells; i++) {
		col = i % table->n_cols;
		if (right[col])
			fprintf(f, "%*s", width[col], table->cells[i]);
		else if (col + 1 < table->n_cols)
			fprintf(f, "%-*s", width[col], table->cells[i]);
		else
			fputs(table->cells[i], f);
		fputs(col + 1 < table->n_cols ? "  " : "\n", f);
		free(table->cells[i]);
	}
	free(table->cells);
	free(table);
}

const char *
tp_ns_str(char *buf, size_t size, double ns)
{
	static const struct {
		double ns;
		const char *name;
	} units[] = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" } };
	unsigned int i;
	double val;

	for (i = 0; i < TP_DIM(units) - 1 && ns < units[i].ns; i++)
		;
	val = ns / units[i].ns;
	if (val == (double)(uint64_t)val)
		snprintf(buf, size, "%.0f %s", val, units[i].name);
	else
		snprintf(buf, size, "%.*f %s",
			val < 10    ? 3
			: val < 100 ? 2
				    : 1,
			val, units[i].name);
	return buf;
}
