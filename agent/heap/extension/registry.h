/* SPDX-License-Identifier: MIT */
/* registry - the list of specialists: which C types we know more of. */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_REGISTRY_H
#define PYMEM_AGENT_HEAP_EXTENSION_REGISTRY_H

#include "agent/heap/core/specialist.h"

/* Sets type->specialist and special_base: before the record is filled in. */
void registry_find(struct walk *w, struct walk_type *type);

/* When the record is filled in: what the specialist, a probe or the buffer protocol
 * adds to it. */
void registry_plan(struct walk *w, struct walk_type *type);

/* By which name the tables know the C type called `name`; a hook of the walk. */
const char *registry_alias(struct walk *w, const char *name, char *buf, size_t size);

/* After the sweeps: asks what had to wait. */
void registry_finish(struct walk *w);

#endif
