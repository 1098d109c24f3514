/* SPDX-License-Identifier: MIT */
/* roots_image - static variables of the interpreter itself. */
#ifndef PYMEM_AGENT_HEAP_ROOTS_ROOTS_IMAGE_H
#define PYMEM_AGENT_HEAP_ROOTS_ROOTS_IMAGE_H

#include "agent/heap/core/context.h"

/* What they own: the table of interned strings (<= 3.11) and the type attribute cache
 * (<= 3.9). */
void roots_image(struct walk *w);

/* Where the type attribute cache was found: [start, end); 0, 0: there is none. */
void roots_image_cache(const struct walk *w, uint64_t *start_ret, uint64_t *end_ret);

#endif
