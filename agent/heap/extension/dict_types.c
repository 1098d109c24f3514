/* SPDX-License-Identifier: MIT */
/* dict_types - see dict_types.h. */
#include "agent/heap/extension/dict_types.h"

#include "agent/heap/core/references.h"
#include "agent/heap/object/edges.h"

/* 3.15+: a dict's structure, then a hash (Objects/dictobject.c). */
static uint32_t dict_types_frozen(struct walk *w, struct walk_type *type, uint64_t obj)
{
	if (!(w->lay->unknown & LAYOUT_DICT))
		return edges_dict(w, type, obj);
	references_traverse(w, type, obj);
	return 0;
}

const struct specialist dict_types_specialists[] = {
	{ .name = "frozendict", .edges = dict_types_frozen },
	/* its factory is a member (Modules/_collectionsmodule.c) */
	{ .name = "collections.defaultdict", .complete = true },
	{ .name = NULL },
};
