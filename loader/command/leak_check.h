/* SPDX-License-Identifier: MIT */
/*
 * leak_check - what grew at every one of a program's last marks.
 *
 * Snapshots come one by one, each with the name of its mark.  Of one name the last N are
 * kept; when another name comes, and at the end, they are compared: a place leaks where
 * the number of its objects grew from each of them to the next.
 */
#ifndef PYMEM_LOADER_COMMAND_LEAK_CHECK_H
#define PYMEM_LOADER_COMMAND_LEAK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LEAK_CHECK_LABEL = 200 };

struct leak_check {
	const char *viewer;
	size_t wanted; /* marks that are compared */
	char label[LEAK_CHECK_LABEL];
	char **file; /* the last `wanted` of that label, oldest first; owned */
	size_t files;
	uint64_t marks, checks, leaks; /* so far: of all labels */
	bool failed;		       /* one could not be made */
};

/* 0 or -ENOMEM. */
int leak_check_init(struct leak_check *check, const char *viewer, size_t wanted);
/* A snapshot, which is removed when it is of no more use. */
void leak_check_take(struct leak_check *check, const char *label, const char *file);
/* The program has ended: says what is left to say, removes all files. */
void leak_check_end(struct leak_check *check);

#endif
