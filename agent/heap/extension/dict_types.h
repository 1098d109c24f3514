/* SPDX-License-Identifier: MIT */
/* dict_types - what has the structure of a dict, or adds a field to it. */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_DICT_TYPES_H
#define PYMEM_AGENT_HEAP_EXTENSION_DICT_TYPES_H

#include "agent/heap/core/specialist.h"

extern const struct specialist dict_types_specialists[];

#endif
