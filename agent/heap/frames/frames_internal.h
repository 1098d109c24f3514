/* SPDX-License-Identifier: MIT */
/*
 * frames_internal - shared by frames.c (running frames) and frame_edges.c (what
 * frame objects and generators hold).
 */
#ifndef PYMEM_AGENT_HEAP_FRAMES_FRAMES_INTERNAL_H
#define PYMEM_AGENT_HEAP_FRAMES_FRAMES_INTERNAL_H

#include "agent/python/frame_layout.h"
#include "agent/heap/core/walk_internal.h"

enum { FRAMES_CODES = 4096 };

/* What we need to know about the frames of one code object. */
struct frame_code {
	struct frame_code *next;
	uint64_t code;
	struct snap_label *labels; /* of its variables, in the order of the frame */
	uint32_t count, stacksize;
	uint32_t frame_shape, generator_shape[3]; /* 0 = not made yet */
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

#endif
