/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_VFIO_H_
#define _IMS_VFIO_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <sys/queue.h>

/*
 * One interface to a device, whatever brings it: a vfio-user server's socket, or the kernel.
 * Nothing above this folder knows which. A struct ims_vfio is the backend's; callers read the
 * fields below and use the functions.
 *
 * Threads: all functions may be called from any thread unless they say otherwise. Each waits at
 * most the timeout given at open. They return 0 or a negative errno value.
 *
 * Lock order: DPDK's memory hot-plug lock -> dma_ctl -> the backend's own locks; dma_lock is a
 * leaf. The hot-plug callback runs under the first: so nothing here allocates DPDK memory, nor
 * walks memory segments, with one of the others held.
 */

#define IMS_VFIO_MAX_REGIONS 9
#define IMS_VFIO_MAX_IRQS    5
#define IMS_VFIO_MAX_AREAS   16

/* A part of a region that can be mapped. */
struct ims_vfio_area {
	uint64_t offset;
	uint64_t size;
	void *addr; /* mapped here, for as long as the device is open */
};

struct ims_vfio_region {
	uint64_t size;
	uint32_t flags; /* VFIO_REGION_INFO_FLAG_* */
	uint32_t n_areas;
	struct ims_vfio_area areas[IMS_VFIO_MAX_AREAS];
};

struct ims_vfio_irq {
	uint32_t flags; /* VFIO_IRQ_INFO_* */
	uint32_t count;
};

/* A message as a device stores it. */
struct ims_vfio_msg {
	uint64_t addr;
	uint32_t data;
};

/*
 * Who takes the events of a message that the backend handed out. fd is written to, unless the
 * thread that owns `reader` is itself reading the message source: then it gets `cookie`.
 */
struct ims_vfio_sink {
	int fd;
	const void *reader;
	uint64_t cookie;
};

/* One event that ims_vfio_source_read() hands to its caller. */
struct ims_vfio_event {
	uint64_t cookie;
	/* For source_ack(): */
	uint64_t addr;
	uint32_t ack;
};

/* What a backend has to say of a device itself. */
enum ims_vfio_dev_event {
	IMS_VFIO_EVENT_REMOVED, /* it is gone; once */
	IMS_VFIO_EVENT_ERROR,   /* it reported an uncorrectable error */
	IMS_VFIO_EVENT_RELEASE, /* it is wanted back: close it */
	IMS_VFIO_EVENT_MAX,
};

/*
 * What the process at the other end does that a good one does not; of a kernel device nothing is
 * seen.
 */
enum ims_vfio_peer_error {
	IMS_VFIO_PEER_TIMEOUT,     /* no answer in time */
	IMS_VFIO_PEER_LATE_REPLY,  /* an answer nobody waits for: late, again, never asked for */
	IMS_VFIO_PEER_REORDERED,   /* an answer before that to an earlier command */
	IMS_VFIO_PEER_BAD_REPLY,   /* an answer that does not fit its command */
	IMS_VFIO_PEER_BAD_REQUEST, /* a request that is none of a device's, or has a wrong length */
	IMS_VFIO_PEER_SURPLUS_FD,  /* a descriptor that nobody wanted */
	IMS_VFIO_PEER_UNREAD_REPLY, /* it had not read our answers: the next one found no room */
	IMS_VFIO_PEER_MALFORMED,    /* bytes that are no message: the end of the connection */
	IMS_VFIO_PEER_STRAY_MSG,    /* an interrupt message that is not given out */
	IMS_VFIO_PEER_DMA_FAULT,    /* an access to what is not mapped */
	IMS_VFIO_PEER_ERRORS,
};

struct ims_vfio;
struct ims_vfio_dma_map;

struct ims_vfio_ops {
	void (*close)(struct ims_vfio *v);
	int (*region_read)(
		struct ims_vfio *v, uint32_t region, uint64_t off, void *buf, size_t len);
	int (*region_write)(
		struct ims_vfio *v, uint32_t region, uint64_t off, const void *buf, size_t len);
	/* fds NULL: disable start .. start + count - 1; count 0: disable the index. */
	int (*irq_set)(
		struct ims_vfio *v, uint32_t index, uint32_t start, uint32_t count, const int *fds);
	int (*dma_map)(
		struct ims_vfio *v, uint64_t iova, void *addr, size_t len, int fd, uint64_t offset);
	int (*dma_unmap)(struct ims_vfio *v, const struct ims_vfio_dma_map *map);
	int (*reset)(struct ims_vfio *v);
	/*
	 * An eventfd that irq_set passes to the device's process may take as long to close as that
	 * likes. So fd_give comes first, and makes room for it; after that it is closed by
	 * fd_close, also if irq_set has failed. fd_give: 0; -ETIMEDOUT too many are not closed yet;
	 * -ENOSPC. The two wait a second at most, all in all; after that it is closed when it can
	 * be. NULL where there is no such process (the kernel): close() it.
	 */
	int (*fd_give)(struct ims_vfio *v);
	void (*fd_close)(struct ims_vfio *v, int fd);

