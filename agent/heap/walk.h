/* SPDX-License-Identifier: MIT */
/*
 * walk - the native heap walk: every object of a CPython process as sink events.
 *
 * Runs in a forked copy of the target, in a frozen copy made by the loader, or
 * in place with the GIL held.  Runs no Python code, takes no reference, uses no
 * allocator of the target, writes to no page of the target; with one exception in
 * place, for the length of a call of a C type's __sizeof__ (sizes_call.c).
 */
#ifndef PYMEM_AGENT_HEAP_WALK_H
#define PYMEM_AGENT_HEAP_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/arena.h"
#include "formats/core/sink.h"

struct cpython; /* agent/python/binding.h */

struct walk_options {
	bool values;	       /* previews; else hashes and names only */
	uint32_t value_limit;  /* characters, 0 = SNAP_PREVIEW */
	uint32_t sample_limit; /* size check */
	uint64_t seed;	       /* key of content hashes */
	bool in_copy; /* writes land in a private copy: size check and malloc statistics
		       * may call into the interpreter after the walk */
	uint32_t copy_of;    /* pid of the process this is a copy of; 0 = of none */
	uint64_t gil_holder; /* PyThreadState that held the GIL when the capture asked for
				 * it: 0 = none, 1 = not known */
	const char *skip_types; /* as pymem_start.skip_types; may be NULL */
	const char *probes;	/* text of user probes; may be NULL */
	const char *maps; /* text of /proc/self/maps, where that can't be read; or NULL */
	size_t maps_size;
	bool maps_first; /* ... and where it can: memory that is not in it is none of ours */
};

/*
 * Where the walk is: written all the time by the walk, read by the crash
 * handler and the watchdog (async-signal-safe, plain loads).
 */
struct walk_position {
	volatile uint64_t object;	/* being traversed, 0 = none */
	const char *volatile type_name; /* its qualified name, NUL-terminated, ours */
	const char *volatile phase;	/* static text */
	volatile uint64_t objects, edges;
};
extern struct walk_position walk_position;

struct walk_stats {
	uint64_t objects, edges, bytes;
	uint64_t walk_ns;
	uint64_t sweeps;
	size_t arena_bytes;
};

/*
 * Walks the whole heap and feeds `sink` (everything but the `end` event and the
 * facts that only the capture knows: those are the caller's).  `py` comes from
 * cpython_bind + cpython_probe.  Returns 0, or a negative errno with one
 * sentence in err.
 */
int walk_run(const struct cpython *py, struct arena *arena,
	     const struct walk_options *options, struct snap_sink *sink,
	     struct walk_stats *ret, char *err, size_t err_size);

#endif
