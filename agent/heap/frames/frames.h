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

#include "agent/heap/core/context.h"
#include "agent/python/frame_layout.h"

enum { FRAMES_CODES = 4096 };

/* What we need to know about the frames of one code object. */
struct frame_code {
	struct frame_code *next;
	uint64_t code;
	struct snap_label *labels; /* of its variables, in the order of the frame */
	uint32_t count, stacksize;
	uint32_t frame_shape, generator_shape[3]; /* 0 = not made yet */
	int64_t at;	     /* the instruction whose line is `line` */
	uint32_t line, file; /* file: string id; 0 = not asked for yet */
};

struct frames {
	const struct frame_layout *lay;
	uint64_t extra; /* bytes a PyObject is larger than usual */
	struct frame_code *codes[FRAMES_CODES];
	uint32_t generator_shape[3]; /* <= 3.10, by flavour */
	struct frame_code none;	     /* when memory ran out: no variables */
};

/* Checks before the address is believed. */
bool frames_is_code(struct walk *w, uint64_t addr);
/* The record of a code object, made when first asked for; never NULL. */
struct frame_code *frames_code(struct walk *w, uint64_t code);
/* The code of a frame struct; 0: no Python frame (an entry shim), or damaged. */
uint64_t frames_frame_code(struct walk *w, uint64_t frame);
/* Address of the first variable. */
uint64_t frames_items(struct walk *w, uint64_t frame);
/* Depth of the value stack; false: not saved now. */
bool frames_stack_depth(struct walk *w, uint64_t frame, const struct frame_code *info,
			uint32_t *ret);
/* The object a word of a frame refers to, without its tag; 0 = none. */
uint64_t frames_reference(struct walk *w, uint64_t addr);

/* Tells the line that a frame stands at which `object` holds (struct snap_line: which of
 * its calls); the frame is one whose code frames_frame_code gave. */
void frames_tell_line(struct walk *w, uint64_t object, uint32_t call, uint64_t frame,
		      struct frame_code *info);

/* Sets w->frames up. False: this interpreter's frames are unknown to us. */
bool frames_begin(struct walk *w);

/*
 * Emits the frames of a thread, innermost first, with their roots.
 * Returns how many Python frames there are.
 */
uint32_t frames_thread(struct walk *w, uint64_t tstate, uint32_t thread);

#endif
