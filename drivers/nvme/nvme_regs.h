/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _NVME_REGS_H_
#define _NVME_REGS_H_

#include <assert.h>
#include <stdint.h>

/*
 * What the driver uses of the NVM Express Base Specification, revision 1.4. Figure and section
 * numbers are that document's.
 */

#define NVME_BAR 0

/* Section 3.1: controller registers. */
#define NVME_REG_CAP              0x00                             /* 64-bit */
#define NVME_CAP_MQES(cap)        ((uint32_t)((cap)&0xffff))       /* entries of a queue, 0-based */
#define NVME_CAP_TO(cap)          ((uint32_t)((cap) >> 24 & 0xff)) /* units of 500 ms */
#define NVME_CAP_DSTRD(cap)       ((uint32_t)((cap) >> 32 & 0xf))
#define NVME_CAP_MPSMIN(cap)      ((uint32_t)((cap) >> 48 & 0xf))
#define NVME_REG_CC               0x14
#define NVME_CC_EN                0x1u
#define NVME_CC_SHN_NORMAL        (1u << 14)
#define NVME_CC_IOSQES            (6u << 16) /* 2^6 bytes */
#define NVME_CC_IOCQES            (4u << 20) /* 2^4 bytes */
#define NVME_REG_CSTS             0x1c
#define NVME_CSTS_RDY             0x1u
#define NVME_CSTS_CFS             0x2u
#define NVME_CSTS_SHST(csts)      ((csts) >> 2 & 0x3)
#define NVME_CSTS_SHST_DONE       2u
#define NVME_REG_AQA              0x24
#define NVME_REG_ASQ              0x28 /* 64-bit */
#define NVME_REG_ACQ              0x30 /* 64-bit */
#define NVME_REG_DOORBELLS        0x1000
#define NVME_REG_SQ_TAIL(q, strd) (NVME_REG_DOORBELLS + (2 * (q)) * (4u << (strd)))
#define NVME_REG_CQ_HEAD(q, strd) (NVME_REG_DOORBELLS + (2 * (q) + 1) * (4u << (strd)))

#define NVME_PAGE_SIZE 4096u

/* Section 4.2: submission queue entry. */
struct nvme_cmd {
	uint8_t opcode;
	uint8_t flags;
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2;
	uint32_t cdw3;
	uint64_t mptr;
	uint64_t prp1;
	uint64_t prp2;
	uint32_t cdw10;
	uint32_t cdw11;
	uint32_t cdw12;
	uint32_t cdw13;
	uint32_t cdw14;
	uint32_t cdw15;
};
static_assert(sizeof(struct nvme_cmd) == 64, "section 4.2");

/* Section 4.6: completion queue entry. */
struct nvme_cqe {
	uint32_t result;
	uint32_t reserved;
	uint16_t sq_head;
	uint16_t sq_id;
	uint16_t cid;
	uint16_t status; /* bit 0: phase; bits 15:1: status field */
};
static_assert(sizeof(struct nvme_cqe) == 16, "section 4.6");
#define NVME_CQE_PHASE 0x1u

/* Section 5: admin commands. */
#define NVME_ADMIN_DELETE_SQ    0x00
#define NVME_ADMIN_CREATE_SQ    0x01
#define NVME_ADMIN_DELETE_CQ    0x04
#define NVME_ADMIN_CREATE_CQ    0x05
#define NVME_ADMIN_IDENTIFY     0x06
#define NVME_ADMIN_SET_FEATURES 0x09
#define NVME_FEATURE_N_QUEUES   0x07
#define NVME_QUEUE_PC           0x1u /* physically contiguous */
#define NVME_CQ_IEN             0x2u /* interrupts enabled */
#define NVME_CNS_NAMESPACE      0x00
#define NVME_CNS_CONTROLLER     0x01

/* Figures 245 and 247: offsets in the identify data. */
#define NVME_ID_CTRL_SN       4
#define NVME_ID_CTRL_SN_LEN   20
#define NVME_ID_CTRL_MN       24
#define NVME_ID_CTRL_MN_LEN   40
#define NVME_ID_CTRL_MDTS     77
#define NVME_ID_CTRL_SGLS     536
#define NVME_SGLS_SUPPORTED   0x3u
#define NVME_ID_NS_NSZE       0
#define NVME_ID_NS_FLBAS      26
#define NVME_ID_NS_LBAF       128
#define NVME_LBAF_LBADS(lbaf) ((lbaf) >> 16 & 0xff)

/* Section 6: NVM commands. */
#define NVME_CMD_FLUSH 0x00
#define NVME_CMD_WRITE 0x01
#define NVME_CMD_READ  0x02

/* Figure 110: PSDT, the data pointer is an SGL descriptor; figure 113: it names data itself. */
#define NVME_CMD_FLAG_SGL 0x40
#define NVME_SGL_DATA     0x00
#define NVME_SGL_SEGMENT  0x30 /* the last one */

#endif /* _NVME_REGS_H_ */
