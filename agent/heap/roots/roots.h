/* SPDX-License-Identifier: MIT */
/*
 * roots - what keeps objects alive from outside the heap, by name.
 *
 * Interpreter states are not read at fixed offsets: they change with every micro
 * release.  Every aligned word of the state is looked at; what looks like an
 * object is a root, and what it is called follows from what it is: the dict that
 * holds the modules "sys" and "builtins" is sys.modules, the dict of the module
 * sys is sysdict, a list followed by two dicts the second of which has a key
 * "strict" is the codec registry, and so on.  What fits no pattern is a
 * CONSERVATIVE root called "interpreter".  Sources of the patterns:
 * Include/internal/pycore_{interp,interp_structs,import,atexit,typeobject}.h.
 *
 * Thread states are read by a table of offsets (python/frame_layout.h), each checked;
 * their other words are CONSERVATIVE roots called "thread state".
 */
#ifndef PYMEM_AGENT_HEAP_ROOTS_ROOTS_H
#define PYMEM_AGENT_HEAP_ROOTS_ROOTS_H

#include "agent/heap/core/context.h"

/* Emits threads, frames and roots, queueing what they hold. */
void roots_walk(struct walk *w);

/* A root for each static type, once all types are known. */
void roots_static_types(struct walk *w);

/* If addr lies in what was read exactly (an interpreter's state, the type cache),
 * the end of that; else 0, and *clear_ret is where the next such thing begins. */
uint64_t roots_skip(const struct walk *w, uint64_t addr, uint64_t *clear_ret);

#endif
