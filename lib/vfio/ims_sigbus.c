/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A mapped BAR can go from under its user: the kernel takes the pages away when the function's
 * memory is disabled or the device is gone, a vfio-user server can cut its file short. The next
 * access would be a SIGBUS, and the end of the application for what one device did.
 *
 * Here it becomes what a PCI bus does: the faulting page is replaced by memory that reads as all
 * ones, and the device counts as removed. The handler runs in the thread that made the access, at
 * the access: nothing that it uses is in the middle of being changed by that thread. Faults
 * elsewhere go to the handler that was there before.
 */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ims_vfio.h"
#include "ims_vfio_log.h"

#define MAX_AREAS 1024

/* Read by the handler without a lock: addr is stored last, and cleared first. */
struct guarded {
	_Atomic(uintptr_t) addr;
	_Atomic(size_t) size;
	_Atomic(struct ims_vfio *) vfio;
};

static struct guarded areas[MAX_AREAS];
static pthread_mutex_t areas_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int n_areas;
static struct sigaction before;
static uintptr_t page_size;

static struct ims_vfio *
find(uintptr_t addr)
{
	uintptr_t start;
	unsigned int i;

	for (i = 0; i < MAX_AREAS; i++) {
		start = atomic_load(&areas[i].addr);
		if (start != 0 && addr >= start && addr - start < atomic_load(&areas[i].size))
			return atomic_load(&areas[i].vfio);
	}
	return NULL;
}

static void
pass_on(int sig, siginfo_t *info, void *context)
{
	if ((before.sa_flags & SA_SIGINFO) != 0)
		before.sa_sigaction(sig, info, context);
	else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
		before.sa_handler(sig);
	else
		/* The access is made again, and has the effect it always had. */
		signal(SIGBUS, SIG_DFL);
}

static void
on_sigbus(int sig, siginfo_t *info, void *context)
{
	void *page = (void *)((uintptr_t)info->si_addr & ~(page_size - 1));
	struct ims_vfio *v = find((uintptr_t)info->si_addr);
	int err = errno;

	if (v == NULL) {
		pass_on(sig, info, context);
		return;
	}
	if (mmap(page, page_size, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED) {
		pass_on(sig, info, context);
		return;
	}
	memset(page, 0xff, page_size);
	ims_vfio_set_removed(v);
	errno = err;
}

static void
install(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	page_size = sysconf(_SC_PAGESIZE);
	sigemptyset(&sa.sa_mask);
	if (sigaction(SIGBUS, &sa, &before) < 0)
		IMS_VFIO_LOG(WARNING, "no handler for SIGBUS: %s", strerror(errno));
}

/* Somebody may have put another handler over ours, and calls it: then it stays. */
static void
uninstall(void)
{
	struct sigaction now;

	if (sigaction(SIGBUS, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
		now.sa_sigaction == on_sigbus)
		sigaction(SIGBUS, &before, NULL);
}

void
ims_sigbus_guard(struct ims_vfio *v, void *addr, size_t size)
{
	unsigned int i;

	pthread_mutex_lock(&areas_lock);
	for (i = 0; i < MAX_AREAS && atomic_load(&areas[i].addr) != 0; i++)
		;
	if (i < MAX_AREAS) {
		if (n_areas++ == 0)
			install();
		atomic_store(&areas[i].vfio, v);
		atomic_store(&areas[i].size, size);
		atomic_store(&areas[i].addr, (uintptr_t)addr);
	} else {
		IMS_VFIO_LOG(WARNING, "%s: too many mappings, this one's end is a SIGBUS", v->name);
	}
	pthread_mutex_unlock(&areas_lock);
}

void
ims_sigbus_unguard(void *addr)
{
	unsigned int i;

	pthread_mutex_lock(&areas_lock);
	for (i = 0; i < MAX_AREAS && atomic_load(&areas[i].addr) != (uintptr_t)addr; i++)
		;
	if (i < MAX_AREAS) {
		atomic_store(&areas[i].addr, 0);
		if (--n_areas == 0)
			uninstall();
	}
	pthread_mutex_unlock(&areas_lock);
}
