/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * A thread sleeps on a wait set, or spins, or polls, while
 *   - the device raises vector `m`, which another thread adds to the set with one delivery, under a policy
 *     that leaves it there or one that switches it to the other at once,
 *   - the device raises vector `e`, which is in the set with EVENTFD delivery, or is not there at all,
 *   - a third thread has set a condition and calls rte_ims_wait_wake().
 *
 * The store is one in a BAR, or one in queue memory: there a new message is a command that the device does
 * late, and answers later. Commands that are refused or not answered are left to switch.pml.
 *
 * Memory order: what the thread and the others agree on are locked operations and system calls (the
 * exchange of a word, read() and write() of an eventfd, epoll_wait()), and n_memory, which is
 * sequentially consistent. `woken` and n_eventfd are loaded relaxed, by loops that look again.
 *
 * BUG=1 acceptance cycle: rte_ims_wait_add() does not wake the thread
 * BUG=2 acceptance cycle: it does so only if the delivery is MEMORY in the end, whatever it was before
 * BUG=3 acceptance cycle: a word is cleared after its handlers have run, not before
 * BUG=4 acceptance cycle: an eventfd is read after its handlers have run, not before
 * BUG=5 acceptance cycle: rte_ims_wait_poll() takes the wake-up, which was for the next sleep
 * BUG=6 acceptance cycle: rte_ims_wait_wake() only writes wake_fd, which a thread that spins does not see
 * BUG=7 acceptance cycle: the thread is woken before n_memory has gone up
 * BUG=8 acceptance cycle: a command is not waited for before n_memory goes down
 */

#ifndef BUG
#define BUG 0
#endif

#define M 0
#define E 1

mtype = { MASKED, WORD, FD }; /* where m's message goes */
mtype = { IDLE, POSTED, TAKEN }; /* a command */

/* The device's: `work` is what it wrote to memory before its message, and what the handlers look for. */
bool work[2];
mtype dest = MASKED;
bool pending;
bool queue_store;
mtype cmd = IDLE;
mtype cmd_dest;

/* The wait set's. */
bool n_bells; /* m's word is among those that are scanned */
bool word;
bool efd[2];
bool in_epoll[2];
byte n_memory;
byte n_eventfd;
bool wake_fd;
bool woken;

/* The application's: there is something to know, and the set's thread knows. */
bool cond;
bool known;

/* run_vec(): the handlers see all that the device had written when they began. */
inline handlers(v)
{
	d_step {
		work[v] = false;
		n = true /* served */
	}
}

/* ims_wait_poll_memory(): the scan, then serve_bell(), whose exchange comes before the handlers. */
inline poll_memory()
{
	if
	:: n_bells && word ->
#if BUG == 3
		handlers(M);
		word = false;
#else
		word = false;
		handlers(M);
#endif
	:: else
	fi
}

#define READABLE(v) (in_epoll[v] && efd[v])

/* epoll_wait() returns: what was readable at that moment. */
inline look()
{
	ev[M] = READABLE(M);
	ev[E] = READABLE(E);
	ev_wake = wake_fd
}

/* serve_eventfd(): read(), then the handlers. */
inline serve_eventfd(v)
{
	if
	:: ev[v] ->
		ev[v] = false;
#if BUG == 4
		handlers(v);
		efd[v] = false;
#else
		efd[v] = false;
		handlers(v);
#endif
	:: else
	fi
}

/* wake_fd, in the same loop of ims_wait_poll_fds(): only by a sleep, which ends. */
inline serve_wake()
{
	if
	:: ev_wake ->
		wake_fd = false;
		d_step {
			woken = false;
			s_woken = true;
			ev_wake = false
		}
	:: else
	fi
}

/*
 * ims_wait_poll_once(). Where there are no EVENTFD vectors it looks at the eventfds now and then: never,
 * as far as one can rely on it.
 */
inline poll_once()
{
	poll_memory();
	if
	:: n_eventfd != 0 ->
		d_step { look() };
		serve_eventfd(M);
		serve_eventfd(E);
#if BUG == 5
		serve_wake()
#else
		ev_wake = false
#endif
	:: else
	fi
}

