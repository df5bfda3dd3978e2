/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_DRIVER_H_
#define _IMS_DRIVER_H_

/**
 * @file
 * The driver side of librte_ims. Not for applications.
 *
 * A driver describes which devices it serves and, in probe, which stores they have. That is all it
 * takes for its interrupts: allocation, messages, delivery and teardown are the library's. See
 * drivers/timer_ims/timer_ims.c.
 *
 * probe and remove run in the thread that opens or closes the device, one at a time per device.
 */

#include <rte_ims.h>

#include <rte_common.h>
#include <rte_io.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rte_ims_wait;

struct ims_driver_id {
	uint16_t vendor_id;
	uint16_t device_id;
};

struct ims_driver {
	/** For logs and listings. */
	const char *name;
	/** Devices it serves, ended by an entry with vendor_id 0. */
	const struct ims_driver_id *ids;
	/** Serves every device of this class code (24 bits) that no driver names; 0: none. */
	uint32_t class_code;
	/** Take the device: check it, create its stores. 0 or a negative errno value. */
	int (*probe)(struct rte_ims_dev *dev);
	/** Give it back. All vectors are freed by now. May be NULL. */
	void (*remove)(struct rte_ims_dev *dev);
	/**
	 * The function is about to be reset: what must not be under way meanwhile, a command for
	 * example, is kept out until reset_done, which always follows. May be NULL.
	 */
	void (*reset_prepare)(struct rte_ims_dev *dev);
	/**
	 * The function was reset (rc is 0) and lost what the driver had set in it; stores are
	 * written anew after this has returned. Or it could not be reset: rc says why. May be NULL.
	 * @return rc, or why the driver could not set the device up again.
	 */
	int (*reset_done)(struct rte_ims_dev *dev, int rc);
	/**
	 * A pool has a vector, not in a wait set yet, for any number of objects: give it what tells
	 * them apart, an event queue for example. May be NULL. It may sleep, and call the library
	 * for this vector.
	 */
	int (*vec_init)(struct rte_ims_vec *vec);
	/**
	 * A vector, from a pool or not, is silent and is about to be freed; its handlers do not run
	 * any more. May be NULL. It may sleep.
	 */
	void (*vec_fini)(struct rte_ims_vec *vec);
	/**
	 * Whether the device itself is fit to interrupt: not halted, not in reset. Changes nothing,
	 * waits for nothing. 0 it is; 1 it is not, and why, in one line, in what; or a negative
	 * errno value: not known. Called with the device's lock held. May be NULL.
	 */
	int (*check)(struct rte_ims_dev *dev, char *what, size_t size);
	/** Library's own. */
	struct ims_driver *next;
};

/** Called by IMS_DRIVER_REGISTER(). */
void
ims_driver_register(struct ims_driver *driver);

/** Called by IMS_DRIVER_REGISTER() when its shared object is unloaded. */
void
ims_driver_unregister(struct ims_driver *driver);

