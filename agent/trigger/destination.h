/* SPDX-License-Identifier: MIT */
/*
 * destination - where a snapshot that the process takes by itself goes: a file or
 * whatever PYMEM_OUTPUT names that is there already, a socket, or both.
 *
 * PYMEM_OUTPUT may name a folder (files "pymem-%p-%t.pymem" in it), a named pipe that
 * somebody reads, a unix socket on which somebody listens or a device (/dev/null): the
 * snapshot is streamed into those.  Nothing but a file is ever replaced by a file, or
 * removed; a disk and a terminal are not written to.
 *
 * Where PYMEM_OUTPUT names a summary the file is the snapshot that it is made of,
 * "....pymem" beside it: whoever makes it removes that.
 *
 * The file is written under its own name plus ".part", with mode 0600, and
 * renamed when it is whole and on the disk; a name that exists already gets "-2",
 * "-3" ... after its time.  Of the captures that failed half way the last
 * stays as ".part" until one is whole, if it holds anything worth looking at and the
 * disk isn't full.  With PYMEM_KEEP and PYMEM_KEEP_BYTES the oldest
 * files that this process wrote are removed, never the newest; files of other processes
 * never are.
 *
 * System calls only; the fds are moved to high numbers, out of the way of
 * applications that expect the lowest free one.
 */
#ifndef PYMEM_AGENT_TRIGGER_DESTINATION_H
#define PYMEM_AGENT_TRIGGER_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/trigger/config.h"

enum { DESTINATION_PATH = 1280, DESTINATION_FD_MIN = 1000 };

struct destination {
	int file, socket;	     /* -1 = none; file: of PYMEM_OUTPUT, of any kind */
	bool stream;		     /* file is no file: a pipe, a socket, a device */
	char path[DESTINATION_PATH]; /* final name of the file */
	char part[DESTINATION_PATH];
	char summary[DESTINATION_PATH]; /* to be made of the file; "" = none */
};

/* Moves fd to a number of DESTINATION_FD_MIN or above if the limit allows; returns it. */
int destination_high_fd(int fd);

/* Can files be made where the pattern says? 0 or a negative errno. */
int destination_check(const struct trigger_config *config);

/* Opens both destinations, at least one. 0, or a negative errno with both closed. */
int destination_open(const struct trigger_config *config, struct destination *ret);
/* Appends bytes to all destinations. 0 or a negative errno. */
int destination_append(struct destination *destination, const void *data, size_t size);
/* The file is whole: sync, rename, rotate, drop what a failure left; closes
 * everything. 0 or a negative errno. */
int destination_commit(const struct trigger_config *config,
		       struct destination *destination);
/*
 * The capture failed.  Keeps a ".part" of more than a header, instead of the one that was
 * kept before; where the output could not be written neither.  Closes everything.
 */
void destination_abandon(struct destination *destination, bool unwritable);
/* Closes the fds only: in a child that the application forked meanwhile. */
void destination_forget(struct destination *destination);

/* The name a pattern gives for pid at this UTC time; false: too long. For tests too. */
bool destination_name(const char *pattern, int pid, uint64_t seconds, unsigned sequence,
		      char *ret, size_t size);

#endif
