/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Without libFuzzer: a target, run with each file of the directories given, in the order of names.
 */

#include <dirent.h>
#include <stdio.h>

#include "fuzz.h"

#define REPLAY_MAX (1u << 20)

__attribute__((weak)) int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	return 0;
}

static int
replay_file(const char *path)
{
	static uint8_t buf[REPLAY_MAX];
	FILE *f = fopen(path, "re");
	uint8_t *copy;
	size_t len;

	if (f == NULL) {
		perror(path);
		return 1;
	}
	len = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	/* Of exactly this size: a sanitizer sees an access beyond it. */
	copy = malloc(len + (len == 0));
	if (copy == NULL)
		return 1;
	memcpy(copy, buf, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
	return 0;
}

static int
not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int
main(int argc, char **argv)
{
	struct dirent **names;
	char path[4096];
	unsigned int done = 0;
	int i, k, n;

	LLVMFuzzerInitialize(&argc, &argv);
	for (i = 1; i < argc; i++) {
		n = scandir(argv[i], &names, not_hidden, alphasort);
		if (n < 0) {
			perror(argv[i]);
			return 1;
		}
		for (k = 0; k < n; k++) {
			snprintf(path, sizeof(path), "%s/%s", argv[i], names[k]->d_name);
			if (replay_file(path) != 0)
				return 1;
			free(names[k]);
			done++;
		}
		free(names);
	}
	printf("%u inputs\n", done);
	return done == 0;
}
