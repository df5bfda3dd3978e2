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
#include <sys/resource.h>
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
	struct watched *watched; /* NULL: --fd */
	int listener;
	int sigfd;
};

static void
usage(FILE *f)
{
	size_t i;

	fprintf(f,
		"usage: ims-devsrv --model NAME[,key=value...] (--socket PATH | --fd N) "
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

/* -1: go on; else the exit status. */
static int
parse(int argc, char **argv, struct params *p)
{
	enum {
		MODEL = 1,
		SOCKET,
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
		case FD:
			n = strtol(optarg, &end, 10);
			if (*optarg == '\0' || *end != '\0' || n < 0 || n > 65535)
				return bad("--fd", optarg, "the number of an open socket");
			p->fd = n;
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
on_signal(void *arg)
{
	struct server *s = arg;
	struct signalfd_siginfo info;

	if (read(s->sigfd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR1)
		s->model->dump(s->priv);
	else
		vfu_stop(s->vfu);
}

/* Before any thread or process is started, so that all have these blocked. */
static void
block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGUSR1);
	sigprocmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN); /* a client's eventfd may be a pipe that nobody reads */
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

/*
 * As many descriptors as this process may have: clients' that nobody can close count, too.
 * If that is not allowed, fewer will do.
 */
static void
raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
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

static int
serve(struct server *s, const struct params *p)
{
	int rc;

	if (access("/proc/self/fd", F_OK) < 0) {
		fprintf(stderr, "ims-devsrv: /proc: %s; it tells eventfds of a client from files\n",
			strerror(errno));
		return EXIT_FAILED;
	}
	rc = s->watched != NULL ? vfu_listen_on(s->vfu, s->listener) : vfu_attach(s->vfu, p->fd);
	if (rc == 0)
		rc = vfu_watch(s->vfu, s->sigfd, on_signal, s);
	if (rc != 0) {
		fprintf(stderr, "ims-devsrv: %s: %s\n", p->socket != NULL ? p->socket : "--fd",
			strerror(-rc));
		return EXIT_FAILED;
	}
	if (s->watched != NULL)
		vfu_count_progress(s->vfu, &s->watched->progress);
	rc = p->seccomp ? sandbox_enter() : 0;
	if (rc != 0) {
		fprintf(stderr, "ims-devsrv: seccomp: %s; --seccomp off serves without it\n",
			strerror(-rc));
		return EXIT_FAILED;
	}
	if (s->watched != NULL && !atomic_exchange(&s->watched->announced, true))
		say_ready(s->model->name, p->socket);
	vfu_run(s->vfu);
	return 0;
}

/* -1: this process is to serve; else the exit status. */
static int
be_watched(struct server *s, const struct params *p)
{
	struct vfu_file file;

	s->listener = vfu_bind(p->socket, p->mode, &file);
	if (s->listener < 0) {
		fprintf(stderr, "ims-devsrv: %s: %s\n", p->socket, strerror(-s->listener));
		return EXIT_FAILED;
	}
	return watcher_run(s->listener, &file, &s->watched);
}

int
main(int argc, char **argv)
{
	struct params p = { .fd = -1, .mode = 0600, .seccomp = IMS_SECCOMP };
	struct model_opts opts = { 0 };
	struct server s = { 0 };
	sigset_t signals;
	int rc;

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
	raise_limit();
	block_signals(&signals);
	rc = p.socket != NULL && !p.dump_config ? be_watched(&s, &p) : -1;
	if (rc >= 0)
		return rc;
	s.sigfd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
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
