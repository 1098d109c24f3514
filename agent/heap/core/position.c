/* SPDX-License-Identifier: MIT */
/* position - see position.h. */
#include "agent/heap/core/position.h"

struct walk_position walk_position;
