/* SPDX-License-Identifier: MIT */
/*
 * suspects - where memory accumulates: the few nodes an engineer should look at.
 *
 * After Eclipse MAT's leak suspects.  "Top" nodes are objects whose immediate
 * dominator is synthetic (the root, a group, a thread, a frame).
 *  - single: a top node that retains at least the threshold.  From it one walks
 *    to the largest child while that keeps 70 % of its parent: the end is the
 *    accumulation point.  Where no child keeps 70 % but some still pass the threshold,
 *    each of those is followed by itself, unless they are the like elements of a
 *    container (of a dict: objects, or more than three containers of the same): then
 *    that is the point.  Its members are what most of its children are, or the elements
 *    of a container below it whose parts they are.  In a namespace (a module, a class,
 *    their dict, a suspended call) a fifth of the threshold is enough: it is its names
 *    one wants to read, not its own.
 *    So it is with the other children of the nodes the walk came through.
 *  - frames: the local variables of one function that nothing smaller holds, where
 *    together they pass the threshold, or a fifth of it when they are in several
 *    frames: deep recursion, a function hanging in a hundred threads.
 *  - group: the remaining top nodes, by type, where together they pass the threshold, or
 *    a fifth of it and have a holder: (C code we can't see into), (unreachable garbage),
 *    (atexit), (immortal), which make groups of their own, or else the deepest object
 *    on 80 % of their shortest paths: the members are those that this one has
 *    (crowd.h), the others are a group again; one that has nearly all of it is none of
 *    many, and left to the next.  Groups without a holder come last: modules' dicts,
 *    types and functions are such in every process.
 *  - minor: top nodes not in one of the above (or in a group without a holder) that
 *    retain a fifth of the threshold are followed down like a single one: a leak is small
 *    before it is large.
 *  - native: like a single one, but the point is native memory that several objects
 *    share.
 *  - free, unexplained, shared: resident memory that no object holds, where it is a
 *    tenth of all and more than any interpreter has: what the allocators keep free, C
 *    allocations without a known owner, shared memory.
 * What a node retains is what of it is in memory: pages never touched are no suspects.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_SUSPECTS_H
#define PYMEM_VIEWER_ANALYSIS_SUSPECTS_H

#include "viewer/analysis/analysis.h"

#define SUSPECTS_THRESHOLD 0.10 /* of all objects' bytes */

#define SUSPECT_ALSO 3u
#define SUSPECT_INSIDE 8u

enum suspect_memory { /* what isn't held by an object */
		      SUSPECT_HELD,
		      SUSPECT_FREE,
		      SUSPECT_UNEXPLAINED,
		      SUSPECT_SHARED,
};

struct suspect {
	enum suspect_memory memory; /* but HELD: point, holder, top are HEAP_NONE */
	bool pymalloc;		    /* FREE: most of it is pymalloc's */
	bool group;
	bool merged;	   /* used while they are found */
	bool usual;	   /* every Python process has it (usual.h) */
	bool chain;	   /* single: a linked list of member_count objects: the point is
			    * the first of them, or holds one that is linked both ways */
	bool tree;	   /* single: its few members have others of their type below
			    * them: member_count is of all */
	uint32_t frames;   /* group: so many frames of one function, else 0 */
	uint32_t point;	   /* single: accumulation point; group: common holder or
				 * HEAP_NONE; frames: the one with the largest member */
	uint32_t holder;   /* single: a node below the point through which most members
			  * are reached, although others hold them too; else HEAP_NONE */
	uint32_t top;	   /* single: the top node above it; group: largest member */
	uint64_t retained; /* single: by the point, without what other suspects below it
				 * retain; group: by all members */
	uint32_t member_type; /* what most of it is: by type, the point's largest
				 * children */
	uint64_t member_count, member_retained;
	uint64_t elsewhere; /* single: others of that type in the point, which it doesn't
			     * retain; 0: none, or few, which are members then */
	/* single, with a holder, or group with one: other containers that the members are
	 * in as well, those that have most; also_all: how many there are */
	uint32_t also[SUSPECT_ALSO], also_number, also_all;
	uint64_t also_count[SUSPECT_ALSO]; /* members in each */
	/* the members are values of a ContextVar (context_var.h), in the contexts of so
	 * many tasks, of which one is named */
	bool by_variable;
	uint32_t variable, task;
	uint64_t tasks;
	/* from a member, which comes first, down to where most of what each retains is
	 * (inside.h); none: 0 steps */
	uint32_t inside[SUSPECT_INSIDE], inside_steps;
	/* what most of that (or of a member, without it) consists of, where it is a
	 * container: how many of such a type it has, on an average unless content_exact.
	 * 0: nothing in particular, or few */
	uint32_t content_type, content_each;
	bool content_exact;
	/* where the snapshot tells what a fork left to share: bytes of the objects that
	 * the point dominates, but for large tables, and those of them in shared pages;
	 * else 0.  Of these, where the parent's snapshot is at hand too, with whom, and
	 * what of the rest was shared once. */
	uint64_t own, still_shared, with_parent, with_siblings, copied;
};

/* Where its members are seen, what to look at first; HEAP_NONE: no object holds it. */
static inline uint32_t suspect_node(const struct suspect *s)
{
	if (s->frames || s->by_variable)
		return s->top;
	return s->holder != HEAP_NONE ? s->holder :
		s->point != HEAP_NONE ? s->point :
					s->top;
}

/* Appends struct suspect to ret, largest first, but those last that every Python process
 * has; none when there are only such. 0, -ENOMEM, -ECANCELED. */
int suspects_find(struct analysis *analysis, double threshold,
		  const struct progress *progress, struct vec *ret);
#endif
