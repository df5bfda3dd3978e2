/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The doctor's look at the device, and at what brings its messages to a CPU. A fault is named once:
 * a link that cannot be judged because an earlier one is broken says so, and is not broken itself.
 */

#include <string.h>

#include <linux/pci_regs.h>

#include "ims_doctor.h"

/* x86: where messages are interrupts. */
#define MSI_WINDOW      0xfee00000ull
#define MSI_WINDOW_SIZE 0x100000ull
#define MSI_REMAPPABLE  0x10u

/* Whose irq or remap entry it is: that of the slot, or of the one whose message it borrows. */
static const struct rte_ims_store *
source_store(const struct rte_ims_vec *vec, uint32_t *slot)
{
	*slot = vec->lender != NULL ? vec->lender_slot : vec->slot;
	return vec->lender != NULL ? vec->lender : vec->store;
}

static bool
is_of_transport(const struct rte_ims_vec *vec)
{
	return vec->store->type == RTE_IMS_STORE_DEVICE;
}

static bool
is_interrupt(const struct rte_ims_msg *msg)
{
	return msg->addr >= MSI_WINDOW && msg->addr < MSI_WINDOW + MSI_WINDOW_SIZE;
}

static bool
same(const struct rte_ims_msg *a, const struct rte_ims_msg *b)
{
	return a->addr == b->addr && a->data == b->data;
}

/* The function's own state; a transport without configuration space is not asked. */
static const char *
function_fault(struct rte_ims_dev *dev, const char **todo)
{
	uint16_t cmd = 0;
	int rc;

	*todo = "close it and open it again";
	if (atomic_load(&dev->vfio->removed))
		return "it is gone: unplugged, or its process ended";
	rc = ims_dev_cfg_read(dev, PCI_COMMAND, &cmd, sizeof(cmd));
	if (rc == -EINVAL)
		return NULL;
	*todo = "rte_ims_dev_reset(), when it is back";
	if (rc != 0)
		return "it does not answer";
	if (cmd == UINT16_MAX)
		return "it reads all ones: it is in reset, or has no power";
	*todo = "rte_ims_dev_reset(), which turns it on";
	return (cmd & PCI_COMMAND_MASTER) == 0
	               ? "bus mastering is off: nothing that it sends leaves it"
	               : NULL;
}

/* Once for all vectors. */
static void
device_ask_locked(struct doctor_case *c)
{
	struct doctor *d = c->doctor;
	const char *fault, *todo;
	char why[128];
	int rc = 0;

	d->asked = true;
	fault = function_fault(d->dev, &todo);
	if (fault == NULL && d->dev->driver->check != NULL)
		rc = d->dev->driver->check(d->dev, why, sizeof(why));
	if (rc > 0) {
		fault = why;
		todo = "rte_ims_dev_reset()";
	}
	d->answers = fault == NULL;
	if (fault == NULL) {
		ims_doctor_ok(c, RTE_IMS_LINK_DEVICE, "it answers, and is master of the bus");
	} else {
		ims_doctor_broken(c, RTE_IMS_LINK_DEVICE, "%s", fault);
		ims_doctor_todo(c, RTE_IMS_LINK_DEVICE, "%s", todo);
	}
	d->device = c->diag->links[RTE_IMS_LINK_DEVICE];
}

static void
check_device_locked(struct doctor_case *c)
{
	if (is_of_transport(c->vec))
		ims_doctor_none(c, RTE_IMS_LINK_DEVICE, "an event of the transport");
	else if (!c->doctor->asked)
		device_ask_locked(c);
	else
		c->diag->links[RTE_IMS_LINK_DEVICE] = c->doctor->device;
}

/* A device that does not answer is waited for once, not for each vector. */
static int
slot_view_locked(struct doctor_case *c)
{
	const struct ims_store_ops *ops = c->vec->store->ops;
	int rc;

	if (ops->view == NULL)
		return -ENOTSUP;
	if (c->doctor->silent && !is_of_transport(c->vec))
		return -ETIMEDOUT;
	rc = ops->view(c->vec->store, c->vec->slot, &c->view);
	c->doctor->silent = c->doctor->silent || rc == -ETIMEDOUT;
	return rc;
}

