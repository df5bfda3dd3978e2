/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _RTE_IMS_H_
#define _RTE_IMS_H_

/**
 * @file
 * Interrupt vectors of devices whose interrupt messages live in MSI-X tables and in stores of
 * their own (IMS, Interrupt Message Store).
 *
 *   device ----+-- store (IMS BAR table) ---- slot 0 | slot 1 | slot 2 | ...
 *              |                                |        |
 *              +-- store (device events)        |        |  each slot holds a message
 *              |                                v        v  (address, data)
 *              +-- table (of the device) ---- vector   vector
 *              +-- table (of a sub-device)      |  \
 *                                               |   +-- objects: fn(vec, arg)
 *                                               v
 *                                            wait set (rte_ims_wait.h), polled or slept on
 *                                            by one thread
 *
 * A driver found by rte_ims_dev_open() describes the device's stores. rte_ims_vec_alloc() takes a
 * slot, at a fixed index or any, and makes a vector of it. Objects attached to the vector are the
 * handlers; a wait set runs them. The shortest useful program is examples/timer_intr.
 *
 * Call order: open a device, allocate vectors, attach objects, add the vectors to a wait set, poll
 * or sleep. The slot stays masked until its message has a destination: from allocation on with
 * RTE_IMS_DELIVERY_EVENTFD, from rte_ims_wait_add() on with RTE_IMS_DELIVERY_MEMORY. Events that
 * the device has while masked stay pending in the device, none is lost.
 *
 * Threads: every function here may be called from any thread, unless it says otherwise, and from
 * handlers. Two threads may not free or close the same thing, nor use what another one frees.
 *
 * Memory: handles belong to the library; strings in info structs are copies. File descriptors
 * returned stay the library's unless said otherwise.
 *
 * Errors: functions that create return NULL and set rte_errno, all others return 0 (or a count) or
 * a negative errno value. EINVAL is a caller's mistake, ENOSPC no free slot, vector or index, EBUSY
 * taken or still in use, ENOTSUP the device or the kernel cannot, ENODEV the device is gone,
 * EAGAIN and ETIMEDOUT try later.
 *
 * @warning All of this is EXPERIMENTAL and is not part of DPDK.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <rte_compat.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RTE_IMS_NAME_LEN 128

/** Take any free slot. */
#define RTE_IMS_SLOT_ANY UINT32_MAX

struct rte_ims_dev;
struct rte_ims_store;
struct rte_ims_table;
struct rte_ims_vec;

/** An interrupt message: what a device writes, and where, to raise an interrupt. */
struct rte_ims_msg {
	uint64_t addr;
	uint32_t data;
};

/** Where a device keeps its messages. */
enum rte_ims_store_type {
	/** What the transport reports of the device itself; slots are enum rte_ims_dev_event. */
	RTE_IMS_STORE_DEVICE,
	/** The MSI-X table, written by the kernel or by the vfio-user client. */
	RTE_IMS_STORE_MSIX,
	/** IMS in a table in a BAR. */
	RTE_IMS_STORE_BAR,
	/** IMS in a field of each queue's context in system memory. */
	RTE_IMS_STORE_QUEUE,
	/** MSI, of kernel devices that have no MSI-X: eventfd delivery only, and no mask. */
	RTE_IMS_STORE_MSI,
};

/** Slots of the RTE_IMS_STORE_DEVICE store, which every device has. */
enum rte_ims_dev_event {
	/** The device is gone: unplugged, or its process ended. Fires once. */
	RTE_IMS_DEV_EVENT_REMOVED,
	/**
	 * The device reported an uncorrectable error (PCI Express AER, VFIO_PCI_ERR_IRQ_INDEX):
	 * what it does from here on is not to be trusted before rte_ims_dev_reset(). Kernel devices
	 * only.
	 */
	RTE_IMS_DEV_EVENT_ERROR,
	/**
	 * The kernel wants the device back, to unplug or to unbind it (VFIO_PCI_REQ_IRQ_INDEX):
	 * close it. The kernel waits for that, and asks again every 10 s. Kernel devices only.
	 */
	RTE_IMS_DEV_EVENT_RELEASE,
	RTE_IMS_DEV_EVENT_MAX,
};

/** What a vector's message reaches. */
enum rte_ims_delivery {
	/** An eventfd: a thread can sleep on it. */
	RTE_IMS_DELIVERY_EVENTFD,
	/** A doorbell word in DMA memory near the thread that polls it. */
	RTE_IMS_DELIVERY_MEMORY,
};

