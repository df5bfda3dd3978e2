/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The driver of queue_dev, on the library, with a device that answers its commands late, twice, wrongly
 * or not at all, and reports any numbers. Time is the target's own: who waits finds it passed.
 *
 * A device that fails to answer, but does not lie, must agree with the driver on what there is once it
 * answers again; one that has lied, after a reset.
 *
 * Input: the device, see shape(); then operations of [what, which, how, more], see run().
 */

#include <poll.h>
#include <unistd.h>

#include <linux/vfio.h>
#include <rte_cycles.h>

#include "fuzz_dev.h"

#define FAKE_HZ 1000000 /* a tick is a microsecond */
#define NAP     100000  /* what a wait is rounded up to */

static uint64_t now;

static uint64_t
fake_tsc(void)
{
	return now++;
}

static int
fake_nap(void);

#define rte_rdtsc        fake_tsc
#define rte_get_tsc_hz() FAKE_HZ
#define usleep(us)       fake_nap()
#define poll(fds, n, ms) fake_nap()
#include "queue_dev_cmd.c"
#undef rte_rdtsc
#undef rte_get_tsc_hz
#undef usleep
#undef poll

#define N_OBJS   32 /* of a kind that the device really has */
#define N_VECS   8
#define N_QUEUES 8
#define N_SUBS   3
#define N_LATE   4
#define MSIX_CAP 0x40
#define MAX_WAIT (200ull * TIMEOUT_MS * 1000)

/* How the device does a command. */
enum how {
	HOW_WELL,
	HOW_NOT,         /* nor answered */
	HOW_SILENTLY,    /* done, and not answered */
	HOW_LATE,        /* after some naps, if it has not been forgotten by then */
	HOW_FAILED,      /* refused, and not done */
	HOW_WRONG_TOKEN, /* not done, an answer to something else */
	HOW_LAST_HONEST = HOW_WRONG_TOKEN,
	HOW_REFUSED,  /* any status, and not done */
	HOW_DENIED,   /* any status, and done */
	HOW_TOO_LATE, /* after it should have been forgotten */
	HOW_GARBAGE,  /* any answer, not done */
	HOW_WRONGLY,  /* QUERY: any answer */
	HOW_MAX,
};

struct object {
	bool there;
	struct queue_dev_ctx ctx;
};

static struct {
	uint8_t regs[QUEUE_DEV_CTRL_PAGE_SIZE];
	struct object special[QUEUE_DEV_N_SPECIAL], eqs[N_OBJS], queues[N_OBJS];
	bool subdevs[N_OBJS];
	struct queue_dev_cmd *cmds; /* NULL: the ring is not enabled */
	uint32_t tail;
	uint32_t token;
	enum how how;
	uint8_t how_arg;
	uint8_t n_how; /* for so many commands */
	struct {
		struct queue_dev_cmd *entry; /* NULL: none */
		struct queue_dev_cmd cmd;
		uint8_t naps;
		bool stays; /* whatever the driver does */
	} late[N_LATE];
	bool liar;
} hw;

static struct rte_ims_dev *dev;
static struct rte_ims_wait *wait;
static struct rte_ims_vec *vecs[N_VECS];
static struct rte_pmd_queue_dev_queue *queues[N_QUEUES];
static bool half_gone[N_QUEUES]; /* destroyed, perhaps */
static struct rte_pmd_queue_dev_subdev *subdevs[N_SUBS];
static bool half_gone_subdevs[N_SUBS];

/* The device. */

static uint32_t
reg_get(uint32_t off)
{
	uint32_t val;

	memcpy(&val, hw.regs + off, sizeof(val));
	return val;
}

static void
reg_set(uint32_t off, uint32_t val)
{
	memcpy(hw.regs + off, &val, sizeof(val));
}

static struct object *
object(uint32_t kind, uint32_t number)
{
	if (kind == QUEUE_DEV_KIND_SPECIAL && number < QUEUE_DEV_N_SPECIAL)
		return &hw.special[number];
	if (number >= N_OBJS)
		return NULL;
	if (kind == QUEUE_DEV_KIND_EQ && number < reg_get(QUEUE_DEV_REG_EQS))
		return &hw.eqs[number];
	if (kind == QUEUE_DEV_KIND_QUEUE && number < reg_get(QUEUE_DEV_REG_QUEUES))
		return &hw.queues[number];
	return NULL;
}

/* What was true when the command was given. One that should have been forgotten may come too late. */
static bool
is_so(bool holds)
{
	fuzz_check(holds || hw.liar);
	return holds;
}

