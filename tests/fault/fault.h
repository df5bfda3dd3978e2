/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _FAULT_H_
#define _FAULT_H_

#include <stdbool.h>
#include <stdint.h>

/*
 * Calls that this project's libraries make into libc, the kernel and DPDK, and that can fail: this program
 * has functions of the same names, which the dynamic linker finds first. A site is a place in a library
 * that calls one, known by its return address. All calls go through until one is armed.
 */

struct fault_site {
	const char *function;
	const void *caller;
	unsigned int calls; /* since fault_count_from_0() */
};

/** The libraries are those whose file names begin with one of these. Before anything else. */
void
fault_init(const char *const *libraries);

/** Sites that have been seen. */
unsigned int
fault_n_sites(void);
struct fault_site
fault_site_get(unsigned int i);

void
fault_count_from_0(void);

/** The nth call (from 1) of site i from now on fails, in its way number `way`. */
void
fault_arm(unsigned int i, unsigned int nth, unsigned int way);
/** How many ways its function has to fail. */
unsigned int
fault_n_ways(unsigned int i);
/** @return the armed call came. */
bool
fault_disarm(void);

/** Memory that the libraries allocate from now on is to be free again by the end. */
void
fault_life_begins(void);
/** The site that has allocated what is not free; NULL: there is none, or a sanitizer has its own malloc(). */
const char *
fault_left(void);

/** "calloc (librte_ims.so+0x1234)" */
const char *
fault_site_name(unsigned int i);

#endif /* _FAULT_H_ */
