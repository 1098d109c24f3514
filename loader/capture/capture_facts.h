/* SPDX-License-Identifier: MIT */
/*
 * capture_facts - what the receiver adds to a snapshot: how it was made and
 * what it cost, as facts (key and value) behind the END block.
 */
#ifndef PYMEM_LOADER_CAPTURE_CAPTURE_FACTS_H
#define PYMEM_LOADER_CAPTURE_CAPTURE_FACTS_H

#include "loader/capture/capture.h"
#include "loader/output/part.h"

/*
 * Appends facts, index and trailer to the part:
 *	loader.version  capture.time (s since 1970)  capture.status  capture.method
 *	capture.error  capture.note  capture.skipped_types (texts; only if any)
 *	capture.retries  capture.consistent (0 or 1)  predicted_pause_ns  stopped_ns
 *	gil_wait_ns  gil_held_ns  fork_ns  walk_ns  child_dirty_bytes
 * Times that weren't measured are left out.  0 or a negative errno.
 */
int capture_facts_finish(struct part *part, const struct capture_result *result);

#endif
