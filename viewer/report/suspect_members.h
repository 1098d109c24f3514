/* SPDX-License-Identifier: MIT */
/*
 * suspect_members - what is worth saying of a suspect's members beyond their type: what
 * callbacks call, how few there are for the room that is kept for them.
 */
#ifndef PYMEM_VIEWER_REPORT_SUSPECT_MEMBERS_H
#define PYMEM_VIEWER_REPORT_SUSPECT_MEMBERS_H

#include "viewer/analysis/suspects.h"
#include "viewer/text/text.h"

/* "2,000 User", "2,000 method Connection.close". */
void suspect_members_text(struct text *out, const struct analysis *analysis,
			  const struct suspect *s);
/* ", most of each in .__traceback__ -> traceback.tb_frame -> frame f() > rows -> list"
 * where the members have their memory in the same place below them; else nothing. */
void suspect_members_inside(struct text *out, const struct heap *heap,
			    const struct suspect *s);
/* " -> 83 MiB of Connection data" where the native memory that the suspect's object
 * itself owns is most of what it retains, and true; else nothing. */
bool suspect_members_native(struct text *out, const struct heap *heap,
			    const struct suspect *s);
/* ", still shared with ...", ", private" or how much of it is, where the snapshot
 * tells. */
void suspect_members_shared(struct text *out, const struct suspect *s);
/* ", capacity for about 1.4 M, holds 10" where a container's own table, or those of its
 * members together, are most of what the suspect retains and nearly empty; else nothing.
 */
void suspect_members_room(struct text *out, const struct heap *heap, uint32_t container,
			  const struct suspect *s);
/* Whether it is such a container. */
bool suspect_members_emptied(const struct heap *heap, uint32_t container,
			     const struct suspect *s);

#endif
