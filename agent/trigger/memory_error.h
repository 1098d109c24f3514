/* SPDX-License-Identifier: MIT */
/*
 * memory_error - PYMEM_MEMORY_ERROR: a snapshot when memory can't be had.
 *
 * Two places are watched; whichever comes first takes the snapshot, and the cool-down is
 * common to both.  No Python code runs, no exception is looked into.
 *
 * The allocators: that of large blocks (PyMem_SetAllocator, the "raw" domain, to which
 * pymalloc hands what is over 512 bytes) and that of pymalloc's arenas are wrapped; when
 * the one below gives NULL to a thread that has the GIL, the snapshot is taken there and
 * then, before the interpreter sees the failure, also where C code catches it and says
 * nothing.  A request larger than the machine's memory is no shortage and does not count
 * here.  Cost: one indirect call per large allocation.
 *
 * The type: tp_new of MemoryError, for those that Python code or an extension with a
 * malloc of its own raises.  Up to 3.11 an error raised by PyErr_NoMemory gets its object
 * when a frame handles it, so one that such an extension's own C code clears is not seen.
 * From 3.12 on it comes past tp_new, so the deallocator is watched too: such an error is
 * seen when its handler is done with it.  Nothing is seen of an error that ends the
 * program in that way.
 *
 * Where RLIMIT_AS is set, a part of it is set aside at the start for the copy's own
 * memory.
 *
 * Sources: Objects/obmalloc.c, Objects/exceptions.c of CPython 3.6-3.15.
 */
#ifndef PYMEM_AGENT_TRIGGER_MEMORY_ERROR_H
#define PYMEM_AGENT_TRIGGER_MEMORY_ERROR_H

#include "agent/python/binding.h"
#include "agent/trigger/config.h"

/* Once, with the GIL, on the main thread between two instructions.  config and py are
 * kept. */
void memory_error_install(const struct trigger_config *config, const struct cpython *py);

#endif
