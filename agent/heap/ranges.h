/* SPDX-License-Identifier: MIT */
#ifndef PYMEM_AGENT_HEAP_RANGES_H
#define PYMEM_AGENT_HEAP_RANGES_H

#include "agent/heap/walk_internal.h"

/* Reads /proc/self/maps into w->ranges. 0, -ENOMEM, or -EIO. */
int ranges_read(struct walk *w);

#endif