static const struct queue_dev_ctx *
cmd_ctx(const struct queue_dev_cmd *cmd)
{
	/* The driver has it in memory that the device can reach. */
	fuzz_check(fuzz_dev_memory(cmd->ctx, sizeof(struct queue_dev_ctx)));
	return (const struct queue_dev_ctx *)(uintptr_t)cmd->ctx;
}

static uint32_t
do_create(const struct queue_dev_cmd *cmd, uint32_t kind)
{
	const struct queue_dev_ctx *ctx = cmd_ctx(cmd);
	struct object *o = object(kind, cmd->number);
	size_t entry = kind == QUEUE_DEV_KIND_EQ ? sizeof(struct queue_dev_eqe)
	                                         : sizeof(struct queue_dev_desc);

	if (o == NULL)
		return QUEUE_DEV_CMD_FAILED;
	if (o->there)
		return QUEUE_DEV_CMD_EXISTS;
	if (!is_so(ctx->number == cmd->number && ctx->seq == cmd->ctx_seq &&
		    ctx->signature == QUEUE_DEV_CTX_SIGNATURE(kind)))
		return QUEUE_DEV_CMD_BAD_SEQ;
	if (!is_so(fuzz_dev_memory(ctx->ring, entry << ctx->log_size)))
		return QUEUE_DEV_CMD_BAD_ADDR;
	if (kind == QUEUE_DEV_KIND_QUEUE) {
		if (!is_so(fuzz_dev_memory(
			    ctx->cq, sizeof(struct queue_dev_cqe) << ctx->cq_log_size)))
			return QUEUE_DEV_CMD_BAD_ADDR;
		if (ctx->eqn != QUEUE_DEV_EQN_NONE &&
			(ctx->eqn >= N_OBJS || !hw.eqs[ctx->eqn].there))
			return QUEUE_DEV_CMD_NO_EQ;
		if (ctx->subdev >= N_OBJS || (ctx->subdev != 0 && !hw.subdevs[ctx->subdev]))
			return QUEUE_DEV_CMD_NO_SUBDEV;
	}
	o->ctx = *ctx;
	o->there = true;
	return QUEUE_DEV_CMD_OK;
}

static bool
is_used(uint32_t kind, uint32_t number)
{
	uint32_t i;

	for (i = 0; i < N_OBJS; i++)
		if (hw.queues[i].there &&
			number == (kind == QUEUE_DEV_KIND_EQ ? hw.queues[i].ctx.eqn
							     : hw.queues[i].ctx.subdev))
			return true;
	return false;
}

static uint32_t
do_destroy(const struct queue_dev_cmd *cmd, uint32_t kind)
{
	struct object *o = object(kind, cmd->number);

	if (o == NULL || !o->there)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	if (kind == QUEUE_DEV_KIND_EQ && is_used(kind, cmd->number))
		return QUEUE_DEV_CMD_BUSY;
	o->there = false;
	return QUEUE_DEV_CMD_OK;
}

static uint32_t
do_subdev(const struct queue_dev_cmd *cmd, bool create)
{
	if (cmd->number == 0 || cmd->number >= N_OBJS)
		return create ? QUEUE_DEV_CMD_FAILED : QUEUE_DEV_CMD_BAD_NUMBER;
	if (hw.subdevs[cmd->number] == create)
		return create ? QUEUE_DEV_CMD_EXISTS : QUEUE_DEV_CMD_BAD_NUMBER;
	if (!create && is_used(QUEUE_DEV_KIND_QUEUE, cmd->number))
		return QUEUE_DEV_CMD_BUSY;
	hw.subdevs[cmd->number] = create;
	return QUEUE_DEV_CMD_OK;
}

static uint32_t
do_modify(const struct queue_dev_cmd *cmd)
{
	uint32_t kind = cmd->op == QUEUE_DEV_CMD_QUEUE_MODIFY ? QUEUE_DEV_KIND_QUEUE : cmd->kind;
	struct object *o = object(kind, cmd->number);
	const struct queue_dev_ctx *ctx;

	if (o == NULL || !o->there)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	if (cmd->op == QUEUE_DEV_CMD_MODIFY_INTR) {
		o->ctx.intr = cmd->intr;
		return QUEUE_DEV_CMD_OK;
	}
	if (cmd->op == QUEUE_DEV_CMD_QUEUE_MODIFY) {
		if (cmd->eqn != QUEUE_DEV_EQN_NONE &&
			(cmd->eqn >= N_OBJS || !hw.eqs[cmd->eqn].there))
			return QUEUE_DEV_CMD_NO_EQ;
		o->ctx.eqn = cmd->eqn;
		return QUEUE_DEV_CMD_OK;
	}
	ctx = cmd_ctx(cmd);
	if (!is_so(ctx->number == cmd->number && ctx->seq == cmd->ctx_seq))
		return QUEUE_DEV_CMD_BAD_SEQ;
	o->ctx.msg_addr = ctx->msg_addr;
	o->ctx.msg_data = ctx->msg_data;
	o->ctx.msg_ctrl = ctx->msg_ctrl;
	return QUEUE_DEV_CMD_OK;
}