/**
 * An IMS slot of a kernel device reaches an eventfd by a copy of a message that the kernel composed
 * for an MSI-X vector. Without interrupt remapping the kernel changes that message when it moves
 * the interrupt to another CPU, and the copy is stale: such messages are refused. With this flag
 * they are taken, pinned (the library does not move the interrupt) and audited at every event.
 */
#define RTE_IMS_DEV_F_UNSAFE_BORROW 0x1u

/** Settings of rte_ims_dev_open(). All zero is the default. */
struct rte_ims_dev_conf {
	/**
	 * Longest wait, in ms, for one answer of the device's peer, and in rte_ims_dev_close() for
	 * descriptors to be closed that the peer can hold up, but then at least 1000; 0 = 5000.
	 */
	uint32_t timeout_ms;
	/** RTE_IMS_DEV_F_*. */
	uint32_t flags;
	uint64_t reserved[6];
};

struct rte_ims_dev_info {
	/** As given to rte_ims_dev_open(). */
	char name[RTE_IMS_NAME_LEN];
	/** Driver that took the device. */
	char driver[RTE_IMS_NAME_LEN];
	uint16_t vendor_id;
	uint16_t device_id;
	/** NUMA node of the device, -1 = unknown. */
	int numa_node;
	uint32_t n_stores;
	uint32_t n_tables;
	uint32_t n_vecs;
	/** The device is gone; what remains is to close it. */
	bool removed;
	/** Messages that arrived for a handle that is not, or no longer, given out: dropped. */
	uint64_t stray_msgs;
	/** Accesses of the device to memory that is not mapped for it: refused. */
	uint64_t dma_faults;
};

/**
 * What the process at the other end of a vfio-user connection has done that a good device does not,
 * since the device was opened. None of it harms another device. The first of each kind is a line in
 * the log; of a kernel device nothing is seen here, the kernel and its IOMMU do that work: all
 * zero.
 */
struct rte_ims_dev_stats {
	/**
	 * Commands that were not answered in time, or found no room in the socket in time and were
	 * not sent: their callers got ETIMEDOUT.
	 */
	uint64_t timeouts;
	/**
	 * Answers that nobody waited for: they came late, twice, or were never asked for. Dropped.
	 */
	uint64_t late_replies;
	/** Answers before that to an earlier command. Each went to who had asked. */
	uint64_t reordered_replies;
	/** Answers that did not fit their command, in kind, length or contents: EPROTO. */
	uint64_t bad_replies;
	/** Requests that are none of a device's, or have a wrong length: refused. */
	uint64_t bad_requests;
	/** Descriptors that nobody wanted: closed. */
	uint64_t surplus_fds;
	/**
	 * Answers to its requests that found no room, for it had not read those before: kept, up to
	 * 1 MiB.
	 */
	uint64_t unread_replies;
	/** Bytes that are no message: the connection was ended, the device is removed. */
	uint64_t malformed;
	/** As in struct rte_ims_dev_info. */
	uint64_t stray_msgs;
	/** As in struct rte_ims_dev_info. */
	uint64_t dma_faults;
};

struct rte_ims_store_info {
	enum rte_ims_store_type type;
	/** Short name for listings: "device", "ims-bar", ... */
	char name[RTE_IMS_NAME_LEN];
	uint32_t n_slots;
	uint32_t n_used;
};

struct rte_ims_table_info {
	char name[RTE_IMS_NAME_LEN];
	/** Indexes 0 .. size - 1. */
	uint32_t size;
	uint32_t n_used;
};

/** How a vector with an event finds the objects that have work. */
enum rte_ims_demux {
	/** It runs all of them: the last resort. One object is found at once this way. */
	RTE_IMS_DEMUX_ALL,
	/** The device names them in an event queue: as much work as there are objects with work. */
	RTE_IMS_DEMUX_EVENT_QUEUE,
};

/**
 * The vector is dedicated: the eventfd is the caller's, rte_ims_vec_conf.fd. The kernel, or the
 * device's process, signals it itself; no thread of this library takes part, and the vector can be
 * in no wait set. For KVM's irqfd, vhost's callfd, or another event loop. Whoever closes the last
 * copy of an eventfd waits as long as a device's process that was given it likes: where that is not
 * trusted, close the caller's own before the vector is freed, which waits a second at most.
 */
#define RTE_IMS_VEC_F_FD 0x1u

