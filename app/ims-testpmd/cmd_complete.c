/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The completion at the prompt, and the message for a line that no command fits. Both look for the
 * instructions that agree with the words before the point in question. The cmdline library has a
 * completion of its own, but it offers a word once for each command that goes on with it, and cuts
 * words at 62 characters: device names are longer.
 */

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include <cmdline_rdline.h>

#include "tp_cmd.h"

/* As the cmdline library sees it: the end of a line or a comment. */
static bool
is_end(char c)
{
	return c == '\0' || c == '\n' || c == '\r' || c == '#';
}

/* Complete words of a line; the last one may be partial. */
struct words {
	const char *str[TP_MAX_ARGS + 1];
	size_t len[TP_MAX_ARGS + 1];
	unsigned int n;
	bool blank_end; /* the line ends with a blank: a new word is to come */
};

static void
words_split(const char *line, struct words *w)
{
	memset(w, 0, sizeof(*w));
	while (w->n < TP_DIM(w->str)) {
		line += strspn(line, " \t");
		if (is_end(*line))
			break;
		w->str[w->n] = line;
		while (!cmdline_isendoftoken(*line))
			line++;
		w->len[w->n] = line - w->str[w->n];
		w->n++;
	}
	w->blank_end = w->n == 0 || line > w->str[w->n - 1] + w->len[w->n - 1];
}

/* The command within "watch SECONDS [COUNT] COMMAND", or the line itself. */
static const char *
inner(const char *line)
{
	struct words w;
	unsigned int n = 2;

	words_split(line, &w);
	if (w.n < 2 || w.len[0] != 5 || memcmp(w.str[0], "watch", 5) != 0)
		return line;
	if (w.n > 2 && isdigit((unsigned char)w.str[2][0]))
		n = 3;
	if (w.n > n)
		return w.str[n];
	/* The number before it may not be complete. */
	return w.blank_end ? line + strlen(line) : line;
}

static const char *word = "";

const char *
tp_complete_word(void)
{
	return word;
}

static const struct tp_token *
inst_token(const cmdline_parse_inst_t *inst, unsigned int i)
{
	return (const struct tp_token *)inst->tokens[i];
}

/* The number of words, at most n, that agree with the instruction. */
static unsigned int
inst_match(const cmdline_parse_inst_t *inst, const struct words *w, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n && inst->tokens[i] != NULL; i++)
		if (!tp_token_match(inst_token(inst, i), w->str[i], w->len[i], NULL))
			break;
	return i;
}

/* The tokens that may come after n words that agree, each once. */
struct offers {
	const struct tp_token *token[64];
	unsigned int n;
};

static bool
is_offered(const struct offers *o, const struct tp_token *token)
{
	unsigned int i;

	for (i = 0; i < o->n; i++)
		if (strcmp(o->token[i]->text, token->text) == 0)
			return true;
	return false;
}

static void
offers_find(const struct words *w, unsigned int n, struct offers *o)
{
	cmdline_parse_ctx_t *ctx = tp_cmdline_ctx();
	unsigned int k;

	o->n = 0;
	for (k = 0; ctx[k] != NULL && o->n < TP_DIM(o->token); k++)
		if (inst_match(ctx[k], w, n) == n && ctx[k]->tokens[n] != NULL &&
			!is_offered(o, inst_token(ctx[k], n)))
			o->token[o->n++] = inst_token(ctx[k], n);
}

/* Some command is complete after these n words. */
static bool
can_end(const struct words *w, unsigned int n)
{
	cmdline_parse_ctx_t *ctx = tp_cmdline_ctx();
	unsigned int k;

	for (k = 0; n > 0 && ctx[k] != NULL; k++)
		if (inst_match(ctx[k], w, n) == n && ctx[k]->tokens[n] == NULL)
			return true;
	return false;
}

static const char *
arg_help(const struct tp_token *token)
{
	unsigned int i;

	for (i = 0; i < token->n_alts; i++)
		if (token->alts[i].kind != NULL)
			return token->alts[i].kind->help;
	return "";
}

/* The token takes words that cannot all be offered, and the partial word may become one. */
static bool
is_free(const struct tp_token *token, const char *start, unsigned int partial)
{
	const struct tp_kind *kind;
	unsigned int i;

	for (i = 0; i < token->n_alts; i++) {
		kind = token->alts[i].kind;
		if (kind != NULL &&
			(partial == 0 || (kind->choice == NULL &&
						 tp_token_match(token, start, partial, NULL))))
			return true;
	}
	return false;
}

/* One line to show when there is a choice: words, or what an argument may be. */
static int
show_choice(const struct words *w, unsigned int n, unsigned int partial, int i, char *dst,
	unsigned int size)
{
	const char *start = w->str[n] != NULL ? w->str[n] : "";
	const struct tp_token *token;
	unsigned int t, c, len;
	struct offers offers;
	char buf[BUFSIZ];

	offers_find(w, n, &offers);
	for (t = 0; t < offers.n; t++) {
		token = offers.token[t];
		for (c = 0; token->hdr.ops->complete_get_elt(
				    (cmdline_parse_token_hdr_t *)(uintptr_t)&token->hdr, c, buf,
				    sizeof(buf)) == 0;
			c++) {
			if (strncmp(buf, start, partial) == 0 && i-- == 0) {
				snprintf(dst, size, "%s", buf);
				return 1;
			}
		}
		if (is_free(token, start, partial) && i-- == 0) {
			len = snprintf(dst, size, "%-12s ", token->text);
			if (len < size)
				snprintf(dst + len, size - len, "(%s)", arg_help(token));
			return 1;
		}
	}
	if (partial == 0 && can_end(w, n) && i-- == 0) {
		snprintf(dst, size, "[RETURN]");
		return 1;
	}
	return 0;
}

