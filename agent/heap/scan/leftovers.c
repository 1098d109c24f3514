/* SPDX-License-Identifier: MIT */
/* leftovers - see leftovers.h */
#include "agent/heap/scan/leftovers.h"

#include "agent/heap/core/mimalloc.h"
#include "agent/heap/core/queue.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/types.h"
#include "agent/heap/memory/allocators.h"
#include "agent/heap/object/instances.h"
#include "agent/heap/scan/sweep.h"

enum { STEP = 16, LARGE = 512, FEW = 4, REFCOUNT_MAX = 1 << 28 };

/* Bytes in the object itself, by its type's formula, or by what every type's instances
 * are made of; 0 = can't be told. */
static uint64_t leftovers_inside(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t size;

	if (type->size_method)
		return instances_body(w, type, obj);
	w->outer = 0;
	size = type->size(w, type, obj);
	return size > w->outer ? size - w->outer : 0;
}

/*
 * A block is cut to measure, but where realloc made less of it: pymalloc leaves a
 * block as it is if three quarters stay in use (Objects/obmalloc.c, pymalloc_realloc).
 */
static bool leftovers_fits(uint64_t need, uint64_t block)
{
	if (need > block)
		return false;
	return need + STEP > block ||
		(block > LARGE ? need >= block / 2 : need * 4 >= block * 3);
}

/* Where its type's instances begin in a block. */
static uint64_t leftovers_begin(const struct walk *w, uint64_t type)
{
	uint64_t flags = peek64(type + w->lay->tp_flags), begin = 0;

	if (flags & TYPE_HAVE_GC)
		begin = w->lay->gc_head;
	if (w->lay->managed != LAYOUT_MANAGED_NONE && (flags & TYPE_PRE_HEADER))
		begin += 16;
	return begin;
}

/* How long the collector's header is may be unknown; then each place will do. */
static bool leftovers_begins_at(const struct walk *w, uint64_t type, uint64_t begin)
{
	return leftovers_begin(w, type) == begin || w->lay->unknown & LAYOUT_HEADER;
}

/*
 * Cheap tests first: the count, then a type that is an object known before.  Where the
 * program lies at low addresses, an array of pointers to types looks like that too: so
 * no count that is an address (last, as the kernel may have to be asked).
 */
static bool leftovers_may_be(struct walk *w, uint64_t obj, uint64_t begin)
{
	uint64_t word = peek64(obj + w->lay->refcnt), type, count;

	if (w->lay->free_threaded) {
		if (object_count(w->lay, obj, &count) == OBJECT_COUNTED &&
		    count - 1 >= REFCOUNT_MAX)
			return false;
		word = 0;
	} else if ((word & w->lay->refcnt_mask) - 1 >= REFCOUNT_MAX) {
		return false;
	}
	type = object_type(w->lay, obj);
	return peek_plausible(type) && (type & 7) == 0 && marks_test(&w->marks, type) &&
		(object_is_type(w->lay, type)) && leftovers_begins_at(w, type, begin) &&
		(word < 0x10000 || !ranges_readable(w, word, 1));
}

/* Places of a word of the bitmaps, 8 bytes each, that are taken: by an object we know, or
 * an array or table of one (marks_take). */
static inline uint64_t leftovers_known(const struct marks_leaf *leaf, uint32_t word)
{
	return word < MARKS_LEAF_WORDS ? leaf->mark[word] | leaf->done[word] : 0;
}

/* Behind which of the 64 places of a word one of `starts`, bits of the places from there
 * on, is taken; `here` and `there` are what is known of it and of the next word. */
static inline uint64_t leftovers_taken(uint64_t here, uint64_t there, uint64_t starts)
{
	uint64_t taken = starts & 1 ? here : 0;

	/* 16 and 32 bytes on: nearly all CPythons; then 24 and 40 */
	if (starts & 1 << 2)
		taken |= here >> 2 | there << 62;
	if (starts & 1 << 4)
		taken |= here >> 4 | there << 60;
	for (starts &= ~0x15ULL; starts; starts &= starts - 1) {
		const unsigned by = (unsigned)__builtin_ctzll(starts);

		taken |= here >> by | there << (64 - by);
	}
	return taken;
}

/* Where objects may begin in a block, ascending. */
struct begins {
	uint64_t at[4];
	unsigned n;
	uint64_t starts; /* a bit for each: its place, in units of 8 bytes */
};

static struct begins leftovers_begins(const struct walk *w, uint64_t size)
{
	const uint64_t gc = w->lay->gc_head, all[] = { 0, 16, gc, gc + 16 };
	struct begins begins = { .n = 0 };

	for (unsigned i = 0; i < 4; i++)
		if (all[i] + w->lay->head <= size && (i != 2 || gc != 16)) {
			begins.at[begins.n++] = all[i];
			begins.starts |= 1ULL << all[i] / 8;
		}
	return begins;
}

