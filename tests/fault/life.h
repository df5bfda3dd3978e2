/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _LIFE_H_
#define _LIFE_H_

#include "e2e.h"
#include "fault_run.h"

/*
 * A life: what a user does from opening a device to closing it, step by step. A step may fail, with
 * an error; then the life ends. What undoes a step may fail as well, and does not when it is called
 * again.
 */

/** Of what makes something: 0, or its error. */
int
life_created(const void *made);

/** Whatever fails in it, it has not failed in the end. Nothing if there is nothing to undo. */
void
life_undo(int (*fn)(void *arg), void *arg);

/* What undoes things, for life_undo(). */
int
undo_dev(void *arg);
int
undo_wait(void *arg);
int
undo_vec(void *arg);
int
undo_table(void *arg);
int
undo_pool(void *arg);

bool
life_is_removed(const struct rte_ims_dev *dev);

/* The lives. Each returns 0, or the error that has ended it early. */
int
life_socket(void);
int
life_gone(void);
int
life_unserved(void);
int
life_stopped(void);
int
life_iommufd(void);
int
life_container(void);
int
life_timer(void);
int
life_queue(void);

/** The server that life_socket() connects to, outlives it. */
void
life_socket_begin(void);
void
life_socket_end(void);

#endif /* _LIFE_H_ */
