/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_EVENTFD_H_
#define _IMS_EVENTFD_H_

/*
 * Eventfds of which a device's process has a duplicate: it can make them block, empty them and fill
 * them, and is not to stop the thread that looks after other devices as well.
 */

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * Take what it has; false: nothing, also if it has been emptied since it was said to be readable.
 */
static inline bool
ims_eventfd_take(int fd)
{
	uint64_t count;
#ifndef __SANITIZE_THREAD__ /* it does not know preadv2(), nor what that orders */
	struct iovec iov = { .iov_base = &count, .iov_len = sizeof(count) };
	ssize_t n;

	n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
	if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS)) /* of old kernels */
		return n == (ssize_t)sizeof(count);
#endif
	return read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

/*
 * Make it readable; false with errno. One that is full is. (There is no write that never waits: who
 * fills it between the two calls, and has made it block, has us wait until it is read.)
 */
static inline bool
ims_eventfd_signal(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	const uint64_t one = 1;
	ssize_t n;

	if (poll(&pfd, 1, 0) == 0)
		return true;
	do {
		n = write(fd, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(one) || errno == EAGAIN;
}

#endif /* _IMS_EVENTFD_H_ */
