/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Tables for the show commands: aligned for people, or as JSON. Under watch each counter gets a
 * column beside it with its rate.
 */

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "testpmd.h"

#define MAX_COLS 32

enum kind {
	CELL_TEXT,
	CELL_NUM,
	CELL_BOOL,
	CELL_NONE,
};

struct cell {
	char *text;
	enum kind kind;
};

struct tp_table {
	const char *name; /* NULL: not for JSON */
	struct cell *cells;
	unsigned int n_cells;
	unsigned int room;
	unsigned int n_cols; /* of the first row */
	unsigned int col;    /* of the row being written */
	bool counter[MAX_COLS];
	struct tp_table *next; /* of those that watch keeps */
	uint64_t ns;           /* when it was printed */
};

/* What the command that runs now writes. */
static bool json;
static unsigned int n_json;
/* Tables as they were printed last, to make rates of; NULL or of a watch. */
static struct tp_table *kept;
static bool rates;

struct tp_table *
tp_table_new(const char *name)
{
	struct tp_table *table = calloc(1, sizeof(struct tp_table));

	if (table != NULL)
		table->name = name;
	return table;
}

void
tp_table_free(struct tp_table *table)
{
	unsigned int i;

	if (table == NULL)
		return;
	for (i = 0; i < table->n_cells; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}

static void
cell_add(struct tp_table *table, char *text, enum kind kind)
{
	struct cell *cells;

	if (table->n_cells == table->room) {
		cells = realloc(table->cells, (table->room + 256) * sizeof(*cells));
		if (cells == NULL) {
			free(text);
			return;
		}
		table->cells = cells;
		table->room += 256;
	}
	table->cells[table->n_cells++] = (struct cell){ .text = text, .kind = kind };
	table->col++;
}

/* As JSON has them: no leading zeros. */
static bool
is_json_number(const char *text)
{
	size_t n = strspn(text, "0123456789");

	if (n == 0 || (n > 1 && text[0] == '0'))
		return false;
	if (text[n] == '.' && isdigit((unsigned char)text[n + 1]))
		n += 1 + strspn(text + n + 1, "0123456789");
	return text[n] == '\0';
}

/* A name stays a text, also one of digits. */
static enum kind
kind_of(const char *fmt, const char *text)
{
	if (strcmp(text, "-") == 0)
		return CELL_NONE;
	return strcmp(fmt, "%s") != 0 && is_json_number(text) ? CELL_NUM : CELL_TEXT;
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
		cell_add(table, text, kind_of(fmt, text));
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
tp_cell_bool(struct tp_table *table, bool yes)
{
	char *text = strdup(yes ? "yes" : "no");

	if (table != NULL && text != NULL)
		cell_add(table, text, CELL_BOOL);
	else
		free(text);
}

void
tp_row_end(struct tp_table *table)
{
	if (table == NULL)
		return;
	if (table->n_cols == 0)
		table->n_cols = RTE_MIN(table->col, (unsigned int)MAX_COLS);
	while (table->col < table->n_cols)
		tp_cell(table, "%s", "");
	table->col = 0;
}

void
tp_head(struct tp_table *table, const char *const *names)
{
	unsigned int i;

	for (i = 0; names[i] != NULL; i++) {
		if (table != NULL && i < MAX_COLS)
			table->counter[i] = names[i][0] == '+';
		tp_cell(table, "%s", names[i] + (names[i][0] == '+'));
	}
	tp_row_end(table);
}

static const char *
text_at(const struct tp_table *table, unsigned int row, unsigned int col)
{
	return table->cells[row * table->n_cols + col].text;
}

static unsigned int
n_rows(const struct tp_table *table)
{
	return table->n_cols != 0 ? table->n_cells / table->n_cols : 0;
}

/* Rows are known by their first two cells. They seldom change their order: look from `from` on. */
static unsigned int
row_find(const struct tp_table *in, const struct tp_table *of, unsigned int row, unsigned int from)
{
	unsigned int n = n_rows(in), i, at;

	for (i = 0; i < n; i++) {
		at = (from + i) % n;
		if (at != 0 && strcmp(text_at(in, at, 0), text_at(of, row, 0)) == 0 &&
			(in->n_cols < 2 || strcmp(text_at(in, at, 1), text_at(of, row, 1)) == 0))
			return at;
	}
	return 0;
}

/* before is the same table as it was then, with a row for it or 0. */
static void
rate_cell(struct tp_table *to, const struct tp_table *now, unsigned int row, unsigned int col,
	const struct tp_table *before, unsigned int row_before)
{
	double a, b, seconds;

	if (row_before == 0 || now->ns == before->ns ||
		now->cells[row * now->n_cols + col].kind != CELL_NUM) {
		tp_cell(to, "-");
		return;
	}
	a = strtod(text_at(before, row_before, col), NULL);
	b = strtod(text_at(now, row, col), NULL);
	seconds = (now->ns - before->ns) / 1e9;
	tp_cell(to, "%.0f", b > a ? (b - a) / seconds : 0.);
}

/* The table once more, with a column behind each counter. */
static struct tp_table *
with_rates(const struct tp_table *now, const struct tp_table *before)
{
	struct tp_table *to = tp_table_new(now->name);
	unsigned int row, col, at = 0;
	const struct cell *cell;

	for (row = 0; to != NULL && row < n_rows(now); row++) {
		if (row != 0 && before != NULL)
			at = row_find(before, now, row, at + 1);
		for (col = 0; col < now->n_cols; col++) {
			cell = &now->cells[row * now->n_cols + col];
			cell_add(to, strdup(cell->text), cell->kind);
			if (now->counter[col] && row == 0)
				tp_cell(to, "%s/S", cell->text);
			else if (now->counter[col])
				rate_cell(to, now, row, col, before, at);
		}
		tp_row_end(to);
	}
	return to;
}

/* Keep this one for the next rates; gives the one before it, NULL: none. */
static struct tp_table *
keep(struct tp_table *table)
{
	struct tp_table **link = &kept, *before;

	while (*link != NULL &&
		(strcmp((*link)->name, table->name) != 0 || (*link)->n_cols != table->n_cols))
		link = &(*link)->next;
	before = *link;
	if (before != NULL)
		*link = before->next;
	table->next = kept;
	kept = table;
	return before;
}

static bool
is_number(const char *text)
{
	return isdigit((unsigned char)text[0]) || strcmp(text, "-") == 0;
}

static unsigned int
next_col(const struct tp_table *table, unsigned int col)
{
	return col + 1 < table->n_cols ? col + 1 : 0;
}

static void
print_aligned(const struct tp_table *table, FILE *f)
{
	bool right[MAX_COLS] = { false };
	int width[MAX_COLS] = { 0 };
	unsigned int i, col;
	const char *text;

	for (col = 0; col < table->n_cols; col++)
		right[col] = table->n_cells > table->n_cols;
	for (i = 0, col = 0; i < table->n_cells; i++, col = next_col(table, col)) {
		text = table->cells[i].text;
		width[col] = RTE_MAX(width[col], (int)strlen(text));
		if (i >= table->n_cols && !is_number(text))
			right[col] = false;
	}
	for (i = 0, col = 0; i < table->n_cells; i++, col = next_col(table, col)) {
		text = table->cells[i].text;
		if (right[col])
			fprintf(f, "%*s", width[col], text);
		else if (col + 1 < table->n_cols)
			fprintf(f, "%-*s", width[col], text);
		else
			fputs(text, f);
		fputs(col + 1 < table->n_cols ? "  " : "\n", f);
	}
}

/* "EVENTS/S" -> "events_per_s", "LOAD_%" -> "load_pct" */
static void
key_print(const char *head, FILE *f)
{
	fputc('"', f);
	for (; *head != '\0'; head++) {
		if (*head == '/')
			fputs("_per_", f);
		else if (*head == '%')
			fputs("pct", f);
		else
			fputc(isalnum((unsigned char)*head) ? tolower((unsigned char)*head) : '_',
				f);
	}
	fputs("\": ", f);
}

static void
value_print(const struct cell *cell, FILE *f)
{
	switch (cell->kind) {
	case CELL_NUM:
		fputs(cell->text, f);
		break;
	case CELL_BOOL:
		fputs(cell->text[0] == 'y' ? "true" : "false", f);
		break;
	case CELL_NONE:
		fputs("null", f);
		break;
	default:
		tp_json_string(f, cell->text);
	}
}

static void
print_json(const struct tp_table *table, FILE *f)
{
	unsigned int i, col;

	fputs(n_json++ == 0 ? "{" : ",\n ", f);
	tp_json_string(f, table->name);
	fputs(": [", f);
	for (i = table->n_cols, col = 0; i < table->n_cells; i++, col = next_col(table, col)) {
		if (col == 0)
			fprintf(f, "%s\n  {", i > table->n_cols ? "," : "");
		key_print(text_at(table, 0, col), f);
		value_print(&table->cells[i], f);
		fputs(col + 1 < table->n_cols ? ", " : "}", f);
	}
	fputs("]", f);
}

static void
print(const struct tp_table *table, FILE *f)
{
	if (json && table->name != NULL)
		print_json(table, f);
	else
		print_aligned(table, f);
}

void
tp_table_print(struct tp_table *table, FILE *f)
{
	struct tp_table *before, *wide;

	if (table == NULL)
		return;
	if (!rates || table->name == NULL) {
		print(table, f);
		tp_table_free(table);
		return;
	}
	table->ns = tp_now_ns();
	before = keep(table);
	wide = with_rates(table, before);
	if (wide != NULL) {
		print(wide, f);
		tp_table_free(wide);
	}
	tp_table_free(before);
}

void
tp_text(const char *fmt, ...)
{
	va_list ap;

	if (json)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

void
tp_output_begin(bool as_json)
{
	json = as_json;
	n_json = 0;
}

void
tp_output_end(void)
{
	if (n_json != 0)
		printf("}\n");
	tp_output_begin(false);
}

bool
tp_output_is_json(void)
{
	return json;
}

void
tp_rates_begin(void)
{
	rates = true;
}

void
tp_rates_end(void)
{
	struct tp_table *next;

	rates = false;
	for (; kept != NULL; kept = next) {
		next = kept->next;
		tp_table_free(kept);
	}
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
