/* SPDX-License-Identifier: MIT */
/* lru_cache - functools.lru_cache. */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_LRU_CACHE_H
#define PYMEM_AGENT_HEAP_EXTENSION_LRU_CACHE_H

#include "agent/heap/core/specialist.h"

extern const struct specialist lru_cache_specialists[];

#endif
