/* SPDX-License-Identifier: MIT */
/*
 * malloc_stats - glibc's malloc, by walking its chunks: see allocators.h.
 *
 * A chunk (struct malloc_chunk, malloc/malloc.c): 8 bytes of the previous one's
 * size or data, then its own size, whose low bits mean 1 = the previous chunk is
 * in use, 2 = mmapped, 4 = not of the main arena.  Chunks follow one another
 * without gaps up to the top chunk, which ends where the heap ends.
 *  main arena	from the start of [heap]
 *  others	heaps aligned to 64 MiB that begin with heap_info {arena, previous
 *		heap, size, ...}; the first heap of an arena has its malloc_state in
 *		it, so the first chunk is found as the one whose chain ends exactly
 *		at the end of the heap (malloc/arena.c)
 *  mmapped	a mapping that begins with previous size 0 and a page-aligned size
 */
#include "agent/base/page.h"
#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/memory/allocators.h"
#include "agent/heap/memory/memory.h"

enum {
	PREV_INUSE = 1,
	IS_MMAPPED = 2,
	FLAGS = 7,
	CHUNK_MIN = 32,
	VISIT_MIN = 512, /* smaller ones are pymalloc's */
	STATE_MIN = 0x800,
	STATE_MAX = 0xa00, /* sizes of malloc_state to try */
};
#define HEAP_ALIGNMENT (64ull << 20)
#define CHUNKS_MAX (1ull << 25) /* then we stop looking: too slow */

struct chunks {
	allocators_visit_fn *visit; /* for each chunk in use, or NULL */
	uint64_t used, used_bytes, free, free_bytes, top;
	uint64_t arenas, mapped, mapped_bytes;
};

/*
 * Goes over the chunks of [pos, end).  True when the chain is sound up to the
 * end; ret then has its sums.
 */
static bool malloc_stats_chain(uint64_t pos, uint64_t end, struct chunks *ret)
{
	struct chunks sum = { 0 };
	uint64_t size = 0, n = 0;

	while (pos + 16 <= end) {
		uint64_t next, word = peek64(pos + 8);

		size = word & ~(uint64_t)FLAGS;
		next = pos + size;
		if (size < 16 || size % 16 || next > end || next < pos ||
		    (word & IS_MMAPPED) || ++n > CHUNKS_MAX)
			return false;
		if (next + 16 > end) { /* the top chunk, or fenceposts */
			sum.top += size;
			*ret = sum;
			return end - next < CHUNK_MIN;
		}
		if (peek64(next + 8) & PREV_INUSE) {
			sum.used++;
			sum.used_bytes += size;
		} else {
			sum.free++;
			sum.free_bytes += size;
		}
		pos = next;
	}
	return false;
}

/* Chunks of a chain that is sound. */
static void malloc_stats_visit(struct walk *w, uint64_t pos, uint64_t end,
			       allocators_visit_fn *visit)
{
	while (pos + 16 <= end && !w->err) {
		uint64_t size = peek64(pos + 8) & ~(uint64_t)FLAGS, next = pos + size;

		if (next + 16 > end)
			return;
		if (size >= VISIT_MIN && (peek64(next + 8) & PREV_INUSE))
			visit(w, pos + 16, size - 8, 1);
		pos = next;
	}
}

static void malloc_stats_add(struct chunks *sum, const struct chunks *part)
{
	sum->used += part->used;
	sum->used_bytes += part->used_bytes;
	sum->free += part->free;
	sum->free_bytes += part->free_bytes;
	sum->top += part->top;
}

static bool malloc_stats_main(struct walk *w, const struct memory *memory,
			      struct chunks *sum)
{
	struct chunks part;

	for (size_t i = 0; i < memory->count; i++) {
		const struct walk_range *range;

		if (memory->maps[i].class_ != SNAP_MAP_HEAP)
			continue;
		/* the copy's heap: the target's may have grown meanwhile */
		range = ranges_of(w, memory->maps[i].start);
		for (int at = 0; range && at < 64; at += 16)
			if (malloc_stats_chain(range->start + (unsigned)at, range->end,
					       &part)) {
				malloc_stats_add(sum, &part);
				if (sum->visit)
					malloc_stats_visit(w, range->start + (unsigned)at,
							   range->end, sum->visit);
				return true;
			}
	}
	return false;
}