/* What all choices that begin with the partial word have in common beyond it. */
static unsigned int
common_rest(const struct words *w, unsigned int n, unsigned int partial, char *rest, size_t size)
{
	const char *start = w->str[n] != NULL ? w->str[n] : "";
	const struct tp_token *token;
	unsigned int t, c, found = 0;
	struct offers offers;
	char buf[BUFSIZ];
	size_t len;

	rest[0] = '\0';
	if (partial == 0 && can_end(w, n))
		return 0;
	offers_find(w, n, &offers);
	for (t = 0; t < offers.n; t++) {
		token = offers.token[t];
		if (is_free(token, start, partial)) {
			rest[0] = '\0';
			return 0;
		}
		for (c = 0; token->hdr.ops->complete_get_elt(
				    (cmdline_parse_token_hdr_t *)(uintptr_t)&token->hdr, c, buf,
				    sizeof(buf) - 1) == 0;
			c++) {
			if (strncmp(buf, start, partial) != 0)
				continue;
			/* A directory, or "pci:": the word goes on. */
			len = strlen(buf);
			if (strchr("/:", buf[len - 1]) == NULL)
				snprintf(buf + len, sizeof(buf) - len, " ");
			if (found++ == 0) {
				snprintf(rest, size, "%s", buf + partial);
				continue;
			}
			for (len = 0; rest[len] != '\0' && rest[len] == buf[partial + len]; len++)
				;
			rest[len] = '\0';
		}
	}
	return found;
}

/* rdline's callback: 2 = dst holds characters to add, 1 = one line of a list, 0 = no more. */
int
tp_complete(struct rdline *rdl, const char *buf, char *dst, unsigned int size, int *state)
{
	unsigned int n, partial;
	struct words w;

	(void)rdl;
	words_split(inner(buf), &w);
	if (w.n > TP_MAX_ARGS || strchr(buf, '#') != NULL)
		return 0;
	n = w.blank_end ? w.n : w.n - 1;
	partial = w.blank_end ? 0 : w.len[n];
	word = w.blank_end ? "" : w.str[n];
	if (*state == 0 && common_rest(&w, n, partial, dst, size) > 0 && dst[0] != '\0')
		return 2;
	if (*state < 0)
		*state = 0;
	return show_choice(&w, n, partial, (*state)++, dst, size);
}

static void
append(char *buf, size_t size, const char *fmt, ...)
{
	size_t len = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	if (len < size)
		vsnprintf(buf + len, size - len, fmt, ap);
	va_end(ap);
}

/* If all instructions that agree with n words are of one command: that. */
static const struct tp_syntax *
only_syntax(const struct words *w, unsigned int n)
{
	cmdline_parse_ctx_t *ctx = tp_cmdline_ctx();
	const struct tp_syntax *syntax = NULL;
	unsigned int k;

	for (k = 0; ctx[k] != NULL; k++) {
		if (inst_match(ctx[k], w, n) < n)
			continue;
		if (syntax != NULL && syntax != ctx[k]->data)
			return NULL;
		syntax = ctx[k]->data;
	}
	return syntax;
}

void
tp_explain(const char *line, char *buf, size_t size)
{
	cmdline_parse_ctx_t *ctx = tp_cmdline_ctx();
	const struct tp_syntax *syntax;
	const struct tp_token *token;
	unsigned int k, t, n = 0;
	struct offers offers;
	struct words w;

	words_split(line, &w);
	for (k = 0; ctx[k] != NULL; k++)
		n = RTE_MAX(n, inst_match(ctx[k], &w, w.n));
	buf[0] = '\0';
	if (n == 0)
		append(buf, size, "%.*s: no such command", (int)w.len[0], w.str[0]);
	else
		append(buf, size, "%.*s: ", (int)(w.str[n - 1] + w.len[n - 1] - w.str[0]),
			w.str[0]);
	offers_find(&w, n, &offers);
	for (t = 0; t < offers.n; t++) {
		token = offers.token[t];
		if (t == 0)
			append(buf, size, n == 0 ? ", expected " : "expected ");
		append(buf, size, "%s%s", t > 0 ? ", " : "", token->text);
		if (n > 0 && arg_help(token)[0] != '\0' && offers.n == 1)
			append(buf, size, " (%s)", arg_help(token));
	}
	if (offers.n == 0)
		append(buf, size, "expected no more");
	else if (n > 0 && n < w.n && can_end(&w, n))
		append(buf, size, " or no more");
	if (n > 0 && n < w.n)
		append(buf, size, ", not '%.*s'", (int)w.len[n], w.str[n]);
	syntax = n > 0 ? only_syntax(&w, n) : NULL;
	if (syntax != NULL)
		append(buf, size, "; usage: %s", syntax->cmd->syntax);
	else if (n == 0)
		append(buf, size, "; see help");
}
