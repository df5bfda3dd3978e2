/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _RTE_IMS_POOL_H_
#define _RTE_IMS_POOL_H_

/**
 * @file
 * Pools of shared vectors: one per lcore, for any number of queues and sub-devices.
 *
 *   special vectors   at fixed indexes, for one purpose each: rte_ims_pool_special()
 *   shared vectors    one per lcore, as lcores come into use: rte_ims_pool_get()
 *                     lcore 1: vec --- queue, queue, queue ...   --> wait set of lcore 1
 *                     lcore 2: vec --- queue, queue, queue ...   --> wait set of lcore 2
 *   dedicated vectors with an eventfd of the caller's own: rte_ims_pool_dedicated()
 *
 * All come from the same stock, the MSI-X vectors and IMS slots of one device; who gets one does
 * not learn which it is, and has no need to. A device of thousands of queues needs as many vectors
 * as there are lcores that handle them, so that vectors, eventfds and CPU vectors do not run out,
 * and interrupts arrive where their queues are handled.
 *
 * Call order: create a pool, add lcores with their wait sets, get vectors and hang objects on them
 * (rte_ims_vec_attach(), or a driver's own call), put them back. The threads behind the wait sets
 * poll or sleep as ever.
 *
 * Who gets what: a user asks for an lcore, a NUMA node, the device's own node, or anything. Of the
 * lcores that fit, the least loaded one is taken, an idle core before the SMT sibling of a busy one
 * (prog_guide/pool.rst). It gives a vector that it has, or a new one while it has fewer than
 * vecs_per_lcore and those that it has are shared by share_min users each. When no vector is left
 * the existing ones are shared instead, unless the user said exclusive. Linux' mlx5 does the same
 * with its interrupts (drivers/net/ethernet/mellanox/mlx5/core/pci_irq.c).
 *
 * Threads: all functions may be called from any thread, also from handlers.
 *
 * @warning All of this is EXPERIMENTAL and is not part of DPDK.
 */

#include <rte_ims.h>
#include <rte_ims_wait.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rte_ims_pool;

/** Take IMS slots before MSI-X vectors. */
#define RTE_IMS_POOL_F_IMS_FIRST 0x1u
/** Take no MSI-X vectors, or no IMS slots. */
#define RTE_IMS_POOL_F_NO_MSIX 0x2u
#define RTE_IMS_POOL_F_NO_IMS  0x4u
/** Free a shared vector when its last user has put it back; else it is kept for the next one. */
#define RTE_IMS_POOL_F_FREE_IDLE 0x8u

/** Settings of rte_ims_pool_create(). All zero is the default. */
struct rte_ims_pool_conf {
	/** Of the shared vectors. */
	enum rte_ims_delivery delivery;
	/** RTE_IMS_POOL_F_*. */
	uint32_t flags;
	/** Most shared vectors of one lcore, 0 = 1. */
	uint32_t vecs_per_lcore;
	/** Users that a vector has before its lcore gets one more, 0 = 1. */
	uint32_t share_min;
	/** Most shared vectors in all, 0: as many as there are. */
	uint32_t max_vecs;
	uint32_t reserved32;
	uint64_t reserved[6];
};

/** Where a user wants its vector. */
enum rte_ims_place {
	/** On any lcore of the pool. */
	RTE_IMS_PLACE_ANY,
	/** On this lcore: rte_ims_want.number. */
	RTE_IMS_PLACE_LCORE,
	/** On the nearest lcore to a NUMA node: rte_ims_want.number. */
	RTE_IMS_PLACE_NODE,
	/** On the nearest lcore to the device. */
	RTE_IMS_PLACE_NEAR_DEVICE,
};

/** A vector of its own; it fails rather than share. */
#define RTE_IMS_WANT_F_EXCLUSIVE 0x1u

struct rte_ims_want {
	enum rte_ims_place place;
	/** lcore, or NUMA node as the kernel numbers them. */
	unsigned int number;
	/** RTE_IMS_WANT_F_*. */
	uint32_t flags;
	uint32_t reserved;
};

struct rte_ims_pool_info {
	char name[RTE_IMS_NAME_LEN];
	char dev[RTE_IMS_NAME_LEN];
	uint32_t n_lcores;
	/** Shared vectors, and how many of them are MSI-X vectors. */
	uint32_t n_vecs;
	uint32_t n_msix;
	/** Vectors that one user has for itself: exclusive, special and dedicated ones. */
	uint32_t n_exclusive;
	uint32_t n_dedicated;
	uint32_t n_special;
	/** Vectors got and not put back. */
	uint32_t n_users;
	/** Times that a user got a shared vector because there was none left. */
	uint64_t shared_for_want;
	/** Vectors moved by rebalancing. */
	uint64_t moves;
};

/** One lcore of a pool, for listings. */
struct rte_ims_pool_lcore {
	unsigned int lcore_id;
	int cpu;
	int numa_node;
	uint32_t n_vecs;
	uint32_t n_users;
	/** Events of its wait set so far. */
	uint64_t events;
};

/**
 * Create a pool over a device's vectors.
 *
 * @param name
 *   For listings, shorter than RTE_IMS_NAME_LEN. Copied.
 * @param conf
 *   Settings, NULL for the defaults.
 * @return
 *   The pool, or NULL with rte_errno EINVAL, EEXIST another pool has the name, ENODEV, ENOMEM.
 */
__rte_experimental
struct rte_ims_pool *
rte_ims_pool_create(
	const char *name, struct rte_ims_dev *dev, const struct rte_ims_pool_conf *conf);

