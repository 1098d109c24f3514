/* SPDX-License-Identifier: MIT */
/* candidates - what somebody may have meant by a type's name that wasn't found. */
#ifndef PYMEM_VIEWER_NAME_CANDIDATES_H
#define PYMEM_VIEWER_NAME_CANDIDATES_H

#include "viewer/model/heap.h"
#include "viewer/text/text.h"

/* "no type of that name in the snapshot", or "several types end in that name", and up to
 * six that have it in theirs (any case), those with most instances first: "; there are:
 * app.Session (40,001), ...". */
void candidates_text(struct text *out, const struct heap *heap, const char *name);

#endif
