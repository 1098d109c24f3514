/* SPDX-License-Identifier: MIT */
/* room - how many items a container's table has room for. */
#ifndef PYMEM_VIEWER_ANALYSIS_ROOM_H
#define PYMEM_VIEWER_ANALYSIS_ROOM_H

#include "viewer/model/heap.h"

/* Whether a list, dict or set has room for far more than it holds (eight times as much);
 * of any object: how much (to two digits), and how many it holds. */
bool room_unused(const struct heap *heap, uint32_t container, uint64_t *capacity_ret,
		 uint64_t *items_ret);

#endif
