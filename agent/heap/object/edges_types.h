/* SPDX-License-Identifier: MIT */
/* edges_types - the references of type objects. */
#ifndef PYMEM_AGENT_HEAP_OBJECT_EDGES_TYPES_H
#define PYMEM_AGENT_HEAP_OBJECT_EDGES_TYPES_H

#include "agent/heap/core/context.h"

walk_edges_fn edges_types_of;

#endif
