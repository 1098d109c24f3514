/* SPDX-License-Identifier: MIT */
/*
 * pymalloc - Python's own small-object allocator: see allocators.h.
 *
 * A pool (4 KiB up to 3.9, 16 KiB since 3.10) starts with a header:
 *
 *	0 u32 blocks in use    8 first free block    16, 24 list links
 *	32 u32 arena index    36 u32 size class      40 u32 next virgin offset
 *	44 u32 last offset
 *
 * (struct pool_header, Objects/obmalloc.c; Include/internal/pycore_obmalloc.h.)
 * Size class i has blocks of (i + 1) * alignment bytes, alignment 16, or 8 in 3.6
 * and early 3.7.  The header's parts depend on each other so strictly that a page
 * of something else is not mistaken for a pool; and pools must lie where the table
 * of arenas says.  That table is found as the pointer in the interpreter's
 * writable data (or state) whose entries contain the pools that index them:
 *
 *	struct arena_object { address, pool_address, u32 free, u32 total,
 *			      freepools, next, prev }		48 bytes
 */
#include "agent/heap/memory/allocators.h"

#include <string.h>

#include "agent/base/page.h"
#include "agent/heap/core/events.h"
#include "agent/heap/core/interps.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/memory/memory.h"

enum {
	POOL_HEAD = 48,
	CLASSES = 64,
	ARENA_ENTRY = 48,
	SAMPLES = 8,
	ARENAS_MAX = 1 << 22,
};

struct pymalloc {
	uint64_t pool_size, arena_size, alignment;
	uint64_t pools, used[CLASSES], free[CLASSES];
	uint64_t absent;	  /* of free: bytes in pages that nobody has touched */
	uint64_t sample[SAMPLES]; /* pools of different arenas */
	uint32_t sample_index[SAMPLES], samples, max_index;
	allocators_visit_fn *visit; /* NULL: count the blocks */
	void *arg;
};

struct pool {
	uint32_t count, arena, class_, next, last;
	uint64_t block;
};

/* Is there a pool header of a pool in use at addr? */
static bool pymalloc_read_pool(const struct pymalloc *state, uint64_t addr,
			       struct pool *pool)
{
	uint64_t capacity, free_block = peek64(addr + 8);

	pool->count = peek32(addr);
	pool->arena = peek32(addr + 32);
	pool->class_ = peek32(addr + 36);
	pool->next = peek32(addr + 40);
	pool->last = peek32(addr + 44);
	if (pool->class_ >= 512 / state->alignment || pool->arena >= ARENAS_MAX)
		return false;
	pool->block = (pool->class_ + 1) * state->alignment;
	capacity = (state->pool_size - POOL_HEAD) / pool->block;
	return pool->count > 0 && pool->count <= capacity &&
		pool->last == state->pool_size - pool->block &&
		pool->next >= POOL_HEAD + pool->block &&
		pool->next <= pool->last + pool->block &&
		(pool->next - POOL_HEAD) % pool->block == 0 &&
		(!free_block ||
		 (free_block > addr && free_block < addr + state->pool_size)) &&
		peek_plausible(peek64(addr + 16)) && peek_plausible(peek64(addr + 24));
}

static void pymalloc_note_sample(struct pymalloc *state, uint64_t addr, uint32_t index)
{
	if (index > state->max_index)
		state->max_index = index;
	if (state->samples == SAMPLES)
		return;
	for (uint32_t i = 0; i < state->samples; i++)
		if (state->sample_index[i] == index)
			return;
	state->sample[state->samples] = addr;
	state->sample_index[state->samples++] = index;
}

/* Bytes of [start, end), which was never given out, in pages that aren't in memory; 0
 * where the kernel doesn't tell. */
static uint64_t pymalloc_absent(struct walk *w, uint64_t start, uint64_t end)
{
	const struct walk_range *r = ranges_of(w, start);

	if (!r || !r->scanned || start >= end || end > r->end)
		return 0;
	start = page_floor(start + page_size() - 1);
	end = page_floor(end);
	return start < end ? end - start - pages_present_bytes(&w->pages, start, end) : 0;
}

static void pymalloc_count(struct walk *w, struct pymalloc *state, uint64_t addr,
			   const struct pool *pool)
{
	state->absent += pymalloc_absent(w, addr + pool->next, addr + state->pool_size);
	state->pools++;
	state->used[pool->class_] += pool->count;
	state->free[pool->class_] +=
		(state->pool_size - POOL_HEAD) / pool->block - pool->count;
	pymalloc_note_sample(state, addr, pool->arena);
}

/* Calls what was asked for with the blocks that were ever given out. */
static void pymalloc_each(struct walk *w, struct pymalloc *state, uint64_t addr,
			  const struct pool *pool)
{
	state->visit(w, state->arg, addr + POOL_HEAD, pool->block,
		     (pool->next - POOL_HEAD) / pool->block);
}

