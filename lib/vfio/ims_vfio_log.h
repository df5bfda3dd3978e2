/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_VFIO_LOG_H_
#define _IMS_VFIO_LOG_H_

#include <rte_errno.h>
#include <rte_log.h>

extern int ims_vfio_logtype;

#define IMS_VFIO_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_##level, ims_vfio_logtype, "IMS_VFIO: " fmt "\n", ##__VA_ARGS__)

/* Set rte_errno from a negative errno value and return NULL. */
static inline void *
ims_vfio_err_ptr(int err)
{
	rte_errno = -err;
	return NULL;
}

#endif /* _IMS_VFIO_LOG_H_ */
