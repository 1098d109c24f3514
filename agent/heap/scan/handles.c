/* SPDX-License-Identifier: MIT */
/* handles - see handles.h. */
#include "agent/heap/scan/handles.h"

#include "agent/heap/memory/allocators.h"
#include "agent/python/integer.h"

enum {
	HANDLES_DIGITS = 2,   /* any address has no more, and in low memory one */
	HANDLES_SHIFT = 30,   /* bits of a digit */
	HANDLES_LARGEST = 64, /* bytes of a block that has such an int and no more */
	HANDLES_DEBUG = 16,   /* ... before it with PYTHONMALLOC=debug */
};

struct handles {
	const struct chunks *chunks;
	handles_fn *visit;
	void *arg;
	uint64_t int_type;
	uint64_t least, largest; /* bytes of blocks that may have one */
};

static void handles_look(struct walk *w, const struct handles *h, uint64_t obj)
{
	struct integer digits;
	struct lead lead;
	uint64_t word;

	if (!marks_test(&w->marks, obj) || object_type(w->lay, obj) != h->int_type)
		return;
	digits = integer_digits(w->lay, obj);
	if (!digits.count || digits.count > HANDLES_DIGITS || digits.negative)
		return;
	word = peek32(digits.data);
	if (digits.count == HANDLES_DIGITS)
		word |= (uint64_t)peek32(digits.data + 4) << HANDLES_SHIFT;
	if (word % MALLOC_HEAD || chunks_find(h->chunks, word, &lead.number) != word ||
	    h->chunks->owner[lead.number] >= CHUNKS_IDLE)
		return;
	lead.addr = word;
	lead.size = chunks_usable(word);
	lead.inside = 0;
	h->visit(w, h->arg, obj, &lead);
}

/* Blocks of one pool, or one of malloc's. */
static void handles_blocks(struct walk *w, void *arg, uint64_t block, uint64_t size,
			   uint64_t n)
{
	const struct handles *h = arg;

	if (size < h->least || size > h->largest || !marks_in_range(block))
		return;
	for (; n && !w->err; n--, block += size) {
		handles_look(w, h, block);
		handles_look(w, h, block + HANDLES_DEBUG);
	}
}

void handles_each(struct walk *w, const struct chunks *c, handles_fn *visit, void *arg)
{
	struct handles h = {
		.chunks = c,
		.visit = visit,
		.arg = arg,
		.int_type = CPYTHON_ADDR(w->py, long_type),
		.least = w->lay->long_digits + 4,
		.largest = HANDLES_LARGEST,
	};

	if (w->lay->free_threaded || w->lay->unknown & LAYOUT_INT)
		return;
	pymalloc_blocks(w, handles_blocks, &h);
	malloc_blocks(w, handles_blocks, &h);
}