/** Settings of rte_ims_vec_alloc(). All zero is the default. */
struct rte_ims_vec_conf {
	enum rte_ims_delivery delivery;
	/** RTE_IMS_VEC_F_*. */
	uint32_t flags;
	/**
	 * With RTE_IMS_VEC_F_FD: an eventfd that no other vector has. It is duplicated: the caller
	 * may close it. Delivery must be EVENTFD.
	 */
	int fd;
	/** For listings; NULL = "<store>:<slot>". Copied. */
	const char *name;
	uint64_t reserved[6];
};

struct rte_ims_vec_info {
	char name[RTE_IMS_NAME_LEN];
	/** Number that no other vector of this process has or had. */
	uint64_t id;
	/** Index in its table. */
	uint32_t index;
	/** Slot in its store. */
	uint32_t slot;
	enum rte_ims_delivery delivery;
	/** Masked by rte_ims_vec_mask(). */
	bool masked;
	/** The device holds an event back because the slot is masked. */
	bool pending;
	/** In a wait set. */
	bool waited;
	/** Its eventfd is the caller's. */
	bool dedicated;
	/** Its message is a copy of an MSI-X vector's, which is taken for it. */
	bool borrowed;
	/** Its message is in the hands of a peer. */
	bool exported;
	enum rte_ims_demux demux;
	uint32_t n_objs;
	/** Message in the slot now; all zero while it has no destination. */
	struct rte_ims_msg msg;
};

/** Counters of a vector since it was allocated or rte_ims_vec_stats_reset(). */
struct rte_ims_vec_stats {
	/** Times the handlers ran. Several messages may have merged into one. */
	uint64_t events;
	/**
	 * Deliveries found with the vector masked, just moved or switched: the handlers ran all the
	 * same.
	 */
	uint64_t spurious;
	/** Deliveries that found no object attached. */
	uint64_t unhandled;
	/** Times the kernel had changed the message behind the slot, and it was written anew. */
	uint64_t stale;
};

/**
 * Handler of a vector. Runs in the thread that polls or sleeps on the vector's wait set.
 *
 * It must find out by itself what the device has done: messages merge, and a call may be spurious.
 * It may call any function of the library, detach its own or another object included, but it must
 * not poll or sleep on the same wait set, nor destroy it.
 */
typedef void (*rte_ims_handler_t)(struct rte_ims_vec *vec, void *arg);

/**
 * What hangs on a vector. Embed it in a queue, a timer, a sub-device. The caller fills in fn and
 * arg and zeroes the rest; the memory must stay until rte_ims_vec_detach() has returned.
 */
struct rte_ims_obj {
	rte_ims_handler_t fn;
	void *arg;
	/* Owned by the library while attached. */
	struct rte_ims_obj *next;
	struct rte_ims_obj *prev;
	struct rte_ims_obj *off;
	struct rte_ims_vec *vec;
};

/**
 * Open a device.
 *
 * @param name
 *   "emu:MODEL[,key=value...]" starts a device model process of its own,
 *   "vfio-user:PATH" connects to a vfio-user server's socket,
 *   "pci:0000:3b:00.0" takes a device that is bound to the kernel's vfio-pci.
 * @param conf
 *   Settings, NULL for the defaults.
 * @return
 *   The device, or NULL with rte_errno:
 *   EINVAL bad name or conf; EBUSY another driver or program has it, or descriptors that its
 *   process held up before are not closed yet; EPERM no interrupt remapping;
 *   EEXIST already open under this name; ENODEV no such model or no driver
 *   knows the device; ENOENT, ECONNREFUSED, EACCES ... from the socket; EACCES, EMFILE, ENFILE the
 *   kernel's nodes of it cannot be had; EPROTO the server broke the protocol; EPROTONOSUPPORT it
 *   speaks another version; ETIMEDOUT it did not answer; ENOMEM.
 */
__rte_experimental
struct rte_ims_dev *
rte_ims_dev_open(const char *name, const struct rte_ims_dev_conf *conf);

/**
 * Close a device: free its tables with all vectors, undo its memory maps, end its process if
 * rte_ims_dev_open() started one. When it has returned no handler of the device runs and no
 * descriptor or mapping of it is left, but for those that its peer has passed or was given, and
 * holds up for longer than the device's timeout: a thread closes them. Not to be called from a
 * handler of the device.
 *
 * @return
 *   0; -EINVAL dev is NULL; -EBUSY a pool is over it, -EDEADLK called from a handler of the device:
 *   all is as before; -ETIMEDOUT a handler of the device did not return in time: the device is
 *   still open, with all tables and vectors, but these may be masked and out of their wait sets for
 *   good: free them, or call again.
 */