static void
slot_unreadable(struct doctor_case *c, int rc)
{
	const struct rte_ims_vec *vec = c->vec;

	if (rc == -ENOENT) {
		ims_doctor_broken(c, RTE_IMS_LINK_SLOT,
			"the device has no object that slot %u of %s is for", vec->slot,
			vec->store->name);
		ims_doctor_todo(c, RTE_IMS_LINK_SLOT, "create the queue on this vector");
	} else {
		ims_doctor_broken(c, RTE_IMS_LINK_SLOT, "slot %u of %s cannot be read: %s",
			vec->slot, vec->store->name, strerror(-rc));
		ims_doctor_todo(c, RTE_IMS_LINK_SLOT, "rte_ims_dev_reset()");
	}
}

static void
check_slot_locked(struct doctor_case *c)
{
	const struct rte_ims_vec *vec = c->vec;
	int rc;

	if (!is_of_transport(vec) && !c->doctor->answers) {
		ims_doctor_none(c, RTE_IMS_LINK_SLOT, "the device cannot be asked");
		return;
	}
	rc = slot_view_locked(c);
	c->viewed = rc == 0;
	if (rc == -ENOTSUP || rc == -EACCES) {
		ims_doctor_ok(c, RTE_IMS_LINK_SLOT, "slot %u of %s, which cannot be read back",
			vec->slot, vec->store->name);
	} else if (rc != 0) {
		slot_unreadable(c, rc);
	} else if (vec->doubt || vec->slot_state == IMS_SLOT_UNKNOWN) {
		ims_doctor_broken(c, RTE_IMS_LINK_SLOT,
			"the device has not answered the last change of slot %u of %s", vec->slot,
			vec->store->name);
		ims_doctor_todo(c, RTE_IMS_LINK_SLOT,
			"change the delivery once more, or rte_ims_dev_reset()");
	} else if (vec->lender != NULL) {
		ims_doctor_ok(c, RTE_IMS_LINK_SLOT,
			"slot %u of %s, with the message of slot %u of %s", vec->slot,
			vec->store->name, vec->lender_slot, vec->lender->name);
	} else {
		ims_doctor_ok(c, RTE_IMS_LINK_SLOT, "slot %u of %s", vec->slot, vec->store->name);
	}
}

/* What the slot should hold; false: not known, the kernel's or none. */
static bool
expected(const struct rte_ims_vec *vec, struct rte_ims_msg *msg)
{
	*msg = vec->msg_valid ? vec->msg : vec->fd_msg;
	if (vec->msg_valid)
		return true;
	return vec->delivery == RTE_IMS_DELIVERY_EVENTFD && !vec->store->needs_eventfd &&
	       !vec->store->eventfd_only && vec->fd_msg.addr != 0;
}

static void
message_differs(struct doctor_case *c, const struct rte_ims_msg *want)
{
	const struct rte_ims_msg *has = &c->view.msg;

	if (has->addr == 0 && has->data == 0)
		ims_doctor_broken(c, RTE_IMS_LINK_MESSAGE,
			"the slot is empty: the function was reset behind the library's back");
	else
		ims_doctor_broken(c, RTE_IMS_LINK_MESSAGE,
			"the slot holds %#" PRIx64 " %#" PRIx32 ", not %#" PRIx64 " %#" PRIx32,
			has->addr, has->data, want->addr, want->data);
	ims_doctor_todo(c, RTE_IMS_LINK_MESSAGE, "%s",
		c->vec->store->needs_eventfd
			? "rte_ims_dev_audit(), which writes it anew"
			: "switch its delivery there and back, or rte_ims_dev_reset()");
}

/* The original of a borrowed message may have changed. */
static bool
is_stale(const struct rte_ims_vec *vec, struct rte_ims_msg *now)
{
	return vec->lender != NULL && vec->delivery == RTE_IMS_DELIVERY_EVENTFD &&
	       vec->lender->lend(vec->lender, vec->lender_slot, now) == 0 &&
	       !same(now, &vec->fd_msg);
}

