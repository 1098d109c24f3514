/* SPDX-License-Identifier: MIT */
/*
 * capture - one process, from the injection to the finished part of the output.
 *
 * Tries, in this order: the control socket of an agent that is there already (no
 * ptrace), the agent in a thread of its own (method agent), a frozen copy (method
 * external); which of them the options allow and which failures of one make the next
 * worth a try is a table in the source.  A walk that crashed on a type is done again
 * without that type's references.  Whatever happens, the agent is taken out again
 * (unless it is to stay) and the target goes on.
 */
#ifndef PYMEM_LOADER_CAPTURE_CAPTURE_H
#define PYMEM_LOADER_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loader/capture/agent_file.h"
#include "loader/inject/inject.h"
#include "loader/base/load_options.h"
#include "loader/output/part.h"
#include "loader/capture/plan.h"

enum capture_status { CAPTURE_FAILED, CAPTURE_PARTIAL, CAPTURE_COMPLETE };

/* Plain data: can be sent from one process to another. */
struct capture_result {
	int32_t pid, parent; /* parent 0: not known */
	uint32_t status;     /* enum capture_status */
	char method[12];     /* "agent", "external", "in-place"; "" = none yet */
	bool cancelled, consistent, preloaded; /* preloaded: through a control socket */
	bool free_threaded; /* no GIL: "held" means that all threads stood still */
	uint32_t retries;
	uint64_t stopped_ns, gil_wait_ns, gil_held_ns, fork_ns, walk_ns;
	uint64_t objects, edges, bytes, child_dirty_bytes, predicted_pause_ns;
	uint64_t rss, pss, private; /* as in struct plan, before the capture; 0 = not
				     * known */
	char python[100], name[128];
	char error[1024];   /* printable; "" when complete */
	char left[600];	    /* why the agent stays where it should not; "" */
	char note[1024];    /* printable: what else is worth knowing; "" = nothing */
	char skipped[1024]; /* printable: types whose references were left out */
};

struct capture_job {
	pid_t pid;
	const struct load_options *options;
	const struct agent_file *agent;
	const struct plan *plan;
	const char *probes; /* text of --probes, or NULL */
	struct part *part;
	bool keep;     /* leave the agent loaded */
	int cancel_fd; /* readable = cancel */
	void (*progress)(void *arg, const char *phase, uint64_t objects, uint64_t bytes);
	void *progress_arg;
	void (*log)(void *arg, const char *line); /* NULL unless --debug */
	void *log_arg;
};

/* Runs the job and fills *ret; never fails otherwise. */
void capture_run(const struct capture_job *job, struct capture_result *ret);

#endif
