/* SPDX-License-Identifier: MIT */
/*
 * gil_state - does a thread hold the GIL of the main interpreter right now?
 *
 * Read from the target's memory, where the interpreter keeps it:
 *  - up to 3.11 the current thread state is one variable of the runtime, NULL
 *    while nobody holds the GIL (Python/pystate.c, Python/ceval_gil.h).  Its
 *    address is what _PyThreadState_UncheckedGet loads.
 *  - from 3.12 on the GIL belongs to the interpreter (PyInterpreterState.ceval.gil);
 *    3.13 and later say where in _Py_DebugOffsets (Include/internal/
 *    pycore_debug_offsets.h), for 3.12 the place is known.
 * What can't be found out is unknown, never guessed.
 */
#ifndef PYMEM_LOADER_TARGET_GIL_STATE_H
#define PYMEM_LOADER_TARGET_GIL_STATE_H

#include "loader/target/target.h"

enum gil_state { GIL_UNKNOWN, GIL_FREE, GIL_HELD };

/* mem: of the target or of a copy of it. */
enum gil_state gil_state(const struct target *target, const struct memory *mem);
/*
 * From 3.12 on: addresses of the `locked` words of all interpreters' GILs (int,
 * 1 = held), for a copy in which no holder exists.  How many, at most max; 0 =
 * not known, or an older version.
 */
int gil_state_locks(const struct target *target, const struct memory *mem, uint64_t *ret,
		    int max);
/*
 * PyThreadState of who holds a GIL now (the first interpreter's that is held), 0 =
 * nobody, or unknown.  In struct _gil_runtime_state last_holder stands before
 * locked, and while the lock is held it is the holder (Python/ceval_gil.c).
 */
uint64_t gil_state_thread(const struct target *target, const struct memory *mem);
const char *gil_state_name(enum gil_state state);

#endif
