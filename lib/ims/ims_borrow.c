/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Borrowed messages: on a kernel device nobody but the kernel can compose a message that reaches an
 * eventfd. It composes one for each MSI-X (or MSI) vector, and an IMS slot of the same function can
 * hold a copy: the IOMMU tells functions apart by their requester id, not by where in the device a
 * message was stored.
 *
 * A copy is good only as long as the kernel does not change the original. With interrupt remapping
 * it never does: the message is an index into the IOMMU's table, affinity, hot-plug of CPUs and
 * posting to a guest change the table's entry (Linux' own rule for such copies is
 * IRQ_DOMAIN_FLAG_MSI_IMMUTABLE, drivers/pci/endpoint/pci-ep-msi.c). Without it the message names a
 * CPU and a vector, and a copy goes stale when the interrupt moves: refused, unless the application
 * has asked for RTE_IMS_DEV_F_UNSAFE_BORROW. Then
 *   - the library does not move the interrupt itself (pinned),
 *   - the original is compared at each event, at reset and on demand (audited). If it has changed,
 *     the borrower is masked, written anew and unmasked.
 * That loses nothing: the kernel changes the message in the interrupt that follows the request to
 * move, and gives the old one up only when an interrupt with the new one has arrived
 * (arch/x86/kernel/apic/vector.c, irq_complete_move()). The lender's own slot in the device is
 * never fired, so the first one with the new message is the borrower's, after it was written anew.
 */

#include "ims_private.h"

static struct rte_ims_store *
lender_store(struct rte_ims_dev *dev)
{
	struct rte_ims_store *store;

	TAILQ_FOREACH(store, &dev->stores, next)
		if (store->lend != NULL)
			return store;
	return NULL;
}

/* Where a write is an interrupt on x86: remapped by the IOMMU, Intel's or AMD's, or not. */
static bool
is_x86_interrupt(const struct rte_ims_msg *msg)
{
	return (msg->addr & ~(uint64_t)0xfffff) == 0xfee00000;
}

/*
 * Elsewhere each machine has its controller in another place, and the IOMMU may show it in a third:
 * but none at 0, which is what a slot reads as that nobody has written to.
 */
static bool
is_interrupt(const struct rte_ims_msg *msg)
{
#ifdef RTE_ARCH_X86
	return is_x86_interrupt(msg);
#else
	return msg->addr != 0;
#endif
}

/* Whoever copied what is no interrupt would have the device write to memory. */
static int
lend(struct rte_ims_store *store, uint32_t slot, struct rte_ims_msg *msg)
{
	int rc = store->lend(store, slot, msg);

	return rc == 0 && !is_interrupt(msg) ? -EIO : rc;
}

/* VT-d's remappable format (specification, section 5.1.2.2): bit 4 of the address. */
static bool
is_remappable(const struct rte_ims_msg *msg)
{
	return is_x86_interrupt(msg) && (msg->addr & 0x10) != 0;
}

/*
 * Whether the kernel keeps a vector's message as it is. AMD's messages do not show it; there the
 * name of the interrupt's chip does.
 */
static bool
is_immutable(struct rte_ims_store *store, uint32_t slot, const struct rte_ims_msg *msg)
{
	const char *bdf = ims_dev_bdf(store->dev);

	if (is_remappable(msg))
		return true;
	return bdf != NULL &&
	       ims_irq_is_remapped(bdf, store->type == RTE_IMS_STORE_MSIX, slot) == 1;
}

/* May this message be copied? 0, -ENOTSUP. */
static int
admit(struct rte_ims_vec *vec, struct rte_ims_store *store, uint32_t slot)
{
	struct rte_ims_dev *dev = store->dev;

	vec->mutable = !is_immutable(store, slot, &vec->fd_msg);
	if (!vec->mutable)
		return 0;
	if (!dev->unsafe_borrow) {
		IMS_LOG(ERR,
			"%s: its messages name a CPU (no interrupt remapping), a copy of one "
			"would go stale when the interrupt moves; enable the IOMMU's interrupt "
			"remapping, use memory delivery, or open it with "
			"RTE_IMS_DEV_F_UNSAFE_BORROW",
			dev->name);
		return -ENOTSUP;
	}
	if (!dev->unsafe_told)
		IMS_LOG(WARNING,
			"%s: no interrupt remapping, borrowed messages are pinned to their CPU and "
			"audited: each event costs more",
			dev->name);
	dev->unsafe_told = true;
	return 0;
}

/*
 * A device's process that finds the message in its MSI-X table signals the eventfd itself, if the
 * entry is not masked. On the bus of a real device the entry's mask does not matter to the copy.
 */
static int
open_lender(struct rte_ims_dev *dev, struct rte_ims_store *store, uint32_t slot)
{
	return dev->vfio->ops->msg_alloc != NULL ? store->ops->unmask(store, slot) : 0;
}

int
ims_borrow_admit_locked(struct rte_ims_vec *vec, struct rte_ims_msg *msg)
{
	int rc;

	rc = lend(vec->store, vec->slot, msg);
	if (rc != 0)
		return rc;
	return is_immutable(vec->store, vec->slot, msg) ? 0 : -ENOTSUP;
}

