/* SPDX-License-Identifier: MIT */
/*
 * session - one run of pymem-load on processes: plans, captures, writes,
 * shows.  The part of the command that talks to the user.
 */
#ifndef PYMEM_LOADER_COMMAND_SESSION_H
#define PYMEM_LOADER_COMMAND_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loader/capture/agent_file.h"
#include "loader/capture/capture.h"
#include "loader/output/live.h"
#include "loader/base/load_options.h"
#include "loader/output/output.h"
#include "loader/capture/plan.h"

struct session {
	const struct load_options *options;
	const struct agent_file *agent; /* its bytes; not read for --dry-run */
	const char *probes;		/* text or NULL */
	int cancel_fd;			/* readable after SIGINT, SIGTERM or SIGHUP */
	bool has_viewer;
	char viewer[4096];

	size_t count;	    /* of processes */
	struct plan *plans; /* each; pid 0 = could not be made */
	struct capture_result *results;
	struct part *parts;
	struct output output;
	struct output converted; /* --summary, --profile: what is made of it */
	int snapshot;		 /* of those: the snapshot's file, which has no name */
	struct live live;
	bool want_live; /* open the viewer when the first bytes come */
	uint64_t live_start;
	bool reports;	   /* the viewer's follow, and say what several have together */
	bool row;	   /* --every: a line for each capture instead of a report */
	char skipped[500]; /* what is not made, since a signal ended the run */
	char file[4096];   /* where the snapshot is, "" = nowhere */
};

/* options, agent, probes and cancel_fd are set by the caller. 0 or -1 (no memory). */
int session_init(struct session *session);
void session_deinit(struct session *session);

/*
 * Makes the plans of all processes and prints them; results of those that
 * cannot or must not be captured are filled.  How many may be.
 */
size_t session_plan(struct session *session);
/*
 * Captures what was planned into one file (number: %n in its name).  keep: the
 * agents stay loaded.  Prints reports and errors; shows the snapshot
 * unless show is false.  Returns the exit status.
 */
int session_capture(struct session *session, uint64_t number, bool keep, bool show);
/* --dry-run: the plans only. Exit status: 0, or 1 when a process would be refused. */
int session_dry_run(struct session *session);

#endif
