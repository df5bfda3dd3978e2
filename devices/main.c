/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* ims-devsrv: a process that plays a device. */

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "model.h"
#include "sandbox.h"
#include "watcher.h"

/* lib/vfio/ims_vfio_user.c tells these apart. */
#define EXIT_FAILED  1
#define EXIT_BAD_OPT 2
#define EXIT_UNKNOWN 3

static const struct model *const models[] = { &timer_ims_model, &queue_dev_model };

#define N_MODELS (sizeof(models) / sizeof(models[0]))

struct params {
	char *model; /* "NAME[,key=value...]" */
	const char *socket;
	int listener; /* -1: make one */
	int fd;
	unsigned int mode;
	bool trace;
	bool dump_config;
	bool seccomp;
};

struct server {
	const struct model *model;
	void *priv;
	struct vfu *vfu;
	struct watched *watched;
	int sigfd;
};

/* The command line, for who takes this process' place: parsers cut up what they are given. */
static char **command;

static void
usage(FILE *f)
{
	size_t i;

	fprintf(f,
		"usage: ims-devsrv --model NAME[,key=value...] (--socket PATH [--listener N] | --fd N) "
		"[--mode 0600] [--trace] [--seccomp on|off]\n"
		"       ims-devsrv --model NAME[,key=value...] --dump-config\n"
		"       ims-devsrv --version | --help\n"
		"Plays a device for a vfio-user client. SIGTERM ends it, SIGUSR1 has it print its "
		"counters.\n");
	for (i = 0; i < N_MODELS; i++)
		fprintf(f, "model %s:\n%s", models[i]->name, models[i]->help);
}

static int
bad(const char *what, const char *val, const char *expected)
{
	fprintf(stderr, "ims-devsrv: %s '%s': expected %s\n", what, val, expected);
	return EXIT_BAD_OPT;
}

static bool
parse_fd(const char *text, int *fd)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < 0 || n > 65535)
		return false;
	*fd = n;
	return true;
}

/* -1: go on; else the exit status. */
static int
parse(int argc, char **argv, struct params *p)
{
	enum {
		MODEL = 1,
		SOCKET,
		LISTENER,
		FD,
		MODE,
		TRACE,
		DUMP_CONFIG,
		SECCOMP,
		VERSION,
		HELP
	};
	static const struct option opts[] = {
		{ "model", required_argument, NULL, MODEL },
		{ "socket", required_argument, NULL, SOCKET },
		{ "listener", required_argument, NULL, LISTENER },
		{ "fd", required_argument, NULL, FD },
		{ "mode", required_argument, NULL, MODE },
		{ "trace", no_argument, NULL, TRACE },
		{ "dump-config", no_argument, NULL, DUMP_CONFIG },
		{ "seccomp", required_argument, NULL, SECCOMP },
		{ "version", no_argument, NULL, VERSION },
		{ "help", no_argument, NULL, HELP },
		{ 0 },
	};
	char *end;
	long n;
	int c;

	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		switch (c) {
		case MODEL:
			p->model = optarg;
			break;
		case SOCKET:
			p->socket = optarg;
			break;
		case LISTENER:
			if (!parse_fd(optarg, &p->listener))
				return bad("--listener", optarg, "the number of an open socket");
			break;
		case FD:
			if (!parse_fd(optarg, &p->fd))
				return bad("--fd", optarg, "the number of an open socket");
			break;
		case MODE:
			n = strtol(optarg, &end, 8);
			if (*optarg == '\0' || *end != '\0' || n < 0 || n > 0777)
				return bad("--mode", optarg, "an octal file mode such as 0600");
			p->mode = n;
			break;
		case TRACE:
			p->trace = true;
			break;
		case DUMP_CONFIG:
			p->dump_config = true;
			break;
		case SECCOMP:
			p->seccomp = strcmp(optarg, "on") == 0;
			if (!p->seccomp && strcmp(optarg, "off") != 0)
				return bad("--seccomp", optarg, "on or off");
			break;
		case VERSION:
			printf("ims-devsrv %s\n", IMS_VERSION);
			return 0;
		case HELP:
			usage(stdout);
			return 0;
		default:
			fprintf(stderr, "ims-devsrv: try --help\n");
			return EXIT_BAD_OPT;
		}
	}
	if (optind < argc)
		return bad("argument", argv[optind], "options only");
	if (p->model == NULL)
		return bad("--model", "", "a model's name; try --help");
	if (!p->dump_config && (p->socket == NULL) == (p->fd < 0))
		return bad("--socket and --fd", "", "one of them");
	if (p->listener >= 0 && p->socket == NULL)
		return bad("--listener", "", "the path that it is bound to as --socket");
	return -1;
}

/* As lspci -F reads it. */
static void
dump_config(struct vfu *vfu, const char *name)
{
	uint8_t config[256];
	unsigned int i;

	vfu_config_get(vfu, config);
	printf("00:00.0 %s", name);
	for (i = 0; i < sizeof(config); i++) {
		if (i % 16 == 0)
			printf("\n%02x:", i);
		printf(" %02x", config[i]);
	}
	printf("\n");
}

static void
stop(struct server *s)
{
	if (s->watched != NULL)
		atomic_store(&s->watched->ending, true);
	vfu_stop(s->vfu);
}

