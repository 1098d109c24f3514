/* SPDX-License-Identifier: MIT */
/*
 * allocators - the blocks of the allocators by size: pymalloc's, and those of a malloc
 * that counts by sizes (jemalloc, tcmalloc, mimalloc).  From the facts NAME.class.N.used
 * and NAME.class.N.free.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/report/allocator_text.h"
#include "viewer/report/common.h"

static const struct column columns[] = {
	{ "allocator", "Allocator", CELL_TEXT, false },
	{ "block", "Block", CELL_BYTES, false },
	{ "used", "In use", CELL_COUNT, false },
	{ "used_bytes", "Bytes in use", CELL_BYTES, false },
	{ "free", "Free", CELL_COUNT, false },
	{ "free_bytes", "Bytes free", CELL_BYTES, false },
};

enum { ALLOCATORS_PYMALLOC, ALLOCATORS_MALLOC };

struct allocators_class {
	uint32_t allocator;
	uint64_t block;
	uint64_t count[2]; /* in use, free; UINT64_MAX = not told */
};

/* "pymalloc.class.32.used": what it is about; which of both counts, or -1. */
static int allocators_parse(const char *key, struct allocators_class *ret)
{
	static const char *const heads[] = { "pymalloc.class.", "malloc.class." };
	char *end;

	for (uint32_t i = 0; i < COUNT_OF(heads); i++) {
		const size_t size = strlen(heads[i]);

		if (strncmp(key, heads[i], size) || key[size] < '1' || key[size] > '9')
			continue;
		*ret = (struct allocators_class){ .allocator = i };
		ret->block = strtoull(key + size, &end, 10);
		ret->count[0] = ret->count[1] = UINT64_MAX;
		return !strcmp(end, ".used") ? 0 : !strcmp(end, ".free") ? 1 : -1;
	}
	return -1;
}

static int allocators_by_block(const void *a, const void *b)
{
	const struct allocators_class *x = a, *y = b;

	if (x->allocator != y->allocator)
		return x->allocator < y->allocator ? -1 : 1;
	return x->block < y->block ? -1 : x->block > y->block;
}

static int allocators_collect(const struct heap *heap, struct vec *ret)
{
	const struct heap_fact *fact = heap->fact.data;
	struct allocators_class c;
	int err = 0;

	for (size_t i = 0; i < VEC_COUNT(heap->fact, struct heap_fact) && !err; i++) {
		const char *key = VEC(heap->fact_text, const char) + fact[i].key;
		int which = fact[i].kind == SNAP_FACT_U64 &&
				fact[i].key < heap->fact_text.size ?
			allocators_parse(key, &c) :
			-1;

		if (which < 0)
			continue;
		c.count[which] = fact[i].u64;
		err = vec_append(ret, &c, sizeof(c));
	}
	if (!err && ret->size)
		qsort(ret->data, VEC_COUNT(*ret, struct allocators_class), sizeof(c),
		      allocators_by_block);
	return err;
}

static void allocators_count(struct row *row, uint64_t count, uint64_t block)
{
	uint64_t bytes;

	if (count == UINT64_MAX) {
		row_unknown(row);
		row_unknown(row);
		return;
	}
	row_u64(row, count);
	if (__builtin_mul_overflow(count, block, &bytes))
		row_unknown(row);
	else
		row_u64(row, bytes);
}

static int allocators_add(const struct heap *heap, const struct allocators_class *c,
			  struct table *table)
{
	struct row row;

	row_begin(&row, table, HEAP_NONE, 0);
	row_text(&row,
		 c->allocator == ALLOCATORS_PYMALLOC ? "pymalloc" :
						       allocator_text_name(heap));
	row_u64(&row, c->block);
	allocators_count(&row, c->count[0], c->block);
	allocators_count(&row, c->count[1], c->block);
	return row_end(&row);
}

static int report_allocators_run(const struct report_context *context,
				 const struct report_params *params, struct table *table)
{
	const struct heap *heap = context->heap;
	struct vec classes = { 0 };
	int err = allocators_collect(heap, &classes);
	struct allocators_class *c = classes.data;
	const size_t count = VEC_COUNT(classes, struct allocators_class);

	(void)params;
	for (size_t i = 0; i < count && !err; i++) {
		if (i + 1 < count && !allocators_by_block(&c[i], &c[i + 1])) {
			for (unsigned k = 0; k < 2; k++)
				if (c[i + 1].count[k] == UINT64_MAX)
					c[i + 1].count[k] = c[i].count[k];
			continue;
		}
		err = allocators_add(heap, &c[i], table);
	}
	if (!err && !count)
		table->error = "the snapshot tells of no allocator's blocks by size";
	if (!err && heap_rss(heap))
		err = allocator_text_note(table, heap);
	vec_free(&classes);
	return err;
}

const struct report report_allocators = {
	.name = "allocators",
	.title = "Blocks of the allocators, by size",
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_allocators_run,
};
