/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* All that hardening.sh looks for, so that it is seen to find it. */

#include <stdlib.h>
#include <string.h>

int
main(int argc, char **argv)
{
	char name[64];

	strncpy(name, argv[argc - 1], sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	return system(name);
}
