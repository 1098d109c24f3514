/* SPDX-License-Identifier: MIT */
/*
 * growth - places that hold more objects than before, by path signature.
 *
 * Only the topmost place that grew is listed: what hangs below each of its new
 * objects grew with it.  New places of one type below one holder (800 modules that
 * sys.modules had not before) are one row, unless one of them is half of it.
 */
#include <stdlib.h>

#include "viewer/report/common.h"
#include "viewer/report/growth_text.h"
#include "viewer/text/human.h"

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
enum { GROWTH_LIKE = 4 }; /* new places that are worth one row */

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
	uint64_t total, size, count;
	uint32_t index;
	uint32_t parent, type;
	uint32_t like; /* more places in the row; UINT32_MAX: this is in another */
	bool fresh;    /* the place is new */
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
			.parent = s[i].parent,
			.type = s[i].type,
			.fresh = !before || !before->count,
			.total = s[i].total,
			.size = s[i].size,
			.count = s[i].count,
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
	return err;
}

/* ---- like rows ---- */

static int report_growth_by_place(const void *a, const void *b)
{
	const struct grown *x = a, *y = b;

	if (x->fresh != y->fresh)
		return x->fresh ? -1 : 1;
	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return by_growth(a, b);
}

/* Makes the first of so many rows, the largest first, that of all; but those that are
 * half of what is left stay by themselves. */
static void report_growth_join(struct grown *g, size_t count)
{
	int64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += g[i].total_diff;
	for (; count >= GROWTH_LIKE && 2 * g->total_diff >= sum; g++, count--)
		sum -= g->total_diff;
	if (count < GROWTH_LIKE)
		return;
	g->like = (uint32_t)count - 1;
	for (size_t i = 1; i < count; i++) {
		g->total_diff += g[i].total_diff;
		g->size_diff += g[i].size_diff;
		g->count_diff += g[i].count_diff;
		g->total += g[i].total;
		g->size += g[i].size;
		g->count += g[i].count;
		g[i].like = UINT32_MAX;
	}
}

/* Joins like rows, and puts all in order. */
static void report_growth_order(struct vec *grown)
{
	struct grown *g = grown->data;
	size_t count = VEC_COUNT(*grown, struct grown), kept = 0;

	if (!count)
		return;
	qsort(g, count, sizeof(*g), report_growth_by_place);
	for (size_t i = 0, n; i < count && g[i].fresh; i += n) {
		for (n = 1; i + n < count && g[i + n].fresh &&
		     g[i + n].parent == g[i].parent && g[i + n].type == g[i].type;
		     n++)
			;
		report_growth_join(&g[i], n);
	}
	for (size_t i = 0; i < count; i++)
		if (g[i].like != UINT32_MAX)
			g[kept++] = g[i];
	grown->size = kept * sizeof(*g);
	qsort(g, kept, sizeof(*g), by_growth);
}

static int report_growth_add_row(const struct report_context *c,
				 const struct growth *fresh, const struct grown *g,
				 struct text *scratch, struct table *table)
{
	const struct signature *s = VEC(fresh->signature, struct signature) + g->index;
	char buf[HUMAN_SIZE];
	struct row row;

	row_begin(&row, table, s->example, s->type);
	text_clear(scratch);
	growth_path(scratch, c->analysis, fresh, g->index);
	if (g->like)
		text_printf(scratch, " and %s like it", human_count(buf, g->like));
	row_text(&row, text_get(scratch));
	if (heap_is_native(c->heap, s->example)) {
		text_clear(scratch);
		describe_native_kind(scratch, c->heap, s->example);
		row_text(&row, text_get(scratch));
	} else {
		row_type(&row, scratch, c->heap, s->type);
	}
	row_u64(&row, g->count);
	row_i64(&row, g->count_diff);
	row_u64(&row, g->size);
	row_i64(&row, g->size_diff);
	row_u64(&row, g->total);
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
	report_growth_order(&grown);
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
