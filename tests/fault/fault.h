/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _FAULT_H_
#define _FAULT_H_

#include <stdbool.h>
#include <stdint.h>

#define FAULT_MAX_SITES 1024

/*
 * Calls that this project's libraries make into libc, the kernel and DPDK, and that can fail: this
 * program has functions of the same names, which the dynamic linker finds first. A site is a place
 * in a library that calls one, known by its return address. All calls go through until one is
 * armed.
 */

struct fault_site {
	const char *function;
	const void *caller;
	unsigned int calls;  /* that could fail, since fault_count_from_0() */
	unsigned int failed; /* in which ways, ever: a bit for each */
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

/**
 * The nth call (from 1) of site i since fault_count_from_0() fails, in its way number `way`. There
 * are two: k.
 */
void
fault_arm(unsigned int k, unsigned int i, unsigned int nth, unsigned int way);
/** How many ways it has to fail; 0: no call of it could so far. */
unsigned int
fault_n_ways(unsigned int i);
/** The error of one of them. */
int
fault_error(unsigned int i, unsigned int way);
/** @return the armed call came. */
bool
fault_disarm(unsigned int k);

/**
 * For fault.py: library, address, function, ways to fail and in how many of them it has, a line for
 * each site.
 */
void
fault_report(const char *path);

/** Memory that the libraries allocate from now on is to be free again by the end. */
void
fault_life_begins(void);
/** The site that has allocated what is not free; NULL: there is none. */
const char *
fault_left(void);

/** "calloc (librte_ims.so+0x1234)" */
const char *
fault_site_name(unsigned int i);

/* For the wrappers. */

/** Called from one of the libraries. */
bool
fault_is_ours(const void *caller);

/**
 * One more call of a site; ways NULL: that cannot fail. @return 0: go on; or the error to fail
 * with.
 */
int
fault_here(const char *function, const void *caller, const int *ways);

/**
 * Where a file that a library asks for is: what the kernel would have of a device, a life may have
 * itself.
 */
const char *
fault_path(const void *caller, const char *path);

#endif /* _FAULT_H_ */
