/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _VFU_PRIV_H_
#define _VFU_PRIV_H_

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <linux/vfio.h>

#include "vfio_user_proto.h"
#include "vfu.h"

#define VFU_MAX_FDS  8      /* descriptors of one message */
#define VFU_RECV_FDS 253    /* that can come at once: the kernel's SCM_MAX_FD */
#define VFU_MAX_DATA 65536u /* payload of one access */
#define VFU_MAX_MSG  (VFU_MAX_DATA + 64)
/* Each is a mapping of the process, of which Linux allows 65530 (vm.max_map_count). */
#define VFU_MAX_MAPS    32768u
#define VFU_MAP_CACHE   16u
#define VFU_MAX_QUEUE   (1u << 20) /* bytes that wait for a client that does not read */
#define VFU_MAX_CALLS   256u       /* requests of ours that wait for their reply */
#define VFU_MAX_WATCHES 8
#define VFU_BACKLOG     8    /* connections that wait to be refused */
#define VFU_MAX_CLOSING 32   /* connections that wait to be closed */
#define VFU_MAX_SLOTS   8    /* clients whose descriptors wait to be closed */
#define VFU_USER_SLOTS  2    /* of one user */
#define VFU_REJECT_MS   1000 /* after which a client's descriptors wait without the client */
#define VFU_STALL_MS    2000 /* after which a client that stalls makes room for another one */
#define VFU_CONFIG_SIZE 256
#define VFU_N_REGIONS   9
#define VFU_N_IRQS      5
#define VFU_MAX_MSIX    2048
#define VFU_MSIX_CAP    0x90 /* the capability's place in configuration space */
#define VFU_MSG_BUCKETS 4096u

/* A message to the client that the socket has no room for yet. */
struct vfu_out {
	STAILQ_ENTRY(vfu_out) next;
	int fd; /* goes with the first byte; -1 */
	uint32_t len;
	uint32_t sent;
	uint8_t data[];
};

struct vfu_map {
	uint64_t iova;
	uint64_t size;
	uint32_t flags; /* VFIO_USER_DMA_F_* */
	uint8_t *addr;  /* NULL: no file, reached by messages */
	void *base;     /* of the mmap, page aligned */
	size_t base_len;
};

struct vfu_call {
	bool used;
	uint8_t gen;
	uint16_t command;
	uint32_t len;
	uint64_t iova;
	vfu_dma_fn done;
	void *arg;
};

struct vfu_watch {
	int fd;
	void (*fn)(void *arg);
	void *arg;
};

/* An MSI-X vector: its entry of the table, its pending bit, its eventfd. */
struct vfu_vector {
	uint64_t addr;
	uint32_t data;
	bool masked;
	bool written;  /* any of it, since the reset */
	bool has_addr; /* the address was */
	bool pending;
	int fd;        /* -1: none */
	bool nonblock; /* writes to it do not block */
	bool is_pipe;
	/* Found by its message. */
	bool hashed;
	uint16_t next;
	uint32_t hashed_data;
	uint64_t hashed_addr;
};

struct vfu {
	struct vfu_conf conf;
	pthread_mutex_t lock;
	atomic_uint lock_wanted; /* by so many */
	atomic_uint lock_last;   /* and by so many when those have had it */
	pthread_t holder;        /* of the lock, if has_holder */
	atomic_bool has_holder;
	int epfd;
	int stop_fd;
	int listener;
	int spare_fd;          /* given up to refuse a client when there are no descriptors left */
	struct vfu_file file;  /* none, or the socket's */
	atomic_uint *progress; /* may be NULL */
	bool one_client;       /* vfu_attach() */
	bool running;
	struct vfu_watch watches[VFU_MAX_WATCHES];
	unsigned int n_watches;

	/* The client. */
	int sock; /* -1: none */
	bool versioned;
	uint32_t client_max_fds;
	uint64_t client_max_data;
	uint8_t *in;
	uint8_t *scratch; /* what a read answers */
	uint32_t in_len;
	int in_fds[VFU_MAX_FDS];
	unsigned int n_in_fds;
	bool fds_more;     /* than VFU_MAX_FDS came */
	bool fds_lost;     /* we had no room for all of them: EMFILE */
	uint64_t heard_ns; /* when it last did what it had begun, or began something */
	uint64_t stall_ns; /* VFU_STALL_MS; tests change it */
	STAILQ_HEAD(, vfu_out) out;
	uint32_t out_bytes;
	bool broken; /* close it when the lock is about to be let go */
	struct vfu_call calls[VFU_MAX_CALLS];
	unsigned int n_calls;
	unsigned int next_call;

