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

struct alike {
	uint32_t node;	   /* one child; of several the largest */
	uint32_t type;	   /* theirs; 0: synthetic */
	uint32_t count;	   /* 1: one child */
	uint64_t retained; /* bytes, all together */
	uint64_t objects;  /* that would go with them, themselves included */
	uint64_t size;	   /* bytes of their own */
	uint64_t below;	   /* members are those of the type that retain less than this */
};

/* Appends struct alike to ret, largest first.  0, -ENOMEM, -ECANCELED. */
int alike_children(struct analysis *analysis, uint32_t parent,
		   const struct progress *progress, struct vec *ret);
/* Whether what a node refers to has names that one wants to read (see above). */
bool alike_named(const struct heap *heap, uint32_t node);
/* The line of a single node. */
struct alike alike_single(const struct analysis *analysis, uint32_t node);
/* Appends "\u00d7 40,002 Session"; of a single one nothing. */
void alike_text(struct text *out, const struct heap *heap, const struct alike *alike);
/* Appends the members of a line of holder's, one line each, largest first: of a single
 * node what alike_children gives for it.  0, -ENOMEM, -ECANCELED. */
int alike_open(struct analysis *analysis, uint32_t holder, const struct alike *alike,
	       const struct progress *progress, struct vec *ret);

/*
 * The last node of the chain (a linked list) that begins at node: each keeps one of its
 * own type alive that has at least nine tenths of what it has.  *steps_ret: how many
 * steps that is, 0 with node itself as the answer.  0, -ENOMEM, -ECANCELED.
 */
int alike_chain(struct analysis *analysis, uint32_t node, const struct progress *progress,
		uint32_t *end_ret, uint32_t *steps_ret);

#endif
