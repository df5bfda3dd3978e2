/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _QD_PEER_H_
#define _QD_PEER_H_

#include <stdatomic.h>

#include "queue_dev_model.h"
#include "vfu_peer.h"

/*
 * A driver of queue_dev in small: the model in this process, its BAR mapped, memory, the command
 * ring, a portal. One at a time, in `t`. Registers' offsets are written out, as in the data sheet.
 */

#define QD_MEM     0x10000000ull     /* IOVA of memory, read and write */
#define QD_MEM_LEN 0x3000000u        /* 48 MiB */
#define QD_RO      0x20000000ull     /* a page that can only be read */
#define QD_WO      0x20010000ull     /* a page that can only be written */
#define QD_NO_FILE 0x20020000ull     /* a page without a file */
#define QD_WINDOW  0xfee00000ull     /* of messages, not mapped: they come as DMA_WRITE */
#define QD_NOWHERE 0x7777000000ull   /* not mapped */
#define QD_WORDS   (QD_MEM + 0x1000) /* words that messages are stored to */
#define QD_CMD_LOG 8

struct qd_test {
	struct queue_dev *d;
	struct peer p;
	uint8_t *bar;
	uint8_t *mem;
	int memfd;    /* its file */
	uint64_t brk; /* memory from here on is free */
	uint32_t cmd_tail;
	uint32_t token;
	uint32_t cell; /* the next one of portal 0 */
};

extern struct qd_test t;

/* keys: of the model, behind those that the tests use ("queues=64,subdevs=8,eqs=8,inject=1"). */
void
qd_start(const char *keys);
/* Without those of the tests. */
void
qd_start_plain(const char *keys);
void
qd_stop(void);
/* The same with a server elsewhere that has a connection waiting: `t.d` is not there. */
void
qd_connect(int sock);
void
qd_disconnect(void);
/* The peer side after a reset: no portal, no command ring. */
void
qd_again(void);

uint32_t
reg(uint32_t off);
void
reg_set(uint32_t off, uint32_t val);
uint64_t
reg64(uint32_t off);
void
reg64_set(uint32_t off, uint64_t val);
/* Read ERROR and ERROR_ARG, and clear. */
uint32_t
take_error(uint64_t *arg);
#define assert_error(bits, operand)                               \
	do {                                                      \
		uint64_t arg_;                                    \
		assert_int_equal(take_error(&arg_), bits);        \
		if ((bits) != 0)                                  \
			assert_true(arg_ == (uint64_t)(operand)); \
	} while (0)

/* Memory, cleared. */
uint64_t
qd_alloc(uint64_t size);
void *
at(uint64_t iova);
/* What a message has stored in word i of QD_WORDS; it is 0 then. */
uint32_t
word(uint32_t i);
bool
word_wait(uint32_t i, uint32_t val);
struct vfu_stats
qd_stats(void);

/* Put it into the ring and tell the device; where it lies. */
struct queue_dev_cmd *
cmd_post(const struct queue_dev_cmd *cmd);
/* Its status when it is done, UINT32_MAX: it is not. */
uint32_t
cmd_poll(const struct queue_dev_cmd *in_ring);
/* Post and wait. */
uint32_t
cmd_do(const struct queue_dev_cmd *cmd);
/* A command with a context: filled in memory, with a new seq. */
uint32_t
cmd_ctx(uint8_t op, const struct queue_dev_ctx *ctx);
uint32_t
cmd_number(uint8_t op, uint32_t number);
uint32_t
modify_msg(uint32_t kind, uint32_t number, uint64_t addr, uint32_t data, uint32_t ctrl);
uint32_t
modify_intr(uint32_t kind, uint32_t number, uint16_t intr);
struct queue_dev_query
query(uint32_t kind, uint32_t number);

struct queue_dev_ctx
eq_ctx(uint32_t number, uint32_t log);
struct queue_dev_ctx
queue_ctx(uint32_t number, uint32_t log);

/* A queue that the test drives. Its message goes to word `number`, with data number + 1. */
struct tq {
	uint32_t number;
	uint32_t size;
	uint32_t cq_size;
	uint32_t tail;
	uint32_t ci;
	struct queue_dev_desc *sq;
	struct queue_dev_cqe *cq;
};

/* The same of an EQ; its message goes to word 512 + number, with data 0x1000 + number. */
struct te {
	uint32_t number;
	uint32_t size;
	uint32_t ci;
	struct queue_dev_eqe *ring;
};

struct tq
tq_create(const struct queue_dev_ctx *ctx);
struct te
te_create(const struct queue_dev_ctx *ctx);
void
tq_push(struct tq *q, const struct queue_dev_desc *desc);
void
tq_nops(struct tq *q, uint32_t n);
/* Ring for what was pushed. */
void
tq_ring(struct tq *q);
bool
tq_ready(const struct tq *q);
/* The next completion; waits for it. */
struct queue_dev_cqe
tq_next(struct tq *q);
void
tq_arm(struct tq *q);
/* Push, ring, and the completion. */
struct queue_dev_cqe
tq_do(struct tq *q, const struct queue_dev_desc *desc);
bool
te_ready(const struct te *e);
struct queue_dev_eqe
te_next(struct te *e);
void
te_arm(struct te *e);
void
te_consumed(struct te *e);

/* By the portal, and awake the device if it sleeps (V1 to V4); false: the portal is full. */
bool
db_store(uint32_t portal, uint32_t *cell, uint64_t db);
void
db_ring(uint64_t db);
void
db_trap(uint64_t db);
/* Until ASLEEP is so. With engine=poll and a portal in use it stays 0 then. */
void
wait_awake(void);
/* Until it sleeps, and nothing that was done before wakes it. */
void
wait_asleep(void);
/* All that was rung is taken and done: the device has nothing to do any more. */
void
settle(void);

/* From now on the device's microseconds are so long, in ns: what is not to happen yet does not. */
void
stretch_time(uint64_t usec_ns);
/* How many of its timers run. */
uint32_t
timers_n(void);
/*
 * As if the time of all timers that run had come; returns when they have done what they were for.
 */
void
time_passes(void);
/* Until no timer runs. */
void
wait_timers(void);
#define LONG   10000000ull
#define NORMAL 1000ull

#define MS 1000000ull

#endif /* _QD_PEER_H_ */
