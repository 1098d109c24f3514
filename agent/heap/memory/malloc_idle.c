/* SPDX-License-Identifier: MIT */
/* malloc_idle - see malloc_idle.h. */
#include "agent/heap/memory/malloc_idle.h"

#include "agent/heap/core/ranges.h"
#include "agent/heap/memory/memory.h"

enum {
	IDLE_FASTBINS = 10,
	IDLE_LINKS_MAX = 1 << 24,
	IDLE_TCACHE_SMALL = 64, /* lists whose size is known by their place */
};

/* What the structure of threads' caches looks like, by the size of its chunk. */
static const struct idle_tcache {
	uint16_t chunk, lists, heads;
} idle_tcaches[] = {
	{ 0x250, 64, 64 },  /* 2.26: u8 counts[64], heads[64] */
	{ 0x290, 64, 128 }, /* 2.30: u16 counts[64] */
	{ 0x300, 76, 152 }, /* 2.42: u16 counts[76], heads[76] */
};

struct idle {
	struct walk *w;
	struct chunks *chunks;
	bool mangled; /* links are XORed */
	bool marking; /* else only testing */
};

static uint64_t malloc_idle_next(const struct idle *idle, uint64_t at)
{
	return idle->mangled ? peek64(at) ^ at >> 12 : peek64(at);
}

/*
 * A list whose links lie at `link` bytes in what malloc gave out, and lead `to` bytes
 * from there to the next one's.  size: of each chunk, 0 = any.  False: this is no list.
 */
static bool malloc_idle_list(const struct idle *idle, uint64_t head, uint64_t size)
{
	uint32_t number;

	for (uint32_t n = 0; head; n++) {
		if (head & 15 || n > IDLE_LINKS_MAX ||
		    chunks_find(idle->chunks, head, &number) != head ||
		    (size && chunks_size(head) != size))
			return false;
		if (idle->marking) {
			if (idle->chunks->owner[number] == CHUNKS_IDLE)
				return true; /* been here: damaged lists may be rings */
			idle->chunks->owner[number] = CHUNKS_IDLE;
		}
		head = malloc_idle_next(idle, head);
	}
	return true;
}

/* ---- threads' caches ---- */

static bool malloc_idle_tcache_lists(const struct idle *idle, const struct idle_tcache *t,
				     uint64_t addr)
{
	for (uint32_t i = 0; i < t->lists; i++)
		if (!malloc_idle_list(idle, peek64(addr + t->heads + 8ull * i),
				      i < IDLE_TCACHE_SMALL ? 32 + 16ull * i : 0))
			return false;
	return true;
}

static void malloc_idle_tcache(struct walk *w, void *arg, uint64_t addr, uint32_t number)
{
	struct idle *idle = arg;
	const uint64_t size = chunks_size(addr);

	(void)w;
	if (idle->chunks->owner[number])
		return;
	for (size_t i = 0; i < sizeof(idle_tcaches) / sizeof(idle_tcaches[0]); i++) {
		if (size != idle_tcaches[i].chunk)
			continue;
		for (int mangled = 1; mangled >= 0; mangled--) {
			idle->mangled = mangled;
			idle->marking = false;
			if (!malloc_idle_tcache_lists(idle, &idle_tcaches[i], addr))
				continue;
			idle->marking = true;
			malloc_idle_tcache_lists(idle, &idle_tcaches[i], addr);
			return;
		}
	}
}

/* ---- fastbins ---- */

/* The lists lead to chunks' heads, not to what malloc gave out. */
static bool malloc_idle_fastbin(const struct idle *idle, uint64_t chunk, uint64_t size)
{
	uint32_t number;

	for (uint32_t n = 0; chunk; n++) {
		const uint64_t addr = chunk + MALLOC_HEAD;

		if (chunk & 15 || n > IDLE_LINKS_MAX ||
		    chunks_find(idle->chunks, addr, &number) != addr ||
		    chunks_size(addr) != size)
			return false;
		if (idle->marking) {
			if (idle->chunks->owner[number] == CHUNKS_IDLE)
				return true;
			idle->chunks->owner[number] = CHUNKS_IDLE;
		}
		chunk = malloc_idle_next(idle, addr);
	}
	return true;
}

static bool malloc_idle_fastbin_lists(const struct idle *idle, uint64_t first)
{
	for (uint32_t i = 0; i < IDLE_FASTBINS; i++)
		if (!malloc_idle_fastbin(idle, peek64(first + 8ull * i), 32 + 16ull * i))
			return false;
	return true;
}

/* The ten words before `top`, where a malloc_state keeps its top chunk's address. */
static void malloc_idle_fastbins(struct idle *idle, uint64_t top)
{
	const uint64_t first = top - 8ull * IDLE_FASTBINS;

	for (int mangled = 1; mangled >= 0; mangled--) {
		idle->mangled = mangled;
		idle->marking = false;
		if (!malloc_idle_fastbin_lists(idle, first))
			continue;
		idle->marking = true;
		malloc_idle_fastbin_lists(idle, first);
		return;
	}
}

static void malloc_idle_arena(struct idle *idle, const struct malloc_pieces *p,
			      const struct malloc_piece *arena)
{
	for (uint64_t at = arena->state + 80; at < arena->state + 128; at += 8)
		for (uint32_t i = 0; i < p->count; i++)
			if (p->list[i].kind == MALLOC_ARENA &&
			    peek64(at) == p->list[i].top) {
				malloc_idle_fastbins(idle, at);
				return;
			}
}

/* The main arena's state is a variable of the C library: the word that is the address
 * of its top chunk. */
static void malloc_idle_main(struct idle *idle, const struct malloc_piece *piece)
{
	struct walk *w = idle->w;

	for (uint32_t i = 0; i < w->nranges; i++) {
		const struct walk_range *r = &w->ranges[i];

		if (!r->image || (r->perms & 3) != 3)
			continue;
		for (uint64_t at = r->start + 80; at + 16 <= r->end; at += 8)
			/* the last remainder follows, then the unsorted bin's links */
			if (peek64(at) == piece->top && peek64(at + 16) &&
			    peek64(at + 16) % 8 == 0)
				malloc_idle_fastbins(idle, at);
	}
}

void malloc_idle_mark(struct walk *w, struct chunks *c)
{
	const struct malloc_pieces *p = malloc_pieces_find(w);
	struct idle idle = { .w = w, .chunks = c };

	chunks_each(w, c, malloc_idle_tcache, &idle);
	for (uint32_t i = 0; i < p->count && !w->err; i++)
		if (p->list[i].kind == MALLOC_ARENA && p->list[i].state)
			malloc_idle_arena(&idle, p, &p->list[i]);
		else if (p->list[i].kind == MALLOC_MAIN)
			malloc_idle_main(&idle, &p->list[i]);
}
