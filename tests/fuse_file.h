/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _FUSE_FILE_H_
#define _FUSE_FILE_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <linux/fuse.h>

/*
 * A file of a file system in user space, whose process can be told to answer a kind of request no
 * more: whoever asks it then waits, and no signal ends that.
 *
 * The file system is mounted in a mount namespace of that process alone. The process ends with
 * fuse_file_close(), when the thread that opened it ends, and after FUSE_FILE_ENDS_S at the latest:
 * its file system is gone then, and all who wait have ENOTCONN, or SIGBUS.
 *
 * Muted FUSE_FLUSH, each descriptor of the file waits when it is closed, also in a child of fork()
 * and in exec(): start processes before, and a second file as well.
 */

#define FUSE_FILE_SIZE   (1u << 20)
#define FUSE_FILE_ENDS_S 60

struct fuse_file_shared {
	atomic_uint mute;
	atomic_uint asked;
	atomic_uint delay_ms; /* 0: for ever */
	bool writeback;
};

struct fuse_file {
	int fd; /* read and write, close on exec */
	pid_t pid;
	struct fuse_file_shared *shared;
};

/*
 * Skips the test where there is no right to mount, not in a user namespace of one's own either, no
 * FUSE in the kernel, or no /dev/fuse. It fails with any other error.
 */
void
fuse_file_open_or_skip(struct fuse_file *f);

/* The same of a file system whose writes are cached by the kernel. */
void
fuse_file_open_cached_or_skip(struct fuse_file *f);

/* The file, opened once more: what is closed with the last descriptor is closed with this one. */
int
fuse_file_again(const struct fuse_file *f);

/*
 * Of one with a cache: mute FUSE_SETATTR, and write. Whoever is the last to close a descriptor of
 * fuse_file_again() waits then, and whoever closes any: close ours before.
 */
void
fuse_file_soil(struct fuse_file *f);

/* Leave requests of this kind without an answer, of FUSE_GETATTR to FUSE_POLL; 0: answer all. */
void
fuse_file_mute(struct fuse_file *f, uint32_t opcode);

/* Answer them, but only after so long, one after the other. */
void
fuse_file_delay(struct fuse_file *f, uint32_t opcode, unsigned int ms);

/* How many have come since that have no answer, or a late one. */
unsigned int
fuse_file_asked(const struct fuse_file *f);

/* The same when there are n, or after 20 s: the process may see later what has been asked. */
unsigned int
fuse_file_wait_asked(const struct fuse_file *f, unsigned int n);

/* End the process, which frees whoever waits, and close the descriptor. */
void
fuse_file_close(struct fuse_file *f);

#endif /* _FUSE_FILE_H_ */