	struct vfu_map **maps; /* in order of addresses */
	uint32_t n_maps;
	uint32_t maps_room;
	struct vfu_map *map_cache[VFU_MAP_CACHE]; /* by address, of late */
	uint64_t dma_gen;

	uint8_t config[VFU_CONFIG_SIZE];
	uint8_t config_mask[VFU_CONFIG_SIZE]; /* bits a client may change */

	struct vfu_vector *vectors;
	uint32_t n_pending;
	uint16_t by_msg[VFU_MSG_BUCKETS]; /* the first vector with such a message */

	struct vfu_stats stats;

	/* vfu_guard.c */
	pthread_t guard;
	bool has_guard;
	bool guard_stop;
	pthread_mutex_t guard_lock;
	pthread_cond_t guard_cond;
	_Atomic(pthread_t) guarded;    /* who is between vfu_guard_begin() and _end() */
	_Atomic(uint64_t) guard_seq;   /* odd: somebody is */
	_Atomic(uint64_t) interrupted; /* guard_seq of the call that was, of late */

	/* vfu_closer.c: under guard_lock */
	pthread_t closer;
	bool has_closer;
	bool closer_stop;
	bool listener_waits; /* until there is room */
	pthread_cond_t closer_cond;
	int closing[VFU_MAX_CLOSING]; /* a ring */
	unsigned int next_closing;
	unsigned int n_closing;       /* with the one that close() is at */
	_Atomic(uint64_t) closer_seq; /* odd: it is in close() */

	/* vfu_reject.c */
	struct vfu_reject *reject;
	uint32_t reject_ms;    /* VFU_REJECT_MS; tests change it */
	uint64_t waited_ns;    /* for the client, since the lock was taken */
	atomic_bool gives_way; /* the server, to others who want the lock: it was held for long */
};

/* A request, complete and its header sane. */
struct vfu_req {
	struct vfio_user_header hdr;
	const uint8_t *data;
	uint32_t len;
	int *fds; /* those taken are set to -1, the rest are closed */
	unsigned int n_fds;
	bool fds_more; /* came, and were closed */
};

/* vfu_server.c: this thread is not held in the kernel */
void
vfu_progress(struct vfu *vfu);

/* vfu_msg.c */
void
vfu_msg_input(struct vfu *vfu);
void
vfu_msg_output(struct vfu *vfu);
void
vfu_reply(struct vfu *vfu, const struct vfu_req *req, const void *head, uint32_t head_len,
	const void *data, uint32_t data_len, int fd);
void
vfu_reply_error(struct vfu *vfu, const struct vfu_req *req, int error);
/* Queue and try to send. */
void
vfu_send(struct vfu *vfu, const struct vfio_user_header *hdr, const void *head, uint32_t head_len,
	const void *data, uint32_t data_len, int fd);
void
vfu_client_drop(struct vfu *vfu);
/*
 * It has begun something (VERSION, a message, reading what we sent) and not gone on for
 * VFU_STALL_MS.
 */
bool
vfu_client_stalls(const struct vfu *vfu);
void
vfu_client_heard(struct vfu *vfu);

/* vfu_guard.c */
#define VFU_GUARD_SIGNAL SIGUSR2
int
vfu_guard_init(struct vfu *vfu);
void
vfu_guard_fini(struct vfu *vfu);
/*
 * Around a call that a descriptor of a client may block, with the lock held: should it block, it is
 * interrupted after a second or two, and vfu_guard_end() returns true.
 */
void
vfu_guard_begin(struct vfu *vfu);
bool
vfu_guard_end(struct vfu *vfu);
/* Close a client's connection, or the listener with those in its queue. With the lock held. */
void
vfu_guard_close(struct vfu *vfu, int sock);
/* It has blocked: the client is dropped. */
void
vfu_guard_blocked(struct vfu *vfu);

