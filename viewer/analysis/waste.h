/* SPDX-License-Identifier: MIT */
/*
 * waste - memory that containers reserve and don't use.
 *
 * Lower bounds: the table a dict or set of that many items needs is computed
 * with the largest entry any CPython version has (dict 24, set 16 bytes), so what is
 * called wasted is wasted in all of them.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_WASTE_H
#define PYMEM_VIEWER_ANALYSIS_WASTE_H

#include "viewer/analysis/analysis.h"

enum waste_kind {
	WASTE_EMPTY_DICT,  /* a dict without items that has a table */
	WASTE_SPARSE_DICT, /* a dict whose table is larger than its items need */
	WASTE_EMPTY_LIST,
	WASTE_SPARSE_LIST, /* over-allocated list */
	WASTE_EMPTY_SET,
	WASTE_SPARSE_SET,
	WASTE_INSTANCE_DICT, /* instances whose __dict__ is larger than __slots__
				 * would be */
	WASTE_KIND_COUNT
};

struct waste {
	uint64_t count, size, wasted; /* bytes: of the containers (dicts); of those, not
					 * needed */
	uint64_t worst;		      /* most wasted by one: */
	uint32_t example;
	uint32_t type; /* of the container; INSTANCE_DICT: of the
					 * instances */
	enum waste_kind kind;
};

/* Appends a struct waste per (kind, type) met. 0, -ENOMEM, -ECANCELED. */
int waste_find(const struct heap *heap, const struct progress *progress, struct vec *ret);

#endif
