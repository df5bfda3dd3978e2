/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TEST_QUEUE_H_
#define _TEST_QUEUE_H_

/* Run the tests of a file. @return how many have failed */
int
queue_vec_tests(void);
int
queue_subdev_tests(void);
int
queue_reset_tests(void);

#endif /* _TEST_QUEUE_H_ */