static uint32_t
do_query(const struct queue_dev_cmd *cmd, bool lie)
{
	struct queue_dev_query *to = (struct queue_dev_query *)(uintptr_t)cmd->ctx;
	struct object *o = object(cmd->kind, cmd->number);

	fuzz_check(fuzz_dev_memory(cmd->ctx, sizeof(*to)));
	if (lie) {
		fuzz_take(fuzz_dev.in, to, sizeof(*to));
		return QUEUE_DEV_CMD_OK;
	}
	if (o == NULL || !o->there)
		return QUEUE_DEV_CMD_BAD_NUMBER;
	memset(to, 0, sizeof(*to));
	to->ctx = o->ctx;
	return QUEUE_DEV_CMD_OK;
}

static uint32_t
do_cmd(const struct queue_dev_cmd *cmd, bool lie)
{
	switch (cmd->op) {
	case QUEUE_DEV_CMD_EQ_CREATE:
		return do_create(cmd, QUEUE_DEV_KIND_EQ);
	case QUEUE_DEV_CMD_QUEUE_CREATE:
		return do_create(cmd, QUEUE_DEV_KIND_QUEUE);
	case QUEUE_DEV_CMD_EQ_DESTROY:
		return do_destroy(cmd, QUEUE_DEV_KIND_EQ);
	case QUEUE_DEV_CMD_QUEUE_DESTROY:
		return do_destroy(cmd, QUEUE_DEV_KIND_QUEUE);
	case QUEUE_DEV_CMD_SUBDEV_CREATE:
	case QUEUE_DEV_CMD_SUBDEV_DESTROY:
		return do_subdev(cmd, cmd->op == QUEUE_DEV_CMD_SUBDEV_CREATE);
	case QUEUE_DEV_CMD_QUEUE_MODIFY:
	case QUEUE_DEV_CMD_MODIFY_MSG:
	case QUEUE_DEV_CMD_MODIFY_INTR:
		return do_modify(cmd);
	case QUEUE_DEV_CMD_QUERY:
		return do_query(cmd, lie);
	}
	fuzz_check(0); /* none that the driver has */
	return 0;
}

static void
answer(struct queue_dev_cmd *entry, uint32_t token, uint32_t status)
{
	entry->done = (uint64_t)token << 32 | status;
}

static void
later(struct queue_dev_cmd *entry, bool stays)
{
	unsigned int i;

	for (i = 0; i < N_LATE && hw.late[i].entry != NULL; i++)
		;
	if (i == N_LATE)
		return; /* not done, then */
	hw.late[i].entry = entry;
	hw.late[i].cmd = *entry;
	hw.late[i].naps = hw.how_arg % 16;
	hw.late[i].stays = stays;
}

static void
take_cmd(struct queue_dev_cmd *entry)
{
	enum how how = hw.n_how != 0 ? hw.how : HOW_WELL;
	uint32_t token = entry->token;

	if (hw.n_how != 0)
		hw.n_how--;
	hw.liar = hw.liar || how > HOW_LAST_HONEST;
	fuzz_dev.honest = fuzz_dev.honest && how == HOW_WELL;
	switch (how) {
	case HOW_NOT:
		break;
	case HOW_SILENTLY:
		do_cmd(entry, false);
		break;
	case HOW_LATE:
	case HOW_TOO_LATE:
		later(entry, how == HOW_TOO_LATE);
		break;
	case HOW_FAILED:
		answer(entry, token, QUEUE_DEV_CMD_FAILED);
		break;
	case HOW_WRONG_TOKEN:
		answer(entry, token + 1 + hw.how_arg, 0);
		break;
	case HOW_DENIED:
		do_cmd(entry, false);
		/* fallthrough */
	case HOW_REFUSED:
		answer(entry, token, hw.how_arg);
		break;
	case HOW_GARBAGE:
		fuzz_take(fuzz_dev.in, &entry->done, sizeof(entry->done));
		break;
	default:
		answer(entry, token, do_cmd(entry, how == HOW_WRONGLY));
		break;
	}
}