	/* The message source: NULL where the backend has none of its own (the kernel). */
	int (*msg_alloc)(
		struct ims_vfio *v, const struct ims_vfio_sink *sink, struct ims_vfio_msg *msg);
	void (*msg_retarget)(struct ims_vfio *v, const struct ims_vfio_msg *msg,
		const struct ims_vfio_sink *sink);
	void (*msg_free)(struct ims_vfio *v, const struct ims_vfio_msg *msg);
	/* Who takes a message's events now: 0; -ENOENT nobody, it is not one of ours. */
	int (*msg_sink)(
		struct ims_vfio *v, const struct ims_vfio_msg *msg, struct ims_vfio_sink *sink);
	/*
	 * Let one reader, a wait set, read the source itself: its descriptor, or -EBUSY. It must
	 * read when the descriptor is readable, handle the events, then acknowledge them. What is
	 * more than n stays in the descriptor. source_read: how many events; -EAGAIN it is not to
	 * look at the descriptor any more, a thread of the backend's reads for good.
	 */
	int (*source_take)(struct ims_vfio *v, const void *reader);
	void (*source_give)(struct ims_vfio *v, const void *reader);
	int (*source_read)(
		struct ims_vfio *v, const void *reader, struct ims_vfio_event *ev, unsigned int n);
	void (*source_ack)(struct ims_vfio *v, const struct ims_vfio_event *ev, unsigned int n);
};

/* Memory mapped for a device; see ims_vfio_dma.c. */
struct ims_vfio_dma_map {
	TAILQ_ENTRY(ims_vfio_dma_map) next;
	uint64_t iova;
	uint8_t *addr;
	size_t len;
	bool user;   /* by rte_ims_dev_dma_map() */
	bool fdless; /* no file behind it: another process reaches it by messages */
};

struct ims_vfio {
	const struct ims_vfio_ops *ops;
	char name[128];
	int numa_node;
	uint32_t timeout_ms;
	uint32_t n_regions;
	uint32_t n_irqs;
	struct ims_vfio_region regions[IMS_VFIO_MAX_REGIONS];
	struct ims_vfio_irq irqs[IMS_VFIO_MAX_IRQS];

	atomic_bool up; /* opened: from here on what its peer does is news */
	atomic_bool removed;
	atomic_bool closing; /* whom one command has found silent is not asked again */
	pthread_mutex_t event_lock;
	void (*event_fn)(void *arg, enum ims_vfio_dev_event event);
	void *event_arg;

	pthread_mutex_t dma_ctl;  /* one map or unmap at a time, held while the peer answers */
	pthread_mutex_t dma_lock; /* the list, and the memory behind it while it is copied */
	bool dma_hotplug;         /* the hot-plug callback is registered */
	TAILQ_HEAD(, ims_vfio_dma_map) dma_maps;
	uint32_t n_dma_maps;

	atomic_uint_fast64_t peer_errors[IMS_VFIO_PEER_ERRORS];
	atomic_uint peer_errors_told; /* bits: there is a line of it in the log */
	int model_pid;                /* the process of ours that plays the device; 0: none */
};

/*
 * Open "pci:BDF", "vfio-user:PATH" or "emu:MODEL[,key=value...]". NULL with rte_errno. Regions are
 * mapped, DMA memory is not: see ims_vfio_dma_start().
 */
struct ims_vfio *
ims_vfio_open(const char *name, uint32_t timeout_ms);

/* Undoes everything, DMA maps too. No other thread may use v any more. */
void
ims_vfio_close(struct ims_vfio *v);

/* For backends: the fields that all have. */
void
ims_vfio_init(
	struct ims_vfio *v, const struct ims_vfio_ops *ops, const char *name, uint32_t timeout_ms);
void
ims_vfio_fini(struct ims_vfio *v);
/* For backends: map a part of a region that can be mapped, from a file. Later parts than fit stay
 * unmapped: they are reached by region_read and region_write. 0 or a negative errno value.
 */
int
ims_vfio_area_map(struct ims_vfio *v, uint32_t region, uint64_t offset, uint64_t size, int fd,
	uint64_t file_offset);
/* For backends: the device is gone. Safe to call twice, from any thread. */
void
ims_vfio_set_removed(struct ims_vfio *v);
/*
 * For backends: count n of these. Of each kind there is one line in the log, unless its caller
 * tells of each or the device is not open yet: then that it is not is the news.
 */
