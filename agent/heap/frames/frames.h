/* SPDX-License-Identifier: MIT */
/*
 * frames - Python frames: those that run, and those that objects own.
 *
 * Who owns what (Objects/frameobject.c, Python/frame.c, Objects/genobject.c):
 *  3.6-3.10  every frame is an object; it owns code, globals, builtins, locals,
 *	      f_back, variables and value stack.  A running frame is held by the
 *	      C stack, a generator's by the generator.
 *  3.11+     a frame is a struct on the thread's data stack, inside a generator,
 *	      or inside a frame object that outlived it.  The owner's struct holds
 *	      code, function, f_locals, the frame object and all variables; globals
 *	      and builtins are borrowed.  3.14+ tags references: bit 0 set = not
 *	      counted, both bits = no object.
 *
 * So for a running frame on the data stack the references are roots; for the
 * others they are edges of the owning object, and the same variables are given
 * as roots marked BORROWED, so that every thread shows its locals by name.
 *
 * The value stack's depth is saved only while a frame is suspended or calls a
 * Python function.  When it isn't known, words up to co_stacksize that look like
 * objects are given as CONSERVATIVE roots.
 */
#ifndef PYMEM_AGENT_HEAP_FRAMES_FRAMES_H
#define PYMEM_AGENT_HEAP_FRAMES_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

struct walk;

/* Sets w->frames up. False: this interpreter's frames are unknown to us. */
bool frames_begin(struct walk *w);

/*
 * Emits the frames of a thread, innermost first, with their roots.
 * Returns how many Python frames there are.
 */
uint32_t frames_thread(struct walk *w, uint64_t tstate, uint32_t thread);

#endif
