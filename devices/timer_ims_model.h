/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _TIMER_IMS_MODEL_H_
#define _TIMER_IMS_MODEL_H_

#include <pthread.h>
#include <stdatomic.h>

#include "model.h"
#include "msi_fire.h"
#include "timer_heap.h"
#include "timer_ims_regs.h"

/* State of the model: registers and slots (timer_ims_model.c), and what drives it in time
 * (timer_ims_engine.c).
 */

/* Section 4: a slot as it lies in the BAR. */
struct timer_ims_slot {
	_Atomic(uint32_t) addr_lo;
	_Atomic(uint32_t) addr_hi;
	_Atomic(uint32_t) data;
	_Atomic(uint32_t) ctrl;
};

/* Section 5: a timer's block as it lies in the BAR. */
struct timer_ims_block {
	_Atomic(uint32_t) ctrl;
	_Atomic(uint32_t) slot;
	_Atomic(uint64_t) interval;
	_Atomic(uint64_t) limit;
	uint64_t reserved;
	_Atomic(uint64_t) count;
	_Atomic(uint64_t) stamp;
	_Atomic(uint32_t) status;
	uint32_t reserved2[3];
};

/* What a timer does now, as read from its block when it was kicked. */
struct timer_ims_timer {
	uint64_t interval;
	uint64_t limit; /* UINT64_MAX: none */
	uint64_t count;
	uint32_t slot;
};

struct timer_ims {
	struct vfu *vfu;
	struct msi_port port;
	uint32_t n_timers;
	uint32_t n_slots;
	bool spin;
	int cpu; /* of the engine's thread, -1: any */

	int memfd;
	uint8_t *bar; /* all of it, the control page unused */
	struct timer_ims_slot *slots;
	struct timer_ims_block *blocks;
	bool *pending; /* of each slot; the bit in ctrl only mirrors it */

	uint32_t error;
	uint32_t error_arg;
	uint32_t sync;

	struct timer_ims_timer *timers;
	struct timer_heap heap;
	int timerfd;
	pthread_t thread;
	bool has_thread;
	atomic_bool stop;
	_Atomic(uint64_t) next; /* deadline that the spinning thread waits for */
	pthread_cond_t cond;
	pthread_mutex_t idle_lock;
	uint64_t expirations;
};

/* timer_ims_model.c */
/* Fire a slot for a timer, TIMER_HEAP_NONE: for none. */
void
timer_ims_fire(struct timer_ims *t, uint32_t slot, uint32_t timer);

/* timer_ims_engine.c; the device's lock held but for init and fini */
int
timer_ims_engine_init(struct timer_ims *t);
void
timer_ims_engine_fini(struct timer_ims *t);
void
timer_ims_engine_start(struct timer_ims *t, uint32_t timer);
void
timer_ims_engine_stop(struct timer_ims *t, uint32_t timer);
void
timer_ims_engine_reset(struct timer_ims *t);
/* Let all timers expire that are due at `now` (ns). */
void
timer_ims_expire(struct timer_ims *t, uint64_t now);

#endif /* _TIMER_IMS_MODEL_H_ */
