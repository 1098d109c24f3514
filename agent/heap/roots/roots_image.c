/* SPDX-License-Identifier: MIT */
/*
 * roots_image - static variables of the interpreter itself, in the writable data
 * of the image that holds PyType_Type.  See roots.h.
 *
 *  interned	<= 3.11, a dict (Objects/unicodeobject.c)
 *  type cache	<= 3.9, method_cache[4096] of {u32 version, name, value}; it owns
 *		the names (Objects/typeobject.c).  Found as a long run of words that
 *		all fit that pattern.
 */
#include "agent/heap/roots/roots_image.h"

#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/strings.h"
#include "agent/heap/roots/interned.h"

enum { CACHE_STRIDE = 24, CACHE_RUN = 512, CACHE_MAX = 1 << 16 };

struct roots {
	uint64_t cache_start, cache_end; /* the static type cache, <= 3.9 */
};

static uint64_t roots_image_interned(struct walk *w, const struct walk_range *range)
{
	uint64_t dict_type = CPYTHON_ADDR(w->py, dict_type);

	for (uint64_t at = range->start; at + 8 <= range->end; at += 8) {
		uint64_t word = peek64(at);

		if (sound_exact(w, word, dict_type) && interned_is(w, word))
			return word;
	}
	return 0;
}

/* May there be a cache entry? An unused one has no name, or None. */
static bool roots_image_fits_entry(struct walk *w, uint64_t at)
{
	uint64_t name = peek64(at + 8), value = peek64(at + 16);

	return peek64(at) < 1ull << 32 &&
		(!name || name == CPYTHON_ADDR(w->py, none) ||
		 sound_exact(w, name, CPYTHON_ADDR(w->py, unicode_type))) &&
		(!value || peek_plausible(value));
}

static uint32_t roots_image_run(struct walk *w, uint64_t at, uint64_t end)
{
	uint32_t n = 0;

	while (n < CACHE_MAX && at + CACHE_STRIDE <= end &&
	       roots_image_fits_entry(w, at)) {
		at += CACHE_STRIDE;
		n++;
	}
	return n;
}

/* A used entry at `at`: the run it is in is the cache if it is long enough. */
static uint64_t roots_image_emit_cache(struct walk *w, uint64_t at, uint64_t end)
{
	struct roots *roots = w->roots;
	uint32_t n = roots_image_run(w, at, end),
		 name = strings_add_text(w, "type attribute cache");

	if (n < CACHE_RUN)
		return at + 8;
	for (uint32_t i = 0; i < n && !w->err; i++)
		events_root(w, SNAP_ROOT_INTERPRETER, 0, 0, 0, name,
			    peek64(at + (uint64_t)i * CACHE_STRIDE + 8));
	roots->cache_start = at;
	roots->cache_end = at + (uint64_t)n * CACHE_STRIDE;
	return roots->cache_end;
}

static void roots_image_find_cache(struct walk *w, const struct walk_range *range)
{
	uint64_t at = range->start, str = CPYTHON_ADDR(w->py, unicode_type);

	while (at + CACHE_STRIDE <= range->end && !w->err) {
		uint64_t tag = peek64(at);

		if (tag && tag < 1ull << 32 && sound_exact(w, peek64(at + 8), str) &&
		    roots_image_fits_entry(w, at))
			at = roots_image_emit_cache(w, at, range->end);
		else
			at += 8;
	}
}

void roots_image(struct walk *w)
{
	uint64_t type_type = CPYTHON_ADDR(w->py, type_type), end = 0;
	struct roots *roots = context_alloc(w, sizeof(*roots));

	w->roots = roots;
	if (!roots || w->lay->interned_in_state)
		return;
	for (uint32_t i = 0; i < w->nranges && !w->err; i++) {
		const struct walk_range *range = &w->ranges[i];

		if (type_type >= range->start && type_type < range->end)
			end = range->start;
		if (!end || range->start != end || !range->image ||
		    (range->perms & 3) != 3)
			continue;
		end = range->end; /* .bss may be a mapping of its own */
		if (!w->interned[0]) {
			uint64_t dict = roots_image_interned(w, range);

			if (dict)
				interned_emit(w, dict);
		}
		if (!w->lay->type_cache_in_state)
			roots_image_find_cache(w, range);
	}
}

void roots_image_cache(const struct walk *w, uint64_t *start_ret, uint64_t *end_ret)
{
	const struct roots *roots = w->roots;

	*start_ret = roots ? roots->cache_start : 0;
	*end_ret = roots ? roots->cache_end : 0;
}
