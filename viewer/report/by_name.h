/* SPDX-License-Identifier: MIT */
/* by_name - types of equal name added up: a program may make the same class many
 * times. */
#ifndef PYMEM_VIEWER_REPORT_BY_NAME_H
#define PYMEM_VIEWER_REPORT_BY_NAME_H

#include "viewer/analysis/analysis.h"

struct named_type {
	uint64_t count, size, retained; /* retained: 0 without an analysis */
	uint64_t native;		/* what its instances own alone outside */
	uint32_t type;			/* id of one of them */
	uint32_t approximate;		/* some sizes are the base formula */
};
struct by_name {
	struct vec types;
}; /* struct named_type, by size and native descending, then
					 * name */

/* 0 or -ENOMEM. analysis may be NULL. */
int by_name_build(struct by_name *names, const struct heap *heap,
		  const struct analysis *analysis);
void by_name_free(struct by_name *names);
/* Entry of that name (as heap_type_name gives it), or NULL; after by_name_sort_names
 * only. */
const struct named_type *by_name_find(const struct by_name *names,
				      const struct heap *heap, const char *name);
void by_name_sort_names(struct by_name *names, const struct heap *heap);

static inline size_t by_name_count(const struct by_name *names)
{
	return VEC_COUNT(names->types, struct named_type);
}
static inline const struct named_type *by_name_at(const struct by_name *names, size_t i)
{
	return VEC(names->types, struct named_type) + i;
}

#endif
