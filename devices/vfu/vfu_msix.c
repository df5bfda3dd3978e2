/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The MSI-X table and its pending bits. Both lie in a BAR, and the server itself serves accesses to
 * them. A vector has two fathers, the entry and the eventfd that SET_IRQS gives it:
 *
 * - QEMU keeps the guest's table to itself. The entries stay as after reset, and the eventfd says
 *   all: a vector whose entry nobody has written counts as not masked.
 * - A client that is the root complex writes the entries. One that is masked holds its event. One
 *   whose message goes to memory is a store there; the eventfd stands for messages in the MSI
 *   window, and for entries without an address.
 *
 * MSI-X Enable in configuration space is not looked at by itself: vectors are enabled by their
 * eventfds, and clients differ in whether they write that bit (the kernel's vfio-pci does not let
 * its users, QEMU passes on what the guest writes). Function Mask counts while Enable is set, as
 * PCI says; a guest sets and clears both.
 *
 * An event that cannot be sent is held as a pending bit, and looked at again whenever what stood in
 * its way may have changed.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "vfu_priv.h"

#define NO_VECTOR UINT16_MAX

int
vfu_msix_init(struct vfu *vfu)
{
	uint32_t i;

	vfu->vectors = calloc(vfu->conf.n_msix, sizeof(*vfu->vectors));
	if (vfu->vectors == NULL && vfu->conf.n_msix != 0)
		return -ENOMEM;
	for (i = 0; i < vfu->conf.n_msix; i++)
		vfu->vectors[i].fd = -1;
	vfu_msix_reset(vfu);
	return 0;
}

void
vfu_msix_fini(struct vfu *vfu)
{
	free(vfu->vectors);
}

static bool
in_window(uint64_t addr)
{
	return addr >= VFIO_USER_MSI_WINDOW_BASE &&
	       addr - VFIO_USER_MSI_WINDOW_BASE < VFIO_USER_MSI_WINDOW_SIZE;
}

static uint32_t
bucket(uint64_t addr, uint32_t data)
{
	uint64_t hash = (addr >> 2) * 0x9e3779b97f4a7c15ull ^ data * 0xff51afd7ed558ccdull;

	return hash >> 32 & (VFU_MSG_BUCKETS - 1);
}

static void
unhash(struct vfu *vfu, uint32_t vector)
{
	struct vfu_vector *v = &vfu->vectors[vector];
	uint16_t *link = &vfu->by_msg[bucket(v->hashed_addr, v->hashed_data)];

	while (*link != vector)
		link = &vfu->vectors[*link].next;
	*link = v->next;
	v->hashed = false;
}

/* Entries that can stand for their message are found by it. */
static void
rehash(struct vfu *vfu, uint32_t vector)
{
	struct vfu_vector *v = &vfu->vectors[vector];
	bool wanted = v->has_addr && !v->masked && v->fd >= 0 && in_window(v->addr);
	uint16_t *head;

	if (v->hashed && wanted && v->hashed_addr == v->addr && v->hashed_data == v->data)
		return;
	if (v->hashed)
		unhash(vfu, vector);
	if (!wanted)
		return;
	v->hashed = true;
	v->hashed_addr = v->addr;
	v->hashed_data = v->data;
	head = &vfu->by_msg[bucket(v->addr, v->data)];
	v->next = *head;
	*head = vector;
}

/* The function as a whole may send messages. */
static bool
function_open(const struct vfu *vfu)
{
	uint16_t flags, both = PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL;

	memcpy(&flags, &vfu->config[VFU_MSIX_CAP + PCI_MSIX_FLAGS], sizeof(flags));
	return vfu_bus_master(vfu) && (flags & both) != both;
}

static bool
write_guarded(struct vfu *vfu, int fd)
{
	const uint64_t one = 1;
	ssize_t n;

	vfu_guard_begin(vfu);
	n = write(fd, &one, sizeof(one));
	vfu_guard_end(vfu);
	if (n < 0 && errno == EINTR)
		vfu_guard_blocked(vfu);
	return n > 0;
}

/*
 * One system call where the client has made its descriptor non-blocking, as an eventfd between
 * processes should be. Others are asked first whether a write would block: the flag is shared with
 * the client, who may rely on reads that block, so it is not ours to set. Either way the answer may
 * be out of date, by a client that makes a descriptor block and fills it in the right moment: so
 * the write is guarded. A pipe is written to by a thread that can be spared, which takes longer.
 *
 * A client that has us wait for too long is given up here, also in a model's thread.
 */
