/* SPDX-License-Identifier: MIT */
/*
 * peek_image - memory that the walk reads when it is compiled with PEEK_IMAGE.
 *
 * Where it comes from is data: pieces of memory, or a function that gives them
 * (a recorder reads a living process; a core file could be mapped).  Single-threaded.
 */
#ifndef PYMEM_AGENT_BASE_PEEK_IMAGE_H
#define PYMEM_AGENT_BASE_PEEK_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/* A piece of memory; aligned to 8 in both address spaces. */
struct peek_segment {
	uint64_t start, size;
	const unsigned char *bytes;
};

/*
 * The bytes of [addr, addr + size), or NULL when they are not all there.  *more_ret:
 * how many follow without a gap, at least size.
 */
typedef const unsigned char *peek_source_fn(uint64_t addr, uint64_t size,
					    uint64_t *more_ret);

/* Reads these from now on: ascending, apart; the caller's until others are set. */
void peek_image_set(const struct peek_segment *segments, size_t count);
/* Asks this function instead. */
void peek_image_ask(peek_source_fn *source);
/* For a function that gives pieces: this one needn't be asked for any more, until another
 * is kept or set; NULL: every read is asked for. */
void peek_image_keep(const struct peek_segment *piece);
/* Direct reads that were not in the image, since it was set: 0 in a sound test. */
uint64_t peek_image_missing(void);

#endif