__rte_experimental
int
rte_ims_dev_close(struct rte_ims_dev *dev);

/**
 * Reset the device's function. Its drivers' queues, timers and the like stop; vectors stay and work
 * as before, their messages are written anew. The handlers of all of them run once more: an event
 * from before the reset may have been lost with it.
 *
 * @return
 *   0; -EINVAL; -ENOTSUP the device cannot; -ENODEV gone; -ETIMEDOUT; or what the driver says that
 *   could not set the device up again.
 */
__rte_experimental
int
rte_ims_dev_reset(struct rte_ims_dev *dev);

/**
 * Compare all messages that the kernel could have changed with what they should be: copies that IMS
 * slots hold of MSI-X messages, and messages in the MSI-X table that point at memory. Those that
 * differ are written anew, under mask: no event is lost. The library does so itself after a reset,
 * and with RTE_IMS_DEV_F_UNSAFE_BORROW at each event; call it after what may have changed them
 * behind its back, a resume from suspend for example.
 *
 * @return
 *   How many messages were written anew; -EINVAL; -ENODEV gone; -ETIMEDOUT.
 */
__rte_experimental
int
rte_ims_dev_audit(struct rte_ims_dev *dev);

/** Find an open device by its name. @return the device, or NULL with rte_errno ENODEV. */
__rte_experimental
struct rte_ims_dev *
rte_ims_dev_find(const char *name);

/**
 * Walk the open devices in the order they were opened. The caller sees to it that none is closed
 * meanwhile.
 *
 * @param prev
 *   NULL to start.
 * @return
 *   The next device, or NULL.
 */
__rte_experimental
struct rte_ims_dev *
rte_ims_dev_next(const struct rte_ims_dev *prev);

/** @return 0; -EINVAL. */
__rte_experimental
int
rte_ims_dev_info_get(const struct rte_ims_dev *dev, struct rte_ims_dev_info *info);

/**
 * What the device's peer has done wrong so far: a snapshot, while other threads may be counting.
 *
 * @return
 *   0; -EINVAL.
 */
__rte_experimental
int
rte_ims_dev_stats_get(const struct rte_ims_dev *dev, struct rte_ims_dev_stats *stats);

/** Write all that is known of the device, its stores, tables and vectors. @return 0; -EINVAL. */
__rte_experimental
int
rte_ims_dev_dump(const struct rte_ims_dev *dev, FILE *f);

/**
 * Make memory that DPDK does not manage reachable for the device, at an IOVA equal to its address.
 * Memory of DPDK's heaps, hot-added memory and memory added with rte_malloc_heap_memory_add() are
 * mapped by the library itself.
 *
 * @param fd
 *   File behind the memory, to let a device process map it too; -1 if none: a vfio-user device then
 *   reaches it by messages. The library does not keep it.
 * @param offset
 *   Of addr in the file, in bytes.
 * @return
 *   0; -EINVAL not page aligned, or in the MSI window; -EEXIST overlaps a map; -ENOSPC the device's
 *   limit of maps; -EBADF fd is no descriptor; -ENOMEM; -ENODEV; -ETIMEDOUT; or what the device's
 *   process or the kernel says.
 */
__rte_experimental
int
rte_ims_dev_dma_map(struct rte_ims_dev *dev, void *addr, size_t len, int fd, uint64_t offset);

/**
 * Undo rte_ims_dev_dma_map().
 *
 * @return
 *   0; -EINVAL; -ENOENT no map has this address and length; -ENODEV the device is gone; -ETIMEDOUT
 *   it did not answer, or what it or the kernel says: the library has forgotten the map all the
 *   same, but the device may still reach the memory, which must stay until the device has been
 *   closed.
 */
__rte_experimental
int
rte_ims_dev_dma_unmap(struct rte_ims_dev *dev, void *addr, size_t len);

/**
 * The n-th store of a device. The first one is always the RTE_IMS_STORE_DEVICE store.
 * @return the store, or NULL with rte_errno EINVAL.
 */
__rte_experimental
struct rte_ims_store *
rte_ims_dev_store_at(struct rte_ims_dev *dev, uint32_t n);

/** The first store of a type. @return the store, or NULL with rte_errno EINVAL or ENOTSUP. */
__rte_experimental
struct rte_ims_store *
rte_ims_dev_store_get(struct rte_ims_dev *dev, enum rte_ims_store_type type);

