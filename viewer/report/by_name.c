/* SPDX-License-Identifier: MIT */
/*
 * by_name - types of equal name added up (by_name.h).
 *
 * Sort by name, merge neighbours, sort by size.  Retained sizes of same-named
 * types add up, which may count bytes twice when instances of one hold
 * instances of the other: an upper bound then.
 */
#include "viewer/report/by_name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *by_name_of(const struct heap *heap, const void *entry)
{
	return heap_type_name(heap, ((const struct named_type *)entry)->type);
}

static int by_name_compare_names(const void *a, const void *b, void *arg)
{
	return strcmp(by_name_of(arg, a), by_name_of(arg, b));
}

static int by_name_compare_sizes(const void *a, const void *b, void *arg)
{
	const struct named_type *x = a, *y = b;

	if (x->size + x->native != y->size + y->native)
		return x->size + x->native > y->size + y->native ? -1 : 1;
	return by_name_compare_names(a, b, arg);
}

static void by_name_merge(struct by_name *names, const struct heap *heap)
{
	struct named_type *t = names->types.data;
	size_t count = by_name_count(names), kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (kept &&
		    !strcmp(by_name_of(heap, &t[kept - 1]), by_name_of(heap, &t[i]))) {
			if (t[i].size > t[kept - 1].size)
				t[kept - 1].type = t[i].type;
			t[kept - 1].count += t[i].count;
			t[kept - 1].size += t[i].size;
			t[kept - 1].native += t[i].native;
			t[kept - 1].retained += t[i].retained;
			t[kept - 1].approximate |= t[i].approximate;
		} else {
			t[kept++] = t[i];
		}
	}
	names->types.size = kept * sizeof(*t);
}

void by_name_sort_names(struct by_name *names, const struct heap *heap)
{
	struct heap *arg = (struct heap *)(uintptr_t)heap;

	if (names->types.size)
		qsort_r(names->types.data, by_name_count(names),
			sizeof(struct named_type), by_name_compare_names, arg);
}

/* What instances own alone outside, added to their types'. */
static int by_name_add_native(const struct heap *heap, struct vec *sums)
{
	const struct heap_native *native = VEC(heap->native, struct heap_native);

	if (vec_alloc(sums, ((size_t)heap->types + 1) * sizeof(uint64_t)))
		return -ENOMEM;
	for (size_t i = 0; i < VEC_COUNT(heap->native, struct heap_native); i++)
		if (native[i].owners == 1 && !heap->python_only &&
		    !(native[i].flags & HEAP_NATIVE_COUNTED))
			VEC(*sums, uint64_t)
	[heap_type_of(heap, native[i].owner)] += native[i].size;
	return 0;
}

int by_name_build(struct by_name *names, const struct heap *heap,
		  const struct analysis *analysis)
{
	struct vec native = { 0 };
	int err = by_name_add_native(heap, &native);

	for (uint32_t t = 1; t <= heap->types && !err; t++) {
		const struct heap_type *type = heap_type(heap, t);
		struct named_type entry = {
			.count = type->count,
			.size = type->size,
			.type = t,
			.native = VEC(native, uint64_t)[t],
			.approximate = !!(type->flags & SNAP_TYPE_APPROX),
		};

		if (analysis)
			entry.retained =
				VEC(analysis->type, struct analysis_type)[t].retained;
		if (type->count)
			err = vec_append(&names->types, &entry, sizeof(entry));
	}
	vec_free(&native);
	if (err || !names->types.size)
		return err;
	by_name_sort_names(names, heap);
	by_name_merge(names, heap);
	qsort_r(names->types.data, by_name_count(names), sizeof(struct named_type),
		by_name_compare_sizes, (struct heap *)(uintptr_t)heap);
	return 0;
}

void by_name_free(struct by_name *names)
{
	vec_free(&names->types);
}

const struct named_type *by_name_find(const struct by_name *names,
				      const struct heap *heap, const char *name)
{
	size_t lo = 0, hi = by_name_count(names);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(by_name_of(heap, by_name_at(names, mid)), name);

		if (!c)
			return by_name_at(names, mid);
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}
