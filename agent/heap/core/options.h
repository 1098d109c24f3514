/* SPDX-License-Identifier: MIT */
/* options - what a walk is asked for, and what it says of itself afterwards. */
#ifndef PYMEM_AGENT_HEAP_CORE_OPTIONS_H
#define PYMEM_AGENT_HEAP_CORE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WALK_SAMPLE_LIMIT = 10000, /* objects of the size check when none is said */
};

struct pages;

/*
 * Runs run(arg) in a process of its own, a clone of this one, that may do what it likes
 * to its memory: of that only the `size` bytes at arg come back.  0; -ETIMEDOUT: it was
 * ended, being late; -EFAULT: it crashed; another negative errno: none could be made.
 */
typedef int walk_apart_fn(void (*run)(void *), void *arg, size_t size);

struct walk_options {
	bool values;	       /* previews; else hashes and names only */
	uint32_t value_limit;  /* characters, 0 = SNAP_PREVIEW */
	uint32_t sample_limit; /* size check, 0 = WALK_SAMPLE_LIMIT */
	uint64_t seed;	       /* key of content hashes */
	bool in_copy; /* writes land in a private copy: size check and malloc statistics
		       * may call into the interpreter after the walk */
	uint32_t copy_of;    /* pid of the process this is a copy of; 0 = of none */
	uint32_t copy_task;  /* a thread of it that lives: its number in /proc */
	uint64_t gil_holder; /* PyThreadState that held the GIL when the capture asked for
				 * it: 0 = none, 1 = not known */
	walk_apart_fn *apart; /* NULL: there is no such way here */
	/* address of malloc_usable_size, in the file that has the process's malloc; 0 =
	 * not known */
	uint64_t malloc_at;
	const struct pages *forked; /* pages that a fork left to share; NULL: unknown */
	const char *skip_types;	    /* as pymem_start.skip_types; may be NULL */
	const char *probes;	    /* text of user probes; may be NULL */
	const char *maps; /* text of /proc/self/maps, where that can't be read; or NULL */
	size_t maps_size;
	int smaps_fd; /* images: of a text such as /proc/PID/smaps; 0 = there is none */
	bool summary; /* only a list of what the collector tracks (scan/shallow.h) */
	bool scan_unknown; /* images: what only tp_traverse would tell is searched for */
	bool maps_first;   /* ... and where it can: what isn't in it is none of ours */
};

enum { WALK_DOUBT = 200 };

struct walk_stats {
	uint64_t objects, edges, bytes;
	uint64_t walk_ns;
	uint64_t sweeps;
	size_t arena_bytes;
	uint64_t scanned_types; /* scan_unknown: types of which instances were searched */
	char doubt[WALK_DOUBT]; /* one sentence: what isn't known of this CPython; "" =
				 * nothing */
};

#endif
