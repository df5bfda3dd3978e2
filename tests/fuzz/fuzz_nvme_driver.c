/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The driver of NVMe controllers, on the library, with a controller whose registers and identify
 * data are any bytes, and which completes commands late, twice, wrongly or not at all. Time is the
 * target's own.
 *
 * Input: the controller, see shape(); then operations of [what, which, 16 bits], see run().
 */

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "fuzz_dev.h"

static uint64_t now_us;

static int
fake_clock(struct timespec *ts);
static int
fake_nap(uint64_t us);

#define usleep(us)               fake_nap(us)
#define poll(fds, n, ms)         ((void)(fds), fake_nap((ms)*UINT64_C(1000)))
#define clock_gettime(clock, ts) fake_clock(ts)
#include "nvme.c"
#include "nvme_admin.c"
#include "nvme_queue.c"
#undef usleep
#undef poll
#undef clock_gettime

#define N_QUEUES  3
#define N_HW      8 /* queues of the controller, with the admin queue */
#define N_COOKIES 64
#define MSIX_CAP  0x40
#define BAR_SIZE  0x4000
#define MAX_US    (4ull * 256 * 500000 + 200ull * ADMIN_TIMEOUT_MS * 1000)

/* How the controller does a command. */
enum how {
	HOW_WELL,
	HOW_NOT,       /* nor completed */
	HOW_SILENTLY,  /* done, not completed */
	HOW_REFUSED,   /* any status, not done */
	HOW_DENIED,    /* any status, and done */
	HOW_TWICE,     /* completed twice */
	HOW_WRONG_CID, /* done, another command is completed */
	HOW_GARBAGE,   /* any completion */
	HOW_LATE,      /* after the next one */
	HOW_WRONGLY,   /* any data */
	HOW_MAX,
};

struct hw_queue {
	const struct nvme_cmd *sq; /* NULL: none */
	struct nvme_cqe *cq;       /* NULL: none */
	uint32_t sq_depth;
	uint32_t cq_depth;
	uint32_t sq_head;
	uint32_t cq_tail;
	uint16_t phase;
	bool late;
	struct nvme_cqe late_cqe;
};

static struct {
	uint8_t regs[NVME_REG_DOORBELLS];
	struct hw_queue queues[N_HW];
	enum how how;
	uint16_t how_arg;
	uint8_t n_how;
	bool stuck; /* CSTS says what it did */
	bool liar;  /* it has not done what it said */
} hw;

static struct rte_ims_dev *dev;
static struct rte_ims_vec *vec;
static struct rte_pmd_nvme_queue *queues[N_QUEUES];
static uint8_t cookies[N_QUEUES][N_COOKIES]; /* 1: submitted, not completed */
static uint8_t buf[64] __rte_aligned(4096);

/* The controller. */

static uint64_t
reg_get(uint32_t off, size_t len)
{
	uint64_t val = 0;

	memcpy(&val, hw.regs + off, len);
	return val;
}

/* Of a submission queue's tail; NULL: beyond the BAR. */
static void *
doorbell_at(uint32_t id)
{
	uint32_t strd = NVME_CAP_DSTRD(reg_get(NVME_REG_CAP, 8));
	uint64_t off = NVME_REG_SQ_TAIL((uint64_t)id, strd);

	if (off + 4 > fuzz_dev.v.regions[NVME_BAR].size)
		return NULL;
	return fuzz_dev.mem[NVME_BAR] + off;
}

static uint32_t
doorbell(uint32_t id)
{
	const void *at = doorbell_at(id);
	uint32_t val = 0;

	if (at != NULL)
		memcpy(&val, at, sizeof(val));
	return val;
}

static void
hw_disable(void)
{
	memset(hw.queues, 0, sizeof(hw.queues));
	memset(fuzz_dev.mem[NVME_BAR] + NVME_REG_DOORBELLS, 0,
		fuzz_dev.v.regions[NVME_BAR].size - NVME_REG_DOORBELLS);
}

/*
 * The driver has it in memory that the controller can reach. NULL: it was, when a command was given
 * that the controller had said was done before it did it.
 */
static void *
memory(uint64_t addr, size_t len)
{
	bool there = fuzz_dev_memory(addr, len);

	fuzz_check(there || hw.liar);
	return there ? (void *)(uintptr_t)addr : NULL;
}

