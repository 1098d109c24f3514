/* SPDX-License-Identifier: MIT */
/*
 * leak_check - what grew at every one of a program's last marks.
 *
 * Snapshots come one by one, each with the name of its mark.  Of each name the last N are
 * kept, however the names' marks follow each other; at the end they are compared: a place
 * leaks where the number of its objects grew from each of them to the next.
 *
 * The disk bounds that.  Where all of them take more than `room`, the name whose mark was
 * not set for the longest time is compared at once (a test that is done, in a run of many
 * tests) and its snapshots are removed.
 */
#ifndef PYMEM_LOADER_COMMAND_LEAK_CHECK_H
#define PYMEM_LOADER_COMMAND_LEAK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct leak_series; /* the marks of one name */

struct leak_check {
	const char *viewer;
	size_t wanted;		    /* marks that are compared */
	uint64_t room;		    /* bytes that snapshots may take, of several names */
	struct leak_series *series; /* in the order in which names came first; owned */
	size_t count, capacity;
	uint64_t size;	/* bytes that snapshots take */
	uint64_t marks; /* so far: of all names */
	uint64_t checks, leaks;
	bool failed; /* one could not be made */
};

/* folder: where the snapshots are, which says what room there is. */
void leak_check_init(struct leak_check *check, const char *viewer, size_t wanted,
		     const char *folder);
/* A snapshot, which is removed when it is of no more use. */
void leak_check_take(struct leak_check *check, const char *label, const char *file);
/* The program has ended: says what is left to say, removes all files. */
void leak_check_end(struct leak_check *check);

#endif
