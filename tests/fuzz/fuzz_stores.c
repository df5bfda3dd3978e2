/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The library's stores on a device that says what it likes: where and how large its slots are, what
 * they hold, whether an access works, and what it writes to doorbells. Vectors are taken, masked,
 * switched, moved, audited and freed meanwhile, the device is reset and goes.
 *
 * Input: the device, see shape(); then operations of [what, which, 16 bits, 32 bits], see run().
 */

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "fuzz_dev.h"
#include "ims_wait_private.h"
#include "rte_pmd_timer_ims.h"
#include "timer_ims_regs.h"

/* What sysfs shows of configuration space is the device's, too. */
static int
sysfs_config(void);
#define open(path, flags) sysfs_config()
#include "ims_store_msi.c"
#undef open

#define N_VECS    8
#define VENDOR    0x1234
#define DEVICE    0xf022
#define MSIX_CAP  0x40
#define MSI_CAP   0x60
#define MAX_QUEUE 64

static struct ims_store_bar_conf bar_conf;
static struct ims_store_queue_conf queue_conf;
static struct ims_store_queue_ctx queue_ctx[MAX_QUEUE];
static struct rte_ims_store *bar_store;
static struct rte_ims_wait *wait;
static struct rte_ims_dev *dev;
static struct rte_ims_vec *vecs[N_VECS];
static struct rte_ims_obj objs[N_VECS];
static int config_fd;
static bool short_config; /* without privileges */

static int
sysfs_config(void)
{
	fuzz_check(ftruncate(config_fd, short_config ? 64 : sizeof(fuzz_dev.cfg)) == 0);
	fuzz_check(
		pwrite(config_fd, fuzz_dev.cfg, short_config ? 64 : sizeof(fuzz_dev.cfg), 0) > 0);
	return fcntl(config_fd, F_DUPFD_CLOEXEC, 0);
}

/* The driver: what its device reports, it believes. */

static struct ims_store_queue_ctx *
queue_slot(uint32_t slot)
{
	fuzz_check(slot - queue_conf.first < queue_conf.n_slots);
	return &queue_ctx[(slot - queue_conf.first) % MAX_QUEUE];
}

static int
update(struct rte_ims_dev *d, uint32_t slot, const struct ims_store_queue_ctx *ctx)
{
	struct ims_store_queue_ctx *has = queue_slot(slot);
	int rc = fuzz_dev_answer();

	/* Not answered: done, or not. */
	if (rc == 0 || (rc == -ETIMEDOUT && fuzz_u8(fuzz_dev.in) % 2 != 0))
		*has = *ctx;
	return rc;
}

static int
query(struct rte_ims_dev *d, uint32_t slot, struct ims_slot_view *view)
{
	const struct ims_store_queue_ctx *has = queue_slot(slot);
	int rc = fuzz_dev_answer();

	view->msg = has->msg;
	view->masked = has->masked;
	view->pending = rc == 0 ? 0 : -1;
	return rc;
}

static int
probe(struct rte_ims_dev *d)
{
	/* One that is refused is none. */
	bar_store = ims_store_bar_create(d, &bar_conf);
	fuzz_check(bar_store != NULL || rte_errno == EINVAL);
	fuzz_check(ims_store_queue_create(d, &queue_conf) != NULL || rte_errno == EINVAL);
	return 0;
}

static const struct ims_driver_id ids[] = { { VENDOR, DEVICE }, { 0 } };
static struct ims_driver driver = { .name = "fuzz", .ids = ids, .probe = probe };

