/* SPDX-License-Identifier: MIT */
/*
 * name - what every view calls a node: the name by which it is held.
 *
 *	shop.cache.STORE['sessions']                        from a module
 *	thread MainThread > Runner.run (runners.py:118) > coro = main() > waiters
 *	(C code we can't see into)                          a group of roots
 *
 * In full it is the shortest path from a module, class, frame, task or thread
 * (describe_path): the longest expression that is of use.  Where that is too long it is
 * cut in the middle, for its two ends tell most; where there is hardly any room the
 * last step stands there with the type, class, module or function that has it.  Below a
 * line that names the holder already, the step from it is enough (name_step).
 *
 * Rows, blocks and boxes say what the thing is as well: name_kind, "dict {19 items}".
 *
 * All output is escaped (escape.h).  Use from one thread for each heap (heap.h).
 */
#ifndef PYMEM_VIEWER_NAME_NAME_H
#define PYMEM_VIEWER_NAME_NAME_H

#include "viewer/analysis/analysis.h"
#include "viewer/text/text.h"

/* Appends the whole name. */
void name_full(struct text *out, const struct analysis *analysis, uint32_t node);
/* Appends the name in at most width characters (at least 1): whole; its middle left
 * out; below NAME_NARROW as name_brief does. */
void name_short(struct text *out, const struct analysis *analysis, uint32_t node,
		size_t width);
/* Appends how holder refers to node ("['key']", ".attr", "x"; a __dict__ between them is
 * passed over); the type where it doesn't. */
void name_step(struct text *out, const struct analysis *analysis, uint32_t holder,
	       uint32_t node);
/* Appends the name for a box of width characters: whole; where that is too long, the last
 * step with what it is a step from, "Session.user", "sessions[3]", "add(acc=...)"; where
 * there is no room for that, the step alone, "user", if need be without its middle.
 * width 0: the step with what it is from, whole. */
void name_brief(struct text *out, const struct analysis *analysis, uint32_t node,
		size_t width);
/* Appends what it is: the last part of its type's name and its value, "dict {3 items}",
 * at most limit characters of the value; "" for what isn't an object. */
void name_kind(struct text *out, const struct heap *heap, uint32_t node, size_t limit);
/* Appends the last part of a type's name: "Session" of "shop.models.Session". */
void name_type(struct text *out, const struct heap *heap, uint32_t type);

enum { NAME_NARROW = 24 };

/* Appends text (valid UTF-8, escaped) in at most width characters, "..." (one character,
 * U+2026) in the place of its middle. */
void name_cut(struct text *out, const char *text, size_t width);
/* Characters of a text. */
size_t name_length(const char *text);

#endif
