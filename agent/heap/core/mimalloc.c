/* SPDX-License-Identifier: MIT */
/*
 * mimalloc - see mimalloc.h.
 *
 * The end of a segment's description, before its table (mi_segment_t): cookie,
 * slices, slices of the description, kind (0: of pages, 1: one large block), entries of
 * the table, thread.  A page's record (mi_page_t): u32 slices; u8 at 8, bits 3 to 6:
 * the tag; u16 at 10: blocks given out; free ones at 16; u32 at 24: used; u32 at 28:
 * bytes of a block, or 2^31 in one of its own; freed by the owner at 32; then, in builds
 * that encode lists, two keys; freed by other threads, with state in the two lowest bits.
 */
#include "agent/heap/core/mimalloc.h"

#include <string.h>

#include "agent/heap/core/events.h"
#include "agent/heap/core/ranges.h"

enum {
	MIMALLOC_SEGMENT_SHIFT = 25,
	MIMALLOC_SEGMENT = 1 << MIMALLOC_SEGMENT_SHIFT,
	MIMALLOC_SLICE_SHIFT = 16,
	MIMALLOC_SLICES = MIMALLOC_SEGMENT >> MIMALLOC_SLICE_SHIFT,
	MIMALLOC_TABLE_MAX = 2048, /* where it may begin */
	MIMALLOC_ENTRY = 96,	   /* bytes of a release build's record */
	MIMALLOC_ENTRY_OLD = 80,   /* ... before 2.1, which only a library may be */
	MIMALLOC_KEYS = 16,	   /* ... more in one that encodes lists */
	MIMALLOC_ENTRY_MAX = 192,
	MIMALLOC_DEBUG_WORDS = 16, /* _PyMem_DebugMalloc: size and the domain's letter */
	MIMALLOC_PRE_WORDS = 16,
	MIMALLOC_BLOCKS = 8192, /* in a page of the smallest */
	MIMALLOC_ALL_SLICES = 1 << 30,
};
#define MIMALLOC_HUGE 0x80000000u /* MI_HUGE_BLOCK_SIZE */

struct segment {
	uint64_t at;
	uint16_t *first; /* of each slice: the first one of its page; NULL: not made */
};

/* Bits of a page's free blocks. */
struct free_blocks {
	uint64_t record; /* the page's; 0: none yet */
	uint64_t bits[MIMALLOC_BLOCKS / 64];
};

struct mimalloc {
	uint32_t table, entry; /* in a segment: where it begins; bytes of an entry */
	uint32_t before;       /* MIMALLOC_DEBUG_WORDS, or 0 */
	uint64_t secret;
	struct segment *segments; /* ascending */
	uint32_t count, capacity;
	struct free_blocks walked; /* of the page whose blocks are gone through */
	struct free_blocks asked;  /* ... of which one was asked for last */
};

static uint64_t mimalloc_segment_of(uint64_t addr)
{
	return addr & ~(uint64_t)(MIMALLOC_SEGMENT - 1);
}

static uint64_t mimalloc_record(const struct mimalloc *m, uint64_t segment,
				uint32_t slice)
{
	return segment + m->table + (uint64_t)slice * m->entry;
}

/* Entries of a segment's table. */
static uint32_t mimalloc_entries(const struct mimalloc *m, uint64_t segment)
{
	return (uint32_t)peek64(segment + m->table - 16);
}

/* Do the slices follow each other to the end?  Those of one large block end before. */
static bool mimalloc_tiled(const struct mimalloc *m, uint64_t segment, bool large)
{
	const uint32_t entries = mimalloc_entries(m, segment);
	uint32_t slice = 0;

	while (slice < entries) {
		const uint32_t n = peek32(mimalloc_record(m, segment, slice));

		if (!n || n > MIMALLOC_ALL_SLICES)
			return false;
		slice += n;
		if (large && slice > 1 && n >= entries - slice)
			return true;
	}
	return slice == entries || large;
}

