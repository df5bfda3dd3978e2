/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The interactive prompt: rdline of DPDK's cmdline library on the terminal. */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmdline_rdline.h>

#include "tp_cmd.h"

#define LINE_SIZE 1024

static struct termios term_saved;
static bool term_is;

/* At the prompt rdline sees all keys; while a command runs Ctrl-C is a signal. */
static void
term_keys(bool signals)
{
	struct termios raw = term_saved;

	if (!term_is)
		return;
	raw.c_lflag &= ~(ICANON | ECHO);
	if (!signals)
		raw.c_lflag &= ~ISIG;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

bool
tp_prompt_is_on(void)
{
	return term_is;
}

bool
tp_prompt_key(void)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	char keys[64];

	return term_is && poll(&pfd, 1, 0) == 1 && read(STDIN_FILENO, keys, sizeof(keys)) > 0;
}

static void
term_restore(void)
{
	if (term_is)
		tcsetattr(STDIN_FILENO, TCSANOW, &term_saved);
}

static int
write_char(struct rdline *rdl, char c)
{
	(void)rdl;
	return putchar(c);
}

/* The line is run when rdline_char_in() has returned, not from within. */
static void
validate(struct rdline *rdl, const char *buf, unsigned int size)
{
	(void)rdl;
	(void)buf;
	(void)size;
}

static void
notices_show(struct rdline *rdl)
{
	bool shown = false;
	char *text;

	while ((text = tp_notice_take()) != NULL) {
		printf("%s%s\n", shown ? "" : "\r\033[K", text);
		free(text);
		shown = true;
	}
	if (shown)
		rdline_redisplay(rdl);
	fflush(stdout);
}

static void
history_add(struct rdline *rdl, const char *line)
{
	const char *last = rdline_get_history_item(rdl, 0);

	if (line[strspn(line, " \t")] != '\0' && (last == NULL || strcmp(last, line) != 0))
		rdline_add_history(rdl, line);
}

static void
line_run(struct rdline *rdl)
{
	const char *error;
	char line[LINE_SIZE];

	snprintf(line, sizeof(line), "%s", rdline_get_buffer(rdl));
	line[strcspn(line, "\r\n")] = '\0';
	history_add(rdl, line);
	fflush(stdout);
	term_keys(true);
	if (tp_cmdline_exec(line, &error) < 0)
		printf("%s\n", error);
	term_keys(false);
	if (tp_quit)
		return;
	rdline_newline(rdl, TP_PROMPT);
	notices_show(rdl);
}

/* One key, or a few. False: that was the end. */
static bool
keys_read(struct rdline *rdl)
{
	char keys[64];
	ssize_t n, i;
	int rc;

	n = read(STDIN_FILENO, keys, sizeof(keys));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0)
		return false;
	for (i = 0; i < n && !tp_quit; i++) {
		rc = rdline_char_in(rdl, keys[i]);
		if (rc == RDLINE_RES_EOF || rc == RDLINE_RES_EXITED) {
			putchar('\n');
			return false;
		}
		if (rc == RDLINE_RES_VALIDATED)
			line_run(rdl);
	}
	fflush(stdout);
	return !tp_quit;
}

int
tp_prompt_run(void)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = tp_notice_fd(), .events = POLLIN },
	};
	struct rdline *rdl;
	int rc;

	if (!isatty(STDIN_FILENO))
		return tp_script_stdin(true);
	rdl = rdline_new(write_char, validate, tp_complete, NULL);
	if (rdl == NULL)
		return -ENOMEM;
	term_is = tcgetattr(STDIN_FILENO, &term_saved) == 0;
	term_keys(false);
	rdline_newline(rdl, TP_PROMPT);
	fflush(stdout);
	while (!atomic_load(&tp_terminated)) {
		rc = poll(fds, TP_DIM(fds), -1);
		if (rc < 0 && errno != EINTR)
			break;
		if (rc < 0)
			continue;
		if (fds[1].revents != 0)
			notices_show(rdl);
		if (fds[0].revents != 0 && !keys_read(rdl))
			break;
	}
	term_restore();
	term_is = false;
	rdline_free(rdl);
	return 0;
}