static int
fake_nap(void)
{
	unsigned int i;

	now += NAP;
	for (i = 0; i < N_LATE; i++) {
		if (hw.late[i].entry == NULL || hw.late[i].naps-- != 0)
			continue;
		answer(hw.late[i].entry, hw.late[i].cmd.token, do_cmd(&hw.late[i].cmd, false));
		hw.late[i].entry = NULL;
	}
	return 0;
}

static void
cmds_forget(bool all)
{
	unsigned int i;

	hw.cmds = NULL;
	for (i = 0; i < N_LATE; i++)
		if (all || !hw.late[i].stays)
			hw.late[i].entry = NULL;
}

static void
hw_reset(void)
{
	uint32_t i;

	cmds_forget(true);
	for (i = 0; i < N_OBJS; i++)
		hw.eqs[i].there = hw.queues[i].there = hw.subdevs[i] = false;
	for (i = 0; i < QUEUE_DEV_N_SPECIAL; i++)
		hw.special[i].ctx.msg_ctrl = QUEUE_DEV_MSG_CTRL_MASK;
}

/* One more command, and a token that is new. */
static void
on_tail(uint32_t tail)
{
	struct queue_dev_cmd *entry;

	if (hw.cmds == NULL)
		return;
	fuzz_check(tail == ++hw.tail);
	entry = &hw.cmds[(tail - 1) % CMDQ_SIZE];
	fuzz_check(entry->token != 0 && entry->token != hw.token && entry->done == 0);
	hw.token = entry->token;
	take_cmd(entry);
}

static void
on_cmdq_ctrl(uint32_t ctrl)
{
	uint64_t base;

	cmds_forget(false);
	if ((ctrl & QUEUE_DEV_CMDQ_CTRL_ENABLE) == 0)
		return;
	memcpy(&base, hw.regs + QUEUE_DEV_REG_CMDQ_BASE, sizeof(base));
	fuzz_check(fuzz_dev_memory(base, sizeof(struct queue_dev_cmd) * CMDQ_SIZE));
	hw.cmds = (struct queue_dev_cmd *)(uintptr_t)base;
	hw.tail = 0;
}

static void
on_doorbell(uint64_t doorbell)
{
	uint64_t kind = doorbell >> QUEUE_DEV_DB_KIND_SHIFT;

	fuzz_check(kind >= QUEUE_DEV_DB_SQ_TAIL && kind <= QUEUE_DEV_DB_WAKE &&
		   (doorbell & QUEUE_DEV_DB_RESERVED) == 0);
}

static int
hw_access(uint32_t bar, uint64_t off, void *buf, size_t len, bool write)
{
	uint64_t val = 0;

	if (bar != QUEUE_DEV_BAR || off + len > sizeof(hw.regs)) {
		if (write)
			memcpy(fuzz_dev.mem[bar] + off, buf, len);
		else
			memcpy(buf, fuzz_dev.mem[bar] + off, len);
		return 0;
	}
	if (!write) {
		memcpy(buf, hw.regs + off, len);
		return 0;
	}
	memcpy(&val, buf, len);
	memcpy(hw.regs + off, buf, len);
	switch (off) {
	case QUEUE_DEV_REG_CTRL:
		hw_reset();
		break;
	case QUEUE_DEV_REG_CMDQ_CTRL:
		on_cmdq_ctrl(val);
		break;
	case QUEUE_DEV_REG_CMDQ_TAIL:
		on_tail(val);
		break;
	case QUEUE_DEV_REG_DOORBELL:
		on_doorbell(val);
		break;
	case QUEUE_DEV_REG_PORTAL_ENABLE:
		fuzz_check(val < QUEUE_DEV_N_PORTALS);
		break;
	}
	return 0;
}

/* The kernel's part of MSI-X: an entry with a message, not masked. */
static int
irq_set(uint32_t index, uint32_t start, uint32_t count, const int *fds)
{
	uint32_t i, entry[4] = { 0xfee00010, 0, 0, 0 };

	if (index != VFIO_PCI_MSIX_IRQ_INDEX || fds == NULL || fuzz_dev.v.ops->msg_alloc != NULL)
		return 0;
	for (i = 0; i < count; i++) {
		entry[2] = start + i;
		if (fds[i] >= 0)
			memcpy(fuzz_dev.mem[2] + (start + i) * sizeof(entry), entry, sizeof(entry));
	}
	return 0;
}

