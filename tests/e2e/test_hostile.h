/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TEST_HOSTILE_H_
#define _TEST_HOSTILE_H_

/* Run the tests of a file. @return how many have failed */
int
hostile_fds_tests(void);
int
hostile_reply_tests(void);
int
hostile_flood_tests(void);
int
hostile_gone_tests(void);

#endif /* _TEST_HOSTILE_H_ */
