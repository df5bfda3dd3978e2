/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Why a command failed, in one line. What the libraries log at level ERR while a command runs is
 * held back: if the command fails it is the cause, if not it goes to stderr like all other logs.
 */

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_log.h>

#include "testpmd.h"

#define CAUSE_SIZE   1024
#define MAX_HELD     16
#define MAX_NOTICES  64
#define PREFIX_SPACE 96

static _Thread_local bool holding; /* only the thread that runs commands holds back */
static char *held[MAX_HELD];
static unsigned int n_held;
static char cause[CAUSE_SIZE];

static pthread_mutex_t notice_lock = PTHREAD_MUTEX_INITIALIZER;
static char *notices[MAX_NOTICES];
static unsigned int n_notices;
static int notice_efd = -1;

static ssize_t
log_write(void *cookie, const char *buf, size_t size)
{
	char *copy;

	(void)cookie;
	if (holding && n_held < MAX_HELD && rte_log_cur_msg_loglevel() <= (int)RTE_LOG_ERR) {
		copy = strndup(buf, size);
		if (copy != NULL) {
			held[n_held++] = copy;
			return size;
		}
	}
	if (fwrite(buf, 1, size, stderr) != size)
		return 0;
	return size;
}

int
tp_report_init(void)
{
	cookie_io_functions_t io = { .write = log_write };
	FILE *f = fopencookie(NULL, "w", io);

	notice_efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f == NULL || notice_efd < 0)
		return -errno;
	/* A line at a time: the level of the message is only known while it is written. */
	setvbuf(f, NULL, _IOLBF, BUFSIZ);
	return rte_openlog_stream(f);
}

static void
held_forget(bool show)
{
	unsigned int i;

	for (i = 0; i < n_held; i++) {
		if (show)
			fputs(held[i], stderr);
		free(held[i]);
	}
	n_held = 0;
}

void
tp_report_begin(void)
{
	cause[0] = '\0';
	holding = true;
}

void
tp_cause_set(const char *fmt, ...)
{
	va_list ap;

	cause[0] = '\0';
	if (fmt == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(cause, sizeof(cause), fmt, ap);
	va_end(ap);
}

bool
tp_report_silent(void)
{
	return cause[0] == '\0' && n_held == 0;
}

void
tp_report_forget(void)
{
	cause[0] = '\0';
	held_forget(false);
}

/* The first one logged is the nearest to the cause; "IMS: " and the like say nothing here. */
static void
cause_from_log(void)
{
	const char *text = held[0];
	size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

	if (len > 0 && strncmp(text + len, ": ", 2) == 0)
		text += len + 2;
	snprintf(cause, sizeof(cause), "%.*s", (int)strcspn(text, "\n"), text);
}

static const char *
errno_name(int err)
{
	const char *name = strerrorname_np(err);

	return name != NULL ? name : "?";
}

const char *
tp_report_end(int rc, const char *command)
{
	static char line[CAUSE_SIZE + PREFIX_SPACE];

	holding = false;
	if (rc >= 0) {
		held_forget(true);
		return NULL;
	}
	if (cause[0] == '\0' && n_held > 0)
		cause_from_log();
	if (cause[0] == '\0')
		snprintf(cause, sizeof(cause), "%s", strerror(-rc));
	held_forget(false);
	snprintf(line, sizeof(line), "%.64s: %s (%s)", command, cause, errno_name(-rc));
	return line;
}

void
tp_notice_wake(void)
{
	uint64_t one = 1;
	int err = errno;

	if (write(notice_efd, &one, sizeof(one)) < 0)
		errno = err; /* it is readable already */
}

void
tp_notice(const char *fmt, ...)
{
	char *text;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (rc < 0)
		return;
	pthread_mutex_lock(&notice_lock);
	if (n_notices < MAX_NOTICES)
		notices[n_notices++] = text;
	else
		free(text);
	pthread_mutex_unlock(&notice_lock);
	tp_notice_wake();
}

int
tp_notice_fd(void)
{
	return notice_efd;
}

char *
tp_notice_take(void)
{
	char *text = NULL;
	uint64_t n;

	pthread_mutex_lock(&notice_lock);
	if (n_notices > 0) {
		text = notices[0];
		memmove(&notices[0], &notices[1], --n_notices * sizeof(notices[0]));
	}
	if (n_notices == 0 && read(notice_efd, &n, sizeof(n)) < 0)
		n = 0;
	pthread_mutex_unlock(&notice_lock);
	return text;
}
