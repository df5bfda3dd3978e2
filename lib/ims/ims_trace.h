/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _IMS_TRACE_H_
#define _IMS_TRACE_H_

/*
 * Trace points, for EAL's --trace=lib.ims and babeltrace2. Those of the data path are in builds
 * with
 * -Denable_trace_fp=true only, as DPDK's own.
 */

#ifdef IMS_ENABLE_TRACE_FP
#define RTE_ENABLE_TRACE_FP
#endif
#include <rte_trace_point.h>

RTE_TRACE_POINT(ims_trace_dev_open, RTE_TRACE_POINT_ARGS(const char *name, int rc),
		rte_trace_point_emit_string(name);
		rte_trace_point_emit_int(rc);)

RTE_TRACE_POINT(ims_trace_dev_close, RTE_TRACE_POINT_ARGS(const char *name),
		rte_trace_point_emit_string(name);)

RTE_TRACE_POINT(ims_trace_dev_reset, RTE_TRACE_POINT_ARGS(const char *name, int rc),
		rte_trace_point_emit_string(name);
		rte_trace_point_emit_int(rc);)

RTE_TRACE_POINT(
	ims_trace_vec_alloc,
	RTE_TRACE_POINT_ARGS(uint64_t id, const char *store, uint32_t slot, uint8_t delivery),
	rte_trace_point_emit_u64(id);
	rte_trace_point_emit_string(store); rte_trace_point_emit_u32(slot);
	rte_trace_point_emit_u8(delivery);)

RTE_TRACE_POINT(
	ims_trace_vec_free, RTE_TRACE_POINT_ARGS(uint64_t id), rte_trace_point_emit_u64(id);)

/* The slot is masked or unmasked. */
RTE_TRACE_POINT(ims_trace_slot_send, RTE_TRACE_POINT_ARGS(uint64_t id, uint8_t send, int rc),
		rte_trace_point_emit_u64(id);
		rte_trace_point_emit_u8(send); rte_trace_point_emit_int(rc);)

/* The slot has another message; rc -ETIMEDOUT: perhaps. */
RTE_TRACE_POINT(ims_trace_slot_message,
		RTE_TRACE_POINT_ARGS(uint64_t id, uint64_t addr, uint32_t data, int rc),
		rte_trace_point_emit_u64(id);
		rte_trace_point_emit_u64(addr); rte_trace_point_emit_u32(data);
		rte_trace_point_emit_int(rc);)

RTE_TRACE_POINT(ims_trace_vec_deliver, RTE_TRACE_POINT_ARGS(uint64_t id, uint8_t delivery, int rc),
		rte_trace_point_emit_u64(id);
		rte_trace_point_emit_u8(delivery); rte_trace_point_emit_int(rc);)

RTE_TRACE_POINT(ims_trace_wait_add, RTE_TRACE_POINT_ARGS(const char *wait, uint64_t id, int rc),
		rte_trace_point_emit_string(wait);
		rte_trace_point_emit_u64(id); rte_trace_point_emit_int(rc);)

RTE_TRACE_POINT(ims_trace_wait_del, RTE_TRACE_POINT_ARGS(const char *wait, uint64_t id, int rc),
		rte_trace_point_emit_string(wait);
		rte_trace_point_emit_u64(id); rte_trace_point_emit_int(rc);)

RTE_TRACE_POINT(ims_trace_wait_move, RTE_TRACE_POINT_ARGS(const char *to, uint64_t id, int rc),
		rte_trace_point_emit_string(to);
		rte_trace_point_emit_u64(id); rte_trace_point_emit_int(rc);)

RTE_TRACE_POINT(ims_trace_source_add, RTE_TRACE_POINT_ARGS(const char *wait, int fd, int rc),
		rte_trace_point_emit_string(wait);
		rte_trace_point_emit_int(fd); rte_trace_point_emit_int(rc);)

RTE_TRACE_POINT(ims_trace_source_del, RTE_TRACE_POINT_ARGS(const char *wait, int fd, int rc),
		rte_trace_point_emit_string(wait);
		rte_trace_point_emit_int(fd); rte_trace_point_emit_int(rc);)

RTE_TRACE_POINT(ims_trace_wait_policy, RTE_TRACE_POINT_ARGS(const char *wait, int policy),
		rte_trace_point_emit_string(wait);
		rte_trace_point_emit_int(policy);)

/* The adaptive policy has become busy, or idle. */
RTE_TRACE_POINT(ims_trace_wait_busy, RTE_TRACE_POINT_ARGS(const char *wait, uint8_t busy),
		rte_trace_point_emit_string(wait);
		rte_trace_point_emit_u8(busy);)

/* The handlers of a vector are about to run. */
RTE_TRACE_POINT_FP(
	ims_trace_vec_run, RTE_TRACE_POINT_ARGS(uint64_t id), rte_trace_point_emit_u64(id);)

/*
 * A thread goes to sleep for so long at most; and it has come back, having served so many vectors.
 */
RTE_TRACE_POINT_FP(ims_trace_wait_sleep, RTE_TRACE_POINT_ARGS(const char *wait, int64_t timeout_ns),
		   rte_trace_point_emit_string(wait);
		   rte_trace_point_emit_i64(timeout_ns);)

RTE_TRACE_POINT_FP(ims_trace_wait_awake, RTE_TRACE_POINT_ARGS(const char *wait, uint32_t served),
		   rte_trace_point_emit_string(wait);
		   rte_trace_point_emit_u32(served);)

#endif /* _IMS_TRACE_H_ */
