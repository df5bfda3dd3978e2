/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TEST_VFIO_USER_H_
#define _TEST_VFIO_USER_H_

/* Run the tests of a file. @return how many have failed */
int
vfio_user_dma_tests(void);
int
vfio_user_fds_tests(void);
int
vfio_user_msg_tests(void);
int
vfio_user_reply_tests(void);

#endif /* _TEST_VFIO_USER_H_ */