static void
hw_enable(void)
{
	struct hw_queue *q = &hw.queues[0];
	uint32_t aqa = reg_get(NVME_REG_AQA, 4);

	q->sq_depth = (aqa & 0xfff) + 1;
	q->cq_depth = (aqa >> 16 & 0xfff) + 1;
	q->phase = NVME_CQE_PHASE;
	q->sq = memory(reg_get(NVME_REG_ASQ, 8), q->sq_depth * sizeof(*q->sq));
	q->cq = memory(reg_get(NVME_REG_ACQ, 8), q->cq_depth * sizeof(*q->cq));
}

static bool
create_cq(const struct nvme_cmd *cmd, struct hw_queue *q)
{
	if (q == NULL || q->cq != NULL)
		return false;
	q->cq_depth = (cmd->cdw10 >> 16) + 1;
	q->cq = memory(cmd->prp1, q->cq_depth * sizeof(*q->cq));
	q->cq_tail = 0;
	q->phase = NVME_CQE_PHASE;
	return q->cq != NULL;
}

static bool
create_sq(const struct nvme_cmd *cmd, struct hw_queue *q)
{
	if (q == NULL || q->sq != NULL || q->cq == NULL)
		return false;
	q->sq_depth = (cmd->cdw10 >> 16) + 1;
	q->sq = memory(cmd->prp1, q->sq_depth * sizeof(*q->sq));
	q->sq_head = 0;
	/* A new queue is empty, whatever the last one's tail was. */
	if (doorbell_at(q - hw.queues) != NULL)
		memset(doorbell_at(q - hw.queues), 0, 4);
	return q->sq != NULL;
}

static void
identify(const struct nvme_cmd *cmd, bool lie)
{
	uint8_t *data = memory(cmd->prp1, NVME_PAGE_SIZE);
	uint64_t n_blocks = 1000;
	uint32_t lbaf = 9 << 16, sgls = 1;
	uint16_t off;
	uint8_t n;

	if (data == NULL)
		return;
	memset(data, 0, NVME_PAGE_SIZE);
	if (cmd->cdw10 == NVME_CNS_CONTROLLER) {
		memset(data + NVME_ID_CTRL_SN, ' ', NVME_ID_CTRL_SN_LEN + NVME_ID_CTRL_MN_LEN);
		memcpy(data + NVME_ID_CTRL_SGLS, &sgls, sizeof(sgls));
	} else {
		memcpy(data + NVME_ID_NS_NSZE, &n_blocks, sizeof(n_blocks));
		memcpy(data + NVME_ID_NS_LBAF, &lbaf, sizeof(lbaf));
	}
	for (n = lie ? fuzz_u8(fuzz_dev.in) % 16 : 0; n != 0; n--) {
		off = fuzz_u16(fuzz_dev.in) % NVME_PAGE_SIZE;
		data[off] = fuzz_u8(fuzz_dev.in);
	}
}

/* false: it cannot be done */
static bool
do_admin(const struct nvme_cmd *cmd, bool lie, uint32_t *result)
{
	uint16_t id = cmd->cdw10;
	struct hw_queue *q = id != 0 && id < N_HW ? &hw.queues[id] : NULL;

	switch (cmd->opcode) {
	case NVME_ADMIN_IDENTIFY:
		identify(cmd, lie);
		return true;
	case NVME_ADMIN_SET_FEATURES:
		*result = lie ? fuzz_u32(fuzz_dev.in) : (N_HW - 2) << 16 | (N_HW - 2);
		return true;
	case NVME_ADMIN_CREATE_CQ:
		return create_cq(cmd, q);
	case NVME_ADMIN_CREATE_SQ:
		return create_sq(cmd, q);
	case NVME_ADMIN_DELETE_SQ:
		if (q == NULL || q->sq == NULL)
			return false;
		q->sq = NULL;
		return true;
	case NVME_ADMIN_DELETE_CQ:
		if (q == NULL || q->cq == NULL || q->sq != NULL)
			return false;
		q->cq = NULL;
		return true;
	}
	fuzz_check(0); /* none that the driver has */
	return false;
}