static void
on_signal(void *arg)
{
	struct server *s = arg;
	struct signalfd_siginfo info;

	if (read(s->sigfd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR1)
		s->model->dump(s->priv);
	else
		stop(s);
}

/* Before any thread is started, so that all have these blocked. */
static int
block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	signal(SIGPIPE, SIG_IGN); /* a client's eventfd may be a pipe that nobody reads */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* A parent that is an lcore has pinned itself, but not its devices. */
static void
unpin(void)
{
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all));
	/* If that is not allowed, we stay where we are. */
	if (sched_setaffinity(0, sizeof(all), &all) < 0)
		return;
}

static const struct model *
find_model(const char *name)
{
	size_t i;

	for (i = 0; i < N_MODELS; i++)
		if (strcmp(models[i]->name, name) == 0)
			return models[i];
	fprintf(stderr, "ims-devsrv: unknown model '%s' (known:", name);
	for (i = 0; i < N_MODELS; i++)
		fprintf(stderr, " %s", models[i]->name);
	fprintf(stderr, ")\n");
	return NULL;
}

/* Not by stdout, which would ask what kind of file it is first: no call for the sandbox. */
static void
say_ready(const char *model, const char *path)
{
	char line[256];
	int len;

	len = snprintf(line, sizeof(line), "ims-devsrv: %s ready on %s\n", model, path);
	if (write(STDOUT_FILENO, line, len) < 0)
		return; /* nobody waits for it */
}

/* With room for --listener N. False: no memory. */
static bool
command_keep(int argc, char **argv)
{
	int i;

	command = calloc(argc + 3, sizeof(*command));
	if (command == NULL)
		return false;
	for (i = 0; i < argc; i++) {
		command[i] = strdup(argv[i]);
		if (command[i] == NULL)
			return false;
	}
	return true;
}

static int
is_listener(int fd)
{
	int is = 0;
	socklen_t len = sizeof(is);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is, &len) < 0)
		return -errno;
	return is ? 0 : -EINVAL;
}

static int
listen_at(struct server *s, const struct params *p)
{
	int rc;

	if (p->listener < 0)
		return vfu_listen(s->vfu, p->socket, p->mode);
	rc = is_listener(p->listener);
	return rc != 0 ? rc : vfu_listen_on(s->vfu, p->listener, p->socket);
}

static int
be_watched(struct server *s)
{
	static char option[] = "--listener", number[16];
	char **end = command;

	snprintf(number, sizeof(number), "%d", vfu_listener(s->vfu));
	while (*end != NULL)
		end++;
	end[0] = option;
	end[1] = number;
	s->watched = watcher_start(vfu_listener(s->vfu), command);
	if (s->watched == NULL)
		return -errno;
	vfu_count_accepted(s->vfu, &s->watched->accepted);
	return 0;
}

static int
serve(struct server *s, const struct params *p)
{
	int rc;

	if (access("/proc/self/fd", F_OK) < 0) {
		fprintf(stderr, "ims-devsrv: /proc: %s; it tells eventfds of a client from files\n",
			strerror(errno));
		return EXIT_FAILED;
	}
	rc = p->socket != NULL ? listen_at(s, p) : vfu_attach(s->vfu, p->fd);
	if (rc == 0 && p->socket != NULL)
		rc = be_watched(s);
	if (rc == 0)
		rc = vfu_watch(s->vfu, s->sigfd, on_signal, s);
	if (rc != 0) {
		fprintf(stderr, "ims-devsrv: %s: %s\n", p->socket != NULL ? p->socket : "--fd",
			strerror(-rc));
		return EXIT_FAILED;
	}
	rc = p->seccomp ? sandbox_enter() : 0;
	if (rc != 0) {
		fprintf(stderr, "ims-devsrv: seccomp: %s; --seccomp off serves without it\n",
			strerror(-rc));
		return EXIT_FAILED;
	}
	if (p->socket != NULL && p->listener < 0)
		say_ready(s->model->name, p->socket);
	vfu_run(s->vfu);
	return 0;
}

int
main(int argc, char **argv)
{
	struct params p = { .listener = -1, .fd = -1, .mode = 0600, .seccomp = IMS_SECCOMP };
	struct model_opts opts = { 0 };
	struct server s = { 0 };
	int rc;

	if (!command_keep(argc, argv)) {
		fprintf(stderr, "ims-devsrv: %s\n", strerror(ENOMEM));
		return EXIT_FAILED;
	}
	rc = parse(argc, argv, &p);
	if (rc >= 0)
		return rc;
	opts.args = strchr(p.model, ',');
	if (opts.args != NULL)
		*opts.args++ = '\0';
	opts.trace = p.trace;
	s.model = find_model(p.model);
	if (s.model == NULL)
		return EXIT_UNKNOWN;
	/* One heap: before free() trims that of another thread it opens a file, in the sandbox. */
	mallopt(M_ARENA_MAX, 1);
	if (p.fd >= 0)
		unpin();
	s.sigfd = block_signals();
	if (s.sigfd < 0) {
		fprintf(stderr, "ims-devsrv: signals: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	s.priv = s.model->create(&opts);
	if (s.priv == NULL) {
		fprintf(stderr, "ims-devsrv: model %s: %s\n", p.model, opts.error);
		return EXIT_BAD_OPT;
	}
	s.vfu = s.model->vfu(s.priv);
	if (p.dump_config)
		dump_config(s.vfu, p.model);
	else
		rc = serve(&s, &p);
	s.model->destroy(s.priv);
	close(s.sigfd);
	return rc > 0 ? rc : 0;
}
