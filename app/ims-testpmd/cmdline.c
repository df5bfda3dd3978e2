/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The table of all commands and their dispatch by DPDK's cmdline library. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmdline.h>

#include "tp_cmd.h"

#define ARG_COPY_SIZE 512

static struct tp_topic *topics;
static cmdline_parse_ctx_t *ctx;
static unsigned int n_ctx;
static struct tp_syntax **syntaxes;
static unsigned int n_syntaxes;
static struct cmdline *parser;
static int last_rc;
static const struct tp_syntax *last_syntax;

void
tp_topic_register(struct tp_topic *topic)
{
	struct tp_topic **at = &topics;

	while (*at != NULL && strcmp((*at)->name, topic->name) <= 0)
		at = &(*at)->next;
	topic->next = *at;
	*at = topic;
}

const struct tp_topic *
tp_topics(void)
{
	return topics;
}

cmdline_parse_ctx_t *
tp_cmdline_ctx(void)
{
	return ctx;
}

static const struct tp_arg *
arg_find(const struct tp_args *args, const char *name)
{
	const struct tp_arg *arg;
	unsigned int i;

	for (i = 0; i < args->syntax->n_tokens; i++) {
		arg = &args->arg[i];
		if (arg->alt != NULL && strcmp(arg->alt->text, name) == 0)
			return arg;
	}
	return NULL;
}

bool
tp_arg_has(const struct tp_args *args, const char *word)
{
	return arg_find(args, word) != NULL;
}

uint64_t
tp_arg_num(const struct tp_args *args, const char *name, uint64_t dflt)
{
	const struct tp_arg *arg = arg_find(args, name);

	return arg == NULL ? dflt : arg->num;
}

const char *
tp_arg_str(const struct tp_args *args, const char *name)
{
	static char copy[2][ARG_COPY_SIZE];
	static unsigned int which;
	const struct tp_arg *arg = arg_find(args, name);

	if (arg == NULL)
		return NULL;
	which ^= 1;
	snprintf(copy[which], sizeof(copy[which]), "%.*s", (int)arg->len, arg->str);
	return copy[which];
}

void *
tp_arg_ptr(const struct tp_args *args, const char *name)
{
	const struct tp_arg *arg = arg_find(args, name);

	return arg == NULL ? NULL : arg->ptr;
}

/* Called by the cmdline library: the line fits a command. */
static void
dispatch(void *result, struct cmdline *cl, void *data)
{
	const struct tp_syntax *syntax = data;
	struct tp_args args = { .syntax = syntax, .arg = result };
	unsigned int i;
	int rc = 0;

	(void)cl;
	for (i = 0; i < syntax->n_tokens && rc == 0; i++) {
		if (args.arg[i].alt == NULL)
			continue;
		if (args.arg[i].len >= ARG_COPY_SIZE)
			rc = tp_fail(-ENAMETOOLONG, "%s is too long", args.arg[i].alt->text);
		else if (args.arg[i].alt->kind != NULL && args.arg[i].alt->kind->resolve != NULL)
			rc = args.arg[i].alt->kind->resolve(&args.arg[i]);
	}
	if (rc == 0) {
		tp_output_begin(tp_arg_has(&args, "json"));
		rc = syntax->cmd->run(&args);
		tp_output_end();
	}
	/* It may have run others, with load or watch: these are not the last. */
	last_syntax = syntax;
	last_rc = rc;
}

static int
exec(const char *line, const char **error)
{
	static char text[2048];
	size_t len = strcspn(line, "\r\n");
	char *buf;
	int rc;

	/* The library wants an end of line, and all characters of it visible. */
	buf = malloc(len + 2);
	if (buf == NULL) {
		*error = "out of memory";
		return -ENOMEM;
	}
	memcpy(buf, line, len);
	memcpy(buf + len, "\n", 2);
	*error = NULL;
	last_rc = 0;
	last_syntax = NULL;
	tp_report_begin();
	rc = cmdline_parse(parser, buf);
	if (last_syntax != NULL) {
		rc = last_rc;
		*error = tp_report_end(rc, last_syntax->name);
	} else if (rc < 0) {
		rc = -EINVAL;
		tp_report_end(0, "");
		tp_explain(buf, text, sizeof(text));
		*error = text;
	} else {
		rc = 0;
		tp_report_end(0, "");
	}
	free(buf);
	return rc;
}

int
tp_cmdline_exec(const char *line, const char **error)
{
	static unsigned int depth;
	int rc;

	/* Ctrl-C is for the command that the user gave, whatever that runs. */
	if (depth == 0 && !atomic_load(&tp_terminated))
		atomic_store(&tp_interrupted, false);
	depth++;
	rc = exec(line, error);
	depth--;
	if (depth == 0)
		tp_record_line(line, rc < 0 ? *error : NULL);
	return rc;
}

static int
topic_compile(const struct tp_topic *topic)
{
	struct tp_syntax **p;
	unsigned int i;
	int rc = 0;

	p = realloc(syntaxes, (n_syntaxes + topic->n_cmds) * sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	syntaxes = p;
	for (i = 0; i < topic->n_cmds && rc == 0; i++) {
		syntaxes[n_syntaxes] = tp_syntax_new(&topic->cmds[i]);
		if (syntaxes[n_syntaxes] == NULL)
			return -errno;
		rc = tp_syntax_expand(syntaxes[n_syntaxes++], dispatch, &ctx, &n_ctx);
	}
	return rc;
}

int
tp_cmdline_init(void)
{
	const struct tp_topic *topic;
	int rc = 0;

	for (topic = topics; topic != NULL && rc == 0; topic = topic->next)
		rc = topic_compile(topic);
	if (rc != 0)
		return rc;
	/* Only for parsing: prompt.c has the line editor. */
	parser = cmdline_new(ctx, "", -1, -1);
	return parser == NULL ? -ENOMEM : 0;
}

void
tp_cmdline_free(void)
{
	unsigned int i;

	tp_record_end();
	if (parser != NULL)
		cmdline_free(parser);
	parser = NULL;
	for (i = 0; i < n_ctx; i++)
		free(ctx[i]);
	free(ctx);
	for (i = 0; i < n_syntaxes; i++)
		tp_syntax_free(syntaxes[i]);
	free(syntaxes);
}
