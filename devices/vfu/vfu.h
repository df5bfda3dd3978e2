/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _VFU_H_
#define _VFU_H_

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A vfio-user server for device models: one device, one client at a time.
 *
 * The model describes its function (struct vfu_conf) and gets its registers' accesses (struct
 * vfu_model_ops). The server is driven by one thread, vfu_run(); a model may have threads of its
 * own. `vfu_lock()` is the device's lock: the server holds it while it calls the model, other
 * threads take it before they call anything below.
 *
 * Nothing here waits for what the client sends or reads. What it does with its descriptors may have
 * the server wait with the lock held, and so a model's thread that raises a vector: a second or two
 * at the most. Then the client is given up, and vfu_run() drops it when it has the lock.
 */

#define VFU_MAX_BARS  6
#define VFU_MAX_AREAS 4

struct vfu;

/* A part of a BAR that clients may map. The server owns no memory: the model passes a file. */
struct vfu_area {
	uint64_t offset;
	uint64_t size;
};

struct vfu_bar {
	uint64_t size; /* 0: not there, else a power of two, 4 KiB or more */
	bool is_64bit;
	int fd; /* file behind the areas, offsets as in the BAR; -1 */
	uint32_t n_areas;
	struct vfu_area areas[VFU_MAX_AREAS];
};

struct vfu_model_ops {
	/* Accesses are inside the BAR, 1 to 65536 bytes. 0, or a positive errno for the client. */
	int (*bar_read)(void *priv, uint32_t bar, uint64_t off, void *buf, uint32_t len);
	int (*bar_write)(void *priv, uint32_t bar, uint64_t off, const void *buf, uint32_t len);
	/* The function is reset, or its client has gone: to the state after power-on. */
	void (*reset)(void *priv);
	/* The client has allowed or forbidden the function to master the bus. May be NULL. */
	void (*bus_master)(void *priv, bool on);
};

struct vfu_conf {
	const char *name;
	uint16_t vendor_id;
	uint16_t device_id;
	uint8_t revision;
	uint32_t class_code; /* 24 bits */
	struct vfu_bar bars[VFU_MAX_BARS];
	/*
	 * MSI-X: none if n_msix is 0. The table and the pending bits lie in a BAR outside of its
	 * areas, at multiples of 8. The server serves them; the model sees no access to them.
	 */
	uint16_t n_msix;
	uint8_t msix_bar;
	uint32_t msix_table;
	uint32_t msix_pba;
	const struct vfu_model_ops *ops;
	void *priv;
	bool trace;
};

struct vfu_stats {
	uint64_t msgs_memory;  /* messages stored into mapped memory */
	uint64_t msgs_eventfd; /* messages that were the eventfd of an MSI-X vector */
	uint64_t msgs_socket;  /* messages sent as DMA_WRITE */
	uint64_t msgs_merged;  /* events that found their slot's message under way */
	uint64_t msgs_faulted; /* messages the client refused, or that had no way out */
	uint64_t requests;
	uint64_t errors; /* error replies sent */
};

/* A socket's file, as it was bound. */
struct vfu_file {
	char path[108]; /* as much as an address has room for */
	dev_t dev;
	ino_t ino;
};

/* NULL with errno. conf is copied. */
struct vfu *
vfu_create(const struct vfu_conf *conf);
void
vfu_destroy(struct vfu *vfu);

/* Serve clients of a socket that this creates, or the one client of a connected socket. -errno. */
int
vfu_listen(struct vfu *vfu, const char *path, unsigned int mode);
int
vfu_attach(struct vfu *vfu, int sock);
/*
 * The same in two steps: a socket that listens at the path, or -errno; and serve its clients. It is
 * the server's then, the file is not: it stays. -EADDRINUSE, after a second: another one listens.
 */
int
vfu_bind(const char *path, unsigned int mode, struct vfu_file *file);
int
vfu_listen_on(struct vfu *vfu, int listener);
/* Unless it is another one's by now. The socket is still open: its file's number is not reused. */
void
vfu_file_remove(const struct vfu_file *file);
/*
 * Count here each time that a connection was taken, or tried to, and that a step of a wait for the
 * client's descriptors is over: the server is not held in the kernel.
 */