static void
check_message_locked(struct doctor_case *c)
{
	struct rte_ims_vec *vec = c->vec;
	struct rte_ims_msg want, now;

	if (!c->viewed) {
		ims_doctor_none(c, RTE_IMS_LINK_MESSAGE, "not known: the slot cannot be read");
	} else if (vec->doubt) {
		ims_doctor_none(c, RTE_IMS_LINK_MESSAGE, "the old one or the new one: see slot");
	} else if (is_of_transport(vec) && vec->delivery == RTE_IMS_DELIVERY_EVENTFD) {
		ims_doctor_none(
			c, RTE_IMS_LINK_MESSAGE, "the transport signals the eventfd itself");
	} else if (vec->delivery == RTE_IMS_DELIVERY_MEMORY && ims_doctor_wait(vec) == NULL) {
		ims_doctor_none(c, RTE_IMS_LINK_MESSAGE, "none: it is in no wait set");
	} else if (!expected(vec, &want)) {
		c->as_expected = true;
		ims_doctor_ok(c, RTE_IMS_LINK_MESSAGE,
			"%#" PRIx64 " %#" PRIx32 ", which the kernel wrote", c->view.msg.addr,
			c->view.msg.data);
	} else if (!same(&want, &c->view.msg)) {
		message_differs(c, &want);
	} else if (is_stale(vec, &now)) {
		ims_doctor_broken(c, RTE_IMS_LINK_MESSAGE,
			"the kernel has changed the original of its copy to %#" PRIx64 " %#" PRIx32,
			now.addr, now.data);
		ims_doctor_todo(c, RTE_IMS_LINK_MESSAGE, "rte_ims_dev_audit()");
	} else {
		c->as_expected = true;
		ims_doctor_ok(c, RTE_IMS_LINK_MESSAGE,
			"the device has %#" PRIx64 " %#" PRIx32 ", as the library", want.addr,
			want.data);
	}
}

static void
format_of_memory(struct doctor_case *c)
{
	const struct rte_ims_msg *msg = &c->view.msg;

	if (is_of_transport(c->vec)) {
		ims_doctor_none(c, RTE_IMS_LINK_FORMAT, "stored by this process");
	} else if (ims_vfio_dma_is_mapped(c->vec->dev->vfio, msg->addr, sizeof(uint32_t))) {
		ims_doctor_ok(c, RTE_IMS_LINK_FORMAT,
			"a doorbell word, in memory that the device reaches");
	} else {
		ims_doctor_broken(c, RTE_IMS_LINK_FORMAT,
			"its doorbell word at %#" PRIx64 " is not mapped for the device",
			msg->addr);
		ims_doctor_todo(c, RTE_IMS_LINK_FORMAT,
			"close the device and open it again: its maps have been undone");
	}
}

static void
check_format_locked(struct doctor_case *c)
{
	const struct rte_ims_msg *msg = &c->view.msg;

	if (!c->as_expected) {
		ims_doctor_none(c, RTE_IMS_LINK_FORMAT, "no message to judge: see message");
	} else if (c->vec->delivery == RTE_IMS_DELIVERY_MEMORY) {
		format_of_memory(c);
	} else if (!is_interrupt(msg)) {
		ims_doctor_broken(c, RTE_IMS_LINK_FORMAT,
			"%#" PRIx64 " is not an address of interrupts", msg->addr);
		ims_doctor_todo(c, RTE_IMS_LINK_FORMAT,
			"free the vector and allocate it again: the kernel has given no message");
	} else if ((msg->addr & MSI_REMAPPABLE) != 0) {
		ims_doctor_ok(c, RTE_IMS_LINK_FORMAT, "remappable (VT-d)");
	} else {
		ims_doctor_ok(c, RTE_IMS_LINK_FORMAT, "not remappable in VT-d's sense%s",
			c->vec->mutable ? ": pinned to its CPU, and audited" : "");
	}
}

/*
 * We are the root complex: does the remap table lead to the eventfd, or to the set that reads for
 * it?
 */
