/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TP_CMD_H_
#define _TP_CMD_H_

/*
 * Commands. A topic file has a table of them and registers it; nothing else is needed:
 *
 *	static int
 *	cmd_vec_free(const struct tp_args *args)
 *	{
 *		struct tp_vec *vec = tp_arg_ptr(args, "VEC");
 *		...
 *		return tp_fail(-EBUSY, "vector %u is raised by timer %u", ...);
 *	}
 *
 *	static const struct tp_cmd vec_cmds[] = {
 *		{ "vec free VEC", cmd_vec_free, "Free a vector", NULL },
 *	};
 *	TP_CMDS_REGISTER(vec, "Vectors: allocate, mask, switch, free");
 *
 * The syntax line is what the user reads in the help, and from it are made the tokens for DPDK's
 * cmdline library, the completion, and the message that says what was expected:
 *
 *	word		itself
 *	NAME		an argument; what it may be goes by its name, see tp_kinds[] in cmd_kinds.c
 *	a|b|NAME	one of these
 *	[ ... ]		may be left out; several such groups, at the end, come in any order
 */

#include <rte_common.h>

#include <cmdline_parse.h>

#include "testpmd.h"

#define TP_MAX_ARGS   16
#define TP_MAX_ALTS   8
#define TP_MAX_GROUPS 5

struct tp_arg;
struct tp_args;
struct tp_dev;
struct tp_vec;

struct tp_cmd {
	const char *syntax;
	/* 0 or what tp_fail() returned. */
	int (*run)(const struct tp_args *args);
	/* One line, no full stop. */
	const char *help;
	/* More lines for "help TOPIC", each ended by a newline, or NULL. */
	const char *more;
};

struct tp_topic {
	const char *name;
	const char *help;
	const struct tp_cmd *cmds;
	unsigned int n_cmds;
	/* May be NULL. The user wants to free this vector: 0, or tp_fail() if it is in use. */
	int (*vec_free)(struct tp_vec *vec);
	/* May be NULL. The device is about to be closed: let go of it. */
	void (*dev_close)(struct tp_dev *dev);
	/* May be NULL. Vectors may be on other lcores than before. */
	void (*vecs_moved)(void);
	struct tp_topic *next;
};

void
tp_topic_register(struct tp_topic *topic);
/* In alphabetical order. */
const struct tp_topic *
tp_topics(void);

#define TP_TOPIC_REGISTER(topic)           \
	RTE_INIT(tp_topic_init_##topic)    \
	{                                  \
		tp_topic_register(&topic); \
	}

/*
 * TOPIC_cmds[], which is all that the topic has here. Several files may have commands of one topic.
 */
#define TP_CMDS_REGISTER(topic, text)            \
	static struct tp_topic topic##_topic = { \
		.name = #topic,                  \
		.help = text,                    \
		.cmds = topic##_cmds,            \
		.n_cmds = TP_DIM(topic##_cmds),  \
	};                                       \
	TP_TOPIC_REGISTER(topic##_topic)

/* What a command line gave for the arguments of the syntax line. */
bool
tp_arg_has(const struct tp_args *args, const char *word);
uint64_t
tp_arg_num(const struct tp_args *args, const char *name, uint64_t dflt);
/* A copy, valid until the command returns; NULL if not given. */
const char *
tp_arg_str(const struct tp_args *args, const char *name);
/* The struct tp_dev, tp_vec, tp_pool, tp_set (LCORE); NULL if not given. */
void *
tp_arg_ptr(const struct tp_args *args, const char *name);

/* cmdline.c */
int
tp_cmdline_init(void);
void
tp_cmdline_free(void);
/* Run one line. On failure *error is the one line that says why. */
int
tp_cmdline_exec(const char *line, const char **error);

/* record.c; the first two are commands' */
int
tp_record_start(const char *path);
int
tp_record_stop(void);
/* A line was run; error: why it failed, or NULL. */
void
tp_record_line(const char *line, const char *error);
void
tp_record_end(void);

/*
 * Below: between cmdline.c, cmd_syntax.c, cmd_kinds.c and cmd_complete.c.
 */

/* What an argument in capitals may be. */
struct tp_kind {
	const char *name;
	const char *help;
	/* The word's value, or false if it cannot be one. NULL: any word. */
	bool (*parse)(const char *str, size_t len, uint64_t *num);
	/* Find what it names, once the whole line is known to be right: 0 or tp_fail(). */
	int (*resolve)(struct tp_arg *arg);
	/* The i-th choice for the completion, or false; see tp_complete_word(). */
	bool (*choice)(unsigned int i, char *buf, size_t size);
	/* It is the rest of the line, all words of it. */
	bool rest;
};

const struct tp_kind *
tp_kind_find(const char *name, size_t len);

/* One of the words separated by '|'; kind is NULL for a word that stands for itself. */
struct tp_alt {
	const char *text;
	const struct tp_kind *kind;
};

/* A token for the cmdline library; hdr comes first because the library has only that. */
struct tp_token {
	cmdline_parse_token_hdr_t hdr;
	const char *text; /* as in the syntax line */
	struct tp_alt alts[TP_MAX_ALTS];
	unsigned int n_alts;
};

/* A parsed word, in the library's result buffer. */
struct tp_arg {
	const struct tp_alt *alt; /* NULL: not given */
	const char *str;
	size_t len;
	uint64_t num;
	void *ptr;
};

/* A compiled command. */
struct tp_syntax {
	const struct tp_cmd *cmd;
	char *name;  /* the words up to the first argument */
	char *words; /* the syntax line, cut up */
	struct tp_token tokens[TP_MAX_ARGS];
	unsigned int n_tokens;
	/* Tokens [0, group[0]) must be there, [group[i], group[i + 1]) may be. */
	unsigned int group[TP_MAX_GROUPS + 1];
	unsigned int n_groups;
};

struct tp_args {
	const struct tp_syntax *syntax;
	struct tp_arg *arg; /* as many as the syntax has tokens */
};

/* cmd_syntax.c */
struct tp_syntax *
tp_syntax_new(const struct tp_cmd *cmd);
void
tp_syntax_free(struct tp_syntax *syntax);
/* Does the word fit the token? arg may be NULL. */
bool
tp_token_match(const struct tp_token *token, const char *str, size_t len, struct tp_arg *arg);
/* Add the instructions of a syntax, one for each order of its optional groups, to ctx. */
int
tp_syntax_expand(struct tp_syntax *syntax, void (*f)(void *, struct cmdline *, void *),
	cmdline_parse_ctx_t **ctx, unsigned int *n);

/* cmd_complete.c */
struct rdline;
int
tp_complete(struct rdline *rdl, const char *buf, char *dst, unsigned int size, int *state);
/* The part of a word that is to be completed, "": nothing yet. */
const char *
tp_complete_word(void);
/* Say what was expected in a line that no command fits. */
void
tp_explain(const char *line, char *buf, size_t size);
cmdline_parse_ctx_t *
tp_cmdline_ctx(void);

#endif /* _TP_CMD_H_ */
