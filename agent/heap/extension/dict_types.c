/* SPDX-License-Identifier: MIT */
/* dict_types - see dict_types.h. */
#include "agent/heap/extension/dict_types.h"

#include "agent/heap/object/edges.h"

const struct specialist dict_types_specialists[] = {
	/* 3.15+: a dict's structure, then a hash (Objects/dictobject.c) */
	{ .name = "frozendict", .edges = edges_dict },
	/* its factory is a member (Modules/_collectionsmodule.c) */
	{ .name = "collections.defaultdict", .complete = true },
	{ .name = NULL },
};
