/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A vector moves between two wait sets, by two threads, and its own handler tries to, while the device
 * raises it. An object of it is detached meanwhile, and the vector freed in the end. Its delivery is
 * MEMORY or EVENTFD; the store acts on a new message late.
 *
 *   T(s)    the thread of set s: poll, run the handlers
 *   O       two other threads: rte_ims_wait_move(), each finishes what the other has begun
 *   C       another thread: rte_ims_vec_detach(), rte_ims_vec_free()
 *   Device  raises events, sends messages, takes its time with both and with commands
 *
 * The vector has two objects: `obj`, which is detached, and one that stays and does the work.
 *
 * Memory order: a word is taken by an exchange, a full barrier follows the step of the epoch; wait,
 * left, and an entry's vector are sequentially consistent. Who changes a vector has dev->lock, and
 * waits for handlers without it. A set that is not used and not held may be destroyed.
 *
 * Left out: how a thread sleeps and is woken (sleep.pml), a message that is torn or not answered
 * (switch.pml), a handler that does not return in time.
 *
 * BUG=1 assertion violated: the vector's own handler can move it
 * BUG=2 assertion violated: the new entry is opened before the old set is drained
 * BUG=3 T_REVERSE assertion violated: detach looks at `left` before `wait`
 * BUG=4 T_REVERSE assertion violated: `wait` is cleared before `left` is stored
 * BUG=5 assertion violated: what a poll of the new set has missed is not looked at
 * BUG=6 assertion violated: a poll that has marked what it missed does not look again
 * BUG=7 assertion violated: what was left in the old word is forgotten
 * BUG=8 assertion violated: a command is not waited for
 * BUG=9 assertion violated: a thread looks at an entry before its epoch is odd
 * BUG=10 T_REVERSE assertion violated: the vector is freed without draining the set that it has left
 * BUG=11 T_REVERSE assertion violated: detach does not drain
 * BUG=12 assertion violated: an entry is emptied after the drain, not before
 * BUG=13 assertion violated: a poll that has just taken the old word is not noticed
 * BUG=14 assertion violated: a thread that has drained finishes a later move, out of the same set
 * BUG=15 assertion violated: a thread drains while another is about to empty the entry
 * BUG=16 T_REVERSE assertion violated: detach does not hold the set that it drains
 * BUG=17 assertion violated: nor does who finishes a move
 * BUG=18 T_REVERSE assertion violated: the entry is given back before `left` is cleared
 */

#ifndef BUG
#define BUG 0
#endif

/* Where a message goes: the word of set 0 or 1, the eventfd, nowhere. As a set: in none. */
#define TO_FD  2
#define MASKED 3
#define NONE   4

mtype = { IDLE, POSTED, TAKEN, OK, EIO };

/* The device's: what it has written for the handlers; the message; one on its way. */
bool work;
byte dest;
byte out = NONE;
byte raises;
mtype cmd = IDLE;
byte cmd_msg;

/* The sets': an entry each, for this vector. */
bool used[2];
bool entry[2];    /* leads to the vector */
bool watched[2];  /* the eventfd is in epoll */
bool word[2];
bool missed[2];
bool odd[2];      /* epoch */
byte holds[2];    /* n_drains */

/* The vector's. */
bool memory;
bool efd;
byte wait;
byte left = NONE;
byte n_left;      /* how often it has left a set */
byte moving_to = NONE;
bool carry;
bool linked = true;
bool lock;        /* dev->lock */
bool obj_lock;

/* What must be. */
byte running;     /* threads that run the handlers */
bool in_obj;
bool detached;
bool freed;
byte o_done;
bool c_done;

inline take_lock()
{
	atomic { !lock -> lock = true }
}

/* ims_wait_drain() of a set that another thread runs */
inline drain(s)
{
	!odd[s]
}

inline hold(s)
{
	d_step { assert(used[s]); holds[s]++ }
}

/* ims_wait_drain_held() */
inline drain_held(s)
{
	drain(s);
	d_step { assert(used[s] || holds[s] != 0); holds[s]-- }
}

