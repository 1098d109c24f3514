/* SPDX-License-Identifier: MIT */
/* leftovers - see leftovers.h */
#include "agent/heap/scan/leftovers.h"

#include <string.h>

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

/*
 * Is one of the places of `starts`, bits of the first 64 bytes, taken in the block: by an
 * object we know, or an array or table of one (marks_take)?  A load of 4 bytes of the
 * bitmap that begins with the right one holds them all.
 */
static inline bool leftovers_known(const struct marks_leaf *leaf, uint64_t block,
				   uint64_t starts)
{
	const size_t at = block >> 6 & (sizeof(leaf->mark) - 1);
	uint32_t mark, done;

	memcpy(&mark, (const char *)leaf->mark + at, sizeof(mark));
	memcpy(&done, (const char *)leaf->done + at, sizeof(done));
	return (mark | done) >> (block >> 3 & 7) & starts;
}

/* Where objects may begin in a block, ascending. */
struct begins {
	uint64_t at[4];
	unsigned n;
};

static struct begins leftovers_begins(const struct walk *w, uint64_t size)
{
	const uint64_t gc = w->lay->gc_head, all[] = { 0, 16, gc, gc + 16 };
	struct begins begins = { .n = 0 };

	for (unsigned i = 0; i < 4; i++)
		if (all[i] + w->lay->head <= size && (i != 2 || gc != 16))
			begins.at[begins.n++] = all[i];
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

/* Blocks of one pool, or one of malloc's: none reaches into the next leaf's memory. */
static void leftovers_visit(struct walk *w, uint64_t block, uint64_t size, uint64_t n)
{
	const struct begins begins = leftovers_begins(w, size);
	const struct marks_leaf *leaf;
	uint64_t starts = 0;

	if (!marks_in_range(block))
		return;
	for (unsigned i = 0; i < begins.n; i++)
		starts |= 1u << begins.at[i] / 8;
	leaf = w->marks.directory[block >> MARKS_LEAF_SHIFT];
	for (; n; n--, block += size) {
		if (leaf && leftovers_known(leaf, block, starts))
			continue;
		leftovers_look(w, block, size, &begins);
		if (w->err)
			return;
	}
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
