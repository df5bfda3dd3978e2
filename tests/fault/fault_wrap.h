/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _FAULT_WRAP_H_
#define _FAULT_WRAP_H_

#include <stddef.h>

#include <rte_memory.h>

/** A telemetry command of the library, without a socket. @return its result; -ENOENT. */
int
fault_telemetry(const char *cmd, const char *params);

/** Memory comes or goes, as the last device that was opened is told. */
void
fault_mem_event(enum rte_mem_event event, const void *addr, size_t len);

#endif /* _FAULT_WRAP_H_ */