/* The kernel's part: its message in each entry that it has attached. */
static int
irq_set(uint32_t index, uint32_t start, uint32_t count, const int *fds)
{
	uint32_t table, i, entry[4];
	uint64_t off;
	int cap;

	if (index != VFIO_PCI_MSIX_IRQ_INDEX || fds == NULL || fuzz_dev.v.ops->msg_alloc != NULL)
		return 0;
	cap = ims_pci_cap_find(&fuzz_dev.v, PCI_CAP_ID_MSIX);
	if (cap <= 0 || cap + 8 > (int)sizeof(fuzz_dev.cfg))
		return 0;
	memcpy(&table, fuzz_dev.cfg + cap + PCI_MSIX_TABLE, sizeof(table));
	for (i = 0; i < count; i++) {
		off = (table & PCI_MSIX_TABLE_OFFSET) + (uint64_t)(start + i) * sizeof(entry);
		if (fds[i] < 0 || (table & PCI_MSIX_TABLE_BIR) >= PCI_STD_NUM_BARS ||
			off + sizeof(entry) > fuzz_dev.v.regions[table & 7].size)
			continue;
		entry[0] = 0xfee00000 | (fuzz_dev.cfg[PCI_REVISION_ID] & 0x10);
		entry[1] = 0;
		entry[2] = start + i;
		entry[3] = 0;
		memcpy(fuzz_dev.mem[table & 7] + off, entry, sizeof(entry));
	}
	return 0;
}

static void
reset(void)
{
	uint32_t i, one = 1;

	for (i = 0; bar_store != NULL && i < bar_store->n_slots; i++)
		memcpy(fuzz_dev.mem[bar_conf.bar] + bar_conf.offset + (uint64_t)16 * i + 12, &one,
			4);
	for (i = 0; i < MAX_QUEUE; i++)
		queue_ctx[i].masked = true;
}

static void
cfg_set(uint32_t off, uint32_t val, size_t len)
{
	memcpy(fuzz_dev.cfg + off, &val, len);
}

static uint8_t
shape_config(struct fuzz_in *in, bool timer)
{
	uint8_t n_patches = fuzz_u8(in) % 16, n, off;

	cfg_set(PCI_VENDOR_ID, VENDOR, 2);
	cfg_set(PCI_DEVICE_ID, timer ? TIMER_IMS_PCI_DEVICE_ID : DEVICE, 2);
	cfg_set(PCI_STATUS, PCI_STATUS_CAP_LIST, 2);
	cfg_set(PCI_REVISION_ID, 0x10, 1); /* irq_set() */
	cfg_set(PCI_CAPABILITY_LIST, MSIX_CAP, 1);
	cfg_set(MSIX_CAP, PCI_CAP_ID_MSIX | MSI_CAP << 8, 2);
	cfg_set(MSIX_CAP + PCI_MSIX_TABLE, 2, 4);
	cfg_set(MSIX_CAP + PCI_MSIX_PBA, 0x800 | 2, 4);
	cfg_set(MSI_CAP, PCI_CAP_ID_MSI, 2);
	for (n = 0; n < n_patches; n++) {
		off = fuzz_u8(in);
		fuzz_dev.cfg[off] = fuzz_u8(in);
	}
	return n_patches;
}

static void
shape_bars(struct fuzz_in *in, bool timer)
{
	static const uint32_t sizes[] = { 0x1000, 0, 0x100, 0x10, 0x2000, 0x4000, 0x8000, 0x10000 };
	uint8_t how = fuzz_u8(in);
	uint32_t size0 = sizes[how % 8], size2 = sizes[how / 8 % 8];

	if (timer)
		size0 = how % 8 != 1 ? TIMER_IMS_BAR_SIZE : TIMER_IMS_BAR_SIZE / 4;
	fuzz_dev_bar(0, size0, how & 0x40 ? size0 / 2 : how & 0x80 ? size0 : 0);
	/* vfio-pci's table is reached by loads and stores, if at all. */
	fuzz_dev_bar(2, size2, how & 0x80 ? size2 : how & 0x40 ? size2 / 2 : 0);
}

