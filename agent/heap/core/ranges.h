/* SPDX-License-Identifier: MIT */
/*
 * ranges - the mappings of this process when the walk began: what may be read.
 */
#ifndef PYMEM_AGENT_HEAP_CORE_RANGES_H
#define PYMEM_AGENT_HEAP_CORE_RANGES_H

#include "agent/heap/core/context.h"

/* Reads /proc/self/maps into w->ranges; where that can't be, and in an image, the text
 * that the options have.  0, -ENOMEM, or -EIO. */
int ranges_read(struct walk *w);

/* As ranges_of, where the range that was found last doesn't hold addr. */
const struct walk_range *ranges_other(struct walk *w, uint64_t addr);

/* The range that holds addr, or NULL. */
static inline const struct walk_range *ranges_of(struct walk *w, uint64_t addr)
{
	const struct walk_range *r = &w->ranges[w->last_range];

	if (__builtin_expect(addr - r->start < r->end - r->start, 1))
		return r;
	return ranges_other(w, addr);
}

/* As ranges_hold and ranges_readable, for what isn't seen at a glance. */
bool ranges_hold_slowly(struct walk *w, uint64_t addr, uint64_t size);
bool ranges_readable_slowly(struct walk *w, uint64_t addr, uint64_t size);

/* Can all of [addr, addr + size), which begins in r, be read, and does it end there? */
static inline bool ranges_clear(const struct walk *w, const struct walk_range *r,
				uint64_t addr, uint64_t size)
{
	return size <= r->end - addr && !r->special &&
		(r->image || (r->scanned && !w->pages.out));
}

/* Is addr readable for size bytes, by the maps read when the walk began? */
static inline bool ranges_readable(struct walk *w, uint64_t addr, uint64_t size)
{
	const struct walk_range *r = ranges_of(w, addr);

	if (!r)
		return false;
	return ranges_clear(w, r, addr, size) || ranges_readable_slowly(w, addr, size);
}
/*
 * ... and may there be something else than zeros?  False also for a page that was never
 * touched, so that looking for something leaves no page tables behind.
 */
static inline bool ranges_hold(struct walk *w, uint64_t addr, uint64_t size)
{
	const struct walk_range *r = ranges_of(w, addr);

	if (!r)
		return false;
	return (!r->scanned && ranges_clear(w, r, addr, size)) ||
		ranges_hold_slowly(w, addr, size);
}
/* Copies a C string that may be anywhere, cut to size-1 bytes; false: not readable. */
bool ranges_text(struct walk *w, uint64_t addr, char *buf, size_t size);

/* Is this the code of the interpreter or of a module of its standard library? */
bool ranges_ship_with_python(struct walk *w, uint64_t code);

#endif