/**
 * Destroy a pool and free the vectors that it keeps. Before its device is closed.
 * @return
 *   0; -EINVAL; -EBUSY vectors have not been put back, or another thread is putting one; -EDEADLK,
 *   -ETIMEDOUT as rte_ims_vec_free(): the pool is there, call again.
 */
__rte_experimental
int
rte_ims_pool_destroy(struct rte_ims_pool *pool);

/** Find a pool by its name. @return the pool, or NULL with rte_errno EINVAL, ENOENT. */
__rte_experimental
struct rte_ims_pool *
rte_ims_pool_find(const char *name);

/** Walk the pools; prev NULL to start. The caller sees to it that none is destroyed meanwhile. */
__rte_experimental
struct rte_ims_pool *
rte_ims_pool_next(const struct rte_ims_pool *prev);

/**
 * An lcore comes into use: its vectors are served by this wait set. It has none before somebody
 * wants one, or rte_ims_pool_rebalance() moves some there.
 *
 * @return
 *   0; -EINVAL bad argument or lcore; -EEXIST it is in the pool; -ENODEV the pool is being
 *   destroyed;
 *   -ENOMEM.
 */
__rte_experimental
int
rte_ims_pool_lcore_add(struct rte_ims_pool *pool, unsigned int lcore_id, struct rte_ims_wait *wait);

/**
 * An lcore goes: its vectors move to the other lcores, the nearest and least loaded first, with all
 * that hangs on them and while events arrive. Then its wait set has no vector of the pool.
 *
 * @return
 *   How many vectors moved; -EINVAL; -ENOENT it is not in the pool; -EBUSY it is the last one and
 *   has vectors, or another thread moves one to or from it; -ENODEV; or as rte_ims_wait_move():
 *   call again.
 */
__rte_experimental
int
rte_ims_pool_lcore_del(struct rte_ims_pool *pool, unsigned int lcore_id);

/**
 * Get a vector, in the wait set of its lcore. Without a new vector: no system call.
 *
 * @param want
 *   NULL: anything.
 * @return
 *   The vector, or NULL with rte_errno: EINVAL; ENOENT no lcore of the pool fits; ENOSPC there is
 *   no vector, not even to share; ENODEV; EMFILE; ENOMEM; ETIMEDOUT.
 */
__rte_experimental
struct rte_ims_vec *
rte_ims_pool_get(struct rte_ims_pool *pool, const struct rte_ims_want *want);

/**
 * Put a vector back that rte_ims_pool_get(), _special() or _dedicated() gave. Objects of this user
 * have been detached. An exclusive, special or dedicated vector is freed, a shared one is kept.
 *
 * @return
 *   0; -EINVAL not of this pool; of an exclusive, special or dedicated vector also -EBUSY another
 *   thread moves it, and as rte_ims_vec_free(): then it is still the caller's.
 */
__rte_experimental
int
rte_ims_pool_put(struct rte_ims_pool *pool, struct rte_ims_vec *vec);

/**
 * Get the vector of a fixed index, which has a meaning of its own in the device: an MSI-X vector if
 * the device has MSI-X, else the IMS slot. It is in no wait set.
 *
 * @param conf
 *   Settings, NULL for the defaults.
 * @return
 *   The vector, or NULL with rte_errno: EINVAL; ERANGE no special slot; EBUSY it is taken, by the
 *   driver for example; and as rte_ims_vec_alloc().
 */
__rte_experimental
struct rte_ims_vec *
rte_ims_pool_special(
	struct rte_ims_pool *pool, uint32_t index, const struct rte_ims_vec_conf *conf);

/**
 * Get a vector of one's own whose events go straight to an eventfd, see RTE_IMS_VEC_F_FD.
 *
 * @return
 *   The vector, or NULL with rte_errno: EINVAL no eventfd; EBUSY it is another vector's; ENOSPC
 *   none is left; ENOTSUP the device has no MSI-X that could stand behind it; and as
 *   rte_ims_vec_alloc().
 */
__rte_experimental
struct rte_ims_vec *
rte_ims_pool_dedicated(struct rte_ims_pool *pool, int fd, const char *name);

/**
 * Move a shared or exclusive vector to another lcore, live, with all that hangs on it.
 * @return
 *   0; -EINVAL; -ENOENT no such lcore; -EBUSY another thread moves it; and as rte_ims_wait_move().
 */
__rte_experimental
int
rte_ims_pool_move(struct rte_ims_pool *pool, struct rte_ims_vec *vec, unsigned int lcore_id);

/**
 * Move vectors from lcores that have more than their share of them to those that have less, after
 * lcores have come.
 * @return how many moved; -EINVAL; or as rte_ims_wait_move().
 */
__rte_experimental
int
rte_ims_pool_rebalance(struct rte_ims_pool *pool);

/** @return 0; -EINVAL. */
__rte_experimental
int
rte_ims_pool_info_get(const struct rte_ims_pool *pool, struct rte_ims_pool_info *info);

/** Fill in up to n lcores, by number. @return how many the pool has; -EINVAL. */
__rte_experimental
int
rte_ims_pool_lcores_get(
	const struct rte_ims_pool *pool, struct rte_ims_pool_lcore *lcores, unsigned int n);

/** The lcore that a vector of the pool is on now. @return it; -EINVAL; -ENOENT it is on none. */
__rte_experimental
int
rte_ims_pool_vec_lcore(const struct rte_ims_pool *pool, const struct rte_ims_vec *vec);

/** Write the pool's lcores and vectors, a row each. @return 0; -EINVAL. */
__rte_experimental
int
rte_ims_pool_dump(const struct rte_ims_pool *pool, FILE *f);

#ifdef __cplusplus
}
#endif

#endif /* _RTE_IMS_POOL_H_ */