void
vfu_count_progress(struct vfu *vfu, atomic_uint *progress);

/* Call fn, with the lock held, from vfu_run() when fd is readable. -errno. */
int
vfu_watch(struct vfu *vfu, int fd, void (*fn)(void *arg), void *arg);

/* Until vfu_stop(), or the client of vfu_attach() has gone. */
void
vfu_run(struct vfu *vfu);
void
vfu_stop(struct vfu *vfu);

void
vfu_lock(struct vfu *vfu);
void
vfu_unlock(struct vfu *vfu);

/*
 * For a thread that takes the lock again and again: a mutex alone would let it have the lock each
 * time, before the thread that waits for it has woken up. vfu_lock_last() lets those in vfu_lock()
 * go first; vfu_lock_wanted() says that there are some, and that it is time to let go.
 */
void
vfu_lock_last(struct vfu *vfu);
bool
vfu_lock_wanted(const struct vfu *vfu);

/* 256 bytes as a client reads them. */
void
vfu_config_get(struct vfu *vfu, uint8_t config[256]);
/* The model counts its messages here. */
struct vfu_stats *
vfu_stats(struct vfu *vfu);

/* The client lets the function master the bus. */
bool
vfu_bus_master(const struct vfu *vfu);

/*
 * Memory at an IOVA, if [iova, iova + len) lies in one map that has a file and allows the access,
 * and the function may master the bus; else NULL. Valid until the lock is let go.
 */
void *
vfu_dma_addr(struct vfu *vfu, uint64_t iova, uint64_t len, bool write);

/*
 * The same for what is accessed as a word at once: NULL too if it is not aligned here. A map's file
 * may be one that the client has put at any offset, so the IOVA alone does not tell.
 */
void *
vfu_dma_aligned(struct vfu *vfu, uint64_t iova, uint64_t len, uint32_t align, bool write);

/*
 * The beginning of [iova, iova + *len), len being 1 or more: *len becomes how much of it the map
 * that it begins in holds. The rest may be in others, a page each if the client is a guest's.
 */
void *
vfu_dma_extent(struct vfu *vfu, uint64_t iova, uint64_t *len, bool write);

/*
 * Another number than before when an address that vfu_dma_addr() has returned may not be used any
 * more: a map has gone, or bus mastering was turned off. While it is the same, models may keep
 * addresses.
 */
uint64_t
vfu_dma_gen(const struct vfu *vfu);

/*
 * Access memory by message. `done` gets 0 or a positive errno, and for reads the data; it is
 * called from vfu_run() with the lock held, ECANCELED if the client goes first. -EAGAIN: too many
 * are under way, -ENOTCONN, -EACCES: bus mastering is off, -EINVAL.
 */
typedef void (*vfu_dma_fn)(void *arg, int error, const void *data, uint32_t len);
int
vfu_dma_write(
	struct vfu *vfu, uint64_t iova, const void *data, uint32_t len, vfu_dma_fn done, void *arg);
int
vfu_dma_read(struct vfu *vfu, uint64_t iova, uint32_t len, vfu_dma_fn done, void *arg);

/*
 * Raise an MSI-X vector: its eventfd is signalled, or what its entry says is done, or the event is
 * held as the vector's pending bit until that is possible. Nothing if there is no such vector.
 *
 * Signalling one that is a pipe takes two switches of threads. If the client holds its descriptor,
 * this waits with the lock held, up to a second in all (VFU_REJECT_MS) for a pipe and two for an
 * eventfd, and the client is given up: nothing more is signalled to it.
 */
void
vfu_msix_fire(struct vfu *vfu, uint32_t vector);
/* The vector whose entry has this message and could send it now, -1: none. */
int
vfu_msix_find(const struct vfu *vfu, uint64_t addr, uint32_t data);
/* Signal a vector's eventfd, if it has one, whatever its entry says. It may wait as the former. */
void
vfu_msix_signal(struct vfu *vfu, uint32_t vector);
/* Clear all pending bits: a model that resets itself. */
void
vfu_msix_forget(struct vfu *vfu);

/* The eventfd of an interrupt, -1 if it is not enabled. */
int
vfu_irq_fd(const struct vfu *vfu, uint32_t index, uint32_t subindex);

#endif /* _VFU_H_ */
