/* SPDX-License-Identifier: MIT */
/* waste - empty and over-allocated containers, costly instance dicts
 * (analysis/waste.h). */
#include <stdlib.h>

#include "viewer/analysis/waste.h"
#include "viewer/report/common.h"

static const struct column columns[] = {
	{ "what", "What", CELL_TEXT, false },
	{ "type", "Type", CELL_TEXT, false },
	{ "count", "Count", CELL_COUNT, false },
	{ "size", "Size", CELL_BYTES, false },
	{ "wasted", "Wasted", CELL_BYTES, false },
	{ "address", "Worst", CELL_ADDRESS, false },
	{ "path", "Path", CELL_TEXT, false },
};

static int report_waste_by_wasted(const void *a, const void *b)
{
	const struct waste *x = a, *y = b;

	if (x->wasted != y->wasted)
		return x->wasted > y->wasted ? -1 : 1;
	return x->type < y->type ? -1 : x->type > y->type;
}

static int report_waste_add_row(const struct report_context *c, const struct waste *w,
				struct text *scratch, struct table *table)
{
	static const char *const words[WASTE_KIND_COUNT] = {
		[WASTE_EMPTY_DICT] = "empty dict with a table",
		[WASTE_SPARSE_DICT] = "dict larger than its items need",
		[WASTE_EMPTY_LIST] = "empty list with a table",
		[WASTE_SPARSE_LIST] = "over-allocated list",
		[WASTE_EMPTY_SET] = "empty set with a table",
		[WASTE_SPARSE_SET] = "set larger than its items need",
		[WASTE_INSTANCE_DICT] = "instance __dict__ where __slots__ would do",
	};
	struct row row;

	row_begin(&row, table, w->example, w->type);
	row_text(&row, words[w->kind]);
	row_type(&row, scratch, c->heap, w->type);
	row_u64(&row, w->count);
	row_u64(&row, w->size);
	row_u64(&row, w->wasted);
	row_address(&row, c->heap, w->example);
	row_path(&row, scratch, c->analysis, w->example);
	return row_end(&row);
}

static int report_waste_run(const struct report_context *context,
			    const struct report_params *params, struct table *table)
{
	struct vec found = { 0 };
	struct text scratch = { 0 };
	int err = waste_find(context->heap, context->progress, &found);

	(void)params;
	if (found.size)
		qsort(found.data, VEC_COUNT(found, struct waste), sizeof(struct waste),
		      report_waste_by_wasted);
	for (size_t i = 0; i < VEC_COUNT(found, struct waste) && !err; i++)
		err = report_waste_add_row(context, VEC(found, struct waste) + i,
					   &scratch, table);
	vec_free(&found);
	text_free(&scratch);
	return err;
}

const struct report report_waste = {
	.name = "waste",
	.title = "Wasted by containers",
	.needs = NEEDS_ANALYSIS,
	.limit = 40,
	.columns = columns,
	.ncolumns = COUNT_OF(columns),
	.run = report_waste_run,
};