/** @return 0; -EINVAL. */
__rte_experimental
int
rte_ims_store_info_get(const struct rte_ims_store *store, struct rte_ims_store_info *info);

/** The message table of the device itself. Freed with the device. NULL with rte_errno EINVAL. */
__rte_experimental
struct rte_ims_table *
rte_ims_dev_table(struct rte_ims_dev *dev);

/**
 * Create a message table for one more user of the device, a sub-device for example: vectors in it
 * have a 0-based index of their own, whatever slots they take.
 *
 * @param name
 *   For listings, shorter than RTE_IMS_NAME_LEN. Copied.
 * @param size
 *   Number of indexes, 1 .. 65536.
 * @return
 *   The table, or NULL with rte_errno EINVAL, ENODEV, ENOMEM.
 */
__rte_experimental
struct rte_ims_table *
rte_ims_table_create(struct rte_ims_dev *dev, const char *name, uint32_t size);

/**
 * Free a table and all its vectors, also while events arrive: mask all, flush, drain, free.
 * When it has returned none of their handlers runs or will run.
 *
 * @return
 *   0; -EINVAL table is NULL or the device's own; -EDEADLK called from a handler of one of its
 *   vectors: all is as before; -ETIMEDOUT a handler did not return in time: the vectors are there,
 *   but may be masked and out of their wait sets for good: call again.
 */
__rte_experimental
int
rte_ims_table_free(struct rte_ims_table *table);

/** @return the vector at an index of a table, or NULL with rte_errno EINVAL or ENOENT. */
__rte_experimental
struct rte_ims_vec *
rte_ims_table_vec_get(struct rte_ims_table *table, uint32_t index);

/** @return 0; -EINVAL. */
__rte_experimental
int
rte_ims_table_info_get(const struct rte_ims_table *table, struct rte_ims_table_info *info);

/**
 * Walk the tables of a device, its own first.
 * @param prev
 *   NULL to start.
 * @return
 *   The next table, or NULL.
 */
__rte_experimental
struct rte_ims_table *
rte_ims_table_next(struct rte_ims_dev *dev, const struct rte_ims_table *prev);

/**
 * Allocate a vector: take a slot, compose its message, leave the slot ready but masked until the
 * message has a destination (see the top of this file).
 *
 * @param table
 *   Table that the vector belongs to. It gets the lowest free index.
 * @param store
 *   A store of the same device.
 * @param slot
 *   Index of a slot, or RTE_IMS_SLOT_ANY for any that the driver has not set aside.
 * @param conf
 *   Settings, NULL for the defaults.
 * @return
 *   The vector, or NULL with rte_errno: EINVAL bad argument; ERANGE no such slot; EBUSY the slot is
 *   taken, or the eventfd another vector's; EBADF; ENOSPC no free slot or index, or the CPUs have
 *   no interrupt vector left; ENOTSUP the store cannot do the delivery; EACCES the message to copy
 *   cannot be read; EIO it is no interrupt, or the device refused; ENODEV; EMFILE; ENOMEM;
 *   ETIMEDOUT.
 */
__rte_experimental
struct rte_ims_vec *
rte_ims_vec_alloc(struct rte_ims_table *table, struct rte_ims_store *store, uint32_t slot,
	const struct rte_ims_vec_conf *conf);

/**
 * Free a vector, whatever wait set it is in and objects hang on it: mask, flush, drain, free. When
 * it has returned its handlers do not run and will not run, and its objects are detached. An
 * eventfd that the device's process was given, and holds up, a thread closes: that is waited for
 * until the device has cost a second, all in all.
 *
 * @return
 *   0; -EINVAL vec is NULL; -EDEADLK called from one of its own handlers; -ETIMEDOUT a handler did
 *   not return in time: the vector is masked and out of its wait set, call again.
 */
__rte_experimental
int
rte_ims_vec_free(struct rte_ims_vec *vec);

/**
 * Mask the slot. When it has returned the device sends no more messages of this vector; one sent
 * before may still be delivered. Masking twice is masking once.
 *
 * @return
 *   0; -EINVAL; -ENOTSUP the store has no mask (MSI); -ENODEV; -ETIMEDOUT.
 */
__rte_experimental
int
rte_ims_vec_mask(struct rte_ims_vec *vec);

/** Unmask the slot. An event pending is delivered. @return 0; -EINVAL; -ENODEV; -ETIMEDOUT. */
__rte_experimental
int
rte_ims_vec_unmask(struct rte_ims_vec *vec);