void
vfu_msix_signal(struct vfu *vfu, uint32_t vector)
{
	const struct vfu_vector *v = &vfu->vectors[vector];
	struct pollfd pfd = { .fd = v->fd, .events = POLLOUT };

	if (v->fd < 0 || vfu->broken)
		return; /* who is given up is not waited for again */
	if (!v->nonblock && (poll(&pfd, 1, 0) != 1 || (pfd.revents & POLLOUT) == 0))
		return; /* a full counter is an event already */
	if (v->is_pipe ? vfu_reject_signal(vfu, v->fd) : write_guarded(vfu, v->fd))
		vfu->stats.msgs_eventfd++;
}

static void
set_pending(struct vfu *vfu, uint32_t vector, bool pending)
{
	vfu->n_pending += pending - vfu->vectors[vector].pending;
	vfu->vectors[vector].pending = pending;
}

static void
store_message(struct vfu *vfu, const struct vfu_vector *v)
{
	_Atomic(uint32_t) *word = vfu_dma_aligned(vfu, v->addr, sizeof(*word), sizeof(*word), true);

	if (word == NULL) {
		vfu->stats.msgs_faulted++;
		return;
	}
	vfu->stats.msgs_memory++;
	/* Release: whoever sees the word sees what the device did before. */
	atomic_store_explicit(word, v->data, memory_order_release);
}

void
vfu_msix_fire(struct vfu *vfu, uint32_t vector)
{
	struct vfu_vector *v;

	if (vector >= vfu->conf.n_msix)
		return;
	v = &vfu->vectors[vector];
	if (!function_open(vfu) || (v->written && v->masked))
		set_pending(vfu, vector, true);
	else if (v->has_addr && !in_window(v->addr))
		store_message(vfu, v);
	else if (v->fd >= 0)
		vfu_msix_signal(vfu, vector);
	else
		set_pending(vfu, vector, true);
}

/* Something about the vector has changed. */
void
vfu_msix_sync(struct vfu *vfu, uint32_t vector)
{
	rehash(vfu, vector);
	if (!vfu->vectors[vector].pending)
		return;
	set_pending(vfu, vector, false);
	vfu_msix_fire(vfu, vector);
}

void
vfu_msix_sync_all(struct vfu *vfu)
{
	uint32_t i;

	if (!function_open(vfu))
		return;
	for (i = 0; i < vfu->conf.n_msix && vfu->n_pending != 0; i++)
		vfu_msix_sync(vfu, i);
}

int
vfu_msix_find(const struct vfu *vfu, uint64_t addr, uint32_t data)
{
	uint16_t i;

	if (vfu->conf.n_msix == 0 || !in_window(addr) || !function_open(vfu))
		return -1;
	for (i = vfu->by_msg[bucket(addr, data)]; i != NO_VECTOR; i = vfu->vectors[i].next)
		if (vfu->vectors[i].addr == addr && vfu->vectors[i].data == data)
			return i;
	return -1;
}

void
vfu_msix_forget(struct vfu *vfu)
{
	uint32_t i;

	for (i = 0; i < vfu->conf.n_msix; i++)
		vfu->vectors[i].pending = false;
	vfu->n_pending = 0;
}

/* All entries 0 and masked; the client's eventfds stay. */
void
vfu_msix_reset(struct vfu *vfu)
{
	struct vfu_vector *v;
	uint32_t i;

	for (i = 0; i < vfu->conf.n_msix; i++) {
		v = &vfu->vectors[i];
		*v = (struct vfu_vector){
			.fd = v->fd,
			.nonblock = v->nonblock,
			.is_pipe = v->is_pipe,
			.masked = true,
		};
	}
	vfu->n_pending = 0;
	memset(vfu->by_msg, 0xff, sizeof(vfu->by_msg)); /* NO_VECTOR */
}

static bool
overlaps(uint64_t off, uint64_t len, uint64_t start, uint64_t size)
{
	return off < start + size && off + len > start;
}

static uint32_t
table_size(const struct vfu_conf *conf)
{
	return conf->n_msix * PCI_MSIX_ENTRY_SIZE;
}

static uint32_t
pba_size(const struct vfu_conf *conf)
{
	return (conf->n_msix + 63) / 64 * sizeof(uint64_t);
}

/* The access touches the table or the pending bits. */
static bool
touches(const struct vfu_conf *conf, uint64_t off, uint64_t len)
{
	return overlaps(off, len, conf->msix_table, table_size(conf)) ||
	       overlaps(off, len, conf->msix_pba, pba_size(conf));
}