static bool mimalloc_is_segment(struct walk *w, const struct mimalloc *m,
				uint64_t segment)
{
	const uint64_t end = segment + m->table;
	uint64_t slices, info, entries;
	uint32_t kind;

	if (!ranges_hold(w, segment, m->table) || !ranges_readable(w, segment, 4096))
		return false;
	slices = peek64(end - 40);
	info = peek64(end - 32);
	kind = peek32(end - 24);
	entries = peek64(end - 16);
	if (!info || info >= slices || kind > 1 || entries > MIMALLOC_SLICES ||
	    entries > slices || !entries || slices > MIMALLOC_ALL_SLICES ||
	    (!kind && slices != MIMALLOC_SLICES))
		return false;
	if (!ranges_readable(w, segment, m->table + entries * m->entry) ||
	    peek32(end) != info)
		return false;
	return (!m->secret || (peek64(end - 48) ^ segment) == m->secret) &&
		mimalloc_tiled(m, segment, kind == 1);
}

/* ---- pages ---- */

/* The page whose first slice this is; false: none, or one without blocks. */
static bool mimalloc_read(const struct mimalloc *m, uint64_t segment, uint32_t slice,
			  struct mimalloc_page *ret)
{
	const uint64_t at = mimalloc_record(m, segment, slice);
	const uint64_t bytes = (uint64_t)peek32(at) << MIMALLOC_SLICE_SHIFT;
	const uint32_t size = peek32(at + 28);
	const bool encoded = m->entry >= MIMALLOC_ENTRY + MIMALLOC_KEYS;
	uint64_t skip = 0;

	*ret = (struct mimalloc_page){
		.record = at,
		.block = size < MIMALLOC_HUGE ? size : bytes,
		.blocks = peek16(at + 10),
		.used = peek32(at + 24),
		.lists = { peek64(at + 16), peek64(at + 32),
			   peek64(at + 40 + (encoded ? MIMALLOC_KEYS : 0)) & ~3ull },
		.tag = peek8(at + 8) >> 3 & 15,
	};
	if (encoded) {
		ret->keys[0] = peek64(at + 40);
		ret->keys[1] = peek64(at + 48);
	}
	/* small blocks begin a little behind (_mi_segment_page_start_from_slice) */
	if (size >= 8 && size <= 512)
		skip = size <= 64 ? 3ull * size : size;
	ret->start = segment + ((uint64_t)slice << MIMALLOC_SLICE_SHIFT) + skip;
	return ret->blocks && ret->block >= 8 && ret->tag <= MIMALLOC_PRE_HEADER &&
		ret->blocks <= MIMALLOC_BLOCKS &&
		skip + ret->blocks * ret->block <= bytes;
}

/* The first slice of the page that has this one; 0: of none. */
static uint32_t mimalloc_first(struct walk *w, struct segment *segment, uint32_t slice)
{
	const struct mimalloc *m = w->mimalloc;
	const uint32_t entries = mimalloc_entries(m, segment->at);

	if (!segment->first) {
		segment->first = context_alloc(w, MIMALLOC_SLICES * sizeof(uint16_t));
		if (!segment->first)
			return 0;
		for (uint32_t i = 0; i < entries;) {
			const uint32_t n = peek32(mimalloc_record(m, segment->at, i));

			for (uint32_t k = i; n && k < entries && k - i < n; k++)
				segment->first[k] = (uint16_t)i;
			i += n ? n : entries;
		}
	}
	return slice < MIMALLOC_SLICES ? segment->first[slice] : 0;
}

static struct segment *mimalloc_find_segment(const struct mimalloc *m, uint64_t addr)
{
	uint32_t low = 0, high = m->count;

	while (high - low > 1) {
		const uint32_t middle = (low + high) / 2;

		if (m->segments[middle].at <= addr)
			low = middle;
		else
			high = middle;
	}
	return high && m->segments[low].at <= addr ? &m->segments[low] : NULL;
}

/* The page that holds addr, which may be anything. */
static bool mimalloc_page_of(struct walk *w, uint64_t addr, struct mimalloc_page *ret)
{
	const struct mimalloc *m = w->mimalloc;
	struct segment *segment = mimalloc_find_segment(m, addr);
	uint64_t slice;

	if (!segment)
		return false;
	slice = (addr - segment->at) >> MIMALLOC_SLICE_SHIFT;
	if (slice >= MIMALLOC_SLICES) /* one large block goes on behind the table */
		slice = mimalloc_entries(m, segment->at) - 1;
	slice = mimalloc_first(w, segment, (uint32_t)slice);
	return slice && mimalloc_read(m, segment->at, (uint32_t)slice, ret) &&
		addr >= ret->start && addr - ret->start < ret->blocks * ret->block;
}