/**
 * Switch a vector's delivery, live, in a wait set or out of one. By one change of its message, so
 * it does not matter how many objects hang on it; towards MEMORY without a system call where the
 * device's slots are mapped and the calling thread is the set's own. No event is lost; a handler
 * may run once more for nothing. The first switch to EVENTFD makes the eventfd and its message,
 * which are kept from then on.
 *
 * @return
 *   0, also if it has that delivery already; -EINVAL, or the vector is dedicated; -EBUSY it is
 *   being moved or freed; -ENOTSUP the store cannot, or there is no message that reaches an
 *   eventfd; -ENOSPC no MSI-X vector is left to borrow from; -EMFILE; -EIO the device refused, or
 *   the message to borrow is no interrupt: it is as before; -ENODEV; -ETIMEDOUT the device did not
 *   answer: both are served until a later switch succeeds; or a handler in the set that the vector
 *   has left did not return in 5 s: it is as before.
 */
__rte_experimental
int
rte_ims_vec_delivery_set(struct rte_ims_vec *vec, enum rte_ims_delivery delivery);

/**
 * Hang an object on a vector. Constant time, allocates nothing. Objects run in the order they were
 * attached; one attached while events arrive may miss those already being handled.
 *
 * @return
 *   0; -EINVAL bad argument or obj->fn is NULL; -EBUSY the object is attached.
 */
__rte_experimental
int
rte_ims_vec_attach(struct rte_ims_vec *vec, struct rte_ims_obj *obj);

/**
 * Take an object off its vector. When it has returned the object's handler is not running and will
 * not run, except that a handler may detach its own object.
 *
 * @return
 *   0; -EINVAL bad argument or not attached; -ETIMEDOUT a handler of the vector did not return in
 *   time: the object is off the vector, but its memory must stay; call again to wait longer, or
 *   free the vector.
 */
__rte_experimental
int
rte_ims_vec_detach(struct rte_ims_obj *obj);

/**
 * Hand a vector's message to a peer who raises it by a write of its own: another function's DMA
 * engine, a bridge to a second host. The message is opaque.
 *
 * @param changed
 *   Called, in the thread that changes it, when the message is about to be another one (msg, valid
 *   from now on) or none (NULL: revoked, the export has ended). When it returns the peer must have
 *   stopped using the old one; what it sent before is handled. It must not call this library.
 * @return
 *   0 and the message in msg; -EINVAL; -EBUSY exported already; -EAGAIN a MEMORY vector in no wait
 *   set; -ENOTSUP there is no message that stays valid: no interrupt remapping, or a dedicated
 *   vector of a transport without one; -ENODEV.
 */
__rte_experimental
int
rte_ims_vec_export(struct rte_ims_vec *vec,
	void (*changed)(struct rte_ims_vec *vec, const struct rte_ims_msg *msg, void *arg),
	void *arg, struct rte_ims_msg *msg);

/** The peer has given the message back. @return 0; -EINVAL; -ENOENT not exported. */
__rte_experimental
int
rte_ims_vec_export_end(struct rte_ims_vec *vec);

/**
 * The eventfd behind a vector, for event loops of the caller's own. It stays the library's. A
 * vector that is in a wait set is read by that, not by the caller.
 *
 * @return
 *   The descriptor; -EINVAL; -ENOTSUP the vector is delivered to memory now.
 */
__rte_experimental
int
rte_ims_vec_fd_get(const struct rte_ims_vec *vec);

/** @return 0; -EINVAL; -ENODEV (all but pending is filled in). */
__rte_experimental
int
rte_ims_vec_info_get(const struct rte_ims_vec *vec, struct rte_ims_vec_info *info);

/** @return the device a vector belongs to, or NULL with rte_errno EINVAL. */
__rte_experimental
struct rte_ims_dev *
rte_ims_vec_dev(const struct rte_ims_vec *vec);

/** @return the store a vector's slot is in, or NULL with rte_errno EINVAL. */
__rte_experimental
struct rte_ims_store *
rte_ims_vec_store(const struct rte_ims_vec *vec);

/** @return 0; -EINVAL. */
__rte_experimental
int
rte_ims_vec_stats_get(const struct rte_ims_vec *vec, struct rte_ims_vec_stats *stats);

/** @return 0; -EINVAL. */
__rte_experimental
int
rte_ims_vec_stats_reset(struct rte_ims_vec *vec);

#ifdef __cplusplus
}
#endif

#endif /* _RTE_IMS_H_ */
