/* SPDX-License-Identifier: MIT */
/*
 * held - references that lie in memory which an object owns outside of itself, or in a
 * field that it doesn't tell the collector of: conservative roots of kind OTHER whose
 * name is their owner's address, "0x7f...".
 *
 * They are words that look like references: one is believed where its target's count has
 * room for one more, once all that is known better has been counted, and becomes a
 * reference of its owner, behind those that it told.
 */
#ifndef PYMEM_VIEWER_MODEL_HELD_H
#define PYMEM_VIEWER_MODEL_HELD_H

#include "viewer/model/heap.h"

/* Whether a root is such a reference. */
bool held_is(const struct heap *heap, const struct snap_root *root);

/* roots: struct snap_root, of any kind. Counts those believed in indegree (u32 per
 * object) and appends them to their owners' references. 0, -ENOMEM, or -EFBIG. */
int held_build(struct heap *heap, const struct vec *roots, uint32_t *indegree);

#endif