void mimalloc_pages(struct walk *w, mimalloc_page_fn *fn, void *arg)
{
	const struct mimalloc *m = w->mimalloc;
	struct mimalloc_page page;

	for (uint32_t i = 0; m && i < m->count && !w->err; i++) {
		const uint64_t at = m->segments[i].at;
		const uint32_t entries = mimalloc_entries(m, at);
		uint32_t slice = peek32(mimalloc_record(m, at, 0)), n;

		for (; slice < entries && !w->err; slice += n) {
			n = peek32(mimalloc_record(m, at, slice));
			if (!n)
				break;
			if (mimalloc_read(m, at, slice, &page))
				fn(w, &page, arg);
		}
	}
}

/* ---- blocks ---- */

/* The next one of a list; 0: the end.  Encoded: mi_ptr_decode of mimalloc/internal.h,
 * where the page's record stands for the end. */
static uint64_t mimalloc_next(const struct mimalloc_page *page, uint64_t block)
{
	const uint64_t word = peek64(block), turn = page->keys[0] & 63;
	uint64_t plain;

	if (!page->keys[0] && !page->keys[1])
		return word;
	plain = word - page->keys[0];
	plain = (turn ? plain >> turn | plain << (64 - turn) : plain) ^ page->keys[1];
	return plain == page->record ? 0 : plain;
}

/* Notes the free blocks; false: a list leads elsewhere. */
static bool mimalloc_note_free(struct free_blocks *free, const struct mimalloc_page *page,
			       uint64_t list)
{
	for (uint32_t n = 0; list && n <= page->blocks; n++) {
		const uint64_t from = list - page->start;
		const uint64_t index = from / page->block;

		if (list < page->start || index >= page->blocks ||
		    from % page->block != 0)
			return false;
		free->bits[index / 64] |= 1ull << index % 64;
		list = mimalloc_next(page, list);
	}
	return true;
}

/* Of all three lists; nothing changes while we look, so once for each page. */
static bool mimalloc_note_all_free(struct free_blocks *free,
				   const struct mimalloc_page *page)
{
	bool sound = true;

	if (free->record == page->record)
		return true;
	free->record = page->record;
	memset(free->bits, 0, (page->blocks + 63) / 64 * 8);
	for (unsigned i = 0; i < 3; i++)
		sound &= mimalloc_note_free(free, page, page->lists[i]);
	return sound;
}

uint32_t mimalloc_blocks(struct walk *w, const struct mimalloc_page *page,
			 mimalloc_block_fn *fn, void *arg)
{
	struct mimalloc *m = w->mimalloc;
	uint32_t used = 0;

	if (!page->used)
		return 0;
	if (!mimalloc_note_all_free(&m->walked, page))
		events_error(w, page->start, NULL,
			     "a list of free blocks leads out of its page");
	for (uint32_t i = 0; i < page->blocks && !w->err; i++) {
		if (m->walked.bits[i / 64] >> i % 64 & 1)
			continue;
		used++;
		if (fn)
			fn(w, page, page->start + i * page->block, arg);
	}
	return used;
}

uint32_t mimalloc_before(const struct walk *w, const struct mimalloc_page *page)
{
	return w->mimalloc->before +
		(page->tag == MIMALLOC_PRE_HEADER ? MIMALLOC_PRE_WORDS : 0);
}

uint64_t mimalloc_block_at(struct walk *w, uint64_t addr, struct mimalloc_page *ret)
{
	struct mimalloc *m = w->mimalloc;
	uint64_t index;

	if (!m || !mimalloc_page_of(w, addr, ret) || !ret->used)
		return 0;
	index = (addr - ret->start) / ret->block;
	if (ret->used < ret->blocks || ret->lists[2]) {
		mimalloc_note_all_free(&m->asked, ret);
		if (m->asked.bits[index / 64] >> index % 64 & 1)
			return 0;
	}
	return ret->start + index * ret->block;
}

bool mimalloc_holds_collected(struct walk *w, uint64_t obj)
{
	struct mimalloc_page page;
	uint64_t block;

	if (!w->mimalloc)
		return true;
	block = mimalloc_block_at(w, obj, &page);
	return block && page.tag >= MIMALLOC_COLLECTED &&
		obj == block + mimalloc_before(w, &page);
}

