/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Messages in slots: the MSI-X table and its pending bits (queue_dev), the IMS slots of timer_ims,
 * and what the client makes of a message that a device wrote.
 *
 * Input: operations of [what, 16 bits, 64 bits], see run().
 */

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "fuzz.h"
#include "ims_vfio_user.h"
#include "model.h"
#include "vfu_priv.h"

#define N_MSGS 8

static struct vfu *msix, *timers;
static struct ims_vfio_user client;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char queue_keys[] = "queues=4,subdevs=2,eqs=2,msix=5,ims=0,mmap=0";
	static char timer_keys[] = "timers=4,mmap=0";
	struct model_opts queue_opts = { .args = queue_keys }, timer_opts = { .args = timer_keys };
	void *priv;

	signal(SIGPIPE, SIG_IGN);
	priv = queue_dev_model.create(&queue_opts);
	fuzz_check(priv != NULL);
	msix = queue_dev_model.vfu(priv);
	priv = timer_ims_model.create(&timer_opts);
	fuzz_check(priv != NULL);
	timers = timer_ims_model.vfu(priv);
	fuzz_check(vu_msi_init(&client) == 0);
	return 0;
}

static uint32_t
pending(void)
{
	uint32_t i, n = 0;

	for (i = 0; i < msix->conf.n_msix; i++)
		n += msix->vectors[i].pending;
	return n;
}

static void
config_write(struct vfu *vfu, uint32_t off, uint16_t val)
{
	vfu_pci_write(vfu, off, &val, sizeof(val));
}

static void
attach(uint16_t vector, bool on)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
		.start = vector % msix->conf.n_msix,
		.count = 1,
	};
	int fd = on ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	struct vfu_req req = {
		.data = (const uint8_t *)&set,
		.len = sizeof(set),
		.fds = &fd,
		.n_fds = on,
	};

	if (vfu_cmd_set_irqs(msix, &req) != 0 && on)
		close(fd);
}

/* The vector that is found by a message is one that has it, and can send it. */
static void
find(uint64_t addr, uint32_t data)
{
	int vector = vfu_msix_find(msix, addr, data);

	if (vector >= 0)
		fuzz_check(vector < msix->conf.n_msix && msix->vectors[vector].addr == addr &&
			   msix->vectors[vector].data == data && !msix->vectors[vector].masked &&
			   msix->vectors[vector].fd >= 0);
}

/*
 * Registers and slots of timer_ims lie in the first pages; a slot is read back as it was written.
 */
static void
timer_access(uint16_t off, uint64_t val, bool write)
{
	uint32_t len = off % 8 == 0 ? 8 : 4;
	uint8_t buf[8];

	off %= 0x4000;
	memcpy(buf, &val, sizeof(val));
	if (write)
		timers->conf.ops->bar_write(timers->conf.priv, 0, off, buf, len);
	else
		timers->conf.ops->bar_read(timers->conf.priv, 0, off, buf, len);
}

static void
deliver(uint64_t addr, uint32_t data)
{
	uint64_t cookie = 0;
	int rc;

	rc = vu_msi_deliver(&client, addr, &data, sizeof(data), &client, &cookie);
	/* Nothing but what was given out, with the data that goes with it. */
	fuzz_check(rc == 1 ? cookie != 0 : cookie == 0);
}

static void
run(struct fuzz_in *in, struct ims_vfio_msg *msgs)
{
	uint8_t what = fuzz_u8(in);
	uint16_t at = fuzz_u16(in);
	uint64_t val = fuzz_u64(in);
	uint32_t table = msix->conf.msix_table;

	switch (what % 10) {
	case 0:
		vfu_msix_write(msix, table + at % (msix->conf.n_msix * 16) / 8 * 8, &val, 8);
		break;
	case 1:
		vfu_msix_write(msix, table + at % (msix->conf.n_msix * 16) / 4 * 4, &val, 4);
		break;
	case 2:
		vfu_msix_fire(msix, at);
		break;
	case 3:
		attach(at, val % 2);
		break;
	case 4:
		find(val, at);
		break;
	case 5:
		config_write(msix, at % 2 ? PCI_COMMAND : VFU_MSIX_CAP + PCI_MSIX_FLAGS, val);
		break;
	case 6:
	case 7:
		timer_access(at, val, what % 10 == 6);
		break;
	case 8:
		deliver(val, at);
		break;
	default:
		config_write(timers, PCI_COMMAND, val);
		/* A message that is given out, but for some bits of it. */
		deliver(msgs[at % N_MSGS].addr ^ (val & 0xff), msgs[at % N_MSGS].data);
		break;
	}
	fuzz_check(msix->n_pending == pending());
}

static void
reset(struct vfu *vfu)
{
	vfu_pci_reset(vfu);
	vfu_irq_reset(vfu);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct ims_vfio_msg msgs[N_MSGS];
	unsigned int i;

	for (i = 0; i < N_MSGS; i++) {
		struct ims_vfio_sink sink = { .fd = -1, .reader = &client, .cookie = i + 1 };

		fuzz_check(vu_msg_alloc(&client.v, &sink, &msgs[i]) == 0);
	}
	vfu_lock(msix);
	vfu_lock(timers);
	while (in.len != 0)
		run(&in, msgs);
	reset(msix);
	reset(timers);
	vfu_unlock(timers);
	vfu_unlock(msix);
	for (i = 0; i < N_MSGS; i++)
		vu_msg_free(&client.v, &msgs[i]);
	return 0;
}
