/* SPDX-License-Identifier: MIT */
/*
 * workspace - the processes being looked at, and what they are compared with.
 *
 * One per run of pymem-view: main opens files into it, reports and screens read
 * it, live streams add to it.  Not for concurrent use.
 */
#ifndef PYMEM_VIEWER_WORKSPACE_H
#define PYMEM_VIEWER_WORKSPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "viewer/analysis/analysis.h"
#include "viewer/model/heap.h"
#include "viewer/report/report.h"

struct process {
	struct heap *heap;	       /* owned */
	struct analysis *analysis;     /* owned; NULL until workspace_analyse */
	struct process *old;	       /* compared with: one of workspace->old's, or
					 * NULL */
	const char *file;	       /* as given; owned by the workspace */
	uint32_t ordinal;	       /* in its file, from 0 */
	char problem[320];	       /* "" or why it is incomplete: one sentence,
					 * printable */
	uint64_t cost_ns, analysis_ns; /* that its file took to load, and its analysis */
	bool from_sidecar;
	bool live; /* came on a stream: no file that a sidecar could
					 * belong to */
};

/* What opens and is analysed in this time needs no sidecar, which is 30 times as large as
 * a snapshot. */
#define WORKSPACE_QUICK_NS UINT64_C(2000000000)

struct workspace {
	struct process **process; /* pages, in order */
	uint32_t count;
	struct process **old; /* of --compare */
	uint32_t old_count;
	struct vec between; /* struct analysis *: of the last workspace_context */
	bool sidecar; /* written even if opening took less than WORKSPACE_QUICK_NS */
	bool no_sidecar;
	const char *consume; /* file to be removed once its document is whole, or NULL */
	bool python_only; /* sizes without native memory (heap.h); no sidecar has those */
};

/* Empty; workspace_free gives back all it holds, not the struct. */
void workspace_init(struct workspace *workspace);
void workspace_free(struct workspace *workspace);

/* What a negative errno means for who wanted to look at a snapshot, as a sentence's end:
 * its cause, and for want of memory what to do.  Static, or as strerror's. */
const char *workspace_error(int err);
/*
 * Opens a file ("-" = stdin, then fd is read) and appends its processes to the
 * workspace, or to its old ones.  Uses and writes the sidecar when it may.
 * 0, or -1 with one sentence in err (nothing appended then).
 */
int workspace_open(struct workspace *workspace, const char *file, bool old,
		   const struct progress *progress, char *err, size_t err_size);
/* The same of an open file, which stays open; file is its name. */
int workspace_open_fd(struct workspace *workspace, int fd, const char *file, bool old,
		      const struct progress *progress, char *err, size_t err_size);
/* Only what was opened from the place `first` on is looked at now: the last one before it
 * with the pid of that is what it is compared with; all else goes. */
void workspace_succeed(struct workspace *workspace, uint32_t first);
/* Appends a process that was made elsewhere (live streams): takes heap over. NULL: no
 * memory. */
struct process *workspace_add(struct workspace *workspace, struct heap *heap,
			      const char *file);
/* Frees a process of the workspace; those compared with it are compared with nothing
 * then. */
void workspace_remove(struct workspace *workspace, struct process *process);
/* Pairs new and old: equal pids; when there is none, first with first. */
void workspace_pair(struct workspace *workspace);
/* Without --compare: the newest of several snapshots of one process is compared with the
 * oldest (by their times, else by their order); the others are between them. */
void workspace_pair_series(struct workspace *workspace);
/* Whether any process is compared with another. */
bool workspace_compares(const struct workspace *workspace);
/* Runs the analysis of a process (and writes the sidecar) unless done. 0, -ENOMEM,
 * -ECANCELED. */
int workspace_analyse(struct workspace *workspace, struct process *process,
		      const struct progress *progress);
/* Context for a report about a process; runs the analyses the report needs.
 * 0, -ENOMEM, -ECANCELED. */
int workspace_context(struct workspace *workspace, struct process *process,
		      const struct report *report, const struct progress *progress,
		      struct report_context *ret);

uint64_t process_pid(const struct process *process); /* 0 = unknown */

#endif