/* A heap of another arena at this 64 MiB boundary? Its chunks are added to sum. */
static bool malloc_stats_other(struct walk *w, uint64_t heap, struct chunks *sum,
			       uint64_t *arenas)
{
	uint64_t state, previous, size, start, stop;
	struct chunks part;

	if (!ranges_hold(w, heap, page_size()))
		return false;
	state = peek64(heap);
	previous = peek64(heap + 8);
	size = peek64(heap + 16);
	if (!peek_plausible(state) || size < page_size() || size > HEAP_ALIGNMENT ||
	    size % page_size() || !ranges_readable(w, heap, size))
		return false;
	start = heap + 32;
	stop = heap + 64;
	if (!previous) {
		if (state < heap + 32 || state > heap + 64)
			return false;
		start = state + STATE_MIN;
		stop = state + STATE_MAX;
	}
	for (uint64_t at = start; at <= stop && at + CHUNK_MIN < heap + size; at += 16)
		if (malloc_stats_chain(at, heap + size, &part)) {
			malloc_stats_add(sum, &part);
			if (sum->visit)
				malloc_stats_visit(w, at, heap + size, sum->visit);
			*arenas += !previous;
			return true;
		}
	return false;
}

static void malloc_stats_mapped(struct walk *w, const struct memory_map *map,
				struct chunks *sum)
{
	uint64_t at = map->start;

	while (at + 16 <= map->end && ranges_hold(w, at, 16) && !w->err) {
		uint64_t word = peek64(at + 8), size = word & ~(uint64_t)FLAGS;

		if (peek64(at) || (word & FLAGS) != IS_MMAPPED || !size ||
		    size % page_size() || size > map->end - at)
			return;
		sum->mapped++;
		sum->mapped_bytes += size;
		if (sum->visit)
			sum->visit(w, at + 16, size - 16, 1);
		at += size;
	}
}

/* All arenas and mapped chunks; false: the main arena's chain is not understood. */
static bool malloc_stats_all(struct walk *w, struct chunks *sum)
{
	const struct memory *memory = w->memory;
	bool known = malloc_stats_main(w, memory, sum);

	for (size_t i = 0; i < memory->count && !w->err; i++) {
		const struct memory_map *map = &memory->maps[i];
		uint64_t heap = (map->start + HEAP_ALIGNMENT - 1) & ~(HEAP_ALIGNMENT - 1);

		if ((map->class_ != SNAP_MAP_ANON && map->class_ != SNAP_MAP_STACK) ||
		    (map->perms & 3) != 3)
			continue;
		malloc_stats_mapped(w, map, sum);
		for (; heap < map->end; heap += HEAP_ALIGNMENT)
			malloc_stats_other(w, heap, sum, &sum->arenas);
	}
	return known;
}

void malloc_blocks(struct walk *w, allocators_visit_fn *visit)
{
	struct chunks sum = { .visit = visit };

	if (w->options->in_copy) /* other threads allocate while we look */
		malloc_stats_all(w, &sum);
}

void malloc_facts(struct walk *w)
{
	struct chunks sum = { 0 };
	bool known;

	if (!w->options->in_copy) {
		events_fact_u64(w, "malloc.known", 0);
		return;
	}
	known = malloc_stats_all(w, &sum);
	events_fact_u64(w, "malloc.known", known);
	events_fact_u64(w, "malloc.mapped_chunks", sum.mapped);
	events_fact_u64(w, "malloc.mapped_bytes", sum.mapped_bytes);
	if (!known)
		return;
	events_fact_u64(w, "malloc.arenas", sum.arenas + 1);
	events_fact_u64(w, "malloc.used_chunks", sum.used);
	events_fact_u64(w, "malloc.used_bytes", sum.used_bytes);
	events_fact_u64(w, "malloc.free_chunks", sum.free);
	events_fact_u64(w, "malloc.free_bytes", sum.free_bytes);
	events_fact_u64(w, "malloc.top_bytes", sum.top);
}
