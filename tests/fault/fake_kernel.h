/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _FAKE_KERNEL_H_
#define _FAKE_KERNEL_H_

#include <stdbool.h>

#define FAKE_BDF    "0000:3b:00.0"
#define FAKE_VENDOR 0x1234
#define FAKE_DEVICE 0xfa17
#define FAKE_N_VECS 4

extern struct fake_kernel {
	bool no_iommufd; /* groups and containers only */
	bool msix;       /* MSI-X vectors, not MSI */
	/* Eventfds that it signals. */
	int fds[FAKE_N_VECS];
	int err_fd;
} fake_kernel;

/** Its files, and their end. */
void
fake_kernel_make(void);
void
fake_kernel_remove(void);

#endif /* _FAKE_KERNEL_H_ */
