/* SPDX-License-Identifier: MIT */
/* suspect_member - what belongs to a suspect that is a group (suspects.h). */
#ifndef PYMEM_VIEWER_ANALYSIS_SUSPECT_MEMBER_H
#define PYMEM_VIEWER_ANALYSIS_SUSPECT_MEMBER_H

#include "viewer/analysis/analysis.h"

/* What holds a member: some object, to be found; or nothing but this. */
enum held {
	HELD_BY_OBJECT,
	HELD_BY_C,
	HELD_BY_NOTHING,
	HELD_BY_ATEXIT,
	HELD_FOR_EVER,
	HELDS
};

/* The group of roots that stands for it; not of HELD_BY_OBJECT. */
enum heap_synth_kind suspect_member_holder(enum held held);
/* What holds a node that only roots dominate. */
enum held suspect_member_held(const struct analysis *analysis, uint32_t node);
/* Whether an object of the member type belongs to the group; point: what holds it, of
 * local variables one of the frames, or HEAP_NONE. */
bool suspect_member_is(const struct analysis *analysis, uint32_t point, uint32_t node);

#endif
