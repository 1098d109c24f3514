/* SPDX-License-Identifier: MIT */
/*
 * walk - the native heap walk: every object of a CPython process as sink events.
 *
 * Runs in a forked copy of the target, in a frozen copy made by the loader, or
 * in place with the GIL held.  Runs no Python code, takes no reference, uses no
 * allocator of the target, writes to no page of the target; with one exception in
 * place, for the length of a call of a C type's __sizeof__ (object/size_call.c).
 *
 * agent/README.md tells how its rooms work together.
 */
#ifndef PYMEM_AGENT_HEAP_WALK_H
#define PYMEM_AGENT_HEAP_WALK_H

#include "agent/base/arena.h"
#include "agent/heap/core/options.h"
#include "agent/heap/core/position.h"
#include "formats/core/sink.h"

struct cpython; /* agent/python/binding.h */
struct walk;	/* core/context.h */

/*
 * Walks the whole heap and feeds `sink` (everything but the `end` event and the
 * facts that only the capture knows: those are the caller's).  `py` comes from
 * cpython_bind + cpython_probe.  Returns 0, or a negative errno with one
 * sentence in err.
 */
int walk_run(const struct cpython *py, struct arena *arena,
	     const struct walk_options *options, struct snap_sink *sink,
	     struct walk_stats *ret, char *err, size_t err_size);

/*
 * Only the beginning: *w with its tables, nothing found and nothing sent but the empty
 * string.  All must outlive *w.  For those who walk some objects only: types_of() plans
 * a type, and its emit writes an instance.  0 or a negative errno.
 */
int walk_begin(struct walk *w, const struct cpython *py, struct arena *arena,
	       const struct walk_options *options, struct snap_sink *sink);

#endif