static void
shape_regs(struct fuzz_in *in, uint32_t n_msix, bool few)
{
	static const uint16_t patched[] = { QUEUE_DEV_REG_ID, QUEUE_DEV_REG_VERSION,
		QUEUE_DEV_REG_FEATURES, QUEUE_DEV_REG_SUBDEVS, QUEUE_DEV_REG_EQS,
		QUEUE_DEV_REG_QUEUES, QUEUE_DEV_REG_MSIX, QUEUE_DEV_REG_SLOTS };
	uint8_t n_subdevs = fuzz_u8(in), n_eqs = fuzz_u8(in), n = fuzz_u8(in) % 8;
	uint16_t n_queues = few ? fuzz_u8(in) : fuzz_u16(in);

	reg_set(QUEUE_DEV_REG_ID, QUEUE_DEV_ID_MAGIC);
	reg_set(QUEUE_DEV_REG_VERSION, QUEUE_DEV_VERSION);
	reg_set(QUEUE_DEV_REG_FEATURES, n_eqs >> 7);
	reg_set(QUEUE_DEV_REG_SUBDEVS, n_subdevs);
	reg_set(QUEUE_DEV_REG_EQS, n_eqs & 0x7f);
	reg_set(QUEUE_DEV_REG_QUEUES, n_queues);
	reg_set(QUEUE_DEV_REG_MSIX, n_msix);
	reg_set(QUEUE_DEV_REG_SLOTS, QUEUE_DEV_N_SPECIAL + (n_eqs & 0x7f) + n_queues);
	reg_set(QUEUE_DEV_REG_TICK_HZ, FAKE_HZ);
	for (; n != 0; n--)
		reg_set(patched[fuzz_u8(in) % RTE_DIM(patched)], fuzz_u32(in));
}

