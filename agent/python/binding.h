/* SPDX-License-Identifier: MIT */
/*
 * binding - the CPython C API of the process we are in, bound at run time.
 *
 * One table of symbols: name, where the pointer goes, versions it exists in,
 * required or not.  No Python.h, no link to libpython.
 *
 * cpython_bind may run without the GIL (it only looks symbols up);
 * cpython_probe (layout.h) reads interpreter memory and is run in the copy, or
 * under the GIL.
 */
#ifndef PYMEM_AGENT_PYTHON_BINDING_H
#define PYMEM_AGENT_PYTHON_BINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpython;

/*
 * Finds CPython in this process (RTLD_DEFAULT, else every loaded object that
 * defines Py_GetVersion; RTLD_LOCAL libpython included) and fills the table.
 * The result lives in static memory of the agent, and is the same for all later calls;
 * the first one must not be made by two threads at once.
 * Returns NULL with one sentence in err when there is none (PyPy, not Python,
 * two interpreters), or a version we do not support.
 */
struct cpython *cpython_bind(char *err, size_t err_size);

/* Whose GILs there are, and how the list of interpreters is locked; known once bound. */
enum cpython_gils {
	CPYTHON_GIL_NONE,  /* a free-threaded build: snap/world.h */
	CPYTHON_GIL_ONE,   /* one for all interpreters (<= 3.11) */
	CPYTHON_GIL_LOCK,  /* an interpreter may have its own; PyThread_type_lock */
	CPYTHON_GIL_MUTEX, /* the same; PyMutex, and requests are bits of the thread's
				 * eval_breaker (3.13) */
};
enum cpython_gils cpython_gils(const struct cpython *py);

/* Are callbacks of atexit kept in each interpreter's state (3.10)? */
bool cpython_atexit_is_per_interpreter(const struct cpython *py);

/*
 * Does a pending call that comes too late raise and print an exception, on whatever
 * thread and without the GIL?  3.8 alone does, from the interpreter's end on
 * (Python/ceval.c, _PyEval_AddPendingCall: pending->finishing).
 */
bool cpython_pending_call_raises(const struct cpython *py);

/* Life-cycle questions, no GIL needed. */
bool cpython_initialized(const struct cpython *py);
bool cpython_finalizing(const struct cpython *py);
/* A garbage collection is in progress (valid under the GIL or in the copy). */
bool cpython_collecting(const struct cpython *py);

/* PyGILState_Ensure/Release; 3.6 is handled by the caller (capture). */
int cpython_gil_ensure(const struct cpython *py);
void cpython_gil_release(const struct cpython *py, int state);

#endif
