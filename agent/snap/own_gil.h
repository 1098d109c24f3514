/* SPDX-License-Identifier: MIT */
/*
 * own_gil - holds still the interpreters that have a GIL of their own (3.12+).
 *
 * A thread can be attached to one interpreter only, so PyGILState_Ensure stops one
 * GIL.  The others are taken without any thread state, the way take_gil does it: under
 * the GIL's mutex `locked` is set and `last_holder` made ours; who wants the GIL
 * meanwhile waits as for any holder.  A thread state per interpreter would not do:
 * Py_EndInterpreter ends the process when it finds one that isn't its own ("not the
 * last thread", 3.12, 3.13) or hangs its thread for ever (3.14).
 *
 * Taking waits for nothing: locks are tried, and a GIL that is held is asked for (the
 * request that take_gil makes after the switch interval), and looked at again until the
 * time is over.  Giving back waits for the GIL's mutex, as drop_gil does, and a second
 * at most for the lock of the list.  Whoever drops a GIL on request waits for the next
 * holder; if that isn't us after all, the request is taken back and who waits is woken
 * (own_gil_release too does that, once more: such a wake-up costs nothing, a missed one
 * a thread).
 *
 * Interpreters come and go.  All is done under the runtime's lock of the list of
 * interpreters (HEAD_LOCK), which is only tried, and held for some hundred
 * nanoseconds: an interpreter on the list is not freed before that lock is let go, and
 * a GIL, once made, stays whole as long as its interpreter.  What we hold is known by
 * `last_holder` alone, so an interpreter that was ended while we held its GIL, or
 * another one in its place, is left alone.
 *
 * In the copy the same words say which interpreters were still.  That is exact: the
 * memory of a copy is, for every thread, its state at one instant (a thread that
 * writes to a page already shared waits for the end of the fork), so a GIL that is
 * free there was free, and nobody inside.
 *
 * The places are those of struct _gil_runtime_state (pycore_gil.h, the same from 3.12
 * to 3.15), PyInterpreterState.ceval and struct pyinterpreters (pycore_interp.h,
 * pycore_runtime.h), found by _Py_DebugOffsets from 3.13 on.  They are proven first on
 * the GIL that the calling thread holds; if that fails, nothing is touched, and every
 * interpreter but that one counts as running.
 *
 * Sources: Python/ceval_gil.c (take_gil, drop_gil, _PyEval_InitGIL), Python/pystate.c
 * (PyInterpreterState_Delete), Python/pylifecycle.c (Py_EndInterpreter) of 3.12-3.15.
 */
#ifndef PYMEM_AGENT_SNAP_OWN_GIL_H
#define PYMEM_AGENT_SNAP_OWN_GIL_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/python/binding.h"

/*
 * On a thread that holds a GIL: takes those of all other interpreters, for at most
 * limit_ns.  Returns how many interpreters run on (1 where that can't be known: some
 * do).  own_gil_release must follow, before the caller's GIL is let go, whatever the
 * result.  One thread at a time.
 */
unsigned own_gil_take(const struct cpython *py, uint64_t limit_ns);
void own_gil_release(const struct cpython *py);

/*
 * The thread state that holds the main interpreter's GIL at this moment: 0 = nobody,
 * OWN_GIL_UNKNOWN = can't be told.  Needs no GIL, and reads only; in a copy it is exact,
 * elsewhere it may be over at once.  Up to 3.11 the runtime's current thread state is
 * the holder's (Python/pystate.c, _PyThreadState_UncheckedGet).
 */
enum { OWN_GIL_UNKNOWN = 1 };
uint64_t own_gil_holder(const struct cpython *py);

/*
 * The lock of the list of interpreters and of each one's thread states (3.12+), whose
 * head is at `head`: for at most so many tries, of some microseconds.
 */
bool own_gil_head_lock(const struct cpython *py, uint64_t head, int tries);
void own_gil_head_unlock(const struct cpython *py, uint64_t head);

/*
 * How many interpreters are neither idle, nor held by us, nor the calling thread's
 * own.  0 up to 3.11.  In the copy only, where nobody changes the list.
 */
unsigned own_gil_running(const struct cpython *py);

#endif