/* The set's thread: it looks at `cond`, polls or does not, and sleeps, for ever. */
proctype T()
{
	bool n, ev[2], ev_wake, s_woken, nap;

	do
	:: known = known || cond;
	   if
	   :: poll_once() /* rte_ims_wait_poll() */
	   :: skip
	   fi;
	   /* rte_ims_wait_sleep() */
	   d_step {
		n = false;
		s_woken = false
	   };
	   poll_memory();
	   if
	   :: n
	   :: !n -> /* by MANUAL and INTERRUPT: sleep_until() */
		do
		:: !n && !s_woken ->
			nap = n_memory != 0; /* block() */
end_asleep:		if
			:: atomic { (nap || READABLE(M) || READABLE(E) || wake_fd) -> look(); nap = false }
			fi;
			serve_eventfd(M);
			serve_eventfd(E);
			serve_wake();
			poll_memory()
		:: else -> break
		od
	   :: !n -> /* by POLL: spin_until() */
		do
		:: !n && !s_woken ->
			poll_once();
			if
			:: !n && woken -> /* take_wake() */
				woken = false;
				d_step {
					wake_fd = false;
					s_woken = true
				}
			:: else
			fi
		:: else -> break
		od
	   fi;
	   n = false
	od
} /* not reached: it never ends */

/* The message is in force; what was held is sent. */
inline obey(d)
{
	dest = d;
	word = word || (pending && d == WORD);
	efd[M] = efd[M] || (pending && d == FD);
	pending = false
}

/* Write to memory, then send the message: to where it points now, or the event is held. */
proctype Device()
{
	byte left = 2;

end:	do
	:: atomic { left > 0 -> left--; work[M] = true };
	   d_step {
		if
		:: dest == MASKED -> pending = true
		:: dest == WORD -> word = true
		:: dest == FD -> efd[M] = true
		fi
	   }
	:: atomic { left > 0 && in_epoll[E] -> left--; work[E] = true };
	   efd[E] = true
	:: d_step { cmd == POSTED -> obey(cmd_dest); cmd = TAKEN }
	:: d_step { cmd == TAKEN -> cmd = IDLE } /* the answer */
	od
} /* not reached: it never ends */

/* ims_vec_retarget_locked() */
inline retarget(d)
{
	if
	:: !queue_store -> d_step { obey(d) }
	:: queue_store ->
		d_step { cmd_dest = d; cmd = POSTED };
#if BUG != 8
		cmd == IDLE
#endif
	fi
}

inline wake()
{
#if BUG != 6
	woken = true;
#endif
	wake_fd = true
}

/*
 * rte_ims_wait_add(). enter_locked() and ends_enter_locked(): the entry is ready before the device can
 * send to it; unmasked, the device sends what it has held. follow_policy_locked(): as in switch.pml.
 */
proctype Adder(bool memory, stays)
{
	if
	:: memory ->
		in_epoll[M] = true;
		n_bells = true;
#if BUG == 7
		wake();
#endif
		n_memory++;
		retarget(WORD);
		if
		:: !stays -> /* to_eventfd_in_set() */
			n_eventfd++;
			retarget(FD);
			n_memory--
		:: else
		fi
	:: else ->
		in_epoll[M] = true;
		n_eventfd++;
		if
		:: !stays -> /* to_memory_in_set() */
			n_bells = true;
			n_memory++;
			retarget(WORD);
			word = true;
			n_eventfd--
		:: else
		fi
	fi;
#if BUG == 2
	memory = memory == stays;
#else
	memory = memory || !stays;
#endif
#if BUG != 1 && BUG != 7
	if
	:: memory -> wake()
	:: else
	fi
#endif
}

proctype Waker()
{
	cond = true;
	wake()
}

init
{
	bool memory, stays;

	atomic {
		if
		:: memory = true
		:: memory = false;
		   dest = FD /* since it was allocated */
		fi;
		if
		:: stays = true
		:: stays = false
		fi;
		if
		:: queue_store = true
		:: queue_store = false
		fi;
		if
		:: in_epoll[E] = true;
		   n_eventfd++
		:: skip
		fi;
		run T();
		run Device();
		run Adder(memory, stays);
		run Waker()
	}
}

/* Whatever there is to do is done, and rte_ims_wait_wake() ends a sleep. */
ltl live {
	[] (work[M] -> <> !work[M]) && [] (work[E] -> <> !work[E]) && [] (cond -> <> known)
}
