/* SPDX-License-Identifier: MIT */
/* leads - see leads.h. */
#include "agent/heap/scan/leads.h"

#include <string.h>

#include "agent/base/page.h"
#include "agent/heap/core/mimalloc.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/types.h"
#include "agent/heap/extension/candidates.h"
#include "agent/heap/memory/allocators.h"

enum {
	LEADS_WHOLE = 64 << 10, /* bytes of anything that are looked at in full */
	LEADS_SAMPLE = 16, /* of the rest one page in so many, if those led nowhere */
	LEADS_TAG_MAX = 3, /* what C++ libraries keep in a pointer's low bits */
	LEADS_WINDOW = 48, /* bytes at a block's start where an object may begin */
	LEADS_WORDS = 16,  /* ... words at a chunk's */
	LEADS_ALIGNED = 4096 + 8, /* bytes that an allocator leaves before, at most */
};

#define LEADS_LOWEST 0x10000ULL /* as peek_plausible */

/* Does a block of pymalloc hold an object or a table that we know? */
static bool leads_block_known(const struct walk *w, uint64_t block, uint64_t size)
{
	const struct marks_leaf *leaf = w->marks.directory[block >> MARKS_LEAF_SHIFT];
	const uint64_t end = block + (size < LEADS_WINDOW ? size : LEADS_WINDOW);

	if (!leaf)
		return false;
	for (uint64_t at = block; at < end; at += 8) {
		const uint32_t word = (at >> 9) & (MARKS_LEAF_WORDS - 1);

		if ((leaf->mark[word] | leaf->done[word]) >> (at >> 3 & 63) & 1)
			return true;
	}
	return false;
}

bool leads_still(const struct walk *w, const struct lead *lead)
{
	return lead->number != LEADS_BLOCK ||
		!leads_block_known(w, lead->addr, lead->size);
}

bool leads_chunk_known(const struct walk *w, uint64_t addr, uint64_t usable)
{
	const struct marks_leaf *leaf = w->marks.directory[addr >> MARKS_LEAF_SHIFT];
	const uint64_t words = usable / 8 < LEADS_WORDS ? usable / 8 : LEADS_WORDS;
	const size_t at = addr >> 6 & (sizeof(leaf->mark) - 1);
	uint32_t mark, done;

	if (!leaf)
		return false;
	/* at most 7 + 16 bits from the byte that has the first one; a leaf's last word
	 * is followed by another array of it */
	memcpy(&mark, (const char *)leaf->mark + at, sizeof(mark));
	memcpy(&done, (const char *)leaf->done + at, sizeof(done));
	return (mark | done) >> (addr >> 3 & 7) & ((1u << words) - 1);
}

bool leads_is_aligned(const struct lead *lead)
{
	return lead->number != LEADS_BLOCK && lead->inside >= 8 &&
		lead->inside % 8 == 0 && lead->inside <= LEADS_ALIGNED &&
		peek64(lead->addr + lead->inside - 8) == lead->addr;
}

static bool leads_of(struct walk *w, const struct chunks *c, uint64_t word,
		     struct lead *ret)
{
	const uint64_t tag = word & 7;
	struct mimalloc_page page = { .block = 0 };
	uint32_t number;
	uint64_t found;

	word -= tag;
	if (!peek_plausible(word) || tag > LEADS_TAG_MAX)
		return false;
	found = chunks_find(c, word, &number);
	if (tag && found != word)
		return false;
	if (found) {
		if (c->owner[number] >= CHUNKS_IDLE)
			return false;
		*ret = (struct lead){ found, chunks_usable(found), word - found, number };
		return true;
	}
	if (tag || !marks_in_range(word) || marks_test(&w->marks, word))
		return false;
	if (w->lay->free_threaded) {
		ret->addr = mimalloc_block_at(w, word, &page);
		ret->size = page.block;
	} else {
		ret->addr = pymalloc_block_at(w, word, &ret->size);
	}
	ret->inside = word - ret->addr;
	ret->number = LEADS_BLOCK;
	return ret->addr && !leads_block_known(w, ret->addr, ret->size);
}

/*
 * May a word lead to memory of an allocator?  Most are zeros, small numbers, or pointers
 * to code and data; *image is a range of those, for the next word.
 */
static inline bool leads_may_be(struct walk *w, uint64_t word,
				const struct walk_range **image)
{
	const struct walk_range *r = *image;

	if (word - LEADS_LOWEST >= CPU_ADDRESS_END - LEADS_LOWEST)
		return false;
	if (word - r->start < r->end - r->start)
		return false;
	r = ranges_of(w, word);
	if (r && r->image)
		*image = r;
	return r && !r->image;
}

static bool leads_present(struct walk *w, uint64_t addr)
{
	const struct walk_range *r = ranges_of(w, addr);

	return r && !r->special &&
		(r->scanned ? pages_state(&w->pages, addr) == PAGES_PRESENT :
			      ranges_readable(w, addr, 8));
}

