/* SPDX-License-Identifier: MIT */
/*
 * slots - the fields of a type's instances that hold references: members and __slots__
 * of the class and its bases (tp_members), and what the tables know of C types
 * (python/fields.h, python/names_table.h).  Base first, so that a subclass's labels
 * begin like its base's.
 */
#ifndef PYMEM_AGENT_HEAP_OBJECT_SLOTS_H
#define PYMEM_AGENT_HEAP_OBJECT_SLOTS_H

#include "agent/heap/core/context.h"

/* Fills in type->slots; and tail, rest and guess where the tables say so. */
void slots_collect(struct walk *w, struct walk_type *type);
/* Struct sequences (time.struct_time): members name items of the tuple itself. */
void slots_fold_structseq(struct walk *w, struct walk_type *type);
/* Labels of the slots, and shapes from them; again whenever slots were added. */
void slots_shapes(struct walk *w, struct walk_type *type);

#endif
