/* SPDX-License-Identifier: MIT */
/*
 * core_walk - a core file as a snapshot: the agent's own walk (agent/heap, compiled for
 * images of memory), over what core_image reads.
 *
 * Facts of its own, beside the walk's: method "core", time_ns (when the file was last
 * written), executable, cmdline and uid as the notes tell them; core.file (its name),
 * core.signal (that ended the process), core.missing_bytes (of memory, where the file is
 * cut off), core.searched_types (of whose instances references were searched for, because
 * only C code tells them), core.note (what else is missing, as a sentence).
 */
#ifndef PYMEM_LOADER_CORE_CORE_WALK_H
#define PYMEM_LOADER_CORE_CORE_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "formats/core/writer.h"
#include "loader/core/core_image.h"

struct core_walk_options {
	const char *name; /* of the core, for sentences and the snapshot */
	int fd;		  /* of it */
	int scratch;	  /* an empty file to unpack it into; -1 = none */
	int smaps_fd;	  /* an empty file in memory */
	uint64_t time_ns; /* when it was written, since 1970 */
	bool values;
	uint32_t value_limit; /* as walk_options */
	core_image_open_fn *open;
	void *open_arg;
};

struct core_walk_result {
	uint64_t objects, edges, walk_ns;
	uint64_t missing; /* bytes of memory that the core should have */
	int pid;	  /* of the process; 0 = not told */
	char python[128], name[96];
	char error[512]; /* one sentence, "" = done */
	char note[512];	 /* what is missing; "" = nothing */
};

/*
 * Reads the core and writes the snapshot's stream.  0, or -1 with ret->error.  Once in a
 * process: the walk's image and the core's are its own.
 */
int core_walk_run(const struct core_walk_options *options, snap_write_fn write,
		  void *write_arg, struct core_walk_result *ret);

#endif