/*
 * May a pool's header be read at addr, in this range?  A page that is not in memory was
 * never used, or is swapped out and had better stay there.  Where the kernel doesn't
 * tell: only pages that hold objects.  Such pages are no guard pages, and in a copy
 * nothing changes: the kernel need not be asked once more.
 */
static bool pymalloc_readable(struct walk *w, const struct pymalloc *state,
			      const struct walk_range *r, uint64_t addr)
{
	if (r->special || !(r->perms & 1))
		return false;
	if (r->scanned)
		return pages_state(&w->pages, addr) == PAGES_PRESENT;
	return memory_page_live(w, addr, state->pool_size) &&
		(w->options->in_copy || ranges_readable(w, addr, POOL_HEAD));
}

/* addr, or a later address before which there is no page to look at. */
static uint64_t pymalloc_skip(struct walk *w, const struct pymalloc *state, uint64_t addr,
			      uint64_t end)
{
	const struct walk_range *r = ranges_of(w, addr);

	if (!r)
		return addr + state->pool_size;
	if (!r->scanned)
		return memory_skip(w, addr);
	addr = pages_next_present(&w->pages, addr, r->end < end ? r->end : end);
	return addr & ~(state->pool_size - 1);
}

static void pymalloc_scan_map(struct walk *w, struct pymalloc *state,
			      const struct memory_map *map)
{
	uint64_t addr = (map->start + state->pool_size - 1) & ~(state->pool_size - 1);
	struct pool pool;

	while (addr + state->pool_size <= map->end) {
		const struct walk_range *r = ranges_of(w, addr);

		if (!r || !pymalloc_readable(w, state, r, addr)) {
			const uint64_t next = pymalloc_skip(w, state, addr, map->end);

			addr = next > addr ? next : addr + state->pool_size;
			continue;
		}
		if (pymalloc_read_pool(state, addr, &pool))
			(state->visit ? pymalloc_each : pymalloc_count)(w, state, addr,
									&pool);
		addr += state->pool_size;
	}
}

/* ---- arenas ---- */

/* The table's memory is known to be readable. */
static bool pymalloc_table_fits(const struct pymalloc *state, uint64_t table)
{
	for (uint32_t i = 0; i < state->samples; i++) {
		uint64_t address =
			peek64(table + (uint64_t)ARENA_ENTRY * state->sample_index[i]);

		if (address > state->sample[i] ||
		    state->sample[i] - address >= state->arena_size || !address)
			return false;
	}
	return state->samples > 0;
}

static uint64_t pymalloc_find_table(struct walk *w, const struct pymalloc *state,
				    uint64_t start, uint64_t end)
{
	uint64_t need = (uint64_t)ARENA_ENTRY * (state->max_index + 1);

	for (uint64_t at = start; at + 8 <= end; at += 8) {
		uint64_t word = peek64(at);

		if (peek_plausible(word) && (word & 7) == 0 &&
		    ranges_readable(w, word, need) && pymalloc_table_fits(state, word))
			return word;
	}
	return 0;
}

/* Static data of the image that holds PyType_Type, then interpreter states. */
static uint64_t pymalloc_table(struct walk *w, const struct pymalloc *state)
{
	uint64_t type_type = CPYTHON_ADDR(w->py, type_type), end = 0, table = 0;
	const struct interps *interps = w->interps;

	for (uint32_t i = 0; i < w->nranges && !table; i++) {
		const struct walk_range *range = &w->ranges[i];

		if (type_type >= range->start && type_type < range->end)
			end = range->start;
		if (end && range->start == end && range->image &&
		    (range->perms & 3) == 3) {
			end = range->end;
			table = pymalloc_find_table(w, state, range->start, range->end);
		}
	}
	for (uint32_t i = 0; interps && i < interps->count && !table; i++)
		table = pymalloc_find_table(w, state, interps->list[i].state,
					    interps->list[i].state +
						    interps->list[i].size);
	return table;
}

static void pymalloc_arena_facts(struct walk *w, const struct pymalloc *state)
{
	uint64_t table = pymalloc_table(w, state), arenas = 0, free_pools = 0;
	uint64_t absent = 0;

	if (!table) {
		events_fact_text(w, "pymalloc.note", "the table of arenas was not found",
				 33);
		return;
	}
	for (uint32_t i = 0; i <= state->max_index; i++) {
		uint64_t entry = table + (uint64_t)ARENA_ENTRY * i;

		if (!peek64(entry))
			continue;
		arenas++;
		free_pools += peek32(entry + 16);
		/* behind pool_address no pool was ever made */
		absent += pymalloc_absent(w, peek64(entry + 8),
					  peek64(entry) + state->arena_size);
	}
	events_fact_u64(w, "pymalloc.arenas", arenas);
	events_fact_u64(w, "pymalloc.arena_size", state->arena_size);
	events_fact_u64(w, "pymalloc.free_pools", free_pools);
	events_fact_u64(w, "pymalloc.absent_pool_bytes", absent);
}