/* ims_vec_retarget_locked(), ims_vec_apply_locked(): done, or refused. */
inline command(m)
{
	d_step { cmd_msg = m; cmd = POSTED };
#if BUG == 8
	rc = OK
#else
	d_step { cmd == OK || cmd == EIO -> rc = cmd; cmd = IDLE }
#endif
}

/* ims_wait_leave_locked(), move_leave() */
inline leave(from)
{
#if BUG == 4
	wait = NONE;
	d_step { left = from; n_left++ };
#else
	d_step { left = from; n_left++ };
	wait = NONE;
#endif
	watched[from] = false;
#if BUG != 12
	entry[from] = false
#endif
}

/*
 * ims_wait_left_locked(): the set has been drained, but its thread may poll again, and have taken the
 * word by now, and not have marked that yet.
 */
inline forget(s)
{
#if BUG == 12
	entry[s] = false;
#endif
#if BUG != 18
	d_step { !obj_lock -> left = NONE };
#endif
	d_step {
#if BUG != 7
		carry = carry || word[s];
#endif
		word[s] = false
	};
#if BUG != 13
	carry = carry || odd[s];
#endif
	d_step {
		carry = carry || missed[s];
		missed[s] = false;
		used[s] = false
	};
#if BUG == 18
	d_step { !obj_lock -> left = NONE }
#endif
}

/* open_locked() */
inline open()
{
	wait = moving_to;
	entry[wait] = true;
	d_step {
#if BUG != 5
		carry = carry || missed[wait];
#endif
		missed[wait] = false
	};
	d_step { /* ims_wait_carried_locked() */
		word[wait] = word[wait] || (carry && memory);
		efd = efd || (carry && !memory);
		carry = false;
		moving_to = NONE
	}
}

/*
 * ims_wait_settle(). What is drained is the leaving that was looked at, as a whole: `left` is stored
 * before the entry is emptied, so it is read under the lock, and the vector may have left again.
 */
