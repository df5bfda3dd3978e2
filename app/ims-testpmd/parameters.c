/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The options after "--". */

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "testpmd.h"

enum {
	OPT_DEV = 256,
	OPT_FILE,
};

static const struct option options[] = {
	{ "interactive", no_argument, NULL, 'i' },
	{ "help", no_argument, NULL, 'h' },
	{ "dev", required_argument, NULL, OPT_DEV },
	{ "cmdline-file", required_argument, NULL, OPT_FILE },
	{ NULL, 0, NULL, 0 },
};

void
tp_usage(const char *prgname)
{
	printf("Usage: %s [EAL options] -- [-i] [--dev NAME]... [--cmdline-file FILE]...\n"
	       "\n"
	       "  -i, --interactive    a prompt after the files; the default without files when\n"
	       "                       stdin is a terminal, else commands are read from stdin\n"
	       "  --dev NAME           open a device first: emu:MODEL[,key=value...],\n"
	       "                       vfio-user:PATH; may be repeated\n"
	       "  --cmdline-file FILE  run the commands of a file; the first that fails ends the\n"
	       "                       program with exit code 1; may be repeated\n"
	       "  -h, --help           this text; the command help lists all commands\n"
	       "\n"
	       "Without hugepages, root or a device:\n"
	       "  %s --no-huge --no-pci --no-shconf -m 64 -l 0,1 -- -i --dev emu:timer_ims\n",
		prgname, prgname);
}

static int
list_add(const char **list, unsigned int *n, const char *option, const char *arg)
{
	if (*n == TP_MAX_OPTIONS) {
		fprintf(stderr, "ims-testpmd: more than %u %s\n", TP_MAX_OPTIONS, option);
		return -E2BIG;
	}
	list[(*n)++] = arg;
	return 0;
}

/* 0, 1: help was asked for and given, or a negative errno value after a message. */
int
tp_params_parse(struct tp_params *params, int argc, char **argv)
{
	int opt, rc = 0;

	memset(params, 0, sizeof(*params));
	opterr = 0;
	optind = 1;
	while (rc == 0 && (opt = getopt_long(argc, argv, ":ih", options, NULL)) >= 0) {
		switch (opt) {
		case 'i':
			params->interactive = true;
			break;
		case 'h':
			tp_usage(argv[0]);
			return 1;
		case OPT_DEV:
			rc = list_add(params->devs, &params->n_devs, "--dev", optarg);
			break;
		case OPT_FILE:
			rc = list_add(params->files, &params->n_files, "--cmdline-file", optarg);
			break;
		case ':':
			fprintf(stderr, "ims-testpmd: %s needs a value, see --help\n",
				argv[optind - 1]);
			return -EINVAL;
		default:
			fprintf(stderr, "ims-testpmd: no such option: %s, see --help\n",
				argv[optind - 1]);
			return -EINVAL;
		}
	}
	if (rc == 0 && optind < argc) {
		fprintf(stderr, "ims-testpmd: unexpected argument: %s, see --help\n", argv[optind]);
		return -EINVAL;
	}
	return rc;
}
