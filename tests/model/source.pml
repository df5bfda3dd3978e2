/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A set's thread sleeps on a source (ims_source.c) while
 *   - events are queued for it, and its descriptor becomes readable if it was armed by then,
 *   - what it was armed with is forgotten once, by a reset, and rte_ims_wait_source_rearm() called.
 * The descriptor is edge-triggered and nobody reads it.
 *
 * Memory order: arm() and disarm() store to what the other side looks at, and a processor has such stores in a
 * buffer for a while: `buffer`, emptied at any time, or by a barrier. The other side has a barrier of its own.
 *
 * BUG=1 acceptance cycle: the thread sleeps after arm() without a second look
 * BUG=2 acceptance cycle: no barrier between arm() and that look
 * BUG=3 acceptance cycle: after an edge that was for nothing the thread sleeps without arming again
 * BUG=4 acceptance cycle: rte_ims_wait_source_rearm() does not wake the thread
 * BUG=5 acceptance cycle: it wakes the thread first, and marks the source then
 */

#ifndef BUG
#define BUG 0
#endif

/* The other side's. */
bool queued;
bool want;
/* The thread's store to `want` that is on its way. */
bool buffered;
bool buffer;

bool edge; /* in epoll's list */
bool wake;
bool rearm;
bool armed;

inline flush()
{
	d_step {
		if
		:: buffered -> want = buffer
		:: else
		fi;
		buffered = false
	}
}

/* Stores leave in their order. */
inline store(v)
{
	flush();
	d_step {
		buffer = v;
		buffered = true
	}
}

inline disarm()
{
	if
	:: armed ->
		armed = false;
		store(false)
	:: else
	fi
}

/* poll_one() */
inline poll()
{
	if
	:: queued ->
		queued = false;
		n = true;
		disarm()
	:: else
	fi
}

/* arm_one() */
inline arm()
{
	if
	:: rearm ->
		rearm = false;
		disarm()
	:: else
	fi;
	if
	:: !armed ->
		armed = true;
		store(true);
#if BUG != 2
		flush();
#endif
#if BUG != 1
		poll()
#endif
	:: else
	fi
}

/* block() */
inline sleep()
{
	if
	:: edge ->
		edge = false;
#if BUG == 3
		poll();
		armed = true
#else
		/* ims_source_fired(): poll_one(), with nothing left to disarm */
		disarm();
		if
		:: queued ->
			queued = false;
			n = true
		:: else
		fi
#endif
	:: wake ->
		wake = false;
		woken = true
	fi
}

/* rte_ims_wait_sleep(), over and over. */
active proctype T()
{
	bool n, woken;

	do
	:: d_step {
		n = false;
		woken = false
	   };
	   poll();
	   if
	   :: n
	   :: !n ->
		do
		:: !n && !woken ->
			arm();
			if
			:: n
			:: !n ->
end_asleep:			sleep()
			fi
		:: else -> break
		od
	   fi
	od
} /* not reached: it never ends */

active proctype Buffer()
{
end:	do
	:: buffered -> flush()
	od
} /* not reached: it never ends */

active proctype Device()
{
	byte left = 3;
	bool reset;

	do
	:: left > 0 ->
		left--;
		queued = true;
		/* Its own barrier. */
		if
		:: want -> edge = true
		:: !want
		fi
	:: !reset ->
		reset = true;
		want = false;
#if BUG == 4
		rearm = true
#elif BUG == 5
		wake = true;
		rearm = true
#else
		rearm = true;
		wake = true
#endif
	:: left == 0 && reset -> break
	od
}

ltl seen { [] (queued -> <> !queued) }
