/* SPDX-License-Identifier: MIT */
/*
 * output - where a snapshot that the process takes by itself goes: a file, a
 * socket, or both.
 *
 * The file is written under its own name plus ".part", with mode 0600, and
 * renamed when it is whole and on the disk; a name that exists already gets "-2",
 * "-3" ... after its time.  A capture that failed half way stays as ".part" only
 * if it holds anything worth looking at.  With PYMEM_KEEP the oldest files that
 * this process wrote are removed; files of other processes never are.
 *
 * System calls only; the fds are moved to high numbers, out of the way of
 * applications that expect the lowest free one.
 */
#ifndef PYMEM_AGENT_TRIGGER_OUTPUT_H
#define PYMEM_AGENT_TRIGGER_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/trigger/config.h"

enum { OUTPUT_PATH = 1280, OUTPUT_FD_MIN = 1000 };

struct output {
	int file, socket;	/* -1 = none */
	char path[OUTPUT_PATH]; /* final name of the file */
	char part[OUTPUT_PATH];
};

/* Moves fd to a number of OUTPUT_FD_MIN or above if the limit allows; returns it. */
int output_high_fd(int fd);

/* Can files be made where the pattern says? 0 or a negative errno. */
int output_check(const struct trigger_config *config);

/* Opens both destinations, at least one. 0, or a negative errno with both closed. */
int output_open(const struct trigger_config *config, struct output *ret);
/* Appends bytes to all destinations. 0 or a negative errno. */
int output_append(struct output *output, const void *data, size_t size);
/* The file is whole: sync, rename, rotate; closes everything. 0 or a negative errno. */
int output_commit(const struct trigger_config *config, struct output *output);
/* The capture failed; keeps a ".part" of more than a header. Closes everything. */
void output_abandon(struct output *output);
/* Closes the fds only: in a child that the application forked meanwhile. */
void output_forget(struct output *output);

/* The name a pattern gives for pid at this UTC time; false: too long. For tests too. */
bool output_name(const char *pattern, int pid, uint64_t seconds, unsigned sequence,
		 char *ret, size_t size);

#endif
