/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _SANDBOX_H_
#define _SANDBOX_H_

/*
 * From here on all threads of this process make only the system calls that serving a client takes:
 * any other one kills the process (SIGSYS). There is no way back. No file can be opened, no
 * connection or process made, no memory made executable. All threads must have been started.
 *
 * 0, or a negative errno value: the kernel has no seccomp.
 */
int
sandbox_enter(void);

#endif /* _SANDBOX_H_ */
