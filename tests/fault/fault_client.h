/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _FAULT_CLIENT_H_
#define _FAULT_CLIENT_H_

#include <stdbool.h>
#include <stdint.h>

#include "vfio_user_proto.h"

/*
 * A vfio-user client that does not mind what happens to it: what it asks for returns 0, the errno
 * of the reply, or -1 if the server has hung up. A server that says nothing for 20 s fails the
 * test.
 */

#define CLIENT_MEM_SIZE 0x10000u

struct client {
	int sock;
	uint16_t id;
	struct vfio_user_header hdr; /* of the newest reply */
	uint8_t data[65536];
	int fds[16];
	unsigned int n_fds;
	unsigned int n_requests; /* of the server's */
};

/** Connect to the path, or take a connected socket if it is not -1. */
int
client_open(struct client *c, const char *path, int sock);
void
client_close(struct client *c);
int
client_call(struct client *c, uint16_t command, const void *data, uint32_t len);
int
client_reg_write(struct client *c, uint32_t region, uint64_t off, const void *val, uint32_t len);
/** BAR 0. */
int
client_reg_write32(struct client *c, uint64_t off, uint32_t val);
/** CLIENT_MEM_SIZE bytes, of a file or, -1, by request: then they are read as zeros. */
int
client_dma_map(struct client *c, uint64_t iova, int fd);
/** VFIO_IRQ_SET_DATA_* for MSI-X vectors from 0; fds: NULL or n. */
int
client_irqs_set(struct client *c, uint32_t what, const int *fds, uint32_t n);

#endif /* _FAULT_CLIENT_H_ */