static void
remapping_of_ours(struct doctor_case *c)
{
	const struct rte_ims_msg *fd_msg = &c->vec->fd_msg;
	struct ims_vfio_msg msg = { .addr = fd_msg->addr, .data = fd_msg->data };
	struct ims_vfio *v = c->vec->dev->vfio;
	struct ims_vfio_sink sink;

	if (v->ops->msg_sink == NULL) {
		ims_doctor_none(c, RTE_IMS_LINK_REMAPPING, "the transport does not tell");
	} else if (v->ops->msg_sink(v, &msg, &sink) != 0) {
		ims_doctor_broken(c, RTE_IMS_LINK_REMAPPING,
			"the remap table of this process does not have the message");
		ims_doctor_todo(c, RTE_IMS_LINK_REMAPPING, "free the vector and allocate it again");
	} else if (sink.fd != c->vec->fd) {
		ims_doctor_broken(c, RTE_IMS_LINK_REMAPPING,
			"the remap table of this process leads to descriptor %d, not %d", sink.fd,
			c->vec->fd);
		ims_doctor_todo(c, RTE_IMS_LINK_REMAPPING, "free the vector and allocate it again");
	} else {
		ims_doctor_ok(c, RTE_IMS_LINK_REMAPPING,
			"by this process, the device's root complex; strays so far: %" PRIu64,
			ims_vfio_peer_errors(v, IMS_VFIO_PEER_STRAY_MSG));
	}
}

static void
remapping_of_linux(struct doctor_case *c, int rc, const struct ims_irq *irq)
{
	if (rc != 0)
		ims_doctor_none(c, RTE_IMS_LINK_REMAPPING, "not known: see irq");
	else if (irq->remapped)
		ims_doctor_ok(c, RTE_IMS_LINK_REMAPPING, "by the IOMMU (%s)", irq->chip);
	else if (c->vec->lender == NULL || c->vec->mutable)
		ims_doctor_ok(c, RTE_IMS_LINK_REMAPPING, "none (%s): %s", irq->chip,
			c->vec->lender != NULL ? "pinned to its CPU, and audited"
					       : "the kernel changes the message itself");
	else {
		ims_doctor_broken(c, RTE_IMS_LINK_REMAPPING,
			"none (%s), but the slot has a copy of the message", irq->chip);
		ims_doctor_todo(c, RTE_IMS_LINK_REMAPPING,
			"turn the IOMMU's interrupt remapping on (intel_iommu=on), or use memory delivery");
	}
}

static void
irq_of_linux(struct doctor_case *c, int rc, const struct ims_irq *irq, const char *bdf)
{
	const struct rte_ims_wait *w = ims_doctor_wait(c->vec);
	const struct rte_ims_store *store;
	uint32_t slot;

	store = source_store(c->vec, &slot);
	if (rc == -ENOENT) {
		ims_doctor_broken(c, RTE_IMS_LINK_IRQ, "/proc/interrupts has no vfio-msi%s[%u](%s)",
			store->type == RTE_IMS_STORE_MSIX ? "x" : "", slot, bdf);
		ims_doctor_todo(c, RTE_IMS_LINK_IRQ,
			"the kernel has let it go: free the vector and allocate it again");
	} else if (rc != 0) {
		ims_doctor_none(c, RTE_IMS_LINK_IRQ, "/proc/interrupts: %s", strerror(-rc));
	} else if (w != NULL && w->cpu >= 0) {
		ims_doctor_ok(c, RTE_IMS_LINK_IRQ,
			"irq %d to CPU %s, %" PRIu64 " so far; the set is for CPU %d", irq->number,
			irq->cpus[0] != '\0' ? irq->cpus : "?", irq->count, w->cpu);
	} else {
		ims_doctor_ok(c, RTE_IMS_LINK_IRQ, "irq %d to CPU %s, %" PRIu64 " so far",
			irq->number, irq->cpus[0] != '\0' ? irq->cpus : "?", irq->count);
	}
}

