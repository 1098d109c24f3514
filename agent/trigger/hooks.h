/* SPDX-License-Identifier: MIT */
/*
 * hooks - PYMEM_AT_EXIT and PYMEM_ON_MEMORY_ERROR: the two triggers that sit
 * inside the interpreter.
 *
 * Both are installed by one pending call, so on the main thread between two
 * instructions, which needs no GIL of ours and works before 3.6 has made its.
 *
 * At exit: a C function is registered with the atexit module (which is made, as an
 * import would, if the program hasn't imported it).  It is the first to be
 * registered and so the last to be called: the program's own exit functions have
 * run, nothing is torn down yet.
 * os._exit, an uncaught signal and multiprocessing's children, which leave by
 * os._exit, do not come by there.
 *
 * On MemoryError: no Python code and no exception is looked at.  The allocator of
 * large blocks (PyMem_SetAllocator, the "raw" domain, to which pymalloc hands what
 * is over 512 bytes) and that of pymalloc's arenas are wrapped; when the one
 * below gives NULL to a thread that has the GIL, the snapshot is taken there and
 * then, before the interpreter sees the failure.  A request larger than the
 * machine's memory, and a MemoryError raised without asking malloc, do not count.
 * Cost: one indirect call per large allocation.  Where RLIMIT_AS is set, a part of
 * it is set aside at the start for the copy's own memory.
 *
 * Sources: Objects/obmalloc.c, Modules/atexitmodule.c, Python/pylifecycle.c
 * (Py_FinalizeEx) of CPython 3.6-3.15.
 */
#ifndef PYMEM_AGENT_TRIGGER_HOOKS_H
#define PYMEM_AGENT_TRIGGER_HOOKS_H

#include "agent/python/binding.h"
#include "agent/trigger/config.h"

/* Any thread, without the GIL, when the interpreter is initialised. config is kept. */
void hooks_install(const struct trigger_config *config, const struct cpython *py);

#endif
