/* SPDX-License-Identifier: MIT */
/*
 * remote_region - the memory that an injection maps in the target: for its calls, and
 * for the agent's worker.
 */
#ifndef PYMEM_LOADER_INJECT_REMOTE_REGION_H
#define PYMEM_LOADER_INJECT_REMOTE_REGION_H

#include "loader/inject/remote.h"

#define REMOTE_REGION_CALL_STACK ((uint64_t)256 << 10)
#define REMOTE_REGION_WORKER_STACK ((uint64_t)1 << 20)

/* Maps the region; call_size: of the call stack; worker_size 0: none for a worker. */
int remote_region_map(struct remote *remote, uint64_t worker_size, uint64_t call_size,
		      struct load_error *err);
/* Takes over the region with a worker's stack that an earlier stop mapped; false: it
 * isn't (all of) that any more. */
bool remote_region_adopt(struct remote *remote, uint64_t region, uint64_t size);
/* Unmaps the region. */
int remote_region_unmap(struct remote *remote, struct load_error *err);

#endif
