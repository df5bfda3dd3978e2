/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _RTE_IMS_DOCTOR_H_
#define _RTE_IMS_DOCTOR_H_

/**
 * @file
 * Where does an interrupt get lost? The chain from the device's slot to the handler is looked at
 * link by link: what the device's own storage holds against what the library put there, what the
 * IOMMU and Linux make of the message, who reads the eventfd, and whether anyone looks at the wait
 * set.
 *
 * Nothing is changed by that. It is for people who look for a fault, and for monitors that look now
 * and then: it reads /proc, asks the device, and takes up to a second where a wait set seems to be
 * served by nobody.
 *
 * @warning All of this is EXPERIMENTAL and is not part of DPDK.
 */

#include <rte_ims.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Links of the chain, in the order that an interrupt passes them. */
enum rte_ims_link {
	/** The device is there, fit to interrupt, and master of the bus. */
	RTE_IMS_LINK_DEVICE,
	/** The slot can be asked, and the device has answered the last change of it. */
	RTE_IMS_LINK_SLOT,
	/** The device's storage holds the message that the vector has. */
	RTE_IMS_LINK_MESSAGE,
	/**
	 * Its address is one that goes somewhere: remappable, or a doorbell word that is mapped.
	 */
	RTE_IMS_LINK_FORMAT,
	/** Interrupt remapping, or who plays it, is in force for the message. */
	RTE_IMS_LINK_REMAPPING,
	/** The slot is not masked. */
	RTE_IMS_LINK_MASK,
	/** No event is held back by a slot that is not masked. */
	RTE_IMS_LINK_PENDING,
	/** The Linux irq behind the vector, if there is one, and the CPU that takes it. */
	RTE_IMS_LINK_IRQ,
	/** The eventfd is open, is not full, and nobody else takes its events. */
	RTE_IMS_LINK_EVENTFD,
	/** The vector is in a wait set, which looks at what the message reaches. */
	RTE_IMS_LINK_WAIT,
	/** A thread polls that set or sleeps on it. */
	RTE_IMS_LINK_THREAD,
	/** There are objects on the vector, or a demultiplexer, to run. */
	RTE_IMS_LINK_OBJECTS,
	RTE_IMS_LINK_MAX,
};

enum rte_ims_verdict {
	RTE_IMS_VERDICT_OK,
	RTE_IMS_VERDICT_BROKEN,
	/** The link does not apply to this vector, or cannot be looked at: what says why. */
	RTE_IMS_VERDICT_NONE,
};

#define RTE_IMS_FINDING_LEN 192

struct rte_ims_finding {
	enum rte_ims_verdict verdict;
	/** What was found. */
	char what[RTE_IMS_FINDING_LEN];
	/** If it is broken: what to do. */
	char todo[RTE_IMS_FINDING_LEN];
};

/** All that was found of one vector. */
struct rte_ims_diagnosis {
	/** As in struct rte_ims_vec_info. */
	uint64_t id;
	char name[RTE_IMS_NAME_LEN];
	char store[RTE_IMS_NAME_LEN];
	uint32_t slot;
	enum rte_ims_delivery delivery;
	struct rte_ims_vec_stats stats;
	struct rte_ims_finding links[RTE_IMS_LINK_MAX];
	/** The first link that is broken, RTE_IMS_LINK_MAX: none is. */
	enum rte_ims_link broken;
};

/** Called for each vector, in the calling thread, with no lock held. diag is the library's. */
typedef void (*rte_ims_doctor_t)(const struct rte_ims_diagnosis *diag, void *arg);

/**
 * Examine the vectors of a device, in the order of their stores and slots. Any thread, but no
 * handler of a wait set that one of the vectors is in: it would find its own set stuck. The
 * device's timeout bounds each question that is asked of it.
 *
 * @param vec
 *   Only this vector of the device, which is not freed meanwhile; NULL for all.
 * @param fn
 *   Takes what was found.
 * @return
 *   The number of vectors with a broken link; -EINVAL bad argument, or the vector is not of the
 *   device;
 *   -ENOMEM.
 */
__rte_experimental
int
rte_ims_dev_doctor(
	struct rte_ims_dev *dev, const struct rte_ims_vec *vec, rte_ims_doctor_t fn, void *arg);

/** Short name of a link, for listings: "message". NULL: there is no such link. */
__rte_experimental
const char *
rte_ims_link_name(enum rte_ims_link link);

#ifdef __cplusplus
}
#endif

#endif /* _RTE_IMS_DOCTOR_H_ */