/* A ring that the driver took for not created is nothing to use: it may be another one's by now. */
static bool
has_cq(const struct hw_queue *q)
{
	return q->cq != NULL && fuzz_dev_memory((uintptr_t)q->cq, q->cq_depth * sizeof(*q->cq));
}

static bool
has_sq(const struct hw_queue *q)
{
	return q->sq != NULL && fuzz_dev_memory((uintptr_t)q->sq, q->sq_depth * sizeof(*q->sq));
}

static void
complete(struct hw_queue *q, const struct nvme_cqe *from)
{
	struct nvme_cqe *cqe;

	if (!has_cq(q))
		return;
	cqe = &q->cq[q->cq_tail];
	*cqe = *from;
	cqe->status = (from->status & ~NVME_CQE_PHASE) | q->phase;
	if (++q->cq_tail == q->cq_depth) {
		q->cq_tail = 0;
		q->phase ^= NVME_CQE_PHASE;
	}
}

static void
take_cmd(struct hw_queue *q, const struct nvme_cmd *cmd)
{
	enum how how = hw.n_how != 0 ? hw.how : HOW_WELL;
	struct nvme_cqe cqe = { .cid = cmd->cid };
	bool admin = q == &hw.queues[0];

	if (hw.n_how != 0)
		hw.n_how--;
	hw.liar = hw.liar || how != HOW_WELL;
	if (how == HOW_NOT)
		return;
	if (admin && how != HOW_REFUSED && !do_admin(cmd, how == HOW_WRONGLY, &cqe.result))
		cqe.status = 2 << 1;
	if (how == HOW_REFUSED || how == HOW_DENIED)
		cqe.status = hw.how_arg << 1;
	if (how == HOW_WRONG_CID)
		cqe.cid = hw.how_arg;
	if (how == HOW_GARBAGE)
		fuzz_take(fuzz_dev.in, &cqe, sizeof(cqe));
	if (how == HOW_LATE && !q->late) {
		q->late_cqe = cqe;
		q->late = true;
		return;
	}
	if (how == HOW_SILENTLY)
		return;
	complete(q, &cqe);
	if (how == HOW_TWICE)
		complete(q, &cqe);
	if (q->late)
		complete(q, &q->late_cqe);
	q->late = false;
}

static void
act(uint32_t id)
{
	struct hw_queue *q = &hw.queues[id];
	uint32_t tail = doorbell(id);
	const struct nvme_cmd *cmd;

	while (has_sq(q) && q->sq_head != tail) {
		fuzz_check(tail < q->sq_depth || hw.liar);
		if (tail >= q->sq_depth)
			break;
		cmd = &q->sq[q->sq_head];
		q->sq_head = (q->sq_head + 1) % q->sq_depth;
		take_cmd(q, cmd);
	}
}

static int
fake_clock(struct timespec *ts)
{
	now_us++;
	ts->tv_sec = now_us / 1000000;
	ts->tv_nsec = now_us % 1000000 * 1000;
	return 0;
}

static int
fake_nap(uint64_t us)
{
	now_us += us;
	act(0);
	return 0;
}

static int
hw_access(uint32_t bar, uint64_t off, void *data, size_t len, bool write)
{
	uint32_t csts;

	if (bar != NVME_BAR || off + len > sizeof(hw.regs)) {
		if (write)
			memcpy(fuzz_dev.mem[bar] + off, data, len);
		else
			memcpy(data, fuzz_dev.mem[bar] + off, len);
		return 0;
	}
	if (!write) {
		memcpy(data, hw.regs + off, len);
		return 0;
	}
	memcpy(hw.regs + off, data, len);
	if (off != NVME_REG_CC)
		return 0;
	hw_disable();
	csts = 0;
	if (reg_get(NVME_REG_CC, 4) & NVME_CC_EN) {
		hw_enable();
		csts = NVME_CSTS_RDY | NVME_CSTS_SHST_DONE << 2;
	}
	if (!hw.stuck)
		memcpy(hw.regs + NVME_REG_CSTS, &csts, sizeof(csts));
	return 0;
}

static void
hw_reset(void)
{
	hw_disable();
	memset(hw.regs + NVME_REG_CC, 0, NVME_REG_CSTS + 4 - NVME_REG_CC);
}

