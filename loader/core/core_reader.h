/* SPDX-License-Identifier: MIT */
/*
 * core_reader - the process that reads a core file, with next to no rights.
 *
 * A core is whatever somebody says it is.  The reader has the core, a pipe for the
 * snapshot's bytes and a socket, on which it asks for the files that were mapped, by
 * their paths; it opens nothing itself (SANDBOX_READER, formats/rights).  Who answers has
 * the user's rights, and hands over regular ELF files only, to be read: below a given
 * folder, as if that were the root, or from this machine.
 */
#ifndef PYMEM_LOADER_CORE_CORE_READER_H
#define PYMEM_LOADER_CORE_CORE_READER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loader/core/core_walk.h"

struct core_reader_job {
	const char *core;    /* the file's name */
	const char *exec;    /* the program, or NULL: where the core says */
	const char *sysroot; /* folder that was its root, or NULL: this machine's */
	int scratch;	     /* an empty file to unpack into; -1 = none */
	bool values;
	uint32_t value_limit;
	int cancel_fd; /* readable: it is given up */
	/* Takes the snapshot's bytes; 0 or a negative errno, which ends it. */
	int (*feed)(void *arg, const void *data, size_t size);
	void *feed_arg;
};

/* 0; or -1 with a sentence in ret->error (what was fed until then is a beginning). */
int core_reader_run(const struct core_reader_job *job, struct core_walk_result *ret);

#endif
