/* SPDX-License-Identifier: MIT */
/*
 * emit - drives one walk into the snapshot writer: facts, walk, facts, end.
 *
 * The same in the copy and in place, but that a copy writes on a second thread
 * (relay.h) where there is a CPU for it.  All memory comes from one arena and is
 * given back (in place) or dies with the copy.
 */
#ifndef PYMEM_AGENT_SNAP_EMIT_H
#define PYMEM_AGENT_SNAP_EMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/heap/core/options.h"
#include "agent/snap/job.h"

struct emit_result {
	uint64_t objects, edges, walk_ns;
	uint64_t cpu_ns;      /* that the copy has used so far, all threads; 0 in place */
	uint64_t dirty_bytes; /* memory that the copy has to itself; 0 in place */
	char doubt[WALK_DOUBT]; /* walk_stats.doubt */
};

/*
 * The snapshot of job->py, the heap being still, into job->stream.  0, or a negative
 * errno with one sentence in err; -EAGAIN: a collection is going on, nothing was
 * written.
 */
int emit_snapshot(struct job *job, bool in_copy, struct emit_result *ret, char *err,
		  size_t err_size);

/* enum pymem_fail for what emit_snapshot returned. */
uint32_t emit_reason(int rc);

/* Bytes of memory this process has to itself (smaps_rollup), 0 = unknown. */
uint64_t emit_dirty_bytes(void);

#endif
