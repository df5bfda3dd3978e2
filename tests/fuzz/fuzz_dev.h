/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _FUZZ_DEV_H_
#define _FUZZ_DEV_H_

#include <linux/pci_regs.h>

#include "fuzz.h"
#include "ims_private.h"

/*
 * A device in this process that answers what the input says. rte_ims_dev_open() of any name opens
 * it: the target is linked with the library, and with --wrap for what fuzz_dev.c stands for.
 */
struct fuzz_dev {
	struct ims_vfio v; /* first */
	struct fuzz_in *in;
	uint8_t cfg[PCI_CFG_SPACE_SIZE];
	/* What a BAR holds: exactly as long, so that a sanitizer sees an access beyond it. */
	uint8_t *mem[PCI_STD_NUM_BARS];
	/* A trapped access to a BAR, instead of to memory. */
	int (*access)(uint32_t bar, uint64_t off, void *buf, size_t len, bool write);
	/* The kernel, or the peer, has been asked to signal fds. */
	int (*irq_set)(uint32_t index, uint32_t start, uint32_t count, const int *fds);
	void (*reset)(void);
	uint8_t n_fail; /* so many accesses and requests fail with ... */
	int fail;
	uint8_t n_lies; /* so many reads, each in the place of what is there */
	bool honest;    /* it has not failed nor lied, and nothing has been written over */
	uint32_t n_msgs;
	uint32_t next_msg;
	int first_fd; /* that is free: none is kept */
};

extern struct fuzz_dev fuzz_dev;

/* EAL without devices, and nothing logged. */
void
fuzz_dev_init(void);

/* A new device: a configuration space without capabilities, no BAR. own: it takes our messages. */
void
fuzz_dev_start(struct fuzz_in *in, bool own);
/* A BAR of that size, of which the first `mapped` bytes can be mapped. */
void
fuzz_dev_bar(uint32_t bar, uint64_t size, uint64_t mapped);
/* A device, or NULL with an rte_errno. */
struct rte_ims_dev *
fuzz_dev_open(const struct rte_ims_dev_conf *conf);
/* It has been closed: nothing of it is left, but DPDK memory if it was not honest. */
void
fuzz_dev_end(void);

/* One request of those that may fail. */
int
fuzz_dev_answer(void);
/* The next n_fail accesses fail, the next n_lies reads are any bytes. */
void
fuzz_dev_misbehave(uint8_t n_fail, uint8_t fail, uint8_t n_lies);

/* All of it is one piece of DPDK memory: what a driver may tell a device of. */
bool
fuzz_dev_memory(uint64_t addr, size_t len);

/* A result of a public function: 0, or an errno value. */
static inline void
fuzz_check_rc(int rc)
{
	fuzz_check(rc <= 0 && rc > -4096);
}

#endif /* _FUZZ_DEV_H_ */
