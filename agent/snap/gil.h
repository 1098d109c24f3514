/* SPDX-License-Identifier: MIT */
/*
 * gil - finds a moment at which the heap of the interpreter is whole, and acts
 * in it.
 *
 * Four ways, by what the interpreter is:
 *
 *  with a GIL	PyGILState_Ensure on our own thread, as any extension's thread
 *		would; act; release first thing.
 *  without one	world.h.
 *  the caller has it	act at once (at exit, on MemoryError).
 *  3.6 before threads	CPython 3.6 makes its GIL with the first thread.  Asking
 *		for it from outside while the main thread runs crashes the target:
 *		that thread does not know that there is a lock now.  Nothing needs
 *		to be locked, though: either the main thread is inside a blocking
 *		call (_PyThreadState_Current == NULL: it has "released" the lock
 *		that isn't there); then we clone from our thread, and the copy
 *		checks that the word was still NULL at that instant.  The check is
 *		exact: the main thread's first act on the way back is to write that
 *		word, and fork write-protects pages, so either the copy sees the
 *		write or the main thread waits for the end of the fork.  Or it is
 *		running Python: then a pending call makes the clone on that thread
 *		between two instructions.
 *
 * Interpreters with a GIL of their own are held as well (own_gil.h): all within a
 * moment, else everything is let go and tried again, with longer and longer pauses,
 * until --gil-timeout is over.  Then a copy is made all the same and tells how many it
 * caught running (fact "interpreters.not_stopped"); in place that is refused.
 *
 * Sources: Python/ceval.c (PyEval_SaveThread, PyEval_RestoreThread,
 * PyEval_InitThreads, Py_AddPendingCall), Python/pystate.c (PyGILState_Ensure)
 * of 3.6.
 */
#ifndef PYMEM_AGENT_SNAP_GIL_H
#define PYMEM_AGENT_SNAP_GIL_H

#include "agent/snap/job.h"

/* What to do at the moment found. */
struct gil_action {
	/* 0, or -1 after job_fail; or what gil_with's caller understands */
	int (*run)(struct job *job);
	/*
	 * Not NULL: run makes a copy, which can tell whether the moment was right, and
	 * this waits for its word: 1 = it wasn't.  Only such an action can be done beside
	 * a main thread that isn't held.
	 */
	int (*judge)(struct job *job);
};

/*
 * Runs action once, at such a moment; returns its result, or -1 after
 * job_fail when no moment was found in time, or CANCEL came.  Sets
 * gil_wait_ns and gil_held_ns.
 */
int gil_with(struct job *job, const struct gil_action *action);

/*
 * In the copy of a 3.6 whose main thread was in a blocking call: makes that thread's
 * state the current one, as PyEval_RestoreThread would, so that questions to the
 * interpreter (size check) find one.  Writes one word of the copy.
 */
void gil_adopt(struct job *job);

/*
 * Takes the GIL again while the copy walks, and keeps it until the copy has ended
 * (copy_wait lets it go): stops an application that would otherwise be killed for
 * want of memory before the snapshot is whole.  Does nothing where there is no GIL
 * to take, or when it is held already.
 */
void gil_hold(struct job *job);
void gil_let_go(struct job *job);

#endif
