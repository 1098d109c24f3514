/* SPDX-License-Identifier: MIT */
/*
 * output - the file a snapshot is written to.
 *
 * A regular file is written without a name in the same folder (O_TMPFILE; where the
 * file system can't, under a name that cannot be guessed; mode 0600), and gets
 * its own name only when it is complete and on the disk: fsync, rename, fsync of
 * the folder.  So a file of that name is never a half-written one, and a loader
 * that is killed leaves nothing behind.  Standard output, pipes and devices are
 * written to directly.
 */
#ifndef PYMEM_LOADER_OUTPUT_OUTPUT_H
#define PYMEM_LOADER_OUTPUT_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output {
	int fd;		     /* to write to (and, if seekable, to read again) */
	bool seekable;	     /* false: bytes once written cannot be taken back */
	bool chosen;	     /* the name was made up by us: never replaces a file */
	char name[PATH_MAX]; /* as the user will know it; "-" = standard output */
	bool unnamed;	     /* O_TMPFILE: gets its temporary name at the end */
	char temporary[PATH_MAX + 32]; /* "" = written directly, or unnamed yet */
};

/*
 * Opens the output.  name: NULL = pymem_out/pymem-snapshot-YYYYMMDDHHMMSS.pymem
 * (the folder is made, mode 0700), "-" = standard output.  In a name, %n
 * becomes `number` (three digits or more), %p `pid`, %t the time as above.
 * 0, or -1 with one sentence in error.
 */
int output_open(struct output *ret, const char *name, uint64_t number, int pid,
		char error[512]);
/*
 * Complete: puts the file in its place.  With a made-up name that is taken
 * meanwhile, "-2", "-3"... is added.  0, or -1 with a sentence; the temporary
 * file is gone either way.
 */
int output_commit(struct output *output, char error[512]);
/* Not to be kept: removes the temporary file. */
void output_discard(struct output *output);

/* Standard output, once more. fd or -1 with a sentence: it isn't open for writing. */
int output_stdout(char error[512]);
/* An unnamed file, mode 0600, in the folder of `beside` (or in TMPDIR, /tmp). fd or -1.
 */
int output_scratch(const char *beside, char error[512]);
/* In which folder such a file is; for people. */
void output_scratch_folder(int fd, char *ret, size_t size);
/* Writes all; 0 or a negative errno. */
int output_write(int fd, const void *data, uint64_t size);
/* Appends all of `from` (from its start) to `to`; 0 or a negative errno. */
int output_append(int to, int from);

#endif
