/* SPDX-License-Identifier: MIT */
/* deque - collections.deque. */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_DEQUE_H
#define PYMEM_AGENT_HEAP_EXTENSION_DEQUE_H

#include "agent/heap/core/specialist.h"

extern const struct specialist deque_specialists[];

#endif
