/* SPDX-License-Identifier: MIT */
/*
 * orphans - what a loader that was killed half-way left in a target.
 *
 * The region that remote_call.h describes carries a note at the lowest address of
 * the worker's stack (which no stack reaches in use): a mark to know it by, and which
 * descriptors were made in the target, first by number, where the kernel itself puts
 * them, then by inode.  With that, and by the name of the agent's memfd, all is found
 * again and given back by the next loader, if no worker runs.  So are dead copies that
 * nobody waits for: children that are zombies and have the exit signal of a copy, or
 * none and the name of one that the agent made.
 *
 * A number alone might mean another file by then.  It is believed only for a pair
 * of pipe ends of one inode, or of sockets that are connected to each other (where the
 * kernel doesn't tell: made one soon after the other); and only as long as no inode
 * was noted, some microseconds after the pair was made.
 */
#ifndef PYMEM_LOADER_INJECT_ORPHANS_H
#define PYMEM_LOADER_INJECT_ORPHANS_H

#include "loader/inject/remote.h"

#define ORPHANS_MAX 16
#define ORPHANS_MARK "pymem: a stack\n" /* 16 bytes with the NUL */

#define ORPHANS_COPY_NAME "pymem-copy" /* made by clone; the agent's own: pymem-snap */

#define ORPHANS_PAIRS 3 /* control, stream, command */

/* What lies at the lowest address of the worker's stack. */
struct orphans_note {
	char mark[16];
	int32_t pair[ORPHANS_PAIRS][2]; /* -1 = none */
	int32_t thread;	  /* the agent's, as it tells (pymem_start.tid_addr) */
	int32_t borrowed; /* the thread in the region now, or last; as it counts */
	uint64_t inode[ORPHANS_PAIRS][2]; /* 0 = not known yet */
};

struct orphans {
	bool worker;		     /* an agent's thread lives: it may use all this */
	pid_t borrowed[ORPHANS_MAX]; /* perhaps not back from there yet */
	int borrowed_count;
	struct range region[ORPHANS_MAX];
	int region_count;
	struct orphans_file {
		int fd;
		uint64_t inode;
		uint64_t note; /* where the inode is yet to be noted, 0 = nowhere */
	} file[ORPHANS_MAX];   /* memfds, sockets, pipes */
	int file_count;
	pid_t zombie[ORPHANS_MAX]; /* as the target sees them */
	int zombie_count;
};

/*
 * Looks in the maps and descriptors as /proc shows them now.
 */
void orphans_find(const struct target *target, struct orphans *ret);
static inline bool orphans_any(const struct orphans *o)
{
	return o->region_count || o->file_count || o->zombie_count;
}

/* Writes the note into a region with a worker's stack. */
void orphans_mark(struct remote *remote);
/* Notes that the tracee is the one in the region. */
void orphans_note_borrowed(struct remote *remote);
/* Where a call shall put the numbers of a new pair; 0: the target can't be written. */
uint64_t orphans_pair_addr(struct remote *remote, int index);
/* Notes what the pair is, at once after it was made. */
void orphans_note_pair(struct remote *remote, int index, const int pair[2]);
/* Where the agent tells the number of its thread; and what it told, 0 = nothing. */
uint64_t orphans_thread_word(const struct remote *remote);
uint32_t orphans_thread(const struct remote *remote);

/*
 * In the helper, before a thread is borrowed.  A thread whose loader was killed first
 * finishes what it was at, on a stack in the region, and then goes home: nothing may be
 * taken from under it.  Each is looked at (stopped for a moment) until it's out.  -1
 * with *err (LOAD_E_STATE) if one isn't in time.
 */
int orphans_await(const struct orphans *orphans, struct helper *helper,
		  struct load_error *err);
/* Gives it back, through a borrowed thread. */
int orphans_remove(const struct orphans *orphans, struct remote *remote,
		   struct load_error *err);

#endif