static void
shape_config(uint32_t n_msix)
{
	const uint16_t ids[] = { QUEUE_DEV_PCI_VENDOR_ID, QUEUE_DEV_PCI_DEVICE_ID };
	const uint32_t table = QUEUE_DEV_MSIX_BAR, pba = QUEUE_DEV_MSIX_PBA | QUEUE_DEV_MSIX_BAR;

	memcpy(fuzz_dev.cfg, ids, sizeof(ids));
	fuzz_dev.v.irqs[VFIO_PCI_MSIX_IRQ_INDEX].count = n_msix;
	if (n_msix == 0)
		return;
	fuzz_dev.cfg[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	fuzz_dev.cfg[PCI_CAPABILITY_LIST] = MSIX_CAP;
	fuzz_dev.cfg[MSIX_CAP] = PCI_CAP_ID_MSIX;
	memcpy(fuzz_dev.cfg + MSIX_CAP + PCI_MSIX_TABLE, &table, sizeof(table));
	memcpy(fuzz_dev.cfg + MSIX_CAP + PCI_MSIX_PBA, &pba, sizeof(pba));
}

/* [kind, MSI-X vectors, registers]: few queues, or any number of them */
static void
shape(struct fuzz_in *in)
{
	struct ims_vfio_region *region = &fuzz_dev.v.regions[QUEUE_DEV_BAR];
	uint8_t kind = fuzz_u8(in), n_msix = fuzz_u8(in) % 65;

	fuzz_dev_start(in, kind & 1);
	memset(&hw, 0, sizeof(hw));
	hw.special[0].there = hw.special[1].there = true;
	hw_reset();
	shape_config(n_msix);
	shape_regs(in, n_msix, kind & 0x10);
	fuzz_dev.access = hw_access;
	fuzz_dev.irq_set = irq_set;
	fuzz_dev.reset = hw_reset;
	/* The library's word for the regions is the transport's, not the driver's. */
	fuzz_dev_bar(QUEUE_DEV_BAR, kind & 8 ? QUEUE_DEV_BAR_SIZE / 2 : QUEUE_DEV_BAR_SIZE, 0);
	fuzz_dev_bar(QUEUE_DEV_MSIX_BAR, QUEUE_DEV_MSIX_SIZE, kind & 1 ? 0 : QUEUE_DEV_MSIX_SIZE);
	if ((kind & 2) == 0)
		return;
	/* Status, portals, stamps: all but what is trapped. */
	region->n_areas = 1;
	region->areas[0].offset = QUEUE_DEV_STATUS_OFF;
	region->areas[0].size = region->size - QUEUE_DEV_STATUS_OFF;
	region->areas[0].addr = fuzz_dev.mem[QUEUE_DEV_BAR] + QUEUE_DEV_STATUS_OFF;
}

/* The application. */

static struct qd *
qd_now(void)
{
	return ims_dev_priv(dev);
}

static void
on_event(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done[4];
	unsigned int n = (uintptr_t)arg;
	int i, got;

	fuzz_check(queues[n] != NULL);
	got = rte_pmd_queue_dev_poll(queues[n], done, RTE_DIM(done));
	fuzz_check(got >= 0 && got <= (int)RTE_DIM(done));
	for (i = 0; i < got; i++)
		fuzz_check(done[i].cookie == &queues[n]);
}

static void
vec_run(uint8_t n, uint8_t how, uint8_t more)
{
	struct rte_ims_vec_conf conf = {
		.delivery = how & 8 ? RTE_IMS_DELIVERY_MEMORY : RTE_IMS_DELIVERY_EVENTFD,
	};
	struct rte_ims_store *store;

	if (vecs[n] == NULL) {
		store = rte_ims_dev_store_at(dev, more / 32 % dev->n_stores);
		vecs[n] = rte_ims_vec_alloc(
			subdevs[how / 16 % N_SUBS] != NULL && how & 4
				? rte_pmd_queue_dev_subdev_table(subdevs[how / 16 % N_SUBS])
				: rte_ims_dev_table(dev),
			store, more % 32 == 31 ? RTE_IMS_SLOT_ANY : more % 32u, &conf);
		fuzz_check(vecs[n] != NULL || (rte_errno > 0 && rte_errno < 4096));
		return;
	}
	switch (how % 8) {
	case 0:
		fuzz_check_rc(rte_ims_vec_mask(vecs[n]));
		break;
	case 1:
		fuzz_check_rc(rte_ims_vec_unmask(vecs[n]));
		break;
	case 2:
	case 3:
		fuzz_check_rc(rte_ims_vec_delivery_set(
			vecs[n], how % 2 ? RTE_IMS_DELIVERY_MEMORY : RTE_IMS_DELIVERY_EVENTFD));
		break;
	case 4:
		fuzz_check_rc(rte_ims_wait_add(wait, vecs[n]));
		break;
	case 5:
		fuzz_check_rc(rte_ims_wait_del(wait, vecs[n]));
		break;
	case 6:
		rte_pmd_queue_dev_stamp(vecs[n]);
		break;
	default:
		fuzz_check(rte_ims_vec_free(vecs[n]) == 0);
		vecs[n] = NULL;
		break;
	}
}

static void
queue_create(uint8_t n, uint8_t how, uint8_t more)
{
	struct rte_pmd_queue_dev_queue_conf conf = {
		.depth = 2u << how % 4,
		.subdev = how & 8 ? subdevs[how / 16 % N_SUBS] : NULL,
		.vec = more & 8 ? vecs[more % N_VECS] : NULL,
		.fn = on_event,
		.arg = (void *)(uintptr_t)n,
	};

	queues[n] = rte_pmd_queue_dev_queue_create(dev, &conf);
	fuzz_check(queues[n] != NULL || (rte_errno > 0 && rte_errno < 4096));
}

static int
queue_destroy(uint8_t n)
{
	int rc;

	rc = rte_pmd_queue_dev_queue_destroy(queues[n]);
	fuzz_check_rc(rc);
	if (rc == 0)
		queues[n] = NULL;
	half_gone[n] = rc != 0;
	return rc;
}

static void
queue_run(uint8_t n, uint8_t how, uint8_t more)
{
	struct rte_pmd_queue_dev_op op = { .cookie = &queues[n] };
	int rc;

	if (queues[n] == NULL) {
		queue_create(n, how, more);
		return;
	}
	switch (how % 4) {
	case 0:
		queue_destroy(n);
		break;
	case 1:
		fuzz_check_rc(rte_pmd_queue_dev_queue_attach(
			queues[n], more & 8 ? vecs[more % N_VECS] : NULL));
		break;
	case 2:
		rc = rte_pmd_queue_dev_submit(queues[n], &op, 1);
		fuzz_check(rc == 0 || rc == 1 || rc == -ENODEV);
		break;
	default:
		on_event(NULL, (void *)(uintptr_t)n);
		break;
	}
}

static int
subdev_destroy(uint8_t n)
{
	int rc;

	rc = rte_pmd_queue_dev_subdev_destroy(subdevs[n]);
	fuzz_check_rc(rc);
	if (rc == 0)
		subdevs[n] = NULL;
	half_gone_subdevs[n] = rc != 0;
	return rc;
}

static void
subdev_run(uint8_t n)
{
	if (subdevs[n] == NULL) {
		subdevs[n] = rte_pmd_queue_dev_subdev_create(dev, "sub", 4);
		fuzz_check(subdevs[n] != NULL || (rte_errno > 0 && rte_errno < 4096));
		return;
	}
	subdev_destroy(n);
}

/* Vectors that a table took with it. */
static void
vecs_forget(void)
{
	struct rte_ims_table *table;
	struct rte_ims_vec *vec;
	unsigned int i;
	uint32_t k;
	bool found;

	for (i = 0; i < N_VECS; i++) {
		found = false;
		TAILQ_FOREACH(table, &dev->tables, next)
			for (k = 0; k < table->size && !found; k++) {
				vec = table->vecs[k];
				found = vec != NULL && vec == vecs[i];
			}
		if (!found)
			vecs[i] = NULL;
	}
}

static void
look(void)
{
	struct rte_pmd_queue_dev_eq_info eqs[2];
	struct rte_pmd_queue_dev_info info;
	char what[128];
	bool works;
	int rc;

	fuzz_check(rte_pmd_queue_dev_info_get(dev, &info) == 0);
	rc = rte_pmd_queue_dev_eqs_get(dev, eqs, RTE_DIM(eqs));
	fuzz_check(rc >= 0 && rc <= (int)info.used_eqs);
	works = fuzz_dev.n_fail == 0 && !atomic_load(&fuzz_dev.v.removed);
	rc = rte_pmd_queue_dev_error_get(dev, NULL);
	fuzz_check(rc >= 0 || !works);
	rc = dev->driver->check(dev, what, sizeof(what));
	fuzz_check(rc <= 1);
}

/* A ring that the driver took for not created is nothing to write to: it may be another one's by now. */
static void
ring_write(struct fuzz_in *in, bool there, uint64_t ring, size_t len)
{
	if (there && fuzz_dev_memory(ring, len))
		fuzz_take(in, (uint8_t *)(uintptr_t)ring, len);
}

/* The device writes to the rings that it has, and to its pages. */
static void
hw_write(struct fuzz_in *in, uint8_t which, uint8_t n)
{
	const struct object *eq = &hw.eqs[n % N_OBJS], *q = &hw.queues[n % N_OBJS];

	fuzz_dev.honest = false;
	switch (which % 4) {
	case 0:
		ring_write(in, eq->there, eq->ctx.ring, sizeof(struct queue_dev_eqe));
		break;
	case 1:
		ring_write(in, q->there, q->ctx.cq, sizeof(struct queue_dev_cqe));
		break;
	case 2:
		if (hw.cmds != NULL)
			fuzz_take(in, &hw.cmds[n], sizeof(hw.cmds[n]));
		break;
	default:
		fuzz_take(in, fuzz_dev.mem[QUEUE_DEV_BAR] + QUEUE_DEV_STATUS_OFF, 1);
		fuzz_take(in, hw.regs + n, 4);
		hw.liar = true;
		break;
	}
}

/* Cells that are full are rung by the register. */
static void
portals_take(void)
{
	const uint32_t page[] = { 0, QUEUE_DEV_N_PORTALS - 1 };
	unsigned int i;

	if (fuzz_dev.v.regions[QUEUE_DEV_BAR].n_areas == 0)
		return;
	for (i = 0; i < RTE_DIM(page); i++)
		memset(fuzz_dev.mem[QUEUE_DEV_BAR] + QUEUE_DEV_PORTALS_OFF +
				page[i] * QUEUE_DEV_PORTAL_SIZE,
			0, 16 * sizeof(uint64_t));
}

static void
run(struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in), which = fuzz_u8(in), how = fuzz_u8(in), more = fuzz_u8(in);

	switch (what % 16) {
	case 0:
	case 1:
	case 2:
		hw.n_how = which % 8;
		hw.how = how % HOW_MAX;
		hw.how_arg = more;
		break;
	case 3:
		/* What does not get through is not done, as far as it knows. */
		fuzz_dev_misbehave(which % 4, how, more % 4);
		hw.liar = true;
		break;
	case 4:
		/* What could not be made again is missed until the next one. */
		if (rte_ims_dev_reset(dev) != 0)
			hw.liar = true;
		break;
	case 5:
		rte_ims_wait_poll(wait);
		break;
	case 6:
		look();
		break;
	case 7:
		hw_write(in, which, how);
		break;
	case 8:
		if (more == 0xff)
			ims_vfio_set_removed(&fuzz_dev.v);
		portals_take();
		break;
	case 9:
		subdev_run(which % N_SUBS);
		vecs_forget();
		break;
	case 10:
	case 11:
	case 12:
		vec_run(which % N_VECS, how, more);
		break;
	default:
		queue_run(which % N_QUEUES, how, more);
		break;
	}
}