int
ims_borrow_locked(struct rte_ims_vec *vec)
{
	struct rte_ims_store *store = lender_store(vec->dev);
	int64_t slot;
	int rc;

	if (store == NULL)
		return -ENOTSUP;
	slot = ims_store_slot_take(store, RTE_IMS_SLOT_ANY, vec);
	if (slot < 0)
		return slot;
	/* Read after the kernel has attached the eventfd: what was there before may be a dummy. */
	rc = store->ops->set_eventfd(store, slot, vec->fd);
	if (rc == 0)
		rc = lend(store, slot, &vec->fd_msg);
	if (rc == 0)
		rc = admit(vec, store, slot);
	if (rc == 0)
		rc = open_lender(vec->dev, store, slot);
	if (rc != 0) {
		store->ops->shutdown(store, slot);
		ims_store_slot_give(store, slot);
		return rc;
	}
	vec->lender = store;
	vec->lender_slot = slot;
	return 0;
}

void
ims_borrow_end_locked(struct rte_ims_vec *vec)
{
	vec->lender->ops->shutdown(vec->lender, vec->lender_slot);
	ims_store_slot_give(vec->lender, vec->lender_slot);
	vec->lender = NULL;
}

int
ims_borrow_again_locked(struct rte_ims_vec *vec)
{
	struct rte_ims_store *store = vec->lender;
	int rc = 0;

	if (store->ops->prepare != NULL)
		rc = store->ops->prepare(store, vec->lender_slot);
	if (rc == 0)
		rc = lend(store, vec->lender_slot, &vec->fd_msg);
	if (rc == 0)
		rc = admit(vec, store, vec->lender_slot);
	return rc != 0 ? rc : open_lender(vec->dev, store, vec->lender_slot);
}

static bool
same(const struct rte_ims_msg *a, const struct rte_ims_msg *b)
{
	return a->addr == b->addr && a->data == b->data;
}

/* What was in the slot is not to be trusted: write vec->msg there once more. */
static int
rewrite(struct rte_ims_vec *vec)
{
	int rc;

	rc = ims_vec_silence_locked(vec);
	if (rc == 0)
		rc = vec->store->ops->write_msg(vec->store, vec->slot, &vec->msg);
	return rc == 0 ? ims_vec_apply_locked(vec) : rc;
}

static void
tell(const struct rte_ims_vec *vec, const struct rte_ims_msg *was, const struct rte_ims_msg *now)
{
	IMS_LOG(NOTICE,
		"%s: %s: the kernel has changed its message, %#" PRIx64 " %#x is now %#" PRIx64
		" %#x: written anew",
		vec->dev->name, vec->name, was->addr, was->data, now->addr, now->data);
}

/* A copy: does it still say what the original says? */
static int
audit_copy(struct rte_ims_vec *vec)
{
	struct rte_ims_msg now;
	int rc;

	rc = lend(vec->lender, vec->lender_slot, &now);
	if (rc != 0 || same(&now, &vec->fd_msg))
		return rc;
	tell(vec, &vec->fd_msg, &now);
	atomic_fetch_add_explicit(&vec->stale, 1, memory_order_relaxed);
	vec->fd_msg = now;
	if (vec->delivery == RTE_IMS_DELIVERY_MEMORY)
		return 0; /* the copy is not in the slot now */
	vec->msg = now;
	ims_export_changed_locked(vec, &now);
	rc = rewrite(vec);
	return rc != 0 ? rc : 1;
}

/* Our own message in the kernel's table: has the kernel written over it? */
static int
audit_entry(struct rte_ims_vec *vec)
{
	struct rte_ims_msg now;
	int rc;

	rc = vec->store->lend(vec->store, vec->slot, &now);
	if (rc != 0 || same(&now, &vec->msg))
		return rc;
	tell(vec, &vec->msg, &now);
	atomic_fetch_add_explicit(&vec->stale, 1, memory_order_relaxed);
	vec->fd_msg = now; /* the newest that reaches the eventfd */
	rc = rewrite(vec);
	return rc != 0 ? rc : 1;
}

int
ims_vec_audit_locked(struct rte_ims_vec *vec)
{
	if (!vec->msg_valid || vec->stopped)
		return 0;
	if (vec->lender != NULL)
		return audit_copy(vec);
	if (vec->store->needs_eventfd && vec->delivery == RTE_IMS_DELIVERY_MEMORY)
		return audit_entry(vec);
	return 0;
}

void
ims_vec_audit_event(struct rte_ims_vec *vec)
{
	pthread_mutex_lock(&vec->dev->lock);
	ims_vec_audit_locked(vec);
	pthread_mutex_unlock(&vec->dev->lock);
}

int
rte_ims_dev_audit(struct rte_ims_dev *dev)
{
	struct rte_ims_store *store;
	struct rte_ims_vec *vec;
	int changed = 0, rc = 0;
	uint32_t slot;

	if (dev == NULL)
		return -EINVAL;
	pthread_mutex_lock(&dev->lock);
	TAILQ_FOREACH(store, &dev->stores, next)
		for (slot = 0; slot < store->n_slots && rc >= 0; slot++) {
			vec = ims_store_vec(store, slot);
			if (vec == NULL)
				continue;
			rc = ims_vec_audit_locked(vec);
			changed += rc > 0;
		}
	pthread_mutex_unlock(&dev->lock);
	return rc < 0 ? rc : changed;
}