static void leftovers_look(struct walk *w, uint64_t block, uint64_t size,
			   const struct begins *begins)
{
	struct walk_type *type;

	for (unsigned i = 0; i < begins->n; i++) {
		uint64_t obj = block + begins->at[i];

		if (!leftovers_may_be(w, obj, begins->at[i]) || !sound_object(w, obj))
			continue;
		type = types_of(w, obj);
		if (leftovers_fits(begins->at[i] + leftovers_inside(w, type, obj),
				   size)) {
			queue_add(w, obj);
			return;
		}
	}
}

/* The blocks that begin at `bits`, places of the 512 bytes at base. */
static void leftovers_look_each(struct walk *w, uint64_t base, uint64_t bits,
				uint64_t size, const struct begins *begins)
{
	for (; bits && !w->err; bits &= bits - 1)
		leftovers_look(w, base + (unsigned)__builtin_ctzll(bits) * 8, size,
			       begins);
}

/*
 * Many blocks, at most 512 bytes each: where they begin is a pattern of every size / 8th
 * bit, which goes on in the next word of the bitmap where it left off in this one.
 */
static void leftovers_visit_words(struct walk *w, const struct marks_leaf *leaf,
				  uint64_t block, uint64_t size, uint64_t n,
				  const struct begins *begins)
{
	const unsigned stride = (unsigned)size / 8, left_over = 64 % stride;
	const uint64_t end = block + n * size;
	uint64_t base = block & ~511ULL, pattern = 0;
	uint32_t word = (base >> 9) & (MARKS_LEAF_WORDS - 1);
	uint64_t here = leftovers_known(leaf, word), there;
	unsigned phase = block >> 3 & 63;

	for (unsigned bit = 0; bit < 64; bit += stride)
		pattern |= 1ULL << bit;
	for (bool first = true; base < end && !w->err; base += 512, first = false) {
		uint64_t bits = pattern << phase;

		there = leftovers_known(leaf, ++word);

		if (end - base < 512)
			bits &= (1ULL << (end - base) / 8) - 1;
		bits &= ~leftovers_taken(here, there, begins->starts);
		here = there;
		if (bits)
			leftovers_look_each(w, base, bits, size, begins);
		if (first) /* a later one begins before a stride's end */
			phase %= stride;
		phase = phase >= left_over ? phase - left_over :
					     phase + stride - left_over;
	}
}

/* Blocks of one pool, or one of malloc's: none reaches into the next leaf's memory. */
static void leftovers_visit(struct walk *w, void *arg, uint64_t block, uint64_t size,
			    uint64_t n)
{
	const struct begins begins = leftovers_begins(w, size);
	const struct marks_leaf *leaf;

	(void)arg;
	if (!marks_in_range(block))
		return;
	leaf = w->marks.directory[block >> MARKS_LEAF_SHIFT];
	if (leaf && size <= LARGE && n > FEW) {
		leftovers_visit_words(w, leaf, block, size, n, &begins);
		return;
	}
	for (; n && !w->err; n--, block += size) {
		const uint32_t at = (block >> 9) & (MARKS_LEAF_WORDS - 1);

		if (!leaf ||
		    !(leftovers_taken(leftovers_known(leaf, at),
				      leftovers_known(leaf, at + 1), begins.starts) >>
			      (block >> 3 & 63) &
		      1))
			leftovers_look(w, block, size, &begins);
	}
}

/* A block of a heap for objects: what is in it can only begin at one place, and its
 * type must be one of that heap. */
static void leftovers_block(struct walk *w, const struct mimalloc_page *page,
			    uint64_t block, void *arg)
{
	const uint32_t before = mimalloc_before(w, page);
	const uint64_t obj = block + before;
	const uint64_t begin = page->tag == MIMALLOC_PRE_HEADER ? 16 : 0;
	const uint64_t size = page->block;
	struct walk_type *type;
	bool collected;

	(void)arg;
	if (marks_test(&w->marks, obj) || !leftovers_may_be(w, obj, begin) ||
	    !sound_object(w, obj))
		return;
	type = types_of(w, obj);
	collected = type->tp_flags & TYPE_HAVE_GC;
	if (collected == (page->tag >= MIMALLOC_COLLECTED) &&
	    before + leftovers_inside(w, type, obj) <= size)
		queue_add(w, obj);
}

static void leftovers_page(struct walk *w, const struct mimalloc_page *page, void *arg)
{
	if (page->tag != MIMALLOC_MEMORY &&
	    page->block >= mimalloc_before(w, page) + w->lay->head)
		mimalloc_blocks(w, page, leftovers_block, arg);
}

void leftovers_scan(struct walk *w)
{
	if (!w->options->in_copy || !w->memory || w->err)
		return;
	if (w->lay->free_threaded)
		mimalloc_pages(w, leftovers_page, NULL);
	else
		pymalloc_blocks(w, leftovers_visit, NULL);
	malloc_blocks(w, leftovers_visit, NULL);
	w->checked = true;
	sweep_run(w);
	w->checked = false;
}
