/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _DMA_H_
#define _DMA_H_

/* A device that is made to ask for memory, by the recipe that the user tells. */

#include "requests.h"

#define MAX_STEPS 16
#define COUNT     64u /* bytes, if the device can be told how many */

/* One access to a register. */
struct step {
	struct vfio_user_region_access acc;
	uint64_t value;
	bool iova;  /* the value is the address, */
	bool count; /* or the number of bytes */
};

struct recipe {
	const char *name;
	uint16_t command;
	uint32_t n_steps;
	struct step steps[MAX_STEPS];
	bool blocks; /* the server answers nothing while it waits for a reply */
	bool has_result;
	struct step result; /* reads 0 while it is under way, 1: done, else failed */
};

#define N_RECIPES 2u
extern struct recipe recipes[N_RECIPES];
extern struct recipe *recipe; /* of the case */

/* What the server has asked for. */
struct asked {
	struct vfio_user_header hdr;
	struct vfio_user_dma_access acc;
	uint32_t len; /* of its payload; 0: it has not */
	unsigned int n_fds;
};
extern struct asked asked;
extern bool owed; /* the reply to the recipe's last step has not come */

/*
 * The next message is its request, or the reply that is owed. 1: the request, 0: the reply, -1:
 * neither.
 */
int
next_message(void);
/* A new connection, a map without a descriptor at MAP_ADDR, and the right to master the bus. */
verdict
prepare(const char *json, uint64_t size);
/* Go through the recipe; asked.len tells whether the server has asked by then. */
verdict
provoke(uint64_t iova, uint32_t count);
/* What every request must be, whatever it is for. */
verdict
judge_request(uint64_t from, uint64_t len, uint32_t most);
/*
 * All of these: the device has asked; the write that made it ask is answered, unless that blocks.
 */
verdict
ask(void);

#endif /* _DMA_H_ */
