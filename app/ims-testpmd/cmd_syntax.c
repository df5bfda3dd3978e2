/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* From syntax lines (tp_cmd.h) to tokens and instructions of DPDK's cmdline library. */

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tp_cmd.h"

bool
tp_token_match(const struct tp_token *token, const char *str, size_t len, struct tp_arg *arg)
{
	const struct tp_alt *alt;
	uint64_t num = 0;
	unsigned int i;

	for (i = 0; i < token->n_alts; i++) {
		alt = &token->alts[i];
		if (alt->kind != NULL) {
			if (alt->kind->parse != NULL && !alt->kind->parse(str, len, &num))
				continue;
		} else if (strlen(alt->text) != len || memcmp(alt->text, str, len) != 0) {
			continue;
		}
		if (arg != NULL)
			*arg = (struct tp_arg){ .alt = alt, .str = str, .len = len, .num = num };
		return true;
	}
	return false;
}

static bool
is_rest(const struct tp_token *token)
{
	return token->alts[0].kind != NULL && token->alts[0].kind->rest;
}

/* The four operations that the cmdline library asks of a token. */

static int
token_parse(cmdline_parse_token_hdr_t *hdr, const char *buf, void *res, unsigned int size)
{
	const struct tp_token *token = (const struct tp_token *)hdr;
	size_t len = 0;

	if (res != NULL && size < sizeof(struct tp_arg))
		return -1;
	if (is_rest(token))
		len = strcspn(buf, "\r\n#");
	else
		while (!cmdline_isendoftoken(buf[len]))
			len++;
	return tp_token_match(token, buf, len, res) ? (int)len : -1;
}

static bool
token_choice(const struct tp_token *token, unsigned int n, char *buf, size_t size)
{
	const struct tp_alt *alt;
	unsigned int i, k;

	for (i = 0; i < token->n_alts; i++) {
		alt = &token->alts[i];
		if (alt->kind == NULL) {
			if (n-- == 0) {
				snprintf(buf, size, "%s", alt->text);
				return true;
			}
			continue;
		}
		for (k = 0; alt->kind->choice != NULL && alt->kind->choice(k, buf, size); k++)
			if (n-- == 0)
				return true;
	}
	return false;
}

static int
token_complete_get_nb(cmdline_parse_token_hdr_t *hdr)
{
	char buf[BUFSIZ];
	unsigned int n = 0;

	while (token_choice((const struct tp_token *)hdr, n, buf, sizeof(buf)))
		n++;
	return n;
}

static int
token_complete_get_elt(cmdline_parse_token_hdr_t *hdr, int i, char *dst, unsigned int size)
{
	return token_choice((const struct tp_token *)hdr, i, dst, size) ? 0 : -1;
}

static int
token_get_help(cmdline_parse_token_hdr_t *hdr, char *dst, unsigned int size)
{
	snprintf(dst, size, "%s", ((const struct tp_token *)hdr)->text);
	return 0;
}

static struct cmdline_token_ops token_ops = {
	.parse = token_parse,
	.complete_get_nb = token_complete_get_nb,
	.complete_get_elt = token_complete_get_elt,
	.get_help = token_get_help,
};

/* A mistake in a command table: ours, found by the first run of the program. */
static void *
syntax_bad(struct tp_syntax *syntax, const char *why)
{
	fprintf(stderr, "ims-testpmd: bad syntax line \"%s\": %s\n", syntax->cmd->syntax, why);
	tp_syntax_free(syntax);
	errno = EINVAL;
	return NULL;
}

static const char *
token_init(struct tp_token *token, const char *text, char *words, unsigned int index)
{
	char *alt, *save = NULL;

	token->hdr.ops = &token_ops;
	token->hdr.offset = index * sizeof(struct tp_arg);
	token->text = text;
	for (alt = strtok_r(words, "|", &save); alt != NULL; alt = strtok_r(NULL, "|", &save)) {
		if (token->n_alts == TP_MAX_ALTS)
			return "too many alternatives";
		token->alts[token->n_alts].text = alt;
		if (isupper((unsigned char)alt[0])) {
			token->alts[token->n_alts].kind = tp_kind_find(alt, strlen(alt));
			if (token->alts[token->n_alts].kind == NULL)
				return "no such kind of argument";
		}
		token->n_alts++;
	}
	return token->n_alts == 0 ? "empty word" : NULL;
}

/* Note where groups begin and end, and make the brackets blanks. */
static const char *
groups_find(struct tp_syntax *syntax, char *line)
{
	unsigned int n_words = 0;
	bool in_group = false, in_word = false;
	char *c;

	for (c = line; *c != '\0'; c++) {
		if (*c == '[') {
			if (in_group || syntax->n_groups == TP_MAX_GROUPS)
				return "too many groups";
			syntax->group[syntax->n_groups++] = n_words;
			in_group = true;
			*c = ' ';
		} else if (*c == ']') {
			in_group = false;
			*c = ' ';
		}
		if (*c == ' ') {
			in_word = false;
			continue;
		}
		if (!in_word && syntax->n_groups > 0 && !in_group)
			return "words after groups";
		if (!in_word)
			n_words++;
		in_word = true;
	}
	syntax->group[syntax->n_groups] = n_words;
	return in_group ? "no ]" : NULL;
}

