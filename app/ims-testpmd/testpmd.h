/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TESTPMD_H_
#define _TESTPMD_H_

/*
 * What all files of ims-testpmd share: parameters, error reports, output.
 *
 *   main.c ------ parameters.c     options after "--"
 *     |---------- script.c         commands from files and pipes   \
 *     |---------- prompt.c         commands from a terminal         > cmdline.c (tp_cmd.h)
 *     |---------- service.c        wait sets and their threads       \-- cmd_*.c, by topic
 *     |                            (tp_service.h)
 *     `---------- devices.c        open devices, vectors (tp_dev.h)
 */

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TP_PROMPT      "ims-testpmd> "
#define TP_MAX_OPTIONS 64u
#define TP_NSEC        1000000000ull

#define TP_DIM(a) (sizeof(a) / sizeof((a)[0]))

/* parameters.c: the options after "--". */
struct tp_params {
	bool interactive;
	const char *devs[TP_MAX_OPTIONS];
	unsigned int n_devs;
	const char *files[TP_MAX_OPTIONS];
	unsigned int n_files;
};

int
tp_params_parse(struct tp_params *params, int argc, char **argv);
void
tp_usage(const char *prgname);

/* main.c */

/* CPUs this process was allowed to use before EAL pinned the main lcore. */
extern cpu_set_t tp_cpus;
/* SIGINT: end the running command. SIGTERM, SIGHUP: that, and the program. */
extern atomic_bool tp_interrupted;
extern atomic_bool tp_terminated;
/* Set by "quit". */
extern bool tp_quit;

/*
 * report.c: a failing command returns a negative errno value and says why, in one line:
 *
 *	return tp_fail(-ENODEV, "no device %u", id);
 *
 * Without a text the cause is what the library logged while the command ran, else strerror().
 */
#define tp_fail(rc, ...)                   \
	__extension__({                    \
		const int rc_ = (rc);      \
		tp_cause_set(__VA_ARGS__); \
		tp_same(rc_);              \
	})
static inline int
tp_same(int rc)
{
	return rc;
}
void
tp_cause_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Nothing was said yet of what the command cannot do, by tp_fail() or in the log. */
bool
tp_report_silent(void);
/* What was logged so far in this command does not matter: another way was found. */
void
tp_report_forget(void);
/* Before and after a command: begin forgets, end gives the line "COMMAND: CAUSE (ERRNO)". */
void
tp_report_begin(void);
const char *
tp_report_end(int rc, const char *command);
/* Take over EAL's log stream, before rte_eal_init(). */
int
tp_report_init(void);
/* Something happened outside of any command; shown at the next occasion. From any thread. */
void
tp_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Readable while there are notices; tp_notice_take() gives one, or NULL; free() it. */
int
tp_notice_fd(void);
char *
tp_notice_take(void);
/* Make the descriptor readable without a notice. From a signal handler too. */
void
tp_notice_wake(void);

/* table.c: rows with aligned columns. The first row is the head. */
struct tp_table;
/* name: of the array in JSON; NULL: it is not for JSON. */
struct tp_table *
tp_table_new(const char *name);
/* A cell; a text that starts with a digit is set to the right, and its column's head too. */
void
tp_cell(struct tp_table *table, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A number, or "-" if it is negative: there is none. */
void
tp_cell_num(struct tp_table *table, int64_t num);
void
tp_cell_bool(struct tp_table *table, bool yes);
void
tp_row_end(struct tp_table *table);
/* The first row; names ends with NULL. "+NAME" is a counter: watch shows its rate beside it. */
void
tp_head(struct tp_table *table, const char *const *names);
/* Write and free. */
void
tp_table_print(struct tp_table *table, FILE *f);
void
tp_table_free(struct tp_table *table);
/* Beside tables: not written where they are JSON. */
void
tp_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Around a command: its tables are one JSON document. */
void
tp_output_begin(bool json);
void
tp_output_end(void);
bool
tp_output_is_json(void);
/* Tables that are printed again and again, with rates. */
void
tp_rates_begin(void);
void
tp_rates_end(void);

/* progress.c: a line at the terminal, ten times a second; end takes it away. */
void
tp_progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void
tp_progress_end(void);

/* "12.5 us" for 12500: three significant digits at least. */
const char *
tp_ns_str(char *buf, size_t size, double ns);

/* json.c: a quoted string; and a file that has one object. 0 or tp_fail(). */
void
tp_json_string(FILE *f, const char *text);
int
tp_json_begin(const char *path, FILE **f);
int
tp_json_end(const char *path, FILE *f);

/* script.c */
int
tp_script_file(const char *path, bool echo);
int
tp_script_stdin(bool keep_going);

/* prompt.c */
int
tp_prompt_run(void);
/* The user is at the prompt, and not a file. */
bool
tp_prompt_is_on(void);
/* He has pressed a key while a command runs: it is taken. */
bool
tp_prompt_key(void);

/* service.c; the rest of it is in tp_service.h */
uint64_t
tp_now_ns(void);
/* Sleep, unless interrupted: -EINTR. */
int
tp_sleep(uint64_t ns);

#endif /* _TESTPMD_H_ */