static void
check_linux_locked(struct doctor_case *c, const char *bdf)
{
	const struct rte_ims_store *store;
	struct ims_irq irq;
	uint32_t slot;
	int rc;

	store = source_store(c->vec, &slot);
	rc = ims_irq_get(c->doctor->irqs, bdf, store->type == RTE_IMS_STORE_MSIX, slot, &irq);
	remapping_of_linux(c, rc, &irq);
	irq_of_linux(c, rc, &irq, bdf);
}

static void
check_remapping_locked(struct doctor_case *c)
{
	const char *bdf = ims_dev_bdf(c->vec->dev);
	const char *why = NULL;

	if (c->vec->delivery == RTE_IMS_DELIVERY_MEMORY)
		why = "a store to memory, not an interrupt";
	else if (is_of_transport(c->vec))
		why = "an event of the transport";
	if (why == NULL && bdf != NULL) {
		check_linux_locked(c, bdf);
		return;
	}
	ims_doctor_none(c, RTE_IMS_LINK_IRQ, "%s", why != NULL ? why : "no device of the kernel's");
	if (why != NULL)
		ims_doctor_none(c, RTE_IMS_LINK_REMAPPING, "%s", why);
	else
		remapping_of_ours(c);
}

static void
check_mask_locked(struct doctor_case *c)
{
	struct rte_ims_vec *vec = c->vec;

	if (atomic_load(&vec->masked)) {
		ims_doctor_broken(c, RTE_IMS_LINK_MASK, "masked by rte_ims_vec_mask()");
		ims_doctor_todo(c, RTE_IMS_LINK_MASK, "rte_ims_vec_unmask()");
	} else if (!c->viewed || vec->slot_state == IMS_SLOT_UNKNOWN) {
		ims_doctor_none(c, RTE_IMS_LINK_MASK, "not known");
	} else if (vec->slot_state == IMS_SLOT_MASKED) {
		ims_doctor_none(c, RTE_IMS_LINK_MASK, "masked for want of a destination: see wait");
	} else if (c->view.off != NULL) {
		ims_doctor_broken(c, RTE_IMS_LINK_MASK, "%s", c->view.off);
		ims_doctor_todo(c, RTE_IMS_LINK_MASK, "rte_ims_dev_reset()");
	} else if (c->view.masked) {
		ims_doctor_broken(
			c, RTE_IMS_LINK_MASK, "the slot is masked behind the library's back");
		ims_doctor_todo(
			c, RTE_IMS_LINK_MASK, "rte_ims_vec_mask() and rte_ims_vec_unmask()");
	} else {
		ims_doctor_ok(c, RTE_IMS_LINK_MASK, "not masked");
	}
}

/* It may be on its way out when the slot is read: it must be there a second time. */
static bool
still_pending_locked(struct doctor_case *c)
{
	struct ims_slot_view again = { .pending = 0 };

	if (c->view.pending <= 0)
		return false;
	return c->vec->store->ops->view(c->vec->store, c->vec->slot, &again) == 0 &&
	       again.pending > 0;
}

static void
check_pending_locked(struct doctor_case *c)
{
	if (!c->viewed || c->view.pending < 0)
		ims_doctor_none(c, RTE_IMS_LINK_PENDING, "not known");
	else if (!still_pending_locked(c))
		ims_doctor_ok(c, RTE_IMS_LINK_PENDING, "nothing is held back");
	else if (c->view.masked || c->view.off != NULL)
		ims_doctor_none(
			c, RTE_IMS_LINK_PENDING, "an event is held back by the mask: it will come");
	else {
		ims_doctor_broken(c, RTE_IMS_LINK_PENDING,
			"an event is held back by a slot that is not masked");
		ims_doctor_todo(c, RTE_IMS_LINK_PENDING,
			"rte_ims_vec_mask() and rte_ims_vec_unmask(): the device is told of the slot again");
	}
}

void
ims_doctor_dev_links_locked(struct doctor_case *c)
{
	check_device_locked(c);
	check_slot_locked(c);
	check_message_locked(c);
	check_format_locked(c);
	check_remapping_locked(c);
	check_mask_locked(c);
	check_pending_locked(c);
}
