/* SPDX-License-Identifier: MIT */
/*
 * plan - what an instance of a type is: the record that the type table (core/types.h)
 * keeps is filled in here, but for what its references (edges.h), its native memory and
 * its preview need.
 */
#ifndef PYMEM_AGENT_HEAP_OBJECT_PLAN_H
#define PYMEM_AGENT_HEAP_OBJECT_PLAN_H

#include "agent/heap/core/context.h"

/* 0 or -ENOMEM. */
int plan_begin(struct walk *w);

/* Name, kind, flags, where attributes are, and how instances are measured. The
 * specialist is known already. */
void plan_type(struct walk *w, struct walk_type *t);

/* The type event: when the record is complete. */
void plan_send(struct walk *w, const struct walk_type *t);

#endif