static char *
command_name(const char *syntax)
{
	size_t len = strcspn(syntax, "ABCDEFGHIJKLMNOPQRSTUVWXYZ["), word = strcspn(syntax, "|");

	/* "all|ID": back to the beginning of the word. */
	if (word < len)
		len = word;
	while (len > 0 && syntax[len] != '\0' && syntax[len - 1] != ' ')
		len--;
	while (len > 0 && syntax[len - 1] == ' ')
		len--;
	return strndup(syntax, len);
}

/* Cut the line into words; texts keep them whole, alts are a copy to be cut at '|'. */
static const char *
tokens_make(struct tp_syntax *syntax, char *texts, char *alts)
{
	char *text, *alt, *save_text = NULL, *save_alt = NULL;
	const char *why = NULL;

	text = strtok_r(texts, " ", &save_text);
	alt = strtok_r(alts, " ", &save_alt);
	while (text != NULL && why == NULL) {
		if (syntax->n_tokens == TP_MAX_ARGS)
			return "too many words";
		why = token_init(&syntax->tokens[syntax->n_tokens], text, alt, syntax->n_tokens);
		syntax->n_tokens++;
		text = strtok_r(NULL, " ", &save_text);
		alt = strtok_r(NULL, " ", &save_alt);
	}
	return why;
}

struct tp_syntax *
tp_syntax_new(const struct tp_cmd *cmd)
{
	struct tp_syntax *syntax = calloc(1, sizeof(*syntax));
	size_t size = strlen(cmd->syntax) + 1;
	const char *why;

	if (syntax == NULL)
		return NULL;
	syntax->cmd = cmd;
	syntax->name = command_name(cmd->syntax);
	syntax->words = calloc(2, size);
	if (syntax->name == NULL || syntax->words == NULL) {
		tp_syntax_free(syntax);
		return NULL;
	}
	memcpy(syntax->words, cmd->syntax, size);
	why = groups_find(syntax, syntax->words);
	memcpy(syntax->words + size, syntax->words, size);
	if (why == NULL)
		why = tokens_make(syntax, syntax->words, syntax->words + size);
	return why == NULL ? syntax : syntax_bad(syntax, why);
}

void
tp_syntax_free(struct tp_syntax *syntax)
{
	if (syntax == NULL)
		return;
	free(syntax->name);
	free(syntax->words);
	free(syntax);
}

struct expand {
	struct tp_syntax *syntax;
	void (*f)(void *, struct cmdline *, void *);
	cmdline_parse_ctx_t **ctx;
	unsigned int *n;
	unsigned int order[TP_MAX_GROUPS];
};

/* The instruction with the groups in order[0..n_groups). */
static int
expand_add(struct expand *e, unsigned int n_groups)
{
	struct tp_syntax *syntax = e->syntax;
	unsigned int n = 0, i, g;
	cmdline_parse_ctx_t *ctx;
	cmdline_parse_inst_t *inst;

	inst = calloc(1, sizeof(*inst) + (syntax->n_tokens + 1) * sizeof(inst->tokens[0]));
	if (inst == NULL)
		return -ENOMEM;
	ctx = realloc(*e->ctx, (*e->n + 2) * sizeof(*ctx));
	if (ctx == NULL) {
		free(inst);
		return -ENOMEM;
	}
	*e->ctx = ctx;
	inst->f = e->f;
	inst->data = syntax;
	inst->help_str = syntax->cmd->help;
	for (i = 0; i < syntax->group[0]; i++)
		inst->tokens[n++] = &syntax->tokens[i].hdr;
	for (g = 0; g < n_groups; g++)
		for (i = syntax->group[e->order[g]]; i < syntax->group[e->order[g] + 1]; i++)
			inst->tokens[n++] = &syntax->tokens[i].hdr;
	ctx[(*e->n)++] = inst;
	ctx[*e->n] = NULL;
	return 0;
}

static int
expand_groups(struct expand *e, unsigned int n_used, unsigned int used)
{
	unsigned int g;
	int rc;

	rc = expand_add(e, n_used);
	for (g = 0; g < e->syntax->n_groups && n_used < TP_MAX_GROUPS && rc == 0; g++) {
		if ((used & (1u << g)) != 0)
			continue;
		e->order[n_used] = g;
		rc = expand_groups(e, n_used + 1, used | (1u << g));
	}
	return rc;
}

int
tp_syntax_expand(struct tp_syntax *syntax, void (*f)(void *, struct cmdline *, void *),
	cmdline_parse_ctx_t **ctx, unsigned int *n)
{
	struct expand e = { .syntax = syntax, .f = f, .ctx = ctx, .n = n };

	return expand_groups(&e, 0, 0);
}