/* Driver and device have the same objects, and queues are where the driver thinks. */
static void
check_agree(void)
{
	const struct rte_pmd_queue_dev_queue *q;
	struct qd *qd = qd_now();
	uint32_t i;

	fuzz_check(qd->n_lost == 0);
	for (i = 0; i < N_OBJS; i++) {
		if (i < qd->n_eqs)
			fuzz_check(hw.eqs[i].there == (qd->eqs[i] != NULL));
		if (i != 0 && i <= qd->n_subdevs)
			fuzz_check(hw.subdevs[i] == (qd->subdevs[i] != NULL));
		q = i < qd->n_queues ? atomic_load(&qd->queues[i]) : NULL;
		fuzz_check(hw.queues[i].there == (q != NULL && !q->dead));
		if (hw.queues[i].there)
			fuzz_check(hw.queues[i].ctx.eqn ==
				   (q->eq != NULL ? q->eq->number : QUEUE_DEV_EQN_NONE));
	}
}

static void
check_counts(void)
{
	uint32_t i, n_queues = 0, n_eqs = 0;
	struct qd *qd = qd_now();

	for (i = 0; i < qd->n_queues; i++)
		n_queues += atomic_load(&qd->queues[i]) != NULL;
	for (i = 0; i < qd->n_eqs; i++)
		n_eqs += qd->eqs[i] != NULL;
	fuzz_check(qd->used_queues == n_queues && qd->used_eqs == n_eqs);
}

