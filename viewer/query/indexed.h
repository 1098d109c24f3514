/* SPDX-License-Identifier: MIT */
/*
 * indexed - one process's snapshot as queries read it: its heap and analysis, and the
 * indexes that are made when a query first needs them.
 *
 *	order      objects by their type's name, 4 bytes each: for equality and GROUP BY
 *	referrers  sources by target, 5 bytes a reference: targets are taken in blocks of
 *	           256, the low byte is kept beside each source
 *	depth, top, held
 *	           4 bytes a node each: steps to the root; the first object below a
 *	           synthetic node; the synthetic node that dominates it
 *
 * The first questions for a target, and for a type, are answered by a pass over the
 * heap: one question needs no index.  Names of types are escaped once.  Not for
 * concurrent use.
 */
#ifndef PYMEM_VIEWER_QUERY_INDEXED_H
#define PYMEM_VIEWER_QUERY_INDEXED_H

#include "viewer/analysis/growth.h"
#include "viewer/text/text.h"
#include "viewer/workspace.h"

struct indexed {
	struct process *process;
	struct heap *heap;
	struct analysis *analysis;
	const struct progress *progress; /* of the engine */
	struct vec name;		 /* u32 per type id: offset in names */
	struct text names;		 /* escaped, NUL-terminated each */
	struct vec rank;	     /* u32 per type id: of its name among all names */
	struct vec ranked;	     /* u32 per rank: a type id of that name */
	struct vec order_row, order; /* u32: by rank where its objects begin; objects */
	struct vec source_row;	     /* u64 per block of targets */
	struct vec source, low;	     /* u32 per reference; u8: the target's low byte */
	struct vec depth, top, held; /* u32 per node; empty until asked for */
	struct growth growth;	     /* empty until asked for */
	unsigned asked_type, asked_target;
};

/* The type's names and ranks; the rest comes when asked for.  0 or -ENOMEM; free with
 * indexed_free in any case.  process and progress must outlive it. */
int indexed_open(struct indexed *ix, struct process *process,
		 const struct progress *progress);
void indexed_free(struct indexed *ix);

/* Escaped name of a type id; "" for 0.  Valid until indexed_free. */
const char *indexed_type_name(const struct indexed *ix, uint32_t type);
/* Rank of an escaped name; UINT32_MAX: there is no such type. */
uint32_t indexed_rank(const struct indexed *ix, const char *name);

/*
 * Objects of the types of one name, appended to ret (u32), ascending address.
 * 0, -ENOMEM, -ECANCELED.
 */
int indexed_of_rank(struct indexed *ix, uint32_t rank, struct vec *ret);
/* All objects, by the rank of their type, then address; valid until indexed_free.
 * 0, -ENOMEM, -ECANCELED. */
int indexed_by_type(struct indexed *ix, const uint32_t **ret);
/*
 * Nodes that refer to a node, synthetic ones, weak references and instances of a type
 * included, each once, appended to ret (u32).  0, -ENOMEM, -ECANCELED.
 */
int indexed_referrers(struct indexed *ix, uint32_t node, struct vec *ret);

/* By node: one more than the steps on its shortest path from the root (a root group has
 * 2, what it holds 3, ...).  0, -ENOMEM, -ECANCELED. */
int indexed_depth(struct indexed *ix, const uint32_t **ret);
/* By node: one more than the object on its shortest path that a synthetic node holds,
 * or than itself where it is synthetic.  0, -ENOMEM, -ECANCELED. */
int indexed_top(struct indexed *ix, const uint32_t **ret);
/* By node: one more than the nearest synthetic node that dominates it, or than itself.
 * 0, -ENOMEM, -ECANCELED. */
int indexed_held(struct indexed *ix, const uint32_t **ret);

#endif
