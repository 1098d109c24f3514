/* SPDX-License-Identifier: MIT */
/* unowned - see unowned.h. */
#include "agent/heap/scan/unowned.h"

#include <string.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/memory/chunks.h"
#include "agent/heap/scan/elf_names.h"

enum {
	UNOWNED_SLOTS = 1 << 14,
	UNOWNED_GROUPS = UNOWNED_SLOTS / 2, /* more are not told apart by symbol */
	UNOWNED_CLASSES = 48,
	UNOWNED_SMALL = 4096, /* bytes of groups that aren't worth a name */
};

struct unowned_group {
	uint64_t symbol; /* address that the first word points to, 0 = none */
	uint32_t library, class_;
	uint64_t size, count, bytes, example;
	uint32_t name;
};

struct unowned {
	struct unowned_group groups[UNOWNED_SLOTS];
	struct unowned_group *sorted[UNOWNED_SLOTS];
	uint32_t count;
	uint64_t bytes, library_bytes;
};

struct unowned *unowned_begin(struct walk *w)
{
	return arena_map(w->arena, sizeof(struct unowned));
}

/* The address in a program or library that a chunk begins with, 0 = none. */
static uint64_t unowned_symbol(struct walk *w, uint64_t addr)
{
	const struct walk_range *r = ranges_of(w, addr);
	uint64_t word;

	if (!r || (r->scanned && pages_state(&w->pages, addr) != PAGES_PRESENT))
		return 0;
	word = peek64(addr);
	if (word & 7 || !peek_plausible(word))
		return 0;
	r = ranges_of(w, word);
	return r && r->image ? word : 0;
}

static struct unowned_group *unowned_find(struct unowned *u, uint64_t symbol,
					  uint32_t library, uint32_t class_)
{
	uint64_t hash = (symbol * 31 + library * 8191ull + class_) * 0x9e3779b97f4a7c15u;
	struct unowned_group *g = &u->groups[hash >> 50];

	_Static_assert(UNOWNED_SLOTS == 1 << (64 - 50), "hash");
	while (g->count &&
	       (g->symbol != symbol || g->library != library || g->class_ != class_))
		if (++g == u->groups + UNOWNED_SLOTS)
			g = u->groups;
	return g;
}

void unowned_add(struct walk *w, struct unowned *u, uint64_t addr, uint32_t library)
{
	const uint64_t size = chunks_size(addr);
	uint64_t symbol = unowned_symbol(w, addr);
	const uint32_t class_ = 64u - (unsigned)__builtin_clzll(size - 1);
	struct unowned_group *g = unowned_find(u, symbol, library, class_);

	if (!g->count && u->count >= UNOWNED_GROUPS) {
		symbol = 0;
		g = unowned_find(u, 0, library, class_);
		if (!g->count && u->count >= UNOWNED_SLOTS - 1)
			return;
	}
	if (!g->count) {
		u->count++;
		g->symbol = symbol;
		g->library = library;
		g->class_ = class_;
		g->example = addr;
	}
	g->count++;
	g->bytes += size;
	if (size > g->size)
		g->size = size;
	*(library ? &u->library_bytes : &u->bytes) += size;
}

/* ---- names ---- */

/* Sifts the group at `at` down; a heap whose root is the last by `before`. */
typedef bool unowned_before_fn(const struct unowned_group *a,
			       const struct unowned_group *b);

static void unowned_sift(struct unowned_group **list, uint32_t at, uint32_t count,
			 unowned_before_fn *before)
{
	struct unowned_group *const moving = list[at];

	for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && before(list[child], list[child + 1]))
			child++;
		if (!before(moving, list[child]))
			break;
		list[at] = list[child];
	}
	list[at] = moving;
}

/* qsort may call malloc, whose locks nobody may ever release here. */
static void unowned_sort(struct unowned_group **list, uint32_t count,
			 unowned_before_fn *before)
{
	for (uint32_t i = count / 2; i-- > 0;)
		unowned_sift(list, i, count, before);
	for (uint32_t n = count; n > 1; n--) {
		struct unowned_group *const last = list[n - 1];

		list[n - 1] = list[0];
		list[0] = last;
		unowned_sift(list, 0, n - 1, before);
	}
}

static bool unowned_by_symbol(const struct unowned_group *a,
			      const struct unowned_group *b)
{
	return a->symbol < b->symbol;
}

static bool unowned_by_bytes(const struct unowned_group *a, const struct unowned_group *b)
{
	return a->bytes > b->bytes;
}

/* Where the file that addr is mapped from begins, and its path; 0: unknown. */
static uint64_t unowned_image(struct walk *w, uint64_t addr, const char **path_ret)
{
	const struct walk_range *r = ranges_of(w, addr);

	while (r && r > w->ranges && !r->path[0])
		r--; /* bss has no name, the mapping before it does */
	if (!r || !r->file)
		return 0;
	*path_ret = r->path;
	while (r > w->ranges && r->offset && !strcmp(r[-1].path, r->path))
		r--;
	return r->offset ? 0 : r->start;
}

/* Library by library: each one's names are read once. */
static void unowned_name(struct walk *w, struct unowned *u, uint32_t count)
{
	struct elf_names names = { 0 };
	uint64_t loaded = 0;

	unowned_sort(u->sorted, count, unowned_by_symbol);
	for (uint32_t i = 0; i < count && !w->err; i++) {
		struct unowned_group *g = u->sorted[i];
		const char *path = "";
		const uint64_t image = g->symbol && g->bytes >= UNOWNED_SMALL ?
			unowned_image(w, g->symbol, &path) :
			0;

		if (!image)
			continue;
		if (image != loaded)
			elf_names_begin(&names, image, path);
		loaded = image;
		g->name = elf_names_of(w, &names, g->symbol);
	}
}

void unowned_finish(struct walk *w, struct unowned *u)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < UNOWNED_SLOTS; i++)
		if (u->groups[i].count)
			u->sorted[count++] = &u->groups[i];
	unowned_name(w, u, count);
	unowned_sort(u->sorted, count, unowned_by_bytes);
	for (uint32_t i = 0; i < count && !w->err; i++) {
		const struct unowned_group *g = u->sorted[i];
		struct snap_chunks event = {
			.name = g->name,
			.holder = g->library,
			.size = g->size,
			.count = g->count,
			.bytes = g->bytes,
			.example = g->example,
		};

		EVENTS_SEND(w, chunks, &event);
	}
	events_fact_u64(w, "malloc.library_bytes", u->library_bytes);
	events_fact_u64(w, "malloc.unowned_bytes", u->bytes);
}
