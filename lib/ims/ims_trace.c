/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The names of the trace points. */

#include <rte_trace_point_register.h>

#include "ims_trace.h"

RTE_TRACE_POINT_REGISTER(ims_trace_dev_open, lib.ims.dev.open)
RTE_TRACE_POINT_REGISTER(ims_trace_dev_close, lib.ims.dev.close)
RTE_TRACE_POINT_REGISTER(ims_trace_dev_reset, lib.ims.dev.reset)
RTE_TRACE_POINT_REGISTER(ims_trace_vec_alloc, lib.ims.vec.alloc)
RTE_TRACE_POINT_REGISTER(ims_trace_vec_free, lib.ims.vec.free)
RTE_TRACE_POINT_REGISTER(ims_trace_vec_deliver, lib.ims.vec.deliver)
RTE_TRACE_POINT_REGISTER(ims_trace_vec_run, lib.ims.vec.run)
RTE_TRACE_POINT_REGISTER(ims_trace_slot_send, lib.ims.slot.send)
RTE_TRACE_POINT_REGISTER(ims_trace_slot_message, lib.ims.slot.message)
RTE_TRACE_POINT_REGISTER(ims_trace_source_add, lib.ims.source.add)
RTE_TRACE_POINT_REGISTER(ims_trace_source_del, lib.ims.source.del)
RTE_TRACE_POINT_REGISTER(ims_trace_wait_add, lib.ims.wait.add)
RTE_TRACE_POINT_REGISTER(ims_trace_wait_del, lib.ims.wait.del)
RTE_TRACE_POINT_REGISTER(ims_trace_wait_move, lib.ims.wait.move)
RTE_TRACE_POINT_REGISTER(ims_trace_wait_policy, lib.ims.wait.policy)
RTE_TRACE_POINT_REGISTER(ims_trace_wait_busy, lib.ims.wait.busy)
RTE_TRACE_POINT_REGISTER(ims_trace_wait_sleep, lib.ims.wait.sleep)
RTE_TRACE_POINT_REGISTER(ims_trace_wait_awake, lib.ims.wait.awake)
