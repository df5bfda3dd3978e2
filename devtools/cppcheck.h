/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _CPPCHECK_H_
#define _CPPCHECK_H_

/*
 * For cppcheck, which does not read system headers: what their macros mean as far as it is
 * concerned. See check-static.sh.
 */
#define _Atomic(type) type

#define LIST_HEAD(name, type)          \
	struct name {                  \
		struct type *lh_first; \
	}
#define LIST_ENTRY(type)              \
	struct {                      \
		struct type *le_next; \
	}
#define LIST_FOREACH(var, head, field) \
	for ((var) = (head)->lh_first; (var) != NULL; (var) = (var)->field.le_next)
#define STAILQ_HEAD(name, type) LIST_HEAD(name, type)
#define STAILQ_ENTRY(type)      LIST_ENTRY(type)
#define TAILQ_HEAD(name, type)  LIST_HEAD(name, type)
#define TAILQ_ENTRY(type)       LIST_ENTRY(type)

#define STAILQ_FOREACH(var, head, field)              LIST_FOREACH(var, head, field)
#define TAILQ_FOREACH(var, head, field)               LIST_FOREACH(var, head, field)
#define TAILQ_FOREACH_REVERSE(var, head, name, field) LIST_FOREACH(var, head, field)

#define RTE_LCORE_FOREACH(i)        for ((i) = 0; (i) < 128; (i)++)
#define RTE_LCORE_FOREACH_WORKER(i) RTE_LCORE_FOREACH(i)

#define RTE_INIT(name) void name(void)
#define RTE_TRACE_POINT(name, args, ...)
#define RTE_TRACE_POINT_FP(name, args, ...)
#define RTE_TRACE_POINT_REGISTER(name, text)
#define RTE_LOG_REGISTER_DEFAULT(name, level)
#define RTE_LOG_REGISTER_SUFFIX(name, suffix, level)
#define __rte_cache_aligned
#define __rte_aligned(n)
#define __rte_experimental
#define __rte_always_inline inline
#define likely(x)           (x)
#define unlikely(x)         (x)

#endif /* _CPPCHECK_H_ */