void
ims_vfio_peer_error(struct ims_vfio *v, enum ims_vfio_peer_error what, uint64_t n);
/* How many there have been. */
static inline uint64_t
ims_vfio_peer_errors(const struct ims_vfio *v, enum ims_vfio_peer_error what)
{
	return atomic_load_explicit(&v->peer_errors[what], memory_order_relaxed);
}
/* For backends: any other event. */
void
ims_vfio_event(struct ims_vfio *v, enum ims_vfio_dev_event event);

/*
 * Have fn called at each event, at once if the device is gone already; NULL: not any more, and it
 * is not running when this returns. fn must not block nor call this.
 */
void
ims_vfio_event_notify(
	struct ims_vfio *v, void (*fn)(void *arg, enum ims_vfio_dev_event event), void *arg);

/* Where [off, off + len) of a region is mapped, or NULL. */
void *
ims_vfio_region_addr(const struct ims_vfio *v, uint32_t region, uint64_t off, uint64_t len);

/* One access, through the mapping where there is one. */
int
ims_vfio_read(struct ims_vfio *v, uint32_t region, uint64_t off, void *buf, size_t len);
int
ims_vfio_write(struct ims_vfio *v, uint32_t region, uint64_t off, const void *buf, size_t len);

/*
 * Map all DPDK memory, and keep the maps up to date with hot-plug until ims_vfio_dma_stop(). start
 * and stop must not run in a memory event callback.
 */
int
ims_vfio_dma_start(struct ims_vfio *v);
void
ims_vfio_dma_stop(struct ims_vfio *v);
/* Memory of the caller's own. -EINVAL, -EEXIST, -ENOENT, or what the backend says. */
int
ims_vfio_dma_map(struct ims_vfio *v, void *addr, size_t len, int fd, uint64_t offset);
int
ims_vfio_dma_unmap(struct ims_vfio *v, void *addr, size_t len);
/* The device can reach all of it, in one map or in several that follow each other. */
bool
ims_vfio_dma_is_mapped(struct ims_vfio *v, uint64_t iova, size_t len);
/*
 * For backends that carry out a device's accesses: copy to or from mapped memory. -EFAULT, and
 * counted, if any byte of it is not mapped: then nothing has been copied.
 */
int
ims_vfio_dma_copy(struct ims_vfio *v, uint64_t iova, void *buf, size_t len, bool to_memory);

/* The backends. */
struct ims_vfio *
ims_vfio_user_open(const char *name, const char *path, uint32_t timeout_ms);
struct ims_vfio *
ims_vfio_emu_open(const char *name, const char *args, uint32_t timeout_ms);

/* ims_sigbus.c: an access to this mapping that fails makes the device a removed one. */
void
ims_sigbus_guard(struct ims_vfio *v, void *addr, size_t size);
void
ims_sigbus_unguard(void *addr);

struct ims_vfio *
ims_vfio_kernel_open(const char *name, const char *bdf, uint32_t timeout_ms);

/*
 * Have a CPU take an MSI-X or MSI vector of a kernel device. -ENOENT, -EACCES ...; complains once.
 */
int
ims_irq_set_cpu(const char *bdf, bool msix, uint32_t vector, int cpu);
/*
 * 1: the interrupt of a vector with an eventfd goes through interrupt remapping, its message stays
 * as it is; 0: it does not; -ENOENT: not found.
 */
int
ims_irq_is_remapped(const char *bdf, bool msix, uint32_t vector);

/* What Linux knows of such an interrupt. */
struct ims_irq {
	int number;
	bool remapped;
	char chip[32];
	uint64_t count; /* of all CPUs */
	char cpus[64];  /* that take it, as a list: "2", "0-3"; empty: not known */
};

/* /proc/interrupts as it is now, to look up several: the caller frees it. -EACCES ...: NULL. */
int
ims_irqs_read(char **irqs);
/*
 * One that irqs (NULL: nothing was read) lacks is looked up anew. 0; -ENOENT: there is none,
 * -EACCES ...
 */
int
ims_irq_get(const char *irqs, const char *bdf, bool msix, uint32_t vector, struct ims_irq *irq);
/* Where the kernel shows its interrupts, "/proc"; tests have a tree of their own. */
extern const char *ims_irq_proc;

/* PCI configuration space: offset of a capability, 0 if it has none, or -errno. */
int
ims_pci_cap_find(struct ims_vfio *v, uint8_t id);
/* Set or clear bits of the command register. */
int
ims_pci_command(struct ims_vfio *v, uint16_t set, uint16_t clear);

#endif /* _IMS_VFIO_H_ */