/* What its owner was told may be gone: he asks once more. */
static void
destroy_again(bool liar)
{
	unsigned int i;
	int rc;

	for (i = 0; i < N_QUEUES; i++) {
		rc = half_gone[i] ? queue_destroy(i) : 0;
		fuzz_check(liar || rc == 0);
	}
	for (i = 0; i < N_SUBS; i++) {
		rc = half_gone_subdevs[i] ? subdev_destroy(i) : 0;
		fuzz_check(liar || rc == 0 || rc == -EBUSY);
	}
}

/* From now on it answers. */
static void
settle(void)
{
	struct qd *qd = qd_now();
	bool liar = hw.liar;
	int rc;

	hw.n_how = 0;
	fuzz_dev_misbehave(0, 0, 0);
	portals_take();
	check_counts();
	if (atomic_load(&fuzz_dev.v.removed))
		return;
	destroy_again(liar);
	pthread_mutex_lock(&qd->lock);
	rc = qd_settle(qd);
	if (!liar) {
		fuzz_check(rc == 0);
		check_agree();
	}
	pthread_mutex_unlock(&qd->lock);
	rc = rte_ims_dev_reset(dev);
	fuzz_check_rc(rc);
	if (rc == 0)
		check_agree();
	fuzz_check(rc == 0 || liar);
}

static void
close_all(void)
{
	uint64_t begin = now;

	settle();
	fuzz_check(rte_ims_dev_close(dev) == 0);
	fuzz_check(rte_ims_wait_destroy(wait) == 0);
	fuzz_check(now - begin <= MAX_WAIT);
	memset(vecs, 0, sizeof(vecs));
	memset(queues, 0, sizeof(queues));
	memset(half_gone, 0, sizeof(half_gone));
	memset(subdevs, 0, sizeof(subdevs));
	memset(half_gone_subdevs, 0, sizeof(half_gone_subdevs));
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	fuzz_dev_init();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rte_ims_wait_conf wait_conf = { .max_vecs = N_VECS };
	struct fuzz_in in = { data, size };
	uint64_t begin;

	now = 1;
	shape(&in);
	dev = rte_ims_dev_open("pci:fuzz", NULL);
	fuzz_check(dev != NULL || (rte_errno > 0 && rte_errno < 4096));
	if (dev != NULL) {
		wait = rte_ims_wait_create("fuzz", &wait_conf);
		fuzz_check(wait != NULL);
		while (in.len != 0) {
			begin = now;
			run(&in);
			/* However it answers, nobody waits for ever. */
			fuzz_check(now - begin <= MAX_WAIT);
		}
		close_all();
	}
	fuzz_dev_end();
	return 0;
}
