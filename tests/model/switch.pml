/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A vector's delivery is switched, EVENTFD <-> MEMORY, by the set's own thread and by another, while
 * the device raises it and the set's thread sleeps or spins. The store is one in a BAR, or one in queue
 * memory whose commands are done late, refused, or not answered: then the device has the old message,
 * or the new one, or gets it at any time later.
 *
 *   T       the set's thread: rte_ims_wait_sleep(), and switches of its own
 *   O       another thread: rte_ims_vec_delivery_set()
 *   Device  raises events, sends messages, takes register writes and commands, in any order that the
 *           rules of the store allow
 *   Kernel  takes its time to signal an eventfd
 *
 * Memory order: n_memory and n_eventfd are counted by locked operations, the word is taken by an
 * exchange; the rest are system calls. Registers are written in order and reach the device at any time
 * before a later read is answered; the answer comes behind the messages that the device sent before it
 * (ims_store_bar.c; PCI Express keeps posted writes and completions in this order). T and O change a
 * vector under dev->lock.
 *
 * Left out: a store in a BAR whose transport does not answer. There the slot may stay masked, and events
 * with it, until a later change succeeds.
 *
 * BUG=1 assertion violated: the word is not rung after the switch to memory
 * BUG=2 assertion violated: the thread switches by itself and sleeps without one more scan
 * BUG=3 assertion violated: who switches another thread's set does not wake it
 * BUG=4 assertion violated: a command that was refused is believed
 * BUG=5 assertion violated: a command that was not answered is taken for one that was refused
 * BUG=6 assertion violated: a late command is not told from a newer one by its number
 * BUG=7 assertion violated: the message in a BAR is written without a mask
 * BUG=8 assertion violated: control is read, modified and written, and PENDING with it
 * BUG=9 assertion violated: nothing is read back from the BAR
 * BUG=10 assertion violated: the word is not counted before its message can be in force
 * BUG=11 assertion violated: a command that is refused ends the doubt of one before it
 */

#ifndef BUG
#define BUG 0
#endif

#define NONE    0
#define TO_FD   1
#define TO_WORD 2

mtype = { BAR, QUEUE };            /* stores */
mtype = { MASK, ADDR, DATA };      /* fields of a slot in a BAR */
mtype = { IDLE, POSTED, TAKEN, OK, EIO, ETIMEDOUT }; /* commands, and results */

mtype store_type;

/* The device's: what it has written for the handlers; the slot; an event on its way, and its message. */
bool work;
byte slot_addr = TO_FD;
byte slot_data = TO_FD;
bool slot_mask;
bool slot_pending;
bool event;
byte out;

/* Registers: writes that have not reached the device. */
chan bar = [4] of { mtype, byte };

/* Queue memory: the count of the context, the command, and one that the driver has given up. */
byte ctx_seq;
mtype cmd = IDLE;
byte cmd_msg;
bool late;
byte late_seq;
byte late_msg;
bool timed_out;

/* The vector's and the set's. One vector: n_memory and n_eventfd are its in_memory and in_eventfd. */
bool memory;
bool n_memory;
bool n_eventfd = true;
bool n_bells;
bool word;
bool flight;  /* an eventfd's message, in the kernel */
bool efd;
bool wake_fd;
bool woken;
bool lock;    /* dev->lock */
bool o_done;

/* slot_ctrl(), bar_write_msg(): what was written is there, what was sent before has left. */
inline read_back()
{
#if BUG != 9
	empty(bar) && out == NONE
#else
	skip
#endif
}

/* retarget_masked() with bar_mask(), bar_write_msg(), bar_unmask() */
inline retarget_bar(m)
{
#if BUG != 7
	bar!MASK(true);
	read_back();
#endif
	bar!ADDR(m);
	bar!DATA(m);
	read_back();
#if BUG == 8
	if
	:: slot_pending -> bar!MASK(false)
	:: !slot_pending -> bar!MASK(2)
	fi;
#elif BUG != 7
	bar!MASK(false);
#endif
	read_back();
	rc = OK
}

