/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <dlfcn.h>
#include <link.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

#define MAX_LIBRARIES 8

static struct {
	uintptr_t begin, end;
} libraries[MAX_LIBRARIES];
static unsigned int n_libraries;

static struct {
	_Atomic(const char *) function;
	_Atomic(const void *) caller;
	_Atomic(const int *) ways; /* errors, ended by 0; NULL: so far none that could fail */
	atomic_uint calls;         /* of those that could */
	atomic_uint failed;        /* ways: bits */
} sites[FAULT_MAX_SITES];

/* The second one is one that only the first can lead to. */
static struct {
	atomic_uint site, nth, way;
	atomic_bool came;
} armed[2] = { { .site = FAULT_MAX_SITES }, { .site = FAULT_MAX_SITES } };

static int
add_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *const *names = arg, *base = strrchr(info->dlpi_name, '/');
	unsigned int i;

	(void)size;
	base = base != NULL ? base + 1 : info->dlpi_name;
	for (; *names != NULL; names++)
		if (strncmp(base, *names, strlen(*names)) == 0 && n_libraries < MAX_LIBRARIES)
			for (i = 0; i < info->dlpi_phnum; i++)
				if (info->dlpi_phdr[i].p_type == PT_LOAD &&
					(info->dlpi_phdr[i].p_flags & PF_X) != 0) {
					libraries[n_libraries].begin =
						info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
					libraries[n_libraries].end = libraries[n_libraries].begin +
					                             info->dlpi_phdr[i].p_memsz;
					n_libraries++;
				}
	return 0;
}

void
fault_init(const char *const *names)
{
	dl_iterate_phdr(add_library, (void *)(uintptr_t)names);
}

bool
fault_is_ours(const void *caller)
{
	unsigned int i;

	for (i = 0; i < n_libraries; i++)
		if ((uintptr_t)caller >= libraries[i].begin && (uintptr_t)caller < libraries[i].end)
			return true;
	return false;
}

/*
 * Several threads may come to a new one at once. A function that ends in two calls has one caller
 * for both.
 */
static unsigned int
find_site(const char *function, const void *caller)
{
	const void *none = NULL;
	unsigned int i;

	for (i = 0; i < FAULT_MAX_SITES; i++) {
		none = NULL;
		if (atomic_load(&sites[i].caller) == NULL &&
			atomic_compare_exchange_strong(&sites[i].caller, &none, caller)) {
			atomic_store(&sites[i].function, function);
			return i;
		}
		while (atomic_load(&sites[i].function) == NULL)
			sched_yield();
		if (atomic_load(&sites[i].caller) == caller &&
			atomic_load(&sites[i].function) == function)
			return i;
	}
	abort();
}

int
fault_here(const char *function, const void *caller, const int *ways)
{
	unsigned int i, k, n, way;

	if (!fault_is_ours(caller))
		return 0;
	i = find_site(function, caller);
	if (ways == NULL)
		return 0;
	atomic_store(&sites[i].ways, ways);
	n = atomic_fetch_add(&sites[i].calls, 1) + 1;
	for (k = 0; k < 2; k++)
		if (i == atomic_load(&armed[k].site) && n == atomic_load(&armed[k].nth)) {
			atomic_store(&armed[k].came, true);
			way = atomic_load(&armed[k].way);
			atomic_fetch_or(&sites[i].failed, 1u << way);
			return ways[way];
		}
	return 0;
}

unsigned int
fault_n_sites(void)
{
	unsigned int n = 0;

	while (n < FAULT_MAX_SITES && atomic_load(&sites[n].caller) != NULL)
		n++;
	return n;
}

struct fault_site
fault_site_get(unsigned int i)
{
	return (struct fault_site){ atomic_load(&sites[i].function), atomic_load(&sites[i].caller),
		atomic_load(&sites[i].calls), atomic_load(&sites[i].failed) };
}

void
fault_count_from_0(void)
{
	unsigned int i;

	for (i = 0; i < FAULT_MAX_SITES; i++)
		atomic_store(&sites[i].calls, 0);
}

int
fault_error(unsigned int i, unsigned int way)
{
	return atomic_load(&sites[i].ways)[way];
}

void
fault_arm(unsigned int k, unsigned int i, unsigned int nth, unsigned int way)
{
	atomic_store(&armed[k].came, false);
	atomic_store(&armed[k].nth, nth);
	atomic_store(&armed[k].way, way);
	atomic_store(&armed[k].site, i);
}

unsigned int
fault_n_ways(unsigned int i)
{
	const int *ways = atomic_load(&sites[i].ways);
	unsigned int n = 0;

	while (ways != NULL && ways[n] != 0)
		n++;
	return n;
}

bool
fault_disarm(unsigned int k)
{
	atomic_store(&armed[k].site, FAULT_MAX_SITES);
	return atomic_load(&armed[k].came);
}

const char *
fault_site_name(unsigned int i)
{
	static char name[256];
	const void *caller = atomic_load(&sites[i].caller);
	const char *base;
	Dl_info info;

	if (dladdr(caller, &info) == 0)
		return sites[i].function;
	base = strrchr(info.dli_fname, '/');
	snprintf(name, sizeof(name), "%s (%s+%#lx)", sites[i].function,
		base != NULL ? base + 1 : info.dli_fname,
		(unsigned long)((uintptr_t)caller - (uintptr_t)info.dli_fbase));
	return name;
}

void
fault_report(const char *path)
{
	const char *base;
	unsigned int i;
	Dl_info info;
	FILE *f;

	f = fopen(path, "w");
	if (f == NULL)
		abort();
	for (i = 0; i < fault_n_sites(); i++) {
		if (dladdr(atomic_load(&sites[i].caller), &info) == 0)
			continue;
		base = strrchr(info.dli_fname, '/');
		base = base != NULL ? base + 1 : info.dli_fname;
		fprintf(f, "%.*s.so %#lx %s %u %u\n", (int)strcspn(base, "."), base,
			(unsigned long)((uintptr_t)atomic_load(&sites[i].caller) -
					(uintptr_t)info.dli_fbase),
			atomic_load(&sites[i].function), fault_n_ways(i),
			(unsigned int)__builtin_popcount(atomic_load(&sites[i].failed)));
	}
	fclose(f);
}