static void
shape_registers(struct fuzz_in *in)
{
	static const uint32_t regs[] = { TIMER_IMS_ID_MAGIC, TIMER_IMS_VERSION, 8, 9 };
	uint8_t which = fuzz_u8(in);

	memcpy(fuzz_dev.mem[0] + TIMER_IMS_REG_ID, regs, sizeof(regs));
	if (which < sizeof(regs))
		fuzz_take(in, fuzz_dev.mem[0] + which, sizeof(regs) - which);
}

static void
shape_stores(struct fuzz_in *in)
{
	uint8_t how = fuzz_u8(in);

	bar_conf = (struct ims_store_bar_conf){
		.name = "bar",
		.bar = how & 0xf ? how & 0xf : 0,
		.offset = fuzz_u32(in),
		.n_slots = how & 0x80 ? fuzz_u32(in) : fuzz_u8(in),
	};
	bar_conf.n_special = fuzz_u8(in);
	if (how & 0x40) /* near the end of 64 bits */
		bar_conf.offset |= ~(uint64_t)UINT32_MAX;
	queue_conf = (struct ims_store_queue_conf){
		.name = "queue",
		.n_slots = fuzz_u8(in) % (MAX_QUEUE + 1),
		.n_special = fuzz_u8(in),
		.first = how & 0x20 ? fuzz_u32(in) : 0,
		.fungible = true,
		.update = update,
		.query = how & 0x10 ? query : NULL,
	};
}

/* [kind, MSI-X vectors (16 bits), MSI vectors, configuration space, BARs, stores or registers] */
static uint8_t
shape(struct fuzz_in *in)
{
	uint8_t kind = fuzz_u8(in), n_patches;
	bool timer = kind & 4;

	fuzz_dev_start(in, kind & 1);
	fuzz_dev.irq_set = irq_set;
	fuzz_dev.reset = reset;
	fuzz_dev.v.irqs[VFIO_PCI_MSIX_IRQ_INDEX].count = fuzz_u16(in);
	if (kind & 0x10)
		fuzz_dev.v.irqs[VFIO_PCI_MSIX_IRQ_INDEX].flags = VFIO_IRQ_INFO_NORESIZE;
	fuzz_dev.v.irqs[VFIO_PCI_MSI_IRQ_INDEX].count = fuzz_u8(in) % 33;
	short_config = kind & 0x20;
	n_patches = shape_config(in, timer);
	shape_bars(in, timer);
	if (timer)
		shape_registers(in);
	else
		shape_stores(in);
	bar_store = NULL;
	memset(queue_ctx, 0, sizeof(queue_ctx));
	reset();
	/* One whose slots lie over one another is not. */
	fuzz_dev.honest = n_patches == 0 && (timer || bar_conf.bar == 0);
	return kind;
}

/* Vectors. */

static void
on_event(struct rte_ims_vec *vec, void *arg)
{
	/* Of one that is there. */
	fuzz_check(vec != NULL && vecs[(uintptr_t)arg] == vec);
}

static struct rte_ims_store *
store_at(uint32_t n)
{
	struct rte_ims_store *store;

	store = rte_ims_dev_store_at(dev, n % dev->n_stores);
	fuzz_check(store != NULL);
	return store;
}

static void
vec_alloc(unsigned int n, uint16_t slot, uint32_t val)
{
	struct rte_ims_store *store = store_at(slot >> 12);
	struct rte_ims_vec_conf conf = {
		.delivery = val & 1 ? RTE_IMS_DELIVERY_MEMORY : RTE_IMS_DELIVERY_EVENTFD,
	};

	if (vecs[n] != NULL)
		return;
	slot &= 0xfff;
	vecs[n] = rte_ims_vec_alloc(
		rte_ims_dev_table(dev), store, slot == 0xfff ? RTE_IMS_SLOT_ANY : slot, &conf);
	fuzz_check(vecs[n] != NULL || (rte_errno > 0 && rte_errno < 4096));
	if (vecs[n] == NULL)
		return;
	fuzz_check(vecs[n]->slot < store->n_slots);
	fuzz_check(slot == 0xfff ? vecs[n]->slot >= store->n_special : vecs[n]->slot == slot);
	objs[n] = (struct rte_ims_obj){ .fn = on_event, .arg = (void *)(uintptr_t)n };
	fuzz_check(rte_ims_vec_attach(vecs[n], &objs[n]) == 0);
}

