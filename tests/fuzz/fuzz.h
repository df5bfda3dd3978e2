/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _FUZZ_H_
#define _FUZZ_H_

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A target has LLVMFuzzerTestOneInput(), which libFuzzer calls, or fuzz_replay.c with the files of
 * the corpus. It finds a bug by a sanitizer, or by abort() where an invariant does not hold.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int
LLVMFuzzerInitialize(int *argc, char ***argv);

/* What is left of the input; at its end all that is taken is 0. */
struct fuzz_in {
	const uint8_t *data;
	size_t len;
};

static inline size_t
fuzz_take(struct fuzz_in *in, void *buf, size_t len)
{
	size_t n = len < in->len ? len : in->len;

	memset(buf, 0, len);
	if (n != 0)
		memcpy(buf, in->data, n);
	in->data += n;
	in->len -= n;
	return n;
}

static inline uint8_t
fuzz_u8(struct fuzz_in *in)
{
	uint8_t val;

	fuzz_take(in, &val, sizeof(val));
	return val;
}

static inline uint16_t
fuzz_u16(struct fuzz_in *in)
{
	uint16_t val;

	fuzz_take(in, &val, sizeof(val));
	return val;
}

static inline uint32_t
fuzz_u32(struct fuzz_in *in)
{
	uint32_t val;

	fuzz_take(in, &val, sizeof(val));
	return val;
}

static inline uint64_t
fuzz_u64(struct fuzz_in *in)
{
	uint64_t val;

	fuzz_take(in, &val, sizeof(val));
	return val;
}

static inline void
fuzz_check_at(int holds, const char *what, const char *file, int line)
{
	if (holds)
		return;
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

/* An invariant. Not assert(), which a build may leave out. */
#define fuzz_check(holds) fuzz_check_at(holds, #holds, __FILE__, __LINE__)

#endif /* _FUZZ_H_ */
