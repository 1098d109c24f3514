/* SPDX-License-Identifier: MIT */
/*
 * plan - what a capture would do to a process, before anything is touched.
 *
 * Predicts the pause and the memory from what /proc says, compares them with
 * the limits of the user, of every ancestor cgroup and of the machine, and
 * refuses in one sentence where the target would be in danger.
 *
 * Figures of the prediction (Linux 6.18, two virtual CPUs; a busy or slow
 * machine needs more): fork copies the page tables, 14 to 35 ms were measured
 * per GiB of anonymous memory in 4 KiB pages and about 1 ms per GiB in huge ones;
 * walking in place took 110 to 200 ns an object, 2.2 s per GiB of small ones.
 * A copy's own memory was 10 MB and 2 to 3 % of the heap; the application's writes
 * while the copy lives cost it pages too (up to a fifth of the heap, if it
 * touches everything).
 */
#ifndef PYMEM_LOADER_CAPTURE_PLAN_H
#define PYMEM_LOADER_CAPTURE_PLAN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "loader/base/load_error.h"
#include "loader/capture/headroom.h"
#include "loader/base/load_options.h"

enum { PLAN_WARNINGS = 6 };

struct plan {
	pid_t pid, parent;	       /* as seen from here; parent 0: not known */
	char name[128];		       /* of the program; printable */
	char python[100];	       /* "3.11.2", "" = not known */
	uint64_t rss, anonymous, huge; /* bytes; huge: of the anonymous ones */
	uint64_t pss, private;	 /* bytes; pss: shared pages divided; 0 = not known */
	bool estimated;		 /* smaps_rollup wasn't readable: less exact */
	enum load_method method; /* what will be tried first; never AUTO */
	bool in_place;
	bool free_threaded;  /* no GIL: all threads are stopped */
	bool preloaded;	     /* its own agent answers: no ptrace is needed */
	const char *why;     /* this method */
	uint64_t pause_ns;   /* predicted */
	uint64_t copy_bytes; /* expected memory of the copy */
	uint64_t need_bytes; /* headroom that is asked for */
	uint64_t keep_bytes; /* the copy is killed when the headroom falls below */
	struct headroom headroom;
	struct headroom_watch watch;
	char warnings[PLAN_WARNINGS][256];
	unsigned warning_count;
	bool wrong_exec;   /* the last warning is about --exec */
	char refusal[768]; /* "" = go on */
};

/*
 * Looks at pid.  0, or -1 with *err (no such process, not Python, no permission...).
 * A plan that was made may still be a refusal.
 */
int plan_make(pid_t pid, const struct load_options *options, struct plan *ret,
	      struct load_error *err);
/* A few lines for people. */
void plan_print(const struct plan *plan, FILE *out);

/* The arithmetic alone, from the fields pid..huge, method, in_place, headroom. */
void plan_predict(struct plan *plan, const struct load_options *options);

#endif