/*
 * queue_retarget() -> qd_modify_msg(). What QUERY finds out about a command that is not answered is one
 * of the answers below; -ETIMEDOUT is left for a device that does not answer it, either.
 */
inline retarget_queue(m)
{
	d_step {
		ctx_seq++;
		cmd_msg = m;
		cmd = POSTED
	};
	if
	:: d_step { cmd == OK || cmd == EIO -> rc = cmd; cmd = IDLE }
	:: d_step {
		(cmd == POSTED || cmd == TAKEN) && !timed_out ->
		timed_out = true;
		late = cmd == POSTED;
		late_seq = ctx_seq;
		late_msg = cmd_msg;
		cmd = IDLE;
		rc = ETIMEDOUT
	   }
	fi;
	if
	:: rc == EIO -> ctx_seq++
	:: else
	fi
}

/* ims_vec_retarget_locked() */
inline retarget(m)
{
	if
	:: store_type == BAR -> retarget_bar(m)
	:: store_type == QUEUE -> retarget_queue(m)
	fi;
#if BUG == 4
	d_step {
		if
		:: rc == EIO -> rc = OK
		:: else
		fi
	}
#elif BUG == 5
	d_step {
		if
		:: rc == ETIMEDOUT -> rc = EIO
		:: else
		fi
	}
#endif
}

/* A refusal tells nothing about which message there was before. */
#if BUG == 11
#define UNDOUBTED true
#else
#define UNDOUBTED !doubt
#endif

/* to_memory_in_set() */
inline to_memory()
{
	doubt = n_memory && n_eventfd;
	n_bells = true;
#if BUG != 10
	n_memory = true;
#endif
	n_eventfd = true;
	retarget(TO_WORD);
	if
	:: rc == OK ->
		memory = true;
#if BUG != 1
		word = true;
#endif
		n_memory = true;
		n_eventfd = false
	:: rc == EIO && UNDOUBTED -> n_memory = false
	:: else
	fi
}

/* to_eventfd_in_set() */
inline to_eventfd()
{
	doubt = n_memory && n_eventfd;
	n_memory = true;
	n_eventfd = true;
	retarget(TO_FD);
	if
	:: rc == OK ->
		memory = false;
		n_memory = false
	:: rc == EIO && UNDOUBTED -> n_eventfd = false
	:: else
	fi
}

/* ims_vec_deliver_locked() */
inline deliver(to_mem)
{
	if
	:: memory == to_mem && !(n_memory && n_eventfd)
	:: else ->
		if
		:: to_mem -> to_memory()
		:: !to_mem -> to_eventfd()
		fi
	fi
}

inline take_lock()
{
	atomic { !lock -> lock = true }
}

inline give_lock()
{
	d_step { lock = false; doubt = false; rc = 0 }
}

/* ims_wait_poll_memory() */
inline poll_memory()
{
	if
	:: n_bells && word ->
		word = false;
		d_step { work = false; n = true }
	:: else
	fi
}

/* ims_wait_poll_fds() when epoll_wait() has returned; wake_fd is read by a sleep. */
inline serve_fds()
{
	if
	:: ev ->
		d_step { efd = false; ev = false };
		d_step { work = false; n = true }
	:: else
	fi
}

/*
 * Looks that find nothing change nothing, so a thread that naps or spins is blocked until a look would
 * find something, or n_memory has gone.
 */
#define RINGS (n_bells && word)

