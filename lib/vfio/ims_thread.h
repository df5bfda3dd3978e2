/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_THREAD_H_
#define _IMS_THREAD_H_

/* A DPDK control thread, off the lcores' CPUs where there are others, by whatever name it has. */

#include <errno.h>

#include <pthread.h>
#include <rte_lcore.h>
#include <rte_version.h>

#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
#include <rte_thread.h>

static inline int
ims_thread_create(pthread_t *thread, const char *name, rte_thread_func fn, void *arg)
{
	rte_thread_t id;
	int rc;

	rc = rte_thread_create_control(&id, name, fn, arg);
	*thread = (pthread_t)id.opaque_id;
	return rc > 0 ? -rc : rc;
}

#define IMS_THREAD_RET      uint32_t
#define IMS_THREAD_RET_NONE 0
#else
static inline int
ims_thread_create(pthread_t *thread, const char *name, void *(*fn)(void *), void *arg)
{
	int rc;

	rc = rte_ctrl_thread_create(thread, name, NULL, fn, arg);
	return rc > 0 ? -rc : rc;
}

#define IMS_THREAD_RET      void *
#define IMS_THREAD_RET_NONE NULL
#endif

#endif /* _IMS_THREAD_H_ */