/* Table and pending bits lie in the BAR, side by side, and in no part that clients may map. */
bool
vfu_msix_conf_good(const struct vfu_conf *conf)
{
	const struct vfu_bar *bar = &conf->bars[conf->msix_bar % VFU_MAX_BARS];
	uint32_t i;

	if (conf->n_msix == 0)
		return true;
	if (conf->n_msix > VFU_MAX_MSIX || conf->msix_bar >= VFU_MAX_BARS ||
		conf->msix_table % 8 != 0 || conf->msix_pba % 8 != 0 ||
		conf->msix_table + (uint64_t)table_size(conf) > bar->size ||
		conf->msix_pba + (uint64_t)pba_size(conf) > bar->size ||
		overlaps(conf->msix_pba, pba_size(conf), conf->msix_table, table_size(conf)))
		return false;
	for (i = 0; i < bar->n_areas; i++)
		if (touches(conf, bar->areas[i].offset, bar->areas[i].size))
			return false;
	return true;
}

bool
vfu_msix_owns(const struct vfu *vfu, uint32_t bar, uint64_t off, uint32_t len)
{
	return vfu->conf.n_msix != 0 && bar == vfu->conf.msix_bar && touches(&vfu->conf, off, len);
}

static bool
in_table(const struct vfu *vfu, uint64_t off)
{
	return overlaps(off, 1, vfu->conf.msix_table, table_size(&vfu->conf));
}

static uint32_t
table_read(const struct vfu *vfu, uint32_t off)
{
	const struct vfu_vector *v = &vfu->vectors[off / PCI_MSIX_ENTRY_SIZE];

	switch (off % PCI_MSIX_ENTRY_SIZE) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		return v->addr;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		return v->addr >> 32;
	case PCI_MSIX_ENTRY_DATA:
		return v->data;
	default:
		return v->masked ? PCI_MSIX_ENTRY_CTRL_MASKBIT : 0;
	}
}

static uint32_t
pba_read(const struct vfu *vfu, uint32_t off)
{
	uint32_t val = 0, i;

	for (i = 0; i < 32 && off * 8 + i < vfu->conf.n_msix; i++)
		val |= (uint32_t)vfu->vectors[off * 8 + i].pending << i;
	return val;
}

int
vfu_msix_read(const struct vfu *vfu, uint64_t off, void *buf, uint32_t len)
{
	uint32_t val, i;

	if ((len != 4 && len != 8) || off % len != 0)
		return EINVAL;
	for (i = 0; i < len; i += 4) {
		val = in_table(vfu, off) ? table_read(vfu, off + i - vfu->conf.msix_table)
		                         : pba_read(vfu, off + i - vfu->conf.msix_pba);
		memcpy((uint8_t *)buf + i, &val, sizeof(val));
	}
	return 0;
}

static void
table_write(struct vfu *vfu, uint32_t off, uint32_t val)
{
	struct vfu_vector *v = &vfu->vectors[off / PCI_MSIX_ENTRY_SIZE];

	v->written = true;
	switch (off % PCI_MSIX_ENTRY_SIZE) {
	case PCI_MSIX_ENTRY_LOWER_ADDR:
		v->addr = (v->addr & ~0xffffffffull) | (val & ~3u);
		v->has_addr = true;
		break;
	case PCI_MSIX_ENTRY_UPPER_ADDR:
		v->addr = (v->addr & 0xffffffffull) | (uint64_t)val << 32;
		v->has_addr = true;
		break;
	case PCI_MSIX_ENTRY_DATA:
		v->data = val;
		break;
	default:
		v->masked = (val & PCI_MSIX_ENTRY_CTRL_MASKBIT) != 0;
		break;
	}
}

int
vfu_msix_write(struct vfu *vfu, uint64_t off, const void *buf, uint32_t len)
{
	uint32_t val, i;

	if ((len != 4 && len != 8) || off % len != 0)
		return EINVAL;
	if (!in_table(vfu, off))
		return 0; /* pending bits are read-only */
	off -= vfu->conf.msix_table;
	for (i = 0; i < len; i += 4) {
		memcpy(&val, (const uint8_t *)buf + i, sizeof(val));
		table_write(vfu, off + i, val);
	}
	vfu_msix_sync(vfu, off / PCI_MSIX_ENTRY_SIZE);
	return 0;
}