/** Make a driver known when its object is loaded, linked in or with EAL's -d. */
#define IMS_DRIVER_REGISTER(driver)             \
	RTE_INIT(ims_driver_init_##driver)      \
	{                                       \
		ims_driver_register(&driver);   \
	}                                       \
	RTE_FINI(ims_driver_fini_##driver)      \
	{                                       \
		ims_driver_unregister(&driver); \
	}

/** The driver that probed the device, for drivers to recognise their own. */
const struct ims_driver *
ims_dev_driver(const struct rte_ims_dev *dev);

/** Driver's own data of a device; free it in remove. */
void
ims_dev_priv_set(struct rte_ims_dev *dev, void *priv);
void *
ims_dev_priv(const struct rte_ims_dev *dev);

/** The device is gone: unplugged, or its process ended. For the data path, one load. */
bool
ims_dev_removed(const struct rte_ims_dev *dev);

/**
 * Part of a BAR as ordinary memory. Stays mapped until the device is closed, also when the device
 * is gone: loads then return stale or arbitrary values.
 *
 * @return
 *   Address, or NULL with rte_errno: EINVAL out of the BAR; ENOTSUP this part of it cannot be
 *   mapped, use ims_dev_bar_read/write.
 */
void *
ims_dev_bar_map(struct rte_ims_dev *dev, unsigned int bar, uint64_t offset, uint64_t len);

/**
 * One register access, through the mapping where there is one, else as a transaction. Naturally
 * aligned, of 1, 2, 4 or 8 bytes. A read is complete when it returns, and so are all writes to the
 * same device made before it by this thread.
 *
 * @return
 *   0; -EINVAL; -ENODEV; -ETIMEDOUT; or what the device's peer answered.
 */
int
ims_dev_bar_read(struct rte_ims_dev *dev, unsigned int bar, uint64_t offset, void *buf, size_t len);
int
ims_dev_bar_write(
	struct rte_ims_dev *dev, unsigned int bar, uint64_t offset, const void *buf, size_t len);

static inline int
ims_dev_bar_read32(struct rte_ims_dev *dev, unsigned int bar, uint64_t offset, uint32_t *val)
{
	return ims_dev_bar_read(dev, bar, offset, val, sizeof(*val));
}

static inline int
ims_dev_bar_write32(struct rte_ims_dev *dev, unsigned int bar, uint64_t offset, uint32_t val)
{
	return ims_dev_bar_write(dev, bar, offset, &val, sizeof(val));
}

/** PCI configuration space, same rules as for BARs. */
int
ims_dev_cfg_read(struct rte_ims_dev *dev, uint64_t offset, void *buf, size_t len);
int
ims_dev_cfg_write(struct rte_ims_dev *dev, uint64_t offset, const void *buf, size_t len);

/** Let the device master the bus, or stop it. */
int
ims_dev_bus_master(struct rte_ims_dev *dev, bool on);

/** What a slot holds now, as the device has it. */
struct ims_slot_view {
	struct rte_ims_msg msg;
	bool masked;
	/** An event is held back: 1, 0, or -1 not known. */
	int pending;
	/** The store as a whole sends nothing: "MSI-X is disabled" for example. NULL: it does. */
	const char *off;
};

/**
 * How a device's store is operated. The library never calls two at once for one device. They must
 * not call the library but for ims_dev_*. Slots are 0 .. n_slots - 1. Return 0 or a negative errno
 * value; -ENODEV if the device is gone.
 */
struct ims_store_ops {
	/**
	 * The slot's object is there and is not used otherwise. Never sleeps. May be NULL: always.
	 */
	bool (*available)(const struct rte_ims_store *store, uint32_t slot);
	/**
	 * Make the device ready to have a message in this slot. May be NULL.
	 * Guarantees: on return the slot is masked and holds no message of an earlier user.
	 */
	int (*prepare)(struct rte_ims_store *store, uint32_t slot);
	/**
	 * Store a message. Only called while the slot is masked, mask() having returned.
	 * Guarantees: the device never sends a mixture of the old and the new message.
	 */
	int (*write_msg)(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg);
	/**
	 * Signal this eventfd, -1: none any more. NULL: the store takes messages only, the library
	 * composes one that reaches the eventfd.
	 */
	int (*set_eventfd)(struct rte_ims_store *store, uint32_t slot, int fd);
	/**
	 * Guarantees: on return the device has seen the mask bit and sends no more messages of the
	 * slot; those sent before have left the device. Later events stay pending.
	 */
	int (*mask)(struct rte_ims_store *store, uint32_t slot);
	/** Guarantees: an event pending, and any later one, is sent without further help. */
	int (*unmask)(struct rte_ims_store *store, uint32_t slot);
	/**
	 * Change the message of a slot that is not masked. May be NULL: then mask, write_msg,
	 * unmask. Guarantees: each event is sent with the old or with the new message; on success
	 * none with the old one is on its way any more; -ETIMEDOUT: either may be in force; other
	 * errors: the old.
	 */
	int (*retarget)(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg);
	/** 1 if an event is held back, 0 if not. May be NULL: unknown, 0. */
	int (*pending)(struct rte_ims_store *store, uint32_t slot);
	/**
	 * Read back what the device has, for who looks for a lost interrupt. Changes nothing. May
	 * be NULL. 0; -ENOENT the slot's object does not exist in the device; -ENOTSUP, -EACCES it
	 * cannot be read.
	 */
	int (*view)(struct rte_ims_store *store, uint32_t slot, struct ims_slot_view *view);
	/**
	 * The slot is masked and has no user any more: wipe its message, let go of its eventfd. May
	 * be NULL if there is no set_eventfd.
	 */
	void (*shutdown)(struct rte_ims_store *store, uint32_t slot);
};

struct ims_store_conf {
	enum rte_ims_store_type type;
	/** Short name for listings. */
	const char *name;
	uint32_t n_slots;
	/** Slots 0 .. n_special - 1 have a meaning of their own: never given out for ANY. */
	uint32_t n_special;
	/** Any slot serves any purpose: a pool may take them. */
	bool fungible;
	const struct ims_store_ops *ops;
	/** Returned by ims_store_priv(). */
	void *priv;
};

/**
 * Add a store to a device, in probe. It goes with the device.
 * @return the store, or NULL with rte_errno EINVAL, ENOMEM.
 */
struct rte_ims_store *
ims_store_create(struct rte_ims_dev *dev, const struct ims_store_conf *conf);

/** Set slots 0 .. n - 1 of a store aside, in probe: they have a meaning of their own. */
void
ims_store_special_set(struct rte_ims_store *store, uint32_t n);

/** The slot is a vector's now. Any thread, from `available` or elsewhere. */
bool
ims_store_slot_used(const struct rte_ims_store *store, uint32_t slot);

void *
ims_store_priv(const struct rte_ims_store *store);
struct rte_ims_dev *
ims_store_dev(const struct rte_ims_store *store);

/** Slots of 16 bytes in a BAR, as Intel DSA has them: addr lo, addr hi, data, ctrl. */
struct ims_store_bar_conf {
	/** Short name for listings. */
	const char *name;
	unsigned int bar;
	/** Of slot 0 in the BAR, 16-byte aligned. */
	uint64_t offset;
	uint32_t n_slots;
	/** As in struct ims_store_conf. */
	uint32_t n_special;
	/**
	 * Make the device take notice of what was stored in a slot, for devices that need a
	 * register write for that: on return it has, and messages of the slot's earlier contents
	 * have left it. NULL: reading the slot back is enough.
	 */
	int (*sync)(struct rte_ims_dev *dev, uint32_t slot);
};

/** Add such a store, in probe. @return the store, or NULL with rte_errno EINVAL, ENOMEM. */
struct rte_ims_store *
ims_store_bar_create(struct rte_ims_dev *dev, const struct ims_store_bar_conf *conf);

/** What the device should have in a slot of queue memory. */
struct ims_store_queue_ctx {
	struct rte_ims_msg msg;
	bool masked;
};

/** Messages that are fields of objects' contexts in system memory, made effective by a command. */
struct ims_store_queue_conf {
	/** Short name for listings. */
	const char *name;
	uint32_t n_slots;
	/** As in struct ims_store_conf. */
	uint32_t n_special;
	bool fungible;
	/** Number that slot 0 has in the calls below; slot n has first + n. */
	uint32_t first;
	/**
	 * Make a slot's context effective: issue the command and wait for the device, at most its
	 * timeout. Called with the device's lock held, one at a time; may sleep; must not call the
	 * library but for ims_dev_*. If the slot's object does not exist: keep it, 0 at once; the
	 * object is created with it later. Guarantees: 0: it is in force and messages of the
	 * earlier contents have left the device;
	 * -ETIMEDOUT: the earlier or the new contents are in force; other errors: the earlier.
	 */
	int (*update)(
		struct rte_ims_dev *dev, uint32_t slot, const struct ims_store_queue_ctx *ctx);
	/** As in struct ims_store_ops. May be NULL. */
	int (*pending)(struct rte_ims_dev *dev, uint32_t slot);
	/**
	 * Ask the device what it has. As in struct ims_store_ops; waits at most the device's
	 * timeout. May be NULL: then what was made effective last is taken for it.
	 */
	int (*query)(struct rte_ims_dev *dev, uint32_t slot, struct ims_slot_view *view);
	bool (*available)(const struct rte_ims_dev *dev, uint32_t slot);
};

/** Add such a store, in probe. @return the store, or NULL with rte_errno EINVAL, ENOMEM. */
struct rte_ims_store *
ims_store_queue_create(struct rte_ims_dev *dev, const struct ims_store_queue_conf *conf);

/**
 * Find the objects of a vector that have work by something better than a look at each: run is
 * called for each event of the vector, in the thread of its wait set, and calls ims_obj_run() for
 * the objects it finds. Also while the vector is in a wait set: by the next event.
 */
void
ims_vec_demux_set(
	struct rte_ims_vec *vec, void (*run)(struct rte_ims_vec *vec, void *priv), void *priv);

/**
 * Take what the eventfd of a vector that is in no wait set has, after it was readable. Never waits
 * for more: a device's process, which may have a duplicate of it, can have emptied it since and
 * made it block.
 *
 * @return
 *   1 there was an event, 0 there was none, -ENOTSUP the vector has no eventfd, or what read()
 *   says.
 */
int
ims_vec_fd_take(const struct rte_ims_vec *vec);

/**
 * Have the handlers of a vector run once, as after an event of the device: when the driver alone
 * knows that there is work. Takes the device's lock, which callbacks of stores and resets are
 * called with.
 */
void
ims_vec_kick(struct rte_ims_vec *vec);

/** Run the handler of an object, from a demux. The object may be gone when this returns. */
static inline void
ims_obj_run(struct rte_ims_vec *vec, struct rte_ims_obj *obj)
{
	obj->fn(vec, obj->arg);
}

/** Driver's own data of a vector. */
void
ims_vec_driver_priv_set(struct rte_ims_vec *vec, void *priv);
void *
ims_vec_driver_priv(const struct rte_ims_vec *vec);

/** Its eventfd is the caller's: it runs no handlers. */
bool
ims_vec_dedicated(const struct rte_ims_vec *vec);

/** Mark a table as that of a driver's sub-device, before anyone else knows it. Not freed. */
void
ims_table_driver_priv_set(struct rte_ims_table *table, void *priv);

/** The mark of the table that a vector has its index in, NULL: none. */
void *
ims_vec_table_priv(const struct rte_ims_vec *vec);

/** The store that a vector's slot is in. */
struct rte_ims_store *
ims_vec_store(const struct rte_ims_vec *vec);

/** The slot a vector of this device and store type has; for drivers. -EINVAL if it is another's. */
int64_t
ims_vec_slot(
	const struct rte_ims_vec *vec, const struct rte_ims_dev *dev, enum rte_ims_store_type type);

/**
 * Have the Linux irq behind a vector of a function that vfio-pci has taken by the CPU of the set's
 * lcore.
 *
 * @param bdf
 *   The function, as in "0000:3b:00.0".
 * @param msix
 *   Its MSI-X vector, else its MSI vector.
 * @return
 *   0; -ENOTSUP the set has no lcore; -ENOENT no such irq; or the errno value of /proc/irq, which
 *   takes root to write: said once in the log, the interrupt arrives all the same.
 */
int
ims_wait_irq_set(const struct rte_ims_wait *wait, const char *bdf, bool msix, uint32_t vector);

#ifdef __cplusplus
}
#endif

#endif /* _IMS_DRIVER_H_ */
