/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* help, quit */

#include <errno.h>
#include <string.h>

#include "tp_cmd.h"

#define SYNTAX_WIDTH 52

static void
topic_print(const struct tp_topic *topic)
{
	unsigned int i;

	for (i = 0; i < topic->n_cmds; i++) {
		if (strlen(topic->cmds[i].syntax) <= SYNTAX_WIDTH)
			printf("  %-*s %s\n", SYNTAX_WIDTH, topic->cmds[i].syntax,
				topic->cmds[i].help);
		else
			printf("  %s\n  %*s %s\n", topic->cmds[i].syntax, SYNTAX_WIDTH, "",
				topic->cmds[i].help);
		if (topic->cmds[i].more != NULL)
			fputs(topic->cmds[i].more, stdout);
	}
}

static int
cmd_help(const struct tp_args *args)
{
	const char *name = tp_arg_str(args, "TOPIC");
	const struct tp_topic *topic;
	bool found = name == NULL;

	if (name == NULL)
		printf("Topics (help TOPIC shows its commands; Tab completes, Ctrl-C ends a command):\n");
	for (topic = tp_topics(); topic != NULL; topic = topic->next) {
		if (name == NULL && topic->next != NULL &&
			strcmp(topic->name, topic->next->name) == 0) {
			continue; /* several files have commands of this topic */
		} else if (name == NULL) {
			printf("  %-10s %s\n", topic->name, topic->help);
		} else if (strcmp(topic->name, name) == 0) {
			found = true;
			topic_print(topic);
		}
	}
	return found ? 0 : tp_fail(-EINVAL, "no topic %s: help lists them", name);
}

static int
cmd_quit(const struct tp_args *args)
{
	(void)args;
	tp_quit = true;
	return 0;
}

static const struct tp_cmd help_cmds[] = {
	{ "help [TOPIC]", cmd_help, "List topics, or the commands of one", NULL },
};
TP_CMDS_REGISTER(help, "This list");

static const struct tp_cmd quit_cmds[] = {
	{ "quit", cmd_quit, "Close all devices and leave", NULL },
};
TP_CMDS_REGISTER(quit, "Close all devices and leave");
