/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _REQUESTS_H_
#define _REQUESTS_H_

/* The tables of requests: commands.c has what every server knows, optional.c what it may not. */

#include <string.h>

#include "conformance.h"

#define MAP_ADDR    0x10000000ull
#define MAP_SIZE    0x1000ull
#define MAX_PAYLOAD 128u

enum expected {
	GOOD,     /* granted, as the specification demands */
	GOOD_TOO, /* granted, though the specification does not say so */
	REFUSED,  /* by the specification */
	BAD,      /* refused by a server that looks at what it gets */
	ANSWERED, /* either: the specification leaves it open */
};

enum carried {
	NO_FD,
	MEMORY,  /* a memfd of MAP_SIZE bytes */
	EVENTS,  /* eventfds */
	USELESS, /* the write end of a pipe */
};

/* A field's value, plus what the device says. */
struct change {
	uint8_t at;
	uint8_t size;
	const char *field;
	uint64_t value;
	const uint64_t *plus;
};

#define U32(s, f, ...)                                    \
	{                                                 \
		offsetof(struct s, f), 4, #f, __VA_ARGS__ \
	}
#define U64(s, f, ...)                                    \
	{                                                 \
		offsetof(struct s, f), 8, #f, __VA_ARGS__ \
	}

#define MAX_GOOD    6
#define MAX_CHANGES 3

struct request {
	const char *name;
	enum expected expected;
	int32_t longer; /* than the command's good request, in bytes; INT32_MIN: no payload */
	enum carried carried;
	uint8_t n_fds;
	uint32_t error;   /* the errno it must be; 0: any */
	uint32_t vectors; /* that the device must have */
	struct change changes[MAX_CHANGES];
};

struct command {
	const char *name;
	uint16_t number;
	uint8_t len; /* of the good request */
	/* 0: this server does not know it, and says so; NULL: every server knows it. */
	const uint64_t *offered;
	verdict (*before)(void); /* puts the device into the state for it; NULL */
	struct change good[MAX_GOOD];
	const struct request *requests;
	verdict (*check)(const uint8_t *request); /* a good reply, in `in` */
};

extern const struct command commands[];
extern const size_t n_commands;
extern const struct command optional_commands[];
extern const size_t n_optional_commands;

/* A map of MAP_SIZE at MAP_ADDR, without a descriptor. */
verdict
map_first(void);
/* A device that does not may refuse whatever is not about its migration. */
verdict
go_to_running(void);
/* Send a request that must be granted; the reply is in `in`. */
verdict
granted(uint16_t number, const void *payload, uint32_t len);

static inline uint32_t
get32(const uint8_t *p, size_t at)
{
	uint32_t val;

	memcpy(&val, p + at, sizeof(val));
	return val;
}

static inline uint64_t
get64(const uint8_t *p, size_t at)
{
	uint64_t val;

	memcpy(&val, p + at, sizeof(val));
	return val;
}

#endif /* _REQUESTS_H_ */