inline settle()
{
#if BUG == 15
	d_step {
#else
	d_step {
		!lock ->
#endif
		l = left;
		n = n_left;
#if BUG != 17
		if
		:: l != NONE -> holds[l]++
		:: else
		fi
#endif
	};
	if
	:: l != NONE ->
#if BUG != 17
		drain_held(l);
#else
		drain(l);
		assert(used[l]);
#endif
		take_lock();
#if BUG == 14
		n = n_left;
#endif
		if
		:: left == l && n_left == n ->
			forget(l);
			if
			:: moving_to != NONE -> open()
			:: else
			fi
		:: else
		fi;
		lock = false
	:: else
	fi;
	d_step { l = NONE; n = 0 }
}

/* move_begin_locked() */
inline move_begin()
{
	if
	:: wait == NONE || left != NONE /* -EBUSY, -ENOENT */
	:: else ->
		d_step { to = 1 - wait; used[to] = true; watched[to] = !memory }; /* move_take() */
		if
		:: memory ->
			command(to);
			if
			:: rc == EIO -> d_step { used[to] = false; to = NONE }
			:: else
			fi
		:: !memory
		fi;
		if
		:: to != NONE ->
			leave(1 - to);
			d_step { moving_to = to; to = NONE }
		:: else
		fi
	fi;
	d_step { rc = 0; lock = false }
}

/* ims_vec_run() */
inline run_vec()
{
	d_step {
		assert(!freed);
		running++;
		assert(running == 1)
	};
	if
	:: d_step { linked -> in_obj = true; assert(!detached) };
	   in_obj = false
	:: !linked
	fi;
#if BUG == 1
	if
	:: atomic { !own && left == NONE && !lock -> own = true; lock = true };
	   move_begin();
	   take_lock();
	   if
	   :: moving_to != NONE -> to = left; forget(to); open()
	   :: else
	   fi;
	   to = NONE;
	   lock = false
	:: skip
	fi;
#endif
	d_step { assert(!freed); work = false };
	running--
}

proctype T(byte s)
{
	byte to = NONE;
	bool v, own;
	mtype rc;

end:	do
	:: /* serve_bell(), serve_eventfd(): run_begin(), take the word, look at the entry */
	   if
	   :: word[s] ->
#if BUG == 9
		v = entry[s];
		odd[s] = true;
		word[s] = false;
#else
		odd[s] = true;
		word[s] = false;
		v = entry[s];
#endif
		if
		:: v
		:: else -> /* missed() */
			missed[s] = true;
#if BUG != 6
			v = entry[s]
#endif
		fi
	   :: watched[s] && efd ->
#if BUG == 9
		v = entry[s];
		odd[s] = true;
#else
		odd[s] = true;
		v = entry[s];
#endif
		d_step {
			v = v && efd;
			efd = efd && !v
		}
	   fi;
	   if
	   :: v -> v = false; run_vec()
	   :: else
	   fi;
	   odd[s] = false
	od
} /* not reached: it never ends */

/* rte_ims_wait_move() */
proctype O(byte moves)
{
	byte to = NONE, l = NONE, n;
	mtype rc;

	do
	:: atomic { moves > 0 -> moves-- };
	   settle();
	   take_lock();
	   move_begin();
#if BUG == 2
	   take_lock();
	   if
	   :: moving_to != NONE -> l = left; forget(l); open()
	   :: else
	   fi;
	   l = NONE;
	   lock = false
#else
	   settle()
#endif
	:: break
	od;
	o_done++
}

proctype C(bool detaches)
{
	byte l = NONE;
	mtype rc;

	if
	:: !detaches -> goto frees
	:: detaches
	fi;
	/* rte_ims_vec_detach() */
	d_step { linked = false; obj_lock = true };
#if BUG == 3
	l = left;
	if
	:: l == NONE -> l = wait
	:: else
	fi;
#else
	l = wait;
	if
	:: l == NONE -> l = left
	:: else
	fi;
#endif
#if BUG == 16
	obj_lock = false;
	if
	:: l != NONE -> drain(l); assert(used[l])
	:: else
	fi;
#elif BUG == 11
	obj_lock = false;
#else
	if
	:: l != NONE ->
		hold(l);
		obj_lock = false;
		drain_held(l)
	:: else -> obj_lock = false
	fi;
#endif
	d_step {
		l = NONE;
		detached = true;
		assert(!in_obj)
	};
frees:	/* rte_ims_vec_free(), by contract while no other call works on the vector; a handler may run. */
	if
	:: o_done == 2 ->
		assert(left == NONE);
		take_lock();
		l = wait;
		leave(l);
		command(MASKED);
		lock = false;
#if BUG != 10
		drain(l);
#endif
		take_lock();
		forget(l);
		d_step {
			freed = true;
			assert(running == 0);
			lock = false
		}
	:: skip
	fi;
	c_done = true
}

proctype Device()
{
end:	do
	:: d_step { raises > 0 && dest != MASKED && out == NONE -> raises--; work = true; out = dest }
	:: d_step { out == TO_FD -> efd = true; out = NONE }
	:: d_step {
		out == 0 || out == 1 ->
		assert(used[out]); /* else it can be another vector's */
		word[out] = true;
		out = NONE
	   }
	:: d_step { cmd == POSTED && cmd_msg != MASKED -> cmd = EIO }
	:: d_step { cmd == POSTED -> dest = cmd_msg; cmd = TAKEN }
	:: d_step { cmd == TAKEN && out == NONE -> cmd = OK }
	od
} /* not reached: it never ends */

/* When nothing moves any more: all calls have returned, and all is served, or the vector is gone. */
proctype End()
{
	timeout -> assert(o_done == 2 && c_done && left == NONE && (freed || !work))
}

init
{
	atomic {
		used[0] = true;
		entry[0] = true;
		if
		:: memory = true
		:: dest = TO_FD;
		   watched[0] = true
		fi;
		run T(0);
		run T(1);
		if
		:: raises = 1;
		   run O(2);
		   run O(1);
		   run C(false)
		:: raises = 1;
		   run O(1);
		   run O(1);
		   run C(true)
		:: raises = 2;
		   run O(0);
		   run O(2);
		   run C(true)
		fi;
		run Device();
		run End()
	}
}
