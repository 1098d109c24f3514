/* SPDX-License-Identifier: MIT */
/*
 * agent_file - where libpymemagent.so is, its bytes, and where the sister
 * program pymem-view is.
 */
#ifndef PYMEM_LOADER_CAPTURE_AGENT_FILE_H
#define PYMEM_LOADER_CAPTURE_AGENT_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct agent_file {
	char path[4096]; /* "": it is inside this program (agent_bytes.h) */
	void *data;	 /* the part of the file that is mapped, malloc'ed */
	size_t size;
};

/*
 * Looks, in this order, at the environment variable PYMEM_AGENT (when set,
 * nowhere else), inside this program (not as_file, which LD_PRELOAD needs), at
 * ../lib/libpymemagent.so, in the installation's library folder, both relative to this
 * program's own file, and beside it.  0, or -1 with one sentence in error.
 */
int agent_file_find(struct agent_file *ret, bool as_file, char error[512]);
/* Reads the bytes of a found agent and checks that they are an ELF file. As above. */
int agent_file_read(struct agent_file *file, char error[512]);
void agent_file_free(struct agent_file *file);

/*
 * Path of pymem-view: the environment variable PYMEM_VIEW, beside this program,
 * or on PATH.  0, or -1 when there is none.
 */
int agent_file_viewer(char path[4096]);

#endif
