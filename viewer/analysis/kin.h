/* SPDX-License-Identifier: MIT */
/* kin - what a type derives from, by the names in its __mro__. */
#ifndef PYMEM_VIEWER_ANALYSIS_KIN_H
#define PYMEM_VIEWER_ANALYSIS_KIN_H

#include "viewer/model/heap.h"

/* Whether a type (an id, 0: none) is one of `names`, or derives from one: qualified
 * names, one space between. */
bool kin_is(const struct heap *heap, uint32_t type, const char *names);
/* A byte per type id, types + 1 of them: 1 where kin_is. Frees with vec_free. 0 or
 * -ENOMEM. */
int kin_find(const struct heap *heap, const char *names, struct vec *ret);

#endif