/* ---- facts ---- */

static void pymalloc_class_fact(struct walk *w, uint64_t block, const char *what,
				uint64_t value)
{
	char key[48] = "pymalloc.class.", digits[8];
	size_t pos = strlen(key), n = 0;

	do
		digits[n++] = (char)('0' + block % 10);
	while (block /= 10);
	while (n)
		key[pos++] = digits[--n];
	key[pos++] = '.';
	strcpy(key + pos, what);
	events_fact_u64(w, key, value);
}

static void pymalloc_emit(struct walk *w, const struct pymalloc *state)
{
	uint64_t used = 0, used_bytes = 0, unused = 0, unused_bytes = 0;

	for (uint32_t i = 0; i < CLASSES; i++) {
		uint64_t block = (i + 1) * state->alignment;

		used += state->used[i];
		used_bytes += state->used[i] * block;
		unused += state->free[i];
		unused_bytes += state->free[i] * block;
		if (state->used[i]) {
			pymalloc_class_fact(w, block, "used", state->used[i]);
			pymalloc_class_fact(w, block, "free", state->free[i]);
		}
	}
	events_fact_u64(w, "pymalloc.pools", state->pools);
	events_fact_u64(w, "pymalloc.pool_size", state->pool_size);
	events_fact_u64(w, "pymalloc.used_blocks", used);
	events_fact_u64(w, "pymalloc.used_bytes", used_bytes);
	events_fact_u64(w, "pymalloc.free_blocks", unused);
	events_fact_u64(w, "pymalloc.free_bytes", unused_bytes);
	events_fact_u64(w, "pymalloc.absent_free_bytes", state->absent);
}

static void pymalloc_scan(struct walk *w, struct pymalloc *state,
			  allocators_visit_fn *visit, void *arg)
{
	const struct memory *memory = w->memory;

	*state = (struct pymalloc){
		.pool_size = w->lay->pool_size,
		.arena_size = w->lay->arena_size,
		/* the gc header tells the builds that align to 8 (bpo-27987) */
		.alignment = w->lay->gc_head == 24 ? 8 : 16,
		.visit = visit,
		.arg = arg,
	};
	for (size_t i = 0; memory && i < memory->count && !w->err; i++)
		if (memory->maps[i].class_ == SNAP_MAP_ANON &&
		    (memory->maps[i].perms & 3) == 3)
			pymalloc_scan_map(w, state, &memory->maps[i]);
}

/* Is the block on its pool's list of free ones?  (freeblock, linked by first words) */
static bool pymalloc_is_free(const struct pymalloc *state, uint64_t pool, uint64_t block)
{
	uint64_t at = peek64(pool + 8);

	for (uint64_t n = state->pool_size / state->alignment; at && n; n--) {
		if (at == block)
			return true;
		if (at < pool + POOL_HEAD || at + 8 > pool + state->pool_size || at & 7)
			return false;
		at = peek64(at);
	}
	return false;
}

uint64_t pymalloc_block_at(struct walk *w, uint64_t addr, uint64_t *size_ret)
{
	const struct pymalloc state = { .pool_size = w->lay->pool_size,
					.alignment = w->lay->gc_head == 24 ? 8 : 16 };
	const uint64_t at = addr & ~(state.pool_size - 1);
	const struct walk_range *r = ranges_of(w, at);
	struct pool pool;

	if (!r || r->image || addr < at + POOL_HEAD || at + state.pool_size > r->end ||
	    !pymalloc_readable(w, &state, r, at) ||
	    !pymalloc_read_pool(&state, at, &pool) || addr >= at + pool.next)
		return 0;
	*size_ret = pool.block;
	addr -= (addr - at - POOL_HEAD) % pool.block;
	return pymalloc_is_free(&state, at, addr) ? 0 : addr;
}

void pymalloc_blocks(struct walk *w, allocators_visit_fn *visit, void *arg)
{
	struct pymalloc state;

	pymalloc_scan(w, &state, visit, arg);
}

void pymalloc_facts(struct walk *w)
{
	struct pymalloc state;

	pymalloc_scan(w, &state, NULL, NULL);
	if (!state.pools) {
		events_fact_text(w, "pymalloc.note", "not in use", 10);
		return;
	}
	pymalloc_emit(w, &state);
	pymalloc_arena_facts(w, &state);
}
