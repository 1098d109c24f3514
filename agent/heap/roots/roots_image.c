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
#include "agent/heap/roots/roots.h"
#include "agent/heap/core/walk_internal.h"

enum { CACHE_STRIDE = 24, CACHE_RUN = 512, CACHE_MAX = 1 << 16 };

static bool is_exact(struct walk *w, uint64_t word, uint64_t type)
{
	return peek_plausible(word) && (word & 7) == 0 && walk_readable(w, word, 64) &&
		walk_typeof(w, word) == type;
}

static uint64_t find_interned(struct walk *w, const struct walk_range *range)
{
	uint64_t dict_type = CPYTHON_ADDR(w->py, dict_type);

	for (uint64_t at = range->start; at + 8 <= range->end; at += 8) {
		uint64_t word = peek64(at);

		if (is_exact(w, word, dict_type) && walk_is_object(w, word) &&
		    roots_is_interned(w, word))
			return word;
	}
	return 0;
}

/* May there be a cache entry? An unused one has no name, or None. */
static bool fits_entry(struct walk *w, uint64_t at)
{
	uint64_t name = peek64(at + 8), value = peek64(at + 16);

	return peek64(at) < 1ull << 32 &&
		(!name || name == CPYTHON_ADDR(w->py, none) ||
		 is_exact(w, name, CPYTHON_ADDR(w->py, unicode_type))) &&
		(!value || peek_plausible(value));
}

static uint32_t entry_run(struct walk *w, uint64_t at, uint64_t end)
{
	uint32_t n = 0;

	while (n < CACHE_MAX && at + CACHE_STRIDE <= end && fits_entry(w, at)) {
		at += CACHE_STRIDE;
		n++;
	}
	return n;
}

/* A used entry at `at`: the run it is in is the cache if it is long enough. */
static uint64_t emit_cache(struct walk *w, uint64_t at, uint64_t end)
{
	struct roots *roots = w->roots;
	uint32_t n = entry_run(w, at, end),
		 name = walk_cstring(w, "type attribute cache");

	if (n < CACHE_RUN)
		return at + 8;
	for (uint32_t i = 0; i < n && !w->err; i++)
		walk_root(w, SNAP_ROOT_INTERPRETER, 0, 0, 0, name,
			  peek64(at + (uint64_t)i * CACHE_STRIDE + 8));
	roots->cache_start = at;
	roots->cache_end = at + (uint64_t)n * CACHE_STRIDE;
	return roots->cache_end;
}

static void find_cache(struct walk *w, const struct walk_range *range)
{
	uint64_t at = range->start, str = CPYTHON_ADDR(w->py, unicode_type);

	while (at + CACHE_STRIDE <= range->end && !w->err) {
		uint64_t version = peek64(at);

		if (version && version < 1ull << 32 && is_exact(w, peek64(at + 8), str) &&
		    fits_entry(w, at))
			at = emit_cache(w, at, range->end);
		else
			at += 8;
	}
}

void roots_image(struct walk *w)
{
	uint64_t type_type = CPYTHON_ADDR(w->py, type_type), end = 0;

	if (cpython_since(w->py, 12))
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
			uint64_t dict = find_interned(w, range);

			if (dict)
				roots_interned(w, dict);
		}
		if (!cpython_since(w->py, 10))
			find_cache(w, range);
	}
}
