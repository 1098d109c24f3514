/* SPDX-License-Identifier: MIT */
/* roots_image - static variables of the interpreter itself. */
#ifndef PYMEM_AGENT_HEAP_ROOTS_ROOTS_IMAGE_H
#define PYMEM_AGENT_HEAP_ROOTS_ROOTS_IMAGE_H

#include "agent/heap/core/context.h"

/* What they own: the table of interned strings (<= 3.11) and the type attribute cache
 * (<= 3.9). */
void roots_image(struct walk *w);

/* The end of the type attribute cache, if addr lies in it; else 0. */
uint64_t roots_image_cache_end(const struct walk *w, uint64_t addr);

#endif