/* vfu_closer.c: after vfu_guard_init(), and before vfu_guard_fini() */
int
vfu_closer_init(struct vfu *vfu);
void
vfu_closer_fini(struct vfu *vfu);
/* If not, no connection comes until there is. With the lock held. */
bool
vfu_closer_has_room(struct vfu *vfu);
/* End a client's connection, and close it in time. With the lock held. */
void
vfu_closer_put(struct vfu *vfu, int sock);

/* vfu_fd.c: may it be mapped, or written to? */
bool
vfu_fd_is_memory(int fd);
bool
vfu_fd_is_event(int fd);
/* Its client may hold whoever writes to it. */
bool
vfu_fd_is_pipe(int fd);

/* vfu_reject.c: after vfu_guard_init(), and before vfu_guard_fini() */
int
vfu_reject_init(struct vfu *vfu);
void
vfu_reject_fini(struct vfu *vfu);
/* There will be more than one client. -errno. */
int
vfu_reject_listen(struct vfu *vfu);
/*
 * The client of this connection may come: if so it is the present one. False if descriptors that
 * its user has passed before are not closed yet. With the lock held.
 */
bool
vfu_reject_admits(struct vfu *vfu, int sock);
/*
 * Close descriptors of the present client, whatever they are: those of a message, or of its
 * vectors. With the lock held. If that takes too long the client is dropped; then this may be
 * called for what it leaves, and does not wait.
 */
void
vfu_reject_close(struct vfu *vfu, const int *fds, unsigned int n);
/* Write to one that is a vector's, as to an eventfd: it was. The same holds. */
bool
vfu_reject_signal(struct vfu *vfu, int fd);

/* vfu_cmd.c: 0 if it has replied, or the errno to reply with */
int
vfu_cmd(struct vfu *vfu, struct vfu_req *req);

/* vfu_region.c */
int
vfu_cmd_region_info(struct vfu *vfu, const struct vfu_req *req);
int
vfu_cmd_region_read(struct vfu *vfu, const struct vfu_req *req);
int
vfu_cmd_region_write(struct vfu *vfu, const struct vfu_req *req);

/* vfu_irq.c */
int
vfu_cmd_irq_info(struct vfu *vfu, const struct vfu_req *req);
int
vfu_cmd_set_irqs(struct vfu *vfu, struct vfu_req *req);
/* All eventfds go. */
void
vfu_irq_reset(struct vfu *vfu);

/* vfu_msix.c */
bool
vfu_msix_conf_good(const struct vfu_conf *conf);
int
vfu_msix_init(struct vfu *vfu);
void
vfu_msix_fini(struct vfu *vfu);
void
vfu_msix_reset(struct vfu *vfu);
/* The access touches the table or the pending bits; read and write return a positive errno. */
bool
vfu_msix_owns(const struct vfu *vfu, uint32_t bar, uint64_t off, uint32_t len);
int
vfu_msix_read(const struct vfu *vfu, uint64_t off, void *buf, uint32_t len);
int
vfu_msix_write(struct vfu *vfu, uint64_t off, const void *buf, uint32_t len);
/* What decides over a vector, or over all of them, has changed. */
void
vfu_msix_sync(struct vfu *vfu, uint32_t vector);
void
vfu_msix_sync_all(struct vfu *vfu);

/* vfu_dma.c */
int
vfu_cmd_dma_map(struct vfu *vfu, struct vfu_req *req);
int
vfu_cmd_dma_unmap(struct vfu *vfu, const struct vfu_req *req);
void
vfu_dma_reply(struct vfu *vfu, const struct vfu_req *req);
void
vfu_dma_reset(struct vfu *vfu);

/* vfu_pci.c */
void
vfu_pci_init(struct vfu *vfu);
/* The function as after power-on; the client's maps and eventfds stay. */
void
vfu_pci_reset(struct vfu *vfu);
void
vfu_pci_read(struct vfu *vfu, uint32_t off, void *buf, uint32_t len);
void
vfu_pci_write(struct vfu *vfu, uint32_t off, const void *buf, uint32_t len);

#define vfu_trace(vfu, ...)                                   \
	do {                                                  \
		if ((vfu)->conf.trace)                        \
			fprintf(stderr, "vfu: " __VA_ARGS__); \
	} while (0)

#endif /* _VFU_PRIV_H_ */
