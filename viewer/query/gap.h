/* SPDX-License-Identifier: MIT */
/*
 * gap - ascending numbers as the gaps between them: seven bits a byte, the low ones
 * first, the high bit set where more follow.  At most five bytes.
 *
 * No larger and no smaller than the varints of formats/core/bytes.h, whose quick writes
 * change the bytes behind as well: here other lists' gaps stand there already.
 */
#ifndef PYMEM_VIEWER_QUERY_GAP_H
#define PYMEM_VIEWER_QUERY_GAP_H

#include <stdint.h>

static inline unsigned gap_size(uint32_t gap)
{
	return gap < 1u << 7   ? 1 :
		gap < 1u << 14 ? 2 :
		gap < 1u << 21 ? 3 :
		gap < 1u << 28 ? 4 :
				 5;
}

/* Writes it; where the next one goes. */
static inline uint8_t *gap_put(uint8_t *to, uint32_t gap)
{
	for (; gap >= 1u << 7; gap >>= 7)
		*to++ = (uint8_t)(gap | 0x80);
	*to = (uint8_t)gap;
	return to + 1;
}

/* Reads it from *from, which moves to the next one. */
static inline uint32_t gap_get(const uint8_t **from)
{
	uint32_t gap = **from & 0x7f;

	for (unsigned shift = 7; *(*from)++ & 0x80; shift += 7)
		gap |= (uint32_t)(**from & 0x7f) << shift;
	return gap;
}

#endif