static void
vec_free(unsigned int n)
{
	fuzz_check(rte_ims_vec_free(vecs[n]) == 0);
	vecs[n] = NULL;
}

static void
vec_look(struct rte_ims_vec *vec)
{
	const struct ims_store_ops *ops = vec->store->ops;
	struct ims_slot_view view = { 0 };
	struct rte_ims_vec_info info;

	fuzz_check_rc(rte_ims_vec_info_get(vec, &info));
	fuzz_check(info.slot == vec->slot);
	if (ops->view != NULL)
		fuzz_check_rc(ops->view(vec->store, vec->slot, &view));
}

static void
vec_run(unsigned int n, uint8_t what)
{
	struct rte_ims_vec *vec = vecs[n];

	if (vec == NULL)
		return;
	switch (what % 8) {
	case 0:
		vec_free(n);
		break;
	case 1:
		fuzz_check_rc(rte_ims_vec_mask(vec));
		break;
	case 2:
		fuzz_check_rc(rte_ims_vec_unmask(vec));
		break;
	case 3:
		fuzz_check_rc(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_MEMORY));
		break;
	case 4:
		fuzz_check_rc(rte_ims_vec_delivery_set(vec, RTE_IMS_DELIVERY_EVENTFD));
		break;
	case 5:
		fuzz_check_rc(rte_ims_wait_add(wait, vec));
		break;
	case 6:
		fuzz_check_rc(rte_ims_wait_del(wait, vec));
		break;
	default:
		vec_look(vec);
		break;
	}
}

/* What its driver reads is the device's word; -ENODEV of another one. */
static void
timer_run(uint8_t which, uint16_t how)
{
	struct rte_pmd_timer_ims_conf conf = { .interval_ns = how };
	struct rte_pmd_timer_ims_info info;
	uint32_t n = how, arg;
	uint64_t stamp;
	char what[128];
	bool works;
	int rc;

	fuzz_check_rc(rte_pmd_timer_ims_info_get(dev, &info));
	fuzz_check_rc(rte_pmd_timer_ims_start(dev, n, vecs[which % N_VECS], &conf));
	fuzz_check_rc(rte_pmd_timer_ims_stop(dev, n));
	rte_pmd_timer_ims_count(dev, n, &stamp);
	works = fuzz_dev.n_fail == 0 && !atomic_load(&fuzz_dev.v.removed);
	rc = rte_pmd_timer_ims_error_get(dev, &arg);
	fuzz_check(rc >= 0 || !works || (rc == -ENODEV && dev->driver == &driver));
	rc = dev->driver->check != NULL ? dev->driver->check(dev, what, sizeof(what)) : 0;
	fuzz_check(rc <= 1 && rc > -4096);
}

/* The device, of its own accord. */

static void
scribble(uint32_t bar, uint32_t off, uint32_t val)
{
	struct ims_vfio_region *region = &fuzz_dev.v.regions[bar];

	if (region->size < sizeof(val))
		return;
	memcpy(fuzz_dev.mem[bar] + off % (region->size - sizeof(val) + 1), &val, sizeof(val));
	fuzz_dev.honest = false;
}