/* [kind, capabilities (64 bits), status (32 bits), how the first commands are done] */
static void
shape(struct fuzz_in *in)
{
	const uint16_t ids[] = { 0x1b36, 0x0010 };
	const uint32_t table = 2, pba = 0x800 | 2;
	struct ims_vfio_region *region = &fuzz_dev.v.regions[NVME_BAR];
	uint8_t kind = fuzz_u8(in);

	fuzz_dev_start(in, kind & 1);
	memset(&hw, 0, sizeof(hw));
	memcpy(fuzz_dev.cfg, ids, sizeof(ids));
	fuzz_dev.cfg[PCI_STATUS] = PCI_STATUS_CAP_LIST;
	fuzz_dev.cfg[PCI_CAPABILITY_LIST] = MSIX_CAP;
	fuzz_dev.cfg[MSIX_CAP] = PCI_CAP_ID_MSIX;
	memcpy(fuzz_dev.cfg + MSIX_CAP + PCI_MSIX_TABLE, &table, sizeof(table));
	memcpy(fuzz_dev.cfg + MSIX_CAP + PCI_MSIX_PBA, &pba, sizeof(pba));
	fuzz_dev.v.irqs[VFIO_PCI_MSIX_IRQ_INDEX].count = kind & 2 ? 0 : 4;
	fuzz_dev_bar(2, 0x1000, 0x1000);
	fuzz_dev_bar(NVME_BAR, BAR_SIZE, 0);
	/* Doorbells are mapped, registers are trapped. */
	region->n_areas = (kind & 4) == 0;
	region->areas[0].offset = NVME_REG_DOORBELLS;
	region->areas[0].size = kind & 8 ? 0x1000 : BAR_SIZE - NVME_REG_DOORBELLS;
	region->areas[0].addr = fuzz_dev.mem[NVME_BAR] + NVME_REG_DOORBELLS;
	fuzz_dev.access = hw_access;
	fuzz_dev.reset = hw_reset;
	fuzz_take(in, hw.regs + NVME_REG_CAP, 8);
	fuzz_take(in, hw.regs + NVME_REG_CSTS, 4);
	/* CAP.TO: 8 s at most, a longer wait is more of the same. */
	hw.regs[NVME_REG_CAP + 3] %= 16;
	hw.stuck = kind & 0x10;
	hw.n_how = fuzz_u8(in) % 8;
	hw.how = fuzz_u8(in) % HOW_MAX;
	hw.how_arg = fuzz_u16(in);
}

/* The application. */

/* Each command comes back once. */
static void
poll_queue(unsigned int n, unsigned int max)
{
	struct rte_pmd_nvme_completion done[8];
	uint8_t *cookie;
	int i, got;

	got = rte_pmd_nvme_poll(queues[n], done, max % (RTE_DIM(done) + 1));
	fuzz_check(got >= 0 && got <= (int)RTE_DIM(done));
	for (i = 0; i < got; i++) {
		cookie = done[i].cookie;
		fuzz_check(cookie >= cookies[n] && cookie < cookies[n] + N_COOKIES && *cookie == 1);
		*cookie = 0;
	}
}

static void
submit(unsigned int n, uint16_t how)
{
	uint8_t *cookie;
	int rc;

	for (cookie = cookies[n]; cookie < cookies[n] + N_COOKIES && *cookie != 0; cookie++)
		;
	if (cookie == cookies[n] + N_COOKIES)
		return;
	if (how % 4 == 3)
		rc = rte_pmd_nvme_post(queues[n], how, (uintptr_t)buf, buf, cookie);
	else
		rc = rte_pmd_nvme_submit(queues[n], how % 4, how, 1u << how / 16 % 16, buf, cookie);
	fuzz_check_rc(rc);
	*cookie = rc == 0;
}

static void
queue_run(unsigned int n, uint8_t what, uint16_t how)
{
	if (queues[n] == NULL) {
		queues[n] = rte_pmd_nvme_queue_create(dev, how % 64, how & 0x40 ? vec : NULL);
		fuzz_check(queues[n] != NULL || (rte_errno > 0 && rte_errno < 4096));
		memset(cookies[n], 0, N_COOKIES);
		return;
	}
	switch (what % 4) {
	case 0:
		fuzz_check(rte_pmd_nvme_queue_destroy(queues[n]) == 0);
		queues[n] = NULL;
		break;
	case 1:
		poll_queue(n, how);
		break;
	default:
		submit(n, how);
		break;
	}
}

