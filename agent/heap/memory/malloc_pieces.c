/* SPDX-License-Identifier: MIT */
/* malloc_pieces - see malloc_pieces.h. */
#include "agent/heap/memory/malloc_pieces.h"

#include <string.h>

#include "agent/base/page.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/memory/memory.h"

enum {
	STATE_MIN = 0x800,
	STATE_MAX = 0xa00, /* sizes of malloc_state to try */
	PIECES_FIRST = 256,
	MAIN_CHUNKS_MIN = 4, /* of a piece of the main arena outside of [heap] */
};
#define HEAP_ALIGNMENT (64ull << 20)
#define CHUNKS_MAX (1ull << 27) /* of a piece: then we stop looking, too slow */

/* Sums of one chain. */
struct malloc_chain {
	uint64_t used, used_bytes, free, free_bytes, top, top_bytes;
};

/*
 * Goes over the chunks of [pos, end).  True when the chain is sound up to the
 * end; ret then has its sums.
 */
static bool malloc_pieces_chain(uint64_t pos, uint64_t end, struct malloc_chain *ret)
{
	struct malloc_chain sum = { 0 };
	uint64_t size = 0, n = 0;

	while (pos + 16 <= end) {
		uint64_t next, word = peek64(pos + 8);

		size = word & ~(uint64_t)MALLOC_FLAGS;
		next = pos + size;
		if (word == MALLOC_PREV_INUSE && pos + 16 == end && n) {
			/* a heap that was followed by another ends so (sysmalloc) */
			sum.top = pos;
			*ret = sum;
			return true;
		}
		if (size < 16 || size % 16 || next > end || next < pos ||
		    (word & MALLOC_IS_MMAPPED) || ++n > CHUNKS_MAX)
			return false;
		if (next + 16 > end) { /* the top chunk, or fenceposts */
			sum.top = pos;
			sum.top_bytes = size;
			*ret = sum;
			return end - next < MALLOC_CHUNK_MIN;
		}
		if (peek64(next + 8) & MALLOC_PREV_INUSE) {
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

static struct malloc_piece *malloc_pieces_room(struct walk *w, struct malloc_pieces *p)
{
	if (p->count == p->capacity) {
		const uint32_t capacity = p->capacity ? 2 * p->capacity : PIECES_FIRST;
		struct malloc_piece *list =
			arena_alloc(w->arena, capacity * sizeof(*list));

		if (!list)
			return NULL;
		if (p->count)
			memcpy(list, p->list, p->count * sizeof(*list));
		p->list = list; /* the old one stays in the arena */
		p->capacity = capacity;
	}
	return &p->list[p->count++];
}

static void malloc_pieces_add(struct walk *w, struct malloc_pieces *p,
			      const struct malloc_piece *piece,
			      const struct malloc_chain *chain)
{
	struct malloc_piece *room = malloc_pieces_room(w, p);

	if (!room)
		return;
	*room = *piece;
	room->top = chain->top;
	p->used += chain->used;
	p->used_bytes += chain->used_bytes;
	p->free += chain->free;
	p->free_bytes += chain->free_bytes;
	p->top_bytes += chain->top_bytes;
}

/* ---- the main arena ---- */

static bool malloc_pieces_is_heap(const struct walk_range *r)
{
	return !strcmp(r->path, "[heap]") && (r->perms & 3) == 3;
}

/* [heap] from the range at `index` on, as one, however many mappings it is; returns
 * where it ends.  The copy's own: the target's may have grown meanwhile. */
static uint64_t malloc_pieces_main(struct walk *w, struct malloc_pieces *p,
				   uint32_t index)
{
	const uint64_t start = w->ranges[index].start;
	uint64_t end = w->ranges[index].end;
	struct malloc_chain chain;

	while (++index < w->nranges && w->ranges[index].start == end &&
	       malloc_pieces_is_heap(&w->ranges[index]))
		end = w->ranges[index].end;
	for (uint64_t at = start; at < start + 64; at += 16)
		if (malloc_pieces_chain(at, end, &chain)) {
			malloc_pieces_add(w, p,
					  &(struct malloc_piece){ .start = at,
								  .end = end,
								  .kind = MALLOC_MAIN },
					  &chain);
			p->main_known = true;
			break;
		}
	return end;
}

/* What the main arena got from mmap when [heap] could not grow: a whole mapping. */
static bool malloc_pieces_more_main(struct walk *w, struct malloc_pieces *p,
				    const struct walk_range *r)
{
	const uint64_t word = peek64(r->start + 8);
	struct malloc_chain chain;

	if ((word & MALLOC_FLAGS) != MALLOC_PREV_INUSE ||
	    !malloc_pieces_chain(r->start, r->end, &chain) ||
	    chain.used + chain.free < MAIN_CHUNKS_MIN)
		return false;
	malloc_pieces_add(w, p,
			  &(struct malloc_piece){
				  .start = r->start, .end = r->end, .kind = MALLOC_MAIN },
			  &chain);
	return true;
}

/* ---- other arenas ---- */

/* A heap of another arena at this boundary? Returns its end; 0: none. */
static uint64_t malloc_pieces_arena(struct walk *w, struct malloc_pieces *p,
				    uint64_t heap)
{
	uint64_t state, previous, size, start, stop;
	struct malloc_chain chain;

	if (!ranges_hold(w, heap, page_size()))
		return 0;
	state = peek64(heap);
	previous = peek64(heap + 8);
	size = peek64(heap + 16);
	if (!peek_plausible(state) || size < page_size() || size > HEAP_ALIGNMENT ||
	    size % page_size() || !ranges_readable(w, heap, size))
		return 0;
	start = heap + 32;
	stop = heap + 64;
	if (!previous) {
		if (state < heap + 32 || state > heap + 64)
			return 0;
		start = state + STATE_MIN;
		stop = state + STATE_MAX;
	}
	for (uint64_t at = start; at <= stop && at + MALLOC_CHUNK_MIN < heap + size;
	     at += 16)
		if (malloc_pieces_chain(at, heap + size, &chain)) {
			malloc_pieces_add(
				w, p,
				&(struct malloc_piece){ .start = at,
							.end = heap + size,
							.state = previous ? 0 : state,
							.kind = MALLOC_ARENA },
				&chain);
			p->arenas += !previous;
			return heap + size;
		}
	return 0;
}

/* ---- mapped chunks ---- */

/*
 * Is there a mapped chunk whose head is at addr?  Where its user asked for an alignment,
 * the head lies behind the mapping's start, which the word before the size tells
 * (_int_memalign).
 */
static bool malloc_pieces_is_mapped(struct walk *w, uint64_t addr, uint64_t *end_ret)
{
	const uint64_t before = peek64(addr), word = peek64(addr + 8);
	const uint64_t size = word & ~(uint64_t)MALLOC_FLAGS;

	if ((word & MALLOC_FLAGS) != MALLOC_IS_MMAPPED || size < MALLOC_CHUNK_MIN ||
	    before != addr % page_size() || (addr + size) % page_size() ||
	    addr + size < addr || !ranges_readable(w, addr, size))
		return false;
	*end_ret = addr + size;
	return true;
}

/* A mapped chunk that begins in the page at addr? Returns where it ends; 0: none. */
static uint64_t malloc_pieces_mapped(struct walk *w, struct malloc_pieces *p,
				     uint64_t addr)
{
	static const uint8_t heads[] = { 0, 16, 48 }; /* aligned to 16, 32, 64 */
	struct malloc_piece *room;
	uint64_t end;

	for (size_t i = 0; i < sizeof(heads); i++) {
		if (!malloc_pieces_is_mapped(w, addr + heads[i], &end))
			continue;
		room = malloc_pieces_room(w, p);
		if (!room)
			return 0;
		*room = (struct malloc_piece){ .start = addr + heads[i],
					       .end = end,
					       .kind = MALLOC_MAPPED };
		p->mapped++;
		p->mapped_bytes += end - addr;
		return end;
	}
	return 0;
}

/* ---- all of them ---- */

/* The next page in memory from addr on, which is in r; its end: none. */
static uint64_t malloc_pieces_next(struct walk *w, const struct walk_range *r,
				   uint64_t addr)
{
	return r->scanned ? pages_next_present(&w->pages, addr, r->end) : addr;
}

/* The anonymous range from addr on; returns where the last piece in it ends. */
static uint64_t malloc_pieces_range(struct walk *w, struct malloc_pieces *p,
				    const struct walk_range *r, uint64_t addr)
{
	uint64_t end;

	addr = malloc_pieces_next(w, r, addr);
	if (addr == r->start && addr < r->end && malloc_pieces_more_main(w, p, r))
		return r->end;
	for (; addr < r->end && !w->err; addr = malloc_pieces_next(w, r, addr)) {
		end = addr % HEAP_ALIGNMENT ? 0 : malloc_pieces_arena(w, p, addr);
		if (!end)
			end = malloc_pieces_mapped(w, p, addr);
		if (!end) /* unknown pages may never have been touched: left alone */
			end = r->scanned ? page_floor(addr) + page_size() : r->end;
		addr = end;
	}
	return addr;
}

static void malloc_pieces_all(struct walk *w, struct malloc_pieces *p)
{
	uint64_t done = 0;

	for (uint32_t i = 0; i < w->nranges && !w->err; i++) {
		const struct walk_range *r = &w->ranges[i];

		if (r->end <= done || (r->perms & 11) != 3 || r->image || r->file ||
		    r->special)
			continue;
		if (malloc_pieces_is_heap(r))
			done = malloc_pieces_main(w, p, i);
		else if (!r->path[0] || !strncmp(r->path, "[anon", 5) ||
			 !strncmp(r->path, "[stack:", 7))
			done = malloc_pieces_range(w, p, r,
						   done > r->start ? done : r->start);
	}
}

const struct malloc_pieces *malloc_pieces_find(struct walk *w)
{
	struct memory *memory = w->memory;

	/* a small image has no more than what was read of Python's objects */
	if (!w->options->in_copy || !memory || !memory->count)
		return NULL;
	if (memory->pieces)
		return memory->pieces;
	memory->pieces = context_alloc(w, sizeof(*memory->pieces));
	if (memory->pieces)
		malloc_pieces_all(w, memory->pieces);
	return memory->pieces;
}

/* ---- their chunks ---- */

static void malloc_pieces_visit_chain(struct walk *w, const struct malloc_piece *piece,
				      malloc_pieces_fn *visit, void *arg)
{
	uint64_t pos = piece->start;

	while (pos < piece->top && !w->err) {
		const uint64_t size = malloc_pieces_size(pos), next = pos + size;

		if (size > MALLOC_HEAD && (peek64(next + 8) & MALLOC_PREV_INUSE))
			visit(w, arg, pos, size);
		pos = next;
	}
}

void malloc_pieces_visit(struct walk *w, malloc_pieces_fn *visit, void *arg)
{
	const struct malloc_pieces *p = malloc_pieces_find(w);

	for (uint32_t i = 0; p && i < p->count && !w->err; i++) {
		const struct malloc_piece *piece = &p->list[i];

		if (piece->kind == MALLOC_MAPPED)
			visit(w, arg, piece->start, piece->end - piece->start);
		else
			malloc_pieces_visit_chain(w, piece, visit, arg);
	}
}
