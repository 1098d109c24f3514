/* SPDX-License-Identifier: MIT */
/*
 * sites - what each line of the program allocated, in a snapshot of a process that
 * tracemalloc was counting in (model/site.h).
 *
 * Sites of one file and line are one place, however they were called.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_SITES_H
#define PYMEM_VIEWER_ANALYSIS_SITES_H

#include "viewer/analysis/analysis.h"

struct sites_place {
	uint32_t file;	    /* string id */
	uint32_t line;	    /* 0: unknown */
	uint64_t blocks;    /* in use that it asked for, */
	uint64_t allocated; /* and their bytes, as tracemalloc counts */
	uint64_t objects;   /* in these blocks, */
	uint64_t size;	    /* their bytes */
	uint64_t retained;  /* bytes that these keep alive, each once; those of two places
			     * may be the same */
	uint32_t node;	    /* the object of these that retains most; HEAP_NONE */
	uint32_t site;	    /* the one that asked for most */
	uint64_t site_allocated;
};

struct sites {
	struct vec place; /* struct sites_place, most allocated first */
	uint64_t unknown_objects, unknown_size; /* allocated before the tracing began, or
						 * by code that it doesn't see */
};

/* 0, -ENOMEM, -ECANCELED; sites_free in any case. */
int sites_build(struct sites *sites, struct analysis *analysis,
		const struct progress *progress);
void sites_free(struct sites *sites);

static inline size_t sites_count(const struct sites *sites)
{
	return VEC_COUNT(sites->place, struct sites_place);
}

#endif
