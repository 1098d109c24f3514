/* SPDX-License-Identifier: MIT */
/*
 * alike - what a node dominates, with those that are alike taken together.
 *
 * "x 40,002 Session, 30.3 MiB" is one line in every view, and opens into its members.
 * Children of one type are alike in a container, and in groups of roots whose members
 * have no names.  In a namespace (a module, a class, an instance, a function, a frame,
 * and their small dicts) each has a name that one wants to read: there they are taken
 * together only when they are many and small.  One that retains a quarter of what its
 * holder retains always stands by itself.
 */
#ifndef PYMEM_VIEWER_NAME_ALIKE_H
#define PYMEM_VIEWER_NAME_ALIKE_H

#include "viewer/analysis/analysis.h"
#include "viewer/text/text.h"

/* One that retains this part of what its holder does stands by itself; in a namespace. */
enum { ALIKE_ALONE = 4, ALIKE_ALONE_NAMED = 200 };

struct alike {
	uint32_t node;	   /* one child; of several the largest */
	uint32_t type;	   /* theirs; 0: synthetic */
	uint32_t count;	   /* 1: one child */
	uint64_t retained; /* bytes, all together */
	uint64_t objects;  /* that would go with them, themselves included */
	uint64_t size;	   /* bytes of their own */
	uint64_t below;	   /* members are those of the type that retain less than this */
	uint32_t chain; /* of one: it is the first of so many links of a chain (chain.h),
			    * and what is below it hangs at any of them; 0: it isn't */
};

/* Appends struct alike to ret, largest first; of the first link of a chain what hangs at
 * the chain.  0, -ENOMEM, -ECANCELED. */
int alike_children(struct analysis *analysis, uint32_t parent,
		   const struct progress *progress, struct vec *ret);
/* Whether what a node refers to has names that one wants to read (see above). */
bool alike_named(const struct heap *heap, uint32_t node);
/* The line of a single node, whether it begins a chain or not. */
struct alike alike_single(const struct analysis *analysis, uint32_t node);
/* Appends "\u00d7 40,002 Session"; of a single one nothing. */
void alike_text(struct text *out, const struct heap *heap, const struct alike *alike);
/* Appends it in at most width characters: without the number where there is no room for
 * it ("\u00d7 Session"), for a part of a number would be another one.  width 0: without,
 * whole. */
void alike_brief(struct text *out, const struct heap *heap, const struct alike *alike,
		 size_t width);
/* Appends what a line's node is (name_kind), or "chain of 100,000 Node". */
void alike_kind(struct text *out, const struct heap *heap, const struct alike *alike,
		size_t limit);
/* Looks whether a single line's node begins a chain. 0, -ENOMEM, -ECANCELED. */
int alike_find_chain(struct analysis *analysis, struct alike *alike,
		     const struct progress *progress);
/* Appends the members of a line of holder's, one line each, largest first: of a single
 * node what alike_children gives for it.  0, -ENOMEM, -ECANCELED. */
int alike_open(struct analysis *analysis, uint32_t holder, const struct alike *alike,
	       const struct progress *progress, struct vec *ret);

#endif
