/* SPDX-License-Identifier: MIT */
/*
 * world - the moment at which the heap of an interpreter without a GIL is whole: all of
 * its threads stand still (free-threaded CPython, 3.13+).
 *
 * They are stopped as the interpreter's own collector stops them, by its own function,
 * called from a thread of ours that is attached to it: _PyEval_StopTheWorld where that
 * is exported (3.14), else PyUnstable_GC_VisitObjects, which calls us back for the first
 * object with all threads stopped (Python/gc_free_threading.c, Python/pystate.c).  Then
 * it is proven: the state of each thread but ours must say "suspended", or nothing is
 * done.  A thread is suspended where it comes to look at its eval_breaker, or at once
 * when it is detached: waits for I/O, sleeps, or computes without the interpreter.
 *
 * The interpreter's function waits without a limit, and those who have stopped wait
 * with it.  So each thread that runs is asked first, while all run on, whether it comes
 * by at all: we set the bit of its eval_breaker that says "please stop".  A thread that
 * finds it where nobody wants the world to stop takes it back and goes on.  When one
 * doesn't within the time, nothing is stopped and the job fails with its number.  A
 * thread that begins a long call without detaching just after it has answered is waited
 * for, as any collection would wait; the pause that is told begins when the first may
 * stand, so it has that wait in it.
 *
 * While we ask, another thread may begin to stop all: a collection.  It waits for us, and
 * never comes by itself: so we look at our own bit too, give way as any thread would, and
 * go on asking when the world goes on.
 *
 * The threads of other interpreters run on, and are counted as such.
 */
#ifndef PYMEM_AGENT_SNAP_WORLD_H
#define PYMEM_AGENT_SNAP_WORLD_H

#include "agent/snap/gil.h"

/*
 * As gil_with, in an interpreter without a GIL: attaches the calling thread first unless
 * the job's context says that it is.  gil_wait_ns is the time until they were told to
 * stop, gil_held_ns from then on: who comes by first stands from there.
 */
int world_with(struct job *job, const struct gil_action *action);

/*
 * Interpreters, of such a process, that have a thread that runs, other than ours.  In a
 * copy, or in the action.
 */
unsigned world_running(const struct cpython *py);

#endif
