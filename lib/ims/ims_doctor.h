/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_DOCTOR_H_
#define _IMS_DOCTOR_H_

#include "ims_wait_private.h"
#include "rte_ims_doctor.h"

/*
 * Parts of the doctor: ims_doctor.c goes through the vectors and watches their wait sets,
 * ims_doctor_dev.c looks at the links in the device and up to the CPU, ims_doctor_host.c at those
 * in this process.
 */

/* A wait set that was watched for a while. */
struct doctor_watch {
	const struct rte_ims_wait *w;
	/* Its counters when it was seen first. */
	uint64_t polls;
	uint64_t events;
	uint64_t sleeps;
	uint64_t epoch;
	/* What was learned: */
	bool moved;    /* a counter has moved */
	bool asleep;   /* a thread is in rte_ims_wait_sleep() */
	bool stuck;    /* a handler runs, the same one all the time */
	bool readable; /* its descriptor was, all the time */
};

/* One call of rte_ims_dev_doctor(). */
struct doctor {
	struct rte_ims_dev *dev;
	/* Of the device itself; made once. */
	bool asked;
	bool answers; /* its slots can be read */
	bool silent;  /* one was not answered in time: no other is asked for */
	struct rte_ims_finding device;
	struct doctor_watch *watches;
	unsigned int n_watches;
	struct ims_epoll_pair *pairs; /* by fd */
	int n_pairs;
	char *irqs; /* of a kernel device: /proc/interrupts, read once; NULL: cannot be read */
};

/* One vector. */
struct doctor_case {
	struct doctor *doctor;
	struct rte_ims_vec *vec;
	struct rte_ims_diagnosis *diag;
	struct ims_slot_view view;
	bool viewed;
	bool as_expected; /* the slot has the vector's message */
};

#define DOCTOR_WATCH_NS 1000000000ull

/* Write a finding. */
void
ims_doctor_ok(struct doctor_case *c, enum rte_ims_link link, const char *fmt, ...)
	__rte_format_printf(3, 4);
void
ims_doctor_none(struct doctor_case *c, enum rte_ims_link link, const char *fmt, ...)
	__rte_format_printf(3, 4);
/* todo follows by ims_doctor_todo(). */
void
ims_doctor_broken(struct doctor_case *c, enum rte_ims_link link, const char *fmt, ...)
	__rte_format_printf(3, 4);
void
ims_doctor_todo(struct doctor_case *c, enum rte_ims_link link, const char *fmt, ...)
	__rte_format_printf(3, 4);

/* What was learned of a set; NULL: it has come into being since. */
const struct doctor_watch *
ims_doctor_watch_of(const struct doctor *d, const struct rte_ims_wait *w);

/* The vector's set, or the one that it moves to. */
static inline struct rte_ims_wait *
ims_doctor_wait(const struct rte_ims_vec *vec)
{
	struct rte_ims_wait *w = atomic_load(&vec->wait);

	return w != NULL ? w : vec->moving_to;
}

/* Its events are read by the caller, not by a wait set. */
static inline bool
ims_doctor_is_callers(const struct rte_ims_vec *vec)
{
	return vec->own_fd || (vec->wait == NULL && vec->delivery == RTE_IMS_DELIVERY_EVENTFD &&
				      atomic_load(&vec->fd_given));
}

/* Both with dev->lock held. */
void
ims_doctor_dev_links_locked(struct doctor_case *c);
void
ims_doctor_host_links_locked(struct doctor_case *c);

#endif /* _IMS_DOCTOR_H_ */