uint32_t mimalloc_segments(const struct walk *w)
{
	return w->mimalloc ? w->mimalloc->count : 0;
}

/* ---- finding ---- */

/* Is a known object, tracked and without words before it, where a block says? */
static bool mimalloc_fits(struct walk *w, struct mimalloc *m, uint64_t obj)
{
	struct segment segment = { .at = mimalloc_segment_of(obj) };
	struct mimalloc_page page;
	uint64_t rest;

	m->segments = &segment;
	m->count = 1;
	w->mimalloc = m;
	rest = mimalloc_page_of(w, obj, &page) && page.tag == MIMALLOC_COLLECTED ?
		(obj - page.start) % page.block :
		UINT64_MAX;
	m->before = (uint32_t)rest;
	if (rest && rest != MIMALLOC_DEBUG_WORDS)
		rest = UINT64_MAX;
	else if (!mimalloc_block_at(w, obj, &page))
		rest = UINT64_MAX;
	w->mimalloc = NULL;
	m->asked.record = 0;
	m->segments = NULL;
	m->count = 0;
	return rest != UINT64_MAX;
}

/* Where tables begin and how long their entries are. */
static bool mimalloc_learn(struct walk *w, struct mimalloc *m)
{
	const uint64_t obj = w->lay->known_tracked, segment = mimalloc_segment_of(obj);

	for (m->entry = MIMALLOC_ENTRY; m->entry <= MIMALLOC_ENTRY_MAX; m->entry += 8)
		for (m->table = 64; m->table < MIMALLOC_TABLE_MAX; m->table += 8) {
			m->secret = 0;
			if (!mimalloc_is_segment(w, m, segment) ||
			    !mimalloc_fits(w, m, obj))
				continue;
			m->secret = peek64(segment + m->table - 48) ^ segment;
			return true;
		}
	return false;
}

static bool mimalloc_add(struct walk *w, struct mimalloc *m, uint64_t segment)
{
	struct segment *more;

	if (m->count == m->capacity) {
		more = context_alloc(w, (m->capacity * 2 + 64) * sizeof(*more));
		if (!more)
			return false;
		if (m->count)
			memcpy(more, m->segments, m->count * sizeof(*more));
		m->segments = more;
		m->capacity = m->capacity * 2 + 64;
	}
	m->segments[m->count++] = (struct segment){ .at = segment };
	return true;
}

/* All places of a range at which a segment may begin, and none of its blocks. */
static void mimalloc_search(struct walk *w, struct mimalloc *m,
			    const struct walk_range *r)
{
	uint64_t at = mimalloc_segment_of(r->start + MIMALLOC_SEGMENT - 1), slices;

	while (at < r->end && at >= r->start && !w->err) {
		slices = MIMALLOC_SLICES;
		if (mimalloc_is_segment(w, m, at)) {
			mimalloc_add(w, m, at);
			slices = peek64(at + m->table - 40);
		}
		at += slices << MIMALLOC_SLICE_SHIFT;
		at = mimalloc_segment_of(at + MIMALLOC_SEGMENT - 1);
	}
}

static void mimalloc_search_all(struct walk *w, struct mimalloc *m)
{
	for (uint32_t i = 0; i < w->nranges && !w->err; i++) {
		const struct walk_range *r = &w->ranges[i];

		if (!r->file && !r->special && !r->image && (r->perms & 3) == 3)
			mimalloc_search(w, m, r);
	}
}

void mimalloc_begin(struct walk *w)
{
	struct mimalloc *m;

	if (!w->lay->free_threaded)
		return;
	m = context_alloc(w, sizeof(*m));
	if (!m)
		return;
	if (!mimalloc_learn(w, m)) {
		events_error(w, 0, NULL,
			     "the heaps of this free-threaded CPython were not found; "
			     "objects are only found by reference");
		return;
	}
	mimalloc_search_all(w, m);
	w->mimalloc = m;
}

/* ---- a library's ---- */

/* Blocks on a list; UINT32_MAX: it leads out of [from, to). */
static uint32_t mimalloc_length(const struct mimalloc_page *page, uint64_t list,
				uint64_t from, uint64_t to)
{
	uint32_t n = 0;

	for (; list; list = mimalloc_next(page, list))
		if (list < from || list + 8 > to || list & 7 || n++ > page->blocks)
			return UINT32_MAX;
	return n;
}

