/* SPDX-License-Identifier: MIT */
/*
 * growth - places that hold more objects than before, by path signature.
 *
 * Only the topmost place that grew is listed: what hangs below each of its new
 * objects grew with it.
 */
#include <stdlib.h>

#include "viewer/report/common.h"
#include "viewer/report/growth_text.h"

static const struct column columns[] = {
	{ "path", "Path", CELL_TEXT, false },
	{ "type", "Type", CELL_TEXT, false },
	{ "count", "Count", CELL_COUNT, false },
	{ "count_diff", "Count diff", CELL_COUNT_DIFF, false },
	{ "size", "Size", CELL_BYTES, true },
	{ "size_diff", "Size diff", CELL_BYTES_DIFF, true },
	{ "total", "With all below", CELL_BYTES, true },
	{ "total_diff", "Growth with all below", CELL_BYTES_DIFF, false },
};

#define MAX_STEPS 64

void growth_path(struct text *out, const struct analysis *a, const struct growth *growth,
		 uint32_t index)
{
	const struct signature *s = VEC(growth->signature, struct signature);
	uint32_t chain[MAX_STEPS], count = 0, at = index;

	while (at && count < MAX_STEPS) {
		chain[count++] = at;
		at = s[at].parent;
	}
	if (at)
		text_add(out, "... ");
	describe_signature(out, a, growth, chain, count);
}

struct grown {
	int64_t total_diff, size_diff, count_diff;
	uint32_t index;
};

static int by_growth(const void *a, const void *b)
{
	const struct grown *x = a, *y = b;

	if (x->total_diff != y->total_diff)
		return x->total_diff > y->total_diff ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

static int64_t report_growth_count_diff(const struct signature *s,
					const struct growth *old)
{
	const struct signature *before = growth_find(old, s->hash);

	return (int64_t)(s->count - (before ? before->count : 0));
}

static int report_growth_find_grown(const struct growth *fresh, const struct growth *old,
				    struct vec *ret)
{
	const struct signature *s = fresh->signature.data;
	int err = 0;

	for (uint32_t i = 1; i < VEC_COUNT(fresh->signature, struct signature) && !err;
	     i++) {
		const struct signature *before = growth_find(old, s[i].hash);
		struct grown g = {
			.index = i,
			.count_diff = report_growth_count_diff(&s[i], old),
			.size_diff = (int64_t)(s[i].size - (before ? before->size : 0)),
			.total_diff =
				(int64_t)(s[i].total - (before ? before->total : 0)),
		};
		bool object = s[i].count > 0;
		/* same count, but one of them grew in place (a list's or dict's table) */
		bool grew = g.count_diff > 0 || (g.count_diff == 0 && g.size_diff > 0);

		if (object && grew &&
		    (!s[i].parent || report_growth_count_diff(&s[s[i].parent], old) <= 0))
			err = vec_append(ret, &g, sizeof(g));
	}
	if (ret->size)
		qsort(ret->data, VEC_COUNT(*ret, struct grown), sizeof(struct grown),
		      by_growth);
	return err;
}

static int report_growth_add_row(const struct report_context *c,
				 const struct growth *fresh, const struct grown *g,
				 struct text *scratch, struct table *table)
{
	const struct signature *s = VEC(fresh->signature, struct signature) + g->index;
	struct row row;

	row_begin(&row, table, s->example, s->type);
	text_clear(scratch);
	growth_path(scratch, c->analysis, fresh, g->index);
	row_text(&row, text_get(scratch));
	if (heap_is_native(c->heap, s->example)) {
		text_clear(scratch);
		describe_native_kind(scratch, c->heap, s->example);
		row_text(&row, text_get(scratch));
	} else {
		row_type(&row, scratch, c->heap, s->type);
	}
	row_u64(&row, s->count);
	row_i64(&row, g->count_diff);
	row_u64(&row, s->size);
	row_i64(&row, g->size_diff);
	row_u64(&row, s->total);
	row_i64(&row, g->total_diff);
	return row_end(&row);
}

static int report_growth_run(const struct report_context *context,
			     const struct report_params *params, struct table *table)
{
	struct growth fresh = { 0 }, old = { 0 };
	struct vec grown = { 0 };
	struct text scratch = { 0 };
	int err = growth_build(context->analysis, context->progress, &fresh);

	(void)params;
	if (!err)
		err = growth_build(context->old_analysis, context->progress, &old);
	if (!err)
		err = report_growth_find_grown(&fresh, &old, &grown);
	for (size_t i = 0; i < VEC_COUNT(grown, struct grown) && !err; i++)
		err = report_growth_add_row(context, &fresh, VEC(grown, struct grown) + i,
					    &scratch, table);
	if (!err && (fresh.truncated || old.truncated))
		err = table_note(table,
				 "too many different paths: some are counted where their "
				 "holder is");
	growth_free(&fresh);
	growth_free(&old);
	vec_free(&grown);
	text_free(&scratch);
	return err;
}

const struct report report_growth = {
	.name = "growth",
	.title = "Growth by path",
	.needs = NEEDS_ANALYSIS | NEEDS_OLD,
	.limit = 40,
	.limit_data = 10000,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_growth_run,
};
