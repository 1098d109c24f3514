/* SPDX-License-Identifier: MIT */
/* carver - hands out parts of one piece of memory, one after the other, each on a
 * boundary of 64 bytes; without a piece it only counts. */
#ifndef PYMEM_FORMATS_CORE_CARVER_H
#define PYMEM_FORMATS_CORE_CARVER_H

#include <stddef.h>

struct carver {
	char *base; /* NULL: count */
	size_t used;
};

/* The next `size` bytes; NULL where it only counts. */
static inline void *carver_take(struct carver *c, size_t size)
{
	const size_t at = c->used;

	c->used += (size + 63) & ~(size_t)63;
	return c->base ? c->base + at : NULL;
}

#endif
