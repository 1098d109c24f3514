/* SPDX-License-Identifier: MIT */
/*
 * indexed - one process's snapshot as queries read it: its heap and analysis, and the
 * indexes that are made when a query first needs them.
 *
 *	typed      objects by their type's name, a byte or two each: for equality and
 *	           GROUP BY
 *	sources    who refers to a target, some three bytes a reference
 *	stage      along paths: steps to the root; the first object below a synthetic
 *	           node; the synthetic node that dominates it
 *
 * The first questions for a target, and for a type, are answered by a pass over the
 * heap: one question needs no index.  Names of types are escaped once.  Not for
 * concurrent use.
 */
#ifndef PYMEM_VIEWER_QUERY_INDEXED_H
#define PYMEM_VIEWER_QUERY_INDEXED_H

#include "viewer/analysis/growth.h"
#include "viewer/query/sources.h"
#include "viewer/query/stage.h"
#include "viewer/query/typed.h"
#include "viewer/text/text.h"
#include "viewer/workspace.h"

enum { INDEXED_STAGES = STAGE_HELD + 1, INDEXED_ADDRESSES = 1024 };

struct indexed {
	struct process *process;
	struct heap *heap;
	struct analysis *analysis;
	const struct progress *progress; /* of the engine */
	struct vec name;		 /* u32 per type id: offset in names */
	struct text names;		 /* escaped, NUL-terminated each */
	struct vec rank;    /* u32 per type id: of its name among all names */
	struct vec ranked;  /* u32 per rank: a type id of that name */
	struct typed typed; /* empty until asked for */
	struct sources sources;
	struct stage stage[INDEXED_STAGES]; /* by rule */
	struct {
		uint32_t node; /* plus 1; 0: none */
		uint64_t address;
	} recent[INDEXED_ADDRESSES]; /* by node, modulo */
	struct vec address;   /* u64 per object, while all are asked for; else empty */
	struct growth growth; /* empty until asked for */
	unsigned asked_type, asked_target;
	struct {
		uint32_t object; /* plus 1; 0: none */
		uint32_t values;
	} lent; /* relation_attribute.c: where the last object's dict has its values */
};

/* The type's names and ranks; the rest comes when asked for.  0 or -ENOMEM; free with
 * indexed_free in any case.  process and progress must outlive it. */
int indexed_open(struct indexed *ix, struct process *process,
		 const struct progress *progress);
void indexed_free(struct indexed *ix);

/* That the addresses of all objects are at hand: 8 bytes each, until indexed_free.  Where
 * there is no memory they are looked up as before. */
void indexed_list_addresses(struct indexed *ix);
/* heap_address of an object: those that many rows have, as the holder of a list's items,
 * aren't looked up for each. */
uint64_t indexed_address(struct indexed *ix, uint32_t object);
/* Escaped name of a type id; "" for 0.  Valid until indexed_free. */
const char *indexed_type_name(const struct indexed *ix, uint32_t type);
/* Rank of an escaped name; UINT32_MAX: there is no such type. */
uint32_t indexed_rank(const struct indexed *ix, const char *name);

/* The rank of each class's (heap.h) type, appended to ret (u32): a pass over the objects
 * reads one array by it.  0 or -ENOMEM. */
int indexed_class_ranks(const struct indexed *ix, struct vec *ret);
/*
 * Objects of the types of one name, appended to ret (u32), ascending address.
 * 0, -ENOMEM, -ECANCELED.
 */
int indexed_of_rank(struct indexed *ix, uint32_t rank, struct vec *ret);
/* That no later question of that kind is answered by a pass.  0, -ENOMEM, -ECANCELED. */
int indexed_by_type(struct indexed *ix);
/* Ranks are below this. */
static inline uint32_t indexed_ranks(const struct indexed *ix)
{
	return (uint32_t)VEC_COUNT(ix->ranked, uint32_t);
}
/*
 * Nodes that refer to a node, synthetic ones, weak references and instances of a type
 * included, each once, appended to ret (u32).  0, -ENOMEM, -ECANCELED.
 */
int indexed_referrers(struct indexed *ix, uint32_t node, struct vec *ret);

/* What a node has by its path (stage.h).  0, -ENOMEM, -ECANCELED. */
int indexed_find(struct indexed *ix, enum stage_rule rule, uint32_t node, uint32_t *ret);

#endif