proctype T()
{
	bool n, ev, ev_wake, nap, doubt;
	mtype rc;
	byte left = 1;

	do
	:: /* In a handler, or become_busy(), become_idle(): switches of its own, before it sleeps again. */
	   n = false;
	   if
	   :: left > 0 ->
		left--;
		take_lock();
		deliver(!memory);
		give_lock();
#if BUG == 2
		goto blocks
#endif
	   :: skip
	   fi;
	   poll_memory();
#if BUG == 2
blocks:
#endif
	   if
	   :: n
	   :: !n -> /* sleep_until() */
		do
		:: !n ->
			nap = n_memory; /* block() */
end_asleep:		atomic {
				efd || wake_fd || (nap && (RINGS || !n_memory)) ->
				ev = efd;
				ev_wake = wake_fd;
				nap = false
			};
			serve_fds();
			if
			:: ev_wake ->
				d_step { wake_fd = false; woken = false; ev_wake = false };
				poll_memory();
				break
			:: else
			fi;
			poll_memory()
		:: else -> break
		od
	   :: !n -> /* spin_until(): eventfds are looked at while there are vectors with this delivery */
		do
		:: !n ->
end_spinning:		RINGS || (n_eventfd && efd) || woken;
			poll_memory();
			if
			:: n_eventfd ->
				ev = efd;
				serve_fds()
			:: else
			fi;
			if
			:: woken -> d_step { woken = false; wake_fd = false }; break
			:: else
			fi
		:: else -> break
		od
	   fi
	od
} /* not reached: it never ends */

/* rte_ims_vec_delivery_set() */
proctype O()
{
	mtype rc;
	byte left = 2;
	bool to, doubt;

	do
	:: left > 0 ->
		left--;
		if
		:: to = true
		:: to = false
		fi;
		take_lock();
		deliver(to);
#if BUG != 3
		d_step { woken = true; wake_fd = true };
#endif
		give_lock()
	:: break
	od;
	o_done = true
}

proctype Device()
{
	byte left = 2;
	byte v;

end:	do
	/* An event: memory is written, then the slot is looked at. */
	:: d_step { left > 0 && !event -> left--; work = true; event = true }
	:: d_step { event && slot_mask -> event = false; slot_pending = true }
	:: d_step {
		event && !slot_mask && out == NONE ->
		assert(slot_addr == slot_data); /* torn */
		event = false;
		out = slot_addr
	   }
	:: d_step { out == TO_WORD -> word = true; out = NONE }
	:: d_step { out == TO_FD -> flight = true; out = NONE }
	/* Registers. Unmasked: what was held is sent. */
	:: d_step { bar?ADDR(v) -> slot_addr = v; v = 0 }
	:: d_step { bar?DATA(v) -> slot_data = v; v = 0 }
	:: d_step {
		!event && bar?[MASK(v)] ->
		bar?MASK(v);
		slot_mask = v == 1;
		if
		:: v == 2 -> slot_pending = false
		:: else
		fi;
		if
		:: !slot_mask -> event = slot_pending; slot_pending = false
		:: else
		fi;
		v = 0
	   }
	/* Commands: refused, or effective at once and answered when the messages sent before have left. */
	:: d_step { cmd == POSTED -> cmd = EIO }
	:: d_step { cmd == POSTED -> slot_addr = cmd_msg; slot_data = cmd_msg; cmd = TAKEN }
	:: d_step { cmd == TAKEN && out == NONE -> cmd = OK }
	/* One that was given up: forgotten, or done now. */
	:: d_step { late -> late = false }
	:: d_step {
#if BUG == 6
		late ->
#else
		late && late_seq == ctx_seq ->
#endif
		late = false;
		slot_addr = late_msg;
		slot_data = late_msg
	   }
	od
} /* not reached: it never ends */

proctype Kernel()
{
end:	do
	:: d_step { flight -> flight = false; efd = true }
	od
} /* not reached: it never ends */

/* When nothing moves any more: whatever there was to do is done, and who switches has come back. */
proctype End()
{
	timeout -> assert(!work && o_done)
}

init
{
	atomic {
		if
		:: store_type = BAR
		:: store_type = QUEUE
		fi;
		run T();
		run O();
		run Device();
		run Kernel();
		run End()
	}
}
