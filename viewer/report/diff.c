/* SPDX-License-Identifier: MIT */
/*
 * diff - types that changed, new minus old, in objects and in what those own outside:
 * growth is positive.
 *
 * Types are matched by name: addresses are reused and classes come and go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/report/by_name.h"
#include "viewer/report/common.h"

static const struct column columns[] = {
	{ "type", "Type", CELL_TEXT, false },
	{ "count", "Count", CELL_COUNT, false },
	{ "size", "Size", CELL_BYTES, false },
	{ "count_diff", "Count diff", CELL_COUNT_DIFF, false },
	{ "size_diff", "Size diff", CELL_BYTES_DIFF, false },
	{ "native", "Native", CELL_BYTES, true },
	{ "native_diff", "Native diff", CELL_BYTES_DIFF, false },
	{ "old_count", "Old count", CELL_COUNT, true },
	{ "old_size", "Old size", CELL_BYTES, true },
	{ "old_native", "Old native", CELL_BYTES, true },
};

struct pair {
	const struct named_type *fresh, *old;
}; /* one may be NULL */

static int64_t report_diff_size(const struct pair *p)
{
	return (int64_t)((p->fresh ? p->fresh->size : 0) - (p->old ? p->old->size : 0));
}

static int64_t report_diff_native(const struct pair *p)
{
	return (int64_t)((p->fresh ? p->fresh->native : 0) -
			 (p->old ? p->old->native : 0));
}

static int64_t report_diff_count_diff(const struct pair *p)
{
	return (int64_t)((p->fresh ? p->fresh->count : 0) - (p->old ? p->old->count : 0));
}

static bool report_diff_changed(const struct pair *p)
{
	return report_diff_count_diff(p) || report_diff_size(p) || report_diff_native(p);
}

static int report_diff_by_change(const void *a, const void *b)
{
	int64_t x = llabs(report_diff_size(a) + report_diff_native(a)),
		y = llabs(report_diff_size(b) + report_diff_native(b));

	if (x == y) {
		x = llabs(report_diff_count_diff(a));
		y = llabs(report_diff_count_diff(b));
	}
	return x > y ? -1 : x < y;
}

static int report_diff_make_pairs(const struct report_context *c,
				  const struct by_name *fresh, const struct by_name *old,
				  struct vec *pairs)
{
	for (size_t i = 0; i < by_name_count(fresh); i++) {
		struct pair p = { .fresh = by_name_at(fresh, i) };

		p.old = by_name_find(old, c->old, heap_type_name(c->heap, p.fresh->type));
		if (vec_append(pairs, &p, sizeof(p)))
			return -ENOMEM;
	}
	for (size_t i = 0; i < by_name_count(old); i++) {
		struct pair p = { .old = by_name_at(old, i) };

		if (by_name_find(fresh, c->heap, heap_type_name(c->old, p.old->type)))
			continue;
		if (vec_append(pairs, &p, sizeof(p)))
			return -ENOMEM;
	}
	return 0;
}

static int report_diff_add_row(const struct report_context *c, const struct pair *p,
			       struct text *scratch, struct table *table)
{
	struct row row;

	row_begin(&row, table, HEAP_NONE, p->fresh ? p->fresh->type : 0);
	if (p->fresh)
		row_type(&row, scratch, c->heap, p->fresh->type);
	else
		row_type(&row, scratch, c->old, p->old->type);
	row_u64(&row, p->fresh ? p->fresh->count : 0);
	row_u64(&row, p->fresh ? p->fresh->size : 0);
	row_i64(&row, report_diff_count_diff(p));
	row_i64(&row, report_diff_size(p));
	row_u64(&row, p->fresh ? p->fresh->native : 0);
	row_i64(&row, report_diff_native(p));
	row_u64(&row, p->old ? p->old->count : 0);
	row_u64(&row, p->old ? p->old->size : 0);
	row_u64(&row, p->old ? p->old->native : 0);
	return row_end(&row);
}

static int report_diff_run(const struct report_context *context,
			   const struct report_params *params, struct table *table)
{
	struct by_name fresh = { 0 }, old = { 0 };
	struct vec pairs = { 0 };
	struct text scratch = { 0 };
	int err = by_name_build(&fresh, context->heap, NULL);

	(void)params;
	if (!err)
		err = by_name_build(&old, context->old, NULL);
	if (!err) {
		by_name_sort_names(&fresh, context->heap);
		by_name_sort_names(&old, context->old);
		err = report_diff_make_pairs(context, &fresh, &old, &pairs);
	}
	size_t count = VEC_COUNT(pairs, struct pair);
	if (!err && count)
		qsort(pairs.data, count, sizeof(struct pair), report_diff_by_change);
	for (size_t i = 0; i < count && !err; i++)
		if (report_diff_changed(VEC(pairs, struct pair) + i))
			err = report_diff_add_row(context, VEC(pairs, struct pair) + i,
						  &scratch, table);
	by_name_free(&fresh);
	by_name_free(&old);
	vec_free(&pairs);
	text_free(&scratch);
	return err;
}

const struct report report_diff = {
	.name = "diff",
	.title = "Difference by type",
	.needs = NEEDS_OLD,
	.limit = 40,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_diff_run,
};
