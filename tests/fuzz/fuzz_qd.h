/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _FUZZ_QD_H_
#define _FUZZ_QD_H_

#include "fuzz_dev.h"
#include "queue_dev_regs.h"

/*
 * A queue_dev that does what it likes with its driver's commands, and reports any numbers; and the
 * application that uses it. Time is their own.
 */

#define FAKE_HZ 1000000 /* a tick is a microsecond */
#define N_OBJS  32      /* of a kind that the device really has */
#define N_LATE  4
#define N_VECS  8

extern uint64_t now;

/* How the device does a command. */
enum how {
	HOW_WELL,
	HOW_NOT,         /* nor answered */
	HOW_SILENTLY,    /* done, and not answered */
	HOW_LATE,        /* after some naps, if it has not been forgotten by then */
	HOW_FAILED,      /* refused, and not done */
	HOW_WRONG_TOKEN, /* not done, an answer to something else */
	HOW_LAST_HONEST = HOW_WRONG_TOKEN,
	HOW_REFUSED,  /* any status, and not done */
	HOW_DENIED,   /* any status, and done */
	HOW_TOO_LATE, /* after it should have been forgotten */
	HOW_GARBAGE,  /* any answer, not done */
	HOW_WRONGLY,  /* QUERY: any answer */
	HOW_MAX,
};

struct object {
	bool there;
	struct queue_dev_ctx ctx;
};

struct fuzz_qd {
	uint8_t regs[QUEUE_DEV_CTRL_PAGE_SIZE];
	struct object special[QUEUE_DEV_N_SPECIAL], eqs[N_OBJS], queues[N_OBJS];
	bool subdevs[N_OBJS];
	struct queue_dev_cmd *cmds; /* NULL: the ring is not enabled */
	uint32_t n_cmds;
	uint32_t tail;
	uint32_t token;
	enum how how;
	uint8_t how_arg;
	uint8_t n_how; /* for so many commands */
	struct {
		struct queue_dev_cmd *entry; /* NULL: none */
		struct queue_dev_cmd cmd;
		uint8_t naps;
		bool stays; /* whatever the driver does */
	} late[N_LATE];
	bool liar;
};

extern struct fuzz_qd hw;

/* fuzz_qd_cmd.c */

/* The driver has submitted a command. */
void
take_cmd(struct queue_dev_cmd *entry);
/*
 * The ring is gone, and what was to be done later; all: with what should be forgotten, and is not.
 */
void
cmds_forget(bool all);
/* Who waits finds time passed, and late commands done. */
int
fake_nap(void);

/* fuzz_qd_dev.c */

uint32_t
reg_get(uint32_t off);
/* [kind, MSI-X vectors, registers]: few queues, or any number of them */
void
shape(struct fuzz_in *in);
/* The device writes to the rings that it has, and to its pages. */
void
hw_write(struct fuzz_in *in, uint8_t which, uint8_t n);
/* Cells that are full are rung by the register. */
void
portals_take(void);

/* fuzz_qd_app.c */

struct fuzz_qd_app {
	struct rte_ims_dev *dev;
	struct rte_ims_wait *wait;
};

extern struct fuzz_qd_app app;

/* One operation of the input. */
void
run(struct fuzz_in *in);
/* What its owner was told may be gone: he asks once more. */
void
destroy_again(bool liar);
/* All of it has gone with the device. */
void
app_forget(void);

#endif /* _FUZZ_QD_H_ */
