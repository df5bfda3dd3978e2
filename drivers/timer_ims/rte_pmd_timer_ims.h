/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _RTE_PMD_TIMER_IMS_H_
#define _RTE_PMD_TIMER_IMS_H_

/**
 * @file
 * Timers of a timer_ims device, which has neither MSI nor MSI-X: each timer raises a slot of the
 * device's interrupt message store.
 *
 * Threads: calls for different timers may run concurrently; calls for one timer must not.
 *
 * @warning All of this is EXPERIMENTAL and is not part of DPDK.
 */

#include <rte_ims.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Fires again and again, not once. */
#define RTE_PMD_TIMER_IMS_F_PERIODIC 0x1u

/** Bits of rte_pmd_timer_ims_error_get(). */
#define RTE_PMD_TIMER_IMS_ERROR_KICK 0x1u
#define RTE_PMD_TIMER_IMS_ERROR_CONF 0x2u
#define RTE_PMD_TIMER_IMS_ERROR_SYNC 0x4u
#define RTE_PMD_TIMER_IMS_ERROR_MSG  0x8u

struct rte_pmd_timer_ims_info {
	uint32_t n_timers;
	/** Slot that reports device errors; not given out for RTE_IMS_SLOT_ANY. */
	uint32_t error_slot;
	/** Frequency of the stamps, in Hz. */
	uint64_t stamp_hz;
	/** The stamps are ticks of the clock that rte_rdtsc() reads here. */
	bool stamp_is_tsc;
};

struct rte_pmd_timer_ims_conf {
	/** Nanoseconds to the first expiration and between periodic ones, 1 .. one hour. */
	uint64_t interval_ns;
	/** Stop after so many expirations, 0 = never (periodic) or one (one-shot). */
	uint64_t limit;
	/** RTE_PMD_TIMER_IMS_F_*. */
	uint32_t flags;
	uint32_t reserved;
};

/** @return 0; -EINVAL; -ENODEV not a timer_ims device. Takes some ms the first time. */
__rte_experimental
int
rte_pmd_timer_ims_info_get(struct rte_ims_dev *dev, struct rte_pmd_timer_ims_info *info);

/**
 * Start a timer, or start it anew.
 *
 * @param vec
 *   Vector it raises, of this device's RTE_IMS_STORE_BAR store and not the error slot. Any number
 *   of timers may raise the same one. Must stay allocated until the timer is stopped.
 * @return
 *   0; -EINVAL; -ENODEV not a timer_ims device, or gone; -ETIMEDOUT.
 */
__rte_experimental
int
rte_pmd_timer_ims_start(struct rte_ims_dev *dev, uint32_t timer, struct rte_ims_vec *vec,
	const struct rte_pmd_timer_ims_conf *conf);

/**
 * Stop a timer. When it has returned the timer does not expire any more.
 * @return 0; -EINVAL; -ENODEV; -ETIMEDOUT.
 */
__rte_experimental
int
rte_pmd_timer_ims_stop(struct rte_ims_dev *dev, uint32_t timer);

/**
 * Expirations of a timer since it was started, as the device counts them. A load from the device's
 * BAR: cheap, for handlers. The device counts before it sends the message.
 *
 * @param[out] stamp
 *   When the device sent the newest message, in ticks of stamp_hz; may be NULL.
 * @return
 *   The count; 0 for a bad argument.
 */
__rte_experimental
uint64_t
rte_pmd_timer_ims_count(struct rte_ims_dev *dev, uint32_t timer, uint64_t *stamp);

/**
 * Read and clear what the device complains of.
 *
 * @param[out] arg
 *   Operand of the newest error; may be NULL.
 * @return
 *   RTE_PMD_TIMER_IMS_ERROR_* bits, and others that the device may set, 0 = none. Bit 31, which is
 *   none of them, is cleared in the device as well, and left out here: a negative result is an
 *   error of the call. -EINVAL; -ENODEV; -EIO; -ETIMEDOUT.
 */
__rte_experimental
int
rte_pmd_timer_ims_error_get(struct rte_ims_dev *dev, uint32_t *arg);

#ifdef __cplusplus
}
#endif

#endif /* _RTE_PMD_TIMER_IMS_H_ */
