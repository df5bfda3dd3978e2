/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TP_LCORE_H_
#define _TP_LCORE_H_

/*
 * rte_eal_remote_launch() and rte_eal_wait_lcore() hand over by volatile words, which are no order
 * for the language, nor for ThreadSanitizer: here it is one. For the main lcore's thread.
 */

/* 0; -EBUSY: the lcore runs something. */
int
tp_lcore_launch(int (*fn)(void *arg), void *arg, unsigned int lcore);
/* Until the function has returned: what it returned, and all that it wrote can be read. */
int
tp_lcore_wait(unsigned int lcore);

#endif /* _TP_LCORE_H_ */
