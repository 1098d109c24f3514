/* SPDX-License-Identifier: MIT */
/* chunks - see chunks.h. */
#include "agent/heap/memory/chunks.h"

#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/memory/memory.h"

enum { CHUNKS_WINDOW = 16 }; /* words at a chunk's start where an object may begin */

struct chunks_filler {
	struct chunks *chunks;
	struct chunks_leaf *leaf;
	uint32_t page, capacity; /* next page of the leaf to fill in */
};

/* ---- filling ---- */

/* All pages up to `page`, this one too, begin with the next chunk. */
static void chunks_fill_pages(struct chunks_filler *f, uint32_t page)
{
	while (f->page <= page)
		f->leaf->page[f->page++] = f->chunks->count;
}

static void chunks_end_leaf(struct chunks_filler *f)
{
	if (!f->leaf)
		return;
	chunks_fill_pages(f, CHUNKS_PAGES);
	f->leaf->end = f->chunks->count;
}

static void chunks_begin_leaf(struct walk *w, struct chunks_filler *f, uint64_t index)
{
	struct chunks *c = f->chunks;

	chunks_end_leaf(f);
	f->leaf = c->directory[index];
	if (!f->leaf) {
		f->leaf = arena_map(w->arena, sizeof(*f->leaf));
		if (!f->leaf)
			return;
		c->directory[index] = f->leaf;
		c->order[c->leaves++] = (uint32_t)index;
	}
	f->leaf->base = index << CHUNKS_LEAF_SHIFT;
	f->leaf->first = c->count;
	f->page = 0;
}

/* A chunk that reaches into leaves behind its own. */
static void chunks_reach_over(struct walk *w, struct chunks_filler *f, uint64_t addr,
			      uint64_t end)
{
	uint64_t index = (addr >> CHUNKS_LEAF_SHIFT) + 1;

	for (; f->leaf && index << CHUNKS_LEAF_SHIFT < end; index++) {
		chunks_begin_leaf(w, f, index);
		if (f->leaf)
			f->leaf->over = addr;
	}
}

static void chunks_add(struct walk *w, void *arg, uint64_t chunk, uint64_t size)
{
	struct chunks_filler *f = arg;
	struct chunks *c = f->chunks;
	const uint64_t addr = chunk + MALLOC_HEAD, index = addr >> CHUNKS_LEAF_SHIFT;

	if (c->count == f->capacity || index >= CHUNKS_DIRECTORY)
		return;
	if (!f->leaf || f->leaf->base >> CHUNKS_LEAF_SHIFT != index)
		chunks_begin_leaf(w, f, index);
	if (!f->leaf) {
		f->capacity = c->count; /* no memory: nothing more */
		return;
	}
	chunks_fill_pages(f, (uint32_t)((addr - f->leaf->base) >> CHUNKS_PAGE_SHIFT));
	c->at[c->count++] = (uint32_t)((addr - f->leaf->base) >> 4);
	if (!c->lowest)
		c->lowest = addr;
	c->highest = chunk + size;
	if ((chunk + size - 1) >> CHUNKS_LEAF_SHIFT != index)
		chunks_reach_over(w, f, addr, chunk + size);
}

static struct chunks *chunks_allocate(struct walk *w, uint64_t capacity)
{
	struct chunks *c = arena_alloc(w->arena, sizeof(*c));

	if (!c)
		return NULL;
	c->directory = arena_map(w->arena, CHUNKS_DIRECTORY * sizeof(*c->directory));
	c->order = arena_map(w->arena, CHUNKS_DIRECTORY * sizeof(*c->order));
	c->at = arena_map(w->arena, (capacity + 1) * sizeof(*c->at));
	c->owner = arena_map(w->arena, (capacity + 1) * sizeof(*c->owner));
	return c->directory && c->order && c->at && c->owner ? c : NULL;
}

struct chunks *chunks_make(struct walk *w)
{
	const struct malloc_pieces *p = malloc_pieces_find(w);
	struct chunks_filler filler = { 0 };
	uint64_t capacity;

	if (!p || w->memory->chunks)
		return p ? w->memory->chunks : NULL;
	capacity = p->used + p->mapped;
	if (!capacity)
		return NULL;
	if (capacity > CHUNKS_MAX) {
		events_fact_text(w, "malloc.note",
				 "too many allocations to look for their owners", 45);
		return NULL;
	}
	filler.chunks = chunks_allocate(w, capacity);
	filler.capacity = (uint32_t)capacity;
	if (!filler.chunks)
		return NULL;
	malloc_pieces_visit(w, chunks_add, &filler);
	chunks_end_leaf(&filler);
	w->memory->chunks = filler.chunks;
	return filler.chunks;
}

/* ---- asking ---- */

uint64_t chunks_find(const struct chunks *c, uint64_t addr, uint32_t *number_ret)
{
	const struct chunks_leaf *leaf;
	uint32_t low, high, page, at;
	uint64_t found;

	if (addr < c->lowest || addr >= c->highest)
		return 0;
	leaf = c->directory[addr >> CHUNKS_LEAF_SHIFT];
	if (!leaf)
		return 0;
	page = (uint32_t)((addr - leaf->base) >> CHUNKS_PAGE_SHIFT);
	at = (uint32_t)((addr - leaf->base) >> 4);
	low = leaf->page[page];
	high = leaf->page[page + 1];
	while (low < high) { /* the first chunk of the page that begins beyond addr */
		const uint32_t middle = low + (high - low) / 2;

		if (c->at[middle] <= at)
			low = middle + 1;
		else
			high = middle;
	}
	if (low > leaf->first) {
		found = leaf->base + ((uint64_t)c->at[low - 1] << 4);
	} else {
		found = leaf->over;
		if (!found)
			return 0;
	}
	/* the last words are where stale links of malloc's lists, which lead to the next
	 * chunk's head, would be taken for pointers into this one */
	if (addr > found && addr >= found + chunks_size(found) - MALLOC_HEAD)
		return 0;
	*number_ret = low - 1; /* numbers go on from leaf to leaf */
	return found;
}

void chunks_each(struct walk *w, const struct chunks *c, chunks_fn *visit, void *arg)
{
	for (uint32_t i = 0; i < c->leaves && !w->err; i++) {
		const struct chunks_leaf *leaf = c->directory[c->order[i]];

		for (uint32_t n = leaf->first; n < leaf->end && !w->err; n++)
			visit(w, arg, leaf->base + ((uint64_t)c->at[n] << 4), n);
	}
}