static void
run(struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in), which = fuzz_u8(in);
	uint16_t at = fuzz_u16(in);
	uint32_t val = fuzz_u32(in);
	int rc;

	switch (what % 16) {
	case 0:
		fuzz_dev_misbehave(which, at, val);
		break;
	case 1:
		scribble(which % 2 * 2, at, val);
		break;
	case 2:
		atomic_store(&wait->bells[at % wait->max_vecs], val);
		break;
	case 3:
		rc = rte_ims_wait_poll(wait);
		fuzz_check(rc >= 0 && rc <= 2 * N_VECS);
		break;
	case 4:
		fuzz_check_rc(rte_ims_dev_reset(dev));
		break;
	case 5:
		if (which % 2 != 0)
			timer_run(which / 2, at);
		rc = rte_ims_dev_audit(dev);
		fuzz_check(rc >= -4095 && rc <= N_VECS);
		break;
	case 6:
		if (which % 8 == 0)
			ims_vfio_set_removed(&fuzz_dev.v);
		else
			ims_vfio_event(&fuzz_dev.v,
				which % 2 ? IMS_VFIO_EVENT_ERROR : IMS_VFIO_EVENT_RELEASE);
		break;
	case 7:
		cfg_set(at % sizeof(fuzz_dev.cfg), val, 1);
		fuzz_dev.honest = false;
		break;
	case 8:
	case 9:
		vec_alloc(which % N_VECS, at, val);
		break;
	default:
		vec_run(which % N_VECS, at);
		break;
	}
}

/* A device that has always done as it was told has what we think that it has. */
static void
check_slot(const struct rte_ims_vec *vec)
{
	const struct ims_store_ops *ops = vec->store->ops;
	struct ims_slot_view view = { 0 };

	if (!fuzz_dev.honest || ops->view == NULL || atomic_load(&fuzz_dev.v.removed))
		return;
	fuzz_check(ops->view(vec->store, vec->slot, &view) == 0);
	fuzz_check(vec->slot_state == (view.masked ? IMS_SLOT_MASKED : IMS_SLOT_SENDING));
	if (!view.masked && vec->msg_valid)
		fuzz_check(view.msg.addr == vec->msg.addr && view.msg.data == vec->msg.data);
}

/*
 * Each vector has a slot to itself, and no slot is taken without one: its own, or one that it
 * borrows.
 */
static void
check_slots(void)
{
	struct rte_ims_store *store;
	uint32_t i, n, n_vecs = 0;

	for (i = 0; i < N_VECS; i++) {
		if (vecs[i] == NULL)
			continue;
		n_vecs++;
		fuzz_check(vecs[i]->store->vecs[vecs[i]->slot] == vecs[i]);
		check_slot(vecs[i]);
	}
	fuzz_check(dev->n_vecs == n_vecs);
	TAILQ_FOREACH(store, &dev->stores, next) {
		for (i = n = 0; i < N_VECS; i++) {
			if (vecs[i] == NULL)
				continue;
			n += (vecs[i]->store == store) + (vecs[i]->lender == store);
			if (vecs[i]->lender == store)
				fuzz_check(store->vecs[vecs[i]->lender_slot] == vecs[i]);
		}
		fuzz_check(store->n_used == n);
	}
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fuzz_dev_init();
	ims_driver_register(&driver);
	config_fd = memfd_create("config", MFD_CLOEXEC);
	fuzz_check(config_fd >= 0);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rte_ims_wait_conf wait_conf = { .max_vecs = N_VECS };
	struct rte_ims_dev_conf conf = { 0 };
	struct fuzz_in in = { data, size };
	unsigned int i;

	if (shape(&in) & 8)
		conf.flags = RTE_IMS_DEV_F_UNSAFE_BORROW;
	dev = fuzz_dev_open(&conf);
	if (dev != NULL) {
		wait = rte_ims_wait_create("fuzz", &wait_conf);
		fuzz_check(wait != NULL);
		while (in.len != 0) {
			run(&in);
			check_slots();
		}
		/* Some by themselves, the rest with the device. */
		for (i = 0; i < N_VECS / 2; i++)
			if (vecs[i] != NULL)
				vec_free(i);
		check_slots();
		fuzz_check(rte_ims_dev_close(dev) == 0);
		memset(vecs, 0, sizeof(vecs));
		fuzz_check(rte_ims_wait_destroy(wait) == 0);
	}
	fuzz_dev_end();
	return 0;
}
