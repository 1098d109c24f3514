/* SPDX-License-Identifier: MIT */
/* leftovers - see leftovers.h */
#include "agent/heap/scan/leftovers.h"

#include "agent/heap/core/queue.h"
#include "agent/heap/core/ranges.h"
#include "agent/heap/core/sound.h"
#include "agent/heap/core/types.h"
#include "agent/heap/memory/allocators.h"
#include "agent/heap/scan/sweep.h"

enum { STEP = 16, LARGE = 512, REFCOUNT_MAX = 1 << 28 };

/* Bytes in the object itself, by its type's formula; 0 = can't be told. */
static uint64_t leftovers_inside(struct walk *w, struct walk_type *type, uint64_t obj)
{
	uint64_t size;

	if (type->size_method)
		return type->itemsize ? 0 : type->basicsize;
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

/*
 * Cheap tests first: the count, then a type that is an object known before.  Where the
 * program lies at low addresses, an array of pointers to types looks like that too: so
 * no count that is an address (last, as the kernel may have to be asked).
 */
static bool leftovers_may_be(struct walk *w, uint64_t obj, uint64_t begin)
{
	uint64_t word = peek64(obj + w->lay->refcnt), type;

	if ((word & w->lay->refcnt_mask) - 1 >= REFCOUNT_MAX)
		return false;
	type = object_type(w->lay, obj);
	return peek_plausible(type) && (type & 7) == 0 && marks_test(&w->marks, type) &&
		(object_is_type(w->lay, type)) && leftovers_begin(w, type) == begin &&
		(word < 0x10000 || !ranges_readable(w, word, 1));
}

/* Is there a bit of `starts` set in the bitmap from the block on: an object we know? */
static inline bool leftovers_known(const struct marks_leaf *leaf, uint64_t block,
				   uint64_t starts)
{
	uint32_t at = (block >> 9) & (MARKS_LEAF_WORDS - 1), shift = (block >> 3) & 63;
	uint64_t bits = leaf->mark[at] >> shift;

	if (shift > 56 && at + 1 < MARKS_LEAF_WORDS)
		bits |= leaf->mark[at + 1] << (64 - shift);
	return bits & starts;
}

static void leftovers_look(struct walk *w, uint64_t block, uint64_t size)
{
	uint64_t gc = w->lay->gc_head;
	const uint64_t begins[] = { 0, gc, 16, gc + 16 };
	struct walk_type *type;

	for (unsigned i = 0; i < 4; i++) {
		uint64_t obj = block + begins[i];

		if (begins[i] + w->lay->head > size ||
		    !leftovers_may_be(w, obj, begins[i]) || !sound_object(w, obj))
			continue;
		type = types_of(w, obj);
		if (leftovers_fits(begins[i] + leftovers_inside(w, type, obj), size)) {
			queue_add(w, obj);
			return;
		}
	}
}

/* Blocks of one pool, or one of malloc's: none reaches into the next leaf's memory. */
static void leftovers_visit(struct walk *w, uint64_t block, uint64_t size, uint64_t n)
{
	uint64_t gc = w->lay->gc_head;
	uint64_t starts = 1u | 1u << gc / 8 | 1u << 2 | 1u << (gc / 8 + 2);
	const struct marks_leaf *leaf;

	if (!marks_in_range(block))
		return;
	leaf = w->marks.directory[block >> MARKS_LEAF_SHIFT];
	for (; n && !w->err; n--, block += size)
		if (!leaf || !leftovers_known(leaf, block, starts))
			leftovers_look(w, block, size);
}

void leftovers_scan(struct walk *w)
{
	if (!w->options->in_copy || !w->memory || w->err)
		return;
	pymalloc_blocks(w, leftovers_visit);
	malloc_blocks(w, leftovers_visit);
	w->checked = true;
	sweep_run(w);
	w->checked = false;
}