/*
 * The span whose first slice this is.  False: it is a page whose lists are wrong, or
 * don't have what is not in use (a thread may just have been changing them).
 */
static bool mimalloc_span(const struct mimalloc *m, uint64_t segment, uint32_t slice,
			  struct mimalloc_span *ret)
{
	const uint64_t start = segment + ((uint64_t)slice << MIMALLOC_SLICE_SHIFT);
	const uint32_t n = peek32(mimalloc_record(m, segment, slice));
	struct mimalloc_page page;
	uint32_t length[3];

	*ret = (struct mimalloc_span){
		.start = start,
		.end = start + ((uint64_t)n << MIMALLOC_SLICE_SHIFT),
		.own = !slice,
	};
	if (!slice || !mimalloc_read(m, segment, slice, &page))
		return true;
	for (unsigned i = 0; i < 3; i++) {
		length[i] = mimalloc_length(&page, page.lists[i], start, ret->end);
		if (length[i] == UINT32_MAX)
			return false;
	}
	ret->is_page = true;
	ret->block = page.block;
	ret->blocks = page.blocks;
	ret->live = page.used > length[2] ? page.used - length[2] : 0;
	return (uint64_t)page.used + length[0] + length[1] == page.blocks;
}

/* Calls fn with the segment's sound spans; counts its pages that aren't, and that are. */
static void mimalloc_spans(struct walk *w, const struct mimalloc *m, uint64_t segment,
			   mimalloc_span_fn *fn, void *arg, uint32_t sound[2])
{
	const uint32_t entries = mimalloc_entries(m, segment);
	struct mimalloc_span span;
	uint32_t n;

	for (uint32_t slice = 0; slice < entries && !w->err; slice += n) {
		const bool good = mimalloc_span(m, segment, slice, &span);

		n = peek32(mimalloc_record(m, segment, slice));
		if (!n)
			return;
		if (span.is_page)
			sound[good]++;
		if (fn && good)
			fn(w, &span, arg);
	}
}

/* Is it one whose pages are sound, but for what was being changed? */
static bool mimalloc_sound(struct walk *w, const struct mimalloc *m, uint64_t segment)
{
	uint32_t sound[2] = { 0 };

	mimalloc_spans(w, m, segment, NULL, NULL, sound);
	return sound[true] > 8 * sound[false];
}

/* Where tables begin and how long their entries are, by any segment that is sound. */
static bool mimalloc_learn_from(struct walk *w, struct mimalloc *m, uint64_t segment)
{
	for (m->entry = MIMALLOC_ENTRY_OLD; m->entry <= MIMALLOC_ENTRY_MAX; m->entry += 8)
		for (m->table = 64; m->table < MIMALLOC_TABLE_MAX; m->table += 8) {
			m->secret = 0;
			if (!mimalloc_is_segment(w, m, segment) ||
			    !mimalloc_sound(w, m, segment))
				continue;
			m->secret = peek64(segment + m->table - 48) ^ segment;
			if (!w->mimalloc || m->secret != w->mimalloc->secret)
				return true;
		}
	return false;
}

static bool mimalloc_learn_library(struct walk *w, struct mimalloc *m)
{
	for (uint32_t i = 0; i < w->nranges; i++) {
		const struct walk_range *r = &w->ranges[i];
		uint64_t at = mimalloc_segment_of(r->start + MIMALLOC_SEGMENT - 1);

		if (r->file || r->special || r->image || (r->perms & 3) != 3)
			continue;
		for (; at < r->end && at >= r->start; at += MIMALLOC_SEGMENT)
			if (mimalloc_learn_from(w, m, at))
				return true;
	}
	return false;
}

bool mimalloc_of_library(struct walk *w, mimalloc_span_fn *fn, void *arg)
{
	struct mimalloc *m = context_alloc(w, sizeof(*m));
	uint32_t sound[2] = { 0 };

	if (!m || !mimalloc_learn_library(w, m))
		return false;
	mimalloc_search_all(w, m);
	for (uint32_t i = 0; i < m->count; i++)
		mimalloc_spans(w, m, m->segments[i].at, fn, arg, sound);
	return m->count > 0;
}