/* It writes to a completion queue that it has, or its status changes. */
static void
hw_write(struct fuzz_in *in, uint8_t which, uint16_t at)
{
	struct hw_queue *q = &hw.queues[which % N_HW];

	hw.liar = true;
	if (which & 0x80)
		fuzz_take(in, hw.regs + NVME_REG_CSTS, 4);
	else if (has_cq(q))
		fuzz_take(in, &q->cq[at % q->cq_depth], sizeof(*q->cq));
}

static void
run(struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in), which = fuzz_u8(in);
	struct rte_pmd_nvme_info info;
	uint16_t how = fuzz_u16(in);
	char text[128];

	switch (what % 16) {
	case 0:
	case 1:
		hw.n_how = which / 16;
		hw.how = which % HOW_MAX;
		hw.how_arg = how;
		break;
	case 2:
		fuzz_dev_misbehave(which % 4, which / 4, how % 4);
		hw.liar = true;
		break;
	case 3:
		hw_write(in, which, how);
		break;
	case 4:
		hw.stuck = which % 4 == 0;
		fuzz_check_rc(which & 0x80 ? rte_ims_dev_reset(dev) : rte_pmd_nvme_reset(dev));
		break;
	case 5:
		if (which == 0xff)
			ims_vfio_set_removed(&fuzz_dev.v);
		fuzz_check(rte_pmd_nvme_info_get(dev, &info) == 0 && info.block_size >= 512 &&
			   info.max_transfer >= info.block_size &&
			   info.max_queues <= NVME_MAX_QUEUES && info.max_depth <= UINT16_MAX);
		fuzz_check(memchr(info.model, 0, sizeof(info.model)) != NULL &&
			   memchr(info.serial, 0, sizeof(info.serial)) != NULL);
		fuzz_check(dev->driver->check(dev, text, sizeof(text)) <= 1);
		break;
	case 6:
	case 7:
		act(which % N_HW);
		break;
	default:
		queue_run(which % N_QUEUES, which / 16, how);
		break;
	}
}

/* Each identifier is free or busy. */
static void
check_cids(void)
{
	const struct rte_pmd_nvme_queue *q;
	const struct nvme *nvme = ims_dev_priv(dev);
	uint32_t i, cid, n;

	for (i = 0; i <= NVME_MAX_QUEUES; i++) {
		q = nvme->queues[i];
		if (q == NULL)
			continue;
		n = q->n_free;
		for (cid = 0; cid < q->depth; cid++)
			n += q->busy[cid];
		fuzz_check(n == q->depth - 1u);
	}
}

/* Once the controller does as it should all commands have come back. */
static void
drain(void)
{
	unsigned int i, k;

	hw.n_how = 0;
	hw.stuck = false;
	fuzz_dev_misbehave(0, 0, 0);
	if (rte_pmd_nvme_reset(dev) != 0)
		return;
	for (i = 0; i < N_QUEUES; i++) {
		for (k = 0; queues[i] != NULL && k < N_COOKIES; k++)
			poll_queue(i, 8);
		fuzz_check(queues[i] == NULL || memchr(cookies[i], 1, N_COOKIES) == NULL);
	}
}

static void
use(struct fuzz_in *in)
{
	struct rte_ims_store *msix = rte_ims_dev_store_get(dev, RTE_IMS_STORE_MSIX);
	uint64_t begin;

	fuzz_check(msix != NULL);
	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), msix, RTE_IMS_SLOT_ANY, NULL);
	while (in->len != 0) {
		begin = now_us;
		run(in);
		check_cids();
		/* However it answers, nobody waits for ever. */
		fuzz_check(now_us - begin <= MAX_US);
	}
	drain();
	fuzz_check(rte_ims_dev_close(dev) == 0);
	memset(queues, 0, sizeof(queues));
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
	struct fuzz_in in = { data, size };

	now_us = 0;
	shape(&in);
	dev = fuzz_dev_open(NULL);
	fuzz_check(now_us <= MAX_US);
	if (dev != NULL)
		use(&in);
	fuzz_dev.honest = true; /* what it may write to is free in the end, whatever it did */
	fuzz_dev_end();
	return 0;
}