/* Looks at a part of one page; returns whether anything was found. */
typedef bool leads_page_fn(struct walk *w, const void *arg, uint64_t at, uint64_t end);

/* The pages of [addr, addr + size) that are in memory; of what is large and begins
 * without anything, samples alone. */
static void leads_pages(struct walk *w, uint64_t addr, uint64_t size, leads_page_fn *look,
			const void *arg)
{
	const uint64_t end = addr + size, whole = addr + LEADS_WHOLE;
	bool any = false;
	uint32_t page = 0;

	addr = (addr + 7) & ~7ull;
	while (addr < end && !w->err) {
		const uint64_t next = page_floor(addr) + page_size();

		if ((any || addr < whole || page % LEADS_SAMPLE == 0) &&
		    leads_present(w, addr))
			any |= look(w, arg, addr, next < end ? next : end);
		addr = next;
		page++;
	}
}

struct leads_scan {
	const struct chunks *c;
	leads_fn *visit;
	void *arg;
};

static bool leads_scan_page(struct walk *w, const void *arg, uint64_t at, uint64_t end)
{
	static const struct walk_range none;
	const struct leads_scan *scan = arg;
	const struct walk_range *image = &none;
	struct lead lead;
	bool any = false;

	for (; at + 8 <= end; at += 8) {
		const uint64_t word = peek64(at);

		if (leads_may_be(w, word, &image) && leads_of(w, scan->c, word, &lead)) {
			scan->visit(w, scan->arg, &lead);
			any = true;
		}
	}
	return any;
}

void leads_scan(struct walk *w, const struct chunks *c, uint64_t addr, uint64_t size,
		leads_fn *visit, void *arg)
{
	const struct leads_scan scan = { c, visit, arg };

	leads_pages(w, addr, size, leads_scan_page, &scan);
}

static bool leads_held_page(struct walk *w, const void *arg, uint64_t at, uint64_t end)
{
	const uint64_t owner = *(const uint64_t *)arg;
	bool any = false;

	for (; at + 8 <= end; at += 8) {
		const uint64_t word = peek64(at);

		if (!word || word & 7 || word == owner || !marks_in_range(word) ||
		    !marks_test(&w->marks, word))
			continue;
		candidates_held(w, owner, word);
		any = true;
	}
	return any;
}

void leads_held(struct walk *w, uint64_t owner, const struct lead *lead)
{
	if (owner)
		leads_pages(w, lead->addr, lead->size, leads_held_page, &owner);
}

uint64_t leads_words(struct walk *w, uint64_t addr, uint64_t size)
{
	const uint64_t end = addr + (size < LEADS_WHOLE ? size : LEADS_WHOLE);
	uint64_t words = 0;

	for (addr = (addr + 7) & ~7ull; addr + 8 <= end; addr += 8) {
		if ((addr & (page_size() - 1)) < 8 && !leads_present(w, addr)) {
			addr += page_size() - 8;
			continue;
		}
		words += peek64(addr) != 0;
	}
	return words;
}

/*
 * The field md_state of a module whose state has no bytes; 0: it isn't such a module.
 * That field leads to a block that nobody wrote to: PyMem_Malloc(0), which the module's
 * execution asks for (Objects/moduleobject.c), with what was there before.
 */
static uint64_t leads_state_empty(struct walk *w, uint64_t obj, uint64_t size)
{
	const uint64_t fields = obj + w->lay->head; /* md_dict first */
	const uint64_t def = peek64(fields + 8);
	const struct walk_range *r;
	uint64_t state_size;

	if (w->lay->module_state_first) /* md_state_size, behind five words */
		return size >= w->lay->head + 48u && !peek64(fields + 40) ? fields + 8 :
									    0;
	r = ranges_of(w, def);
	/* m_base (head, three words), m_name, m_doc, m_size */
	return size >= w->lay->head + 24u && r && r->image &&
			peek_safe64(def + w->lay->head + 40, &state_size) && !state_size ?
		fields + 16 :
		0;
}

void leads_scan_object(struct walk *w, const struct chunks *c, uint64_t obj,
		       leads_fn *visit, void *arg)
{
	const struct leads_scan scan = { c, visit, arg };
	const struct walk_type *type = types_of(w, obj);
	const uint64_t size = candidates_body(w, type, obj);
	uint64_t start = obj + w->lay->head, state = 0;

	if (type->kind == SNAP_KIND_MODULE)
		state = leads_state_empty(w, obj, size);
	if (state) {
		leads_scan_page(w, &scan, start, state);
		start = state + 8;
	}
	if (start < obj + size)
		leads_scan_page(w, &scan, start, obj + size);
}

bool leads_refers(struct walk *w, uint64_t a, uint64_t b)
{
	const uint64_t end = a + candidates_body(w, types_of(w, a), a);

	for (uint64_t at = a + w->lay->head; at + 8 <= end; at += 8)
		if (peek64(at) == b)
			return true;
	return false;
}
