/* SPDX-License-Identifier: MIT */
/*
 * chrome_name - what nodes and references are called in a .heapsnapshot.
 *
 *	an object       its type's name, by which DevTools groups: "shop.models.Order"
 *	str             its text; where it is cut its length and hash are added, so
 *	                that only equal strings have equal names
 *	int, float      its value
 *	a class         its qualified name
 *	a function      its name, and so code
 *	a module        "module shop.cache"
 *	a frame         "handle (views.py:12) of thread MainThread"
 *	native memory   what it is, without its size
 *
 * Raw text of the target where a value is meant, else escaped as everywhere (describe.h):
 * write it as JSON only.
 */
#ifndef PYMEM_VIEWER_DOCUMENT_CHROME_NAME_H
#define PYMEM_VIEWER_DOCUMENT_CHROME_NAME_H

#include "viewer/model/heap.h"
#include "viewer/text/text.h"

struct chrome_name {
	const struct heap *heap;
	uint64_t *classes; /* object << 32 | type id, ascending */
	size_t count;
};

/* 0 or -ENOMEM. */
int chrome_name_init(struct chrome_name *c, const struct heap *heap);
void chrome_name_free(struct chrome_name *c);
/* Appends the name of any node. */
void chrome_name_node(struct text *out, const struct chrome_name *c, uint32_t node);
/* Appends a type's name. */
void chrome_name_type(struct text *out, const struct heap *heap, uint32_t type);
/* Whether a node goes by its type's name and by nothing else. */
bool chrome_name_is_type(const struct heap *heap, uint32_t node);
/* Appends what the label of a reference says besides its kind, or ""; where the label has
 * a name that isn't empty, it says that and nothing else. */
void chrome_name_edge(struct text *out, const struct heap *heap,
		      const struct heap_label *label);

#endif
